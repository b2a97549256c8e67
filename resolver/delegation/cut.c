/* A cut is copied into each task that uses it: what a task tries and learns is its own. */
#include "resolver/delegation/cut.h"

#include "base/cursor.h"

/* Of the octet that counts the servers, of which there are few. */
enum { SIGNED_BIT = 0x80, CROWDED_BIT = 0x40, SERVERS_MASK = 0x3f };

void cut_init(struct cut *cut, const uint8_t *zone, enum cut_source source)
{
    cut->zone = zone;
    cut->source = source;
    cut->tag = 0;
    cut->tls = NULL;
    cut->tls_falls_back = cut->is_signed = cut->is_crowded = false;
    cut->labels = (uint8_t)dname_labels(zone);
    cut->server_cnt = cut->addr_cnt = 0;
}

static const uint8_t *copy_name(const uint8_t *name, uint8_t **names)
{
    uint8_t *copy = *names;
    size_t len = dname_len(name);

    memcpy(copy, name, len);
    *names += len;
    return copy;
}

void cut_copy(struct cut *to, const struct cut *from, uint8_t names[CUT_NAMES_MAX])
{
    *to = *from;
    to->zone = copy_name(from->zone, &names);
    for (int i = 0; i < from->server_cnt; i++)
        to->servers[i].name = copy_name(from->servers[i].name, &names);
}

int cut_add_server(struct cut *cut, const uint8_t *name)
{
    for (int i = 0; i < cut->server_cnt; i++)
        if (dname_is_equal(cut->servers[i].name, name))
            return i;
    if (cut->server_cnt == CUT_SERVERS_MAX)
        return -1;
    cut->servers[cut->server_cnt] = (struct cut_server){.name = name};
    return cut->server_cnt++;
}

void cut_add_addr(struct cut *cut, int server, const struct addr *addr)
{
    struct cut_server *of = &cut->servers[server];

    for (int i = 0; i < cut->addr_cnt; i++)
        if (addr_is_equal(&cut->addrs[i].addr, addr))
            return;
    if (cut->addr_cnt == CUT_ADDRS_MAX || of->addr_cnt == CUT_SERVER_ADDRS_MAX)
        return;
    cut->addrs[cut->addr_cnt++] = (struct cut_addr){.addr = *addr, .server = (uint8_t)server};
    of->addr_cnt++;
}

size_t cut_write(const struct cut *cut, uint8_t out[CUT_BYTES_MAX])
{
    uint8_t *p = out;

    *p++ = (uint8_t)(cut->server_cnt | (cut->is_signed ? SIGNED_BIT : 0) |
                     (cut->is_crowded ? CROWDED_BIT : 0));
    for (int i = 0; i < cut->server_cnt; i++) {
        size_t name_len = dname_len(cut->servers[i].name);
        memcpy(p, cut->servers[i].name, name_len);
        p += name_len;
        *p++ = cut->servers[i].addr_cnt;
        for (int j = 0; j < cut->addr_cnt; j++) {
            size_t len;
            const uint8_t *octets = addr_bytes(&cut->addrs[j].addr, &len);
            if (cut->addrs[j].server != i)
                continue;
            *p++ = (uint8_t)len;
            memcpy(p, octets, len);
            p += len;
        }
    }
    return (size_t)(p - out);
}

static enum err parse_server(struct cut *cut, struct cursor *c, uint16_t port,
                             struct arena *arena)
{
    size_t name_len = dname_check(c->data + c->pos, cursor_left(c));
    const uint8_t *from = cursor_bytes(c, name_len);
    if (name_len == 0 || !from)
        return ERR_FORMAT;
    const uint8_t *name = arena_copy(arena, from, name_len);
    int server = name ? cut_add_server(cut, name) : -1;
    if (server < 0)
        return name ? ERR_FORMAT : ERR_NOMEM;
    for (unsigned left = cursor_u8(c); left > 0; left--) {
        struct addr addr;
        size_t len = cursor_u8(c);
        const uint8_t *octets = cursor_bytes(c, len);
        if (!octets || addr_from_bytes(octets, len, port, &addr) != ERR_OK)
            return ERR_FORMAT;
        cut_add_addr(cut, server, &addr);
    }
    return ERR_OK;
}

enum err cut_parse(struct cut *cut, const uint8_t *bytes, size_t len, uint16_t port,
                   struct arena *arena)
{
    struct cursor c = cursor_over(bytes, len);
    unsigned head = cursor_u8(&c);
    enum err err = ERR_OK;

    cut->is_signed = head & SIGNED_BIT;
    cut->is_crowded = head & CROWDED_BIT;
    for (unsigned left = head & SERVERS_MASK; left > 0 && !err; left--)
        err = parse_server(cut, &c, port, arena);
    if (!err && (cursor_failed(&c) || cursor_more(&c)))
        err = ERR_FORMAT;
    return err;
}
