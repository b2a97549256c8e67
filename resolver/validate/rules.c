/* Failures have an allowance of their own: an honest zone has none, and an attacker needs them
 * (CVE-2023-50387). */
#include "resolver/validate/rules.h"

#include "dns/dnskey.h"

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

void rules_work_take(struct rules_work *work, const struct rules_work *before,
                     const struct rules_work *after)
{
    work->verifications_left =
        (uint16_t)(work->verifications_left - before->verifications_left +
                   after->verifications_left);
    work->failures_left =
        (uint16_t)(work->failures_left - before->failures_left + after->failures_left);
    work->hashes_left =
        (uint16_t)(work->hashes_left - before->hashes_left + after->hashes_left);
}

bool rules_spend_verification(struct rules_work *work)
{
    if (work->verifications_left == 0 || work->failures_left == 0)
        return false;
    work->verifications_left--;
    return true;
}

bool rules_spend_hash(struct rules_work *work)
{
    if (work->hashes_left == 0)
        return false;
    work->hashes_left--;
    return true;
}

void rules_count_failure(struct rules_work *work)
{
    if (work->failures_left > 0)
        work->failures_left--;
}
