/* Zones are signed from the leaves to the root, since a parent signs the DS records of its
 * children. */
#define _GNU_SOURCE
#include "tools/lab/site.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"

enum { OUTPUT_MAX = 65536, ZONE_FILE_MAX = 1 << 20 };

/* The signed zones, children before their parents. */
static const char *const signed_zones[] = {
    "bank.com", "shop.com", "example.com", "attacker32.com", "post.org", "com", "org", "."};

void site_path(const struct site *site, const struct topology_host *host, const char *file,
               char out[SITE_PATH_MAX])
{
    snprintf(out, SITE_PATH_MAX, "%s/%s/%s", site->folder, host->name, file);
}

void site_drop_cache(const struct site *site)
{
    char path[SITE_PATH_MAX];

    site_path(site, topology_find("resolver"), "cache", path);
    DIR *folder = opendir(path);
    if (!folder)
        return;
    for (const struct dirent *file; (file = readdir(folder)) != NULL;)
        (void)unlinkat(dirfd(folder), file->d_name, 0); /* not "." and ".." */
    closedir(folder);
}

bool site_is_server(const struct topology_host *host) { return host->zones[0] != NULL; }

static bool fail_site(struct fault *fault, const char *fmt, ...) PRINTF_LIKE(2, 3);
static bool fail_site(struct fault *fault, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fault_set_va(fault, ERR_IO, fmt, args);
    va_end(args);
    return false;
}

/* ---- where things are ---- */

static bool choose_place(char out[SITE_PATH_MAX], const char *from, const char *const *places,
                         size_t cnt, const char *file)
{
    char path[2 * SITE_PATH_MAX];

    for (size_t i = 0; i < cnt; i++) {
        snprintf(path, sizeof(path), "%s/%s", from, places[i]);
        char *real = realpath(path, NULL);
        snprintf(path, sizeof(path), "%s/%s", real ? real : "", file);
        if (real && access(path, F_OK) == 0) {
            snprintf(out, SITE_PATH_MAX, "%s", real);
            free(real);
            return true;
        }
        free(real);
    }
    return false;
}

bool site_find(struct site *site, struct fault *fault)
{
    static const char *const programs[] = {".", "../bin", "../../bin"};
    static const char *const daemons[] = {".", "../sbin", "../../sbin"};
    static const char *const zones[] = {"../../zones/lab", "../share/rootline/lab",
                                        "../../share/rootline/lab"};
    char from[SITE_PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", from, sizeof(from) - 1);

    if (len <= 0)
        return fail_site(fault, "cannot read /proc/self/exe: is /proc mounted?");
    from[len] = '\0';
    *strrchr(from, '/') = '\0';
    if (!choose_place(site->programs, from, programs, ARRAY_LEN(programs), "rootline"))
        return fail_site(fault, "there is no program rootline in %s or ../bin", from);
    if (!choose_place(site->daemons, from, daemons, ARRAY_LEN(daemons), "rootline-authd"))
        return fail_site(fault, "there is no program rootline-authd in %s or ../sbin", from);
    if (!choose_place(site->zones, from, zones, ARRAY_LEN(zones), "root.zone"))
        return fail_site(fault, "the zones are not in ../share/rootline/lab beside %s", from);
    return true;
}

/* ---- other programs ---- */

/* Run `rootline` and read what it writes to stdout into `out`; its errors go to stderr of this
 * process.  False: the fault. */
static bool run_rootline(const struct site *site, char *const argv[], char out[OUTPUT_MAX],
                         struct fault *fault)
{
    char path[SITE_PATH_MAX + 16];
    int ends[2], status;
    size_t len = 0;

    snprintf(path, sizeof(path), "%s/rootline", site->programs);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return fail_site(fault, "cannot make a pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execv(path, argv);
        _exit(127);
    }
    close(ends[1]);
    for (ssize_t got = 1; got > 0 && len + 1 < OUTPUT_MAX; len += got > 0 ? (size_t)got : 0)
        got = read(ends[0], out + len, OUTPUT_MAX - 1 - len);
    out[len] = '\0';
    close(ends[0]);
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        return fail_site(fault, "%s %s %s failed", path, argv[1], argv[2]);
    return true;
}

/* ---- zones ---- */

static void print_zone_path(const struct site *site, const char *zone, const char *suffix,
                            char out[SITE_PATH_MAX])
{
    snprintf(out, SITE_PATH_MAX, "%s/zones/%s.%s", site->folder,
             strcmp(zone, ".") == 0 ? "root" : zone, suffix);
}

static bool append_zone_line(const char *path, const char *text)
{
    FILE *out = fopen(path, "ae");
    bool is_written = out && fputs(text, out) >= 0 && fputc('\n', out) >= 0;
    return out && fclose(out) == 0 && is_written;
}

static bool copy_site_file(const char *from, const char *to, struct fault *fault)
{
    char *data;
    size_t len;
    enum err err = file_read(from, ZONE_FILE_MAX, &data, &len, NULL);

    if (err)
        return fail_site(fault, "%s: %s", from, file_problem(err));
    err = file_replace(to, data, len);
    free(data);
    return !err || fail_site(fault, "%s: %s", to, file_problem(err));
}

static bool copy_zone(const struct site *site, const char *name, const char *to,
                      struct fault *fault)
{
    char from[2 * SITE_PATH_MAX];
    snprintf(from, sizeof(from), "%s/%s.zone", site->zones, name);
    return copy_site_file(from, to, fault);
}

/* Give the DS record to the parent, or to the resolver as its trust anchor. */
static bool hand_up_ds(const struct site *site, const char *zone, const char *ds,
                       struct fault *fault)
{
    char path[SITE_PATH_MAX];
    const char *dot = strchr(zone, '.');

    if (strcmp(zone, ".") == 0)
        snprintf(path, sizeof(path), "%s/zones/root.key", site->folder);
    else
        print_zone_path(site, dot ? dot + 1 : ".", "plain", path);
    return append_zone_line(path, ds) || fail_site(fault, "%s: %s", path, strerror(errno));
}

/* Sign a zone, with another option of `rootline zone sign` if `option` is not NULL.  The caller
 * frees *result. */
static bool sign_lab_zone(const struct site *site, const char *zone, const char *option,
                          struct json **result, struct fault *fault)
{
    static char out[OUTPUT_MAX];
    char plain[SITE_PATH_MAX], file[SITE_PATH_MAX], keys[SITE_PATH_MAX];
    struct fault reason;

    print_zone_path(site, zone, "plain", plain);
    print_zone_path(site, zone, "zone", file);
    snprintf(keys, sizeof(keys), "%s/keys", site->folder);
    char *argv[] = {"rootline", "zone",     "sign", (char *)zone, plain,          "--keys",
                    keys,       "--output", file,   "--json",     (char *)option, NULL};
    if (!run_rootline(site, argv, out, fault))
        return false;
    return json_read(out, strlen(out), result, &reason) == ERR_OK ||
           fail_site(fault, "the output of rootline zone sign is wrong: %s", reason.text);
}

bool site_sign(const struct site *site, const char *zone, const char *option,
               struct fault *fault)
{
    struct json *result = NULL;
    bool is_done = sign_lab_zone(site, zone, option, &result, fault);

    json_free(&result);
    return is_done;
}

static bool sign_for_parent(const struct site *site, const char *zone, struct fault *fault)
{
    struct json *result;

    if (!sign_lab_zone(site, zone, NULL, &result, fault))
        return false;
    const char *ds = json_text(json_at(json_find(result, "ds"), 0));
    bool is_done = ds ? hand_up_ds(site, zone, ds, fault)
                      : fail_site(fault, "rootline zone sign gave no DS record for %s", zone);
    json_free(&result);
    return is_done;
}

bool site_make_zones(const struct site *site, struct fault *fault)
{
    char path[SITE_PATH_MAX], name[80];

    snprintf(path, sizeof(path), "%s/zones/root.key", site->folder);
    (void)unlink(path); /* the DS record is appended */

    for (size_t i = 0; i < ARRAY_LEN(signed_zones); i++) {
        const char *zone = signed_zones[i];
        print_zone_path(site, zone, "plain", path);
        if (!copy_zone(site, strcmp(zone, ".") == 0 ? "root" : zone, path, fault))
            return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(signed_zones); i++)
        if (!sign_for_parent(site, signed_zones[i], fault))
            return false;
    for (size_t i = 0; i < topology_host_cnt; i++)
        for (const char *const *zone = topology_hosts[i].forged; *zone; zone++) {
            snprintf(name, sizeof(name), "forged/%s", *zone);
            print_zone_path(site, name, "zone", path);
            if (!copy_zone(site, name, path, fault))
                return false;
        }
    snprintf(path, sizeof(path), "%s/zones/root.hints", site->folder);
    char from[2 * SITE_PATH_MAX];
    snprintf(from, sizeof(from), "%s/root.hints", site->zones);
    return copy_site_file(from, path, fault);
}

/* ---- configurations ---- */

static bool finish_file(FILE *out)
{
    bool is_written = !ferror(out);
    return fclose(out) == 0 && is_written;
}

static FILE *begin_file(const struct site *site, const struct topology_host *host,
                        const char *file)
{
    char path[SITE_PATH_MAX];
    site_path(site, host, file, path);
    return fopen(path, "we");
}

bool site_write_resolver(const struct site *site, const struct defence_set *off,
                         const char *extra)
{
    const struct topology_host *host = topology_find("resolver");
    FILE *out = begin_file(site, host, "resolver.yaml");

    if (!out)
        return false;
    fprintf(out, "# The resolver of the laboratory; `rootline lab run` rewrites this file.\n"
                 "server: {");
    defence_print_keys(off, DEFENCE_SERVER, out);
    fprintf(out,
            "listen: [%s, \"%s\"], listen-tls: [%s], listen-https: [%s],\n"
            "  tls-certificate: tls/cert.pem, tls-key: tls/key.pem, workers: 1,\n"
            "  identity: resolver, control: control.sock}\n"
            "allow: [%s203.0.113.0/24, \"2001:db8:113::/48\", 127.0.0.0/8]\n"
            "cache: {directory: cache, size: 16M}\n",
            host->v4, host->v6, host->v4, host->v4,
            off->is_off[DEFENCE_CLIENT_LIST] ? "0.0.0.0/0, \"::/0\", " : "");
    fprintf(out, "resolver: {");
    defence_print_keys(off, DEFENCE_RESOLVER, out);
    if (!off->is_off[DEFENCE_DNSSEC])
        fprintf(out, "trust-anchor: ../zones/root.key, ");
    fprintf(out, "root-hints: ../zones/root.hints, do-not-query: []}\nlab: {");
    defence_print_keys(off, DEFENCE_LAB, out);
    fprintf(out, "}\nlimits: {");
    defence_print_keys(off, DEFENCE_LIMITS, out);
    fprintf(out, "}\ndetection: {");
    defence_print_keys(off, DEFENCE_DETECTION, out);
    fprintf(out, "}\n");
    if (!off->is_off[DEFENCE_PRIVATE])
        fprintf(out, "private-addresses: {prefixes: [10.0.0.0/8, 172.16.0.0/12, "
                     "192.168.0.0/16, 203.0.113.0/24,\n"
                     "  \"fd00::/8\", \"2001:db8:113::/48\"]}\n");
    fputs(extra, out);
    return finish_file(out);
}

bool site_write_server(const struct site *site, const struct topology_host *host,
                       const char *server)
{
    FILE *out = begin_file(site, host, "authd.yaml");

    if (!out)
        return false;
    fprintf(
        out,
        "server: {listen: [%s, \"%s\"], workers: 1, identity: %s, control: control.sock%s%s}\n"
        "zones:\n",
        host->v4, host->v6, host->name, *server ? ", " : "", server);
    for (const char *const *zone = host->zones; *zone; zone++)
        fprintf(out, "  - {zone: \"%s\", file: ../zones/%s.zone}\n", *zone,
                strcmp(*zone, ".") == 0 ? "root" : *zone);
    for (const char *const *zone = host->forged; *zone; zone++)
        fprintf(out, "  - {zone: \"%s\", file: ../zones/forged/%s.zone}\n", *zone, *zone);
    return finish_file(out);
}

const char *const site_resolvers[SITE_RESOLVER_CNT] = {"rootline", "unbound", "named"};

static void print_unbound(const struct site *site, FILE *out, const struct topology_host *host,
                          bool is_validating)
{
    fprintf(out,
            "server:\n  interface: %s\n  interface: %s\n"
            "  access-control: 203.0.113.0/24 allow\n"
            "  access-control: 2001:db8:113::/48 allow\n"
            "  root-hints: %s/zones/root.hints\n"
            "  chroot: \"\"\n  username: \"\"\n  pidfile: \"\"\n  use-syslog: no\n"
            "  logfile: \"\"\n  num-threads: 1\n  do-daemonize: no\n",
            host->v4, host->v6, site->folder);
    if (is_validating)
        fprintf(out, "  trust-anchor-file: %s/zones/root.key\n", site->folder);
    else
        fprintf(out, "  module-config: \"iterator\"\n");
}

/* The DS record of the root as named wants it: "static-ds TAG ALGORITHM TYPE "DIGEST"". */
static bool print_named_anchor(const struct site *site, FILE *out)
{
    char path[SITE_PATH_MAX], digest[129];
    unsigned tag, algorithm, type;

    snprintf(path, sizeof(path), "%s/zones/root.key", site->folder);
    FILE *in = fopen(path, "re");
    if (!in)
        return false;
    bool is_read = fscanf(in, ". IN DS %u %u %u %128s", &tag, &algorithm, &type, digest) == 4;
    fclose(in);
    if (is_read)
        fprintf(out, "trust-anchors { . static-ds %u %u %u \"%s\"; };\n", tag, algorithm, type,
                digest);
    return is_read;
}

static bool print_named(const struct site *site, FILE *out, const struct topology_host *host,
                        bool is_validating)
{
    fprintf(out,
            "options { directory \"%s/resolver\"; listen-on { %s; }; listen-on-v6 { %s; };\n"
            "  recursion yes; allow-query { 203.0.113.0/24; 2001:db8:113::/48; };\n"
            "  pid-file none; session-keyfile none; empty-zones-enable no;\n"
            "  dnssec-validation %s; };\ncontrols { };\n"
            "zone \".\" { type hint; file \"../zones/root.hints\"; };\n",
            site->folder, host->v4, host->v6, is_validating ? "yes" : "no");
    return !is_validating || print_named_anchor(site, out);
}

bool site_write_peer(const struct site *site, enum site_resolver kind, bool is_validating)
{
    const struct topology_host *host = topology_find("resolver");
    FILE *out = begin_file(site, host, "peer.conf");
    bool is_good = true;

    if (!out)
        return false;
    if (kind == SITE_UNBOUND)
        print_unbound(site, out, host, is_validating);
    else
        is_good = print_named(site, out, host, is_validating);
    return finish_file(out) && is_good;
}

static bool write_text(const struct site *site, const struct topology_host *host,
                       const char *file, const char *text)
{
    FILE *out = begin_file(site, host, file);
    return out && (fputs(text, out), finish_file(out));
}

/* What the system's own resolver library reads: each host has its own. */
static bool write_host(const struct site *site, const struct topology_host *host)
{
    const struct topology_host *resolver = topology_find("resolver");
    char path[SITE_PATH_MAX], servers[160];

    snprintf(path, sizeof(path), "%s/%s", site->folder, host->name);
    snprintf(servers, sizeof(servers), "nameserver %s\nnameserver %s\n", resolver->v4,
             resolver->v6);
    return mkdir(path, 0755) == 0 && write_text(site, host, "resolv.conf", servers) &&
           write_text(site, host, "hosts", "127.0.0.1 localhost\n::1 localhost\n") &&
           write_text(site, host, "nsswitch.conf", "hosts: files dns\npasswd: files\n") &&
           (!site_is_server(host) || site_write_server(site, host, ""));
}

static bool make_lab_certificate(const struct site *site, struct fault *fault)
{
    static char out[OUTPUT_MAX];
    const struct topology_host *host = topology_find("resolver");
    char folder[SITE_PATH_MAX];

    site_path(site, host, "tls", folder);
    char *argv[] = {"rootline",     "certificate",    "make",
                    "resolver.lab", (char *)host->v4, (char *)host->v6,
                    "--directory",  folder,           NULL};
    return run_rootline(site, argv, out, fault);
}

bool site_make(const struct site *site, const struct defence_set *off, struct fault *fault)
{
    static const char *const folders[] = {"zones", "zones/forged", "keys"};
    char path[SITE_PATH_MAX];

    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        snprintf(path, sizeof(path), "%s/%s", site->folder, folders[i]);
        if (mkdir(path, 0755) != 0)
            return fail_site(fault, "%s: %s", path, strerror(errno));
    }
    for (size_t i = 0; i < topology_host_cnt; i++)
        if (!write_host(site, &topology_hosts[i]))
            return fail_site(fault, "cannot write the files of %s in %s: %s",
                             topology_hosts[i].name, site->folder, strerror(errno));
    if (!site_write_resolver(site, off, ""))
        return fail_site(fault, "cannot write the resolver's configuration: %s",
                         strerror(errno));
    return site_make_zones(site, fault) && make_lab_certificate(site, fault);
}
