/* tools/paper.h | text for a terminal: trees, wrapped lines, colours
 *
 * Eighty columns; colours for a terminal that wants them, line drawing where the locale has it.
 *
 * Thread:   the only one.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/util.h"

enum { PAPER_WIDTH = 80, PAPER_STEM_MAX = 400, PAPER_TEXT_MAX = 4096 };

enum paper_colour { PAPER_PLAIN, PAPER_BOLD, PAPER_DIM, PAPER_GREEN, PAPER_RED, PAPER_YELLOW };

/* Lifetime: the command's. */
struct paper {
    FILE *out;
    bool has_colours, has_lines;
    char stem[PAPER_STEM_MAX]; /* what stands before every line of the branch */
};

/* For stdout. */
void paper_init(struct paper *paper);

/* A node of a tree: a label of a fixed width, then text.  Further lines of the node come with
 * paper_more. */
void paper_node(struct paper *paper, bool is_last, enum paper_colour colour, const char *label,
                const char *fmt, ...) PRINTF_LIKE(5, 6);
void paper_more(struct paper *paper, bool is_last, enum paper_colour colour, const char *fmt,
                ...) PRINTF_LIKE(4, 5);

/* What follows is below the node that was just written, until paper_up with what this returned.
 */
size_t paper_down(struct paper *paper, bool is_last);
void paper_up(struct paper *paper, size_t mark);

/* A paragraph behind a word that stands out. */
void paper_paragraph(struct paper *paper, enum paper_colour colour, const char *word,
                     const char *text);

/* A row: a label and its text. */
void paper_row(struct paper *paper, const char *label, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Text between colours. */
void paper_print(struct paper *paper, enum paper_colour colour, const char *fmt, ...)
    PRINTF_LIKE(3, 4);
