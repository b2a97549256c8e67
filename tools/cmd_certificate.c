/* A private CA for a class, a laboratory or a home.  New files are renamed into place only when
 * all are written, the key first: a daemon that watches them loads both or waits for the
 * second. */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/file.h"
#include "base/json.h"
#include "base/now.h"
#include "dns/dname_text.h"
#include "tools/cmd.h"

enum {
    NAMES_MAX = 32,
    DAYS = 365,
    DAYS_MAX = 3650,
    SERIAL_LEN = 16,
    PATH_ROOM = 4096,
    SAN_ROOM = NAMES_MAX * 270,
    EARLIER_S = 3600 /* the validity begins in the past: clocks of clients may be slow */
};

static const char *const default_names[] = {"localhost", "127.0.0.1", "::1"};

/* Lifetime: the command. */
struct making {
    const char *directory;
    const char *names[NAMES_MAX + 1];
    size_t name_cnt;
    long days;
    X509 *ca, *certificate;
    EVP_PKEY *ca_key, *key;
    bool is_ca_new;
};

static int report_failure(const char *what, const char *why)
{
    fprintf(stderr, "rootline: %s: %s\n", what, why);
    return CMD_WRONG;
}

static void make_path(const struct making *m, const char *name, char out[PATH_ROOM])
{
    snprintf(out, PATH_ROOM, "%s/%s", m->directory, name);
}

/* ---- names ---- */

/* Write `name` as a subject alternative name in OpenSSL's syntax, "IP:192.0.2.1" or
 * "DNS:dns.example"; false if it is neither an address nor a host name. */
static bool print_alt_name(const char *name, char *out, size_t size)
{
    static const uint8_t root[] = {0};
    uint8_t octets[16], wire[DNAME_MAX];
    size_t len;
    const char *bare = strncmp(name, "*.", 2) == 0 ? name + 2 : name;

    if (inet_pton(AF_INET, name, octets) == 1 || inet_pton(AF_INET6, name, octets) == 1) {
        snprintf(out, size, "IP:%s", name);
        return true;
    }
    for (const char *c = bare; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || util_is_digit(*c) ||
              *c == '-' || *c == '.'))
            return false;
    if (!*bare || dname_text_read(bare, strlen(bare), root, wire, &len, NULL, NULL) != ERR_OK)
        return false;
    size_t text_len = strlen(name);
    snprintf(out, size, "DNS:%.*s", (int)(text_len - (name[text_len - 1] == '.')), name);
    return true;
}

static int print_alt_names(const struct making *m, char out[SAN_ROOM])
{
    size_t len = 0;

    for (size_t i = 0; i < m->name_cnt; i++) {
        char one[270];
        if (!print_alt_name(m->names[i], one, sizeof(one)))
            return report_failure(m->names[i], "neither a host name nor an IP address");
        len += (size_t)snprintf(out + len, SAN_ROOM - len, "%s%s", len > 0 ? "," : "", one);
    }
    return CMD_DONE;
}

/* ---- certificates ---- */

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;

    X509V3_set_ctx(&context, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool is_added = e && X509_add_ext(x, e, -1) == 1;
    X509_EXTENSION_free(e);
    return is_added;
}

static bool set_serial(X509 *x)
{
    uint8_t octets[SERIAL_LEN];
    BIGNUM *number = NULL;
    bool is_set = RAND_bytes(octets, sizeof(octets)) == 1;

    octets[0] = (uint8_t)((octets[0] & 0x7f) | 0x40); /* positive, and always 16 octets */
    if (is_set)
        number = BN_bin2bn(octets, sizeof(octets), NULL);
    is_set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
    BN_free(number);
    return is_set;
}

/* Return a certificate for `key` without extensions and signature; NULL after an error. */
static X509 *begin_certificate(EVP_PKEY *key, const char *name, const X509 *issuer, long days)
{
    X509 *x = X509_new();

    if (!x || X509_set_version(x, X509_VERSION_3) != 1 || !set_serial(x) ||
        !X509_gmtime_adj(X509_getm_notBefore(x), -EARLIER_S) ||
        !X509_gmtime_adj(X509_getm_notAfter(x), days * 86400) || X509_set_pubkey(x, key) != 1 ||
        X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                                   (const unsigned char *)name, -1, -1, 0) != 1 ||
        X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x)) != 1) {
        X509_free(x);
        return NULL;
    }
    return x;
}

static X509 *make_ca(EVP_PKEY *key)
{
    X509 *x = begin_certificate(key, "Rootline private CA", NULL, DAYS_MAX);

    if (x && add_extension(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
        add_extension(x, x, NID_key_usage, "critical,keyCertSign,cRLSign") &&
        add_extension(x, x, NID_subject_key_identifier, "hash") &&
        X509_sign(x, key, EVP_sha256()) > 0)
        return x;
    X509_free(x);
    return NULL;
}

static X509 *make_server(const struct making *m, const char *names)
{
    X509 *x = begin_certificate(m->key, m->names[0], m->ca, m->days);

    if (x && add_extension(x, m->ca, NID_basic_constraints, "critical,CA:FALSE") &&
        add_extension(x, m->ca, NID_key_usage, "critical,digitalSignature") &&
        add_extension(x, m->ca, NID_ext_key_usage, "serverAuth") &&
        add_extension(x, m->ca, NID_subject_alt_name, names) &&
        add_extension(x, m->ca, NID_subject_key_identifier, "hash") &&
        add_extension(x, m->ca, NID_authority_key_identifier, "keyid:always") &&
        X509_sign(x, m->ca_key, EVP_sha256()) > 0)
        return x;
    X509_free(x);
    return NULL;
}

/* ---- files ---- */

/* Write a certificate or a key to a new file. */
static bool write_new(const struct making *m, struct file_new *file, const char *name,
                      X509 *certificate, EVP_PKEY *key)
{
    char path[PATH_ROOM];

    make_path(m, name, path);
    if (file_new_open(file, path, 0600) != ERR_OK)
        return false;
    bool is_written =
        certificate ? PEM_write_X509(file->out, certificate) == 1 &&
                          fchmod(fileno(file->out), 0644) == 0
                    : PEM_write_PKCS8PrivateKey(file->out, key, NULL, NULL, 0, NULL, NULL) == 1;
    return file_new_close(file) == ERR_OK && is_written;
}

static bool has_file(const struct making *m, const char *name)
{
    char path[PATH_ROOM];
    make_path(m, name, path);
    return access(path, F_OK) == 0;
}

static X509 *read_certificate(const struct making *m, const char *name)
{
    char path[PATH_ROOM];

    make_path(m, name, path);
    FILE *f = fopen(path, "re");
    X509 *x = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;
    if (f)
        fclose(f);
    return x;
}

static int reject_passphrase(char *out, int size, int is_writing, void *data)
{
    (void)out;
    (void)size;
    (void)is_writing;
    (void)data;
    return -1;
}

/* Load the CA from the directory, or make one if it has none. */
static int load_or_make_ca(struct making *m)
{
    char path[PATH_ROOM];

    if (!has_file(m, "ca.pem") && !has_file(m, "ca.key")) {
        m->is_ca_new = true;
        m->ca_key = EVP_EC_gen("P-256");
        m->ca = m->ca_key ? make_ca(m->ca_key) : NULL;
        return m->ca ? CMD_DONE : report_failure("ca.pem", "OpenSSL failed to make it");
    }
    m->ca = read_certificate(m, "ca.pem");
    make_path(m, "ca.key", path);
    FILE *f = fopen(path, "re");
    m->ca_key = f ? PEM_read_PrivateKey(f, NULL, reject_passphrase, NULL) : NULL;
    if (f)
        fclose(f);
    if (!m->ca || !m->ca_key || X509_check_private_key(m->ca, m->ca_key) != 1)
        return report_failure(
            m->directory,
            "its ca.pem and ca.key are not a CA and its key; remove both, or name "
            "another --directory");
    return CMD_DONE;
}

/* Fail if a certificate exists that this CA did not issue: it must not be overwritten. */
static int check_existing_files(const struct making *m)
{
    bool has_certificate = has_file(m, "cert.pem"), has_key = has_file(m, "key.pem");
    X509 *before = has_certificate ? read_certificate(m, "cert.pem") : NULL;
    bool is_ours = !has_certificate && !has_key;

    if (before)
        is_ours = X509_verify(before, m->ca_key) == 1;
    X509_free(before);
    ERR_clear_error();
    return is_ours ? CMD_DONE
                   : report_failure(
                         m->directory,
                         "its cert.pem or key.pem was not issued by its ca.pem and is not "
                         "overwritten; name another --directory");
}

static bool write_files(const struct making *m)
{
    struct file_new files[4] = {{.out = NULL}}; /* in the order of their renaming */
    bool is_done = write_new(m, &files[2], "key.pem", NULL, m->key) &&
                   write_new(m, &files[3], "cert.pem", m->certificate, NULL);

    if (m->is_ca_new)
        is_done = is_done && write_new(m, &files[0], "ca.key", NULL, m->ca_key) &&
                  write_new(m, &files[1], "ca.pem", m->ca, NULL);
    for (size_t i = m->is_ca_new ? 0 : 2; i < ARRAY_LEN(files) && is_done; i++)
        is_done = file_new_move(&files[i]) == ERR_OK;
    int why = errno;
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        file_new_drop(&files[i]);
    errno = why;
    return is_done;
}

/* ---- the command ---- */

static void print_result(const struct making *m, bool is_json)
{
    static const char *const keys[] = {"ca", "certificate", "key"};
    static const char *const files[] = {"ca.pem", "cert.pem", "key.pem"};
    char path[PATH_ROOM];

    if (is_json) {
        struct json *result = json_new_object();
        for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
            make_path(m, files[i], path);
            json_put_text(result, keys[i], path);
        }
        json_put_number(result, "days", m->days);
        struct json *names = json_put_list(result, "names");
        for (size_t i = 0; i < m->name_cnt; i++)
            json_add_text(names, m->names[i]);
        cmd_print_json(result);
        json_free(&result);
        return;
    }
    printf("%s/cert.pem and key.pem, for", m->directory);
    for (size_t i = 0; i < m->name_cnt; i++)
        printf("%s %s", i ? "," : "", m->names[i]);
    printf(", valid for %ld days\n%s/ca.pem is the %sCA that issued it: give this file to "
           "clients, and keep its key, ca.key, secret\n\n"
           "server:\n  listen-tls: [%s]\n  listen-https: [%s]\n  tls-certificate: "
           "%s/cert.pem\n  tls-key: %s/key.pem\n\n"
           "kdig +tls-ca=%s/ca.pem +tls-hostname=%s @ADDRESS NAME\n",
           m->days, m->directory, m->is_ca_new ? "new " : "", "ADDRESS", "ADDRESS",
           m->directory, m->directory, m->directory, m->names[0]);
}

static int make_certificate(struct making *m, bool is_json)
{
    char names[SAN_ROOM];

    int status = print_alt_names(m, names);
    if (status != CMD_DONE)
        return status;
    if (mkdir(m->directory, 0755) != 0 && errno != EEXIST)
        return report_failure(m->directory, strerror(errno));
    status = load_or_make_ca(m);
    if (status == CMD_DONE)
        status = check_existing_files(m);
    if (status != CMD_DONE)
        return status;
    m->key = EVP_EC_gen("P-256");
    m->certificate = m->key ? make_server(m, names) : NULL;
    if (!m->certificate)
        return report_failure("cert.pem", "OpenSSL failed to make it");
    if (!write_files(m))
        return report_failure(m->directory, strerror(errno));
    print_result(m, is_json);
    return CMD_DONE;
}

const char cmd_certificate_usage[] =
    "usage: rootline certificate make [NAME | ADDRESS]... [--directory DIR] "
    "[--days N] [--json]\n"
    "  --directory DIR  write ca.pem, ca.key, cert.pem and key.pem there (.)\n"
    "  --days N         make the certificate valid for N days, at most 3650 (365)\n";

int cmd_certificate(int argc, char **argv)
{
    struct making m = {.directory = ".", .days = DAYS};
    bool is_json = cmd_take_flag(&argc, argv, "--json");
    const char *directory = cmd_take_value(&argc, argv, "--directory");
    const char *days = cmd_take_value(&argc, argv, "--days");
    char host[256] = "", *end = NULL;

    if (argc < 1 || strcmp(argv[0], "make") != 0 || argc - 1 > NAMES_MAX)
        return cmd_wrong_usage(cmd_certificate_usage);
    if (directory)
        m.directory = directory;
    if (days)
        m.days = strtol(days, &end, 10);
    if (m.days < 1 || m.days > DAYS_MAX || (end && *end) || strlen(m.directory) > PATH_ROOM / 2)
        return cmd_wrong_usage(cmd_certificate_usage);
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-')
            return cmd_wrong_usage(cmd_certificate_usage);
        m.names[m.name_cnt++] = argv[i];
    }
    if (m.name_cnt == 0) {
        if (gethostname(host, sizeof(host) - 1) == 0 && *host && strcmp(host, "localhost") != 0)
            m.names[m.name_cnt++] = host;
        for (size_t i = 0; i < ARRAY_LEN(default_names); i++)
            m.names[m.name_cnt++] = default_names[i];
    }
    int status = make_certificate(&m, is_json);
    X509_free(m.ca);
    X509_free(m.certificate);
    EVP_PKEY_free(m.ca_key);
    EVP_PKEY_free(m.key);
    return status;
}
