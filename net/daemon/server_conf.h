/* net/daemon/server_conf.h | the configuration keys that both daemons share: server, log,
 * limits
 *
 * *
 * Thread:   the main thread fills it; then any thread may read it.
 */
#pragma once

#include "base/conf.h"
#include "base/log.h"
#include "dns/cookie.h"
#include "net/request/exchange.h"
#include "net/transport/tls_server.h"

/* Values of the keys `server`, `log` and `limits`; the manual pages explain them.  Lifetime: of
 * the daemon's configuration. */
struct server_conf {
    struct conf_addrs listen[EXCHANGE_STACK_CNT]; /* by enum exchange_stack */
    const char *https_path;
    const char *tls_certificate, *tls_key; /* "": none */
    struct conf_list certificates;         /* struct tls_server_files: of more-certificates */
    struct tls_server_certificate certificate; /* the first, as it was when it was read */
    struct addr_prefixes trusted_proxies;
    uint32_t worker_cnt; /* 0: one per core */
    const char *user;
    const char *control; /* path of the control socket, relative to the configuration file;
                            "auto"; "" for none */
    const char *identity;
    int64_t clock_ms; /* wall clock to start with; 0: the system's */
    uint32_t udp_size;
    bool is_rotating;
    bool is_pinning; /* pin each worker to a core */
    struct rate_limit_conf rate_limit;
    struct conn_limit_conf conn_limit; /* keys of `limits` */
    const char *cookie_file;           /* "": a random secret */
    uint8_t cookie_secrets[COOKIE_SECRETS_MAX][COOKIE_SECRET_LEN];
    unsigned cookie_secret_cnt; /* secrets in the file; 0 without a file */
    int log_level;              /* enum log_level */
    int log_format;             /* enum log_format */
};

/* Check the map `server` as a whole and load its certificates; `target` is the struct
 * server_conf. */
void server_conf_check(struct conf_reader *reader, const struct conf_node *node, void *target);

/* List the files of all certificates, those of tls-certificate first.  `out` has room for
 * TLS_SERVER_CERTIFICATES_MAX.  Return their number. */
size_t server_conf_certificates(const struct server_conf *conf, struct tls_server_files *out);

/* Read a domain name, for a key of type CONF_CUSTOM: set the const uint8_t * at `target` to its
 * wire form. */
void server_conf_read_name(struct conf_reader *reader, const struct conf_node *node,
                           void *target);

enum { SERVER_CONF_IDLE_MAX_MS = 600000 };

/* The keys below `limits` that both daemons have, for a target that has its struct server_conf
 * at offset `base`. */
#define SERVER_CONF_CONN_LIMIT(base, field) \
    ((base) + offsetof(struct server_conf, conn_limit.field))
#define SERVER_CONF_LIMITS_KEYS(base)                                                  \
    {.name = "tcp-connections",                                                        \
     .type = CONF_UINT,                                                                \
     .offset = SERVER_CONF_CONN_LIMIT(base, connections),                              \
     .preset = 1024,                                                                   \
     .min = 1,                                                                         \
     .max = CONN_LIMIT_CONNECTIONS_MAX},                                               \
        {.name = "tcp-connections-per-client",                                         \
         .type = CONF_UINT,                                                            \
         .offset = SERVER_CONF_CONN_LIMIT(base, connections_per_client),               \
         .preset = 32,                                                                 \
         .min = 1,                                                                     \
         .max = CONN_LIMIT_PER_CLIENT_MAX},                                            \
        {.name = "connection-memory",                                                  \
         .type = CONF_SIZE,                                                            \
         .offset = SERVER_CONF_CONN_LIMIT(base, memory),                               \
         .preset = 128 << 20,                                                          \
         .min = 1 << 20,                                                               \
         .max = (uint64_t)1 << 40},                                                    \
    {                                                                                  \
        .name = "tcp-idle", .type = CONF_DURATION,                                     \
        .offset = SERVER_CONF_CONN_LIMIT(base, idle_ms), .preset = 10000, .min = 1000, \
        .max = SERVER_CONF_IDLE_MAX_MS                                                 \
    }

/* This machine: the default of lists of clients that are trusted. */
#define SERVER_CONF_LOOPBACK "127.0.0.0/8, ::1/128"

/* `listen` has no default: the configuration must name the addresses. */
extern const struct conf_key server_conf_server_keys[];
extern const struct conf_key server_conf_log_keys[];
extern const struct conf_key server_conf_limits_keys[];
