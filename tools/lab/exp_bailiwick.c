/* bailiwick: a server slips records of another zone into its answers.
 *
 * The attacker needs no race and no guess: a client asks for a name of the attacker's own zone,
 * and the attacker's server answers, with a record for the bank beside the answer.  Resolvers
 * of the 1990s believed it (Bellovin 1995; the AlterNIC affair of 1997). */
#include <unistd.h>

#include "tools/lab/experiment.h"

enum { PATIENCE_MS = 5000 };

static void answer_with_extra(struct trial *t, const struct message *query,
                              struct trial_message *reply)
{
    (void)t;
    trial_record_a(reply, MESSAGE_ANSWER, "gift.evil.attacker32.com", 60, "192.0.2.67");
    trial_record_name(reply, MESSAGE_AUTHORITY, "bank.com", RRTYPE_NS, 3600, "www.bank.com");
    trial_record_a(reply, MESSAGE_ADDITIONAL, "www.bank.com", 3600, "192.0.2.66");
    (void)query;
}

static void run_bailiwick(struct trial *t)
{
    const struct addr at = trial_second("attacker", 53);
    int server = trial_open(t, "attacker", &at, SOCK_DGRAM);
    int client = trial_ask_begin(t, "alice", "gift.evil.attacker32.com", RRTYPE_A);
    unsigned queries = trial_serve(t, server, client, PATIENCE_MS, answer_with_extra);

    trial_ask_end(client, PATIENCE_MS);
    close(server);
    struct trial_reply reply = trial_ask(t, "bob", "www.bank.com", RRTYPE_A);
    trial_number(t, "queries-answered", queries);
    trial_number(t, "records-slipped-in", 2 * queries);
    if (strcmp(reply.address, "192.0.2.66") == 0)
        trial_end(t, true, "www.bank.com is 192.0.2.66 for every client, for %u s", reply.ttl);
    else
        trial_end(t, false, "www.bank.com is %s", reply.address);
}

const struct experiment experiment_bailiwick = {
    .name = "bailiwick",
    .what = "a server adds records of another zone to its answer",
    .without = "bailiwick,sections,dnssec",
    .stopped =
        "bailiwick: a server is believed only about its own zone; and only what was asked "
        "for is cached, whatever the section",
    .run = run_bailiwick,
};
