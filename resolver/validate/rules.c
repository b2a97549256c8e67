/* Failures have an allowance of their own: an honest zone has none, and an attacker needs them
 * (CVE-2023-50387). */
#include "resolver/validate/rules.h"

#include "dns/dnskey.h"
#include "dns/nsec3.h"

enum { SHA1_BLOCK = 64, SHA1_PADDING = 9 }; /* octets */

struct rules rules_defaults(uint32_t now_s)
{
    return (struct rules){
        .now_s = now_s, .skew_s = RULES_SKEW_S, .iterations_max = RULES_ITERATIONS_MAX};
}

bool rules_has_algorithm(const struct rules *rules, uint8_t algorithm)
{
    switch (algorithm) {
    case DNSKEY_RSASHA1:
    case DNSKEY_RSASHA1_NSEC3: return rules->accepts_sha1;
    case DNSKEY_RSASHA256:
    case DNSKEY_RSASHA512:
    case DNSKEY_ECDSAP256:
    case DNSKEY_ECDSAP384:
    case DNSKEY_ED25519:
    case DNSKEY_ED448: return true;
    default: return false;
    }
}

struct rules_work rules_work_defaults(void)
{
    return (struct rules_work){.verifications_left = RULES_VERIFICATIONS,
                               .failures_left = RULES_FAILURES,
                               .hashes_left = RULES_HASHES};
}

struct rules_work rules_work_unlimited(void)
{
    return (struct rules_work){.verifications_left = UINT16_MAX,
                               .failures_left = UINT16_MAX,
                               .hashes_left = UINT16_MAX};
}

struct rules_work rules_work_of_query(void)
{
    return (struct rules_work){.verifications_left = RULES_QUERY_VERIFICATIONS,
                               .failures_left = RULES_QUERY_FAILURES,
                               .hashes_left = RULES_QUERY_HASHES};
}

struct rules_work rules_work_least(const struct rules_work *task,
                                   const struct rules_work *query)
{
    return (struct rules_work){
        .verifications_left =
            (uint16_t)util_min(task->verifications_left, query->verifications_left),
        .failures_left = (uint16_t)util_min(task->failures_left, query->failures_left),
        .hashes_left = (uint16_t)util_min(task->hashes_left, query->hashes_left)};
}

static uint16_t take_spent(uint16_t left, uint16_t before, uint16_t after)
{
    unsigned spent = before - (unsigned)after;
    return (uint16_t)(left - util_min(left, spent));
}

void rules_work_take(struct rules_work *work, const struct rules_work *before,
                     const struct rules_work *after)
{
    work->verifications_left = take_spent(work->verifications_left, before->verifications_left,
                                          after->verifications_left);
    work->failures_left =
        take_spent(work->failures_left, before->failures_left, after->failures_left);
    work->hashes_left = take_spent(work->hashes_left, before->hashes_left, after->hashes_left);
}

/* OpenSSL takes eight times as long for P-384 as for P-256, and three times for Ed448. */
static uint16_t time_verification(uint8_t algorithm)
{
    return algorithm == DNSKEY_ECDSAP384 ? RULES_SLICE
           : algorithm == DNSKEY_ED448   ? RULES_SLICE / 2
                                         : 1;
}

/* Less than in proportion to the time, because honest zones have such keys too: a denial by
 * NSEC3 costs one of P-384 half of what a task may spend. */
static uint16_t price_verification(uint8_t algorithm)
{
    return algorithm == DNSKEY_ECDSAP384 ? 2 : 1;
}

/* Return the blocks of SHA-1 per iteration: those that hash the last hash, the salt and the
 * padding (RFC 5155 5).  Salts of honest zones are short (RFC 9276 3.1). */
static uint16_t price_hash(uint8_t salt_len)
{
    return (uint16_t)((NSEC3_HASH_LEN + salt_len + SHA1_PADDING + SHA1_BLOCK - 1) / SHA1_BLOCK);
}

bool rules_spend_verification(struct rules_work *work, uint8_t algorithm)
{
    uint16_t price = price_verification(algorithm);

    if (work->verifications_left < price || work->failures_left == 0)
        return false;
    work->verifications_left = (uint16_t)(work->verifications_left - price);
    work->verified++;
    work->verified_time = (uint16_t)(work->verified_time + time_verification(algorithm));
    return true;
}

bool rules_spend_hash(struct rules_work *work, uint8_t salt_len)
{
    uint16_t price = price_hash(salt_len);

    if (work->hashes_left < price)
        return false;
    work->hashes_left = (uint16_t)(work->hashes_left - price);
    work->hashed++;
    return true;
}

void rules_renew_failures(struct rules_work *task)
{
    if (task->failures_left < RULES_FAILURES) /* an unlimited allowance has more */
        task->failures_left = RULES_FAILURES;
}

void rules_count_failure(struct rules_work *work)
{
    if (work->failures_left > 0)
        work->failures_left--;
}
