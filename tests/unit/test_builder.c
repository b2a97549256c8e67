/* ldns reads back what is written with compression; an RRset that does not fit leaves the
 * message unchanged. */
#include "unit.h"

#include <ldns/ldns.h>

#include "base/hash.h"
#include "dns/builder.h"

static uint8_t wire[65535];
static struct builder b;

static struct rrset *make_set(uint16_t type, unsigned cnt, const uint8_t *rdata, size_t len)
{
    struct rrset *set = malloc(sizeof(*set) + cnt * (len + 2));
    *set = (struct rrset){
        .type = type, .cnt = (uint16_t)cnt, .ttl = 60, .size = (uint16_t)(cnt * (len + 2))};
    for (unsigned i = 0; i < cnt; i++) {
        util_put_u16(set->data + i * (len + 2), (uint16_t)len);
        memcpy(set->data + i * (len + 2) + 2, rdata, len);
        if (type == RRTYPE_MX)
            util_put_u16(set->data + i * (len + 2) + 2, (uint16_t)i);
    }
    return set;
}

static ldns_pkt *read_back(void)
{
    ldns_pkt *packet = NULL;
    util_put_u16(wire + 2, MESSAGE_QR);
    for (int i = 0; i < 4; i++)
        util_put_u16(wire + 4 + 2 * i, b.cnt[i]);
    assert_int_equal(ldns_wire2pkt(&packet, wire, b.len), LDNS_STATUS_OK);
    return packet;
}

static void start(const char *qname, size_t limit)
{
    static uint8_t query[300];
    uint8_t name[DNAME_MAX];
    struct message m;
    struct dname_parts parts;
    memcpy(query, "\0\1\0\0\0\1\0\0\0\0\0\0", 12);
    size_t len = dname_len(unit_name(qname, name));
    memcpy(query + 12, name, len);
    memcpy(query + 12 + len, "\0\17\0\1", 4);
    assert_int_equal(message_parse(query, 16 + len, &m), MESSAGE_WHOLE);
    dname_split(name, &parts);
    builder_init(&b, wire, limit);
    builder_question(&b, &m, &parts);
}

static void names_are_compressed_and_read_back(void **state)
{
    uint8_t rdata[DNAME_MAX + 2] = {0}, owner[DNAME_MAX];
    (void)state;
    start("WWW.Example.org.", sizeof(wire));
    size_t len = 2 + dname_len(unit_name("mail.example.ORG.", rdata + 2));
    struct rrset *set = make_set(RRTYPE_MX, 3, rdata, len);
    size_t before = b.len;
    struct builder_owner at = {.at = 12},
                         by_name = {.name = unit_name("x.y.example.org.", owner)};
    assert_int_equal(builder_rrset(&b, MESSAGE_ANSWER, &at, set, 60, 0), ERR_OK);
    /* each record: owner pointer, fixed fields, preference and name; the first name is "mail"
     * and a pointer, the others are pointers */
    assert_int_equal(b.len - before, 3 * 14 + 7 + 2 + 2);
    assert_int_equal(builder_rrset(&b, MESSAGE_ADDITIONAL, &by_name, set, 7, 1), ERR_OK);
    ldns_pkt *packet = read_back();
    ldns_rr_list *answer = ldns_pkt_answer(packet), *additional = ldns_pkt_additional(packet);
    assert_int_equal(ldns_rr_list_rr_count(answer), 3);
    for (size_t i = 0; i < 3; i++) {
        char *text = ldns_rr2str(ldns_rr_list_rr(answer, i));
        char expected[80];
        snprintf(expected, sizeof(expected),
                 "WWW.Example.org.\t60\tIN\tMX\t%zu mail.Example.org.\n", i);
        assert_string_equal(text, expected);
        free(text);
        text = ldns_rr2str(ldns_rr_list_rr(additional, i));
        snprintf(expected, sizeof(expected),
                 "x.y.Example.org.\t7\tIN\tMX\t%zu mail.Example.org.\n", (i + 1) % 3);
        assert_string_equal(text, expected);
        free(text);
    }
    ldns_pkt_free(packet);
    free(set);
}

static void an_rrset_that_does_not_fit_leaves_no_trace(void **state)
{
    uint8_t rdata[DNAME_MAX + 2] = {0}, owner[DNAME_MAX];
    (void)state;
    size_t len =
        2 + dname_len(unit_name("a.very.long.name.for.a.mail.server.test.", rdata + 2));
    struct rrset *set = make_set(RRTYPE_MX, 5, rdata, len);
    for (size_t limit = 12; limit < 260; limit++) {
        start("q.test.", limit);
        struct builder_mark mark = builder_mark(&b);
        size_t before = b.len;
        struct builder_owner o = {.name = unit_name("owner.elsewhere.test.", owner)};
        enum err err = builder_rrset(&b, MESSAGE_ANSWER, &o, set, 60, 0);
        assert_true(b.len <= limit);
        assert_int_equal(b.cnt[MESSAGE_ANSWER], err ? 0 : 5);
        if (err)
            assert_int_equal(b.len, before);
        builder_rollback(&b, &mark);
        /* no pointer may lead to a name of the removed RRset */
        o = (struct builder_owner){.name = owner};
        if (builder_rrset(&b, MESSAGE_ANSWER, &o, set, 60, 2) == ERR_OK)
            ldns_pkt_free(read_back());
    }
    free(set);
}

static void a_full_compression_table_does_no_harm(void **state)
{
    uint8_t rdata[DNAME_MAX], owner[DNAME_MAX];
    char text[80];
    (void)state;
    start("q.test.", sizeof(wire));
    unsigned written = 0;
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(text, sizeof(text), "n%u.z%u.test.", i % 700, i % 90);
        size_t len = dname_len(unit_name(text, rdata));
        snprintf(text, sizeof(text), "o%u.z%u.test.", i, i % 50);
        struct builder_owner o = {.name = unit_name(text, owner)};
        if (builder_record(&b, MESSAGE_ANSWER, o, RRTYPE_NS, RRTYPE_CLASS_IN, i, rdata, len) ==
            ERR_OK)
            written++;
    }
    ldns_pkt *packet = read_back();
    ldns_rr_list *answer = ldns_pkt_answer(packet);
    assert_int_equal(ldns_rr_list_rr_count(answer), written);
    for (unsigned i = 0; i < written; i++) {
        char *line = ldns_rr2str(ldns_rr_list_rr(answer, i)), expected[120];
        uint32_t n = ldns_rr_ttl(ldns_rr_list_rr(answer, i));
        snprintf(expected, sizeof(expected), "o%u.z%u.test.\t%u\tIN\tNS\tn%u.z%u.test.\n", n,
                 n % 50, n, n % 700, n % 90);
        assert_string_equal(line, expected);
        free(line);
    }
    ldns_pkt_free(packet);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_compressed_and_read_back),
        cmocka_unit_test(an_rrset_that_does_not_fit_leaves_no_trace),
        cmocka_unit_test(a_full_compression_table_does_no_harm),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
