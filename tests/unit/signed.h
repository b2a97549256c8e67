/* RRsets from text, and signatures of any shape by keys that are made here. */
#pragma once

#include "unit.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>

#include "base/arena.h"
#include "dns/dnskey.h"
#include "dns/rrline.h"
#include "dns/rrset.h"
#include "dns/rrsig.h"

enum { SIGNED_NOW = 1800000000, SIGNED_RECORDS_MAX = 700, SIGNED_SIGS_MAX = 64 };

/* A key pair.  Lifetime: the arena's, and `pair` until signed_free_key. */
struct signed_key {
    EVP_PKEY *pair;
    uint8_t algorithm;
    uint16_t tag;
    uint8_t rdata[4 + 600];
    size_t rdata_len;
};

static inline void signed_set_flags(struct signed_key *key, uint16_t flags)
{
    util_put_u16(key->rdata, flags);
    key->tag = dnskey_read(key->rdata, key->rdata_len).tag;
}

/* A key of any algorithm that can be verified. */
static inline struct signed_key signed_make_key(uint8_t algorithm, uint16_t flags)
{
    struct signed_key key = {.algorithm = algorithm, .rdata = {0, 0, 3, algorithm}};
    uint8_t *at = key.rdata + 4;
    size_t len;

    if (algorithm == DNSKEY_ED25519 || algorithm == DNSKEY_ED448) {
        key.pair =
            EVP_PKEY_Q_keygen(NULL, NULL, algorithm == DNSKEY_ED25519 ? "ED25519" : "ED448");
        len = sizeof(key.rdata) - 4;
        assert_int_equal(EVP_PKEY_get_raw_public_key(key.pair, at, &len), 1);
    } else if (algorithm == DNSKEY_ECDSAP256 || algorithm == DNSKEY_ECDSAP384) {
        uint8_t point[97];
        key.pair = EVP_PKEY_Q_keygen(NULL, NULL, "EC",
                                     algorithm == DNSKEY_ECDSAP256 ? "P-256" : "P-384");
        assert_int_equal(EVP_PKEY_get_octet_string_param(key.pair, OSSL_PKEY_PARAM_PUB_KEY,
                                                         point, sizeof(point), &len),
                         1);
        len--;
        memcpy(at, point + 1, len);
    } else {
        BIGNUM *n = NULL, *e = NULL;
        key.pair = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
        assert_int_equal(EVP_PKEY_get_bn_param(key.pair, OSSL_PKEY_PARAM_RSA_N, &n), 1);
        assert_int_equal(EVP_PKEY_get_bn_param(key.pair, OSSL_PKEY_PARAM_RSA_E, &e), 1);
        at[0] = (uint8_t)BN_num_bytes(e);
        len = 1 + (size_t)BN_bn2bin(e, at + 1);
        len += (size_t)BN_bn2bin(n, at + len);
        BN_free(n);
        BN_free(e);
    }
    key.rdata_len = 4 + len;
    signed_set_flags(&key, flags);
    return key;
}

static inline void signed_free_key(struct signed_key *key)
{
    EVP_PKEY_free(key->pair);
    key->pair = NULL;
}

/* An RRset that grows signatures.  Lifetime: the arena's. */
struct signed_set {
    uint8_t owner[DNAME_MAX];
    struct rrset *set;
    struct rrset_record sigs[SIGNED_SIGS_MAX];
    size_t sig_cnt;
};

static inline struct rrset *signed_pack(struct arena *arena, uint16_t type, uint32_t ttl,
                                        struct rrset_record *records, size_t cnt)
{
    struct rrset *set = arena_alloc(arena, rrset_room(records, cnt));
    assert_non_null(set);
    assert_int_equal(rrset_pack(type, ttl, records, cnt, set), ERR_OK);
    return set;
}

/* The RRset of the lines of `text`, all of one owner and type. */
static inline struct signed_set *signed_read(struct arena *arena, const char *text)
{
    static struct rrline line;
    struct signed_set *out = arena_alloc(arena, sizeof(*out));
    struct rrset_record records[SIGNED_RECORDS_MAX];
    size_t cnt = 0;

    out->sig_cnt = 0;
    while (*text) {
        const char *end = strchr(text, '\n');
        size_t len = end ? (size_t)(end - text) : strlen(text);
        if (rrline_read(text, len, NULL, 3600, &line) != ERR_OK)
            fail_msg("%.*s: %s", (int)len, text, line.fault.text);
        records[cnt++] = (struct rrset_record){arena_copy(arena, line.rdata, line.rdata_len),
                                               (uint16_t)line.rdata_len};
        memcpy(out->owner, line.owner, DNAME_MAX);
        text += len + (end != NULL);
    }
    out->set = signed_pack(arena, line.type, line.ttl, records, cnt);
    return out;
}

/* The DNSKEY RRset of these keys. */
static inline struct signed_set *signed_keys(struct arena *arena, const char *zone,
                                             const struct signed_key *const *keys, size_t cnt)
{
    struct signed_set *out = arena_alloc(arena, sizeof(*out));
    struct rrset_record records[SIGNED_RECORDS_MAX];

    for (size_t i = 0; i < cnt; i++)
        records[i] = (struct rrset_record){keys[i]->rdata, (uint16_t)keys[i]->rdata_len};
    out->sig_cnt = 0;
    unit_name(zone, out->owner);
    out->set = signed_pack(arena, RRTYPE_DNSKEY, 3600, records, cnt);
    return out;
}

/* Fields of a signature; zeros stand for the honest value. */
struct signed_as {
    const char *signer;
    int labels; /* 0: those of the owner; -1: none */
    uint32_t original_ttl, inception, expiration;
    int tag, algorithm;
    bool is_wrong;     /* break the signature itself */
    const char *owner; /* sign for this owner instead */
};

static inline size_t signed_octets(const struct signed_set *s, const uint8_t *owner,
                                   const uint8_t *head, size_t head_len, uint8_t *out)
{
    unsigned labels = head[3], owned = rrsig_count_labels(owner);
    size_t len = head_len;

    memcpy(out, head, head_len);
    dname_lower(head + 18, out + 18);
    for (size_t pos = 0; pos < s->set->size;) {
        struct rrset_record r = rrset_at(s->set, pos, &pos);
        if (labels < owned) {
            memcpy(out + len, "\1*", 2);
            len += 2;
        }
        len += dname_lower(labels < owned ? dname_suffix(owner, labels) : owner, out + len);
        util_put_u16(out + len, s->set->type);
        util_put_u16(out + len + 2, 1);
        memcpy(out + len + 4, head + 4, 4);
        util_put_u16(out + len + 8, r.len);
        rdata_canonical(s->set->type, r.rdata, r.len, out + len + 10);
        len += 10 + (size_t)r.len;
    }
    return len;
}

static inline const EVP_MD *signed_digest(uint8_t algorithm)
{
    switch (algorithm) {
    case DNSKEY_RSASHA1:
    case DNSKEY_RSASHA1_NSEC3: return EVP_sha1();
    case DNSKEY_RSASHA512: return EVP_sha512();
    case DNSKEY_ECDSAP384: return EVP_sha384();
    case DNSKEY_ED25519:
    case DNSKEY_ED448: return NULL;
    default: return EVP_sha256();
    }
}

/* Sign `len` octets; returns the octets of the signature. */
static inline size_t signed_make(const struct signed_key *key, const uint8_t *octets,
                                 size_t len, uint8_t out[600])
{
    size_t sig_len = 600;
    const EVP_MD *md = signed_digest(key->algorithm);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(context, NULL, md, NULL, key->pair), 1);
    assert_int_equal(EVP_DigestSign(context, out, &sig_len, octets, len), 1);
    EVP_MD_CTX_free(context);
    if (key->algorithm == DNSKEY_ECDSAP256 || key->algorithm == DNSKEY_ECDSAP384) {
        const uint8_t *at = out;
        int half = key->algorithm == DNSKEY_ECDSAP256 ? 32 : 48;
        ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)sig_len);
        assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, half), half);
        assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + half, half), half);
        sig_len = 2 * (size_t)half;
        ECDSA_SIG_free(pair);
    }
    return sig_len;
}

/* Add a signature by `key`, of the zone that `as->signer` names. */
static inline void signed_sign(struct arena *arena, struct signed_set *s,
                               const struct signed_key *key, const struct signed_as *as)
{
    uint8_t rdata[18 + DNAME_MAX + 600], owner[DNAME_MAX], signature[600];
    uint8_t *octets = malloc(1 << 20);
    struct signed_as a = *as;

    assert_non_null(octets);
    unit_name(a.signer, rdata + 18);
    size_t head_len = 18 + dname_len(rdata + 18);
    memcpy(owner, s->owner, DNAME_MAX);
    if (a.owner)
        unit_name(a.owner, owner);
    util_put_u16(rdata, s->set->type);
    rdata[2] = (uint8_t)(a.algorithm ? a.algorithm : key->algorithm);
    rdata[3] = (uint8_t)(a.labels > 0   ? a.labels
                         : a.labels < 0 ? 0
                                        : (int)rrsig_count_labels(owner));
    util_put_u32(rdata + 4, a.original_ttl ? a.original_ttl : s->set->ttl);
    util_put_u32(rdata + 8, a.expiration ? a.expiration : SIGNED_NOW + 86400);
    util_put_u32(rdata + 12, a.inception ? a.inception : SIGNED_NOW - 86400);
    util_put_u16(rdata + 16, (uint16_t)(a.tag ? a.tag : key->tag));
    size_t len = signed_octets(s, owner, rdata, head_len, octets);
    size_t sig_len = signed_make(key, octets, len, signature);
    free(octets);
    signature[sig_len / 2] ^= (uint8_t)a.is_wrong;
    memcpy(rdata + head_len, signature, sig_len);

    s->sigs[s->sig_cnt++] = (struct rrset_record){arena_copy(arena, rdata, head_len + sig_len),
                                                  (uint16_t)(head_len + sig_len)};
    struct rrset_record sorted[SIGNED_SIGS_MAX];
    memcpy(sorted, s->sigs, sizeof(sorted));
    size_t stride = rrset_stride(s->set);
    uint8_t *both = arena_alloc(arena, stride + rrset_room(sorted, s->sig_cnt));
    memcpy(both, s->set, sizeof(*s->set) + s->set->size);
    struct rrset *set = (struct rrset *)(void *)both;
    set->flags |= RRSET_IS_SIGNED;
    assert_int_equal(rrset_pack(RRTYPE_RRSIG, s->set->ttl, sorted, s->sig_cnt,
                                (struct rrset *)(void *)(both + stride)),
                     ERR_OK);
    s->set = set;
}

/* Print the DS of a key at the end of the text that ends at `at`, on a line of its own; return
 * the new end.  The octet before an empty text is 0. */
static inline char *signed_print_ds(char *at, const char *zone, const struct signed_key *key,
                                    unsigned digest_type, bool is_wrong)
{
    uint8_t owner[DNAME_MAX], octets[DNAME_MAX + 700], digest[64];
    size_t len = dname_lower(unit_name(zone, owner), octets);
    memcpy(octets + len, key->rdata, key->rdata_len);
    len += key->rdata_len;
    const EVP_MD *md = digest_type == 1   ? EVP_sha1()
                       : digest_type == 4 ? EVP_sha384()
                                          : EVP_sha256();
    unsigned digest_len;
    assert_int_equal(EVP_Digest(octets, len, digest, &digest_len, md, NULL), 1);
    digest[0] ^= is_wrong;
    at += sprintf(at, "%s%s DS %u %u %u ", at[-1] ? "\n" : "", zone, key->tag, key->algorithm,
                  digest_type);
    for (unsigned i = 0; i < digest_len; i++)
        at += sprintf(at, "%02x", digest[i]);
    return at;
}
