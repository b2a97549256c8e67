/* net/daemon/server_conf.h | the keys that both daemons share: server, log and limits
 *
 * Thread:   read once at start.
 */
#pragma once

#include "base/conf.h"
#include "base/log.h"
#include "dns/cookie.h"
#include "net/request/conn_limit.h"
#include "net/request/rate_limit.h"
#include "net/transport/tls_server.h"

/* Values of the keys `server`, `log` and `limits`; see docs for each.  Lifetime: process. */
struct server_conf {
    struct conf_addrs listen, listen_tls, listen_https, listen_http;
    const char *https_path;
    const char *tls_certificate, *tls_key;     /* "": none */
    struct conf_list certificates;             /* struct tls_server_files: further ones */
    struct tls_server_certificate certificate; /* the first, as the file was when it was read */
    struct addr_prefixes trusted_proxies;
    uint32_t worker_cnt; /* 0: one per core */
    const char *user;
    const char *control; /* path of the control socket, beside the file when relative; "auto",
                            or "" for none */
    const char *identity;
    int64_t clock_ms; /* 0: the machine's clock */
    uint32_t udp_size;
    bool is_rotating;
    bool is_pinning; /* each worker to a core */
    struct rate_limit_conf rate_limit;
    struct conn_limit_conf conn_limit; /* of `limits` */
    struct addr_prefix loopback[2];    /* what is exempt unless the file says otherwise */
    const char *cookie_file;           /* "": secrets are drawn at random */
    uint8_t cookie_secrets[COOKIE_SECRETS_MAX][COOKIE_SECRET_LEN];
    unsigned cookie_secret_cnt; /* of the file; 0 without one */
    int log_level;              /* enum log_level */
    int log_format;             /* enum log_format */
};

/* Judges the map `server` as a whole; its target is the struct server_conf. */
void server_conf_check(struct conf_reader *reader, const struct conf_node *node, void *target);

/* All certificates, the first one first; how many.  `out` has room for
 * TLS_SERVER_CERTIFICATES_MAX. */
size_t server_conf_certificates(const struct server_conf *conf, struct tls_server_files *out);

/* For keys of CONF_CUSTOM: a domain name, whose wire form goes to a const uint8_t *. */
void server_conf_read_name(struct conf_reader *reader, const struct conf_node *node,
                           void *target);

enum { SERVER_CONF_IDLE_MAX_MS = 600000 };

/* Keys below `limits` that both daemons have, for a table whose target has its struct
 * server_conf at `base`. */
#define SERVER_CONF_CONN_LIMIT(base, field) \
    ((base) + offsetof(struct server_conf, conn_limit.field))
#define SERVER_CONF_LIMITS_KEYS(base)                                    \
    {.name = "tcp-connections",                                          \
     .type = CONF_UINT,                                                  \
     .offset = SERVER_CONF_CONN_LIMIT(base, connections),                \
     .min = 1,                                                           \
     .max = CONN_LIMIT_CONNECTIONS_MAX},                                 \
        {.name = "tcp-connections-per-client",                           \
         .type = CONF_UINT,                                              \
         .offset = SERVER_CONF_CONN_LIMIT(base, connections_per_client), \
         .min = 1,                                                       \
         .max = CONN_LIMIT_PER_CLIENT_MAX},                              \
        {.name = "connection-memory",                                    \
         .type = CONF_SIZE,                                              \
         .offset = SERVER_CONF_CONN_LIMIT(base, memory),                 \
         .min = 1 << 20,                                                 \
         .max = (uint64_t)1 << 40},                                      \
    {                                                                    \
        .name = "tcp-idle", .type = CONF_DURATION,                       \
        .offset = SERVER_CONF_CONN_LIMIT(base, idle_ms), .min = 1000,    \
        .max = SERVER_CONF_IDLE_MAX_MS                                   \
    }

extern const struct conf_key server_conf_server_keys[];
extern const struct conf_key server_conf_log_keys[];
extern const struct conf_key server_conf_limits_keys[];

/* The defaults: port 53 of every address is never assumed, so `listen` is empty
 * and must be given. */
void server_conf_init(struct server_conf *conf);
