/* All workers push their batches on one stack.  The worker that gets the lock writes all of
 * them, and looks at the stack again after it has released the lock, so that no batch is left
 * there. LMDB's own lock is only taken by the worker that has ours. */
#include "resolver/cache/cache_lmdb.h"

#include <errno.h>

#include <lmdb.h>
#include <sched.h>
#include <sys/random.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/now.h"
#include "resolver/cache/cache_memory.h"
#include "resolver/cache/sketch.h"

enum {
    FORMAT = 1,
    BATCH_OPS = 64,          /* a larger transaction may not fit a full file */
    BATCH_BYTES = 512 << 10, /* likewise, with large RRsets */
    BATCHES_MAX = 64,        /* of a worker, sent and not yet committed */
    /* With more of them a worker waits at the end of its turn: it resolves faster than the
       cache can be written. */
    BATCHES_WAIT = 16,
    BATCH_OCTETS = 256 << 10, /* memory that a batch keeps for its next use */
    BEFORE_TRIES = 8,         /* keys of get_before that turn out to be deleted */
    PENDING = 4096,
    WRITE_ROUNDS = 4,
    SETTLE_OPS = 16,   /* so many operations are worth a transaction */
    SETTLE_MS = 5,     /* fewer wait no longer than this */
    USED_PERCENT = 85, /* a fuller file is trimmed */
    /* So is one with fewer free pages: a transaction copies each page that it changes. */
    SPARE_PAGES = 600,
    TRIM_OPS = 64,
    TRIM_LOOKS = 1024,      /* entries examined per transaction of trimming */
    TRIM_ROUNDS = 4,        /* transactions of trimming per transaction of writing */
    TRIM_ROUNDS_TIGHT = 16, /* the same in a file that is tight */
    TIGHT_PERCENT = 93,
    SHARES = 4096,
    SHARE_FAVOUR =
        2, /* more uses that an entry needs to stay if its domain is over its share */
    USES_REPORTED = 1024, /* a view adds its uses to the total in steps of so many */
    USES_AGE = 1 << 19,   /* uses until the sketch is halved: one per counter of a row */
    BATCHES_SPARE = 4,    /* that a view keeps */
    READERS_SPARE = 16,   /* for other processes, such as mdb_stat */
};

/* The head of each value in the file. */
struct value_head {
    uint64_t checksum; /* over key, expire_ms and value */
    int64_t expire_ms;
};

/* The value of the key 00, which makes the file ours. */
struct mark {
    char name[8];
    uint32_t format;
    uint32_t check;     /* of what follows */
    uint64_t secret[2]; /* of the checksums */
};

static const uint8_t mark_key[1] = {CACHE_STORE_OWN};
static const char mark_name[8] = "rootline";

/* A value to store, or with value_len 0 a key to delete. */
struct op {
    uint64_t hash;
    size_t at; /* in the batch's octets: the key, then head and value */
    uint32_t key_len, value_len;
    int64_t growth; /* octets that its domain's share grows by when it is written */
};

/* Operations that are committed together.  Lifetime: until the commit; the view reuses a few.
 */
struct batch {
    struct batch *next; /* on the stack, or spare */
    uint8_t *bytes;
    size_t len, size;
    unsigned cnt, announce_cnt;
    unsigned ordered_cnt; /* operations on keys that get_before finds */
    bool is_urgent;
    _Atomic bool is_done;
    uint64_t since_ms;
    struct op ops[BATCH_OPS];
    uint64_t announces[BATCH_OPS];
};

/* Lifetime: process. */
struct cache_lmdb {
    struct cache_lmdb_conf conf;
    struct cache_disk disk;
    MDB_env *env;
    MDB_dbi dbi;
    uint64_t secret[2];
    struct cache_versions versions;
    struct sketch *sketch;
    _Atomic uint64_t uses; /* since the sketch was halved */
    _Atomic(struct batch *) stack;
    _Atomic bool is_locked;
    _Atomic bool is_dead; /* the file is unusable: each view has a store in memory */
    _Atomic uint64_t broken, commits, written, trimmed, dropped;
    _Atomic uint64_t entries, used;
    /* the following belong to the worker that has the lock */
    int64_t shares[SHARES]; /* octets by hash of the domain */
    uint8_t hand[CACHE_STORE_KEY_MAX];
    size_t hand_len;
    unsigned least_uses;              /* an entry with fewer is evicted */
    uint64_t lap_looked, lap_victims; /* of the hand, since it was at the beginning */
};

/* Lifetime: worker. */
struct view {
    struct cache_store store;
    struct cache_lmdb *cache;
    MDB_txn *txn;
    bool is_reading;
    unsigned use_cnt;
    struct batch *open;
    struct batch *sent[BATCHES_MAX]; /* the oldest first */
    unsigned sent_cnt;
    struct batch *spare;
    unsigned spare_cnt;
    /* Numbers of uncommitted operations, by hash: if there are none, no batch is searched. */
    uint16_t pending[PENDING];
    struct cache_store *memory; /* when the file is unusable */
};

/* Return true if an error says nothing of the file: the next transaction may succeed. */
static bool is_passing(int rc)
{
    return rc == ENOMEM || rc == EAGAIN || rc == MDB_MAP_FULL || rc == MDB_TXN_FULL ||
           rc == MDB_CURSOR_FULL || rc == MDB_READERS_FULL;
}

/* Give up the file after an error that will not pass. */
static void note_lmdb_error(struct cache_lmdb *c, const char *what, int rc)
{
    if (!is_passing(rc) && !atomic_exchange(&c->is_dead, true))
        log_error("cache: %s %s failed: %s; each worker caches in memory until a restart", what,
                  c->disk.path, mdb_strerror(rc));
}

static struct cache_store *memory_store(struct view *v)
{
    v->store.is_shared = false;
    if (!v->memory)
        (void)(cache_memory_new(v->cache->conf.size / v->cache->conf.worker_cnt, &v->memory) ==
               ERR_OK);
    return v->memory;
}

static bool is_file_dead(const struct view *v)
{
    return __builtin_expect(atomic_load_explicit(&v->cache->is_dead, memory_order_relaxed), 0);
}

/* Commit; or after the error `rc` abort, and return it. */
static int end_txn(MDB_txn *txn, int rc)
{
    if (rc == 0)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return rc;
}

#ifdef __SANITIZE_THREAD__
/* ThreadSanitizer sees LMDB's copies of pages, but not that its table of readers keeps them
 * from races. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void) { return "called_from_lib:liblmdb.so"; }
#endif

/* ---- values ---- */

static uint64_t value_checksum(const struct cache_lmdb *c, const uint8_t *key, size_t key_len,
                               const uint8_t *end_and_value, size_t len)
{
    uint64_t hash = hash_more_keyed(c->secret, c->secret[0], key, key_len);
    return hash_more_keyed(c->secret, hash, end_and_value, len);
}

/* ---- reading ---- */

static void free_batch(struct batch *b)
{
    free(b->bytes);
    free(b);
}

/* Make a committed batch ready for reuse, without the memory of one that has grown large. */
static void recycle_batch(struct view *v, struct batch *b)
{
    for (unsigned i = 0; i < b->cnt; i++)
        v->pending[b->ops[i].hash % PENDING]--;
    if (b->size > BATCH_OCTETS) {
        free(b->bytes);
        b->bytes = NULL;
        b->size = 0;
    }
    if (v->spare_cnt == BATCHES_SPARE) {
        free_batch(b);
        return;
    }
    v->spare_cnt++;
    b->next = v->spare;
    v->spare = b;
}

/* Recycle the committed batches: their entries are found in the file from now on. */
static void reap_batches(struct view *v)
{
    unsigned n = 0;
    while (n < v->sent_cnt && atomic_load_explicit(&v->sent[n]->is_done, memory_order_acquire))
        recycle_batch(v, v->sent[n++]);
    v->sent_cnt -= n;
    memmove(v->sent, v->sent + n, v->sent_cnt * sizeof(struct batch *));
}

static bool begin_reading(struct view *v)
{
    if (v->is_reading)
        return true;
    reap_batches(v); /* before the snapshot, which then has all that the reaped batches had */
    v->store.epoch = atomic_load_explicit(&v->cache->versions.epoch, memory_order_acquire);
    int rc = mdb_txn_renew(v->txn);
    if (rc != 0)
        note_lmdb_error(v->cache, "reading", rc);
    v->is_reading = rc == 0;
    return v->is_reading;
}

static const struct op *find_op_in(const struct batch *b, const struct cache_key *key)
{
    for (unsigned i = b->cnt; i-- > 0;)
        if (b->ops[i].hash == key->hash && b->ops[i].key_len == key->len &&
            memcmp(b->bytes + b->ops[i].at, key->bytes, key->len) == 0)
            return &b->ops[i];
    return NULL;
}

/* Find the newest operation on the key in the batches that are not committed. */
static const struct op *find_pending(const struct view *v, const struct cache_key *key,
                                     const struct batch **in)
{
    const struct op *op = v->open ? find_op_in(v->open, key) : NULL;

    *in = v->open;
    for (unsigned i = v->sent_cnt; !op && i-- > 0;) {
        *in = v->sent[i];
        op = find_op_in(*in, key);
    }
    return op;
}

/* Return the value without its head; NULL if it does not match its checksum. */
static const uint8_t *check_value(const struct view *v, const struct cache_key *key,
                                  const MDB_val *value, size_t *len)
{
    const uint8_t *bytes = value->mv_data;
    uint64_t sum;

    if (value->mv_size < sizeof(struct value_head))
        return NULL;
    memcpy(&sum, bytes, sizeof(sum));
    if (sum != value_checksum(v->cache, key->bytes, key->len, bytes + sizeof(sum),
                              value->mv_size - sizeof(sum))) {
        atomic_fetch_add_explicit(&v->cache->broken, 1, memory_order_relaxed);
        return NULL;
    }
    *len = value->mv_size - sizeof(struct value_head);
    return bytes + sizeof(struct value_head);
}

static const uint8_t *read_pending(const struct batch *in, const struct op *op, size_t *len)
{
    *len = op->value_len - (op->value_len ? sizeof(struct value_head) : 0);
    return op->value_len ? in->bytes + op->at + op->key_len + sizeof(struct value_head) : NULL;
}

static const uint8_t *lmdb_get(struct cache_store *store, const struct cache_key *key,
                               size_t *len)
{
    struct view *v = container_of(store, struct view, store);
    const struct batch *in;
    MDB_val k = {key->len, (void *)(uintptr_t)key->bytes}, value;

    if (is_file_dead(v))
        return memory_store(v) ? v->memory->get(v->memory, key, len) : NULL;
    if (!begin_reading(v))
        return NULL;
    const struct op *op = v->pending[key->hash % PENDING] ? find_pending(v, key, &in) : NULL;
    if (op)
        return read_pending(in, op, len);
    int rc = mdb_get(v->txn, v->cache->dbi, &k, &value);
    if (rc == 0)
        return check_value(v, key, &value, len);
    if (rc != MDB_NOTFOUND)
        note_lmdb_error(v->cache, "reading", rc);
    return NULL;
}

/* ---- reading in order ---- */

/* What get_before looks for: the last key up to `key`, or before it. */
struct before {
    const uint8_t *key;
    size_t len;
    bool is_exclusive;
    const uint8_t *prefix;
    size_t prefix_len;
};

static int compare_key_octets(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
    int diff = memcmp(a, b, util_min(a_len, b_len));
    return diff ? diff : (a_len > b_len) - (a_len < b_len);
}

static bool is_before(const struct before *wanted, const uint8_t *key, size_t len)
{
    return len >= wanted->prefix_len && memcmp(key, wanted->prefix, wanted->prefix_len) == 0 &&
           compare_key_octets(key, len, wanted->key, wanted->len) < !wanted->is_exclusive;
}

/* Keep the last key of a batch, unless `*last` is as far: that is in a newer batch. */
static void find_last_op(const struct before *wanted, const struct batch *b,
                         const struct batch **in, const struct op **last)
{
    for (unsigned i = b->ordered_cnt ? b->cnt : 0; i-- > 0;) {
        const struct op *op = &b->ops[i];
        const uint8_t *key = b->bytes + op->at;
        if (is_before(wanted, key, op->key_len) &&
            (!*last || compare_key_octets(key, op->key_len, (*in)->bytes + (*last)->at,
                                          (*last)->key_len) > 0)) {
            *last = op;
            *in = b;
        }
    }
}

static const struct op *find_pending_before(const struct view *v, const struct before *wanted,
                                            const struct batch **in)
{
    const struct op *last = NULL;

    if (v->open)
        find_last_op(wanted, v->open, in, &last);
    for (unsigned i = v->sent_cnt; i-- > 0;)
        find_last_op(wanted, v->sent[i], in, &last);
    return last;
}

/* Find it in the file.  Return false if there is none. */
static bool find_committed_before(struct view *v, const struct before *wanted, MDB_val *key,
                                  MDB_val *value)
{
    MDB_cursor *cursor;

    *key = (MDB_val){wanted->len, (void *)(uintptr_t)wanted->key};
    if (mdb_cursor_open(v->txn, v->cache->dbi, &cursor) != 0)
        return false;
    int rc = mdb_cursor_get(cursor, key, value, MDB_SET_RANGE);
    bool is_there = rc == 0 && is_before(wanted, key->mv_data, key->mv_size);
    if (!is_there && (rc == 0 || rc == MDB_NOTFOUND))
        rc = mdb_cursor_get(cursor, key, value, rc == 0 ? MDB_PREV : MDB_LAST);
    mdb_cursor_close(cursor);
    if (rc != 0 && rc != MDB_NOTFOUND)
        note_lmdb_error(v->cache, "reading", rc);
    return rc == 0 && key->mv_size <= CACHE_STORE_KEY_MAX &&
           is_before(wanted, key->mv_data, key->mv_size);
}

/* Find the last key in the file and in the batches that are not committed.  *is_deleted: the
 * key that was found is deleted by a batch. */
static const uint8_t *find_before(struct view *v, const struct before *wanted,
                                  struct cache_place *place, size_t *len, bool *is_deleted)
{
    const struct batch *in = NULL;
    const struct op *op = find_pending_before(v, wanted, &in);
    MDB_val key, value;
    bool is_there = find_committed_before(v, wanted, &key, &value);

    *is_deleted = false;
    if (op && (!is_there || compare_key_octets(in->bytes + op->at, op->key_len, key.mv_data,
                                               key.mv_size) >= 0)) {
        memcpy(place->key, in->bytes + op->at, op->key_len);
        place->len = op->key_len;
        *is_deleted = op->value_len == 0;
        return read_pending(in, op, len);
    }
    if (!is_there)
        return NULL;
    memcpy(place->key, key.mv_data, key.mv_size);
    place->len = key.mv_size;
    struct cache_key found = {place->key, place->len, 0};
    return check_value(v, &found, &value, len);
}

static const uint8_t *lmdb_get_before(struct cache_store *store, const struct cache_key *key,
                                      size_t prefix_len, struct cache_place *place, size_t *len)
{
    struct view *v = container_of(store, struct view, store);
    struct before wanted = {
        .key = key->bytes, .len = key->len, .prefix = key->bytes, .prefix_len = prefix_len};
    bool is_deleted = true;
    const uint8_t *value = NULL;

    if (is_file_dead(v))
        return memory_store(v) ? v->memory->get_before(v->memory, key, prefix_len, place, len)
                               : NULL;
    if (!begin_reading(v))
        return NULL;
    for (unsigned i = 0; i < BEFORE_TRIES && is_deleted; i++) {
        struct cache_place found;
        found.len = 0;
        value = find_before(v, &wanted, &found, len, &is_deleted);
        memcpy(place->key, found.key, found.len);
        place->len = found.len;
        wanted.key = place->key;
        wanted.len = place->len;
        wanted.is_exclusive = true;
    }
    return value;
}

static void lmdb_use(struct cache_store *store, uint64_t hash)
{
    struct view *v = container_of(store, struct view, store);
    if (sketch_add(v->cache->sketch, hash) && ++v->use_cnt % USES_REPORTED == 0)
        atomic_fetch_add_explicit(&v->cache->uses, USES_REPORTED, memory_order_relaxed);
}

static unsigned lmdb_popularity(const struct cache_store *store, uint64_t hash)
{
    const struct view *v = container_of(store, const struct view, store);
    return sketch_count(v->cache->sketch, hash);
}

/* ---- trimming ---- */

/* Return the share of the domain that a key belongs to, by its last two labels: about what one
 * registrant owns.  A key is a space, then labels from the root on, each ended by 00. */
static int64_t *domain_share(struct cache_lmdb *c, const uint8_t *key, size_t len)
{
    size_t end = 1;
    for (unsigned labels = 0; end < len && labels < 2; end++)
        labels += key[end] == 0;
    end = util_min(end, len);
    return &c->shares[hash_more(hash_start(), key + util_min(1, len), end - util_min(1, len)) %
                      SHARES];
}

static void note_entry(void *data, const uint8_t *key, size_t key_len, size_t value_len)
{
    *domain_share(data, key, key_len) += (int64_t)(key_len + value_len);
}

static bool is_evictable(struct cache_lmdb *c, const MDB_val *key, const MDB_val *value,
                         int64_t now_ms)
{
    int64_t expire_ms;

    if (key->mv_size <= CACHE_STORE_OWN_MAX &&
        *(const uint8_t *)key->mv_data == CACHE_STORE_OWN)
        return false;
    if (value->mv_size < sizeof(struct value_head))
        return true;
    memcpy(&expire_ms, (const uint8_t *)value->mv_data + sizeof(uint64_t), sizeof(expire_ms));
    if (expire_ms <= now_ms)
        return true;
    bool is_beyond = *domain_share(c, key->mv_data, key->mv_size) * 100 >
                     (int64_t)c->conf.size * CACHE_LMDB_SHARE_PERCENT;
    unsigned uses =
        sketch_count(c->sketch, hash_more(hash_start(), key->mv_data, key->mv_size));
    return uses < c->least_uses + (is_beyond ? SHARE_FAVOUR : 0);
}

/* Keys are copied, because deleting moves what a cursor points at. */
struct victims {
    uint8_t keys[TRIM_OPS][CACHE_STORE_KEY_MAX];
    size_t lens[TRIM_OPS], sizes[TRIM_OPS];
    unsigned cnt, looked;
};

/* Choose entries to evict, from the hand on; behind the last key it returns to the first. */
static int choose_victims(struct cache_lmdb *c, MDB_txn *txn, struct victims *chosen)
{
    int64_t now_ms = now_wall_ms();
    MDB_cursor *cursor;
    MDB_val key = {c->hand_len, c->hand}, value;

    int rc = mdb_cursor_open(txn, c->dbi, &cursor);
    if (rc != 0)
        return rc;
    rc = mdb_cursor_get(cursor, &key, &value, c->hand_len ? MDB_SET_RANGE : MDB_FIRST);
    chosen->cnt = chosen->looked = 0;
    while (rc == 0 && chosen->looked < TRIM_LOOKS && chosen->cnt < TRIM_OPS) {
        chosen->looked++;
        if (key.mv_size <= CACHE_STORE_KEY_MAX && is_evictable(c, &key, &value, now_ms)) {
            memcpy(chosen->keys[chosen->cnt], key.mv_data, key.mv_size);
            chosen->lens[chosen->cnt] = key.mv_size;
            chosen->sizes[chosen->cnt++] = value.mv_size;
        }
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    }
    c->hand_len = rc == 0 ? util_min(key.mv_size, CACHE_STORE_KEY_MAX) : 0;
    if (rc == 0)
        memcpy(c->hand, key.mv_data, c->hand_len);
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* After each lap of the hand, demand more uses if few entries were evicted, and fewer if very
 * many were.  Popular names stand together, so less than a lap says nothing; a file that is
 * tight cannot wait for a whole lap. */
static void adapt_least_uses(struct cache_lmdb *c, const struct victims *chosen, bool is_tight)
{
    c->lap_looked += chosen->looked;
    c->lap_victims += chosen->cnt;
    bool is_lap_over = c->hand_len == 0;
    if (!is_lap_over && !(is_tight && chosen->cnt < TRIM_OPS / 8))
        return;
    if (c->lap_victims < c->lap_looked / 16 && c->least_uses <= SKETCH_MOST)
        c->least_uses++;
    else if (c->lap_victims > c->lap_looked / 2 && c->least_uses > 0)
        c->least_uses--;
    c->lap_looked = c->lap_victims = 0;
}

/* Evict entries in one transaction; *freed gets their octets. */
static int trim_once(struct cache_lmdb *c, size_t *freed, bool is_tight)
{
    struct victims chosen;
    MDB_txn *txn;

    int rc = mdb_txn_begin(c->env, NULL, 0, &txn);
    if (rc != 0)
        return rc;
    rc = choose_victims(c, txn, &chosen);
    for (unsigned i = 0; i < chosen.cnt && rc == 0; i++) {
        MDB_val key = {chosen.lens[i], chosen.keys[i]};
        rc = mdb_del(txn, c->dbi, &key, NULL);
    }
    rc = end_txn(txn, rc);
    if (rc != 0)
        return rc;
    *freed = 0;
    for (unsigned i = 0; i < chosen.cnt; i++) {
        size_t octets = chosen.lens[i] + chosen.sizes[i];
        *domain_share(c, chosen.keys[i], chosen.lens[i]) -= (int64_t)octets;
        *freed += octets;
    }
    atomic_fetch_add_explicit(&c->trimmed, chosen.cnt, memory_order_relaxed);
    adapt_least_uses(c, &chosen, is_tight);
    return 0;
}

/* Evict at least `wanted` octets, as far as a bounded number of transactions finds them. */
static void trim_file(struct cache_lmdb *c, size_t wanted, bool is_tight)
{
    unsigned rounds = is_tight ? TRIM_ROUNDS_TIGHT : TRIM_ROUNDS;
    size_t freed, sum = 0;

    for (unsigned i = 0; i < rounds && sum < wanted; i++, sum += freed) {
        int rc = trim_once(c, &freed, is_tight);
        if (rc != 0) {
            note_lmdb_error(c, "trimming", rc);
            return;
        }
    }
}

/* ---- writing ---- */

static int write_op(struct cache_lmdb *c, MDB_txn *txn, const struct batch *b, struct op *op)
{
    uint8_t *bytes = b->bytes + op->at;
    MDB_val key = {op->key_len, bytes}, value = {op->value_len, bytes + op->key_len};

    op->growth = 0;
    if (op->value_len == 0) {
        int rc = mdb_get(txn, c->dbi, &key, &value);
        if (rc != 0)
            return rc == MDB_NOTFOUND ? 0 : rc;
        op->growth = -(int64_t)(key.mv_size + value.mv_size);
        return mdb_del(txn, c->dbi, &key, NULL);
    }
    int rc = mdb_put(txn, c->dbi, &key, &value, MDB_NOOVERWRITE);
    op->growth = (int64_t)op->value_len + (rc == 0 ? (int64_t)op->key_len : 0);
    if (rc != MDB_KEYEXIST)
        return rc;
    op->growth -= (int64_t)value.mv_size;
    value = (MDB_val){op->value_len, bytes + op->key_len};
    return mdb_put(txn, c->dbi, &key, &value, 0);
}

static uint64_t tree_octets(const MDB_stat *stat)
{
    return (uint64_t)stat->ms_psize *
           (stat->ms_branch_pages + stat->ms_leaf_pages + stat->ms_overflow_pages);
}

/* Note the size for the statistics; the mark is not an entry. */
static void note_size(struct cache_lmdb *c, const MDB_stat *stat)
{
    atomic_store_explicit(&c->used, tree_octets(stat), memory_order_relaxed);
    atomic_store_explicit(&c->entries, stat->ms_entries - 1, memory_order_relaxed);
}

/* Write `first` and the batches behind it, up to but without `end`, in one transaction. */
static int write_once(struct cache_lmdb *c, struct batch *first, const struct batch *end,
                      bool *is_full, bool *is_tight)
{
    MDB_txn *txn;
    MDB_stat stat;

    int rc = mdb_txn_begin(c->env, NULL, 0, &txn);
    if (rc != 0)
        return rc;
    for (struct batch *b = first; b != end && rc == 0; b = b->next)
        for (unsigned i = 0; i < b->cnt && rc == 0; i++)
            rc = write_op(c, txn, b, &b->ops[i]);
    if (rc == 0)
        rc = mdb_stat(txn, c->dbi, &stat);
    rc = end_txn(txn, rc);
    if (rc != 0)
        return rc;
    note_size(c, &stat);
    uint64_t spare = (uint64_t)stat.ms_psize * SPARE_PAGES, size = c->conf.size;
    *is_full = tree_octets(&stat) > util_min(size / 100 * USED_PERCENT, size - spare);
    *is_tight = tree_octets(&stat) > util_min(size / 100 * TIGHT_PERCENT, size - spare / 2);
    return 0;
}

static void note_written(struct cache_lmdb *c, const struct batch *first,
                         const struct batch *end, unsigned cnt)
{
    for (const struct batch *b = first; b != end; b = b->next)
        for (unsigned i = 0; i < b->cnt; i++)
            *domain_share(c, b->bytes + b->ops[i].at, b->ops[i].key_len) += b->ops[i].growth;
    atomic_fetch_add_explicit(&c->commits, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->written, cnt, memory_order_relaxed);
}

static void raise_slot(struct cache_lmdb *c, uint64_t hash)
{
    atomic_fetch_add_explicit(&c->versions.slots[hash % CACHE_STORE_SLOTS], 1,
                              memory_order_release);
}

static void raise_batch_slots(struct cache_lmdb *c, const struct batch *b)
{
    atomic_fetch_add_explicit(&c->versions.epoch, 1, memory_order_release);
    for (unsigned i = 0; i < b->cnt; i++)
        raise_slot(c, b->ops[i].hash);
}

/* Announce a batch, written or dropped, to all workers; then its owner may reuse it. */
static void finish_batch(struct cache_lmdb *c, struct batch *b)
{
    raise_batch_slots(c, b);
    for (unsigned i = 0; i < b->announce_cnt; i++)
        c->conf.announced(c->conf.data, b->announces[i]);
    atomic_store_explicit(&b->is_done, true, memory_order_release);
}

/* Write as many batches as one transaction may have.  Return the first of the others. */
static struct batch *write_some(struct cache_lmdb *c, struct batch *first)
{
    bool is_full = false, is_tight = false;
    size_t octets = 0;
    unsigned cnt = 0;
    struct batch *end = first;

    for (; end &&
           (end == first || (cnt + end->cnt <= BATCH_OPS && octets + end->len <= BATCH_BYTES));
         end = end->next) {
        cnt += end->cnt;
        octets += end->len;
    }
    bool is_nothing = cnt == 0 || atomic_load_explicit(&c->is_dead, memory_order_relaxed);
    int rc = is_nothing ? 0 : write_once(c, first, end, &is_full, &is_tight);
    if (rc == MDB_MAP_FULL) { /* the file is full, or readers still use pages that were freed */
        int dead;
        (void)mdb_reader_check(c->env, &dead);
        trim_file(c, 4 * octets, true);
        rc = write_once(c, first, end, &is_full, &is_tight);
    }
    if (rc != 0) {
        atomic_fetch_add_explicit(&c->dropped, cnt, memory_order_relaxed);
        note_lmdb_error(c, "writing", rc);
    } else if (!is_nothing) {
        note_written(c, first, end, cnt);
    }
    if (is_full)
        trim_file(c, 2 * octets, is_tight);
    while (first != end) {
        struct batch *next = first->next;
        finish_batch(c, first);
        first = next;
    }
    return end;
}

static void age_sketch(struct cache_lmdb *c)
{
    if (atomic_load_explicit(&c->uses, memory_order_relaxed) < USES_AGE)
        return;
    atomic_store_explicit(&c->uses, 0, memory_order_relaxed);
    sketch_age(c->sketch);
}

/* Write the batches on the stack, the oldest first. */
static void write_stack(struct cache_lmdb *c)
{
    struct batch *top = atomic_exchange_explicit(&c->stack, NULL, memory_order_acquire);
    struct batch *oldest = NULL;

    while (top) {
        struct batch *next = top->next;
        top->next = oldest;
        oldest = top;
        top = next;
    }
    while (oldest)
        oldest = write_some(c, oldest);
    age_sketch(c);
}

/* Write the stack unless another worker does.  The number of rounds is bounded, so that other
 * workers' batches do not keep this one from its own work; what is left waits for the next
 * call. */
static void write_or_leave(struct cache_lmdb *c)
{
    for (unsigned i = 0; i < WRITE_ROUNDS; i++) {
        if (!atomic_load(&c->stack) || atomic_exchange(&c->is_locked, true))
            return;
        write_stack(c);
        atomic_store(&c->is_locked, false);
    }
}

/* Push the open batch on the stack.  Return false if too many batches of this view are there.
 * It is written at the end of the turn, when this worker's snapshot, which keeps pages from
 * being freed, has ended. */
static bool push_batch(struct view *v)
{
    struct batch *b = v->open;

    if (v->sent_cnt == BATCHES_MAX)
        return false;
    v->sent[v->sent_cnt++] = b;
    v->open = NULL;
    b->next = atomic_load(&v->cache->stack);
    while (!atomic_compare_exchange_weak(&v->cache->stack, &b->next, b))
        ;
    return true;
}

/* Return a batch with room for one more operation; NULL without memory, or if too many batches
 * wait to be written. */
static struct batch *open_batch(struct view *v)
{
    bool is_full =
        v->open && (v->open->cnt == BATCH_OPS || v->open->announce_cnt == BATCH_OPS ||
                    v->open->len > BATCH_BYTES);
    if (is_full && !push_batch(v))
        return NULL;
    if (v->open)
        return v->open;
    struct batch *b = v->spare ? v->spare : calloc(1, sizeof(*b));
    if (!b)
        return NULL;
    if (b == v->spare) {
        v->spare = b->next;
        v->spare_cnt--;
    }
    b->next = NULL;
    b->cnt = b->announce_cnt = b->ordered_cnt = 0;
    b->len = 0;
    b->is_urgent = false;
    b->since_ms = now_mono_ms();
    atomic_store_explicit(&b->is_done, false, memory_order_relaxed);
    v->open = b;
    return b;
}

/* Add one operation.  Return where its value goes, behind the key; NULL if there is no batch or
 * no memory for it. */
static uint8_t *add_op(struct view *v, const struct cache_key *key, size_t value_len)
{
    struct batch *b = open_batch(v);

    if (!b)
        return NULL;
    size_t need = b->len + key->len + value_len;
    if (need > b->size) {
        size_t size = util_max(2 * b->size, util_max(need, BATCH_OPS * 256));
        uint8_t *grown = realloc(b->bytes, size);
        if (!grown)
            return NULL;
        b->bytes = grown;
        b->size = size;
    }
    b->ops[b->cnt++] = (struct op){.hash = key->hash,
                                   .at = b->len,
                                   .key_len = (uint32_t)key->len,
                                   .value_len = (uint32_t)value_len};
    v->pending[key->hash % PENDING]++;
    b->ordered_cnt += key->len > 0 && *key->bytes == CACHE_STORE_ORDERED;
    memcpy(b->bytes + b->len, key->bytes, key->len);
    b->len = need;
    return b->bytes + need - value_len;
}

static enum err lmdb_put(struct cache_store *store, const struct cache_key *key,
                         const uint8_t *value, size_t len, int64_t expire_ms)
{
    struct view *v = container_of(store, struct view, store);
    struct value_head head = {.expire_ms = expire_ms};

    if (is_file_dead(v)) {
        raise_slot(v->cache, key->hash);
        return memory_store(v) ? v->memory->put(v->memory, key, value, len, expire_ms)
                               : ERR_NOMEM;
    }
    if (key->len > CACHE_STORE_KEY_MAX || len > CACHE_STORE_VALUE_MAX)
        return ERR_SPACE;
    uint8_t *to = add_op(v, key, sizeof(head) + len);
    if (!to)
        return ERR_NOMEM;
    memcpy(to, &head, sizeof(head));
    memcpy(to + sizeof(head), value, len);
    head.checksum = value_checksum(v->cache, key->bytes, key->len, to + sizeof(head.checksum),
                                   sizeof(head.expire_ms) + len);
    memcpy(to, &head.checksum, sizeof(head.checksum));
    return ERR_OK;
}

static void lmdb_remove(struct cache_store *store, const struct cache_key *key)
{
    struct view *v = container_of(store, struct view, store);
    size_t len;

    if (is_file_dead(v)) {
        raise_slot(v->cache, key->hash);
        if (memory_store(v))
            v->memory->remove(v->memory, key);
    } else if (lmdb_get(store, key, &len)) { /* most keys of cache_flush do not exist */
        (void)(add_op(v, key, 0) == NULL); /* without memory the entry stays until it expires */
    }
}

/* List the next keys below `prefix`, copied, because deleting moves what the cursor points at.
 * Return false if they cannot be listed now. */
static bool list_below(struct view *v, const uint8_t *prefix, size_t len,
                       const struct cache_place *place, struct cache_place *found, size_t max,
                       size_t *found_cnt)
{
    MDB_val key = {place->len ? place->len : len,
                   place->len ? (void *)(uintptr_t)place->key : (void *)(uintptr_t)prefix},
            value;
    MDB_cursor *cursor;
    size_t cnt = 0;

    if (mdb_cursor_open(v->txn, v->cache->dbi, &cursor) != 0)
        return false;
    int rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
    if (rc == 0 && place->len && key.mv_size == place->len &&
        memcmp(key.mv_data, place->key, place->len) == 0)
        rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
    for (; rc == 0 && cnt < max && key.mv_size >= len && key.mv_size <= CACHE_STORE_KEY_MAX &&
           memcmp(key.mv_data, prefix, len) == 0;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        memcpy(found[cnt].key, key.mv_data, key.mv_size);
        found[cnt++].len = key.mv_size;
    }
    mdb_cursor_close(cursor);
    *found_cnt = cnt;
    return true;
}

/* Stop where this turn has no room for more operations; the next call goes on there. */
static bool lmdb_remove_below(struct cache_store *store, const uint8_t *prefix, size_t len,
                              struct cache_place *place, size_t max, size_t *cnt)
{
    struct view *v = container_of(store, struct view, store);
    size_t value_len;

    if (is_file_dead(v))
        return memory_store(v) &&
               v->memory->remove_below(v->memory, prefix, len, place, max, cnt);
    struct cache_place *found = begin_reading(v) ? malloc(max * sizeof(*found)) : NULL;
    size_t found_cnt = 0, i;
    if (!found || !list_below(v, prefix, len, place, found, max, &found_cnt)) {
        free(found);
        return true; /* out of memory: the next turn may have some */
    }
    for (i = 0; i < found_cnt; i++) {
        struct cache_key key = {found[i].key, found[i].len,
                                hash_more(hash_start(), found[i].key, found[i].len)};
        bool is_there = lmdb_get(store, &key, &value_len) != NULL;
        if (is_there && !add_op(v, &key, 0))
            break;
        *cnt += is_there;
        memcpy(place->key, key.bytes, key.len);
        place->len = key.len;
    }
    free(found);
    return found_cnt == max || i < found_cnt;
}

static void lmdb_renew(struct cache_store *store)
{
    struct view *v = container_of(store, struct view, store);
    if (v->is_reading)
        mdb_txn_reset(v->txn);
    v->is_reading = false;
    reap_batches(v);
}

static bool lmdb_settle(struct cache_store *store)
{
    struct view *v = container_of(store, struct view, store);
    struct batch *b = v->open;

    lmdb_renew(store);
    if (b && (b->cnt >= SETTLE_OPS || b->is_urgent || now_mono_ms() - b->since_ms >= SETTLE_MS))
        (void)push_batch(v);
    write_or_leave(v->cache);
    while (v->sent_cnt > BATCHES_WAIT) {
        reap_batches(v);
        write_or_leave(v->cache);
        sched_yield();
    }
    return v->open != NULL || atomic_load(&v->cache->stack) != NULL;
}

static bool lmdb_sync(struct cache_store *store)
{
    struct view *v = container_of(store, struct view, store);

    if (v->open)
        v->open->is_urgent = true;
    (void)lmdb_settle(store);
    reap_batches(v);
    return !v->open && v->sent_cnt == 0;
}

static void lmdb_announce(struct cache_store *store, uint64_t hash, bool is_urgent)
{
    struct view *v = container_of(store, struct view, store);
    struct batch *b = open_batch(v);

    if (!b) { /* announce it too early rather than never */
        v->cache->conf.announced(v->cache->conf.data, hash);
        return;
    }
    b->announces[b->announce_cnt++] = hash;
    b->is_urgent |= is_urgent;
}

static void free_view(struct cache_store **store)
{
    if (!*store)
        return;
    struct view *v = container_of(*store, struct view, store);
    if (v->is_reading)
        mdb_txn_reset(v->txn);
    if (v->open && !push_batch(v))
        free_batch(v->open);
    for (unsigned i = 0; i < v->sent_cnt; i++) {
        /* another worker may be writing it */
        while (!atomic_load_explicit(&v->sent[i]->is_done, memory_order_acquire)) {
            write_or_leave(v->cache);
            sched_yield();
        }
        free_batch(v->sent[i]);
    }
    while (v->spare) {
        struct batch *next = v->spare->next;
        free_batch(v->spare);
        v->spare = next;
    }
    mdb_txn_abort(v->txn);
    if (v->memory)
        v->memory->free(&v->memory);
    free(v);
    *store = NULL;
}

enum err cache_lmdb_view(struct cache_lmdb *c, struct cache_store **out)
{
    struct view *v = calloc(1, sizeof(*v));

    if (!v || mdb_txn_begin(c->env, NULL, MDB_RDONLY, &v->txn) != 0) {
        free(v);
        return ERR_NOMEM;
    }
    mdb_txn_reset(v->txn);
    v->cache = c;
    v->store = (struct cache_store){.get = lmdb_get,
                                    .get_before = lmdb_get_before,
                                    .use = lmdb_use,
                                    .popularity = lmdb_popularity,
                                    .put = lmdb_put,
                                    .remove = lmdb_remove,
                                    .remove_below = lmdb_remove_below,
                                    .renew = lmdb_renew,
                                    .settle = lmdb_settle,
                                    .sync = lmdb_sync,
                                    .announce = c->conf.announced ? lmdb_announce : NULL,
                                    .free = free_view,
                                    .versions = &c->versions,
                                    .is_shared = true};
    *out = &v->store;
    return ERR_OK;
}

/* ---- open and close ---- */

static int open_env(struct cache_lmdb *c)
{
    MDB_txn *txn;
    int rc = mdb_env_create(&c->env);

    if (rc == 0)
        rc = mdb_env_set_mapsize(c->env, c->conf.size);
    if (rc == 0)
        rc = mdb_env_set_maxreaders(c->env, c->conf.worker_cnt + READERS_SPARE);
    if (rc == 0)
        rc = mdb_env_open(c->env, c->disk.path,
                          MDB_NOSUBDIR | MDB_NOSYNC | MDB_WRITEMAP | MDB_NOTLS | MDB_NORDAHEAD,
                          0640);
    if (rc == 0)
        rc = mdb_txn_begin(c->env, NULL, 0, &txn);
    if (rc != 0)
        return rc;
    rc = mdb_dbi_open(txn, NULL, 0, &c->dbi);
    return end_txn(txn, rc);
}

static void close_env(struct cache_lmdb *c)
{
    if (c->env)
        mdb_env_close(c->env);
    c->env = NULL;
}

static uint32_t mark_check(const struct mark *mark)
{
    static const uint64_t key[2] = {1, 3};
    return (uint32_t)(hash_more_keyed(key, key[0], (const uint8_t *)mark->secret,
                                      sizeof(mark->secret)) >>
                      32);
}

/* Read the mark of our format; a new file gets one.  MDB_VERSION_MISMATCH if it is missing or
 * of another format. */
static int read_mark(struct cache_lmdb *c)
{
    struct mark mark = {.format = FORMAT};
    MDB_val key = {sizeof(mark_key), (void *)(uintptr_t)mark_key}, value;
    MDB_txn *txn;

    int rc = mdb_txn_begin(c->env, NULL, 0, &txn);
    if (rc != 0)
        return rc;
    rc = mdb_get(txn, c->dbi, &key, &value);
    if (rc == 0 && value.mv_size == sizeof(mark)) {
        memcpy(&mark, value.mv_data, sizeof(mark));
        if (memcmp(mark.name, mark_name, sizeof(mark_name)) != 0 || mark.format != FORMAT ||
            mark.check != mark_check(&mark))
            rc = MDB_VERSION_MISMATCH;
    } else if (rc == MDB_NOTFOUND && c->disk.is_new) {
        memcpy(mark.name, mark_name, sizeof(mark_name));
        must(getrandom(mark.secret, sizeof(mark.secret), 0) == (ssize_t)sizeof(mark.secret));
        mark.secret[1] |= 1;
        mark.check = mark_check(&mark);
        value = (MDB_val){sizeof(mark), &mark};
        rc = mdb_put(txn, c->dbi, &key, &value, 0);
    } else if (rc == 0 || rc == MDB_NOTFOUND) {
        rc = MDB_VERSION_MISMATCH;
    }
    memcpy(c->secret, mark.secret, sizeof(c->secret));
    return end_txn(txn, rc);
}

static int open_env_and_mark(struct cache_lmdb *c)
{
    int rc = open_env(c);
    return rc == 0 ? read_mark(c) : rc;
}

static enum err fail_open(const struct cache_lmdb *c, int rc, struct fault *fault)
{
    return fault_set(fault, ERR_IO, "%s: %s", c->disk.path, mdb_strerror(rc));
}

static enum err open_or_replace_file(struct cache_lmdb *c, struct fault *fault)
{
    int rc = open_env_and_mark(c);

    if (rc == 0 || c->disk.is_new)
        return rc == 0 ? ERR_OK : fail_open(c, rc, fault);
    const char *reason =
        rc == MDB_VERSION_MISMATCH
            ? "it was written by another version of Rootline or another program"
            : mdb_strerror(rc);
    close_env(c);
    memset(c->shares, 0, sizeof(c->shares));
    if (cache_disk_set_aside(&c->disk, reason) != ERR_OK)
        return fail_open(c, rc, fault);
    enum err err = cache_disk_reserve(&c->disk, c->conf.size, fault);
    if (err)
        return err;
    rc = open_env_and_mark(c);
    return rc == 0 ? ERR_OK : fail_open(c, rc, fault);
}

static enum err open_cache_file(struct cache_lmdb *c, struct fault *fault)
{
    MDB_stat stat;

    enum err err =
        cache_disk_open(c->conf.directory, c->conf.size, note_entry, c, &c->disk, fault);
    if (err)
        return err;
    if (c->disk.is_new)
        memset(c->shares, 0, sizeof(c->shares));
    err = cache_disk_reserve(&c->disk, c->conf.size, fault);
    if (!err)
        err = open_or_replace_file(c, fault);
    if (err)
        return err;
    int rc = mdb_env_stat(c->env, &stat);
    if (rc != 0)
        return fail_open(c, rc, fault);
    note_size(c, &stat);
    *fault = c->disk.notice;
    return ERR_OK;
}

enum err cache_lmdb_open(const struct cache_lmdb_conf *conf, struct cache_lmdb **out,
                         struct fault *fault)
{
    struct cache_lmdb *c = calloc(1, sizeof(*c));

    if (!c)
        return fault_name(fault, ERR_NOMEM);
    c->conf = *conf;
    c->conf.size -= c->conf.size % 65536; /* a multiple of every page size */
    c->disk.folder = -1;
    enum err err = fault_name(fault, sketch_new(&c->sketch));
    if (!err)
        err = open_cache_file(c, fault);
    if (err)
        cache_lmdb_free(&c);
    else
        *out = c;
    return err;
}

struct cache_lmdb_stats cache_lmdb_stats(struct cache_lmdb *c)
{
    return (struct cache_lmdb_stats){
        .commits = atomic_load_explicit(&c->commits, memory_order_relaxed),
        .written = atomic_load_explicit(&c->written, memory_order_relaxed),
        .trimmed = atomic_load_explicit(&c->trimmed, memory_order_relaxed),
        .dropped = atomic_load_explicit(&c->dropped, memory_order_relaxed),
        .broken = atomic_load_explicit(&c->broken, memory_order_relaxed),
        .entries = atomic_load_explicit(&c->entries, memory_order_relaxed),
        .used = atomic_load_explicit(&c->used, memory_order_relaxed),
        .size = c->conf.size};
}

void cache_lmdb_free(struct cache_lmdb **cache)
{
    struct cache_lmdb *c = *cache;
    if (!c)
        return;
    close_env(c);
    cache_disk_close(&c->disk);
    if (c->sketch)
        sketch_free(&c->sketch);
    free(c);
    *cache = NULL;
}
