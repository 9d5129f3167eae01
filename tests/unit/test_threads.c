/* The team: every piece once, whatever the team and the number of pieces; many short calls; sleepers between calls;
 * and how many cores a process is told it has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/cores.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/threads.h"

enum { MOST_PIECES = 1000, MOST_TEAM = 256 };

/* Plain, not atomic: each is written by one thread at a time if the team keeps its promise; TSan sees it if not. */
struct tally { int calls[MOST_PIECES]; int by_thread[MOST_TEAM]; int team; };

static void count_piece(void *arg, int piece, int thread) {
    struct tally *tally = arg;
    tally->calls[piece]++;
    tally->by_thread[thread]++;
}

static void check_run(struct threads *team, struct tally *tally, int pieces) {
    memset(tally, 0, sizeof *tally);
    threads_run(team, pieces, count_piece, tally);
    int total = 0;
    for (int i = 0; i < MOST_PIECES; i++) {
        assert_int_equal(tally->calls[i], i < pieces);
    }
    for (int i = 0; i < MOST_TEAM; i++) {
        assert_true(tally->by_thread[i] == 0 || i < threads_count(team));
        total += tally->by_thread[i];
    }
    assert_int_equal(total, pieces);
}

static void test_every_piece_once(void **state) {
    (void)state;
    static const int sizes[] = {1, 2, 3, 7, 32, 256}, pieces[] = {0, 1, 2, 3, 8, 31, 257, 1000};
    struct err err = {0};
    struct tally tally;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct threads *team = threads_make(sizes[s], &err);
        assert_non_null(team);
        assert_int_equal(threads_count(team), sizes[s]);
        for (int repeat = 0; repeat < 5; repeat++) {
            for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
                check_run(team, &tally, pieces[p]);
            }
        }
        threads_free(team);
    }
    check_run(NULL, &tally, 10);
    threads_free(NULL);
}

static void test_many_short_calls(void **state) {
    (void)state;
    struct err err = {0};
    struct tally tally = {0};
    for (int size = 2; size <= 5; size += 3) {
        struct threads *team = threads_make(size, &err);
        memset(&tally, 0, sizeof tally);
        for (int i = 0; i < 5000; i++) {
            threads_run(team, 2 + i % 5, count_piece, &tally);
        }
        assert_int_equal(tally.calls[0], 5000);
        assert_int_equal(tally.calls[1], 5000);
        assert_int_equal(tally.calls[5], 1000);
        threads_free(team);
    }
}

static void nap(long microseconds) {
    nanosleep(&(struct timespec){.tv_nsec = microseconds * 1000}, NULL);
}

/* Around the time at which workers stop to spin and go to sleep, where a late one may meet the next job. */
static void test_sleepers_wake(void **state) {
    (void)state;
    struct err err = {0};
    struct tally tally;
    struct threads *team = threads_make(3, &err);
    for (long i = 0; i < 300; i++) {
        nap(i % 150);
        check_run(team, &tally, 6);
    }
    threads_free(team);
}

/* Two pieces that each wait for the other's start: only two threads can end this. */
static void meet(void *arg, int piece, int thread) {
    (void)thread;
    int *here = arg;
    __atomic_store_n(&here[piece], 1, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&here[1 - piece], __ATOMIC_SEQ_CST)) {
        nap(10);
    }
}

static void test_threads_work_at_once(void **state) {
    (void)state;
    struct err err = {0};
    struct threads *team = threads_make(2, &err);
    for (int i = 0; i < 20; i++) {
        int here[2] = {0};
        alarm(60);   /* a team that leaves all to the caller would hang */
        threads_run(team, 2, meet, here);
        nap(i % 4 * 100);
    }
    alarm(0);
    threads_free(team);
}

static void slow_piece(void *arg, int piece, int thread) {
    (void)thread;
    nap(3000);
    ((int *)arg)[piece] = piece + 1;
}

/* The caller, done first, sleeps until the last piece is in, and sees what it wrote. */
static void test_caller_waits(void **state) {
    (void)state;
    struct err err = {0};
    struct threads *team = threads_make(4, &err);
    for (int i = 0; i < 10; i++) {
        int results[5] = {0};
        threads_run(team, 5, slow_piece, results);
        for (int k = 0; k < 5; k++) {
            assert_int_equal(results[k], k + 1);
        }
    }
    threads_free(team);
}

static void see_signals(void *arg, int piece, int thread) {
    (void)piece;
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    if (thread > 0 && !sigismember(&now, SIGINT)) {
        __atomic_store_n((int *)arg, 1, __ATOMIC_SEQ_CST);
    }
    nap(500);
}

static void test_signals_are_the_callers(void **state) {
    (void)state;
    struct err err = {0};
    struct threads *team = threads_make(3, &err);
    int open = 0;
    sigset_t now;
    threads_run(team, 12, see_signals, &open);
    assert_int_equal(open, 0);
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    assert_false(sigismember(&now, SIGINT));
    threads_free(team);
}

static void test_sizes_refused(void **state) {
    (void)state;
    struct err err = {0};
    assert_null(threads_make(0, &err));
    assert_null(threads_make(257, &err));
    assert_null(threads_make(-1, &err));
    assert_int_equal(err.count, 3);
    assert_int_equal(err.status, STATUS_REFUSED);
    assert_string_equal(err.sentences[0], "threads: want 1..256, found 0");
    err_free(&err);
    assert_int_equal(threads_count(NULL), 1);
}

/* A made-up /proc and /sys. */
static char root[] = "/tmp/dlcli-cores-XXXXXX";

static void put(const char *path, const char *content) {
    struct err err = {0};
    char *full = mem_format("%s%s", root, path), *folder = mem_copy(full);
    *strrchr(folder, '/') = '\0';
    assert_int_equal(file_make_folder(folder, &err), 0);
    assert_int_equal(file_write(full, content, strlen(content), &err), 0);
    free(folder);
    free(full);
}

static int make_root(void **state) {
    (void)state;
    memcpy(strrchr(root, '-'), "-XXXXXX", 8);
    return mkdtemp(root) == NULL;
}

static int remove_root(void **state) {
    (void)state;
    char *command = mem_format("rm -r %s", root);
    int status = system(command);
    free(command);
    return status;
}

static const char V2[] = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
static const char V1[] = "31 23 0:27 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
                         "32 23 0:28 /docker/abc /sys/fs/cgroup/cpuset ro shared:9 - cgroup cgroup rw,cpuset\n";

static int all_cores(void) {
    return cores_usable("/nonexistent");
}

static void test_quota_v2(void **state) {
    (void)state;
    put("/proc/self/mountinfo", V2);
    put("/proc/self/cgroup", "0::/user.slice/app\n");
    put("/sys/fs/cgroup/user.slice/app/cpu.max", "max 100000\n");
    assert_int_equal(cores_usable(root), all_cores());
    put("/sys/fs/cgroup/user.slice/app/cpu.max", "50000 100000\n");
    assert_int_equal(cores_usable(root), 1);
    put("/sys/fs/cgroup/user.slice/app/cpu.max", "100001 100000\n");   /* rounded up */
    assert_int_equal(cores_usable(root), all_cores() < 2 ? 1 : 2);
    put("/sys/fs/cgroup/user.slice/app/cpu.max", "100000000 100000\n");
    assert_int_equal(cores_usable(root), all_cores());
    put("/sys/fs/cgroup/user.slice/cpu.max", "1000 100000\n");         /* the group above holds too */
    assert_int_equal(cores_usable(root), 1);
}

static void test_quota_v1(void **state) {
    (void)state;
    put("/proc/self/mountinfo", V1);
    put("/proc/self/cgroup", "9:cpuset:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/\n");
    put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
    put("/sys/fs/cgroup/cpuset/cpu.cfs_quota_us", "1\n");              /* not the hierarchy that counts */
    put("/sys/fs/cgroup/cpuset/cpu.cfs_period_us", "100000\n");
    assert_int_equal(cores_usable(root), all_cores());
    put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "90000\n");
    assert_int_equal(cores_usable(root), 1);
}

static void test_quota_nonsense(void **state) {
    (void)state;
    put("/proc/self/mountinfo", "\n - \n1 2 3\n30 23 0:26 / - cgroup2\n30 23 0:26 / /sys/fs/cgroup rw - cgroup2 x y\n");
    put("/proc/self/cgroup", "\n:\n0:\n0::\n0::/a/b\n");
    put("/sys/fs/cgroup/a/cpu.max", "99999999999999999999999999999999999999999999999999 x\n");
    assert_int_equal(cores_usable(root), all_cores());
    put("/sys/fs/cgroup/a/cpu.max", "-5 0\n");
    assert_int_equal(cores_usable(root), all_cores());
    put("/sys/fs/cgroup/a/cpu.max", "");
    assert_int_equal(cores_usable(root), all_cores());
}

static void test_default(void **state) {
    (void)state;
    assert_in_range(threads_default(), 1, 256);
    assert_true(threads_default() <= all_cores());
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_piece_once), cmocka_unit_test(test_many_short_calls),
        cmocka_unit_test(test_sleepers_wake), cmocka_unit_test(test_threads_work_at_once),
        cmocka_unit_test(test_caller_waits), cmocka_unit_test(test_signals_are_the_callers),
        cmocka_unit_test(test_sizes_refused), cmocka_unit_test_setup_teardown(test_quota_v2, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_quota_v1, make_root, remove_root),
        cmocka_unit_test_setup_teardown(test_quota_nonsense, make_root, remove_root), cmocka_unit_test(test_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
