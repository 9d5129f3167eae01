/* The arithmetic of recurrent cells: what stands between the products with the input and with the state before, and the
 * state after; and the way back. PyTorch's equations and gate orders. A vector of units at a time. */
#include "kernels/body/cells.h"
#include "kernels/body/vec_math.h"

/* Gate `gate` of the vector at unit j: the product with the input and its bias; that with the state and its bias. */
INLINE void with_input(const struct cell_part *p, size_t gate, size_t j, size_t n, vec *sum) {
    vec_load_reals_n(sum, p->bias_ih + gate * p->stride + j, n);
    if (p->input != NULL) {
        vec product;
        vec_load_reals_n(&product, p->input + gate * p->stride + j, n);
        *sum += product;
    }
}

INLINE void with_state(const struct cell_part *p, size_t gate, size_t j, size_t n, vec *sum) {
    vec bias;
    vec_load_reals(sum, p->products + gate * CELL_UNITS + j);
    vec_load_reals_n(&bias, p->bias_hh + gate * p->stride + j, n);
    *sum += bias;
}

INLINE void with_both(const struct cell_part *p, size_t gate, size_t j, size_t n, vec *sum) {
    vec state;
    with_input(p, gate, j, n, sum);
    with_state(p, gate, j, n, &state);
    *sum += state;
}

INLINE void put_gate(const struct cell_part *p, size_t gate, size_t j, size_t n, const vec *value) {
    if (p->gates != NULL) {
        vec_store_reals_n(p->gates + gate * p->stride + j, value, n);
    }
}

INLINE void get_gate(const struct cell_part *p, size_t gate, size_t j, size_t n, vec *value) {
    vec_load_reals_n(value, p->gates + gate * p->stride + j, n);
}

/* h = tanh(sum) or relu(sum); NaN stays. */
INLINE void plain_units(const struct cell_part *p, size_t j, size_t n, vec *h) {
    with_both(p, 0, j, n, h);
    if (p->kind == CELL_TANH) {
        vec_tanh(h);
    } else {
        *h = (vec)((vec_int)*h & ~(*h <= 0));
    }
}

/* Gates i, f, g, o: c = f c' + i g; h = o tanh(c). The gates' values stay for the way back. Two vectors at once, since
 * each of these functions is a chain of operations that wait for one another. */
INLINE void lstm_units(const struct cell_part *p, size_t j, size_t n, size_t vecs, vec *h) {
    vec gate[4][2], c[2];
    UNROLL
    for (size_t i = 0; i < 4 * vecs; i++) {
        vec *value = &gate[i / vecs][i % vecs];
        with_both(p, i / vecs, j + i % vecs * LANES, n, value);
        if (i / vecs == 2) {
            vec_tanh(value);
        } else {
            vec_logistic(value);
        }
        put_gate(p, i / vecs, j + i % vecs * LANES, n, value);
    }
    UNROLL
    for (size_t v = 0; v < vecs; v++) {
        vec_load_reals_n(&c[v], p->c_before + j + v * LANES, n);
        c[v] = gate[1][v] * c[v] + gate[0][v] * gate[2][v];
        vec_store_reals_n(p->c + j + v * LANES, &c[v], n);
    }
    UNROLL
    for (size_t v = 0; v < vecs; v++) {
        vec_tanh(&c[v]);
        h[v] = gate[3][v] * c[v];
    }
}

/* Gates r, z, n: n = tanh(Wx + b + r (W'h' + b')); h = (1 - z) n + z h'. extra keeps W'h' + b'. */
INLINE void gru_units(const struct cell_part *p, size_t j, size_t n, vec *h) {
    vec reset, keep, new, extra, before;
    with_both(p, 0, j, n, &reset);
    with_both(p, 1, j, n, &keep);
    with_input(p, 2, j, n, &new);
    with_state(p, 2, j, n, &extra);
    if (p->has_fourth) {
        vec product;
        vec_load_reals(&product, p->products + 3 * CELL_UNITS + j);
        new += product;
    }
    vec_logistic(&reset);
    vec_logistic(&keep);
    new += reset * extra;
    vec_tanh(&new);
    vec_load_reals_n(&before, p->h_before + j, n);
    put_gate(p, 0, j, n, &reset);
    put_gate(p, 1, j, n, &keep);
    put_gate(p, 2, j, n, &new);
    if (p->extra != NULL) {
        vec_store_reals_n(p->extra + j, &extra, n);
    }
    *h = (1 - keep) * new + keep * before;
}

/* vecs vectors from unit j on, of n units each. */
INLINE void units(const struct cell_part *p, size_t j, size_t n, size_t vecs) {
    vec h[2];
    if (p->kind == CELL_LSTM) {
        lstm_units(p, j, n, vecs, h);
    } else if (p->kind == CELL_GRU) {
        for (size_t v = 0; v < vecs; v++) {
            gru_units(p, j + v * LANES, n, &h[v]);
        }
    } else {
        for (size_t v = 0; v < vecs; v++) {
            plain_units(p, j + v * LANES, n, &h[v]);
        }
    }
    for (size_t v = 0; v < vecs; v++) {
        vec_store_reals_n(p->h + j + v * LANES, &h[v], n);
        if (p->out != NULL) {
            vec_store_n(p->out + j + v * LANES, &h[v], n);
        }
    }
}

/* ---- sequences that have ended ---- */

static void pass_by(const struct cell_part *p) {
    for (size_t j = 0; j < p->n; j++) {
        p->h[j] = p->h_before[j];
        if (p->c != NULL) {
            p->c[j] = p->c_before[j];
        }
        if (p->out != NULL) {
            STORE(p->out, j, p->hold ? p->h[j] : 0);
        }
    }
}

/* No gate had a part in it; dh and dc go on to the step before. */
static void pass_by_back(const struct cell_part *p) {
    for (size_t j = 0; j < p->n; j++) {
        p->dh[j] += (p->products == NULL ? 0 : p->products[j]) + (p->dout == NULL || !p->hold ? 0 : LOAD(p->dout, j));
    }
    for (size_t gate = 0; gate < cell_gates(p->kind); gate++) {
        memset(p->gates + gate * p->stride, 0, p->n * sizeof *p->gates);
    }
    if (p->extra != NULL) {
        memset(p->extra, 0, p->n * sizeof *p->extra);
    }
}

void K(cell_forward)(const struct cell_part *p) {
    if (p->ended) {
        pass_by(p);
        return;
    }
    size_t j = 0;
    for (; j + 2 * LANES <= p->n; j += 2 * LANES) {
        units(p, j, LANES, 2);
    }
    for (; j < p->n; j += LANES) {
        if (p->n - j >= LANES) {
            units(p, j, LANES, 1);
        } else {
            units(p, j, p->n - j, 1);
        }
    }
}

/* ---- the way back: gates become the gradients of their sums, dh what passes them by ---- */

INLINE void plain_units_back(const struct cell_part *p, size_t j, size_t n, vec *dh) {
    vec h;
    vec_load_reals_n(&h, p->h + j, n);
    if (p->kind == CELL_TANH) {
        *dh *= 1 - h * h;
    } else {
        *dh = (vec)((vec_int)*dh & (h > 0));
    }
    put_gate(p, 0, j, n, dh);
    *dh = (vec){0};
}

INLINE void lstm_units_back(const struct cell_part *p, size_t j, size_t n, vec *dh) {
    vec gate[4], before, shown, dc;
    UNROLL
    for (size_t i = 0; i < 4; i++) {
        get_gate(p, i, j, n, &gate[i]);
    }
    vec_load_reals_n(&before, p->c_before + j, n);
    vec_load_reals_n(&shown, p->c + j, n);
    vec_load_reals_n(&dc, p->dc + j, n);
    vec_tanh(&shown);
    dc += *dh * gate[3] * (1 - shown * shown);
    vec in = dc * gate[2] * gate[0] * (1 - gate[0]), keep = dc * before * gate[1] * (1 - gate[1]);
    vec new = dc * gate[0] * (1 - gate[2] * gate[2]), show = *dh * shown * gate[3] * (1 - gate[3]);
    put_gate(p, 0, j, n, &in);
    put_gate(p, 1, j, n, &keep);
    put_gate(p, 2, j, n, &new);
    put_gate(p, 3, j, n, &show);
    dc *= gate[1];
    vec_store_reals_n(p->dc + j, &dc, n);
    *dh = (vec){0};
}

/* extra becomes the gradient of W'h' + b' of the third gate. */
INLINE void gru_units_back(const struct cell_part *p, size_t j, size_t n, vec *dh) {
    vec reset, keep, new, extra, before, dreset, dkeep, dnew;
    get_gate(p, 0, j, n, &reset);
    get_gate(p, 1, j, n, &keep);
    get_gate(p, 2, j, n, &new);
    vec_load_reals_n(&extra, p->extra + j, n);
    vec_load_reals_n(&before, p->h_before + j, n);
    dnew = *dh * (1 - keep) * (1 - new * new);
    dreset = dnew * extra * reset * (1 - reset);
    dkeep = *dh * (before - new) * keep * (1 - keep);
    put_gate(p, 0, j, n, &dreset);
    put_gate(p, 1, j, n, &dkeep);
    put_gate(p, 2, j, n, &dnew);
    extra = dnew * reset;
    vec_store_reals_n(p->extra + j, &extra, n);
    *dh *= keep;
}

INLINE void units_back(const struct cell_part *p, size_t j, size_t n) {
    vec dh, more;
    vec_load_reals_n(&dh, p->dh + j, n);
    if (p->products != NULL) {
        vec_load_reals(&more, p->products + j);
        dh += more;
    }
    if (p->dout != NULL) {
        vec_load_n(&more, p->dout + j, n);
        dh += more;
    }
    if (p->kind == CELL_LSTM) {
        lstm_units_back(p, j, n, &dh);
    } else if (p->kind == CELL_GRU) {
        gru_units_back(p, j, n, &dh);
    } else {
        plain_units_back(p, j, n, &dh);
    }
    vec_store_reals_n(p->dh + j, &dh, n);
}

void K(cell_backward)(const struct cell_part *p) {
    if (p->ended) {
        pass_by_back(p);
        return;
    }
    for (size_t j = 0; j < p->n; j += LANES) {
        if (p->n - j >= LANES) {
            units_back(p, j, LANES);
        } else {
            units_back(p, j, p->n - j);
        }
    }
}
