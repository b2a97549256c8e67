/* A hash table has every allocation with the code that made it, so that a leak is reported with
 * its run and its origin.  Addresses are stored inverted: otherwise LeakSanitizer would find
 * them in the table and report no leak. */
#include "tests/unit/starve.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/util.h"

enum { SLOTS = 1 << 19, ALL_LATER = 40 };

/* ---- allocations in use ---- */

struct slot {
    uintptr_t inverted; /* 0: free */
    size_t size;
    unsigned number; /* of the allocation in its run; 0: not counted */
    void *caller;
};

static struct slot slots[SLOTS];
static size_t used;
static bool is_tracking;

static size_t hash_slot(uintptr_t inverted)
{
    return (inverted >> 4) * 0x9e3779b97f4a7c15u >> 45;
}

static struct slot *find_slot(const void *at)
{
    uintptr_t inverted = ~(uintptr_t)at;
    size_t i = hash_slot(inverted);
    while (slots[i].inverted && slots[i].inverted != inverted)
        i = (i + 1) % SLOTS;
    return &slots[i];
}

static void remove_allocation(const void *at)
{
    struct slot *hole = at ? find_slot(at) : NULL;
    if (!hole || !hole->inverted)
        return;
    used--;
    for (size_t i = (size_t)(hole - slots);;) {
        i = (i + 1) % SLOTS;
        if (!slots[i].inverted)
            break;
        size_t home = hash_slot(slots[i].inverted), at_hole = (size_t)(hole - slots);
        if ((i - home) % SLOTS >= (i - at_hole) % SLOTS) {
            *hole = slots[i];
            hole = &slots[i];
        }
    }
    hole->inverted = 0;
}

static void add_allocation(const void *at, size_t size, unsigned number, void *caller)
{
    if (!at || !is_tracking)
        return;
    must(used < SLOTS / 2);
    struct slot *s = find_slot(at);
    used += !s->inverted;
    *s = (struct slot){~(uintptr_t)at, size, number, caller};
}

/* ---- the run ---- */

static struct {
    const char *name;
    bool is_on; /* between starve_begin and starve_end */
    unsigned paused;
    bool is_openssl; /* OpenSSL's allocations are counted too */
    unsigned cnt;    /* allocations of this run so far */
    unsigned first;  /* number of the allocation that fails; 0: none */
    bool is_all;     /* and all later ones */
    bool has_failed;
    void *caller; /* of the first failure */
} now;

static const volatile bool no_exemption;
static const volatile bool *is_exempt = &no_exemption;

/* Count an allocation and return its number, 0 if it is exempt.  *fails: it must fail. */
static unsigned count_allocation(bool *fails, void *caller)
{
    *fails = false;
    if (!now.is_on || now.paused || *is_exempt)
        return 0;
    now.cnt++;
    *fails = now.first && (now.is_all ? now.cnt >= now.first : now.cnt == now.first);
    if (*fails && !now.has_failed) {
        now.has_failed = true;
        now.caller = caller;
    }
    return now.cnt;
}

#define CALLER __builtin_return_address(0)

void *__real_malloc(size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void __real_free(void *at);
FILE *__real_open_memstream(char **at, size_t *size);
FILE *__real_fmemopen(void *at, size_t size, const char *mode);
void *__real_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t cnt, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t cnt, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
int __wrap_posix_memalign(void **out, size_t align, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);
void __wrap_free(void *at);
FILE *__wrap_open_memstream(char **at, size_t *size);
FILE *__wrap_fmemopen(void *at, size_t size, const char *mode);
void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset);

static void *allocate(size_t size, size_t align, void *caller)
{
    bool fails;
    unsigned number = count_allocation(&fails, caller);

    if (fails) {
        errno = ENOMEM;
        return NULL;
    }
    void *at = align ? __real_aligned_alloc(align, size) : __real_malloc(size);
    add_allocation(at, size, number, caller);
    return at;
}

static void *allocate_again(void *old, size_t size, void *caller)
{
    bool fails;

    if (!old)
        return allocate(size, 0, caller);
    unsigned number = count_allocation(&fails, caller);
    if (fails) {
        errno = ENOMEM;
        return NULL;
    }
    bool is_tracked = find_slot(old)->inverted != 0;
    remove_allocation(old);
    void *at = __real_realloc(old, size);
    if (is_tracked)
        add_allocation(at, size, number, caller);
    return at;
}

static void *copy_text(const char *text, size_t len, void *caller)
{
    char *at = allocate(len + 1, 0, caller);
    if (at) {
        memcpy(at, text, len);
        at[len] = '\0';
    }
    return at;
}

void *__wrap_malloc(size_t size) { return allocate(size, 0, CALLER); }
void *__wrap_aligned_alloc(size_t align, size_t size) { return allocate(size, align, CALLER); }
void *__wrap_realloc(void *old, size_t size) { return allocate_again(old, size, CALLER); }
char *__wrap_strdup(const char *text) { return copy_text(text, strlen(text), CALLER); }
char *__wrap_strndup(const char *text, size_t size)
{
    return copy_text(text, strnlen(text, size), CALLER);
}

void *__wrap_calloc(size_t cnt, size_t size)
{
    size_t all;
    void *at = __builtin_mul_overflow(cnt, size, &all) ? NULL : allocate(all, 0, CALLER);
    return at ? memset(at, 0, all) : NULL;
}

void *__wrap_reallocarray(void *old, size_t cnt, size_t size)
{
    size_t all;
    return __builtin_mul_overflow(cnt, size, &all) ? NULL : allocate_again(old, all, CALLER);
}

int __wrap_posix_memalign(void **out, size_t align, size_t size)
{
    void *at = allocate(size, align, CALLER);
    if (!at)
        return ENOMEM;
    *out = at;
    return 0;
}

void __wrap_free(void *at)
{
    remove_allocation(at);
    __real_free(at);
}

FILE *__wrap_open_memstream(char **at, size_t *size)
{
    bool fails;
    (void)count_allocation(&fails, CALLER);
    return fails ? NULL : __real_open_memstream(at, size);
}

FILE *__wrap_fmemopen(void *at, size_t size, const char *mode)
{
    bool fails;
    (void)count_allocation(&fails, CALLER);
    return fails ? NULL : __real_fmemopen(at, size, mode);
}

void *__wrap_mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
    bool fails;
    (void)count_allocation(&fails, CALLER);
    if (fails)
        errno = ENOMEM;
    return fails ? MAP_FAILED : __real_mmap(at, len, prot, flags, fd, offset);
}

/* ---- OpenSSL ---- */

static void *allocate_openssl(size_t size, const char *file, int line)
{
    bool fails = false;
    (void)file;
    (void)line;
    if (now.is_openssl)
        (void)count_allocation(&fails, CALLER);
    return fails ? NULL : __real_malloc(size);
}

static void *allocate_openssl_again(void *old, size_t size, const char *file, int line)
{
    bool fails = false;
    (void)file;
    (void)line;
    if (now.is_openssl)
        (void)count_allocation(&fails, CALLER);
    return fails ? NULL : __real_realloc(old, size);
}

static void free_openssl(void *at, const char *file, int line)
{
    (void)file;
    (void)line;
    __real_free(at);
}

void starve_openssl(bool is_starved) { now.is_openssl = is_starved; }

void starve_init(void)
{
    must(CRYPTO_set_mem_functions(allocate_openssl, allocate_openssl_again, free_openssl) == 1);
}

/* ---- runs ---- */

void __sanitizer_symbolize_pc(void *pc, const char *format, char *out, size_t size)
    __attribute__((weak));
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));
void __sanitizer_print_stack_trace(void) __attribute__((weak));

/* UBSan must abort, because its own exit calls no handler of ours. */
const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void) { return "abort_on_error=1:print_stacktrace=1"; }

static void print_code(const char *what, void *code)
{
    char text[400] = "";
    if (__sanitizer_symbolize_pc && code)
        __sanitizer_symbolize_pc((char *)code - 1, "%f %s:%l", text, sizeof(text));
    fprintf(stderr, "    %s %p %s\n", what, code, text);
}

static void print_run(void)
{
    fprintf(stderr, "%s: allocation %u%s of the scenario failed (ROOTLINE_OOM=%u repeats it)\n",
            now.name, now.first, now.is_all ? " and all later ones" : "", now.first);
    print_code("failed at", now.caller);
}

static void on_signal(int number)
{
    print_run();
    if (__sanitizer_print_stack_trace)
        __sanitizer_print_stack_trace();
    signal(number, SIG_DFL);
    raise(number);
}

void starve_begin(void) { now.is_on = true; }

void starve_end(void) { now.is_on = false; }
void starve_pause(void) { now.paused++; }
void starve_resume(void) { now.paused--; }
bool starve_has_failed(void) { return now.has_failed; }
void starve_spare(const volatile bool *flag) { is_exempt = flag; }

static void check_leaks(void)
{
    if (used == 0)
        return;
    print_run();
    size_t shown = 0;
    for (size_t i = 0; i < SLOTS && shown < 10; i++)
        if (slots[i].inverted) {
            fprintf(stderr, "    leak: %zu bytes of allocation %u", slots[i].size,
                    slots[i].number);
            print_code("at", slots[i].caller);
            shown++;
        }
    abort();
}

static void run_once(starve_scenario *scenario, unsigned first, bool is_all)
{
    now.first = first;
    now.is_all = is_all;
    now.cnt = 0;
    now.has_failed = false;
    now.caller = NULL;
    is_tracking = true;
    scenario();
    is_tracking = false;
    must(!now.is_on && !now.paused);
    check_leaks();
}

int starve_teardown(void **state)
{
    (void)state;
    if (is_tracking) /* an assertion has ended the run */
        print_run();
    return 0;
}

void starve_each(const char *name, starve_scenario *scenario)
{
    const char *wanted = getenv("ROOTLINE_OOM");
    bool is_full = wanted && strcmp(wanted, "all") == 0;
    unsigned only = wanted && !is_full ? (unsigned)atoi(wanted) : 0;

    now.name = name;
    signal(SIGABRT, on_signal);
    signal(SIGSEGV, on_signal); /* cmocka's handler prints less */
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(print_run);
    now.first = 0; /* a run that is not counted, for allocations made once per process */
    scenario();
    run_once(scenario, 0, false);
    unsigned cnt = now.cnt, runs = 0;
    unsigned stride = is_full || cnt <= STARVE_MOST ? 1 : cnt / STARVE_SAMPLE;
    const char *seed = getenv("ROOTLINE_SEED");
    unsigned begin = 1 + (seed ? (unsigned)atoi(seed) : 0) % stride;
    for (unsigned k = only ? only : begin; k <= cnt && (!only || k == only);
         k += stride, runs++)
        run_once(scenario, k, false);
    unsigned later = cnt > ALL_LATER ? cnt / ALL_LATER : 1;
    for (unsigned k = only ? only : 1; k <= cnt && (!only || k == only); k += later, runs++)
        run_once(scenario, k, true);
    printf("%s: %u allocations, %u runs\n", name, cnt, runs);
    must(cnt > 0);
}
