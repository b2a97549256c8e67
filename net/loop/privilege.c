/* With libcap, because capset(2) is easy to get wrong by hand. */
#define _GNU_SOURCE
#include "net/loop/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/log.h"

static enum err become_user(const char *user, struct fault *fault)
{
    errno = 0;
    struct passwd *entry = getpwnam(user);
    if (!entry)
        return fault_set(fault, ERR_CONFIG, "server.user: there is no user \"%s\"", user);
    if (prctl(PR_SET_KEEPCAPS, 1) != 0 || initgroups(user, entry->pw_gid) != 0 ||
        setgid(entry->pw_gid) != 0 || setuid(entry->pw_uid) != 0)
        return fault_set(fault, ERR_DENIED,
                         "server.user: cannot become \"%s\": %s; start as root", user,
                         strerror(errno));
    return ERR_OK;
}

/* The capabilities that the process keeps.  The second is for a process that stays root:
 * without it a reload could not read zone files of other users. */
static const cap_value_t kept[] = {CAP_NET_BIND_SERVICE, CAP_DAC_READ_SEARCH};

static bool is_kept(cap_value_t cap, size_t kept_cnt)
{
    for (size_t i = 0; i < kept_cnt; i++)
        if (kept[i] == cap)
            return true;
    return false;
}

/* Narrow the bounding set: a program that this process executes must not regain capabilities.
 * EPERM is no error: without CAP_SETPCAP, the service manager has set the bounds. */
static enum err drop_bounds(size_t kept_cnt, struct fault *fault)
{
    for (cap_value_t cap = 0; CAP_IS_SUPPORTED(cap); cap++)
        if (!is_kept(cap, kept_cnt) && cap_get_bound(cap) == 1 && cap_drop_bound(cap) != 0 &&
            errno != EPERM)
            return fault_set(fault, ERR_DENIED,
                             "cannot narrow the bounding set of capabilities: %s",
                             strerror(errno));
    return ERR_OK;
}

static enum err drop_capabilities(size_t kept_cnt, struct fault *fault)
{
    enum err err = ERR_OK;
    cap_t now = cap_get_proc();
    cap_t less = cap_init();

    if (!now || !less)
        err = ERR_NOMEM;
    for (size_t i = 0; i < kept_cnt && !err; i++) {
        cap_flag_value_t had = CAP_CLEAR;
        if (cap_get_flag(now, kept[i], CAP_PERMITTED, &had) != 0 || had == CAP_CLEAR)
            continue;
        cap_set_flag(less, CAP_PERMITTED, 1, &kept[i], CAP_SET);
        cap_set_flag(less, CAP_EFFECTIVE, 1, &kept[i], CAP_SET);
    }
    if (!err && (cap_set_proc(less) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0))
        err = ERR_DENIED;
    if (err)
        fault_set(fault, err, "cannot drop capabilities: %s", strerror(errno));
    cap_free(now);
    cap_free(less);
    return err;
}

enum err privilege_drop(const char *user, struct fault *fault)
{
    bool is_root = geteuid() == 0;
    size_t kept_cnt = is_root && !*user ? ARRAY_LEN(kept) : 1;
    enum err err = ERR_OK;

    if (*user && !is_root) {
        struct passwd *self = getpwuid(geteuid());
        if (!self || strcmp(self->pw_name, user) != 0)
            return fault_set(
                fault, ERR_DENIED,
                "server.user: only root can become \"%s\"; start as root, or remove "
                "server.user",
                user);
    }
    if (is_root) /* other users may not narrow the bounding set */
        err = drop_bounds(kept_cnt, fault);
    if (!err && *user && is_root)
        err = become_user(user, fault);
    if (!err)
        err = drop_capabilities(geteuid() == 0 ? ARRAY_LEN(kept) : 1, fault);
    if (!err && geteuid() == 0)
        log_warning(
            "running as root: set server.user to the user to become after the ports are bound");
    return err;
}
