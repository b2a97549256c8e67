/* water-torture: a flood of random names in the victim's zone (2014, and ever since).
 *
 * The clients of a resolver, or a botnet among them, ask it for names that nobody has asked for
 * before: x1.bank.com, x2.bank.com ... No cache can answer, so each goes to the bank's server,
 * which cannot tell the flood from its customers: both come from the resolver.  Here the server
 * is so busy already that an answer takes two seconds, and queries pile up.
 *
 * The resolver is a victim too: what waits for one zone must not keep it from serving others.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "dns/query.h"
#include "tools/lab/experiment.h"

enum {
    TORTURE_QUERIES = 800,
    TORTURE_GAP_US = 200,
    TORTURE_DELAY_MS = 1000, /* of the bank's link, one way */
    TORTURE_WAIT_MS = 6000,
};

/* The names that alice asks for during the attack. */
static const char *const torture_names[] = {"www.bank.com", "www.shop.com", "mail.post.org",
                                            "www.example.com"};

/* What has left for the bank's server.  Lifetime: the run. */
struct torture {
    struct trial *t;
    int ear;
    unsigned queries, names; /* names: different ones, of the flood */
    bool is_seen[TORTURE_QUERIES];
};

static void hear_queries(struct torture *w)
{
    const struct addr bank = trial_addr("bank", 53);
    struct packet_view heard;
    struct message query;
    char name[DNAME_TEXT_MAX];
    unsigned number;

    while (trial_wait(w->ear, 0)) {
        if (!trial_hear(w->ear, 0, &heard) || !addr_is_equal(&heard.to, &bank) ||
            message_parse(heard.payload, heard.payload_len, &query) != MESSAGE_WHOLE ||
            !query.has_question)
            continue;
        w->queries++;
        trial_print_qname(&query, name);
        if (sscanf(name, "x%u-", &number) == 1 && number < TORTURE_QUERIES) {
            w->names += !w->is_seen[number];
            w->is_seen[number] = true;
        }
    }
}

static void send_flood(struct torture *w)
{
    const struct addr bob = trial_addr("bob", 0), resolver = trial_addr("resolver", 53);
    int fd = trial_open(w->t, "bob", &bob, SOCK_DGRAM);
    uint8_t qname[DNAME_MAX], wire[QUERY_MAX];
    char name[80];

    for (unsigned i = 0; i < TORTURE_QUERIES; i++) {
        snprintf(name, sizeof(name), "x%u-%u.bank.com", i, rng_u16(&w->t->rng));
        trial_name(name, qname);
        const struct query query = {
            .id = (uint16_t)i, .flags = MESSAGE_RD, .name = qname, .type = RRTYPE_A};
        const size_t len = query_write(&query, wire);
        (void)sendto(fd, wire, len, 0, &resolver.sock.any, addr_len(&resolver));
        usleep(TORTURE_GAP_US);
        hear_queries(w);
    }
    close(fd);
}

static void run_water_torture(struct trial *t)
{
    static struct torture w;
    int clients[ARRAY_LEN(torture_names)];
    unsigned answers = 0;

    /* the delegation is cached, and in a signed zone an NSEC record */
    (void)trial_ask(t, "alice", "mail.bank.com", RRTYPE_A);
    (void)trial_ask(t, "bob", "x.bank.com", RRTYPE_A);
    trial_set_delay(t, "bank", TORTURE_DELAY_MS);
    /* the ear counts what leaves, before the delay */
    w = (struct torture){.t = t, .ear = trial_open_ear(t, "onpath")};
    send_flood(&w);
    trial_tell(t, "bob has asked for %u names; alice asks for %zu", TORTURE_QUERIES,
               ARRAY_LEN(torture_names));
    for (size_t i = 0; i < ARRAY_LEN(torture_names); i++)
        clients[i] = trial_ask_begin(t, "alice", torture_names[i], RRTYPE_A);
    for (size_t i = ARRAY_LEN(torture_names); i-- > 0;) {
        hear_queries(&w); /* the last time before the slow answer of the bank */
        answers += *trial_ask_end(clients[i], TORTURE_WAIT_MS).address != '\0';
    }
    close(w.ear);
    trial_set_delay(t, "bank", 0);
    trial_number(t, "attack-queries", TORTURE_QUERIES);
    trial_number(t, "names-at-the-victim", w.names);
    trial_number(t, "queries-at-the-victim", w.queries);
    trial_number(t, "alice-asked", ARRAY_LEN(torture_names));
    trial_number(t, "alice-got", answers);
    trial_end(t, w.names > TORTURE_QUERIES * 3 / 4,
              "%u of %u names reached the bank's server; alice got %u of %zu answers", w.names,
              TORTURE_QUERIES, answers, ARRAY_LEN(torture_names));
}

const struct experiment experiment_water_torture = {
    .name = "water-torture",
    .what = "a client floods the resolver with random names of the victim's zone",
    .without = "quotas,aggressive-nsec",
    .stopped =
        "a limit of queries in flight per zone, of which one client gets a part: what is "
        "over it is sent to TCP or fails, and other clients find places; in a signed "
        "zone one NSEC record denies many names (rootline lab up --dnssec)",
    .counters = {"queries-sent-udp", "resolutions-limited", "timeouts", "aggressive-answers"},
    .run = run_water_torture,
};
