/* What the tests of kernels share: every table this CPU can run, teams of 1, 2, 3 and 7 whose results must be the same bits, numbers, and
 * tensors moved between NCHW doubles and a layout of elems. */
#ifndef DLCLI_TESTS_KERNELS_FIXTURE_H
#define DLCLI_TESTS_KERNELS_FIXTURE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "base/rng.h"
#include "kernels/kernels.h"
#include "sanitized.h"

/* All cases of a grid; sanitized code, which is slow and not optimized, takes every seventh (7 divides no side of one, so that every shape and layout
 * comes up) and one team. */
#if SANITIZED
enum { CASE_STEP = 7, TEAMS = 1 };
#else
enum { CASE_STEP = 1, TEAMS = 3 };
#endif

/* What a check runs with, and the hash of all results it has seen: equal for every team. */
struct bench { const struct kernels *k; struct threads *team; struct rng rng; uint64_t hash; };
typedef void bench_check(struct bench *b);

static inline void bench_seen(struct bench *b, const void *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        b->hash = (b->hash ^ ((const unsigned char *)bytes)[i]) * 1099511628211u;
    }
}

static inline uint64_t bench_hash(const struct kernels *k, struct threads *team, bench_check *check) {
    struct bench b = {.k = k, .team = team, .rng = rng_make(7, RNG_CHECK, 0), .hash = 14695981039346656037u};
    check(&b);
    return b.hash;
}

static inline void bench_table(const struct kernels *k, bench_check *check) {
    static const int sizes[] = {3, 2, 7};
    uint64_t one = bench_hash(k, NULL, check);
    for (size_t i = 0; i < TEAMS; i++) {
        struct err err = {0};
        struct threads *team = threads_make(sizes[i], &err);
        assert_non_null(team);
        if (bench_hash(k, team, check) != one) {
            fail_msg("%s: %d threads give other bits than one", k->isa, sizes[i]);
        }
        threads_free(team);
    }
}

static inline void bench_all(bench_check *check) {
    for (int isa = 0; isa < ISA_COUNT; isa++) {
        for (int dtype = 0; dtype <= DTYPE_BF16 && cpu_can((enum isa)isa); dtype++) {
            if (isa == ISA_BASE || dtype != DTYPE_F64) {
                bench_table(kernels_get((enum isa)isa, 0, (enum dtype)dtype), check);
            }
        }
    }
}

/* ---- elems and reals ---- */

static inline double number_bf16(uint16_t x) {
    uint32_t bits = (uint32_t)x << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

static inline double elem_get(const struct kernels *k, const void *p, size_t i) {
    return k->dtype == DTYPE_F64 ? ((const double *)p)[i] : k->dtype == DTYPE_F32 ? (double)((const float *)p)[i] : number_bf16(((const uint16_t *)p)[i]);
}

static inline void elem_set(const struct kernels *k, void *p, size_t i, double value) {
    if (k->dtype == DTYPE_F64) {
        ((double *)p)[i] = value;
    } else if (k->dtype == DTYPE_F32) {
        ((float *)p)[i] = (float)value;
    } else {
        float f = (float)value;
        uint32_t bits;
        memcpy(&bits, &f, sizeof bits);
        ((uint16_t *)p)[i] = (uint16_t)(isnan(value) ? 0x7fc0 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
}

static inline size_t real_size(const struct kernels *k) {
    return k->dtype == DTYPE_F64 ? sizeof(double) : sizeof(float);
}

static inline double real_get(const struct kernels *k, const void *p, size_t i) {
    return k->dtype == DTYPE_F64 ? ((const double *)p)[i] : (double)((const float *)p)[i];
}

static inline void real_set(const struct kernels *k, void *p, size_t i, double value) {
    if (k->dtype == DTYPE_F64) {
        ((double *)p)[i] = value;
    } else {
        ((float *)p)[i] = (float)value;
    }
}

/* Arrays of n random numbers in -scale..scale that the type can hold exactly; the same numbers in doubles in *copy. */
static inline void *elems_random(struct bench *b, size_t n, double scale, double **copy) {
    void *p = mem_aligned((n + 1) * dtype_size(b->k->dtype));
    *copy = mem_need(n + 1, sizeof **copy);
    for (size_t i = 0; i < n; i++) {
        elem_set(b->k, p, i, (2 * rng_uniform(&b->rng) - 1) * scale);
        (*copy)[i] = elem_get(b->k, p, i);
    }
    return p;
}

static inline void *reals_random(struct bench *b, size_t n, double scale, double **copy) {
    void *p = mem_aligned((n + 1) * real_size(b->k));
    *copy = mem_need(n + 1, sizeof **copy);
    for (size_t i = 0; i < n; i++) {
        real_set(b->k, p, i, (2 * rng_uniform(&b->rng) - 1) * scale);
        (*copy)[i] = real_get(b->k, p, i);
    }
    return p;
}

static inline void *elems_empty(const struct bench *b, size_t n) {
    return mem_aligned((n + 1) * dtype_size(b->k->dtype));
}

static inline double *doubles(size_t n) {
    return mem_need(n + 1, sizeof(double));
}

/* Largest allowed |difference| / largest |reference|. */
static inline double tolerance(const struct kernels *k) {
    return k->dtype == DTYPE_F64 ? 1e-12 : k->dtype == DTYPE_F32 ? 2e-6 : 5e-3;
}

static inline void compare(const struct kernels *k, const char *what, const double *found, const double *wanted, size_t n, double allowed) {
    double largest = 1e-30, worst = 0;
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs(found[i] - wanted[i]);
        largest = isfinite(wanted[i]) && fabs(wanted[i]) > largest ? fabs(wanted[i]) : largest;
        if (isfinite(wanted[i]) ? !(d <= worst) : !(isnan(wanted[i]) ? isnan(found[i]) : found[i] == wanted[i])) {
            worst = isnan(d) || !isfinite(wanted[i]) ? INFINITY : d;
            at = i;
        }
    }
    if (worst > allowed * largest) {
        fail_msg("%s, %s, type %d: at %zu of %zu found %.9g, want %.9g (error %.2g of %.2g)", what, k->isa, (int)k->dtype, at, n, found[at], wanted[at],
            worst / largest, allowed);
    }
}

static inline void compare_elems(struct bench *b, const char *what, const void *found, const double *wanted, size_t n, double allowed) {
    double *f = doubles(n);
    for (size_t i = 0; i < n; i++) {
        f[i] = elem_get(b->k, found, i);
    }
    compare(b->k, what, f, wanted, n, allowed);
    bench_seen(b, found, n * dtype_size(b->k->dtype));
    free(f);
}

static inline void compare_reals(struct bench *b, const char *what, const void *found, const double *wanted, size_t n, double allowed) {
    double *f = doubles(n);
    for (size_t i = 0; i < n; i++) {
        f[i] = real_get(b->k, found, i);
    }
    compare(b->k, what, f, wanted, n, allowed);
    bench_seen(b, found, n * real_size(b->k));
    free(f);
}

/* ---- tensors ---- */

struct dims { enum layout layout; size_t n, c, h, w; };

static inline size_t dims_count(const struct dims *d) {
    return d->n * d->c * d->h * d->w;
}

static inline struct view dims_view(const struct bench *b, const struct dims *d) {
    return view_make(d->layout, b->k->lanes, d->n, d->c, d->h, d->w);
}

/* Elements as stored: lanes rounded up. */
static inline size_t dims_stored(const struct bench *b, const struct dims *d) {
    struct view v = dims_view(b, d);
    return v.outer * v.channels * v.inner;
}

/* Where (n, c, pixel) lies. */
static inline size_t dims_at(const struct bench *b, const struct dims *d, size_t n, size_t c, size_t pixel) {
    size_t v = (size_t)b->k->lanes, pixels = d->h * d->w;
    return d->layout == LAYOUT_NCHW ? (n * d->c + c) * pixels + pixel
        : d->layout == LAYOUT_NHWC ? (n * pixels + pixel) * d->c + c : ((n / v * d->c + c) * pixels + pixel) * v + n % v;
}

/* NCHW doubles -> elems in the layout; samples that are not there become `missing`. */
static inline void *tensor_put(const struct bench *b, const struct dims *d, const double *from, double missing) {
    size_t stored = dims_stored(b, d), i = 0;
    void *p = elems_empty(b, stored);
    for (size_t s = 0; s < stored; s++) {
        elem_set(b->k, p, s, missing);
    }
    for (size_t n = 0; n < d->n; n++) {
        for (size_t c = 0; c < d->c; c++) {
            for (size_t pixel = 0; pixel < d->h * d->w; pixel++, i++) {
                elem_set(b->k, p, dims_at(b, d, n, c, pixel), from[i]);
            }
        }
    }
    return p;
}

static inline double *tensor_get(const struct bench *b, const struct dims *d, const void *p) {
    double *to = doubles(dims_count(d));
    size_t i = 0;
    for (size_t n = 0; n < d->n; n++) {
        for (size_t c = 0; c < d->c; c++) {
            for (size_t pixel = 0; pixel < d->h * d->w; pixel++, i++) {
                to[i] = elem_get(b->k, p, dims_at(b, d, n, c, pixel));
            }
        }
    }
    return to;
}

static inline void tensor_compare(struct bench *b, const char *what, const struct dims *d, const void *found, const double *wanted, double allowed) {
    double *f = tensor_get(b, d, found);
    compare(b->k, what, f, wanted, dims_count(d), allowed);
    bench_seen(b, f, dims_count(d) * sizeof *f);
    free(f);
}

/* Random NCHW numbers that the type holds exactly. */
static inline double *tensor_random(struct bench *b, const struct dims *d, double scale) {
    double *copy;
    free(elems_random(b, dims_count(d), scale, &copy));
    return copy;
}

/* The missing samples of a lanes layout are all `value`. */
static inline void tensor_missing_are(const struct bench *b, const struct dims *d, const void *p, double value) {
    size_t v = (size_t)b->k->lanes, rounded = (d->n + v - 1) / v * v;
    for (size_t n = d->n; d->layout == LAYOUT_LANES && n < rounded; n++) {
        for (size_t i = 0; i < d->c * d->h * d->w; i++) {
            double found = elem_get(b->k, p, dims_at(b, d, n, i / (d->h * d->w), i % (d->h * d->w)));
            assert_true(found == value);
        }
    }
}

#endif
