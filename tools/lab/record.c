/* The checksum finds a record that was edited by hand.  It has no secret, so it does not stop
 * somebody who reads this file: a seed per student, and a second look at the capture, do. */
#include "tools/lab/record.h"

#include <errno.h>
#include <inttypes.h>

#include "base/file.h"
#include "base/siphash.h"
#include "tools/cmd.h"
#include "tools/lab/experiment.h"

enum { RECORD_MAX = 1 << 22, SUM_TEXT = 17 };

static void print_sum(const struct json *record, char out[SUM_TEXT])
{
    static const uint8_t key[16] = "rootline-lab-rec";
    char *text = json_write(record, false);

    snprintf(out, SUM_TEXT, "%016" PRIx64,
             text ? siphash(key, (const uint8_t *)text, strlen(text)) : 0);
    free(text);
}

bool record_write(const char *path, struct json *record)
{
    char sum[SUM_TEXT];

    print_sum(record, sum);
    json_put_text(record, "checksum", sum);
    char *text = json_write(record, true);
    FILE *out = text ? fopen(path, "we") : NULL;
    bool is_written = out && fputs(text, out) >= 0 && fputc('\n', out) >= 0;
    if (out && fclose(out) != 0)
        is_written = false;
    if (!is_written)
        fprintf(stderr, "rootline lab: %s: %s\n", path, strerror(errno));
    free(text);
    return is_written;
}

/* The attack must have succeeded without the defences and failed with them. */
static bool has_expected_runs(const struct json *record)
{
    const struct json *runs = json_find(record, "runs");
    const size_t cnt = json_count(runs);

    return cnt >= 2 && json_get_bool(json_at(runs, 0), "succeeded", false) &&
           !json_get_bool(json_at(runs, cnt - 1), "succeeded", true);
}

/* Return what is wrong with a record; NULL: nothing. */
static const char *judge_record(struct json *record, const char *seed)
{
    char sum[SUM_TEXT], number[24];

    if (!experiment_find(json_get_text(record, "experiment", "")))
        return "is no record of an experiment";
    struct json *written = json_take(record, "checksum");

    print_sum(record, sum);
    bool is_same = written && json_text(written) && strcmp(json_text(written), sum) == 0;
    json_free(&written);
    snprintf(number, sizeof(number), "%" PRId64, json_get_number(record, "seed", -1));
    if (!is_same)
        return "was changed after it was written";
    if (seed && strcmp(seed, number) != 0)
        return "has another seed";
    return has_expected_runs(record) ? NULL : "the verdicts are not the expected ones";
}

static bool check_record(const char *path, const char *seed, struct json *results)
{
    struct json *record = NULL, *result = json_add_object(results);
    char *text;
    size_t len;
    enum err err = file_read(path, RECORD_MAX, &text, &len, NULL);
    const char *fault = err ? file_problem(err) : NULL;

    if (!err) {
        fault = json_read(text, len, &record, NULL) != ERR_OK || !json_has_keys(record)
                    ? "is no record of an experiment"
                    : judge_record(record, seed);
        free(text);
    }
    json_put_text(result, "file", path);
    /* a name that is none may be meant for the terminal of the reader */
    const struct experiment *experiment =
        experiment_find(json_get_text(record, "experiment", ""));
    json_put_text(result, "experiment", experiment ? experiment->name : "?");
    json_put_number(result, "seed", json_get_number(record, "seed", -1));
    json_put_bool(result, "good", fault == NULL);
    if (fault)
        json_put_text(result, "fault", fault);
    json_free(&record);
    return fault == NULL;
}

int record_check(int argc, char **argv)
{
    const bool is_json = cmd_take_flag(&argc, argv, "--json");
    const char *seed = cmd_take_value(&argc, argv, "--seed");
    struct json *results = json_new_list();
    bool is_good = true;

    if (argc == 0) {
        json_free(&results);
        return cmd_wrong_usage("usage: rootline lab check FILE.json... [--seed N] [--json]\n");
    }
    for (int i = 0; i < argc; i++)
        is_good &= check_record(argv[i], seed, results);
    for (size_t i = 0; i < json_count(results) && !is_json; i++) {
        const struct json *one = json_at(results, i);
        printf("%s: %s, seed %lld: %s\n", json_get_text(one, "file", ""),
               json_get_text(one, "experiment", ""),
               (long long)json_get_number(one, "seed", -1),
               json_get_text(one, "fault", "good"));
    }
    if (is_json)
        cmd_print_json(results);
    json_free(&results);
    return is_good ? CMD_DONE : CMD_WRONG;
}
