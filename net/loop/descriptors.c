#include "net/loop/descriptors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"

enum {
    PROCESS = 128, /* log, cache, zone files, control connections */
    WORKER = 16,   /* the loop, and the engine's own */
    LISTENER = 4,  /* per worker: UDP, TCP, one in reserve, one connection being rejected */
    REST_MIN = 64  /* at least, for clients and servers */
};

static unsigned count_fixed(const struct descriptors_wish *wish)
{
    return PROCESS + wish->workers * (WORKER + LISTENER * wish->listeners);
}

static unsigned count_least(const struct descriptors_wish *wish)
{
    return count_fixed(wish) + REST_MIN + wish->workers;
}

bool descriptors_divide(unsigned limit, const struct descriptors_wish *wish,
                        struct descriptors *out)
{
    unsigned fixed = count_fixed(wish);

    if (limit < count_least(wish))
        return false;
    unsigned rest = limit - fixed;
    out->limit = limit;
    out->sockets = (unsigned)util_min(wish->sockets, rest / 2 / wish->workers);
    out->connections =
        (unsigned)util_min(wish->connections, rest - out->sockets * wish->workers);
    return true;
}

/* The limit is lowered too, because the tables of each loop have its size. */
static enum err set_limit(unsigned wanted, unsigned *limit, struct fault *fault)
{
    struct rlimit is;

    if (getrlimit(RLIMIT_NOFILE, &is) != 0)
        return fault_set(fault, ERR_IO, "cannot read RLIMIT_NOFILE: %s", strerror(errno));
    is.rlim_cur = util_min(is.rlim_max, wanted);
    if (setrlimit(RLIMIT_NOFILE, &is) != 0)
        return fault_set(fault, ERR_IO, "cannot set RLIMIT_NOFILE to %u: %s", wanted,
                         strerror(errno));
    *limit = (unsigned)is.rlim_cur;
    return ERR_OK;
}

enum err descriptors_set(const struct descriptors_wish *wish, struct descriptors *out,
                         struct fault *fault)
{
    unsigned wanted = count_fixed(wish) + wish->connections + wish->workers * wish->sockets;
    unsigned limit = 0, least = count_least(wish);

    wanted = (unsigned)util_max(wanted, least); /* with few connections configured */

    enum err err = set_limit(wanted, &limit, fault);
    if (err)
        return err;
    if (!descriptors_divide(limit, wish, out))
        return fault_set(
            fault, ERR_LIMIT,
            "RLIMIT_NOFILE allows only %u open files, and at least %u are needed; raise it to "
            "%u (LimitNOFILE= in systemd, ulimit -n in a shell)",
            limit, least, wanted);
    if (limit < wanted)
        log_warning(
            "RLIMIT_NOFILE allows only %u open files: %u of %u connections are accepted, and "
            "each worker has %u of %u sockets for queries to servers; raise it to %u "
            "(LimitNOFILE= in systemd, ulimit -n in a shell)",
            limit, out->connections, wish->connections, out->sockets, wish->sockets, wanted);
    return ERR_OK;
}
