/* Simple rather than fast: texts that are shown are short. */
#include "base/text.h"

#include <stdbool.h>
#include <string.h>

#include "base/util.h"

size_t text_sequence_len(const char *text, size_t left)
{
    const unsigned char *p = (const unsigned char *)text;

    if (left == 0)
        return 0;
    size_t len = p[0] < 0x80                   ? 1
                 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
                 : (p[0] & 0xf0) == 0xe0       ? 3
                 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                               : 0;
    if (len > left)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return len;
}

static bool is_control(const unsigned char *p, size_t len)
{
    return len == 1 ? *p < 0x20 || *p == 0x7f : len == 2 && p[0] == 0xc2 && p[1] < 0xa0;
}

void text_sanitise(char *text, size_t len, const char *kept)
{
    size_t used;

    for (size_t i = 0; i < len; i += util_max(used, 1)) {
        used = text_sequence_len(text + i, len - i);
        bool is_kept = memchr(kept, text[i], strlen(kept)) != NULL;
        if (!is_kept && (used == 0 || is_control((const unsigned char *)text + i, used)))
            memset(text + i, '.', util_max(used, 1));
    }
}
