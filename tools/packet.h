/* tools/packet.h | IP packets with UDP or TCP headers made by hand
 *
 * For packet captures, and for the attacks of the laboratory, whose sender is forged.
 *
 * Owner:    values; the payload is borrowed.
 * Thread:   any.
 */
#pragma once

#include "base/addr.h"

enum {
    PACKET_IP4_LEN = 20,
    PACKET_IP6_LEN = 40,
    PACKET_UDP_LEN = 8,
    PACKET_MAX = 65535 + 80,
};

/* A packet being made.  Lifetime: the caller's. */
struct packet {
    struct addr from, to; /* of one family */
    bool is_tcp;          /* a segment of DNS over TCP: the payload's length precedes it */
    uint16_t id;          /* of an IPv4 packet (RFC 791 3.1) */
    const uint8_t *payload;
    size_t payload_len;
    uint8_t octets[PACKET_MAX];
    size_t len;
};

/* Make p->octets and p->len from the other fields, with valid checksums.  The payload has at
 * most 65,535 octets less the headers. */
void packet_make(struct packet *p);

/* What is inside a received packet; all pointers point into it. */
struct packet_view {
    struct addr from, to;
    uint16_t ip_id;
    const uint8_t *payload;
    size_t payload_len;
};

/* Read an IPv4 or IPv6 packet with a whole UDP datagram.  False: it is something else, a
 * fragment, or malformed. */
MUST_USE bool packet_read_udp(const uint8_t *octets, size_t len, struct packet_view *out);
