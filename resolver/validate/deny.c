/* A proof of either kind asks two things of the records: does one match a name, does one cover
 * it?  There are few records, so each search looks at all.  An NSEC covers names, an NSEC3
 * covers hashes, so a name is hashed once for all its records. */
#include "resolver/validate/deny.h"

#include "dns/bitmap.h"

enum { WILDCARD_MAX = DNAME_MAX + 2, SHA1_ALGORITHM = 1 };

/* Lifetime: one proof. */
struct deny_run {
    const struct deny *in;
    const uint8_t *name;
    unsigned zone_labels, name_labels;
    bool has_nsec3;
    struct nsec3_params params; /* of the zone's NSEC3 */
    struct verdict verdict;
    struct deny_found found;
    uint32_t usable; /* bit i: record i may prove something */
};

/* ---- the end of a proof ---- */

static struct verdict end_proof(struct deny_run *run, enum verdict_status status,
                                enum verdict_reason reason, struct deny_found *found)
{
    run->verdict.status = status;
    run->verdict.reason = reason;
    if (status == VERDICT_SECURE || status == VERDICT_INSECURE) {
        run->verdict.proof = NULL;
        run->verdict.proof_type = 0;
        *found = run->found;
    }
    return run->verdict;
}

/* Note a reason that says more than "no proof" or "wrong proof", and record `i` that shows it.
 */
static void note_proof_fault(struct deny_run *run, enum verdict_reason reason, int i)
{
    if (run->verdict.reason > VERDICT_WRONG_PROOF && reason != VERDICT_WORK)
        return;
    run->verdict.reason = reason;
    run->verdict.proof = i < 0 ? NULL : run->in->records[i].owner;
    run->verdict.proof_type = i < 0 ? 0 : run->in->records[i].set->type;
}

static struct verdict fail_proof(struct deny_run *run, struct deny_found *found)
{
    bool is_unknown = run->verdict.reason == VERDICT_WORK;
    return end_proof(run, is_unknown ? VERDICT_UNKNOWN : VERDICT_BOGUS, run->verdict.reason,
                     found);
}

static struct verdict pass_proof(struct deny_run *run, bool is_opt_out,
                                 struct deny_found *found)
{
    return end_proof(run, is_opt_out ? VERDICT_INSECURE : VERDICT_SECURE,
                     is_opt_out ? VERDICT_OPT_OUT : VERDICT_NONE, found);
}

static void use_record(struct deny_run *run, size_t i)
{
    uint32_t ttl = run->in->records[i].set->ttl;

    if (run->found.used == 0 || ttl < run->found.ttl)
        run->found.ttl = ttl;
    run->found.used |= (uint32_t)1 << i;
}

/* Use record `i` for a step of the proof. */
static void take_step(struct deny_run *run, size_t i, enum deny_act act,
                      enum deny_subject subject)
{
    must(run->found.step_cnt < DENY_STEPS_MAX);
    run->found.steps[run->found.step_cnt++] =
        (struct deny_step){.record = (uint8_t)i, .act = act, .subject = subject};
    use_record(run, i);
}

/* ---- records ---- */

static struct rrset_record read_proof_rdata(const struct deny_run *run, size_t i)
{
    return rrset_first(run->in->records[i].set);
}

static bool is_proof_usable(const struct deny_run *run, size_t i)
{
    return run->usable >> i & 1;
}

/* Return the type bitmap of record `i`. */
static const uint8_t *bitmap_of(const struct deny_run *run, size_t i, size_t *len)
{
    struct rrset_record r = read_proof_rdata(run, i);
    const uint8_t *bitmap = r.rdata + dname_len(r.rdata);

    if (run->has_nsec3) {
        bitmap = nsec3_next_hash(r.rdata, len);
        bitmap += *len;
    }
    *len = (size_t)(r.rdata + r.len - bitmap);
    return bitmap;
}

static bool has_type(const struct deny_run *run, size_t i, uint16_t type)
{
    size_t len;
    const uint8_t *bitmap = bitmap_of(run, i, &len);
    return bitmap_has(bitmap, len, type);
}

/* True if there is a record at the owner, besides those of the denial itself: an empty name of
 * a compact denial has only these (RFC 9824 3). */
static bool has_any_type(const struct deny_run *run, size_t i)
{
    size_t len;
    const uint8_t *bitmap = bitmap_of(run, i, &len);
    int type = -1;

    do
        type = bitmap_next(bitmap, len, type);
    while (type == RRTYPE_RRSIG || type == RRTYPE_NSEC || type == RRTYPE_NXNAME);
    return type >= 0;
}

/* RFC 6840 4.1: the parent's side of a zone cut.  The owner is below the apex, or it would have
 * an SOA. */
static bool is_parent_side(const struct deny_run *run, size_t i)
{
    return has_type(run, i, RRTYPE_NS) && !has_type(run, i, RRTYPE_SOA);
}

/* An NSEC with its owner or next name outside the zone would deny names of other zones
 * (CVE-2026-13321).  A next name that is not behind the owner is the apex (RFC 4034 4.1.1). */
static bool is_nsec_usable(const struct deny_run *run, size_t i)
{
    const uint8_t *owner = run->in->records[i].owner, *next = read_proof_rdata(run, i).rdata;

    return dname_is_under(owner, run->in->zone) && dname_is_under(next, run->in->zone) &&
           (dname_compare(owner, next) < 0 || dname_is_equal(next, run->in->zone));
}

/* RFC 5155 8.1, 8.2: other algorithms and flags are ignored.  The owner is a hash right below
 * the apex: an NSEC3 of a child zone has its hash one label lower. */
static bool is_nsec3_usable(const struct deny_run *run, size_t i)
{
    uint8_t hash[NSEC3_HASH_LEN];
    const uint8_t *owner = run->in->records[i].owner, *rdata = read_proof_rdata(run, i).rdata;
    struct nsec3_params params = nsec3_read_params(rdata);
    size_t next_len;

    (void)nsec3_next_hash(rdata, &next_len);
    return params.algorithm == SHA1_ALGORITHM && !(params.flags & ~(unsigned)NSEC3_OPT_OUT) &&
           next_len == NSEC3_HASH_LEN && dname_labels(owner) == run->zone_labels + 1 &&
           dname_is_under(owner, run->in->zone) && nsec3_read_label(owner, hash);
}

/* Take the parameters of record `i`, or compare them; false if they differ. */
static bool agree_on_params(struct deny_run *run, size_t i)
{
    struct nsec3_params params = nsec3_read_params(read_proof_rdata(run, i).rdata);

    if (run->has_nsec3)
        return nsec3_is_same(&params, &run->params);
    run->params = params;
    run->has_nsec3 = true;
    return true;
}

/* Choose the records that may prove something.  NSEC and NSEC3 do not mix: with both, those of
 * NSEC count.  False: the proof has ended with run->verdict. */
static bool choose_records(struct deny_run *run, struct deny_found *found)
{
    size_t cnt = util_min(run->in->cnt, DENY_RECORDS_MAX);
    bool has_nsec = false;

    for (size_t i = 0; i < cnt; i++) {
        const struct rrset *set = run->in->records[i].set;
        if (set->type == RRTYPE_NSEC || set->type == RRTYPE_NSEC3)
            run->verdict.reason = VERDICT_WRONG_PROOF;
        if (set->type == RRTYPE_NSEC && set->cnt == 1 && is_nsec_usable(run, i)) {
            run->usable |= (uint32_t)1 << i;
            has_nsec = true;
        }
    }
    for (size_t i = 0; i < cnt && !has_nsec; i++) {
        const struct rrset *set = run->in->records[i].set;
        if (set->type != RRTYPE_NSEC3 || set->cnt != 1 || !is_nsec3_usable(run, i))
            continue;
        if (!agree_on_params(run, i)) {
            end_proof(run, VERDICT_BOGUS, VERDICT_MIXED_NSEC3, found);
            return false;
        }
        run->usable |= (uint32_t)1 << i;
    }
    if (run->has_nsec3 && run->params.iterations > run->in->rules->iterations_max) {
        run->verdict.iterations = run->params.iterations;
        for (size_t i = 0; i < cnt; i++)
            if (is_proof_usable(run, i))
                use_record(run, i);
        end_proof(run, VERDICT_INSECURE, VERDICT_ITERATIONS, found);
        return false;
    }
    return true;
}

/* Begin a proof; false: it has ended with run->verdict. */
static bool start_proof(struct deny_run *run, const struct deny *in, const uint8_t *name,
                        uint16_t type, struct deny_found *found)
{
    *run = (struct deny_run){.in = in,
                             .name = name,
                             .zone_labels = dname_labels(in->zone),
                             .name_labels = dname_labels(name),
                             .verdict = {.status = VERDICT_BOGUS,
                                         .reason = VERDICT_NO_PROOF,
                                         .zone = in->zone,
                                         .name = name,
                                         .type = type}};
    return dname_is_under(name, in->zone) && choose_records(run, found);
}

/* "*." in front of the suffix of `labels` labels; false if that is too long to be a name: then
 * no such wildcard exists. */
static bool make_wildcard(const struct deny_run *run, unsigned labels,
                          uint8_t out[WILDCARD_MAX])
{
    const uint8_t *encloser = dname_suffix(run->name, labels);
    size_t len = dname_len(encloser);

    out[0] = 1;
    out[1] = '*';
    memcpy(out + 2, encloser, len);
    return len + 2 <= DNAME_MAX;
}

/* ---- matching a type ---- */

/* What the record that matches a name says of a type there. */
enum deny_match { MATCH_LACKS, MATCH_HAS, MATCH_WRONG_SIDE };

/* RFC 6840 4.1, 4.3, RFC 4035 5.2: above a zone cut only the DS is the zone's, and at an apex
 * the DS is not, except that the root has no parent. */
static enum deny_match match_type(struct deny_run *run, size_t i, const uint8_t *name,
                                  uint16_t type)
{
    enum deny_subject subject = name == run->name ? DENY_NAME : DENY_WILDCARD;
    bool is_ds = type == RRTYPE_DS;

    if (is_ds ? has_type(run, i, RRTYPE_SOA) && *name != 0 : is_parent_side(run, i)) {
        note_proof_fault(run, is_ds ? VERDICT_DS_AT_APEX : VERDICT_ANCESTOR_PROOF, (int)i);
        return MATCH_WRONG_SIDE;
    }
    if (has_type(run, i, type) || has_type(run, i, RRTYPE_CNAME) ||
        (type == RRTYPE_ANY && has_any_type(run, i))) {
        note_proof_fault(run, VERDICT_EXISTS, (int)i);
        return MATCH_HAS;
    }
    take_step(run, i, DENY_MATCHES, subject);
    return MATCH_LACKS;
}

/* ---- NSEC ---- */

/* Return the index of the NSEC at `name`; -1 if there is none. */
static int find_nsec_at(const struct deny_run *run, const uint8_t *name)
{
    for (size_t i = 0; i < util_min(run->in->cnt, DENY_RECORDS_MAX); i++)
        if (is_proof_usable(run, i) && dname_is_equal(run->in->records[i].owner, name))
            return (int)i;
    return -1;
}

/* RFC 6840 4.1: below a zone cut or a DNAME the parent's NSEC says nothing. */
static bool is_below_cut(const struct deny_run *run, size_t i, const uint8_t *name)
{
    const uint8_t *owner = run->in->records[i].owner;

    return dname_is_under(name, owner) && !dname_is_equal(name, owner) &&
           (is_parent_side(run, i) || has_type(run, i, RRTYPE_DNAME));
}

/* Return the index of an NSEC that covers `name`: its owner is before, its next name behind.
 * The last NSEC of the zone covers all behind its owner.  -1 if there is none. */
static int find_nsec_over(struct deny_run *run, const uint8_t *name)
{
    for (size_t i = 0; i < util_min(run->in->cnt, DENY_RECORDS_MAX); i++) {
        const uint8_t *owner = run->in->records[i].owner;
        if (!is_proof_usable(run, i) || dname_compare(owner, name) >= 0)
            continue;
        const uint8_t *next = read_proof_rdata(run, i).rdata;
        bool is_last = dname_is_equal(next, run->in->zone);
        if (!is_last && dname_compare(name, next) >= 0)
            continue;
        if (!is_below_cut(run, i, name))
            return (int)i;
        note_proof_fault(run, VERDICT_ANCESTOR_PROOF, (int)i);
    }
    return -1;
}

/* True if the NSEC that covers `name` has its next name below it: then `name` is an empty
 * non-terminal. */
static bool is_empty_nonterminal(const struct deny_run *run, int over, const uint8_t *name)
{
    return dname_is_under(read_proof_rdata(run, (size_t)over).rdata, name);
}

static unsigned count_shared_labels(const uint8_t *a, const uint8_t *b)
{
    unsigned labels = (unsigned)util_min(dname_labels(a), dname_labels(b));

    a = dname_suffix(a, labels);
    b = dname_suffix(b, labels);
    while (labels > 0 && !dname_is_equal(a, b)) {
        a += *a + 1;
        b += *b + 1;
        labels--;
    }
    return labels;
}

/* Labels of the closest encloser of `name`, which the NSEC covers: both names of the NSEC
 * exist, and no name between them does. */
static unsigned find_nsec_encloser(const struct deny_run *run, int over, const uint8_t *name)
{
    unsigned owner = count_shared_labels(name, run->in->records[over].owner);
    unsigned next = count_shared_labels(name, read_proof_rdata(run, (size_t)over).rdata);
    return owner > next ? owner : next;
}

/* Cover the name, which then does not exist; false if that is not proved. */
static bool nsec_covers_name(struct deny_run *run)
{
    int over = find_nsec_over(run, run->name);

    if (over < 0 || is_empty_nonterminal(run, over, run->name)) {
        int at = over >= 0 ? over : find_nsec_at(run, run->name);
        if (at >= 0)
            note_proof_fault(run, VERDICT_EXISTS, at);
        return false;
    }
    take_step(run, (size_t)over, DENY_COVERS, DENY_NAME);
    run->found.encloser_labels = find_nsec_encloser(run, over, run->name);
    return true;
}

static struct verdict deny_name_nsec(struct deny_run *run, struct deny_found *found)
{
    uint8_t wildcard[WILDCARD_MAX];

    if (!nsec_covers_name(run))
        return fail_proof(run, found);
    if (!make_wildcard(run, run->found.encloser_labels, wildcard))
        return pass_proof(run, false, found);
    int over = find_nsec_over(run, wildcard);
    if (over < 0 || is_empty_nonterminal(run, over, wildcard)) {
        int at = over >= 0 ? over : find_nsec_at(run, wildcard);
        if (at >= 0)
            note_proof_fault(run, VERDICT_EXISTS, at);
        return fail_proof(run, found);
    }
    take_step(run, (size_t)over, DENY_COVERS, DENY_WILDCARD);
    return pass_proof(run, false, found);
}

/* Prove that `name`, which exists or is a wildcard that may, lacks the type. */
static bool nsec_lacks_type(struct deny_run *run, const uint8_t *name, uint16_t type)
{
    int at = find_nsec_at(run, name);

    if (at >= 0)
        return match_type(run, (size_t)at, name, type) == MATCH_LACKS;
    at = find_nsec_over(run, name);
    if (at < 0 || !is_empty_nonterminal(run, at, name))
        return false;
    take_step(run, (size_t)at, DENY_SPANS, name == run->name ? DENY_NAME : DENY_WILDCARD);
    return true;
}

static struct verdict deny_type_nsec(struct deny_run *run, uint16_t type,
                                     struct deny_found *found)
{
    uint8_t wildcard[WILDCARD_MAX];

    if (nsec_lacks_type(run, run->name, type))
        return pass_proof(run, false, found);
    if (find_nsec_at(run, run->name) >= 0 || !nsec_covers_name(run) ||
        !make_wildcard(run, run->found.encloser_labels, wildcard) ||
        !nsec_lacks_type(run, wildcard, type))
        return fail_proof(run, found);
    run->found.is_wildcard = true;
    return pass_proof(run, false, found);
}

static struct verdict deny_closer_nsec(struct deny_run *run, unsigned encloser_labels,
                                       struct deny_found *found)
{
    if (!nsec_covers_name(run))
        return fail_proof(run, found);
    if (run->found.encloser_labels != encloser_labels) {
        note_proof_fault(run, VERDICT_EXISTS, run->found.steps[0].record);
        return fail_proof(run, found);
    }
    return pass_proof(run, false, found);
}

/* A match for deny_ds: true if it proves that there is no DS. */
static bool match_ds(struct deny_run *run, size_t i)
{
    if (has_type(run, i, RRTYPE_SOA)) {
        note_proof_fault(run, VERDICT_DS_AT_APEX, (int)i);
        return false;
    }
    if (has_type(run, i, RRTYPE_DS)) {
        note_proof_fault(run, VERDICT_EXISTS, (int)i);
        return false;
    }
    run->found.is_cut = has_type(run, i, RRTYPE_NS);
    take_step(run, i, DENY_MATCHES, DENY_NAME);
    return true;
}

static struct verdict deny_ds_nsec(struct deny_run *run, struct deny_found *found)
{
    int at = find_nsec_at(run, run->name);

    if (at >= 0)
        return match_ds(run, (size_t)at) ? pass_proof(run, false, found)
                                         : fail_proof(run, found);
    at = find_nsec_over(run, run->name);
    if (at < 0)
        return fail_proof(run, found);
    bool is_empty = is_empty_nonterminal(run, at, run->name);
    take_step(run, (size_t)at, is_empty ? DENY_SPANS : DENY_COVERS, DENY_NAME);
    return pass_proof(run, false, found);
}

/* ---- NSEC3 ---- */

/* Hash a name; false: the allowance is used up. */
static bool hash_name(struct deny_run *run, const uint8_t *name, uint8_t out[NSEC3_HASH_LEN])
{
    if (!rules_spend_hash(run->in->work, run->params.salt_len)) {
        note_proof_fault(run, VERDICT_WORK, -1);
        return false;
    }
    nsec3_hash(&run->params, name, out);
    return true;
}

/* Return the index of the NSEC3 that matches `hash`; -1 if there is none. */
static int find_nsec3_at(const struct deny_run *run, const uint8_t hash[NSEC3_HASH_LEN])
{
    uint8_t owner[NSEC3_HASH_LEN];

    for (size_t i = 0; i < util_min(run->in->cnt, DENY_RECORDS_MAX); i++)
        if (is_proof_usable(run, i) && nsec3_read_label(run->in->records[i].owner, owner) &&
            memcmp(owner, hash, NSEC3_HASH_LEN) == 0)
            return (int)i;
    return -1;
}

/* Return the index of an NSEC3 that covers `hash`; -1 if there is none.  The last one goes
 * round to the first, and a single one covers all but itself. */
static int find_nsec3_over(const struct deny_run *run, const uint8_t hash[NSEC3_HASH_LEN])
{
    uint8_t owner[NSEC3_HASH_LEN];
    size_t len;

    for (size_t i = 0; i < util_min(run->in->cnt, DENY_RECORDS_MAX); i++) {
        if (!is_proof_usable(run, i) || !nsec3_read_label(run->in->records[i].owner, owner))
            continue;
        const uint8_t *next = nsec3_next_hash(read_proof_rdata(run, i).rdata, &len);
        bool is_behind = memcmp(owner, hash, NSEC3_HASH_LEN) < 0;
        bool is_before = memcmp(hash, next, NSEC3_HASH_LEN) < 0;
        bool is_last = memcmp(owner, next, NSEC3_HASH_LEN) >= 0;
        bool is_at = memcmp(owner, hash, NSEC3_HASH_LEN) == 0;
        if (!is_at && (is_last ? is_behind || is_before : is_behind && is_before))
            return (int)i;
    }
    return -1;
}

/* The closest encloser of the name, by RFC 5155 8.3. */
struct deny_encloser {
    unsigned labels;
    int at;   /* NSEC3 of the closest encloser */
    int over; /* NSEC3 that covers the next closer name; -1 if it is the name that matches */
    bool is_opt_out; /* of `over` */
};

/* From the name up to the apex: the first that an NSEC3 matches is the closest encloser, if
 * another one covers the name before it.  At most `labels_max` labels long.  False if that is
 * not proved. */
static bool find_nsec3_encloser(struct deny_run *run, unsigned labels_max,
                                struct deny_encloser *out)
{
    uint8_t hashes[2][NSEC3_HASH_LEN];

    for (unsigned n = labels_max + 1; n-- > run->zone_labels;) {
        uint8_t *hash = hashes[n % 2], *closer = hashes[1 - n % 2];
        if (!hash_name(run, dname_suffix(run->name, n), hash))
            return false;
        int at = find_nsec3_at(run, hash);
        if (at < 0)
            continue;
        *out = (struct deny_encloser){.labels = n, .at = at, .over = -1};
        if (n == labels_max)
            return true;
        /* RFC 5155 8.3: what is below a zone cut or a DNAME is not the zone's */
        if (is_parent_side(run, (size_t)at) || has_type(run, (size_t)at, RRTYPE_DNAME)) {
            note_proof_fault(run, VERDICT_ANCESTOR_PROOF, at);
            return false;
        }
        out->over = find_nsec3_over(run, closer);
        if (out->over < 0)
            return false;
        out->is_opt_out =
            nsec3_read_params(read_proof_rdata(run, (size_t)out->over).rdata).flags &
            NSEC3_OPT_OUT;
        take_step(run, (size_t)at, DENY_MATCHES, DENY_CLOSEST_ENCLOSER);
        take_step(run, (size_t)out->over, DENY_COVERS, DENY_NEXT_CLOSER);
        run->found.encloser_labels = n;
        return true;
    }
    return false;
}

/* Return the NSEC3 that covers the hash; -1 if there is none, and note one that matches it. */
static int cover_hash(struct deny_run *run, const uint8_t hash[NSEC3_HASH_LEN])
{
    int over = find_nsec3_over(run, hash);
    int at = over < 0 ? find_nsec3_at(run, hash) : -1;

    if (at >= 0)
        note_proof_fault(run, VERDICT_EXISTS, at);
    return over;
}

static struct verdict deny_name_nsec3(struct deny_run *run, struct deny_found *found)
{
    uint8_t wildcard[WILDCARD_MAX], hash[NSEC3_HASH_LEN];
    struct deny_encloser encloser;

    if (!find_nsec3_encloser(run, run->name_labels, &encloser))
        return fail_proof(run, found);
    if (encloser.over < 0) {
        note_proof_fault(run, VERDICT_EXISTS, encloser.at);
        return fail_proof(run, found);
    }
    if (!make_wildcard(run, encloser.labels, wildcard))
        return pass_proof(run, encloser.is_opt_out, found);
    if (!hash_name(run, wildcard, hash))
        return fail_proof(run, found);
    int over = cover_hash(run, hash);
    if (over < 0)
        return fail_proof(run, found);
    take_step(run, (size_t)over, DENY_COVERS, DENY_WILDCARD);
    return pass_proof(run, encloser.is_opt_out, found);
}

static struct verdict deny_type_nsec3(struct deny_run *run, uint16_t type,
                                      struct deny_found *found)
{
    uint8_t wildcard[WILDCARD_MAX], hash[NSEC3_HASH_LEN];
    struct deny_encloser encloser;

    if (!find_nsec3_encloser(run, run->name_labels, &encloser))
        return fail_proof(run, found);
    if (encloser.over < 0) /* RFC 5155 8.5 */
        return match_type(run, (size_t)encloser.at, run->name, type) == MATCH_LACKS
                   ? pass_proof(run, false, found)
                   : fail_proof(run, found);
    if (!make_wildcard(run, encloser.labels, wildcard) || !hash_name(run, wildcard, hash))
        return fail_proof(run, found);
    int at = find_nsec3_at(run, hash);
    if (at >= 0) { /* RFC 5155 8.7 */
        if (match_type(run, (size_t)at, wildcard, type) != MATCH_LACKS)
            return fail_proof(run, found);
        run->found.is_wildcard = true;
        return pass_proof(run, encloser.is_opt_out, found);
    }
    /* RFC 5155 8.6, and an empty non-terminal above insecure delegations, which an opt-out span
     * may leave out too */
    if (encloser.is_opt_out)
        return pass_proof(run, true, found);
    return fail_proof(run, found);
}

/* RFC 5155 8.8: the encloser is known to exist, for the wildcard right below it is signed. */
static struct verdict deny_closer_nsec3(struct deny_run *run, unsigned encloser_labels,
                                        struct deny_found *found)
{
    uint8_t hash[NSEC3_HASH_LEN];

    if (!hash_name(run, dname_suffix(run->name, encloser_labels + 1), hash))
        return fail_proof(run, found);
    int over = cover_hash(run, hash);
    if (over < 0)
        return fail_proof(run, found);
    take_step(run, (size_t)over, DENY_COVERS, DENY_NEXT_CLOSER);
    run->found.encloser_labels = encloser_labels;
    return pass_proof(
        run, nsec3_read_params(read_proof_rdata(run, (size_t)over).rdata).flags & NSEC3_OPT_OUT,
        found);
}

static struct verdict deny_ds_nsec3(struct deny_run *run, struct deny_found *found)
{
    struct deny_encloser encloser;

    if (!find_nsec3_encloser(run, run->name_labels, &encloser))
        return fail_proof(run, found);
    if (encloser.over < 0)
        return match_ds(run, (size_t)encloser.at) ? pass_proof(run, false, found)
                                                  : fail_proof(run, found);
    run->found.is_cut = encloser.is_opt_out; /* RFC 5155 8.6, 8.9 */
    return pass_proof(run, encloser.is_opt_out, found);
}

/* ---- the proofs ---- */

struct verdict deny_name(const struct deny *in, const uint8_t *name, struct deny_found *found)
{
    struct deny_run run;

    if (!start_proof(&run, in, name, 0, found))
        return run.verdict;
    return run.has_nsec3 ? deny_name_nsec3(&run, found) : deny_name_nsec(&run, found);
}

struct verdict deny_type(const struct deny *in, const uint8_t *name, uint16_t type,
                         struct deny_found *found)
{
    struct deny_run run;

    if (!start_proof(&run, in, name, type, found))
        return run.verdict;
    return run.has_nsec3 ? deny_type_nsec3(&run, type, found)
                         : deny_type_nsec(&run, type, found);
}

struct verdict deny_closer(const struct deny *in, const uint8_t *name, unsigned encloser_labels,
                           struct deny_found *found)
{
    struct deny_run run;

    if (!start_proof(&run, in, name, 0, found))
        return run.verdict;
    if (encloser_labels < run.zone_labels || encloser_labels >= run.name_labels)
        return run.verdict;
    return run.has_nsec3 ? deny_closer_nsec3(&run, encloser_labels, found)
                         : deny_closer_nsec(&run, encloser_labels, found);
}

struct verdict deny_ds(const struct deny *in, const uint8_t *name, struct deny_found *found)
{
    struct deny_run run;

    if (!start_proof(&run, in, name, RRTYPE_DS, found))
        return run.verdict;
    if (run.name_labels <= run.zone_labels) {
        run.verdict.reason = VERDICT_DS_AT_APEX;
        return run.verdict;
    }
    return run.has_nsec3 ? deny_ds_nsec3(&run, found) : deny_ds_nsec(&run, found);
}
