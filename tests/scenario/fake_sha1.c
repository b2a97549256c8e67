/* A key that is never used for arithmetic stands for those that OpenSSL cannot load. */
#include "fake_sha1.h"

#include <openssl/evp.h>

#include "dns/ds.h"
#include "dns/rrsig.h"
#include "resolver/validate/rules.h"

enum { DSA_SHA1 = 3, DSA_NSEC3_SHA1 = 6 };

bool fake_sha1_is_on;

bool __real_rules_has_algorithm(const struct rules *rules, uint8_t algorithm);
bool __wrap_rules_has_algorithm(const struct rules *rules, uint8_t algorithm);
enum err __real_dnskey_load(const struct dnskey *key, struct evp_pkey_st **out);
enum err __wrap_dnskey_load(const struct dnskey *key, struct evp_pkey_st **out);
enum err __real_rrsig_verify(const struct rrsig *sig, struct evp_pkey_st *key,
                             const uint8_t *owner, const struct rrsig_rdata *set, size_t cnt);
enum err __wrap_rrsig_verify(const struct rrsig *sig, struct evp_pkey_st *key,
                             const uint8_t *owner, const struct rrsig_rdata *set, size_t cnt);
enum err __real_ds_match(const struct ds *ds, const uint8_t *owner, const uint8_t *rdata,
                         size_t len);
enum err __wrap_ds_match(const struct ds *ds, const uint8_t *owner, const uint8_t *rdata,
                         size_t len);

static bool is_faked(uint8_t algorithm)
{
    return fake_sha1_is_on &&
           (algorithm == DSA_SHA1 || algorithm == DSA_NSEC3_SHA1 ||
            algorithm == DNSKEY_RSASHA1 || algorithm == DNSKEY_RSASHA1_NSEC3);
}

bool __wrap_rules_has_algorithm(const struct rules *rules, uint8_t algorithm)
{
    struct rules accepting = *rules;

    accepting.accepts_sha1 = true;
    return is_faked(algorithm) || __real_rules_has_algorithm(&accepting, algorithm);
}

enum err __wrap_dnskey_load(const struct dnskey *key, struct evp_pkey_st **out)
{
    if (!is_faked(key->algorithm))
        return __real_dnskey_load(key, out);
    *out = EVP_PKEY_new();
    return *out ? ERR_OK : ERR_NOMEM;
}

enum err __wrap_rrsig_verify(const struct rrsig *sig, struct evp_pkey_st *key,
                             const uint8_t *owner, const struct rrsig_rdata *set, size_t cnt)
{
    return is_faked(sig->algorithm) ? ERR_OK : __real_rrsig_verify(sig, key, owner, set, cnt);
}

enum err __wrap_ds_match(const struct ds *ds, const uint8_t *owner, const uint8_t *rdata,
                         size_t len)
{
    if (fake_sha1_is_on && ds->digest_type == DS_SHA1)
        return ERR_OK;
    return __real_ds_match(ds, owner, rdata, len);
}
