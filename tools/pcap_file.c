#include "tools/pcap_file.h"

#include "tools/packet.h"

struct pcap_file_head {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t zone, accuracy, most, link;
};

struct pcap_file_record {
    uint32_t seconds, micros, kept, len;
};

bool pcap_file_begin(FILE *out, enum pcap_file_link link)
{
    const struct pcap_file_head head = {
        .magic = 0xa1b2c3d4, .major = 2, .minor = 4, .most = PACKET_MAX, .link = link};
    return fwrite(&head, sizeof(head), 1, out) == 1;
}

bool pcap_file_add(FILE *out, int64_t at_us, const uint8_t *octets, size_t len)
{
    const struct pcap_file_record head = {.seconds = (uint32_t)(at_us / 1000000),
                                          .micros = (uint32_t)(at_us % 1000000),
                                          .kept = (uint32_t)len,
                                          .len = (uint32_t)len};
    return fwrite(&head, sizeof(head), 1, out) == 1 && fwrite(octets, len, 1, out) == 1;
}
