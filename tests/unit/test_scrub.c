/* The records that scrub takes from a reply: sections, bailiwick, chains, negative answers,
 * referrals, glue. */
#include "tests/unit/replies.h"

/* ---- answers ---- */

static void test_an_answer(void **state)
{
    (void)state;
    begin("example", "www.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "WWW.Example. 300 A 192.0.2.2");
    add(MESSAGE_ANSWER, "www.example. 200 A 192.0.2.1");
    add(MESSAGE_ANSWER, "www.example. 400 A 192.0.2.2"); /* a duplicate */
    add(MESSAGE_ANSWER, "www.example. 100 AAAA 2001:db8::1");
    add(MESSAGE_ANSWER, "other.example. 100 A 192.0.2.3");
    add(MESSAGE_AUTHORITY, "www.example. 100 A 192.0.2.4");
    add(MESSAGE_ADDITIONAL, "www.example. 100 A 192.0.2.5");
    const struct scrub *s = scrub_well();
    assert_true(s->is_answered && s->chain_cnt == 1 && !s->soa && !s->delegation);
    expect_link(s, 0, "www.example", RRTYPE_A);
    const struct rrset *set = s->chain[0].set;
    assert_true(set->cnt == 2 && set->ttl == 200); /* RFC 2181 5, 5.2 */
    assert_memory_equal(rrset_first(set).rdata, "\300\0\2\1", 4);
    expect_name(s->last, "www.example");
    assert_int_equal(s->record_cnt, 7);
    assert_int_equal(s->dropped_cnt, 0);
    assert_false(s->is_last_ours || s->has_other_ns || scrub_has_signatures(s));
}

/* Records of other classes, and OPT, are skipped. */
static void test_other_classes(void **state)
{
    (void)state;
    begin("example", "www.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "www.example. 300 A 192.0.2.1");
    util_put_u16(reply.wire + reply.len - 12, RRTYPE_CLASS_CH);
    add_octets(MESSAGE_ADDITIONAL, root, RRTYPE_OPT, 0, "", 0);
    const struct scrub *s = scrub_well();
    assert_true(!s->is_answered && s->chain_cnt == 0 && s->record_cnt == 0);
    expect_name(s->last, "www.example");
}

/* A reply without records. */
static void test_an_empty_reply(void **state)
{
    (void)state;
    begin(".", ".", RRTYPE_A);
    const struct scrub *s = scrub_well();
    assert_true(!s->is_answered && s->chain_cnt == 0 && !s->soa && !s->delegation);
    assert_int_equal(s->record_cnt, 0);
}

/* Records out of bailiwick are dropped, even those of the query name. */
static void test_answers_out_of_bailiwick(void **state)
{
    (void)state;
    for (int checks = 0; checks < 2; checks++) {
        begin("example", "www.other", RRTYPE_A);
        asked.checks_bailiwick = checks;
        add(MESSAGE_ANSWER, "www.other. 300 A 192.0.2.1");
        add(MESSAGE_AUTHORITY, "other. 300 SOA a. b. 1 2 3 4 5");
        const struct scrub *s = scrub_well();
        assert_int_equal(s->is_answered, !checks);
        assert_int_equal(s->soa != NULL, !checks);
        assert_int_equal(s->dropped_cnt, checks ? 2 : 0);
    }
    /* badexample. is not below example. */
    begin("example", "badexample", RRTYPE_A);
    add(MESSAGE_ANSWER, "badexample. 300 A 192.0.2.1");
    assert_int_equal(scrub_well()->dropped_cnt, 1);
}

/* ---- chains ---- */

static void test_a_chain(void **state)
{
    (void)state;
    begin("example", "a.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "c.example. 30 A 192.0.2.1"); /* the order does not count */
    add(MESSAGE_ANSWER, "b.EXAMPLE. 20 CNAME C.example.");
    add(MESSAGE_ANSWER, "A.example. 10 CNAME B.example.");
    const struct scrub *s = scrub_well();
    assert_true(s->is_answered && s->chain_cnt == 3);
    expect_link(s, 0, "a.example", RRTYPE_CNAME);
    expect_link(s, 1, "b.example", RRTYPE_CNAME);
    expect_link(s, 2, "c.example", RRTYPE_A);
    expect_name(s->last, "c.example");
    /* a query for CNAME follows nothing */
    asked.type = RRTYPE_CNAME;
    s = scrub_well();
    assert_true(s->is_answered && s->chain_cnt == 1);
    expect_link(s, 0, "a.example", RRTYPE_CNAME);
}

/* A link to a name for which the server is not authoritative ends the chain (RFC 2181 5.4.1);
 * from a forwarder the whole chain is taken. */
static void test_links_without_authority(void **state)
{
    (void)state;
    for (int is_forward = 0; is_forward < 2; is_forward++) {
        begin("example", "a.example", RRTYPE_A);
        asked.is_forward = is_forward;
        follows = false;
        add(MESSAGE_ANSWER, "a.example. 10 CNAME b.example.");
        add(MESSAGE_ANSWER, "b.example. 10 A 192.0.2.1");
        const struct scrub *s = scrub_well();
        assert_int_equal(s->is_answered, is_forward);
        assert_int_equal(s->chain_cnt, 1 + is_forward);
        expect_name(s->last, "b.example");
    }
    asked.is_forward = false;
    asked.may_follow = NULL;
    assert_int_equal(scrub_well()->chain_cnt, 1);
    /* a link out of bailiwick is never followed */
    begin("example", "a.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "a.example. 10 CNAME b.test.");
    add(MESSAGE_ANSWER, "b.test. 10 A 192.0.2.1");
    const struct scrub *s = scrub_well();
    assert_true(s->chain_cnt == 1 && s->dropped_cnt == 1 && !s->is_answered);
    asked.checks_bailiwick = false;
    assert_true(scrub_well()->is_answered);
}

/* The server is authoritative for the last name too, and the reply has no record of it. */
static void test_the_end_of_a_chain(void **state)
{
    (void)state;
    begin("example", "a.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "a.example. 10 CNAME b.example.");
    add(MESSAGE_AUTHORITY, "example. 300 SOA a. b. 1 2 3 4 5");
    const struct scrub *s = scrub_well();
    assert_true(s->is_last_ours && s->chain_cnt == 1 && s->soa);
    follows = false;
    assert_false(scrub_well()->is_last_ours);
}

static void test_chains_that_do_not_end(void **state)
{
    (void)state;
    begin("example", "a.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "a.example. 10 CNAME b.example.");
    add(MESSAGE_ANSWER, "b.example. 10 CNAME a.example.");
    const struct scrub *s = scrub_well();
    assert_true(s->chain_cnt == 2 && !s->is_answered);
    expect_name(s->last, "a.example");
    begin("example", "c.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "c.example. 10 CNAME C.example.");
    assert_int_equal(scrub_well()->chain_cnt, 1);
    /* the rest of a chain that is too long is left out */
    begin("example", "n0.example", RRTYPE_A);
    for (int i = 0; i < 20; i++)
        add(MESSAGE_ANSWER, "n%d.example. 10 CNAME n%d.example.", i, i + 1);
    s = scrub_well();
    assert_int_equal(s->chain_cnt, SCRUB_CHAIN_MAX - 1);
    expect_name(s->last, "n11.example");
    /* the longest chain with an answer */
    begin("example", "n0.example", RRTYPE_A);
    for (int i = 0; i < SCRUB_CHAIN_MAX - 2; i++)
        add(MESSAGE_ANSWER, "n%d.example. 10 CNAME n%d.example.", i, i + 1);
    add(MESSAGE_ANSWER, "n%d.example. 10 A 192.0.2.1", SCRUB_CHAIN_MAX - 2);
    assert_true(scrub_well()->is_answered);
}

/* The DNAME counts, not the CNAME beside it (RFC 6672 3.1). */
static void test_dname(void **state)
{
    (void)state;
    begin("example", "x.y.D.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "d.example. 10 DNAME t.example.");
    add(MESSAGE_ANSWER, "x.y.d.example. 10 CNAME elsewhere.example.");
    add(MESSAGE_ANSWER, "x.y.t.example. 10 A 192.0.2.1");
    const struct scrub *s = scrub_well();
    assert_true(s->is_answered && s->chain_cnt == 2);
    expect_link(s, 0, "d.example", RRTYPE_DNAME);
    expect_link(s, 1, "x.y.t.example", RRTYPE_A);
    /* a DNAME does not redirect its owner (RFC 6672 2.3) */
    begin("example", "d.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "d.example. 10 DNAME t.example.");
    assert_int_equal(scrub_well()->chain_cnt, 0);
    asked.type = RRTYPE_DNAME;
    assert_true(scrub_well()->is_answered);
    /* a DNAME above the server's zone is out of bailiwick */
    begin("d.example", "x.d.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "example. 10 DNAME t.test.");
    s = scrub_well();
    assert_true(s->chain_cnt == 0 && s->dropped_cnt == 1);
    /* of two DNAMEs the nearest counts */
    begin("example", "x.a.b.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "b.example. 10 DNAME far.example.");
    add(MESSAGE_ANSWER, "a.b.example. 10 DNAME near.example.");
    s = scrub_well();
    expect_link(s, 0, "a.b.example", RRTYPE_DNAME);
    expect_name(s->last, "x.near.example");
}

/* A DNAME whose target is below its owner ends with the longest chain, or the longest name. */
static void test_dname_below_itself(void **state)
{
    char text[300], label[64];
    (void)state;
    begin("example", "x.d.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "d.example. 10 DNAME d.d.example.");
    const struct scrub *s = scrub_well();
    assert_true(s->chain_cnt == SCRUB_CHAIN_MAX - 1 && !s->is_answered);
    memset(label, 'l', 63);
    label[63] = '\0';
    snprintf(text, sizeof(text), "%s.%s.%s.x.d.example", label, label, label);
    begin("example", text, RRTYPE_A);
    add(MESSAGE_ANSWER, "d.example. 10 DNAME %s.d.example.", label);
    s = scrub_well(); /* YXDOMAIN: 3 * 64 + 2 + 2 + 9 octets, and 64 more */
    assert_int_equal(s->chain_cnt, 1);
    expect_link(s, 0, "d.example", RRTYPE_DNAME);
    expect_name(s->last, text);
    assert_false(s->is_answered);
}

/* A DNAME may make a name of 255 octets, not of 256. */
static void test_dname_border(void **state)
{
    (void)state;
    for (int extra = 0; extra < 2; extra++) {
        char text[300] = "", target[100];
        for (int i = 0; i < 100; i++)
            strcat(text, "a.");
        strcat(text, "d.example"); /* 200 octets before the owner of the DNAME, 211 in all */
        begin("example", text, RRTYPE_A);
        memset(target, 't', 45 + (size_t)extra);
        target[45 + extra] = '\0'; /* 46 + 9 octets for the target: 255 */
        add(MESSAGE_ANSWER, "d.example. 10 DNAME %s.example.", target);
        const struct scrub *s = scrub_well();
        assert_int_equal(dname_len(s->last), extra ? 211 : 255);
    }
}

/* A name has one CNAME and one DNAME at most (RFC 2181 10.1, RFC 6672 2.4).  A few duplicates
 * are accepted. */
static void test_one_cname_at_a_name(void **state)
{
    static const char *const types[] = {"CNAME", "DNAME"};
    const struct scrub *s;
    (void)state;
    for (size_t t = 0; t < ARRAY_LEN(types); t++) {
        begin("example", t ? "x.a.example" : "a.example", RRTYPE_A);
        add(MESSAGE_ANSWER, "a.example. 10 %s b.example.", types[t]);
        add(MESSAGE_ANSWER, "a.example. 10 %s c.example.", types[t]);
        assert_int_equal(scrub(&s), ERR_FORMAT);
        assert_false(s->broken.is_record);
        for (int copies = SCRUB_COPIES_MAX; copies <= SCRUB_COPIES_MAX + 1; copies++) {
            begin("example", t ? "x.a.example" : "a.example", RRTYPE_A);
            for (int i = 0; i < copies; i++)
                add(MESSAGE_ANSWER, "a.example. 10 %s b.example.", types[t]);
            assert_int_equal(scrub(&s), copies > SCRUB_COPIES_MAX ? ERR_FORMAT : ERR_OK);
        }
        assert_true(s->broken.is_record && s->broken.number == SCRUB_COPIES_MAX + 1);
        assert_int_equal(s->broken.at + 11, reply.len); /* "b.example.", the last one */
    }
    /* a malformed later link is left out */
    begin("example", "a.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "a.example. 10 CNAME b.example.");
    add(MESSAGE_ANSWER, "b.example. 10 CNAME c.example.");
    add(MESSAGE_ANSWER, "b.example. 10 CNAME d.example.");
    s = scrub_well();
    assert_int_equal(s->chain_cnt, 1);
    expect_name(s->last, "b.example");
    /* from a forwarder it is an error */
    asked.is_forward = true;
    assert_int_equal(scrub(&s), ERR_FORMAT);
}

/* ---- negative answers ---- */

static void test_soa(void **state)
{
    static const struct {
        const char *owner, *believed; /* NULL: none */
    } cases[] = {{"example.", "example"},
                 {"EXAMPLE.", "example"},
                 {"b.example.", "b.example"},
                 {"a.b.example.", "a.b.example"},
                 {"c.b.example.", NULL},
                 {"x.a.b.example.", NULL},
                 {"test.", NULL},
                 {".", NULL}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin("example", "a.b.example", RRTYPE_A);
        add(MESSAGE_ANSWER, "%s 300 SOA a. b. 1 2 3 4 5", cases[i].owner);
        assert_null(scrub_well()->soa); /* in the wrong section */
        add(MESSAGE_AUTHORITY, "%s 300 SOA a. b. 1 2 3 4 5", cases[i].owner);
        const struct scrub *s = scrub_well();
        assert_int_equal(s->soa != NULL, cases[i].believed != NULL);
        if (cases[i].believed)
            expect_name(s->soa_owner, cases[i].believed);
    }
    /* of several SOAs the nearest counts */
    begin("example", "a.b.example", RRTYPE_A);
    add(MESSAGE_AUTHORITY, "example. 300 SOA a. b. 1 2 3 4 5");
    add(MESSAGE_AUTHORITY, "b.example. 300 SOA a. b. 1 2 3 4 5");
    expect_name(scrub_well()->soa_owner, "b.example");
    /* the SOA must be above the last name of the chain */
    begin(".", "a.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "a.example. 300 CNAME b.test.");
    add(MESSAGE_AUTHORITY, "example. 300 SOA a. b. 1 2 3 4 5");
    assert_null(scrub_well()->soa);
    add(MESSAGE_AUTHORITY, "test. 300 SOA a. b. 1 2 3 4 5");
    expect_name(scrub_well()->soa_owner, "test");
}

/* ---- referrals ---- */

static void test_which_ns_delegate(void **state)
{
    static const struct {
        const char *owner;
        bool is_delegation;
    } cases[] = {{"b.example.", true},      {"A.B.Example.", true},
                 {"example.", false},       {".", false},
                 {"test.", false},          {"c.example.", false},
                 {"x.a.b.example.", false}, {"ab.example.", false}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin("example", "a.b.example", RRTYPE_A);
        add(MESSAGE_AUTHORITY, "%s 300 NS ns.test.", cases[i].owner);
        const struct scrub *s = scrub_well();
        assert_int_equal(s->delegation != NULL, cases[i].is_delegation);
        assert_int_equal(s->has_other_ns, !cases[i].is_delegation);
        if (cases[i].is_delegation)
            expect_name(s->delegation->zone, cases[i].owner);
    }
    /* the deepest delegation counts, whatever the order */
    for (int i = 0; i < 2; i++) {
        begin("example", "a.b.example", RRTYPE_A);
        add(MESSAGE_AUTHORITY, "%s 300 NS ns.test.", i ? "b.example." : "a.b.example.");
        add(MESSAGE_AUTHORITY, "%s 300 NS ns.test.", i ? "a.b.example." : "b.example.");
        const struct scrub *s = scrub_well();
        expect_name(s->delegation->zone, "a.b.example");
        assert_false(s->has_other_ns);
    }
}

/* There is no delegation beside an answer or a SOA, nor from a forwarder. */
static void test_what_is_no_referral(void **state)
{
    (void)state;
    begin("example", "a.b.example", RRTYPE_A);
    add(MESSAGE_AUTHORITY, "b.example. 300 NS ns.test.");
    assert_non_null(scrub_well()->delegation);
    asked.is_forward = true;
    const struct scrub *s = scrub_well();
    assert_true(!s->delegation && s->has_other_ns);
    asked.is_forward = false;
    add(MESSAGE_AUTHORITY, "example. 300 SOA a. b. 1 2 3 4 5");
    assert_null(scrub_well()->delegation);
    begin("example", "a.b.example", RRTYPE_A);
    add(MESSAGE_AUTHORITY, "b.example. 300 NS ns.test.");
    add(MESSAGE_AUTHORITY, "a.b.example. 300 A 192.0.2.1"); /* in the wrong section */
    assert_non_null(scrub_well()->delegation);
    begin("example", "a.b.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "a.b.example. 300 A 192.0.2.1");
    add(MESSAGE_AUTHORITY, "b.example. 300 NS ns.test.");
    assert_null(scrub_well()->delegation);
}

/* Glue must belong to a server of the delegation, be in bailiwick and have the right length. */
static void test_glue(void **state)
{
    static const uint8_t octets[17] = {192, 0, 2, 77};
    uint8_t ns[DNAME_MAX];
    (void)state;
    begin("example", "a.b.example", RRTYPE_A);
    add(MESSAGE_AUTHORITY, "b.example. 300 NS NS.b.example.");
    add(MESSAGE_AUTHORITY, "b.example. 200 NS ns.example.");
    add(MESSAGE_AUTHORITY, "b.example. 400 NS ns.test.");
    add(MESSAGE_AUTHORITY, "b.example. 400 NS ns.B.example."); /* a duplicate of the first */
    add(MESSAGE_ADDITIONAL, "ns.b.example. 150 A 192.0.2.1");
    add(MESSAGE_ADDITIONAL, "ns.B.example. 300 AAAA 2001:db8::1");
    add(MESSAGE_ADDITIONAL, "ns.b.example. 300 A 192.0.2.1"); /* a duplicate */
    add(MESSAGE_ADDITIONAL, "ns.example. 300 A 192.0.2.2");
    add(MESSAGE_ADDITIONAL, "ns.test. 1 A 192.0.2.3"); /* out of bailiwick */
    add(MESSAGE_ADDITIONAL,
        "other.b.example. 1 A 192.0.2.4"); /* not a server of the delegation */
    add(MESSAGE_ADDITIONAL, "ns.example. 1 TXT 192.0.2.5");
    unit_name("ns.example", ns);
    add_octets(MESSAGE_ADDITIONAL, ns, RRTYPE_A, 1, octets, 0);
    add_octets(MESSAGE_ADDITIONAL, ns, RRTYPE_A, 1, octets, 3);
    add_octets(MESSAGE_ADDITIONAL, ns, RRTYPE_A, 1, octets, 5);
    add_octets(MESSAGE_ADDITIONAL, ns, RRTYPE_A, 1, octets, 16);
    add_octets(MESSAGE_ADDITIONAL, ns, RRTYPE_AAAA, 1, octets, 4);
    add_octets(MESSAGE_ADDITIONAL, ns, RRTYPE_AAAA, 1, octets, 17);
    const struct scrub *s = scrub_well();
    const struct delegation *d = s->delegation;
    struct addr want;
    assert_true(d->server_cnt == 3 && d->addr_cnt == 3 && !d->is_signed && !d->is_oversized);
    assert_int_equal(d->source, DELEGATION_REFERRAL);
    expect_name(d->servers[0].name, "ns.b.example");
    expect_name(d->servers[2].name, "ns.test");
    assert_int_equal(d->servers[2].addr_cnt, 0);
    assert_int_equal(s->delegation_ttl, 150); /* the smallest TTL of what was used */
    assert_int_equal(s->dropped_cnt, 1);
    assert_int_equal(addr_read("192.0.2.1@5300", 53, &want), ERR_OK);
    assert_true(addr_is_equal(&d->addrs[0].addr, &want));
    assert_int_equal(addr_read("2001:db8::1@5300", 53, &want), ERR_OK);
    assert_true(addr_is_equal(&d->addrs[1].addr, &want));
    assert_int_equal(addr_read("192.0.2.2@5300", 53, &want), ERR_OK);
    assert_true(addr_is_equal(&d->addrs[2].addr, &want) && d->addrs[2].server == 1);
    /* not from the authority section */
    begin("example", "a.b.example", RRTYPE_A);
    add(MESSAGE_AUTHORITY, "b.example. 300 NS ns.b.example.");
    add(MESSAGE_AUTHORITY, "ns.b.example. 300 A 192.0.2.1");
    assert_int_equal(scrub_well()->delegation->addr_cnt, 0);
}

static void test_signed_delegations(void **state)
{
    (void)state;
    for (int section = MESSAGE_ANSWER; section <= MESSAGE_ADDITIONAL; section++) {
        begin("example", "a.b.example", RRTYPE_A);
        if (section == MESSAGE_ANSWER)
            add(MESSAGE_ANSWER, "b.example. 300 DS 1 13 2 aa");
        add(MESSAGE_AUTHORITY, "b.example. 300 NS ns.test.");
        if (section != MESSAGE_ANSWER)
            add((enum message_section)section, "B.EXAMPLE. 300 DS 1 13 2 aa");
        assert_int_equal(scrub_well()->delegation->is_signed, section == MESSAGE_AUTHORITY);
    }
    begin("example", "a.b.example", RRTYPE_A);
    add(MESSAGE_AUTHORITY, "b.example. 300 NS ns.test.");
    add(MESSAGE_AUTHORITY, "c.example. 300 DS 1 13 2 aa");
    assert_false(scrub_well()->delegation->is_signed);
}

/* The first 13 servers are kept, and it is noted if there were more. */
static void test_oversized_delegations(void **state)
{
    (void)state;
    for (int cnt = DELEGATION_SERVERS_MAX; cnt <= DELEGATION_SERVERS_MAX + 1; cnt++) {
        begin("example", "a.b.example", RRTYPE_A);
        for (int i = 0; i < cnt; i++)
            add(MESSAGE_AUTHORITY, "b.example. 300 NS ns%d.b.example.", i);
        for (int i = 0; i < cnt; i++)
            add(MESSAGE_ADDITIONAL, "ns%d.b.example. 300 A 192.0.2.%d", i, i + 1);
        const struct delegation *d = scrub_well()->delegation;
        assert_int_equal(d->server_cnt, DELEGATION_SERVERS_MAX);
        assert_int_equal(d->addr_cnt, DELEGATION_SERVERS_MAX);
        assert_int_equal(d->is_oversized, cnt > DELEGATION_SERVERS_MAX);
        expect_name(d->servers[12].name, "ns12.b.example");
    }
}

/* The answer to a priming query is the delegation of the root (RFC 8109 3.3). */
static void test_priming(void **state)
{
    (void)state;
    begin(".", ".", RRTYPE_NS);
    add(MESSAGE_ANSWER, ". 300 NS a.root.");
    add(MESSAGE_ADDITIONAL, "a.root. 300 A 192.0.2.1");
    const struct scrub *s = scrub_well();
    assert_true(s->is_answered && s->delegation && s->delegation->addr_cnt == 1);
    assert_int_equal(*s->delegation->zone, 0);
    begin("example", "example", RRTYPE_NS); /* not of another zone */
    add(MESSAGE_ANSWER, "example. 300 NS ns.example.");
    s = scrub_well();
    assert_true(s->is_answered && !s->delegation);
}

/* ---- signatures ---- */

static void test_a_signature_in_another_section(void **state)
{
    (void)state;
    begin("example", "a.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "a.example. 300 A 192.0.2.1");
    add(MESSAGE_ADDITIONAL, "a.example. 300 RRSIG A 13 2 300 20300101000000 20200101000000 1 "
                            "example. AAAA");
    assert_non_null(rrset_signatures(scrub_well()->chain[0].set));
}

/* The CNAME has no signature; the DNAME that it follows from may have one. */
static void test_a_cname_that_is_asked_for_below_a_dname(void **state)
{
    (void)state;
    begin("example", "a.d.example", RRTYPE_CNAME);
    add(MESSAGE_ANSWER, "d.example. 300 DNAME t.example.");
    add(MESSAGE_ANSWER, "a.d.example. 300 CNAME a.t.example.");
    const struct scrub *s = scrub_well();
    assert_true(s->is_answered && s->chain_cnt == 1);
    assert_int_equal(s->chain[0].set->type, RRTYPE_DNAME);
}

/* ---- omissions ---- */

/* Return why the last record of the reply was left out. */
static enum scrub_omission why_last(void)
{
    const struct scrub *s = scrub_well();
    return scrub_omission(s, &s->records[s->record_cnt - 1]);
}

static void test_omissions(void **state)
{
    (void)state;
    begin("example", "a.b.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "a.b.test. 300 A 192.0.2.1");
    assert_int_equal(why_last(), SCRUB_OUT_OF_BAILIWICK);
    add(MESSAGE_ANSWER, "c.b.example. 300 A 192.0.2.1");
    assert_int_equal(why_last(), SCRUB_UNRELATED);
    add(MESSAGE_ANSWER, "c.b.example. 300 RRSIG A 13 2 300 20300101000000 20200101000000 1 "
                        "example. AAAA");
    assert_int_equal(why_last(), SCRUB_UNUSED_SIGNATURE);
    add(MESSAGE_AUTHORITY, "example. 300 NS ns.example.");
    assert_int_equal(why_last(), SCRUB_CHILD_NS);
    asked.is_forward = true;
    assert_int_equal(why_last(), SCRUB_FORWARDER_NS);
    add(MESSAGE_ADDITIONAL, "ns.example. 300 A 192.0.2.1");
    assert_int_equal(why_last(), SCRUB_UNRELATED_ADDITIONAL);
    begin("example", "a.example", RRTYPE_A);
    follows = false;
    add(MESSAGE_ANSWER, "a.example. 300 CNAME b.example.");
    add(MESSAGE_ANSWER, "b.example. 300 A 192.0.2.1");
    assert_int_equal(why_last(), SCRUB_FURTHER_LINK);
    begin("example", "a.d.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "d.example. 300 DNAME t.example.");
    add(MESSAGE_ANSWER, "a.d.example. 300 CNAME a.t.example.");
    assert_int_equal(why_last(), SCRUB_SYNTHESISED);
}

/* ---- memory ---- */

/* Scrub the reply with every limit of memory below what it needs: none may be mistaken for a
 * shorter reply. */
static void starve_scrub(void)
{
    const struct scrub *s = scrub_well();
    size_t need = arena.used;

    assert_int_equal(s->dropped_cnt, 0);
    for (arena.cap = 1; arena.cap < need; arena.cap++)
        assert_int_equal(scrub(&s), ERR_NOMEM);
    assert_int_equal(scrub(&s), ERR_OK);
    arena.cap = 0;
}

static void test_no_memory(void **state)
{
    (void)state;
    begin("example", "x.d.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "d.example. 10 DNAME t.example.");
    add(MESSAGE_ANSWER, "x.t.example. 10 CNAME www.example.");
    add(MESSAGE_ANSWER, "www.example. 10 A 192.0.2.1");
    starve_scrub();
    begin("example", "x.d.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "d.example. 10 DNAME t.example.");
    add(MESSAGE_AUTHORITY, "example. 10 SOA ns.example. root.example. 1 2 3 4 5");
    starve_scrub();
    begin("example", "www.sub.example", RRTYPE_A);
    add(MESSAGE_AUTHORITY, "sub.example. 10 NS ns.sub.example.");
    add(MESSAGE_ADDITIONAL, "ns.sub.example. 10 A 192.0.2.1");
    starve_scrub();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_answer),
        cmocka_unit_test(test_other_classes),
        cmocka_unit_test(test_an_empty_reply),
        cmocka_unit_test(test_answers_out_of_bailiwick),
        cmocka_unit_test(test_a_chain),
        cmocka_unit_test(test_links_without_authority),
        cmocka_unit_test(test_the_end_of_a_chain),
        cmocka_unit_test(test_chains_that_do_not_end),
        cmocka_unit_test(test_dname),
        cmocka_unit_test(test_dname_below_itself),
        cmocka_unit_test(test_dname_border),
        cmocka_unit_test(test_one_cname_at_a_name),
        cmocka_unit_test(test_soa),
        cmocka_unit_test(test_which_ns_delegate),
        cmocka_unit_test(test_what_is_no_referral),
        cmocka_unit_test(test_glue),
        cmocka_unit_test(test_signed_delegations),
        cmocka_unit_test(test_oversized_delegations),
        cmocka_unit_test(test_priming),
        cmocka_unit_test(test_a_signature_in_another_section),
        cmocka_unit_test(test_a_cname_that_is_asked_for_below_a_dname),
        cmocka_unit_test(test_omissions),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
