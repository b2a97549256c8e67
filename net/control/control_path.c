/* Any user can create a folder in /tmp first, so one that other users own or may write to is
 * not used. */
#include "net/control/control_path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/folder.h"

enum err control_path_get(const char *daemon, unsigned place, char out[CONTROL_PATH_MAX])
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char folder[CONTROL_PATH_MAX];
    int len = 0;

    if (place == 0)
        len = snprintf(folder, sizeof(folder), "/run/rootline");
    else if (place == 1 && runtime && *runtime == '/')
        len = snprintf(folder, sizeof(folder), "%s/rootline", runtime);
    else if (place == 2)
        len = snprintf(folder, sizeof(folder), "/tmp/rootline-%u", (unsigned)geteuid());
    if (len <= 0 || (size_t)len >= sizeof(folder))
        return ERR_ABSENT;
    len = snprintf(out, CONTROL_PATH_MAX, "%s/%s.sock", folder, daemon);
    return len > 0 && len < CONTROL_PATH_MAX ? ERR_OK : ERR_ABSENT;
}

static bool is_below_tmp(const char *folder) { return strncmp(folder, "/tmp/", 5) == 0; }

/* Check the folder: where other users may write, they could replace the socket with their own.
 */
static enum err check_socket_folder(const char *folder, struct fault *fault)
{
    struct stat is;
    bool is_tmp = is_below_tmp(folder);

    if (lstat(folder, &is) != 0)
        return fault_set(fault, ERR_DENIED, "%s: %s", folder, strerror(errno));
    if (!S_ISDIR(is.st_mode))
        return fault_set(fault, ERR_DENIED, "%s is not a folder", folder);
    if ((is_tmp || geteuid() == 0) && is.st_uid != geteuid())
        return fault_set(fault, ERR_DENIED, "%s belongs to another user (%u)", folder,
                         (unsigned)is.st_uid);
    if (is.st_mode & (is_tmp ? S_IWGRP | S_IWOTH : S_IWOTH) &&
        (is_tmp || !(is.st_mode & S_ISVTX)))
        return fault_set(
            fault, ERR_DENIED,
            "other users may write to %s (mode %04o) and could replace the socket: "
            "chmod go-w %s",
            folder, (unsigned)is.st_mode & 07777, folder);
    if (access(folder, W_OK | X_OK) != 0)
        return fault_set(fault, ERR_DENIED,
                         "%s: %s; the folder must belong to the user that the daemon runs as",
                         folder, strerror(errno));
    return ERR_OK;
}

/* Print the folder that `path` is in.  False: it is the root or the working directory. */
static bool find_socket_folder(const char *path, char out[CONTROL_PATH_MAX])
{
    snprintf(out, CONTROL_PATH_MAX, "%s", path);
    char *slash = strrchr(out, '/');
    if (!slash || slash == out)
        return false;
    *slash = '\0';
    return true;
}

enum err control_path_make_folder(const char *path, const char *user, struct fault *fault)
{
    char folder[CONTROL_PATH_MAX];

    if (!find_socket_folder(path, folder))
        return ERR_OK;
    return folder_make(folder, is_below_tmp(folder) ? 0700 : 0755, user, fault);
}

bool control_path_is_roots(const char *path)
{
    char folder[CONTROL_PATH_MAX];

    return folder_is_root_only(find_socket_folder(path, folder) ? folder
                               : *path == '/'                   ? "/"
                                                                : ".");
}

enum err control_path_check(const char *path, struct fault *fault)
{
    char folder[CONTROL_PATH_MAX];

    return find_socket_folder(path, folder) ? check_socket_folder(folder, fault) : ERR_OK;
}
