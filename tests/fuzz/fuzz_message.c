/* A query is parsed, walked and answered over UDP and TCP.  Each response must be a valid
 * message that fits the transport. */
#include <ctype.h>

#include "authd/answer/auth_serve.h"
#include "authd/load/zonefile.h"
#include "authd/zone/zoneset.h"
#include "base/hash.h"
#include "base/publish.h"
#include "dns/dname_text.h"
#include "dns/owners.h"
#include "net/request/intake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct publish published;
static void *engine;
static struct cookie_keys cookies;
static struct exchange_settings settings = {.identity = "fuzz",
                                            .hostname = "host",
                                            .version = "v",
                                            .udp_size = 1232,
                                            .is_rotating = true,
                                            .cookies = &cookies};

static const char zone_text[] =
    "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\n@ MX 1 mail.w\nns A 192.0.2.1\nns AAAA ::1\n"
    "c CNAME d\nd CNAME c\n*.w A 192.0.2.2\n*.w TXT t\nn DNAME t\nx.t A 192.0.2.3\n"
    "s NS ns.s\ns NS ns.s2\ns DS 1 13 2 aa\nns.s A 192.0.2.4\ns2 NS ns.s2\nns.s2 AAAA ::2\n"
    "a.b.e SRV 1 2 3 ns\no CNAME x.b\n$GENERATE 1-99 g TXT \"$ text text text text\"\n";
static const char other_text[] =
    "$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\nx HTTPS 1 ns\n";

static void free_set(void *data)
{
    struct zoneset *set = data;
    zoneset_free(&set);
}

static void ignore_response(struct exchange *ex) { (void)ex; }

static void add_zone(struct zoneset *set, const char *name, const char *text)
{
    static const uint8_t root[] = {0};
    uint8_t origin[DNAME_MAX];
    size_t len;
    struct zone *zone = NULL;
    struct diag diag;
    diag_init(&diag);
    must(dname_text_read(name, strlen(name), root, origin, &len, NULL, NULL) == ERR_OK);
    must(zonefile_parse(origin, "z", text, strlen(text), NULL, &diag, &zone) == ERR_OK);
    diag_fini(&diag);
    zoneset_put(set, zone);
}

/* Return a zone with names k400 to k489 whose TXT records have that many octets, so that some
 * responses just fit 512 octets and some just do not. */
static char *make_sized_zone(void)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    fputs("$TTL 60\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n", out);
    for (int octets = 400; octets < 490; octets++)
        fprintf(out, "k%d TXT %0240d %0*d\n", octets, 0, octets - 240, 0);
    fclose(out);
    return text;
}

static void set_up(void)
{
    struct zoneset *set;
    char *sized = make_sized_zone();
    hash_init();
    must(zoneset_new(3, &set) == ERR_OK);
    add_zone(set, "a.", zone_text);
    add_zone(set, "b.", other_text);
    add_zone(set, "c.", sized);
    free(sized);
    publish_init(&published, 1);
    must(publish_put(&published, set, free_set) == ERR_OK);
    static const uint8_t secret[1][COOKIE_SECRET_LEN] = {"secret of a test"};
    struct conn_limit_conf limits = {.connections = 1, .idle_ms = 10000};
    cookie_set(&cookies, secret, 1);
    must(conn_limit_new(&limits, 1, &settings.conn_limit) == ERR_OK);
    engine = auth_serve_new(&published, 0);
    auth_serve_service.turn(engine);
}

static void serve(const uint8_t *wire, size_t len, enum exchange_transport transport)
{
    static struct exchange ex;
    static uint8_t buffer[MESSAGE_MAX];
    struct exchange *one = &ex;
    struct message reply;

    ex.settings = &settings;
    ex.transport = transport;
    ex.buffer = buffer;
    ex.size = sizeof(buffer);
    ex.send = ignore_response;
    ex.turn++;
    intake_batch(&auth_serve_service, engine, &one, &wire, &len, 1);
    if (ex.reply_len == 0)
        return;
    must(message_parse(buffer, ex.reply_len, &reply) == MESSAGE_WHOLE);
    must(reply.flags & MESSAGE_QR);
    must(len >= MESSAGE_HEADER_LEN && !(wire[2] & 0x80));
    size_t asked = reply.has_edns ? util_max(ex.query.edns.udp_size, 512) : 512;
    must(transport == EXCHANGE_TCP || ex.reply_len <= util_min(asked, settings.udp_size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message m;
    struct message_record record;

    if (!engine)
        set_up();
    if (size > MESSAGE_MAX)
        return 0;
    if (message_parse(data, size, &m) == MESSAGE_WHOLE) {
        static struct owners owners;
        struct cursor numbered = cursor_over(m.wire, m.len);
        struct message_walk walk = message_walk(&m);
        size_t cnt = 0, walk_end = 0;
        owners_start(&owners, m.wire, m.len);
        while (message_next(&walk, &record)) {
            char text[DNAME_TEXT_MAX];
            uint8_t owner[DNAME_MAX];
            uint16_t number;
            dname_text_print(record.owner, text);
            numbered.pos = cnt++ == 0 ? m.records_at : walk_end;
            enum err err = owners_read(&owners, &numbered, &number);
            must(!err || err == ERR_LIMIT);
            if (err)
                break;
            owners_write(&owners, number, owner);
            must(dname_is_equal(owner, record.owner));
            walk_end = walk.c.pos;
            (void)!rdata_check(record.type, record.rdata, record.rdata_len);
        }
    }
    serve(data, size, EXCHANGE_UDP);
    serve(data, size, EXCHANGE_TCP);
    return 0;
}
