/* tools/lab/space.h | the namespaces of a laboratory, from outside and inside
 *
 * A laboratory is a process, its keeper, which is process 1 of a PID namespace.  When it ends,
 * by whatever signal, the kernel ends every process of the namespace, and with them the network
 * namespaces, links and files.  Nothing of a laboratory has a name in the file system: the
 * keeper listens on an abstract Unix socket, which also ends with it.
 *
 * Thread:   the only one.
 */
#pragma once

#include <sys/types.h>

#include "base/fault.h"
#include "base/json.h"
#include "tools/lab/topology.h"

enum { SPACE_NAME_MAX = 32 };

/* Bind the socket of the laboratory `name` of this user; the caller closes it.  -1: errno,
 * EADDRINUSE if the laboratory exists. */
int space_listen(const char *name);

/* Bind the keeper's other socket, a file in `folder`: an abstract name means nothing to the
 * hosts, whose networks are others.  The caller closes it.  -1: errno. */
int space_listen_inside(const char *folder);

/* Make the namespaces of a laboratory and become its process 1, in a child: the parent gets the
 * child's number, the child 0.  -1: the fault says what the system does not allow, and the
 * cure. */
pid_t space_make(struct fault *fault);

/* Move the calling process, which has one thread, into the network, mount and UTS namespaces of
 * process `pid`.  False: errno. */
MUST_USE bool space_enter_host(pid_t pid);

/* Return the laboratories of this user, a list of names which the caller frees. */
struct json *space_list(void);

/* A running laboratory.  Lifetime: the command. */
struct space {
    char name[SPACE_NAME_MAX];
    char folder[64];                 /* of its files, as its own processes see it */
    bool is_inside;                  /* this process has entered it */
    pid_t keeper;                    /* as this process sees it */
    pid_t hosts[TOPOLOGY_HOSTS_MAX]; /* as the laboratory's own processes see them */
    int nets[TOPOLOGY_HOSTS_MAX];    /* network namespaces, once entered */
    struct json *status;             /* as the keeper gave it; space_close frees it */
};

/* Find the laboratory `name` and its status.  False: the fault. */
MUST_USE bool space_open(struct space *space, const char *name, struct fault *fault);

/* Free what it has. */
void space_close(struct space *space);

/* Send `request`, which is freed, to the keeper.  Return its answer, which the caller frees;
 * NULL: the fault has the reason, or the keeper's own words if it refused. */
struct json *space_request(const struct space *space, struct json *request,
                           struct fault *fault);

/* Continue in a child inside the laboratory: in its user, mount and PID namespaces, in the
 * present working directory.  True: this is the child.  The parent waits for it and ends with
 * its exit status.  False: the fault. */
MUST_USE bool space_enter(struct space *space, struct fault *fault);

/* Before a shell or a command of the user: give up every capability that leads out of the
 * laboratory.  Root of the machine could otherwise enter its other namespaces.  The next
 * execve makes it effective.  False: errno. */
MUST_USE bool space_confine(void);

/* Open the network namespaces of all hosts, for space_socket.  Inside only.  False: errno. */
MUST_USE bool space_open_nets(struct space *space);

/* Open a socket on a host: as socket(2), in the network namespace of that host.  -1: errno. */
int space_socket(const struct space *space, const struct topology_host *host, int family,
                 int type, int protocol);

/* Move the process into the network namespace of a host.  False: errno. */
MUST_USE bool space_go(const struct space *space, const struct topology_host *host);
