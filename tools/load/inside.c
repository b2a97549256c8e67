/* authd-inside: answer queries without sockets, to measure an answer alone.
 *
 *   authd-inside ZONE FILE QUERIES ROUNDS
 *
 * QUERIES is a file in the format of dns-blast.  It prints nanoseconds and octets per answer;
 * run it under callgrind or perf. */
#include <time.h>

#include "authd/answer/auth_serve.h"
#include "authd/load/zonefile.h"
#include "authd/zone/zoneset.h"
#include "base/hash.h"
#include "base/publish.h"
#include "dns/dname_text.h"
#include "net/request/intake.h"

enum { OUT_MAX = 4096 };

static struct exchange exchanges[INTAKE_BATCH_MAX];
static uint8_t buffers[INTAKE_BATCH_MAX][OUT_MAX];

static void ignore_reply(struct exchange *ex) { (void)ex; }

static void free_single_zone_set(void *data)
{
    struct zoneset *set = data;
    zoneset_free(&set);
}

static double inside_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct zoneset *load_single_zone(const char *name, const char *path)
{
    static const uint8_t root[] = {0};
    uint8_t origin[DNAME_MAX];
    size_t len;
    struct zone *zone = NULL;
    struct zoneset *set;
    struct diag diag;

    diag_init(&diag);
    if (dname_text_read(name, strlen(name), root, origin, &len, NULL, NULL) != ERR_OK ||
        zonefile_load(origin, path, NULL, &diag, &zone) != ERR_OK ||
        zoneset_new(1, &set) != ERR_OK) {
        diag_print(&diag, stderr, false);
        exit(1);
    }
    diag_fini(&diag);
    zoneset_put(set, zone);
    return set;
}

int main(int argc, char **argv)
{
    static struct publish published;
    static struct cookie_keys cookies;
    static const uint8_t secret[1][COOKIE_SECRET_LEN] = {"secret of a test"};
    static struct exchange_settings settings = {
        .identity = "", .hostname = "", .version = "", .udp_size = 1232, .cookies = &cookies};
    struct conn_limit_conf limits = {.connections = 1, .idle_ms = 10000};
    struct exchange *batch[INTAKE_BATCH_MAX];
    const uint8_t *wire[INTAKE_BATCH_MAX];
    size_t len[INTAKE_BATCH_MAX], size, answers = 0, octets = 0;
    char *bytes;

    if (argc != 5) {
        fprintf(stderr, "usage: authd-inside ZONE FILE QUERIES ROUNDS\n");
        return 2;
    }
    hash_init();
    cookie_set(&cookies, secret, 1);
    publish_init(&published, 1);
    if (file_read(argv[3], INT32_MAX, &bytes, &size, NULL) != ERR_OK ||
        conn_limit_new(&limits, 1, &settings.conn_limit) != ERR_OK ||
        publish_put(&published, load_single_zone(argv[1], argv[2]), free_single_zone_set) !=
            ERR_OK)
        return 1;
    void *engine = auth_serve_new(&published, 0);
    auth_serve_service.turn(engine);
    for (size_t i = 0; i < INTAKE_BATCH_MAX; i++) {
        exchanges[i] = (struct exchange){
            .settings = &settings, .buffer = buffers[i], .size = OUT_MAX, .send = ignore_reply};
        batch[i] = &exchanges[i];
    }
    double start = inside_seconds();
    for (int round = atoi(argv[4]); round > 0; round--)
        for (size_t at = 0; at + 2 < size;) {
            size_t cnt = 0;
            for (; cnt < INTAKE_BATCH_MAX && at + 2 < size; cnt++) {
                len[cnt] = util_get_u16((const uint8_t *)bytes + at);
                wire[cnt] = (const uint8_t *)bytes + at + 2;
                at += 2 + len[cnt];
            }
            intake_batch(&auth_serve_service, engine, batch, wire, len, cnt);
            answers += cnt;
            for (size_t i = 0; i < cnt; i++)
                octets += exchanges[i].reply_len;
        }
    printf("%zu answers, %.0f ns and %.0f octets each\n", answers,
           (inside_seconds() - start) * 1e9 / (double)answers,
           (double)octets / (double)answers);
    auth_serve_free(engine);
    publish_fini(&published);
    conn_limit_free(&settings.conn_limit);
    free(bytes);
    return 0;
}
