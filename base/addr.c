/* inet_pton decides which addresses are valid; this file adds "@PORT", "%INTERFACE"
 * and "/LEN". */
#include "base/addr.h"

#include <arpa/inet.h>
#include <limits.h>

enum { MAPPED_OCTETS = 12, MAPPED_BITS = 96 };

static enum err parse_addr_port(const char *text, uint16_t *port)
{
    unsigned value = 0;
    size_t digits = 0;
    for (; util_is_digit(text[digits]) && digits < 6; digits++)
        value = value * 10 + (unsigned)(text[digits] - '0');
    if (digits == 0 || text[digits] != '\0' || value == 0 || value > 65535)
        return ERR_FORMAT;
    *port = (uint16_t)value;
    return ERR_OK;
}

void addr_unmap(struct addr *addr)
{
    struct addr v4 = {0};

    if (!addr_is_v6(addr) || !IN6_IS_ADDR_V4MAPPED(&addr->sock.v6.sin6_addr))
        return;
    v4.sock.v4.sin_family = AF_INET;
    v4.sock.v4.sin_port = addr->sock.v6.sin6_port;
    memcpy(&v4.sock.v4.sin_addr, addr->sock.v6.sin6_addr.s6_addr + MAPPED_OCTETS, 4);
    *addr = v4;
}

enum err addr_read(const char *text, uint16_t default_port, struct addr *out)
{
    char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
    uint16_t port = default_port;
    const char *at = strchr(text, '@');
    size_t host_len = at ? (size_t)(at - text) : strlen(text);

    if (host_len >= sizeof(host) || (at && parse_addr_port(at + 1, &port) != ERR_OK))
        return ERR_FORMAT;
    memcpy(host, text, host_len);
    host[host_len] = '\0';
    char *scope = strchr(host, '%');
    if (scope)
        *scope++ = '\0';

    struct addr addr = {0};
    if (inet_pton(AF_INET, host, &addr.sock.v4.sin_addr) == 1) {
        addr.sock.v4.sin_family = AF_INET;
        addr.sock.v4.sin_port = htons(port);
    } else if (inet_pton(AF_INET6, host, &addr.sock.v6.sin6_addr) == 1) {
        addr.sock.v6.sin6_family = AF_INET6;
        addr.sock.v6.sin6_port = htons(port);
    } else {
        return ERR_FORMAT;
    }
    addr_unmap(&addr);
    if (scope) {
        if (!addr_is_link_local(&addr) || !*scope)
            return ERR_FORMAT;
        addr.sock.v6.sin6_scope_id = if_nametoindex(scope);
        if (addr.sock.v6.sin6_scope_id == 0)
            return ERR_ABSENT;
    }
    *out = addr;
    return ERR_OK;
}

size_t addr_print_host(const struct addr *addr, char out[ADDR_TEXT_MAX])
{
    const void *host = addr_is_v6(addr) ? (const void *)&addr->sock.v6.sin6_addr
                                        : (const void *)&addr->sock.v4.sin_addr;
    if (!inet_ntop(addr->sock.any.sa_family, host, out, INET6_ADDRSTRLEN))
        strcpy(out, "?");
    size_t len = strlen(out);
    char name[IF_NAMESIZE];
    if (addr_is_v6(addr) && addr->sock.v6.sin6_scope_id &&
        if_indextoname(addr->sock.v6.sin6_scope_id, name))
        len += (size_t)snprintf(out + len, ADDR_TEXT_MAX - len, "%%%s", name);
    return len;
}

void addr_print(const struct addr *addr, char out[ADDR_TEXT_MAX])
{
    size_t len = addr_print_host(addr, out);
    snprintf(out + len, ADDR_TEXT_MAX - len, "@%u", addr_port(addr));
}

socklen_t addr_len(const struct addr *addr)
{
    return addr_is_v6(addr) ? sizeof(addr->sock.v6) : sizeof(addr->sock.v4);
}

bool addr_is_v6(const struct addr *addr) { return addr->sock.any.sa_family == AF_INET6; }

bool addr_is_wildcard(const struct addr *addr)
{
    return addr_is_v6(addr) ? IN6_IS_ADDR_UNSPECIFIED(&addr->sock.v6.sin6_addr)
                            : addr->sock.v4.sin_addr.s_addr == INADDR_ANY;
}

bool addr_is_link_local(const struct addr *addr)
{
    return addr_is_v6(addr) && IN6_IS_ADDR_LINKLOCAL(&addr->sock.v6.sin6_addr);
}

bool addr_is_group(const struct addr *addr)
{
    return addr_is_v6(addr) ? IN6_IS_ADDR_MULTICAST(&addr->sock.v6.sin6_addr)
                            : ntohl(addr->sock.v4.sin_addr.s_addr) >> 28 == 14 ||
                                  addr->sock.v4.sin_addr.s_addr == INADDR_BROADCAST;
}

uint16_t addr_port(const struct addr *addr)
{
    return ntohs(addr_is_v6(addr) ? addr->sock.v6.sin6_port : addr->sock.v4.sin_port);
}

bool addr_is_equal(const struct addr *a, const struct addr *b)
{
    if (a->sock.any.sa_family != b->sock.any.sa_family || addr_port(a) != addr_port(b))
        return false;
    return addr_is_v6(a) ? memcmp(&a->sock.v6.sin6_addr, &b->sock.v6.sin6_addr, 16) == 0 &&
                               a->sock.v6.sin6_scope_id == b->sock.v6.sin6_scope_id
                         : a->sock.v4.sin_addr.s_addr == b->sock.v4.sin_addr.s_addr;
}

const uint8_t *addr_bytes(const struct addr *addr, size_t *len)
{
    *len = addr_is_v6(addr) ? sizeof(addr->sock.v6.sin6_addr) : sizeof(addr->sock.v4.sin_addr);
    return addr_is_v6(addr) ? addr->sock.v6.sin6_addr.s6_addr
                            : (const uint8_t *)&addr->sock.v4.sin_addr;
}

enum err addr_read_prefix(const char *text, struct addr_prefix *out)
{
    char host[INET6_ADDRSTRLEN];
    struct addr_prefix prefix = {.bits = 0};
    const char *slash = strchr(text, '/');
    size_t host_len = slash ? (size_t)(slash - text) : strlen(text), len;
    size_t digits = slash ? strspn(slash + 1, "0123456789") : 0;

    if (host_len >= sizeof(host))
        return ERR_FORMAT;
    memcpy(host, text, host_len);
    host[host_len] = '\0';
    if (strpbrk(host, "@%") || addr_read(host, 0, &prefix.addr) != ERR_OK)
        return ERR_FORMAT;
    (void)addr_bytes(&prefix.addr, &len);
    prefix.bits = (unsigned)len * 8;
    if (slash) {
        /* the length of a mapped prefix, ::ffff:192.0.2.0/120, counts the mapping's 96 bits */
        unsigned before = len == 4 && strchr(host, ':') ? MAPPED_BITS : 0;
        unsigned bits = digits > 0 && digits <= 3 ? (unsigned)atoi(slash + 1) : UINT_MAX;
        if (slash[1 + digits] || bits < before || bits - before > prefix.bits)
            return ERR_FORMAT;
        prefix.bits = bits - before;
    }
    *out = prefix;
    return ERR_OK;
}

bool addr_is_in(const struct addr_prefixes *prefixes, const struct addr *addr)
{
    size_t len, own_len;
    const uint8_t *bytes = addr_bytes(addr, &len);

    for (size_t i = 0; i < prefixes->cnt; i++) {
        const struct addr_prefix *p = &prefixes->at[i];
        const uint8_t *own = addr_bytes(&p->addr, &own_len);
        size_t whole = p->bits / 8;
        unsigned rest = p->bits % 8;
        if (own_len == len && memcmp(own, bytes, whole) == 0 &&
            (rest == 0 || ((own[whole] ^ bytes[whole]) >> (8 - rest)) == 0))
            return true;
    }
    return false;
}

enum err addr_from_bytes(const uint8_t *octets, size_t len, uint16_t port, struct addr *out)
{
    struct addr addr = {0};
    if (len == 4) {
        addr.sock.v4.sin_family = AF_INET;
        addr.sock.v4.sin_port = htons(port);
        memcpy(&addr.sock.v4.sin_addr, octets, 4);
    } else if (len == 16) {
        addr.sock.v6.sin6_family = AF_INET6;
        addr.sock.v6.sin6_port = htons(port);
        memcpy(&addr.sock.v6.sin6_addr, octets, 16);
    } else {
        return ERR_FORMAT;
    }
    *out = addr;
    return ERR_OK;
}

void addr_set_port(struct addr *addr, uint16_t port)
{
    if (addr_is_v6(addr))
        addr->sock.v6.sin6_port = htons(port);
    else
        addr->sock.v4.sin_port = htons(port);
}
