/* The keeper is process 1 of its PID namespace.  It answers one request at a time. */
#define _GNU_SOURCE /* namespaces, struct ucred, signalfd */
#include "tools/lab/keeper.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/ask.h"
#include "tools/cmd.h"
#include "tools/lab/forwarder.h"
#include "tools/lab/rtlink.h"
#include "tools/lab/site.h"
#include "tools/lab/web.h"

enum {
    START_WAIT_MS = 15000, /* for a daemon to be ready */
    STEP_MS = 5,
    REQUEST_MAX = 65536,
    REQUEST_WAIT_S = 5,
    LOG_MAX = 1 << 20,
    OFF_TEXT_MAX = 512,
};

/* Lifetime: process. */
struct keeper {
    const struct keeper_conf *conf;
    struct site site;
    struct forwarder_shared *links;
    int listener, inner, signals;
    int parent; /* pipe to `rootline lab up` */
    pid_t forwarder;
    pid_t hosts[TOPOLOGY_HOSTS_MAX]; /* each keeps the namespaces of a host */
    pid_t
        daemons[TOPOLOGY_HOSTS_MAX]; /* its rootline-authd or rootline-resolver; 0: none runs */
    pid_t webs[TOPOLOGY_HOSTS_MAX];
    time_t started_s;
    int64_t ahead_s;        /* how far the daemons' clocks were moved */
    char off[OFF_TEXT_MAX]; /* the defences that the resolver lacks now, as text */
    struct fault fault;
};

static bool fail_keeper(struct keeper *k, const char *what)
{
    fault_set(&k->fault, ERR_IO, "%s: %s", what, strerror(errno));
    return false;
}

/* ---- hosts ---- */

/* In a child: give back what belongs to the keeper. */
static void leave_keeper(const struct keeper *k)
{
    sigset_t none;

    close(k->parent);
    close(k->listener);
    close(k->inner);
    close(k->signals);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool set_up_interface(size_t index)
{
    const struct topology_host *host = &topology_hosts[index];
    uint8_t mac[TOPOLOGY_MAC_LEN];
    int fd = rtlink_open();
    bool works = fd >= 0 && rtlink_set_plain("eth0") && rtlink_set_up(fd, "lo") &&
                 rtlink_add_name(fd, "eth0", "rl-fence") && rtlink_set_up(fd, "eth0") &&
                 rtlink_add_address(fd, "eth0", host->v4) &&
                 rtlink_add_address(fd, "eth0", host->v6) &&
                 (!host->second || rtlink_add_address(fd, "eth0", host->second));

    for (size_t i = 0; i < topology_prefix_cnt && works; i++)
        works = rtlink_add_route(fd, "eth0", topology_prefixes[i]);
    for (size_t i = 0; i < topology_host_cnt && works; i++) {
        const struct topology_host *other = &topology_hosts[i];
        topology_mac(i, false, mac);
        if (i != index)
            works = rtlink_add_neighbour(fd, "eth0", other->v4, mac) &&
                    rtlink_add_neighbour(fd, "eth0", other->v6, mac) &&
                    (!other->second || rtlink_add_neighbour(fd, "eth0", other->second, mac));
    }
    if (fd >= 0)
        close(fd);
    return works;
}

/* Programs of the system ask this laboratory's resolver and no other: not a cache of the
 * machine either, whose socket would lead out.  Names of the machine's network namespaces lead
 * out too: `ip link set eth0 netns NAME`. */
static bool mount_host_files(const struct site *site, const struct topology_host *host)
{
    static const char *const files[] = {"resolv.conf", "hosts", "nsswitch.conf"};
    char from[SITE_PATH_MAX], to[64];

    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        site_path(site, host, files[i], from);
        snprintf(to, sizeof(to), "/etc/%s", files[i]);
        if (mount(from, to, NULL, MS_BIND, NULL) != 0 && errno != ENOENT)
            return false;
    }
    for (const char *const *folder =
             (const char *const[]){"/run/nscd", "/run/systemd/resolve", "/run/netns",
                                   "/run/docker/netns", NULL};
         *folder; folder++)
        if (mount("none", *folder, "tmpfs", 0, "size=4k") != 0 && errno != ENOENT)
            return false;
    return true;
}

/* The process that keeps a host: it tells on `up` that its namespaces exist, waits on `down`
 * for its link, and tells that it is done. */
static void keep_host(const struct keeper *k, size_t index, int up, int down)
{
    const struct topology_host *host = &topology_hosts[index];
    char octet = 'n';

    leave_keeper(k);
    if (unshare(CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWNS) != 0 ||
        sethostname(host->name, strlen(host->name)) != 0 || !mount_host_files(&k->site, host) ||
        write(up, &octet, 1) != 1 || read(down, &octet, 1) != 1 || !set_up_interface(index)) {
        int number = errno;
        dprintf(up, "%d", number);
        _exit(1);
    }
    octet = 'r';
    if (write(up, &octet, 1) != 1)
        _exit(1);
    close(up);
    close(down);
    prctl(PR_SET_NAME, host->name);
    for (;;)
        pause();
}

static bool expect_host(struct keeper *k, const struct topology_host *host, int up, char wanted)
{
    char text[16] = "", what[80];
    const ssize_t len = read(up, text, 1);

    if (len == 1 && text[0] == wanted)
        return true;
    errno = 0;
    if (len == 1) {
        (void)!read(up, text + 1, sizeof(text) - 2);
        errno = atoi(text);
    }
    snprintf(what, sizeof(what), "cannot make host %s", host->name);
    return fail_keeper(k, what);
}

static bool make_host(struct keeper *k, int netlink, size_t index)
{
    const struct topology_host *host = &topology_hosts[index];
    int up[2], down[2];
    bool works;

    if (pipe2(up, O_CLOEXEC) != 0 || pipe2(down, O_CLOEXEC) != 0)
        return fail_keeper(k, "cannot make a pipe");
    k->hosts[index] = fork();
    if (k->hosts[index] == 0) {
        close(up[0]);
        close(down[1]);
        keep_host(k, index, up[1], down[0]);
    }
    close(up[1]);
    close(down[0]);
    works = expect_host(k, host, up[0], 'n');
    if (works && !(rtlink_add_pair(netlink, host->name, index, k->hosts[index]) &&
                   rtlink_set_up(netlink, host->name) && rtlink_set_plain(host->name)))
        works = fail_keeper(k, "cannot make a link (veth)");
    works = works && write(down[1], "g", 1) == 1 && expect_host(k, host, up[0], 'r');
    close(up[0]);
    close(down[1]);
    return works;
}

static bool make_hosts(struct keeper *k)
{
    int fd = rtlink_open();
    bool works = fd >= 0 && rtlink_set_up(fd, "lo");

    if (!works)
        return fail_keeper(k, "cannot set up a network");
    for (size_t i = 0; i < topology_host_cnt && works; i++)
        works = make_host(k, fd, i);
    close(fd);
    return works;
}

/* ---- processes ---- */

/* Fork a process on a host, with its output in the host's file `log`.  Return 0 in it. */
static pid_t fork_on_host(const struct keeper *k, size_t index, const char *log)
{
    char path[SITE_PATH_MAX];
    const pid_t pid = fork();

    if (pid != 0)
        return pid;
    leave_keeper(k);
    site_path(&k->site, &topology_hosts[index], log, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0 || dup2(fd, STDERR_FILENO) < 0 || dup2(fd, STDOUT_FILENO) < 0 ||
        !space_enter_host(k->hosts[index]) || chdir(k->site.folder) != 0)
        _exit(126);
    return 0;
}

static bool has_daemon(size_t index)
{
    return site_is_server(&topology_hosts[index]) ||
           strcmp(topology_hosts[index].name, "resolver") == 0;
}

/* Become unbound or named. */
static void run_peer(const struct keeper *k)
{
    const char *program = site_resolvers[k->conf->resolver];
    const char *path = getenv("PATH");
    char file[SITE_PATH_MAX], all[SITE_PATH_MAX];

    snprintf(all, sizeof(all), "%s:/usr/sbin:/sbin", path ? path : "/usr/bin");
    setenv("PATH", all, 1);
    site_path(&k->site, topology_find("resolver"), "peer.conf", file);
    site_path(&k->site, topology_find("resolver"), "", all);
    if (chdir(all) == 0) {
        if (k->conf->resolver == SITE_UNBOUND)
            execlp(program, program, "-d", "-p", "-c", file, NULL);
        else
            execlp(program, program, "-g", "-n", "1", "-c", file, NULL);
    }
    dprintf(STDERR_FILENO, "cannot run %s: %s\n", program, strerror(errno));
    _exit(127);
}

static void start_host_daemon(struct keeper *k, size_t index)
{
    const struct topology_host *host = &topology_hosts[index];
    const char *kind = site_is_server(host) ? "authd" : "resolver";
    char program[SITE_PATH_MAX + 32], file[SITE_PATH_MAX], conf[32], log[SITE_PATH_MAX];

    site_path(&k->site, host, "log", log);
    unlink(log);
    k->daemons[index] = fork_on_host(k, index, "log");
    if (k->daemons[index] != 0)
        return;
    if (!site_is_server(host) && k->conf->resolver != SITE_ROOTLINE)
        run_peer(k);
    snprintf(program, sizeof(program), "%s/rootline-%s", k->site.daemons, kind);
    snprintf(conf, sizeof(conf), "%s.yaml", kind);
    site_path(&k->site, host, conf, file);
    execl(program, program, "-c", file, NULL);
    dprintf(STDERR_FILENO, "cannot run %s: %s\n", program, strerror(errno));
    _exit(127);
}

static bool is_daemon_ready(const struct keeper *k, size_t index, char *log, size_t size)
{
    char path[SITE_PATH_MAX];
    ssize_t len = -1;

    site_path(&k->site, &topology_hosts[index], "log", path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        len = read(fd, log, size - 1);
        close(fd);
    }
    log[len > 0 ? len : 0] = '\0';
    return strstr(log, " ready on ") || strstr(log, "start of service") ||
           strstr(log, ": running\n") || strstr(log, " running\n");
}

static bool wait_for_daemon(struct keeper *k, size_t index)
{
    static char log[LOG_MAX + 1];
    const struct timespec step = {.tv_nsec = STEP_MS * 1000000};
    int status;

    for (unsigned ms = 0; ms < START_WAIT_MS; ms += STEP_MS) {
        if (is_daemon_ready(k, index, log, sizeof(log)))
            return true;
        if (waitpid(k->daemons[index], &status, WNOHANG) != 0)
            break;
        nanosleep(&step, NULL);
    }
    size_t len = strlen(log);
    fault_set(&k->fault, ERR_IO, "the daemon of %s did not start: %.700s",
              topology_hosts[index].name, log + (len > 700 ? len - 700 : 0));
    k->daemons[index] = 0;
    return false;
}

static bool start_all(struct keeper *k)
{
    k->forwarder = fork();
    if (k->forwarder == 0) {
        leave_keeper(k);
        prctl(PR_SET_NAME, "links");
        forwarder_run(k->links);
        _exit(1);
    }
    for (size_t i = 0; i < topology_host_cnt; i++) {
        if (has_daemon(i))
            start_host_daemon(k, i);
        if (topology_hosts[i].page && (k->webs[i] = fork_on_host(k, i, "web.log")) == 0) {
            prctl(PR_SET_NAME, "web");
            web_run(topology_hosts[i].page);
            _exit(1);
        }
    }
    for (size_t i = 0; i < topology_host_cnt; i++)
        if (has_daemon(i) && !wait_for_daemon(k, i))
            return false;
    return true;
}

/* Move the clock of a host's daemon, if it is one of ours. */
static bool move_clock(struct keeper *k, size_t index, int64_t seconds)
{
    struct json *request, *answer = NULL;
    char path[SITE_PATH_MAX];

    site_path(&k->site, &topology_hosts[index], "control.sock", path);
    if (access(path, F_OK) != 0)
        return true;
    request = json_new_object();
    json_put_text(request, "command", "clock");
    json_put_number(request, "add-s", seconds);
    bool is_moved = ask_daemon(path, ASK_ANY, request, &answer) == CMD_DONE;
    json_free(&answer);
    if (!is_moved)
        fault_set(&k->fault, ERR_DENIED, "the daemon of %s does not move its clock",
                  topology_hosts[index].name);
    return is_moved;
}

static bool restart_daemon(struct keeper *k, size_t index)
{
    if (k->daemons[index] > 0) {
        kill(k->daemons[index], SIGTERM);
        waitpid(k->daemons[index], NULL, 0);
    }
    start_host_daemon(k, index);
    return wait_for_daemon(k, index) && (k->ahead_s == 0 || move_clock(k, index, k->ahead_s));
}

/* ---- requests ---- */

static void put_link(struct json *to, const struct forwarder_link *link)
{
    json_put_number(to, "delay-us", link->delay_us);
    json_put_number(to, "loss", link->loss);
    json_put_number(to, "reordering", link->reordering);
    json_put_number(to, "copies", link->copies);
    json_put_number(to, "rate", (int64_t)link->rate);
    json_put_number(to, "packets", (int64_t)link->packets);
    json_put_number(to, "octets", (int64_t)link->octets);
    json_put_number(to, "dropped", (int64_t)link->dropped);
}

static void put_status(const struct keeper *k, struct json *to)
{
    json_put_text(to, "name", k->conf->name);
    json_put_text(to, "folder", k->site.folder);
    json_put_text(to, "resolver", site_resolvers[k->conf->resolver]);
    json_put_number(to, "ahead-s", k->ahead_s);
    json_put_number(to, "up-s", time(NULL) - k->started_s);
    if (k->conf->era)
        json_put_text(to, "era", k->conf->era);
    struct json *names = json_put_list(to, "defences-off");
    for (size_t i = 0; i < DEFENCE_CNT; i++)
        if (k->conf->off.is_off[i])
            json_add_text(names, defence_rows[i].name);
    json_put_text(to, "defences-off-now", k->off);
    json_put_bool(to, "validates", !k->conf->off.is_off[DEFENCE_DNSSEC]);
    json_put_number(to, "slow", k->links->slow);
    json_put_number(to, "seed", (int64_t)k->links->seed);
    json_put_bool(to, "links-work", k->forwarder > 0);
    struct json *hosts = json_put_list(to, "hosts");
    for (size_t i = 0; i < topology_host_cnt; i++) {
        struct json *host = json_add_object(hosts);
        json_put_text(host, "name", topology_hosts[i].name);
        json_put_number(host, "pid", k->hosts[i]);
        if (has_daemon(i))
            json_put_bool(host, "daemon-runs", k->daemons[i] > 0);
        put_link(json_put_object(host, "link"), &k->links->links[i]);
    }
}

static int64_t get_within(const struct json *from, const char *key, int64_t now, int64_t max)
{
    int64_t value = json_get_number(from, key, now);
    return value < 0 ? 0 : value > max ? max : value;
}

static void set_link(struct forwarder_link *link, const struct json *to)
{
    link->delay_us =
        (uint32_t)get_within(to, "delay-us", link->delay_us, FORWARDER_DELAY_MAX_MS * 1000);
    link->loss = (uint32_t)get_within(to, "loss", link->loss, FORWARDER_PARTS);
    link->reordering =
        (uint32_t)get_within(to, "reordering", link->reordering, FORWARDER_PARTS);
    link->copies = (uint32_t)get_within(to, "copies", link->copies, FORWARDER_PARTS);
    link->rate = (uint64_t)get_within(to, "rate", (int64_t)link->rate, INT64_MAX);
}

static void answer_link(struct keeper *k, const struct json *request, struct json *answer)
{
    const struct topology_host *host = topology_find(json_get_text(request, "host", ""));

    if (host)
        set_link(&k->links->links[topology_index(host)], request);
    else if (*json_get_text(request, "host", ""))
        json_put_text(answer, "error", "there is no such host");
    k->links->slow = (uint32_t)util_max(
        1, (size_t)get_within(request, "slow", k->links->slow, FORWARDER_SLOW_MAX));
    k->links->seed = (uint64_t)json_get_number(request, "seed", (int64_t)k->links->seed);
}

static void answer_restart(struct keeper *k, const struct json *request, struct json *answer)
{
    const struct topology_host *host = topology_find(json_get_text(request, "host", ""));

    if (!host || !has_daemon(topology_index(host)))
        json_put_text(answer, "error", "there is no such host, or it has no daemon");
    else if (!restart_daemon(k, topology_index(host)))
        json_put_text(answer, "error", k->fault.text);
    const char *off = json_get_text(request, "off", "");
    if (*off)
        snprintf(k->off, sizeof(k->off), "%s", off);
}

static void answer_time(struct keeper *k, const struct json *request, struct json *answer)
{
    const int64_t seconds = json_get_number(request, "add-s", 0);

    for (size_t i = 0; i < topology_host_cnt; i++)
        if (k->daemons[i] > 0 && !move_clock(k, i, seconds)) {
            json_put_text(answer, "error", k->fault.text);
            return;
        }
    k->ahead_s += seconds;
    json_put_number(answer, "ahead-s", k->ahead_s);
}

/* Start all daemons anew, with the clock of the machine and an empty cache. */
static bool restart_all_daemons(struct keeper *k)
{
    bool works = true;

    k->ahead_s = 0;
    site_drop_cache(&k->site);
    for (size_t i = 0; i < topology_host_cnt && works; i++)
        if (has_daemon(i))
            works = restart_daemon(k, i);
    return works;
}

/* Bring back the zones, configurations and links of the beginning. */
static void answer_reset(struct keeper *k, struct json *answer)
{
    bool works = site_make_zones(&k->site, &k->fault);

    forwarder_reset(k->links);
    if (works && !site_write_resolver(&k->site, &k->conf->off, ""))
        works = fail_keeper(k, "cannot write the configuration");
    defence_print_names(&k->conf->off, k->off, sizeof(k->off));
    for (size_t i = 0; i < topology_host_cnt && works; i++)
        if (site_is_server(&topology_hosts[i]) &&
            !site_write_server(&k->site, &topology_hosts[i], ""))
            works = fail_keeper(k, "cannot write a configuration");
    if (!works || !restart_all_daemons(k))
        json_put_text(answer, "error", k->fault.text);
}

static void answer_keeper(struct keeper *k, int fd, const struct json *request)
{
    const char *command = json_get_text(request, "command", "");
    struct json *answer = json_new_object();

    if (strcmp(command, "down") == 0)
        _exit(0); /* the kernel ends the rest */
    if (strcmp(command, "status") == 0)
        put_status(k, answer);
    else if (strcmp(command, "link") == 0)
        answer_link(k, request, answer);
    else if (strcmp(command, "time") == 0)
        answer_time(k, request, answer);
    else if (strcmp(command, "restart-all") == 0) {
        if (!restart_all_daemons(k))
            json_put_text(answer, "error", k->fault.text);
    } else if (strcmp(command, "restart") == 0)
        answer_restart(k, request, answer);
    else if (strcmp(command, "reset") == 0)
        answer_reset(k, answer);
    else
        json_put_text(answer, "error", "the keeper knows no such command");
    char *text = json_write(answer, false);
    if (text)
        (void)!send(fd, text, strlen(text), MSG_NOSIGNAL);
    free(text);
    json_free(&answer);
}

static void take_request(struct keeper *k, int listener)
{
    static char text[REQUEST_MAX];
    const struct timeval wait = {.tv_sec = REQUEST_WAIT_S};
    struct json *request = NULL;
    struct ucred peer;
    socklen_t len = sizeof(peer);
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        return;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    ssize_t got =
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid()
            ? recv(fd, text, sizeof(text), 0)
            : -1;
    if (got > 0 && json_read(text, (size_t)got, &request, NULL) == ERR_OK)
        answer_keeper(k, fd, request);
    json_free(&request);
    close(fd);
}

/* ---- the life of a keeper ---- */

static void reap_children(struct keeper *k)
{
    struct signalfd_siginfo info;
    pid_t pid;

    (void)!read(k->signals, &info, sizeof(info));
    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
        for (size_t i = 0; i < topology_host_cnt; i++)
            if (k->daemons[i] == pid)
                k->daemons[i] = 0;
        if (k->forwarder == pid)
            k->forwarder = 0;
    }
}

static void serve_requests(struct keeper *k)
{
    for (;;) {
        struct pollfd polled[] = {{.fd = k->listener, .events = POLLIN},
                                  {.fd = k->inner, .events = POLLIN},
                                  {.fd = k->signals, .events = POLLIN}};
        if (poll(polled, ARRAY_LEN(polled), -1) < 0)
            continue;
        if (polled[2].revents)
            reap_children(k);
        for (size_t i = 0; i < 2; i++)
            if (polled[i].revents)
                take_request(k, polled[i].fd);
    }
}

static bool is_empty_folder(const char *path)
{
    DIR *folder = opendir(path);
    size_t cnt = 0;

    if (!folder)
        return false;
    while (readdir(folder))
        cnt++;
    closedir(folder);
    return cnt == 2; /* "." and ".." */
}

/* Mount a file system in memory on a folder that nobody misses. */
static bool mount_folder(struct keeper *k)
{
    static const char *const places[] = {"/mnt", "/media", "/srv", "/opt"};

    for (size_t i = 0; i < ARRAY_LEN(places); i++)
        if (is_empty_folder(places[i])) {
            snprintf(k->site.folder, sizeof(k->site.folder), "%s", places[i]);
            return mount("rootline-lab", places[i], "tmpfs", MS_NOSUID | MS_NODEV,
                         "size=512m,mode=755") == 0 ||
                   fail_keeper(k, "cannot mount a file system in memory");
        }
    errno = ENOTEMPTY;
    return fail_keeper(k, "one of /mnt, /media, /srv, /opt must be an empty folder");
}

static bool mount_all(struct keeper *k)
{
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return fail_keeper(k, "cannot separate the mounts");
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0)
        return fail_keeper(k, "cannot mount /proc (a container may forbid it)");
    return mount_folder(k);
}

static bool block_signals(struct keeper *k)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    signal(SIGPIPE, SIG_IGN);
    return sigprocmask(SIG_SETMASK, &set, NULL) == 0 &&
           (k->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK)) >= 0;
}

/* Close the streams of `rootline lab up`, whose reader may wait for their end. */
static bool leave_terminal(void)
{
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    for (int i = 0; fd >= 0 && i <= STDERR_FILENO; i++)
        dup2(fd, i);
    return true;
}

static bool write_peer(struct keeper *k)
{
    return k->conf->resolver == SITE_ROOTLINE ||
           site_write_peer(&k->site, k->conf->resolver, !k->conf->off.is_off[DEFENCE_DNSSEC]) ||
           fail_keeper(k, "cannot write the configuration of the resolver");
}

/* Process 1 of the laboratory.  Never returns. */
static void keep_laboratory(struct keeper *k)
{
    prctl(PR_SET_NAME, "rootline-lab");
    (void)listen(k->listener, 16); /* again: clients learn the number of who listened last */
    k->started_s = time(NULL);
    defence_print_names(&k->conf->off, k->off, sizeof(k->off));
    k->links = forwarder_share();
    bool works = (k->links || fail_keeper(k, "no memory")) &&
                 (block_signals(k) || fail_keeper(k, "cannot block signals")) && mount_all(k) &&
                 ((k->inner = space_listen_inside(k->site.folder)) >= 0 ||
                  fail_keeper(k, "cannot listen")) &&
                 site_make(&k->site, &k->conf->off, &k->fault) && write_peer(k) &&
                 leave_terminal() && make_hosts(k) && start_all(k);
    if (!works) {
        dprintf(k->parent, "%s", k->fault.text);
        _exit(1);
    }
    if (write(k->parent, "ready", 6) != 6) /* with its NUL, which no reason has */
        _exit(1);
    close(k->parent);
    serve_requests(k);
}

static void launch_keeper(struct keeper *k)
{
    struct fault fault;

    setsid();
    const pid_t pid = space_make(&fault);
    if (pid == 0)
        keep_laboratory(k);
    if (pid < 0)
        dprintf(k->parent, "%s", fault.text);
    _exit(pid < 0);
}

bool keeper_start(const struct keeper_conf *conf, struct fault *fault)
{
    static struct keeper k;
    char text[FAULT_TEXT_MAX] = "";
    size_t len = 0;
    int ends[2];

    k.conf = conf;
    if (!site_find(&k.site, fault))
        return false;
    k.listener = space_listen(conf->name);
    if (k.listener < 0 || pipe2(ends, O_CLOEXEC) != 0) {
        if (errno == EADDRINUSE)
            fault_set(fault, ERR_DENIED,
                      "the laboratory \"%s\" is up already: `rootline lab down` ends it, "
                      "--name names another",
                      conf->name);
        else
            fault_set(fault, ERR_DENIED, "cannot start a laboratory: %s", strerror(errno));
        return false;
    }
    k.parent = ends[1];
    const pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        launch_keeper(&k);
    }
    close(ends[1]);
    close(k.listener);
    for (ssize_t got = 1; got > 0 && len + 1 < sizeof(text); len += got > 0 ? (size_t)got : 0)
        got = read(ends[0], text + len, sizeof(text) - 1 - len);
    close(ends[0]);
    waitpid(pid, NULL, 0);
    if (len == 6 && strcmp(text, "ready") == 0)
        return true;
    fault_set(fault, ERR_IO, "%s",
              len > 0 ? text : "the laboratory's keeper ended without a reason");
    return false;
}
