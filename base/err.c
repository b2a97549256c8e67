/* The only place that translates errno. */
#include "base/err.h"

#include <errno.h>

const char *err_name(enum err err)
{
    switch (err) {
    case ERR_OK: return "ok";
    case ERR_FORMAT: return "bad format";
    case ERR_SPACE: return "no space";
    case ERR_NOMEM: return "out of memory";
    case ERR_LIMIT: return "limit reached";
    case ERR_TIME: return "timed out";
    case ERR_IO: return "input/output error";
    case ERR_DENIED: return "denied";
    case ERR_ABSENT: return "absent";
    case ERR_CONFIG: return "bad configuration";
    }
    return "unknown error";
}

enum err err_from_errno(int number)
{
    switch (number) {
    case 0: return ERR_OK;
    case ENOMEM: return ERR_NOMEM;
    case ENOENT: return ERR_ABSENT;
    case EACCES:
    case EPERM: return ERR_DENIED;
    case ENOSPC:
    case EMSGSIZE: return ERR_SPACE;
    case ETIMEDOUT: return ERR_TIME;
    default: return ERR_IO;
    }
}
