/* The candidates are the addresses with the fewest tries, so the second query of a task goes to
 * another server than the first.  Addresses whose last query timed out, for any task, or whose
 * reply did not validate come after all others. */
#include "resolver/iterate/pick.h"

#include <limits.h>

struct candidate {
    int index;
    uint32_t srtt_us; /* 0: unknown */
    unsigned rank;    /* lower is better */
};

static bool may_be_picked(const struct delegation *delegation, const struct delegation_addr *a,
                          const struct infra_server *known, const struct pick_by *by,
                          enum pick_pass pass)
{
    if (a->is_useless || a->is_full || a->tries >= PICK_TRIES_MAX ||
        !policy_may_ask(by->policy, by->own, &a->addr))
        return false;
    if (infra_is_dead(by->infra, known, by->subject, by->now_ms))
        return false;
    if (pass == PICK_LAST_RESORT)
        return true;
    return (!known || by->now_ms >= known->dead_until_ms) &&
           infra_is_family_up(by->infra, addr_is_v6(&a->addr), by->now_ms) &&
           !infra_is_lame(by->infra, &a->addr, delegation->zone, by->now_ms);
}

bool pick_may(const struct delegation *delegation, const struct delegation_addr *addr,
              const struct pick_by *by, enum pick_pass pass)
{
    return may_be_picked(delegation, addr, infra_find(by->infra, &addr->addr, by->now_ms), by,
                         pass);
}

static size_t list_candidates(const struct delegation *delegation, const struct pick_by *by,
                              enum pick_pass pass, struct candidate out[DELEGATION_ADDRS_MAX])
{
    size_t cnt = 0, best_cnt = 0;
    unsigned best = UINT_MAX;

    for (int i = 0; i < delegation->addr_cnt; i++) {
        const struct delegation_addr *a = &delegation->addrs[i];
        const struct infra_server *known = infra_find(by->infra, &a->addr, by->now_ms);
        if (!may_be_picked(delegation, a, known, by, pass))
            continue;
        bool is_last = (known && known->timeouts > 0) ||
                       infra_is_bogus(by->infra, &a->addr, by->subject, by->now_ms);
        out[cnt] =
            (struct candidate){.index = i,
                               .srtt_us = known ? known->srtt_us : 0,
                               .rank = a->tries + (is_last ? (unsigned)PICK_TRIES_MAX : 0)};
        best = (unsigned)util_min(best, out[cnt++].rank);
    }
    for (size_t i = 0; i < cnt; i++)
        if (out[i].rank == best)
            out[best_cnt++] = out[i];
    return best_cnt;
}

int pick_next(const struct delegation *delegation, const struct pick_by *by,
              enum pick_pass pass, struct pick_why *why)
{
    struct candidate all[DELEGATION_ADDRS_MAX];
    uint32_t best_us = UINT32_MAX;
    size_t cnt = list_candidates(delegation, by, pass, all), near_cnt = 0;

    if (cnt == 0)
        return -1;
    for (size_t i = 0; i < cnt; i++)
        if (all[i].srtt_us && all[i].srtt_us < best_us)
            best_us = all[i].srtt_us;
    why->reason = cnt == 1 ? PICK_ONLY : best_us == UINT32_MAX ? PICK_UNKNOWN : PICK_EXPLORE;
    if (why->reason == PICK_EXPLORE && rng_below(by->rng, PICK_EXPLORE_ONE_IN) > 0) {
        for (size_t i = 0; i < cnt; i++)
            if (all[i].srtt_us && all[i].srtt_us <= best_us + PICK_BAND_US)
                all[near_cnt++] = all[i];
        cnt = near_cnt;
        why->reason = PICK_NEAR;
    }
    const struct candidate *chosen = &all[cnt == 1 ? 0 : rng_below(by->rng, (uint32_t)cnt)];
    why->chosen_from = (uint8_t)cnt;
    why->of = delegation->addr_cnt;
    why->srtt_us = chosen->srtt_us;
    return chosen->index;
}
