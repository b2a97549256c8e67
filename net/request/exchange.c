/* An answer needs the header, the question and the cookie of its query; the rest of the message
 * is not copied. */
#include "net/request/exchange.h"

const struct exchange_stack_info exchange_stacks[] = {
#define EXCHANGE_STACK_ROW(id, key_, name_, port, has_udp_, transport, alpn, ...) \
    [EXCHANGE_STACK_##                                                            \
        id] = {.key = key_, .name = name_, .has_udp = has_udp_, .has_tls = sizeof(alpn) > 1},
#include "net/request/stack.def"
#undef EXCHANGE_STACK_ROW
};

struct exchange *exchange_defer(struct exchange_deferred *to, const struct exchange *from,
                                uint8_t *buffer, size_t size, void (*send)(struct exchange *ex))
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
    ex->buffer = buffer;
    ex->size = size;
    ex->reply_len = 0;
    ex->send = send;
    ex->defer = NULL;
    return ex;
}
