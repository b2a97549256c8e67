/* base: arena, cursor, list, addr, now, fault, file, folder, json, diag, text, log and peak. */
#include <fcntl.h>
#include <malloc.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "threads.h"

#include "base/addr.h"
#include "base/arena.h"
#include "base/cursor.h"
#include "base/diag.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/folder.h"
#include "base/json.h"
#include "base/list.h"
#include "base/log.h"
#include "base/now.h"
#include "base/peak.h"
#include "base/text.h"

/* Temporary files are made below the working folder. */
#define TEMPORARY "rootline-base-XXXXXX"

static void make_temporary_file(char path[])
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
}

static void remove_temporary_file(const char *path)
{
    assert_int_equal(unlink(path), 0);
    assert_int_equal(access(path, F_OK), -1);
}

static _Atomic bool is_over;

static void an_arena_enforces_its_cap(void **state)
{
    struct arena arena;
    (void)state;
    arena_init(&arena, 1000);
    assert_non_null(arena_alloc(&arena, 900));
    assert_null(arena_alloc(&arena, 200));
    arena_reset(&arena);
    char *copy = arena_copy(&arena, "abc", 3);
    assert_string_equal(copy, "abc");
    assert_null(arena_alloc(&arena, SIZE_MAX));
    arena_fini(&arena);
}

static void arena_allocations_do_not_overlap(void **state)
{
    struct arena arena;
    unsigned char *pieces[300];
    (void)state;
    arena_init(&arena, 0);
    for (int i = 0; i < 300; i++) {
        pieces[i] = arena_alloc(&arena, (size_t)i * 37 + 1);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], i, (size_t)i * 37 + 1);
    }
    for (int i = 0; i < 300; i++)
        for (size_t n = 0; n < (size_t)i * 37 + 1; n++)
            assert_int_equal(pieces[i][n], (unsigned char)i);
    arena_fini(&arena);
}

static void a_cursor_fails_at_the_end_and_stays_failed(void **state)
{
    struct cursor c = cursor_over("\1\2\3\4\5", 5);
    (void)state;
    assert_int_equal(cursor_u16(&c), 0x0102);
    struct cursor sub = cursor_sub(&c, 2);
    assert_int_equal(cursor_u16(&sub), 0x0304);
    assert_int_equal(cursor_u8(&sub), 0);
    assert_true(cursor_failed(&sub));
    assert_false(cursor_failed(&c));
    assert_int_equal(cursor_u32(&c), 0);
    assert_true(cursor_failed(&c));
    assert_false(cursor_more(&c));
    assert_int_equal(cursor_u8(&c), 0);
    sub = cursor_sub(&c, 0);
    assert_true(cursor_failed(&sub));
}

/* In two lists at once, by two links. */
struct member {
    int number;
    struct list all, some;
};

static void assert_numbers(struct list *all, const char *numbers)
{
    char text[16] = "";
    list_for_each(struct member, m, all, all)
        sprintf(text + strlen(text), "%d", m->number);
    assert_string_equal(text, numbers);
}

static void lists_lead_back_to_their_structs(void **state)
{
    struct list all, some, other;
    struct member m[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
    (void)state;
    list_init(&all);
    list_init(&some);
    assert_null(list_first(&all, struct member, all));
    assert_null(list_pop(&all, struct member, all));
    assert_numbers(&all, "");
    list_for_each_safe(struct member, none, &all, all)
        fail();
    for (size_t i = 0; i < ARRAY_LEN(m); i++) {
        list_add(&all, &m[i].all);
        list_init(&m[i].some);
    }
    list_add(&some, &m[2].some);
    assert_numbers(&all, "0123");
    assert_ptr_equal(list_first(&all, struct member, all), &m[0]);
    assert_ptr_equal(list_next(&all, &m[0], struct member, all), &m[1]);
    assert_null(list_next(&all, &m[3], struct member, all));
    assert_ptr_equal(list_first(&some, struct member, some), &m[2]);

    list_take(&other, &all);
    assert_true(list_is_empty(&all));
    assert_numbers(&other, "0123");
    assert_ptr_equal(list_pop(&other, struct member, all), &m[0]);
    assert_true(list_is_empty(&m[0].all));
    assert_numbers(&other, "123");
}

/* The body may free the first struct, one in the middle and the last one. */
static void a_safe_loop_may_free_its_item(void **state)
{
    struct list all;
    int visited = 0;
    (void)state;
    list_init(&all);
    for (int i = 0; i < 5; i++) {
        struct member *m = calloc(1, sizeof(*m));
        assert_non_null(m);
        m->number = i;
        list_add(&all, &m->all);
    }
    list_for_each_safe(struct member, m, &all, all) {
        assert_int_equal(m->number, visited);
        visited++;
        if (m->number % 2)
            continue;
        list_remove(&m->all);
        free(m);
    }
    assert_int_equal(visited, 5);
    assert_numbers(&all, "13");
    list_for_each_safe(struct member, m, &all, all) {
        list_remove(&m->all);
        free(m);
    }
    assert_true(list_is_empty(&all));
}

static void addresses_are_read_and_printed(void **state)
{
    static const char *const wrong[] = {
        "",      "@53",       "127.0.0.1@", "127.0.0.1@0", "127.0.0.1@65536", "127.0.0.1@5x",
        "1.2.3", "::1@53@54", "localhost",  "127.0.0.1:53"};
    struct addr addr;
    char text[ADDR_TEXT_MAX];
    (void)state;
    assert_int_equal(addr_read("192.0.2.1", 53, &addr), ERR_OK);
    addr_print(&addr, text);
    assert_string_equal(text, "192.0.2.1@53");
    assert_int_equal(addr_print_host(&addr, text), strlen("192.0.2.1"));
    assert_string_equal(text, "192.0.2.1");
    assert_int_equal(addr_read("::1@5300", 53, &addr), ERR_OK);
    addr_print(&addr, text);
    assert_string_equal(text, "::1@5300");
    assert_true(addr_is_v6(&addr));
    assert_int_equal(addr_read("::", 53, &addr), ERR_OK);
    assert_true(addr_is_wildcard(&addr));
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_int_equal(addr_read(wrong[i], 53, &addr), ERR_FORMAT);
}

static void times_are_read_and_printed(void **state)
{
    int64_t ms;
    char text[NOW_TEXT_MAX];
    (void)state;
    assert_int_equal(now_read("2026-01-31T08:00:00Z", &ms), ERR_OK);
    now_print(ms, text);
    assert_string_equal(text, "2026-01-31T08:00:00.000Z");
    assert_int_equal(now_read("2026-01-31T09:30:00+01:30", &ms), ERR_OK);
    now_print(ms, text);
    assert_string_equal(text, "2026-01-31T08:00:00.000Z");
    assert_int_equal(now_read("2026-01-31T08:00:00.25019Z", &ms), ERR_OK);
    now_print(ms, text);
    assert_string_equal(text, "2026-01-31T08:00:00.250Z");
    assert_int_equal(now_read("2026-01-31", &ms), ERR_FORMAT);
    assert_int_equal(now_read("2026-01-31T08:00:00", &ms), ERR_FORMAT);
    assert_int_equal(now_read("2026-01-31T08:00:00Zx", &ms), ERR_FORMAT);
    now_set_wall(86400000);
    assert_true(now_wall_ms() >= 86400000 && now_wall_ms() < 86400000 + 60000);
}

static void durations_are_printed_in_words(void **state)
{
    static const struct {
        int64_t seconds;
        const char *text;
    } all[] = {{0, "0 seconds"},   {1, "1 second"},       {119, "119 seconds"},
               {120, "2 minutes"}, {7199, "119 minutes"}, {172800, "2 days"}};
    char text[NOW_TEXT_MAX];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        now_print_span(all[i].seconds, text);
        assert_string_equal(text, all[i].text);
    }
}

static void files_are_read_whole(void **state)
{
    char *data;
    size_t len;
    (void)state;
    assert_int_equal(file_read("/nonexistent", 10, &data, &len, NULL), ERR_ABSENT);
    assert_int_equal(file_read("/", 10, &data, &len, NULL), ERR_FORMAT);
    assert_int_equal(file_read("/proc/self/exe", 10, &data, &len, NULL), ERR_LIMIT);
    char *beside = file_resolve("/a/b.conf", "c.zone");
    assert_string_equal(beside, "/a/c.zone");
    free(beside);
    beside = file_resolve("b.conf", "c.zone");
    assert_string_equal(beside, "c.zone");
    free(beside);
}

static void assert_file(const char *path, const char *expected)
{
    char *data;
    size_t len;
    assert_int_equal(file_read(path, 100, &data, &len, NULL), ERR_OK);
    assert_string_equal(data, expected);
    free(data);
}

/* A file that cannot be written stays as it was. */
static void a_file_is_replaced_or_kept(void **state)
{
    char folder[] = "/tmp/replace-XXXXXX", path[40], temporary[50], start[4096];
    struct rlimit limit, small;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/file", folder);
    snprintf(temporary, sizeof(temporary), "%s.new", path);
    assert_int_equal(file_replace(path, "old", 3), ERR_OK);
    assert_file(path, "old");
    assert_int_equal(file_replace(temporary, "a leftover", 10), ERR_OK);
    assert_int_equal(file_replace(path, "new", 3), ERR_OK);
    assert_file(path, "new");
    assert_int_equal(access(temporary, F_OK), -1);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = 2;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum err err = file_replace(path, "longer", 6);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(err, ERR_IO);
    assert_file(path, "new");
    assert_int_equal(access(temporary, F_OK), -1);
    assert_non_null(getcwd(start, sizeof(start)));
    assert_int_equal(chdir(folder), 0); /* a path without a folder */
    assert_int_equal(file_replace("file", "", 0), ERR_OK);
    assert_int_equal(chdir(start), 0);
    assert_file(path, "");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(file_replace(path, "x", 1), ERR_ABSENT);
}

/* Truncate the file and write it again in parts, until the test is over.  Return what is wrong,
 * or NULL. */
static void *write_states(void *data)
{
    static const char text[70000] = {'x'};
    const char *path = data;

    while (!atomic_load(&is_over)) {
        int fd = open(path, O_WRONLY | O_TRUNC);
        bool is_written = fd >= 0;
        for (size_t at = 0; at < sizeof(text) && is_written; at += 7000)
            is_written = write(fd, text, 7000) == 7000;
        if (fd >= 0)
            close(fd);
        if (!is_written)
            return (void *)"the file cannot be written";
        usleep(500);
    }
    return NULL;
}

static void a_file_is_read_in_one_state(void **state)
{
    char path[] = TEMPORARY, *data;
    unsigned whole_cnt = 0, busy_cnt = 0, wrong_cnt = 0;
    struct threads writer = {.cnt = 0};
    struct file_stamp stamp;
    size_t len;
    (void)state;

    make_temporary_file(path);
    threads_start(&writer, write_states, path);
    for (int i = 0; i < 2000; i++) {
        enum err err = file_read(path, 1 << 20, &data, &len, &stamp);
        if (err) {
            busy_cnt += err == ERR_TIME;
            wrong_cnt += err != ERR_TIME;
            continue;
        }
        whole_cnt++;
        wrong_cnt += len != stamp.size;
        free(data);
    }
    atomic_store(&is_over, true);
    threads_join(&writer);
    remove_temporary_file(path);
    assert_true(whole_cnt > 0 && wrong_cnt == 0);
    print_message("%u reads of one state, %u timed out\n", whole_cnt, busy_cnt);
}

static void secrets_that_others_can_write_are_rejected(void **state)
{
    static const struct {
        mode_t mode;
        enum err err;
        bool is_exposed;
    } files[] = {{0600, ERR_OK, false},
                 {0640, ERR_OK, false},
                 {0644, ERR_OK, true},
                 {0602, ERR_CONFIG, false},
                 {0666, ERR_CONFIG, false}};
    char path[] = TEMPORARY, *data;
    bool is_exposed;
    size_t len;
    (void)state;

    make_temporary_file(path);
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        assert_int_equal(chmod(path, files[i].mode), 0);
        enum err err = file_read_secret(path, 10, &data, &len, &is_exposed);
        assert_int_equal(err, files[i].err);
        if (!err) {
            assert_int_equal(is_exposed, files[i].is_exposed);
            free(data);
        }
    }
    remove_temporary_file(path);
}

/* ---- folders ---- */

static void check_folder(const char *path, uid_t owner, mode_t mode)
{
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    assert_int_equal(st.st_uid, owner);
    assert_int_equal(st.st_mode & 07777, mode);
}

static void folders_are_created_for_their_user(void **state)
{
    char top[40], theirs[64], path[128];
    struct fault fault = {0};
    const struct passwd *nobody = getpwnam("nobody");
    (void)state;

    if (geteuid() != 0 || !nobody)
        skip();
    /* root creates a folder only where no other user can interfere, as in the sticky /tmp */
    snprintf(top, sizeof(top), "%s%s", folder_is_root_only(".") ? "" : "/tmp/", TEMPORARY);
    assert_non_null(mkdtemp(top));
    snprintf(theirs, sizeof(theirs), "%s/theirs", top);
    assert_int_equal(folder_make(theirs, 0750, "nobody", &fault), ERR_OK);
    check_folder(theirs, nobody->pw_uid, 0750);
    /* a folder that exists is left unchanged */
    assert_int_equal(folder_make(theirs, 0700, "", &fault), ERR_OK);
    check_folder(theirs, nobody->pw_uid, 0750);
    /* below a folder of another user root creates nothing, not through a link either */
    snprintf(path, sizeof(path), "%s/below", theirs);
    assert_int_equal(folder_make(path, 0755, "nobody", &fault), ERR_DENIED);
    assert_non_null(strstr(fault.text, "below a folder of another user"));
    assert_int_equal(folder_make(path, 0755, "", &fault), ERR_DENIED);
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof(path), "%s/link", top);
    assert_int_equal(symlink("theirs", path), 0);
    snprintf(path, sizeof(path), "%s/link/below/", top);
    assert_int_equal(folder_make(path, 0755, "nobody", &fault), ERR_DENIED);
    snprintf(path, sizeof(path), "%s/nowhere", top);
    assert_int_equal(folder_make(path, 0755, "no-such-user", &fault), ERR_CONFIG);
    snprintf(path, sizeof(path), "%s/nowhere/below", top);
    assert_int_equal(folder_make(path, 0755, "", &fault), ERR_ABSENT);
    assert_int_equal(rmdir(theirs), 0);
    snprintf(path, sizeof(path), "%s/link", top);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(top), 0);
    assert_int_equal(access(top, F_OK), -1);
}

static void json_text_becomes_utf_8(void **state)
{
    struct json *list = json_new_list();
    (void)state;
    json_add_text(list, "a\"\\\n\x01 \xc3\xa9 \xff \xed\xa0\x80 \xf4\x90");
    char *out = json_write(list, false);
    assert_string_equal(out,
                        "[\"a\\\"\\\\\\n\\u0001 \xc3\xa9 \xef\xbf\xbd "
                        "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xef\xbf\xbd\xef\xbf\xbd\"]");
    free(out);
    json_free(&list);
}

static void json_is_written_and_read(void **state)
{
    struct json *object = json_new_object(), *read = NULL, *none = NULL;
    struct fault fault;
    (void)state;
    json_put_text(object, "text", "t");
    json_put_number(object, "number", INT64_MIN);
    json_put_bool(object, "truth", true);
    json_put_real(object, "real", 0.5);
    json_add_text(json_put_list(json_put_object(object, "in"), "list"), "first");
    char *text = json_write(object, false);
    assert_int_equal(json_read(text, strlen(text), &read, &fault), ERR_OK);
    assert_string_equal(json_get_text(read, "text", ""), "t");
    assert_string_equal(json_get_text(read, "number", "none"), "none"); /* not a text */
    assert_true(json_get_number(read, "number", 0) == INT64_MIN &&
                json_get_bool(read, "truth", false));
    assert_true(json_get_real(read, "real", 0) > 0.4 && json_has_keys(read) &&
                json_count(read) == 5);
    const struct json *list = json_find(json_find(read, "in"), "list");
    assert_true(json_count(list) == 1 && !json_has_keys(list) && json_at(list, 1) == NULL);
    assert_string_equal(json_text(json_at(list, 0)), "first");
    assert_string_equal(json_key(read, 1), "number");
    assert_string_equal(json_key(read, 9), "");
    /* a value for which there was no memory is NULL, which drops additions */
    json_put_text(none, "a", "b");
    json_add_text(json_put_list(none, "a"), "b");
    assert_null(json_add_object(none));
    assert_null(json_write(none, true));
    assert_string_equal(json_get_text(none, "a", "-"), "-");
    assert_int_equal(json_read("{\"a\":1,\"a\":2}", 13, &none, &fault), ERR_FORMAT);
    assert_int_equal(json_read("{} {}", 5, &none, &fault), ERR_FORMAT);
    free(text);
    struct json *taken = json_take(read, "in");
    assert_non_null(taken);
    assert_null(json_find(read, "in"));
    json_free(&taken);
    json_free(&read);
    json_free(&object);
}

static void findings_are_printed_with_line_and_caret(void **state)
{
    struct diag diag;
    char *out = NULL;
    size_t len;
    (void)state;
    diag_init(&diag);
    struct diag_place place = {
        .file = "f", .line = 3, .column = 4, .text = "\tw\xc3\xa4x\033", .text_len = 6};
    diag_add(&diag, DIAG_ERROR, &place, "bad %s", "thing");
    diag_help(&diag, "try %d", 1);
    FILE *stream = open_memstream(&out, &len);
    diag_print(&diag, stream, false);
    fclose(stream);
    assert_string_equal(
        out,
        "f:3:4: error: bad thing\n     3 | \tw\xc3\xa4x.\n       | \t  ^\n       = try 1\n");
    free(out);
    for (int i = 0; i < 1000; i++)
        diag_add(&diag, DIAG_WARNING, &place, "again");
    assert_int_equal(diag.kept_cnt[DIAG_WARNING], DIAG_KEPT);
    assert_int_equal(diag.warning_cnt, 1000);
    diag_fini(&diag);
}

static void a_fault_has_a_code_and_a_text(void **state)
{
    struct fault fault = {0};
    (void)state;
    assert_int_equal(fault_set(&fault, ERR_DENIED, "%s: mode %04o", "a.key", 0644), ERR_DENIED);
    assert_string_equal(fault.text, "a.key: mode 0644");
    assert_int_equal(fault_set(&fault, ERR_CONFIG, "line %d: %s", 7, fault.text), ERR_CONFIG);
    assert_string_equal(fault.text, "line 7: a.key: mode 0644");
    assert_int_equal(fault_name(&fault, ERR_OK), ERR_OK);
    assert_string_equal(fault.text, "line 7: a.key: mode 0644");
    assert_int_equal(fault_name(&fault, ERR_NOMEM), ERR_NOMEM);
    assert_string_equal(fault.text, "out of memory");
    assert_int_equal(fault_set(NULL, ERR_TIME, "%d", 1), ERR_TIME);
    assert_int_equal(fault_name(NULL, ERR_IO), ERR_IO);
}

/* The octets behind the text stay as they are, and no character is truncated in its middle. */
static void a_long_fault_is_truncated_visibly(void **state)
{
    struct {
        struct fault fault;
        char guard[8];
    } room;
    char text[2 * FAULT_TEXT_MAX];
    (void)state;
    for (int len = FAULT_TEXT_MAX - 3; len < FAULT_TEXT_MAX + 3; len++) {
        memset(&room, 'g', sizeof(room));
        fault_set(&room.fault, ERR_LIMIT, "%0*d", len, 0);
        assert_memory_equal(room.guard, "gggggggg", sizeof(room.guard));
        bool is_whole = len < FAULT_TEXT_MAX;
        assert_int_equal(strlen(room.fault.text), is_whole ? len : FAULT_TEXT_MAX - 1);
        assert_string_equal(room.fault.text + strlen(room.fault.text) - 3,
                            is_whole ? "000" : "...");
    }
    for (int shift = 0; shift < 3; shift++) {
        memset(text, 'x', sizeof(text));
        for (size_t i = (size_t)shift; i + 3 < sizeof(text); i += 3)
            memcpy(text + i, "\u2026", 3);
        text[sizeof(text) - 1] = '\0';
        fault_set(&room.fault, ERR_LIMIT, "%s", text);
        size_t len = strlen(room.fault.text);
        assert_in_range(len, FAULT_TEXT_MAX - 3, FAULT_TEXT_MAX - 1);
        assert_string_equal(room.fault.text + len - 3, "...");
        for (size_t i = 0, used; i < len; i += used) {
            used = text_sequence_len(room.fault.text + i, len - i);
            assert_true(used > 0);
        }
    }
}

static void misspelled_words_are_found(void **state)
{
    static const char *const words[] = {"listen", "workers", "zones", NULL};
    (void)state;
    assert_string_equal(diag_nearest("lisen", words), "listen");
    assert_string_equal(diag_nearest("ZONES", words), "zones");
    assert_string_equal(diag_nearest("zoens", words), "zones");
    assert_null(diag_nearest("completely-different", words));
    assert_int_equal(diag_edits("querys", "queries"), 2);
    assert_int_equal(diag_edits("Tcp-Idel", "tcp-idle"), 1); /* a swap is one edit */
    assert_int_equal(diag_edits("querys", "keys"), SIZE_MAX);
}

static void texts_are_sanitised(void **state)
{
    static const struct {
        const char *in, *kept, *out;
    } cases[] = {
        {"\x1b[31mred\r\n", "", ".[31mred.."},
        {"a\tb\x7f", "\t", "a\tb."},
        {"a\tb", "", "a.b"},
        {"\xc2\x9b"
         "1m",
         "", "..1m"}, /* eight-bit CSI, in UTF-8 and as one octet */
        {"\x9b"
         "1m",
         "", ".1m"},
        {"caf\xc3\xa9 \xe2\x82\xac", "", "caf\xc3\xa9 \xe2\x82\xac"},
        {"\xe2\x82", "", ".."},      /* truncated */
        {"\xed\xa0\x80", "", "..."}, /* a surrogate */
        {"", "", ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text = strdup(cases[i].in);
        text_sanitise(text, strlen(text), cases[i].kept);
        assert_string_equal(text, cases[i].out);
        free(text);
    }
    char nul[] = {'a', 0, 'b'};
    text_sanitise(nul, sizeof(nul), "");
    assert_memory_equal(nul, "a.b", 3);
}

/* An absent object is no lack of memory: its maker wanted none, or it was counted when it was
 * not made. */
static void additions_to_null_are_not_counted(void **state)
{
    uint64_t before = json_dropped();

    (void)state;
    json_put_text(NULL, "key", "value");
    json_put_number(NULL, "key", 1);
    json_add_text(NULL, "value");
    assert_null(json_put_object(NULL, "key"));
    assert_null(json_add_object(NULL));
    assert_int_equal(json_dropped(), before);
}

static void json_is_sanitised(void **state)
{
    char *text = strdup("{\"a\\u001bb\":\"\\\\u001b \\n \\u009B \\u00e4 \x1b \\\"\\\\\"}");
    char *truncated = strdup("\\u1"), *last = strdup("\\");
    struct json *read;
    struct fault fault;
    (void)state;
    json_sanitise(text);
    json_sanitise(truncated);
    json_sanitise(last);
    assert_int_equal(json_read(text, strlen(text), &read, &fault), ERR_OK);
    assert_string_equal(json_key(read, 0), "a\xef\xbf\xbd"
                                           "b");
    assert_string_equal(json_get_text(read, json_key(read, 0), ""),
                        "\\u001b    \xef\xbf\xbd \xc3\xa4 . \"\\");
    json_free(&read);
    free(text);
    free(truncated);
    free(last);
}

static void copy_line(void *data, const struct log_kept *line) { strcpy(data, line->text); }

static void a_log_line_has_no_line_breaks(void **state)
{
    char text[LOG_KEPT_TEXT] = "";
    (void)state;
    log_line(LOG_LEVEL_ERROR, "one %s", "two\n<3>three\x1b[0m");
    assert_int_equal(log_last(1, copy_line, text), 1);
    assert_string_equal(text, "one two.<3>three.[0m");
}

/* Logging to a full pipe must not block; if it does, the alarm ends the test. */
static void logging_to_a_full_pipe_does_not_block(void **state)
{
    static char got[1 << 17];
    int ends[2], kept = dup(STDERR_FILENO);

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    alarm(60);
    for (int i = 0; i < 5000; i++)
        log_line(LOG_LEVEL_ERROR, "line %d that is not read", i);
    alarm(0);
    size_t len = (size_t)read(ends[0], got, sizeof(got) - 1);
    assert_true(len > 10000 && got[len - 1] == '\n');
    log_line(LOG_LEVEL_ERROR, "the pipe is read again");
    len = (size_t)read(ends[0], got, sizeof(got) - 1);
    assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
    close(kept);
    close(ends[0]);
    close(ends[1]);
    got[len] = '\0';
    const char *notice = strstr(got, " log lines were dropped");
    const char *last = strstr(got, "the pipe is read again");
    assert_true(notice && last && notice < last);
}

/* ---- peaks ---- */

static unsigned trim_cnt;

/* Overrides the C library's. */
int malloc_trim(size_t pad)
{
    (void)pad;
    trim_cnt++;
    return 0;
}

/* An oscillating load trims the heap once a second, not each time it falls. */
static void the_heap_is_trimmed_once_a_second(void **state)
{
    struct peak peak = {0};
    (void)state;
    now_freeze(1000000);
    peak_note(&peak, 99, 100);
    peak_note(&peak, 0, 100);
    assert_int_equal(trim_cnt, 0); /* too small for a peak */
    peak_note(&peak, 800, 100);
    peak_note(&peak, 101, 100);
    assert_int_equal(trim_cnt, 0); /* not over yet */
    peak_note(&peak, 100, 100);
    assert_int_equal(trim_cnt, 1);
    assert_int_equal(peak.most, 100);
    for (int ms = 0; ms < 999; ms++) {
        now_advance(1);
        peak_note(&peak, 800, 100);
        peak_note(&peak, 0, 100);
        assert_int_equal(trim_cnt, 1);
    }
    assert_int_equal(peak.most, 800); /* still recorded */
    now_advance(1);
    peak_note(&peak, 0, 100);
    assert_int_equal(trim_cnt, 2);
    now_advance(5000);
    peak_note(&peak, 0, 100);
    assert_int_equal(trim_cnt, 2); /* no peak since */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_sanitised),
        cmocka_unit_test(additions_to_null_are_not_counted),
        cmocka_unit_test(json_is_sanitised),
        cmocka_unit_test(a_log_line_has_no_line_breaks),
        cmocka_unit_test(logging_to_a_full_pipe_does_not_block),
        cmocka_unit_test(an_arena_enforces_its_cap),
        cmocka_unit_test(arena_allocations_do_not_overlap),
        cmocka_unit_test(a_cursor_fails_at_the_end_and_stays_failed),
        cmocka_unit_test(lists_lead_back_to_their_structs),
        cmocka_unit_test(a_safe_loop_may_free_its_item),
        cmocka_unit_test(addresses_are_read_and_printed),
        cmocka_unit_test(times_are_read_and_printed),
        cmocka_unit_test(durations_are_printed_in_words),
        cmocka_unit_test(a_fault_has_a_code_and_a_text),
        cmocka_unit_test(a_long_fault_is_truncated_visibly),
        cmocka_unit_test(files_are_read_whole),
        cmocka_unit_test(a_file_is_replaced_or_kept),
        cmocka_unit_test(a_file_is_read_in_one_state),
        cmocka_unit_test(secrets_that_others_can_write_are_rejected),
        cmocka_unit_test(folders_are_created_for_their_user),
        cmocka_unit_test(json_text_becomes_utf_8),
        cmocka_unit_test(json_is_written_and_read),
        cmocka_unit_test(findings_are_printed_with_line_and_caret),
        cmocka_unit_test(misspelled_words_are_found),
        cmocka_unit_test(the_heap_is_trimmed_once_a_second), /* last: it stops the clock */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
