/* `rootline explain` and `rootline cache show` print the same facts in different layouts. */
#include "tools/trust_chain.h"

#include "resolver/iterate/wording.h"
#include "resolver/validate/deny.h"
#include "tools/cmd.h"

void trust_chain_print_key(const struct json *key, char out[TERMINAL_TEXT_MAX])
{
    const char *digest = cmd_text(key, "digest-type");

    snprintf(out, TERMINAL_TEXT_MAX, "%s %lld (%s%s%s%s%s)", cmd_text(key, "type"),
             (long long)json_get_number(key, "tag", 0), cmd_text(key, "algorithm"),
             *digest ? ", " : "", digest,
             json_get_bool(key, "entry-point", false) ? ", entry point" : "",
             json_get_bool(key, "revoked", false) ? ", revoked" : "");
}

void trust_chain_print_signature(const struct json *signature, char out[TERMINAL_TEXT_MAX])
{
    const char *from = cmd_text(signature, "inception"),
               *until = cmd_text(signature, "expiration");

    snprintf(out, TERMINAL_TEXT_MAX,
             "signed by key %lld (%s) of %s, valid from %.10s %.8s to %.10s %.8s UTC",
             (long long)json_get_number(signature, "tag", 0), cmd_text(signature, "algorithm"),
             cmd_text(signature, "signer"), from, strlen(from) > 11 ? from + 11 : "", until,
             strlen(until) > 11 ? until + 11 : "");
}

/* Append the types at the owner of a proof record. */
static void append_types(const struct json *proof, char out[TERMINAL_TEXT_MAX])
{
    const struct json *types = json_find(proof, "types");
    size_t len = strlen(out);

    for (size_t i = 0; i < json_count(types) && len < TERMINAL_TEXT_MAX; i++)
        len += (size_t)snprintf(out + len, TERMINAL_TEXT_MAX - len, "%s%s",
                                i ? " " : ", which has ", json_text(json_at(types, i)));
}

bool trust_chain_print_proof(const struct json *proof, size_t index,
                             char out[TERMINAL_TEXT_MAX])
{
    const struct json *steps = json_find(proof, "steps"), *step = json_at(steps, index);
    const char *type = cmd_text(proof, "type"), *act = cmd_text(step, "act");
    bool is_match = strcmp(act, wording_id(&wording_acts, DENY_MATCHES)) == 0,
         is_nsec = strcmp(type, "NSEC") == 0;

    size_t len =
        (size_t)snprintf(out, TERMINAL_TEXT_MAX, "%s %s", type, cmd_text(proof, "owner"));
    if (is_nsec && !is_match)
        len += (size_t)snprintf(out + len, TERMINAL_TEXT_MAX - len, " to %s",
                                cmd_text(proof, "next"));
    if (step)
        snprintf(out + len, TERMINAL_TEXT_MAX - len, " %s %s %s%s",
                 wording_text_of(&wording_acts, act),
                 wording_text_of(&wording_subjects, cmd_text(step, "subject")),
                 cmd_text(step, "name"),
                 !is_match && json_get_bool(proof, "opt-out", false) ? " (opt-out)" : "");
    if (is_match || !step)
        append_types(proof, out);
    return step || (index == 0 && json_count(steps) == 0);
}

enum terminal_colour trust_chain_colour(const char *state)
{
    if (strcmp(state, verdict_status_name(VERDICT_SECURE)) == 0)
        return TERMINAL_GREEN;
    return strcmp(state, verdict_status_name(VERDICT_BOGUS)) == 0 ? TERMINAL_RED
                                                                  : TERMINAL_YELLOW;
}
