/* A library for LD_PRELOAD that makes system and library calls of a daemon fail.  The test
 * controls it through a file that both map, and may change the file while the daemon runs.
 *
 * ROOTLINE_INJECT is the path of the file; its layout is `struct orders`, which tools/starve
 * must match. Without the file no call fails.  Of each selected kind one call in `rate` fails,
 * chosen per thread from `seed`.  A crash prints its stack as offsets for addr2line.
 *
 * libuv aborts if realloc for its table of descriptors fails (maybe_resize) and if epoll_ctl
 * fails (uv__io_poll), so these calls have kinds of their own.  Calls by ld.so never fail,
 * since it would abort. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind {
    MEMORY,
    MEMORY_UV,
    SOCKET,
    ACCEPT,
    EPOLL,
    EPOLL_UV,
    RECEIVE,
    SEND,
    OPEN,
    DISK,
    EVENT,
    OPTION,
    CONNECT,
    MAP,
    CLOCK,
    KINDS
};

/* Little-endian, 4096 octets. */
struct orders {
    _Atomic uint32_t selected; /* bits of enum kind */
    _Atomic uint32_t rate;     /* one call in `rate` fails; 0: none */
    _Atomic uint32_t seed;
    uint32_t unused;
    _Atomic int64_t clock_ms; /* offset of CLOCK_REALTIME, if CLOCK is selected */
    uint64_t more[5];
    _Atomic uint64_t calls[KINDS], failed[KINDS]; /* at octet 64 */
};

static struct orders no_orders;
static struct orders *orders = &no_orders;

#define PER_THREAD _Thread_local __attribute__((tls_model("initial-exec")))
static PER_THREAD uint64_t state;
static PER_THREAD uint32_t drawn_from;
static _Atomic uint32_t threads;

static struct range {
    uintptr_t from, to;
} libuv, loader;

static bool is_in(const struct range *r, const void *code)
{
    return (uintptr_t)code >= r->from && (uintptr_t)code < r->to;
}

static bool fails(enum kind kind)
{
    if (!(atomic_load_explicit(&orders->selected, memory_order_relaxed) & 1u << kind))
        return false;
    uint32_t rate = atomic_load_explicit(&orders->rate, memory_order_relaxed);
    uint32_t seed = atomic_load_explicit(&orders->seed, memory_order_relaxed);
    if (rate == 0)
        return false;
    if (state == 0 || drawn_from != seed) {
        state =
            ((uint64_t)seed << 32 | (atomic_fetch_add(&threads, 1) + 1)) * 0x9e3779b97f4a7c15u;
        drawn_from = seed;
    }
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    atomic_fetch_add_explicit(&orders->calls[kind], 1, memory_order_relaxed);
    if ((state >> 20) % rate != 0)
        return false;
    atomic_fetch_add_explicit(&orders->failed[kind], 1, memory_order_relaxed);
    return true;
}

/* Set errno to one of the numbers, chosen by the same draw, and return -1. */
static int fail_with(const int *numbers, size_t cnt)
{
    errno = numbers[(state >> 40) % cnt];
    return -1;
}
#define FAIL(...) \
    fail_with((const int[]){__VA_ARGS__}, sizeof((int[]){__VA_ARGS__}) / sizeof(int))
#define CALLER __builtin_return_address(0)
#define REAL(name)                 \
    static __typeof__(&name) real; \
    if (!real)                     \
    real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* ---- memory ---- */

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t cnt, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t align, size_t size);

static bool has_no_memory(const void *caller, bool is_again)
{
    if (is_in(&loader, caller) ||
        !fails(is_again && is_in(&libuv, caller) ? MEMORY_UV : MEMORY))
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size) { return has_no_memory(CALLER, false) ? NULL : __libc_malloc(size); }
void *calloc(size_t cnt, size_t size)
{
    return has_no_memory(CALLER, false) ? NULL : __libc_calloc(cnt, size);
}
void *realloc(void *old, size_t size)
{
    return has_no_memory(CALLER, true) ? NULL : __libc_realloc(old, size);
}
void *memalign(size_t align, size_t size)
{
    return has_no_memory(CALLER, false) ? NULL : __libc_memalign(align, size);
}
void *aligned_alloc(size_t align, size_t size)
{
    return has_no_memory(CALLER, false) ? NULL : __libc_memalign(align, size);
}

void *reallocarray(void *old, size_t cnt, size_t size)
{
    size_t all;
    if (__builtin_mul_overflow(cnt, size, &all) || has_no_memory(CALLER, true)) {
        errno = ENOMEM;
        return NULL;
    }
    return __libc_realloc(old, all);
}

int posix_memalign(void **out, size_t align, size_t size)
{
    void *at = has_no_memory(CALLER, false) ? NULL : __libc_memalign(align, size);
    if (!at)
        return ENOMEM;
    *out = at;
    return 0;
}

void *mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
    REAL(mmap);
    if (!is_in(&loader, CALLER) && fails(MAP)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return real(at, len, prot, flags, fd, offset);
}

/* ---- sockets ---- */

int socket(int domain, int type, int protocol)
{
    REAL(socket);
    return fails(SOCKET) ? FAIL(EMFILE, ENFILE, ENOBUFS, ENOMEM) : real(domain, type, protocol);
}

int accept(int fd, struct sockaddr *at, socklen_t *len)
{
    REAL(accept);
    return fails(ACCEPT) ? FAIL(EMFILE, ENFILE, ECONNABORTED, ENOBUFS, ENOMEM)
                         : real(fd, at, len);
}

int accept4(int fd, struct sockaddr *at, socklen_t *len, int flags)
{
    REAL(accept4);
    return fails(ACCEPT) ? FAIL(EMFILE, ENFILE, ECONNABORTED, ENOBUFS, ENOMEM)
                         : real(fd, at, len, flags);
}

int bind(int fd, const struct sockaddr *at, socklen_t len)
{
    REAL(bind);
    return fails(CONNECT) ? FAIL(EADDRINUSE, EADDRNOTAVAIL, ENOBUFS) : real(fd, at, len);
}

int connect(int fd, const struct sockaddr *at, socklen_t len)
{
    REAL(connect);
    return fails(CONNECT) ? FAIL(EADDRNOTAVAIL, ENETUNREACH, ENOBUFS, EPERM)
                          : real(fd, at, len);
}

int getsockopt(int fd, int level, int option, void *value, socklen_t *len)
{
    REAL(getsockopt);
    return fails(OPTION) ? FAIL(ENOBUFS, ENOMEM) : real(fd, level, option, value, len);
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t len)
{
    REAL(setsockopt);
    return fails(OPTION) ? FAIL(ENOBUFS, ENOMEM, EPERM) : real(fd, level, option, value, len);
}

int getsockname(int fd, struct sockaddr *at, socklen_t *len)
{
    REAL(getsockname);
    return fails(OPTION) ? FAIL(ENOBUFS) : real(fd, at, len);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
    REAL(recvmsg);
    return fails(RECEIVE) ? FAIL(EAGAIN, ENOMEM, ENOBUFS, ECONNREFUSED)
                          : real(fd, message, flags);
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned cnt, int flags,
             struct timespec *timeout)
{
    REAL(recvmmsg);
    return fails(RECEIVE) ? FAIL(EAGAIN, ENOMEM, ENOBUFS, ECONNREFUSED)
                          : real(fd, messages, cnt, flags, timeout);
}

ssize_t recv(int fd, void *to, size_t size, int flags)
{
    REAL(recv);
    return fails(RECEIVE) ? FAIL(EAGAIN, ENOMEM, ENOBUFS, ECONNREFUSED)
                          : real(fd, to, size, flags);
}

ssize_t recvfrom(int fd, void *to, size_t size, int flags, struct sockaddr *at, socklen_t *len)
{
    REAL(recvfrom);
    return fails(RECEIVE) ? FAIL(EAGAIN, ENOMEM, ENOBUFS, ECONNREFUSED)
                          : real(fd, to, size, flags, at, len);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    REAL(sendmsg);
    return fails(SEND) ? FAIL(EAGAIN, ENOBUFS, EPERM) : real(fd, message, flags);
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned cnt, int flags)
{
    REAL(sendmmsg);
    return fails(SEND) ? FAIL(EAGAIN, ENOBUFS, EPERM, EMSGSIZE)
                       : real(fd, messages, cnt, flags);
}

ssize_t send(int fd, const void *from, size_t len, int flags)
{
    REAL(send);
    return fails(SEND) ? FAIL(EAGAIN, ENOBUFS, EPERM) : real(fd, from, len, flags);
}

ssize_t sendto(int fd, const void *from, size_t len, int flags, const struct sockaddr *at,
               socklen_t at_len)
{
    REAL(sendto);
    return fails(SEND) ? FAIL(EAGAIN, ENOBUFS, EPERM) : real(fd, from, len, flags, at, at_len);
}

/* read and write fail for sockets only: libuv aborts if its eventfd or pipe fails. */
static bool is_socket(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

ssize_t read(int fd, void *to, size_t size)
{
    REAL(read);
    return is_in(&libuv, CALLER) && fails(RECEIVE) && is_socket(fd)
               ? FAIL(EAGAIN, ECONNRESET, ETIMEDOUT)
               : real(fd, to, size);
}

ssize_t write(int fd, const void *from, size_t len)
{
    REAL(write);
    return is_in(&libuv, CALLER) && fails(SEND) && is_socket(fd)
               ? FAIL(EAGAIN, ENOBUFS, EPIPE, ECONNRESET)
               : real(fd, from, len);
}

ssize_t writev(int fd, const struct iovec *parts, int cnt)
{
    REAL(writev);
    return is_in(&libuv, CALLER) && fails(SEND) && is_socket(fd)
               ? FAIL(EAGAIN, ENOBUFS, EPIPE, ECONNRESET)
               : real(fd, parts, cnt);
}

/* ---- descriptors ---- */

/* Call the kernel first, so that its own errors stay, and undo the call to make it fail. */
int epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
    REAL(epoll_ctl);
    bool is_libuv = is_in(&libuv, CALLER);
    int result = real(epoll, what, fd, event);

    if (result == 0 && what == EPOLL_CTL_ADD && fails(is_libuv ? EPOLL_UV : EPOLL)) {
        (void)real(epoll, EPOLL_CTL_DEL, fd, NULL);
        return FAIL(ENOSPC, ENOMEM);
    }
    return result;
}

int eventfd(unsigned first, int flags)
{
    REAL(eventfd);
    return fails(EVENT) ? FAIL(EMFILE, ENFILE, ENOMEM) : real(first, flags);
}

int timerfd_create(int clock, int flags)
{
    REAL(timerfd_create);
    return fails(EVENT) ? FAIL(EMFILE, ENFILE, ENOMEM) : real(clock, flags);
}

int open(const char *path, int flags, ...)
{
    REAL(open);
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return fails(OPEN) ? FAIL(EMFILE, ENFILE, ENOMEM, EIO) : real(path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
    REAL(openat);
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return fails(OPEN) ? FAIL(EMFILE, ENFILE, ENOMEM, EIO) : real(folder, path, flags, mode);
}

/* ---- disk ---- */

ssize_t pwrite(int fd, const void *from, size_t len, off_t at)
{
    REAL(pwrite);
    return fails(DISK) ? FAIL(ENOSPC, EIO, EDQUOT) : real(fd, from, len, at);
}

ssize_t pwritev(int fd, const struct iovec *parts, int cnt, off_t at)
{
    REAL(pwritev);
    return fails(DISK) ? FAIL(ENOSPC, EIO, EDQUOT) : real(fd, parts, cnt, at);
}

int msync(void *at, size_t len, int flags)
{
    REAL(msync);
    return fails(DISK) ? FAIL(EIO, ENOMEM) : real(at, len, flags);
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    return fails(DISK) ? FAIL(EIO, ENOSPC) : real(fd);
}

int fallocate(int fd, int mode, off_t at, off_t len)
{
    REAL(fallocate);
    return fails(DISK) ? FAIL(ENOSPC, EIO) : real(fd, mode, at, len);
}

int ftruncate(int fd, off_t len)
{
    REAL(ftruncate);
    return fails(DISK) ? FAIL(ENOSPC, EIO) : real(fd, len);
}

int fsync(int fd)
{
    REAL(fsync);
    return fails(DISK) ? FAIL(EIO, ENOSPC) : real(fd);
}

/* The names of these calls for large files. */
#define ALIAS(name) __attribute__((alias(#name)))
int open64(const char *path, int flags, ...) ALIAS(open);
int openat64(int folder, const char *path, int flags, ...) ALIAS(openat);
ssize_t pwrite64(int fd, const void *from, size_t len, off64_t at) ALIAS(pwrite);
ssize_t pwritev64(int fd, const struct iovec *parts, int cnt, off64_t at) ALIAS(pwritev);
int fallocate64(int fd, int mode, off64_t at, off64_t len) ALIAS(fallocate);
int ftruncate64(int fd, off64_t len) ALIAS(ftruncate);
void *mmap64(void *at, size_t len, int prot, int flags, int fd, off64_t offset) ALIAS(mmap);

/* ---- the clock ---- */

int clock_gettime(clockid_t clock, struct timespec *out)
{
    REAL(clock_gettime);
    int result = real(clock, out);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) &&
        atomic_load_explicit(&orders->selected, memory_order_relaxed) & 1u << CLOCK) {
        int64_t ms = atomic_load_explicit(&orders->clock_ms, memory_order_relaxed);
        int64_t ns = out->tv_nsec + ms % 1000 * 1000000;
        out->tv_sec += ms / 1000 + (ns < 0 ? -1 : ns / 1000000000);
        out->tv_nsec = ns < 0 ? ns + 1000000000 : ns % 1000000000;
    }
    return result;
}

/* ---- begin ---- */

static void on_crash(int number)
{
    void *stack[60];

    orders = &no_orders;
    backtrace_symbols_fd(stack, backtrace(stack, 60), STDERR_FILENO);
    signal(number, SIG_DFL);
    raise(number);
}

static int find_object(struct dl_phdr_info *info, size_t size, void *data)
{
    struct range range = {UINTPTR_MAX, 0};

    (void)size;
    (void)data;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD) {
            uintptr_t from = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr,
                      to = from + info->dlpi_phdr[i].p_memsz;
            range.from = from < range.from ? from : range.from;
            range.to = to > range.to ? to : range.to;
        }
    if (strstr(info->dlpi_name, "/libuv.so"))
        libuv = range;
    if (strstr(info->dlpi_name, "/ld-linux"))
        loader = range;
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("ROOTLINE_INJECT");
    static const int crashes[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    void *stack[2];

    if (!path)
        return;
    dl_iterate_phdr(find_object, NULL);
    (void)backtrace(stack, 2); /* loads libgcc now, not in a crash */
    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
        signal(crashes[i], on_crash);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *at =
        fd >= 0 ? mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (fd >= 0)
        close(fd);
    if (at != MAP_FAILED)
        orders = at;
}
