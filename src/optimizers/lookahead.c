/* Lookahead (optimizer.h): a slow copy of everything that training changes, in step with the checkpoint. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "optimizers/rules.h"

static int changes(const struct value *v) {
    return v->grad != NULL || v->slot->kind == SLOT_STATE;
}

int lookahead_check(const struct section *net, uint64_t total_steps, struct err *err) {
    if (config_int(net, "lookahead") > 0 && config_real(net, "lookahead_power") > 0 && total_steps == 0) {
        return config_refuse(net, "net", "lookahead_power", err, "needs a length: give epochs or max_batches");
    }
    return 0;
}

int lookahead_make(struct optimizer *o, const struct section *net, uint64_t total_steps, struct err *err) {
    int every = (int)config_int(net, "lookahead");
    double power = config_real(net, "lookahead_power");
    if (every == 0 || lookahead_check(net, total_steps, err) != 0) {
        return every == 0 ? 0 : -1;
    }
    size_t values = (size_t)o->plan->value_count;
    struct lookahead *l = o->lookahead = mem_need(1, sizeof *l);
    *l = (struct lookahead){every, config_real(net, "lookahead_keep"), power, total_steps,
                            mem_need(values + 1, sizeof *l->slow)};
    for (size_t i = 0; i < values; i++) {
        const struct value *v = &o->plan->values[i];
        size_t bytes = v->slot->count * optimizer_real(o->plan);
        if (!changes(v)) {
            continue;
        }
        if ((l->slow[i] = mem_aligned(bytes)) == NULL) {
            return err_add(err, STATUS_FAILED, "out of memory for the average of lookahead");
        }
        memcpy(l->slow[i], v->data, bytes);
    }
    return 0;
}

void lookahead_free(struct optimizer *o) {
    for (int i = 0; o->lookahead != NULL && i < o->plan->value_count; i++) {
        free(o->lookahead->slow[i]);
    }
    if (o->lookahead != NULL) {
        free(o->lookahead->slow);
    }
    free(o->lookahead);
    o->lookahead = NULL;
}

static void move_float(float *slow, float *weight, size_t n, float keep) {
    for (size_t i = 0; i < n; i++) {
        weight[i] = slow[i] = weight[i] + keep * (slow[i] - weight[i]);
    }
}

static void move_double(double *slow, double *weight, size_t n, double keep) {
    for (size_t i = 0; i < n; i++) {
        weight[i] = slow[i] = weight[i] + keep * (slow[i] - weight[i]);
    }
}

static void move_all(const struct optimizer *o, double keep) {
    for (int i = 0; i < o->plan->value_count; i++) {
        const struct value *v = &o->plan->values[i];
        void *slow = o->lookahead->slow[i];
        if (slow == NULL) {
            continue;
        }
        if (o->plan->target.kernels->dtype == DTYPE_F64) {
            move_double(slow, v->data, v->slot->count, keep);
        } else {
            move_float(slow, v->data, v->slot->count, (float)keep);
        }
    }
}

void lookahead_step(const struct optimizer *o, uint64_t steps) {
    const struct lookahead *l = o->lookahead;
    if (l == NULL) {
        return;
    }
    if (steps % (uint64_t)l->every == 0) {
        move_all(o, l->power > 0 ? l->keep * pow((double)steps / (double)l->length, l->power) : l->keep);
    }
    if (steps == l->length && steps >= (uint64_t)l->every) {
        move_all(o, 1);
    }
}
