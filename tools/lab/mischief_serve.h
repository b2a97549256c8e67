/* tools/lab/mischief_serve.h | the server of the kinds of mischief: its zone and its sockets
 *
 * Thread:   the only one.
 */
#pragma once

#include "tools/lab/misreply.h"

/* Lifetime: process. */
struct mischief_conf {
    uint8_t zone[DNAME_MAX];
    uint8_t victim[DNAME_MAX]; /* of another operator: for names in it the server lies */
    struct misreply_places places;
    uint64_t seed;
    bool is_fenced; /* an address is not loopback: check the fence again and again */
};

/* Return the number of addresses that a prefix must have: those of the zone and of all kinds.
 */
unsigned mischief_serve_hosts(void);

/* Serve until SIGTERM or SIGINT, then return 0.  Return 1 if the system refuses an address, and
 * 2 if the fence is broken; the reason is on stderr. */
int mischief_serve(const struct mischief_conf *conf);
