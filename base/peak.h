/* base/peak.h | give heap memory back to the system after a load peak
 *
 * After a flood the heap is full of holes that free() keeps.  Trimming it shows the end of the
 * flood in the memory of the process.
 *
 * Thread:   one at a time for each struct peak.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The highest count since the heap was last trimmed.  All zeros is a valid start. */
struct peak {
    size_t most;
    uint64_t again_ms; /* monotonic: do not trim before this time */
};

/* Record that there are `now` objects.  If that is at most an eighth of a peak of `many` or
 * more, trim the heap and begin a new peak at `now`.
 *
 * Trimming a large heap takes milliseconds, and callers are on answer paths: it happens at most
 * once a second per struct, however the load oscillates.  A peak that ends within that second
 * stays recorded, and a later call trims. */
void peak_note(struct peak *peak, size_t now, size_t many);
