/* Common header of the unit tests: cmocka with the headers it needs first, and helpers for
 * names. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dns/dname_text.h"

/* Read a valid name into `out` and return it. */
static inline const uint8_t *unit_name(const char *text, uint8_t out[DNAME_MAX])
{
    static const uint8_t root[] = {0};
    size_t len;
    assert_int_equal(dname_text_read(text, strlen(text), root, out, &len, NULL, NULL), ERR_OK);
    return out;
}
