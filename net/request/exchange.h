/* net/request/exchange.h | one question of a client and the answer being made
 *
 * Owner:    the front end that received it; an engine holds it until reply_send or reply_drop.
 * Thread:   one worker.
 */
#pragma once

#include "base/addr.h"
#include "dns/builder.h"
#include "dns/message.h"
#include "net/request/conn_limit.h"
#include "net/request/rate_limit.h"
#include "net/request/service.h"

enum exchange_transport {
    EXCHANGE_UDP,
    EXCHANGE_TCP,
    EXCHANGE_TLS,   /* RFC 7858 */
    EXCHANGE_HTTPS, /* RFC 8484, with TLS here or at a proxy */
};

/* What is spoken at a listening address. */
enum exchange_stack {
    EXCHANGE_STACK_DNS,   /* UDP and TCP */
    EXCHANGE_STACK_TLS,   /* DoT */
    EXCHANGE_STACK_HTTPS, /* DoH */
    EXCHANGE_STACK_HTTP,  /* DoH behind a proxy that speaks TLS */
};

struct exchange_listener {
    struct addr address;
    enum exchange_stack stack;
};

/* What every reply of a daemon needs to know.  Lifetime: process. */
struct tls_server;

struct exchange_settings {
    const char *identity;          /* NSID and id.server; "" for none */
    const char *hostname;          /* hostname.bind */
    const char *version;           /* version.bind */
    uint16_t udp_size;             /* largest UDP answer, 512 to 4096 octets */
    bool is_rotating;              /* records of an RRset begin with another one each time */
    struct rate_limit *rate_limit; /* UDP fronts need it; elsewhere NULL: no limit */
    struct conn_limit *conn_limit;
    _Atomic uint64_t *bad_proxy_headers; /* counts them; NULL: they are not counted */
    const struct cookie_keys *cookies;
    const char *https_path;
    struct addr_prefixes trusted_proxies; /* whose word on their clients counts */
    const struct exchange_listener *listeners;
    size_t listener_cnt;
    struct tls_server *tls; /* NULL: nothing listens for TLS */
};

/* Count a PROXY header that is malformed or comes from an untrusted peer. */
static inline void exchange_count_proxy_header(const struct exchange_settings *settings)
{
    if (settings->bad_proxy_headers)
        atomic_fetch_add_explicit(settings->bad_proxy_headers, 1, memory_order_relaxed);
}

/* What the client's cookie says of its address (RFC 7873 5.2). */
enum exchange_cookie {
    EXCHANGE_COOKIE_NONE,
    EXCHANGE_COOKIE_NEW,  /* a client cookie without a server cookie, or with one that is not
                             ours */
    EXCHANGE_COOKIE_VALID /* the address is the client's own */
};

/* Lifetime: request. */
struct exchange {
    const struct exchange_settings *settings;
    enum exchange_transport transport;
    struct addr peer;
    struct message query;    /* points into the front's receive buffer */
    struct dname_parts name; /* of the question */
    struct builder out;
    uint8_t *buffer; /* the front's, `size` octets */
    size_t size;
    enum exchange_cookie cookie;
    struct edns_answer opt;            /* of the answer, when the question has one */
    uint16_t flags;                    /* of the answer's header: AA, TC, RA ... */
    size_t reply_len;                  /* 0: nothing is sent */
    unsigned turn;                     /* counts up; what rotation starts from */
    const void *probed;                /* the engine's, from probe to serve */
    void (*send)(struct exchange *ex); /* the front's: `buffer` holds reply_len octets, or 0 */
    /* The front's, for an engine that answers later: a copy that lives until it is sent, and
     * whose question stays as it is. The engine leaves the exchange that it was given alone
     * from then on.  NULL: no memory. */
    struct exchange *(*hold)(struct exchange *ex);
};

/* Whether the source address of the query may be spoofed: it came over UDP without a valid
 * cookie. */
static inline bool exchange_may_be_spoofed(const struct exchange *ex)
{
    return ex->transport == EXCHANGE_UDP && ex->cookie != EXCHANGE_COOKIE_VALID;
}

/* An exchange that outlives the front's buffer.  Lifetime: until its answer is sent. */
struct exchange_deferred {
    struct exchange ex;
    uint8_t question[MESSAGE_HEADER_LEN + DNAME_MAX + 4];
    uint8_t cookie[COOKIE_CLIENT_LEN + COOKIE_SERVER_MAX];
};

/* Copy a question that intake has admitted; buffer, send and hold are the front's to set. */
void exchange_defer(struct exchange_deferred *to, const struct exchange *from);
