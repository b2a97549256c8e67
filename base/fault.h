/* base/fault.h | the reason for an error, as a text for the user
 *
 * A function that explains its errors takes a `struct fault *` and fails with
 * `return fault_set(fault, ERR_..., "...", ...)`.  Its return value has the code; the text is
 * shown and never compared.  Unless its contract says otherwise, the text is set on every
 * error and unchanged on success.
 *
 * Owner:    the caller, usually on its stack; nothing is allocated.
 * Thread:   any, each with its own fault.
 */
#pragma once

#include <stdarg.h>

#include "base/err.h"
#include "base/util.h"

/* Octets with the NUL: room for a domain name with every octet escaped and a sentence about it.
 * A longer text is truncated and then ends in "...". */
enum { FAULT_TEXT_MAX = 1280 };

/* Lifetime: the caller's. */
struct fault {
    char text[FAULT_TEXT_MAX]; /* a clause or a sentence without its full stop */
};

/* Set the text and return `err`.  The arguments may point into the text that it replaces, which
 * is how a caller puts its own words before those of a callee.  NULL: no text is wanted. */
enum err fault_set(struct fault *fault, enum err err, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* As fault_set, for functions that have arguments of their own. */
enum err fault_set_va(struct fault *fault, enum err err, const char *fmt, va_list args)
    PRINTF_LIKE(3, 0);

/* Set the text to the name of the code and return it, for callees that do not explain
 * themselves.  ERR_OK changes nothing. */
enum err fault_name(struct fault *fault, enum err err);
