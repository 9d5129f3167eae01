/* Copies of a tensor from one layout to another: between any two of them lie transpositions of small matrices. */
#include "kernels/body/functions.h"
#include "kernels/body/transpose.h"

/* What moves for one unit (a sample, or a sample block at one pixel or channel): to[c * to_step + r] = from[r * from_step + c]. `pad` rows
 * more are not there and become zeros in `to`. */
struct matrix { size_t rows, columns, from_step, to_step, pad; };

struct job { enum layout from, to; size_t samples, c, pixels; const elem *x; elem *y; int add; };

static void put(elem *y, const elem *x, size_t n, int add) {
    if (!add) {
        memcpy(y, x, n * sizeof *y);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        STORE(y, i, LOAD(y, i) + LOAD(x, i));
    }
}

/* Up to LANES x LANES elements: rows there are, rows with the missing ones (zeros), columns. */
INLINE void transpose_tile(const struct matrix *m, const elem *x, elem *y, size_t there, size_t rows, size_t columns, int add) {
    vec v[LANES];
    for (size_t i = 0; i < LANES; i++) {
        v[i] = (vec){0};
        if (i < there) {
            vec_load_n(&v[i], x + i * m->from_step, columns);
        }
    }
    vec_transpose(v);
    for (size_t k = 0; k < columns; k++) {
        vec before = {0};
        if (add) {
            vec_load_n(&before, y + k * m->to_step, rows);
            v[k] += before;
        }
        vec_store_n(y + k * m->to_step, &v[k], rows);
    }
}

/* Few rows, whose columns lie one behind the other in `to`: whole vectors are written, too far into the columns behind, which are written
 * next. Returns how many columns were moved: the last ones need more care. */
static size_t transpose_thin(const struct matrix *m, const elem *x, elem *y) {
    size_t c = 0;
    for (; c + LANES <= m->columns && (m->columns - c - (LANES - 1)) * m->rows >= LANES; c += LANES) {
        vec v[LANES];
        for (size_t i = 0; i < LANES; i++) {
            v[i] = (vec){0};
            if (i < m->rows) {
                vec_load(&v[i], x + i * m->from_step + c);
            }
        }
        vec_transpose(v);
        for (size_t k = 0; k < LANES; k++) {
            vec_store(y + (c + k) * m->rows, &v[k]);
        }
    }
    return c;
}

static void transpose(const struct matrix *m, const elem *x, elem *y, int add) {
    size_t rows = m->rows + m->pad, done = rows < LANES && m->to_step == rows && m->pad == 0 && !add ? transpose_thin(m, x, y) : 0;
    for (size_t r = 0; r < rows; r += LANES) {
        size_t there = r < m->rows ? body_least(LANES, m->rows - r) : 0, high = body_least(LANES, rows - r);
        for (size_t c = done; c < m->columns; c += LANES) {
            size_t wide = body_least(LANES, m->columns - c);
            const elem *from = x + r * m->from_step + c;
            elem *to = y + c * m->to_step + r;
            if (there == LANES && wide == LANES) {
                transpose_tile(m, from, to, LANES, LANES, LANES, add);
            } else {
                transpose_tile(m, from, to, there, high, wide, add);
            }
        }
    }
}

/* Missing samples are the matrix's missing rows on the way into lanes, and are left out on the way from them. */
static size_t there(const struct job *j, size_t block) {
    return body_least(LANES, j->samples - block * LANES);
}

/* Units of a sample: some of its pixels each. */
static size_t parts_of(const struct job *j) {
    enum { PIXELS = 1024 };
    return (j->pixels + PIXELS - 1) / PIXELS;
}

/* c x pixels of unit `u` become pixels x c or the reverse. */
static void move_pixels(const struct job *j, size_t u) {
    int parts = (int)parts_of(j), part = (int)(u % (size_t)parts);
    size_t begin = body_begin(j->pixels, part, parts), n = body_begin(j->pixels, part + 1, parts) - begin, sample = u / (size_t)parts * j->c * j->pixels;
    const elem *x = j->x + sample;
    elem *y = j->y + sample;
    if (j->from == LAYOUT_NCHW) {
        transpose(&(struct matrix){j->c, n, j->pixels, j->c, 0}, x + begin, y + begin * j->c, j->add);
    } else {
        transpose(&(struct matrix){n, j->c, j->c, j->pixels, 0}, x + begin * j->c, y + begin, j->add);
    }
}

/* Unit `u` is a pixel (NHWC) or a channel (NCHW) of a block: `run` elements of each sample, `step` apart inside the block. */
static void move_block(const struct job *j, size_t u) {
    int planar = j->from == LAYOUT_NCHW || j->to == LAYOUT_NCHW;
    size_t units = planar ? j->c : j->pixels, run = planar ? j->pixels : j->c, block = u / units, k = u % units, n = there(j, block);
    size_t sample = j->c * j->pixels, plain = block * LANES * sample + k * run;
    size_t lanes = block * LANES * sample + k * (planar ? j->pixels : 1) * LANES, step = (planar ? 1 : j->pixels) * LANES;
    if (j->to == LAYOUT_LANES) {
        transpose(&(struct matrix){n, run, sample, step, j->add ? 0 : LANES - n}, j->x + plain, j->y + lanes, j->add);
    } else {
        transpose(&(struct matrix){run, n, step, sample, 0}, j->x + lanes, j->y + plain, j->add);
    }
}

static void copy_range(void *job, size_t begin, size_t end) {
    const struct job *j = job;
    put(j->y + begin, j->x + begin, end - begin, j->add);
}

static void pixels_range(void *job, size_t begin, size_t end) {
    for (size_t u = begin; u < end; u++) {
        move_pixels(job, u);
    }
}

static void block_range(void *job, size_t begin, size_t end) {
    for (size_t u = begin; u < end; u++) {
        move_block(job, u);
    }
}

/* With one pixel or one channel NCHW and NHWC are the same. */
void K(reorder)(struct threads *t, enum layout from, enum layout to, size_t samples, size_t c, size_t h, size_t w, const void *x, void *y, int add) {
    struct job job = {from, to, samples, c, h * w, x, y, add};
    int lanes = from == LAYOUT_LANES || to == LAYOUT_LANES;
    size_t blocks = (samples + LANES - 1) / LANES, work = (lanes ? blocks * LANES : samples) * c * h * w;
    if (from == to || (!lanes && (c == 1 || h * w == 1))) {
        body_split(t, work, work, copy_range, &job);
    } else if (!lanes) {
        body_split(t, samples * parts_of(&job), work, pixels_range, &job);
    } else {
        body_split(t, blocks * (from == LAYOUT_NHWC || to == LAYOUT_NHWC ? h * w : c), work, block_range, &job);
    }
}
