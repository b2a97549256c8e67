/* Empty non-terminals have no records: they are found between the names of the walk. */
#include "authd/zone/denial_chain.h"

void denial_chain_add_type(struct denial_chain_types *types, uint16_t type)
{
    if (types->cnt < CHAIN_TYPES_MAX && (types->cnt == 0 || types->at[types->cnt - 1] != type))
        types->at[types->cnt++] = type;
}

void denial_chain_list_types(const struct zonebuild_walk *w, struct denial_chain_types *out)
{
    out->cnt = 0;
    for (size_t i = w->from; i < w->to; i++) {
        const struct zonebuild_record *r = &w->build->records[i];
        bool is_own = r->type == RRTYPE_NS || r->type == RRTYPE_DS || r->type == RRTYPE_NSEC ||
                      r->type == RRTYPE_RRSIG;
        if (!zonebuild_is_hashed(r) && (w->view == ZONEBUILD_OWN || is_own))
            denial_chain_add_type(out, r->type);
    }
}

enum err denial_chain_add(struct denial_chain_links *links,
                          const struct denial_chain_link *link)
{
    struct denial_chain_link *at = util_grow(links->at, links->cnt, &links->size, sizeof(*at));
    if (!at)
        return ERR_NOMEM;
    links->at = at;
    links->at[links->cnt++] = *link;
    return ERR_OK;
}

static int compare_links(const void *left, const void *right)
{
    const struct denial_chain_link *a = left, *b = right;
    int diff = memcmp(a->hash, b->hash, NSEC3_HASH_LEN);
    return diff ? diff : a->is_optional - b->is_optional;
}

void denial_chain_sort(struct denial_chain_links *links)
{
    size_t kept = 0;
    if (links->cnt > 0)
        qsort(links->at, links->cnt, sizeof(*links->at), compare_links);
    for (size_t i = 0; i < links->cnt; i++)
        if (kept == 0 ||
            memcmp(links->at[kept - 1].hash, links->at[i].hash, NSEC3_HASH_LEN) != 0)
            links->at[kept++] = links->at[i];
    links->cnt = kept;
}

/* The last owner before the current one, and the last that opt-out may not omit. */
struct previous {
    const uint8_t *any, *required;
};

/* Add the owner of the walk and those empty non-terminals above it that no previous owner has
 * added. */
static enum err add_hashed_names(struct denial_chain_links *names,
                                 const struct zonebuild_walk *w,
                                 const struct nsec3_params *params, struct previous *previous)
{
    const uint8_t *owner = w->build->records[w->from].owner->name;
    unsigned labels = dname_labels(owner), least = dname_labels(w->build->origin);
    struct denial_chain_link link = {.from = w->from};
    enum err err = ERR_OK;

    link.is_optional = w->view == ZONEBUILD_CUT &&
                       zonebuild_find_type(w->build, w->from, RRTYPE_DS) == w->build->cnt;
    const uint8_t *before = link.is_optional ? previous->any : previous->required;
    for (unsigned n = labels + 1; n-- > least && !err;) {
        const uint8_t *name = dname_suffix(owner, n);
        if (n < labels && before && dname_is_under(before, name))
            break;
        link.labels = (uint8_t)n;
        nsec3_hash(params, name, link.hash);
        err = denial_chain_add(names, &link);
    }
    previous->any = owner;
    if (!link.is_optional)
        previous->required = owner;
    return err;
}

enum err denial_chain_hash_names(const struct zonebuild *build,
                                 const struct nsec3_params *params,
                                 struct denial_chain_links *out)
{
    struct zonebuild_walk w = {.build = build};
    struct previous previous = {.any = NULL};
    enum err err = ERR_OK;

    while (!err && zonebuild_next(&w))
        if (w.view != ZONEBUILD_HASHED && w.view != ZONEBUILD_BELOW)
            err = add_hashed_names(out, &w, params, &previous);
    if (!err)
        denial_chain_sort(out);
    return err;
}

const uint8_t *denial_chain_name(const struct zonebuild *build,
                                 const struct denial_chain_link *link)
{
    return dname_suffix(build->records[link->from].owner->name, link->labels);
}

void denial_chain_fini(struct denial_chain_links *links)
{
    free(links->at);
    *links = (struct denial_chain_links){.cnt = 0};
}
