/* dns/owners.h | numbering of the owner names of one message
 *
 * The names form a tree, and each label of the message is read once, however pointers lead to
 * it. So reading all owner names costs time linear in the message, and two names are equal if
 * their numbers are.
 *
 * Owner:    the caller; labels point into the message and into the names that were added.
 * Thread:   one at a time.
 * Words:    number - of a name, 0 for the root; steps - labels and pointers read so far.
 */
#pragma once

#include "base/cursor.h"
#include "dns/dname.h"

enum {
    OWNERS_MAX = 2048,          /* names of one message, with all their ancestors */
    OWNERS_POINTABLE = 1 << 14, /* number of offsets that a pointer can hold */
    OWNERS_NONE = UINT16_MAX,   /* no such name */
};

struct owners_name {
    uint64_t hash; /* dname_hash */
    const uint8_t *label;
    uint16_t parent;
    uint16_t first, last; /* for the caller; 0 when the name is added */
    uint8_t labels, len;
    bool is_marked; /* the name or an ancestor was marked */
};

/* Reused from message to message.  About 100 KB.
 * Lifetime: the caller's. */
struct owners {
    const uint8_t *wire;
    unsigned cnt, mask;
    unsigned steps;
    uint16_t at[OWNERS_POINTABLE];  /* by offset: 1 + number of the name there; 0: not read */
    uint16_t slots[2 * OWNERS_MAX]; /* by hash: 1 + number; 0: free */
    struct owners_name names[OWNERS_MAX];
};

/* Remove all names and begin a message of `len` octets. */
void owners_start(struct owners *owners, const uint8_t *wire, size_t len);

/* Read the name at the cursor, which is over the message, and set *number.  Pointers may only
 * lead backwards (RFC 1035 4.1.4).  ERR_FORMAT: not a name.  ERR_LIMIT: more than OWNERS_MAX
 * names.  On error the cursor has failed. */
MUST_USE enum err owners_read(struct owners *owners, struct cursor *c, uint16_t *number);

/* Add a checked name that is not in the message; it must outlive the names.  ERR_LIMIT: as
 * owners_read. */
MUST_USE enum err owners_add(struct owners *owners, const uint8_t *name, uint16_t *number);

/* Mark a name, and the names below it that are read or added later. */
void owners_mark(struct owners *owners, uint16_t number);

/* Return the number of the longest known suffix of a checked name. */
uint16_t owners_nearest(const struct owners *owners, const uint8_t *name);

/* Return the number of a checked name, OWNERS_NONE if it is not known. */
uint16_t owners_find(const struct owners *owners, const uint8_t *name);

/* Return true if a name is `parent` or below it. */
bool owners_is_under(const struct owners *owners, uint16_t number, uint16_t parent);

/* Write a name in wire format, with the case of its first occurrence. */
void owners_write(const struct owners *owners, uint16_t number, uint8_t out[DNAME_MAX]);
