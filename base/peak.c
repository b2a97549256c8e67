/* free() returns only the top of the heap to the system; malloc_trim(3) also returns holes. */
#include "base/peak.h"

#include <malloc.h>

#include "base/now.h"
#include "base/util.h"

enum { PART = 8, AGAIN_MS = 1000 };

void peak_note(struct peak *peak, size_t now, size_t many)
{
    peak->most = util_max(peak->most, now);
    if (peak->most < many || now > peak->most / PART)
        return;
    uint64_t now_ms = now_mono_ms();
    if (now_ms < peak->again_ms)
        return;
    peak->again_ms = now_ms + AGAIN_MS;
    peak->most = now;
    (void)malloc_trim(0);
}
