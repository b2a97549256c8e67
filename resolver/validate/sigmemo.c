/* The digest is cryptographic: a server that could find two inputs with one mark would have its
 * forged record accepted. */
#include "resolver/validate/sigmemo.h"

#include <openssl/evp.h>

struct sigmemo {
    struct sigmemo_mark at[SIGMEMO_SIGNATURES_MAX]; /* all zeros: free */
};

struct sigmemo *sigmemo_new(void) { return calloc(1, sizeof(struct sigmemo)); }

static size_t place_of_mark(const struct sigmemo_mark *mark)
{
    return util_get_u32(mark->digest) % SIGMEMO_SIGNATURES_MAX;
}

/* Each part has its length in front, so that no two inputs run into the same octets. */
static bool add_part(EVP_MD_CTX *context, const void *bytes, size_t len)
{
    uint8_t head[4];
    util_put_u32(head, (uint32_t)len);
    return EVP_DigestUpdate(context, head, sizeof(head)) == 1 &&
           EVP_DigestUpdate(context, bytes, len) == 1;
}

bool sigmemo_mark(const uint8_t *owner, const struct rrset *set, const struct rrset_record *sig,
                  const struct keyset_key *key, struct sigmemo_mark *out)
{
    uint8_t name[DNAME_MAX];
    size_t name_len = dname_lower(owner, name);
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    bool is_done = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
                   add_part(context, name, name_len) &&
                   add_part(context, set->data, set->size) &&
                   add_part(context, sig->rdata, sig->len) &&
                   add_part(context, keyset_rdata(key), key->rdata_len) &&
                   EVP_DigestFinal_ex(context, out->digest, NULL) == 1;
    EVP_MD_CTX_free(context);
    return is_done;
}

bool sigmemo_has(const struct sigmemo *memo, const struct sigmemo_mark *mark)
{
    return memcmp(&memo->at[place_of_mark(mark)], mark, sizeof(*mark)) == 0;
}

void sigmemo_add(struct sigmemo *memo, const struct sigmemo_mark *mark)
{
    memo->at[place_of_mark(mark)] = *mark;
}

void sigmemo_free(struct sigmemo **memo)
{
    free(*memo);
    *memo = NULL;
}
