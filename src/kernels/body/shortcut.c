/* darknet's shortcut: out = alpha * in + beta * from, where the maps may differ in size. Where they do, the smaller extents are covered, by
 * strides over the larger map; the rest of the output is alpha * in. */
#include "kernels/body/functions.h"

/* How far apart neighbours of a map lie, and how many elements stand side by side at each (lanes; else 1). */
struct map { size_t unit, c, h, w; };
struct job { const struct shortcut *s; const elem *x, *from; elem *y, *dfrom; size_t run; struct map in_map, from_map; int c, h, w, add; };

static struct map map_of(const struct shortcut *s, int c, int h, int w) {
    size_t channels = (size_t)c, row = (size_t)w, pixels = (size_t)h * row, lanes = s->layout == LAYOUT_LANES ? (size_t)s->lanes : 1;
    if (s->layout == LAYOUT_NHWC) {
        return (struct map){channels * pixels, 1, row * channels, channels};
    }
    return (struct map){channels * pixels * lanes, pixels * lanes, row * lanes, lanes};
}

static size_t units_of(const struct shortcut *s) {
    size_t lanes = (size_t)s->lanes;
    return s->layout == LAYOUT_LANES ? (s->samples + lanes - 1) / lanes : s->samples;
}

static int least(int a, int b) {
    return a < b ? a : b;
}

/* Steps over the larger of two extents. */
static size_t step_of(int larger, int smaller) {
    return larger > smaller ? (size_t)(larger / smaller) : 1;
}

static struct job job_of(const struct shortcut *s) {
    return (struct job){.s = s, .run = s->layout == LAYOUT_LANES ? (size_t)s->lanes : 1,
        .in_map = map_of(s, s->c, s->h, s->w), .from_map = map_of(s, s->from_c, s->from_h, s->from_w),
        .c = least(s->c, s->from_c), .h = least(s->h, s->from_h), .w = least(s->w, s->from_w)};
}

/* For each covered place: to[...] += factor * x[...]; `to` and `x` are maps of one sample or block. */
static void add_covered(const struct job *j, const struct map *to_map, const struct map *x_map, const elem *x, elem *to, real factor, int to_is_out) {
    const struct shortcut *s = j->s;
    size_t out_h = step_of(s->h, s->from_h), out_w = step_of(s->w, s->from_w), from_h = step_of(s->from_h, s->h), from_w = step_of(s->from_w, s->w);
    size_t to_h = to_map->h * (to_is_out ? out_h : from_h), to_w = to_map->w * (to_is_out ? out_w : from_w);
    size_t x_h = x_map->h * (to_is_out ? from_h : out_h), x_w = x_map->w * (to_is_out ? from_w : out_w);
    for (size_t c = 0; c < (size_t)j->c; c++) {
        for (size_t h = 0; h < (size_t)j->h; h++) {
            for (size_t w = 0; w < (size_t)j->w; w++) {
                elem *t = to + c * to_map->c + h * to_h + w * to_w;
                const elem *f = x + c * x_map->c + h * x_h + w * x_w;
                for (size_t i = 0; i < j->run; i++) {
                    STORE(t, i, LOAD(t, i) + factor * LOAD(f, i));
                }
            }
        }
    }
}

/* y = [y +] factor * x; x may be y. */
static void scaled(const elem *x, elem *y, size_t n, real factor, int add) {
    for (size_t i = 0; i < n; i += LANES) {
        size_t m = body_least(LANES, n - i);
        vec v, before = {0};
        vec_load_n(&v, x + i, m);
        if (add) {
            vec_load_n(&before, y + i, m);
        }
        v = before + v * factor;
        vec_store_n(y + i, &v, m);
    }
}

static int same_shape(const struct shortcut *s) {
    return s->c == s->from_c && s->h == s->from_h && s->w == s->from_w;
}

/* y may be x or from. */
static void sum_range(void *job, size_t begin, size_t end) {
    const struct job *j = job;
    real alpha = (real)j->s->alpha, beta = (real)j->s->beta;
    for (size_t i = begin; i < end; i += LANES) {
        size_t m = body_least(LANES, end - i);
        vec v, w;
        vec_load_n(&v, j->x + i, m);
        vec_load_n(&w, j->from + i, m);
        v = v * alpha + w * beta;
        vec_store_n(j->y + i, &v, m);
    }
}

static void forward_range(void *job, size_t begin, size_t end) {
    const struct job *j = job;
    for (size_t u = begin; u < end; u++) {
        elem *y = j->y + u * j->in_map.unit;
        scaled(j->x + u * j->in_map.unit, y, j->in_map.unit, (real)j->s->alpha, 0);
        add_covered(j, &j->in_map, &j->from_map, j->from + u * j->from_map.unit, y, (real)j->s->beta, 1);
    }
}

void K(shortcut)(struct threads *t, const struct shortcut *s, const void *in, const void *from, void *y) {
    struct job job = job_of(s);
    size_t n = units_of(s) * job.in_map.unit;
    job.x = in;
    job.from = from;
    job.y = y;
    if (same_shape(s)) {
        body_split(t, n, n, sum_range, &job);
    } else {
        body_split(t, units_of(s), n, forward_range, &job);
    }
}

struct scaled { const elem *x; elem *y; real factor; int add; };

static void scaled_range(void *job, size_t begin, size_t end) {
    const struct scaled *j = job;
    scaled(j->x + begin, j->y + begin, end - begin, j->factor, j->add);
}

static void from_range(void *job, size_t begin, size_t end) {
    const struct job *j = job;
    for (size_t u = begin; u < end; u++) {
        elem *to = j->dfrom + u * j->from_map.unit;
        if (!j->add) {
            memset(to, 0, j->from_map.unit * sizeof *to);
        }
        add_covered(j, &j->from_map, &j->in_map, j->x + u * j->in_map.unit, to, (real)j->s->beta, 0);
    }
}

/* din last: it may lie where dy does. */
void K(shortcut_back)(struct threads *t, const struct shortcut *s, const void *dy, void *din, int add_in, void *dfrom, int add_from) {
    struct job job = job_of(s);
    size_t n = units_of(s) * job.in_map.unit;
    job.x = dy;
    job.dfrom = dfrom;
    job.add = add_from;
    if (dfrom != NULL && same_shape(s)) {
        body_split(t, n, n, scaled_range, &(struct scaled){dy, dfrom, (real)s->beta, add_from});
    } else if (dfrom != NULL) {
        body_split(t, units_of(s), n, from_range, &job);
    }
    if (din != NULL) {
        body_split(t, n, n, scaled_range, &(struct scaled){dy, din, (real)s->alpha, add_in});
    }
}
