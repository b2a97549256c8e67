/* authd/auth_conf.h | the configuration of rootline-authd
 *
 * Owner:    the caller of auth_conf_read or auth_conf_parse, until auth_conf_free.
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
    struct conf_list zones; /* struct auth_conf_zone; the zones of `directory` are not in it */
    const char *directory;  /* every file NAME.zone in it is a zone too; "": none */
    bool is_any_minimal;    /* RFC 8482 4.1; false: `lab` in a closed network only */
};

/* Read and check the file `path`; caller frees *out with auth_conf_free.  ERR_CONFIG: `diag`
 * has the errors; ERR_NOMEM. */
MUST_USE enum err auth_conf_read(const char *path, struct diag *diag, struct auth_conf **out);

/* The same for a text in memory; `path` is its name in messages. */
MUST_USE enum err auth_conf_parse(const char *path, const char *text, size_t len,
                                  struct diag *diag, struct auth_conf **out);

/* Check that all zone files, those of the directory included, exist and are readable; if
 * `is_deep`, also load each of them.  ERR_CONFIG: `diag` has the errors; ERR_IO: the directory
 * cannot be read; ERR_NOMEM. */
MUST_USE enum err auth_conf_check(const struct auth_conf *conf, bool is_deep,
                                  struct diag *diag);

/* Free the configuration and clear the pointer.  *conf may be NULL. */
void auth_conf_free(struct auth_conf **conf);

/* Load the zones of the configuration and those in its directory now.  Share the zones of
 * `before`, which may be NULL, whose files are unchanged.  If a zone's files have errors, log
 * them and keep the zone of `before`, or else add a zone that answers SERVFAIL; *failed_cnt is
 * the number of such zones.  Caller frees *out with zoneset_free.  ERR_IO: the directory cannot
 * be read; ERR_NOMEM. */
MUST_USE enum err auth_conf_load(const struct auth_conf *conf, const struct zoneset *before,
                                 struct zoneset **out, size_t *failed_cnt);
