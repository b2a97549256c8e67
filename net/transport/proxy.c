/* HAProxy's doc/proxy-protocol.txt specifies the PROXY protocol.  Attributes after the
 * addresses are skipped. */
#define _GNU_SOURCE
#include "net/transport/proxy.h"

enum {
    SIGNATURE_LEN = 12,
    HEADER_LEN = 16,
    VERSION_2 = 0x20,
    COMMAND_LOCAL = 0,
    COMMAND_PROXY = 1,
    /* Families are the upper four bits; the lower are the transport between client and proxy.
     */
    FAMILY_V4 = 1,
    FAMILY_V6 = 2,
    FAMILY_UNIX = 3,
    TRANSPORT_STREAM = 1,
    TRANSPORT_DGRAM = 2,
    ADDRS_V4_LEN = 12,
    ADDRS_V6_LEN = 36,
    V4_LEN = 4,
    V6_LEN = 16,
    NODE_MAX = 64,
};

static const uint8_t signature[SIGNATURE_LEN] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d,
                                                 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

static enum proxy_result read_proxy_addresses(const uint8_t *at, size_t len, uint8_t family,
                                              struct addr *client)
{
    unsigned transport = family & 15;
    bool is_v6 = family >> 4 == FAMILY_V6;
    size_t addr_octets = is_v6 ? V6_LEN : V4_LEN;

    bool is_transport = transport == TRANSPORT_STREAM || transport == TRANSPORT_DGRAM;
    bool is_known = (family >> 4 == FAMILY_V4 || is_v6) && is_transport;

    /* valid, but not an IP client: treated as unspecified */
    if (family >> 4 == FAMILY_UNIX && is_transport)
        return PROXY_WHOLE;
    if (!is_known || len < (size_t)(is_v6 ? ADDRS_V6_LEN : ADDRS_V4_LEN) ||
        addr_from_bytes(at, addr_octets, util_get_u16(at + 2 * addr_octets), client) != ERR_OK)
        return PROXY_WRONG;
    addr_unmap(client);
    return PROXY_WHOLE;
}

enum proxy_result proxy_parse(const uint8_t *octets, size_t len, struct addr *client,
                              size_t *used)
{
    if (memcmp(octets, signature, util_min(len, SIGNATURE_LEN)) != 0)
        return PROXY_NONE;
    if (len < HEADER_LEN)
        return PROXY_MORE;
    size_t whole = HEADER_LEN + (size_t)util_get_u16(octets + SIGNATURE_LEN + 2);
    uint8_t command = octets[SIGNATURE_LEN] & 15;
    if ((octets[SIGNATURE_LEN] & 0xf0) != VERSION_2 || command > COMMAND_PROXY ||
        whole > PROXY_LEN_MAX)
        return PROXY_WRONG;
    if (len < whole)
        return PROXY_MORE;
    *used = whole;
    if (command == COMMAND_LOCAL ||
        octets[SIGNATURE_LEN + 1] == 0) /* or the family is unspecified */
        return PROXY_WHOLE;
    return read_proxy_addresses(octets + HEADER_LEN, whole - HEADER_LEN,
                                octets[SIGNATURE_LEN + 1], client);
}

bool proxy_is_header(const uint8_t *octets, size_t len)
{
    return len >= SIGNATURE_LEN && memcmp(octets, signature, SIGNATURE_LEN) == 0;
}

enum proxy_result proxy_parse_trusted(const uint8_t *octets, size_t len,
                                      const struct addr_prefixes *trusted, struct addr *client,
                                      size_t *used)
{
    struct addr named = *client;

    *used = 0;
    enum proxy_result result = proxy_parse(octets, len, &named, used);
    if (result != PROXY_WHOLE)
        return result;
    if (!addr_is_in(trusted, client))
        return PROXY_WRONG;
    *client = named;
    return PROXY_WHOLE;
}

/* ---- fields ---- */

/* Read "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]" or "[2001:db8::1]:80"; the
 * port is ignored. */
static bool read_node_address(struct http_text text, struct addr *out)
{
    char node[NODE_MAX];

    if (text.len >= 2 && text.at[0] == '"' && text.at[text.len - 1] == '"')
        text.at++, text.len -= 2;
    if (text.len > 0 && text.at[0] == '[') {
        const char *end = memchr(text.at, ']', text.len);
        if (!end)
            return false;
        text = (struct http_text){.at = text.at + 1, .len = (size_t)(end - text.at) - 1};
    } else {
        const char *colon = memchr(text.at, ':', text.len);
        size_t before = colon ? (size_t)(colon - text.at) : 0;
        if (colon && !memchr(colon + 1, ':', text.len - before - 1))
            text.len = before;
    }
    if (text.len == 0 || text.len >= sizeof(node) || memchr(text.at, '@', text.len) ||
        memchr(text.at, 0, text.len))
        return false;
    memcpy(node, text.at, text.len);
    node[text.len] = 0;
    return addr_read(node, 0, out) == ERR_OK;
}

/* Find the value of "for" in "for=192.0.2.60;proto=http;by=203.0.113.43" (RFC 7239 4). */
static struct http_text find_for_value(struct http_text element)
{
    const char *at = element.at, *end = at + element.len;

    while (at < end) {
        const char *stop = memchr(at, ';', (size_t)(end - at));
        struct http_text pair =
            http_trim((struct http_text){.at = at, .len = (size_t)((stop ? stop : end) - at)});
        if (pair.len > 4 && util_is_same((const uint8_t *)pair.at, (const uint8_t *)"for=", 4))
            return (struct http_text){.at = pair.at + 4, .len = pair.len - 4};
        at = stop ? stop + 1 : end;
    }
    return (struct http_text){.at = "", .len = 0};
}

/* Find the rightmost address that is not a trusted proxy, or the leftmost if all are. */
static enum proxy_result read_proxy_list(struct http_text list, bool is_forwarded,
                                         const struct addr_prefixes *trusted,
                                         struct addr *client)
{
    if (list.len == 0)
        return PROXY_NONE;
    while (list.len > 0) {
        const char *comma = memrchr(list.at, ',', list.len);
        size_t from = comma ? (size_t)(comma - list.at) + 1 : 0;
        struct http_text element =
            http_trim((struct http_text){.at = list.at + from, .len = list.len - from});
        if (!read_node_address(is_forwarded ? find_for_value(element) : element, client))
            return PROXY_WRONG;
        if (!addr_is_in(trusted, client))
            break;
        list.len = from > 0 ? from - 1 : 0;
    }
    return PROXY_WHOLE;
}

enum proxy_result proxy_read_fields(const struct http_request *request,
                                    const struct addr_prefixes *trusted, struct addr *client)
{
    struct addr one = {0}, other = {0};
    enum proxy_result forwarded = read_proxy_list(request->forwarded, true, trusted, &one);
    enum proxy_result x = read_proxy_list(request->x_forwarded_for, false, trusted, &other);

    if (forwarded == PROXY_NONE || x == PROXY_NONE) {
        *client = forwarded == PROXY_NONE ? other : one;
        return forwarded == PROXY_NONE ? x : forwarded;
    }
    if (forwarded != PROXY_WHOLE || x != PROXY_WHOLE)
        return PROXY_WRONG;
    addr_set_port(&one, 0);
    addr_set_port(&other, 0);
    *client = one;
    return addr_is_equal(&one, &other) ? PROXY_WHOLE : PROXY_WRONG;
}
