/* authd/load/zonetext.h | a master file as entries of words (RFC 1035 5.1)
 *
 * Comments, parentheses, quotes and line ends are understood here; every word keeps its line
 * and column.  Escapes stay in the word: only its reader knows what they mean there.
 *
 * Owner:    words point into the text, which the caller keeps.
 * Thread:   one at a time.
 * Words:    entry - a directive or a record, from its first word to the end of its last line.
 */
#pragma once

#include "base/diag.h"
#include "dns/rrtext.h"

enum zonetext_kind {
    ZONETEXT_ENTRY, /* words are set */
    ZONETEXT_WRONG, /* the entry is broken; `wrong` says how */
    ZONETEXT_END,   /* of the text */
};

/* Lifetime: the reading of one text. */
struct zonetext {
    const char *file;
    const char *text;
    size_t len, pos;
    uint32_t line;
    size_t line_at;              /* offset of the line's first byte */
    struct rrtext_token *tokens; /* of the current entry */
    uint32_t *lines;             /* of each token */
    uint32_t *columns;
    size_t cnt, size;
    bool starts_blank; /* white space before the first word: the owner is the one before */
    const char *wrong;
    uint32_t wrong_line, wrong_column;
};

/* Read `len` bytes that must stay until zonetext_fini; `file` serves messages. */
void zonetext_init(struct zonetext *zt, const char *file, const char *text, size_t len);

/* Read other text with the same arrays. */
void zonetext_restart(struct zonetext *zt, const char *text, size_t len);

/* Step to the next entry.  After ZONETEXT_WRONG reading goes on behind it. */
enum zonetext_kind zonetext_next(struct zonetext *zt);

/* Byte `offset` of word `i` of the entry as a place; i == cnt is the end of the last word. */
struct diag_place zonetext_place(const struct zonetext *zt, size_t i, size_t offset);

/* Free the word arrays. */
void zonetext_fini(struct zonetext *zt);
