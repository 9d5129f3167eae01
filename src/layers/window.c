/* Windows that slide over maps (window.h): from keys and the input's shape to places and padding. */
#include "layers/window.h"

#include <string.h>
#include "base/number.h"
#include "layers/layer.h"

static int given_or(const struct section *section, const char *key, long otherwise) {
    return (int)(config_given(section, key) ? config_int(section, key) : otherwise);
}

struct window window_read(const struct section *s) {
    long size = config_int(s, "size"), stride = config_int(s, "stride");
    return (struct window){
        .h = {.size = given_or(s, "size_h", size), .stride = given_or(s, "stride_y", stride), .dilation = 1},
        .w = {.size = given_or(s, "size_w", size), .stride = given_or(s, "stride_x", stride), .dilation = 1},
    };
}

int window_padding(const struct node *node, enum padding_kind numbers, struct padding *padding, struct err *err) {
    const char *text = config_text(node->section, "padding");
    long n = 0;
    if (strcmp(text, "same") == 0) {
        *padding = (struct padding){PADDING_SAME, 0, 0, "padding"};
        return 0;
    }
    if (strcmp(text, "valid") != 0 && number_int(text, 0, 65535, &n) < 0) {
        return node_refuse(node, "padding", err, "want a number in 0..65535, same or valid, got \"%s\"", text);
    }
    *padding = (struct padding){numbers, (int)n, (int)n, "padding"};
    return 0;
}

/* The window's reach over the map: what dilation stretches it to. */
static int reach(const struct axis *a) {
    return a->dilation * (a->size - 1) + 1;
}

static void pad(struct axis *a, enum padding_kind kind, int by, int in) {
    a->before = a->after = by;
    if (kind == PADDING_TOTAL) {
        a->before = by / 2;
        a->after = by - by / 2;
    } else if (kind == PADDING_SAME) {
        int total = ((in + a->stride - 1) / a->stride - 1) * a->stride + reach(a) - in;
        a->before = total > 0 ? total / 2 : 0;
        a->after = total > 0 ? total - total / 2 : 0;
    }
}

static void place(struct axis *a, int in, int ceiling) {
    int room = in + a->before + a->after - reach(a);
    a->out = (room + (ceiling ? a->stride - 1 : 0)) / a->stride + 1;
    if (ceiling && (a->out - 1) * a->stride >= in + a->before) {
        a->out--;
    }
}

/* 1 where the first or the last place lies in the padding alone. */
static int sees_nothing(const struct axis *a, int in) {
    return a->before >= reach(a) || (a->out - 1) * a->stride - a->before >= in;
}

int window_fit(struct window *window, const struct node *node, struct padding padding, int h, int w, int ceiling,
               struct err *err) {
    struct axis *y = &window->h, *x = &window->w;
    pad(y, padding.kind, padding.h, h);
    pad(x, padding.kind, padding.w, w);
    int padded_h = h + y->before + y->after, padded_w = w + x->before + x->after;
    if (reach(y) > padded_h || reach(x) > padded_w) {
        return node_refuse(node, "size", err, "the window %dx%d is larger than its %sinput %dx%d", reach(y), reach(x),
                           padded_h > h || padded_w > w ? "padded " : "", padded_h, padded_w);
    }
    place(y, h, ceiling);
    place(x, w, ceiling);
    int too_much = padding.kind == PADDING_EACH && (y->before >= reach(y) || x->before >= reach(x));
    if (too_much || sees_nothing(y, h) || sees_nothing(x, w)) {
        return node_refuse(
            node, padding.key, err,
            "want less padding than the window %dx%d, got %dx%d: a place of the window would see nothing else",
            reach(y), reach(x), padding.h, padding.w);
    }
    return 0;
}
