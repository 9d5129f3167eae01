/* Products of bfloat16: copies of x, or backward of dy, as the products read them (bf16.h). */
#include "kernels/body/bf16/bf16.h"

struct bf16_map OWN(bf16_map)(const struct conv *c, int back, int padded) {
    struct bf16_map m = {.h = conv_axis_h(c, back), .w = conv_axis_w(c, back)};
    struct axis *w = &m.w;
    int reach = (w->size - 1) * w->dilation, last = back ? (w->out - 1 + w->pad) / w->stride : (w->out - 1) * w->stride - w->pad + reach;
    if (padded) {
        m.left = back ? conv_parts(conv_most(0, reach - w->pad), w->stride) : w->pad;
        w->in = conv_most(w->in, last + 1) + m.left;
        w->pad += back ? m.left * w->stride : -m.left;
    }
    m.step = w->in_step;
    m.every = conv_parts(w->in, m.step);
    m.columns = m.step * m.every;
    return m;
}

struct range OWN(bf16_rows_read)(const struct axis *h, int begin, int end) {
    struct range rows = {h->in, 0};
    for (int o = begin; o < end; o++) {
        struct taps t = conv_taps(h, o);
        int last = t.at + (t.count - 1) * t.move;
        if (t.count > 0) {
            rows.begin = conv_least(rows.begin, conv_least(t.at, last));
            rows.end = conv_most(rows.end, conv_most(t.at, last) + 1);
        }
    }
    rows.begin = conv_least(rows.begin, rows.end);
    return rows;
}

/* The map's column that lies at `place` of a row; -1: of the zeros around it. */
static int column_of(const struct bf16_map *m, const struct bf16_part *part, int place) {
    int at = place % m->every * m->step + place / m->every - m->left;
    return at >= 0 && at < part->columns ? at : -1;
}

/* The row of taps that an output's column reads: where it lies, or put together in `room`, zeros outside. */
static const elem *taps_at(const struct conv *c, const elem *line, int column, elem *room) {
    int first = column * c->stride_w - c->pad_left;
    size_t bytes = (size_t)c->c * sizeof *line;
    if (c->dilation_w == 1 && first >= 0 && first + c->size_w <= c->w) {
        return line + (ptrdiff_t)first * c->c;
    }
    for (int i = 0; i < c->size_w; i++) {
        int at = first + i * c->dilation_w;
        if (at >= 0 && at < c->w) {
            memcpy(room + (ptrdiff_t)i * c->c, line + (ptrdiff_t)at * c->c, bytes);
        } else {
            memset(room + (ptrdiff_t)i * c->c, 0, bytes);
        }
    }
    return room;
}

/* room: BF16_FLAT elems, in case. */
static const elem *pixel(const struct bf16_part *part, int n, int row, int column, elem *room) {
    const elem *from = part->from + n * part->sample;
    if (part->flat != NULL) {
        return taps_at(part->flat, from + (ptrdiff_t)row * part->flat->w * part->pitch, column, room) + part->first;
    }
    return from + ((ptrdiff_t)row * part->columns + column) * part->pitch;
}

void OWN(bf16_lay_row)(const struct bf16_map *m, const struct bf16_part *part, int depth, elem *to) {
    size_t bytes = (size_t)part->channels * sizeof(elem), rest = (size_t)(depth - part->channels) * sizeof(elem);
    for (int place = 0; place < m->columns; place++) {
        int column = column_of(m, part, place);
        if (column < 0) {
            memset(to, 0, (size_t)part->samples * (size_t)depth * sizeof(elem));
            to += (ptrdiff_t)part->samples * depth;
            continue;
        }
        for (int n = 0; n < part->samples; n++, to += depth) {
            elem room[BF16_FLAT];
            memcpy(to, pixel(part, n, part->row, column, room), bytes);
            memset(to + part->channels, 0, rest);
        }
    }
}

/* `channels` numbers at a, and at b (NULL: zeros), -> `width` pairs of them, zeros behind. */
static void pairs(const elem *restrict a, const elem *restrict b, int channels, int width, uint32_t *restrict to) {
    int i = 0;
    for (; i + LANES <= channels; i += LANES) {
        vec_word low, high = {0};
        vec_load_halves(&low, a + i);
        if (b != NULL) {
            vec_load_halves(&high, b + i);
        }
        low |= high << 16;
        memcpy(to + i, &low, sizeof low);
    }
    for (; i < channels; i++) {
        to[i] = a[i] | (b != NULL ? (uint32_t)b[i] << 16 : 0);
    }
    for (; i < width; i++) {
        to[i] = 0;
    }
}

void OWN(bf16_lay_pairs)(const struct bf16_map *m, const struct bf16_part *part, int width, elem *elems) {
    uint32_t *to = (uint32_t *)(void *)elems;
    for (int row = part->row; row < part->row_end; row++) {
        for (int place = 0; place < m->columns; place++) {
            int column = column_of(m, part, place);
            for (int n = 0; n < part->samples; n += 2, to += width) {
                if (column < 0) {
                    memset(to, 0, (size_t)width * sizeof *to);
                } else {
                    elem room[2][BF16_FLAT];
                    const elem *second = n + 1 < part->samples ? pixel(part, n + 1, row, column, room[1]) : NULL;
                    pairs(pixel(part, n, row, column, room[0]), second, part->channels, width, to);
                }
            }
        }
    }
}
