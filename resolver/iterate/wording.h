/* resolver/iterate/wording.h | identifiers and texts for the enumerations of a resolution
 *
 * One list per enumeration, one row per value.  JSON has the identifiers, which never change.
 * The texts are for people: in terminal output, the log and EDE options.  No code compares a
 * text.
 *
 * Thread:   any.
 */
#pragma once

#include "resolver/iterate/trace.h"

enum { WORDING_TEXT_MAX = 200 };

struct wording {
    const char *id, *text;
};

struct wording_list {
    const struct wording *rows;
    size_t cnt;
};

extern const struct wording_list wording_notes;      /* enum trace_note */
extern const struct wording_list wording_purposes;   /* enum trace_purpose */
extern const struct wording_list wording_transports; /* enum trace_transport */
extern const struct wording_list wording_silences;   /* enum trace_silence */
extern const struct wording_list wording_replies;    /* enum classify_kind */
extern const struct wording_list wording_rejections; /* enum rejected_reason */
extern const struct wording_list wording_lessons;    /* the same: what a forger had to guess */
extern const struct wording_list wording_omissions;  /* enum scrub_omission */
extern const struct wording_list wording_picks;      /* enum pick_reason */
extern const struct wording_list wording_sources;    /* enum delegation_source */
extern const struct wording_list wording_endings;    /* enum trace_ending */
extern const struct wording_list wording_outcomes;   /* enum trace_outcome */
extern const struct wording_list wording_cached;     /* enum trace_cached */
extern const struct wording_list wording_local;      /* enum local_kind */
extern const struct wording_list wording_ranks;      /* enum cache_rank */
extern const struct wording_list wording_security;   /* enum cache_security */
extern const struct wording_list wording_acts;       /* enum deny_act */
extern const struct wording_list wording_subjects;   /* enum deny_subject */

/* Return the identifier of a value.  Caller must pass a value of the list's enumeration. */
const char *wording_id(const struct wording_list *list, unsigned value);

/* Return the text of a value.  Caller must pass a value of the list's enumeration. */
const char *wording_text(const struct wording_list *list, unsigned value);

/* Return the text for an identifier, or `id` itself if the list does not have it. */
const char *wording_text_of(const struct wording_list *list, const char *id);

/* Write the result of an attempt, as a predicate of the server: "timed out", "said SERVFAIL".
 * Return `out`. */
const char *wording_attempt(const struct trace_attempt *attempt, char out[WORDING_TEXT_MAX]);

/* Write the EDE text for a name that could not be resolved, in one line: the failure, then per
 * zone the servers and their last results.  If no server was asked, write the zone and its
 * servers instead.  What does not fit is truncated. */
void wording_failure(const struct trace_attempts *attempts, const uint8_t *name,
                     const struct delegation *delegation, enum failure failure,
                     char out[WORDING_TEXT_MAX]);
