/* Configuration of authd: the values that are read, and the place and text of each error. */
#include "unit.h"

#include "authd/auth_conf.h"
#include "base/hash.h"

static struct auth_conf *conf;
static char *report;

static enum err read_text(const char *text)
{
    struct diag diag;
    size_t len;
    free(report);
    report = NULL;
    auth_conf_free(&conf);
    diag_init(&diag);
    enum err err = auth_conf_parse("dir/c.yaml", text, strlen(text), &diag, &conf);
    FILE *stream = open_memstream(&report, &len);
    diag_print(&diag, stream, false);
    fclose(stream);
    diag_fini(&diag);
    return err;
}

static void a_valid_file_is_read(void **state)
{
    (void)state;
    assert_int_equal(read_text("server:\n"
                               "  listen: [127.0.0.1@5301, \"::1\"]\n"
                               "  workers: 3\n"
                               "  udp-size: 1400\n"
                               "  identity: ns1\n"
                               "  listen-tls: []\n"
                               "  control: \"\"\n"
                               "log: {level: debug, format: json}\n"
                               "zones:\n"
                               "  - {zone: example.org, file: a.zone}\n"
                               "  - {zone: ., file: /root.zone}\n"
                               "views: []\n"),
                     ERR_OK);
    assert_string_equal(report, "");
    assert_int_equal(conf->server.listen[EXCHANGE_STACK_DNS].cnt, 2);
    assert_int_equal(addr_port(&conf->server.listen[EXCHANGE_STACK_DNS].at[1]), 53);
    assert_int_equal(conf->server.worker_cnt, 3);
    assert_int_equal(conf->server.udp_size, 1400);
    assert_int_equal(conf->server.log_level, LOG_LEVEL_DEBUG);
    const struct auth_conf_zone *zones = conf->zones.items;
    assert_int_equal(conf->zones.cnt, 2);
    assert_string_equal(zones[0].file, "dir/a.zone");
    assert_string_equal(zones[1].file, "/root.zone");
    assert_int_equal(zones[1].name[0], 0);
}

static void errors_have_places(void **state)
{
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"server:\n  lisen: []\n",
         "dir/c.yaml:2:3: error: unknown key \"lisen\"\n     2 |   lisen: []\n       |   ^\n"
         "       = did you mean \"listen\"?\n"},
        {"server:\n  listen: [127.0.0.1@99999]\n",
         "dir/c.yaml:2:12: error: expected an address"},
        {"server:\n  listen: [127.0.0.1]\n  workers: 0\n",
         "dir/c.yaml:3:12: error: expected auto"},
        {"server:\n  listen: [127.0.0.1]\n  workers: many\n",
         "dir/c.yaml:3:12: error: expected auto"},
        {"server:\n  listen: [127.0.0.1]\nlab:\n  minimal-any: false\n",
         "dir/c.yaml:4:16: error: a defence may be switched off only in a network that packets "
         "cannot leave: "},
        {"server:\n  listen: [127.0.0.1]\n  udp-size: 100\n",
         "dir/c.yaml:3:13: error: 100 is out of range"},
        {"server:\n  listen: [127.0.0.1]\n  udp-size: 1232x\n",
         "dir/c.yaml:3:13: error: expected a whole number"},
        {"server:\n  listen: [127.0.0.1]\n  rotate-records: maybe\n",
         "3:19: error: expected true or false"},
        {"server:\n  listen: [127.0.0.1]\n  clock: yesterday\n",
         "3:10: error: expected a date and time"},
        {"server:\n  listen: [127.0.0.1]\n  metrics: 127.0.0.1@9153\n",
         "3:12: error: metrics is not supported"},
        {"server:\n  listen: [127.0.0.1]\n  listen-tls: [127.0.0.1]\n",
         "2:3: error: listen-tls needs tls-certificate"},
        {"server:\n  listen: [127.0.0.1]\n  listen-http: [127.0.0.1@53]\n",
         "2:3: error: 127.0.0.1@53 is listed twice"},
        {"server:\n  listen: [127.0.0.1]\n  rate-limit: {exempt: [10.0.0.0/33]}\n",
         "3:25: error: expected a prefix"},
        {"server:\n  listen: 127.0.0.1\n", "2:11: error: expected a list"},
        {"server:\n  listen: [[1]]\n", "2:12: error: expected one value, not a list"},
        {"zones: []\n", "1:1: error: the key \"server\" is missing here"},
        {"server: {}\n", "1:9: error: the key \"listen\" is missing here"},
        {"server: {listen: [127.0.0.1]}\nlog: {level: loud}\n",
         "2:14: error: expected one of error, warning, info, debug"},
        {"server: {listen: [127.0.0.1]}\nserver: {listen: [127.0.0.1]}\n",
         "2:1: error: duplicate key \"server\""},
        {"server: {listen: [127.0.0.1]}\nzones: [{zone: a..b, file: x}]\n",
         "2:16: error: \"a..b\" is not a domain name"},
        {"server: {listen: [127.0.0.1]}\nzones: [{zone: a}]\n",
         "2:9: error: the key \"file\" is missing here"},
        {"server: {listen: [127.0.0.1]}\nzones: [{zone: a, file: x}, {zone: A., file: y}]\n",
         "2:29: error: the zone A. is listed twice"},
        {"server: {listen: [127.0.0.1]}\nzones: [&a {zone: a, file: x}, *a]\n",
         "anchors and aliases"},
        {"server: [1\n", "error: invalid YAML"},
        {"\xff\xfe\xfd", "error: the file is not UTF-8 text"},
        {"# [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\xe2\x80\xa8# "
         "x\xc2\x85\nzons: 1\n",
         "dir/c.yaml:4:1: error: unknown key \"zons\"\n     4 | zons: 1\n"},
        {"zons: 1\r\n", "     1 | zons: 1\n"},
        {"server: {listen: [127.0.0.1]}\n---\nserver: {}\n",
         "dir/c.yaml:3:1: error: the file has a second YAML document"},
        {"server: {listen: [127.0.0.1]}\n---\n[\n", "error: invalid YAML"},
        {"- a\n", "1:1: error: expected keys such as \"server: ...\""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(read_text(cases[i].text), ERR_CONFIG);
        if (!strstr(report, cases[i].expected))
            fail_msg("case %zu: expected\n%s\nin\n%s", i, cases[i].expected, report);
    }
}

static void one_run_reports_all_errors(void **state)
{
    (void)state;
    assert_int_equal(read_text("server:\n  a: 1\n  b: 2\nlog: 7\nx: y\n"), ERR_CONFIG);
    assert_non_null(strstr(report, "2:3: error"));
    assert_non_null(strstr(report, "3:3: error"));
    assert_non_null(strstr(report, "4:6: error"));
    assert_non_null(strstr(report, "5:1: error"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_valid_file_is_read),
        cmocka_unit_test(errors_have_places),
        cmocka_unit_test(one_run_reports_all_errors),
    };
    hash_init();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(report);
    auth_conf_free(&conf);
    return failed;
}
