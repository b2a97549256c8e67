/* Works on the sorted records, because those still know where they came from. */
#include "authd/check/zone_check.h"

#include "dns/dname_text.h"

enum {
    RECORD_LEN_MIN = 12,            /* a pointer for the owner, type, class, TTL, RDLENGTH */
    RRSET_LEN_MAX = 65535 - 12 - 5, /* a message without header and the shortest question */
};

static const struct zonebuild_record *record(const struct zonebuild *build, size_t i)
{
    return &build->records[i];
}

static bool same_owner(const struct zonebuild *build, size_t a, size_t b)
{
    return record(build, a)->owner == record(build, b)->owner;
}

static void print_owner(const struct zonebuild *build, size_t i, char out[DNAME_TEXT_MAX])
{
    dname_text_print(record(build, i)->owner->name, out);
}

static bool has_address(const struct zonebuild *build, size_t i)
{
    return zonebuild_find_type(build, i, RRTYPE_A) < build->cnt ||
           zonebuild_find_type(build, i, RRTYPE_AAAA) < build->cnt;
}

static void check_apex(struct zonebuild *build)
{
    struct diag_place whole = {.file = build->file_cnt ? build->files[0].path : NULL};
    char zone[DNAME_TEXT_MAX];
    size_t apex = zonebuild_find_owner(build, build->origin);
    size_t soa = zonebuild_find_type(build, apex, RRTYPE_SOA);

    dname_text_print(build->origin, zone);
    if (soa == build->cnt)
        diag_add(build->diag, DIAG_ERROR, &whole, "the zone has no SOA at %s", zone);
    else if (soa + 1 < build->cnt && same_owner(build, soa, soa + 1) &&
             record(build, soa + 1)->type == RRTYPE_SOA)
        zonebuild_report(build, DIAG_ERROR, soa + 1,
                         "a second SOA that is not the same as the first");
    if (zonebuild_find_type(build, apex, RRTYPE_NS) == build->cnt)
        diag_add(build->diag, DIAG_ERROR, &whole, "the zone has no NS at %s", zone);
}

/* RFC 1034 3.6.2, 2181 10.1, 4034: only DNSSEC's own types may stand beside a CNAME. */
static bool may_join_cname(uint16_t type)
{
    return type == RRTYPE_CNAME || type == RRTYPE_RRSIG || type == RRTYPE_NSEC ||
           type == RRTYPE_KEY || type == RRTYPE_NXT || type == RRTYPE_SIG;
}

/* RFC 4592 4.2, 4.4: what these do is not defined. */
static bool is_odd_wildcard(const struct zonebuild *build, size_t i)
{
    static const uint8_t star[] = {1, '*'};
    uint16_t t = record(build, i)->type;
    return (t == RRTYPE_NS || t == RRTYPE_DNAME) &&
           memcmp(record(build, i)->owner->name, star, sizeof(star)) == 0;
}

/* Findings about record `i` alone beside the others of its owner. */
static void check_record(struct zonebuild *build, size_t i, bool is_repeated, size_t cname)
{
    char owner[DNAME_TEXT_MAX], type[RRTYPE_NAME_MAX];
    uint16_t t = record(build, i)->type;

    print_owner(build, i, owner);
    rrtype_print(t, type);
    if (is_repeated && (t == RRTYPE_CNAME || t == RRTYPE_DNAME))
        zonebuild_report(build, DIAG_ERROR, i, "%s has more than one %s", owner, type);
    else if (cname < build->cnt && !may_join_cname(t))
        zonebuild_report(build, DIAG_ERROR, i,
                         "%s has a CNAME (line %u), so it cannot have %s as well", owner,
                         record(build, cname)->line, type);
    else if (is_repeated && t != RRTYPE_RRSIG &&
             record(build, i)->ttl != record(build, i - 1)->ttl)
        zonebuild_report(build, DIAG_WARNING, i,
                         "%s %s: its records have different TTLs; the smallest is used", owner,
                         type);
    if (t == RRTYPE_SOA &&
        util_get_u32(record(build, i)->rdata + record(build, i)->len - 4) > INT32_MAX)
        zonebuild_report(build, DIAG_WARNING, i,
                         "the negative TTL (minimum) is more than 2147483647 and is taken as 0 "
                         "(RFC 2181 8)");
    if (!is_repeated && is_odd_wildcard(build, i))
        zonebuild_report(build, DIAG_WARNING, i,
                         "%s: a wildcard owns %s, which servers treat differently", owner,
                         type);
    if (t == RRTYPE_SOA && !dname_is_equal(record(build, i)->owner->name, build->origin))
        zonebuild_report(build, DIAG_ERROR, i, "a SOA belongs at the zone's own name only");
}

/* Whether check_record has anything to look at: nearly always it has not. */
static bool is_suspect(const struct zonebuild *build, size_t i, bool is_repeated, size_t cname)
{
    uint16_t t = record(build, i)->type;
    return cname < build->cnt || t == RRTYPE_SOA || t == RRTYPE_DNAME ||
           is_odd_wildcard(build, i) ||
           (is_repeated && record(build, i)->ttl != record(build, i - 1)->ttl);
}

static void check_owner(struct zonebuild *build, size_t from, size_t to)
{
    size_t cname = zonebuild_find_type(build, from, RRTYPE_CNAME);
    size_t wire_len = 0, sets = 0;

    for (size_t i = from; i < to; i++) {
        bool is_repeated =
            i > from && record(build, i - 1)->type == record(build, i)->type &&
            zonebuild_covered(record(build, i - 1)) == zonebuild_covered(record(build, i));
        sets += !is_repeated;
        if (!is_repeated && sets == NODE_RRSETS_MAX + 1)
            zonebuild_report(build, DIAG_ERROR, i, "more than %d RRsets of one name",
                             NODE_RRSETS_MAX);
        if (is_suspect(build, i, is_repeated, cname))
            check_record(build, i, is_repeated, cname);
        size_t before = is_repeated ? wire_len : 0;
        wire_len = before + RECORD_LEN_MIN + record(build, i)->len;
        if (before <= RRSET_LEN_MAX && wire_len > RRSET_LEN_MAX)
            zonebuild_report(build, DIAG_WARNING, i,
                             "with this record the set is larger than any message can be: "
                             "answers will be truncated, over TCP too");
    }
}

/* RFC 6672 2.4: nothing below a DNAME. */
static size_t check_dname(struct zonebuild *build, size_t from, size_t to)
{
    char owner[DNAME_TEXT_MAX];
    size_t dname = zonebuild_find_type(build, from, RRTYPE_DNAME);

    if (dname == build->cnt)
        return to;
    for (; to < build->cnt &&
           dname_is_under(record(build, to)->owner->name, record(build, from)->owner->name);
         to++) {
        if (zonebuild_is_hashed(record(build, to)))
            continue;
        print_owner(build, from, owner);
        zonebuild_report(build, DIAG_ERROR, to, "data below %s, which has a DNAME (line %u)",
                         owner, record(build, dname)->line);
    }
    return to;
}

/* The owner whose records stand for `name`: its own, or the wildcard at its closest encloser;
 * build->cnt when there is none. */
static size_t find_owner_or_wildcard(const struct zonebuild *build, const uint8_t *name)
{
    uint8_t wildcard[DNAME_MAX + 2] = {1, '*'};
    size_t found = zonebuild_find_owner(build, name);

    while (found == build->cnt && !dname_is_equal(name, build->origin)) {
        name += *name + 1;
        memcpy(wildcard + 2, name, dname_len(name));
        if (dname_len(name) + 2 <= DNAME_MAX)
            found = zonebuild_find_owner(build, wildcard);
        if (zonebuild_find_owner(build, name) < build->cnt)
            break;
    }
    return found;
}

static void check_target(struct zonebuild *build, size_t i)
{
    char name[DNAME_TEXT_MAX], type[RRTYPE_NAME_MAX];
    const struct zonebuild_record *r = record(build, i);
    const uint8_t *target = rdata_target(r->type, r->rdata);

    if (!target || *target == 0 || !dname_is_under(target, build->origin))
        return;
    size_t found = find_owner_or_wildcard(build, target);
    dname_text_print(target, name);
    rrtype_print(r->type, type);
    if (zonebuild_find_type(build, found, RRTYPE_CNAME) < build->cnt) {
        if (r->type == RRTYPE_NS || r->type == RRTYPE_MX || r->type == RRTYPE_SRV)
            zonebuild_report(build, DIAG_WARNING, i,
                             "%s names %s, which is a CNAME (RFC 2181 10.3)", type, name);
    } else if (r->type == RRTYPE_NS && dname_is_under(target, r->owner->name) &&
               !has_address(build, found)) {
        bool is_apex = dname_is_equal(r->owner->name, build->origin);
        zonebuild_report(build, DIAG_WARNING, i,
                         is_apex
                             ? "NS names %s, which has no address in this zone"
                             : "NS names %s, but the address it needs here (glue) is missing",
                         name);
    }
}

/* Whether absences of a signed zone can be proven at all. */
static void check_denial(struct zonebuild *build)
{
    struct nsec3_params params;
    size_t apex = zonebuild_find_owner(build, build->origin);
    size_t key = zonebuild_find_type(build, apex, RRTYPE_DNSKEY);

    for (size_t i = zonebuild_find_type(build, apex, RRTYPE_NSEC3PARAM);
         i < build->cnt && record(build, i)->type == RRTYPE_NSEC3PARAM; i++) {
        params = nsec3_read_params(record(build, i)->rdata);
        if (params.iterations > NSEC3_ITERATIONS_MAX)
            zonebuild_report(build, DIAG_ERROR, i,
                             "NSEC3 with %u iterations: %d is the most that resolvers follow, "
                             "and 0 the best (RFC 9276)",
                             params.iterations, NSEC3_ITERATIONS_MAX);
    }
    if (key < build->cnt && zonebuild_find_type(build, apex, RRTYPE_RRSIG) < build->cnt &&
        zonebuild_find_type(build, apex, RRTYPE_NSEC) == build->cnt &&
        !zonebuild_choose_params(build, &params))
        zonebuild_report(build, DIAG_WARNING, key,
                         "the zone is signed, but has neither NSEC nor a chain of NSEC3 that "
                         "NSEC3PARAM names: no absence can be proven");
}

enum err zone_check(struct zonebuild *build)
{
    size_t errors = build->diag->error_cnt;

    check_apex(build);
    check_denial(build);
    for (size_t i = 0, below_dname = 0; i < build->cnt;) {
        size_t end = i + 1;
        while (end < build->cnt && same_owner(build, i, end))
            end++;
        check_owner(build, i, end);
        if (i >= below_dname)
            below_dname = check_dname(build, i, end);
        for (size_t n = i; n < end; n++)
            check_target(build, n);
        i = end;
    }
    return build->diag->error_cnt > errors ? ERR_FORMAT : ERR_OK;
}
