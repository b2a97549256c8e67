/* The signed data is assembled in memory first: Ed25519 needs it in one piece, and for the
 * other algorithms the copy costs nothing compared to the verification. */
#include "dns/rrsig.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>

enum { FIXED_LEN = 18, DER_MAX = 160 };

struct rrsig rrsig_read(const uint8_t *rdata, size_t len)
{
    size_t signer_len = dname_len(rdata + FIXED_LEN);
    return (struct rrsig){.covered = util_get_u16(rdata),
                          .algorithm = rdata[2],
                          .labels = rdata[3],
                          .original_ttl = util_get_u32(rdata + 4),
                          .expiration = util_get_u32(rdata + 8),
                          .inception = util_get_u32(rdata + 12),
                          .tag = util_get_u16(rdata + 16),
                          .signer = rdata + FIXED_LEN,
                          .signature = rdata + FIXED_LEN + signer_len,
                          .signature_len = len - FIXED_LEN - signer_len};
}

enum rrsig_time rrsig_check_time(const struct rrsig *sig, uint32_t now_s)
{
    if ((int32_t)(sig->expiration - now_s) < 0)
        return RRSIG_EXPIRED;
    return (int32_t)(now_s - sig->inception) < 0 ? RRSIG_EARLY : RRSIG_IN_TIME;
}

unsigned rrsig_count_labels(const uint8_t *owner)
{
    unsigned labels = dname_labels(owner);
    return owner[0] == 1 && owner[1] == '*' ? labels - 1 : labels;
}

/* ---- signed data (RFC 4034 3.1.8.1) ---- */

struct octets {
    uint8_t *at;
    size_t len;
};

static void add_signed_octets(struct octets *o, const void *bytes, size_t len)
{
    memcpy(o->at + o->len, bytes, len);
    o->len += len;
}

static void add_signed_u16(struct octets *o, unsigned value)
{
    util_put_u16(o->at + o->len, (uint16_t)value);
    o->len += 2;
}

static void add_signed_u32(struct octets *o, uint32_t value)
{
    util_put_u32(o->at + o->len, value);
    o->len += 4;
}

/* Add the owner in lower case; if the label count says that a wildcard was expanded, add the
 * wildcard. */
static void add_signed_owner(struct octets *o, const struct rrsig *sig, const uint8_t *owner)
{
    uint8_t lower[DNAME_MAX];
    if (sig->labels < rrsig_count_labels(owner)) {
        owner = dname_suffix(owner, sig->labels);
        add_signed_octets(o, "\1*", 2);
    }
    add_signed_octets(o, lower, dname_lower(owner, lower));
}

static size_t signed_data_max(const struct rrsig *sig, const struct rrsig_rdata *set,
                              size_t cnt)
{
    size_t size = FIXED_LEN + dname_len(sig->signer);
    for (size_t i = 0; i < cnt; i++)
        size += DNAME_MAX + 2U + 10U + set[i].len;
    return size;
}

static void build_signed_data(struct octets *o, const struct rrsig *sig, const uint8_t *owner,
                              const struct rrsig_rdata *set, size_t cnt)
{
    uint8_t lower[DNAME_MAX];

    add_signed_octets(o, sig->signer - FIXED_LEN, FIXED_LEN);
    add_signed_octets(o, lower, dname_lower(sig->signer, lower));
    for (size_t i = 0; i < cnt; i++) {
        add_signed_owner(o, sig, owner);
        add_signed_u16(o, sig->covered);
        add_signed_u16(o, RRTYPE_CLASS_IN);
        add_signed_u32(o, sig->original_ttl);
        add_signed_u16(o, set[i].len);
        rdata_canonical(sig->covered, set[i].rdata, set[i].len, o->at + o->len);
        o->len += set[i].len;
    }
}

/* ---- verification ---- */

static const EVP_MD *choose_digest(uint8_t algorithm)
{
    switch (algorithm) {
    case DNSKEY_RSASHA1:
    case DNSKEY_RSASHA1_NSEC3: return EVP_sha1();
    case DNSKEY_RSASHA256:
    case DNSKEY_ECDSAP256: return EVP_sha256();
    case DNSKEY_ECDSAP384: return EVP_sha384();
    case DNSKEY_RSASHA512: return EVP_sha512();
    default: return NULL; /* EdDSA has its own hash */
    }
}

/* The signature is two numbers of equal length (RFC 6605 4); OpenSSL expects DER. */
static size_t make_der_signature(const uint8_t *signature, size_t len, uint8_t out[DER_MAX])
{
    uint8_t *end = out;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature, (int)(len / 2), NULL);
    BIGNUM *s = BN_bin2bn(signature + len / 2, (int)(len / 2), NULL);

    if (!pair || !r || !s || !ECDSA_SIG_set0(pair, r, s)) {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(pair);
        return 0;
    }
    int der_len = i2d_ECDSA_SIG(pair, NULL);
    bool fits = der_len > 0 && der_len <= DER_MAX && i2d_ECDSA_SIG(pair, &end) == der_len;
    ECDSA_SIG_free(pair);
    return fits ? (size_t)der_len : 0;
}

static enum err verify_signed_data(const struct rrsig *sig, EVP_PKEY *key,
                                   const struct octets *signed_octets)
{
    uint8_t der[DER_MAX];
    const uint8_t *signature = sig->signature;
    size_t len = sig->signature_len;

    if (sig->algorithm == DNSKEY_ECDSAP256 || sig->algorithm == DNSKEY_ECDSAP384) {
        if (len != (sig->algorithm == DNSKEY_ECDSAP256 ? 64 : 96))
            return ERR_FORMAT;
        len = make_der_signature(signature, len, der);
        signature = der;
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (!context || len == 0) {
        EVP_MD_CTX_free(context);
        return ERR_NOMEM;
    }
    bool is_right =
        EVP_DigestVerifyInit(context, NULL, choose_digest(sig->algorithm), NULL, key) == 1 &&
        EVP_DigestVerify(context, signature, len, signed_octets->at, signed_octets->len) == 1;
    EVP_MD_CTX_free(context);
    return is_right ? ERR_OK : ERR_FORMAT;
}

enum err rrsig_verify(const struct rrsig *sig, struct evp_pkey_st *key, const uint8_t *owner,
                      const struct rrsig_rdata *set, size_t cnt)
{
    struct octets o = {.at = malloc(signed_data_max(sig, set, cnt))};
    if (!o.at)
        return ERR_NOMEM;
    enum err err = ERR_FORMAT;
    if (sig->labels <= rrsig_count_labels(owner) && sig->signature_len > 0) {
        build_signed_data(&o, sig, owner, set, cnt);
        err = verify_signed_data(sig, key, &o);
    }
    free(o.at);
    return err;
}

/* ---- signing ---- */

size_t rrsig_len(const struct signkey *key, const uint8_t *signer)
{
    return FIXED_LEN + dname_len(signer) + signkey_signature_len(key);
}

/* Write all fields before the signature and return their octets.  The signer's name is written
 * in lower case, its canonical form. */
static size_t write_signature_fields(const struct rrsig *fields, uint8_t algorithm,
                                     const uint8_t *owner, uint8_t *out)
{
    util_put_u16(out, fields->covered);
    out[2] = algorithm;
    out[3] = (uint8_t)rrsig_count_labels(owner);
    util_put_u32(out + 4, fields->original_ttl);
    util_put_u32(out + 8, fields->expiration);
    util_put_u32(out + 12, fields->inception);
    util_put_u16(out + 16, fields->tag);
    return FIXED_LEN + dname_lower(fields->signer, out + FIXED_LEN);
}

enum err rrsig_sign(const struct rrsig *fields, struct signkey *key, const uint8_t *owner,
                    const struct rrsig_rdata *set, size_t cnt, uint8_t *out)
{
    size_t len = write_signature_fields(fields, signkey_algorithm(key), owner, out);
    struct rrsig sig = rrsig_read(out, len);
    struct octets o = {.at = malloc(signed_data_max(&sig, set, cnt))};

    if (!o.at)
        return ERR_NOMEM;
    build_signed_data(&o, &sig, owner, set, cnt);
    enum err err = signkey_sign(key, o.at, o.len, out + len);
    free(o.at);
    return err;
}
