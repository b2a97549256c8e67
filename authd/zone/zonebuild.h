/* authd/zone/zonebuild.h | builder of a zone from records in any order
 *
 * Collects records with their places in the files, sorts them canonically, and makes the nodes:
 * RRsets without duplicates, empty non-terminals, zone cuts and wildcards.
 *
 * Owner:    the build owns copies of all it is given until zonebuild_fini; the zone that it
 * makes shares no memory with it.
 * Thread:   one at a time.
 */
#pragma once

#include "authd/zone/zone.h"
#include "base/diag.h"

enum { ZONEBUILD_TTL_UNSET = UINT32_MAX }; /* replaced by the SOA's minimum when sorting */

/* Of a zone (docs/LIMITS.md section 4). */
enum {
    ZONEBUILD_FILES_MAX = 1000,
    ZONEBUILD_RECORDS_MAX = 100000000,
    ZONEBUILD_BYTES_MAX = INT32_MAX, /* octets of the texts */
};

/* An owner name, shared by consecutive records. */
struct zonebuild_owner {
    const uint8_t *key; /* dname_key: memcmp order is canonical order */
    uint16_t key_len;
    uint8_t name_len;
    uint8_t name[];
};

struct zonebuild_record {
    const struct zonebuild_owner *owner;
    const uint8_t *rdata;
    uint16_t len; /* octets of rdata */
    uint16_t type;
    uint32_t ttl;  /* seconds */
    uint32_t line; /* line and column count from 1 */
    uint16_t column;
    uint16_t file; /* index into zonebuild.files */
};

/* A text that records came from, kept to show the lines of faults. */
struct zonebuild_file {
    char *path;
    char *text;
    size_t len; /* bytes of text */
    struct file_stamp stamp;
};

/* Lifetime: the loading of one zone. */
struct zonebuild {
    uint8_t origin[DNAME_MAX];
    struct diag *diag;
    enum diag_level dnssec_level; /* of faults in signatures, denial and ZONEMD */
    struct slab_list memory;
    struct zonebuild_record *records;
    size_t cnt, size;
    struct zonebuild_file *files;
    size_t file_cnt;
    size_t file_bytes; /* of all texts */
    const struct zonebuild_owner *last_owner;
};

/* Make an empty build of the zone `origin`; findings go to `diag`, which must outlive it. */
void zonebuild_init(struct zonebuild *build, const uint8_t *origin, struct diag *diag);

/* Add a file's text, which was allocated by malloc; the build owns it from now on, also after
 * an error.  `path` is copied.  *number is the index for zonebuild_record.  ERR_LIMIT: too many
 * files or bytes; ERR_NOMEM. */
MUST_USE enum err zonebuild_add_file(struct zonebuild *build, const char *path, char *text,
                                     size_t len, const struct file_stamp *stamp,
                                     uint16_t *number);

/* Add a copy of `record` for `owner`, which must be at or below the origin; the RDATA must be
 * checked.  ERR_LIMIT: too many records; ERR_NOMEM. */
MUST_USE enum err zonebuild_add(struct zonebuild *build, const uint8_t *owner,
                                const struct zonebuild_record *record);

/* Add a finding at the place of record `i`. */
void zonebuild_report(struct zonebuild *build, enum diag_level level, size_t i, const char *fmt,
                      ...) PRINTF_LIKE(4, 5);

/* Give records without a TTL the SOA's minimum, sort all, and drop duplicates (RFC 2181 5);
 * each of these adds a warning.  ERR_NOMEM. */
MUST_USE enum err zonebuild_sort(struct zonebuild *build);

/* True if the record is an NSEC3 or a signature of one: its owner is a hash, not a name of the
 * zone (RFC 5155). */
bool zonebuild_is_hashed(const struct zonebuild_record *record);

/* In sorted records: true if records `a` and `b` have the same owner. */
static inline bool zonebuild_is_same_owner(const struct zonebuild *build, size_t a, size_t b)
{
    return build->records[a].owner == build->records[b].owner; /* zonebuild_sort shares them */
}

/* In sorted records: return the first record of the owner `name`; build->cnt if there is none.
 */
size_t zonebuild_find_owner(const struct zonebuild *build, const uint8_t *name);

/* In sorted records: return the first record of `type` of the owner whose first record is `i`;
 * build->cnt if there is none or `i` is build->cnt. */
size_t zonebuild_find_type(const struct zonebuild *build, size_t i, uint16_t type);

/* The same for the first signature that covers `type`. */
size_t zonebuild_find_signatures(const struct zonebuild *build, size_t i, uint16_t type);

/* The relation of an owner to the zone. */
enum zonebuild_view {
    ZONEBUILD_OWN,    /* authoritative data */
    ZONEBUILD_CUT,    /* a zone cut: only DS and NSEC are authoritative */
    ZONEBUILD_BELOW,  /* below a zone cut: glue, or never served */
    ZONEBUILD_HASHED, /* only NSEC3 and its signatures: no name of the zone */
};

/* A walk over the owners of sorted records.
 * Lifetime: the loop. */
struct zonebuild_walk {
    const struct zonebuild *build;
    size_t from, to; /* the owner's records are from..to - 1 */
    enum zonebuild_view view;
    const struct zonebuild_owner *cut; /* the last zone cut so far */
};

/* Step to the next owner; false after the last.  A walk begins with {.build = build}. */
bool zonebuild_next(struct zonebuild_walk *walk);

/* True if the RRset of record `r` of the walk's owner is authoritative, so that a signed zone
 * has signatures of it (RFC 4035 2.2). */
bool zonebuild_is_signed(const struct zonebuild_walk *walk, const struct zonebuild_record *r);

/* Return the type that a signature covers; 0 for other records. */
uint16_t zonebuild_covered(const struct zonebuild_record *record);

/* In sorted records: return the end of the RRset that begins with record `i`.  RRSIGs of
 * different covered types count as different RRsets. */
size_t zonebuild_rrset_end(const struct zonebuild *build, size_t i);

/* Get the parameters of the NSEC3 chain to serve: the first NSEC3PARAM whose chain includes the
 * apex (RFC 5155 7.3).  False if there is none.  *out points into the build. */
bool zonebuild_choose_params(const struct zonebuild *build, struct nsec3_params *out);

/* Make the zone from sorted records that passed zone_check; caller holds its only reference.
 * ERR_NOMEM, or ERR_LIMIT of index_put. */
MUST_USE enum err zonebuild_finish(struct zonebuild *build, struct zone **out);

/* Free everything that the build owns. */
void zonebuild_fini(struct zonebuild *build);
