/* One team of threads. Work is cut into pieces whose number the caller chooses from the shape of the work, never from the
 * number of threads; which thread takes a piece does not matter, so results are the same bits for any team. */
#ifndef DLCLI_THREADS_H
#define DLCLI_THREADS_H

#include <pthread.h>

#include "base/err.h"

struct threads;

/* A team of `count` (1..256), the caller included. NULL with a sentence where threads can't be had. */
struct threads *threads_make(int count, struct err *err);
void threads_free(struct threads *team);
int threads_count(const struct threads *team);

/* Cores this process may use: affinity, then the cgroup's CPU quota (v1 and v2), at least 1. */
int threads_default(void);

/* Calls work(arg, piece, thread) for each piece in 0..pieces-1 and returns when all are done. thread is 0..count-1: an index for scratch
 * memory. team NULL or one piece: in the caller. Not to be nested. The team spins briefly, then sleeps, between calls. */
typedef void threads_work(void *arg, int piece, int thread);
void threads_run(struct threads *team, int pieces, threads_work *work, void *arg);

/* A thread beside the team, which signals from outside don't reach: they are for the main thread, which knows what to do with Ctrl-C; faults stay
 * where they are made. Returns pthread_create's status; the caller joins. */
int thread_start(pthread_t *handle, void *(*body)(void *), void *arg);

#endif
