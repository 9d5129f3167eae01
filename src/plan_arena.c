/* Lifetimes and the arena. Time runs 0..n-1 over the ops forward and n..2n-1 backward (op i's backward is at 2n-1-i). Every tensor, gradient and
 * saved block lives from its first writing to its last reading; the largest are placed first, each at the lowest place that is free
 * for its whole life. */
#include <stdlib.h>

#include "base/mem.h"
#include "plan_internal.h"

enum { FOREVER = 1 << 30 };

static void stretch(struct lifetime *life, int at) {
    if (at < life->first) life->first = at;
    if (at > life->last) life->last = at;
}

static int is_kept(const struct layout_work *work, const struct op *producer) {
    return work->options->keep_all || (work->options->keep_layer >= 0 && producer->node->layer == work->options->keep_layer);
}

static void live_data(struct layout_work *work) {
    struct plan *plan = work->plan;
    int n = plan->op_count;
    for (int t = 0; t < plan->tensor_count; t++) {
        struct lifetime *life = &work->tensors[t].data;
        life->first = life->last = work->tensors[t].producer;
        life->bytes = plan->tensors[t].external ? 0 : plan->tensors[t].bytes;
        if (is_kept(work, &plan->ops[life->first])) life->last = FOREVER;
    }
    for (int i = 0; i < n; i++) {
        const struct op *op = &plan->ops[i];
        int back = 2 * n - 1 - i;
        for (int j = 0; j < op->in_count; j++)
            stretch(&work->tensors[op->in[j] - plan->tensors].data, op->learns && op->backward_reads_in ? back : i);
        if (op->learns && op->backward_reads_out) stretch(&work->tensors[op->out - plan->tensors].data, back);
        work->saved[i] = (struct lifetime){.first = i, .last = op->learns ? back : i, .alias = -1, .bytes = op->saved_bytes};
    }
    work->tensors[plan->output - plan->tensors].data.last = FOREVER;
}

static void live_grads(struct layout_work *work) {
    struct plan *plan = work->plan;
    int n = plan->op_count;
    for (int t = 0; t < plan->tensor_count; t++) {
        struct lifetime *life = &work->tensors[t].grad;
        life->last = 2 * n - 1 - work->tensors[t].producer;
        life->first = life->last;
    }
    for (int i = 0; i < n; i++) {
        const struct op *op = &plan->ops[i];
        for (int j = 0; j < op->in_count && op->learns; j++) {
            int t = (int)(op->in[j] - plan->tensors);
            if (!plan->ops[work->tensors[t].producer].learns) continue;
            work->tensors[t].grad.bytes = plan->tensors[t].bytes;
            stretch(&work->tensors[t].grad, 2 * n - 1 - i);
        }
    }
}

/* Nothing is reused: what one pass left is there after the next as well. */
static void live_forever(struct layout_work *work) {
    for (int t = 0; t < work->plan->tensor_count; t++) {
        struct tensor_plan *p = &work->tensors[t];
        p->data.first = p->grad.first = 0;
        p->data.last = p->grad.last = FOREVER;
    }
    for (int i = 0; i < work->plan->op_count; i++) work->saved[i] = (struct lifetime){.last = FOREVER, .alias = -1, .bytes = work->saved[i].bytes};
}

/* The place a lifetime stands in for, through chains; lives are merged into it. */
static struct lifetime *data_root(struct layout_work *work, int t) {
    while (work->tensors[t].data.alias >= 0) t = work->tensors[t].data.alias;
    return &work->tensors[t].data;
}

static struct lifetime *grad_root(struct layout_work *work, int t) {
    /* an op whose output has no gradient of its own (a loss) can't lend its place */
    while (work->tensors[t].grad.alias >= 0 && work->tensors[work->tensors[t].grad.alias].grad.bytes) t = work->tensors[t].grad.alias;
    return &work->tensors[t].grad;
}

static void merge(struct lifetime *root, const struct lifetime *life) {
    if (root == life) return;
    stretch(root, life->first);
    stretch(root, life->last);
    if (life->bytes > root->bytes) root->bytes = life->bytes;
}

static int by_size(const void *a, const void *b) {
    const struct lifetime *x = *(struct lifetime *const *)a, *y = *(struct lifetime *const *)b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->first != y->first ? (x->first < y->first ? -1 : 1) : 0;
}

static int by_offset(const void *a, const void *b) {
    const struct lifetime *x = *(struct lifetime *const *)a, *y = *(struct lifetime *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* The lowest offset at which `life` overlaps nobody placed that lives at the same time. */
static size_t lowest_place(struct lifetime *const *placed, int count, const struct lifetime *life, struct lifetime **rivals) {
    int n = 0;
    for (int i = 0; i < count; i++)
        if (placed[i]->first <= life->last && life->first <= placed[i]->last) rivals[n++] = placed[i];
    qsort(rivals, (size_t)n, sizeof *rivals, by_offset);
    size_t at = 0;
    for (int i = 0; i < n; i++) {
        if (rivals[i]->offset >= at + life->bytes) break;
        if (rivals[i]->offset + rivals[i]->bytes > at) at = rivals[i]->offset + rivals[i]->bytes;
    }
    return at;
}

void arena_lay_out(struct layout_work *work) {
    struct plan *plan = work->plan;
    live_data(work);
    live_grads(work);
    if (work->options->keep_all) live_forever(work);
    int most = 2 * plan->tensor_count + plan->op_count, count = 0;
    struct lifetime **items = mem_need((size_t)most, sizeof *items), **rivals = mem_need((size_t)most, sizeof *rivals);
    for (int t = 0; t < plan->tensor_count; t++) {
        merge(data_root(work, t), &work->tensors[t].data);
        if (work->tensors[t].grad.bytes) merge(grad_root(work, t), &work->tensors[t].grad);
    }
    for (int t = 0; t < plan->tensor_count; t++) {
        if (data_root(work, t) == &work->tensors[t].data && work->tensors[t].data.bytes) items[count++] = &work->tensors[t].data;
        if (grad_root(work, t) == &work->tensors[t].grad && work->tensors[t].grad.bytes) items[count++] = &work->tensors[t].grad;
    }
    for (int i = 0; i < plan->op_count; i++)
        if (work->saved[i].bytes) items[count++] = &work->saved[i];
    for (int i = 0; i < count; i++) items[i]->bytes = (items[i]->bytes + 63) / 64 * 64;
    qsort(items, (size_t)count, sizeof *items, by_size);
    for (int i = 0; i < count; i++) {
        items[i]->offset = lowest_place(items, i, items[i], rivals);
        if (items[i]->offset + items[i]->bytes > plan->arena_bytes) plan->arena_bytes = items[i]->offset + items[i]->bytes;
    }
    free(items);
    free(rivals);
}

void arena_assign(struct layout_work *work) {
    struct plan *plan = work->plan;
    char *arena = plan->arena;
    for (int t = 0; t < plan->tensor_count; t++) {
        if (!plan->tensors[t].external) plan->tensors[t].data = arena + data_root(work, t)->offset;
        if (work->tensors[t].grad.bytes) plan->tensors[t].grad = plan->tensors[t].grad_place = arena + grad_root(work, t)->offset;
    }
    for (int i = 0; i < plan->op_count; i++)
        if (plan->ops[i].saved_bytes) plan->ops[i].saved = arena + work->saved[i].offset;
}
