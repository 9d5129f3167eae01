/* dlcli import: a config and a file of weights become a model. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "commands/command.h"
#include "run_folder.h"

static const struct flag flags[] = {
    {"partial", 0, FLAG_ON, NULL, 0, 0, 0, "Take the tensors that fit, name the others."},
    {NULL, 0, FLAG_ON, NULL, 0, 0, 0, NULL},
};

static int say_json(struct context *context, const char *path, const struct model *model, struct err *err) {
    struct json j = {{0}, 0};
    json_open(&j, NULL, '{');
    json_text(&j, "model", path);
    json_int(&j, "parameters", (long long)model->graph.parameters);
    json_close(&j, '}');
    text_add(&j.out, "\n");
    int bad = context_print(context, j.out.text, j.out.length, err);
    text_free(&j.out);
    return bad;
}

static int run(struct context *context, struct err *err) {
    const char *const *operand = context->args.operands;
    if (context_operands(context, 3, 3, "three arguments: dlcli import CFG WEIGHTS FILE", err)) return -1;
    if (context->json && !strcmp(operand[2], "-")) return err_add(err, STATUS_REFUSED, "--json and - exclude each other: both are for stdout");
    if (run_folder_guard(operand[2], err)) return -1;
    struct model_options options = {.weights = operand[1], .partial = flags_on(&context->args, "partial"), .sets = context->sets, .set_count = context->set_count};
    struct plan_options plan = context_plan(context, 1, 0);
    struct model model;
    int bad = model_open(&model, operand[0], &options, err) || model_plan(&model, &plan, context->seed, err)
        || checkpoint_write(operand[2], &model.config, model.classes, model.class_count, &model.plan, NULL, NULL, err);
    if (!bad && context->json) bad = say_json(context, operand[2], &model, err);
    else if (!bad) progress_say(&context->progress, "%s: %zu parameters", operand[2], model.graph.parameters);
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
