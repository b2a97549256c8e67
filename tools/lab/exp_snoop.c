/* snoop: a stranger reads the resolver's cache.
 *
 * A query without RD (recursion desired) is answered from the cache or not at all.  So a
 * stranger who may ask the resolver learns which names its clients have visited, and from the
 * TTL when, and leaves no trace with any other server (Grangeia 2004).  An open resolver
 * answers every stranger. */
#include <unistd.h>

#include "tools/lab/experiment.h"

/* In a cache, or not: alice visits the first two. */
static const char *const names[] = {"www.bank.com", "mail.post.org", "www.shop.com",
                                    "www.example.com"};
enum { VISITED = 2, SNOOP_WAIT_MS = 1000 };

static void run_snoop(struct trial *t)
{
    unsigned right = 0, answered = 0;
    char found[200] = "";

    trial_ask(t, "alice", "www.bank.com", RRTYPE_A);
    trial_ask(t, "alice", "mail.post.org", RRTYPE_A);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *name = names[i];
        struct trial_reply reply =
            trial_ask_end(trial_ask_from_cache(t, "attacker", name, RRTYPE_A), SNOOP_WAIT_MS);
        const bool is_cached = reply.answer_cnt > 0;
        answered += reply.has_come && reply.rcode == RRTYPE_RCODE_NOERROR;
        right += is_cached == (i < VISITED);
        if (is_cached) {
            size_t len = strlen(found);
            snprintf(found + len, sizeof(found) - len, "%s%s (TTL %u)", len ? ", " : "", name,
                     reply.ttl);
        }
    }
    trial_number(t, "names-asked", ARRAY_LEN(names));
    trial_number(t, "answers", answered);
    trial_text(t, "found-in-cache", "%s", *found ? found : "nothing");
    if (*found && right == ARRAY_LEN(names))
        trial_end(t, true, "the stranger knows what the clients visited: %s", found);
    else
        trial_end(t, false, "the stranger was refused and knows nothing");
}

const struct experiment experiment_snoop = {
    .name = "snoop",
    .what = "a stranger asks the resolver which names are in its cache",
    .without = "client-list",
    .stopped = "the list of clients (`allow`): a stranger gets REFUSED.  A client of the same "
               "resolver can still snoop on the others",
    .counters = {"clients-refused"},
    .run = run_snoop,
};
