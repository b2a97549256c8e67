/* Play replay scenarios against the resolver in this process: the ranges of the file answer its
 * queries, and the clock is simulated.
 *
 *   play [--minimise on|off] [--alter] [-v] FILE...
 *
 * Prints a line per file: "pass" or "FAIL", the name, and the first difference. --alter tests
 * the player: each expected answer is played again with an altered RR, RCODE and flag, each
 * expected trust anchor with an altered state, and each of these plays has to fail. */
#include "base/hash.h"
#include "base/now.h"
#include "dns/dname_text.h"
#include "dns/ds.h"
#include "dns/rrline.h"
#include "resolver/iterate/chain.h"
#include "tests/scenario/fake_sha1.h"
#include "tests/scenario/keeper.h"
#include "tests/scenario/rpl.h"
#include "tests/scenario/stage.h"

enum { WIRE_MAX = 65535, TIMEOUTS_MAX = 400, SENT_MAX = 2000, ITERATIONS_MAX = 150 };

struct play {
    struct stage stage;
    struct keeper keeper;
    struct rpl *rpl;
    struct asked {
        uint8_t name[DNAME_MAX];
        uint16_t type;
    } asked[SENT_MAX];
    size_t sent_cnt;
    unsigned step, asked_step; /* the current one, and that of the last QUERY */
    bool is_verbose, wants_ede;
    struct fault fault;
};

static bool skips_time; /* of the play: its signatures have no date */

struct rules __real_chain_rules(const struct task *task);
struct rules __wrap_chain_rules(const struct task *task);

/* The scenarios were written before RFC 9276. */
struct rules __wrap_chain_rules(const struct task *task)
{
    struct rules rules = __real_chain_rules(task);

    rules.iterations_max = ITERATIONS_MAX;
    rules.skips_time = skips_time;
    return rules;
}

static const uint8_t root[] = {0};

/* ---- the seam ---- */

static void note_query(struct stage *stage, const struct out_ask *a)
{
    struct play *p = container_of(stage, struct play, stage);
    char name[DNAME_TEXT_MAX], addr[ADDR_TEXT_MAX], type[RRTYPE_NAME_MAX];

    if (p->sent_cnt < SENT_MAX) {
        struct asked *asked = &p->asked[p->sent_cnt++];
        memcpy(asked->name, a->match.name, dname_len(a->match.name));
        asked->type = stage_type(a);
    }
    if (!p->is_verbose)
        return;
    dname_text_print(a->match.name, name);
    addr_print(&a->match.to, addr);
    rrtype_print(stage_type(a), type);
    printf("    step %u: %s %s? %s%s\n", p->step, addr, name, type, a->is_tcp ? " (TCP)" : "");
}

/* ---- servers ---- */

static bool entry_matches(const struct rpl_entry *e, const struct out_ask *a)
{
    const uint8_t *name = a->match.name;
    uint16_t type = stage_type(a);

    if ((e->match & RPL_QNAME) && (!e->qname || !dname_is_equal(name, e->qname)))
        return false;
    if ((e->match & RPL_QTYPE) && type != e->qtype)
        return false;
    if ((e->match & RPL_SUBDOMAIN) && (!e->qname || !dname_is_under(name, e->qname)))
        return false;
    if (((e->match & RPL_TCP) && !a->is_tcp) || ((e->match & RPL_UDP) && a->is_tcp))
        return false;
    return true;
}

static const struct rpl_entry *find_entry_at(const struct play *p, const struct out_ask *a,
                                             unsigned step)
{
    for (const struct rpl_range *r = p->rpl->ranges; r; r = r->next) {
        bool is_here = r->addr_cnt == 0;
        if (step < r->from || step > r->to)
            continue;
        for (size_t i = 0; i < r->addr_cnt; i++) {
            size_t len, other_len;
            const uint8_t *x = addr_bytes(&r->addrs[i], &len),
                          *y = addr_bytes(&a->match.to, &other_len);
            is_here |= len == other_len && memcmp(x, y, len) == 0;
        }
        for (const struct rpl_entry *e = is_here ? r->entries : NULL; e; e = e->next)
            if (entry_matches(e, a))
                return e;
    }
    return NULL;
}

/* Unbound's servers answer in the step after the QUERY, Deckard's in the same; only Unbound's
 * header has the clause "server". */
static const struct rpl_entry *find_entry(const struct play *p, const struct out_ask *a)
{
    const struct rpl_entry *e = find_entry_at(p, a, p->step);
    bool is_deckard = !rpl_find(p->rpl, "server", NULL);
    return e || !is_deckard ? e : find_entry_at(p, a, p->asked_step);
}

static size_t write_rr(uint8_t *out, const struct rpl_rr *rr)
{
    size_t len = dname_len(rr->owner);
    memcpy(out, rr->owner, len);
    util_put_u16(out + len, rr->type);
    util_put_u16(out + len + 2, rr->class);
    util_put_u32(out + len + 4, rr->ttl);
    util_put_u16(out + len + 8, (uint16_t)rr->rdata_len);
    memcpy(out + len + 10, rr->rdata, rr->rdata_len);
    return len + 10 + rr->rdata_len;
}

static size_t write_reply(const struct rpl_entry *e, const struct out_ask *a, uint8_t *out)
{
    size_t len = MESSAGE_HEADER_LEN;
    uint16_t cnt[4] = {0};

    memset(out, 0, MESSAGE_HEADER_LEN);
    memcpy(out, a->wire, 2);
    util_put_u16(out + 2, (uint16_t)(e->flags | e->rcode));
    bool is_same = e->qname && dname_is_equal(e->qname, a->match.name);
    if ((e->adjust & RPL_COPY_QUERY) || !e->has_question) {
        memcpy(out + len, a->wire + len, a->match.question_len);
        len += a->match.question_len;
        cnt[0] = 1;
    } else if (e->qname) {
        cnt[0] = 1;
        size_t name_len = dname_len(e->qname);
        memcpy(out + len, is_same ? a->wire + len : e->qname, name_len);
        util_put_u16(out + len + name_len, e->qtype);
        util_put_u16(out + len + name_len + 2, RRTYPE_CLASS_IN);
        len += name_len + 4;
    }
    for (int section = MESSAGE_ANSWER; section <= MESSAGE_ADDITIONAL; section++)
        for (size_t i = 0; i < e->rr_cnt; i++)
            if ((int)e->rrs[i].section == section) {
                len += write_rr(out + len, &e->rrs[i]);
                cnt[section]++;
            }
    for (int i = 0; i < 4; i++)
        util_put_u16(out + 4 + 2 * i, cnt[i]);
    return len;
}

static void deliver(struct play *p, size_t i, const struct rpl_entry *e)
{
    static uint8_t wire[WIRE_MAX];
    const struct out_ask *a = p->stage.pending[i];
    size_t len;

    if (e->raw) {
        len = e->raw_len;
        memcpy(wire, e->raw, len);
        memcpy(wire, a->wire, util_min(len, 2));
    } else {
        len = write_reply(e, a, wire);
    }
    struct addr from = a->match.to;
    if (!stage_deliver(&p->stage, i, &from, wire, len) && p->is_verbose)
        printf("    rejected\n");
}

/* Answer one query that a range of the current step answers.  False if there is none. */
static bool answer_one(struct play *p)
{
    for (size_t i = 0; i < p->stage.pending_cnt; i++) {
        const struct rpl_entry *e = find_entry(p, p->stage.pending[i]);
        if (!e || (e->adjust & RPL_DO_NOT_ANSWER))
            continue;
        deliver(p, i, e);
        return true;
    }
    return false;
}

static void answer_all(struct play *p)
{
    for (unsigned rounds = 0; rounds < 5000 && answer_one(p); rounds++)
        ;
}

/* ---- the client ---- */

static void ask_as_client(struct play *p, const struct rpl_step *step)
{
    static uint8_t wire[WIRE_MAX];
    const struct rpl_entry *e = step->entry;
    const struct addr *peer = step->client.sock.any.sa_family ? &step->client : NULL;
    struct query q = {.id = (uint16_t)step->number,
                      .flags = e->flags & (MESSAGE_RD | MESSAGE_CD | MESSAGE_AD),
                      .name = e->qname,
                      .type = e->qtype,
                      .has_edns = e->is_do || p->wants_ede || p->is_verbose,
                      .is_do = e->is_do,
                      .udp_size = 4096};

    if (e->raw)
        stage_ask(&p->stage, e->raw, e->raw_len, peer);
    else
        stage_ask(&p->stage, wire, query_write(&q, wire), peer);
}

/* ---- comparing ---- */

static bool report_difference(struct play *p, const char *what)
{
    fault_set(&p->fault, ERR_FORMAT, "step %u: %s", p->step, what);
    return false;
}

struct got_rr {
    uint8_t owner[DNAME_MAX];
    uint16_t type;
    uint32_t ttl;
    uint8_t rdata[WIRE_MAX];
    size_t rdata_len;
    bool is_found;
};

/* Expand the records of a section; return their number. */
static size_t list_rrs(const struct message *m, enum message_section section,
                       struct got_rr *out, size_t max)
{
    struct message_walk walk = message_walk(m);
    struct message_record r;
    size_t cnt = 0;

    while (message_next(&walk, &r) && cnt < max) {
        struct cursor c = cursor_over(m->wire, m->len);
        c.pos = (size_t)(r.rdata - m->wire);
        if (r.section != section || r.type == RRTYPE_OPT)
            continue;
        struct got_rr *g = &out[cnt];
        memcpy(g->owner, r.owner, DNAME_MAX);
        g->type = r.type;
        g->ttl = r.ttl;
        g->is_found = false;
        if (rdata_expand(r.type, &c, r.rdata_len, g->rdata, sizeof(g->rdata), &g->rdata_len) ==
            ERR_OK)
            cnt++;
    }
    return cnt;
}

/* Our answers are minimal: of the authority section only the SOA of a negative answer and the
 * proofs are compared, each with its signatures. */
static bool is_compared(enum message_section section, uint16_t type, const uint8_t *rdata)
{
    if (section == MESSAGE_AUTHORITY && type == RRTYPE_RRSIG)
        type = util_get_u16(rdata);
    return section == MESSAGE_ANSWER || type == RRTYPE_SOA || type == RRTYPE_NSEC ||
           type == RRTYPE_NSEC3;
}

static bool is_rr_compared(const struct rpl_rr *rr, enum message_section section)
{
    return rr->section == section && is_compared(section, rr->type, rr->rdata);
}

static bool is_rr_same(const struct rpl_rr *want, const struct got_rr *got, bool with_ttl)
{
    return !got->is_found && want->type == got->type &&
           dname_is_equal(want->owner, got->owner) &&
           rdata_compare(want->type, want->rdata, want->rdata_len, got->rdata,
                         got->rdata_len) == 0 &&
           (!with_ttl || want->ttl == got->ttl);
}

static bool compare_section(struct play *p, const struct rpl_entry *e, const struct message *m,
                            enum message_section section)
{
    static struct got_rr got[64];
    size_t cnt = list_rrs(m, section, got, ARRAY_LEN(got));
    char text[300], name[DNAME_TEXT_MAX], type[RRTYPE_NAME_MAX];

    for (size_t i = 0; i < e->rr_cnt; i++) {
        size_t n = 0;
        if (!is_rr_compared(&e->rrs[i], section))
            continue;
        while (n < cnt && !is_rr_same(&e->rrs[i], &got[n], e->match & RPL_TTL))
            n++;
        if (n < cnt) {
            got[n].is_found = true;
            continue;
        }
        dname_text_print(e->rrs[i].owner, name);
        rrtype_print(e->rrs[i].type, type);
        snprintf(text, sizeof(text), "missing: %.100s %u %s in section %d", name, e->rrs[i].ttl,
                 type, section);
        return report_difference(p, text);
    }
    for (size_t n = 0; n < cnt; n++)
        if (!got[n].is_found && is_compared(section, got[n].type, got[n].rdata)) {
            dname_text_print(got[n].owner, name);
            rrtype_print(got[n].type, type);
            snprintf(text, sizeof(text), "unexpected: %.100s %u %s in section %d", name,
                     got[n].ttl, type, section);
            return report_difference(p, text);
        }
    return true;
}

/* Return the code of the EDE option, or -2 if there is none. */
static int find_ede(const struct play *p, const struct message *m)
{
    struct message_walk walk = message_walk(m);
    struct message_record r;

    while (message_next(&walk, &r)) {
        struct cursor c = cursor_over(r.rdata, r.rdata_len);
        while (r.type == RRTYPE_OPT && cursor_more(&c)) {
            uint16_t code = cursor_u16(&c), len = cursor_u16(&c);
            const uint8_t *bytes = cursor_bytes(&c, len);
            if (!bytes || code != EDNS_EDE || len < 2)
                continue;
            if (p->is_verbose)
                printf("    EDE %u: %.*s\n", util_get_u16(bytes), len - 2, bytes + 2);
            return util_get_u16(bytes);
        }
    }
    return -2;
}

static void print_answer(const struct message *m)
{
    struct message_walk walk = message_walk(m);
    struct message_record r;
    char name[DNAME_TEXT_MAX], type[RRTYPE_NAME_MAX];

    printf("    answer: RCODE %u, flags %04x\n", m->flags & 15U, m->flags);
    while (message_next(&walk, &r)) {
        dname_text_print(r.owner, name);
        rrtype_print(r.type, type);
        printf("      section %d: %s %u %s\n", (int)r.section, name, r.ttl, type);
    }
}

static bool compare_answer(struct play *p, const struct rpl_entry *e,
                           const struct stage_answer *a)
{
    const uint16_t flags = MESSAGE_QR | MESSAGE_AA | MESSAGE_TC | MESSAGE_RD | MESSAGE_RA |
                           MESSAGE_AD | MESSAGE_CD;
    struct message m;
    char text[200];

    if (message_parse(a->wire, a->len, &m) != MESSAGE_WHOLE)
        return report_difference(p, "the answer is malformed");
    if (p->is_verbose)
        print_answer(&m);
    if ((e->match & RPL_QNAME) && e->qname &&
        (!m.has_question || !dname_is_equal(message_qname(&m), e->qname)))
        return report_difference(p, "the QNAME differs");
    if ((e->match & RPL_QTYPE) && m.qtype != e->qtype)
        return report_difference(p, "the QTYPE differs");
    int ede = find_ede(p, &m);
    if ((e->match & RPL_RCODE) && (m.flags & 15) != e->rcode) {
        snprintf(text, sizeof(text), "RCODE %u, not %u", m.flags & 15U, e->rcode);
        return report_difference(p, text);
    }
    if ((e->match & RPL_FLAGS) && (m.flags & flags) != e->flags) {
        snprintf(text, sizeof(text), "flags %04x, not %04x", m.flags & flags, e->flags);
        return report_difference(p, text);
    }
    if ((e->match & RPL_EDE) && (e->ede == -1 ? ede < 0 : ede != e->ede)) {
        snprintf(text, sizeof(text), "EDE %d, not %d", ede, e->ede);
        return report_difference(p, text);
    }
    return (!(e->match & RPL_ANSWER) || compare_section(p, e, &m, MESSAGE_ANSWER)) &&
           (!(e->match & RPL_AUTHORITY) || compare_section(p, e, &m, MESSAGE_AUTHORITY));
}

/* One of the client's answers has to be the expected one.  If there is none yet, time passes
 * until one arrives. */
static bool check_answer(struct play *p, const struct rpl_step *step)
{
    for (unsigned i = 0; p->stage.answer_cnt == 0 && i < TIMEOUTS_MAX; i++) {
        if (!stage_time_out(&p->stage))
            return report_difference(p, "no answer, and no query is open");
        answer_all(p);
    }
    if (p->stage.answer_cnt == 0)
        return report_difference(p, "no answer");
    for (size_t i = p->stage.answer_cnt; i-- > 0;)
        if (compare_answer(p, step->entry, &p->stage.answers[i])) {
            free(p->stage.answers[i].wire);
            p->stage.answer_cnt--;
            memmove(p->stage.answers + i, p->stage.answers + i + 1,
                    (p->stage.answer_cnt - i) * sizeof(p->stage.answers[0]));
            return true;
        }
    return false;
}

/* ---- steps ---- */

static bool reply_step(struct play *p, const struct rpl_entry *e)
{
    size_t i = 0;

    if (p->stage.pending_cnt == 0)
        return report_difference(p, "REPLY, but no query is open");
    for (size_t n = p->stage.pending_cnt; n-- > 0;)
        if (e->qname && dname_is_equal(p->stage.pending[n]->match.name, e->qname))
            i = n;
    deliver(p, i, e);
    return true;
}

/* The query must be open, become open while ranges answer earlier ones, or have been answered
 * already. */
static bool check_query(struct play *p, const struct rpl_entry *e)
{
    do {
        for (size_t i = 0; i < p->stage.pending_cnt; i++)
            if (entry_matches(e, p->stage.pending[i])) {
                if (e->adjust & RPL_COPY_ID)
                    deliver(p, i, e);
                return true;
            }
    } while (answer_one(p));
    for (size_t i = 0; i < p->sent_cnt; i++)
        if (dname_is_equal(p->asked[i].name, e->qname) && p->asked[i].type == e->qtype)
            return true;
    return report_difference(p, "the query was not sent to a server");
}

/* Query for the keys of the trust anchors if that is due, and wait until the servers answer. */
static void update_anchors(struct play *p)
{
    keeper_tick(&p->keeper);
    answer_all(p);
    for (unsigned i = 0; p->rpl->anchors && i < TIMEOUTS_MAX && stage_time_out(&p->stage); i++)
        answer_all(p);
    keeper_reload(&p->keeper);
}

static bool check_anchors(struct play *p, const struct rpl_step *step)
{
    struct fault fault;

    return keeper_check(&p->keeper, step->anchors, &fault) || report_difference(p, fault.text);
}

static bool run_step(struct play *p, const struct rpl_step *step)
{
    switch (step->kind) {
    case RPL_QUERY:
        p->asked_step = p->step;
        update_anchors(p);
        ask_as_client(p, step);
        return true;
    case RPL_CHECK_ANSWER: return check_answer(p, step);
    case RPL_TIME_PASSES:
        now_advance(step->expression
                        ? 1000 * (uint64_t)keeper_evaluate(&p->keeper, step->expression)
                        : step->elapse_ms);
        update_anchors(p);
        return true;
    case RPL_REPLY: return reply_step(p, step->entry);
    case RPL_CHECK_OUT_QUERY: return check_query(p, step->entry);
    case RPL_TIMEOUT:
        return stage_time_out(&p->stage) ||
               report_difference(p, "TIMEOUT, but no query is open");
    case RPL_ASSIGN: keeper_assign(&p->keeper, step->variable, step->expression); return true;
    case RPL_CHECK_AUTOTRUST: return check_anchors(p, step);
    case RPL_TRAFFIC: update_anchors(p); return true;
    case RPL_NOTHING: return true;
    case RPL_OTHER: return report_difference(p, "unknown step");
    }
    return false;
}

/* ---- configuration ---- */

static const char *get_value(const struct rpl *rpl, const char *name, const char *default_value)
{
    const struct rpl_key *key = rpl_find(rpl, name, NULL);
    return key ? key->value : default_value;
}

static bool is_on(const char *text)
{
    return strcmp(text, "no") != 0 && strcmp(text, "off") != 0;
}

/* Read stub-zone and forward-zone: a name, then addresses. */
static void read_zones(struct play *p)
{
    const struct rpl *rpl = p->rpl;
    uint8_t zone[DNAME_MAX] = {0};
    struct addr stubs[16], forwards[16], hints[16];
    size_t stub_cnt = 0, forward_cnt = 0, hint_cnt = 0, len;

    for (size_t i = 0; i <= rpl->key_cnt; i++) {
        const char *name = i < rpl->key_cnt ? rpl->keys[i].name : "stub-zone";
        const char *text = i < rpl->key_cnt ? rpl->keys[i].value : "";
        struct addr addr;
        bool is_begin = strcmp(name, "stub-zone") == 0 || strcmp(name, "forward-zone") == 0 ||
                        strcmp(name, "server") == 0;
        if (is_begin) {
            if (stub_cnt > 0 && *zone != 0)
                must(route_put_zone(&p->stage.policy->route,
                                    &(struct route_zone){.name = zone,
                                                         .source = DELEGATION_STUB,
                                                         .addrs = stubs,
                                                         .addr_cnt = stub_cnt},
                                    &p->stage.policy->arena) != ERR_NOMEM);
            for (size_t n = 0; stub_cnt > 0 && *zone == 0 && n < stub_cnt; n++)
                hints[hint_cnt++] = stubs[n];
            if (forward_cnt > 0)
                must(route_put_zone(&p->stage.policy->route,
                                    &(struct route_zone){.name = zone,
                                                         .source = DELEGATION_FORWARD,
                                                         .addrs = forwards,
                                                         .addr_cnt = forward_cnt},
                                    &p->stage.policy->arena) != ERR_NOMEM);
            stub_cnt = forward_cnt = 0;
            zone[0] = 0;
        } else if (strcmp(name, "name") == 0) {
            if (dname_text_read(text, strlen(text), root, zone, &len, NULL, NULL) != ERR_OK)
                zone[0] = 0;
        } else if (strcmp(name, "stub-addr") == 0 && addr_read(text, 53, &addr) == ERR_OK) {
            stubs[stub_cnt++] = addr;
        } else if (strcmp(name, "forward-addr") == 0 && addr_read(text, 53, &addr) == ERR_OK) {
            forwards[forward_cnt++] = addr;
        }
    }
    if (!rpl_find(rpl, "stub-addr", NULL) && !rpl_find(rpl, "forward-addr", NULL)) {
        must(route_use_builtin_hints(&p->stage.policy->route, 53, &p->stage.policy->arena) ==
             ERR_OK);
        return;
    }
    delegation_init(&p->stage.policy->route.hints, root, DELEGATION_HINTS);
    for (size_t n = 0; n < hint_cnt; n++) {
        struct delegation *delegation = &p->stage.policy->route.hints;
        delegation->servers[n] = (struct delegation_server){
            .name = root, .lookup = {DELEGATION_KNOWN, DELEGATION_KNOWN}};
        delegation->server_cnt++;
        delegation_add_addr(delegation, (int)n, &hints[n]);
    }
}

static void read_anchor(struct play *p, const char *value)
{
    static struct rrline line;
    char text[2000];
    struct fault fault = {0};

    snprintf(text, sizeof(text), "%s", value);
    for (char *c = text; *c; c++)
        if (*c == '(' || *c == ')')
            *c = ' ';
    if (anchor_add(&p->stage.policy->anchors, text, strlen(text), &line, &fault) != ERR_OK)
        fprintf(stderr, "trust-anchor: %s: %s\n", value, fault.text);
}

/* True if an anchor is of DSA (algorithms 3 and 6), which no library verifies any more: such a
 * scenario is about another fault. */
static bool has_dsa(const struct anchor_set *set)
{
    for (size_t i = 0; i < set->cnt; i++)
        for (size_t pos = 0; set->anchors[i].ds && pos < set->anchors[i].ds->size;) {
            struct rrset_record record = rrset_at(set->anchors[i].ds, pos, &pos);
            uint8_t algorithm = ds_read(record.rdata, record.len).algorithm;
            if (algorithm == 3 || algorithm == 6)
                return true;
        }
    return false;
}

/* Read the trust anchors and the domains that are insecure. */
static void read_trust(struct play *p)
{
    struct policy *policy = p->stage.policy;
    const struct rpl_key *k;

    for (k = rpl_find(p->rpl, "trust-anchor", NULL); k; k = rpl_find(p->rpl, "trust-anchor", k))
        read_anchor(p, k->value);
    for (k = rpl_find(p->rpl, "domain-insecure", NULL); k;
         k = rpl_find(p->rpl, "domain-insecure", k))
        must(nta_add(&policy->ntas, k->value, NULL) == ERR_OK);
    keeper_configure(&p->keeper, &p->stage, p->rpl);
    policy_seal_trust(policy);
    fake_sha1_is_on = is_on(get_value(p->rpl, "fake-sha1", "no")) || has_dsa(&policy->anchors);
}

/* Set the clock to the time when the signatures of the scenario are valid. */
static void set_date(const struct rpl *rpl)
{
    const char *date = get_value(rpl, "val-override-date", ""),
               *seconds = get_value(rpl, "val-override-timestamp", "");
    char text[NOW_TEXT_MAX];
    int64_t wall_ms;

    skips_time = strcmp(date, "-1") == 0;
    if (rpl->anchors) /* the first step advances the clock to a date */
        now_freeze(1);
    if (*seconds)
        now_freeze(1000 * (int64_t)atoll(seconds));
    if (strlen(date) != strlen("YYYYMMDDHHMMSS"))
        return;
    snprintf(text, sizeof(text), "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", date, date + 4, date + 6,
             date + 8, date + 10, date + 12);
    must(now_read(text, &wall_ms) == ERR_OK);
    now_freeze(wall_ms);
}

static void configure(struct play *p, const char *minimise)
{
    const struct rpl *rpl = p->rpl;
    struct policy *policy = p->stage.policy;
    static struct addr_prefix local_nets[4];

    must(addr_read_prefix("0.0.0.0/8", &local_nets[0]) == ERR_OK &&
         addr_read_prefix("127.0.0.0/8", &local_nets[1]) == ERR_OK &&
         addr_read_prefix("::/128", &local_nets[2]) == ERR_OK &&
         addr_read_prefix("::1/128", &local_nets[3]) == ERR_OK);
    if (is_on(get_value(rpl, "do-not-query-localhost", "yes")))
        policy->do_not_query = (struct addr_prefixes){local_nets, 4};
    read_zones(p);
    read_trust(p);
    set_date(rpl);
    policy->uses_v6 = is_on(get_value(rpl, "do-ip6", "yes"));
    policy->uses_v4 = is_on(get_value(rpl, "do-ip4", "yes"));
    const char *wanted =
        get_value(rpl, "query-minimization", get_value(rpl, "qname-minimisation", minimise));
    policy->is_minimising = is_on(wanted);
    /* scenarios with "harden-glue: no" expect glue of other zones to be used */
    policy->defences.bailiwick = is_on(get_value(rpl, "harden-glue", "yes"));
    policy->is_prefetching = is_on(get_value(rpl, "prefetch", "no"));
    if (!is_on(get_value(rpl, "serve-expired", "no")))
        policy->stale_ms = 0;
    else if (rpl_find(rpl, "serve-expired-ttl", NULL))
        policy->stale_ms = 1000 * (int64_t)atoi(get_value(rpl, "serve-expired-ttl", "0"));
    policy->stale_ttl = (uint32_t)atoi(get_value(rpl, "serve-expired-reply-ttl", "30"));
    policy->stale_wait_ms =
        (uint32_t)atoi(get_value(rpl, "serve-expired-client-timeout", "1800"));
    policy->ttls.min = (uint32_t)atoi(get_value(rpl, "cache-min-ttl", "0"));
    policy->ttls.max = (uint32_t)atoi(get_value(rpl, "cache-max-ttl", "86400"));
    for (const struct rpl_key *k = rpl_find(rpl, "features", NULL); k;
         k = rpl_find(rpl, "features", k)) {
        unsigned n;
        if (sscanf(k->value, "min_ttl = %u", &n) == 1)
            policy->ttls.min = n;
        if (sscanf(k->value, "max_ttl = %u", &n) == 1)
            policy->ttls.max = n;
    }
    /* most files have no replies to queries of the resolver itself */
    policy->is_priming = policy->signals_anchors = false;
    for (const struct rpl_step *s = rpl->steps; s; s = s->next) {
        if (s->kind == RPL_CHECK_OUT_QUERY && s->entry->qname && *s->entry->qname == 0)
            policy->is_priming = true;
        if (s->entry && (s->entry->match & RPL_EDE))
            p->wants_ede = true;
    }
}

/* ---- the play ---- */

static bool play(struct rpl *rpl, const char *minimise, bool is_verbose, struct fault *fault)
{
    static struct play storage;
    struct play *p = &storage;
    struct quota_limits limits = {.per_zone = 200, .per_server = 400};
    bool fits = true;

    memset(p, 0, sizeof(*p));
    stage_init(&p->stage, &limits);
    p->stage.asked = note_query;
    p->rpl = rpl;
    p->is_verbose = is_verbose;
    configure(p, minimise);
    stage_open(&p->stage, 42);
    keeper_open(&p->keeper);
    for (const struct rpl_step *s = rpl->steps; s && fits; s = s->next) {
        p->step = s->number;
        if (s->kind != RPL_CHECK_OUT_QUERY)
            answer_all(p);
        fits = run_step(p, s);
    }
    *fault = p->fault;
    keeper_close(&p->keeper);
    stage_fini(&p->stage);
    return fits;
}

/* ---- altering ---- */

enum alteration { ALTER_RCODE, ALTER_FLAG, ALTER_RR, ALTER_STATE, ALTERATIONS };

/* Alter what the step expects, or undo that by a second call.  False if it compares nothing of
 * that kind. */
static bool alter(struct rpl_step *step, enum alteration kind)
{
    struct rpl_entry *e = step->entry;

    if ((kind == ALTER_STATE) != (step->kind == RPL_CHECK_AUTOTRUST))
        return false;
    switch (kind) {
    case ALTER_STATE:
        if (!step->anchors || step->anchors->state < 0)
            return false;
        step->anchors->state ^= 1;
        return true;
    case ALTER_RCODE:
        if (!(e->match & RPL_RCODE))
            return false;
        e->rcode ^= 2;
        return true;
    case ALTER_FLAG:
        if (!(e->match & RPL_FLAGS))
            return false;
        e->flags ^= MESSAGE_RA;
        return true;
    default:
        for (size_t i = 0; i < e->rr_cnt; i++) {
            struct rpl_rr *rr = &e->rrs[i];
            bool is_answer = (e->match & RPL_ANSWER) && is_rr_compared(rr, MESSAGE_ANSWER);
            bool is_authority =
                (e->match & RPL_AUTHORITY) && is_rr_compared(rr, MESSAGE_AUTHORITY);
            if ((is_answer || is_authority) && rr->rdata_len > 1) {
                ((uint8_t *)(uintptr_t)rr->rdata)[rr->rdata_len / 2] ^= 1;
                return true;
            }
        }
        return false;
    }
}

static void play_altered(struct rpl *rpl, const char *minimise, const char *path,
                         unsigned *altered_cnt, unsigned *failed)
{
    struct fault fault;

    for (struct rpl_step *s = rpl->steps; s; s = s->next)
        for (int kind = 0; kind < ALTERATIONS; kind++) {
            bool is_check = s->kind == RPL_CHECK_ANSWER || s->kind == RPL_CHECK_AUTOTRUST;
            if (!is_check || !alter(s, (enum alteration)kind))
                continue;
            bool passes = play(rpl, minimise, false, &fault);
            alter(s, (enum alteration)kind);
            (*altered_cnt)++;
            *failed += !passes;
            if (passes)
                printf("SURVIVED %s step %u alteration %d\n", path, s->number, kind);
        }
}

int main(int argc, char **argv)
{
    const char *minimise = "on";
    bool is_altering = false, is_verbose = false;
    unsigned failed_cnt = 0, altered_cnt = 0, failed = 0;

    hash_init();
    for (int i = 1; i < argc; i++) {
        static struct rpl rpl;
        struct fault fault;
        if (strcmp(argv[i], "--minimise") == 0 && i + 1 < argc) {
            minimise = argv[++i];
        } else if (strcmp(argv[i], "--alter") == 0) {
            is_altering = true;
        } else if (strcmp(argv[i], "-v") == 0) {
            is_verbose = true;
        } else {
            bool passes = false, is_read = rpl_read(argv[i], &rpl);
            if (is_read)
                passes = play(&rpl, minimise, is_verbose, &fault);
            printf("%s\t%s\t%s\n", passes ? "pass" : "FAIL", argv[i],
                   passes    ? ""
                   : is_read ? fault.text
                             : rpl.fault.text);
            fflush(stdout);
            failed_cnt += !passes;
            if (passes && is_altering)
                play_altered(&rpl, minimise, argv[i], &altered_cnt, &failed);
            rpl_fini(&rpl);
        }
    }
    if (is_altering)
        printf("altered\t%u\tfailed\t%u\n", altered_cnt, failed);
    return failed_cnt > 0;
}
