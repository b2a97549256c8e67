/* Server cookies against the test vectors of RFC 9018 appendix A, and SipHash against those of
 * its authors. */
#include "unit.h"

#include <arpa/inet.h>

#include "base/siphash.h"
#include "dns/cookie.h"

static const uint8_t secret[1][COOKIE_SECRET_LEN] = {{0xe5, 0xe9, 0x73, 0xe5, 0xa6, 0xb2, 0xa4,
                                                      0x3f, 0x48, 0xe7, 0xdc, 0x84, 0x9e, 0x37,
                                                      0xbf, 0xcf}};

static void siphash_matches_the_reference(void **state)
{
    uint8_t key[16], input[15];
    (void)state;
    for (uint8_t i = 0; i < 16; i++)
        key[i] = i;
    for (uint8_t i = 0; i < 15; i++)
        input[i] = i;
    assert_true(siphash(key, input, 0) == 0x726fdb47dd0e0e31U);
    assert_true(siphash(key, input, 15) == 0xa129ca6149be45e5U);
}

/* "A.1. Learning a New Server Cookie": 198.51.100.100 at 1559731985 */
static const uint8_t client_a1[] = {0x24, 0x64, 0xc4, 0xab, 0xcf, 0x10, 0xc9, 0x57};
static const uint8_t server_a1[] = {0x01, 0x00, 0x00, 0x00, 0x5c, 0xf7, 0x9f, 0x11,
                                    0x1f, 0x81, 0x30, 0xc3, 0xee, 0xe2, 0x94, 0x80};

static struct cookie_client a1(uint8_t address[4])
{
    assert_int_equal(inet_pton(AF_INET, "198.51.100.100", address), 1);
    return (struct cookie_client){client_a1, address, 4};
}

static void cookies_match_the_rfc(void **state)
{
    uint8_t made[COOKIE_SERVER_LEN], address[4];
    struct cookie_keys keys = {.cnt = 0};
    struct cookie_client client = a1(address);
    bool is_old;
    (void)state;
    cookie_set(&keys, secret, 1);
    cookie_make(&keys, &client, 1559731985, made);
    assert_memory_equal(made, server_a1, sizeof(made));
    assert_true(
        cookie_check(&keys, &client, server_a1, sizeof(server_a1), 1559731985, &is_old));
    assert_false(is_old);
}

static void cookies_expire(void **state)
{
    uint8_t address[4];
    struct cookie_keys keys = {.cnt = 0};
    struct cookie_client client = a1(address);
    bool is_old = true;
    (void)state;
    cookie_set(&keys, secret, 1);
    assert_true(cookie_check(&keys, &client, server_a1, 16, 1559731985 + 1800, &is_old) &&
                !is_old);
    assert_true(cookie_check(&keys, &client, server_a1, 16, 1559731985 + 1801, &is_old) &&
                is_old);
    assert_true(cookie_check(&keys, &client, server_a1, 16, 1559731985 + 3600, &is_old));
    assert_false(cookie_check(&keys, &client, server_a1, 16, 1559731985 + 3601, &is_old));
    assert_true(cookie_check(&keys, &client, server_a1, 16, 1559731985 - 300, &is_old));
    assert_false(cookie_check(&keys, &client, server_a1, 16, 1559731985 - 301, &is_old));
}

static void no_other_cookie_is_accepted(void **state)
{
    uint8_t address[4], other[16];
    struct cookie_keys keys = {.cnt = 0};
    struct cookie_client client = a1(address);
    bool is_old;
    (void)state;
    cookie_set(&keys, secret, 1);
    for (unsigned bit = 0; bit < 128; bit++) {
        memcpy(other, server_a1, 16);
        other[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(cookie_check(&keys, &client, other, 16, 1559731985, &is_old));
    }
    assert_false(cookie_check(&keys, &client, server_a1, 15, 1559731985, &is_old));
    address[3] ^= 1;
    assert_false(cookie_check(&keys, &client, server_a1, 16, 1559731985, &is_old));
}

static void secrets_roll_over(void **state)
{
    uint8_t address[4], two[2][COOKIE_SECRET_LEN];
    struct cookie_keys keys = {.cnt = 0};
    struct cookie_client client = a1(address);
    bool is_old;
    (void)state;
    memset(two[0], 7, sizeof(two[0]));
    memcpy(two[1], secret[0], sizeof(two[1]));
    cookie_set(&keys, (const uint8_t(*)[COOKIE_SECRET_LEN])two, 2);
    assert_true(cookie_check(&keys, &client, server_a1, 16, 1559731985, &is_old));
    assert_true(is_old); /* made with the outgoing secret: the client should get a new one */
    cookie_set(&keys, (const uint8_t(*)[COOKIE_SECRET_LEN])two, 1);
    assert_false(cookie_check(&keys, &client, server_a1, 16, 1559731985, &is_old));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_matches_the_reference),
        cmocka_unit_test(cookies_match_the_rfc),
        cmocka_unit_test(cookies_expire),
        cmocka_unit_test(no_other_cookie_is_accepted),
        cmocka_unit_test(secrets_roll_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
