/* base/conf.h | reader of a YAML file into structs that a table of keys describes
 *
 * This file knows YAML, places and types; tables of `struct conf_key` say which keys exist.  An
 * unknown key, a wrong value or broken YAML becomes a finding with its place in the diag, and
 * reading continues.
 *
 * Owner:    the arena given to conf_read owns the strings and lists that are read.
 * Thread:   one at a time.
 */
#pragma once

#include "base/addr.h"
#include "base/arena.h"
#include "base/diag.h"

struct conf_node;
struct conf_reader;

/* The type of a value, and what is stored in the target struct. */
enum conf_type {
    CONF_BOOL,     /* bool */
    CONF_UINT,     /* uint32_t, min..max */
    CONF_STRING,   /* const char * */
    CONF_PATH,     /* const char *; a relative path starts at the file's folder */
    CONF_ENUM,     /* int: index into `words` */
    CONF_TIME,     /* int64_t, milliseconds of UTC, from RFC 3339 text; "" keeps the default */
    CONF_ADDRS,    /* struct conf_addrs; min is the default port */
    CONF_PREFIXES, /* struct addr_prefixes */
    CONF_SIZE,     /* uint64_t octets, from text such as "64M"; min..max in octets */
    CONF_TEXTS,    /* struct conf_texts */
    CONF_SOURCE,   /* struct conf_source: a path as CONF_PATH, or a list as CONF_TEXTS */
    CONF_DURATION, /* uint32_t milliseconds, from "10s" or "2m"; min..max in milliseconds */
    CONF_MAP,      /* a struct at `offset`, described by `keys` */
    CONF_LIST,     /* struct conf_list of structs of `item_size`, described by `keys` */
    CONF_CUSTOM,   /* what read() stores */
    CONF_UNSUPPORTED, /* documented, but not in this version: an error unless empty */
};

/* A key of a map.  A table of keys ends with an entry whose name is NULL. */
struct conf_key {
    const char *name;
    enum conf_type type;
    size_t offset;               /* of the value in the target struct */
    uint64_t min, max;           /* inclusive; max 0: no limit (not for CONF_DURATION) */
    const char *const *words;    /* CONF_ENUM: the words, then NULL */
    const struct conf_key *keys; /* CONF_MAP, CONF_LIST */
    size_t item_size;
    uint64_t preset; /* the default of CONF_BOOL, UINT, ENUM, SIZE and DURATION */
    /* The default of CONF_STRING and CONF_PATH, NULL: ""; of CONF_PREFIXES as in a file,
     * "::1/128, fe80::/10", NULL: none. */
    const char *preset_text;
    bool is_required;
    /* CONF_CUSTOM: store the value of `node` at `target`; report errors with conf_wrong. */
    void (*read)(struct conf_reader *reader, const struct conf_node *node, void *target);
    /* Check a value that was read without an error; may be NULL.  In the entry that ends the
     * table: check a whole map that was read without an error; `node` and `target` are those of
     * the map. */
    void (*check)(struct conf_reader *reader, const struct conf_node *node, void *target);
};

struct conf_addrs {
    const struct addr *at;
    size_t cnt;
};

struct conf_list {
    void *items;
    size_t cnt;
};

struct conf_texts {
    const char *const *at;
    size_t cnt;
};

/* Data that is in another file or in the configuration itself. */
struct conf_source {
    const char *path;        /* NULL: none; "" if the text is empty */
    struct conf_texts texts; /* `at` is NULL if there is no list */
};

/* Set the defaults of a table in `target`, and of the tables below it.  The arena owns the
 * lists. Values of types without a preset are left alone.  ERR_NOMEM. */
MUST_USE enum err conf_set_defaults(const struct conf_key *keys, void *target,
                                    struct arena *arena);

/* Read the file `path` into `target`, which holds the defaults.  ERR_CONFIG: an error was added
 * to `diag`. */
MUST_USE enum err conf_read(const char *path, const struct conf_key *keys, void *target,
                            struct arena *arena, struct diag *diag);

/* As conf_read, from memory.  `path` is used in findings and to resolve relative paths. */
MUST_USE enum err conf_parse(const char *path, const char *text, size_t len,
                             const struct conf_key *keys, void *target, struct arena *arena,
                             struct diag *diag);

/* ---- for read() and check() of a key ---- */

/* Return the text of a scalar, borrowed from the reader.  NULL: it is no scalar or holds a NUL
 * byte; an error was added. */
const char *conf_text(struct conf_reader *reader, const struct conf_node *node);

/* Read a decimal number.  False: `text` has other characters, is empty, or is too large. */
bool conf_number(const char *text, uint64_t *out);

/* Add an error at `node`. */
void conf_wrong(struct conf_reader *reader, const struct conf_node *node, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Add a warning at `node`. */
void conf_warn(struct conf_reader *reader, const struct conf_node *node, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* Return the arena that owns what is read. */
struct arena *conf_arena(struct conf_reader *reader);

/* Return the diag, for findings in other files. */
struct diag *conf_diag(struct conf_reader *reader);

/* Return the value of `key` in a map, NULL if the key is absent. */
const struct conf_node *conf_value(struct conf_reader *reader, const struct conf_node *map,
                                   const char *key);

/* Return the place of `node` without the text of its line, so that it outlives the reader. */
struct diag_place conf_place(struct conf_reader *reader, const struct conf_node *node);

/* Return item `i` of a list. */
const struct conf_node *conf_item(struct conf_reader *reader, const struct conf_node *list,
                                  size_t i);
