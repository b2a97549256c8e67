#include "tools/lab/experiment.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/now.h"
#include "tools/cmd.h"
#include "tools/lab/capture.h"
#include "tools/terminal.h"

enum { SLOW = 10, LABEL_WIDTH = 28, LABEL_MAX = 64, COLUMN_WIDTH = 28 };

#define EXPERIMENT(name) extern const struct experiment experiment_##name;
#include "tools/lab/experiments.def"
#undef EXPERIMENT

const struct experiment *const experiment_list[] = {
#define EXPERIMENT(name) &experiment_##name,
#include "tools/lab/experiments.def"
#undef EXPERIMENT
};
const size_t experiment_cnt = ARRAY_LEN(experiment_list);

const struct experiment *experiment_find(const char *name)
{
    for (size_t i = 0; i < experiment_cnt; i++)
        if (strcmp(experiment_list[i]->name, name) == 0)
            return experiment_list[i];
    return NULL;
}

/* ---- one run ---- */

static void command_keeper(const struct space *space, struct json *request)
{
    struct fault fault;
    struct json *answer = space_request(space, request, &fault);

    if (!answer)
        trial_fail("%s", fault.text);
    json_free(&answer);
}

/* True if the resolver is none of ours: it cannot be weakened, and has no counters. */
static bool has_peer(const struct space *space)
{
    return strcmp(json_get_text(space->status, "resolver", ""),
                  site_resolvers[SITE_ROOTLINE]) != 0;
}

/* Start the resolver anew, with an empty cache and these defences. */
static void prepare_resolver(const struct space *space, const struct site *site,
                             const struct defence_set *off)
{
    struct json *request = json_new_object();
    char names[512];

    trial_check_fence(space);
    /* another resolver keeps its defaults */
    if (!has_peer(space) && !site_write_resolver(site, off, ""))
        trial_fail("cannot write the resolver's configuration: %s", strerror(errno));
    site_drop_cache(site);
    json_put_text(request, "command", "restart");
    json_put_text(request, "host", "resolver");
    defence_print_names(off, names, sizeof(names));
    json_put_text(request, "off", names);
    command_keeper(space, request);
}

static void set_links(const struct space *space, uint64_t seed, unsigned slow)
{
    struct json *request = json_new_object();

    json_put_text(request, "command", "link");
    json_put_number(request, "seed", (int64_t)seed);
    json_put_number(request, "slow", slow);
    command_keeper(space, request);
}

/* Capture the resolver's wire in a process of its own.  Return it; 0: no capture is wanted. */
static pid_t start_capture(const struct space *space, const char *folder, const char *name,
                           const char *mode)
{
    char path[SITE_PATH_MAX];

    if (!folder)
        return 0;
    snprintf(path, sizeof(path), "%s/%s-%s.pcap", folder, name, mode);
    FILE *file = fopen(path, "we");
    if (!file)
        trial_fail("%s: %s", path, strerror(errno));
    int fd = space_go(space, topology_find("resolver")) ? capture_open() : -1;
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* the run may end early */
        bool is_good = capture_run(fd, file, -1);
        _exit(fclose(file) == 0 && is_good ? CMD_DONE : CMD_WRONG);
    }
    fclose(file);
    close(fd);
    return pid;
}

static void end_capture(pid_t pid)
{
    if (pid <= 0)
        return;
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
}

/* Run the experiment once and add what it found to `runs`.  Return whether it succeeded. */
static bool run_trial(const struct experiment *experiment, struct space *space,
                      const struct site *site, const struct experiment_conf *conf,
                      const struct defence_set *off, const char *mode, struct json *runs)
{
    struct trial t = {
        .space = space, .site = site, .off = *off, .tells = conf->tells || conf->is_slow};
    struct json *run = json_add_object(runs), *names = json_put_list(run, "defences-off");

    json_put_text(run, "mode", mode);
    for (size_t i = 0; i < DEFENCE_CNT; i++)
        if (off->is_off[i])
            json_add_text(names, defence_rows[i].name);
    t.facts = json_put_object(run, "facts");
    rng_init_seeded(&t.rng, conf->seed);
    prepare_resolver(space, site, off);
    set_links(space, conf->seed, conf->is_slow ? SLOW : 1);
    t.stats_before = trial_control(&t, "stats");
    pid_t capture = start_capture(space, conf->folder, experiment->name, mode);
    const uint64_t start_us = now_mono_us();
    experiment->run(&t);
    trial_number(&t, "milliseconds", (int64_t)(now_mono_us() - start_us) / 1000);
    if (t.packets > 0)
        trial_number(&t, "forged-packets", (int64_t)t.packets);
    for (size_t i = 0; i < ARRAY_LEN(experiment->counters) && experiment->counters[i]; i++)
        trial_number(&t, experiment->counters[i], trial_counter(&t, experiment->counters[i]));
    trial_note_rejected(&t);
    end_capture(capture);
    json_put_text(run, "outcome", t.outcome);
    json_put_bool(run, "succeeded", t.has_succeeded);
    json_free(&t.stats_before);
    return t.has_succeeded;
}

/* ---- an experiment ---- */

static _Noreturn void fail_defence(const char *bad)
{
    for (size_t i = 0; i < DEFENCE_CNT; i++)
        fprintf(stderr, "  %-20s %s\n", defence_rows[i].name, defence_rows[i].what);
    trial_fail("there is no defence \"%s\"; those above can be taken away", bad);
}

/* DNSSEC would hide the other defences: it is on in a laboratory that validates, and where it
 * is what the experiment is about. */
static struct defence_set base_set(const struct experiment *experiment,
                                   const struct space *space)
{
    struct defence_set set = {{false}};

    set.is_off[DEFENCE_DNSSEC] =
        !experiment->needs_validation && !json_get_bool(space->status, "validates", false);
    return set;
}

/* What the laboratory was started without. */
static struct defence_set own_set(const struct space *space)
{
    const struct json *names = json_find(space->status, "defences-off");
    struct defence_set set = {{false}};
    char bad[64];

    for (size_t i = 0; i < json_count(names); i++)
        must(defence_switch_off(&set, json_text(json_at(names, i)), bad));
    return set;
}

/* Take away one defence after the other. */
static void run_each(const struct experiment *experiment, struct space *space,
                     const struct site *site, const struct experiment_conf *conf,
                     const struct defence_set *all, struct json *runs)
{
    const struct defence_set base = base_set(experiment, space);

    for (size_t i = 0; i < DEFENCE_CNT; i++) {
        struct defence_set one = base;
        if (!all->is_off[i] || base.is_off[i])
            continue;
        one.is_off[i] = true;
        (void)run_trial(experiment, space, site, conf, &one, defence_rows[i].name, runs);
    }
}

struct json *experiment_run(const struct experiment *experiment, struct space *space,
                            const struct site *site, const struct experiment_conf *conf)
{
    struct json *record = json_new_object();
    struct defence_set with = base_set(experiment, space), without = with;
    char bad[64], at[NOW_TEXT_MAX];

    if (!defence_switch_off(&without, conf->without ? conf->without : experiment->without, bad))
        fail_defence(bad);
    json_put_text(record, "experiment", experiment->name);
    json_put_text(record, "what", experiment->what);
    json_put_text(record, "stopped-by", experiment->stopped);
    json_put_text(record, "version", ROOTLINE_VERSION);
    now_print(now_wall_ms(), at);
    json_put_text(record, "at", at);
    json_put_number(record, "seed", (int64_t)conf->seed);
    struct json *runs = json_put_list(record, "runs");
    json_put_text(record, "resolver", json_get_text(space->status, "resolver", ""));
    if (has_peer(space)) {
        bool withstands = !run_trial(experiment, space, site, conf, &with, "default", runs);
        json_put_bool(record, "as-expected", withstands);
        set_links(space, 0, 1);
        return record;
    }
    fprintf(stderr, "%s: without defences ...\n", experiment->name);
    bool succeeds = run_trial(experiment, space, site, conf, &without, "without", runs);
    if (conf->stays) {
        json_put_bool(record, "as-expected", succeeds);
        set_links(space, 0, 1);
        return record;
    }
    if (conf->is_each)
        run_each(experiment, space, site, conf, &without, runs);
    fprintf(stderr, "%s: with defences ...\n", experiment->name);
    bool fails = !run_trial(experiment, space, site, conf, &with, "with", runs);
    json_put_bool(record, "as-expected", succeeds && fails);
    struct defence_set own = own_set(space);
    prepare_resolver(space, site, &own);
    set_links(space, 0, 1);
    return record;
}

/* ---- the table ---- */

static void print_cell(struct terminal *t, const struct json *facts, const char *key)
{
    const struct json *value = json_find(facts, key);
    const char *text = json_text(value);

    if (text)
        fprintf(t->out, "%-*s", COLUMN_WIDTH, text);
    else if (value)
        fprintf(t->out, "%-*.10g", COLUMN_WIDTH, json_get_real(facts, key, 0));
    else
        fprintf(t->out, "%-*s", COLUMN_WIDTH, "-");
}

/* An identifier as words. */
static void print_label(struct terminal *t, const char *key)
{
    char text[LABEL_MAX];

    snprintf(text, sizeof(text), "%s", key);
    for (char *c = text; *c; c++)
        if (*c == '-')
            *c = ' ';
    terminal_print(t, TERMINAL_DIM, "  %-*s ", LABEL_WIDTH - 1, text);
}

static void print_facts(struct terminal *t, const struct json *runs)
{
    const struct json *first = json_find(json_at(runs, 0), "facts"),
                      *last = json_find(json_at(runs, json_count(runs) - 1), "facts");

    for (size_t pass = 0; pass < 2; pass++) {
        const struct json *facts = pass == 0 ? first : last;
        for (size_t i = 0; i < json_count(facts); i++) {
            const char *key = json_key(facts, i);
            if (pass == 1 && json_find(first, key))
                continue;
            print_label(t, key);
            print_cell(t, first, key);
            /* a long text has a line of its own */
            if (strlen(json_get_text(first, key, "")) >= COLUMN_WIDTH)
                fprintf(t->out, "\n  %-*s%-*s", LABEL_WIDTH, "", COLUMN_WIDTH, "");
            if (json_count(runs) > 1)
                print_cell(t, last, key);
            fputc('\n', t->out);
        }
    }
}

static void print_outcome(struct terminal *t, const char *label, const struct json *run,
                          bool should_succeed)
{
    const bool has_succeeded = json_get_bool(run, "succeeded", false);

    terminal_print(t, TERMINAL_BOLD, "  %-*s", LABEL_WIDTH, label);
    terminal_print(t, has_succeeded ? TERMINAL_RED : TERMINAL_GREEN, "%s",
                   has_succeeded ? "ATTACK SUCCEEDS: " : "attack fails: ");
    fprintf(t->out, "%s", json_get_text(run, "outcome", ""));
    if (has_succeeded != should_succeed)
        terminal_print(t, TERMINAL_YELLOW, "  (NOT AS EXPECTED)");
    fputc('\n', t->out);
}

static void print_each(struct terminal *t, const struct json *runs)
{
    for (size_t i = 1; i + 1 < json_count(runs); i++) {
        const struct json *run = json_at(runs, i);
        char label[64];
        snprintf(label, sizeof(label), "only no %s", json_get_text(run, "mode", ""));
        print_outcome(t, label, run, json_get_bool(run, "succeeded", false));
    }
}

static void print_off(struct terminal *t, const struct json *run)
{
    const struct json *names = json_find(run, "defences-off");

    terminal_print(t, TERMINAL_DIM, "  %-*s", LABEL_WIDTH, "defences off");
    for (size_t i = 0; i < json_count(names); i++)
        fprintf(t->out, "%s%s", i ? ", " : "", json_text(json_at(names, i)));
    fputc('\n', t->out);
}

void experiment_print(const struct json *record)
{
    const struct json *runs = json_find(record, "runs");
    struct terminal t;

    terminal_init(&t);
    terminal_print(&t, TERMINAL_BOLD, "%s", json_get_text(record, "experiment", ""));
    fprintf(t.out, ": %s (seed %lld)\n", json_get_text(record, "what", ""),
            (long long)json_get_number(record, "seed", 0));
    if (strcmp(json_get_text(json_at(runs, 0), "mode", ""), "default") == 0) {
        print_facts(&t, runs);
        print_outcome(&t, json_get_text(record, "resolver", ""), json_at(runs, 0), false);
        return;
    }
    print_off(&t, json_at(runs, 0));
    if (json_count(runs) == 1) {
        print_facts(&t, runs);
        print_outcome(&t, "without defences", json_at(runs, 0), true);
        fputs("The resolver stays without these defences, and keeps what is in its cache: look "
              "from\nalice with dig and curl.  `rootline lab reset` ends this.\n",
              t.out);
        return;
    }
    fprintf(t.out, "\n  %-*s", LABEL_WIDTH, "");
    terminal_print(&t, TERMINAL_BOLD, "%-*s%s\n", COLUMN_WIDTH, "without defences",
                   "with defences");
    print_facts(&t, runs);
    fputc('\n', t.out);
    print_outcome(&t, "without defences", json_at(runs, 0), true);
    print_each(&t, runs);
    print_outcome(&t, "with defences", json_at(runs, json_count(runs) - 1), false);
    terminal_paragraph(&t, TERMINAL_PLAIN, "Defence", json_get_text(record, "stopped-by", ""));
}
