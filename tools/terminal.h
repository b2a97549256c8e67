/* tools/terminal.h | text for a terminal: trees, wrapped lines, colours
 *
 * Eighty columns; colours for a terminal that wants them, line drawing where the locale has it.
 *
 * Thread:   the only one.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/util.h"

enum { TERMINAL_WIDTH = 80, TERMINAL_STEM_MAX = 400, TERMINAL_TEXT_MAX = 4096 };

enum terminal_colour {
    TERMINAL_PLAIN,
    TERMINAL_BOLD,
    TERMINAL_DIM,
    TERMINAL_GREEN,
    TERMINAL_RED,
    TERMINAL_YELLOW
};

/* Lifetime: the command's. */
struct terminal {
    FILE *out;
    bool has_colours, has_lines;
    char stem[TERMINAL_STEM_MAX]; /* what stands before every line of the branch */
};

/* For stdout. */
void terminal_init(struct terminal *terminal);

/* A node of a tree: a label of a fixed width, then text.  Further lines of the node come with
 * terminal_more. */
void terminal_node(struct terminal *terminal, bool is_last, enum terminal_colour colour,
                   const char *label, const char *fmt, ...) PRINTF_LIKE(5, 6);
void terminal_more(struct terminal *terminal, bool is_last, enum terminal_colour colour,
                   const char *fmt, ...) PRINTF_LIKE(4, 5);

/* What follows is below the node that was just written, until terminal_up with what this
 * returned.
 */
size_t terminal_down(struct terminal *terminal, bool is_last);
void terminal_up(struct terminal *terminal, size_t mark);

/* A paragraph behind a word that stands out. */
void terminal_paragraph(struct terminal *terminal, enum terminal_colour colour,
                        const char *word, const char *text);

/* A row: a label and its text. */
void terminal_row(struct terminal *terminal, const char *label, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Text between colours. */
void terminal_print(struct terminal *terminal, enum terminal_colour colour, const char *fmt,
                    ...) PRINTF_LIKE(3, 4);
