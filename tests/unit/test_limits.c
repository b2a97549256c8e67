/* The table of limits, docs/LIMITS.md and what the daemons report agree: each row of the page
 * names keys and constants of the table, and has their defaults, counters, failures, attacks
 * and references, and nothing else.  The manual pages have the default of each key. */
#include "unit.h"

#include <ctype.h>

#include "authd/load/zonefile.h"
#include "authd/sign/keydir.h"
#include "base/hash.h"
#include "dns/edns.h"
#include "dns/nsec3.h"
#include "dns/owners.h"
#include "net/control/control.h"
#include "net/daemon/daemon.h"
#include "net/transport/h2.h"
#include "net/transport/stream.h"
#include "net/transport/tls.h"
#include "net/upstream/out_net.h"
#include "resolver/answer/aggressive.h"
#include "resolver/answer/res_serve.h"
#include "resolver/answer/tunnel.h"
#include "resolver/cache/cache_denial.h"
#include "resolver/cache/cache_lmdb.h"
#include "resolver/explain/explain.h"
#include "resolver/explain/res_explain.h"
#include "resolver/iterate/chain.h"
#include "resolver/iterate/keycache.h"
#include "resolver/iterate/step_reply.h"
#include "resolver/res_conf.h"
#include "resolver/validate/deny.h"
#include "resolver/validate/rollover_file.h"
#include "resolver/validate/sigmemo.h"

enum { CELLS = 7, CELL_MAX = 400, NAMES_MAX = 8, PATH_ROOM = 100 };

/* The cells of a row of docs/LIMITS.md. */
enum {
    CELL_LIMIT,
    CELL_VALUE,
    CELL_NAMES,
    CELL_COUNTERS,
    CELL_FAILURES,
    CELL_ATTACKS,
    CELL_FILES
};

enum limit_unit { COUNT, OCTETS, MS, S, PERCENT, TENTHS, PART };

/* A row of limits.def. */
struct limit {
    const char *name; /* of the constant, or of the key */
    bool is_key;
    enum limit_unit unit; /* of a constant */
    uint64_t value;       /* of a constant */
    const char *counters;
    enum failure failure;
    const char *attack, *reference;
};

static const struct limit limits[] = {
#define LIMIT(field, key, type, preset, min, max, counters, failure, attack, reference) \
    {"limits." key, true, 0, 0, counters, failure, attack, reference},
#define LIMIT_KEY(key, counters, failure, attack, reference) \
    {key, true, 0, 0, counters, failure, attack, reference},
#define LIMIT_FIXED(constant, unit, counters, failure, attack, reference) \
    {#constant, false, unit, (uint64_t)(constant), counters, failure, attack, reference},
#include "resolver/limits/limits.def"
};

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

/* ---- the value of a limit, as the page writes it ---- */

static const struct conf_key *find_key(const char *path)
{
    const struct conf_key *keys = res_conf_keys;
    size_t len = strcspn(path, ".");

    while (keys->name && (strncmp(keys->name, path, len) != 0 || keys->name[len]))
        keys++;
    while (keys->name && path[len]) {
        path += len + 1;
        len = strcspn(path, ".");
        for (keys = keys->keys; keys->name; keys++)
            if (strncmp(keys->name, path, len) == 0 && !keys->name[len])
                break;
    }
    if (!keys->name)
        fail_msg("limits.def has the key %s, which does not exist", path);
    return keys;
}

static void print_span(unsigned long long ms, char out[CELL_MAX])
{
    static const struct {
        unsigned long long ms;
        const char *unit, *plural;
    } spans[] = {{86400000, "day", "s"}, {3600000, "hour", "s"}, {60000, "min", ""}};

    snprintf(out, CELL_MAX, "%g s", (double)ms / 1000);
    for (size_t i = ARRAY_LEN(spans); i-- > 0;)
        if (ms > 0 && ms % spans[i].ms == 0)
            snprintf(out, CELL_MAX, "%llu %s%s", ms / spans[i].ms, spans[i].unit,
                     ms == spans[i].ms ? "" : spans[i].plural);
}

static void print_octets(unsigned long long n, char out[CELL_MAX])
{
    static const char *const units[] = {"", " kB", " MB", " GB"};
    unsigned unit = 0;

    for (bool is_large = n >= 1 << 17; is_large && n % 1024 == 0; n /= 1024)
        unit++;
    snprintf(out, CELL_MAX, "%llu%s", n, units[unit]);
}

/* "" for a key whose default is no figure. */
static void print_value(const struct limit *limit, char out[CELL_MAX])
{
    enum limit_unit unit = limit->unit;
    unsigned long long n = limit->value;

    if (limit->is_key) {
        const struct conf_key *key = find_key(limit->name);
        bool has_figure =
            key->type == CONF_UINT || key->type == CONF_SIZE || key->type == CONF_DURATION;
        n = key->preset;
        unit = key->type == CONF_SIZE ? OCTETS : key->type == CONF_DURATION ? MS : COUNT;
        if (!has_figure) {
            snprintf(out, CELL_MAX, "%s", key->preset_text ? key->preset_text : "");
            return;
        }
    }
    switch (unit) {
    case COUNT: snprintf(out, CELL_MAX, "%llu", n); break;
    case OCTETS: print_octets(n, out); break;
    case MS: print_span(n, out); break;
    case S: print_span(n * 1000, out); break;
    case PERCENT: snprintf(out, CELL_MAX, "%llu %%", n); break;
    case TENTHS: snprintf(out, CELL_MAX, "%g", (double)n / 10); break;
    case PART: snprintf(out, CELL_MAX, "1/%llu", n); break;
    }
}

/* ---- the page ---- */

/* Write 10,000 as 10000. */
static void drop_separators(char *text)
{
    char *to = text;
    for (const char *c = text; *c; c++)
        if (*c != ',' || !isdigit((unsigned char)c[1]))
            *to++ = *c;
    *to = '\0';
}

/* Split a line of the page; false if it is no row of a table of limits. */
static bool split_row(const char *line, size_t len, char cells[CELLS][CELL_MAX])
{
    if (len < 2 || strncmp(line, "| ", 2) != 0 || strncmp(line, "| limit |", 9) == 0)
        return false;
    const char *at = line + 1, *end = line + len;
    for (int i = 0; i < CELLS; i++) {
        const char *stop = memchr(at, '|', (size_t)(end - at));
        if (!stop)
            fail_msg("%.*s: less than %d cells", (int)len, line, CELLS);
        assert_true(stop - at < CELL_MAX);
        snprintf(cells[i], CELL_MAX, "%.*s", (int)(stop - at), at);
        at = stop + 1;
    }
    assert_ptr_equal(at, end);
    return true;
}

/* Return where the figure stands in `text` as a word of its own; NULL if it does not. */
static const char *find_figure(const char *text, const char *figure)
{
    size_t len = strlen(figure);

    for (const char *at = strstr(text, figure); at; at = strstr(at + 1, figure)) {
        bool is_begun = at > text && (isalnum((unsigned char)at[-1]) || at[-1] == '.');
        bool goes_on = isalnum((unsigned char)at[len]) ||
                       (at[len] == '.' && isdigit((unsigned char)at[len + 1]));
        if (!is_begun && !goes_on)
            return at;
    }
    return NULL;
}

/* The value has the figures of these limits, in this order, and no other. */
static void compare_values(char cells[CELLS][CELL_MAX], const struct limit *const *of, int cnt)
{
    char figure[CELL_MAX];
    const char *at = cells[CELL_VALUE];

    drop_separators(cells[CELL_VALUE]);
    for (int i = 0; i < cnt; i++) {
        print_value(of[i], figure);
        if (!*figure)
            continue;
        const char *found = find_figure(at, figure);
        if (!found)
            fail_msg("%s is %s, docs/LIMITS.md says%s", of[i]->name, figure, cells[CELL_VALUE]);
        size_t before = strcspn(at, "0123456789");
        if (at + before < found)
            fail_msg("docs/LIMITS.md says%s, which has a figure before that of %s",
                     cells[CELL_VALUE], of[i]->name);
        at = found + strlen(figure);
    }
    if (at[strcspn(at, "0123456789")])
        fail_msg("docs/LIMITS.md says%sfor%s, which has a figure of no limit",
                 cells[CELL_VALUE], cells[CELL_LIMIT]);
}

static const char name_letters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";

/* `cell` has each of the texts, and no word that none of them has. */
static void compare_cell(const char *what, const char *cell, const char *const *texts, int cnt,
                         const char *row)
{
    for (int i = 0; i < cnt; i++)
        if (*texts[i] && !strstr(cell, texts[i]))
            fail_msg("docs/LIMITS.md lacks the %s %s of%s", what, texts[i], row);
    for (const char *word = cell; *(word += strcspn(word, name_letters));) {
        char text[CELL_MAX];
        size_t len = strspn(word, name_letters);
        bool is_known = false;
        snprintf(text, sizeof(text), "%.*s", (int)len, word);
        for (int i = 0; i < cnt; i++)
            is_known |= find_figure(texts[i], text) != NULL;
        if (!is_known)
            fail_msg("docs/LIMITS.md has the %s %s of%s, the table does not", what, text, row);
        word += len;
    }
}

/* One of the files is that of the constant: SCRUB_CHAIN_MAX is in scrub.h. */
static void compare_files(const char *files, const struct limit *limit)
{
    for (const char *at = files; (at = strchr(at, '`')); at = strchr(at + 1, '`') + 1) {
        size_t len = strcspn(++at, ".");
        bool is_prefix = limit->name[len] == '_';
        for (size_t i = 0; i < len && is_prefix; i++)
            is_prefix = toupper((unsigned char)at[i]) == limit->name[i];
        if (is_prefix)
            return;
    }
    fail_msg("docs/LIMITS.md has%sfor %s", files, limit->name);
}

static int list_limits(const char *cell, const struct limit **out, bool *seen)
{
    int cnt = 0;

    for (const char *at = cell; (at = strchr(at, '`')); at++) {
        size_t len = strcspn(++at, "`"), i = 0;
        while (i < ARRAY_LEN(limits) &&
               (strncmp(limits[i].name, at, len) != 0 || limits[i].name[len]))
            i++;
        if (i == ARRAY_LEN(limits))
            fail_msg("docs/LIMITS.md has %.*s, which is not in limits.def", (int)len, at);
        assert_true(cnt < NAMES_MAX);
        out[cnt++] = &limits[i];
        seen[i] = true;
        at += len;
    }
    return cnt;
}

static void compare_row(char cells[CELLS][CELL_MAX], bool *seen)
{
    const struct limit *of[NAMES_MAX];
    const char *counters[NAMES_MAX * 2], *failures[NAMES_MAX], *attacks[NAMES_MAX * 2];
    char words[NAMES_MAX * 2][PATH_ROOM];
    int cnt = list_limits(cells[CELL_NAMES], of, seen), counter_cnt = 0;

    if (cnt == 0)
        fail_msg("docs/LIMITS.md has no key or constant for%s", cells[CELL_LIMIT]);
    compare_values(cells, of, cnt);
    for (int i = 0; i < cnt; i++) {
        for (const char *c = of[i]->counters; *c; c += strspn(c, " ")) {
            size_t len = strcspn(c, " ");
            snprintf(words[counter_cnt], PATH_ROOM, "%.*s", (int)len, c);
            counters[counter_cnt] = words[counter_cnt];
            counter_cnt++;
            c += len;
        }
        failures[i] = of[i]->failure == FAILURE_NONE ? "" : failure_id(of[i]->failure);
        attacks[2 * i] = of[i]->attack;
        attacks[2 * i + 1] = of[i]->reference;
        if (!of[i]->is_key)
            compare_files(cells[CELL_FILES], of[i]);
    }
    compare_cell("counter", cells[CELL_COUNTERS], counters, counter_cnt, cells[CELL_LIMIT]);
    compare_cell("failure", cells[CELL_FAILURES], failures, cnt, cells[CELL_LIMIT]);
    compare_cell("attack", cells[CELL_ATTACKS], attacks, 2 * cnt, cells[CELL_LIMIT]);
}

static void the_page_has_the_table(void **state)
{
    static char page[1 << 16];
    char cells[CELLS][CELL_MAX];
    bool seen[ARRAY_LEN(limits)] = {false};

    (void)state;
    read_page(ROOTLINE_DOCS "/LIMITS.md", page, sizeof(page));
    for (const char *line = page; *line; line += strcspn(line, "\n") + 1)
        if (split_row(line, strcspn(line, "\n"), cells))
            compare_row(cells, seen);
    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        if (!seen[i])
            fail_msg("docs/LIMITS.md has no row for %s", limits[i].name);
}

/* ---- the table ---- */

static bool names_limit(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        if (strcmp(limits[i].name, name) == 0)
            return true;
    return false;
}

static void each_key_below_limits_is_in_the_table(void **state)
{
    char path[PATH_ROOM];

    (void)state;
    for (const struct conf_key *key = find_key("limits")->keys; key->name; key++) {
        snprintf(path, sizeof(path), "limits.%s", key->name);
        if (!names_limit(path))
            fail_msg("limits.def has no row for %s", path);
    }
}

/* Return true if a row of the table has this counter. */
static bool has_counter(const char *id)
{
    char path[PATH_ROOM];

    snprintf(path, sizeof(path), "limits.%s", id);
    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        if (find_figure(limits[i].counters, path))
            return true;
    return false;
}

/* `rootline status` has what counts limits below `limits`, and `rootline stats` has it too. */
static void expect_status_key(const char *schema, const char *path)
{
    char quoted[PATH_ROOM];
    const char *id = strncmp(path, "limits.", 7) == 0 ? path + 7 : path;
    bool is_limit = false;

    for (size_t i = 0; i < ENGINE_COUNTERS; i++)
        is_limit |= engine_counters[i].is_limit && strcmp(engine_counters[i].id, id) == 0;
    for (size_t i = 0; i < daemon_counter_cnt; i++)
        is_limit |= strcmp(daemon_counters[i].id, id) == 0;
    if (is_limit != (id != path))
        fail_msg("%s: %s counts %s limit", path, id, is_limit ? "a" : "no");
    for (size_t len; !is_limit && *id; id += len + (id[len] == '.')) {
        len = strcspn(id, ".");
        snprintf(quoted, sizeof(quoted), "\"%.*s\"", (int)len, id);
        if (!strstr(schema, quoted))
            fail_msg("status.json does not have %s of %s", quoted, path);
    }
}

static void counters_and_limits_agree(void **state)
{
    static char schema[1 << 16];
    char path[PATH_ROOM];

    (void)state;
    read_page(ROOTLINE_DOCS "/schema/status.json", schema, sizeof(schema));
    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        for (const char *c = limits[i].counters; *c; c += strspn(c, " ")) {
            size_t len = strcspn(c, " ");
            snprintf(path, sizeof(path), "%.*s", (int)len, c);
            expect_status_key(schema, path);
            c += len;
        }
    for (size_t i = 0; i < ENGINE_COUNTERS; i++)
        if (engine_counters[i].is_limit && !has_counter(engine_counters[i].id))
            fail_msg("no row of limits.def has the counter %s", engine_counters[i].id);
    for (size_t i = 0; i < daemon_counter_cnt; i++)
        if (!has_counter(daemon_counters[i].id))
            fail_msg("no row of limits.def has the counter %s", daemon_counters[i].id);
}

/* A failure whose identifier begins with "limit-" is that of a limit, except that of a
 * subquery, which reached a limit of its own. */
static void each_failure_at_a_limit_is_in_the_table(void **state)
{
    (void)state;
    for (int f = FAILURE_NONE; f < FAILURE_CNT; f++) {
        bool is_found = f == FAILURE_SUBQUERY;
        for (size_t i = 0; i < ARRAY_LEN(limits); i++)
            is_found |= limits[i].failure == (enum failure)f;
        if (strncmp(failure_id((enum failure)f), "limit-", 6) == 0 && !is_found)
            fail_msg("no row of limits.def has the failure %s", failure_id((enum failure)f));
    }
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
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
        const char *text = failure_text(limits[i].failure);
        if (limits[i].is_key && *text && !strstr(text, limits[i].name))
            fail_msg("\"%s\" does not name %s", text, limits[i].name);
    }
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
        cmocka_unit_test(the_page_has_the_table),
        cmocka_unit_test(each_key_below_limits_is_in_the_table),
        cmocka_unit_test(counters_and_limits_agree),
        cmocka_unit_test(each_failure_at_a_limit_is_in_the_table),
        cmocka_unit_test(the_manual_pages_have_the_defaults),
        cmocka_unit_test(lists_have_their_defaults),
        cmocka_unit_test(each_failure_names_its_limit),
        cmocka_unit_test(the_policy_has_the_same_defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
