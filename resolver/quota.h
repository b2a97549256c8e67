/* layer 30 | resolver/quota.h | how many questions are out to one zone or one server
 *
 * Shared by all workers: a flood of random names below one zone (water torture) reaches its servers as so many
 * questions at a time and no more, and the other zones keep their share (limits.md section 3).
 *
 * Owner:    the daemon.
 * Thread:   new and free from the main thread, the others from any.
 */
#pragma once

#include <stdatomic.h>

#include "base/addr.h"
#include "dns/dname.h"

struct quota;

/* Of the configuration. */
struct quota_limits {
    uint32_t per_zone, per_server;
};

/* A quota with nothing spent; ERR_NOMEM. */
MUST_USE enum err quota_new(const struct quota_limits *limits, struct quota **out);

/* Free it.  Clears the pointer; NULL inside is fine. */
void quota_free(struct quota **quota);

/* How many questions of that client wait, in all workers; a /64 is one client, and clients that share a counter share its limit. */
_Atomic uint32_t *quota_client(struct quota *quota, const struct addr *client);

enum quota_verdict { QUOTA_SPENT, QUOTA_ZONE_FULL, QUOTA_SERVER_FULL };

/* Spend one question to `server` about `zone`, unless either has as many as it may.  Whoever spent gives it back. */
enum quota_verdict quota_spend(struct quota *quota, const uint8_t *zone,
                               const struct addr *server);
void quota_give_back(struct quota *quota, const uint8_t *zone, const struct addr *server);
