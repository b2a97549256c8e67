/* Each section has a list of the records that are accepted.  The RDATA of other records is not
 * decompressed.  The records of an owner are linked, so a rule visits only its owner's. */
#include "resolver/iterate/scrub.h"

enum { PIECE = 16 };

struct scrub_room {
    struct scrub out;
    struct owners owners;
    struct scrub_record records[SCRUB_RECORDS_MAX];
};

/* Lifetime: the call. */
struct scrubbing {
    const struct message *message;
    const struct scrub_asked *asked;
    struct arena *arena;
    struct owners *owners;
    struct scrub_record *records;
    uint16_t zone, name; /* of the query: numbers in `owners` */
    struct scrub *out;
};

struct scrub_room *scrub_new_room(void) { return malloc(sizeof(struct scrub_room)); }

void scrub_free_room(struct scrub_room **room)
{
    free(*room);
    *room = NULL;
}

/* ---- records ---- */

static void add_scrubbed_record(struct scrubbing *s, const struct scrub_record *r)
{
    struct owners_name *owner = &s->owners->names[r->owner];
    uint16_t number = (uint16_t)(s->out->record_cnt + 1);

    s->records[s->out->record_cnt++] = *r;
    if (owner->last > 0)
        s->records[owner->last - 1].next = number;
    else
        owner->first = number;
    owner->last = number;
}

static enum err read_record(struct scrubbing *s, struct cursor *c, enum message_section section)
{
    struct scrub_record r = {.section = (uint8_t)section};
    enum err err = owners_read(s->owners, c, &r.owner);

    r.type = cursor_u16(c);
    uint16_t class = cursor_u16(c);
    r.ttl = cursor_u32(c);
    r.rdata_len = cursor_u16(c);
    r.rdata_at = (uint16_t)c->pos;
    cursor_bytes(c, r.rdata_len);
    if (!err && cursor_failed(c))
        err = ERR_FORMAT;
    if (!err && r.type != RRTYPE_OPT && class == RRTYPE_CLASS_IN)
        add_scrubbed_record(s, &r);
    return err;
}

/* Read the records: all of the answer section, SCRUB_ASIDE_MAX of the other two together. */
static enum err read_records(struct scrubbing *s)
{
    const struct message *m = s->message;
    struct cursor c = cursor_over(m->wire, m->len);
    unsigned aside = 0;
    enum err err = ERR_OK;

    c.pos = m->records_at;
    for (int section = MESSAGE_ANSWER; section <= MESSAGE_ADDITIONAL; section++)
        for (unsigned left = m->cnt[section]; left > 0 && !err; left--) {
            if (section != MESSAGE_ANSWER && aside++ >= SCRUB_ASIDE_MAX) {
                s->out->unread_cnt += left;
                break;
            }
            err = read_record(s, &c, (enum message_section)section);
        }
    if (err == ERR_LIMIT)
        s->out->limit = FAILURE_REPLY_NAMES;
    return err;
}

static struct scrub_record *first_record(const struct scrubbing *s, uint16_t owner)
{
    unsigned first = owner == OWNERS_NONE ? 0 : s->owners->names[owner].first;
    return first > 0 ? &s->records[first - 1] : NULL;
}

static struct scrub_record *next_record(const struct scrubbing *s, const struct scrub_record *r)
{
    s->out->work++;
    return r->next > 0 ? &s->records[r->next - 1] : NULL;
}

static bool has_records(const struct scrubbing *s, uint16_t owner, uint16_t type,
                        enum message_section section)
{
    for (const struct scrub_record *r = first_record(s, owner); r; r = next_record(s, r))
        if (r->type == type && r->section == section)
            return true;
    return false;
}

static bool is_in_bailiwick(const struct scrubbing *s, const uint8_t *name)
{
    return !s->asked->checks_bailiwick || dname_is_under(name, s->asked->zone);
}

static bool is_ours(const struct scrubbing *s, uint16_t owner)
{
    return !s->asked->checks_bailiwick || s->owners->names[owner].is_marked;
}

/* Return the nearest name at or above `owner` in bailiwick that has records of that type in
 * that section; OWNERS_NONE if there is none. */
static uint16_t find_nearest_with(const struct scrubbing *s, uint16_t owner, uint16_t type,
                                  enum message_section section)
{
    unsigned end = s->asked->checks_bailiwick ? s->owners->names[s->zone].labels : 0;

    if (!is_ours(s, owner))
        return OWNERS_NONE;
    for (; s->owners->names[owner].labels >= end; owner = s->owners->names[owner].parent) {
        if (has_records(s, owner, type, section))
            return owner;
        if (owner == 0)
            break;
    }
    return OWNERS_NONE;
}

/* Copy the name of an owner to the arena.  NULL without memory. */
static const uint8_t *copy_owner_name(const struct scrubbing *s, uint16_t owner)
{
    uint8_t name[DNAME_MAX];

    owners_write(s->owners, owner, name);
    return arena_copy(s->arena, name, s->owners->names[owner].len);
}

/* ---- RRsets ---- */

/* Copy the RDATA of a record with its names decompressed.  ERR_FORMAT if it is malformed. */
static enum err expand_scrubbed_record(struct scrubbing *s, const struct scrub_record *r,
                                       struct rrset_record *out)
{
    uint8_t rdata[RDATA_MAX + DNAME_MAX];
    struct cursor c = cursor_over(s->message->wire, s->message->len);
    size_t len;

    c.pos = r->rdata_at;
    enum err err = rdata_expand(r->type, &c, r->rdata_len, rdata, sizeof(rdata), &len);
    if (err || len > RDATA_MAX) {
        s->out->broken = (struct scrub_broken){
            .is_record = true, .owner = r->owner, .type = r->type, .at = c.pos};
        return ERR_FORMAT;
    }
    s->out->work += 1 + (unsigned)len / PIECE;
    out->rdata = arena_copy(s->arena, rdata, len);
    out->len = (uint16_t)len;
    return out->rdata ? ERR_OK : ERR_NOMEM;
}

/* The records to collect: those of an RRset, or its signatures. */
struct wanted {
    uint16_t owner, type;
    enum message_section section;
    bool is_sigs;
};

/* A signature in another section than its RRset is as good: validation decides. */
static bool is_record_wanted(struct scrubbing *s, const struct scrub_record *r,
                             const struct wanted *w)
{
    bool is_type = w->is_sigs ? r->type == RRTYPE_RRSIG && r->rdata_len > 18 &&
                                    util_get_u16(s->message->wire + r->rdata_at) == w->type
                              : r->type == w->type;
    return is_type && (w->is_sigs || r->section == w->section);
}

/* True if a CNAME or DNAME RRset has so many records that it is malformed even if all are
 * equal.  Copies of its one record (RFC 2181 10.1, RFC 6672 2.4) are tolerated, but each costs
 * work. */
static bool are_too_many_copies(const struct wanted *w, size_t cnt)
{
    return !w->is_sigs && (w->type == RRTYPE_CNAME || w->type == RRTYPE_DNAME) &&
           cnt > SCRUB_COPIES_MAX;
}

/* Collect the records of one RRset, or its signatures.  ERR_FORMAT if one is malformed: the
 * rest must not be served as if it were the whole RRset (RFC 2181 5). */
static enum err collect_records(struct scrubbing *s, const struct wanted *wanted,
                                struct rrset_record **out, size_t *cnt, uint32_t *ttl)
{
    struct scrub_record *first = first_record(s, wanted->owner);
    size_t all = 0, bytes = 0, copy_at = 0;

    *cnt = 0;
    *ttl = UINT32_MAX;
    for (const struct scrub_record *r = first; r; r = next_record(s, r)) {
        all += is_record_wanted(s, r, wanted);
        if (all == SCRUB_COPIES_MAX + 1 && copy_at == 0)
            copy_at = r->rdata_at;
    }
    if (wanted->is_sigs)
        all = util_min(all, SCRUB_SIGS_MAX);
    if (are_too_many_copies(wanted, all)) {
        s->out->broken = (struct scrub_broken){.is_record = true,
                                               .owner = wanted->owner,
                                               .type = wanted->type,
                                               .number = SCRUB_COPIES_MAX + 1,
                                               .at = copy_at};
        return ERR_FORMAT;
    }
    if (all > s->asked->rrset_records_max) {
        s->out->limit = FAILURE_RRSET_RECORDS;
        return ERR_LIMIT;
    }
    struct rrset_record *records = arena_alloc(s->arena, (all + 1) * sizeof(*records));
    if (!records)
        return ERR_NOMEM;
    *out = records;
    for (struct scrub_record *r = first; r && *cnt < all; r = next_record(s, r)) {
        if (!is_record_wanted(s, r, wanted))
            continue;
        enum err err = expand_scrubbed_record(s, r, &records[*cnt]);
        if (err == ERR_FORMAT)
            s->out->broken.number = (unsigned)*cnt + 1;
        if (err)
            return err;
        bytes += 2U + records[*cnt].len;
        if (bytes > s->asked->rrset_bytes_max) {
            s->out->limit = FAILURE_RRSET_BYTES;
            return ERR_LIMIT;
        }
        r->is_used = true;
        (*cnt)++;
        *ttl = (uint32_t)util_min(*ttl, r->ttl); /* RFC 2181 5.2 */
    }
    return ERR_OK;
}

/* Make an RRset, followed by the RRset of its signatures.  *out is NULL if there is none. */
static enum err build_rrset(struct scrubbing *s, uint16_t owner, uint16_t type,
                            enum message_section section, struct rrset **out)
{
    struct wanted wanted = {.owner = owner, .type = type, .section = section};
    struct rrset_record *records, *sigs;
    size_t cnt, sig_cnt;
    uint32_t ttl, sig_ttl;

    *out = NULL;
    if (!has_records(s, owner, type, section))
        return ERR_OK;
    enum err err = collect_records(s, &wanted, &records, &cnt, &ttl);
    if (err)
        return err;
    wanted.is_sigs = true;
    err = collect_records(s, &wanted, &sigs, &sig_cnt, &sig_ttl);
    if (err)
        return err;
    size_t room = rrset_room(records, cnt);
    struct rrset *set = arena_alloc(s->arena, room + (sig_cnt ? rrset_room(sigs, sig_cnt) : 0));
    if (!set)
        return ERR_NOMEM;
    if (rrset_pack(type, ttl, records, cnt, set) != ERR_OK)
        return ERR_LIMIT;
    if (sig_cnt > 0) {
        struct rrset *behind = (struct rrset *)(void *)((uint8_t *)set + rrset_stride(set));
        if (rrset_pack(RRTYPE_RRSIG, ttl, sigs, sig_cnt, behind) != ERR_OK)
            return ERR_LIMIT;
        set->flags |= RRSET_IS_SIGNED;
    }
    *out = set;
    return ERR_OK;
}

/* ---- answer ---- */

static bool is_in_chain(const struct scrub *out, const uint8_t *name)
{
    for (unsigned i = 0; i < out->chain_cnt; i++)
        if (out->chain[i].set->type == RRTYPE_CNAME &&
            dname_is_equal(out->chain[i].owner, name))
            return true;
    return false;
}

static void add_to_chain(struct scrub *out, const uint8_t *owner, struct rrset *set)
{
    out->chain[out->chain_cnt++] = (struct scrub_set){.owner = owner, .set = set};
}

/* Return the nearest name above `name`, in bailiwick, with a DNAME in the answer section. */
static uint16_t find_dname_owner(const struct scrubbing *s, const uint8_t *name)
{
    uint16_t nearest = owners_nearest(s->owners, name);
    bool is_itself = s->owners->names[nearest].labels == dname_labels(name);

    if (is_itself && nearest == 0)
        return OWNERS_NONE;
    return find_nearest_with(s, is_itself ? s->owners->names[nearest].parent : nearest,
                             RRTYPE_DNAME, MESSAGE_ANSWER);
}

/* Return the DNAME of that owner if the chain has it already.  A DNAME whose target is below
 * its owner is followed several times, but built once. */
static struct rrset *find_chain_dname(const struct scrub *out, const uint8_t *owner)
{
    for (unsigned i = 0; i < out->chain_cnt; i++)
        if (out->chain[i].set->type == RRTYPE_DNAME &&
            dname_is_equal(out->chain[i].owner, owner))
            return out->chain[i].set;
    return NULL;
}

/* Extend the chain by the DNAME of `owner`, and set *name to the name that it makes. */
static enum err follow_dname(struct scrubbing *s, uint16_t owner, const uint8_t **name,
                             bool *is_end)
{
    const uint8_t *owner_name = copy_owner_name(s, owner);
    uint8_t made[DNAME_MAX];
    enum err err = ERR_OK;

    if (!owner_name)
        return ERR_NOMEM;
    struct rrset *set = find_chain_dname(s->out, owner_name);
    if (!set)
        err = build_rrset(s, owner, RRTYPE_DNAME, MESSAGE_ANSWER, &set);
    if (err)
        return err;
    if (set->cnt != 1)
        return ERR_FORMAT;
    add_to_chain(s->out, owner_name, set);
    size_t len = dname_substitute(*name, owner_name, rrset_first(set).rdata, made);
    if (len == 0) /* too long: answer_write says YXDOMAIN when it follows the cached DNAME */
        return ERR_OK;
    const uint8_t *next = arena_copy(s->arena, made, len);
    if (!next)
        return ERR_NOMEM;
    *name = next;
    *is_end = false;
    return ERR_OK;
}

/* True if a CNAME that is asked for is synthesised: then the DNAME above it is the answer. */
static bool is_cname_synthesised(const struct scrubbing *s, const uint8_t *name)
{
    return s->asked->type == RRTYPE_CNAME && find_dname_owner(s, name) != OWNERS_NONE;
}

/* Extend the chain by the RRset of *name: the answer, a DNAME above it, or a CNAME.  Set *name
 * to the target.  Set *is_end if the chain ends here. */
static enum err follow_link(struct scrubbing *s, const uint8_t **name, bool *is_end)
{
    struct scrub *out = s->out;
    uint16_t owner = owners_find(s->owners, *name);
    struct rrset *set;

    *is_end = true;
    if (is_cname_synthesised(s, *name)) {
        out->is_answered = true;
        enum err err = follow_dname(s, find_dname_owner(s, *name), name, is_end);
        *is_end = true;
        return err;
    }
    enum err err = build_rrset(s, owner, s->asked->type, MESSAGE_ANSWER, &set);
    if (err)
        return err;
    if (set) {
        add_to_chain(out, *name, set);
        out->is_answered = true;
        return ERR_OK;
    }
    uint16_t dname_owner = find_dname_owner(s, *name);
    if (dname_owner != OWNERS_NONE)
        return follow_dname(s, dname_owner, name, is_end);
    err = build_rrset(s, owner, RRTYPE_CNAME, MESSAGE_ANSWER, &set);
    if (err || !set)
        return err;
    if (set->cnt != 1) /* RFC 2181 10.1 */
        return ERR_FORMAT;
    add_to_chain(out, *name, set);
    *name = rrset_first(set).rdata;
    *is_end = false;
    return ERR_OK;
}

static bool may_follow_link(const struct scrub_asked *asked, const uint8_t *name)
{
    return asked->is_forward || (asked->may_follow && asked->may_follow(asked->data, name));
}

static enum err read_answer_section(struct scrubbing *s)
{
    struct scrub *out = s->out;
    const uint8_t *name = s->asked->name;
    bool is_end = false;
    enum err err = ERR_OK;

    while (!is_end && !err && is_in_bailiwick(s, name)) {
        if (out->chain_cnt + 1 >= SCRUB_CHAIN_MAX || is_in_chain(out, name))
            break;
        unsigned before = out->chain_cnt;
        if (before > 0 && !may_follow_link(s->asked, name))
            break;
        err = follow_link(s, &name, &is_end);
        out->is_last_ours = before > 0 && !err && out->chain_cnt == before;
        /* a later link that is malformed or too large is left out, and looked up by itself */
        if (before > 0 && !s->asked->is_forward && err != ERR_NOMEM)
            err = ERR_OK;
    }
    out->last = name;
    return err;
}

/* ---- authority ---- */

/* Accept the SOA record nearest to the last name of the chain. */
static enum err read_soa(struct scrubbing *s)
{
    uint16_t owner = find_nearest_with(s, owners_nearest(s->owners, s->out->last), RRTYPE_SOA,
                                       MESSAGE_AUTHORITY);

    if (owner == OWNERS_NONE)
        return ERR_OK;
    enum err err = build_rrset(s, owner, RRTYPE_SOA, MESSAGE_AUTHORITY, &s->out->soa);
    if (err)
        return err;
    s->out->soa_owner = copy_owner_name(s, owner);
    return s->out->soa_owner ? ERR_OK : ERR_NOMEM;
}

/* Return the lowest name with NS records in the authority section that is below the server's
 * zone and at or above the query name.  Note whether there are other NS records. */
static uint16_t find_referral(struct scrubbing *s)
{
    uint16_t best = OWNERS_NONE;

    for (size_t i = 0; i < s->out->record_cnt; i++) {
        const struct scrub_record *r = &s->records[i];
        if (r->type != RRTYPE_NS || r->section != MESSAGE_AUTHORITY)
            continue;
        bool is_below = r->owner != s->zone && is_ours(s, r->owner) &&
                        owners_is_under(s->owners, s->name, r->owner);
        s->out->has_other_ns |= !is_below;
        if (is_below && (best == OWNERS_NONE || owners_is_under(s->owners, r->owner, best)))
            best = r->owner;
    }
    return best;
}

/* Glue must be in bailiwick too: the server cannot speak for names of other zones. */
static void read_glue(struct scrubbing *s, struct delegation *delegation, int server)
{
    uint16_t owner = owners_find(s->owners, delegation->servers[server].name);

    for (struct scrub_record *r = first_record(s, owner); r && is_ours(s, owner);
         r = next_record(s, r)) {
        struct addr addr;
        bool is_address = (r->type == RRTYPE_A && r->rdata_len == 4) ||
                          (r->type == RRTYPE_AAAA && r->rdata_len == 16);
        if (!is_address || r->section == MESSAGE_AUTHORITY ||
            addr_from_bytes(s->message->wire + r->rdata_at, r->rdata_len, s->asked->port,
                            &addr) != ERR_OK)
            continue;
        r->is_used = true;
        delegation_add_addr(delegation, server, &addr);
        s->out->delegation_ttl = (uint32_t)util_min(s->out->delegation_ttl, r->ttl);
    }
}

/* Keep at most DELEGATION_SERVERS_MAX (docs/LIMITS.md section 2: NRDelegationAttack). */
static enum err read_servers(struct scrubbing *s, uint16_t zone, enum message_section section,
                             struct delegation *delegation)
{
    s->out->delegation_ttl = UINT32_MAX;
    for (struct scrub_record *r = first_record(s, zone); r; r = next_record(s, r)) {
        struct rrset_record ns;
        if (r->type != RRTYPE_NS || r->section != section)
            continue;
        r->is_used = true;
        if (delegation->server_cnt == DELEGATION_SERVERS_MAX) {
            delegation->is_oversized = true;
            continue;
        }
        enum err err = expand_scrubbed_record(s, r, &ns);
        if (err)
            return err;
        delegation_add_server(delegation, ns.rdata);
        s->out->delegation_ttl = (uint32_t)util_min(s->out->delegation_ttl, r->ttl);
    }
    return ERR_OK;
}

static enum err read_delegation(struct scrubbing *s, uint16_t zone,
                                enum message_section section)
{
    struct delegation *delegation = arena_alloc(s->arena, sizeof(*delegation));
    const uint8_t *zone_name = copy_owner_name(s, zone);

    if (!delegation || !zone_name)
        return ERR_NOMEM;
    delegation_init(delegation, zone_name, DELEGATION_REFERRAL);
    enum err err = read_servers(s, zone, section, delegation);
    if (err)
        return err;
    delegation->is_signed = has_records(s, zone, RRTYPE_DS, MESSAGE_AUTHORITY);
    s->out->delegation = delegation;
    for (int i = 0; i < delegation->server_cnt; i++)
        read_glue(s, delegation, i);
    return ERR_OK;
}

/* RFC 8109 3.3: the answer to a priming query serves as the delegation of the root. */
static bool is_priming(const struct scrub_asked *asked)
{
    return *asked->name == 0 && asked->type == RRTYPE_NS && *asked->zone == 0;
}

/* For tests of attacks, without checks_sections: take the NS records of the server's own zone
 * for its delegation, as resolvers did before 2012 (ghost domains).  The root has hints. */
static enum err read_ghost(struct scrubbing *s)
{
    uint16_t zone = owners_find(s->owners, s->asked->zone);

    if (s->asked->checks_sections || *s->asked->zone == 0 || !s->out->is_answered ||
        !(s->message->flags & MESSAGE_AA) ||
        !has_records(s, zone, RRTYPE_NS, MESSAGE_AUTHORITY))
        return ERR_OK;
    return read_delegation(s, zone, MESSAGE_AUTHORITY);
}

static enum err read_authority(struct scrubbing *s)
{
    enum err err = read_soa(s);
    uint16_t zone = find_referral(s);

    if (s->asked->is_forward) /* a referral shows that it does not recurse */
        s->out->has_other_ns |= zone != OWNERS_NONE;
    if (err || s->asked->is_forward)
        return err;
    if (zone != OWNERS_NONE && s->out->chain_cnt == 0 && !s->out->soa)
        return read_delegation(s, zone, MESSAGE_AUTHORITY);
    if (is_priming(s->asked) && s->out->is_answered)
        return read_delegation(s, s->name, MESSAGE_ANSWER);
    return read_ghost(s);
}

/* Keep the NSEC and NSEC3 RRsets in bailiwick, and the DS RRset of the delegation.  One that is
 * malformed is left out: then the proof fails. */
static enum err read_proofs_of_denial(struct scrubbing *s)
{
    struct scrub *out = s->out;
    enum err err = ERR_OK;

    for (size_t i = 0; i < out->record_cnt && err != ERR_NOMEM; i++) {
        const struct scrub_record *r = &s->records[i];
        struct scrub_set *proof = &out->proofs[out->proof_cnt];
        if ((r->type != RRTYPE_NSEC && r->type != RRTYPE_NSEC3) || r->is_used ||
            r->section != MESSAGE_AUTHORITY || !is_ours(s, r->owner))
            continue;
        if (out->proof_cnt == SCRUB_PROOFS_MAX)
            break;
        err = build_rrset(s, r->owner, r->type, MESSAGE_AUTHORITY, &proof->set);
        if (err)
            continue;
        proof->owner = copy_owner_name(s, r->owner);
        proof->section = MESSAGE_AUTHORITY;
        if (!proof->owner)
            return ERR_NOMEM;
        out->proof_cnt++;
    }
    if (out->delegation && err != ERR_NOMEM)
        err = build_rrset(s, owners_find(s->owners, out->delegation->zone), RRTYPE_DS,
                          MESSAGE_AUTHORITY, &out->ds);
    return err == ERR_NOMEM ? err : ERR_OK;
}

/* For tests of attacks, without checks_sections: accept all other RRsets of the reply, as
 * resolvers of the 1990s did. */
static enum err read_extra(struct scrubbing *s)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < s->out->record_cnt && !err; i++) {
        struct scrub_record *r = &s->records[i];
        struct rrset *set;
        if (r->is_used || r->type == RRTYPE_RRSIG || !is_ours(s, r->owner) ||
            s->out->extra_cnt == SCRUB_EXTRA_MAX)
            continue;
        err = build_rrset(s, r->owner, r->type, (enum message_section)r->section, &set);
        if (err)
            break;
        struct scrub_set *extra = &s->out->extra[s->out->extra_cnt++];
        *extra = (struct scrub_set){
            .owner = copy_owner_name(s, r->owner), .set = set, .section = (uint8_t)r->section};
        err = extra->owner ? ERR_OK : ERR_NOMEM;
    }
    return err;
}

static enum err scrub_sections(struct scrubbing *s)
{
    owners_start(s->owners, s->message->wire, s->message->len);
    enum err err = owners_add(s->owners, s->asked->zone, &s->zone);
    if (!err)
        owners_mark(s->owners, s->zone);
    if (!err)
        err = owners_add(s->owners, s->asked->name, &s->name);
    if (!err)
        err = read_records(s);
    if (!err)
        err = read_answer_section(s);
    if (!err)
        err = read_authority(s);
    if (!err)
        err = read_proofs_of_denial(s);
    if (!err && !s->asked->checks_sections)
        err = read_extra(s);
    return err;
}

enum err scrub_reply(const struct message *message, const struct scrub_asked *asked,
                     struct scrub_room *room, struct arena *arena, const struct scrub **out)
{
    struct scrub *found = &room->out;
    struct scrubbing s = {.message = message,
                          .asked = asked,
                          .arena = arena,
                          .owners = &room->owners,
                          .records = room->records,
                          .out = found};

    memset(found, 0, sizeof(*found));
    found->asked = *asked;
    found->owners = s.owners;
    found->records = s.records;
    *out = found;
    enum err err = scrub_sections(&s);
    for (size_t i = 0; i < found->record_cnt && !err; i++)
        found->dropped_cnt += !s.records[i].is_used && !is_ours(&s, s.records[i].owner);
    found->work += s.owners->steps + (unsigned)found->record_cnt;
    return err;
}

bool scrub_has_signatures(const struct scrub *scrub)
{
    for (size_t i = 0; i < scrub->record_cnt; i++)
        if (scrub->records[i].type == RRTYPE_RRSIG)
            return true;
    return false;
}

void scrub_broken_print(const struct scrub *scrub, char out[SCRUB_BROKEN_MAX])
{
    const struct scrub_broken *b = &scrub->broken;
    char owner[DNAME_TEXT_MAX], type[RRTYPE_NAME_MAX];
    uint8_t name[DNAME_MAX];

    if (!b->is_record) {
        *out = '\0';
        return;
    }
    owners_write(scrub->owners, b->owner, name);
    dname_text_print(name, owner);
    rrtype_print(b->type, type);
    if (b->number)
        snprintf(out, SCRUB_BROKEN_MAX, "%s %s, record %u at octet %zu", owner, type, b->number,
                 b->at);
    else
        snprintf(out, SCRUB_BROKEN_MAX, "%s %s at octet %zu", owner, type, b->at);
}

static bool is_further_link(const struct scrub *scrub, const struct scrub_record *r)
{
    return r->section == MESSAGE_ANSWER && scrub->chain_cnt > 0 && !scrub->is_answered &&
           !scrub->asked.is_forward && r->type != RRTYPE_RRSIG;
}

/* True for a CNAME below an accepted DNAME. */
static bool is_implied_by_dname(const struct scrub *scrub, const struct scrub_record *r)
{
    for (size_t i = 0; i < scrub->record_cnt; i++) {
        const struct scrub_record *other = &scrub->records[i];
        if (other->is_used && other->type == RRTYPE_DNAME && r->type == RRTYPE_CNAME &&
            owners_is_under(scrub->owners, r->owner, other->owner))
            return true;
    }
    return false;
}

enum scrub_omission scrub_omission(const struct scrub *scrub, const struct scrub_record *r)
{
    const struct scrub_asked *asked = &scrub->asked;

    if (r->is_used)
        return SCRUB_TAKEN;
    if (asked->checks_bailiwick && !scrub->owners->names[r->owner].is_marked)
        return SCRUB_OUT_OF_BAILIWICK;
    if (is_implied_by_dname(scrub, r))
        return SCRUB_SYNTHESISED;
    if (is_further_link(scrub, r))
        return SCRUB_FURTHER_LINK;
    if (r->type == RRTYPE_RRSIG)
        return SCRUB_UNUSED_SIGNATURE;
    if (r->section == MESSAGE_AUTHORITY && r->type == RRTYPE_NS)
        return asked->is_forward ? SCRUB_FORWARDER_NS : SCRUB_CHILD_NS;
    return r->section == MESSAGE_ADDITIONAL ? SCRUB_UNRELATED_ADDITIONAL : SCRUB_UNRELATED;
}
