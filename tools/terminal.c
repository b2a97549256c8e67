/* Lines break at spaces; a word longer than a line gets a line of its own. */
#include "tools/terminal.h"

#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

enum { LABEL_WIDTH = 8, ROW_WIDTH = 18, WORD_WIDTH = 8 };

void terminal_init(struct terminal *t)
{
    const char *terminal = getenv("TERM");

    *t = (struct terminal){.out = stdout};
    setlocale(LC_CTYPE, "");
    t->has_lines = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    t->has_colours = isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && terminal &&
                     strcmp(terminal, "dumb") != 0;
}

static void colour_on(const struct terminal *t, enum terminal_colour colour)
{
    static const char *const codes[] = {
        [TERMINAL_PLAIN] = "",   [TERMINAL_BOLD] = "1",   [TERMINAL_DIM] = "2",
        [TERMINAL_GREEN] = "32", [TERMINAL_RED] = "1;31", [TERMINAL_YELLOW] = "33"};
    if (t->has_colours && colour != TERMINAL_PLAIN)
        fprintf(t->out, "\033[%sm", codes[colour]);
}

static void colour_off(const struct terminal *t, enum terminal_colour colour)
{
    if (t->has_colours && colour != TERMINAL_PLAIN)
        fputs("\033[0m", t->out);
}

/* Return the columns of UTF-8 text: continuation octets take none. */
static size_t columns(const char *text, size_t len)
{
    size_t cnt = 0;
    for (size_t i = 0; i < len; i++)
        cnt += ((unsigned char)text[i] & 0xc0) != 0x80;
    return cnt;
}

/* Return the octets of the text that fit on a line of `room` columns: whole words, at least
 * one. */
static size_t fit_words(const char *text, size_t room)
{
    size_t len = 0;

    for (size_t end = 0; text[end] && columns(text, end) <= room;) {
        end += 1 + strcspn(text + end + 1, " ");
        if (columns(text, end) <= room || len == 0)
            len = end;
    }
    return len;
}

/* Print `text` wrapped, with `first` before its first line and `rest` before the others. */
static void print_wrapped(const struct terminal *t, const char *first, const char *rest,
                          enum terminal_colour colour, const char *text)
{
    const char *stem = first;

    do {
        size_t len = fit_words(
            text, TERMINAL_WIDTH - util_min(columns(stem, strlen(stem)), TERMINAL_WIDTH - 20U));
        fputs(stem, t->out);
        colour_on(t, colour);
        fwrite(text, 1, len, t->out);
        colour_off(t, colour);
        fputc('\n', t->out);
        text += len;
        text += strspn(text, " ");
        stem = rest;
    } while (*text);
}

static const char *branch_sign(const struct terminal *t, bool is_last)
{
    if (!t->has_lines)
        return is_last ? "`- " : "|- ";
    return is_last ? "\xe2\x94\x94\xe2\x94\x80 " : "\xe2\x94\x9c\xe2\x94\x80 ";
}

static const char *branch_bar(const struct terminal *t, bool is_last)
{
    return is_last ? "   " : t->has_lines ? "\xe2\x94\x82  " : "|  ";
}

void terminal_node(struct terminal *t, bool is_last, enum terminal_colour colour,
                   const char *label, const char *fmt, ...)
{
    char text[TERMINAL_TEXT_MAX], first[TERMINAL_STEM_MAX + 40], rest[TERMINAL_STEM_MAX + 40];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    snprintf(first, sizeof(first), "%s%s%-*s", t->stem, branch_sign(t, is_last), LABEL_WIDTH,
             label);
    snprintf(rest, sizeof(rest), "%s%s%*s", t->stem, branch_bar(t, is_last), LABEL_WIDTH + 2,
             "");
    print_wrapped(t, first, rest, colour, text);
}

void terminal_more(struct terminal *t, bool is_last, enum terminal_colour colour,
                   const char *fmt, ...)
{
    char text[TERMINAL_TEXT_MAX], first[TERMINAL_STEM_MAX + 40], rest[TERMINAL_STEM_MAX + 40];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    snprintf(first, sizeof(first), "%s%s%*s", t->stem, branch_bar(t, is_last), LABEL_WIDTH + 2,
             "");
    snprintf(rest, sizeof(rest), "%s%s%*s", t->stem, branch_bar(t, is_last), LABEL_WIDTH + 4,
             "");
    print_wrapped(t, first, rest, colour, text);
}

size_t terminal_down(struct terminal *t, bool is_last)
{
    size_t mark = strlen(t->stem);
    snprintf(t->stem + mark, sizeof(t->stem) - mark, "%s", branch_bar(t, is_last));
    return mark;
}

void terminal_up(struct terminal *t, size_t mark) { t->stem[mark] = '\0'; }

void terminal_paragraph(struct terminal *t, enum terminal_colour colour, const char *word,
                        const char *text)
{
    char rest[WORD_WIDTH + 1];

    colour_on(t, colour);
    fprintf(t->out, "%-*s", WORD_WIDTH, word);
    colour_off(t, colour);
    snprintf(rest, sizeof(rest), "%*s", WORD_WIDTH, "");
    size_t len = fit_words(text, TERMINAL_WIDTH - WORD_WIDTH); /* the line that has the word */
    fprintf(t->out, "%.*s\n", (int)len, text);
    text += len + strspn(text + len, " ");
    if (*text)
        print_wrapped(t, rest, rest, TERMINAL_PLAIN, text);
}

void terminal_row(struct terminal *t, const char *label, const char *fmt, ...)
{
    char text[TERMINAL_TEXT_MAX], first[ROW_WIDTH + 40], rest[ROW_WIDTH + 1];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    snprintf(first, sizeof(first), "%-*s", ROW_WIDTH, label);
    snprintf(rest, sizeof(rest), "%*s", ROW_WIDTH, "");
    print_wrapped(t, first, rest, TERMINAL_PLAIN, text);
}

void terminal_print(struct terminal *t, enum terminal_colour colour, const char *fmt, ...)
{
    va_list args;

    colour_on(t, colour);
    va_start(args, fmt);
    vfprintf(t->out, fmt, args);
    va_end(args);
    colour_off(t, colour);
}
