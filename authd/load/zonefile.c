/* This file reads directives and the heads of records.  zonetext splits the text into words,
 * rrtext reads RDATA, zonebuild collects the records. */
#include "authd/load/zonefile.h"

#include <errno.h>

#include "authd/check/check_chain.h"
#include "authd/check/check_sigs.h"
#include "authd/check/check_zonemd.h"
#include "authd/check/zone_check.h"
#include "authd/load/generate.h"
#include "authd/load/zonetext.h"
#include "authd/zone/zonebuild.h"
#include "dns/idn.h"

enum { ZONEFILE_MAX = INT32_MAX, GENERATED_MAX = 70000 };

/* The state that a record inherits from earlier entries. */
struct inherited {
    uint8_t origin[DNAME_MAX];
    uint8_t owner[DNAME_MAX];
    bool has_owner;
    uint32_t ttl;         /* $TTL, else the last stated TTL, else ZONEBUILD_TTL_UNSET */
    bool has_default_ttl; /* $TTL has set it */
};

/* Lifetime: the loading of one zone. */
struct reading {
    struct zonebuild *build;
    const struct zonefile_checks *checks; /* NULL: none */
    struct diag *diag;
    struct rrtext_scratch scratch;
    uint8_t rdata[RDATA_MAX];
    char generated[GENERATED_MAX];
    struct inherited now;
    const struct zonetext *directive; /* the $GENERATE being expanded: the place of errors */
    uint16_t including[ZONEFILE_INCLUDE_DEPTH_MAX + 1]; /* numbers of the files being read */
    unsigned depth;
    enum err fatal; /* ERR_NOMEM or ERR_LIMIT: reading has stopped */
};

static void report_fault(struct reading *r, const struct zonetext *zt, size_t word,
                         size_t offset, const char *fmt, ...) PRINTF_LIKE(5, 6);

static void report_fault(struct reading *r, const struct zonetext *zt, size_t word,
                         size_t offset, const char *fmt, ...)
{
    struct diag_place place = {0};
    va_list args;

    if (diag_wants(r->diag, DIAG_ERROR))
        place = r->directive ? zonetext_place(r->directive, 0, 0)
                             : zonetext_place(zt, word, offset);
    va_start(args, fmt);
    diag_add_args(r->diag, DIAG_ERROR, &place, fmt, args);
    va_end(args);
    if (r->directive)
        diag_help(r->diag, "the generated record: %.*s", (int)util_min(zt->len, 200), zt->text);
}

/* Return `ttl`, or 0 with a warning if it is 2^31 or more (RFC 2181 8). */
static uint32_t limit_ttl(struct reading *r, const struct zonetext *zt, size_t word,
                          uint32_t ttl)
{
    struct diag_place place = {0};
    if (ttl <= INT32_MAX)
        return ttl;
    if (diag_wants(r->diag, DIAG_WARNING))
        place = r->directive ? zonetext_place(r->directive, 0, 0) : zonetext_place(zt, word, 0);
    diag_add(r->diag, DIAG_WARNING, &place,
             "a TTL of %u seconds exceeds 2147483647 and counts as 0 (RFC 2181 8)", ttl);
    return 0;
}

/* Warn about a name in UTF-8: it is served as written, but clients ask for its A-label. */
static void warn_raw_utf8(struct reading *r, const struct zonetext *zt, size_t word)
{
    const struct rrtext_token *token = &zt->tokens[word];
    struct diag_place place = {0};
    char ascii[IDN_TEXT_MAX];

    if (r->directive || !idn_is_raw(token->text, token->len))
        return;
    if (diag_wants(r->diag, DIAG_WARNING))
        place = zonetext_place(zt, word, 0);
    idn_print(token->text, token->len, ascii);
    diag_add(r->diag, DIAG_WARNING, &place, "the name is UTF-8; clients ask for %s",
             *ascii ? ascii : "its A-label (xn--...)");
}

static bool read_zone_name(struct reading *r, const struct zonetext *zt, size_t word,
                           uint8_t out[DNAME_MAX])
{
    struct fault fault;
    size_t len, where = 0;
    if (dname_text_read(zt->tokens[word].text, zt->tokens[word].len, r->now.origin, out, &len,
                        &fault, &where) == ERR_OK)
        return true;
    report_fault(r, zt, word, where, "%s", fault.text);
    return false;
}

static bool is_directive(const struct zonetext *zt, size_t i, const char *text)
{
    return zt->tokens[i].len == strlen(text) &&
           strncasecmp(zt->tokens[i].text, text, zt->tokens[i].len) == 0;
}

/* ---- records ---- */

struct head {
    uint16_t class;
    uint32_t ttl;
    bool has_ttl;
    size_t type_at; /* index of the word */
    uint16_t type;
};

/* Read TTL and class in any order, then the type; false after an error. */
static bool read_record_head(struct reading *r, const struct zonetext *zt, size_t at,
                             struct head *h)
{
    bool has_class = false;
    *h = (struct head){.class = RRTYPE_CLASS_IN};

    for (; at < zt->cnt; at++) {
        const struct rrtext_token *t = &zt->tokens[at];
        uint16_t class;
        if (!h->has_ttl && t->len > 0 && util_is_digit(t->text[0])) {
            if (rrtext_read_ttl(t->text, t->len, &h->ttl) != ERR_OK) {
                report_fault(r, zt, at, 0,
                             "expected a TTL up to 4294967295 seconds, a class or a type");
                return false;
            }
            h->ttl = limit_ttl(r, zt, at, h->ttl);
            h->has_ttl = true;
        } else if (!has_class && rrtype_read_class(t->text, t->len, &class) == ERR_OK) {
            if (class != RRTYPE_CLASS_IN) {
                report_fault(r, zt, at, 0, "only zones of class IN are served");
                return false;
            }
            has_class = true;
        } else {
            break;
        }
    }
    if (at >= zt->cnt) {
        report_fault(r, zt, zt->cnt, 0, "expected a record type");
        return false;
    }
    h->type_at = at;
    if (rrtype_read(zt->tokens[at].text, zt->tokens[at].len, &h->type) != ERR_OK) {
        const char *near = rrtype_nearest(zt->tokens[at].text, zt->tokens[at].len);
        report_fault(r, zt, at, 0, "\"%.*s\" is not a record type",
                     (int)util_min(zt->tokens[at].len, 40), zt->tokens[at].text);
        if (near && !r->directive)
            diag_help(r->diag, "did you mean %s?", near);
        return false;
    }
    if (rrtype_is_meta(h->type)) {
        report_fault(r, zt, at, 0,
                     "a zone cannot contain this type: it is for queries or messages only");
        return false;
    }
    return true;
}

static uint32_t choose_ttl(struct reading *r, const struct head *h)
{
    if (!h->has_ttl)
        return r->now.ttl;
    if (!r->now.has_default_ttl)
        r->now.ttl = h->ttl; /* RFC 1035 5.1: without a TTL the last stated one applies */
    return h->ttl;
}

static void read_zone_record(struct reading *r, const struct zonetext *zt)
{
    struct head h;
    size_t len, at = 0;
    struct rrtext_fault fault;

    if (!zt->starts_blank) {
        if (zt->tokens[0].is_quoted) {
            report_fault(r, zt, 0, 0, "expected the owner name of the record, without quotes");
            return;
        }
        if (!read_zone_name(r, zt, at++, r->now.owner)) {
            r->now.has_owner = false;
            return;
        }
        r->now.has_owner = true;
        warn_raw_utf8(r, zt, 0);
    }
    if (!read_record_head(r, zt, at, &h))
        return;
    if (!r->now.has_owner) {
        report_fault(r, zt, 0, 0,
                     "this line starts with white space, but no record before it has an owner "
                     "to inherit");
        return;
    }
    uint32_t ttl = choose_ttl(r, &h);
    size_t first = h.type_at + 1;
    if (rrtext_read(h.type, zt->tokens + first, zt->cnt - first, r->now.origin, &r->scratch,
                    r->rdata, &len, &fault) != ERR_OK) {
        report_fault(r, zt, first + fault.token, fault.offset, "%s", fault.reason.text);
        return;
    }
    for (size_t i = first; i < zt->cnt && idn_concerns(h.type); i++)
        if (!zt->tokens[i].is_quoted)
            warn_raw_utf8(r, zt, i);
    if (!dname_is_under(r->now.owner, r->build->origin)) {
        char owner[DNAME_TEXT_MAX], origin[DNAME_TEXT_MAX];
        dname_text_print(r->now.owner, owner);
        dname_text_print(r->build->origin, origin);
        report_fault(r, zt, 0, 0, "%s is not in the zone %s", owner, origin);
        return;
    }
    const struct zonetext *shown = r->directive ? r->directive : zt;
    size_t word = r->directive ? 0 : h.type_at;
    struct zonebuild_record record = {.rdata = r->rdata,
                                      .len = (uint16_t)len,
                                      .type = h.type,
                                      .ttl = ttl,
                                      .line = shown->lines[word],
                                      .column =
                                          (uint16_t)util_min(shown->columns[word], UINT16_MAX),
                                      .file = r->including[r->depth]};
    enum err err = zonebuild_add(r->build, r->now.owner, &record);
    if (err == ERR_LIMIT)
        report_fault(r, zt, 0, 0, "the zone has too many records");
    if (err)
        r->fatal = err;
}

/* ---- directives ---- */

static bool expect_words(struct reading *r, const struct zonetext *zt, size_t min, size_t max,
                         const char *what)
{
    if (zt->cnt - 1 < min)
        report_fault(r, zt, zt->cnt, 0, "expected %s", what);
    else if (zt->cnt - 1 > max)
        report_fault(r, zt, max + 1, 0, "one word too many: expected %s", what);
    else
        return true;
    return false;
}

static void read_origin(struct reading *r, const struct zonetext *zt)
{
    uint8_t name[DNAME_MAX];
    if (!expect_words(r, zt, 1, 1, "a name") || !read_zone_name(r, zt, 1, name))
        return;
    warn_raw_utf8(r, zt, 1);
    memcpy(r->now.origin, name, dname_len(name));
}

static void read_default_ttl(struct reading *r, const struct zonetext *zt)
{
    if (!expect_words(r, zt, 1, 1, "a TTL"))
        return;
    uint32_t ttl;
    if (rrtext_read_ttl(zt->tokens[1].text, zt->tokens[1].len, &ttl) != ERR_OK) {
        report_fault(r, zt, 1, 0, "expected seconds up to 4294967295, or a time such as 1h30m");
        return;
    }
    r->now.ttl = limit_ttl(r, zt, 1, ttl);
    r->now.has_default_ttl = true;
}

static void read_zone_text(struct reading *r, struct zonetext *zt);

static void read_zone_file(struct reading *r, const char *path, const struct zonetext *from);

static void read_include(struct reading *r, const struct zonetext *zt)
{
    char name[4096];
    struct inherited before = r->now;

    if (!expect_words(r, zt, 1, 2, "a file name and perhaps an origin"))
        return;
    if (zt->tokens[1].len >= sizeof(name)) {
        report_fault(r, zt, 1, 0, "this file name is too long");
        return;
    }
    if (zt->cnt == 3 && !read_zone_name(r, zt, 2, r->now.origin)) {
        r->now = before;
        return;
    }
    memcpy(name, zt->tokens[1].text, zt->tokens[1].len);
    name[zt->tokens[1].len] = '\0';
    char *path = file_resolve(zt->file, name);
    if (!path)
        r->fatal = ERR_NOMEM;
    else
        read_zone_file(r, path, zt);
    free(path);
    /* RFC 1035 5.1: restore origin and owner of the including file; the TTL stays */
    memcpy(r->now.origin, before.origin, sizeof(before.origin));
    memcpy(r->now.owner, before.owner, sizeof(before.owner));
    r->now.has_owner = before.has_owner;
}

/* Append a quoted word without its quotes: in BIND it is the text of all the RDATA. */
static enum err expand_whole(struct reading *r, const struct rrtext_token *token,
                             uint32_t value, size_t *len)
{
    char *text = r->scratch.text;
    size_t cnt = 0;

    if (token->len > sizeof(r->scratch.text))
        return ERR_SPACE;
    for (size_t i = 0; i < token->len; i++) {
        if (token->text[i] == '\\' && i + 1 < token->len) {
            if (token->text[i + 1] != '"')
                text[cnt++] = '\\';
            i++;
        }
        text[cnt++] = token->text[i];
    }
    return generate_expand(text, cnt, value, r->generated, GENERATED_MAX - 2, len);
}

/* Make the text of one record of a $GENERATE: its words with the counter inserted. */
static enum err expand_record(struct reading *r, const struct zonetext *zt, uint32_t value,
                              size_t *len)
{
    enum err err = ERR_OK;
    *len = 0;
    for (size_t i = 2; i < zt->cnt && !err; i++) {
        uint16_t type;
        /* a single quoted word after the type: MX "0 mail$" */
        if (zt->tokens[i].is_quoted && i + 1 == zt->cnt && zt->tokens[i].len > 0 &&
            rrtype_read(zt->tokens[i - 1].text, zt->tokens[i - 1].len, &type) == ERR_OK) {
            err = expand_whole(r, &zt->tokens[i], value, len);
            continue;
        }
        const char *around = zt->tokens[i].is_quoted ? "\"" : "";
        err = generate_expand(around, strlen(around), 0, r->generated, GENERATED_MAX - 2, len);
        if (!err)
            err = generate_expand(zt->tokens[i].text, zt->tokens[i].len, value, r->generated,
                                  GENERATED_MAX - 2, len);
        if (!err)
            err = generate_expand(around, strlen(around), 0, r->generated, GENERATED_MAX - 2,
                                  len);
        r->generated[(*len)++] = ' ';
    }
    r->generated[*len] = '\0';
    return err;
}

static void read_generate(struct reading *r, const struct zonetext *zt)
{
    struct generate_range range;
    uint8_t owner[DNAME_MAX];
    bool has_owner = r->now.has_owner;

    if (r->directive ||
        !expect_words(r, zt, 4, SIZE_MAX, "a range, an owner, a type and the RDATA"))
        return;
    enum err err = generate_read_range(zt->tokens[1].text, zt->tokens[1].len, &range);
    if (err) {
        report_fault(r, zt, 1, 0,
                     err == ERR_LIMIT
                         ? "more than %d records from one $GENERATE"
                         : "expected a range such as 1-20 or 0-254/2 (at most %d records)",
                     GENERATE_MAX);
        return;
    }
    struct zonetext line;
    size_t errors = r->diag->error_cnt, len = 0;
    zonetext_init(&line, zt->file, r->generated, 0);
    memcpy(owner, r->now.owner, sizeof(owner));
    /* stop after an error: further records would most likely repeat it */
    for (uint64_t value = range.start;
         value <= range.stop && !r->fatal && r->diag->error_cnt == errors;
         value += range.step) {
        err = expand_record(r, zt, (uint32_t)value, &len);
        if (err) {
            report_fault(
                r, zt, 2, 0,
                err == ERR_SPACE
                    ? "the generated record is too long"
                    : "expected $ or ${offset,width,base} with base d, o, x, X, n or N");
            break;
        }
        zonetext_restart(&line, r->generated, len);
        r->directive = zt;
        read_zone_text(r, &line);
        r->directive = NULL;
    }
    zonetext_fini(&line);
    memcpy(r->now.owner, owner, sizeof(owner)); /* as in BIND: keep the owner from before */
    r->now.has_owner = has_owner;
}

static void read_directive(struct reading *r, const struct zonetext *zt)
{
    static const char *const known[] = {"$ORIGIN", "$TTL", "$INCLUDE", "$GENERATE", NULL};
    char word[40];

    if (is_directive(zt, 0, "$ORIGIN"))
        read_origin(r, zt);
    else if (is_directive(zt, 0, "$TTL"))
        read_default_ttl(r, zt);
    else if (is_directive(zt, 0, "$INCLUDE"))
        read_include(r, zt);
    else if (is_directive(zt, 0, "$GENERATE"))
        read_generate(r, zt);
    else {
        snprintf(word, sizeof(word), "%.*s", (int)util_min(zt->tokens[0].len, sizeof(word) - 1),
                 zt->tokens[0].text);
        report_fault(r, zt, 0, 0, "\"%s\" is not a directive", word);
        const char *near = diag_nearest(word, known);
        if (near)
            diag_help(r->diag, "did you mean %s?", near);
    }
}

static void read_zone_text(struct reading *r, struct zonetext *zt)
{
    enum zonetext_kind kind;

    while (!r->fatal && (kind = zonetext_next(zt)) != ZONETEXT_END) {
        if (kind == ZONETEXT_WRONG) {
            struct diag_place place = {0};
            if (diag_wants(r->diag, DIAG_ERROR))
                place = r->directive ? zonetext_place(r->directive, 0, 0)
                                     : diag_place_at(zt->file, zt->text, zt->len,
                                                     zt->wrong_line, zt->wrong_column);
            diag_add(r->diag, DIAG_ERROR, &place, "%s", zt->wrong);
        } else if (!zt->starts_blank && !zt->tokens[0].is_quoted &&
                   zt->tokens[0].text[0] == '$' && !r->directive) {
            read_directive(r, zt);
        } else {
            read_zone_record(r, zt);
        }
    }
}

/* ---- files ---- */

static bool is_being_read(const struct reading *r, const struct file_stamp *stamp)
{
    for (unsigned i = 0; i <= r->depth && r->build->file_cnt > 0; i++) {
        const struct file_stamp *open = &r->build->files[r->including[i]].stamp;
        if (open->device == stamp->device && open->inode == stamp->inode)
            return true;
    }
    return false;
}

static void read_added_file(struct reading *r, uint16_t number)
{
    const struct zonebuild_file *file = &r->build->files[number];
    struct zonetext zt;
    zonetext_init(&zt, file->path, file->text, file->len);
    read_zone_text(r, &zt);
    zonetext_fini(&zt);
}

static void read_zone_file(struct reading *r, const char *path, const struct zonetext *from)
{
    char *text;
    size_t len;
    struct file_stamp stamp;
    uint16_t number;

    if (from && r->depth == ZONEFILE_INCLUDE_DEPTH_MAX) {
        report_fault(r, from, 0, 0, "$INCLUDE is nested more than %d levels deep",
                     ZONEFILE_INCLUDE_DEPTH_MAX);
        return;
    }
    enum err err = file_read_text(path, ZONEFILE_MAX, &text, &len, &stamp);
    if (err && from) {
        report_fault(r, from, 1, 0, "%s: %s", path, file_problem(err));
        return;
    }
    if (err) {
        struct diag_place place = {.file = path};
        diag_add(r->diag, DIAG_ERROR, &place, "%s", file_problem(err));
        return;
    }
    if (from && is_being_read(r, &stamp)) {
        report_fault(r, from, 1, 0, "%s includes itself", path);
        free(text);
        return;
    }
    err = zonebuild_add_file(r->build, path, text, len, &stamp, &number);
    if (err == ERR_LIMIT && from)
        report_fault(r, from, 0, 0,
                     "with this file the zone has too many files or too much text");
    if (err) {
        r->fatal = err;
        return;
    }
    r->depth += from ? 1 : 0;
    r->including[r->depth] = number;
    read_added_file(r, number);
    r->depth -= from ? 1 : 0;
}

static bool is_signed(const struct zonebuild *build)
{
    for (size_t i = 0; i < build->cnt; i++) {
        uint16_t type = build->records[i].type;
        if (type == RRTYPE_RRSIG || type == RRTYPE_NSEC || type == RRTYPE_NSEC3PARAM)
            return true;
    }
    return false;
}

static enum err check_signed(struct zonebuild *build, const struct zonefile_checks *checks)
{
    build->dnssec_level = checks->has_crypto ? DIAG_ERROR : DIAG_WARNING;
    enum err err = check_zonemd(build);
    if (err || !is_signed(build))
        return err;
    err = check_chain(build);
    if (!err)
        err = check_sigs(build, checks->now_s, checks->has_crypto);
    return err;
}

static enum err finish_zone(struct reading *r, struct zone **out)
{
    if (r->fatal)
        return r->fatal;
    size_t errors = r->diag->error_cnt;
    enum err err = zonebuild_sort(r->build);
    if (err)
        return err;
    /* a file with errors gets the rules of the whole zone too, unless no record could be read:
     * they would report SOA and NS as missing */
    if (errors == 0 || r->build->cnt > 0)
        err = zone_check(r->build);
    if (!err && errors == 0 && r->checks)
        err = check_signed(r->build, r->checks);
    if (r->diag->error_cnt > 0)
        return ERR_FORMAT;
    return err ? err : zonebuild_finish(r->build, out);
}

static struct reading *new_reading(struct zonebuild *build, const uint8_t *origin,
                                   const struct zonefile_checks *checks, struct diag *diag)
{
    struct reading *r = malloc(sizeof(*r));
    if (!r)
        return NULL;
    r->build = build;
    r->checks = checks;
    r->diag = diag;
    r->directive = NULL;
    r->depth = 0;
    r->fatal = ERR_OK;
    r->now = (struct inherited){.ttl = ZONEBUILD_TTL_UNSET};
    memcpy(r->now.origin, origin, dname_len(origin));
    zonebuild_init(build, origin, diag);
    return r;
}

enum err zonefile_load(const uint8_t *origin, const char *path,
                       const struct zonefile_checks *checks, struct diag *diag,
                       struct zone **out)
{
    struct zonebuild build;
    struct reading *r = new_reading(&build, origin, checks, diag);
    if (!r)
        return ERR_NOMEM;
    read_zone_file(r, path, NULL);
    enum err err = finish_zone(r, out);
    zonebuild_fini(&build);
    free(r);
    return err;
}

enum err zonefile_read(const uint8_t *origin, const char *path, struct diag *diag,
                       struct zonebuild *out)
{
    zonebuild_init(out, origin, diag);
    struct reading *r = new_reading(out, origin, NULL, diag);
    if (!r)
        return ERR_NOMEM;
    read_zone_file(r, path, NULL);
    enum err err = r->fatal;
    free(r);
    if (!err)
        err = zonebuild_sort(out);
    return !err && diag->error_cnt > 0 ? ERR_FORMAT : err;
}

enum err zonefile_parse(const uint8_t *origin, const char *path, const char *text, size_t len,
                        const struct zonefile_checks *checks, struct diag *diag,
                        struct zone **out)
{
    struct zonebuild build;
    struct file_stamp stamp = {0};
    struct reading *r = new_reading(&build, origin, checks, diag);
    char *copy = malloc(len + 1);
    enum err err = ERR_NOMEM;

    if (r && copy) {
        if (len)
            memcpy(copy, text, len);
        copy[len] = '\0';
        err = zonebuild_add_file(&build, path, copy, len, &stamp, &r->including[0]);
        copy = NULL;
        if (!err)
            read_added_file(r, r->including[0]);
        if (!err)
            err = finish_zone(r, out);
    }
    free(copy);
    if (r)
        zonebuild_fini(&build);
    free(r);
    return err;
}
