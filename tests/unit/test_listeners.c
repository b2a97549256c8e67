/* Listeners of a resolution: trace events, round-trip times, and resolution trees whose size
 * is bounded. */
#include "resolver/explain/res_explain.h"
#include "tests/unit/world.h"

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
    forge_reply(i, (uint16_t)(pending_id(i) + 1), true, "192.0.2.3", NULL);
    run(world);
    assert_int_equal(events[0][TRACE_STEP_BEGIN], 1);
    assert_int_equal(events[0][TRACE_STEP_ZONE], 1);
    assert_int_equal(events[0][TRACE_STEP_QUERY],
                     4); /* the root, example, victim.example over UDP and TCP */
    assert_int_equal(events[0][TRACE_STEP_REPLY], 3);
    assert_int_equal(events[0][TRACE_STEP_REJECTED], 1);
    assert_int_equal(events[0][TRACE_STEP_END], 1);
    assert_memory_equal(events[0], events[1], sizeof(events[0]));
    const struct trace_finished *f = &stage.engine->finished.at[0];
    assert_true(f->queries == 4 && !f->has_failed && f->attempt_cnt == 4 &&
                f->attempts[3].is_tcp && f->attempts[3].outcome == TRACE_ANSWERED);
    stage_fini(&stage);
}

/* What the server of victim.example replies. */
static enum {
    RTT_ANSWER,
    RTT_SERVFAIL,
    RTT_REFUSED,
    RTT_LAME,
    RTT_EMPTY,
    RTT_TRUNCATED,
    RTT_KINDS
} rtt_kind;

static bool after_40_ms(const char *server, const char *name, uint16_t type)
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

/* The round-trip time of each reply is recorded, also of errors and lame servers. */
static void test_round_trip_times(void **state)
{
    (void)state;
    for (rtt_kind = RTT_ANSWER; rtt_kind < RTT_KINDS; rtt_kind++) {
        open_stage();
        stage_open(&stage, 7);
        ask("www.victim.example");
        run(after_40_ms);
        unsigned cnt = 0;
        for (unsigned n = 0; n < stage.engine->finished.cnt; n++) {
            const struct trace_finished *f = &stage.engine->finished.at[n];
            for (unsigned i = 0; i < f->attempt_cnt; i++, cnt++)
                assert_in_range(f->attempts[i].rtt_ms, 40,
                                80); /* two may be in flight at a time */
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

/* Begin to explain www.victim.example; `is_fresh`: without the cache.  Caller frees the result.
 */
static struct res_explain *begin_explanation(bool is_fresh)
{
    struct res_explain *explain = res_explain_new(stage.serve);
    uint8_t name[DNAME_MAX];
    struct res_explain_ask ask_why = {.settings = &stage.settings,
                                      .name = unit_name("www.victim.example", name),
                                      .type = RRTYPE_A,
                                      .is_fresh = is_fresh,
                                      .done = keep_tree};
    assert_int_equal(addr_read("127.0.0.1", 4000, &ask_why.client), ERR_OK);
    assert_int_equal(res_explain_begin(explain, &ask_why), ERR_OK);
    return explain;
}

/* Forged and large replies do not make a tree larger than EXPLAIN_OCTETS_MAX. */
static void test_trees_are_bounded(void **state)
{
    (void)state;
    open_stage();
    stage.policy->defences.wrong_reply_tcp = stage.policy->defences.random_case = false;
    stage_open(&stage, 7);
    struct res_explain *explain = begin_explanation(false);
    size_t i = reach_victim();
    for (unsigned id = 0; id < 65536; id++)
        if (id != pending_id(i))
            forge_reply(i, (uint16_t)id, true, "192.0.2.3", NULL);
    run(world);
    assert_non_null(kept_tree);
    assert_in_range(json_size(kept_tree), EXPLAIN_OCTETS_MAX / 2, EXPLAIN_OCTETS_MAX + 65536);
    assert_true(json_get_number(kept_tree, "omitted-steps", 0) > 50000);
    assert_string_equal(json_get_text(json_find(kept_tree, "cause"), "kind", ""), "answered");
    json_free(&kept_tree);
    res_explain_free(&explain);
    stage_fini(&stage);
}

/* An explanation that ignores the cache uses what it has cached itself, even if the wall clock
 * is set back meanwhile. */
static void test_a_fresh_explanation_when_the_clock_is_set_back(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    struct res_explain *explain = begin_explanation(true);
    assert_true(answer(world, 0));
    now_set_wall(now_wall_ms() - 3600 * 1000);
    run(world);
    assert_string_equal(json_get_text(json_find(kept_tree, "cause"), "kind", ""), "answered");
    assert_int_equal(asked_cnt, 3);
    json_free(&kept_tree);
    res_explain_free(&explain);
    stage_fini(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_event_reaches_each_listener),
        cmocka_unit_test(test_round_trip_times),
        cmocka_unit_test(test_trees_are_bounded),
        cmocka_unit_test(test_a_fresh_explanation_when_the_clock_is_set_back),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
