/* whitening=1 of a convolution (source.h): weights that make the patches of the training pictures uncorrelated. K. Jordan,
 * "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024, after Page, "How to train your ResNet", 2018: the patches'
 * second moments are not about their mean. */
#include <math.h>
#include <stdlib.h>

#include "base/eigen.h"
#include "sources/parts.h"

/* Patches of h x w out of pictures of p's size. */
struct patches { const struct preprocess *p; int h, w; size_t size; double *moments, count; };

/* Element `at` of patches, C,H,W: where it lies in a picture for the patch at its corner. */
static size_t offset(const struct patches *s, size_t at) {
    size_t field = (size_t)s->h * (size_t)s->w, c = at / field, y = at % field / (size_t)s->w, x = at % (size_t)s->w;
    return (c * (size_t)s->p->height + y) * (size_t)s->p->width + x;
}

static double product_sum(const struct patches *s, const float *a, const float *b) {
    int rows = s->p->height - s->h + 1, columns = s->p->width - s->w + 1;
    double sum = 0;
    for (int y = 0; y < rows; y++, a += s->p->width, b += s->p->width) {
        float row = 0;   /* a row's few numbers, of float32's precision themselves */
        for (int x = 0; x < columns; x++) {
            row += a[x] * b[x];
        }
        sum += (double)row;
    }
    return sum;
}

static void add_picture(struct patches *s, const float *picture) {
    for (size_t i = 0; i < s->size; i++) {
        for (size_t j = 0; j <= i; j++) {
            s->moments[i * s->size + j] += product_sum(s, picture + offset(s, i), picture + offset(s, j));
        }
    }
    s->count += (double)(s->p->height - s->h + 1) * (s->p->width - s->w + 1);
}

static int add_set(struct patches *s, const struct dataset *set, size_t samples, struct err *err) {
    const struct preprocess *p = s->p;
    const struct source *source = set->source;
    float *picture = mem_need((size_t)p->channels * (size_t)p->height * (size_t)p->width, sizeof *picture);
    int bad = 0;
    for (size_t i = 0; !bad && i < samples && i < set->count; i++) {
        struct sample sample = {0};
        struct err unread = {0};
        if (source->ops->read(source, set->items[i], &sample, &unread) != 0) {
            err_warn(err, "%s; left out of the whitening", unread.count > 0 ? unread.sentences[0] : "a sample can't be read");
            err_free(&unread);
            continue;
        }
        bad = sample_to_input(&sample, p, NULL, 0, 0, set->items[i], picture, err) != 0;
        sample_free(&sample);
        if (!bad) {
            add_picture(s, picture);
        }
    }
    free(picture);
    return bad || s->count > 0 ? -bad
                               : err_add(err, STATUS_REFUSED, "whitening: none of the training samples could be read");
}

/* Rows of `to`: the eigenvectors over the roots of their values, then the same negated. */
static void whiten(struct patches *s, double eps, float *to) {
    size_t n = s->size;
    double *values = mem_need(n, sizeof *values), *vectors = mem_need(n * n, sizeof *vectors);
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j <= i; j++) {
            s->moments[j * n + i] = s->moments[i * n + j] /= s->count;
        }
    }
    eigen_symmetric(s->moments, n, values, vectors);
    for (size_t i = 0; i < n * n; i++) {
        double root = sqrt(fmax(values[i / n], 0) + eps);   /* rounding can leave a zero just below */
        to[i] = root > 0 ? (float)(vectors[i] / root) : 0;
        to[n * n + i] = -to[i];
    }
    free(values);
    free(vectors);
}

static int whiten_slot(const struct data *data, const struct section *section, struct slot *slot, struct err *err) {
    size_t size = (size_t)slot->dims[1] * (size_t)slot->dims[2] * (size_t)slot->dims[3];
    struct patches s = {.p = &data->preprocess, .h = slot->dims[2], .w = slot->dims[3], .size = size,
                        .moments = mem_need(size * size, sizeof *s.moments)};
    int bad = add_set(&s, &data->sets[SPLIT_TRAIN], (size_t)config_int(section, "whitening_samples"), err);
    if (bad == 0) {
        slot->init = (struct init){.kind = INIT_VALUES, .values = mem_need(slot->count, sizeof(float))};
        whiten(&s, config_real(section, "whitening_eps"), slot->init.values);
    }
    free(s.moments);
    return bad;
}

int data_whiten(const struct data *data, struct graph *graph, struct err *err) {
    for (int i = 0; i < graph->node_count; i++) {
        struct node *node = &graph->nodes[i];
        for (int j = 0; j < node->slot_count; j++) {
            if (node->slots[j].init.kind == INIT_WHITENING &&
                whiten_slot(data, node->section, &node->slots[j], err) != 0) {
                return -1;
            }
        }
    }
    return 0;
}
