/* Replies of servers, from the wire to what is made of them: whatever they say, the client gets one answer, and nothing is left
 * behind.  The input is a list of replies: two octets of length (the top bit: as it is, without the question put right), then
 * the message from its flags on. */
#include "base/hash.h"
#include "base/now.h"
#include "tests/scenario/stage.h"

enum { WIRE_MAX = 65535, REPLIES_MAX = 40, ROUNDS_MAX = 500, DAY_MS = 86400000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct stage stage;

static void open_stage(void)
{
    struct quota_limits limits = {.per_zone = 200, .per_server = 400};

    hash_init();
    stage_init(&stage, &limits);
    stage_hint(&stage, "192.0.2.1");
    stage_open(&stage, 7);
}

/* Give the next reply of the input to the oldest question. */
static void reply(struct cursor *c)
{
    static uint8_t wire[WIRE_MAX];
    const struct out_ask *ask = stage.pending[0];
    uint16_t head = cursor_u16(c);
    size_t len = util_min(head & 0x7fff, cursor_left(c)), at = 2, question = ask->match.question_len;
    const uint8_t *bytes = cursor_bytes(c, len);
    struct addr from = ask->match.to;

    if (!bytes || len + 2 + question > WIRE_MAX)
        return;
    memcpy(wire, ask->wire, 2);
    if (head & 0x8000) {
        memcpy(wire + at, bytes, len);
    } else {
        size_t header = util_min(len, MESSAGE_HEADER_LEN - 2);
        memcpy(wire + at, bytes, header);
        memcpy(wire + at + header, ask->wire + MESSAGE_HEADER_LEN, question);
        memcpy(wire + at + header + question, bytes + header, len - header);
        len += question;
    }
    stage_deliver(&stage, 0, &from, wire, at + len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t name[] = "\3www\6victim\7example";
    uint8_t wire[QUESTION_MAX];
    struct cursor c = cursor_over(data, size);
    struct question q = {.id = 1, .flags = MESSAGE_RD, .name = name, .has_edns = true, .udp_size = 4096};

    if (!stage.engine)
        open_stage();
    q.type = size > 0 && data[0] & 0x40 ? RRTYPE_MX : RRTYPE_A;
    q.is_do = size > 1 && data[1] & 1;
    stage.policy->defences.sections = size < 2 || !(data[1] & 2);
    stage.policy->defences.bailiwick = size < 2 || !(data[1] & 4);
    stage_ask(&stage, wire, question_write(&q, wire), NULL);
    for (int i = 0; i < REPLIES_MAX && cursor_more(&c) && stage.pending_cnt > 0; i++)
        reply(&c);
    for (int i = 0; i < ROUNDS_MAX && stage.pending_cnt > 0; i++)
        stage_time_out(&stage);
    must(stage.answer_cnt == 1 && stage.pending_cnt == 0 && stage.engine->task_cnt == 0 &&
         stage.engine->out_cnt == 0 && park_cnt(stage.engine->park) == 0);
    stage_forget(&stage);
    now_advance(3 * (uint64_t)DAY_MS); /* what was learnt, and what was learnt of servers, has expired, and is too old to be stale */
    return 0;
}
