/* How long data live: TTLs, delegations that were revoked, stale answers, and the answer cache.
 */
#include "tests/unit/world.h"

static bool with_ttl(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.3") != 0)
        return world(server, name, type);
    add(MESSAGE_ANSWER, "%s 2147483647 A %s", name, GOOD);
    if (strncmp(name, "huge", 4) == 0) /* 2^31 counts as 0 (RFC 2181 8) */
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
        strcmp(server, "192.0.2.3") == 0) { /* each answer tries to renew the delegation */
        add(MESSAGE_AUTHORITY, "victim.example. 86400 NS ns.victim.example.");
        add(MESSAGE_ADDITIONAL, "ns.victim.example. 86400 A 192.0.2.3");
    }
    return answers;
}

/* A delegation that the parent has removed is not renewed by its own zone; without the defence
 * it is. */
static void test_ghost_domains_expire(void **state)
{
    (void)state;
    for (int is_on = 0; is_on < 2; is_on++) {
        is_revoked = false;
        open_stage();
        stage.policy->defences.sections = is_on;
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
            assert_true(has_address(GOOD)); /* the delegation lives for one hour */
        }
        now_advance(61 * 1000);
        ask("dead.victim.example");
        run(ghost);
        assert_int_equal(rcode(), is_on ? RRTYPE_RCODE_NXDOMAIN : RRTYPE_RCODE_NOERROR);
        assert_int_equal(has_address(GOOD), !is_on);
        stage_fini(&stage);
    }
}

/* What the server of victim.example replies: an address, "" for NXDOMAIN, NULL for silence. */
static const char *victim_says;

static bool changing(const char *server, const char *name, uint16_t type)
{
    if (strcmp(server, "192.0.2.3") != 0)
        return world(server, name, type);
    if (!victim_says)
        return false;
    if (!*victim_says) {
        reply.flags |= RRTYPE_RCODE_NXDOMAIN;
        add(MESSAGE_AUTHORITY, "victim.example. 60 SOA a. b. 1 2 3 4 60");
    } else if (type == RRTYPE_A) {
        add(MESSAGE_ANSWER, "%s 60 A %s", name, victim_says);
    } else {
        add(MESSAGE_AUTHORITY, "victim.example. 60 SOA a. b. 1 2 3 4 60");
    }
    return true;
}

/* Of several stale answers the newest counts: after NXDOMAIN no older address is served. */
static void test_the_newest_stale_answer_counts(void **state)
{
    (void)state;
    open_stage();
    stage_open(&stage, 7);
    victim_says = GOOD;
    ask("www.victim.example");
    run(changing);
    assert_true(has_address(GOOD));
    now_advance(30000);
    victim_says = "";
    ask_as("www.victim.example", RRTYPE_AAAA, NULL);
    run(changing);
    assert_int_equal(rcode(), RRTYPE_RCODE_NXDOMAIN);
    now_advance(3600 * 1000);
    victim_says = NULL;
    ask("www.victim.example");
    run(changing);
    assert_int_equal(rcode(), RRTYPE_RCODE_NXDOMAIN);
    assert_false(has_address(GOOD));
    assert_true(explains("it expired 59 minutes ago"));
    stage_fini(&stage);
}

/* An answer leaves the answer cache when an entry it was made of is written again, when it
 * expires, and with the configuration. */
static void test_the_answer_cache_follows_the_cache(void **state)
{
    struct addr_prefix no_client;
    (void)state;
    open_stage();
    stage.policy->is_prefetching = false;
    stage_open(&stage, 7);
    victim_says = GOOD;
    for (int i = 0; i < 5; i++) {
        ask("WWW.victim.example");
        run(changing);
        assert_true(has_address(GOOD));
    }
    assert_true(stage.engine->counts.answer_cache >= 2);
    uint64_t answer_cache = stage.engine->counts.answer_cache;
    /* the case is the client's, the TTL has run down */
    now_advance(20000);
    ask("wWw.victim.example");
    assert_int_equal(stage.engine->counts.answer_cache, answer_cache + 1);
    const struct stage_answer *a = &stage.answers[stage.answer_cnt - 1];
    assert_memory_equal(a->wire + 13, "wWw", 3);
    assert_int_equal(util_get_u32(a->wire + MESSAGE_HEADER_LEN + 20 + 4 + 6), 40);
    /* a newer entry is written */
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
    /* it expires */
    now_advance(60000);
    ask("www.victim.example");
    assert_int_equal(stage.pending_cnt, 1);
    run(changing);
    assert_true(has_address(GOOD));
    /* another configuration allows no client */
    for (int i = 0; i < 4; i++)
        ask("www.victim.example");
    struct policy *other = policy_new();
    assert_non_null(other);
    assert_int_equal(addr_read_prefix("192.0.2.0/24", &no_client), ERR_OK);
    other->allow = (struct addr_prefixes){&no_client, 1};
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
        cmocka_unit_test(test_ttls_are_capped),
        cmocka_unit_test(test_ghost_domains_expire),
        cmocka_unit_test(test_the_newest_stale_answer_counts),
        cmocka_unit_test(test_the_answer_cache_follows_the_cache),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
