/* layer 26 | net/server_conf.h | the keys that both daemons share: server and log
 *
 * Thread:   read once at start.
 */
#pragma once

#include "base/conf.h"
#include "base/log.h"

/* Values of the keys `server` and `log`; see docs for each.  Lifetime: process. */
struct server_conf {
    struct conf_addrs listen;
    uint32_t worker_cnt; /* 0: one per core */
    const char *user;
    const char *identity;
    int64_t clock_ms; /* 0: the machine's clock */
    uint32_t udp_size;
    bool is_rotating;
    int log_level;  /* enum log_level */
    int log_format; /* enum log_format */
};

extern const struct conf_key server_conf_server_keys[];
extern const struct conf_key server_conf_log_keys[];

/* The defaults of contract.md: port 53 of every address is never assumed, so `listen` is empty
 * and must be given. */
void server_conf_init(struct server_conf *conf);
