/* layer 1 | base/json.h | text as a JSON string
 *
 * Logs and reports are written line by line; all they need of JSON is safe strings.
 *
 * Thread:   any.
 */
#pragma once

#include <stdio.h>

/* Write `text` to `out` between quotes, escaped (RFC 8259 7).  Bytes that are no UTF-8 become
 * U+FFFD. */
void json_print_string(FILE *out, const char *text);
