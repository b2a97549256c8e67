/* Offsets are those inside struct server_conf, so a daemon's table places the whole struct at
 * one offset. */
#include "net/server_conf.h"

enum {
    WORKERS_MAX = 256,
    UDP_SIZE_MIN = 512,
    UDP_SIZE_MAX = 4096,
    IDENTITY_MAX = 128,
    PORT = 53
};

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

/* Accepts "auto" as what the key does when it is absent. */
static void read_control(struct conf_reader *reader, const struct conf_node *node, void *target)
{
    const char *text = conf_text(reader, node);
    (void)target;
    if (text && *text && strcmp(text, "auto") != 0)
        conf_wrong(reader, node,
                   "control: this version has no control socket yet; leave it out or empty");
}

/* Checked and without effect until authd limits its answer rate. */
static const struct conf_key rate_limit_keys[] = {
    {.name = "per-second", .type = CONF_UNUSED},
    {.name = "slip", .type = CONF_UNUSED},
    {.name = "exempt", .type = CONF_PREFIXES},
    {.name = NULL},
};

const struct conf_key server_conf_server_keys[] = {
    {.name = "listen",
     .type = CONF_ADDRS,
     .offset = offsetof(struct server_conf, listen),
     .min = PORT,
     .is_required = true},
    {.name = "listen-tls", .type = CONF_UNBUILT},
    {.name = "listen-https", .type = CONF_UNBUILT},
    {.name = "listen-http", .type = CONF_UNBUILT},
    {.name = "https-path", .type = CONF_UNUSED},
    {.name = "tls-certificate", .type = CONF_UNBUILT},
    {.name = "tls-key", .type = CONF_UNBUILT},
    {.name = "trusted-proxies", .type = CONF_UNBUILT},
    {.name = "workers",
     .type = CONF_CUSTOM,
     .offset = offsetof(struct server_conf, worker_cnt),
     .read = read_workers},
    {.name = "user", .type = CONF_STRING, .offset = offsetof(struct server_conf, user)},
    {.name = "control", .type = CONF_CUSTOM, .read = read_control},
    {.name = "clock", .type = CONF_INSTANT, .offset = offsetof(struct server_conf, clock_ms)},
    {.name = "metrics", .type = CONF_UNBUILT},
    {.name = "identity",
     .type = CONF_STRING,
     .offset = offsetof(struct server_conf, identity),
     .check = check_identity},
    {.name = "udp-size",
     .type = CONF_UINT,
     .offset = offsetof(struct server_conf, udp_size),
     .min = UDP_SIZE_MIN,
     .max = UDP_SIZE_MAX},
    {.name = "rate-limit", .type = CONF_MAP, .keys = rate_limit_keys},
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
     .words = level_words},
    {.name = "format",
     .type = CONF_ENUM,
     .offset = offsetof(struct server_conf, log_format),
     .words = format_words},
    {.name = NULL},
};

void server_conf_init(struct server_conf *conf)
{
    *conf = (struct server_conf){.user = "",
                                 .identity = "",
                                 .udp_size = 1232,
                                 .log_level = LOG_LEVEL_INFO,
                                 .log_format = LOG_FORMAT_TEXT};
}
