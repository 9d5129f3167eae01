/* Sentences: kept, counted, moved; the nearest name; small memory (mem.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/err.h"
#include "base/mem.h"

/* Sizes no machine has must come back as NULL under ASan too, which ends the process unless told. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "allocator_may_return_null=1";
}
const char *__tsan_default_options(void);
const char *__tsan_default_options(void) {
    return "allocator_may_return_null=1";
}

static void test_first_status_stays(void **state) {
    (void)state;
    struct err err = {0};
    assert_int_equal(err_add(&err, STATUS_REFUSED, "a.cfg:%d: want %s", 3, "more"), -1);
    errno = ENOENT;
    assert_int_equal(err_errno(&err, STATUS_FAILED, "x/y", "can't be opened"), -1);
    assert_int_equal(err.status, STATUS_REFUSED);
    assert_int_equal(err.count, 2);
    assert_string_equal(err.sentences[0], "a.cfg:3: want more");
    assert_string_equal(err.sentences[1], "x/y: can't be opened: No such file or directory");
    err_free(&err);
    assert_int_equal(err.count, 0);
    assert_null(err.sentences[0]);
}

static void test_many_are_counted(void **state) {
    (void)state;
    struct err err = {0};
    for (int i = 0; i < ERR_MOST + 5; i++) {
        err_add(&err, STATUS_FAILED, "%d", i);
        err_warn(&err, "w%d", i);
    }
    assert_int_equal(err.count, ERR_MOST + 5);
    assert_int_equal(err.warnings, ERR_MOST + 5);
    assert_string_equal(err.sentences[ERR_MOST - 1], "39");
    err_free(&err);
}

static void test_same_warning_once(void **state) {
    (void)state;
    struct err err = {0};
    err_warn(&err, "key %s", "angle");
    err_warn(&err, "key hue");
    err_warn(&err, "key angle");
    assert_int_equal(err.warnings, 2);
    assert_int_equal(err.count, 0);
    err_free(&err);
}

static void test_move(void **state) {
    (void)state;
    struct err to = {0}, from = {0};
    err_warn(&to, "same");
    err_warn(&from, "same");
    assert_int_equal(err_move(&to, &from), 0);
    assert_int_equal(to.warnings, 1);
    for (int i = 0; i < ERR_MOST + 2; i++) {
        err_add(&from, STATUS_DIVERGED, "f%d", i);
    }
    assert_int_equal(err_move(&to, &from), -1);
    assert_int_equal(to.status, STATUS_DIVERGED);
    assert_int_equal(to.count, ERR_MOST + 2);
    assert_int_equal(from.count, 0);
    assert_null(from.sentences[0]);
    err_add(&from, STATUS_FAILED, "late");
    err_move(&to, &from);
    assert_int_equal(to.count, ERR_MOST + 3);
    assert_int_equal(to.status, STATUS_DIVERGED);
    err_free(&to);
}

static void test_nearest(void **state) {
    (void)state;
    static const char *const names[] = {"stride", "size", "filters", "pad", "padding", "activation", NULL};
    assert_string_equal(err_nearest("strid", names), "stride");
    assert_string_equal(err_nearest("stirde", names), "stride");
    assert_non_null(err_nearest("ap", (const char *const[]){"pa", NULL}));   /* two neighbours swapped: one edit */
    assert_string_equal(err_nearest("fliters", names), "filters");
    assert_string_equal(err_nearest("activatoin", names), "activation");
    assert_string_equal(err_nearest("pda", names), "pad");
    assert_string_equal(err_nearest("padding", names), "padding");
    assert_null(err_nearest("momentum", names));
    assert_null(err_nearest("", (const char *const[]){"ab", NULL}));
    char endless[1000];
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_null(err_nearest(endless, names));
    assert_null(err_nearest("pad", (const char *const[]){endless, NULL}));
}

static void test_nearest_limit(void **state) {
    (void)state;
    assert_non_null(err_nearest("abcdef", (const char *const[]){"abc", NULL}));    /* 3 edits, 1 + 6 / 3 = 3 allowed */
    assert_null(err_nearest("abcdef", (const char *const[]){"ab", NULL}));
}

static void test_products(void **state) {
    (void)state;
    size_t product;
    assert_int_equal(mem_mul(1u << 20, 1u << 20, &product), 0);
    assert_int_equal(product, (size_t)1 << 40);
    assert_int_equal(mem_mul(SIZE_MAX, 1, &product), 0);
    assert_int_equal(mem_mul(SIZE_MAX / 2 + 1, 2, &product), 1);
    assert_int_equal(product, SIZE_MAX);
    assert_int_equal(mem_mul(SIZE_MAX, 0, &product), 0);
}

static void check_zeroed(unsigned char *block, size_t bytes, size_t alignment) {
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % alignment, 0);
    for (size_t i = 0; i < bytes; i++) {
        assert_true(block[i] == 0);
    }
    memset(block, 0xa5, bytes);
    free(block);
}

static void test_blocks(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 63, 64, 65, 4095, 4096, 100000, 4194303, 4194304, 6000001};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_zeroed(mem_aligned(sizes[i]), (sizes[i] + 63) / 64 * 64, sizes[i] >= 4194304 ? 2097152 : 64);
        check_zeroed(mem_try(sizes[i], 1), sizes[i], sizes[i] >= 4096 ? 64 : 8);
    }
}

static void test_impossible_sizes(void **state) {
    (void)state;
    volatile size_t huge = SIZE_MAX;   /* volatile: the compiler would warn of what is tested here */
    assert_null(mem_try(huge, 2));
    assert_null(mem_try(huge / 2, 3));
    assert_null(mem_try(huge, 1));
    assert_null(mem_aligned(huge));
    assert_null(mem_aligned(huge / 2 - 100));
    assert_null(mem_try((size_t)1 << 45, 1));   /* 32 TiB */
}

static void test_need_ends_the_process(void **state) {
    (void)state;
    int out[2];
    assert_int_equal(pipe(out), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(out[1], STDERR_FILENO);
        volatile size_t huge = SIZE_MAX;
        mem_need(huge, 8);
        _exit(0);
    }
    close(out[1]);
    char said[100] = "";
    assert_true(read(out[0], said, sizeof said - 1) > 0);
    close(out[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    assert_string_equal(said, "dlcli: out of memory\n");
}

static void test_grow(void **state) {
    (void)state;
    int *items = NULL;
    size_t room = 0;
    for (size_t i = 0; i < 1000; i++) {
        items = mem_grow(items, &room, i, sizeof *items);
        assert_true(room > i);
        assert_int_equal(items[i], 0);   /* new room is zeroed */
        items[i] = (int)i + 1;
    }
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(items[i], i + 1);
    }
    free(items);
}

static void test_text(void **state) {
    (void)state;
    struct text t = {0};
    text_add_n(&t, NULL, 0);
    assert_string_equal(t.text, "");
    text_add(&t, "%s=%d", "a", 5);
    text_add_n(&t, "b\0c", 3);
    assert_int_equal(t.length, 6);
    assert_memory_equal(t.text, "a=5b\0c", 7);
    for (int i = 0; i < 1000; i++) {
        text_add(&t, "%03d", i);
    }
    assert_int_equal(t.length, 3006);
    assert_string_equal(t.text + 3000, "998999");   /* 6 + 3 * 998 */
    text_free(&t);
    assert_null(t.text);
    char *copies[] = {mem_copy("xyz"), mem_copy_n("xyz", 2), mem_format("%c%s", 'x', "y")};
    assert_string_equal(copies[0], "xyz");
    assert_string_equal(copies[1], "xy");
    assert_string_equal(copies[2], "xy");
    for (int i = 0; i < 3; i++) {
        free(copies[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_status_stays), cmocka_unit_test(test_many_are_counted),
        cmocka_unit_test(test_same_warning_once), cmocka_unit_test(test_move), cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_nearest_limit), cmocka_unit_test(test_products), cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_impossible_sizes), cmocka_unit_test(test_need_ends_the_process),
        cmocka_unit_test(test_grow), cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
