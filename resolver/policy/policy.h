/* resolver/policy/policy.h | the part of the configuration that resolving reads
 *
 * Owner:    published: built by the main thread, read by all workers.
 * Thread:   any, once it is built.
 */
#pragma once

#include "base/conf.h"
#include "dns/edns.h"
#include "resolver/cache/cache.h"
#include "resolver/delegation/route.h"
#include "resolver/limits/budget.h"
#include "resolver/limits/quota.h"
#include "resolver/policy/local.h"
#include "resolver/policy/private.h"
#include "resolver/validate/anchor.h"
#include "resolver/validate/nta.h"

struct own;

/* The defences against forged replies (docs/LIMITS.md sections 1 and 2), from defences.def. All
 * are on; `lab` in the configuration switches off one at a time, inside a closed network only.
 */
struct policy_defences {
#define DEFENCE(field, id) bool field;
#include "resolver/policy/defences.def"
#undef DEFENCE
};

/* How many there are. */
enum {
#define DEFENCE(field, id) +1
    POLICY_DEFENCES = 0
#include "resolver/policy/defences.def"
#undef DEFENCE
};

/* The identifiers of the defences, in the order of the table. */
extern const char *const policy_defence_ids[POLICY_DEFENCES];

/* Zones and addresses that a feature is switched off for.  Lifetime: published version. */
struct policy_exempt {
    struct addr_prefixes addrs;
    const uint8_t **zones;
    size_t zone_cnt;
};

/* The defaults of what the configuration may change. */
enum {
    POLICY_TTL_MAX_S = 24 * 3600,
    POLICY_NEGATIVE_MAX_S = 3600,
    POLICY_STALE_MS = 24 * 3600 * 1000,
    POLICY_PORT = 53,
    POLICY_UDP_SIZE_LAB = 4096,
    POLICY_LAB_TEXT_MAX = EDNS_EDE_TEXT_MAX + 1,
};

/* Lifetime: published version. */
struct policy {
    struct arena arena;
    struct route route;
    struct local local;
    struct addr_prefixes allow;
    struct addr_prefixes exempt; /* clients without a limit of deferred queries */
    struct addr_prefixes do_not_query;
    struct private_addresses private;
    struct policy_exempt case_exempt, cookie_exempt, edns_exempt;
    struct policy_exempt tunnel_exempt; /* zones and clients */
    bool detects_tunnels;
    struct budget_limits limits;
    struct cache_ttls ttls;
    struct policy_defences defences;
    unsigned lab_off; /* those that `lab` switched off: bits, in the order of the table */
    char lab_text[POLICY_LAB_TEXT_MAX]; /* names them, for log and EDE; "": none */
    struct conf_addrs own; /* where this resolver listens: it sends no queries there */
    uint16_t outgoing_port;
    uint16_t udp_size;      /* of OPT in queries to servers */
    uint32_t stale_ttl;     /* RFC 8767 5: seconds, of stale records in answers */
    uint32_t stale_wait_ms; /* RFC 8767 5: the client response timer */
    int64_t stale_ms; /* RFC 8767 5: the maximum stale timer; 0: nothing is served stale */
    bool is_prefetching;
    bool is_minimising, is_priming, uses_v4, uses_v6;
    bool is_aggressive;                   /* RFC 8198 */
    struct anchor_set anchors;            /* that are trusted now */
    struct anchor_set configured_anchors; /* from which they were learned (RFC 5011); empty:
                                             they are the same */
    struct nta_set ntas;
    uint32_t trust;     /* hash of both, the same after a restart: policy_seal_trust sets it */
    bool is_validating; /* there are anchors */
    bool signals_anchors; /* RFC 8145 5 */
    struct policy *base;  /* that owns all parts but `anchors`; NULL: this version does */
    unsigned ref_cnt;     /* itself, and the versions whose base it is; main thread only */
};

/* Make a policy with the defaults (docs/LIMITS.md), without hints and trust anchors.  NULL
 * without memory. */
MUST_USE struct policy *policy_new(void);

/* Make a version that is like `before` but trusts other keys; both share all other parts, which
 * live until the last of them is freed.  Takes `anchors` over, and leaves an empty set.  NULL
 * without memory: then nothing is taken. */
MUST_USE struct policy *policy_with_anchors(struct policy *before, struct anchor_set *anchors);

/* Return the anchors of the configuration. */
const struct anchor_set *policy_configured_anchors(const struct policy *policy);

/* Clears the pointer; NULL inside is fine. */
void policy_free(struct policy **policy);

/* Note that the trust anchors and negative trust anchors are complete. */
void policy_seal_trust(struct policy *policy);

/* Use the defences of `lab` and note which are off: lab_off, lab_text, udp_size and
 * limits.validates_unlimited. */
void policy_use_lab(struct policy *policy, const struct policy_defences *lab);

/* Return one bit per defence that is off, in the order of the table. */
unsigned policy_defences_off(const struct policy_defences *defences);

/* Return true if `exempt` contains the address, or a zone at or above `name`. */
bool policy_is_exempt(const struct policy_exempt *exempt, const uint8_t *name,
                      const struct addr *addr);

/* Return true if queries may be sent to that address.  An address of this machine counts as a
 * server only if another process serves there.  `own` may be NULL: then this machine's
 * addresses are not known. */
bool policy_may_ask(const struct policy *policy, struct own *own, const struct addr *addr);
