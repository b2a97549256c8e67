/* resolver/explain/to_json.h | names, types, addresses and times as JSON has them
 *
 * Thread:   one at a time.
 */
#pragma once

#include "base/addr.h"
#include "base/json.h"

/* Put one under a key of an object. */
void to_json_name(struct json *to, const char *key, const uint8_t *name);
void to_json_type(struct json *to, const char *key, uint16_t type);
void to_json_addr(struct json *to, const char *key, const struct addr *addr);
void to_json_time(struct json *to, const char *key, int64_t ms);

/* "answer" and so on for an enum message_section. */
const char *to_json_section(unsigned section);
