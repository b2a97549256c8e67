/* authd/auth_conf.h | the configuration of authd
 *
 * Owner:    auth_conf_read gives it to the caller.
 * Thread:   the main thread.
 */
#pragma once

#include "authd/zone/zoneset.h"
#include "net/daemon/server_conf.h"

struct auth_conf_zone {
    const uint8_t *name; /* wire form */
    const char *file;
    struct diag_place place; /* where the configuration names the file */
};

/* Lifetime: from auth_conf_read to auth_conf_free. */
struct auth_conf {
    struct arena arena;
    struct server_conf server;
    struct conf_list zones; /* of struct auth_conf_zone; those of the directory come behind */
    const char *directory;  /* its files NAME.zone are zones too; "" for none */
};

/* Read and check `path`.  ERR_CONFIG: the diag says what is wrong. */
MUST_USE enum err auth_conf_read(const char *path, struct diag *diag, struct auth_conf **out);

/* The same from memory. */
MUST_USE enum err auth_conf_parse(const char *path, const char *text, size_t len,
                                  struct diag *diag, struct auth_conf **out);

/* Look whether the zone files that it names, and those of its directory, are there and may be
 * read; `is_deep`: load each of them too. ERR_CONFIG: the diag says what is wrong. */
MUST_USE enum err auth_conf_check(const struct auth_conf *conf, bool is_deep,
                                  struct diag *diag);

/* Free it.  Clears the pointer; NULL inside is fine. */
void auth_conf_free(struct auth_conf **conf);

/* Load the zones it names and those that its directory holds now.  Those whose files are as
 * they were in `before` (may be NULL) are shared; a broken file keeps the version before, or
 * gives a zone that answers SERVFAIL, and its faults are logged.  *failed_cnt gets the number
 * of these. */
MUST_USE enum err auth_conf_load(const struct auth_conf *conf, const struct zoneset *before,
                                 struct zoneset **out, size_t *failed_cnt);
