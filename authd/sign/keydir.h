/* authd/sign/keydir.h | the keys of a zone, in a folder of files in BIND's format
 *
 * Each key is a pair of files, K<zone>+<algorithm>+<tag>.key with the DNSKEY record and
 * .private with the private key.  Other files are ignored.
 *
 * Owner:    the caller owns `struct keydir` until keydir_fini.
 * Thread:   one at a time.
 * Words:    published - in the DNSKEY RRset; active - published, and signs; KSK - signs the
 * DNSKEY RRset only; ZSK - signs all other RRsets; CSK - signs both.
 */
#pragma once

#include "base/diag.h"
#include "dns/ds.h"
#include "dns/signkey.h"

enum { KEYDIR_KEYS_MAX = 32, KEYDIR_RDATA_MAX = 4 + SIGNKEY_PUBLIC_MAX };

struct keydir_key {
    uint8_t rdata[KEYDIR_RDATA_MAX]; /* the DNSKEY */
    size_t rdata_len;
    uint32_t ttl; /* of the DNSKEY in its file, seconds; 0: none given */
    struct signkey *key;
    char *path;                               /* of its files, without ".key" and ".private" */
    bool is_new;                              /* made by keydir_make */
    bool is_published, is_active, is_deleted; /* by its times, at the time of loading */
    bool signs_keys, signs_zone;              /* set by keydir_choose_roles */
};

/* Lifetime: one signing. */
struct keydir {
    const char *folder; /* borrowed */
    struct keydir_key keys[KEYDIR_KEYS_MAX];
    size_t cnt;
};

/* Load all keys of the zone `origin` from `folder`.  A key is published, active and deleted
 * by the fields Publish, Activate, Inactive and Delete of its private file, compared with
 * `now_s`, seconds of wall time; a field that is missing does not count.  `folder` must outlive
 * `keys`.  ERR_FORMAT: `diag` has the faults; ERR_NOMEM. */
MUST_USE enum err keydir_load(struct keydir *keys, const char *folder, const uint8_t *origin,
                              uint32_t now_s, struct diag *diag);

/* Make a key with these DNSKEY flags, published and active from `now_s` on, and write its
 * files.  The tag differs from those of all other keys.  ERR_IO: `diag` has the fault;
 * ERR_NOMEM; ERR_LIMIT: too many keys. */
MUST_USE enum err keydir_make(struct keydir *keys, const uint8_t *origin, uint8_t algorithm,
                              uint16_t flags, uint32_t now_s, struct diag *diag);

/* Decide which keys sign what, per algorithm: a key with the flag SEP is a KSK if there is an
 * active key without it, else a CSK; a key without it is a ZSK if there is an active key with
 * it, else a CSK.  A revoked key signs the DNSKEY RRset only (RFC 5011 2.1). */
void keydir_choose_roles(struct keydir *keys);

/* Return "KSK", "ZSK" or "CSK", or "-" for a key that does not sign. */
const char *keydir_role(const struct keydir_key *key);

/* Return the fields of the key's DNSKEY. */
struct dnskey keydir_fields(const struct keydir_key *key);

/* Free all keys. */
void keydir_fini(struct keydir *keys);
