/* RSA and Ed25519 keys are OpenSSL's; a P-256 key is ecdsa.c's, for its nonces. */
#include "dns/signkey.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>

#include "dns/ecdsa.h"

enum { ED25519_LEN = 32, ED25519_SIGNATURE_LEN = 64, FIELD_MAX = 1024, RSA_BITS_MIN = 1024 };

struct signkey {
    uint8_t algorithm;
    uint8_t octets[ECDSA_PRIVATE_LEN];  /* algorithms 13 and 15: the private key */
    struct ecdsa *ecdsa;                /* algorithm 13 */
    EVP_PKEY *pkey;                     /* the other algorithms */
    uint8_t public[SIGNKEY_PUBLIC_MAX]; /* as in a DNSKEY */
    size_t public_len;
};

static const uint8_t algorithms[] = {DNSKEY_RSASHA256, DNSKEY_ECDSAP256, DNSKEY_ED25519};

const char *signkey_algorithm_name(uint8_t algorithm)
{
    return memchr(algorithms, algorithm, sizeof(algorithms)) ? dnskey_algorithm_name(algorithm)
                                                             : NULL;
}

uint8_t signkey_find_algorithm(const char *text)
{
    char number[4];

    for (size_t i = 0; i < ARRAY_LEN(algorithms); i++) {
        snprintf(number, sizeof(number), "%u", algorithms[i]);
        if (strcasecmp(text, dnskey_algorithm_name(algorithms[i])) == 0 ||
            strcmp(text, number) == 0)
            return algorithms[i];
    }
    return 0;
}

uint8_t signkey_algorithm(const struct signkey *key) { return key->algorithm; }

void signkey_free(struct signkey **at)
{
    struct signkey *key = *at;

    if (!key)
        return;
    ecdsa_free(&key->ecdsa);
    EVP_PKEY_free(key->pkey);
    OPENSSL_cleanse(key, sizeof(*key));
    free(key);
    *at = NULL;
}

size_t signkey_public(const struct signkey *key, uint8_t out[SIGNKEY_PUBLIC_MAX])
{
    memcpy(out, key->public, key->public_len);
    return key->public_len;
}

size_t signkey_signature_len(const struct signkey *key)
{
    switch (key->algorithm) {
    case DNSKEY_ECDSAP256: return ECDSA_SIGNATURE_LEN;
    case DNSKEY_ED25519: return ED25519_SIGNATURE_LEN;
    default: return (size_t)EVP_PKEY_get_size(key->pkey);
    }
}

/* ---- the public key ---- */

/* RFC 3110 2; the exponent has at most DNSKEY_EXPONENT_MAX octets. */
static enum err write_rsa_public(struct signkey *key)
{
    BIGNUM *n = NULL, *e = NULL;
    enum err err = ERR_NOMEM;

    if (EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_N, &n) == 1 &&
        EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_RSA_E, &e) == 1) {
        size_t exponent_len = (size_t)BN_num_bytes(e), modulus_len = (size_t)BN_num_bytes(n);
        err = exponent_len > DNSKEY_EXPONENT_MAX || modulus_len > DNSKEY_RSA_BITS_MAX / 8
                  ? ERR_FORMAT
                  : ERR_OK;
        if (!err) {
            key->public[0] = (uint8_t)exponent_len;
            key->public_len = 1 + exponent_len + modulus_len;
            if (BN_bn2binpad(e, key->public + 1, (int)exponent_len) < 0 ||
                BN_bn2binpad(n, key->public + 1 + exponent_len, (int)modulus_len) < 0)
                err = ERR_NOMEM;
        }
    }
    BN_free(n);
    BN_free(e);
    return err;
}

static enum err write_public(struct signkey *key)
{
    switch (key->algorithm) {
    case DNSKEY_ECDSAP256:
        key->public_len = ECDSA_PUBLIC_LEN;
        return ecdsa_public(key->ecdsa, key->public);
    case DNSKEY_ED25519:
        key->public_len = ED25519_LEN;
        return EVP_PKEY_get_raw_public_key(key->pkey, key->public, &key->public_len) == 1
                   ? ERR_OK
                   : ERR_NOMEM;
    default: return write_rsa_public(key);
    }
}

/* ---- generation ---- */

static struct signkey *new_signkey(uint8_t algorithm)
{
    struct signkey *key = calloc(1, sizeof(*key));

    if (key)
        key->algorithm = algorithm;
    return key;
}

/* Finish `key`, or free it after an error. */
static enum err finish_signkey(struct signkey *key, enum err err, struct signkey **out)
{
    if (!err)
        err = write_public(key);
    if (err)
        signkey_free(&key);
    else
        *out = key;
    return err;
}

static enum err generate_ecdsa(struct signkey *key)
{
    enum err err = ecdsa_generate(key->octets);
    return err ? err : ecdsa_new(key->octets, &key->ecdsa);
}

static enum err generate_ed25519(struct signkey *key)
{
    size_t len = ED25519_LEN;

    key->pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    bool is_made = key->pkey && EVP_PKEY_get_raw_private_key(key->pkey, key->octets, &len) == 1;
    return is_made ? ERR_OK : ERR_NOMEM;
}

static enum err generate_rsa(struct signkey *key)
{
    key->pkey = EVP_RSA_gen(SIGNKEY_RSA_BITS);
    return key->pkey ? ERR_OK : ERR_NOMEM;
}

enum err signkey_generate(uint8_t algorithm, struct signkey **out)
{
    if (!signkey_algorithm_name(algorithm))
        return ERR_DENIED;
    struct signkey *key = new_signkey(algorithm);
    if (!key)
        return ERR_NOMEM;
    switch (algorithm) {
    case DNSKEY_ECDSAP256: return finish_signkey(key, generate_ecdsa(key), out);
    case DNSKEY_ED25519: return finish_signkey(key, generate_ed25519(key), out);
    default: return finish_signkey(key, generate_rsa(key), out);
    }
}

enum err signkey_copy(const struct signkey *from, struct signkey **out)
{
    struct signkey *key = new_signkey(from->algorithm);
    enum err err = ERR_OK;

    if (!key)
        return ERR_NOMEM;
    memcpy(key->octets, from->octets, sizeof(key->octets));
    if (from->ecdsa)
        err = ecdsa_new(key->octets, &key->ecdsa);
    else if (EVP_PKEY_up_ref(from->pkey) == 1)
        key->pkey = from->pkey;
    else
        err = ERR_NOMEM;
    return finish_signkey(key, err, out);
}

/* ---- text ---- */

/* The numbers of an RSA key in the order of the file, with OpenSSL's names. */
static const struct {
    const char *field, *param;
} rsa_numbers[] = {
    {"Modulus", OSSL_PKEY_PARAM_RSA_N},
    {"PublicExponent", OSSL_PKEY_PARAM_RSA_E},
    {"PrivateExponent", OSSL_PKEY_PARAM_RSA_D},
    {"Prime1", OSSL_PKEY_PARAM_RSA_FACTOR1},
    {"Prime2", OSSL_PKEY_PARAM_RSA_FACTOR2},
    {"Exponent1", OSSL_PKEY_PARAM_RSA_EXPONENT1},
    {"Exponent2", OSSL_PKEY_PARAM_RSA_EXPONENT2},
    {"Coefficient", OSSL_PKEY_PARAM_RSA_COEFFICIENT1},
};

const char *signkey_field(const char *text, const char *name, size_t *len)
{
    size_t name_len = strlen(name);

    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, name_len) != 0 || line[name_len] != ':')
            continue;
        const char *value = line + name_len + 1;
        value += strspn(value, " \t");
        *len = strcspn(value, "\r\n");
        return value;
    }
    return NULL;
}

/* Decode the base64 of a field.  False: it is missing or no base64, or `out` is too small. */
static bool read_octets(const char *text, const char *name, uint8_t *out, size_t size,
                        size_t *len)
{
    uint8_t room[FIELD_MAX];
    size_t text_len = 0, padding = 0;
    const char *value = signkey_field(text, name, &text_len);

    while (value && text_len > 0 && (value[text_len - 1] == ' ' || value[text_len - 1] == '\t'))
        text_len--;
    if (!value || text_len == 0 || text_len % 4 != 0 || text_len / 4 * 3 > sizeof(room))
        return false;
    while (padding < 2 && value[text_len - 1 - padding] == '=')
        padding++;
    int got = EVP_DecodeBlock(room, (const uint8_t *)value, (int)text_len);
    bool fits = got > 0 && (size_t)got - padding <= size;
    if (fits) {
        *len = (size_t)got - padding;
        memcpy(out, room, *len);
    }
    OPENSSL_cleanse(room, sizeof(room));
    return fits;
}

/* Read the field "PrivateKey".  BIND leaves leading zeros of an ECDSA key away. */
static bool read_private_octets(const char *text, struct signkey *key)
{
    uint8_t octets[ECDSA_PRIVATE_LEN];
    size_t len = 0;

    bool is_read = read_octets(text, "PrivateKey", octets, sizeof(octets), &len) &&
                   (len == sizeof(octets) || key->algorithm == DNSKEY_ECDSAP256);
    if (is_read)
        memcpy(key->octets + sizeof(key->octets) - len, octets, len);
    OPENSSL_cleanse(octets, sizeof(octets));
    return is_read;
}

static enum err read_rsa_number(const char *text, size_t i, OSSL_PARAM_BLD *build, BIGNUM **out)
{
    uint8_t octets[DNSKEY_RSA_BITS_MAX / 8 + 1];
    size_t len = 0;

    if (!read_octets(text, rsa_numbers[i].field, octets, sizeof(octets), &len))
        return ERR_FORMAT;
    *out = BN_secure_new();
    bool is_read = *out && BN_bin2bn(octets, (int)len, *out) &&
                   OSSL_PARAM_BLD_push_BN(build, rsa_numbers[i].param, *out) == 1;
    OPENSSL_cleanse(octets, sizeof(octets));
    return is_read ? ERR_OK : ERR_NOMEM;
}

/* ERR_FORMAT also if the numbers are no key. */
static enum err make_rsa_key(OSSL_PARAM_BLD *build, EVP_PKEY **out)
{
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *making = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY_CTX *checking = NULL;
    EVP_PKEY *key = NULL;

    bool is_made = params && making && EVP_PKEY_fromdata_init(making) == 1 &&
                   EVP_PKEY_fromdata(making, &key, EVP_PKEY_KEYPAIR, params) == 1;
    checking = is_made ? EVP_PKEY_CTX_new(key, NULL) : NULL;
    bool is_right = checking && EVP_PKEY_pairwise_check(checking) == 1 &&
                    EVP_PKEY_get_bits(key) >= RSA_BITS_MIN;
    EVP_PKEY_CTX_free(checking);
    EVP_PKEY_CTX_free(making);
    OSSL_PARAM_free(params);
    if (is_right)
        *out = key;
    else
        EVP_PKEY_free(key);
    return is_right ? ERR_OK : ERR_FORMAT;
}

static enum err read_rsa(const char *text, struct signkey *key)
{
    BIGNUM *numbers[ARRAY_LEN(rsa_numbers)] = {NULL};
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    enum err err = build ? ERR_OK : ERR_NOMEM;

    for (size_t i = 0; i < ARRAY_LEN(rsa_numbers) && !err; i++)
        err = read_rsa_number(text, i, build, &numbers[i]);
    if (!err)
        err = make_rsa_key(build, &key->pkey);
    for (size_t i = 0; i < ARRAY_LEN(rsa_numbers); i++)
        BN_clear_free(numbers[i]);
    OSSL_PARAM_BLD_free(build);
    return err;
}

static enum err read_private_key(const char *text, struct signkey *key)
{
    if (key->algorithm == DNSKEY_RSASHA256)
        return read_rsa(text, key);
    if (!read_private_octets(text, key))
        return ERR_FORMAT;
    if (key->algorithm == DNSKEY_ECDSAP256)
        return ecdsa_new(key->octets, &key->ecdsa);
    key->pkey =
        EVP_PKEY_new_raw_private_key_ex(NULL, "ED25519", NULL, key->octets, ED25519_LEN);
    return key->pkey ? ERR_OK : ERR_FORMAT;
}

enum err signkey_read(const char *text, size_t len, struct signkey **out, struct fault *fault)
{
    size_t value_len = 0;
    const char *value = signkey_field(text, "Private-key-format", &value_len);

    if (strlen(text) != len || !value || value_len < 3 || strncmp(value, "v1.", 3) != 0)
        return fault_set(fault, ERR_FORMAT,
                         "it does not begin with \"Private-key-format: v1.\"");
    value = signkey_field(text, "Algorithm", &value_len);
    char *end = NULL;
    unsigned long algorithm = value ? strtoul(value, &end, 10) : 0;
    if (!value || end == value || algorithm > UINT8_MAX)
        return fault_set(fault, ERR_FORMAT, "it has no field \"Algorithm\"");
    if (!signkey_algorithm_name((uint8_t)algorithm))
        return fault_set(fault, ERR_DENIED,
                         "keys of algorithm %lu cannot sign here, only those of 8, 13 and 15",
                         algorithm);
    struct signkey *key = new_signkey((uint8_t)algorithm);
    if (!key)
        return fault_name(fault, ERR_NOMEM);
    enum err err = finish_signkey(key, read_private_key(text, key), out);
    if (err == ERR_FORMAT)
        return fault_set(fault, err,
                         "its numbers are missing or no private key of algorithm %lu",
                         algorithm);
    return fault_name(fault, err);
}

static bool print_base64(char *out, size_t *len, const char *name, const uint8_t *octets,
                         size_t octets_len)
{
    *len += (size_t)snprintf(out + *len, SIGNKEY_TEXT_MAX - *len, "%s: ", name);
    if (*len + octets_len / 3 * 4 + 6 > SIGNKEY_TEXT_MAX)
        return false;
    *len += (size_t)EVP_EncodeBlock((uint8_t *)out + *len, octets, (int)octets_len);
    out[(*len)++] = '\n';
    out[*len] = '\0';
    return true;
}

static bool print_rsa(const struct signkey *key, char *out, size_t *len)
{
    uint8_t octets[DNSKEY_RSA_BITS_MAX / 8];
    bool is_printed = true;

    for (size_t i = 0; i < ARRAY_LEN(rsa_numbers) && is_printed; i++) {
        BIGNUM *number = NULL;
        is_printed = EVP_PKEY_get_bn_param(key->pkey, rsa_numbers[i].param, &number) == 1 &&
                     (size_t)BN_num_bytes(number) <= sizeof(octets) &&
                     print_base64(out, len, rsa_numbers[i].field, octets,
                                  (size_t)BN_bn2bin(number, octets));
        BN_clear_free(number);
    }
    OPENSSL_cleanse(octets, sizeof(octets));
    return is_printed;
}

enum err signkey_print(const struct signkey *key, char out[SIGNKEY_TEXT_MAX])
{
    size_t len = (size_t)snprintf(out, SIGNKEY_TEXT_MAX,
                                  "Private-key-format: v1.3\nAlgorithm: %u (%s)\n",
                                  key->algorithm, signkey_algorithm_name(key->algorithm));
    bool is_printed =
        key->algorithm == DNSKEY_RSASHA256
            ? print_rsa(key, out, &len)
            : print_base64(out, &len, "PrivateKey", key->octets, sizeof(key->octets));
    return is_printed ? ERR_OK : ERR_NOMEM;
}

/* ---- signatures ---- */

static enum err sign_by_openssl(EVP_PKEY *pkey, const EVP_MD *md, const uint8_t *data,
                                size_t len, uint8_t *out)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    size_t signature_len = SIGNKEY_SIGNATURE_MAX;
    bool is_signed = context && EVP_DigestSignInit(context, NULL, md, NULL, pkey) == 1 &&
                     EVP_DigestSign(context, out, &signature_len, data, len) == 1;

    EVP_MD_CTX_free(context);
    return is_signed ? ERR_OK : ERR_NOMEM;
}

enum err signkey_sign(struct signkey *key, const uint8_t *data, size_t len, uint8_t *out)
{
    uint8_t hash[ECDSA_HASH_LEN];

    if (key->algorithm == DNSKEY_ECDSAP256)
        return SHA256(data, len, hash) ? ecdsa_sign(key->ecdsa, hash, out) : ERR_NOMEM;
    return sign_by_openssl(key->pkey, key->algorithm == DNSKEY_ED25519 ? NULL : EVP_sha256(),
                           data, len, out);
}
