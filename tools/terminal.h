/* tools/terminal.h | terminal output: trees, wrapped lines, colours
 *
 * Lines have at most 80 columns.  Colours need a terminal and no $NO_COLOR, line drawing needs
 * a locale with UTF-8.
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

/* Lifetime: the command. */
struct terminal {
    FILE *out;
    bool has_colours, has_lines;
    char stem[TERMINAL_STEM_MAX]; /* precedes every line of the current branch */
};

/* Set it up for stdout and the environment of the process. */
void terminal_init(struct terminal *terminal);

/* Print a node of a tree: a label of a fixed width, then text.  terminal_more prints further
 * lines of the same node.  `is_last`: no sibling follows. */
void terminal_node(struct terminal *terminal, bool is_last, enum terminal_colour colour,
                   const char *label, const char *fmt, ...) PRINTF_LIKE(5, 6);
void terminal_more(struct terminal *terminal, bool is_last, enum terminal_colour colour,
                   const char *fmt, ...) PRINTF_LIKE(4, 5);

/* Begin the children of the node just printed; return a mark for terminal_up, which ends them.
 */
size_t terminal_down(struct terminal *terminal, bool is_last);
void terminal_up(struct terminal *terminal, size_t mark);

/* Print a paragraph after a coloured word. */
void terminal_paragraph(struct terminal *terminal, enum terminal_colour colour,
                        const char *word, const char *text);

/* Print a row: a label and its text. */
void terminal_row(struct terminal *terminal, const char *label, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Print coloured text, not wrapped. */
void terminal_print(struct terminal *terminal, enum terminal_colour colour, const char *fmt,
                    ...) PRINTF_LIKE(3, 4);
