/* walk: everybody reads the whole zone.
 *
 * An NSEC record proves that a name does not exist by naming the next one that does.  So the
 * denials lead from name to name through the zone (zone walking).  NSEC3 names hashes instead:
 * the attacker still collects them all, but must guess the names, at the cost of a hash per
 * guess.  A dictionary finds the usual names; nobody finds "q7-merger-talks". */
#include <sys/socket.h>
#include <unistd.h>

#include "dns/dname_text.h"
#include "dns/nsec3.h"
#include "tools/lab/experiment.h"

enum { WALK_MAX = 200, WALK_WAIT_MS = 3000, HASHES_MAX = 64 };

static const char *const dictionary[] = {"www", "mail", "ns", "ftp", "backup", "vpn", "dev"};

/* Lifetime: the run. */
struct walk {
    struct trial *t;
    unsigned queries;
    unsigned found; /* names */
    char names[400];
    uint8_t hashes[HASHES_MAX][NSEC3_HASH_LEN]; /* owners of NSEC3 records */
    struct nsec3_params params;
    unsigned hash_cnt;
    bool has_secret;
};

static void note_name(struct walk *w, const char *name)
{
    const size_t len = strlen(w->names);

    w->found++;
    snprintf(w->names + len, sizeof(w->names) - len, "%s%s", len ? ", " : "", name);
    w->has_secret |= strncmp(name, "q7-merger-talks.", 16) == 0;
}

/* Ask the zone's server, and read its reply into `m`, which points to a static buffer. */
static bool ask_server(struct walk *w, const char *name, struct message *m)
{
    static uint8_t wire[MESSAGE_MAX];
    const struct addr server = trial_addr("post", 53);
    int fd = trial_query(w->t, "attacker", &server, name, RRTYPE_TXT, true);
    ssize_t len = trial_wait(fd, WALK_WAIT_MS) ? recv(fd, wire, sizeof(wire), 0) : 0;

    close(fd);
    w->queries++;
    return len > 0 && message_parse(wire, (size_t)len, m) == MESSAGE_WHOLE;
}

/* From an owner to the next, until the chain is closed. */
static void follow_nsec(struct walk *w)
{
    char name[DNAME_TEXT_MAX] = "post.org.", ask[DNAME_TEXT_MAX + 8];

    while (w->queries < WALK_MAX) {
        struct message m;
        struct message_record r;
        bool has_next = false;
        /* a name just behind the one that is known: it does not exist */
        snprintf(ask, sizeof(ask), "\\000.%s", name);
        if (!ask_server(w, ask, &m))
            return;
        struct message_walk walk = message_walk(&m);
        while (message_next(&walk, &r)) {
            char owner[DNAME_TEXT_MAX];
            dname_text_print(r.owner, owner);
            if (r.type == RRTYPE_NSEC && strcmp(owner, name) == 0) {
                dname_text_print(r.rdata, name);
                has_next = true;
                break;
            }
        }
        if (!has_next)
            return;
        note_name(w, name);
        if (strcmp(name, "post.org.") == 0)
            return;
    }
}

/* The parameters point into `salt`, because the reply is overwritten by the next. */
static void note_hash(struct walk *w, const struct message_record *r)
{
    static uint8_t salt[255];
    uint8_t hash[NSEC3_HASH_LEN];

    if (r->rdata_len < 5 || r->rdata_len < 5 + r->rdata[4] || !nsec3_read_label(r->owner, hash))
        return;
    w->params = nsec3_read_params(r->rdata);
    memcpy(salt, w->params.salt, w->params.salt_len);
    w->params.salt = salt;
    for (unsigned i = 0; i < w->hash_cnt; i++)
        if (memcmp(w->hashes[i], hash, sizeof(hash)) == 0)
            return;
    if (w->hash_cnt < HASHES_MAX)
        memcpy(w->hashes[w->hash_cnt++], hash, sizeof(hash));
}

/* Collect hashes with random names, then guess. */
static void collect_hashes(struct walk *w)
{
    char ask[64];

    for (unsigned i = 0; i < WALK_MAX / 2; i++) {
        struct message m;
        struct message_record r;
        snprintf(ask, sizeof(ask), "%08x.post.org", rng_u32(&w->t->rng));
        if (!ask_server(w, ask, &m))
            return;
        struct message_walk walk = message_walk(&m);
        while (message_next(&walk, &r))
            if (r.type == RRTYPE_NSEC3)
                note_hash(w, &r);
    }
    for (size_t i = 0; i < ARRAY_LEN(dictionary) && w->hash_cnt > 0; i++) {
        uint8_t name[DNAME_MAX], hash[NSEC3_HASH_LEN];
        snprintf(ask, sizeof(ask), "%s.post.org.", dictionary[i]);
        trial_name(ask, name);
        nsec3_hash(&w->params, name, hash);
        for (unsigned n = 0; n < w->hash_cnt; n++)
            if (memcmp(w->hashes[n], hash, sizeof(hash)) == 0)
                note_name(w, ask);
    }
}

static void run_walk(struct trial *t)
{
    struct walk w = {.t = t};
    const bool has_nsec3 = !t->off.is_off[DEFENCE_NSEC3];

    trial_sign_zone(t, "post", "post.org", has_nsec3 ? "--nsec3" : NULL);
    follow_nsec(&w);
    if (w.found == 0)
        collect_hashes(&w);
    if (has_nsec3)
        trial_sign_zone(t, "post", "post.org", NULL);
    trial_number(t, "queries", w.queries);
    trial_number(t, "hashes-collected", w.hash_cnt);
    trial_number(t, "names-found", w.found);
    trial_text(t, "names", "%s", w.names);
    if (w.has_secret)
        trial_end(t, true, "all %u names, q7-merger-talks.post.org among them", w.found);
    else
        trial_end(t, false, "%u names of a dictionary, but not the one that matters", w.found);
}

const struct experiment experiment_walk = {
    .name = "walk",
    .what = "a stranger reads the names of a signed zone, one denial after the other",
    .without = "nsec3",
    .stopped = "NSEC3: the denials name hashes, and only names that can be guessed are found",
    .run = run_walk,
};
