/* The suffixes of written names are in a small hash table.  An entry is used only if the octets
 * at its offset spell the wanted name, so that entries which a rollback leaves behind are
 * harmless. */
#include "dns/builder.h"

enum { PROBES = 4 };

void builder_init(struct builder *b, uint8_t *wire, size_t limit)
{
    must(limit >= MESSAGE_HEADER_LEN);
    b->wire = wire;
    b->len = MESSAGE_HEADER_LEN;
    b->limit = limit;
    memset(b->cnt, 0, sizeof(b->cnt));
    memset(b->slot, 0, sizeof(b->slot));
    memset(b->read, 0, sizeof(b->read));
}

static void remember_suffix(struct builder *b, uint64_t hash, size_t at)
{
    if (at > BUILDER_POINTER_MAX)
        return;
    for (unsigned i = 0; i < PROBES; i++) {
        unsigned n = (unsigned)(hash + i) % BUILDER_SLOTS;
        if (b->slot[n].at == 0) {
            b->slot[n].at = (uint16_t)at;
            b->slot[n].tag = (uint16_t)(hash >> 48);
            return;
        }
    }
}

/* Return true if the message has `name` at offset `at`. */
static bool is_name_at(const struct builder *b, size_t at, const uint8_t *name)
{
    unsigned pointers = 0;
    for (;;) {
        if (at >= b->len)
            return false;
        uint8_t len = b->wire[at];
        if (len >= 0xc0) {
            if (at + 1 >= b->len || ++pointers > DNAME_POINTERS_MAX)
                return false;
            size_t target = ((size_t)(len & 0x3f) << 8) | b->wire[at + 1];
            if (target >= at)
                return false;
            at = target;
            continue;
        }
        if (len != *name || at + len >= b->len)
            return false;
        if (len == 0)
            return true;
        if (!util_is_same(b->wire + at + 1, name + 1, len))
            return false;
        at += len + 1U;
        name += len + 1U;
    }
}

static uint16_t find_suffix(const struct builder *b, uint64_t hash, const uint8_t *name)
{
    for (unsigned i = 0; i < PROBES; i++) {
        unsigned n = (unsigned)(hash + i) % BUILDER_SLOTS;
        if (b->slot[n].at && b->slot[n].tag == (uint16_t)(hash >> 48) &&
            is_name_at(b, b->slot[n].at, name))
            return b->slot[n].at;
    }
    return 0;
}

void builder_question(struct builder *b, const struct message *m,
                      const struct dname_parts *parts)
{
    if (b->limit - b->len < m->question_len)
        return;
    memcpy(b->wire + b->len, m->wire + MESSAGE_HEADER_LEN, m->question_len);
    for (unsigned n = parts->labels; n > 0; n--)
        remember_suffix(b, parts->hash[n], b->len + parts->at[n]);
    b->len += m->question_len;
    b->cnt[MESSAGE_QUESTION] = 1;
}

static bool append_octets(struct builder *b, const void *bytes, size_t len)
{
    if (b->limit - b->len < len)
        return false;
    memcpy(b->wire + b->len, bytes, len);
    b->len += len;
    return true;
}

static bool append_pointer(struct builder *b, uint16_t at)
{
    uint8_t pointer[2];
    util_put_u16(pointer, (uint16_t)(0xc000 | at));
    return append_octets(b, pointer, 2);
}

static unsigned hash_name_address(const uint8_t *name)
{
    return (unsigned)(((uintptr_t)name ^ (uintptr_t)name >> 7) % BUILDER_NAMES);
}

/* Return the name that was written from this address, NULL if it is not cached. */
static const struct builder_name *find_written_name(const struct builder *b,
                                                    const uint8_t *name)
{
    unsigned slot = hash_name_address(name);
    return b->read[slot] == name ? &b->names[slot] : NULL;
}

uint64_t builder_hash(const struct builder *b, const uint8_t *name)
{
    const struct builder_name *known = find_written_name(b, name);
    return known ? known->hash : dname_hash(name);
}

/* Append the labels that the message does not have yet, then a pointer to the other ones, or
 * the root. */
static bool append_name(struct builder *b, const uint8_t *name)
{
    const uint8_t *label[DNAME_LABELS_MAX];
    uint64_t hash[DNAME_LABELS_MAX];
    unsigned cnt = 0;

    for (const uint8_t *p = name; *p; p += *p + 1)
        label[cnt++] = p;
    uint64_t parent = dname_hash((const uint8_t *)"");
    for (unsigned i = cnt; i-- > 0;)
        hash[i] = parent = dname_hash_child(parent, label[i]);
    unsigned slot = hash_name_address(name);
    b->read[slot] = name;
    b->names[slot] = (struct builder_name){
        .hash = parent, .at = b->len <= BUILDER_POINTER_MAX && cnt > 0 ? (uint16_t)b->len : 0};
    for (unsigned i = 0; i < cnt; i++) {
        uint16_t at = find_suffix(b, hash[i], label[i]);
        if (at)
            return append_pointer(b, at);
        size_t here = b->len;
        if (!append_octets(b, label[i], *label[i] + 1U))
            return false;
        remember_suffix(b, hash[i], here);
    }
    return append_octets(b, "", 1);
}

/* Append RDATA and compress its names.  The most frequent types have a short cut; the others
 * follow the fields of the type. */
static bool append_compressed(struct builder *b, uint16_t type, const uint8_t *rdata,
                              size_t len)
{
    struct rdata_walk walk;
    struct rdata_field field;
    size_t first, both;

    switch (type) {
    case RRTYPE_NS:
    case RRTYPE_CNAME:
    case RRTYPE_PTR: return append_name(b, rdata);
    case RRTYPE_MX: return append_octets(b, rdata, 2) && append_name(b, rdata + 2);
    case RRTYPE_SOA:
        first = dname_len(rdata);
        both = first + dname_len(rdata + first);
        return append_name(b, rdata) && append_name(b, rdata + first) &&
               append_octets(b, rdata + both, len - both);
    default: break;
    }
    walk = rdata_walk(type, rdata, len);
    while (rdata_next(&walk, &field))
        if (!(field.kind == 'N' ? append_name(b, field.at)
                                : append_octets(b, field.at, field.len)))
            return false;
    return true;
}

static bool append_owner(struct builder *b, struct builder_owner *owner)
{
    if (owner->at)
        return append_pointer(b, owner->at);
    const struct builder_name *known = find_written_name(b, owner->name);
    if (known && known->at && known->at < b->len && is_name_at(b, known->at, owner->name)) {
        owner->at = known->at;
        return append_pointer(b, owner->at);
    }
    size_t here = b->len;
    if (!append_name(b, owner->name))
        return false;
    if (here <= BUILDER_POINTER_MAX && b->wire[here] < 0xc0 && b->wire[here] != 0)
        owner->at = (uint16_t)here; /* later records point here */
    return true;
}

static bool append_fixed_fields(struct builder *b, uint16_t type, uint16_t class, uint32_t ttl)
{
    uint8_t fixed[8];
    util_put_u16(fixed, type);
    util_put_u16(fixed + 2, class);
    util_put_u32(fixed + 4, ttl);
    return append_octets(b, fixed, sizeof(fixed));
}

static bool append_rdata(struct builder *b, uint16_t type, const uint8_t *rdata, size_t len)
{
    size_t length_at = b->len;
    if (!append_octets(b, "\0", 2) || !append_compressed(b, type, rdata, len))
        return false;
    util_put_u16(b->wire + length_at, (uint16_t)(b->len - length_at - 2));
    return true;
}

static bool append_rrset(struct builder *b, struct builder_owner *owner,
                         const struct rrset *set, uint32_t ttl, unsigned first)
{
    bool may_compress = rdata_may_compress(set->type);
    size_t pos = 0;

    for (unsigned skip = first % set->cnt; skip > 0; skip--)
        rrset_at(set, pos, &pos);
    for (unsigned i = 0; i < set->cnt; i++) {
        if (pos >= set->size)
            pos = 0;
        size_t start = pos;
        struct rrset_record record = rrset_at(set, start, &pos);
        if (!append_owner(b, owner) || !append_fixed_fields(b, set->type, RRTYPE_CLASS_IN, ttl))
            return false;
        if (!(may_compress ? append_rdata(b, set->type, record.rdata, record.len)
                           : append_octets(b, set->data + start, record.len + 2U)))
            return false;
    }
    return true;
}

enum err builder_rrset(struct builder *b, enum message_section section,
                       struct builder_owner *owner, const struct rrset *set, uint32_t ttl,
                       unsigned first)
{
    size_t start = b->len;
    struct builder_owner before = *owner;
    if ((set->flags & RRSET_IS_TOO_LARGE) || !append_rrset(b, owner, set, ttl, first)) {
        b->len = start;
        *owner = before;
        return ERR_SPACE;
    }
    b->cnt[section] = (uint16_t)(b->cnt[section] + set->cnt);
    return ERR_OK;
}

enum err builder_record(struct builder *b, enum message_section section,
                        struct builder_owner owner, uint16_t type, uint16_t class, uint32_t ttl,
                        const uint8_t *rdata, size_t rdata_len)
{
    size_t start = b->len;
    if (!append_owner(b, &owner) || !append_fixed_fields(b, type, class, ttl) ||
        !append_rdata(b, type, rdata, rdata_len)) {
        b->len = start;
        return ERR_SPACE;
    }
    b->cnt[section]++;
    return ERR_OK;
}

struct builder_mark builder_mark(const struct builder *b)
{
    struct builder_mark mark = {.len = b->len};
    memcpy(mark.cnt, b->cnt, sizeof(mark.cnt));
    return mark;
}

void builder_rollback(struct builder *b, const struct builder_mark *mark)
{
    b->len = mark->len;
    memcpy(b->cnt, mark->cnt, sizeof(b->cnt));
}
