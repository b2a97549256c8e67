/* Forged replies, sent without seeing the query (docs/LIMITS.md section 1): with each defence
 * the attack fails, without it it succeeds. */
#include "tests/unit/world.h"

/* An attacker who knows the ID of the query before succeeds if IDs are counted up. */
static void test_random_ids(void **state)
{
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        stage.policy->defences.random_id = is_on;
        stage.policy->defences.random_case = false;
        stage_open(&stage, 7);
        ask("one.victim.example");
        uint16_t seen = pending_id(reach_victim());
        run(world);
        ask("www.victim.example");
        size_t i = reach_victim();
        bool is_believed = forge_reply(i, (uint16_t)(seen + 1), true, "192.0.2.3", NULL);
        run(world);
        assert_int_equal(is_believed, !is_on);
        assert_int_equal(has_address(BAD), !is_on);
        stage_fini(&stage);
    }
}

/* The attacker sends all 65,536 IDs: the first that does not match moves the query to TCP. */
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
        uint16_t first = (uint16_t)(pending_id(i) + 1); /* a wrong one to begin with */
        for (unsigned n = 0; n < 65536 && !is_believed && !stage.pending[i]->is_tcp; n++)
            is_believed = forge_reply(i, (uint16_t)(first + n), true, "192.0.2.3", NULL);
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

/* 500 clients send the same query. */
static void ask_as_many(void)
{
    for (int i = 0; i < 500; i++) {
        struct addr peer;
        char text[40];
        snprintf(text, sizeof(text), "10.0.%d.%d", i / 250, i % 250 + 1);
        assert_int_equal(addr_read(text, 4000, &peer), ERR_OK);
        ask_as("www.victim.example", RRTYPE_A, &peer);
    }
}

/* Birthday attack: 500 clients send the same query, and one query goes to the server. */
static void test_equal_queries_are_sent_once(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    ask_as_many();
    assert_int_equal(stage.pending_cnt, 1);
    run(world);
    assert_int_equal(stage.answer_cnt, 500);
    assert_int_equal(asked_cnt, 3); /* the root, example, victim.example */
    stage_fini(&stage);
    open_stage();
    stage.policy->defences.merging = false;
    stage_open(&stage, 7);
    ask_as_many();
    assert_int_equal(stage.pending_cnt, 150); /* three quarters of the limit per zone */
    run(world);
    assert_int_equal(stage.answer_cnt, 500);
    stage_fini(&stage);
    /* a hundred names below a zone whose delegation is not cached: one query for it */
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
                         is_on ? 1 : 75); /* half of what is not reserved for proven clients */
        run(world);
        assert_int_equal(stage.answer_cnt, 100);
        stage_fini(&stage);
    }
}

/* The attacker has guessed the ID, but not the case of the letters (0x20). */
static void test_mixed_case(void **state)
{
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        stage.policy->defences.random_case = is_on;
        stage_open(&stage, 7);
        ask("www.victim.example");
        size_t i = reach_victim();
        bool is_believed = forge_reply(i, pending_id(i), false, "192.0.2.3", NULL);
        run(world);
        assert_int_equal(is_believed, !is_on);
        assert_int_equal(has_address(BAD), !is_on);
        stage_fini(&stage);
    }
}

static void test_source_address(void **state)
{
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        stage.policy->defences.source = is_on;
        stage_open(&stage, 7);
        ask("www.victim.example");
        size_t i = reach_victim();
        bool is_believed = forge_reply(i, pending_id(i), true, "192.0.2.99", NULL);
        run(world);
        assert_int_equal(is_believed, !is_on);
        assert_int_equal(has_address(BAD), !is_on);
        stage_fini(&stage);
    }
}

static void test_question_section(void **state)
{
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        open_stage();
        stage.policy->defences.question = is_on;
        stage.policy->defences.random_case = false;
        stage_open(&stage, 7);
        ask("www.victim.example");
        size_t i = reach_victim();
        assert_int_equal(forge_reply(i, pending_id(i), true, "192.0.2.3", "other.example"),
                         !is_on);
        run(world);
        assert_int_equal(has_address(BAD), !is_on);
        stage_fini(&stage);
    }
}

/* Add an OPT record with the cookies of client and server to `reply`. */
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

/* From a server that has sent a cookie once, a reply without one is forged (RFC 7873 5.3). */
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
        bool is_believed = forge_reply(i, pending_id(i), true, "192.0.2.3", NULL);
        run(world_with_cookies);
        assert_int_equal(is_believed, !is_on);
        assert_int_equal(has_address(BAD), !is_on);
        stage_fini(&stage);
    }
}

/* TuDoor: a malformed message does not end the wait for the reply. */
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
        case 4: reply.len = kind / 8 * 4; break;                               /* truncated */
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

/* A large answer, which arrives in fragments. */
static bool long_answer(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.3") != 0)
        return world(server, name, type);
    for (int i = 0; i < 60; i++)
        add(MESSAGE_ANSWER, "%s 3600 A 203.0.113.%d", name, i);
    return true;
}

/* A forged second fragment has to match neither port nor ID, so replies larger than 1232 octets
 * are rejected and the query moves to TCP. */
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
            BAD); /* the forged second fragment */
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

/* A forged FORMERR does not make the resolver drop EDNS. */
static void test_a_forged_formerr_does_not_end_edns(void **state)
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

/* Queries to servers offer 1232 octets, carry no ECS (RFC 7871), and never have RD set. */
static void check_query(struct stage *s, const struct out_ask *a)
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

static void test_queries_to_servers(void **state)
{
    static const uint8_t ecs[] = {0, 0, RRTYPE_OPT, 4, 0xd0, 0, 0,  0, 0,   0, 11,
                                  0, 8, 0,          7, 0,    1, 24, 0, 192, 0, 2};
    uint8_t wire[QUERY_MAX], dname[DNAME_MAX];
    (void)state;
    open_stage();
    stage.asked = check_query;
    stage_open(&stage, 7);
    for (int i = 0; i < 50; i++) { /* RebirthDay: another subnet makes no other query */
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

/* The octets of a million IDs are uniformly distributed. */
static void test_ids_are_uniform(void **state)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_ids),
        cmocka_unit_test(test_first_wrong_reply_moves_to_tcp),
        cmocka_unit_test(test_equal_queries_are_sent_once),
        cmocka_unit_test(test_mixed_case),
        cmocka_unit_test(test_source_address),
        cmocka_unit_test(test_question_section),
        cmocka_unit_test(test_cookies),
        cmocka_unit_test(test_malformed_replies_do_no_harm),
        cmocka_unit_test(test_fragments),
        cmocka_unit_test(test_a_forged_formerr_does_not_end_edns),
        cmocka_unit_test(test_queries_to_servers),
        cmocka_unit_test(test_ids_are_uniform),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
