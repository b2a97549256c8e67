/* net/transport/stream.h | one connection of a client, with or without TLS
 *
 * A connection queues octets until they are whole requests, and answers until they are sent.  A
 * protocol handler reads requests from the one queue and appends answers to the other.  The
 * answers of one turn of the loop leave in one write, over TLS in one record, unless an HTTP/2
 * client needs one record per answer.
 *
 * Owner:    the front that accepted it.
 * Thread:   its worker.
 * Words:    paused - no queries are read until the client has read answers.
 */
#pragma once

#include <uv.h>

#include "net/loop/idle_queue.h"
#include "net/request/exchange.h"
#include "net/transport/http.h"
#include "net/transport/tls.h"

enum {
    STREAM_HANDSHAKE_MS = 5000, /* from accept to the end of the handshake */
    STREAM_HELLO_MAX = 20000,   /* octets of a handshake that wait in the idle queue */
    STREAM_PARTIAL_MS = 2000,   /* from the first octet of a request to its last */
    STREAM_DRAIN_MS = 2000,     /* at the end, to write what is queued */
    STREAM_DEFERRED_MAX = 100,  /* deferred queries of one connection */
    /* Octets queued for a slow reader; beyond, its queries wait too. */
    STREAM_QUEUE_MAX = 1 << 18,
    STREAM_CHUNK = 1 << 16, /* octets per read */
    STREAM_CLIENTS = 1024   /* buckets of the hash table of clients */
};

struct stream;

/* A protocol handler.  Static. */
struct stream_protocol {
    /* Create s->inner.  NULL: the handler has none. */
    enum err (*begin)(struct stream *s);
    /* Process the requests that begin `octets` until the stream is paused; *used octets are
     * done with.  False: close the connection when what is queued has been sent. */
    bool (*read_requests)(struct stream *s, const uint8_t *octets, size_t len, size_t *used);
    /* Append the answer of ex->reply_len octets, or of none if the query was dropped.  False if
     * there is no memory. */
    bool (*append_answer)(struct stream *s, const struct exchange *ex, uint32_t request,
                          bool is_deferred);
    /* Append pending answers to s->out until it has `enough` octets; *is_all: none are left.
     * Must call stream_touch if the client reads answers.  False: close the connection when
     * what is queued has been sent.  NULL: the handler keeps no answers. */
    bool (*append_pending)(struct stream *s, size_t enough, bool *is_all);
    /* Return the memory of s->inner, in octets, and whether it has answers that the client has
     * not read.  NULL as append_pending. */
    size_t (*memory)(const struct stream *s);
    bool (*has_answers)(const struct stream *s);
    /* Enforce the handler's deadlines.  True: there may be something to send.  NULL: it has
     * none. */
    bool (*tick)(struct stream *s, uint64_t now_ms);
    /* Tell the client that new requests will not be answered.  NULL: the protocol has no way
     * to. */
    void (*finish)(struct stream *s);
    /* Free s->inner.  NULL as begin. */
    void (*free)(struct stream *s);
    unsigned deferred_max; /* deferred queries of one connection */
};

/* The parts that all connections of a front share.  Lifetime: worker. */
struct stream_hub {
    uv_loop_t *loop;
    const struct exchange_settings *settings;
    const struct service *service;
    void *engine;
    struct idle_queue *idle_queue;
    enum exchange_transport transport;
    struct list streams;  /* all connections, the longest idle first */
    struct list dirty;    /* connections with unsent answers */
    uv_prepare_t prepare; /* sends the answers of `dirty` */
    /* Counted connections by the hash of their client, the longest idle first. */
    struct list clients[STREAM_CLIENTS];
    struct exchange ex;       /* of the query that is being served */
    struct stream *ex_stream; /* the connection and the request of `ex` */
    uint32_t ex_request;
    uint8_t *reply;         /* MESSAGE_MAX octets */
    uint8_t *chunk, *plain; /* STREAM_CHUNK octets each: as read, and after TLS */
    uint8_t *decoded;       /* MESSAGE_MAX octets: a query that was in base64url */
    struct buffer sealed;   /* records to be sent */
    struct buffer pool[8];  /* memory of emptied queues */
    size_t pool_cnt;
    size_t counted_cnt;       /* connections that conn_limit has counted in */
    char date[HTTP_DATE_MAX]; /* of answers over HTTP; made once per second */
    int64_t date_s;
    unsigned turn;
    unsigned deferred_cnt; /* deferred queries of all connections */
    unsigned stream_cnt;
    bool is_draining;
    uint64_t drain_until_ms;
    /* A stream was freed, or a deferred query answered. */
    void (*on_released)(struct stream_hub *hub);
    /* Connections exceed the memory limit, and this one has just been read. */
    void (*on_memory_full)(struct stream *s);
};

/* Lifetime: from accept until libuv has closed the handle. */
struct stream {
    uv_tcp_t tcp;
    struct list link;      /* hub->streams */
    struct list dirty;     /* hub->dirty */
    struct list of_client; /* hub->clients[] */
    struct stream_hub *hub;
    const struct stream_protocol *protocol;
    void *inner;     /* the protocol handler's; NULL if it has none */
    struct tls *tls; /* NULL: no TLS */
    struct idle_queue_job handshake;
    struct addr peer;           /* the peer of the connection */
    struct addr client;         /* the peer, or the client that a PROXY header names */
    bool is_proxy;              /* the peer is a trusted proxy */
    bool may_be_proxied;        /* the next plaintext octets may be a PROXY header */
    bool may_be_proxied_inside; /* the first octets inside TLS may be one */
    /* The beginning of a request, or sealed octets of a handshake. */
    struct buffer in;
    struct buffer out;  /* answers */
    struct buffer wire; /* octets to be sent after `flight` */
    uint8_t *flight;    /* octets that uv_write is sending */
    size_t flight_size;
    uv_write_t write;
    uv_shutdown_t shutdown;
    uint64_t since_ms;   /* mono: when it was accepted */
    uint64_t active_ms;  /* mono: when the client last read an answer */
    uint64_t discard_ms; /* mono: when we shut down our side */
    size_t unsent;       /* octets in libuv's queue at the last tick */
                         /* Mono: when the incomplete request began; 0: there is none. */
    uint64_t partial_ms;
    struct list deferred; /* deferred queries */
    unsigned deferred_cnt;
    enum conn_limit_entry entry;
    bool is_counted; /* conn_limit has counted it in */
    bool is_working; /* requests are being read; flush follows */
    bool is_writing, is_reading, is_closing;
    bool is_ended;      /* the client has shut down its side */
    bool is_finishing;  /* no more requests are read; closed when all answers are sent */
    bool is_discarding; /* we have shut down our side and wait for the client to close */
};

/* Allocate the buffers of a hub, whose other members the caller has set.  ERR_NOMEM. */
MUST_USE enum err stream_hub_init(struct stream_hub *hub);

/* Free the buffers; no connection may be left. */
void stream_hub_fini(struct stream_hub *hub);

/* Create the connection of the connected socket `fd`, which it closes; it does not read yet.
 * NULL if there is no memory; the socket is then closed. */
struct stream *stream_new(struct stream_hub *hub, int fd, const struct addr *peer,
                          const struct stream_protocol *protocol);

/* Use TLS.  Caller must call it before stream_work.  ERR_NOMEM. */
MUST_USE enum err stream_begin_tls(struct stream *s, struct tls_server *server,
                                   const struct tls_server_alpn *offered);

/* Change the protocol handler.  ERR_NOMEM. */
MUST_USE enum err stream_change_protocol(struct stream *s,
                                         const struct stream_protocol *protocol);

/* Process queued requests, send queued answers, and read or stop reading.  The stream may be
 * closed afterwards. */
void stream_work(struct stream *s);

/* Close the connection; what is queued is discarded. */
void stream_close(struct stream *s);

/* Read no more requests, and close when all queries are answered and all answers sent. */
void stream_finish(struct stream *s);

/* Enforce deadlines; a connection may be idle for `idle_ms`. */
void stream_tick(struct stream *s, uint64_t now_ms, unsigned idle_ms);

/* Return the memory of the connection's queues, in octets. */
size_t stream_memory(const struct stream *s);

/* Return the list that has the connections of this client, and others. */
struct list *stream_clients(struct stream_hub *hub, const struct addr *client);

/* Move the connection to the end of its client's list. */
void stream_list_client(struct stream *s);

/* For protocol handlers: note that the client has read answers, so that the connection is not
 * idle. */
void stream_touch(struct stream *s);

/* For protocol handlers: true if no more queries may be read now. */
bool stream_is_paused(const struct stream *s);

/* For protocol handlers: return the exchange of a query that arrived as request number
 * `request`.  Caller must give it to intake at once. */
struct exchange *stream_exchange(struct stream *s, uint32_t request);
