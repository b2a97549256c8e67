/* Paths are resolved first: each folder on the real path is checked, not the links to it. */
#define _GNU_SOURCE
#include "base/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Return true if only root can replace what is in the folder `path`.  Any user may create files
 * in a sticky folder, but cannot replace those of root. */
static bool is_root_guarded(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && st.st_uid == 0 &&
           (!(st.st_mode & (S_IWGRP | S_IWOTH)) || st.st_mode & S_ISVTX);
}

bool folder_is_root_only(const char *folder)
{
    char path[PATH_MAX];

    if (!realpath(folder, path) || !is_root_guarded("/"))
        return false;
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool is_right = is_root_guarded(path);
        *slash = '/';
        if (!is_right)
            return false;
    }
    return is_root_guarded(path);
}

/* Get the folder that contains `path`. */
static void find_parent(const char *path, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s", path);
    char *slash = strrchr(out, '/');
    while (slash && slash > out && !slash[1]) { /* "a/b/" */
        *slash = '\0';
        slash = strrchr(out, '/');
    }
    if (slash)
        slash[slash == out] = '\0';
    else
        strcpy(out, ".");
}

/* Change the owner through a descriptor that follows no link, so that it is the folder just
 * made. */
static enum err give_folder_to(const char *path, const struct passwd *owner)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool is_given = fd >= 0 && fchown(fd, owner->pw_uid, owner->pw_gid) == 0;
    enum err err = is_given ? ERR_OK : err_from_errno(errno);

    if (fd >= 0)
        close(fd);
    return err;
}

enum err folder_make(const char *path, mode_t mode, const char *user, struct fault *fault)
{
    const struct passwd *owner = *user ? getpwnam(user) : NULL;
    char parent[PATH_MAX];
    struct stat st;

    if (lstat(path, &st) == 0)
        return ERR_OK;
    if (*user && !owner)
        return fault_set(fault, ERR_CONFIG, "there is no user \"%s\"", user);
    find_parent(path, parent);
    if (geteuid() == 0 && access(parent, F_OK) == 0 && !folder_is_root_only(parent))
        return fault_set(
            fault, ERR_DENIED,
            "%s: root does not create folders below a folder of another user: create it, or "
            "set server.user",
            path);
    enum err err = mkdir(path, mode) == 0 || errno == EEXIST ? ERR_OK : err_from_errno(errno);
    if (!err && owner)
        err = give_folder_to(path, owner);
    if (err)
        return fault_set(fault, err, "%s: %s", path, strerror(errno));
    return ERR_OK;
}
