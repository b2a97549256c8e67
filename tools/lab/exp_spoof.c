/* spoof: an attacker on the path answers first.
 *
 * An attacker who hears a query knows all that a reply must repeat: ports, ID, letters, cookie.
 * Its forged reply need only arrive before that of the server, which is farther away.  Of the
 * defences only signatures help: the attacker cannot make those of the zone. */
#include <unistd.h>

#include "tools/lab/experiment.h"

enum { HEAR_MS = 3000 };

/* Hear the resolver's queries until the client has its reply, and answer those that name the
 * bank. */
static unsigned forge_first(struct trial *t, int ear, int forger, int client)
{
    static struct trial_message m;
    static struct packet p;
    struct packet_view heard;
    struct message query;
    unsigned cnt = 0;

    while (!trial_wait(client, 0) && trial_hear(ear, HEAR_MS, &heard)) {
        uint8_t name[DNAME_MAX];
        trial_name("www.bank.com", name);
        if (addr_port(&heard.to) != 53 ||
            message_parse(heard.payload, heard.payload_len, &query) != MESSAGE_WHOLE ||
            query.flags & MESSAGE_QR || !query.has_question || query.flags & MESSAGE_RD ||
            !dname_is_equal(message_qname(&query), name))
            continue;
        trial_begin(&m, query.id, MESSAGE_QR | MESSAGE_AA, message_qname(&query), query.qtype);
        trial_record_a(&m, MESSAGE_ANSWER, "www.bank.com", 3600, "192.0.2.66");
        p = (struct packet){
            .from = heard.to, .to = heard.from, .payload = m.wire, .payload_len = m.len};
        packet_make(&p);
        trial_forge(t, forger, &p);
        trial_tell(t, "heard the query, ID %u, and answered it first", query.id);
        cnt++;
    }
    return cnt;
}

static void run_spoof(struct trial *t)
{
    int ear = trial_open_ear(t, "onpath"), forger = trial_open_forger(t, "onpath");
    int client = trial_ask_begin(t, "alice", "www.bank.com", RRTYPE_A);
    const unsigned forged = forge_first(t, ear, forger, client);
    struct trial_reply reply = trial_ask_end(client, HEAR_MS);

    close(ear);
    close(forger);
    trial_number(t, "queries-heard", forged);
    trial_text(t, "alice-got", "%s", *reply.address ? reply.address : "no address");
    if (strcmp(reply.address, "192.0.2.66") == 0)
        trial_end(t, true, "alice was sent to the attacker, 192.0.2.66");
    else if (*reply.address)
        trial_end(t, false, "alice got the bank's address %s", reply.address);
    else
        trial_end(t, false, "alice got RCODE %u and no address", reply.rcode);
}

const struct experiment experiment_spoof = {
    .name = "spoof",
    .what = "an attacker on the path hears a query and answers it before the server",
    .without = "dnssec",
    .needs_validation = true,
    .stopped = "DNSSEC: the attacker cannot sign for the zone; nothing else helps, because the "
               "attacker hears every number that a reply must repeat",
    .counters = {"bogus-replies"},
    .run = run_spoof,
};
