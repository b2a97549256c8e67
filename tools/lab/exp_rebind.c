/* rebind: a name moves from the attacker's server into the victim's own network.
 *
 * A browser lets a page talk only to the host name that it came from.  The attacker owns such a
 * name, and its address: when alice opens the page, the name leads to the attacker's server; a
 * moment later, when the script of the page connects again, to a host of alice's network, which
 * a firewall keeps the attacker from.  The answers have TTL 0, so that the resolver asks each
 * time.  (SEED's DNS rebinding exercise attacks a thermostat this way.)
 *
 * No reply is forged here, and DNSSEC would not help: the zone is the attacker's.  But a
 * resolver knows that no public name has an address inside its own network. */
#include <unistd.h>

#include "dns/dname_text.h"
#include "tools/lab/experiment.h"

enum { OPEN_PAGE_MS = 8000 };

/* Where the name leads now. */
static const char *leads_to;

static void answer_anew(struct trial *t, const struct message *query,
                        struct trial_message *reply)
{
    (void)t;
    char name[DNAME_TEXT_MAX];

    dname_text_print(message_qname(query), name);
    if (query->qtype == RRTYPE_A)
        trial_record_a(reply, MESSAGE_ANSWER, name, 0, leads_to);
}

/* Let alice's browser look the name up, which leads to `address`. */
static struct trial_reply open_page(struct trial *t, int server, const char *address)
{
    leads_to = address;
    int client = trial_ask_begin(t, "alice", "page.evil.attacker32.com", RRTYPE_A);
    (void)trial_serve(t, server, client, OPEN_PAGE_MS, answer_anew);
    struct trial_reply reply = trial_ask_end(client, OPEN_PAGE_MS);
    trial_tell(t, "the server says %s; alice gets %s", address,
               *reply.address ? reply.address : "no address");
    return reply;
}

static void run_rebind(struct trial *t)
{
    static const char *const inside[] = {"203.0.113.102", "10.0.0.1", "192.168.1.1"};
    const struct addr at = trial_second("attacker", 53);
    int server = trial_open(t, "attacker", &at, SOCK_DGRAM);
    unsigned reached = 0, refused = 0;

    struct trial_reply first = open_page(t, server, "192.0.2.67");
    for (size_t i = 0; i < ARRAY_LEN(inside); i++) {
        struct trial_reply reply = open_page(t, server, inside[i]);
        reached += strcmp(reply.address, inside[i]) == 0;
        refused += reply.has_come && reply.rcode == RRTYPE_RCODE_REFUSED;
    }
    struct trial_reply last = open_page(t, server, "192.0.2.67");
    close(server);
    trial_text(t, "page-comes-from", "%s", *first.address ? first.address : "nowhere");
    trial_number(t, "addresses-inside", (int64_t)ARRAY_LEN(inside));
    trial_number(t, "addresses-alice-got", reached);
    trial_number(t, "queries-refused", refused);
    trial_text(t, "honest-answer-later", "%s", *last.address ? last.address : "nowhere");
    if (reached > 0)
        trial_end(t, true, "the page reaches %u hosts inside, bob (%s) among them", reached,
                  inside[0]);
    else
        trial_end(t, false, "the page reaches no host inside; its own server still answers");
}

const struct experiment experiment_rebind = {
    .name = "rebind",
    .what = "a name moves from the attacker's server to a host inside the client's network",
    .without = "private-addresses",
    .stopped = "private-addresses: the resolver refuses an answer with an address of its own "
               "network or of private networks, unless the name is in an excepted zone",
    .counters = {"answers-blocked"},
    .run = run_rebind,
};
