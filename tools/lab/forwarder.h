/* tools/lab/forwarder.h | the links between the hosts: delay, loss, reordering, rate, copies
 *
 * A process of its own.  It reads each packet that a host sends and hands it to the host with
 * the packet's interface address, when the links of both have let it through.  A host receives
 * what is sent to it, and nothing else; only the on-path attacker gets copies.  Kernels without
 * netem are common, so this does not use it.
 *
 * Owner:    settings and counters are in memory that the keeper shares with the process.
 * Thread:   the settings may change at any time: each is one relaxed atomic.
 */
#pragma once

#include <stdatomic.h>

#include "base/err.h"
#include "tools/lab/topology.h"

enum {
    FORWARDER_PARTS = 1000000, /* probabilities are parts of it */
    FORWARDER_SLOW_MAX = 1000,
    FORWARDER_DELAY_MAX_MS = 60000,
};

/* A link.  Each value counts for both directions. */
struct forwarder_link {
    _Atomic uint32_t delay_us;
    _Atomic uint32_t loss, reordering, copies; /* probability, in parts of FORWARDER_PARTS */
    _Atomic uint64_t rate;                     /* bits per second; 0: no limit */
    _Atomic uint64_t packets, octets;          /* handed to the host */
    _Atomic uint64_t dropped;                  /* lost, or the queue was full */
};

/* Lifetime: the laboratory's. */
struct forwarder_shared {
    struct forwarder_link links[TOPOLOGY_HOSTS_MAX];
    _Atomic uint32_t slow; /* all delays are multiplied by it: slow motion */
    _Atomic uint64_t seed; /* of loss, reordering and copies */
};

/* Make the shared memory, with the delays of topology.c.  NULL: errno. */
struct forwarder_shared *forwarder_share(void);

/* Set the links to the delays of topology.c, without loss. */
void forwarder_reset(struct forwarder_shared *shared);

/* Forward between the interfaces of the caller's network namespace that have the names of
 * hosts, until the process is killed.  Returns only on error: errno. */
void forwarder_run(struct forwarder_shared *shared);
