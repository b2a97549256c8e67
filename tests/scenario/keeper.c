/* A state that the scenario expects and that nothing was learned for is that of the
 * configuration: the state file of a scenario is read as configured anchors. */
#include "tests/scenario/keeper.h"

#include <ctype.h>
#include <unistd.h>

#include "base/now.h"
#include "dns/dnskey.h"
#include "dns/rrline.h"
#include "resolver/validate/rollover_file.h"

enum { KEY_MAX = 2000 };

static void note_new_trust(void *data)
{
    struct keeper *k = data;
    k->has_new_trust = true;
}

/* ---- begin and end ---- */

static bool is_entry_point(const struct rpl_anchor *anchor)
{
    return dnskey_read(anchor->rr.rdata, anchor->rr.rdata_len).flags & DNSKEY_ENTRY;
}

/* True if the key is not configured: Unbound forgets a ZSK with the first reply if the file has
 * a KSK too. */
static bool is_forgotten(const struct rpl_anchor *anchors, const struct rpl_anchor *anchor)
{
    bool has_entry_point = false;

    for (; anchors; anchors = anchors->next)
        has_entry_point |= is_entry_point(anchors);
    return has_entry_point && !is_entry_point(anchor);
}

void keeper_configure(struct keeper *k, struct stage *stage, const struct rpl *rpl)
{
    static struct rrline line;
    const char *base = getenv("TMPDIR");

    k->stage = stage;
    if (!rpl->anchors)
        return;
    for (const struct rpl_anchor *a = rpl->anchors; a; a = a->next)
        if (!is_forgotten(rpl->anchors, a))
            must(anchor_add(&stage->policy->anchors, a->text, strlen(a->text), &line, NULL) ==
                 ERR_OK);
    snprintf(k->folder, sizeof(k->folder), "%s/keeper-XXXXXX", base ? base : "/tmp");
    must(mkdtemp(k->folder) != NULL);
    stage->policy->is_validating = true;
    must(anchors_learn(stage->policy, k->folder) == ERR_OK);
}

void keeper_open(struct keeper *k)
{
    if (!*k->folder)
        return;
    k->anchors = anchors_new(k->stage->serve, k->folder, note_new_trust, k);
    must(k->anchors != NULL);
}

static void print_state_path(const struct keeper *k, char out[PATH_MAX + 20])
{
    snprintf(out, PATH_MAX + 20, "%s/trust-anchors", k->folder);
}

void keeper_close(struct keeper *k)
{
    char path[PATH_MAX + 20];

    anchors_free(&k->anchors);
    if (!*k->folder)
        return;
    print_state_path(k, path);
    (void)unlink(path);
    (void)rmdir(k->folder);
}

/* ---- the work ---- */

void keeper_tick(struct keeper *k)
{
    if (k->anchors)
        (void)anchors_tick(k->anchors);
}

void keeper_reload(struct keeper *k)
{
    struct policy *policy = k->stage->policy;

    if (!k->anchors || !k->has_new_trust)
        return;
    k->has_new_trust = false;
    anchors_free(&k->anchors);
    anchor_fini(&policy->anchors);
    policy->anchors = policy->configured_anchors;
    policy->configured_anchors = (struct anchor_set){.cnt = 0};
    policy->is_validating = true;
    must(anchors_learn(policy, k->folder) == ERR_OK);
    policy_seal_trust(policy);
    res_serve_adopt(k->stage->serve, policy);
    keeper_open(k);
}

/* ---- expressions ---- */

static int64_t find_variable(const struct keeper *k, const char *name, size_t len)
{
    for (size_t i = 0; i < k->variable_cnt; i++)
        if (strlen(k->variables[i].name) == len && memcmp(k->variables[i].name, name, len) == 0)
            return k->variables[i].value;
    return 0;
}

int64_t keeper_evaluate(const struct keeper *k, const char *expression)
{
    int64_t sum = 0, product = 1;
    long long most;

    if (sscanf(expression, "${range %*d ${timeout} %lld}", &most) == 1)
        return most;
    if (strcmp(expression, "${time}") == 0)
        return now_wall_ms() / 1000;
    for (const char *p = expression; *p;) {
        size_t len = 1;
        if (isdigit((unsigned char)*p)) {
            char *end;
            product *= strtoll(p, &end, 10);
            len = (size_t)(end - p);
        } else if (isalpha((unsigned char)*p)) {
            while (isalnum((unsigned char)p[len]))
                len++;
            product *= find_variable(k, p, len);
        } else if (*p == '+') {
            sum += product;
            product = 1;
        }
        p += len;
    }
    return sum + product;
}

void keeper_assign(struct keeper *k, const char *name, const char *expression)
{
    must(k->variable_cnt < KEEPER_VARIABLES);
    struct keeper_variable *v = &k->variables[k->variable_cnt++];
    snprintf(v->name, sizeof(v->name), "%s", name);
    v->value = keeper_evaluate(k, expression);
}

/* ---- comparing ---- */

/* Copy RDATA of a key, the REVOKE bit clear. */
static size_t copy_unrevoked(const struct rpl_rr *rr, uint8_t out[KEY_MAX])
{
    size_t len = util_min(rr->rdata_len, KEY_MAX);

    memcpy(out, rr->rdata, len);
    out[1] &= (uint8_t)~DNSKEY_REVOKE;
    return len;
}

static bool is_key_trusted(const struct keeper *k, const struct rpl_rr *rr)
{
    const struct anchor *anchor = anchor_find(&k->stage->policy->anchors, rr->owner);

    for (size_t pos = 0; anchor && anchor->keys && pos < anchor->keys->size;) {
        struct rrset_record record = rrset_at(anchor->keys, pos, &pos);
        if (record.len == rr->rdata_len && memcmp(record.rdata, rr->rdata, record.len) == 0)
            return true;
    }
    return false;
}

/* Return what is wrong with one key, or NULL. */
static const char *check_key(const struct keeper *k, struct rollover_zone *zone,
                             const struct rpl_anchor *wanted)
{
    uint8_t rdata[KEY_MAX];
    size_t len = copy_unrevoked(&wanted->rr, rdata);
    const struct rollover_key *key = zone ? rollover_find_key(zone, rdata, len) : NULL;

    if (wanted->state < 0)
        return is_key_trusted(k, &wanted->rr) ? NULL : "is not trusted";
    if (!key && wanted->state == ROLLOVER_VALID)
        return is_key_trusted(k, &wanted->rr) ? NULL : "is neither known nor configured";
    if (!key)
        return "is not known";
    if ((int)key->state != wanted->state)
        return rollover_state_name(key->state);
    if (*wanted->since && key->since_s != keeper_evaluate(k, wanted->since))
        return "has its state since another time";
    return NULL;
}

static bool is_wanted_key(const struct rpl_anchor *wanted, const struct rollover_key *key)
{
    uint8_t rdata[KEY_MAX];

    for (; wanted; wanted = wanted->next)
        if (copy_unrevoked(&wanted->rr, rdata) == key->len &&
            memcmp(rdata, key->rdata, key->len) == 0)
            return true;
    return false;
}

static const char *compare_keys(const struct keeper *k, struct rollover_zone *zone,
                                const struct rpl_anchor *wanted, unsigned *tag)
{
    for (const struct rpl_anchor *a = wanted; a; a = a->next) {
        const char *what = is_forgotten(wanted, a) ? NULL : check_key(k, zone, a);
        *tag = dnskey_read(a->rr.rdata, a->rr.rdata_len).tag;
        if (what)
            return what;
    }
    /* a key that was removed is remembered: it is never trusted again */
    for (unsigned i = 0; zone && i < zone->cnt; i++) {
        *tag = dnskey_read(zone->keys[i].rdata, zone->keys[i].len).tag;
        if (zone->keys[i].state != ROLLOVER_REMOVED && !is_wanted_key(wanted, &zone->keys[i]))
            return "is not expected";
    }
    return NULL;
}

bool keeper_check(const struct keeper *k, const struct rpl_anchor *wanted, struct fault *fault)
{
    struct rollover *rollover = NULL;
    struct rollover_zone *zone = NULL;
    char path[PATH_MAX + 20];
    struct diag diag;
    unsigned tag = 0;

    print_state_path(k, path);
    diag_init(&diag);
    must(rollover_new(&k->stage->policy->configured_anchors, &rollover) == ERR_OK);
    enum err err = rollover_file_load(rollover, path, &diag);
    for (size_t i = 0; wanted && i < rollover->cnt; i++)
        if (dname_is_equal(rollover->zones[i].zone, wanted->rr.owner))
            zone = &rollover->zones[i];
    const char *what = err && err != ERR_ABSENT ? "the state file cannot be read"
                                                : compare_keys(k, zone, wanted, &tag);
    if (what)
        fault_set(fault, ERR_FORMAT, "key %u: %s", tag, what);
    rollover_free(&rollover);
    diag_fini(&diag);
    return !what;
}
