/* A digest takes about a microsecond, so the context of OpenSSL is made for each. */
#include "dns/ds.h"

#include <openssl/evp.h>

enum { FIXED_LEN = 4 };

struct ds ds_read(const uint8_t *rdata, size_t len)
{
    return (struct ds){.tag = util_get_u16(rdata),
                       .algorithm = rdata[2],
                       .digest_type = rdata[3],
                       .digest = rdata + FIXED_LEN,
                       .digest_len = len - FIXED_LEN};
}

void ds_print_digest(uint8_t digest_type, char out[DS_DIGEST_NAME_MAX])
{
    static const char *const names[] = {[DS_SHA1] = "SHA-1",
                                        [DS_SHA256] = "SHA-256",
                                        [3] = "GOST R 34.11-94",
                                        [DS_SHA384] = "SHA-384"};

    if (digest_type < ARRAY_LEN(names) && names[digest_type])
        snprintf(out, DS_DIGEST_NAME_MAX, "%s", names[digest_type]);
    else
        snprintf(out, DS_DIGEST_NAME_MAX, "%u", digest_type);
}

static const EVP_MD *find_ds_digest(uint8_t digest_type)
{
    switch (digest_type) {
    case DS_SHA1: return EVP_sha1();
    case DS_SHA256: return EVP_sha256();
    case DS_SHA384: return EVP_sha384();
    default: return NULL;
    }
}

size_t ds_digest_len(uint8_t digest_type)
{
    const EVP_MD *md = find_ds_digest(digest_type);
    return md ? (size_t)EVP_MD_get_size(md) : 0;
}

/* Compute the digest of a DNSKEY (RFC 4034 5.1.4). */
static enum err digest_key(const EVP_MD *md, const uint8_t *owner, const uint8_t *rdata,
                           size_t len, uint8_t out[EVP_MAX_MD_SIZE])
{
    uint8_t lower[DNAME_MAX];
    size_t owner_len = dname_lower(owner, lower);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool is_made = context && EVP_DigestInit_ex(context, md, NULL) == 1 &&
                   EVP_DigestUpdate(context, lower, owner_len) == 1 &&
                   EVP_DigestUpdate(context, rdata, len) == 1 &&
                   EVP_DigestFinal_ex(context, out, NULL) == 1;

    EVP_MD_CTX_free(context);
    return is_made ? ERR_OK : ERR_NOMEM;
}

enum err ds_make(uint8_t digest_type, const uint8_t *owner, const uint8_t *rdata, size_t len,
                 uint8_t out[DS_LEN_MAX], size_t *out_len)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    struct dnskey key = dnskey_read(rdata, len);
    const EVP_MD *md = find_ds_digest(digest_type);
    enum err err = md ? digest_key(md, owner, rdata, len, digest) : ERR_DENIED;

    if (err)
        return err;
    util_put_u16(out, key.tag);
    out[2] = key.algorithm;
    out[3] = digest_type;
    memcpy(out + FIXED_LEN, digest, ds_digest_len(digest_type));
    *out_len = FIXED_LEN + ds_digest_len(digest_type);
    return ERR_OK;
}

enum err ds_match(const struct ds *ds, const uint8_t *owner, const uint8_t *rdata, size_t len)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    const EVP_MD *md = find_ds_digest(ds->digest_type);

    if (!md)
        return ERR_DENIED;
    if (ds->digest_len != ds_digest_len(ds->digest_type))
        return ERR_FORMAT;
    enum err err = digest_key(md, owner, rdata, len, digest);
    if (err)
        return err;
    return memcmp(digest, ds->digest, ds->digest_len) == 0 ? ERR_OK : ERR_FORMAT;
}
