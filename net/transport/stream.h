/* net/transport/stream.h | one connection of a client: octets in, octets out, whatever is
 * spoken on it
 *
 * Sealed by TLS or not, a connection has a queue of octets that wait for more and one of
 * answers that wait to be sent, and a protocol that makes questions of the one and appends to
 * the other. Answers of one turn leave together, in one write; over TLS in one record, unless
 * an HTTP/2 client wants one per answer.
 *
 * Owner:    the front that accepted it.
 * Thread:   its worker.
 * Words:    clogged - it takes no more questions until the client has taken answers.
 */
#pragma once

#include <uv.h>

#include "net/loop/idle_queue.h"
#include "net/request/exchange.h"
#include "net/transport/http.h"
#include "net/transport/tls.h"

enum {
    STREAM_HANDSHAKE_MS = 5000, /* from the first octet to the end of the handshake */
    STREAM_HELLO_MAX = 20000,   /* octets of a handshake that wait for their turn */
    STREAM_PARTIAL_MS = 2000,   /* from the first octet of a request to its last */
    STREAM_DRAIN_MS = 2000,     /* at the end, to write what is ready */
    STREAM_DEFERRED_MAX = 100,  /* deferred queries of one connection */
    STREAM_QUEUE_MAX =
        1 << 18,            /* octets waiting for a slow reader before its questions wait too */
    STREAM_CHUNK = 1 << 16, /* octets read at once */
    STREAM_CLIENTS = 1024   /* hashes of clients that a front tells apart */
};

struct stream;

/* What is spoken inside.  Static. */
struct stream_protocol {
    /* Make what it needs (s->inner).  NULL: nothing. */
    enum err (*begin)(struct stream *s);
    /* Ask what stands at the beginning of these octets, as long as the stream is not clogged;
     * *used of them are done with.  False: the connection ends when what is queued has been
     * sent. */
    bool (*take)(struct stream *s, const uint8_t *octets, size_t len, size_t *used);
    /* Append an answer of ex->reply_len octets, or the lack of one; false: no memory. */
    bool (*put)(struct stream *s, const struct exchange *ex, uint32_t request,
                bool is_deferred);
    /* Append to s->out what waits inside until it has `enough` octets; *is_all: there is no
     * more.  False as take.  It has to stream_touch when answers go.  NULL: nothing ever waits.
     */
    bool (*gather)(struct stream *s, size_t enough, bool *is_all);
    /* Octets that are held inside, and whether there are answers that the client has not taken.
     * NULL as gather. */
    size_t (*held)(const struct stream *s);
    bool (*is_open)(const struct stream *s);
    /* Look at deadlines inside; true: there may be something to send.  NULL: there are none. */
    bool (*tick)(struct stream *s, uint64_t now_ms);
    /* No new requests are taken: say so, if there is a way.  NULL: there is none. */
    void (*finish)(struct stream *s);
    /* Free what begin made.  NULL as begin. */
    void (*free)(struct stream *s);
    unsigned deferred_max; /* deferred queries of one connection */
};

/* What all connections of one front share.  Lifetime: worker. */
struct stream_hub {
    uv_loop_t *loop;
    const struct exchange_settings *settings;
    const struct service *service;
    void *engine;
    struct idle_queue *idle_queue;
    enum exchange_transport transport;
    struct list streams;  /* the idlest first */
    struct list dirty;    /* with answers that have not been sent */
    uv_prepare_t prepare; /* sends them */
    struct list
        clients[STREAM_CLIENTS]; /* counted streams by hash of the client, the idlest first */
    struct exchange ex;          /* for what is answered at once: one serves all */
    struct stream *asking;       /* whose question ex is */
    uint32_t asking_request;
    uint8_t *reply;         /* MESSAGE_MAX octets */
    uint8_t *chunk, *plain; /* STREAM_CHUNK octets: what was read, what TLS made of it */
    uint8_t *decoded;       /* MESSAGE_MAX octets: a question that came in another form */
    struct buffer sealed;   /* what TLS wants sent */
    struct buffer pool[8];  /* memory of queues that ran empty */
    size_t pool_cnt;
    size_t counted;           /* streams that count against conn_limit */
    char date[HTTP_DATE_MAX]; /* of answers over HTTP, made once a second */
    int64_t date_s;
    unsigned turn;
    unsigned deferred_cnt; /* deferred queries of all connections */
    unsigned stream_cnt;
    bool is_draining;
    uint64_t drain_until_ms;
    /* A stream was freed, or a deferred query answered. */
    void (*on_gone)(struct stream_hub *hub);
    /* Connections hold more memory than they may, and this one has just been read. */
    void (*on_full)(struct stream *s);
};

/* Lifetime: from accept until libuv has closed it. */
struct stream {
    uv_tcp_t tcp;
    struct list link;      /* hub->streams */
    struct list dirty;     /* hub->dirty */
    struct list of_client; /* hub->clients[] */
    struct stream_hub *hub;
    const struct stream_protocol *protocol;
    void *inner;     /* the protocol's; NULL when it has none */
    struct tls *tls; /* NULL: none */
    struct idle_queue_job handshake;
    struct addr peer;           /* the other end of the connection */
    struct addr client;         /* who asks: the peer, or the client of a proxy */
    bool is_proxy;              /* the peer speaks for others */
    bool may_be_proxied;        /* the next octets in the clear may be a PROXY header */
    bool may_be_proxied_inside; /* the first octets inside TLS may be one */
    struct buffer in;   /* the beginning of a request; while TLS opens, what it has not seen */
    struct buffer out;  /* answers */
    struct buffer wire; /* sealed octets behind those in flight */
    uint8_t *flight;    /* what uv_write has */
    size_t flight_size;
    uv_write_t write;
    uv_shutdown_t shutdown;
    uint64_t since_ms;    /* mono: accepted */
    uint64_t active_ms;   /* when an answer left or was taken */
    uint64_t discard_ms;  /* when we said that nothing more comes */
    size_t unsent;        /* octets that libuv had at the last tick */
    uint64_t partial_ms;  /* when the request began that is still incomplete; 0: none is */
    struct list deferred; /* its deferred queries */
    unsigned deferred_cnt;
    enum conn_limit_entry entry;
    bool is_counted; /* it counts against conn_limit */
    bool is_working; /* answers that come at once are sent with the others */
    bool is_writing, is_reading, is_closing;
    bool is_ended;      /* the client sends nothing more */
    bool is_finishing;  /* we take nothing more: when all is sent, it ends */
    bool is_discarding; /* we send nothing more, and wait for the client to end */
};

/* ERR_NOMEM. */
MUST_USE enum err stream_hub_init(struct stream_hub *hub);
void stream_hub_fini(struct stream_hub *hub);

/* Take over the connected socket `fd`; it does not read yet.  NULL: no memory, and the socket
 * is closed. */
struct stream *stream_new(struct stream_hub *hub, int fd, const struct addr *peer,
                          const struct stream_protocol *protocol);

/* Begin TLS before anything else. */
MUST_USE enum err stream_begin_tls(struct stream *s, struct tls_server *server,
                                   const struct tls_server_alpn *offered);

/* Speak something else from the next octet on. */
MUST_USE enum err stream_change_protocol(struct stream *s,
                                         const struct stream_protocol *protocol);

/* Read, ask, answer, and whatever comes of it; it may be closed afterwards. */
void stream_work(struct stream *s);

/* Close it; what is queued is lost. */
void stream_close(struct stream *s);

/* Take nothing more, and close when what is asked is answered and sent. */
void stream_finish(struct stream *s);

/* Look at deadlines; `idle_ms` of an idle connection. */
void stream_tick(struct stream *s, uint64_t now_ms, unsigned idle_ms);

/* Octets that wait on it, in either direction. */
size_t stream_held(const struct stream *s);

/* The list that connections of this client are in, among others; and put one there, as its
 * last. */
struct list *stream_clients(struct stream_hub *hub, const struct addr *client);
void stream_list_client(struct stream *s);

/* For protocols: answers have been taken, it is not idle. */
void stream_touch(struct stream *s);

/* For protocols: whether no more questions are to be asked now. */
bool stream_is_clogged(const struct stream *s);

/* For protocols: the exchange for a question that arrived as request number `request`; to be
 * given to intake at once. */
struct exchange *stream_exchange(struct stream *s, uint32_t request);
