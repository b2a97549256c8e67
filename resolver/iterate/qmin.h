/* resolver/iterate/qmin.h | how much of a name to show next (RFC 9156)
 *
 * Thread:   any.
 */
#pragma once

enum { QMIN_ONE_LABEL_STEPS = 4 /* RFC 9156 2.3: MINIMISE_ONE_LAB */ };

/* Labels of the next question about a name of `labels` labels, when `minimised_labels` of them
 * are known to the servers, `step` steps have been made and at most `steps_max` may be.
 * `labels` itself means the whole name. */
unsigned qmin_next(unsigned labels, unsigned minimised_labels, unsigned step,
                   unsigned steps_max);
