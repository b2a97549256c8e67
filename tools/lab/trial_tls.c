/* A client over TLS (RFC 7858), one query per connection. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "dns/query.h"
#include "net/transport/tls.h"
#include "tools/lab/trial.h"

enum { TLS_PORT = 853, TLS_WAIT_S = 5, SEALED_MAX = 16384, TLS_REPLY_MAX = 4096 };

/* Lifetime: the query. */
struct tls_asking {
    int fd;
    struct tls *tls;
    struct buffer out; /* to be sent */
    uint8_t reply[TLS_REPLY_MAX];
    size_t reply_len;
};

static bool send_sealed(struct tls_asking *a)
{
    bool is_sent = a->out.len == 0 ||
                   send(a->fd, a->out.at, a->out.len, MSG_NOSIGNAL) == (ssize_t)a->out.len;
    buffer_remove(&a->out, a->out.len);
    return is_sent;
}

static bool take_plain(struct tls_sink *sink, size_t len)
{
    struct tls_asking *a = sink->data;

    len = util_min(len, sizeof(a->reply) - a->reply_len);
    memcpy(a->reply + a->reply_len, sink->plain, len);
    a->reply_len += len;
    return send_sealed(a);
}

/* Read octets and open them; with `is_first` begin the handshake instead. */
static bool pump_tls(struct tls_asking *a, bool is_first)
{
    uint8_t sealed[SEALED_MAX], plain[SEALED_MAX];
    struct tls_sink sink = {
        .plain = plain, .size = sizeof(plain), .out = &a->out, .opened = take_plain, .data = a};
    ssize_t len = is_first ? 0 : recv(a->fd, sealed, sizeof(sealed), 0);

    return len >= 0 && (is_first || len > 0) &&
           tls_pump(a->tls, is_first ? NULL : sealed, (size_t)len, &sink) && send_sealed(a) &&
           tls_state(a->tls) <= TLS_OPEN;
}

static bool exchange_messages(struct tls_asking *a, const uint8_t *query, size_t len)
{
    uint8_t framed[QUERY_MAX + 2];

    if (!pump_tls(a, true))
        return false;
    while (tls_state(a->tls) == TLS_OPENING)
        if (!pump_tls(a, false))
            return false;
    util_put_u16(framed, (uint16_t)len);
    memcpy(framed + 2, query, len);
    if (!tls_write(a->tls, framed, len + 2, &a->out) || !send_sealed(a))
        return false;
    while (a->reply_len < 2 || a->reply_len < 2 + (size_t)util_get_u16(a->reply))
        if (!pump_tls(a, false))
            return false;
    return true;
}

static int connect_tls(const struct trial *t, const char *host)
{
    const struct addr any = trial_addr(host, 0), resolver = trial_addr("resolver", TLS_PORT);
    const struct timeval wait = {.tv_sec = TLS_WAIT_S};
    trial_check_fence(t->space);
    int fd = space_socket(t->space, topology_find(host), AF_INET, SOCK_STREAM, 0);

    if (fd < 0 || bind(fd, &any.sock.any, addr_len(&any)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) != 0 ||
        connect(fd, &resolver.sock.any, addr_len(&resolver)) != 0)
        trial_fail("cannot connect to the resolver over TLS: %s", strerror(errno));
    return fd;
}

struct trial_reply trial_tls_ask(const struct trial *t, const char *host, const char *name,
                                 uint16_t type)
{
    static struct tls_asking a;
    uint8_t qname[DNAME_MAX], wire[QUERY_MAX];
    char ca[SITE_PATH_MAX];
    struct fault fault;
    struct tls_client *client;

    site_path(t->site, topology_find("resolver"), "tls/ca.pem", ca);
    const struct tls_client_terms terms = {.name = "resolver.lab", .ca_file = ca};
    if (tls_client_get(&terms, &client, &fault) != ERR_OK)
        trial_fail("%s: %s", ca, fault.text);
    memset(&a, 0, sizeof(a));
    trial_name(name, qname);
    const struct query query = {.id = 1,
                                .flags = MESSAGE_RD,
                                .name = qname,
                                .type = type,
                                .has_edns = true,
                                .udp_size = 1232,
                                .is_padded = true};
    size_t len = query_write(&query, wire);
    a.fd = connect_tls(t, host);
    if (tls_connect(client, &a.tls) != ERR_OK)
        trial_fail("no memory");
    bool has_come = exchange_messages(&a, wire, len);
    tls_free(&a.tls);
    buffer_fini(&a.out);
    close(a.fd);
    return trial_read_reply(a.reply + 2, has_come ? a.reply_len - 2 : 0);
}
