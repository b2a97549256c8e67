/* The number of each name that was read is stored at its offset, where later pointers find it:
 * no octet is read twice. */
#include "dns/owners.h"

#include "base/hash.h"

enum { POINTER = 0xc0, HEADER = 12 };

/* A label or a pointer on the way to a known name. */
struct step {
    uint16_t at; /* in the message */
    bool is_pointer;
};

void owners_start(struct owners *o, const uint8_t *wire, size_t len)
{
    /* a pointer may lead into a label, so that a name can begin at each octet */
    size_t slots = 2 * util_min(len + (size_t)2 * DNAME_LABELS_MAX, OWNERS_MAX), size = 1;

    while (size < slots)
        size *= 2;
    o->wire = wire;
    o->cnt = 1;
    o->mask = (unsigned)size - 1;
    o->steps = 0;
    memset(o->at, 0, util_min(len, OWNERS_POINTABLE) * sizeof(o->at[0]));
    memset(o->slots, 0, size * sizeof(o->slots[0]));
    o->names[0] = (struct owners_name){.hash = hash_start(), .len = 1};
}

/* Return the slot of the child `label` of `parent`, or the free slot where it belongs. */
static unsigned find_owner_slot(const struct owners *o, uint16_t parent, const uint8_t *label,
                                uint64_t hash)
{
    for (unsigned i = (unsigned)hash & o->mask;; i = (i + 1) & o->mask) {
        if (o->slots[i] == 0)
            return i;
        const struct owners_name *name = &o->names[o->slots[i] - 1];
        if (name->hash == hash && name->parent == parent && *name->label == *label &&
            dname_is_same(name->label, label, *label + 1U))
            return i;
    }
}

static enum err add_owner_label(struct owners *o, uint16_t *number, const uint8_t *label)
{
    const struct owners_name *parent = &o->names[*number];
    uint64_t hash = dname_hash_child(parent->hash, label);
    unsigned slot = find_owner_slot(o, *number, label, hash);

    if (o->slots[slot] == 0) {
        if (parent->len + *label + 1U > DNAME_MAX)
            return ERR_FORMAT;
        if (o->cnt == OWNERS_MAX)
            return ERR_LIMIT;
        o->names[o->cnt] = (struct owners_name){.hash = hash,
                                                .label = label,
                                                .parent = *number,
                                                .labels = (uint8_t)(parent->labels + 1U),
                                                .len = (uint8_t)(parent->len + *label + 1U),
                                                .is_marked = parent->is_marked};
        o->slots[slot] = (uint16_t)++o->cnt;
    }
    *number = (uint16_t)(o->slots[slot] - 1);
    return ERR_OK;
}

/* Read labels and pointers from the cursor to the root or to a known name, whose number is
 * stored.  The cursor stops after the name.  Return the number of steps, -1 if it is not a
 * name. */
static int walk_to_known_name(const struct owners *o, struct cursor *c, struct step *steps,
                              uint16_t *number)
{
    struct cursor at = *c;
    bool has_jumped = false;
    unsigned pointers = 0;
    int cnt = 0;

    for (*number = 0;;) {
        size_t here = at.pos;
        if (has_jumped && here < util_min(at.len, OWNERS_POINTABLE) && o->at[here] > 0) {
            *number = (uint16_t)(o->at[here] - 1);
            return cnt;
        }
        uint8_t label = cursor_u8(&at);
        bool is_pointer = label >= POINTER;
        size_t target = is_pointer ? (size_t)(label & 0x3f) << 8 | cursor_u8(&at) : 0;
        if (!is_pointer)
            cursor_bytes(&at, label);
        if (!has_jumped)
            c->pos = at.pos;
        if (cursor_failed(&at))
            return -1;
        if (label == 0)
            return cnt;
        if (is_pointer ? target >= here || target < HEADER || ++pointers > DNAME_POINTERS_MAX
                       : label > DNAME_LABEL_MAX || cnt - (int)pointers == DNAME_LABELS_MAX)
            return -1;
        steps[cnt++] = (struct step){.at = (uint16_t)here, .is_pointer = is_pointer};
        if (is_pointer) {
            has_jumped = true;
            at.pos = target;
            at.len = here; /* the name must end before the pointer */
        }
    }
}

enum err owners_read(struct owners *o, struct cursor *c, uint16_t *number)
{
    struct step steps[DNAME_LABELS_MAX + DNAME_POINTERS_MAX];
    int cnt = walk_to_known_name(o, c, steps, number);
    enum err err = cnt < 0 ? ERR_FORMAT : ERR_OK;

    o->steps += (unsigned)(cnt + 1);
    while (!err && cnt-- > 0) {
        if (!steps[cnt].is_pointer)
            err = add_owner_label(o, number, o->wire + steps[cnt].at);
        if (steps[cnt].at < OWNERS_POINTABLE)
            o->at[steps[cnt].at] = (uint16_t)(*number + 1);
    }
    if (err)
        cursor_fail(c);
    return err;
}

void owners_mark(struct owners *o, uint16_t number) { o->names[number].is_marked = true; }

/* Get the labels of a name in order, and return their number. */
static unsigned split_labels(const uint8_t *name, const uint8_t *labels[DNAME_LABELS_MAX])
{
    unsigned cnt = 0;

    for (; *name; name += *name + 1U)
        labels[cnt++] = name;
    return cnt;
}

enum err owners_add(struct owners *o, const uint8_t *name, uint16_t *number)
{
    const uint8_t *labels[DNAME_LABELS_MAX];
    unsigned left = split_labels(name, labels);
    enum err err = ERR_OK;

    for (*number = 0; left > 0 && !err;)
        err = add_owner_label(o, number, labels[--left]);
    return err;
}

uint16_t owners_nearest(const struct owners *o, const uint8_t *name)
{
    const uint8_t *labels[DNAME_LABELS_MAX];
    uint16_t number = 0;

    for (unsigned left = split_labels(name, labels); left > 0; left--) {
        const uint8_t *label = labels[left - 1];
        unsigned slot =
            find_owner_slot(o, number, label, dname_hash_child(o->names[number].hash, label));
        if (o->slots[slot] == 0)
            break;
        number = (uint16_t)(o->slots[slot] - 1);
    }
    return number;
}

uint16_t owners_find(const struct owners *o, const uint8_t *name)
{
    uint16_t number = owners_nearest(o, name);

    return o->names[number].labels == dname_labels(name) ? number : OWNERS_NONE;
}

bool owners_is_under(const struct owners *o, uint16_t number, uint16_t parent)
{
    while (o->names[number].labels > o->names[parent].labels)
        number = o->names[number].parent;
    return number == parent;
}

void owners_write(const struct owners *o, uint16_t number, uint8_t out[DNAME_MAX])
{
    for (; number > 0; number = o->names[number].parent) {
        const uint8_t *label = o->names[number].label;
        memcpy(out, label, *label + 1U);
        out += *label + 1U;
    }
    *out = 0;
}
