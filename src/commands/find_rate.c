/* dlcli train --find-rate: what the learning-rate range test found, in words and as a picture. */
#include <math.h>
#include <stdlib.h>

#include "commands/find_rate.h"
#include "views/chart.h"

enum { WIDTH = 900, HEIGHT = 440 };
static const double DASH = 5;

/* Losses that run away would leave nothing to see of the others: they end at this height. */
static double ceiling_of(const struct rate_test *test) {
    double least = INFINITY, most = -INFINITY;
    for (size_t i = 0; i < test->count; i++) {
        least = fmin(least, test->points[i].smooth);
        most = isnan(test->lowest) || test->points[i].rate <= test->lowest ? fmax(most, test->points[i].smooth) : most;
    }
    return most + (most - least) / 2;
}

static int draw(const char *path, const struct rate_test *test, struct err *err) {
    struct chart chart = {.title = "Learning-rate range test", .x = {.label = "learning rate", .logarithmic = 1}, .y = {.label = "loss"}};
    struct chart_series *losses = chart_add(&chart, "loss of the update", chart_colour(4), DASH);
    double least = INFINITY, most = ceiling_of(test);
    for (size_t i = 0; i < test->count; i++) chart_point(losses, test->points[i].rate, fmin(test->points[i].loss, most));
    struct chart_series *smooth = chart_add(&chart, "running mean", chart_colour(0), 0);
    for (size_t i = 0; i < test->count; i++) {
        chart_point(smooth, test->points[i].rate, fmin(test->points[i].smooth, most));
        least = fmin(least, test->points[i].smooth);
    }
    if (isfinite(test->suggested)) {
        char *label = mem_format("suggested: %.3g", test->suggested);
        struct chart_series *mark = chart_add(&chart, label, chart_colour(1), 0);
        chart_point(mark, test->suggested, least);
        chart_point(mark, test->suggested, most);
        free(label);
    }
    struct canvas *c = canvas_make(WIDTH, HEIGHT, 0xffffffff);
    chart_draw(&chart, c, (struct canvas_box){.width = WIDTH, .height = HEIGHT});
    int bad = canvas_write(c, path, err);
    canvas_free(c);
    chart_free(&chart);
    return bad;
}

int find_rate_check(const struct args *args, struct err *err) {
    static const char *const alone[] = {"resume", "force", "epochs", "keep"};
    if (!flags_on(args, "find-rate")) {
        if (flags_text(args, "rate-min") || flags_text(args, "rate-max")) return err_add(err, STATUS_REFUSED, "--rate-min and --rate-max go with --find-rate");
        return 0;
    }
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++)
        if (i < 2 ? flags_on(args, alone[i]) : flags_text(args, alone[i]) != NULL)
            return err_add(err, STATUS_REFUSED, "--find-rate and --%s exclude each other", alone[i]);
    double least = flags_real(args, "rate-min", FIND_RATE_LEAST), most = flags_real(args, "rate-max", FIND_RATE_MOST);
    if (least >= most) return err_add(err, STATUS_REFUSED, "--rate-min: want less than --rate-max, which is %g, got %g", most, least);
    return 0;
}

int find_rate(struct context *context, struct model *model, struct train_options options, struct err *err) {
    struct rate_sweep sweep = {flags_real(&context->args, "rate-min", FIND_RATE_LEAST), flags_real(&context->args, "rate-max", FIND_RATE_MOST),
        (uint64_t)flags_int(&context->args, "max-batches", FIND_RATE_STEPS)};
    struct rate_test test;
    struct text out = {0};
    options.max_batches = (long)sweep.steps;
    int bad = train_find_rate(model, &options, &sweep, context->team, &context->progress, &test, err);
    char *path = mem_format("%s/find-rate.png", test.run);
    bad = bad || draw(path, &test, err);
    if (!bad && isfinite(test.suggested))
        text_add(&out, "suggested learning_rate: %.3g, a tenth of that at which the loss is lowest, %.3g; see %s\n", test.suggested, test.lowest, path);
    else if (!bad) text_add(&out, "no learning_rate between %g and %g lowers the loss within %zu updates; see %s\n", sweep.least, sweep.most, test.count, path);
    bad = bad || (!context->json && context_print(context, out.text, out.length, err));
    text_free(&out);
    free(path);
    rate_test_free(&test);
    return bad ? -1 : 0;
}
