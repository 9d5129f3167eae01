/* The loader's ring, shared by the two sides of it: workers that fill places (loader_work.c), and loader_next
 * (loader.c).
 *
 * A place is free, then planned (it knows its samples), then worked on: workers claim its samples a few at a time, in
 * order, oldest batch first. Which worker does a sample makes no difference to it, so batches are the same for any
 * number of threads. When all are done the batch is ready; loader_next hands out the places in turn, and frees the one
 * before. */
#ifndef DLCLI_LOADER_PARTS_H
#define DLCLI_LOADER_PARTS_H

#include <pthread.h>

#include "sources/parts.h"

enum { LOADER_MOST_THREADS = 256 };

struct place {
    struct batch batch;
    int planned; /* 0: free */
    int last;    /* of its epoch */
    uint64_t epoch;
    size_t at;                  /* place of its first sample in the epoch */
    size_t size, claimed, done; /* samples */
    char **unread;              /* by sample: why it couldn't be read, or NULL */
};

struct loader {
    struct loader_options options;
    size_t channel_values, target_values; /* floats of a sample's input, of its targets */
    size_t label_values;
    int mixes;                            /* batches have shares */
    float *turned; int32_t *turned_labels; /* of sequences: what a batch is turned into, and changes places with */
    int chunk;

    pthread_mutex_t lock;       /* for all below, but for what is written by the one who claimed or planned it */
    pthread_cond_t work, ready; /* for the workers; for loader_next */
    pthread_t threads[LOADER_MOST_THREADS];
    int started, stop;
    struct place *places;
    int place_count;
    uint64_t planned_places, taken; /* ever planned; ever handed out: the next is places[taken % place_count] */
    int planning, planned_all;      /* someone is at it; nothing is left to plan */
    struct err failed;              /* what is worse than a sample that can't be read */

    /* the planner's: whoever set `planning`, without the lock */
    uint32_t *order; /* of the epoch being planned */
    uint64_t plan_epoch;
    size_t plan_at;
    int plan_ordered; /* order is that of plan_epoch */

    /* loader_next's own */
    struct place *held;
    int ended;             /* the epoch is over: say so */
    int over;              /* and no other follows */
    int from_start;        /* the epoch was handed out from its first sample on */
    uint64_t read;         /* its samples so far */
    int skipped;           /* of batches that had nothing else */
    unsigned char *warned; /* by source index, in bits: said already */
};

/* A worker's life: plans, works, sleeps until loader->stop. arg is the loader. */
void *loader_work(void *arg);

#endif
