/* The classic pcap format with raw IP packets: every tool reads it. */
#include "tools/pcap.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/addr.h"
#include "base/now.h"

enum {
    LINK_RAW = 101,
    IP4_LEN = 20,
    IP6_LEN = 40,
    UDP_LEN = 8,
    TCP_LEN = 20,
    PROTO_TCP = 6,
    PROTO_UDP = 17,
    PACKET_MAX = 65535 + 80,
    PAYLOAD_MAX = 65535 - IP6_LEN - TCP_LEN - 2
};

struct file_head {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t zone, accuracy, most, link;
};

struct packet_head {
    uint32_t seconds, micros, kept, len;
};

/* The packet being made.
 * Lifetime: pcap_write. */
struct packet {
    struct addr from, to;
    bool is_tcp;
    const uint8_t *payload;
    size_t payload_len;
    uint8_t bytes[PACKET_MAX];
    size_t len;
};

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
    uint8_t protocol = p->is_tcp ? PROTO_TCP : PROTO_UDP, *at = p->bytes;

    if (len == 4) {
        at[0] = 0x45;
        util_put_u16(at + 2, (uint16_t)(IP4_LEN + inside));
        at[8] = 64;
        at[9] = protocol;
        memcpy(at + 12, from, len);
        memcpy(at + 16, to, len);
        util_put_u16(at + 10, fold_checksum(add_octets(0, at, IP4_LEN)));
        return IP4_LEN;
    }
    at[0] = 0x60;
    util_put_u16(at + 4, (uint16_t)inside);
    at[6] = protocol;
    at[7] = 64;
    memcpy(at + 8, from, len);
    memcpy(at + 24, to, len);
    return IP6_LEN;
}

/* Return the checksum over the pseudo-header and the segment (RFC 768, RFC 9293 3.1). */
static uint16_t transport_checksum(const struct packet *p, size_t at, size_t inside)
{
    size_t len;
    const uint8_t *from = addr_bytes(&p->from, &len), *to = addr_bytes(&p->to, &len);
    uint32_t total = add_octets(add_octets(0, from, len), to, len);
    total += (p->is_tcp ? PROTO_TCP : PROTO_UDP) + (uint32_t)inside;
    return fold_checksum(add_octets(total, p->bytes + at, inside));
}

static void make_packet(struct packet *p)
{
    size_t header = p->is_tcp ? TCP_LEN + 2 : UDP_LEN, inside = header + p->payload_len;

    memset(p->bytes, 0, IP6_LEN + TCP_LEN + 2);
    size_t at = write_ip_header(p, inside);
    uint8_t *t = p->bytes + at;
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
    util_put_u16(t + (p->is_tcp ? 16 : 6), transport_checksum(p, at, inside));
    p->len = at + inside;
}

/* Read octets in hexadecimal; return their number, 0 if `text` is malformed or too long. */
static size_t read_wire_hex(const char *text, uint8_t *out, size_t size)
{
    size_t len = strlen(text) / 2;

    for (size_t i = 0; i < len && len <= size; i++) {
        char pair[3] = {text[2 * i], text[2 * i + 1]}, *end;
        out[i] = (uint8_t)strtoul(pair, &end, 16);
        if (*end)
            return 0;
    }
    return len <= size ? len : 0;
}

static bool read_packet(const struct json *entry, struct packet *p, uint8_t *payload)
{
    p->is_tcp = strcmp(json_get_text(entry, "transport", ""), "tcp") == 0;
    p->payload = payload;
    p->payload_len = read_wire_hex(json_get_text(entry, "wire", ""), payload, PAYLOAD_MAX);
    return p->payload_len > 0 &&
           addr_read(json_get_text(entry, "from", ""), 0, &p->from) == ERR_OK &&
           addr_read(json_get_text(entry, "to", ""), 0, &p->to) == ERR_OK &&
           addr_is_v6(&p->from) == addr_is_v6(&p->to);
}

static bool write_packet(FILE *out, const struct packet *p, int64_t at_us)
{
    struct packet_head head = {.seconds = (uint32_t)(at_us / 1000000),
                               .micros = (uint32_t)(at_us % 1000000),
                               .kept = (uint32_t)p->len,
                               .len = (uint32_t)p->len};
    return fwrite(&head, sizeof(head), 1, out) == 1 && fwrite(p->bytes, p->len, 1, out) == 1;
}

static enum err write_packets(FILE *out, const struct json *tree, struct packet *p,
                              uint8_t *payload)
{
    const struct file_head head = {
        .magic = 0xa1b2c3d4, .major = 2, .minor = 4, .most = PACKET_MAX, .link = LINK_RAW};
    const struct json *packets = json_find(tree, "packets");
    int64_t start_ms = 0;

    if (now_read(json_get_text(tree, "at", ""), &start_ms) != ERR_OK)
        return ERR_FORMAT;
    if (fwrite(&head, sizeof(head), 1, out) != 1)
        return ERR_IO;
    for (size_t i = 0; i < json_count(packets); i++) {
        const struct json *entry = json_at(packets, i);
        if (strlen(json_get_text(entry, "wire", "")) / 2 > PAYLOAD_MAX)
            continue; /* too long for an IP packet */
        if (!read_packet(entry, p, payload))
            return ERR_FORMAT;
        make_packet(p);
        if (!write_packet(out, p, start_ms * 1000 + json_get_number(entry, "at-us", 0)))
            return ERR_IO;
    }
    return ERR_OK;
}

/* Remove an incomplete file, but no device, pipe or link. */
static void remove_partial_file(const char *path)
{
    struct stat found;
    int reason = errno;

    if (lstat(path, &found) == 0 && S_ISREG(found.st_mode))
        (void)unlink(path);
    errno = reason;
}

enum err pcap_write(const char *path, const struct json *tree)
{
    FILE *out = fopen(path, "we");
    struct packet *p = calloc(1, sizeof(*p));
    uint8_t *payload = malloc(PAYLOAD_MAX);

    enum err err = !out ? ERR_IO : !p || !payload ? ERR_NOMEM : ERR_OK;
    if (!err)
        err = write_packets(out, tree, p, payload);
    if (out && fclose(out) != 0)
        err = ERR_IO;
    if (out && err)
        remove_partial_file(path);
    free(p);
    free(payload);
    return err;
}
