#include "tools/lab/trial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/now.h"
#include "dns/dname_text.h"
#include "dns/query.h"
#include "net/loop/fence.h"
#include "tools/ask.h"
#include "tools/cmd.h"
#include "tools/lab/capture.h"

enum {
    FENCE_MS = 1000,
    ASK_WAIT_MS = 8000,
    SEND_BUFFER = 4 << 20,
    SERVE_UDP_MAX = 1232,
};

void trial_fail(const char *fmt, ...)
{
    va_list args;

    fprintf(stderr, "rootline lab: ");
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    exit(CMD_WRONG);
}

/* ---- what was found ---- */

void trial_number(struct trial *t, const char *key, int64_t value)
{
    json_put_number(t->facts, key, value);
}

void trial_real(struct trial *t, const char *key, double value)
{
    json_put_real(t->facts, key, (double)(int64_t)(value * 100 + 0.5) / 100);
}

void trial_text(struct trial *t, const char *key, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    json_put_text(t->facts, key, text);
}

void trial_end(struct trial *t, bool has_succeeded, const char *fmt, ...)
{
    va_list args;

    t->has_succeeded = has_succeeded;
    va_start(args, fmt);
    vsnprintf(t->outcome, sizeof(t->outcome), fmt, args);
    va_end(args);
}

void trial_tell(const struct trial *t, const char *fmt, ...)
{
    va_list args;

    if (!t->tells)
        return;
    fputs("    ", stdout);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

struct json *trial_control(const struct trial *t, const char *command)
{
    struct json *request, *answer = NULL;
    char path[SITE_PATH_MAX];

    site_path(t->site, topology_find("resolver"), "control.sock", path);
    if (access(path, F_OK) != 0)
        return NULL;
    request = json_new_object();
    json_put_text(request, "command", command);
    if (ask_daemon(path, ASK_RESOLVER, request, &answer) != CMD_DONE)
        trial_fail("the resolver does not answer");
    return answer;
}

void trial_note_rejected(struct trial *t)
{
    struct json *rejected = trial_control(t, "rejected");
    char key[64];

    for (size_t i = 0; i < json_count(rejected); i++) {
        const char *reason = json_key(rejected, i);
        int64_t cnt = json_get_number(json_find(rejected, reason), "count", 0);
        snprintf(key, sizeof(key), "rejected-%s", reason);
        if (cnt > 0)
            trial_number(t, key, cnt);
    }
    json_free(&rejected);
}

int64_t trial_counter(const struct trial *t, const char *key)
{
    struct json *stats = trial_control(t, "stats");
    int64_t grown = json_get_number(stats, key, 0) - json_get_number(t->stats_before, key, 0);

    json_free(&stats);
    return grown;
}

static const struct topology_host *get_host(const char *name)
{
    const struct topology_host *host = topology_find(name);
    must(host);
    return host;
}

/* Send a command for a host to the keeper. */
static void command_host(const struct trial *t, struct json *request, const char *command,
                         const char *host)
{
    struct fault fault;

    json_put_text(request, "command", command);
    json_put_text(request, "host", host);
    struct json *answer = space_request(t->space, request, &fault);
    if (!answer)
        trial_fail("%s", fault.text);
    json_free(&answer);
}

void trial_restart(const struct trial *t, const char *host)
{
    command_host(t, json_new_object(), "restart", host);
}

void trial_set_delay(const struct trial *t, const char *host, unsigned delay_ms)
{
    struct json *request = json_new_object();

    json_put_number(request, "delay-us",
                    1000 * (delay_ms ? delay_ms : get_host(host)->delay_ms));
    command_host(t, request, "link", host);
}

void trial_sign_zone(const struct trial *t, const char *host, const char *zone,
                     const char *option)
{
    struct fault fault;

    if (!site_sign(t->site, zone, option, &fault))
        trial_fail("%s", fault.text);
    trial_restart(t, host);
}

/* ---- sockets ---- */

static struct addr read_addr(const char *text, uint16_t port)
{
    struct addr addr;
    must(addr_read(text, port, &addr) == ERR_OK);
    return addr;
}

struct addr trial_addr(const char *host, uint16_t port)
{
    return read_addr(get_host(host)->v4, port);
}

struct addr trial_second(const char *host, uint16_t port)
{
    return read_addr(get_host(host)->second, port);
}

/* Every host is checked: a packet may take its way through any of them. */
void trial_check_fence(const struct space *space)
{
    static uint64_t checked_ms;
    const uint64_t now_ms = now_mono_ms();
    struct fault fault;

    if (checked_ms && now_ms - checked_ms < FENCE_MS)
        return;
    checked_ms = now_ms;
    for (size_t i = 0; i < topology_host_cnt; i++) {
        fault_set(&fault, ERR_IO, "its network cannot be entered");
        if (space_go(space, &topology_hosts[i]) && fence_check(&fault) == ERR_OK)
            continue;
        fprintf(stderr, "rootline lab: packets could leave the laboratory from host %s: %s\n",
                topology_hosts[i].name, fault.text);
        exit(TRIAL_EXIT_FENCE);
    }
}

int trial_open(const struct trial *t, const char *host, const struct addr *at, int type)
{
    const int on = 1;

    trial_check_fence(t->space);
    int fd = space_socket(t->space, get_host(host), at->sock.any.sa_family, type, 0);

    if (fd >= 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd < 0 || bind(fd, &at->sock.any, addr_len(at)) != 0 ||
        (type == SOCK_STREAM && listen(fd, 64) != 0))
        trial_fail("cannot open a socket on %s: %s", host, strerror(errno));
    return fd;
}

bool trial_wait(int fd, int wait_ms)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    return poll(&polled, 1, wait_ms) == 1;
}

static int open_forger(const struct trial *t, const char *host, int family)
{
    const int buffer = SEND_BUFFER;

    trial_check_fence(t->space);
    int fd = space_socket(t->space, get_host(host), family, SOCK_RAW, IPPROTO_RAW);

    if (fd < 0)
        trial_fail("cannot open a raw socket on %s: %s", host, strerror(errno));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
    return fd;
}

int trial_open_forger(const struct trial *t, const char *host)
{
    return open_forger(t, host, AF_INET);
}

int trial_open_forger6(const struct trial *t, const char *host)
{
    return open_forger(t, host, AF_INET6);
}

static bool is_of_lab(const struct addr *addr)
{
    static struct addr_prefix at[8];
    static struct addr_prefixes inside;

    for (; inside.cnt < topology_prefix_cnt; inside.cnt++)
        must(addr_read_prefix(topology_prefixes[inside.cnt], &at[inside.cnt]) == ERR_OK);
    inside.at = at;
    return addr_is_in(&inside, addr);
}

void trial_forge(struct trial *t, int fd, const struct packet *packet)
{
    trial_check_fence(t->space);
    if (!is_of_lab(&packet->to)) {
        fprintf(stderr, "rootline lab: a packet to an address that is not the laboratory's\n");
        exit(TRIAL_EXIT_FENCE);
    }
    struct addr to = packet->to;
    if (to.sock.any.sa_family == AF_INET6)
        to.sock.v6.sin6_port = 0; /* a raw socket of IPv6 takes it for a protocol */
    while (sendto(fd, packet->octets, packet->len, 0, &to.sock.any, addr_len(&to)) < 0)
        if (errno != ENOBUFS && errno != EINTR)
            trial_fail("cannot send a forged packet: %s", strerror(errno));
    t->packets++;
}

unsigned trial_guess_ids(struct trial *t, int fd, const struct addr *from,
                         const struct addr *to, uint8_t *wire, size_t len, uint64_t end_us)
{
    static struct packet p;
    unsigned cnt = 0;

    p.from = *from;
    p.to = *to;
    p.payload = wire;
    p.payload_len = len;
    for (; now_mono_us() < end_us; cnt++) {
        util_put_u16(wire, rng_u16(&t->rng));
        packet_make(&p);
        trial_forge(t, fd, &p);
    }
    return cnt;
}

int trial_open_ear(const struct trial *t, const char *host)
{
    int fd = space_go(t->space, get_host(host)) ? capture_open() : -1;

    if (fd < 0)
        trial_fail("cannot hear the wire of %s: %s", host, strerror(errno));
    return fd;
}

bool trial_hear(int fd, int wait_ms, struct packet_view *view)
{
    static uint8_t frame[CAPTURE_FRAME_MAX];
    const uint64_t end_ms = now_mono_ms() + (uint64_t)wait_ms;

    for (;;) {
        const uint64_t now_ms = now_mono_ms();
        struct sockaddr_ll from;
        socklen_t from_len = sizeof(from);
        if (!trial_wait(fd, now_ms < end_ms ? (int)(end_ms - now_ms) : 0))
            return false;
        ssize_t len =
            recvfrom(fd, frame, sizeof(frame), 0, (struct sockaddr *)&from, &from_len);
        if (len > ETH_HLEN && from.sll_pkttype != PACKET_OUTGOING &&
            packet_read_udp(frame + ETH_HLEN, (size_t)len - ETH_HLEN, view))
            return true;
        if (now_mono_ms() >= end_ms)
            return false;
    }
}

unsigned trial_count_queries(int ear)
{
    struct packet_view heard;
    unsigned cnt = 0;

    while (trial_wait(ear, 0))
        cnt += trial_hear(ear, 0, &heard) && addr_port(&heard.to) == 53;
    return cnt;
}

/* ---- DNS ---- */

void trial_name(const char *text, uint8_t out[DNAME_MAX])
{
    static const uint8_t root[] = {0};
    size_t len;
    must(dname_text_read(text, strlen(text), root, out, &len, NULL, NULL) == ERR_OK);
}

void trial_print_qname(const struct message *query, char out[DNAME_TEXT_MAX])
{
    uint8_t name[DNAME_MAX];

    dname_lower(message_qname(query), name);
    dname_text_print(name, out);
}

/* Send a query from a port of its own and return the socket. */
static int send_client_query(const struct trial *t, const char *host, const struct addr *server,
                             const char *name, uint16_t type, uint16_t flags, bool is_do)
{
    static uint16_t id;
    uint8_t qname[DNAME_MAX], wire[QUERY_MAX];
    const struct addr any = trial_addr(host, 0);
    int fd = trial_open(t, host, &any, SOCK_DGRAM);

    trial_name(name, qname);
    const struct query query = {.id = ++id,
                                .flags = flags,
                                .name = qname,
                                .type = type,
                                .has_edns = true,
                                .is_do = is_do,
                                .udp_size = 1232};
    size_t len = query_write(&query, wire);
    if (connect(fd, &server->sock.any, addr_len(server)) != 0 ||
        send(fd, wire, len, 0) != (ssize_t)len)
        trial_fail("cannot send a query from %s: %s", host, strerror(errno));
    return fd;
}

int trial_query(const struct trial *t, const char *host, const struct addr *server,
                const char *name, uint16_t type, bool is_do)
{
    return send_client_query(t, host, server, name, type, 0, is_do);
}

int trial_ask_begin(const struct trial *t, const char *host, const char *name, uint16_t type)
{
    const struct addr resolver = trial_addr("resolver", 53);
    return send_client_query(t, host, &resolver, name, type, MESSAGE_RD | MESSAGE_AD, false);
}

int trial_ask_from_cache(const struct trial *t, const char *host, const char *name,
                         uint16_t type)
{
    const struct addr resolver = trial_addr("resolver", 53);
    return send_client_query(t, host, &resolver, name, type, 0, false);
}

/* Append an OPT record, with the DO bit. */
static void append_opt(struct trial_message *m)
{
    static const uint8_t opt[] = {0, 0, RRTYPE_OPT, 1232 >> 8, 1232 & 255, 0, 0, 0x80, 0, 0, 0};

    memcpy(m->wire + m->len, opt, sizeof(opt));
    m->len += sizeof(opt);
    util_put_u16(m->wire + 10, (uint16_t)(util_get_u16(m->wire + 10) + 1));
}

/* Make the reply to a query of `len` octets; at most `most` octets, or it is truncated.  False:
 * it is no query. */
static bool make_reply(struct trial *t, const uint8_t *wire, size_t len, size_t most,
                       trial_answer *answer, struct trial_message *reply)
{
    struct message query;

    if (message_parse(wire, len, &query) != MESSAGE_WHOLE || query.flags & MESSAGE_QR ||
        !query.has_question)
        return false;
    trial_begin(reply, query.id, MESSAGE_QR | MESSAGE_AA, message_qname(&query), query.qtype);
    answer(t, &query, reply);
    if (reply->len > most)
        trial_begin(reply, query.id, MESSAGE_QR | MESSAGE_AA | MESSAGE_TC,
                    message_qname(&query), query.qtype);
    if (query.has_edns)
        append_opt(reply);
    return true;
}

/* Answer one query.  False: what arrived is none. */
static bool serve_datagram(struct trial *t, int server, trial_answer *answer)
{
    static struct trial_message reply;
    static uint8_t wire[MESSAGE_MAX];
    struct addr from;
    socklen_t from_len = sizeof(from.sock);
    ssize_t len = recvfrom(server, wire, sizeof(wire), 0, &from.sock.any, &from_len);

    if (len <= 0 || !make_reply(t, wire, (size_t)len, SERVE_UDP_MAX, answer, &reply))
        return false;
    trial_check_fence(t->space);
    (void)sendto(server, reply.wire, reply.len, 0, &from.sock.any, from_len);
    return true;
}

/* Answer one query of a connection.  False: it was closed, or what arrived is no query. */
static bool serve_connection(struct trial *t, int fd, trial_answer *answer)
{
    static struct trial_message reply;
    static uint8_t wire[MESSAGE_MAX + 2];
    ssize_t len = recv(fd, wire, 2, MSG_WAITALL);

    if (len == 2)
        len = recv(fd, wire, util_get_u16(wire), MSG_WAITALL);
    if (len <= 2 || !make_reply(t, wire, (size_t)len, MESSAGE_MAX, answer, &reply))
        return false;
    util_put_u16(wire, (uint16_t)reply.len);
    memcpy(wire + 2, reply.wire, reply.len);
    return send(fd, wire, reply.len + 2, MSG_NOSIGNAL) == (ssize_t)reply.len + 2;
}

/* What trial_serve_both waits for. */
enum { SERVE_UDP, SERVE_TCP, SERVE_CLIENT, SERVE_FIRST, SERVE_CNT = SERVE_FIRST + 8 };

/* Serve what is ready.  Return the number of queries. */
static unsigned serve_ready(struct trial *t, struct pollfd polled[SERVE_CNT],
                            trial_answer *answer)
{
    unsigned cnt = 0;

    if (polled[SERVE_UDP].revents)
        cnt += serve_datagram(t, polled[SERVE_UDP].fd, answer);
    for (size_t i = SERVE_FIRST; i < SERVE_CNT; i++)
        if (polled[i].fd < 0 && polled[SERVE_TCP].revents) {
            polled[i].fd = accept(polled[SERVE_TCP].fd, NULL, NULL);
            polled[SERVE_TCP].revents = 0;
        } else if (polled[i].fd >= 0 && polled[i].revents) {
            const bool is_served = serve_connection(t, polled[i].fd, answer);
            cnt += is_served;
            if (is_served)
                continue;
            close(polled[i].fd);
            polled[i].fd = -1;
        }
    return cnt;
}

unsigned trial_serve_both(struct trial *t, int udp, int tcp, int client, int wait_ms,
                          trial_answer *answer)
{
    const uint64_t end_ms = now_mono_ms() + (uint64_t)wait_ms;
    struct pollfd polled[SERVE_CNT]; /* -1 is ignored */
    unsigned cnt = 0;

    for (size_t i = 0; i < SERVE_CNT; i++)
        polled[i] = (struct pollfd){.fd = -1, .events = POLLIN};
    polled[SERVE_UDP].fd = udp;
    polled[SERVE_TCP].fd = tcp;
    polled[SERVE_CLIENT].fd = client;
    while (now_mono_ms() < end_ms &&
           poll(polled, SERVE_CNT, (int)(end_ms - now_mono_ms())) > 0 &&
           !polled[SERVE_CLIENT].revents)
        cnt += serve_ready(t, polled, answer);
    for (size_t i = SERVE_FIRST; i < SERVE_CNT; i++)
        if (polled[i].fd >= 0)
            close(polled[i].fd);
    return cnt;
}

unsigned trial_serve(struct trial *t, int server, int client, int wait_ms, trial_answer *answer)
{
    return trial_serve_both(t, server, -1, client, wait_ms, answer);
}

static void read_first_address(const struct message *m, struct trial_reply *out)
{
    struct message_walk walk = message_walk(m);
    struct message_record r;
    struct addr addr;

    while (message_next(&walk, &r) && r.section == MESSAGE_ANSWER)
        if (r.type == RRTYPE_A && addr_from_bytes(r.rdata, r.rdata_len, 0, &addr) == ERR_OK) {
            addr_print_host(&addr, out->address);
            out->ttl = r.ttl;
            return;
        }
}

struct trial_reply trial_read_reply(const uint8_t *wire, size_t len)
{
    struct trial_reply reply = {0};
    struct message m;

    if (message_parse(wire, len, &m) != MESSAGE_WHOLE)
        return reply;
    reply.has_come = true;
    reply.rcode = m.flags & 15;
    reply.is_authentic = m.flags & MESSAGE_AD;
    reply.answer_cnt = m.cnt[MESSAGE_ANSWER];
    reply.len = len;
    read_first_address(&m, &reply);
    return reply;
}

struct trial_reply trial_ask_end(int fd, int wait_ms)
{
    static uint8_t wire[MESSAGE_MAX];
    ssize_t len = trial_wait(fd, wait_ms) ? recv(fd, wire, sizeof(wire), 0) : 0;

    close(fd);
    return trial_read_reply(wire, len > 0 ? (size_t)len : 0);
}

struct trial_reply trial_ask(const struct trial *t, const char *host, const char *name,
                             uint16_t type)
{
    return trial_ask_end(trial_ask_begin(t, host, name, type), ASK_WAIT_MS);
}

uint16_t trial_learn_port(const struct trial *t)
{
    const struct addr at = trial_second("attacker", 53);
    int server = trial_open(t, "attacker", &at, SOCK_DGRAM);
    int client = trial_ask_begin(t, "alice", "port.evil.attacker32.com", RRTYPE_A);
    struct addr from = {.sock.v4.sin_family = AF_INET};
    socklen_t len = sizeof(from.sock);
    uint8_t query[512];

    if (trial_wait(server, ASK_WAIT_MS))
        (void)!recvfrom(server, query, sizeof(query), 0, &from.sock.any, &len);
    close(client);
    close(server);
    return addr_port(&from);
}

void trial_begin(struct trial_message *m, uint16_t id, uint16_t flags, const uint8_t *name,
                 uint16_t type)
{
    const size_t name_len = dname_len(name);

    memset(m->wire, 0, MESSAGE_HEADER_LEN);
    util_put_u16(m->wire, id);
    util_put_u16(m->wire + 2, flags);
    util_put_u16(m->wire + 4, 1);
    memcpy(m->wire + MESSAGE_HEADER_LEN, name, name_len);
    m->len = MESSAGE_HEADER_LEN + name_len + 4;
    util_put_u16(m->wire + m->len - 4, type);
    util_put_u16(m->wire + m->len - 2, 1);
}

void trial_record(struct trial_message *m, enum message_section section, const char *owner,
                  uint16_t type, uint32_t ttl, const void *rdata, size_t rdata_len)
{
    uint8_t name[DNAME_MAX];
    uint8_t *count = m->wire + 4 + 2 * section;

    trial_name(owner, name);
    const size_t name_len = dname_len(name);
    must(m->len + name_len + 10 + rdata_len <= sizeof(m->wire));
    uint8_t *at = m->wire + m->len;
    memcpy(at, name, name_len);
    at += name_len;
    util_put_u16(at, type);
    util_put_u16(at + 2, 1);
    util_put_u16(at + 4, (uint16_t)(ttl >> 16));
    util_put_u16(at + 6, (uint16_t)ttl);
    util_put_u16(at + 8, (uint16_t)rdata_len);
    memcpy(at + 10, rdata, rdata_len);
    m->len += name_len + 10 + rdata_len;
    util_put_u16(count, (uint16_t)(util_get_u16(count) + 1));
}

void trial_record_a(struct trial_message *m, enum message_section section, const char *owner,
                    uint32_t ttl, const char *address)
{
    const struct addr addr = read_addr(address, 0);
    size_t len;
    const uint8_t *octets = addr_bytes(&addr, &len);
    trial_record(m, section, owner, RRTYPE_A, ttl, octets, len);
}

void trial_record_name(struct trial_message *m, enum message_section section, const char *owner,
                       uint16_t type, uint32_t ttl, const char *target)
{
    uint8_t name[DNAME_MAX];
    trial_name(target, name);
    trial_record(m, section, owner, type, ttl, name, dname_len(name));
}
