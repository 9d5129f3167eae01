/* What commands share: the common flags, the team of threads, opening a model, printing a result. */
#include <stdio.h>
#include <string.h>

#include "commands/command.h"

const struct flag flags_common[] = {
    {"help", 'h', FLAG_ON, NULL, 0, 0, 0, "Print the manual of the command."},
    {"version", 0, FLAG_ON, NULL, 0, 0, 0, "Print the version."},
    {"quiet", 'q', FLAG_ON, NULL, 0, 0, 0, "Say nothing on stderr but warnings and errors."},
    {"json", 0, FLAG_ON, NULL, 0, 0, 0, "Print results as JSON, an object a line."},
    {"threads", 0, FLAG_INT, "N", 1, 256, 0, "Compute threads (default: all cores this process may use)."},
    {"seed", 0, FLAG_INT, "S", 0, 4294967295.0, 0, "Where all chance starts: the same seed gives the same bits."},
    {"precision", 0, FLAG_CHOICE, "fp32|bf16|int8", 0, 0, 0, "Numbers inside the network (default: fp32). int8: 8-bit products (of wide 3x3 layers 16-bit ones), calibrated on training pictures, among bf16 where the processor multiplies that; only where nothing is trained."},
    {"set", 0, FLAG_TEXT, "SECTION.KEY=VALUE", 0, 0, 1, "Change the config: net.batch=64; layers by name or index: 3.filters=32. Repeatable."},
    {NULL, 0, FLAG_ON, NULL, 0, 0, 0, NULL},
};

const struct command *const command_list[] = {&command_train, &command_test, &command_predict, &command_summary, &command_check, &command_help, &command_bench,
    &command_import, &command_generate, &command_plot, &command_draw, NULL};

struct threads *context_team(struct context *context, struct err *err) {
    if (!context->team) context->team = threads_make(context->threads_wanted, err);
    return context->team;
}

struct command_flags { const struct flag *const *tables; };

static int takes(struct command_flags f, const char *name) {
    for (size_t t = 0; f.tables[t]; t++)
        for (const struct flag *flag = f.tables[t]; flag->name; flag++)
            if (!strcmp(flag->name, name)) return 1;
    return 0;
}

int context_model(struct context *context, const char *path, struct model *model, struct err *err) {
    struct command_flags flags = {context->args.tables};
    struct model_options options = {.sets = context->sets, .set_count = context->set_count};
    if (takes(flags, "weights")) options.weights = flags_text(&context->args, "weights");
    if (takes(flags, "partial")) options.partial = flags_on(&context->args, "partial");
    return model_open(model, path, &options, err);
}

int context_weights(const struct context *context, size_t models, struct err *err) {
    if (models < 2 || !flags_text(&context->args, "weights")) return 0;
    return err_add(err, STATUS_REFUSED, "-w: would give all %zu models of the ensemble the same weights: want one model, or checkpoints (`dlcli import` makes one)", models);
}

uint64_t context_seed(const struct context *context, const struct model *model) {
    return context->has_seed ? context->seed : (uint64_t)config_int(model->graph.net, "seed");
}

struct plan_options context_plan(const struct context *context, int batch, int training) {
    return (struct plan_options){.isa = context->isa, .ref_only = context->ref_only, .dtype = context->precision, .batch = batch, .training = training,
        .threads = context->threads_wanted, .keep_layer = -1, .quantize = context->int8 ? QUANTIZE_BY_DATA : QUANTIZE_NOT, .stop = context->stop};
}

int context_operands(const struct context *context, size_t least, size_t most, const char *what, struct err *err) {
    size_t n = context->args.operand_count;
    if (n < least) return err_add(err, STATUS_REFUSED, "want %s", what);
    if (n > most) return err_add(err, STATUS_REFUSED, "want %s; \"%s\" is one too many", what, context->args.operands[most]);
    return 0;
}

int context_print(struct context *context, const char *text, size_t length, struct err *err) {
    progress_end(&context->progress);
    if (fwrite(text, 1, length, stdout) == length && !fflush(stdout)) return 0;
    return err_errno(err, STATUS_FAILED, "standard output", "can't be written");
}

int context_stopped(const struct context *context, struct err *err) {
    if (!*context->stop) return 0;
    return err_add(err, *context->stop == SIGTERM ? STATUS_TERMINATED : STATUS_INTERRUPTED, "stopped by a signal");
}

char *context_label(const char *path) {
    const char *end = strrchr(path, '/'), *from = end;
    if (!strcmp(path, "-")) return mem_copy("network");
    if (end && end > path && (!strcmp(end, "/best.safetensors") || !strcmp(end, "/last.safetensors"))) {
        while (from > path && from[-1] != '/') from--;
        if (*from != '.' && from < end) return mem_copy_n(from, (size_t)(end - from));   /* "." and ".." are no names, and hidden files nobody finds */
    }
    from = end ? end + 1 : path;
    const char *dot = strrchr(from, '.');
    return dot && dot > from ? mem_copy_n(from, (size_t)(dot - from)) : mem_copy(from);
}

const char *precision_name(const struct context *context) {
    static const char *const names[] = {"fp32", "fp64", "bf16"};
    return context->int8 ? "int8" : names[context->precision];
}
