/* The table of reasons why a resolution failed. */
#include "resolver/limits/failure.h"

#include <string.h>

#include "dns/edns.h"

static const struct {
    const char *id, *text;
    uint16_t ede;
} rows[FAILURE_CNT] = {
    [FAILURE_NONE] = {"none", "", EDNS_EDE_OTHER},
    [FAILURE_TIME] = {"limit-time", "the query took longer than limits.time allows",
                      EDNS_EDE_OTHER},
    [FAILURE_QUERIES] = {"limit-queries",
                         "the query took more queries to servers than limits.queries allows",
                         EDNS_EDE_OTHER},
    [FAILURE_BYTES] = {"limit-bytes",
                       "the servers' replies had more octets than limits.bytes allows",
                       EDNS_EDE_OTHER},
    [FAILURE_WORK] = {"limit-work",
                      "the servers' replies took more work than a query may cause",
                      EDNS_EDE_OTHER},
    [FAILURE_LOOKUPS] =
        {"limit-lookups",
         "the query took more lookups of server addresses than limits.lookups allows",
         EDNS_EDE_NO_REACHABLE_AUTHORITY},
    [FAILURE_DEPTH] = {"limit-depth",
                       "lookups depend on each other more deeply than limits.depth allows",
                       EDNS_EDE_NO_REACHABLE_AUTHORITY},
    [FAILURE_TARGETS] =
        {"limit-targets",
         "more server names of the delegation lead nowhere than limits.targets allows",
         EDNS_EDE_NO_REACHABLE_AUTHORITY},
    [FAILURE_SUBQUERY] = {"limit-subquery", "the lookup of a server's address reached a limit",
                          EDNS_EDE_NO_REACHABLE_AUTHORITY},
    [FAILURE_TASKS] = {"limit-tasks", "too many names are being resolved already",
                       EDNS_EDE_NO_REACHABLE_AUTHORITY},
    [FAILURE_PLACE_CLIENTS] = {"limit-place-clients",
                               "too many clients wait for this zone or server", EDNS_EDE_OTHER},
    [FAILURE_CLIENT_QUERIES] = {"limit-client-queries",
                                "too many queries of this client are waiting", EDNS_EDE_OTHER},
    [FAILURE_SENDS] = {"limit-sends", "the servers of the zone were asked too often",
                       EDNS_EDE_NO_REACHABLE_AUTHORITY},
    [FAILURE_CACHE] = {"cache-busy", "the cache accepts no more data at the moment",
                       EDNS_EDE_OTHER},
    [FAILURE_CACHE_RRSET] = {"rrset-too-large", "the RRset is too large for the cache",
                             EDNS_EDE_OTHER},
    [FAILURE_RRSET_RECORDS] = {"limit-rrset-records",
                               "an RRset has more records than limits.rrset-records allows",
                               EDNS_EDE_OTHER},
    [FAILURE_RRSET_BYTES] = {"limit-rrset-bytes",
                             "an RRset has more octets than limits.rrset-bytes allows",
                             EDNS_EDE_OTHER},
    [FAILURE_REPLY_NAMES] = {"limit-reply-names", "a reply has too many names", EDNS_EDE_OTHER},
    [FAILURE_MEMORY] = {"memory", "out of memory", EDNS_EDE_OTHER},
    [FAILURE_BOGUS] = {"bogus", "the answer is bogus", EDNS_EDE_BOGUS},
    [FAILURE_UNVALIDATED] = {"not-validated", "the answer could not be validated",
                             EDNS_EDE_INDETERMINATE},
    [FAILURE_NO_ANSWER] = {"no-answer", "no server gave an answer",
                           EDNS_EDE_NO_REACHABLE_AUTHORITY},
    [FAILURE_NO_ADDRESS] = {"no-address", "no server of the zone has an address",
                            EDNS_EDE_NO_REACHABLE_AUTHORITY},
    [FAILURE_NOT_ASKABLE] = {"not-askable",
                             "no server of the zone may be asked (do-not-query, or this "
                             "resolver itself)",
                             EDNS_EDE_NO_REACHABLE_AUTHORITY},
    [FAILURE_ZONE_DOWN] = {"zone-down",
                           "the servers of the zone could not be reached a moment ago",
                           EDNS_EDE_NO_REACHABLE_AUTHORITY},
    [FAILURE_SERVERS_SILENT] = {"servers-silent",
                                "the servers of the zone did not reply a moment ago and are "
                                "not asked for now",
                                EDNS_EDE_NO_REACHABLE_AUTHORITY},
};

const char *failure_id(enum failure failure) { return rows[failure].id; }

const char *failure_text(enum failure failure) { return rows[failure].text; }

const char *failure_text_of(const char *id)
{
    for (size_t i = 0; i < FAILURE_CNT; i++)
        if (strcmp(rows[i].id, id) == 0)
            return rows[i].text;
    return id;
}

uint16_t failure_ede(enum failure failure) { return rows[failure].ede; }
