/* rootline lab: the laboratory is a program of its own, rootline-lab, so that a server can do
 * without it and its attacks. */
#include <errno.h>
#include <unistd.h>

#include "tools/cmd.h"

enum { PATH_LEN = 4096 };

int cmd_lab(int argc, char **argv)
{
    char path[PATH_LEN + 16];
    ssize_t len = readlink("/proc/self/exe", path, PATH_LEN);
    char **args = calloc((size_t)argc + 2, sizeof(*args));

    if (len <= 0 || !args) {
        free(args);
        fprintf(stderr, "rootline: cannot find rootline-lab\n");
        return CMD_WRONG;
    }
    path[len] = '\0';
    strcpy(strrchr(path, '/'), "/rootline-lab");
    args[0] = "rootline-lab";
    for (int i = 0; i < argc; i++)
        args[i + 1] = argv[i];
    execv(path, args);
    fprintf(stderr,
            "rootline: cannot run %s: %s\n  The laboratory is a package of its own: "
            "rootline-lab\n",
            path, strerror(errno));
    free(args);
    return CMD_WRONG;
}
