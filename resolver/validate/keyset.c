/* One block of memory per zone: the keys, and the RRset behind them. */
#include "resolver/validate/keyset.h"

enum err keyset_new(const uint8_t *zone, const struct rrset *set, struct keyset **out)
{
    if (set->cnt > KEYSET_MAX)
        return ERR_LIMIT;
    size_t head = sizeof(struct keyset) + set->cnt * sizeof(struct keyset_key);
    struct keyset *keys = malloc(head + rrset_stride(set));
    if (!keys)
        return ERR_NOMEM;
    *keys =
        (struct keyset){.ttl = set->ttl, .set = (struct rrset *)(void *)((char *)keys + head)};
    dname_lower(zone, keys->zone);
    memcpy(keys->set, set, sizeof(*set) + set->size);
    keys->set->flags &= (uint16_t)~RRSET_IS_SIGNED;
    for (size_t pos = 0; pos < set->size;) {
        struct rrset_record record = rrset_at(keys->set, pos, &pos);
        keys->keys[keys->cnt++] = (struct keyset_key){
            .key = dnskey_read(record.rdata, record.len), .rdata_len = record.len};
    }
    *out = keys;
    return ERR_OK;
}

void keyset_free(struct keyset **keys)
{
    for (unsigned i = 0; *keys && i < (*keys)->cnt; i++)
        dnskey_unload(&(*keys)->keys[i].loaded);
    free(*keys);
    *keys = NULL;
}

enum verdict_reason keyset_fault(const struct dnskey *key)
{
    if (!dnskey_is_zone_key(key))
        return VERDICT_NOT_ZONE_KEY;
    return key->flags & DNSKEY_REVOKE ? VERDICT_REVOKED_KEY : VERDICT_NONE;
}

void keyset_trust_all(struct keyset *keys)
{
    for (unsigned i = 0; i < keys->cnt; i++)
        keys->keys[i].is_trusted = keyset_fault(&keys->keys[i].key) == VERDICT_NONE;
}

enum err keyset_load(struct keyset_key *key, struct evp_pkey_st **out)
{
    if (!key->loaded && !key->is_broken) {
        enum err err = dnskey_load(&key->key, &key->loaded);
        if (err == ERR_NOMEM)
            return err;
        key->is_broken = err != ERR_OK;
    }
    if (key->is_broken)
        return ERR_FORMAT;
    *out = key->loaded;
    return ERR_OK;
}
