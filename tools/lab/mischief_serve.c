/* One loop over poll: the server has few clients, and is to be read. */
#define _GNU_SOURCE /* ppoll */
#include "tools/lab/mischief_serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/now.h"
#include "net/loop/fence.h"

enum {
    QUERY_ROOM = 4096,
    DATAGRAMS_MAX = 1024,   /* that wait to be sent */
    CONNECTIONS_MAX = 256,  /* the next one is closed at once */
    CONNECTION_MS = 120000, /* an idle connection is closed */
    OUT_MAX = 1 << 18,      /* octets that wait on a connection; more queries are dropped */
    BURST = 64,             /* datagrams of a socket that are read at once */
    FENCE_MS = 1000,
};

struct endpoint {
    int fd;
    bool is_tcp;
    unsigned host;
    size_t place;
};

/* A reply over UDP whose time has not come. */
struct datagram {
    uint64_t at_ms;
    int fd;
    struct addr to;
    size_t len;
    uint8_t wire[];
};

struct connection {
    int fd;
    const struct endpoint *endpoint;
    uint64_t next_ms; /* when octets of `out` may be sent */
    uint64_t end_ms;
    unsigned pace_ms;
    bool is_last; /* close it when `out` has been sent */
    size_t in_len, out_len, out_at;
    uint8_t in[2 + QUERY_ROOM];
    uint8_t *out;
};

struct server {
    const struct mischief_conf *conf;
    struct endpoint *endpoints;
    size_t endpoint_cnt;
    struct datagram *datagrams[DATAGRAMS_MAX];
    size_t datagram_cnt;
    struct connection *connections[CONNECTIONS_MAX];
    size_t connection_cnt;
    unsigned *earlier; /* queries, per kind */
    uint64_t fence_ms; /* when to check the fence again */
    struct misreply reply;
};

/* Where a query came from. */
struct origin {
    struct server *server;
    const struct endpoint *endpoint;
    struct addr peer;
    struct connection *connection; /* NULL: over UDP */
};

static volatile sig_atomic_t must_end;

static void note_end_signal(int number)
{
    (void)number;
    must_end = 1;
}

/* ---- sending ---- */

/* Send the message later. */
static void keep_datagram(struct server *s, int fd, const struct addr *to,
                          const struct misreply *m)
{
    struct datagram *d = s->datagram_cnt < DATAGRAMS_MAX ? malloc(sizeof(*d) + m->b.len) : NULL;
    if (!d)
        return;
    d->at_ms = now_mono_ms() + m->delay_ms;
    d->fd = fd;
    d->to = *to;
    d->len = m->b.len;
    memcpy(d->wire, m->wire, d->len);
    s->datagrams[s->datagram_cnt++] = d;
}

/* Send to the client; that its socket is closed already is no fault of ours. */
static void send_datagram(int fd, const struct addr *to, const void *wire, size_t len)
{
    (void)!sendto(fd, wire, len, MSG_DONTWAIT, &to->sock.any, addr_len(to));
}

static void send_from_other_port(const struct origin *from, const struct misreply *m)
{
    struct addr source;
    misreply_address(&from->server->conf->places, from->endpoint->place, from->endpoint->host,
                     &source);
    addr_set_port(&source, 0);
    int fd = socket(source.sock.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (bind(fd, &source.sock.any, addr_len(&source)) == 0)
        send_datagram(fd, &from->peer, m->wire, m->b.len);
    close(fd);
}

/* Return the UDP socket of the second server, or -1: it is not another one. */
static int find_second_socket(const struct server *s, const struct endpoint *own,
                              unsigned second)
{
    for (size_t i = 0; i < s->endpoint_cnt && second != own->host; i++)
        if (s->endpoints[i].host == second && s->endpoints[i].place == own->place &&
            !s->endpoints[i].is_tcp)
            return s->endpoints[i].fd;
    return -1;
}

/* Send the message `copies` times, from where and when it is to be sent. */
static void send_udp_reply(const struct origin *from, const struct misreply *m)
{
    int fd = from->endpoint->fd;
    if (m->from_other_address)
        fd = find_second_socket(from->server, from->endpoint, m->second);
    if (m->from_other_port || fd < 0) {
        send_from_other_port(from, m);
        return;
    }
    for (unsigned i = 0; i < m->copies; i++)
        if (m->delay_ms)
            keep_datagram(from->server, fd, &from->peer, m);
        else
            send_datagram(fd, &from->peer, m->wire, m->b.len);
}

/* Append the message to what the connection has to send. */
static void send_tcp_reply(struct connection *c, const struct misreply *m)
{
    size_t len = 2 + m->b.len;
    for (unsigned i = 0; i < m->copies && c->out_len + len <= OUT_MAX; i++) {
        uint8_t *out = realloc(c->out, c->out_len + len);
        if (!out)
            return;
        c->out = out;
        util_put_u16(out + c->out_len, (uint16_t)((int)m->b.len + m->frame_error));
        memcpy(out + c->out_len + 2, m->wire, m->b.len);
        c->out_len += len;
    }
    c->next_ms = now_mono_ms() + m->delay_ms;
    c->pace_ms = m->pace_ms;
}

static void send_reply(struct misreply *m)
{
    struct origin *from = m->link;
    if (m->is_silent)
        return;
    if (from->connection)
        send_tcp_reply(from->connection, m);
    else
        send_udp_reply(from, m);
}

/* Answer a message.  What is no query gets no reply. */
static void answer_query(struct origin *from, const uint8_t *wire, size_t len)
{
    struct server *s = from->server;
    struct misreply *m = &s->reply;
    struct message query;

    enum message_state state = message_parse(wire, len, &query);
    if (state == MESSAGE_SHORT || state == MESSAGE_BROKEN || !query.has_question ||
        (query.flags & MESSAGE_QR) || message_opcode(&query) != RRTYPE_OPCODE_QUERY)
        return;
    m->query = &query;
    m->host = from->endpoint->host;
    m->is_tcp = from->connection != NULL;
    m->send = send_reply;
    m->link = from;
    mischief_zone_answer(m, s->conf, from->endpoint->place, s->earlier);
    if (from->connection)
        from->connection->is_last |= m->is_last;
    misreply_end(m);
    send_reply(m);
}

/* ---- connections ---- */

static void close_connection(struct server *s, size_t index)
{
    struct connection *c = s->connections[index];
    close(c->fd);
    free(c->out);
    free(c);
    s->connections[index] = s->connections[--s->connection_cnt];
}

static void accept_connection(struct server *s, const struct endpoint *e)
{
    struct connection *c;
    int fd = accept4(e->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    c = s->connection_cnt < CONNECTIONS_MAX ? calloc(1, sizeof(*c)) : NULL;
    if (!c) {
        close(fd);
        return;
    }
    c->fd = fd;
    c->endpoint = e;
    c->end_ms = now_mono_ms() + CONNECTION_MS;
    s->connections[s->connection_cnt++] = c;
}

/* Read and answer queries.  False: the connection has ended. */
static bool answer_connection(struct server *s, struct connection *c)
{
    struct origin from = {.server = s, .endpoint = c->endpoint, .connection = c};
    ssize_t got = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
    if (got <= 0)
        return got < 0 && errno == EAGAIN;
    c->in_len += (size_t)got;
    while (c->in_len >= 2 && c->in_len >= 2U + util_get_u16(c->in)) {
        size_t len = util_get_u16(c->in);
        answer_query(&from, c->in + 2, len);
        c->in_len -= 2 + len;
        memmove(c->in, c->in + 2 + len, c->in_len);
    }
    return c->in_len < sizeof(c->in);
}

/* Send what is due.  False: the connection has ended. */
static bool write_connection(struct connection *c, uint64_t now)
{
    if (c->out_at < c->out_len && now >= c->next_ms) {
        size_t len = c->pace_ms ? 1 : c->out_len - c->out_at;
        ssize_t sent = send(c->fd, c->out + c->out_at, len, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN;
        c->out_at += (size_t)sent;
        c->next_ms = now + c->pace_ms;
    }
    if (c->out_at == c->out_len)
        c->out_at = c->out_len = 0;
    return !(c->is_last && c->out_len == 0);
}

/* ---- the loop ---- */

static void read_datagrams(struct server *s, const struct endpoint *e)
{
    uint8_t wire[QUERY_ROOM];
    struct origin from = {.server = s, .endpoint = e};
    for (int i = 0; i < BURST; i++) {
        socklen_t size = sizeof(from.peer.sock);
        ssize_t got = recvfrom(e->fd, wire, sizeof(wire), 0, &from.peer.sock.any, &size);
        if (got < 0)
            return;
        answer_query(&from, wire, (size_t)got);
    }
}

static void send_due_datagrams(struct server *s, uint64_t now)
{
    for (size_t i = 0; i < s->datagram_cnt;) {
        struct datagram *d = s->datagrams[i];
        if (d->at_ms > now) {
            i++;
            continue;
        }
        send_datagram(d->fd, &d->to, d->wire, d->len);
        free(d);
        s->datagrams[i] = s->datagrams[--s->datagram_cnt];
    }
}

/* Return the milliseconds until something is due, at most FENCE_MS. */
static uint64_t find_wait_ms(const struct server *s, uint64_t now)
{
    uint64_t next = now + FENCE_MS;
    for (size_t i = 0; i < s->datagram_cnt; i++)
        next = s->datagrams[i]->at_ms < next ? s->datagrams[i]->at_ms : next;
    for (size_t i = 0; i < s->connection_cnt; i++)
        if (s->connections[i]->next_ms > now && s->connections[i]->next_ms < next)
            next = s->connections[i]->next_ms;
    return next > now ? next - now : 0;
}

/* Wait for datagrams, connections and time, and serve them. */
static void serve_turn(struct server *s, struct pollfd *fds, const sigset_t *signals)
{
    uint64_t now = now_mono_ms(), wait = find_wait_ms(s, now);
    struct timespec timeout = {.tv_sec = (time_t)(wait / 1000),
                               .tv_nsec = (long)(wait % 1000) * 1000000};
    size_t cnt = 0, connection_cnt = s->connection_cnt;

    for (size_t i = 0; i < s->endpoint_cnt; i++)
        fds[cnt++] = (struct pollfd){.fd = s->endpoints[i].fd, .events = POLLIN};
    for (size_t i = 0; i < connection_cnt; i++) {
        const struct connection *c = s->connections[i];
        bool is_due = c->out_len && c->next_ms <= now;
        fds[cnt++] =
            (struct pollfd){.fd = c->fd, .events = (short)(is_due ? POLLIN | POLLOUT : POLLIN)};
    }
    if (ppoll(fds, cnt, &timeout, signals) < 0)
        return; /* a signal */
    now = now_mono_ms();
    for (size_t i = connection_cnt; i-- > 0;) { /* backwards: a closed one leaves the end */
        struct connection *c = s->connections[i];
        bool is_open = now < c->end_ms;
        if (is_open && (fds[s->endpoint_cnt + i].revents & ~POLLOUT))
            is_open = answer_connection(s, c);
        if (!is_open || !write_connection(c, now))
            close_connection(s, i);
    }
    for (size_t i = 0; i < s->endpoint_cnt; i++) {
        if (!(fds[i].revents & POLLIN))
            continue;
        if (s->endpoints[i].is_tcp)
            accept_connection(s, &s->endpoints[i]);
        else
            read_datagrams(s, &s->endpoints[i]);
    }
    send_due_datagrams(s, now);
}

/* ---- start and end ---- */

/* Open the socket of a host.  False: the reason is on stderr. */
static bool open_endpoint(struct server *s, size_t place, unsigned host, bool is_tcp)
{
    const int on = 1, room = 1 << 20;
    char text[ADDR_TEXT_MAX];
    struct addr addr;

    misreply_address(&s->conf->places, place, host, &addr);
    int fd = socket(addr.sock.any.sa_family,
                    (is_tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool works = fd >= 0;
    if (works && is_tcp)
        works = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0;
    else if (works)
        works = setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) == 0;
    works = works && bind(fd, &addr.sock.any, addr_len(&addr)) == 0 &&
            (!is_tcp || listen(fd, CONNECTIONS_MAX) == 0);
    if (!works) {
        addr_print(&addr, text);
        fprintf(stderr, "mischief: cannot listen on %s: %s\n", text, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    s->endpoints[s->endpoint_cnt++] =
        (struct endpoint){.fd = fd, .is_tcp = is_tcp, .host = host, .place = place};
    return true;
}

static bool open_endpoints(struct server *s)
{
    const struct misreply_places *places = &s->conf->places;
    for (size_t place = 0; place < places->cnt; place++) {
        unsigned hosts = mischief_zone_is_spread(places, place) ? mischief_zone_hosts() : 1;
        for (unsigned host = 0; host < hosts; host++) {
            bool is_kind = host > 0 && host + 1 < hosts;
            bool has_tcp = !is_kind || !(mischief_kinds[host - 1].flags & MISCHIEF_NO_TCP);
            if (!open_endpoint(s, place, host, false) ||
                (has_tcp && !open_endpoint(s, place, host, true)))
                return false;
        }
    }
    return true;
}

/* True if the laboratory is still closed, as far as it has to be. */
static bool is_fence_whole(struct server *s)
{
    struct fault fault;

    if (!s->conf->is_fenced || now_mono_ms() < s->fence_ms)
        return true;
    s->fence_ms = now_mono_ms() + FENCE_MS;
    if (fence_check(&fault) == ERR_OK)
        return true;
    fprintf(stderr, "mischief: outside of a laboratory: %s\n", fault.text);
    return false;
}

static void close_sockets(struct server *s)
{
    while (s->connection_cnt)
        close_connection(s, 0);
    while (s->datagram_cnt)
        free(s->datagrams[--s->datagram_cnt]);
    while (s->endpoint_cnt)
        close(s->endpoints[--s->endpoint_cnt].fd);
}

/* Give SIGTERM and SIGINT their handler; they arrive only while `signals` is the mask. */
static void catch_signals(sigset_t *signals)
{
    struct sigaction action = {.sa_handler = note_end_signal};
    sigset_t ends;

    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigprocmask(SIG_BLOCK, &ends, signals);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

int mischief_serve(const struct mischief_conf *conf)
{
    static struct server server;
    size_t most = conf->places.cnt * mischief_zone_hosts() * 2;
    struct pollfd *fds = calloc(most + CONNECTIONS_MAX, sizeof(*fds));
    struct rlimit files;
    sigset_t signals;
    int status = 1;

    server = (struct server){.conf = conf};
    server.endpoints = calloc(most, sizeof(*server.endpoints));
    server.earlier = calloc(mischief_kind_cnt, sizeof(*server.earlier));
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max; /* a socket or two per kind */
        setrlimit(RLIMIT_NOFILE, &files);
    }
    catch_signals(&signals);
    if (!fds || !server.endpoints || !server.earlier)
        fprintf(stderr, "mischief: no memory\n");
    else if (!is_fence_whole(&server))
        status = 2;
    else if (open_endpoints(&server)) {
        printf("ready: %zu kinds\n", mischief_kind_cnt);
        fflush(stdout);
        status = 0;
        while (!must_end && status == 0) {
            serve_turn(&server, fds, &signals);
            if (!is_fence_whole(&server))
                status = 2;
        }
    }
    close_sockets(&server);
    free(server.earlier);
    free(server.endpoints);
    free(fds);
    return status;
}
