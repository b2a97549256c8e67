/* tools/tree.h | a resolution tree as text or as a graph
 *
 * Thread:   the only one.
 */
#pragma once

#include "base/json.h"
#include "tools/terminal.h"

/* Print the resolution tree (docs/EXPLAIN.md) with its cause below. */
void tree_print(struct terminal *terminal, const struct json *tree);

/* The same as a graph for dot(1). */
void tree_print_dot(FILE *out, const struct json *tree);
