/* dlcli plot: the curves of one run or several, as a picture or in the terminal. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/number.h"
#include "commands/command.h"
#include "views/chart.h"
#include "views/metrics.h"

static const struct flag flags[] = {
    {"output", 'o', FLAG_TEXT, "FILE.png|.svg", 0, 0, 0, "Write a picture (default: draw in the terminal)."},
    {"metric", 0, FLAG_CHOICE, "loss|accuracy", 0, 0, 0, "Only this one (default: loss, and accuracy where there is any)."},
    {NULL, 0, FLAG_ON, NULL, 0, 0, 0, NULL},
};

enum { WIDTH = 900, HEIGHT = 440, ROWS = 16, MOST_RUNS = 64 };
static const double TRAINING_DASH = 5;

/* runs/lenet is lenet, unless another run is called so too. */
static char *label_of(const struct args *args, size_t run) {
    char *names[2] = {NULL, NULL};
    int same = 0;
    for (size_t i = 0; i < args->operand_count; i++) {
        char *path = mem_copy(args->operands[i]);
        size_t length = strlen(path);
        while (length > 1 && path[length - 1] == '/') path[--length] = 0;
        char *slash = strrchr(path, '/');
        char *name = mem_copy(slash && slash[1] ? slash + 1 : path);
        free(path);
        free(names[1]);
        names[1] = name;
        if (i == run) names[0] = mem_copy(name);
    }
    for (size_t i = 0; i < args->operand_count; i++) {
        const char *other = args->operands[i], *at = strstr(other, names[0]);
        same += i != run && at != NULL && strlen(at) == strlen(names[0]) && (at == other || at[-1] == '/');
    }
    free(names[1]);
    if (!same) return names[0];
    free(names[0]);
    return mem_copy(args->operands[run]);
}

/* Over epochs where all runs have two or more; else over steps, of which the training loss has more points. */
static int over_epochs(const struct metrics *runs, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (runs[i].epoch_count < 2) return 0;
    return 1;
}

static void add_training(struct chart *chart, const struct metrics *m, const char *label, uint32_t colour, int epochs, int accuracy) {
    struct chart_series *s = chart_add(chart, label, colour, TRAINING_DASH);
    if (!epochs && !accuracy)
        for (size_t i = 0; i < m->step_count; i++) chart_point(s, m->steps[i].step, m->steps[i].loss);
    if (epochs || accuracy || !m->step_count)
        for (size_t i = 0; i < m->epoch_count; i++)
            chart_point(s, epochs ? m->epochs[i].epoch : m->epochs[i].step, accuracy ? m->epochs[i].train_top1 : m->epochs[i].train_loss);
}

static void add_validation(struct chart *chart, const struct metrics *m, const char *label, uint32_t colour, int epochs, int accuracy) {
    struct chart_series *s = chart_add(chart, label, colour, 0);
    for (size_t i = 0; i < m->epoch_count; i++)
        chart_point(s, epochs ? m->epochs[i].epoch : m->epochs[i].step, accuracy ? m->epochs[i].valid_top1 : m->epochs[i].valid_loss);
}

/* A line in the legend that nothing belongs to would be a riddle. */
static void drop_if_empty(struct chart *chart) {
    struct chart_series *s = &chart->series[chart->series_count - 1];
    for (size_t i = 0; i < s->count; i++)
        if (isfinite(s->points[i].y)) return;
    free(s->label);
    free(s->points);
    chart->series_count--;
}

static struct chart make_chart(const struct args *args, const struct metrics *runs, int accuracy) {
    size_t n = args->operand_count;
    int epochs = over_epochs(runs, n);
    struct chart chart = {.title = accuracy ? "Accuracy" : "Loss", .x = {.label = epochs ? "epoch" : "step", .whole = 1},
                          .y = {.label = accuracy ? "top-1 accuracy" : "loss", .percent = accuracy}};
    for (size_t i = 0; i < n; i++) {
        char *run = label_of(args, i), *training = mem_format("%s training", run), *validation = mem_format("%s validation", run);
        uint32_t one = chart_colour(2 * i / (n > 1 ? 2 : 1)), other = n > 1 ? one : chart_colour(1);
        add_training(&chart, &runs[i], training, one, epochs, accuracy);
        drop_if_empty(&chart);
        add_validation(&chart, &runs[i], validation, other, epochs, accuracy);
        drop_if_empty(&chart);
        free(run);
        free(training);
        free(validation);
    }
    return chart;
}

static int terminal_columns(void) {
    struct winsize size;
    const char *said = getenv("COLUMNS");
    long columns;
    if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col) return size.ws_col;
    return said && !number_int(said, 20, 1000, &columns) ? (int)columns : 80;
}

/* Colours and braille where a terminal shows them. */
static int terminal_colours(void) {
    const char *names[] = {"LC_ALL", "LC_CTYPE", "LANG"}, *locale = "", *term = getenv("TERM"), *no = getenv("NO_COLOR");
    for (int i = 2; i >= 0; i--)
        if (getenv(names[i]) && *getenv(names[i])) locale = getenv(names[i]);
    int utf8 = strstr(locale, "UTF-8") || strstr(locale, "utf8") || strstr(locale, "utf-8") || strstr(locale, "UTF8");
    return isatty(STDOUT_FILENO) && utf8 && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

static int print_charts(struct context *context, const struct chart *charts, int n, struct err *err) {
    struct text out = {0};
    for (int i = 0; i < n; i++) {
        if (i) text_add(&out, "\n");
        chart_print(&charts[i], terminal_columns(), ROWS, terminal_colours(), &out);
    }
    int bad = context_print(context, out.text, out.length, err);
    text_free(&out);
    return bad;
}

/* A line a chart; what is not finite is null. */
static int print_json(struct context *context, const struct chart *charts, int n, struct err *err) {
    struct text out = {0};
    for (int i = 0; i < n; i++) {
        struct json j = {{0}, 0};
        json_open(&j, NULL, '{');
        json_text(&j, "metric", charts[i].y.percent ? "accuracy" : "loss");
        json_text(&j, "over", charts[i].x.label);
        json_open(&j, "curves", '[');
        for (size_t s = 0; s < charts[i].series_count; s++) {
            const struct chart_series *curve = &charts[i].series[s];
            json_open(&j, NULL, '{');
            json_text(&j, "curve", curve->label);
            json_open(&j, "points", '[');
            for (size_t p = 0; p < curve->count; p++) {
                json_open(&j, NULL, '[');
                json_real(&j, NULL, curve->points[p].x);
                json_real(&j, NULL, curve->points[p].y);
                json_close(&j, ']');
            }
            json_close(&j, ']');
            json_close(&j, '}');
        }
        json_close(&j, ']');
        json_close(&j, '}');
        text_add(&out, "%s\n", j.out.text);
        text_free(&j.out);
    }
    int bad = context_print(context, out.text, out.length, err);
    text_free(&out);
    return bad;
}

static int write_charts(const char *path, const struct chart *charts, int n, struct err *err) {
    double height = 0, y = 0;
    for (int i = 0; i < n; i++) height += chart_height(&charts[i], WIDTH, HEIGHT);
    struct canvas *c = canvas_make(WIDTH, height, 0xffffffff);
    for (int i = 0; i < n; i++) {
        double each = chart_height(&charts[i], WIDTH, HEIGHT);
        chart_draw(&charts[i], c, (struct canvas_box){.y = y, .width = WIDTH, .height = each});
        y += each;
    }
    int bad = canvas_write(c, path, err);
    canvas_free(c);
    return bad;
}

static int plot(struct context *context, const struct metrics *runs, struct err *err) {
    const char *metric = flags_text(&context->args, "metric"), *output = flags_text(&context->args, "output");
    struct chart charts[2];
    int n = 0, bad = 0;
    for (int accuracy = 0; accuracy < 2; accuracy++) {
        if (metric && strcmp(metric, accuracy ? "accuracy" : "loss") != 0) continue;
        charts[n++] = make_chart(&context->args, runs, accuracy);
        if (chart_any(&charts[n - 1])) continue;
        if (metric) bad = err_add(err, STATUS_REFUSED, "%s: this run has no %s", runs[0].path, metric);
        chart_free(&charts[--n]);
    }
    if (!bad && !n) bad = err_add(err, STATUS_REFUSED, "%s: there is nothing to plot: no loss was finite", runs[0].path);
    bad = bad || (output && write_charts(output, charts, n, err));
    if (context->json) bad = bad || print_json(context, charts, n, err);
    else if (!output) bad = bad || print_charts(context, charts, n, err);
    for (int i = 0; i < n; i++) chart_free(&charts[i]);
    return bad;
}

static int run(struct context *context, struct err *err) {
    const struct args *args = &context->args;
    if (context_operands(context, 1, MOST_RUNS, "a run: dlcli plot runs/last", err)) return -1;
    const char *output = flags_text(args, "output");
    if (output && canvas_check(output, "--output", err)) return -1;
    if (output && !strcmp(output, "-") && context->json) return err_add(err, STATUS_REFUSED, "--json and --output - exclude each other: both are for stdout");
    struct metrics *runs = mem_need(args->operand_count, sizeof *runs);
    int bad = 0;
    for (size_t i = 0; i < args->operand_count; i++) bad |= metrics_read(&runs[i], args->operands[i], err);
    if (!bad) progress_warn(&context->progress, err);
    bad = bad || plot(context, runs, err);
    for (size_t i = 0; i < args->operand_count; i++) metrics_free(&runs[i]);
    free(runs);
    return bad ? -1 : 0;
}

const struct command command_plot = {
    .name = "plot",
    .synopsis = "plot RUN... [--output FILE.png|.svg] [--metric loss|accuracy]",
    .summary = "curves of loss and accuracy, of one run or several",
    .help = "Training and validation, from RUN/metrics.jsonl, over epochs (over steps while a run has fewer than two). Without --output it draws\n"
            "in the terminal, as wide as that is; --json prints the points: a line for the loss, one for the accuracy.",
    .examples = "dlcli plot runs/last\n"
                "dlcli plot runs/lenet --output lenet.png\n"
                "dlcli plot runs/a runs/b --metric accuracy --output both.svg",
    .flags = flags,
    .run = run,
};
