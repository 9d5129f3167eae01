/* Which table: of the instruction sets and element types that were compiled, the one that is asked for. And what is common to all. */
#include "kernels/kernels.h"

extern const struct kernels kernels_base_f32, kernels_base_f64, kernels_base_bf16, kernels_ref_base_f32, kernels_ref_base_f64, kernels_ref_base_bf16;
#if defined(__x86_64__)
extern const struct kernels kernels_avx2_f32, kernels_avx2_bf16, kernels_avx512_f32, kernels_avx512_bf16, kernels_bf16_bf16, kernels_amx_bf16;
#endif

static const struct kernels *const ref_tables[] = {
    [DTYPE_F32] = &kernels_ref_base_f32, [DTYPE_F64] = &kernels_ref_base_f64, [DTYPE_BF16] = &kernels_ref_base_bf16,
};

/* Double is for finite differences, which need no speed: one table for all. */
static const struct kernels *const tables[ISA_COUNT][DTYPE_BF16 + 1] = {
    [ISA_BASE] = {[DTYPE_F32] = &kernels_base_f32, [DTYPE_F64] = &kernels_base_f64, [DTYPE_BF16] = &kernels_base_bf16},
#if defined(__x86_64__)
    [ISA_AVX2] = {[DTYPE_F32] = &kernels_avx2_f32, [DTYPE_F64] = &kernels_base_f64, [DTYPE_BF16] = &kernels_avx2_bf16},
    [ISA_AVX512] = {[DTYPE_F32] = &kernels_avx512_f32, [DTYPE_F64] = &kernels_base_f64, [DTYPE_BF16] = &kernels_avx512_bf16},
    [ISA_BF16] = {[DTYPE_F32] = &kernels_avx512_f32, [DTYPE_F64] = &kernels_base_f64, [DTYPE_BF16] = &kernels_bf16_bf16},
    [ISA_AMX] = {[DTYPE_F32] = &kernels_avx512_f32, [DTYPE_F64] = &kernels_base_f64, [DTYPE_BF16] = &kernels_amx_bf16},
#endif
};

const struct kernels *kernels_get(enum isa isa, int ref_only, enum dtype dtype) {
    return ref_only ? ref_tables[dtype] : tables[isa][dtype];
}

extern const struct conv_kernel conv_int8_base_f32;
#if defined(__x86_64__)
extern const struct conv_kernel conv_int8_avx2_f32, conv_int8_avx512_f32, conv_int8_vnni_f32, conv_int8_int8amx_f32;
extern const struct conv_kernel conv_winograd16_int16avx2_f32, conv_winograd16_int16avx512_f32, conv_winograd16_int16vnni_f32;
extern const struct conv_kernel conv_int8_vnni_bf16, conv_int8_int8amx_bf16, conv_winograd16_bf16_bf16;
extern const struct conv_kernel conv_int8_lanes_avx2_f32, conv_int8_lanes_avx512_f32, conv_int8_lanes_vnni_f32, conv_int8_lanes_vnni_bf16;
#endif

const struct conv_kernel *const *kernels_int8(enum isa isa, int ref_only, enum dtype dtype) {
    static const struct conv_kernel *const base[] = {&conv_int8_base_f32, NULL};
#if defined(__x86_64__)
    static const struct conv_kernel *const avx2[] = {&conv_winograd16_int16avx2_f32, &conv_int8_lanes_avx2_f32, &conv_int8_avx2_f32, NULL};
    static const struct conv_kernel *const avx512[] = {&conv_winograd16_int16avx512_f32, &conv_int8_lanes_avx512_f32, &conv_int8_avx512_f32, NULL};
    static const struct conv_kernel *const vnni[] = {&conv_winograd16_int16vnni_f32, &conv_int8_lanes_vnni_f32, &conv_int8_vnni_f32, NULL};
    static const struct conv_kernel *const tiles[] = {&conv_int8_lanes_vnni_f32, &conv_int8_int8amx_f32, NULL};
    static const struct conv_kernel *const vnni_bf16[] = {&conv_winograd16_bf16_bf16, &conv_int8_lanes_vnni_bf16, &conv_int8_vnni_bf16, NULL};
    static const struct conv_kernel *const tiles_bf16[] = {&conv_int8_lanes_vnni_bf16, &conv_int8_int8amx_bf16, NULL};
    int is_bf16 = dtype == DTYPE_BF16;
    if (!ref_only && isa == ISA_AVX2) {
        return avx2;
    }
    if (!ref_only && isa == ISA_AMX && cpu_has_int8_tiles()) {
        return is_bf16 ? tiles_bf16 : tiles;
    }
    if (!ref_only && isa >= ISA_AVX512) {
        return is_bf16 ? vnni_bf16 : cpu_has_vnni() ? vnni : avx512;
    }
#endif
    (void)isa, (void)ref_only, (void)dtype;
    return base;
}

#if defined(__x86_64__)
extern const struct cell_kernels cell_kernels_quantizedavx2_f32, cell_kernels_quantizedavx512_f32, cell_kernels_quantizedvnni_f32, cell_kernels_quantizedvnni_bf16;
#endif

const struct cell_kernels *kernels_int8_cells(enum isa isa, int ref_only, enum dtype dtype) {
#if defined(__x86_64__)
    if (!ref_only && isa >= ISA_AVX512 && cpu_has_vnni()) {
        return dtype == DTYPE_BF16 ? &cell_kernels_quantizedvnni_bf16 : &cell_kernels_quantizedvnni_f32;
    }
    if (!ref_only && isa >= ISA_AVX2 && dtype == DTYPE_F32) {
        return isa >= ISA_AVX512 ? &cell_kernels_quantizedavx512_f32 : &cell_kernels_quantizedavx2_f32;
    }
#endif
    (void)isa, (void)ref_only, (void)dtype;
    return NULL;
}

enum dtype kernels_int8_dtype(enum isa isa, int ref_only) {
    return kernels_get(isa, ref_only, DTYPE_BF16)->bf16_products ? DTYPE_BF16 : DTYPE_F32;
}

size_t dtype_size(enum dtype dtype) {
    static const size_t sizes[] = {[DTYPE_F32] = sizeof(float), [DTYPE_F64] = sizeof(double), [DTYPE_BF16] = sizeof(uint16_t)};
    return sizes[dtype];
}

struct view view_make(enum layout layout, int lanes, size_t samples, size_t c, size_t h, size_t w) {
    size_t v = (size_t)lanes;
    switch (layout) {
    case LAYOUT_NHWC:
        return (struct view){samples * h * w, c, 1, 1, samples};
    case LAYOUT_LANES:
        return (struct view){(samples + v - 1) / v, c, h * w * v, lanes, samples};
    default:
        return (struct view){samples, c, h * w, 1, samples};
    }
}

int activation_by_output(enum activation a) {
    switch (a) {
    case ACT_GELU:
    case ACT_GELU_TANH:
    case ACT_SILU:
    case ACT_MISH:
    case ACT_ABS:
    case ACT_HARD_MISH:
        return 0;
    default:
        return 1;
    }
}
