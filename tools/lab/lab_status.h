/* tools/lab/lab_status.h | the drawing of a laboratory
 *
 * Thread:   the only one.
 */
#pragma once

#include "base/json.h"

/* Print the network, its links and what runs, from the keeper's status. */
void lab_status_print(const struct json *status);
