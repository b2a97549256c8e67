/* Replies of servers, from the wire to what is made of them: whatever they say, the client gets
 * one answer, and nothing is left behind; and no reply costs more work or memory than its
 * octets allow.  The input is a list of replies: two octets of length (the top bit: as it is,
 * without the question put right; 0x7fff: all that is left), then the message from its flags
 * on.
 *
 * The length 0x8000 is followed by a rule for the next reply, so that a few octets make a large
 * one: how long its last record is (1 octet), where in that record a number of two octets
 * stands (1), by how much it grows from copy to copy (1), after how many copies it begins anew
 * (2), how many copies there are (2; 0: until the message is full), and the section whose count
 * grows (1).  An input that begins with a rule is about a name of many labels, which is not
 * minimised. */
#include <inttypes.h>
#include <time.h>

#include "base/hash.h"
#include "base/now.h"
#include "tests/scenario/stage.h"

enum { WIRE_MAX = 65535, REPLIES_MAX = 40, ROUNDS_MAX = 500, DAY_MS = 86400000, DEEP = 120 };

/* The most that one reply may cost: what scrub counts, and octets of an arena.  The shapes of
 * tests/unit/test_cost.c take less. */
enum { WORK_BASE = 1000, WORK_PER_OCTET = 2, ARENA_BASE = 16384, ARENA_PER_OCTET = 40 };

/* CPU time for one reply.  Ten times what the worst takes with sanitizers, so it only finds
 * work that is not counted. */
enum { CPU_MAX_MS = 300 };

/* How a reply's last record is repeated. */
struct rule {
    uint8_t len, at, step;
    uint16_t period, copies;
    uint8_t section;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct stage stage;

/* ---- what a reply costs ---- */

static size_t arena_peak; /* the most that an arena has handed out since the last reply */

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

/* Add copies of the message's last record; returns its length. */
static size_t repeat(const struct rule *rule, uint8_t *wire, size_t len)
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

/* Give a message to pending question `i`. */
static void deliver(size_t i, uint8_t *wire, size_t len)
{
    struct addr from = stage.pending[i]->match.to;
    uint64_t work = stage.engine->counts.work, start_ms = cpu_ms();

    arena_peak = 0;
    stage_deliver(&stage, i, &from, wire, len);
    if (!stage.policy->defences.sections) /* of a laboratory, where all records are kept */
        return;
    stop_beyond("work", stage.engine->counts.work - work,
                WORK_BASE + WORK_PER_OCTET * (uint64_t)len, len);
    stop_beyond("octets of the arena", arena_peak, ARENA_BASE + ARENA_PER_OCTET * (uint64_t)len,
                len);
    stop_beyond("ms of CPU", cpu_ms() - start_ms, CPU_MAX_MS, len);
}

/* What does not fit into a datagram comes over TCP, as a server would have it.  Returns the
 * place of the question then. */
static size_t move_to_tcp(void)
{
    const struct out_ask *ask = stage.pending[0];
    size_t len = MESSAGE_HEADER_LEN + ask->match.question_len, i = 0;
    uint8_t wire[MESSAGE_HEADER_LEN + QUERY_MAX];

    memcpy(wire, ask->wire, len);
    util_put_u16(wire + 2, MESSAGE_QR | MESSAGE_TC);
    memset(wire + 6, 0, 6);
    deliver(0, wire, len);
    while (i < stage.pending_cnt && stage.pending[i] != ask)
        i++;
    return i;
}

/* A reply of the input. */
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

/* Write the message for a question; returns its length. */
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
    return len > MESSAGE_HEADER_LEN ? repeat(&item->rule, wire, len) : len;
}

/* Give the next reply of the input to the oldest question. */
static void reply(struct cursor *c)
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
    deliver(i, wire, len);
}

/* The name that is asked for: of DEEP labels, or an everyday one. */
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
        reply(&c);
    for (int i = 0; i < ROUNDS_MAX && stage.pending_cnt > 0; i++)
        stage_time_out(&stage);
    must(stage.answer_cnt == 1 && stage.pending_cnt == 0 && stage.engine->task_cnt == 0 &&
         stage.engine->out_cnt == 0 && park_cnt(stage.engine->park) == 0);
    stage_forget(&stage);
    now_advance(3 * (uint64_t)DAY_MS); /* what was learnt, and what was learnt of servers, has
                                          expired, and is too old to be stale */
    return 0;
}
