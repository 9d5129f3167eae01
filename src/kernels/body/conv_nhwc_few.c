/* conv_nhwc where there are few pixels in all, as in the prediction of one picture: reading the weights is what takes the time. So they are read once, in the order
 * in which they lie, and those that come next are asked for. A block of them is some channels of one tap; all pixels for which that tap falls inside meet it
 * together, so that tiles are full whatever other taps a pixel has, and their sums wait in memory for the next block. A pixel's sum is added up in the
 * order of conv_nhwc.c: both give the same bits. */
#include "kernels/body/conv_nhwc.h"

enum { PIXELS = 96, CHANNELS = 96 };      /* pixels of a call, at most; channels of x, at least: measured */

struct few {
    const struct conv *conv;
    int groups, in_c, out_c, taps, pixel_count;      /* channels of one group */
    struct panels panels;
    const real *x, *weight, *bias;
    elem *y;
    enum activation activation;
    struct pixel *pixels;                            /* of each tap those that it falls inside of, and at the end all of them */
    int *rows, *begin;                               /* which of all each is; where each of these lists begins, [taps + 2] */
    char *scratch;
    size_t scratch_each;
};

int K(nhwc_is_few)(const struct conv *c, int batch) {
    return c->c / c->groups >= CHANNELS && c->oh * c->ow <= PIXELS && batch * c->oh * c->ow <= PIXELS;
}

static struct few few_make(const struct conv *c, int batch) {
    struct few f = {.conv = c, .groups = c->groups, .in_c = c->c / c->groups, .out_c = c->k / c->groups, .taps = c->size_h * c->size_w,
        .pixel_count = batch * c->oh * c->ow};
    f.panels = panels_of(f.out_c);
    f.scratch_each = conv_align((size_t)f.pixel_count * NHWC_N * sizeof(vec));
    return f;
}

/* ---- what all pieces read: the lists, and x as reals ---- */

enum { SHARED_PARTS = 4 };

static size_t shared_sizes(const struct few *f, int batch, size_t sizes[SHARED_PARTS]) {
    size_t values = (size_t)batch * (size_t)f->conv->h * (size_t)f->conv->w * (size_t)f->conv->c;
    sizes[0] = (size_t)(f->taps + 1) * (size_t)f->pixel_count * sizeof(struct pixel);
    sizes[1] = (size_t)(f->taps + 1) * (size_t)f->pixel_count * sizeof(int);
    sizes[2] = (size_t)(f->taps + 2) * sizeof(int);
    sizes[3] = sizeof(elem) == sizeof(real) ? 0 : values * sizeof(real);
    return conv_sizes(sizes, SHARED_PARTS);
}

/* The pixels whose tap (row, col) falls inside, from place `at` of the lists on; returns how many. */
static int list_tap(const struct few *f, int batch, int row, int col, int at) {
    const struct conv *c = f->conv;
    struct axis h = conv_axis_h(c, 0), w = conv_axis_w(c, 0);
    struct range rows = conv_range(&h, row), cols = conv_range(&w, col);
    int begin = at;
    for (int n = 0; n < batch; n++) {
        for (int oy = rows.begin; oy < rows.end; oy++) {
            for (int ox = cols.begin; ox < cols.end; ox++) {
                int y = oy * c->stride_h - c->pad_top + row * c->dilation_h, x = ox * c->stride_w - c->pad_left + col * c->dilation_w;
                f->pixels[at] = (struct pixel){(((ptrdiff_t)n * c->h + y) * c->w + x) * c->c, 0};
                f->rows[at++] = (n * c->oh + oy) * c->ow + ox;
            }
        }
    }
    return at - begin;
}

static void list_pixels(struct few *f, int batch) {
    int count = 0;
    for (int tap = 0; tap < f->taps; tap++) {
        f->begin[tap] = count;
        count += list_tap(f, batch, tap / f->conv->size_w, tap % f->conv->size_w, count);
    }
    f->begin[f->taps] = count;
    for (int i = 0; i < f->pixel_count; i++) {
        f->pixels[count] = (struct pixel){0, (ptrdiff_t)i * f->conv->k};
        f->rows[count++] = i;
    }
    f->begin[f->taps + 1] = count;
}

/* ---- a piece: a panel of a group ---- */

/* A list's pixels, in tiles; meanwhile `ahead` weights from `next` on are asked for. */
static void list_run(const struct few *f, struct nhwc_tile *t, int list, int vectors, const real *next, int ahead) {
    int begin = f->begin[list], count = f->begin[list + 1] - begin, tiles = conv_parts(count, vectors == 1 ? NHWC_THIN : NHWC_R);
    nhwc_ask(t, next, ahead, tiles, t->runs->length);
    for (int i = 0; i < tiles; i++) {
        int first = conv_part(count, tiles, i);
        t->pixels = f->pixels + begin + first, t->rows = f->rows + begin + first;
        K(nhwc_tiles)[conv_part(count, tiles, i + 1) - first - 1][vectors - 1](t);
        nhwc_asked(t, t->runs->length);
    }
}

static void piece_run(void *arg, int piece, int thread) {
    const struct few *f = arg;
    int group = piece / f->panels.count, panel = piece % f->panels.count, first = panel_begin(&f->panels, panel), vectors = panel_vectors(&f->panels, panel),
        width = vectors * LANES, channel = group * f->out_c + first, blocks = conv_parts(f->in_c, NHWC_DEPTH);
    ptrdiff_t rows = (ptrdiff_t)f->in_c * f->taps;
    real bias[NHWC_N * LANES] = {0}, *sums = (real *)(void *)(f->scratch + (size_t)thread * f->scratch_each);
    struct run run = {0, 0, 0};
    struct nhwc_tile t = {.x = f->x + group * f->in_c, .w = f->weight + ((ptrdiff_t)group * f->panels.vectors * LANES + first) * rows, .runs = &run, .run_count = 1,
        .columns = conv_least(width, f->out_c - first), .activation = f->activation, .partial = sums, .y = f->y + channel};
    if (f->bias != NULL) {
        memcpy(bias, f->bias + channel, (size_t)t.columns * sizeof *bias);
    }
    for (int i = 0; i < f->pixel_count; i++) {
        memcpy(sums + (ptrdiff_t)i * width, bias, (size_t)width * sizeof *bias);
    }
    for (int i = 0; i < f->taps * blocks; i++) {
        int begin = conv_part(f->in_c, blocks, i % blocks), length = conv_part(f->in_c, blocks, i % blocks + 1) - begin;
        ptrdiff_t row = (ptrdiff_t)(i / blocks) * f->in_c + begin, next = row + length;
        run = (struct run){begin, row, length};
        list_run(f, &t, i / blocks, vectors, next < rows ? t.w + next * width : NULL, conv_least(length, (int)(rows - next)) * width);
    }
    t.run_count = 0, t.last = 1;
    list_run(f, &t, f->taps, vectors, NULL, 0);
}

/* ---- a pass ---- */

size_t K(nhwc_few_scratch)(const struct conv *c, int batch, int threads) {
    int few = K(nhwc_is_few)(c, 1) ? conv_least(batch, PIXELS / (c->oh * c->ow)) : 0;
    struct few f = few_make(c, few);
    size_t sizes[SHARED_PARTS];
    return few < 1 ? 0 : shared_sizes(&f, few, sizes) + (size_t)threads * f.scratch_each;
}

void K(nhwc_few)(const struct conv_call *call) {
    struct few f = few_make(call->conv, call->batch);
    size_t sizes[SHARED_PARTS], shared = shared_sizes(&f, call->batch, sizes);
    void *parts[SHARED_PARTS];
    conv_arrays(call->scratch, sizes, SHARED_PARTS, parts);
    f.pixels = parts[0], f.rows = parts[1], f.begin = parts[2], f.x = call->x;
    f.weight = call->packed, f.bias = call->bias, f.y = call->y, f.activation = call->activation;
    f.scratch = (char *)call->scratch + shared;
    list_pixels(&f, call->batch);
#if defined(ELEM_bf16)
    real *x = parts[3];
    for (size_t i = 0; i < sizes[3] / sizeof *x; i++) {
        x[i] = LOAD((const elem *)call->x, i);
    }
    f.x = x;
#endif
    threads_run(call->threads, f.groups * f.panels.count, piece_run, &f);
}
