/* rootline-authd: the configuration, zone sets and engines that it gives to `daemon`. */
#include "authd/answer/auth_serve.h"
#include "authd/auth_conf.h"
#include "net/daemon/daemon.h"
#include "net/loop/fence.h"

static enum err read_auth_conf(const char *path, struct diag *diag, void **conf,
                               struct server_conf **server)
{
    struct auth_conf *read;
    enum err err = auth_conf_read(path, diag, &read);
    if (!err) {
        *conf = read;
        *server = &read->server;
    }
    return err;
}

static void free_auth_conf(void *conf)
{
    struct auth_conf *c = conf;
    auth_conf_free(&c);
}

static enum err build_zoneset(void *conf, void *before, void **version, char *summary,
                              size_t size)
{
    struct zoneset *set;
    size_t failed, names = 0, bytes = 0;

    enum err err = auth_conf_load(conf, before, &set, &failed);
    if (err)
        return err;
    for (size_t i = 0; i < set->slot_cnt; i++)
        if (set->slots[i].zone) {
            names += set->slots[i].zone->node_cnt;
            bytes += set->slots[i].zone->bytes;
        }
    int len = snprintf(summary, size, "%zu zone%s, %zu names, %.1f MB", set->cnt,
                       set->cnt == 1 ? "" : "s", names, (double)bytes / 1e6);
    if (failed && len > 0 && (size_t)len < size)
        snprintf(summary + len, size - (size_t)len, ", %zu broken file%s", failed,
                 failed == 1 ? "" : "s");
    *version = set;
    return ERR_OK;
}

static void free_zoneset(void *version)
{
    struct zoneset *set = version;
    zoneset_free(&set);
}

static void *new_auth_engine(const struct daemon_engine *parts)
{
    return auth_serve_new(parts->publish, parts->worker);
}

static const char *describe_set_weakness(const void *version)
{
    const struct zoneset *set = version;
    return set->is_any_whole ? "laboratory: minimal-any off" : "";
}

static enum err guard_set(void *shared, struct fault *fault)
{
    (void)shared;
    return fence_check(fault);
}

int main(int argc, char **argv)
{
    static const struct daemon_calls calls = {
        .name = "rootline-authd",
        .service = &auth_serve_service,
        .configure = read_auth_conf,
        .free_conf = free_auth_conf,
        .build = build_zoneset,
        .free_version = free_zoneset,
        .weakness = describe_set_weakness,
        .guard = guard_set,
        .new_engine = new_auth_engine,
        .free_engine = auth_serve_free,
    };
    return daemon_main(&calls, argc, argv);
}
