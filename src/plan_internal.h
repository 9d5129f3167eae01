/* Between plan.c (which ops, which layouts, what is fused), plan_arena.c (who lives when, and where) and plan_values.c (parameters). */
#ifndef DLCLI_PLAN_INTERNAL_H
#define DLCLI_PLAN_INTERNAL_H

#include "layers/layer.h"
#include "plan.h"

/* Where a value's memory comes from: its own place in the arena, or that of the tensor it stands in for. */
struct lifetime { int first, last; int alias; size_t bytes, offset; };   /* alias: another tensor's number, or -1 */

/* What the planner knows of a tensor besides what everybody sees. */
struct tensor_plan { int producer, consumers; struct lifetime data, grad; };

struct layout_work {
    struct plan *plan;
    const struct plan_options *options;
    struct tensor_plan *tensors;
    int *tensor_of_node;
    int op_room, tensor_room;
    struct lifetime *saved;             /* per op */
};

/* Lays out the arena: fills offsets, plan->arena_bytes. */
void arena_lay_out(struct layout_work *work);
/* Gives every tensor and op its pointers once plan->arena is there. */
void arena_assign(struct layout_work *work);

/* Values of all nodes: counts into weight_bytes and gradient_bytes (allocated later), then pointers. */
void values_count(struct plan *plan);
void values_assign(struct plan *plan);

#endif
