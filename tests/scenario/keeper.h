/* The trust anchors of a scenario that follow their zone (RFC 5011): resolver/anchors keeps
 * them in a temporary folder, and what it keeps is compared with the scenario. */
#pragma once

#include <limits.h>

#include "resolver/anchors.h"
#include "tests/scenario/rpl.h"
#include "tests/scenario/stage.h"

enum { KEEPER_VARIABLES = 20, KEEPER_NAME_MAX = 16 };

/* Lifetime: the play. */
struct keeper {
    struct stage *stage;
    struct anchors *anchors; /* NULL: the scenario has no anchors that follow their zone */
    char folder[PATH_MAX];
    struct keeper_variable {
        char name[KEEPER_NAME_MAX];
        int64_t value;
    } variables[KEEPER_VARIABLES];
    size_t variable_cnt;
    bool has_new_trust; /* other keys are trusted */
};

/* Add the anchors of the scenario to the policy, before it is sealed and the stage is opened.
 */
void keeper_configure(struct keeper *keeper, struct stage *stage, const struct rpl *rpl);

/* Begin, on the open stage. */
void keeper_open(struct keeper *keeper);

/* Send the query for the keys, if it is due. */
void keeper_tick(struct keeper *keeper);

/* Take the keys that are trusted now if they are others, as the daemon does. */
void keeper_reload(struct keeper *keeper);

/* Set a variable to the value of an expression. */
void keeper_assign(struct keeper *keeper, const char *name, const char *expression);

/* Return the value of an expression: a sum of products of numbers and variables; the time in
 * seconds; of a range that the time to the next query is in, its upper end. */
int64_t keeper_evaluate(const struct keeper *keeper, const char *expression);

/* Compare the keys, their states and since when they have them.  False: `fault` has a
 * difference. */
bool keeper_check(const struct keeper *keeper, const struct rpl_anchor *wanted,
                  struct fault *fault);

/* Remove the folder. */
void keeper_close(struct keeper *keeper);
