/* The processor: which instruction sets it runs and the operating system saves registers for, and what people want to know about it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "kernels/kernels.h"

static const char *const names[ISA_COUNT] = {"base", "avx2", "avx512", "bf16", "amx"};

const char *isa_name(enum isa isa) {
    return names[isa];
}

static enum isa largest_isa(void) {
    int isa = ISA_COUNT - 1;
    while (!cpu_can((enum isa)isa)) {
        isa--;
    }
    return (enum isa)isa;
}

/* LLVM's model of Sapphire Rapids (family 6, model 0x8f) gives vdpbf16ps four steps, one every second cycle. */
enum isa cpu_best_isa_of(const struct core *core) {
    int is_slow = strcmp(core->vendor, "GenuineIntel") == 0 && (core->family > 6 || (core->family == 6 && core->model >= 0x8f));
    return core->isa == ISA_BF16 && is_slow ? ISA_AVX512 : core->isa;
}

/* OpenBLAS 0.3.21 knows AMD's cores up to Zen 3 by number and takes newer ones for older, without AVX-512 in any case; those it was written
 * for (SkylakeX) run as well on Zen 4 and 5. A family it has never heard of gets what its AVX2 kernels are called. Intel's from Raptor Lake on (family 6,
 * model 0xb0), and newer families, it takes for a Pentium 4, whose kernels are SSE3's. */
const char *cpu_openblas_core_of(const struct core *core) {
    if (strcmp(core->vendor, "AuthenticAMD") == 0) {
        return core->isa >= ISA_AVX512 ? "SkylakeX" : core->isa == ISA_AVX2 && core->family > 0x19 ? "Zen" : NULL;
    }
    if (strcmp(core->vendor, "GenuineIntel") == 0 && (core->family > 6 || (core->family == 6 && core->model >= 0xb0))) {
        return core->isa >= ISA_BF16 ? "Cooperlake" : core->isa == ISA_AVX512 ? "SkylakeX" : core->isa == ISA_AVX2 ? "Haswell" : NULL;
    }
    return NULL;
}

#if defined(__x86_64__)
#include <cpuid.h>

enum { BIT_AVX512_VNNI = 1 << 11 /* leaf 7's c */, BIT_AVX512_BF16 = 1 << 5 /* its first subleaf's a */ };

struct leaf { unsigned a, b, c, d; };

/* Zeros where the processor has no such leaf. */
static struct leaf leaf(unsigned number, unsigned sub) {
    struct leaf l = {0};
    if (__get_cpuid_count(number, sub, &l.a, &l.b, &l.c, &l.d) == 0) {
        return (struct leaf){0};
    }
    return l;
}

/* The register files the operating system saves on a switch of threads: XCR0. */
static unsigned long saved_registers(void) {
    unsigned low, high;
    if (!(leaf(1, 0).c & bit_OSXSAVE)) {
        return 0;
    }
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low | (unsigned long)high << 32;
}

static int all(unsigned found, unsigned wanted) {
    return (found & wanted) == wanted;
}

/* Linux gives a process the 8 KB of tiles only when it asks; a thread that uses them before that is killed. Asking again does no harm. */
static int tiles_granted(void) {
#if defined(__linux__)
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
#else
    return 0;
#endif
}

int cpu_can(enum isa isa) {
    enum { YMM = 0x6, ZMM = 0xe6, TILES = 3 << 17, BITS_AMX = 1 << 22 | 1 << 24 /* AMX-BF16, AMX-TILE */ };
    unsigned long saved = saved_registers();
    struct leaf one = leaf(1, 0), seven = leaf(7, 0);
    int avx2 = (saved & YMM) == YMM && all(one.c, bit_AVX | bit_FMA | bit_F16C) && all(seven.b, bit_AVX2 | bit_BMI2);
    int avx512 = avx2 && (saved & ZMM) == ZMM && all(seven.b, bit_AVX512F | bit_AVX512BW | bit_AVX512VL | bit_AVX512DQ);
    int bf16 = avx512 && all(leaf(7, 1).a, BIT_AVX512_BF16) && all(seven.c, BIT_AVX512_VNNI);
    switch (isa) {
    case ISA_AVX2: return avx2;
    case ISA_AVX512: return avx512;
    case ISA_BF16: return bf16;
    case ISA_AMX: return bf16 && (saved & TILES) == TILES && all(seven.d, BITS_AMX) && tiles_granted();
    default: return 1;
    }
}

int cpu_has_vnni(void) {
    return cpu_can(ISA_AVX512) && all(leaf(7, 0).c, BIT_AVX512_VNNI);
}

int cpu_has_int8_tiles(void) {
    enum { BIT_AMX_INT8 = 1 << 25 };
    return cpu_can(ISA_AMX) && all(leaf(7, 0).d, BIT_AMX_INT8);
}

/* The processor's own name: 48 characters in three leaves, padded with spaces. */
static void read_model(char *to, size_t size) {
    char text[49] = {0};
    for (unsigned i = 0; i < 3; i++) {
        struct leaf l = leaf(0x80000002u + i, 0);
        memcpy(text + 16 * i, &l, sizeof l);
    }
    snprintf(to, size, "%s", text + strspn(text, " "));
    for (size_t n = strlen(to); n > 0 && to[n - 1] == ' '; n--) {
        to[n - 1] = '\0';
    }
}

static struct core this_core(void) {
    struct leaf zero = leaf(0, 0), one = leaf(1, 0);
    struct core core = {.family = (one.a >> 8 & 0xf) + (one.a >> 20 & 0xff), .model = (one.a >> 12 & 0xf0) + (one.a >> 4 & 0xf), .isa = largest_isa()};
    memcpy(core.vendor, &zero.b, 4), memcpy(core.vendor + 4, &zero.d, 4), memcpy(core.vendor + 8, &zero.c, 4);
    return core;
}

#else

int cpu_can(enum isa isa) {
    return isa == ISA_BASE;
}

int cpu_has_vnni(void) {
    return 0;
}

int cpu_has_int8_tiles(void) {
    return 0;
}

static void read_model(char *to, size_t size) {
#if defined(__aarch64__)
    snprintf(to, size, "aarch64");
#else
    snprintf(to, size, "unknown");
#endif
}

static struct core this_core(void) {
    return (struct core){.isa = largest_isa()};
}

#endif

const char *cpu_openblas_core(void) {
    struct core core = this_core();
    return cpu_openblas_core_of(&core);
}

static size_t cache_bytes(int name) {
    long bytes = sysconf(name);
    return bytes > 0 ? (size_t)bytes : 0;
}

void cpu_describe(struct cpu *cpu) {
    read_model(cpu->model, sizeof cpu->model);
    cpu->l1 = cache_bytes(_SC_LEVEL1_DCACHE_SIZE);
    cpu->l2 = cache_bytes(_SC_LEVEL2_CACHE_SIZE);
    cpu->l3 = cache_bytes(_SC_LEVEL3_CACHE_SIZE);
}

static int find_isa(const char *name, enum isa *isa) {
    for (int i = ISA_BASE + 1; i < ISA_COUNT; i++) {
        if (strcmp(name, names[i]) == 0) {
            *isa = (enum isa)i;
            return 1;
        }
    }
    return 0;
}

int cpu_isa(enum isa *isa, int *ref_only, struct err *err) {
    const char *wanted = getenv("DLCLI_ISA");
    *isa = ISA_BASE;
    *ref_only = wanted != NULL && strcmp(wanted, "ref") == 0;
    if (*ref_only) {
        return 0;
    }
    if (wanted == NULL || *wanted == '\0') {
        struct core core = this_core();
        *isa = cpu_best_isa_of(&core);
        return 0;
    }
    if (strcmp(wanted, "base") != 0 && !find_isa(wanted, isa)) {
        return err_add(err, STATUS_REFUSED, "DLCLI_ISA: want ref, base, avx2, avx512, bf16 or amx, got \"%s\"", wanted);
    }
    if (!cpu_can(*isa)) {
        return err_add(err, STATUS_REFUSED, "DLCLI_ISA: this CPU, or its operating system, can't run \"%s\"", wanted);
    }
    return 0;
}
