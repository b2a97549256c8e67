/* base/json.h | JSON values: made, read and written
 *
 * Making them never fails in the middle: without memory a value is NULL, what is put into NULL
 * is gone, and writing says so at the end.  Text that is no UTF-8 has its wrong octets replaced
 * by U+FFFD.
 *
 * Owner:    a value belongs to the object or list that it was put into; the outermost one is
 * the caller's.
 * Thread:   one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/util.h"

struct json; /* an object, a list, or a plain value */

/* An empty object, an empty list; NULL without memory. */
struct json *json_new_object(void);
struct json *json_new_list(void);

/* Free it.  Clears the pointer; NULL inside is fine. */
void json_free(struct json **json);

/* Put a value under a key, in the place of what was there.  json_put takes `value` over; the
 * last two return the new one, borrowed. */
void json_put(struct json *object, const char *key, struct json *value);
void json_put_text(struct json *object, const char *key, const char *text);
void json_put_number(struct json *object, const char *key, int64_t number);
void json_put_real(struct json *object, const char *key, double number);
void json_put_bool(struct json *object, const char *key, bool value);
struct json *json_put_object(struct json *object, const char *key);
struct json *json_put_list(struct json *object, const char *key);

/* Add to the end of a list, likewise. */
void json_add(struct json *list, struct json *value);
void json_add_text(struct json *list, const char *text);
struct json *json_add_object(struct json *list);

/* Add an object before the one at `index`; it is returned, borrowed. */
struct json *json_insert_object(struct json *list, size_t index);

/* How many values this thread could not put or add until now, for lack of memory: what was made
 * while it grew is not whole. */
uint64_t json_dropped(void);

/* Let the list end after `cnt` values. */
void json_truncate(struct json *list, size_t cnt);

/* Take a value out of an object: it is the caller's.  NULL: there is none. */
struct json *json_take(struct json *object, const char *key);

/* The value under a key, NULL when there is none or `object` is no object. */
struct json *json_find(const struct json *object, const char *key);

/* The same as text, number or truth; `otherwise` when it is absent or of another kind. */
const char *json_get_text(const struct json *object, const char *key, const char *otherwise);
int64_t json_get_number(const struct json *object, const char *key, int64_t otherwise);
double json_get_real(const struct json *object, const char *key, double otherwise);
bool json_get_bool(const struct json *object, const char *key, bool otherwise);

/* How many values a list or object has; 0 for anything else. */
size_t json_count(const struct json *list);

/* The value at a place of a list, NULL beyond its end. */
struct json *json_at(const struct json *list, size_t index);

/* The key at a place of an object, in the order they were put; "" beyond its end. */
const char *json_key(const struct json *object, size_t index);

/* A list's value as text; NULL when it is none. */
const char *json_text(const struct json *value);
/* Whether it is an object. */
bool json_has_keys(const struct json *value);

/* Make JSON text harmless before it is read: control characters in it, raw or as escapes,
 * become dots, blanks or U+FFFD. */
void json_sanitise(char *text);

/* Read one value that is the whole of `text`.  ERR_FORMAT: `why` (size octets) tells;
 * ERR_NOMEM. */
MUST_USE enum err json_read(const char *text, size_t len, struct json **out, char *why,
                            size_t size);

/* The octets of it as text without line breaks; 0 for NULL. */
size_t json_size(const struct json *json);

/* It as text, the caller's to free; NULL without memory.  `is_wide`: with line breaks, for
 * people. */
char *json_write(const struct json *json, bool is_wide);
