/* kernels: pure functions over arrays; they know no layers, no configs, no files. A table of functions per instruction set and element type;
 * the plan picks the table once, the layers call through it.
 *
 * kernels/body/ is compiled once per (instruction set, element type): plain C loops that are themselves the specification when compiled for the
 * `base` set, and that the compiler vectorises for the others. Convolution and matrix products have hand-shaped kernels besides, each
 * tested against the plain one (`ref`).
 *
 * Element types. Tensors hold `elem`s; parameters, statistics and sums are `real`s:
 *     F32: elem float, real float      F64: double, double (finite differences)      BF16: bfloat16 (uint16_t), float
 * Functions take void pointers: "elems" and "reals" below say which.
 *
 * Every function is a whole operation: it splits itself over `threads` into a number of pieces that depends on the work alone, and adds partial
 * sums in a fixed order, so its result has the same bits for any team. None allocates or fails. */
#ifndef DLCLI_KERNELS_H
#define DLCLI_KERNELS_H

#include <stddef.h>
#include <stdint.h>
#include "base/threads.h"
#include "kernels/recurrent.h"

enum dtype { DTYPE_F32, DTYPE_F64, DTYPE_BF16 };
size_t dtype_size(enum dtype dtype);

/* How a tensor of N samples of C,H,W lies in memory.
 *   NCHW   files' and configs' order
 *   NHWC   channels last: wide layers
 *   LANES  batch innermost: blocks of V samples, [N/V][C][H][W][V], V = kernels.lanes; the last block's missing samples are zeros when
 *          they enter, anything finite later; their gradients are zeros. Thin layers fill vectors whatever their channel count. */
enum layout { LAYOUT_NCHW, LAYOUT_NHWC, LAYOUT_LANES, LAYOUT_COUNT };

/* A tensor as three nested runs, which serves all layouts: element (o, c, i) is at (o * channels + c) * inner + i.
 *   NCHW: outer N, inner H*W        NHWC: outer N*H*W, inner 1        LANES: outer N/V, inner H*W*V
 * `samples` is the number of real samples; lanes (V, else 1) tells which of the last block's are real: where lanes > 1, element i of block o
 * belongs to sample o * lanes + i % lanes. */
struct view { size_t outer, channels, inner; int lanes; size_t samples; };
struct view view_make(enum layout layout, int lanes, size_t samples, size_t c, size_t h, size_t w);

enum activation {
    ACT_LINEAR, ACT_RELU, ACT_LEAKY, ACT_ELU, ACT_SELU, ACT_GELU, ACT_GELU_TANH, ACT_SILU, ACT_MISH, ACT_LOGISTIC, ACT_TANH,
    ACT_HARDTANH, ACT_SOFTPLUS, ACT_ABS, ACT_HEAVISIDE, ACT_SIGN, ACT_RELU6, ACT_LOGGY, ACT_RELIE, ACT_PLSE, ACT_LHTAN, ACT_RAMP, ACT_STAIR,
    ACT_HARD_MISH, ACT_COUNT
};
/* 1 where the derivative can be had from the output alone, so that the input need not be kept (relu, leaky, elu, selu, logistic, tanh, hardtanh, softplus, relu6, ...). */
int activation_by_output(enum activation a);

/* ---- convolution ---- */

/* Geometry of a cross-correlation of C,H,W with K filters; out is OH,OW. Padding on the far sides follows from oh, ow. */
struct conv {
    int c, h, w, k, oh, ow, size_h, size_w, stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w, groups;
};

/* One call. x: batch,C,H,W elems and y: batch,K,OH,OW elems in the kernel's layout; weight: reals K, C/groups, size_h, size_w; bias: reals K or NULL;
 * packed: what `pack` made of the weight, NULL where packed_bytes is 0. */
struct conv_call {
    const struct conv *conv;
    struct threads *threads;
    int batch;
    const void *x, *weight, *packed, *bias;
    const float *exact;           /* x before it was rounded to elems, NCHW, or NULL: ways with reads_exact read it instead */
    void *y;                      /* forward: out */
    const void *dy;               /* backward: gradient of out */
    void *dx; int add_dx;         /* gradient of x: set, or added to */
    void *dweight; int add_dweight;   /* reals: set, or added to */
    void *dbias;                  /* reals, always added to; may be NULL */
    double x_low, x_high;         /* quantized ways: what x is expected within, 0 among it */
    enum activation activation;   /* forward: applied to y (only kinds whose derivative is by output, or any when inferring) */
    void *scratch;
};

/* One way to compute convolutions. A table lists its ways best first; the last is `ref`, which supports everything (NCHW). */
struct conv_kernel {
    const char *name;
    enum layout layout;
    /* 1 if this way is right and worth it for such a layer. `batch` is the plan's largest. */
    int (*supports)(const struct conv *conv, int batch, int training);
    /* Bytes of the weights as the kernel wants them (0: it reads `weight`), and of scratch for one call. */
    size_t (*packed_bytes)(const struct conv *conv, int training);
    size_t (*scratch_bytes)(const struct conv *conv, int batch, int training, int threads);
    /* weight (reals), times scale[k] where scale is not NULL (folded batch norm) -> packed. Called after each update of the weights. */
    void (*pack)(const struct conv *conv, const void *weight, const void *scale, int training, void *packed, struct threads *threads);
    void (*forward)(const struct conv_call *call);
    void (*backward_data)(const struct conv_call *call);
    void (*backward_weight)(const struct conv_call *call);
    int reads_exact;              /* 1: forward and backward_weight read call.exact where it is given; 2: forward alone, which then doesn't look at x */
};

/* ---- matrix product ---- */

/* C (m x n, reals or elems: all F32/F64 here) = [C +] op(A) op(B); row-major, op transposes where the flag is set; ld = row length in memory. */
struct gemm {
    int transpose_a, transpose_b, add;
    int m, n, k;
    const void *a, *b; size_t lda, ldb;
    void *c; size_t ldc;
};

/* ---- pooling ---- */

/* Planes of H x W x inner -> OH x OW x inner: NCHW has inner 1 and N*C planes, NHWC inner C and N planes, LANES inner V and N/V*C planes. */
struct pool {
    size_t planes, inner;
    int h, w, oh, ow, size_h, size_w, stride_h, stride_w, pad_top, pad_left;
    int count_include_pad;        /* average: divide by the window's part inside the padded input, rather than inside the input */
    int pad_bottom, pad_right;    /* for count_include_pad */
    int sums;                     /* average: the window's sum itself */
    int relu;                     /* maximum: x is what a relu gave, and the way back is that relu's too: from a maximum of 0 nothing goes back */
};

/* Windows of size x size that begin where each sample's lists say: rows (samples x oh), columns (samples x ow). NCHW. */
struct fractional { size_t samples, channels; int h, w, oh, ow, size; const int *rows, *columns; };

/* ---- local response normalization ---- */
struct lrn { int size /* 1..63 */; double alpha, beta, k; };      /* alpha already divided by size where Caffe's form is meant */

/* ---- batch normalization: all arrays reals of view.channels ---- */
struct batchnorm {
    struct view view;
    double eps, momentum;
    const void *gamma, *beta;           /* NULL: 1 and 0 */
    int relu;                           /* y = max(0, ...); backward: dy counts only where y > 0 */
    void *mean, *inv_std;               /* of this batch: written by forward in training, read by backward; in inference not touched */
    void *running_mean, *running_var;   /* updated in training, read in inference */
    void *dgamma, *dbeta;               /* added to; may be NULL */
    void *scratch;                      /* kernels.batchnorm_scratch(view) bytes */
};

/* ---- rectangular copies (concat, split, crop) ---- */
struct copy { size_t rows, row_elems, from_stride, to_stride; int add; };    /* in elems */

/* ---- darknet's shortcut over maps of different size ---- */
struct shortcut {
    size_t samples; enum layout layout; int lanes;
    int c, h, w;              /* of the output and its first input */
    int from_c, from_h, from_w;
    double alpha, beta;       /* out = alpha * in + beta * from, over the smaller extents, striding over the larger map; elsewhere alpha * in */
};

/* ---- loss at the end of a classifier ---- */
struct softmax_loss {
    size_t rows, classes;
    const int32_t *labels;          /* of each row; -1: the row counts nothing. May be NULL where target is given */
    const float *target;            /* rows x classes probabilities, in place of what the labels say, or NULL */
    const float *class_weight;      /* classes, or NULL: the mean is weighted as in PyTorch (divides by the sum of the rows' weights: see scale) */
    double label_smoothing;
    double scale;                   /* of the gradient: 1 / rows of the whole batch (all subdivisions) */
};

/* ---- losses on values: rows of `width` outputs against targets ---- */
enum loss_kind {
    LOSS_MSE,       /* mean over the row of (x - target)^2 */
    LOSS_L1,        /* mean over the row of |x - target| */
    LOSS_SMOOTH,    /* mean over the row of smooth L1 with beta 1: d^2 / 2 below 1, |d| - 1/2 beyond (Girshick, "Fast R-CNN", 2015) */
    LOSS_BCE,       /* mean over the row of the binary cross-entropy of logits, in the form that can't overflow */
    LOSS_KL,        /* sum over the row of target * log(target / x), x not below 1e-12 */
    LOSS_HINGE,     /* sum over the wrong classes of max(0, x - x[label] + 1) (Weston and Watkins, 1999); labels only */
};
struct value_loss {
    enum loss_kind kind;
    size_t rows, width;
    const int32_t *labels;          /* of each row: its target is one-hot, smoothed; -1: the row counts nothing. Beside target that alone; or NULL */
    const float *target;            /* rows x width, or NULL */
    const float *class_weight;      /* of the label's class, or NULL */
    double label_smoothing;
    double weight;                  /* of the loss */
    double scale;                   /* of the gradient, besides weight: 1 / rows of the whole batch */
};

/* ---- symbols ---- */
/* What stands behind the end of a sequence shorter than the others. No symbol: a lookup gives zeros. Recurrent cells keep the state before. */
#define SYMBOL_PADDING (-2.0F)
struct lookup {
    size_t rows, count, width;          /* of symbols; how many kinds; of a vector */
    const void *ids; const float *exact;/* rows elems; or floats where exact isn't NULL */
    const void *table;                  /* count x width reals; NULL: one-hot (width is count) */
    void *out; const void *dout;        /* rows x width elems */
    void *dtable;                       /* added to */
};

/* ---- optimizers: one pass over a tensor's n reals ---- */
struct update {
    size_t n;
    void *weight; const void *grad; void *m, *v;        /* state where the method has it */
    double rate, momentum, decay, l1, beta1, beta2, eps;
    double grad_scale;                                  /* clipping: multiplies the gradient */
    int nesterov, decoupled, first;                     /* first: momentum buffer is empty (PyTorch sets it to the gradient) */
    double correction1, correction2;                    /* Adam: 1 - beta^t */
    double ahead;                                       /* Nadam: weight of the gradient beside the mean's 1 / correction1 */
};
/* How the weights of an output unit lie: reals [blocks][outer][units][inner]; those of one (block, unit) belong together. */
struct units_of { size_t blocks, outer, units, inner; };

struct kernels {
    const char *isa;             /* "base", "avx2", "avx512", ... */
    enum dtype dtype;
    int lanes;                   /* V of LAYOUT_LANES */
    int bf16_products;           /* 1: convolutions channels last multiply bfloat16 by the processor's own instructions; 0: as floats */
    const struct conv_kernel *const *conv;     /* best first, NULL at the end; the last supports everything */

    /* scratch of gemm_scratch bytes, 64-aligned */
    size_t (*gemm_scratch)(const struct gemm *g, int threads);
    void (*gemm)(struct threads *t, const struct gemm *g, void *scratch);

    /* elems */
    void (*fill)(struct threads *t, void *x, size_t n, double value);
    void (*add)(struct threads *t, const void *x, void *y, size_t n);                          /* y += x */
    void (*scale)(struct threads *t, void *x, size_t n, double by);
    void (*activate)(struct threads *t, enum activation a, const void *x, void *y, size_t n);  /* x may be y */
    /* dx [+]= dy * f'; by_output kinds read y, others x (the other may be NULL); dx may be dy when not adding */
    void (*activate_back)(struct threads *t, enum activation a, const void *x, const void *y, const void *dy, void *dx, size_t n, int add);
    void (*bias)(struct threads *t, struct view v, const void *bias, enum activation a, void *y);        /* y = act(y + bias[c]), reals bias */
    void (*bias_back)(struct threads *t, struct view v, const void *dy, void *dbias, void *scratch);     /* dbias += sums; scratch as batchnorm_scratch */
    void (*reorder)(struct threads *t, enum layout from, enum layout to, size_t samples, size_t c, size_t h, size_t w, const void *x, void *y, int add);
    void (*from_f32)(struct threads *t, const float *x, void *y, size_t n);                    /* float -> elem */
    void (*to_f32)(struct threads *t, const void *x, float *y, size_t n);                      /* elem -> float */
    void (*copy)(struct threads *t, const struct copy *c, const void *x, void *y);
    void (*shortcut)(struct threads *t, const struct shortcut *s, const void *in, const void *from, void *y);
    void (*shortcut_back)(struct threads *t, const struct shortcut *s, const void *dy, void *din, int add_in, void *dfrom, int add_from);   /* NULL: not wanted */

    /* index: uint16_t per output, the place in its window (kh * size_w + kw) of the maximum; NULL when inferring. NaN wins. */
    void (*maxpool)(struct threads *t, const struct pool *p, const void *x, void *y, uint16_t *index);
    void (*maxpool_back)(struct threads *t, const struct pool *p, const uint16_t *index, const void *dy, void *dx, int add);
    /* The same with windows in irregular places, which may overlap; of equal maxima the first. */
    void (*fractional)(struct threads *t, const struct fractional *f, const void *x, void *y, uint16_t *index);
    void (*fractional_back)(struct threads *t, const struct fractional *f, const uint16_t *index, const void *dy, void *dx, int add);
    void (*avgpool)(struct threads *t, const struct pool *p, const void *x, void *y);
    void (*avgpool_back)(struct threads *t, const struct pool *p, const void *dy, void *dx, int add);

    void (*lrn)(struct threads *t, const struct lrn *l, struct view v, const void *x, void *y);
    void (*lrn_back)(struct threads *t, const struct lrn *l, struct view v, const void *x, const void *dy, void *dx, int add);

    size_t (*batchnorm_scratch)(struct view v);
    void (*batchnorm_train)(struct threads *t, const struct batchnorm *b, const void *x, void *y);
    void (*batchnorm_infer)(struct threads *t, const struct batchnorm *b, const void *x, void *y);
    /* training: PyTorch's gradient through the batch's statistics; dx may be dy when not adding */
    void (*batchnorm_back)(struct threads *t, const struct batchnorm *b, const void *x, const void *dy, void *dx, int add);
    /* frozen statistics: y = (x - running_mean) / sqrt(running_var + eps) * gamma + beta */
    void (*batchnorm_back_frozen)(struct threads *t, const struct batchnorm *b, const void *x, const void *dy, void *dx, int add);

    /* Inverted dropout: element i is kept where its random number of (key, stream) says so, times 1 / (1 - p); the same call masks the gradient. x may be y. */
    void (*dropout)(struct threads *t, double p, uint64_t key, uint64_t stream, const void *x, void *y, size_t n, int add);

    /* rows x classes elems, NCHW order. temperature 1 unless said. */
    void (*softmax)(struct threads *t, size_t rows, size_t classes, double temperature, const void *x, void *y);
    /* From the logits: loss[row] = (weighted) cross-entropy as in PyTorch; and the gradient dx [+]= scale * (softmax - target) (dx NULL: none) */
    void (*softmax_loss)(struct threads *t, const struct softmax_loss *s, const void *logits, const void *probabilities, double *loss);
    void (*softmax_loss_back)(struct threads *t, const struct softmax_loss *s, const void *probabilities, void *dx, int add);
    void (*softmax_back)(struct threads *t, size_t rows, size_t classes, double temperature, const void *y, const void *dy, void *dx, int add);

    /* loss[row] += weight * the row's loss; dx [+]= scale * weight * its gradient. x: rows x width elems. */
    void (*loss)(struct threads *t, const struct value_loss *l, const void *x, double *loss);
    void (*loss_back)(struct threads *t, const struct value_loss *l, const void *x, void *dx, int add);

    const struct cell_kernels *cells;
    void (*lookup)(struct threads *t, const struct lookup *l);
    void (*lookup_back)(struct threads *t, const struct lookup *l);
    /* to[j], also[j] += sum of x[i * stride + j] over the rows, reals; where one is NULL only the other */
    void (*column_sums)(struct threads *t, size_t rows, size_t columns, size_t stride, const void *x, void *to, void *also);
    /* The gradient of weights that stand before one-hot vectors: to[j * count + ids[i]] += x[i * stride + j], reals; an id that is none of 0 to count - 1 goes nowhere */
    void (*one_hot_sums)(struct threads *t, size_t rows, size_t columns, size_t stride, const void *x, const float *ids, size_t count, void *to);

    /* reals */
    /* `rounds` rounds of multiply-adds in registers alone, for the machine's peak; returns the operations done. sink: one float, so that they count. */
    double (*peak)(size_t rounds, float *sink);
    double (*sum_squares)(struct threads *t, const void *x, size_t n, double *scratch);   /* fixed order; not finite if any element isn't; scratch of 64 doubles */
    int (*finite)(struct threads *t, const void *elems, size_t n);                        /* 1 if all elems are finite */
    void (*sgd)(struct threads *t, const struct update *u);       /* PyTorch's SGD: g += decay * w; buf = momentum * buf + g; step = nesterov ? g + momentum * buf : buf; w -= rate * step */
    void (*adam)(struct threads *t, const struct update *u);      /* PyTorch's Adam, AdamW when decoupled, NAdam with ahead */
    void (*adamax)(struct threads *t, const struct update *u);    /* PyTorch's Adamax: m, v are exp_avg, exp_inf */
    void (*adagrad)(struct threads *t, const struct update *u);   /* PyTorch's Adagrad: m is the sum of squares */
    void (*rmsprop)(struct threads *t, const struct update *u);   /* PyTorch's RMSprop: m, v are the mean of squares (beta2 is its alpha) and the momentum */
    void (*max_norm)(struct threads *t, const struct units_of *of, double limit, void *weight);    /* no unit's weights longer than limit */
    void (*average)(struct threads *t, size_t n, double share, const void *from, void *to);        /* to += share * (from - to) */
};

/* cpu.c: the only place that looks at the processor (and asks the OS whether it saves the registers). Names, worst to best. */
enum isa { ISA_BASE, ISA_AVX2, ISA_AVX512, ISA_BF16 /* AVX512-BF16, and VNNI, which is older */, ISA_AMX /* tiles of bfloat16 */, ISA_COUNT };
/* Best set for this CPU (cpu_best_isa_of); $DLCLI_ISA = ref | base | avx2 | avx512 | bf16 | amx forces one ("ref": base tables with only `ref` convolutions). A name that is unknown or that this CPU lacks is refused. */
int cpu_isa(enum isa *isa, int *ref_only, struct err *err);
int cpu_can(enum isa isa);                 /* AMX: asks the system to let this process use tiles, which it must grant before the first is touched */
int cpu_has_vnni(void);                    /* AVX-512's products of 8-bit and 16-bit numbers, besides ISA_AVX512 */
int cpu_has_int8_tiles(void);              /* AMX's, besides ISA_AMX */
const char *isa_name(enum isa isa);
/* The vendor's model text, and L1d/L2/L3 bytes (0 where unknown). */
struct cpu { char model[64]; size_t l1, l2, l3; };
void cpu_describe(struct cpu *cpu);
const char *cpu_openblas_core(void);       /* OPENBLAS_CORETYPE that suits this CPU where OpenBLAS 0.3.21 would choose worse, else NULL */
/* The same of a CPU described: the vendor as leaf 0 of CPUID has it, family and model with their extensions, the last set that it runs. */
struct core { char vendor[13]; unsigned family, model; enum isa isa; };
const char *cpu_openblas_core_of(const struct core *core);
/* The set that cpu_isa chooses there: the best, but not pairs of bfloat16 where they are slower than float32. */
enum isa cpu_best_isa_of(const struct core *core);

/* The table. Never NULL for an isa that cpu_can run; ISA_BF16 and ISA_AMX have tables of their own for DTYPE_BF16 alone, else AVX-512's; ref_only gives ISA_BASE tables whose conv list is `ref` alone. */
const struct kernels *kernels_get(enum isa isa, int ref_only, enum dtype dtype);

/* --precision int8: the elements that lie between its layers, bfloat16 where the processor multiplies pairs of them, else float. */
enum dtype kernels_int8_dtype(enum isa isa, int ref_only);
/* Ways with numbers of 8 or 16 bits inside, among elements of that type or float, best first, NULL at the end: they only infer, and need conv_call's x_low
 * and x_high. None may support a layer. */
const struct conv_kernel *const *kernels_int8(enum isa isa, int ref_only, enum dtype dtype);
/* Recurrent cells of 8-bit products, whose states and inputs, reals, are quantized sample by sample; NULL where floats are as fast: without VNNI. */
const struct cell_kernels *kernels_int8_cells(enum isa isa, int ref_only, enum dtype dtype);

/* blas.c: the only file that knows OpenBLAS. It is loaded on first use, told the core type, and only ever runs one thread a call.
 * blas_load returns 0, or -1 with a sentence where no OpenBLAS can be loaded. blas_sgemm computes a piece in the calling thread. */
int blas_load(struct err *err);
void blas_sgemm(int transpose_a, int transpose_b, int m, int n, int k, const float *a, size_t lda, const float *b, size_t ldb, int add, float *c, size_t ldc);
/* 1 if OpenBLAS is there, loading it on the first call. */
int blas_ready(void);
/* Its own words (version, core), loading it on the first call; NULL where there is none. */
const char *blas_version(void);

#endif
