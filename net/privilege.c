/* Through libcap, because the order of setuid, keepcaps and capset is easy to get wrong by
 * hand. */
#define _GNU_SOURCE
#include "net/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

static enum err become(const char *user, char *why, size_t size)
{
    errno = 0;
    struct passwd *entry = getpwnam(user);
    if (!entry) {
        snprintf(why, size, "server.user: there is no user \"%s\"", user);
        return ERR_CONFIG;
    }
    if (prctl(PR_SET_KEEPCAPS, 1) != 0 || initgroups(user, entry->pw_gid) != 0 ||
        setgid(entry->pw_gid) != 0 || setuid(entry->pw_uid) != 0) {
        snprintf(why, size, "server.user: cannot become \"%s\": %s; only root can", user,
                 strerror(errno));
        return ERR_DENIED;
    }
    return ERR_OK;
}

/* CAP_NET_BIND_SERVICE, and for root that stays root the right to read: without it root could
 * not read the zone files of others again at a reload. */
static enum err keep_needed(bool is_root, char *why, size_t size)
{
    const cap_value_t wanted[] = {CAP_NET_BIND_SERVICE, CAP_DAC_READ_SEARCH};
    enum err err = ERR_OK;
    cap_t now = cap_get_proc();
    cap_t less = cap_init();

    if (!now || !less)
        err = ERR_NOMEM;
    for (size_t i = 0; i < (is_root ? 2 : 1) && !err; i++) {
        cap_flag_value_t had = CAP_CLEAR;
        if (cap_get_flag(now, wanted[i], CAP_PERMITTED, &had) != 0 || had == CAP_CLEAR)
            continue;
        cap_set_flag(less, CAP_PERMITTED, 1, &wanted[i], CAP_SET);
        cap_set_flag(less, CAP_EFFECTIVE, 1, &wanted[i], CAP_SET);
    }
    if (!err && cap_set_proc(less) != 0)
        err = ERR_DENIED;
    if (err)
        snprintf(why, size, "cannot drop capabilities: %s", strerror(errno));
    cap_free(now);
    cap_free(less);
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return err;
}

enum err privilege_drop(const char *user, char *why, size_t size)
{
    if (*user && geteuid() != 0) {
        struct passwd *self = getpwuid(geteuid());
        if (!self || strcmp(self->pw_name, user) != 0) {
            snprintf(why, size,
                     "server.user: only root can become \"%s\"; start as root or leave it out",
                     user);
            return ERR_DENIED;
        }
    } else if (*user) {
        enum err err = become(user, why, size);
        if (err)
            return err;
    }
    return keep_needed(geteuid() == 0, why, size);
}
