/* downgrade: an attacker on the path makes signatures disappear.
 *
 * The attacker cannot sign for the bank, so it pretends that the bank never signed.  First way:
 * it answers in place of the parent, with a referral to the bank that has no DS record (such
 * is the referral to an unsigned zone), and then in place of the bank, without signatures.
 * Second way: it answers each query that has EDNS with FORMERR, as servers before 1999 did.
 * EDNS carries the wish for signatures (DO); a resolver that falls back to plain DNS gets none.
 * Rootline does not fall back if the parent has a DS record for the zone, or if the server has
 * sent signatures before: then even without validation this attack only denies service.
 *
 * A validating resolver believes the absence of a DS record only with a signed proof of the
 * parent.  Without one, unsigned data are bogus, not unsigned. */
#include <unistd.h>

#include "tools/lab/experiment.h"

enum { HEAR_SLICE_MS = 20, SLICES_MAX = 300, REPLY_MS = 8000 };

/* The zones that are attacked in turn, the host of their parent, and how. */
static const struct downgrade_target {
    const char *zone, *www, *parent;
    bool strips_edns;
} targets[] = {
    {"bank.com", "www.bank.com", "com", false},
    {"example.com", "www.example.com", "com", false},
    {"post.org", "mail.post.org", "org", true},
};

/* Lifetime: the run. */
struct downgrade {
    struct trial *t;
    int ear, forger, forger6;
    unsigned referrals, answers, refusals; /* that were forged */
};

static void send_forged(struct downgrade *d, const struct packet_view *heard,
                        const struct trial_message *m)
{
    static struct packet p;

    p.from = heard->to;
    p.to = heard->from;
    p.payload = m->wire;
    p.payload_len = m->len;
    packet_make(&p);
    trial_forge(d->t, p.to.sock.any.sa_family == AF_INET ? d->forger : d->forger6, &p);
}

/* A referral without a DS record, or its denial without a proof. */
static void forge_referral(struct downgrade *d, const struct downgrade_target *target,
                           const struct message *query, struct trial_message *m)
{
    trial_begin(m, query->id, MESSAGE_QR, message_qname(query), query->qtype);
    if (query->qtype != RRTYPE_DS) {
        trial_record_name(m, MESSAGE_AUTHORITY, target->zone, RRTYPE_NS, 3600, target->www);
        trial_record_a(m, MESSAGE_ADDITIONAL, target->www, 3600, "192.0.2.66");
    }
    d->referrals++;
}

static void forge_answer(struct downgrade *d, const struct downgrade_target *target,
                         const struct message *query, struct trial_message *m)
{
    trial_begin(m, query->id, MESSAGE_QR | MESSAGE_AA, message_qname(query), query->qtype);
    if (query->qtype == RRTYPE_A)
        trial_record_a(m, MESSAGE_ANSWER, target->www, 3600, "192.0.2.66");
    d->answers++;
}

static bool is_address_of(const char *host, const struct addr *addr)
{
    const struct topology_host *its = topology_find(host);
    struct addr v4, v6;

    return addr_read(its->v4, addr_port(addr), &v4) == ERR_OK &&
           addr_read(its->v6, addr_port(addr), &v6) == ERR_OK &&
           (addr_is_equal(addr, &v4) || addr_is_equal(addr, &v6));
}

static void attack_query(struct downgrade *d, const struct downgrade_target *target,
                         const struct packet_view *heard)
{
    static struct trial_message m;
    const bool is_parent = is_address_of(target->parent, &heard->to);
    uint8_t zone[DNAME_MAX], www[DNAME_MAX];
    struct message query;

    if (addr_port(&heard->to) != 53 ||
        message_parse(heard->payload, heard->payload_len, &query) != MESSAGE_WHOLE ||
        query.flags & (MESSAGE_QR | MESSAGE_RD) || !query.has_question)
        return;
    trial_name(target->zone, zone);
    trial_name(target->www, www);
    if (!dname_is_under(message_qname(&query), zone))
        return;
    if (target->strips_edns && query.has_edns) {
        trial_begin(&m, query.id, MESSAGE_QR | RRTYPE_RCODE_FORMERR, message_qname(&query),
                    query.qtype);
        d->refusals++;
    } else if (is_parent) {
        forge_referral(d, target, &query, &m);
    } else if (dname_is_equal(message_qname(&query), www)) {
        forge_answer(d, target, &query, &m);
    } else {
        return;
    }
    trial_tell(d->t, "a query about %s, %s; forged %s", target->zone,
               query.has_edns ? "with EDNS" : "without EDNS",
               target->strips_edns && query.has_edns ? "FORMERR"
               : is_parent                           ? "a referral without DS"
                                                     : "an answer without signatures");
    send_forged(d, heard, &m);
}

/* Have alice ask, attack the resolver's queries, and return what alice got. */
static struct trial_reply attack_target(struct downgrade *d,
                                        const struct downgrade_target *target)
{
    int client = trial_ask_begin(d->t, "alice", target->www, RRTYPE_A);
    struct packet_view heard;

    for (unsigned slice = 0; slice < SLICES_MAX && !trial_wait(client, 0); slice++)
        if (trial_hear(d->ear, HEAR_SLICE_MS, &heard))
            attack_query(d, target, &heard);
    return trial_ask_end(client, REPLY_MS);
}

static void run_downgrade(struct trial *t)
{
    struct downgrade d = {.t = t,
                          .ear = trial_open_ear(t, "onpath"),
                          .forger = trial_open_forger(t, "onpath"),
                          .forger6 = trial_open_forger6(t, "onpath")};
    unsigned deceived = 0, unanswered = 0;
    bool is_deceived_without_edns = false;

    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        struct trial_reply reply = attack_target(&d, &targets[i]);
        bool is_deceived = strcmp(reply.address, "192.0.2.66") == 0;
        deceived += is_deceived;
        unanswered += !*reply.address;
        is_deceived_without_edns |= is_deceived && targets[i].strips_edns;
        trial_text(t, targets[i].www, "%s",
                   *reply.address   ? reply.address
                   : reply.has_come ? "SERVFAIL"
                                    : "no reply");
    }
    close(d.ear);
    close(d.forger);
    close(d.forger6);
    trial_number(t, "referrals-without-ds", d.referrals);
    trial_number(t, "answers-without-rrsig", d.answers);
    trial_number(t, "forged-formerr", d.refusals);
    trial_text(t, "edns-stripping", "%s",
               is_deceived_without_edns ? "deceives" : "denies service");
    if (deceived > 0)
        trial_end(t, true, "alice was sent to 192.0.2.66 for %u names of %zu", deceived,
                  ARRAY_LEN(targets));
    else
        trial_end(t, false, "no name leads to the attacker; %u of %zu have no answer",
                  unanswered, ARRAY_LEN(targets));
}

const struct experiment experiment_downgrade = {
    .name = "downgrade",
    .what = "an attacker on the path removes the signs that a zone is signed",
    .without = "dnssec",
    .needs_validation = true,
    .stopped =
        "DNSSEC: the parent must prove that a zone has no DS record, and the attacker "
        "cannot sign that proof.  Data without signatures are bogus then, and the client "
        "gets SERVFAIL: the attacker can deny service, but not deceive",
    .counters = {"bogus-replies"},
    .run = run_downgrade,
};
