/* net/transport/deferred.h | deferred answers over UDP
 *
 * The answers of one turn of the loop leave together.  An answer that took long and goes to an
 * address that may be spoofed is paced: answers that pile up behind a slow server must not
 * leave in one burst (DNSBomb, docs/LIMITS.md section 4).
 *
 * Owner:    the front that created it.
 * Thread:   the front's worker.
 */
#pragma once

#include <uv.h>

#include "net/request/exchange.h"

enum {
    DEFERRED_OUT_MAX = 4096,   /* the largest udp-size */
    DEFERRED_CONTROL_MAX = 64, /* octets of control messages: one in_pktinfo or in6_pktinfo */
};

struct deferred;

/* How the deferred answers of one socket are sent.  Lifetime: the call. */
struct deferred_terms {
    uv_loop_t *loop;
    int fd; /* the caller's, open until deferred_close */
    bool is_wildcard;
    struct rate_limit *rate_limit;
};

/* Create the queue of one socket.  ERR_NOMEM. */
MUST_USE enum err deferred_new(const struct deferred_terms *terms, struct deferred **out);

/* Return a copy of `ex` that is answered later, to the address `to`; `control` holds the
 * control messages of its datagram.  NULL if there is no memory. */
struct exchange *deferred_add(struct deferred *deferred, const struct exchange *ex,
                              const struct addr *to, const uint8_t *control,
                              size_t control_len);

/* Send the queued answers at once, close, and set *deferred to NULL; it may be NULL already.
 * Caller must have closed the engine, so that every deferred exchange was sent or dropped.  The
 * memory is freed when the loop has closed the handles. */
void deferred_close(struct deferred **deferred);
