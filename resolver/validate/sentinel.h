/* resolver/validate/sentinel.h | names by which a client tests which root keys are trusted
 *
 * RFC 8509: the answer for a name whose first label is "root-key-sentinel-is-ta-20326" becomes
 * SERVFAIL unless the root key with this tag is trusted, and that for
 * "root-key-sentinel-not-ta-20326" becomes SERVFAIL if it is.
 *
 * Owner:    values.
 * Thread:   any.
 */
#pragma once

#include "resolver/validate/anchor.h"

enum { SENTINEL_LABEL_MIN = 29 }; /* octets of the shorter of the two labels */

/* Return true if the answer for this question must be SERVFAIL.  `name` and `type` are those of
 * the client's question, before any CNAME.  `root` is the anchor of the root that is trusted
 * now; NULL: there is none.  The caller has checked the other conditions of RFC 8509 3.1: the
 * answer is secure, and the client did not set CD. */
bool sentinel_fails(const struct anchor *root, const uint8_t *name, uint16_t type);
