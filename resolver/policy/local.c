/* Every ancestor of a name is in the table too, so that an empty non-terminal and the closest
 * encloser (RFC 4592 3.3.1) cost one lookup each.  A zone without data answers NXDOMAIN below
 * its apex and NODATA at it, with a SOA so that stub resolvers cache the answer (RFC 6303 3).
 * "localhost" and the names below it have the loopback addresses (RFC 6761 6.3) unless local
 * data say otherwise. */
#include "resolver/policy/local.h"

#include <arpa/inet.h>

#include "dns/idn.h"

enum {
    LOCAL_TTL = 10800,
    HOSTS_TTL = 300,
    DATA_NEGATIVE_TTL = 300,
    HOSTS_PTR_MAX = 8,    /* PTR records of one address */
    RECORD_OVERHEAD = 12, /* a compressed owner, type, class, TTL, RDLENGTH */
    /* a message less its header, the longest question section, and OPT with its options */
    SET_WIRE_MAX = 65535 - 12 - (DNAME_MAX + 4) - 128,
};

enum zone_kind { ZONE_EMPTY, ZONE_LOCALHOST, ZONE_GIVEN, ZONE_EXCEPT };

struct local_zone {
    enum zone_kind kind;
    const uint8_t *name;
    const struct rrset *soa, *ns; /* ns: NULL for ZONE_GIVEN, which has its NS in its data */
};

struct local_set {
    struct local_set *next;
    struct rrset *set;
};

/* Lifetime: published version. */
struct local_name {
    struct local_zone *zone; /* that begins here, or NULL */
    struct rrset *first;     /* NULL: the name has no data */
    struct local_set *more;
    bool has_below;          /* there are names below */
    bool has_wildcard;       /* *.NAME is in the table, with data or as an ancestor */
    uint16_t truncated_type; /* of the RRset that was last reported as too large */
};

static const char loopback6[] =
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.";

static const char *const empty_zones[] = {
    /* RFC 6761, 6762, 7686, 8375, 9462, 9476, 9665 */
    "invalid.", "test.", "local.", "onion.", "home.arpa.", "resolver.arpa.",
    "_dns.resolver.arpa.", "alt.", "service.arpa.",
    /* RFC 6303 4 */
    "0.in-addr.arpa.", "127.in-addr.arpa.", "254.169.in-addr.arpa.", "2.0.192.in-addr.arpa.",
    "100.51.198.in-addr.arpa.", "113.0.203.in-addr.arpa.", "255.255.255.255.in-addr.arpa.",
    "10.in-addr.arpa.", "168.192.in-addr.arpa.",
    "0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa.", loopback6,
    "d.f.ip6.arpa.", "8.e.f.ip6.arpa.", "9.e.f.ip6.arpa.", "a.e.f.ip6.arpa.", "b.e.f.ip6.arpa.",
    "8.b.d.0.1.0.0.2.ip6.arpa."};

/* Return the entry of the suffix of `labels` labels, and make it if it is missing.  *copy is
 * the name as the table spells it, made when it is first needed.  NULL without memory. */
static struct local_name *make_suffix_entry(struct local *local, struct arena *arena,
                                            const struct dname_parts *parts, unsigned labels,
                                            const uint8_t **copy)
{
    struct local_name *at = names_find(&local->names, parts, labels);
    if (at)
        return at;
    if (!*copy)
        *copy = arena_copy(arena, parts->lower, parts->len);
    at = arena_alloc(arena, sizeof(*at));
    void **place =
        at && *copy ? names_put_suffix(&local->names, parts, labels, *copy + parts->at[labels])
                    : NULL;
    if (!place)
        return NULL;
    *at = (struct local_name){.zone = NULL};
    *place = at;
    return at;
}

/* Return the entry of a name, and make it and those of its ancestors if they are missing.  NULL
 * without memory. */
static struct local_name *make_name_entry(struct local *local, struct arena *arena,
                                          const uint8_t *name)
{
    static const uint8_t star[] = {1, '*'};
    struct dname_parts parts;
    const uint8_t *copy = NULL;

    dname_split(name, &parts);
    struct local_name *result = make_suffix_entry(local, arena, &parts, parts.labels, &copy);
    bool is_known = !result;
    for (unsigned n = parts.labels; n-- > 0 && !is_known;) {
        struct local_name *at = make_suffix_entry(local, arena, &parts, n, &copy);
        if (!at)
            return NULL;
        is_known = at->has_below; /* so have its ancestors */
        at->has_below = true;
        at->has_wildcard |= memcmp(parts.lower + parts.at[n + 1], star, sizeof(star)) == 0;
    }
    return result;
}

/* ---- zones ---- */

/* Make an RRset of one record.  NULL without memory. */
static struct rrset *make_set(uint16_t type, uint32_t ttl, const uint8_t *rdata, size_t len,
                              struct arena *arena)
{
    struct rrset_record record = {.rdata = rdata, .len = (uint16_t)len};
    struct rrset *set = arena_alloc(arena, rrset_room(&record, 1));
    if (set && rrset_pack(type, ttl, &record, 1, set) != ERR_OK)
        set = NULL;
    return set;
}

static const struct rrset *make_soa(const uint8_t *mname, uint32_t ttl, struct arena *arena)
{
    static const uint8_t rname[] = "\6nobody\7invalid";
    uint8_t rdata[2 * DNAME_MAX + 20];
    size_t mname_len = dname_len(mname), len = mname_len;

    memcpy(rdata, mname, mname_len);
    memcpy(rdata + len, rname, sizeof(rname));
    len += sizeof(rname);
    const uint32_t numbers[] = {1, 3600, 1200, 604800, ttl};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++, len += 4)
        util_put_u32(rdata + len, numbers[i]);
    return make_set(RRTYPE_SOA, ttl, rdata, len, arena);
}

static struct rrset *find_set(const struct local_name *name, uint16_t type)
{
    if (name->first && name->first->type == type)
        return name->first;
    for (const struct local_set *s = name->more; s; s = s->next)
        if (s->set->type == type)
            return s->set;
    return NULL;
}

/* Return true if a name above has a DNAME, so that this one cannot exist (RFC 6672 2.4). */
static bool is_below_dname(const struct local *local, const uint8_t *owner)
{
    struct dname_parts parts;

    if (!local->has_dname)
        return false;
    dname_split(owner, &parts);
    for (unsigned n = parts.labels; n-- > 0;) {
        const struct local_name *at = names_find(&local->names, &parts, n);
        if (at && find_set(at, RRTYPE_DNAME))
            return true;
    }
    return false;
}

static enum err add_zone(struct local *local, const char *text, enum zone_kind kind,
                         struct arena *arena)
{
    uint8_t wire[DNAME_MAX];
    size_t len;

    must(dname_text_read(text, strlen(text), NULL, wire, &len, NULL, NULL) == ERR_OK);
    if (is_below_dname(local, wire))
        return ERR_OK;
    struct local_name *name = make_name_entry(local, arena, wire);
    if (!name)
        return ERR_NOMEM;
    if (name->zone)
        return ERR_OK; /* a stub zone, a forwarder or a SOA of the local data has precedence */
    struct local_zone *zone = arena_alloc(arena, sizeof(*zone));
    if (!zone)
        return ERR_NOMEM;
    /* MNAME and NS: the zone's own name (RFC 6303 3) */
    *zone = (struct local_zone){.kind = kind,
                                .name = arena_copy(arena, wire, len),
                                .soa = make_soa(wire, LOCAL_TTL, arena),
                                .ns = make_set(RRTYPE_NS, LOCAL_TTL, wire, len, arena)};
    name->zone = zone;
    return zone->name && zone->soa && zone->ns ? ERR_OK : ERR_NOMEM;
}

/* Add the zones FROM.parent to TO.parent: for 172.16.0.0/12 (RFC 1918) and 100.64.0.0/10 (RFC
 * 7793). */
static enum err add_zone_range(struct local *local, unsigned from, unsigned to,
                               const char *parent, struct arena *arena)
{
    char text[64];
    enum err err = ERR_OK;
    for (unsigned i = from; i <= to && !err; i++) {
        snprintf(text, sizeof(text), "%u.%s", i, parent);
        err = add_zone(local, text, ZONE_EMPTY, arena);
    }
    return err;
}

static enum err add_ptr(struct local *local, const uint8_t *owner, const uint8_t *name,
                        size_t name_len, uint32_t ttl, struct arena *arena)
{
    struct local_record r = {owner, name, RRTYPE_PTR, (uint16_t)name_len, ttl};
    enum err err = local_add(local, &r, arena, NULL);
    return err == ERR_NOMEM ? err : ERR_OK;
}

enum err local_add_builtin(struct local *local, struct arena *arena)
{
    static const uint8_t localhost[] = "\11localhost";
    static const char *const reverse[] = {"1.0.0.127.in-addr.arpa.", loopback6};
    uint8_t name[DNAME_MAX];
    size_t len;
    static const uint8_t v4[] = {127, 0, 0, 1}, v6[16] = {[15] = 1};
    enum err err = add_zone(local, "localhost.", ZONE_LOCALHOST, arena);

    local->loopback[0] = make_set(RRTYPE_A, LOCAL_TTL, v4, sizeof(v4), arena);
    local->loopback[1] = make_set(RRTYPE_AAAA, LOCAL_TTL, v6, sizeof(v6), arena);
    local->soa = make_soa(localhost, DATA_NEGATIVE_TTL, arena);
    if (!local->loopback[0] || !local->loopback[1] || !local->soa)
        return ERR_NOMEM;
    for (size_t i = 0; i < ARRAY_LEN(empty_zones) && !err; i++)
        err = add_zone(local, empty_zones[i], ZONE_EMPTY, arena);
    if (!err)
        err = add_zone_range(local, 16, 31, "172.in-addr.arpa.", arena);
    if (!err)
        err = add_zone_range(local, 64, 127, "100.in-addr.arpa.", arena);
    for (size_t i = 0; i < ARRAY_LEN(reverse) && !err; i++) {
        must(dname_text_read(reverse[i], strlen(reverse[i]), NULL, name, &len, NULL, NULL) ==
             ERR_OK);
        err = add_ptr(local, name, localhost, sizeof(localhost), LOCAL_TTL, arena);
    }
    return err;
}

enum err local_except(struct local *local, const uint8_t *wire, struct arena *arena)
{
    struct local_name *name = make_name_entry(local, arena, wire);
    if (!name)
        return ERR_NOMEM;
    if (name->zone && name->zone->kind == ZONE_GIVEN)
        return ERR_OK;
    name->zone = arena_alloc(arena, sizeof(*name->zone));
    if (!name->zone)
        return ERR_NOMEM;
    *name->zone = (struct local_zone){.kind = ZONE_EXCEPT};
    return ERR_OK;
}

/* ---- data ---- */

/* Return the place of the RRset of this type, which has NULL inside if there is none yet.  NULL
 * without memory. */
static struct rrset **place_of_type(struct local_name *name, uint16_t type, struct arena *arena)
{
    if (!name->first || name->first->type == type)
        return &name->first;
    for (struct local_set *s = name->more; s; s = s->next)
        if (s->set->type == type)
            return &s->set;
    struct local_set *made = arena_alloc(arena, sizeof(*made));
    if (!made)
        return NULL;
    *made = (struct local_set){.next = name->more};
    name->more = made;
    return &made->set;
}

static bool has_record(const struct rrset *set, const uint8_t *rdata, size_t len)
{
    for (size_t pos = 0; pos < set->size;) {
        struct rrset_record r = rrset_at(set, pos, &pos);
        if (r.len == len && rdata_compare(set->type, r.rdata, r.len, rdata, len) == 0)
            return true;
    }
    return false;
}

static size_t next_power_of_two(size_t size)
{
    size_t room = 16;
    while (room < size)
        room *= 2;
    return room;
}

/* Add a record to an RRset.  One of several records has room for a power of two octets.  One of
 * a single record has no more room, and may be shared by several names. */
static enum err append_record(struct rrset **place, const struct local_record *r,
                              struct arena *arena)
{
    struct rrset *set = *place;
    size_t size = set->size + 2U + r->rdata_len;

    if (set->cnt == 1 || next_power_of_two(set->size) < size) {
        struct rrset *larger = arena_alloc(arena, sizeof(*larger) + next_power_of_two(size));
        if (!larger)
            return ERR_NOMEM;
        memcpy(larger, set, sizeof(*set) + set->size);
        *place = set = larger;
    }
    util_put_u16(set->data + set->size, r->rdata_len);
    memcpy(set->data + set->size + 2, r->rdata, r->rdata_len);
    set->size = (uint16_t)size;
    set->cnt++;
    if (r->ttl < set->ttl)
        set->ttl = r->ttl;
    return ERR_OK;
}

static const char below_dname[] =
    "a name above has a DNAME, so this name cannot have records (RFC 6672 2.4); remove one";

/* Return what the record contradicts, a static text, or NULL. */
static const char *find_conflict(const struct local *local, const struct local_name *name,
                                 const struct local_record *r)
{
    const struct rrset *same = find_set(name, r->type);

    if (same && (r->type == RRTYPE_CNAME || r->type == RRTYPE_DNAME || r->type == RRTYPE_SOA))
        return has_record(same, r->rdata, r->rdata_len) ? NULL
               : r->type == RRTYPE_CNAME ? "the name has another CNAME; remove one"
               : r->type == RRTYPE_DNAME ? "the name has another DNAME; remove one"
                                         : "the name has another SOA; remove one";
    if (r->type != RRTYPE_CNAME && find_set(name, RRTYPE_CNAME))
        return "the name has a CNAME, so it cannot have other records; remove one";
    if (r->type == RRTYPE_CNAME && name->first && !same)
        return "the name has other records, so it cannot have a CNAME; remove one";
    if (r->type == RRTYPE_DNAME && name->has_below)
        return "there are names below, so the name cannot have a DNAME (RFC 6672 2.4); remove "
               "the one or the others";
    if (is_below_dname(local, r->owner))
        return below_dname;
    return NULL;
}

static enum err begin_zone(struct local_name *name, const struct local_record *r,
                           struct arena *arena)
{
    uint32_t minimum = util_get_u32(r->rdata + r->rdata_len - 4);
    minimum = minimum > INT32_MAX ? 0 : minimum; /* RFC 2181 8 */
    struct local_zone *zone = arena_alloc(arena, sizeof(*zone));

    if (!zone)
        return ERR_NOMEM;
    /* RFC 2308 3: in a negative answer the SOA's TTL is the smaller of both */
    *zone = (struct local_zone){.kind = ZONE_GIVEN,
                                .name = arena_copy(arena, r->owner, dname_len(r->owner)),
                                .soa = make_set(RRTYPE_SOA, (uint32_t)util_min(r->ttl, minimum),
                                                r->rdata, r->rdata_len, arena)};
    name->zone = zone;
    return zone->name && zone->soa ? ERR_OK : ERR_NOMEM;
}

/* Add a record to a name.  `shared`, or NULL, is an RRset of just this record, to use if the
 * name has none of the type. */
static enum err add_record_to(struct local *local, struct local_name *name,
                              const struct local_record *r, struct rrset *shared,
                              struct arena *arena, struct fault *fault)
{
    const char *conflict = find_conflict(local, name, r);
    if (conflict)
        return fault_set(fault, ERR_FORMAT, "%s", conflict);
    struct rrset **place = place_of_type(name, r->type, arena);
    if (!place)
        return fault_name(fault, ERR_NOMEM);
    if (!*place) {
        *place = shared ? shared : make_set(r->type, r->ttl, r->rdata, r->rdata_len, arena);
        if (!*place)
            return fault_name(fault, ERR_NOMEM);
        local->has_dname |= r->type == RRTYPE_DNAME;
        return r->type == RRTYPE_SOA ? fault_name(fault, begin_zone(name, r, arena)) : ERR_OK;
    }
    struct rrset *set = *place;
    size_t wire =
        set->size + (size_t)set->cnt * (RECORD_OVERHEAD - 2) + RECORD_OVERHEAD + r->rdata_len;
    if (wire > SET_WIRE_MAX) {
        bool is_first = name->truncated_type != r->type;
        name->truncated_type = r->type;
        return fault_set(
            fault, ERR_LIMIT, "%s",
            is_first
                ? "the records of this name and type do not fit into a message: this one and "
                  "those after it are ignored"
                : "");
    }
    return has_record(set, r->rdata, r->rdata_len)
               ? ERR_OK
               : fault_name(fault, append_record(place, r, arena));
}

enum err local_add(struct local *local, const struct local_record *record, struct arena *arena,
                   struct fault *fault)
{
    /* checked before the name is in the table, where it would become an ancestor of others */
    if (is_below_dname(local, record->owner))
        return fault_set(fault, ERR_FORMAT, "%s", below_dname);
    struct local_name *name = make_name_entry(local, arena, record->owner);
    return name ? add_record_to(local, name, record, NULL, arena, fault)
                : fault_name(fault, ERR_NOMEM);
}

/* ---- hosts ---- */

/* Lifetime: one file. */
struct hosts {
    struct local *local;
    struct arena *arena;
    struct diag *diag;
    struct diag_place place; /* of the line */
    const char *address;     /* of the line before, as written */
    size_t address_len;
    uint8_t octets[16];
    size_t octets_len;
    struct rrset *set;      /* of that address alone */
    struct local_name *ptr; /* its reverse name; NULL: not made yet */
};

static void warn_hosts(struct hosts *h, const char *at, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void warn_hosts(struct hosts *h, const char *at, const char *fmt, ...)
{
    va_list args;

    h->place.column = (size_t)(at - h->place.text) + 1;
    va_start(args, fmt);
    diag_add_args(h->diag, DIAG_WARNING, &h->place, fmt, args);
    va_end(args);
}

/* Write the reverse name of an address: 4.3.2.1.in-addr.arpa, or one label per hexadecimal
 * digit under ip6.arpa (RFC 3596 2.5). */
static void make_reverse(const uint8_t *octets, size_t len, uint8_t out[DNAME_MAX])
{
    static const uint8_t v4[] = "\7in-addr\4arpa", v6[] = "\3ip6\4arpa";
    static const char digits[] = "0123456789abcdef";
    uint8_t *p = out;

    for (size_t i = len; i-- > 0;) {
        if (len == 4) {
            unsigned o = octets[i];
            *p++ = o >= 100 ? 3 : o >= 10 ? 2 : 1;
            if (o >= 100)
                *p++ = (uint8_t)('0' + o / 100);
            if (o >= 10)
                *p++ = (uint8_t)('0' + o / 10 % 10);
            *p++ = (uint8_t)('0' + o % 10);
        } else {
            *p++ = 1;
            *p++ = (uint8_t)digits[octets[i] & 15];
            *p++ = 1;
            *p++ = (uint8_t)digits[octets[i] >> 4];
        }
    }
    memcpy(p, len == 4 ? v4 : v6, len == 4 ? sizeof(v4) : sizeof(v6));
}

/* Return true for the unspecified and the loopback address, to which blocklists send names:
 * they get no PTR records. */
static bool is_sink(const uint8_t *octets, size_t len)
{
    static const uint8_t v6[16] = {[15] = 1}, none[16] = {0}, v4[4] = {127, 0, 0, 1};
    return memcmp(octets, none, len) == 0 || memcmp(octets, len == 4 ? v4 : v6, len) == 0;
}

static enum err add_reverse(struct hosts *h, const uint8_t *name, size_t name_len)
{
    uint8_t reverse[DNAME_MAX];

    if (is_sink(h->octets, h->octets_len))
        return ERR_OK;
    make_reverse(h->octets, h->octets_len, reverse);
    if (is_below_dname(h->local, reverse))
        return ERR_OK; /* the local data redirect the reverse name */
    if (!h->ptr)
        h->ptr = make_name_entry(h->local, h->arena, reverse);
    if (!h->ptr)
        return ERR_NOMEM;
    const struct rrset *set = find_set(h->ptr, RRTYPE_PTR);
    if (set && set->cnt >= HOSTS_PTR_MAX)
        return ERR_OK;
    struct local_record r = {reverse, name, RRTYPE_PTR, (uint16_t)name_len, HOSTS_TTL};
    enum err err = add_record_to(h->local, h->ptr, &r, NULL, h->arena, NULL);
    return err == ERR_NOMEM ? err : ERR_OK;
}

static enum err add_host(struct hosts *h, const char *text, size_t len, bool *has_name)
{
    static const uint8_t root[] = {0}, localhost[] = "\11localhost";
    uint8_t name[DNAME_MAX];
    size_t name_len, where;
    struct fault fault;

    if (dname_text_read(text, len, root, name, &name_len, &fault, &where) != ERR_OK) {
        warn_hosts(h, text + where, "this is not a host name, and is ignored: %s", fault.text);
        return ERR_OK;
    }
    if (*name == 0) {
        warn_hosts(h, text, "this is not a host name, and is ignored: the root has no address");
        return ERR_OK;
    }
    if (idn_is_raw(text, len)) {
        char ascii[IDN_TEXT_MAX];
        idn_print(text, len, ascii);
        warn_hosts(h, text, "%.*s is UTF-8, but clients query %s", (int)util_min(len, 255),
                   text, *ascii ? ascii : "its form with xn--");
    }
    /* RFC 6761 6.3: localhost has both loopback addresses, whichever of them the file has */
    if (dname_is_equal(name, localhost) && is_sink(h->octets, h->octets_len)) {
        *has_name = true;
        return ERR_OK;
    }
    if (is_below_dname(h->local, name)) {
        warn_hosts(h, text, "%.*s is ignored: a name above has a DNAME in the local data",
                   (int)util_min(len, 255), text);
        return ERR_OK;
    }
    struct local_name *at = make_name_entry(h->local, h->arena, name);
    if (!at)
        return ERR_NOMEM;
    struct local_record r = {name, h->octets, h->set->type, (uint16_t)h->octets_len, HOSTS_TTL};
    enum err err = add_record_to(h->local, at, &r, h->set, h->arena, &fault);
    if (err == ERR_NOMEM)
        return err;
    if (err && *fault.text)
        warn_hosts(h, text, "%.*s: %s", (int)util_min(len, 255), text, fault.text);
    bool is_first = !err && !*has_name;
    *has_name |= !err;
    return is_first ? add_reverse(h, name, name_len) : ERR_OK;
}

static bool is_hosts_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/* Read the address of a line.  Return false, with a warning, if there is none. */
static bool read_hosts_address(struct hosts *h, const char *word, size_t len)
{
    char text[INET6_ADDRSTRLEN];

    if (len == h->address_len && memcmp(word, h->address, len) == 0)
        return true; /* the same as before: blocklists have a million such lines */
    h->address_len = 0;
    h->ptr = NULL;
    text[0] = '\0';
    if (len < sizeof(text)) {
        memcpy(text, word, len);
        text[len] = '\0';
    }
    size_t octets_len = len >= sizeof(text)                         ? 0
                        : inet_pton(AF_INET, text, h->octets) == 1  ? 4
                        : inet_pton(AF_INET6, text, h->octets) == 1 ? 16
                                                                    : 0;
    if (octets_len == 0) {
        bool has_scope = memchr(word, '%', len);
        warn_hosts(
            h, word,
            has_scope
                ? "an address with a scope (%.*s) cannot be in the DNS: the line is ignored"
                : "expected an address, not \"%.*s\": the line is ignored",
            (int)util_min(len, 60), word);
        return false;
    }
    h->set = make_set(octets_len == 4 ? RRTYPE_A : RRTYPE_AAAA, HOSTS_TTL, h->octets,
                      octets_len, h->arena);
    h->address = word;
    h->address_len = len;
    h->octets_len = octets_len;
    return true;
}

static enum err add_line(struct hosts *h)
{
    const char *p = h->place.text, *end = p + h->place.text_len;
    unsigned words = 0;
    bool has_name = false; /* one that was added */
    enum err err = ERR_OK;

    while (!err) {
        while (p < end && is_hosts_space(*p))
            p++;
        const char *word = p;
        while (p < end && !is_hosts_space(*p) && *p != '#')
            p++;
        if (p == word)
            break; /* the end, or a comment */
        size_t len = (size_t)(p - word);
        if (words++ > 0)
            err = add_host(h, word, len, &has_name);
        else if (!read_hosts_address(h, word, len))
            return ERR_OK;
        else if (!h->set)
            return ERR_NOMEM;
    }
    if (words == 1)
        warn_hosts(h, p, "expected a name behind the address: the line is ignored");
    return err;
}

enum err local_add_hosts(struct local *local, const char *path, const char *text, size_t len,
                         struct diag *diag, struct arena *arena)
{
    struct hosts h = {.local = local, .arena = arena, .diag = diag, .place = {.file = path}};
    enum err err = names_reserve(&local->names, len / 40) ? ERR_OK : ERR_NOMEM;

    for (size_t pos = 0; pos < len && !err;) {
        const char *end = memchr(text + pos, '\n', len - pos);
        h.place.line++;
        h.place.text = text + pos;
        h.place.text_len = end ? (size_t)(end - text) - pos : len - pos;
        err = add_line(&h);
        pos += h.place.text_len + 1;
    }
    return err;
}

/* ---- finding ---- */

/* What the walk from the root to a name has met.  Lifetime: the call. */
struct path {
    const struct local_name *last; /* the name or its closest encloser; NULL: an empty table */
    unsigned labels;               /* of `last` */
    const struct local_zone *zone; /* NULL: no local zone */
    bool is_below_wildcard;        /* a name above, inside the zone, has a wildcard */
};

/* Walk from the root to a name.  All ancestors of local data are in the table, so the walk ends
 * at the first name that is not: for most names, at the TLD. */
static struct path walk_to_name(const struct local *local, const struct dname_parts *parts,
                                uint16_t type)
{
    struct path path = {.last = NULL};

    for (unsigned n = 0; n <= parts->labels; n++) {
        const struct local_name *at = names_find(&local->names, parts, n);
        if (!at)
            break;
        /* RFC 4035 3.1.4.1: the DS of a zone is the parent's, which is not local */
        bool is_parents = n > 0 && n == parts->labels && type == RRTYPE_DS;
        if (at->zone && !is_parents) {
            path.zone = at->zone->kind == ZONE_EXCEPT ? NULL : at->zone;
            path.is_below_wildcard = false;
        }
        path.is_below_wildcard |= at->has_wildcard && n < parts->labels;
        path.last = at;
        path.labels = n;
    }
    return path;
}

static const struct local_name *find_wildcard(const struct local *local,
                                              const struct dname_parts *parts, unsigned labels)
{
    uint8_t name[DNAME_MAX] = {1, '*'};
    struct dname_parts wild;
    size_t len = parts->len - (size_t)parts->at[labels];

    if (len + 2 > DNAME_MAX)
        return NULL;
    memcpy(name + 2, parts->lower + parts->at[labels], len);
    dname_split(name, &wild);
    return names_find(&local->names, &wild, wild.labels);
}

/* Answer from the data of a name, its own or those of a wildcard. */
static struct local_answer answer_from_data(const struct local_name *name, uint16_t type)
{
    const struct rrset *set = find_set(name, type);
    if (set)
        return (struct local_answer){.kind = LOCAL_DATA, .set = set};
    set = find_set(name, RRTYPE_CNAME);
    if (set)
        return (struct local_answer){.kind = LOCAL_CNAME, .set = set};
    return (struct local_answer){.kind = LOCAL_NODATA};
}

/* Answer from the data of the name itself, of a DNAME above it, or of a wildcard.  LOCAL_NONE
 * if there are none. */
static struct local_answer answer_from_name(const struct local *local,
                                            const struct dname_parts *parts,
                                            const struct path *path, uint16_t type)
{
    const struct local_name *last = path->last;
    bool is_exact = path->labels == parts->labels;
    const struct rrset *dname = is_exact ? NULL : find_set(last, RRTYPE_DNAME);

    if (dname)
        return (struct local_answer){.kind = LOCAL_DNAME, .set = dname, .labels = path->labels};
    if (!is_exact)
        last = last->has_wildcard ? find_wildcard(local, parts, path->labels) : NULL;
    if (last && last->first)
        return answer_from_data(last, type);
    return (struct local_answer){.kind = LOCAL_NONE};
}

/* Answer for a name of a zone that has no data. */
static struct local_answer answer_from_zone(const struct local *local,
                                            const struct local_zone *zone, bool is_there,
                                            uint16_t type)
{
    if (zone->kind != ZONE_LOCALHOST)
        return (struct local_answer){.kind = is_there ? LOCAL_NODATA : LOCAL_NXDOMAIN};
    const struct rrset *set = type == RRTYPE_A      ? local->loopback[0]
                              : type == RRTYPE_AAAA ? local->loopback[1]
                                                    : NULL;
    return (struct local_answer){.kind = set ? LOCAL_DATA : LOCAL_NODATA, .set = set};
}

struct local_answer local_find(const struct local *local, const struct dname_parts *parts,
                               uint16_t type)
{
    struct path path = walk_to_name(local, parts, type);
    struct local_answer answer = {.kind = LOCAL_NONE};
    if (!path.last)
        return answer;
    bool is_exact = path.labels == parts->labels;
    bool is_apex = is_exact && path.zone && path.zone == path.last->zone;
    bool is_empty = is_exact && path.last->has_below;

    answer = answer_from_name(local, parts, &path, type);
    const struct rrset *apex = !is_apex             ? NULL
                               : type == RRTYPE_SOA ? path.zone->soa
                               : type == RRTYPE_NS  ? path.zone->ns
                                                    : NULL;
    bool is_parents = is_exact && type == RRTYPE_DS && path.last->zone;
    if (apex && answer.kind != LOCAL_DATA)
        return (struct local_answer){.kind = LOCAL_DATA, .set = apex};
    if (answer.kind == LOCAL_NODATA && is_parents)
        answer.kind = LOCAL_NONE; /* data at the apex do not deny the parent's DS */
    /* a wildcard without data answers too (RFC 4592 2.2.2) */
    if (answer.kind == LOCAL_NONE && path.zone)
        answer = answer_from_zone(local, path.zone, is_exact || path.last->has_wildcard, type);
    else if (answer.kind == LOCAL_NONE && is_empty && path.is_below_wildcard)
        answer.kind = LOCAL_NODATA;
    answer.has_below = is_empty;
    if (answer.kind == LOCAL_NODATA || answer.kind == LOCAL_NXDOMAIN) {
        answer.zone = path.zone ? path.zone->name : NULL;
        answer.soa = path.zone ? path.zone->soa : local->soa;
    }
    return answer;
}

void local_fini(struct local *local) { names_fini(&local->names); }
