/* NSEC3 hashes against the RFC's and ldns's, and the search for what covers a name against a plain walk. */
#include "zones.h"

#include <ldns/ldns.h>

#include "base/hash.h"
#include "dns/rrsig.h"

/* RFC 5155 appendix A: SHA-1, 12 iterations, salt aabbccdd */
static void hashes_are_those_of_the_rfc(void **state)
{
    static const char *const pairs[][2] = {{"example.", "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"},
                                           {"a.example.", "35mthgpgcu1qg68fab165klnsnk3dpvl"},
                                           {"X.Y.w.Example.", "2vptu5timamqttgl4luu9kg21e0aor3s"},
                                           {"*.w.example.", "r53bq7cc2uvmubfu5ocmm6pers9tk9en"}};
    static const uint8_t salt[] = {0xaa, 0xbb, 0xcc, 0xdd};
    struct nsec3_params params = {.algorithm = 1, .iterations = 12, .salt_len = 4, .salt = salt};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        uint8_t name[DNAME_MAX], hash[NSEC3_HASH_LEN], back[NSEC3_HASH_LEN], label[NSEC3_LABEL_LEN + 2];
        char text[NSEC3_LABEL_LEN + 1];
        nsec3_hash(&params, unit_name(pairs[i][0], name), hash);
        nsec3_print_label(hash, text);
        assert_string_equal(text, pairs[i][1]);
        label[0] = NSEC3_LABEL_LEN;
        memcpy(label + 1, text, NSEC3_LABEL_LEN + 1);
        assert_true(nsec3_read_label(label, back));
        assert_memory_equal(back, hash, sizeof(hash));
    }
}

static void only_hashes_are_read(void **state)
{
    uint8_t hash[NSEC3_HASH_LEN];
    (void)state;
    assert_false(nsec3_read_label((const uint8_t *)"\040zvptu5timamqttgl4luu9kg21e0aor3s", hash));
    assert_false(nsec3_read_label((const uint8_t *)"\0372vptu5timamqttgl4luu9kg21e0aor3", hash));
    assert_true(nsec3_read_label((const uint8_t *)"\0402VPTU5TIMAMQTTGL4LUU9KG21E0AOR3S", hash));
}

/* A zone with an NSEC at each of many names, a hundred of which share far more than the eight octets that are compared first. */
static struct zone *many_names(void)
{
    char *text, *report = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    fputs(ZONES_HEAD "@ NSEC a.example. A\n", out);
    for (int i = 0; i < 100; i++)
        fprintf(out, "same-to-the-ninth%02d NSEC a A\nn%d.x NSEC a A\nD%d NSEC a A\n", i, i * 7919 % 1000, i);
    for (int i = 0; i < 60; i++)
        fprintf(out, "\\%03d%d NSEC a A\n", i * 4, i);
    fclose(out);
    struct zone *zone = zones_read("example.", text, &report);
    free(text);
    free(report);
    return zone;
}

static const struct node *walk(const struct zone *zone, const uint8_t *name)
{
    const struct node *last = NULL, *best = NULL;
    for (size_t c = 0; c < zone->chunk_cnt; c++)
        for (size_t n = 0; n < zone->chunks[c]->cnt; n++) {
            const struct node *node = zone->chunks[c]->node[n];
            if (!node_find(node, RRTYPE_NSEC))
                continue;
            last = node;
            if (dname_compare(node->name, name) <= 0)
                best = node;
        }
    return best ? best : last;
}

static void the_name_before_is_found(void **state)
{
    struct zone *zone = many_names();
    uint8_t name[DNAME_MAX];
    char text[200];
    (void)state;
    assert_int_equal(zone->denial.kind, DENIAL_NSEC);
    srand(11);
    for (int i = 0; i < 20000; i++) {
        static const char *const heads[] = {"same-to-the-ninth", "n", "d", "", "same-to-the-nin"};
        static const char *const tails[] = {"", ".x", "."};
        snprintf(text, sizeof(text), "%s%d%s%c.example.", heads[rand() % 5], rand() % 120, tails[rand() % 3],
                 'a' + rand() % 26);
        unit_name(text, name);
        if (rand() % 3 == 0)
            name[1 + (unsigned)rand() % name[0]] = (uint8_t)rand();
        assert_ptr_equal(denial_find_name(&zone->denial, name), walk(zone, name));
    }
    for (size_t i = 0; i < zone->denial.cnt; i++)
        assert_ptr_equal(denial_find_name(&zone->denial, zone->denial.entries[i].node->name), zone->denial.entries[i].node);
    zone_unref(&zone);
}

/* Chains whose hashes are random, or share their first octets, which owners can bring about. */
static void the_hash_before_is_found(void **state)
{
    struct denial_entry *entries = calloc(500, sizeof(*entries));
    struct denial denial = {.kind = DENIAL_NSEC3, .entries = entries};
    uint8_t hash[NSEC3_HASH_LEN];
    char text[400], *report = NULL, *zone_text;
    size_t len;
    (void)state;
    srand(5);
    FILE *out = open_memstream(&zone_text, &len);
    fputs(ZONES_HEAD, out);
    for (int i = 0; i < 400; i++) {
        for (unsigned n = 0; n < NSEC3_HASH_LEN; n++)
            hash[n] = (uint8_t)(i % 2 && n < 9 ? 0x80 : rand());
        nsec3_print_label(hash, text);
        fprintf(out, "%s NSEC3 1 0 0 - %s A\n", text, text);
    }
    /* the apex of example. hashed without salt, so that the chain is taken */
    fputs("@ NSEC3PARAM 1 0 0 -\n3msev9usmd4br9s97v51r2tdvmr9iqo1 NSEC3 1 0 0 - 3msev9usmd4br9s97v51r2tdvmr9iqo1 A\n", out);
    fclose(out);
    struct zone *zone = zones_read("example.", zone_text, &report);
    assert_non_null(zone);
    denial = zone->denial;
    assert_int_equal(denial.kind, DENIAL_NSEC3);
    assert_int_equal(denial.cnt, 401);
    for (int i = 0; i < 20000; i++) {
        bool is_match, is_own = i % 5 == 0;
        const struct node *best = denial.entries[denial.cnt - 1].node;
        size_t pick = (size_t)rand() % denial.cnt;
        for (unsigned n = 0; n < NSEC3_HASH_LEN; n++)
            hash[n] = (uint8_t)(i % 2 && n < 9 ? 0x80 : rand());
        if (is_own)
            assert_true(nsec3_read_label(denial.entries[pick].node->name, hash));
        for (size_t e = 0; e < denial.cnt; e++) {
            uint8_t own[NSEC3_HASH_LEN];
            assert_true(nsec3_read_label(denial.entries[e].node->name, own));
            if (memcmp(own, hash, sizeof(own)) <= 0)
                best = denial.entries[e].node;
        }
        assert_ptr_equal(denial_find_hash(&denial, hash, &is_match), best);
        assert_int_equal(is_match, is_own);
    }
    zone_unref(&zone);
    free(zone_text);
    free(report);
    free(entries);
}

/* Keys and signatures made by ldns are verified; each changed octet is noticed. */
static void signatures_of_ldns_are_verified(void **state)
{
    static const ldns_signing_algorithm algorithms[] = {LDNS_SIGN_RSASHA1, LDNS_SIGN_RSASHA256, LDNS_SIGN_RSASHA512,
                                                        LDNS_SIGN_ECDSAP256SHA256, LDNS_SIGN_ECDSAP384SHA384,
                                                        LDNS_SIGN_ED25519};
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
        assert_int_equal(ldns_rr_new_frm_str(&rr, "Host.example. 300 MX 10 Mail.Example.", 0, NULL, NULL), LDNS_STATUS_OK);
        ldns_rr_list_push_rr(set, rr);
        ldns_rr_list *sigs = ldns_sign_public(set, keys);
        assert_int_equal(ldns_rr_list_rr_count(sigs), 1);
        ldns_buffer *sig_wire = ldns_buffer_new(1024), *key_wire = ldns_buffer_new(2048), *set_wire = ldns_buffer_new(512);
        ldns_rr_rdata2buffer_wire(sig_wire, ldns_rr_list_rr(sigs, 0));
        ldns_rr_rdata2buffer_wire(key_wire, dnskey);
        ldns_rr_rdata2buffer_wire(set_wire, rr);
        uint8_t *sig_rdata = ldns_buffer_begin(sig_wire), *key_rdata = ldns_buffer_begin(key_wire);
        uint8_t *set_rdata = ldns_buffer_begin(set_wire);
        size_t sig_len = ldns_buffer_position(sig_wire), key_len = ldns_buffer_position(key_wire);
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
                continue; /* the signer in between */
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
        ldns_key_list_free(keys); /* and the key in it */
    }
}

static void broken_keys_are_refused(void **state)
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
                assert_true(err == ERR_FORMAT || (err == ERR_DENIED && !memchr("\5\7\10\12\15\16\17\20", (int)algorithm, 8)));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_those_of_the_rfc),     cmocka_unit_test(only_hashes_are_read),
        cmocka_unit_test(the_name_before_is_found),        cmocka_unit_test(the_hash_before_is_found),
        cmocka_unit_test(signatures_of_ldns_are_verified), cmocka_unit_test(broken_keys_are_refused),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
