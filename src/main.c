/* argv -> command table -> exit status. The only exit. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands/command.h"

/* What a signal handler may touch: the one mutable global, written by the kernel's hand. */
static volatile sig_atomic_t stop_signal;

/* The first Ctrl-C or SIGTERM asks; a second ends at once, by the signal's own action. */
static void on_stop(int signal_number) {
    stop_signal = signal_number;
    signal(signal_number, SIG_DFL);
}

static void catch_signals(void) {
    struct sigaction action = {.sa_handler = on_stop};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);      /* a file that may not grow is an error of write, with a sentence */
}

/* A standard stream that is closed would be the next file that is opened, and what is said would land in that file. /dev/null takes its place, opened
 * the wrong way round: using it fails with EBADF, as using what is closed does. */
static void hold_streams(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

static const struct command *find_command(const char *name, struct err *err) {
    const char *names[32] = {NULL};
    for (size_t i = 0; command_list[i] && i < 31; i++) {
        if (!strcmp(command_list[i]->name, name)) return command_list[i];
        names[i] = command_list[i]->name;
    }
    const char *near = err_nearest(name, names);
    if (near) err_add(err, STATUS_REFUSED, "there is no command \"%s\"; did you mean \"%s\"?", name, near);
    else err_add(err, STATUS_REFUSED, "there is no command \"%s\"; `dlcli help` lists them", name);
    return NULL;
}

/* The common flags, worked out. */
static int fill_context(struct context *context, struct err *err) {
    const struct args *args = &context->args;
    context->json = flags_on(args, "json");
    context->quiet = flags_on(args, "quiet");
    context->threads_wanted = (int)flags_int(args, "threads", threads_default());
    context->seed = (uint64_t)flags_int(args, "seed", 0);
    context->has_seed = flags_text(args, "seed") != NULL;
    context->stop = &stop_signal;
    const char *precision = flags_text(args, "precision");
    context->precision = precision && !strcmp(precision, "bf16") ? DTYPE_BF16 : DTYPE_F32;
    context->int8 = precision && !strcmp(precision, "int8");
    context->sets = mem_need(args->count + 1, sizeof *context->sets);
    while (flags_many(args, "set", context->set_count)) {
        context->sets[context->set_count] = flags_many(args, "set", context->set_count);
        context->set_count++;
    }
    progress_init(&context->progress, context->quiet);
    if (cpu_isa(&context->isa, &context->ref_only, err) < 0) return -1;
    if (context->precision == DTYPE_BF16 && !kernels_get(context->isa, context->ref_only, DTYPE_BF16)->bf16_products)
        err_warn(err, "--precision bf16 is emulated: numbers are kept as bfloat16, their products are float32's");
    return 0;
}

static void free_context(struct context *context) {
    threads_free(context->team);
    free(context->sets);
    flags_free(&context->args);
}

static int print_text(struct context *context, const struct text *text, struct err *err) {
    return context_print(context, text->text, text->length, err);
}

static int print_version(struct err *err) {
    if (printf("dlcli %s\n", DLCLI_VERSION) >= 0 && !fflush(stdout)) return 0;
    return err_errno(err, STATUS_FAILED, "standard output", "can't be written");
}

static int run_command(const struct command *command, int argc, char **argv, struct err *err) {
    const struct flag *const tables[] = {command->flags, flags_common, NULL};
    struct context context = {0};
    struct text text = {0};
    int bad = flags_parse(&context.args, tables, argc, argv, err);
    if (!bad && !(bad = fill_context(&context, err))) {
        if (flags_on(&context.args, "help")) {
            command_manual(&text, command);
            bad = print_text(&context, &text, err);
        } else if (flags_on(&context.args, "version")) bad = print_version(err);
        else bad = command->run(&context, err);
        progress_end(&context.progress);
        progress_warn(&context.progress, err);
    }
    text_free(&text);
    free_context(&context);
    return bad;
}

static int begin(int argc, char **argv, struct err *err) {
    if (argc < 2) {
        err_add(err, STATUS_REFUSED, "want a command: dlcli help lists them");
        return -1;
    }
    const char *first = argv[1];
    if (!strcmp(first, "--version")) return print_version(err);
    if (!strcmp(first, "--help") || !strcmp(first, "-h")) first = "help";
    const struct command *command = find_command(first, err);
    if (!command) return -1;
    return run_command(command, argc > 2 ? argc - 2 : 0, argv + (argc > 2 ? 2 : argc), err);
}

/* "dlcli: sentence" a line, and how many more there were. */
static void print_errors(const struct err *err) {
    struct progress progress;
    progress_init(&progress, 0);
    int kept = err->count < ERR_MOST ? err->count : ERR_MOST;
    for (int i = 0; i < kept; i++) progress_error(&progress, err->sentences[i]);
    if (err->count > kept) {
        char *rest = mem_format("and %d more", err->count - kept);
        progress_error(&progress, rest);
        free(rest);
    }
    progress_end(&progress);
}

int main(int argc, char **argv) {
    struct err err = {0};
    hold_streams();
    catch_signals();
    int bad = begin(argc, argv, &err);
    if (err.reader_gone) {     /* `| head` has seen enough */
        err_free(&err);
        bad = 0;
    }
    print_errors(&err);
    /* What waited for input knows that a signal came, not which. */
    if (err.status == STATUS_INTERRUPTED && stop_signal == SIGTERM) err.status = STATUS_TERMINATED;
    int status = bad ? (err.status ? (int)err.status : STATUS_FAILED) : 0;
    err_free(&err);
    exit(status);
}
