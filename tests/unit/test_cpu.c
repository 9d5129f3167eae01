/* Which table runs: the CPU's sets, DLCLI_ISA, element types, views, and OpenBLAS, which must be there and must not run threads. */
#include "kernels_fixture.h"

#include <dirent.h>
#include <unistd.h>

static void test_choice(void **state) {
    (void)state;
    struct err err = {0};
    enum isa isa, best;
    int ref;
    unsetenv("DLCLI_ISA");
    assert_int_equal(cpu_isa(&best, &ref, &err), 0);
    assert_true(cpu_can(best) && !ref);
    for (int i = 0; i < ISA_COUNT; i++) {
        setenv("DLCLI_ISA", isa_name((enum isa)i), 1);
        int status = cpu_isa(&isa, &ref, &err);
        assert_int_equal(status, cpu_can((enum isa)i) ? 0 : -1);
        assert_true(status != 0 || (isa == (enum isa)i && !ref));
        assert_true(!cpu_can((enum isa)i) || (enum isa)i <= best || i == ISA_BF16);
        err_free(&err);
    }
    setenv("DLCLI_ISA", "ref", 1);
    assert_int_equal(cpu_isa(&isa, &ref, &err), 0);
    assert_true(isa == ISA_BASE && ref);
    setenv("DLCLI_ISA", "sse9", 1);
    assert_int_equal(cpu_isa(&isa, &ref, &err), -1);
    assert_int_equal(err.status, STATUS_REFUSED);
    assert_non_null(strstr(err.sentences[0], "sse9"));
    err_free(&err);
    unsetenv("DLCLI_ISA");
}

static void test_tables(void **state) {
    (void)state;
    for (int isa = 0; isa < ISA_COUNT; isa++) {
        for (int dtype = 0; dtype <= DTYPE_BF16 && cpu_can((enum isa)isa); dtype++) {
            const struct kernels *k = kernels_get((enum isa)isa, 0, (enum dtype)dtype), *r = kernels_get((enum isa)isa, 1, (enum dtype)dtype);
            assert_int_equal(k->dtype, dtype);
            assert_int_equal(r->dtype, dtype);
            enum isa of = dtype == DTYPE_F64 ? ISA_BASE : dtype == DTYPE_F32 && isa > ISA_AVX512 ? ISA_AVX512 : (enum isa)isa;
            assert_string_equal(k->isa, isa_name(of));
            assert_true(k->bf16_products == (dtype == DTYPE_BF16 && isa >= ISA_BF16));
            assert_string_equal(r->conv[0]->name, "ref");
            assert_null(r->conv[1]);
            for (const void *const *at = (const void *const *)(const void *)&k->conv; at < (const void *const *)(const void *)(k + 1); at++) {
                assert_non_null(*at);        /* no function was forgotten */
            }
        }
    }
    assert_int_equal(dtype_size(DTYPE_F32), 4);
    assert_int_equal(dtype_size(DTYPE_F64), 8);
    assert_int_equal(dtype_size(DTYPE_BF16), 2);
}

static void test_views(void **state) {
    (void)state;
    struct view v = view_make(LAYOUT_NCHW, 8, 5, 3, 4, 6);
    assert_true(v.outer == 5 && v.channels == 3 && v.inner == 24 && v.lanes == 1 && v.samples == 5);
    v = view_make(LAYOUT_NHWC, 8, 5, 3, 4, 6);
    assert_true(v.outer == 120 && v.channels == 3 && v.inner == 1 && v.lanes == 1);
    v = view_make(LAYOUT_LANES, 8, 9, 3, 4, 6);
    assert_true(v.outer == 2 && v.channels == 3 && v.inner == 192 && v.lanes == 8 && v.samples == 9);
}

static void test_describe(void **state) {
    (void)state;
    struct cpu cpu;
    cpu_describe(&cpu);
    assert_true(cpu.model[0] != '\0' && cpu.model[0] != ' ' && strlen(cpu.model) < sizeof cpu.model);
}

/* Pairs of bfloat16 are chosen where they are faster than float32, tiles wherever there are any. */
static void test_best_isa(void **state) {
    (void)state;
    static const struct { struct core core; enum isa want; } cases[] = {
        {{"AuthenticAMD", 0x19, 0x61, ISA_BF16}, ISA_BF16},       /* Zen 4 */
        {{"GenuineIntel", 6, 0x55, ISA_BF16}, ISA_BF16},          /* Cooper Lake */
        {{"GenuineIntel", 6, 0x8f, ISA_BF16}, ISA_AVX512},        /* Sapphire Rapids whose tiles a sandbox hides */
        {{"GenuineIntel", 6, 0x8f, ISA_AMX}, ISA_AMX},
        {{"GenuineIntel", 18, 1, ISA_BF16}, ISA_AVX512},
        {{"AuthenticAMD", 0x19, 0x01, ISA_AVX2}, ISA_AVX2},
        {{"", 0, 0, ISA_BASE}, ISA_BASE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(cpu_best_isa_of(&cases[i].core), cases[i].want);
    }
}

/* What OpenBLAS is told, of CPUs that it knows, and of those that came after it. */
static void test_openblas_core(void **state) {
    (void)state;
    static const struct { struct core core; const char *want; } cases[] = {
        {{"GenuineIntel", 6, 0xb7, ISA_AVX2}, "Haswell"},         /* Raptor Lake */
        {{"GenuineIntel", 6, 0xcf, ISA_AMX}, "Cooperlake"},       /* Emerald Rapids; the next: in a virtual machine that hides some */
        {{"GenuineIntel", 6, 0xcf, ISA_AVX512}, "SkylakeX"},
        {{"GenuineIntel", 6, 0xcf, ISA_BASE}, NULL},
        {{"GenuineIntel", 6, 0x8f, ISA_AMX}, NULL},               /* Sapphire Rapids, */
        {{"GenuineIntel", 6, 0xaa, ISA_AVX2}, NULL},              /* and Meteor Lake: OpenBLAS goes by what they can */
        {{"GenuineIntel", 18, 1, ISA_AVX2}, "Haswell"},
        {{"GenuineIntel", 15, 4, ISA_BASE}, NULL},
        {{"AuthenticAMD", 0x19, 0x01, ISA_AVX2}, NULL},           /* Zen 3 */
        {{"AuthenticAMD", 0x19, 0x61, ISA_BF16}, "SkylakeX"},     /* Zen 4 */
        {{"AuthenticAMD", 0x1a, 0x24, ISA_AVX2}, "Zen"},
        {{"CentaurHauls", 7, 0xb0, ISA_AVX2}, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *got = cpu_openblas_core_of(&cases[i].core), *want = cases[i].want;
        if (got != want && (got == NULL || want == NULL || strcmp(got, want) != 0)) {
            fail_msg("%s family %u model 0x%x %s: %s, want %s", cases[i].core.vendor, cases[i].core.family, cases[i].core.model, isa_name(cases[i].core.isa),
                got == NULL ? "none" : got, want == NULL ? "none" : want);
        }
    }
}

static int tasks(void) {
    DIR *folder = opendir("/proc/self/task");
    int count = 0;
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        count += entry->d_name[0] != '.';
    }
    closedir(folder);
    return count;
}

struct product { float *a, *b, *c; size_t n; };

static void product_piece(void *arg, int piece, int thread) {
    const struct product *p = arg;
    (void)thread;
    blas_sgemm(0, 0, (int)p->n, (int)p->n, (int)p->n, p->a, p->n, p->b, p->n, 0, p->c + (size_t)piece * p->n * p->n, p->n);
}

/* Many threads call at once, as a team does; all get the same bits, and OpenBLAS has started none itself. */
static void test_blas(void **state) {
    (void)state;
    enum { N = 150, PIECES = 64, TEAM = 7 };
    struct err err = {0};
    assert_int_equal(blas_load(&err), 0);
    assert_non_null(blas_version());
    struct threads *team = threads_make(TEAM, &err);
    struct product p = {mem_aligned(N * N * 4), mem_aligned(N * N * 4), mem_aligned((size_t)PIECES * N * N * 4), N};
    for (size_t i = 0; i < N * N; i++) {
        p.a[i] = (float)(i % 13) - 6;
        p.b[i] = (float)(i % 7) - 3;
    }
    for (int round = 0; round < 5; round++) {
        memset(p.c, 0xff, (size_t)PIECES * N * N * 4);
        threads_run(team, PIECES, product_piece, &p);
        for (size_t i = 1; i < PIECES; i++) {
            assert_memory_equal(p.c, p.c + i * N * N, N * N * 4);
        }
    }
    double sum = 0;
    for (size_t k = 0; k < N; k++) {
        sum += (double)p.a[3 * N + k] * (double)p.b[k * N + 5];
    }
    assert_true((double)p.c[3 * N + 5] == sum);       /* small integers: exact */
    assert_int_equal(tasks(), TEAM);
    threads_free(team);
    free(p.a);
    free(p.b);
    free(p.c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice), cmocka_unit_test(test_tables), cmocka_unit_test(test_views), cmocka_unit_test(test_describe),
        cmocka_unit_test(test_best_isa), cmocka_unit_test(test_openblas_core), cmocka_unit_test(test_blas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
