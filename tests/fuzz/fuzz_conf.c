/* Reading a configuration file must give a usable configuration, or errors. */
#include "authd/auth_conf.h"
#include "base/hash.h"
#include "resolver/res_conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_as_resolver(const char *text, size_t len)
{
    struct res_conf *conf = NULL;
    struct diag diag;

    diag_init(&diag);
    enum err err = res_conf_parse("d/fuzz.yaml", text, len, &diag, &conf);
    must((err == ERR_OK) == (conf != NULL));
    must(err == ERR_OK || diag.error_cnt > 0);
    must(!conf || conf->policy->route.hints.addr_cnt > 0);
    res_conf_free(&conf);
    diag_fini(&diag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct auth_conf *conf = NULL;
    struct diag diag;

    hash_init();
    diag_init(&diag);
    enum err err = auth_conf_parse("d/fuzz.yaml", (const char *)data, size, &diag, &conf);
    must((err == ERR_OK) == (conf != NULL));
    must(err == ERR_OK || diag.error_cnt > 0);
    if (conf) {
        const struct auth_conf_zone *zones = conf->zones.items;
        must(conf->server.listen[EXCHANGE_STACK_DNS].cnt > 0);
        for (size_t i = 0; i < conf->zones.cnt; i++)
            must(dname_check(zones[i].name, DNAME_MAX) > 0 && zones[i].file);
    }
    FILE *null = fopen("/dev/null", "w");
    diag_print(&diag, null, false);
    fclose(null);
    auth_conf_free(&conf);
    diag_fini(&diag);
    read_as_resolver((const char *)data, size);
    return 0;
}
