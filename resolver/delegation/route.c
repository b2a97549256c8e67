/* The built-in hints are the servers of the IANA root zone.  Priming (RFC 8109) replaces them
 * at the first opportunity. */
#include "resolver/delegation/route.h"

#include "base/hash.h"
#include "dns/rrline.h"

static const uint8_t root[] = {0};

/* named.root of 2024, with the address that b.root-servers.net has had since 2023 */
static const char builtin[] = ". 518400 NS a.root-servers.net.\n"
                              ". 518400 NS b.root-servers.net.\n"
                              ". 518400 NS c.root-servers.net.\n"
                              ". 518400 NS d.root-servers.net.\n"
                              ". 518400 NS e.root-servers.net.\n"
                              ". 518400 NS f.root-servers.net.\n"
                              ". 518400 NS g.root-servers.net.\n"
                              ". 518400 NS h.root-servers.net.\n"
                              ". 518400 NS i.root-servers.net.\n"
                              ". 518400 NS j.root-servers.net.\n"
                              ". 518400 NS k.root-servers.net.\n"
                              ". 518400 NS l.root-servers.net.\n"
                              ". 518400 NS m.root-servers.net.\n"
                              "a.root-servers.net. 518400 A 198.41.0.4\n"
                              "a.root-servers.net. 518400 AAAA 2001:503:ba3e::2:30\n"
                              "b.root-servers.net. 518400 A 170.247.170.2\n"
                              "b.root-servers.net. 518400 AAAA 2801:1b8:10::b\n"
                              "c.root-servers.net. 518400 A 192.33.4.12\n"
                              "c.root-servers.net. 518400 AAAA 2001:500:2::c\n"
                              "d.root-servers.net. 518400 A 199.7.91.13\n"
                              "d.root-servers.net. 518400 AAAA 2001:500:2d::d\n"
                              "e.root-servers.net. 518400 A 192.203.230.10\n"
                              "e.root-servers.net. 518400 AAAA 2001:500:a8::e\n"
                              "f.root-servers.net. 518400 A 192.5.5.241\n"
                              "f.root-servers.net. 518400 AAAA 2001:500:2f::f\n"
                              "g.root-servers.net. 518400 A 192.112.36.4\n"
                              "g.root-servers.net. 518400 AAAA 2001:500:12::d0d\n"
                              "h.root-servers.net. 518400 A 198.97.190.53\n"
                              "h.root-servers.net. 518400 AAAA 2001:500:1::53\n"
                              "i.root-servers.net. 518400 A 192.36.148.17\n"
                              "i.root-servers.net. 518400 AAAA 2001:7fe::53\n"
                              "j.root-servers.net. 518400 A 192.58.128.30\n"
                              "j.root-servers.net. 518400 AAAA 2001:503:c27::2:30\n"
                              "k.root-servers.net. 518400 A 193.0.14.129\n"
                              "k.root-servers.net. 518400 AAAA 2001:7fd::1\n"
                              "l.root-servers.net. 518400 A 199.7.83.42\n"
                              "l.root-servers.net. 518400 AAAA 2001:500:9f::42\n"
                              "m.root-servers.net. 518400 A 202.12.27.33\n"
                              "m.root-servers.net. 518400 AAAA 2001:dc3::35\n";

static enum err read_hint(struct route *route, const struct rrline *r, uint16_t port,
                          struct arena *arena, bool is_address_turn)
{
    struct addr addr;
    bool is_address = r->type == RRTYPE_A || r->type == RRTYPE_AAAA;

    if (!is_address_turn && r->type == RRTYPE_NS && *r->owner == 0) {
        const uint8_t *name = arena_copy(arena, r->rdata, r->rdata_len);
        if (!name)
            return ERR_NOMEM;
        delegation_add_server(&route->hints, name);
    }
    for (int i = 0; is_address_turn && is_address && i < route->hints.server_cnt; i++)
        if (dname_is_equal(route->hints.servers[i].name, r->owner) &&
            addr_from_bytes(r->rdata, r->rdata_len, port, &addr) == ERR_OK)
            delegation_add_addr(&route->hints, i, &addr);
    return ERR_OK;
}

/* Read the NS records or, in the second pass, the addresses: a file may have them in any
 * order. */
static enum err read_hint_pass(struct route *route, const char *text, size_t len, uint16_t port,
                               struct arena *arena, struct rrline *r, bool is_address_turn,
                               unsigned *line)
{
    size_t pos = 0;
    enum err err = ERR_OK;

    for (*line = 1; pos < len && !err; (*line)++) {
        const char *end = memchr(text + pos, '\n', len - pos);
        size_t line_len = end ? (size_t)(end - text) - pos : len - pos;
        err = rrline_read(text + pos, line_len, root, 0, r);
        if (!err)
            err = read_hint(route, r, port, arena, is_address_turn);
        else if (err == ERR_ABSENT)
            err = ERR_OK;
        if (!err)
            pos += line_len + 1;
        else
            return err;
    }
    return err;
}

enum err route_read_hints(struct route *route, const char *text, size_t len, uint16_t port,
                          struct arena *arena, struct fault *fault)
{
    struct rrline *r = malloc(sizeof(*r));
    unsigned line;

    if (!r)
        return fault_name(fault, ERR_NOMEM);
    delegation_init(&route->hints, root, DELEGATION_HINTS);
    enum err err = read_hint_pass(route, text, len, port, arena, r, false, &line);
    if (!err)
        err = read_hint_pass(route, text, len, port, arena, r, true, &line);
    if (err)
        fault_set(fault, err, "line %u: %s", line,
                  err == ERR_FORMAT ? r->fault.text : err_name(err));
    free(r);
    if (!err && route->hints.addr_cnt == 0)
        return fault_set(
            fault, ERR_FORMAT,
            "it has no root server with an address; add an NS record of the root and an A "
            "or AAAA record of its target");
    return err;
}

enum err route_use_builtin_hints(struct route *route, uint16_t port, struct arena *arena)
{
    return route_read_hints(route, builtin, sizeof(builtin) - 1, port, arena, NULL);
}

enum err route_put_zone(struct route *route, const struct route_zone *zone, struct arena *arena)
{
    struct delegation *delegation = arena_alloc(arena, sizeof(*delegation));
    const uint8_t *copy = arena_copy(arena, zone->name, dname_len(zone->name));
    void **place = names_put(&route->zones, arena, zone->name);

    if (!delegation || !copy || !place)
        return ERR_NOMEM;
    if (*place)
        return ERR_DENIED;
    delegation_init(delegation, copy, zone->source);
    delegation->tls = zone->tls;
    delegation->tls_falls_back = zone->tls_falls_back;
    for (size_t i = 0; i < zone->addr_cnt; i++) {
        /* the configuration gives no names: each address is a server of its own */
        if (delegation->server_cnt == DELEGATION_SERVERS_MAX)
            return ERR_LIMIT;
        delegation->servers[delegation->server_cnt] = (struct delegation_server){
            .name = root, .lookup = {DELEGATION_KNOWN, DELEGATION_KNOWN}};
        delegation_add_addr(delegation, delegation->server_cnt++, &zone->addrs[i]);
    }
    *place = delegation;
    return ERR_OK;
}

const struct delegation *route_find(const struct route *route, const struct dname_parts *name,
                                    unsigned labels)
{
    for (unsigned n = labels + 1; n-- > 0 && route->zones.cnt > 0;) {
        const struct delegation *delegation = names_find(&route->zones, name, n);
        if (delegation)
            return delegation;
    }
    return &route->hints;
}

static void seal_delegation(struct delegation *delegation)
{
    static const uint64_t key[2] = {0x526f6f746c696e65, 0x726f757465746167};
    /* an entry that came over TLS is not mixed with one that came in the clear */
    uint8_t head[3] = {(uint8_t)delegation->source, delegation->addr_cnt,
                       delegation->tls != NULL};
    uint64_t hash = hash_more_keyed(key, key[0], head, sizeof(head));

    hash = hash_more_keyed(key, hash, delegation->zone, dname_len(delegation->zone));
    for (int i = 0; i < delegation->addr_cnt; i++) {
        size_t len;
        uint8_t port[2];
        const uint8_t *octets = addr_bytes(&delegation->addrs[i].addr, &len);
        util_put_u16(port, addr_port(&delegation->addrs[i].addr));
        hash =
            hash_more_keyed(key, hash_more_keyed(key, hash, octets, len), port, sizeof(port));
    }
    delegation->tag = (uint32_t)(hash >> 32);
}

void route_seal(struct route *route)
{
    if (route->hints.zone)
        seal_delegation(&route->hints);
    for (size_t i = 0; i < route->zones.size; i++)
        if (route->zones.at[i].name)
            seal_delegation(route->zones.at[i].value);
}

static bool delegation_has_addr(const struct delegation *delegation, const struct addr *addr)
{
    for (int i = 0; i < delegation->addr_cnt; i++)
        if (addr_is_equal(&delegation->addrs[i].addr, addr))
            return true;
    return false;
}

bool route_has_addr(const struct route *route, const struct addr *addr)
{
    if (delegation_has_addr(&route->hints, addr))
        return true;
    for (size_t i = 0; i < route->zones.size; i++)
        if (route->zones.at[i].name && delegation_has_addr(route->zones.at[i].value, addr))
            return true;
    return false;
}

void route_fini(struct route *route) { names_fini(&route->zones); }
