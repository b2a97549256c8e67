/* resolver/iterate/classify.h | the kind of a server's reply
 *
 * The header, the records that scrub accepted and the query decide; there is no other state.
 *
 * Thread:   any.
 */
#pragma once

#include "resolver/iterate/scrub.h"

enum classify_kind {
    CLASSIFY_ANSWER, /* the RRset that the query asks for, perhaps behind CNAMEs and DNAMEs */
    CLASSIFY_CHAIN,  /* CNAMEs or DNAMEs without that RRset */
    CLASSIFY_NODATA,
    CLASSIFY_NXDOMAIN, /* the last name of the chain does not exist */
    CLASSIFY_DELEGATION,
    CLASSIFY_LAME,       /* the server does not serve the zone */
    CLASSIFY_ERROR,      /* an RCODE that says nothing about the name */
    CLASSIFY_NO_EDNS,    /* FORMERR, NOTIMP or BADVERS: the server may not support EDNS */
    CLASSIFY_NO_OPTIONS, /* FORMERR or NOTIMP with an OPT record: it may not support options */
    CLASSIFY_EMPTY,      /* NOERROR or NXDOMAIN without AA and without usable records */
    CLASSIFY_BAD_COOKIE,
    /* classify_reply does not return these: the caller finds out before scrubbing is complete
     */
    CLASSIFY_TRUNCATED,
    CLASSIFY_UNREADABLE, /* a record breaks the format of its type */
};

/* Properties of the query that decide what its reply means. */
struct classify_terms {
    bool had_edns;      /* it had an OPT record */
    bool had_options;   /* the OPT record had options */
    bool is_forward;    /* it went to a forwarder */
    bool may_be_cached; /* an answer from the server's cache is acceptable */
};

/* Return the kind of a reply whose records are in `scrub`. */
enum classify_kind classify_reply(const struct message *reply, const struct scrub *scrub,
                                  const struct classify_terms *terms);

/* Return the RCODE, extended by the OPT record if there is one (RFC 6891 6.1.3). */
unsigned classify_rcode(const struct message *reply);
