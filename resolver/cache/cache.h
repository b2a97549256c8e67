/* resolver/cache/cache.h | what is remembered of names, and for how long
 *
 * RRsets, their absence, failures and delegations, each with the time it was learnt, its rank
 * and the server it came from.  The rules of TTLs (RFC 2181 8, 2308 5), ranks (RFC 2181 5.4.1)
 * and failures (RFC 9520) are here, whatever store is below.
 *
 * Owner:    what is found is copied into the caller's arena.
 * Thread:   one worker.
 * Words:    rank - how much a source is to be believed; a lower one never replaces a higher one
 * that lives.
 */
#pragma once

#include "base/addr.h"
#include "dns/rrset.h"
#include "resolver/cache/cache_store.h"
#include "resolver/delegation/route.h"

enum cache_kind { CACHE_DATA = 1, CACHE_NODATA, CACHE_NXDOMAIN, CACHE_FAILURE };

/* Glue and other additional data is not kept as data at all. */
enum cache_rank {
    CACHE_ANSWER = 1, /* of a server that is not authoritative, or a forwarder */
    CACHE_AUTHORITATIVE,
};

/* Of the configuration, in seconds. */
struct cache_ttls {
    uint32_t min, max, negative_max;
};

enum {
    CACHE_FAILURE_MIN_S = 5, /* RFC 9520 3.2: doubled each time, up to five minutes */
    CACHE_FAILURE_MAX_S = 300,
};

enum { CACHE_USED_MAX = 4, CACHE_TYPES_MAX = 100 };

/* Which entries were found lately: what an answer depends on. */
struct cache_used {
    unsigned cnt; /* beyond CACHE_USED_MAX they are only counted */
    uint64_t hashes[CACHE_USED_MAX];
};

/* Lifetime: worker. */
struct cache {
    struct cache_store *store;
    const struct route
        *route; /* this turn's: what came another way is not found (docs/LIMITS.md
                                  section 2, MaginotDNS).  NULL: that does not count */
    struct cache_ttls ttls;
    int64_t start_ms; /* wall: failures from before it are not known: a restart tries anew */
    struct cache_used used; /* for whoever asks to clear and read */
};

/* When is asked, in milliseconds of wall time.  What was learnt at `since_ms` or later is found
 * whatever its TTL: an answer with TTL 0 serves those who waited for it (RFC 2181 8).  What
 * ended up to `stale_ms` ago is found too, for want of better (RFC 8767). */
struct cache_time {
    int64_t now_ms, since_ms, stale_ms;
    int64_t fresh_ms; /* what was learnt before is not found at all */
};

/* A name as the keys have it.  Lifetime: the caller's. */
struct cache_name {
    uint8_t key[1 + DNAME_KEY_MAX + 2];
    uint16_t
        end[DNAME_LABELS_MAX + 1]; /* end[n]: octets of the key of its suffix of n labels */
    unsigned labels;
    const uint8_t *dname; /* borrowed */
};

/* Of a checked name, which has to stay as long as the struct is used. */
void cache_name_init(struct cache_name *name, const uint8_t *dname);

/* What there is.  Lifetime: that of the arena. */
struct cache_found {
    enum cache_kind kind;
    enum cache_rank rank;
    uint64_t hash;       /* of its key */
    uint32_t ttl;        /* seconds left */
    uint32_t ttl_whole;  /* seconds that it was kept for */
    int64_t prefetch_ms; /* wall: when the last tenth of its life begins */
    bool is_stale;       /* none is: it ended at `expire_ms` */
    int64_t expire_ms;
    int64_t cached_ms;
    struct addr server;      /* sa_family 0: nobody in particular */
    uint8_t section;         /* of its message where it stood: enum message_section */
    uint8_t validation;      /* 0: not looked at */
    const struct rrset *set; /* DATA: the records; NODATA, NXDOMAIN: the SOA, or NULL */
    const uint8_t *soa_owner;
    uint16_t ede; /* FAILURE, as the next two */
    const char *text;
    unsigned failed_cnt; /* times in a row */
};

/* Look for data of a type, or NODATA, at the suffix of `labels` labels; false when there is
 * nothing that lives. */
bool cache_find(struct cache *cache, const struct cache_name *name, unsigned labels,
                uint16_t type, const struct cache_time *when, struct arena *arena,
                struct cache_found *out);

/* Look for what the name is an alias of. */
bool cache_find_cname(struct cache *cache, const struct cache_name *name,
                      const struct cache_time *when, struct arena *arena,
                      struct cache_found *out);

/* Whether anything is known that answers a question for the name and type: data or NODATA, an
 * alias, NXDOMAIN. */
bool cache_is_known(struct cache *cache, const struct cache_name *name, uint16_t type,
                    const struct cache_time *when, struct arena *arena);

/* Look for a failure to find out about a name and type. */
bool cache_find_failure(struct cache *cache, const struct cache_name *name, uint16_t type,
                        const struct cache_time *when, struct arena *arena,
                        struct cache_found *out);

/* Look for the name's not being there at all. */
bool cache_find_nxdomain(struct cache *cache, const struct cache_name *name,
                         const struct cache_time *when, struct arena *arena,
                         struct cache_found *out);

/* The DNAME at the nearest name above this one that has one, *labels long. */
bool cache_find_dname(struct cache *cache, const struct cache_name *name,
                      const struct cache_time *when, struct arena *arena,
                      struct cache_found *out, unsigned *labels);

/* Where an entry comes from. */
struct cache_origin {
    enum cache_rank rank;
    const struct addr *server; /* NULL: nobody in particular */
    int64_t now_ms;
    uint32_t route;   /* the tag of the configured cut that led there */
    uint8_t section;  /* enum message_section; 0: of no message */
    int64_t fresh_ms; /* wall: what was learnt before outranks nothing */
    bool is_for_now;  /* for the task that waits for it only: with TTL 0 */
};

/* Keep an RRset, with its signatures behind it if it has the flag.  ERR_SPACE: it is too large
 * to be kept. */
MUST_USE enum err cache_put(struct cache *cache, const uint8_t *owner, const struct rrset *set,
                            const struct cache_origin *origin);

/* Keep an absence: of a type (NODATA), or with type 0 of the name.  `soa` may be NULL: then it
 * is believed for a moment only (RFC 2308 5).  ERR_NOMEM: it could not be kept. */
MUST_USE enum err cache_put_negative(struct cache *cache, const uint8_t *owner, uint16_t type,
                                     const uint8_t *soa_owner, const struct rrset *soa,
                                     const struct cache_origin *origin);

/* What is kept under a name.  Lifetime: the call, and that of the arena. */
struct cache_entry {
    uint16_t type;                       /* 0: the name itself */
    const struct delegation *delegation; /* a delegation; NULL: found */
    struct cache_found found; /* of a delegation only times, server and section count */
    unsigned uses;            /* about, lately; up to SKETCH_MOST */
};

/* Show all of it, what has ended too. */
void cache_show(struct cache *cache, const struct cache_name *name, struct arena *arena,
                void (*show)(void *data, const struct cache_entry *entry), void *data);

/* Forget a name: its data, its delegation, its failures.  Returns how many entries. */
size_t cache_flush(struct cache *cache, const struct cache_name *name);

/* How far cache_flush_below has come.  Zeros: it begins. */
struct cache_flushing {
    struct cache_place place;
    unsigned space;
    unsigned idle; /* times in a row that nothing could be forgotten */
};

/* Forget the suffix of all labels and everything below it, some entries at a time: call it
 * again until it returns false, after other things.  *cnt grows by what went. */
bool cache_flush_below(struct cache *cache, const struct cache_name *name,
                       struct cache_flushing *flushing, size_t *cnt);

/* Count a use of all that was found lately: it is worth keeping.  What is found because it was
 * just learnt is not: names that nobody asks for again would drown the others. */
void cache_count_uses(struct cache *cache);

/* The tag of the configured servers that answer for the suffix of `labels` labels and a type
 * now. */
uint32_t cache_route(const struct cache *cache, const struct cache_name *name, unsigned labels,
                     uint16_t type);

/* Keep a failure of a name and type, longer each time in a row, and for at least `min_s`
 * seconds (RFC 9520 3.2). */
void cache_put_failure(struct cache *cache, const uint8_t *owner, uint16_t type, uint16_t ede,
                       const char *text, uint32_t min_s, const struct cache_origin *origin);

/* Keep a delegation for `ttl` seconds, but not beyond `expire_ms`, when that of the zone above
 * ends. */
void cache_put_delegation(struct cache *cache, const struct delegation *delegation,
                          uint32_t ttl, int64_t expire_ms, const struct cache_origin *origin);

/* The nearest delegation above or at the suffix of `labels` labels with at least `labels_min`
 * of them; its addresses get `port`, its zone is a suffix of the name that was looked for, and
 * it lives until *expire_ms. */
bool cache_find_delegation(struct cache *cache, const struct cache_name *name, unsigned labels,
                           unsigned labels_min, const struct cache_time *when, uint16_t port,
                           struct arena *arena, struct delegation *out, int64_t *expire_ms);
