/* White lists, section by section: what a rule does not name is not looked at, and its RDATA is not even
 * decompressed. */
#include "resolver/scrub.h"

/* Lifetime: the call. */
struct scrubbing {
    const struct message *message;
    const struct scrub_asked *asked;
    struct arena *arena;
    struct scrub_record *records;
    size_t cnt;
    struct scrub *out;
};

static enum err read_records(struct scrubbing *s)
{
    const struct message *m = s->message;
    struct message_walk walk = message_walk(m);
    struct message_record r;
    const uint8_t *last_owner = s->asked->name;
    size_t all =
        (size_t)m->cnt[MESSAGE_ANSWER] + m->cnt[MESSAGE_AUTHORITY] + m->cnt[MESSAGE_ADDITIONAL];

    s->records = arena_alloc(s->arena, (all + 1) * sizeof(*s->records));
    if (!s->records)
        return ERR_NOMEM;
    while (message_next(&walk, &r)) {
        if (r.type == RRTYPE_OPT || r.class != RRTYPE_CLASS_IN)
            continue;
        if (!dname_is_equal(last_owner, r.owner)) {
            last_owner = arena_copy(s->arena, r.owner, dname_len(r.owner));
            if (!last_owner)
                return ERR_NOMEM;
        }
        s->records[s->cnt++] = (struct scrub_record){.section = r.section,
                                                     .type = r.type,
                                                     .ttl = r.ttl,
                                                     .owner = last_owner,
                                                     .rdata_at = (size_t)(r.rdata - m->wire),
                                                     .rdata_len = r.rdata_len};
    }
    return cursor_failed(&walk.c) ? ERR_FORMAT : ERR_OK;
}

static bool is_in_bailiwick(const struct scrubbing *s, const uint8_t *name)
{
    return !s->asked->checks_bailiwick || dname_is_under(name, s->asked->zone);
}

/* ---- RRsets ---- */

/* The RDATA of a record, written out; ERR_FORMAT when it breaks its shape. */
static enum err expand(struct scrubbing *s, const struct scrub_record *r,
                       struct rrset_record *out)
{
    uint8_t rdata[RDATA_MAX + DNAME_MAX];
    struct cursor c = cursor_over(s->message->wire, s->message->len);
    size_t len;

    c.pos = r->rdata_at;
    enum err err = rdata_expand(r->type, &c, r->rdata_len, rdata, sizeof(rdata), &len);
    if (err || len > RDATA_MAX) {
        s->out->broken = (struct scrub_broken){.owner = r->owner, .type = r->type, .at = c.pos};
        return ERR_FORMAT;
    }
    out->rdata = arena_copy(s->arena, rdata, len);
    out->len = (uint16_t)len;
    return out->rdata ? ERR_OK : ERR_NOMEM;
}

static bool is_signature_of(struct scrubbing *s, const struct scrub_record *r, uint16_t type)
{
    return r->type == RRTYPE_RRSIG && r->rdata_len > 18 &&
           util_get_u16(s->message->wire + r->rdata_at) == type;
}

static bool is_of(struct scrubbing *s, const struct scrub_record *r, const uint8_t *owner,
                  uint16_t type, enum message_section section, bool is_sigs)
{
    bool is_wanted = is_sigs ? is_signature_of(s, r, type) : r->type == type;
    return is_wanted && r->section == section && dname_is_equal(r->owner, owner);
}

/* Collect the records of one RRset, or its signatures.  ERR_FORMAT: a record breaks the format of
 * its type, which spoils the RRset (RFC 2181 5): the rest must not be served as if it were the
 * whole. */
static enum err collect(struct scrubbing *s, const uint8_t *owner, uint16_t type,
                        enum message_section section, bool is_sigs, struct rrset_record **out,
                        size_t *cnt, uint32_t *ttl)
{
    size_t all = 0, bytes = 0;

    *cnt = 0;
    *ttl = UINT32_MAX;
    for (size_t i = 0; i < s->cnt; i++)
        all += is_of(s, &s->records[i], owner, type, section, is_sigs);
    if (all > s->asked->rrset_records_max) {
        s->out->limit = "an RRset has too many records (limit: rrset-records)";
        return ERR_LIMIT;
    }
    struct rrset_record *records = arena_alloc(s->arena, (all + 1) * sizeof(*records));
    if (!records)
        return ERR_NOMEM;
    *out = records;
    for (size_t i = 0; i < s->cnt && *cnt < all; i++) {
        struct scrub_record *r = &s->records[i];
        if (!is_of(s, r, owner, type, section, is_sigs))
            continue;
        enum err err = expand(s, r, &records[*cnt]);
        if (err == ERR_FORMAT)
            s->out->broken.number = (unsigned)*cnt + 1;
        if (err)
            return err;
        bytes += 2U + records[*cnt].len;
        if (bytes > s->asked->rrset_bytes_max) {
            s->out->limit = "an RRset has too many octets (limit: rrset-bytes)";
            return ERR_LIMIT;
        }
        r->is_used = true;
        (*cnt)++;
        *ttl = (uint32_t)util_min(*ttl, r->ttl); /* RFC 2181 5.2 */
    }
    return ERR_OK;
}

/* An RRset with its signatures behind it; NULL in *out when there is none. */
static enum err build(struct scrubbing *s, const uint8_t *owner, uint16_t type,
                      enum message_section section, struct rrset **out)
{
    struct rrset_record *records, *sigs;
    size_t cnt, sig_cnt;
    uint32_t ttl, sig_ttl;

    *out = NULL;
    enum err err = collect(s, owner, type, section, false, &records, &cnt, &ttl);
    if (err || cnt == 0)
        return err;
    err = collect(s, owner, type, section, true, &sigs, &sig_cnt, &sig_ttl);
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

/* The nearest name above `name` that has a DNAME in the answer and that the server may speak of. */
static const uint8_t *find_dname_owner(struct scrubbing *s, const uint8_t *name)
{
    const uint8_t *best = NULL;
    for (size_t i = 0; i < s->cnt; i++) {
        const struct scrub_record *r = &s->records[i];
        if (r->section == MESSAGE_ANSWER && r->type == RRTYPE_DNAME &&
            !dname_is_equal(r->owner, name) && dname_is_under(name, r->owner) &&
            is_in_bailiwick(s, r->owner) && (!best || dname_is_under(r->owner, best)))
            best = r->owner;
    }
    return best;
}

/* RFC 6672 2.2: put the DNAME's target in the place of its owner. */
static const uint8_t *substitute(struct scrubbing *s, const uint8_t *name, const uint8_t *owner,
                                 const uint8_t *target)
{
    size_t head = dname_len(name) - dname_len(owner), tail = dname_len(target);
    uint8_t made[DNAME_MAX];

    if (head + tail > DNAME_MAX)
        return NULL;
    memcpy(made, name, head);
    memcpy(made + head, target, tail);
    return arena_copy(s->arena, made, head + tail);
}

/* One step of the chain from *name: the records asked for, a DNAME, or a CNAME.  *is_end: it ends here. */
static enum err follow(struct scrubbing *s, const uint8_t **name, bool *is_end)
{
    struct scrub *out = s->out;
    struct rrset *set;

    *is_end = true;
    enum err err = build(s, *name, s->asked->type, MESSAGE_ANSWER, &set);
    if (err)
        return err;
    if (set) {
        add_to_chain(out, *name, set);
        out->is_answered = true;
        return ERR_OK;
    }
    const uint8_t *dname_owner = find_dname_owner(s, *name);
    if (dname_owner) {
        err = build(s, dname_owner, RRTYPE_DNAME, MESSAGE_ANSWER, &set);
        if (err || !set)
            return err;
        if (set->cnt != 1)
            return ERR_FORMAT;
        add_to_chain(out, dname_owner, set);
        const uint8_t *next = substitute(s, *name, dname_owner, rrset_first(set).rdata);
        if (!next)
            return ERR_OK; /* YXDOMAIN: whoever uses the DNAME finds that out */
        *name = next;
        *is_end = false;
        return ERR_OK;
    }
    err = build(s, *name, RRTYPE_CNAME, MESSAGE_ANSWER, &set);
    if (err || !set)
        return err;
    if (set->cnt != 1) /* RFC 2181 10.1 */
        return ERR_FORMAT;
    add_to_chain(out, *name, set);
    *name = rrset_first(set).rdata;
    *is_end = false;
    return ERR_OK;
}

static bool may_follow(const struct scrub_asked *asked, const uint8_t *name)
{
    return asked->is_forward || (asked->may_follow && asked->may_follow(asked->data, name));
}

static enum err read_answer(struct scrubbing *s)
{
    struct scrub *out = s->out;
    const uint8_t *name = s->asked->name;
    bool is_end = false;
    enum err err = ERR_OK;

    while (!is_end && !err && is_in_bailiwick(s, name)) {
        if (out->chain_cnt + 1 >= SCRUB_CHAIN_MAX || is_in_chain(out, name))
            break;
        unsigned before = out->chain_cnt;
        if (before > 0 && !may_follow(s->asked, name))
            break;
        err = follow(s, &name, &is_end);
        out->is_last_ours = before > 0 && !err && out->chain_cnt == before;
        /* a later link that cannot be read is asked for by itself */
        if (before > 0 && !s->asked->is_forward && err != ERR_NOMEM)
            err = ERR_OK;
    }
    out->last = name;
    return err;
}

/* ---- authority ---- */

static enum err read_soa(struct scrubbing *s)
{
    for (size_t i = 0; i < s->cnt && !s->out->soa; i++) {
        struct scrub_record *r = &s->records[i];
        if (r->section != MESSAGE_AUTHORITY || r->type != RRTYPE_SOA || r->is_used ||
            !is_in_bailiwick(s, r->owner) || !dname_is_under(s->out->last, r->owner))
            continue;
        enum err err = build(s, r->owner, RRTYPE_SOA, MESSAGE_AUTHORITY, &s->out->soa);
        if (err)
            return err;
        s->out->soa_owner = s->out->soa ? r->owner : NULL;
    }
    return ERR_OK;
}

/* The deepest zone between ours and the name that was asked of which there are NS records. */
static const uint8_t *find_delegation(struct scrubbing *s)
{
    const uint8_t *best = NULL;

    for (size_t i = 0; i < s->cnt; i++) {
        const struct scrub_record *r = &s->records[i];
        if (r->type != RRTYPE_NS || r->section != MESSAGE_AUTHORITY)
            continue;
        bool is_at_zone = dname_is_equal(r->owner, s->asked->zone);
        if (!is_at_zone && is_in_bailiwick(s, r->owner) &&
            dname_is_under(s->asked->name, r->owner)) {
            if (!best || dname_is_under(r->owner, best))
                best = r->owner;
            continue;
        }
        s->out->has_other_ns = true;
    }
    return best;
}

/* Glue has to be in bailiwick too: the addresses of other zones' names are those zones' to tell. */
static enum err read_glue(struct scrubbing *s, struct cut *cut)
{
    for (size_t i = 0; i < s->cnt; i++) {
        struct scrub_record *r = &s->records[i];
        struct addr addr;
        bool is_address = (r->type == RRTYPE_A && r->rdata_len == 4) ||
                          (r->type == RRTYPE_AAAA && r->rdata_len == 16);
        if (!is_address || r->section == MESSAGE_AUTHORITY || !is_in_bailiwick(s, r->owner))
            continue;
        for (int n = 0; n < cut->server_cnt; n++) {
            if (!dname_is_equal(cut->servers[n].name, r->owner) ||
                addr_from_bytes(s->message->wire + r->rdata_at, r->rdata_len, s->asked->port,
                                &addr) != ERR_OK)
                continue;
            r->is_used = true;
            cut_add_addr(cut, n, &addr);
            s->out->delegation_ttl = (uint32_t)util_min(s->out->delegation_ttl, r->ttl);
        }
    }
    return ERR_OK;
}

/* Of many servers the first are kept (limits.md section 3: NRDelegationAttack). */
static enum err read_servers(struct scrubbing *s, const uint8_t *zone,
                             enum message_section section, struct cut *cut)
{
    s->out->delegation_ttl = UINT32_MAX;
    for (size_t i = 0; i < s->cnt; i++) {
        struct scrub_record *r = &s->records[i];
        struct rrset_record ns;
        if (r->type != RRTYPE_NS || r->section != section || !dname_is_equal(r->owner, zone))
            continue;
        r->is_used = true;
        if (cut->server_cnt == CUT_SERVERS_MAX) {
            cut->is_crowded = true;
            continue;
        }
        enum err err = expand(s, r, &ns);
        if (err)
            return err;
        cut_add_server(cut, ns.rdata);
        s->out->delegation_ttl = (uint32_t)util_min(s->out->delegation_ttl, r->ttl);
    }
    return ERR_OK;
}

static enum err read_delegation(struct scrubbing *s, const uint8_t *zone,
                                enum message_section section)
{
    struct cut *cut = arena_alloc(s->arena, sizeof(*cut));

    if (!cut)
        return ERR_NOMEM;
    cut_init(cut, zone, CUT_DELEGATION);
    enum err err = read_servers(s, zone, section, cut);
    if (err)
        return err;
    for (size_t i = 0; i < s->cnt; i++)
        cut->is_signed |= s->records[i].type == RRTYPE_DS &&
                          s->records[i].section == MESSAGE_AUTHORITY &&
                          dname_is_equal(s->records[i].owner, zone);
    s->out->delegation = cut;
    return read_glue(s, cut);
}

/* Priming (RFC 8109 3.3): the answer about the root's own servers is the delegation. */
static bool is_priming(const struct scrub_asked *asked)
{
    return *asked->name == 0 && asked->type == RRTYPE_NS && *asked->zone == 0;
}

static enum err read_authority(struct scrubbing *s)
{
    enum err err = read_soa(s);
    const uint8_t *zone = find_delegation(s);

    if (s->asked->is_forward) /* sends us elsewhere: it does not recurse */
        s->out->has_other_ns |= zone != NULL;
    if (err || s->asked->is_forward)
        return err;
    if (zone && s->out->chain_cnt == 0 && !s->out->soa)
        return read_delegation(s, zone, MESSAGE_AUTHORITY);
    if (is_priming(s->asked) && s->out->is_answered)
        return read_delegation(s, s->asked->name, MESSAGE_ANSWER);
    return ERR_OK;
}

/* Laboratory: what resolvers of the last century did - believe whatever the reply brings along. */
static enum err read_extra(struct scrubbing *s)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < s->cnt && !err; i++) {
        struct scrub_record *r = &s->records[i];
        struct rrset *set;
        if (r->is_used || r->type == RRTYPE_RRSIG || !is_in_bailiwick(s, r->owner) ||
            s->out->extra_cnt == ARRAY_LEN(s->out->extra))
            continue;
        err = build(s, r->owner, r->type, r->section, &set);
        if (!err && set)
            s->out->extra[s->out->extra_cnt++] = (struct scrub_set){
                .owner = r->owner, .set = set, .section = (uint8_t)r->section};
    }
    return err;
}

enum err scrub_reply(const struct message *message, const struct scrub_asked *asked,
                     struct arena *arena, struct scrub *out)
{
    struct scrubbing s = {.message = message, .asked = asked, .arena = arena, .out = out};

    memset(out, 0, offsetof(struct scrub, extra));
    out->extra_cnt = out->dropped_cnt = 0;
    out->asked = *asked;
    out->broken = (struct scrub_broken){0};
    out->limit = NULL;
    enum err err = read_records(&s);
    if (!err)
        err = read_answer(&s);
    if (!err)
        err = read_authority(&s);
    if (!err && !asked->checks_sections)
        err = read_extra(&s);
    for (size_t i = 0; i < s.cnt && !err; i++)
        out->dropped_cnt += !s.records[i].is_used && !is_in_bailiwick(&s, s.records[i].owner);
    out->records = s.records;
    out->record_cnt = s.cnt;
    return err;
}

void scrub_broken_print(const struct scrub *scrub, char out[SCRUB_BROKEN_MAX])
{
    const struct scrub_broken *b = &scrub->broken;
    char owner[DNAME_TEXT_MAX], type[RRTYPE_NAME_MAX];

    if (!b->owner) {
        snprintf(out, SCRUB_BROKEN_MAX, "unreadable");
        return;
    }
    dname_text_print(b->owner, owner);
    rrtype_print(b->type, type);
    if (b->number)
        snprintf(out, SCRUB_BROKEN_MAX, "unreadable: %s %s, record %u at octet %zu", owner,
                 type, b->number, b->at);
    else
        snprintf(out, SCRUB_BROKEN_MAX, "unreadable: %s %s at octet %zu", owner, type, b->at);
}

static bool is_further_down(const struct scrub *scrub, const struct scrub_record *r)
{
    return r->section == MESSAGE_ANSWER && scrub->chain_cnt > 0 && !scrub->is_answered &&
           !scrub->asked.is_forward && r->type != RRTYPE_RRSIG;
}

/* Whether a DNAME that was taken stands above. */
static bool is_of_dname(const struct scrub *scrub, const struct scrub_record *r)
{
    for (size_t i = 0; i < scrub->record_cnt; i++) {
        const struct scrub_record *other = &scrub->records[i];
        if (other->is_used && other->type == RRTYPE_DNAME && r->type == RRTYPE_CNAME &&
            dname_is_under(r->owner, other->owner))
            return true;
    }
    return false;
}

const char *scrub_reason(const struct scrub *scrub, const struct scrub_record *r)
{
    const struct scrub_asked *asked = &scrub->asked;

    if (r->is_used)
        return NULL;
    if (asked->checks_bailiwick && !dname_is_under(r->owner, asked->zone))
        return "outside the zone that this server was asked for (bailiwick)";
    if (is_of_dname(scrub, r))
        return "the DNAME says the same: the CNAME is made of it (RFC 6672 3.1)";
    if (is_further_down(scrub, r))
        return "a link of the chain that this server may not answer for: it is asked for (RFC "
               "2181 5.4.1)";
    if (r->type == RRTYPE_RRSIG)
        return "a signature of something that was not taken";
    if (r->section == MESSAGE_AUTHORITY && r->type == RRTYPE_NS)
        return asked->is_forward ? "a forwarder delegates nothing"
                                 : "what a zone says of its own servers leads nowhere new";
    if (r->section == MESSAGE_ADDITIONAL)
        return "not the address of a server that was delegated to";
    return "not what was asked for";
}
