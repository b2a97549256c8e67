/* A library for LD_PRELOAD that counts the signatures that a resolver verifies, with the CPU
 * time that this takes, so that each resolver is counted in the same way.
 *
 * BENCH_VERIFIED is the path of a file with two native 64-bit numbers, to which the library
 * adds: verifications, and nanoseconds.  unbound and rootline-resolver call OpenSSL, kresd
 * calls GnuTLS. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

struct verified_counts {
    uint64_t verifications, ns;
};

static struct verified_counts *verified_counts;

__attribute__((constructor)) static void map_verified_counts(void)
{
    const char *path = getenv("BENCH_VERIFIED");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

    if (fd < 0)
        return;
    void *at = mmap(NULL, sizeof(*verified_counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    verified_counts = at == MAP_FAILED ? NULL : at;
}

static uint64_t read_thread_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static int count_verification(int result, uint64_t begin_ns)
{
    if (verified_counts) {
        __atomic_fetch_add(&verified_counts->verifications, 1, __ATOMIC_RELAXED);
        __atomic_fetch_add(&verified_counts->ns, read_thread_ns() - begin_ns, __ATOMIC_RELAXED);
    }
    return result;
}

int EVP_DigestVerify(void *context, const unsigned char *signature, size_t signature_len,
                     const unsigned char *octets, size_t len);
int EVP_DigestVerify(void *context, const unsigned char *signature, size_t signature_len,
                     const unsigned char *octets, size_t len)
{
    static int (*call)(void *, const unsigned char *, size_t, const unsigned char *, size_t);

    if (!call)
        call = dlsym(RTLD_NEXT, "EVP_DigestVerify");
    uint64_t begin_ns = read_thread_ns();
    return count_verification(call(context, signature, signature_len, octets, len), begin_ns);
}

int gnutls_pubkey_verify_data2(void *key, int algorithm, unsigned flags, const void *octets,
                               const void *signature);
int gnutls_pubkey_verify_data2(void *key, int algorithm, unsigned flags, const void *octets,
                               const void *signature)
{
    static int (*call)(void *, int, unsigned, const void *, const void *);

    if (!call)
        call = dlsym(RTLD_NEXT, "gnutls_pubkey_verify_data2");
    uint64_t begin_ns = read_thread_ns();
    return count_verification(call(key, algorithm, flags, octets, signature), begin_ns);
}
