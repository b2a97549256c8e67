#include "tools/lab/lab_run.h"

#include <errno.h>
#include <sys/stat.h>

#include "tools/cmd.h"
#include "tools/lab/experiment.h"
#include "tools/lab/record.h"

static const char run_usage[] =
    "usage: rootline lab run EXPERIMENT [--without DEFENCE[,...]] [--each] [--seed N]\n"
    "         [--stay] [--tell] [--slow] [--record FOLDER] [--json] [--name NAME]\n"
    "       rootline lab run --list\n";

static int list_experiments(bool is_json)
{
    struct json *list = json_new_list();

    for (size_t i = 0; i < experiment_cnt; i++) {
        const struct experiment *e = experiment_list[i];
        struct json *one = json_add_object(list);
        json_put_text(one, "name", e->name);
        json_put_text(one, "what", e->what);
        json_put_text(one, "without", e->without);
        if (!is_json)
            printf("%-16s %s\n", e->name, e->what);
    }
    if (is_json)
        cmd_print_json(list);
    json_free(&list);
    return CMD_DONE;
}

/* Inside the laboratory. */
static int run_inside(struct space *space, struct site *site,
                      const struct experiment *experiment, const struct experiment_conf *conf,
                      bool is_json)
{
    snprintf(site->folder, sizeof(site->folder), "%s", space->folder);
    if (conf->folder && mkdir(conf->folder, 0755) != 0 && errno != EEXIST)
        trial_fail("%s: %s", conf->folder, strerror(errno));
    if (!space_open_nets(space))
        trial_fail("cannot open the hosts' networks: %s", strerror(errno));
    struct json *record = experiment_run(experiment, space, site, conf);
    const bool is_expected = json_get_bool(record, "as-expected", false);
    bool is_written = true;
    if (conf->folder) {
        char path[SITE_PATH_MAX];
        snprintf(path, sizeof(path), "%s/%s.json", conf->folder, experiment->name);
        is_written = record_write(path, record);
    }
    if (is_json)
        cmd_print_json(record);
    else
        experiment_print(record);
    json_free(&record);
    fflush(NULL);
    return is_expected && is_written ? CMD_DONE : CMD_WRONG;
}

static bool read_seed(const char *text, uint64_t *seed)
{
    char *end;

    *seed = 1;
    if (!text)
        return true;
    *seed = strtoull(text, &end, 10);
    return *text && !*end;
}

int lab_run(const char *name, int argc, char **argv)
{
    static struct site site;
    struct space space;
    struct fault fault;

    const bool is_json = cmd_take_flag(&argc, argv, "--json");

    if (cmd_take_flag(&argc, argv, "--list"))
        return argc == 0 ? list_experiments(is_json) : cmd_wrong_usage(run_usage);
    struct experiment_conf conf = {.without = cmd_take_value(&argc, argv, "--without"),
                                   .tells = cmd_take_flag(&argc, argv, "--tell"),
                                   .is_slow = cmd_take_flag(&argc, argv, "--slow"),
                                   .stays = cmd_take_flag(&argc, argv, "--stay"),
                                   .is_each = cmd_take_flag(&argc, argv, "--each"),
                                   .folder = cmd_take_value(&argc, argv, "--record")};
    if (!read_seed(cmd_take_value(&argc, argv, "--seed"), &conf.seed) || argc != 1)
        return cmd_wrong_usage(run_usage);
    const struct experiment *experiment = experiment_find(argv[0]);
    if (!experiment) {
        fprintf(stderr, "rootline lab: there is no experiment \"%s\"; --list names them\n",
                argv[0]);
        return CMD_USAGE;
    }
    if (!site_find(&site, &fault) || !space_open(&space, name, &fault) ||
        !space_enter(&space, &fault)) {
        fprintf(stderr, "rootline lab: %s\n", fault.text);
        return TRIAL_EXIT_FENCE; /* outside a fence nothing is sent */
    }
    exit(run_inside(&space, &site, experiment, &conf, is_json));
}
