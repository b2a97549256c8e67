/* Each kind has an address of its own, so that what a resolver remembers of one server has no
 * effect on other kinds.  Names that only lead to the kind's server are answered well. */
#include "tools/lab/mischief_zone.h"

unsigned mischief_zone_hosts(void) { return (unsigned)mischief_kind_cnt + 2; }

bool mischief_zone_is_spread(const struct misreply_places *places, size_t place)
{
    const struct addr_prefix *prefix = &places->at[place];
    return prefix->bits < (addr_is_v6(&prefix->addr) ? 128U : 32U);
}

/* Return the number of the server if the QNAME is nsNUMBER.`zone`, else 0. */
static unsigned read_server_number(const struct misreply *m, const uint8_t *zone)
{
    bool is_server = dname_labels(m->name) == dname_labels(zone) + 1 && m->name[0] == 3 &&
                     util_is_same(m->name + 1, (const uint8_t *)"ns", 2);
    return is_server && (m->name[3] == '1' || m->name[3] == '2') ? (unsigned)(m->name[3] - '0')
                                                                 : 0;
}

/* Answer as a good server of `zone` does, which has `cnt` servers. */
static void answer_well(struct misreply *m, const uint8_t *zone, unsigned cnt)
{
    uint16_t type = m->query->qtype;
    unsigned server = read_server_number(m, zone);
    bool is_apex = dname_is_equal(m->name, zone);

    if (is_apex && type == RRTYPE_SOA) {
        misreply_add_soa(m, MESSAGE_ANSWER, zone, MISREPLY_TTL);
    } else if (is_apex && type == RRTYPE_NS) {
        for (unsigned i = 1; i <= cnt; i++) {
            uint8_t name[DNAME_MAX];
            misreply_add_name(m, MESSAGE_ANSWER, zone, RRTYPE_NS,
                              misreply_name(i == 1 ? "ns1" : "ns2", zone, name));
        }
    } else if (server) {
        if (misreply_add_host(m, MESSAGE_ANSWER, m->name, type,
                              server == 1 ? m->first : m->second) == 0)
            misreply_add_soa(m, MESSAGE_AUTHORITY, zone, MISREPLY_TTL);
    } else {
        misreply_add_answer(m);
    }
}

/* Refer to the servers of a kind. */
static void refer_to_kind(struct misreply *m, const struct mischief_kind *kind)
{
    uint8_t server[DNAME_MAX];
    unsigned cnt = kind->flags & MISCHIEF_ONE ? 2 : 1;

    m->flags &= (uint16_t)~MESSAGE_AA;
    for (unsigned i = 0; i < cnt; i++)
        misreply_add_name(m, MESSAGE_AUTHORITY, m->zone, RRTYPE_NS,
                          misreply_name(i ? "ns2" : "ns1", m->zone, server));
    for (unsigned i = 0; i < cnt; i++)
        misreply_add_host(m, MESSAGE_ADDITIONAL,
                          misreply_name(i ? "ns2" : "ns1", m->zone, server), RRTYPE_ANY,
                          i ? m->second : m->first);
}

/* True if the QNAME has an honest answer in this kind's zone: the zone itself and its servers,
 * and what CNAME records lead to. */
static bool is_honest_name(const struct misreply *m)
{
    uint16_t type = m->query->qtype;
    if (dname_is_equal(m->name, m->zone))
        return type == RRTYPE_SOA || type == RRTYPE_NS;
    return read_server_number(m, m->zone) ||
           (m->child[0] == 4 && util_is_same(m->child + 1, (const uint8_t *)"good", 4));
}

static void answer_for_kind(struct misreply *m, const struct mischief_kind *kind,
                            unsigned *earlier, uint64_t seed, bool is_spread)
{
    bool is_parent = kind->flags & MISCHIEF_PARENT, is_all = kind->flags & MISCHIEF_ALL;
    unsigned servers = kind->flags & MISCHIEF_ONE ? 2 : 1;

    m->text = kind->does;
    m->number = kind->number;
    if (is_spread && m->host == 0) {
        if (is_parent)
            kind->play(m);
        else
            refer_to_kind(m, kind);
        return;
    }
    if ((is_spread && m->host == m->second) || (!is_all && is_honest_name(m)) ||
        (is_spread && is_parent && !is_all)) {
        answer_well(m, m->zone, servers);
        return;
    }
    if ((kind->flags & MISCHIEF_OVER_TCP) && !m->is_tcp) {
        misreply_truncate(m);
        return;
    }
    m->earlier = (*earlier)++;
    rng_init_seeded(&m->rng, seed ^ ((uint64_t)m->first << 32 | m->earlier));
    kind->play(m);
}

/* Answer for a name that no kind has. */
static void answer_for_zone(struct misreply *m, bool is_spread)
{
    uint8_t alias[DNAME_MAX], target[DNAME_MAX];

    if (dname_is_equal(m->name, m->apex) || read_server_number(m, m->apex)) {
        answer_well(m, m->apex, 1);
    } else if (dname_is_equal(m->name, misreply_name("alias", m->apex, alias))) {
        misreply_name(is_spread ? "ns1.ns-is-alias" : "ns1", m->apex, target);
        misreply_add_name(m, MESSAGE_ANSWER, m->name, RRTYPE_CNAME, target);
    } else {
        m->rcode = RRTYPE_RCODE_NXDOMAIN;
        misreply_add_soa(m, MESSAGE_AUTHORITY, m->apex, MISREPLY_TTL);
    }
}

/* A resolver that believes our forged records asks us for the victim's names. */
static void answer_for_others(struct misreply *m, const uint8_t *victim)
{
    if (dname_is_under(m->name, victim) && m->query->qtype == RRTYPE_A)
        misreply_add_a(m, MESSAGE_ANSWER, m->name, MISREPLY_FORGED);
    else
        m->rcode = RRTYPE_RCODE_REFUSED;
}

void mischief_zone_answer(struct misreply *m, const struct mischief_conf *conf, size_t place,
                          unsigned earlier[])
{
    bool is_spread = mischief_zone_is_spread(&conf->places, place);
    const struct mischief_kind *kind = NULL;
    uint8_t victim[DNAME_MAX];

    m->name = m->zone = m->child = message_qname(m->query);
    m->apex = conf->zone;
    m->victim = victim;
    m->places = &conf->places;
    m->text = "the zone of the kinds of mischief";
    m->first = m->second = 0;
    misreply_begin(m);

    unsigned depth = dname_labels(m->name), top = dname_labels(conf->zone);
    if (depth > top && dname_is_under(m->name, conf->zone)) {
        m->zone = dname_suffix(m->name, top + 1);
        m->child = dname_suffix(m->name, depth > top + 1 ? top + 2 : top + 1);
        kind = mischief_find(m->zone);
    }
    if (kind) {
        size_t index = (size_t)(kind - mischief_kinds);
        if (is_spread) {
            m->first = 1 + (unsigned)index;
            m->second = mischief_zone_hosts() - 1;
        }
        misreply_name(kind->name, conf->victim, victim);
        answer_for_kind(m, kind, &earlier[index], conf->seed, is_spread);
    } else if (dname_is_under(m->name, conf->zone)) {
        answer_for_zone(m, is_spread);
    } else {
        answer_for_others(m, conf->victim);
    }
}
