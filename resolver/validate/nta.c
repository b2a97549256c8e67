/* There are few negative anchors, so they are a list. */
#include "resolver/validate/nta.h"

#include "base/now.h"

/* Read "NAME" or "NAME until TIME" into *nta. */
static enum err read_nta(const char *text, struct nta *nta, struct fault *fault)
{
    static const char until[] = " until ";
    static const uint8_t root[] = {0};
    size_t name_len = strcspn(text, " \t"), len;
    const char *rest = text + name_len;
    uint8_t name[DNAME_MAX];

    enum err err = dname_text_read(text, name_len, root, name, &len, fault, NULL);
    if (err)
        return fault_set(fault, ERR_CONFIG, "\"%.*s\" is not a domain name: %s",
                         (int)util_min(name_len, 255), text, fault->text);
    dname_lower(name, nta->name);
    nta->until_ms = INT64_MAX;
    if (!*rest)
        return ERR_OK;
    if (strncmp(rest, until, strlen(until)) != 0 ||
        now_read(rest + strlen(until), &nta->until_ms) != ERR_OK)
        return fault_set(fault, ERR_CONFIG,
                         "expected a name, or a name and a time as in \"example.com until "
                         "2026-12-31T08:00:00Z\"");
    return ERR_OK;
}

static const struct nta *find_nta_of(const struct nta_set *set, const uint8_t *name)
{
    for (size_t i = 0; i < set->cnt; i++)
        if (dname_is_equal(set->at[i].name, name))
            return &set->at[i];
    return NULL;
}

enum err nta_add(struct nta_set *set, const char *text, struct fault *fault)
{
    struct nta nta;
    enum err err = read_nta(text, &nta, fault);
    char name[DNAME_TEXT_MAX];

    if (err)
        return err;
    if (find_nta_of(set, nta.name)) {
        dname_text_print(nta.name, name);
        return fault_set(fault, ERR_CONFIG, "%s is listed twice; remove one of them", name);
    }
    if (set->cnt == NTA_MAX)
        return fault_set(fault, ERR_CONFIG,
                         "at most %d negative trust anchors are allowed; remove some", NTA_MAX);
    struct nta *larger = util_grow(set->at, set->cnt, &set->size, sizeof(nta));
    if (!larger)
        return fault_name(fault, ERR_NOMEM);
    set->at = larger;
    set->at[set->cnt++] = nta;
    return ERR_OK;
}

const struct nta *nta_find(const struct nta_set *set, const struct anchor *anchor,
                           const uint8_t *name, int64_t now_ms)
{
    const struct nta *best = NULL;
    unsigned best_labels = anchor ? dname_labels(anchor->zone) : 0;

    for (size_t i = 0; i < set->cnt; i++) {
        const struct nta *nta = &set->at[i];
        unsigned labels = dname_labels(nta->name);
        bool is_closer = labels > best_labels || (!best && labels == best_labels);
        if (is_closer && nta->until_ms > now_ms && dname_is_under(name, nta->name)) {
            best = nta;
            best_labels = labels;
        }
    }
    return best;
}

struct verdict nta_verdict(const struct nta *nta, const uint8_t *name, uint16_t type)
{
    return (struct verdict){.status = VERDICT_INSECURE,
                            .reason = VERDICT_NEGATIVE_ANCHOR,
                            .zone = nta->name,
                            .name = name,
                            .type = type};
}

void nta_fini(struct nta_set *set)
{
    free(set->at);
    *set = (struct nta_set){.cnt = 0};
}
