/* base/conf.h | a YAML file read into the structs that a table describes
 *
 * This file knows YAML, places and types; which keys exist is told by tables of `struct
 * conf_key`.  Whatever does not fit - an unknown key, a wrong value, broken YAML - becomes a
 * finding with its place in the diag and reading goes on.
 *
 * Owner:    strings and lists that are read belong to the arena given to conf_read.
 * Thread:   one at a time.
 */
#pragma once

#include "base/addr.h"
#include "base/arena.h"
#include "base/diag.h"

struct conf_node;
struct conf_reader;

enum conf_type {
    CONF_BOOL,        /* bool */
    CONF_UINT,        /* uint32_t, min..max */
    CONF_STRING,      /* const char * */
    CONF_PATH,        /* const char *, beside the configuration file when relative */
    CONF_ENUM,        /* int: index into words */
    CONF_TIME,        /* int64_t milliseconds of an RFC 3339 instant; "" leaves it */
    CONF_ADDRS,       /* struct conf_addrs; min is the default port */
    CONF_PREFIXES,    /* struct addr_prefixes */
    CONF_SIZE,        /* uint64_t octets, "64M"; min..max in octets */
    CONF_TEXTS,       /* struct conf_texts */
    CONF_DURATION,    /* uint32_t milliseconds, "10s" or "2m"; min..max in milliseconds */
    CONF_MAP,         /* a struct at offset, described by keys */
    CONF_LIST,        /* struct conf_list of structs of item_size, described by keys */
    CONF_CUSTOM,      /* read() does it */
    CONF_UNSUPPORTED, /* in the contract, not in this version: empty, or an error */
    CONF_IGNORED,     /* in the contract, without effect yet: a warning unless empty */
};

/* One key.  A table of them ends with a NULL name. */
struct conf_key {
    const char *name;
    enum conf_type type;
    size_t offset;               /* of the value in the target struct */
    uint64_t min, max;           /* CONF_UINT; max 0: the type's own */
    const char *const *words;    /* CONF_ENUM, ended by NULL */
    const struct conf_key *keys; /* CONF_MAP, CONF_LIST */
    size_t item_size;
    bool is_required;
    /* CONF_CUSTOM: put the value of `node` where `target` points; conf_wrong() for what is
     * wrong. */
    void (*read)(struct conf_reader *reader, const struct conf_node *node, void *target);
    /* Called after the value was read without an error, to judge it as a whole; may be NULL.
     * That of the entry that ends a table is called for each map that was read without an
     * error, with its node and target. */
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

/* Read the file `path` into `target`, which holds the defaults.  ERR_CONFIG when the diag got
 * an error. */
MUST_USE enum err conf_read(const char *path, const struct conf_key *keys, void *target,
                            struct arena *arena, struct diag *diag);

/* The same from memory; `path` serves messages and relative paths. */
MUST_USE enum err conf_parse(const char *path, const char *text, size_t len,
                             const struct conf_key *keys, void *target, struct arena *arena,
                             struct diag *diag);

/* For custom readers: the text of a scalar, NULL and a finding when it is none. */
const char *conf_text(struct conf_reader *reader, const struct conf_node *node);

/* For custom readers: digits and nothing else; false when the text is something else or too
 * large. */
bool conf_number(const char *text, uint64_t *out);

/* For custom readers: add an error at `node`. */
void conf_wrong(struct conf_reader *reader, const struct conf_node *node, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* The same as a warning. */
void conf_warn(struct conf_reader *reader, const struct conf_node *node, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/* For custom readers: where lists and strings live. */
struct arena *conf_arena(struct conf_reader *reader);

/* For checks: where findings about other files go. */
struct diag *conf_diag(struct conf_reader *reader);

/* For checks of a whole map: the node of the value of `key`; NULL: it is not given. */
const struct conf_node *conf_value(struct conf_reader *reader, const struct conf_node *map,
                                   const char *key);

/* For checks: the place of `node`, without the text of its line. */
struct diag_place conf_place(struct conf_reader *reader, const struct conf_node *node);

/* For checks: the node of the i-th item of a list, of a struct conf_texts too. */
const struct conf_node *conf_item(struct conf_reader *reader, const struct conf_node *list,
                                  size_t i);
