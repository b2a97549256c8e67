/* tools/lab/site.h | the files of a laboratory: signed zones, configurations, keys
 *
 * They are in a folder that only the laboratory sees, and end with it.
 *
 * Thread:   the only one.
 */
#pragma once

#include "base/fault.h"
#include "tools/lab/defence.h"
#include "tools/lab/topology.h"

enum { SITE_PATH_MAX = 4096 };

/* Where things are.  Lifetime: process. */
struct site {
    char folder[64];              /* of the laboratory's files */
    char programs[SITE_PATH_MAX]; /* folder of this program and of `rootline` */
    char daemons[SITE_PATH_MAX];  /* folder of the daemons */
    char zones[SITE_PATH_MAX];    /* folder of the zones' sources */
};

/* Find the programs and the zones, in a build or installed.  False: the fault says what is not
 * there. */
MUST_USE bool site_find(struct site *site, struct fault *fault);

/* Make all files of the laboratory in site->folder.  False: the fault has the reason. */
MUST_USE bool site_make(const struct site *site, const struct defence_set *off,
                        struct fault *fault);

/* Copy and sign the zones, again too: as at the start.  Servers must be started anew.  False:
 * the fault. */
MUST_USE bool site_make_zones(const struct site *site, struct fault *fault);

/* Write the configuration of the resolver, without the defences that are off.  `extra` is added
 * at its end ("": nothing).  False: errno. */
MUST_USE bool site_write_resolver(const struct site *site, const struct defence_set *off,
                                  const char *extra);

/* Write the configuration of a host's rootline-authd; `server` is added to its map `server`
 * ("": nothing).  False: errno. */
MUST_USE bool site_write_server(const struct site *site, const struct topology_host *host,
                                const char *server);

/* Sign a zone of the laboratory again, with another option of `rootline zone sign` (NULL:
 * none). Its server must be started anew.  False: the fault. */
MUST_USE bool site_sign(const struct site *site, const char *zone, const char *option,
                        struct fault *fault);

/* Remove the files of the resolver's cache.  The resolver must be started anew. */
void site_drop_cache(const struct site *site);

/* Print the path of a host's file. */
void site_path(const struct site *site, const struct topology_host *host, const char *file,
               char out[SITE_PATH_MAX]);

/* Return whether the host has a rootline-authd. */
bool site_is_server(const struct topology_host *host);

/* The programs that can be the laboratory's resolver. */
enum site_resolver { SITE_ROOTLINE, SITE_UNBOUND, SITE_NAMED, SITE_RESOLVER_CNT };

/* Their names: of the programs, and in options. */
extern const char *const site_resolvers[SITE_RESOLVER_CNT];

/* Write the configuration of unbound or named: their defaults, but for what the laboratory
 * needs.  False: errno. */
MUST_USE bool site_write_peer(const struct site *site, enum site_resolver kind,
                              bool is_validating);
