/* tools/trust_chain.h | sentences about keys, signatures and proofs in the JSON of the resolver
 *
 * Owner:    the caller owns `out`.
 * Thread:   the only one.
 */
#pragma once

#include "base/json.h"
#include "tools/terminal.h"

/* Print a DS or DNSKEY record: "DS 147 (ECDSAP256SHA256, SHA-256)". */
void trust_chain_print_key(const struct json *key, char out[TERMINAL_TEXT_MAX]);

/* Print a signature: its key and its times. */
void trust_chain_print_signature(const struct json *signature, char out[TERMINAL_TEXT_MAX]);

/* Print what step `index` of a proof record says: "NSEC a.example. covers the name b.example.".
 * A record without steps has one line.  Return false beyond the last line. */
bool trust_chain_print_proof(const struct json *proof, size_t index,
                             char out[TERMINAL_TEXT_MAX]);

/* Return the colour of a security state or of the status of a verdict. */
enum terminal_colour trust_chain_colour(const char *state);
