/* base/diag.h | what is wrong with a file, collected and shown with the line and a
 * caret
 *
 * Readers of configuration and zone files add findings and go on, so that one run shows all of
 * them.
 *
 * Owner:    the caller holds `struct diag`; texts are copied into it.
 * Thread:   one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/json.h"

enum diag_level { DIAG_ERROR, DIAG_WARNING };

/* A place in a file.  line and column count from 1; 0 means "the file as a whole". */
struct diag_place {
    const char *file;
    size_t line;
    size_t column;
    const char *text; /* the source line, not terminated; NULL: none to show */
    size_t text_len;  /* bytes */
};

struct diag_item;

/* Lifetime: the caller's.  Keeps the first DIAG_KEPT errors and as many warnings, and counts
 * all. */
struct diag {
    struct arena arena;
    struct diag_item *first;
    struct diag_item **tail;
    size_t kept_cnt[2]; /* by level */
    size_t error_cnt;
    bool is_last_kept; /* diag_help has something to belong to */
    size_t warning_cnt;
};

enum { DIAG_KEPT = 200 };

/* A line and column as a place, with the line's text. */
struct diag_place diag_place_at(const char *file, const char *text, size_t len, uint32_t line,
                                uint32_t column);

/* An empty collection. */
void diag_init(struct diag *diag);

/* Free what it holds. */
void diag_fini(struct diag *diag);

/* Add a finding at `place`. */
void diag_add(struct diag *diag, enum diag_level level, const struct diag_place *place,
              const char *fmt, ...) PRINTF_LIKE(4, 5);

/* Whether one more of this level would be kept: if not, its place need not be found out. */
bool diag_wants(const struct diag *diag, enum diag_level level);

/* Add a line of help to the finding added last. */
void diag_help(struct diag *diag, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Write each finding to the log as one line, "file:line:column: text (help)". */
void diag_log(const struct diag *diag);

/* Show every finding: file:line:column, the line, a caret, the help.  Coloured when `colour`.
 */
void diag_print(const struct diag *diag, FILE *out, bool colour);

/* The same as one JSON array of objects {file, line, column, level, message, help}. */
struct json *diag_to_json(const struct diag *diag);

/* The one of `words` (ended by NULL) that `word` most likely was meant to be; NULL when none is
 * near. */
const char *diag_nearest(const char *word, const char *const *words);
