/* resolver/cache/cache.h | the resolver's cache: RRsets, negative answers, failures,
 * delegations
 *
 * Each entry has the time it was cached, its rank and the server it came from.  The rules for
 * TTLs (RFC 2181 8, RFC 2308 5), ranks (RFC 2181 5.4.1) and cached failures (RFC 9520) are
 * here, whichever store keeps the octets.
 *
 * Owner:    what a lookup returns is copied into the caller's arena.
 * Thread:   one worker.
 * Words:    rank - how trustworthy the source is; an entry never replaces one of higher rank
 * that is alive, that is, that has not expired.
 */
#pragma once

#include "base/addr.h"
#include "dns/rrset.h"
#include "resolver/cache/cache_store.h"
#include "resolver/delegation/route.h"

enum cache_kind { CACHE_DATA = 1, CACHE_NODATA, CACHE_NXDOMAIN, CACHE_FAILURE };

/* The ranks of RFC 2181 5.4.1 that are cached as data.  The lower ones, glue and other
 * additional data, are cached in delegations only. */
enum cache_rank {
    CACHE_NONAUTH_ANSWER = 1, /* a non-authoritative answer, or a forwarder's */
    CACHE_AUTH_ANSWER,        /* an authoritative answer */
};

/* The security state of an entry (RFC 4033 5). */
enum cache_security {
    CACHE_UNCHECKED, /* validation is off */
    CACHE_SECURE,    /* validated */
    CACHE_INSECURE,  /* not below a trust anchor, or proved to be unsigned */
    CACHE_BOGUS,     /* only queries with CD see it */
};

enum { CACHE_PROOFS_MAX = 16 }; /* of one entry */

/* An NSEC or NSEC3 RRset with its signatures.  Borrowed. */
struct cache_proof {
    const uint8_t *owner;
    const struct rrset *set;
};

/* The records that prove an entry: that the name or type of a negative answer does not exist,
 * or that a wildcard may answer.  Lifetime: that of what it points to. */
struct cache_proofs {
    unsigned cnt;
    struct cache_proof at[CACHE_PROOFS_MAX];
};

/* Bounds of the configuration, in seconds. */
struct cache_ttls {
    uint32_t min, max, negative_max;
};

enum {
    CACHE_FAILURE_MIN_S = 5, /* RFC 9520 3.2: doubled each time, up to five minutes */
    CACHE_FAILURE_MAX_S = 300,
    CACHE_BOGUS_MAX_S = 60, /* of bogus data, which queries with CD see */
};

enum { CACHE_USED_MAX = 4, CACHE_TYPES_MAX = 100 };

/* The entries that lookups have found since the caller set `cnt` to 0: an answer depends on
 * them. */
struct cache_used {
    unsigned cnt; /* those beyond CACHE_USED_MAX are counted, but not listed */
    uint64_t hashes[CACHE_USED_MAX];
};

/* Lifetime: worker. */
struct cache {
    struct cache_store *store;
    /* The configured servers of this turn: an entry that came from others is not found
     * (docs/LIMITS.md section 2, MaginotDNS).  NULL: entries from all servers are found. */
    const struct route *route;
    struct cache_ttls ttls;
    bool is_validating; /* data that is CACHE_UNCHECKED is not found */
    uint32_t trust; /* hash of the trust anchors: entries validated with others are not found */
    int64_t start_ms; /* wall: older failures are not found, so a restart tries anew */
    struct cache_used used;
};

/* The moments a lookup depends on, in milliseconds of wall time.
 *
 * A client's query and a task each note the time they began, `since_ms`.  What was cached since
 * then counts as alive whatever its TTL, because an answer with TTL 0 has to reach the query
 * that caused it (RFC 2181 8).  A query that wants nothing from the cache (`rootline explain
 * --no-cache`) sets `fresh_ms` to the time it began: older entries are not found, and its own
 * answers are. */
struct cache_time {
    int64_t now_ms;
    int64_t since_ms;  /* what was cached at this time or later is alive; INT64_MAX: nothing is
                        * for that reason */
    int64_t stale_ms;  /* an entry is found until so long after it expired (RFC 8767) */
    int64_t fresh_ms;  /* what was cached before is not found; 0: it is */
    bool admits_bogus; /* bogus data is found where there is no other (CD, RFC 4035 3.2.2) */
};

/* A name as the keys have it.  Lifetime: the caller's. */
struct cache_name {
    uint8_t key[1 + DNAME_KEY_MAX + 2];
    uint16_t end[DNAME_LABELS_MAX + 1]; /* end[n]: key octets of the suffix of n labels */
    unsigned labels;
    const uint8_t *dname; /* borrowed */
};

/* Prepare the keys of a checked name.  `dname` must stay valid as long as `name` is used. */
void cache_name_init(struct cache_name *name, const uint8_t *dname);

/* An entry that was found.  Lifetime: that of the arena. */
struct cache_found {
    enum cache_kind kind;
    enum cache_rank rank;
    uint64_t hash;       /* of its key */
    uint32_t ttl;        /* seconds left */
    uint32_t ttl_whole;  /* seconds it was cached for */
    int64_t prefetch_ms; /* wall: when the last tenth of its TTL begins */
    bool is_stale;       /* it expired at `expire_ms` */
    int64_t expire_ms;
    int64_t cached_ms;
    struct addr server; /* where it came from; sa_family 0: no single server */
    uint8_t section;    /* enum message_section: where it stood in its message */
    enum cache_security security;
    bool is_cut; /* NODATA for a DS: the name is a delegation, and what is below is insecure */
    bool is_synthesised; /* no entry: made from denials in the cache (RFC 8198) */
    struct cache_proofs proofs;
    const struct rrset *set; /* DATA: the records; NODATA, NXDOMAIN: the SOA, or NULL */
    const uint8_t *soa_owner;
    uint16_t ede; /* INFO-CODE (RFC 8914) of a FAILURE, or why the zone of CACHE_INSECURE data
                     counts as unsigned; 0: for no reason that has one */
    const char *text;    /* FAILURE: EXTRA-TEXT */
    unsigned failed_cnt; /* FAILURE: failures in a row before it */
};

/* Find data of a type, or NODATA, at the suffix of `labels` labels.  Return false if there is
 * no entry that `when` admits. */
bool cache_find(struct cache *cache, const struct cache_name *name, unsigned labels,
                uint16_t type, const struct cache_time *when, struct arena *arena,
                struct cache_found *out);

/* Find the CNAME of the name. */
bool cache_find_cname(struct cache *cache, const struct cache_name *name,
                      const struct cache_time *when, struct arena *arena,
                      struct cache_found *out);

/* Return true if the cache can answer a query for the name and type: it has data, NODATA, a
 * CNAME or NXDOMAIN. */
bool cache_is_known(struct cache *cache, const struct cache_name *name, uint16_t type,
                    const struct cache_time *when, struct arena *arena);

/* Find the cached failure to resolve the name and type (RFC 9520). */
bool cache_find_failure(struct cache *cache, const struct cache_name *name, uint16_t type,
                        const struct cache_time *when, struct arena *arena,
                        struct cache_found *out);

/* Find what is known of the zone cut at the suffix of `labels` labels: its DS RRset, or the
 * proof that there is none, which is NODATA.  It also finds proofs that came with a referral,
 * without the SOA that an answer would need. */
bool cache_find_cut(struct cache *cache, const struct cache_name *name, unsigned labels,
                    const struct cache_time *when, struct arena *arena,
                    struct cache_found *out);

/* Find NXDOMAIN for the name. */
bool cache_find_nxdomain(struct cache *cache, const struct cache_name *name,
                         const struct cache_time *when, struct arena *arena,
                         struct cache_found *out);

/* Find the DNAME nearest above the name; its owner is the suffix of *labels labels. */
bool cache_find_dname(struct cache *cache, const struct cache_name *name,
                      const struct cache_time *when, struct arena *arena,
                      struct cache_found *out, unsigned *labels);

/* Where a new entry comes from. */
struct cache_origin {
    enum cache_rank rank;
    const struct addr *server; /* NULL: no single server */
    int64_t now_ms;            /* wall */
    uint32_t route;   /* tag of the configured servers that led there: see cache_route */
    uint8_t section;  /* enum message_section; 0: none */
    int64_t fresh_ms; /* as in struct cache_time: an older entry outranks nothing */
    bool is_for_now;  /* cache it with TTL 0, for the queries that wait for it only */
    enum cache_security security;
    const struct cache_proofs *proofs; /* NULL: none */
    bool is_cut;                       /* as in struct cache_found */
    uint16_t ede;                      /* the same, of CACHE_INSECURE */
};

/* Cache an RRset, with the signatures behind it if its flag says so.  An entry of higher rank
 * stays: that is ERR_OK too.  ERR_SPACE if the RRset is too large, ERR_NOMEM. */
MUST_USE enum err cache_put(struct cache *cache, const uint8_t *owner, const struct rrset *set,
                            const struct cache_origin *origin);

/* Cache a negative answer: NODATA for `type`, or NXDOMAIN if it is 0.  Without `soa` (NULL) it
 * is cached for five seconds only: RFC 2308 5 takes the TTL from the SOA.  ERR_NOMEM,
 * ERR_SPACE. */
MUST_USE enum err cache_put_negative(struct cache *cache, const uint8_t *owner, uint16_t type,
                                     const uint8_t *soa_owner, const struct rrset *soa,
                                     const struct cache_origin *origin);

/* Cache the proof of a referral that the zone cut `owner` has no DS, for `ttl` seconds.  Only
 * cache_find_cut finds it.  ERR_NOMEM, ERR_SPACE. */
MUST_USE enum err cache_put_cut(struct cache *cache, const uint8_t *owner, uint32_t ttl,
                                const struct cache_origin *origin);

/* An entry as `cache show` lists it.  Lifetime: the call, and that of the arena. */
struct cache_entry {
    uint16_t type;                       /* 0: the name itself */
    const struct delegation *delegation; /* NULL: `found` is the entry */
    struct cache_found found; /* of a delegation only times, server and section count */
    unsigned uses;            /* recent ones, about; up to SKETCH_MOST */
};

/* Call `show` for each entry of the name, also those that expired within the last day. */
void cache_show(struct cache *cache, const struct cache_name *name, struct arena *arena,
                void (*show)(void *data, const struct cache_entry *entry), void *data);

/* Return the hash of the key of an RRset, whether it is cached or not. */
uint64_t cache_hash(const struct cache_name *name, uint16_t type);

/* Note the use of an entry in `cache->used`. */
void cache_note_use(struct cache *cache, uint64_t hash);

/* Return how long a negative answer with this SOA may be cached, in seconds: the smaller of the
 * SOA's TTL and its MINIMUM (RFC 2308 5), and no more than the configuration allows. */
uint32_t cache_negative_ttl(const struct cache *cache, const struct rrset *soa);

/* Return true if an entry that was cached at `cached_ms` says that the clock was set back since
 * then, so that its age is unknown. */
bool cache_is_ahead(int64_t cached_ms, int64_t now_ms);

/* Delete the data, the delegation and the failures of a name, and no longer use the denials of
 * the zones at and above it.  Return the number of entries. */
size_t cache_flush(struct cache *cache, const struct cache_name *name);

/* The progress of cache_flush_below.  All zeros: it has not begun. */
struct cache_flushing {
    struct cache_place place;
    unsigned space;
    unsigned idle; /* calls in a row that deleted nothing */
};

/* Delete some entries of the name and of the names below it, and add their number to *cnt.
 * Return true if there may be more: call again in a later turn. */
bool cache_flush_below(struct cache *cache, const struct cache_name *name,
                       struct cache_flushing *flushing, size_t *cnt);

/* Count a use of each entry in `cache->used`, so that eviction spares it.  Only cache hits
 * count, not answers that were just resolved: names that are queried once would crowd out the
 * others. */
void cache_count_uses(struct cache *cache);

/* Return the tag of the configured servers that now answer for the suffix of `labels` labels:
 * hints, stub zone or forwarder.  For a DS they are those of the parent (RFC 4035 3.1.4.1). */
uint32_t cache_route(const struct cache *cache, const struct cache_name *name, unsigned labels,
                     uint16_t type);

/* Cache the failure to resolve a name and type, for twice as long with each failure in a row
 * and for at least `min_s` seconds (RFC 9520 3.2). */
void cache_put_failure(struct cache *cache, const uint8_t *owner, uint16_t type, uint16_t ede,
                       const char *text, uint32_t min_s, const struct cache_origin *origin);

/* Cache a delegation for `ttl` seconds, but not beyond `expire_ms` (wall), when the delegation
 * of the zone above expires. */
void cache_put_delegation(struct cache *cache, const struct delegation *delegation,
                          uint32_t ttl, int64_t expire_ms, const struct cache_origin *origin);

/* Find the nearest delegation at or above the suffix of `labels` labels that has at least
 * `labels_min` labels.  Its addresses get `port`; its zone points into the name that was looked
 * up; it expires at *expire_ms (wall). */
bool cache_find_delegation(struct cache *cache, const struct cache_name *name, unsigned labels,
                           unsigned labels_min, const struct cache_time *when, uint16_t port,
                           struct arena *arena, struct delegation *out, int64_t *expire_ms);
