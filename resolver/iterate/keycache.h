/* resolver/iterate/keycache.h | the validated keys of zones, loaded into OpenSSL
 *
 * The cache has the DNSKEY RRsets; here are the same keys ready for use, of the zones that were
 * validated lately.
 *
 * Owner:    the engine.
 * Thread:   one worker.
 */
#pragma once

#include "resolver/validate/keyset.h"

struct keycache;

enum { KEYCACHE_ZONES_MAX = 1024 }; /* whose keys are kept */

/* Make an empty table.  NULL without memory. */
MUST_USE struct keycache *keycache_new(void);

/* Return the keys of a zone that count at `now_ms` (wall), or NULL.  They are valid until the
 * next keycache_put. */
struct keyset *keycache_find(struct keycache *cache, const uint8_t *zone, int64_t now_ms);

/* Take over the keys of a zone until `expire_ms` (wall), in place of older ones.  The keys that
 * were used least recently may go.  Clears the pointer. */
void keycache_put(struct keycache *cache, struct keyset **keys, int64_t expire_ms);

/* Forget all keys. */
void keycache_clear(struct keycache *cache);

/* Clears the pointer; NULL inside is fine. */
void keycache_free(struct keycache **cache);
