/* The loader (source.h): threads of its own fill a ring of batches ahead of whoever trains. This is the reader's side.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "sources/loader_parts.h"

enum { STANDARD_AHEAD = 2, CHEAP_CHUNK = 32, COSTLY_CHUNK = 2 };

/* ---- handing out ---- */

/* Warns of a sample once. */
static void warn(struct loader *l, uint32_t item, const char *why, struct err *err) {
    unsigned char bit = (unsigned char)(1 << item % 8);
    if (!(l->warned[item / 8] & bit)) {
        err_warn(err, "%s; skipped", why);
        l->warned[item / 8] |= bit;
    }
}

static void move_sample(const struct loader *l, struct batch *batch, size_t to, size_t from) {
    memcpy(batch->input + to * l->channel_values, batch->input + from * l->channel_values,
           l->channel_values * sizeof *batch->input);
    memcpy(batch->labels + to * l->label_values, batch->labels + from * l->label_values, l->label_values * sizeof *batch->labels);
    batch->items[to] = batch->items[from];
    if (l->target_values > 0) {
        memcpy(batch->targets + to * l->target_values, batch->targets + from * l->target_values,
               l->target_values * sizeof *batch->targets);
    }
}

/* Closes the gaps that samples which couldn't be read left in the batch. */
static void close_gaps(struct loader *l, struct place *place, struct err *err) {
    size_t kept = 0;
    for (size_t i = 0; i < place->size; i++) {
        if (place->unread[i] != NULL) {
            warn(l, place->batch.items[i], place->unread[i], err);
            free(place->unread[i]);
            place->unread[i] = NULL;
            continue;
        }
        if (kept != i) {
            move_sample(l, &place->batch, kept, i);
        }
        kept++;
    }
    place->batch.count = (int)kept;
    place->batch.skipped = (int)(place->size - kept);
}

static void mix(const struct loader *l, struct place *place) {
    const struct loader_options *o = &l->options;
    mix_batch(&(struct mix){o->augment, o->preprocess, o->seed, place->epoch, place->at, o->classes}, &place->batch);
}

/* Samples follow one another as they were read; networks want the first step of all, then the second. */
static void turn(struct loader *l, struct batch *batch) {
    size_t steps = (size_t)l->options.steps, count = (size_t)batch->count, width = l->channel_values / steps;
    float *input = batch->input;
    int32_t *labels = batch->labels;
    for (size_t s = 0; s < count; s++) {
        for (size_t t = 0; t < steps; t++) {
            memcpy(l->turned + (t * count + s) * width, input + (s * steps + t) * width, width * sizeof *input);
        }
        for (size_t t = 0; t < l->label_values; t++) {
            l->turned_labels[t * count + s] = labels[s * l->label_values + t];
        }
    }
    batch->input = l->turned;
    batch->labels = l->turned_labels;
    l->turned = input;
    l->turned_labels = labels;
}

/* Frees the place that was handed out. */
static void release(struct loader *l) {
    if (l->held != NULL) {
        pthread_mutex_lock(&l->lock);
        l->held->planned = 0;
        pthread_cond_signal(&l->work);
        pthread_mutex_unlock(&l->lock);
        l->held = NULL;
    }
}

/* Waits for the next place and holds it. */
static struct place *take(struct loader *l, struct err *err) {
    pthread_mutex_lock(&l->lock);
    struct place *place = &l->places[l->taken % (uint64_t)l->place_count];
    while (l->failed.count == 0 && !(l->taken < l->planned_places && place->done == place->size)) {
        pthread_cond_wait(&l->ready, &l->lock);
    }
    if (l->failed.count > 0) {
        err_move(err, &l->failed);
        l->over = 1;
        place = NULL;
    } else {
        l->taken++;
    }
    pthread_mutex_unlock(&l->lock);
    l->held = place;
    return place;
}

static int end_epoch(struct loader *l, struct err *err) {
    int nothing = l->from_start && l->read == 0;
    if (nothing) {
        err_add(err, STATUS_FAILED, "none of the %zu %s samples could be read", l->options.set->count,
                split_name(l->options.set->split));
    }
    l->ended = 0;
    l->over = nothing || !l->options.endless;
    l->from_start = 1;
    l->read = 0;
    l->skipped = 0;
    return nothing ? -1 : 0;
}

int loader_next(struct loader *l, struct batch **batch, struct err *err) {
    *batch = NULL;
    for (;;) {
        release(l);
        if (l->over) {
            return 0;
        }
        if (l->ended) {
            return end_epoch(l, err);
        }
        struct place *place = take(l, err);
        if (place == NULL) {
            return -1;
        }
        close_gaps(l, place, err);
        l->ended = place->last;
        l->read += (uint64_t)place->batch.count;
        place->batch.skipped += l->skipped;
        l->skipped = place->batch.count == 0 ? place->batch.skipped : 0;
        if (place->batch.count > 0) {
            if (l->mixes) {
                mix(l, place);
            }
            if (l->options.steps > 1) {
                turn(l, &place->batch);
            }
            *batch = &place->batch;
            return 0;
        }
    }
}

/* ---- making ---- */

static int make_place(struct loader *l, struct place *place) {
    size_t batch = (size_t)l->options.batch, values, targets;
    if (mem_mul(batch, l->channel_values * sizeof(float), &values) ||
        mem_mul(batch, l->target_values * sizeof(float), &targets)) {
        return -1;
    }
    place->batch.input = mem_aligned(values);
    place->batch.labels = mem_try(batch * l->label_values, sizeof *place->batch.labels);
    place->batch.items = mem_try(batch, sizeof *place->batch.items);
    place->unread = mem_try(batch, sizeof *place->unread);
    place->batch.targets = targets > 0 ? mem_aligned(targets) : NULL;
    place->batch.shares = l->mixes ? mem_try(batch * (size_t)l->options.classes, sizeof *place->batch.shares) : NULL;
    return place->batch.input == NULL || place->batch.labels == NULL || place->batch.items == NULL ||
                   place->unread == NULL || (targets > 0 && place->batch.targets == NULL) ||
                   (l->mixes && place->batch.shares == NULL)
               ? -1
               : 0;
}

static int make_memory(struct loader *l, struct err *err) {
    const struct dataset *set = l->options.set;
    l->order = mem_try(set->count, sizeof *l->order);
    l->warned = mem_try(set->source->count / 8 + 1, 1);
    l->places = mem_need((size_t)l->place_count, sizeof *l->places);
    int short_of = l->order == NULL || l->warned == NULL;
    if (l->options.steps > 1 && !short_of) {
        l->turned = mem_aligned((size_t)l->options.batch * l->channel_values * sizeof *l->turned);
        l->turned_labels = mem_try((size_t)l->options.batch * l->label_values, sizeof *l->turned_labels);
        short_of = l->turned == NULL || l->turned_labels == NULL;
    }
    for (int i = 0; i < l->place_count && !short_of; i++) {
        short_of = make_place(l, &l->places[i]) != 0;
    }
    return short_of ? err_add(err, STATUS_FAILED, "out of memory for %d batches of %d samples", l->place_count,
                              l->options.batch)
                    : 0;
}

static int start(struct loader *l, struct err *err) {
    int count = l->options.threads < 1                     ? 1
                : l->options.threads > LOADER_MOST_THREADS ? LOADER_MOST_THREADS
                                                           : l->options.threads,
        status = 0;
    while (l->started < count && status == 0) {
        status = thread_start(&l->threads[l->started], loader_work, l);
        l->started += status == 0;
    }
    return status == 0 ? 0 : err_add(err, STATUS_FAILED, "loader: can't start a thread: %s", strerror(status));
}

struct loader *loader_make(const struct loader_options *options, struct err *err) {
    const struct dataset *set = options->set;
    const struct preprocess *p = options->preprocess;
    if (set->count == 0 || options->batch < 1) {
        err_add(err, STATUS_REFUSED, "the %s split has no samples", split_name(set->split));
        return NULL;
    }
    struct loader *l = mem_need(1, sizeof *l);
    l->options = *options;
    l->options.used = options->used > 0 && options->used < set->count ? options->used : set->count;
    l->options.batch = (size_t)options->batch < set->count ? options->batch : (int)set->count;
    l->channel_values = (size_t)p->channels * (size_t)p->height * (size_t)p->width;
    l->target_values = (size_t)set->source->target_count;
    l->label_values = set->source->label_count > 0 ? (size_t)set->source->label_count : 1;
    l->mixes = options->augment != NULL && (options->augment->mixup > 0 || options->augment->cutmix > 0) && options->classes > 0;
    l->chunk = set->source->ops->flags & SOURCE_IN_MEMORY ? CHEAP_CHUNK : COSTLY_CHUNK;
    l->place_count = (options->ahead < 1 ? STANDARD_AHEAD : options->ahead) + 1;
    l->ended = options->start >= l->options.used;
    l->from_start = options->start == 0;
    l->plan_epoch = options->epoch + (l->ended ? 1 : 0);
    l->plan_at = l->ended ? 0 : options->start;
    l->planned_all = l->ended && !options->endless;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->ready, NULL);
    if (make_memory(l, err) != 0 || start(l, err) != 0) {
        loader_free(l);
        return NULL;
    }
    return l;
}

static void free_place(struct place *place, size_t batch) {
    for (size_t i = 0; place->unread != NULL && i < batch; i++) {
        free(place->unread[i]);
    }
    free(place->unread);
    free(place->batch.input);
    free(place->batch.labels);
    free(place->batch.items);
    free(place->batch.targets);
    free(place->batch.shares);
}

void loader_free(struct loader *l) {
    if (l == NULL) {
        return;
    }
    pthread_mutex_lock(&l->lock);
    l->stop = 1;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < l->started; i++) {
        pthread_join(l->threads[i], NULL);
    }
    for (int i = 0; i < l->place_count; i++) {
        free_place(&l->places[i], (size_t)l->options.batch);
    }
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->work);
    pthread_cond_destroy(&l->ready);
    err_free(&l->failed);
    free(l->turned);
    free(l->turned_labels);
    free(l->places);
    free(l->order);
    free(l->warned);
    free(l);
}
