/* tests/unit/starve.h | runs a scenario again and again, failing another allocation each time
 *
 * The program is linked with --wrap for the functions that allocate, and with the static
 * archives of the libraries if they are installed, so that their allocations fail too.  A first
 * run counts the allocations of a scenario; then each allocation fails in a run of its own.
 * After each run everything that the scenario allocated must have been freed.
 *
 * Thread:   one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* A run: prepare, starve_begin, the calls under test, starve_end, check the result,
 * clean up. */
typedef void starve_scenario(void);

/* Run the scenario once for each k with allocation k failing, and for some k with all
 * allocations from k on failing.  Of more than STARVE_MOST allocations about STARVE_SAMPLE are
 * chosen by ROOTLINE_SEED, unless ROOTLINE_OOM is "all".  ROOTLINE_OOM=K runs k = K only. */
void starve_each(const char *name, starve_scenario *scenario);

/* A cmocka teardown that prints which run an assertion failed in. */
int starve_teardown(void **state);

/* Begin and end a part of a run in which allocations are counted and fail.  A run may have
 * several parts. */
void starve_begin(void);
void starve_end(void);

/* Exempt allocations of the test itself: between these calls they are neither counted nor
 * failing.  The calls nest. */
void starve_pause(void);
void starve_resume(void);

/* Return true if an allocation of this run has failed. */
bool starve_has_failed(void);

/* Exempt allocations while *is_exempt is true.  The flag must outlive the runs. */
void starve_spare(const volatile bool *is_exempt);

/* Route OpenSSL's allocations here.  Call it before the first use of OpenSSL. */
void starve_init(void);

/* Choose whether OpenSSL's allocations are counted and fail too.  They are never reported as
 * leaks, because OpenSSL keeps some for the process. */
void starve_openssl(bool is_starved);

enum { STARVE_MOST = 700, STARVE_SAMPLE = 250 };
