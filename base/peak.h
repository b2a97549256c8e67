/* base/peak.h | memory goes back to the system when a peak is over
 *
 * After a flood the heap is full of holes; the memory of the process shall show that the flood
 * is over.
 *
 * Thread:   one; each has peaks of its own.
 */
#pragma once

#include <stddef.h>

/* How many there were at most since memory was last given back.  All zero is a new one. */
struct peak {
    size_t most;
};

/* There are `now` of them.  When that is a small part of a peak of at least `many`, memory is
 * given back: milliseconds after a large one. */
void peak_note(struct peak *peak, size_t now, size_t many);
