/* A zone file with errors must not affect other zones, and an edit with errors must not take
 * its own zone out of service. */
#include "authd/auth_conf.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "authd/load/zonefile.h"
#include "base/file.h"
#include "base/log.h"
#include "base/now.h"
#include "dns/dname_text.h"
#include "net/loop/fence.h"

enum {
    SUFFIX_LEN = 5, /* ".zone" */
    PROGRESS_MS = 2000,
    WAIT_MS = 5000, /* per load of all zones, for files that are being written */
    LOADS_MAX = 3   /* per zone, while its files change */
};

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

static void check_directory(struct conf_reader *reader, const struct conf_node *node,
                            void *target)
{
    const char *path = *(const char **)target;
    DIR *directory = *path ? opendir(path) : NULL;

    if (*path && !directory)
        conf_wrong(reader, node, "%s: %s", path, strerror(errno));
    if (directory)
        closedir(directory);
}

static void note_place(struct conf_reader *reader, const struct conf_node *node, void *target)
{
    container_of(target, struct auth_conf_zone, file)->place = conf_place(reader, node);
}

static const struct conf_key zone_keys[] = {
    {.name = "zone",
     .type = CONF_CUSTOM,
     .offset = offsetof(struct auth_conf_zone, name),
     .read = server_conf_read_name,
     .is_required = true},
    {.name = "file",
     .type = CONF_PATH,
     .offset = offsetof(struct auth_conf_zone, file),
     .is_required = true,
     .check = note_place},
    {.name = NULL},
};

static void check_minimal_any(struct conf_reader *reader, const struct conf_node *node,
                              void *target)
{
    struct fault fault;

    if (!*(const bool *)target && fence_check(&fault) != ERR_OK)
        conf_wrong(
            reader, node,
            "a defence may be switched off only in a network that packets cannot leave: %s",
            fault.text);
}

static const struct conf_key lab_keys[] = {
    {.name = "minimal-any",
     .type = CONF_BOOL,
     .offset = offsetof(struct auth_conf, is_any_minimal),
     .preset = true,
     .check = check_minimal_any},
    {.name = NULL},
};

static const struct conf_key keys[] = {
    {.name = "server",
     .type = CONF_MAP,
     .offset = offsetof(struct auth_conf, server),
     .keys = server_conf_server_keys,
     .check = server_conf_check,
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
    {.name = "zone-directory",
     .type = CONF_PATH,
     .offset = offsetof(struct auth_conf, directory),
     .check = check_directory},
    {.name = "limits",
     .type = CONF_MAP,
     .offset = offsetof(struct auth_conf, server),
     .keys = server_conf_limits_keys},
    {.name = "lab", .type = CONF_MAP, .keys = lab_keys},
    {.name = "views", .type = CONF_UNSUPPORTED},
    {.name = "keys", .type = CONF_UNSUPPORTED},
    {.name = NULL},
};

static struct auth_conf *new_auth_conf(void)
{
    struct auth_conf *conf = calloc(1, sizeof(*conf));

    if (!conf)
        return NULL;
    arena_init(&conf->arena, 0);
    if (conf_set_defaults(keys, conf, &conf->arena) != ERR_OK)
        auth_conf_free(&conf);
    return conf;
}

static enum err finish_auth_conf(enum err err, struct auth_conf *conf, struct auth_conf **out)
{
    if (err)
        auth_conf_free(&conf);
    else
        *out = conf;
    return err;
}

enum err auth_conf_read(const char *path, struct diag *diag, struct auth_conf **out)
{
    struct auth_conf *conf = new_auth_conf();
    if (!conf)
        return ERR_NOMEM;
    return finish_auth_conf(conf_read(path, keys, conf, &conf->arena, diag), conf, out);
}

enum err auth_conf_parse(const char *path, const char *text, size_t len, struct diag *diag,
                         struct auth_conf **out)
{
    struct auth_conf *conf = new_auth_conf();
    if (!conf)
        return ERR_NOMEM;
    return finish_auth_conf(conf_parse(path, text, len, keys, conf, &conf->arena, diag), conf,
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

static bool is_file_unchanged(const struct zone *zone, const struct auth_conf_zone *wanted)
{
    return zone->is_loaded && zone->file_cnt > 0 &&
           strcmp(zone->files[0].path, wanted->file) == 0 && !zone_is_outdated(zone);
}

/* Serve the previous version of a zone that cannot be loaded, or SERVFAIL if there is none. */
static enum err keep_previous_zone(const struct auth_conf_zone *wanted, struct zone *old,
                                   const char *name, enum err why, struct zone **out)
{
    const char *what = why == ERR_NOMEM  ? "needs more memory than is available"
                       : why == ERR_TIME ? "is still being written"
                                         : "has errors";
    char cure[2 * DNAME_TEXT_MAX + 64] = "";

    if (why != ERR_NOMEM && why != ERR_TIME)
        snprintf(cure, sizeof(cure), " (\"rootline zone check %s %s\" shows the lines)", name,
                 wanted->file);
    if (old && old->is_loaded) {
        log_error("zone %s: %s %s; the previous version, serial %u, is still served%s", name,
                  wanted->file, what, old->serial, cure);
        *out = zone_ref(old);
        return ERR_OK;
    }
    log_error("zone %s: %s %s; until a reload succeeds the answer is SERVFAIL%s", name,
              wanted->file, what, cure);
    return zone_new(wanted->name, out);
}

/* True if the included files, known only after loading, have not been written to for a second,
 * and all files are still the versions that were read. */
static bool is_settled(const struct zone *zone, unsigned *wait_ms)
{
    for (size_t i = 1; i < zone->file_cnt; i++)
        if (file_settle(zone->files[i].path, wait_ms) == ERR_TIME)
            return false;
    return !zone_is_outdated(zone);
}

/* Load a zone once its files have not been written to for a second.  ERR_TIME: they are still
 * being written; if the zone `is_needed`, having no other version, take them as they are. */
static enum err read_zone(const struct auth_conf_zone *wanted, bool is_needed,
                          unsigned *wait_ms, struct zone **out)
{
    if (file_settle(wanted->file, wait_ms) == ERR_TIME && !is_needed)
        return ERR_TIME;
    for (int i = 1;; i++) {
        struct diag diag;
        diag_init(&diag);
        enum err err = zonefile_load(wanted->name, wanted->file, NULL, &diag, out);
        bool is_last = err || is_settled(*out, wait_ms) || (i == LOADS_MAX && is_needed);
        if (is_last)
            diag_log(&diag);
        diag_fini(&diag);
        if (is_last)
            return err;
        zone_unref(out);
        if (i == LOADS_MAX)
            return ERR_TIME;
    }
}

static enum err load_zone(const struct auth_conf_zone *wanted, struct zone *old,
                          unsigned *wait_ms, struct zone **out, size_t *failed_cnt)
{
    char name[DNAME_TEXT_MAX];

    if (old && is_file_unchanged(old, wanted)) {
        *out = zone_ref(old);
        return ERR_OK;
    }
    dname_text_print(wanted->name, name);
    enum err err = read_zone(wanted, !(old && old->is_loaded), wait_ms, out);
    if (!err) {
        log_debug("zone %s: serial %u, %zu records", name, (*out)->serial, (*out)->record_cnt);
        return ERR_OK;
    }
    (*failed_cnt)++;
    return keep_previous_zone(wanted, old, name, err, out);
}

/* The zones to load: first those of the configuration, then those of the directory. */
struct wanted {
    struct auth_conf_zone *at;
    size_t cnt, size;
    struct arena arena; /* names and paths of the zones of the directory */
};

static enum err add_wanted(struct wanted *wanted, const struct auth_conf_zone *zone)
{
    struct auth_conf_zone *at = util_grow(wanted->at, wanted->cnt, &wanted->size, sizeof(*at));
    if (!at)
        return ERR_NOMEM;
    wanted->at = at;
    wanted->at[wanted->cnt++] = *zone;
    return ERR_OK;
}

/* Add the zone of the directory's file `entry`; skip names other than NAME.zone. */
static enum err add_entry(struct wanted *wanted, const char *directory, const char *entry)
{
    static const uint8_t root[] = {0};
    size_t len = strlen(entry), name_len;
    uint8_t name[DNAME_MAX];
    struct fault fault;
    struct auth_conf_zone zone;

    if (*entry == '.' || len <= SUFFIX_LEN || strcmp(entry + len - SUFFIX_LEN, ".zone") != 0)
        return ERR_OK;
    if (dname_text_read(entry, len - SUFFIX_LEN, root, name, &name_len, &fault, NULL) !=
        ERR_OK) {
        log_error("%s/%s: ignored, because its name is not a zone name followed by .zone: %s",
                  directory, entry, fault.text);
        return ERR_OK;
    }
    size_t path_len = strlen(directory) + 1 + len;
    char *path = arena_alloc(&wanted->arena, path_len + 1);
    zone.name = arena_copy(&wanted->arena, name, name_len);
    if (!path || !zone.name)
        return ERR_NOMEM;
    snprintf(path, path_len + 1, "%s/%s", directory, entry);
    zone.file = path;
    zone.place = (struct diag_place){.file = path};
    return add_wanted(wanted, &zone);
}

static enum err list_wanted(const struct auth_conf *conf, struct wanted *wanted)
{
    const struct auth_conf_zone *zones = conf->zones.items;
    enum err err = ERR_OK;

    for (size_t i = 0; i < conf->zones.cnt && !err; i++)
        err = add_wanted(wanted, &zones[i]);
    if (err || !*conf->directory)
        return err;
    DIR *directory = opendir(conf->directory);
    if (!directory) {
        log_error("%s: %s", conf->directory, strerror(errno));
        return ERR_IO;
    }
    while (!err) {
        errno = 0;
        struct dirent *entry = readdir(directory);
        if (!entry)
            break;
        err = add_entry(wanted, conf->directory, entry->d_name);
    }
    if (!err && errno) { /* a partial listing would drop zones */
        log_error("%s: %s", conf->directory, strerror(errno));
        err = ERR_IO;
    }
    closedir(directory);
    return err;
}

/* Log progress every PROGRESS_MS: loading many zones takes seconds. */
static void log_progress(size_t done, size_t all, uint64_t *logged_ms)
{
    uint64_t now_ms = now_mono_ms();
    if (done == all || now_ms - *logged_ms < PROGRESS_MS)
        return;
    *logged_ms = now_ms;
    log_info("loading: %zu of %zu zones", done, all);
}

static enum err load_all(const struct wanted *wanted, const struct zoneset *before,
                         struct zoneset *set, size_t *failed_cnt)
{
    uint64_t logged_ms = now_mono_ms();
    unsigned wait_ms = WAIT_MS;
    enum err err = ERR_OK;

    for (size_t i = 0; i < wanted->cnt && !err; i++) {
        const struct auth_conf_zone *want = &wanted->at[i];
        struct zone *zone = NULL;
        if (zoneset_get(set, want->name)) {
            log_error("%s: ignored, because another file already has this zone", want->file);
            continue;
        }
        err = load_zone(want, before ? zoneset_get(before, want->name) : NULL, &wait_ms, &zone,
                        failed_cnt);
        if (!err)
            zoneset_put(set, zone);
        log_progress(i + 1, wanted->cnt, &logged_ms);
    }
    return err;
}

enum err auth_conf_load(const struct auth_conf *conf, const struct zoneset *before,
                        struct zoneset **out, size_t *failed_cnt)
{
    struct wanted wanted = {.cnt = 0};
    struct zoneset *set = NULL;

    *failed_cnt = 0;
    arena_init(&wanted.arena, 0);
    enum err err = list_wanted(conf, &wanted);
    if (!err)
        err = zoneset_new(wanted.cnt, &set);
    if (!err)
        err = load_all(&wanted, before, set, failed_cnt);
    free(wanted.at);
    arena_fini(&wanted.arena);
    if (err) {
        zoneset_free(&set);
        return err;
    }
    set->is_any_whole = !conf->is_any_minimal;
    *out = set;
    return ERR_OK;
}

/* ---- checking ---- */

static void check_zone_file(const struct auth_conf_zone *wanted, bool is_deep,
                            struct diag *diag)
{
    struct file_stamp stamp;
    struct zone *zone = NULL;
    struct stat status;
    enum err err = file_stat(wanted->file, &stamp);

    if (!err && access(wanted->file, R_OK) != 0)
        err = err_from_errno(errno);
    if (!err && stat(wanted->file, &status) == 0 && S_ISDIR(status.st_mode)) {
        diag_add(diag, DIAG_ERROR, &wanted->place, "%s: this is a folder, not a zone file",
                 wanted->file);
        return;
    }
    if (err)
        diag_add(diag, DIAG_ERROR, &wanted->place, "%s: %s", wanted->file, file_problem(err));
    if (err || !is_deep)
        return;
    err = zonefile_load(wanted->name, wanted->file, NULL, diag, &zone);
    if (!err)
        zone_unref(&zone);
}

enum err auth_conf_check(const struct auth_conf *conf, bool is_deep, struct diag *diag)
{
    struct wanted wanted = {.cnt = 0};
    size_t errors = diag->error_cnt;

    arena_init(&wanted.arena, 0);
    enum err err = list_wanted(conf, &wanted);
    for (size_t i = 0; i < wanted.cnt && !err; i++)
        check_zone_file(&wanted.at[i], is_deep, diag);
    free(wanted.at);
    arena_fini(&wanted.arena);
    return err ? err : diag->error_cnt > errors ? ERR_CONFIG : ERR_OK;
}
