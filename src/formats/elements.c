/* The element types that tensors lie in files as (safetensors.h), and how each becomes float32. */
#include <stdint.h>
#include <string.h>

#include "formats/safetensors.h"

/* Half precision, IEEE 754 binary16, to float. */
static float from_half(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16, exponent = half >> 10 & 0x1fu, fraction = half & 0x3ffu, bits;
    float value;
    if (exponent == 0) {
        value = (float)fraction * 0x1p-24f;
        return sign != 0 ? -value : value;
    }
    bits = sign | fraction << 13 | (exponent == 31 ? 0x7f800000u : (exponent + 112) << 23);
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Each converts n values at `from`, which need not be aligned. */
#define CONVERT(name, type, expression)                                          \
    static void convert_##name(const unsigned char *from, size_t n, float *to) { \
        for (size_t i = 0; i < n; i++) {                                         \
            type x;                                                              \
            memcpy(&x, from + i * sizeof x, sizeof x);                           \
            to[i] = expression;                                                  \
        }                                                                        \
    }
CONVERT(f64, double, (float)x)
CONVERT(f16, uint16_t, from_half(x))
CONVERT(i64, int64_t, (float)x)
CONVERT(i32, int32_t, (float)x)
CONVERT(i16, int16_t, x)
CONVERT(i8, int8_t, x)
CONVERT(u64, uint64_t, (float)x)
CONVERT(u32, uint32_t, (float)x)
CONVERT(u16, uint16_t, x)
CONVERT(u8, uint8_t, x)

static void convert_bf16(const unsigned char *from, size_t n, float *to) {
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)from[2 * i] << 16 | (uint32_t)from[2 * i + 1] << 24;
        memcpy(&to[i], &bits, sizeof bits);
    }
}

const struct element safetensors_elements[] = {
    {"F32", 4, NULL}, {"F64", 8, convert_f64}, {"F16", 2, convert_f16}, {"BF16", 2, convert_bf16},
    {"I64", 8, convert_i64}, {"I32", 4, convert_i32}, {"I16", 2, convert_i16}, {"I8", 1, convert_i8},
    {"U64", 8, convert_u64}, {"U32", 4, convert_u32}, {"U16", 2, convert_u16}, {"U8", 1, convert_u8},
    {"BOOL", 1, convert_u8}, {NULL, 0, NULL},
};
