/* Per-channel statistics (moments.h).
 *
 * A view with inner > 1 is a list of runs, each of one channel: a run is summed in vectors, twice while it is in the cache, first for its
 * mean, then for the squares. With inner == 1 channels lie side by side: blocks of rows are summed row by row. */
#include "kernels/body/moments.h"

enum { PIECES = 32, CHUNK = 8192, ROWS_LEAST = 16, ROWS_MOST = 64, CHAINS = 4 };

/* One piece's share: sums in doubles, and two rows of reals for the block at hand. */
struct share { struct channel_moment *moment; struct channel_sum *sum; real *row, *row2; };

struct stats { struct view v; const elem *x, *dy; const real *mean; const struct channel_gate *gate; int pieces; size_t units; char *scratch; };

static size_t view_units(const struct view *v) {
    return v->inner == 1 ? v->outer : v->outer * v->channels;
}

static int view_pieces(const struct view *v) {
    int pieces = body_pieces_of(view_units(v), v->outer * v->channels * v->inner);
    return pieces > PIECES ? PIECES : pieces;
}

static size_t share_bytes(const struct view *v) {
    return v->channels * (sizeof(struct channel_moment) + 2 * sizeof(real));
}

size_t K(channel_scratch)(const struct view *v) {
    return (size_t)view_pieces(v) * share_bytes(v);
}

/* The doubles of all pieces come first, so that those of piece 0 can be handed out as the result. */
static struct share share_of(const struct stats *s, int piece) {
    size_t channels = s->v.channels, doubles = sizeof(struct channel_moment) * channels;
    char *part = s->scratch + (size_t)piece * doubles;
    real *rows = (real *)(void *)(s->scratch + (size_t)s->pieces * doubles) + (size_t)piece * 2 * channels;
    return (struct share){(void *)part, (void *)part, rows, rows + channels};
}

/* Valid lanes of a vector of block o: all, but for the last block of a lanes layout. */
static size_t lanes_valid(const struct view *v, size_t o) {
    return v->lanes > 1 ? body_least(LANES, v->samples - o * LANES) : LANES;
}

static size_t rows_per_block(size_t channels) {
    size_t rows = CHUNK / channels;
    return rows < ROWS_LEAST ? ROWS_LEAST : rows > ROWS_MOST ? ROWS_MOST : rows;
}

/* ---- moments ---- */

static void merge(struct channel_moment *a, const struct channel_moment *b) {
    double n = a->n + b->n, delta = b->mean - a->mean;
    if (b->n > 0) {
        double part = b->n / n;
        a->mean += delta * part;
        a->m2 += b->m2 + delta * delta * a->n * part;
        a->n = n;
    }
}

/* Sum of x in vectors; with n no multiple of LANES the last one is filled with zeros. */
static void run_sum(const elem *x, size_t n, vec *sum) {
    vec part[CHAINS] = {{0}}, v;
    size_t i = 0;
    for (; i + CHAINS * LANES <= n; i += CHAINS * LANES) {
        for (int u = 0; u < CHAINS; u++) {
            vec_load(&v, x + i + (size_t)u * LANES);
            part[u] += v;
        }
    }
    for (; i < n; i += LANES) {
        vec_load_n(&v, x + i, body_least(LANES, n - i));
        part[0] += v;
    }
    *sum = (part[0] + part[1]) + (part[2] + part[3]);
}

/* Sum of (x - mean)^2, the last vector's missing elements left out. */
static void run_squares(const elem *x, size_t n, real mean, vec *sum) {
    vec part[CHAINS] = {{0}}, v;
    size_t i = 0;
    for (; i + CHAINS * LANES <= n; i += CHAINS * LANES) {
        for (int u = 0; u < CHAINS; u++) {
            vec_load(&v, x + i + (size_t)u * LANES);
            v -= mean;
            part[u] += v * v;
        }
    }
    for (; i < n; i += LANES) {
        size_t m = body_least(LANES, n - i);
        vec_load_n(&v, x + i, m);
        v -= mean;
        for (size_t j = m; j < LANES; j++) {
            v[j] = 0;
        }
        part[0] += v * v;
    }
    *sum = (part[0] + part[1]) + (part[2] + part[3]);
}

static void run_moments(const elem *x, size_t n, size_t valid, struct channel_moment *to) {
    for (size_t at = 0; at < n; at += CHUNK) {
        size_t length = body_least(CHUNK, n - at);
        struct channel_moment chunk = {.n = (double)(valid == LANES ? length : length / LANES * valid)};
        vec sum;
        run_sum(x + at, length, &sum);
        real mean = (real)(vec_sum(&sum, valid) / chunk.n);
        chunk.mean = (double)mean;
        run_squares(x + at, length, mean, &sum);
        chunk.m2 = vec_sum(&sum, valid);
        merge(to, &chunk);
    }
}

/* Columns of rows of channels, STRIP vectors of them at a time: sums that don't wait for each other, and stay in registers. The last strip is
 * shorter, its last vector's missing channels zeros. */
enum { STRIP = 4 };

/* mean and m2 of the n <= STRIP * LANES channels at x. */
INLINE void strip_moments(const elem *x, size_t rows, size_t channels, size_t n, const int whole, real *mean, real *m2) {
    vec middle[STRIP] = {{0}}, squares[STRIP] = {{0}}, v;
    for (size_t r = 0; r < rows; r++) {
        UNROLL for (size_t i = 0; i < STRIP; i++) {
            if (whole || i * LANES < n) {
                vec_load_n(&v, x + r * channels + i * LANES, whole ? LANES : body_least(LANES, n - i * LANES));
                middle[i] += v;
            }
        }
    }
    for (size_t i = 0; i < STRIP; i++) {
        middle[i] /= (real)rows;
    }
    for (size_t r = 0; r < rows; r++) {
        UNROLL for (size_t i = 0; i < STRIP; i++) {
            if (whole || i * LANES < n) {
                vec_load_n(&v, x + r * channels + i * LANES, whole ? LANES : body_least(LANES, n - i * LANES));
                v -= middle[i];
                squares[i] += v * v;
            }
        }
    }
    for (size_t c = 0; c < n; c++) {
        mean[c] = middle[c / LANES][c % LANES];
        m2[c] = squares[c / LANES][c % LANES];
    }
}

/* mean and m2 of each column of `rows` rows. */
static void block_moments(const elem *x, size_t rows, size_t channels, real *mean, real *m2) {
    size_t c = 0;
    for (; c + STRIP * LANES <= channels; c += STRIP * LANES) {
        strip_moments(x + c, rows, channels, STRIP * LANES, 1, mean + c, m2 + c);
    }
    if (c < channels) {
        strip_moments(x + c, rows, channels, channels - c, 0, mean + c, m2 + c);
    }
}

static void rows_moments(const struct stats *s, size_t begin, size_t end, const struct share *to) {
    size_t channels = s->v.channels, step = rows_per_block(channels);
    for (size_t at = begin; at < end; at += step) {
        size_t rows = body_least(step, end - at);
        block_moments(s->x + at * channels, rows, channels, to->row, to->row2);
        for (size_t c = 0; c < channels; c++) {
            struct channel_moment block = {(double)rows, (double)to->row[c], (double)to->row2[c]};
            merge(&to->moment[c], &block);
        }
    }
}

static void moments_piece(void *arg, int piece, int thread) {
    const struct stats *s = arg;
    struct share to = share_of(s, piece);
    size_t begin = body_begin(s->units, piece, s->pieces), end = body_begin(s->units, piece + 1, s->pieces);
    (void)thread;
    memset(to.moment, 0, s->v.channels * sizeof *to.moment);
    if (s->v.inner == 1) {
        rows_moments(s, begin, end, &to);
        return;
    }
    for (size_t run = begin; run < end; run++) {
        run_moments(s->x + run * s->v.inner, s->v.inner, lanes_valid(&s->v, run / s->v.channels), &to.moment[run % s->v.channels]);
    }
}

const struct channel_moment *K(channel_moments)(struct threads *t, const struct view *v, const elem *x, void *scratch) {
    struct stats s = {.v = *v, .x = x, .pieces = view_pieces(v), .units = view_units(v), .scratch = scratch};
    threads_run(t, s.pieces, moments_piece, &s);
    struct share first = share_of(&s, 0);
    for (int p = 1; p < s.pieces; p++) {
        struct share other = share_of(&s, p);
        for (size_t c = 0; c < v->channels; c++) {
            merge(&first.moment[c], &other.moment[c]);
        }
    }
    return first.moment;
}

/* ---- sums ---- */

/* dy where the gate is open, else 0. */
INLINE void close_gate(vec *dy, const vec *from_mean, const vec *a, const vec *b) {
    *dy = (vec)((vec_int)*dy & (vec_int)(*from_mean * *a + *b > 0));
}

/* Sums over n elements of dy and of dy * (x - mean): x NULL where the latter is not wanted. gate: NULL, or the channel's a and b. */
static void run_sums(const elem *dy, const elem *x, size_t n, real mean, const real *gate, struct channel_sum *to) {
    vec sum[2] = {{0}}, product[2] = {{0}}, v, at, a = {0}, b = {0};
    if (gate != NULL) {
        a += gate[0], b += gate[1];
    }
    for (size_t i = 0, turn = 0; i < n; i += LANES, turn ^= 1) {
        size_t m = body_least(LANES, n - i);
        vec_load_n(&v, dy + i, m);
        if (x != NULL) {
            vec_load_n(&at, x + i, m);
            at -= mean;
            if (gate != NULL) {
                close_gate(&v, &at, &a, &b);
            }
            product[turn] += v * at;
        }
        sum[turn] += v;
    }
    sum[0] += sum[1];
    product[0] += product[1];
    to->dy += vec_sum(&sum[0], LANES);
    to->dy_x += vec_sum(&product[0], LANES);
}

/* The same over rows of channels c .. c + n, n <= STRIP * LANES. */
INLINE void strip_sums(const struct stats *s, size_t row, size_t rows, size_t c, size_t n, const int whole, const int gated, real *to, real *to_product) {
    size_t channels = s->v.channels;
    vec sum[STRIP] = {{0}}, product[STRIP] = {{0}}, mean[STRIP] = {{0}}, a[STRIP] = {{0}}, b[STRIP] = {{0}}, v, at;
    for (size_t i = 0; s->x != NULL && i < n; i++) {
        mean[i / LANES][i % LANES] = s->mean[c + i];
        a[i / LANES][i % LANES] = gated ? s->gate->a[c + i] : 0;
        b[i / LANES][i % LANES] = gated ? s->gate->b[c + i] : 0;
    }
    for (size_t r = row; r < row + rows; r++) {
        UNROLL for (size_t i = 0; i < STRIP; i++) {
            size_t place = r * channels + c + i * LANES, m = whole ? LANES : body_least(LANES, n - body_least(n, i * LANES));
            if (m == 0) {
                continue;
            }
            vec_load_n(&v, s->dy + place, m);
            if (s->x != NULL) {
                vec_load_n(&at, s->x + place, m);
                at -= mean[i];
                if (gated) {
                    close_gate(&v, &at, &a[i], &b[i]);
                }
                product[i] += v * at;
            }
            sum[i] += v;
        }
    }
    for (size_t i = 0; i < n; i++) {
        to[i] = sum[i / LANES][i % LANES];
        to_product[i] = product[i / LANES][i % LANES];
    }
}

static void block_sums(const struct stats *s, size_t row, size_t rows, real *sum, real *product) {
    size_t c = 0, channels = s->v.channels;
    for (; c + STRIP * LANES <= channels; c += STRIP * LANES) {
        if (s->gate != NULL) {
            strip_sums(s, row, rows, c, STRIP * LANES, 1, 1, sum + c, product + c);
        } else {
            strip_sums(s, row, rows, c, STRIP * LANES, 1, 0, sum + c, product + c);
        }
    }
    if (c < channels) {
        strip_sums(s, row, rows, c, channels - c, 0, s->gate != NULL, sum + c, product + c);
    }
}

static void rows_sums(const struct stats *s, size_t begin, size_t end, const struct share *to) {
    size_t channels = s->v.channels, step = rows_per_block(channels);
    for (size_t at = begin; at < end; at += step) {
        block_sums(s, at, body_least(step, end - at), to->row, to->row2);
        for (size_t c = 0; c < channels; c++) {
            to->sum[c].dy += (double)to->row[c];
            to->sum[c].dy_x += (double)to->row2[c];
        }
    }
}

static void sums_piece(void *arg, int piece, int thread) {
    const struct stats *s = arg;
    struct share to = share_of(s, piece);
    size_t begin = body_begin(s->units, piece, s->pieces), end = body_begin(s->units, piece + 1, s->pieces), inner = s->v.inner;
    (void)thread;
    memset(to.sum, 0, s->v.channels * sizeof *to.sum);
    if (inner == 1) {
        rows_sums(s, begin, end, &to);
        return;
    }
    for (size_t run = begin; run < end; run++) {
        size_t c = run % s->v.channels;
        real gate[] = {s->gate == NULL ? 0 : s->gate->a[c], s->gate == NULL ? 0 : s->gate->b[c]};
        for (size_t at = 0; at < inner; at += CHUNK) {
            const elem *dy = s->dy + run * inner + at, *x = s->x == NULL ? NULL : s->x + run * inner + at;
            run_sums(dy, x, body_least(CHUNK, inner - at), x == NULL ? 0 : s->mean[c], s->gate == NULL ? NULL : gate, &to.sum[c]);
        }
    }
}

const struct channel_sum *K(channel_sums)(struct threads *t, const struct view *v, const elem *dy, const elem *x, const real *mean, const struct channel_gate *gate,
    void *scratch) {
    struct stats s = {.v = *v, .x = x, .dy = dy, .mean = mean, .gate = gate, .pieces = view_pieces(v), .units = view_units(v), .scratch = scratch};
    threads_run(t, s.pieces, sums_piece, &s);
    struct share first = share_of(&s, 0);
    for (int p = 1; p < s.pieces; p++) {
        struct share other = share_of(&s, p);
        for (size_t c = 0; c < v->channels; c++) {
            first.sum[c].dy += other.sum[c].dy;
            first.sum[c].dy_x += other.sum[c].dy_x;
        }
    }
    return first.sum;
}
