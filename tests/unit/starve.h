/* Each allocation of a scenario fails once.
 *
 * The program is linked with --wrap for the calls that allocate, and with the static archives
 * of the libraries where they are installed, so that their allocations fail too.  A scenario is
 * run once to count its allocations, then once per allocation; after each run nothing that it
 * allocated may be left.
 *
 * Thread:   one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* One run: prepare, starve_begin, the calls under test, starve_end, look at the result, clean
 * up. */
typedef void starve_scenario(void);

/* Run it with the k-th allocation failing, for each k, and with all from the k-th on failing,
 * for some.  More than STARVE_MOST allocations are sampled, from the one that ROOTLINE_SEED
 * chooses on, unless ROOTLINE_OOM is "all"; ROOTLINE_OOM=K runs k = K alone. */
void starve_each(const char *name, starve_scenario *scenario);

/* For cmocka, after each test: says which run failed. */
int starve_teardown(void **state);

/* From here on allocations count, and fail; a run may do it more than once. */
void starve_begin(void);
void starve_end(void);

/* Allocations in between are the test's own: neither counted nor failing.  They nest. */
void starve_pause(void);
void starve_resume(void);

/* True if an allocation of this run has failed. */
bool starve_has_failed(void);

/* `spared`: allocations do not fail while it is true. */
void starve_spare(const volatile bool *spared);

/* Let OpenSSL allocate here; before its first use. */
void starve_init(void);

/* Whether OpenSSL's allocations count and fail too.  What it keeps for the process is not taken
 * for a leak. */
void starve_openssl(bool is_starved);

enum { STARVE_MOST = 700, STARVE_SAMPLE = 250 };
