/* Boxes and arrows of a network (diagram.h). A box's colour says what its layer does to its input, not which type it
 * is. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layers/layer.h"
#include "views/diagram.h"

enum { NAME = 14, WORDS = 12, PAD = 12, BOX_HEIGHT = 44, ROW = 76, MARGIN = 24, TITLE = 18, HEAD = 60, CURVE = 12 };
static const uint32_t INK = 0x1a1a1aff, GREY = 0x555555ff, ARROW = 0x667788ff;

struct look { uint32_t fill, line; };

/* What stands in a box. */
struct box { int node; char *name, *type, *shape, *parameters; struct look look; };
struct drawing { const struct graph *graph; struct box *boxes; int *box_of_node; int count; struct diagram layout; };

static size_t parameters_of(const struct graph *g, const struct layer *layer) {
    size_t sum = 0;
    for (int n = layer->first; n <= layer->last; n++) {
        for (int s = 0; s < g->nodes[n].slot_count; s++) {
            sum += g->nodes[n].slots[s].kind == SLOT_PARAM ? g->nodes[n].slots[s].count : 0;
        }
    }
    return sum;
}

/* "1,234,567 parameters" */
static char *parameters_text(size_t n) {
    char digits[32];
    struct text out = {0};
    int length = snprintf(digits, sizeof digits, "%zu", n);
    for (int i = 0; i < length; i++) {
        text_add(&out, "%s%c", i > 0 && (length - i) % 3 == 0 ? "," : "", digits[i]);
    }
    text_add(&out, n == 1 ? " parameter" : " parameters");
    return out.text;
}

static struct look look_of(const struct graph *g, const struct layer *layer, size_t parameters) {
    const struct node *first = &g->nodes[layer->first], *last = &g->nodes[layer->last];
    struct shape in = first->in_count > 0 ? g->nodes[first->in[0]].out : last->out;
    if (layer->ops->flags & LAYER_LOSS) return (struct look){0xfbdfe0ff, 0xc2545bff};
    if (parameters > 0) return (struct look){0xdcebfaff, 0x3b78b5ff};
    if (first->in_count > 1) return (struct look){0xdff3e4ff, 0x3f9459ff};
    if (last->out.h < in.h || last->out.w < in.w) return (struct look){0xfdeed3ff, 0xc78a1cff};
    return (struct look){0xf0f0f2ff, 0x8a8a94ff};
}

/* Does it only hand on what it reads? Then its readers' arrows come from there. */
static int hands_on(const struct graph *g, const struct layer *layer) {
    const struct node *node = &g->nodes[layer->first];
    return layer->first == layer->last && (layer->ops->flags & LAYER_MANY_INPUTS) && node->in_count == 1 &&
           node->slot_count == 0 && layer->last != g->output && shape_same(node->out, g->nodes[node->in[0]].out);
}

static void fill_box(struct drawing *d, struct box *box, const struct layer *layer) {
    char shape[48];
    const struct graph *g = d->graph;
    size_t parameters = parameters_of(g, layer);
    *box = (struct box){layer->last,
                        mem_copy(layer->name),
                        mem_copy(layer->type),
                        mem_copy(shape_text(g->nodes[layer->last].out, shape)),
                        parameters > 0 ? parameters_text(parameters) : mem_copy(""),
                        look_of(g, layer, parameters)};
}

static void fill_boxes(struct drawing *d) {
    const struct graph *g = d->graph;
    char shape[48];
    d->boxes = mem_need((size_t)g->layer_count + 1, sizeof *d->boxes);
    d->box_of_node = mem_need((size_t)g->node_count + 1, sizeof *d->box_of_node);
    d->boxes[d->count++] = (struct box){0,
                                        mem_copy("input"),
                                        mem_copy(""),
                                        mem_copy(shape_text(g->input, shape)),
                                        mem_copy(""),
                                        {0xffffffff, 0x8a8a94ff}};
    for (int i = 0; i < g->layer_count; i++) {
        const struct layer *layer = &g->layers[i];
        int box = d->count;
        if (hands_on(g, layer)) {
            box = d->box_of_node[g->nodes[layer->first].in[0]];
        } else {
            fill_box(d, &d->boxes[d->count++], layer);
        }
        for (int n = layer->first; n <= layer->last; n++) {
            d->box_of_node[n] = box;
        }
    }
}

static double box_width(const struct box *b) {
    double head = 1.06 * canvas_text_width(NAME, b->name) + 14 + canvas_text_width(WORDS, b->type);
    double foot =
        canvas_text_width(WORDS, b->shape) + (*b->parameters ? 18 : 0) + canvas_text_width(WORDS, b->parameters);
    return ceil(2 * PAD + fmax(110, fmax(head, foot)));
}

static int known_edge(const int (*edges)[2], int n, int from, int to) {
    for (int e = 0; e < n; e++) {
        if (edges[e][0] == from && edges[e][1] == to) {
            return 1;
        }
    }
    return 0;
}

static void lay_out(struct drawing *d) {
    const struct graph *g = d->graph;
    int edge_count = 0, most = 0;
    for (int n = 0; n < g->node_count; n++) {
        most += g->nodes[n].in_count;
    }
    int (*edges)[2] = mem_need((size_t)most + 1, sizeof *edges);
    for (int n = 1; n < g->node_count; n++) {
        for (int i = 0; i < g->nodes[n].in_count; i++) {
            int from = d->box_of_node[g->nodes[n].in[i]], to = d->box_of_node[n];
            if (from != to && !known_edge((const int (*)[2])edges, edge_count, from, to)) {
                edges[edge_count][0] = from;
                edges[edge_count++][1] = to;
            }
        }
    }
    d->layout.places = mem_need((size_t)d->count, sizeof *d->layout.places);
    d->layout.place_count = d->count;
    for (int b = 0; b < d->count; b++) {
        d->layout.places[b] = (struct diagram_place){.box = b, .width = box_width(&d->boxes[b])};
    }
    diagram_layout(&d->layout, (const int (*)[2])edges, edge_count);
    free(edges);
}

static struct canvas_point middle(const struct drawing *d, int place) {
    const struct diagram_place *p = &d->layout.places[place];
    return (struct canvas_point){p->x - d->layout.left + MARGIN, HEAD + p->row * (double)ROW + BOX_HEIGHT / 2.0};
}

/* From the foot of a row to the head of the next: down, across and down again in one curve; a bend goes straight
 * through its row. */
static void draw_piece(const struct drawing *d, struct canvas *c, const struct diagram_piece *piece) {
    struct canvas_point a = middle(d, piece->from), b = middle(d, piece->to), points[CURVE + 3];
    size_t n = 0;
    double head = piece->last ? 7 : 0;
    if (d->layout.places[piece->from].box < 0) {
        points[n++] = (struct canvas_point){a.x, a.y - BOX_HEIGHT / 2.0};
    }
    a.y += BOX_HEIGHT / 2.0;
    b.y -= BOX_HEIGHT / 2.0 + head;
    for (int i = 0; i <= CURVE; i++) {
        double t = (double)i / CURVE, s = t * t * (3 - 2 * t);
        points[n++] = (struct canvas_point){a.x + s * (b.x - a.x), a.y + t * (b.y - a.y)};
        if (fabs(a.x - b.x) < 0.01) {
            i = i < CURVE ? CURVE - 1 : CURVE;
        }
    }
    canvas_line(c, points, n, 1.4, 0, ARROW);
    if (piece->last) {
        canvas_polygon(c, (struct canvas_point[]){{b.x, b.y + head}, {b.x - 4.5, b.y - 1}, {b.x + 4.5, b.y - 1}}, 3,
                       ARROW);
    }
}

static void draw_box(const struct drawing *d, struct canvas *c, int place) {
    const struct box *b = &d->boxes[place];
    struct canvas_point m = middle(d, place);
    double width = d->layout.places[place].width, x = m.x - width / 2, y = m.y - BOX_HEIGHT / 2.0;
    canvas_box(c, (struct canvas_box){x, y, width, BOX_HEIGHT, 6, b->look.fill, b->look.line, 1.3});
    struct canvas_font name = {.size = NAME, .bold = 1, .colour = INK}, words = {.size = WORDS, .colour = GREY};
    canvas_text(c, x + PAD, y + 18, name, b->name);
    canvas_text(c, x + PAD, y + 36, words, b->shape);
    words.anchor = ANCHOR_END;
    canvas_text(c, x + width - PAD, y + 18, words, b->type);
    canvas_text(c, x + width - PAD, y + 36, words, b->parameters);
}

static void draw_title(const struct drawing *d, struct canvas *c, const char *title) {
    char *sum = parameters_text(d->graph->parameters),
         *words = mem_format("%s, %.4g MFLOP an image", sum, d->graph->flops / 1e6);
    canvas_text(c, MARGIN, 28, (struct canvas_font){.size = TITLE, .bold = 1, .colour = INK}, title);
    canvas_text(c, MARGIN, 47, (struct canvas_font){.size = WORDS, .colour = GREY}, words);
    double widest = fmax(1.1 * canvas_text_width(TITLE, title), canvas_text_width(WORDS, words));
    canvas_resize(c, 2 * MARGIN + fmax(widest, d->layout.right - d->layout.left),
                  HEAD + d->layout.rows * (double)ROW - ROW + BOX_HEIGHT + MARGIN);
    free(sum);
    free(words);
}

struct canvas *diagram_draw(const struct graph *graph, const char *title) {
    struct drawing d = {.graph = graph};
    struct canvas *c = canvas_make(1, 1, 0xffffffff);
    fill_boxes(&d);
    lay_out(&d);
    draw_title(&d, c, title);
    for (int p = 0; p < d.layout.piece_count; p++) {
        draw_piece(&d, c, &d.layout.pieces[p]);
    }
    for (int b = 0; b < d.count; b++) {
        draw_box(&d, c, b);
        free(d.boxes[b].name);
        free(d.boxes[b].type);
        free(d.boxes[b].shape);
        free(d.boxes[b].parameters);
    }
    free(d.boxes);
    free(d.box_of_node);
    diagram_free(&d.layout);
    return c;
}
