/* commands: one file a subcommand, one line in command_list. The tables below drive parsing, checks and help. */
#ifndef DLCLI_COMMAND_H
#define DLCLI_COMMAND_H

#include <signal.h>
#include "base/err.h"
#include "base/flags.h"
#include "base/json.h"
#include "base/progress.h"
#include "base/threads.h"
#include "kernels/kernels.h"
#include "model.h"

/* What every command is given: the common flags, worked out, and the machine. */
struct context {
    struct args args;
    int json, quiet;
    int threads_wanted;                       /* --threads, else all cores */
    struct threads *team;                     /* made by context_team on first use */
    struct progress progress;
    enum isa isa; int ref_only;
    enum dtype precision;                     /* --precision, fp32 unless said */
    int int8;                                 /* --precision int8: 8-bit products, among bfloat16 or float32 */
    uint64_t seed; int has_seed;
    const char **sets; size_t set_count;      /* --set, in order */
    const volatile sig_atomic_t *stop;        /* the signal that asked to stop, else 0 */
};

struct command {
    const char *name, *synopsis;              /* "train CFG [-o RUN] [--resume]..." */
    const char *summary;                      /* a line */
    const char *help;                         /* paragraphs */
    const char *examples;                     /* lines */
    const struct flag *flags;
    /* 0, or -1 with err. Results go to stdout. */
    int (*run)(struct context *context, struct err *err);
};
extern const struct command *const command_list[];       /* NULL at the end */
extern const struct flag flags_common[];                 /* of every command */
extern const struct command command_train, command_test, command_predict, command_summary, command_check, command_help, command_bench, command_import, command_generate, command_plot, command_draw;

struct threads *context_team(struct context *context, struct err *err);
/* model_open with the context's --set and the command's -w / --partial (flags "weights", "partial", where it has them). */
int context_model(struct context *context, const char *path, struct model *model, struct err *err);
/* Refuses -w beside several models: it replaces the weights of each. */
int context_weights(const struct context *context, size_t models, struct err *err);
/* --seed, else the model's own ([net] seed=), which drew its validation samples. */
uint64_t context_seed(const struct context *context, const struct model *model);
/* Plan options of an inference or a training plan with the context's precision, instruction set and threads. */
struct plan_options context_plan(const struct context *context, int batch, int training);
/* Exactly `least`..`most` operands, else a usage error. */
int context_operands(const struct context *context, size_t least, size_t most, const char *what, struct err *err);
/* Writes text to stdout and flushes. */
int context_print(struct context *context, const char *text, size_t length, struct err *err);
/* -1 with INTERRUPTED or TERMINATED where a signal asked to stop, else 0. */
int context_stopped(const struct context *context, struct err *err);
/* What a picture calls a model: cfg/lenet.cfg and runs/lenet/best.safetensors are lenet. malloc'ed. */
char *context_label(const char *path);
const char *precision_name(const struct context *context);

/* The manual of a command as text (help.c). */
void command_manual(struct text *out, const struct command *command);

#endif
