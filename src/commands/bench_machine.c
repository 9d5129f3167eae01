/* Peaks of a machine (bench_machine.h). */
#include "commands/bench_machine.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/progress.h"

/* ---- operations ---- */

struct peak {
    const struct kernels *kernels;
    size_t rounds;
    double operations[256];
    float sink[256 * 16];
};

static void peak_piece(void *arg, int piece, int thread) {
    (void)thread;
    struct peak *p = arg;
    p->operations[piece] = p->kernels->peak(p->rounds, &p->sink[piece * 16]);
}

double machine_flops(const struct kernels *kernels, struct threads *team) {
    enum { BURSTS = 7 }; /* of some milliseconds: others share the machine */
    struct peak *p = mem_need(1, sizeof *p);
    *p = (struct peak){.kernels = kernels, .rounds = 1000000};
    double best = 0;
    for (int burst = 0; burst < BURSTS; burst++) {
        double begin = progress_now(), sum = 0;
        threads_run(team, threads_count(team), peak_piece, p);
        double seconds = progress_now() - begin;
        for (int i = 0; i < threads_count(team); i++) {
            sum += p->operations[i];
        }
        best = fmax(best, sum / seconds);
    }
    free(p);
    return best;
}

/* ---- bytes ---- */

typedef float four __attribute__((vector_size(16)));
enum { FOURS = 4 << 20 }; /* 64 MB an array: more than the caches of two cores */

struct triad {
    four *a, *b, *c;
    float factor;
    int pieces;
};

static void triad_piece(void *arg, int piece, int thread) {
    (void)thread;
    const struct triad *t = arg;
    size_t begin = (size_t)FOURS / (size_t)t->pieces * (size_t)piece, end = piece == t->pieces - 1 ? FOURS : (size_t)FOURS / (size_t)t->pieces * (size_t)(piece + 1);
    for (size_t i = begin; i < end; i++) {
        t->a[i] = t->b[i] + t->factor * t->c[i];
    }
}

double machine_bytes(struct threads *team) {
    enum { ROUNDS = 5 };
    size_t bytes = FOURS * sizeof(four);
    struct triad t = {mem_aligned(bytes), mem_aligned(bytes), mem_aligned(bytes), 3, threads_count(team)};
    double best = 0;
    for (int round = 0; round < ROUNDS && t.a != NULL && t.b != NULL && t.c != NULL; round++) {
        double begin = progress_now();
        threads_run(team, t.pieces, triad_piece, &t);
        best = fmax(best, 3 * (double)bytes / (progress_now() - begin));
    }
    free(t.a);
    free(t.b);
    free(t.c);
    return best;
}

/* ---- memory ---- */

size_t machine_peak_memory(void) {
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    unsigned long kilobytes = 0;
    while (status != NULL && kilobytes == 0 && fgets(line, sizeof line, status) != NULL) {
        if (sscanf(line, "VmHWM: %lu kB", &kilobytes) != 1) {
            kilobytes = 0;
        }
    }
    if (status != NULL) {
        fclose(status);
    }
    return (size_t)kilobytes * 1024;
}
