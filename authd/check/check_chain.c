/* NSEC has the order of the records, so one walk checks it.  For NSEC3 the hashes of all names
 * are computed, sorted and merged with the chain. */
#include "authd/check/check_chain.h"

#include "authd/zone/denial_chain.h"
#include "dns/dname_text.h"

enum { ITERATIONS_SAFE = 50 };

static void list_bitmap(const uint8_t *bitmap, size_t len, struct denial_chain_types *out)
{
    struct cursor c = cursor_over(bitmap, len);

    out->cnt = 0;
    while (cursor_more(&c)) {
        unsigned window = cursor_u8(&c);
        uint8_t octets = cursor_u8(&c);
        const uint8_t *bits = cursor_bytes(&c, octets);
        for (unsigned i = 0; bits && i < octets * 8U; i++)
            if (bits[i / 8] & (0x80 >> i % 8))
                denial_chain_add_type(out, (uint16_t)(window * 256 + i));
    }
}

/* Report the first type in which the bitmap of record `i` and the owner's types differ. */
static void compare_types(struct zonebuild *build, size_t i,
                          const struct denial_chain_types *bitmap,
                          const struct denial_chain_types *owned, const char *owner)
{
    char name[RRTYPE_NAME_MAX];
    unsigned b = 0, o = 0;

    while (b < bitmap->cnt && o < owned->cnt && bitmap->at[b] == owned->at[o])
        b++, o++;
    if (b == bitmap->cnt && o == owned->cnt)
        return;
    bool is_missing = b == bitmap->cnt || (o < owned->cnt && owned->at[o] < bitmap->at[b]);
    rrtype_print(is_missing ? owned->at[o] : bitmap->at[b], name);
    zonebuild_report(build, build->dnssec_level, i,
                     is_missing ? "the type bitmap lacks %s, which %s has"
                                : "the type bitmap lists %s, which %s does not have",
                     name, owner);
}

/* ---- NSEC ---- */

static void check_next_name(struct zonebuild *build, size_t nsec, const uint8_t *next)
{
    char found[DNAME_TEXT_MAX], expected[DNAME_TEXT_MAX];

    if (dname_is_equal(build->records[nsec].rdata, next))
        return;
    dname_text_print(build->records[nsec].rdata, found);
    dname_text_print(next, expected);
    zonebuild_report(build, build->dnssec_level, nsec,
                     "NSEC says that the next name is %s, but it is %s", found, expected);
}

static void check_nsec(struct zonebuild *build)
{
    struct zonebuild_walk w = {.build = build};
    size_t before = build->cnt; /* the last NSEC seen */

    while (zonebuild_next(&w)) {
        char owner[DNAME_TEXT_MAX];
        struct denial_chain_types bitmap, owned;
        size_t nsec = zonebuild_find_type(build, w.from, RRTYPE_NSEC);
        if (w.view == ZONEBUILD_HASHED)
            continue;
        dname_text_print(build->records[w.from].owner->name, owner);
        if (w.view == ZONEBUILD_BELOW) {
            if (nsec < build->cnt)
                zonebuild_report(build, build->dnssec_level, nsec, "NSEC below a zone cut");
            continue;
        }
        if (nsec == build->cnt) {
            zonebuild_report(build, build->dnssec_level, w.from, "%s has no NSEC", owner);
            continue;
        }
        if (nsec + 1 < w.to && build->records[nsec + 1].type == RRTYPE_NSEC)
            zonebuild_report(build, build->dnssec_level, nsec + 1, "a second NSEC at %s",
                             owner);
        const struct zonebuild_record *r = &build->records[nsec];
        size_t next_len = dname_len(r->rdata);
        denial_chain_list_types(&w, &owned);
        list_bitmap(r->rdata + next_len, r->len - next_len, &bitmap);
        compare_types(build, nsec, &bitmap, &owned, owner);
        if (before < build->cnt)
            check_next_name(build, before, r->owner->name);
        before = nsec;
    }
    if (before < build->cnt)
        check_next_name(build, before, build->origin);
}

/* ---- NSEC3 ---- */

/* Add the NSEC3 records of the chain among those of one owner. */
static enum err add_chain_links(struct zonebuild *build, const struct zonebuild_walk *w,
                                const struct nsec3_params *params,
                                struct denial_chain_links *chain)
{
    unsigned apex_labels = dname_labels(build->origin);
    enum err err = ERR_OK;

    for (size_t i = w->from; i < w->to && !err; i++) {
        struct denial_chain_link link = {.from = i};
        struct nsec3_params own;
        if (build->records[i].type != RRTYPE_NSEC3)
            continue;
        own = nsec3_read_params(build->records[i].rdata);
        if (!nsec3_is_same(&own, params))
            continue; /* another chain */
        if (dname_labels(build->records[i].owner->name) == apex_labels + 1 &&
            nsec3_read_label(build->records[i].owner->name, link.hash))
            err = denial_chain_add(chain, &link);
        else
            zonebuild_report(build, build->dnssec_level, i,
                             "the owner of this NSEC3 is not a hash right below the apex");
    }
    return err;
}

static enum err collect_chain(struct zonebuild *build, const struct nsec3_params *params,
                              struct denial_chain_links *chain)
{
    struct zonebuild_walk w = {.build = build};
    enum err err = ERR_OK;

    while (!err && zonebuild_next(&w))
        err = add_chain_links(build, &w, params, chain);
    if (!err)
        denial_chain_sort(chain);
    return err;
}

static void check_missing(struct zonebuild *build, const struct denial_chain_link *name,
                          const struct denial_chain_link *cover)
{
    char text[DNAME_TEXT_MAX], hash[NSEC3_LABEL_LEN + 1];
    bool is_opt_out =
        nsec3_read_params(build->records[cover->from].rdata).flags & NSEC3_OPT_OUT;

    if (name->is_optional && is_opt_out)
        return;
    dname_text_print(denial_chain_name(build, name), text);
    nsec3_print_label(name->hash, hash);
    zonebuild_report(build, build->dnssec_level, name->from, "%s has no NSEC3 (its hash is %s)",
                     text, hash);
}

static void check_match(struct zonebuild *build, const struct denial_chain_link *name,
                        const struct denial_chain_link *link)
{
    char text[DNAME_TEXT_MAX];
    struct denial_chain_types bitmap, owned = {.cnt = 0};
    const struct zonebuild_record *r = &build->records[link->from];
    const uint8_t *owner = denial_chain_name(build, name);
    size_t len;
    const uint8_t *next = nsec3_next_hash(r->rdata, &len);

    if (dname_is_equal(owner, build->records[name->from].owner->name)) {
        struct zonebuild_walk w = {.build = build, .to = name->from};
        (void)zonebuild_next(&w);
        denial_chain_list_types(&w, &owned);
    }
    dname_text_print(owner, text);
    list_bitmap(next + len, (size_t)(r->rdata + r->len - (next + len)), &bitmap);
    compare_types(build, link->from, &bitmap, &owned, text);
}

static void check_hashes(struct zonebuild *build, const struct denial_chain_links *names,
                         const struct denial_chain_links *chain)
{
    size_t n = 0;

    for (size_t i = 0; i < chain->cnt; i++) {
        const struct denial_chain_link *link = &chain->at[i],
                                       *after = &chain->at[(i + 1) % chain->cnt];
        size_t len;
        const uint8_t *next = nsec3_next_hash(build->records[link->from].rdata, &len);
        if (len != NSEC3_HASH_LEN || memcmp(next, after->hash, len) != 0) {
            char hash[NSEC3_LABEL_LEN + 1];
            nsec3_print_label(after->hash, hash);
            zonebuild_report(build, build->dnssec_level, link->from,
                             "NSEC3 does not name the next hash of the chain, %s", hash);
        }
        for (; n < names->cnt && memcmp(names->at[n].hash, link->hash, NSEC3_HASH_LEN) < 0; n++)
            check_missing(build, &names->at[n], &chain->at[i > 0 ? i - 1 : chain->cnt - 1]);
        if (n < names->cnt && memcmp(names->at[n].hash, link->hash, NSEC3_HASH_LEN) == 0)
            check_match(build, &names->at[n++], link);
        else
            zonebuild_report(build, build->dnssec_level, link->from,
                             "this NSEC3 matches no name of the zone");
    }
    for (; n < names->cnt; n++)
        check_missing(build, &names->at[n], &chain->at[chain->cnt - 1]);
}

static enum err check_nsec3(struct zonebuild *build, const struct nsec3_params *params)
{
    struct denial_chain_links names = {.cnt = 0}, chain = {.cnt = 0};
    enum err err = collect_chain(build, params, &chain);

    if (!err && chain.cnt > 0)
        err = denial_chain_hash_names(build, params, &names);
    if (!err && chain.cnt > 0)
        check_hashes(build, &names, &chain);
    denial_chain_fini(&names);
    denial_chain_fini(&chain);
    return err;
}

/* RFC 9276 3.1: iterations and salt cost servers and validators CPU and hide no names. */
static void check_params(struct zonebuild *build, const struct nsec3_params *params)
{
    for (size_t i = 0; i < build->cnt; i++)
        if (build->records[i].type == RRTYPE_NSEC3PARAM) {
            if (params->iterations > 0 || params->salt_len > 0)
                zonebuild_report(build, DIAG_WARNING, i,
                                 "NSEC3 with %u extra iterations and %u octets of salt: "
                                 "RFC 9276 recommends none of either%s",
                                 params->iterations, params->salt_len,
                                 params->iterations > ITERATIONS_SAFE
                                     ? "; many resolvers treat the zone as unsigned"
                                     : "");
            return;
        }
}

enum err check_chain(struct zonebuild *build)
{
    struct nsec3_params params;

    if (zonebuild_choose_params(build, &params)) {
        check_params(build, &params);
        return check_nsec3(build, &params);
    }
    check_nsec(build);
    return ERR_OK;
}
