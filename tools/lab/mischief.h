/* tools/lab/mischief.h | the kinds of mischief: what a server does wrong, and what a good
 * resolver makes of it
 *
 * tools/lab/mischief.def has a row for each kind.
 *
 * Thread:   any; the table is constant.
 */
#pragma once

#include "tools/lab/misreply.h"

/* Where and for which names a kind differs from a good server. */
enum mischief_flag {
    MISCHIEF_OVER_TCP = 1, /* a query over UDP gets TC: the mischief is in the reply over TCP */
    MISCHIEF_NO_TCP = 2,   /* the server does not listen for TCP */
    MISCHIEF_ALL = 4,      /* not only the name that is asked for: NS, SOA and addresses too */
    MISCHIEF_PARENT = 8,   /* the parent zone makes it, in its referral to the kind's zone */
    MISCHIEF_ONE = 16,     /* the zone has a second server, which is good */
    MISCHIEF_DEEP = 32,    /* to be seen with two labels before the kind */
};

struct mischief_kind {
    const char *name;                 /* the label before the zone */
    void (*play)(struct misreply *m); /* changes a valid reply without records */
    uint32_t number;                  /* parameter of `play` */
    unsigned flags;                   /* of enum mischief_flag */
    const char *expected; /* what a good resolver's client may get: classes between | */
    const char *does;     /* one sentence: what this server does */
    const char *should;   /* one sentence: what a good resolver does */
};

extern const struct mischief_kind mischief_kinds[];
extern const size_t mischief_kind_cnt;

/* Return the kind whose name is `label`, which begins with its length octet; its case is
 * ignored.  NULL: there is none. */
const struct mischief_kind *mischief_find(const uint8_t *label);
