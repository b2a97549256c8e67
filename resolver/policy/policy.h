/* resolver/policy/policy.h | everything of the configuration that resolving reads
 *
 * Owner:    published: built by the main thread, read by all workers.
 * Thread:   any, once it is built.
 */
#pragma once

#include "base/conf.h"
#include "resolver/cache/cache.h"
#include "resolver/delegation/route.h"
#include "resolver/limits/budget.h"
#include "resolver/limits/quota.h"
#include "resolver/policy/local.h"

struct own;

/* The defences against forged replies (docs/LIMITS.md sections 1 and 2), one bit each.  All are
 * on; a laboratory takes them away one at a time. */
struct policy_defences {
    bool random_id;       /* RFC 5452 9.2 */
    bool random_port;     /* RFC 5452 9.2 */
    bool random_case;     /* 0x20: letters of the question */
    bool cookies;         /* RFC 7873 */
    bool source;          /* a reply comes from where the question went */
    bool question;        /* it repeats the question */
    bool bailiwick;       /* a server speaks of names below its zone only */
    bool sections;        /* each section holds what belongs there, nothing else is believed */
    bool wrong_reply_tcp; /* the first reply that does not match moves the question to TCP */
    bool merging;         /* equal questions are asked once */
};

/* Names and servers that a habit of this resolver is not for.  Lifetime: published version. */
struct policy_exempt {
    struct addr_prefixes servers;
    const uint8_t **zones;
    size_t zone_cnt;
};

/* Lifetime: published version. */
struct policy {
    struct arena arena;
    struct route route;
    struct local local;
    struct addr_prefixes allow;
    struct addr_prefixes exempt; /* from the limit of questions that wait */
    struct addr_prefixes do_not_query;
    struct policy_exempt case_exempt, cookie_exempt, edns_exempt;
    struct budget_limits limits;
    struct cache_ttls ttls;
    struct policy_defences defences;
    struct conf_addrs own; /* where this resolver listens: it does not ask itself */
    uint16_t outgoing_port;
    uint16_t udp_size;                 /* that servers are told */
    uint32_t stale_ttl, stale_wait_ms; /* RFC 8767 5: of what is sent then, and how long a
                                          client waits for better */
    int64_t stale_ms; /* how long after its end an answer is better than none (RFC 8767); 0: it
                         never is */
    bool is_prefetching;
    bool is_minimising, is_priming, uses_v4, uses_v6;
};

/* One with the defaults (docs/LIMITS.md), without hints; NULL without memory. */
MUST_USE struct policy *policy_new(void);

/* Free it.  Clears the pointer; NULL inside is fine. */
void policy_free(struct policy **policy);

/* True if `exempt` holds the server or a zone at or above `name`. */
bool policy_is_exempt(const struct policy_exempt *exempt, const uint8_t *name,
                      const struct addr *server);

/* True if queries may be sent to that address.  An address of this machine counts as a server
 * only if another process serves there. `own` may be NULL: then this machine's addresses are
 * not known. */
bool policy_may_ask(const struct policy *policy, struct own *own, const struct addr *addr);
