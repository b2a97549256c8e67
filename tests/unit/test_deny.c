/* Proofs of absence: one table per kind of chain, and each published fault. */
#include "signed.h"

#include "dns/nsec3.h"
#include "resolver/validate/deny.h"

enum { SET_MAX = 40 };

static struct arena arena;

static int start(void **state)
{
    (void)state;
    arena_init(&arena, 0);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

/* ---- what is asked ---- */

enum proof { NAME, TYPE, CLOSER, DS };

/* The records of a proof, and the rules. */
struct asked {
    const char *zone;
    struct deny_record records[SET_MAX];
    size_t cnt;
    struct rules rules;
    struct rules_work work;
    struct deny_found found;
    struct verdict verdict;
};

static struct asked start_asking(const char *zone)
{
    return (struct asked){
        .zone = zone, .rules = rules_defaults(SIGNED_NOW), .work = rules_work_defaults()};
}

/* Add the record of a line. */
static void add(struct asked *a, const char *line)
{
    struct signed_set *s = signed_read(&arena, line);
    a->records[a->cnt++] = (struct deny_record){s->owner, s->set};
}

static enum verdict_reason ask(struct asked *a, enum proof proof, const char *text, int arg)
{
    uint8_t zone[DNAME_MAX], name[DNAME_MAX];
    char sentence[VERDICT_TEXT_MAX];
    struct deny in = {.zone = unit_name(a->zone, zone),
                      .records = a->records,
                      .cnt = a->cnt,
                      .rules = &a->rules,
                      .work = &a->work};

    unit_name(text, name);
    a->found = (struct deny_found){.is_cut = false};
    switch (proof) {
    case NAME: a->verdict = deny_name(&in, name, &a->found); break;
    case TYPE: a->verdict = deny_type(&in, name, (uint16_t)arg, &a->found); break;
    case CLOSER: a->verdict = deny_closer(&in, name, (unsigned)arg, &a->found); break;
    case DS: a->verdict = deny_ds(&in, name, &a->found); break;
    }
    enum verdict_status status = a->verdict.status;
    enum verdict_reason reason = a->verdict.reason;
    assert_int_equal(status == VERDICT_SECURE, reason == VERDICT_NONE);
    assert_int_equal(status == VERDICT_INSECURE,
                     reason == VERDICT_OPT_OUT || reason == VERDICT_ITERATIONS);
    assert_int_equal(status == VERDICT_UNKNOWN, reason == VERDICT_WORK);
    verdict_print(&a->verdict, sentence);
    assert_int_equal(*sentence == '\0', reason == VERDICT_NONE);
    return reason;
}

/* One question about a zone that a list of records describes. */
struct row {
    enum proof proof;
    const char *name;
    int arg;
    enum verdict_reason reason;
};

static void ask_all(struct asked *a, const struct row *rows, size_t cnt)
{
    for (size_t i = 0; i < cnt; i++) {
        a->work = rules_work_defaults();
        enum verdict_reason reason = ask(a, rows[i].proof, rows[i].name, rows[i].arg);
        if (reason != rows[i].reason)
            fail_msg("row %zu, %s: %s instead of %s", i, rows[i].name,
                     verdict_reason_name(reason), verdict_reason_name(rows[i].reason));
    }
}

/* ---- NSEC ---- */

/* The chain of a zone with an insecure, a secure delegation, a DNAME, a CNAME, wildcards and
 * an empty non-terminal (ent.example.). */
static const char *const nsec_chain[] = {"example. NSEC *.example. NS SOA RRSIG NSEC DNSKEY",
                                         "*.example. NSEC alias.example. TXT RRSIG NSEC",
                                         "alias.example. NSEC cut.example. CNAME RRSIG NSEC",
                                         "cut.example. NSEC dname.example. NS RRSIG NSEC",
                                         "dname.example. NSEC x.ent.example. DNAME RRSIG NSEC",
                                         "x.ent.example. NSEC safe.example. A RRSIG NSEC",
                                         "safe.example. NSEC *.wild.example. NS DS RRSIG NSEC",
                                         "*.wild.example. NSEC www.example. CNAME RRSIG NSEC",
                                         "www.example. NSEC example. A RRSIG NSEC"};

static struct asked nsec_zone(void)
{
    struct asked a = start_asking("example.");
    for (size_t i = 0; i < ARRAY_LEN(nsec_chain); i++)
        add(&a, nsec_chain[i]);
    return a;
}

static void nsec_proves_what_it_says(void **state)
{
    static const struct row rows[] = {
        /* the wildcard stands in the way of NXDOMAIN */
        {NAME, "nope.example.", 0, VERDICT_EXISTS},
        {NAME, "www.example.", 0, VERDICT_EXISTS},
        {NAME, "ent.example.", 0, VERDICT_EXISTS},
        {NAME, "example.", 0, VERDICT_EXISTS},
        {NAME, "a.www.example.", 0, VERDICT_NONE},
        {NAME, "b.ent.example.", 0, VERDICT_NONE},
        {NAME, "www.other.", 0, VERDICT_NO_PROOF},
        {TYPE, "www.example.", RRTYPE_AAAA, VERDICT_NONE},
        {TYPE, "www.example.", RRTYPE_A, VERDICT_EXISTS},
        {TYPE, "www.example.", RRTYPE_RRSIG, VERDICT_EXISTS},
        {TYPE, "WWW.Example.", RRTYPE_ANY, VERDICT_EXISTS},
        {TYPE, "ent.example.", RRTYPE_A, VERDICT_NONE},
        {TYPE, "ent.example.", RRTYPE_ANY, VERDICT_NONE},
        {TYPE, "alias.example.", RRTYPE_A, VERDICT_EXISTS}, /* RFC 6840 4.3 */
        {TYPE, "alias.example.", RRTYPE_CNAME, VERDICT_EXISTS},
        {TYPE, "nope.example.", RRTYPE_A, VERDICT_NONE}, /* the wildcard has none */
        {TYPE, "nope.example.", RRTYPE_TXT, VERDICT_EXISTS},
        {TYPE, "x.wild.example.", RRTYPE_A, VERDICT_EXISTS},
        {TYPE, "wild.example.", RRTYPE_A, VERDICT_NONE},
        {TYPE, "example.", RRTYPE_MX, VERDICT_NONE},
        {TYPE, "example.", RRTYPE_DS, VERDICT_DS_AT_APEX},
        {CLOSER, "nope.example.", 1, VERDICT_NONE},
        {CLOSER, "x.nope.example.", 1, VERDICT_NONE},
        {CLOSER, "x.nope.example.", 2, VERDICT_EXISTS},
        {CLOSER, "www.example.", 1, VERDICT_EXISTS},
        {CLOSER, "ent.example.", 1, VERDICT_EXISTS},
        {CLOSER, "b.ent.example.", 1, VERDICT_EXISTS}, /* ent.example. is closer */
        {CLOSER, "a.b.wild.example.", 2, VERDICT_NONE},
        {CLOSER, "a.b.wild.example.", 1, VERDICT_EXISTS},
        {CLOSER, "nope.example.", 2, VERDICT_WRONG_PROOF},
        {CLOSER, "nope.example.", 0, VERDICT_WRONG_PROOF},
    };
    struct asked a = nsec_zone();
    (void)state;
    ask_all(&a, rows, ARRAY_LEN(rows));
    ask(&a, TYPE, "nope.example.", RRTYPE_A);
    assert_true(a.found.is_wildcard);
    assert_int_equal(a.found.encloser_labels, 1);
    assert_int_equal(a.work.hashes_left, RULES_HASHES);
}

/* A proof lists what each record does, and of a proof that fails the record that is against it.
 */
static void nsec_steps_are_told(void **state)
{
    static const struct {
        enum proof proof;
        const char *name;
        int arg;
        unsigned cnt;
        struct deny_step steps[2];
    } rows[] = {
        {NAME,
         "a.www.example.",
         0,
         2,
         {{8, DENY_COVERS, DENY_NAME}, {8, DENY_COVERS, DENY_WILDCARD}}},
        {TYPE, "www.example.", RRTYPE_AAAA, 1, {{8, DENY_MATCHES, DENY_NAME}}},
        {TYPE, "ent.example.", RRTYPE_A, 1, {{4, DENY_SPANS, DENY_NAME}}},
        {TYPE,
         "nope.example.",
         RRTYPE_A,
         2,
         {{5, DENY_COVERS, DENY_NAME}, {1, DENY_MATCHES, DENY_WILDCARD}}},
        {CLOSER, "nope.example.", 1, 1, {{5, DENY_COVERS, DENY_NAME}}},
        {DS, "cut.example.", 0, 1, {{3, DENY_MATCHES, DENY_NAME}}},
        {DS, "ent.example.", 0, 1, {{4, DENY_SPANS, DENY_NAME}}},
    };
    struct asked a = nsec_zone();
    char text[VERDICT_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(ask(&a, rows[i].proof, rows[i].name, rows[i].arg), VERDICT_NONE);
        assert_int_equal(a.found.step_cnt, rows[i].cnt);
        assert_null(a.verdict.proof);
        for (unsigned n = 0; n < rows[i].cnt; n++) {
            assert_int_equal(a.found.steps[n].record, rows[i].steps[n].record);
            assert_int_equal(a.found.steps[n].act, rows[i].steps[n].act);
            assert_int_equal(a.found.steps[n].subject, rows[i].steps[n].subject);
            assert_true(a.found.used >> rows[i].steps[n].record & 1);
        }
    }
    ask(&a, TYPE, "nope.example.", RRTYPE_TXT);
    verdict_print(&a.verdict, text);
    assert_string_equal(text,
                        "the proof has to deny nope.example. TXT, but the NSEC *.example. of "
                        "example. shows that it, or a wildcard for it, exists");
    ask(&a, NAME, "www.cut.example.", 0);
    verdict_print(&a.verdict, text);
    assert_string_equal(text,
                        "the NSEC cut.example. of example. is of a zone cut or DNAME above "
                        "www.cut.example., and says nothing of what is below");
}

/* RFC 6840 4.1: neither the zone below a cut nor what a DNAME moves is the zone's. */
static void nsec_of_an_ancestor_proves_nothing(void **state)
{
    static const struct row rows[] = {
        {NAME, "www.cut.example.", 0, VERDICT_ANCESTOR_PROOF},
        {TYPE, "www.cut.example.", RRTYPE_A, VERDICT_ANCESTOR_PROOF},
        {TYPE, "cut.example.", RRTYPE_A, VERDICT_ANCESTOR_PROOF},
        {TYPE, "cut.example.", RRTYPE_SOA, VERDICT_ANCESTOR_PROOF},
        {TYPE, "cut.example.", RRTYPE_DS, VERDICT_NONE},
        {TYPE, "safe.example.", RRTYPE_DS, VERDICT_EXISTS},
        {CLOSER, "www.cut.example.", 1, VERDICT_ANCESTOR_PROOF},
        {NAME, "a.dname.example.", 0, VERDICT_ANCESTOR_PROOF},
        {TYPE, "dname.example.", RRTYPE_A, VERDICT_NONE},
        {TYPE, "b.a.dname.example.", RRTYPE_A, VERDICT_ANCESTOR_PROOF},
        {DS, "a.dname.example.", 0, VERDICT_ANCESTOR_PROOF},
        {DS, "sub.cut.example.", 0, VERDICT_ANCESTOR_PROOF},
    };
    struct asked a = nsec_zone();
    (void)state;
    ask_all(&a, rows, ARRAY_LEN(rows));
}

/* RFC 4035 5.2, RFC 6840 4.4. */
static void nsec_proves_insecure_delegations(void **state)
{
    static const struct {
        const char *name;
        enum verdict_reason reason;
        bool is_cut;
    } rows[] = {
        {"cut.example.", VERDICT_NONE, true},    {"safe.example.", VERDICT_EXISTS, false},
        {"www.example.", VERDICT_NONE, false},   {"alias.example.", VERDICT_NONE, false},
        {"ent.example.", VERDICT_NONE, false},   {"nope.example.", VERDICT_NONE, false},
        {"example.", VERDICT_DS_AT_APEX, false}, {"other.", VERDICT_NO_PROOF, false}};
    struct asked a = nsec_zone();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_int_equal(ask(&a, DS, rows[i].name, 0), rows[i].reason);
        assert_int_equal(a.found.is_cut, rows[i].is_cut);
    }
}

/* The apex NSEC of the child has an SOA: it must not deny the DS in the parent. */
static void nsec_of_the_child_denies_no_ds(void **state)
{
    struct asked a = start_asking("example.");
    (void)state;
    add(&a, "cut.example. NSEC www.cut.example. NS SOA RRSIG NSEC");
    assert_int_equal(ask(&a, DS, "cut.example.", 0), VERDICT_DS_AT_APEX);
    assert_int_equal(ask(&a, TYPE, "cut.example.", RRTYPE_DS), VERDICT_DS_AT_APEX);
    /* the root has no parent */
    a = start_asking(".");
    add(&a, ". NSEC com. NS SOA RRSIG NSEC DNSKEY");
    assert_int_equal(ask(&a, TYPE, ".", RRTYPE_DS), VERDICT_NONE);
    assert_int_equal(ask(&a, TYPE, ".", RRTYPE_A), VERDICT_NONE);
    assert_int_equal(ask(&a, NAME, "aaa.", 0), VERDICT_NONE);
}

/* CVE-2026-13321: a next name, or an owner, outside the zone. */
static void nsec_out_of_the_zone_proves_nothing(void **state)
{
    struct asked a = start_asking("b.example.");
    (void)state;
    add(&a, "b.example. NSEC z.example. NS SOA RRSIG NSEC");
    assert_int_equal(ask(&a, NAME, "x.b.example.", 0), VERDICT_WRONG_PROOF);
    assert_int_equal(ask(&a, NAME, "c.example.", 0), VERDICT_NO_PROOF);
    assert_int_equal(ask(&a, TYPE, "b.example.", RRTYPE_A), VERDICT_WRONG_PROOF);
    a = start_asking("b.example.");
    add(&a, "a.example. NSEC z.b.example. A RRSIG NSEC");
    assert_int_equal(ask(&a, NAME, "x.b.example.", 0), VERDICT_WRONG_PROOF);
    /* the next name goes back, but not to the apex */
    a = start_asking("example.");
    add(&a, "m.example. NSEC c.example. A RRSIG NSEC");
    assert_int_equal(ask(&a, NAME, "x.example.", 0), VERDICT_WRONG_PROOF);
    assert_int_equal(ask(&a, NAME, "a.example.", 0), VERDICT_WRONG_PROOF);
}

static void the_last_nsec_goes_to_the_end(void **state)
{
    static const struct row rows[] = {{NAME, "zzz.example.", 0, VERDICT_WRONG_PROOF},
                                      {CLOSER, "zzz.example.", 1, VERDICT_NONE},
                                      {CLOSER, "a.example.", 1, VERDICT_WRONG_PROOF},
                                      {CLOSER, "a.www.example.", 2, VERDICT_NONE}};
    struct asked a = start_asking("example.");
    (void)state;
    add(&a, "www.example. NSEC eXample. A RRSIG NSEC");
    ask_all(&a, rows, ARRAY_LEN(rows));
    /* a zone of one name: its NSEC covers everything below */
    a = start_asking("example.");
    add(&a, "example. NSEC example. NS SOA RRSIG NSEC");
    assert_int_equal(ask(&a, NAME, "a.b.example.", 0), VERDICT_NONE);
    assert_int_equal(ask(&a, NAME, "example.", 0), VERDICT_EXISTS);
}

/* Names of minimal NSECs are between those that exist (RFC 4470, RFC 9824). */
static void minimal_nsec_is_understood(void **state)
{
    struct asked a = start_asking("example.");
    (void)state;
    add(&a, "nope.example. NSEC \\000.nope.example. RRSIG NSEC NXNAME");
    assert_int_equal(ask(&a, TYPE, "nope.example.", RRTYPE_A), VERDICT_NONE);
    assert_int_equal(ask(&a, TYPE, "nope.example.", RRTYPE_ANY), VERDICT_NONE);
    assert_int_equal(ask(&a, NAME, "nope.example.", 0), VERDICT_EXISTS);
    assert_int_equal(ask(&a, NAME, "a.nope.example.", 0), VERDICT_WRONG_PROOF);
    a = start_asking("example.");
    add(&a, "nop.example. NSEC nope\\000.example. RRSIG NSEC");
    add(&a, "\\).example. NSEC +.example. RRSIG NSEC");
    assert_int_equal(ask(&a, NAME, "nope.example.", 0), VERDICT_NONE);
}

static void odd_nsec_sets_are_ignored(void **state)
{
    struct asked a = start_asking("example.");
    (void)state;
    add(&a, "example. A 192.0.2.1");
    assert_int_equal(ask(&a, NAME, "a.example.", 0), VERDICT_NO_PROOF);
    assert_int_equal(verdict_ede(a.verdict.reason), 12);
    add(&a, "example. NSEC b.example. NS SOA\nexample. NSEC z.example. NS SOA");
    assert_int_equal(ask(&a, TYPE, "example.", RRTYPE_A), VERDICT_WRONG_PROOF);
    add(&a, "example. A 192.0.2.1");
    assert_int_equal(ask(&a, TYPE, "example.", RRTYPE_A), VERDICT_WRONG_PROOF);
}

/* A wildcard of 256 octets is no name, so it does not have to be denied. */
static void wildcards_may_be_too_long(void **state)
{
    char zone[400], next[500], line[1600], label[64];
    struct asked a = start_asking("example.");
    (void)state;
    memset(label, 'a', 63);
    label[63] = '\0';
    snprintf(zone, sizeof(zone), "%s.%s.%s.%.52s.example.", label, label, label, label);
    snprintf(next, sizeof(next), "b.%s", strchr(zone, '.') + 1);
    snprintf(line, sizeof(line), "%s NSEC %s A RRSIG NSEC", zone, next);
    add(&a, line);
    char text[500];
    snprintf(text, sizeof(text), "aaaab.%s", strchr(zone, '.') + 1);
    assert_int_equal(ask(&a, NAME, text, 0),
                     VERDICT_WRONG_PROOF); /* this one is short enough */
    add(&a, "a.example. NSEC c.example. A");
    assert_int_equal(ask(&a, NAME, "b.example.", 0), VERDICT_WRONG_PROOF);
}

/* ---- NSEC3 ---- */

/* One NSEC3 of a name; the next hash is `gap` behind it in the last octets. */
static void add_nsec3(struct asked *a, const char *zone, const char *text, const char *params,
                      const char *types, int from, int to)
{
    uint8_t name[DNAME_MAX], hash[NSEC3_HASH_LEN], low[NSEC3_HASH_LEN], high[NSEC3_HASH_LEN];
    char owner[NSEC3_LABEL_LEN + 1], next[NSEC3_LABEL_LEN + 1], line[1600];
    unsigned iterations = 0;
    char salt_text[600] = "-";
    uint8_t salt[255];
    size_t salt_len = 0;

    assert_true(sscanf(params, "%*u %*u %u %599s", &iterations, salt_text) == 2);
    for (const char *at = salt_text; *at != '-' && *at; at += 2)
        assert_int_equal(sscanf(at, "%2hhx", &salt[salt_len++]), 1);
    struct nsec3_params p = {.algorithm = 1,
                             .iterations = (uint16_t)iterations,
                             .salt_len = (uint8_t)salt_len,
                             .salt = salt};
    nsec3_hash(&p, unit_name(text, name), hash);
    memcpy(low, hash, sizeof(low));
    memcpy(high, hash, sizeof(high));
    low[0] = (uint8_t)(low[0] + from);
    high[0] = (uint8_t)(high[0] + to);
    nsec3_print_label(low, owner);
    nsec3_print_label(high, next);
    snprintf(line, sizeof(line), "%s.%s NSEC3 %s %s %s", owner, zone, params, next, types);
    add(a, line);
}

/* An NSEC3 that matches the name, and one that covers it. */
static void match3(struct asked *a, const char *text, const char *types)
{
    add_nsec3(a, "example.", text, "1 0 1 aabb", types, 0, 1);
}

static void cover3(struct asked *a, const char *text, const char *params)
{
    add_nsec3(a, "example.", text, params, "A RRSIG", -1, 1);
}

static void nsec3_proves_nxdomain(void **state)
{
    struct asked a = start_asking("example.");
    (void)state;
    match3(&a, "example.", "NS SOA RRSIG DNSKEY NSEC3PARAM");
    assert_int_equal(ask(&a, NAME, "x.nope.example.", 0), VERDICT_WRONG_PROOF);
    cover3(&a, "nope.example.", "1 0 1 aabb");
    assert_int_equal(ask(&a, NAME, "x.nope.example.", 0), VERDICT_WRONG_PROOF);
    cover3(&a, "*.example.", "1 0 1 aabb");
    assert_int_equal(ask(&a, NAME, "x.nope.example.", 0), VERDICT_NONE);
    assert_int_equal(a.found.encloser_labels, 1);
    assert_int_equal(a.found.used, 7);
    assert_int_equal(ask(&a, NAME, "nope.example.", 0), VERDICT_NONE);
    assert_int_equal(ask(&a, NAME, "example.", 0), VERDICT_EXISTS);
    assert_int_equal(ask(&a, TYPE, "nope.example.", RRTYPE_A), VERDICT_WRONG_PROOF);
    assert_int_equal(ask(&a, CLOSER, "x.nope.example.", 1), VERDICT_NONE);
    assert_int_equal(ask(&a, DS, "nope.example.", 0), VERDICT_NONE);
    assert_false(a.found.is_cut);
    /* the wildcard is there */
    match3(&a, "*.other.example.", "TXT RRSIG");
    match3(&a, "other.example.", "");
    cover3(&a, "a.other.example.", "1 0 1 aabb");
    assert_int_equal(ask(&a, NAME, "a.other.example.", 0), VERDICT_EXISTS);
    assert_int_equal(ask(&a, TYPE, "a.other.example.", RRTYPE_TXT), VERDICT_EXISTS);
    assert_int_equal(ask(&a, TYPE, "a.other.example.", RRTYPE_A), VERDICT_NONE);
    assert_true(a.found.is_wildcard);
    assert_int_equal(ask(&a, CLOSER, "a.other.example.", 2), VERDICT_NONE);
    assert_int_equal(ask(&a, CLOSER, "a.other.example.", 1), VERDICT_EXISTS);
    assert_int_equal(ask(&a, TYPE, "other.example.", RRTYPE_A), VERDICT_NONE);
    assert_int_equal(ask(&a, TYPE, "other.example.", RRTYPE_ANY), VERDICT_NONE);
}

static void nsec3_denies_types(void **state)
{
    static const struct row rows[] = {
        {TYPE, "www.example.", RRTYPE_AAAA, VERDICT_NONE},
        {TYPE, "www.example.", RRTYPE_A, VERDICT_EXISTS},
        {TYPE, "www.example.", RRTYPE_ANY, VERDICT_EXISTS},
        {TYPE, "alias.example.", RRTYPE_A, VERDICT_EXISTS},
        {TYPE, "cut.example.", RRTYPE_A, VERDICT_ANCESTOR_PROOF},
        {TYPE, "cut.example.", RRTYPE_DS, VERDICT_NONE},
        {TYPE, "safe.example.", RRTYPE_DS, VERDICT_EXISTS},
        {TYPE, "example.", RRTYPE_DS, VERDICT_DS_AT_APEX},
        {DS, "cut.example.", 0, VERDICT_NONE},
        {DS, "safe.example.", 0, VERDICT_EXISTS},
        {DS, "www.example.", 0, VERDICT_NONE},
        {DS, "example.", 0, VERDICT_DS_AT_APEX},
        {DS, "child.example.", 0, VERDICT_DS_AT_APEX},
        /* below a cut or a DNAME */
        {NAME, "a.cut.example.", 0, VERDICT_ANCESTOR_PROOF},
        {TYPE, "a.cut.example.", RRTYPE_A, VERDICT_ANCESTOR_PROOF},
        {NAME, "a.dname.example.", 0, VERDICT_ANCESTOR_PROOF},
    };
    struct asked a = start_asking("example.");
    (void)state;
    match3(&a, "example.", "NS SOA RRSIG");
    match3(&a, "www.example.", "A RRSIG");
    match3(&a, "alias.example.", "CNAME RRSIG");
    match3(&a, "cut.example.", "NS");
    match3(&a, "safe.example.", "NS DS RRSIG");
    match3(&a, "child.example.", "NS SOA RRSIG");
    match3(&a, "dname.example.", "DNAME RRSIG");
    cover3(&a, "a.cut.example.", "1 0 1 aabb");
    cover3(&a, "*.cut.example.", "1 0 1 aabb");
    cover3(&a, "a.dname.example.", "1 0 1 aabb");
    cover3(&a, "*.dname.example.", "1 0 1 aabb");
    ask_all(&a, rows, ARRAY_LEN(rows));
    ask(&a, DS, "cut.example.", 0);
    assert_true(a.found.is_cut);
    ask(&a, DS, "www.example.", 0);
    assert_false(a.found.is_cut);
}

/* An opt-out span proves nothing of what it covers but that it may be unsigned (RFC 5155 9.2).
 */
static void opt_out_is_insecure(void **state)
{
    static const struct row rows[] = {{NAME, "nope.example.", 0, VERDICT_OPT_OUT},
                                      {TYPE, "nope.example.", RRTYPE_A, VERDICT_OPT_OUT},
                                      {TYPE, "nope.example.", RRTYPE_DS, VERDICT_OPT_OUT},
                                      {CLOSER, "nope.example.", 1, VERDICT_OPT_OUT},
                                      {DS, "nope.example.", 0, VERDICT_OPT_OUT}};
    struct asked a = start_asking("example.");
    (void)state;
    match3(&a, "example.", "NS SOA RRSIG");
    cover3(&a, "nope.example.", "1 1 1 aabb");
    cover3(&a, "*.example.", "1 0 1 aabb");
    ask_all(&a, rows, ARRAY_LEN(rows));
    assert_true(a.found.is_cut);
}

/* CVE-2026-10723: an NSEC3 of a child zone, or of a parent, as this zone's proof. */
static void nsec3_of_other_zones_proves_nothing(void **state)
{
    struct asked a = start_asking("example.");
    (void)state;
    add_nsec3(&a, "sub.example.", "example.", "1 0 1 aabb", "NS SOA RRSIG", 0, 1);
    add_nsec3(&a, "", "nope.example.", "1 0 1 aabb", "A", -1, 1);
    add_nsec3(&a, "other.", "*.example.", "1 0 1 aabb", "A", -1, 1);
    assert_int_equal(ask(&a, NAME, "nope.example.", 0), VERDICT_WRONG_PROOF);
    assert_int_equal(ask(&a, TYPE, "example.", RRTYPE_A), VERDICT_WRONG_PROOF);
    a = start_asking("example.");
    add(&a, "nohash.example. NSEC3 1 0 0 - 2t7b4g4vsa5smi47k61mv5bv1a22bojr A");
    assert_int_equal(ask(&a, NAME, "nope.example.", 0), VERDICT_WRONG_PROOF);
}

static void odd_parameters_are_refused(void **state)
{
    struct asked a = start_asking("example.");
    (void)state;
    match3(&a, "example.", "NS SOA RRSIG");
    cover3(&a, "nope.example.", "1 0 0 aabb");
    cover3(&a, "*.example.", "1 0 1 aabb");
    assert_int_equal(ask(&a, NAME, "nope.example.", 0), VERDICT_MIXED_NSEC3);
    a.cnt = 1;
    cover3(&a, "nope.example.", "1 0 1 aabbcc");
    assert_int_equal(ask(&a, NAME, "nope.example.", 0), VERDICT_MIXED_NSEC3);
    /* unknown algorithms and flags are ignored, whatever their parameters */
    a.cnt = 1;
    cover3(&a, "nope.example.", "2 0 9 aa");
    cover3(&a, "nope.example.", "1 2 1 aabb");
    assert_int_equal(ask(&a, NAME, "nope.example.", 0), VERDICT_WRONG_PROOF);
    /* no salt, no iterations: what RFC 9276 wants */
    a.cnt = 0;
    add_nsec3(&a, "example.", "example.", "1 0 0 -", "NS SOA", 0, 1);
    cover3(&a, "nope.example.", "1 0 0 -");
    cover3(&a, "*.example.", "1 0 0 -");
    assert_int_equal(ask(&a, NAME, "nope.example.", 0), VERDICT_NONE);
}

/* RFC 9276 3.2, and HashTrap: what is insecure is not hashed. */
static void iterations_are_limited(void **state)
{
    struct asked a = start_asking("example.");
    (void)state;
    add_nsec3(&a, "example.", "example.", "1 0 51 -", "NS SOA", 0, 1);
    cover3(&a, "nope.example.", "1 0 51 -");
    assert_int_equal(ask(&a, NAME, "nope.example.", 0), VERDICT_ITERATIONS);
    assert_int_equal(a.verdict.iterations, 51);
    assert_int_equal(verdict_ede(a.verdict.reason), 27);
    assert_int_equal(a.work.hashes_left, RULES_HASHES);
    a.rules.iterations_max = 51;
    assert_int_equal(ask(&a, NAME, "nope.example.", 0), VERDICT_WRONG_PROOF);
    a.rules.iterations_max = 0;
    assert_int_equal(ask(&a, NAME, "nope.example.", 0), VERDICT_ITERATIONS);
    a = start_asking("example.");
    add_nsec3(&a, "example.", "example.", "1 0 65535 -", "NS SOA", 0, 1);
    assert_int_equal(ask(&a, DS, "nope.example.", 0), VERDICT_ITERATIONS);
}

/* CVE-2023-50868: names of 120 labels. */
static void hashes_are_limited(void **state)
{
    char text[260] = "", params[600] = "1 0 50 ";
    struct asked a = start_asking("example.");
    (void)state;
    for (unsigned i = 0; i < 120; i++)
        strcat(text, "a.");
    strcat(text, "example.");
    for (unsigned i = 0; i < 35; i++)
        strcat(params, "5a");
    add_nsec3(&a, "example.", "b.example.", params, "A", 0, 1);
    assert_int_equal(ask(&a, NAME, text, 0), VERDICT_WRONG_PROOF);
    assert_int_equal(a.work.hashes_left, RULES_HASHES - 121);
    assert_int_equal(ask(&a, NAME, text, 0), VERDICT_WORK);
    assert_int_equal(a.verdict.status, VERDICT_UNKNOWN);
    assert_int_equal(a.work.hashes_left, 0);
    assert_int_equal(ask(&a, CLOSER, text, 1), VERDICT_WORK);
    /* with the longest salt a hash is worth five */
    a = start_asking("example.");
    for (unsigned i = 35; i < 255; i++)
        strcat(params, "5a");
    add_nsec3(&a, "example.", "b.example.", params, "A", 0, 1);
    assert_int_equal(ask(&a, NAME, text, 0), VERDICT_WORK);
    assert_int_equal(a.work.hashed, RULES_HASHES / 5);
    assert_int_equal(a.verdict.status, VERDICT_UNKNOWN);
    assert_int_equal(a.work.hashes_left, 0);
    assert_int_equal(ask(&a, CLOSER, text, 1), VERDICT_WORK);
}

/* Only the first records of a padded answer are looked at. */
static void padded_proofs_are_limited(void **state)
{
    struct asked a = start_asking("example.");
    (void)state;
    for (unsigned i = 0; i < DENY_RECORDS_MAX; i++)
        add(&a, "a.example. NSEC b.example. A");
    add(&a, "www.example. NSEC example. A");
    assert_int_equal(ask(&a, TYPE, "www.example.", RRTYPE_AAAA), VERDICT_WRONG_PROOF);
    a.records[0] = a.records[DENY_RECORDS_MAX];
    assert_int_equal(ask(&a, TYPE, "www.example.", RRTYPE_AAAA), VERDICT_NONE);
}

/* A chain of one NSEC3, and the last one, go round. */
static void nsec3_goes_round(void **state)
{
    static const struct {
        const char *owner, *next;
    } rows[] = {{"00000000000000000000000000000000", "00000000000000000000000000000000"},
                {"vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv", "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"},
                {"00000000000000000000000000000000", "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct asked a = start_asking("example.");
        char line[200];
        snprintf(line, sizeof(line), "%s.example. NSEC3 1 0 0 - %s A", rows[i].owner,
                 rows[i].next);
        add(&a, line);
        assert_int_equal(ask(&a, CLOSER, "a.example.", 1), VERDICT_NONE);
    }
    struct asked a = start_asking("example.");
    add(&a, "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvu.example. NSEC3 1 0 0 - "
            "00000000000000000000000000000001 A");
    assert_int_equal(ask(&a, CLOSER, "a.example.", 1), VERDICT_WRONG_PROOF);
}

/* The TTL of a proof is the least of its records. */
static void the_least_ttl_counts(void **state)
{
    struct asked a = start_asking("example.");
    (void)state;
    add(&a, "example. 300 NSEC b.example. NS SOA");
    add(&a, "a.example. 10 NSEC b.example. A");
    add(&a, "b.example. 100 NSEC x.example. A");
    assert_int_equal(ask(&a, NAME, "c.example.", 0), VERDICT_NONE);
    assert_int_equal(a.found.ttl, 100);
    assert_int_equal(a.found.used, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nsec_proves_what_it_says),
        cmocka_unit_test(nsec_steps_are_told),
        cmocka_unit_test(nsec_of_an_ancestor_proves_nothing),
        cmocka_unit_test(nsec_proves_insecure_delegations),
        cmocka_unit_test(nsec_of_the_child_denies_no_ds),
        cmocka_unit_test(nsec_out_of_the_zone_proves_nothing),
        cmocka_unit_test(the_last_nsec_goes_to_the_end),
        cmocka_unit_test(minimal_nsec_is_understood),
        cmocka_unit_test(odd_nsec_sets_are_ignored),
        cmocka_unit_test(wildcards_may_be_too_long),
        cmocka_unit_test(nsec3_proves_nxdomain),
        cmocka_unit_test(nsec3_denies_types),
        cmocka_unit_test(opt_out_is_insecure),
        cmocka_unit_test(nsec3_of_other_zones_proves_nothing),
        cmocka_unit_test(odd_parameters_are_refused),
        cmocka_unit_test(iterations_are_limited),
        cmocka_unit_test(hashes_are_limited),
        cmocka_unit_test(padded_proofs_are_limited),
        cmocka_unit_test(nsec3_goes_round),
        cmocka_unit_test(the_least_ttl_counts),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
