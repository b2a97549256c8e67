/* The first steps add one label each, for most cuts are there; the rest shares out what is left
 * of a long name, so that no name costs more than steps_max questions. */
#include "resolver/iterate/qmin.h"

unsigned qmin_next(unsigned labels, unsigned shown, unsigned step, unsigned steps_max)
{
    unsigned left = labels - shown;

    if (labels <= shown || step >= steps_max)
        return labels;
    if (step < QMIN_ONE_LABEL_STEPS)
        return shown + 1;
    unsigned steps_left = steps_max - step;
    return shown + (left + steps_left - 1) / steps_left;
}
