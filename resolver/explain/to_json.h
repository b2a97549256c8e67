/* resolver/explain/to_json.h | the JSON format of names, types, addresses and times
 *
 * Thread:   one at a time.
 */
#pragma once

#include "base/addr.h"
#include "base/json.h"

/* Put a name into an object under `key`, with its final dot.  `to` may be NULL in each of these
 * functions: then they do nothing. */
void to_json_name(struct json *to, const char *key, const uint8_t *name);

/* Put the mnemonic of a type. */
void to_json_type(struct json *to, const char *key, uint16_t type);

/* Put an address as "ADDR@PORT". */
void to_json_addr(struct json *to, const char *key, const struct addr *addr);

/* Put a time in the format of RFC 3339.  `ms`: wall clock, in milliseconds. */
void to_json_time(struct json *to, const char *key, int64_t ms);

/* Return "question", "answer", "authority" or "additional" for an enum message_section. */
const char *to_json_section(unsigned section);
