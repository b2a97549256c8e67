/* Most RRsets have a few records, for which insertion sort is fastest.  An attacker's RRset has
 * thousands, which must not take quadratic time. */
#define _GNU_SOURCE
#include "dns/rrset.h"

#include <stdlib.h>

enum { INSERTION_MAX = 16 };

size_t rrset_room(const struct rrset_record *records, size_t cnt)
{
    size_t size = sizeof(struct rrset);
    for (size_t i = 0; i < cnt; i++)
        size += 2 + (size_t)records[i].len;
    return (size + 3) & ~(size_t)3;
}

static int compare_records(uint16_t type, const struct rrset_record *a,
                           const struct rrset_record *b)
{
    if (a->len == b->len && memcmp(a->rdata, b->rdata, a->len) == 0)
        return 0; /* duplicates are most often identical */
    return rdata_compare(type, a->rdata, a->len, b->rdata, b->len);
}

static int compare_for_qsort(const void *a, const void *b, void *type)
{
    return compare_records(*(const uint16_t *)type, a, b);
}

static size_t sort_large_rrset(uint16_t type, struct rrset_record *records, size_t cnt)
{
    size_t kept = 0;

    qsort_r(records, cnt, sizeof(*records), compare_for_qsort, &type);
    for (size_t i = 0; i < cnt; i++)
        if (kept == 0 || compare_records(type, &records[i], &records[kept - 1]) != 0)
            records[kept++] = records[i];
    return kept;
}

/* Sort, remove duplicates and return the number of records left. */
static size_t sort_rrset(uint16_t type, struct rrset_record *records, size_t cnt)
{
    size_t kept = 0;

    if (cnt > INSERTION_MAX)
        return sort_large_rrset(type, records, cnt);
    for (size_t i = 0; i < cnt; i++) {
        struct rrset_record record = records[i];
        size_t at = kept;
        int diff = 1;
        while (at > 0 && (diff = compare_records(type, &record, &records[at - 1])) < 0)
            at--;
        if (at > 0 && diff == 0)
            continue;
        memmove(records + at + 1, records + at, (kept - at) * sizeof(*records));
        records[at] = record;
        kept++;
    }
    return kept;
}

enum err rrset_pack(uint16_t type, uint32_t ttl, struct rrset_record *records, size_t cnt,
                    struct rrset *out)
{
    size_t pos = 0, size = 0;

    cnt = sort_rrset(type, records, cnt);
    for (size_t i = 0; i < cnt; i++)
        size += 2 + (size_t)records[i].len;
    if (size > UINT16_MAX)
        return ERR_SPACE;
    *out =
        (struct rrset){.type = type, .cnt = (uint16_t)cnt, .ttl = ttl, .size = (uint16_t)size};
    for (size_t i = 0; i < cnt; i++) {
        util_put_u16(out->data + pos, records[i].len);
        memcpy(out->data + pos + 2, records[i].rdata, records[i].len);
        pos += 2 + (size_t)records[i].len;
    }
    return ERR_OK;
}

static bool check_packed_rrset(const uint8_t *bytes, size_t len, struct rrset *head)
{
    if (len < sizeof(*head))
        return false;
    memcpy(head, bytes, sizeof(*head));
    if (head->cnt == 0 || rrset_stride(head) > len)
        return false;
    struct cursor c = cursor_over(bytes + sizeof(*head), head->size);
    for (unsigned i = 0; i < head->cnt; i++) {
        uint16_t rdata_len = cursor_u16(&c);
        const uint8_t *rdata = cursor_bytes(&c, rdata_len);
        if (!rdata || rdata_check(head->type, rdata, rdata_len) != ERR_OK)
            return false;
    }
    return !cursor_more(&c) && !cursor_failed(&c);
}

bool rrset_check(const uint8_t *bytes, size_t len)
{
    struct rrset head, sigs;

    if (!check_packed_rrset(bytes, len, &head) ||
        (head.flags & ~(unsigned)(RRSET_IS_SIGNED | RRSET_IS_SYNTHESISED)))
        return false;
    size_t stride = rrset_stride(&head);
    if (!(head.flags & RRSET_IS_SIGNED))
        return stride == len;
    return check_packed_rrset(bytes + stride, len - stride, &sigs) && sigs.flags == 0 &&
           sigs.type == RRTYPE_RRSIG && rrset_stride(&sigs) == len - stride;
}
