/* resolver/iterate/pick.h | the choice of a server address of a delegation
 *
 * The choice is random among the usable addresses in a band above the fastest one: queries go
 * to near servers, and a forger has to guess which.  One query in PICK_EXPLORE_ONE_IN goes to
 * any usable address, to measure it.
 *
 * Owner:    the caller.
 * Thread:   one worker.
 * Words:    band - the addresses whose round-trip time is within PICK_BAND_US of the best.
 */
#pragma once

#include "base/rng.h"
#include "resolver/iterate/infra.h"
#include "resolver/policy/policy.h"

enum {
    PICK_BAND_US = 40000,
    PICK_EXPLORE_ONE_IN = 16,
    PICK_TRIES_MAX = 3, /* of one address, per task */
};

/* Which of the addresses that the task may still try are usable. */
enum pick_pass {
    PICK_GOOD,        /* neither dead nor lame, and their family is up */
    PICK_LAST_RESORT, /* all but those that are dead for the subject (infra_is_dead) */
};

/* The facts that the choice depends on, besides the delegation.  A value; all pointers are
 * borrowed. */
struct pick_by {
    const struct infra *infra;
    const struct policy *policy;
    struct own *own; /* for policy_may_ask */
    struct rng *rng;
    uint64_t subject; /* for infra_is_dead and infra_is_bogus */
    uint64_t now_ms;  /* mono */
};

/* Why an address was chosen. */
enum pick_reason {
    PICK_ONLY,    /* no other is usable */
    PICK_NEAR,    /* at random within the band */
    PICK_UNKNOWN, /* at random: no round-trip time is known */
    PICK_EXPLORE, /* at random among all, to measure them */
};

/* A value. */
struct pick_why {
    enum pick_reason reason;
    uint8_t chosen_from; /* number of candidates */
    uint8_t of;          /* addresses of the delegation */
    uint32_t srtt_us;    /* of the chosen address; 0: unknown */
};

/* True if pick_next may choose the address in that pass. */
bool pick_may(const struct delegation *delegation, const struct delegation_addr *addr,
              const struct pick_by *by, enum pick_pass pass);

/* Choose an address: return its index in delegation->addrs and fill *why.  Return -1 and leave
 * *why alone if no address is usable. */
int pick_next(const struct delegation *delegation, const struct pick_by *by,
              enum pick_pass pass, struct pick_why *why);
