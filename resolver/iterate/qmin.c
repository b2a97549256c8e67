/* The first steps add one label each, because most zone cuts are there.  The other steps share
 * the remaining labels, so no name costs more than `steps_max` minimised queries. */
#include "resolver/iterate/qmin.h"

unsigned qmin_next(unsigned labels, unsigned minimised_labels, unsigned step,
                   unsigned steps_max)
{
    unsigned left = labels - minimised_labels;

    if (labels <= minimised_labels || step >= steps_max)
        return labels;
    if (step < QMIN_ONE_LABEL_STEPS)
        return minimised_labels + 1;
    unsigned steps_left = steps_max - step;
    return minimised_labels + (left + steps_left - 1) / steps_left;
}
