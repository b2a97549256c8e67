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

size_t bitmap_write(const uint16_t *types, size_t cnt, uint8_t out[BITMAP_LEN_MAX])
{
    size_t len = 0;

    for (size_t i = 0; i < cnt;) {
        uint8_t *window = out + len;
        window[0] = (uint8_t)(types[i] >> 8);
        memset(window + 2, 0, 32);
        for (; i < cnt && types[i] >> 8 == window[0]; i++) {
            unsigned bit = types[i] & 0xff;
            window[2 + bit / 8] |= (uint8_t)(0x80 >> bit % 8);
            window[1] = (uint8_t)(bit / 8 + 1);
        }
        len += 2U + window[1];
    }
    return len;
}
