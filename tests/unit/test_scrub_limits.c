/* Replies that are too large, malformed or random: the limits of scrub, its errors, and its
 * cost. */
#include "tests/unit/replies.h"

#include "base/rng.h"

/* ---- limits ---- */

static void test_too_many_records(void **state)
{
    const struct scrub *s;
    (void)state;
    begin("example", "www.example", RRTYPE_A);
    asked.rrset_records_max = 5;
    for (int i = 1; i <= 6; i++) {
        add(MESSAGE_ANSWER, "www.example. 300 A 192.0.2.%d", i);
        assert_int_equal(scrub(&s), i <= 5 ? ERR_OK : ERR_LIMIT);
        assert_int_equal(s->limit, i <= 5 ? FAILURE_NONE : FAILURE_RRSET_RECORDS);
    }
    /* octets: each record counts with its RDLENGTH */
    begin("example", "www.example", RRTYPE_A);
    for (int i = 1; i <= 5; i++)
        add(MESSAGE_ANSWER, "www.example. 300 A 192.0.2.%d", i);
    asked.rrset_bytes_max = 30;
    assert_int_equal(scrub(&s), ERR_OK);
    asked.rrset_bytes_max = 29;
    assert_int_equal(scrub(&s), ERR_LIMIT);
    assert_int_equal(s->limit, FAILURE_RRSET_BYTES);
    /* names count without compression */
    begin("example", "www.example", RRTYPE_MX);
    add(MESSAGE_ANSWER, "www.example. 300 MX 1 .");
    reply.wire[reply.len - 1] = 0xc0; /* a pointer to the query name */
    reply.wire[reply.len++] = MESSAGE_HEADER_LEN;
    util_put_u16(reply.wire + reply.len - 6, 4);
    asked.rrset_bytes_max = 2 + 2 + 13;
    assert_int_equal(scrub(&s), ERR_OK);
    assert_int_equal(rrset_first(s->chain[0].set).len, 15);
    asked.rrset_bytes_max--;
    assert_int_equal(scrub(&s), ERR_LIMIT);
}

/* The first 512 records of the authority and additional sections are read, and all of the
 * answer section. */
static void test_many_records_beside_the_answer(void **state)
{
    (void)state;
    begin("example", "www.example", RRTYPE_A);
    asked.rrset_records_max = 1000;
    for (int i = 0; i < 600; i++)
        add(MESSAGE_ANSWER, "www.example. 300 A 10.0.%d.%d", i / 200, i % 200);
    for (int i = 0; i < 500; i++)
        add(MESSAGE_AUTHORITY, "ns.example. 300 A 192.0.2.1");
    for (int i = 0; i < 12; i++)
        add(MESSAGE_ADDITIONAL, "ns.example. 300 A 192.0.2.1");
    const struct scrub *s = scrub_well();
    assert_true(s->chain[0].set->cnt == 600 && s->unread_cnt == 0 && s->record_cnt == 1112);
    add(MESSAGE_ADDITIONAL, "ns.example. 300 A 192.0.2.1");
    add(MESSAGE_ADDITIONAL, "ns.example. 300 A 192.0.2.1");
    s = scrub_well();
    assert_true(s->unread_cnt == 2 && s->record_cnt == 1112);
}

static void test_too_many_names(void **state)
{
    const struct scrub *s;
    (void)state;
    begin("example", "www.example", RRTYPE_A);
    for (int i = 0; i < OWNERS_MAX - 3; i++) /* in addition to the root, example and www */
        add(MESSAGE_ANSWER, "n%d.example. 300 A 192.0.2.1", i);
    assert_int_equal(scrub(&s), ERR_OK);
    add(MESSAGE_ANSWER, "one.more.example. 300 A 192.0.2.1");
    assert_int_equal(scrub(&s), ERR_LIMIT);
    assert_int_equal(s->limit, FAILURE_REPLY_NAMES);
}

/* The cost of a message of 65,535 octets with the smallest records is bounded by its size. */
static void test_a_full_message(void **state)
{
    (void)state;
    begin(".", ".", RRTYPE_TXT);
    asked.rrset_records_max = SCRUB_RECORDS_MAX;
    asked.rrset_bytes_max = MESSAGE_MAX;
    while (reply.len + 12 <= MESSAGE_MAX)
        add_octets(MESSAGE_ANSWER, root, RRTYPE_TXT, 1, "", 1);
    const struct scrub *s = scrub_well();
    assert_int_equal(s->record_cnt, (MESSAGE_MAX - 17) / 12);
    assert_int_equal(s->chain[0].set->cnt, 1);
    assert_true(s->work < 4 * MESSAGE_MAX);
    begin(".", ".", RRTYPE_A); /* of another type, without RDATA */
    while (reply.len + 11 <= MESSAGE_MAX)
        add_octets(MESSAGE_ANSWER, root, 65280, 1, "", 0);
    s = scrub_well();
    assert_int_equal(s->record_cnt, (MESSAGE_MAX - 17) / 11);
    assert_true(s->chain_cnt == 0 && s->work < 4 * MESSAGE_MAX);
}

/* ---- signatures ---- */

#define RRSIG_OF(type) "RRSIG " type " 13 2 300 20300101000000 20200101000000 1 example. AAAA"

static void test_signatures(void **state)
{
    (void)state;
    begin("example", "www.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "www.example. 300 A 192.0.2.1");
    add(MESSAGE_ANSWER, "WWW.example. 100 " RRSIG_OF("A"));
    add(MESSAGE_ANSWER, "www.example. 300 " RRSIG_OF("AAAA"));
    add(MESSAGE_ANSWER, "example. 300 " RRSIG_OF("A"));
    add(MESSAGE_AUTHORITY, "www.example. 300 RRSIG A 8 2 300 20300101000000 20200101000000 1 "
                           "example. AAAA");
    const struct scrub *s = scrub_well();
    assert_true(scrub_has_signatures(s));
    const struct rrset *sigs = rrset_signatures(s->chain[0].set);
    assert_non_null(sigs);
    /* two: the section does not matter */
    assert_true(sigs->type == RRTYPE_RRSIG && sigs->cnt == 2 && sigs->ttl == 300);
    /* a signature of another RRset */
    begin("example", "www.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "www.example. 300 A 192.0.2.1");
    add(MESSAGE_ANSWER, "www.example. 300 " RRSIG_OF("AAAA"));
    s = scrub_well();
    assert_true(scrub_has_signatures(s));
    assert_null(rrset_signatures(s->chain[0].set));
}

/* KeyTrap: 16 signatures of one RRset are kept, and they do not count as its records. */
static void test_many_signatures(void **state)
{
    (void)state;
    for (int cnt = SCRUB_SIGS_MAX; cnt <= SCRUB_SIGS_MAX + 20; cnt += 20) {
        begin("example", "www.example", RRTYPE_A);
        asked.rrset_records_max = SCRUB_SIGS_MAX;
        add(MESSAGE_ANSWER, "www.example. 300 A 192.0.2.1");
        for (int i = 0; i < cnt; i++)
            add(MESSAGE_ANSWER,
                "www.example. 300 RRSIG A 13 2 300 20300101000000 20200101000000 %d example. "
                "AAAA",
                i);
        const struct scrub *s = scrub_well();
        assert_int_equal(rrset_signatures(s->chain[0].set)->cnt, SCRUB_SIGS_MAX);
    }
}

/* An RRSIG of up to 18 octets is skipped; a longer one that is malformed spoils the RRset. */
static void test_short_signatures(void **state)
{
    static const uint8_t rdata[40] = {0, RRTYPE_A};
    const struct scrub *s;
    (void)state;
    for (size_t len = 0; len <= 20; len++) {
        begin("example", "www.example", RRTYPE_A);
        add(MESSAGE_ANSWER, "www.example. 300 A 192.0.2.1");
        add_octets(MESSAGE_ANSWER, name, RRTYPE_RRSIG, 300, rdata, len);
        /* 18 octets, the root as the signer's name, and a signature of 0 or 1 octets */
        assert_int_equal(scrub(&s), len == 19 ? ERR_FORMAT : ERR_OK);
        if (len != 19)
            assert_int_equal(rrset_signatures(s->chain[0].set) != NULL, len == 20);
    }
    begin("example", "www.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "www.example. 300 A 192.0.2.1");
    uint8_t bad[20] = {0, RRTYPE_A, [18] = 60}; /* a label beyond the end */
    add_octets(MESSAGE_ANSWER, name, RRTYPE_RRSIG, 300, bad, sizeof(bad));
    assert_int_equal(scrub(&s), ERR_FORMAT);
}

/* ---- malformed records ---- */

static void test_malformed_rdata(void **state)
{
    static const struct {
        uint16_t type;
        uint8_t rdata[24];
        size_t len;
    } cases[] = {{RRTYPE_A, {192, 0, 2}, 3},
                 {RRTYPE_A, {192, 0, 2, 1, 1}, 5},
                 {RRTYPE_A, {0}, 0},
                 {RRTYPE_AAAA, {0}, 15},
                 {RRTYPE_MX, {0, 1}, 2},
                 {RRTYPE_MX, {0, 1, 0xc0}, 3},
                 {RRTYPE_MX, {0, 1, 0xff, 0xff}, 4}, /* a forward pointer */
                 {RRTYPE_MX, {0, 1, 0x40, 0}, 4},    /* an unknown label type (RFC 6891 5) */
                 {RRTYPE_NS, {1, 'a'}, 2},
                 {RRTYPE_NS, {1, 'a', 0, 0}, 4}, /* a trailing octet */
                 {RRTYPE_TXT, {2, 'a'}, 2},
                 {RRTYPE_SOA, {0, 0, 0, 0}, 4}};
    char text[SCRUB_BROKEN_MAX], want[200], type[RRTYPE_NAME_MAX];
    const struct scrub *s;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        begin("example", "WWW.example", cases[i].type);
        size_t at = reply.len + dname_len(name) + 10;
        add_octets(MESSAGE_ANSWER, name, cases[i].type, 300, cases[i].rdata, cases[i].len);
        assert_int_equal(scrub(&s), ERR_FORMAT);
        assert_true(s->broken.is_record && s->broken.type == cases[i].type &&
                    s->broken.number == 1);
        assert_in_range(s->broken.at, at, at + cases[i].len);
        scrub_broken_print(s, text);
        rrtype_print(cases[i].type, type);
        snprintf(want, sizeof(want), "WWW.example. %s", type);
        assert_non_null(strstr(text, want));
    }
    /* the second record of the RRset */
    begin("example", "www.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "www.example. 300 A 192.0.2.1");
    add_octets(MESSAGE_ANSWER, name, RRTYPE_A, 300, "", 1);
    assert_int_equal(scrub(&s), ERR_FORMAT);
    assert_int_equal(s->broken.number, 2);
    /* a record that is left out may be malformed */
    begin("example", "www.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "www.example. 300 A 192.0.2.1");
    add_octets(MESSAGE_ANSWER, name, RRTYPE_AAAA, 300, "", 1);
    add_octets(MESSAGE_ANSWER, name, RRTYPE_MX, 300, "\0\1\300", 3);
    assert_true(scrub_well()->is_answered);
    /* an NS record of the delegation */
    begin("example", "a.b.example", RRTYPE_A);
    unit_name("b.example", name);
    add_octets(MESSAGE_AUTHORITY, name, RRTYPE_NS, 300, "\1a", 2);
    unit_name("a.b.example", name);
    assert_int_equal(scrub(&s), ERR_FORMAT);
    assert_null(s->delegation);
}

/* The longest text fits: a name of 255 octets, all escaped. */
static void test_the_longest_text(void **state)
{
    char text[SCRUB_BROKEN_MAX];
    const struct scrub *s;
    (void)state;
    begin(".", "example", 65280);
    for (size_t at = 0; at < 252; at += 63) {
        name[at] = 62;
        memset(name + at + 1, 1, 62);
    }
    memcpy(name + 252, "\1\1", 3);
    asked.type = RRTYPE_NSEC3PARAM;
    add_octets(MESSAGE_ANSWER, name, RRTYPE_NSEC3PARAM, 300, "", 1);
    assert_int_equal(scrub(&s), ERR_FORMAT);
    scrub_broken_print(s, text);
    assert_in_range(strlen(text), 4 * 249, SCRUB_BROKEN_MAX - 1);
    assert_non_null(strstr(text, "\\001. NSEC3PARAM"));
}

/* ---- the laboratory: no checks of sections ---- */

/* Without checks_sections all other records in bailiwick are taken too. */
static void test_extra_records(void **state)
{
    (void)state;
    begin("example", "www.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "www.example. 300 A 192.0.2.1");
    add(MESSAGE_ADDITIONAL, "a.example. 300 A 192.0.2.2");
    add(MESSAGE_ADDITIONAL, "A.example. 300 A 192.0.2.3");
    add(MESSAGE_ADDITIONAL, "a.test. 300 A 192.0.2.4");
    assert_int_equal(scrub_well()->extra_cnt, 0);
    asked.checks_sections = false;
    const struct scrub *s = scrub_well();
    assert_int_equal(s->extra_cnt, 1);
    assert_true(s->extra[0].set->cnt == 2 && s->extra[0].section == MESSAGE_ADDITIONAL);
    for (int i = 0; i < SCRUB_EXTRA_MAX + 5; i++)
        add(MESSAGE_ADDITIONAL, "x%d.example. 300 A 192.0.2.2", i);
    assert_int_equal(scrub_well()->extra_cnt, SCRUB_EXTRA_MAX);
}

/* ---- no memory, and random octets ---- */

static void test_no_memory(void **state)
{
    struct message message;
    const struct scrub *s;
    enum err err = ERR_NOMEM;
    unsigned failed_cnt = 0;
    (void)state;
    begin("example", "a.example", RRTYPE_A);
    add(MESSAGE_ANSWER, "a.example. 300 CNAME b.example.");
    add(MESSAGE_ANSWER, "b.example. 300 A 192.0.2.1");
    assert_int_equal(scrub(&s), ERR_OK);
    assert_int_equal(message_parse(reply.wire, reply.len, &message), MESSAGE_WHOLE);
    for (size_t cap = 1; err != ERR_OK; cap += 8) {
        struct arena small;
        arena_init(&small, cap);
        err = scrub_reply(&message, &asked, room, &small, &s);
        assert_true(err == ERR_OK || err == ERR_NOMEM);
        failed_cnt += err != ERR_OK;
        assert_int_equal(s->is_answered && err == ERR_OK, err == ERR_OK);
        arena_fini(&small);
    }
    assert_true(failed_cnt > 5);
}

/* Assert what holds of any reply. */
static void check_all(const struct scrub *s)
{
    assert_true(s->chain_cnt < SCRUB_CHAIN_MAX);
    for (unsigned i = 0; i < s->chain_cnt; i++) {
        assert_true(dname_is_under(s->chain[i].owner, zone));
        assert_true(rrset_check((const uint8_t *)s->chain[i].set,
                                rrset_stride(s->chain[i].set) +
                                    (s->chain[i].set->flags & RRSET_IS_SIGNED
                                         ? rrset_stride(rrset_next(s->chain[i].set))
                                         : 0)));
        bool is_last = i + 1 == s->chain_cnt;
        assert_int_equal(s->chain[i].set->type != RRTYPE_CNAME &&
                             s->chain[i].set->type != RRTYPE_DNAME,
                         is_last && s->is_answered && asked.type != RRTYPE_CNAME);
    }
    if (s->soa)
        assert_true(dname_is_under(s->soa_owner, zone) &&
                    dname_is_under(s->last, s->soa_owner));
    if (s->delegation) {
        const struct delegation *d = s->delegation;
        assert_true(dname_is_under(d->zone, zone) && dname_is_under(name, d->zone));
        assert_false(dname_is_equal(d->zone, zone));
        for (int i = 0; i < d->addr_cnt; i++)
            assert_true(dname_is_under(d->servers[d->addrs[i].server].name, zone));
    }
    assert_true(s->work < 8 * reply.len);
    for (size_t i = 0; i < s->record_cnt; i++)
        assert_int_equal(s->records[i].is_used,
                         scrub_omission(s, &s->records[i]) == SCRUB_TAKEN);
}

/* Replies with random records, half of them with random octets changed. */
static void test_random_replies(void **state)
{
    static const char *const owners[] = {"a.b.example.", "b.example.",    "example.",
                                         "c.example.",   "ns.b.example.", "test.",
                                         "A.B.EXAMPLE."};
    static const char *const data[] = {
        "A 192.0.2.1",      "CNAME c.example.",    "DNAME c.example.",
        "NS ns.b.example.", "SOA a. b. 1 2 3 4 5", "AAAA 2001:db8::1",
        RRSIG_OF("A"),      "CNAME a.b.example.",  "DS 1 13 2 aa"};
    static const uint16_t types[] = {RRTYPE_A, RRTYPE_CNAME, RRTYPE_NS, RRTYPE_DS};
    unsigned done[4] = {0};
    struct message message;
    struct rng rng;
    (void)state;
    rng_init_seeded(&rng, 9);
    for (unsigned n = 0; n < 30000; n++) {
        const struct scrub *s = NULL;
        begin("example", owners[rng_below(&rng, 4)], types[rng_below(&rng, 4)]);
        follows = rng_below(&rng, 2);
        unsigned section = MESSAGE_ANSWER;
        for (unsigned cnt = rng_below(&rng, 12); cnt > 0; cnt--) {
            section =
                section < MESSAGE_ADDITIONAL ? section + (rng_below(&rng, 3) == 0) : section;
            add((enum message_section)section, "%s 300 %s",
                owners[rng_below(&rng, ARRAY_LEN(owners))],
                data[rng_below(&rng, ARRAY_LEN(data))]);
        }
        for (int i = 0; i < 4; i++)
            util_put_u16(reply.wire + 4 + 2 * i, reply.cnt[i]);
        size_t first = MESSAGE_HEADER_LEN + dname_len(name) + 4;
        for (unsigned cnt = n % 2 ? rng_below(&rng, 4) : 0; cnt > 0 && reply.len > first; cnt--)
            reply.wire[first + rng_below(&rng, (uint32_t)(reply.len - first))] =
                (uint8_t)rng_u16(&rng);
        if (message_parse(reply.wire, reply.len, &message) != MESSAGE_WHOLE)
            continue;
        arena_reset(&arena);
        enum err err = scrub_reply(&message, &asked, room, &arena, &s);
        assert_true(err == ERR_OK || err == ERR_FORMAT);
        assert_non_null(s);
        if (err)
            continue;
        check_all(s);
        done[0] += s->is_answered;
        done[1] += s->delegation != NULL;
        done[2] += s->soa != NULL;
        done[3] += s->chain_cnt > 1;
    }
    for (size_t i = 0; i < ARRAY_LEN(done); i++)
        assert_true(done[i] > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_too_many_records),
        cmocka_unit_test(test_many_records_beside_the_answer),
        cmocka_unit_test(test_too_many_names),
        cmocka_unit_test(test_a_full_message),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_many_signatures),
        cmocka_unit_test(test_short_signatures),
        cmocka_unit_test(test_malformed_rdata),
        cmocka_unit_test(test_the_longest_text),
        cmocka_unit_test(test_extra_records),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_random_replies),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
