/* net/daemon/daemon.h | the body that both daemons share
 *
 * Options, start, signals, reload, drain, end.  A daemon fills a struct of calls and its main
 * returns daemon_main().
 *
 * Thread:   the main thread.
 */
#pragma once

#include "base/diag.h"
#include "base/publish.h"
#include "net/control/control.h"
#include "net/daemon/server_conf.h"
#include "net/request/exchange.h"

/* What an engine is made of.  Lifetime: process, but for the struct itself. */
struct daemon_engine {
    struct publish *publish; /* versions come from it, under the number `worker` */
    size_t worker, worker_cnt;
    void *conf;       /* that of the start */
    void *shared;     /* what all engines share, as new_shared made it; NULL: nothing */
    unsigned sockets; /* it may ask servers with, at most */
};

/* What a daemon adds to the body.  Lifetime: process. */
struct daemon_calls {
    const char *name; /* "rootline-authd" */
    const struct service *service;
    /* Read the configuration; *server is part of the result.  Called at start and at each
     * reload; a failure leaves what was there before.  The result belongs to the daemon. */
    enum err (*configure)(const char *path, struct diag *diag, void **conf,
                          struct server_conf **server);
    void (*free_conf)(void *conf);
    /* Build a new version of what the engines serve, given the one before (NULL at the start).
     * *summary (size octets) tells in a few words what it is. */
    enum err (*build)(void *conf, const void *before, void **version, char *summary,
                      size_t size);
    void (*free_version)(void *version);
    /* What all engines share: made before the first of them, freed after the last.  NULL in the
     * struct: they share nothing.  A result of NULL: no memory, or it said what is wrong. */
    void *(*new_shared)(const void *conf, size_t worker_cnt);
    void (*free_shared)(void *shared);
    /* One engine a worker.  NULL: no memory. */
    void *(*new_engine)(const struct daemon_engine *parts);
    void (*free_engine)(void *engine);
    /* Sockets that all engines together would ask servers with, and at most so many each; 0:
     * none. */
    unsigned sockets, sockets_each;
    /* The folder that engines keep files in, "" for none.  NULL: they keep none. */
    const char *(*directory)(const void *conf);
    /* What its control socket knows besides status, stats, reload and log; ended by a NULL
     * name. */
    const struct control_command *commands;
};

/* Run until SIGTERM or SIGINT.  The exit status that rootline-authd(8) names. */
int daemon_main(const struct daemon_calls *calls, int argc, char **argv);
