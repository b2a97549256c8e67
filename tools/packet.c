#include "tools/packet.h"

#include <string.h>

enum { TCP_LEN = 20, PROTO_TCP = 6, PROTO_UDP = 17, FRAGMENTED = 0x3fff };

/* Add octets to an Internet checksum (RFC 1071). */
static uint32_t add_octets(uint32_t start, const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        start += i % 2 ? at[i] : (uint32_t)at[i] << 8;
    return start;
}

static uint16_t fold_checksum(uint32_t total)
{
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return (uint16_t)~total;
}

static size_t write_ip_header(struct packet *p, size_t inside)
{
    size_t len;
    const uint8_t *from = addr_bytes(&p->from, &len), *to = addr_bytes(&p->to, &len);
    uint8_t protocol = p->is_tcp ? PROTO_TCP : PROTO_UDP, *at = p->octets;

    if (len == 4) {
        at[0] = 0x45;
        util_put_u16(at + 2, (uint16_t)(PACKET_IP4_LEN + inside));
        util_put_u16(at + 4, p->id);
        at[8] = 64;
        at[9] = protocol;
        memcpy(at + 12, from, len);
        memcpy(at + 16, to, len);
        util_put_u16(at + 10, fold_checksum(add_octets(0, at, PACKET_IP4_LEN)));
        return PACKET_IP4_LEN;
    }
    at[0] = 0x60;
    util_put_u16(at + 4, (uint16_t)inside);
    at[6] = protocol;
    at[7] = 64;
    memcpy(at + 8, from, len);
    memcpy(at + 24, to, len);
    return PACKET_IP6_LEN;
}

/* Return the checksum over the pseudo-header and the segment (RFC 768, RFC 9293 3.1). */
static uint16_t transport_checksum(const struct packet *p, size_t at, size_t inside)
{
    size_t len;
    const uint8_t *from = addr_bytes(&p->from, &len), *to = addr_bytes(&p->to, &len);
    uint32_t total = add_octets(add_octets(0, from, len), to, len);
    total += (p->is_tcp ? PROTO_TCP : PROTO_UDP) + (uint32_t)inside;
    return fold_checksum(add_octets(total, p->octets + at, inside));
}

void packet_make(struct packet *p)
{
    size_t header = p->is_tcp ? TCP_LEN + 2 : PACKET_UDP_LEN, inside = header + p->payload_len;

    memset(p->octets, 0, PACKET_IP6_LEN + TCP_LEN + 2);
    size_t at = write_ip_header(p, inside);
    uint8_t *t = p->octets + at;
    util_put_u16(t, addr_port(&p->from));
    util_put_u16(t + 2, addr_port(&p->to));
    if (p->is_tcp) {
        t[12] = TCP_LEN / 4 << 4;
        t[13] = 0x18; /* PSH, ACK */
        util_put_u16(t + 14, 65535);
        util_put_u16(t + TCP_LEN, (uint16_t)p->payload_len);
    } else {
        util_put_u16(t + 4, (uint16_t)inside);
    }
    memcpy(t + header, p->payload, p->payload_len);
    uint16_t sum = transport_checksum(p, at, inside);
    util_put_u16(t + (p->is_tcp ? 16 : 6), sum == 0 && !p->is_tcp ? 0xffff : sum);
    p->len = at + inside;
}

/* Read the IP header: the addresses, and where the datagram begins.  0: no UDP. */
static size_t read_ip_header(const uint8_t *octets, size_t len, struct packet_view *out)
{
    if (len >= PACKET_IP4_LEN && octets[0] >> 4 == 4) {
        size_t header = (size_t)(octets[0] & 15) * 4;
        out->ip_id = util_get_u16(octets + 4);
        if (octets[9] != PROTO_UDP || (util_get_u16(octets + 6) & FRAGMENTED) != 0 ||
            addr_from_bytes(octets + 12, 4, 0, &out->from) != ERR_OK ||
            addr_from_bytes(octets + 16, 4, 0, &out->to) != ERR_OK)
            return 0;
        return header >= PACKET_IP4_LEN ? header : 0;
    }
    out->ip_id = 0;
    if (len < PACKET_IP6_LEN || octets[0] >> 4 != 6 || octets[6] != PROTO_UDP ||
        addr_from_bytes(octets + 8, 16, 0, &out->from) != ERR_OK ||
        addr_from_bytes(octets + 24, 16, 0, &out->to) != ERR_OK)
        return 0;
    return PACKET_IP6_LEN;
}

bool packet_read_udp(const uint8_t *octets, size_t len, struct packet_view *out)
{
    const size_t at = read_ip_header(octets, len, out);

    if (at == 0 || at + PACKET_UDP_LEN > len)
        return false;
    const size_t inside = util_get_u16(octets + at + 4);
    if (inside < PACKET_UDP_LEN || at + inside > len)
        return false;
    addr_set_port(&out->from, util_get_u16(octets + at));
    addr_set_port(&out->to, util_get_u16(octets + at + 2));
    out->payload = octets + at + PACKET_UDP_LEN;
    out->payload_len = inside - PACKET_UDP_LEN;
    return true;
}
