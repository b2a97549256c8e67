/* Keys and signatures; ldns is the signer. */
#include "unit.h"

#include <ldns/ldns.h>

#include "dns/rrsig.h"

/* Signatures by ldns verify, and no longer do after any octet is changed. */
static void signatures_by_ldns_verify(void **state)
{
    static const ldns_signing_algorithm algorithms[] = {
        LDNS_SIGN_RSASHA1,         LDNS_SIGN_RSASHA256,       LDNS_SIGN_RSASHA512,
        LDNS_SIGN_ECDSAP256SHA256, LDNS_SIGN_ECDSAP384SHA384, LDNS_SIGN_ED25519};
    uint8_t owner[DNAME_MAX];
    (void)state;
    for (size_t a = 0; a < ARRAY_LEN(algorithms); a++) {
        ldns_key *key = ldns_key_new_frm_algorithm(algorithms[a], 1024);
        ldns_key_list *keys = ldns_key_list_new();
        ldns_rr_list *set = ldns_rr_list_new();
        ldns_rr *rr;
        assert_non_null(key);
        ldns_key_set_pubkey_owner(key, ldns_dname_new_frm_str("example."));
        ldns_key_set_flags(key, LDNS_KEY_ZONE_KEY);
        ldns_rr *dnskey = ldns_key2rr(key);
        ldns_key_set_keytag(key, ldns_calc_keytag(dnskey));
        ldns_key_list_push_key(keys, key);
        assert_int_equal(
            ldns_rr_new_frm_str(&rr, "Host.example. 300 MX 10 Mail.Example.", 0, NULL, NULL),
            LDNS_STATUS_OK);
        ldns_rr_list_push_rr(set, rr);
        ldns_rr_list *sigs = ldns_sign_public(set, keys);
        assert_int_equal(ldns_rr_list_rr_count(sigs), 1);
        ldns_buffer *sig_wire = ldns_buffer_new(1024), *key_wire = ldns_buffer_new(2048),
                    *set_wire = ldns_buffer_new(512);
        ldns_rr_rdata2buffer_wire(sig_wire, ldns_rr_list_rr(sigs, 0));
        ldns_rr_rdata2buffer_wire(key_wire, dnskey);
        ldns_rr_rdata2buffer_wire(set_wire, rr);
        uint8_t *sig_rdata = ldns_buffer_begin(sig_wire),
                *key_rdata = ldns_buffer_begin(key_wire);
        uint8_t *set_rdata = ldns_buffer_begin(set_wire);
        size_t sig_len = ldns_buffer_position(sig_wire),
               key_len = ldns_buffer_position(key_wire);
        struct rrsig_rdata record = {set_rdata, (uint16_t)ldns_buffer_position(set_wire)};

        struct dnskey fields = dnskey_read(key_rdata, key_len);
        struct rrsig sig = rrsig_read(sig_rdata, sig_len);
        assert_int_equal(fields.tag, ldns_calc_keytag(dnskey));
        assert_int_equal(sig.tag, fields.tag);
        assert_int_equal(sig.covered, RRTYPE_MX);
        struct evp_pkey_st *loaded = NULL;
        assert_int_equal(dnskey_load(&fields, &loaded), ERR_OK);
        unit_name("hoST.example.", owner);
        assert_int_equal(rrsig_verify(&sig, loaded, owner, &record, 1), ERR_OK);
        for (size_t i = 0; i < sig_len; i += 3) {
            if (i >= 18 && i < sig_len - sig.signature_len)
                continue; /* skip the signer's name */
            sig_rdata[i] ^= 4;
            struct rrsig changed = rrsig_read(sig_rdata, sig_len);
            assert_int_equal(rrsig_verify(&changed, loaded, owner, &record, 1), ERR_FORMAT);
            sig_rdata[i] ^= 4;
        }
        set_rdata[1] ^= 1;
        assert_int_equal(rrsig_verify(&sig, loaded, owner, &record, 1), ERR_FORMAT);
        dnskey_unload(&loaded);
        ldns_buffer_free(sig_wire);
        ldns_buffer_free(key_wire);
        ldns_buffer_free(set_wire);
        ldns_rr_free(dnskey);
        ldns_rr_list_deep_free(sigs);
        ldns_rr_list_deep_free(set);
        ldns_key_list_free(keys); /* frees the key too */
    }
}

static void invalid_keys_are_rejected(void **state)
{
    static const uint8_t rdata[4 + 300] = {1, 0, 3};
    struct evp_pkey_st *loaded = NULL;
    (void)state;
    for (unsigned algorithm = 0; algorithm < 256; algorithm++)
        for (size_t len = 0; len < 300; len += 7) {
            struct dnskey key = dnskey_read(rdata, 4 + len);
            key.algorithm = (uint8_t)algorithm;
            enum err err = dnskey_load(&key, &loaded);
            if (!err) /* zeros may be a point of an Edwards curve */
                dnskey_unload(&loaded);
            else
                assert_true(err == ERR_FORMAT ||
                            (err == ERR_DENIED &&
                             !memchr("\5\7\10\12\15\16\17\20", (int)algorithm, 8)));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_by_ldns_verify),
        cmocka_unit_test(invalid_keys_are_rejected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
