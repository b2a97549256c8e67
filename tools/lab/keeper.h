/* tools/lab/keeper.h | the process that keeps a laboratory: makes it, watches it, ends it
 *
 * Thread:   the only one.
 */
#pragma once

#include "tools/lab/defence.h"
#include "tools/lab/site.h"
#include "tools/lab/space.h"

/* What `rootline lab up` asks for. */
struct keeper_conf {
    const char *name;
    const char *era; /* NULL: none was named */
    enum site_resolver resolver;
    struct defence_set off;
};

/* Make a laboratory and leave its keeper running.  Return when it is ready; false: the fault.
 */
MUST_USE bool keeper_start(const struct keeper_conf *conf, struct fault *fault);
