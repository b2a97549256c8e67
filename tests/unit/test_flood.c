/* Floods in simulated time, in steps of a millisecond: hundreds of slow queries per second
 * beside a client that sends fifty per second and must be answered quickly. */
#include "tests/unit/machine_bits.h"
#include "tests/unit/world.h"

enum {
    FLOOD_MS = 12000,
    RTT_MS = 4,
    BENIGN_EACH_MS = 20,
    BENIGN_MAX = 2000,
    TEXT_ROOM = 200,
    ZONE_ROOM = 100
};

/* The clients and names of one flood, and the benign client beside it. */
struct flood {
    const char *what;
    bool is_forwarded;
    unsigned clients, domains; /* of the flood */
    unsigned per_second;
    const char *label, *zone; /* of the flood's names: LABEL, a number, ZONE; only ZONE if
                                 label is NULL */
    const char *benign;       /* the zone of the benign names */
    unsigned benign_from_ms;
    bool is_tcp; /* the flood comes from addresses that are proven */
};

static uint64_t sent_ms[STAGE_PENDING_MAX];
static struct out_ask *sent[STAGE_PENDING_MAX];
static uint64_t asked_ms[BENIGN_MAX], took_ms[BENIGN_MAX];
static unsigned benign_cnt, good_cnt;

/* Answer every query but those of the flood, "r" and a number; hosts are as in world(). */
static bool answer_unless_flood(const char *server, const char *name, uint16_t type)
{
    bool is_flood = name[0] == 'r' && name[1] >= '0' && name[1] <= '9';
    bool is_forwarder = strcmp(server, "192.0.2.9") == 0;

    if (is_flood &&
        (is_forwarder || strcmp(server, "192.0.2.3") == 0 || strcmp(server, "192.0.2.4") == 0))
        return false;
    if (is_forwarder) {
        reply.flags = MESSAGE_QR | MESSAGE_RA;
        add(MESSAGE_ANSWER, "%s 1 A %s", name, GOOD);
        return true;
    }
    if (strcmp(server, "192.0.2.4") == 0) {
        add(MESSAGE_ANSWER, "%s 1 A %s", name, GOOD);
        return true;
    }
    return world(server, name, type);
}

/* Return when the query was first seen. */
static uint64_t find_sent_ms(const struct out_ask *a, uint64_t now_ms)
{
    size_t free_at = 0;
    for (size_t i = 0; i < STAGE_PENDING_MAX; i++) {
        if (sent[i] == a)
            return sent_ms[i];
        if (!sent[i])
            free_at = i;
    }
    sent[free_at] = (struct out_ask *)a;
    sent_ms[free_at] = now_ms;
    return now_ms;
}

static void forget_sent(const struct out_ask *a)
{
    for (size_t i = 0; i < STAGE_PENDING_MAX; i++)
        if (sent[i] == a)
            sent[i] = NULL;
}

static void step_servers(uint64_t now_ms)
{
    for (size_t i = 0; i < stage.pending_cnt;) {
        struct out_ask *a = stage.pending[i];
        char name[DNAME_TEXT_MAX];
        dname_text_print(a->match.name, name);
        bool is_flood = name[0] == 'r' || name[0] == 'R';
        if (stage.deadline_ms[i] <= now_ms) {
            /* stage_time_out ends the one with the nearest deadline */
            forget_sent(a);
            size_t first = i;
            for (size_t k = 0; k < stage.pending_cnt; k++)
                if (stage.deadline_ms[k] < stage.deadline_ms[first])
                    first = k;
            forget_sent(stage.pending[first]);
            stage_time_out(&stage);
            i = 0;
        } else if (!(is_flood && name[1] >= '0' && name[1] <= '9') &&
                   now_ms - find_sent_ms(a, now_ms) >= RTT_MS) {
            forget_sent(a);
            if (answer(answer_unless_flood, i))
                i = 0;
            else
                i++;
        } else {
            i++;
        }
    }
}

static size_t seen_cnt;
static const char *benign_zone;
static unsigned tcp_cnt;

static void read_answers(uint64_t now_ms)
{
    for (; seen_cnt < stage.answer_cnt; seen_cnt++) {
        const struct stage_answer *a = &stage.answers[seen_cnt];
        unsigned n;
        if (a->wire[12] < 2 || util_lower(a->wire[13]) != 'b' ||
            sscanf((const char *)a->wire + 14, "%u", &n) != 1 || n >= BENIGN_MAX)
            continue;
        if (a->wire[2] & 2) { /* repeat over TCP, as a stub resolver does */
            char name[TEXT_ROOM];
            snprintf(name, sizeof(name), "b%u.%s", n, benign_zone);
            stage.is_tcp = true;
            ask_of(5000, "%s", name);
            stage.is_tcp = false;
            tcp_cnt++;
            continue;
        }
        took_ms[n] = now_ms - asked_ms[n];
        good_cnt += (a->wire[3] & 15) == 0 && a->wire[7] > 0;
    }
}

static int compare_times(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void play_flood(const struct flood *f)
{
    struct quota_limits limits = {.per_zone = 200,
                                  .per_server = 400,
                                  .per_forwarder = QUOTA_FORWARDER_MAX,
                                  .in_all = QUOTA_ALL_MAX};
    unsigned flood_cnt = 0;
    char name[TEXT_ROOM], zone[ZONE_ROOM];

    open_stage_with(&limits);
    if (f->is_forwarded)
        put_zone(stage.policy, ".", DELEGATION_FORWARD, (const char *[]){"192.0.2.9"}, 1);
    stage_open(&stage, 7);
    memset(sent, 0, sizeof(sent));
    memset(took_ms, 0xff, sizeof(took_ms));
    seen_cnt = benign_cnt = good_cnt = tcp_cnt = 0;
    benign_zone = f->benign;
    uint64_t start_ms = now_mono_ms();
    for (unsigned ms = 0; ms < FLOOD_MS + 8000; ms++) {
        uint64_t now_ms = start_ms + ms;
        if (now_mono_ms() < now_ms)
            now_advance(now_ms - now_mono_ms());
        step_servers(now_ms);
        while (ms < FLOOD_MS && flood_cnt < (uint64_t)ms * f->per_second / 1000) {
            if (f->label)
                snprintf(zone, sizeof(zone), "%s%u.%s", f->label, flood_cnt % f->domains,
                         f->zone);
            else
                snprintf(zone, sizeof(zone), "%s", f->zone);
            snprintf(name, sizeof(name), "r%u.%s", flood_cnt, zone);
            stage.is_tcp = f->is_tcp;
            ask_of(flood_cnt++ % f->clients, "%s", name);
            stage.is_tcp = false;
        }
        if (ms < FLOOD_MS && ms >= f->benign_from_ms && ms % BENIGN_EACH_MS == 0) {
            snprintf(name, sizeof(name), "b%u.%s", benign_cnt, f->benign);
            asked_ms[benign_cnt++] = now_ms;
            ask_of(5000, "%s", name);
        }
        step_servers(now_ms);
        res_serve_settle(stage.serve);
        stage_settle(&stage);
        read_answers(now_ms);
    }
    qsort(took_ms, benign_cnt, sizeof(took_ms[0]), compare_times);
    print_message(
        "%-44s %4u of %4u (%5.1f %%), p50 %5llu p95 %5llu ms, worst %5llu, %u over TCP\n",
        f->what, good_cnt, benign_cnt, 100.0 * good_cnt / benign_cnt,
        (unsigned long long)took_ms[benign_cnt / 2],
        (unsigned long long)took_ms[benign_cnt * 95 / 100],
        (unsigned long long)took_ms[benign_cnt - 1], tcp_cnt);
    assert_true(good_cnt * 100 >= benign_cnt * 99);
    assert_true(took_ms[benign_cnt - 1] < 8000); /* the other queries got an error in time */
    assert_true(took_ms[benign_cnt * 95 / 100] <
                100); /* simulated time, which no load on the machine changes */
    stage_fini(&stage);
}

static void test_floods(void **state)
{
    static const struct flood floods[] = {
        {"no flood, forwarding", true, 1, 1, 0, "slow", "example", "other.test", 0, false},
        {"forwarding, one slow domain", true, 10, 1, 300, "slow", "example", "other.test", 0,
         false},
        {"forwarding, one slow domain, benign from 8 s", true, 10, 1, 300, "slow", "example",
         "other.test", 8000, false},
        {"forwarding, one client", true, 1, 1, 300, "slow", "example", "other.test", 0, false},
        {"forwarding, 100 clients", true, 100, 1, 300, "slow", "example", "other.test", 0,
         false},
        {"forwarding, 5 slow domains", true, 10, 5, 300, "slow", "example", "other.test", 0,
         false},
        {"forwarding, 1000 slow domains", true, 10, 1000, 300, "slow.z", "example",
         "other.test", 0, false},
        {"forwarding, the benign client's own domain", true, 10, 1, 300, NULL, "other.test",
         "other.test", 0, false},
        {"no flood, plain", false, 1, 1, 0, NULL, "victim.example", "victim.example", 0, false},
        {"plain, the same zone", false, 10, 1, 300, NULL, "victim.example", "victim.example", 0,
         false},
        {"plain, the same zone, 100 clients", false, 100, 1, 300, NULL, "victim.example",
         "victim.example", 0, false},
        {"plain, another zone", false, 10, 1, 300, NULL, "victim.example", "evil.example", 0,
         false},
        {"forwarding, 1000 domains, 600/s", true, 10, 1000, 600, "slow.z", "example",
         "other.test", 0, false},
        {"forwarding, 1000 domains, 600/s, 2000 clients", true, 2000, 1000, 600, "slow.z",
         "example", "other.test", 0, false},
        {"forwarding, one domain, 600/s, 2000 clients", true, 2000, 1, 600, "slow", "example",
         "other.test", 0, false},
        {"forwarding, the benign client's own domain, over TCP", true, 10, 1, 300, NULL,
         "other.test", "other.test", 0, true},
        {"plain, the same zone, over TCP", false, 10, 1, 300, NULL, "victim.example",
         "victim.example", 0, true},
        {"plain, the same zone, 200 clients over TCP", false, 200, 1, 300, NULL,
         "victim.example", "victim.example", 0, true},
        {"plain, the same zone, 600/s", false, 10, 1, 600, NULL, "victim.example",
         "victim.example", 0, false},
        {"plain, the same zone, 600/s, 2000 clients", false, 2000, 1, 600, NULL,
         "victim.example", "victim.example", 0, false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(floods); i++)
        play_flood(&floods[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_floods)};
    /* which names and clients share a cell of the quota depends on the secret of the hash */
    rng_init_seeded(&machine_bits, 7);
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
