/* Automatic updates of trust anchors: the states and timers of RFC 5011, and their file.  The
 * zone example. has the keys A to D, which may sign keys, and Z, which may not. */
#include "signed.h"

#include <ctype.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dns/rdata_text.h"
#include "resolver/validate/rollover_file.h"

enum { DAY = 86400, HOUR = 3600, LETTERS = 5 };

static struct arena arena;
static struct signed_key keys[LETTERS], revoked_keys[LETTERS];

/* The resolver, and how the zone's replies look.  Lifetime: one test. */
static struct {
    struct rollover *r;
    struct rollover_zone *zone;
    int64_t now_s;
    uint32_t ttl, expires_s;
    bool is_wrong, skips_time;
    struct verdict verdict;
    struct rollover_changes changes;
} world;

static int start(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    for (int i = 0; i < LETTERS; i++) {
        keys[i] = signed_make_key(DNSKEY_ED25519, DNSKEY_ZONE | (i < 4 ? DNSKEY_ENTRY : 0));
        revoked_keys[i] = keys[i];
        signed_set_flags(&revoked_keys[i],
                         (uint16_t)(util_get_u16(keys[i].rdata) | DNSKEY_REVOKE));
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    for (int i = 0; i < LETTERS; i++)
        signed_free_key(&keys[i]);
    arena_fini(&arena);
    return 0;
}

/* "A" is the key, "a" its revoked form. */
static const struct signed_key *get_key(char letter)
{
    int upper = toupper((unsigned char)letter);
    int index = upper == 'Z' ? LETTERS - 1 : upper - 'A';
    return upper == letter ? &keys[index] : &revoked_keys[index];
}

static char *print_ds_of(const char *letters, char *at)
{
    *at++ = '\0';
    for (; *letters; letters++)
        at = signed_print_ds(at, "example.", get_key(*letters), 2, false);
    return at;
}

static struct rollover *make_rollover(const char *text)
{
    struct anchor_set configured = {.cnt = 0};
    struct rollover *r = NULL;
    struct diag diag;

    diag_init(&diag);
    assert_int_equal(anchor_read(&configured, "x", text, strlen(text), &diag), ERR_OK);
    assert_int_equal(rollover_new(&configured, &r), ERR_OK);
    anchor_fini(&configured);
    diag_fini(&diag);
    return r;
}

/* Configure the DS of these keys. */
static void open_world(const char *letters)
{
    char text[1000];

    arena_reset(&arena);
    rollover_free(&world.r);
    memset(&world, 0, sizeof(world));
    print_ds_of(letters, text);
    world.r = make_rollover(text + 1);
    world.zone = &world.r->zones[0];
    world.now_s = SIGNED_NOW;
    world.ttl = DAY;
    world.expires_s = 10 * DAY;
}

static void close_world(void) { rollover_free(&world.r); }

static void take(const struct rrset *set)
{
    struct rules rules = rules_defaults((uint32_t)world.now_s);
    struct rules_work work = rules_work_defaults();
    struct rollover_reply reply = {.keys = set, .rules = &rules, .now_s = world.now_s};

    rules.skips_time = world.skips_time;
    world.verdict = rollover_take(world.r, world.zone, &reply, &work, &arena, &world.changes);
}

/* Receive a DNSKEY RRset of these keys, signed by those. */
static void reply(const char *published, const char *signers)
{
    const struct signed_key *all[LETTERS * 2];
    size_t cnt = strlen(published);

    for (size_t i = 0; i < cnt; i++)
        all[i] = get_key(published[i]);
    struct signed_set *set = signed_keys(&arena, "example.", all, cnt);
    set->set->ttl = world.ttl;
    for (; *signers; signers++) {
        struct signed_as as = {.signer = "example.",
                               .inception = (uint32_t)world.now_s - HOUR,
                               .expiration = (uint32_t)world.now_s + world.expires_s,
                               .is_wrong = world.is_wrong};
        signed_sign(&arena, set, get_key(*signers), &as);
    }
    take(set->set);
}

/* The same some days later. */
static void reply_after(int days, const char *published, const char *signers)
{
    world.now_s += (int64_t)days * DAY;
    reply(published, signers);
}

/* Expect these states, "A valid B pending", in the order of the letters. */
#define assert_states(expected) assert_states_at(expected, __LINE__)

static void assert_states_at(const char *expected, int line)
{
    char text[300] = "", *at = text;

    for (const char *letter = "ABCDZ"; *letter; letter++) {
        const struct signed_key *key = get_key(*letter);
        const struct rollover_key *found =
            rollover_find_key(world.zone, key->rdata, key->rdata_len);
        if (found)
            at += sprintf(at, "%s%c %s", at > text ? " " : "", *letter,
                          rollover_state_name(found->state));
    }
    if (strcmp(text, expected) != 0)
        fail_msg("line %d: %s, expected %s", line, text, expected);
}

/* Expect these anchors: "da" for the DS of A, "A" for its key. */
#define assert_anchors(expected) assert_anchors_at(expected, __LINE__)

static void assert_anchors_at(const char *expected, int line)
{
    struct anchor_set set = {.cnt = 0};
    char text[100] = "", *at = text;

    assert_int_equal(rollover_fill(world.r, &set), ERR_OK);
    assert_true(set.cnt <= 1);
    for (const char *letter = "ABCDZ"; set.cnt && *letter; letter++) {
        const struct rrset *ds = set.anchors[0].ds, *trusted = set.anchors[0].keys;
        for (size_t pos = 0; ds && pos < ds->size;) {
            struct rrset_record record = rrset_at(ds, pos, &pos);
            if (util_get_u16(record.rdata) == get_key(*letter)->tag)
                at += sprintf(at, "d%c", tolower((unsigned char)*letter));
        }
        for (size_t pos = 0; trusted && pos < trusted->size;) {
            struct rrset_record record = rrset_at(trusted, pos, &pos);
            if (memcmp(record.rdata, get_key(*letter)->rdata, record.len) == 0)
                *at++ = *letter;
        }
    }
    *at = '\0';
    anchor_fini(&set);
    if (strcmp(text, expected) != 0)
        fail_msg("line %d: %s, expected %s", line, text, expected);
}

#define assert_status(status_) assert_int_equal(world.verdict.status, VERDICT_##status_)

static void assert_change(unsigned i, char letter, enum rollover_state from,
                          enum rollover_state to)
{
    assert_true(i < world.changes.cnt);
    assert_int_equal(world.changes.at[i].from, from);
    assert_int_equal(world.changes.at[i].to, to);
    assert_int_equal(world.changes.at[i].tag, get_key(letter)->tag);
    assert_int_equal(world.changes.at[i].algorithm, DNSKEY_ED25519);
}

/* ---- states ---- */

static void a_configured_key_is_valid_at_once(void **state)
{
    (void)state;
    open_world("A");
    assert_anchors("da");
    reply("AZ", "A");
    assert_status(SECURE);
    assert_states("A valid");
    assert_anchors("daA");
    assert_int_equal(world.changes.cnt, 1);
    assert_change(0, 'A', ROLLOVER_START, ROLLOVER_VALID);
    reply_after(1, "AZ", "A");
    assert_int_equal(world.changes.cnt, 0);
    close_world();
}

static void a_new_key_is_trusted_after_the_hold_down(void **state)
{
    (void)state;
    open_world("A");
    reply("A", "A");
    reply_after(40, "AB", "A"); /* time before the key was seen does not count */
    assert_states("A valid B pending");
    assert_change(0, 'B', ROLLOVER_START, ROLLOVER_PENDING);
    reply_after(10, "AB", "A");
    reply_after(10, "AB", "AB");
    reply_after(9, "AB", "A");
    assert_states("A valid B pending");
    assert_anchors("daA");
    reply("AB", "B");
    assert_status(BOGUS);
    reply_after(1, "AB", "A");
    assert_states("A valid B valid");
    assert_change(0, 'B', ROLLOVER_PENDING, ROLLOVER_VALID);
    assert_anchors("daAB");
    reply("AB", "B");
    assert_status(SECURE);
    close_world();
}

/* The time may pass without a query; but a second sight of the key is needed. */
static void a_key_must_be_seen_twice(void **state)
{
    (void)state;
    open_world("A");
    reply_after(300, "AB", "A");
    assert_states("A valid B pending");
    reply_after(31, "AB", "A");
    assert_states("A valid B valid");
    close_world();
}

static void absence_ends_the_hold_down(void **state)
{
    (void)state;
    open_world("A");
    reply("AB", "A");
    reply_after(20, "A", "A");
    assert_states("A valid");
    assert_change(0, 'B', ROLLOVER_PENDING, ROLLOVER_START);
    reply_after(11, "AB", "A");
    assert_states("A valid B pending");
    reply_after(29, "AB", "A");
    assert_states("A valid B pending");
    reply_after(1, "AB", "A");
    assert_states("A valid B valid");
    close_world();
}

static void bad_replies_change_nothing(void **state)
{
    (void)state;
    open_world("A");
    reply("AB", "A");
    int64_t newest_s = world.zone->newest_s;
    world.is_wrong = true;
    reply_after(31, "A", "A"); /* B is not gone */
    assert_status(BOGUS);
    reply_after(0, "AB", "A"); /* and not seen again */
    assert_status(BOGUS);
    world.is_wrong = false;
    reply("AB", "");
    assert_status(BOGUS);
    reply("B", "B");
    assert_status(BOGUS);
    assert_states("A valid B pending");
    assert_int_equal(world.changes.cnt, 0);
    assert_int_equal(world.zone->newest_s, newest_s);
    reply("AB", "A");
    assert_states("A valid B valid");
    close_world();
}

static void a_missing_key_is_still_trusted(void **state)
{
    (void)state;
    open_world("A");
    reply("AB", "A");
    reply_after(30, "AB", "A");
    reply_after(1, "AZ", "A");
    assert_states("A valid B missing");
    assert_change(0, 'B', ROLLOVER_VALID, ROLLOVER_MISSING);
    assert_anchors("daAB");
    reply_after(1, "AB", "B");
    assert_status(SECURE);
    assert_states("A valid B valid");
    assert_change(0, 'B', ROLLOVER_MISSING, ROLLOVER_VALID);
    reply_after(1, "A", "A");
    reply_after(366, "A", "A");
    assert_states("A valid B missing");
    reply_after(1, "A", "A");
    assert_states("A valid");
    assert_change(0, 'B', ROLLOVER_MISSING, ROLLOVER_START);
    close_world();
}

/* Keys that sign, but are not in the RRset: the last trusted keys are kept. */
static void the_last_keys_are_kept(void **state)
{
    (void)state;
    open_world("A");
    reply("AB", "A");
    reply_after(30, "AB", "A");
    reply_after(400, "A", "A");
    assert_states("A valid B missing");
    reply_after(400, "B", "B");
    assert_states("A missing B valid");
    reply_after(300, "B", "B");
    assert_states("A missing B valid");
    reply_after(67, "BC", "B");
    assert_states("B valid C pending"); /* the DS of A is still configured: */
    assert_anchors("daB");
    close_world();
}

static void long_ttls_lengthen_the_hold_down(void **state)
{
    (void)state;
    open_world("A");
    world.ttl = 50 * DAY;
    reply("AB", "A");
    world.ttl = DAY;
    reply_after(49, "AB", "A");
    assert_states("A valid B pending");
    reply_after(1, "AB", "A");
    assert_states("A valid B valid");
    close_world();
}

static void useless_keys_are_not_learned(void **state)
{
    struct signed_key other[3] = {signed_make_key(DNSKEY_RSASHA1, DNSKEY_ZONE | DNSKEY_ENTRY),
                                  signed_make_key(DNSKEY_ED25519, DNSKEY_ENTRY),
                                  signed_make_key(DNSKEY_ED25519, DNSKEY_ZONE | DNSKEY_ENTRY)};
    const struct signed_key *all[4] = {&keys[0], &other[0], &other[1], &other[2]};
    struct signed_as as = {.signer = "example."};
    (void)state;
    other[2].rdata[2] = 4; /* protocol */
    open_world("A");
    struct signed_set *set = signed_keys(&arena, "example.", all, 4);
    signed_sign(&arena, set, &keys[0], &as);
    take(set->set);
    assert_status(SECURE);
    assert_int_equal(world.zone->cnt, 1);
    for (int i = 0; i < 3; i++)
        signed_free_key(&other[i]);
    close_world();
}

static void configured_keys_are_anchors_too(void **state)
{
    char text[1000], *at = text;
    (void)state;
    open_world("A");
    rollover_free(&world.r);
    for (const char *letter = "AZ"; *letter; letter++) {
        char rdata[RDATA_TEXT_MAX];
        rdata_text_print(RRTYPE_DNSKEY, get_key(*letter)->rdata, get_key(*letter)->rdata_len,
                         rdata);
        at += sprintf(at, "example. DNSKEY %s\n", rdata);
    }
    world.r = make_rollover(text);
    world.zone = &world.r->zones[0];
    reply("ABZ", "Z"); /* a key that is no entry point is an anchor if it is configured */
    assert_status(SECURE);
    assert_states("A valid B pending");
    assert_anchors("AZ");
    reply("aBZ", "aZ");
    assert_status(SECURE);
    assert_states("A revoked B pending");
    assert_anchors("Z");
    close_world();
}

/* ---- revocation ---- */

static void open_with_two_valid_keys(void)
{
    open_world("A");
    reply("AB", "A");
    reply_after(30, "AB", "A");
    assert_states("A valid B valid");
}

static void a_key_revokes_itself(void **state)
{
    (void)state;
    open_with_two_valid_keys();
    reply_after(1, "aB", "aB");
    assert_status(SECURE);
    assert_states("A revoked B valid");
    assert_change(0, 'A', ROLLOVER_VALID, ROLLOVER_REVOKED);
    assert_anchors("B"); /* the configured DS does not count any more */
    reply_after(1, "AB", "A");
    assert_status(BOGUS);
    reply_after(1, "AB", "AB"); /* it does not come back */
    assert_states("A revoked B valid");
    close_world();
}

static void only_its_own_signature_revokes_a_key(void **state)
{
    (void)state;
    open_with_two_valid_keys();
    reply_after(1, "aB", "B");
    assert_status(SECURE);
    assert_states("A missing B valid");
    reply("AB", "A");
    assert_states("A valid B valid");
    world.is_wrong = true;
    reply("aB", "a");
    assert_status(BOGUS);
    assert_states("A valid B valid");
    world.is_wrong = false;
    reply("aB", "A"); /* by the key as it was */
    assert_status(BOGUS);
    assert_states("A valid B valid");
    close_world();
}

static void unknown_and_pending_keys_cannot_be_revoked(void **state)
{
    (void)state;
    open_world("A");
    reply("AcB", "Ac");
    assert_states("A valid B pending");
    reply_after(1, "Ab", "Ab"); /* a pending key is gone, as RFC 5011 4.2 has it */
    assert_states("A valid");
    reply_after(1, "ABC", "A");
    assert_states("A valid B pending C pending");
    close_world();
}

static void a_configured_key_is_revoked_before_it_is_seen(void **state)
{
    (void)state;
    open_world("AB");
    assert_anchors("dadb");
    reply("aB", "aB");
    assert_status(SECURE);
    assert_states("A revoked B valid");
    assert_anchors("dbB");
    close_world();
}

/* A key revokes itself: no other signature of the RRset is needed (RFC 5011 2.1). */
static void a_revocation_counts_alone(void **state)
{
    (void)state;
    open_with_two_valid_keys();
    reply_after(1, "aB", "a");
    assert_status(BOGUS);
    assert_states("A revoked B valid");
    assert_int_equal(world.changes.cnt, 1);
    close_world();
}

static void a_zone_without_keys_has_no_anchor(void **state)
{
    (void)state;
    open_with_two_valid_keys();
    reply_after(1, "ab", "ab");
    assert_status(INSECURE);
    assert_int_equal(world.verdict.reason, VERDICT_NO_DS);
    assert_states("A revoked B revoked");
    assert_anchors("");
    assert_int_equal(world.zone->next_s, world.now_s + 15 * DAY);
    reply_after(1, "AC", "AC");
    assert_status(INSECURE);
    assert_states("A revoked B revoked");
    close_world();
}

static void a_revoked_key_is_removed_and_not_forgotten(void **state)
{
    (void)state;
    open_with_two_valid_keys();
    reply_after(1, "aB", "aB");
    reply_after(29, "aB", "B");
    reply_after(29, "B", "B");
    assert_states("A revoked B valid");
    reply_after(1, "B", "B");
    assert_states("A removed B valid");
    assert_change(0, 'A', ROLLOVER_REVOKED, ROLLOVER_REMOVED);
    assert_anchors("B");
    reply_after(100, "AB", "AB");
    assert_states("A removed B valid");
    reply_after(1, "aB", "aB");
    assert_states("A removed B valid");
    assert_int_equal(world.changes.cnt, 0);
    assert_anchors("B");
    reply("AB", "A");
    assert_status(BOGUS);
    close_world();
}

/* ---- times ---- */

static void queries_are_as_frequent_as_the_rfc_says(void **state)
{
    static const struct {
        uint32_t ttl, expires_s;
        int64_t next_s, retry_s;
    } rows[] = {
        {DAY, 10 * DAY, DAY / 2, DAY / 10},
        {60 * DAY, 10 * DAY, 5 * DAY, DAY},
        {60 * DAY, 60 * DAY, 15 * DAY, DAY},
        {600, 10 * DAY, HOUR, HOUR},
        {DAY, 600, HOUR, HOUR},
    };
    int64_t due_s;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        open_world("A");
        assert_ptr_equal(rollover_find_due(world.r, world.now_s, &due_s), world.zone);
        assert_int_equal(due_s, world.now_s);
        world.ttl = rows[i].ttl;
        world.expires_s = rows[i].expires_s;
        reply("A", "A");
        assert_status(SECURE);
        assert_ptr_equal(rollover_find_due(world.r, world.now_s, &due_s), world.zone);
        assert_int_equal(due_s, world.now_s + rows[i].next_s);
        world.now_s = due_s;
        rollover_fail(world.zone, world.now_s);
        assert_non_null(rollover_find_due(world.r, world.now_s, &due_s));
        assert_int_equal(due_s, world.now_s + rows[i].retry_s);
        /* the clock is set back by a year */
        assert_non_null(rollover_find_due(world.r, world.now_s - 366 * DAY, &due_s));
        assert_int_equal(due_s, world.now_s - 366 * DAY);
        close_world();
    }
}

static void a_clock_that_runs_twice_counts_once(void **state)
{
    (void)state;
    open_world("A");
    reply("AB", "A");
    for (int i = 0; i < 5; i++) {
        reply_after(10, "AB", "A");
        reply_after(-10, "AB", "A");
    }
    assert_states("A valid B pending");
    reply_after(29, "AB", "A"); /* 10 days of it were counted before */
    assert_states("A valid B pending");
    reply_after(1, "AB", "A");
    assert_states("A valid B valid");
    close_world();
}

/* A time far in the past of the newest reply: that one was wrong, and the hold-down begins
 * again. */
static void a_wrong_time_does_not_last(void **state)
{
    (void)state;
    open_world("A");
    reply("AB", "A");
    reply_after(29, "AB", "A");
    reply_after(-1000, "AB", "A");
    assert_states("A valid B pending");
    reply_after(29, "AB", "A");
    assert_states("A valid B pending");
    reply_after(1, "AB", "A");
    assert_states("A valid B valid");
    close_world();
}

static void with_a_wrong_clock_only_revocations_count(void **state)
{
    (void)state;
    open_world("AB");
    world.skips_time = true;
    reply("ABC", "A");
    assert_status(SECURE);
    assert_states("");
    reply("aBC", "aB");
    assert_states("A revoked");
    assert_int_equal(world.zone->newest_s, 0);
    close_world();
}

static void keys_are_bounded(void **state)
{
    enum { CNT = ROLLOVER_KEYS_MAX + 8 };
    struct signed_key *many = calloc(CNT, sizeof(*many));
    const struct signed_key *all[KEYSET_MAX + 1] = {&keys[0], &keys[1]};
    struct signed_as as = {.signer = "example."};
    (void)state;
    assert_non_null(many);
    open_world("AB");
    for (int i = 0; i < CNT; i++) {
        many[i] = keys[2];
        many[i].rdata[10] = (uint8_t)i;
        all[2 + i] = &many[i];
    }
    struct signed_set *set = signed_keys(&arena, "example.", all, 2 + CNT);
    signed_sign(&arena, set, &keys[0], &as);
    take(set->set);
    assert_status(SECURE);
    assert_int_equal(world.zone->cnt, ROLLOVER_KEYS_MAX);
    /* a revocation finds room */
    all[0] = &revoked_keys[0];
    set = signed_keys(&arena, "example.", all, 2 + CNT);
    signed_sign(&arena, set, &revoked_keys[0], &as);
    signed_sign(&arena, set, &keys[1], &as);
    take(set->set);
    assert_status(SECURE);
    assert_non_null(rollover_find_key(world.zone, keys[0].rdata, keys[0].rdata_len));
    assert_int_equal(rollover_find_key(world.zone, keys[0].rdata, keys[0].rdata_len)->state,
                     ROLLOVER_REVOKED);
    for (int i = 0; i <= KEYSET_MAX; i++) {
        struct signed_key *copy = arena_copy(&arena, &keys[2], sizeof(keys[2]));
        copy->rdata[11] = (uint8_t)i;
        all[i] = copy;
    }
    set = signed_keys(&arena, "example.", all, KEYSET_MAX + 1);
    take(set->set);
    assert_status(BOGUS);
    assert_int_equal(world.verdict.reason, VERDICT_TOO_MANY_KEYS);
    free(many);
    close_world();
}

/* ---- the file ---- */

static char found[600]; /* by the last read */

static enum err read_state(struct rollover *r, const char *text, size_t len)
{
    struct diag diag;
    char *copy = malloc(len + 1); /* of that size: a read past the end is seen */

    assert_non_null(copy);
    memcpy(copy, text, len);
    copy = realloc(copy, len ? len : 1);
    diag_init(&diag);
    enum err err = rollover_file_read(r, "state", copy, len, &diag);
    assert_int_equal(diag.error_cnt, err == ERR_CONFIG);
    *found = '\0';
    if (err) {
        FILE *out = fmemopen(found, sizeof(found), "w");
        diag_print(&diag, out, false);
        fclose(out);
    }
    diag_fini(&diag);
    free(copy);
    return err;
}

static char *print_state(const struct rollover *r)
{
    char *text = NULL;
    size_t len;
    assert_int_equal(rollover_file_print(r, &text, &len), ERR_OK);
    assert_int_equal(len, strlen(text));
    return text;
}

/* Keys in all states: A revoked, B valid, C missing, D pending. */
static void open_with_all_states(void)
{
    open_with_two_valid_keys();
    reply_after(1, "aBC", "aB");
    reply_after(30, "aBC", "B");
    reply_after(5, "BD", "B");
    reply_after(5, "BD", "B");
    assert_states("A revoked B valid C missing D pending");
}

/* Start again with these DS configured and a state file. */
static void restart(const char *letters, const char *text)
{
    open_world(letters);
    assert_int_equal(read_state(world.r, text, strlen(text)), ERR_OK);
}

static void the_state_survives_a_restart(void **state)
{
    (void)state;
    open_with_all_states();
    int64_t now_s = world.now_s;
    char *text = print_state(world.r), tag[40];
    assert_non_null(strstr(text, "zone example. checked 20"));
    snprintf(tag, sizeof(tag), " ; tag %u\n", keys[3].tag);
    assert_non_null(strstr(text, "\npending since "));
    assert_non_null(strstr(text, " held 432000 of 2592000 example. DNSKEY 257 3 15 "));
    assert_non_null(strstr(text, tag));
    restart("A", text);
    assert_states("A revoked B valid C missing D pending");
    char *again = print_state(world.r);
    assert_string_equal(text, again);
    assert_anchors("BC");
    world.now_s = now_s;
    reply_after(24, "BD", "B");
    assert_states("A removed B valid C missing D pending");
    reply_after(1, "BD", "B");
    assert_states("A removed B valid C missing D valid");
    free(text);
    free(again);
    close_world();
}

static void a_replaced_anchor_ends_what_was_learned_from_it(void **state)
{
    (void)state;
    open_with_all_states();
    char *text = print_state(world.r);
    restart("AD", text); /* one more: everything stays */
    assert_states("A revoked B valid C missing D pending");
    assert_anchors("BCdd");
    restart("D", text); /* A was taken away */
    assert_states("A revoked");
    assert_anchors("dd");
    restart("AB", text);
    assert_anchors("dbBC");
    free(text);
    /* a zone that is not configured any more */
    text = print_state(world.r);
    rollover_free(&world.r);
    world.r = make_rollover("other. DS 1 13 2 aa\n");
    assert_int_equal(read_state(world.r, text, strlen(text)), ERR_OK);
    assert_int_equal(world.r->zones[0].cnt, 0);
    free(text);
    close_world();
}

static void a_truncated_file_is_not_used(void **state)
{
    (void)state;
    open_with_all_states();
    char *text = print_state(world.r);
    size_t len = strlen(text);
    for (size_t i = 0; i < len - 1; i++) {
        open_world("A");
        if (read_state(world.r, text, i) != ERR_CONFIG)
            fail_msg("%zu of %zu octets", i, len);
        assert_states("");
        assert_anchors("da");
    }
    free(text);
    close_world();
}

#define TIME "2027-01-15T08:00:00Z"
#define ZONE "zone example. checked " TIME " next " TIME " retry 3600\n"
#define KEY "example. DNSKEY 257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4="
#define VALID "valid since " TIME " held 0 of 2592000 "

static void damage_has_a_place(void **state)
{
    static const struct {
        const char *text, *expected;
    } rows[] = {
        {"", "state: error: the line \"end\" is missing"},
        {"end\n", "state:1:1: error: expected \"version 1\""},
        {"version 2\nend\n", "state:1:9: error: expected \"1\""},
        {"version 1\n", "state:2:1: error: the line \"end\" is missing"},
        {"version 1\nvalid\nend\n", "state:2:6: error: expected \"since\""},
        {"version 1\n" VALID KEY "\nend\n", "state:2:52: error: expected \"zone\" before"},
        {"version 1\nzone example. checked " TIME "\nend\n",
         "state:2:43: error: expected \"next\""},
        {"version 1\nzone ex..ample. checked\nend\n",
         "state:2:6: error: expected the name of a zone"},
        {"version 1\nzone example checked\nend\n",
         "state:2:6: error: expected the name of a zone"},
        {"version 1\n" ZONE ZONE "end\n", "state:3:6: error: the zone is listed twice"},
        {"version 1\nzone example. checked now next\nend\n",
         "state:2:23: error: expected a date and time"},
        {"version 1\nzone example. checked 1969-12-31T00:00:00Z next\nend\n",
         "state:2:23: error: expected a date"},
        {"version 1\nzone example. checked " TIME " next " TIME " retry 1\nend\n",
         "state:2:76: error: expected 3600 to 86400 seconds"},
        {"version 1\nzone example. checked " TIME " next " TIME " retry 3600 x\nend\n",
         "state:2:81: error: expected \"\""},
        {"version 1\n" ZONE "sure since " TIME "\nend\n",
         "state:3:1: error: expected zone, configured, end or"},
        {"version 1\n" ZONE "start since " TIME "\nend\n",
         "state:3:1: error: expected zone, configured, end or"},
        {"version 1\n" ZONE "valid since " TIME " held -1 of 2592000 " KEY "\nend\n",
         "state:3:39: error: expected 0 to"},
        {"version 1\n" ZONE "pending since " TIME " held 0 of 60 " KEY "\nend\n",
         "state:3:46: error: expected 2592000 to"},
        {"version 1\n" ZONE VALID "\nend\n", "the record is missing"},
        {"version 1\n" ZONE VALID "other." KEY "\nend\n",
         "state:3:52: error: the record is not one of this zone"},
        {"version 1\n" ZONE VALID "example. CH DNSKEY 257 3 15 aaaa\nend\n",
         "the record is not one of this zone"},
        {"version 1\n" ZONE VALID "example. DNSKEY 257 3 15 !\nend\n", "state:3:52: error: "},
        {"version 1\n" ZONE VALID "example. DNSKEY 1 3 15 aaaa\nend\n",
         "this DNSKEY is no zone key"},
        {"version 1\n" ZONE VALID "example. DNSKEY 257 2 15 aaaa\nend\n",
         "this DNSKEY is no zone key"},
        {"version 1\n" ZONE VALID "example. DNSKEY 385 3 15 aaaa\nend\n",
         "kept without the REVOKE bit"},
        {"version 1\n" ZONE VALID "example. A 192.0.2.1\nend\n", "expected a DNSKEY record"},
        {"version 1\n" ZONE VALID KEY "\n" VALID KEY "\nend\n",
         "state:4:52: error: the key is listed twice"},
        {"version 1\n" ZONE "configured example. A 192.0.2.1\nend\n",
         "expected a DS or DNSKEY record"},
        {"version 1\n" ZONE "end\nzone\n", "state:4:1: error: expected nothing after"},
    };
    static const char good[] = "version 1\n; a comment\n\n" ZONE VALID KEY " ; tag\n  end";
    (void)state;
    open_world("A");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(read_state(world.r, rows[i].text, strlen(rows[i].text)), ERR_CONFIG);
        if (!strstr(found, rows[i].expected))
            fail_msg("%s: %s, expected %s", rows[i].text, found, rows[i].expected);
        assert_int_equal(world.zone->cnt, 0);
        assert_int_equal(world.zone->newest_s, 0);
    }
    assert_int_equal(read_state(world.r, good, strlen(good)), ERR_OK);
    assert_int_equal(world.zone->cnt, 1);
    close_world();
}

static void the_file_has_bounds(void **state)
{
    char *text = malloc(100000), *at = text;
    (void)state;
    assert_non_null(text);
    open_world("A");
    at += sprintf(at, "version 1\n" ZONE);
    for (int i = 0; i <= ROLLOVER_KEYS_MAX; i++)
        at += sprintf(at, VALID "example. DNSKEY 257 3 15 aa%02d\n", i + 10);
    strcpy(at, "end\n");
    assert_int_equal(read_state(world.r, text, strlen(text)), ERR_CONFIG);
    if (!strstr(found, "state:35:52: error: the zone has too many keys"))
        fail_msg("%s", found);
    at = text + sprintf(text, "version 1\n" ZONE VALID "example. DNSKEY 257 3 15 ");
    memset(at, 'a', 4 * ROLLOVER_RDATA_MAX);
    strcpy(at + 4 * ROLLOVER_RDATA_MAX, "\nend\n");
    assert_int_equal(read_state(world.r, text, strlen(text)), ERR_CONFIG);
    assert_non_null(strstr(found, "the key is too large"));
    free(text);
    close_world();
}

static void the_file_is_replaced_as_a_whole(void **state)
{
    char folder[] = "/tmp/rollover-XXXXXX", path[60], temporary[70], other[60];
    struct diag diag;
    struct stat st;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/state", folder);
    snprintf(temporary, sizeof(temporary), "%s.new", path);
    snprintf(other, sizeof(other), "%s/other", folder);
    diag_init(&diag);
    open_with_all_states();
    assert_int_equal(rollover_file_load(world.r, path, &diag), ERR_ABSENT);
    assert_int_equal(symlink(other, temporary), 0); /* as another user could leave it */
    assert_int_equal(rollover_file_save(world.r, path), ERR_OK);
    assert_int_equal(access(other, F_OK), -1);
    assert_int_equal(lstat(temporary, &st), -1);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(rollover_file_save(world.r, path), ERR_OK);
    open_world("A");
    assert_int_equal(rollover_file_load(world.r, path, &diag), ERR_OK);
    assert_states("A revoked B valid C missing D pending");
    assert_int_equal(truncate(path, 100), 0);
    open_world("A");
    assert_int_equal(rollover_file_load(world.r, path, &diag), ERR_CONFIG);
    assert_int_equal(diag.error_cnt, 1);
    assert_int_equal(rollover_file_load(world.r, folder, &diag), ERR_CONFIG);
    assert_int_equal(diag.error_cnt, 2);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(rollover_file_save(world.r, path), ERR_ABSENT);
    diag_fini(&diag);
    close_world();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_configured_key_is_valid_at_once),
        cmocka_unit_test(a_new_key_is_trusted_after_the_hold_down),
        cmocka_unit_test(a_key_must_be_seen_twice),
        cmocka_unit_test(absence_ends_the_hold_down),
        cmocka_unit_test(bad_replies_change_nothing),
        cmocka_unit_test(a_missing_key_is_still_trusted),
        cmocka_unit_test(the_last_keys_are_kept),
        cmocka_unit_test(long_ttls_lengthen_the_hold_down),
        cmocka_unit_test(useless_keys_are_not_learned),
        cmocka_unit_test(configured_keys_are_anchors_too),
        cmocka_unit_test(a_key_revokes_itself),
        cmocka_unit_test(only_its_own_signature_revokes_a_key),
        cmocka_unit_test(unknown_and_pending_keys_cannot_be_revoked),
        cmocka_unit_test(a_configured_key_is_revoked_before_it_is_seen),
        cmocka_unit_test(a_revocation_counts_alone),
        cmocka_unit_test(a_zone_without_keys_has_no_anchor),
        cmocka_unit_test(a_revoked_key_is_removed_and_not_forgotten),
        cmocka_unit_test(queries_are_as_frequent_as_the_rfc_says),
        cmocka_unit_test(a_clock_that_runs_twice_counts_once),
        cmocka_unit_test(a_wrong_time_does_not_last),
        cmocka_unit_test(with_a_wrong_clock_only_revocations_count),
        cmocka_unit_test(keys_are_bounded),
        cmocka_unit_test(the_state_survives_a_restart),
        cmocka_unit_test(a_replaced_anchor_ends_what_was_learned_from_it),
        cmocka_unit_test(a_truncated_file_is_not_used),
        cmocka_unit_test(damage_has_a_place),
        cmocka_unit_test(the_file_has_bounds),
        cmocka_unit_test(the_file_is_replaced_as_a_whole),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
