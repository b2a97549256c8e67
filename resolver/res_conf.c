/* Values are put into a policy while the file is read, so that each fault has its line and
 * column. */
#include "resolver/res_conf.h"

#include "base/file.h"
#include "base/now.h"
#include "dns/idn.h"
#include "dns/rrline.h"
#include "net/loop/fence.h"
#include "net/upstream/own.h"
#include "resolver/answer/answer.h"
#include "resolver/validate/trust.h"

enum {
    FILE_MAX = 1 << 20,
    HOSTS_MAX = 1 << 30,
    LOCAL_DATA_TTL = 3600,
    DAY_MS = 86400000,
    TTL_MAX_MS = 7 * DAY_MS,
    STALE_MAX_MS = 7 * DAY_MS,
    LIMIT_MAX = 1000000,
    PORT_DNS = 53,
    PORT_TLS = 853,
};

static const uint8_t root[] = {0};

/* ---- zones ---- */

static bool wants_tls(const struct res_conf_zone *zone)
{
    return (zone->tls_name && *zone->tls_name) || zone->tls_pins.cnt > 0;
}

/* Return the TLS client of a forwarder; NULL if it has none, or after a finding. */
static struct tls_client *find_tls(struct conf_reader *reader, const struct conf_node *item,
                                   const struct res_conf_zone *zone)
{
    struct tls_client_terms terms = {.name = zone->tls_name ? zone->tls_name : "",
                                     .pins = zone->tls_pins.at,
                                     .pin_cnt = zone->tls_pins.cnt,
                                     .ca_file = zone->tls_ca ? zone->tls_ca : ""};
    struct tls_client *tls = NULL;
    struct fault fault;

    if (!wants_tls(zone)) {
        if (zone->tls_ca || zone->tls_falls_back)
            conf_wrong(
                reader, item,
                "tls-ca and tls-fallback have no effect without TLS; set tls to the name "
                "of the server, or tls-pins to its keys");
        return NULL;
    }
    if (tls_client_get(&terms, &tls, &fault) != ERR_OK)
        conf_wrong(reader, item, "%s", fault.text);
    return tls;
}

/* Return the servers, with the default port of DNS or DNS over TLS where they have none. */
static struct conf_addrs with_ports(const struct res_conf_zone *zone, struct arena *arena)
{
    struct addr *addrs =
        arena_copy(arena, zone->servers.at, zone->servers.cnt * sizeof(*zone->servers.at));

    for (size_t i = 0; addrs && i < zone->servers.cnt; i++)
        if (addr_port(&addrs[i]) == 0)
            addr_set_port(&addrs[i], wants_tls(zone) ? PORT_TLS : PORT_DNS);
    return (struct conf_addrs){.at = addrs, .cnt = addrs ? zone->servers.cnt : 0};
}

/* Return true for resolver.arpa and names below it, which are never forwarded (RFC 9462 6.4).
 */
static bool describes_this_resolver(const uint8_t *name)
{
    static const uint8_t own[] = "\10resolver\4arpa";
    return dname_is_under(name, own);
}

static void add_zones(struct conf_reader *reader, const struct conf_node *node,
                      struct res_conf *conf, const struct conf_list *list,
                      enum delegation_source source)
{
    const struct res_conf_zone *zones = list->items;
    char text[DNAME_TEXT_MAX];

    for (size_t i = 0; i < list->cnt; i++) {
        const struct conf_node *item = conf_item(reader, node, i);
        if (!zones[i].name || zones[i].servers.cnt == 0)
            continue; /* conf_read has reported it */
        struct conf_addrs addrs = with_ports(&zones[i], &conf->policy->arena);
        if (addrs.cnt == 0) {
            conf_wrong(reader, item, "out of memory");
            continue;
        }
        struct route_zone zone = {.name = zones[i].name,
                                  .source = source,
                                  .addrs = addrs.at,
                                  .addr_cnt = addrs.cnt,
                                  .tls = find_tls(reader, item, &zones[i]),
                                  .tls_falls_back = zones[i].tls_falls_back};
        enum err err = route_put_zone(&conf->policy->route, &zone, &conf->policy->arena);
        dname_text_print(zones[i].name, text);
        if (describes_this_resolver(zones[i].name))
            conf_wrong(reader, item,
                       "%s cannot be forwarded: it describes this resolver itself (RFC 9462); "
                       "remove the zone",
                       text);
        else if (err == ERR_DENIED)
            conf_wrong(reader, item, "the zone %s is listed twice; remove one of them", text);
        else if (err == ERR_LIMIT)
            conf_wrong(reader, item, "a zone can have at most %d servers; remove some",
                       DELEGATION_SERVERS_MAX);
        else if (err)
            conf_wrong(reader, item, "%s", err_name(err));
    }
}

static void check_stubs(struct conf_reader *reader, const struct conf_node *node, void *target)
{
    add_zones(reader, node, container_of(target, struct res_conf, stubs), target,
              DELEGATION_STUB);
}

static void check_forwards(struct conf_reader *reader, const struct conf_node *node,
                           void *target)
{
    add_zones(reader, node, container_of(target, struct res_conf, forwards), target,
              DELEGATION_FORWARD);
}

#define ZONE_KEYS                                                              \
    {.name = "zone",                                                           \
     .type = CONF_CUSTOM,                                                      \
     .offset = offsetof(struct res_conf_zone, name),                           \
     .read = server_conf_read_name,                                            \
     .is_required = true},                                                     \
    {                                                                          \
        .name = "servers", .type = CONF_ADDRS,                                 \
        .offset = offsetof(struct res_conf_zone, servers), .is_required = true \
    }

static const struct conf_key stub_keys[] = {ZONE_KEYS, {.name = NULL}};

static const struct conf_key forward_keys[] = {
    ZONE_KEYS,
    {.name = "tls", .type = CONF_STRING, .offset = offsetof(struct res_conf_zone, tls_name)},
    {.name = "tls-pins",
     .type = CONF_TEXTS,
     .offset = offsetof(struct res_conf_zone, tls_pins)},
    {.name = "tls-ca", .type = CONF_PATH, .offset = offsetof(struct res_conf_zone, tls_ca)},
    {.name = "tls-fallback",
     .type = CONF_BOOL,
     .offset = offsetof(struct res_conf_zone, tls_falls_back)},
    {.name = NULL},
};

/* ---- local data ---- */

static void add_local(struct res_conf *conf, struct conf_reader *reader,
                      const struct conf_node *item, const struct rrline *r)
{
    char owner[DNAME_TEXT_MAX], type[RRTYPE_NAME_MAX];
    struct local_record record = {r->owner, r->rdata, r->type, (uint16_t)r->rdata_len, r->ttl};
    struct fault fault;

    dname_text_print(r->owner, owner);
    rrtype_print(r->type, type);
    if (r->class != RRTYPE_CLASS_IN) {
        conf_wrong(reader, item,
                   "local data must be of class IN: queries of other classes are refused");
        return;
    }
    if (rrtype_is_meta(r->type)) {
        conf_wrong(reader, item, "%s is a type of queries and messages only; remove the record",
                   type);
        return;
    }
    if (r->is_ttl_wrong)
        conf_warn(reader, item, "%s %s: a TTL above 2147483647 counts as 0 (RFC 2181 8)", owner,
                  type);
    if (r->owner[0] == 1 && r->owner[1] == '*' &&
        (r->type == RRTYPE_NS || r->type == RRTYPE_DNAME))
        conf_warn(reader, item, "%s %s: %s of a wildcard applies to no other name (RFC 4592 4)",
                  owner, type, type);
    enum err err = local_add(&conf->policy->local, &record, &conf->policy->arena, &fault);
    if (err == ERR_LIMIT && *fault.text)
        conf_warn(reader, item, "%s %s: %s", owner, type, fault.text);
    else if (err && err != ERR_LIMIT)
        conf_wrong(reader, item, "%s %s: %s", owner, type, fault.text);
}

/* Warn of names in UTF-8: clients query their A-labels. */
static void warn_of_utf8(struct conf_reader *reader, const struct conf_node *item,
                         const char *text, const struct rrline *r)
{
    bool is_owner = true;
    for (const char *p = text + strspn(text, " \t"); *p; is_owner = false) {
        size_t len = strcspn(p, " \t");
        char ascii[IDN_TEXT_MAX];
        if (idn_is_raw(p, len) && (is_owner || idn_concerns(r->type))) {
            idn_print(p, len, ascii);
            conf_warn(reader, item, "%.*s is UTF-8, but clients query %s%s",
                      (int)util_min(len, 255), p, *ascii ? ascii : "its form with xn--",
                      *ascii ? "; write that" : "");
        }
        p += len;
        p += strspn(p, " \t");
    }
}

static void check_local_data(struct conf_reader *reader, const struct conf_node *node,
                             void *target)
{
    struct res_conf *conf = container_of(target, struct res_conf, local_data);
    struct rrline *r = malloc(sizeof(*r));

    for (size_t i = 0; i < conf->local_data.cnt && r; i++) {
        const char *text = conf->local_data.at[i];
        const struct conf_node *item = conf_item(reader, node, i);
        enum err err = rrline_read(text, strlen(text), root, LOCAL_DATA_TTL, r);
        if (err) {
            conf_wrong(reader, item, "%s",
                       err == ERR_ABSENT ? "expected a record" : r->fault.text);
            continue;
        }
        warn_of_utf8(reader, item, text, r);
        add_local(conf, reader, item, r);
    }
    if (!r)
        conf_wrong(reader, node, "out of memory");
    free(r);
}

static char *read_beside(struct conf_reader *reader, const struct conf_node *node,
                         const char *path, size_t max, size_t *len)
{
    char *text;
    enum err err = file_read_text(path, max, &text, len, NULL);
    if (err == ERR_OK)
        return text;
    conf_wrong(reader, node, "%s: %s", path, file_problem(err));
    return NULL;
}

/* Read the hosts file, after the local data, which have precedence. */
static void read_hosts(struct conf_reader *reader, const struct conf_node *root_node,
                       struct res_conf *conf)
{
    const struct conf_node *node = conf_value(reader, root_node, "hosts");
    size_t len;

    if (!node || !*conf->hosts_path)
        return;
    char *text = read_beside(reader, node, conf->hosts_path, HOSTS_MAX, &len);
    if (text && local_add_hosts(&conf->policy->local, conf->hosts_path, text, len,
                                conf_diag(reader), &conf->policy->arena))
        conf_wrong(reader, node, "out of memory");
    free(text);
}

static void check_hints(struct conf_reader *reader, const struct conf_node *node, void *target)
{
    struct res_conf *conf = container_of(target, struct res_conf, hints_path);
    struct fault fault;
    size_t len;

    if (!*conf->hints_path)
        return;
    char *text = read_beside(reader, node, conf->hints_path, FILE_MAX, &len);
    if (text &&
        route_read_hints(&conf->policy->route, text, len, 53, &conf->policy->arena, &fault))
        conf_wrong(reader, node, "%s: %s", conf->hints_path, fault.text);
    free(text);
}

/* ---- trust anchors ---- */

static void read_anchor_file(struct conf_reader *reader, const struct conf_node *node,
                             const char *path, struct anchor_set *set)
{
    size_t len;
    char *text = read_beside(reader, node, path, FILE_MAX, &len);
    if (!text)
        return;
    enum err err = anchor_read(set, path, text, len, conf_diag(reader));
    if (err == ERR_NOMEM)
        conf_wrong(reader, node, "out of memory");
    else if (!err && set->cnt == 0)
        conf_wrong(reader, node,
                   "%s has no DS or DNSKEY record; trust-anchor: \"\" turns validation off",
                   path);
    free(text);
}

static void read_anchor_list(struct conf_reader *reader, const struct conf_node *node,
                             const struct conf_texts *texts, struct anchor_set *set)
{
    struct rrline *line = malloc(sizeof(*line));
    enum err err = line ? ERR_OK : ERR_NOMEM;

    if (texts->cnt == 0)
        conf_wrong(reader, node,
                   "the list is empty; trust-anchor: \"\" turns validation off, and without "
                   "the key the anchors of the root are used");
    for (size_t i = 0; i < texts->cnt && err != ERR_NOMEM; i++) {
        struct fault fault;
        err = anchor_add(set, texts->at[i], strlen(texts->at[i]), line, &fault);
        if (err && err != ERR_NOMEM)
            conf_wrong(reader, conf_item(reader, node, i), "%s",
                       err == ERR_ABSENT ? "expected a DS or DNSKEY record" : fault.text);
    }
    if (err == ERR_NOMEM)
        conf_wrong(reader, node, "out of memory");
    free(line);
}

/* Warn of anchors that no signature can follow from. */
static void warn_of_weak_anchors(struct conf_reader *reader, const struct conf_node *node,
                                 const struct anchor_set *set)
{
    struct rules rules = rules_defaults(0);
    char zone[DNAME_TEXT_MAX];

    for (size_t i = 0; i < set->cnt; i++) {
        if (trust_weigh_anchor(&set->anchors[i], &rules).status == VERDICT_SECURE)
            continue;
        dname_text_print(set->anchors[i].zone, zone);
        conf_warn(reader, node,
                  "no record of the trust anchor of %s has a supported algorithm and digest "
                  "type, so names below it are not validated",
                  zone);
    }
}

static void check_anchor(struct conf_reader *reader, const struct conf_node *node, void *target)
{
    const struct conf_source *source = target;
    struct anchor_set *set = &container_of(target, struct res_conf, anchor)->policy->anchors;

    if (source->texts.at)
        read_anchor_list(reader, node, &source->texts, set);
    else if (*source->path)
        read_anchor_file(reader, node, source->path, set);
    warn_of_weak_anchors(reader, node, set);
}

static void check_ntas(struct conf_reader *reader, const struct conf_node *node, void *target)
{
    const struct conf_texts *texts = target;
    struct nta_set *set = &container_of(target, struct res_conf, ntas)->policy->ntas;

    for (size_t i = 0; i < texts->cnt; i++) {
        const struct conf_node *item = conf_item(reader, node, i);
        struct fault fault;
        enum err err = nta_add(set, texts->at[i], &fault);
        if (err)
            conf_wrong(reader, item, "%s", fault.text);
        else if (set->at[set->cnt - 1].until_ms <= now_wall_ms())
            conf_warn(reader, item,
                      "this negative trust anchor has expired and has no effect; remove it");
    }
}

/* Check trust anchors and negative trust anchors of the same name (RFC 7646 3). */
static void check_anchor_conflicts(struct conf_reader *reader,
                                   const struct conf_node *root_node,
                                   const struct res_conf *conf)
{
    const struct anchor_set *anchors = &conf->policy->anchors;
    const struct conf_node *map = conf_value(reader, root_node, "resolver");
    const struct conf_node *list =
        map ? conf_value(reader, map, "negative-trust-anchors") : NULL;

    for (size_t i = 0; list && i < conf->policy->ntas.cnt; i++) {
        const uint8_t *name = conf->policy->ntas.at[i].name;
        const struct anchor *anchor = anchor_find(anchors, name);
        char text[DNAME_TEXT_MAX];
        dname_text_print(name, text);
        if (anchor && dname_is_equal(anchor->zone, name))
            conf_warn(reader, conf_item(reader, list, i),
                      "%s has a trust anchor too; the negative trust anchor has precedence, so "
                      "names below it are not validated",
                      text);
    }
}

/* ---- laboratory ---- */

static void check_lab(struct conf_reader *reader, const struct conf_node *node, void *target)
{
    const struct policy_defences *all = target;
    struct fault fault;

    if (policy_defences_off(all) && fence_check(&fault) != ERR_OK)
        conf_wrong(
            reader, node,
            "a defence may be switched off only in a network that packets cannot leave: %s",
            fault.text);
}

static const struct conf_key lab_keys[] = {
#define DEFENCE(field, id) \
    {.name = (id),         \
     .type = CONF_BOOL,    \
     .preset = true,       \
     .offset = offsetof(struct policy_defences, field)},
#include "resolver/policy/defences.def"
#undef DEFENCE
    {.name = NULL},
};

/* ---- single values ---- */

/* Addresses only: a random port per query makes replies hard to forge (RFC 5452 9.2). */
static void check_outgoing(struct conf_reader *reader, const struct conf_node *node,
                           void *target)
{
    const struct conf_addrs *addrs = target;
    for (size_t i = 0; i < addrs->cnt; i++) {
        if (addr_port(&addrs->at[i]) != 0)
            conf_wrong(reader, conf_item(reader, node, i),
                       "remove the port: each query has a random one; resolver.outgoing-ports "
                       "sets their range");
        if (addr_is_link_local(&addrs->at[i]) && addrs->at[i].sock.v6.sin6_scope_id == 0)
            conf_wrong(reader, conf_item(reader, node, i),
                       "a link-local address needs its interface, as in fe80::1%%eth0");
    }
}

/* Read "1024-65535" or "5353". */
static bool read_range(const char *text, struct ports_range *out)
{
    char *end;
    unsigned long first = strtoul(text, &end, 10), last = first;

    if (end == text || !util_is_digit(*text))
        return false;
    if (*end == '-') {
        const char *second = end + 1;
        last = strtoul(second, &end, 10);
        if (end == second || !util_is_digit(*second))
            return false;
    }
    if (*end || first < 1 || first > last || last > UINT16_MAX)
        return false;
    *out = (struct ports_range){(uint16_t)first, (uint16_t)last};
    return true;
}

static void read_ranges(struct conf_reader *reader, const struct conf_node *node,
                        const struct conf_texts *texts, struct res_conf_ports *out)
{
    out->at = arena_alloc(conf_arena(reader), (texts->cnt + 1) * sizeof(*out->at));
    if (!out->at) {
        conf_wrong(reader, node, "out of memory");
        return;
    }
    for (size_t i = 0; i < texts->cnt; i++)
        if (read_range(texts->at[i], &out->at[out->cnt]))
            out->cnt++;
        else
            conf_wrong(reader, conf_item(reader, node, i),
                       "expected a port or a range of ports, such as 1024-65535");
}

static void check_ports(struct conf_reader *reader, const struct conf_node *node, void *target)
{
    struct res_conf *conf = container_of(target, struct res_conf, ports_text);
    read_ranges(reader, node, target, &conf->ports);
}

static void check_ports_except(struct conf_reader *reader, const struct conf_node *node,
                               void *target)
{
    struct res_conf *conf = container_of(target, struct res_conf, ports_except_text);
    read_ranges(reader, node, target, &conf->ports_except);
}

static void check_allow(struct conf_reader *reader, const struct conf_node *node, void *target)
{
    const struct addr_prefixes *allow = target;
    for (size_t i = 0; i < allow->cnt; i++)
        if (allow->at[i].bits == 0)
            conf_warn(
                reader, conf_item(reader, node, i),
                "this prefix allows every address: an open resolver can be abused to attack "
                "others; list your own networks");
}

/* Read the name of a zone, and copy it to `arena`.  NULL: it is wrong, or memory is out. */
static const uint8_t *read_excepted_zone(struct conf_reader *reader,
                                         const struct conf_node *item, const char *text,
                                         struct arena *arena)
{
    struct fault fault;
    uint8_t name[DNAME_MAX];
    size_t len;

    if (dname_text_read(text, strlen(text), root, name, &len, &fault, NULL) != ERR_OK) {
        conf_wrong(reader, item, "\"%s\" is not a domain name: %s", text, fault.text);
        return NULL;
    }
    const uint8_t *zone = arena_copy(arena, name, len);
    if (!zone)
        conf_wrong(reader, item, "out of memory");
    return zone;
}

/* Read a list of exemptions: of addresses, prefixes and zones. */
static void read_exemptions(struct conf_reader *reader, const struct conf_node *node,
                            const struct conf_texts *texts, struct policy_exempt *out,
                            struct arena *arena)
{
    struct addr_prefix *addrs = arena_alloc(arena, (texts->cnt + 1) * sizeof(*addrs));
    const uint8_t **zones = arena_alloc(arena, (texts->cnt + 1) * sizeof(*zones));

    if (!addrs || !zones) {
        conf_wrong(reader, node, "out of memory");
        return;
    }
    *out = (struct policy_exempt){.addrs = {.at = addrs}, .zones = zones};
    for (size_t i = 0; i < texts->cnt; i++) {
        const char *text = texts->at[i];
        if (addr_read_prefix(text, &addrs[out->addrs.cnt]) == ERR_OK) {
            out->addrs.cnt++;
        } else if (strpbrk(text, ":/@")) {
            conf_wrong(reader, conf_item(reader, node, i),
                       "expected a zone, an address or a prefix, such as example.com or "
                       "192.0.2.0/24");
        } else {
            zones[out->zone_cnt] =
                read_excepted_zone(reader, conf_item(reader, node, i), text, arena);
            out->zone_cnt += zones[out->zone_cnt] != NULL;
        }
    }
}

static void check_case_exempt(struct conf_reader *reader, const struct conf_node *node,
                              void *target)
{
    struct policy *policy = container_of(target, struct res_conf, case_exempt)->policy;
    read_exemptions(reader, node, target, &policy->case_exempt, &policy->arena);
}

static void check_cookie_exempt(struct conf_reader *reader, const struct conf_node *node,
                                void *target)
{
    struct policy *policy = container_of(target, struct res_conf, cookie_exempt)->policy;
    read_exemptions(reader, node, target, &policy->cookie_exempt, &policy->arena);
}

static void check_edns_exempt(struct conf_reader *reader, const struct conf_node *node,
                              void *target)
{
    struct policy *policy = container_of(target, struct res_conf, edns_exempt)->policy;
    read_exemptions(reader, node, target, &policy->edns_exempt, &policy->arena);
}

static void check_private_except(struct conf_reader *reader, const struct conf_node *node,
                                 void *target)
{
    const struct conf_texts *texts = target;
    struct policy *policy = container_of(target, struct res_conf, private_except)->policy;
    struct private_addresses *private = &policy->private;

    private->except = arena_alloc(&policy->arena, (texts->cnt + 1) * sizeof(*private->except));
    if (!private->except) {
        conf_wrong(reader, node, "out of memory");
        return;
    }
    for (size_t i = 0; i < texts->cnt; i++) {
        const uint8_t *zone = read_excepted_zone(reader, conf_item(reader, node, i),
                                                 texts->at[i], &policy->arena);
        private->except[private->except_cnt] = zone;
        private->except_cnt += zone != NULL;
    }
}

static void check_tunnel_exempt(struct conf_reader *reader, const struct conf_node *node,
                                void *target)
{
    struct policy *policy = container_of(target, struct res_conf, tunnel_exempt)->policy;
    read_exemptions(reader, node, target, &policy->tunnel_exempt, &policy->arena);
}

static void check_ttls(struct conf_reader *reader, const struct conf_node *node, void *target)
{
    const struct res_conf *conf = target;
    const struct conf_node *min = conf_value(reader, node, "min-ttl"),
                           *negative = conf_value(reader, node, "negative-max-ttl");

    if (conf->ttl_min_ms > conf->ttl_max_ms)
        conf_wrong(reader, min ? min : node, "min-ttl is above max-ttl; lower it");
    else if (min && negative && conf->ttl_min_ms > conf->negative_max_ms)
        conf_warn(reader, min,
                  "min-ttl is above negative-max-ttl, which decides for negative answers");
}

/* Return true if a query to that address comes back to a listener of this resolver. */
static bool is_own_listener(const struct conf_addrs *listen, const struct addr *server,
                            const struct own_list *machine)
{
    for (size_t i = 0; i < listen->cnt; i++)
        if (own_reaches(machine, &listen->at[i], server))
            return true;
    return false;
}

static void check_not_own(struct conf_reader *reader, const struct conf_node *root_node,
                          const struct res_conf *conf, const char *key,
                          const struct conf_list *list, const struct own_list *machine)
{
    const struct conf_node *node = conf_value(reader, root_node, key);
    const struct res_conf_zone *zones = list->items;
    char text[ADDR_TEXT_MAX];

    for (size_t i = 0; node && i < list->cnt; i++) {
        bool is_tls = wants_tls(&zones[i]);
        for (size_t j = 0; j < zones[i].servers.cnt; j++) {
            struct addr server = zones[i].servers.at[j];
            if (addr_port(&server) == 0)
                addr_set_port(&server, is_tls ? PORT_TLS : PORT_DNS);
            addr_print(&server, text);
            bool is_of_no_link =
                addr_is_link_local(&server) && server.sock.v6.sin6_scope_id == 0;
            if (addr_is_wildcard(&server))
                conf_wrong(reader, conf_item(reader, node, i),
                           "%s cannot be the address of a server", text);
            else if (is_of_no_link)
                conf_wrong(reader, conf_item(reader, node, i),
                           "%s: a link-local address needs its interface, as in fe80::1%%eth0",
                           text);
            if (!is_own_listener(
                    &conf->server.listen[is_tls ? EXCHANGE_STACK_TLS : EXCHANGE_STACK_DNS],
                    &server, machine))
                continue;
            conf_wrong(reader, conf_item(reader, node, i),
                       "%s is this resolver itself, so queries would loop; name another server",
                       text);
        }
    }
}

/* Check what depends on several keys, after all have been read. */
static void check_all(struct conf_reader *reader, const struct conf_node *node, void *target)
{
    struct res_conf *conf = target;
    struct own_list machine = {.cnt = 0};

    if (own_read_list(&machine) != ERR_OK)
        machine.cnt = 0; /* without the machine's addresses fewer faults are found */
    check_not_own(reader, node, conf, "stub-zones", &conf->stubs, &machine);
    check_not_own(reader, node, conf, "forward-zones", &conf->forwards, &machine);
    check_anchor_conflicts(reader, node, conf);
    own_fini_list(&machine);
    read_hosts(reader, node, conf);
}

/* ---- tables ---- */

static const struct conf_key cache_keys[] = {
    {.name = "directory",
     .type = CONF_PATH,
     .offset = offsetof(struct res_conf, cache_directory),
     .preset_text = "/var/cache/rootline"},
    {.name = "size",
     .type = CONF_SIZE,
     .offset = offsetof(struct res_conf, cache_size),
     .preset = (uint64_t)1 << 30,
     .min = 8 << 20,
     .max = (uint64_t)1 << 40},
    {.name = "min-ttl",
     .type = CONF_DURATION,
     .offset = offsetof(struct res_conf, ttl_min_ms),
     .max = DAY_MS},
    {.name = "max-ttl",
     .type = CONF_DURATION,
     .offset = offsetof(struct res_conf, ttl_max_ms),
     .preset = (uint64_t)POLICY_TTL_MAX_S * 1000,
     .max = TTL_MAX_MS},
    {.name = "negative-max-ttl",
     .type = CONF_DURATION,
     .offset = offsetof(struct res_conf, negative_max_ms),
     .preset = (uint64_t)POLICY_NEGATIVE_MAX_S * 1000,
     .max = DAY_MS},
    {.name = "serve-stale",
     .type = CONF_DURATION,
     .offset = offsetof(struct res_conf, stale_ms),
     .preset = POLICY_STALE_MS,
     .max = STALE_MAX_MS},
    {.name = "prefetch",
     .type = CONF_BOOL,
     .offset = offsetof(struct res_conf, is_prefetching),
     .preset = true},
    {.name = NULL, .check = check_ttls},
};

#define AT(field) offsetof(struct res_conf, field)

static const struct conf_key resolver_keys[] = {
    {.name = "root-hints", .type = CONF_PATH, .offset = AT(hints_path), .check = check_hints},
    {.name = "trust-anchor", .type = CONF_SOURCE, .offset = AT(anchor), .check = check_anchor},
    {.name = "negative-trust-anchors",
     .type = CONF_TEXTS,
     .offset = AT(ntas),
     .check = check_ntas},
    {.name = "qname-minimisation",
     .type = CONF_BOOL,
     .offset = AT(is_minimising),
     .preset = true},
    {.name = "randomise-case", .type = CONF_BOOL, .offset = AT(is_case_random), .preset = true},
    {.name = "case-exempt",
     .type = CONF_TEXTS,
     .offset = AT(case_exempt),
     .check = check_case_exempt},
    {.name = "cookie-exempt",
     .type = CONF_TEXTS,
     .offset = AT(cookie_exempt),
     .check = check_cookie_exempt},
    {.name = "edns-exempt",
     .type = CONF_TEXTS,
     .offset = AT(edns_exempt),
     .check = check_edns_exempt},
    {.name = "aggressive-nsec", .type = CONF_BOOL, .offset = AT(is_aggressive), .preset = true},
    {.name = "priming", .type = CONF_BOOL, .offset = AT(is_priming), .preset = true},
    {.name = "trust-anchor-signal",
     .type = CONF_BOOL,
     .offset = AT(signals_anchors),
     .preset = true},
    {.name = "ipv4", .type = CONF_BOOL, .offset = AT(uses_v4), .preset = true},
    {.name = "ipv6", .type = CONF_BOOL, .offset = AT(uses_v6), .preset = true},
    {.name = "outgoing", .type = CONF_ADDRS, .offset = AT(outgoing), .check = check_outgoing},
    {.name = "outgoing-ports",
     .type = CONF_TEXTS,
     .offset = AT(ports_text),
     .check = check_ports},
    {.name = "outgoing-ports-except",
     .type = CONF_TEXTS,
     .offset = AT(ports_except_text),
     .check = check_ports_except},
    {.name = "outgoing-port",
     .type = CONF_UINT,
     .offset = AT(outgoing_port),
     .preset = POLICY_PORT,
     .min = 1,
     .max = UINT16_MAX},
    {.name = "do-not-query",
     .type = CONF_PREFIXES,
     .offset = AT(do_not_query),
     .preset_text = "0.0.0.0/8, 127.0.0.0/8, ::/128, ::1/128"},
    {.name = NULL},
};

static const struct conf_key private_keys[] = {
    {.name = "prefixes", .type = CONF_PREFIXES, .offset = AT(private_prefixes)},
    {.name = "except",
     .type = CONF_TEXTS,
     .offset = AT(private_except),
     .check = check_private_except},
    {.name = NULL},
};

static const struct conf_key detection_keys[] = {
    {.name = "tunnels", .type = CONF_BOOL, .offset = AT(detects_tunnels), .preset = true},
    {.name = "exempt",
     .type = CONF_TEXTS,
     .offset = AT(tunnel_exempt),
     .check = check_tunnel_exempt},
    {.name = NULL},
};

static const struct conf_key limits_keys[] = {
    SERVER_CONF_LIMITS_KEYS(AT(server)),
    {.name = "fetches-per-zone",
     .type = CONF_UINT,
     .offset = AT(quota_limits.per_zone),
     .preset = 200,
     .min = 1,
     .max = LIMIT_MAX},
    {.name = "fetches-per-server",
     .type = CONF_UINT,
     .offset = AT(quota_limits.per_server),
     .preset = 400,
     .min = 1,
     .max = LIMIT_MAX},
#define LIMIT(field, key, type_, preset_, min_, max_, ...) \
    {.name = (key),                                        \
     .type = (type_),                                      \
     .offset = AT(limits.field),                           \
     .preset = (preset_),                                  \
     .min = (min_),                                        \
     .max = (max_)},
#include "resolver/limits/limits.def"
    {.name = NULL},
};

_Static_assert(ANSWER_CNAMES_MAX == 63, "the maximum of limits.cnames in limits.def");

const struct conf_key res_conf_keys[] = {
    {.name = "server",
     .type = CONF_MAP,
     .offset = AT(server),
     .keys = server_conf_server_keys,
     .check = server_conf_check,
     .is_required = true},
    {.name = "log", .type = CONF_MAP, .offset = AT(server), .keys = server_conf_log_keys},
    {.name = "allow",
     .type = CONF_PREFIXES,
     .offset = AT(allow),
     .preset_text = SERVER_CONF_LOOPBACK,
     .check = check_allow},
    {.name = "cache", .type = CONF_MAP, .keys = cache_keys},
    {.name = "resolver", .type = CONF_MAP, .keys = resolver_keys},
    {.name = "private-addresses", .type = CONF_MAP, .keys = private_keys},
    {.name = "limits", .type = CONF_MAP, .keys = limits_keys},
    {.name = "detection", .type = CONF_MAP, .keys = detection_keys},
    {.name = "lab", .type = CONF_MAP, .offset = AT(lab), .keys = lab_keys, .check = check_lab},
    {.name = "stub-zones",
     .type = CONF_LIST,
     .offset = AT(stubs),
     .keys = stub_keys,
     .item_size = sizeof(struct res_conf_zone),
     .check = check_stubs},
    {.name = "forward-zones",
     .type = CONF_LIST,
     .offset = AT(forwards),
     .keys = forward_keys,
     .item_size = sizeof(struct res_conf_zone),
     .check = check_forwards},
    {.name = "local-data",
     .type = CONF_TEXTS,
     .offset = AT(local_data),
     .check = check_local_data},
    {.name = "hosts", .type = CONF_PATH, .offset = AT(hosts_path)},
    {.name = NULL, .check = check_all},
};

/* ---- the whole ---- */

static struct res_conf *new_res_conf(void)
{
    struct res_conf *conf = calloc(1, sizeof(*conf));

    if (!conf)
        return NULL;
    arena_init(&conf->arena, 0);
    conf->policy = policy_new();
    if (!conf->policy || conf_set_defaults(res_conf_keys, conf, &conf->arena) != ERR_OK) {
        res_conf_free(&conf);
        return NULL;
    }
    conf->server.rate_limit.per_second = 0; /* `allow` admits known clients only */
    conf->quota_limits.per_forwarder = QUOTA_FORWARDER_MAX;
    conf->quota_limits.in_all = QUOTA_ALL_MAX;
    return conf;
}

static enum err copy_prefixes(struct addr_prefixes *to, const struct addr_prefixes *from,
                              struct arena *arena)
{
    *to = (struct addr_prefixes){
        .at = arena_copy(arena, from->at, from->cnt * sizeof(*from->at)), .cnt = from->cnt};
    return to->at ? ERR_OK : ERR_NOMEM;
}

/* Exempt the configured zones from the built-in local zones. */
static enum err except_zones(struct policy *p, const struct conf_list *list)
{
    const struct res_conf_zone *zones = list->items;
    enum err err = ERR_OK;
    for (size_t i = 0; i < list->cnt && !err; i++)
        if (*zones[i].name) /* a forwarder of the root leaves the built-in zones in place */
            err = local_except(&p->local, zones[i].name, &p->arena);
    return err;
}

/* Use the built-in anchors of the root if the configuration says nothing. */
static enum err use_anchors(struct policy *p, const struct conf_source *source)
{
    enum err err = ERR_OK;
    if (!source->path && !source->texts.at) {
        struct diag none;
        diag_init(&none);
        err = anchor_read(&p->anchors, "", anchor_root_text, strlen(anchor_root_text), &none);
        must(err != ERR_CONFIG);
        diag_fini(&none);
    }
    policy_seal_trust(p);
    return err;
}

/* Fill the policy.  It outlives the configuration, so everything is copied. */
static enum err fill_policy(struct res_conf *conf)
{
    struct policy *p = conf->policy;

    p->limits = conf->limits;
    p->ttls = (struct cache_ttls){.min = conf->ttl_min_ms / 1000,
                                  .max = conf->ttl_max_ms / 1000,
                                  .negative_max = conf->negative_max_ms / 1000};
    policy_use_lab(p, &conf->lab);
    p->defences.random_case &= conf->is_case_random;
    p->stale_ms = conf->stale_ms;
    p->is_prefetching = conf->is_prefetching;
    p->outgoing_port = (uint16_t)conf->outgoing_port;
    p->is_minimising = conf->is_minimising;
    p->is_aggressive = conf->is_aggressive;
    p->is_priming = conf->is_priming;
    p->signals_anchors = conf->signals_anchors;
    p->detects_tunnels = conf->detects_tunnels;
    p->uses_v4 = conf->uses_v4;
    p->uses_v6 = conf->uses_v6;
    const struct addr *own = conf->server.listen[EXCHANGE_STACK_DNS].at;
    size_t own_cnt = conf->server.listen[EXCHANGE_STACK_DNS].cnt;
    p->own = (struct conf_addrs){.at = arena_copy(&p->arena, own, own_cnt * sizeof(*own)),
                                 .cnt = own_cnt};
    enum err err = p->own.at ? ERR_OK : ERR_NOMEM;
    if (!err)
        err = use_anchors(p, &conf->anchor);
    if (!err && p->route.hints.addr_cnt == 0)
        err = route_use_builtin_hints(&p->route, 53, &p->arena);
    for (int i = 0; i < p->route.hints.addr_cnt; i++)
        addr_set_port(&p->route.hints.addrs[i].addr, p->outgoing_port);
    route_seal(&p->route);
    if (!err)
        err = copy_prefixes(&p->allow, &conf->allow, &p->arena);
    if (!err)
        err = copy_prefixes(&p->exempt, &conf->server.rate_limit.exempt, &p->arena);
    if (!err)
        err = copy_prefixes(&p->do_not_query, &conf->do_not_query, &p->arena);
    if (!err)
        err = copy_prefixes(&p->private.prefixes, &conf->private_prefixes, &p->arena);
    if (!err)
        err = except_zones(p, &conf->stubs);
    if (!err)
        err = except_zones(p, &conf->forwards);
    return err ? err : local_add_builtin(&p->local, &p->arena);
}

static enum err finish_conf(enum err err, struct res_conf *conf, struct res_conf **out)
{
    if (!err)
        err = fill_policy(conf);
    if (err)
        res_conf_free(&conf);
    else
        *out = conf;
    return err;
}

enum err res_conf_read(const char *path, struct diag *diag, struct res_conf **out)
{
    struct res_conf *conf = new_res_conf();
    if (!conf)
        return ERR_NOMEM;
    return finish_conf(conf_read(path, res_conf_keys, conf, &conf->arena, diag), conf, out);
}

enum err res_conf_parse(const char *path, const char *text, size_t len, struct diag *diag,
                        struct res_conf **out)
{
    struct res_conf *conf = new_res_conf();
    if (!conf)
        return ERR_NOMEM;
    return finish_conf(conf_parse(path, text, len, res_conf_keys, conf, &conf->arena, diag),
                       conf, out);
}

void res_conf_free(struct res_conf **conf)
{
    if (!*conf)
        return;
    policy_free(&(*conf)->policy);
    arena_fini(&(*conf)->arena);
    free(*conf);
    *conf = NULL;
}
