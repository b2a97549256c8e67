/* There are few anchors, so they are a list.  An RRset is packed anew for each record that is
 * added: reading is rare. */
#include "resolver/validate/anchor.h"

#include "dns/dnskey.h"
#include "dns/ds.h"
#include "dns/rrline.h"

const char anchor_root_text[] =
    ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D\n"
    ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16\n";

static struct anchor *find_anchor_of(const struct anchor_set *set, const uint8_t *zone)
{
    for (size_t i = 0; i < set->cnt; i++)
        if (dname_is_equal(set->anchors[i].zone, zone))
            return &set->anchors[i];
    return NULL;
}

/* Return the anchor of `zone`, a new one if need be.  ERR_LIMIT, ERR_NOMEM. */
static enum err get_anchor_of(struct anchor_set *set, const uint8_t *zone, struct anchor **out)
{
    struct anchor *anchor = find_anchor_of(set, zone);

    if (!anchor) {
        if (set->cnt == ANCHOR_ZONES_MAX)
            return ERR_LIMIT;
        anchor = util_grow(set->anchors, set->cnt, &set->size, sizeof(*anchor));
        if (!anchor)
            return ERR_NOMEM;
        set->anchors = anchor;
        anchor = &set->anchors[set->cnt];
        *anchor = (struct anchor){.ds = NULL};
        dname_lower(zone, anchor->zone);
        set->cnt++;
    }
    *out = anchor;
    return ERR_OK;
}

/* Replace the RRset at *at by one with the record added. */
static enum err add_anchor_record(struct rrset **at, uint16_t type,
                                  const struct rrset_record *record)
{
    struct rrset_record records[ANCHOR_RECORDS_MAX + 1];
    size_t cnt = 0;

    for (size_t pos = 0; *at && pos < (*at)->size;)
        records[cnt++] = rrset_at(*at, pos, &pos);
    records[cnt++] = *record;
    struct rrset *larger = malloc(rrset_room(records, cnt));
    if (!larger)
        return ERR_NOMEM;
    enum err err = rrset_pack(type, 0, records, cnt, larger);
    if (!err && larger->cnt > ANCHOR_RECORDS_MAX)
        err = ERR_LIMIT;
    if (err) {
        free(larger);
        return err == ERR_SPACE ? ERR_LIMIT : err;
    }
    free(*at);
    *at = larger;
    return ERR_OK;
}

enum err anchor_put(struct anchor_set *set, const uint8_t *zone, uint16_t type,
                    const struct rrset_record *record)
{
    struct anchor *anchor;
    enum err err = get_anchor_of(set, zone, &anchor);

    return err ? err
               : add_anchor_record(type == RRTYPE_DS ? &anchor->ds : &anchor->keys, type,
                                   record);
}

static enum err copy_anchor_records(const struct anchor *from, const struct rrset *records,
                                    struct anchor_set *out)
{
    enum err err = ERR_OK;

    for (size_t pos = 0; records && pos < records->size && !err;) {
        struct rrset_record record = rrset_at(records, pos, &pos);
        err = anchor_put(out, from->zone, records->type, &record);
    }
    return err;
}

enum err anchor_copy(const struct anchor_set *set, struct anchor_set *out)
{
    enum err err = ERR_OK;

    for (size_t i = 0; i < set->cnt && !err; i++) {
        err = copy_anchor_records(&set->anchors[i], set->anchors[i].ds, out);
        if (!err)
            err = copy_anchor_records(&set->anchors[i], set->anchors[i].keys, out);
    }
    return err;
}

/* Say what makes the record useless as an anchor; NULL if nothing does. */
static const char *find_anchor_fault(const struct rrline *line)
{
    if (line->class != RRTYPE_CLASS_IN)
        return "a trust anchor is of class IN";
    if (line->type == RRTYPE_DS)
        return NULL;
    if (line->type != RRTYPE_DNSKEY)
        return "a trust anchor is a DS or a DNSKEY record";
    struct dnskey key = dnskey_read(line->rdata, line->rdata_len);
    if (!dnskey_is_zone_key(&key))
        return DNSKEY_NO_ZONE_KEY;
    if (key.flags & DNSKEY_REVOKE)
        return "this DNSKEY is revoked (RFC 5011): remove it";
    return NULL;
}

enum err anchor_add(struct anchor_set *set, const char *text, size_t len, struct rrline *line,
                    struct fault *fault)
{
    static const uint8_t root[] = {0};
    enum err err = rrline_read(text, len, root, 0, line);

    if (err == ERR_ABSENT)
        return err;
    const char *wrong = err ? line->fault.text : find_anchor_fault(line);
    if (wrong)
        return fault_set(fault, ERR_CONFIG, "%s", wrong);
    struct rrset_record record = {line->rdata, (uint16_t)line->rdata_len};
    err = anchor_put(set, line->owner, line->type, &record);
    if (err == ERR_LIMIT)
        return fault_set(fault, ERR_CONFIG, "too many trust anchors, or too many of this zone");
    return fault_name(fault, err);
}

enum err anchor_read(struct anchor_set *set, const char *file, const char *text, size_t len,
                     struct diag *diag)
{
    struct rrline *line = malloc(sizeof(*line));
    enum err err = line ? ERR_OK : ERR_NOMEM;
    uint32_t number = 0;

    for (size_t pos = 0; pos < len && err != ERR_NOMEM;) {
        struct fault fault;
        const char *end = memchr(text + pos, '\n', len - pos);
        size_t line_len = end ? (size_t)(end - (text + pos)) : len - pos;
        number++;
        enum err line_err = anchor_add(set, text + pos, line_len, line, &fault);
        if (line_err == ERR_CONFIG) {
            struct diag_place place = {file, number, 1, text + pos, line_len};
            diag_add(diag, DIAG_ERROR, &place, "%s", fault.text);
        }
        if (line_err && line_err != ERR_ABSENT)
            err = line_err;
        pos += line_len + 1;
    }
    free(line);
    return err;
}

const struct anchor *anchor_find(const struct anchor_set *set, const uint8_t *name)
{
    const struct anchor *best = NULL;

    for (size_t i = 0; i < set->cnt; i++) {
        const struct anchor *anchor = &set->anchors[i];
        if ((anchor->ds || anchor->keys) && dname_is_under(name, anchor->zone) &&
            (!best || dname_labels(anchor->zone) > dname_labels(best->zone)))
            best = anchor;
    }
    return best;
}

/* Insert a tag into the sorted ones, unless it is there. */
static size_t insert_tag(uint16_t *tags, size_t cnt, uint16_t tag)
{
    size_t at = cnt;

    while (at > 0 && tags[at - 1] >= tag)
        at--;
    if (at < cnt && tags[at] == tag)
        return cnt;
    memmove(tags + at + 1, tags + at, (cnt - at) * sizeof(*tags));
    tags[at] = tag;
    return cnt + 1;
}

size_t anchor_tags(const struct anchor *anchor, uint16_t out[ANCHOR_TAGS_MAX])
{
    size_t cnt = 0;

    for (size_t pos = 0; anchor->ds && pos < anchor->ds->size;) {
        struct rrset_record record = rrset_at(anchor->ds, pos, &pos);
        cnt = insert_tag(out, cnt, ds_read(record.rdata, record.len).tag);
    }
    for (size_t pos = 0; anchor->keys && pos < anchor->keys->size;) {
        struct rrset_record record = rrset_at(anchor->keys, pos, &pos);
        cnt = insert_tag(out, cnt, dnskey_read(record.rdata, record.len).tag);
    }
    return cnt;
}

void anchor_fini(struct anchor_set *set)
{
    for (size_t i = 0; i < set->cnt; i++) {
        free(set->anchors[i].ds);
        free(set->anchors[i].keys);
    }
    free(set->anchors);
    *set = (struct anchor_set){.cnt = 0};
}
