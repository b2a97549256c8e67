/* A simulation from a seed: clients, servers, a network that loses, delays, duplicates and
 * alters packets, clocks that jump, new configurations, flushed caches.  At rest each query has
 * had one answer and every counter is zero again.
 *
 * ROOTLINE_SEED=N           play this seed, and print its events
 * ROOTLINE_SEEDS=FIRST-LAST play these seeds; the default is 1-200
 */
#include "tests/unit/machine_bits.h"
#include "tests/unit/world.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#include "resolver/cache/cache_memory.h"
#include "resolver/cache/inflight.h"

enum {
    QUERIES_MAX = 110,
    EVENTS_MAX = 8192,
    FLIGHTS_MAX = 4096,
    STEPS_MAX = 200000,
    PLAY_MS = 20000, /* the longest time in which queries arrive */
    REST_MS = 40000, /* so long after that everything must be at rest */
    SLACK_MS = 20,   /* how much later than its time limit an answer may be */
    TEXT_ROOM = 300,
    SEEDS = 200,
    SEEDS_PER_REPORT = 500,
    SERVERS_MAX = 40,
    SOLO_MS = 9000, /* between queries that come one by one */
    OTHER_WORKER = 1,
    HANG_S = 100, /* a seed takes some milliseconds; after so long it hangs */
};

#define MARKER BAD /* an address that only servers of evil.example send */
#define EVIL "evil.example."
#define DAY_MS ((int64_t)86400000)

/* ---- chance ---- */

static struct rng dice;
static unsigned below(unsigned limit) { return rng_below(&dice, limit); }
static bool chance(unsigned per_mille) { return below(1000) < per_mille; }

#define PICK(array) (array)[below(ARRAY_LEN(array))]

/* ---- the parameters of a seed ---- */

/* Lifetime: one seed. */
struct sim {
    uint64_t seed, hash, start_ms;
    unsigned query_cnt, sent_cnt, primed_cnt, most_queries, most_ms;
    unsigned lost, delayed, doubled, altered, forged, limited, unreachable; /* per mille */
    unsigned moods;    /* per mille: a server has another habit for one reply */
    unsigned mischief; /* per mille */
    bool is_calm;      /* nothing goes wrong, so every name that exists is answered */
    bool is_verbose;
    bool is_forwarding, has_stub, has_no_v6;
    bool is_stopped;          /* the resolver was stopped before it came to rest */
    bool is_solo;             /* queries come one by one: what is sent is for the last one */
    bool has_other_worker;    /* another worker resolves names too */
    unsigned window_cnt;      /* queries to servers since the last one of a client */
    uint64_t window_prefetch; /* prefetches before it */
    const char *forwarded;    /* zone */
    unsigned play_ms;         /* queries arrive for so long */
    char wrong[TEXT_ROOM];    /* the first fault; "": none */
};

static struct sim sim;

/* Sums over all seeds of a run. */
struct totals {
    uint64_t queries, answers[16], sent, tcp, timeouts, suspects, stale, parked, merged,
        prefetched, limited, reloads, jumps, flushes, late_replies, elsewhere;
};

static struct totals totals;

static void note(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Log one line, and add it to the hash of the log. */
static void note(const char *fmt, ...)
{
    char text[3 * TEXT_ROOM];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    uint64_t ms = now_mono_ms() - sim.start_ms;
    for (const char *p = text; *p; p++)
        sim.hash = (sim.hash ^ (uint8_t)*p) * 0x100000001b3U;
    sim.hash = (sim.hash ^ ms) * 0x100000001b3U;
    if (sim.is_verbose)
        printf("%7.3f %s\n", (double)ms / 1000, text);
}

static void note_octets(const uint8_t *octets, size_t len)
{
    for (size_t i = 0; i < len; i++)
        sim.hash = (sim.hash ^ octets[i]) * 0x100000001b3U;
}

static void go_wrong(const char *fmt, ...) PRINTF_LIKE(1, 2);

static void go_wrong(const char *fmt, ...)
{
    char text[TEXT_ROOM];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    note("WRONG: %s", text);
    if (!*sim.wrong)
        snprintf(sim.wrong, sizeof(sim.wrong), "%s", text);
}

/* ---- zones and servers ---- */

struct host {
    const char *zone, *name, *address;
    bool has_glue;
};

/* The servers of all zones.  The parent of a zone is the nearest zone above it. */
static const struct host hosts[] = {
    {".", "ns1.root.", "192.0.2.1", true},
    {".", "ns2.root.", "192.0.2.2", true},
    {"test.", "ns1.test.", "192.0.2.3", true},
    {"test.", "ns2.test.", "192.0.2.4", true},
    {"example.", "ns1.example.", "192.0.2.5", true},
    {"example.", "ns2.example.", "192.0.2.6", true},
    {"a.test.", "ns1.a.test.", "192.0.2.11", true},
    {"a.test.", "ns2.a.test.", "192.0.2.12", true},
    {"sub.a.test.", "ns1.sub.a.test.", "192.0.2.13", true},
    {"sub.a.test.", "ns2.a.test.", "192.0.2.12", true},
    {"a.test.", "ns1.a.test.", "2001:db8::11", true},
    {"c.example.", "ns2.c.example.", "2001:db8::22", true},
    {"b.test.", "ns1.c.example.", "192.0.2.21", false}, /* names out of bailiwick */
    {"b.test.", "ns2.a.test.", "192.0.2.12", false},
    {"c.example.", "ns1.c.example.", "192.0.2.21", true},
    {"c.example.", "ns2.c.example.", "192.0.2.22", true},
    {"c.example.", "ns3.c.example.", "192.0.2.23", true},
    {"d.example.", "ns1.d.example.", "192.0.2.31", true}, /* a DNAME to a.test */
    {"loop1.test.", "ns.loop2.test.", NULL, false},       /* glue loops */
    {"loop2.test.", "ns.loop1.test.", NULL, false},
    {"lame.test.", "ns1.test.", "192.0.2.3", false}, /* does not serve the zone */
    {"lame.test.", "ns.lame.test.", "192.0.2.41", true},
    {"dead.test.", "ns.dead.test.", "192.0.2.51", true},
    {"evil.example.", "ns1.evil.example.", "198.51.100.7", true},
    {"evil.example.", "ns2.evil.example.", "198.51.100.8", true},
};

#define FORWARDER "192.0.2.90"
#define STUB "192.0.2.91"

static const char *const labels[] = {"www",   "www", "h1",          "h2",    "h3",  "many",
                                     "c0",    "c1",  "c2",          "loopa", "nx1", "nx2",
                                     "w.ent", "ent", "a.b.c.d.e.f", "slow",  ""};

static const char *const queried_zones[] = {
    "a.test.",       "a.test.",       "sub.a.test.", "b.test.",       "c.example.",
    "c.example.",    "d.example.",    "loop1.test.", "lame.test.",    "dead.test.",
    "evil.example.", "evil.example.", "corp.test.",  "stub.example.", "test."};

/* The targets of the CNAMEs c0, c1 and c2. */
static const char *const chain[] = {"c1.c.example.", "c2.b.test.", "www.a.test."};

enum habit {
    HABIT_NONE,
    HABIT_DEAD,
    HABIT_SERVFAIL,
    HABIT_REFUSED,
    HABIT_NO_EDNS,   /* FORMERR to queries with EDNS */
    HABIT_PLAIN,     /* replies without OPT */
    HABIT_BADCOOKIE, /* once */
    HABIT_LOWER,     /* the question section in lower case */
    HABIT_UPWARD,    /* referrals to the root */
    HABIT_TRUNCATES, /* all over UDP */
    HABIT_NO_TCP,
    HABIT_SLOW,
    HABITS
};

static const char *const habit_names[HABITS] = {"honest",  "dead",      "SERVFAIL",  "REFUSED",
                                                "no EDNS", "no OPT",    "BADCOOKIE", "lower",
                                                "upward",  "truncates", "no TCP",    "slow"};

/* Lifetime: one seed. */
struct server {
    char address[ADDR_TEXT_MAX];
    enum habit habit;
    unsigned rtt_ms, queries;
};

static struct server machines[SERVERS_MAX];
static size_t server_cnt;

static struct server *server_at(const char *address)
{
    for (size_t i = 0; i < server_cnt; i++)
        if (strcmp(machines[i].address, address) == 0)
            return &machines[i];
    return NULL;
}

static void add_server(const char *address)
{
    if (!address || server_at(address))
        return;
    struct server *s = &machines[server_cnt++];
    snprintf(s->address, sizeof(s->address), "%s", address);
    bool is_top = strcmp(address, "192.0.2.7") < 0 && strlen(address) == 9;
    s->habit = HABIT_NONE;
    if (!sim.is_calm && chance(is_top ? 100 : 300))
        s->habit = (enum habit)below(HABITS);
    if (strcmp(address, "192.0.2.51") == 0)
        s->habit = HABIT_DEAD;
    s->rtt_ms = 1 + below(!sim.is_calm && chance(100) ? 900 : 60);
    s->queries = 0;
    if (s->habit)
        note("server %s: %s", address, habit_names[s->habit]);
}

static bool serves(const char *address, const char *zone)
{
    if (strcmp(zone, "corp.test.") == 0)
        return strcmp(address, FORWARDER) == 0;
    if (strcmp(zone, "stub.example.") == 0)
        return strcmp(address, STUB) == 0;
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        if (hosts[i].address && strcmp(hosts[i].zone, zone) == 0 &&
            strcmp(hosts[i].address, address) == 0)
            return strcmp(zone, "lame.test.") != 0 || strcmp(address, "192.0.2.41") == 0;
    return false;
}

/* Return the deepest zone of the server that encloses the name, or NULL. */
static const char *find_zone(const char *address, const char *name)
{
    const char *found = NULL;

    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        if (ends_in(name, hosts[i].zone) && serves(address, hosts[i].zone) &&
            (!found || strlen(hosts[i].zone) > strlen(found)))
            found = hosts[i].zone;
    if (ends_in(name, "corp.test.") && serves(address, "corp.test."))
        return "corp.test.";
    if (ends_in(name, "stub.example.") && serves(address, "stub.example."))
        return "stub.example.";
    return found;
}

/* Return the zone right below `zone` that encloses the name, or NULL. */
static const char *find_child(const char *zone, const char *name)
{
    const char *found = NULL;

    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        if (ends_in(name, hosts[i].zone) && ends_in(hosts[i].zone, zone) &&
            strcmp(hosts[i].zone, zone) != 0 &&
            (!found || strlen(hosts[i].zone) < strlen(found)))
            found = hosts[i].zone;
    return found;
}

static bool is_v6(const char *address) { return strchr(address, ':') != NULL; }

static const char *host_address(const char *name, uint16_t type)
{
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        if (strcmp(hosts[i].name, name) == 0 && hosts[i].address &&
            is_v6(hosts[i].address) == (type == RRTYPE_AAAA))
            return hosts[i].address;
    return NULL;
}

static void add_ns(enum message_section section, const char *zone)
{
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        if (strcmp(hosts[i].zone, zone) == 0 && !(hosts[i].address && is_v6(hosts[i].address)))
            add(section, "%s 600 NS %s", zone, hosts[i].name);
}

/* ---- replies ---- */

static void add_soa(const char *zone)
{
    add(MESSAGE_AUTHORITY, "%s 300 SOA a. b. 1 2 3 4 60", zone);
}

static void say_delegation(const char *child)
{
    reply.flags = MESSAGE_QR;
    add_ns(MESSAGE_AUTHORITY, child);
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        if (strcmp(hosts[i].zone, child) == 0 && hosts[i].has_glue)
            add(MESSAGE_ADDITIONAL, "%s 600 %s %s", hosts[i].name,
                is_v6(hosts[i].address) ? "AAAA" : "A", hosts[i].address);
}

static bool begins(const char *name, const char *label)
{
    size_t len = strlen(label);
    return strncmp(name, label, len) == 0;
}

static unsigned last_octet(const char *name)
{
    unsigned sum = 0;
    for (; *name; name++)
        sum = sum * 31 + (uint8_t)*name;
    return sum % 250 + 1;
}

static void say_address(const char *name)
{
    static const unsigned ttls[] = {1, 5, 30, 3600};
    if (ends_in(name, EVIL))
        add(MESSAGE_ANSWER, "%s 5 A " MARKER, name);
    else
        add(MESSAGE_ANSWER, "%s %u A 203.0.113.%u", name, ttls[last_octet(name) % 4],
            last_octet(name));
}

static void say_rcode(unsigned rcode)
{
    reply.flags = (uint16_t)((reply.flags & ~15U) | rcode);
}

/* Add the zone's data for a name. */
static void say_data(const char *zone, const char *name, uint16_t type)
{
    if (strcmp(zone, "d.example.") == 0 && strcmp(name, zone) != 0 &&
        !host_address(name, RRTYPE_A)) {
        char front[DNAME_TEXT_MAX];
        snprintf(front, sizeof(front), "%.*s", (int)(strlen(name) - strlen(zone)), name);
        add(MESSAGE_ANSWER, "%s 30 DNAME a.test.", zone);
        add(MESSAGE_ANSWER, "%s 30 CNAME %sa.test.", name, front);
        return;
    }
    if (strcmp(name, zone) == 0) {
        if (type == RRTYPE_NS) {
            add_ns(MESSAGE_ANSWER, zone);
        } else if (type == RRTYPE_A && strlen(zone) > 1) {
            say_address(name);
        } else {
            add_soa(zone);
        }
    } else if (host_address(name, RRTYPE_A)) {
        const char *address = host_address(name, type);
        if (address && (type == RRTYPE_A || type == RRTYPE_AAAA))
            add(MESSAGE_ANSWER, "%s 60 %s %s", name, type == RRTYPE_A ? "A" : "AAAA", address);
        else
            add_soa(zone);
    } else if (begins(name, "c0.") || begins(name, "c1.") || begins(name, "c2.")) {
        add(MESSAGE_ANSWER, "%s 20 CNAME %s", name, chain[name[1] - '0']);
    } else if (begins(name, "loop")) {
        add(MESSAGE_ANSWER, "%s 20 CNAME %s", name,
            name[4] == 'a' ? "loopb.c.example." : "loopa.a.test.");
    } else if (begins(name, "many") && type == RRTYPE_A) {
        for (unsigned i = 1; i <= 120; i++)
            add(MESSAGE_ANSWER, "%s 60 A 203.0.113.%u", name, i);
    } else if (begins(name, "nx")) {
        add_soa(zone);
        say_rcode(RRTYPE_RCODE_NXDOMAIN);
    } else if (begins(name, "ent.")) {
        add_soa(zone);
    } else if (type == RRTYPE_A) {
        say_address(name);
    } else if (type == RRTYPE_TXT) {
        add(MESSAGE_ANSWER, "%s 60 TXT \"hello\"", name);
    } else {
        add_soa(zone);
    }
}

/* Add what the servers of evil.example say of names that are not theirs. */
static void say_mischief(const char *name)
{
    unsigned what = below(14);

    note("mischief %u about %s", what, name);
    switch (what) {
    case 0:
        say_address(name);
        add(MESSAGE_ANSWER, "www.a.test. 3600 A " MARKER);
        break;
    case 1:
        say_address(name);
        add(MESSAGE_AUTHORITY, "a.test. 3600 NS ns1.evil.example.");
        add(MESSAGE_ADDITIONAL, "ns1.evil.example. 3600 A 198.51.100.7");
        break;
    case 2:
        say_address(name);
        add(MESSAGE_AUTHORITY, EVIL " 3600 NS ns1.c.example.");
        add(MESSAGE_ADDITIONAL, "ns1.c.example. 3600 A " MARKER);
        break;
    case 3: delegate("c.example.", "ns1.c.example.", MARKER); break;
    case 4: delegate(".", "ns1.root.", MARKER); break;
    case 5: delegate("example.", "ns1.example.", MARKER); break;
    case 6:
        add(MESSAGE_ANSWER, "%s 30 CNAME www.a.test.", name);
        add(MESSAGE_ANSWER, "www.a.test. 3600 A " MARKER);
        break;
    case 7:
        add(MESSAGE_ANSWER, "%s 30 CNAME x%s", name, name);
        add(MESSAGE_ANSWER, "x%s 30 CNAME %s", name, name);
        break;
    case 8:
        add(MESSAGE_ANSWER, EVIL " 30 DNAME a.test.");
        add(MESSAGE_ANSWER, "%s 30 CNAME www.a.test.", name);
        add(MESSAGE_ANSWER, "www.a.test. 3600 A " MARKER);
        break;
    case 9:
        say_address(name);
        for (unsigned i = 0; i < 300; i++)
            add(MESSAGE_ADDITIONAL, "h%u.c.example. 3600 A " MARKER, i);
        break;
    case 10:
        delegate("sub.evil.example.", "ns1.a.test.", MARKER);
        add(MESSAGE_ADDITIONAL, "ns2.a.test. 3600 A " MARKER);
        break;
    case 11:
        add(MESSAGE_AUTHORITY, "a.test. 3600 SOA a. b. 1 2 3 4 3600");
        say_rcode(RRTYPE_RCODE_NXDOMAIN);
        break;
    case 12:
        for (unsigned i = 0; i < 40; i++)
            add(MESSAGE_AUTHORITY, "%s 3600 NS n%u.c.example.", name, i);
        reply.flags = MESSAGE_QR;
        break;
    default:
        say_address("www.a.test.");
        add(MESSAGE_ANSWER, "www.a.test. 3600 A " MARKER);
        add(MESSAGE_ANSWER, "www.c.example. 3600 A " MARKER);
    }
}

/* Add OPT, with a server cookie, if the query has them. */
static void put_opt(const struct out_ask *ask, bool is_bad_cookie)
{
    struct message query;
    uint8_t *p = reply.wire + reply.len;
    bool has_cookie = ask->match.client_cookie != NULL;

    if (message_parse(ask->wire, ask->len, &query) != MESSAGE_WHOLE || !query.has_edns)
        return;
    size_t len = has_cookie ? 4 + COOKIE_CLIENT_LEN + 8 : 0;
    const uint8_t head[] = {0, 0, RRTYPE_OPT, 4, 208,         (uint8_t)(is_bad_cookie ? 1 : 0),
                            0, 0, 0,          0, (uint8_t)len};
    memcpy(p, head, sizeof(head));
    p += sizeof(head);
    if (has_cookie) {
        const uint8_t option[] = {0, 10, 0, COOKIE_CLIENT_LEN + 8};
        memcpy(p, option, sizeof(option));
        memcpy(p + sizeof(option), ask->match.client_cookie, COOKIE_CLIENT_LEN);
        memcpy(p + sizeof(option) + COOKIE_CLIENT_LEN, "servercc", 8);
    }
    reply.len += sizeof(head) + len;
    reply.cnt[MESSAGE_ADDITIONAL]++;
}

/* Write the reply of a server.  Return false if it is silent. */
static bool say(struct server *s, const struct out_ask *ask, const char *name, uint16_t type)
{
    enum habit habit = !s                  ? HABIT_DEAD
                       : chance(sim.moods) ? (enum habit)below(HABITS)
                                           : s->habit;
    bool is_evil = s && begins(s->address, "198.51.100."), is_plain = habit == HABIT_PLAIN,
         is_bad_cookie = false;

    if (habit == HABIT_DEAD || (habit == HABIT_NO_TCP && ask->is_tcp))
        return false;
    s->queries++;
    begin(ask);
    const char *zone = find_zone(s->address, name);
    const char *child = zone && strcmp(zone, "corp.test.") && strcmp(zone, "stub.example.")
                            ? find_child(zone, name)
                            : NULL;
    if (strcmp(s->address, FORWARDER) == 0) {
        reply.flags |= MESSAGE_RA;
        say_data("corp.test.", name, type);
    } else if (habit == HABIT_SERVFAIL || habit == HABIT_REFUSED) {
        say_rcode(habit == HABIT_SERVFAIL ? RRTYPE_RCODE_SERVFAIL : RRTYPE_RCODE_REFUSED);
    } else if (habit == HABIT_NO_EDNS &&
               ask->len > MESSAGE_HEADER_LEN + ask->match.question_len) {
        say_rcode(RRTYPE_RCODE_FORMERR);
        is_plain = true;
    } else if (habit == HABIT_BADCOOKIE && s->queries == 1 && ask->match.client_cookie) {
        say_rcode(7); /* of 23: the rest is in OPT */
        is_bad_cookie = true;
    } else if (habit == HABIT_UPWARD) {
        delegate(".", "ns1.root.", "192.0.2.1");
    } else if (is_evil && chance(sim.mischief)) {
        say_mischief(name);
    } else if (!zone) {
        say_rcode(RRTYPE_RCODE_REFUSED);
    } else if (child && !(type == RRTYPE_DS && strcmp(child, name) == 0)) {
        say_delegation(child);
    } else {
        say_data(zone, name, type);
    }
    if (habit == HABIT_LOWER)
        for (size_t i = MESSAGE_HEADER_LEN;
             i < MESSAGE_HEADER_LEN + ask->match.question_len - 4; i++)
            reply.wire[i] = util_lower(reply.wire[i]);
    if (!is_plain)
        put_opt(ask, is_bad_cookie);
    bool is_truncated =
        !ask->is_tcp && (habit == HABIT_TRUNCATES || reply.len > ask->match.udp_size);
    if (is_truncated) {
        reply.len = MESSAGE_HEADER_LEN + ask->match.question_len;
        memset(reply.cnt, 0, sizeof(reply.cnt));
        reply.cnt[MESSAGE_QUESTION] = 1;
        reply.flags |= MESSAGE_TC;
        if (!is_plain)
            put_opt(ask, false);
    }
    end();
    return true;
}

/* ---- events ---- */

enum event_kind {
    EVENT_QUERY,
    EVENT_REPLY,
    EVENT_FAILURE,
    EVENT_CLAIM,
    EVENT_RELEASE,
    EVENT_STOP,
    EVENT_JUMP,
    EVENT_RELOAD,
    EVENT_FLUSH
};

/* Lifetime: until it happens. */
struct event {
    enum event_kind kind;
    uint64_t at_ms, turn;
    uint64_t hash;       /* EVENT_RELEASE */
    unsigned query;      /* EVENT_QUERY, EVENT_CLAIM */
    struct out_ask *ask; /* of a reply or failure */
    uint64_t serial;     /* of the query: its memory may have another one by now */
    struct addr from;
    uint8_t *wire;
    size_t len;
    bool is_stray; /* if its query is gone, deliver it to another query to that server */
};

static struct event events[EVENTS_MAX];
static size_t event_cnt;
static uint64_t event_turn;

static struct event *schedule(enum event_kind kind, uint64_t in_ms)
{
    must(event_cnt < EVENTS_MAX);
    struct event *e = &events[event_cnt++];
    *e = (struct event){.kind = kind, .at_ms = now_mono_ms() + in_ms, .turn = event_turn++};
    return e;
}

static size_t first_event(void)
{
    size_t first = 0;
    for (size_t i = 1; i < event_cnt; i++)
        if (events[i].at_ms < events[first].at_ms ||
            (events[i].at_ms == events[first].at_ms && events[i].turn < events[first].turn))
            first = i;
    return first;
}

/* ---- the network ---- */

static struct {
    const struct out_ask *ask;
    uint64_t serial;
} flights[FLIGHTS_MAX];
static size_t flight_cnt;
static uint64_t serial;

static size_t flight_of(const struct out_ask *ask)
{
    size_t i = 0;
    while (i < flight_cnt && flights[i].ask != ask)
        i++;
    return i;
}

static struct event *schedule_reply(struct out_ask *ask, uint64_t in_ms, const uint8_t *wire,
                                    size_t len)
{
    struct event *e = schedule(EVENT_REPLY, in_ms);
    e->ask = ask;
    e->serial = serial;
    e->from = ask->match.to;
    e->wire = malloc(len ? len : 1);
    must(e->wire != NULL);
    memcpy(e->wire, wire, len);
    e->len = len;
    e->is_stray = chance(200);
    return e;
}

/* Schedule the reply of an off-path attacker, who guessed one of ID, source and question wrong.
 */
static void forge(struct out_ask *ask, uint64_t in_ms)
{
    begin(ask);
    char name[DNAME_TEXT_MAX];
    dname_text_print(ask->match.name, name);
    add(MESSAGE_ANSWER, "%s 3600 A " MARKER, name);
    put_opt(ask, false);
    end();
    struct event *e = schedule_reply(ask, in_ms, reply.wire, reply.len);
    unsigned how = below(3);
    if (how == 0)
        e->wire[0] ^= 0x55;
    else if (how == 1)
        must(addr_read("198.51.100.99", 53, &e->from) == ERR_OK);
    else
        e->wire[MESSAGE_HEADER_LEN + ask->match.question_len - 4] ^= 1; /* the type */
    note("  forged reply (%s) in %u ms",
         how == 0   ? "ID"
         : how == 1 ? "source"
                    : "question",
         (unsigned)in_ms);
}

/* Send the reply of a server through the network, which may lose, delay, alter or duplicate it.
 */
static void send_reply(struct server *s, struct out_ask *ask)
{
    uint64_t in_ms = s->rtt_ms + below(5);

    if (s->habit == HABIT_SLOW)
        in_ms += 300 + below(4000);
    if (chance(sim.delayed))
        in_ms += below(3000);
    if (chance(sim.lost)) {
        note("  lost");
        return;
    }
    if (!sim.is_calm && ask->is_tcp && chance(sim.lost)) {
        struct event *e = schedule(EVENT_FAILURE, in_ms);
        e->ask = ask;
        e->serial = serial;
        return;
    }
    struct event *e = schedule_reply(ask, in_ms, reply.wire, reply.len);
    if (chance(sim.altered)) {
        unsigned what = below(4);
        if (what == 0)
            e->len = below((unsigned)e->len);
        for (unsigned i = 0; what > 0 && i < what && i < 2; i++)
            e->wire[below((unsigned)e->len)] ^= (uint8_t)(1 + below(255));
        note("  altered");
    }
    if (chance(sim.doubled)) {
        struct event *twin = schedule_reply(ask, in_ms + below(2000), reply.wire, reply.len);
        note("  duplicated, the other in %u ms", (unsigned)(twin->at_ms - now_mono_ms()));
    }
}

static void on_asked(struct stage *st, const struct out_ask *a)
{
    struct out_ask *ask = st->pending[st->pending_cnt - 1];
    char name[DNAME_TEXT_MAX], address[ADDR_TEXT_MAX];
    size_t at = flight_of(a);

    must(at < FLIGHTS_MAX);
    flight_cnt = util_max(flight_cnt, at + 1);
    flights[at].ask = a;
    flights[at].serial = ++serial;
    sim.sent_cnt++;
    sim.window_cnt++;
    dname_text_print(ask->match.name, name);
    lower(name);
    addr_print_host(&ask->match.to, address);
    note("query %llu to %s: %s type %u%s, waits %u ms", (unsigned long long)serial, address,
         name, stage_type(ask), ask->is_tcp ? " over TCP" : "", ask->timeout_ms);
    note_octets(ask->wire, ask->len);
    const struct engine_counts *counts = &stage.engine->counts;
    uint64_t budgets = 1 + counts->prefetched - sim.window_prefetch;
    if (strcmp(name, ".") == 0 && stage_type(ask) == RRTYPE_NS) {
        sim.window_cnt--; /* priming has a budget of its own */
        sim.primed_cnt++;
    }
    if (sim.is_solo && sim.window_cnt > budgets * sim.most_queries)
        go_wrong("%u queries to servers for one query of a client, %u are allowed",
                 sim.window_cnt, sim.most_queries);
    if (strcmp(address, MARKER) == 0 && !ends_in(name, EVIL))
        go_wrong("a query for %s went to a server that only evil.example names", name);
    if (!ask->is_tcp && chance(sim.forged))
        forge(ask, below(30));
    struct server *s = server_at(address);
    if (say(s, ask, name, stage_type(ask))) {
        send_reply(s, ask);
    } else if (s && s->habit == HABIT_NO_TCP && ask->is_tcp) {
        struct event *e = schedule(EVENT_FAILURE, s->rtt_ms);
        e->ask = ask;
        e->serial = serial;
    }
}

static enum err (*stage_out_ask)(struct out *out, struct out_ask *ask);

static enum err out_ask(struct out *out, struct out_ask *ask)
{
    if (chance(sim.limited)) {
        note("no socket is left");
        return ERR_LIMIT;
    }
    if (chance(sim.unreachable) || (sim.has_no_v6 && addr_is_v6(&ask->match.to))) {
        note("unreachable");
        return ERR_IO;
    }
    return stage_out_ask(out, ask);
}

/* Return the number of the pending query that the event belongs to, pending_cnt if there is
 * none. */
static size_t find_pending(const struct event *e)
{
    size_t at = flight_of(e->ask), i = 0;

    while (i < stage.pending_cnt && stage.pending[i] != e->ask)
        i++;
    return at < flight_cnt && flights[at].serial == e->serial ? i : stage.pending_cnt;
}

static void settle(void)
{
    res_serve_settle(stage.serve);
    stage_settle(&stage);
}

static void have_reply(struct event *e)
{
    size_t i = find_pending(e);

    if (i == stage.pending_cnt) {
        totals.late_replies++;
        note("reply to query %llu: nothing waits for it", (unsigned long long)e->serial);
        for (i = 0; e->is_stray && i < stage.pending_cnt; i++)
            if (addr_is_equal(&stage.pending[i]->match.to, &e->from))
                break;
        if (!e->is_stray || i == stage.pending_cnt)
            return;
    }
    bool is_accepted = stage_deliver(&stage, i, &e->from, e->wire, e->len);
    note("reply to query %llu: %s", (unsigned long long)e->serial,
         is_accepted ? "accepted" : "rejected");
}

static void have_failure(struct event *e)
{
    size_t i = find_pending(e);

    if (i == stage.pending_cnt)
        return;
    note("query %llu: the connection failed", (unsigned long long)e->serial);
    struct out_ask *ask = stage.pending[i];
    stage.out.cancel(&stage.out, ask);
    ask->fault = (enum out_fault)(OUT_FAULT_REFUSED + below(4));
    ask->done(ask, OUT_FAILED, NULL);
    settle();
}

/* ---- clients ---- */

/* Lifetime: one seed. */
struct sim_query {
    uint8_t wire[QUERY_MAX];
    size_t len, question_len;
    struct addr peer;
    bool is_tcp;
    uint64_t asked_ms;
    unsigned answers;
    char name[TEXT_ROOM];
    uint16_t type;
};

static struct sim_query queries[QUERIES_MAX];
static size_t seen_cnt; /* of stage.answers */

static void choose_query(unsigned n)
{
    static const uint16_t types[] = {RRTYPE_A,   RRTYPE_A,  RRTYPE_A,  RRTYPE_A, RRTYPE_AAAA,
                                     RRTYPE_TXT, RRTYPE_NS, RRTYPE_MX, RRTYPE_DS};
    struct sim_query *q = &queries[n];
    uint8_t name[DNAME_MAX];
    char text[40];

    *q = (struct sim_query){.type = PICK(types)};
    const char *label = PICK(labels), *zone = PICK(queried_zones);
    snprintf(q->name, sizeof(q->name), "%s%s%s", label, *label ? "." : "", zone);
    if (chance(150))
        snprintf(q->name, sizeof(q->name), "nx%u.%s", below(50), zone);
    snprintf(text, sizeof(text), "10.9.0.%u", below(8));
    must(addr_read(text, 4000, &q->peer) == ERR_OK);
    q->is_tcp = chance(250);
    struct query question = {.flags = (uint16_t)(MESSAGE_RD | (chance(100) ? MESSAGE_CD : 0)),
                             .name = unit_name(q->name, name),
                             .type = q->type,
                             .has_edns = chance(800),
                             .is_do = chance(300),
                             .udp_size = chance(500) ? 4096 : 1232};
    if (chance(30))
        question.flags &= (uint16_t)~MESSAGE_RD;
    q->len = query_write(&question, q->wire);
    q->question_len = dname_len(name) + 4;
}

/* Plan the queries: single ones, repetitions, and bursts of equal ones. */
static void plan_queries(void)
{
    unsigned burst = 0;
    uint64_t at_ms = 0;

    for (unsigned n = 0; n < sim.query_cnt; n++) {
        if (burst > 0 || (n > 0 && chance(200))) {
            queries[n] = queries[burst > 0 ? n - 1 : below(n)];
            if (chance(500)) {
                char text[40];
                snprintf(text, sizeof(text), "10.9.0.%u", below(8));
                must(addr_read(text, 4000, &queries[n].peer) == ERR_OK);
            }
        } else {
            choose_query(n);
        }
        util_put_u16(queries[n].wire, (uint16_t)n);
        if (burst > 0)
            burst--;
        else if (chance(100))
            burst = 2 + below(8);
        if (burst == 0 || sim.is_solo)
            at_ms = sim.is_solo ? (uint64_t)n * SOLO_MS : below(sim.play_ms);
        schedule(EVENT_QUERY, at_ms)->query = n;
    }
}

static void send_query(unsigned n)
{
    struct sim_query *q = &queries[n];
    char peer[ADDR_TEXT_MAX];

    addr_print(&q->peer, peer);
    note("client %s%s: query %u for %s type %u", peer, q->is_tcp ? " over TCP" : "", n, q->name,
         q->type);
    q->asked_ms = now_mono_ms();
    sim.window_cnt = 0;
    sim.window_prefetch = stage.engine->counts.prefetched;
    stage.is_tcp = q->is_tcp;
    stage_ask(&stage, q->wire, q->len, &q->peer);
    settle();
}

/* Hash a record with its names uncompressed: compression depends on addresses in memory. */
static void note_record(const struct message_record *r)
{
    const uint8_t numbers[] = {(uint8_t)r->section, (uint8_t)(r->type >> 8), (uint8_t)r->type,
                               (uint8_t)(r->ttl >> 8), (uint8_t)r->ttl};

    note_octets(r->owner, dname_len(r->owner));
    note_octets(numbers, sizeof(numbers));
    if (r->type == RRTYPE_A)
        note_octets(r->rdata, r->rdata_len);
}

static void check_record(unsigned n, const struct message_record *r)
{
    char owner[DNAME_TEXT_MAX];
    bool may_be_altered = sim.altered > 0;

    if (r->type != RRTYPE_A || r->rdata_len != 4)
        return;
    dname_text_print(r->owner, owner);
    lower(owner);
    if (ends_in(owner, EVIL))
        return;
    static const uint8_t marker[] = {198, 51, 100, 66}, host_net[] = {203, 0, 113},
                         server_net[] = {192, 0, 2};
    if (memcmp(r->rdata, marker, 4) == 0)
        go_wrong("the answer to query %u (%s) has an address that only attackers send for %s",
                 n, queries[n].name, owner);
    else if (!may_be_altered && memcmp(r->rdata, host_net, 3) != 0 &&
             memcmp(r->rdata, server_net, 3) != 0)
        go_wrong("the answer to query %u (%s) has an address that no server sent for %s", n,
                 queries[n].name, owner);
}

static void check_answer(const struct stage_answer *a)
{
    uint64_t now_ms = now_mono_ms();
    struct message m;
    struct message_record r;

    if (message_parse(a->wire, a->len, &m) != MESSAGE_WHOLE) {
        go_wrong("an answer of %zu octets is broken", a->len);
        return;
    }
    unsigned n = util_get_u16(a->wire);
    if (n >= sim.query_cnt || queries[n].asked_ms == 0) {
        go_wrong("an answer has the ID %u, which no query had", n);
        return;
    }
    struct sim_query *q = &queries[n];
    unsigned rcode = a->wire[3] & 15;
    note("answer to query %u (%s type %u): RCODE %u, %u records%s", n, q->name, q->type, rcode,
         m.cnt[MESSAGE_ANSWER], m.flags & MESSAGE_TC ? ", truncated" : "");
    note_octets(a->wire, 4);
    totals.answers[rcode]++;
    if (++q->answers > 1)
        go_wrong("query %u (%s) is answered twice", n, q->name);
    if (!(m.flags & MESSAGE_QR) || m.question_len != q->question_len ||
        memcmp(a->wire + MESSAGE_HEADER_LEN, q->wire + MESSAGE_HEADER_LEN, q->question_len) !=
            0)
        go_wrong("the answer to query %u (%s) has another question section", n, q->name);
    if (now_ms - q->asked_ms > sim.most_ms + SLACK_MS)
        go_wrong("query %u (%s) is answered after %u ms", n, q->name,
                 (unsigned)(now_ms - q->asked_ms));
    struct message_walk walk = message_walk(&m);
    while (message_next(&walk, &r)) {
        note_record(&r);
        check_record(n, &r);
    }
    if (sim.is_calm && (q->wire[2] & 1) && begins(q->name, "www.") && q->type == RRTYPE_A &&
        !(m.flags & MESSAGE_TC) &&
        (ends_in(q->name, "a.test.") || ends_in(q->name, "b.test.") ||
         ends_in(q->name, "c.example.") || ends_in(q->name, "d.example.")) &&
        (rcode != 0 || m.cnt[MESSAGE_ANSWER] == 0))
        go_wrong("query %u (%s) has RCODE %u in a seed without faults", n, q->name, rcode);
}

static void read_answers(void)
{
    for (; seen_cnt < stage.answer_cnt; seen_cnt++)
        check_answer(&stage.answers[seen_cnt]);
}

/* ---- another worker ---- */

static struct inflight *inflight;
static bool is_woken;

static void wake_worker(void *data, size_t worker)
{
    (void)data;
    is_woken |= worker == 0;
}

/* The store is in memory, so all see a write at once. */
static void announce(struct cache_store *store, uint64_t hash, bool is_urgent)
{
    (void)store;
    (void)is_urgent;
    inflight_release(inflight, hash);
}

static void open_inflight(void)
{
    must(inflight_new(wake_worker, NULL, &inflight) == ERR_OK);
    stage.engine->inflight = inflight;
    stage.engine->cache.store->is_shared = true;
    stage.engine->cache.store->announce = announce;
}

static void resume_waiting(void)
{
    if (!is_woken)
        return;
    is_woken = false;
    res_serve_come_back(stage.serve);
    stage_settle(&stage);
}

/* Return the hash of a query's in-flight entry, as task.c makes it. */
static uint64_t entry_hash(const struct sim_query *q)
{
    return dname_hash(q->wire + MESSAGE_HEADER_LEN) * 0x9e3779b97f4a7c15U +
           q->type * 0xbf58476d1ce4e5b9U;
}

/* Another worker takes the in-flight entry of a query's name for a while. */
static void take_entry(unsigned n)
{
    uint64_t hash = entry_hash(&queries[n]);
    uint32_t turn;

    if (inflight_take(inflight, hash, OTHER_WORKER, &turn) != INFLIGHT_OURS)
        return;
    note("another worker resolves %s type %u", queries[n].name, queries[n].type);
    schedule(EVENT_RELEASE, 1 + below(chance(200) ? 9000 : 1500))->hash = hash;
}

static void release_entry(uint64_t hash)
{
    note("another worker has finished");
    inflight_release(inflight, hash);
}

/* ---- configuration ---- */

static void configure(struct policy *p)
{
    static const uint32_t waits_ms[] = {0, 300, 1800}, queries_most[] = {8, 20, 50, 100},
                          times_ms[] = {7000, 7000, 3000};
    struct addr addr;
    struct delegation *hints = &p->route.hints;

    delegation_init(hints, root, DELEGATION_HINTS);
    hints->servers[0] = (struct delegation_server){
        .name = root, .lookup = {DELEGATION_KNOWN, DELEGATION_KNOWN}};
    hints->server_cnt = 1;
    for (int i = 0; i < 2; i++) {
        must(addr_read(hosts[i].address, 53, &addr) == ERR_OK);
        delegation_add_addr(hints, 0, &addr);
    }
    must(addr_read_prefix("0.0.0.0/8", &local_nets[0]) == ERR_OK &&
         addr_read_prefix("127.0.0.0/8", &local_nets[1]) == ERR_OK &&
         addr_read_prefix("10.9.0.1/32", &local_nets[2]) == ERR_OK);
    p->do_not_query = (struct addr_prefixes){local_nets, 2};
    if (chance(300))
        p->exempt = (struct addr_prefixes){local_nets + 2, 1};
    p->uses_v6 = chance(300);
    p->is_priming = chance(500);
    p->is_minimising = chance(700);
    p->is_prefetching = chance(700);
    p->defences.random_case = chance(700);
    p->defences.cookies = chance(700);
    p->stale_wait_ms = PICK(waits_ms);
    if (chance(300))
        p->stale_ms = 0;
    if (chance(300))
        p->ttls.max = 5;
    p->limits.queries = sim.is_solo ? 2 + below(7) : sim.is_calm ? 100 : PICK(queries_most);
    p->limits.time_ms = sim.is_calm ? 7000 : PICK(times_ms);
    if (chance(200))
        p->limits.bytes = 4096;
    if (chance(200))
        p->limits.depth = 2;
    if (chance(200))
        p->limits.cnames = 3;
    if (sim.is_calm)
        p->limits = budget_defaults();
    if (sim.is_forwarding)
        put_zone(p, sim.forwarded, DELEGATION_FORWARD, (const char *[]){FORWARDER}, 1);
    if (sim.has_stub)
        put_zone(p, "stub.example.", DELEGATION_STUB, (const char *[]){STUB}, 1);
    sim.most_queries = (unsigned)util_max(sim.most_queries, p->limits.queries);
    sim.most_ms = (unsigned)util_max(sim.most_ms, p->limits.time_ms);
}

static void reload(void)
{
    struct policy *fresh = policy_new(), *old = stage.policy;

    must(fresh != NULL);
    fresh->allow = old->allow;
    configure(fresh);
    route_seal(&fresh->route);
    note("a new configuration");
    stage.policy = fresh;
    res_serve_adopt(stage.serve, fresh);
    policy_free(&old);
    totals.reloads++;
}

/* Stop the resolver while it resolves. */
static void stop(void)
{
    note("the resolver stops");
    sim.is_stopped = true;
    res_serve_close(stage.serve);
    for (size_t i = 0; i < event_cnt; i++)
        if (events[i].kind == EVENT_RELEASE)
            inflight_release(inflight, events[i].hash);
    if (stage.pending_cnt > 0)
        go_wrong("%zu queries to servers are in flight after the stop", stage.pending_cnt);
}

static void flush_cache(void)
{
    struct cache *cache = &stage.engine->cache;
    uint8_t dname[DNAME_MAX];
    struct cache_name name;
    struct cache_flushing below_it = {0};
    const char *zone = PICK(queried_zones);
    size_t cnt = 0;

    cache_name_init(&name, unit_name(chance(500) ? zone : ".", dname));
    cnt = cache_flush(cache, &name);
    while (cache_flush_below(cache, &name, &below_it, &cnt))
        ;
    note("%zu entries are flushed from the cache", cnt);
    totals.flushes++;
    settle();
}

static void jump(void)
{
    int64_t by_ms = chance(500) ? DAY_MS : -365 * DAY_MS;

    note("the wall clock goes %s", by_ms > 0 ? "a day forward" : "a year back");
    now_set_wall(now_wall_ms() + by_ms);
    totals.jumps++;
    settle();
}

/* ---- when the program aborts ---- */

/* NULL without sanitizers. */
void __sanitizer_set_death_callback(void (*call)(void)) __attribute__((weak));

static void print_seed(void)
{
    char text[100];
    int len = snprintf(text, sizeof(text),
                       "seed %llu was being played; ROOTLINE_SEED=%llu replays it\n",
                       (unsigned long long)sim.seed, (unsigned long long)sim.seed);
    if (write(STDERR_FILENO, text, (size_t)len) < 0)
        _exit(1);
}

static void on_abort(int number)
{
    print_seed();
    signal(number, SIG_DFL);
    raise(number);
}

/* ---- a seed ---- */

static void choose(uint64_t seed, bool is_verbose)
{
    static const unsigned rates[] = {0, 0, 20, 100, 300};
    static const unsigned few[] = {0, 0, 0, 20};

    sim = (struct sim){.seed = seed, .hash = 0xcbf29ce484222325U, .is_verbose = is_verbose};
    rng_init_seeded(&dice, seed);
    rng_init_seeded(&machine_bits, ~seed);
    sim.query_cnt = 30 + below(QUERIES_MAX - 30);
    sim.is_forwarding = chance(300);
    sim.forwarded = chance(300) ? "." : "corp.test.";
    sim.play_ms = chance(500) ? PLAY_MS : 500 + below(3000);
    sim.has_stub = chance(300);
    sim.mischief = chance(500) ? 900 : 300;
    sim.is_calm = chance(100);
    if (sim.is_calm)
        return;
    sim.has_no_v6 = chance(300);
    sim.is_solo = chance(150);
    if (sim.is_solo) {
        sim.query_cnt = 10 + below(20);
        sim.play_ms = sim.query_cnt * SOLO_MS;
    }
    sim.has_other_worker = chance(300);
    sim.lost = PICK(rates);
    sim.delayed = PICK(rates);
    sim.doubled = PICK(rates);
    sim.altered = PICK(rates) / 2;
    sim.forged = PICK(rates) / 2;
    sim.moods = PICK(rates) / 2;
    sim.limited = PICK(few);
    sim.unreachable = PICK(few);
}

static void open_world(void)
{
    static const uint32_t zone_most[] = {1, 2, 8, 200}, server_most[] = {1, 4, 400},
                          all_most[] = {2, 20, QUOTA_ALL_MAX};
    struct quota_limits limits = {.per_zone = 200,
                                  .per_server = 400,
                                  .per_forwarder = QUOTA_FORWARDER_MAX,
                                  .in_all = QUOTA_ALL_MAX};
    struct cache_store *store;

    limits.per_zone = PICK(zone_most);
    if (!sim.is_calm) {
        limits.per_server = PICK(server_most);
        limits.per_forwarder = PICK(server_most);
        limits.in_all = PICK(all_most);
    }
    stage_init(&stage, &limits);
    sim.start_ms = now_mono_ms();
    configure(stage.policy);
    stage.asked = on_asked;
    stage_out_ask = stage.out.ask;
    stage.out.ask = out_ask;
    stage_open(&stage, sim.seed);
    inflight = NULL;
    if (!sim.is_calm && !stage.disk && chance(300)) { /* a small cache */
        stage.engine->cache.store->free(&stage.engine->cache.store);
        must(cache_memory_new(32 << 10, &store) == ERR_OK);
        stage.engine->cache.store = store;
    }
    sim.has_other_worker = sim.has_other_worker && !stage.disk;
    if (sim.has_other_worker)
        open_inflight();
    note("seed %llu: %u queries, quotas %u %u %u %u, lost %u delayed %u doubled %u altered %u "
         "forged %u limited %u unreachable "
         "%u mischief %u per mille%s",
         (unsigned long long)sim.seed, sim.query_cnt, limits.per_zone, limits.per_server,
         limits.per_forwarder, limits.in_all, sim.lost, sim.delayed, sim.doubled, sim.altered,
         sim.forged, sim.limited, sim.unreachable, sim.mischief, sim.is_calm ? ", calm" : "");
    server_cnt = 0;
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
        add_server(hosts[i].address);
    add_server(FORWARDER);
    add_server(STUB);
}

static void run_event(struct event *e)
{
    switch (e->kind) {
    case EVENT_QUERY: send_query(e->query); break;
    case EVENT_REPLY: have_reply(e); break;
    case EVENT_FAILURE: have_failure(e); break;
    case EVENT_CLAIM: take_entry(e->query); break;
    case EVENT_RELEASE: release_entry(e->hash); break;
    case EVENT_STOP: stop(); break;
    case EVENT_JUMP: jump(); break;
    case EVENT_RELOAD: reload(); break;
    case EVENT_FLUSH: flush_cache(); break;
    }
    free(e->wire);
}

/* Move to the next event, timeout or deadline.  Return false if there is none. */
static bool step(void)
{
    uint64_t now_ms = now_mono_ms(), event_ms = UINT64_MAX, silence_ms = UINT64_MAX;
    size_t first = first_event();
    unsigned wait_ms = res_serve_wait_ms(stage.serve);

    if (event_cnt > 0)
        event_ms = util_max(events[first].at_ms, now_ms);
    for (size_t i = 0; i < stage.pending_cnt; i++)
        silence_ms = util_min(silence_ms, stage.deadline_ms[i]);
    uint64_t settle_ms = wait_ms > 0 ? now_ms + wait_ms : UINT64_MAX;
    uint64_t next_ms = util_min(event_ms, util_min(silence_ms, settle_ms));
    if (next_ms == UINT64_MAX)
        return false;
    if (next_ms == event_ms) {
        struct event e = events[first];
        events[first] = events[--event_cnt];
        now_advance(event_ms - now_ms);
        run_event(&e);
    } else if (next_ms == silence_ms) {
        note("no reply in time");
        stage_time_out(&stage);
    } else {
        now_advance(settle_ms - now_ms);
        settle();
    }
    resume_waiting();
    read_answers();
    return true;
}

static void check_lists(void)
{
    struct engine *e = stage.engine;
    size_t cnt = (size_t)!list_is_empty(&e->runnable) + !list_is_empty(&e->elsewhere);

    for (size_t i = 0; i < ENGINE_BUCKETS; i++)
        cnt += (size_t)!list_is_empty(&e->in_flight[i]) + !list_is_empty(&e->asking[i]);
    if (cnt > 0)
        go_wrong("at rest %zu lists of tasks are not empty", cnt);
}

static void check_inflight(void)
{
    for (unsigned n = 0; n < sim.query_cnt && sim.has_other_worker; n++) {
        uint64_t hash = entry_hash(&queries[n]);
        uint32_t turn;
        if (inflight_take(inflight, hash, OTHER_WORKER, &turn) == INFLIGHT_THEIRS)
            go_wrong("at rest %s type %u has an in-flight entry", queries[n].name,
                     queries[n].type);
        else
            inflight_release(inflight, hash);
    }
}

static void check_rest(void)
{
    const struct engine *e = stage.engine;
    struct quota_sums sums = quota_sums(stage.quota);

    for (unsigned n = 0; n < sim.query_cnt; n++)
        if (queries[n].answers != 1 && !sim.is_stopped)
            go_wrong("query %u (%s) has %u answers", n, queries[n].name, queries[n].answers);
    if (e->task_cnt > 0)
        go_wrong("at rest there are %zu tasks", e->task_cnt);
    if (e->out_cnt > 0)
        go_wrong("at rest %zu queries count as in flight", e->out_cnt);
    if (park_cnt(e->park) > 0)
        go_wrong("at rest %zu tasks wait for a quota", park_cnt(e->park));
    for (int kind = 0; kind < QUOTA_KINDS; kind++)
        if (sums.all[kind] || sums.of_class[kind] || sums.own[kind])
            go_wrong("at rest quota %d has %llu, %llu and %llu places taken", kind,
                     (unsigned long long)sums.all[kind],
                     (unsigned long long)sums.of_class[kind],
                     (unsigned long long)sums.own[kind]);
    if (sums.announced)
        go_wrong("at rest %llu announcements of waiting tasks are left",
                 (unsigned long long)sums.announced);
    if (sums.waiting)
        go_wrong("at rest %llu queries of clients count as deferred",
                 (unsigned long long)sums.waiting);
    check_lists();
    check_inflight();
    uint64_t most = (uint64_t)sim.most_queries * (sim.query_cnt + e->counts.prefetched);
    if (sim.sent_cnt - sim.primed_cnt > most)
        go_wrong("%u queries were sent, %llu are allowed", sim.sent_cnt - sim.primed_cnt,
                 (unsigned long long)most);
}

static void count(void)
{
    const struct engine_counts *c = &stage.engine->counts;

    totals.queries += sim.query_cnt;
    totals.sent += sim.sent_cnt;
    totals.tcp += c->out_tcp;
    totals.timeouts += c->timeouts;
    totals.suspects += c->mismatches;
    totals.stale += c->stale;
    totals.parked += c->parked;
    totals.merged += c->merged;
    totals.prefetched += c->prefetched;
    totals.limited += c->limited;
    totals.elsewhere += c->elsewhere;
}

/* Play a seed.  Return the hash of its log; sim.wrong gets the first fault. */
static uint64_t play(uint64_t seed, bool is_verbose)
{
    alarm(HANG_S);
    if (!__sanitizer_set_death_callback)
        signal(SIGSEGV, on_abort); /* in place of cmocka's handler */
    choose(seed, is_verbose);
    event_cnt = flight_cnt = seen_cnt = 0;
    event_turn = serial = 0;
    is_woken = false;
    open_world();
    plan_queries();
    for (unsigned n = 0; n < sim.query_cnt && sim.has_other_worker; n++)
        if (chance(300))
            schedule(EVENT_CLAIM, below(sim.play_ms))->query = n;
    if (!sim.is_calm && chance(50))
        schedule(EVENT_STOP, below(sim.play_ms));
    if (sim.is_calm && chance(500))
        schedule(EVENT_JUMP, below(sim.play_ms));
    for (unsigned i = below(4); i > 0 && !sim.is_calm; i--)
        schedule((enum event_kind)(EVENT_JUMP + below(3)), below(sim.play_ms));
    unsigned steps = 0;
    while (!sim.is_stopped && steps < STEPS_MAX &&
           now_mono_ms() - sim.start_ms < sim.play_ms + REST_MS && step())
        steps++;
    if (steps == STEPS_MAX || now_mono_ms() - sim.start_ms >= sim.play_ms + REST_MS)
        go_wrong("no rest: %zu queries to servers are in flight, and there are %zu tasks",
                 stage.pending_cnt, stage.engine->task_cnt);
    check_rest();
    count();
    while (event_cnt > 0)
        free(events[--event_cnt].wire);
    stage_fini(&stage);
    inflight_free(&inflight);
    alarm(0);
    return sim.hash;
}

/* ---- the program ---- */

static unsigned play_range(uint64_t first, uint64_t last)
{
    unsigned failed = 0;

    for (uint64_t seed = first; seed <= last; seed++) {
        play(seed, false);
        if (*sim.wrong) {
            failed++;
            printf("seed %llu: %s; ROOTLINE_SEED=%llu %s replays it\n",
                   (unsigned long long)seed, sim.wrong, (unsigned long long)seed,
                   program_invocation_name);
        }
        if ((seed - first + 1) % SEEDS_PER_REPORT == 0) {
            printf("%llu seeds, %u failed\n", (unsigned long long)(seed - first + 1), failed);
            fflush(stdout);
        }
    }
    return failed;
}

static void print_totals(void)
{
    print_message("%llu queries: %llu NOERROR, %llu NXDOMAIN, %llu SERVFAIL; %llu sent, %llu "
                  "over TCP, %llu timeouts, %llu suspects, "
                  "%llu stale, %llu parked, %llu merged, %llu prefetched, %llu limited, %llu "
                  "reloads, %llu jumps, %llu flushes, "
                  "%llu late replies, %llu elsewhere\n",
                  (unsigned long long)totals.queries, (unsigned long long)totals.answers[0],
                  (unsigned long long)totals.answers[3], (unsigned long long)totals.answers[2],
                  (unsigned long long)totals.sent, (unsigned long long)totals.tcp,
                  (unsigned long long)totals.timeouts, (unsigned long long)totals.suspects,
                  (unsigned long long)totals.stale, (unsigned long long)totals.parked,
                  (unsigned long long)totals.merged, (unsigned long long)totals.prefetched,
                  (unsigned long long)totals.limited, (unsigned long long)totals.reloads,
                  (unsigned long long)totals.jumps, (unsigned long long)totals.flushes,
                  (unsigned long long)totals.late_replies,
                  (unsigned long long)totals.elsewhere);
}

static void test_seeds(void **state)
{
    const char *one = getenv("ROOTLINE_SEED"), *range = getenv("ROOTLINE_SEEDS");
    unsigned long long first = 1, last = SEEDS;

    (void)state;
    if (one) {
        uint64_t hash = play(strtoull(one, NULL, 10), true);
        printf("the hash of this log is %016llx\n", (unsigned long long)hash);
        if (*sim.wrong)
            fail_msg("seed %s: %s", one, sim.wrong);
        return;
    }
    if (range && sscanf(range, "%llu-%llu", &first, &last) != 2)
        fail_msg("ROOTLINE_SEEDS has to be FIRST-LAST");
    unsigned failed = play_range(first, last);
    print_totals();
    assert_int_equal(failed, 0);
    if (range)
        return;
    /* each kind of event has happened */
    assert_true(totals.answers[0] > totals.queries / 3 && totals.answers[2] > 0 &&
                totals.answers[3] > 0);
    assert_true(totals.tcp > 0 && totals.timeouts > 0 && totals.suspects > 0 &&
                totals.stale > 0 && totals.parked > 0);
    assert_true(totals.merged > 0 && totals.prefetched > 0 && totals.limited > 0 &&
                totals.late_replies > 0);
    assert_true((getenv("STAGE_STORE") || totals.elsewhere > 0) && totals.reloads > 0 &&
                totals.jumps > 0 && totals.flushes > 0);
}

/* The same seed makes the same log, whichever seeds were played before. */
static void test_a_seed_replays(void **state)
{
    uint64_t hashes[4];

    (void)state;
    if (getenv("ROOTLINE_SEED"))
        skip();
    for (unsigned i = 0; i < ARRAY_LEN(hashes); i++)
        hashes[i] = play(i + 1, false);
    for (unsigned i = ARRAY_LEN(hashes); i-- > 0;)
        assert_int_equal(play(i + 1, false), hashes[i]);
    assert_true(hashes[0] != hashes[1]);
}

static int set_up(void **state)
{
    (void)state;
    rng_init_seeded(&machine_bits, 0);
    hash_init();
    signal(SIGABRT, on_abort);
    signal(SIGALRM, on_abort);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(print_seed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_seeds),
                                       cmocka_unit_test(test_a_seed_replays)};
    return cmocka_run_group_tests(tests, set_up, NULL);
}
