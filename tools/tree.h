/* tools/tree.h | an explanation for people: a tree, or a drawing
 *
 * Thread:   the only one.
 */
#pragma once

#include "base/json.h"
#include "tools/terminal.h"

/* Print the story (docs/EXPLAIN.md) as a tree with its cause below. */
void tree_print(struct terminal *terminal, const struct json *tree);

/* The same as a graph for dot(1). */
void tree_print_dot(FILE *out, const struct json *tree);
