/* /proc/net gives the inode of each bound socket, /proc/PID/fd the process that has it open. */
#include "net/loop/port_owner.h"

#include <dirent.h>
#include <unistd.h>

enum { INODES_MAX = 16, PATH_SIZE = 300 };

struct inodes {
    unsigned long at[INODES_MAX];
    size_t cnt;
};

/* A socket, from one line of /proc/net. */
struct socket_line {
    struct addr local;
    unsigned state;
    unsigned long inode;
};

/* Parse the hexadecimal local address of a /proc/net line; its words are in host byte order. */
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

static bool addresses_overlap(const struct addr *used, const struct addr *wanted)
{
    if (addr_port(used) != addr_port(wanted))
        return false;
    return addr_is_equal(used, wanted) || addr_is_wildcard(used) || addr_is_wildcard(wanted);
}

/* Read the next socket of a table.  False: the end, and the table is closed. */
static bool read_socket_line(FILE *table, bool is_v6, struct socket_line *out)
{
    char line[512], local[80];

    while (table && fgets(line, sizeof(line), table))
        if (sscanf(line, " %*d: %79s %*s %x %*s %*s %*s %*s %*s %lu", local, &out->state,
                   &out->inode) == 3 &&
            parse_local(local, is_v6, &out->local))
            return true;
    if (table)
        fclose(table);
    return false;
}

static void collect_inodes(const char *table, bool is_v6, bool is_stream,
                           const struct addr *wanted, struct inodes *found)
{
    FILE *file = fopen(table, "r");
    struct socket_line line;

    while (read_socket_line(file, is_v6, &line)) {
        if (is_stream && line.state != 10) /* TCP_LISTEN */
            continue;
        if (addresses_overlap(&line.local, wanted) && found->cnt < INODES_MAX)
            found->at[found->cnt++] = line.inode;
    }
}

/* Read the next socket that a process has open.  False: it has no more. */
static bool read_open_socket(DIR *dir, const char *pid, unsigned long *inode)
{
    char path[PATH_SIZE], target[64];

    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        snprintf(path, sizeof(path), "/proc/%.20s/fd/%.20s", pid, entry->d_name);
        ssize_t len = readlink(path, target, sizeof(target) - 1);
        target[len > 0 ? len : 0] = '\0';
        if (sscanf(target, "socket:[%lu]", inode) == 1)
            return true;
    }
    return false;
}

static DIR *open_process_fds(const char *pid)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
    return opendir(path);
}

static bool has_socket(const char *pid, const struct inodes *inodes)
{
    DIR *dir = open_process_fds(pid);
    bool found = false;

    for (unsigned long inode; !found && read_open_socket(dir, pid, &inode);)
        for (size_t i = 0; i < inodes->cnt; i++)
            found = found || inodes->at[i] == inode;
    if (dir)
        closedir(dir);
    return found;
}

static void name_process(const char *pid, char out[PORT_OWNER_TEXT_MAX])
{
    char path[PATH_SIZE], name[64] = "a process";
    snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
    FILE *file = fopen(path, "r");
    if (file && fgets(name, sizeof(name), file))
        name[strcspn(name, "\n")] = '\0';
    if (file)
        fclose(file);
    snprintf(out, PORT_OWNER_TEXT_MAX, "%s (pid %.20s)", name, pid);
}

void port_owner_find(const struct addr *addr, bool is_stream, char out[PORT_OWNER_TEXT_MAX])
{
    struct inodes inodes = {.cnt = 0};

    collect_inodes(is_stream ? "/proc/net/tcp" : "/proc/net/udp", false, is_stream, addr,
                   &inodes);
    collect_inodes(is_stream ? "/proc/net/tcp6" : "/proc/net/udp6", true, is_stream, addr,
                   &inodes);
    snprintf(out, PORT_OWNER_TEXT_MAX, "another program%s",
             geteuid() == 0 ? "" : " (start as root once to see its name)");
    DIR *proc = inodes.cnt ? opendir("/proc") : NULL;
    for (struct dirent *entry; proc && (entry = readdir(proc));)
        if (util_is_digit(entry->d_name[0]) && has_socket(entry->d_name, &inodes)) {
            name_process(entry->d_name, out);
            break;
        }
    if (proc)
        closedir(proc);
}

size_t port_owner_list(uint16_t port, struct addr *out, size_t max)
{
    static const char *const tables[] = {"/proc/net/udp", "/proc/net/udp6"};
    unsigned long *inodes = calloc(max, sizeof(*inodes));
    size_t cnt = 0;

    for (int i = 0; i < 2; i++) {
        FILE *file = fopen(tables[i], "r");
        struct socket_line line;
        while (read_socket_line(file, i == 1, &line))
            if (inodes && cnt < max && addr_port(&line.local) == port) {
                out[cnt] = line.local;
                inodes[cnt++] = line.inode;
            }
    }
    DIR *dir = cnt ? open_process_fds("self") : NULL;
    for (unsigned long inode; read_open_socket(dir, "self", &inode);)
        for (size_t i = cnt; i-- > 0;)
            if (inodes[i] == inode) {
                cnt--;
                inodes[i] = inodes[cnt];
                out[i] = out[cnt];
            }
    if (dir)
        closedir(dir);
    free(inodes);
    return cnt;
}
