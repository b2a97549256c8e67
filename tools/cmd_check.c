/* rootline check: read a configuration as the daemon does.  The top-level keys tell which
 * daemon the file is for; if both daemons have all of them, the reading with fewer errors
 * decides, then the one with more advice: it knows the keys that are misspelled. */
#include "authd/auth_conf.h"
#include "base/file.h"
#include "resolver/res_conf.h"
#include "tools/cmd.h"

enum { FILE_MAX = 16 << 20 };

/* True if a line begins with this key. */
static bool has_top_level_key(const char *text, const char *key)
{
    size_t len = strlen(key);
    for (const char *at = strstr(text, key); at; at = strstr(at + 1, key))
        if ((at == text || at[-1] == '\n') && at[len] == ':')
            return true;
    return false;
}

enum daemon_guess { FOR_AUTHD, FOR_RESOLVER, FOR_EITHER };

/* A file with a key of zones is for authd, one with a key that only the resolver has is for the
 * resolver. */
static enum daemon_guess guess_daemon(const char *path)
{
    static const char *const keys[] = {"allow",      "cache",         "resolver",
                                       "stub-zones", "forward-zones", "local-data",
                                       "hosts",      "lab",           "detection"};
    enum daemon_guess guess = FOR_EITHER;
    char *text;
    size_t len;

    if (file_read_text(path, FILE_MAX, &text, &len, NULL) != ERR_OK)
        return FOR_AUTHD; /* auth_conf_read will report the error */
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        if (has_top_level_key(text, keys[i]))
            guess = FOR_RESOLVER;
    if (has_top_level_key(text, "zones") || has_top_level_key(text, "zone-directory"))
        guess = FOR_AUTHD;
    free(text);
    return guess;
}

static enum err check_resolver(const char *path, struct diag *diag, char *summary, size_t size)
{
    struct res_conf *conf = NULL;
    enum err err = res_conf_read(path, diag, &conf);
    if (!err)
        snprintf(summary, size, "rootline-resolver with %zu stub and %zu forward zones",
                 conf->stubs.cnt, conf->forwards.cnt);
    res_conf_free(&conf);
    return err;
}

static enum err check_authd(const char *path, bool is_deep, struct diag *diag, char *summary,
                            size_t size)
{
    struct auth_conf *conf = NULL;
    enum err err = auth_conf_read(path, diag, &conf);
    if (!err)
        err = auth_conf_check(conf, is_deep, diag);
    if (!err)
        snprintf(summary, size, "rootline-authd with %zu zone%s", conf->zones.cnt,
                 conf->zones.cnt == 1 ? "" : "s");
    auth_conf_free(&conf);
    return err;
}

const char cmd_check_usage[] = "usage: rootline check FILE [--deep] [--json]\n"
                               "  --deep        load each zone file too\n"
                               "  --json        print the findings as JSON\n";

int cmd_check(int argc, char **argv)
{
    bool is_json = cmd_take_flag(&argc, argv, "--json");
    bool is_deep = cmd_take_flag(&argc, argv, "--deep");
    struct diag diag, other;
    char summary[200];

    if (argc != 1 || argv[0][0] == '-')
        return cmd_wrong_usage(cmd_check_usage);
    diag_init(&diag);
    enum daemon_guess guess = guess_daemon(argv[0]);
    enum err err = guess == FOR_RESOLVER
                       ? check_resolver(argv[0], &diag, summary, sizeof(summary))
                       : check_authd(argv[0], is_deep, &diag, summary, sizeof(summary));
    if (err && guess == FOR_EITHER) {
        diag_init(&other);
        enum err as_resolver = check_resolver(argv[0], &other, summary, sizeof(summary));
        if (other.error_cnt < diag.error_cnt ||
            (other.error_cnt == diag.error_cnt && other.help_cnt > diag.help_cnt)) {
            diag_fini(&diag);
            diag = other;
            err = as_resolver;
        } else {
            diag_fini(&other);
        }
    }
    cmd_report(&diag, is_json);
    if (!err && !is_json)
        printf("%s: ok, %s\n", argv[0], summary);
    diag_fini(&diag);
    return err ? CMD_WRONG : CMD_DONE;
}
