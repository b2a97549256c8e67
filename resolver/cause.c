/* A failure is told from its root: the resolution that ended last is the one the answer waited for, but what kept it from its
 * servers' addresses says more. Every sentence names who could mend it. */
#include "resolver/cause.h"

#include <stdarg.h>

#include "dns/dname_text.h"
#include "dns/rrtype.h"

enum { SHOWN_SERVERS = 3 };

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
    static const struct {
        const char *name;
        int64_t seconds;
    } units[] = {{"day", 86400}, {"hour", 3600}, {"minute", 60}, {"second", 1}};
    size_t unit = 0;

    while (unit < ARRAY_LEN(units) - 1 && seconds < 2 * units[unit].seconds)
        unit++;
    int64_t cnt = seconds / units[unit].seconds;
    say(out, "%lld %s%s", (long long)cnt, units[unit].name, cnt == 1 ? "" : "s");
}

static const uint8_t *last_name(const struct cause_facts *f)
{
    unsigned last = (unsigned)util_min(f->alias_cnt, CAUSE_CHAIN_MAX);
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
    } else if (f->question_cnt > 0) {
        say(out, " %u question%s to servers led there", f->question_cnt,
            f->question_cnt == 1 ? "" : "s");
        if (f->last_server.sock.any.sa_family) {
            say(out, ", the last to ");
            say_server(out, &f->last_server);
        }
        say(out, ".");
        if (f->tcp_cnt > 0)
            say(out, " Some of it went over TCP, because a datagram was too small for it.");
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
    if (f->alias_cnt == 0)
        return;
    say(out, " is an alias of ");
    say_name(out, last_name(f));
    if (f->alias_cnt > 1)
        say(out, " (over %u steps)", f->alias_cnt);
    say(out, ", which");
}

static void tell_answer(const struct cause_facts *f, struct cause *out)
{
    bool is_any = f->type == RRTYPE_ANY;
    out->kind = f->source.is_stale ? "stale" : f->source.is_local ? "local" : "answered";
    say_alias(f, out->text);
    say(out->text, " has %u ", f->answer_cnt);
    if (!is_any)
        say_type(out->text, f->type);
    say(out->text, "%srecord%s.", is_any ? "" : " ", f->answer_cnt == 1 ? "" : "s");
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
    out->kind = f->alias_cnt > 0 ? "alias-to-nowhere" : "no-name";
    if (f->alias_cnt > 0) {
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
        f->alias_cnt > 0
            ? "Whoever runs the alias has to point it at a name that exists."
            : "Look for a typing error. If the name was made just now, the cache may "
              "not know it yet: rootline cache flush drops what it has.");
}

/* ---- what went wrong ---- */

/* How many attempts of that outcome, with that RCODE (or any). */
static unsigned count(const struct trace_attempts *a, enum trace_outcome outcome, int rcode)
{
    unsigned cnt = 0;
    for (unsigned i = 0; i < util_min(a->cnt, TRACE_ATTEMPTS); i++)
        cnt += a->at[i].outcome == outcome && (rcode < 0 || a->at[i].rcode == rcode);
    return cnt;
}

/* Attempts at the zone that failed, whatever their outcome. */
static unsigned count_failed(const struct trace_attempts *a)
{
    unsigned cnt = 0;
    for (unsigned i = 0; i < util_min(a->cnt, TRACE_ATTEMPTS); i++)
        cnt += a->at[i].outcome != TRACE_ANSWERED && a->at[i].outcome != TRACE_OPEN;
    return cnt;
}

static bool is_same_server(const struct trace_attempt *a, const struct trace_attempt *b)
{
    return a->octets_len == b->octets_len && memcmp(a->octets, b->octets, a->octets_len) == 0;
}

/* "127.0.0.1 timed out (3 times)", for the last outcome of each server. */
static void say_attempts(const struct trace_attempts *a, char out[CAUSE_TEXT_MAX])
{
    unsigned first = a->cnt > TRACE_ATTEMPTS ? a->cnt - TRACE_ATTEMPTS : 0, shown = 0;
    char room[TRACE_WORDS_MAX];

    for (unsigned i = a->cnt; i-- > first && shown < SHOWN_SERVERS;) {
        const struct trace_attempt *at = &a->at[i % TRACE_ATTEMPTS];
        unsigned times = 0, later = 0;
        for (unsigned n = first; n < a->cnt; n++) {
            const struct trace_attempt *other = &a->at[n % TRACE_ATTEMPTS];
            times += is_same_server(at, other) && at->outcome == other->outcome;
            later += n > i && is_same_server(at, other);
        }
        if (later > 0 || at->outcome == TRACE_ANSWERED || at->outcome == TRACE_OPEN)
            continue;
        struct addr server = trace_server(at);
        say(out, "%s", shown++ ? "; " : "");
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
    for (unsigned i = 0; i < util_min(e->denied_cnt, CAUSE_NAMES_MAX); i++) {
        say(out->text, "%s", i ? ", " : "");
        say_name(out->text, e->denied[i]);
    }
    say(out->text, e->denied_cnt == 1 ? " does not exist or has no address."
                                      : " do not exist or have no address.");
    say(out->advice,
        "Whoever runs the zone has to name servers that exist, there and at the zone above.");
}

static void tell_circle(const struct cause_failure *e, struct cause *out)
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
    say(out->text, "The servers of ");
    say_name(out->text, e->zone);
    if (e->is_v6_only) {
        say(out->text, " have IPv6 addresses only, and this resolver does not ask over IPv6.");
        say(out->advice, "Give the machine IPv6 and set resolver.ipv6, or have the zone served "
                         "over IPv4 too.");
        return;
    }
    say(out->text,
        " have only addresses that this resolver never asks (do-not-query, or its own).");
    say(out->advice, "The zone above names wrong addresses; if they are right here, change "
                     "resolver.do-not-query, or name them as a stub zone.");
}

/* Those that the zone above sends us to, and what they said. */
static void tell_servers(const struct cause_failure *e, struct cause *out)
{
    const struct trace_attempts *a = &e->attempts;
    unsigned all = count_failed(a), silent = count(a, TRACE_TIMEOUT, -1),
             lame = count(a, TRACE_LAME, -1) + count(a, TRACE_RCODE, RRTYPE_RCODE_REFUSED),
             sick = count(a, TRACE_RCODE, RRTYPE_RCODE_SERVFAIL),
             short_of_tcp = count(a, TRACE_TCP_FAILED, -1),
             lost = count(a, TRACE_UNREACHABLE, -1), broken = count(a, TRACE_BROKEN, -1);

    if (silent == all) {
        out->kind = "silent";
        say(out->text, "None of the servers of ");
        say_name(out->text, e->zone);
        say(out->text, " answers: ");
        say(out->advice, "They are down, cannot be reached from here, or something on the way "
                         "drops port 53. Whoever runs the zone can tell.");
    } else if (lame + silent == all && lame > 0) {
        out->kind = "lame";
        say(out->text, "The delegation of ");
        say_name(out->text, e->zone);
        say(out->text, " is lame: whom the zone above names as its servers do not serve it: ");
        say(out->advice,
            "Whoever runs the servers has to load the zone there, or the zone above has "
            "to name others.");
    } else if (sick + silent == all && sick > 0) {
        out->kind = "server-failure";
        say(out->text, "The servers of ");
        say_name(out->text, e->zone);
        say(out->text, " are there and cannot answer: ");
        say(out->advice, "Their operator has to look into their logs: such a server has often "
                         "refused its own zone file, or lost its primary.");
    } else if (short_of_tcp > 0 &&
               short_of_tcp + count(a, TRACE_TRUNCATED, -1) + silent == all) {
        out->kind = "no-tcp";
        say(out->text, "What is asked for does not fit a datagram, and the servers of ");
        say_name(out->text, e->zone);
        say(out->text, " do not answer over TCP: ");
        say(out->advice,
            "Their operator, or a firewall on the way, has to let TCP port 53 through "
            "(RFC 7766).");
    } else if (lost == all) {
        out->kind = "no-way";
        say(out->text, "This machine has no way to the servers of ");
        say_name(out->text, e->zone);
        say(out->text, ": ");
        say(out->advice, "Look at its routes and at its network.");
    } else if (broken == all) {
        out->kind = "broken-replies";
        say(out->text, "The servers of ");
        say_name(out->text, e->zone);
        say(out->text, " send replies that cannot be read: ");
        say(out->advice, "Their operator has to mend them; nobody else can.");
    } else {
        out->kind = "no-help";
        say(out->text, "None of the servers of ");
        say_name(out->text, e->zone);
        say(out->text, " helped: ");
        say(out->advice, "Each of them has its own reason, see above.");
    }
    say_attempts(a, out->text);
    say(out->text, ".");
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

/* The failure that says most: of one whose servers' addresses could not be found, what kept them. */
static const struct cause_failure *choose(const struct cause_facts *f)
{
    const struct cause_failure *last = &f->failures[f->failure_cnt - 1], *best = last;

    for (unsigned i = f->failure_cnt; i-- > 0 && best->addr_cnt == 0 && !best->is_circle &&
                                      best->denied_cnt < best->server_cnt;)
        best = &f->failures[i];
    return best;
}

static void tell_failure(const struct cause_facts *f, struct cause *out)
{
    const struct cause_failure *e = choose(f);

    if (e->is_circle)
        tell_circle(e, out);
    else if (e->addr_cnt == 0 && e->denied_cnt > 0)
        tell_names(e, out);
    else if (e->is_limited && count_failed(&e->attempts) == 0)
        tell_limit(e, out);
    else if (count_failed(&e->attempts) > 0)
        tell_servers(e, out);
    else if (e->is_forbidden || e->is_v6_only)
        tell_unusable(e, out);
    else {
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

static bool is_circle_of_aliases(const struct cause_facts *f)
{
    const uint8_t *last = last_name(f);
    if (f->alias_cnt > 0 && dname_is_equal(last, f->name))
        return true;
    for (unsigned i = 0; i + 1 < util_min(f->alias_cnt, CAUSE_CHAIN_MAX); i++)
        if (dname_is_equal(f->chain[i], last))
            return true;
    return false;
}

static void tell_aliases(const struct cause_facts *f, struct cause *out)
{
    out->kind = "alias-circle";
    say(out->text, "The aliases lead round in a circle: ");
    say_name(out->text, f->name);
    for (unsigned i = 0; i < util_min(f->alias_cnt, CAUSE_CHAIN_MAX); i++) {
        say(out->text, " -> ");
        say_name(out->text, f->chain[i]);
    }
    say(out->text, ".");
    say(out->advice, "Whoever runs one of them has to point it at a name that has an address.");
}

static void tell_remembered(const struct cause_facts *f, struct cause *out)
{
    say(out->text, "It failed ");
    say_time(out->text, f->source.age_s);
    say(out->text, " ago, which is remembered for another ");
    say_time(out->text, f->source.left_s);
    if (f->failure_cnt > 0) {
        say(out->text, ". ");
        tell_failure(f, out);
        say(out->advice, " ");
    } else {
        out->kind = "remembered";
        say(out->text, ": %s.", f->ede_text);
    }
    say(out->advice, "Explained with --no-cache it is tried anew.");
}

static void tell_servfail(const struct cause_facts *f, struct cause *out)
{
    if (is_circle_of_aliases(f)) {
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
        f->answer_cnt > 0 ? tell_answer(f, out) : tell_no_type(f, out);
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
        if (f->rcode == RRTYPE_RCODE_REFUSED)
            say(out->advice, "Who may ask stands under `allow` in its configuration.");
    }
}
