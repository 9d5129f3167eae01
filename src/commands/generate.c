/* dlcli generate: a text, symbol by symbol, from a model that says the next one. The network is planned for one step of
 * one text and carries its state along. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "commands/command.h"
#include "layers/layer.h"
#include "measure.h"
#include "sources/symbols.h"

static const struct flag flags[] = {
    {"prompt", 0, FLAG_TEXT, "TEXT", 0, 0, 0,
     "What the text begins with (default: a symbol drawn by the seed, which is not shown)."},
    {"length", 0, FLAG_INT, "N", 0, 2147483647, 0, "Symbols to add (default: 500)."},
    {"temperature", 0, FLAG_REAL, "X", 0, 1000, 0,
     "Below 1 likely symbols become likelier; 0: always the likeliest (default: 1)."},
    {"top-k", 0, FLAG_INT, "K", 1, 1048576, 0, "Draw among the K likeliest symbols (default: all)."},
    {"weights", 'w', FLAG_TEXT, "FILE", 0, 0, 0, "Weights for a config."},
    {NULL, 0, FLAG_ON, NULL, 0, 0, 0, NULL},
};

struct generator {
    struct context *context;
    struct model model;
    struct exec exec;
    struct alphabet alphabet;
    struct rng rng;
    double temperature;
    long top;
    float *room;
    double *weights;
    int *order; /* per symbol */
    struct text text;
    size_t shown; /* bytes of the text that are out */
};

/* ---- opening ---- */

/* The model's graph with time_steps=1: the weights are those of any length. */
static int open_model(struct generator *g, struct err *err) {
    struct context *context = g->context;
    const char **sets = mem_need(context->set_count + 1, sizeof *sets);
    for (size_t i = 0; i < context->set_count; i++) sets[i] = context->sets[i];
    sets[context->set_count] = "net.time_steps=1";
    struct model_options options = {
        .weights = flags_text(&context->args, "weights"), .sets = sets, .set_count = context->set_count + 1};
    int bad = model_open(&g->model, context->args.operands[0], &options, err);
    free(sets);
    return bad;
}

static int refuse(const struct generator *g, const char *why, struct err *err) {
    return err_add(err, STATUS_REFUSED, "%s: %s", g->model.path, why);
}

/* What a model must be to be asked for the next symbol. */
static int check_model(const struct generator *g, struct err *err) {
    const struct graph *graph = &g->model.graph;
    for (int i = 0; i < graph->node_count; i++)
        if (graph->nodes[i].time == TIME_BOTH)
            return refuse(g, "a bidirectional layer reads the text from its end too: nothing can be added to it", err);
    if (shape_count(graph->input) != 1)
        return refuse(g, "want a network that reads symbols, one number a step (inputs=1)", err);
    if (!graph->classes || graph->nodes[graph->output].ops != &layer_softmax)
        return refuse(g, "want a network that ends in [softmax]: the probability of each symbol", err);
    if (!graph->data) return refuse(g, "has no [data] section, which says what the symbols are", err);
    if (config_choice(graph->data, "source") < 0 || source_list[config_choice(graph->data, "source")] != &source_text)
        return refuse(g, "want a model that was trained on source=text: its classes are the symbols that follow", err);
    return 0;
}

static int open_alphabet(struct generator *g, struct err *err) {
    const struct model *m = &g->model;
    const struct section *data = m->graph.data;
    enum unit unit = (enum unit)config_choice(data, "unit");
    int count = m->graph.classes;
    if (!m->classes || m->class_count != count)
        return refuse(g, "does not name its symbols: it is not a model that was trained on source=text", err);
    int bad = alphabet_of_names(&g->alphabet, unit, m->classes, count);
    return bad < 0
               ? 0
               : err_add(err, STATUS_REFUSED, "%s: its class \"%s\" is no symbol of a text", m->path, m->classes[bad]);
}

static int open_all(struct generator *g, struct err *err) {
    struct context *context = g->context;
    struct plan_options options = context_plan(context, 1, 0);
    if (open_model(g, err) || check_model(g, err) || open_alphabet(g, err) ||
        model_plan(&g->model, &options, context->seed, err) || !context_team(context, err))
        return -1;
    size_t n = (size_t)g->alphabet.count;
    g->exec = model_exec(&g->model, context->team);
    g->exec.carry = 1;
    g->rng = rng_make(context->seed, RNG_SAMPLE, 0);
    g->temperature = flags_real(&context->args, "temperature", 1);
    g->top = flags_int(&context->args, "top-k", (long)n);
    g->room = mem_need(n, sizeof *g->room);
    g->weights = mem_need(n, sizeof *g->weights);
    g->order = mem_need(n, sizeof *g->order);
    return 0;
}

/* ---- a step ---- */

/* The probabilities of what follows the symbol. */
static const float *read_symbol(struct generator *g, int symbol) {
    float input = (float)symbol;
    run_forward(&g->model.plan, &g->exec, &input);
    return output_floats(&g->model.plan, &g->exec, g->room);
}

static int by_probability(const void *a, const void *b, void *arg) {
    const float *p = arg, x = p[*(const int *)a], y = p[*(const int *)b];
    return x != y ? (x < y) - (x > y) : *(const int *)a - *(const int *)b;
}

/* p ^ (1 / temperature) among the K likeliest, relative to the likeliest so that nothing vanishes. */
static int draw(struct generator *g, const float *p) {
    int n = g->alphabet.count, most = g->top < n ? (int)g->top : n;
    double sum = 0;
    for (int i = 0; i < n; i++) g->order[i] = i;
    qsort_r(g->order, (size_t)n, sizeof *g->order, by_probability, (void *)(uintptr_t)p);
    if (g->temperature <= 0 || !(p[g->order[0]] > 0)) return g->order[0];
    for (int i = 0; i < most; i++)
        sum += g->weights[i] = pow((double)p[g->order[i]] / (double)p[g->order[0]], 1 / g->temperature);
    double at = rng_uniform(&g->rng) * sum;
    for (int i = 0; i < most; i++)
        if ((at -= g->weights[i]) < 0) return g->order[i];
    return g->order[0];
}

/* ---- the text ---- */

/* Bytes at the end of the text that begin a UTF-8 character which is not complete yet (unit=byte): they wait for the
 * rest. */
static size_t begun(const struct text *text) {
    for (size_t back = 1; back <= 3 && back <= text->length; back++) {
        unsigned char byte = (unsigned char)text->text[text->length - back];
        size_t length = byte >= 0xf0 && byte < 0xf8   ? 4
                        : byte >= 0xe0 && byte < 0xf0 ? 3
                        : byte >= 0xc2 && byte < 0xe0 ? 2
                                                      : 0;
        if (length) return length > back ? back : 0;
        if ((byte & 0xc0) != 0x80) return 0;
    }
    return 0;
}

static int show(struct generator *g, int all, struct err *err) {
    if (g->context->json) return 0;
    size_t end = g->text.length - (all ? 0 : begun(&g->text));
    if (end <= g->shown) return 0;
    size_t from = g->shown;
    g->shown = end;
    return context_print(g->context, g->text.text + from, end - from, err);
}

static int add_symbol(struct generator *g, int symbol, struct err *err) {
    char bytes[4];
    text_add_n(&g->text, bytes, symbol_write(g->alphabet.unit, g->alphabet.codes[symbol], bytes));
    return show(g, 0, err);
}

/* Reads the prompt; *p is what follows it. */
static int read_prompt(struct generator *g, const float **p, struct err *err) {
    const char *prompt = flags_text(&g->context->args, "prompt");
    size_t left = prompt ? strlen(prompt) : 0, taken;
    if (!left) *p = read_symbol(g, (int)rng_below(&g->rng, (uint64_t)g->alphabet.count));
    for (const char *at = prompt; left; at += taken, left -= taken) {
        uint32_t code = 0;
        taken = symbol_read(g->alphabet.unit, (const unsigned char *)at, left, &code);
        if (!taken) return err_add(err, STATUS_REFUSED, "--prompt: byte %zu is not UTF-8", (size_t)(at - prompt) + 1);
        int symbol = alphabet_find(&g->alphabet, code);
        if (symbol < 0) {
            char name[SYMBOL_MOST_NAME];
            return err_add(err, STATUS_REFUSED,
                           "--prompt: the model knows no symbol \"%s\": it was not in its training text",
                           symbol_name(g->alphabet.unit, code, name));
        }
        text_add_n(&g->text, at, taken);
        *p = read_symbol(g, symbol);
    }
    return show(g, 0, err);
}

static int generate(struct generator *g, struct err *err) {
    const float *p = NULL;
    if (read_prompt(g, &p, err)) return -1;
    for (long left = flags_int(&g->context->args, "length", 500); left > 0; left--) {
        int symbol = draw(g, p);
        if (add_symbol(g, symbol, err) || context_stopped(g->context, err)) return -1;
        if (left > 1) p = read_symbol(g, symbol);
    }
    return show(g, 1, err);
}

/* The line that ends the text: on a terminal a newline, for scripts the object. */
static int end(struct generator *g, struct err *err) {
    const char *text = g->text.text ? g->text.text : "";
    if (!g->context->json)
        return g->text.length && text[g->text.length - 1] == '\n' ? 0 : context_print(g->context, "\n", 1, err);
    struct json j = {0};
    json_open(&j, NULL, '{');
    json_text_n(&j, "text", text, g->text.length);
    json_close(&j, '}');
    text_add_n(&j.out, "\n", 1);
    int bad = context_print(g->context, j.out.text, j.out.length, err);
    text_free(&j.out);
    return bad;
}

static int run(struct context *context, struct err *err) {
    if (context_operands(context, 1, 1, "a model: dlcli generate runs/last/best.safetensors --prompt \"To be\"", err))
        return -1;
    struct generator g = {.context = context};
    int bad = open_all(&g, err);
    if (!bad) progress_warn(&context->progress, err);
    bad = bad || generate(&g, err) || end(&g, err);
    model_close(&g.model);
    alphabet_free(&g.alphabet);
    text_free(&g.text);
    free(g.room);
    free(g.weights);
    free(g.order);
    return bad ? -1 : 0;
}

const struct command command_generate = {
    .name = "generate",
    .synopsis = "generate MODEL [--prompt TEXT] [--length N] [--temperature X] [--top-k K] [--seed S]",
    .summary = "sample text from a sequence model, symbol by symbol",
    .help = "The model reads the prompt, then adds symbol after symbol, each drawn from the probabilities that it "
            "gives; what comes is written at once.\n"
            "The same seed gives the same text. With --json the whole text, prompt included, is one object at the end.",
    .examples =
        "dlcli generate runs/shakespeare-lstm/best.safetensors --prompt \"ROMEO:\" --length 1000 --temperature 0.8\n"
        "dlcli generate runs/last/best.safetensors --top-k 5 --seed 7 --json | jq -r .text",
    .flags = flags,
    .run = run,
};
