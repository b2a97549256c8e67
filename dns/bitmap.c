/* Windows ascend, so the search ends at the window of the type. */
#include "dns/bitmap.h"

bool bitmap_has(const uint8_t *bitmap, size_t len, uint16_t type)
{
    struct cursor c = cursor_over(bitmap, len);
    unsigned window = type >> 8, bit = type & 0xff;

    while (cursor_more(&c)) {
        unsigned number = cursor_u8(&c);
        size_t octets = cursor_u8(&c);
        const uint8_t *bits = cursor_bytes(&c, octets);
        if (number == window)
            return bits && bit / 8 < octets && bits[bit / 8] & (0x80 >> bit % 8);
        if (number > window)
            return false;
    }
    return false;
}

int bitmap_next(const uint8_t *bitmap, size_t len, int after)
{
    struct cursor c = cursor_over(bitmap, len);

    while (cursor_more(&c)) {
        int first = cursor_u8(&c) * 256;
        int cnt = cursor_u8(&c) * 8;
        const uint8_t *bits = cursor_bytes(&c, (size_t)cnt / 8);
        int bit = after >= first ? after - first + 1 : 0;
        for (; bits && bit < cnt; bit++)
            if (bits[bit / 8] & (0x80 >> bit % 8))
                return first + bit;
    }
    return -1;
}
