/* net/request/reply.h | start and finish of an answer
 *
 * Owner:    the exchange.
 * Thread:   its worker.
 */
#pragma once

#include "net/request/exchange.h"

/* Start the answer: set its size limit, reserve room for OPT, copy the question.  Caller must
 * have parsed the query and, if it has a question, split its name (dname_split). */
void reply_begin(struct exchange *ex);

/* Give the reason as an extended DNS error (RFC 8914), sent only to clients that use EDNS.
 * `text` must outlive the exchange; at most EDNS_EDE_TEXT_MAX octets, may be "". */
void reply_explain(struct exchange *ex, enum edns_ede code, const char *text);

/* Finish the answer with `rcode`, which may be an extended one, and pass it to the front. */
void reply_send(struct exchange *ex, unsigned rcode);

/* Answer a query whose source address may be spoofed so that the client repeats it with proof:
 * BADCOOKIE with a server cookie (RFC 7873 5.2.3), or a truncated answer, for TCP. */
void reply_ask_again(struct exchange *ex);

/* Drop the query: the front sends nothing. */
void reply_drop(struct exchange *ex);

/* Set TC and remove what was written since `mark`. */
void reply_truncate(struct exchange *ex, const struct builder_mark *mark);
