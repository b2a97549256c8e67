/* The defaults are in policy_new only; the configuration changes them. */
#include "resolver/policy/policy.h"

#include "base/hash.h"
#include "dns/edns.h"
#include "net/upstream/own.h"

const char *const policy_defence_ids[POLICY_DEFENCES] = {
#define DEFENCE(field, id) id,
#include "resolver/policy/defences.def"
#undef DEFENCE
};

struct policy *policy_new(void)
{
    struct policy *p = calloc(1, sizeof(*p));
    if (!p)
        return NULL;
    arena_init(&p->arena, 0);
    p->limits = budget_defaults();
    p->ttls =
        (struct cache_ttls){.max = POLICY_TTL_MAX_S, .negative_max = POLICY_NEGATIVE_MAX_S};
#define DEFENCE(field, id) p->defences.field = true;
#include "resolver/policy/defences.def"
#undef DEFENCE
    p->stale_ms = POLICY_STALE_MS;
    p->stale_ttl = 30;
    p->stale_wait_ms = 1800;
    p->outgoing_port = POLICY_PORT;
    p->udp_size = EDNS_UDP_SIZE;
    p->is_prefetching = p->is_aggressive = p->is_minimising = p->is_priming = p->uses_v4 =
        p->uses_v6 = true;
    p->signals_anchors = p->detects_tunnels = true;
    p->ref_cnt = 1;
    return p;
}

const struct anchor_set *policy_configured_anchors(const struct policy *policy)
{
    const struct policy *base = policy->base ? policy->base : policy;
    return base->configured_anchors.cnt > 0 ? &base->configured_anchors : &base->anchors;
}

struct policy *policy_with_anchors(struct policy *before, struct anchor_set *anchors)
{
    struct policy *p = malloc(sizeof(*p));

    if (!p)
        return NULL;
    *p = *before;
    p->base = before->base ? before->base : before;
    p->base->ref_cnt++;
    p->anchors = *anchors;
    p->configured_anchors = *policy_configured_anchors(before);
    *anchors = (struct anchor_set){.cnt = 0};
    return p;
}

static void unref_policy(struct policy *p)
{
    if (--p->ref_cnt > 0)
        return;
    route_fini(&p->route);
    local_fini(&p->local);
    anchor_fini(&p->configured_anchors);
    anchor_fini(&p->anchors);
    nta_fini(&p->ntas);
    arena_fini(&p->arena);
    free(p);
}

void policy_free(struct policy **policy)
{
    struct policy *p = *policy;

    if (!p)
        return;
    *policy = NULL;
    if (!p->base) {
        unref_policy(p);
        return;
    }
    anchor_fini(&p->anchors);
    unref_policy(p->base);
    free(p);
}

unsigned policy_defences_off(const struct policy_defences *defences)
{
    unsigned off = 0, bit = 1;

#define DEFENCE(field, id) off |= defences->field ? 0 : bit, bit <<= 1;
#include "resolver/policy/defences.def"
#undef DEFENCE
    return off;
}

/* The text is made here, so that answers need not format it. */
void policy_use_lab(struct policy *p, const struct policy_defences *lab)
{
    size_t len = 0;

    p->defences = *lab;
    p->limits.validates_unlimited = !lab->validation_work;
    p->udp_size = lab->udp_size ? EDNS_UDP_SIZE : POLICY_UDP_SIZE_LAB;
    p->lab_off = policy_defences_off(lab);
    p->lab_text[0] = '\0';
    for (unsigned i = 0; i < POLICY_DEFENCES; i++)
        if (p->lab_off & 1U << i)
            len += (size_t)snprintf(p->lab_text + len, sizeof(p->lab_text) - len, "%s%s",
                                    len ? ", " : "laboratory: ", policy_defence_ids[i]);
    if (len > 0)
        len += (size_t)snprintf(p->lab_text + len, sizeof(p->lab_text) - len, " off");
    must(len < sizeof(p->lab_text));
}

/* Return true for an address that no server can have: multicast, reserved, link-local without
 * its interface, and IPv4 written as IPv6, which do-not-query would not match. */
static bool is_never_a_server(const struct addr *addr)
{
    static const uint8_t none[12] = {0}, mapped[12] = {[10] = 0xff, [11] = 0xff};
    size_t len;
    const uint8_t *octets = addr_bytes(addr, &len);

    if (len == 4)
        return octets[0] >= 224;
    bool is_v4 = memcmp(octets, mapped, 12) == 0 ||
                 (memcmp(octets, none, 12) == 0 && util_get_u32(octets + 12) > 1);
    bool is_of_no_link = addr_is_link_local(addr) && addr->sock.v6.sin6_scope_id == 0;
    return octets[0] == 0xff || is_of_no_link || is_v4;
}

static const uint64_t trust_keys[2] = {1, 3}; /* the same after a restart */

static uint64_t hash_anchor_set(uint64_t hash, const struct rrset *set)
{
    static const uint8_t none[] = {0};
    return set ? hash_more_keyed(trust_keys, hash, set->data, set->size)
               : hash_more_keyed(trust_keys, hash, none, sizeof(none));
}

void policy_seal_trust(struct policy *policy)
{
    uint64_t hash = trust_keys[0];

    policy->is_validating = policy->anchors.cnt > 0;
    for (size_t i = 0; i < policy->anchors.cnt; i++) {
        const struct anchor *anchor = &policy->anchors.anchors[i];
        hash = hash_more_keyed(trust_keys, hash, anchor->zone, dname_len(anchor->zone));
        hash = hash_anchor_set(hash_anchor_set(hash, anchor->ds), anchor->keys);
    }
    for (size_t i = 0; i < policy->ntas.cnt; i++) {
        const struct nta *nta = &policy->ntas.at[i];
        hash = hash_more_keyed(trust_keys, hash, nta->name, dname_len(nta->name));
    }
    policy->trust = (uint32_t)(hash ^ hash >> 32);
}

bool policy_is_exempt(const struct policy_exempt *exempt, const uint8_t *name,
                      const struct addr *addr)
{
    for (size_t i = 0; i < exempt->zone_cnt; i++)
        if (dname_is_under(name, exempt->zones[i]))
            return true;
    return exempt->addrs.cnt > 0 && addr_is_in(&exempt->addrs, addr);
}

/* Return true if a query to that address would reach this resolver. */
static bool listens_at(const struct policy *policy, const struct own_list *own,
                       const struct addr *addr)
{
    for (size_t i = 0; i < policy->own.cnt; i++)
        if (own_reaches(own, &policy->own.at[i], addr))
            return true;
    return false;
}

bool policy_may_ask(const struct policy *policy, struct own *own, const struct addr *addr)
{
    static const struct own_list none;
    const struct own_list *addresses = own ? own_addresses(own) : &none;

    if ((addr_is_v6(addr) ? !policy->uses_v6 : !policy->uses_v4) || is_never_a_server(addr) ||
        listens_at(policy, addresses, addr))
        return false;
    if (route_has_addr(&policy->route, addr))
        return true;
    return !addr_is_in(&policy->do_not_query, addr) &&
           (!own_has(addresses, addr) || own_is_served(own, addr));
}
