/* Random zones, signed by ldns.  One thing is altered and ldns judges beside us; what a zone
 * does not have is known from the zone itself, so every proof is judged too, and every answer
 * that is synthesised from the denials of the zone in a cache (RFC 8198).  The seed is
 * printed; ROOTLINE_SEED=N replays it, ROOTLINE_ROUNDS=N plays more. */
#include "unit.h"

#include <ldns/ldns.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/now.h"
#include "dns/ds.h"
#include "resolver/answer/aggressive.h"
#include "resolver/cache/cache_denial.h"
#include "resolver/cache/cache_lmdb.h"
#include "resolver/cache/cache_memory.h"
#include "resolver/validate/deny.h"
#include "resolver/validate/sigcheck.h"

enum { NODES_MAX = 24, RECORDS_MAX = 256, NOW = 1800000000, DAY = 86400, ORIGIN_LABELS = 2 };

#define ORIGIN "zone.test."

/* ldns 1.8.3 leaks names that it makes for proofs. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:ldns_rdf_new_frm_data\nleak:ldns_dname_cat\n";
}

/* ---- random numbers ---- */

static uint64_t random_state;

static unsigned draw(unsigned below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)((random_state >> 11) % below);
}

static unsigned rounds_wanted(void)
{
    const char *text = getenv("ROOTLINE_ROUNDS");
    return text ? (unsigned)atoi(text) : 100;
}

/* ---- zones ---- */

enum node_kind { NODE_DATA, NODE_CNAME, NODE_INSECURE, NODE_SECURE, NODE_DNAME };

struct node {
    uint8_t name[DNAME_MAX];
    enum node_kind kind;
    bool has_a, has_txt;
};

enum zone_kind { ZONE_NSEC, ZONE_NSEC3, ZONE_OPT_OUT, ZONE_KINDS };

struct record {
    uint8_t owner[DNAME_MAX];
    uint16_t type;
    uint32_t ttl;
    const uint8_t *rdata;
    uint16_t len;
};

/* Lifetime: one round. */
struct test_zone {
    enum zone_kind kind;
    struct node nodes[NODES_MAX]; /* the apex first */
    unsigned node_cnt;
    struct record records[RECORDS_MAX]; /* signed, with signatures and denial */
    unsigned record_cnt;
    struct keyset *keys;
    struct rrset *dnskeys;
    struct deny_record proofs[NODES_MAX * 2];
    unsigned proof_cnt;
};

static struct arena arena;
static struct test_zone zone;
static ldns_key *signer;
static ldns_key_list *signers; /* the one key */
static uint8_t apex[DNAME_MAX];

static const char *const labels[] = {"a", "b", "C", "d", "*", "\\000", "ab"};

/* A random name at most 4 labels below the apex. */
static void draw_name(char text[64])
{
    unsigned cnt = 1 + draw(4);
    char *at = text;
    for (unsigned i = 0; i < cnt; i++)
        at += sprintf(at, "%s.", labels[draw(ARRAY_LEN(labels))]);
    strcpy(at, ORIGIN);
}

static struct node *find_node(const uint8_t *name)
{
    for (unsigned i = 0; i < zone.node_cnt; i++)
        if (dname_is_equal(zone.nodes[i].name, name))
            return &zone.nodes[i];
    return NULL;
}

static bool is_cut(const struct node *node)
{
    return node->kind == NODE_INSECURE || node->kind == NODE_SECURE;
}

/* True if the name is below a zone cut or a DNAME. */
static bool is_occluded(const uint8_t *name)
{
    for (unsigned n = dname_labels(name); n-- > ORIGIN_LABELS;) {
        const struct node *above = find_node(dname_suffix(name, n));
        if (above && (is_cut(above) || above->kind == NODE_DNAME))
            return true;
    }
    return false;
}

/* True if the name exists: it has records, or a name below it does. */
static bool exists(const uint8_t *name)
{
    for (unsigned i = 0; i < zone.node_cnt; i++)
        if (dname_is_under(zone.nodes[i].name, name))
            return true;
    return false;
}

static unsigned encloser_of(const uint8_t *name)
{
    unsigned n = dname_labels(name);
    while (!exists(dname_suffix(name, n)))
        n--;
    return n;
}

static bool node_has(const struct node *node, uint16_t type)
{
    switch (type) {
    case RRTYPE_A: return node->has_a;
    case RRTYPE_TXT: return node->has_txt;
    case RRTYPE_CNAME: return node->kind == NODE_CNAME;
    case RRTYPE_DNAME: return node->kind == NODE_DNAME;
    case RRTYPE_NS: return is_cut(node) || node == &zone.nodes[0];
    case RRTYPE_SOA: return node == &zone.nodes[0];
    case RRTYPE_DS: return node->kind == NODE_SECURE;
    default: return false;
    }
}

/* Write the zone as text. */
static void draw_zone(FILE *out)
{
    unsigned wanted = 1 + draw(14);

    zone.nodes[0] = (struct node){.kind = NODE_DATA, .has_a = draw(2)};
    memcpy(zone.nodes[0].name, apex, DNAME_MAX);
    zone.node_cnt = 1;
    fprintf(out, ORIGIN " 3600 IN SOA ns host 1 2 3 4 300\n" ORIGIN " 3600 IN NS ns.other.\n");
    if (zone.nodes[0].has_a)
        fprintf(out, ORIGIN " 300 IN A 192.0.2.1\n");
    for (unsigned i = 1; i < wanted; i++) {
        char text[64];
        struct node node = {.kind = NODE_DATA};
        draw_name(text);
        unit_name(text, node.name);
        bool is_wildcard = node.name[0] == 1 && node.name[1] == '*';
        unsigned kind = draw(10);
        if (kind == 0)
            node.kind = NODE_CNAME;
        else if (kind <= 2 && !is_wildcard)
            node.kind = kind == 1 ? NODE_INSECURE : NODE_SECURE;
        else if (kind == 3 && !is_wildcard)
            node.kind = NODE_DNAME;
        if (find_node(node.name) || is_occluded(node.name) ||
            (node.kind != NODE_DATA && node.kind != NODE_CNAME && exists(node.name)))
            continue;
        if (node.kind == NODE_DATA || node.kind == NODE_DNAME) {
            node.has_a = draw(2);
            node.has_txt = !node.has_a || draw(2);
        }
        if (node.has_a)
            fprintf(out, "%s 300 IN A 192.0.2.1\n%s 300 IN A 192.0.2.2\n", text, text);
        if (node.has_txt)
            fprintf(out, "%s 300 IN TXT \"x\"\n", text);
        if (node.kind == NODE_CNAME)
            fprintf(out, "%s 300 IN CNAME Target.Test.\n", text);
        if (node.kind == NODE_DNAME)
            fprintf(out, "%s 300 IN DNAME Target.Test.\n", text);
        if (is_cut(&node))
            fprintf(out, "%s 300 IN NS ns.%s\nns.%s 300 IN A 192.0.2.9\n", text, text, text);
        if (node.kind == NODE_SECURE)
            fprintf(out,
                    "%s 300 IN DS 1 13 2 "
                    "E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n",
                    text);
        zone.nodes[zone.node_cnt++] = node;
    }
}

static void add_record(const ldns_rr *rr)
{
    struct record *r = &zone.records[zone.record_cnt++];
    ldns_buffer *wire = ldns_buffer_new(4096);

    must(zone.record_cnt < RECORDS_MAX);
    memcpy(r->owner, ldns_rdf_data(ldns_rr_owner(rr)), ldns_rdf_size(ldns_rr_owner(rr)));
    r->type = (uint16_t)ldns_rr_get_type(rr);
    r->ttl = ldns_rr_ttl(rr);
    ldns_rr_rdata2buffer_wire(wire, rr);
    r->len = (uint16_t)ldns_buffer_position(wire);
    r->rdata = arena_copy(&arena, ldns_buffer_begin(wire), r->len);
    must(rdata_check(r->type, r->rdata, r->len) == ERR_OK);
    ldns_buffer_free(wire);
}

static void add_rrs(const ldns_dnssec_rrs *rrs)
{
    for (; rrs; rrs = rrs->next)
        add_record(rrs->rr);
}

/* Sign with ldns, and take all records. */
static void sign_zone(const char *text, size_t len)
{
    FILE *in = fmemopen((void *)(uintptr_t)text, len, "r");
    ldns_dnssec_zone *signed_zone = NULL;
    ldns_rr_list *made = ldns_rr_list_new();
    ldns_rdf *origin = ldns_dname_new_frm_str(ORIGIN);
    uint8_t salt[] = {0xaa, 0xbb};

    assert_int_equal(
        ldns_dnssec_zone_new_frm_fp(&signed_zone, in, origin, 3600, LDNS_RR_CLASS_IN),
        LDNS_STATUS_OK);
    fclose(in);
    ldns_dnssec_zone_add_rr(signed_zone, ldns_key2rr(signer));
    ldns_dnssec_zone_mark_glue(signed_zone);
    ldns_status status =
        zone.kind == ZONE_NSEC
            ? ldns_dnssec_zone_sign(signed_zone, made, signers,
                                    ldns_dnssec_default_replace_signatures, NULL)
            : ldns_dnssec_zone_sign_nsec3(
                  signed_zone, made, signers, ldns_dnssec_default_replace_signatures, NULL, 1,
                  zone.kind == ZONE_OPT_OUT, (uint16_t)draw(3), (uint8_t)(draw(2) * 2), salt);
    assert_int_equal(status, LDNS_STATUS_OK);
    for (ldns_rbnode_t *at = ldns_rbtree_first(signed_zone->names); at != LDNS_RBTREE_NULL;
         at = ldns_rbtree_next(at)) {
        const ldns_dnssec_name *name = at->data;
        for (const ldns_dnssec_rrsets *set = name->rrsets; set; set = set->next) {
            add_rrs(set->rrs);
            add_rrs(set->signatures);
        }
        if (name->nsec)
            add_record(name->nsec);
        add_rrs(name->nsec_signatures);
    }
    ldns_rr_list_free(made);
    ldns_dnssec_zone_deep_free(signed_zone);
    ldns_rdf_deep_free(origin);
}

static bool covers(const struct record *sig, uint16_t type)
{
    return sig->type == RRTYPE_RRSIG && util_get_u16(sig->rdata) == type;
}

/* An RRset with its signatures, as both judges get it. */
struct sample {
    uint8_t owner[DNAME_MAX];
    uint16_t type;
    uint32_t ttl;
    struct rrset_record records[16], sigs[4];
    unsigned cnt, sig_cnt;
};

static struct sample take_sample(const struct record *first)
{
    struct sample s = {.type = first->type, .ttl = first->ttl};

    memcpy(s.owner, first->owner, DNAME_MAX);
    for (unsigned i = 0; i < zone.record_cnt; i++) {
        const struct record *r = &zone.records[i];
        if (!dname_is_equal(r->owner, s.owner))
            continue;
        if (r->type == s.type && s.cnt < ARRAY_LEN(s.records))
            s.records[s.cnt++] = (struct rrset_record){r->rdata, r->len};
        else if (covers(r, s.type) && s.sig_cnt < ARRAY_LEN(s.sigs))
            s.sigs[s.sig_cnt++] = (struct rrset_record){r->rdata, r->len};
    }
    return s;
}

static struct rrset *pack_sample(const struct sample *s)
{
    struct sample copy = *s;
    size_t room = rrset_room(copy.records, copy.cnt);
    uint8_t *bytes = arena_alloc(&arena, room + rrset_room(copy.sigs, copy.sig_cnt));
    struct rrset *set = (struct rrset *)(void *)bytes;

    must(rrset_pack(copy.type, copy.ttl, copy.records, copy.cnt, set) == ERR_OK);
    if (copy.sig_cnt) {
        set->flags |= RRSET_IS_SIGNED;
        must(rrset_pack(RRTYPE_RRSIG, copy.ttl, copy.sigs, copy.sig_cnt,
                        (struct rrset *)(void *)(bytes + rrset_stride(set))) == ERR_OK);
    }
    return set;
}

static void make_zone(void)
{
    char *text;
    size_t len;

    arena_reset(&arena);
    keyset_free(&zone.keys);
    zone.record_cnt = zone.proof_cnt = 0;
    zone.kind = (enum zone_kind)draw(ZONE_KINDS);
    FILE *out = open_memstream(&text, &len);
    draw_zone(out);
    fclose(out);
    sign_zone(text, len);
    if (getenv("ROOTLINE_SHOW"))
        printf("%s", text);
    free(text);
    for (unsigned i = 0; i < zone.record_cnt; i++) {
        const struct record *r = &zone.records[i];
        if (r->type == RRTYPE_NSEC || r->type == RRTYPE_NSEC3) {
            struct sample s = take_sample(r);
            must(zone.proof_cnt < ARRAY_LEN(zone.proofs));
            zone.proofs[zone.proof_cnt++] = (struct deny_record){r->owner, pack_sample(&s)};
        } else if (r->type == RRTYPE_DNSKEY) {
            struct sample s = take_sample(r);
            zone.dnskeys = pack_sample(&s);
        }
    }
    must(keyset_new(apex, zone.dnskeys, &zone.keys) == ERR_OK);
    keyset_trust_all(zone.keys);
}

/* ---- signatures ---- */

static ldns_rr *to_ldns(const uint8_t *owner, uint16_t type, uint32_t ttl,
                        const struct rrset_record *r)
{
    uint8_t wire[4096];
    size_t pos = dname_len(owner), at = 0;
    ldns_rr *rr = NULL;

    memcpy(wire, owner, pos);
    util_put_u16(wire + pos, type);
    util_put_u16(wire + pos + 2, 1);
    util_put_u32(wire + pos + 4, ttl);
    util_put_u16(wire + pos + 8, r->len);
    memcpy(wire + pos + 10, r->rdata, r->len);
    return ldns_wire2rr(&rr, wire, pos + 10 + r->len, &at, LDNS_SECTION_ANSWER) ==
                   LDNS_STATUS_OK
               ? rr
               : NULL;
}

/* What ldns says of the signature: 1 good, 0 not, -1 it cannot read the records. */
static int judge_by_ldns(const struct sample *s, const struct rrset_record *dnskey,
                         uint32_t now_s)
{
    ldns_rr_list *set = ldns_rr_list_new(), *sigs = ldns_rr_list_new(),
                 *keys = ldns_rr_list_new();
    int result = -1;
    bool is_read = true;

    for (unsigned i = 0; i < s->cnt; i++) {
        ldns_rr *rr = to_ldns(s->owner, s->type, s->ttl, &s->records[i]);
        is_read &= rr && ldns_rr_list_push_rr(set, rr);
    }
    for (unsigned i = 0; i < s->sig_cnt; i++) {
        ldns_rr *rr = to_ldns(s->owner, RRTYPE_RRSIG, s->ttl, &s->sigs[i]);
        is_read &= rr && ldns_rr_list_push_rr(sigs, rr);
    }
    ldns_rr *key = to_ldns(apex, RRTYPE_DNSKEY, 3600, dnskey);
    is_read &= key && ldns_rr_list_push_rr(keys, key);
    if (is_read)
        result = ldns_verify_time(set, sigs, keys, now_s, NULL) == LDNS_STATUS_OK;
    ldns_rr_list_deep_free(set);
    ldns_rr_list_deep_free(sigs);
    ldns_rr_list_deep_free(keys);
    return result;
}

/* One octet of a record with one bit changed, or NULL if no RDATA is left. */
static const uint8_t *alter_bit(uint16_t type, const struct rrset_record *r)
{
    uint8_t *copy = arena_copy(&arena, r->rdata, r->len);
    must(copy);
    copy[draw(r->len)] ^= (uint8_t)(1 << draw(8));
    return rdata_check(type, copy, r->len) == ERR_OK ? copy : NULL;
}

struct altered {
    struct sample sample;
    struct rrset_record dnskey;
    uint32_t now_s;
    const char *what;
};

static bool alter(struct altered *a)
{
    struct sample *s = &a->sample;
    struct rrset_record *r;
    uint16_t type;

    switch (draw(8)) {
    case 0: a->what = "nothing"; return true;
    case 1:
        a->what = "signature";
        type = RRTYPE_RRSIG;
        r = &s->sigs[draw(s->sig_cnt)];
        break;
    case 2:
        a->what = "data";
        type = s->type;
        r = &s->records[draw(s->cnt)];
        break;
    case 3:
        a->what = "key";
        type = RRTYPE_DNSKEY;
        r = &a->dnskey;
        break;
    case 4:
        a->what = "time";
        a->now_s = (uint32_t)(NOW - 2 * DAY + (int)draw(4 * DAY));
        return true;
    case 5:
        a->what = "a record is gone";
        s->cnt -= s->cnt > 1;
        return true;
    case 6: /* of the owner: letters only */
        a->what = "owner";
        s->owner[1] ^= draw(2) ? 0x20 : 1;
        return util_lower(s->owner[1]) >= 'a' && util_lower(s->owner[1]) <= 'z';
    default:
        a->what = "TTL";
        s->ttl ^= 1U << draw(16);
        return true;
    }
    if (r->len == 0)
        return false;
    r->rdata = alter_bit(type, r);
    return r->rdata != NULL;
}

static enum verdict_reason judge_by_us(const struct altered *a)
{
    struct rrset_record dnskey = a->dnskey;
    struct rrset *keys_set = arena_alloc(&arena, rrset_room(&dnskey, 1));
    struct keyset *keys = NULL;
    struct rules rules = rules_defaults(a->now_s);
    struct rules_work work = {
        .verifications_left = 100, .failures_left = 100, .hashes_left = 100};
    struct sigcheck_found found;

    rules.skew_s = 0;
    must(rrset_pack(RRTYPE_DNSKEY, 3600, &dnskey, 1, keys_set) == ERR_OK);
    must(keyset_new(apex, keys_set, &keys) == ERR_OK);
    keyset_trust_all(keys);
    struct sigcheck in = {.owner = a->sample.owner,
                          .set = pack_sample(&a->sample),
                          .keys = keys,
                          .rules = &rules};
    struct verdict v = sigcheck_rrset(&in, &work, &arena, &found);
    keyset_free(&keys);
    must(v.status != VERDICT_UNKNOWN);
    return v.reason;
}

static unsigned check_altered(unsigned *good)
{
    struct rrset_record dnskey = rrset_first(zone.dnskeys);
    const struct record *r = &zone.records[draw(zone.record_cnt)];
    struct altered a = {.dnskey = dnskey, .now_s = NOW, .what = "?"};

    if (r->type == RRTYPE_RRSIG)
        return 0;
    a.sample = take_sample(r);
    if (a.sample.sig_cnt == 0 || !alter(&a))
        return 0;
    int by_ldns = judge_by_ldns(&a.sample, &a.dnskey, a.now_s);
    enum verdict_reason reason = judge_by_us(&a);
    *good += reason == VERDICT_NONE;
    if (by_ldns >= 0 && by_ldns != (reason == VERDICT_NONE)) {
        char owner[DNAME_TEXT_MAX];
        dname_text_print(a.sample.owner, owner);
        print_message("%s type %u, altered: %s: ldns %d, ours %s\n", owner, a.sample.type,
                      a.what, by_ldns, verdict_reason_name(reason));
        fail();
    }
    return 1;
}

/* ---- proofs ---- */

enum claim_kind { CLAIM_NAME, CLAIM_TYPE, CLAIM_CLOSER, CLAIM_DS, CLAIM_KINDS };

struct claim {
    enum claim_kind kind;
    uint8_t name[DNAME_MAX];
    uint16_t type;
    unsigned encloser_labels;
};

static bool is_lacking(const struct node *node, uint16_t type)
{
    return !node || (!node_has(node, type) && !node_has(node, RRTYPE_CNAME));
}

/* Whether the zone itself says so, and may say so. */
static bool is_true(const struct claim *c)
{
    const struct node *node = find_node(c->name);
    uint8_t wildcard[DNAME_MAX + 2] = "\1*";
    unsigned encloser = encloser_of(c->name);

    if (is_occluded(c->name))
        return false;
    memcpy(wildcard + 2, dname_suffix(c->name, encloser),
           dname_len(dname_suffix(c->name, encloser)));
    switch (c->kind) {
    case CLAIM_NAME: return !exists(c->name) && !exists(wildcard);
    case CLAIM_TYPE:
        if (node == &zone.nodes[0] && c->type == RRTYPE_DS)
            return false; /* not this zone's */
        if (node && is_cut(node))
            return c->type == RRTYPE_DS && node->kind == NODE_INSECURE;
        if (exists(c->name))
            return is_lacking(node, c->type);
        return exists(wildcard) && is_lacking(find_node(wildcard), c->type);
    case CLAIM_CLOSER: return !exists(c->name) && c->encloser_labels == encloser;
    default: return node != &zone.nodes[0] && !(node && node->kind == NODE_SECURE);
    }
}

static struct claim draw_claim(void)
{
    static const uint16_t types[] = {RRTYPE_A,  RRTYPE_TXT, RRTYPE_CNAME, RRTYPE_NS,
                                     RRTYPE_DS, RRTYPE_SOA, RRTYPE_DNAME, RRTYPE_MX};
    struct claim c = {.kind = (enum claim_kind)draw(CLAIM_KINDS)};
    char text[64];

    draw_name(text);
    unit_name(text, c.name);
    if (draw(3) == 0)
        memcpy(c.name, zone.nodes[draw(zone.node_cnt)].name, DNAME_MAX);
    c.type = types[draw(ARRAY_LEN(types))];
    if (c.kind == CLAIM_CLOSER) {
        unsigned cnt = dname_labels(c.name), most = encloser_of(c.name);
        if (cnt == ORIGIN_LABELS || is_occluded(c.name)) /* no wildcard is signed there */
            c.kind = CLAIM_DS;
        else /* the wildcard is signed, so its encloser is known to exist */
            c.encloser_labels =
                ORIGIN_LABELS + draw((unsigned)util_min(most, cnt - 1) - ORIGIN_LABELS + 1);
    }
    return c;
}

static struct verdict prove(const struct claim *c, const struct deny_record *records,
                            size_t cnt, struct deny_found *found)
{
    struct rules rules = rules_defaults(NOW);
    struct rules_work work = rules_work_defaults();
    struct deny in = {
        .zone = apex, .records = records, .cnt = cnt, .rules = &rules, .work = &work};

    switch (c->kind) {
    case CLAIM_NAME: return deny_name(&in, c->name, found);
    case CLAIM_TYPE: return deny_type(&in, c->name, c->type, found);
    case CLAIM_CLOSER: return deny_closer(&in, c->name, c->encloser_labels, found);
    default: return deny_ds(&in, c->name, found);
    }
}

static void complain(const struct claim *c, const struct verdict *v, bool is_whole)
{
    char name[DNAME_TEXT_MAX];
    dname_text_print(c->name, name);
    print_message(
        "zone of kind %u, claim %u of %s type %u, encloser %u, %s: %s, %s; truth %d\n",
        zone.kind, c->kind, name, c->type, c->encloser_labels,
        is_whole ? "all records" : "some records", verdict_status_name(v->status),
        verdict_reason_name(v->reason), is_true(c));
    fail();
}

/* True if an opt-out span may leave the name out: an insecure delegation is at, above or below
 * it, or it does not exist. */
static bool may_be_left_out(const uint8_t *name)
{
    for (unsigned i = 0; i < zone.node_cnt; i++)
        if (zone.nodes[i].kind == NODE_INSECURE && (dname_is_under(zone.nodes[i].name, name) ||
                                                    dname_is_under(name, zone.nodes[i].name)))
            return true;
    return !exists(name);
}

/* What ldns says of a proof of NXDOMAIN or NODATA. */
static bool is_proof_for_ldns(const struct claim *c, const struct deny_record *records,
                              size_t cnt)
{
    ldns_rr_list *set = ldns_rr_list_new(), *sigs = ldns_rr_list_new();
    ldns_rr *rr = ldns_rr_new();
    ldns_rr_set_owner(rr,
                      ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, dname_len(c->name), c->name));
    ldns_rr_set_type(rr, (ldns_rr_type)c->type);
    for (size_t i = 0; i < cnt; i++) {
        struct rrset_record r = rrset_first(records[i].set);
        ldns_rr_list_push_rr(set, to_ldns(records[i].owner, records[i].set->type, 300, &r));
        r = rrset_first(rrset_signatures(records[i].set));
        ldns_rr_list_push_rr(sigs, to_ldns(records[i].owner, RRTYPE_RRSIG, 300, &r));
    }
    ldns_status status =
        cnt == 0 ? LDNS_STATUS_ERR
        : zone.kind == ZONE_NSEC
            ? ldns_dnssec_verify_denial(rr, set, sigs)
            : ldns_dnssec_verify_denial_nsec3(rr, set, sigs,
                                              c->kind == CLAIM_NAME ? LDNS_RCODE_NXDOMAIN
                                                                    : LDNS_RCODE_NOERROR,
                                              (ldns_rr_type)c->type, c->kind == CLAIM_TYPE);
    ldns_rr_free(rr);
    ldns_rr_list_deep_free(set);
    ldns_rr_list_deep_free(sigs);
    return status == LDNS_STATUS_OK;
}

static unsigned check_claim(unsigned *proved, unsigned *opted_out)
{
    struct claim c = draw_claim();
    struct deny_record some[NODES_MAX * 2];
    struct deny_found found = {.is_cut = false};
    struct verdict v;
    unsigned cnt = 0, more;
    bool is_so = is_true(&c);

    if (zone.proof_cnt > DENY_RECORDS_MAX)
        return 0;
    v = prove(&c, zone.proofs, zone.proof_cnt, &found);
    *opted_out += v.status == VERDICT_INSECURE;
    bool may_opt_out = zone.kind == ZONE_OPT_OUT && may_be_left_out(c.name);
    if (v.status == VERDICT_SECURE     ? !is_so
        : v.status == VERDICT_INSECURE ? !may_opt_out
                                       : is_so)
        complain(&c, &v, true);
    const struct node *node = find_node(c.name);
    if (c.kind == CLAIM_DS && v.status == VERDICT_SECURE &&
        found.is_cut != (node && is_cut(node)))
        complain(&c, &v, true);
    if (v.status == VERDICT_SECURE) {
        /* what is said to have been used is enough */
        for (unsigned i = 0; i < zone.proof_cnt; i++)
            if (found.used >> i & 1)
                some[cnt++] = zone.proofs[i];
        struct verdict again = prove(&c, some, cnt, &found);
        if (again.status != VERDICT_SECURE)
            complain(&c, &again, false);
        /* ldns knows no empty non-terminal of NSEC, and no DS that a wildcard lacks with NSEC3
         */
        bool is_empty = zone.kind == ZONE_NSEC && !find_node(c.name) && exists(c.name);
        bool is_wildcard_ds = found.is_wildcard && c.type == RRTYPE_DS;
        if (c.kind <= CLAIM_TYPE && !is_empty && !is_wildcard_ds &&
            !is_proof_for_ldns(&c, some, cnt))
            complain(&c, &again, false);
        ++*proved;
        more = cnt;
    } else
        more = zone.proof_cnt;
    /* less proves nothing that is not so */
    cnt = 0;
    for (unsigned i = 0; i < zone.proof_cnt; i++)
        if (draw(more + 1) > 0 && draw(3) > 0)
            some[cnt++] = zone.proofs[i];
    v = prove(&c, some, cnt, &found);
    if ((v.status == VERDICT_SECURE && !is_so) ||
        (v.status == VERDICT_INSECURE && !may_opt_out))
        complain(&c, &v, false);
    return 1;
}

/* ---- synthesised answers ---- */

/* Caches on both stores.  Each round has a trust of its own, so it finds nothing of earlier
 * ones. */
static char folder[] = "/tmp/rootline-oracle-XXXXXX";
static struct cache_lmdb *disk;
static struct cache caches[2];

static int open_caches(void **state)
{
    struct cache_lmdb_conf conf = {.directory = folder, .size = 64 << 20, .worker_cnt = 1};
    struct fault fault;

    (void)state;
    now_freeze((int64_t)NOW * 1000);
    must(mkdtemp(folder) && cache_lmdb_open(&conf, &disk, &fault) == ERR_OK &&
         cache_lmdb_view(disk, &caches[0].store) == ERR_OK &&
         cache_memory_new(64 << 20, &caches[1].store) == ERR_OK);
    for (unsigned i = 0; i < 2; i++) {
        caches[i].ttls = (struct cache_ttls){.max = DAY, .negative_max = 3600};
        caches[i].is_validating = true;
    }
    return 0;
}

static int close_caches(void **state)
{
    static const char *const files[] = {CACHE_DISK_FILE, CACHE_DISK_FILE "-lock"};
    char path[100];

    (void)state;
    for (unsigned i = 0; i < 2; i++)
        caches[i].store->free(&caches[i].store);
    cache_lmdb_free(&disk);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static struct rrset *find_zone_rrset(const uint8_t *owner, uint16_t type)
{
    for (unsigned i = 0; i < zone.record_cnt; i++)
        if (zone.records[i].type == type && dname_is_equal(zone.records[i].owner, owner)) {
            struct sample s = take_sample(&zone.records[i]);
            return pack_sample(&s);
        }
    return NULL;
}

/* Cache denials, in replies of one or several, and RRsets of wildcards; all, or some. */
static void fill_cache(struct cache *cache, bool is_whole)
{
    static const uint16_t types[] = {RRTYPE_A, RRTYPE_TXT, RRTYPE_CNAME};
    struct cache_proof denials[NODES_MAX * 2];
    struct cache_denial_source source = {.zone = apex,
                                         .denials = denials,
                                         .soa = find_zone_rrset(apex, RRTYPE_SOA),
                                         .now_ms = now_wall_ms()};
    struct cache_origin origin = {
        .rank = CACHE_AUTH_ANSWER, .now_ms = now_wall_ms(), .security = CACHE_SECURE};
    struct cache_flushing flushing = {.space = 0};
    struct cache_name root_name;
    size_t flushed_cnt = 0;

    cache_name_init(&root_name, (const uint8_t *)"");
    cache->trust++;
    while (is_whole && cache_flush_below(cache, &root_name, &flushing, &flushed_cnt))
        (void)cache->store->sync(cache->store);
    (void)cache->store->sync(cache->store); /* the last deletions too */
    for (unsigned i = 0; i < zone.proof_cnt; i++) {
        if (is_whole || draw(3) > 0)
            denials[source.cnt++] =
                (struct cache_proof){zone.proofs[i].owner, zone.proofs[i].set};
        if (draw(2) == 0 || i + 1 == zone.proof_cnt) {
            cache_denial_put(cache, &source, &arena);
            source.cnt = 0;
        }
        if (draw(4) == 0)
            (void)cache->store->sync(cache->store);
    }
    for (unsigned i = 0; i < zone.node_cnt; i++)
        for (size_t t = 0; t < ARRAY_LEN(types); t++) {
            const uint8_t *owner = zone.nodes[i].name;
            struct rrset *set = find_zone_rrset(owner, types[t]);
            if (set && owner[0] == 1 && owner[1] == '*' && (is_whole || draw(2)))
                must(cache_put(cache, owner, set, &origin) == ERR_OK);
        }
}

/* Cache data of a name that is called "*" and is no wildcard of this zone: the apex of a zone,
 * whose signature has another label count. */
static void cache_false_wildcard(struct cache *cache)
{
    const struct node *node = &zone.nodes[draw(zone.node_cnt)];
    struct cache_origin origin = {
        .rank = CACHE_AUTH_ANSWER, .now_ms = now_wall_ms(), .security = CACHE_SECURE};
    uint8_t owner[DNAME_MAX];

    struct rrset *set = find_zone_rrset(node->name, RRTYPE_A);
    if (set && node != zone.nodes && !exists(unit_name("*." ORIGIN, owner)))
        must(cache_put(cache, owner, set, &origin) == ERR_OK);
}

static const char *const kinds[] = {"nothing", "data", "NODATA", "NXDOMAIN"};

static void complain_of_answer(const struct claim *c, unsigned kind, bool is_whole)
{
    char name[DNAME_TEXT_MAX];
    dname_text_print(c->name, name);
    fail_msg("zone of kind %u, %s type %u, %s: %s is synthesised", zone.kind, name, c->type,
             is_whole ? "all denials" : "some denials", kinds[kind]);
}

/* Check the records of a synthesised answer as a client would: what it has is enough. */
static bool proves_itself(const struct claim *c, const struct cache_found *found)
{
    struct claim claim = *c;
    struct deny_record records[CACHE_PROOFS_MAX];
    struct deny_found unused;

    for (unsigned i = 0; i < found->proofs.cnt; i++)
        records[i] = (struct deny_record){found->proofs.at[i].owner, found->proofs.at[i].set};
    claim.kind = found->kind == CACHE_NXDOMAIN ? CLAIM_NAME
                 : found->kind == CACHE_NODATA ? CLAIM_TYPE
                                               : CLAIM_CLOSER;
    claim.encloser_labels = encloser_of(c->name);
    return prove(&claim, records, found->proofs.cnt, &unused).status == VERDICT_SECURE &&
           (found->kind == CACHE_DATA ||
            (found->set->type == RRTYPE_SOA && dname_is_equal(found->soa_owner, apex)));
}

/* Return what the zone says that cached denials and wildcards can say. */
static unsigned truth_of(const struct claim *c)
{
    struct claim claim = *c;
    uint8_t wildcard[DNAME_MAX + 2] = "\1*";
    const uint8_t *encloser = dname_suffix(c->name, encloser_of(c->name));

    memcpy(wildcard + 2, encloser, dname_len(encloser));
    const struct node *node = find_node(wildcard);
    if (!is_occluded(c->name) && !exists(c->name) && node &&
        (node_has(node, c->type) || node->kind == NODE_CNAME))
        return CACHE_DATA;
    claim.kind = CLAIM_NAME;
    if (is_true(&claim))
        return CACHE_NXDOMAIN;
    claim.kind = CLAIM_TYPE;
    return is_true(&claim) ? CACHE_NODATA : 0;
}

static void check_synthesis(struct cache *cache, bool is_whole, unsigned answered[4])
{
    struct claim c = draw_claim();
    struct cache_time when = {.now_ms = now_wall_ms(), .since_ms = INT64_MAX};
    struct rules_work work = {.hashes_left = AGGRESSIVE_HASHES};
    struct cache_found found;
    struct cache_name name;

    if (dname_is_equal(c.name, apex) && c.type == RRTYPE_DS)
        return; /* the parent is asked */
    cache_name_init(&name, c.name);
    struct aggressive in = {.cache = cache,
                            .name = &name,
                            .type = c.type,
                            .zone_labels = ORIGIN_LABELS,
                            .when = &when,
                            .rules = rules_defaults(NOW),
                            .work = &work,
                            .arena = &arena};
    bool is_answered = aggressive_answer(&in, &found);
    unsigned truth = truth_of(&c), kind = is_answered ? found.kind : 0;
    /* cached data contradict, or wildcards are left out for the type */
    bool may_miss = (c.name[0] == 1 && c.name[1] == '*') ||
                    (truth == CACHE_DATA && c.type != RRTYPE_A && c.type != RRTYPE_TXT &&
                     c.type != RRTYPE_CNAME && c.type != RRTYPE_MX);
    if (is_answered && (kind != truth || !proves_itself(&c, &found) || found.ttl == 0 ||
                        found.ttl > 3600 || (kind != CACHE_DATA && found.ttl > 300)))
        complain_of_answer(&c, kind, is_whole);
    if (!is_answered && is_whole && truth && zone.kind != ZONE_OPT_OUT && !may_miss)
        complain_of_answer(&c, 0, is_whole);
    answered[kind]++;
}

static void synthesised_answers_are_those_of_the_zone(void **state)
{
    unsigned answered[4] = {0};

    (void)state;
    for (unsigned round = 2 * rounds_wanted(); round > 0; round--) {
        struct cache *cache = &caches[round % 2];
        bool is_whole = draw(2);
        make_zone();
        fill_cache(cache, is_whole);
        cache_false_wildcard(cache);
        for (unsigned i = 0; i < 100; i++)
            check_synthesis(cache, is_whole, answered);
        (void)cache->store->sync(cache->store);
    }
    print_message("%u not answered, %u data, %u NODATA, %u NXDOMAIN\n", answered[0],
                  answered[CACHE_DATA], answered[CACHE_NODATA], answered[CACHE_NXDOMAIN]);
    for (unsigned i = 0; i < 4; i++)
        assert_true(answered[i] > rounds_wanted() / 4);
}

/* ---- digests ---- */

/* A DS of a key, one bit of either altered, or nothing: ldns and ours agree. */
static unsigned check_digest(void)
{
    static const ldns_hash digests[] = {LDNS_SHA1, LDNS_SHA256, LDNS_SHA384};
    struct rrset_record key = rrset_first(zone.dnskeys), ds = {.rdata = NULL};
    ldns_rr *key_rr = to_ldns(apex, RRTYPE_DNSKEY, 3600, &key);
    ldns_rr *ds_rr = ldns_key_rr2ds(key_rr, digests[draw(ARRAY_LEN(digests))]);
    ldns_buffer *wire = ldns_buffer_new(512);
    unsigned altered = draw(3);

    ldns_rr_rdata2buffer_wire(wire, ds_rr);
    ds = (struct rrset_record){ldns_buffer_begin(wire), (uint16_t)ldns_buffer_position(wire)};
    if (altered > 0) {
        struct rrset_record *r = altered == 1 ? &ds : &key;
        r->rdata = alter_bit(altered == 1 ? RRTYPE_DS : RRTYPE_DNSKEY, r);
    }
    ldns_rr_free(key_rr);
    ldns_rr_free(ds_rr);
    key_rr = to_ldns(apex, RRTYPE_DNSKEY, 3600, &key);
    ds_rr = to_ldns(apex, RRTYPE_DS, 3600, &ds);
    struct ds fields = ds_read(ds.rdata, ds.len);
    struct dnskey names = dnskey_read(key.rdata, key.len);
    bool is_ours = fields.tag == names.tag && fields.algorithm == names.algorithm &&
                   ds_match(&fields, apex, key.rdata, key.len) == ERR_OK;
    assert_int_equal(is_ours, ldns_rr_compare_ds(key_rr, ds_rr));
    ldns_rr_free(key_rr);
    ldns_rr_free(ds_rr);
    ldns_buffer_free(wire);
    return is_ours;
}

/* ---- rounds ---- */

static int start(void **state)
{
    const char *seed = getenv("ROOTLINE_SEED");
    (void)state;
    random_state = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
    random_state += !random_state;
    print_message("ROOTLINE_SEED=%llu\n", (unsigned long long)random_state);
    hash_init();
    arena_init(&arena, 0);
    unit_name(ORIGIN, apex);
    signer = ldns_key_new_frm_algorithm(LDNS_SIGN_ED25519, 256);
    ldns_key_set_pubkey_owner(signer, ldns_dname_new_frm_str(ORIGIN));
    ldns_key_set_flags(signer, LDNS_KEY_ZONE_KEY);
    ldns_rr *rr = ldns_key2rr(signer);
    ldns_key_set_keytag(signer, ldns_calc_keytag(rr));
    ldns_rr_free(rr);
    ldns_key_set_inception(signer, NOW - DAY);
    ldns_key_set_expiration(signer, NOW + DAY);
    ldns_key_set_origttl(signer, 3600);
    signers = ldns_key_list_new();
    ldns_key_list_push_key(signers, signer);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    keyset_free(&zone.keys);
    ldns_key_list_free(signers); /* and the key in it */
    arena_fini(&arena);
    return 0;
}

static void what_ldns_signs_is_secure(void **state)
{
    unsigned cnt = 0;
    (void)state;
    for (unsigned round = rounds_wanted(); round > 0; round--) {
        make_zone();
        for (unsigned i = 0; i < zone.record_cnt; i++) {
            struct altered a = {.dnskey = rrset_first(zone.dnskeys), .now_s = NOW};
            if (zone.records[i].type == RRTYPE_RRSIG)
                continue;
            a.sample = take_sample(&zone.records[i]);
            if (a.sample.sig_cnt == 0)
                continue;
            assert_int_equal(judge_by_us(&a), VERDICT_NONE);
            cnt++;
        }
    }
    print_message("%u RRsets\n", cnt);
}

static void ldns_agrees_on_signatures(void **state)
{
    unsigned cnt = 0, good = 0;
    (void)state;
    for (unsigned round = rounds_wanted(); round > 0; round--) {
        make_zone();
        for (unsigned i = 0; i < 100; i++)
            cnt += check_altered(&good);
    }
    print_message("%u cases, %u of them secure\n", cnt, good);
    assert_in_range(good, cnt / 10, cnt * 9 / 10);
}

static void ldns_agrees_on_digests(void **state)
{
    unsigned good = 0;
    (void)state;
    make_zone();
    for (unsigned i = 0; i < 1000; i++)
        good += check_digest();
    assert_in_range(good, 200, 500);
}

static void proofs_are_sound_and_complete(void **state)
{
    unsigned cnt = 0, proved = 0, opted_out = 0;
    (void)state;
    for (unsigned round = rounds_wanted(); round > 0; round--) {
        make_zone();
        for (unsigned i = 0; i < 300; i++)
            cnt += check_claim(&proved, &opted_out);
    }
    print_message("%u claims, %u proved, %u insecure by opt-out\n", cnt, proved, opted_out);
    assert_true(opted_out > 0);
    assert_in_range(proved, cnt / 10, cnt * 9 / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_ldns_signs_is_secure),
        cmocka_unit_test(ldns_agrees_on_signatures),
        cmocka_unit_test(ldns_agrees_on_digests),
        cmocka_unit_test(proofs_are_sound_and_complete),
        cmocka_unit_test_setup_teardown(synthesised_answers_are_those_of_the_zone, open_caches,
                                        close_caches),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
