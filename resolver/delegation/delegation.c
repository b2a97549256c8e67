/* Each task that uses a delegation has a copy: what it has tried and found out is its own. */
#include "resolver/delegation/delegation.h"

#include "base/cursor.h"

/* The first octet: flags, and the number of servers, which is at most 13. */
enum { SIGNED_BIT = 0x80, OVERSIZED_BIT = 0x40, SERVERS_MASK = 0x3f };

void delegation_init(struct delegation *delegation, const uint8_t *zone,
                     enum delegation_source source)
{
    delegation->zone = zone;
    delegation->source = source;
    delegation->tag = 0;
    delegation->tls = NULL;
    delegation->tls_falls_back = delegation->is_signed = delegation->is_oversized = false;
    delegation->labels = (uint8_t)dname_labels(zone);
    delegation->server_cnt = delegation->addr_cnt = 0;
}

static const uint8_t *copy_server_name(const uint8_t *name, uint8_t **names)
{
    uint8_t *copy = *names;
    size_t len = dname_len(name);

    memcpy(copy, name, len);
    *names += len;
    return copy;
}

void delegation_copy(struct delegation *to, const struct delegation *from,
                     uint8_t names[DELEGATION_NAMES_MAX])
{
    *to = *from;
    to->zone = copy_server_name(from->zone, &names);
    for (int i = 0; i < from->server_cnt; i++)
        to->servers[i].name = copy_server_name(from->servers[i].name, &names);
}

int delegation_add_server(struct delegation *delegation, const uint8_t *name)
{
    for (int i = 0; i < delegation->server_cnt; i++)
        if (dname_is_equal(delegation->servers[i].name, name))
            return i;
    if (delegation->server_cnt == DELEGATION_SERVERS_MAX)
        return -1;
    delegation->servers[delegation->server_cnt] = (struct delegation_server){.name = name};
    return delegation->server_cnt++;
}

void delegation_add_addr(struct delegation *delegation, int server, const struct addr *addr)
{
    struct delegation_server *of = &delegation->servers[server];

    for (int i = 0; i < delegation->addr_cnt; i++)
        if (addr_is_equal(&delegation->addrs[i].addr, addr))
            return;
    if (delegation->addr_cnt == DELEGATION_ADDRS_MAX ||
        of->addr_cnt == DELEGATION_SERVER_ADDRS_MAX)
        return;
    delegation->addrs[delegation->addr_cnt++] =
        (struct delegation_addr){.addr = *addr, .server = (uint8_t)server};
    of->addr_cnt++;
}

size_t delegation_write(const struct delegation *delegation, uint8_t out[DELEGATION_BYTES_MAX])
{
    uint8_t *p = out;

    *p++ = (uint8_t)(delegation->server_cnt | (delegation->is_signed ? SIGNED_BIT : 0) |
                     (delegation->is_oversized ? OVERSIZED_BIT : 0));
    for (int i = 0; i < delegation->server_cnt; i++) {
        size_t name_len = dname_len(delegation->servers[i].name);
        memcpy(p, delegation->servers[i].name, name_len);
        p += name_len;
        *p++ = delegation->servers[i].addr_cnt;
        for (int j = 0; j < delegation->addr_cnt; j++) {
            size_t len;
            const uint8_t *octets = addr_bytes(&delegation->addrs[j].addr, &len);
            if (delegation->addrs[j].server != i)
                continue;
            *p++ = (uint8_t)len;
            memcpy(p, octets, len);
            p += len;
        }
    }
    return (size_t)(p - out);
}

static enum err parse_server(struct delegation *delegation, struct cursor *c, uint16_t port,
                             struct arena *arena)
{
    size_t name_len = dname_check(c->data + c->pos, cursor_left(c));
    const uint8_t *from = cursor_bytes(c, name_len);
    if (name_len == 0 || !from)
        return ERR_FORMAT;
    const uint8_t *name = arena_copy(arena, from, name_len);
    int server = name ? delegation_add_server(delegation, name) : -1;
    if (server < 0)
        return name ? ERR_FORMAT : ERR_NOMEM;
    for (unsigned left = cursor_u8(c); left > 0; left--) {
        struct addr addr;
        size_t len = cursor_u8(c);
        const uint8_t *octets = cursor_bytes(c, len);
        if (!octets || addr_from_bytes(octets, len, port, &addr) != ERR_OK)
            return ERR_FORMAT;
        delegation_add_addr(delegation, server, &addr);
    }
    return ERR_OK;
}

enum err delegation_parse(struct delegation *delegation, const uint8_t *bytes, size_t len,
                          uint16_t port, struct arena *arena)
{
    struct cursor c = cursor_over(bytes, len);
    unsigned head = cursor_u8(&c);
    enum err err = ERR_OK;

    delegation->is_signed = head & SIGNED_BIT;
    delegation->is_oversized = head & OVERSIZED_BIT;
    for (unsigned left = head & SERVERS_MASK; left > 0 && !err; left--)
        err = parse_server(delegation, &c, port, arena);
    if (!err && (cursor_failed(&c) || cursor_more(&c)))
        err = ERR_FORMAT;
    return err;
}
