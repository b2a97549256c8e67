/* resolver/validate/anchor_signal.h | the query that tells a zone which keys are trusted
 *
 * RFC 8145 5: the label "_ta-4f66-9728" in front of a zone lists the tags of its keys that this
 * resolver trusts.  The zone's operator counts such queries before a key is replaced.
 *
 * Owner:    values.
 * Thread:   any.
 */
#pragma once

#include "resolver/validate/anchor.h"

enum {
    ANCHOR_SIGNAL_TYPE = 10, /* NULL (RFC 8145 5.1) */
    ANCHOR_SIGNAL_MAX = 12,  /* tags that fit a label */
};

/* Make the query name for the zone of the anchor, with its lowest tags if it has more than fit.
 * ERR_SPACE: the name would be too long. */
MUST_USE enum err anchor_signal_name(const struct anchor *anchor, uint8_t out[DNAME_MAX]);
