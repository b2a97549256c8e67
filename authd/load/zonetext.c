/* A whole entry is split into words before any of them is interpreted: a syntax error then
 * costs one entry, and its reader sees all words.  The arrays are reused for each entry, so a
 * word costs no allocation. */
#include "authd/load/zonetext.h"

enum { WORDS_FIRST = 64, WORDS_MAX = 1 << 17 };

void zonetext_init(struct zonetext *zt, const char *file, const char *text, size_t len)
{
    *zt = (struct zonetext){.file = file, .text = text, .len = len, .line = 1};
}

void zonetext_restart(struct zonetext *zt, const char *text, size_t len)
{
    zt->text = text;
    zt->len = len;
    zt->pos = zt->line_at = 0;
    zt->line = 1;
}

void zonetext_fini(struct zonetext *zt)
{
    free(zt->tokens);
    free(zt->lines);
    free(zt->columns);
    zt->tokens = NULL;
    zt->lines = zt->columns = NULL;
}

static void set_entry_fault(struct zonetext *zt, const char *what, size_t pos)
{
    if (zt->wrong)
        return; /* further errors of an entry mostly follow from the first */
    zt->wrong = what;
    zt->wrong_line = zt->line;
    zt->wrong_column = (uint32_t)(pos - zt->line_at + 1);
}

static bool grow_words(struct zonetext *zt)
{
    size_t size = zt->size ? zt->size * 2 : WORDS_FIRST;
    if (size > WORDS_MAX)
        return false;
    struct rrtext_token *tokens = realloc(zt->tokens, size * sizeof(*tokens));
    if (tokens)
        zt->tokens = tokens;
    uint32_t *lines = realloc(zt->lines, size * sizeof(*lines));
    if (lines)
        zt->lines = lines;
    uint32_t *columns = realloc(zt->columns, size * sizeof(*columns));
    if (columns)
        zt->columns = columns;
    if (!tokens || !lines || !columns)
        return false;
    zt->size = size;
    return true;
}

static void add_word(struct zonetext *zt, size_t start, size_t end, bool is_quoted)
{
    if (zt->cnt == zt->size && !grow_words(zt)) {
        set_entry_fault(zt, "this entry has too many words", start);
        return;
    }
    zt->tokens[zt->cnt] = (struct rrtext_token){
        .text = zt->text + start, .len = end - start, .is_quoted = is_quoted};
    zt->lines[zt->cnt] = zt->line;
    zt->columns[zt->cnt++] = (uint32_t)(start - zt->line_at + 1);
}

/* Return the offset behind the escape at `pos`; an escape never includes a line end. */
static size_t after_escape(const struct zonetext *zt, size_t pos)
{
    return pos + 1 < zt->len && zt->text[pos + 1] != '\n' ? pos + 2 : pos + 1;
}

/* Return the offset of the quote that closes the string beginning at `pos`; the end of the line
 * if there is none. */
static size_t find_quote(const struct zonetext *zt, size_t pos)
{
    while (pos < zt->len && zt->text[pos] != '"' && zt->text[pos] != '\n')
        pos = zt->text[pos] == '\\' ? after_escape(zt, pos) : pos + 1;
    return pos;
}

static bool is_quote_closed(const struct zonetext *zt, size_t pos)
{
    return pos < zt->len && zt->text[pos] == '"';
}

static void read_quoted(struct zonetext *zt)
{
    size_t start = zt->pos + 1;
    size_t end = find_quote(zt, start);
    if (!is_quote_closed(zt, end)) {
        set_entry_fault(zt, "this quote is not closed on its line", zt->pos);
        zt->pos = end;
        return;
    }
    add_word(zt, start, end, true);
    zt->pos = end + 1;
}

static void read_plain(struct zonetext *zt)
{
    size_t start = zt->pos, pos = start;

    while (pos < zt->len) {
        char c = zt->text[pos];
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ';' || c == '(' || c == ')')
            break;
        if (c == '\\') {
            pos = after_escape(zt, pos);
        } else if (c == '"') {
            if (pos == start || zt->text[pos - 1] != '=' ||
                !rrtext_is_at_param(zt->tokens, zt->cnt))
                break; /* the next word begins */
            /* key="a value" is one word (RFC 9460 2.1) */
            size_t quote = find_quote(zt, pos + 1);
            if (!is_quote_closed(zt, quote)) {
                set_entry_fault(zt, "this quote is not closed on its line", pos);
                pos = quote;
                break;
            }
            pos = quote + 1; /* the quote ends the word */
            break;
        } else {
            if (c == '\0')
                set_entry_fault(zt, "a NUL byte: this is not a text file", pos);
            pos++;
        }
    }
    add_word(zt, start, pos, false);
    zt->pos = pos;
}

static void next_line(struct zonetext *zt)
{
    zt->pos++;
    zt->line++;
    zt->line_at = zt->pos;
}

static void skip_comment(struct zonetext *zt)
{
    const char *end = memchr(zt->text + zt->pos, '\n', zt->len - zt->pos);
    zt->pos = end ? (size_t)(end - zt->text) : zt->len;
}

/* Read words up to the end of the entry: a line end outside parentheses. */
static void read_entry(struct zonetext *zt)
{
    unsigned depth = 0;
    uint32_t open_line = 0, open_column = 0;

    for (bool is_first = true; zt->pos < zt->len; is_first = false) {
        char c = zt->text[zt->pos];
        switch (c) {
        case '\n':
            next_line(zt);
            if (depth == 0)
                return;
            break;
        case ' ':
        case '\t':
        case '\r':
            if (is_first)
                zt->starts_blank = true;
            zt->pos++;
            break;
        case ';': skip_comment(zt); break;
        case '(':
            if (depth++ == 0) {
                open_line = zt->line;
                open_column = (uint32_t)(zt->pos - zt->line_at + 1);
            }
            zt->pos++;
            continue; /* the next word may still be the owner */
        case ')':
            if (depth == 0)
                set_entry_fault(zt, "a closing parenthesis without an opening one", zt->pos);
            else
                depth--;
            zt->pos++;
            break;
        case '"': read_quoted(zt); break;
        default: read_plain(zt);
        }
    }
    if (depth > 0 && !zt->wrong) {
        zt->wrong = "this parenthesis is never closed";
        zt->wrong_line = open_line;
        zt->wrong_column = open_column;
    }
}

enum zonetext_kind zonetext_next(struct zonetext *zt)
{
    while (zt->pos < zt->len) {
        zt->cnt = 0;
        zt->starts_blank = false;
        zt->wrong = NULL;
        read_entry(zt);
        if (zt->wrong)
            return ZONETEXT_WRONG;
        if (zt->cnt > 0)
            return ZONETEXT_ENTRY;
    }
    return ZONETEXT_END;
}

struct diag_place zonetext_place(const struct zonetext *zt, size_t i, size_t offset)
{
    uint32_t line = zt->line, column = 1;

    if (zt->cnt > 0) {
        size_t word = i < zt->cnt ? i : zt->cnt - 1;
        line = zt->lines[word];
        column = zt->columns[word] + (uint32_t)(i < zt->cnt ? offset : zt->tokens[word].len);
    }
    return diag_place_at(zt->file, zt->text, zt->len, line, column);
}
