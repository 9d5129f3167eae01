/* The network as a picture: a box a layer, from the input down, branches side by side (Sugiyama, Tagawa, Toda, "Methods
 * for Visual Understanding of Hierarchical System Structures", 1981). */
#ifndef DLCLI_DIAGRAM_H
#define DLCLI_DIAGRAM_H

#include "graph.h"
#include "views/canvas.h"

/* A layer that only hands on another's output (a route from one layer) is drawn as the arrow that it is. The caller
 * frees it. */
struct canvas *diagram_draw(const struct graph *graph, const char *title);

/* ---- the layout, for diagram.c (diagram_layout.c) ---- */

/* A box, or a bend of an arrow that passes a row (box -1). */
struct diagram_place { int row, box; double x, width, weight; int order; };
/* A piece of an arrow, from a row to the next; one of much weight wants to be straight. */
struct diagram_piece { int from, to; double weight; int last; };
struct diagram {
    struct diagram_place *places; int place_count; size_t place_room;
    struct diagram_piece *pieces; int piece_count; size_t piece_room;
    int rows;
    double left, right;
};
/* places holds the boxes, in an order in which every arrow goes forward: width filled; edges from -> to by index. Fills
 * row and x (middles), adds bends and pieces. */
void diagram_layout(struct diagram *d, const int (*edges)[2], int edge_count);
void diagram_free(struct diagram *d);

#endif
