/* Random runs of the resolver from a seed: a small Internet with odd and hostile servers, a network that loses, repeats,
 * delays and forges, clients, a clock that jumps, reloads.  At rest each query has one answer, every counter is back
 * at zero, and nothing that a server had no say in was believed.
 *
 * ROOTLINE_SEED=N plays one seed and tells what happens; ROOTLINE_SEEDS=FIRST-LAST plays a range. */
#include "tests/unit/world.h"

#include <stdlib.h>
#include <sys/random.h>

#include "resolver/park.h"
#include "resolver/quota.h"

enum {
    QUERIES_MAX = 150,
    FLIGHTS_MAX = 60000,
    CLIENTS = 6,
    ZONES = 6,
    TEXT_ROOM = 200,
    TIME_MS = 7000,
    SLACK_MS = 600, /* of a deadline: the last try may end after it */
    PER_QUERY = 100 /* queries to servers */
};

#define MARKER "198.51.100.66"

/* ---- the draws ---- */

/* The product's secrets follow the seed too: hashes decide who shares a place. */
static struct rng draws;
ssize_t __wrap_getrandom(void *to, size_t len, unsigned flags);
ssize_t __wrap_getrandom(void *to, size_t len, unsigned flags)
{
    (void)flags;
    memset(to, 0x5a, len);
    return (ssize_t)len;
}

static bool one_in(unsigned n) { return rng_below(&draws, n) == 0; }

/* ---- what happened ---- */

static bool is_telling;
static uint64_t log_hash, start_ms;

static void tell(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void tell(const char *fmt, ...)
{
    char line[1000];
    va_list args;

    int len = snprintf(line, sizeof(line), "%6llu ms ", (unsigned long long)(now_mono_ms() - start_ms));
    va_start(args, fmt);
    vsnprintf(line + len, sizeof(line) - (size_t)len, fmt, args);
    va_end(args);
    for (const char *c = line; *c; c++)
        log_hash = (log_hash ^ (uint8_t)*c) * 0x100000001b3U;
    if (is_telling)
        printf("%s\n", line);
}

/* ---- the Internet ---- */

/* What the network does to a reply. */
enum fate {
    FATE_ARRIVES,
    FATE_LOST,
    FATE_TWICE,
    FATE_TRUNCATED,
    FATE_FLIPPED,   /* an octet of it */
    FATE_WRONG_ID,  /* somebody guesses, with an answer of his */
    FATE_WRONG_ADDRESS,
    FATE_WRONG_NAME,
    FATE_ERROR, /* an RCODE */
    FATE_NO_EDNS,
    FATE_UPWARD,  /* a referral to the root */
    FATE_LOOP,    /* a CNAME to itself */
    FATE_FOREIGN, /* and records of names that are not the server's */
    FATE_MANY,    /* hundreds of records besides */
    FATE_EMPTY,
    FATES
};

static bool is_forwarding;
static unsigned mischief; /* one reply in so many meets a fate other than arriving */

static unsigned number_of(const char *label)
{
    return (unsigned)strtoul(label + 1, NULL, 10);
}

/* Zone zN.example, its servers 192.0.3.2N and .2N+1; what a name has is said by its first letter. */
static bool zone_says(unsigned zone, const char *name, uint16_t type)
{
    char apex[TEXT_ROOM];
    snprintf(apex, sizeof(apex), "z%u.example.", zone);
    size_t len = strlen(name), apex_len = strlen(apex);
    const char *label = name;

    for (const char *dot = name; len > apex_len && (dot = strchr(dot, '.')) && (size_t)(dot - name) < len - apex_len; dot++)
        if ((size_t)(dot + 1 - name) < len - apex_len)
            label = dot + 1; /* the label below the apex */
    if (len > apex_len && strncmp(label, "dn.", 3) == 0 && label > name) {
        add(MESSAGE_ANSWER, "dn.%s 300 DNAME z%u.example.", apex, (zone + 1) % ZONES);
        return true;
    }
    switch (len > apex_len ? *label : '@') {
    case 'n':
        if (label == name && strncmp(name, "ns", 2) == 0 && type == RRTYPE_A) {
            add(MESSAGE_ANSWER, "%s 600 A 192.0.3.%u", name, 2 * zone + (name[2] == '2'));
            return true;
        }
        if (strncmp(label, "ns", 2) != 0)
            reply.flags |= RRTYPE_RCODE_NXDOMAIN;
        break;
    case 'a':
        if (type == RRTYPE_A && label == name)
            add(MESSAGE_ANSWER, "%s %u A 203.0.113.%u", name, 5 + number_of(label) % 300, number_of(label) % 250 + 1);
        break;
    case 'c':
        if (label == name)
            add(MESSAGE_ANSWER, "%s 60 CNAME %c%u.z%u.example.", name, number_of(label) % 5 == 0 ? 'c' : 'a', number_of(label) + 1,
                (zone + 1) % ZONES);
        break;
    case 'm':
        if (!reply.ask->is_tcp) {
            reply.flags |= MESSAGE_TC;
            return true;
        }
        for (unsigned i = 0; i < 40 && type == RRTYPE_A; i++)
            add(MESSAGE_ANSWER, "%s 60 A 203.0.113.%u", name, i + 1);
        break;
    case 's': return false;
    default: break;
    }
    if (reply.cnt[MESSAGE_ANSWER] == 0)
        add(MESSAGE_AUTHORITY, "%s 60 SOA ns1.%s h.%s 1 2 3 4 60", apex, apex, apex);
    return true;
}

static bool example_says(const char *name)
{
    unsigned zone;
    const char *tail = name;

    for (const char *dot = name; (dot = strchr(dot, '.')); dot++)
        if (strcmp(dot, ".example.") == 0)
            break;
        else
            tail = dot + 1;
    if (sscanf(tail, "z%u.example.", &zone) == 1 && zone < ZONES) {
        char apex[TEXT_ROOM];
        snprintf(apex, sizeof(apex), "z%u.example.", zone);
        if (zone == 4) { /* its servers have names elsewhere */
            delegate(apex, "ns1.z5.example.", NULL);
            add(MESSAGE_AUTHORITY, "%s 3600 NS ns2.z5.example.", apex);
            return true;
        }
        char server[TEXT_ROOM + 20], address[TEXT_ROOM];
        for (unsigned i = 1; i <= 2; i++) {
            snprintf(server, sizeof(server), "ns%u.%s", i, apex);
            snprintf(address, sizeof(address), "192.0.3.%u", 2 * zone + i - 1);
            delegate(apex, server, address);
        }
    } else if (strcmp(tail, "loop1.example.") == 0) {
        delegate("loop1.example.", "ns.loop2.example.", NULL);
    } else if (strcmp(tail, "loop2.example.") == 0) {
        delegate("loop2.example.", "ns.loop1.example.", NULL);
    } else {
        reply.flags |= RRTYPE_RCODE_NXDOMAIN;
        add(MESSAGE_AUTHORITY, "example. 60 SOA a. b. 1 2 3 4 60");
    }
    return true;
}

/* The truth, as the server at that address knows it. */
static bool truth(const char *server, const char *name, uint16_t type)
{
    unsigned last;

    if (strcmp(server, "192.0.2.9") == 0) { /* the forwarder knows everything */
        unsigned zone = 0;
        const char *at = strstr(name, ".z");
        reply.flags |= MESSAGE_RA;
        if (name[0] == 's')
            return false;
        return zone_says(at && sscanf(at, ".z%u.example.", &zone) == 1 ? zone % ZONES : 0, name, type);
    }
    if (strcmp(server, "192.0.2.1") == 0) {
        if (ends_in(name, "example."))
            delegate("example.", "ns.example.", "192.0.2.2");
        else
            reply.flags |= RRTYPE_RCODE_NXDOMAIN;
        if (!ends_in(name, "example."))
            add(MESSAGE_AUTHORITY, ". 60 SOA a. b. 1 2 3 4 60");
        return true;
    }
    if (strcmp(server, "192.0.2.2") == 0)
        return example_says(name);
    if (sscanf(server, "192.0.3.%u", &last) != 1 || last >= 2 * ZONES)
        return false;
    unsigned zone = last / 2;
    char apex[TEXT_ROOM];
    snprintf(apex, sizeof(apex), "z%u.example.", zone);
    if (zone == 5 && ends_in(name, "z4.example."))
        return zone_says(4, name, type);
    if (!ends_in(name, apex) || (zone == 3 && last % 2)) { /* one of z3's is lame */
        reply.flags = MESSAGE_QR | RRTYPE_RCODE_REFUSED;
        return true;
    }
    return zone_says(zone, name, type);
}

/* ---- the network ---- */

/* A reply under way. */
struct flight {
    struct out_ask *ask;
    uint64_t at_ms;
    unsigned number; /* of the query */
    enum fate fate;
    bool is_over;
};

static struct flight flights[FLIGHTS_MAX];
static unsigned flight_cnt, sent_cnt;
static unsigned number_of_pending[STAGE_PENDING_MAX];
static struct out_ask *ask_of_pending[STAGE_PENDING_MAX];
static unsigned known_cnt;
static enum err (*stage_out)(struct out *out, struct out_ask *ask);

static void name_and_server(const struct out_ask *a, char name[DNAME_TEXT_MAX], char server[ADDR_TEXT_MAX])
{
    dname_text_print(a->match.name, name);
    lower(name);
    addr_print(&a->match.to, server);
    *strchr(server, '@') = '\0';
}

static void schedule(struct out_ask *a, unsigned number, enum fate fate)
{
    must(flight_cnt < FLIGHTS_MAX);
    flights[flight_cnt++] = (struct flight){
        .ask = a, .at_ms = now_mono_ms() + 1 + rng_below(&draws, one_in(10) ? 1500 : 60), .number = number, .fate = fate};
}

/* A query leaves: what becomes of it is drawn now. */
static enum err sim_ask(struct out *out, struct out_ask *a)
{
    char name[DNAME_TEXT_MAX], server[ADDR_TEXT_MAX];

    name_and_server(a, name, server);
    if (mischief && one_in(mischief * 4)) {
        tell("no socket for %s to %s", name, server);
        return one_in(4) ? ERR_IO : ERR_LIMIT;
    }
    enum err err = stage_out(out, a);
    if (err)
        return err;
    sent_cnt++;
    /* the last pending one is ours: remember which of all it is, since memory is used again */
    unsigned slot = 0;
    while (slot < known_cnt && ask_of_pending[slot] && ask_of_pending[slot] != a)
        slot++;
    if (slot == known_cnt)
        known_cnt++;
    must(known_cnt <= STAGE_PENDING_MAX);
    ask_of_pending[slot] = a;
    number_of_pending[slot] = sent_cnt;
    enum fate fate = mischief && one_in(mischief) ? rng_below(&draws, FATES) : FATE_ARRIVES;
    tell("query %u: %s %u to %s over %s, fate %u", sent_cnt, name, stage_type(a), server, a->is_tcp ? "TCP" : "UDP", fate);
    if (fate == FATE_LOST)
        return ERR_OK;
    schedule(a, sent_cnt, fate);
    if (fate == FATE_TWICE)
        schedule(a, sent_cnt, FATE_ARRIVES);
    return ERR_OK;
}

/* The pending place of a query; false: it is over, and whatever comes for it comes too late. */
static bool find_pending(const struct flight *f, size_t *i)
{
    for (unsigned slot = 0; slot < known_cnt; slot++)
        if (ask_of_pending[slot] == f->ask && number_of_pending[slot] != f->number)
            return false;
    for (*i = 0; *i < stage.pending_cnt; (*i)++)
        if (stage.pending[*i] == f->ask)
            return true;
    return false;
}

/* What this server must not speak of. */
static void add_foreign(const char *server)
{
    unsigned last = 0;
    bool is_of_zone = sscanf(server, "192.0.3.%u", &last) == 1;
    unsigned other = is_of_zone && last / 2 == 1 ? 2 : 1; /* z5 serves z4 too */

    if (!is_of_zone)
        return;
    add(MESSAGE_ANSWER, "a1.z%u.example. 600 A " MARKER, other);
    add(MESSAGE_AUTHORITY, "z%u.example. 600 NS ns1.z%u.example.", other, other);
    add(MESSAGE_AUTHORITY, "example. 600 NS ns.example.");
    add(MESSAGE_ADDITIONAL, "ns1.z%u.example. 600 A " MARKER, other);
    add(MESSAGE_ADDITIONAL, "ns.example. 600 A " MARKER);
    add(MESSAGE_ADDITIONAL, "a2.z%u.example. 600 A " MARKER, other);
}

/* Write the reply of a flight; false: silence. */
static bool compose(const struct flight *f, struct addr *from)
{
    char name[DNAME_TEXT_MAX], server[ADDR_TEXT_MAX];

    name_and_server(f->ask, name, server);
    begin(f->ask);
    *from = f->ask->match.to;
    if (!truth(server, name, stage_type(f->ask)))
        return false;
    switch (f->fate) {
    case FATE_TRUNCATED: reply.flags |= f->ask->is_tcp ? 0 : MESSAGE_TC; break;
    case FATE_WRONG_ID:
    case FATE_WRONG_NAME:
    case FATE_WRONG_ADDRESS:
        begin(f->ask);
        add(MESSAGE_ANSWER, "%s 600 A " MARKER, name);
        break;
    case FATE_ERROR: {
        static const uint16_t rcodes[] = {1, 2, 4, 5, 9};
        begin(f->ask);
        reply.flags |= rcodes[rng_below(&draws, ARRAY_LEN(rcodes))];
        break;
    }
    case FATE_NO_EDNS:
        begin(f->ask);
        reply.flags |= RRTYPE_RCODE_FORMERR;
        break;
    case FATE_UPWARD:
        begin(f->ask);
        delegate(".", "ns.example.", "192.0.2.2");
        break;
    case FATE_LOOP:
        begin(f->ask);
        add(MESSAGE_ANSWER, "%s 60 CNAME %s", name, name);
        break;
    case FATE_FOREIGN: add_foreign(server); break;
    case FATE_MANY:
        for (unsigned i = 0; i < 600; i++)
            add(i % 2 ? MESSAGE_AUTHORITY : MESSAGE_ADDITIONAL, "x%u.example. 60 SOA a. b. 1 2 3 4 5", i);
        break;
    case FATE_EMPTY: begin(f->ask); break;
    default: break;
    }
    end();
    if (f->fate == FATE_WRONG_ID)
        reply.wire[rng_below(&draws, 2)] ^= (uint8_t)(1 + rng_below(&draws, 255));
    if (f->fate == FATE_WRONG_NAME)
        reply.wire[MESSAGE_HEADER_LEN + 1] ^= 3;
    if (f->fate == FATE_WRONG_ADDRESS)
        must(addr_read("192.0.9.9", 53, from) == ERR_OK);
    if (f->fate == FATE_FLIPPED)
        reply.wire[rng_below(&draws, (uint32_t)reply.len)] ^= (uint8_t)(1 << rng_below(&draws, 8));
    return true;
}

static void land(struct flight *f)
{
    struct addr from;
    size_t i;

    f->is_over = true;
    if (!find_pending(f, &i))
        return;
    if (!compose(f, &from))
        return;
    bool is_believed = stage_deliver(&stage, i, &from, reply.wire, reply.len);
    tell("reply to %u, fate %u: %s", f->number, f->fate, is_believed ? "believed" : "not believed");
}

/* ---- clients ---- */

static struct {
    uint64_t asked_ms, answered_ms;
    unsigned answer_cnt;
    char name[TEXT_ROOM];
} queries[QUERIES_MAX];
static unsigned query_cnt, seen_cnt;
static const char *fault;
static char fault_room[500];

static void blame(const char *fmt, ...) PRINTF_LIKE(1, 2);
static void blame(const char *fmt, ...)
{
    va_list args;

    if (fault)
        return;
    va_start(args, fmt);
    vsnprintf(fault_room, sizeof(fault_room), fmt, args);
    va_end(args);
    fault = fault_room;
    tell("WRONG: %s", fault);
}

static void send_query(void)
{
    static const char letters[] = "aaaaccnnmsd";
    uint8_t wire[QUESTION_MAX], dname[DNAME_MAX];
    unsigned n = query_cnt, zone = rng_below(&draws, ZONES);
    char *name = queries[n].name;
    struct addr peer;

    if (n > 0 && one_in(4))
        strcpy(name, queries[rng_below(&draws, n)].name);
    else if (one_in(12))
        snprintf(name, TEXT_ROOM, "w.loop%u.example", 1 + rng_below(&draws, 2));
    else if (one_in(8))
        snprintf(name, TEXT_ROOM, "a%u.dn.z%u.example", rng_below(&draws, 20), zone);
    else
        snprintf(name, TEXT_ROOM, "%s%c%u.z%u.example", one_in(6) ? "x.y." : "", letters[rng_below(&draws, sizeof(letters) - 1)],
                 rng_below(&draws, 20), zone);
    struct question q = {.id = (uint16_t)(n + 1),
                         .flags = MESSAGE_RD,
                         .name = unit_name(name, dname),
                         .type = one_in(6) ? RRTYPE_TXT : RRTYPE_A,
                         .has_edns = !one_in(5),
                         .udp_size = 1232};
    char address[TEXT_ROOM];
    snprintf(address, sizeof(address), "192.0.5.%u", rng_below(&draws, CLIENTS));
    must(addr_read(address, (uint16_t)(4000 + n), &peer) == ERR_OK);
    stage.is_tcp = one_in(4);
    queries[n].asked_ms = now_mono_ms();
    queries[n].answer_cnt = 0;
    query_cnt++;
    tell("client %s asks %s %u over %s (%u)", address, name, q.type, stage.is_tcp ? "TCP" : "UDP", q.id);
    stage_ask(&stage, wire, question_write(&q, wire), &peer);
    stage.is_tcp = false;
}

/* An address that only a forger would give, for a name that is not his. */
static bool has_marker(const struct stage_answer *a)
{
    static const uint8_t marker[] = {198, 51, 100, 66};
    struct message m;
    struct message_record r;

    if (message_parse(a->wire, a->len, &m) != MESSAGE_WHOLE)
        return true; /* as bad */
    struct message_walk walk = message_walk(&m);
    while (message_next(&walk, &r))
        if (r.rdata_len == 4 && memcmp(r.rdata, marker, 4) == 0)
            return true;
    return false;
}

static void read_answers(void)
{
    for (; seen_cnt < stage.answer_cnt; seen_cnt++) {
        const struct stage_answer *a = &stage.answers[seen_cnt];
        unsigned id = util_get_u16(a->wire);
        if (id == 0 || id > query_cnt) {
            blame("an answer with the ID %u", id);
            continue;
        }
        uint64_t took_ms = now_mono_ms() - queries[id - 1].asked_ms;
        tell("answer to %u (%s): RCODE %u, %u records, after %llu ms", id, queries[id - 1].name, a->wire[3] & 15,
             util_get_u16(a->wire + 6), (unsigned long long)took_ms);
        if (queries[id - 1].answer_cnt++ > 0)
            blame("query %u (%s) is answered twice", id, queries[id - 1].name);
        if (took_ms > TIME_MS + SLACK_MS)
            blame("query %u (%s) is answered after %llu ms", id, queries[id - 1].name, (unsigned long long)took_ms);
        if (has_marker(a))
            blame("query %u (%s): an address that its servers did not give", id, queries[id - 1].name);
    }
}

/* ---- a run ---- */

static uint32_t draw_limit(uint32_t most) { return one_in(3) ? 1 + rng_below(&draws, 6) : most; }

static struct policy *other; /* for reloads */

static void furnish(struct policy *p)
{
    struct addr addr;
    struct cut *hints = &p->route.hints;

    must(addr_read("192.0.2.1", 53, &addr) == ERR_OK);
    cut_init(hints, root, CUT_HINTS);
    hints->servers[0] = (struct cut_server){.name = root, .lookup = {CUT_KNOWN, CUT_KNOWN}};
    hints->server_cnt = 1;
    cut_add_addr(hints, 0, &addr);
    p->is_priming = p->uses_v6 = false;
    p->allow = stage.policy->allow;
    p->is_minimising = !one_in(3);
    p->defences.random_case = !one_in(3);
    p->defences.cookies = !one_in(3);
    p->stale_ms = one_in(2) ? 86400000 : 0;
    p->is_prefetching = one_in(2);
    if (is_forwarding) {
        must(addr_read("192.0.2.9", 53, &addr) == ERR_OK);
        struct route_zone all = {.name = root, .source = CUT_FORWARD, .addrs = &addr, .addr_cnt = 1};
        must(route_put_zone(&p->route, &all, &p->arena) == ERR_OK);
    }
}

static void open_run(uint64_t seed)
{
    struct quota_limits limits;

    rng_init_seeded(&draws, seed * 0x9e3779b97f4a7c15U + 1);
    limits = (struct quota_limits){.per_zone = draw_limit(200),
                                   .per_server = draw_limit(400),
                                   .per_forwarder = draw_limit(QUOTA_FORWARDER_MAX),
                                   .in_all = draw_limit(QUOTA_ALL_MAX)};
    is_forwarding = one_in(5);
    mischief = one_in(5) ? 0 : 2 + rng_below(&draws, 12);
    stage_init(&stage, &limits);
    other = policy_new();
    must(other != NULL);
    furnish(stage.policy);
    furnish(other);
    stage_open(&stage, seed);
    stage_out = stage.out.ask;
    stage.out.ask = sim_ask;
    flight_cnt = sent_cnt = known_cnt = query_cnt = seen_cnt = 0;
    fault = NULL;
    log_hash = 0xcbf29ce484222325U;
    start_ms = now_mono_ms();
}

static void check_rest(void)
{
    const struct engine *e = stage.engine;
    struct quota_sums sums = quota_sums(stage.quota);
    uint64_t held = sums.waiting;

    for (unsigned i = 0; i < query_cnt; i++)
        if (queries[i].answer_cnt == 0)
            blame("query %u (%s) has no answer", i + 1, queries[i].name);
    for (unsigned kind = 0; kind < QUOTA_KINDS; kind++)
        held += sums.all[kind] + sums.of_class[kind] + sums.own[kind];
    if (held > 0)
        blame("the quotas hold %llu places", (unsigned long long)held);
    if (e->task_cnt > 0 || e->out_cnt > 0 || park_cnt(e->park) > 0 || !list_is_empty(&e->runnable) || !list_is_empty(&e->elsewhere))
        blame("%zu tasks, %zu queries out, %zu parked", e->task_cnt, e->out_cnt, park_cnt(e->park));
    for (size_t i = 0; i < ENGINE_BUCKETS; i++)
        if (!list_is_empty(&e->in_flight[i]) || !list_is_empty(&e->asking[i]))
            blame("a table of tasks is not empty");
    if (sent_cnt > PER_QUERY * query_cnt)
        blame("%u queries to servers for %u of clients", sent_cnt, query_cnt);
}

/* The next moment at which anything happens; false: nothing will. */
static bool next_moment(uint64_t ask_at_ms, bool is_asking, uint64_t *at_ms)
{
    unsigned wait_ms = res_serve_wait_ms(stage.serve);

    *at_ms = is_asking ? ask_at_ms : UINT64_MAX;
    for (unsigned i = 0; i < flight_cnt; i++)
        if (!flights[i].is_over)
            *at_ms = util_min(*at_ms, flights[i].at_ms);
    for (size_t i = 0; i < stage.pending_cnt; i++)
        *at_ms = util_min(*at_ms, stage.deadline_ms[i]);
    if (wait_ms > 0)
        *at_ms = util_min(*at_ms, now_mono_ms() + wait_ms);
    return *at_ms != UINT64_MAX;
}

static void disturb(void)
{
    static const struct policy *now;
    struct cache_name all;

    switch (rng_below(&draws, 5)) {
    case 0:
        now_set_wall(now_wall_ms() - 365LL * 86400000);
        tell("the clock goes back a year");
        break;
    case 1:
        now_set_wall(now_wall_ms() + 86400000LL);
        tell("the clock goes forward a day");
        break;
    case 2:
        now = stage.engine->policy == other ? stage.policy : other;
        res_serve_adopt(stage.serve, now);
        tell("a reload");
        break;
    case 3:
        cache_name_init(&all, root);
        cache_flush(&stage.engine->cache, &all);
        tell("a flush");
        break;
    default: break;
    }
}

/* NULL, or what was wrong. */
static const char *play(uint64_t seed)
{
    open_run(seed);
    unsigned wanted = 20 + rng_below(&draws, QUERIES_MAX - 20);
    unsigned gap_ms = 1 + rng_below(&draws, 200);
    uint64_t ask_at_ms = now_mono_ms(), at_ms;

    while (next_moment(ask_at_ms, query_cnt < wanted, &at_ms) && !fault) {
        if (at_ms > now_mono_ms())
            now_advance(at_ms - now_mono_ms());
        if (now_mono_ms() - start_ms > 10 * 60 * 1000) {
            blame("it does not come to rest");
            break;
        }
        for (unsigned i = 0; i < flight_cnt; i++)
            if (!flights[i].is_over && flights[i].at_ms <= now_mono_ms())
                land(&flights[i]);
        for (size_t i = 0; i < stage.pending_cnt; i++)
            if (stage.deadline_ms[i] <= now_mono_ms()) {
                stage_time_out(&stage);
                break;
            }
        while (query_cnt < wanted && ask_at_ms <= now_mono_ms()) {
            send_query();
            ask_at_ms += one_in(3) ? 0 : rng_below(&draws, 2 * gap_ms);
        }
        if (one_in(400))
            disturb();
        res_serve_settle(stage.serve);
        stage_settle(&stage);
        read_answers();
    }
    read_answers();
    if (!fault)
        check_rest();
    if (fault) { /* what still waits would be a leak that says nothing new */
        res_serve_close(stage.serve);
        stage.pending_cnt = 0;
    }
    stage_fini(&stage);
    policy_free(&other);
    return fault;
}

/* ---- tests ---- */

static uint64_t first_seed = 1, last_seed = 200;
static const char *program;

static void test_seeds(void **state)
{
    (void)state;
    for (uint64_t seed = first_seed; seed <= last_seed; seed++) {
        const char *wrong = play(seed);
        if (wrong)
            fail_msg("seed %llu: %s; ROOTLINE_SEED=%llu %s replays it", (unsigned long long)seed, wrong, (unsigned long long)seed,
                     program);
        if (last_seed - first_seed >= 1000 && (seed - first_seed) % 500 == 499)
            print_message("%llu seeds\n", (unsigned long long)(seed - first_seed + 1));
    }
}

/* A seed says all that happens. */
static void test_a_seed_replays(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        (void)play(seed);
        uint64_t once = log_hash;
        (void)play(seed);
        assert_true(once == log_hash);
        (void)play(seed + 1000);
        assert_true(once != log_hash);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_seeds), cmocka_unit_test(test_a_seed_replays)};
    const char *one = getenv("ROOTLINE_SEED"), *range = getenv("ROOTLINE_SEEDS");

    (void)argc;
    program = argv[0];
    hash_init();
    if (one) {
        is_telling = true;
        const char *wrong = play(strtoull(one, NULL, 10));
        printf("%s\n", wrong ? wrong : "all is right");
        return wrong != NULL;
    }
    if (range) {
        char *end;
        first_seed = last_seed = strtoull(range, &end, 10);
        if (*end == '-')
            last_seed = strtoull(end + 1, NULL, 10);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
