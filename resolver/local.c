/* A zone without data answers NXDOMAIN below and NODATA at its apex, with a SOA so that stubs cache it (RFC 6303 3).
 * "localhost" and what is below it are the loopback addresses (RFC 6761 6.3). */
#include "resolver/local.h"

#include <arpa/inet.h>

#include "dns/dname_text.h"

enum { LOCAL_TTL = 10800, HOSTS_TTL = 300 };

enum zone_kind { ZONE_NONE, ZONE_EMPTY, ZONE_LOCALHOST, ZONE_EXCEPT };

struct local_set {
    struct local_set *next;
    struct rrset *set;
};

/* Lifetime: published version. */
struct local_name {
    enum zone_kind kind;
    const uint8_t *zone; /* its own name */
    const struct rrset *soa;
    struct local_set *sets;
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

static struct local_name *get_name(struct local *local, struct arena *arena,
                                   const uint8_t *name)
{
    void **place = names_put(&local->names, arena, name);
    if (!place)
        return NULL;
    if (!*place) {
        struct local_name *made = arena_alloc(arena, sizeof(*made));
        if (made)
            *made = (struct local_name){.kind = ZONE_NONE};
        *place = made;
    }
    return *place;
}

/* ---- zones ---- */

/* An RRset of one record; NULL without memory. */
static const struct rrset *make_set(uint16_t type, const uint8_t *rdata, size_t len,
                                    struct arena *arena)
{
    struct rrset_record record = {.rdata = rdata, .len = (uint16_t)len};
    struct rrset *set = arena_alloc(arena, rrset_room(&record, 1));
    if (set && rrset_pack(type, LOCAL_TTL, &record, 1, set) != ERR_OK)
        set = NULL;
    return set;
}

static const struct rrset *make_soa(const uint8_t *zone, struct arena *arena)
{
    static const uint8_t rname[] = "\6nobody\7invalid";
    uint8_t rdata[2 * DNAME_MAX + 20];
    size_t zone_len = dname_len(zone), len = zone_len;

    memcpy(rdata, zone, zone_len); /* MNAME: the zone's own, as RFC 6303 3 has it */
    memcpy(rdata + len, rname, sizeof(rname));
    len += sizeof(rname);
    const uint32_t numbers[] = {1, 3600, 1200, 604800, LOCAL_TTL};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++, len += 4)
        util_put_u32(rdata + len, numbers[i]);
    return make_set(RRTYPE_SOA, rdata, len, arena);
}

static enum err add_zone(struct local *local, const char *text, enum zone_kind kind,
                         struct arena *arena)
{
    uint8_t name[DNAME_MAX];
    size_t len;

    must(dname_text_read(text, strlen(text), NULL, name, &len, NULL, NULL) == ERR_OK);
    struct local_name *zone = get_name(local, arena, name);
    if (!zone)
        return ERR_NOMEM;
    if (zone->kind == ZONE_EXCEPT)
        return ERR_OK;
    zone->kind = kind;
    zone->zone = arena_copy(arena, name, len);
    zone->soa = zone->zone ? make_soa(zone->zone, arena) : NULL;
    return zone->soa ? ERR_OK : ERR_NOMEM;
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

enum err local_add_builtin(struct local *local, struct arena *arena)
{
    static const uint8_t localhost[] = "\11localhost";
    static const uint8_t reverse4[] = "\1"
                                      "1\1"
                                      "0\1"
                                      "0\3"
                                      "127\7in-addr\4arpa";
    uint8_t reverse6[DNAME_MAX];
    size_t len;
    static const uint8_t v4[] = {127, 0, 0, 1}, v6[16] = {[15] = 1};
    enum err err = add_zone(local, "localhost.", ZONE_LOCALHOST, arena);

    /* RFC 6761 6.3: every name below localhost is the loopback address */
    local->loopback[0] = make_set(RRTYPE_A, v4, sizeof(v4), arena);
    local->loopback[1] = make_set(RRTYPE_AAAA, v6, sizeof(v6), arena);
    if (!local->loopback[0] || !local->loopback[1])
        return ERR_NOMEM;

    for (size_t i = 0; i < ARRAY_LEN(empty_zones) && !err; i++)
        err = add_zone(local, empty_zones[i], ZONE_EMPTY, arena);
    if (!err)
        err = add_range(local, 16, 31, "172.in-addr.arpa.", arena);
    if (!err)
        err = add_range(local, 64, 127, "100.in-addr.arpa.", arena);
    if (!err)
        err = local_add(local, reverse4, RRTYPE_PTR, LOCAL_TTL, localhost, sizeof(localhost),
                        arena);
    must(dname_text_read(loopback6, strlen(loopback6), NULL, reverse6, &len, NULL, NULL) ==
         ERR_OK);
    if (!err)
        err = local_add(local, reverse6, RRTYPE_PTR, LOCAL_TTL, localhost, sizeof(localhost),
                        arena);
    return err;
}

enum err local_except(struct local *local, const uint8_t *zone, struct arena *arena)
{
    struct local_name *name = get_name(local, arena, zone);
    if (!name)
        return ERR_NOMEM;
    name->kind = ZONE_EXCEPT;
    return ERR_OK;
}

/* ---- data ---- */

/* The records of a set and one more, packed anew; a set of local data is small. */
static struct rrset *extend(const struct rrset *before, uint16_t type, uint32_t ttl,
                            const uint8_t *rdata, size_t rdata_len, struct arena *arena)
{
    struct rrset_record records[RRSET_RECORDS_MAX];
    size_t cnt = 0;

    for (size_t pos = 0; before && pos < before->size;) {
        if (cnt == ARRAY_LEN(records) - 1)
            return NULL;
        records[cnt++] = rrset_at(before, pos, &pos);
    }
    records[cnt++] = (struct rrset_record){.rdata = rdata, .len = (uint16_t)rdata_len};
    struct rrset *set = arena_alloc(arena, rrset_room(records, cnt));
    if (!set || rrset_pack(type, before ? before->ttl : ttl, records, cnt, set) != ERR_OK)
        return NULL;
    return set;
}

enum err local_add(struct local *local, const uint8_t *owner, uint16_t type, uint32_t ttl,
                   const uint8_t *rdata, size_t rdata_len, struct arena *arena)
{
    struct local_name *name = get_name(local, arena, owner);
    struct local_set *at;

    if (!name)
        return ERR_NOMEM;
    for (at = name->sets; at && at->set->type != type;)
        at = at->next;
    struct rrset *set = extend(at ? at->set : NULL, type, ttl, rdata, rdata_len, arena);
    if (!set)
        return ERR_NOMEM;
    if (at) {
        at->set = set;
        return ERR_OK;
    }
    at = arena_alloc(arena, sizeof(*at));
    if (!at)
        return ERR_NOMEM;
    *at = (struct local_set){.next = name->sets, .set = set};
    name->sets = at;
    return ERR_OK;
}

/* ---- hosts ---- */

/* 4.3.2.1.in-addr.arpa, or a label for each hexadecimal digit under ip6.arpa (RFC 3596 2.5). */
static void print_reverse(const uint8_t *octets, size_t len, char *out, size_t size)
{
    size_t pos = 0;
    for (size_t i = len; i-- > 0;)
        pos += (size_t)(len == 4 ? snprintf(out + pos, size - pos, "%u.", octets[i])
                                 : snprintf(out + pos, size - pos, "%x.%x.", octets[i] & 15,
                                            octets[i] >> 4));
    snprintf(out + pos, size - pos, len == 4 ? "in-addr.arpa." : "ip6.arpa.");
}

static enum err add_host(struct local *local, const uint8_t *octets, size_t len,
                         const char *host, size_t host_len, bool is_first, struct arena *arena)
{
    static const uint8_t root[] = {0};
    char reverse_text[80];
    uint8_t name[DNAME_MAX], reverse[DNAME_MAX];
    size_t name_len, reverse_len;

    if (dname_text_read(host, host_len, root, name, &name_len, NULL, NULL) != ERR_OK)
        return ERR_OK;
    enum err err = local_add(local, name, len == 4 ? RRTYPE_A : RRTYPE_AAAA, HOSTS_TTL, octets,
                             len, arena);
    if (err || !is_first)
        return err;
    print_reverse(octets, len, reverse_text, sizeof(reverse_text));
    must(dname_text_read(reverse_text, strlen(reverse_text), NULL, reverse, &reverse_len, NULL,
                         NULL) == ERR_OK);
    return local_add(local, reverse, RRTYPE_PTR, HOSTS_TTL, name, name_len, arena);
}

static enum err add_line(struct local *local, const char *line, size_t len, struct arena *arena)
{
    char address[INET6_ADDRSTRLEN];
    uint8_t octets[16];
    size_t octets_len = 0, pos = 0;
    bool is_first = true;
    enum err err = ERR_OK;

    while (pos < len && !err) {
        while (pos < len && strchr(" \t\r", line[pos]))
            pos++;
        size_t start = pos;
        while (pos < len && !strchr(" \t\r#", line[pos]))
            pos++;
        size_t word_len = pos - start;
        if (word_len == 0)
            break; /* the end, or a comment */
        if (octets_len == 0) {
            if (word_len >= sizeof(address))
                break;
            memcpy(address, line + start, word_len);
            address[word_len] = '\0';
            octets_len = inet_pton(AF_INET, address, octets) == 1    ? 4
                         : inet_pton(AF_INET6, address, octets) == 1 ? 16
                                                                     : 0;
            if (octets_len == 0)
                break;
        } else {
            err = add_host(local, octets, octets_len, line + start, word_len, is_first, arena);
            is_first = false;
        }
    }
    return err;
}

enum err local_add_hosts(struct local *local, const char *text, size_t len, struct arena *arena)
{
    enum err err = ERR_OK;
    for (size_t pos = 0; pos < len && !err;) {
        const char *end = memchr(text + pos, '\n', len - pos);
        size_t line_len = end ? (size_t)(end - text) - pos : len - pos;
        err = add_line(local, text + pos, line_len, arena);
        pos += line_len + 1;
    }
    return err;
}

/* ---- finding ---- */

static const struct rrset *find_set(const struct local_name *name, uint16_t type)
{
    for (const struct local_set *s = name->sets; s; s = s->next)
        if (s->set->type == type)
            return s->set;
    return NULL;
}

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

const char *local_kind_name(enum local_kind kind)
{
    static const char *const names[] = {[LOCAL_NONE] = "nothing",
                                        [LOCAL_DATA] = "data",
                                        [LOCAL_CNAME] = "alias",
                                        [LOCAL_NODATA] = "no such type",
                                        [LOCAL_NXDOMAIN] = "no such name"};
    return names[kind];
}

struct local_answer local_find(const struct local *local, const struct dname_parts *name,
                               uint16_t type)
{
    struct local_answer answer = {.kind = LOCAL_NONE};
    unsigned labels = name->labels;
    const struct local_name *found = names_find(&local->names, name, labels);
    bool is_zone_at_name =
        found && (found->kind == ZONE_EMPTY || found->kind == ZONE_LOCALHOST);

    if (found && found->sets)
        answer = answer_data(found, type);
    if (answer.kind == LOCAL_DATA || answer.kind == LOCAL_CNAME)
        return answer;
    /* RFC 4035 3.1.4.1: DS belongs to the parent, which is not ours */
    if (is_zone_at_name && type == RRTYPE_DS && labels > 0)
        labels--;
    const struct local_name *zone = NULL;
    for (unsigned n = labels + 1; n-- > 0 && !zone;) {
        zone = names_find(&local->names, name, n);
        if (zone && zone->kind == ZONE_NONE)
            zone = NULL;
    }
    if (!zone || zone->kind == ZONE_EXCEPT)
        return answer;
    answer.zone = zone->zone;
    answer.soa = zone->soa;
    if (zone->kind == ZONE_LOCALHOST) {
        answer.set = type == RRTYPE_A      ? local->loopback[0]
                     : type == RRTYPE_AAAA ? local->loopback[1]
                                           : NULL;
        answer.kind = answer.set ? LOCAL_DATA : LOCAL_NODATA;
    } else if (is_zone_at_name && type == RRTYPE_SOA) {
        answer.set = zone->soa;
        answer.kind = LOCAL_DATA;
    } else if (answer.kind == LOCAL_NONE) {
        answer.kind = is_zone_at_name ? LOCAL_NODATA : LOCAL_NXDOMAIN;
    }
    return answer;
}

void local_fini(struct local *local) { names_fini(&local->names); }
