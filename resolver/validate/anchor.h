/* resolver/validate/anchor.h | trust anchors: keys that are trusted by configuration
 *
 * A zone's anchor is DS records, DNSKEY records, or both (RFC 4033 2): any one of them that
 * matches makes the zone's DNSKEY RRset trusted.
 *
 * Owner:    the anchor set holds its anchors and their RRsets.
 * Thread:   any once read; part of the published configuration.
 */
#pragma once

#include "base/diag.h"
#include "base/fault.h"
#include "dns/rrset.h"

struct rrline;

enum {
    ANCHOR_ZONES_MAX = 256,
    ANCHOR_RECORDS_MAX = 32, /* DS, and as many DNSKEY, per zone */
    ANCHOR_TAGS_MAX = 2 * ANCHOR_RECORDS_MAX,
};

/* One zone with an anchor.  Lifetime: that of its set. */
struct anchor {
    uint8_t zone[DNAME_MAX];
    struct rrset *ds, *keys; /* of type DS and DNSKEY; NULL: none */
};

/* Lifetime: the caller's.  Zeros: no anchors. */
struct anchor_set {
    struct anchor *anchors;
    size_t cnt, size;
};

/* The anchors of the public root zone as anchor_read reads them: the DS of both current KSKs,
 * tags 20326 and 38696.  The same as zones/root.key. */
extern const char anchor_root_text[];

/* Add the DS or DNSKEY record on one line of text; `line` is scratch space.  A record that is
 * there already is ignored.  ERR_ABSENT: the line has only white space or a comment, and
 * `fault` is unchanged.  ERR_CONFIG: `fault` says what is wrong with the line; ERR_NOMEM. */
MUST_USE enum err anchor_add(struct anchor_set *set, const char *text, size_t len,
                             struct rrline *line, struct fault *fault);

/* Add the DS and DNSKEY records of `text`, one per line in master file form; `file` serves
 * findings.  A record that is there already is ignored.  ERR_CONFIG: at least one line is
 * wrong, `diag` has findings, and the set holds what could be read; ERR_NOMEM. */
MUST_USE enum err anchor_read(struct anchor_set *set, const char *file, const char *text,
                              size_t len, struct diag *diag);

/* Add a DS or DNSKEY record.  ERR_LIMIT: too many zones, or records of the zone; ERR_NOMEM. */
MUST_USE enum err anchor_put(struct anchor_set *set, const uint8_t *zone, uint16_t type,
                             const struct rrset_record *record);

/* Add all anchors of `set` to `out`.  ERR_LIMIT, ERR_NOMEM. */
MUST_USE enum err anchor_copy(const struct anchor_set *set, struct anchor_set *out);

/* Return the anchor of the closest zone at or above `name`; NULL if there is none. */
const struct anchor *anchor_find(const struct anchor_set *set, const uint8_t *name);

/* Copy the key tags of the anchor, in ascending order and each once; return how many. */
size_t anchor_tags(const struct anchor *anchor, uint16_t out[ANCHOR_TAGS_MAX]);

/* Free the anchors, and leave an empty set. */
void anchor_fini(struct anchor_set *set);
