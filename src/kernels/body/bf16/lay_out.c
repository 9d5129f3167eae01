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

/* Where columns of the tensor, `phase` and every step-th behind it, lie among the map's `every` places of that phase: [begin, end); zeros are around them. */
static struct range places_of(const struct bf16_map *m, int columns, int phase) {
    struct range r = {conv_parts(conv_most(0, m->left - phase), m->step), conv_parts(conv_most(0, m->left + columns - phase), m->step)};
    r.begin = conv_least(r.begin, m->every), r.end = conv_most(r.begin, conv_least(r.end, m->every));
    return r;
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
INLINE const elem *pixel(const struct bf16_part *part, int n, int row, int column, elem *room) {
    const elem *from = part->from + n * part->sample;
    if (part->flat != NULL) {
        return taps_at(part->flat, from + (ptrdiff_t)row * part->flat->w * part->pitch, column, room) + part->first;
    }
    return from + ((ptrdiff_t)row * part->columns + column) * part->pitch;
}

INLINE void lay_pixels(const struct bf16_part *part, int column, int depth, elem *to) {
    size_t bytes = (size_t)part->channels * sizeof *to, rest = (size_t)(depth - part->channels) * sizeof *to;
    for (int n = 0; n < part->samples; n++, to += depth) {
        elem room[BF16_FLAT];
        memcpy(to, pixel(part, n, part->row, column, room), bytes);
        if (rest > 0) {
            memset(to + part->channels, 0, rest);
        }
    }
}

void OWN(bf16_lay_row)(const struct bf16_map *m, const struct bf16_part *part, int depth, elem *to) {
    ptrdiff_t each = (ptrdiff_t)part->samples * depth;
    int as_it_lies = part->samples == 1 && m->step == 1 && part->flat == NULL && part->pitch == depth && part->channels == depth;
    for (int phase = 0; phase < m->step; phase++, to += m->every * each) {
        struct range inside = places_of(m, part->columns, phase);
        memset(to, 0, (size_t)(inside.begin * each) * sizeof *to);
        if (as_it_lies) {
            memcpy(to + inside.begin * each, pixel(part, 0, part->row, inside.begin - m->left, NULL), (size_t)((inside.end - inside.begin) * each) * sizeof *to);
        }
        for (int i = inside.begin; i < inside.end && !as_it_lies; i++) {
            lay_pixels(part, i * m->step + phase - m->left, depth, to + i * each);
        }
        memset(to + inside.end * each, 0, (size_t)((m->every - inside.end) * each) * sizeof *to);
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
    ptrdiff_t each = (ptrdiff_t)conv_parts(part->samples, 2) * width;
    for (int phase = 0; phase < m->step; phase++, to += m->every * each) {
        struct range inside = places_of(m, part->columns, phase);
        uint32_t *at = to + inside.begin * each;
        memset(to, 0, (size_t)(inside.begin * each) * sizeof *to);
        for (int i = inside.begin; i < inside.end; i++) {
            int column = i * m->step + phase - m->left;
            for (int n = 0; n < part->samples; n += 2, at += width) {
                elem room[2][BF16_FLAT];
                const elem *first = pixel(part, n, part->row, column, room[0]), *second = n + 1 < part->samples ? pixel(part, n + 1, part->row, column, room[1]) : NULL;
                if (part->ahead != 0) {
                    __builtin_prefetch(first + part->ahead);
                    __builtin_prefetch(first + part->sample + part->ahead);
                }
                pairs(first, second, part->channels, width, at);
            }
        }
        memset(at, 0, (size_t)((m->every - inside.end) * each) * sizeof *to);
    }
}
