/* rootline zone sign: sign a zone file with keys in BIND's format.  The signed zone is written
 * beside its place and renamed, so that a server never reads a part of it. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "authd/load/zonefile.h"
#include "authd/load/zoneprint.h"
#include "authd/sign/zonesign.h"
#include "base/file.h"
#include "base/now.h"
#include "dns/dname_text.h"
#include "dns/rdata_text.h"
#include "tools/cmd.h"

enum {
    EARLIER_S = 3600,     /* clocks of validators may be slow */
    VALID_S = 30 * 86400, /* as dnssec-signzone */
    PATH_ROOM = 4096,
    OUTPUT_BUFFER = 1 << 20,
    DS_TEXT_MAX = DNAME_TEXT_MAX + RDATA_TEXT_MAX + 8, /* name, IN DS, RDATA */
};

/* Lifetime: the command. */
struct zone_signer {
    uint8_t origin[DNAME_MAX];
    char name[DNAME_TEXT_MAX]; /* the origin */
    const char *input, *folder;
    char output[PATH_ROOM]; /* "-": stdout */
    uint8_t algorithm;      /* of new keys */
    bool is_split, may_overwrite, is_json;
    struct zonesign_conf conf;
    struct zonesign_result result;
    struct zonebuild build;
    struct keydir keys;
    struct diag diag;
};

static bool is_stdout(const struct zone_signer *s) { return strcmp(s->output, "-") == 0; }

static void report_path(struct zone_signer *s, const char *path, const char *text)
{
    struct diag_place place = {.file = path};
    diag_add(&s->diag, DIAG_ERROR, &place, "%s", text);
}

/* ---- keys ---- */

static enum err make_keys(struct zone_signer *s)
{
    const uint16_t entry = DNSKEY_ZONE | DNSKEY_ENTRY;
    enum err err =
        keydir_make(&s->keys, s->origin, s->algorithm, entry, s->conf.now_s, &s->diag);

    if (!err && s->is_split)
        err = keydir_make(&s->keys, s->origin, s->algorithm, DNSKEY_ZONE, s->conf.now_s,
                          &s->diag);
    return err;
}

static enum err load_or_make_keys(struct zone_signer *s)
{
    enum err err = keydir_load(&s->keys, s->folder, s->origin, s->conf.now_s, &s->diag);

    if (!err && s->keys.cnt == 0)
        err = make_keys(s);
    if (!err)
        keydir_choose_roles(&s->keys);
    return err;
}

/* ---- the signed file ---- */

/* Refuse an output that would replace a file of the zone, unless the user wants that, or that
 * is a device or a pipe. */
static enum err check_output(struct zone_signer *s)
{
    struct stat st;

    if (is_stdout(s) || stat(s->output, &st) != 0)
        return ERR_OK;
    if (!S_ISREG(st.st_mode)) {
        report_path(s, s->output, "the output is not a regular file; --output - is stdout");
        return ERR_FORMAT;
    }
    for (size_t i = 0; i < s->build.file_cnt && !s->may_overwrite; i++) {
        const struct file_stamp *stamp = &s->build.files[i].stamp;
        if (stamp->device != st.st_dev || stamp->inode != st.st_ino)
            continue;
        report_path(s, s->output,
                    "the output would replace a file that was read: name another, or allow it "
                    "with --overwrite");
        return ERR_FORMAT;
    }
    return ERR_OK;
}

static void print_head(const struct zone_signer *s, FILE *out)
{
    char from[NOW_TEXT_MAX], until[NOW_TEXT_MAX];

    now_print((int64_t)s->conf.inception * 1000, from);
    now_print((int64_t)s->conf.expiration * 1000, until);
    fprintf(out, "; %s serial %u, signed by rootline, valid from %.19sZ until %.19sZ\n",
            s->name, s->result.serial, from, until);
}

static enum err print_signed_zone(const struct zone_signer *s, FILE *out)
{
    print_head(s, out);
    return zoneprint(&s->build, out);
}

static enum err write_signed_file(struct zone_signer *s)
{
    char *real = realpath(s->output, NULL); /* a link stays one */
    struct file_new file = {.out = NULL};
    enum err err = file_new_open(&file, real ? real : s->output, 0644);

    if (!err) {
        (void)setvbuf(file.out, NULL, _IOFBF,
                      OUTPUT_BUFFER); /* else the default size is used */
        err = print_signed_zone(s, file.out);
    }
    if (!err)
        err = file_new_close(&file);
    if (!err)
        err = file_new_move(&file);
    if (err)
        report_path(s, s->output, strerror(errno));
    file_new_drop(&file);
    free(real);
    return err ? ERR_IO : ERR_OK;
}

static enum err write_output(struct zone_signer *s)
{
    if (!is_stdout(s))
        return write_signed_file(s);
    if (print_signed_zone(s, stdout) == ERR_OK && fflush(stdout) == 0)
        return ERR_OK;
    report_path(s, "stdout", strerror(errno));
    return ERR_IO;
}

/* ---- the result ---- */

static bool needs_ds(const struct keydir_key *key)
{
    return key->signs_keys && !(keydir_fields(key).flags & DNSKEY_REVOKE);
}

/* Print the DS of a key with SHA-256, the digest that all validators support (RFC 8624 3.3). */
static bool print_ds(const struct zone_signer *s, const struct keydir_key *key,
                     char out[DS_TEXT_MAX])
{
    uint8_t rdata[DS_LEN_MAX];
    char text[RDATA_TEXT_MAX];
    size_t len;

    if (ds_make(DS_SHA256, s->origin, key->rdata, key->rdata_len, rdata, &len) != ERR_OK)
        return false;
    rdata_text_print(RRTYPE_DS, rdata, len, text);
    snprintf(out, DS_TEXT_MAX, "%s IN DS %s", s->name, text);
    return true;
}

static const char *denial_word(enum zonesign_denial denial)
{
    switch (denial) {
    case ZONESIGN_NSEC3: return "nsec3";
    case ZONESIGN_OPT_OUT: return "opt-out";
    default: return "nsec";
    }
}

static void print_sign_json(const struct zone_signer *s, bool is_done)
{
    char text[DS_TEXT_MAX];
    struct json *result = json_new_object();

    json_put(result, "findings", diag_to_json(&s->diag));
    if (is_done) {
        json_put_text(result, "zone", s->name);
        json_put_text(result, "file", s->output);
        json_put_number(result, "serial", s->result.serial);
        json_put_text(result, "denial", denial_word(s->conf.denial));
        json_put_bool(result, "zonemd", s->result.has_zonemd);
        json_put_number(result, "records", (int64_t)s->build.cnt);
        json_put_number(result, "signatures", (int64_t)s->result.signature_cnt);
        now_print((int64_t)s->conf.inception * 1000, text);
        json_put_text(result, "inception", text);
        now_print((int64_t)s->conf.expiration * 1000, text);
        json_put_text(result, "expiration", text);
        struct json *keys = json_put_list(result, "keys");
        struct json *ds = json_put_list(result, "ds");
        for (size_t i = 0; i < s->keys.cnt; i++) {
            const struct keydir_key *key = &s->keys.keys[i];
            struct json *one = json_add_object(keys);
            json_put_number(one, "tag", keydir_fields(key).tag);
            json_put_number(one, "algorithm", keydir_fields(key).algorithm);
            json_put_text(one, "role", keydir_role(key));
            json_put_text(one, "file", key->path);
            json_put_bool(one, "new", key->is_new);
            if (needs_ds(key) && print_ds(s, key, text))
                json_add_text(ds, text);
        }
    }
    cmd_print_json(result);
    json_free(&result);
}

/* Print the summary to stderr if the zone has gone to stdout. */
static void print_sign_summary(const struct zone_signer *s)
{
    char from[NOW_TEXT_MAX], until[NOW_TEXT_MAX], ds[DS_TEXT_MAX];
    FILE *out = is_stdout(s) ? stderr : stdout;

    now_print((int64_t)s->conf.inception * 1000, from);
    now_print((int64_t)s->conf.expiration * 1000, until);
    fprintf(out,
            "%s: zone %s serial %u: %zu records, %zu signatures, %s%s, valid from %.10s "
            "until %.10s\n",
            s->output, s->name, s->result.serial, s->build.cnt, s->result.signature_cnt,
            denial_word(s->conf.denial), s->result.has_zonemd ? ", zonemd" : "", from, until);
    for (size_t i = 0; i < s->keys.cnt; i++) {
        const struct keydir_key *key = &s->keys.keys[i];
        struct dnskey fields = keydir_fields(key);
        fprintf(out, "%s %u %s %s%s\n", keydir_role(key), fields.tag,
                signkey_algorithm_name(fields.algorithm), key->path,
                key->is_new ? " (new)" : "");
    }
    for (size_t i = 0; i < s->keys.cnt; i++)
        if (needs_ds(&s->keys.keys[i]) && print_ds(s, &s->keys.keys[i], ds))
            fprintf(out, "%s\n", ds);
}

/* ---- the command ---- */

static void warn_validity(struct zone_signer *s)
{
    struct diag_place place = {.file = s->input};

    if ((int32_t)(s->conf.expiration - s->conf.now_s) <= 0)
        diag_add(&s->diag, DIAG_WARNING, &place, "the signatures have already expired");
    else if ((int32_t)(s->conf.inception - s->conf.now_s) > 0)
        diag_add(&s->diag, DIAG_WARNING, &place, "the signatures are not valid yet");
}

static enum err run_signer(struct zone_signer *s)
{
    enum err err = zonefile_read(s->origin, s->input, &s->diag, &s->build);

    if (!err)
        err = check_output(s);
    if (!err)
        err = load_or_make_keys(s);
    if (!err)
        err = zonesign(&s->build, &s->keys, &s->conf, &s->result);
    if (!err)
        warn_validity(s);
    return err ? err : write_output(s);
}

static int sign_zone_file(struct zone_signer *s)
{
    diag_init(&s->diag);
    dname_text_print(s->origin, s->name);
    enum err err = run_signer(s);
    if (s->is_json)
        print_sign_json(s, !err);
    else
        cmd_report(&s->diag, false);
    if (!err && !s->is_json)
        print_sign_summary(s);
    else if (err && !cmd_zone_is_cause_found(err, &s->diag))
        fprintf(stderr, "%s: %s\n", s->input, err_name(err));
    keydir_fini(&s->keys);
    zonebuild_fini(&s->build);
    diag_fini(&s->diag);
    return err ? CMD_WRONG : CMD_DONE;
}

static bool read_serial_word(const char *word, enum zonesign_serial *out)
{
    static const char *const words[] = {"keep", "increment", "unixtime", "date"};

    for (unsigned i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(word, words[i]) == 0) {
            *out = (enum zonesign_serial)i;
            return true;
        }
    return false;
}

/* Take the options that have values.  False: one is wrong, which is reported. */
static bool take_sign_values(struct zone_signer *s, int *argc, char **argv)
{
    const char *algorithm = cmd_take_value(argc, argv, "--algorithm");
    const char *serial = cmd_take_value(argc, argv, "--serial");
    const char *folder = cmd_take_value(argc, argv, "--keys");

    if (folder)
        s->folder = folder;
    if (algorithm)
        s->algorithm = signkey_find_algorithm(algorithm);
    if (s->algorithm == 0) {
        fprintf(stderr, "rootline: \"%s\" is not ECDSAP256SHA256, ED25519 or RSASHA256\n",
                algorithm);
        return false;
    }
    if (serial && !read_serial_word(serial, &s->conf.serial)) {
        fprintf(stderr, "rootline: \"%s\" is not keep, increment, unixtime or date\n", serial);
        return false;
    }
    if (!cmd_zone_read_time(cmd_take_value(argc, argv, "--time"), &s->conf.now_s))
        return false;
    s->conf.inception = s->conf.now_s - EARLIER_S;
    s->conf.expiration = s->conf.now_s + VALID_S;
    if (!cmd_zone_read_time(cmd_take_value(argc, argv, "--inception"), &s->conf.inception) ||
        !cmd_zone_read_time(cmd_take_value(argc, argv, "--expiration"), &s->conf.expiration))
        return false;
    if ((int32_t)(s->conf.expiration - s->conf.inception) <= 0) {
        fputs("rootline: the expiration must be after the inception, by less than 68 years\n",
              stderr);
        return false;
    }
    return true;
}

/* Print the name of the signed file to s->output; false if it is too long. */
static bool name_output(struct zone_signer *s, const char *output)
{
    int len = snprintf(s->output, sizeof(s->output), "%s%s", output ? output : s->input,
                       output ? "" : ".signed");
    return len > 0 && (size_t)len < sizeof(s->output);
}

static unsigned choose_threads(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    return cores > 0 ? (unsigned)cores : 1;
}

int cmd_zone_sign(int argc, char **argv)
{
    struct zone_signer *s = calloc(1, sizeof(*s));
    int status = CMD_USAGE;

    if (!s) {
        fprintf(stderr, "rootline: %s\n", err_name(ERR_NOMEM));
        return CMD_WRONG;
    }
    s->folder = ".";
    s->algorithm = DNSKEY_ECDSAP256;
    s->conf.now_s = (uint32_t)(now_wall_ms() / 1000);
    s->conf.threads = choose_threads();
    s->is_json = cmd_take_flag(&argc, argv, "--json");
    s->is_split = cmd_take_flag(&argc, argv, "--split");
    s->may_overwrite = cmd_take_flag(&argc, argv, "--overwrite");
    s->conf.adds_zonemd = cmd_take_flag(&argc, argv, "--zonemd");
    s->conf.adds_cds = cmd_take_flag(&argc, argv, "--cds");
    if (cmd_take_flag(&argc, argv, "--nsec3"))
        s->conf.denial = ZONESIGN_NSEC3;
    if (cmd_take_flag(&argc, argv, "--opt-out"))
        s->conf.denial = ZONESIGN_OPT_OUT;
    const char *output = cmd_take_value(&argc, argv, "--output");
    bool is_right = take_sign_values(s, &argc, argv);
    if (is_right && (argc != 2 || *argv[0] == '-' || *argv[1] == '-')) {
        cmd_wrong_usage(cmd_zone_usage);
        is_right = false;
    }
    if (is_right && cmd_zone_read_origin(argv[0], s->origin)) {
        s->input = argv[1];
        if (!name_output(s, output) || (s->is_json && is_stdout(s)))
            status = cmd_wrong_usage(cmd_zone_usage);
        else
            status = sign_zone_file(s);
    }
    free(s);
    return status;
}
