/* The table of addresses is set-associative, with eight ways.  Its memory is fixed: an attacker
 * that fills it with addresses only makes the resolver forget others. */
#include "resolver/iterate/infra.h"

#include <sys/random.h>

#include "base/hash.h"
#include "base/siphash.h"

enum {
    SETS = 1024,
    WAYS = 8,
    LAME_SLOTS = 4096,
    DOWN_SLOTS = 4096,
    DOWN_PROBE_MS = 2000, /* for one task to find out whether the zone is back */
    DOWN_FIRST_MS = 5000,
    DOWN_MAX_MS = 300000, /* RFC 9520 3.2 */
    DOWN_DOUBLINGS = 6,
    SILENT_TIMEOUTS = 2, /* in a row, before a server counts as silent */
    DEAD_FIRST_MS = 4000,
    DEAD_MAX_MS = 32000,
    TALKING_MS = 15000, /* after a reply: a server that drops some queries is not dead */
    FAMILY_SILENT = 6,  /* timeouts in a row without a reply */
    FAMILY_DOWN_MS = 30000,
};

/* A server that is lame for a zone, or sends bogus replies for a subject. */
struct fault {
    uint64_t key; /* hash of address and zone or subject */
    uint64_t until_ms;
};

struct silent {
    uint64_t key; /* hash of address and subject */
    uint64_t until_ms;
    unsigned times; /* that it was noted in a row */
};

struct down {
    uint64_t zone_hash;
    uint64_t until_ms;
    uint64_t noted_ms;
    unsigned times; /* that it was noted in a row */
};

struct family {
    unsigned silent;   /* timeouts since the last reply */
    uint64_t reply_ms; /* of the last reply; 0: none has arrived */
    uint64_t down_until_ms;
};

/* Lifetime: worker. */
struct infra {
    struct infra_server servers[SETS][WAYS];
    struct fault lame[LAME_SLOTS], bogus[LAME_SLOTS];
    struct silent silent[LAME_SLOTS];
    struct down down[DOWN_SLOTS];
    struct family family[2];
    uint8_t secret[16];
};

enum err infra_new(struct infra **out)
{
    struct infra *infra = calloc(1, sizeof(*infra));
    if (!infra)
        return ERR_NOMEM;
    must(getrandom(infra->secret, sizeof(infra->secret), 0) == sizeof(infra->secret));
    *out = infra;
    return ERR_OK;
}

void infra_free(struct infra **infra)
{
    free(*infra);
    *infra = NULL;
}

static uint64_t hash_addr(const struct addr *addr)
{
    size_t len;
    const uint8_t *octets = addr_bytes(addr, &len);
    uint16_t port = addr_port(addr);
    return hash_more(hash_more(hash_start(), octets, len), (const uint8_t *)&port, 2);
}

static bool is_free_server(const struct infra_server *s)
{
    return s->addr.sock.any.sa_family == 0;
}

const struct infra_server *infra_find(const struct infra *infra, const struct addr *addr,
                                      uint64_t now_ms)
{
    const struct infra_server *set = infra->servers[hash_addr(addr) % SETS];
    for (int i = 0; i < WAYS; i++)
        if (!is_free_server(&set[i]) && addr_is_equal(&set[i].addr, addr))
            return now_ms - set[i].used_ms <= INFRA_KEEP_MS ? &set[i] : NULL;
    return NULL;
}

struct infra_server *infra_get(struct infra *infra, const struct addr *addr, uint64_t now_ms)
{
    struct infra_server *set = infra->servers[hash_addr(addr) % SETS], *oldest = set;

    for (int i = 0; i < WAYS; i++) {
        bool is_it = !is_free_server(&set[i]) && addr_is_equal(&set[i].addr, addr);
        if (is_it && now_ms - set[i].used_ms <= INFRA_KEEP_MS) {
            set[i].used_ms = now_ms;
            return &set[i];
        }
        if (is_it || set[i].used_ms < oldest->used_ms)
            oldest = &set[i];
        if (is_it)
            break;
    }
    /* an expired entry is reset, except that the server handles mixed case: that can do no harm
     */
    bool knows_case =
        !is_free_server(oldest) && addr_is_equal(&oldest->addr, addr) && oldest->knows_case;
    *oldest = (struct infra_server){.addr = *addr, .used_ms = now_ms, .knows_case = knows_case};
    return oldest;
}

/* ---- time ---- */

/* RFC 6298 2.2, 2.3 */
void infra_note_reply(struct infra *infra, const struct addr *addr, uint32_t rtt_us,
                      uint64_t now_ms)
{
    struct infra_server *s = infra_get(infra, addr, now_ms);

    rtt_us = rtt_us ? rtt_us : 1;
    if (s->srtt_us == 0) {
        s->srtt_us = rtt_us;
        s->rttvar_us = rtt_us / 2;
    } else {
        uint32_t diff = s->srtt_us > rtt_us ? s->srtt_us - rtt_us : rtt_us - s->srtt_us;
        s->rttvar_us = s->rttvar_us - s->rttvar_us / 4 + diff / 4;
        s->srtt_us = s->srtt_us - s->srtt_us / 8 + rtt_us / 8;
    }
    s->timeouts = 0;
    s->dead_until_ms = 0;
    s->reply_ms = now_ms;
    infra->family[addr_is_v6(addr)] = (struct family){.reply_ms = now_ms};
}

void infra_note_timeout(struct infra *infra, const struct addr *addr, uint64_t asked_ms,
                        uint64_t now_ms)
{
    struct infra_server *s = infra_get(infra, addr, now_ms);
    struct family *family = &infra->family[addr_is_v6(addr)];

    if (s->timeouts > 0 && asked_ms < s->timeout_ms)
        return; /* this query was in flight during a timeout that has been counted */
    /* If no server replies at all, this machine's network is down: then the times for which a
     * server is avoided do not grow. */
    bool is_network_up =
        util_max(infra->family[0].reply_ms, infra->family[1].reply_ms) >= s->timeout_ms;
    s->timeout_ms = now_ms;
    if (s->timeouts < INFRA_DEAD_TIMEOUTS || (is_network_up && s->timeouts < UINT16_MAX))
        s->timeouts++;
    if (s->timeouts >= INFRA_DEAD_TIMEOUTS) {
        unsigned doubled = (unsigned)util_min(s->timeouts - INFRA_DEAD_TIMEOUTS, 5);
        s->dead_until_ms = now_ms + util_min((size_t)DEAD_FIRST_MS << doubled, DEAD_MAX_MS);
    }
    /* A family is down only while the other one works: else the network or the servers are. */
    const struct family *other = &infra->family[!addr_is_v6(addr)];
    if (++family->silent >= FAMILY_SILENT && other->reply_ms > 0 &&
        now_ms - other->reply_ms < FAMILY_DOWN_MS)
        family->down_until_ms = now_ms + FAMILY_DOWN_MS;
}

static uint64_t hash_pair(const struct addr *addr, uint64_t subject)
{
    uint64_t parts[2] = {hash_addr(addr), subject};
    return hash_more(hash_start(), (const uint8_t *)parts, sizeof(parts));
}

void infra_note_probe(struct infra *infra, const struct addr *addr, uint64_t subject,
                      uint64_t now_ms)
{
    struct infra_server *s = infra_get(infra, addr, now_ms);

    if (s->timeouts >= INFRA_DEAD_TIMEOUTS)
        s->dead_until_ms = now_ms + DEAD_FIRST_MS;
    if (s->timeouts < SILENT_TIMEOUTS)
        return;
    uint64_t key = hash_pair(addr, subject);
    struct silent *silent = &infra->silent[key % LAME_SLOTS];
    if (silent->key == key)
        silent->until_ms = now_ms + DEAD_FIRST_MS;
}

void infra_note_unreachable(struct infra *infra, const struct addr *addr, uint64_t now_ms)
{
    infra_get(infra, addr, now_ms)->dead_until_ms = now_ms + DEAD_FIRST_MS;
    struct family *family = &infra->family[addr_is_v6(addr)];
    family->silent++;
    /* one missing route says nothing about a family that works elsewhere */
    if (family->reply_ms == 0 || now_ms - family->reply_ms > FAMILY_DOWN_MS)
        family->down_until_ms = now_ms + DEAD_FIRST_MS;
}

bool infra_is_family_up(const struct infra *infra, bool is_v6, uint64_t now_ms)
{
    return now_ms >= infra->family[is_v6].down_until_ms;
}

bool infra_is_dead(const struct infra *infra, const struct infra_server *s, uint64_t subject,
                   uint64_t now_ms)
{
    if (!s || s->timeouts < SILENT_TIMEOUTS ||
        (s->reply_ms > 0 && now_ms - s->reply_ms < TALKING_MS))
        return false;
    uint64_t key = hash_pair(&s->addr, subject);
    const struct silent *silent = &infra->silent[key % LAME_SLOTS];
    return silent->key == key && now_ms < silent->until_ms;
}

void infra_note_dead(struct infra *infra, const struct addr *addr, uint64_t subject,
                     uint64_t now_ms)
{
    uint64_t key = hash_pair(addr, subject);
    struct silent *silent = &infra->silent[key % LAME_SLOTS];
    const struct infra_server *s = infra_find(infra, addr, now_ms);

    if (!s || s->timeouts < SILENT_TIMEOUTS)
        return;
    if (silent->key != key || now_ms > silent->until_ms + DEAD_MAX_MS)
        *silent = (struct silent){.key = key};
    silent->until_ms = now_ms + util_min((uint64_t)DEAD_FIRST_MS << silent->times, DEAD_MAX_MS);
    silent->times = (unsigned)util_min(silent->times + 1U, DOWN_DOUBLINGS);
}

unsigned infra_rto_ms(const struct infra_server *s)
{
    size_t rto = INFRA_RTO_UNKNOWN_MS;
    if (s && s->srtt_us)
        rto = util_max(INFRA_RTO_MIN_MS, (s->srtt_us + 4 * (size_t)s->rttvar_us) / 1000);
    if (s) /* RFC 6298 5.5; at most four times, because other servers can be asked */
        rto <<= util_min(s->timeouts, 2);
    return (unsigned)util_min(rto, INFRA_RTO_MAX_MS);
}

/* ---- lame and bogus replies ---- */

static void note_fault(struct fault slots[LAME_SLOTS], uint64_t key, uint64_t now_ms)
{
    slots[key % LAME_SLOTS] = (struct fault){.key = key, .until_ms = now_ms + INFRA_KEEP_MS};
}

static bool has_fault(const struct fault slots[LAME_SLOTS], uint64_t key, uint64_t now_ms)
{
    const struct fault *slot = &slots[key % LAME_SLOTS];
    return slot->key == key && now_ms < slot->until_ms;
}

void infra_note_lame(struct infra *infra, const struct addr *addr, const uint8_t *zone,
                     uint64_t now_ms)
{
    note_fault(infra->lame, hash_pair(addr, dname_hash(zone)), now_ms);
}

bool infra_is_lame(const struct infra *infra, const struct addr *addr, const uint8_t *zone,
                   uint64_t now_ms)
{
    return has_fault(infra->lame, hash_pair(addr, dname_hash(zone)), now_ms);
}

void infra_note_bogus(struct infra *infra, const struct addr *addr, uint64_t subject,
                      uint64_t now_ms)
{
    note_fault(infra->bogus, hash_pair(addr, subject), now_ms);
}

bool infra_is_bogus(const struct infra *infra, const struct addr *addr, uint64_t subject,
                    uint64_t now_ms)
{
    return has_fault(infra->bogus, hash_pair(addr, subject), now_ms);
}

/* ---- zones ---- */

static struct down *down_slot(struct infra *infra, uint64_t zone_hash)
{
    return &infra->down[zone_hash % DOWN_SLOTS];
}

void infra_note_zone_down(struct infra *infra, uint64_t zone_hash, uint64_t since_ms,
                          uint64_t now_ms)
{
    struct down *down = down_slot(infra, zone_hash);

    if (down->zone_hash != zone_hash || now_ms > down->until_ms + DOWN_MAX_MS)
        *down = (struct down){.zone_hash = zone_hash};
    else if (since_ms < down->noted_ms)
        return;
    down->noted_ms = now_ms;
    down->until_ms = now_ms + util_min((uint64_t)DOWN_FIRST_MS << down->times, DOWN_MAX_MS);
    down->times = (unsigned)util_min(down->times + 1U, DOWN_DOUBLINGS);
}

void infra_note_zone_up(struct infra *infra, uint64_t zone_hash)
{
    struct down *down = down_slot(infra, zone_hash);
    if (down->zone_hash == zone_hash)
        *down = (struct down){0};
}

void infra_forget_zones(struct infra *infra)
{
    memset(infra->down, 0, sizeof(infra->down));
    memset(infra->silent, 0, sizeof(infra->silent));
    memset(infra->bogus, 0, sizeof(infra->bogus));
}

bool infra_is_zone_down(struct infra *infra, uint64_t zone_hash, uint64_t now_ms)
{
    struct down *down = down_slot(infra, zone_hash);

    if (down->until_ms == 0 || down->zone_hash != zone_hash)
        return false;
    if (now_ms < down->until_ms)
        return true;
    if (now_ms < down->until_ms + DOWN_MAX_MS)
        down->until_ms = now_ms + DOWN_PROBE_MS;
    return false;
}

void infra_client_cookie(const struct infra *infra, const struct addr *addr,
                         uint8_t out[COOKIE_CLIENT_LEN])
{
    size_t len;
    const uint8_t *octets = addr_bytes(addr, &len);
    uint64_t hash = siphash(infra->secret, octets, len);
    memcpy(out, &hash, COOKIE_CLIENT_LEN);
}
