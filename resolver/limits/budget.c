/* The part that runs out first is kept: it is the failure in the EDE of the answer. */
#include "resolver/limits/budget.h"

/* Units of scrub's work; about four times what the densest reply takes per octet. */
struct budget_limits budget_defaults(void)
{
    return (struct budget_limits){
#define LIMIT(field, key, type, preset, ...) .field = (preset),
#include "resolver/limits/limits.def"
    };
}

struct budget *budget_new(const struct budget_limits *limits, uint64_t now_ms)
{
    struct budget *budget = malloc(sizeof(*budget));
    if (budget)
        *budget = (struct budget){
            .ref_cnt = 1,
            .queries_left = limits->queries,
            .bytes_left = limits->bytes,
            .lookups_left = limits->lookups,
            .work_left =
                (uint32_t)util_min((uint64_t)limits->bytes * BUDGET_WORK_PER_OCTET, UINT32_MAX),
            .validation =
                limits->validates_unlimited ? rules_work_unlimited() : rules_work_of_query(),
            .validates_unlimited = limits->validates_unlimited,
            .expire_ms = now_ms + limits->time_ms};
    return budget;
}

struct budget *budget_ref(struct budget *budget)
{
    budget->ref_cnt++;
    return budget;
}

void budget_unref(struct budget **budget)
{
    if (*budget && --(*budget)->ref_cnt == 0)
        free(*budget);
    *budget = NULL;
}

bool budget_is_left(struct budget *budget, uint64_t now_ms)
{
    if (!budget->spent && now_ms >= budget->expire_ms)
        budget->spent = FAILURE_TIME;
    return !budget->spent;
}

bool budget_spend_query(struct budget *budget, uint64_t now_ms)
{
    if (!budget->spent && budget->queries_left == 0)
        budget->spent = FAILURE_QUERIES;
    if (!budget_is_left(budget, now_ms))
        return false;
    budget->queries_left--;
    return true;
}

/* Running out of lookups does not end the query: some servers may have known addresses. */
bool budget_spend_lookup(struct budget *budget)
{
    if (budget->lookups_left == 0)
        return false;
    budget->lookups_left--;
    return true;
}

bool budget_spend_bytes(struct budget *budget, size_t bytes)
{
    if (!budget->spent && budget->bytes_left == 0)
        budget->spent = FAILURE_BYTES;
    if (budget->spent)
        return false;
    budget->bytes_left -= (uint32_t)util_min(bytes, budget->bytes_left);
    return true;
}

bool budget_spend_work(struct budget *budget, unsigned work)
{
    if (!budget->spent && budget->work_left == 0)
        budget->spent = FAILURE_WORK;
    if (budget->spent)
        return false;
    budget->work_left -= (uint32_t)util_min(work, budget->work_left);
    return true;
}
