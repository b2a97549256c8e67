/* Hostile servers, forgers and clients against the resolver, in process: each defence that
 * needs no DNSSEC, on and off.  With it the attack fails, without it it succeeds - else the
 * test would say nothing. */
#include "resolver/explain/res_explain.h"
#include "tests/unit/world.h"

/* Let true servers answer until the question to victim.example's own server is out. */
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

/* A forged reply to pending question `i`: the attacker's address.  Its ID, name and letters are
 * those of `as`. */
static bool forge(size_t i, uint16_t id, bool keeps_case, const char *from_text,
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

static uint16_t id_of(size_t i) { return util_get_u16(stage.pending[i]->wire); }

/* ---- forgers (docs/LIMITS.md section 1) ---- */

/* The attacker knows an old ID only: a fixed one is enough for him, a random one is not. */
static void test_id(void **state)
{
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        stage.policy->defences.random_id = is_on;
        stage.policy->defences.random_case = false;
        stage_open(&stage, 7);
        ask("one.victim.example");
        uint16_t seen = id_of(reach_victim());
        run(world);
        ask("www.victim.example");
        size_t i = reach_victim();
        bool is_believed = forge(i, seen, true, "192.0.2.3", NULL);
        run(world);
        assert_int_equal(is_believed, !is_on);
        assert_int_equal(has_address(BAD), !is_on);
        stage_fini(&stage);
    }
}

/* All 65,536 IDs in one window: the first wrong one ends the guessing. */
static void test_first_wrong_reply_moves_to_tcp(void **state)
{
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        bool is_believed = false;
        open_stage();
        stage.policy->defences.wrong_reply_tcp = is_on;
        stage.policy->defences.random_case = false;
        stage_open(&stage, 7);
        ask("www.victim.example");
        size_t i = reach_victim();
        uint16_t first = (uint16_t)(id_of(i) + 1); /* a wrong one to begin with */
        for (unsigned n = 0; n < 65536 && !is_believed && !stage.pending[i]->is_tcp; n++)
            is_believed = forge(i, (uint16_t)(first + n), true, "192.0.2.3", NULL);
        assert_int_equal(is_believed, !is_on);
        if (is_on) {
            assert_int_equal(stage.engine->counts.mismatches, 1);
            assert_int_equal(stage.engine->rejected.cnt[MATCH_ID], 1);
            assert_true(stage.pending[0]->is_tcp);
        }
        run(world);
        assert_int_equal(has_address(BAD), !is_on);
        stage_fini(&stage);
    }
}

/* 500 clients at once: each outstanding question would be one more chance. */
static void test_equal_questions_are_asked_once(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    for (int i = 0; i < 500; i++) {
        struct addr peer;
        char text[40];
        snprintf(text, sizeof(text), "10.0.%d.%d", i / 250, i % 250 + 1);
        assert_int_equal(addr_read(text, 4000, &peer), ERR_OK);
        ask_as("www.victim.example", RRTYPE_A, &peer);
    }
    assert_int_equal(stage.pending_cnt, 1);
    run(world);
    assert_int_equal(stage.answer_cnt, 500);
    assert_int_equal(asked_cnt, 3); /* root, example, victim */
    stage_fini(&stage);
    /* and 500 names below one zone that is not known yet: its delegation is asked for once */
    for (int is_on = 0; is_on < 2; is_on++) {
        char name[60];
        open_stage();
        stage.policy->defences.merging = is_on;
        stage_open(&stage, 7);
        for (int i = 0; i < 100; i++) {
            snprintf(name, sizeof(name), "x%d.victim.example", i);
            ask(name);
        }
        assert_int_equal(stage.pending_cnt,
                         is_on ? 1 : 75); /* half of what is not kept for proven clients */
        run(world);
        assert_int_equal(stage.answer_cnt, 100);
        stage_fini(&stage);
    }
}

/* The attacker has guessed the ID, but not the letters. */
static void test_case(void **state)
{
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        stage.policy->defences.random_case = is_on;
        stage_open(&stage, 7);
        ask("www.victim.example");
        size_t i = reach_victim();
        bool is_believed = forge(i, id_of(i), false, "192.0.2.3", NULL);
        run(world);
        assert_int_equal(is_believed, !is_on);
        assert_int_equal(has_address(BAD), !is_on);
        stage_fini(&stage);
    }
}

static void test_source(void **state)
{
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        stage.policy->defences.source = is_on;
        stage_open(&stage, 7);
        ask("www.victim.example");
        size_t i = reach_victim();
        bool is_believed = forge(i, id_of(i), true, "192.0.2.99", NULL);
        run(world);
        assert_int_equal(is_believed, !is_on);
        assert_int_equal(has_address(BAD), !is_on);
        stage_fini(&stage);
    }
}

static void test_question(void **state)
{
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        stage.policy->defences.question = is_on;
        stage.policy->defences.random_case = false;
        stage_open(&stage, 7);
        ask("www.victim.example");
        size_t i = reach_victim();
        assert_int_equal(forge(i, id_of(i), true, "192.0.2.3", "other.example"), !is_on);
        run(world);
        assert_int_equal(has_address(BAD), !is_on);
        stage_fini(&stage);
    }
}

/* A server that has given a cookie once: a reply without one is forged (RFC 7873 5.3). */
static void put_cookie(const struct out_ask *ask)
{
    static const uint8_t head[] = {0, 0, RRTYPE_OPT, 4, 0xd0,        0, 0, 0,
                                   0, 0, 20,         0, EDNS_COOKIE, 0, 16};
    memcpy(reply.wire + reply.len, head, sizeof(head));
    memcpy(reply.wire + reply.len + sizeof(head), ask->match.client_cookie, COOKIE_CLIENT_LEN);
    memset(reply.wire + reply.len + sizeof(head) + COOKIE_CLIENT_LEN, 7, 8);
    reply.len += sizeof(head) + 16;
    reply.cnt[MESSAGE_ADDITIONAL]++;
}

static bool world_with_cookies(const char *server, const char *name, uint16_t type)
{
    bool answers = world(server, name, type);
    if (answers && reply.ask->match.client_cookie && strcmp(server, "192.0.2.3") == 0)
        put_cookie(reply.ask);
    return answers;
}

static void test_cookies(void **state)
{
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        stage.policy->defences.cookies = is_on;
        stage_open(&stage, 7);
        ask("one.victim.example");
        run(world_with_cookies);
        ask("www.victim.example");
        size_t i = reach_victim();
        bool is_believed = forge(i, id_of(i), true, "192.0.2.3", NULL);
        run(world_with_cookies);
        assert_int_equal(is_believed, !is_on);
        assert_int_equal(has_address(BAD), !is_on);
        stage_fini(&stage);
    }
}

/* TuDoor: whatever arrives that is no reply must not end the wait. */
static void test_malformed_replies_do_no_harm(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 64; kind++) {
        open_stage();
        stage_open(&stage, 7);
        ask("www.victim.example");
        size_t i = reach_victim();
        begin(stage.pending[i]);
        add(MESSAGE_ANSWER, "www.victim.example. 3600 A %s", BAD);
        end();
        switch (kind % 8) {
        case 0: reply.wire[2] &= 0x7f; break;                                  /* QR */
        case 1: reply.wire[2] |= (uint8_t)(8 * (1 + kind / 8)); break;         /* opcode */
        case 2: util_put_u16(reply.wire + 4, 0); break;                        /* no question */
        case 3: util_put_u16(reply.wire + 4, 2); break;                        /* two */
        case 4: reply.len = kind / 8 * 4; break;                               /* cut off */
        case 5: reply.wire[0] ^= (uint8_t)(1 << kind / 8); break;              /* ID */
        case 6: util_put_u16(reply.wire + 6, (uint16_t)(2 + kind / 8)); break; /* counts */
        default:
            reply.wire[reply.ask->match.question_len + MESSAGE_HEADER_LEN - 1] ^=
                (uint8_t)(1 << kind / 8);
        }
        struct addr from = stage.pending[i]->match.to;
        assert_false(stage_deliver(&stage, i, &from, reply.wire, reply.len));
        run(world);
        assert_int_equal(rcode(), RRTYPE_RCODE_NOERROR);
        assert_true(has_address(GOOD) && !has_address(BAD));
        stage_fini(&stage);
    }
}

/* A second fragment has neither ports nor ID: whoever plants one replaces the tail of a long
 * reply, and nothing of what was guessed shows it.  A reply that is larger than it may be goes
 * to TCP instead. */
static bool long_answer(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.3") != 0)
        return world(server, name, type);
    for (int i = 0; i < 60; i++)
        add(MESSAGE_ANSWER, "%s 3600 A 203.0.113.%d", name, i);
    return true;
}

static void test_fragments(void **state)
{
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        if (!is_on)
            stage.policy->udp_size = 4096;
        stage_open(&stage, 7);
        ask("www.victim.example");
        size_t i = reach_victim();
        begin(stage.pending[i]);
        long_answer("192.0.2.3", "www.victim.example", RRTYPE_A);
        assert_true(reply.len > 1232);
        add(MESSAGE_ANSWER, "www.victim.example. 3600 A %s",
            BAD); /* the tail that was planted */
        end();
        struct addr from = stage.pending[i]->match.to;
        assert_int_equal(stage_deliver(&stage, i, &from, reply.wire, reply.len), !is_on);
        assert_int_equal(stage.engine->rejected.cnt[MATCH_LARGE], is_on);
        if (is_on)
            assert_true(stage.pending[reach_victim()]->is_tcp);
        run(long_answer);
        assert_int_equal(has_address(BAD), !is_on);
        assert_true(has_address(GOOD));
        stage_fini(&stage);
    }
}

/* More options than anybody needs: FORMERR, and no server hears of it. */
static void test_many_options(void **state)
{
    uint8_t wire[MESSAGE_HEADER_LEN + DNAME_MAX + 4 + 11 + 4 * 300], dname[DNAME_MAX];
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    for (unsigned cnt = EDNS_OPTIONS_MAX; cnt <= 300; cnt += 300 - EDNS_OPTIONS_MAX) {
        struct query q = {.id = 1,
                          .flags = MESSAGE_RD,
                          .name = unit_name("www.victim.example", dname),
                          .type = RRTYPE_A};
        size_t len = query_write(&q, wire);
        memset(wire + len, 0, 11 + 4 * (size_t)cnt);
        wire[11] = 1;
        wire[len + 2] = RRTYPE_OPT;
        util_put_u16(wire + len + 3, 1232);
        util_put_u16(wire + len + 9, (uint16_t)(4 * cnt));
        for (unsigned i = 0; i < cnt; i++)
            util_put_u16(wire + len + 11 + 4 * (size_t)i, 65001);
        stage_ask(&stage, wire, len + 11 + 4 * (size_t)cnt, NULL);
        assert_int_equal(stage.pending_cnt, cnt <= EDNS_OPTIONS_MAX);
        run(world);
        assert_int_equal(rcode(),
                         cnt <= EDNS_OPTIONS_MAX ? RRTYPE_RCODE_NOERROR : RRTYPE_RCODE_FORMERR);
    }
    stage_fini(&stage);
}

/* A spoofed FORMERR must not talk us out of EDNS. */
static void test_edns_is_not_unlearnt(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    ask("www.victim.example");
    size_t i = reach_victim();
    begin(stage.pending[i]);
    reply.wire[0] ^= 1;
    reply.flags = MESSAGE_QR | RRTYPE_RCODE_FORMERR;
    end();
    struct addr from = stage.pending[i]->match.to;
    assert_false(stage_deliver(&stage, i, &from, reply.wire, reply.len));
    run(world);
    ask("next.victim.example");
    i = reach_victim();
    assert_int_equal(util_get_u16(stage.pending[i]->wire + 10), 1); /* the OPT record */
    assert_int_equal(
        util_get_u16(stage.pending[i]->wire + stage.pending[i]->match.question_len + 15), 1232);
    run(world);
    stage_fini(&stage);
}

/* The servers are told 1232 octets, no ECS goes out, and RD is never set. */
static void check_question(struct stage *s, const struct out_ask *a)
{
    struct message m;
    (void)s;
    asked_cnt++;
    assert_int_equal(message_parse(a->wire, a->len, &m), MESSAGE_WHOLE);
    assert_false(m.flags & MESSAGE_RD);
    assert_true(m.has_edns);
    assert_int_equal(m.edns.udp_size, 1232);
    struct message_walk walk = message_walk(&m);
    struct message_record r;
    while (message_next(&walk, &r))
        if (r.type == RRTYPE_OPT && r.rdata_len > 0)
            assert_int_equal(util_get_u16(r.rdata), EDNS_COOKIE);
}

static void test_what_servers_are_asked(void **state)
{
    static const uint8_t ecs[] = {0, 0, RRTYPE_OPT, 4, 0xd0, 0, 0,  0, 0,   0, 11,
                                  0, 8, 0,          7, 0,    1, 24, 0, 192, 0, 2};
    uint8_t wire[QUERY_MAX], dname[DNAME_MAX];
    (void)state;
    open_stage();
    stage.asked = check_question;
    stage_open(&stage, 7);
    for (int i = 0; i < 50; i++) { /* RebirthDay: other subnets are no other questions */
        struct query q = {.id = (uint16_t)i,
                          .flags = MESSAGE_RD,
                          .name = unit_name("www.victim.example", dname),
                          .type = RRTYPE_A};
        size_t len = query_write(&q, wire);
        memcpy(wire + len, ecs, sizeof(ecs));
        wire[len + sizeof(ecs) - 1] = (uint8_t)i;
        wire[11] = 1;
        stage_ask(&stage, wire, len + sizeof(ecs), NULL);
    }
    run(world);
    assert_int_equal(asked_cnt, 3);
    assert_int_equal(stage.answer_cnt, 50);
    stage_fini(&stage);
}

/* IDs of many questions: all values as often as chance has it. */
static void test_ids_are_random(void **state)
{
    static unsigned bins[256][2];
    double chi[2] = {0, 0};
    struct rng rng;
    const unsigned draws = 1000000;
    (void)state;
    rng_init(&rng);
    memset(bins, 0, sizeof(bins));
    for (unsigned i = 0; i < draws; i++) {
        uint16_t id = rng_u16(&rng);
        bins[id >> 8][0]++;
        bins[id & 255][1]++;
    }
    for (int half = 0; half < 2; half++) {
        for (int i = 0; i < 256; i++) {
            double diff = bins[i][half] - draws / 256.0;
            chi[half] += diff * diff / (draws / 256.0);
        }
        assert_true(chi[half] > 150 &&
                    chi[half] < 390); /* 255 degrees of freedom, p < 1e-6 either way */
    }
}

/* ---- listeners ---- */

static unsigned events[2][TRACE_STEPS];

static void count_event(void *data, const struct trace_event *event)
{
    unsigned *cnt = data;
    assert_int_equal(event->task, 1);
    cnt[event->step]++;
}

static void test_each_event_reaches_each_listener(void **state)
{
    static const struct trace_sink sinks[] = {{.note = count_event, .data = events[0]},
                                              {.note = count_event, .data = events[1]}};
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    trace_listen(&stage.engine->listeners, &sinks[0]);
    trace_listen(&stage.engine->listeners, &sinks[1]);
    trace_listen(&stage.engine->listeners, &sinks[1]); /* counts once */
    memset(events, 0, sizeof(events));
    ask("www.victim.example");
    size_t i = reach_victim();
    forge(i, (uint16_t)(id_of(i) + 1), true, "192.0.2.3", NULL);
    run(world);
    assert_int_equal(events[0][TRACE_STEP_BEGIN], 1);
    assert_int_equal(events[0][TRACE_STEP_ZONE], 1);
    assert_int_equal(events[0][TRACE_STEP_QUERY],
                     4); /* root, example, victim over UDP and TCP */
    assert_int_equal(events[0][TRACE_STEP_REPLY], 3);
    assert_int_equal(events[0][TRACE_STEP_REJECTED], 1);
    assert_int_equal(events[0][TRACE_STEP_END], 1);
    assert_memory_equal(events[0], events[1], sizeof(events[0]));
    const struct trace_finished *f = &stage.engine->finished.at[0];
    assert_true(f->queries == 4 && !f->has_failed && f->attempt_cnt == 4 &&
                f->attempts[3].is_tcp && f->attempts[3].outcome == TRACE_ANSWERED);
    stage_fini(&stage);
}

/* What the server of victim.example says, 40 ms after each query. */
static enum {
    RTT_ANSWER,
    RTT_SERVFAIL,
    RTT_REFUSED,
    RTT_LAME,
    RTT_EMPTY,
    RTT_TRUNCATED,
    RTT_KINDS
} rtt_kind;

static bool rtt(const char *server, const char *name, uint16_t type)
{
    now_advance(40);
    if (strcmp(server, "192.0.2.3") != 0)
        return world(server, name, type);
    switch (rtt_kind) {
    case RTT_SERVFAIL: reply.flags |= RRTYPE_RCODE_SERVFAIL; return true;
    case RTT_REFUSED: reply.flags |= RRTYPE_RCODE_REFUSED; return true;
    case RTT_LAME: delegate("example.", "ns.example.", "192.0.2.2"); return true;
    case RTT_EMPTY: reply.flags = MESSAGE_QR; return true;
    case RTT_TRUNCATED:
        if (!reply.ask->is_tcp)
            reply.flags |= MESSAGE_TC;
        return world(server, name, type);
    default: return world(server, name, type);
    }
}

/* The time of each reply is known, whatever it says. */
static void test_round_trip_times(void **state)
{
    (void)state;
    for (rtt_kind = RTT_ANSWER; rtt_kind < RTT_KINDS; rtt_kind++) {
        open_stage();
        stage_open(&stage, 7);
        ask("www.victim.example");
        run(rtt);
        unsigned cnt = 0;
        for (unsigned n = 0; n < stage.engine->finished.cnt; n++) {
            const struct trace_finished *f = &stage.engine->finished.at[n];
            for (unsigned i = 0; i < f->attempt_cnt; i++, cnt++)
                assert_in_range(f->attempts[i].rtt_ms, 40, 80); /* two may be out at one time */
        }
        assert_true(cnt >= 3);
        stage_fini(&stage);
    }
}

static struct json *kept_tree;

static void keep_tree(void *data, struct json *tree, const struct cause *cause)
{
    (void)data;
    must(cause != NULL);
    kept_tree = tree;
}

/* Forged and large replies do not make a tree larger than EXPLAIN_OCTETS_MAX. */
static void test_trees_are_bounded(void **state)
{
    (void)state;
    open_stage();
    stage.policy->defences.wrong_reply_tcp = stage.policy->defences.random_case = false;
    stage_open(&stage, 7);
    struct res_explain *explain = res_explain_new(stage.serve);
    uint8_t name[DNAME_MAX];
    struct res_explain_ask ask_why = {.settings = &stage.settings,
                                      .name = unit_name("www.victim.example", name),
                                      .type = RRTYPE_A,
                                      .done = keep_tree};
    assert_int_equal(addr_read("127.0.0.1", 4000, &ask_why.client), ERR_OK);
    assert_int_equal(res_explain_begin(explain, &ask_why), ERR_OK);
    size_t i = reach_victim();
    for (unsigned id = 0; id < 65536; id++)
        if (id != id_of(i))
            forge(i, (uint16_t)id, true, "192.0.2.3", NULL);
    run(world);
    assert_non_null(kept_tree);
    assert_in_range(json_size(kept_tree), EXPLAIN_OCTETS_MAX / 2, EXPLAIN_OCTETS_MAX + 65536);
    assert_true(json_get_number(kept_tree, "omitted-steps", 0) > 50000);
    assert_string_equal(json_get_text(json_find(kept_tree, "cause"), "kind", ""), "answered");
    json_free(&kept_tree);
    res_explain_free(&explain);
    stage_fini(&stage);
}

/* What an explanation that ignores the cache has just found is fresh, even if the wall clock is
 * set back meanwhile. */
static void test_a_fresh_explanation_and_the_clock(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    struct res_explain *explain = res_explain_new(stage.serve);
    uint8_t name[DNAME_MAX];
    struct res_explain_ask ask_why = {.settings = &stage.settings,
                                      .name = unit_name("www.victim.example", name),
                                      .type = RRTYPE_A,
                                      .is_fresh = true,
                                      .done = keep_tree};
    assert_int_equal(addr_read("127.0.0.1", 4000, &ask_why.client), ERR_OK);
    assert_int_equal(res_explain_begin(explain, &ask_why), ERR_OK);
    assert_true(answer(world, 0));
    now_set_wall(now_wall_ms() - 3600 * 1000);
    run(world);
    assert_string_equal(json_get_text(json_find(kept_tree, "cause"), "kind", ""), "answered");
    assert_int_equal(asked_cnt, 3);
    json_free(&kept_tree);
    res_explain_free(&explain);
    stage_fini(&stage);
}

/* ---- over-trusted content (section 2) ---- */

/* The attacker's own server says more than it was asked. */
static bool generous(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.4") != 0)
        return world(server, name, type);
    add(MESSAGE_ANSWER, "%s 3600 A %s", name, BAD);
    add(MESSAGE_ANSWER, "www.victim.example. 3600 A %s", BAD);
    add(MESSAGE_AUTHORITY, "victim.example. 3600 NS ns.evil.example.");
    add(MESSAGE_AUTHORITY, "www.victim.example. 3600 MX 1 www.evil.example.");
    add(MESSAGE_ADDITIONAL, "www.victim.example. 3600 A %s", BAD);
    add(MESSAGE_ADDITIONAL, "ns.victim.example. 3600 A 192.0.2.4");
    return true;
}

static void test_bailiwick(void **state)
{
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        stage.policy->defences.bailiwick = is_on;
        stage.policy->defences.sections = is_on; /* both were missing in the last century */
        stage_open(&stage, 7);
        ask("www.evil.example");
        run(generous);
        ask("www.victim.example");
        run(generous);
        assert_int_equal(has_address(BAD), !is_on);
        stage_fini(&stage);
    }
}

/* Records of the zone itself, but in sections where they are not for believing. */
static bool careless(const char *server, const char *name, uint16_t type)
{
    bool answers = world(server, name, type);
    if (answers && strcmp(server, "192.0.2.3") == 0 && strncmp(name, "one.", 4) == 0)
        add(MESSAGE_ADDITIONAL, "www.victim.example. 3600 A %s", BAD);
    return answers;
}

static void test_sections(void **state)
{
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        stage.policy->defences.sections = is_on;
        stage_open(&stage, 7);
        ask("one.victim.example");
        run(careless);
        ask("www.victim.example");
        run(careless);
        assert_int_equal(has_address(BAD), !is_on);
        stage_fini(&stage);
    }
}

/* No type in any section of an answer is kept but what was asked for. */
static const char *const extras[] = {
    "A 198.51.100.66",         "AAAA 2001:db8::66",     "NS ns.evil.example.",
    "MX 1 www.evil.example.",  "SOA a. b. 1 2 3 4 5",   "TXT x",
    "CNAME www.evil.example.", "PTR www.evil.example.", "SRV 1 1 1 www.evil.example.",
    "DNAME evil.example."};
static size_t extra;
static enum message_section extra_section;

static bool with_extra(const char *server, const char *name, uint16_t type)
{
    bool answers = world(server, name, type);
    if (answers && strcmp(server, "192.0.2.3") == 0 && strncmp(name, "one.", 4) == 0)
        add(extra_section, "www.victim.example. 3600 %s", extras[extra]);
    return answers;
}

static void test_types_in_sections(void **state)
{
    static const uint16_t types[] = {RRTYPE_A,   RRTYPE_AAAA, RRTYPE_NS,    RRTYPE_MX,
                                     RRTYPE_SOA, RRTYPE_TXT,  RRTYPE_CNAME, RRTYPE_PTR,
                                     RRTYPE_SRV, RRTYPE_DNAME};
    struct arena arena;
    (void)state;
    for (extra_section = MESSAGE_ANSWER; extra_section <= MESSAGE_ADDITIONAL; extra_section++)
        for (extra = 0; extra < ARRAY_LEN(extras); extra++) {
            uint8_t name[DNAME_MAX];
            struct cache_name key;
            struct cache_found found;
            struct cache_time when;
            open_stage();
            stage_open(&stage, 7);
            ask("one.victim.example");
            run(with_extra);
            assert_true(has_address(GOOD));
            when = engine_time(0);
            arena_init(&arena, 0);
            cache_name_init(&key, unit_name("www.victim.example", name));
            for (size_t i = 0; i < ARRAY_LEN(types); i++)
                assert_false(cache_find(&stage.engine->cache, &key, key.labels, types[i], &when,
                                        &arena, &found));
            arena_fini(&arena);
            stage_fini(&stage);
        }
}

/* A positive answer that brings along other servers for its zone: the parent's are asked all
 * the same. */
static bool taken_over(const char *server, const char *name, uint16_t type)
{
    bool answers = world(server, name, type);
    if (answers && strcmp(server, "192.0.2.3") == 0) {
        add(MESSAGE_AUTHORITY, "victim.example. 3600 NS ns.evil.example.");
        add(MESSAGE_ADDITIONAL, "ns.evil.example. 3600 A 192.0.2.4");
    }
    assert_string_not_equal(server, "192.0.2.4");
    return answers;
}

static void test_the_parent_names_the_servers(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    ask("one.victim.example");
    run(taken_over);
    ask("www.victim.example");
    run(taken_over);
    assert_true(has_address(GOOD));
    stage_fini(&stage);
}

static bool is_revoked;

static bool ghost(const char *server, const char *name, uint16_t type)
{
    if (is_revoked && strcmp(server, "192.0.2.2") == 0) {
        reply.flags |= RRTYPE_RCODE_NXDOMAIN;
        add(MESSAGE_AUTHORITY, "example. 300 SOA a. b. 1 2 3 4 300");
        return true;
    }
    if (is_revoked && strcmp(server, "192.0.2.1") == 0) {
        delegate("example.", "ns.example.", "192.0.2.2");
        return true;
    }
    bool answers = world(server, name, type);
    if (answers &&
        strcmp(server, "192.0.2.3") == 0) { /* the ghost renews itself in every answer */
        add(MESSAGE_AUTHORITY, "victim.example. 86400 NS ns.victim.example.");
        add(MESSAGE_ADDITIONAL, "ns.victim.example. 86400 A 192.0.2.3");
    }
    return answers;
}

static void test_ghost_domains_die(void **state)
{
    (void)state;
    is_revoked = false;
    open_stage();
    stage_open(&stage, 7);
    ask("one.victim.example");
    run(ghost);
    is_revoked = true;
    for (int minutes = 0; minutes < 59; minutes++) {
        char name[60];
        now_advance(60 * 1000);
        snprintf(name, sizeof(name), "n%d.victim.example", minutes);
        ask(name);
        run(ghost);
        ask_as("victim.example", RRTYPE_NS, NULL);
        run(ghost);
        ask(name);
        assert_true(has_address(GOOD)); /* the delegation lives for its hour */
    }
    now_advance(61 * 1000);
    ask("dead.victim.example");
    run(ghost);
    assert_int_equal(rcode(), RRTYPE_RCODE_NXDOMAIN);
    stage_fini(&stage);
}

/* MaginotDNS: a forwarder for one zone says something about another. */
static bool forwarder(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.4") != 0)
        return world(server, name, type);
    reply.flags = MESSAGE_QR | MESSAGE_RA;
    if (strncmp(name, "alias", 5) == 0) {
        add(MESSAGE_ANSWER, "%s 3600 CNAME www.victim.example.", name);
        add(MESSAGE_ANSWER, "www.victim.example. 3600 A %s", BAD);
    } else {
        add(MESSAGE_ANSWER, "%s 3600 A %s", name, BAD);
        add(MESSAGE_AUTHORITY, "example. 3600 NS ns.evil.example.");
        add(MESSAGE_ADDITIONAL, "ns.evil.example. 3600 A 192.0.2.4");
    }
    return true;
}

static void test_forwarders_keep_to_their_zone(void **state)
{
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        stage.policy->defences.bailiwick = is_on;
        put_zone(stage.policy, "evil.example", DELEGATION_FORWARD,
                 (const char *[]){"192.0.2.4"}, 1);
        stage_open(&stage, 7);
        ask("one.evil.example");
        run(forwarder);
        ask("alias.evil.example");
        run(forwarder);
        assert_int_equal(has_address(GOOD), is_on);
        ask("www.victim.example");
        run(forwarder);
        assert_int_equal(has_address(BAD), !is_on);
        stage_fini(&stage);
    }
}

static bool with_ttl(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.3") != 0)
        return world(server, name, type);
    add(MESSAGE_ANSWER, "%s 2147483647 A %s", name, GOOD);
    if (strncmp(name, "huge", 4) == 0) /* 2^31: RFC 2181 8 takes it for 0 */
        util_put_u32(reply.wire + reply.len - 10, 0x80000000U);
    return true;
}

static uint32_t ttl_of_answer(void)
{
    const struct stage_answer *a = &stage.answers[stage.answer_cnt - 1];
    struct message m;
    struct message_record r = {.ttl = 0};
    assert_int_equal(message_parse(a->wire, a->len, &m), MESSAGE_WHOLE);
    struct message_walk walk = message_walk(&m);
    assert_true(message_next(&walk, &r) && r.section == MESSAGE_ANSWER);
    return r.ttl;
}

static void test_ttls_are_capped(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    ask("long.victim.example");
    run(with_ttl);
    assert_int_equal(ttl_of_answer(), 86400);
    ask("huge.victim.example");
    run(with_ttl);
    assert_int_equal(ttl_of_answer(), 0);
    stage_fini(&stage);
}

static bool endless_alias(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.4") != 0)
        return world(server, name, type);
    unsigned n = (unsigned)strtoul(name + 1, NULL, 10);
    add(MESSAGE_ANSWER, "%s 3600 CNAME c%u.evil.example.", name, n + 1);
    return true;
}

static void test_chains_of_aliases_end(void **state)
{
    unsigned with[2];
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        if (!is_on)
            stage.policy->limits.cnames = 60;
        stage_open(&stage, 7);
        ask("c0.evil.example");
        run(endless_alias);
        assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
        with[is_on] = asked_cnt - 2; /* the way there */
        stage_fini(&stage);
    }
    assert_true(with[1] <= 12 && with[0] > 12);
}

/* A zone of an odd name, whose server is silent: its name gets into the explanation. */
static bool odd_zone(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.4") != 0)
        return world(server, name, type);
    delegate("<script>\\000\\010.evil.example.", "ns.evil.example.", NULL);
    add(MESSAGE_ADDITIONAL, "ns.evil.example. 3600 A 192.0.2.78");
    return true;
}

static void test_odd_names_are_escaped(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    ask("www.<script>\\000\\010.evil.example");
    run(odd_zone);
    assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
    assert_true(explains("servers of <script>\\000\\010.evil.example."));
    stage_fini(&stage);
}

/* ---- servers that are only odd ---- */

static bool is_tcp_dead;

/* Says everything in lower case, over UDP and TCP. */
static bool lower_case(const char *server, const char *name, uint16_t type)
{
    bool answers = world(server, name, type), is_it = strcmp(server, "192.0.2.3") == 0;
    if (is_it && reply.ask->is_tcp && is_tcp_dead)
        return false;
    if (answers && is_it)
        memcpy(reply.wire + MESSAGE_HEADER_LEN, reply.ask->match.name,
               reply.ask->match.question_len - 4);
    return answers;
}

static void test_servers_that_lose_the_letters(void **state)
{
    (void)state;
    for (int dead = 0; dead < 2; dead++) {
        is_tcp_dead = dead;
        open_stage();
        stage_open(&stage, 7);
        ask("www.victim.example");
        run(lower_case);
        assert_true(has_address(GOOD));
        if (!dead) { /* it is remembered */
            uint64_t before = stage.engine->counts.mismatches;
            ask("next.victim.example");
            run(lower_case);
            assert_true(has_address(GOOD));
            assert_int_equal(stage.engine->counts.mismatches, before);
        }
        stage_fini(&stage);
    }
}

/* Answers FORMERR to any OPT record. */
static bool without_edns(const char *server, const char *name, uint16_t type)
{
    if (reply.ask->match.client_cookie) {
        reply.flags = MESSAGE_QR | RRTYPE_RCODE_FORMERR;
        return true;
    }
    return world(server, name, type);
}

static void test_servers_without_edns(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    ask("www.victim.example");
    run(without_edns);
    assert_true(has_address(GOOD));
    asked_cnt = 0;
    ask("next.victim.example");
    run(without_edns);
    assert_true(has_address(GOOD));
    assert_int_equal(asked_cnt, 1); /* remembered */
    stage_fini(&stage);
}

/* Denies a name below which there are others, as many do. */
static unsigned short_cnt;

static bool denies_short_names(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.3") != 0 || strcmp(name, "nx.victim.example.") != 0)
        return world(server, name, type);
    short_cnt++;
    reply.flags |= RRTYPE_RCODE_NXDOMAIN;
    add(MESSAGE_AUTHORITY, "victim.example. 300 SOA a. b. 1 2 3 4 300");
    return true;
}

/* Those who waited for the short question do not ask it again, one after the other. */
static void test_no_convoy_behind_a_denied_name(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    short_cnt = 0;
    for (int i = 0; i < 90; i++) {
        char name[60];
        snprintf(name, sizeof(name), "l%d.nx.victim.example", i);
        ask(name);
    }
    run(denies_short_names);
    assert_int_equal(stage.answer_cnt, 90);
    assert_true(has_address(GOOD));
    assert_int_equal(short_cnt, 1);
    stage_fini(&stage);
}

/* What one client has used up is not held against another: neither now nor in the cache. */
static void test_limits_of_others(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    ask("one.victim.example");
    run(world);
    /* a budget with nothing left begins the resolution that the next client joins */
    struct budget *spent = budget_new(&stage.policy->limits, now_mono_ms());
    uint8_t name[DNAME_MAX];
    spent->queries_left = 0;
    assert_non_null(
        task_get(stage.engine, unit_name("www.victim.example", name), RRTYPE_A, spent, NULL));
    ask("www.victim.example");
    budget_unref(&spent);
    run(world);
    assert_true(has_address(GOOD));
    stage_fini(&stage);
}

/* The end comes while many wait for one question of another. */
static void test_the_end_under_load(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    for (int i = 0; i < 4000; i++) {
        char name[60];
        struct addr peer;
        snprintf(name, sizeof(name), "10.%d.%d.7", i / 200, i % 200);
        assert_int_equal(addr_read(name, 4000, &peer), ERR_OK);
        snprintf(name, sizeof(name), "x%d.victim.example", i);
        ask_as(name, RRTYPE_A, &peer);
    }
    assert_int_equal(stage.pending_cnt, 1);
    stage_fini(&stage);
}

static bool with_v6(const char *server, const char *name, uint16_t type)
{
    bool answers = world(server, name, type);
    if (answers && reply.cnt[MESSAGE_AUTHORITY] && ends_in(name, "victim.example."))
        for (int i = 1; i < 6; i++)
            add(MESSAGE_ADDITIONAL, "ns.victim.example. 3600 AAAA 2001:db8::%d", i);
    return answers;
}

/* Without IPv6 nobody waits for it; with one where nothing answers, not for long. */
static void test_a_family_that_does_not_work(void **state)
{
    (void)state;
    for (int has_route = 0; has_route < 2; has_route++) {
        open_stage();
        stage.policy->uses_v6 = true;
        stage.has_no_v6 = !has_route;
        stage_open(&stage, 7);
        for (int i = 0; i < 40; i++) {
            char name[60];
            uint64_t before = now_mono_ms();
            snprintf(name, sizeof(name), "f%d.victim.example", i);
            ask(name);
            run(with_v6);
            assert_true(has_address(GOOD));
            uint64_t waited = now_mono_ms() - before;
            if (!has_route)
                assert_int_equal(waited, 0);
            else if (i >= 20) /* by now the family is known to be silent, or its servers to be
                                 dead */
                assert_true(waited <= 400);
        }
        stage_fini(&stage);
    }
}

static bool priming(const char *server, const char *name, uint16_t type)
{
    if (strcmp(name, ".") == 0) {
        add(MESSAGE_ANSWER, ". 3600 NS real.root.");
        add(MESSAGE_ADDITIONAL, "real.root. 3600 A 192.0.2.11");
        return true;
    }
    return world(strcmp(server, "192.0.2.11") == 0 ? "192.0.2.1" : server, name, type);
}

static unsigned root_cnt;

/* Nobody answers for the root's own servers, and nothing is kept for long. */
static bool priming_fails(const char *server, const char *name, uint16_t type)
{
    if (strcmp(name, ".") == 0) {
        root_cnt++;
        reply.flags = MESSAGE_QR | RRTYPE_RCODE_REFUSED;
        return true;
    }
    return world(server, name, type);
}

static void test_priming(void **state)
{
    uint8_t name[DNAME_MAX];
    struct cache_name key;
    struct cache_time when;
    struct arena arena;
    struct delegation delegation;
    int64_t expire_ms;
    (void)state;
    open_stage();
    stage.policy->is_priming = true;
    stage_open(&stage, 7);
    ask("www.victim.example");
    run(priming);
    assert_true(has_address(GOOD));
    arena_init(&arena, 0);
    when = engine_time(INT64_MAX);
    cache_name_init(&key, unit_name("other", name));
    assert_true(cache_find_delegation(&stage.engine->cache, &key, 1, 0, &when, 53, &arena,
                                      &delegation, &expire_ms));
    assert_true(delegation.labels == 0 && delegation.addr_cnt == 1);
    arena_fini(&arena);
    stage_fini(&stage);

    /* a clock that is set back by a year does not put priming off by a year */
    for (int is_back = 0; is_back < 2; is_back++) {
        open_stage();
        stage.policy->is_priming = true;
        stage_open(&stage, 7);
        root_cnt = 0;
        ask("www.victim.example");
        run(priming_fails);
        if (is_back)
            now_set_wall(now_wall_ms() - 365LL * 86400000);
        now_advance(61000);
        ask("www.elsewhere");
        run(priming_fails);
        assert_int_equal(root_cnt, 2);
        stage_fini(&stage);
    }
    now_freeze(STAGE_START_MS);
}

/* ---- amplification (section 3) ---- */

/* 1000 servers without addresses, in a zone that says there are none. */
static bool nxns(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.4") == 0 && ends_in(name, "many.evil.example.")) {
        reply.flags = MESSAGE_QR;
        for (int i = 0; i < 1000;
             i++) /* more would be more octets than one question may cause */
            add(MESSAGE_AUTHORITY, "many.evil.example. 3600 NS n%d.victim.example.", i);
        return true;
    }
    if (strcmp(server, "192.0.2.3") == 0) {
        reply.flags |= RRTYPE_RCODE_NXDOMAIN;
        add(MESSAGE_AUTHORITY, "victim.example. 300 SOA a. b. 1 2 3 4 300");
        return true;
    }
    return world(server, name, type);
}

static unsigned victim_cnt;

static void count_victim(struct stage *s, const struct out_ask *a)
{
    char text[ADDR_TEXT_MAX];
    (void)s;
    asked_cnt++;
    addr_print(&a->match.to, text);
    victim_cnt += strncmp(text, "192.0.2.3@", 10) == 0;
}

static void test_nxns(void **state)
{
    unsigned with[2];
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        if (!is_on)
            stage.policy->limits.targets = stage.policy->limits.lookups = 1500;
        stage.asked = count_victim;
        victim_cnt = 0;
        stage_open(&stage, 7);
        ask("www.many.evil.example");
        run(nxns);
        assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
        with[is_on] = victim_cnt;
        stage_fini(&stage);
    }
    print_message("questions at the victim: %u, without the limit %u\n", with[1], with[0]);
    assert_true(with[1] <= 10 && with[0] > 10);
}

/* The same with addresses at which nobody answers. */
static bool nrdelegation(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.4") == 0 && ends_in(name, "many.evil.example.")) {
        reply.flags = MESSAGE_QR;
        for (int i = 0; i < 500; i++)
            add(MESSAGE_AUTHORITY, "many.evil.example. 3600 NS n%d.many.evil.example.", i);
        for (int i = 0; i < 500; i++)
            add(MESSAGE_ADDITIONAL, "n%d.many.evil.example. 3600 A 198.51.%d.%d", i,
                100 + i / 250, i % 250);
        return true;
    }
    return world(server, name, type);
}

static void test_dead_delegations(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    ask("www.many.evil.example");
    run(nrdelegation);
    assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
    print_message("questions: %u\n", asked_cnt);
    assert_true(asked_cnt > 10 && asked_cnt <= 40);
    asked_cnt = 0;
    ask("www.many.evil.example"); /* RFC 9520: it is not tried again at once */
    assert_int_equal(asked_cnt, 0);
    assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
    stage_fini(&stage);
}

/* Each server stands below another zone, and so on without end. */
static bool endless(const char *server, const char *name, uint16_t type)
{
    const char *at = strstr(name, ".evil.example.");
    if (strcmp(server, "192.0.2.4") != 0 || !at)
        return world(server, name, type);
    const char *label = at;
    while (label > name && label[-1] != '.')
        label--;
    unsigned n = (unsigned)strtoul(label + 1, NULL, 10);
    reply.flags = MESSAGE_QR;
    add(MESSAGE_AUTHORITY, "%s 3600 NS ns1.z%u.evil.example.", label, 2 * n + 1);
    add(MESSAGE_AUTHORITY, "%s 3600 NS ns2.z%u.evil.example.", label, 2 * n + 2);
    return true;
}

static void test_endless_delegations(void **state)
{
    unsigned with[2];
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        if (!is_on)
            stage.policy->limits.depth = stage.policy->limits.lookups =
                stage.policy->limits.queries = 200;
        stage_open(&stage, 7);
        ask("www.z1.evil.example");
        run(endless);
        assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
        with[is_on] = asked_cnt;
        stage_fini(&stage);
    }
    print_message("questions: %u, without the limit %u\n", with[1], with[0]);
    assert_true(with[1] <= 60);
    assert_true(with[0] > with[1]);
}

/* Servers times labels (CAMP, Unchained). */
static bool unchained(const char *server, const char *name, uint16_t type)
{
    const char *at = strstr(name, ".evil.example.");
    if (strcmp(server, "192.0.2.4") != 0 || !at)
        return world(server, name, type);
    unsigned n = 0;
    const char *label = at;
    while (label > name && label[-1] != '.')
        label--;
    n = (unsigned)strtoul(label + 1, NULL, 10);
    if (*label == 'c') { /* a delegation to servers without addresses, each elsewhere */
        reply.flags = MESSAGE_QR;
        for (unsigned i = 0; i < DELEGATION_SERVERS_MAX; i++)
            add(MESSAGE_AUTHORITY, "%s 3600 NS a.b.c.d.e.f.g.h.i.j.k.n%ux%u.evil.example.",
                label, n, i);
        return true;
    }
    /* names of servers: they exist, but have nothing */
    add(MESSAGE_AUTHORITY, "evil.example. 300 SOA a. b. 1 2 3 4 300");
    return true;
}

static void test_one_budget(void **state)
{
    unsigned with[2];
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        stage.policy->limits.targets = stage.policy->limits.lookups =
            1000; /* this one defence aside */
        if (!is_on)
            stage.policy->limits.queries = 10000;
        stage_open(&stage, 7);
        ask("x.c1.evil.example");
        run(unchained);
        assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
        with[is_on] = asked_cnt;
        stage_fini(&stage);
    }
    print_message("questions: %u, without the limit %u\n", with[1], with[0]);
    assert_true(with[1] <= 100 && with[0] > 100);
}

static bool deep(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.4") != 0)
        return world(server, name, type);
    add(MESSAGE_AUTHORITY, "evil.example. 300 SOA a. b. 1 2 3 4 300");
    return true;
}

static void test_many_labels(void **state)
{
    char name[300] = "";
    unsigned with[2];
    (void)state;
    for (int i = 0; i < 110; i++)
        strcat(name, "a.");
    strcat(name, "evil.example");
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        if (!is_on)
            stage.policy->limits.minimisation_steps = 127;
        stage.policy->limits.queries = 1000;
        stage_open(&stage, 7);
        ask(name);
        run(deep);
        with[is_on] = asked_cnt - 2;
        stage_fini(&stage);
    }
    assert_true(with[1] <= 12 && with[0] > 12);
}

/* TsuNAME: two zones whose servers are each other's. */
static bool cyclic(const char *server, const char *name, uint16_t type)
{
    (void)type;
    if (strcmp(server, "192.0.2.1") == 0) {
        delegate("example.", "ns.example.", "192.0.2.2");
        return true;
    }
    reply.flags = MESSAGE_QR;
    if (ends_in(name, "a.example."))
        add(MESSAGE_AUTHORITY, "a.example. 3600 NS ns.b.example.");
    else if (ends_in(name, "b.example."))
        add(MESSAGE_AUTHORITY, "b.example. 3600 NS ns.a.example.");
    return true;
}

static void test_cyclic_delegations(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    for (int second = 0; second < 60; second++) {
        for (int i = 0; i < 100; i++) {
            ask("www.a.example");
            run(cyclic);
            assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
        }
        now_advance(1000);
    }
    assert_true(asked_cnt <= 60);
    stage_fini(&stage);
}

/* Glue that points at this machine, or at nothing. */
static bool self_pointed(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.4") == 0) {
        reply.flags = MESSAGE_QR;
        add(MESSAGE_AUTHORITY, "self.evil.example. 3600 NS n1.self.evil.example.");
        add(MESSAGE_ADDITIONAL, "n1.self.evil.example. 3600 A 127.0.0.1");
        add(MESSAGE_ADDITIONAL, "n1.self.evil.example. 3600 A 0.0.0.0");
        return true;
    }
    return world(server, name, type);
}

static unsigned inward_cnt;

static void count_inward(struct stage *s, const struct out_ask *a)
{
    (void)s;
    inward_cnt += addr_is_in(&(struct addr_prefixes){local_nets, 2}, &a->match.to);
}

static void test_glue_that_points_inward(void **state)
{
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        if (!is_on)
            stage.policy->do_not_query.cnt = 0;
        stage.asked = count_inward;
        inward_cnt = 0;
        stage_open(&stage, 7);
        ask("www.self.evil.example");
        run(self_pointed);
        assert_int_equal(inward_cnt > 0, !is_on);
        stage_fini(&stage);
    }
}

static bool same_address(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.4") != 0)
        return world(server, name, type);
    reply.flags = MESSAGE_QR;
    for (int i = 0; i < 10; i++)
        add(MESSAGE_AUTHORITY, "same.evil.example. 3600 NS n%d.same.evil.example.", i);
    for (int i = 0; i < 10; i++)
        add(MESSAGE_ADDITIONAL, "n%d.same.evil.example. 3600 A 192.0.2.77", i);
    return true;
}

static unsigned same_cnt;

static void count_same(struct stage *s, const struct out_ask *a)
{
    char text[ADDR_TEXT_MAX];
    (void)s;
    addr_print(&a->match.to, text);
    same_cnt += strncmp(text, "192.0.2.77@", 11) == 0;
}

static void test_an_address_counts_once(void **state)
{
    (void)state;
    open_stage();
    stage.asked = count_same;
    same_cnt = 0;
    stage_open(&stage, 7);
    ask("www.same.evil.example");
    run(same_address);
    print_message("questions there: %u\n", same_cnt);
    assert_true(same_cnt > 0 && same_cnt <= 4); /* as if it had one name */
    stage_fini(&stage);
}

/* Random names below one zone whose servers are slow: the others keep their share. */
static void test_water_torture(void **state)
{
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        struct quota_limits limits = {.per_zone = is_on ? 200 : 100000, .per_server = 100000};
        open_stage_with(&limits);
        stage.asked = count_victim;
        stage_open(&stage, 7);
        ask("one.victim.example");
        run(world);
        for (int i = 0; i < 3000; i++) {
            char name[60];
            struct addr peer;
            snprintf(name, sizeof(name), "10.%d.%d.7", i / 200, i % 200);
            assert_int_equal(addr_read(name, 4000, &peer), ERR_OK);
            snprintf(name, sizeof(name), "r%d.victim.example", i);
            ask_as(name, RRTYPE_A, &peer);
        }
        assert_int_equal(stage.pending_cnt, is_on ? 150 : 3000);
        ask("www.evil.example");
        assert_int_equal(stage.pending_cnt, is_on ? 151 : 3001);
        run(generous);
        stage_fini(&stage);
    }
}

/* DNSBomb: queries heaped up behind a slow server for an address that may be spoofed.  So many
 * may wait, and all of them are answered (net/transport/deferred paces that); one more is told
 * at once to come over TCP. */
static void test_heaped_up_questions(void **state)
{
    struct addr peer, other;
    (void)state;
    assert_int_equal(addr_read("198.51.100.9", 4000, &peer), ERR_OK);
    assert_int_equal(addr_read("198.51.100.10", 4000, &other), ERR_OK);
    for (int is_on = 0; is_on < 2; is_on++) {
        struct addr_prefix one;
        unsigned truncated = 0;
        open_stage();
        assert_int_equal(addr_read_prefix("198.51.100.9", &one), ERR_OK);
        if (!is_on)
            stage.policy->exempt = (struct addr_prefixes){&one, 1};
        stage_open(&stage, 7);
        ask_as("one.victim.example", RRTYPE_A, &other);
        run(world);
        size_t before = stage.answer_cnt;
        for (int i = 0; i < 1500; i++) {
            char name[60];
            snprintf(name, sizeof(name), "b%d.victim.example", i % 80);
            ask_as(name, RRTYPE_A, &peer);
        }
        assert_int_equal(stage.answer_cnt - before, is_on ? 500 : 0);
        now_advance(300);
        ask_as("fresh.victim.example", RRTYPE_A, &other);
        run(world);
        assert_int_equal(stage.answer_cnt - before, 1501);
        for (size_t i = before; i < stage.answer_cnt; i++)
            truncated += (stage.answers[i].wire[2] & 2) != 0;
        assert_int_equal(truncated, is_on ? 500 : 0);
        stage_fini(&stage);
    }
}

/* An RRset too large to be kept, and a cache that is full. */
static bool large(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.4") != 0)
        return world(server, name, type);
    for (int i = 0; i < (strncmp(name, "many", 4) == 0 ? 101 : 60); i++)
        add(MESSAGE_ANSWER, "%s 3600 A 198.51.100.%d", name, i);
    return true;
}

static void test_large_rrsets(void **state)
{
    (void)state;
    open_stage();
    stage.policy->limits.rrset_records = 100;
    stage_open(&stage, 7);
    ask("many.evil.example");
    run(large);
    assert_int_equal(rcode(), RRTYPE_RCODE_SERVFAIL);
    assert_true(explains(failure_text(FAILURE_RRSET_RECORDS)));
    assert_int_equal(stage.engine->counts.limited, 1);
    for (int i = 0; i < 40000; i++) { /* more than twice what the store may hold */
        char name[60];
        snprintf(name, sizeof(name), "x%d.evil.example", i);
        ask(name);
        run(large);
        assert_int_equal(rcode(), RRTYPE_RCODE_NOERROR);
        stage_forget(&stage);
    }
    unsigned known = 0;
    for (int i = 0; i < 40000; i += 100) {
        char name[60];
        unsigned asked = asked_cnt;
        snprintf(name, sizeof(name), "x%d.evil.example", i);
        ask(name);
        run(large);
        known += asked_cnt == asked;
        stage_forget(&stage);
    }
    print_message("of 400 old names %u are still known\n", known);
    assert_true(known < 300); /* it has made room */
    stage_fini(&stage);
}

/* ---- the cache, as a client sees it ---- */

/* A parent that knows of no delegations. */
static bool nobody(const char *server, const char *name, uint16_t type)
{
    (void)name;
    (void)type;
    if (strcmp(server, "192.0.2.1") == 0) {
        reply.flags |= RRTYPE_RCODE_NXDOMAIN;
        add(MESSAGE_AUTHORITY, ". 300 SOA a. b. 1 2 3 4 300");
        return true;
    }
    return false;
}

/* The parent does not know a stub zone: asked for its DS it says so, once, and that harms
 * nobody. */
static void test_the_ds_of_a_stub_zone(void **state)
{
    (void)state;
    open_stage();
    put_zone(stage.policy, "corp.example", DELEGATION_STUB, (const char *[]){"192.0.2.3"}, 1);
    stage_open(&stage, 7);
    for (int i = 0; i < 2; i++) {
        ask_as("corp.example", 43, NULL); /* DS */
        run(nobody);
        assert_int_equal(rcode(), RRTYPE_RCODE_NOERROR);
    }
    unsigned asked = asked_cnt;
    assert_true(asked <= 3);
    ask("www.corp.example");
    run(world);
    assert_true(has_address(GOOD));
    stage_fini(&stage);
}

static const char
    *said; /* by victim.example's server: an address, "" for a denial, NULL for silence */

static bool changing(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.3") != 0)
        return world(server, name, type);
    if (!said)
        return false;
    if (!*said) {
        reply.flags |= RRTYPE_RCODE_NXDOMAIN;
        add(MESSAGE_AUTHORITY, "victim.example. 60 SOA a. b. 1 2 3 4 60");
    } else if (type == RRTYPE_A) {
        add(MESSAGE_ANSWER, "%s 60 A %s", name, said);
    } else {
        add(MESSAGE_AUTHORITY, "victim.example. 60 SOA a. b. 1 2 3 4 60");
    }
    return true;
}

/* Of what has ended the newest counts: a name that was denied last has no address any more. */
static void test_stale_is_the_newest(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    said = GOOD;
    ask("www.victim.example");
    run(changing);
    assert_true(has_address(GOOD));
    now_advance(30000);
    said = "";
    ask_as("www.victim.example", RRTYPE_AAAA, NULL);
    run(changing);
    assert_int_equal(rcode(), RRTYPE_RCODE_NXDOMAIN);
    now_advance(3600 * 1000);
    said = NULL;
    ask("www.victim.example");
    run(changing);
    assert_int_equal(rcode(), RRTYPE_RCODE_NXDOMAIN);
    assert_false(has_address(GOOD));
    assert_true(explains("it expired 59 minutes ago"));
    stage_fini(&stage);
}

/* A finished answer that is kept in front of the cache goes when the cache learns better, when
 * it ends, and with the configuration. */
static void test_hot_answers(void **state)
{
    struct addr_prefix nobody_at_all;
    (void)state;
    open_stage();
    stage.policy->is_prefetching = false;
    stage_open(&stage, 7);
    said = GOOD;
    for (int i = 0; i < 5; i++) {
        ask("WWW.victim.example");
        run(changing);
        assert_true(has_address(GOOD));
    }
    assert_true(stage.engine->counts.answer_cache >= 2);
    uint64_t answer_cache = stage.engine->counts.answer_cache;
    /* the letters are the client's, the TTL has run down */
    now_advance(20000);
    ask("wWw.victim.example");
    assert_int_equal(stage.engine->counts.answer_cache, answer_cache + 1);
    const struct stage_answer *a = &stage.answers[stage.answer_cnt - 1];
    assert_memory_equal(a->wire + 13, "wWw", 3);
    assert_int_equal(util_get_u32(a->wire + MESSAGE_HEADER_LEN + 20 + 4 + 6), 40);
    /* something newer is written */
    struct cache_origin origin = {.rank = CACHE_AUTH_ANSWER,
                                  .now_ms = now_wall_ms(),
                                  .route = stage.policy->route.hints.tag};
    uint8_t room[64], name[DNAME_MAX], rdata[] = {198, 51, 100, 66};
    struct rrset *set = (struct rrset *)(void *)room;
    struct rrset_record record = {.rdata = rdata, .len = 4};
    assert_int_equal(rrset_pack(RRTYPE_A, 60, &record, 1, set), ERR_OK);
    assert_int_equal(
        cache_put(&stage.engine->cache, unit_name("www.victim.example", name), set, &origin),
        ERR_OK);
    stage_settle(&stage);
    ask("www.victim.example");
    assert_true(has_address(BAD));
    for (int i = 0; i < 3; i++)
        ask("www.victim.example");
    assert_true(stage.engine->counts.answer_cache > answer_cache + 1 && has_address(BAD));
    /* its end */
    now_advance(60000);
    ask("www.victim.example");
    assert_int_equal(stage.pending_cnt, 1);
    run(changing);
    assert_true(has_address(GOOD));
    /* another configuration: nobody may ask */
    for (int i = 0; i < 4; i++)
        ask("www.victim.example");
    struct policy *other = policy_new();
    assert_non_null(other);
    assert_int_equal(addr_read_prefix("192.0.2.0/24", &nobody_at_all), ERR_OK);
    other->allow = (struct addr_prefixes){&nobody_at_all, 1};
    res_serve_adopt(stage.serve, other);
    ask("www.victim.example");
    assert_int_equal(rcode(), RRTYPE_RCODE_REFUSED);
    res_serve_adopt(stage.serve, stage.policy);
    answer_cache = stage.engine->counts.answer_cache;
    ask("www.victim.example");
    assert_true(has_address(GOOD) && stage.engine->counts.answer_cache == answer_cache);
    policy_free(&other);
    stage_fini(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_id),
        cmocka_unit_test(test_first_wrong_reply_moves_to_tcp),
        cmocka_unit_test(test_equal_questions_are_asked_once),
        cmocka_unit_test(test_case),
        cmocka_unit_test(test_source),
        cmocka_unit_test(test_question),
        cmocka_unit_test(test_cookies),
        cmocka_unit_test(test_malformed_replies_do_no_harm),
        cmocka_unit_test(test_fragments),
        cmocka_unit_test(test_many_options),
        cmocka_unit_test(test_edns_is_not_unlearnt),
        cmocka_unit_test(test_what_servers_are_asked),
        cmocka_unit_test(test_ids_are_random),
        cmocka_unit_test(test_each_event_reaches_each_listener),
        cmocka_unit_test(test_trees_are_bounded),
        cmocka_unit_test(test_a_fresh_explanation_and_the_clock),
        cmocka_unit_test(test_round_trip_times),
        cmocka_unit_test(test_bailiwick),
        cmocka_unit_test(test_sections),
        cmocka_unit_test(test_types_in_sections),
        cmocka_unit_test(test_the_parent_names_the_servers),
        cmocka_unit_test(test_ghost_domains_die),
        cmocka_unit_test(test_forwarders_keep_to_their_zone),
        cmocka_unit_test(test_ttls_are_capped),
        cmocka_unit_test(test_chains_of_aliases_end),
        cmocka_unit_test(test_odd_names_are_escaped),
        cmocka_unit_test(test_servers_that_lose_the_letters),
        cmocka_unit_test(test_servers_without_edns),
        cmocka_unit_test(test_no_convoy_behind_a_denied_name),
        cmocka_unit_test(test_limits_of_others),
        cmocka_unit_test(test_the_end_under_load),
        cmocka_unit_test(test_a_family_that_does_not_work),
        cmocka_unit_test(test_priming),
        cmocka_unit_test(test_nxns),
        cmocka_unit_test(test_dead_delegations),
        cmocka_unit_test(test_endless_delegations),
        cmocka_unit_test(test_one_budget),
        cmocka_unit_test(test_many_labels),
        cmocka_unit_test(test_cyclic_delegations),
        cmocka_unit_test(test_glue_that_points_inward),
        cmocka_unit_test(test_an_address_counts_once),
        cmocka_unit_test(test_water_torture),
        cmocka_unit_test(test_heaped_up_questions),
        cmocka_unit_test(test_large_rrsets),
        cmocka_unit_test(test_the_ds_of_a_stub_zone),
        cmocka_unit_test(test_stale_is_the_newest),
        cmocka_unit_test(test_hot_answers),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
