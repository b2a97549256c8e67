/* Every ancestor of a name is in the table too, so that an empty non-terminal and the closest
 * encloser (RFC 4592 3.3.1) are one lookup each. A zone without data answers NXDOMAIN below and
 * NODATA at its apex, with a SOA so that stubs cache it (RFC 6303 3). "localhost" and what is
 * below it are the loopback addresses (RFC 6761 6.3) unless something else is given. */
#include "resolver/policy/local.h"

#include <arpa/inet.h>
#include <stdarg.h>

#include "dns/idn.h"

enum {
    LOCAL_TTL = 10800,
    HOSTS_TTL = 300,
    DATA_NEGATIVE_TTL = 300,
    HOSTS_PTR_MAX = 8,    /* names of one address that its PTR gives */
    RECORD_OVERHEAD = 12, /* a pointer for the owner, type, class, TTL, RDLENGTH */
    /* what a message holds beside its header, the longest question, and OPT with its options */
    SET_WIRE_MAX = 65535 - 12 - (DNAME_MAX + 4) - 128,
};

enum zone_kind { ZONE_EMPTY, ZONE_LOCALHOST, ZONE_GIVEN, ZONE_EXCEPT };

struct local_zone {
    enum zone_kind kind;
    const uint8_t *name;
    const struct rrset *soa, *ns; /* ns: NULL for ZONE_GIVEN, whose data says */
};

struct local_set {
    struct local_set *next;
    struct rrset *set;
};

/* Lifetime: published version. */
struct local_name {
    struct local_zone *zone; /* that begins here; NULL */
    struct rrset *first;     /* NULL: nothing is given */
    struct local_set *more;
    bool has_below, has_wildcard; /* any name below; *.NAME, be it for a name below it only */
    uint16_t cut_type;            /* the set that lost its tail last, and that is said */
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

/* The place of the suffix of `labels` labels. *copy: the name's spelling in the table, made
 * when it is first needed. */
static struct local_name *get_suffix(struct local *local, struct arena *arena,
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

/* The name's place; its ancestors get theirs and hear of it. */
static struct local_name *get_name(struct local *local, struct arena *arena,
                                   const uint8_t *name)
{
    static const uint8_t star[] = {1, '*'};
    struct dname_parts parts;
    const uint8_t *copy = NULL;

    dname_split(name, &parts);
    struct local_name *result = get_suffix(local, arena, &parts, parts.labels, &copy);
    bool is_known = !result;
    for (unsigned n = parts.labels; n-- > 0 && !is_known;) {
        struct local_name *at = get_suffix(local, arena, &parts, n, &copy);
        if (!at)
            return NULL;
        is_known = at->has_below; /* then those above it know as well */
        at->has_below = true;
        at->has_wildcard |= memcmp(parts.lower + parts.at[n + 1], star, sizeof(star)) == 0;
    }
    return result;
}

/* ---- zones ---- */

/* An RRset of one record; NULL without memory. */
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

/* Below a DNAME nothing can be (RFC 6672 2.4). */
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
    struct local_name *name = get_name(local, arena, wire);
    if (!name)
        return ERR_NOMEM;
    if (name->zone)
        return ERR_OK; /* a stub, a forwarder or a SOA of the local data stands in its place */
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

/* 172.16.0.0/12 (RFC 1918) and 100.64.0.0/10 (RFC 7793) */
static enum err add_range(struct local *local, unsigned from, unsigned to, const char *parent,
                          struct arena *arena)
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
    const char *why;
    struct local_record r = {owner, name, RRTYPE_PTR, (uint16_t)name_len, ttl};
    enum err err = local_add(local, &r, arena, &why);
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
        err = add_range(local, 16, 31, "172.in-addr.arpa.", arena);
    if (!err)
        err = add_range(local, 64, 127, "100.in-addr.arpa.", arena);
    for (size_t i = 0; i < ARRAY_LEN(reverse) && !err; i++) {
        must(dname_text_read(reverse[i], strlen(reverse[i]), NULL, name, &len, NULL, NULL) ==
             ERR_OK);
        err = add_ptr(local, name, localhost, sizeof(localhost), LOCAL_TTL, arena);
    }
    return err;
}

enum err local_except(struct local *local, const uint8_t *wire, struct arena *arena)
{
    struct local_name *name = get_name(local, arena, wire);
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

/* Where the set of this type is; NULL inside: there is room for it; NULL without memory. */
static struct rrset **find_place(struct local_name *name, uint16_t type, struct arena *arena)
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

static size_t round_up(size_t size)
{
    size_t room = 16;
    while (room < size)
        room *= 2;
    return room;
}

/* Put one more record behind the others: a set of several has room for a power of two octets,
 * one of a single record has no more than that and may belong to several names. */
static enum err append(struct rrset **place, const struct local_record *r, struct arena *arena)
{
    struct rrset *set = *place;
    size_t size = set->size + 2U + r->rdata_len;

    if (set->cnt == 1 || round_up(set->size) < size) {
        struct rrset *larger = arena_alloc(arena, sizeof(*larger) + round_up(size));
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
    "a name above has a DNAME, so there is nothing below it (RFC 6672 2.4)";

/* What it contradicts, NULL: nothing. */
static const char *find_conflict(const struct local *local, const struct local_name *name,
                                 const struct local_record *r)
{
    const struct rrset *same = find_set(name, r->type);

    if (same && (r->type == RRTYPE_CNAME || r->type == RRTYPE_DNAME || r->type == RRTYPE_SOA))
        return has_record(same, r->rdata, r->rdata_len) ? NULL
               : r->type == RRTYPE_CNAME                ? "the name has another CNAME"
               : r->type == RRTYPE_DNAME                ? "the name has another DNAME"
                                                        : "the name has another SOA";
    if (r->type != RRTYPE_CNAME && find_set(name, RRTYPE_CNAME))
        return "the name has a CNAME, so it can have nothing else";
    if (r->type == RRTYPE_CNAME && name->first && !same)
        return "the name has other records, so it cannot have a CNAME";
    if (r->type == RRTYPE_DNAME && name->has_below)
        return "there are names below, so it cannot have a DNAME (RFC 6672 2.4)";
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
    /* RFC 2308 3: what goes with a negative answer has the smaller of both as its TTL */
    *zone = (struct local_zone){.kind = ZONE_GIVEN,
                                .name = arena_copy(arena, r->owner, dname_len(r->owner)),
                                .soa = make_set(RRTYPE_SOA, (uint32_t)util_min(r->ttl, minimum),
                                                r->rdata, r->rdata_len, arena)};
    name->zone = zone;
    return zone->name && zone->soa ? ERR_OK : ERR_NOMEM;
}

/* Add to a name. `shared`: an RRset of just that record, to use for a new set; NULL. */
static enum err add_to(struct local *local, struct local_name *name,
                       const struct local_record *r, struct rrset *shared, struct arena *arena,
                       const char **why)
{
    *why = find_conflict(local, name, r);
    if (*why)
        return ERR_FORMAT;
    struct rrset **place = find_place(name, r->type, arena);
    if (!place)
        return ERR_NOMEM;
    if (!*place) {
        *place = shared ? shared : make_set(r->type, r->ttl, r->rdata, r->rdata_len, arena);
        if (!*place)
            return ERR_NOMEM;
        local->has_dname |= r->type == RRTYPE_DNAME;
        return r->type == RRTYPE_SOA ? begin_zone(name, r, arena) : ERR_OK;
    }
    struct rrset *set = *place;
    size_t wire =
        set->size + (size_t)set->cnt * (RECORD_OVERHEAD - 2) + RECORD_OVERHEAD + r->rdata_len;
    if (wire > SET_WIRE_MAX) {
        *why = name->cut_type == r->type
                   ? NULL
                   : "the records of this name and type do not fit a message: this "
                     "one and those after it are left out";
        name->cut_type = r->type;
        return ERR_LIMIT;
    }
    return has_record(set, r->rdata, r->rdata_len) ? ERR_OK : append(place, r, arena);
}

enum err local_add(struct local *local, const struct local_record *record, struct arena *arena,
                   const char **why)
{
    /* before its name is there, which would answer for those below */
    if (is_below_dname(local, record->owner)) {
        *why = below_dname;
        return ERR_FORMAT;
    }
    struct local_name *name = get_name(local, arena, record->owner);
    return name ? add_to(local, name, record, NULL, arena, why) : ERR_NOMEM;
}

/* ---- hosts ---- */

/* Lifetime: one file. */
struct hosts {
    struct local *local;
    struct arena *arena;
    struct diag *diag;
    struct diag_place place; /* the line */
    const char *address;     /* of the line before, as it is written */
    size_t address_len;
    uint8_t octets[16];
    size_t octets_len;
    struct rrset *set;      /* of that address */
    struct local_name *ptr; /* its reverse name; NULL: none yet */
};

static void warn(struct hosts *h, const char *at, const char *fmt, ...) PRINTF_LIKE(3, 4);

static void warn(struct hosts *h, const char *at, const char *fmt, ...)
{
    char text[400];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    h->place.column = (size_t)(at - h->place.text) + 1;
    diag_add(h->diag, DIAG_WARNING, &h->place, "%s", text);
}

/* 4.3.2.1.in-addr.arpa, or a label for each hexadecimal digit under ip6.arpa (RFC 3596 2.5). */
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

/* Blocklists send names to the unspecified or the loopback address: those are no host's. */
static bool is_sink(const uint8_t *octets, size_t len)
{
    static const uint8_t v6[16] = {[15] = 1}, none[16] = {0}, v4[4] = {127, 0, 0, 1};
    return memcmp(octets, none, len) == 0 || memcmp(octets, len == 4 ? v4 : v6, len) == 0;
}

static enum err add_reverse(struct hosts *h, const uint8_t *name, size_t name_len)
{
    uint8_t reverse[DNAME_MAX];
    const char *why;

    if (is_sink(h->octets, h->octets_len))
        return ERR_OK;
    make_reverse(h->octets, h->octets_len, reverse);
    if (is_below_dname(h->local, reverse))
        return ERR_OK; /* the local data say where its names are */
    if (!h->ptr)
        h->ptr = get_name(h->local, h->arena, reverse);
    if (!h->ptr)
        return ERR_NOMEM;
    const struct rrset *set = find_set(h->ptr, RRTYPE_PTR);
    if (set && set->cnt >= HOSTS_PTR_MAX)
        return ERR_OK;
    struct local_record r = {reverse, name, RRTYPE_PTR, (uint16_t)name_len, HOSTS_TTL};
    enum err err = add_to(h->local, h->ptr, &r, NULL, h->arena, &why);
    return err == ERR_NOMEM ? err : ERR_OK;
}

static enum err add_host(struct hosts *h, const char *text, size_t len, bool *has_name)
{
    static const uint8_t root[] = {0}, localhost[] = "\11localhost";
    uint8_t name[DNAME_MAX];
    size_t name_len, where;
    const char *why = "";

    if (dname_text_read(text, len, root, name, &name_len, &why, &where) != ERR_OK) {
        warn(h, text + where, "not a host name: %s", why);
        return ERR_OK;
    }
    if (*name == 0) {
        warn(h, text, "not a host name: the root has no address");
        return ERR_OK;
    }
    if (idn_is_raw(text, len)) {
        char ascii[IDN_TEXT_MAX];
        idn_print(text, len, ascii);
        warn(h, text, "%.*s is UTF-8: clients ask for %s", (int)util_min(len, 255), text,
             *ascii ? ascii : "its form with xn--");
    }
    /* RFC 6761 6.3: both loopback addresses are known of it without the line that every system
     * has */
    if (dname_is_equal(name, localhost) && is_sink(h->octets, h->octets_len)) {
        *has_name = true;
        return ERR_OK;
    }
    if (is_below_dname(h->local, name)) {
        warn(h, text, "%.*s: a name above has a DNAME in the local data",
             (int)util_min(len, 255), text);
        return ERR_OK;
    }
    struct local_name *at = get_name(h->local, h->arena, name);
    if (!at)
        return ERR_NOMEM;
    struct local_record r = {name, h->octets, h->set->type, (uint16_t)h->octets_len, HOSTS_TTL};
    enum err err = add_to(h->local, at, &r, h->set, h->arena, &why);
    if (err == ERR_NOMEM)
        return err;
    if (err && why)
        warn(h, text, "%.*s: %s", (int)util_min(len, 255), text, why);
    bool is_first = !err && !*has_name;
    *has_name |= !err;
    return is_first ? add_reverse(h, name, name_len) : ERR_OK;
}

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/* The address of a line; false: there is none, and that is said. */
static bool read_address(struct hosts *h, const char *word, size_t len)
{
    char text[INET6_ADDRSTRLEN];

    if (len == h->address_len && memcmp(word, h->address, len) == 0)
        return true; /* as in the line before: blocklists have a million of these */
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
        warn(h, word,
             has_scope
                 ? "an address with a scope (%.*s) cannot be in the DNS: the line is left out"
                 : "expected an address, not \"%.*s\": the line is left out",
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
    bool has_name = false; /* a good one */
    enum err err = ERR_OK;

    while (!err) {
        while (p < end && is_space(*p))
            p++;
        const char *word = p;
        while (p < end && !is_space(*p) && *p != '#')
            p++;
        if (p == word)
            break; /* the end, or a comment */
        size_t len = (size_t)(p - word);
        if (words++ > 0)
            err = add_host(h, word, len, &has_name);
        else if (!read_address(h, word, len))
            return ERR_OK;
        else if (!h->set)
            return ERR_NOMEM;
    }
    if (words == 1)
        warn(h, p, "no name behind the address");
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

/* What lies on the way from the root to a name.  Lifetime: the call. */
struct way {
    const struct local_name
        *last;       /* the name, or its closest encloser; NULL: the table is empty */
    unsigned labels; /* of `last` */
    const struct local_zone *zone; /* NULL: none of ours */
    bool is_below_wildcard;        /* a name above, inside the zone, has a wildcard */
};

/* The ancestors of all that is given are in the table, so that the first that is not ends the
 * walk: with most names, at the TLD. */
static struct way find_way(const struct local *local, const struct dname_parts *parts,
                           uint16_t type)
{
    struct way way = {.last = NULL};

    for (unsigned n = 0; n <= parts->labels; n++) {
        const struct local_name *at = names_find(&local->names, parts, n);
        if (!at)
            break;
        /* RFC 4035 3.1.4.1: DS belongs to the parent, which is not ours */
        bool is_parents = n > 0 && n == parts->labels && type == RRTYPE_DS;
        if (at->zone && !is_parents) {
            way.zone = at->zone->kind == ZONE_EXCEPT ? NULL : at->zone;
            way.is_below_wildcard = false;
        }
        way.is_below_wildcard |= at->has_wildcard && n < parts->labels;
        way.last = at;
        way.labels = n;
    }
    return way;
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

/* What is given for a name: its own sets, or those of a wildcard. */
static struct local_answer answer_data(const struct local_name *name, uint16_t type)
{
    const struct rrset *set = find_set(name, type);
    if (set)
        return (struct local_answer){.kind = LOCAL_DATA, .set = set};
    set = find_set(name, RRTYPE_CNAME);
    if (set)
        return (struct local_answer){.kind = LOCAL_CNAME, .set = set};
    return (struct local_answer){.kind = LOCAL_NODATA};
}

/* What the name itself, a DNAME above it, or a wildcard gives; LOCAL_NONE: nothing does. */
static struct local_answer answer_given(const struct local *local,
                                        const struct dname_parts *parts, const struct way *way,
                                        uint16_t type)
{
    const struct local_name *last = way->last;
    bool is_exact = way->labels == parts->labels;
    const struct rrset *dname = is_exact ? NULL : find_set(last, RRTYPE_DNAME);

    if (dname)
        return (struct local_answer){.kind = LOCAL_DNAME, .set = dname, .labels = way->labels};
    if (!is_exact)
        last = last->has_wildcard ? find_wildcard(local, parts, way->labels) : NULL;
    if (last && last->first)
        return answer_data(last, type);
    return (struct local_answer){.kind = LOCAL_NONE};
}

/* What a zone says of names that nothing is given for. */
static struct local_answer answer_zone(const struct local *local, const struct local_zone *zone,
                                       bool is_there, uint16_t type)
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
    struct way way = find_way(local, parts, type);
    struct local_answer answer = {.kind = LOCAL_NONE};
    if (!way.last)
        return answer;
    bool is_exact = way.labels == parts->labels;
    bool is_apex = is_exact && way.zone && way.zone == way.last->zone;
    bool is_empty = is_exact && way.last->has_below;

    answer = answer_given(local, parts, &way, type);
    const struct rrset *apex = !is_apex             ? NULL
                               : type == RRTYPE_SOA ? way.zone->soa
                               : type == RRTYPE_NS  ? way.zone->ns
                                                    : NULL;
    bool is_parents = is_exact && type == RRTYPE_DS && way.last->zone;
    if (apex && answer.kind != LOCAL_DATA)
        return (struct local_answer){.kind = LOCAL_DATA, .set = apex};
    if (answer.kind == LOCAL_NODATA && is_parents)
        answer.kind =
            LOCAL_NONE; /* what is given at the apex says nothing of the parent's DS */
    if (answer.kind == LOCAL_NONE &&
        way.zone) /* a wildcard without data answers too (RFC 4592 2.2.2) */
        answer = answer_zone(local, way.zone, is_exact || way.last->has_wildcard, type);
    else if (answer.kind == LOCAL_NONE && is_empty && way.is_below_wildcard)
        answer.kind = LOCAL_NODATA;
    answer.has_below = is_empty;
    if (answer.kind == LOCAL_NODATA || answer.kind == LOCAL_NXDOMAIN) {
        answer.zone = way.zone ? way.zone->name : NULL;
        answer.soa = way.zone ? way.zone->soa : local->soa;
    }
    return answer;
}

void local_fini(struct local *local) { names_fini(&local->names); }
