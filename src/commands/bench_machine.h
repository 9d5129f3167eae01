/* What a machine can do at most, measured on the spot: what `dlcli bench` holds everything against. */
#ifndef DLCLI_BENCH_MACHINE_H
#define DLCLI_BENCH_MACHINE_H

#include "base/threads.h"
#include "kernels/kernels.h"

/* Operations a second of multiply-adds in registers, on all threads of the team; the best of some bursts. */
double machine_flops(const struct kernels *kernels, struct threads *team);

/* Bytes a second of a[i] = b[i] + s c[i] over arrays that no cache holds (McCalpin's STREAM triad, "Memory Bandwidth and
 * Machine Balance in Current High Performance Computers", 1995): two arrays read and one written; that the written one is
 * read before is not counted. The best of some rounds. 0 where there is no memory for them. */
double machine_bytes(struct threads *team);

/* Bytes of memory that this process had at most; 0 where that can't be known. Not getrusage's, which remembers who started it. */
size_t machine_peak_memory(void);

#endif
