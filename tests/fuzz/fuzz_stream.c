/* A TCP connection, sent in pieces: framing, pipelining, incomplete messages.  The output must
 * be whole frames with valid messages, at most one for each whole frame of the input.
 *
 * Input: the first octet is the size of the pieces, the rest the stream. */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "authd/answer/auth_serve.h"
#include "authd/load/zonefile.h"
#include "authd/zone/zoneset.h"
#include "base/hash.h"
#include "base/publish.h"
#include "net/transport/front_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STREAM_MAX = 4096, ANSWERS_MAX = 1 << 20, TURNS_MAX = 10000 };

static uv_loop_t loop;
static struct front_stream *front;
static struct idle_queue *idle_queue;
static struct sockaddr_in address;
static struct publish published;
static struct cookie_keys cookies;
static struct exchange_settings settings = {.identity = "fuzz",
                                            .hostname = "host",
                                            .version = "v",
                                            .udp_size = 1232,
                                            .cookies = &cookies};

static const char zone_text[] =
    "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n*.w A 192.0.2.2\n"
    "$GENERATE 1-99 g TXT \"$ text text text text\"\n";

static void free_set(void *data)
{
    struct zoneset *set = data;
    zoneset_free(&set);
}

static void set_up(void)
{
    static const uint8_t secret[1][COOKIE_SECRET_LEN] = {"secret of a test"};
    static const uint8_t origin[] = "\1a";
    struct conn_limit_conf limits = {.connections = 100,
                                     .connections_per_client = 100,
                                     .idle_ms = 600000,
                                     .memory = 1 << 26};
    struct zoneset *set;
    struct zone *zone = NULL;
    struct diag diag;
    socklen_t len = sizeof(address);

    hash_init();
    diag_init(&diag);
    must(zonefile_parse(origin, "z", zone_text, strlen(zone_text), NULL, &diag, &zone) ==
         ERR_OK);
    diag_fini(&diag);
    must(zoneset_new(1, &set) == ERR_OK);
    zoneset_put(set, zone);
    publish_init(&published, 1);
    must(publish_put(&published, set, free_set) == ERR_OK);
    cookie_set(&cookies, secret, 1);
    must(conn_limit_new(&limits, 1, &settings.conn_limit) == ERR_OK);
    void *engine = auth_serve_new(&published, 0);
    auth_serve_service.turn(engine);
    uv_loop_init(&loop);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    address =
        (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    must(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    must(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    must(idle_queue_new(&loop, &idle_queue) == ERR_OK);
    struct front_parts parts = {.loop = &loop,
                                .settings = &settings,
                                .service = &auth_serve_service,
                                .engine = engine,
                                .idle_queue = idle_queue};
    must(front_stream_new(&parts, fd, EXCHANGE_STACK_DNS, &front) == ERR_OK);
}

/* Read what the server has sent.  Return true if it has closed the connection. */
static bool receive_answers(int fd, uint8_t *answers, size_t *len)
{
    for (;;) {
        must(*len < ANSWERS_MAX);
        ssize_t got = recv(fd, answers + *len, ANSWERS_MAX - *len, MSG_DONTWAIT);
        if (got <= 0)
            return got == 0;
        *len += (size_t)got;
    }
}

static size_t count_frames(const uint8_t *stream, size_t len, bool are_answers)
{
    size_t cnt = 0, at = 0;
    for (; at + 2 <= len && at + 2 + util_get_u16(stream + at) <= len;
         at += 2U + util_get_u16(stream + at)) {
        struct message m;
        if (are_answers)
            must(message_parse(stream + at + 2, util_get_u16(stream + at), &m) ==
                     MESSAGE_WHOLE &&
                 (m.flags & MESSAGE_QR));
        cnt++;
    }
    must(!are_answers || at == len);
    return cnt;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t answers[ANSWERS_MAX];
    struct linger reset = {.l_onoff = 1}; /* avoid a socket in TIME_WAIT per input */
    size_t len = 0;

    if (!front)
        set_up();
    if (size < 2 || size > STREAM_MAX)
        return 0;
    size_t piece = data[0] ? data[0] : size;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    must(fd >= 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        must(errno == EADDRNOTAVAIL); /* all ports are in TIME_WAIT: skip this input */
        close(fd);
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    for (size_t at = 1; at < size; at += piece) {
        if (send(fd, data + at, util_min(piece, size - at), MSG_NOSIGNAL) < 0)
            break; /* the server has closed */
        uv_run(&loop, UV_RUN_NOWAIT);
        (void)receive_answers(fd, answers, &len);
    }
    shutdown(fd, SHUT_WR); /* the server answers what it has, and closes */
    for (int i = 0; i < TURNS_MAX && !receive_answers(fd, answers, &len); i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        must(i + 1 < TURNS_MAX);
    }
    close(fd);
    uv_run(&loop, UV_RUN_NOWAIT);
    must(count_frames(answers, len, true) <= count_frames(data + 1, size - 1, false));
    return 0;
}
