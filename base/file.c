/* Size and state are taken from the open descriptor: the path may lead to another file
 * by then. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    READ_TRIES = 3,
    QUIET_MS = 1000,   /* a file that was not modified for so long is complete */
    STAMP_LATE_MS = 20 /* timestamps of the kernel lag by up to one tick */
};

static struct file_stamp make_stamp(const struct stat *st)
{
    return (struct file_stamp){.device = st->st_dev,
                               .inode = st->st_ino,
                               .size = (uint64_t)st->st_size,
                               .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 +
                                           st->st_mtim.tv_nsec};
}

static enum err read_to_end(int fd, size_t size, char **data, size_t *len)
{
    char *buffer = malloc(size + 1);
    if (!buffer)
        return ERR_NOMEM;
    size_t got = 0;
    while (got < size) {
        ssize_t n = read(fd, buffer + got, size - got);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            free(buffer);
            return err_from_errno(errno);
        }
        if (n == 0)
            break; /* truncated since fstat */
        got += (size_t)n;
    }
    buffer[got] = '\0';
    *data = buffer;
    *len = got;
    return ERR_OK;
}

static enum err check_regular_file(const struct stat *st, size_t max)
{
    if (!S_ISREG(st->st_mode))
        return ERR_FORMAT;
    return (uint64_t)st->st_size > max ? ERR_LIMIT : ERR_OK;
}

static bool is_same_state(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Read the file again if it changed meanwhile, so that the data is never a mix of
 * two states. */
static enum err read_steady(int fd, size_t max, char **data, size_t *len, struct stat *st)
{
    struct stat after;

    for (int i = 0; i < READ_TRIES; i++) {
        enum err err = lseek(fd, 0, SEEK_SET) == 0 && fstat(fd, st) == 0
                           ? check_regular_file(st, max)
                           : err_from_errno(errno);
        if (!err)
            err = read_to_end(fd, (size_t)st->st_size, data, len);
        if (err)
            return err;
        if (*len == (size_t)st->st_size && fstat(fd, &after) == 0 && is_same_state(st, &after))
            return ERR_OK;
        free(*data);
    }
    return ERR_TIME;
}

static enum err open_and_read(const char *path, size_t max, char **data, size_t *len,
                              struct stat *st)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_from_errno(errno);
    struct stat is;
    enum err err = fstat(fd, &is) == 0 ? check_regular_file(&is, max) : err_from_errno(errno);
    if (!err)
        err = read_steady(fd, max, data, len, st);
    close(fd);
    return err;
}

enum err file_read(const char *path, size_t max, char **data, size_t *len,
                   struct file_stamp *stamp)
{
    struct stat st;
    enum err err = open_and_read(path, max, data, len, &st);

    if (!err && stamp)
        *stamp = make_stamp(&st);
    return err;
}

enum err file_read_secret(const char *path, size_t max, char **data, size_t *len,
                          bool *is_exposed)
{
    struct stat st;
    enum err err = open_and_read(path, max, data, len, &st);

    if (err)
        return err;
    *is_exposed = st.st_mode & S_IROTH;
    if (!(st.st_mode & S_IWOTH))
        return ERR_OK;
    free(*data);
    return ERR_CONFIG;
}

/* Return the time since the last modification.  Timestamps follow the system clock, so
 * now_wall_ms, which may be shifted, cannot be used. */
static int64_t age_ms(const struct stat *st)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)(now.tv_sec - st->st_mtim.tv_sec) * 1000 +
           (now.tv_nsec - st->st_mtim.tv_nsec) / 1000000;
}

enum err file_settle(const char *path, unsigned *wait_ms)
{
    for (;;) {
        struct stat st;
        if (stat(path, &st) != 0)
            return err_from_errno(errno);
        int64_t age = age_ms(&st);
        if (age < -STAMP_LATE_MS ||
            age >= QUIET_MS) /* from another machine's clock, or old enough */
            return ERR_OK;
        unsigned rest_ms = (unsigned)util_min((size_t)(QUIET_MS - age), *wait_ms);
        if (rest_ms == 0)
            return ERR_TIME;
        struct timespec rest = {.tv_sec = rest_ms / 1000, .tv_nsec = rest_ms % 1000 * 1000000L};
        (void)nanosleep(&rest, NULL);
        *wait_ms -= rest_ms;
    }
}

size_t file_bom_len(const char *text, size_t len)
{
    static const char mark[] = {'\xef', '\xbb', '\xbf'};
    return len >= sizeof(mark) && memcmp(text, mark, sizeof(mark)) == 0 ? sizeof(mark) : 0;
}

static bool is_utf16(const char *text, size_t len)
{
    return len >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0);
}

enum err file_read_text(const char *path, size_t max, char **data, size_t *len,
                        struct file_stamp *stamp)
{
    char *text;
    enum err err = file_read(path, max, &text, len, stamp);

    if (err)
        return err;
    if (is_utf16(text, *len)) {
        free(text);
        return ERR_FORMAT;
    }
    size_t mark_len = file_bom_len(text, *len);
    if (mark_len > 0) {
        *len -= mark_len;
        memmove(text, text + mark_len, *len + 1); /* with the NUL */
    }
    *data = text;
    return ERR_OK;
}

const char *file_problem(enum err err)
{
    switch (err) {
    case ERR_ABSENT: return "there is no such file";
    case ERR_DENIED:
        return "permission denied: the user that the daemon runs as must be able to read it";
    case ERR_FORMAT: return "it is not a regular text file (if it is UTF-16, save it as UTF-8)";
    case ERR_LIMIT: return "the file is too large";
    case ERR_TIME: return "it is still being written: try again when it is complete";
    case ERR_CONFIG:
        return "every user may write it, so its contents cannot be trusted: chmod o-w";
    default: return err_name(err);
    }
}

enum err file_stat(const char *path, struct file_stamp *stamp)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return err_from_errno(errno);
    *stamp = make_stamp(&st);
    return ERR_OK;
}

char *file_resolve(const char *from, const char *path)
{
    const char *slash = strrchr(from, '/');
    if (path[0] == '/' || !slash)
        return strdup(path);
    size_t folder = (size_t)(slash - from) + 1;
    char *joined = malloc(folder + strlen(path) + 1);
    if (joined) {
        memcpy(joined, from, folder);
        strcpy(joined + folder, path);
    }
    return joined;
}

/* Make the new name of a file in the folder of `path` survive a power failure. */
static enum err sync_folder_of(char *path)
{
    char *slash = strrchr(path, '/');
    const char *folder = slash ? path : ".";
    if (slash)
        slash[slash == path] = '\0'; /* "/" for a file there */
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_from_errno(errno);
    enum err err = fsync(fd) == 0 ? ERR_OK : err_from_errno(errno);
    (void)close(fd);
    return err;
}

enum err file_new_open(struct file_new *file, const char *path, mode_t mode)
{
    size_t size = strlen(path) + sizeof(".new");

    *file = (struct file_new){.path = strdup(path), .temporary = malloc(size)};
    if (!file->path || !file->temporary) {
        errno = ENOMEM;
        return ERR_NOMEM;
    }
    snprintf(file->temporary, size, "%s.new", path);
    /* a file of another user at this path would give that user the contents */
    (void)unlink(file->temporary);
    int fd = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    file->out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (file->out)
        return ERR_OK;
    int why = errno;
    if (fd >= 0)
        close(fd);
    free(file->temporary);
    file->temporary = NULL;
    errno = why;
    return err_from_errno(why);
}

enum err file_new_close(struct file_new *file)
{
    bool is_written =
        fflush(file->out) == 0 && !ferror(file->out) && fsync(fileno(file->out)) == 0;
    int why = errno;
    bool is_closed = fclose(file->out) == 0;

    file->out = NULL;
    if (is_written && is_closed)
        return ERR_OK;
    if (!is_written)
        errno = why;
    return err_from_errno(errno);
}

enum err file_new_move(struct file_new *file)
{
    if (rename(file->temporary, file->path) != 0)
        return err_from_errno(errno);
    enum err err = sync_folder_of(file->temporary);
    free(file->temporary);
    file->temporary = NULL;
    return err;
}

void file_new_drop(struct file_new *file)
{
    if (file->out)
        fclose(file->out);
    if (file->temporary)
        (void)unlink(file->temporary);
    free(file->temporary);
    free(file->path);
    *file = (struct file_new){.out = NULL};
}

enum err file_replace(const char *path, const char *data, size_t len)
{
    struct file_new file;
    enum err err = file_new_open(&file, path, 0644);

    if (!err && fwrite(data, 1, len, file.out) != len)
        err = err_from_errno(errno);
    if (!err)
        err = file_new_close(&file);
    if (!err)
        err = file_new_move(&file);
    file_new_drop(&file);
    return err;
}
