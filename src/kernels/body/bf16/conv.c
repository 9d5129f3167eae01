/* Products of bfloat16: forward and the gradient of x, the same walk over an output (conv.h), as a matrix product of which only a part of x is laid out.
 *
 * Some samples and rows of the output are taken at a time, a chunk. What they read is copied, the sample inside the column, so that places that read
 * neighbours are evenly spaced, whatever the stride and however small the map. Rows whose taps fall outside leave those out. So do columns, where
 * a chunk has so many samples that a column fills whole strips; else zeros stand around the map. For each panel of output channels and block of the
 * depth, the packed weights stay in the first-level cache while strips of places pass over them. Where there are few chunks, the copies are made first and
 * the panels shared out. */
#include "kernels/body/bf16/chunk.h"
#include "kernels/body/functions.h"

/* ---- how the work is cut ---- */

#if defined(ISA_amx)
enum { COPY_BYTES = 768 * 1024, PLACES = 1024 };     /* of a chunk; second-level caches are of 2 MB */
#else
enum { COPY_BYTES = 384 * 1024, PLACES = 512 };
#endif
enum { PLACES_LEAST = 384, WANTED = 16 };            /* pieces for a large team */

static size_t row_bytes(const struct pass *p, int samples) {
    return (size_t)p->map.columns * (size_t)samples * (size_t)p->depth * sizeof(elem);
}

static int waste(int places) {
    return (bf16_up(places, BF16_M) - places) * 20 > places;     /* above 5% */
}

/* Samples so many that a row is some strips long, of which the last is not far from full; for small maps a strip a column, and more where places are few
 * for the weights that they read. Powers of two, so that most batches are a multiple. */
static int samples_of(const struct pass *p) {
    const struct axis *h = &p->map.h, *w = &p->map.w;
    enum { SMALL = 16 };
    int row = conv_parts(w->out, w->phases), samples = row <= SMALL ? BF16_R : 1;
    while (samples < BF16_R && (row * samples < 2 * BF16_R || waste(row * samples))) {
        samples *= 2;
    }
    while (samples < p->batch && samples * h->out * w->out < PLACES_LEAST && row_bytes(p, 2 * samples) * (size_t)h->in <= COPY_BYTES) {
        samples *= 2;
    }
    return conv_least(samples, p->batch);
}

static int rows_of(const struct pass *p) {
    const struct axis *h = &p->map.h;
    int rows = h->out;
    while (rows > 1 && (row_bytes(p, p->samples) * (size_t)chunk_rows_in(h, rows) > COPY_BYTES || rows * p->map.w.out * p->samples > PLACES)) {
        rows = conv_parts(rows, 2);
    }
    return rows;
}

static struct pass pass_make(const struct conv *c, int batch, int back) {
    struct conv walked = back ? *c : bf16_walked(c);
    struct pass p = {.flat = !back && bf16_is_flat(c) ? c : NULL, .map = OWN(bf16_map)(&walked, back, 1), .groups = c->groups, .batch = batch};
    p.in_c = (back ? walked.k : walked.c) / c->groups;
    p.in_w = back ? walked.ow : walked.w;
    p.out_c = (back ? walked.c : walked.k) / c->groups;
    p.depth = bf16_up(p.in_c, BF16_UNIT);
    p.panels = bf16_panels(p.out_c);
    p.samples = samples_of(&p);
    if (p.samples % BF16_M == 0) {
        p.map = OWN(bf16_map)(&walked, back, 0);
    }
    p.rows = rows_of(&p);
    p.chunks = conv_parts(batch, p.samples) * conv_parts(p.map.h.out, p.rows);
    p.panel_parts = conv_least(p.panels, conv_parts(WANTED, p.chunks * p.groups));
    p.shared = p.panel_parts > 1;
    size_t slack = (size_t)BF16_R * (size_t)p.depth * sizeof(elem);      /* strips are read in full */
    p.copy_bytes = conv_align(row_bytes(&p, p.samples) * (size_t)chunk_rows_in(&p.map.h, p.rows) + slack);
    return p;
}

/* ---- pieces ---- */

/* Where the copy of a chunk of a group, or of a thread, lies. */
static elem *copy_at(const struct pass *p, int i) {
    return (elem *)(void *)(p->scratch + (size_t)i * p->copy_bytes);
}

static void copy_piece(void *arg, int piece, int thread) {
    const struct pass *p = arg;
    int rows = chunk_rows_in(&p->map.h, p->rows), at = piece / rows;
    struct part part = OWN(chunk_part)(p, at / p->groups, at % p->groups, copy_at(p, at));
    (void)thread;
    OWN(chunk_copy_row)(&part, piece % rows);
}

static int copies(const struct pass *p, int threads) {
    return p->shared ? p->chunks * p->groups : threads;
}

static void piece_run(void *arg, int piece, int thread) {
    const struct pass *p = arg;
    int of_panels = piece % p->panel_parts, at = piece / p->panel_parts;
    struct part part = OWN(chunk_part)(p, at / p->groups, at % p->groups, copy_at(p, p->shared ? at : thread));
    for (int row = 0; !p->shared && row < part.read.end - part.read.begin; row++) {
        OWN(chunk_copy_row)(&part, row);
    }
    part.panel = conv_part(p->panels, p->panel_parts, of_panels), part.panel_end = conv_part(p->panels, p->panel_parts, of_panels + 1);
    OWN(chunk_run)(&part, p->lists + (size_t)thread * p->list_bytes);
}

static void pass_run(struct pass *p, struct threads *threads, void *scratch) {
    p->scratch = scratch;
    p->list_bytes = OWN(chunk_list_bytes)(p);
    p->lists = p->scratch + (size_t)copies(p, threads_count(threads)) * p->copy_bytes;
    if (p->shared) {
        threads_run(threads, p->chunks * p->groups * chunk_rows_in(&p->map.h, p->rows), copy_piece, p);
    }
    threads_run(threads, p->chunks * p->groups * p->panel_parts, piece_run, p);
}

static void forward(const struct conv_call *call) {
    struct pass p = pass_make(call->conv, call->batch, 0);
    p.in = call->x, p.out = call->y, p.weight = call->packed, p.bias = call->bias, p.activation = call->activation;
    pass_run(&p, call->threads, call->scratch);
}

static void backward_data(const struct conv_call *call) {
    struct pass p = pass_make(call->conv, call->batch, 1);
    p.in = call->dy, p.out = call->dx, p.weight = (const elem *)call->packed + OWN(bf16_back_at)(call->conv), p.add = call->add_dx;
    pass_run(&p, call->threads, call->scratch);
}

/* The most that any batch up to this one needs: of small ones the copies are shared. */
static size_t pass_bytes(const struct conv *c, int batch, int back, int threads) {
    size_t most = 0;
    for (int n = 1; n <= batch; n++) {
        struct pass p = pass_make(c, n, back);
        size_t bytes = (size_t)copies(&p, threads) * p.copy_bytes + (size_t)threads * OWN(chunk_list_bytes)(&p);
        most = bytes > most ? bytes : most;
    }
    return most;
}

static size_t scratch_bytes(const struct conv *c, int batch, int training, int threads) {
    size_t most = pass_bytes(c, batch, 0, threads), back = training ? pass_bytes(c, batch, 1, threads) : 0;
    size_t weight = training ? OWN(bf16_weight_scratch)(c, batch, threads) : 0;
    most = back > most ? back : most;
    return weight > most ? weight : most;
}

/* Thin layers do better elsewhere. With 16 channels on both sides a vector of columns is full, and half a tile's depth. */
static int supports(const struct conv *c, int batch, int training) {
    enum { LEAST = 16, LEAST_FLAT = 8 };
    if (bf16_is_flat(c)) {
        return c->size_w * c->c >= LEAST_FLAT && c->k >= LEAST && !K(conv_lanes).supports(c, batch, training);
    }
    return c->c / c->groups >= BF16_THIN && c->k / c->groups >= LEAST;
}

const struct conv_kernel OWN(conv) = {
#if defined(ISA_amx)
    "amx",
#else
    "bf16",
#endif
    LAYOUT_NHWC, supports, OWN(bf16_packed_bytes), scratch_bytes, OWN(bf16_pack), forward, backward_data, OWN(bf16_backward_weight), 0,
};
