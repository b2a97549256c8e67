/* net/request/rate_limit.h | response rate limiting, and the pacing of deferred answers
 *
 * Both keep a victim from being flooded with answers to queries that carry its address: rate
 * limiting bounds the answers per second to a network, pacing keeps answers that were deferred
 * from leaving in one pulse (DNSBomb).  The state is arrays of atomics that all workers share.
 *
 * Owner:    the daemon.
 * Thread:   new and free from the main thread, everything else from any.
 * Words:    network - the /24 of an IPv4 address, the /56 of an IPv6 address;
 *           slip - send every so many answers above the limit, truncated.
 */
#pragma once

#include <stdatomic.h>

#include "base/addr.h"

struct rate_limit;

/* Lifetime: the configuration's. */
struct rate_limit_conf {
    uint32_t per_second; /* answers to a network; 0: no limit */
    uint32_t slip;       /* every so many answers above the limit slip; 0: none */
    bool is_log_only;    /* count the answers above the limit, but send them */
    struct addr_prefixes exempt;
};

enum {
    RATE_LIMIT_PER_SECOND_MAX = 10000,
    RATE_LIMIT_PACE_TENTHS = 18,   /* answers per query, in tenths, that pacing lets through */
    RATE_LIMIT_PACE_MAX_MS = 1900, /* the longest that pacing delays an answer */
};

/* Counts since the start. */
struct rate_limit_counts {
    uint64_t dropped, slipped;     /* answers above the limit */
    uint64_t paced, paced_dropped; /* deferred answers: delayed, and dropped instead */
};

/* Create a limiter.  `conf` is copied, but not the prefixes it points to.  ERR_NOMEM. */
MUST_USE enum err rate_limit_new(const struct rate_limit_conf *conf, struct rate_limit **out);

/* Free *limit and set it to NULL; it may be NULL already. */
void rate_limit_free(struct rate_limit **limit);

enum rate_limit_verdict { RATE_LIMIT_PASS, RATE_LIMIT_DROP, RATE_LIMIT_SLIP };

/* True if there is a limit on answers per second; `limit` may be NULL: there is none. */
bool rate_limit_is_on(const struct rate_limit *limit);

/* Count one answer to `peer` and return what to do with it.  Only if rate_limit_is_on. `now_us`
 * is monotonic; `turn` is the number of the query, which decides which answers slip. */
enum rate_limit_verdict rate_limit_spend(struct rate_limit *limit, const struct addr *peer,
                                         uint64_t now_us, unsigned turn);

/* Count a query of `peer` over UDP whose answer is deferred.  Return the number of such queries
 * of its client in the last 50 ms, this one included. */
unsigned rate_limit_note_deferred(struct rate_limit *limit, const struct addr *peer,
                                  uint64_t now_us);

/* Schedule a deferred answer: *at_us is when to send it, now or later.  Answers to a client
 * leave at no more than about twice the rate of its queries; `rate` is what
 * rate_limit_note_deferred returned for the query.  A prompt answer waits only if others of the
 * client wait, and is never dropped.  Exempt clients are not paced.  False: drop the answer. */
bool rate_limit_pace(struct rate_limit *limit, const struct addr *peer, unsigned rate,
                     bool is_prompt, uint64_t now_us, uint64_t *at_us);

/* Return the counts. */
struct rate_limit_counts rate_limit_counts(const struct rate_limit *limit);
