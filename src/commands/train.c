/* dlcli train: a config, or a checkpoint's, trained into a RUN folder. */
#include <stdio.h>
#include <string.h>

#include "commands/command.h"
#include "commands/find_rate.h"
#include "train.h"

static const struct flag flags[] = {
    {"output", 'o', FLAG_TEXT, "RUN", 0, 0, 0, "Folder for checkpoints and metrics (default: runs/<config name>)."},
    {"resume", 0, FLAG_ON, NULL, 0, 0, 0, "Go on with RUN where it stopped, bit for bit."},
    {"force", 0, FLAG_ON, NULL, 0, 0, 0, "Start afresh in a RUN that holds a checkpoint."},
    {"weights", 'w', FLAG_TEXT, "FILE", 0, 0, 0, "Start from these weights, by tensor name and shape."},
    {"partial", 0, FLAG_ON, NULL, 0, 0, 0, "With -w: take the tensors that fit, name the others."},
    {"epochs", 0, FLAG_REAL, "N", 0.0001, 1000000, 0, "Length in passes over the data, also a fraction; schedules follow it."},
    {"max-batches", 0, FLAG_INT, "N", 1, 2147483647, 0, "Length in updates."},
    {"keep", 0, FLAG_INT, "N", 0, 1000000, 0, "Also keep the checkpoints of the last N epochs."},
    {"find-rate", 0, FLAG_ON, NULL, 0, 0, 0, "Try learning rates instead: a range test of --max-batches updates (default: 100)."},
    {"rate-min", 0, FLAG_REAL, "X", 1e-30, 1e30, 0, "With --find-rate: the first rate (default: 1e-6)."},
    {"rate-max", 0, FLAG_REAL, "X", 1e-30, 1e30, 0, "With --find-rate: the last rate (default: 10)."},
    {NULL, 0, FLAG_ON, NULL, 0, 0, 0, NULL},
};

static int run(struct context *context, struct err *err) {
    const struct args *args = &context->args;
    if (context_operands(context, 1, 1, "a config: dlcli train cfg/lenet.cfg", err)) return -1;
    if (flags_on(args, "partial") && !flags_text(args, "weights")) return err_add(err, STATUS_REFUSED, "--partial goes with -w WEIGHTS");
    if (flags_on(args, "resume") && flags_on(args, "force")) return err_add(err, STATUS_REFUSED, "--resume and --force exclude each other");
    if (context->int8) return err_add(err, STATUS_REFUSED, "--precision int8: want fp32 or bf16 where something is trained");
    if (flags_text(args, "epochs") && flags_text(args, "max-batches")) return err_add(err, STATUS_REFUSED, "--epochs and --max-batches exclude each other");
    if (find_rate_check(args, err)) return -1;
    struct train_options options = {.run = flags_text(args, "output"), .resume = flags_on(args, "resume"), .force = flags_on(args, "force"),
        .weights = flags_text(args, "weights"), .partial = flags_on(args, "partial"), .epochs = flags_real(args, "epochs", -1),
        .max_batches = flags_int(args, "max-batches", -1), .keep = (int)flags_int(args, "keep", 0), .seed = context->seed, .has_seed = context->has_seed,
        .precision = context->precision, .isa = context->isa, .ref_only = context->ref_only, .events = context->json ? stdout : NULL, .stop = context->stop};
    struct train_result result = {.best = "", .last = ""};
    struct model model;
    int bad = context_model(context, args->operands[0], &model, err);
    if (!bad) progress_warn(&context->progress, err);
    bad = bad || !context_team(context, err);
    if (flags_on(args, "find-rate")) bad = bad || find_rate(context, &model, options, err);
    else bad = bad || train_run(&model, &options, context->team, &context->progress, &result, err);
    model_close(&model);
    return bad ? -1 : 0;
}

const struct command command_train = {
    .name = "train",
    .synopsis = "train CFG [-o RUN] [--resume] [-w WEIGHTS [--partial]] [--epochs N | --max-batches N] [--find-rate]",
    .summary = "train a network; resume; fine-tune",
    .help = "Trains the network of a config on the data set of its [data] section, with true epochs and a validation after each. RUN gets\n"
            "last.safetensors, best.safetensors, metrics.jsonl and config.cfg; runs/last points at the newest run. Ctrl-C or SIGTERM\n"
            "finishes the step, saves and exits 130 or 143; --resume then goes on as if nothing had happened, also after a kill -9.\n"
            "--find-rate trains for some updates while the learning rate rises from --rate-min to --rate-max (Smith 2017), suggests a tenth\n"
            "of the rate at which the loss is lowest, and writes RUN/find-rate.jsonl and RUN/find-rate.png; nothing else of RUN is touched.",
    .examples = "dlcli train cfg/lenet.cfg\n"
                "dlcli train cfg/lenet.cfg -o runs/try --set net.batch=64 --epochs 5\n"
                "dlcli train cfg/lenet.cfg --resume\n"
                "dlcli train cfg/lenet.cfg --find-rate\n"
                "dlcli train cfg/mine.cfg -w squeezenet.safetensors --partial",
    .flags = flags,
    .run = run,
};
