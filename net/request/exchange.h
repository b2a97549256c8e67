/* net/request/exchange.h | one query of a client and the answer to it
 *
 * Owner:    the front that received the query; the engine, from serve to reply_send or
 *           reply_drop.
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
    EXCHANGE_HTTPS, /* RFC 8484; TLS ends here or at a proxy */
};

/* Kinds of listeners: EXCHANGE_STACK_DNS ... (stack.def). */
enum exchange_stack {
#define EXCHANGE_STACK_ROW(id, ...) EXCHANGE_STACK_##id,
#include "net/request/stack.def"
#undef EXCHANGE_STACK_ROW
    EXCHANGE_STACK_CNT
};

/* A kind of listener, from its row of stack.def. */
struct exchange_stack_info {
    const char *key;  /* of the configuration and of status */
    const char *name; /* for people */
    bool has_udp, has_tls;
};

extern const struct exchange_stack_info exchange_stacks[EXCHANGE_STACK_CNT];

struct exchange_listener {
    struct addr address;
    enum exchange_stack stack;
};

struct tls_server;

/* Settings that all exchanges of a daemon share.  Lifetime: process. */
struct exchange_settings {
    const char *identity;          /* NSID and id.server; "" for none */
    const char *hostname;          /* hostname.bind */
    const char *version;           /* version.bind */
    uint16_t udp_size;             /* largest UDP answer, 512 to 4096 octets */
    bool is_rotating;              /* each answer starts an RRset at another record */
    struct rate_limit *rate_limit; /* UDP fronts need it; elsewhere NULL: no limit */
    struct conn_limit *conn_limit;
    _Atomic uint64_t *bad_proxy_headers; /* counts them; NULL: they are not counted */
    const struct cookie_keys *cookies;
    const char *https_path;
    struct addr_prefixes trusted_proxies; /* their PROXY headers are accepted */
    const struct exchange_listener *listeners;
    size_t listener_cnt;
    struct tls_server *tls; /* NULL: no listener uses TLS */
    /* The notice of each answer's OPT (struct edns_answer), NULL for none.  The main thread
     * replaces it when it publishes a version, which owns the text: read it anew in each turn.
     */
    _Atomic(const char *) notice;
};

/* Return the notice of answers that are sent in this turn; "" for none. */
static inline const char *exchange_notice(const struct exchange_settings *settings)
{
    const char *notice = atomic_load_explicit(&settings->notice, memory_order_relaxed);
    return notice ? notice : "";
}

/* Count a PROXY header that is malformed or comes from an untrusted peer. */
static inline void exchange_count_proxy_header(const struct exchange_settings *settings)
{
    if (settings->bad_proxy_headers)
        atomic_fetch_add_explicit(settings->bad_proxy_headers, 1, memory_order_relaxed);
}

/* What the cookie of the query proves (RFC 7873 5.2). */
enum exchange_cookie {
    EXCHANGE_COOKIE_NONE,
    EXCHANGE_COOKIE_NEW,  /* a client cookie; the server cookie is missing or wrong */
    EXCHANGE_COOKIE_VALID /* the source address is not spoofed */
};

/* Lifetime: request. */
struct exchange {
    const struct exchange_settings *settings;
    enum exchange_transport transport;
    struct addr peer;
    struct message query;    /* points into the front's receive buffer */
    struct dname_parts name; /* QNAME */
    struct builder out;
    uint8_t *buffer; /* of the front, `size` octets */
    size_t size;
    enum exchange_cookie cookie;
    struct edns_answer opt;            /* of the answer, if the query has EDNS */
    uint16_t flags;                    /* of the answer: AA, TC, RA ... */
    size_t reply_len;                  /* octets in `buffer`; 0: send nothing */
    unsigned turn;                     /* number of the query: rotation starts there */
    const void *probed;                /* of the engine, from probe to serve */
    void (*send)(struct exchange *ex); /* of the front: send reply_len octets of `buffer` */
    /* Of the front, for an engine that answers later: return a copy that lives until it is sent
     * or dropped.  The engine must not use the original after that.  NULL: no memory. */
    struct exchange *(*defer)(struct exchange *ex);
};

/* True if the source address may be spoofed: the query came over UDP without a valid cookie. */
static inline bool exchange_may_be_spoofed(const struct exchange *ex)
{
    return ex->transport == EXCHANGE_UDP && ex->cookie != EXCHANGE_COOKIE_VALID;
}

/* A deferred exchange: it outlives the front's receive buffer.  Lifetime: until the answer is
 * sent or dropped. */
struct exchange_deferred {
    struct exchange ex;
    uint8_t question[MESSAGE_HEADER_LEN + DNAME_MAX + 4];
    uint8_t cookie[COOKIE_CLIENT_LEN + COOKIE_SERVER_MAX];
};

/* Copy an exchange whose query intake has admitted, with no answer yet, and return the copy,
 * &to->ex.  Its answer is written into `buffer` (`size` octets, the caller's) and sent by
 * `send`; it cannot be deferred again. */
struct exchange *exchange_defer(struct exchange_deferred *to, const struct exchange *from,
                                uint8_t *buffer, size_t size,
                                void (*send)(struct exchange *ex));
