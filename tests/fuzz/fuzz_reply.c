/* Arbitrary replies from servers.  The client must get exactly one response, nothing may leak,
 * and no reply may cost more work or memory than its length allows.
 *
 * Input: replies, each two octets of length and a message from its flags on.  The question is
 * inserted, unless the top bit of the length is set.  The length 0x7fff means the rest of the
 * input.
 *
 * The length 0x8000 announces a rule for the next reply, with which a few octets make a large
 * message by copies of its last record: length of the record (1 octet), offset in the record of
 * a number of two octets (1), increment of the number from copy to copy (1), number of copies
 * after which it starts again (2), number of copies (2; 0: until the message is full), and
 * section whose count grows (1).  If the input begins with a rule, the query is for a name of
 * many labels, which is not minimised. */
#include <inttypes.h>
#include <time.h>

#include "base/hash.h"
#include "base/now.h"
#include "tests/scenario/stage.h"

enum { WIRE_MAX = 65535, REPLIES_MAX = 40, ROUNDS_MAX = 500, DAY_MS = 86400000, DEEP = 120 };

/* Upper bounds for one reply: work as scrub counts it, and octets of an arena.  The worst
 * replies of tests/unit/test_cost.c stay below. */
enum { WORK_BASE = 1000, WORK_PER_OCTET = 2, ARENA_BASE = 16384, ARENA_PER_OCTET = 40 };

/* CPU time for one reply: ten times that of the worst one with sanitizers, so that only work
 * that is not counted exceeds it. */
enum { CPU_MAX_MS = 300 };

/* How the last record of a reply is repeated. */
struct rule {
    uint8_t len, at, step;
    uint16_t period, copies;
    uint8_t section;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct stage stage;

/* ---- cost of a reply ---- */

static size_t arena_peak; /* octets allocated from one arena since the last reply, at most */

void *__real_arena_alloc(struct arena *arena, size_t size);
void *__wrap_arena_alloc(struct arena *arena, size_t size);
void *__real_arena_copy(struct arena *arena, const void *data, size_t size);
void *__wrap_arena_copy(struct arena *arena, const void *data, size_t size);

void *__wrap_arena_alloc(struct arena *arena, size_t size)
{
    void *made = __real_arena_alloc(arena, size);
    arena_peak = util_max(arena_peak, arena->used);
    return made;
}

void *__wrap_arena_copy(struct arena *arena, const void *data, size_t size)
{
    void *made = __real_arena_copy(arena, data, size);
    arena_peak = util_max(arena_peak, arena->used);
    return made;
}

static uint64_t cpu_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void stop_beyond(const char *what, uint64_t used, uint64_t most, size_t len)
{
    if (used <= most)
        return;
    fprintf(stderr, "a reply of %zu octets: %s: %" PRIu64 ", at most %" PRIu64 "\n", len, what,
            used, most);
    abort();
}

/* ---- the replies ---- */

static void open_stage(void)
{
    struct quota_limits limits = {.per_zone = 200, .per_server = 400};

    hash_init();
    stage_init(&stage, &limits);
    stage_hint(&stage, "192.0.2.1");
    stage_open(&stage, 7);
}

/* Append copies of the last record and return the new length of the message. */
static size_t repeat_record(const struct rule *rule, uint8_t *wire, size_t len)
{
    size_t record = rule->len, from = len - record;
    uint8_t *count = wire + 4 + 2 * (rule->section & 3);
    unsigned most = rule->copies ? rule->copies : WIRE_MAX, copies = 0;

    if (record == 0 || record > len - MESSAGE_HEADER_LEN)
        return len;
    for (; len + record <= WIRE_MAX && copies < most; len += record) {
        memmove(wire + len, wire + from, record);
        copies++;
        if (rule->at + 2U <= record)
            util_put_u16(wire + len + rule->at,
                         (uint16_t)(util_get_u16(wire + from + rule->at) +
                                    copies % util_max(rule->period, 1) * rule->step));
    }
    util_put_u16(count, (uint16_t)(util_get_u16(count) + copies));
    return len;
}

/* Deliver a message to pending query `i` and check its cost. */
static void deliver_and_check(size_t i, uint8_t *wire, size_t len)
{
    struct addr from = stage.pending[i]->match.to;
    uint64_t work = stage.engine->counts.work, start_ms = cpu_ms();

    arena_peak = 0;
    stage_deliver(&stage, i, &from, wire, len);
    if (!stage.policy->defences.sections) /* a lab setting that accepts all records */
        return;
    stop_beyond("work", stage.engine->counts.work - work,
                WORK_BASE + WORK_PER_OCTET * (uint64_t)len, len);
    stop_beyond("octets of the arena", arena_peak, ARENA_BASE + ARENA_PER_OCTET * (uint64_t)len,
                len);
    stop_beyond("ms of CPU", cpu_ms() - start_ms, CPU_MAX_MS, len);
}

/* A reply that is too large for UDP comes over TCP: deliver a truncated one first.  Return the
 * index of the query then. */
static size_t move_to_tcp(void)
{
    const struct out_ask *ask = stage.pending[0];
    size_t len = MESSAGE_HEADER_LEN + ask->match.question_len, i = 0;
    uint8_t wire[MESSAGE_HEADER_LEN + QUERY_MAX];

    memcpy(wire, ask->wire, len);
    util_put_u16(wire + 2, MESSAGE_QR | MESSAGE_TC);
    memset(wire + 6, 0, 6);
    deliver_and_check(0, wire, len);
    while (i < stage.pending_cnt && stage.pending[i] != ask)
        i++;
    return i;
}

/* A reply in the input. */
struct item {
    struct rule rule;
    bool is_raw;
    const uint8_t *bytes;
    size_t len;
};

static struct item read_item(struct cursor *c)
{
    struct item item = {.rule = {.len = 0}};
    uint16_t head = cursor_u16(c);

    if (head == 0x8000) {
        item.rule.len = cursor_u8(c);
        item.rule.at = cursor_u8(c);
        item.rule.step = cursor_u8(c);
        item.rule.period = cursor_u16(c);
        item.rule.copies = cursor_u16(c);
        item.rule.section = cursor_u8(c);
        head = cursor_u16(c);
    }
    item.is_raw = head & 0x8000;
    item.len =
        (head & 0x7fff) == 0x7fff ? cursor_left(c) : util_min(head & 0x7fff, cursor_left(c));
    item.bytes = cursor_bytes(c, item.len);
    return item;
}

/* Write the reply to a query and return its length. */
static size_t write_item(const struct item *item, const struct out_ask *ask,
                         uint8_t wire[WIRE_MAX])
{
    size_t len = 2, question = ask->match.question_len;

    memcpy(wire, ask->wire, len);
    if (item->is_raw) {
        memcpy(wire + len, item->bytes, item->len);
        len += item->len;
    } else {
        size_t header = util_min(item->len, MESSAGE_HEADER_LEN - 2);
        memcpy(wire + len, item->bytes, header);
        memcpy(wire + len + header, ask->wire + MESSAGE_HEADER_LEN, question);
        memcpy(wire + len + header + question, item->bytes + header, item->len - header);
        len += item->len + question;
    }
    return len > MESSAGE_HEADER_LEN ? repeat_record(&item->rule, wire, len) : len;
}

/* Deliver the next reply of the input to the oldest query. */
static void deliver_next(struct cursor *c)
{
    static uint8_t wire[WIRE_MAX];
    const struct out_ask *ask = stage.pending[0];
    struct item item = read_item(c);
    size_t i = 0;

    if (!item.bytes || item.len + 2 + ask->match.question_len > WIRE_MAX)
        return;
    size_t len = write_item(&item, ask, wire);
    if (len > ask->match.udp_size && !ask->is_tcp) {
        i = move_to_tcp();
        if (i == stage.pending_cnt)
            return;
        len = write_item(&item, ask, wire);
    }
    deliver_and_check(i, wire, len);
}

/* Return the QNAME: one of DEEP labels, or an ordinary one. */
static const uint8_t *choose_name(bool is_deep, uint8_t out[DNAME_MAX])
{
    static const uint8_t name[] = "\3www\6victim\7example";

    if (!is_deep)
        return name;
    for (size_t i = 0; i < DEEP; i++)
        memcpy(out + 2 * i, "\1x", 2);
    memcpy(out + 2 * (size_t)DEEP, "\4test", 6);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t wire[QUERY_MAX], deep[DNAME_MAX];
    struct cursor c = cursor_over(data, size);
    bool is_deep = size > 1 && data[0] == 0x80 && data[1] == 0;
    struct query q = {.id = 1,
                      .flags = MESSAGE_RD,
                      .name = choose_name(is_deep, deep),
                      .has_edns = true,
                      .udp_size = 4096};

    if (!stage.engine)
        open_stage();
    q.type = size > 0 && data[0] & 0x40 ? RRTYPE_MX : RRTYPE_A;
    q.is_do = size > 1 && data[1] & 1;
    stage.policy->defences.sections = size < 2 || !(data[1] & 2);
    stage.policy->defences.bailiwick = size < 2 || !(data[1] & 4);
    stage.policy->is_minimising = stage.policy->is_priming = !is_deep;
    stage_ask(&stage, wire, query_write(&q, wire), NULL);
    for (int i = 0; i < REPLIES_MAX && cursor_more(&c) && stage.pending_cnt > 0; i++)
        deliver_next(&c);
    for (int i = 0; i < ROUNDS_MAX && stage.pending_cnt > 0; i++)
        stage_time_out(&stage);
    must(stage.answer_cnt == 1 && stage.pending_cnt == 0 && stage.engine->task_cnt == 0 &&
         stage.engine->out_cnt == 0 && park_cnt(stage.engine->park) == 0);
    stage_forget(&stage);
    /* the cache and what is known of servers expire, and are too old to be served stale */
    now_advance(3 * (uint64_t)DAY_MS);
    return 0;
}
