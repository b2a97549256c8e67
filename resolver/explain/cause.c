/* A failure is told from its root: the resolution that ended last is the one the answer waited
 * for, but what kept it from its servers' addresses says more. Every sentence names who could
 * mend it. */
#include "resolver/explain/cause.h"

#include <stdarg.h>

#include "base/now.h"
#include "dns/dname_text.h"
#include "dns/edns.h"
#include "dns/rrtype.h"

enum { SHOWN_SERVERS = 3, SHOWN_NAMES = 4 };

static void say(char out[CAUSE_TEXT_MAX], const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Add to what is there; what does not fit is cut off. */
static void say(char out[CAUSE_TEXT_MAX], const char *fmt, ...)
{
    size_t len = strlen(out);
    va_list args;
    va_start(args, fmt);
    vsnprintf(out + len, CAUSE_TEXT_MAX - len, fmt, args);
    va_end(args);
}

/* In a sentence a name stands without its last dot. */
static void say_name(char out[CAUSE_TEXT_MAX], const uint8_t *name)
{
    char text[DNAME_TEXT_MAX];
    dname_text_print(name, text);
    if (*name)
        text[strlen(text) - 1] = '\0';
    else
        strcpy(text, "the root");
    say(out, "%s", text);
}

static void say_server(char out[CAUSE_TEXT_MAX], const struct addr *server)
{
    char text[ADDR_TEXT_MAX];
    addr_print(server, text);
    *strchr(text, '@') = '\0';
    say(out, "%s", text);
}

static void say_type(char out[CAUSE_TEXT_MAX], uint16_t type)
{
    char text[RRTYPE_NAME_MAX];
    rrtype_print(type, text);
    say(out, "%s", text);
}

static void say_time(char out[CAUSE_TEXT_MAX], int64_t seconds)
{
    char text[NOW_TEXT_MAX];
    now_print_span(seconds, text);
    say(out, "%s", text);
}

static const uint8_t *last_name(const struct cause_facts *f)
{
    unsigned last = (unsigned)util_min(f->cname_cnt, CAUSE_CHAIN_MAX);
    return last > 0 ? f->chain[last - 1] : f->name;
}

/* ---- what went well ---- */

static void say_source(const struct cause_facts *f, char out[CAUSE_TEXT_MAX])
{
    const struct cause_source *s = &f->source;

    if (s->is_local) {
        say(out, " This resolver knows it by itself: nobody was asked.");
    } else if (s->is_stale) {
        say(out, " Nobody gave a fresh answer, so one that ended ");
        say_time(out, s->age_s);
        say(out, " ago is served.");
    } else if (f->query_cnt > 0) {
        say(out, " %u question%s to servers led there", f->query_cnt,
            f->query_cnt == 1 ? "" : "s");
        if (f->last_server.sock.any.sa_family) {
            say(out, ", the last to ");
            say_server(out, &f->last_server);
        }
        say(out, ".");
        if (f->cut_cnt > 0)
            say(out, " Some of it went over TCP, because a datagram was too small for it.");
        if (f->suspect_cnt > 0)
            say(out, " A reply over UDP was not believed, so it was asked again over TCP.");
    } else if (f->is_joined) {
        say(out, " It was being looked up for somebody else already.");
    } else if (s->is_there) {
        say(out, " It was in the cache");
        if (s->server.sock.any.sa_family) {
            say(out, ", learnt ");
            say_time(out, s->age_s);
            say(out, " ago from ");
            say_server(out, &s->server);
        }
        say(out, ", for another ");
        say_time(out, s->left_s);
        say(out, ".");
    }
}

static void say_alias(const struct cause_facts *f, char out[CAUSE_TEXT_MAX])
{
    say_name(out, f->name);
    if (f->cname_cnt == 0)
        return;
    say(out, " is an alias of ");
    say_name(out, last_name(f));
    if (f->cname_cnt > 1)
        say(out, " (over %u steps)", f->cname_cnt);
    say(out, ", which");
}

static void tell_any(const struct cause_facts *f, struct cause *out)
{
    out->kind = "answered";
    say(out->text,
        "Questions of type ANY get one record made for them instead of all there are "
        "(RFC 8482): nobody was asked about ");
    say_name(out->text, f->name);
    say(out->text, ".");
    say(out->advice, "Ask for the type that is wanted, such as A, MX or TXT.");
}

static void tell_answer(const struct cause_facts *f, struct cause *out)
{
    out->kind = f->source.is_stale ? "stale" : f->source.is_local ? "local" : "answered";
    say_alias(f, out->text);
    say(out->text, " has %u ", f->answer_cnt);
    say_type(out->text, f->type);
    say(out->text, " record%s.", f->answer_cnt == 1 ? "" : "s");
    say_source(f, out->text);
    if (f->source.is_stale)
        say(out->advice, "Find out why its servers are silent: explain it with --no-cache.");
}

static void tell_no_type(const struct cause_facts *f, struct cause *out)
{
    out->kind = "no-type";
    say_alias(f, out->text);
    say(out->text, " exists, but it has no ");
    say_type(out->text, f->type);
    say(out->text, " record.");
    say_source(f, out->text);
    say(out->advice,
        "That is an answer, not a failure: ask for another type, or have whoever runs the "
        "zone add the record.");
}

static void tell_no_name(const struct cause_facts *f, struct cause *out)
{
    out->kind = f->cname_cnt > 0 ? "alias-to-nowhere" : "no-name";
    if (f->cname_cnt > 0) {
        say_name(out->text, f->name);
        say(out->text, " is an alias of ");
        say_name(out->text, last_name(f));
        say(out->text, ", and there is no such name.");
    } else {
        say(out->text, "There is no name ");
        say_name(out->text, f->name);
        say(out->text, ".");
    }
    say_source(f, out->text);
    say(out->advice,
        f->cname_cnt > 0
            ? "Whoever runs the alias has to point it at a name that exists."
            : "Look for a typing error. If the name was made just now, the cache may "
              "not know it yet: rootline cache flush drops what it has.");
}

/* ---- what went wrong ---- */

/* Its `i`-th attempt, if that was at the zone that failed: of servers above it nothing counts.
 */
static const struct trace_attempt *attempt_at(const struct cause_failure *e, unsigned i)
{
    const struct trace_attempt *a = &e->attempts.at[i % TRACE_ATTEMPTS];
    return a->zone_labels == dname_labels(e->zone) ? a : NULL;
}

/* What went amiss before a server of the zone answered was overcome. */
static unsigned first_attempt(const struct cause_failure *e)
{
    unsigned first = e->attempts.cnt > TRACE_ATTEMPTS ? e->attempts.cnt - TRACE_ATTEMPTS : 0;

    for (unsigned i = e->attempts.cnt; i-- > first;)
        if (attempt_at(e, i) && attempt_at(e, i)->outcome == TRACE_ANSWERED)
            return i + 1;
    return first;
}

/* One that was truncated or met a forger went on over TCP: what became of that is another
 * attempt.  A quota is ours. */
static bool is_failed(const struct trace_attempt *a)
{
    return a->outcome != TRACE_ANSWERED && a->outcome != TRACE_OPEN &&
           (a->outcome != TRACE_TRUNCATED || a->is_tcp) && a->outcome != TRACE_SUSPECT &&
           a->outcome != TRACE_QUOTA;
}

/* How many attempts of that outcome, with that RCODE (or any: -1). */
static unsigned count(const struct cause_failure *e, enum trace_outcome outcome, int rcode)
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
        cnt += attempt_at(e, i) && is_failed(attempt_at(e, i));
    return cnt;
}

static bool is_same_server(const struct trace_attempt *a, const struct trace_attempt *b)
{
    return a->octets_len == b->octets_len && memcmp(a->octets, b->octets, a->octets_len) == 0;
}

/* "127.0.0.1 timed out 3 times", for the last outcome of each server. */
static void say_attempts(const struct cause_failure *e, char out[CAUSE_TEXT_MAX])
{
    char room[TRACE_WORDS_MAX];
    unsigned minimised_labels = 0;

    for (unsigned i = e->attempts.cnt;
         i-- > first_attempt(e) && minimised_labels < SHOWN_SERVERS;) {
        const struct trace_attempt *at = attempt_at(e, i);
        unsigned times = 0, later = 0;
        if (!at || !is_failed(at))
            continue;
        for (unsigned n = first_attempt(e); n < e->attempts.cnt; n++) {
            const struct trace_attempt *other = attempt_at(e, n);
            bool is_same = other && is_failed(other) && is_same_server(at, other);
            times += is_same && at->outcome == other->outcome;
            later += is_same && n > i;
        }
        if (later > 0)
            continue;
        struct addr server = trace_server(at);
        say(out, "%s", minimised_labels++ ? "; " : "");
        say_server(out, &server);
        say(out, " %s", trace_words(at, room));
        if (times > 1)
            say(out, " %u times", times);
    }
}

static void tell_names(const struct cause_failure *e, struct cause *out)
{
    out->kind = "no-server-names";
    say(out->text, "The servers of ");
    say_name(out->text, e->zone);
    say(out->text, " cannot be found: ");
    for (unsigned i = 0; i < util_min(e->denied_cnt, SHOWN_NAMES); i++) {
        say(out->text, "%s", i ? ", " : "");
        say_name(out->text, e->denied[i]);
    }
    if (e->denied_cnt > SHOWN_NAMES)
        say(out->text, " and %u more", e->denied_cnt - SHOWN_NAMES);
    say(out->text, e->denied_cnt == 1 ? " does not exist or has no address."
                                      : " do not exist or have no address.");
    say(out->advice,
        "Whoever runs the zone has to name servers that exist, there and at the zone above.");
}

static void tell_loop(const struct cause_failure *e, struct cause *out)
{
    out->kind = "circle";
    say(out->text, "The servers of ");
    say_name(out->text, e->zone);
    say(out->text,
        " go round in a circle: to find their addresses one would have to ask them, or "
        "zones whose servers can only be found through it.");
    say(out->advice,
        "The zone above has to give an address (glue) for one of the servers, or one "
        "of them needs a name in another zone.");
}

static void tell_unusable(const struct cause_failure *e, struct cause *out)
{
    out->kind = e->is_v6_only ? "no-way" : "forbidden";
    say(out->text,
        e->is_configured ? "The servers that the configuration names for " : "The servers of ");
    say_name(out->text, e->zone);
    if (e->is_v6_only) {
        say(out->text, " have IPv6 addresses only, and this resolver does not ask over IPv6.");
        say(out->advice, "Give the machine IPv6 and set resolver.ipv6, or have the zone served "
                         "over IPv4 too.");
        return;
    }
    say(out->text,
        " have only addresses that this resolver never asks (do-not-query, or its own).");
    say(out->advice, "%s",
        e->is_configured
            ? "Name other addresses there: a resolver does not ask itself, nor an "
              "address that stands for many."
            : "The zone above names wrong addresses; if they are right here, change "
              "resolver.do-not-query, or name them as a stub zone.");
}

/* What a zone's servers did, as a sentence around who they are. */
struct verdict {
    const char *kind, *before, *after, *advice;
};

static const struct verdict silent_servers = {"silent", "None of the ", " answers: ",
                                              "They are down, cannot be reached from here, or "
                                              "something on the way drops port 53. Whoever "
                                              "runs the zone can tell."};
static const struct verdict refusing_servers = {
    "lame", "The ", " do not serve it: ",
    "Name others under stub-zones or forward-zones, or have it served there."};
static const struct verdict sick_servers = {
    "server-failure", "The ", " are there and cannot answer: ",
    "Their operator has to look into their logs: such a server has often refused its own zone "
    "file, or lost its primary."};
static const struct verdict sick_forwarders = {
    "server-failure", "The ", " are there and cannot answer: ",
    "They may have met what is broken further on, or a signature that is wrong: ask them, or "
    "explain it where they are."};
static const struct verdict servers_without_tcp = {
    "no-tcp", "What is asked for does not fit a datagram, and the ",
    " do not answer over TCP: ",
    "Their operator, or a firewall on the way, has to let TCP port 53 through (RFC 7766)."};
static const struct verdict lost_servers = {"no-way", "This machine has no way to the ", ": ",
                                            "Look at its routes and at its network."};
static const struct verdict broken_servers = {
    "broken-replies", "The ",
    " send replies that cannot be read: ", "Their operator has to mend them; nobody else can."};
static const struct verdict useless_servers = {
    "no-help", "None of the ", " helped: ", "Each of them has its own reason, see above."};

static unsigned count_tcp(const struct cause_failure *e)
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

/* NULL: it is a lame delegation, which has words of its own.  Silence of some servers changes
 * nothing of what the others say, nor do addresses that cannot be reached. */
static const struct verdict *judge(const struct cause_failure *e)
{
    unsigned all = count_failed(e), lost = count(e, TRACE_UNREACHABLE, -1),
             no_tcp = has_udp_truncated(e) ? count_tcp(e) : 0,
             silent = count(e, TRACE_TIMEOUT, -1), rest = all - silent - lost;

    if (no_tcp > 0 && no_tcp + silent + lost >= all)
        return &servers_without_tcp;
    if (rest == 0)
        return silent > 0 ? &silent_servers : &lost_servers;
    if (count(e, TRACE_LAME, -1) + count(e, TRACE_RCODE, RRTYPE_RCODE_REFUSED) == rest)
        return e->is_configured ? &refusing_servers : NULL;
    if (count(e, TRACE_RCODE, RRTYPE_RCODE_SERVFAIL) == rest)
        return e->is_configured ? &sick_forwarders : &sick_servers;
    return count(e, TRACE_BROKEN, -1) == rest ? &broken_servers : &useless_servers;
}

static void tell_lame(const struct cause_failure *e, struct cause *out)
{
    out->kind = "lame";
    say(out->text, "The delegation of ");
    say_name(out->text, e->zone);
    say(out->text, " is lame: whom the zone above names as its servers do not serve it: ");
    say_attempts(e, out->text);
    say(out->text, ".");
    say(out->advice,
        "Whoever runs the servers has to load the zone there, or the zone above has "
        "to name others.");
}

/* Those that a delegation or the configuration sends us to, and what they said. */
static void tell_servers(const struct cause_failure *e, struct cause *out)
{
    const struct verdict *v = judge(e);

    if (!v) {
        tell_lame(e, out);
        return;
    }
    out->kind = v->kind;
    say(out->text, "%s%s", v->before,
        e->is_configured ? "servers that the configuration names for " : "servers of ");
    say_name(out->text, e->zone);
    say(out->text, "%s", v->after);
    say_attempts(e, out->text);
    say(out->text, ".");
    say(out->advice, "%s", v->advice);
}

static void tell_limit(const struct cause_failure *e, struct cause *out)
{
    out->kind = "limit";
    say(out->text, "A limit was reached while ");
    say_name(out->text, e->name);
    say(out->text, " was looked up: %s.", e->cause ? e->cause : "the work for one question");
    say(out->advice,
        "Names that want so much work are mistakes or attacks; if this one is neither, "
        "the limits have keys of their own in the configuration.");
}

/* Whether it says by itself why it failed. */
static bool is_telling(const struct cause_failure *e)
{
    return count_failed(e) > 0 || e->is_loop ||
           (e->addr_cnt == 0 && e->denied_cnt > 0 && e->denied_cnt >= e->server_cnt) ||
           (!e->is_limited && (e->is_forbidden || e->is_v6_only));
}

/* The failure that says most: the one that the answer waited for, or what kept that one from
 * its servers' addresses, or used its time up. */
static const struct cause_failure *choose(const struct cause_facts *f)
{
    for (unsigned i = f->failure_cnt; i-- > 0;)
        if (is_telling(&f->failures[i]))
            return &f->failures[i];
    return &f->failures[f->failure_cnt - 1];
}

static void tell_failure(const struct cause_facts *f, struct cause *out)
{
    const struct cause_failure *e = choose(f);

    if (e->is_loop) {
        tell_loop(e, out);
    } else if (count_failed(e) > 0) {
        tell_servers(e, out);
    } else if (e->is_limited && !is_telling(e)) {
        tell_limit(e, out);
    } else if (e->addr_cnt == 0 && e->denied_cnt > 0 && e->denied_cnt >= e->server_cnt) {
        tell_names(e, out);
    } else if (e->is_forbidden || e->is_v6_only) {
        tell_unusable(e, out);
    } else {
        out->kind = "no-help";
        say_name(out->text, e->name);
        say(out->text, " could not be looked up: %s.",
            e->cause ? e->cause : "nobody knows why");
    }
    if (!dname_is_equal(e->name, f->name)) {
        say(out->text, " That kept ");
        say_name(out->text, f->name);
        say(out->text, " from being found.");
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

static void tell_aliases(const struct cause_facts *f, struct cause *out)
{
    out->kind = "alias-circle";
    say(out->text, "The aliases lead round in a circle: ");
    say_name(out->text, f->name);
    for (unsigned i = 0; i < util_min(f->cname_cnt, CAUSE_CHAIN_MAX); i++) {
        say(out->text, " -> ");
        say_name(out->text, f->chain[i]);
    }
    say(out->text, ".");
    say(out->advice, "Whoever runs one of them has to point it at a name that has an address.");
}

static void tell_remembered(const struct cause_facts *f, struct cause *out)
{
    say(out->text, "It failed ");
    say_time(out->text, f->failure.age_s);
    say(out->text, " ago, which is remembered for another ");
    say_time(out->text, f->failure.left_s);
    if (f->failure_cnt > 0 && is_telling(choose(f))) {
        say(out->text, ". ");
        tell_failure(f, out);
        say(out->advice, "%s", *out->advice ? " " : "");
    } else {
        out->kind = "remembered";
        say(out->text, ": %s.", f->ede_text);
    }
    say(out->advice, "Explained with --no-cache it is tried anew.");
}

static void tell_servfail(const struct cause_facts *f, struct cause *out)
{
    if (is_cname_loop(f)) {
        tell_aliases(f, out);
    } else if (f->is_remembered) {
        tell_remembered(f, out);
    } else if (f->failure_cnt > 0) {
        tell_failure(f, out);
    } else {
        out->kind = "limit";
        say_name(out->text, f->name);
        say(out->text, " could not be answered: %s.",
            *f->ede_text ? f->ede_text : "a limit was reached");
    }
}

void cause_find(const struct cause_facts *f, struct cause *out)
{
    char rcode[RRTYPE_NAME_MAX];

    *out = (struct cause){.kind = "other"};
    switch (f->rcode) {
    case RRTYPE_RCODE_NOERROR:
        f->type == RRTYPE_ANY ? tell_any(f, out)
        : f->answer_cnt > 0   ? tell_answer(f, out)
                              : tell_no_type(f, out);
        break;
    case RRTYPE_RCODE_NXDOMAIN: tell_no_name(f, out); break;
    case RRTYPE_RCODE_SERVFAIL: tell_servfail(f, out); break;
    case RRTYPE_RCODE_YXDOMAIN:
        out->kind = "too-long";
        say(out->text, "A DNAME makes of ");
        say_name(out->text, last_name(f));
        say(out->text, " a name that is longer than 255 octets.");
        break;
    default:
        rrtype_print_rcode(f->rcode, rcode);
        out->kind = f->rcode == RRTYPE_RCODE_REFUSED ? "refused" : "other";
        say(out->text, "This resolver says %s to %s%s%s.", rcode, f->client,
            *f->ede_text ? ": " : "", f->ede_text);
        if (f->ede == EDNS_EDE_PROHIBITED)
            say(out->advice, "Who may ask stands under `allow` in its configuration.");
    }
}
