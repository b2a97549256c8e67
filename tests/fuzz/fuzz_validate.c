/* What a reply may hold for the validator: DS, keys, signatures and proofs, good and bad, and
 * the text of trust anchors.  Every check ends within its allowance, what it accepts keeps its
 * bounds, and what a proof says that it used proves the same again.
 *
 * Input: an octet that chooses.  0: the text of anchors follows.  Else the zone and the name
 * that is asked for, a type (2 octets), then records: owner, type, TTL (4 octets), length (2)
 * and RDATA.  The time is that of the corpus. */
#include "base/arena.h"
#include "dns/rrsig.h"
#include "resolver/validate/anchor.h"
#include "resolver/validate/deny.h"
#include "resolver/validate/trust.h"

enum { RECORDS_MAX = 64, NOW = 1800000000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct arena arena;

struct input_record {
    const uint8_t *owner, *rdata;
    uint16_t type, len;
    uint32_t ttl;
    bool is_taken;
};

/* Lifetime: one input. */
struct input {
    const uint8_t *zone, *name;
    uint16_t type;
    struct input_record records[RECORDS_MAX];
    unsigned cnt;
    struct deny_record sets[RECORDS_MAX];
    unsigned set_cnt;
    struct rules rules;
};

static const uint8_t *read_name(struct cursor *c)
{
    size_t len = dname_check(c->data + c->pos, cursor_left(c));
    if (len == 0)
        cursor_fail(c);
    return len ? cursor_bytes(c, len) : NULL;
}

static bool read_input(struct cursor *c, struct input *in)
{
    in->zone = read_name(c);
    in->name = read_name(c);
    in->type = cursor_u16(c);
    if (cursor_failed(c))
        return false;
    while (cursor_more(c) && in->cnt < RECORDS_MAX) {
        struct input_record *r = &in->records[in->cnt];
        r->owner = read_name(c);
        r->type = cursor_u16(c);
        r->ttl = cursor_u32(c) & INT32_MAX;
        r->len = cursor_u16(c);
        r->rdata = cursor_bytes(c, r->len);
        if (cursor_failed(c))
            break;
        if (rdata_check(r->type, r->rdata, r->len) == ERR_OK)
            in->cnt++;
    }
    return true;
}

/* Pack the RRset of record `i`, its signatures behind it: into memory of its own that ends with
 * it, so that a read past the end is seen. */
static struct rrset *pack_set(struct input *in, unsigned i)
{
    struct input_record *first = &in->records[i];
    struct rrset_record records[RECORDS_MAX], sigs[RECORDS_MAX];
    size_t cnt = 0, sig_cnt = 0;

    for (unsigned n = 0; n < in->cnt; n++) {
        struct input_record *r = &in->records[n];
        if (r->is_taken || !dname_is_equal(r->owner, first->owner))
            continue;
        if (r->type == first->type)
            records[cnt++] = (struct rrset_record){r->rdata, r->len};
        else if (r->type == RRTYPE_RRSIG && util_get_u16(r->rdata) == first->type)
            sigs[sig_cnt++] = (struct rrset_record){r->rdata, r->len};
        r->is_taken |= r->type == first->type;
    }
    size_t room = rrset_room(records, cnt);
    struct rrset *set = malloc(room + rrset_room(sigs, sig_cnt));
    size_t used;
    must(set && rrset_pack(first->type, first->ttl, records, cnt, set) == ERR_OK);
    used = sizeof(*set) + set->size;
    if (sig_cnt) {
        struct rrset *behind = (struct rrset *)(void *)((uint8_t *)set + rrset_stride(set));
        set->flags |= RRSET_IS_SIGNED;
        must(rrset_pack(RRTYPE_RRSIG, first->ttl, sigs, sig_cnt, behind) == ERR_OK);
        used = rrset_stride(set) + sizeof(*behind) + behind->size;
    }
    set = realloc(set, used);
    must(set);
    return set;
}

static void check_verdict(const struct verdict *v)
{
    char text[VERDICT_TEXT_MAX];
    must(v->status == VERDICT_SECURE ? v->reason == VERDICT_NONE : v->reason != VERDICT_NONE);
    verdict_print(v, text);
    must((*text == '\0') == (v->reason == VERDICT_NONE));
}

static void check_sets(struct input *in, struct keyset *keys)
{
    struct rules_work work = rules_work_defaults();
    struct sigcheck_found found;

    for (unsigned i = 0; i < in->set_cnt; i++) {
        struct sigcheck check = {.owner = in->sets[i].owner,
                                 .set = in->sets[i].set,
                                 .keys = keys,
                                 .rules = &in->rules};
        struct verdict v = sigcheck_rrset(&check, &work, &arena, &found);
        check_verdict(&v);
        must(v.status != VERDICT_INSECURE);
        if (v.status == VERDICT_SECURE) {
            must(dname_is_under(check.owner, in->zone) && found.ttl <= check.set->ttl);
            must(!found.is_wildcard || (found.encloser_labels >= dname_labels(in->zone) &&
                                        found.encloser_labels < dname_labels(check.owner)));
        }
        for (unsigned k = 0; k < keys->cnt && k < 2; k++) {
            v = sigcheck_by_key(&check, k, &work, &arena, &found);
            check_verdict(&v);
        }
    }
}

static struct rrset *find_set(const struct input *in, uint16_t type)
{
    for (unsigned i = 0; i < in->set_cnt; i++)
        if (in->sets[i].set->type == type && dname_is_equal(in->sets[i].owner, in->zone))
            return (struct rrset *)(uintptr_t)in->sets[i].set;
    return NULL;
}

static void check_chain(struct input *in)
{
    const struct rrset *dnskeys = find_set(in, RRTYPE_DNSKEY);
    struct trust trust = {
        .zone = in->zone, .ds = find_set(in, RRTYPE_DS), .keys = dnskeys, .rules = &in->rules};
    struct rules_work work = rules_work_defaults();
    struct keyset *keys = NULL;
    struct sigcheck_found found;

    struct verdict v = trust_make_keys(&trust, &work, &arena, &keys, &found);
    check_verdict(&v);
    must((v.status == VERDICT_SECURE) == (keys != NULL));
    must((v.status == VERDICT_INSECURE) == (trust_weigh(&trust).status == VERDICT_INSECURE));
    if (!keys && dnskeys && keyset_new(in->zone, dnskeys, &keys) == ERR_OK)
        keyset_trust_all(keys); /* as if an anchor had named them */
    if (keys)
        check_sets(in, keys);
    keyset_free(&keys);
}

/* The `kind`th proof of the name out of some records. */
static struct verdict prove(const struct input *in, unsigned kind,
                            const struct deny_record *records, size_t cnt,
                            struct deny_found *found)
{
    struct rules_work work = rules_work_defaults();
    struct deny deny = {
        .zone = in->zone, .records = records, .cnt = cnt, .rules = &in->rules, .work = &work};
    unsigned labels = dname_labels(in->name);

    switch (kind) {
    case 0: return deny_name(&deny, in->name, found);
    case 1: return deny_type(&deny, in->name, in->type, found);
    case 2: return deny_ds(&deny, in->name, found);
    default: return deny_closer(&deny, in->name, labels > 0 ? in->type % labels : 0, found);
    }
}

static void check_proofs(struct input *in)
{
    for (unsigned kind = 0; kind < (dname_labels(in->name) > 0 ? 4 : 3); kind++) {
        struct deny_record some[RECORDS_MAX];
        struct deny_found found = {.used = 0};
        size_t cnt = 0;
        struct verdict v = prove(in, kind, in->sets, in->set_cnt, &found);
        check_verdict(&v);
        if (v.status != VERDICT_SECURE && v.status != VERDICT_INSECURE)
            continue;
        must(dname_is_under(in->name, in->zone) && found.used != 0);
        for (unsigned i = 0; i < DENY_RECORDS_MAX && i < in->set_cnt; i++)
            if (found.used >> i & 1) {
                must(found.ttl <= in->sets[i].set->ttl);
                some[cnt++] = in->sets[i];
            }
        struct verdict again = prove(in, kind, some, cnt, &found);
        must(again.status == v.status && again.reason == v.reason);
    }
}

static void check_anchors(const char *text, size_t len)
{
    struct anchor_set set = {.cnt = 0};
    struct diag diag;

    diag_init(&diag);
    enum err err = anchor_read(&set, "anchors", text, len, &diag);
    must((err == ERR_CONFIG) == (diag.error_cnt > 0));
    for (size_t i = 0; i < set.cnt; i++) {
        const struct anchor *a = &set.anchors[i];
        must(a->ds || a->keys);
        must(anchor_find(&set, a->zone) == a);
        struct trust trust = {.zone = a->zone,
                              .ds = a->ds,
                              .anchor_keys = a->keys,
                              .rules = &(struct rules){.accepts_sha1 = true}};
        struct verdict v = trust_weigh(&trust);
        check_verdict(&v);
    }
    anchor_fini(&set);
    diag_fini(&diag);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct input in;
    struct cursor c = cursor_over(data, size);

    unsigned mode = cursor_u8(&c);
    if (cursor_failed(&c))
        return 0;
    if (mode == 0) {
        check_anchors((const char *)data + 1, size - 1);
        return 0;
    }
    arena_reset(&arena);
    in = (struct input){.rules = rules_defaults(NOW)};
    in.rules.accepts_sha1 = mode & 2;
    in.rules.skips_time = mode & 4;
    if (!read_input(&c, &in))
        return 0;
    for (unsigned i = 0; i < in.cnt; i++)
        if (!in.records[i].is_taken && in.records[i].type != RRTYPE_RRSIG) {
            const uint8_t *owner = in.records[i].owner;
            in.sets[in.set_cnt++] = (struct deny_record){owner, pack_set(&in, i)};
        }
    check_chain(&in);
    check_proofs(&in);
    for (unsigned i = 0; i < in.set_cnt; i++)
        free((void *)(uintptr_t)in.sets[i].set);
    return 0;
}
