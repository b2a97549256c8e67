/* dns/owners.h | the owner names of one message, each of them numbered
 *
 * Names are a tree whose nodes are read once, however the message's pointers lead to them:
 * reading the owners of a message costs as much as it has octets, and two names are the same if
 * their numbers are.
 *
 * Owner:    the caller; labels stay where they are, in the message and in the names that were
 * added.
 * Thread:   one at a time.
 * Words:     number - of a name, from 0 (the root) on; steps -
 * labels and pointers that were read.
 */
#pragma once

#include "base/cursor.h"
#include "dns/dname.h"

enum {
    OWNERS_MAX = 2048,          /* names of one message, and the names above them */
    OWNERS_POINTABLE = 1 << 14, /* offsets that a pointer can have */
    OWNERS_NONE = UINT16_MAX,   /* not one of them */
};

struct owners_name {
    uint64_t hash; /* as dname_hash gives it */
    const uint8_t *label;
    uint16_t parent;
    uint16_t first, last; /* the caller's, 0 at the start */
    uint8_t labels, len;
    bool is_marked; /* it, or a name above it */
};

/* Lifetime: one message after the other.  Large. */
struct owners {
    const uint8_t *wire;
    unsigned cnt, mask;
    unsigned steps;
    uint16_t
        at[OWNERS_POINTABLE]; /* 1 + the number of the name that begins there; 0: not read */
    uint16_t slots[2 * OWNERS_MAX]; /* 1 + number, by hash */
    struct owners_name names[OWNERS_MAX];
};

/* Forget all names, and begin with a message of `len` octets. */
void owners_start(struct owners *owners, const uint8_t *wire, size_t len);

/* The number of the name at the cursor, which stands in the message (RFC 1035 4.1.4; pointers
 * lead backwards only).  ERR_FORMAT; ERR_LIMIT: more than OWNERS_MAX. */
MUST_USE enum err owners_read(struct owners *owners, struct cursor *c, uint16_t *number);

/* Add a checked name that is not in the message.  ERR_LIMIT. */
MUST_USE enum err owners_add(struct owners *owners, const uint8_t *name, uint16_t *number);

/* Mark a name, and all below it that are read or added later. */
void owners_mark(struct owners *owners, uint16_t number);

/* The longest suffix of a checked name that is known. */
uint16_t owners_nearest(const struct owners *owners, const uint8_t *name);

/* The number of a checked name; OWNERS_NONE: it is not known. */
uint16_t owners_find(const struct owners *owners, const uint8_t *name);

/* Whether a name is `parent` or below it. */
bool owners_is_under(const struct owners *owners, uint16_t number, uint16_t parent);

/* Write a name out, as it was spelt where it was read first. */
void owners_write(const struct owners *owners, uint16_t number, uint8_t out[DNAME_MAX]);
