/* cname-chain: one query, and as many more as a chain of aliases has links.
 *
 * A CNAME says: the answer is at another name.  The attacker's server gives one link per reply,
 * so that each costs the resolver another query, which it must wait for.  The client sends one
 * query.  A chain has no natural end: only a limit ends it. */
#include <unistd.h>

#include "tools/lab/experiment.h"

enum {
    CHAIN_QUERIES = 5, /* of the attacker */
    CHAIN_LINKS = 50,
    CHAIN_WAIT_MS = 20000,
};

/* linkN of a chain leads to linkN+1, the last one to an address. */
static void answer_chain(struct trial *t, const struct message *query,
                         struct trial_message *reply)
{
    char name[DNAME_TEXT_MAX], target[80];
    unsigned link, chain;

    (void)t;
    trial_print_qname(query, name);
    if (sscanf(name, "link%u.chain%u.", &link, &chain) != 2 || query->qtype != RRTYPE_A)
        return;
    if (link == CHAIN_LINKS) {
        trial_record_a(reply, MESSAGE_ANSWER, name, 3600, "192.0.2.66");
        return;
    }
    snprintf(target, sizeof(target), "link%u.chain%u.evil.attacker32.com", link + 1, chain);
    trial_record_name(reply, MESSAGE_ANSWER, name, RRTYPE_CNAME, 3600, target);
}

static void run_cname_chain(struct trial *t)
{
    const struct addr at = trial_second("attacker", 53);
    int server = trial_open(t, "attacker", &at, SOCK_DGRAM);
    unsigned queries = 0, answers = 0;
    char name[80];

    for (unsigned i = 0; i < CHAIN_QUERIES; i++) {
        snprintf(name, sizeof(name), "link0.chain%u.evil.attacker32.com", i);
        int client = trial_ask_begin(t, "bob", name, RRTYPE_A);
        queries += trial_serve(t, server, client, CHAIN_WAIT_MS, answer_chain);
        struct trial_reply reply = trial_ask_end(client, CHAIN_WAIT_MS);
        trial_tell(t, "%s: RCODE %u, %u records", name, reply.rcode, reply.answer_cnt);
        answers += *reply.address != '\0';
    }
    close(server);
    const double factor = (double)queries / CHAIN_QUERIES;
    trial_number(t, "attack-queries", CHAIN_QUERIES);
    trial_number(t, "links-of-a-chain", CHAIN_LINKS);
    trial_number(t, "queries-caused", queries);
    trial_number(t, "chains-completed", answers);
    trial_real(t, "factor", factor);
    trial_end(t, factor > 30, "%.1f queries of the resolver for each of the attacker", factor);
}

const struct experiment experiment_cname_chain = {
    .name = "cname-chain",
    .what = "a name is an alias of a name that is an alias, fifty times over",
    .without = "budget",
    .stopped = "the resolver follows 11 CNAMEs, then it answers SERVFAIL (honest chains have "
               "two or three links)",
    .counters = {"queries-sent-udp", "resolutions-limited"},
    .run = run_cname_chain,
};
