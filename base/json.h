/* base/json.h | JSON values: construction, parsing and output
 *
 * Construction never fails midway: without memory a value is NULL, which json_dropped counts,
 * and additions to NULL are dropped.  Text that is not UTF-8 has its invalid octets replaced by
 * U+FFFD.
 *
 * Owner:    an object or list owns the values in it; the caller owns the outermost value.
 * Thread:   one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

struct json; /* an object, a list, or a scalar */

/* Return an empty object or list.  NULL without memory. */
struct json *json_new_object(void);
struct json *json_new_list(void);

/* Free the value and set the pointer to NULL.  A NULL value is allowed. */
void json_free(struct json **json);

/* Set a key, replacing its previous value.  json_put takes ownership of `value`;
 * json_put_object and json_put_list return the new value, borrowed. */
void json_put(struct json *object, const char *key, struct json *value);
void json_put_text(struct json *object, const char *key, const char *text);
void json_put_number(struct json *object, const char *key, int64_t number);
void json_put_real(struct json *object, const char *key, double number);
void json_put_bool(struct json *object, const char *key, bool value);
struct json *json_put_object(struct json *object, const char *key);
struct json *json_put_list(struct json *object, const char *key);

/* Append to a list.  json_add_object returns the new object, borrowed. */
void json_add_text(struct json *list, const char *text);
struct json *json_add_object(struct json *list);

/* Insert an object before the item at `index` and return it, borrowed. */
struct json *json_insert_object(struct json *list, size_t index);

/* Return the number of values that this thread has dropped for lack of memory.  If the number
 * grows while a value is built, that value is incomplete. */
uint64_t json_dropped(void);

/* Truncate a list to its first `cnt` items. */
void json_truncate(struct json *list, size_t cnt);

/* Remove the value of a key and return it; the caller owns it.  NULL: the key is absent. */
struct json *json_take(struct json *object, const char *key);

/* Return the value of a key, borrowed.  NULL: the key is absent, or `object` is no object. */
struct json *json_find(const struct json *object, const char *key);

/* Return the value of a key, or `otherwise` if it is absent or of another type. */
const char *json_get_text(const struct json *object, const char *key, const char *otherwise);
int64_t json_get_number(const struct json *object, const char *key, int64_t otherwise);
double json_get_real(const struct json *object, const char *key, double otherwise);
bool json_get_bool(const struct json *object, const char *key, bool otherwise);

/* Return the number of values in a list or object, 0 for anything else. */
size_t json_count(const struct json *list);

/* Return item `index` of a list, borrowed.  NULL beyond the end. */
struct json *json_at(const struct json *list, size_t index);

/* Return key `index` of an object in order of insertion, "" beyond the end. */
const char *json_key(const struct json *object, size_t index);

/* Return the text of a string value, borrowed.  NULL for any other value. */
const char *json_text(const struct json *value);

/* Return true for an object.  `value` must not be NULL. */
bool json_has_keys(const struct json *value);

/* Sanitise JSON text before it is parsed, in place: control characters, raw or escaped, become
 * dots, spaces or U+FFFD. */
void json_sanitise(char *text);

/* Parse `text`, which must be one value and nothing else.  ERR_FORMAT, ERR_NOMEM:
 * `fault` has the reason and the offset. */
MUST_USE enum err json_read(const char *text, size_t len, struct json **out,
                            struct fault *fault);

/* Return the length of the value as text without line breaks, in octets.  0 for NULL. */
size_t json_size(const struct json *json);

/* Return the value as text, which the caller frees.  `is_wide`: indented, for people.  NULL
 * without memory. */
char *json_write(const struct json *json, bool is_wide);
