/* resolver/validate/rollover.h | automatic updates of trust anchors (RFC 5011)
 *
 * A zone that has a configured anchor announces new keys in its DNSKEY RRset, signed by a key
 * that is trusted already, and revokes old ones.  For each zone this keeps the states of its
 * keys: what the configuration trusts, what was learned from it, and what is revoked and never
 * trusted again.  The caller queries for the DNSKEY RRset when rollover_find_due says so, hands
 * over the reply, and publishes the anchors of rollover_fill.
 *
 * No clock and no I/O: the caller passes the wall time.  A hold-down counts only time that
 * passes for the first time: a clock that is set back does not lengthen it when it runs again.
 *
 * Owner:    the caller, until rollover_free.
 * Thread:   one at a time.
 * Words:    present - in the zone's DNSKEY RRset, without the REVOKE bit; hold-down - how long
 * a new key must be present before it is trusted (RFC 5011 2.2).
 */
#pragma once

#include "resolver/validate/anchor.h"
#include "resolver/validate/trust.h"

enum {
    ROLLOVER_KEYS_MAX = 32,               /* of a zone; RFC 5011 2.4.3 wants at least 5 */
    ROLLOVER_RDATA_MAX = 1100,            /* octets of a key: RSA of 4096 bits, and some more */
    ROLLOVER_HOLD_S = 30 * 86400,         /* RFC 5011 2.4.1, 2.4.2 */
    ROLLOVER_MISSING_MAX_S = 366 * 86400, /* a missing key is forgotten, if another is valid */
    ROLLOVER_INTERVAL_MIN_S = 3600,       /* RFC 5011 2.3 */
    ROLLOVER_INTERVAL_MAX_S = 15 * 86400,
    ROLLOVER_RETRY_MAX_S = 86400,
};

/* RFC 5011 4.2. */
enum rollover_state {
    ROLLOVER_START,   /* not known; no key of a zone is in this state */
    ROLLOVER_PENDING, /* AddPend: new, in its hold-down */
    ROLLOVER_VALID,   /* trusted */
    ROLLOVER_MISSING, /* trusted, but not present */
    ROLLOVER_REVOKED, /* by its own signature: never trusted again */
    ROLLOVER_REMOVED, /* revoked, and not in the RRset for the hold-down time */
};

/* Lifetime: that of its zone. */
struct rollover_key {
    enum rollover_state state;
    int64_t since_s; /* wall time at which the state began */
    uint32_t held_s; /* how much of that time counts */
    uint32_t hold_s; /* ROLLOVER_PENDING: the hold-down, at least ROLLOVER_HOLD_S */
    uint8_t *rdata;  /* of the DNSKEY, the REVOKE bit clear */
    uint16_t len;
};

/* Lifetime: that of the rollover. */
struct rollover_zone {
    uint8_t zone[DNAME_MAX]; /* in lower case */
    struct rollover_key keys[ROLLOVER_KEYS_MAX];
    unsigned cnt;
    int64_t newest_s; /* the latest wall time of a good reply; 0: none yet */
    int64_t next_s;   /* wall time of the next query; 0: at once */
    uint32_t retry_s; /* time to the next query after a failure */
};

/* Lifetime: until rollover_free. */
struct rollover {
    struct anchor_set configured;
    struct rollover_zone *zones; /* one per configured anchor, in the same order */
    size_t cnt;
};

/* A state that changed.  Lifetime: values. */
struct rollover_change {
    enum rollover_state from, to; /* to ROLLOVER_START: the key is forgotten */
    uint16_t tag;                 /* of the key without the REVOKE bit */
    uint8_t algorithm;
};

/* What a reply changed.  Lifetime: the caller's. */
struct rollover_changes {
    struct rollover_change at[2 * ROLLOVER_KEYS_MAX];
    unsigned cnt;
};

/* A DNSKEY RRset that was queried for, with its signatures.  Lifetime: the call. */
struct rollover_reply {
    const struct rrset *keys;
    const struct rules *rules; /* with the same time */
    int64_t now_s;             /* wall time */
};

/* Copy the configured anchors; no key is learned yet.  ERR_NOMEM. */
MUST_USE enum err rollover_new(const struct anchor_set *configured, struct rollover **out);

/* Free everything and clear the pointer; NULL inside is fine. */
void rollover_free(struct rollover **rollover);

/* Process a reply for a zone of `r`, and set the time of its next query.  VERDICT_SECURE: the
 * RRset is signed by a trusted key.  Any other verdict says why it is not; the reply changes
 * nothing then, except that a trusted key may revoke itself.  VERDICT_INSECURE with
 * VERDICT_NO_DS: all keys of the zone are revoked, and it has no anchor any more (RFC 5011 5).
 * If rules->skips_time, only revocations are processed. */
struct verdict rollover_take(struct rollover *r, struct rollover_zone *zone,
                             const struct rollover_reply *reply, struct rules_work *work,
                             struct arena *arena, struct rollover_changes *changes);

/* Note that a query for the zone's keys got no usable reply, and set the time of the next. */
void rollover_fail(struct rollover_zone *zone, int64_t now_s);

/* Return the zone whose keys must be queried first, and set *due_s to the wall time of that
 * query, `now_s` at the earliest.  NULL: there is none. */
struct rollover_zone *rollover_find_due(const struct rollover *r, int64_t now_s,
                                        int64_t *due_s);

/* Add the anchors that are trusted now: the configured records except revoked keys, and the
 * learned keys that are valid or missing.  A zone without any has no anchor in `out`.
 * ERR_NOMEM. */
MUST_USE enum err rollover_fill(const struct rollover *r, struct anchor_set *out);

/* Return the key with this RDATA, whose REVOKE bit is clear; NULL: it is not known. */
struct rollover_key *rollover_find_key(struct rollover_zone *zone, const uint8_t *rdata,
                                       size_t len);

/* Add a key to the zone.  NULL: the zone has ROLLOVER_KEYS_MAX keys, the key is too large, or
 * there is no memory. */
struct rollover_key *rollover_add_key(struct rollover_zone *zone, const uint8_t *rdata,
                                      size_t len, enum rollover_state state, int64_t now_s);

/* Forget all keys of the zone that are not revoked or removed. */
void rollover_forget(struct rollover_zone *zone);

/* Return the state as a stable identifier, "pending".  Never NULL. */
const char *rollover_state_name(enum rollover_state state);
