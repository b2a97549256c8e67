/* LMDB's lock file has nothing that outlives a process, and may be damaged too: it is made anew
 * at each start, while this process alone has the folder. */
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

static const char *describe_errno(int number)
{
    return number == EACCES
               ? "permission denied; the folder must belong to the user that the daemon runs as"
               : strerror(number);
}

/* Return true if this process is root and another user could replace the files it makes there.
 * A sticky folder is safe: other users cannot remove root's files from it. */
static bool is_writable_by_others(int folder)
{
    struct stat st;

    if (geteuid() != 0)
        return false;
    return fstat(folder, &st) != 0 || st.st_uid != 0 ||
           (st.st_mode & (S_IWGRP | S_IWOTH) && !(st.st_mode & S_ISVTX));
}

/* Make a new lock file for LMDB, which would follow a symbolic link if it made the file itself.
 */
static enum err make_lock_file(struct cache_disk *d, const char *directory, struct fault *fault)
{
    (void)unlinkat(d->folder, CACHE_DISK_FILE "-lock", 0);
    int fd = openat(d->folder, CACHE_DISK_FILE "-lock",
                    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (fd < 0)
        return fault_set(fault, err_from_errno(errno), "%s: %s", directory,
                         describe_errno(errno));
    close(fd);
    return ERR_OK;
}

static enum err lock_folder(struct cache_disk *d, const char *directory, struct fault *fault)
{
    enum err made = folder_make(directory, FOLDER_MODE, "", fault);
    if (made)
        return made;
    d->folder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->folder < 0)
        return fault_set(fault, ERR_IO, "%s: %s", directory, describe_errno(errno));
    if (is_writable_by_others(d->folder)) {
        cache_disk_close(d);
        return fault_set(
            fault, ERR_DENIED,
            "%s: other users may write to this folder, so root does not keep its cache there; "
            "set server.user to an unprivileged user, or make the folder root's alone",
            directory);
    }
    if (flock(d->folder, LOCK_EX | LOCK_NB) == 0)
        return ERR_OK;
    enum err err = errno == EWOULDBLOCK
                       ? fault_set(fault, ERR_DENIED,
                                   "%s: another process has locked it for its cache; "
                                   "give each resolver a cache.directory of its own",
                                   directory)
                       : fault_set(fault, ERR_IO, "%s: %s", directory, strerror(errno));
    cache_disk_close(d);
    return err;
}

enum err cache_disk_set_aside(struct cache_disk *d, const char *reason)
{
    fault_set(&d->notice, ERR_OK, "%s was set aside as " CACHE_DISK_DAMAGED ": %s", d->path,
              reason);
    d->is_new = true;
    if (renameat(d->folder, CACHE_DISK_FILE, d->folder, CACHE_DISK_DAMAGED) == 0)
        return ERR_OK;
    return unlinkat(d->folder, CACHE_DISK_FILE, 0) == 0 || errno == ENOENT ? ERR_OK : ERR_IO;
}

static enum err check_or_set_aside(struct cache_disk *d, int fd, uint64_t size,
                                   cache_file_note note, void *data)
{
    struct stat st;
    struct fault fault;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return cache_disk_set_aside(d, "it is not a regular file");
    if (st.st_uid != geteuid())
        return cache_disk_set_aside(d, "it belongs to another user");
    d->is_new = st.st_size == 0;
    if (d->is_new)
        return ERR_OK;
    if ((uint64_t)st.st_size > size)
        return cache_disk_set_aside(d, "it is larger than cache.size");
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return errno == ENOMEM ? ERR_NOMEM
                               : cache_disk_set_aside(d, "it cannot be mapped into memory");
    enum err err = cache_file_check(map, (size_t)st.st_size, (size_t)sysconf(_SC_PAGESIZE),
                                    note, data, &fault);
    munmap(map, (size_t)st.st_size);
    return err == ERR_FORMAT ? cache_disk_set_aside(d, fault.text) : err;
}

static enum err inspect_file(struct cache_disk *d, uint64_t size, cache_file_note note,
                             void *data)
{
    int fd = openat(d->folder, CACHE_DISK_FILE, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    enum err err;

    d->is_new = fd < 0 && errno == ENOENT;
    if (d->is_new)
        return ERR_OK;
    /* the first three say that this is not our file; the others are errors of the system */
    if (fd < 0)
        return errno == ELOOP || errno == EISDIR || errno == EACCES
                   ? cache_disk_set_aside(d, strerror(errno))
                   : ERR_IO;
    err = check_or_set_aside(d, fd, size, note, data);
    close(fd);
    return err;
}

enum err cache_disk_open(const char *directory, uint64_t size, cache_file_note note, void *data,
                         struct cache_disk *d, struct fault *fault)
{
    size_t path_len = strlen(directory) + sizeof("/" CACHE_DISK_FILE);

    *d = (struct cache_disk){.folder = -1, .path = malloc(path_len)};
    if (!d->path)
        return fault_set(fault, ERR_NOMEM, "%s: out of memory", directory);
    snprintf(d->path, path_len, "%s/" CACHE_DISK_FILE, directory);
    enum err err = lock_folder(d, directory, fault);
    if (!err)
        err = make_lock_file(d, directory, fault);
    if (!err) {
        err = inspect_file(d, size, note, data);
        if (err)
            err = fault_set(fault, err, "%s: %s", directory,
                            access(directory, W_OK | X_OK) != 0 ? describe_errno(errno)
                                                                : err_name(err));
    }
    if (err)
        cache_disk_close(d);
    return err;
}

static int reserve_octets(struct cache_disk *d, uint64_t size)
{
    int fd = openat(d->folder, CACHE_DISK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
                    FILE_MODE);
    if (fd < 0)
        return errno;
    /* keep the length: LMDB expects its pages in a file that is not empty */
    int number = fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)size) == 0 ? 0 : errno;
    close(fd);
    return number;
}

enum err cache_disk_reserve(struct cache_disk *d, uint64_t size, struct fault *fault)
{
    int number = reserve_octets(d, size);

    if (number == ENOSPC && unlinkat(d->folder, CACHE_DISK_DAMAGED, 0) == 0)
        number = reserve_octets(d, size); /* with the room of the file that was set aside */
    if (number == 0)
        return ERR_OK;
    if (d->is_new)
        (void)unlinkat(d->folder, CACHE_DISK_FILE, 0);
    if (number == ENOSPC)
        return fault_set(fault, ERR_SPACE,
                         "%s: the disk has no room for %llu MB; free some, or lower cache.size",
                         d->path, (unsigned long long)(size >> 20));
    return fault_set(fault, ERR_IO, "%s: cannot reserve %llu MB: %s", d->path,
                     (unsigned long long)(size >> 20), strerror(number));
}

void cache_disk_close(struct cache_disk *d)
{
    if (d->folder >= 0)
        close(d->folder);
    free(d->path);
    d->folder = -1;
    d->path = NULL;
}
