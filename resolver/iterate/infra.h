/* resolver/iterate/infra.h | what is known of each server's address
 *
 * Round-trip time, silence, EDNS, 0x20, cookies, lameness, and how each address family fares.
 * Learnt from replies that matched, forgotten after a quarter of an hour at most.
 *
 * Owner:    the engine.
 * Thread:   one worker.
 * Words:    srtt - smoothed round-trip time; rto - how long to wait for a reply (RFC 6298 2);
 * lame - does not serve a zone that is delegated to it.
 */
#pragma once

#include "base/addr.h"
#include "dns/cookie.h"
#include "dns/dname.h"

enum {
    INFRA_KEEP_MS = 15 * 60 * 1000, /* docs/LIMITS.md section 1: short memory */
    INFRA_RTO_UNKNOWN_MS = 376,
    INFRA_RTO_MIN_MS = 100,
    INFRA_RTO_MAX_MS = 3500,
    INFRA_DEAD_TIMEOUTS = 4, /* in a row: the server is left alone for a while */
};

/* Lifetime: until it is evicted; not kept beyond a step. */
struct infra_server {
    struct addr addr; /* sa_family 0: free */
    uint64_t used_ms;
    uint32_t srtt_us, rttvar_us; /* srtt 0: unknown */
    uint16_t timeouts;           /* in a row; questions that were out together count as one */
    uint64_t timeout_ms;         /* when the last of them was noticed */
    uint64_t dead_until_ms;
    uint64_t reply_ms;            /* when the last reply came; 0: none has */
    uint64_t no_options_until_ms; /* it rejects EDNS options with FORMERR or the like */
    uint64_t no_edns_until_ms;    /* it rejects EDNS itself */
    uint64_t no_case_until_ms;    /* it mishandles names in mixed case */
    uint64_t no_cookie_until_ms;  /* its replies may lack the cookie it once gave (anycast) */
    bool knows_case;              /* it has answered a query in mixed case with data */
    uint64_t signs_until_ms;      /* it has sent signatures lately: FORMERR is not about EDNS */
    uint8_t same_cnt;   /* negative replies that were the same in mixed and in lower case */
    uint8_t silent_cnt; /* times in a row: silent in mixed case, then a reply in lower case */
    uint8_t server_cookie[COOKIE_SERVER_MAX];
    uint8_t server_cookie_len; /* 0: it has not given one */
};

struct infra;

/* An empty table; ERR_NOMEM. */
MUST_USE enum err infra_new(struct infra **out);

/* Free it.  Clears the pointer; NULL inside is fine. */
void infra_free(struct infra **infra);

/* What is known of `addr`; the least used of a few makes room for one that is new. */
struct infra_server *infra_get(struct infra *infra, const struct addr *addr, uint64_t now_ms);

/* What is known of it, NULL when nothing is. */
const struct infra_server *infra_find(const struct infra *infra, const struct addr *addr,
                                      uint64_t now_ms);

/* A reply came after `rtt_us`; nothing came in time of a question that was sent at `asked_ms`.
 */
void infra_note_reply(struct infra *infra, const struct addr *addr, uint32_t rtt_us,
                      uint64_t now_ms);
void infra_note_timeout(struct infra *infra, const struct addr *addr, uint64_t asked_ms,
                        uint64_t now_ms);

/* A query for `zone` goes there: of a server that is thought dead, one at a time finds out
 * whether it is. */
void infra_note_probe(struct infra *infra, const struct addr *addr, uint64_t subject,
                      uint64_t now_ms);

/* The system knows no way to this address's family. */
void infra_note_unreachable(struct infra *infra, const struct addr *addr, uint64_t now_ms);

/* Whether the family of `addr` is worth a question: it is not while nothing of it answers. */
bool infra_is_family_up(const struct infra *infra, bool is_v6, uint64_t now_ms);

/* All servers of `zone` were silent, this one at least twice in a row: other names of the zone
 * do not wait for it.  Other zones at the address do: a server may drop queries for zones that
 * it does not serve. */
void infra_note_dead(struct infra *infra, const struct addr *addr, uint64_t subject,
                     uint64_t now_ms);

/* True if that was noted a short time ago, longer each time in a row, and no reply came from
 * the address since.  One query at a time probes whether it is back.  NULL: nothing is known of
 * the server, so it is not. */
bool infra_is_dead(const struct infra *infra, const struct infra_server *server,
                   uint64_t subject, uint64_t now_ms);

/* How long to wait for a reply, in milliseconds. */
unsigned infra_rto_ms(const struct infra_server *server);

/* Remember that `addr` does not serve `zone`, or ask whether it is so. */
void infra_note_lame(struct infra *infra, const struct addr *addr, const uint8_t *zone,
                     uint64_t now_ms);
bool infra_is_lame(const struct infra *infra, const struct addr *addr, const uint8_t *zone,
                   uint64_t now_ms);

/* ---- zones without a server ---- */

/* No server of the zone has an address: leave it alone for a moment, longer each time in a row
 * (RFC 9520, TsuNAME).  `zone_hash` is dname_hash of its name, `since_ms` (mono) when the task
 * began that found out: tasks of the same time count once. */
void infra_note_zone_down(struct infra *infra, uint64_t zone_hash, uint64_t since_ms,
                          uint64_t now_ms);

/* Forget which zones are down or silent: the configuration or the cache has changed. */
void infra_forget_zones(struct infra *infra);

/* A server of the zone answered. */
void infra_note_zone_up(struct infra *infra, uint64_t zone_hash);

/* True if the zone shall be left alone.  When its time is up, this is false once, for the query
 * that finds out, and for others only when that has had time to. */
bool infra_is_zone_down(struct infra *infra, uint64_t zone_hash, uint64_t now_ms);

/* The client cookie for this server: another one for each address, the same for a year's uptime
 * (RFC 7873 4.1). */
void infra_client_cookie(const struct infra *infra, const struct addr *addr,
                         uint8_t out[COOKIE_CLIENT_LEN]);
