#include "tools/pcap.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/now.h"
#include "tools/packet.h"
#include "tools/pcap_file.h"

enum { PAYLOAD_MAX = 65535 - PACKET_IP6_LEN - 22 }; /* less a TCP header and a length */

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

static enum err write_packets(FILE *out, const struct json *tree, struct packet *p,
                              uint8_t *payload)
{
    const struct json *packets = json_find(tree, "packets");
    int64_t start_ms = 0;

    if (now_read(json_get_text(tree, "at", ""), &start_ms) != ERR_OK)
        return ERR_FORMAT;
    if (!pcap_file_begin(out, PCAP_FILE_RAW_IP))
        return ERR_IO;
    for (size_t i = 0; i < json_count(packets); i++) {
        const struct json *entry = json_at(packets, i);
        if (strlen(json_get_text(entry, "wire", "")) / 2 > PAYLOAD_MAX)
            continue; /* too long for an IP packet */
        if (!read_packet(entry, p, payload))
            return ERR_FORMAT;
        packet_make(p);
        if (!pcap_file_add(out, start_ms * 1000 + json_get_number(entry, "at-us", 0), p->octets,
                           p->len))
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
