/* Messages from the wire: valid ones, malformed ones, and the parts of these that stay
 * readable. */
#include "unit.h"

#include "base/hash.h"
#include "dns/message.h"
#include "dns/owners.h"

/* id 1, RD, one question "a.b" A IN */
#define HEAD(qd, an, ns, ar) "\0\1\1\0\0" qd "\0" an "\0" ns "\0" ar
#define QUESTION "\1a\1b\0\0\1\0\1"
#define OPT "\0\0\51\4\320\0\0\200\0\0\0"
#define OPT_NSID "\0\0\51\4\320\0\0\0\0\0\4\0\3\0\0"

static struct message m;

static enum message_state parse(const char *bytes, size_t len)
{
    /* an exact heap copy, so that AddressSanitizer sees a read past the end */
    static uint8_t *copy;
    free(copy);
    copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    return message_parse(copy, len, &m);
}
#define PARSE(text) parse(text, sizeof(text) - 1)

static void a_query_is_read(void **state)
{
    (void)state;
    assert_int_equal(PARSE(HEAD("\1", "\0", "\0", "\1") QUESTION OPT_NSID), MESSAGE_WHOLE);
    assert_true(m.has_question);
    assert_int_equal(m.qtype, RRTYPE_A);
    assert_int_equal(m.qclass, RRTYPE_CLASS_IN);
    assert_int_equal(m.question_len, 9);
    assert_true(m.has_edns);
    assert_true(m.edns.has_nsid);
    assert_false(m.edns.is_do);
    assert_int_equal(m.edns.udp_size, 1232);
    assert_int_equal(PARSE(HEAD("\1", "\0", "\0", "\1") QUESTION OPT), MESSAGE_WHOLE);
    assert_true(m.edns.is_do);
}

static void every_truncation_is_noticed(void **state)
{
    static const char whole[] = HEAD("\1", "\0", "\0", "\1") QUESTION OPT_NSID;
    (void)state;
    for (size_t len = 0; len < sizeof(whole) - 1; len++) {
        enum message_state expected = len < 12 ? MESSAGE_SHORT : MESSAGE_BROKEN;
        assert_int_equal(parse(whole, len), expected);
        assert_int_equal(m.has_question, len >= 21);
    }
}

static void malformed_messages_are_rejected(void **state)
{
    (void)state;
    assert_int_equal(PARSE(HEAD("\1", "\0", "\0", "\0") QUESTION "x"), MESSAGE_TRAILING);
    assert_int_equal(PARSE(HEAD("\2", "\0", "\0", "\1") QUESTION QUESTION OPT), MESSAGE_BROKEN);
    assert_true(m.has_edns && !m.has_question);
    assert_int_equal(PARSE(HEAD("\1", "\0", "\0", "\2") QUESTION OPT OPT), MESSAGE_BROKEN);
    assert_int_equal(PARSE(HEAD("\1", "\1", "\0", "\0") QUESTION OPT), MESSAGE_BROKEN);
    assert_int_equal(PARSE(HEAD("\1", "\0", "\0", "\1") QUESTION "\1x" OPT), MESSAGE_BROKEN);
    assert_true(m.has_edns);
    /* an option overruns its RDATA */
    assert_int_equal(
        PARSE(HEAD("\1", "\0", "\0", "\1") QUESTION "\0\0\51\4\320\0\0\0\0\0\4\0\3\0\1"),
        MESSAGE_BROKEN);
    assert_true(m.has_edns && m.has_question);
    /* the QNAME is a pointer */
    assert_int_equal(PARSE(HEAD("\1", "\0", "\0", "\0") "\300\14\0\1\0\1"), MESSAGE_BROKEN);
    /* TSIG is not the last record */
    assert_int_equal(
        PARSE(HEAD("\1", "\0", "\0", "\2") QUESTION "\0\0\372\0\377\0\0\0\0\0\0" OPT),
        MESSAGE_BROKEN);
    assert_int_equal(PARSE(HEAD("\0", "\0", "\0", "\0")), MESSAGE_WHOLE);
    assert_false(m.has_question);
}

static void too_many_options_are_rejected(void **state)
{
    char wire[12 + 9 + 11 + 33 * 4];
    (void)state;
    for (unsigned options = 32; options <= 33; options++) {
        size_t len = 12 + 9 + 11 + options * 4;
        memset(wire, 0, sizeof(wire));
        memcpy(wire, HEAD("\1", "\0", "\0", "\1") QUESTION OPT, 12 + 9 + 11);
        wire[12 + 9 + 10] = (char)(options * 4);
        assert_int_equal(parse(wire, len), options == 32 ? MESSAGE_WHOLE : MESSAGE_BROKEN);
    }
}

static void records_are_walked(void **state)
{
    static const char wire[] =
        HEAD("\1", "\1", "\1", "\1") QUESTION "\300\14\0\1\0\1\0\0\0\5\0\4\1\2\3\4"
                                              "\300\16\0\2\0\1\0\0\0\6\0\2\300\14" OPT;
    struct message_record record;
    (void)state;
    assert_int_equal(PARSE(wire), MESSAGE_WHOLE);
    struct message_walk walk = message_walk(&m);
    assert_true(message_next(&walk, &record));
    assert_memory_equal(record.owner, "\1a\1b\0", 5);
    assert_int_equal(record.section, MESSAGE_ANSWER);
    assert_int_equal(record.ttl, 5);
    assert_memory_equal(record.rdata, "\1\2\3\4", 4);
    assert_true(message_next(&walk, &record));
    assert_memory_equal(record.owner, "\1b\0", 3);
    assert_int_equal(record.section, MESSAGE_AUTHORITY);
    assert_true(message_next(&walk, &record));
    assert_int_equal(record.type, RRTYPE_OPT);
    assert_false(message_next(&walk, &record));
}

/* Owner names at the end of a long chain of pointers: parsing must not follow it. */
static void chains_of_pointers_are_not_followed(void **state)
{
    enum { CHAIN = 8000, RECORDS = 3500 };
    size_t len = 0;
    (void)state;
    uint8_t *wire = calloc(1, 12 + 11 + 2 * CHAIN + RECORDS * 12);
    memcpy(wire, "\0\1\0\0\0\0\0\0\0\0\0\0", 12);
    util_put_u16(wire + 10, RECORDS + 1);
    len = 12;
    memcpy(wire + len, "\0\0\20\0\1\0\0\0\0", 9);
    util_put_u16(wire + len + 9, 2 * CHAIN);
    len += 11;
    for (unsigned i = 0; i < CHAIN; i++, len += 2)
        util_put_u16(wire + len, (uint16_t)(0xc000 | (i ? len - 2 : 12)));
    size_t last = len - 2;
    for (unsigned i = 0; i < RECORDS; i++, len += 12) {
        util_put_u16(wire + len, (uint16_t)(0xc000 | last));
        memcpy(wire + len + 2, "\0\20\0\1\0\0\0\0\0\0", 10);
    }
    assert_int_equal(message_parse(wire, len, &m), MESSAGE_WHOLE);
    struct message_walk walk = message_walk(&m);
    struct message_record record;
    assert_true(message_next(&walk, &record));
    assert_false(message_next(&walk, &record)); /* too many pointers in one name */
    free(wire);
}

/* Names that point into each other: reading them by number gives the same as dname_parse. */
static void owners_match_dname_parse(void **state)
{
    static const uint8_t alphabet[] = {0,   0,   1,    1,    2,    3,    'a',
                                       'A', 'b', 0xc0, 0xc0, 0xc0, 0xc1, 64};
    enum { LEN = 400, ROUNDS = 20000 };
    struct owners *owners = malloc(sizeof(*owners));
    unsigned same = 0, pointers = 0;
    (void)state;
    srand(4711);
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t *wire = malloc(LEN), read[DNAME_MAX], again[DNAME_MAX];
        size_t read_len;
        for (int i = 0; i < LEN; i++)
            wire[i] = i > 0 && wire[i - 1] >= 0xc0
                          ? (uint8_t)rand()
                          : alphabet[(size_t)rand() % sizeof(alphabet)];
        owners_start(owners, wire, LEN);
        for (struct cursor c = cursor_over(wire, LEN); cursor_more(&c);) {
            struct cursor plain = c;
            uint16_t number;
            size_t from = c.pos;
            enum err err = owners_read(owners, &c, &number);
            /* a name that is known already needs fewer pointers than dname_parse allows */
            enum err alone = dname_parse(&plain, read, &read_len);
            assert_true(!err || alone);
            if (alone) {
                c = cursor_over(wire, LEN);
                c.pos = from + 1;
                continue;
            }
            owners_write(owners, number, again);
            assert_int_equal(c.pos, plain.pos);
            assert_int_equal(owners->names[number].len, read_len);
            assert_true(dname_is_equal(read, again));
            assert_int_equal(owners->names[number].hash, dname_hash(read));
            assert_int_equal(owners_find(owners, read), number);
            for (unsigned labels = dname_labels(read) + 1; labels-- > 0;)
                assert_true(owners_is_under(owners, number,
                                            owners_find(owners, dname_suffix(read, labels))));
            same++;
            pointers += c.pos - from != read_len;
        }
        free(wire);
    }
    assert_true(same > ROUNDS && pointers > ROUNDS / 10);
    free(owners);
}

/* Each name has a number of its own, up to OWNERS_MAX names. */
static void owners_are_bounded(void **state)
{
    struct owners *owners = malloc(sizeof(*owners));
    static uint8_t names[OWNERS_MAX + 1][DNAME_MAX]; /* the labels must outlive the names */
    uint16_t number = 0;
    enum err err = ERR_OK;
    unsigned cnt = 0;
    (void)state;
    owners_start(owners, names[0], MESSAGE_MAX);
    for (; !err; cnt++) {
        char text[16];
        snprintf(text, sizeof(text), "%x.test.", cnt);
        err = owners_add(owners, unit_name(text, names[cnt]), &number);
        if (!err)
            assert_int_equal(number, cnt + 2);
    }
    assert_int_equal(err, ERR_LIMIT);
    assert_int_equal(cnt, OWNERS_MAX - 1);
    free(owners);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_is_read),
        cmocka_unit_test(every_truncation_is_noticed),
        cmocka_unit_test(malformed_messages_are_rejected),
        cmocka_unit_test(too_many_options_are_rejected),
        cmocka_unit_test(records_are_walked),
        cmocka_unit_test(chains_of_pointers_are_not_followed),
        cmocka_unit_test(owners_match_dname_parse),
        cmocka_unit_test(owners_are_bounded),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
