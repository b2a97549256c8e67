/* resolver/validate/sigmemo.h | signatures that were verified lately
 *
 * The SOA and the NSEC records of a zone come with each of its negative answers: their
 * signatures are verified once.  Only the arithmetic is saved; times, keys and names are
 * checked each time.
 *
 * Owner:    the engine.
 * Thread:   one worker.
 */
#pragma once

#include "resolver/validate/keyset.h"

struct sigmemo;

enum { SIGMEMO_SIGNATURES_MAX = 8192 }; /* that are remembered */

/* A digest of a signature and all that it depends on.  A value. */
struct sigmemo_mark {
    uint8_t digest[32];
};

/* Make an empty memo.  NULL without memory. */
MUST_USE struct sigmemo *sigmemo_new(void);

/* Compute the mark of one signature (RDATA of an RRSIG) of an RRset by a key.  Return false
 * without memory. */
bool sigmemo_mark(const uint8_t *owner, const struct rrset *set, const struct rrset_record *sig,
                  const struct keyset_key *key, struct sigmemo_mark *out);

/* Return true if the signature with this mark was verified. */
bool sigmemo_has(const struct sigmemo *memo, const struct sigmemo_mark *mark);

/* Remember a signature that was verified, perhaps in place of another. */
void sigmemo_add(struct sigmemo *memo, const struct sigmemo_mark *mark);

/* Clears the pointer; NULL inside is fine. */
void sigmemo_free(struct sigmemo **memo);
