/* The last line is "end", so that a file that lost its end, and with it perhaps a revocation,
 * is recognised. */
#include "resolver/validate/rollover_file.h"

#include "base/conf.h"
#include "base/file.h"
#include "base/now.h"
#include "dns/rdata_text.h"
#include "dns/rrline.h"

enum { WORD_MAX = 64 };

static const char header[] =
    "; Trust anchors that are updated automatically (RFC 5011).  To start again from the\n"
    "; configured anchors, stop rootline-resolver and delete this file.\n"
    "version 1\n";

/* Lifetime: one call. */
struct state_reader {
    struct rollover *r;
    const char *file, *text;
    size_t len;
    struct diag *diag;
    uint32_t line_number;
    const char *line;
    size_t line_len, pos;            /* in the line */
    size_t at;                       /* where the last word began */
    struct rollover_zone *zone;      /* NULL: none yet */
    const struct anchor *configured; /* of the zone; NULL: it has none any more */
    struct rollover_zone ignored;    /* a zone without a configured anchor */
    bool is_replaced;                /* the operator removed a configured record */
    struct rrline *record;
};

static enum err report_state(struct state_reader *in, const char *fmt, ...) PRINTF_LIKE(2, 3);

static enum err report_state(struct state_reader *in, const char *fmt, ...)
{
    struct diag_place place = {in->file, in->line_number, in->at + 1, in->line, in->line_len};
    va_list args;

    va_start(args, fmt);
    diag_add_args(in->diag, DIAG_ERROR, &place, fmt, args);
    va_end(args);
    return ERR_CONFIG;
}

/* Read the next word of the line; "" at its end.  A longer word is truncated: no word that is
 * expected is so long. */
static void read_word(struct state_reader *in, char out[WORD_MAX])
{
    size_t len = 0;

    while (in->pos < in->line_len && in->line[in->pos] == ' ')
        in->pos++;
    in->at = in->pos;
    for (; in->pos < in->line_len && in->line[in->pos] != ' '; in->pos++)
        if (len + 1 < WORD_MAX)
            out[len++] = in->line[in->pos];
    out[len] = '\0';
}

static enum err expect_word(struct state_reader *in, const char *expected)
{
    char word[WORD_MAX];

    read_word(in, word);
    return strcmp(word, expected) == 0 ? ERR_OK : report_state(in, "expected \"%s\"", expected);
}

static enum err read_state_time(struct state_reader *in, const char *label, int64_t *out_s)
{
    char word[WORD_MAX];
    int64_t ms;
    enum err err = expect_word(in, label);

    if (err)
        return err;
    read_word(in, word);
    if (now_read(word, &ms) != ERR_OK || ms < 0)
        return report_state(in, "expected a date and time");
    *out_s = ms / 1000;
    return ERR_OK;
}

static enum err read_state_seconds(struct state_reader *in, const char *label, uint64_t min,
                                   uint64_t max, uint32_t *out)
{
    char word[WORD_MAX];
    uint64_t value;
    enum err err = expect_word(in, label);

    if (err)
        return err;
    read_word(in, word);
    if (!conf_number(word, &value) || value < min || value > max)
        return report_state(in, "expected %llu to %llu seconds", (unsigned long long)min,
                            (unsigned long long)max);
    *out = (uint32_t)value;
    return ERR_OK;
}

/* Read the rest of the line as a record of the zone. */
static enum err read_state_record(struct state_reader *in)
{
    struct rrline *record = in->record;

    while (in->pos < in->line_len && in->line[in->pos] == ' ')
        in->pos++;
    in->at = in->pos;
    if (!in->zone)
        return report_state(in, "expected \"zone\" before the first key");
    enum err err = rrline_read(in->line + in->pos, in->line_len - in->pos, NULL, 0, record);
    if (err)
        return report_state(in, "%s",
                            err == ERR_ABSENT ? "the record is missing" : record->fault.text);
    if (record->class != RRTYPE_CLASS_IN || !dname_is_equal(record->owner, in->zone->zone))
        return report_state(in, "the record is not one of this zone");
    return ERR_OK;
}

/* ---- lines ---- */

/* What was learned does not outlive a configured record that it was learned from. */
static void finish_state_zone(struct state_reader *in)
{
    if (in->zone && in->is_replaced) {
        rollover_forget(in->zone);
        in->zone->next_s = 0;
    }
    in->is_replaced = false;
}

static void empty_state_zone(struct rollover_zone *zone)
{
    for (unsigned i = 0; i < zone->cnt; i++)
        free(zone->keys[i].rdata);
    zone->cnt = 0;
    zone->newest_s = zone->next_s = 0;
    zone->retry_s = ROLLOVER_INTERVAL_MIN_S;
}

static enum err choose_state_zone(struct state_reader *in, const uint8_t *name, bool *seen)
{
    in->configured = NULL;
    in->zone = &in->ignored;
    empty_state_zone(&in->ignored);
    dname_lower(name, in->ignored.zone);
    for (size_t i = 0; i < in->r->cnt; i++)
        if (dname_is_equal(in->r->zones[i].zone, name)) {
            if (seen[i])
                return report_state(in, "the zone is listed twice");
            seen[i] = true;
            in->zone = &in->r->zones[i];
            in->configured = &in->r->configured.anchors[i];
        }
    return ERR_OK;
}

static enum err read_zone_line(struct state_reader *in, bool *seen)
{
    uint8_t name[DNAME_MAX];
    struct fault fault;
    char word[WORD_MAX];
    size_t len;

    finish_state_zone(in);
    read_word(in, word); /* the name itself may be longer */
    if (dname_text_read(in->line + in->at, in->pos - in->at, NULL, name, &len, &fault, NULL) !=
        ERR_OK)
        return report_state(in, "expected the name of a zone: %s", fault.text);
    enum err err = choose_state_zone(in, name, seen);
    if (!err)
        err = read_state_time(in, "checked", &in->zone->newest_s);
    if (!err)
        err = read_state_time(in, "next", &in->zone->next_s);
    if (!err)
        err = read_state_seconds(in, "retry", ROLLOVER_INTERVAL_MIN_S, ROLLOVER_RETRY_MAX_S,
                                 &in->zone->retry_s);
    return err ? err : expect_word(in, "");
}

static bool has_anchor_record(const struct rrset *set, const uint8_t *rdata, size_t len)
{
    for (size_t pos = 0; set && pos < set->size;) {
        struct rrset_record record = rrset_at(set, pos, &pos);
        if (record.len == len && memcmp(record.rdata, rdata, len) == 0)
            return true;
    }
    return false;
}

static enum err read_configured_line(struct state_reader *in)
{
    enum err err = read_state_record(in);
    const struct rrline *record = in->record;

    if (err)
        return err;
    if (record->type != RRTYPE_DS && record->type != RRTYPE_DNSKEY)
        return report_state(in, "expected a DS or DNSKEY record");
    const struct anchor *anchor = in->configured;
    if (anchor)
        in->is_replaced |=
            !has_anchor_record(record->type == RRTYPE_DS ? anchor->ds : anchor->keys,
                               record->rdata, record->rdata_len);
    return ERR_OK;
}

/* Say what makes the record useless as a key; NULL if nothing does. */
static const char *find_state_fault(struct state_reader *in)
{
    const struct rrline *record = in->record;

    if (record->type != RRTYPE_DNSKEY)
        return "expected a DNSKEY record";
    struct dnskey key = dnskey_read(record->rdata, record->rdata_len);
    if (!dnskey_is_zone_key(&key))
        return DNSKEY_NO_ZONE_KEY;
    if (key.flags & DNSKEY_REVOKE)
        return "the flags of a DNSKEY are kept without the REVOKE bit";
    if (record->rdata_len > ROLLOVER_RDATA_MAX)
        return "the key is too large";
    if (rollover_find_key(in->zone, record->rdata, record->rdata_len))
        return "the key is listed twice";
    if (in->zone->cnt == ROLLOVER_KEYS_MAX)
        return "the zone has too many keys";
    return NULL;
}

static enum err read_key_line(struct state_reader *in, enum rollover_state state)
{
    uint32_t held_s = 0, hold_s = ROLLOVER_HOLD_S;
    int64_t since_s;
    enum err err = read_state_time(in, "since", &since_s);

    if (!err)
        err = read_state_seconds(in, "held", 0, INT32_MAX, &held_s);
    if (!err)
        err = read_state_seconds(in, "of", ROLLOVER_HOLD_S, INT32_MAX, &hold_s);
    if (!err)
        err = read_state_record(in);
    if (err)
        return err;
    const char *fault = find_state_fault(in);
    if (fault)
        return report_state(in, "%s", fault);
    struct rollover_key *key =
        rollover_add_key(in->zone, in->record->rdata, in->record->rdata_len, state, since_s);
    if (!key)
        return ERR_NOMEM;
    key->held_s = held_s;
    key->hold_s = hold_s;
    return ERR_OK;
}

static enum err read_state_line(struct state_reader *in, const char *word, bool *seen)
{
    if (strcmp(word, "zone") == 0)
        return read_zone_line(in, seen);
    if (strcmp(word, "configured") == 0)
        return read_configured_line(in);
    for (enum rollover_state state = ROLLOVER_PENDING; state <= ROLLOVER_REMOVED; state++)
        if (strcmp(word, rollover_state_name(state)) == 0)
            return read_key_line(in, state);
    return report_state(in, "expected zone, configured, end or the state of a key");
}

/* Move to the next line that is not empty and no comment, and read its first word.  False at
 * the end of the text. */
static bool next_state_line(struct state_reader *in, char word[WORD_MAX])
{
    const char *end = in->text + in->len;

    for (const char *next = in->line + in->line_len; next < end;
         next = in->line + in->line_len) {
        in->line = next + (in->line_number > 0); /* behind the line break */
        const char *stop = memchr(in->line, '\n', (size_t)(end - in->line));
        in->line_len = (size_t)((stop ? stop : end) - in->line);
        in->line_number++;
        in->pos = 0;
        read_word(in, word);
        if (*word && *word != ';')
            return true;
    }
    in->at = in->line_len;
    return false;
}

static enum err read_state_lines(struct state_reader *in, bool *seen)
{
    char word[WORD_MAX];
    bool is_first = true;

    while (next_state_line(in, word)) {
        enum err err;
        if (is_first) {
            err = strcmp(word, "version") == 0 ? expect_word(in, "1")
                                               : report_state(in, "expected \"version 1\"");
        } else if (strcmp(word, "end") == 0) {
            finish_state_zone(in);
            return next_state_line(in, word)
                       ? report_state(in, "expected nothing after the line \"end\"")
                       : ERR_OK;
        } else {
            err = read_state_line(in, word, seen);
        }
        if (err)
            return err;
        is_first = false;
    }
    return report_state(in, "the line \"end\" is missing: the file is incomplete");
}

enum err rollover_file_read(struct rollover *r, const char *file, const char *text, size_t len,
                            struct diag *diag)
{
    struct state_reader in = {.r = r,
                              .file = file,
                              .text = text,
                              .len = len,
                              .diag = diag,
                              .line = text,
                              .record = malloc(sizeof(*in.record))};
    bool *seen = calloc(r->cnt + 1, sizeof(*seen));
    enum err err = in.record && seen ? read_state_lines(&in, seen) : ERR_NOMEM;

    for (size_t i = 0; i < r->cnt && err; i++)
        empty_state_zone(&r->zones[i]);
    empty_state_zone(&in.ignored);
    free(seen);
    free(in.record);
    return err;
}

/* ---- printing ---- */

/* Print a record; nothing if it is too long for a line, as no DS or DNSKEY in use is. */
static void print_state_record(FILE *out, const char *before, const uint8_t *zone,
                               uint16_t type, const struct rrset_record *record)
{
    char name[DNAME_TEXT_MAX], text[RDATA_TEXT_MAX], type_text[RRTYPE_NAME_MAX];

    rdata_text_print(type, record->rdata, record->len, text);
    if (strlen(text) == RDATA_TEXT_MAX - 1)
        return;
    dname_text_print(zone, name);
    rrtype_print(type, type_text);
    fprintf(out, "%s %s %s %s", before, name, type_text, text);
    if (type == RRTYPE_DNSKEY)
        fprintf(out, " ; tag %u", dnskey_read(record->rdata, record->len).tag);
    fprintf(out, "\n");
}

static void print_configured(FILE *out, const uint8_t *zone, const struct rrset *set)
{
    for (size_t pos = 0; set && pos < set->size;) {
        struct rrset_record record = rrset_at(set, pos, &pos);
        print_state_record(out, "configured", zone, set->type, &record);
    }
}

static void print_state_zone(FILE *out, const struct rollover_zone *zone,
                             const struct anchor *configured)
{
    char name[DNAME_TEXT_MAX], time[NOW_TEXT_MAX], next[NOW_TEXT_MAX], before[200];

    dname_text_print(zone->zone, name);
    now_print(zone->newest_s * 1000, time);
    now_print(zone->next_s * 1000, next);
    fprintf(out, "zone %s checked %s next %s retry %u\n", name, time, next, zone->retry_s);
    print_configured(out, zone->zone, configured->ds);
    print_configured(out, zone->zone, configured->keys);
    for (unsigned i = 0; i < zone->cnt; i++) {
        const struct rollover_key *key = &zone->keys[i];
        struct rrset_record record = {key->rdata, key->len};
        now_print(key->since_s * 1000, time);
        snprintf(before, sizeof(before), "%s since %s held %u of %u",
                 rollover_state_name(key->state), time, key->held_s, key->hold_s);
        print_state_record(out, before, zone->zone, RRTYPE_DNSKEY, &record);
    }
}

enum err rollover_file_print(const struct rollover *r, char **text, size_t *len)
{
    FILE *out = open_memstream(text, len);

    if (!out)
        return ERR_NOMEM;
    fputs(header, out);
    for (size_t i = 0; i < r->cnt; i++)
        print_state_zone(out, &r->zones[i], &r->configured.anchors[i]);
    fputs("end\n", out);
    bool is_bad = ferror(out) != 0;
    if (fclose(out) != 0 || is_bad) {
        free(*text);
        *text = NULL;
        return ERR_NOMEM;
    }
    return ERR_OK;
}

/* ---- the file ---- */

enum err rollover_file_load(struct rollover *r, const char *path, struct diag *diag)
{
    char *text = NULL;
    size_t len;
    enum err err = file_read_text(path, ROLLOVER_FILE_MAX, &text, &len, NULL);

    if (err && err != ERR_ABSENT && err != ERR_NOMEM) {
        struct diag_place place = {.file = path};
        diag_add(diag, DIAG_ERROR, &place, "%s", file_problem(err));
        err = ERR_CONFIG;
    }
    if (!err)
        err = rollover_file_read(r, path, text, len, diag);
    free(text);
    return err;
}

enum err rollover_file_save(const struct rollover *r, const char *path)
{
    char *text = NULL;
    size_t len;
    enum err err = rollover_file_print(r, &text, &len);

    if (!err)
        err = file_replace(path, text, len);
    free(text);
    return err;
}
