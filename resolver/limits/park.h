/* resolver/limits/park.h | the queues of tasks that wait for a full quota
 *
 * Each client has a line of its own at each full zone or server.  Lines take turns, and a line
 * is first in, first out.  When the park is full, the client with the most entries loses its
 * oldest one.  Each call takes constant time.
 *
 * Owner:    the engine.
 * Thread:   one worker.
 * Words:    key - the number of what is full: a zone or a server.
 * Words:    line - the entries of one client that wait for one key.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "base/list.h"
#include "base/util.h"

struct park;
struct park_line;

/* Part of a struct that may wait.  All zeros: it does not wait. */
struct park_entry {
    struct list in_line, of_client, in_all;
    struct park_line *line; /* NULL: it does not wait */
};

/* Make a park with room for `most` entries.  ERR_NOMEM. */
MUST_USE enum err park_new(size_t most, struct park **out);

/* Free it; no entry may wait in it.  Clears the pointer; NULL inside is fine. */
void park_free(struct park **park);

/* Add an entry at the end of its line.  `is_first`: add it at the head, and let its line be the
 * next, because the entry was called and another query got the place.  If the park is full,
 * remove another entry and return it, else return NULL. */
MUST_USE struct park_entry *park_put(struct park *park, struct park_entry *entry, uint64_t key,
                                     uint64_t client, bool is_first);

/* Remove an entry; one that does not wait is fine. */
void park_remove(struct park *park, struct park_entry *entry);

/* Return the first entry of the line whose turn it is at the key, and end that turn; the entry
 * stays.  NULL if no entry waits for the key. */
struct park_entry *park_call(struct park *park, uint64_t key);

/* Return the entry that park_call would return, without ending the turn. */
struct park_entry *park_first(struct park *park, uint64_t key);

/* A place was given back that tasks of other workers wait for too: return true if they get it,
 * which is every second time, and each time if no entry waits for the key here. */
bool park_pass(struct park *park, uint64_t key);

/* Return how many places of the key park_pass has left to the other workers since
 * park_forget_passed. */
uint32_t park_passed(struct park *park, uint64_t key);
void park_forget_passed(struct park *park, uint64_t key);

/* Move an entry to the line of `client` at the same key, if that one is shorter.  Return true
 * if it was moved. */
bool park_favour(struct park *park, struct park_entry *entry, uint64_t client);

/* Return the next of all entries, or of all keys: repeated calls go round, so that a caller can
 * check a few from time to time.  NULL or false if there is none. */
struct park_entry *park_look(struct park *park);
bool park_look_key(struct park *park, uint64_t *key);

/* Return the number of entries, or of the keys that they wait for. */
size_t park_cnt(const struct park *park);
size_t park_keys(const struct park *park);

/* Return the number of lines at the key. */
size_t park_lines(struct park *park, uint64_t key);

static inline bool park_has(const struct park_entry *entry) { return entry->line != NULL; }
