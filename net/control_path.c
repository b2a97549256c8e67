/* In /tmp anybody may have been there first: a folder that is not ours alone is not used. */
#include "net/control_path.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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

enum err control_path_make_folder(const char *path, bool *is_new)
{
    char folder[CONTROL_PATH_MAX];
    struct stat is;

    *is_new = false;
    snprintf(folder, sizeof(folder), "%s", path);
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder)
        return ERR_OK;
    *slash = '\0';
    bool is_tmp = strncmp(folder, "/tmp/", 5) == 0;
    *is_new = mkdir(folder, is_tmp ? 0700 : 0755) == 0;
    if (!*is_new && errno != EEXIST)
        return ERR_DENIED;
    if (lstat(folder, &is) != 0 || !S_ISDIR(is.st_mode) || access(folder, W_OK | X_OK) != 0)
        return ERR_DENIED;
    return is_tmp && (is.st_uid != geteuid() || (is.st_mode & 022)) ? ERR_DENIED : ERR_OK;
}
