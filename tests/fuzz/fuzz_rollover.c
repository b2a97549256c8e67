/* Automatic updates of trust anchors.  First octet 0: the text of a state file follows; what is
 * read is printed and read again.  1: the text of a negative trust anchor, and a name.  Else a
 * zone with four keys, of which two are configured: each reply is four octets, the days since
 * the one before (signed), the keys that are published, those that sign (for both, the low four
 * bits are keys, the high four their revoked forms), and flags.  A second implementation of RFC
 * 5011 4.2, without signatures, says which states the keys must have. */
#include "dns/rrline.h"
#include "resolver/validate/anchor_signal.h"
#include "resolver/validate/nta.h"
#include "resolver/validate/rollover_file.h"
#include "resolver/validate/sentinel.h"

#include <openssl/evp.h>

#include "dns/rrsig.h"

enum {
    KEYS = 4,
    CONFIGURED = 2,
    REPLIES_MAX = 40,
    KEY_LEN = 4 + 32,
    START_S = 1800000000,
    DAY = 86400
};
enum { HEAD_LEN = 18 + 9, SIG_LEN = HEAD_LEN + 64 };
enum reply_flag { IS_WRONG = 1, IS_LONG = 2, RESTARTS = 4, SKIPS_TIME = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t example[] = "\7example";
static struct arena arena;
static EVP_PKEY *pairs[KEYS];
static uint8_t rdatas[2 * KEYS][KEY_LEN]; /* the keys, and their revoked forms */

/* What the states must be.  Lifetime: one input. */
struct model {
    enum rollover_state states[KEYS];
    int64_t newest_s, began_s[KEYS]; /* began_s: newest_s when the state began to count */
    int64_t hold_s[KEYS];
};

static void make_keys(void)
{
    for (int i = 0; i < KEYS; i++) {
        uint8_t seed[32] = {(uint8_t)(i + 1)};
        size_t len = 32;
        pairs[i] = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof(seed));
        must(pairs[i]);
        memcpy(rdatas[i], (uint8_t[]){1, 1, 3, DNSKEY_ED25519}, 4);
        must(EVP_PKEY_get_raw_public_key(pairs[i], rdatas[i] + 4, &len) == 1);
        memcpy(rdatas[KEYS + i], rdatas[i], KEY_LEN);
        rdatas[KEYS + i][1] |= DNSKEY_REVOKE;
    }
}

/* ---- replies ---- */

static void sign_set(const struct rrset *set, int form, int64_t now_s, bool is_wrong,
                     uint8_t out[SIG_LEN])
{
    uint8_t octets[HEAD_LEN + 2 * KEYS * (9 + 10 + KEY_LEN)];
    size_t len = HEAD_LEN, sig_len = 64;

    util_put_u16(out, RRTYPE_DNSKEY);
    out[2] = DNSKEY_ED25519;
    out[3] = 1;
    util_put_u32(out + 4, set->ttl);
    util_put_u32(out + 8, (uint32_t)(now_s + DAY));
    util_put_u32(out + 12, (uint32_t)(now_s - DAY));
    util_put_u16(out + 16, dnskey_read(rdatas[form], KEY_LEN).tag);
    memcpy(out + 18, example, 9);
    memcpy(octets, out, HEAD_LEN);
    for (size_t pos = 0; pos < set->size;) {
        struct rrset_record record = rrset_at(set, pos, &pos);
        memcpy(octets + len, example, 9);
        util_put_u16(octets + len + 9, RRTYPE_DNSKEY);
        util_put_u16(octets + len + 11, RRTYPE_CLASS_IN);
        util_put_u32(octets + len + 13, set->ttl);
        util_put_u16(octets + len + 17, record.len);
        memcpy(octets + len + 19, record.rdata, record.len);
        len += 19 + (size_t)record.len;
    }
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    must(context && EVP_DigestSignInit(context, NULL, NULL, NULL, pairs[form % KEYS]) == 1 &&
         EVP_DigestSign(context, out + HEAD_LEN, &sig_len, octets, len) == 1);
    EVP_MD_CTX_free(context);
    out[HEAD_LEN] ^= is_wrong;
}

/* Return the RRset of these forms, signed by those; NULL if it has no key. */
static struct rrset *make_reply(unsigned published, unsigned signers, uint32_t ttl,
                                int64_t now_s, bool is_wrong)
{
    static uint8_t sigs[2 * KEYS][SIG_LEN];
    struct rrset_record records[2 * KEYS];
    size_t cnt = 0, sig_cnt = 0;

    for (int form = 0; form < 2 * KEYS; form++)
        if (published >> form & 1)
            records[cnt++] = (struct rrset_record){rdatas[form], KEY_LEN};
    struct rrset *set = cnt ? arena_alloc(&arena, 4096) : NULL;
    if (!set)
        return NULL;
    must(rrset_pack(RRTYPE_DNSKEY, ttl, records, cnt, set) == ERR_OK);
    for (int form = 0; form < 2 * KEYS; form++)
        if (signers >> form & 1) {
            sign_set(set, form, now_s, is_wrong, sigs[sig_cnt]);
            records[sig_cnt] = (struct rrset_record){sigs[sig_cnt], SIG_LEN};
            sig_cnt++;
        }
    if (sig_cnt) {
        set->flags |= RRSET_IS_SIGNED;
        must(rrset_pack(RRTYPE_RRSIG, ttl, records, sig_cnt,
                        (struct rrset *)(void *)((uint8_t *)set + rrset_stride(set))) ==
             ERR_OK);
    }
    return set;
}

/* ---- the model ---- */

static bool is_model_trusted(const struct model *m, int i)
{
    return m->states[i] == ROLLOVER_VALID || m->states[i] == ROLLOVER_MISSING ||
           (i < CONFIGURED && m->states[i] < ROLLOVER_REVOKED);
}

static void set_model(struct model *m, int i, enum rollover_state state)
{
    m->states[i] = state;
    m->began_s[i] = m->newest_s;
}

/* Advance the states of RFC 5011 4.2 by a reply that is signed by a trusted key. */
static void advance_model(struct model *m, unsigned published, uint32_t ttl, int64_t now_s)
{
    bool has_valid = false;

    if (now_s < m->newest_s - 30 * DAY)
        for (int i = 0; i < KEYS; i++)
            m->began_s[i] = now_s;
    if (now_s > m->newest_s || now_s < m->newest_s - 30 * DAY)
        m->newest_s = now_s;
    for (int i = 0; i < KEYS; i++) {
        bool is_present = published >> i & 1, is_revoked = published >> (KEYS + i) & 1;
        int64_t held_s = m->newest_s - m->began_s[i];
        if (m->states[i] == ROLLOVER_START && is_present) {
            set_model(m, i, i < CONFIGURED ? ROLLOVER_VALID : ROLLOVER_PENDING);
            m->hold_s[i] = ttl > 30 * DAY ? ttl : 30 * DAY;
        } else if (m->states[i] == ROLLOVER_PENDING && !is_present) {
            set_model(m, i, ROLLOVER_START);
        } else if (m->states[i] == ROLLOVER_PENDING && held_s >= m->hold_s[i]) {
            set_model(m, i, ROLLOVER_VALID);
        } else if (m->states[i] == ROLLOVER_VALID && !is_present) {
            set_model(m, i, ROLLOVER_MISSING);
        } else if (m->states[i] == ROLLOVER_MISSING && is_present) {
            set_model(m, i, ROLLOVER_VALID);
        } else if (m->states[i] == ROLLOVER_REVOKED && (is_present || is_revoked)) {
            set_model(m, i, ROLLOVER_REVOKED);
        } else if (m->states[i] == ROLLOVER_REVOKED && held_s >= 30 * DAY) {
            set_model(m, i, ROLLOVER_REMOVED);
        }
    }
    for (int i = 0; i < KEYS; i++)
        has_valid |= m->states[i] == ROLLOVER_VALID;
    for (int i = 0; i < KEYS; i++)
        if (has_valid && m->states[i] == ROLLOVER_MISSING &&
            m->newest_s - m->began_s[i] > 366 * DAY)
            set_model(m, i, ROLLOVER_START);
}

/* Return true if the reply is signed by a key that is trusted. */
static bool step_model(struct model *m, unsigned published, unsigned signers, uint32_t ttl,
                       unsigned flags, int64_t now_s)
{
    bool is_good = false;

    if (flags & IS_WRONG)
        return false;
    for (int i = 0; i < KEYS; i++)
        if ((published & signers) >> (KEYS + i) & 1 && is_model_trusted(m, i))
            set_model(m, i, ROLLOVER_REVOKED);
    for (int i = 0; i < KEYS; i++)
        is_good |= (published & signers) >> i & 1 && is_model_trusted(m, i);
    if (is_good && !(flags & SKIPS_TIME)) {
        if (m->newest_s == 0) {
            m->newest_s = now_s;
            for (int i = 0; i < KEYS; i++)
                m->began_s[i] = now_s;
        }
        advance_model(m, published, ttl, now_s);
    }
    return is_good;
}

/* ---- checks ---- */

static void check_anchors(const struct rollover *r, const struct model *m)
{
    struct anchor_set set = {.cnt = 0};
    unsigned trusted = 0, expected = 0;
    uint8_t name[DNAME_MAX];

    must(rollover_fill(r, &set) == ERR_OK && set.cnt <= 1);
    for (int i = 0; i < KEYS; i++) {
        const struct rrset *keys = set.cnt ? set.anchors[0].keys : NULL;
        expected += is_model_trusted(m, i);
        for (size_t pos = 0; keys && pos < keys->size;) {
            struct rrset_record record = rrset_at(keys, pos, &pos);
            bool is_same = memcmp(record.rdata, rdatas[i], KEY_LEN) == 0;
            must(!is_same || is_model_trusted(m, i));
            trusted += is_same;
        }
    }
    must(trusted == expected);
    must(set.cnt == 0 || anchor_signal_name(&set.anchors[0], name) == ERR_OK);
    anchor_fini(&set);
}

static void check_states(struct rollover *r, const struct model *m)
{
    unsigned cnt = 0;

    for (int i = 0; i < KEYS; i++) {
        const struct rollover_key *key = rollover_find_key(&r->zones[0], rdatas[i], KEY_LEN);
        must(m->states[i] == (key ? key->state : ROLLOVER_START));
        cnt += key != NULL;
    }
    must(cnt == r->zones[0].cnt);
    check_anchors(r, m);
}

static struct rollover *make_rollover(void)
{
    struct anchor_set set = {.cnt = 0};
    struct rollover *r = NULL;

    for (int i = 0; i < CONFIGURED; i++) {
        struct rrset_record record = {rdatas[i], KEY_LEN};
        must(anchor_put(&set, example, RRTYPE_DNSKEY, &record) == ERR_OK);
    }
    must(rollover_new(&set, &r) == ERR_OK);
    anchor_fini(&set);
    return r;
}

static enum err read_state(struct rollover *r, const char *text, size_t len)
{
    struct diag diag;

    diag_init(&diag);
    enum err err = rollover_file_read(r, "state", text, len, &diag);
    must(err == ERR_OK || err == ERR_CONFIG);
    must(diag.error_cnt == (err ? 1 : 0));
    for (size_t i = 0; err && i < r->cnt; i++)
        must(r->zones[i].cnt == 0 && r->zones[i].newest_s == 0);
    diag_fini(&diag);
    return err;
}

/* Print the state and read it into another rollover, which takes the place of *r. */
static void restart(struct rollover **r)
{
    struct rollover *next = make_rollover();
    char *text, *again;
    size_t len, again_len;

    must(rollover_file_print(*r, &text, &len) == ERR_OK);
    must(read_state(next, text, len) == ERR_OK);
    must(rollover_file_print(next, &again, &again_len) == ERR_OK);
    must(len == again_len && memcmp(text, again, len) == 0);
    free(text);
    free(again);
    rollover_free(r);
    *r = next;
}

static void play(struct cursor *c)
{
    struct rollover *r = make_rollover();
    struct model model = {.newest_s = 0};
    struct rollover_changes changes;
    int64_t now_s = START_S, due_s;

    for (int i = 0; i < REPLIES_MAX && cursor_left(c) >= 4; i++) {
        now_s += (int8_t)cursor_u8(c) * (int64_t)DAY;
        unsigned published = cursor_u8(c), signers = cursor_u8(c), flags = cursor_u8(c);
        uint32_t ttl = flags & IS_LONG ? 40 * DAY : 3600;
        if (now_s < START_S / 2 || now_s > 2 * (int64_t)START_S)
            break;
        arena_reset(&arena);
        struct rrset *set = make_reply(published, signers, ttl, now_s, flags & IS_WRONG);
        if (!set)
            continue;
        struct rules rules = rules_defaults((uint32_t)now_s);
        struct rules_work work = {
            .verifications_left = 100, .failures_left = 100, .hashes_left = 100};
        struct rollover_reply reply = {.keys = set, .rules = &rules, .now_s = now_s};
        rules.skips_time = flags & SKIPS_TIME;
        struct verdict v = rollover_take(r, &r->zones[0], &reply, &work, &arena, &changes);
        bool is_good = step_model(&model, published, signers, ttl, flags, now_s);
        must(is_good == (v.status == VERDICT_SECURE));
        must(rollover_find_due(r, now_s, &due_s) == &r->zones[0]);
        must(due_s > now_s && due_s <= now_s + ROLLOVER_INTERVAL_MAX_S);
        check_states(r, &model);
        if (flags & RESTARTS)
            restart(&r);
    }
    rollover_free(&r);
}

static void check_text(const char *text, size_t len)
{
    struct rollover *r = make_rollover();

    if (read_state(r, text, len) == ERR_OK) {
        struct anchor_set set = {.cnt = 0};
        must(rollover_fill(r, &set) == ERR_OK);
        anchor_fini(&set);
        restart(&r);
    }
    rollover_free(&r);
}

static void check_nta(const char *text, size_t len)
{
    struct nta_set set = {.cnt = 0};
    struct fault fault = {0};
    char *copy = strndup(text, len);

    must(copy);
    enum err err = nta_add(&set, copy, &fault);
    must(err == ERR_OK || (err == ERR_CONFIG && *fault.text));
    if (!err) {
        const uint8_t *name = set.at[0].name;
        const struct nta *nta = nta_find(&set, NULL, name, 0);
        must(dname_check(name, DNAME_MAX) > 0);
        must((nta != NULL) == (set.at[0].until_ms > 0));
        (void)sentinel_fails(NULL, name, RRTYPE_A);
    }
    free(copy);
    nta_fini(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor c = cursor_over(data, size);

    if (!pairs[0])
        make_keys();
    unsigned mode = cursor_u8(&c);
    if (cursor_failed(&c))
        return 0;
    if (mode == 0)
        check_text((const char *)data + 1, size - 1);
    else if (mode == 1)
        check_nta((const char *)data + 1, size - 1);
    else
        play(&c);
    return 0;
}
