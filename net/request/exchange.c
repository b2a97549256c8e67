/* An answer needs the header, the question and the cookie of its query; the rest of the message
 * is not copied. */
#include "net/request/exchange.h"

void exchange_defer(struct exchange_deferred *to, const struct exchange *from)
{
    struct exchange *ex = &to->ex;

    *ex = *from;
    memcpy(to->question, from->query.wire,
           MESSAGE_HEADER_LEN + (size_t)from->query.question_len);
    ex->query.wire = to->question;
    if (from->query.has_edns && from->query.edns.cookie_len > 0) {
        memcpy(to->cookie, from->query.edns.cookie, from->query.edns.cookie_len);
        ex->query.edns.cookie = to->cookie;
    }
    ex->reply_len = 0;
}
