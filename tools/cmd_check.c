/* rootline check: the configuration as the daemon would read it. */
#include "authd/auth_conf.h"
#include "tools/cmd.h"

int cmd_check(int argc, char **argv)
{
    bool is_json = cmd_take_flag(&argc, argv, "--json");
    struct auth_conf *conf = NULL;
    struct diag diag;

    if (argc != 1 || argv[0][0] == '-') {
        fprintf(stderr, "usage: rootline check FILE [--json]\n");
        return CMD_USAGE;
    }
    diag_init(&diag);
    enum err err = auth_conf_read(argv[0], &diag, &conf);
    cmd_report(&diag, is_json);
    if (!err && !is_json)
        printf("%s: ok, rootline-authd with %zu zone%s\n", argv[0], conf->zones.cnt,
               conf->zones.cnt == 1 ? "" : "s");
    auth_conf_free(&conf);
    diag_fini(&diag);
    return err ? CMD_WRONG : CMD_DONE;
}
