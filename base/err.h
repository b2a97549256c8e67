/* base/err.h | the error codes of all modules
 *
 * A function that can fail returns `enum err`; 0 is success.  Results that are part of the
 * protocol (NXDOMAIN, a cache miss, the outcome of a lookup) have enums of their own and are no
 * errors.
 *
 * Thread:   any.
 */
#pragma once

enum err {
    ERR_OK = 0,
    ERR_FORMAT, /* bytes or text violate their format */
    ERR_SPACE,  /* the destination is full */
    ERR_NOMEM,  /* the system has no memory, or the arena has reached its cap */
    ERR_LIMIT,  /* a limit of docs/LIMITS.md was reached */
    ERR_TIME,   /* a deadline passed */
    ERR_IO,     /* the system failed to open, read or write */
    ERR_DENIED, /* the caller lacks permission */
    ERR_ABSENT, /* the requested object does not exist */
    ERR_CONFIG, /* the configuration is invalid; a diag has the reason */
};

/* Return a lower-case description of the code for logs.  Never NULL. */
const char *err_name(enum err err);

/* Return the code that corresponds to a value of errno; ERR_IO if none does. */
enum err err_from_errno(int number);
