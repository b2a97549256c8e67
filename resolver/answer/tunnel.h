/* resolver/answer/tunnel.h | detection of DNS tunnels: data that a client sends in query names
 *
 * A tunnel spells data in names that no cache has, because only those reach its server.  So the
 * names that the cache cannot answer are weighed, per client and organisational domain.  What a
 * name carries is the information (entropy) of its labels that this client has not sent before;
 * its weight is the square of that, in octets.  The weights fill a bucket that leaks, and a
 * full bucket is an alert.  Nothing is blocked.
 *
 * The square tells tunnels from services that also look up many unique names: those of block
 * lists and content networks carry 4 to 16 octets each, those of reputation services a digest
 * of 16 to 32 octets, while a tunnel fills its names with 100 octets and more.  Labels that
 * were sent before cost nothing, so it does not matter how often a name is queried.
 *
 * Owner:    the daemon: one table of fixed size for all workers.
 * Thread:   new and free from the main thread, the others from any.  Alerts have a lock.
 * Words:    weight - octets of information in one query and its reply, squared.
 * Words:    domain - the organisational domain (dname_org_labels) of a name.
 */
#pragma once

#include "base/addr.h"
#include "dns/dname.h"
#include "dns/rrtype.h"

enum {
    /* The weight at which an alert is due: 52 names of 100 octets, 512 SHA-256 digests, or 2048
       MD5 digests, at once.  A page, a scan of a folder or a mail with many links has fewer. */
    TUNNEL_FULL = 1 << 19,
    /* A full bucket is empty after this time.  So 7 MD5 digests per second, or 1.7 SHA-256
       digests, may go on for ever.  A tunnel with names of 100 octets is found within a minute
       from 110 octets per second on, and never below 17. */
    TUNNEL_LEAK_S = 300,
    /* One alert per client and domain in this time. */
    TUNNEL_QUIET_S = 600,
    /* Labels of up to three octets carry no information as long as together they may be an
       address, as in the reverse trees and block lists; so do labels that were sent before. */
    TUNNEL_SHORT_MAX = 3,
    TUNNEL_KNOWN_BITS = 4, /* what such a label may carry */
    TUNNEL_ADDRESS_BITS = 128,
    TUNNEL_KEPT = 8, /* alerts */
};

struct tunnel;

/* Make an empty table.  ERR_NOMEM. */
MUST_USE enum err tunnel_new(struct tunnel **out);

/* Clears the pointer; NULL inside is fine. */
void tunnel_free(struct tunnel **tunnel);

/* What a query carries.  A value; 0 bits: it cannot be part of a tunnel. */
struct tunnel_flow {
    uint64_t key;  /* of the client and the domain */
    unsigned bits; /* of information in the labels below the domain */
};

/* Measure a query that the cache cannot answer, and remember its labels as sent. */
struct tunnel_flow tunnel_measure(struct tunnel *tunnel, const struct addr *client,
                                  const struct dname_parts *name);

/* What a client has sent to a domain since its bucket was empty.  A value. */
struct tunnel_sum {
    uint32_t names, octets; /* octets: information of names and replies */
    uint32_t seconds;
};

/* Add the weight of a query, `flow`, which is being sent; `now_ms` is monotonic.  Return true
 * if an alert is due: *sum says why. */
MUST_USE bool tunnel_note_query(struct tunnel *tunnel, const struct tunnel_flow *flow,
                                uint64_t now_ms, struct tunnel_sum *sum);

/* Return true if the server may choose what records of this type say, as tunnels need. */
bool tunnel_is_payload(uint16_t type);

/* Add the weight of a reply with records of such a type: of `octets`, at most as many as the
 * name carried count, because a mail server, too, gets long records for short names.  Return as
 * tunnel_note_query. */
MUST_USE bool tunnel_note_reply(struct tunnel *tunnel, const struct tunnel_flow *flow,
                                size_t octets, uint64_t now_ms, struct tunnel_sum *sum);

/* An alert that is kept. */
struct tunnel_alert {
    int64_t when_ms; /* wall */
    struct addr client;
    uint8_t zone[DNAME_MAX]; /* the domain, in lower case */
    struct tunnel_sum sum;
};

/* Keep a copy of an alert, in place of the oldest if TUNNEL_KEPT are kept. */
void tunnel_keep_alert(struct tunnel *tunnel, const struct tunnel_alert *alert);

/* Copy the alert that came `back` alerts before the last one.  False beyond those that are
 * kept.
 */
bool tunnel_find_alert(struct tunnel *tunnel, uint64_t back, struct tunnel_alert *out);
