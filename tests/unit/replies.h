/* Replies from text for unit tests of scrub.  Each test program includes it once. */
#pragma once

#include "tests/unit/records.h"
#include "tests/unit/unit.h"

#include "base/hash.h"
#include "resolver/iterate/scrub.h"

#pragma GCC diagnostic ignored "-Wunused-function"

static const uint8_t root[] = {0};
static struct scrub_room *room;
static struct arena arena;
static struct rrline line;

/* ---- a reply ---- */

static struct {
    uint8_t wire[MESSAGE_MAX];
    size_t len;
    uint16_t cnt[4];
} reply;

static uint8_t zone[DNAME_MAX], name[DNAME_MAX];
static struct scrub_asked asked;
static bool follows; /* the result of may_follow */

static bool may_follow(void *data, const uint8_t *target)
{
    (void)data;
    (void)target;
    return follows;
}

/* Begin a reply to a query for `name_text`, sent to a server of `zone_text`. */
static void begin(const char *zone_text, const char *name_text, uint16_t type)
{
    reply.len = MESSAGE_HEADER_LEN;
    memset(reply.wire, 0, reply.len);
    util_put_u16(reply.wire + 2, MESSAGE_QR | MESSAGE_AA);
    memset(reply.cnt, 0, sizeof(reply.cnt));
    reply.cnt[MESSAGE_QUESTION] = 1;
    size_t len = dname_len(unit_name(name_text, name));
    memcpy(reply.wire + reply.len, name, len);
    util_put_u16(reply.wire + reply.len + len, type);
    util_put_u16(reply.wire + reply.len + len + 2, RRTYPE_CLASS_IN);
    reply.len += len + 4;
    asked = (struct scrub_asked){.zone = unit_name(zone_text, zone),
                                 .name = name,
                                 .type = type,
                                 .port = 5300,
                                 .checks_bailiwick = true,
                                 .checks_sections = true,
                                 .rrset_records_max = 100,
                                 .rrset_bytes_max = 10000,
                                 .may_follow = may_follow};
    follows = true;
}

/* Append a record as octets. */
static void add_octets(enum message_section section, const uint8_t *owner, uint16_t type,
                       uint32_t ttl, const void *rdata, size_t rdata_len)
{
    size_t len = dname_len(owner);
    uint8_t *p = reply.wire + reply.len;

    assert_true(reply.len + len + 10 + rdata_len <= sizeof(reply.wire));
    memcpy(p, owner, len);
    util_put_u16(p + len, type);
    util_put_u16(p + len + 2, RRTYPE_CLASS_IN);
    util_put_u32(p + len + 4, ttl);
    util_put_u16(p + len + 8, (uint16_t)rdata_len);
    memcpy(p + len + 10, rdata, rdata_len);
    reply.len += len + 10 + rdata_len;
    reply.cnt[section]++;
}

static void add(enum message_section section, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void add(enum message_section section, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    records_read(&line, fmt, args);
    va_end(args);
    add_octets(section, line.owner, line.type, line.ttl, line.rdata, line.rdata_len);
}

/* Scrub the reply. *out stays valid until the next call. */
static enum err scrub(const struct scrub **out)
{
    static struct message message;

    for (int i = 0; i < 4; i++)
        util_put_u16(reply.wire + 4 + 2 * i, reply.cnt[i]);
    assert_int_equal(message_parse(reply.wire, reply.len, &message), MESSAGE_WHOLE);
    arena_reset(&arena);
    return scrub_reply(&message, &asked, room, &arena, out);
}

static const struct scrub *scrub_well(void)
{
    const struct scrub *s;
    assert_int_equal(scrub(&s), ERR_OK);
    for (size_t i = 0; i < s->record_cnt;
         i++) /* each record was used or has a reason for its omission */
        assert_int_equal(s->records[i].is_used,
                         scrub_omission(s, &s->records[i]) == SCRUB_TAKEN);
    return s;
}

static void expect_name(const uint8_t *is, const char *text)
{
    uint8_t want[DNAME_MAX];
    assert_non_null(is);
    assert_true(dname_is_equal(is, unit_name(text, want)));
}

/* Assert the owner and the type of a link of the chain. */
static void expect_link(const struct scrub *s, unsigned number, const char *owner,
                        uint16_t type)
{
    assert_true(number < s->chain_cnt);
    expect_name(s->chain[number].owner, owner);
    assert_int_equal(s->chain[number].set->type, type);
}

static int set_up(void **state)
{
    (void)state;
    hash_init();
    arena_init(&arena, 0);
    room = scrub_new_room();
    return room ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    arena_fini(&arena);
    scrub_free_room(&room);
    return room ? -1 : 0;
}
