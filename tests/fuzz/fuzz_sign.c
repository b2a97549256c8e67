/* A zone that can be signed has no fault afterwards: chain, signatures and ZONEMD verify, and
 * the printed zone is read back with the same records.  The first octet chooses the options. */
#define _GNU_SOURCE
#include <sys/mman.h>
#include <unistd.h>

#include "authd/check/check_chain.h"
#include "authd/check/check_sigs.h"
#include "authd/check/check_zonemd.h"
#include "authd/load/zonefile.h"
#include "authd/load/zoneprint.h"
#include "authd/sign/zonesign.h"
#include "base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOW = 1700000000, RECORDS_MAX = 3000 };

static const uint8_t origin[] = {7, 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0};
static struct keydir split, single;

static void add_key(struct keydir *keys, uint8_t algorithm, uint16_t flags)
{
    struct keydir_key *key = &keys->keys[keys->cnt++];

    must(signkey_generate(algorithm, &key->key) == ERR_OK);
    util_put_u16(key->rdata, flags);
    key->rdata[2] = DNSKEY_PROTOCOL;
    key->rdata[3] = algorithm;
    key->rdata_len = 4 + signkey_public(key->key, key->rdata + 4);
    key->is_published = key->is_active = true;
}

static void set_up(void)
{
    hash_init();
    add_key(&split, DNSKEY_ED25519, DNSKEY_ZONE | DNSKEY_ENTRY);
    add_key(&split, DNSKEY_ED25519, DNSKEY_ZONE);
    add_key(&single, DNSKEY_ECDSAP256, DNSKEY_ZONE | DNSKEY_ENTRY);
    split.folder = single.folder = "keys";
    keydir_choose_roles(&split);
    keydir_choose_roles(&single);
}

/* Write the text to a file without a name and print its path. */
static int make_file(const void *text, size_t len, char path[40])
{
    int fd = memfd_create("zone", 0);

    must(fd >= 0 && write(fd, text, len) == (ssize_t)len);
    snprintf(path, 40, "/proc/self/fd/%d", fd);
    return fd;
}

static void check_printed(const struct zonebuild *build)
{
    char *text = NULL, path[40];
    size_t len = 0;
    struct zonebuild again;
    struct diag diag;
    FILE *out = open_memstream(&text, &len);

    must(out && zoneprint(build, out) == ERR_OK && fclose(out) == 0);
    int fd = make_file(text, len, path);
    diag_init(&diag);
    must(zonefile_read(origin, path, &diag, &again) == ERR_OK && again.cnt == build->cnt);
    for (size_t i = 0; i < build->cnt; i++) {
        const struct zonebuild_record *a = &build->records[i], *b = &again.records[i];
        must(dname_is_equal(a->owner->name, b->owner->name) && a->type == b->type &&
             a->ttl == b->ttl && a->len == b->len && memcmp(a->rdata, b->rdata, a->len) == 0);
    }
    zonebuild_fini(&again);
    diag_fini(&diag);
    free(text);
    close(fd);
}

static void check_signed(struct zonebuild *build, struct diag *diag)
{
    size_t before = diag->error_cnt;

    build->dnssec_level = DIAG_ERROR;
    must(check_chain(build) == ERR_OK);
    must(check_sigs(build, NOW, true) == ERR_OK);
    must(check_zonemd(build) == ERR_OK);
    if (diag->error_cnt > before)
        diag_print(diag, stderr, false);
    must(diag->error_cnt == before);
    check_printed(build);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zonesign_result result;
    struct zonebuild build;
    struct diag diag;
    char path[40];

    if (!single.folder)
        set_up();
    if (size == 0 || memmem(data, size, "$", 1)) /* directives are fuzz_zone's */
        return 0;
    const struct keydir *keys = data[0] & 4 ? &split : &single;
    struct zonesign_conf conf = {.now_s = NOW,
                                 .inception = NOW - 1,
                                 .expiration = NOW + 1,
                                 .denial = (enum zonesign_denial)(data[0] % 4 % 3),
                                 .serial = (enum zonesign_serial)(data[0] >> 3 & 3),
                                 .adds_zonemd = data[0] & 32,
                                 .adds_cds = data[0] & 64,
                                 .threads = 1};
    int fd = make_file(data + 1, size - 1, path);
    diag_init(&diag);
    enum err err = zonefile_read(origin, path, &diag, &build);
    if (!err && build.cnt < RECORDS_MAX) {
        err = zonesign(&build, keys, &conf, &result);
        must(err == ERR_OK || (err == ERR_FORMAT && diag.error_cnt > 0));
        if (!err)
            check_signed(&build, &diag);
    }
    zonebuild_fini(&build);
    diag_fini(&diag);
    close(fd);
    return 0;
}
