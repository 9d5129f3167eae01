/* What every body shares: the element type and instruction set it is being compiled for, loads and stores, and how work is cut.
 *
 * The Makefile compiles each file of this folder once per (instruction set, element type), with -DISA=avx2 -DISA_avx2=1 -DELEM=bf16 -DELEM_bf16=1;
 * K(name) is then name_avx2_bf16. Bodies export little: conv_* tables and the functions that table.c lists in K(kernels). */
#ifndef DLCLI_KERNELS_BODY_H
#define DLCLI_KERNELS_BODY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "kernels/kernels.h"
#if defined(ISA_avx512) && defined(__AVX512BW__)      /* the tests compile it without the instructions, too */
#define BODY_AVX512 1
#endif
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#define BODY_JOIN_(name, isa, elem) name##_##isa##_##elem
#define BODY_JOIN(name, isa, elem) BODY_JOIN_(name, isa, elem)
#define K(name) BODY_JOIN(name, ISA, ELEM)
#define OWN(name) BODY_JOIN(name, PRODUCTS, ELEM)      /* of files compiled for a kind of product besides, with -DPRODUCTS=bf16 */

#if defined(ELEM_f64)
typedef double elem, real;
#define BODY_DTYPE DTYPE_F64
#elif defined(ELEM_bf16)
typedef uint16_t elem;
typedef float real;
#define BODY_DTYPE DTYPE_BF16
#elif defined(ELEM_f32)
typedef float elem, real;
#define BODY_DTYPE DTYPE_F32
#else
#error "compile with -DELEM_f32, -DELEM_bf16 or -DELEM_f64"
#endif

/* bfloat16: the upper half of a float, rounded to nearest even; a NaN stays one. */
static inline float body_from_bf16(uint16_t x) {
    uint32_t bits = (uint32_t)x << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline uint16_t body_to_bf16(float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1)) >> 16, nan = (bits >> 16) | 0x40u;
    return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
}

/* LOAD gives a real from elem *p; STORE rounds a real to an elem. */
#if defined(ELEM_bf16)
#define LOAD(p, i) body_from_bf16((p)[i])
#define STORE(p, i, value) ((p)[i] = body_to_bf16(value))
#else
#define LOAD(p, i) ((p)[i])
#define STORE(p, i, value) ((p)[i] = (value))
#endif

/* V of LAYOUT_LANES, and `vec`, so many reals: sums run in vectors since C forbids the compiler to reorder an addition. vec_at is one that
 * lies anywhere, vec_int and vec_word integers of the same width; comparisons give vec_int, all ones where true. They are passed by address: by
 * value they would need an ABI that base x86-64 lacks. */
#if defined(ISA_avx512)
#define LANES 16
#else
#define LANES 8
#endif
#if defined(ELEM_f64)
typedef int64_t body_int;
typedef uint64_t body_word;
#else
typedef int32_t body_int;
typedef uint32_t body_word;
#endif
typedef real vec __attribute__((vector_size(LANES * sizeof(real))));
typedef real vec_at __attribute__((vector_size(LANES * sizeof(real)), aligned(sizeof(real)), may_alias));
typedef body_int vec_int __attribute__((vector_size(LANES * sizeof(real))));
typedef body_word vec_word __attribute__((vector_size(LANES * sizeof(real))));
typedef uint16_t vec_half __attribute__((vector_size(LANES * 2), aligned(2), may_alias));

#define INLINE static inline __attribute__((always_inline))

/* Before a loop of a constant number of rounds over an array that must become registers: without it the compilers leave long ones rolled, and
 * the array in memory. */
#if defined(__clang__)
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

/* LANES words of 16 bits from p, zeros above them; and the lower halves of LANES words to p. gcc widens sixteen in five instructions, where the
 * processor has one. */
INLINE void vec_load_halves(vec_word *v, const uint16_t *p) {
#if defined(BODY_AVX512)
    *v = (vec_word)_mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)p));
#else
    *v = __builtin_convertvector(*(const vec_half *)(const void *)p, vec_word);
#endif
}

INLINE void vec_store_halves(uint16_t *p, const vec_word *v) {
#if defined(BODY_AVX512)
    _mm256_storeu_si256((void *)p, _mm512_cvtepi32_epi16((__m512i)*v));
#else
    *(vec_half *)(void *)p = __builtin_convertvector(*v, vec_half);
#endif
}

/* LANES elems from p, as reals. */
static inline void vec_load(vec *v, const elem *p) {
#if defined(ELEM_bf16)
    vec_word bits;
    vec_load_halves(&bits, p);
    *v = (vec)(bits << 16);
#else
    *v = *(const vec_at *)(const void *)p;
#endif
}

static inline void vec_store(elem *p, const vec *v) {
#if defined(ELEM_bf16)
    vec_word bits = (vec_word)*v, rounded = bits + 0x7fff + ((bits >> 16) & 1), nan = (vec_word)(*v != *v);
    bits = ((rounded & ~nan) | ((bits | 0x400000) & nan)) >> 16;
    vec_store_halves(p, &bits);
#else
    *(vec_at *)(void *)p = *v;
#endif
}

/* The same of finished sums: where there is AVX512-BF16 by its own instruction, which makes zeros of what is too small to be normal. */
INLINE void vec_narrow(elem *p, const vec *v) {
#if defined(ELEM_bf16) && defined(__AVX512BF16__)
    __m256bh half = _mm512_cvtneps_pbh((__m512)*v);
    memcpy(p, &half, sizeof half);
#else
    vec_store(p, v);
#endif
}

/* LANES reals from p. */
static inline void vec_load_reals(vec *v, const real *p) {
    *v = *(const vec_at *)(const void *)p;
}

static inline void vec_store_reals(real *p, const vec *v) {
    *(vec_at *)(void *)p = *v;
}

/* Copies n < LANES items in as few moves as n has bits: one by one they would cost more than the arithmetic of thin layers. */
INLINE void body_copy_n(void *to, const void *from, size_t n, size_t size) {
    char *out = to;
    const char *in = from;
    UNROLL
    for (size_t some = LANES / 2; some > 0; some /= 2) {
        if (n & some) {
            memcpy(out, in, some * size);
            out += some * size;
            in += some * size;
        }
    }
}

#if defined(BODY_AVX512)
/* The first n lanes: a masked load reads no others, and waits for no copy. */
INLINE __mmask16 vec_first(size_t n) {
    return (__mmask16)((1u << n) - 1);
}
#endif

/* n <= LANES reals from p, the rest of the vector zero. */
INLINE void vec_load_reals_n(vec *v, const real *p, size_t n) {
    if (n == LANES) {
        vec_load_reals(v, p);
        return;
    }
#if defined(BODY_AVX512)
    *v = (vec)_mm512_maskz_loadu_ps(vec_first(n), p);
#else
    real some[LANES] = {0};
    body_copy_n(some, p, n, sizeof *p);
    vec_load_reals(v, some);
#endif
}

/* The same for words of 16 bits, and for elems. */
INLINE void vec_load_halves_n(vec_word *v, const uint16_t *p, size_t n) {
    if (n == LANES) {
        vec_load_halves(v, p);
        return;
    }
#if defined(BODY_AVX512)
    *v = (vec_word)_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(vec_first(n), p));
#else
    uint16_t some[LANES] = {0};
    body_copy_n(some, p, n, sizeof *p);
    vec_load_halves(v, some);
#endif
}

static inline void vec_load_n(vec *v, const elem *p, size_t n) {
#if defined(ELEM_bf16)
    vec_word bits;
    vec_load_halves_n(&bits, p, n);
    *v = (vec)(bits << 16);
#else
    vec_load_reals_n(v, p, n);
#endif
}

static inline void vec_store_n(elem *p, const vec *v, size_t n) {
    if (n == LANES) {
        vec_store(p, v);
        return;
    }
    elem some[LANES];
    vec_store(some, v);
    body_copy_n(p, some, n, sizeof *p);
}

INLINE void vec_narrow_n(elem *p, const vec *v, size_t n) {
    if (n == LANES) {
        vec_narrow(p, v);
        return;
    }
#if defined(BODY_AVX512)
    elem some[LANES];
    vec_narrow(some, v);
#if defined(ELEM_bf16)
    _mm256_mask_storeu_epi16(p, vec_first(n), _mm256_loadu_si256((const void *)some));
#else
    _mm512_mask_storeu_epi32(p, vec_first(n), _mm512_loadu_si512(some));
#endif
#else
    vec_store_n(p, v, n);
#endif
}

INLINE void vec_store_reals_n(real *p, const vec *v, size_t n) {
    if (n == LANES) {
        vec_store_reals(p, v);
        return;
    }
    real some[LANES];
    vec_store_reals(some, v);
    body_copy_n(p, some, n, sizeof *p);
}

#if !defined(ELEM_f64)
/* most = the larger bits of |v|, lane by lane: those of a NaN are larger than any number's. */
INLINE void vec_keep_larger(vec_int *most, const vec *v) {
    vec_int bits = (vec_int)*v & INT32_MAX;
#if defined(BODY_AVX512)
    *most = (vec_int)_mm512_max_epi32((__m512i)*most, (__m512i)bits);
#elif defined(__AVX2__) && LANES == 8
    *most = (vec_int)_mm256_max_epi32((__m256i)*most, (__m256i)bits);
#else
    vec_int larger = bits > *most;
    *most = (bits & larger) | (*most & ~larger);
#endif
}

/* The largest lane's number. */
INLINE real vec_largest(const vec_int *most) {
    body_int bits = 0;
    real largest;
    for (int i = 0; i < LANES; i++) {
        bits = (*most)[i] > bits ? (*most)[i] : bits;
    }
    memcpy(&largest, &bits, sizeof bits);
    return largest;
}
#endif

/* Sum of the first n lanes, first to last. */
static inline double vec_sum(const vec *v, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)(*v)[i];
    }
    return sum;
}

/* Work is cut by its own size alone: a piece per BODY_GRAIN elements, at most BODY_MOST pieces, so that small work stays in the caller
 * and a team of any size finds enough to share. */
enum { BODY_GRAIN = 16384, BODY_MOST = 256 };

static inline int body_pieces(size_t work) {
    size_t pieces = work / BODY_GRAIN;
    return pieces < 1 ? 1 : pieces > BODY_MOST ? BODY_MOST : (int)pieces;
}

/* As body_pieces, for work that can be cut in `units` places only. */
static inline int body_pieces_of(size_t units, size_t work) {
    int pieces = body_pieces(work);
    return units < 1 ? 1 : (size_t)pieces > units ? (int)units : pieces;
}

/* Where piece `piece` of `pieces` begins in 0..n; piece == pieces gives n. */
static inline size_t body_begin(size_t n, int piece, int pieces) {
    return n / (size_t)pieces * (size_t)piece + n % (size_t)pieces * (size_t)piece / (size_t)pieces;
}

static inline size_t body_least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Calls range(job, begin, end) over 0..units in pieces; `work` elements in all decide how many. */
typedef void body_range(void *job, size_t begin, size_t end);
struct body_split { body_range *range; void *job; size_t units; int pieces; };

static inline void body_split_piece(void *arg, int piece, int thread) {
    const struct body_split *s = arg;
    (void)thread;
    s->range(s->job, body_begin(s->units, piece, s->pieces), body_begin(s->units, piece + 1, s->pieces));
}

static inline void body_split(struct threads *t, size_t units, size_t work, body_range *range, void *job) {
    struct body_split s = {range, job, units, body_pieces_of(units, work)};
    threads_run(t, s.pieces, body_split_piece, &s);
}

/* activation.c: x[i] = a(x[i]) for n reals in the caller; what a convolution applies to a tile before it stores it. */
void K(activate_reals)(enum activation a, real *x, size_t n);

#endif
