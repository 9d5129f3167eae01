/* The team of threads (threads.h).
 *
 * One counter, `unclaimed`, hands out pieces: whoever takes it down from above zero owns a piece, and the job can't end
 * before that piece is done, so its fields may be read; whoever finds it at zero or below touches nothing else. One
 * that wakes late from an older job therefore does no harm: it finds nothing, or helps with the newer one, and no run
 * waits for sleepers to report. */
#include "base/threads.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cores.h"
#include "base/mem.h"

enum { MOST = 256, LINE = 64, SPIN_NANOSECONDS = 50000, SPIN_PAUSES = 64 };

struct worker { struct threads *team; int thread; pthread_t handle; };

struct threads {
    int count, started;
    long spin;                            /* nanoseconds to spin before sleep; 0 where the team outnumbers the cores */
    struct worker *workers;               /* [0] is the caller's place and unused */
    int pieces;                           /* the job: written while no piece is unclaimed or unfinished */
    threads_work *work;
    void *arg;
    _Alignas(LINE) atomic_int unclaimed;  /* pieces still to be taken; below zero: taken by nobody */
    _Alignas(LINE) atomic_uint unfinished;/* pieces not done yet; the caller sleeps on it */
    atomic_int caller_sleeps;
    _Alignas(LINE) atomic_uint bell;      /* workers sleep on it */
    atomic_int sleepers, stop;
};

/* Sleeps while *word is `value`; may return early. */
static void futex_wait(atomic_uint *word, unsigned value) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(atomic_uint *word, int sleepers) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, sleepers, NULL, NULL, 0);
}

static void pause_once(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static long nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000L + now.tv_nsec;
}

static int workers_wanted(struct threads *team) {
    return atomic_load(&team->unclaimed) > 0 || atomic_load(&team->stop);
}

static int pieces_done(struct threads *team) {
    return atomic_load(&team->unfinished) == 0;
}

/* Spins until ready(team), for the team's time at most. Returns whether it is. */
static int team_spin(struct threads *team, int (*ready)(struct threads *)) {
    long end = 0;
    for (unsigned i = 0; !ready(team); i++) {
        pause_once();
        if (i % SPIN_PAUSES == SPIN_PAUSES - 1) {
            long now = team->spin > 0 ? nanoseconds() : 0;
            end = end == 0 ? now + team->spin : end;
            if (now >= end) {
                return 0;
            }
        }
    }
    return 1;
}

/* Takes pieces until none is left. */
static void team_work(struct threads *team, int thread) {
    unsigned done = 0;
    int left;
    while ((left = atomic_fetch_sub(&team->unclaimed, 1)) > 0) {
        team->work(team->arg, team->pieces - left, thread);
        done++;
    }
    if (done > 0 && atomic_fetch_sub(&team->unfinished, done) == done && atomic_load(&team->caller_sleeps)) {
        futex_wake(&team->unfinished, 1);
    }
}

/* No wake-up is lost: here it is sleepers, bell, a look at the pieces; in team_call pieces, look at sleepers, bell. */
static void worker_sleep(struct threads *team) {
    atomic_fetch_add(&team->sleepers, 1);
    for (;;) {
        unsigned seen = atomic_load(&team->bell);
        if (workers_wanted(team)) {
            break;
        }
        futex_wait(&team->bell, seen);
    }
    atomic_fetch_sub(&team->sleepers, 1);
}

static void *worker_main(void *arg) {
    struct worker *worker = arg;
    struct threads *team = worker->team;
    while (!atomic_load(&team->stop)) {
        if (!team_spin(team, workers_wanted)) {
            worker_sleep(team);
        }
        team_work(team, worker->thread);
    }
    return NULL;
}

int thread_start(pthread_t *handle, void *(*body)(void *), void *arg) {
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGPROF};
    sigset_t all, before;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        sigdelset(&all, own[i]);
    }
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int status = pthread_create(handle, NULL, body, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status;
}

static int team_start(struct threads *team, struct err *err) {
    int status = 0;
    for (int i = 1; i < team->count && status == 0; i++) {
        team->workers[i] = (struct worker){.team = team, .thread = i};
        status = thread_start(&team->workers[i].handle, worker_main, &team->workers[i]);
        team->started += status == 0;
    }
    if (status != 0) {
        return err_add(err, STATUS_FAILED, "threads: can't start thread %d of %d: %s", team->started + 2, team->count,
                       strerror(status));
    }
    return 0;
}

struct threads *threads_make(int count, struct err *err) {
    if (count < 1 || count > MOST) {
        err_add(err, STATUS_REFUSED, "threads: want 1..%d, found %d", MOST, count);
        return NULL;
    }
    struct threads *team = mem_aligned(sizeof *team);
    if (team == NULL) {
        err_add(err, STATUS_FAILED, "threads: out of memory");
        return NULL;
    }
    team->count = count;
    team->workers = mem_need((size_t)count, sizeof *team->workers);
    team->spin = count <= threads_default() ? SPIN_NANOSECONDS : 0;
    if (team_start(team, err) != 0) {
        threads_free(team);
        return NULL;
    }
    return team;
}

void threads_free(struct threads *team) {
    if (team == NULL) {
        return;
    }
    atomic_store(&team->stop, 1);
    atomic_fetch_add(&team->bell, 1);
    futex_wake(&team->bell, INT_MAX);
    for (int i = 1; i <= team->started; i++) {
        pthread_join(team->workers[i].handle, NULL);
    }
    free(team->workers);
    free(team);
}

int threads_count(const struct threads *team) {
    return team == NULL ? 1 : team->count;
}

int threads_default(void) {
    return cores_usable("");
}

/* Publishes the job; from here on workers may take pieces. */
static void team_call(struct threads *team, int pieces, threads_work *work, void *arg) {
    team->pieces = pieces;
    team->work = work;
    team->arg = arg;
    atomic_store(&team->unfinished, (unsigned)pieces);
    atomic_store(&team->unclaimed, pieces);
    if (atomic_load(&team->sleepers) > 0) {
        atomic_fetch_add(&team->bell, 1);
        futex_wake(&team->bell, pieces - 1);
    }
}

/* Waits for the pieces that others still work on. */
static void team_finish(struct threads *team) {
    if (team_spin(team, pieces_done)) {
        return;
    }
    atomic_store(&team->caller_sleeps, 1);
    unsigned left;
    while ((left = atomic_load(&team->unfinished)) != 0) {
        futex_wait(&team->unfinished, left);
    }
    atomic_store(&team->caller_sleeps, 0);
}

void threads_run(struct threads *team, int pieces, threads_work *work, void *arg) {
    if (team == NULL || team->count == 1 || pieces <= 1) {
        for (int piece = 0; piece < pieces; piece++) {
            work(arg, piece, 0);
        }
        return;
    }
    team_call(team, pieces, work, arg);
    team_work(team, 0);
    team_finish(team);
}
