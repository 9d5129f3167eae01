/* Max pooling over windows in irregular places (kernels.h). A NaN wins. Windows may overlap, so that one place may win several of
 * them: pieces of the work are whole planes. */
#include "kernels/body/functions.h"

struct job { const struct fractional *f; const elem *x, *dy; elem *y, *dx; uint16_t *index; const uint16_t *from; int add; };

/* The place of the maximum within the window that begins at `corner`. */
static int window_best(const struct fractional *f, const elem *corner) {
    int best = 0;
    real most = LOAD(corner, 0);
    for (int k = 1; k < f->size * f->size; k++) {
        real v = LOAD(corner, (size_t)(k / f->size) * (size_t)f->w + (size_t)(k % f->size));
        if (v > most || (v != v && most == most)) {
            most = v;
            best = k;
        }
    }
    return best;
}

/* Where in a plane of the sample the window of output (oh, ow) begins. */
static size_t window_corner(const struct fractional *f, size_t sample, int oh, int ow) {
    size_t row = (size_t)f->rows[sample * (size_t)f->oh + (size_t)oh];
    return row * (size_t)f->w + (size_t)f->columns[sample * (size_t)f->ow + (size_t)ow];
}

static size_t place_in_window(const struct fractional *f, int k) {
    return (size_t)(k / f->size) * (size_t)f->w + (size_t)(k % f->size);
}

static void forward_range(void *job, size_t begin, size_t end) {
    const struct job *j = job;
    const struct fractional *f = j->f;
    for (size_t plane = begin, at = begin * (size_t)f->oh * (size_t)f->ow; plane < end; plane++) {
        const elem *x = j->x + plane * (size_t)f->h * (size_t)f->w;
        for (int oh = 0; oh < f->oh; oh++) {
            for (int ow = 0; ow < f->ow; ow++, at++) {
                const elem *corner = x + window_corner(f, plane / f->channels, oh, ow);
                int best = window_best(f, corner);
                j->y[at] = corner[place_in_window(f, best)];
                if (j->index != NULL) {
                    j->index[at] = (uint16_t)best;
                }
            }
        }
    }
}

void K(fractional)(struct threads *t, const struct fractional *f, const void *x, void *y, uint16_t *index) {
    struct job job = {.f = f, .x = x, .y = y, .index = index};
    size_t planes = f->samples * f->channels;
    body_split(t, planes, planes * (size_t)f->h * (size_t)f->w, forward_range, &job);
}

static void backward_range(void *job, size_t begin, size_t end) {
    const struct job *j = job;
    const struct fractional *f = j->f;
    size_t area = (size_t)f->h * (size_t)f->w;
    for (size_t plane = begin, at = begin * (size_t)f->oh * (size_t)f->ow; plane < end; plane++) {
        elem *dx = j->dx + plane * area;
        for (size_t i = 0; !j->add && i < area; i++) {
            STORE(dx, i, 0);
        }
        for (int oh = 0; oh < f->oh; oh++) {
            for (int ow = 0; ow < f->ow; ow++, at++) {
                size_t to = window_corner(f, plane / f->channels, oh, ow) + place_in_window(f, j->from[at]);
                real sum = LOAD(dx, to) + LOAD(j->dy, at);
                STORE(dx, to, sum);
            }
        }
    }
}

void K(fractional_back)(struct threads *t, const struct fractional *f, const uint16_t *index, const void *dy, void *dx, int add) {
    struct job job = {.f = f, .dy = dy, .dx = dx, .from = index, .add = add};
    size_t planes = f->samples * f->channels;
    body_split(t, planes, planes * (size_t)f->h * (size_t)f->w, backward_range, &job);
}
