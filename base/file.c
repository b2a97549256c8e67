/* One read into one buffer; the size is asked of the open file, never of its name a second
 * time. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

static struct file_stamp make_stamp(const struct stat *st)
{
    return (struct file_stamp){.device = st->st_dev,
                               .inode = st->st_ino,
                               .size = (uint64_t)st->st_size,
                               .mtime_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 +
                                           st->st_mtim.tv_nsec};
}

static enum err read_all(int fd, size_t size, char **data, size_t *len)
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
            break; /* the writer cut it since; what is left is what the file is */
        got += (size_t)n;
    }
    buffer[got] = '\0';
    *data = buffer;
    *len = got;
    return ERR_OK;
}

enum err file_read(const char *path, size_t max, char **data, size_t *len,
                   struct file_stamp *stamp)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_from_errno(errno);
    enum err err = ERR_OK;
    if (fstat(fd, &st) != 0)
        err = err_from_errno(errno);
    else if (!S_ISREG(st.st_mode))
        err = ERR_FORMAT;
    else if ((uint64_t)st.st_size > max)
        err = ERR_LIMIT;
    else
        err = read_all(fd, (size_t)st.st_size, data, len);
    if (!err && stamp)
        *stamp = make_stamp(&st);
    close(fd);
    return err;
}

size_t file_mark_len(const char *text, size_t len)
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
    size_t mark_len = file_mark_len(text, *len);
    if (mark_len > 0) {
        *len -= mark_len;
        memmove(text, text + mark_len, *len + 1); /* the NUL too */
    }
    *data = text;
    return ERR_OK;
}

const char *file_problem(enum err err)
{
    switch (err) {
    case ERR_ABSENT: return "there is no such file";
    case ERR_DENIED:
        return "permission denied; the user that the daemon runs as must be able to read it";
    case ERR_FORMAT: return "this is no regular text file (if it is UTF-16, save it as UTF-8)";
    case ERR_LIMIT: return "the file is too large";
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

char *file_beside(const char *from, const char *path)
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
