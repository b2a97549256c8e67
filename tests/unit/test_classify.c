/* Classification of replies: each rule by itself, and every RCODE. */
#include "tests/unit/unit.h"

#include "resolver/iterate/classify.h"

/* What scrub found in a reply, combined by OR. */
enum content {
    ANSWER = 1, /* the records that were asked for */
    CNAME = 2,  /* a chain that ends in a CNAME */
    DNAME = 4,  /* a chain that ends in a DNAME */
    SOA = 8,
    DELEGATION = 16,
    OTHER_NS = 32, /* NS records that are no delegation below */
    PROOF = 64,    /* NSEC or NSEC3 */
};

enum terms { EDNS = 1, OPTIONS = 2, FORWARD = 4, CACHED = 8 };

enum { AA = MESSAGE_AA, RA = MESSAGE_RA };

static struct rrset data = {.type = RRTYPE_A}, cname = {.type = RRTYPE_CNAME},
                    dname = {.type = RRTYPE_DNAME}, soa = {.type = RRTYPE_SOA};
static struct delegation delegation;

static enum classify_kind classify(unsigned rcode, unsigned flags, bool has_edns,
                                   unsigned content, unsigned terms)
{
    struct message reply = {.flags = (uint16_t)(MESSAGE_QR | flags | (rcode & 15)),
                            .has_edns = has_edns};
    struct scrub scrub = {.soa = content & SOA ? &soa : NULL,
                          .delegation = content & DELEGATION ? &delegation : NULL,
                          .has_other_ns = content & OTHER_NS,
                          .proof_cnt = content & PROOF ? 1 : 0,
                          .is_answered = content & ANSWER};
    struct classify_terms of = {.had_edns = terms & EDNS,
                                .had_options = terms & OPTIONS,
                                .is_forward = terms & FORWARD,
                                .may_be_cached = terms & CACHED};

    reply.edns.ext_rcode = (uint8_t)(rcode >> 4);
    if (content & DNAME)
        scrub.chain[scrub.chain_cnt++].set = &dname;
    if (content & CNAME)
        scrub.chain[scrub.chain_cnt++].set = &cname;
    if (content & ANSWER)
        scrub.chain[scrub.chain_cnt++].set = &data;
    return classify_reply(&reply, &scrub, &of);
}

/* A reply, the terms of the query, and the kind that must result. */
struct expected {
    unsigned rcode, flags, content, terms;
    enum classify_kind kind;
};

static void expect(const struct expected *cases, size_t cnt)
{
    for (size_t i = 0; i < cnt; i++) {
        const struct expected *e = &cases[i];
        enum classify_kind kind =
            classify(e->rcode, e->flags, e->rcode > 15, e->content, e->terms);
        if (kind != e->kind)
            fail_msg("row %zu: kind %d instead of %d", i, kind, e->kind);
    }
}

static void test_noerror(void **state)
{
    static const struct expected cases[] = {
        {0, AA, ANSWER, 0, CLASSIFY_ANSWER},
        {0, 0, ANSWER, 0, CLASSIFY_ANSWER}, /* AA is missing */
        {0, AA | RA, ANSWER, 0, CLASSIFY_ANSWER},
        {0, AA, CNAME | ANSWER, 0, CLASSIFY_ANSWER},
        {0, AA, ANSWER | SOA, 0, CLASSIFY_ANSWER},
        {0, AA, CNAME, 0, CLASSIFY_CHAIN},
        {0, AA, DNAME, 0, CLASSIFY_CHAIN},
        {0, AA, DNAME | CNAME, 0, CLASSIFY_CHAIN},
        {0, AA, CNAME | SOA, 0, CLASSIFY_CHAIN}, /* the target is resolved by itself */
        /* an answer from the cache of a recursive server, which does not serve the zone */
        {0, RA, ANSWER, 0, CLASSIFY_LAME},
        {0, RA, CNAME, 0, CLASSIFY_LAME},
        {0, RA, ANSWER, CACHED, CLASSIFY_ANSWER},
        {0, RA, ANSWER, FORWARD, CLASSIFY_ANSWER},
        {0, RA, CNAME, FORWARD, CLASSIFY_CHAIN},
    };
    (void)state;
    expect(cases, ARRAY_LEN(cases));
}

static void test_noerror_without_an_answer(void **state)
{
    static const struct expected cases[] = {
        {0, 0, DELEGATION, 0, CLASSIFY_DELEGATION},
        {0, AA, DELEGATION, 0, CLASSIFY_DELEGATION},
        {0, RA, DELEGATION, 0, CLASSIFY_DELEGATION},
        {0, 0, DELEGATION | OTHER_NS, 0, CLASSIFY_DELEGATION},
        {0, AA, SOA, 0, CLASSIFY_NODATA},
        {0, 0, SOA, 0, CLASSIFY_NODATA},
        {0, RA, SOA, 0, CLASSIFY_NODATA},
        {0, AA, 0, 0, CLASSIFY_NODATA}, /* RFC 2308 2.2: without a SOA */
        {0, AA, OTHER_NS, 0, CLASSIFY_NODATA},
        {0, 0, 0, 0, CLASSIFY_EMPTY},
        {0, 0, PROOF, 0, CLASSIFY_NODATA}, /* an NSEC that says so */
        {0, RA, PROOF, 0, CLASSIFY_LAME},
        {0, 0, PROOF | OTHER_NS, 0, CLASSIFY_LAME},
        {0, 0, OTHER_NS, 0, CLASSIFY_LAME}, /* an upward or sideways referral */
        {0, RA, 0, 0, CLASSIFY_LAME},
        {0, RA, 0, CACHED, CLASSIFY_LAME},
        {0, RA, OTHER_NS, 0, CLASSIFY_LAME},
        {0, RA, 0, FORWARD, CLASSIFY_NODATA},
        {0, 0, 0, FORWARD, CLASSIFY_NODATA},
        {0, RA, OTHER_NS, FORWARD, CLASSIFY_LAME}, /* a forwarder that does not recurse */
    };
    (void)state;
    expect(cases, ARRAY_LEN(cases));
}

static void test_nxdomain(void **state)
{
    static const struct expected cases[] = {
        {3, AA, SOA, 0, CLASSIFY_NXDOMAIN},
        {3, AA, 0, 0, CLASSIFY_NXDOMAIN}, /* RFC 2308 2.1: without a SOA */
        {3, 0, SOA, 0, CLASSIFY_NXDOMAIN},
        {3, RA, SOA, 0, CLASSIFY_NXDOMAIN},
        {3, AA, CNAME | SOA, 0,
         CLASSIFY_NXDOMAIN}, /* for the last name of the chain (RFC 6604 3) */
        {3, 0, CNAME, 0, CLASSIFY_NXDOMAIN},
        {3, 0, 0, 0, CLASSIFY_EMPTY},
        {3, 0, PROOF, 0, CLASSIFY_NXDOMAIN},
        {3, RA, 0, 0, CLASSIFY_LAME},
        {3, RA, CNAME, 0, CLASSIFY_LAME},
        {3, RA, 0, CACHED, CLASSIFY_EMPTY},
        {3, RA, 0, FORWARD, CLASSIFY_NXDOMAIN},
        {3, 0, 0, FORWARD, CLASSIFY_NXDOMAIN},
    };
    (void)state;
    expect(cases, ARRAY_LEN(cases));
}

/* FORMERR, NOTIMP and BADVERS may be caused by the OPT record of the query (RFC 6891 7). */
static void test_servers_without_edns(void **state)
{
    static const unsigned rcodes[] = {RRTYPE_RCODE_FORMERR, RRTYPE_RCODE_NOTIMP};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rcodes); i++) {
        unsigned r = rcodes[i];
        assert_int_equal(classify(r, 0, false, 0, EDNS), CLASSIFY_NO_EDNS);
        assert_int_equal(classify(r, 0, false, 0, EDNS | OPTIONS), CLASSIFY_NO_EDNS);
        assert_int_equal(classify(r, 0, true, 0, EDNS), CLASSIFY_NO_EDNS);
        assert_int_equal(classify(r, 0, true, 0, EDNS | OPTIONS), CLASSIFY_NO_OPTIONS);
        assert_int_equal(classify(r, 0, false, 0, 0), CLASSIFY_ERROR);
        assert_int_equal(classify(r, 0, true, 0, 0), CLASSIFY_ERROR);
        /* records in the reply change nothing */
        assert_int_equal(classify(r, AA, false, ANSWER | SOA | DELEGATION, EDNS),
                         CLASSIFY_NO_EDNS);
    }
    assert_int_equal(classify(RRTYPE_RCODE_BADVERS, 0, true, 0, EDNS), CLASSIFY_NO_EDNS);
    assert_int_equal(classify(RRTYPE_RCODE_BADVERS, 0, true, 0, EDNS | OPTIONS),
                     CLASSIFY_NO_EDNS);
    assert_int_equal(classify(RRTYPE_RCODE_BADVERS, 0, true, 0, 0), CLASSIFY_ERROR);
}

/* YXDOMAIN is valid if a DNAME makes the name too long (RFC 6672 2.2). */
static void test_yxdomain(void **state)
{
    (void)state;
    assert_int_equal(classify(6, AA, false, DNAME, 0), CLASSIFY_CHAIN);
    assert_int_equal(classify(6, AA, false, DNAME | CNAME, 0), CLASSIFY_ERROR);
    assert_int_equal(classify(6, AA, false, CNAME, 0), CLASSIFY_ERROR);
    assert_int_equal(classify(6, AA, false, 0, 0), CLASSIFY_ERROR);
}

/* All 4096 RCODEs with any content: RCODEs without a rule are errors. */
static void test_every_rcode(void **state)
{
    (void)state;
    for (unsigned rcode = 0; rcode < 4096; rcode++)
        for (unsigned content = 0; content < 64; content++) {
            enum classify_kind kind = classify(rcode, AA, true, content, FORWARD | CACHED);
            switch (rcode) {
            case RRTYPE_RCODE_NOERROR:
            case RRTYPE_RCODE_YXDOMAIN: break;
            case RRTYPE_RCODE_NXDOMAIN: assert_int_equal(kind, CLASSIFY_NXDOMAIN); break;
            case RRTYPE_RCODE_BADCOOKIE: assert_int_equal(kind, CLASSIFY_BAD_COOKIE); break;
            default: assert_int_equal(kind, CLASSIFY_ERROR);
            }
        }
}

/* The upper bits of the RCODE are in the OPT record (RFC 6891 6.1.3). */
static void test_extended_rcodes(void **state)
{
    struct message reply = {.flags = 0xffff, .edns = {.ext_rcode = 0xff}};
    (void)state;
    assert_int_equal(classify_rcode(&reply), 15);
    reply.has_edns = true;
    assert_int_equal(classify_rcode(&reply), 4095);
    reply.flags = 0xfff0;
    reply.edns.ext_rcode = 1;
    assert_int_equal(classify_rcode(&reply), 16);
    /* BADCOOKIE is 23: 7 in the header, 1 in the OPT record */
    assert_int_equal(classify(23, 0, true, 0, EDNS), CLASSIFY_BAD_COOKIE);
    assert_int_equal(classify(23, 0, false, 0, EDNS), CLASSIFY_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_noerror),
        cmocka_unit_test(test_noerror_without_an_answer),
        cmocka_unit_test(test_nxdomain),
        cmocka_unit_test(test_servers_without_edns),
        cmocka_unit_test(test_yxdomain),
        cmocka_unit_test(test_every_rcode),
        cmocka_unit_test(test_extended_rcodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
