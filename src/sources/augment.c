/* Augmentation: what happens to a picture by chance between its source and the network (source.h). The chance is a
 * function of the seed, the epoch and the sample, so that any thread may do any sample and a resumed run sees the same
 * pictures. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "sources/parts.h"

/* ---- the chance ---- */

struct draw {
    int flip, dx, dy, reflect, cut_x, cut_y;
    struct warp warp;
    struct tint tint;
    struct rng rest;   /* where the draws of a picture's RandAugment go on */
};

/* An epoch's own stretch of the item's sequence; 48 bits of the stream are the item and the epoch's low half. */
static struct rng item_rng(uint64_t seed, uint64_t epoch, uint32_t item) {
    struct rng rng = rng_make(seed, RNG_AUGMENT, (epoch & 0xFFFF) << 32 | item);
    rng.counter = epoch >> 16 << 32;
    return rng;
}

/* The chance of the first epoch, turned in every second one. */
static int draw_alternate(uint64_t seed, uint64_t epoch, uint32_t item) {
    struct rng rng = item_rng(seed, 0, item);
    return (int)((rng_u32(&rng) ^ epoch) & 1);
}

static double draw_between(struct rng *rng, double low, double high) {
    return low + (high - low) * rng_uniform(rng);
}

/* darknet's: 1..most, or its inverse. */
static double draw_factor(struct rng *rng, double most) {
    double factor = draw_between(rng, 1, most);
    return rng_u32(rng) & 1 ? factor : 1 / factor;
}

/* How a picture of that size comes to fill the network's input. */
static struct warp draw_warp(const struct augment *a, const struct preprocess *p, int width, int height,
                             struct rng *rng) {
    double aspect = a->aspect != 1 ? draw_factor(rng, a->aspect) : 1, zoom = 1, room_x = 0, room_y = 0;
    struct warp warp = {.scale_x = (double)p->width / width, .scale_y = (double)p->height / height,
                        .beyond = p->resize == RESIZE_LETTERBOX ? PREPROCESS_GREY : 0};
    if (a->min_crop > 0) {
        double side = a->min_crop + (double)rng_below(rng, (uint64_t)(a->max_crop - a->min_crop) + 1);
        warp.scale_x = warp.scale_y = side / fmin(width / sqrt(aspect), height * sqrt(aspect));
    } else if (p->resize != RESIZE_STRETCH) {
        double crop = fmax(warp.scale_x, warp.scale_y), whole = fmin(warp.scale_x, warp.scale_y);
        warp.scale_x = warp.scale_y = p->resize == RESIZE_CROP ? crop : whole;
    }
    if (a->scale_min != a->scale_max || a->scale_min != 1) { /* as likely to halve as to double */
        zoom = exp(draw_between(rng, log(a->scale_min), log(a->scale_max)));
    }
    warp.scale_x *= zoom / sqrt(aspect);
    warp.scale_y *= zoom * sqrt(aspect);
    if (a->angle != 0) {
        warp.angle = draw_between(rng, -a->angle, a->angle) * 3.14159265358979323846 / 180;
    }
    if (a->min_crop > 0) {
        room_x = fmax(0, (width * warp.scale_x - p->width) / 2);
        room_y = fmax(0, (height * warp.scale_y - p->height) / 2);
        warp.shift_x = draw_between(rng, -room_x, room_x);
        warp.shift_y = draw_between(rng, -room_y, room_y);
    }
    return warp;
}

static struct tint draw_tint(const struct augment *a, struct rng *rng) {
    struct tint tint = {(float)draw_between(rng, -a->hue, a->hue), 1, 1};
    tint.saturation = (float)draw_factor(rng, a->saturation);
    tint.exposure = (float)draw_factor(rng, a->exposure);
    return tint;
}

static int draw_shift(struct rng *rng, int most) {
    return most == 0 ? 0 : (int)rng_below(rng, 2 * (uint64_t)most + 1) - most;
}

static struct draw draw_all(const struct augment *a, const struct preprocess *p, const struct sample *sample,
                            struct rng rng) {
    struct draw draw = {.flip = 0};
    draw.flip = a->flip && (rng_u32(&rng) & 1);
    draw.dy = draw_shift(&rng, a->crop_padding);
    draw.dx = draw_shift(&rng, a->crop_padding);
    draw.reflect = a->reflect;
    if (augment_warps(a)) {
        draw.warp = draw_warp(a, p, sample->width, sample->height, &rng);
    }
    if (augment_tints(a)) {
        draw.tint = draw_tint(a, &rng);
    }
    if (a->cutout > 0) {
        draw.cut_y = (int)rng_below(&rng, (uint64_t)p->height);
        draw.cut_x = (int)rng_below(&rng, (uint64_t)p->width);
    }
    draw.rest = rng;
    return draw;
}

/* ---- the pass over the pixels ---- */

static void fill(float *to, size_t count, float value) {
    for (size_t i = 0; i < count; i++) {
        to[i] = value;
    }
}

static int above_zero(int n) {
    return n > 0 ? n : 0;
}

/* A place beyond an edge, mirrored at the outer pixel. */
static int mirrored(int at, int size) {
    return at < 0 ? -at : at >= size ? 2 * (size - 1) - at : at;
}

/* The pixels begin..end of a moved row that come in from beyond its edges, mirrored. */
static void mirror_ends(struct affine a, const uint8_t *row, ptrdiff_t step, int width, const struct draw *draw,
                        int begin, int end, float *to) {
    for (int x = begin; x < end; x++) {
        int from = mirrored((draw->flip ? width - 1 - x : x) + draw->dx, width);
        to[x] = (float)row[from * step] * a.scale + a.offset;
    }
}

/* One row, moved and perhaps mirrored; zero pixels come in at the ends. row NULL: it is one of zeros. */
static void shift_row(struct affine a, const uint8_t *row, ptrdiff_t step, int width, const struct draw *draw,
                      float *to) {
    int dx = draw->dx, flip = draw->flip;
    int left = above_zero(flip ? dx : -dx), right = width - above_zero(flip ? -dx : dx);
    if (row == NULL || left >= right) {
        fill(to, (size_t)width, a.offset);
        return;
    }
    if (draw->reflect) {
        mirror_ends(a, row, step, width, draw, 0, left, to);
        mirror_ends(a, row, step, width, draw, right, width, to);
    } else {
        fill(to, (size_t)left, a.offset);
        fill(to + right, (size_t)(width - right), a.offset);
    }
    preprocess_row(a, row + (flip ? width - 1 - left + dx : left + dx) * step, flip ? -step : step,
                   (size_t)(right - left), to + left);
}

static void shift_view(const struct preprocess *p, const struct pixels *view, const struct draw *draw, float *to) {
    for (int c = 0; c < p->channels; c++) {
        struct affine a = preprocess_affine(p, c);
        const uint8_t *plane = preprocess_plane(p, view, c);
        for (int y = 0; y < p->height; y++, to += p->width) {
            int from = draw->reflect ? mirrored(y + draw->dy, p->height) : y + draw->dy;
            const uint8_t *row = from < 0 || from >= p->height ? NULL : plane + from * view->row_step;
            shift_row(a, row, view->pixel_step, p->width, draw, to);
        }
    }
}

/* DeVries & Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout" (2017): the square's centre
 * lies anywhere in the picture. */
static void cut_out(const struct preprocess *p, int size, const struct draw *draw, float *to) {
    int x0 = above_zero(draw->cut_x - size / 2), y0 = above_zero(draw->cut_y - size / 2);
    int x1 = draw->cut_x - size / 2 + size, y1 = draw->cut_y - size / 2 + size;
    x1 = x1 < p->width ? x1 : p->width;
    y1 = y1 < p->height ? y1 : p->height;
    for (int c = 0; c < p->channels; c++) {
        for (int y = y0; y < y1; y++) {
            fill(to + ((size_t)c * (size_t)p->height + (size_t)y) * (size_t)p->width + x0, (size_t)(x1 - x0), 0);
        }
    }
}

/* ---- from sample to input ---- */

struct pixels pixels_of_sample(const struct sample *sample) {
    int c = sample->channels, h = sample->height, w = sample->width, planar = sample->planar;
    return (struct pixels){sample->pixels, c, h, w, planar ? (ptrdiff_t)h * w : 1, planar ? w : (ptrdiff_t)w * c,
                           planar ? 1 : c};
}

int pixels_fit(const struct preprocess *p, const struct pixels *view) {
    return view->width == p->width && view->height == p->height &&
           (view->channels == p->channels || (view->channels == 1 && p->channels == 3));
}

int pixels_borrow(const struct pixels *view, int channels, struct image *image, struct image *copy, struct err *err) {
    *copy = (struct image){0};
    if (view->channels == channels && view->channel_step == 1 && view->pixel_step == channels &&
        view->row_step == (ptrdiff_t)view->width * channels) {
        *image = (struct image){view->width, view->height, channels, (uint8_t *)(uintptr_t)view->pixels};
        return 0;
    }
    int result = pixels_to_image(view, channels, copy, err);
    *image = *copy;
    return result;
}

/* The view as a picture of its own, of the network's size, with what changes its pixels done to it. */
static int work_on(const struct preprocess *p, const struct pixels *view, const struct augment *augment,
                   struct draw *draw, struct image *out, struct err *err) {
    struct image in, copy;
    if (pixels_borrow(view, p->channels == 1 ? 1 : view->channels, &in, &copy, err) != 0) {
        return -1;
    }
    int warped = augment != NULL && augment_warps(augment);
    int result =
        warped ? warp_image(&in, &draw->warp, p->width, p->height, out, err) : preprocess_fit(p, &in, out, err);
    image_free(&copy);
    if (result == 0 && augment != NULL && augment_tints(augment)) {
        tint_image(out, &draw->tint);
    }
    if (result == 0 && augment != NULL && randaugment(out, augment->randaugment, augment->magnitude, &draw->rest, err) != 0) {
        image_free(out);
        result = -1;
    }
    return result;
}

int sample_to_input(const struct sample *sample, const struct preprocess *p, const struct augment *augment,
                    uint64_t seed, uint64_t epoch, uint32_t item, float *to, struct err *err) {
    if (sample->values != NULL) {
        memcpy(to, sample->values, sizeof *to * (size_t)p->channels * (size_t)p->height * (size_t)p->width);
        return 0;
    }
    augment = augment != NULL && augment->on ? augment : NULL;
    struct draw draw = {.flip = 0};
    struct pixels view = pixels_of_sample(sample);
    struct image work = {0};
    if (augment != NULL) {
        draw = draw_all(augment, p, sample, item_rng(seed, epoch, item));
        draw.flip = augment->alternate ? draw_alternate(seed, epoch, item) : draw.flip;
    }
    if (!pixels_fit(p, &view) || (augment != NULL && augment_redraws(augment))) {
        if (work_on(p, &view, augment, &draw, &work, err) != 0) {
            return -1;
        }
        view = pixels_of_image(&work);
    }
    shift_view(p, &view, &draw, to);
    if (augment != NULL && augment->cutout > 0) {
        cut_out(p, augment->cutout, &draw, to);
    }
    image_free(&work);
    return 0;
}
