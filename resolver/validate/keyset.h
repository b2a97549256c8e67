/* resolver/validate/keyset.h | the DNSKEYs of one zone, ready to verify its signatures
 *
 * A key is loaded into OpenSSL when a signature first needs it, and then kept.
 *
 * Owner:    the caller, until keyset_free.
 * Thread:   one worker.
 */
#pragma once

#include "dns/dnskey.h"
#include "dns/rrset.h"
#include "resolver/validate/verdict.h"

enum {
    KEYSET_MAX = 64,      /* keys of a zone */
    KEYSET_TRIES_MAX = 4, /* keys of one tag and algorithm that are tried (CVE-2023-50387) */
};

struct keyset_key {
    struct dnskey key; /* points into the set */
    size_t rdata_len;
    struct evp_pkey_st *loaded; /* NULL: not yet */
    bool is_broken;             /* it cannot be loaded */
    bool is_trusted;            /* its signatures count */
};

/* Lifetime: until keyset_free. */
struct keyset {
    uint8_t zone[DNAME_MAX]; /* in lower case */
    uint32_t ttl;            /* as sigcheck or trust caps it, seconds; the caller's */
    unsigned cnt;
    struct rrset *set; /* the DNSKEY RRset, without signatures */
    struct keyset_key keys[];
};

/* Copy the DNSKEY RRset of `zone`; no key is trusted yet.  ERR_LIMIT: more than KEYSET_MAX
 * keys; ERR_NOMEM. */
MUST_USE enum err keyset_new(const uint8_t *zone, const struct rrset *set, struct keyset **out);

/* Free the keys and clear the pointer; NULL inside is fine. */
void keyset_free(struct keyset **keys);

/* Return the reason that keeps a key from signing zone data: VERDICT_NOT_ZONE_KEY (RFC 4034
 * 2.1.1, 2.1.2) or VERDICT_REVOKED_KEY (RFC 5011 2.1); VERDICT_NONE if nothing does. */
enum verdict_reason keyset_fault(const struct dnskey *key);

/* Trust every key that may sign zone data. */
void keyset_trust_all(struct keyset *keys);

/* Return the RDATA of a key, `rdata_len` octets. */
static inline const uint8_t *keyset_rdata(const struct keyset_key *key)
{
    return key->key.key + key->key.key_len - key->rdata_len;
}

/* Load the key, or return the one that was loaded before.  ERR_FORMAT: it is broken, and is not
 * tried again; ERR_NOMEM. */
MUST_USE enum err keyset_load(struct keyset_key *key, struct evp_pkey_st **out);
