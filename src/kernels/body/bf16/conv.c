/* Products of bfloat16: forward and the gradient of x, the same walk over an output (conv.h), as a matrix product of which only a part of x is laid out.
 *
 * Some samples and rows of the output are taken at a time, a chunk. What they read is copied, the sample inside the column, so that places that read
 * neighbours are evenly spaced, whatever the stride and however small the map. Rows whose taps fall outside leave those out. So do columns, where
 * a chunk has so many samples that a column fills whole strips; else zeros stand around the map. For each panel of output channels and block of the
 * depth, the packed weights stay in the first-level cache while strips of places pass over them. Where there are few chunks, the copies are made first and
 * the panels shared out. */
#include "kernels/body/bf16/bf16.h"
#include "kernels/body/functions.h"

struct pass {
    const struct conv *flat;             /* the layer, where a row of its taps counts as channels, or NULL */
    struct bf16_map map;
    int in_w;                            /* columns of the input as it is walked */
    int groups, in_c, out_c, depth;      /* channels of one group; in_c filled up to units */
    int batch, samples, rows;            /* of a chunk; rows are all where samples fill strips */
    int chunks, panels, panel_parts, shared;
    size_t copy_bytes, list_bytes;
    const elem *in, *weight;
    elem *out;
    const real *bias;
    enum activation activation;
    int add;
    char *scratch, *lists;               /* copies of chunks; and behind them each thread's lists */
};

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

/* Rows of x that `rows` of the output read, at most. */
static int rows_in(const struct axis *h, int rows) {
    int reach = (h->size - 1) * h->dilation;
    return conv_least(h->in, h->back ? (rows + reach - 1) / h->stride + 2 : (rows - 1) * h->stride + reach + 1);
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
    while (rows > 1 && (row_bytes(p, p->samples) * (size_t)rows_in(h, rows) > COPY_BYTES || rows * p->map.w.out * p->samples > PLACES)) {
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
    p.copy_bytes = conv_align(row_bytes(&p, p.samples) * (size_t)rows_in(&p.map.h, p.rows) + slack);
    return p;
}

/* ---- a thread's lists ---- */

struct lists {
    struct segment *rows, *columns;
    ptrdiff_t *places;
    struct bf16_strip *strips;
    struct bf16_run *runs;
    int *blocks;             /* where each block's runs begin, and behind them where the last one's end */
    real *partial;
};
enum { LIST_PARTS = 7 };

static int most_blocks(const struct pass *p) {
    return p->depth * p->map.h.size * p->map.w.size / BF16_DEPTH + 1;
}

static int most_strips(const struct pass *p) {
    const struct axis *w = &p->map.w;
    int padded = p->samples * conv_parts(w->out, BF16_R) + w->phases, by_column = w->out * conv_parts(p->samples, BF16_R);
    return p->rows * conv_most(padded, by_column);
}

/* Bytes of each array; returns the sum. */
static size_t list_sizes(const struct pass *p, size_t sizes[LIST_PARTS]) {
    size_t strips = (size_t)most_strips(p);
    sizes[0] = (size_t)p->rows * sizeof(struct segment);
    sizes[1] = (size_t)p->map.w.out * sizeof(struct segment);
    sizes[2] = (size_t)p->samples * (size_t)p->rows * (size_t)p->map.w.out * sizeof(ptrdiff_t);
    sizes[3] = strips * sizeof(struct bf16_strip);
    sizes[4] = (size_t)(p->map.h.size * p->map.w.size + most_blocks(p)) * sizeof(struct bf16_run);
    sizes[5] = (size_t)(most_blocks(p) + 1) * sizeof(int);
    sizes[6] = strips * BF16_R * BF16_N * sizeof(vec);
    return conv_sizes(sizes, LIST_PARTS);
}

static struct lists lists_at(const struct pass *p, char *memory) {
    size_t sizes[LIST_PARTS];
    void *parts[LIST_PARTS];
    list_sizes(p, sizes);
    conv_arrays(memory, sizes, LIST_PARTS, parts);
    return (struct lists){parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[6]};
}

/* ---- a chunk ---- */

struct part {
    const struct pass *p;
    struct lists lists;
    int group, sample, samples, row, row_end, panel, panel_end;
    struct range read;           /* rows of x, of which the copy holds these */
    elem *x;
    int strips, blocks;          /* of the class at hand */
};

static struct part part_of(const struct pass *p, int chunk, int group, elem *x) {
    int of_rows = conv_parts(p->map.h.out, p->rows);
    struct part part = {.p = p, .group = group, .x = x, .panel_end = p->panels};
    part.sample = chunk / of_rows * p->samples, part.samples = conv_least(p->samples, p->batch - part.sample);
    part.row = chunk % of_rows * p->rows, part.row_end = conv_least(p->map.h.out, part.row + p->rows);
    part.read = OWN(bf16_rows_read)(&p->map.h, part.row, part.row_end);
    return part;
}

static ptrdiff_t row_elems(const struct part *part) {
    return (ptrdiff_t)part->p->map.columns * part->samples * part->p->depth;
}

/* Row `row` of those that are read, if there is such a one. */
static void copy_row(const struct part *part, int row) {
    const struct pass *p = part->p;
    int pitch = p->flat != NULL ? p->flat->c : p->groups * p->in_c;
    ptrdiff_t sample = (ptrdiff_t)p->map.h.in * (p->flat != NULL ? p->flat->w : p->in_w) * pitch;
    struct bf16_part from = {p->in + part->sample * sample + part->group * p->in_c, sample, part->samples, part->read.begin + row, 0, p->in_w, pitch, p->in_c,
        p->flat, 0};
    if (from.row < part->read.end) {
        OWN(bf16_lay_row)(&p->map, &from, p->depth, part->x + row * row_elems(part));
    }
}

/* Strips of the places of a class, each within a row. */
static void list_strips(struct part *part, const struct segment *rows, const struct segment *columns) {
    const struct pass *p = part->p;
    const struct bf16_map *m = &p->map;
    int count = columns->count * part->samples, strips = conv_parts(count, BF16_R), at = 0, some = rows->taps.count > 0 && columns->taps.count > 0;
    struct bf16_strip *strip = part->lists.strips;
    for (int i = 0; i < rows->count; i++) {
        int row = rows->taps.at + i * m->h.in_step - part->read.begin, o = rows->o + i * m->h.phases;
        ptrdiff_t x = row * row_elems(part) + (ptrdiff_t)bf16_column(m, columns->taps.at) * part->samples * p->depth;
        for (int s = 0; s < strips; s++, strip++) {
            int begin = conv_least(count, s * BF16_R);
            *strip = (struct bf16_strip){some ? x + (ptrdiff_t)begin * p->depth : 0, at + begin, conv_least(BF16_R, count - begin)};
        }
        for (int j = 0; j < count; j++) {
            ptrdiff_t n = part->sample + j % part->samples, column = columns->o + j / part->samples * m->w.phases;
            part->lists.places[at++] = ((n * m->h.out + o) * m->w.out + column) * p->groups * p->out_c;
        }
    }
    part->strips = (int)(strip - part->lists.strips);
}

/* Adds a tap's depth to the runs, cut into blocks. room: what is left of the last block. */
static void add_run(struct part *part, struct bf16_run next, int left, int block, int *room) {
    struct bf16_run *last = part->lists.runs + part->lists.blocks[part->blocks] - 1;
    for (; left > 0; left -= next.length, next.x += next.length, next.w += next.length) {
        int fresh = *room == 0;
        if (fresh) {
            part->lists.blocks[part->blocks + 1] = part->lists.blocks[part->blocks];
            part->blocks++;
            *room = block;
        }
        next.length = conv_least(left, *room);
        *room -= next.length;
        if (!fresh && last->x + last->length == next.x && last->w + last->length == next.w) {
            last->length += next.length;
        } else {
            *++last = next;
            part->lists.blocks[part->blocks]++;
        }
    }
}

/* The taps of a class, in the order of the packed weights, in blocks of equal depth. */
static void list_runs(struct part *part, const struct taps *h, const struct taps *w) {
    const struct pass *p = part->p;
    const struct bf16_map *m = &p->map;
    int taps = h->count * w->count, depth = taps * p->depth, room = 0;
    int block = bf16_up(conv_parts(depth, conv_most(1, conv_parts(depth, BF16_DEPTH))), BF16_UNIT);
    part->blocks = 0;
    part->lists.blocks[0] = 0;
    for (int t = 0; t < taps; t++) {
        int i = m->h.back ? h->count - 1 - t / w->count : t / w->count, j = m->h.back ? w->count - 1 - t % w->count : t % w->count;
        int row = h->first + i * h->step, column = w->first + j * w->step;
        row = m->h.back ? m->h.size - 1 - row : row, column = m->h.back ? m->w.size - 1 - column : column;
        ptrdiff_t across = bf16_column(m, w->at + j * w->move) - bf16_column(m, w->at);
        struct bf16_run next = {(ptrdiff_t)i * h->move * row_elems(part) + across * part->samples * p->depth, ((ptrdiff_t)row * m->w.size + column) * p->depth, 0};
        add_run(part, next, p->depth, block, &room);
    }
}

/* A class of places for one panel. A class without taps gets its bias alone. */
static void panel_run(const struct part *part, int panel) {
    const struct pass *p = part->p;
    int first = bf16_panel(p->out_c, panel), width = bf16_panel(p->out_c, panel + 1) - first, channel = part->group * p->out_c + first;
    ptrdiff_t rows = (ptrdiff_t)p->depth * p->map.h.size * p->map.w.size;
    real bias[BF16_N * LANES] = {0};
    struct bf16_block b = {.x = part->x, .w = p->weight + ((ptrdiff_t)part->group * bf16_vectors(p->out_c) * LANES + first) * rows, .pitch = p->depth,
        .strips = part->lists.strips, .strip_count = part->strips, .vectors = width / LANES, .partial = part->lists.partial,
        .store = {p->out + channel, part->lists.places, bias, conv_least(width, p->out_c - first), p->add, p->activation}};
    if (p->bias != NULL) {
        memcpy(bias, p->bias + channel, (size_t)b.store.columns * sizeof *bias);
    }
    for (int i = 0, blocks = conv_most(1, part->blocks); i < blocks; i++) {
        b.first = i == 0, b.last = i == blocks - 1;
        b.runs = part->lists.runs + part->lists.blocks[i];
        b.run_count = part->blocks > 0 ? part->lists.blocks[i + 1] - part->lists.blocks[i] : 0;
        OWN(bf16_block)(&b);
    }
}

static void part_run(struct part *part) {
    const struct pass *p = part->p;
    struct lists *l = &part->lists;
    int rows = conv_segments(&p->map.h, part->row, part->row_end, l->rows), columns = conv_segments(&p->map.w, 0, p->map.w.out, l->columns);
    for (int class = 0; class < rows * columns; class++) {
        const struct segment *row = &l->rows[class / columns], *column = &l->columns[class % columns];
        list_strips(part, row, column);
        list_runs(part, &row->taps, &column->taps);
        for (int i = part->panel; i < part->panel_end; i++) {
            panel_run(part, i);
        }
    }
}

/* ---- pieces ---- */

/* Where the copy of a chunk of a group, or of a thread, lies. */
static elem *copy_at(const struct pass *p, int i) {
    return (elem *)(void *)(p->scratch + (size_t)i * p->copy_bytes);
}

static void copy_piece(void *arg, int piece, int thread) {
    const struct pass *p = arg;
    int rows = rows_in(&p->map.h, p->rows), at = piece / rows;
    struct part part = part_of(p, at / p->groups, at % p->groups, copy_at(p, at));
    (void)thread;
    copy_row(&part, piece % rows);
}

static int copies(const struct pass *p, int threads) {
    return p->shared ? p->chunks * p->groups : threads;
}

static void piece_run(void *arg, int piece, int thread) {
    const struct pass *p = arg;
    int of_panels = piece % p->panel_parts, at = piece / p->panel_parts;
    struct part part = part_of(p, at / p->groups, at % p->groups, copy_at(p, p->shared ? at : thread));
    for (int row = 0; !p->shared && row < part.read.end - part.read.begin; row++) {
        copy_row(&part, row);
    }
    part.lists = lists_at(p, p->lists + (size_t)thread * p->list_bytes);
    part.panel = conv_part(p->panels, p->panel_parts, of_panels), part.panel_end = conv_part(p->panels, p->panel_parts, of_panels + 1);
    part_run(&part);
}

static void pass_run(struct pass *p, struct threads *threads, void *scratch) {
    size_t sizes[LIST_PARTS];
    p->scratch = scratch;
    p->list_bytes = list_sizes(p, sizes);
    p->lists = p->scratch + (size_t)copies(p, threads_count(threads)) * p->copy_bytes;
    if (p->shared) {
        threads_run(threads, p->chunks * p->groups * rows_in(&p->map.h, p->rows), copy_piece, p);
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
    size_t sizes[LIST_PARTS], most = 0;
    for (int n = 1; n <= batch; n++) {
        struct pass p = pass_make(c, n, back);
        size_t bytes = (size_t)copies(&p, threads) * p.copy_bytes + (size_t)threads * list_sizes(&p, sizes);
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
