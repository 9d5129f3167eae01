/* Parameters and running statistics: where they lie, how they start, and how they are read and written as float32. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "plan_internal.h"

static size_t padded(const struct plan *plan, const struct slot *slot) {
    size_t real = plan->target.kernels->dtype == DTYPE_F64 ? sizeof(double) : sizeof(float);
    return (slot->count * real + 63) / 64 * 64;
}

static int has_gradient(const struct plan *plan, const struct slot *slot) {
    return plan->target.training && slot->kind == SLOT_PARAM && !slot->frozen;
}

void values_count(struct plan *plan) {
    for (int i = 0; i < plan->graph->node_count; i++) {
        const struct node *node = &plan->graph->nodes[i];
        for (int j = 0; j < node->slot_count; j++) {
            plan->value_count++;
            plan->weight_bytes += padded(plan, &node->slots[j]);
            if (has_gradient(plan, &node->slots[j])) plan->gradient_bytes += padded(plan, &node->slots[j]);
        }
    }
}

void values_assign(struct plan *plan) {
    plan->values = mem_need((size_t)plan->value_count + 1, sizeof *plan->values);
    char *weight = plan->weights, *gradient = plan->gradients;
    int at = 0;
    for (int i = 0; i < plan->graph->node_count; i++) {
        const struct node *node = &plan->graph->nodes[i];
        if (plan->op_of_node[i] >= 0) plan->ops[plan->op_of_node[i]].slots = &plan->values[at];
        for (int j = 0; j < node->slot_count; j++, at++) {
            const struct slot *slot = &node->slots[j];
            plan->values[at] = (struct value){.slot = slot, .node = node, .data = weight, .grad = has_gradient(plan, slot) ? gradient : NULL};
            weight += padded(plan, slot);
            if (has_gradient(plan, slot)) gradient += padded(plan, slot);
        }
    }
}

void *plan_end(struct plan *plan) {
    void *weights = plan->weights;
    plan->weights = NULL;
    plan_free(plan);
    return weights;
}

int value_rests(const struct value *v, uint64_t epoch) {
    return !v->grad || (v->slot->epochs > 0 && epoch >= (uint64_t)v->slot->epochs);
}

static int has_restless_value(const struct op *op, uint64_t epoch) {
    if (op->ops == &layer_reorder) return 0;
    for (int i = 0; i < op->node->slot_count; i++)
        if (!value_rests(&op->slots[i], epoch)) return 1;
    return 0;
}

void plan_epoch(struct plan *plan, uint64_t epoch) {
    for (int i = 0; i < plan->op_count; i++) {
        struct op *op = &plan->ops[i];
        op->rests = !has_restless_value(op, epoch);
        for (int j = 0; j < op->in_count; j++) op->rests &= !op->in[j]->grad;
        op->out->grad = op->rests ? NULL : op->out->grad_place;
    }
}

const char *value_name(const struct plan *plan, int i, char *buffer, size_t size) {
    return graph_slot_name(plan->graph, plan->values[i].node, plan->values[i].slot, buffer, size);
}

void value_get(const struct plan *plan, const struct value *v, float *to) {
    if (plan->target.kernels->dtype == DTYPE_F64)
        for (size_t i = 0; i < v->slot->count; i++) to[i] = (float)((const double *)v->data)[i];
    else memcpy(to, v->data, v->slot->count * sizeof *to);
}

void value_set(const struct plan *plan, const struct value *v, const float *from) {
    if (plan->target.kernels->dtype == DTYPE_F64)
        for (size_t i = 0; i < v->slot->count; i++) ((double *)v->data)[i] = from[i];
    else memcpy(v->data, from, v->slot->count * sizeof *from);
}

/* ---- states that are carried ---- */

int plan_carried(const struct plan *plan, int i, struct carried *state) {
    int count = 0;
    for (int o = 0; o < plan->op_count; o++) {
        const struct op *op = &plan->ops[o];
        for (int which = 0; which < op->carry_count; which++, count++) {
            if (count != i) continue;
            *state = (struct carried){(size_t)plan->target.batch, op->carry_width, (char *)op->own + (size_t)which * op->carry_bytes, ""};
            snprintf(state->name, sizeof state->name, "state.%s.%c", plan->graph->layers[op->node->layer].name, which ? 'c' : 'h');
        }
    }
    return count;
}

void plan_forget(struct plan *plan) {
    for (int o = 0; o < plan->op_count; o++)
        if (plan->ops[o].carry_count) memset(plan->ops[o].own, 0, (size_t)plan->ops[o].carry_count * plan->ops[o].carry_bytes);
}

/* ---- starting values ---- */

/* Rows of a (rows x columns) matrix made orthonormal by Gram-Schmidt, twice for accuracy; the longer side spans the shorter.
 * Saxe, McClelland, Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural networks", 2014. */
static void orthogonal(float *w, size_t rows, size_t columns, double gain, struct rng *rng) {
    size_t n = rows < columns ? rows : columns, length = rows < columns ? columns : rows;
    size_t step = rows < columns ? 1 : columns, stride = rows < columns ? columns : 1;
    double *v = mem_need(n * length, sizeof *v);
    for (size_t i = 0; i < n * length; i++) v[i] = rng_normal(rng);
    for (size_t i = 0; i < n; i++) {
        double *row = v + i * length, norm = 0;
        for (size_t pass = 0; pass < 2; pass++)
            for (size_t j = 0; j < i; j++) {
                double dot = 0;
                for (size_t k = 0; k < length; k++) dot += row[k] * v[j * length + k];
                for (size_t k = 0; k < length; k++) row[k] -= dot * v[j * length + k];
            }
        for (size_t k = 0; k < length; k++) norm += row[k] * row[k];
        for (size_t k = 0; k < length; k++) w[i * stride + k * step] = (float)(gain * (row[k] /= sqrt(norm)));
    }
    free(v);
}

/* The identity as a convolution: filter i passes channel i of its group through at the window's centre.
 * Zagoruyko, Komodakis, "DiracNets", 2017. */
static void dirac(float *w, const struct slot *slot, double gain) {
    size_t window = 1, per_filter = slot->ndim > 1 ? (size_t)slot->dims[1] : 1, centre = 0;
    for (int d = 2; d < slot->ndim; d++) {
        centre = centre * (size_t)slot->dims[d] + (size_t)slot->dims[d] / 2;
        window *= (size_t)slot->dims[d];
    }
    for (size_t i = 0; i < (size_t)slot->dims[0] && i < per_filter; i++) {
        memset(w + i * per_filter * window, 0, per_filter * window * sizeof *w);
        w[(i * per_filter + i) * window + centre] = (float)gain;
    }
}

static void uniform(float *w, size_t n, double low, double high, struct rng *rng) {
    for (size_t i = 0; i < n; i++) w[i] = (float)(low + (high - low) * rng_uniform(rng));
}

static void normal(float *w, size_t n, double mean, double deviation, struct rng *rng) {
    for (size_t i = 0; i < n; i++) w[i] = (float)(mean + deviation * rng_normal(rng));
}

/* He: He et al., "Delving Deep into Rectifiers", 2015. Glorot: Glorot, Bengio, "Understanding the difficulty of training deep feedforward
 * neural networks", 2010. */
static void start(float *w, const struct slot *slot, struct rng *rng) {
    const struct init *init = &slot->init;
    double in = slot->fan_in ? (double)slot->fan_in : 1, both = in + (double)slot->fan_out, gain = init->a;
    double he_limit = gain * sqrt(6 / in), glorot_limit = gain * sqrt(6 / both), darknet_limit = gain * sqrt(2 / in);
    double pytorch_limit = gain * sqrt(1 / in);
    size_t n = slot->count;
    memset(w, 0, n * sizeof *w);
    switch (init->kind) {
    case INIT_ZERO: break;
    case INIT_ONE: uniform(w, n, 1, 1, rng); break;
    case INIT_WHITENING:
    case INIT_HE_NORMAL: normal(w, n, 0, gain * sqrt(2 / in), rng); break;
    case INIT_HE_UNIFORM: uniform(w, n, -he_limit, he_limit, rng); break;
    case INIT_GLOROT_NORMAL: normal(w, n, 0, gain * sqrt(2 / both), rng); break;
    case INIT_GLOROT_UNIFORM: uniform(w, n, -glorot_limit, glorot_limit, rng); break;
    case INIT_DARKNET_UNIFORM: uniform(w, n, -darknet_limit, darknet_limit, rng); break;
    case INIT_UNIFORM: uniform(w, n, init->a, init->b, rng); break;
    case INIT_NORMAL: normal(w, n, init->a, init->b, rng); break;
    case INIT_DIRAC: dirac(w, slot, gain); break;
    case INIT_ORTHOGONAL: orthogonal(w, (size_t)slot->dims[0], n / (size_t)slot->dims[0], gain, rng); break;
    case INIT_PYTORCH: uniform(w, n, -pytorch_limit, pytorch_limit, rng); break;
    case INIT_VALUES: memcpy(w, init->values, n * sizeof *w); break;
    }
    if (init->dirac && init->kind != INIT_VALUES) dirac(w, slot, 1);
}

void plan_init(struct plan *plan, uint64_t seed) {
    int in_place = plan->target.kernels->dtype != DTYPE_F64;
    for (int i = 0; i < plan->value_count; i++) {
        const struct value *v = &plan->values[i];
        struct rng rng = rng_make(seed, RNG_INIT, (uint64_t)i);
        float *w = in_place ? v->data : mem_need(v->slot->count, sizeof *w);
        start(w, v->slot, &rng);
        if (!in_place) {
            value_set(plan, v, w);
            free(w);
        }
    }
}
