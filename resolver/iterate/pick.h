/* resolver/iterate/pick.h | choose the next server address of a cut
 *
 * Among the addresses that may be asked, at random within a band above the fastest one: near
 * servers serve, and who wants to forge a reply does not know which was asked.  One question in
 * sixteen explores the others.
 *
 * Owner:    the caller.
 * Thread:   one worker.
 * Words:    band - addresses whose round-trip time is within PICK_BAND_US of the best.
 */
#pragma once

#include "base/rng.h"
#include "resolver/iterate/infra.h"
#include "resolver/policy/policy.h"

enum {
    PICK_BAND_US = 40000,
    PICK_EXPLORE_ONE_IN = 16,
    PICK_TRIES_MAX = 3, /* of one address, by one task */
};

/* Which addresses count. */
enum pick_pass {
    PICK_GOOD,        /* neither dead nor lame, of a family that is up */
    PICK_LAST_RESORT, /* lame ones too, but none that is left alone for being silent */
};

/* What the choice depends on, besides the cut.  A value; all it names stays the caller's. */
struct pick_by {
    const struct infra *infra;
    const struct policy *policy;
    struct own *own; /* as policy_may_ask wants it */
    struct rng *rng;
    uint64_t subject; /* what a silence is about (infra) */
    uint64_t now_ms;  /* mono */
};

/* Why an address was chosen. */
enum pick_reason {
    PICK_ONLY,    /* no other may be asked */
    PICK_NEAR,    /* at random among the fast ones */
    PICK_UNKNOWN, /* at random: of none the time is known */
    PICK_EXPLORE, /* at random among all, to learn how fast they are */
};

/* A value. */
struct pick_why {
    enum pick_reason reason;
    uint8_t chosen_from, of; /* how many there were in that draw, and addresses in all */
    uint32_t srtt_us;        /* of the chosen one; 0: unknown */
};

/* True if pick_next may choose the address in that pass. */
bool pick_may(const struct delegation *delegation, const struct delegation_addr *addr,
              const struct pick_by *by, enum pick_pass pass);

/* The number of the chosen address; -1: none counts, and *why is as it was. */
int pick_next(const struct delegation *delegation, const struct pick_by *by,
              enum pick_pass pass, struct pick_why *why);
