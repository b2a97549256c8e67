/* A thin layer over jansson.  Names and zone lines may hold any octet, but jansson accepts
 * UTF-8 only, so invalid octets are replaced first. */
#include "base/json.h"

#include "base/text.h"

#include <jansson.h>
#include <stdlib.h>

enum { INDENT = 2, TEXT_FIRST = 256 };

static const char replacement[] = "\xef\xbf\xbd";

static json_t *to_jansson(const struct json *json) { return (json_t *)(uintptr_t)json; }
static struct json *from_jansson(json_t *json) { return (struct json *)json; }

static json_t *new_text(const char *text)
{
    json_t *made = json_string(text);
    if (made)
        return made;
    char *clean = malloc(strlen(text) * (sizeof(replacement) - 1) + 1), *to = clean;
    if (!clean)
        return NULL;
    for (const char *p = text; *p;) {
        size_t len = text_sequence_len(p, strlen(p));
        if (len == 0) {
            memcpy(to, replacement, sizeof(replacement) - 1);
            to += sizeof(replacement) - 1;
            p++;
        } else {
            memcpy(to, p, len);
            to += len;
            p += len;
        }
    }
    *to = '\0';
    made = json_string(clean);
    free(clean);
    return made;
}

static _Thread_local uint64_t dropped;

/* Count a value that could not be made. */
static struct json *count_made(json_t *made)
{
    dropped += !made;
    return from_jansson(made);
}

struct json *json_new_object(void) { return count_made(json_object()); }
struct json *json_new_list(void) { return count_made(json_array()); }

void json_free(struct json **json)
{
    json_decref(to_jansson(*json));
    *json = NULL;
}

/* ---- construction ---- */

uint64_t json_dropped(void) { return dropped; }

/* Count a call that failed and dropped its value.  Return true if it succeeded.  A value for a
 * NULL container is dropped without being counted: the missing container was counted. */
static bool count_dropped(const struct json *into, int result)
{
    dropped += into && result != 0;
    return result == 0;
}

static void put_value(struct json *object, const char *key, json_t *value)
{
    (void)count_dropped(object, json_object_set_new(to_jansson(object), key, value));
}

/* Return the value, borrowed.  NULL if it was dropped. */
static struct json *put_new_value(struct json *object, const char *key, json_t *value)
{
    return count_dropped(object, json_object_set_new(to_jansson(object), key, value))
               ? from_jansson(value)
               : NULL;
}

void json_put(struct json *object, const char *key, struct json *value)
{
    put_value(object, key, to_jansson(value));
}

void json_put_text(struct json *object, const char *key, const char *text)
{
    put_value(object, key, new_text(text));
}

void json_put_number(struct json *object, const char *key, int64_t number)
{
    put_value(object, key, json_integer(number));
}

void json_put_real(struct json *object, const char *key, double number)
{
    put_value(object, key, json_real(number));
}

void json_put_bool(struct json *object, const char *key, bool value)
{
    put_value(object, key, json_boolean(value));
}

struct json *json_put_object(struct json *object, const char *key)
{
    return put_new_value(object, key, json_object());
}

struct json *json_put_list(struct json *object, const char *key)
{
    return put_new_value(object, key, json_array());
}

void json_add_text(struct json *list, const char *text)
{
    (void)count_dropped(list, json_array_append_new(to_jansson(list), new_text(text)));
}

struct json *json_add_object(struct json *list)
{
    return json_insert_object(list, json_count(list));
}

struct json *json_insert_object(struct json *list, size_t index)
{
    json_t *made = json_object();
    return count_dropped(list, json_array_insert_new(to_jansson(list), index, made))
               ? from_jansson(made)
               : NULL;
}

void json_truncate(struct json *list, size_t cnt)
{
    while (json_array_size(to_jansson(list)) > cnt)
        (void)json_array_remove(to_jansson(list), json_array_size(to_jansson(list)) - 1);
}

struct json *json_take(struct json *object, const char *key)
{
    json_t *found = json_incref(json_object_get(to_jansson(object), key));
    (void)json_object_del(to_jansson(object), key);
    return from_jansson(found);
}

/* ---- lookup ---- */

struct json *json_find(const struct json *object, const char *key)
{
    return from_jansson(json_object_get(to_jansson(object), key));
}

const char *json_get_text(const struct json *object, const char *key, const char *otherwise)
{
    const char *text = json_text(json_find(object, key));
    return text ? text : otherwise;
}

int64_t json_get_number(const struct json *object, const char *key, int64_t otherwise)
{
    const json_t *value = to_jansson(json_find(object, key));
    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

double json_get_real(const struct json *object, const char *key, double otherwise)
{
    const json_t *value = to_jansson(json_find(object, key));
    return json_is_number(value) ? json_number_value(value) : otherwise;
}

bool json_get_bool(const struct json *object, const char *key, bool otherwise)
{
    const json_t *value = to_jansson(json_find(object, key));
    return json_is_boolean(value) ? json_boolean_value(value) : otherwise;
}

size_t json_count(const struct json *list)
{
    return json_is_array(to_jansson(list)) ? json_array_size(to_jansson(list))
                                           : json_object_size(to_jansson(list));
}

struct json *json_at(const struct json *list, size_t index)
{
    return from_jansson(json_array_get(to_jansson(list), index));
}

const char *json_key(const struct json *object, size_t index)
{
    const char *key;
    json_t *value;
    json_object_foreach(to_jansson(object), key, value)
        if (index-- == 0)
            return key;
    return "";
}

const char *json_text(const struct json *value) { return json_string_value(to_jansson(value)); }

bool json_has_keys(const struct json *value)
{
    return json_typeof(to_jansson(value)) == JSON_OBJECT;
}

/* ---- text ---- */

void json_sanitise(char *text)
{
    static const char hex[] = "0123456789abcdefABCDEF";
    unsigned code;

    text_sanitise(text, strlen(text), "");
    /* skip both characters of an escape, since the second may be a backslash */
    for (char *p = strchr(text, '\\'); p && p[1]; p = strchr(p + 2, '\\'))
        if (strchr("bfnrt", p[1]))
            memcpy(p, "  ", 2);
        else if (p[1] == 'u' && strspn(p + 2, hex) >= 4 && sscanf(p + 2, "%4x", &code) == 1 &&
                 (code < 0x20 || (code >= 0x7f && code < 0xa0)))
            memcpy(p + 2, "fffd", 4);
}

/* The parser of jansson 2.14 does not notice when a string buffer cannot grow: it loses an
 * octet, perhaps the closing quote, and reads past its buffers.  So the parser never sees a
 * failed allocation: a reserve replaces malloc then, and json_read discards the result.
 * Lifetime: a call of json_read. */
static _Thread_local struct {
    char *at; /* NULL: no call is active */
    size_t used, size;
} reserve;

enum { RESERVE_PER_OCTET = 128, RESERVE_LEAST = 4096, RESERVE_ALIGN = 16 };

static void *allocate_json_memory(size_t size)
{
    void *at = malloc(size);
    size_t wanted = (size + RESERVE_ALIGN - 1) & ~(size_t)(RESERVE_ALIGN - 1);

    if (at || !reserve.at || wanted > reserve.size - reserve.used)
        return at;
    at = reserve.at + reserve.used;
    reserve.used += wanted;
    return at;
}

static void free_json_memory(void *at)
{
    bool is_reserve =
        reserve.at && (char *)at >= reserve.at && (char *)at < reserve.at + reserve.size;
    if (!is_reserve)
        free(at);
}

__attribute__((constructor)) static void use_reserve(void)
{
    json_set_alloc_funcs(allocate_json_memory, free_json_memory);
}

/* Parse.  NULL: `error` has the reason, out of memory included. */
static json_t *load_json(const char *text, size_t len, json_error_t *error)
{
    reserve.size = RESERVE_PER_OCTET * len + RESERVE_LEAST;
    reserve.used = 0;
    reserve.at = malloc(reserve.size);
    json_t *read = reserve.at ? json_loadb(text, len, JSON_REJECT_DUPLICATES, error) : NULL;
    if (!reserve.at || reserve.used > 0) {
        json_decref(read);
        read = NULL;
        snprintf(error->text, sizeof(error->text), "out of memory");
        error->position = 0;
        error->text[sizeof(error->text) - 1] =
            json_error_out_of_memory; /* jansson's encoding */
    }
    free(reserve.at);
    reserve.at = NULL;
    return read;
}

enum err json_read(const char *text, size_t len, struct json **result, struct fault *fault)
{
    json_error_t error = {0};
    json_t *read = load_json(text, len, &error);

    if (!read) {
        bool is_memory = json_error_code(&error) == json_error_out_of_memory;
        return fault_set(fault, is_memory ? ERR_NOMEM : ERR_FORMAT, "%s, at octet %d",
                         error.text, error.position);
    }
    *result = from_jansson(read);
    return ERR_OK;
}

size_t json_size(const struct json *json)
{
    return json ? json_dumpb(to_jansson(json), NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) : 0;
}

struct text_buffer {
    char *at;
    size_t len, size;
    bool has_failed;
};

static int append_json_text(const char *part, size_t len, void *data)
{
    struct text_buffer *t = data;

    if (t->len + len >= t->size) { /* leave room for the NUL */
        size_t size = util_max(2 * t->size, t->len + len + 1);
        char *larger = realloc(t->at, size);
        if (!larger) {
            t->has_failed = true;
            return -1;
        }
        t->at = larger;
        t->size = size;
    }
    memcpy(t->at + t->len, part, len);
    t->len += len;
    return 0;
}

/* json_dumps cannot be used: it continues when it had no memory for a key. */
char *json_write(const struct json *json, bool is_wide)
{
    size_t flags = is_wide ? JSON_INDENT(INDENT) : JSON_COMPACT;
    struct text_buffer t = {.at = malloc(TEXT_FIRST), .size = TEXT_FIRST};

    if (!json || !t.at ||
        json_dump_callback(to_jansson(json), append_json_text, &t, flags | JSON_ENCODE_ANY) !=
            0 ||
        t.has_failed) {
        free(t.at);
        return NULL;
    }
    t.at[t.len] = '\0';
    return t.at;
}
