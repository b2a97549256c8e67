#include "resolver/policy/private.h"

#include "dns/svcparam.h"

enum { V4_LEN = 4, V6_LEN = 16, SVCB_PRIORITY_LEN = 2, SVCB_PARAM_LEN = 4 };

bool private_guards(const struct private_addresses *private, const uint8_t *name)
{
    for (size_t i = 0; i < private->except_cnt; i++)
        if (dname_is_under(name, private->except[i]))
            return false;
    return private->prefixes.cnt > 0;
}

/* Look through `len` octets that are addresses of `size` octets each. */
static bool find_among(const struct private_addresses *private, const uint8_t *octets,
                       size_t len, size_t size, struct addr *out)
{
    for (size_t at = 0; at + size <= len; at += size) {
        if (addr_from_bytes(octets + at, size, 0, out) != ERR_OK)
            continue;
        addr_unmap(out); /* ::ffff:10.0.0.1 leads to 10.0.0.1 */
        if (addr_is_in(&private->prefixes, out))
            return true;
    }
    return false;
}

/* Browsers use address hints without asking for the addresses of the target. */
static bool find_hint(const struct private_addresses *private, const struct rrset_record *r,
                      struct addr *out)
{
    size_t at = SVCB_PRIORITY_LEN + dname_len(r->rdata + SVCB_PRIORITY_LEN);

    while (at + SVCB_PARAM_LEN <= r->len) {
        const uint16_t key = util_get_u16(r->rdata + at);
        const size_t len = util_min(util_get_u16(r->rdata + at + 2), r->len - at - 4);
        const uint8_t *value = r->rdata + at + SVCB_PARAM_LEN;
        if ((key == SVCPARAM_IPV4HINT && find_among(private, value, len, V4_LEN, out)) ||
            (key == SVCPARAM_IPV6HINT && find_among(private, value, len, V6_LEN, out)))
            return true;
        at += SVCB_PARAM_LEN + len;
    }
    return false;
}

bool private_find(const struct private_addresses *private, const struct rrset *set,
                  struct addr *out)
{
    bool is_service = set->type == RRTYPE_SVCB || set->type == RRTYPE_HTTPS;

    if (set->type != RRTYPE_A && set->type != RRTYPE_AAAA && !is_service)
        return false;
    for (size_t pos = 0; pos < set->size;) {
        struct rrset_record r = rrset_at(set, pos, &pos);
        if (is_service ? find_hint(private, &r, out)
                       : find_among(private, r.rdata, r.len,
                                    set->type == RRTYPE_A ? V4_LEN : V6_LEN, out))
            return true;
    }
    return false;
}
