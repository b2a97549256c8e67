/* The file names are those of BIND, so that its tools and Knot's can use the same folder. */
#include "authd/sign/keydir.h"

#include <dirent.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "dns/dname_text.h"
#include "dns/rdata_text.h"
#include "dns/rrline.h"

enum {
    KEY_FILE_MAX = 65536,
    KEY_NAME_MAX = 3 * DNAME_MAX + 20, /* K, each octet as %XX, +AAA+TTTTT, NUL */
    TAG_TRIES_MAX = 1000,
};

static void report_key(struct diag *diag, enum diag_level level, const char *path,
                       const char *suffix, const char *text)
{
    char file[4096];
    struct diag_place place = {.file = file};

    snprintf(file, sizeof(file), "%s%s", path, suffix);
    diag_add(diag, level, &place, "%s", text);
}

struct dnskey keydir_fields(const struct keydir_key *key)
{
    return dnskey_read(key->rdata, key->rdata_len);
}

void keydir_fini(struct keydir *keys)
{
    for (size_t i = 0; i < keys->cnt; i++) {
        signkey_free(&keys->keys[i].key);
        free(keys->keys[i].path);
    }
    keys->cnt = 0;
}

/* ---- names of files ---- */

/* Print "K" and the zone as BIND does: in lower case, octets but letters, digits, "-" and "_"
 * as %XX, with a final dot. */
static size_t print_key_prefix(const uint8_t *origin, char out[KEY_NAME_MAX])
{
    size_t len = 0;

    out[len++] = 'K';
    for (const uint8_t *label = origin; *label; label += *label + 1) {
        for (unsigned i = 1; i <= *label; i++) {
            uint8_t c = util_lower(label[i]);
            bool is_plain =
                (c >= 'a' && c <= 'z') || util_is_digit((char)c) || c == '-' || c == '_';
            len +=
                (size_t)snprintf(out + len, KEY_NAME_MAX - len, is_plain ? "%c" : "%%%02X", c);
        }
        out[len++] = '.';
    }
    if (*origin == 0)
        out[len++] = '.';
    out[len] = '\0';
    return len;
}

static char *make_key_path(const char *folder, const uint8_t *origin, uint8_t algorithm,
                           uint16_t tag)
{
    char name[KEY_NAME_MAX];
    size_t len = print_key_prefix(origin, name);
    size_t size = strlen(folder) + 1 + KEY_NAME_MAX;
    char *path = malloc(size);

    snprintf(name + len, sizeof(name) - len, "+%03u+%05u", algorithm, tag);
    if (path)
        snprintf(path, size, "%s/%s", folder, name);
    return path;
}

/* ---- loading ---- */

/* Compare the time in the field `name` with `now_s`; `otherwise` if there is none. */
static bool is_past(const char *text, const char *name, uint32_t now_s, bool otherwise)
{
    struct tm tm = {.tm_isdst = 0};
    char digits[15];
    size_t len = 0;
    const char *value = signkey_field(text, name, &len);

    if (!value || len < 14)
        return otherwise;
    memcpy(digits, value, 14);
    digits[14] = '\0';
    if (sscanf(digits, "%4d%2d%2d%2d%2d%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour,
               &tm.tm_min, &tm.tm_sec) != 6)
        return otherwise;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return timegm(&tm) <= (time_t)now_s;
}

static void read_key_times(const char *text, uint32_t now_s, struct keydir_key *key)
{
    key->is_deleted = is_past(text, "Delete", now_s, false);
    key->is_published = is_past(text, "Publish", now_s, true) && !key->is_deleted;
    key->is_active = key->is_published && is_past(text, "Activate", now_s, true) &&
                     !is_past(text, "Inactive", now_s, false);
}

static const char *explain_file_error(enum err err)
{
    return err == ERR_DENIED ? "permission denied" : file_problem(err);
}

/* Read the DNSKEY record of a .key file.  ERR_FORMAT: reported. */
static enum err read_key_record(struct keydir_key *key, const uint8_t *origin,
                                struct diag *diag)
{
    char path[4096], *text = NULL;
    size_t len = 0;
    struct rrline *line = NULL;

    snprintf(path, sizeof(path), "%s.key", key->path);
    enum err err = file_read_text(path, KEY_FILE_MAX, &text, &len, NULL);
    if (err) {
        report_key(diag, DIAG_ERROR, key->path, ".key", explain_file_error(err));
        return ERR_FORMAT;
    }
    line = malloc(sizeof(*line));
    err = line ? ERR_ABSENT : ERR_NOMEM;
    for (const char *at = text; err == ERR_ABSENT && at < text + len;) {
        size_t line_len = strcspn(at, "\n");
        err = rrline_read(at, line_len, origin, 0, line);
        at += line_len + 1;
    }
    if (err == ERR_OK && line->type == RRTYPE_DNSKEY && dname_is_equal(line->owner, origin) &&
        line->rdata_len > 4 && line->rdata_len <= sizeof(key->rdata)) {
        memcpy(key->rdata, line->rdata, line->rdata_len);
        key->rdata_len = line->rdata_len;
        key->ttl = line->ttl;
    } else if (err != ERR_NOMEM) {
        report_key(diag, DIAG_ERROR, key->path, ".key",
                   err == ERR_FORMAT ? line->fault.text
                                     : "it does not have a DNSKEY of the zone");
        err = ERR_FORMAT;
    }
    free(line);
    free(text);
    return err;
}

/* Compare the private key with the DNSKEY and the name of the file. */
static const char *judge_pair(const struct keydir_key *key)
{
    uint8_t public[SIGNKEY_PUBLIC_MAX];
    struct dnskey fields = keydir_fields(key);
    size_t len = signkey_public(key->key, public);
    char name[24];

    if (fields.algorithm != signkey_algorithm(key->key) || fields.key_len != len ||
        memcmp(fields.key, public, len) != 0)
        return "it is not the private key of the DNSKEY in the .key file";
    if (!dnskey_is_zone_key(&fields))
        return "the DNSKEY in the .key file is not a zone key (flags 256 or 257, protocol 3)";
    snprintf(name, sizeof(name), "+%03u+%05u", fields.algorithm, fields.tag);
    if (strcmp(key->path + strlen(key->path) - strlen(name), name) != 0)
        return "algorithm and tag in the name of the file are not those of the key";
    return NULL;
}

static enum err read_private_file(struct keydir_key *key, uint32_t now_s, struct diag *diag)
{
    char path[4096], *text = NULL;
    struct fault fault;
    size_t len = 0;
    bool is_exposed = false;

    snprintf(path, sizeof(path), "%s.private", key->path);
    enum err err = file_read_secret(path, KEY_FILE_MAX, &text, &len, &is_exposed);
    if (err) {
        report_key(diag, DIAG_ERROR, key->path, ".private", explain_file_error(err));
        return ERR_FORMAT;
    }
    if (is_exposed)
        report_key(diag, DIAG_WARNING, key->path, ".private",
                   "every user can read this private key: chmod 600");
    err = signkey_read(text, len, &key->key, &fault);
    if (err == ERR_FORMAT || err == ERR_DENIED) {
        report_key(diag, DIAG_ERROR, key->path, ".private", fault.text);
        err = ERR_FORMAT;
    }
    const char *mismatch = err ? NULL : judge_pair(key);
    if (mismatch) {
        report_key(diag, DIAG_ERROR, key->path, ".private", mismatch);
        err = ERR_FORMAT;
    }
    read_key_times(text, now_s, key);
    explicit_bzero(text, len);
    free(text);
    return err;
}

/* Load the key with this file name, without ".key".  ERR_FORMAT: reported. */
static enum err load_key(struct keydir *keys, const char *name, const uint8_t *origin,
                         uint32_t now_s, struct diag *diag)
{
    size_t size = strlen(keys->folder) + strlen(name) + 2;
    struct keydir_key *key = &keys->keys[keys->cnt];

    *key = (struct keydir_key){.path = malloc(size)};
    if (!key->path)
        return ERR_NOMEM;
    keys->cnt++;
    snprintf(key->path, size, "%s/%s", keys->folder, name);
    enum err err = read_key_record(key, origin, diag);
    return err ? err : read_private_file(key, now_s, diag);
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* List the names of the zone's .key files, without the suffix, in `names`. */
static enum err list_key_files(DIR *folder, const uint8_t *origin,
                               char *names[KEYDIR_KEYS_MAX + 1], size_t *cnt)
{
    char prefix[KEY_NAME_MAX];
    size_t len = print_key_prefix(origin, prefix);
    struct dirent *entry;

    prefix[len++] = '+';
    while (*cnt <= KEYDIR_KEYS_MAX && (entry = readdir(folder))) {
        size_t name_len = strlen(entry->d_name);
        /* K<zone>+AAA+TTTTT.key */
        if (name_len != len + 9 + 4 || strncmp(entry->d_name, prefix, len) != 0 ||
            strcmp(entry->d_name + len + 9, ".key") != 0)
            continue;
        names[*cnt] = strndup(entry->d_name, len + 9);
        if (!names[*cnt])
            return ERR_NOMEM;
        (*cnt)++;
    }
    qsort(names, *cnt, sizeof(*names), compare_names);
    return ERR_OK;
}

enum err keydir_load(struct keydir *keys, const char *path, const uint8_t *origin,
                     uint32_t now_s, struct diag *diag)
{
    char *names[KEYDIR_KEYS_MAX + 1];
    size_t cnt = 0;
    DIR *folder = opendir(path);

    *keys = (struct keydir){.folder = path};
    if (!folder) {
        report_key(diag, DIAG_ERROR, path, "",
                   errno == ENOENT ? "there is no such folder for the keys" : strerror(errno));
        return ERR_FORMAT;
    }
    enum err err = list_key_files(folder, origin, names, &cnt);
    closedir(folder);
    if (!err && cnt > KEYDIR_KEYS_MAX) {
        report_key(diag, DIAG_ERROR, path, "", "the zone has more than 32 keys here");
        err = ERR_FORMAT;
    }
    for (size_t i = 0; i < cnt && err != ERR_NOMEM; i++) {
        enum err fault =
            cnt <= KEYDIR_KEYS_MAX ? load_key(keys, names[i], origin, now_s, diag) : ERR_OK;
        err = fault ? fault : err;
    }
    for (size_t i = 0; i < cnt; i++)
        free(names[i]);
    return err;
}

/* ---- making ---- */

static void print_key_time(FILE *out, const char *lead, const char *name, uint32_t now_s,
                           bool is_long)
{
    time_t seconds = now_s;
    char digits[20], text[40];
    struct tm tm;

    if (!gmtime_r(&seconds, &tm))
        return;
    strftime(digits, sizeof(digits), "%Y%m%d%H%M%S", &tm);
    strftime(text, sizeof(text), " (%a %b %e %H:%M:%S %Y)", &tm);
    fprintf(out, "%s%s: %s%s\n", lead, name, digits, is_long ? text : "");
}

static void print_key_times(FILE *out, const char *lead, uint32_t now_s)
{
    static const char *const names[] = {"Created", "Publish", "Activate"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        print_key_time(out, lead, names[i], now_s, *lead != '\0');
}

static void print_key_record(FILE *out, const struct keydir_key *key, const uint8_t *origin,
                             uint32_t now_s)
{
    char name[DNAME_TEXT_MAX], rdata[RDATA_TEXT_MAX];
    struct dnskey fields = keydir_fields(key);

    dname_text_print(origin, name);
    rdata_text_print(RRTYPE_DNSKEY, key->rdata, key->rdata_len, rdata);
    fprintf(out, "; This is a %s-signing key, keyid %u, for %s\n",
            fields.flags & DNSKEY_ENTRY ? "key" : "zone", fields.tag, name);
    print_key_times(out, "; ", now_s);
    fprintf(out, "%s IN DNSKEY %s\n", name, rdata);
}

/* Write both files, and only when both are complete give them their names. */
static enum err write_key_files(const struct keydir_key *key, const uint8_t *origin,
                                uint32_t now_s)
{
    char path[4096], text[SIGNKEY_TEXT_MAX];
    struct file_new record = {.out = NULL}, private = {.out = NULL};

    enum err err = signkey_print(key->key, text);
    snprintf(path, sizeof(path), "%s.private", key->path);
    if (!err)
        err = file_new_open(&private, path, 0600);
    snprintf(path, sizeof(path), "%s.key", key->path);
    if (!err)
        err = file_new_open(&record, path, 0644);
    if (!err) {
        fputs(text, private.out);
        print_key_times(private.out, "", now_s);
        print_key_record(record.out, key, origin, now_s);
        err = file_new_close(&private);
    }
    explicit_bzero(text, sizeof(text));
    if (!err)
        err = file_new_close(&record);
    if (!err)
        err = file_new_move(&private);
    if (!err)
        err = file_new_move(&record);
    int why = errno;
    file_new_drop(&private);
    file_new_drop(&record);
    errno = why;
    return err;
}

/* True if another key has the tag, or would have it once revoked (RFC 5011 2.1). */
static bool is_tag_taken(const struct keydir *keys, const struct keydir_key *made)
{
    uint8_t revoked[KEYDIR_RDATA_MAX];
    char path[4096];
    uint16_t tag = keydir_fields(made).tag;

    memcpy(revoked, made->rdata, made->rdata_len);
    revoked[1] |= DNSKEY_REVOKE;
    for (size_t i = 0; i < keys->cnt; i++) {
        uint16_t other = keydir_fields(&keys->keys[i]).tag;
        if (other == tag || other == dnskey_read(revoked, made->rdata_len).tag)
            return true;
    }
    snprintf(path, sizeof(path), "%s.private", made->path);
    return access(path, F_OK) == 0;
}

static enum err generate_key(struct keydir *keys, struct keydir_key *key, const uint8_t *origin,
                             uint8_t algorithm, uint16_t flags)
{
    enum err err = signkey_generate(algorithm, &key->key);

    if (err)
        return err;
    util_put_u16(key->rdata, flags);
    key->rdata[2] = DNSKEY_PROTOCOL;
    key->rdata[3] = algorithm;
    key->rdata_len = 4 + signkey_public(key->key, key->rdata + 4);
    key->path = make_key_path(keys->folder, origin, algorithm, keydir_fields(key).tag);
    return key->path ? ERR_OK : ERR_NOMEM;
}

enum err keydir_make(struct keydir *keys, const uint8_t *origin, uint8_t algorithm,
                     uint16_t flags, uint32_t now_s, struct diag *diag)
{
    enum err err = keys->cnt == KEYDIR_KEYS_MAX ? ERR_LIMIT : ERR_OK;
    struct keydir_key key;
    bool is_taken = true;

    for (unsigned i = 0; i < TAG_TRIES_MAX && is_taken && !err; i++) {
        key = (struct keydir_key){.is_new = true, .is_published = true, .is_active = true};
        err = generate_key(keys, &key, origin, algorithm, flags);
        is_taken = !err && is_tag_taken(keys, &key);
        if (err || is_taken) {
            signkey_free(&key.key);
            free(key.path);
        }
    }
    if (err || is_taken)
        return err ? err : ERR_LIMIT;
    keys->keys[keys->cnt++] = key;
    err = write_key_files(&key, origin, now_s);
    if (err && err != ERR_NOMEM) {
        report_key(diag, DIAG_ERROR, key.path, ".private", strerror(errno));
        err = ERR_IO;
    }
    return err;
}

/* ---- roles ---- */

/* True if an active key of the algorithm has, or has not, the flag SEP. */
static bool has_active_key(const struct keydir *keys, uint8_t algorithm, bool is_entry)
{
    for (size_t i = 0; i < keys->cnt; i++) {
        struct dnskey key = keydir_fields(&keys->keys[i]);
        if (keys->keys[i].is_active && key.algorithm == algorithm &&
            !(key.flags & DNSKEY_REVOKE) && !(key.flags & DNSKEY_ENTRY) == !is_entry)
            return true;
    }
    return false;
}

void keydir_choose_roles(struct keydir *keys)
{
    for (size_t i = 0; i < keys->cnt; i++) {
        struct keydir_key *key = &keys->keys[i];
        struct dnskey fields = keydir_fields(key);
        bool is_entry = fields.flags & DNSKEY_ENTRY, is_revoked = fields.flags & DNSKEY_REVOKE;
        bool is_alone = !has_active_key(keys, fields.algorithm, !is_entry);
        key->signs_keys = key->is_active && (is_revoked || is_entry || is_alone);
        key->signs_zone = key->is_active && !is_revoked && (!is_entry || is_alone);
    }
}

const char *keydir_role(const struct keydir_key *key)
{
    if (key->signs_keys && key->signs_zone)
        return "CSK";
    if (key->signs_keys)
        return "KSK";
    return key->signs_zone ? "ZSK" : "-";
}
