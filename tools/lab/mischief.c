/* mischief: an authoritative server whose names make their own misbehaviour.
 *
 *   mischief [--zone NAME] [--victim NAME] [--listen ADDRESS|PREFIX]... [--port N] [--seed N]
 *   mischief --list [--json]
 *
 * tools/lab/mischief.def lists the kinds, docs/lab/mischief.md shows how to use them. */
#define _GNU_SOURCE /* getopt_long */
#include "tools/lab/mischief_serve.h"

#include <getopt.h>

#include "base/json.h"
#include "dns/dname_text.h"
#include "net/loop/fence.h"

enum { EXIT_WRONG = 1, EXIT_USAGE = 2 };

static const char usage_text[] =
    "usage: mischief [options]\n"
    "       mischief --list [--json]\n"
    "\n"
    "Serve a zone in which the name KIND.ZONE is answered wrongly, in the way that KIND says.\n"
    "\n"
    "  --zone NAME        the zone; default: mischief.example\n"
    "  --victim NAME      another operator's zone, for forged records; default: "
    "victim.example\n"
    "  --listen PREFIX    a prefix of which each kind gets an address; may be repeated;\n"
    "                     default: 127.66.0.0/16\n"
    "  --listen ADDRESS   one address for all kinds; then no kind is delegated\n"
    "  --port N           UDP and TCP port; default: 53\n"
    "  --seed N           determines what is random; default: 1\n"
    "  --list             print the kinds: name, what it does, what a good resolver does\n"
    "  --json             print the list as JSON\n"
    "\n"
    "It listens on loopback addresses only, or inside a laboratory (\"rootline lab up\").\n";

/* ---- the list ---- */

static void add_flags(struct json *list, unsigned flags)
{
    static const char *const names[] = {"over-tcp", "no-tcp",     "all-names",
                                        "parent",   "one-of-two", "deep"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (flags & 1U << i)
            json_add_text(list, names[i]);
}

static void add_expected(struct json *list, const char *classes)
{
    char name[32];
    while (*classes) {
        size_t len = strcspn(classes, "|");
        snprintf(name, sizeof(name), "%.*s", (int)len, classes);
        json_add_text(list, name);
        classes += len + (classes[len] == '|');
    }
}

static int print_kinds_as_json(void)
{
    struct json *list = json_new_list();
    for (size_t i = 0; i < mischief_kind_cnt; i++) {
        const struct mischief_kind *kind = &mischief_kinds[i];
        struct json *row = json_add_object(list);
        json_put_text(row, "name", kind->name);
        add_flags(json_put_list(row, "flags"), kind->flags);
        add_expected(json_put_list(row, "expected"), kind->expected);
        json_put_text(row, "does", kind->does);
        json_put_text(row, "should", kind->should);
    }
    char *text = json_dropped() ? NULL : json_write(list, true);
    if (text)
        puts(text);
    else
        fprintf(stderr, "mischief: no memory\n");
    json_free(&list);
    free(text);
    return text ? 0 : EXIT_WRONG;
}

static int print_kinds(void)
{
    for (size_t i = 0; i < mischief_kind_cnt; i++)
        printf("%-22s  %s\n%22s  A good resolver: %s\n", mischief_kinds[i].name,
               mischief_kinds[i].does, "", mischief_kinds[i].should);
    return 0;
}

/* ---- the options ---- */

static bool report_wrong_option(const char *option, const char *value, const char *why)
{
    fprintf(stderr, "mischief: %s %s: %s\n", option, value, why);
    return false;
}

static bool read_zone_option(const char *option, const char *text, uint8_t out[DNAME_MAX])
{
    static const uint8_t root[] = {0};
    struct fault fault;
    size_t len;

    if (dname_text_read(text, strlen(text), root, out, &len, &fault, NULL) != ERR_OK)
        return report_wrong_option(option, text, fault.text);
    if (len == 1 || len > DNAME_MAX / 2) /* names of kinds are longer */
        return report_wrong_option(option, text, "the root or a long name cannot be the zone");
    return true;
}

static bool read_number_option(const char *option, const char *text, uint64_t max,
                               uint64_t *out)
{
    char *end;
    *out = strtoull(text, &end, 10);
    if (!util_is_digit(*text) || *end || *out > max)
        return report_wrong_option(option, text, "not a number in the range");
    return true;
}

static bool is_loopback_prefix(const struct addr_prefix *prefix)
{
    static const char *const nets[] = {"127.0.0.0/8", "::1/128"};
    for (size_t i = 0; i < ARRAY_LEN(nets); i++) {
        struct addr_prefix net;
        must(addr_read_prefix(nets[i], &net) == ERR_OK);
        if (prefix->bits >= net.bits &&
            addr_is_in(&(struct addr_prefixes){&net, 1}, &prefix->addr))
            return true;
    }
    return false;
}

static bool read_listen_option(const char *text, struct mischief_conf *conf)
{
    struct addr_prefix prefix;
    size_t len;

    if (conf->places.cnt == MISREPLY_PLACES_MAX)
        return report_wrong_option("--listen", text, "there are too many of these");
    if (addr_read_prefix(text, &prefix) != ERR_OK)
        return report_wrong_option("--listen", text, "neither an address nor a prefix");
    (void)addr_bytes(&prefix.addr, &len);
    unsigned host_bits = (unsigned)(len * 8) - prefix.bits;
    if (host_bits > 0 && host_bits < 32 && mischief_zone_hosts() + 1 >= 1U << host_bits)
        return report_wrong_option("--listen", text, "the prefix has too few addresses");
    if (addr_is_wildcard(&prefix.addr) || addr_is_group(&prefix.addr))
        return report_wrong_option("--listen", text, "not the address of one host");
    if (!is_loopback_prefix(&prefix))
        conf->is_fenced = true;
    conf->places.at[conf->places.cnt++] = prefix;
    return true;
}

/* Check that no packet can leave the machine.  False: the reason is on stderr. */
static bool check_laboratory(const struct mischief_conf *conf)
{
    struct fault fault;

    if (!conf->is_fenced || fence_check(&fault) == ERR_OK)
        return true;
    fprintf(stderr, "mischief: an address is not loopback, and this is no laboratory: %s\n",
            fault.text);
    return false;
}

/* Read the options into `conf`.  False: one is wrong, which is reported. */
static bool read_options(int argc, char **argv, struct mischief_conf *conf, bool *is_list,
                         bool *is_json, bool *is_help)
{
    enum { ZONE, VICTIM, LISTEN, PORT, SEED, LIST, JSON, HELP };
    static const struct option options[] = {{"zone", required_argument, NULL, ZONE},
                                            {"victim", required_argument, NULL, VICTIM},
                                            {"listen", required_argument, NULL, LISTEN},
                                            {"port", required_argument, NULL, PORT},
                                            {"seed", required_argument, NULL, SEED},
                                            {"list", no_argument, NULL, LIST},
                                            {"json", no_argument, NULL, JSON},
                                            {"help", no_argument, NULL, HELP},
                                            {NULL, 0, NULL, 0}};
    uint64_t number = 0;
    bool is_good = true;

    for (int option; is_good && (option = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (option) {
        case ZONE: is_good = read_zone_option("--zone", optarg, conf->zone); break;
        case VICTIM: is_good = read_zone_option("--victim", optarg, conf->victim); break;
        case LISTEN: is_good = read_listen_option(optarg, conf); break;
        case PORT:
            is_good = read_number_option("--port", optarg, 65535, &number);
            conf->places.port = (uint16_t)number;
            break;
        case SEED:
            is_good = read_number_option("--seed", optarg, UINT64_MAX, &conf->seed);
            break;
        case LIST: *is_list = true; break;
        case JSON: *is_json = true; break;
        case HELP: *is_help = true; break;
        default: is_good = false; break;
        }
    if (is_good && (optind < argc || (*is_json && !*is_list) || conf->places.port == 0)) {
        fputs(usage_text, stderr);
        is_good = false;
    }
    return is_good;
}

int main(int argc, char **argv)
{
    struct mischief_conf conf = {.places.port = 53, .seed = 1};
    bool is_list = false, is_json = false, is_help = false;

    if (!read_zone_option("--zone", "mischief.example", conf.zone) ||
        !read_zone_option("--victim", "victim.example", conf.victim) ||
        !read_options(argc, argv, &conf, &is_list, &is_json, &is_help))
        return EXIT_USAGE;
    if (is_help) {
        fputs(usage_text, stdout);
        return 0;
    }
    if (is_list)
        return is_json ? print_kinds_as_json() : print_kinds();
    if (conf.places.cnt == 0 && !read_listen_option("127.66.0.0/16", &conf))
        return EXIT_USAGE;
    if (!check_laboratory(&conf))
        return EXIT_USAGE;
    return mischief_serve(&conf);
}
