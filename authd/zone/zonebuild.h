/* authd/zone/zonebuild.h | from records in any order to a zone
 *
 * Collects records with the place they came from, sorts them canonically, and makes nodes:
 * RRsets without duplicates, empty non-terminals, cuts and wildcards marked.
 *
 * Owner:    the build owns all copies until zonebuild_fini; the zone it makes shares nothing
 * with it.
 * Thread:   one at a time.
 */
#pragma once

#include "authd/zone/zone.h"
#include "base/diag.h"

enum { ZONEBUILD_TTL_UNSET = UINT32_MAX }; /* takes the SOA's minimum in the end */

/* An owner name, shared by records that follow one another. */
struct zonebuild_owner {
    const uint8_t *key; /* dname_key: memcmp order is canonical order */
    uint16_t key_len;
    uint8_t name_len;
    uint8_t name[];
};

struct zonebuild_record {
    const struct zonebuild_owner *owner;
    const uint8_t *rdata;
    uint16_t len;
    uint16_t type;
    uint32_t ttl;
    uint32_t line;
    uint16_t column;
    uint16_t file; /* number in files */
};

/* A text the records came from, kept for places. */
struct zonebuild_file {
    char *path;
    char *text;
    size_t len;
    struct file_stamp stamp;
};

/* Lifetime: one loading. */
struct zonebuild {
    uint8_t origin[DNAME_MAX];
    struct diag *diag;
    enum diag_level signing; /* how faults of signatures and their chain count */
    struct slab_list memory;
    struct zonebuild_record *records;
    size_t cnt, size;
    struct zonebuild_file *files;
    size_t file_cnt;
    size_t file_bytes;
    const struct zonebuild_owner *last_owner;
};

/* An empty build for the zone `origin`; findings go to `diag`. */
void zonebuild_init(struct zonebuild *build, const uint8_t *origin, struct diag *diag);

/* Keep a file's text (ERR_LIMIT: too many of them); it belongs to the build from now on.
 * *number is for zonebuild_record. */
MUST_USE enum err zonebuild_add_file(struct zonebuild *build, const char *path, char *text,
                                     size_t len, const struct file_stamp *stamp,
                                     uint16_t *number);

/* Add a record; owner and rdata are copied.  The owner is at or below the origin, the RDATA
 * checked. */
MUST_USE enum err zonebuild_add(struct zonebuild *build, const uint8_t *owner,
                                const struct zonebuild_record *record);

/* Add a finding at the place of record `i`. */
void zonebuild_report(struct zonebuild *build, enum diag_level level, size_t i, const char *fmt,
                      ...) PRINTF_LIKE(4, 5);

/* Give records without a TTL the SOA's minimum, sort, and drop duplicates (RFC 2181 5), saying
 * so. */
MUST_USE enum err zonebuild_sort(struct zonebuild *build);

/* Whether the record belongs to the hashed names of RFC 5155: NSEC3 and its signatures. */
bool zonebuild_is_hashed(const struct zonebuild_record *record);

/* In sorted records: the first one of the owner `name`; build->cnt when there is none. */
size_t zonebuild_find_owner(const struct zonebuild *build, const uint8_t *name);

/* In sorted records: the first one of `type` among those of the owner that begins at `i`, which
 * may be build->cnt; build->cnt when there is none. */
size_t zonebuild_find_type(const struct zonebuild *build, size_t i, uint16_t type);

/* The same of the signatures that cover `type`. */
size_t zonebuild_find_signatures(const struct zonebuild *build, size_t i, uint16_t type);

/* How the zone sees an owner. */
enum zonebuild_view {
    ZONEBUILD_OWN,    /* the zone's own data */
    ZONEBUILD_CUT,    /* a zone cut: only DS and NSEC are the zone's own */
    ZONEBUILD_BELOW,  /* below a cut: glue, or hidden */
    ZONEBUILD_HASHED, /* NSEC3 and its signatures, no name of the zone */
};

/* A walk over the owners of sorted records.  Lifetime: the loop. */
struct zonebuild_walk {
    const struct zonebuild *build;
    size_t from, to; /* the owner's records */
    enum zonebuild_view view;
    const struct zonebuild_owner *cut; /* the last one */
};

/* Step to the next owner; a walk begins with {.build = build}.  False behind the last. */
bool zonebuild_next(struct zonebuild_walk *walk);

/* The type that a signature covers, 0 for other records. */
uint16_t zonebuild_covered(const struct zonebuild_record *record);

/* The end of the RRset that begins with record `i`: one owner and type, of RRSIG one covered
 * type. */
size_t zonebuild_rrset_end(const struct zonebuild *build, size_t i);

/* The parameters of the NSEC3 chain that will be served: of those in NSEC3PARAM the first whose
 * chain has the apex (RFC 5155 7.3).  False when NSEC has to do. */
bool zonebuild_choose_params(const struct zonebuild *build, struct nsec3_params *out);

/* Make the zone from sorted records that zone_check found right. */
MUST_USE enum err zonebuild_finish(struct zonebuild *build, struct zone **out);

/* Free everything. */
void zonebuild_fini(struct zonebuild *build);
