/* base/list.h | doubly linked list whose links are fields of the linked structs
 *
 * A struct is in as many lists as it has links.  Linking and unlinking never allocate.
 *
 * Owner:    the owner of the structs; the list owns nothing.
 * Thread:   one at a time.
 * Words:    head - a link outside every struct, where the list begins and ends.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/util.h"

/* A head, or a link inside a struct. */
struct list {
    struct list *next, *prev;
};

/* Make `head` an empty list. */
static inline void list_init(struct list *head) { head->next = head->prev = head; }

/* Return true if the list has no structs. */
static inline bool list_is_empty(const struct list *head) { return head->next == head; }

/* Append `link`, which must not be in a list. */
static inline void list_add(struct list *head, struct list *link)
{
    link->prev = head->prev;
    link->next = head;
    head->prev->next = link;
    head->prev = link;
}

/* Make `head` an empty list, then move all structs of `from` to it, in the same order. */
static inline void list_take(struct list *head, struct list *from)
{
    list_init(head);
    if (list_is_empty(from))
        return;
    *head = *from;
    head->next->prev = head->prev->next = head;
    list_init(from);
}

/* Remove `link` from its list and make it an empty list, so that removing it again
 * is harmless. */
static inline void list_remove(struct list *link)
{
    link->prev->next = link->next;
    link->next->prev = link->prev;
    list_init(link);
}

/* Return the struct whose link is `offset` bytes from its start, or NULL for the head.  For the
 * macros below. */
static inline void *list_struct(const struct list *head, struct list *link, size_t offset)
{
    return link == head ? NULL : (char *)link - offset;
}

/* Remove the first link and return it, or return `head` if the list is empty.  For list_pop. */
static inline struct list *list_pop_link(struct list *head)
{
    struct list *first = head->next;
    list_remove(first);
    return first;
}

/* Below, `type` is the linked struct and `field` the name of its link.  An argument may be
 * evaluated more than once. */

/* Return the first struct, NULL if the list is empty. */
#define list_first(head, type, field) \
    ((type *)list_struct((head), (head)->next, offsetof(type, field)))

/* Return the struct after `item`, NULL if `item` is the last one. */
#define list_next(head, item, type, field) \
    ((type *)list_struct((head), (item)->field.next, offsetof(type, field)))

/* Remove the first struct and return it, NULL if the list is empty. */
#define list_pop(head, type, field) \
    ((type *)list_struct((head), list_pop_link(head), offsetof(type, field)))

/* Visit each struct as `type *item`, first to last.  The body must not remove `item`. */
#define list_for_each(type, item, head, field)                       \
    for (type *item = list_first(head, type, field); (item) != NULL; \
         (item) = list_next(head, item, type, field))

/* As list_for_each, but the body may remove or free `item`.  It must not remove the struct
 * after `item`: the loop has already looked it up. */
#define list_for_each_safe(type, item, head, field)                              \
    for (type *item = list_first(head, type, field),                             \
              *item##_next = (item) ? list_next(head, item, type, field) : NULL; \
         (item) != NULL; (item) = item##_next,                                   \
              item##_next = (item) ? list_next(head, item, type, field) : NULL)
