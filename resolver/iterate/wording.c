/* Texts of the enumerations of a resolution; those of failures, verdicts and causes are beside
 * their own tables. */
#include "resolver/iterate/wording.h"

#include "dns/dname_text.h"
#include "dns/rrtype.h"
#include "net/upstream/match.h"
#include "resolver/cache/cache.h"
#include "resolver/iterate/classify.h"
#include "resolver/iterate/pick.h"
#include "resolver/iterate/rejected.h"
#include "resolver/policy/local.h"
#include "resolver/validate/deny.h"

enum { SERVERS_SHOWN = 3 };

#define LIST(array)               \
    {                             \
        (array), ARRAY_LEN(array) \
    }

static const struct wording notes[TRACE_NOTES] = {
    [TRACE_NOTE_LIMIT] = {"limit", "a limit was reached"},
    [TRACE_NOTE_LOOP] = {"dependency-loop", "dependency loop: the lookup that would resolve "
                                            "this name is waiting for it"},
    [TRACE_NOTE_PLACE] = {"waiting-for-place",
                          "waiting: the limit of queries to this zone or server is reached"},
    [TRACE_NOTE_FOLLOW] = {"following", "an equal query is in flight: waiting for its reply"},
    [TRACE_NOTE_LAST_RESORT] = {"last-resort", "no good server is left: dead and lame servers "
                                               "are tried as a last resort"},
    [TRACE_NOTE_PARENT] = {"parent-again",
                           "the parent zone is asked again: the delegation may have changed"},
    [TRACE_NOTE_CHILD] =
        {"child-ns", "the servers in the delegation have failed: those in the zone's own NS "
                     "records are tried, for this answer only"},
    [TRACE_NOTE_TCP_AFTER_MISMATCH] = {"tcp-after-mismatch",
                                       "a mismatched reply may be forged: asked again over "
                                       "TCP"},
    [TRACE_NOTE_LOWER_ALTERED] = {"lower-case-altered", "the server changes the case of the "
                                                        "name: asked again in lower case"},
    [TRACE_NOTE_LOWER_ERROR] = {"lower-case-error", "the error may be caused by mixed case: "
                                                    "asked again in lower case"},
    [TRACE_NOTE_LOWER_NEGATIVE] = {"lower-case-negative",
                                   "the negative answer may be caused by mixed case: asked "
                                   "again in lower case"},
    [TRACE_NOTE_NO_COOKIE] = {"cookie-not-required",
                              "the server no longer sends a cookie and does not answer over "
                              "TCP: asked again without requiring one"},
    [TRACE_NOTE_NEW_COOKIE] = {"cookie-renewed",
                               "asked again with the server cookie from the reply"},
    [TRACE_NOTE_TLS_FALLBACK] = {"tls-fallback",
                                 "asked again without TLS on port 53 (tls-fallback)"},
    [TRACE_NOTE_WHOLE_NAME_SILENT] = {"full-name-silent",
                                      "the server may drop minimised queries: asking for the "
                                      "full name"},
    [TRACE_NOTE_WHOLE_NAME_ERROR] = {"full-name-error",
                                     "the server may reject minimised queries: asking for the "
                                     "full name"},
    [TRACE_NOTE_WHOLE_NAME_DENIED] = {"full-name-denied",
                                      "the minimised name led no further: asking for the full "
                                      "name"},
    [TRACE_NOTE_NO_EDNS] = {"no-edns",
                            "the server may not support EDNS: asked again without EDNS"},
    [TRACE_NOTE_NO_OPTIONS] = {"no-edns-options",
                               "the server may not support EDNS options: asked again without "
                               "options"},
    [TRACE_NOTE_EMPTY_NXDOMAIN] = {"bare-nxdomain",
                                   "no server of the zone sends more than a bare NXDOMAIN: "
                                   "accepted"},
    [TRACE_NOTE_EMPTY_NODATA] = {"bare-nodata",
                                 "no server of the zone sends more than an empty "
                                 "answer: accepted as NODATA"},
    [TRACE_NOTE_TRAILING] = {"trailing-octets",
                             "octets after the last record of the reply are ignored"},
};

static const struct wording purposes[] = {
    [TRACE_FOR_CLIENT] = {"client", "for the client"},
    [TRACE_FOR_ADDRESS] = {"server-address", "the address of a server"},
    [TRACE_FOR_SERVERS] = {"zone-servers", "the servers of the zone"},
    [TRACE_FOR_CHAIN] = {"chain-of-trust", "the chain of trust"},
};

static const struct wording transports[] = {
    [TRACE_UDP] = {"udp", "UDP"}, [TRACE_TCP] = {"tcp", "TCP"}, [TRACE_TLS] = {"tls", "TLS"}};

static const struct wording silences[TRACE_SILENCES] = {
    [TRACE_SILENCE_TIMEOUT] = {"timeout", "no reply in time"},
    [TRACE_SILENCE_TCP_CLOSED] = {"tcp-closed", "the server closed the TCP connection"},
    [TRACE_SILENCE_TCP_REFUSED] = {"tcp-refused", "the server refused the TCP connection"},
    [TRACE_SILENCE_TCP_BROKEN] = {"tcp-malformed", "the server sent a malformed reply over "
                                                   "TCP"},
    [TRACE_SILENCE_TCP_TIMEOUT] = {"tcp-timeout",
                                   "the TCP connection was not established in time"},
    [TRACE_SILENCE_UNREACHABLE] = {"unreachable", "this machine has no route to the server"},
    [TRACE_SILENCE_UNSENT] = {"not-sent", "the query could not be sent"},
    [TRACE_SILENCE_TLS_UNTRUSTED] = {"tls-untrusted", "TLS did not authenticate the server"},
};

static const struct wording replies[] = {
    [CLASSIFY_ANSWER] = {"answer", "answer"},
    [CLASSIFY_CHAIN] = {"cname", "CNAME"},
    [CLASSIFY_NODATA] = {"nodata", "NODATA"},
    [CLASSIFY_NXDOMAIN] = {"nxdomain", "NXDOMAIN"},
    [CLASSIFY_DELEGATION] = {"referral", "referral"},
    [CLASSIFY_LAME] = {"lame", "lame: the server does not serve the zone"},
    [CLASSIFY_ERROR] = {"error", "error"},
    [CLASSIFY_NO_EDNS] = {"edns-unsupported", "EDNS is not supported"},
    [CLASSIFY_NO_OPTIONS] = {"edns-options-unsupported", "EDNS options are not supported"},
    [CLASSIFY_EMPTY] = {"empty", "empty: neither data nor authority"},
    [CLASSIFY_BAD_COOKIE] = {"bad-cookie", "the server demands a new cookie"},
    [CLASSIFY_TRUNCATED] = {"truncated", "truncated"},
    [CLASSIFY_UNREADABLE] = {"malformed", "malformed"},
};

static const struct wording rejections[REJECTED_REASONS] = {
    [MATCH_OK] = {"match", "it matches"},
    [MATCH_SOURCE] = {"wrong-source", "wrong source address or port"},
    [MATCH_ID] = {"wrong-id", "wrong message ID"},
    [MATCH_NO_REPLY] = {"not-a-reply", "not a reply to a query"},
    [MATCH_QUESTION] = {"wrong-question", "wrong question section"},
    [MATCH_CASE] = {"wrong-case", "wrong case of the name"},
    [MATCH_COOKIE] = {"wrong-cookie", "wrong or missing cookie"},
    [MATCH_MALFORMED] = {"malformed", "malformed message"},
    [MATCH_LARGE] = {"too-large", "larger than the advertised EDNS size"},
    [REJECTED_RECORDS] = {"out-of-bailiwick-records", "with records out of bailiwick"},
    [REJECTED_UNREADABLE] = {"malformed-records", "with malformed records"},
};

static const struct wording lessons[REJECTED_REASONS] = {
    [MATCH_OK] = {"match", ""},
    [MATCH_SOURCE] = {"wrong-source",
                      "A reply must come from the address and port that was queried "
                      "(RFC 5452 9.1)."},
    [MATCH_ID] = {"wrong-id",
                  "A forger who does not see the query has to guess 16 bits (RFC 5452 9.1). A "
                  "guess at the wrong port reaches no socket, so it is not in this list."},
    [MATCH_NO_REPLY] = {"not-a-reply", "A reply has QR set and the opcode of the query."},
    [MATCH_QUESTION] = {"wrong-question",
                        "A reply must repeat the question section (RFC 5452 9.1)."},
    [MATCH_CASE] = {"wrong-case",
                    "Each letter of the name is sent in upper or lower case at random: one "
                    "more bit per letter to guess (0x20)."},
    [MATCH_COOKIE] = {"wrong-cookie",
                      "The client cookie adds 64 bits to guess; a server that has sent cookies "
                      "before sends one with each reply (RFC 7873 5.3)."},
    [MATCH_MALFORMED] = {"malformed", "The message breaks the format of DNS."},
    [MATCH_LARGE] = {"too-large",
                     "The reply could have been fragmented, and a forged second fragment needs "
                     "neither ID nor port."},
    [REJECTED_RECORDS] = {"out-of-bailiwick-records",
                          "A server may give records only of names in the zone that it was "
                          "asked for. The rest of the reply was used."},
    [REJECTED_UNREADABLE] = {"malformed-records",
                             "A record breaks the format of its type, so its RRset cannot be "
                             "used (RFC 2181 5)."},
};

static const struct wording omissions[SCRUB_OMISSIONS] = {
    [SCRUB_TAKEN] = {"accepted", "accepted"},
    [SCRUB_OUT_OF_BAILIWICK] = {"out-of-bailiwick",
                                "out of bailiwick: not in the zone that the server was asked "
                                "for"},
    [SCRUB_SYNTHESISED] = {"synthesised",
                           "the CNAME is synthesised from the DNAME (RFC 6672 3.1)"},
    [SCRUB_FURTHER_LINK] = {"not-authoritative",
                            "the server is not authoritative for this link of the chain, which "
                            "is resolved by itself (RFC 2181 5.4.1)"},
    [SCRUB_UNUSED_SIGNATURE] = {"unused-signature", "its RRset was not accepted"},
    [SCRUB_FORWARDER_NS] = {"forwarder-referral", "a forwarder sends no referrals"},
    [SCRUB_CHILD_NS] = {"child-ns", "NS records of the zone itself are no referral"},
    [SCRUB_UNRELATED_ADDITIONAL] = {"not-glue", "not the address of a server in the referral"},
    [SCRUB_UNRELATED] = {"unrelated", "not part of the answer to the query"},
};

static const struct wording picks[] = {
    [PICK_ONLY] = {"only", "the only usable address"},
    [PICK_NEAR] = {"fast", "random among the fastest"},
    [PICK_UNKNOWN] = {"unknown", "random: no round-trip time is known"},
    [PICK_EXPLORE] = {"explore", "random among all, to measure them"},
};

static const struct wording sources[] = {
    [DELEGATION_REFERRAL] = {"cache", "from the cache"},
    [DELEGATION_HINTS] = {"root-hints", "from the root hints"},
    [DELEGATION_STUB] = {"stub-zone", "configured as a stub zone"},
    [DELEGATION_FORWARD] = {"forward-zone", "configured as a forward zone"},
};

static const struct wording endings[] = {
    [TRACE_ENDED_ANSWERED] = {"answered", "answered"},
    [TRACE_ENDED_ELSEWHERE] = {"other-worker", "answered: another worker resolved it"},
    [TRACE_ENDED_FAILED] = {"failed", "failed"},
    [TRACE_ENDED_UNFINISHED] = {"unfinished", "unfinished"},
};

static const struct wording outcomes[TRACE_OUTCOMES] = {
    [TRACE_OPEN] = {"open", "was asked"},
    [TRACE_ANSWERED] = {"answered", "answered"},
    [TRACE_TIMEOUT] = {"timeout", "timed out"},
    [TRACE_MISMATCH] = {"mismatch", "sent a mismatched reply"},
    [TRACE_TRUNCATED] = {"truncated", "truncated"},
    [TRACE_TCP_REFUSED] = {"tcp-refused", "refused TCP"},
    [TRACE_TCP_CLOSED] = {"tcp-closed", "closed the TCP connection"},
    [TRACE_UNTRUSTED] = {"tls-untrusted", "failed TLS authentication"},
    [TRACE_UNREACHABLE] = {"unreachable", "unreachable"},
    [TRACE_LAME] = {"lame", "is lame"},
    [TRACE_RCODE] = {"error", "said"}, /* and the RCODE */
    [TRACE_BROKEN] = {"malformed", "sent a malformed reply"},
    [TRACE_EMPTY] = {"empty", "sent an empty answer"},
    [TRACE_BOGUS] = {"bogus", "sent a bogus answer"},
    [TRACE_QUOTA] = {"query-limit", "is at the limit of queries"},
};

static const struct wording cached[] = {
    [TRACE_CACHED_DATA] = {"data", "data"},
    [TRACE_CACHED_CNAME] = {"cname", "CNAME"},
    [TRACE_CACHED_NODATA] = {"nodata", "NODATA"},
    [TRACE_CACHED_NXDOMAIN] = {"nxdomain", "NXDOMAIN"},
    [TRACE_CACHED_FAILURE] = {"failure", "failure"},
};

static const struct wording ranks[] = {
    [CACHE_NONAUTH_ANSWER] = {"answer", "non-authoritative answer"},
    [CACHE_AUTH_ANSWER] = {"authoritative-answer", "authoritative answer"},
};

static const struct wording security[] = {
    [CACHE_UNCHECKED] = {"unchecked", "not validated"},
    [CACHE_SECURE] = {"secure", "secure"},
    [CACHE_INSECURE] = {"insecure", "insecure"},
    [CACHE_BOGUS] = {"bogus", "bogus"},
};

static const struct wording acts[DENY_ACTS] = {
    [DENY_MATCHES] = {"matches", "matches"},
    [DENY_COVERS] = {"covers", "covers"},
    [DENY_SPANS] = {"spans", "shows as an empty non-terminal"},
};

static const struct wording subjects[DENY_SUBJECTS] = {
    [DENY_NAME] = {"name", "the name"},
    [DENY_CLOSEST_ENCLOSER] = {"closest-encloser", "the closest encloser"},
    [DENY_NEXT_CLOSER] = {"next-closer", "the next closer name"},
    [DENY_WILDCARD] = {"wildcard", "the wildcard"},
};

static const struct wording local[] = {
    [LOCAL_NONE] = {"none", "nothing"},    [LOCAL_DATA] = {"data", "data"},
    [LOCAL_CNAME] = {"cname", "CNAME"},    [LOCAL_DNAME] = {"dname", "DNAME"},
    [LOCAL_NODATA] = {"nodata", "NODATA"}, [LOCAL_NXDOMAIN] = {"nxdomain", "NXDOMAIN"},
};

const struct wording_list wording_notes = LIST(notes);
const struct wording_list wording_purposes = LIST(purposes);
const struct wording_list wording_transports = LIST(transports);
const struct wording_list wording_silences = LIST(silences);
const struct wording_list wording_replies = LIST(replies);
const struct wording_list wording_rejections = LIST(rejections);
const struct wording_list wording_lessons = LIST(lessons);
const struct wording_list wording_omissions = LIST(omissions);
const struct wording_list wording_picks = LIST(picks);
const struct wording_list wording_sources = LIST(sources);
const struct wording_list wording_endings = LIST(endings);
const struct wording_list wording_outcomes = LIST(outcomes);
const struct wording_list wording_cached = LIST(cached);
const struct wording_list wording_local = LIST(local);
const struct wording_list wording_ranks = LIST(ranks);
const struct wording_list wording_security = LIST(security);
const struct wording_list wording_acts = LIST(acts);
const struct wording_list wording_subjects = LIST(subjects);

const char *wording_id(const struct wording_list *list, unsigned value)
{
    return list->rows[value].id;
}

const char *wording_text(const struct wording_list *list, unsigned value)
{
    return list->rows[value].text;
}

const char *wording_text_of(const struct wording_list *list, const char *id)
{
    for (size_t i = 0; i < list->cnt; i++)
        if (list->rows[i].id && strcmp(list->rows[i].id, id) == 0)
            return list->rows[i].text;
    return id;
}

const char *wording_attempt(const struct trace_attempt *a, char out[WORDING_TEXT_MAX])
{
    char rcode[RRTYPE_NAME_MAX] = "";

    if (a->outcome == TRACE_RCODE)
        rrtype_print_rcode(a->rcode, rcode);
    snprintf(out, WORDING_TEXT_MAX, "%s%s%s", wording_text(&wording_outcomes, a->outcome),
             *rcode                                       ? " "
             : a->outcome == TRACE_TRUNCATED && a->is_tcp ? " its answer over TCP"
                                                          : "",
             rcode);
    return out;
}

static bool is_same_attempt_target(const struct trace_attempt *a, const struct trace_attempt *b)
{
    return a->octets_len == b->octets_len && a->zone_labels == b->zone_labels &&
           memcmp(a->octets, b->octets, a->octets_len) == 0;
}

/* True if a later attempt at the same server for the same zone has a result. */
static bool is_superseded(const struct trace_attempts *attempts, unsigned i)
{
    const struct trace_attempt *a = &attempts->at[i % TRACE_ATTEMPTS];
    for (unsigned later = i + 1; later < attempts->cnt; later++) {
        const struct trace_attempt *b = &attempts->at[later % TRACE_ATTEMPTS];
        if (is_same_attempt_target(a, b) && b->outcome != TRACE_OPEN &&
            b->outcome != TRACE_QUOTA)
            return true;
    }
    return false;
}

/* Append `before` and `word` if both fit; else append nothing and return false. */
static bool append_word(char out[WORDING_TEXT_MAX], const char *before, const char *word)
{
    size_t len = strlen(out);
    if (len + strlen(before) + strlen(word) >= WORDING_TEXT_MAX)
        return false;
    snprintf(out + len, WORDING_TEXT_MAX - len, "%s%s", before, word);
    return true;
}

/* Append the zone and its first servers: their addresses, or their names if none is known. */
static void append_servers(const struct delegation *delegation, char out[WORDING_TEXT_MAX])
{
    char text[DNAME_TEXT_MAX], address[ADDR_TEXT_MAX];
    int cnt = delegation->addr_cnt > 0 ? delegation->addr_cnt : delegation->server_cnt;

    dname_text_print(delegation->zone, text);
    if (!append_word(out, "; zone ", text))
        return;
    for (int i = 0; i < cnt && i < SERVERS_SHOWN; i++) {
        if (delegation->addr_cnt > 0) {
            addr_print_host(&delegation->addrs[i].addr, address);
        } else {
            dname_text_print(delegation->servers[i].name, text);
        }
        if (!append_word(out, i ? ", " : ": ", delegation->addr_cnt > 0 ? address : text))
            return;
    }
}

void wording_failure(const struct trace_attempts *attempts, const uint8_t *name,
                     const struct delegation *delegation, enum failure failure,
                     char out[WORDING_TEXT_MAX])
{
    unsigned first = attempts->cnt > TRACE_ATTEMPTS ? attempts->cnt - TRACE_ATTEMPTS : 0;
    char text[DNAME_TEXT_MAX], did[WORDING_TEXT_MAX];
    size_t len = (size_t)snprintf(out, WORDING_TEXT_MAX, "%s", failure_text(failure));
    unsigned labels = DNAME_LABELS_MAX + 1;
    size_t cause_len = len;

    for (unsigned i = attempts->cnt; i-- > first && len < WORDING_TEXT_MAX;) {
        const struct trace_attempt *a = &attempts->at[i % TRACE_ATTEMPTS];
        struct addr addr = trace_server(a);
        char address[ADDR_TEXT_MAX];
        if (a->outcome == TRACE_ANSWERED || a->outcome == TRACE_OPEN ||
            is_superseded(attempts, i))
            continue;
        addr_print_host(&addr, address);
        if (a->zone_labels != labels) {
            labels = a->zone_labels;
            dname_text_print(dname_suffix(name, labels), text);
            len +=
                (size_t)snprintf(out + len, WORDING_TEXT_MAX - len, "; servers of %.80s", text);
        }
        if (len < WORDING_TEXT_MAX)
            len += (size_t)snprintf(out + len, WORDING_TEXT_MAX - len, ", %s %s", address,
                                    wording_attempt(a, did));
    }
    if (delegation->zone && len == cause_len)
        append_servers(delegation, out);
}
