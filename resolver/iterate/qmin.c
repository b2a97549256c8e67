/* The first steps add one label each, for most cuts are there; the rest shares out what is left
 * of a long name, so that no name costs more than steps_max questions. */
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
