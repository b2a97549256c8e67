/* Each reason has a ring of its own, so a flood of one kind does not displace the others. */
#include "resolver/iterate/rejected.h"

void rejected_note(struct rejected *rejected, enum rejected_reason reason,
                   const struct addr *from, const uint8_t *name, int64_t now_ms)
{
    struct rejected_item *item =
        &rejected->last[reason][rejected->cnt[reason]++ % REJECTED_KEPT];
    item->when_ms = now_ms;
    item->from = *from;
    memcpy(item->name, name, dname_len(name));
}
