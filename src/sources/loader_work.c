/* The loader's workers (loader_parts.h): they plan batches, decode and augment their samples. */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "sources/loader_parts.h"

/* ---- planning ---- */

static void order_epoch(struct loader *l) {
    memcpy(l->order, l->options.set->items, l->options.set->count * sizeof *l->order);
    if (l->options.shuffle) {
        struct rng rng = rng_make(l->options.seed, RNG_SHUFFLE, l->plan_epoch);
        rng_shuffle(&rng, l->order, l->options.set->count);
    }
    l->plan_ordered = 1;
}

/* Gives a free place its samples; without the lock. */
static void plan_place(struct loader *l, struct place *place) {
    size_t count = l->options.used, left;
    if (!l->plan_ordered) {
        order_epoch(l);
    }
    left = count - l->plan_at;
    place->size = left < (size_t)l->options.batch ? left : (size_t)l->options.batch;
    place->epoch = l->plan_epoch;
    place->at = l->plan_at;
    place->claimed = place->done = 0;
    memcpy(place->batch.items, l->order + l->plan_at, place->size * sizeof *l->order);
    l->plan_at += place->size;
    place->last = l->plan_at == count;
    if (place->last) {
        l->plan_epoch++;
        l->plan_at = 0;
        l->plan_ordered = 0;
    }
}

/* The next place if it is free and anything is left to plan. */
static struct place *plannable(const struct loader *l) {
    struct place *place = &l->places[l->planned_places % (uint64_t)l->place_count];
    return l->planning || l->planned_all || place->planned ? NULL : place;
}

/* ---- working ---- */

/* The oldest place with unclaimed samples. */
static struct place *workable(const struct loader *l) {
    for (uint64_t i = l->taken; i < l->planned_places; i++) {
        struct place *place = &l->places[i % (uint64_t)l->place_count];
        if (place->planned && place->claimed < place->size) {
            return place;
        }
    }
    return NULL;
}

/* What is added has the same values whatever thread adds it, and others in each epoch. */
static void add_noise(const struct loader *l, const struct place *place, uint32_t item, float *input) {
    double noise = l->options.augment == NULL ? 0 : l->options.augment->noise;
    struct rng rng = rng_make(l->options.seed, RNG_NOISE, (place->epoch & 0xFFFF) << 32 | item);
    for (size_t i = 0; noise > 0 && i < l->channel_values; i++) {
        input[i] += (float)(noise * rng_normal(&rng));
    }
}

/* Sample `at` of the place. 0; a sample that can't be read is noted; -1 with a sentence for anything worse. */
static int load(const struct loader *l, struct place *place, size_t at, struct err *err) {
    const struct source *source = l->options.set->source;
    uint32_t item = place->batch.items[at];
    struct sample sample = {0};
    struct err why = {0};
    if (source->ops->read(source, item, &sample, &why) != 0) {
        place->unread[at] = mem_copy(why.count > 0 ? why.sentences[0] : "a sample can't be read");
        err_free(&why);
        return 0;
    }
    err_free(&why);
    for (size_t i = 0; i < l->label_values; i++) {
        place->batch.labels[at * l->label_values + i] = sample.labels != NULL ? sample.labels[i] : sample.label;
    }
    if (l->target_values > 0 && !source->gives_back) {
        memcpy(place->batch.targets + at * l->target_values, sample.targets, l->target_values * sizeof *sample.targets);
    }
    float *input = place->batch.input + at * l->channel_values;
    int result = sample_to_input(&sample, l->options.preprocess, l->options.augment, l->options.seed, place->epoch,
                                 item, input, err);
    sample_free(&sample);
    if (result == 0 && source->gives_back) {
        memcpy(place->batch.targets + at * l->target_values, input, l->channel_values * sizeof *input);
    }
    if (result == 0) {
        add_noise(l, place, item, input);
    }
    return result;
}

/* Claims a few samples of the place, does them, and says when they were its last. Called and left with the lock. */
static void work_on(struct loader *l, struct place *place) {
    size_t first = place->claimed, left = place->size - first,
           count = left < (size_t)l->chunk ? left : (size_t)l->chunk;
    struct err err = {0};
    place->claimed += count;
    pthread_mutex_unlock(&l->lock);
    for (size_t i = first; i < first + count && err.count == 0; i++) {
        load(l, place, i, &err);
    }
    pthread_mutex_lock(&l->lock);
    err_move(&l->failed, &err);
    place->done += count;
    if (place->done == place->size || l->failed.count > 0) {
        pthread_cond_signal(&l->ready);
    }
}

static void plan_next(struct loader *l, struct place *place) {
    l->planning = 1;
    pthread_mutex_unlock(&l->lock);
    plan_place(l, place);
    pthread_mutex_lock(&l->lock);
    l->planning = 0;
    l->planned_all = place->last && !l->options.endless;
    place->planned = 1;
    l->planned_places++;
    pthread_cond_broadcast(&l->work);
}

void *loader_work(void *arg) {
    struct loader *l = arg;
    pthread_mutex_lock(&l->lock);
    while (!l->stop) {
        struct place *place = workable(l), *next = place == NULL ? plannable(l) : NULL;
        if (place != NULL) {
            work_on(l, place);
        } else if (next != NULL) {
            plan_next(l, next);
        } else {
            pthread_cond_wait(&l->work, &l->lock);
        }
    }
    pthread_mutex_unlock(&l->lock);
    return NULL;
}
