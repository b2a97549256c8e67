/* Both dialects are read: keywords may be indented, owners may lack the final dot, and records
 * their class. */
#include "tests/scenario/rpl.h"

#include <ctype.h>

#include "base/file.h"
#include "dns/dname_text.h"
#include "dns/rrline.h"

enum { FILE_MAX = 8 << 20, LINE_MAX_LEN = 70000, DEFAULT_TTL = 3600 };

struct reading {
    struct rpl *rpl;
    char *at; /* the unread rest of the file */
    unsigned line;
    char text[LINE_MAX_LEN]; /* the current line, without its comment and surrounding white
                                space */
    struct rrline rr;
    uint8_t origin[DNAME_MAX];
    struct rpl_range **range_tail;
    struct rpl_step **step_tail;
};

static const uint8_t root[] = {0};

static bool set_why(struct reading *r, const char *why)
{
    fault_set(&r->rpl->fault, ERR_FORMAT, "line %u: %s: %.120s", r->line, why, r->text);
    return false;
}

static void *allocate(struct reading *r, size_t size)
{
    void *p = arena_alloc(&r->rpl->arena, size);
    must(p != NULL);
    memset(p, 0, size);
    return p;
}

/* ---- lines ---- */

/* Remove a comment (";", or "#" at the start) and surrounding white space. */
static void strip_comment(char *s)
{
    bool is_quoted = false;
    char *p = s;
    for (; *p; p++) {
        if (*p == '\\' && p[1])
            p++;
        else if (*p == '"')
            is_quoted = !is_quoted;
        else if (*p == ';' && !is_quoted)
            break;
    }
    while (p > s && isspace((unsigned char)p[-1]))
        p--;
    *p = '\0';
    size_t lead = strspn(s, " \t\r");
    memmove(s, s + lead, strlen(s + lead) + 1);
    if (*s == '#')
        *s = '\0';
}

static bool next_raw_line(struct reading *r)
{
    if (!*r->at)
        return false;
    size_t len = strcspn(r->at, "\n");
    size_t copied = util_min(len, LINE_MAX_LEN - 1);
    memcpy(r->text, r->at, copied);
    r->text[copied] = '\0';
    r->at += len + (r->at[len] == '\n');
    r->line++;
    return true;
}

static bool next_line(struct reading *r)
{
    while (next_raw_line(r)) {
        strip_comment(r->text);
        if (*r->text)
            return true;
    }
    return false;
}

/* Join the lines of a record in parentheses. */
static void join_parentheses(struct reading *r)
{
    char joined[LINE_MAX_LEN];
    for (;;) {
        int depth = 0;
        for (char *p = r->text; *p; p++)
            depth += (*p == '(') - (*p == ')');
        if (depth <= 0)
            break;
        snprintf(joined, sizeof(joined), "%s", r->text);
        if (!next_line(r))
            break;
        size_t len = strlen(joined), more = strlen(r->text);
        if (len + 1 + more >= sizeof(joined))
            break;
        joined[len] = ' ';
        memcpy(joined + len + 1, r->text, more + 1);
        memcpy(r->text, joined, len + more + 2);
    }
    for (char *p = r->text; *p; p++)
        if (*p == '(' || *p == ')')
            *p = ' ';
}

/* Scenarios have keys and signatures that are empty or no base64, if none is to be verified. */
static bool read_broken_base64(struct reading *r)
{
    size_t len = strlen(r->text);
    bool has_base64 = strstr(r->text, "RRSIG") || strstr(r->text, "DNSKEY");
    char *last = strrchr(r->text, ' ');

    if (!has_base64 || !last || len + 6 >= sizeof(r->text))
        return false;
    memcpy(r->text + len, " AAAA", 6);
    if (rrline_read(r->text, len + 5, r->origin, DEFAULT_TTL, &r->rr) == ERR_OK) {
        r->rr.rdata_len -= 3;
        return true;
    }
    memcpy(last, " AAAA", 6);
    return rrline_read(r->text, strlen(r->text), r->origin, DEFAULT_TTL, &r->rr) == ERR_OK;
}

static bool starts_with(const char *text, const char *word)
{
    size_t len = strlen(word);
    return strncmp(text, word, len) == 0 &&
           (text[len] == '\0' || isspace((unsigned char)text[len]));
}

/* ---- header ---- */

static const char *copy_text(struct reading *r, const char *text, size_t len)
{
    char *copy = arena_copy(&r->rpl->arena, text, len);
    must(copy != NULL);
    return copy;
}

/* Read the words of a header line: a key ends in a colon, and the words after it are its value.
 */
static void read_header_line(struct reading *r)
{
    struct rpl *rpl = r->rpl;
    char *p = r->text;

    p[strcspn(p, "#")] = '\0';
    while (*p) {
        p += strspn(p, " \t");
        char quote = *p == '"' || *p == '\'' ? *p : '\0';
        char *start = p + (quote != 0);
        size_t len = quote ? strcspn(start, (char[]){quote, '\0'}) : strcspn(start, " \t");
        p = start + len + (quote && start[len]);
        if (len == 0 && !quote)
            continue;
        if (!quote && len > 1 && start[len - 1] == ':' && rpl->key_cnt < RPL_KEYS_MAX) {
            rpl->keys[rpl->key_cnt++] =
                (struct rpl_key){.name = copy_text(r, start, len - 1), .value = ""};
        } else if (rpl->key_cnt > 0) {
            struct rpl_key *key = &rpl->keys[rpl->key_cnt - 1];
            if (!*key->value) {
                key->value = copy_text(r, start, len);
            } else {
                char joined[2000];
                snprintf(joined, sizeof(joined), "%s %.*s", key->value, (int)len, start);
                key->value = copy_text(r, joined, strlen(joined));
            }
        }
    }
}

const struct rpl_key *rpl_find(const struct rpl *rpl, const char *name,
                               const struct rpl_key *after)
{
    for (size_t i = after ? (size_t)(after - rpl->keys) + 1 : 0; i < rpl->key_cnt; i++)
        if (strcmp(rpl->keys[i].name, name) == 0)
            return &rpl->keys[i];
    return NULL;
}

/* ---- entries ---- */

static bool read_match(struct reading *r, struct rpl_entry *e, char *words)
{
    static const struct {
        const char *word;
        unsigned bits;
    } table[] = {{"opcode", RPL_OPCODE},
                 {"qname", RPL_QNAME},
                 {"qtype", RPL_QTYPE},
                 {"question", RPL_QNAME | RPL_QTYPE},
                 {"subdomain", RPL_SUBDOMAIN},
                 {"qcase", RPL_QCASE},
                 {"flags", RPL_FLAGS},
                 {"rcode", RPL_RCODE},
                 {"answer", RPL_ANSWER},
                 {"authority", RPL_AUTHORITY},
                 {"additional", RPL_ADDITIONAL},
                 {"ttl", RPL_TTL},
                 {"TCP", RPL_TCP},
                 {"UDP", RPL_UDP},
                 {"DO", RPL_DO},
                 {"all", RPL_OPCODE | RPL_QNAME | RPL_QTYPE | RPL_FLAGS | RPL_RCODE |
                             RPL_ANSWER | RPL_AUTHORITY | RPL_ADDITIONAL}};

    for (char *w = strtok(words, " \t"); w; w = strtok(NULL, " \t")) {
        bool is_known = false;
        for (size_t i = 0; i < ARRAY_LEN(table); i++)
            if (strcmp(w, table[i].word) == 0) {
                e->match |= table[i].bits;
                is_known = true;
            }
        if (strncmp(w, "ede=", 4) == 0) {
            e->match |= RPL_EDE;
            e->ede = strcmp(w + 4, "any") == 0 ? -1 : atoi(w + 4);
            is_known = true;
        }
        if (!is_known)
            return set_why(r, "unknown MATCH");
    }
    return true;
}

static bool read_reply(struct reading *r, struct rpl_entry *e, char *words)
{
    static const struct {
        const char *word;
        uint16_t bit;
    } flags[] = {{"QR", MESSAGE_QR}, {"AA", MESSAGE_AA}, {"TC", MESSAGE_TC}, {"RD", MESSAGE_RD},
                 {"RA", MESSAGE_RA}, {"AD", MESSAGE_AD}, {"CD", MESSAGE_CD}};
    static const char *const rcodes[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
                                         "NOTIMP",  "REFUSED", "YXDOMAIN"};

    e->has_reply = true;
    for (char *w = strtok(words, " \t"); w; w = strtok(NULL, " \t")) {
        bool is_known = strcmp(w, "DO") == 0;
        e->is_do |= is_known;
        for (size_t i = 0; i < ARRAY_LEN(flags); i++)
            if (strcmp(w, flags[i].word) == 0) {
                e->flags |= flags[i].bit;
                is_known = true;
            }
        for (unsigned i = 0; i < ARRAY_LEN(rcodes); i++)
            if (strcmp(w, rcodes[i]) == 0) {
                e->rcode = i;
                is_known = true;
            }
        if (strcmp(w, "NOTIMPL") == 0) {
            e->rcode = RRTYPE_RCODE_NOTIMP;
            is_known = true;
        }
        if (!is_known)
            return set_why(r, "unknown REPLY");
    }
    return true;
}

static void read_adjust(struct rpl_entry *e, char *words)
{
    for (char *w = strtok(words, " \t"); w; w = strtok(NULL, " \t")) {
        if (strcmp(w, "copy_id") == 0)
            e->adjust |= RPL_COPY_ID;
        else if (strcmp(w, "copy_query") == 0)
            e->adjust |= RPL_COPY_QUERY;
        else if (strcmp(w, "do_not_answer") == 0)
            e->adjust |= RPL_DO_NOT_ANSWER;
        else if (strcmp(w, "raw_id") == 0)
            e->adjust |= RPL_RAW_ID;
    }
}

static bool read_question(struct reading *r, struct rpl_entry *e)
{
    uint8_t name[DNAME_MAX];
    size_t len;
    char *word = strtok(r->text, " \t");

    if (dname_text_read(word, strlen(word), r->origin, name, &len, NULL, NULL) != ERR_OK)
        return set_why(r, "expected a name");
    e->qname = (const uint8_t *)copy_text(r, (const char *)name, len);
    for (word = strtok(NULL, " \t"); word; word = strtok(NULL, " \t")) {
        uint16_t class;
        if (rrtype_read_class(word, strlen(word), &class) == ERR_OK && strcmp(word, "ANY") != 0)
            continue;
        if (isdigit((unsigned char)*word))
            continue;
        if (rrtype_read(word, strlen(word), &e->qtype) != ERR_OK)
            return set_why(r, "expected a type");
    }
    return true;
}

static bool read_rr(struct reading *r, enum message_section section, struct rpl_rr *out)
{
    join_parentheses(r);
    if (rrline_read(r->text, strlen(r->text), r->origin, DEFAULT_TTL, &r->rr) != ERR_OK &&
        !read_broken_base64(r)) {
        /* malformed RDATA on purpose, as \# N HEX */
        char *generic = strstr(r->text, "\\#");
        if (!generic)
            return set_why(r, r->rr.fault.text);
        r->rr.rdata_len = 0;
        char *hex = generic + 2;
        strtol(hex, &hex, 10);
        for (; *hex; hex++) {
            unsigned value;
            if (isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1]) &&
                sscanf(hex, "%2x", &value) == 1) {
                r->rr.rdata[r->rr.rdata_len++] = (uint8_t)value;
                hex++;
            }
        }
    }
    *out = (struct rpl_rr){
        .section = section,
        .owner =
            (const uint8_t *)copy_text(r, (const char *)r->rr.owner, dname_len(r->rr.owner)),
        .type = r->rr.type,
        .class = r->rr.class,
        .ttl = r->rr.ttl,
        .rdata = (const uint8_t *)copy_text(r, (const char *)r->rr.rdata, r->rr.rdata_len),
        .rdata_len = r->rr.rdata_len};
    return true;
}

static void read_raw(struct reading *r, struct rpl_entry *e)
{
    uint8_t bytes[4096];
    size_t len = 0;
    for (char *p = r->text; *p && len < sizeof(bytes);) {
        unsigned value;
        if (isxdigit((unsigned char)p[0]) && isxdigit((unsigned char)p[1]) &&
            sscanf(p, "%2x", &value) == 1) {
            bytes[len++] = (uint8_t)value;
            p += 2;
        } else {
            p++;
        }
    }
    e->raw = (const uint8_t *)copy_text(r, (const char *)bytes, len);
    e->raw_len = len;
}

static bool read_entry(struct reading *r, struct rpl_entry **out)
{
    struct rpl_entry *e = allocate(r, sizeof(*e));
    int section = -1;
    bool is_raw = false;

    e->rrs = allocate(r, RPL_RRS_MAX * sizeof(*e->rrs));
    while (next_line(r)) {
        bool fits = true;
        if (starts_with(r->text, "ENTRY_END")) {
            *out = e;
            return true;
        }
        if (starts_with(r->text, "MATCH"))
            fits = read_match(r, e, r->text + 5);
        else if (starts_with(r->text, "ADJUST"))
            read_adjust(e, r->text + 6);
        else if (starts_with(r->text, "REPLY"))
            fits = read_reply(r, e, r->text + 5);
        else if (starts_with(r->text, "SECTION")) {
            e->has_question |= strstr(r->text, "QUESTION") != NULL;
            section = strstr(r->text, "QUESTION")    ? MESSAGE_QUESTION
                      : strstr(r->text, "ANSWER")    ? MESSAGE_ANSWER
                      : strstr(r->text, "AUTHORITY") ? MESSAGE_AUTHORITY
                                                     : MESSAGE_ADDITIONAL;
        } else if (starts_with(r->text, "RAW"))
            is_raw = true;
        else if (starts_with(r->text, "MANDATORY"))
            continue;
        else if (is_raw)
            read_raw(r, e);
        else if (section == MESSAGE_QUESTION)
            fits = read_question(r, e);
        else if (section > 0 && e->rr_cnt == RPL_RRS_MAX)
            return set_why(r, "too many records");
        else if (section > 0)
            fits = read_rr(r, (enum message_section)section, &e->rrs[e->rr_cnt++]);
        else
            return set_why(r, "unknown line of an entry");
        if (!fits)
            return false;
    }
    return set_why(r, "ENTRY_END is missing");
}

/* ---- trust anchors ---- */

/* Read "state=2" and "lastchange=${$t0}" from the comment of a record. */
static void read_anchor_state(struct reading *r, struct rpl_anchor *anchor)
{
    const char *state = strstr(r->text, ";;state="),
               *since = strstr(r->text, ";;lastchange=${");

    anchor->state = state ? atoi(state + 8) : -1;
    anchor->since = "";
    if (since)
        anchor->since = copy_text(r, since + 13, strcspn(since + 13, "}") + 1);
}

/* Read a file of trust anchors as Unbound writes it, up to the line `end`. */
static bool read_anchors(struct reading *r, const char *end, struct rpl_anchor **out)
{
    while (next_raw_line(r)) {
        struct rpl_anchor *anchor;
        if (starts_with(r->text, end))
            return true;
        anchor = allocate(r, sizeof(*anchor));
        read_anchor_state(r, anchor);
        strip_comment(r->text);
        if (!*r->text)
            continue;
        anchor->text = copy_text(r, r->text, strlen(r->text));
        if (!read_rr(r, MESSAGE_ANSWER, &anchor->rr))
            return false;
        *out = anchor;
        out = &anchor->next;
    }
    return set_why(r, "the end of the trust anchors is missing");
}

/* ---- ranges and steps ---- */

static bool read_range(struct reading *r)
{
    struct rpl_range *range = allocate(r, sizeof(*range));
    struct rpl_entry **tail = &range->entries;

    if (sscanf(r->text, "RANGE_BEGIN %u %u", &range->from, &range->to) != 2)
        return set_why(r, "expected RANGE_BEGIN FROM TO");
    *r->range_tail = range;
    r->range_tail = &range->next;
    while (next_line(r)) {
        char *word;
        if (starts_with(r->text, "RANGE_END"))
            return true;
        if (starts_with(r->text, "ADDRESS") && range->addr_cnt < RPL_ADDRS_MAX) {
            word = strtok(r->text + 7, " \t");
            if (!word || addr_read(word, 53, &range->addrs[range->addr_cnt++]) != ERR_OK)
                return set_why(r, "expected an address");
        } else if (starts_with(r->text, "ENTRY_BEGIN")) {
            if (!read_entry(r, tail))
                return false;
            tail = &(*tail)->next;
        } else {
            return set_why(r, "unknown line of a range");
        }
    }
    return set_why(r, "RANGE_END is missing");
}

static bool read_step(struct reading *r)
{
    static const char *const kinds[] = {
        "QUERY",   "CHECK_ANSWER", "TIME_PASSES", "REPLY",  "CHECK_OUT_QUERY",
        "TIMEOUT", "TRAFFIC",      "NOTHING",     "ASSIGN", "CHECK_AUTOTRUST"};
    struct rpl_step *step = allocate(r, sizeof(*step));
    char kind[40], variable[40];
    double seconds;

    if (sscanf(r->text, "STEP %u %39s", &step->number, kind) != 2)
        return set_why(r, "expected STEP NUMBER KIND");
    step->kind = RPL_OTHER;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kind, kinds[i]) == 0)
            step->kind = (enum rpl_kind)i;
    if (step->kind == RPL_OTHER)
        return set_why(r, "unknown step");
    char *elapse = strstr(r->text, "ELAPSE"), *address = strstr(r->text, "ADDRESS");
    if (elapse && sscanf(elapse + 6, "%lf", &seconds) == 1)
        step->elapse_ms = (uint64_t)(seconds * 1000);
    char *expression = strstr(r->text, "${");
    if (expression)
        step->expression = copy_text(r, expression, strlen(expression));
    if (step->kind == RPL_ASSIGN && sscanf(r->text, "STEP %*u %*s %39s", variable) == 1)
        step->variable = copy_text(r, variable, strlen(variable));
    if (step->kind == RPL_ASSIGN && (!step->variable || !expression))
        return set_why(r, "expected NAME = ${EXPRESSION}");
    if (address && addr_read(strtok(address + 7, " \t"), 53, &step->client) != ERR_OK)
        return set_why(r, "expected an address");
    *r->step_tail = step;
    r->step_tail = &step->next;
    bool has_entry = step->kind == RPL_QUERY || step->kind == RPL_CHECK_ANSWER ||
                     step->kind == RPL_REPLY || step->kind == RPL_CHECK_OUT_QUERY;
    if (step->kind == RPL_CHECK_AUTOTRUST)
        return (next_line(r) && starts_with(r->text, "FILE_BEGIN") &&
                read_anchors(r, "FILE_END", &step->anchors)) ||
               set_why(r, "expected FILE_BEGIN and records");
    if (!has_entry)
        return true;
    if (!next_line(r) || !starts_with(r->text, "ENTRY_BEGIN"))
        return set_why(r, "ENTRY_BEGIN is missing");
    return read_entry(r, &step->entry);
}

static bool read_all(struct reading *r)
{
    bool is_header = true;

    while (next_line(r)) {
        bool fits = true;
        if (starts_with(r->text, "CONFIG_END"))
            is_header = false;
        else if (starts_with(r->text, "AUTOTRUST_FILE"))
            fits = read_anchors(r, "AUTOTRUST_END", &r->rpl->anchors);
        else if (is_header && !starts_with(r->text, "SCENARIO_BEGIN"))
            read_header_line(r);
        else if (starts_with(r->text, "RANGE_BEGIN"))
            fits = read_range(r);
        else if (starts_with(r->text, "RANGE_END"))
            continue; /* one too many */
        else if (starts_with(r->text, "STEP"))
            fits = read_step(r);
        else if (starts_with(r->text, "SCENARIO_END"))
            return true;
        else if (starts_with(r->text, "SCENARIO_BEGIN"))
            is_header = false;
        else
            return set_why(r, "unknown line");
        if (!fits)
            return false;
    }
    return set_why(r, "SCENARIO_END is missing");
}

bool rpl_read(const char *path, struct rpl *out)
{
    struct reading *r = calloc(1, sizeof(*r));
    char *text;
    size_t len;

    memset(out, 0, sizeof(*out));
    arena_init(&out->arena, 0);
    enum err err = file_read(path, FILE_MAX, &text, &len, NULL);
    if (err || !r) {
        fault_name(&out->fault, err ? err : ERR_NOMEM);
        free(r);
        return false;
    }
    r->rpl = out;
    r->at = text;
    memcpy(r->origin, root, 1);
    r->range_tail = &out->ranges;
    r->step_tail = &out->steps;
    bool fits = read_all(r);
    free(text);
    free(r);
    return fits;
}

void rpl_fini(struct rpl *rpl) { arena_fini(&rpl->arena); }
