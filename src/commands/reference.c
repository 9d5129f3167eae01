/* dlcli help reference, dlcli help man: the manual as one document. Everything is read from the tables that parse; only formulas of
 * activations and losses, which no parser needs, stand here, and a choice without one is refused. */
#include <stdio.h>
#include <string.h>

#include "commands/command.h"
#include "commands/reference.h"
#include "layers/layer.h"
#include "net.h"
#include "optimizers/optimizer.h"
#include "sources/source.h"

struct formula { const char *name, *text; };

static const struct formula activations[] = {
    {"linear", "x"}, {"relu", "max(0, x)"}, {"leaky", "x < 0: 0.1 x; else x"}, {"elu", "x < 0: e^x - 1; else x"},
    {"selu", "1.0507 (x < 0: 1.6733 (e^x - 1); else x)"}, {"gelu", "x Φ(x), Φ the normal distribution function"},
    {"gelu_tanh", "x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))"}, {"silu", "x / (1 + e^-x)"}, {"mish", "x tanh(ln(1 + e^x))"},
    {"logistic", "1 / (1 + e^-x)"}, {"tanh", "tanh x"}, {"hardtanh", "x limited to -1..1"}, {"softplus", "ln(1 + e^x)"}, {"abs", "|x|"},
    {"heaviside", "x > 0: 1; else 0"}, {"sign", "x < 0: -1; x > 0: 1; 0: 0"}, {"relu6", "x limited to 0..6"},
    {"loggy", "2 / (1 + e^-x) - 1"}, {"relie", "x < 0: 0.01 x; else x"},
    {"plse", "x < -4: 0.01 (x + 4); x > 4: 1 + 0.01 (x - 4); else x/8 + 1/2"},
    {"lhtan", "x < 0: 0.001 x; x > 1: 1 + 0.001 (x - 1); else x"}, {"ramp", "x > 0: 1.1 x; else 0.1 x"},
    {"stair", "floor(x) even: floor(x/2); odd: floor(x/2) + x - floor(x)"}, {"hard_mish", "x > 0: x; x > -2: x²/2 + x; else 0"}, {NULL, NULL}};

static const struct formula losses[] = {
    {"sse", "(x - y)², the mean over the outputs"}, {"l1", "|x - y|, the mean"}, {"smooth", "|x - y| < 1: (x - y)²/2; else |x - y| - 1/2; the mean"},
    {"bce", "-y ln σ(x) - (1 - y) ln(1 - σ(x)), the mean; σ the logistic function"}, {"kl", "Σ y ln(y / x), x a probability"},
    {"hinge", "Σ over the other classes j of max(0, x_j - x_y + 1)"}, {"cross_entropy", "-ln(e^x_y / Σ_j e^x_j)"},
    {"perceptron", "mean (x - t)²; the step unit's input is corrected by t - x"}, {NULL, NULL}};

static const char *formula_of(const struct formula *table, const char *name, size_t length) {
    for (; table->name; table++)
        if (strlen(table->name) == length && !strncmp(table->name, name, length)) return table->text;
    return NULL;
}

/* A row a choice: its name, its other names, its formula. */
static int choice_table(struct text *out, const char *choices, const struct formula *table, struct err *err) {
    int bad = 0;
    text_add(out, "| name | also | formula |\n|---|---|---|\n");
    for (const char *at = choices; *at;) {
        size_t all = strcspn(at, "|"), name = strcspn(at, "|=");
        const char *formula = formula_of(table, at, name);
        if (!formula) bad = err_add(err, STATUS_FAILED, "the reference has no formula for \"%.*s\"", (int)name, at);
        text_add(out, "| `%.*s` | ", (int)name, at);
        for (size_t i = name; i < all; i++) text_add(out, "%s%c", at[i] == '=' && i > name ? "," : "", at[i] == '=' ? ' ' : at[i]);
        text_add(out, " | ");
        for (const char *c = formula ? formula : ""; *c; c++) text_add(out, *c == '|' || *c == '*' ? "\\%c" : "%c", *c);
        text_add(out, " |\n");
        at += all + (at[all] == '|');
    }
    text_add(out, "\n");
    return bad;
}

static void code(struct text *out, const char *lines) {
    size_t n = strlen(lines);
    text_add(out, "```\n%s%s```\n\n", lines, n && lines[n - 1] == '\n' ? "" : "\n");
}

/* What `dlcli help` prints of a table of keys, as it is. */
static void keys(struct text *out, const struct key *table) {
    struct text block = {0};
    config_help(&block, table);
    if (block.length) code(out, block.text);
    text_free(&block);
}

static void commands_markdown(struct text *out) {
    text_add(out, "## Commands\n\n");
    for (size_t i = 0; command_list[i]; i++) {
        const struct command *c = command_list[i];
        struct text block = {0};
        flags_help(&block, c->flags);
        text_add(out, "### dlcli %s\n\n`dlcli %s`\n\n%s\n\n", c->name, c->synopsis, c->help);
        if (block.length) code(out, block.text);
        code(out, c->examples);
        text_free(&block);
    }
    struct text block = {0};
    flags_help(&block, flags_common);
    text_add(out, "### Options of every command\n\n");
    code(out, block.text);
    text_free(&block);
}

static void layers_markdown(struct text *out) {
    text_add(out, "## Layers\n\n");
    for (size_t i = 0; layer_list[i]; i++) {
        const struct layer_ops *ops = layer_list[i];
        if (ops->flags & LAYER_INTERNAL) continue;
        text_add(out, "### [%s]\n\n", ops->name);
        if (ops->aliases) text_add(out, "Also: %s\n\n", ops->aliases);
        text_add(out, "%s\n\n", ops->help);
        for (size_t k = 0; ops->keys && ops->keys[k]; k++) keys(out, ops->keys[k]);
        if (ops->example) code(out, ops->example);
    }
    text_add(out, "### Keys of every layer\n\n");
    keys(out, keys_common);
}

static const char *loss_choices(void) {
    for (size_t t = 0; layer_cost.keys[t]; t++)
        for (const struct key *k = layer_cost.keys[t]; k->name; k++)
            if (!strcmp(k->name, "type")) return k->choices;
    return "";
}

int reference_markdown(struct text *out, struct err *err) {
    text_add(out, "# Reference\n\nWritten by `dlcli help reference` from the tables that parse; `scripts/reference` renews it.\n\n");
    commands_markdown(out);
    text_add(out, "## [net]\n\n");
    keys(out, keys_net);
    text_add(out, "## [data]\n\n");
    keys(out, keys_data);
    text_add(out, "### Data sets\n\n| source | what it is |\n|---|---|\n");
    for (size_t i = 0; source_list[i]; i++) text_add(out, "| `%s` | %s |\n", source_list[i]->name, source_list[i]->help);
    text_add(out, "\n## Optimizers\n\n| optimizer | rule |\n|---|---|\n");
    for (size_t i = 0; optimizer_list[i]; i++) text_add(out, "| `%s` | %s |\n", optimizer_list[i]->name, optimizer_list[i]->help);
    text_add(out, "\n## Losses\n\n`[cost] type=`; x is the output, y what it should be.\n\n");
    int bad = choice_table(out, loss_choices(), losses, err);
    text_add(out, "## Activations\n\n`activation=` of a layer, or `[activation]`, a layer of its own.\n\n");
    bad |= choice_table(out, activation_choices, activations, err);
    layers_markdown(out);
    while (out->length > 1 && out->text[out->length - 2] == '\n') out->text[--out->length] = '\0';
    return bad;
}

/* Text for roff: no line begins a request, no backslash escapes, a hyphen is one. */
static void roff(struct text *out, const char *lines) {
    int begins = 1;
    for (const char *at = lines; *at; at++) {
        if (begins && (*at == '.' || *at == '\'')) text_add(out, "\\&");
        if (*at == '\\') text_add(out, "\\e");
        else if (*at == '-') text_add(out, "\\-");
        else text_add(out, "%c", *at);
        begins = *at == '\n';
    }
    if (!begins) text_add(out, "\n");
}

static void roff_block(struct text *out, const char *lines) {
    text_add(out, ".RS 4\n.nf\n");
    roff(out, lines);
    text_add(out, ".fi\n.RE\n");
}

static void roff_keys(struct text *out, const char *heading, const struct key *const *tables) {
    struct text block = {0};
    text_add(out, ".SS %s\n", heading);
    for (size_t i = 0; tables && tables[i]; i++) config_help(&block, tables[i]);
    roff_block(out, block.length ? block.text : "");
    text_free(&block);
}

static void commands_man(struct text *out) {
    text_add(out, ".SH COMMANDS\n");
    for (size_t i = 0; command_list[i]; i++) {
        struct text block = {0};
        text_add(out, ".SS dlcli %s\n.B dlcli ", command_list[i]->name);
        roff(out, command_list[i]->synopsis);
        text_add(out, ".PP\n");
        roff(out, command_list[i]->help);
        flags_help(&block, command_list[i]->flags);
        if (block.length) roff_block(out, block.text);
        text_add(out, ".PP\nExamples:\n");
        roff_block(out, command_list[i]->examples);
        text_free(&block);
    }
    struct text block = {0};
    flags_help(&block, flags_common);
    text_add(out, ".SS Options of every command\n");
    roff_block(out, block.text);
    text_free(&block);
}

int reference_man(struct text *out, struct err *err) {
    (void)err;
    const struct key *const net[] = {keys_net, NULL}, *const data[] = {keys_data, NULL}, *const common[] = {keys_common, NULL};
    struct text status = {0};
    text_add(out, ".TH DLCLI 1 \"\" \"dlcli " DLCLI_VERSION "\" \"User Commands\"\n.SH NAME\ndlcli \\- train and run neural networks from a text config\n"
                  ".SH SYNOPSIS\n.B dlcli\n.I COMMAND\n[\\fIOPTION\\fR]... [\\fIARGUMENT\\fR]...\n");
    commands_man(out);
    text_add(out, ".SH SECTIONS OF A CONFIG\n");
    roff_keys(out, "[net]", net);
    roff_keys(out, "[data]", data);
    for (size_t i = 0; layer_list[i]; i++) {
        if (layer_list[i]->flags & LAYER_INTERNAL) continue;
        char heading[80];
        snprintf(heading, sizeof heading, "[%s]", layer_list[i]->name);
        roff_keys(out, heading, layer_list[i]->keys);
        roff(out, layer_list[i]->help);
    }
    roff_keys(out, "Keys of every layer", common);
    text_add(out, ".SH EXIT STATUS\n");
    help_status(&status);
    roff_block(out, status.text);
    status.length = 0;
    help_environment(&status);
    text_add(out, ".SH ENVIRONMENT\n");
    roff_block(out, status.text);
    text_free(&status);
    return 0;
}
