#define _GNU_SOURCE /* namespaces, struct ucred */
#include "tools/lab/space.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ANSWER_MAX = 65536, ANSWER_WAIT_S = 60 };

static bool explain_space(struct fault *fault, const char *what)
{
    fault_set(fault, ERR_DENIED, "%s: %s", what, strerror(errno));
    return false;
}

/* ---- the keeper's socket ---- */

/* The user is part of the name, and the other side's user is checked as well, because anybody
 * may bind any abstract name. */
static socklen_t print_socket_name(const char *name, struct sockaddr_un *at)
{
    *at = (struct sockaddr_un){.sun_family = AF_UNIX};
    int len = snprintf(at->sun_path + 1, sizeof(at->sun_path) - 1, "rootline-lab/%u/%s",
                       (unsigned)geteuid(), name);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
}

int space_listen(const char *name)
{
    struct sockaddr_un at;
    const socklen_t len = print_socket_name(name, &at);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)&at, len) == 0 && listen(fd, 16) == 0)
        return fd;
    int number = errno;
    close(fd);
    errno = number;
    return -1;
}

static void print_socket_path(const char *folder, struct sockaddr_un *at)
{
    *at = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(at->sun_path, sizeof(at->sun_path), "%s/keeper.sock", folder);
}

int space_listen_inside(const char *folder)
{
    struct sockaddr_un at;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    print_socket_path(folder, &at);
    if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0 && listen(fd, 16) == 0)
        return fd;
    int number = errno;
    if (fd >= 0)
        close(fd);
    errno = number;
    return -1;
}

static int connect_keeper(const struct space *space, pid_t *keeper, struct fault *fault)
{
    const char *name = space->name;
    struct sockaddr_un at;
    socklen_t len = print_socket_name(name, &at);
    const struct timeval wait = {.tv_sec = ANSWER_WAIT_S};
    struct ucred peer;
    socklen_t peer_len = sizeof(peer);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    if (fd < 0) {
        explain_space(fault, "cannot open a socket");
        return -1;
    }
    if (space->is_inside) {
        print_socket_path(space->folder, &at);
        len = sizeof(at);
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    if (connect(fd, (struct sockaddr *)&at, len) == 0 &&
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_len) == 0 &&
        peer.uid == geteuid()) {
        *keeper = peer.pid;
        return fd;
    }
    fault_set(fault, ERR_DENIED,
              "you have no laboratory \"%s\": start it with `rootline lab up%s%s`", name,
              strcmp(name, "lab") == 0 ? "" : " --name ", strcmp(name, "lab") == 0 ? "" : name);
    close(fd);
    return -1;
}

static struct json *read_answer(int fd, struct fault *fault)
{
    static char text[ANSWER_MAX];
    struct json *answer = NULL;
    const ssize_t len = recv(fd, text, sizeof(text), 0);

    if (len <= 0 || json_read(text, (size_t)len, &answer, fault) != ERR_OK) {
        fault_set(fault, ERR_DENIED, "the laboratory's keeper gave no answer");
        return NULL;
    }
    const char *error = json_get_text(answer, "error", "");
    if (*error) {
        fault_set(fault, ERR_DENIED, "%s", error);
        json_free(&answer);
    }
    return answer;
}

/* As space_request, and set *keeper to the keeper's number. */
static struct json *request_keeper(const struct space *space, struct json *request,
                                   pid_t *keeper, struct fault *fault)
{
    struct json *answer = NULL;
    char *text = json_write(request, false);
    int fd = text ? connect_keeper(space, keeper, fault) : -1;

    json_free(&request);
    if (fd >= 0 && send(fd, text, strlen(text), MSG_NOSIGNAL) > 0)
        answer = read_answer(fd, fault);
    if (fd >= 0)
        close(fd);
    free(text);
    return answer;
}

struct json *space_request(const struct space *space, struct json *request, struct fault *fault)
{
    pid_t keeper;
    return request_keeper(space, request, &keeper, fault);
}

struct json *space_list(void)
{
    struct json *list = json_new_list();
    char line[512], start[64];
    FILE *in = fopen("/proc/net/unix", "re");

    int len = snprintf(start, sizeof(start), " @rootline-lab/%u/", (unsigned)geteuid());
    while (in && fgets(line, sizeof(line), in)) {
        char *at = strstr(line, start);
        if (!at || !strstr(line, " 00010000 ")) /* the flag of a socket that listens */
            continue;
        at += len;
        at[strcspn(at, "\n")] = '\0';
        json_add_text(list, at);
    }
    if (in)
        fclose(in);
    return list;
}

/* ---- making ---- */

static bool write_proc(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool is_written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return is_written;
}

/* This user is root inside. */
static bool map_user(uid_t uid, gid_t gid)
{
    char text[40];

    if (!write_proc("/proc/self/setgroups", "deny"))
        return false;
    snprintf(text, sizeof(text), "0 %u 1", (unsigned)uid);
    if (!write_proc("/proc/self/uid_map", text))
        return false;
    snprintf(text, sizeof(text), "0 %u 1", (unsigned)gid);
    return write_proc("/proc/self/gid_map", text);
}

/* The cure depends on the system: Debian allows it, Ubuntu asks AppArmor, others have a limit.
 */
static void explain_refusal(struct fault *fault, bool is_root, int number)
{
    const char *cure =
        is_root ? "In a container: start it with --privileged"
        : number == ENOSPC
            ? "Run the command with sudo, or allow it as root: "
              "sysctl user.max_user_namespaces=10000"
            : "Run the command with sudo, or allow it as root: "
              "sysctl kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu), "
              "sysctl kernel.unprivileged_userns_clone=1 (Debian 10).  In a chroot no user may";

    fault_set(fault, ERR_DENIED, "%s may not make namespaces here (%s).  %s",
              is_root ? "root" : "this user", strerror(number), cure);
}

pid_t space_make(struct fault *fault)
{
    const uid_t uid = geteuid();
    const gid_t gid = getegid();
    const int spaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;

    if (unshare(spaces | (uid == 0 ? 0 : CLONE_NEWUSER)) != 0 ||
        (uid != 0 && !map_user(uid, gid))) {
        explain_refusal(fault, uid == 0, errno);
        return -1;
    }
    const pid_t pid = fork();
    if (pid < 0)
        explain_space(fault, "cannot start a process");
    return pid;
}

/* ---- entering ---- */

static bool enter_one(pid_t pid, const char *kind, int type)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, kind);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is_done = fd >= 0 && setns(fd, type) == 0;
    if (fd >= 0)
        close(fd);
    return is_done;
}

bool space_enter_host(pid_t pid)
{
    /* mount last: the others are found in this /proc */
    return enter_one(pid, "net", CLONE_NEWNET) && enter_one(pid, "uts", CLONE_NEWUTS) &&
           enter_one(pid, "mnt", CLONE_NEWNS);
}

bool space_open(struct space *space, const char *name, struct fault *fault)
{
    struct json *request = json_new_object();

    memset(space, 0, sizeof(*space));
    for (size_t i = 0; i < TOPOLOGY_HOSTS_MAX; i++)
        space->nets[i] = -1;
    snprintf(space->name, sizeof(space->name), "%s", name);
    json_put_text(request, "command", "status");
    space->status = request_keeper(space, request, &space->keeper, fault);
    if (!space->status)
        return false;
    snprintf(space->folder, sizeof(space->folder), "%s",
             json_get_text(space->status, "folder", ""));
    const struct json *hosts = json_find(space->status, "hosts");
    for (size_t i = 0; i < topology_host_cnt; i++)
        space->hosts[i] = (pid_t)json_get_number(json_at(hosts, i), "pid", 0);
    return true;
}

void space_close(struct space *space)
{
    json_free(&space->status);
    for (size_t i = 0; i < TOPOLOGY_HOSTS_MAX; i++)
        if (space->nets[i] >= 0)
            close(space->nets[i]);
}

/* The keeper's user namespace differs from ours only if we are not root. */
static bool enter_keeper(pid_t keeper)
{
    char at[4096];
    bool has_place = getcwd(at, sizeof(at)) != NULL;

    if (geteuid() != 0 && !enter_one(keeper, "user", CLONE_NEWUSER))
        return false;
    if (!enter_one(keeper, "pid", CLONE_NEWPID) || !enter_one(keeper, "ipc", CLONE_NEWIPC) ||
        !enter_one(keeper, "net", CLONE_NEWNET) || !enter_one(keeper, "mnt", CLONE_NEWNS))
        return false;
    if (!has_place || chdir(at) != 0)
        has_place = chdir("/") == 0;
    return has_place;
}

static volatile sig_atomic_t inner_process;

static void pass_signal_on(int number) { kill((pid_t)inner_process, number); }

/* Wait for the process inside and end with its status.  If this process ended first, the other
 * would become a child of the machine's process 1, and the laboratory's namespace would wait
 * for that to reap it, which in a container it may never do. */
static _Noreturn void wait_for_inner(pid_t inner)
{
    int status = 0;

    inner_process = inner;
    signal(SIGTERM, pass_signal_on);
    signal(SIGHUP, pass_signal_on);
    /* the terminal sends Ctrl-C to the child too, which decides */
    signal(SIGINT, SIG_IGN);
    signal(SIGQUIT, SIG_IGN);
    while (waitpid(inner, &status, 0) < 0 && errno == EINTR)
        continue;
    /* nothing more: children of this process would be born in the laboratory */
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

bool space_enter(struct space *space, struct fault *fault)
{
    if (!enter_keeper(space->keeper))
        return explain_space(fault, "cannot enter the laboratory");
    fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
        space->is_inside = true;
        return true;
    }
    if (pid < 0)
        return explain_space(fault, "cannot start a process");
    wait_for_inner(pid);
}

bool space_confine(void)
{
    /* what clients, servers, tcpdump, ip and nft need; not CAP_SYS_ADMIN, which enters
     * namespaces and uncovers mounts, and not CAP_SYS_PTRACE, which takes over the keeper */
    static const int kept[] = {
        CAP_CHOWN,      CAP_DAC_OVERRIDE, CAP_FOWNER,           CAP_FSETID,
        CAP_KILL,       CAP_SETGID,       CAP_SETUID,           CAP_SETPCAP,
        CAP_NET_RAW,    CAP_NET_ADMIN,    CAP_NET_BIND_SERVICE, CAP_IPC_LOCK,
        CAP_SYS_CHROOT, CAP_SYS_NICE,     CAP_SYS_RESOURCE};

    for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++) {
        bool is_kept = false;
        for (size_t i = 0; i < ARRAY_LEN(kept); i++)
            is_kept |= kept[i] == cap;
        if (!is_kept && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0)
            return false;
    }
    return true;
}

bool space_open_nets(struct space *space)
{
    char path[64];

    for (size_t i = 0; i < topology_host_cnt; i++) {
        snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)space->hosts[i]);
        if ((space->nets[i] = open(path, O_RDONLY | O_CLOEXEC)) < 0)
            return false;
    }
    return true;
}

bool space_go(const struct space *space, const struct topology_host *host)
{
    return setns(space->nets[topology_index(host)], CLONE_NEWNET) == 0;
}

int space_socket(const struct space *space, const struct topology_host *host, int family,
                 int type, int protocol)
{
    return space_go(space, host) ? socket(family, type | SOCK_CLOEXEC, protocol) : -1;
}
