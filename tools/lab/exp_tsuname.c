/* tsuname: two zones that wait for each other (Moura and others, 2021).
 *
 * The servers of ping.evil have names in pong.evil, and those of pong.evil in ping.evil.  To
 * find an address of one, the resolver must first find one of the other.  That never ends by
 * itself, and the servers above both zones get the queries: in 2020 a mistake of this kind made
 * the load of .nz grow by half. */
#include <unistd.h>

#include "tools/lab/experiment.h"

enum {
    TSUNAME_QUERIES = 50, /* of the attacker's clients */
    TSUNAME_WAIT_MS = 10000,
};

/* Refer to the servers in the other zone.  With TTL 0, so that nothing is remembered. */
static void answer_tsuname(struct trial *t, const struct message *query,
                           struct trial_message *reply)
{
    char name[DNAME_TEXT_MAX];

    (void)t;
    trial_print_qname(query, name);
    const bool is_ping = strstr(name, "ping.evil"), is_pong = strstr(name, "pong.evil");
    if (!is_ping && !is_pong)
        return;
    util_put_u16(reply->wire + 2, MESSAGE_QR); /* a referral is not authoritative */
    trial_record_name(reply, MESSAGE_AUTHORITY,
                      is_ping ? "ping.evil.attacker32.com" : "pong.evil.attacker32.com",
                      RRTYPE_NS, 0,
                      is_ping ? "ns.pong.evil.attacker32.com" : "ns.ping.evil.attacker32.com");
}

static void run_tsuname(struct trial *t)
{
    const struct addr at = trial_second("attacker", 53);
    int server = trial_open(t, "attacker", &at, SOCK_DGRAM);
    unsigned queries = 0, first = 0, failures = 0;
    char name[80];

    for (unsigned i = 0; i < TSUNAME_QUERIES; i++) {
        snprintf(name, sizeof(name), "www%u.ping.evil.attacker32.com", i);
        int client = trial_ask_begin(t, "bob", name, RRTYPE_A);
        const unsigned cnt = trial_serve(t, server, client, TSUNAME_WAIT_MS, answer_tsuname);
        failures += trial_ask_end(client, TSUNAME_WAIT_MS).rcode == RRTYPE_RCODE_SERVFAIL;
        trial_tell(t, "%s: %u queries", name, cnt);
        queries += cnt;
        if (i == 0)
            first = cnt;
    }
    close(server);
    const double factor = (double)queries / TSUNAME_QUERIES;
    trial_number(t, "attack-queries", TSUNAME_QUERIES);
    trial_number(t, "servfails", failures);
    trial_number(t, "queries-of-the-first", first);
    trial_number(t, "queries-caused", queries);
    trial_real(t, "factor", factor);
    trial_end(t, factor > 2, "%.2f queries for each of the attacker", factor);
}

const struct experiment experiment_tsuname = {
    .name = "tsuname",
    .what = "the servers of two zones have names in each other's zone (TsuNAME)",
    .without = "failure-cache",
    .stopped = "failures are cached: the zone has no usable server for five seconds at first, "
               "then longer (RFC 9520); and a lookup that would wait for itself ends at once, "
               "which bounds the run without the cache too",
    .counters = {"queries-sent-udp", "resolutions-failed"},
    .run = run_tsuname,
};
