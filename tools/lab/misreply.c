/* Valid parts come from dns/builder.c.  A malformed record is written octet by octet behind
 * them: the builder does not look at it again. */
#include "tools/lab/misreply.h"

#include "dns/dname_text.h"

enum { FULL_V4 = 32, SERIAL = 1, UDP_SIZE = 1232 };

static const char server_cookie[COOKIE_SERVER_LEN + 1] = "server of errors";

void misreply_address(const struct misreply_places *places, size_t place, unsigned host,
                      struct addr *out)
{
    const struct addr_prefix *prefix = &places->at[place];
    uint8_t octets[16];
    size_t len;
    const uint8_t *base = addr_bytes(&prefix->addr, &len);

    memcpy(octets, base, len);
    if (prefix->bits < len * 8)
        util_put_u32(octets + len - 4, util_get_u32(octets + len - 4) + 1 + host);
    must(addr_from_bytes(octets, len, places->port, out) == ERR_OK);
    if (addr_is_v6(out))
        out->sock.v6.sin6_scope_id = prefix->addr.sock.v6.sin6_scope_id;
}

void misreply_begin(struct misreply *m)
{
    struct dname_parts parts;

    builder_init(&m->b, m->wire, MESSAGE_MAX);
    dname_split(m->name, &parts);
    builder_question(&m->b, m->query, &parts);
    m->id = m->query->id;
    m->flags = (uint16_t)(MESSAGE_QR | MESSAGE_AA | (m->query->flags & MESSAGE_RD));
    m->rcode = RRTYPE_RCODE_NOERROR;
    m->opt_cnt = m->query->has_edns ? 1 : 0;
    m->opt = (struct edns_answer){.udp_size = UDP_SIZE,
                                  .nsid = "",
                                  .ede = EDNS_EDE_NONE,
                                  .ede_text = "",
                                  .notice = "",
                                  .is_do = m->query->has_edns && m->query->edns.is_do};
    if (m->query->has_edns && m->query->edns.cookie_len)
        m->opt.client_cookie = m->query->edns.cookie;
    memcpy(m->opt.server_cookie, server_cookie, COOKIE_SERVER_LEN);
    memset(m->cnt_error, 0, sizeof(m->cnt_error));
    m->removed = m->added = 0;
    m->is_silent = m->from_other_port = m->from_other_address = m->is_last = false;
    m->copies = 1;
    m->delay_ms = m->pace_ms = 0;
    m->frame_error = 0;
}

void misreply_drop_question(struct misreply *m) { builder_init(&m->b, m->wire, MESSAGE_MAX); }

void misreply_end(struct misreply *m)
{
    for (unsigned i = 0; i < m->opt_cnt; i++)
        misreply_add_opt(m, MESSAGE_ADDITIONAL);
    util_put_u16(m->wire, m->id);
    util_put_u16(m->wire + 2, (uint16_t)(m->flags | (m->rcode & 15)));
    for (int i = 0; i < 4; i++)
        util_put_u16(m->wire + 4 + 2 * i, (uint16_t)(m->b.cnt[i] + m->cnt_error[i]));
    m->b.len -= util_min(m->removed, m->b.len);
    m->added = util_min(m->added, MISREPLY_ROOM);
    memset(m->wire + m->b.len, 0, m->added);
    m->b.len += m->added;
}

void misreply_flush(struct misreply *m)
{
    misreply_end(m);
    m->send(m);
    misreply_begin(m);
}

const uint8_t *misreply_name(const char *labels, const uint8_t *parent, uint8_t out[DNAME_MAX])
{
    size_t len;
    must(dname_text_read(labels, strlen(labels), parent, out, &len, NULL, NULL) == ERR_OK);
    return out;
}

void misreply_add(struct misreply *m, enum message_section section, const uint8_t *owner,
                  uint16_t type, uint32_t ttl, const void *rdata, size_t len)
{
    if (builder_record(&m->b, section, (struct builder_owner){.name = owner}, type,
                       RRTYPE_CLASS_IN, ttl, rdata, len) != ERR_OK)
        return; /* a message that is full is sent as it is */
}

void misreply_add_a(struct misreply *m, enum message_section section, const uint8_t *owner,
                    const char *text)
{
    struct addr addr;
    size_t len;
    must(addr_read(text, 0, &addr) == ERR_OK);
    const uint8_t *octets = addr_bytes(&addr, &len);
    misreply_add(m, section, owner, RRTYPE_A, MISREPLY_TTL, octets, len);
}

void misreply_add_name(struct misreply *m, enum message_section section, const uint8_t *owner,
                       uint16_t type, const uint8_t *target)
{
    misreply_add(m, section, owner, type, MISREPLY_TTL, target, dname_len(target));
}

void misreply_add_soa(struct misreply *m, enum message_section section, const uint8_t *owner,
                      uint32_t minimum)
{
    static const uint32_t timers[] = {SERIAL, 7200, 1800, 86400};
    uint8_t rdata[2 * DNAME_MAX + 20], *p = rdata;

    for (int i = 0; i < 2; i++) { /* MNAME and RNAME */
        memcpy(p, owner, dname_len(owner));
        p += dname_len(owner);
    }
    for (size_t i = 0; i < ARRAY_LEN(timers); i++, p += 4)
        util_put_u32(p, timers[i]);
    util_put_u32(p, minimum);
    misreply_add(m, section, owner, RRTYPE_SOA, minimum, rdata, (size_t)(p + 4 - rdata));
}

unsigned misreply_add_host(struct misreply *m, enum message_section section,
                           const uint8_t *owner, uint16_t type, unsigned host)
{
    unsigned cnt = 0;
    for (size_t i = 0; i < m->places->cnt; i++) {
        struct addr addr;
        size_t len;
        misreply_address(m->places, i, host, &addr);
        const uint8_t *octets = addr_bytes(&addr, &len);
        uint16_t own_type = len == 4 ? RRTYPE_A : RRTYPE_AAAA;
        if (type != own_type && type != RRTYPE_ANY)
            continue;
        misreply_add(m, section, owner, own_type, MISREPLY_TTL, octets, len);
        cnt++;
    }
    return cnt;
}

void misreply_add_server(struct misreply *m, const uint8_t *owner, const uint8_t *server,
                         unsigned host)
{
    misreply_add_name(m, MESSAGE_AUTHORITY, owner, RRTYPE_NS, server);
    misreply_add_host(m, MESSAGE_ADDITIONAL, server, RRTYPE_ANY, host);
}

void misreply_add_opt(struct misreply *m, enum message_section section)
{
    m->opt.ext_rcode = (uint8_t)(m->rcode >> 4);
    if (m->b.len + edns_len(&m->opt) > m->b.limit)
        return;
    edns_write(m->wire + m->b.len, &m->opt);
    m->b.len += edns_len(&m->opt);
    m->b.cnt[section]++;
}

void misreply_add_raw(struct misreply *m, enum message_section section,
                      const struct misreply_record *record)
{
    static const uint8_t pointer[] = {0xc0, MESSAGE_HEADER_LEN};
    bool has_question = m->b.cnt[MESSAGE_QUESTION] > 0;
    const void *owner = record->owner ? record->owner : has_question ? pointer : m->name;
    size_t owner_len = record->owner  ? record->owner_len
                       : has_question ? sizeof(pointer)
                                      : dname_len(m->name);
    uint8_t *p = m->wire + m->b.len;

    if (m->b.len + owner_len + 10 + record->len > m->b.limit)
        return;
    memcpy(p, owner, owner_len);
    p += owner_len;
    util_put_u16(p, record->type ? record->type : RRTYPE_A);
    util_put_u16(p + 2, record->class ? record->class : RRTYPE_CLASS_IN);
    util_put_u32(p + 4, record->ttl);
    util_put_u16(p + 8, (uint16_t)((int)record->len + record->len_error));
    if (record->len)
        memcpy(p + 10, record->rdata, record->len);
    m->b.len = (size_t)(p + 10 + record->len - m->wire);
    m->b.cnt[section]++;
}

void misreply_add_answer(struct misreply *m)
{
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}; /* RFC 3849 */
    uint8_t text[256];
    size_t len = util_min(strlen(m->text), 255);

    switch (m->query->qtype) {
    case RRTYPE_A: misreply_add_a(m, MESSAGE_ANSWER, m->name, MISREPLY_GOOD); break;
    case RRTYPE_AAAA:
        misreply_add(m, MESSAGE_ANSWER, m->name, RRTYPE_AAAA, MISREPLY_TTL, v6, sizeof(v6));
        break;
    case RRTYPE_TXT:
        text[0] = (uint8_t)len;
        memcpy(text + 1, m->text, len);
        misreply_add(m, MESSAGE_ANSWER, m->name, RRTYPE_TXT, MISREPLY_TTL, text, len + 1);
        break;
    default: misreply_add_soa(m, MESSAGE_AUTHORITY, m->zone, MISREPLY_TTL); break;
    }
}

void misreply_truncate(struct misreply *m)
{
    misreply_begin(m);
    m->flags |= MESSAGE_TC;
}
