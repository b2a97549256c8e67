/* base/diag.h | findings about a file, printed with the line and a caret
 *
 * Readers of configuration and zone files add findings and continue, so that one run reports
 * all of them.
 *
 * Owner:    the caller owns `struct diag`, which copies all texts.
 * Thread:   one at a time.
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/json.h"

enum diag_level { DIAG_ERROR, DIAG_WARNING };

/* A place in a file.  Line and column count from 1; 0 is the file as a whole. */
struct diag_place {
    const char *file;
    size_t line;
    size_t column;
    const char *text; /* the source line, not NUL-terminated; NULL: not shown */
    size_t text_len;  /* bytes */
};

struct diag_item;

/* The findings: the first DIAG_KEPT errors and as many warnings; all are counted.
 * Lifetime: the caller's. */
struct diag {
    struct arena arena;
    struct diag_item *first;
    struct diag_item **tail;
    size_t kept_cnt[2]; /* by level */
    size_t error_cnt;
    bool is_last_kept; /* the finding added last was kept, so diag_help has one to extend */
    size_t warning_cnt;
    size_t help_cnt; /* kept findings with advice */
};

enum { DIAG_KEPT = 200 };

/* Return the place at `line` and `column` of the file's contents `text`, with the text of the
 * line. */
struct diag_place diag_place_at(const char *file, const char *text, size_t len, uint32_t line,
                                uint32_t column);

/* Make a diag without findings. */
void diag_init(struct diag *diag);

/* Free all findings. */
void diag_fini(struct diag *diag);

/* Add a finding at `place`.  Without memory, or beyond DIAG_KEPT, it is only counted. */
void diag_add(struct diag *diag, enum diag_level level, const struct diag_place *place,
              const char *fmt, ...) PRINTF_LIKE(4, 5);

/* As diag_add, for callers that have variable arguments themselves. */
void diag_add_args(struct diag *diag, enum diag_level level, const struct diag_place *place,
                   const char *fmt, va_list args) PRINTF_LIKE(4, 0);

/* Return true if another finding of this level would be kept.  If not, the caller need not work
 * out its place. */
bool diag_wants(const struct diag *diag, enum diag_level level);

/* Add advice to the finding that was added last; nothing if that one was not kept. */
void diag_help(struct diag *diag, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Log each finding as one line, "file:line:column: text (help)". */
void diag_log(const struct diag *diag);

/* Print each finding: file:line:column, the source line, a caret and the advice.  `colour`:
 * with terminal colours. */
void diag_print(const struct diag *diag, FILE *out, bool colour);

/* Return a JSON array of objects {file, line, column, level, message, help}, which the caller
 * frees.  NULL without memory. */
struct json *diag_to_json(const struct diag *diag);

/* Return how many letters must be added, removed, replaced or swapped with their neighbour to
 * make `meant` of `word`; case does not matter.  SIZE_MAX if that is more than one letter in
 * three, which is no misspelling. */
size_t diag_edits(const char *word, const char *meant);

/* Return the entry of `words` (NULL-terminated) that `word` most likely misspells, NULL if none
 * is close. */
const char *diag_nearest(const char *word, const char *const *words);
