/* Files: limits, gzip, atomic writing, full disks, leftovers, folders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"

static char folder[] = "/tmp/dlcli-file-XXXXXX";

/* Every test runs in an empty folder of its own. */
static int enter(void **state) {
    (void)state;
    memcpy(strrchr(folder, '-'), "-XXXXXX", 8);
    return mkdtemp(folder) == NULL || chdir(folder) != 0;
}

static int leave(void **state) {
    (void)state;
    char *command = mem_format("rm -r %s", folder);
    int status = chdir("/") != 0 || system(command) != 0;
    free(command);
    return status;
}

static void put(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
}

static void check_read(const char *path, int gunzip, const void *want, size_t size) {
    struct err err = {0};
    unsigned char *bytes = NULL;
    size_t got = 0;
    assert_int_equal(file_read(path, gunzip, 1 << 24, STATUS_REFUSED, &bytes, &got, &err), 0);
    assert_int_equal(got, size);
    assert_memory_equal(bytes, want, size);
    assert_int_equal(bytes[size], 0);
    free(bytes);
}

/* Reading fails with a sentence that has `part` in it. */
static void check_refused(const char *path, int gunzip, size_t most, const char *part) {
    struct err err = {0};
    unsigned char *bytes = NULL;
    size_t size = 0;
    assert_int_equal(file_read(path, gunzip, most, STATUS_REFUSED, &bytes, &size, &err), -1);
    assert_int_equal(err.count, 1);
    assert_int_equal(err.status, STATUS_REFUSED);
    assert_null(bytes);
    if (strstr(err.sentences[0], part) == NULL) {
        fail_msg("\"%s\" says nothing of \"%s\"", err.sentences[0], part);
    }
    err_free(&err);
}

/* Appends `size` bytes as a gzip member. */
static void pack(struct text *out, const void *bytes, size_t size) {
    static unsigned char room[1 << 20];
    z_stream z = {.next_in = (unsigned char *)bytes, .avail_in = (uInt)size};
    z.next_out = room;
    z.avail_out = sizeof room;
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    text_add_n(out, (char *)room, z.total_out);
    deflateEnd(&z);
}

/* The number of entries of the test's folder. */
static int entries(void) {
    int count = -2;   /* "." and ".." */
    DIR *here = opendir(".");
    while (readdir(here) != NULL) {
        count++;
    }
    closedir(here);
    return count;
}

static void test_read(void **state) {
    (void)state;
    char large[200000];
    memset(large, 'x', sizeof large);
    put("empty", "", 0);
    put("small", "a\0b", 3);
    put("large", large, sizeof large);
    check_read("empty", 1, "", 0);
    check_read("small", 1, "a\0b", 3);
    check_read("large", 0, large, sizeof large);
    check_read("/dev/null", 0, "", 0);
}

static void test_read_limits(void **state) {
    (void)state;
    put("ten", "0123456789", 10);
    struct err err = {0};
    unsigned char *bytes;
    size_t size;
    assert_int_equal(file_read("ten", 0, 10, STATUS_FAILED, &bytes, &size, &err), 0);
    assert_int_equal(size, 10);
    free(bytes);
    check_refused("ten", 0, 9, "ten: larger than the 9 bytes");
    check_refused("ten", 1, 9, "larger than the 9 bytes");
    check_refused("ten", 0, 0, "larger");
    check_refused("/dev/zero", 0, 100000, "larger");   /* has no size to look at first */
    check_refused("none", 0, 10, "none: can't be opened: No such file");
    check_refused(".", 0, 10, "folder");
}

static void test_read_pipe(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "through a pipe", 14), 14);
    close(ends[1]);
    int before = dup(STDIN_FILENO);
    dup2(ends[0], STDIN_FILENO);
    check_read("-", 1, "through a pipe", 14);
    dup2(before, STDIN_FILENO);
    close(before);
    close(ends[0]);
}

static void test_gunzip(void **state) {
    (void)state;
    struct text packed = {0};
    pack(&packed, "one ", 4);
    put("one.gz", packed.text, packed.length);
    check_read("one.gz", 1, "one ", 4);
    check_read("one.gz", 0, packed.text, packed.length);
    pack(&packed, "", 0);
    pack(&packed, "two", 3);
    put("two", packed.text, packed.length);
    check_read("two", 1, "one two", 7);
    text_add_n(&packed, "\0\0\0", 3);   /* padding, as tapes leave it */
    put("padded", packed.text, packed.length);
    check_read("padded", 1, "one two", 7);
    text_add_n(&packed, "junk", 4);
    put("junk", packed.text, packed.length);
    check_refused("junk", 1, 1000, "7 bytes of junk");
    text_free(&packed);
}

/* Cut anywhere, a gzip stream is refused or (shorter than its first three bytes) no gzip. */
static void test_gunzip_cut(void **state) {
    (void)state;
    struct text packed = {0};
    pack(&packed, "some text, some more text, and more text", 40);
    for (size_t length = 3; length < packed.length; length++) {
        put("cut", packed.text, length);
        check_refused("cut", 1, 1000, "cut: the gzip data is cut off");
    }
    packed.text[packed.length - 6] ^= 1;   /* in the checksum */
    put("bad", packed.text, packed.length);
    check_refused("bad", 1, 1000, "corrupt: incorrect data check");
    text_free(&packed);
}

static void test_gunzip_bomb(void **state) {
    (void)state;
    static char zeros[1 << 20];
    struct text packed = {0};
    for (int i = 0; i < 64; i++) {
        pack(&packed, zeros, sizeof zeros);
    }
    assert_true(packed.length < 100000);
    put("bomb", packed.text, packed.length);
    check_refused("bomb", 1, 1 << 20, "larger than the 1048576 bytes that are accepted once unpacked");
    text_free(&packed);
}

/* What does not get smaller by packing still comes in when its unpacked size is just allowed. */
static void test_gunzip_random(void **state) {
    (void)state;
    static unsigned char bytes[300000];
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof bytes; i++) {
        x = x * 1664525 + 1013904223;
        bytes[i] = (unsigned char)(x >> 24);
    }
    struct text packed = {0};
    pack(&packed, bytes, sizeof bytes);
    assert_true(packed.length > sizeof bytes);
    put("random.gz", packed.text, packed.length);
    struct err err = {0};
    unsigned char *out;
    size_t size;
    assert_int_equal(file_read("random.gz", 1, sizeof bytes, STATUS_FAILED, &out, &size, &err), 0);
    assert_int_equal(size, sizeof bytes);
    assert_memory_equal(out, bytes, size);
    free(out);
    text_free(&packed);
}

static void test_write(void **state) {
    (void)state;
    struct err err = {0};
    assert_int_equal(file_write("a", "old", 3, &err), 0);
    check_read("a", 0, "old", 3);
    struct file_writer w;
    assert_int_equal(file_begin(&w, "a", &err), 0);
    assert_int_equal(file_put(&w, "new ", 4, &err), 0);
    check_read("a", 0, "old", 3);   /* until it is whole */
    assert_int_equal(file_put(&w, "content", 7, &err), 0);
    assert_int_equal(file_commit(&w, &err), 0);
    check_read("a", 0, "new content", 11);
    assert_int_equal(entries(), 1);
    struct stat st;
    mode_t mask = umask(0);
    umask(mask);
    assert_int_equal(stat("a", &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666 & ~mask);
}

static void test_abandon(void **state) {
    (void)state;
    struct err err = {0};
    struct file_writer w = {0};
    file_abandon(&w);
    put("a", "old", 3);
    assert_int_equal(file_begin(&w, "a", &err), 0);
    file_put(&w, "new", 3, &err);
    assert_int_equal(entries(), 2);
    file_abandon(&w);
    file_abandon(&w);
    assert_int_equal(entries(), 1);
    check_read("a", 0, "old", 3);
}

/* Two writers of one file don't get into each other's way; the last one wins. */
static void test_two_writers(void **state) {
    (void)state;
    struct err err = {0};
    struct file_writer a, b;
    assert_int_equal(file_begin(&a, "x", &err), 0);
    assert_int_equal(file_begin(&b, "x", &err), 0);
    file_put(&a, "from a", 6, &err);
    file_put(&b, "from b, longer", 14, &err);
    assert_int_equal(file_commit(&b, &err), 0);
    check_read("x", 0, "from b, longer", 14);
    assert_int_equal(file_commit(&a, &err), 0);
    check_read("x", 0, "from a", 6);
    assert_int_equal(entries(), 1);
}

/* What killed writers leave does not pile up. */
static void test_leftovers(void **state) {
    (void)state;
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();
        if (child == 0) {
            struct err none = {0};
            struct file_writer w;
            file_begin(&w, "x", &none);
            file_put(&w, "much longer than what comes later", 33, &none);
            fflush(w.file);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_int_equal(entries(), 1);
    }
    struct err err = {0};
    assert_int_equal(file_write("x", "short", 5, &err), 0);
    check_read("x", 0, "short", 5);
    assert_int_equal(entries(), 1);
}

/* A full disk: nothing fits beyond 64 KiB. `part`: how much is written at a time. */
static void check_full_disk(size_t part) {
    struct err err = {0};
    static char bytes[100000];
    put("a", "old", 3);
    struct file_writer w;
    assert_int_equal(file_begin(&w, "a", &err), 0);
    int failed = 0;
    for (size_t at = 0; !failed && at + part <= sizeof bytes; at += part) {
        failed = file_put(&w, bytes, part, &err) != 0;
    }
    assert_int_equal(file_commit(&w, &err), -1);
    assert_true(err.count > 0);
    assert_int_equal(err.status, STATUS_FAILED);
    assert_non_null(strstr(err.sentences[0], "a: can't be written: File too large"));
    err_free(&err);
    check_read("a", 0, "old", 3);
    assert_int_equal(entries(), 1);
}

static void test_full_disk(void **state) {
    (void)state;
    struct rlimit before, small = {.rlim_cur = 65536};
    getrlimit(RLIMIT_FSIZE, &before);
    small.rlim_max = before.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    check_full_disk(100000);
    check_full_disk(1000);
    check_full_disk(65600);   /* the last few bytes are still in stdio's buffer when it ends */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_DFL);
}

static void test_devices(void **state) {
    (void)state;
    struct err err = {0};
    assert_int_equal(file_write("/dev/null", "gone", 4, &err), 0);
    struct stat st;
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));   /* written, not replaced */
    assert_int_equal(file_write("/dev/full", "x", 1, &err), -1);
    assert_string_equal(err.sentences[0], "/dev/full: can't be written: No space left on device");
    err_free(&err);
}

static void test_write_refused(void **state) {
    (void)state;
    struct err err = {0};
    assert_int_equal(file_write("no/such/folder", "x", 1, &err), -1);
    assert_non_null(strstr(err.sentences[0], "no/such/folder: can't be written: No such file"));
    assert_int_equal(file_write(".", "x", 1, &err), -1);
    assert_non_null(strstr(err.sentences[1], "Is a directory"));
    assert_int_equal(entries(), 0);
    err_free(&err);
}

static void test_write_through_link(void **state) {
    (void)state;
    struct err err = {0};
    put("real", "old", 3);
    assert_int_equal(symlink("real", "link"), 0);
    assert_int_equal(file_write("link", "new", 3, &err), 0);
    struct stat st;
    assert_int_equal(lstat("link", &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    check_read("real", 0, "new", 3);
    assert_int_equal(symlink("victim", ".b.part-0"), 0);   /* a link in place of our temporary name is not followed */
    assert_int_equal(symlink("none", ".c.part-0"), 0);
    put("victim", "precious", 8);
    assert_int_equal(file_write("b", "b", 1, &err), 0);
    assert_int_equal(file_write("c", "c", 1, &err), 0);
    check_read("victim", 0, "precious", 8);
    assert_false(file_exists("none"));
}

static void test_stdout(void **state) {
    (void)state;
    struct err err = {0};
    int ends[2], before = dup(STDOUT_FILENO);
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    dup2(ends[1], STDOUT_FILENO);
    int result = file_write("-", "out", 3, &err);
    dup2(before, STDOUT_FILENO);
    close(before);
    close(ends[1]);
    char got[10] = "";
    assert_int_equal(result, 0);
    assert_int_equal(read(ends[0], got, sizeof got - 1), 3);
    assert_string_equal(got, "out");
    close(ends[0]);
}

static void test_folders(void **state) {
    (void)state;
    struct err err = {0};
    assert_int_equal(file_make_folder("a/b//c/", &err), 0);
    assert_true(file_is_folder("a/b/c"));
    assert_int_equal(file_make_folder("a/b/c", &err), 0);
    put("a/file", "", 0);
    assert_int_equal(file_make_folder("a/file/x", &err), -1);
    assert_non_null(strstr(err.sentences[0], "a/file: can't be made a folder"));
    assert_false(file_is_folder("a/file"));
    assert_true(file_exists("a/file"));
    assert_false(file_exists("a/none"));
    char *whole = mem_format("%s/d/e", folder);
    assert_int_equal(file_make_folder(whole, &err), 0);
    assert_true(file_is_folder("d/e"));
    free(whole);
    err_free(&err);
}

static void check_found(const char *path, const char *want) {
    char *found = file_find_data(path);
    if (want == NULL) {
        assert_null(found);
    } else {
        assert_string_equal(found, want);
    }
    free(found);
}

static void test_find_data(void **state) {
    (void)state;
    struct err err = {0};
    file_make_folder("here/data/both", &err);
    file_make_folder("sets/mnist", &err);
    file_make_folder("sets/data/deep", &err);
    file_make_folder("sets/both", &err);
    unsetenv("DLCLI_DATA");
    check_found("here/data/both", "here/data/both");
    check_found("mnist", NULL);
    setenv("DLCLI_DATA", "sets", 1);
    check_found("mnist", "sets/mnist");
    check_found("data/mnist", "sets/mnist");
    check_found("./data/mnist", "sets/mnist");
    check_found("data/deep", "sets/data/deep");
    check_found("here/data/both", "here/data/both");
    check_found("data/none", NULL);
    check_found("/none", NULL);
    unsetenv("DLCLI_DATA");
}

int main(void) {
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter, leave)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(test_read), IN_FOLDER(test_read_limits), IN_FOLDER(test_read_pipe), IN_FOLDER(test_gunzip),
        IN_FOLDER(test_gunzip_cut), IN_FOLDER(test_gunzip_bomb), IN_FOLDER(test_gunzip_random), IN_FOLDER(test_write),
        IN_FOLDER(test_abandon), IN_FOLDER(test_two_writers), IN_FOLDER(test_leftovers), IN_FOLDER(test_full_disk),
        IN_FOLDER(test_devices), IN_FOLDER(test_write_refused), IN_FOLDER(test_write_through_link),
        IN_FOLDER(test_stdout), IN_FOLDER(test_folders), IN_FOLDER(test_find_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
