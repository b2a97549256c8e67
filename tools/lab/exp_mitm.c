/* mitm: an attacker between a client and its resolver.
 *
 * The last mile is the easiest to attack: an attacker in the client's network reads each name
 * that it asks for, and can answer in place of the resolver.  Validation in the resolver does
 * not help, because the client believes whatever seems to come from it.  Over TLS or HTTPS the
 * attacker sees that there is a conversation, and nothing else; and the client checks the
 * resolver's certificate. */
#include <unistd.h>

#include "dns/dname_text.h"
#include "tools/lab/experiment.h"

enum { HEAR_MITM_MS = 300, ANSWER_MS = 5000 };

/* Lifetime: the run. */
struct mitm {
    struct trial *t;
    int ear, forger;
    unsigned heard, read; /* packets of the client, and names read in them */
    char name[DNAME_TEXT_MAX];
};

/* What the attacker makes of a packet: if it is a query of alice, answer it. */
static void attack_packet(struct mitm *m, const struct packet_view *heard)
{
    static struct trial_message reply;
    static struct packet p;
    const struct addr alice = trial_addr("alice", addr_port(&heard->from));
    struct message query;

    if (!addr_is_equal(&heard->from, &alice))
        return;
    m->heard++;
    if (message_parse(heard->payload, heard->payload_len, &query) != MESSAGE_WHOLE ||
        query.flags & MESSAGE_QR || !query.has_question)
        return;
    m->read++;
    dname_text_print(message_qname(&query), m->name);
    trial_tell(m->t, "alice asks for %s; the attacker answers", m->name);
    trial_begin(&reply, query.id, MESSAGE_QR | MESSAGE_RD | MESSAGE_RA, message_qname(&query),
                query.qtype);
    trial_record_a(&reply, MESSAGE_ANSWER, m->name, 3600, "192.0.2.66");
    p = (struct packet){
        .from = heard->to, .to = heard->from, .payload = reply.wire, .payload_len = reply.len};
    packet_make(&p);
    trial_forge(m->t, m->forger, &p);
}

static void attack_all(struct mitm *m, int client)
{
    struct packet_view heard;

    while ((client < 0 || !trial_wait(client, 0)) && trial_hear(m->ear, HEAR_MITM_MS, &heard))
        attack_packet(m, &heard);
}

static void run_mitm(struct trial *t)
{
    struct mitm m = {
        .t = t, .ear = trial_open_ear(t, "onpath"), .forger = trial_open_forger(t, "onpath")};
    struct trial_reply reply;

    if (t->off.is_off[DEFENCE_ENCRYPTION]) {
        int client = trial_ask_begin(t, "alice", "www.bank.com", RRTYPE_A);
        attack_all(&m, client);
        reply = trial_ask_end(client, ANSWER_MS);
    } else {
        reply = trial_tls_ask(t, "alice", "www.bank.com", RRTYPE_A);
        attack_all(&m, -1);
    }
    close(m.ear);
    close(m.forger);
    trial_text(t, "transport", "%s", t->off.is_off[DEFENCE_ENCRYPTION] ? "UDP" : "TLS");
    trial_number(t, "names-read", m.read);
    trial_text(t, "read", "%s", m.read ? m.name : "nothing");
    trial_text(t, "alice-got", "%s", *reply.address ? reply.address : "no address");
    if (strcmp(reply.address, "192.0.2.66") == 0)
        trial_end(t, true, "alice was sent to the attacker, 192.0.2.66");
    else
        trial_end(t, m.read > 0 || !*reply.address, "alice got %s; names read: %u",
                  *reply.address ? reply.address : "no address", m.read);
}

const struct experiment experiment_mitm = {
    .name = "mitm",
    .what = "an attacker in the client's network reads its queries and answers them",
    .without = "encryption",
    .stopped = "DNS over TLS or HTTPS: the attacker can neither read nor forge, and the client "
               "checks the resolver's certificate.  DNSSEC in the resolver does not help here",
    .run = run_mitm,
};
