/* resolver/res_conf.h | the configuration of the resolver
 *
 * Owner:    the caller of res_conf_read.
 * Thread:   the main thread.
 */
#pragma once

#include "net/daemon/server_conf.h"
#include "net/upstream/ports.h"
#include "resolver/policy/policy.h"

/* Lifetime: from res_conf_read to res_conf_free. */
struct res_conf {
    struct arena arena;
    struct server_conf server;
    struct policy *policy; /* NULL once a version has taken it */
    struct quota_limits quota_limits;
    struct budget_limits limits;
    struct conf_addrs outgoing;
    struct conf_texts ports_text, ports_except_text;
    struct res_conf_ports {
        struct ports_range *at;
        size_t cnt;
    } ports,
        ports_except; /* source ports of queries; none: the default of net/upstream/ports.h */
    struct addr_prefixes allow, do_not_query, private_prefixes;
    struct conf_texts private_except;
    uint64_t cache_size;
    const char *cache_directory;      /* "": the cache is in memory */
    struct conf_list stubs, forwards; /* of struct res_conf_zone */
    struct conf_texts local_data;
    struct conf_texts case_exempt, cookie_exempt, edns_exempt; /* zones and servers */
    struct conf_texts tunnel_exempt;                           /* zones and clients */
    const char *hints_path, *hosts_path;                       /* "": none */
    struct conf_source anchor; /* neither path nor texts: the built-in anchors of the root */
    struct conf_texts ntas;
    uint32_t outgoing_port;
    uint32_t ttl_min_ms, ttl_max_ms, negative_max_ms, stale_ms;
    bool is_prefetching;
    bool is_minimising, is_aggressive, is_case_random, is_priming, uses_v4, uses_v6,
        signals_anchors, detects_tunnels;
    struct policy_defences lab;
};

struct res_conf_zone {
    const uint8_t *name;
    struct conf_addrs servers;
    const char *tls_name; /* NULL: none */
    struct conf_texts tls_pins;
    const char *tls_ca; /* NULL: the system's CA certificates */
    bool tls_falls_back;
};

/* All keys, with their defaults. */
extern const struct conf_key res_conf_keys[];

/* Read and check the file `path`.  ERR_CONFIG: the errors are in `diag`; ERR_NOMEM. */
MUST_USE enum err res_conf_read(const char *path, struct diag *diag, struct res_conf **out);

/* The same from memory. */
MUST_USE enum err res_conf_parse(const char *path, const char *text, size_t len,
                                 struct diag *diag, struct res_conf **out);

/* Clears the pointer; NULL inside is fine. */
void res_conf_free(struct res_conf **conf);
