/* resolver/policy/local.h | names that this resolver answers itself, without a query upstream
 *
 * Local data of the configuration and of hosts files, special-use domain names (RFC 6761 and
 * its successors), and the reverse zones of addresses that are not globally unique (RFC 6303).
 * Wildcards work as in RFC 4592, empty non-terminals as in RFC 8020.
 *
 * Owner:    the version.
 * Thread:   any, once it is built.
 */
#pragma once

#include "base/diag.h"
#include "base/fault.h"
#include "dns/names.h"
#include "dns/rrset.h"

/* Lifetime: published version. */
struct local {
    struct names names;              /* struct local_name */
    const struct rrset *loopback[2]; /* addresses of localhost: A, AAAA */
    const struct rrset *soa; /* for local data outside all zones; its owner is the query name */
    bool has_dname;
};

/* Add the special-use and locally served zones.  ERR_NOMEM. */
MUST_USE enum err local_add_builtin(struct local *local, struct arena *arena);

/* Exempt names at and below `zone` from those zones, because a stub zone or forwarder answers
 * for them.  ERR_NOMEM. */
MUST_USE enum err local_except(struct local *local, const uint8_t *zone, struct arena *arena);

/* Lifetime: the call. */
struct local_record {
    const uint8_t *owner, *rdata;
    uint16_t type, rdata_len;
    uint32_t ttl;
};

/* Add one record; a duplicate changes nothing.  ERR_FORMAT: it contradicts another record, as
 * `fault` says.  ERR_LIMIT: its RRset would be larger than a message; `fault` says so for the
 * first such record of the RRset, and is "" for the others.  ERR_NOMEM.  `fault` may be NULL.
 */
MUST_USE enum err local_add(struct local *local, const struct local_record *record,
                            struct arena *arena, struct fault *fault);

/* Add the addresses and names of a hosts file, and a PTR record for the first name of each
 * line. A line that cannot be used is a warning in `diag`.  ERR_NOMEM. */
MUST_USE enum err local_add_hosts(struct local *local, const char *path, const char *text,
                                  size_t len, struct diag *diag, struct arena *arena);

enum local_kind {
    LOCAL_NONE,   /* there are no local data for the name */
    LOCAL_DATA,   /* `set` answers */
    LOCAL_CNAME,  /* `set` is a CNAME to follow */
    LOCAL_DNAME,  /* `set` is the DNAME of the suffix of `labels` labels */
    LOCAL_NODATA, /* a negative answer with `soa`, as is LOCAL_NXDOMAIN */
    LOCAL_NXDOMAIN,
};

struct local_answer {
    enum local_kind kind;
    const struct rrset *set;
    const uint8_t *zone; /* owner of `soa`; NULL: the query name */
    const struct rrset *soa;
    unsigned labels;
    bool has_below; /* LOCAL_NONE: there are local data below, so the name exists (RFC 8020) */
};

/* Return the answer to a query for the name and type. */
struct local_answer local_find(const struct local *local, const struct dname_parts *name,
                               uint16_t type);

/* Free what is outside the arena. */
void local_fini(struct local *local);
