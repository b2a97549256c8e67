/* tools/lab/trial.h | one run of an experiment: what its roles can do, and what it found
 *
 * All roles of an experiment (client, attacker, server) are played by one process, in turn.  A
 * socket belongs to the host on which it was opened, and hears and says only what passes on the
 * wire of that host.
 *
 * An attack is code for students to read: functions here report errors themselves and end the
 * process, so that experiments are free of error handling.
 *
 * Thread:   the only one.
 */
#pragma once

#include "base/rng.h"
#include "dns/dname_text.h"
#include "dns/message.h"
#include "tools/lab/defence.h"
#include "tools/lab/site.h"
#include "tools/lab/space.h"
#include "tools/packet.h"

enum {
    TRIAL_OUTCOME_MAX = 200,
    TRIAL_EXIT_FENCE = 2, /* exit status outside a fence */
};

/* Lifetime: one run. */
struct trial {
    const struct space *space;
    const struct site *site;
    struct defence_set off;
    struct rng rng; /* all chances of the attacker come from the seed */
    bool tells;     /* print what happens as it happens */
    struct json *facts;
    struct json *stats_before; /* counters of the resolver when the run began */
    bool has_succeeded;        /* the attack */
    char outcome[TRIAL_OUTCOME_MAX];
    uint64_t packets; /* forged packets sent */
};

/* ---- what was found ---- */

/* Record a fact under an identifier, a noun phrase such as "forged-replies". */
void trial_number(struct trial *t, const char *key, int64_t value);
void trial_real(struct trial *t, const char *key, double value); /* to two places */
void trial_text(struct trial *t, const char *key, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Record the outcome: whether the attack succeeded, and what was achieved. */
void trial_end(struct trial *t, bool has_succeeded, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Tell what happens, with --tell. */
void trial_tell(const struct trial *t, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Return the resolver's answer to a command on its control socket, such as "status", which the
 * caller frees; NULL: the resolver is none of ours. */
struct json *trial_control(const struct trial *t, const char *command);

/* Return how much a counter of the resolver (`rootline stats`) has grown in this run. */
int64_t trial_counter(const struct trial *t, const char *key);

/* Record how many replies the resolver rejected, by reason (`rootline status --rejected`): what
 * came close, and what was wrong with it. */
void trial_note_rejected(struct trial *t);

/* Report what is wrong and end the process. */
_Noreturn void trial_fail(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* Start the daemon of a host anew, with the configuration and zones that its files have now. */
void trial_restart(const struct trial *t, const char *host);

/* Set the delay of a host's link, one way; 0: that of topology.c. */
void trial_set_delay(const struct trial *t, const char *host, unsigned delay_ms);

/* Sign a zone of a host again, with another option of `rootline zone sign` (NULL: none), and
 * start its server anew. */
void trial_sign_zone(const struct trial *t, const char *host, const char *zone,
                     const char *option);

/* ---- sockets ---- */

/* Return the address of a host with a port: its first address, or its second. */
struct addr trial_addr(const char *host, uint16_t port);
struct addr trial_second(const char *host, uint16_t port);

/* Check, if that was not done within a second, that no packet can leave the laboratory from any
 * host.  Otherwise end the process with TRIAL_EXIT_FENCE and the reason.  What opens a socket
 * or forges a packet here calls it first. */
void trial_check_fence(const struct space *space);

/* Open a UDP socket on a host, bound to `port` of `at` (0: any).  `type`: SOCK_DGRAM, or
 * SOCK_STREAM for a listening TCP socket.  The caller closes it. */
int trial_open(const struct trial *t, const char *host, const struct addr *at, int type);

/* Wait until a socket is readable, at most `wait_ms`. */
bool trial_wait(int fd, int wait_ms);

/* Open a socket on a host that forges packets, IPv4; the other one: IPv6. */
int trial_open_forger(const struct trial *t, const char *host);
int trial_open_forger6(const struct trial *t, const char *host);

/* Send a forged packet, made with packet_make.  Ends the process with TRIAL_EXIT_FENCE if the
 * destination is not in the laboratory, or if packets could leave it (checked every second). */
void trial_forge(struct trial *t, int fd, const struct packet *packet);

/* Forge replies with these octets from one address to another until `end_us` (now_mono_us),
 * each with a random ID in the first two octets.  Return their number. */
unsigned trial_guess_ids(struct trial *t, int fd, const struct addr *from,
                         const struct addr *to, uint8_t *wire, size_t len, uint64_t end_us);

/* Open a socket on a host that hears its wire. */
int trial_open_ear(const struct trial *t, const char *host);

/* Wait at most `wait_ms` for a UDP datagram on the wire that was not sent by the host itself.
 * `view` points into a buffer that the next call reuses. */
bool trial_hear(int fd, int wait_ms, struct packet_view *view);

/* Return how many queries (datagrams to port 53) an ear has heard since the last call. */
unsigned trial_count_queries(int ear);

/* ---- DNS ---- */

/* What a client got. */
struct trial_reply {
    bool has_come;
    unsigned rcode;
    bool is_authentic; /* AD */
    unsigned answer_cnt;
    char address[ADDR_TEXT_MAX]; /* of the first A record; "": none */
    uint32_t ttl;                /* of that record */
    size_t len;                  /* octets */
};

/* Ask the resolver from a host, and wait for the reply. */
struct trial_reply trial_ask(const struct trial *t, const char *host, const char *name,
                             uint16_t type);

/* The two halves of it: send a query and return the socket; later wait at most `wait_ms` for
 * the reply and close the socket. */
int trial_ask_begin(const struct trial *t, const char *host, const char *name, uint16_t type);
struct trial_reply trial_ask_end(int fd, int wait_ms);

/* As trial_ask, over TLS; the client checks that the certificate is the resolver's. */
struct trial_reply trial_tls_ask(const struct trial *t, const char *host, const char *name,
                                 uint16_t type);

/* Read a message that a client has received. */
struct trial_reply trial_read_reply(const uint8_t *wire, size_t len);

/* As trial_ask_begin, without RD: the resolver may answer from its cache only. */
int trial_ask_from_cache(const struct trial *t, const char *host, const char *name,
                         uint16_t type);

/* Send a query to any server, with EDNS and the DO bit if `is_do`, and return the socket. */
int trial_query(const struct trial *t, const char *host, const struct addr *server,
                const char *name, uint16_t type, bool is_do);

/* Return the port from which the resolver's last query left, as an off-path attacker learns it:
 * a client asks for a name of the attacker's own zone.  0: no query came. */
uint16_t trial_learn_port(const struct trial *t);

/* A reply being written.  Lifetime: the caller's. */
struct trial_message {
    uint8_t wire[MESSAGE_MAX];
    size_t len;
};

/* Write a reply to a query of the resolver; header and question are written already. */
typedef void trial_answer(struct trial *t, const struct message *query,
                          struct trial_message *reply);

/* Be an authoritative server: answer what arrives on `server`, a UDP socket, until `client` is
 * readable, at most `wait_ms`.  Return the number of queries. */
unsigned trial_serve(struct trial *t, int server, int client, int wait_ms,
                     trial_answer *answer);

/* As trial_serve, also over TCP on `tcp`, a listening socket: replies of more than 1232 octets
 * are truncated over UDP.  Replies to queries with EDNS have an OPT record. */
unsigned trial_serve_both(struct trial *t, int udp, int tcp, int client, int wait_ms,
                          trial_answer *answer);

/* Write a name given as text, which must be a valid one. */
void trial_name(const char *text, uint8_t out[DNAME_MAX]);

/* Print the name that a query asks for in lower case, with its final dot. */
void trial_print_qname(const struct message *query, char out[DNAME_TEXT_MAX]);

/* Begin a message with this question. */
void trial_begin(struct trial_message *m, uint16_t id, uint16_t flags, const uint8_t *name,
                 uint16_t type);

/* Append a record; `rdata` is in wire format without compression. */
void trial_record(struct trial_message *m, enum message_section section, const char *owner,
                  uint16_t type, uint32_t ttl, const void *rdata, size_t rdata_len);

/* Append an A record, or an NS or CNAME record. */
void trial_record_a(struct trial_message *m, enum message_section section, const char *owner,
                    uint32_t ttl, const char *address);
void trial_record_name(struct trial_message *m, enum message_section section, const char *owner,
                       uint16_t type, uint32_t ttl, const char *target);
