/* One broken zone must not take the others down, and a broken edit must not take its own zone
 * down. */
#include "authd/auth_conf.h"

#include "authd/zonefile.h"
#include "base/log.h"
#include "dns/dname_text.h"

static void read_zone_name(struct conf_reader *reader, const struct conf_node *node,
                           void *target)
{
    static const uint8_t root[] = {0};
    uint8_t name[DNAME_MAX];
    size_t len;
    const char *why = "";
    const char *text = conf_text(reader, node);

    if (!text)
        return;
    if (dname_text_read(text, strlen(text), root, name, &len, &why, NULL) != ERR_OK) {
        conf_wrong(reader, node, "\"%s\" is no domain name: %s", text, why);
        return;
    }
    const uint8_t *copy = arena_copy(conf_arena(reader), name, len);
    if (copy)
        *(const uint8_t **)target = copy;
    else
        conf_wrong(reader, node, "out of memory");
}

struct numbered {
    const uint8_t *name;
    size_t i;
};

static int compare_numbered(const void *left, const void *right)
{
    const struct numbered *a = left, *b = right;
    int diff = dname_compare(a->name, b->name);
    return diff ? diff : a->i < b->i ? -1 : 1;
}

static void check_zones(struct conf_reader *reader, const struct conf_node *node, void *target)
{
    const struct conf_list *list = target;
    const struct auth_conf_zone *zones = list->items;
    struct numbered *sorted = calloc(list->cnt + 1, sizeof(*sorted));

    for (size_t i = 0; i < list->cnt && sorted; i++)
        sorted[i] = (struct numbered){.name = zones[i].name, .i = i};
    if (sorted)
        qsort(sorted, list->cnt, sizeof(*sorted), compare_numbered);
    for (size_t i = 1; i < list->cnt && sorted; i++)
        if (dname_is_equal(sorted[i - 1].name, sorted[i].name)) {
            char text[DNAME_TEXT_MAX];
            dname_text_print(sorted[i].name, text);
            conf_wrong(reader, conf_item(reader, node, sorted[i].i),
                       "the zone %s is listed twice", text);
        }
    free(sorted);
}

static const struct conf_key zone_keys[] = {
    {.name = "zone",
     .type = CONF_CUSTOM,
     .offset = offsetof(struct auth_conf_zone, name),
     .read = read_zone_name,
     .is_required = true},
    {.name = "file",
     .type = CONF_PATH,
     .offset = offsetof(struct auth_conf_zone, file),
     .is_required = true},
    {.name = NULL},
};

static const struct conf_key keys[] = {
    {.name = "server",
     .type = CONF_MAP,
     .offset = offsetof(struct auth_conf, server),
     .keys = server_conf_server_keys,
     .is_required = true},
    {.name = "log",
     .type = CONF_MAP,
     .offset = offsetof(struct auth_conf, server),
     .keys = server_conf_log_keys},
    {.name = "zones",
     .type = CONF_LIST,
     .offset = offsetof(struct auth_conf, zones),
     .keys = zone_keys,
     .item_size = sizeof(struct auth_conf_zone),
     .check = check_zones},
    {.name = "limits",
     .type = CONF_MAP,
     .offset = offsetof(struct auth_conf, server),
     .keys = server_conf_limits_keys},
    {.name = "views", .type = CONF_UNBUILT},
    {.name = "keys", .type = CONF_UNBUILT},
    {.name = NULL},
};

static struct auth_conf *new_conf(void)
{
    struct auth_conf *conf = calloc(1, sizeof(*conf));
    if (conf) {
        arena_init(&conf->arena, 0);
        server_conf_init(&conf->server);
    }
    return conf;
}

static enum err keep_if_right(enum err err, struct auth_conf *conf, struct auth_conf **out)
{
    if (err)
        auth_conf_free(&conf);
    else
        *out = conf;
    return err;
}

enum err auth_conf_read(const char *path, struct diag *diag, struct auth_conf **out)
{
    struct auth_conf *conf = new_conf();
    if (!conf)
        return ERR_NOMEM;
    return keep_if_right(conf_read(path, keys, conf, &conf->arena, diag), conf, out);
}

enum err auth_conf_parse(const char *path, const char *text, size_t len, struct diag *diag,
                         struct auth_conf **out)
{
    struct auth_conf *conf = new_conf();
    if (!conf)
        return ERR_NOMEM;
    return keep_if_right(conf_parse(path, text, len, keys, conf, &conf->arena, diag), conf,
                         out);
}

void auth_conf_free(struct auth_conf **conf)
{
    if (*conf)
        arena_fini(&(*conf)->arena);
    free(*conf);
    *conf = NULL;
}

/* ---- zones ---- */

static bool is_same_file(const struct zone *zone, const struct auth_conf_zone *wanted)
{
    return zone->is_loaded && zone->file_cnt > 0 &&
           strcmp(zone->files[0].path, wanted->file) == 0 && !zone_is_outdated(zone);
}

/* What is served for a zone whose file cannot be: the version before, or nothing but SERVFAIL.
 */
static enum err fall_back(const struct auth_conf_zone *wanted, struct zone *old,
                          const char *name, struct zone **out)
{
    if (old && old->is_loaded) {
        log_error("zone %s: %s is broken; serial %u from before is still served (\"rootline "
                  "zone check %s %s\" "
                  "shows the lines)",
                  name, wanted->file, old->serial, name, wanted->file);
        *out = zone_ref(old);
        return ERR_OK;
    }
    log_error("zone %s: %s is broken; until it is mended the answer is SERVFAIL (\"rootline "
              "zone check %s %s\" "
              "shows the lines)",
              name, wanted->file, name, wanted->file);
    return zone_new(wanted->name, out);
}

static enum err load_zone(const struct auth_conf_zone *wanted, struct zone *old,
                          struct zone **out, size_t *failed_cnt)
{
    char name[DNAME_TEXT_MAX];
    struct diag diag;

    if (old && is_same_file(old, wanted)) {
        *out = zone_ref(old);
        return ERR_OK;
    }
    dname_text_print(wanted->name, name);
    diag_init(&diag);
    enum err err = zonefile_load(wanted->name, wanted->file, NULL, &diag, out);
    diag_log(&diag);
    diag_fini(&diag);
    if (!err) {
        log_debug("zone %s: serial %u, %zu records", name, (*out)->serial, (*out)->record_cnt);
        return ERR_OK;
    }
    (*failed_cnt)++;
    return fall_back(wanted, old, name, out);
}

enum err auth_conf_load(const struct auth_conf *conf, const struct zoneset *before,
                        struct zoneset **out, size_t *failed_cnt)
{
    struct zoneset *set;
    const struct auth_conf_zone *zones = conf->zones.items;
    enum err err = zoneset_new(conf->zones.cnt, &set);

    *failed_cnt = 0;
    for (size_t i = 0; i < conf->zones.cnt && !err; i++) {
        struct zone *zone = NULL;
        err = load_zone(&zones[i], before ? zoneset_get(before, zones[i].name) : NULL, &zone,
                        failed_cnt);
        if (!err)
            zoneset_put(set, zone);
    }
    if (err)
        zoneset_free(&set);
    else
        *out = set;
    return err;
}
