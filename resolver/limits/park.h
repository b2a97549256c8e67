/* resolver/limits/park.h | who waits for a place, and whose turn it is
 *
 * A line for each client at each thing that is full: lines take turns, and within one the first
 * is first.  There is room for so many; when it is taken the client that has most loses its
 * oldest. Every call costs the same however many wait.
 *
 * Owner:    the engine.
 * Thread:   one worker.
 * Words:    key - of what is full (a zone, a server): any number; line - those of one client
 * that wait for one key.
 */
#pragma once

#include <stddef.h>

#include "base/err.h"
#include "base/list.h"
#include "base/util.h"

struct park;
struct park_line;

/* Inside whatever waits.  All zeros: it does not wait. */
struct park_entry {
    struct list in_line, of_client, in_all;
    struct park_line *line; /* NULL: it does not wait */
};

/* Room for `most`; ERR_NOMEM. */
MUST_USE enum err park_new(size_t most, struct park **out);

/* Free it, when no entry waits in it.  Clears the pointer; NULL inside is fine. */
void park_free(struct park **park);

/* Let an entry wait at the end of its line; `is_first`: at its head, and the line is the next,
 * because it was called and the place was taken again.  When the park is full another entry is
 * removed and returned; else NULL. */
MUST_USE struct park_entry *park_put(struct park *park, struct park_entry *entry, uint64_t key,
                                     uint64_t client, bool is_first);

/* It waits no longer; one that does not is fine. */
void park_remove(struct park *park, struct park_entry *entry);

/* The entry whose turn it is at the key, the first of the next line; it goes on waiting.  NULL:
 * no entry waits for the key. */
struct park_entry *park_call(struct park *park, uint64_t key);

/* Have it wait in the line of `client` instead, if that is shorter; false when it is not. */
bool park_favour(struct park *park, struct park_entry *entry, uint64_t client);

/* Each call returns the next of all entries, or of all keys, in turn, so that a few can be
 * looked at from time to time.  NULL, false: there is none. */
struct park_entry *park_look(struct park *park);
bool park_look_key(struct park *park, uint64_t *key);

/* How many wait, in all; how many lines there are at the key. */
size_t park_cnt(const struct park *park);
size_t park_lines(struct park *park, uint64_t key);

static inline bool park_has(const struct park_entry *entry) { return entry->line != NULL; }
