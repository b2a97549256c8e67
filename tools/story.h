/* tools/story.h | an explanation for people: a tree, or a drawing
 *
 * Thread:   the only one.
 */
#pragma once

#include "base/json.h"
#include "tools/paper.h"

/* Print the story (docs/EXPLAIN.md) as a tree with its cause below. */
void story_print(struct paper *paper, const struct json *story);

/* The same as a graph for dot(1). */
void story_print_dot(FILE *out, const struct json *story);
