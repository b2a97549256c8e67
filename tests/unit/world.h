/* A resolver on a stage, in process: servers that answer as a function of the test says, and
 * clients that send queries.  Included once per test program; none uses all of it. */
#pragma once

#include "tests/unit/records.h"
#include "tests/unit/unit.h"

#include "base/hash.h"
#include "base/now.h"
#include "resolver/iterate/task.h"
#include "tests/scenario/stage.h"

#pragma GCC diagnostic ignored "-Wunused-function"

enum { WIRE_MAX = 65535, ROUNDS_MAX = 20000 };

static const uint8_t root[] = {0};
static struct stage stage;
static struct rrline rr;
static struct addr_prefix local_nets[4];

/* ---- servers ---- */

/* A reply being written. */
struct reply {
    const struct out_ask *ask;
    uint8_t wire[WIRE_MAX];
    size_t len;
    uint16_t flags, cnt[4];
};

static struct reply reply;

/* The servers: add records to `reply` for a query of `name` and `type` at the address `server`,
 * or return false to be silent. */
typedef bool (*servers)(const char *server, const char *name, uint16_t type);

/* Add a record, written as in a zone file, to `reply`.  A record that does not fit is left out.
 */
static void add(enum message_section section, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void add(enum message_section section, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    records_read(&rr, fmt, args);
    va_end(args);
    size_t len = dname_len(rr.owner);
    if (reply.len + len + 10 + rr.rdata_len > WIRE_MAX)
        return;
    uint8_t *p = reply.wire + reply.len;
    memcpy(p, rr.owner, len);
    util_put_u16(p + len, rr.type);
    util_put_u16(p + len + 2, rr.class);
    util_put_u32(p + len + 4, rr.ttl);
    util_put_u16(p + len + 8, (uint16_t)rr.rdata_len);
    memcpy(p + len + 10, rr.rdata, rr.rdata_len);
    reply.len += len + 10 + rr.rdata_len;
    reply.cnt[section]++;
}

/* Begin `reply` to this query: authoritative, without records. */
static void begin(const struct out_ask *ask)
{
    reply.ask = ask;
    reply.len = MESSAGE_HEADER_LEN + ask->match.question_len;
    memcpy(reply.wire, ask->wire, reply.len);
    memset(reply.cnt, 0, sizeof(reply.cnt));
    reply.cnt[MESSAGE_QUESTION] = 1;
    reply.flags = MESSAGE_QR | MESSAGE_AA;
}

/* Write the flags and counts of `reply`. */
static void end(void)
{
    util_put_u16(reply.wire + 2, reply.flags);
    for (int i = 0; i < 4; i++)
        util_put_u16(reply.wire + 4 + 2 * i, reply.cnt[i]);
}

static bool ends_in(const char *name, const char *tail)
{
    size_t a = strlen(name), b = strlen(tail);
    return a >= b && strcmp(name + a - b, tail) == 0 &&
           (a == b || b <= 1 || name[a - b - 1] == '.');
}

/* Make `reply` a referral to one server; `address` is its glue, NULL for none. */
static void delegate(const char *zone, const char *server, const char *address)
{
    reply.flags = MESSAGE_QR;
    add(MESSAGE_AUTHORITY, "%s 3600 NS %s", zone, server);
    if (address)
        add(MESSAGE_ADDITIONAL, "%s 3600 A %s", server, address);
}

static void lower(char *text)
{
    for (; *text; text++)
        *text = (char)util_lower((uint8_t)*text);
}

/* Let the servers reply to the pending query number `i`.  Return false if they are silent. */
static bool answer(servers world, size_t i)
{
    struct out_ask *ask = stage.pending[i];
    char name[DNAME_TEXT_MAX], server[ADDR_TEXT_MAX];

    dname_text_print(ask->match.name, name);
    lower(name);
    addr_print_host(&ask->match.to, server);
    begin(ask);
    if (!world(server, name, stage_type(ask)))
        return false;
    end();
    struct addr from = ask->match.to;
    stage_deliver(&stage, i, &from, reply.wire, reply.len);
    return true;
}

/* Run until no query is pending: the servers reply, and queries without a reply time out. */
static void run(servers world)
{
    for (unsigned n = 0; n < ROUNDS_MAX && stage.pending_cnt > 0; n++) {
        size_t i = 0;
        while (i < stage.pending_cnt && !answer(world, i))
            i++;
        if (i == stage.pending_cnt)
            stage_time_out(&stage);
    }
    assert_int_equal(stage.pending_cnt, 0);
}

/* ---- the stage ---- */

static unsigned asked_cnt; /* queries to servers since open_stage */

static void count_asked(struct stage *s, const struct out_ask *ask)
{
    (void)s;
    (void)ask;
    asked_cnt++;
}

/* Prepare `stage` with these quotas and one root server, 192.0.2.1: no priming, IPv4 only, and
 * no queries to 0.0.0.0/8 and 127.0.0.0/8.  The test may change the policy before it calls
 * stage_open, and ends with stage_fini. */
static void open_stage_with(const struct quota_limits *limits)
{
    stage_init(&stage, limits);
    stage_hint(&stage, "192.0.2.1");
    stage.policy->is_priming = stage.policy->signals_anchors = stage.policy->uses_v6 = false;
    assert_int_equal(addr_read_prefix("0.0.0.0/8", &local_nets[0]), ERR_OK);
    assert_int_equal(addr_read_prefix("127.0.0.0/8", &local_nets[1]), ERR_OK);
    stage.policy->do_not_query = (struct addr_prefixes){local_nets, 2};
    stage.asked = count_asked;
    asked_cnt = 0;
}

/* The same with 200 queries at a time per zone and 400 per server. */
static void open_stage(void)
{
    open_stage_with(&(struct quota_limits){.per_zone = 200, .per_server = 400});
}

/* Configure a stub or forward zone ("." is the root) with servers at these addresses,
 * port 53; between open_stage and stage_open. */
static void put_zone(struct policy *policy, const char *zone, enum delegation_source source,
                     const char *const *addresses, size_t cnt)
{
    enum { PUT_ZONE_MAX = 4 };
    uint8_t name[DNAME_MAX];
    struct addr addrs[PUT_ZONE_MAX];

    assert_in_range(cnt, 1, PUT_ZONE_MAX);
    for (size_t i = 0; i < cnt; i++)
        assert_int_equal(addr_read(addresses[i], 53, &addrs[i]), ERR_OK);
    struct route_zone configured = {
        .name = unit_name(zone, name), .source = source, .addrs = addrs, .addr_cnt = cnt};
    assert_int_equal(route_put_zone(&policy->route, &configured, &policy->arena), ERR_OK);
}

/* ---- clients ---- */

/* Send a query from this client: 127.0.0.1 if NULL. */
static void ask_as(const char *name, uint16_t type, const struct addr *peer)
{
    uint8_t wire[QUERY_MAX], dname[DNAME_MAX];
    struct query q = {.id = 1,
                      .flags = MESSAGE_RD,
                      .name = unit_name(name, dname),
                      .type = type,
                      .has_edns = true,
                      .udp_size = 4096};
    stage_ask(&stage, wire, query_write(&q, wire), peer);
}

/* Send a query for an A record from client number `client`, below 62,500: each has an address
 * of its own in 10.9.0.0/16. */
static void ask_of(unsigned client, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void ask_of(unsigned client, const char *fmt, ...)
{
    char name[DNAME_TEXT_MAX], text[ADDR_TEXT_MAX];
    struct addr peer;
    va_list args;

    va_start(args, fmt);
    vsnprintf(name, sizeof(name), fmt, args);
    va_end(args);
    snprintf(text, sizeof(text), "10.9.%u.%u", client / 250, client % 250 + 1);
    assert_int_equal(addr_read(text, 4000, &peer), ERR_OK);
    ask_as(name, RRTYPE_A, &peer);
}

/* Send a query for an A record from 127.0.0.1. */
static void ask(const char *name) { ask_as(name, RRTYPE_A, NULL); }

/* Return the RCODE of the last answer. */
static unsigned rcode(void)
{
    assert_true(stage.answer_cnt > 0);
    return stage.answers[stage.answer_cnt - 1].wire[3] & 15;
}

/* Return true if the answer section of the last answer has this address. */
static bool has_address(const char *text)
{
    const struct stage_answer *a = &stage.answers[stage.answer_cnt - 1];
    struct message m;
    struct message_record r;
    struct addr want;
    size_t len;

    assert_int_equal(message_parse(a->wire, a->len, &m), MESSAGE_WHOLE);
    assert_int_equal(addr_read(text, 53, &want), ERR_OK);
    const uint8_t *octets = addr_bytes(&want, &len);
    struct message_walk walk = message_walk(&m);
    while (message_next(&walk, &r))
        if (r.section == MESSAGE_ANSWER && r.rdata_len == len &&
            memcmp(r.rdata, octets, len) == 0)
            return true;
    return false;
}

/* Return true if the last answer contains this text, as in its extended error. */
static bool explains(const char *words)
{
    const struct stage_answer *a = &stage.answers[stage.answer_cnt - 1];
    return memmem(a->wire, a->len, words, strlen(words)) != NULL;
}

#define GOOD "203.0.113.1"
#define BAD "198.51.100.66"

/* example. with the zones victim.example., whose names have the address GOOD, and
 * evil.example., which is the attacker's and silent here. */
static bool world(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.1") == 0 || strcmp(server, "192.0.2.2") == 0) {
        if (ends_in(name, "victim.example."))
            delegate("victim.example.", "ns.victim.example.", "192.0.2.3");
        else if (ends_in(name, "evil.example."))
            delegate("evil.example.", "ns.evil.example.", "192.0.2.4");
        else if (strcmp(server, "192.0.2.1") == 0)
            delegate("example.", "ns.example.", "192.0.2.2");
        else
            add(MESSAGE_AUTHORITY, "example. 300 SOA a. b. 1 2 3 4 300");
        return true;
    }
    if (strcmp(server, "192.0.2.3") == 0) {
        if (type == RRTYPE_A)
            add(MESSAGE_ANSWER, "%s 3600 A %s", name, GOOD);
        else
            add(MESSAGE_AUTHORITY, "victim.example. 300 SOA a. b. 1 2 3 4 300");
        return true;
    }
    return false;
}

/* ---- an attacker ---- */

/* Let the true servers answer until a query to the server of victim.example is pending, and
 * return its number. */
static size_t reach_victim(void)
{
    struct addr ns;
    assert_int_equal(addr_read("192.0.2.3", 53, &ns), ERR_OK);
    for (unsigned n = 0; n < 20; n++)
        for (size_t i = 0; i < stage.pending_cnt; i++) {
            if (addr_is_equal(&stage.pending[i]->match.to, &ns))
                return i;
            answer(world, i);
        }
    fail_msg("the victim's server is not asked");
    return 0;
}

/* Deliver a forged reply to the pending query number `i`: www.victim.example. has the address
 * BAD.  It has this ID and source; without `keeps_case` the name is in lower case; `name`
 * replaces the question's, unless it is NULL.  Return true if it was accepted. */
static bool forge_reply(size_t i, uint16_t id, bool keeps_case, const char *from_text,
                        const char *name)
{
    struct out_ask *a = stage.pending[i];
    uint8_t other[DNAME_MAX];
    struct addr from;

    begin(a);
    util_put_u16(reply.wire, id);
    if (!keeps_case)
        memcpy(reply.wire + MESSAGE_HEADER_LEN, a->match.name, a->match.question_len - 4);
    if (name) {
        size_t len = dname_len(unit_name(name, other));
        memcpy(reply.wire + MESSAGE_HEADER_LEN, other, len);
        util_put_u16(reply.wire + MESSAGE_HEADER_LEN + len, RRTYPE_A);
        util_put_u16(reply.wire + MESSAGE_HEADER_LEN + len + 2, RRTYPE_CLASS_IN);
        reply.len = MESSAGE_HEADER_LEN + len + 4;
    }
    add(MESSAGE_ANSWER, "www.victim.example. 3600 A %s", BAD);
    end();
    assert_int_equal(addr_read(from_text, 53, &from), ERR_OK);
    return stage_deliver(&stage, i, &from, reply.wire, reply.len);
}

static uint16_t pending_id(size_t i) { return util_get_u16(stage.pending[i]->wire); }

static unsigned victim_cnt;

static void count_victim(struct stage *s, const struct out_ask *a)
{
    char text[ADDR_TEXT_MAX];
    (void)s;
    asked_cnt++;
    addr_print(&a->match.to, text);
    victim_cnt += strncmp(text, "192.0.2.3@", 10) == 0;
}
