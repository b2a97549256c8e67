/* One short function per kind.  Each gets a valid reply that has no records yet, and the end of
 * the reply is written after it. */
#include "tools/lab/mischief.h"

enum {
    NAMES_MANY = 60,
    SERVERS_MANY = 13,
    COPIES_MANY = 100,
    RECORDS_MANY = 4500, /* more than fit */
    POINTER = 0xc000,
};

static const uint8_t good_octets[] = {192, 0, 2, 1}, root_name[] = {0};

/* ---- parts that several kinds share ---- */

/* Return the first label of the QNAME as text, in lower case: resolvers mix the case. */
static const char *print_first_label(const struct misreply *m, char out[DNAME_LABEL_MAX + 1])
{
    for (size_t i = 0; i < m->name[0]; i++)
        out[i] = (char)util_lower(m->name[1 + i]);
    out[m->name[0]] = '\0';
    return out;
}

static bool has_first_label(const struct misreply *m, const char *label)
{
    return m->name[0] == strlen(label) &&
           util_is_same(m->name + 1, (const uint8_t *)label, m->name[0]);
}

/* Return the offset of the next octet of the message. */
static uint16_t find_end(const struct misreply *m) { return (uint16_t)m->b.len; }

/* Add an A record, of which only the owner is wrong. */
static void add_odd_owner(struct misreply *m, const void *owner, size_t len)
{
    misreply_add_raw(m, MESSAGE_ANSWER,
                     &(struct misreply_record){.owner = owner,
                                               .owner_len = len,
                                               .ttl = MISREPLY_TTL,
                                               .rdata = good_octets,
                                               .len = sizeof(good_octets)});
}

static void add_pointer_owner(struct misreply *m, unsigned at)
{
    uint8_t pointer[2];
    util_put_u16(pointer, (uint16_t)(POINTER | at));
    add_odd_owner(m, pointer, sizeof(pointer));
}

/* Answer with a CNAME to LABEL.KIND.ZONE. */
static void add_alias(struct misreply *m, const char *label)
{
    uint8_t target[DNAME_MAX];
    misreply_add_name(m, MESSAGE_ANSWER, m->name, RRTYPE_CNAME,
                      misreply_name(label, m->zone, target));
}

/* Refer `owner` to the server LABEL.PARENT, without its address. */
static void refer_without_glue(struct misreply *m, const uint8_t *owner, const char *label,
                               const uint8_t *parent)
{
    uint8_t server[DNAME_MAX];
    m->flags &= (uint16_t)~MESSAGE_AA;
    misreply_add_name(m, MESSAGE_AUTHORITY, owner, RRTYPE_NS,
                      misreply_name(label, parent, server));
}

/* Refer `owner` to the kind's own server. */
static void refer_to_own(struct misreply *m, const uint8_t *owner)
{
    uint8_t server[DNAME_MAX];
    m->flags &= (uint16_t)~MESSAGE_AA;
    misreply_add_server(m, owner, misreply_name("ns1", m->zone, server), m->first);
}

/* Write a question with another name, type and class in place of that of the query. */
static void write_question(struct misreply *m, const uint8_t *name, uint16_t type,
                           uint16_t class)
{
    size_t len = dname_len(name);
    misreply_drop_question(m);
    memcpy(m->wire + m->b.len, name, len);
    util_put_u16(m->wire + m->b.len + len, type);
    util_put_u16(m->wire + m->b.len + len + 2, class);
    m->b.len += len + 4;
    m->b.cnt[MESSAGE_QUESTION] = 1;
}

static void send_forged_first(struct misreply *m)
{
    misreply_add_a(m, MESSAGE_ANSWER, m->name, MISREPLY_FORGED);
    misreply_flush(m);
}

/* ---- no fault, silence, response codes ---- */

static void play_good(struct misreply *m) { misreply_add_answer(m); }

static void play_silence(struct misreply *m) { m->is_silent = true; }

static void play_rcode(struct misreply *m) { m->rcode = (uint16_t)m->number; }

static void play_rcode_with_data(struct misreply *m)
{
    misreply_add_answer(m);
    m->rcode = (uint16_t)m->number;
}

static void play_empty_without_aa(struct misreply *m) { m->flags &= (uint16_t)~MESSAGE_AA; }

static void play_first_lost(struct misreply *m)
{
    m->is_silent = m->earlier < m->number;
    misreply_add_answer(m);
}

static void play_lossy(struct misreply *m)
{
    m->is_silent = rng_below(&m->rng, 100) < m->number;
    misreply_add_answer(m);
}

static void play_late(struct misreply *m)
{
    misreply_add_answer(m);
    m->delay_ms = m->number;
}

/* ---- referrals ---- */

static void play_referral_up(struct misreply *m) { refer_to_own(m, root_name); }

static void play_referral_to_parent(struct misreply *m) { refer_to_own(m, m->apex); }

static void play_referral_to_itself(struct misreply *m) { refer_to_own(m, m->zone); }

static void play_referral_down(struct misreply *m) { refer_to_own(m, m->name); }

static void play_referral_sideways(struct misreply *m) { refer_to_own(m, m->victim); }

static void play_ns_without_glue(struct misreply *m)
{
    refer_without_glue(m, m->zone, "ns1", m->zone);
}

static void play_ns_is_alias(struct misreply *m)
{
    refer_without_glue(m, m->zone, "alias", m->apex);
}

static void play_ns_does_not_exist(struct misreply *m)
{
    refer_without_glue(m, m->zone, "no-such-kind", m->apex);
}

static void play_ns_is_address(struct misreply *m)
{
    refer_without_glue(m, m->zone, "192.0.2.1", root_name);
}

static void play_ns_is_root(struct misreply *m)
{
    m->flags &= (uint16_t)~MESSAGE_AA;
    misreply_add_name(m, MESSAGE_AUTHORITY, m->zone, RRTYPE_NS, root_name);
}

static void play_ns_loop(struct misreply *m)
{
    bool is_other = dname_labels(m->child) > dname_labels(m->zone) && m->child[0] == 5 &&
                    util_is_same(m->child + 1, (const uint8_t *)"other", 5);
    refer_without_glue(m, m->child, is_other ? "ns.www" : "ns.other", m->zone);
}

static void play_ns_many(struct misreply *m)
{
    char label[16];
    for (unsigned i = 0; i < NAMES_MANY; i++) {
        snprintf(label, sizeof(label), "n%u", i);
        refer_without_glue(m, m->child, label, m->victim);
    }
}

/* As many servers as the root has. */
static void play_ns_all_silent(struct misreply *m)
{
    char label[16];
    uint8_t server[DNAME_MAX];

    m->is_silent = m->host == m->first;
    m->flags &= (uint16_t)~MESSAGE_AA;
    for (int section = MESSAGE_AUTHORITY; section <= MESSAGE_ADDITIONAL; section++)
        for (unsigned i = 0; i < SERVERS_MANY; i++) {
            snprintf(label, sizeof(label), "ns%u", i);
            misreply_name(label, m->zone, server);
            if (section == MESSAGE_AUTHORITY)
                misreply_add_name(m, MESSAGE_AUTHORITY, m->zone, RRTYPE_NS, server);
            else
                misreply_add_host(m, MESSAGE_ADDITIONAL, server, RRTYPE_ANY, m->first);
        }
}

static void play_glue_forged(struct misreply *m)
{
    m->flags &= (uint16_t)~MESSAGE_AA;
    misreply_add_name(m, MESSAGE_AUTHORITY, m->child, RRTYPE_NS, m->victim);
    misreply_add_a(m, MESSAGE_ADDITIONAL, m->victim, MISREPLY_FORGED);
}

static void play_glue_odd(struct misreply *m)
{
    static const char *const odd[] = {"0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1"};
    uint8_t server[DNAME_MAX];

    m->flags &= (uint16_t)~MESSAGE_AA;
    misreply_name("ns1", m->zone, server);
    misreply_add_name(m, MESSAGE_AUTHORITY, m->zone, RRTYPE_NS, server);
    for (size_t i = 0; i < ARRAY_LEN(odd); i++)
        misreply_add_a(m, MESSAGE_ADDITIONAL, server, odd[i]);
}

/* ---- the header ---- */

static void play_wrong_id(struct misreply *m)
{
    m->id ^= (uint16_t)(1 + rng_below(&m->rng, 65535));
    misreply_add_a(m, MESSAGE_ANSWER, m->name, MISREPLY_FORGED);
}

static void play_wrong_id_first(struct misreply *m)
{
    m->id ^= (uint16_t)(1 + rng_below(&m->rng, 65535));
    send_forged_first(m);
    misreply_add_answer(m);
}

static void play_wrong_ids_many(struct misreply *m)
{
    for (unsigned i = 0; !m->is_tcp && i < COPIES_MANY; i++) {
        m->id ^= (uint16_t)(1 + rng_below(&m->rng, 65535));
        send_forged_first(m);
    }
    misreply_add_answer(m);
}

static void play_qr_clear(struct misreply *m)
{
    misreply_add_a(m, MESSAGE_ANSWER, m->name, MISREPLY_FORGED);
    m->flags &= (uint16_t)~MESSAGE_QR;
}

static void play_opcode_changed(struct misreply *m)
{
    misreply_add_a(m, MESSAGE_ANSWER, m->name, MISREPLY_FORGED);
    m->flags = (uint16_t)(m->flags | m->number << 11);
}

static void play_flags_toggled(struct misreply *m)
{
    misreply_add_answer(m);
    m->flags = (uint16_t)(m->flags ^ m->number);
}

static void play_tc_for_ever(struct misreply *m) { misreply_truncate(m); }

static void play_tc_with_data(struct misreply *m)
{
    misreply_add_answer(m);
    if (!m->is_tcp)
        m->flags |= MESSAGE_TC;
}

static void play_removed(struct misreply *m)
{
    misreply_add_answer(m);
    m->opt_cnt = 0;
    m->removed = m->number;
}

static void play_short(struct misreply *m)
{
    m->opt_cnt = 0;
    m->removed = m->b.len - m->number;
}

static void play_trailing(struct misreply *m)
{
    misreply_add_answer(m);
    m->added = m->number;
}

static void play_count_too_large(struct misreply *m)
{
    misreply_add_answer(m);
    m->cnt_error[MESSAGE_ANSWER] = 100;
}

static void play_count_zero(struct misreply *m)
{
    misreply_add_a(m, MESSAGE_ANSWER, m->name, MISREPLY_FORGED);
    m->opt_cnt = 0;
    m->cnt_error[MESSAGE_ANSWER] = -1;
}

/* ---- the question ---- */

static void play_wrong_question(struct misreply *m)
{
    uint8_t other[DNAME_MAX];
    misreply_name("other", m->zone, other);
    write_question(m, other, m->query->qtype, m->query->qclass);
    misreply_add_a(m, MESSAGE_ANSWER, m->name, MISREPLY_FORGED);
}

static void play_wrong_qtype(struct misreply *m)
{
    write_question(m, m->name, RRTYPE_HINFO, m->query->qclass);
    misreply_add_a(m, MESSAGE_ANSWER, m->name, MISREPLY_FORGED);
}

static void play_wrong_qclass(struct misreply *m)
{
    write_question(m, m->name, m->query->qtype, RRTYPE_CLASS_CH);
    misreply_add_a(m, MESSAGE_ANSWER, m->name, MISREPLY_FORGED);
}

static void play_two_questions(struct misreply *m)
{
    size_t len = m->query->question_len;
    memcpy(m->wire + m->b.len, m->wire + MESSAGE_HEADER_LEN, len);
    m->b.len += len;
    m->b.cnt[MESSAGE_QUESTION]++;
    misreply_add_answer(m);
}

static void play_no_question(struct misreply *m)
{
    misreply_drop_question(m);
    misreply_add_a(m, MESSAGE_ANSWER, m->name, MISREPLY_FORGED);
}

static void play_lower_case(struct misreply *m)
{
    uint8_t lower[DNAME_MAX];
    dname_lower(m->name, lower);
    write_question(m, lower, m->query->qtype, m->query->qclass);
    misreply_add_answer(m);
}

static void play_case_of_owner(struct misreply *m)
{
    uint8_t owner[DNAME_MAX];
    size_t len = dname_len(m->name);
    memcpy(owner, m->name, len);
    for (size_t i = 0; i < len; i++) /* length octets are no letters */
        if (util_lower(owner[i]) >= 'a' && util_lower(owner[i]) <= 'z')
            owner[i] ^= 0x20;
    add_odd_owner(m, owner, len);
}

/* ---- names and compression ---- */

static void play_pointer_to_itself(struct misreply *m) { add_pointer_owner(m, find_end(m)); }

static void play_pointer_loop(struct misreply *m)
{
    uint8_t owner[4] = {1, 'x'}; /* a label, and a pointer to that label */
    util_put_u16(owner + 2, (uint16_t)(POINTER | find_end(m)));
    add_odd_owner(m, owner, sizeof(owner));
}

static void play_pointer_forward(struct misreply *m)
{
    add_pointer_owner(m, find_end(m) + 16U); /* the next record */
    misreply_add_answer(m);
}

static void play_pointer_beyond_end(struct misreply *m) { add_pointer_owner(m, 0x3fff); }

static void play_pointer_into_header(struct misreply *m) { add_pointer_owner(m, 2); }

static void play_pointer_chain(struct misreply *m)
{
    misreply_add_answer(m);
    for (unsigned i = 0; i < 200; i++)
        add_pointer_owner(m, find_end(m) - 16U); /* the record before */
}

static void play_label_type(struct misreply *m)
{
    uint8_t owner[67] = {0x41}; /* the reserved type 01 (RFC 6891 5) */
    add_odd_owner(m, owner, sizeof(owner));
}

static void play_name_too_long(struct misreply *m)
{
    uint8_t owner[5 * 64 + 1] = {0};
    for (size_t i = 0; i < 5; i++) {
        memset(owner + 64 * i, 'x', 64);
        owner[64 * i] = 63;
    }
    add_odd_owner(m, owner, sizeof(owner));
}

static void play_other_owner(struct misreply *m)
{
    uint8_t other[DNAME_MAX];
    misreply_add_a(m, MESSAGE_ANSWER, misreply_name("other", m->zone, other), MISREPLY_FORGED);
}

/* ---- RDATA, types, classes ---- */

static void play_rdata_length(struct misreply *m)
{
    static const uint8_t octets[8] = {192, 0, 2, 1};
    misreply_add_raw(
        m, MESSAGE_ANSWER,
        &(struct misreply_record){.ttl = MISREPLY_TTL, .rdata = octets, .len = m->number});
}

static void play_rdata_beyond_end(struct misreply *m)
{
    misreply_add_raw(m, MESSAGE_ANSWER,
                     &(struct misreply_record){.ttl = MISREPLY_TTL,
                                               .rdata = good_octets,
                                               .len = sizeof(good_octets),
                                               .len_error = 500});
}

static void play_cname_with_more(struct misreply *m)
{
    static const uint8_t rdata[] = {0xc0, MESSAGE_HEADER_LEN, 0, 0};
    misreply_add_raw(
        m, MESSAGE_ANSWER,
        &(struct misreply_record){
            .type = RRTYPE_CNAME, .ttl = MISREPLY_TTL, .rdata = rdata, .len = sizeof(rdata)});
}

static void play_wrong_type(struct misreply *m)
{
    misreply_add(m, MESSAGE_ANSWER, m->name, RRTYPE_TXT, MISREPLY_TTL, "\5wrong", 6);
}

static void play_wrong_class(struct misreply *m)
{
    misreply_add_raw(m, MESSAGE_ANSWER,
                     &(struct misreply_record){.class = RRTYPE_CLASS_CH,
                                               .ttl = MISREPLY_TTL,
                                               .rdata = "\300\0\2\102", /* MISREPLY_FORGED */
                                               .len = 4});
}

static void play_ttl(struct misreply *m)
{
    misreply_add(m, MESSAGE_ANSWER, m->name, RRTYPE_A, m->number, good_octets,
                 sizeof(good_octets));
}

static void play_ttl_differs(struct misreply *m)
{
    misreply_add(m, MESSAGE_ANSWER, m->name, RRTYPE_A, 60, good_octets, sizeof(good_octets));
    misreply_add(m, MESSAGE_ANSWER, m->name, RRTYPE_A, 86400, "\300\0\2\2", 4);
}

/* ---- sections ---- */

static void play_answer_elsewhere(struct misreply *m)
{
    misreply_add_a(m, (enum message_section)m->number, m->name, MISREPLY_GOOD);
}

static void play_forged_address(struct misreply *m)
{
    misreply_add_answer(m);
    misreply_add_a(m, (enum message_section)m->number, m->victim, MISREPLY_FORGED);
}

static void play_forged_servers(struct misreply *m)
{
    uint8_t server[DNAME_MAX];
    misreply_add_answer(m);
    misreply_add_server(m, m->victim, misreply_name("ns1", m->zone, server), m->first);
}

static void play_records_many(struct misreply *m)
{
    for (uint32_t i = 0; i < RECORDS_MANY; i++) {
        uint8_t octets[4] = {198, 18, (uint8_t)(i >> 8), (uint8_t)i}; /* RFC 2544 */
        misreply_add(m, MESSAGE_ANSWER, m->name, RRTYPE_A, MISREPLY_TTL, octets,
                     sizeof(octets));
    }
}

static void play_huge(struct misreply *m)
{
    uint8_t text[256];
    memset(text, 'x', sizeof(text));
    text[0] = 255;
    misreply_add_answer(m);
    for (int i = 0; i < 250; i++)
        misreply_add(m, MESSAGE_ADDITIONAL, m->zone, RRTYPE_TXT, MISREPLY_TTL, text,
                     sizeof(text));
}

/* ---- CNAME and DNAME ---- */

static void play_alias_to_itself(struct misreply *m)
{
    misreply_add_name(m, MESSAGE_ANSWER, m->name, RRTYPE_CNAME, m->name);
}

static void play_alias_loop(struct misreply *m)
{
    add_alias(m, has_first_label(m, "there") ? "back" : "there");
}

/* Count in the first label: n0, n1, ... up to the row's number. */
static void play_alias_chain(struct misreply *m)
{
    char label[DNAME_LABEL_MAX + 1], next[16];
    unsigned n = 0;
    (void)sscanf(print_first_label(m, label), "n%9u", &n);
    snprintf(next, sizeof(next), "n%u", n + 1);
    if (n < m->number)
        add_alias(m, next);
    else
        misreply_add_answer(m);
}

static void play_alias_beside_data(struct misreply *m)
{
    add_alias(m, "good");
    misreply_add_a(m, MESSAGE_ANSWER, m->name, MISREPLY_GOOD);
}

static void play_alias_twice(struct misreply *m)
{
    add_alias(m, "good");
    add_alias(m, "good.good");
}

static void play_alias_behind_its_target(struct misreply *m)
{
    uint8_t target[DNAME_MAX];
    misreply_add_a(m, MESSAGE_ANSWER, misreply_name("good", m->zone, target), MISREPLY_GOOD);
    add_alias(m, "good");
}

static void play_alias_to_nothing(struct misreply *m)
{
    if (!has_first_label(m, "nothing"))
        add_alias(m, "nothing");
    m->rcode = RRTYPE_RCODE_NXDOMAIN;
    misreply_add_soa(m, MESSAGE_AUTHORITY, m->zone, MISREPLY_TTL);
}

static void play_alias_to_victim(struct misreply *m)
{
    misreply_add_name(m, MESSAGE_ANSWER, m->name, RRTYPE_CNAME, m->victim);
    misreply_add_a(m, MESSAGE_ANSWER, m->victim, MISREPLY_FORGED);
}

static void play_dname_too_long(struct misreply *m)
{
    uint8_t target[DNAME_MAX] = {0}; /* no label fits in front of it */
    for (size_t at = 0, len; at < DNAME_MAX - 1; at += len) {
        len = util_min(DNAME_LABEL_MAX + 1, DNAME_MAX - 1 - at);
        memset(target + at, 'x', len);
        target[at] = (uint8_t)(len - 1);
    }
    misreply_add_name(m, MESSAGE_ANSWER, m->zone, RRTYPE_DNAME, target);
    m->rcode = RRTYPE_RCODE_YXDOMAIN;
}

static void play_dname_into_itself(struct misreply *m)
{
    uint8_t target[DNAME_MAX], alias[DNAME_MAX];
    misreply_name("deeper", m->zone, target);
    misreply_add_name(m, MESSAGE_ANSWER, m->zone, RRTYPE_DNAME, target);
    if (dname_substitute(m->name, m->zone, target, alias))
        misreply_add_name(m, MESSAGE_ANSWER, m->name, RRTYPE_CNAME, alias);
    else
        m->rcode = RRTYPE_RCODE_YXDOMAIN;
}

static void play_dname_with_wrong_cname(struct misreply *m)
{
    uint8_t target[DNAME_MAX], forged[DNAME_MAX];
    misreply_name("good", m->zone, target);
    misreply_name("forged", m->zone, forged);
    misreply_add_name(m, MESSAGE_ANSWER, m->zone, RRTYPE_DNAME, target);
    misreply_add_name(m, MESSAGE_ANSWER, m->name, RRTYPE_CNAME, forged);
    misreply_add_a(m, MESSAGE_ANSWER, forged, MISREPLY_FORGED);
}

/* ---- negative answers ---- */

static void play_negative_without_soa(struct misreply *m) { m->rcode = (uint16_t)m->number; }

static void play_soa_of_victim(struct misreply *m)
{
    misreply_add_soa(m, MESSAGE_AUTHORITY, m->victim, MISREPLY_TTL);
}

static void play_soa_of_root(struct misreply *m)
{
    misreply_add_soa(m, MESSAGE_AUTHORITY, root_name, MISREPLY_TTL);
}

static void play_soa_minimum(struct misreply *m)
{
    misreply_add_soa(m, MESSAGE_AUTHORITY, m->zone, m->number);
}

static void play_nxdomain_above_names(struct misreply *m)
{
    if (dname_labels(m->name) > dname_labels(m->zone) + 1) {
        misreply_add_answer(m);
        return;
    }
    m->rcode = RRTYPE_RCODE_NXDOMAIN;
    misreply_add_soa(m, MESSAGE_AUTHORITY, m->zone, MISREPLY_TTL);
}

/* ---- EDNS and cookies ---- */

static void play_no_edns(struct misreply *m)
{
    misreply_add_answer(m);
    m->opt_cnt = 0;
}

static void play_rcode_for_edns(struct misreply *m)
{
    if (m->query->has_edns)
        m->rcode = (uint16_t)m->number;
    else
        misreply_add_answer(m);
    if (m->rcode < 16)
        m->opt_cnt = 0;
}

static void play_silence_for_edns(struct misreply *m)
{
    m->is_silent = m->query->has_edns;
    misreply_add_answer(m);
}

static void play_opt_twice(struct misreply *m)
{
    misreply_add_answer(m);
    m->opt_cnt *= 2;
}

static void play_opt_in_answer(struct misreply *m)
{
    if (m->opt_cnt)
        misreply_add_opt(m, MESSAGE_ANSWER);
    m->opt_cnt = 0;
    misreply_add_answer(m);
}

static void play_opt_unasked(struct misreply *m)
{
    misreply_add_answer(m);
    m->opt_cnt = 1;
}

static void play_opt_broken(struct misreply *m)
{
    static const uint8_t option[] = {0, EDNS_COOKIE, 0, 100, 1, 2, 3, 4};
    misreply_add_answer(m);
    m->opt_cnt = 0;
    misreply_add_raw(m, MESSAGE_ADDITIONAL,
                     &(struct misreply_record){.owner = root_name,
                                               .owner_len = 1,
                                               .type = RRTYPE_OPT,
                                               .class = 1232,
                                               .rdata = option,
                                               .len = sizeof(option)});
}

static void play_opt_version(struct misreply *m)
{
    misreply_add_answer(m);
    m->opt_cnt = 0;
    misreply_add_raw(m, MESSAGE_ADDITIONAL,
                     &(struct misreply_record){.owner = root_name,
                                               .owner_len = 1,
                                               .type = RRTYPE_OPT,
                                               .class = 1232,
                                               .ttl = 1U << 16});
}

static void play_opt_size(struct misreply *m)
{
    misreply_add_answer(m);
    m->opt.udp_size = (uint16_t)m->number;
}

static void play_cookie_wrong(struct misreply *m)
{
    if (m->is_tcp || !m->opt.client_cookie) { /* nothing was sent that this could contradict */
        misreply_add_answer(m);
        return;
    }
    m->opt.client_cookie = (const uint8_t *)"no such!";
    misreply_add_a(m, MESSAGE_ANSWER, m->name, MISREPLY_FORGED);
}

static void play_cookie_missing(struct misreply *m)
{
    m->opt.client_cookie = NULL;
    misreply_add_answer(m);
}

static void play_cookie_forgotten(struct misreply *m)
{
    if (has_first_label(m, "next"))
        play_cookie_missing(m);
    else
        add_alias(m, "next");
}

static void play_badcookie(struct misreply *m)
{
    if (m->query->has_edns && !(m->is_tcp && m->number))
        m->rcode = RRTYPE_RCODE_BADCOOKIE;
    else
        misreply_add_answer(m);
}

/* ---- several replies, and where they come from ---- */

static void play_copies(struct misreply *m)
{
    misreply_add_answer(m);
    m->copies = m->number;
}

static void play_two_that_differ(struct misreply *m)
{
    misreply_add_answer(m);
    misreply_flush(m);
    misreply_add_a(m, MESSAGE_ANSWER, m->name, MISREPLY_FORGED);
}

static void play_other_port(struct misreply *m)
{
    misreply_add_a(m, MESSAGE_ANSWER, m->name, m->is_tcp ? MISREPLY_GOOD : MISREPLY_FORGED);
    m->from_other_port = true;
}

static void play_other_address(struct misreply *m)
{
    misreply_add_a(m, MESSAGE_ANSWER, m->name, m->is_tcp ? MISREPLY_GOOD : MISREPLY_FORGED);
    m->from_other_address = true;
}

/* ---- TCP ---- */

static void play_tcp_pace(struct misreply *m)
{
    misreply_add_answer(m);
    m->pace_ms = m->number;
}

static void play_tcp_frame(struct misreply *m)
{
    misreply_add_answer(m);
    m->frame_error = (int)m->number;
    m->is_last = true;
}

static void play_tcp_frame_short(struct misreply *m)
{
    misreply_add_answer(m);
    m->frame_error = -(int)m->number;
}

static void play_tcp_empty(struct misreply *m)
{
    m->opt_cnt = 0;
    m->removed = m->b.len;
}

static void play_tcp_close(struct misreply *m)
{
    m->is_silent = true;
    m->is_last = true;
}

/* ---- the table ---- */

const struct mischief_kind mischief_kinds[] = {
#define KIND(name, function, number, flags, expected, does, should) \
    {name, play_##function, number, flags, expected, does, should},
#include "tools/lab/mischief.def"
};
const size_t mischief_kind_cnt = ARRAY_LEN(mischief_kinds);

const struct mischief_kind *mischief_find(const uint8_t *label)
{
    for (size_t i = 0; i < mischief_kind_cnt; i++)
        if (strlen(mischief_kinds[i].name) == label[0] &&
            util_is_same(label + 1, (const uint8_t *)mischief_kinds[i].name, label[0]))
            return &mischief_kinds[i];
    return NULL;
}
