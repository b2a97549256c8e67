/* ghost: a domain lives on after its registry has removed it (Jiang and others, 2012).
 *
 * A registry takes a domain from a criminal by removing the delegation.  Resolvers forget it
 * when the TTL of the delegation expires, after a day here.  But the criminal's server is still
 * up, and each of its answers names the servers of the zone, with a TTL of its own.  If the
 * resolver takes these NS records for the delegation, one query per half a day, by anybody,
 * keeps the domain alive for as long as the criminal likes.
 *
 * Here the criminal's domain is ghost.com, and the registry is com.  Time passes by the clock
 * of the resolver, which the experiment moves. */
#include <unistd.h>

#include "base/file.h"
#include "dns/dname_text.h"
#include "tools/ask.h"
#include "tools/lab/experiment.h"

enum {
    STEP_S = 12 * 3600,
    STEPS = 6, /* three days; the delegation has a TTL of one */
    ZONE_MAX = 1 << 20,
    CLIENT_MS = 8000,
};

/* The server of ghost.com: it has an address for each name, and names itself as the
 * zone's server each time. */
static void answer_as_ghost(struct trial *t, const struct message *query,
                            struct trial_message *reply)
{
    (void)t;
    char name[DNAME_TEXT_MAX];

    dname_text_print(message_qname(query), name);
    if (query->qtype == RRTYPE_A)
        trial_record_a(reply, MESSAGE_ANSWER, name, 60, "192.0.2.66");
    trial_record_name(reply, MESSAGE_AUTHORITY, "ghost.com", RRTYPE_NS, 86400, "ns.ghost.com");
    trial_record_a(reply, MESSAGE_ADDITIONAL, "ns.ghost.com", 86400, "192.0.2.67");
}

/* Ask from a client while the attacker's server answers.  Return true if the domain lives. */
static bool ask_ghost(struct trial *t, int server, const char *host, const char *name)
{
    int client = trial_ask_begin(t, host, name, RRTYPE_A);

    (void)trial_serve(t, server, client, CLIENT_MS, answer_as_ghost);
    struct trial_reply reply = trial_ask_end(client, CLIENT_MS);
    return strcmp(reply.address, "192.0.2.66") == 0;
}

/* Let time pass for the resolver. */
static void pass_time(const struct trial *t, int64_t seconds)
{
    struct json *request = json_new_object(), *answer = NULL;
    char path[SITE_PATH_MAX];

    site_path(t->site, topology_find("resolver"), "control.sock", path);
    json_put_text(request, "command", "clock");
    json_put_number(request, "add-s", seconds);
    if (ask_daemon(path, ASK_RESOLVER, request, &answer) != 0)
        trial_fail("this experiment moves the clock of the resolver: it needs a laboratory "
                   "with Rootline's");
    json_free(&answer);
}

/* Write the registry's zone, without the lines that name `without` (NULL: with all), and have
 * its server load it. */
static void write_registry(const struct trial *t, const char *text, const char *without)
{
    char path[SITE_PATH_MAX];

    snprintf(path, sizeof(path), "%s/zones/com.plain", t->site->folder);
    FILE *out = fopen(path, "we");
    if (!out)
        trial_fail("cannot write %s", path);
    for (const char *line = text, *end; *line; line = end) {
        end = strchr(line, '\n');
        end = end ? end + 1 : line + strlen(line);
        const char *found = without ? strstr(line, without) : NULL;
        if (!found || found >= end)
            fwrite(line, 1, (size_t)(end - line), out);
    }
    fclose(out);
    trial_sign_zone(t, "com", "com", NULL);
}

static char *read_registry(const struct trial *t)
{
    char path[SITE_PATH_MAX], *text;
    size_t len;

    snprintf(path, sizeof(path), "%s/zones/com.plain", t->site->folder);
    if (file_read(path, ZONE_MAX, &text, &len, NULL) != ERR_OK)
        trial_fail("cannot read %s", path);
    return text;
}

static void run_ghost(struct trial *t)
{
    const struct addr at = trial_second("attacker", 53);
    int server = trial_open(t, "attacker", &at, SOCK_DGRAM);
    char *zone = read_registry(t), name[64];
    unsigned step = 0;

    pass_time(t,
              1); /* a resolver that cannot do this ends the run before anything is changed */
    bool lived = ask_ghost(t, server, "alice", "www.ghost.com");
    write_registry(t, zone, "ghost");
    trial_tell(t, "com has removed the delegation of ghost.com");
    for (bool lives = lived; lives && step < STEPS; step++) {
        pass_time(t, STEP_S);
        snprintf(name, sizeof(name), "n%u.ghost.com", step);
        lives = ask_ghost(t, server, "bob", name);
        trial_tell(t, "after %u hours ghost.com %s", (step + 1) * STEP_S / 3600,
                   lives ? "lives" : "is gone");
    }
    bool lives = ask_ghost(t, server, "alice", "www.ghost.com");
    write_registry(t, zone, NULL);
    free(zone);
    close(server);
    trial_text(t, "before-removal", "%s", lived ? "192.0.2.66" : "no address");
    trial_number(t, "delegation-ttl-hours", 24);
    trial_number(t, "hours-since-removal", step * STEP_S / 3600);
    trial_text(t, "alice-gets", "%s", lives ? "192.0.2.66" : "no address");
    if (lives)
        trial_end(t, true, "ghost.com lives %u hours after its registry removed it",
                  step * STEP_S / 3600);
    else
        trial_end(t, false, "ghost.com is gone %u hours after its registry removed it",
                  step * STEP_S / 3600);
}

const struct experiment experiment_ghost = {
    .name = "ghost",
    .what = "a domain that its registry has removed lives on in the cache",
    .without = "sections,dnssec",
    .stopped =
        "sections: only the parent's delegation counts, until its TTL expires; what a "
        "zone says of its own servers does not prolong it.  With DNSSEC the domain is gone "
        "earlier, because the parent is asked again whether it is signed",
    .counters = {"queries-sent-udp"},
    .run = run_ghost,
};
