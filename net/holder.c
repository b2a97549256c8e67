/* /proc/net names the inode of each bound socket, /proc/PID/fd the process that has it open. */
#include "net/holder.h"

#include <dirent.h>
#include <unistd.h>

enum { INODES_MAX = 16, PATH_SIZE = 300 };

struct inodes {
    unsigned long at[INODES_MAX];
    size_t cnt;
};

/* The hexadecimal local address of a /proc/net line as an addr; words are in the machine's
 * order there. */
static bool parse_local(const char *text, bool is_v6, struct addr *out)
{
    uint32_t words[4] = {0};
    unsigned port;
    size_t cnt = is_v6 ? 4 : 1;

    for (size_t i = 0; i < cnt; i++)
        if (sscanf(text + 8 * i, "%8x", &words[i]) != 1)
            return false;
    if (sscanf(text + 8 * cnt, ":%x", &port) != 1)
        return false;
    memset(out, 0, sizeof(*out));
    if (is_v6) {
        out->sock.v6.sin6_family = AF_INET6;
        out->sock.v6.sin6_port = htons((uint16_t)port);
        memcpy(&out->sock.v6.sin6_addr, words, 16);
    } else {
        out->sock.v4.sin_family = AF_INET;
        out->sock.v4.sin_port = htons((uint16_t)port);
        out->sock.v4.sin_addr.s_addr = words[0];
    }
    return true;
}

static bool collides(const struct addr *held, const struct addr *wanted)
{
    if (addr_port(held) != addr_port(wanted))
        return false;
    return addr_is_equal(held, wanted) || addr_is_wildcard(held) || addr_is_wildcard(wanted);
}

static void collect(const char *table, bool is_v6, bool is_stream, const struct addr *wanted,
                    struct inodes *found)
{
    char line[512], local[80];
    unsigned state;
    unsigned long inode;
    FILE *file = fopen(table, "r");

    while (file && fgets(line, sizeof(line), file)) {
        struct addr held;
        if (sscanf(line, " %*d: %79s %*s %x %*s %*s %*s %*s %*s %lu", local, &state, &inode) !=
            3)
            continue;
        if (is_stream && state != 10) /* TCP_LISTEN */
            continue;
        if (parse_local(local, is_v6, &held) && collides(&held, wanted) &&
            found->cnt < INODES_MAX)
            found->at[found->cnt++] = inode;
    }
    if (file)
        fclose(file);
}

static bool has_socket(const char *pid, const struct inodes *inodes)
{
    char path[PATH_SIZE], target[64];
    bool found = false;

    snprintf(path, sizeof(path), "/proc/%s/fd", pid);
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && !found && (entry = readdir(dir));) {
        unsigned long inode;
        snprintf(path, sizeof(path), "/proc/%.20s/fd/%.20s", pid, entry->d_name);
        ssize_t len = readlink(path, target, sizeof(target) - 1);
        if (len <= 0)
            continue;
        target[len] = '\0';
        if (sscanf(target, "socket:[%lu]", &inode) != 1)
            continue;
        for (size_t i = 0; i < inodes->cnt; i++)
            found = found || inodes->at[i] == inode;
    }
    if (dir)
        closedir(dir);
    return found;
}

static void name_process(const char *pid, char out[HOLDER_TEXT_MAX])
{
    char path[PATH_SIZE], name[64] = "a process";
    snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
    FILE *file = fopen(path, "r");
    if (file && fgets(name, sizeof(name), file))
        name[strcspn(name, "\n")] = '\0';
    if (file)
        fclose(file);
    snprintf(out, HOLDER_TEXT_MAX, "%s (pid %.20s)", name, pid);
}

void holder_find(const struct addr *addr, bool is_stream, char out[HOLDER_TEXT_MAX])
{
    struct inodes inodes = {.cnt = 0};

    collect(is_stream ? "/proc/net/tcp" : "/proc/net/udp", false, is_stream, addr, &inodes);
    collect(is_stream ? "/proc/net/tcp6" : "/proc/net/udp6", true, is_stream, addr, &inodes);
    snprintf(out, HOLDER_TEXT_MAX, "another program%s",
             geteuid() == 0 ? "" : " (start this as root once to see its name)");
    DIR *proc = inodes.cnt ? opendir("/proc") : NULL;
    for (struct dirent *entry; proc && (entry = readdir(proc));)
        if (util_is_digit(entry->d_name[0]) && has_socket(entry->d_name, &inodes)) {
            name_process(entry->d_name, out);
            break;
        }
    if (proc)
        closedir(proc);
}
