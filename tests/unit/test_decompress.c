/* source/decompress.h: with the real tools; what is not installed is skipped. */
#include "scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "mailvane/source/decompress.h"

static char dir[SCRATCH_MAX];
static char path[300];

static int make_dir(void **state)
{
    (void)state;
    scratch_make(dir);
    snprintf(path, sizeof(path), "%s/mail.log", dir);
    return 0;
}

static int remove_dir(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir); /* nothing else was left there */
}

#define LINES 20000

/* A log of two hundred kilobytes and more: longer than any pipe holds. */
static char *make_text(size_t *len)
{
    char *text = malloc(LINES * 16);
    assert_non_null(text);
    *len = 0;
    for (unsigned i = 0; i < LINES; i++)
        *len += (size_t)snprintf(text + *len, 16, "line %u\n", i);
    return text;
}

static int open_file(struct decompress *d, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return decompress_open(d, path, fd, err);
}

/* Reads to the end; how many bytes. */
static size_t read_all(int fd, char *into, size_t room)
{
    size_t done = 0;
    ssize_t got;
    while ((got = read(fd, into + done, room - done)) > 0)
        done += (size_t)got;
    assert_int_equal(got, 0);
    return done;
}

/* False where the tool is not there. */
static bool pack(const char *tool)
{
    char command[1600];
    snprintf(command, sizeof(command),
             "command -v %s >/dev/null && %s -c <'%s' >'%s.new' && mv '%s.new' '%s'", tool, tool,
             path, path, path, path);
    return system(command) == 0;
}

static void test_packed(void **state)
{
    static const char *const tools[] = {"cat", "gzip", "bzip2", "xz", "zstd"};
    size_t len;
    char *text = make_text(&len), *got = malloc(len + 16);
    (void)state;
    for (size_t i = 0; i < LEN(tools); i++) {
        struct decompress d;
        struct error err = {.text = ""};
        file_write(path, slice_of(text, len));
        if (i && !pack(tools[i]))
            continue;
        expect_int(tools[i], "open", open_file(&d, &err), 0);
        expect_int(tools[i], "child", d.pid != 0, i != 0);
        expect_int(tools[i], "bytes", (long long)read_all(d.fd, got, len + 16), (long long)len);
        expect_int(tools[i], "difference", memcmp(got, text, len), 0);
        expect_int(tools[i], "close", decompress_close(&d, path, &err), 0);
        assert_string_equal(err.text, "");
    }
    free(text);
    free(got);
}

/* Short files, and ones that only begin like a packed one of fewer bytes. */
static void test_plain(void **state)
{
    static const struct {
        const char *name;
        struct slice bytes;
    } rows[] = {
        {"empty", SLICE_INIT("")},
        {"one byte", SLICE_INIT("\x1f")},
        {"BZ", SLICE_INIT("BZ\n")},
        {"a line", SLICE_INIT("Nov 22 03:27:15 x\n")},
        {"xz cut", SLICE_INIT("\xfd"
                              "7zX")},
        {"NUL", SLICE_INIT("\0\0\0\0")},
    };
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct decompress d;
        struct error err = {.text = ""};
        char got[64];
        file_write(path, rows[i].bytes);
        expect_int(rows[i].name, "open", open_file(&d, &err), 0);
        expect_int(rows[i].name, "no child", d.pid, 0);
        size_t len = read_all(d.fd, got, sizeof(got));
        expect_slice(rows[i].name, "bytes", slice_of(got, len), rows[i].bytes);
        expect_int(rows[i].name, "close", decompress_close(&d, path, &err), 0);
    }
}

/* The bytes may not be whole, and that is said with the file's name. */
static void test_damaged(void **state)
{
    static const struct {
        const char *name;
        struct slice bytes;
    } rows[] = {
        {"gzip head alone", SLICE_INIT("\x1f\x8b\x08\x00")},
        {"gzip rubbish", SLICE_INIT("\x1f\x8b\x08\x00rubbish rubbish rubbish rubbish")},
    };
    (void)state;
    for (size_t i = 0; i < LEN(rows); i++) {
        struct decompress d;
        struct error err = {.text = ""};
        char got[64];
        file_write(path, rows[i].bytes);
        expect_int(rows[i].name, "open", open_file(&d, &err), 0);
        read_all(d.fd, got, sizeof(got));
        expect_int(rows[i].name, "close", decompress_close(&d, path, &err), -1);
        assert_non_null(strstr(err.text, path));
    }
}

/* Whoever stops before the end leaves no child behind, and does not wait for ever. */
static void test_stop_early(void **state)
{
    struct decompress d;
    struct error err = {.text = ""};
    size_t len;
    char *text = make_text(&len), byte;
    (void)state;
    file_write(path, slice_of(text, len));
    free(text);
    if (!pack("gzip"))
        skip();
    assert_int_equal(open_file(&d, &err), 0);
    assert_int_equal(read(d.fd, &byte, 1), 1);
    pid_t pid = d.pid;
    decompress_close(&d, path, &err);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packed),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_stop_early),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
