/* resolver/iterate/infra.h | the infrastructure cache: properties of server addresses
 *
 * Round-trip time, timeouts, support of EDNS, 0x20 and cookies, lameness, and whether each
 * address family works.  Only replies that match their query set them.  An address that is not
 * used for INFRA_KEEP_MS is forgotten.
 *
 * Owner:    the engine.
 * Thread:   one worker.
 * Words:    srtt - smoothed round-trip time (RFC 6298 2).
 * Words:    rto - the time to wait for a reply (RFC 6298 2).
 * Words:    lame - does not serve a zone that is delegated to it.
 * Words:    subject - task_subject: a zone, or at a forwarder the names of one owner.
 */
#pragma once

#include "base/addr.h"
#include "dns/cookie.h"
#include "dns/dname.h"

enum {
    INFRA_KEEP_MS = 15 * 60 * 1000, /* docs/LIMITS.md section 1 */
    INFRA_RTO_UNKNOWN_MS = 376,
    INFRA_RTO_MIN_MS = 100,
    INFRA_RTO_MAX_MS = 3500,
    INFRA_DEAD_TIMEOUTS = 4, /* in a row: the address is avoided until `dead_until_ms` */
};

/* One address.  The times are of the monotonic clock.
 *
 * Lifetime: until it is evicted: keep no pointer to it beyond a step.
 */
struct infra_server {
    struct addr addr; /* sa_family 0: free */
    uint64_t used_ms;
    uint32_t srtt_us, rttvar_us;  /* srtt 0: unknown */
    uint16_t timeouts;            /* in a row; queries in flight at the same time count once */
    uint64_t timeout_ms;          /* of the last timeout that counted */
    uint64_t dead_until_ms;       /* the address is the last resort until then */
    uint64_t reply_ms;            /* of the last reply; 0: none has arrived */
    uint64_t no_options_until_ms; /* it rejects EDNS options with FORMERR or the like */
    uint64_t no_edns_until_ms;    /* it rejects EDNS itself */
    uint64_t no_case_until_ms;    /* it mishandles names in mixed case */
    uint64_t no_cookie_until_ms;  /* it stopped sending cookies (anycast): none is required */
    bool knows_case;              /* it answered a query in mixed case with data */
    uint64_t signs_until_ms;      /* it sent signatures: a FORMERR does not concern EDNS */
    uint64_t strips_until_ms;     /* a forwarder that sends no signatures: this was logged */
    uint8_t same_cnt;   /* negative replies that were equal for mixed and lower case */
    uint8_t silent_cnt; /* in a row: a timeout in mixed case, then a reply in lower case */
    uint8_t server_cookie[COOKIE_SERVER_MAX];
    uint8_t server_cookie_len; /* 0: it has sent none */
};

struct infra;

/* Make an empty table.  ERR_NOMEM. */
MUST_USE enum err infra_new(struct infra **out);

/* Free the table and clear the pointer.  *infra may be NULL. */
void infra_free(struct infra **infra);

/* Return the entry of `addr`.  A new or expired one is reset, and may replace the least
 * recently used entry of its set. */
struct infra_server *infra_get(struct infra *infra, const struct addr *addr, uint64_t now_ms);

/* Return the entry of `addr`; NULL if there is none or it has expired. */
const struct infra_server *infra_find(const struct infra *infra, const struct addr *addr,
                                      uint64_t now_ms);

/* Note a reply that arrived `rtt_us` after its query. */
void infra_note_reply(struct infra *infra, const struct addr *addr, uint32_t rtt_us,
                      uint64_t now_ms);

/* Note that a query sent at `asked_ms` (mono) has timed out. */
void infra_note_timeout(struct infra *infra, const struct addr *addr, uint64_t asked_ms,
                        uint64_t now_ms);

/* Note that a query is being sent.  If the address is dead, or dead for `subject`, it stays so
 * for other queries until this one can have found out whether it is back. */
void infra_note_probe(struct infra *infra, const struct addr *addr, uint64_t subject,
                      uint64_t now_ms);

/* Note that this machine has no route to the address. */
void infra_note_unreachable(struct infra *infra, const struct addr *addr, uint64_t now_ms);

/* Return false while no address of the family replies although the other family does, or while
 * this machine has no route to it. */
bool infra_is_family_up(const struct infra *infra, bool is_v6, uint64_t now_ms);

/* Note that all servers for `subject` timed out.  If this address did so at least twice in a
 * row, it is dead for `subject`, longer each time in a row.  For other subjects it is not: a
 * server may drop queries for zones that it does not serve. */
void infra_note_dead(struct infra *infra, const struct addr *addr, uint64_t subject,
                     uint64_t now_ms);

/* True if the address is dead for `subject` and has not replied since.  `server` may be NULL:
 * an unknown address is not dead. */
bool infra_is_dead(const struct infra *infra, const struct infra_server *server,
                   uint64_t subject, uint64_t now_ms);

/* Return the time to wait for a reply, in milliseconds.  `server` may be NULL. */
unsigned infra_rto_ms(const struct infra_server *server);

/* Note that `addr` does not serve `zone`. */
void infra_note_lame(struct infra *infra, const struct addr *addr, const uint8_t *zone,
                     uint64_t now_ms);

/* True if that was noted in the last INFRA_KEEP_MS. */
bool infra_is_lame(const struct infra *infra, const struct addr *addr, const uint8_t *zone,
                   uint64_t now_ms);

/* Note that a reply of `addr` for `subject` did not validate: other servers are asked first. */
void infra_note_bogus(struct infra *infra, const struct addr *addr, uint64_t subject,
                      uint64_t now_ms);

/* True if that was noted in the last INFRA_KEEP_MS. */
bool infra_is_bogus(const struct infra *infra, const struct addr *addr, uint64_t subject,
                    uint64_t now_ms);

/* ---- zones without a server ---- */

/* Note that no server of the zone has an address: the zone is down, longer each time in a row
 * (RFC 9520, TsuNAME).  `zone_hash` is dname_hash of its name.  `since_ms` (mono) is the start
 * of the task that found out: tasks that ran at the same time count once. */
void infra_note_zone_down(struct infra *infra, uint64_t zone_hash, uint64_t since_ms,
                          uint64_t now_ms);

/* Forget which zones are down, and which addresses are dead or bogus for a subject.  Call this
 * when the configuration or the cache has changed. */
void infra_forget_zones(struct infra *infra);

/* Note that a server of the zone replied. */
void infra_note_zone_up(struct infra *infra, uint64_t zone_hash);

/* True if the zone is down.  When its time is over this returns false once, for a task that
 * probes the zone, and true again until that task has had time to find out. */
bool infra_is_zone_down(struct infra *infra, uint64_t zone_hash, uint64_t now_ms);

/* Write the client cookie for `addr`: one per address, the same until the process ends
 * (RFC 7873 4.1). */
void infra_client_cookie(const struct infra *infra, const struct addr *addr,
                         uint8_t out[COOKIE_CLIENT_LEN]);
