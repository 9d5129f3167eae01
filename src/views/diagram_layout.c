/* Where the boxes of a diagram lie. Rows by the longest way from the input; an arrow that passes rows gets a bend in
 * each; order within a row by the mean of the neighbours'; then each row is moved towards its neighbours as far as its
 * widths allow, which is isotonic regression. An arrow that skips layers weighs less than the layers that it skips: the
 * main line stays straight, it passes beside it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "views/diagram.h"

enum { ORDER_SWEEPS = 12, MOVE_SWEEPS = 120 };
static const double GAP = 22, BEND = 8, HEAVY = 200;
enum direction { FROM_ABOVE, FROM_BELOW, FROM_BOTH };

static void rows_by_longest_way(struct diagram *d, const int (*edges)[2], int n) {
    for (int box = 0; box < d->place_count; box++) {
        for (int e = 0; e < n; e++) {
            if (edges[e][1] == box && d->places[edges[e][0]].row >= d->places[box].row) {
                d->places[box].row = d->places[edges[e][0]].row + 1;
            }
        }
        d->rows = d->places[box].row + 1 > d->rows ? d->places[box].row + 1 : d->rows;
    }
}

static void add_piece(struct diagram *d, struct diagram_piece piece) {
    d->pieces = mem_grow(d->pieces, &d->piece_room, (size_t)d->piece_count, sizeof *d->pieces);
    d->pieces[d->piece_count++] = piece;
}

static void add_bends(struct diagram *d, int from, int to, double weight) {
    int at = from;
    for (int row = d->places[from].row + 1; row < d->places[to].row; row++) {
        d->places = mem_grow(d->places, &d->place_room, (size_t)d->place_count, sizeof *d->places);
        d->places[d->place_count] =
            (struct diagram_place){.row = row, .box = -1, .width = BEND, .weight = weight, .order = to};
        add_piece(d, (struct diagram_piece){at, d->place_count, weight, 0});
        at = d->place_count++;
    }
    add_piece(d, (struct diagram_piece){at, to, weight, 1});
}

/* A long arrow from a box that has others too skips what they lead to; the only one of its box is a branch. */
static double weight_of(const struct diagram *d, const int (*edges)[2], int n, int edge) {
    int from = edges[edge][0], others = 0;
    for (int e = 0; e < n; e++) {
        others += e != edge && edges[e][0] == from;
    }
    return others > 0 && d->places[edges[edge][1]].row > d->places[from].row + 1 ? 1 : HEAVY;
}

/* The places of each row in their order: members[starts[row]..starts[row + 1]]. Wish: where each would like to be. */
struct rows { int *members, *starts; double *wish, *weight; };

static void rows_make(struct rows *r, const struct diagram *d) {
    r->members = mem_need((size_t)d->place_count, sizeof *r->members);
    r->starts = mem_need((size_t)d->rows + 1, sizeof *r->starts);
    r->wish = mem_need((size_t)d->place_count, sizeof *r->wish);
    r->weight = mem_need((size_t)d->place_count, sizeof *r->weight);
    int at = 0;
    for (int row = 0; row < d->rows; row++) {
        r->starts[row] = at;
        for (int i = 0; i < d->place_count; i++) {
            if (d->places[i].row == row) {
                int k = at++;
                for (; k > r->starts[row] && d->places[r->members[k - 1]].order > d->places[i].order; k--) {
                    r->members[k] = r->members[k - 1];
                }
                r->members[k] = i;
            }
        }
    }
    r->starts[d->rows] = at;
}

static void rows_free(struct rows *r) {
    free(r->members);
    free(r->starts);
    free(r->wish);
    free(r->weight);
}

/* wish: the weighted mean of `x` of the neighbours above, below, or both; those without keep their own. */
static void wishes(struct rows *r, const struct diagram *d, const double *x, enum direction direction) {
    memset(r->wish, 0, (size_t)d->place_count * sizeof *r->wish);
    memset(r->weight, 0, (size_t)d->place_count * sizeof *r->weight);
    for (int p = 0; p < d->piece_count; p++) {
        const struct diagram_piece *piece = &d->pieces[p];
        if (direction != FROM_BELOW) {
            r->wish[piece->to] += piece->weight * x[piece->from];
            r->weight[piece->to] += piece->weight;
        }
        if (direction != FROM_ABOVE) {
            r->wish[piece->from] += piece->weight * x[piece->to];
            r->weight[piece->from] += piece->weight;
        }
    }
    for (int i = 0; i < d->place_count; i++) {
        r->wish[i] = r->weight[i] > 0 ? r->wish[i] / r->weight[i] : x[i];
    }
}

/* Insertion sort keeps the order of equals. */
static void sort_row(struct rows *r, int row) {
    for (int i = r->starts[row] + 1; i < r->starts[row + 1]; i++) {
        int me = r->members[i], k = i;
        for (; k > r->starts[row] && r->wish[r->members[k - 1]] > r->wish[me] + 1e-9; k--) {
            r->members[k] = r->members[k - 1];
        }
        r->members[k] = me;
    }
}

static void order_rows(struct rows *r, const struct diagram *d) {
    double *x = mem_need((size_t)d->place_count, sizeof *x);
    for (int sweep = 0; sweep <= ORDER_SWEEPS; sweep++) {
        int down = sweep % 2 == 0;
        for (int k = 0; k < d->rows; k++) {
            int row = down ? k : d->rows - 1 - k;
            wishes(r, d, x, down ? FROM_ABOVE : FROM_BELOW);
            sort_row(r, row);
            for (int i = r->starts[row]; i < r->starts[row + 1]; i++) {
                x[r->members[i]] = (double)(i - r->starts[row]) - (double)(r->starts[row + 1] - r->starts[row] - 1) / 2;
            }
        }
    }
    free(x);
}

/* The middles nearest to the wishes (least squares) at which nothing overlaps: pools of neighbours that push each
 * other. */
static void move_row(const struct rows *r, struct diagram *d, int row) {
    int n = r->starts[row + 1] - r->starts[row], pools = 0;
    const int *members = r->members + r->starts[row];
    struct pool { double sum, weight; int count; } *pool = mem_need((size_t)n, sizeof *pool);
    double *offset = mem_need((size_t)n, sizeof *offset);
    for (int i = 0; i < n; i++) {
        const struct diagram_place *me = &d->places[members[i]];
        offset[i] = i == 0 ? 0 : offset[i - 1] + (d->places[members[i - 1]].width + me->width) / 2 + GAP;
        double weight = me->weight;
        pool[pools++] = (struct pool){weight * (r->wish[members[i]] - offset[i]), weight, 1};
        while (pools > 1 &&
               pool[pools - 2].sum / pool[pools - 2].weight > pool[pools - 1].sum / pool[pools - 1].weight) {
            pool[pools - 2].sum += pool[pools - 1].sum;
            pool[pools - 2].weight += pool[pools - 1].weight;
            pool[pools - 2].count += pool[pools - 1].count;
            pools--;
        }
    }
    for (int p = 0, i = 0; p < pools; p++) {
        for (int k = 0; k < pool[p].count; k++, i++) {
            d->places[members[i]].x = pool[p].sum / pool[p].weight + offset[i];
        }
    }
    free(pool);
    free(offset);
}

static void move_rows(struct rows *r, struct diagram *d) {
    double *x = mem_need((size_t)d->place_count, sizeof *x);
    for (int sweep = 0; sweep < MOVE_SWEEPS; sweep++) {
        int down = sweep % 2 == 0;
        for (int k = 0; k < d->rows; k++) {
            int row = down ? k : d->rows - 1 - k;
            for (int i = 0; i < d->place_count; i++) {
                x[i] = d->places[i].x;
            }
            wishes(r, d, x, sweep >= MOVE_SWEEPS / 2 ? FROM_BOTH : down ? FROM_ABOVE : FROM_BELOW);
            move_row(r, d, row);
        }
    }
    free(x);
}

void diagram_layout(struct diagram *d, const int (*edges)[2], int edge_count) {
    struct rows r;
    int boxes = d->place_count;
    d->place_room = (size_t)boxes;
    rows_by_longest_way(d, edges, edge_count);
    for (int i = 0; i < boxes; i++) {
        d->places[i].order = i;
        d->places[i].weight = HEAVY;
    }
    for (int e = 0; e < edge_count; e++) {
        add_bends(d, edges[e][0], edges[e][1], weight_of(d, edges, edge_count, e));
    }
    rows_make(&r, d);
    order_rows(&r, d);
    move_rows(&r, d);
    rows_free(&r);
    d->left = INFINITY;
    d->right = -INFINITY;
    for (int i = 0; i < d->place_count; i++) {
        d->left = fmin(d->left, d->places[i].x - d->places[i].width / 2);
        d->right = fmax(d->right, d->places[i].x + d->places[i].width / 2);
    }
}

void diagram_free(struct diagram *d) {
    free(d->places);
    free(d->pieces);
    *d = (struct diagram){0};
}
