/* net/upstream/out.h | the interface to query a server: the seam between deciding and sending
 *
 * The resolver queries servers through this table of functions.  Behind it are sockets, or a
 * test that simulates the whole Internet.  The implementation compares replies
 * (net/upstream/match) and reports only one that matches.
 *
 * Owner:    the caller keeps the struct until `done` is called or it has cancelled.
 * Thread:   one worker.
 */
#pragma once

#include "dns/query.h"
#include "net/transport/tls_client.h"
#include "net/upstream/match.h"

enum out_result {
    OUT_REPLY,    /* `reply` is set */
    OUT_TIMEOUT,  /* no matching reply in time */
    OUT_MISMATCH, /* a mismatched reply: forged, or of a broken server */
    /* TCP: refused, reset or closed before the reply; TLS: not authenticated. */
    OUT_FAILED,
};

/* Why a query over TCP failed. */
enum out_fault {
    OUT_FAULT_NONE,
    OUT_FAULT_REFUSED,     /* the server does not accept connections */
    OUT_FAULT_CLOSED,      /* it closed or reset the connection before the reply */
    OUT_FAULT_BROKEN,      /* it sent something other than a reply to the query */
    OUT_FAULT_UNREACHABLE, /* there is no route to it */
    OUT_FAULT_TIMEOUT,     /* the connection did not open in time */
};

/* A reply that was rejected.  Lifetime: the call. */
struct out_rejected {
    enum match_verdict why;
    const struct addr *from;
    const uint8_t *wire;
    size_t len;
};

/* A query to a server. */
struct out_ask {
    struct match match; /* `to` is the server */
    uint8_t wire[QUERY_MAX];
    size_t len;
    unsigned timeout_ms;
    bool is_tcp;
    struct tls_client *tls; /* over TLS, if is_tcp; NULL: without TLS */
    bool is_port_fixed;     /* laboratory: every query leaves from the same port */
    /* OUT_FAILED over TLS: why the server was not authenticated, or "".  Static. */
    const char *verify_error;
    enum out_fault fault;  /* set with OUT_FAILED */
    bool wants_from;       /* set `from` */
    struct addr from;      /* UDP: the source address and port of the query */
    bool ignores_mismatch; /* laboratory: do not end the query on a mismatched reply */
    /* Called once, never from inside ask or cancel.  `reply` is borrowed for the call. */
    void (*done)(struct out_ask *ask, enum out_result result, const struct message *reply);
    /* Called for each rejected reply, before done. */
    void (*rejected)(struct out_ask *ask, const struct out_rejected *reply);
    void *slot; /* the implementation's; NULL if no query is open */
};

/* Lifetime: worker. */
struct out {
    /* Send the query.  ERR_IO: there is no route to the network or to its address family;
     * ERR_DENIED: sending to this address is forbidden; ERR_LIMIT: too many queries are open;
     * ERR_NOMEM.  On error `done` is not called. */
    enum err (*ask)(struct out *out, struct out_ask *ask);
    /* Cancel the query, if it is open: `done` is not called. */
    void (*cancel)(struct out *out, struct out_ask *ask);
    /* Set by the caller.  The implementation calls it after one or more calls of `done`:
     * proceed with their results. */
    void (*settle)(void *data);
    void *data;
};
