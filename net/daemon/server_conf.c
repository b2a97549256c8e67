/* Offsets are relative to struct server_conf: a daemon's own table adds the offset of that
 * struct in its configuration. */
#include "net/daemon/server_conf.h"

#include "base/file.h"
#include "dns/dname_text.h"
#include "dns/edns.h"

enum {
    WORKERS_MAX = 256,
    UDP_SIZE_MIN = 512,
    UDP_SIZE_MAX = 4096,
    IDENTITY_MAX = 128,
    COOKIE_FILE_MAX = 4096,
    SLIP_MAX = 100,
    PATH_MAX_LEN = 200
};

void server_conf_read_name(struct conf_reader *reader, const struct conf_node *node,
                           void *target)
{
    static const uint8_t root[] = {0};
    uint8_t name[DNAME_MAX];
    size_t len;
    struct fault fault;
    const char *text = conf_text(reader, node);

    if (!text)
        return;
    if (dname_text_read(text, strlen(text), root, name, &len, &fault, NULL) != ERR_OK) {
        conf_wrong(reader, node, "\"%s\" is not a domain name: %s", text, fault.text);
        return;
    }
    const uint8_t *copy = arena_copy(conf_arena(reader), name, len);
    if (copy)
        *(const uint8_t **)target = copy;
    else
        conf_wrong(reader, node, "out of memory");
}

static void read_workers(struct conf_reader *reader, const struct conf_node *node, void *target)
{
    const char *text = conf_text(reader, node);
    uint64_t value;
    if (!text || strcmp(text, "auto") == 0)
        return;
    if (!conf_number(text, &value) || value < 1 || value > WORKERS_MAX)
        conf_wrong(reader, node, "expected auto, or a number from 1 to %d", WORKERS_MAX);
    else
        *(uint32_t *)target = (uint32_t)value;
}

static void check_identity(struct conf_reader *reader, const struct conf_node *node,
                           void *target)
{
    if (strlen(*(const char **)target) > IDENTITY_MAX)
        conf_wrong(reader, node, "longer than %d octets", IDENTITY_MAX);
}

/* Warning about a file with a secret; it takes the file's name twice. */
#define EXPOSED "%s: every user may read it: chmod o-r %s"

/* Read a secret of 16 octets in hexadecimal.  False: the line is something else. */
static bool read_cookie_secret(const char *line, size_t len, uint8_t out[COOKIE_SECRET_LEN])
{
    static const char digits[] = "0123456789abcdef";
    if (len != 2 * COOKIE_SECRET_LEN)
        return false;
    memset(out, 0, COOKIE_SECRET_LEN);
    for (size_t i = 0; i < len; i++) {
        const char *digit = line[i] ? strchr(digits, util_lower((uint8_t)line[i])) : NULL;
        if (!digit)
            return false;
        out[i / 2] = (uint8_t)(out[i / 2] << 4 | (digit - digits));
    }
    return true;
}

/* Read one secret per line; the first makes cookies, the others only check them.  "#" starts a
 * comment. */
static void read_cookie_secrets(struct conf_reader *reader, const struct conf_node *node,
                                struct server_conf *conf, const char *text)
{
    for (unsigned line = 1; *text; line++) {
        size_t len = strcspn(text, "\r\n"), rest = strcspn(text, "\n");
        bool is_empty = strspn(text, " \t") == len || *text == '#';
        bool is_full = conf->cookie_secret_cnt == COOKIE_SECRETS_MAX;
        if (!is_empty &&
            (is_full ||
             !read_cookie_secret(text, len, conf->cookie_secrets[conf->cookie_secret_cnt]))) {
            conf_wrong(
                reader, node, "%s, line %u: %s", conf->cookie_file, line,
                is_full ? "more than 3 secrets"
                        : "expected 32 hexadecimal digits, as from \"openssl rand -hex 16\"");
            return;
        }
        conf->cookie_secret_cnt += !is_empty;
        text += text[rest] ? rest + 1 : rest;
    }
    if (conf->cookie_secret_cnt == 0)
        conf_wrong(reader, node, "%s contains no secret", conf->cookie_file);
}

/* `target` is &conf->cookie_file. */
static void check_cookie_file(struct conf_reader *reader, const struct conf_node *node,
                              void *target)
{
    struct server_conf *conf = container_of(target, struct server_conf, cookie_file);
    char *text;
    size_t len;

    if (!*conf->cookie_file)
        return;
    bool is_exposed;
    enum err err =
        file_read_secret(conf->cookie_file, COOKIE_FILE_MAX, &text, &len, &is_exposed);
    if (err == ERR_DENIED) { /* as of a reload after the change of user */
        conf_warn(reader, node,
                  "%s: the user of the service cannot read it; the current secrets stay in use",
                  conf->cookie_file);
        return;
    }
    if (err) {
        conf_wrong(reader, node, "%s: %s", conf->cookie_file, file_problem(err));
        return;
    }
    if (is_exposed)
        conf_warn(reader, node, EXPOSED, conf->cookie_file, conf->cookie_file);
    read_cookie_secrets(reader, node, conf, text + file_bom_len(text, len));
    free(text);
}

static void check_listen(struct conf_reader *reader, const struct conf_node *node, void *target)
{
    const struct conf_addrs *addrs = target;
    char text[ADDR_TEXT_MAX];

    for (size_t i = 0; i < addrs->cnt; i++) {
        const struct addr *addr = &addrs->at[i];
        addr_print_host(addr, text);
        if (addr_is_link_local(addr) && addr->sock.v6.sin6_scope_id == 0)
            conf_wrong(reader, conf_item(reader, node, i),
                       "a link-local address needs its interface, as in %s%%eth0", text);
        else if (addr_is_group(addr))
            conf_wrong(reader, conf_item(reader, node, i),
                       "%s is a multicast or broadcast address; DNS cannot be served there",
                       text);
    }
}

/* RFC 8484 4.1: the path of the URI template, without {?dns}. */
static void check_https_path(struct conf_reader *reader, const struct conf_node *node,
                             void *target)
{
    const char *path = *(const char **)target;
    bool is_right = *path == '/' && strlen(path) <= PATH_MAX_LEN;

    for (const char *c = path; *c; c++)
        is_right &= *c > ' ' && *c < 127 && !strchr("?#{}\"<>\\^`|%;(),", *c);
    if (!is_right)
        conf_wrong(reader, node, "expected a path such as /dns-query, of at most %d octets",
                   PATH_MAX_LEN);
}

static void check_certificates(struct conf_reader *reader, const struct conf_node *node,
                               void *target)
{
    if (((const struct conf_list *)target)->cnt >= TLS_SERVER_CERTIFICATES_MAX)
        conf_wrong(reader, node, "more than %d certificates", TLS_SERVER_CERTIFICATES_MAX);
}

size_t server_conf_certificates(const struct server_conf *conf, struct tls_server_files *out)
{
    const struct tls_server_files *more = conf->certificates.items;
    size_t cnt = 0;

    if (*conf->tls_certificate)
        out[cnt++] = (struct tls_server_files){conf->tls_certificate, conf->tls_key};
    for (size_t i = 0; i < conf->certificates.cnt && cnt < TLS_SERVER_CERTIFICATES_MAX; i++)
        out[cnt++] = more[i];
    return cnt;
}

/* Two sockets on one address would each get half of the connections. */
static void check_listeners(struct conf_reader *reader, const struct conf_node *node,
                            const struct server_conf *conf)
{
    const struct conf_addrs *all = conf->listen;
    char text[ADDR_TEXT_MAX];

    for (size_t i = 0; i < EXCHANGE_STACK_CNT; i++)
        for (size_t j = 0; j < all[i].cnt; j++)
            for (size_t k = i; k < EXCHANGE_STACK_CNT; k++)
                for (size_t l = k == i ? j + 1 : 0; l < all[k].cnt; l++)
                    if (addr_is_equal(&all[i].at[j], &all[k].at[l])) {
                        addr_print(&all[i].at[j], text);
                        conf_wrong(reader, node, "%s is listed twice", text);
                        return;
                    }
}

/* The key of the first listener that needs a certificate; NULL: none does. */
static const char *find_tls_listener(const struct server_conf *conf)
{
    for (size_t i = 0; i < EXCHANGE_STACK_CNT; i++)
        if (exchange_stacks[i].has_tls && conf->listen[i].cnt > 0)
            return exchange_stacks[i].key;
    return NULL;
}

void server_conf_check(struct conf_reader *reader, const struct conf_node *node, void *target)
{
    struct server_conf *conf = target;
    const char *tls_listener = find_tls_listener(conf);
    struct tls_server_files files[TLS_SERVER_CERTIFICATES_MAX];
    size_t cnt = server_conf_certificates(conf, files);
    struct tls_server *server;
    struct fault fault;

    check_listeners(reader, node, conf);
    if (*conf->tls_certificate && !*conf->tls_key)
        conf_wrong(reader, node,
                   "tls-certificate needs tls-key, the file with its private key");
    else if (!*conf->tls_certificate && (*conf->tls_key || conf->certificates.cnt > 0))
        conf_wrong(reader, node, "tls-certificate is missing: the file with the certificate");
    else if (tls_listener && cnt == 0)
        conf_wrong(
            reader, node,
            "%s needs tls-certificate and tls-key; \"rootline certificate make\" creates "
            "both for a laboratory",
            tls_listener);
    if (cnt == 0 || !*files[0].key)
        return;
    enum err err = tls_server_new(files, cnt, &server, &fault);
    if (err == ERR_DENIED) /* as of a reload after the change of user */
        conf_warn(reader, node,
                  "tls-certificate: %s: the user of the service cannot read it; the current "
                  "certificates stay in use",
                  fault.text);
    else if (err)
        conf_wrong(reader, node, "tls-certificate: %s", fault.text);
    if (err)
        return;
    must(tls_server_certificate(server, 0, &conf->certificate));
    struct tls_server_certificate c;
    for (size_t i = 0; tls_server_certificate(server, i, &c); i++)
        if (c.is_key_exposed)
            conf_warn(reader, node, EXPOSED, c.key, c.key);
    tls_server_free(&server);
}

static const struct conf_key certificate_keys[] = {
    {.name = "certificate",
     .type = CONF_PATH,
     .offset = offsetof(struct tls_server_files, certificate),
     .is_required = true},
    {.name = "key",
     .type = CONF_PATH,
     .offset = offsetof(struct tls_server_files, key),
     .is_required = true},
    {.name = NULL},
};

static const struct conf_key rate_limit_keys[] = {
    {.name = "per-second",
     .type = CONF_UINT,
     .offset = offsetof(struct server_conf, rate_limit.per_second),
     .preset = 50,
     .max = RATE_LIMIT_PER_SECOND_MAX},
    {.name = "slip",
     .type = CONF_UINT,
     .offset = offsetof(struct server_conf, rate_limit.slip),
     .preset = 2,
     .max = SLIP_MAX},
    {.name = "exempt",
     .type = CONF_PREFIXES,
     .offset = offsetof(struct server_conf, rate_limit.exempt),
     .preset_text = SERVER_CONF_LOOPBACK},
    {.name = "log-only",
     .type = CONF_BOOL,
     .offset = offsetof(struct server_conf, rate_limit.is_log_only)},
    {.name = NULL},
};

const struct conf_key server_conf_limits_keys[] = {SERVER_CONF_LIMITS_KEYS(0), {.name = NULL}};

const struct conf_key server_conf_server_keys[] = {
#define EXCHANGE_STACK_ROW(id, key, title, port, ...)           \
    {.name = key,                                               \
     .type = CONF_ADDRS,                                        \
     .offset = offsetof(struct server_conf, listen) +           \
               EXCHANGE_STACK_##id * sizeof(struct conf_addrs), \
     .min = port,                                               \
     .is_required = EXCHANGE_STACK_##id == EXCHANGE_STACK_DNS,  \
     .check = check_listen},
#include "net/request/stack.def"
#undef EXCHANGE_STACK_ROW
    {.name = "https-path",
     .type = CONF_STRING,
     .offset = offsetof(struct server_conf, https_path),
     .preset_text = "/dns-query",
     .check = check_https_path},
    {.name = "tls-certificate",
     .type = CONF_PATH,
     .offset = offsetof(struct server_conf, tls_certificate)},
    {.name = "tls-key", .type = CONF_PATH, .offset = offsetof(struct server_conf, tls_key)},
    {.name = "more-certificates",
     .type = CONF_LIST,
     .offset = offsetof(struct server_conf, certificates),
     .keys = certificate_keys,
     .item_size = sizeof(struct tls_server_files),
     .check = check_certificates},
    {.name = "trusted-proxies",
     .type = CONF_PREFIXES,
     .offset = offsetof(struct server_conf, trusted_proxies)},
    {.name = "workers",
     .type = CONF_CUSTOM,
     .offset = offsetof(struct server_conf, worker_cnt),
     .read = read_workers},
    {.name = "user", .type = CONF_STRING, .offset = offsetof(struct server_conf, user)},
    {.name = "control",
     .type = CONF_STRING,
     .offset = offsetof(struct server_conf, control),
     .preset_text = "auto"},
    {.name = "clock", .type = CONF_TIME, .offset = offsetof(struct server_conf, clock_ms)},
    {.name = "metrics", .type = CONF_UNSUPPORTED},
    {.name = "identity",
     .type = CONF_STRING,
     .offset = offsetof(struct server_conf, identity),
     .check = check_identity},
    {.name = "udp-size",
     .type = CONF_UINT,
     .offset = offsetof(struct server_conf, udp_size),
     .preset = EDNS_UDP_SIZE,
     .min = UDP_SIZE_MIN,
     .max = UDP_SIZE_MAX},
    {.name = "rate-limit", .type = CONF_MAP, .keys = rate_limit_keys},
    {.name = "cookie-secrets",
     .type = CONF_PATH,
     .offset = offsetof(struct server_conf, cookie_file),
     .check = check_cookie_file},
    {.name = "pin-workers",
     .type = CONF_BOOL,
     .offset = offsetof(struct server_conf, is_pinning)},
    {.name = "rotate-records",
     .type = CONF_BOOL,
     .offset = offsetof(struct server_conf, is_rotating)},
    {.name = NULL},
};

static const char *const level_words[] = {"error", "warning", "info", "debug", NULL};
static const char *const format_words[] = {"text", "json", NULL};

const struct conf_key server_conf_log_keys[] = {
    {.name = "level",
     .type = CONF_ENUM,
     .offset = offsetof(struct server_conf, log_level),
     .preset = LOG_LEVEL_INFO,
     .words = level_words},
    {.name = "format",
     .type = CONF_ENUM,
     .offset = offsetof(struct server_conf, log_format),
     .preset = LOG_FORMAT_TEXT,
     .words = format_words},
    {.name = NULL},
};
