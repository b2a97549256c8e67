/* tests/unit/records.h | records from text for unit tests */
#pragma once

#include "unit.h"

#include "dns/rrline.h"

/* Read a record, written as in a zone file and made by `fmt`, into *line.  Names without a
 * final dot are relative to the root. */
static inline void records_read(struct rrline *line, const char *fmt, va_list args)
{
    static const uint8_t root[] = {0};
    char text[1000];

    vsnprintf(text, sizeof(text), fmt, args);
    if (rrline_read(text, strlen(text), root, 3600, line) != ERR_OK)
        fail_msg("%s: %s", text, line->fault.text);
}
