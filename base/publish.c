/* A read-write lock would make every worker write to a shared cache line per batch.  Here a
 * worker loads a pointer that changes on reload only, and stores to its own cell. */
#include "base/publish.h"

struct publish_version {
    struct publish_version *next; /* in the list `retired` */
    uint64_t number;
    void *data;
    void (*free_data)(void *data);
};

void publish_init(struct publish *publish, size_t worker_cnt)
{
    must(worker_cnt <= PUBLISH_WORKERS_MAX);
    atomic_init(&publish->current, NULL);
    publish->retired = NULL;
    publish->worker_cnt = worker_cnt;
    for (size_t i = 0; i < worker_cnt; i++)
        atomic_init(&publish->acked[i], 0);
}

static void free_publish_version(struct publish_version *version)
{
    version->free_data(version->data);
    free(version);
}

enum err publish_put(struct publish *publish, void *data, void (*free_data)(void *data))
{
    struct publish_version *old = atomic_load_explicit(&publish->current, memory_order_relaxed);
    struct publish_version *version = malloc(sizeof(*version));
    if (!version)
        return ERR_NOMEM;
    *version = (struct publish_version){
        .number = old ? old->number + 1 : 1, .data = data, .free_data = free_data};
    /* release: a worker that sees the pointer also sees the complete version */
    atomic_store_explicit(&publish->current, version, memory_order_release);
    if (old) {
        old->next = publish->retired;
        publish->retired = old;
    }
    return ERR_OK;
}

void *publish_take(struct publish *publish, size_t worker)
{
    struct publish_version *version =
        atomic_load_explicit(&publish->current, memory_order_acquire);
    if (!version)
        return NULL;
    /* release: this worker's reads of the previous version precede its free by main */
    atomic_store_explicit(&publish->acked[worker], version->number, memory_order_release);
    return version->data;
}

void *publish_newest(struct publish *publish)
{
    struct publish_version *version =
        atomic_load_explicit(&publish->current, memory_order_relaxed);
    return version ? version->data : NULL;
}

size_t publish_collect(struct publish *publish)
{
    uint64_t oldest_used = UINT64_MAX;
    for (size_t i = 0; i < publish->worker_cnt; i++) {
        uint64_t acked = atomic_load_explicit(&publish->acked[i], memory_order_acquire);
        if (acked < oldest_used)
            oldest_used = acked;
    }
    size_t waiting = 0;
    struct publish_version **link = &publish->retired;
    while (*link) {
        struct publish_version *version = *link;
        if (version->number < oldest_used) {
            *link = version->next;
            free_publish_version(version);
        } else {
            link = &version->next;
            waiting++;
        }
    }
    return waiting;
}

void publish_fini(struct publish *publish)
{
    while (publish->retired) {
        struct publish_version *version = publish->retired;
        publish->retired = version->next;
        free_publish_version(version);
    }
    struct publish_version *current =
        atomic_load_explicit(&publish->current, memory_order_relaxed);
    if (current)
        free_publish_version(current);
    atomic_store_explicit(&publish->current, NULL, memory_order_relaxed);
}
