/* conv_nhwc: the weights as the tiles stream them (see conv_nhwc.h). */
#include "kernels/body/conv_nhwc.h"
#include "kernels/body/transpose.h"

size_t K(nhwc_packed_reals)(const struct conv *c, int back) {
    struct panels panels = panels_of((back ? c->c : c->k) / c->groups);
    size_t rows = (size_t)((back ? c->k : c->c) / c->groups) * (size_t)c->size_h * (size_t)c->size_w;
    return (size_t)c->groups * (size_t)panels.vectors * LANES * rows;
}

size_t K(nhwc_packed_bytes)(const struct conv *c, int training) {
    return (K(nhwc_packed_reals)(c, 0) + (training ? K(nhwc_packed_reals)(c, 1) : 0)) * sizeof(real);
}

struct pack { const struct conv *conv; const real *weight, *scale; real *to; int back; };

/* A panel: `columns` channels from `first` of a group, `width` wide. */
struct panel { int group, first, columns, width; real *to; };

/* Row `row` (an input channel, or backward an output channel) and tap t of a panel. */
static inline real *panel_at(const struct pack *j, const struct panel *p, int row, int t) {
    const struct conv *c = j->conv;
    int rows = (j->back ? c->k : c->c) / c->groups, taps = c->size_h * c->size_w;
    return p->to + ((ptrdiff_t)(j->back ? taps - 1 - t : t) * rows + row) * p->width;
}

static real scale_of(const struct pack *j, int k) {
    return j->scale == NULL ? 1 : j->scale[k];
}

/* Columns are output channels, whose weights lie together: LANES of them by LANES weights are read, and turned in registers. */
static void pack_forward(const struct pack *j, const struct panel *p) {
    const struct conv *c = j->conv;
    int taps = c->size_h * c->size_w, count = c->c / c->groups * taps, k = p->group * (c->k / c->groups) + p->first;
    for (int column = 0; column < p->width; column += LANES) {
        const real *from = j->weight + (ptrdiff_t)(k + column) * count;
        for (int at = 0; at < count; at += LANES) {
            int n = conv_least(LANES, count - at);
            vec v[LANES];
            for (int i = 0; i < LANES; i++) {
                int some = column + i < p->columns ? n : 0;
                conv_load(&v[i], some > 0 ? from + (ptrdiff_t)i * count + at : from, some);
                v[i] *= some > 0 ? scale_of(j, k + column + i) : 0;
            }
            vec_transpose(v);
            for (int i = 0; i < n; i++) {
                vec_store_reals(panel_at(j, p, (at + i) / taps, (at + i) % taps) + column, &v[i]);
            }
        }
    }
}

/* Columns are input channels, `taps` apart. */
static void pack_backward(const struct pack *j, const struct panel *p) {
    const struct conv *c = j->conv;
    int in_c = c->c / c->groups, out_c = c->k / c->groups, taps = c->size_h * c->size_w;
    for (int k = 0; k < out_c; k++) {
        const real *from = j->weight + (((ptrdiff_t)p->group * out_c + k) * in_c + p->first) * taps;
        for (int t = 0; t < taps; t++) {
            real *to = panel_at(j, p, k, t), scale = scale_of(j, p->group * out_c + k);
            for (int i = 0; i < p->columns; i++) {
                to[i] = from[i * taps + t] * scale;
            }
            for (int i = p->columns; i < p->width; i++) {
                to[i] = 0;
            }
        }
    }
}

/* units: panels of all groups. */
static void pack_range(void *job, size_t begin, size_t end) {
    const struct pack *j = job;
    const struct conv *c = j->conv;
    struct panels panels = panels_of((j->back ? c->c : c->k) / c->groups);
    ptrdiff_t rows = (ptrdiff_t)((j->back ? c->k : c->c) / c->groups) * c->size_h * c->size_w;
    for (size_t unit = begin; unit < end; unit++) {
        int group = (int)unit / panels.count, panel = (int)unit % panels.count;
        int first = panel_begin(&panels, panel), width = panel_vectors(&panels, panel) * LANES;
        struct panel p = {group, first, conv_least(width, panels.channels - first), width, j->to + ((ptrdiff_t)group * panels.vectors * LANES + first) * rows};
        if (j->back) {
            pack_backward(j, &p);
        } else {
            pack_forward(j, &p);
        }
    }
}

void K(nhwc_pack)(const struct conv *c, const void *weight, const void *scale, int training, void *packed, struct threads *threads) {
    for (int back = 0; back <= (training != 0); back++) {
        struct pack job = {c, weight, scale, (real *)packed + (back ? K(nhwc_packed_reals)(c, 0) : 0), back};
        size_t units = (size_t)c->groups * (size_t)panels_of((back ? c->c : c->k) / c->groups).count;
        body_split(threads, units, K(nhwc_packed_reals)(c, back), pack_range, &job);
    }
}
