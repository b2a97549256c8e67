/* LMDB's lock file holds nothing that outlives a process, and could be damaged as well: it is made anew at each start, while nobody else
 * has the folder. */
#define _GNU_SOURCE
#include "resolver/cache_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDER_MODE = 0750, FILE_MODE = 0640 };

static enum err fail(enum err err, char *why, const char *directory, const char *what)
{
    snprintf(why, CACHE_DISK_WHY_MAX, "%s: %s", directory, what);
    return err;
}

static enum err lock_folder(struct cache_disk *d, const char *directory, char *why)
{
    if (mkdir(directory, FOLDER_MODE) != 0 && errno != EEXIST)
        return fail(ERR_IO, why, directory, strerror(errno));
    d->folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->folder < 0)
        return fail(ERR_IO, why, directory, strerror(errno));
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
    /* what stands there under its name is no file of ours, or it is the system that lacks something */
    if (fd < 0)
        return errno == ELOOP || errno == EISDIR ? cache_disk_set_aside(d, strerror(errno))
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
    if (!err) {
        (void)unlinkat(d->folder, CACHE_DISK_FILE "-lock", 0);
        err = open_file(d, size, note, data);
        if (err)
            fail(err, why, directory, err_name(err));
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
