/* Counters without keys: zones that share a counter share its limit, which is on the safe side
 * and needs neither lock nor eviction. */
#include "resolver/limits/quota.h"

#include "base/hash.h"
#include "net/request/client.h"

enum { CELLS = 1 << 16 };

/* The classes of clients, each with a limit of its own. */
enum class { CLASS_UNKNOWN, CLASS_PROVEN, CLASS_EXEMPT };

/* The places of all clients, and who waits for one: in the same cache line. */
struct quota_cell {
    _Atomic uint32_t taken;
    _Atomic uint32_t announced; /* a bit per worker */
};

/* Lifetime: process. */
struct quota {
    struct quota_limits limits;
    void (*wake)(void *data, size_t worker);
    void *data;
    _Atomic uint32_t woken; /* a bit per worker that has not seen it yet */
    /* No counter guards other memory: adding is relaxed.  Giving back and reading are
     * sequentially consistent with `announced`. */
    struct quota_cell all[QUOTA_KINDS][CELLS];
    _Atomic uint32_t of_class[QUOTA_KINDS][CELLS];
    _Atomic uint32_t own[QUOTA_KINDS][CELLS]; /* of one client */
    _Atomic uint32_t waiting[CELLS];
};

enum err quota_new(const struct quota_limits *limits, struct quota **out)
{
    struct quota *quota = calloc(1, sizeof(*quota));
    if (!quota)
        return ERR_NOMEM;
    quota->limits = *limits;
    *out = quota;
    return ERR_OK;
}

void quota_free(struct quota **quota)
{
    free(*quota);
    *quota = NULL;
}

void quota_set_wake(struct quota *q, void (*wake)(void *data, size_t worker), void *data)
{
    q->wake = wake;
    q->data = data;
}

static uint64_t hash_two(uint64_t a, uint64_t b)
{
    uint64_t parts[2] = {a, b};
    return hash_more(hash_start(), (const uint8_t *)parts, sizeof(parts));
}

uint64_t quota_client(const struct addr *addr, bool is_proven)
{
    uint64_t hash = hash_two(client_hash(addr), is_proven);

    return (hash & ~(uint64_t)3) | 2 | is_proven;
}

_Atomic uint32_t *quota_waiting(struct quota *q, uint64_t client)
{
    return &q->waiting[client / 4 % CELLS];
}

static uint32_t limit_or_none(uint32_t limit) { return limit ? limit : UINT32_MAX; }

struct quota_place quota_place(const struct quota *q, const struct quota_terms *terms)
{
    size_t len;
    const uint8_t *octets = addr_bytes(terms->server, &len);
    const struct quota_limits *l = &q->limits;

    return (struct quota_place){
        .keys = {[QUOTA_ZONE] = hash_two(terms->zone, QUOTA_ZONE),
                 [QUOTA_SERVER] = hash_more(hash_start(), octets, len),
                 [QUOTA_ALL] = QUOTA_ALL},
        .most = {[QUOTA_ZONE] = limit_or_none(l->per_zone),
                 [QUOTA_SERVER] =
                     limit_or_none(terms->is_forwarder ? l->per_forwarder : l->per_server),
                 [QUOTA_ALL] = limit_or_none(l->in_all)},
        .client = terms->client,
        .is_exempt = terms->is_exempt};
}

static struct quota_cell *all_cell(struct quota *q, const struct quota_place *p,
                                   enum quota_kind kind)
{
    return &q->all[kind][p->keys[kind] % CELLS];
}

static _Atomic uint32_t *class_cell(struct quota *q, const struct quota_place *p,
                                    enum quota_kind kind)
{
    enum class class = p->is_exempt                 ? CLASS_EXEMPT
                       : quota_is_proven(p->client) ? CLASS_PROVEN
                                                    : CLASS_UNKNOWN;
    return &q->of_class[kind][hash_two(p->keys[kind], class) % CELLS];
}

static _Atomic uint32_t *own_cell(struct quota *q, const struct quota_place *p,
                                  enum quota_kind kind)
{
    return &q->own[kind][hash_two(p->keys[kind], p->client) % CELLS];
}

/* The places that are taken when a client needs one more. */
struct taken {
    uint32_t all, of_class, own;
};

/* Return true if there is room for one more.  Besides the limits, as many places as the client
 * then holds must stay free for others, in its class and in all. */
static bool has_room_for(const struct quota_place *p, enum quota_kind kind,
                         const struct taken *taken)
{
    uint32_t most = p->most[kind], of_class = most - most / QUOTA_OTHER_CLASS_PART;

    if (taken->all >= most)
        return false;
    if (p->is_exempt)
        return p->left[kind] < most - taken->all;
    return taken->of_class < of_class && taken->own < most - taken->all &&
           taken->own < of_class - taken->of_class;
}

static void release_kind(struct quota *q, const struct quota_place *p, enum quota_kind kind)
{
    atomic_fetch_sub(own_cell(q, p, kind), 1);
    atomic_fetch_sub(class_cell(q, p, kind), 1);
    atomic_fetch_sub(&all_cell(q, p, kind)->taken, 1);
}

static bool spend_kind(struct quota *q, const struct quota_place *p, enum quota_kind kind)
{
    struct taken taken = {
        .all = atomic_fetch_add_explicit(&all_cell(q, p, kind)->taken, 1, memory_order_relaxed),
        .of_class = atomic_fetch_add_explicit(class_cell(q, p, kind), 1, memory_order_relaxed),
        .own = atomic_fetch_add_explicit(own_cell(q, p, kind), 1, memory_order_relaxed)};

    if (has_room_for(p, kind, &taken))
        return true;
    release_kind(q, p, kind);
    return false;
}

enum quota_kind quota_spend(struct quota *q, const struct quota_place *p)
{
    for (enum quota_kind kind = 0; kind < QUOTA_KINDS; kind++) {
        if (spend_kind(q, p, kind))
            continue;
        for (enum quota_kind spent = 0; spent < kind; spent++)
            release_kind(q, p, spent);
        return kind;
    }
    return QUOTA_KINDS;
}

void quota_give_back(struct quota *q, const struct quota_place *p)
{
    for (enum quota_kind kind = 0; kind < QUOTA_KINDS; kind++)
        release_kind(q, p, kind);
}

bool quota_has_room(struct quota *q, const struct quota_place *p, enum quota_kind kind)
{
    struct taken taken = {.all = atomic_load(&all_cell(q, p, kind)->taken),
                          .of_class = atomic_load(class_cell(q, p, kind)),
                          .own = atomic_load(own_cell(q, p, kind))};

    return has_room_for(p, kind, &taken);
}

/* ---- waiting workers ---- */

static uint32_t worker_bit(size_t worker) { return (uint32_t)1 << worker % QUOTA_WORKERS; }

static uint32_t other_workers(const struct quota *q, const struct quota_place *p,
                              enum quota_kind kind, size_t worker)
{
    return atomic_load(&q->all[kind][p->keys[kind] % CELLS].announced) & ~worker_bit(worker);
}

void quota_announce(struct quota *q, const struct quota_place *p, enum quota_kind kind,
                    size_t worker)
{
    atomic_fetch_or(&all_cell(q, p, kind)->announced, worker_bit(worker));
}

void quota_end_announcement(struct quota *q, const struct quota_place *p, enum quota_kind kind,
                            size_t worker)
{
    atomic_fetch_and(&all_cell(q, p, kind)->announced, ~worker_bit(worker));
}

bool quota_is_wanted(const struct quota *q, const struct quota_place *p, enum quota_kind kind,
                     size_t worker)
{
    return other_workers(q, p, kind, worker) != 0;
}

void quota_leave(struct quota *q, const struct quota_place *p, enum quota_kind kind,
                 size_t worker)
{
    uint32_t others = other_workers(q, p, kind, worker);
    uint32_t asleep = others & ~atomic_fetch_or(&q->woken, others);

    for (size_t bit = 0; q->wake && bit < QUOTA_WORKERS && asleep >> bit; bit++)
        if (asleep >> bit & 1)
            q->wake(q->data, bit);
}

bool quota_see_left(struct quota *q, size_t worker)
{
    uint32_t bit = worker_bit(worker);

    if (!(atomic_load(&q->woken) & bit)) /* usual: spares the others the cache line */
        return false;
    return atomic_fetch_and(&q->woken, ~bit) & bit;
}

static uint64_t sum_cells(const _Atomic uint32_t cells[CELLS])
{
    uint64_t all = 0;
    for (size_t i = 0; i < CELLS; i++)
        all += atomic_load_explicit(&cells[i], memory_order_relaxed);
    return all;
}

struct quota_sums quota_sums(const struct quota *q)
{
    struct quota_sums sums = {.waiting = sum_cells(q->waiting)};
    for (enum quota_kind kind = 0; kind < QUOTA_KINDS; kind++) {
        for (size_t i = 0; i < CELLS; i++) {
            sums.all[kind] += atomic_load(&q->all[kind][i].taken);
            sums.announced += atomic_load(&q->all[kind][i].announced) != 0;
        }
        sums.of_class[kind] = sum_cells(q->of_class[kind]);
        sums.own[kind] = sum_cells(q->own[kind]);
    }
    return sums;
}
