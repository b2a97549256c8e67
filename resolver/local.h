/* layer 31 | resolver/local.h | names that are answered here and never asked upstream
 *
 * Local data of the configuration and of /etc/hosts, special-use names (RFC 6761 and those after it), and the reverse zones of addresses
 * that belong to nobody in particular (RFC 6303).
 *
 * Owner:    the version.
 * Thread:   any, once it is built.
 */
#pragma once

#include "dns/names.h"
#include "dns/rrset.h"

struct local_name;

/* Lifetime: published version. */
struct local {
    struct names names;              /* struct local_name */
    const struct rrset *loopback[2]; /* addresses of localhost: A, AAAA */
};

/* The special-use and locally served zones. */
MUST_USE enum err local_add_builtin(struct local *local, struct arena *arena);

/* Take names at and below `zone` out of those zones: a stub or forwarder answers for them. */
MUST_USE enum err local_except(struct local *local, const uint8_t *zone, struct arena *arena);

/* Add one record. */
MUST_USE enum err local_add(struct local *local, const uint8_t *owner, uint16_t type,
                            uint32_t ttl, const uint8_t *rdata, size_t rdata_len,
                            struct arena *arena);

/* Add what a file like /etc/hosts says: addresses, their names, and the way back.  Lines that are none are skipped. */
MUST_USE enum err local_add_hosts(struct local *local, const char *text, size_t len,
                                  struct arena *arena);

enum local_kind {
    LOCAL_NONE,  /* not ours */
    LOCAL_DATA,  /* `set` answers */
    LOCAL_CNAME, /* `set` is a CNAME to follow */
    LOCAL_NODATA, /* the name is ours, the type is not there; `zone` and `soa` when it has them */
    LOCAL_NXDOMAIN,
};

struct local_answer {
    enum local_kind kind;
    const struct rrset *set;
    const uint8_t *zone; /* NULL: no zone of ours, only data */
    const struct rrset *soa;
};

/* "data" and so on, for the trace. */
const char *local_kind_name(enum local_kind kind);

/* What is said here of a name and type. */
struct local_answer local_find(const struct local *local, const struct dname_parts *name,
                               uint16_t type);

/* Free what is outside the arena. */
void local_fini(struct local *local);
