/* The inverse of the nonce is computed behind a random factor, because BN_mod_inverse takes a
 * time that depends on its input.  That costs a third less than an inverse in constant time. */
#include "dns/ecdsa.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <stdbool.h>

enum { HALF = ECDSA_SIGNATURE_LEN / 2 };

struct ecdsa {
    uint8_t octets[ECDSA_PRIVATE_LEN]; /* the private key */
    EC_GROUP *group;
    const BIGNUM *order; /* of the group */
    EC_POINT *point;
    BN_CTX *context;
    EVP_MAC_CTX *mac; /* HMAC with SHA-256 */
    BIGNUM *secret;   /* the private key */
    BIGNUM *nonce, *inverse, *blind, *r, *s, *hash;
};

void ecdsa_free(struct ecdsa **at)
{
    struct ecdsa *key = *at;

    if (!key)
        return;
    BIGNUM *numbers[] = {key->secret, key->nonce, key->inverse, key->blind,
                         key->r,      key->s,     key->hash};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        BN_clear_free(numbers[i]);
    EVP_MAC_CTX_free(key->mac);
    BN_CTX_free(key->context);
    EC_POINT_free(key->point);
    EC_GROUP_free(key->group);
    OPENSSL_cleanse(key, sizeof(*key));
    free(key);
    *at = NULL;
}

static EVP_MAC_CTX *make_hmac(void)
{
    static const uint8_t no_key[ECDSA_HASH_LEN];
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                           OSSL_PARAM_END};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *made = mac ? EVP_MAC_CTX_new(mac) : NULL;

    EVP_MAC_free(mac); /* the context keeps it */
    if (made && EVP_MAC_init(made, no_key, sizeof(no_key), params) != 1) {
        EVP_MAC_CTX_free(made);
        made = NULL;
    }
    return made;
}

static bool allocate_numbers(struct ecdsa *key)
{
    BIGNUM **numbers[] = {&key->secret, &key->nonce, &key->inverse, &key->blind,
                          &key->r,      &key->s,     &key->hash};

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        *numbers[i] = BN_secure_new();
        if (!*numbers[i])
            return false;
    }
    return true;
}

/* Make a key whose private number is not set. */
static enum err new_blank(struct ecdsa **out)
{
    struct ecdsa *key = calloc(1, sizeof(*key));

    if (!key)
        return ERR_NOMEM;
    key->group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    key->point = key->group ? EC_POINT_new(key->group) : NULL;
    key->context = BN_CTX_secure_new();
    key->mac = make_hmac();
    if (!key->point || !key->context || !key->mac || !allocate_numbers(key)) {
        ecdsa_free(&key);
        return ERR_NOMEM;
    }
    key->order = EC_GROUP_get0_order(key->group);
    *out = key;
    return ERR_OK;
}

static bool is_in_range(const struct ecdsa *key, const BIGNUM *number)
{
    return !BN_is_zero(number) && BN_cmp(number, key->order) < 0;
}

enum err ecdsa_new(const uint8_t private_key[ECDSA_PRIVATE_LEN], struct ecdsa **out)
{
    struct ecdsa *key = NULL;
    enum err err = new_blank(&key);

    if (err)
        return err;
    memcpy(key->octets, private_key, sizeof(key->octets));
    if (!BN_bin2bn(key->octets, sizeof(key->octets), key->secret))
        err = ERR_NOMEM;
    else if (!is_in_range(key, key->secret))
        err = ERR_FORMAT;
    if (err)
        ecdsa_free(&key);
    else
        *out = key;
    return err;
}

enum err ecdsa_generate(uint8_t out[ECDSA_PRIVATE_LEN])
{
    struct ecdsa *key = NULL;
    enum err err = new_blank(&key);

    if (err)
        return err;
    do
        if (BN_priv_rand_range(key->secret, key->order) != 1)
            err = ERR_NOMEM;
    while (!err && BN_is_zero(key->secret));
    if (!err && BN_bn2binpad(key->secret, out, ECDSA_PRIVATE_LEN) < 0)
        err = ERR_NOMEM;
    ecdsa_free(&key);
    return err;
}

/* Multiply the base point by `number`; `y` may be NULL. */
static bool multiply_base(struct ecdsa *key, const BIGNUM *number, BIGNUM *x, BIGNUM *y)
{
    return EC_POINT_mul(key->group, key->point, number, NULL, NULL, key->context) == 1 &&
           EC_POINT_get_affine_coordinates(key->group, key->point, x, y, key->context) == 1;
}

enum err ecdsa_public(struct ecdsa *key, uint8_t out[ECDSA_PUBLIC_LEN])
{
    bool is_made = multiply_base(key, key->secret, key->r, key->s) &&
                   BN_bn2binpad(key->r, out, ECDSA_PUBLIC_LEN / 2) > 0 &&
                   BN_bn2binpad(key->s, out + ECDSA_PUBLIC_LEN / 2, ECDSA_PUBLIC_LEN / 2) > 0;
    return is_made ? ERR_OK : ERR_NOMEM;
}

/* ---- the nonce (RFC 6979 3.2) ---- */

/* The generator of nonces: HMAC_DRBG without reseeding. */
struct nonces {
    uint8_t key[ECDSA_HASH_LEN], value[ECDSA_HASH_LEN];
};

static bool hmac_parts(struct ecdsa *key, struct nonces *n, const uint8_t *mark,
                       const uint8_t *hash, uint8_t *out)
{
    size_t len;

    if (EVP_MAC_init(key->mac, n->key, sizeof(n->key), NULL) != 1 ||
        EVP_MAC_update(key->mac, n->value, sizeof(n->value)) != 1)
        return false;
    if (mark && EVP_MAC_update(key->mac, mark, 1) != 1)
        return false;
    if (hash && (EVP_MAC_update(key->mac, key->octets, sizeof(key->octets)) != 1 ||
                 EVP_MAC_update(key->mac, hash, ECDSA_HASH_LEN) != 1))
        return false;
    return EVP_MAC_final(key->mac, out, &len, ECDSA_HASH_LEN) == 1;
}

/* Steps d to g; and with `hash` NULL the last part of step h. */
static bool stir_nonces(struct ecdsa *key, struct nonces *n, uint8_t mark, const uint8_t *hash)
{
    return hmac_parts(key, n, &mark, hash, n->key) && hmac_parts(key, n, NULL, NULL, n->value);
}

static bool start_nonces(struct ecdsa *key, struct nonces *n, const uint8_t *hash)
{
    memset(n->key, 0, sizeof(n->key));
    memset(n->value, 1, sizeof(n->value));
    return stir_nonces(key, n, 0, hash) && stir_nonces(key, n, 1, hash);
}

/* Set key->nonce to the next candidate, which may be out of range. */
static bool next_nonce(struct ecdsa *key, struct nonces *n)
{
    return hmac_parts(key, n, NULL, NULL, n->value) &&
           BN_bin2bn(n->value, sizeof(n->value), key->nonce);
}

/* ---- the signature ---- */

static bool invert_nonce(struct ecdsa *key)
{
    do
        if (BN_priv_rand_range(key->blind, key->order) != 1)
            return false;
    while (BN_is_zero(key->blind));
    return BN_mod_mul(key->inverse, key->nonce, key->blind, key->order, key->context) == 1 &&
           BN_mod_inverse(key->inverse, key->inverse, key->order, key->context) &&
           BN_mod_mul(key->inverse, key->inverse, key->blind, key->order, key->context) == 1;
}

/* FIPS 186-4 6.4: r is the x of the nonce's point, s is (hash + r * secret) / nonce. */
static bool compute_pair(struct ecdsa *key, const uint8_t *hash)
{
    return multiply_base(key, key->nonce, key->r, NULL) &&
           BN_nnmod(key->r, key->r, key->order, key->context) == 1 && invert_nonce(key) &&
           BN_bin2bn(hash, ECDSA_HASH_LEN, key->hash) &&
           BN_mod_mul(key->s, key->r, key->secret, key->order, key->context) == 1 &&
           BN_mod_add(key->s, key->s, key->hash, key->order, key->context) == 1 &&
           BN_mod_mul(key->s, key->s, key->inverse, key->order, key->context) == 1;
}

enum err ecdsa_sign(struct ecdsa *key, const uint8_t hash[ECDSA_HASH_LEN],
                    uint8_t out[ECDSA_SIGNATURE_LEN])
{
    uint8_t reduced[ECDSA_HASH_LEN];
    struct nonces nonces;
    bool is_signed = false;

    /* bits2octets (2.3.4): the nonce depends on the hash modulo the order */
    bool is_good = BN_bin2bn(hash, ECDSA_HASH_LEN, key->hash) &&
                   BN_nnmod(key->hash, key->hash, key->order, key->context) == 1 &&
                   BN_bn2binpad(key->hash, reduced, sizeof(reduced)) > 0 &&
                   start_nonces(key, &nonces, reduced) && next_nonce(key, &nonces);

    while (is_good && !is_signed) {
        if (is_in_range(key, key->nonce)) {
            is_good = compute_pair(key, hash);
            is_signed = is_good && !BN_is_zero(key->r) && !BN_is_zero(key->s);
        }
        if (is_good && !is_signed)
            is_good = stir_nonces(key, &nonces, 0, NULL) && next_nonce(key, &nonces);
    }
    is_signed = is_signed && BN_bn2binpad(key->r, out, HALF) > 0 &&
                BN_bn2binpad(key->s, out + HALF, HALF) > 0;
    OPENSSL_cleanse(&nonces, sizeof(nonces));
    return is_signed ? ERR_OK : ERR_NOMEM;
}
