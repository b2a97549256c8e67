/* net/request/reply.h | begin and close an answer
 *
 * Owner:    the exchange.
 * Thread:   its worker.
 */
#pragma once

#include "net/request/exchange.h"

/* Start the answer: size limit, room for OPT, the question repeated.  After message_parse and,
 * when there is a question, dname_split. */
void reply_begin(struct exchange *ex);

/* Say why (RFC 8914), for clients that speak EDNS: `text` is static, at most EDNS_EDE_TEXT_MAX
 * octets, and may be "". */
void reply_explain(struct exchange *ex, enum edns_ede code, const char *text);

/* Close it with `rcode`, which may be an extended one, and hand it to the front. */
void reply_send(struct exchange *ex, unsigned rcode);

/* The source address may be spoofed: have the client ask again, with the cookie that comes
 * along (RFC 7873 5.2.3) or over TCP. */
void reply_ask_again(struct exchange *ex);

/* Send nothing. */
void reply_drop(struct exchange *ex);

/* Mark the answer as cut short and take back what was written since `mark`. */
void reply_truncate(struct exchange *ex, const struct builder_mark *mark);
