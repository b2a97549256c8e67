/* NSEC3 hashes against those of RFC 5155, and the searches for NSEC and NSEC3 against a linear
 * walk. */
#include "zones.h"

#include "base/hash.h"

/* RFC 5155 appendix A: SHA-1, 12 iterations, salt aabbccdd */
static void hashes_match_the_rfc(void **state)
{
    static const char *const pairs[][2] = {
        {"example.", "0p9mhaveqvm6t7vbl5lop2u3t2rp3tom"},
        {"a.example.", "35mthgpgcu1qg68fab165klnsnk3dpvl"},
        {"X.Y.w.Example.", "2vptu5timamqttgl4luu9kg21e0aor3s"},
        {"*.w.example.", "r53bq7cc2uvmubfu5ocmm6pers9tk9en"}};
    static const uint8_t salt[] = {0xaa, 0xbb, 0xcc, 0xdd};
    struct nsec3_params params = {
        .algorithm = 1, .iterations = 12, .salt_len = 4, .salt = salt};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        uint8_t name[DNAME_MAX], hash[NSEC3_HASH_LEN], back[NSEC3_HASH_LEN],
            label[NSEC3_LABEL_LEN + 2];
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

static void only_hash_labels_are_read(void **state)
{
    uint8_t hash[NSEC3_HASH_LEN];
    (void)state;
    assert_false(
        nsec3_read_label((const uint8_t *)"\040zvptu5timamqttgl4luu9kg21e0aor3s", hash));
    assert_false(
        nsec3_read_label((const uint8_t *)"\0372vptu5timamqttgl4luu9kg21e0aor3", hash));
    assert_true(
        nsec3_read_label((const uint8_t *)"\0402VPTU5TIMAMQTTGL4LUU9KG21E0AOR3S", hash));
}

/* Return a zone with an NSEC at each of many names, a hundred of which share more than the
 * eight octets of their entries' prefixes. */
static struct zone *many_names(void)
{
    char *text, *report = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    fputs(ZONES_HEAD "@ NSEC a.example. A\n", out);
    for (int i = 0; i < 100; i++)
        fprintf(out, "same-to-the-ninth%02d NSEC a A\nn%d.x NSEC a A\nD%d NSEC a A\n", i,
                i * 7919 % 1000, i);
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

static void preceding_names_are_found(void **state)
{
    struct zone *zone = many_names();
    uint8_t name[DNAME_MAX];
    char text[200];
    (void)state;
    assert_int_equal(zone->denial.kind, DENIAL_NSEC);
    srand(11);
    for (int i = 0; i < 20000; i++) {
        static const char *const heads[] = {"same-to-the-ninth", "n", "d", "",
                                            "same-to-the-nin"};
        static const char *const tails[] = {"", ".x", "."};
        snprintf(text, sizeof(text), "%s%d%s%c.example.", heads[rand() % 5], rand() % 120,
                 tails[rand() % 3], 'a' + rand() % 26);
        unit_name(text, name);
        if (rand() % 3 == 0)
            name[1 + (unsigned)rand() % name[0]] = (uint8_t)rand();
        assert_ptr_equal(denial_find_name(&zone->denial, name), walk(zone, name));
    }
    for (size_t i = 0; i < zone->denial.cnt; i++)
        assert_ptr_equal(denial_find_name(&zone->denial, zone->denial.entries[i].node->name),
                         zone->denial.entries[i].node);
    zone_unref(&zone);
}

/* Hashes at random, and hashes that share their first octets, as an attacker can choose names.
 */
static void preceding_hashes_are_found(void **state)
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
    /* the hash of the apex: only a chain with the apex is served */
    fputs("@ NSEC3PARAM 1 0 0 -\n3msev9usmd4br9s97v51r2tdvmr9iqo1 NSEC3 1 0 0 - "
          "3msev9usmd4br9s97v51r2tdvmr9iqo1 A\n",
          out);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_match_the_rfc),
        cmocka_unit_test(only_hash_labels_are_read),
        cmocka_unit_test(preceding_names_are_found),
        cmocka_unit_test(preceding_hashes_are_found),
    };
    hash_init();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
