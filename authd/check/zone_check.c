/* The rules are checked on the sorted records, which still have their places in the files. */
#include "authd/check/zone_check.h"

#include "dns/dname_text.h"

enum {
    RECORD_LEN_MIN = 12,            /* compression pointer, type, class, TTL, RDLENGTH */
    RRSET_LEN_MAX = 65535 - 12 - 5, /* a message without header and shortest question */
};

static const struct zonebuild_record *record_at(const struct zonebuild *build, size_t i)
{
    return &build->records[i];
}

static void print_owner(const struct zonebuild *build, size_t i, char out[DNAME_TEXT_MAX])
{
    dname_text_print(record_at(build, i)->owner->name, out);
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
    else if (soa + 1 < build->cnt && zonebuild_is_same_owner(build, soa, soa + 1) &&
             record_at(build, soa + 1)->type == RRTYPE_SOA)
        zonebuild_report(build, DIAG_ERROR, soa + 1,
                         "a second SOA that differs from the first");
    if (zonebuild_find_type(build, apex, RRTYPE_NS) == build->cnt)
        diag_add(build->diag, DIAG_ERROR, &whole, "the zone has no NS at %s", zone);
}

/* Only the types of DNSSEC may exist beside a CNAME (RFC 1034 3.6.2, RFC 2181 10.1,
 * RFC 4035 2.5). */
static bool may_join_cname(uint16_t type)
{
    return type == RRTYPE_CNAME || type == RRTYPE_RRSIG || type == RRTYPE_NSEC ||
           type == RRTYPE_KEY || type == RRTYPE_NXT || type == RRTYPE_SIG;
}

/* True for NS and DNAME of a wildcard: their effect is undefined (RFC 4592 4.2, 4.4). */
static bool is_undefined_wildcard(const struct zonebuild *build, size_t i)
{
    static const uint8_t star[] = {1, '*'};
    uint16_t t = record_at(build, i)->type;
    return (t == RRTYPE_NS || t == RRTYPE_DNAME) &&
           memcmp(record_at(build, i)->owner->name, star, sizeof(star)) == 0;
}

/* Report the faults of record `i` and its conflicts with other records of its owner. */
static void check_zone_record(struct zonebuild *build, size_t i, bool is_repeated, size_t cname)
{
    char owner[DNAME_TEXT_MAX], type[RRTYPE_NAME_MAX];
    uint16_t t = record_at(build, i)->type;

    print_owner(build, i, owner);
    rrtype_print(t, type);
    if (is_repeated && (t == RRTYPE_CNAME || t == RRTYPE_DNAME))
        zonebuild_report(build, DIAG_ERROR, i, "%s has more than one %s", owner, type);
    else if (cname < build->cnt && !may_join_cname(t))
        zonebuild_report(build, DIAG_ERROR, i,
                         "%s has a CNAME (line %u), so it cannot have %s as well", owner,
                         record_at(build, cname)->line, type);
    else if (is_repeated && t != RRTYPE_RRSIG &&
             record_at(build, i)->ttl != record_at(build, i - 1)->ttl)
        zonebuild_report(build, DIAG_WARNING, i,
                         "the records of %s %s have different TTLs: the smallest is used",
                         owner, type);
    if (t == RRTYPE_SOA &&
        util_get_u32(record_at(build, i)->rdata + record_at(build, i)->len - 4) > INT32_MAX)
        zonebuild_report(build, DIAG_WARNING, i,
                         "the SOA's minimum exceeds 2147483647 and counts as 0 (RFC 2181 8)");
    if (!is_repeated && is_undefined_wildcard(build, i))
        zonebuild_report(build, DIAG_WARNING, i,
                         "%s is a wildcard with %s: its effect is undefined and differs among "
                         "servers (RFC 4592 4)",
                         owner, type);
    if (t == RRTYPE_SOA && !dname_is_equal(record_at(build, i)->owner->name, build->origin))
        zonebuild_report(build, DIAG_ERROR, i, "a SOA below the apex of the zone");
}

/* True if check_zone_record may find a fault: skip that slower check for most records. */
static bool is_suspect(const struct zonebuild *build, size_t i, bool is_repeated, size_t cname)
{
    uint16_t t = record_at(build, i)->type;
    return cname < build->cnt || t == RRTYPE_SOA || t == RRTYPE_DNAME ||
           is_undefined_wildcard(build, i) ||
           (is_repeated && record_at(build, i)->ttl != record_at(build, i - 1)->ttl);
}

static void check_owner_records(struct zonebuild *build, size_t from, size_t to)
{
    size_t cname = zonebuild_find_type(build, from, RRTYPE_CNAME);
    size_t wire_len = 0, sets = 0;

    for (size_t i = from; i < to; i++) {
        bool is_repeated = i > from &&
                           record_at(build, i - 1)->type == record_at(build, i)->type &&
                           zonebuild_covered(record_at(build, i - 1)) ==
                               zonebuild_covered(record_at(build, i));
        sets += !is_repeated;
        if (!is_repeated && sets == NODE_RRSETS_MAX + 1)
            zonebuild_report(build, DIAG_ERROR, i, "more than %d RRsets at one name",
                             NODE_RRSETS_MAX);
        if (is_suspect(build, i, is_repeated, cname))
            check_zone_record(build, i, is_repeated, cname);
        size_t before = is_repeated ? wire_len : 0;
        wire_len = before + RECORD_LEN_MIN + record_at(build, i)->len;
        if (before <= RRSET_LEN_MAX && wire_len > RRSET_LEN_MAX)
            zonebuild_report(build, DIAG_WARNING, i,
                             "with this record the RRset exceeds the largest DNS message: "
                             "answers will be truncated, even over TCP");
    }
}

/* RFC 6672 2.4: no data may exist below a DNAME.  Return the end of the names below it. */
static size_t check_dname(struct zonebuild *build, size_t from, size_t to)
{
    char owner[DNAME_TEXT_MAX];
    size_t dname = zonebuild_find_type(build, from, RRTYPE_DNAME);

    if (dname == build->cnt)
        return to;
    for (; to < build->cnt && dname_is_under(record_at(build, to)->owner->name,
                                             record_at(build, from)->owner->name);
         to++) {
        if (zonebuild_is_hashed(record_at(build, to)))
            continue;
        print_owner(build, from, owner);
        zonebuild_report(build, DIAG_ERROR, to, "data below %s, which has a DNAME (line %u)",
                         owner, record_at(build, dname)->line);
    }
    return to;
}

/* Return the first record of the owner that answers for `name`: the name itself, or the
 * wildcard at its closest encloser; build->cnt if there is neither. */
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
    const struct zonebuild_record *r = record_at(build, i);
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
                             : "NS names %s, but its address (glue) is missing in this zone",
                         name);
    }
}

/* Check that a signed zone can prove negative answers. */
static void check_denial(struct zonebuild *build)
{
    struct nsec3_params params;
    size_t apex = zonebuild_find_owner(build, build->origin);
    size_t key = zonebuild_find_type(build, apex, RRTYPE_DNSKEY);

    for (size_t i = zonebuild_find_type(build, apex, RRTYPE_NSEC3PARAM);
         i < build->cnt && record_at(build, i)->type == RRTYPE_NSEC3PARAM; i++) {
        params = nsec3_read_params(record_at(build, i)->rdata);
        if (params.iterations > NSEC3_ITERATIONS_MAX)
            zonebuild_report(build, DIAG_ERROR, i,
                             "NSEC3 with %u iterations: resolvers accept at most %d, and 0 is "
                             "recommended (RFC 9276)",
                             params.iterations, NSEC3_ITERATIONS_MAX);
    }
    if (key < build->cnt && zonebuild_find_type(build, apex, RRTYPE_RRSIG) < build->cnt &&
        zonebuild_find_type(build, apex, RRTYPE_NSEC) == build->cnt &&
        !zonebuild_choose_params(build, &params))
        zonebuild_report(build, DIAG_WARNING, key,
                         "the zone is signed, but has neither NSEC nor an NSEC3 chain that "
                         "NSEC3PARAM names: negative answers cannot be proven");
}

enum err zone_check(struct zonebuild *build)
{
    size_t errors = build->diag->error_cnt;

    check_apex(build);
    check_denial(build);
    for (size_t i = 0, below_dname = 0; i < build->cnt;) {
        size_t end = i + 1;
        while (end < build->cnt && zonebuild_is_same_owner(build, i, end))
            end++;
        check_owner_records(build, i, end);
        if (i >= below_dname)
            below_dname = check_dname(build, i, end);
        for (size_t n = i; n < end; n++)
            check_target(build, n);
        i = end;
    }
    return build->diag->error_cnt > errors ? ERR_FORMAT : ERR_OK;
}
