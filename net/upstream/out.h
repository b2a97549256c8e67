/* net/upstream/out.h | ask a server: the seam between what decides and what sends
 *
 * The resolver asks through this table of calls; behind it are sockets, or a test that plays
 * the whole Internet. Whoever stands behind it finds the replies that match
 * (net/upstream/match) and drops the others.
 *
 * Owner:    whoever asks holds the struct until `done` was called or it cancelled.
 * Thread:   one worker.
 */
#pragma once

#include "dns/query.h"
#include "net/transport/tls_client.h"
#include "net/upstream/match.h"

enum out_result {
    OUT_REPLY,   /* `reply` is there */
    OUT_TIMEOUT, /* nothing that matches came in time */
    OUT_SUSPECT, /* something came that does not match: somebody guesses, or the server is
                    broken */
    OUT_FAILED,  /* TCP: refused, reset or closed before the reply; TLS: the server is not the
                    one that is wanted */
};

/* Why a query over TCP failed. */
enum out_fault {
    OUT_FAULT_NONE,
    OUT_FAULT_REFUSED,     /* the server does not accept connections */
    OUT_FAULT_CLOSED,      /* it closed or reset the connection before the reply */
    OUT_FAULT_BROKEN,      /* it sent something that is no reply to the query */
    OUT_FAULT_UNREACHABLE, /* there is no way there */
    OUT_FAULT_TIMEOUT,     /* the connection did not open in time */
};

/* One question to one server. */
struct out_ask {
    struct match match; /* `to` is the server */
    uint8_t wire[QUERY_MAX];
    size_t len;
    unsigned timeout_ms;
    bool is_tcp;
    struct tls_client *tls; /* over TLS, as well as is_tcp; NULL: in the clear */
    bool is_port_fixed;     /* laboratory: from the same port each time */
    const char *distrust;   /* OUT_FAILED over TLS: why the server is not believed; "" for other
                               reasons.  Static */
    enum out_fault fault;   /* OUT_FAILED: why */
    bool wants_from;        /* `from` shall be set */
    struct addr from;       /* UDP: where the question left from */
    bool ignores_wrong;     /* laboratory: a wrong reply changes nothing */
    /* Called once, never from inside out->ask or out->cancel.  `reply` is borrowed for the
     * call. */
    void (*done)(struct out_ask *ask, enum out_result result, const struct message *reply);
    /* Called for each reply that was rejected, before done. */
    void (*rejected)(struct out_ask *ask, enum match_verdict why, const struct addr *from);
    void *slot; /* the out's own, NULL when nothing is asked */
};

/* Lifetime: worker. */
struct out {
    /* Send it.  ERR_IO: there is no way to networks of that family, or to this one; ERR_DENIED:
     * not to that address; ERR_LIMIT: too many questions are out.  `done` is not called then.
     */
    enum err (*ask)(struct out *out, struct out_ask *ask);
    /* Forget it; `done` is not called any more. */
    void (*cancel)(struct out *out, struct out_ask *ask);
    /* Called by whoever stands behind this table after one or more calls of done: now go on
     * with what they brought. */
    void (*settle)(void *data);
    void *data;
};
