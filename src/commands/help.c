/* dlcli help: the manual, from the tables that parse. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/command.h"
#include "commands/reference.h"
#include "layers/layer.h"
#include "net.h"
#include "sources/source.h"

static const struct flag flags[] = {{NULL, 0, FLAG_ON, NULL, 0, 0, 0, NULL}};

static void indented(struct text *out, const char *lines) {
    for (const char *at = lines; at && *at;) {
        size_t n = strcspn(at, "\n");
        text_add(out, "    %.*s\n", (int)n, at);
        at += n + (at[n] == '\n');
    }
}

void command_manual(struct text *out, const struct command *command) {
    text_add(out, "dlcli %s\n\n%s\n", command->synopsis, command->help);
    if (command->flags->name) {
        text_add(out, "\nOptions:\n");
        flags_help(out, command->flags);
    }
    text_add(out, "\nOptions of every command:\n");
    flags_help(out, flags_common);
    text_add(out, "\nExamples:\n");
    indented(out, command->examples);
}

static void overview(struct text *out) {
    text_add(out, "dlcli trains and runs neural networks from a text config.\n\n"
                  "A first session:\n"
                  "    dlcli train cfg/lenet.cfg                   train; checkpoints go to runs/lenet\n"
                  "    dlcli test runs/last/best.safetensors       measure on the test split\n"
                  "    dlcli predict image.png                     classify with the newest run\n\nCommands:\n");
    for (size_t i = 0; command_list[i]; i++) text_add(out, "    %-10s %s\n", command_list[i]->name, command_list[i]->summary);
    text_add(out, "\nSections of a config:\n    [net]             the input and how to train\n    [data]            the data set, preprocessing, augmentation\n");
    for (size_t i = 0; layer_list[i]; i++) {
        size_t n = strcspn(layer_list[i]->help, ".:;(\n");
        while (n > 0 && layer_list[i]->help[n - 1] == ' ') n--;
        if (!(layer_list[i]->flags & LAYER_INTERNAL)) text_add(out, "    [%s]%*s %.*s\n", layer_list[i]->name, (int)(strlen(layer_list[i]->name) < 15 ? 15 - strlen(layer_list[i]->name) : 0), "", (int)n, layer_list[i]->help);
    }
    text_add(out, "\n`dlcli help COMMAND` and `dlcli help SECTION` tell the whole of each. Other topics: sources, activations, status, environment; reference (all of it, as Markdown) and man (as a manual page).\n");
}

static void layer_manual(struct text *out, const struct layer_ops *ops) {
    text_add(out, "[%s]", ops->name);
    if (ops->aliases) text_add(out, "   also: %s", ops->aliases);
    text_add(out, "\n\n%s\n\nKeys:\n", ops->help);
    for (size_t i = 0; ops->keys && ops->keys[i]; i++) config_help(out, ops->keys[i]);
    text_add(out, "\nKeys of every layer:\n");
    config_help(out, keys_common);
    if (ops->example) {
        text_add(out, "\nExample:\n");
        indented(out, ops->example);
    }
}

static void sources_manual(struct text *out) {
    text_add(out, "Data sets ([data] source=, or --data SOURCE:PATH):\n");
    for (size_t i = 0; source_list[i]; i++) text_add(out, "    %-10s %s\n", source_list[i]->name, source_list[i]->help);
}

static void activations_manual(struct text *out) {
    text_add(out, "Activations (activation= of a layer, or a layer of its own, [activation]); a=b are names of the same:\n");
    char *copy = mem_copy(activation_choices), *rest = copy, *word;
    while ((word = strtok_r(rest, "|", &rest))) text_add(out, "    %s\n", word);
    free(copy);
}

void help_status(struct text *out) {
    text_add(out, "Exit status:\n"
                  "    0     done\n"
                  "    1     failed while working: I/O, memory; some of several inputs unreadable (the others are done)\n"
                  "    2     found before work began: usage, config, data set, model file\n"
                  "    3     measured below --fail-under\n"
                  "    4     training diverged after the policy gave up\n"
                  "    130   interrupted (143: SIGTERM); a checkpoint was saved; a second Ctrl-C ends at once\n");
}

void help_environment(struct text *out) {
    text_add(out, "Environment:\n"
                  "    DLCLI_DATA    folder where a data set that is not under the working directory is looked for\n"
                  "    DLCLI_MODEL   the model that predict uses without -m (else runs/last/best.safetensors)\n"
                  "    DLCLI_ISA     ref, base, avx2, avx512, bf16 or amx: instructions to use in place of the best that\n"
                  "                  this CPU has\n"
                  "    NO_COLOR      no colour and no live line; so does TERM=dumb\n");
}

/* Topics that are neither a command nor a section. */
static const struct topic { const char *name; void (*write)(struct text *out); } topics[] = {
    {"sources", sources_manual}, {"activations", activations_manual}, {"status", help_status}, {"environment", help_environment}, {NULL, NULL}};

static int topic_manual(struct text *out, const char *name) {
    for (size_t i = 0; command_list[i]; i++)
        if (!strcmp(command_list[i]->name, name)) return command_manual(out, command_list[i]), 1;
    for (size_t i = 0; topics[i].name; i++)
        if (!strcmp(topics[i].name, name)) return topics[i].write(out), 1;
    if (!strcmp(name, "net") || !strcmp(name, "data")) {
        text_add(out, "[%s]\n\nKeys:\n", name);
        config_help(out, *name == 'n' ? keys_net : keys_data);
        return 1;
    }
    const struct layer_ops *ops = layer_find(name);
    if (!ops || ops->flags & LAYER_INTERNAL) return 0;
    layer_manual(out, ops);
    return 1;
}

static int unknown(const char *name, struct err *err) {
    const char *names[256] = {"net", "data", "reference", "man"};
    size_t n = 4;
    for (size_t i = 0; command_list[i]; i++) names[n++] = command_list[i]->name;
    for (size_t i = 0; topics[i].name; i++) names[n++] = topics[i].name;
    for (size_t i = 0; layer_list[i] && n < 255; i++) names[n++] = layer_list[i]->name;
    const char *near = err_nearest(name, names);
    if (near) return err_add(err, STATUS_REFUSED, "help knows no \"%s\"; did you mean \"%s\"?", name, near);
    return err_add(err, STATUS_REFUSED, "help knows no \"%s\"; `dlcli help` lists what there is", name);
}

/* {"topic":...,"text":...} in place of the text. */
static void wrap_json(struct text *out, const char *topic) {
    struct json j = {{0}, 0};
    json_open(&j, NULL, '{');
    json_text(&j, "topic", topic);
    json_text(&j, "text", out->text);
    json_close(&j, '}');
    text_free(out);
    *out = j.out;
    text_add(out, "\n");
}

static int run(struct context *context, struct err *err) {
    if (context_operands(context, 0, 1, "at most one topic: dlcli help convolutional", err)) return -1;
    struct text out = {0};
    int bad = 0;
    if (!context->args.operand_count) overview(&out);
    else if (!strcmp(context->args.operands[0], "reference")) bad = reference_markdown(&out, err);
    else if (!strcmp(context->args.operands[0], "man")) bad = reference_man(&out, err);
    else if (!topic_manual(&out, context->args.operands[0])) bad = unknown(context->args.operands[0], err);
    if (!bad && context->json) wrap_json(&out, context->args.operand_count ? context->args.operands[0] : NULL);
    bad = bad || context_print(context, out.text, out.length, err);
    text_free(&out);
    return bad ? -1 : 0;
}

const struct command command_help = {
    .name = "help",
    .synopsis = "help [COMMAND|SECTION|TOPIC]",
    .summary = "the manual",
    .help = "Without a topic: the commands and the sections of a config. With one: its options or keys, defaults and ranges. `reference` is all\n"
            "of it as Markdown, `man` as a manual page (dlcli help man | man -l -).",
    .examples = "dlcli help train\n"
                "dlcli help convolutional\n"
                "dlcli help data",
    .flags = flags,
    .run = run,
};
