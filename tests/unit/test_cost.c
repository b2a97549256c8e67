/* The work of one reply, in the shapes that cost most per octet.  Work is counted, not timed,
 * so that the bounds hold on any machine. */
#include "tests/unit/unit.h"

#include <time.h>

#include "base/hash.h"
#include "dns/message.h"
#include "tests/scenario/stage.h"

enum { DEEP = 120, BLOCK = 64 };

static struct stage stage;

/* A message being written.  A name is compressed only where its shape writes a pointer. */
static struct {
    uint8_t wire[MESSAGE_MAX];
    size_t len;
    unsigned cnt[4];
} reply;

static void put(const void *octets, size_t len)
{
    assert_true(reply.len + len <= sizeof(reply.wire));
    memcpy(reply.wire + reply.len, octets, len);
    reply.len += len;
}

static void put_u16(unsigned value)
{
    uint8_t octets[2];
    util_put_u16(octets, (uint16_t)value);
    put(octets, sizeof(octets));
}

/* Write a pointer to `at`, or the root for 0. */
static void put_owner(size_t at)
{
    if (at > 0)
        put_u16(0xc000U | (unsigned)at);
    else
        put("", 1);
}

static void put_head(unsigned type, unsigned rdata_len)
{
    put_u16(type);
    put_u16(RRTYPE_CLASS_IN);
    put_u16(0);
    put_u16(300);
    put_u16(rdata_len);
}

static bool has_room(size_t len) { return reply.len + len <= sizeof(reply.wire); }

/* Return the offset of the query name without its first `n` labels.  All labels but the last
 * have one octet. */
static size_t suffix(unsigned n) { return MESSAGE_HEADER_LEN + 2 * (size_t)n; }

/* ---- shapes ---- */

/* SOA records of all names above the query name in turn, each with a broken RDATA. */
static void broken_soas(void)
{
    for (unsigned i = 0; has_room(12); i++) {
        put_owner(suffix(i % DEEP));
        put_head(RRTYPE_SOA, 0);
        reply.cnt[MESSAGE_AUTHORITY]++;
    }
}

/* 13 NS records, and as much glue as there is room for, half of it for other names. */
static void deep_glue(void)
{
    for (unsigned i = 0; i < 13; i++) {
        put_owner(suffix(1));
        put_head(RRTYPE_NS, 4);
        uint8_t label[] = {1, (uint8_t)('a' + i)};
        put(label, sizeof(label));
        put_owner(suffix(2));
        reply.cnt[MESSAGE_AUTHORITY]++;
    }
    for (unsigned i = 0; has_room(18); i++) {
        uint8_t label[] = {1, (uint8_t)('a' + i % 26)};
        put(label, sizeof(label));
        put_owner(suffix(2));
        put_head(RRTYPE_A, 4);
        put("\300\0\2\1", 4);
        reply.cnt[MESSAGE_ADDITIONAL]++;
    }
}

/* Owners that differ, each a label and a pointer to another owner: walks of up to 120 pointers.
 */
static void ladder(enum message_section section)
{
    size_t below = MESSAGE_HEADER_LEN;

    for (unsigned i = 0; has_room(18); i++) {
        size_t here = reply.len;
        uint8_t label[] = {1, (uint8_t)(i / 50)};
        put(label, sizeof(label));
        put_owner(i % 50 == 0 || below >= 0x4000 ? suffix(DEEP - 60) : below);
        put_head(RRTYPE_A, 4);
        put("\300\0\2\1", 4);
        below = here;
        reply.cnt[section]++;
    }
}

static void ladder_in_answer(void) { ladder(MESSAGE_ANSWER); }
static void ladder_in_authority(void) { ladder(MESSAGE_AUTHORITY); }

/* Chains of pointers to pointers. */
static void pointer_chains(void)
{
    size_t first = 0, cnt = 0;

    for (unsigned i = 0; has_room(18); i++) {
        size_t here = reply.len;
        put_owner(i % 50 == 0 || here >= 0x4000 ? (first ? first : MESSAGE_HEADER_LEN)
                                                : here - cnt);
        first = i % 50 == 49 && here < 0x4000 ? here : first;
        put_head(RRTYPE_A, 4);
        put("\300\0\2\1", 4);
        cnt = reply.len - here;
        reply.cnt[MESSAGE_ADDITIONAL]++;
    }
}

/* As many addresses as there is room for, and all answer the query. */
static void many_addresses(void)
{
    for (unsigned i = 0; has_room(16); i++) {
        uint8_t address[] = {192, 0, (uint8_t)(i >> 8), (uint8_t)i};
        put_owner(MESSAGE_HEADER_LEN);
        put_head(RRTYPE_A, 4);
        put(address, sizeof(address));
        reply.cnt[MESSAGE_ANSWER]++;
    }
}

static void add_cname(unsigned from, unsigned to)
{
    put_owner(suffix(from));
    put_head(RRTYPE_CNAME, 2);
    put_owner(suffix(to));
    reply.cnt[MESSAGE_ANSWER]++;
}

/* A chain of CNAMEs, and loops of others. */
static void cnames(void)
{
    for (unsigned i = 0; i < 12; i++)
        add_cname(i, i + 1);
    for (unsigned i = 0; has_room(14); i++)
        add_cname(50 + i % 60, 50 + (i + 1) % 60);
}

/* DNAMEs above the query name, of which only the nearest applies, and that one loops. */
static void dnames(void)
{
    for (unsigned i = 0; has_room(14); i++) {
        put_owner(suffix(DEEP - 1 - i % (DEEP - 1)));
        put_head(RRTYPE_DNAME, 2);
        put_owner(suffix(3));
        reply.cnt[MESSAGE_ANSWER]++;
    }
}

/* One address, and as many signatures of it as there is room for, each with the longest
 * signer's name. */
static void signatures(void)
{
    static const uint8_t fields[18] = {0, RRTYPE_A, 8, 2};

    put_owner(MESSAGE_HEADER_LEN);
    put_head(RRTYPE_A, 4);
    put("\300\0\2\1", 4);
    for (reply.cnt[MESSAGE_ANSWER] = 1; has_room(36); reply.cnt[MESSAGE_ANSWER]++) {
        put_owner(MESSAGE_HEADER_LEN);
        put_head(RRTYPE_RRSIG, sizeof(fields) + 6);
        put(fields, sizeof(fields));
        put_owner(MESSAGE_HEADER_LEN);
        put("four", 4);
    }
}

/* A chain of CNAMEs, and as many signatures of it as there is room for. */
static void signed_cnames(void)
{
    static const uint8_t fields[18] = {0, RRTYPE_CNAME, 8, 2};

    for (unsigned i = 0; i < 12; i++)
        add_cname(i, i + 1);
    for (unsigned i = 0; has_room(36); i++) {
        put_owner(suffix(i % 12));
        put_head(RRTYPE_RRSIG, sizeof(fields) + 6);
        put(fields, sizeof(fields));
        put_owner(MESSAGE_HEADER_LEN);
        put("four", 4);
        reply.cnt[MESSAGE_ANSWER]++;
    }
}

/* A loop in as many copies as are tolerated: each step meets them again. */
static void add_loop(unsigned n, unsigned type)
{
    for (unsigned i = 0; i < SCRUB_COPIES_MAX; i++) {
        put_owner(suffix(n));
        put_head(type, 2);
        put_owner(suffix(n));
        reply.cnt[MESSAGE_ANSWER]++;
    }
}

static void copied_dname_loop(void) { add_loop(3, RRTYPE_DNAME); }
static void copied_cname_loop(void) { add_loop(0, RRTYPE_CNAME); }

/* A chain, each link in that many copies. */
static void copy_links(unsigned copies)
{
    for (unsigned n = 0; n < 11; n++)
        for (unsigned i = 0; i < copies; i++)
            add_cname(n, n + 1);
}

static void copied_cnames(void) { copy_links(SCRUB_COPIES_MAX); }

/* As many copies of a link as an RRset of 65,535 octets has room for. */
static void more_copied_cnames(void) { copy_links(265); }

/* Every octet a record of the root with a type of its own. */
static void types(void)
{
    for (unsigned i = 0; has_room(11); i++) {
        put_owner(0);
        put_head(1000 + i, 0);
        reply.cnt[MESSAGE_ANSWER]++;
    }
}

/* Servers with names of 120 labels, more than a delegation keeps. */
static void deep_servers(void)
{
    for (unsigned i = 0; has_room(16); i++) {
        uint8_t label[] = {1, (uint8_t)i};
        put_owner(suffix(1));
        put_head(RRTYPE_NS, 4);
        put(label, sizeof(label));
        put_owner(suffix(1));
        reply.cnt[MESSAGE_AUTHORITY]++;
    }
}

static const struct shape {
    const char *name;
    void (*write)(void);
    unsigned work_max;
} shapes[] = {
    {"SOA records of 120 names, broken", broken_soas, 3500},
    {"glue for 13 servers, deep names", deep_glue, 4000},
    {"owners on top of each other, answer", ladder_in_answer, 18000},
    {"owners on top of each other, authority", ladder_in_authority, 3500},
    {"pointers to pointers", pointer_chains, 4500},
    {"4,000 addresses", many_addresses, 40000},
    {"CNAMEs", cnames, 85000},
    {"DNAMEs", dnames, 18000},
    {"copies of a DNAME loop", copied_dname_loop, 700},
    {"copies of a CNAME loop", copied_cname_loop, 800},
    {"11 CNAMEs in 16 copies", copied_cnames, 7000},
    {"11 CNAMEs in 265 copies", more_copied_cnames, 16000},
    {"types", types, 29000},
    {"signatures", signatures, 14500},
    {"signatures of CNAMEs", signed_cnames, 29500},
    {"servers, deep names", deep_servers, 5500},
};

static const struct shape whole = {"4,000 addresses", many_addresses, 40000};

/* ---- the stage ---- */

static void open_stage(void)
{
    struct quota_limits limits = {.per_zone = 200, .per_server = 400};

    hash_init();
    stage_init(&stage, &limits);
    stage_hint(&stage, "192.0.2.1");
    stage.policy->is_minimising = stage.policy->is_priming = false;
    stage.policy->defences.random_case = false;
    stage_open(&stage, 7);
}

/* Send a query for a name of DEEP labels; `first` makes the first label. */
static void ask_deep(unsigned first, uint16_t type)
{
    uint8_t wire[QUERY_MAX], name[DNAME_MAX];
    struct query q = {.id = 1,
                      .flags = MESSAGE_RD,
                      .name = name,
                      .type = type,
                      .has_edns = true,
                      .udp_size = 1232};

    for (unsigned i = 0; i < DEEP; i++)
        memcpy(name + 2 * (size_t)i, "\1x", 2);
    memcpy(name + 2 * (size_t)DEEP, "\4test", 6);
    name[1] = (uint8_t)('0' + first);
    stage_ask(&stage, wire, query_write(&q, wire), NULL);
}

static void begin(const struct out_ask *ask)
{
    reply.len = 0;
    memset(reply.cnt, 0, sizeof(reply.cnt));
    put(ask->wire, MESSAGE_HEADER_LEN + ask->match.question_len);
    util_put_u16(reply.wire + 2, MESSAGE_QR | MESSAGE_AA);
    memset(reply.wire + 6, 0, 6);
}

static void end(void)
{
    for (int i = MESSAGE_ANSWER; i <= MESSAGE_ADDITIONAL; i++)
        util_put_u16(reply.wire + 4 + 2 * i, (uint16_t)reply.cnt[i]);
}

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Move the query to TCP, which a reply of that size needs. */
static void move_to_tcp(void)
{
    begin(stage.pending[0]);
    util_put_u16(reply.wire + 2, MESSAGE_QR | MESSAGE_TC);
    struct addr from = stage.pending[0]->match.to;
    assert_true(stage_deliver(&stage, 0, &from, reply.wire, reply.len));
    assert_true(stage.pending_cnt == 1 && stage.pending[0]->is_tcp);
}

/* Deliver a reply of that shape to the pending query, and check its work. */
static void deliver(const struct shape *shape, bool is_printed)
{
    begin(stage.pending[0]);
    shape->write();
    end();
    double start = now_us();
    struct addr from = stage.pending[0]->match.to;
    uint64_t before = stage.engine->counts.work;
    assert_true(stage_deliver(&stage, 0, &from, reply.wire, reply.len));
    uint64_t work = stage.engine->counts.work - before;
    if (is_printed)
        print_message("%-42s %6zu octets %6u work %6.0f us\n", shape->name, reply.len,
                      (unsigned)work, now_us() - start);
    /* a much smaller number would mean that work is not counted */
    assert_in_range(work, shape->work_max / 2, shape->work_max);
}

static void test_replies(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
        open_stage();
        /* the first reply warms the memory up */
        for (unsigned is_last = 0; is_last < 2; is_last++) {
            ask_deep(is_last, RRTYPE_A);
            move_to_tcp();
            deliver(is_last ? &shapes[i] : &whole, is_last);
        }
        while (stage_time_out(&stage))
            ;
        assert_int_equal(stage.answer_cnt, 2);
        stage_fini(&stage);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_replies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
