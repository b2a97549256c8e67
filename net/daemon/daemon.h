/* net/daemon/daemon.h | the main program that both daemons share
 *
 * Options, start, signals, reload, control socket, stop.  A daemon fills a struct of calls and
 * returns daemon_main() from its main().
 *
 * Thread:   the main thread.
 */
#pragma once

#include "base/diag.h"
#include "base/publish.h"
#include "net/control/control.h"
#include "net/daemon/server_conf.h"
#include "net/request/exchange.h"

struct daemon;

/* The parts of an engine.  Lifetime: the call; what the pointers name lives as long as the
 * process. */
struct daemon_engine {
    struct publish *publish; /* the engine takes versions from it, as number `worker` */
    size_t worker, worker_cnt;
    void *conf;            /* the configuration of the start */
    void *shared;          /* from new_shared; may be NULL */
    unsigned sockets;      /* the most that it may open for queries to servers */
    struct daemon *daemon; /* for daemon_renew */
};

/* The calls of one daemon.  Lifetime: process. */
struct daemon_calls {
    const char *name; /* "rootline-authd" */
    const struct service *service;
    /* Read the configuration, at the start and at each reload.  *server points into *conf,
     * which the caller must free with free_conf. */
    enum err (*configure)(const char *path, struct diag *diag, void **conf,
                          struct server_conf **server);
    void (*free_conf)(void *conf);
    /* Build a new version of the data that engines serve; `before` is the previous one, NULL at
     * the start.  Print a short summary of it to `summary` (`size` octets). */
    enum err (*build)(void *conf, void *before, void **version, char *summary, size_t size);
    /* The same for daemon_renew: from `before` and the configuration of the start, whose data
     * `build` has had.  May be NULL. */
    enum err (*renew)(void *conf, void *before, void **version, char *summary, size_t size);
    void (*free_version)(void *version);
    /* Return which defences a version does without, as one line for the log and for an EDE of
     * every answer; "" for none.  The version owns it.  May be NULL: all versions have all. */
    const char *(*weakness)(const void *version);
    /* While the newest version has a weakness: called once a second.  Check that the process
     * may go on; on error stop all queries to servers at once, and write the reason to
     * `fault`: the daemon stops.  NULL if `weakness` is. */
    enum err (*guard)(void *shared, struct fault *fault);
    /* Create the state that all engines share, before the first engine; it is freed after the
     * last.  May be NULL.  Return NULL if there is no memory, or after logging another fault.
     */
    void *(*new_shared)(const void *conf, size_t worker_cnt);
    void (*free_shared)(void *shared);
    /* Create the engine of a worker.  NULL: no memory. */
    void *(*new_engine)(const struct daemon_engine *parts);
    void (*free_engine)(void *engine);
    /* Sockets for queries to servers: the most of all engines together, and of each; 0: none.
     */
    unsigned sockets, sockets_each;
    /* Return the folder in which engines keep files, "" for none.  May be NULL. */
    const char *(*directory)(const void *conf);
    /* Commands of the control socket besides status, stats, reload and log, or parts of them;
     * ended by a NULL name. */
    const struct control_command *commands;
};

/* A row of counters.def. */
struct daemon_counter {
    const char *id, *help;
};

/* The counters that both daemons have, and how many there are. */
extern const struct daemon_counter daemon_counters[];
extern const size_t daemon_counter_cnt;

/* Have `calls->renew` build and publish a new version, soon and on the main thread.  The
 * configuration is not read again.  From any worker, until its engine is closed. */
void daemon_renew(struct daemon *daemon);

/* Run the daemon until SIGTERM, SIGINT or an error of `guard`.  Return the exit status
 * (rootline-authd(8)). */
int daemon_main(const struct daemon_calls *calls, int argc, char **argv);
