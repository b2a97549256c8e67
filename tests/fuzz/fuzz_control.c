/* Requests on the control socket, and explanations of arbitrary replies from servers.
 *
 * Input: lines for the socket, a zero octet, then replies as in fuzz_reply: two octets of
 * length and the message from its flags on. */
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/now.h"
#include "dns/dname_text.h"
#include "net/upstream/ports.h"
#include "resolver/res_control.h"
#include "tests/scenario/stage.h"

enum { WIRE_MAX = 65535, REPLIES_MAX = 40, ROUNDS_MAX = 500, TURNS = 40, DAY_MS = 86400000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct stage stage;
static struct res_control worker;
static struct control *control;
static struct job_box home;
static uv_loop_t loop;
static char path[CONTROL_PATH_MAX];
static unsigned tree_cnt;

static void ring(void *bell) { (void)bell; }

/* The commands of workers, run by the main thread; without "explain", which does not finish at
 * once. */
static struct control_command commands[8];

static void set_commands(void)
{
    size_t cnt = 0;
    for (const struct control_command *c = res_control_commands; c->name; c++)
        if (strcmp(c->name, "explain") != 0)
            commands[cnt++] = (struct control_command){.name = c->name, .begin = c->run};
    must(cnt < ARRAY_LEN(commands));
}

static void open_all(void)
{
    struct quota_limits limits = {.per_zone = 200, .per_server = 400};
    struct control_parts parts = {.loop = &loop,
                                  .home = &home,
                                  .settings = &stage.settings,
                                  .commands = {commands, NULL},
                                  .data = &worker};
    struct fault fault;

    signal(SIGPIPE, SIG_IGN); /* as in the daemons: the client may have closed the connection */
    set_commands();
    hash_init();
    stage_init(&stage, &limits);
    stage_hint(&stage, "192.0.2.1");
    stage_open(&stage, 7);
    struct ports *ports;
    must(ports_new(&(struct ports_terms){0}, &ports) == ERR_OK);
    worker = (struct res_control){.ports = ports,
                                  .tunnel = stage.tunnel,
                                  .serve = stage.serve,
                                  .explain = res_explain_new(stage.serve)};
    must(worker.explain);
    uv_loop_init(&loop);
    job_box_init(&home, ring, NULL);
    snprintf(path, sizeof(path), "/tmp/fuzz-control-%d.sock", (int)getpid());
    int fd = -1;
    must(control_bind(path, "", &fd, &fault) == ERR_OK &&
         control_open(&parts, path, fd, &control) == ERR_OK);
}

static void run_loop(void)
{
    for (int i = 0; i < TURNS; i++) {
        uv_run(&loop, UV_RUN_NOWAIT);
        job_run_all(&home, NULL);
    }
}

static void send_lines(const uint8_t *data, size_t len)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    strcpy(at.sun_path, path);
    must(fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
    uv_run(&loop, UV_RUN_NOWAIT);
    for (size_t pos = 0; pos < len;) {
        ssize_t sent = send(fd, data + pos, len - pos, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent <= 0)
            break; /* the server closed the connection, or stopped reading until it has answered
                    */
        pos += (size_t)sent;
        run_loop();
    }
    close(fd);
    run_loop();
}

/* Deliver the next reply of the input to the oldest query. */
static void deliver_next(struct cursor *c)
{
    static uint8_t wire[WIRE_MAX];
    const struct out_ask *ask = stage.pending[0];
    size_t len = util_min(cursor_u16(c), cursor_left(c)), question = ask->match.question_len;
    size_t header = util_min(len, MESSAGE_HEADER_LEN - 2);
    const uint8_t *bytes = cursor_bytes(c, len);
    struct addr from = ask->match.to;

    if (!bytes || len + 2 + question > WIRE_MAX)
        return;
    memcpy(wire, ask->wire, 2);
    memcpy(wire + 2, bytes, header);
    memcpy(wire + 2 + header, ask->wire + MESSAGE_HEADER_LEN, question);
    memcpy(wire + 2 + header + question, bytes + header, len - header);
    stage_deliver(&stage, 0, &from, wire, 2 + len + question);
}

static void on_tree(void *data, struct json *tree, const struct cause *cause)
{
    (void)data;
    must(tree && cause && *cause->text && strlen(cause->text) < CAUSE_TEXT_MAX);
    char *text = json_write(tree, false);
    must(text);
    free(text);
    json_free(&tree);
    tree_cnt++;
}

static void explain(const uint8_t *replies, size_t len)
{
    static const uint8_t name[] = "\3www\6victim\7example";
    struct cursor c = cursor_over(replies, len);
    struct res_explain_ask ask = {.settings = &stage.settings,
                                  .name = name,
                                  .type = len > 0 && replies[0] & 0x40 ? RRTYPE_MX : RRTYPE_A,
                                  .is_fresh = len > 1 && replies[1] & 1,
                                  .has_packets = len > 2 && replies[2] & 1,
                                  .done = on_tree};

    must(addr_read("127.0.0.1", 53, &ask.client) == ERR_OK);
    tree_cnt = 0;
    must(res_explain_begin(worker.explain, &ask) == ERR_OK);
    for (int i = 0; i < REPLIES_MAX && cursor_more(&c) && stage.pending_cnt > 0; i++)
        deliver_next(&c);
    for (int i = 0; i < ROUNDS_MAX && stage.pending_cnt > 0; i++)
        stage_time_out(&stage);
    must(tree_cnt == 1 && stage.pending_cnt == 0 && stage.engine->task_cnt == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = size ? memchr(data, 0, size) : NULL;
    size_t lines = end ? (size_t)(end - data) : size;

    if (!stage.engine)
        open_all();
    if (end)
        explain(end + 1, size - lines - 1);
    send_lines(data, lines);
    now_advance(3 * (uint64_t)DAY_MS);
    return 0;
}
