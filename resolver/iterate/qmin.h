/* resolver/iterate/qmin.h | query name minimisation (RFC 9156): the length of the next name
 *
 * Thread:   any.
 */
#pragma once

enum { QMIN_ONE_LABEL_STEPS = 4 /* RFC 9156 2.3: MINIMISE_ONE_LAB */ };

/* Return the number of labels of the next query for a name of `labels` labels.  The servers
 * know `minimised_labels` of them; `step` minimised queries were sent, and at most `steps_max`
 * may be.  If the result is `labels`, the next query has the full name. */
unsigned qmin_next(unsigned labels, unsigned minimised_labels, unsigned step,
                   unsigned steps_max);
