/* Scheme SIMPLE hashes all records in canonical order: the order of the sorted build. */
#include "authd/check/check_zonemd.h"

#include <openssl/evp.h>

enum { SIMPLE = 1, SHA384 = 1, SHA512 = 2, FIXED_LEN = 6, DIGEST_MAX = 64 };

/* RFC 8976 3.3.1: the digest excludes the apex's ZONEMD and its signature. */
static bool is_digested(const struct zonebuild *build, const struct zonebuild_record *r)
{
    bool is_zonemd = r->type == RRTYPE_ZONEMD || zonebuild_covered(r) == RRTYPE_ZONEMD;
    return !is_zonemd || !dname_is_equal(r->owner->name, build->origin);
}

static bool digest_record(EVP_MD_CTX *digest, const struct zonebuild_record *r, uint8_t *room)
{
    size_t len = dname_lower(r->owner->name, room);

    util_put_u16(room + len, r->type);
    util_put_u16(room + len + 2, RRTYPE_CLASS_IN);
    util_put_u32(room + len + 4, r->ttl);
    util_put_u16(room + len + 8, r->len);
    rdata_canonical(r->type, r->rdata, r->len, room + len + 10);
    return EVP_DigestUpdate(digest, room, len + 10 + r->len) == 1;
}

static enum err digest_zone(const struct zonebuild *build, const EVP_MD *kind,
                            uint8_t out[DIGEST_MAX])
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    uint8_t *room = malloc(DNAME_MAX + 10 + RDATA_MAX);
    bool is_good = digest && room && EVP_DigestInit_ex(digest, kind, NULL) == 1;

    for (size_t i = 0; i < build->cnt && is_good; i++)
        if (is_digested(build, &build->records[i]))
            is_good = digest_record(digest, &build->records[i], room);
    is_good = is_good && EVP_DigestFinal_ex(digest, out, NULL) == 1;
    free(room);
    EVP_MD_CTX_free(digest);
    return is_good ? ERR_OK : ERR_NOMEM;
}

static uint32_t soa_serial(const struct zonebuild *build)
{
    for (size_t i = 0; i < build->cnt; i++)
        if (build->records[i].type == RRTYPE_SOA)
            return util_get_u32(build->records[i].rdata + build->records[i].len - 20);
    return 0;
}

enum err check_zonemd_make(const struct zonebuild *build, uint8_t out[CHECK_ZONEMD_LEN])
{
    uint8_t digest[DIGEST_MAX];
    enum err err = digest_zone(build, EVP_sha384(), digest);

    if (err)
        return err;
    util_put_u32(out, soa_serial(build));
    out[4] = SIMPLE;
    out[5] = SHA384;
    memcpy(out + FIXED_LEN, digest, CHECK_ZONEMD_LEN - FIXED_LEN);
    return ERR_OK;
}

/* The combined result of the ZONEMD records: one match is enough (RFC 8976 4). */
struct verdict {
    bool is_seen[2]; /* SHA-384, SHA-512 */
    bool is_match;
    size_t mismatch; /* a record with another digest; build->cnt: none */
};

static enum err check_zonemd_record(struct zonebuild *build, size_t i, struct verdict *v)
{
    const struct zonebuild_record *r = &build->records[i];
    uint8_t scheme = r->rdata[4], hash = r->rdata[5];
    uint8_t digest[DIGEST_MAX];

    if (scheme != SIMPLE || (hash != SHA384 && hash != SHA512)) {
        zonebuild_report(build, DIAG_WARNING, i,
                         "ZONEMD with scheme %u and hash algorithm %u is not supported: it was "
                         "not checked",
                         scheme, hash);
        return ERR_OK;
    }
    unsigned n = hash == SHA384 ? 0 : 1;
    size_t len = hash == SHA384 ? 48 : 64;
    if (v->is_seen[n]) {
        zonebuild_report(build, build->dnssec_level, i,
                         "a second ZONEMD with this scheme and hash algorithm");
        return ERR_OK;
    }
    v->is_seen[n] = true;
    if (util_get_u32(r->rdata) != soa_serial(build)) {
        zonebuild_report(build, build->dnssec_level, i,
                         "ZONEMD is for serial %u, but the SOA has %u", util_get_u32(r->rdata),
                         soa_serial(build));
        return ERR_OK;
    }
    enum err err = digest_zone(build, n == 0 ? EVP_sha384() : EVP_sha512(), digest);
    if (!err && r->len == FIXED_LEN + len && memcmp(r->rdata + FIXED_LEN, digest, len) == 0)
        v->is_match = true;
    else
        v->mismatch = i;
    return err;
}

enum err check_zonemd(struct zonebuild *build)
{
    struct verdict v = {.mismatch = build->cnt};
    size_t apex = zonebuild_find_owner(build, build->origin);
    enum err err = ERR_OK;

    for (size_t i = zonebuild_find_type(build, apex, RRTYPE_ZONEMD);
         i < build->cnt && !err && build->records[i].type == RRTYPE_ZONEMD &&
         dname_is_equal(build->records[i].owner->name, build->origin);
         i++)
        err = check_zonemd_record(build, i, &v);
    if (!err && !v.is_match && v.mismatch < build->cnt)
        zonebuild_report(build, build->dnssec_level, v.mismatch,
                         "the zone does not match the digest of this ZONEMD");
    return err;
}
