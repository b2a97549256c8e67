/* base/list.h | doubly linked list inside the things it links
 *
 * Owner:    whoever owns the structs.
 * Thread:   one at a time.
 */
#pragma once

#include <stdbool.h>

/* A head, or a link inside a struct (container_of leads back). */
struct list {
    struct list *next, *prev;
};

/* Make `head` an empty list. */
static inline void list_init(struct list *head) { head->next = head->prev = head; }

/* Whether nothing is linked. */
static inline bool list_is_empty(const struct list *head) { return head->next == head; }

/* Link at the end. */
static inline void list_add(struct list *head, struct list *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

/* Move all of `from` to `head`, which is made an empty list first. */
static inline void list_take(struct list *head, struct list *from)
{
    list_init(head);
    if (list_is_empty(from))
        return;
    *head = *from;
    head->next->prev = head->prev->next = head;
    list_init(from);
}

/* Take out; the link is an empty list afterwards. */
static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}
