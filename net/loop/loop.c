#define _GNU_SOURCE
#include "net/loop/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void ignore_poll(uv_poll_t *poll, int status, int events)
{
    (void)poll;
    (void)status;
    (void)events;
}

static void free_poll_handle(uv_handle_t *handle) { free(handle); }

/* libuv aborts if it cannot allocate the table; so try an allocation of that size first. */
static bool has_table_memory(unsigned limit)
{
    void *room = malloc(2 * (size_t)limit * sizeof(void *));

    free(room);
    return room;
}

/* libuv grows the table when the highest descriptor is watched. */
enum err loop_reserve(uv_loop_t *loop, unsigned limit)
{
    uv_poll_t *top = has_table_memory(limit) ? malloc(sizeof(*top)) : NULL;
    int low = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); /* any descriptor that can be watched */
    int high = low >= 0 ? fcntl(low, F_DUPFD_CLOEXEC, (int)limit - 1) : -1;
    enum err err = top ? ERR_OK : ERR_NOMEM;

    if (!err && (high < 0 || uv_poll_init(loop, top, high) != 0))
        err = ERR_IO;
    if (err) {
        free(top);
    } else {
        (void)uv_poll_start(top, UV_READABLE, ignore_poll);
        uv_close((uv_handle_t *)top, free_poll_handle);
    }
    if (high >= 0)
        close(high);
    if (low >= 0)
        close(low);
    return err;
}

enum err loop_admit(const uv_handle_t *handle)
{
    struct epoll_event nothing = {0};
    uv_os_fd_t fd;

    if (uv_fileno(handle, &fd) != 0)
        return ERR_LIMIT;
    nothing.data.fd = fd; /* where libuv looks for it */
    bool is_watched =
        epoll_ctl(uv_backend_fd(handle->loop), EPOLL_CTL_ADD, fd, &nothing) == 0 ||
        errno == EEXIST;
    return is_watched ? ERR_OK : ERR_LIMIT;
}
