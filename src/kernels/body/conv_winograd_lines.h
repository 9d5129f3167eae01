/* conv_winograd: the transforms of a line, LANES channels at a time; `step` is between the numbers that are read. */
#ifndef DLCLI_KERNELS_BODY_CONV_WINOGRAD_LINES_H
#define DLCLI_KERNELS_BODY_CONV_WINOGRAD_LINES_H

#include "kernels/body/body.h"

/* The points are 0, +-NEAR, +-FAR and infinity; NEAR * FAR is 1. */
static const real NEAR = (real)(2.0 / 3), FAR = (real)1.5, NEAR_2 = (real)(4.0 / 9), FAR_2 = (real)2.25, SUM_2 = (real)(97.0 / 36);

/* B': six pixels to six frequencies. Row f is the product of (x - p) over the other points p. */
INLINE void input_line(const vec *d, int step, vec *v) {
    vec a = d[4 * step] - FAR_2 * d[2 * step], b = d[3 * step] - FAR_2 * d[step], c = d[4 * step] - NEAR_2 * d[2 * step], e = d[3 * step] - NEAR_2 * d[step];
    v[0] = d[0] - SUM_2 * d[2 * step] + d[4 * step];
    v[1] = a + NEAR * b;
    v[2] = a - NEAR * b;
    v[3] = c + FAR * e;
    v[4] = c - FAR * e;
    v[5] = d[step] - SUM_2 * d[3 * step] + d[5 * step];
}

/* Five pixels, without the point -FAR: F(3, 3), each line times what makes G's the same, its point + FAR. */
INLINE void input_line_short(const vec *d, int step, vec *v) {
    const real difference = FAR_2 - NEAR_2;
    vec e = d[3 * step] - NEAR_2 * d[step];
    v[0] = d[0] - FAR_2 * d[2 * step] + FAR * e;
    v[1] = (FAR + NEAR) * (d[3 * step] - d[step]) - difference * d[2 * step];
    v[2] = (FAR - NEAR) * (d[3 * step] + d[step]) - difference * d[2 * step];
    v[3] = 2 * FAR * e;
    v[5] = d[4 * step] - NEAR_2 * d[2 * step] - FAR * e;
}

/* A': six frequencies to four pixels. */
INLINE void output_line(const vec *m, int step, vec *y) {
    vec s = m[step] + m[2 * step], d = NEAR * (m[step] - m[2 * step]), p = m[3 * step] + m[4 * step], q = FAR * (m[3 * step] - m[4 * step]);
    y[0] = m[0] + s + p;
    y[1] = d + q;
    y[2] = NEAR_2 * s + FAR_2 * p;
    y[3] = NEAR_2 * d + FAR_2 * q + m[5 * step];
}

INLINE void output_line_short(const vec *m, int step, vec *y) {
    vec s = m[step] + m[2 * step], d = m[step] - m[2 * step];
    y[0] = m[0] + s + m[3 * step];
    y[1] = NEAR * d + FAR * m[3 * step];
    y[2] = NEAR_2 * s + FAR_2 * m[3 * step] + m[5 * step];
}

/* A: the gradient of four pixels to that of six frequencies. */
INLINE void gradient_line(const vec *y, int step, vec *m) {
    vec even = y[0] + NEAR_2 * y[2 * step], odd = y[step] + NEAR_2 * y[3 * step], far = y[0] + FAR_2 * y[2 * step], off = y[step] + FAR_2 * y[3 * step];
    m[0] = y[0];
    m[1] = even + NEAR * odd;
    m[2] = even - NEAR * odd;
    m[3] = far + FAR * off;
    m[4] = far - FAR * off;
    m[5] = y[3 * step];
}

INLINE void gradient_line_short(const vec *y, int step, vec *m) {
    vec even = y[0] + NEAR_2 * y[2 * step];
    m[0] = y[0];
    m[1] = even + NEAR * y[step];
    m[2] = even - NEAR * y[step];
    m[3] = y[0] + FAR * y[step] + FAR_2 * y[2 * step];
    m[5] = y[2 * step];
}

/* G: three weights to six frequencies. Row f is 1, p, p^2 over the product of (p - q) over the other points q: 1, -130/81 and 65/8. */
static const real NEAR_PART = (real)(-81.0 / 130), FAR_PART = (real)(8.0 / 65);

INLINE void weight_line(const vec *g, int step, vec *u) {
    vec a = NEAR_PART * (g[0] + NEAR_2 * g[2 * step]), b = NEAR_PART * NEAR * g[step], c = FAR_PART * (g[0] + FAR_2 * g[2 * step]), d = FAR_PART * FAR * g[step];
    u[0] = g[0];
    u[1] = a + b;
    u[2] = a - b;
    u[3] = c + d;
    u[4] = c - d;
    u[5] = g[2 * step];
}

/* G': the gradient of six frequencies to that of three weights. */
INLINE void weight_back_line(const vec *u, int step, vec *g) {
    vec s = NEAR_PART * (u[step] + u[2 * step]), d = NEAR_PART * NEAR * (u[step] - u[2 * step]);
    vec p = FAR_PART * (u[3 * step] + u[4 * step]), q = FAR_PART * FAR * (u[3 * step] - u[4 * step]);
    g[0] = u[0] + s + p;
    g[1] = d + q;
    g[2] = NEAR_2 * s + FAR_2 * p + u[5 * step];
}

#endif
