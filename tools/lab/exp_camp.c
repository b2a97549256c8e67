/* camp: limits that multiply (Duan and others, 2024: CAMP, Compositional Amplification).
 *
 * A limit for each mechanism is not enough: a chain of CNAMEs may have 11 links, a delegation
 * may name 13 servers, and the name of a server may have labels that are asked for one by one
 * (QNAME minimisation).  Here each link of a chain is in a zone of its own, whose 13 servers
 * have names of 8 labels more, of which only the last leads to an address.  One query then
 * costs 11 x 13 x 8.  What helps is one budget for all that a client's query causes. */
#include <unistd.h>

#include "tools/lab/experiment.h"

enum {
    CAMP_LINKS = 6,
    CAMP_SERVERS = 13,
    CAMP_WAIT_MS = 60000,
};

/* Of zoneN: its 13 servers, none of which has an address but the last. */
static void refer_camp(struct trial_message *reply, unsigned link)
{
    char zone[80], target[120];

    snprintf(zone, sizeof(zone), "zone%u.evil.attacker32.com", link);
    util_put_u16(reply->wire + 2, MESSAGE_QR);
    for (unsigned i = 0; i < CAMP_SERVERS; i++) {
        snprintf(target, sizeof(target), "%s.a.b.c.d.e.f.g.s%u-%u.evil.attacker32.com",
                 i + 1 < CAMP_SERVERS ? "no" : "ns", link, i);
        trial_record_name(reply, MESSAGE_AUTHORITY, zone, RRTYPE_NS, 3600, target);
    }
}

static void answer_camp(struct trial *t, const struct message *query,
                        struct trial_message *reply)
{
    char name[DNAME_TEXT_MAX], target[80];
    unsigned link;

    (void)t;
    trial_print_qname(query, name);
    if (sscanf(name, "zone%u.", &link) == 1) {
        refer_camp(reply, link);
    } else if (sscanf(name, "www.zone%u.", &link) == 1 && link < CAMP_LINKS) {
        snprintf(target, sizeof(target), "www.zone%u.evil.attacker32.com", link + 1);
        trial_record_name(reply, MESSAGE_ANSWER, name, RRTYPE_CNAME, 3600, target);
    } else if (strncmp(name, "ns.a.", 5) == 0 && query->qtype == RRTYPE_A) {
        trial_record_a(reply, MESSAGE_ANSWER, name, 3600, "192.0.2.67");
    }
}

static void run_camp(struct trial *t)
{
    const struct addr at = trial_second("attacker", 53);
    int server = trial_open(t, "attacker", &at, SOCK_DGRAM);
    int client = trial_ask_begin(t, "bob", "www.zone0.evil.attacker32.com", RRTYPE_A);
    const unsigned queries = trial_serve(t, server, client, CAMP_WAIT_MS, answer_camp);
    struct trial_reply reply = trial_ask_end(client, CAMP_WAIT_MS);

    close(server);
    trial_number(t, "attack-queries", 1);
    trial_number(t, "queries-at-the-server", queries);
    trial_number(t, "rcode", reply.rcode);
    trial_end(t, queries > 200, "one query of a client caused %u queries", queries);
}

const struct experiment experiment_camp = {
    .name = "camp",
    .what = "a chain of CNAMEs through zones with many servers that have long names",
    .without = "budget",
    .stopped = "one budget pays for all that a query of a client causes, subqueries included: "
               "100 queries, 32 lookups of server addresses, 64 kB of replies, 7 s; nothing "
               "refills it",
    .counters = {"queries-sent-udp", "resolutions", "resolutions-limited"},
    .run = run_camp,
};
