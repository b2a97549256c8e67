/* Lines, keys and clients come from pools as large as the park, because there are never more of
 * them than entries.  A client stands in the list of its number of entries.  That number
 * changes by one at a time, so the largest is known without a search. */
#include "resolver/limits/park.h"

enum { BUCKETS = 1024 };

/* A key that entries wait for. */
struct place {
    struct list link;  /* park->places or park->spare_places */
    struct list chain; /* of its bucket */
    struct list lines; /* the line whose turn it is, first */
    uint64_t key;
    size_t line_cnt;
    bool is_passed;      /* the last place that other workers wait for too was left to them */
    uint32_t passed_cnt; /* how many were since park_forget_passed */
};

/* A client that has entries. */
struct owner {
    struct list link; /* park->by_cnt[cnt] or park->spare_owners */
    struct list chain;
    struct list entries; /* the oldest first */
    uint64_t client;
    size_t cnt;
};

struct park_line {
    struct list link; /* place->lines or park->spare_lines */
    struct list chain;
    struct list entries;
    struct place *place;
    struct owner *owner;
    size_t cnt;
};

/* Lifetime: worker. */
struct park {
    size_t most, cnt, largest; /* most entries of one owner */
    size_t place_cnt;
    struct list all, places, spare_places, spare_owners, spare_lines;
    struct list place_buckets[BUCKETS], owner_buckets[BUCKETS], line_buckets[BUCKETS];
    struct list *by_cnt; /* most + 1 */
    struct place *place_pool;
    struct owner *owner_pool;
    struct park_line *line_pool;
};

static void init_park_lists(struct park *p)
{
    struct list *lists[] = {&p->all, &p->places, &p->spare_places, &p->spare_owners,
                            &p->spare_lines};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        list_init(lists[i]);
    for (size_t i = 0; i < BUCKETS; i++) {
        list_init(&p->place_buckets[i]);
        list_init(&p->owner_buckets[i]);
        list_init(&p->line_buckets[i]);
    }
    for (size_t i = 0; i <= p->most; i++)
        list_init(&p->by_cnt[i]);
    for (size_t i = 0; i < p->most; i++) {
        list_add(&p->spare_places, &p->place_pool[i].link);
        list_add(&p->spare_owners, &p->owner_pool[i].link);
        list_add(&p->spare_lines, &p->line_pool[i].link);
    }
}

enum err park_new(size_t most, struct park **out)
{
    struct park *p = calloc(1, sizeof(*p));

    if (!p)
        return ERR_NOMEM;
    p->most = most;
    p->by_cnt = calloc(most + 1, sizeof(*p->by_cnt));
    p->place_pool = calloc(most, sizeof(*p->place_pool));
    p->owner_pool = calloc(most, sizeof(*p->owner_pool));
    p->line_pool = calloc(most, sizeof(*p->line_pool));
    if (!p->by_cnt || !p->place_pool || !p->owner_pool || !p->line_pool) {
        park_free(&p);
        return ERR_NOMEM;
    }
    init_park_lists(p);
    *out = p;
    return ERR_OK;
}

void park_free(struct park **park)
{
    struct park *p = *park;

    if (!p)
        return;
    free(p->by_cnt);
    free(p->place_pool);
    free(p->owner_pool);
    free(p->line_pool);
    free(p);
    *park = NULL;
}

/* ---- finding ---- */

static struct list *park_bucket(struct list buckets[BUCKETS], uint64_t hash)
{
    return &buckets[(hash ^ hash >> 32) % BUCKETS];
}

static struct place *find_park_place(struct park *p, uint64_t key)
{
    struct list *head = park_bucket(p->place_buckets, key);
    list_for_each(struct place, place, head, chain)
        if (place->key == key)
            return place;
    return NULL;
}

static struct place *find_or_make_place(struct park *p, uint64_t key)
{
    struct place *place = find_park_place(p, key);

    if (place)
        return place;
    place = container_of(p->spare_places.next, struct place, link);
    list_remove(&place->link);
    list_init(&place->lines);
    place->line_cnt = 0;
    place->key = key;
    place->is_passed = false;
    place->passed_cnt = 0;
    list_add(&p->places, &place->link);
    list_add(park_bucket(p->place_buckets, key), &place->chain);
    p->place_cnt++;
    return place;
}

static struct owner *find_or_make_owner(struct park *p, uint64_t client)
{
    struct list *head = park_bucket(p->owner_buckets, client);
    list_for_each(struct owner, known, head, chain)
        if (known->client == client)
            return known;
    struct owner *owner = container_of(p->spare_owners.next, struct owner, link);
    list_remove(&owner->link);
    list_init(&owner->entries);
    owner->client = client;
    owner->cnt = 0;
    list_add(&p->by_cnt[0], &owner->link);
    list_add(head, &owner->chain);
    return owner;
}

static struct list *line_bucket(struct park *p, uint64_t key, uint64_t client)
{
    return park_bucket(p->line_buckets, key ^ (client << 1 | client >> 63));
}

static struct park_line *find_park_line(struct park *p, uint64_t key, uint64_t client)
{
    struct list *head = line_bucket(p, key, client);
    list_for_each(struct park_line, line, head, chain) {
        if (line->place->key == key && line->owner->client == client)
            return line;
    }
    return NULL;
}

static struct park_line *find_or_make_line(struct park *p, uint64_t key, uint64_t client)
{
    struct park_line *line = find_park_line(p, key, client);

    if (line)
        return line;
    line = container_of(p->spare_lines.next, struct park_line, link);
    list_remove(&line->link);
    list_init(&line->entries);
    line->place = find_or_make_place(p, key);
    line->owner = find_or_make_owner(p, client);
    line->cnt = 0;
    list_add(&line->place->lines, &line->link);
    line->place->line_cnt++;
    list_add(line_bucket(p, key, client), &line->chain);
    return line;
}

/* ---- leaving ---- */

static void move_owner(struct park *p, struct owner *owner, size_t cnt)
{
    owner->cnt = cnt;
    list_remove(&owner->link);
    list_add(&p->by_cnt[cnt], &owner->link);
    p->largest = util_max(p->largest, cnt);
    while (p->largest > 0 && list_is_empty(&p->by_cnt[p->largest]))
        p->largest--; /* one step at most, because counts change by one */
}

static void return_to_pool(struct list *to, struct list *link, struct list *chain)
{
    list_remove(chain);
    list_remove(link);
    list_add(to, link);
}

void park_remove(struct park *p, struct park_entry *entry)
{
    struct park_line *line = entry->line;

    if (!line)
        return;
    struct owner *owner = line->owner;
    struct place *place = line->place;
    list_remove(&entry->in_line);
    list_remove(&entry->of_client);
    list_remove(&entry->in_all);
    entry->line = NULL;
    p->cnt--;
    line->cnt--;
    move_owner(p, owner, owner->cnt - 1);
    if (line->cnt == 0) {
        place->line_cnt--;
        return_to_pool(&p->spare_lines, &line->link, &line->chain);
    }
    if (owner->cnt == 0)
        return_to_pool(&p->spare_owners, &owner->link, &owner->chain);
    if (list_is_empty(&place->lines)) {
        return_to_pool(&p->spare_places, &place->link, &place->chain);
        p->place_cnt--;
    }
}

/* Remove the oldest entry of the client that has the most. */
static struct park_entry *evict_entry(struct park *p)
{
    struct owner *owner = container_of(p->by_cnt[p->largest].next, struct owner, link);
    struct park_entry *entry = container_of(owner->entries.next, struct park_entry, of_client);

    park_remove(p, entry);
    return entry;
}

/* ---- entering ---- */

/* Add at the end of the list, or before its first element. */
static void link_in(struct list *head, struct list *link, bool is_first)
{
    list_add(is_first ? head->next : head, link); /* head->next is head if the list is empty */
}

static void queue_entry(struct park *p, struct park_entry *entry, uint64_t key, uint64_t client,
                        bool is_first)
{
    struct park_line *line = find_or_make_line(p, key, client);

    entry->line = line;
    link_in(&line->entries, &entry->in_line, is_first);
    link_in(&line->owner->entries, &entry->of_client, is_first);
    list_add(&p->all, &entry->in_all);
    if (is_first) { /* its line keeps the turn */
        list_remove(&line->link);
        link_in(&line->place->lines, &line->link, true);
    }
    line->cnt++;
    p->cnt++;
    move_owner(p, line->owner, line->owner->cnt + 1);
}

struct park_entry *park_put(struct park *p, struct park_entry *entry, uint64_t key,
                            uint64_t client, bool is_first)
{
    struct park_entry *gone = p->cnt == p->most ? evict_entry(p) : NULL;

    queue_entry(p, entry, key, client, is_first);
    return gone;
}

/* ---- turns ---- */

static struct park_entry *first_of_place(const struct place *place)
{
    struct park_line *line = container_of(place->lines.next, struct park_line, link);
    return container_of(line->entries.next, struct park_entry, in_line);
}

struct park_entry *park_first(struct park *p, uint64_t key)
{
    const struct place *place = find_park_place(p, key);
    return place ? first_of_place(place) : NULL;
}

struct park_entry *park_call(struct park *p, uint64_t key)
{
    struct place *place = find_park_place(p, key);

    if (!place)
        return NULL;
    struct park_entry *entry = first_of_place(place);
    list_remove(&entry->line->link);
    list_add(&place->lines, &entry->line->link);
    return entry;
}

bool park_pass(struct park *p, uint64_t key)
{
    struct place *place = find_park_place(p, key);

    if (!place)
        return true;
    place->is_passed = !place->is_passed;
    place->passed_cnt += place->is_passed;
    return place->is_passed;
}

uint32_t park_passed(struct park *p, uint64_t key)
{
    const struct place *place = find_park_place(p, key);
    return place ? place->passed_cnt : 0;
}

void park_forget_passed(struct park *p, uint64_t key)
{
    struct place *place = find_park_place(p, key);
    if (place)
        place->passed_cnt = 0;
}

bool park_favour(struct park *p, struct park_entry *entry, uint64_t client)
{
    uint64_t key = entry->line->place->key;
    const struct park_line *other = find_park_line(p, key, client);

    if (entry->line->owner->client == client || (other && other->cnt >= entry->line->cnt - 1))
        return false;
    park_remove(p, entry);
    queue_entry(p, entry, key, client, false);
    return true;
}

struct park_entry *park_look(struct park *p)
{
    struct list *link = p->all.next;

    if (list_is_empty(&p->all))
        return NULL;
    list_remove(link);
    list_add(&p->all, link);
    return container_of(link, struct park_entry, in_all);
}

bool park_look_key(struct park *p, uint64_t *key)
{
    struct list *link = p->places.next;

    if (list_is_empty(&p->places))
        return false;
    list_remove(link);
    list_add(&p->places, link);
    *key = container_of(link, struct place, link)->key;
    return true;
}

size_t park_cnt(const struct park *p) { return p->cnt; }

size_t park_keys(const struct park *p) { return p->place_cnt; }

size_t park_lines(struct park *p, uint64_t key)
{
    const struct place *place = find_park_place(p, key);
    return place ? place->line_cnt : 0;
}
