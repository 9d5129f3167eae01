/* predict --output of a regression of one variable: the points of a table, and the curve that the network draws through them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "commands/predict.h"
#include "views/chart.h"

enum { WIDTH = 900, HEIGHT = 520, CURVE = 400 };
static const double DOT = 3.5;

int fit_is_wanted(const struct batcher *b, const char *output) {
    const struct graph *g = &b->members[0].model.graph;
    const struct args *args = &b->context->args;
    for (int m = 0; m < b->member_count; m++)
        if (shape_count(b->members[m].model.graph.input) != 1) return 0;
    if (!output || b->members[0].layer >= 0 || g->classes || b->width != 1 || args->operand_count != 1) return 0;
    size_t n = strlen(args->operands[0]), m = strlen(output);
    int picture = m > 4 && (!strcmp(output + m - 4, ".png") || !strcmp(output + m - 4, ".svg"));
    return picture && n > 4 && !strcmp(args->operands[0] + n - 4, ".csv");
}

/* The answers of the table's rows, where it holds them. */
static int add_points(struct chart *chart, const struct table *t, size_t target, struct err *err) {
    char *label = mem_format("%zu points of %s", t->csv.rows, t->csv.path);
    struct chart_series *s = chart_add(chart, label, chart_colour(0), 0);
    int bad = 0;
    s->dot = DOT;
    free(label);
    for (size_t row = 0; row < t->csv.rows && !bad; row++) {
        float x, y;
        bad = csv_number(&t->csv, row, t->features[0], &x, err) || csv_number(&t->csv, row, target, &y, err);
        if (!bad) chart_point(s, x, y);
    }
    return bad;
}

static int find_range(const struct table *t, float *least, float *most, struct err *err) {
    *least = INFINITY;
    *most = -INFINITY;
    for (size_t row = 0; row < t->csv.rows; row++) {
        float x;
        if (csv_number(&t->csv, row, t->features[0], &x, err)) return -1;
        *least = fminf(*least, x);
        *most = fmaxf(*most, x);
    }
    return 0;
}

/* The network's answers at CURVE places from the least input to the greatest. */
static int add_curve(struct chart *chart, struct batcher *b, const struct table *tables, struct kept *kept, struct err *err) {
    float least, most;
    int bad = find_range(&tables[0], &least, &most, err);
    for (int i = 0; i < CURVE && !bad; i++) {
        for (int m = 0; m < b->member_count; m++) {
            float *x = &b->members[m].input[b->count];
            *x = least + (most - least) * (float)i / (CURVE - 1);
            csv_affine_apply(&tables[m].affine, x);
        }
        bad = batcher_add_place(b, (struct place){mem_copy(tables[0].csv.path), i, NULL, NULL}, err);
    }
    if (bad || batcher_run(b, err)) return -1;
    char *name = context_label(b->members[0].model.path);
    struct chart_series *s = chart_add(chart, name, chart_colour(1), 0);
    free(name);
    for (int i = 0; i < CURVE; i++) chart_point(s, least + (most - least) * (double)i / (CURVE - 1), kept->values[i]);
    return 0;
}

/* The column that the network was to predict, or columns where the table has none beside the input. */
static int find_target(const struct table *t, size_t *target, struct err *err) {
    struct csv_columns columns = {0};
    *target = t->csv.columns;
    if (t->csv.columns < 2) return 0;
    int bad = csv_choose(&t->csv, t->data, &columns, err);
    if (!bad && columns.target_count == 1) *target = columns.targets[0];
    csv_columns_free(&columns);
    return bad;
}

static int draw(struct batcher *b, const struct table *tables, struct kept *kept, const char *path, struct err *err) {
    const struct table *t = &tables[0];
    size_t target;
    if (find_target(t, &target, err)) return -1;
    const char *x = t->csv.names ? t->csv.names[t->features[0]] : "input", *y = t->csv.names && target < t->csv.columns ? t->csv.names[target] : "output";
    char *name = context_label(b->members[0].model.path), *title = mem_format("%s: %zu parameters", name, b->members[0].model.graph.parameters);
    struct chart chart = {.title = title, .x = {.label = x}, .y = {.label = y}};
    int bad = (target < t->csv.columns && add_points(&chart, t, target, err)) || add_curve(&chart, b, tables, kept, err);
    struct canvas *c = canvas_make(WIDTH, HEIGHT, 0xffffffff);
    if (!bad) chart_draw(&chart, c, (struct canvas_box){.width = WIDTH, .height = HEIGHT});
    bad = bad || canvas_write(c, path, err);
    canvas_free(c);
    chart_free(&chart);
    free(title);
    free(name);
    return bad;
}

int fit_draw(struct batcher *b, struct kept *kept, const char *path, struct err *err) {
    struct table *tables = tables_open(b, b->context->args.operands[0], err);
    int bad = !tables || draw(b, tables, kept, path, err);
    tables_close(b, tables);
    return bad ? -1 : 0;
}
