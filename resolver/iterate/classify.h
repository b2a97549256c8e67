/* resolver/iterate/classify.h | what a reply is
 *
 * Pure: flags, RCODE and what scrubbing left decide.
 *
 * Thread:   any.
 */
#pragma once

#include "resolver/iterate/scrub.h"

enum classify_kind {
    CLASSIFY_ANSWER, /* what was asked for, perhaps at the end of a chain */
    CLASSIFY_CHAIN,  /* CNAMEs or a DNAME that lead elsewhere */
    CLASSIFY_NODATA,
    CLASSIFY_NXDOMAIN, /* of the last name of the chain */
    CLASSIFY_DELEGATION,
    CLASSIFY_LAME,       /* does not serve the zone */
    CLASSIFY_ERROR,      /* an RCODE that says nothing of the name */
    CLASSIFY_NO_EDNS,    /* FORMERR or the like that may mean the OPT record */
    CLASSIFY_NO_OPTIONS, /* the same, from a server that knows EDNS: its options may be meant */
    CLASSIFY_EMPTY,      /* NOERROR or NXDOMAIN without any record, not authoritative */
    CLASSIFY_BAD_COOKIE,
    /* not of classify_reply: such a reply is not looked into */
    CLASSIFY_TRUNCATED,
    CLASSIFY_UNREADABLE, /* a record breaks the format of its type */
};

/* What was asked. */
struct classify_terms {
    bool had_edns;      /* the query had an OPT record */
    bool had_options;   /* with options */
    bool is_forward;    /* it went to a forwarder */
    bool may_be_cached; /* an answer from a server's cache will do */
};

/* Name the kind. */
enum classify_kind classify_reply(const struct message *reply, const struct scrub *scrub,
                                  const struct classify_terms *terms);

/* The RCODE with its upper bits (RFC 6891 6.1.3). */
unsigned classify_rcode(const struct message *reply);
