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

static void send_flood(struct trial *t)
{
    const struct addr bob = trial_addr("bob", 0), resolver = trial_addr("resolver", 53);
    int fd = trial_open(t, "bob", &bob, SOCK_DGRAM);
    uint8_t qname[DNAME_MAX], wire[QUERY_MAX];
    char name[80];

    for (unsigned i = 0; i < TORTURE_QUERIES; i++) {
        snprintf(name, sizeof(name), "x%u-%u.bank.com", i, rng_u16(&t->rng));
        trial_name(name, qname);
        const struct query query = {
            .id = (uint16_t)i, .flags = MESSAGE_RD, .name = qname, .type = RRTYPE_A};
        const size_t len = query_write(&query, wire);
        (void)sendto(fd, wire, len, 0, &resolver.sock.any, addr_len(&resolver));
        usleep(TORTURE_GAP_US);
    }
    close(fd);
}

/* Count the queries that left for the bank's server, and return how many of the names of the
 * flood they have. */
static unsigned count_names(int ear, unsigned *queries)
{
    static bool is_seen[TORTURE_QUERIES];
    struct packet_view heard;
    struct message query;
    char name[DNAME_TEXT_MAX];
    unsigned number, names = 0;
    const struct addr bank = trial_addr("bank", 53);

    memset(is_seen, 0, sizeof(is_seen));
    while (trial_wait(ear, 0)) {
        if (!trial_hear(ear, 0, &heard) || !addr_is_equal(&heard.to, &bank) ||
            message_parse(heard.payload, heard.payload_len, &query) != MESSAGE_WHOLE ||
            !query.has_question)
            continue;
        ++*queries;
        trial_print_qname(&query, name);
        if (sscanf(name, "x%u-", &number) == 1 && number < TORTURE_QUERIES) {
            names += !is_seen[number];
            is_seen[number] = true;
        }
    }
    return names;
}

static void run_water_torture(struct trial *t)
{
    int clients[ARRAY_LEN(torture_names)], ear;
    unsigned queries = 0, answers = 0, names = 0;

    /* the delegation is cached, and in a signed zone an NSEC record */
    (void)trial_ask(t, "alice", "mail.bank.com", RRTYPE_A);
    (void)trial_ask(t, "bob", "x.bank.com", RRTYPE_A);
    trial_set_delay(t, "bank", TORTURE_DELAY_MS);
    ear = trial_open_ear(t, "onpath"); /* it counts what leaves, before the delay */
    send_flood(t);
    trial_tell(t, "bob has asked for %u names; alice asks for %zu", TORTURE_QUERIES,
               ARRAY_LEN(torture_names));
    for (size_t i = 0; i < ARRAY_LEN(torture_names); i++)
        clients[i] = trial_ask_begin(t, "alice", torture_names[i], RRTYPE_A);
    for (size_t i = ARRAY_LEN(torture_names); i-- > 0;) {
        if (i == 0) /* before the slow answer of the bank */
            names = count_names(ear, &queries);
        answers += *trial_ask_end(clients[i], TORTURE_WAIT_MS).address != '\0';
    }
    close(ear);
    trial_set_delay(t, "bank", 0);
    trial_number(t, "attack-queries", TORTURE_QUERIES);
    trial_number(t, "names-at-the-victim", names);
    trial_number(t, "queries-at-the-victim", queries);
    trial_number(t, "alice-asked", ARRAY_LEN(torture_names));
    trial_number(t, "alice-got", answers);
    trial_end(t, names > TORTURE_QUERIES * 3 / 4 || answers < ARRAY_LEN(torture_names),
              "%u of %u names reached the bank's server; alice got %u of %zu answers", names,
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
