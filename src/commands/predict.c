/* dlcli predict: pictures and arrays through a model; the most probable classes, or any layer's output. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/npy.h"
#include "commands/predict.h"

static const struct flag flags[] = {
    {"model", 'm', FLAG_TEXT, "MODEL", 0, 0, 1, "Model, or config with -w; several: an ensemble (default: $DLCLI_MODEL, else runs/last/best.safetensors)."},
    {"weights", 'w', FLAG_TEXT, "FILE", 0, 0, 0, "Weights for a config."},
    {"text", 0, FLAG_TEXT, "TEXT", 0, 0, 1, "A text to classify or to tag, beside or in place of INPUT. Repeatable."},
    {"top", 0, FLAG_INT, "K", 1, 1000000, 0, "Classes to name (default: 5, or all where there are fewer)."},
    {"tta", 0, FLAG_CHOICE, TTA_CHOICES, 0, 0, 0, "Average over each picture and its mirror image; mirror-translate: and both moved by a pixel, before the softmax (default: none)."},
    {"layer", 0, FLAG_TEXT, "LAYER", 0, 0, 0, "Put out this layer, by name or index, in place of the network's output."},
    {"output", 'o', FLAG_TEXT, "FILE.npy|.png|.svg", 0, 0, 0, "Write what is put out as float32 .npy, N first; or as a picture (see above)."},
    {"batch", 0, FLAG_INT, "N", 1, 65536, 0, "Inputs at a time (default: 32)."},
    {"null", '0', FLAG_ON, NULL, 0, 0, 0, "Names on stdin end in NUL, not in a newline."},
    {NULL, 0, FLAG_ON, NULL, 0, 0, 0, NULL},
};

/* What `say` collects. */
struct saying { const char *output; struct kept kept; int top, fits; struct text line; };      /* fits: a curve is drawn (predict_fit.c) */

static const char *class_name(const struct model *model, int i, char buffer[16]) {
    if (model->classes && i < model->class_count) return model->classes[i];
    snprintf(buffer, 16, "%d", i);
    return buffer;
}

/* The larger value comes first; equal ones in order of their places, and so NaNs, which come last. */
static int comes_before(const float *values, size_t i, size_t k) {
    int i_is_nan = isnan(values[i]) != 0, k_is_nan = isnan(values[k]) != 0;
    if (i_is_nan != k_is_nan) return k_is_nan;
    return i_is_nan || values[i] == values[k] ? i < k : values[i] > values[k];
}

/* The place of the k-th largest, given the (k-1)-th's. */
static size_t next_best(const float *values, size_t n, size_t before, int first) {
    size_t best = n;
    for (size_t i = 0; i < n; i++)
        if ((first || comes_before(values, before, i)) && (best == n || comes_before(values, i, best))) best = i;
    return best;
}

/* Without the sign that a NaN may have, and printf shows. */
static double unsigned_nan(float value) { return isnan(value) ? (double)NAN : (double)value; }

/* One answer a sample that tells classes apart; a sequence with an answer a step is put out as it is. */
static int says_classes(const struct batcher *b) { return b->members[0].layer < 0 && b->width == (size_t)b->members[0].model.graph.classes; }

static void name_input(struct json *j, const struct place *place) {
    json_open(j, NULL, '{');
    json_text(j, "input", place->name);
    if (place->row >= 0) json_int(j, "row", place->row);
}

static void json_tags(struct json *j, const struct batcher *b, const struct place *place, const float *values) {
    struct tags tags = tags_begin(b, place, values);
    struct text symbol = {0};
    char buffer[16];
    size_t best;
    json_open(j, "tags", '[');
    while (tags_next(&tags, &symbol, &best)) {
        json_open(j, NULL, '{');
        json_text(j, "symbol", symbol.text);
        json_text(j, "class", class_name(&b->members[0].model, (int)best, buffer));
        json_int(j, "index", (long long)best);
        json_real(j, "probability", tags.probability);
        json_close(j, '}');
    }
    json_close(j, ']');
    text_free(&symbol);
}

static void table_tags(struct saying *s, const struct batcher *b, const struct place *place, const float *values) {
    struct tags tags = tags_begin(b, place, values);
    struct text symbol = {0};
    char buffer[16];
    size_t best;
    while (tags_next(&tags, &symbol, &best)) text_add(&s->line, " %s/%s", symbol.text, class_name(&b->members[0].model, (int)best, buffer));
    text_add(&s->line, "\n");
    text_free(&symbol);
}

static void json_line(struct saying *s, const struct batcher *b, const struct place *place, const float *values) {
    struct json j = {s->line, 0};
    const struct model *model = &b->members[0].model;
    char buffer[16];
    name_input(&j, place);
    if (!values) json_text(&j, "error", place->error);
    else if (says_classes(b)) {
        json_open(&j, "top", '[');
        size_t best = 0;
        for (int k = 0; k < s->top && (best = next_best(values, b->width, best, !k)) < b->width; k++) {
            json_open(&j, NULL, '{');
            json_text(&j, "class", class_name(model, (int)best, buffer));
            json_int(&j, "index", (long long)best);
            json_real(&j, "probability", model->graph.gives_probabilities ? (double)values[best] : (double)NAN);
            if (!model->graph.gives_probabilities) json_real(&j, "score", values[best]);
            json_close(&j, '}');
        }
        json_close(&j, ']');
    } else if (says_tags(b, place)) {
        json_tags(&j, b, place, values);
    } else {
        json_open(&j, "output", '[');
        for (size_t i = 0; i < b->width; i++) json_real(&j, NULL, values[i]);
        json_close(&j, ']');
    }
    json_close(&j, '}');
    s->line = j.out;
    text_add(&s->line, "\n");
}

/* Of what goes to a file; index: where it stands there, among the inputs that could be read (negative: it is all that is there). */
static void json_file(struct saying *s, const struct place *place, long long index) {
    struct json j = {s->line, 0};
    name_input(&j, place);
    json_text(&j, "output", s->output);
    if (index >= 0) json_int(&j, "index", index);
    json_close(&j, '}');
    s->line = j.out;
    text_add(&s->line, "\n");
}

static void table_lines(struct saying *s, const struct batcher *b, const struct place *place, const float *values) {
    const struct model *model = &b->members[0].model;
    char buffer[16];
    if (place->row >= 0) text_add(&s->line, "%s[%ld]:", place->name, place->row);
    else text_add(&s->line, "%s:", place->name);
    if (says_tags(b, place)) {
        table_tags(s, b, place, values);
        return;
    }
    if (!says_classes(b)) {
        for (size_t i = 0; i < b->width; i++) text_add(&s->line, " %.6g", (double)values[i]);
        text_add(&s->line, "\n");
        return;
    }
    text_add(&s->line, "\n");
    size_t best = 0;
    for (int k = 0; k < s->top && (best = next_best(values, b->width, best, !k)) < b->width; k++)
        if (model->graph.gives_probabilities) text_add(&s->line, "  %6.2f%%  %s\n", 100 * unsigned_nan(values[best]), class_name(model, (int)best, buffer));
        else text_add(&s->line, "  %10.5g  %s\n", unsigned_nan(values[best]), class_name(model, (int)best, buffer));
}

static int say(struct batcher *b, const struct place *place, const float *values, struct err *err) {
    struct saying *s = b->say_arg;
    s->line.length = 0;
    int json = b->context->json && !(s->output && !strcmp(s->output, "-"));      /* there stdout is the array's */
    if (!values && !json) return progress_error(&b->context->progress, place->error), 0;
    if (values && s->output) {
        if (kept_add(&s->kept, b, place, values, err)) return -1;
        if (!json || s->fits) return 0;
        json_file(s, place, (long long)s->kept.count - 1);
    } else if (json) json_line(s, b, place, values);
    else table_lines(s, b, place, values);
    return context_print(b->context, s->line.text, s->line.length, err);
}

static int ends(const char *path, const char *suffix) {
    size_t n = strlen(path), m = strlen(suffix);
    return n > m && !strcmp(path + n - m, suffix);
}

static int is_picture(const char *path) { return ends(path, ".png") || ends(path, ".svg"); }

static int check_flags(const struct args *args, struct err *err) {
    const char *output = flags_text(args, "output"), *layer = flags_text(args, "layer");
    if (flags_text(args, "top") && (layer || output)) return err_add(err, STATUS_REFUSED, "--top and --%s exclude each other", layer ? "layer" : "output");
    if (flags_text(args, "tta") && tta_of(flags_text(args, "tta")) != TTA_NONE && layer) return err_add(err, STATUS_REFUSED, "--tta and --layer exclude each other");
    if (!output) return 0;
    static const char *const others[] = {".jpg", ".jpeg", ".gif", ".bmp", ".pdf", ".webp"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (ends(output, others[i])) return err_add(err, STATUS_REFUSED, "--output: pictures are .png or .svg, arrays .npy; got \"%s\"", output);
    return file_try(output, err);
}

static int write_rows(const struct batcher *b, const struct saying *s, struct err *err) {
    struct shape out = member_output(&b->members[0]);
    size_t dims[5] = {s->kept.count};
    int ndim = 1;
    if (out.t > 1) dims[ndim++] = (size_t)out.t;
    dims[ndim++] = (size_t)out.c;
    if (out.h > 1 || out.w > 1) {
        dims[ndim++] = (size_t)out.h;
        dims[ndim++] = (size_t)out.w;
    }
    return npy_write(s->output, s->kept.values, ndim, dims, err);
}

static int write_output(const struct batcher *b, const struct saying *s, struct err *err) {
    if (!s->output || !b->done) return 0;
    return is_picture(s->output) ? picture_draw(b, &s->kept, s->output, err) : write_rows(b, s, err);
}

/* The only input that can't be read is found before work began; some of several are failures of the work. Names on stdin may be none. */
static int judge(const struct batcher *b, struct err *err) {
    const char *first = b->context->args.operand_count ? b->context->args.operands[0] : "-";
    if (!b->done && !b->failed && strcmp(first, "-")) return err_add(err, STATUS_REFUSED, "%s: holds nothing to predict", first);
    if (!b->failed) return 0;
    if (b->done + b->failed == 1) {
        err->status = STATUS_REFUSED;      /* the sentence has been said in its turn */
        return -1;
    }
    return err_add(err, STATUS_FAILED, "%zu of %zu inputs could not be read", b->failed, b->done + b->failed);
}

static int say_fit(const struct batcher *b, struct saying *s, struct err *err) {
    const struct place table = {.name = (char *)(uintptr_t)b->context->args.operands[0], .row = -1};
    if (!b->context->json || !strcmp(s->output, "-")) return 0;
    json_file(s, &table, -1);
    return context_print(b->context, s->line.text, s->line.length, err);
}

static int run(struct context *context, struct err *err) {
    const struct args *args = &context->args;
    if (context_operands(context, flags_many(args, "text", 0) ? 0 : 1, (size_t)-1, "something to predict: dlcli predict image.png", err)) return -1;
    struct saying s = {.output = flags_text(args, "output"), .top = (int)flags_int(args, "top", 5)};
    if (check_flags(args, err)) return -1;
    int one = args->operand_count == 1 && strcmp(args->operands[0], "-") && !file_is_folder(args->operands[0]);
    int batch = (int)flags_int(args, "batch", one && !strstr(args->operands[0], ".npy") && !strstr(args->operands[0], ".t") ? 1 : 32);
    struct batcher b = {.say = say, .say_arg = &s, .tta = tta_of(flags_text(args, "tta"))};
    int bad = batcher_open(&b, context, batch, flags_text(args, "layer"), err);
    s.kept.shows_inputs = !bad && s.output && is_picture(s.output) && picture_shows_inputs(&b);
    if (!bad) progress_warn(&context->progress, err);
    s.fits = !bad && fit_is_wanted(&b, s.output);
    if (s.fits) bad = fit_draw(&b, &s.kept, s.output, err) || say_fit(&b, &s, err);
    else bad = bad || inputs_feed(&b, flags_on(args, "null") ? '\0' : '\n', err) || write_output(&b, &s, err) || judge(&b, err);
    batcher_close(&b);
    text_free(&s.line);
    kept_free(&s.kept);
    return bad ? -1 : 0;
}

const struct command command_predict = {
    .name = "predict",
    .synopsis = "predict INPUT...|--text TEXT [-m MODEL] [--top K] [--tta mirror] [--layer LAYER] [--output FILE.npy|.png|.svg]",
    .summary = "classify pictures, arrays and texts; or put out any layer",
    .help = "INPUT is a picture (PNG, JPEG, BMP, GIF, PNM, TGA, told by content), a folder of them, a .npy array (N,C,H,W or N,D: fed to the\n"
            "network as it is), a .csv table (a row an input), a .txt or .tsv (a line a text, up to a tab), or - for names on stdin. Pictures go\n"
            "through the model's own preprocessing, texts through its vocabulary. What can't be read is reported, the rest is done, and the exit\n"
            "status is 1.\n"
            "--output FILE.png or .svg draws: what an autoencoder gives back below what it was given; the points of a table and the curve of a\n"
            "regression of one variable; else, and with --layer, a tile a map. With --json each input's line says which row of the file it is.",
    .examples = "dlcli predict image.png\n"
                "dlcli predict photos/ -m runs/lenet/best.safetensors --top 1\n"
                "find . -name '*.jpg' -print0 | dlcli predict --json -0 - | jq -r '.input + \" \" + .top[0].class'\n"
                "dlcli predict x.npy -m model.safetensors --layer conv2 --output y.npy\n"
                "dlcli predict cat.png --layer conv1 --output maps.png\n"
                "dlcli predict cfg/course/data/sin.csv -m runs/approximate-sin/best.safetensors --output fit.png\n"
                "dlcli predict --text 'for i in range(10):' -m runs/classify-lines/best.safetensors\n"
                "dlcli predict dog.jpg -m cfg/imagenet/squeezenet.cfg -w squeezenet1_0.safetensors",
    .flags = flags,
    .run = run,
};
