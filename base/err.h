/* base/err.h | the only error codes of the tree
 *
 * A call that can fail returns `enum err`; 0 is success.  Answers of the domain (NXDOMAIN, a
 * cache miss, an outcome of a lookup) are enums of their own and never appear here.
 *
 * Thread:   any.
 */
#pragma once

enum err {
    ERR_OK = 0,
    ERR_FORMAT, /* bytes or text that break their format */
    ERR_SPACE,  /* the destination is full */
    ERR_NOMEM,  /* the system or a capped arena gave no memory */
    ERR_LIMIT,  /* a limit of docs/LIMITS.md was reached */
    ERR_TIME,   /* a deadline passed */
    ERR_IO,     /* the system refused a read, a write or an open */
    ERR_DENIED, /* not allowed to this caller */
    ERR_ABSENT, /* what was asked for does not exist */
    ERR_CONFIG, /* the configuration is wrong; the reason is in a diag */
};

/* The name of a code in lower case, for logs.  Never NULL. */
const char *err_name(enum err err);

/* The code that stands for a value of errno. */
enum err err_from_errno(int number);
