#include "base/peak.h"

#include <malloc.h>

#include "base/util.h"

enum { PART = 8 };

void peak_note(struct peak *peak, size_t now, size_t many)
{
    peak->most = util_max(peak->most, now);
    if (peak->most < many || now > peak->most / PART)
        return;
    peak->most = now;
    (void)malloc_trim(0);
}
