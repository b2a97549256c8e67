/* The steps are those of a signer of RFC 4035 2: keys, denial, signatures.  ZONEMD comes last,
 * because it digests the signatures (RFC 8976 3).  Each step appends records to the build and
 * sorts it, so that the next one finds RRsets in canonical order. */
#include "authd/sign/zonesign.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "authd/check/check_zonemd.h"
#include "authd/check/zone_check.h"
#include "authd/zone/denial_chain.h"
#include "dns/bitmap.h"
#include "dns/dname_text.h"
#include "dns/rrsig.h"

enum {
    HASH_SHA1 = 1, /* RFC 5155 11 */
    BATCH = 64,    /* RRsets that a thread takes at once */
    THREADS_MAX = 64,
};

/* Lifetime: one signing. */
struct zonesigning {
    struct zonebuild *build;
    const struct keydir *keys;
    const struct zonesign_conf *conf;
    struct diag_place whole; /* the file of the zone */
    uint32_t key_ttl, negative_ttl;
    struct zonesign_result result;
};

/* ---- records ---- */

static enum err add_made_record(struct zonesigning *z, const uint8_t *owner, uint16_t type,
                                uint32_t ttl, const uint8_t *rdata, size_t len)
{
    struct zonebuild_record record = {
        .rdata = rdata, .len = (uint16_t)len, .type = type, .ttl = ttl};
    return zonebuild_add(z->build, owner, &record);
}

static bool is_apex_record(const struct zonesigning *z, const struct zonebuild_record *r)
{
    return dname_is_equal(r->owner->name, z->build->origin);
}

/* True if the record is the DNSKEY of a key that has been deleted. */
static bool is_deleted_key(const struct zonesigning *z, const struct zonebuild_record *r)
{
    if (r->type != RRTYPE_DNSKEY)
        return false;
    for (size_t i = 0; i < z->keys->cnt; i++) {
        const struct keydir_key *key = &z->keys->keys[i];
        if (key->is_deleted && key->rdata_len == r->len &&
            memcmp(key->rdata, r->rdata, r->len) == 0)
            return true;
    }
    return false;
}

/* True for a record that this signing makes anew or drops. */
static bool is_replaced(struct zonesigning *z, const struct zonebuild_record *r)
{
    switch (r->type) {
    case RRTYPE_RRSIG:
    case RRTYPE_NSEC:
    case RRTYPE_NSEC3:
    case RRTYPE_NSEC3PARAM: return true;
    case RRTYPE_ZONEMD:
        z->result.has_zonemd |= is_apex_record(z, r);
        return is_apex_record(z, r);
    case RRTYPE_CDS:
    case RRTYPE_CDNSKEY: return z->conf->adds_cds && is_apex_record(z, r);
    default: return is_deleted_key(z, r);
    }
}

static void drop_replaced(struct zonesigning *z)
{
    struct zonebuild *build = z->build;
    size_t kept = 0;

    z->result.has_zonemd = z->conf->adds_zonemd;
    for (size_t i = 0; i < build->cnt; i++)
        if (!is_replaced(z, &build->records[i]))
            build->records[kept++] = build->records[i];
    build->cnt = kept;
}

/* Give all records of an RRset its smallest TTL (RFC 2181 5.2): a signature has one TTL. */
static void level_ttls(struct zonebuild *build)
{
    for (size_t i = 0; i < build->cnt;) {
        size_t end = zonebuild_rrset_end(build, i);
        uint32_t ttl = build->records[i].ttl;
        for (size_t n = i; n < end; n++)
            ttl = build->records[n].ttl < ttl ? build->records[n].ttl : ttl;
        for (; i < end; i++)
            build->records[i].ttl = ttl;
    }
}

static size_t find_apex_type(const struct zonebuild *build, uint16_t type)
{
    return zonebuild_find_type(build, zonebuild_find_owner(build, build->origin), type);
}

/* ---- the SOA ---- */

static uint32_t date_serial(uint32_t now_s)
{
    time_t seconds = now_s;
    struct tm tm;

    if (!gmtime_r(&seconds, &tm))
        return 0;
    return (uint32_t)((tm.tm_year + 1900) * 1000000 + (tm.tm_mon + 1) * 10000 +
                      tm.tm_mday * 100);
}

static uint32_t choose_serial(const struct zonesign_conf *conf, uint32_t old)
{
    uint32_t wanted = old;

    switch (conf->serial) {
    case ZONESIGN_KEEP: return old;
    case ZONESIGN_INCREMENT: break;
    case ZONESIGN_UNIXTIME: wanted = conf->now_s; break;
    case ZONESIGN_DATE: wanted = date_serial(conf->now_s); break;
    }
    return (int32_t)(wanted - old) > 0 ? wanted : old + 1; /* RFC 1982 3.2 */
}

/* Set the serial, and learn the TTLs that the SOA decides. */
static enum err update_soa(struct zonesigning *z)
{
    struct zonebuild *build = z->build;
    struct zonebuild_record *soa = &build->records[find_apex_type(build, RRTYPE_SOA)];
    uint8_t *rdata = slab_alloc(&build->memory, soa->len, 1);

    if (!rdata)
        return ERR_NOMEM;
    memcpy(rdata, soa->rdata, soa->len);
    soa->rdata = rdata;
    z->result.serial = choose_serial(z->conf, util_get_u32(rdata + soa->len - 20));
    util_put_u32(rdata + soa->len - 20, z->result.serial);
    uint32_t minimum = util_get_u32(rdata + soa->len - 4);
    if (minimum > INT32_MAX)
        minimum = 0;                                           /* RFC 2181 8 */
    z->negative_ttl = minimum < soa->ttl ? minimum : soa->ttl; /* RFC 9077 3.1 */
    z->key_ttl = soa->ttl;
    return ERR_OK;
}

/* ---- keys ---- */

static bool has_apex_record(const struct zonebuild *build, uint16_t type, const uint8_t *rdata,
                            size_t len)
{
    for (size_t i = find_apex_type(build, type); i < build->cnt; i++) {
        const struct zonebuild_record *r = &build->records[i];
        if (r->type != type || !dname_is_equal(r->owner->name, build->origin))
            return false;
        if (r->len == len && memcmp(r->rdata, rdata, len) == 0)
            return true;
    }
    return false;
}

/* The TTL of the DNSKEY RRset: that of the zone's records, else of the key files, else of the
 * SOA. */
static void choose_key_ttl(struct zonesigning *z)
{
    size_t first = find_apex_type(z->build, RRTYPE_DNSKEY);

    if (first < z->build->cnt) {
        z->key_ttl = z->build->records[first].ttl;
        return;
    }
    for (size_t i = 0; i < z->keys->cnt; i++)
        if (z->keys->keys[i].is_published && z->keys->keys[i].ttl > 0) {
            z->key_ttl = z->keys->keys[i].ttl;
            return;
        }
}

static enum err add_keys(struct zonesigning *z)
{
    enum err err = ERR_OK;
    size_t before = z->build->cnt;

    choose_key_ttl(z);
    for (size_t i = 0; i < z->keys->cnt && !err; i++) {
        const struct keydir_key *key = &z->keys->keys[i];
        if (key->is_published &&
            !has_apex_record(z->build, RRTYPE_DNSKEY, key->rdata, key->rdata_len))
            err = add_made_record(z, z->build->origin, RRTYPE_DNSKEY, z->key_ttl, key->rdata,
                                  key->rdata_len);
    }
    if (!err && z->build->cnt > before)
        err = zonebuild_sort(z->build);
    return err;
}

/* RFC 7344 3. */
static enum err add_cds(struct zonesigning *z)
{
    uint8_t ds[DS_LEN_MAX];
    size_t len = 0;
    enum err err = ERR_OK;

    for (size_t i = 0; i < z->keys->cnt && !err; i++) {
        const struct keydir_key *key = &z->keys->keys[i];
        if (!key->signs_keys || keydir_fields(key).flags & DNSKEY_REVOKE)
            continue;
        err = ds_make(DS_SHA256, z->build->origin, key->rdata, key->rdata_len, ds, &len);
        if (!err)
            err = add_made_record(z, z->build->origin, RRTYPE_CDS, z->key_ttl, ds, len);
        if (!err)
            err = add_made_record(z, z->build->origin, RRTYPE_CDNSKEY, z->key_ttl, key->rdata,
                                  key->rdata_len);
    }
    return err;
}

/* True if an active key of the algorithm signs the DNSKEY RRset, and one all others. */
static bool is_algorithm_covered(const struct keydir *keys, uint8_t algorithm)
{
    bool signs_keys = false, signs_zone = false;

    for (size_t i = 0; i < keys->cnt; i++) {
        struct dnskey fields = keydir_fields(&keys->keys[i]);
        if (fields.algorithm != algorithm || fields.flags & DNSKEY_REVOKE)
            continue;
        signs_keys |= keys->keys[i].signs_keys;
        signs_zone |= keys->keys[i].signs_zone;
    }
    return signs_keys && signs_zone;
}

/* RFC 4035 2.2: each algorithm in the DNSKEY RRset has to sign the whole zone. */
static enum err check_key_algorithms(struct zonesigning *z)
{
    struct zonebuild *build = z->build;
    bool is_signing = false;

    for (size_t i = find_apex_type(build, RRTYPE_DNSKEY);
         i < build->cnt && build->records[i].type == RRTYPE_DNSKEY &&
         is_apex_record(z, &build->records[i]);
         i++) {
        struct dnskey key = dnskey_read(build->records[i].rdata, build->records[i].len);
        if (!(key.flags & DNSKEY_ZONE) || key.flags & DNSKEY_REVOKE)
            continue;
        is_signing |= is_algorithm_covered(z->keys, key.algorithm);
        if (is_algorithm_covered(z->keys, key.algorithm))
            continue;
        diag_add(build->diag, DIAG_ERROR, &z->whole,
                 "the zone has the DNSKEY %u of algorithm %u, but no key of this algorithm in "
                 "%s is active: RFC 4035 2.2 requires signatures of each algorithm",
                 key.tag, key.algorithm, z->keys->folder);
        return ERR_FORMAT;
    }
    if (is_signing)
        return ERR_OK;
    diag_add(build->diag, DIAG_ERROR, &z->whole,
             "no key in %s is active at the time of signing: see the fields Publish, Activate, "
             "Inactive and Delete of the .private files",
             z->keys->folder);
    return ERR_FORMAT;
}

/* ---- denial of existence ---- */

/* The owner and the bitmap of an NSEC or NSEC3 to make. */
struct denial_draft {
    const uint8_t *owner; /* NSEC: the name; NSEC3: the hash */
    const uint8_t *bitmap;
    uint16_t bitmap_len;
};

/* Lifetime: the making of the chain. */
struct denial_drafts {
    struct denial_draft *at;
    size_t cnt, size;
};

/* Add the draft of an owner with these types. */
static enum err add_draft(struct zonesigning *z, struct denial_drafts *drafts,
                          const uint8_t *owner, const struct denial_chain_types *types)
{
    uint8_t bitmap[BITMAP_LEN_MAX];
    struct denial_draft *at = util_grow(drafts->at, drafts->cnt, &drafts->size, sizeof(*at));

    if (!at)
        return ERR_NOMEM;
    drafts->at = at;
    size_t len = bitmap_write(types->at, types->cnt, bitmap);
    uint8_t *copy = slab_alloc(&z->build->memory, len, 1);
    if (!copy)
        return ERR_NOMEM;
    if (len > 0)
        memcpy(copy, bitmap, len);
    at[drafts->cnt++] =
        (struct denial_draft){.owner = owner, .bitmap = copy, .bitmap_len = (uint16_t)len};
    return ERR_OK;
}

/* Insert a type in its place. */
static void insert_type(struct denial_chain_types *types, uint16_t type)
{
    struct denial_chain_types before = *types;

    types->cnt = 0;
    for (unsigned i = 0; i < before.cnt && before.at[i] < type; i++)
        denial_chain_add_type(types, before.at[i]);
    denial_chain_add_type(types, type);
    for (unsigned i = 0; i < before.cnt; i++)
        if (before.at[i] > type)
            denial_chain_add_type(types, before.at[i]);
}

static enum err draft_nsecs(struct zonesigning *z, struct denial_drafts *drafts)
{
    struct zonebuild_walk w = {.build = z->build};
    struct denial_chain_types types;
    enum err err = ERR_OK;

    while (!err && zonebuild_next(&w)) {
        if (w.view == ZONEBUILD_BELOW)
            continue;
        denial_chain_list_types(&w, &types);
        insert_type(&types, RRTYPE_RRSIG);
        insert_type(&types, RRTYPE_NSEC);
        err = add_draft(z, drafts, z->build->records[w.from].owner->name, &types);
    }
    return err;
}

/* RFC 4034 4. */
static enum err add_nsecs(struct zonesigning *z)
{
    struct denial_drafts drafts = {.cnt = 0};
    uint8_t rdata[DNAME_MAX + BITMAP_LEN_MAX];
    enum err err = draft_nsecs(z, &drafts);

    for (size_t i = 0; i < drafts.cnt && !err; i++) {
        const struct denial_draft *d = &drafts.at[i];
        const uint8_t *next = i + 1 < drafts.cnt ? drafts.at[i + 1].owner : z->build->origin;
        size_t len = dname_len(next);
        memcpy(rdata, next, len);
        memcpy(rdata + len, d->bitmap, d->bitmap_len);
        err = add_made_record(z, d->owner, RRTYPE_NSEC, z->negative_ttl, rdata,
                              len + d->bitmap_len);
    }
    free(drafts.at);
    return err;
}

/* List the types in the bitmap of a hashed name: none for an empty non-terminal, and without
 * RRSIG for an unsigned delegation. */
static void list_hashed_types(const struct zonebuild *build,
                              const struct denial_chain_link *link,
                              struct denial_chain_types *out)
{
    struct zonebuild_walk w = {.build = build, .to = link->from};
    const struct zonebuild_record *first = &build->records[link->from];

    out->cnt = 0;
    if (!dname_is_equal(denial_chain_name(build, link), first->owner->name) ||
        !zonebuild_next(&w))
        return;
    denial_chain_list_types(&w, out);
    if (!link->is_optional)
        insert_type(out, RRTYPE_RRSIG);
}

static enum err draft_nsec3s(struct zonesigning *z, const struct denial_chain_links *names,
                             struct denial_drafts *drafts)
{
    struct denial_chain_types types;
    enum err err = ERR_OK;

    for (size_t i = 0; i < names->cnt && !err; i++) {
        const struct denial_chain_link *link = &names->at[i];
        if (link->is_optional && z->conf->denial == ZONESIGN_OPT_OUT)
            continue;
        list_hashed_types(z->build, link, &types);
        err = add_draft(z, drafts, link->hash, &types);
    }
    return err;
}

static size_t make_nsec3_owner(const struct zonesigning *z, const uint8_t *hash,
                               uint8_t out[DNAME_MAX])
{
    char label[NSEC3_LABEL_LEN + 1];
    size_t origin_len = dname_len(z->build->origin);

    nsec3_print_label(hash, label);
    out[0] = NSEC3_LABEL_LEN;
    memcpy(out + 1, label, NSEC3_LABEL_LEN);
    memcpy(out + 1 + NSEC3_LABEL_LEN, z->build->origin, origin_len);
    return 1 + NSEC3_LABEL_LEN + origin_len;
}

/* Write algorithm, flags, iterations and salt, which NSEC3 and NSEC3PARAM begin with (RFC 9276
 * 3.1: no iterations, no salt), and return their octets. */
static size_t write_nsec3_params(uint8_t flags, uint8_t *out)
{
    out[0] = HASH_SHA1;
    out[1] = flags;
    util_put_u16(out + 2, 0);
    out[4] = 0;
    return 5;
}

static enum err add_drafted_nsec3s(struct zonesigning *z, const struct denial_drafts *drafts)
{
    uint8_t rdata[5 + 1 + NSEC3_HASH_LEN + BITMAP_LEN_MAX], owner[DNAME_MAX];
    uint8_t flags = z->conf->denial == ZONESIGN_OPT_OUT ? NSEC3_OPT_OUT : 0;
    size_t len = write_nsec3_params(flags, rdata);
    enum err err = ERR_OK;

    rdata[len++] = NSEC3_HASH_LEN;
    for (size_t i = 0; i < drafts->cnt && !err; i++) {
        const struct denial_draft *d = &drafts->at[i];
        memcpy(rdata + len, drafts->at[(i + 1) % drafts->cnt].owner, NSEC3_HASH_LEN);
        memcpy(rdata + len + NSEC3_HASH_LEN, d->bitmap, d->bitmap_len);
        make_nsec3_owner(z, d->owner, owner);
        err = add_made_record(z, owner, RRTYPE_NSEC3, z->negative_ttl, rdata,
                              len + NSEC3_HASH_LEN + d->bitmap_len);
    }
    return err;
}

/* RFC 5155 7.1. */
static enum err add_nsec3s(struct zonesigning *z)
{
    struct denial_drafts drafts = {.cnt = 0};
    struct denial_chain_links names = {.cnt = 0};
    uint8_t param[5];
    size_t len = write_nsec3_params(0, param);
    struct nsec3_params params = nsec3_read_params(param);

    if (dname_len(z->build->origin) + 1 + NSEC3_LABEL_LEN > DNAME_MAX) {
        diag_add(z->build->diag, DIAG_ERROR, &z->whole,
                 "the zone's name is too long for NSEC3: use NSEC");
        return ERR_FORMAT;
    }
    /* before the names are hashed: it is in the bitmap of the apex */
    enum err err = add_made_record(z, z->build->origin, RRTYPE_NSEC3PARAM, 0, param, len);
    if (!err)
        err = zonebuild_sort(z->build);
    if (!err)
        err = denial_chain_hash_names(z->build, &params, &names);
    if (!err)
        err = draft_nsec3s(z, &names, &drafts);
    if (!err)
        err = add_drafted_nsec3s(z, &drafts);
    denial_chain_fini(&names);
    free(drafts.at);
    return err;
}

/* ---- signatures ---- */

/* One signature to make: of the RRset in records from..to - 1 by a key. */
struct signature_job {
    size_t from, to;
    size_t key; /* index in the keys */
    uint8_t *rdata;
};

/* Lifetime: one run of the threads. */
struct signature_run {
    const struct zonesigning *z;
    struct signature_job *jobs;
    size_t cnt, size;
    size_t largest; /* records in the largest RRset */
    struct slab_list memory;
    atomic_size_t next; /* the first job that no thread has taken */
    atomic_int err;     /* enum err */
};

/* RFC 7344 4.1: CDS and CDNSKEY are signed by keys that the DS names. */
static bool is_signed_by(const struct keydir_key *key, uint16_t type)
{
    return type == RRTYPE_DNSKEY || type == RRTYPE_CDS || type == RRTYPE_CDNSKEY
               ? key->signs_keys
               : key->signs_zone;
}

/* True if the key signs the type; a revoked key signs the DNSKEY RRset only. */
static bool is_job(const struct keydir_key *key, uint16_t type)
{
    bool is_revoked = keydir_fields(key).flags & DNSKEY_REVOKE;
    return is_signed_by(key, type) && (!is_revoked || type == RRTYPE_DNSKEY);
}

static enum err add_signature_jobs(struct signature_run *run, size_t from, size_t to)
{
    const struct zonesigning *z = run->z;

    for (size_t i = 0; i < z->keys->cnt; i++) {
        const struct keydir_key *key = &z->keys->keys[i];
        if (!is_job(key, z->build->records[from].type))
            continue;
        struct signature_job *at = util_grow(run->jobs, run->cnt, &run->size, sizeof(*at));
        if (!at)
            return ERR_NOMEM;
        run->jobs = at;
        uint8_t *rdata = slab_alloc(&run->memory, rrsig_len(key->key, z->build->origin), 1);
        if (!rdata)
            return ERR_NOMEM;
        at[run->cnt++] =
            (struct signature_job){.from = from, .to = to, .key = i, .rdata = rdata};
    }
    run->largest = util_max(run->largest, to - from);
    return ERR_OK;
}

/* List the signatures of all authoritative RRsets but the apex's ZONEMD, or only those of
 * that. */
static enum err list_signature_jobs(struct signature_run *run, bool only_zonemd)
{
    struct zonebuild_walk w = {.build = run->z->build};
    enum err err = ERR_OK;

    while (!err && zonebuild_next(&w))
        for (size_t i = w.from, to; i < w.to && !err; i = to) {
            const struct zonebuild_record *r = &w.build->records[i];
            to = zonebuild_rrset_end(w.build, i);
            bool is_zonemd = r->type == RRTYPE_ZONEMD && is_apex_record(run->z, r);
            if (is_zonemd == only_zonemd && zonebuild_is_signed(&w, r))
                err = add_signature_jobs(run, i, to);
        }
    return err;
}

/* The state of one thread. */
struct signature_thread {
    struct signature_run *run;
    pthread_t thread;
    struct signkey *keys[KEYDIR_KEYS_MAX]; /* copies; NULL: not needed yet */
    struct rrsig_rdata *set;               /* room for the largest RRset */
};

static enum err do_signature_job(struct signature_thread *t, const struct signature_job *job)
{
    const struct zonesigning *z = t->run->z;
    const struct zonebuild_record *r = &z->build->records[job->from];
    const struct keydir_key *key = &z->keys->keys[job->key];
    struct rrsig fields = {.covered = r->type,
                           .original_ttl = r->ttl,
                           .expiration = z->conf->expiration,
                           .inception = z->conf->inception,
                           .tag = keydir_fields(key).tag,
                           .signer = z->build->origin};

    for (size_t i = job->from; i < job->to; i++)
        t->set[i - job->from] = (struct rrsig_rdata){.rdata = z->build->records[i].rdata,
                                                     .len = z->build->records[i].len};
    enum err err = ERR_OK;
    if (!t->keys[job->key])
        err = signkey_copy(key->key, &t->keys[job->key]);
    return err ? err
               : rrsig_sign(&fields, t->keys[job->key], r->owner->name, t->set,
                            job->to - job->from, job->rdata);
}

static void *run_signatures(void *data)
{
    struct signature_thread *t = data;
    struct signature_run *run = t->run;
    enum err err = ERR_OK;

    while (!err && !atomic_load(&run->err)) {
        size_t from = atomic_fetch_add(&run->next, BATCH);
        size_t to = util_min(from + BATCH, run->cnt);
        if (from >= run->cnt)
            break;
        for (size_t i = from; i < to && !err; i++)
            err = do_signature_job(t, &run->jobs[i]);
    }
    if (err)
        atomic_store(&run->err, err);
    return NULL;
}

/* Run the jobs in `cnt` threads, of which the caller's is one. */
static enum err run_signature_threads(struct signature_run *run, unsigned cnt)
{
    struct signature_thread *threads = calloc(cnt, sizeof(*threads));
    unsigned started = 1;

    for (unsigned i = 0; i < cnt && threads; i++) {
        threads[i].run = run;
        threads[i].set = malloc(util_max(run->largest, 1) * sizeof(*threads[i].set));
        if (!threads[i].set)
            atomic_store(&run->err, ERR_NOMEM);
    }
    if (!threads)
        return ERR_NOMEM;
    /* without a thread the others do its work */
    while (started < cnt && !atomic_load(&run->err) &&
           pthread_create(&threads[started].thread, NULL, run_signatures, &threads[started]) ==
               0)
        started++;
    run_signatures(&threads[0]);
    for (unsigned i = 1; i < started; i++)
        pthread_join(threads[i].thread, NULL);
    for (unsigned i = 0; i < cnt; i++) {
        for (size_t n = 0; n < KEYDIR_KEYS_MAX; n++)
            signkey_free(&threads[i].keys[n]);
        free(threads[i].set);
    }
    free(threads);
    return (enum err)atomic_load(&run->err);
}

/* Append the records of the signatures.  This moves the array of records, but not those that
 * the jobs name. */
static enum err add_signatures(struct zonesigning *z, const struct signature_run *run)
{
    enum err err = ERR_OK;

    for (size_t i = 0; i < run->cnt && !err; i++) {
        const struct signature_job *job = &run->jobs[i];
        const struct zonebuild_record *r = &z->build->records[job->from];
        err = add_made_record(z, r->owner->name, RRTYPE_RRSIG, r->ttl, job->rdata,
                              rrsig_len(z->keys->keys[job->key].key, z->build->origin));
    }
    z->result.signature_cnt += run->cnt;
    return err;
}

/* Sign RRsets of sorted records, chosen as in list_signature_jobs, and sort the records. */
static enum err sign_rrsets(struct zonesigning *z, bool only_zonemd)
{
    struct signature_run run = {.z = z};
    enum err err = list_signature_jobs(&run, only_zonemd);

    if (!err)
        err = run_signature_threads(
            &run,
            (unsigned)util_min(util_min(z->conf->threads, THREADS_MAX), run.cnt / BATCH + 1));
    if (!err)
        err = add_signatures(z, &run);
    free(run.jobs);
    slab_fini(&run.memory);
    return err ? err : zonebuild_sort(z->build);
}

/* ---- ZONEMD ---- */

/* Add a ZONEMD whose digest is still zero, so that the apex's bitmap lists it. */
static enum err add_blank_zonemd(struct zonesigning *z)
{
    static const uint8_t blank[CHECK_ZONEMD_LEN];
    size_t soa = find_apex_type(z->build, RRTYPE_SOA);

    return add_made_record(z, z->build->origin, RRTYPE_ZONEMD, z->build->records[soa].ttl,
                           blank, sizeof(blank));
}

static enum err fill_zonemd(struct zonesigning *z)
{
    struct zonebuild *build = z->build;
    uint8_t *rdata = slab_alloc(&build->memory, CHECK_ZONEMD_LEN, 1);
    enum err err = rdata ? check_zonemd_make(build, rdata) : ERR_NOMEM;

    if (err)
        return err;
    build->records[find_apex_type(build, RRTYPE_ZONEMD)].rdata = rdata;
    return sign_rrsets(z, true);
}

/* ---- all ---- */

static enum err prepare_records(struct zonesigning *z)
{
    drop_replaced(z);
    enum err err = zone_check(z->build);
    if (err)
        return err;
    level_ttls(z->build);
    err = update_soa(z);
    if (!err)
        err = add_keys(z);
    if (!err)
        err = check_key_algorithms(z);
    if (!err && z->conf->adds_cds)
        err = add_cds(z);
    if (!err && z->result.has_zonemd)
        err = add_blank_zonemd(z);
    return err ? err : zonebuild_sort(z->build);
}

enum err zonesign(struct zonebuild *build, const struct keydir *keys,
                  const struct zonesign_conf *conf, struct zonesign_result *result)
{
    struct zonesigning z = {
        .build = build,
        .keys = keys,
        .conf = conf,
        .whole = {.file = build->file_cnt > 0 ? build->files[0].path : NULL},
    };
    enum err err = prepare_records(&z);

    if (!err)
        err = conf->denial == ZONESIGN_NSEC ? add_nsecs(&z) : add_nsec3s(&z);
    if (!err)
        err = zonebuild_sort(build);
    if (!err)
        err = sign_rrsets(&z, false);
    if (!err && z.result.has_zonemd)
        err = fill_zonemd(&z);
    if (!err)
        *result = z.result;
    return err;
}
