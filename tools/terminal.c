/* Lines are wrapped at blanks; a word that is longer than the line stands on one of its own. */
#include "tools/terminal.h"

#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

enum { LABEL_WIDTH = 8, ROW_WIDTH = 18, WORD_WIDTH = 8 };

void terminal_init(struct terminal *p)
{
    const char *terminal = getenv("TERM");

    *p = (struct terminal){.out = stdout};
    setlocale(LC_CTYPE, "");
    p->has_lines = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    p->has_colours = isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && terminal &&
                     strcmp(terminal, "dumb") != 0;
}

static void colour_on(const struct terminal *p, enum terminal_colour colour)
{
    static const char *const codes[] = {
        [TERMINAL_PLAIN] = "",   [TERMINAL_BOLD] = "1",   [TERMINAL_DIM] = "2",
        [TERMINAL_GREEN] = "32", [TERMINAL_RED] = "1;31", [TERMINAL_YELLOW] = "33"};
    if (p->has_colours && colour != TERMINAL_PLAIN)
        fprintf(p->out, "\033[%sm", codes[colour]);
}

static void colour_off(const struct terminal *p, enum terminal_colour colour)
{
    if (p->has_colours && colour != TERMINAL_PLAIN)
        fputs("\033[0m", p->out);
}

/* Columns of UTF-8 text: octets that continue a character take none. */
static size_t columns(const char *text, size_t len)
{
    size_t cnt = 0;
    for (size_t i = 0; i < len; i++)
        cnt += ((unsigned char)text[i] & 0xc0) != 0x80;
    return cnt;
}

/* Octets of the text that go on a line of `room` columns: whole words, and one at least. */
static size_t fit(const char *text, size_t room)
{
    size_t len = 0;

    for (size_t end = 0; text[end] && columns(text, end) <= room;) {
        end += 1 + strcspn(text + end + 1, " ");
        if (columns(text, end) <= room || len == 0)
            len = end;
    }
    return len;
}

/* Write `text` wrapped; `first` stands before its first line, `rest` before the others. */
static void wrap(const struct terminal *p, const char *first, const char *rest,
                 enum terminal_colour colour, const char *text)
{
    const char *stem = first;

    do {
        size_t len = fit(text, TERMINAL_WIDTH -
                                   util_min(columns(stem, strlen(stem)), TERMINAL_WIDTH - 20U));
        fputs(stem, p->out);
        colour_on(p, colour);
        fwrite(text, 1, len, p->out);
        colour_off(p, colour);
        fputc('\n', p->out);
        text += len;
        text += strspn(text, " ");
        stem = rest;
    } while (*text);
}

static const char *knot(const struct terminal *p, bool is_last)
{
    if (!p->has_lines)
        return is_last ? "`- " : "|- ";
    return is_last ? "\xe2\x94\x94\xe2\x94\x80 " : "\xe2\x94\x9c\xe2\x94\x80 ";
}

static const char *bar(const struct terminal *p, bool is_last)
{
    return is_last ? "   " : p->has_lines ? "\xe2\x94\x82  " : "|  ";
}

void terminal_node(struct terminal *p, bool is_last, enum terminal_colour colour,
                   const char *label, const char *fmt, ...)
{
    char text[TERMINAL_TEXT_MAX], first[TERMINAL_STEM_MAX + 40], rest[TERMINAL_STEM_MAX + 40];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    snprintf(first, sizeof(first), "%s%s%-*s", p->stem, knot(p, is_last), LABEL_WIDTH, label);
    snprintf(rest, sizeof(rest), "%s%s%*s", p->stem, bar(p, is_last), LABEL_WIDTH + 2, "");
    wrap(p, first, rest, colour, text);
}

void terminal_more(struct terminal *p, bool is_last, enum terminal_colour colour,
                   const char *fmt, ...)
{
    char text[TERMINAL_TEXT_MAX], first[TERMINAL_STEM_MAX + 40], rest[TERMINAL_STEM_MAX + 40];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    snprintf(first, sizeof(first), "%s%s%*s", p->stem, bar(p, is_last), LABEL_WIDTH + 2, "");
    snprintf(rest, sizeof(rest), "%s%s%*s", p->stem, bar(p, is_last), LABEL_WIDTH + 4, "");
    wrap(p, first, rest, colour, text);
}

size_t terminal_down(struct terminal *p, bool is_last)
{
    size_t mark = strlen(p->stem);
    snprintf(p->stem + mark, sizeof(p->stem) - mark, "%s", bar(p, is_last));
    return mark;
}

void terminal_up(struct terminal *p, size_t mark) { p->stem[mark] = '\0'; }

void terminal_paragraph(struct terminal *p, enum terminal_colour colour, const char *word,
                        const char *text)
{
    char rest[WORD_WIDTH + 1];

    colour_on(p, colour);
    fprintf(p->out, "%-*s", WORD_WIDTH, word);
    colour_off(p, colour);
    snprintf(rest, sizeof(rest), "%*s", WORD_WIDTH, "");
    size_t len = fit(text, TERMINAL_WIDTH - WORD_WIDTH); /* behind the word */
    fprintf(p->out, "%.*s\n", (int)len, text);
    text += len + strspn(text + len, " ");
    if (*text)
        wrap(p, rest, rest, TERMINAL_PLAIN, text);
}

void terminal_row(struct terminal *p, const char *label, const char *fmt, ...)
{
    char text[TERMINAL_TEXT_MAX], first[ROW_WIDTH + 40], rest[ROW_WIDTH + 1];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    snprintf(first, sizeof(first), "%-*s", ROW_WIDTH, label);
    snprintf(rest, sizeof(rest), "%*s", ROW_WIDTH, "");
    wrap(p, first, rest, TERMINAL_PLAIN, text);
}

void terminal_print(struct terminal *p, enum terminal_colour colour, const char *fmt, ...)
{
    va_list args;

    colour_on(p, colour);
    va_start(args, fmt);
    vfprintf(p->out, fmt, args);
    va_end(args);
    colour_off(p, colour);
}
