/* LMDB's lock file holds nothing that outlives a process, and could be damaged as well: it is
 * made anew at each start, while nobody else has the folder. */
#define _GNU_SOURCE
#include "resolver/cache/cache_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/folder.h"

enum { FOLDER_MODE = 0750, FILE_MODE = 0640 };

static enum err fail(enum err err, char *why, const char *directory, const char *what)
{
    snprintf(why, CACHE_DISK_WHY_MAX, "%s: %s", directory, what);
    return err;
}

static const char *problem(int number)
{
    return number == EACCES
               ? "permission denied; it has to belong to the user that the daemon runs as"
               : strerror(number);
}

/* Whether another user could put something of theirs in the place of what root makes there.  A
 * sticky folder will do: what is root's stays there. */
static bool is_of_others(int folder)
{
    struct stat st;

    if (geteuid() != 0)
        return false;
    return fstat(folder, &st) != 0 || st.st_uid != 0 ||
           (st.st_mode & (S_IWGRP | S_IWOTH) && !(st.st_mode & S_ISVTX));
}

/* A new lock file, which LMDB finds: of its own accord it would follow a link that stands
 * there. */
static enum err make_lock_file(struct cache_disk *d, char *why, const char *directory)
{
    (void)unlinkat(d->folder, CACHE_DISK_FILE "-lock", 0);
    int fd = openat(d->folder, CACHE_DISK_FILE "-lock",
                    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (fd < 0)
        return fail(err_from_errno(errno), why, directory, problem(errno));
    close(fd);
    return ERR_OK;
}

static enum err lock_folder(struct cache_disk *d, const char *directory, char *why)
{
    enum err made = folder_make(directory, FOLDER_MODE, "", why, CACHE_DISK_WHY_MAX);
    if (made)
        return made;
    d->folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->folder < 0)
        return fail(ERR_IO, why, directory, problem(errno));
    if (is_of_others(d->folder)) {
        cache_disk_close(d);
        return fail(ERR_DENIED, why, directory,
                    "another user may write there, and this is root; server.user names the "
                    "user to become");
    }
    if (flock(d->folder, LOCK_EX | LOCK_NB) == 0)
        return ERR_OK;
    enum err err = errno == EWOULDBLOCK ? fail(ERR_DENIED, why, directory,
                                               "another process keeps its cache there")
                                        : fail(ERR_IO, why, directory, strerror(errno));
    cache_disk_close(d);
    return err;
}

enum err cache_disk_set_aside(struct cache_disk *d, const char *reason)
{
    snprintf(d->notice, sizeof(d->notice), "%s was set aside as " CACHE_DISK_DAMAGED ": %s",
             d->path, reason);
    d->is_new = true;
    if (renameat(d->folder, CACHE_DISK_FILE, d->folder, CACHE_DISK_DAMAGED) == 0)
        return ERR_OK;
    return unlinkat(d->folder, CACHE_DISK_FILE, 0) == 0 || errno == ENOENT ? ERR_OK : ERR_IO;
}

static enum err check_file(struct cache_disk *d, int fd, uint64_t size, cache_file_note note,
                           void *data)
{
    struct stat st;
    const char *what = "it cannot be read";

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return cache_disk_set_aside(d, "it is no file that can be read");
    if (st.st_uid != geteuid())
        return cache_disk_set_aside(d, "it belongs to another user");
    d->is_new = st.st_size == 0;
    if (d->is_new)
        return ERR_OK;
    if ((uint64_t)st.st_size > size)
        return cache_disk_set_aside(d, "it is larger than cache.size");
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return errno == ENOMEM ? ERR_NOMEM : cache_disk_set_aside(d, what);
    enum err err = cache_file_check(map, (size_t)st.st_size, (size_t)sysconf(_SC_PAGESIZE),
                                    note, data, &what);
    munmap(map, (size_t)st.st_size);
    return err == ERR_FORMAT ? cache_disk_set_aside(d, what) : err;
}

static enum err open_file(struct cache_disk *d, uint64_t size, cache_file_note note, void *data)
{
    int fd = openat(d->folder, CACHE_DISK_FILE, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    enum err err;

    d->is_new = fd < 0 && errno == ENOENT;
    if (d->is_new)
        return ERR_OK;
    /* what stands there under its name is no file of ours, or it is the system that lacks
     * something */
    if (fd < 0)
        return errno == ELOOP || errno == EISDIR || errno == EACCES
                   ? cache_disk_set_aside(d, strerror(errno))
                   : ERR_IO;
    err = check_file(d, fd, size, note, data);
    close(fd);
    return err;
}

enum err cache_disk_open(const char *directory, uint64_t size, cache_file_note note, void *data,
                         struct cache_disk *d, char why[CACHE_DISK_WHY_MAX])
{
    size_t path_len = strlen(directory) + sizeof("/" CACHE_DISK_FILE);

    *d = (struct cache_disk){.folder = -1, .path = malloc(path_len)};
    if (!d->path)
        return fail(ERR_NOMEM, why, directory, "out of memory");
    snprintf(d->path, path_len, "%s/" CACHE_DISK_FILE, directory);
    enum err err = lock_folder(d, directory, why);
    if (!err)
        err = make_lock_file(d, why, directory);
    if (!err) {
        err = open_file(d, size, note, data);
        if (err)
            fail(err, why, directory,
                 access(directory, W_OK | X_OK) != 0 ? problem(errno) : err_name(err));
    }
    if (err)
        cache_disk_close(d);
    return err;
}

static int reserve(struct cache_disk *d, uint64_t size)
{
    int fd = openat(d->folder, CACHE_DISK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                    FILE_MODE);
    if (fd < 0)
        return errno;
    /* its length stays what it is: LMDB takes a file that has one for its own */
    int number = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size) == 0 ? 0 : errno;
    close(fd);
    return number;
}

enum err cache_disk_reserve(struct cache_disk *d, uint64_t size, char why[CACHE_DISK_WHY_MAX])
{
    int number = reserve(d, size);

    if (number == ENOSPC && unlinkat(d->folder, CACHE_DISK_DAMAGED, 0) == 0)
        number = reserve(d, size); /* what was set aside is in the way */
    if (number == 0)
        return ERR_OK;
    if (d->is_new)
        (void)unlinkat(d->folder, CACHE_DISK_FILE, 0);
    if (number == ENOSPC)
        snprintf(why, CACHE_DISK_WHY_MAX,
                 "%s: the disk has no room for its %llu MB (cache.size)", d->path,
                 (unsigned long long)(size >> 20));
    else
        snprintf(why, CACHE_DISK_WHY_MAX, "%s: %llu MB cannot be reserved: %s", d->path,
                 (unsigned long long)(size >> 20), strerror(number));
    return number == ENOSPC ? ERR_SPACE : ERR_IO;
}

void cache_disk_close(struct cache_disk *d)
{
    if (d->folder >= 0)
        close(d->folder);
    free(d->path);
    d->folder = -1;
    d->path = NULL;
}
