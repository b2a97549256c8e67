#include "net/loop/descriptors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"

enum {
    PROCESS = 128, /* log, cache, zone files, connections of the control socket */
    WORKER = 16,   /* its loop and the engine's own */
    LISTENER = 4,  /* of a worker: UDP, TCP, one in reserve, one that is being refused */
    REST_MIN = 64  /* for clients and servers */
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

/* Also down: tables of a loop are as large as the limit. */
static enum err set_limit(unsigned wanted, unsigned *limit, char *why, size_t size)
{
    struct rlimit is;

    if (getrlimit(RLIMIT_NOFILE, &is) != 0) {
        snprintf(why, size, "RLIMIT_NOFILE cannot be read: %s", strerror(errno));
        return ERR_IO;
    }
    is.rlim_cur = util_min(is.rlim_max, wanted);
    if (setrlimit(RLIMIT_NOFILE, &is) != 0) {
        snprintf(why, size, "RLIMIT_NOFILE cannot be set to %u: %s", wanted, strerror(errno));
        return ERR_IO;
    }
    *limit = (unsigned)is.rlim_cur;
    return ERR_OK;
}

enum err descriptors_set(const struct descriptors_wish *wish, struct descriptors *out,
                         char *why, size_t size)
{
    unsigned wanted = count_fixed(wish) + wish->connections + wish->workers * wish->sockets;
    unsigned limit, least = count_least(wish);

    wanted = (unsigned)util_max(wanted, least); /* however few connections are allowed */

    enum err err = set_limit(wanted, &limit, why, size);
    if (err)
        return err;
    if (!descriptors_divide(limit, wish, out)) {
        snprintf(
            why, size,
            "only %u files may be open (RLIMIT_NOFILE), at least %u are needed; raise it to "
            "%u (LimitNOFILE= of systemd, ulimit -n of a shell)",
            limit, least, wanted);
        return ERR_LIMIT;
    }
    if (limit < wanted)
        log_warning(
            "only %u files may be open (RLIMIT_NOFILE): %u of %u connections are "
            "served, and each worker asks servers with %u of %u sockets; raise it to %u "
            "(LimitNOFILE= of systemd, ulimit -n of a shell)",
            limit, out->connections, wish->connections, out->sockets, wish->sockets, wanted);
    return ERR_OK;
}
