/* Scheme SIMPLE is a hash over all records in canonical order, which is the order the build has
 * them in. */
#include "authd/check/check_zonemd.h"

#include <openssl/evp.h>

enum { SIMPLE = 1, SHA384 = 1, SHA512 = 2, FIXED_LEN = 6, DIGEST_MAX = 64 };

/* RFC 8976 3.3.1: not the ZONEMD of the apex, nor its signature. */
static bool is_digested(const struct zonebuild *build, const struct zonebuild_record *r)
{
    bool is_zonemd = r->type == RRTYPE_ZONEMD || zonebuild_covered(r) == RRTYPE_ZONEMD;
    return !is_zonemd || !dname_is_equal(r->owner->name, build->origin);
}

static bool add_record(EVP_MD_CTX *digest, const struct zonebuild_record *r, uint8_t *room)
{
    size_t len = dname_lower(r->owner->name, room);

    util_put_u16(room + len, r->type);
    util_put_u16(room + len + 2, RRTYPE_CLASS_IN);
    util_put_u32(room + len + 4, r->ttl);
    util_put_u16(room + len + 8, r->len);
    rdata_canonical(r->type, r->rdata, r->len, room + len + 10);
    return EVP_DigestUpdate(digest, room, len + 10 + r->len) == 1;
}

static enum err make_digest(const struct zonebuild *build, const EVP_MD *kind,
                            uint8_t out[DIGEST_MAX])
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    uint8_t *room = malloc(DNAME_MAX + 10 + RDATA_MAX);
    bool is_good = digest && room && EVP_DigestInit_ex(digest, kind, NULL) == 1;

    for (size_t i = 0; i < build->cnt && is_good; i++)
        if (is_digested(build, &build->records[i]))
            is_good = add_record(digest, &build->records[i], room);
    is_good = is_good && EVP_DigestFinal_ex(digest, out, NULL) == 1;
    free(room);
    EVP_MD_CTX_free(digest);
    return is_good ? ERR_OK : ERR_NOMEM;
}

static uint32_t serial(const struct zonebuild *build)
{
    for (size_t i = 0; i < build->cnt; i++)
        if (build->records[i].type == RRTYPE_SOA)
            return util_get_u32(build->records[i].rdata + build->records[i].len - 20);
    return 0;
}

/* What the records of the apex say together: one that is right is enough (RFC 8976 4). */
struct verdict {
    bool is_seen[2]; /* by hash: each digest is made once */
    bool is_right;
    size_t wrong; /* a record that is not right; build->cnt: none */
};

static enum err check_record(struct zonebuild *build, size_t i, struct verdict *v)
{
    const struct zonebuild_record *r = &build->records[i];
    uint8_t scheme = r->rdata[4], hash = r->rdata[5];
    uint8_t digest[DIGEST_MAX];

    if (scheme != SIMPLE || (hash != SHA384 && hash != SHA512)) {
        zonebuild_report(build, DIAG_WARNING, i,
                         "ZONEMD of scheme %u and hash %u cannot be checked here", scheme,
                         hash);
        return ERR_OK;
    }
    unsigned n = hash == SHA384 ? 0 : 1;
    size_t len = hash == SHA384 ? 48 : 64;
    if (v->is_seen[n]) {
        zonebuild_report(build, build->signing, i, "a second ZONEMD of this scheme and hash");
        return ERR_OK;
    }
    v->is_seen[n] = true;
    if (util_get_u32(r->rdata) != serial(build)) {
        zonebuild_report(build, build->signing, i, "ZONEMD is for serial %u, the SOA says %u",
                         util_get_u32(r->rdata), serial(build));
        return ERR_OK;
    }
    enum err err = make_digest(build, n == 0 ? EVP_sha384() : EVP_sha512(), digest);
    if (!err && r->len == FIXED_LEN + len && memcmp(r->rdata + FIXED_LEN, digest, len) == 0)
        v->is_right = true;
    else
        v->wrong = i;
    return err;
}

enum err check_zonemd(struct zonebuild *build)
{
    struct verdict v = {.wrong = build->cnt};
    size_t apex = zonebuild_find_owner(build, build->origin);
    enum err err = ERR_OK;

    for (size_t i = zonebuild_find_type(build, apex, RRTYPE_ZONEMD);
         i < build->cnt && !err && build->records[i].type == RRTYPE_ZONEMD &&
         dname_is_equal(build->records[i].owner->name, build->origin);
         i++)
        err = check_record(build, i, &v);
    if (!err && !v.is_right && v.wrong < build->cnt)
        zonebuild_report(build, build->signing, v.wrong,
                         "the zone is not the one this ZONEMD was made of");
    return err;
}
