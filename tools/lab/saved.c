/* A saved laboratory comes from anywhere, so only files that a laboratory has are written: a
 * name in a known folder, without "/" and "..". */
#include "tools/lab/saved.h"

#include <dirent.h>
#include <errno.h>

#include "base/file.h"
#include "tools/lab/site.h"

enum { SAVED_MAX = 16 << 20, SAVED_FILE_MAX = 4 << 20, SAVED_VERSION = 1 };

/* The folders whose files are saved, besides those of the hosts. */
static const char *const saved_folders[] = {"zones", "zones/forged", "keys"};

/* The files of a host that are saved. */
static const char *const saved_files[] = {"authd.yaml", "resolver.yaml", "peer.conf"};

static bool is_plain_name(const char *name)
{
    return *name && *name != '.' && strlen(name) < 256 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-_") ==
               strlen(name);
}

/* True if a laboratory has a file of this path in its folder. */
static bool is_known_path(const char *path)
{
    const char *name = strrchr(path, '/');

    if (!name || !is_plain_name(name + 1))
        return false;
    const size_t len = (size_t)(name - path);
    for (size_t i = 0; i < ARRAY_LEN(saved_folders); i++)
        if (strlen(saved_folders[i]) == len && memcmp(saved_folders[i], path, len) == 0)
            return true;
    for (size_t i = 0; i < topology_host_cnt; i++)
        if (strlen(topology_hosts[i].name) == len &&
            memcmp(topology_hosts[i].name, path, len) == 0)
            for (size_t n = 0; n < ARRAY_LEN(saved_files); n++)
                if (strcmp(saved_files[n], name + 1) == 0)
                    return true;
    return false;
}

/* ---- saving ---- */

/* Add a file of the laboratory.  One that does not exist is left out. */
static bool save_file(const struct space *space, const char *path, struct json *files,
                      struct fault *fault)
{
    char full[SITE_PATH_MAX];
    char *text;
    size_t len;

    snprintf(full, sizeof(full), "%s/%s", space->folder, path);
    enum err err = file_read(full, SAVED_FILE_MAX, &text, &len, NULL);
    if (err == ERR_ABSENT || err == ERR_FORMAT) /* a folder */
        return true;
    if (err)
        return !fault_set(fault, err, "%s: %s", full, file_problem(err));
    json_put_text(files, path, text);
    free(text);
    return true;
}

static bool save_folder(const struct space *space, const char *name, struct json *files,
                        struct fault *fault)
{
    char path[SITE_PATH_MAX];
    bool works = true;

    snprintf(path, sizeof(path), "%s/%s", space->folder, name);
    DIR *folder = opendir(path);
    if (!folder)
        return !fault_set(fault, ERR_IO, "%s: %s", path, strerror(errno));
    for (const struct dirent *entry; works && (entry = readdir(folder)) != NULL;) {
        snprintf(path, sizeof(path), "%s/%s", name, entry->d_name);
        if (is_known_path(path))
            works = save_file(space, path, files, fault);
    }
    closedir(folder);
    return works;
}

static void save_links(const struct space *space, struct json *to)
{
    static const char *const keys[] = {"delay-us", "loss", "reordering", "copies", "rate"};
    const struct json *hosts = json_find(space->status, "hosts");

    for (size_t i = 0; i < json_count(hosts); i++) {
        const struct json *host = json_at(hosts, i), *link = json_find(host, "link");
        struct json *saved = json_put_object(to, json_get_text(host, "name", ""));
        for (size_t k = 0; k < ARRAY_LEN(keys); k++)
            json_put_number(saved, keys[k], json_get_number(link, keys[k], 0));
    }
}

bool saved_write(const struct space *space, const char *path, struct fault *fault)
{
    struct json *saved = json_new_object(), *files;
    char file[SITE_PATH_MAX];
    bool works = true;

    json_put_number(saved, "laboratory", SAVED_VERSION);
    json_put_number(saved, "ahead-s", json_get_number(space->status, "ahead-s", 0));
    json_put_number(saved, "slow", json_get_number(space->status, "slow", 1));
    save_links(space, json_put_object(saved, "links"));
    files = json_put_object(saved, "files");
    for (size_t i = 0; i < ARRAY_LEN(saved_folders) && works; i++)
        works = save_folder(space, saved_folders[i], files, fault);
    for (size_t i = 0; i < topology_host_cnt && works; i++)
        for (size_t n = 0; n < ARRAY_LEN(saved_files) && works; n++) {
            snprintf(file, sizeof(file), "%s/%s", topology_hosts[i].name, saved_files[n]);
            works = save_file(space, file, files, fault);
        }
    char *text = works ? json_write(saved, true) : NULL;
    if (text) {
        enum err err = file_replace(path, text, strlen(text));
        works = !err || !fault_set(fault, err, "%s: %s", path, file_problem(err));
    }
    free(text);
    json_free(&saved);
    return works;
}

/* ---- loading ---- */

static bool check_saved(const struct json *saved, const char *path, struct fault *fault)
{
    const struct json *files = json_find(saved, "files");

    if (json_get_number(saved, "laboratory", 0) != SAVED_VERSION || json_count(files) == 0)
        return !fault_set(fault, ERR_FORMAT, "%s is no saved laboratory", path);
    for (size_t i = 0; i < json_count(files); i++) {
        const char *name = json_key(files, i);
        if (!is_known_path(name) || !json_text(json_find(files, name)))
            return !fault_set(fault, ERR_FORMAT,
                              "%s has a file \"%s\", which no laboratory has", path, name);
    }
    return true;
}

static bool write_saved_files(const struct space *space, const struct json *files,
                              struct fault *fault)
{
    char full[SITE_PATH_MAX];

    for (size_t i = 0; i < json_count(files); i++) {
        const char *name = json_key(files, i), *text = json_get_text(files, name, "");
        snprintf(full, sizeof(full), "%s/%s", space->folder, name);
        enum err err = file_replace(full, text, strlen(text));
        if (err)
            return !fault_set(fault, err, "%s: %s", full, file_problem(err));
    }
    return true;
}

static bool request_of(const struct space *space, struct json *request, const char *command,
                       struct fault *fault)
{
    json_put_text(request, "command", command);
    struct json *answer = space_request(space, request, fault);
    bool is_done = answer != NULL;

    json_free(&answer);
    return is_done;
}

static bool load_links(const struct space *space, const struct json *saved, struct fault *fault)
{
    static const char *const keys[] = {"delay-us", "loss", "reordering", "copies", "rate"};
    const struct json *links = json_find(saved, "links");

    for (size_t i = 0; i < json_count(links); i++) {
        const char *name = json_key(links, i);
        struct json *request = json_new_object();
        json_put_text(request, "host", name);
        json_put_number(request, "slow", json_get_number(saved, "slow", 1));
        for (size_t k = 0; k < ARRAY_LEN(keys); k++)
            json_put_number(request, keys[k],
                            json_get_number(json_find(links, name), keys[k], 0));
        if (!request_of(space, request, "link", fault))
            return false;
    }
    return true;
}

/* The clocks go forward only, so they are set back by starting the daemons anew. */
static bool restart_all(const struct space *space, int64_t ahead_s, struct fault *fault)
{
    struct json *request = json_new_object();

    if (!request_of(space, request, "restart-all", fault))
        return false;
    if (ahead_s <= 0)
        return true;
    request = json_new_object();
    json_put_number(request, "add-s", ahead_s);
    return request_of(space, request, "time", fault);
}

bool saved_load(const struct space *space, const char *path, struct fault *fault)
{
    struct json *saved = NULL;
    struct fault reason;
    char *text;
    size_t len;
    enum err err = file_read(path, SAVED_MAX, &text, &len, NULL);

    if (err)
        return !fault_set(fault, err, "%s: %s", path, file_problem(err));
    err = json_read(text, len, &saved, &reason);
    free(text);
    if (err)
        return !fault_set(fault, err, "%s: %s", path, reason.text);
    bool works = check_saved(saved, path, fault) &&
                 write_saved_files(space, json_find(saved, "files"), fault) &&
                 load_links(space, saved, fault) &&
                 restart_all(space, json_get_number(saved, "ahead-s", 0), fault);
    json_free(&saved);
    return works;
}
