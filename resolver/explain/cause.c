/* The cause of a failure is its root: the answer waited for the resolution that ended last, but
 * a failed lookup of its servers' addresses explains more.  Each text names the party that can
 * fix the fault. */
#include "resolver/explain/cause.h"

#include <stdarg.h>

#include "base/now.h"
#include "dns/dname_text.h"
#include "dns/edns.h"
#include "dns/rrtype.h"
#include "resolver/iterate/wording.h"

enum { SHOWN_SERVERS = 3, SHOWN_NAMES = 4 };

static const char *const ids[CAUSE_KINDS] = {
    [CAUSE_ANSWERED] = "answered",
    [CAUSE_LOCAL] = "local",
    [CAUSE_STALE] = "stale",
    [CAUSE_NODATA] = "nodata",
    [CAUSE_NXDOMAIN] = "nxdomain",
    [CAUSE_CNAME_TARGET] = "cname-target-nxdomain",
    [CAUSE_CNAME_LOOP] = "cname-loop",
    [CAUSE_REFUSED] = "refused",
    [CAUSE_SILENT] = "servers-silent",
    [CAUSE_LAME] = "lame",
    [CAUSE_SERVER_FAILURE] = "server-failure",
    [CAUSE_NO_TCP] = "no-tcp",
    [CAUSE_MALFORMED] = "malformed-replies",
    [CAUSE_UNUSABLE] = "no-usable-reply",
    [CAUSE_UNREACHABLE] = "unreachable",
    [CAUSE_FORBIDDEN] = "forbidden",
    [CAUSE_DEPENDENCY_LOOP] = "dependency-loop",
    [CAUSE_NO_SERVER_NAMES] = "no-server-names",
    [CAUSE_CACHED_FAILURE] = "cached-failure",
    [CAUSE_LIMIT] = "limit",
    [CAUSE_DNAME_TOO_LONG] = "dname-too-long",
    [CAUSE_BOGUS] = "bogus",
    [CAUSE_UNVALIDATED] = "not-validated",
    [CAUSE_OTHER] = "other",
};

const char *cause_id(enum cause_kind kind) { return ids[kind]; }

static void say_text(char out[CAUSE_TEXT_MAX], const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Append to `out`.  What does not fit is left out. */
static void say_text(char out[CAUSE_TEXT_MAX], const char *fmt, ...)
{
    size_t len = strlen(out);
    va_list args;
    va_start(args, fmt);
    vsnprintf(out + len, CAUSE_TEXT_MAX - len, fmt, args);
    va_end(args);
}

/* Append a name without its final dot. */
static void say_name(char out[CAUSE_TEXT_MAX], const uint8_t *name)
{
    char text[DNAME_TEXT_MAX];
    dname_text_print(name, text);
    if (*name)
        text[strlen(text) - 1] = '\0';
    else
        strcpy(text, "the root");
    say_text(out, "%s", text);
}

static void say_server(char out[CAUSE_TEXT_MAX], const struct addr *server)
{
    char text[ADDR_TEXT_MAX];
    addr_print_host(server, text);
    say_text(out, "%s", text);
}

static void say_type(char out[CAUSE_TEXT_MAX], uint16_t type)
{
    char text[RRTYPE_NAME_MAX];
    rrtype_print(type, text);
    say_text(out, "%s", text);
}

static void say_time(char out[CAUSE_TEXT_MAX], int64_t seconds)
{
    char text[NOW_TEXT_MAX];
    now_print_span(seconds, text);
    say_text(out, "%s", text);
}

/* Append whether the answer was validated, and why not. */
static void say_security(const struct cause_facts *f, char out[CAUSE_TEXT_MAX])
{
    switch (f->security) {
    case SECURITY_SECURE:
        say_text(out, " It is secure: validated from the trust anchor.");
        break;
    case SECURITY_INSECURE:
    case SECURITY_NEGATIVE_ANCHOR:
        say_text(out, " It is insecure, which means not validated: %s.", f->security_why);
        break;
    case SECURITY_BROKEN:
        say_text(out, " Its chain of trust is broken now: %s.", f->security_why);
        break;
    case SECURITY_OFF: break;
    }
}

static const uint8_t *last_name(const struct cause_facts *f)
{
    unsigned last = (unsigned)util_min(f->cname_cnt, CAUSE_CHAIN_MAX);
    return last > 0 ? f->chain[last - 1] : f->name;
}

/* ---- answers ---- */

static void say_source(const struct cause_facts *f, char out[CAUSE_TEXT_MAX])
{
    const struct cause_source *s = &f->source;

    if (s->is_local) {
        say_text(out, " It is local data of this resolver: no server was asked.");
    } else if (s->is_stale) {
        say_text(out, " No server gave a fresh answer, so data that expired ");
        say_time(out, s->age_s);
        say_text(out, " ago is served.");
    } else if (f->query_cnt > 0) {
        say_text(out, " It took %u %s to servers", f->query_cnt,
                 f->query_cnt == 1 ? "query" : "queries");
        if (f->last_server.sock.any.sa_family) {
            say_text(out, ", the last to ");
            say_server(out, &f->last_server);
        }
        say_text(out, ".");
        if (f->truncated_cnt > 0)
            say_text(out, " A reply did not fit into a UDP datagram, so TCP was used for it.");
        if (f->mismatch_cnt > 0)
            say_text(out,
                     " A reply over UDP did not match its query, so the query was repeated "
                     "over TCP.");
    } else if (f->is_joined) {
        say_text(out, " It was already being resolved for another client.");
    } else if (s->is_there) {
        say_text(out, " It was in the cache");
        if (s->server.sock.any.sa_family) {
            say_text(out, ", received ");
            say_time(out, s->age_s);
            say_text(out, " ago from ");
            say_server(out, &s->server);
        }
        say_text(out, "; it expires in ");
        say_time(out, s->left_s);
        say_text(out, ".");
    }
    if (!s->is_local)
        say_security(f, out);
}

static void say_cname(const struct cause_facts *f, char out[CAUSE_TEXT_MAX])
{
    say_name(out, f->name);
    if (f->cname_cnt == 0)
        return;
    say_text(out, " is a CNAME for ");
    say_name(out, last_name(f));
    if (f->cname_cnt > 1)
        say_text(out, " (a chain of %u)", f->cname_cnt);
    say_text(out, ", which");
}

static void explain_any(const struct cause_facts *f, struct cause *out)
{
    out->kind = CAUSE_ANSWERED;
    say_text(out->text,
             "A query of type ANY is answered with one synthesised record instead of all "
             "records of the name (RFC 8482): no server was asked about ");
    say_name(out->text, f->name);
    say_text(out->text, ".");
    say_text(out->advice, "Ask for the type that you need, such as A, MX or TXT.");
}

static void explain_answer(const struct cause_facts *f, struct cause *out)
{
    out->kind = f->source.is_stale   ? CAUSE_STALE
                : f->source.is_local ? CAUSE_LOCAL
                                     : CAUSE_ANSWERED;
    say_cname(f, out->text);
    say_text(out->text, " has %u ", f->answer_cnt);
    say_type(out->text, f->type);
    say_text(out->text, " record%s.", f->answer_cnt == 1 ? "" : "s");
    say_source(f, out->text);
    if (f->source.is_stale)
        say_text(out->advice,
                 "Find out why the servers do not reply: explain it with --no-cache.");
}

static void explain_nodata(const struct cause_facts *f, struct cause *out)
{
    out->kind = CAUSE_NODATA;
    say_cname(f, out->text);
    say_text(out->text, " exists but has no ");
    say_type(out->text, f->type);
    say_text(out->text, " record.");
    say_source(f, out->text);
    say_text(out->advice,
             "This is an answer, not a failure. Ask for another type, or ask the zone's "
             "operator to add the record.");
}

static void explain_nxdomain(const struct cause_facts *f, struct cause *out)
{
    out->kind = f->cname_cnt > 0 ? CAUSE_CNAME_TARGET : CAUSE_NXDOMAIN;
    if (f->cname_cnt == 0)
        say_text(out->text, "The name ");
    say_cname(f, out->text);
    say_text(out->text, " does not exist.");
    say_source(f, out->text);
    say_text(out->advice,
             f->cname_cnt > 0
                 ? "The operator of the CNAME has to point it at a name that exists."
                 : "Check the spelling. If the name was added a moment ago, the cache "
                   "may still have the negative answer: rootline cache flush removes "
                   "it.");
}

/* ---- failures ---- */

/* Return attempt `i` if it asked a server of the zone that failed; NULL if it asked a server of
 * another zone. */
static const struct trace_attempt *attempt_at(const struct cause_failure *e, unsigned i)
{
    const struct trace_attempt *a = &e->attempts.at[i % TRACE_ATTEMPTS];
    return a->zone_labels == dname_labels(e->zone) ? a : NULL;
}

/* Return the first attempt that counts: failures before the last successful reply do not. */
static unsigned first_attempt(const struct cause_failure *e)
{
    unsigned first = e->attempts.cnt > TRACE_ATTEMPTS ? e->attempts.cnt - TRACE_ATTEMPTS : 0;

    for (unsigned i = e->attempts.cnt; i-- > first;)
        if (attempt_at(e, i) && attempt_at(e, i)->outcome == TRACE_ANSWERED)
            return i + 1;
    return first;
}

/* A truncated or mismatched reply over UDP is no failure: the query over TCP that follows is an
 * attempt of its own.  Nor is a query limit, which is not the server's fault. */
static bool is_failed_attempt(const struct trace_attempt *a)
{
    return a->outcome != TRACE_ANSWERED && a->outcome != TRACE_OPEN &&
           (a->outcome != TRACE_TRUNCATED || a->is_tcp) && a->outcome != TRACE_MISMATCH &&
           a->outcome != TRACE_QUOTA;
}

/* Count the attempts with this outcome and RCODE.  -1: any RCODE. */
static unsigned count_outcome(const struct cause_failure *e, enum trace_outcome outcome,
                              int rcode)
{
    unsigned cnt = 0;
    for (unsigned i = first_attempt(e); i < e->attempts.cnt; i++) {
        const struct trace_attempt *a = attempt_at(e, i);
        cnt += a && a->outcome == outcome && (rcode < 0 || a->rcode == rcode);
    }
    return cnt;
}

static unsigned count_failed(const struct cause_failure *e)
{
    unsigned cnt = 0;
    for (unsigned i = first_attempt(e); i < e->attempts.cnt; i++)
        cnt += attempt_at(e, i) && is_failed_attempt(attempt_at(e, i));
    return cnt;
}

static bool is_same_server(const struct trace_attempt *a, const struct trace_attempt *b)
{
    return a->octets_len == b->octets_len && memcmp(a->octets, b->octets, a->octets_len) == 0;
}

/* Append the last outcome of each server: "127.0.0.1 timed out 3 times". */
static void say_attempts(const struct cause_failure *e, char out[CAUSE_TEXT_MAX])
{
    char did[WORDING_TEXT_MAX];
    unsigned shown = 0;

    for (unsigned i = e->attempts.cnt; i-- > first_attempt(e) && shown < SHOWN_SERVERS;) {
        const struct trace_attempt *at = attempt_at(e, i);
        unsigned times = 0, later = 0;
        if (!at || !is_failed_attempt(at))
            continue;
        for (unsigned n = first_attempt(e); n < e->attempts.cnt; n++) {
            const struct trace_attempt *other = attempt_at(e, n);
            bool is_same = other && is_failed_attempt(other) && is_same_server(at, other);
            times += is_same && at->outcome == other->outcome;
            later += is_same && n > i;
        }
        if (later > 0)
            continue;
        struct addr server = trace_server(at);
        say_text(out, "%s", shown++ ? "; " : "");
        say_server(out, &server);
        say_text(out, " %s", wording_attempt(at, did));
        if (times > 1)
            say_text(out, " %u times", times);
    }
}

static void explain_server_names(const struct cause_failure *e, struct cause *out)
{
    out->kind = CAUSE_NO_SERVER_NAMES;
    say_text(out->text, "The servers of ");
    say_name(out->text, e->zone);
    say_text(out->text, " cannot be found: ");
    for (unsigned i = 0; i < util_min(e->denied_cnt, SHOWN_NAMES); i++) {
        say_text(out->text, "%s", i ? ", " : "");
        say_name(out->text, e->denied[i]);
    }
    if (e->denied_cnt > SHOWN_NAMES)
        say_text(out->text, " and %u more", e->denied_cnt - SHOWN_NAMES);
    say_text(out->text, e->denied_cnt == 1 ? " does not exist or has no address."
                                           : " do not exist or have no address.");
    say_text(out->advice,
             "The zone's operator has to name servers that exist, in the zone and at its "
             "parent.");
}

static void explain_dependency_loop(const struct cause_failure *e, struct cause *out)
{
    out->kind = CAUSE_DEPENDENCY_LOOP;
    say_text(out->text, "The servers of ");
    say_name(out->text, e->zone);
    say_text(out->text,
             " form a dependency loop: their addresses can only be learned from these "
             "servers, or from zones that depend on them.");
    say_text(out->advice,
             "The parent zone has to publish an address (glue) for one of the servers, "
             "or one of them needs a name in another zone.");
}

static void explain_forbidden(const struct cause_failure *e, struct cause *out)
{
    out->kind = e->is_v6_only ? CAUSE_UNREACHABLE : CAUSE_FORBIDDEN;
    say_text(out->text, e->is_configured ? "The servers configured for " : "The servers of ");
    say_name(out->text, e->zone);
    if (e->is_v6_only) {
        say_text(out->text,
                 " have only IPv6 addresses, and this resolver does not ask over IPv6.");
        say_text(out->advice,
                 "Give the machine IPv6 and set resolver.ipv6, or have the zone served "
                 "over IPv4 too.");
        return;
    }
    say_text(out->text,
             " have only addresses that this resolver never asks (do-not-query, or its own).");
    say_text(
        out->advice, "%s",
        e->is_configured
            ? "Configure other addresses: a resolver asks neither itself nor an address that "
              "stands for many hosts."
            : "The delegation names wrong addresses. If they are right in this network, change "
              "resolver.do-not-query, or configure the zone as a stub zone.");
}

/* The result of a zone's servers: a sentence around the name of the zone. */
struct servers_case {
    enum cause_kind kind;
    const char *before, *after, *advice;
};

static const struct servers_case silent_servers = {
    CAUSE_SILENT, "None of the ", " replies: ",
    "They are down, cannot be reached from here, or port 53 is filtered on the path. Ask the "
    "zone's operator."};
static const struct servers_case refusing_servers = {
    CAUSE_LAME, "The ", " do not serve it: ",
    "Configure other servers under stub-zones or forward-zones, or have the zone loaded "
    "there."};
static const struct servers_case failing_servers = {
    CAUSE_SERVER_FAILURE, "The ", " are up but cannot answer: ",
    "Their operator has to read their logs: such a "
    "server has often rejected its own zone file, "
    "or lost its primary."};
static const struct servers_case failing_forwarders = {
    CAUSE_SERVER_FAILURE, "The ", " are up but cannot answer: ",
    "They may have met a fault further on, or a bogus signature: ask them directly, or explain "
    "the name there."};
static const struct servers_case servers_without_tcp = {
    CAUSE_NO_TCP, "The answer does not fit into a UDP datagram, and the ",
    " do not answer over TCP: ",
    "Their operator, or a firewall on the path, has to let TCP port 53 through (RFC 7766)."};
static const struct servers_case unreachable_servers = {
    CAUSE_UNREACHABLE, "This machine has no route to the ", ": ",
    "Check its routes and its network."};
static const struct servers_case malformed_servers = {
    CAUSE_MALFORMED, "The ",
    " send malformed replies: ", "Only their operator can repair them."};
static const struct servers_case useless_servers = {
    CAUSE_UNUSABLE, "None of the ",
    " gave a usable reply: ", "Each server has a reason of its own, see above."};

static unsigned count_tcp_failures(const struct cause_failure *e)
{
    unsigned cnt = 0;
    for (unsigned i = first_attempt(e); i < e->attempts.cnt; i++) {
        const struct trace_attempt *a = attempt_at(e, i);
        cnt += a && a->is_tcp &&
               (a->outcome == TRACE_TCP_REFUSED || a->outcome == TRACE_TCP_CLOSED ||
                a->outcome == TRACE_TIMEOUT);
    }
    return cnt;
}

static bool has_udp_truncated(const struct cause_failure *e)
{
    for (unsigned i = first_attempt(e); i < e->attempts.cnt; i++) {
        const struct trace_attempt *a = attempt_at(e, i);
        if (a && !a->is_tcp && a->outcome == TRACE_TRUNCATED)
            return true;
    }
    return false;
}

/* Return NULL for a lame delegation, which has a sentence of its own.  If some servers are
 * silent or unreachable, the others decide. */
static const struct servers_case *judge_servers(const struct cause_failure *e)
{
    unsigned all = count_failed(e), unreachable = count_outcome(e, TRACE_UNREACHABLE, -1),
             no_tcp = has_udp_truncated(e) ? count_tcp_failures(e) : 0,
             silent = count_outcome(e, TRACE_TIMEOUT, -1), rest = all - silent - unreachable;

    if (no_tcp > 0 && no_tcp + silent + unreachable >= all)
        return &servers_without_tcp;
    if (rest == 0)
        return silent > 0 ? &silent_servers : &unreachable_servers;
    if (count_outcome(e, TRACE_LAME, -1) +
            count_outcome(e, TRACE_RCODE, RRTYPE_RCODE_REFUSED) ==
        rest)
        return e->is_configured ? &refusing_servers : NULL;
    if (count_outcome(e, TRACE_RCODE, RRTYPE_RCODE_SERVFAIL) == rest)
        return e->is_configured ? &failing_forwarders : &failing_servers;
    return count_outcome(e, TRACE_BROKEN, -1) == rest ? &malformed_servers : &useless_servers;
}

static void explain_lame(const struct cause_failure *e, struct cause *out)
{
    out->kind = CAUSE_LAME;
    say_text(out->text, "The delegation of ");
    say_name(out->text, e->zone);
    say_text(out->text, " is lame: the servers named by the parent zone do not serve it: ");
    say_attempts(e, out->text);
    say_text(out->text, ".");
    say_text(out->advice,
             "The operator of the servers has to load the zone there, or the parent zone "
             "has to name other servers.");
}

static void explain_servers(const struct cause_failure *e, struct cause *out)
{
    const struct servers_case *v = judge_servers(e);

    if (!v) {
        explain_lame(e, out);
        return;
    }
    out->kind = v->kind;
    say_text(out->text, "%s%s", v->before,
             e->is_configured ? "servers configured for " : "servers of ");
    say_name(out->text, e->zone);
    say_text(out->text, "%s", v->after);
    say_attempts(e, out->text);
    say_text(out->text, ".");
    say_text(out->advice, "%s", v->advice);
}

static void explain_limit(const struct cause_failure *e, struct cause *out)
{
    out->kind = CAUSE_LIMIT;
    say_text(out->text, "A limit was reached while ");
    say_name(out->text, e->name);
    say_text(out->text, " was being resolved: %s.", failure_text(e->failure));
    say_text(out->advice,
             "A name that needs so much work is a mistake or an attack. If this one is "
             "neither, raise the limit in the configuration (limits).");
}

/* ---- validation ---- */

static bool is_of_validation(const struct cause_failure *e)
{
    return e->failure == FAILURE_BOGUS || e->failure == FAILURE_UNVALIDATED;
}

/* Return what to do about a fault with this INFO-CODE. */
static const char *advise_on_fault(int ede)
{
    switch (ede) {
    case EDNS_EDE_SIGNATURE_EXPIRED:
    case EDNS_EDE_NOT_YET_VALID:
        return "Check the clock of this machine. If it is right, the zone's operator has to "
               "sign "
               "the zone again.";
    case EDNS_EDE_DNSKEY_MISSING:
    case EDNS_EDE_NO_ZONE_KEY_BIT:
        return "The zone's operator has to publish a key that the DS names, or have the parent "
               "zone publish the DS of a key that is in use.";
    case EDNS_EDE_RRSIGS_MISSING:
    case EDNS_EDE_NSEC_MISSING:
        return "The zone's operator has to serve the zone with its signatures, or have the DS "
               "removed from the parent zone. If other resolvers get them, something on the "
               "path "
               "strips them.";
    default:
        return "The zone's operator has to repair the zone. Data that do not match their "
               "signatures may also be forged.";
    }
}

/* `text` is the first broken link. */
static void explain_bogus(bool is_bogus, int ede, const char *text, struct cause *out)
{
    out->kind = is_bogus ? CAUSE_BOGUS : CAUSE_UNVALIDATED;
    say_text(out->text, "%s: %s.",
             is_bogus ? "Validation failed" : "The chain of trust could not be followed", text);
    say_text(out->advice, "%s",
             is_bogus
                 ? advise_on_fault(ede)
                 : "The servers on the way to the zone's keys have to answer; see the lookup "
                   "that failed.");
    if (is_bogus)
        say_text(out->advice,
                 " Meanwhile `dig +cd` shows the data, and a negative trust anchor "
                 "(resolver.negative-trust-anchors) makes them resolve.");
}

/* True if the failure has a cause that its own facts show. */
static bool has_own_cause(const struct cause_failure *e)
{
    if (e->failure == FAILURE_UNVALIDATED) /* the lookup of the link that failed says more */
        return false;
    return e->failure == FAILURE_BOGUS || count_failed(e) > 0 || e->is_loop ||
           (e->addr_cnt == 0 && e->denied_cnt > 0 && e->denied_cnt >= e->server_cnt) ||
           (!e->is_limited && (e->is_forbidden || e->is_v6_only));
}

/* Return the last failure with a cause of its own: that of the resolution that the answer
 * waited for, or of one that it depended on. */
static const struct cause_failure *choose_failure(const struct cause_facts *f)
{
    for (unsigned i = f->failure_cnt; i-- > 0;)
        if (has_own_cause(&f->failures[i]))
            return &f->failures[i];
    return &f->failures[f->failure_cnt - 1];
}

static void explain_failure(const struct cause_facts *f, struct cause *out)
{
    const struct cause_failure *e = choose_failure(f);

    if (is_of_validation(e)) {
        int ede = f->is_cached_failure ? f->failure.ede : f->ede;
        explain_bogus(e->failure == FAILURE_BOGUS, ede, *e->text ? e->text : f->ede_text, out);
    } else if (e->is_loop) {
        explain_dependency_loop(e, out);
    } else if (count_failed(e) > 0) {
        explain_servers(e, out);
    } else if (e->is_limited && !has_own_cause(e)) {
        explain_limit(e, out);
    } else if (e->addr_cnt == 0 && e->denied_cnt > 0 && e->denied_cnt >= e->server_cnt) {
        explain_server_names(e, out);
    } else if (e->is_forbidden || e->is_v6_only) {
        explain_forbidden(e, out);
    } else {
        out->kind = CAUSE_UNUSABLE;
        say_name(out->text, e->name);
        say_text(out->text, " could not be resolved: %s.",
                 e->failure ? failure_text(e->failure) : "the reason is not known");
    }
    if (!dname_is_equal(e->name, f->name)) {
        say_text(out->text, " Therefore ");
        say_name(out->text, f->name);
        say_text(out->text, " cannot be resolved.");
    }
}

static bool is_cname_loop(const struct cause_facts *f)
{
    const uint8_t *last = last_name(f);
    if (f->cname_cnt > 0 && dname_is_equal(last, f->name))
        return true;
    for (unsigned i = 0; i + 1 < util_min(f->cname_cnt, CAUSE_CHAIN_MAX); i++)
        if (dname_is_equal(f->chain[i], last))
            return true;
    return false;
}

static void explain_cname_loop(const struct cause_facts *f, struct cause *out)
{
    out->kind = CAUSE_CNAME_LOOP;
    say_text(out->text, "The CNAMEs form a loop: ");
    say_name(out->text, f->name);
    for (unsigned i = 0; i < util_min(f->cname_cnt, CAUSE_CHAIN_MAX); i++) {
        say_text(out->text, " -> ");
        say_name(out->text, f->chain[i]);
    }
    say_text(out->text, ".");
    say_text(out->advice,
             "The operator of one of them has to point it at a name that has an address.");
}

static void explain_cached_failure(const struct cause_facts *f, struct cause *out)
{
    say_text(out->text, "It failed ");
    say_time(out->text, f->failure.age_s);
    say_text(out->text, " ago, and the failure is cached for another ");
    say_time(out->text, f->failure.left_s);
    if (f->failure.is_bogus || f->failure.ede == EDNS_EDE_INDETERMINATE) {
        say_text(out->text, ". ");
        explain_bogus(f->failure.is_bogus, f->failure.ede, f->ede_text, out);
        say_text(out->advice, " ");
    } else if (f->failure_cnt > 0 && has_own_cause(choose_failure(f))) {
        say_text(out->text, ". ");
        explain_failure(f, out);
        say_text(out->advice, "%s", *out->advice ? " " : "");
    } else {
        out->kind = CAUSE_CACHED_FAILURE;
        say_text(out->text, ": %s.", f->ede_text);
    }
    say_text(out->advice, "Use --no-cache to resolve it again.");
}

static void explain_servfail(const struct cause_facts *f, struct cause *out)
{
    if (is_cname_loop(f)) {
        explain_cname_loop(f, out);
    } else if (f->is_cached_failure) {
        explain_cached_failure(f, out);
    } else if (f->failure_cnt > 0) {
        explain_failure(f, out);
    } else {
        out->kind = CAUSE_LIMIT;
        say_name(out->text, f->name);
        say_text(out->text, " could not be answered: %s.",
                 *f->ede_text ? f->ede_text : "a limit was reached");
    }
}

void cause_find(const struct cause_facts *f, struct cause *out)
{
    char rcode[RRTYPE_NAME_MAX];

    *out = (struct cause){.kind = CAUSE_OTHER};
    switch (f->rcode) {
    case RRTYPE_RCODE_NOERROR:
        f->type == RRTYPE_ANY ? explain_any(f, out)
        : f->answer_cnt > 0   ? explain_answer(f, out)
                              : explain_nodata(f, out);
        break;
    case RRTYPE_RCODE_NXDOMAIN: explain_nxdomain(f, out); break;
    case RRTYPE_RCODE_SERVFAIL: explain_servfail(f, out); break;
    case RRTYPE_RCODE_YXDOMAIN:
        out->kind = CAUSE_DNAME_TOO_LONG;
        say_text(out->text, "The DNAME turns ");
        say_name(out->text, last_name(f));
        say_text(out->text, " into a name longer than 255 octets.");
        break;
    default:
        rrtype_print_rcode(f->rcode, rcode);
        out->kind = f->rcode == RRTYPE_RCODE_REFUSED ? CAUSE_REFUSED : CAUSE_OTHER;
        say_text(out->text, "This resolver answers %s with %s%s%s.", f->client, rcode,
                 *f->ede_text ? ": " : "", f->ede_text);
        if (f->ede == EDNS_EDE_PROHIBITED)
            say_text(out->advice,
                     "If this client may use the resolver, add its address to `allow` in "
                     "the resolver's configuration.");
        else if (f->ede == EDNS_EDE_BLOCKED)
            say_text(out->advice,
                     "If this name may have private addresses, add its zone to "
                     "private-addresses.except in the resolver's configuration.");
    }
}
