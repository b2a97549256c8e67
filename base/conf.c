/* libyaml's document API keeps the line and column of every node, which findings need; its
 * event API would do so too, with more code here.  Recursion follows the tables of keys, so
 * that the file cannot decide its depth. */
#include "base/conf.h"

#include <yaml.h>

#include "base/file.h"
#include "base/now.h"

enum { CONF_FILE_MAX = 64 << 20, CONF_DEPTH_MAX = 64, CONF_MAP_NAME_MAX = 80 };

struct conf_node {
    yaml_node_t yaml;
};

struct conf_reader {
    const char *path;
    const char *text;
    size_t len;
    yaml_document_t document;
    const struct conf_key *keys; /* of the top level */
    bool *seen;                  /* by node number; an alias visits a node a second time */
    struct arena *arena;
    struct diag *diag;
};

/* Return the length of the line break at `p`, 0 if there is none.  These are the five line
 * breaks that libyaml counts. */
static size_t break_len(const char *p, const char *end)
{
    size_t left = (size_t)(end - p);
    if (left >= 2 && memcmp(p, "\r\n", 2) == 0)
        return 2;
    if (left >= 1 && (*p == '\n' || *p == '\r'))
        return 1;
    if (left >= 2 && memcmp(p, "\xc2\x85", 2) == 0)
        return 2;
    if (left >= 3 && (memcmp(p, "\xe2\x80\xa8", 3) == 0 || memcmp(p, "\xe2\x80\xa9", 3) == 0))
        return 3;
    return 0;
}

/* Return the first line break at or after `p`, or `end`. */
static const char *find_break(const char *p, const char *end)
{
    for (; p < end; p++) {
        unsigned char c = (unsigned char)*p;
        bool may_break = c == '\n' || c == '\r' || c == 0xc2 || c == 0xe2;
        if (may_break && break_len(p, end) > 0)
            break;
    }
    return p;
}

/* A mark counts lines and characters from 0; a place counts lines and bytes from 1. */
static struct diag_place make_conf_place(const struct conf_reader *reader, yaml_mark_t mark)
{
    struct diag_place place = {
        .file = reader->path, .line = mark.line + 1, .column = mark.column + 1};
    const char *end = reader->text + reader->len;
    const char *line = reader->text;

    for (size_t i = 0; i < mark.line && line < end; i++) {
        line = find_break(line, end);
        line += break_len(line, end);
    }
    place.text = line;
    place.text_len = (size_t)(find_break(line, end) - line);
    size_t bytes = 0;
    for (size_t i = 0; i < mark.column && bytes < place.text_len; i++)
        do
            bytes++;
        while (bytes < place.text_len && ((unsigned char)line[bytes] & 0xc0) == 0x80);
    place.column = bytes + 1;
    return place;
}

static PRINTF_LIKE(4, 0) void add_finding(struct conf_reader *reader, enum diag_level level,
                                          const struct conf_node *node, const char *fmt,
                                          va_list args)
{
    struct diag_place place = {.file = reader->path};

    if (diag_wants(reader->diag, level)) /* finding the line scans the file */
        place = make_conf_place(reader, node->yaml.start_mark);
    diag_add_args(reader->diag, level, &place, fmt, args);
}

void conf_wrong(struct conf_reader *reader, const struct conf_node *node, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add_finding(reader, DIAG_ERROR, node, fmt, args);
    va_end(args);
}

void conf_warn(struct conf_reader *reader, const struct conf_node *node, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add_finding(reader, DIAG_WARNING, node, fmt, args);
    va_end(args);
}

struct arena *conf_arena(struct conf_reader *reader) { return reader->arena; }

struct diag *conf_diag(struct conf_reader *reader) { return reader->diag; }

static const struct conf_node *node_at(struct conf_reader *reader, int number)
{
    return (const struct conf_node *)(void *)yaml_document_get_node(&reader->document, number);
}

const struct conf_node *conf_item(struct conf_reader *reader, const struct conf_node *list,
                                  size_t i)
{
    return node_at(reader, list->yaml.data.sequence.items.start[i]);
}

const struct conf_node *conf_value(struct conf_reader *reader, const struct conf_node *map,
                                   const char *key)
{
    for (const yaml_node_pair_t *pair = map->yaml.data.mapping.pairs.start;
         pair < map->yaml.data.mapping.pairs.top; pair++) {
        const yaml_node_t *name = yaml_document_get_node(&reader->document, pair->key);
        if (name->type == YAML_SCALAR_NODE &&
            strcmp((const char *)name->data.scalar.value, key) == 0)
            return node_at(reader, pair->value);
    }
    return NULL;
}

struct diag_place conf_place(struct conf_reader *reader, const struct conf_node *node)
{
    struct diag_place place = make_conf_place(reader, node->yaml.start_mark);
    place.text = NULL; /* the text is freed with the reader */
    place.text_len = 0;
    return place;
}

static bool is_scalar(const struct conf_node *node)
{
    return node->yaml.type == YAML_SCALAR_NODE;
}

static bool is_plain(const struct conf_node *node)
{
    return is_scalar(node) && node->yaml.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static const char *scalar_text(const struct conf_node *node)
{
    return (const char *)node->yaml.data.scalar.value;
}

const char *conf_text(struct conf_reader *reader, const struct conf_node *node)
{
    if (!is_scalar(node)) {
        conf_wrong(reader, node, "expected one value, not a %s",
                   node->yaml.type == YAML_MAPPING_NODE ? "map" : "list");
        return NULL;
    }
    if (strlen(scalar_text(node)) != node->yaml.data.scalar.length) {
        conf_wrong(reader, node, "the value has a NUL byte");
        return NULL;
    }
    return scalar_text(node);
}

/* ---- values ---- */

static void read_conf_bool(struct conf_reader *reader, const struct conf_node *node, bool *out)
{
    const char *text = conf_text(reader, node);
    if (!text)
        return;
    if (is_plain(node) &&
        (!strcmp(text, "true") || !strcmp(text, "yes") || !strcmp(text, "on")))
        *out = true;
    else if (is_plain(node) &&
             (!strcmp(text, "false") || !strcmp(text, "no") || !strcmp(text, "off")))
        *out = false;
    else
        conf_wrong(reader, node, "expected true or false, not \"%s\"", text);
}

bool conf_number(const char *text, uint64_t *out)
{
    uint64_t value = 0;
    const char *p = text;
    for (; util_is_digit(*p); p++) {
        if (value > (UINT64_MAX - 9) / 10)
            return false;
        value = value * 10 + (uint64_t)(*p - '0');
    }
    if (p == text || *p)
        return false;
    *out = value;
    return true;
}

static void read_conf_uint(struct conf_reader *reader, const struct conf_node *node,
                           const struct conf_key *key, uint32_t *out)
{
    uint64_t value, max = key->max ? key->max : UINT32_MAX;
    const char *text = conf_text(reader, node);
    if (!text)
        return;
    if (!conf_number(text, &value))
        conf_wrong(reader, node, "expected a whole number, not \"%s\"", text);
    else if (value < key->min || value > max)
        conf_wrong(reader, node, "%s is out of range: expected %llu to %llu", text,
                   (unsigned long long)key->min, (unsigned long long)max);
    else
        *out = (uint32_t)value;
}

/* Read "10s", "3d" or "1h30m" into milliseconds.  A value that overflows is clamped, and then
 * out of range for every key. */
static bool parse_conf_duration(const char *text, uint64_t *ms)
{
    static const char units[] = "smhd";
    static const uint32_t unit_ms[] = {1000, 60000, 3600000, 86400000};
    uint64_t sum = 0;

    do {
        const char *first = text;
        uint64_t value = 0;
        for (; util_is_digit(*text); text++)
            value = util_min(value * 10 + (uint64_t)(*text - '0'), UINT32_MAX);
        const char *unit = *text ? strchr(units, *text) : NULL;
        if (text == first || !unit)
            return false;
        sum = util_min(sum + value * unit_ms[unit - units], (uint64_t)1 << 60);
        text++;
    } while (*text);
    *ms = sum;
    return true;
}

/* Print in the largest unit that gives a whole number. */
static void print_conf_duration(uint64_t ms, char *out, size_t size)
{
    static const struct {
        uint32_t ms;
        char unit;
    } units[] = {{86400000, 'd'}, {3600000, 'h'}, {60000, 'm'}};
    size_t i = 0;

    while (i < ARRAY_LEN(units) && (ms == 0 || ms % units[i].ms))
        i++;
    if (i < ARRAY_LEN(units))
        snprintf(out, size, "%llu%c", (unsigned long long)(ms / units[i].ms), units[i].unit);
    else
        snprintf(out, size, "%llus", (unsigned long long)(ms / 1000));
}

static void read_conf_duration(struct conf_reader *reader, const struct conf_node *node,
                               const struct conf_key *key, uint32_t *out)
{
    const char *text = conf_text(reader, node);
    char least[24], most[24];
    uint64_t ms;

    if (!text)
        return;
    if (!parse_conf_duration(text, &ms)) {
        conf_wrong(reader, node, "expected a duration such as 10s, 1h30m or 3d, not \"%s\"",
                   text);
        return;
    }
    print_conf_duration(key->min, least, sizeof(least));
    print_conf_duration(key->max, most, sizeof(most));
    if (ms < key->min || ms > key->max)
        conf_wrong(reader, node, "%s is out of range: expected %s to %s", text, least, most);
    else
        *out = (uint32_t)ms;
}

/* Return true for plain words that YAML reads as a boolean or null. */
static bool is_yaml_word(const char *text)
{
    static const char *const words[] = {"true", "false", "yes", "no", "on", "off", "null", "~"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (util_is_same((const uint8_t *)text, (const uint8_t *)words[i],
                         strlen(words[i]) + 1))
            return true;
    return false;
}

static void read_conf_string(struct conf_reader *reader, const struct conf_node *node,
                             const struct conf_key *key, const char **out)
{
    const char *text = conf_text(reader, node);
    if (!text)
        return;
    if (is_plain(node) && is_yaml_word(text)) {
        conf_wrong(reader, node,
                   "%s: expected text, but YAML reads %s as another type; put it in quotes to "
                   "use the word itself",
                   key->name, text);
        return;
    }
    bool is_path = key->type != CONF_STRING;
    char *joined = is_path && *text ? file_resolve(reader->path, text) : strdup(text);
    const char *copy = joined ? arena_copy(reader->arena, joined, strlen(joined)) : NULL;
    free(joined);
    if (copy)
        *out = copy;
    else
        conf_wrong(reader, node, "out of memory");
}

static void read_conf_enum(struct conf_reader *reader, const struct conf_node *node,
                           const struct conf_key *key, int *out)
{
    char known[200] = "";
    const char *text = conf_text(reader, node);
    if (!text)
        return;
    for (int i = 0; key->words[i]; i++) {
        if (strcmp(text, key->words[i]) == 0) {
            *out = i;
            return;
        }
        size_t len = strlen(known);
        snprintf(known + len, sizeof(known) - len, "%s%s", i ? ", " : "", key->words[i]);
    }
    conf_wrong(reader, node, "expected one of %s, not \"%s\"", known, text);
    const char *near = diag_nearest(text, key->words);
    if (near)
        diag_help(reader->diag, "did you mean \"%s\"?", near);
}

static void read_conf_time(struct conf_reader *reader, const struct conf_node *node,
                           int64_t *out)
{
    const char *text = conf_text(reader, node);
    if (text && *text && now_read(text, out) != ERR_OK)
        conf_wrong(reader, node,
                   "expected a date and time such as 2026-01-31T08:00:00Z, not \"%s\"", text);
}

static size_t count_items(const struct conf_node *node)
{
    return (size_t)(node->yaml.data.sequence.items.top - node->yaml.data.sequence.items.start);
}

static bool is_first_visit(struct conf_reader *reader, const struct conf_node *node)
{
    size_t number = (size_t)((const yaml_node_t *)&node->yaml - reader->document.nodes.start);
    if (!reader->seen[number]) {
        reader->seen[number] = true;
        return true;
    }
    conf_wrong(reader, node, "anchors and aliases (&, *) are not supported here");
    return false;
}

static bool expect_list(struct conf_reader *reader, const struct conf_node *node)
{
    if (node->yaml.type == YAML_SEQUENCE_NODE)
        return is_first_visit(reader, node);
    conf_wrong(reader, node, "expected a list such as [a, b]");
    return false;
}

/* Make room for the items of a list, `item_size` octets each, filled with zeros.  NULL: it is
 * no list, or without memory; an error was added. */
static void *make_conf_items(struct conf_reader *reader, const struct conf_node *node,
                             size_t item_size, size_t *cnt)
{
    if (!expect_list(reader, node))
        return NULL;
    *cnt = count_items(node);
    void *at = arena_alloc(reader->arena, (*cnt + 1) * item_size);
    if (at)
        memset(at, 0, *cnt * item_size);
    else
        conf_wrong(reader, node, "out of memory");
    return at;
}

static void read_conf_addrs(struct conf_reader *reader, const struct conf_node *node,
                            const struct conf_key *key, struct conf_addrs *out)
{
    size_t cnt;
    struct addr *at = make_conf_items(reader, node, sizeof(*at), &cnt);

    if (!at)
        return;
    for (size_t i = 0; i < cnt; i++) {
        const struct conf_node *item = conf_item(reader, node, i);
        const char *text = conf_text(reader, item);
        if (!text)
            return;
        enum err err = addr_read(text, (uint16_t)key->min, &at[i]);
        if (err == ERR_ABSENT) {
            conf_wrong(reader, item, "this machine has no interface \"%.*s\"",
                       (int)strcspn(strchr(text, '%') + 1, "@"), strchr(text, '%') + 1);
            return;
        }
        if (err) {
            conf_wrong(reader, item,
                       "expected an address such as 127.0.0.1@5300 or \"::1@5300\", not \"%s\"",
                       text);
            return;
        }
    }
    if (cnt == 0 && key->is_required)
        conf_wrong(reader, node, "the key \"%s\" needs at least one address", key->name);
    *out = (struct conf_addrs){.at = at, .cnt = cnt};
}

static void read_conf_prefixes(struct conf_reader *reader, const struct conf_node *node,
                               struct addr_prefixes *out)
{
    size_t cnt;
    struct addr_prefix *at = make_conf_items(reader, node, sizeof(*at), &cnt);

    if (!at)
        return;
    for (size_t i = 0; i < cnt; i++) {
        const struct conf_node *item = conf_item(reader, node, i);
        const char *text = conf_text(reader, item);
        if (text && addr_read_prefix(text, &at[i]) != ERR_OK)
            conf_wrong(reader, item, "expected a prefix such as 192.0.2.0/24, not \"%s\"",
                       text);
    }
    *out = (struct addr_prefixes){.at = at, .cnt = cnt};
}

static void read_conf_size(struct conf_reader *reader, const struct conf_node *node,
                           const struct conf_key *key, uint64_t *out)
{
    static const char units[] = "KMG";
    const char *text = conf_text(reader, node);
    char digits[24];
    uint64_t value;

    if (!text)
        return;
    size_t len = strspn(text, "0123456789");
    const char *unit = text[len] ? strchr(units, text[len]) : NULL;
    unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    snprintf(digits, sizeof(digits), "%.*s", (int)util_min(len, sizeof(digits) - 1), text);
    if (len == 0 || len >= sizeof(digits) || (text[len] && (!unit || text[len + 1])) ||
        !conf_number(digits, &value) || value > UINT64_MAX >> shift) {
        conf_wrong(reader, node, "expected a size such as 64M, not \"%s\"", text);
        return;
    }
    value <<= shift;
    if (value < key->min || (key->max && value > key->max))
        conf_wrong(reader, node, "%s: expected %llu to %llu octets", key->name,
                   (unsigned long long)key->min, (unsigned long long)key->max);
    else
        *out = value;
}

static void read_conf_texts(struct conf_reader *reader, const struct conf_node *node,
                            struct conf_texts *out)
{
    size_t cnt;
    const char **at = make_conf_items(reader, node, sizeof(*at), &cnt);

    if (!at)
        return;
    for (size_t i = 0; i < cnt; i++) {
        const char *text = conf_text(reader, conf_item(reader, node, i));
        at[i] = text ? arena_copy(reader->arena, text, strlen(text)) : "";
        if (!at[i]) {
            conf_wrong(reader, node, "out of memory");
            return;
        }
    }
    *out = (struct conf_texts){.at = at, .cnt = cnt};
}

static void read_conf_source(struct conf_reader *reader, const struct conf_node *node,
                             const struct conf_key *key, struct conf_source *out)
{
    if (node->yaml.type == YAML_SEQUENCE_NODE)
        read_conf_texts(reader, node, &out->texts);
    else
        read_conf_string(reader, node, key, &out->path);
}

static bool is_empty_node(const struct conf_node *node)
{
    switch (node->yaml.type) {
    case YAML_SCALAR_NODE: return node->yaml.data.scalar.length == 0;
    case YAML_SEQUENCE_NODE: return count_items(node) == 0;
    case YAML_MAPPING_NODE:
        return node->yaml.data.mapping.pairs.top == node->yaml.data.mapping.pairs.start;
    default: return true;
    }
}

static void read_conf_map(struct conf_reader *reader, const struct conf_node *node,
                          const struct conf_key *keys, void *target);

static void read_conf_list(struct conf_reader *reader, const struct conf_node *node,
                           const struct conf_key *key, struct conf_list *out)
{
    size_t cnt;
    char *items = make_conf_items(reader, node, key->item_size, &cnt);

    if (!items)
        return;
    for (size_t i = 0; i < cnt; i++)
        read_conf_map(reader, conf_item(reader, node, i), key->keys,
                      items + i * key->item_size);
    *out = (struct conf_list){.items = items, .cnt = cnt};
}

static void read_conf_value(struct conf_reader *reader, const struct conf_node *node,
                            const struct conf_key *key, void *target)
{
    void *place = (char *)target + key->offset;

    switch (key->type) {
    case CONF_BOOL: read_conf_bool(reader, node, place); break;
    case CONF_UINT: read_conf_uint(reader, node, key, place); break;
    case CONF_STRING:
    case CONF_PATH: read_conf_string(reader, node, key, place); break;
    case CONF_ENUM: read_conf_enum(reader, node, key, place); break;
    case CONF_TIME: read_conf_time(reader, node, place); break;
    case CONF_ADDRS: read_conf_addrs(reader, node, key, place); break;
    case CONF_PREFIXES: read_conf_prefixes(reader, node, place); break;
    case CONF_SIZE: read_conf_size(reader, node, key, place); break;
    case CONF_TEXTS: read_conf_texts(reader, node, place); break;
    case CONF_SOURCE: read_conf_source(reader, node, key, place); break;
    case CONF_DURATION: read_conf_duration(reader, node, key, place); break;
    case CONF_MAP: read_conf_map(reader, node, key->keys, place); break;
    case CONF_LIST: read_conf_list(reader, node, key, place); break;
    case CONF_CUSTOM: key->read(reader, node, place); break;
    case CONF_UNSUPPORTED:
        if (!is_empty_node(node))
            conf_wrong(reader, node,
                       "%s is not supported in this version: remove it or leave it empty",
                       key->name);
        break;
    }
}

/* Read the prefixes of a preset, which is part of the program and so has no fault. */
static enum err set_preset_prefixes(const char *text, struct addr_prefixes *out,
                                    struct arena *arena)
{
    size_t cnt = 0, most = 1;
    for (const char *c = text; *c; c++)
        most += *c == ',';
    struct addr_prefix *at = arena_alloc(arena, most * sizeof(*at));

    if (!at)
        return ERR_NOMEM;
    while (*text) {
        char item[ADDR_TEXT_MAX];
        size_t len = strcspn(text, ",");
        must(len < sizeof(item));
        snprintf(item, sizeof(item), "%.*s", (int)len, text);
        must(addr_read_prefix(item, &at[cnt++]) == ERR_OK);
        text += len;
        text += strspn(text, ", ");
    }
    *out = (struct addr_prefixes){.at = at, .cnt = cnt};
    return ERR_OK;
}

enum err conf_set_defaults(const struct conf_key *keys, void *target, struct arena *arena)
{
    enum err err = ERR_OK;

    for (; keys->name && !err; keys++) {
        void *place = (char *)target + keys->offset;
        switch (keys->type) {
        case CONF_BOOL: *(bool *)place = keys->preset != 0; break;
        case CONF_UINT:
        case CONF_DURATION: *(uint32_t *)place = (uint32_t)keys->preset; break;
        case CONF_SIZE: *(uint64_t *)place = keys->preset; break;
        case CONF_ENUM: *(int *)place = (int)keys->preset; break;
        case CONF_STRING:
        case CONF_PATH:
            *(const char **)place = keys->preset_text ? keys->preset_text : "";
            break;
        case CONF_PREFIXES:
            if (keys->preset_text)
                err = set_preset_prefixes(keys->preset_text, place, arena);
            break;
        case CONF_MAP: err = conf_set_defaults(keys->keys, place, arena); break;
        case CONF_TIME:
        case CONF_ADDRS:
        case CONF_TEXTS:
        case CONF_SOURCE:
        case CONF_LIST:
        case CONF_CUSTOM:
        case CONF_UNSUPPORTED: break;
        }
    }
    return err;
}

static const struct conf_key *find_conf_key(const struct conf_key *keys, const char *name)
{
    for (; keys->name; keys++)
        if (strcmp(keys->name, name) == 0)
            return keys;
    return NULL;
}

/* The best suggestion for an unknown key so far.  Lifetime: the report. */
struct conf_near {
    const char *word;            /* the unknown key */
    const char *name;            /* NULL: none */
    size_t edits;                /* diag_edits */
    char map[CONF_MAP_NAME_MAX]; /* the map that has the key, as "server.rate-limit"; "" for the
                                    top level */
};

/* Compare the unknown key with `keys`, and with those of the maps below if `is_deep`.  A key
 * replaces the suggestion only if it is nearer, so that the map searched first is preferred. */
static void search_conf_keys(struct conf_near *near, const struct conf_key *keys,
                             const char *map, bool is_deep)
{
    char inner[CONF_MAP_NAME_MAX];

    for (const struct conf_key *key = keys; key->name; key++) {
        size_t edits = diag_edits(near->word, key->name);
        if (edits < near->edits) {
            near->edits = edits;
            near->name = key->name;
            snprintf(near->map, sizeof(near->map), "%s", map);
        }
        if (is_deep && key->keys) {
            snprintf(inner, sizeof(inner), "%s%s%s", map, *map ? "." : "", key->name);
            search_conf_keys(near, key->keys, inner, is_deep);
        }
    }
}

/* Suggest a key of the same map, or a key of another map that is nearer: the key may be in the
 * wrong place, too. */
static void report_unknown(struct conf_reader *reader, const struct conf_node *node,
                           const struct conf_key *keys, const char *name)
{
    struct conf_near near = {.word = name, .edits = SIZE_MAX};

    conf_wrong(reader, node, "unknown key \"%s\"", name);
    search_conf_keys(&near, keys, "", false);
    size_t edits_here = near.edits;
    search_conf_keys(&near, reader->keys, "", true);
    if (!near.name)
        return;
    if (near.edits == edits_here)
        diag_help(reader->diag, "did you mean \"%s\"?", near.name);
    else if (*near.map)
        diag_help(reader->diag, "did you mean \"%s\" in %s?", near.name, near.map);
    else
        diag_help(reader->diag, "did you mean \"%s\" at the top level?", near.name);
}

static void read_conf_pair(struct conf_reader *reader, const yaml_node_pair_t *pair,
                           const struct conf_key *keys, bool *given, void *target)
{
    const struct conf_node *name_node = node_at(reader, pair->key);
    const struct conf_node *value = node_at(reader, pair->value);
    const char *name = conf_text(reader, name_node);
    if (!name)
        return;
    const struct conf_key *key = find_conf_key(keys, name);
    if (!key) {
        report_unknown(reader, name_node, keys, name);
        return;
    }
    if (given[key - keys]) {
        conf_wrong(reader, name_node, "duplicate key \"%s\"", name);
        return;
    }
    given[key - keys] = true;
    if (is_plain(value) && value->yaml.data.scalar.length == 0) {
        if (key->is_required)
            conf_wrong(reader, name_node, "the key \"%s\" needs a value", name);
        return; /* "key:" without a value keeps the default */
    }
    size_t errors = reader->diag->error_cnt;
    read_conf_value(reader, value, key, target);
    if (key->check && reader->diag->error_cnt == errors)
        key->check(reader, value, (char *)target + key->offset);
}

static void read_conf_map(struct conf_reader *reader, const struct conf_node *node,
                          const struct conf_key *keys, void *target)
{
    bool given[64] = {false};
    size_t errors = reader->diag->error_cnt, end = 0;

    if (node->yaml.type != YAML_MAPPING_NODE) {
        conf_wrong(reader, node, "expected keys such as \"%s: ...\"", keys[0].name);
        return;
    }
    if (!is_first_visit(reader, node))
        return;
    for (const yaml_node_pair_t *pair = node->yaml.data.mapping.pairs.start;
         pair < node->yaml.data.mapping.pairs.top && reader->diag->error_cnt < DIAG_KEPT;
         pair++)
        read_conf_pair(reader, pair, keys, given, target);
    for (; keys[end].name; end++)
        if (keys[end].is_required && !given[end])
            conf_wrong(reader, node, "the key \"%s\" is missing here", keys[end].name);
    if (keys[end].check && reader->diag->error_cnt == errors)
        keys[end].check(reader, node, target);
}

static void report_yaml(struct conf_reader *reader, const yaml_parser_t *parser)
{
    struct diag_place place = make_conf_place(reader, parser->problem_mark);
    if (parser->error == YAML_READER_ERROR) {
        place = (struct diag_place){.file = reader->path};
        diag_add(reader->diag, DIAG_ERROR, &place, "the file is not UTF-8 text: %s at byte %zu",
                 parser->problem ? parser->problem : "?", parser->problem_offset);
        return;
    }
    diag_add(reader->diag, DIAG_ERROR, &place, "invalid YAML: %s%s%s",
             parser->problem ? parser->problem : "out of memory", parser->context ? " " : "",
             parser->context ? parser->context : "");
}

static void read_conf_document(struct conf_reader *reader, const struct conf_key *keys,
                               void *target)
{
    yaml_node_t *root = yaml_document_get_root_node(&reader->document);
    if (!root) {
        struct diag_place place = {.file = reader->path};
        diag_add(reader->diag, DIAG_ERROR, &place, "the file is empty");
        return;
    }
    size_t cnt = (size_t)(reader->document.nodes.top - reader->document.nodes.start);
    reader->seen = calloc(cnt, sizeof(*reader->seen));
    if (reader->seen)
        read_conf_map(reader, (const struct conf_node *)(void *)root, keys, target);
    else
        conf_wrong(reader, (const struct conf_node *)(void *)root, "out of memory");
    free(reader->seen);
}

/* Without this check everything after a second "---" would be ignored silently. */
static void reject_second_document(struct conf_reader *reader, yaml_parser_t *parser)
{
    if (!yaml_parser_load(parser, &reader->document)) {
        report_yaml(reader, parser);
        return;
    }
    const yaml_node_t *root = yaml_document_get_root_node(&reader->document);
    if (root) {
        struct diag_place place = make_conf_place(reader, root->start_mark);
        diag_add(reader->diag, DIAG_ERROR, &place,
                 "the file has a second YAML document; only one is allowed");
    }
    yaml_document_delete(&reader->document);
}

/* Return true if brackets outside comments and quotes are nested too deeply: libyaml takes
 * quadratic time for them, and no configuration needs more than a few levels. */
static bool is_too_deep(const char *text, size_t len, yaml_mark_t *mark)
{
    int depth = 0;
    char quote = '\0';
    bool is_comment = false;

    *mark = (yaml_mark_t){0};
    for (size_t i = 0; i < len; i++) {
        char c = text[i], before = i ? text[i - 1] : '\n';
        mark->line += c == '\n';
        if (c == '\n')
            is_comment = false;
        else if (is_comment)
            continue;
        else if (quote)
            quote = c == quote ? '\0' : quote;
        else if (c == '#' && strchr(" \t\n", before))
            is_comment = true;
        else if ((c == '"' || c == '\'') && strchr(" \t\n[{,", before))
            quote = c;
        else if (c == '[' || c == '{')
            depth++;
        else if ((c == ']' || c == '}') && depth > 0)
            depth--;
        if (depth > CONF_DEPTH_MAX)
            return true;
    }
    return false;
}

enum err conf_parse(const char *path, const char *text, size_t len, const struct conf_key *keys,
                    void *target, struct arena *arena, struct diag *diag)
{
    yaml_parser_t parser;
    size_t errors = diag->error_cnt;
    struct conf_reader reader = {
        .path = path, .text = text, .len = len, .keys = keys, .arena = arena, .diag = diag};

    size_t mark_len =
        file_bom_len(text, len); /* libyaml skips the mark, but counts it as a column */
    text += mark_len;
    len -= mark_len;
    reader.text = text;
    reader.len = len;
    if (!yaml_parser_initialize(&parser))
        return ERR_NOMEM;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    yaml_mark_t deep;
    if (is_too_deep(text, len, &deep)) {
        struct diag_place place = make_conf_place(&reader, deep);
        diag_add(diag, DIAG_ERROR, &place, "brackets are nested deeper than %d levels",
                 CONF_DEPTH_MAX);
    } else if (yaml_parser_load(&parser, &reader.document)) {
        read_conf_document(&reader, keys, target);
        yaml_document_delete(&reader.document);
        reject_second_document(&reader, &parser);
    } else {
        report_yaml(&reader, &parser);
    }
    yaml_parser_delete(&parser);
    return diag->error_cnt > errors ? ERR_CONFIG : ERR_OK;
}

enum err conf_read(const char *path, const struct conf_key *keys, void *target,
                   struct arena *arena, struct diag *diag)
{
    char *text;
    size_t len;
    enum err err = file_read_text(path, CONF_FILE_MAX, &text, &len, NULL);
    if (err) {
        struct diag_place place = {.file = path};
        diag_add(diag, DIAG_ERROR, &place, "cannot read this file: %s", file_problem(err));
        return ERR_CONFIG;
    }
    err = conf_parse(path, text, len, keys, target, arena, diag);
    free(text);
    return err;
}
