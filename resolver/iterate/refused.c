/* A ring for each reason: a flood of one kind does not push the others out. */
#include "resolver/iterate/refused.h"

void refused_note(struct refused *refused, enum refused_reason reason, const struct addr *from,
                  const uint8_t *name, int64_t now_ms)
{
    struct refused_item *item = &refused->last[reason][refused->cnt[reason]++ % REFUSED_KEPT];
    item->when_ms = now_ms;
    item->from = *from;
    memcpy(item->name, name, dname_len(name));
}
