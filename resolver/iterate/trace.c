/* Text is made only for a failure, or when somebody asks. */
#include "resolver/iterate/trace.h"

#include "dns/dname_text.h"
#include "dns/rrtype.h"

enum { SERVERS_SHOWN = 3 };

void trace_begin(struct trace_attempts *attempts, const struct addr *server,
                 unsigned zone_labels, bool is_tcp)
{
    size_t len;
    const uint8_t *octets = addr_bytes(server, &len);
    struct trace_attempt *a = &attempts->at[attempts->cnt++ % TRACE_ATTEMPTS];

    *a = (struct trace_attempt){
        .octets_len = (uint8_t)len, .zone_labels = (uint8_t)zone_labels, .is_tcp = is_tcp};
    memcpy(a->octets, octets, len);
}

void trace_heard(struct trace_attempts *attempts, unsigned rtt_ms)
{
    attempts->at[(attempts->cnt - 1) % TRACE_ATTEMPTS].rtt_ms =
        (uint16_t)util_min(rtt_ms, UINT16_MAX);
}

void trace_end(struct trace_attempts *attempts, enum trace_outcome outcome, unsigned rcode)
{
    struct trace_attempt *a = &attempts->at[(attempts->cnt - 1) % TRACE_ATTEMPTS];
    a->outcome = (uint8_t)outcome;
    a->rcode = (uint8_t)util_min(rcode, UINT8_MAX);
}

const char *trace_words(const struct trace_attempt *a, char room[TRACE_WORDS_MAX])
{
    static const char *const words[] = {[TRACE_OPEN] = "was asked",
                                        [TRACE_ANSWERED] = "answered",
                                        [TRACE_TIMEOUT] = "timed out",
                                        [TRACE_SUSPECT] = "sent a wrong reply",
                                        [TRACE_TRUNCATED] = "truncated",
                                        [TRACE_TCP_REFUSED] = "refused TCP",
                                        [TRACE_TCP_CLOSED] = "closed the TCP connection",
                                        [TRACE_DISTRUST] = "did not prove who it is",
                                        [TRACE_UNREACHABLE] = "unreachable",
                                        [TRACE_LAME] = "is lame",
                                        [TRACE_BROKEN] = "sent a broken reply",
                                        [TRACE_EMPTY] = "sent an empty answer",
                                        [TRACE_QUOTA] = "has too many questions open"};
    char rcode[RRTYPE_NAME_MAX];

    if (a->outcome == TRACE_TRUNCATED && a->is_tcp)
        return "truncated its answer over TCP";
    if (a->outcome != TRACE_RCODE)
        return words[a->outcome];
    rrtype_print_rcode(a->rcode, rcode);
    snprintf(room, TRACE_WORDS_MAX, "said %s", rcode);
    return room;
}

struct addr trace_server(const struct trace_attempt *a)
{
    struct addr addr = {0};
    return addr_from_bytes(a->octets, a->octets_len, 0, &addr) == ERR_OK ? addr
                                                                         : (struct addr){0};
}

static bool is_same_server(const struct trace_attempt *a, const struct trace_attempt *b)
{
    return a->octets_len == b->octets_len && a->zone_labels == b->zone_labels &&
           memcmp(a->octets, b->octets, a->octets_len) == 0;
}

/* Whether a later attempt at the same server for the same zone is what counts of it. */
static bool is_superseded(const struct trace_attempts *attempts, unsigned i)
{
    const struct trace_attempt *a = &attempts->at[i % TRACE_ATTEMPTS];
    for (unsigned later = i + 1; later < attempts->cnt; later++) {
        const struct trace_attempt *b = &attempts->at[later % TRACE_ATTEMPTS];
        if (is_same_server(a, b) && b->outcome != TRACE_OPEN && b->outcome != TRACE_QUOTA)
            return true;
    }
    return false;
}

/* Append a word that fits whole, or nothing. */
static bool put_word(char out[TRACE_TEXT_MAX], const char *before, const char *word)
{
    size_t len = strlen(out);
    if (len + strlen(before) + strlen(word) >= TRACE_TEXT_MAX)
        return false;
    snprintf(out + len, TRACE_TEXT_MAX - len, "%s%s", before, word);
    return true;
}

/* The zone, and its servers: their addresses, or without any their names. */
static void put_servers(const struct delegation *delegation, char out[TRACE_TEXT_MAX])
{
    char text[DNAME_TEXT_MAX], address[ADDR_TEXT_MAX];
    int cnt = delegation->addr_cnt > 0 ? delegation->addr_cnt : delegation->server_cnt;

    dname_text_print(delegation->zone, text);
    if (!put_word(out, "; zone ", text))
        return;
    for (int i = 0; i < cnt && i < SERVERS_SHOWN; i++) {
        if (delegation->addr_cnt > 0) {
            addr_print(&delegation->addrs[i].addr, address);
            *strchr(address, '@') = '\0';
        } else {
            dname_text_print(delegation->servers[i].name, text);
        }
        if (!put_word(out, i ? ", " : ": ", delegation->addr_cnt > 0 ? address : text))
            return;
    }
}

void trace_explain(const struct trace_attempts *attempts, const uint8_t *name,
                   const struct delegation *delegation, const char *cause,
                   char out[TRACE_TEXT_MAX])
{
    unsigned first = attempts->cnt > TRACE_ATTEMPTS ? attempts->cnt - TRACE_ATTEMPTS : 0;
    char text[DNAME_TEXT_MAX], number[TRACE_WORDS_MAX];
    size_t len = (size_t)snprintf(out, TRACE_TEXT_MAX, "%s", cause);
    unsigned labels = DNAME_LABELS_MAX + 1;
    size_t cause_len = len;

    for (unsigned i = attempts->cnt; i-- > first && len < TRACE_TEXT_MAX;) {
        const struct trace_attempt *a = &attempts->at[i % TRACE_ATTEMPTS];
        struct addr addr = trace_server(a);
        char address[ADDR_TEXT_MAX];
        if (a->outcome == TRACE_ANSWERED || a->outcome == TRACE_OPEN ||
            is_superseded(attempts, i))
            continue;
        addr_print(&addr, address);
        *strchr(address, '@') = '\0';
        if (a->zone_labels != labels) {
            labels = a->zone_labels;
            dname_text_print(dname_suffix(name, labels), text);
            len +=
                (size_t)snprintf(out + len, TRACE_TEXT_MAX - len, "; servers of %.80s", text);
        }
        if (len < TRACE_TEXT_MAX)
            len += (size_t)snprintf(out + len, TRACE_TEXT_MAX - len, ", %s %s", address,
                                    trace_words(a, number));
    }
    if (delegation->zone && len == cause_len)
        put_servers(delegation, out);
}
