/* docs/LIMITS.md agrees with the tables of the code: each key below `limits` is on the page
 * with its default, and every other key there has the default that the page says.  So do the
 * manual pages, for all keys. */
#include "unit.h"

#include <ctype.h>

#include "base/hash.h"
#include "resolver/res_conf.h"

static char page[1 << 16];

/* Return the length of the text, which gets a NUL. */
static size_t read_page(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t len = fread(out, 1, size - 1, f);
    fclose(f);
    assert_true(len < size - 1);
    out[len] = '\0';
    return len;
}

/* Copy the value cell of the row that names `path` as a key; false if there is no such row. */
static bool find_value(const char *path, char *out, size_t size)
{
    char quoted[120];
    snprintf(quoted, sizeof(quoted), "`%s`", path);
    const char *at = strstr(page, quoted);
    if (!at)
        return false;
    const char *row = at;
    while (row > page && row[-1] != '\n')
        row--;
    const char *value = strchr(row + 1, '|');
    assert_non_null(value);
    const char *end = strchr(value + 1, '|');
    assert_true(end && end < at);
    size_t len = 0;
    for (const char *c = value + 1; c < end && len + 1 < size; c++)
        if (*c != ',' || c[1] == ' ') /* 10,000 */
            out[len++] = *c;
    out[len] = '\0';
    return true;
}

/* A default as the page writes it. */
static void print_preset(const struct conf_key *key, char *out, size_t size)
{
    static const struct {
        uint64_t ms;
        const char *unit;
    } spans[] = {{86400000, "day"}, {3600000, "hour"}, {60000, "min"}, {1000, "s"}};
    unsigned long long n = key->preset;

    snprintf(out, size, "%llu", n);
    if (key->type == CONF_SIZE)
        snprintf(out, size, n >> 30 ? "%llu GB" : "%llu MB", n >> 30 ? n >> 30 : n >> 20);
    for (size_t i = 0; key->type == CONF_DURATION && i < ARRAY_LEN(spans); i++)
        if (n >= spans[i].ms && n % spans[i].ms == 0) {
            snprintf(out, size, "%llu %s", n / (unsigned long long)spans[i].ms, spans[i].unit);
            return;
        }
}

/* Return how many keys were compared. */
static unsigned compare_keys(const struct conf_key *keys, const char *prefix, bool is_limit)
{
    unsigned cnt = 0;

    for (; keys->name; keys++) {
        char path[100], value[200], preset[60];
        snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", keys->name);
        if (keys->type == CONF_MAP) {
            cnt += compare_keys(keys->keys, path, strcmp(path, "limits") == 0);
            continue;
        }
        if (keys->type != CONF_UINT && keys->type != CONF_SIZE && keys->type != CONF_DURATION)
            continue;
        bool is_there = find_value(path, value, sizeof(value));
        if (is_limit && !is_there)
            fail_msg("docs/LIMITS.md has no row for %s", path);
        print_preset(keys, preset, sizeof(preset));
        if (is_there && !strstr(value, preset))
            fail_msg("%s is %s by default, docs/LIMITS.md says%s", path, preset, value);
        cnt += is_there;
    }
    return cnt;
}

static void the_page_has_the_defaults(void **state)
{
    (void)state;
    read_page(ROOTLINE_DOCS "/LIMITS.md", page, sizeof(page));
    assert_true(compare_keys(res_conf_keys, "", false) >= 20);
}

/* ---- manual pages ---- */

static char manual[1 << 17];

/* Append a manual page without blanks, quotation marks, macros and changes of the font, so that
 * a key stands before its default as in a file. */
static void add_manual(const char *path)
{
    size_t len = strlen(manual),
           end = len + read_page(path, manual + len, sizeof(manual) - len);
    for (size_t i = len; i < end; i++) {
        if (manual[i] == '\\' && manual[i + 1] == 'f')
            i += 2;
        else if (manual[i] == '.' && i > 0 && manual[i - 1] == '\n') /* a macro, ".BI" */
            i += strcspn(manual + i, " \n") - 1;
        else if (!strchr(" \"", manual[i]))
            manual[len++] = manual[i];
    }
    manual[len] = '\0';
}

/* A default as a file writes it.  False: the key has none. */
static bool print_default(const struct conf_key *key, char *out, size_t size)
{
    static const char units[] = "\0KMG";
    unsigned long long n = key->preset;
    unsigned unit = 0;

    switch (key->type) {
    case CONF_UINT: snprintf(out, size, "%llu", n); return true;
    case CONF_BOOL: snprintf(out, size, "%s", n ? "true" : "false"); return true;
    case CONF_ENUM: snprintf(out, size, "%s", key->words[n]); return true;
    case CONF_SIZE:
        for (; n >= 1024 && n % 1024 == 0; n /= 1024)
            unit++;
        snprintf(out, size, "%llu%.1s", n, &units[unit]);
        return true;
    case CONF_DURATION:
        if (n > 0 && n % 86400000 == 0)
            snprintf(out, size, "%llud", n / 86400000);
        else if (n > 0 && n % 3600000 == 0)
            snprintf(out, size, "%lluh", n / 3600000);
        else
            snprintf(out, size, "%llus", n / 1000);
        return true;
    case CONF_STRING:
    case CONF_PATH: snprintf(out, size, "%s", key->preset_text ? key->preset_text : ""); break;
    case CONF_PREFIXES:
        snprintf(out, size, "[%s]", key->preset_text ? key->preset_text : "");
        break;
    default: return false;
    }
    size_t len = 0;
    for (const char *c = out; *c; c++)
        if (*c != ' ')
            out[len++] = *c;
    out[len] = '\0';
    return key->preset_text != NULL;
}

/* Return how many defaults were found. */
static unsigned find_defaults(const struct conf_key *keys)
{
    char value[100], wanted[200];
    unsigned cnt = 0;

    for (; keys->name; keys++) {
        if (keys->type == CONF_MAP && strcmp(keys->name, "lab") != 0)
            cnt += find_defaults(keys->keys);
        if (!print_default(keys, value, sizeof(value)))
            continue;
        int len = snprintf(wanted, sizeof(wanted), "%s:%s", keys->name, value);
        const char *at = strstr(manual, wanted);
        while (at && (isalnum((unsigned char)at[len]) || isalnum((unsigned char)at[-1]) ||
                      at[-1] == '-'))
            at = strstr(at + 1, wanted);
        if (!at)
            fail_msg("no manual page has %s", wanted);
        cnt++;
    }
    return cnt;
}

static void the_manual_pages_have_the_defaults(void **state)
{
    (void)state;
    manual[0] = '\0';
    add_manual(ROOTLINE_DOCS "/man/rootline-authd.8");
    add_manual(ROOTLINE_DOCS "/man/rootline-resolver.8");
    assert_true(find_defaults(res_conf_keys) >= 40);
}

/* A prefix that is the default of a list is in it without the key, and not in an empty list. */
static void lists_have_their_defaults(void **state)
{
    static const char *const texts[] = {
        "server: {listen: [127.0.0.1@5300]}\n",
        "server: {listen: [127.0.0.1@5300], rate-limit: {exempt: []}}\nallow: []\n"
        "resolver: {do-not-query: []}\n"};
    struct addr here, other;
    struct diag diag;

    (void)state;
    diag_init(&diag);
    hash_init();
    assert_int_equal(addr_read("127.0.0.9", 53, &here), ERR_OK);
    assert_int_equal(addr_read("192.0.2.1", 53, &other), ERR_OK);
    for (unsigned i = 0; i < ARRAY_LEN(texts); i++) {
        struct res_conf *conf = NULL;
        assert_int_equal(res_conf_parse("x.yaml", texts[i], strlen(texts[i]), &diag, &conf),
                         ERR_OK);
        const struct addr_prefixes *lists[] = {&conf->allow, &conf->server.rate_limit.exempt,
                                               &conf->do_not_query};
        static const size_t cnts[] = {2, 2, 4};
        for (size_t k = 0; k < ARRAY_LEN(lists); k++) {
            assert_int_equal(lists[k]->cnt, i == 0 ? cnts[k] : 0);
            assert_int_equal(addr_is_in(lists[k], &here), i == 0);
            assert_false(addr_is_in(lists[k], &other));
        }
        res_conf_free(&conf);
    }
    diag_fini(&diag);
}

/* The sentence of the failure that a limit causes names the limit's key. */
static void each_failure_names_its_limit(void **state)
{
    static const struct {
        const char *key;
        enum failure failure;
    } rows[] = {
#define LIMIT(field, key, type, preset, min, max, failure) {"limits." key, (failure)},
#include "resolver/limits/limits.def"
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].failure != FAILURE_NONE &&
            !strstr(failure_text(rows[i].failure), rows[i].key))
            fail_msg("\"%s\" does not name %s", failure_text(rows[i].failure), rows[i].key);
}

/* A policy without a configuration has the same limits as one with an empty configuration. */
static void the_policy_has_the_same_defaults(void **state)
{
    static const char text[] = "server: {listen: [127.0.0.1@5300]}\n";
    struct diag diag;
    struct res_conf *conf = NULL;
    struct policy *policy = policy_new();

    (void)state;
    diag_init(&diag);
    hash_init();
    assert_non_null(policy);
    assert_int_equal(res_conf_parse("x.yaml", text, strlen(text), &diag, &conf), ERR_OK);
    assert_memory_equal(&conf->policy->limits, &policy->limits, sizeof(policy->limits));
    assert_memory_equal(&conf->policy->ttls, &policy->ttls, sizeof(policy->ttls));
    assert_memory_equal(&conf->policy->defences, &policy->defences, sizeof(policy->defences));
    assert_int_equal(conf->policy->stale_ms, policy->stale_ms);
    assert_int_equal(conf->policy->outgoing_port, policy->outgoing_port);
    assert_true(conf->policy->is_prefetching && conf->policy->is_minimising &&
                conf->policy->is_aggressive && conf->policy->is_priming &&
                conf->policy->uses_v4 && conf->policy->uses_v6 &&
                conf->policy->signals_anchors);
    res_conf_free(&conf);
    policy_free(&policy);
    diag_fini(&diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_has_the_defaults),
        cmocka_unit_test(the_manual_pages_have_the_defaults),
        cmocka_unit_test(lists_have_their_defaults),
        cmocka_unit_test(each_failure_names_its_limit),
        cmocka_unit_test(the_policy_has_the_same_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
