/* Uses OpenSSL's provider interface, because the older functions for RSA and EC
 * are deprecated. */
#include "dns/dnskey.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

enum { FIXED_LEN = 4, P256_LEN = 64, P384_LEN = 96, ED25519_LEN = 32, ED448_LEN = 57 };

struct dnskey dnskey_read(const uint8_t *rdata, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += i & 1 ? rdata[i] : (uint32_t)rdata[i] << 8;
    sum += sum >> 16;
    return (struct dnskey){.flags = util_get_u16(rdata),
                           .protocol = rdata[2],
                           .algorithm = rdata[3],
                           .tag = (uint16_t)sum,
                           .key = rdata + FIXED_LEN,
                           .key_len = len - FIXED_LEN};
}

bool dnskey_is_zone_key(const struct dnskey *key)
{
    return (key->flags & DNSKEY_ZONE) && key->protocol == DNSKEY_PROTOCOL;
}

const char *dnskey_algorithm_name(uint8_t algorithm)
{
    static const char *const names[] = {[1] = "RSAMD5",
                                        [3] = "DSA",
                                        [DNSKEY_RSASHA1] = "RSASHA1",
                                        [6] = "DSA-NSEC3-SHA1",
                                        [DNSKEY_RSASHA1_NSEC3] = "RSASHA1-NSEC3-SHA1",
                                        [DNSKEY_RSASHA256] = "RSASHA256",
                                        [DNSKEY_RSASHA512] = "RSASHA512",
                                        [12] = "ECC-GOST",
                                        [DNSKEY_ECDSAP256] = "ECDSAP256SHA256",
                                        [DNSKEY_ECDSAP384] = "ECDSAP384SHA384",
                                        [DNSKEY_ED25519] = "ED25519",
                                        [DNSKEY_ED448] = "ED448"};

    return algorithm < ARRAY_LEN(names) ? names[algorithm] : NULL;
}

void dnskey_print_algorithm(uint8_t algorithm, char out[DNSKEY_ALGORITHM_MAX])
{
    const char *name = dnskey_algorithm_name(algorithm);

    if (name)
        snprintf(out, DNSKEY_ALGORITHM_MAX, "%s", name);
    else
        snprintf(out, DNSKEY_ALGORITHM_MAX, "%u", algorithm);
}

static enum err make_public_key(const char *type, OSSL_PARAM_BLD *build, EVP_PKEY **out)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;

    if (!params || !context || EVP_PKEY_fromdata_init(context) <= 0 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
        key = NULL;
    OSSL_PARAM_free(params);
    EVP_PKEY_CTX_free(context);
    if (!key)
        return ERR_FORMAT;
    *out = key;
    return ERR_OK;
}

/* RFC 3110 2: the length of the exponent is one octet, or a zero and two octets. */
static enum err load_rsa(const struct dnskey *key, EVP_PKEY **out)
{
    struct cursor c = cursor_over(key->key, key->key_len);
    size_t exponent_len = cursor_u8(&c);
    if (exponent_len == 0)
        exponent_len = cursor_u16(&c);
    const uint8_t *exponent = cursor_bytes(&c, exponent_len);
    size_t modulus_len = cursor_left(&c);
    const uint8_t *modulus = cursor_bytes(&c, modulus_len);

    if (cursor_failed(&c) || exponent_len == 0 || exponent_len > DNSKEY_EXPONENT_MAX ||
        modulus_len < 64 || modulus_len > DNSKEY_RSA_BITS_MAX / 8)
        return ERR_FORMAT;
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BIGNUM *n = BN_bin2bn(modulus, (int)modulus_len, NULL);
    BIGNUM *e = BN_bin2bn(exponent, (int)exponent_len, NULL);
    enum err err = ERR_NOMEM;
    if (build && n && e && OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_N, n) &&
        OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_RSA_E, e))
        err = make_public_key("RSA", build, out);
    BN_free(n);
    BN_free(e);
    OSSL_PARAM_BLD_free(build);
    return err;
}

/* RFC 6605 4: the two coordinates.  OpenSSL expects a 4 before them (an uncompressed point). */
static enum err load_ecdsa(const struct dnskey *key, const char *curve, size_t len,
                           EVP_PKEY **out)
{
    uint8_t point[1 + P384_LEN] = {4};

    if (key->key_len != len)
        return ERR_FORMAT;
    memcpy(point + 1, key->key, len);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    enum err err = ERR_NOMEM;
    if (build && OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) &&
        OSSL_PARAM_BLD_push_octet_string(build, OSSL_PKEY_PARAM_PUB_KEY, point, len + 1))
        err = make_public_key("EC", build, out);
    OSSL_PARAM_BLD_free(build);
    return err;
}

/* RFC 8080 3. */
static enum err load_eddsa(const struct dnskey *key, const char *type, size_t len,
                           EVP_PKEY **out)
{
    if (key->key_len != len)
        return ERR_FORMAT;
    EVP_PKEY *made = EVP_PKEY_new_raw_public_key_ex(NULL, type, NULL, key->key, len);
    if (!made)
        return ERR_FORMAT;
    *out = made;
    return ERR_OK;
}

enum err dnskey_load(const struct dnskey *key, struct evp_pkey_st **out)
{
    switch (key->algorithm) {
    case DNSKEY_RSASHA1:
    case DNSKEY_RSASHA1_NSEC3:
    case DNSKEY_RSASHA256:
    case DNSKEY_RSASHA512: return load_rsa(key, out);
    case DNSKEY_ECDSAP256: return load_ecdsa(key, "P-256", P256_LEN, out);
    case DNSKEY_ECDSAP384: return load_ecdsa(key, "P-384", P384_LEN, out);
    case DNSKEY_ED25519: return load_eddsa(key, "ED25519", ED25519_LEN, out);
    case DNSKEY_ED448: return load_eddsa(key, "ED448", ED448_LEN, out);
    default: return ERR_DENIED;
    }
}

void dnskey_unload(struct evp_pkey_st **key)
{
    EVP_PKEY_free(*key);
    *key = NULL;
}
