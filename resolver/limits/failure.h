/* resolver/limits/failure.h | why a resolution failed
 *
 * One row per reason: identifier, extended DNS error (RFC 8914) and sentence.  Code compares
 * the enumeration, programs the identifier, people read the sentence.
 *
 * Thread:   any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum failure {
    FAILURE_NONE,
    /* a part of the query's budget is used up */
    FAILURE_TIME,
    FAILURE_QUERIES,
    FAILURE_BYTES,
    FAILURE_WORK,
    FAILURE_LOOKUPS,
    /* another limit was reached */
    FAILURE_DEPTH,
    FAILURE_TARGETS,
    FAILURE_SUBQUERY, /* in the lookup of a server's address */
    FAILURE_TASKS,
    FAILURE_PLACE_CLIENTS,
    FAILURE_CLIENT_QUERIES,
    FAILURE_SENDS,
    FAILURE_CACHE,
    FAILURE_CACHE_RRSET,
    FAILURE_RRSET_RECORDS,
    FAILURE_RRSET_BYTES,
    FAILURE_REPLY_NAMES,
    FAILURE_MEMORY,
    /* validation: the text and the EDE code are those of the task */
    FAILURE_BOGUS,
    FAILURE_UNVALIDATED, /* the keys could not be fetched, or the work is used up */
    /* the servers of the zone */
    FAILURE_NO_ANSWER,
    FAILURE_NO_ADDRESS,
    FAILURE_NOT_ASKABLE,
    FAILURE_ZONE_DOWN,
    FAILURE_SERVERS_SILENT,
    FAILURE_CNT
};

/* Return the identifier: lower case, never changed, the same in JSON and in the log. */
const char *failure_id(enum failure failure);

/* Return the sentence, without a full stop. */
const char *failure_text(enum failure failure);

/* Return the sentence for an identifier; the identifier itself if it is unknown. */
const char *failure_text_of(const char *id);

/* Return the EDE code that a client is sent. */
uint16_t failure_ede(enum failure failure);
