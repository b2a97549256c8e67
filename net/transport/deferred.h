/* net/transport/deferred.h | answers over UDP that come later than the batch of their query
 *
 * The answers of one turn of the loop leave together.  One that took long and goes to an
 * address that may be spoofed is paced: answers heaped up behind a slow server must not leave
 * in one burst (DNSBomb, docs/LIMITS.md section 4).
 *
 * Owner:    the front that made it.
 * Thread:   the front's worker.
 */
#pragma once

#include <uv.h>

#include "net/request/exchange.h"

enum {
    DEFERRED_OUT_MAX = 4096,   /* the largest udp-size */
    DEFERRED_CONTROL_MAX = 64, /* one pktinfo */
};

struct deferred;

/* What the answers of one socket need.  Lifetime: the call. */
struct deferred_terms {
    uv_loop_t *loop;
    int fd; /* stays the caller's */
    bool is_wildcard;
    struct rate_limit *rate_limit;
};

/* ERR_NOMEM. */
MUST_USE enum err deferred_new(const struct deferred_terms *terms, struct deferred **out);

/* A copy of `ex` that is answered later, to the address `to`; `control` has the control
 * messages of its datagram.  NULL: no memory. */
struct exchange *deferred_add(struct deferred *deferred, const struct exchange *ex,
                              const struct addr *to, const uint8_t *control,
                              size_t control_len);

/* Send what waits, at once, and close; the engine has no exchange of it any more.  The memory
 * goes when the loop has closed the handles. Clears the pointer; NULL inside is fine. */
void deferred_close(struct deferred **deferred);
