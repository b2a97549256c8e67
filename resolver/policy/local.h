/* resolver/policy/local.h | names that are answered here and never asked upstream
 *
 * Local data of the configuration and of hosts files, special-use names (RFC 6761 and those
 * after it), and the reverse zones of addresses that are not unique (RFC 6303).  Wildcards are
 * those of RFC 4592, empty non-terminals those of RFC 8020.
 *
 * Owner:    the version.
 * Thread:   any, once it is built.
 */
#pragma once

#include "base/diag.h"
#include "dns/names.h"
#include "dns/rrset.h"

/* Lifetime: published version. */
struct local {
    struct names names;              /* struct local_name */
    const struct rrset *loopback[2]; /* addresses of localhost: A, AAAA */
    const struct rrset *soa;         /* of names outside every zone: the name itself owns it */
    bool has_dname;
};

/* The special-use and locally served zones. */
MUST_USE enum err local_add_builtin(struct local *local, struct arena *arena);

/* Take names at and below `zone` out of those zones: a stub or forwarder answers for them. */
MUST_USE enum err local_except(struct local *local, const uint8_t *zone, struct arena *arena);

/* Lifetime: the call. */
struct local_record {
    const uint8_t *owner, *rdata;
    uint16_t type, rdata_len;
    uint32_t ttl;
};

/* Add one record; one that is there already changes nothing.  ERR_FORMAT: it contradicts
 * another one, *why is a static phrase. ERR_LIMIT: its RRset would be larger than a message;
 * *why says so for the first such record of the set and is NULL for the others. */
MUST_USE enum err local_add(struct local *local, const struct local_record *record,
                            struct arena *arena, const char **why);

/* Add the addresses and names of a hosts file, and a PTR for the first name of a line.  Lines
 * that cannot be used are warnings in `diag`. */
MUST_USE enum err local_add_hosts(struct local *local, const char *path, const char *text,
                                  size_t len, struct diag *diag, struct arena *arena);

enum local_kind {
    LOCAL_NONE,   /* not ours */
    LOCAL_DATA,   /* `set` answers */
    LOCAL_CNAME,  /* `set` is a CNAME to follow */
    LOCAL_DNAME,  /* `set` is the DNAME of the suffix of `labels` labels */
    LOCAL_NODATA, /* `soa` goes along */
    LOCAL_NXDOMAIN,
};

struct local_answer {
    enum local_kind kind;
    const struct rrset *set;
    const uint8_t *zone; /* owner of `soa`; NULL: the name itself */
    const struct rrset *soa;
    unsigned labels;
    bool has_below; /* LOCAL_NONE: names below it are ours, so it exists (RFC 8020) */
};

/* What is said here of a name and type. */
struct local_answer local_find(const struct local *local, const struct dname_parts *name,
                               uint16_t type);

/* Free what is outside the arena. */
void local_fini(struct local *local);
