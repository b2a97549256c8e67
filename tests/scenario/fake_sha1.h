/* tests/scenario/fake_sha1.h | signatures of SHA-1 and DSA that hold without arithmetic
 *
 * Many replay scenarios are signed with DSA, which cannot be verified any more, or with RSA and
 * SHA-1 by keys that were shortened.  Their option `fake-sha1: yes` wants such signatures and
 * DS digests taken for good, as long as everything else about them holds.  The other scenarios
 * want SHA-1 verified, which RFC 9905 ended after they were written.  A program that links this
 * file wraps the four calls: -Wl,--wrap=rules_has_algorithm,--wrap=dnskey_load,
 * --wrap=rrsig_verify,--wrap=ds_match.
 *
 * Thread:   one.
 */
#pragma once

#include <stdbool.h>

/* While true, algorithms 3, 5, 6 and 7 count as supported and their signatures as right, and so
 * does any DS digest of type 1.  False at the start. */
extern bool fake_sha1_is_on;
