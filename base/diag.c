/* The number of findings that are kept is bounded: a binary file that is configured as a zone
 * has an error on each line. */
#include "base/diag.h"

#include "base/json.h"
#include "base/log.h"
#include "base/text.h"

struct diag_item {
    struct diag_item *next;
    enum diag_level level;
    struct diag_place place; /* with copies of its texts */
    const char *message;
    const char *help;
};

enum { DIAG_TEXT_SHOWN = 160, DIAG_MESSAGE_MAX = 512 };

struct diag_place diag_place_at(const char *file, const char *text, size_t len, uint32_t line,
                                uint32_t column)
{
    struct diag_place place = {.file = file, .line = line, .column = column};
    const char *at = text, *end = text + len;

    for (uint32_t i = 1; i < line && at; i++) {
        at = memchr(at, '\n', (size_t)(end - at));
        at = at ? at + 1 : NULL;
    }
    if (at) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        place.text = at;
        place.text_len = (size_t)((stop ? stop : end) - at);
        if (place.text_len > 0 && at[place.text_len - 1] == '\r')
            place.text_len--;
    }
    return place;
}

void diag_init(struct diag *diag)
{
    *diag = (struct diag){0};
    diag->tail = &diag->first;
}

void diag_fini(struct diag *diag)
{
    arena_fini(&diag->arena);
    diag_init(diag);
}

/* Copy text into the arena and sanitise it: findings quote hostile files. */
static const char *copy_harmless(struct diag *diag, const char *text, size_t len)
{
    char *copy = arena_copy(&diag->arena, text, len);
    if (copy)
        text_sanitise(copy, len, "\t");
    return copy;
}

static const char *format_finding(struct diag *diag, const char *fmt, va_list args)
    PRINTF_LIKE(2, 0);

static const char *format_finding(struct diag *diag, const char *fmt, va_list args)
{
    char text[DIAG_MESSAGE_MAX];
    vsnprintf(text, sizeof(text), fmt, args);
    return copy_harmless(diag, text, strlen(text));
}

bool diag_wants(const struct diag *diag, enum diag_level level)
{
    return diag->kept_cnt[level] < DIAG_KEPT;
}

void diag_add(struct diag *diag, enum diag_level level, const struct diag_place *place,
              const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    diag_add_args(diag, level, place, fmt, args);
    va_end(args);
}

void diag_add_args(struct diag *diag, enum diag_level level, const struct diag_place *place,
                   const char *fmt, va_list args)
{
    if (level == DIAG_ERROR)
        diag->error_cnt++;
    else
        diag->warning_cnt++;
    diag->is_last_kept = false;
    if (!diag_wants(diag, level))
        return;
    struct diag_item *item = arena_alloc(&diag->arena, sizeof(*item));
    if (!item)
        return;
    *item = (struct diag_item){
        .level = level, .place = *place, .message = format_finding(diag, fmt, args)};
    if (place->file)
        item->place.file = copy_harmless(diag, place->file, strlen(place->file));
    if (place->text)
        item->place.text = copy_harmless(diag, place->text, place->text_len);
    if (!item->message || (place->file && !item->place.file) ||
        (place->text && !item->place.text))
        return;
    *diag->tail = item;
    diag->tail = &item->next;
    diag->kept_cnt[level]++;
    diag->is_last_kept = true;
}

void diag_help(struct diag *diag, const char *fmt, ...)
{
    if (!diag->is_last_kept)
        return;
    va_list args;
    va_start(args, fmt);
    container_of(diag->tail, struct diag_item, next)->help = format_finding(diag, fmt, args);
    va_end(args);
    diag->help_cnt++;
}

static void print_place(const struct diag_place *place, FILE *out)
{
    if (place->file)
        fprintf(out, "%s:", place->file);
    if (place->line)
        fprintf(out, "%zu:%zu:", place->line, place->column);
    fputc(' ', out);
}

void diag_log(const struct diag *diag)
{
    for (const struct diag_item *item = diag->first; item; item = item->next) {
        enum log_level level = item->level == DIAG_ERROR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING;
        char place[DIAG_MESSAGE_MAX] = "";
        FILE *stream = fmemopen(place, sizeof(place), "w");
        if (!stream)
            return;
        print_place(&item->place, stream);
        fclose(stream);
        log_line(level, "%s%s%s%s%s", place, item->message, item->help ? " (" : "",
                 item->help ? item->help : "", item->help ? ")" : "");
    }
}

/* Tabs are copied, so that the caret lines up. */
static void print_source(const struct diag_place *place, FILE *out, bool colour)
{
    /* a long line is printed from shortly before the column */
    size_t from = place->column > DIAG_TEXT_SHOWN / 2 ? place->column - DIAG_TEXT_SHOWN / 2 : 0;
    if (from > place->text_len)
        from = place->text_len;
    size_t end = util_min(place->text_len, from + DIAG_TEXT_SHOWN);

    fprintf(out, "%6zu | ", place->line);
    fwrite(place->text + from, 1, end - from, out);
    fprintf(out, "\n       | ");
    for (size_t i = from; i + 1 < place->column && i < end; i++)
        if (((unsigned char)place->text[i] & 0xc0) != 0x80) /* one column per UTF-8 sequence */
            fputc(place->text[i] == '\t' ? '\t' : ' ', out);
    fprintf(out, colour ? "\033[1;32m^\033[0m\n" : "^\n");
}

void diag_print(const struct diag *diag, FILE *out, bool colour)
{
    for (const struct diag_item *item = diag->first; item; item = item->next) {
        bool is_error = item->level == DIAG_ERROR;
        print_place(&item->place, out);
        if (colour)
            fputs(is_error ? "\033[1;31m" : "\033[1;33m", out);
        fputs(is_error ? "error:" : "warning:", out);
        fprintf(out, "%s %s\n", colour ? "\033[0m" : "", item->message);
        if (item->place.text && item->place.line)
            print_source(&item->place, out, colour);
        if (item->help)
            fprintf(out, "       = %s\n", item->help);
    }
    size_t all = diag->error_cnt + diag->warning_cnt;
    size_t kept = diag->kept_cnt[DIAG_ERROR] + diag->kept_cnt[DIAG_WARNING];
    if (all > kept)
        fprintf(out, "... and %zu more\n", all - kept);
}

struct json *diag_to_json(const struct diag *diag)
{
    struct json *list = json_new_list();

    for (const struct diag_item *item = diag->first; item; item = item->next) {
        struct json *one = json_add_object(list);
        json_put_text(one, "file", item->place.file ? item->place.file : "");
        json_put_number(one, "line", (int64_t)item->place.line);
        json_put_number(one, "column", (int64_t)item->place.column);
        json_put_text(one, "level", item->level == DIAG_ERROR ? "error" : "warning");
        json_put_text(one, "message", item->message);
        if (item->help)
            json_put_text(one, "help", item->help);
    }
    return list;
}

static bool is_same_letter(char a, char b)
{
    return util_lower((uint8_t)a) == util_lower((uint8_t)b);
}

/* The optimal string alignment distance; three rows of its table are enough. */
size_t diag_edits(const char *word, const char *meant)
{
    enum { WORD_MAX = 48 };
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    size_t len = strlen(word), meant_len = strlen(meant);

    if (len > WORD_MAX || meant_len > WORD_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= meant_len; j++)
        last[j] = j;
    for (size_t i = 0; i < len; i++) {
        row[0] = i + 1;
        for (size_t j = 0; j < meant_len; j++) {
            size_t change = last[j] + !is_same_letter(word[i], meant[j]);
            row[j + 1] = util_min(change, util_min(last[j + 1], row[j]) + 1);
            if (i > 0 && j > 0 && is_same_letter(word[i], meant[j - 1]) &&
                is_same_letter(word[i - 1], meant[j]))
                row[j + 1] = util_min(row[j + 1], before[j - 1] + 1);
        }
        size_t *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[meant_len] <= (len + 2) / 3 ? last[meant_len] : SIZE_MAX;
}

const char *diag_nearest(const char *word, const char *const *words)
{
    const char *best = NULL;
    size_t least = SIZE_MAX;

    for (; *words; words++) {
        size_t edits = diag_edits(word, *words);
        if (edits < least) {
            least = edits;
            best = *words;
        }
    }
    return best;
}
