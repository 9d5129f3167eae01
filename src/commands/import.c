/* dlcli import: a config and a file of weights become a model. */
#include <stdlib.h>
#include <string.h>

#include "commands/command.h"

static const struct flag flags[] = {
    {"partial", 0, FLAG_ON, NULL, 0, 0, 0, "Take the tensors that fit, name the others."},
    {NULL, 0, FLAG_ON, NULL, 0, 0, 0, NULL},
};

static int run(struct context *context, struct err *err) {
    const char *const *operand = context->args.operands;
    if (context_operands(context, 3, 3, "three arguments: dlcli import CFG WEIGHTS FILE", err)) return -1;
    struct model_options options = {.weights = operand[1], .partial = flags_on(&context->args, "partial"), .sets = context->sets, .set_count = context->set_count};
    struct plan_options plan = context_plan(context, 1, 0);
    struct model model;
    int bad = model_open(&model, operand[0], &options, err) || model_plan(&model, &plan, context->seed, err)
        || checkpoint_write(operand[2], &model.config, model.classes, model.class_count, &model.plan, NULL, NULL, err);
    if (!bad) progress_say(&context->progress, "%s: %zu parameters", operand[2], model.graph.parameters);
    model_close(&model);
    return bad ? -1 : 0;
}

const struct command command_import = {
    .name = "import",
    .synopsis = "import CFG WEIGHTS FILE [--partial]",
    .summary = "make a model of a config and a file of weights",
    .help = "Reads weights (.safetensors or .npz) by tensor name and shape into the network of CFG and writes FILE, a model that carries its\n"
            "config, class names and preprocessing, as a training run's checkpoints do.",
    .examples = "dlcli import cfg/imagenet/squeezenet.cfg squeezenet1_0.safetensors squeezenet.safetensors\n"
                "dlcli predict dog.jpg -m squeezenet.safetensors",
    .flags = flags,
    .run = run,
};
