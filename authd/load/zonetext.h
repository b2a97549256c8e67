/* authd/load/zonetext.h | tokenizer of master files (RFC 1035 5.1)
 *
 * It handles comments, parentheses, quotes and line ends; every word keeps its line and column.
 * Escapes stay in the word: their meaning depends on its use.
 *
 * Owner:    words point into the text, which the caller keeps.
 * Thread:   one at a time.
 * Words:    entry - a directive or a record, from its first word to the end of its last line.
 */
#pragma once

#include "base/diag.h"
#include "dns/rrtext.h"

enum zonetext_kind {
    ZONETEXT_ENTRY, /* tokens has its words */
    ZONETEXT_WRONG, /* the entry has a syntax error; `wrong` describes it */
    ZONETEXT_END,   /* no more entries */
};

/* Lifetime: the reading of one text. */
struct zonetext {
    const char *file; /* name in messages */
    const char *text;
    size_t len, pos;             /* bytes of text; offset of the next byte to read */
    uint32_t line;               /* counts from 1 */
    size_t line_at;              /* offset of the line's first byte */
    struct rrtext_token *tokens; /* words of the current entry */
    uint32_t *lines;             /* of each word */
    uint32_t *columns;           /* of each word; count from 1 */
    size_t cnt, size;
    bool starts_blank; /* white space before the first word: the record inherits its owner */
    const char *wrong; /* NULL: no syntax error */
    uint32_t wrong_line, wrong_column;
};

/* Begin to read `len` bytes, which must stay until zonetext_fini; `file` is their name in
 * messages. */
void zonetext_init(struct zonetext *zt, const char *file, const char *text, size_t len);

/* Begin to read another text; keep the word arrays. */
void zonetext_restart(struct zonetext *zt, const char *text, size_t len);

/* Step to the next entry.  After ZONETEXT_WRONG the next call continues behind the entry. */
enum zonetext_kind zonetext_next(struct zonetext *zt);

/* Return the place of byte `offset` of word `i` of the entry; with i == cnt the end of the last
 * word. */
struct diag_place zonetext_place(const struct zonetext *zt, size_t i, size_t offset);

/* Free the word arrays. */
void zonetext_fini(struct zonetext *zt);
