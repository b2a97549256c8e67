/* tools/lab/mischief_zone.h | the zone of mischief: which name is answered how
 *
 * Thread:   one at a time.
 */
#pragma once

#include "tools/lab/mischief.h"

/* Lifetime: process. */
struct mischief_conf {
    uint8_t zone[DNAME_MAX];
    uint8_t victim[DNAME_MAX]; /* of another operator: for names in it the server lies */
    struct misreply_places places;
    uint64_t seed;
    bool is_fenced; /* an address is not loopback: check the fence again and again */
};

/* Return the number of hosts that a prefix must have room for. */
unsigned mischief_zone_hosts(void);

/* Return true if a place has an address for each host, and not the same for all. */
bool mischief_zone_is_spread(const struct misreply_places *places, size_t place);

/* Make the reply to m->query, which was received at m->host of `place`.  `earlier` has the
 * number of queries of each kind so far.  m->is_tcp, m->send and m->link are set. */
void mischief_zone_answer(struct misreply *m, const struct mischief_conf *conf, size_t place,
                          unsigned earlier[]);
