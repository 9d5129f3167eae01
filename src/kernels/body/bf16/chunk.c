/* Products of bfloat16: a chunk of the walk over an output (chunk.h). Its places that have the same taps are listed as strips, these taps as runs of depth;
 * for each panel and block of the depth the strips pass over the packed weights. */
#include "kernels/body/bf16/chunk.h"

/* ---- a thread's lists ---- */

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

size_t OWN(chunk_list_bytes)(const struct pass *p) {
    size_t sizes[LIST_PARTS];
    return list_sizes(p, sizes);
}

static struct lists lists_at(const struct pass *p, char *memory) {
    size_t sizes[LIST_PARTS];
    void *parts[LIST_PARTS];
    list_sizes(p, sizes);
    conv_arrays(memory, sizes, LIST_PARTS, parts);
    return (struct lists){parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[6]};
}

/* ---- a chunk ---- */

struct part OWN(chunk_part)(const struct pass *p, int chunk, int group, elem *x) {
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

void OWN(chunk_copy_row)(const struct part *part, int row) {
    const struct pass *p = part->p;
    int pitch = p->flat != NULL ? p->flat->c : p->groups * p->in_c;
    ptrdiff_t sample = (ptrdiff_t)p->map.h.in * (p->flat != NULL ? p->flat->w : p->in_w) * pitch;
    struct bf16_part from = {p->in + part->sample * sample + part->group * p->in_c, sample, part->samples, part->read.begin + row, 0, p->in_w, pitch, p->in_c,
        p->flat, 0, 0};
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

void OWN(chunk_run)(struct part *part, char *lists) {
    const struct pass *p = part->p;
    struct lists *l = &part->lists;
    *l = lists_at(p, lists);
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
