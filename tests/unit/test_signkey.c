/* Private keys: nonces by the vectors of RFC 6979, signatures that verify and repeat, the text
 * of BIND's files; and the parts of signing that are here: RRSIG, DS, type bitmaps. */
#include "unit.h"

#include <openssl/sha.h>

#include "dns/bitmap.h"
#include "dns/ds.h"
#include "dns/ecdsa.h"
#include "dns/rrsig.h"
#include "dns/rrtype.h"

static const uint8_t algorithms[] = {DNSKEY_RSASHA256, DNSKEY_ECDSAP256, DNSKEY_ED25519};

static void read_hex(const char *text, uint8_t *out, size_t len)
{
    assert_int_equal(strlen(text), 2 * len);
    for (size_t i = 0; i < len; i++) {
        unsigned octet;
        assert_int_equal(sscanf(text + 2 * i, "%2x", &octet), 1);
        out[i] = (uint8_t)octet;
    }
}

/* RFC 6979 A.2.5, with SHA-256. */
static void nonces_are_those_of_the_rfc(void **state)
{
    static const struct {
        const char *message, *signature;
    } vectors[] = {
        {"sample", "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
                   "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"},
        {"test", "F1ABB023518351CD71D881567B1EA663ED3EFCF6C5132B354F28D3B0B7D38367"
                 "019F4113742A2B14BD25926B49C649155F267E60D3814B4C0CC84250E46F0083"},
    };
    uint8_t private_key[ECDSA_PRIVATE_LEN], public_key[ECDSA_PUBLIC_LEN], hash[ECDSA_HASH_LEN];
    uint8_t expected[ECDSA_SIGNATURE_LEN], signature[ECDSA_SIGNATURE_LEN];
    struct ecdsa *key = NULL;
    (void)state;

    read_hex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721", private_key,
             sizeof(private_key));
    assert_int_equal(ecdsa_new(private_key, &key), ERR_OK);
    read_hex("60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
             "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299",
             expected, sizeof(expected));
    assert_int_equal(ecdsa_public(key, public_key), ERR_OK);
    assert_memory_equal(public_key, expected, sizeof(expected));
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        SHA256((const uint8_t *)vectors[i].message, strlen(vectors[i].message), hash);
        read_hex(vectors[i].signature, expected, sizeof(expected));
        for (int n = 0; n < 3; n++) {
            assert_int_equal(ecdsa_sign(key, hash, signature), ERR_OK);
            assert_memory_equal(signature, expected, sizeof(expected));
        }
    }
    ecdsa_free(&key);
    assert_null(key);
}

/* The private number is from 1 to the order - 1. */
static void numbers_out_of_range_are_no_keys(void **state)
{
    uint8_t number[ECDSA_PRIVATE_LEN] = {0};
    struct ecdsa *key = NULL;
    (void)state;

    assert_int_equal(ecdsa_new(number, &key), ERR_FORMAT);
    read_hex("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551", number,
             sizeof(number));
    assert_int_equal(ecdsa_new(number, &key), ERR_FORMAT);
    number[31]--;
    assert_int_equal(ecdsa_new(number, &key), ERR_OK);
    ecdsa_free(&key);
}

/* Make the RDATA of a DNSKEY and return its length. */
static size_t make_dnskey(const struct signkey *key, uint8_t *out)
{
    util_put_u16(out, DNSKEY_ZONE | DNSKEY_ENTRY);
    out[2] = DNSKEY_PROTOCOL;
    out[3] = signkey_algorithm(key);
    return 4 + signkey_public(key, out + 4);
}

/* Sign an MX of `owner` and return the length of the RRSIG. */
static size_t sign_mx(struct signkey *key, const uint8_t *owner, uint16_t tag, uint8_t *out)
{
    static const uint8_t signer[] = "\7Example\0";
    static const uint8_t mx[] = "\0\12\4Mail\7EXAMPLE\0";
    struct rrsig_rdata set = {mx, sizeof(mx) - 1};
    struct rrsig fields = {.covered = RRTYPE_MX,
                           .original_ttl = 300,
                           .expiration = 2000000000,
                           .inception = 1000000000,
                           .tag = tag,
                           .signer = signer};

    assert_int_equal(rrsig_sign(&fields, key, owner, &set, 1, out), ERR_OK);
    return rrsig_len(key, signer);
}

/* True if the RRSIG verifies for an MX of the name, in another case. */
static bool is_verified(const uint8_t *rdata, size_t len, const char *name,
                        struct evp_pkey_st *key)
{
    static const uint8_t mx[] = "\0\12\4mAIL\7exampLE\0";
    struct rrsig_rdata set = {mx, sizeof(mx) - 1};
    struct rrsig sig = rrsig_read(rdata, len);
    uint8_t owner[DNAME_MAX];

    return rrsig_verify(&sig, key, unit_name(name, owner), &set, 1) == ERR_OK;
}

static void signatures_verify_and_repeat(void **state)
{
    uint8_t owner[DNAME_MAX], dnskey[600], first[800], again[800];
    (void)state;

    for (size_t i = 0; i < sizeof(algorithms); i++) {
        struct signkey *key = NULL, *copy = NULL;
        struct evp_pkey_st *loaded = NULL;
        assert_int_equal(signkey_generate(algorithms[i], &key), ERR_OK);
        assert_int_equal(signkey_copy(key, &copy), ERR_OK);
        struct dnskey fields = dnskey_read(dnskey, make_dnskey(key, dnskey));
        assert_int_equal(dnskey_load(&fields, &loaded), ERR_OK);

        size_t len = sign_mx(key, unit_name("Host.example.", owner), fields.tag, first);
        assert_int_equal(rdata_check(RRTYPE_RRSIG, first, len), ERR_OK);
        assert_int_equal(rrsig_read(first, len).tag, fields.tag);
        assert_int_equal(rrsig_read(first, len).labels, 2);
        assert_true(is_verified(first, len, "hOST.Example.", loaded));
        assert_false(is_verified(first, len, "hOSS.Example.", loaded));
        assert_int_equal(sign_mx(copy, owner, fields.tag, again), len);
        assert_memory_equal(first, again, len);

        len = sign_mx(key, unit_name("*.example.", owner), fields.tag, first);
        assert_int_equal(rrsig_read(first, len).labels, 1);
        assert_true(is_verified(first, len, "a.b.example.", loaded));
        dnskey_unload(&loaded);
        signkey_free(&key);
        signkey_free(&copy);
        assert_null(key);
    }
}

static void text_is_read_back(void **state)
{
    char text[SIGNKEY_TEXT_MAX], again[SIGNKEY_TEXT_MAX];
    struct fault fault;
    (void)state;

    for (size_t i = 0; i < sizeof(algorithms); i++)
        for (int n = 0; n < (algorithms[i] == DNSKEY_RSASHA256 ? 2 : 300); n++) {
            struct signkey *key = NULL, *read = NULL;
            uint8_t public[SIGNKEY_PUBLIC_MAX], read_public[SIGNKEY_PUBLIC_MAX];
            assert_int_equal(signkey_generate(algorithms[i], &key), ERR_OK);
            assert_int_equal(signkey_print(key, text), ERR_OK);
            strcat(text, "Created: 20260101000000\n");
            assert_int_equal(signkey_read(text, strlen(text), &read, &fault), ERR_OK);
            assert_int_equal(signkey_public(read, read_public), signkey_public(key, public));
            assert_memory_equal(public, read_public, signkey_public(key, public));
            assert_int_equal(signkey_print(read, again), ERR_OK);
            assert_int_equal(strncmp(text, again, strlen(again)), 0);
            size_t len;
            assert_int_equal(
                strncmp(signkey_field(text, "Created", &len), "20260101000000\n", 15), 0);
            assert_int_equal(len, 14);
            assert_null(signkey_field(text, "Publish", &len));
            signkey_free(&key);
            signkey_free(&read);
        }
}

/* Without any line, or with a changed one, the text is no key or another one, and no crash. */
static void damaged_text_is_rejected(void **state)
{
    char text[SIGNKEY_TEXT_MAX], damaged[SIGNKEY_TEXT_MAX];
    struct fault fault;
    (void)state;

    for (size_t i = 0; i < sizeof(algorithms); i++) {
        struct signkey *key = NULL, *read = NULL;
        assert_int_equal(signkey_generate(algorithms[i], &key), ERR_OK);
        assert_int_equal(signkey_print(key, text), ERR_OK);
        for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
            size_t before = (size_t)(line - text), line_len = strcspn(line, "\n") + 1;
            memcpy(damaged, text, before);
            strcpy(damaged + before, line + line_len);
            fault.text[0] = '\0';
            assert_int_equal(signkey_read(damaged, strlen(damaged), &read, &fault), ERR_FORMAT);
            assert_true(*fault.text);
        }
        size_t step = algorithms[i] == DNSKEY_RSASHA256 ? 41 : 1;
        for (size_t at = 0; at < strlen(text); at += step) {
            strcpy(damaged, text);
            damaged[at] ^= 1;
            enum err err = signkey_read(damaged, strlen(damaged), &read, &fault);
            assert_true(err == ERR_OK || err == ERR_FORMAT || err == ERR_DENIED);
            signkey_free(&read);
            strcpy(damaged, text);
            damaged[at] = '\0';
            assert_int_not_equal(signkey_read(damaged, strlen(text), &read, &fault), ERR_OK);
            err = signkey_read(damaged, strlen(damaged), &read, &fault);
            assert_true(err == ERR_OK || err == ERR_FORMAT || err == ERR_DENIED);
            signkey_free(&read);
        }
        signkey_free(&key);
    }
}

static void only_three_algorithms_sign(void **state)
{
    struct signkey *key = NULL;
    (void)state;

    for (unsigned algorithm = 0; algorithm < 256; algorithm++) {
        bool signs = memchr(algorithms, (int)algorithm, sizeof(algorithms));
        const char *name = signkey_algorithm_name((uint8_t)algorithm);
        assert_int_equal(name != NULL, signs);
        if (!signs)
            assert_int_equal(signkey_generate((uint8_t)algorithm, &key), ERR_DENIED);
        else
            assert_int_equal(signkey_find_algorithm(name), algorithm);
    }
    assert_int_equal(signkey_find_algorithm("13"), 13);
    assert_int_equal(signkey_find_algorithm("ed25519"), 15);
    assert_int_equal(signkey_find_algorithm("14"), 0);
    assert_int_equal(signkey_find_algorithm(""), 0);
}

static void a_ds_matches_its_key(void **state)
{
    static const uint8_t types[] = {DS_SHA1, DS_SHA256, DS_SHA384};
    uint8_t owner[DNAME_MAX], dnskey[600], rdata[DS_LEN_MAX];
    struct signkey *key = NULL;
    size_t len = 0;
    (void)state;

    assert_int_equal(signkey_generate(DNSKEY_ECDSAP256, &key), ERR_OK);
    size_t key_len = make_dnskey(key, dnskey);
    unit_name("Example.", owner);
    for (size_t i = 0; i < sizeof(types); i++) {
        assert_int_equal(ds_make(types[i], owner, dnskey, key_len, rdata, &len), ERR_OK);
        struct ds ds = ds_read(rdata, len);
        assert_int_equal(ds.tag, dnskey_read(dnskey, key_len).tag);
        assert_int_equal(ds.algorithm, DNSKEY_ECDSAP256);
        assert_int_equal(ds.digest_type, types[i]);
        assert_int_equal(ds.digest_len, ds_digest_len(types[i]));
        assert_int_equal(ds_match(&ds, unit_name("eXAMPLE.", owner), dnskey, key_len), ERR_OK);
        dnskey[20] ^= 1;
        assert_int_equal(ds_match(&ds, owner, dnskey, key_len), ERR_FORMAT);
        dnskey[20] ^= 1;
    }
    assert_int_equal(ds_make(3, owner, dnskey, key_len, rdata, &len), ERR_DENIED);
    signkey_free(&key);
}

static void a_bitmap_has_the_types_that_were_written(void **state)
{
    static const uint16_t types[] = {1, 2, 15, 46, 47, 255, 256, 257, 1234, 65280, 65535};
    static uint16_t all[UINT16_MAX + 1];
    static uint8_t bitmap[BITMAP_LEN_MAX];
    (void)state;

    assert_int_equal(bitmap_write(types, 0, bitmap), 0);
    for (size_t cnt = 1; cnt <= ARRAY_LEN(types); cnt++) {
        size_t len = bitmap_write(types, cnt, bitmap), at = 0;
        for (int type = bitmap_next(bitmap, len, -1); type >= 0;
             type = bitmap_next(bitmap, len, type))
            assert_int_equal(type, types[at++]);
        assert_int_equal(at, cnt);
    }
    /* RFC 4034 4.3: "A MX RRSIG NSEC TYPE1234" */
    static const uint16_t example[] = {1, 15, 46, 47, 1234};
    uint8_t expected[8 + 2 + 27] = {0, 6, 0x40, 1, 0, 0, 0, 3, 4, 27};
    expected[sizeof(expected) - 1] = 0x20;
    assert_int_equal(bitmap_write(example, ARRAY_LEN(example), bitmap), sizeof(expected));
    assert_memory_equal(bitmap, expected, sizeof(expected));
    for (unsigned i = 0; i <= UINT16_MAX; i++)
        all[i] = (uint16_t)i;
    assert_int_equal(bitmap_write(all, ARRAY_LEN(all), bitmap), BITMAP_LEN_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nonces_are_those_of_the_rfc),
        cmocka_unit_test(numbers_out_of_range_are_no_keys),
        cmocka_unit_test(signatures_verify_and_repeat),
        cmocka_unit_test(text_is_read_back),
        cmocka_unit_test(damaged_text_is_rejected),
        cmocka_unit_test(only_three_algorithms_sign),
        cmocka_unit_test(a_ds_matches_its_key),
        cmocka_unit_test(a_bitmap_has_the_types_that_were_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
