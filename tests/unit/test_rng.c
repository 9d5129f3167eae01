/* Philox against the published vectors of Random123; ranges, evenness, moments, streams, shuffles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <cmocka.h>

#include "base/rng.h"

static void test_known_answers(void **state) {
    (void)state;
    static const struct { uint64_t counter, stream, key; uint32_t out[4]; } known[] = {
        {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        /* counter 243f6a88 85a308d3 13198a2e 03707344, key a4093822 299f31d0: the digits of pi */
        {0x85a308d3243f6a88, 0x0370734413198a2e, 0x299f31d0a4093822, {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        uint32_t out[4];
        rng_block(known[i].key, known[i].stream, known[i].counter, out);
        assert_memory_equal(out, known[i].out, sizeof out);
    }
}

static void test_sequence_is_the_blocks(void **state) {
    (void)state;
    struct rng r = rng_make(42, RNG_SHUFFLE, 7);
    for (uint64_t counter = 0; counter < 5; counter++) {
        uint32_t block[4];
        rng_block(r.key, r.stream, counter, block);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(rng_u32(&r), block[i]);
        }
    }
}

static void test_streams_differ(void **state) {
    (void)state;
    struct rng all[] = {rng_make(1, RNG_INIT, 0),        rng_make(2, RNG_INIT, 0),  rng_make(1, RNG_SHUFFLE, 0),
                        rng_make(1, RNG_INIT, 1),        rng_make(1, RNG_INIT, UINT32_MAX),
                        rng_make(1, RNG_INIT, 1ull << 32), rng_make(1ull << 32, RNG_INIT, 0)};
    enum { N = sizeof all / sizeof *all };
    uint32_t first[N];
    for (int i = 0; i < N; i++) {
        first[i] = rng_u32(&all[i]);
        for (int j = 0; j < i; j++) {
            assert_true(first[i] != first[j]);
        }
    }
}

static void test_below_is_even(void **state) {
    (void)state;
    struct rng r = rng_make(3, RNG_CHECK, 0);
    enum { N = 7, DRAWS = 70000 };
    int seen[N] = {0};
    for (int i = 0; i < DRAWS; i++) {
        uint64_t value = rng_below(&r, N);
        assert_in_range(value, 0, N - 1);
        seen[value]++;
    }
    double chi = 0;
    for (int i = 0; i < N; i++) {
        chi += (seen[i] - DRAWS / N) * (double)(seen[i] - DRAWS / N) / (DRAWS / N);
    }
    assert_true(chi < 22.5);   /* 6 degrees of freedom: p = 0.001 */
}

static void test_below_limits(void **state) {
    (void)state;
    static const uint64_t limits[] = {1, 2, 3000000000u, UINT32_MAX, 1ull << 32, (1ull << 63) + 1, UINT64_MAX};
    struct rng r = rng_make(4, RNG_CHECK, 0);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        uint64_t largest = 0;
        for (int k = 0; k < 1000; k++) {
            uint64_t value = rng_below(&r, limits[i]);
            assert_true(value < limits[i]);
            largest = value > largest ? value : largest;
        }
        assert_true((double)largest >= 0.98 * (double)(limits[i] - 1));
    }
}

/* 2^32 values onto 3 * 2^30 results: taken as they come, each third result would come up twice as often. */
static void test_below_is_unbiased(void **state) {
    (void)state;
    enum { DRAWS = 30000 };
    struct rng r = rng_make(8, RNG_CHECK, 0);
    int thirds = 0;
    for (int i = 0; i < DRAWS; i++) {
        thirds += rng_below(&r, 3ull << 30) % 3 == 0;
    }
    assert_true(abs(thirds - DRAWS / 3) < 400);   /* five standard deviations */
}

static void test_moments(void **state) {
    (void)state;
    enum { DRAWS = 200000 };
    struct rng r = rng_make(5, RNG_CHECK, 0);
    double sum = 0, square = 0, fourth = 0, uniform = 0;
    for (int i = 0; i < DRAWS; i++) {
        double u = rng_uniform(&r), z = rng_normal(&r);
        assert_true(u >= 0 && u < 1 && isfinite(z));
        uniform += u;
        sum += z;
        square += z * z;
        fourth += z * z * z * z;
    }
    assert_true(fabs(uniform / DRAWS - 0.5) < 0.003);   /* each bound is over four standard errors */
    assert_true(fabs(sum / DRAWS) < 0.01);
    assert_true(fabs(square / DRAWS - 1) < 0.015);
    assert_true(fabs(fourth / DRAWS - 3) < 0.1);
}

static void test_shuffle(void **state) {
    (void)state;
    enum { N = 5000 };
    uint32_t items[N], again[N];
    unsigned char seen[N] = {0};
    for (uint32_t i = 0; i < N; i++) {
        items[i] = again[i] = i;
    }
    struct rng r = rng_make(6, RNG_SHUFFLE, 1), same = rng_make(6, RNG_SHUFFLE, 1);
    rng_shuffle(&r, items, N);
    rng_shuffle(&same, again, N);
    assert_memory_equal(items, again, sizeof items);
    int fixed = 0;
    for (uint32_t i = 0; i < N; i++) {
        assert_in_range(items[i], 0, N - 1);
        assert_int_equal(seen[items[i]]++, 0);
        fixed += items[i] == i;
    }
    assert_true(fixed < 10);   /* one is expected */
    rng_shuffle(&r, items, 0);
    rng_shuffle(&r, items, 1);
}

/* All 24 orders of four items come up alike. */
static void test_shuffle_is_fair(void **state) {
    (void)state;
    enum { DRAWS = 24000 };
    int seen[256] = {0}, orders = 0;
    struct rng r = rng_make(7, RNG_SHUFFLE, 0);
    for (int i = 0; i < DRAWS; i++) {
        uint32_t items[] = {0, 1, 2, 3};
        rng_shuffle(&r, items, 4);
        seen[items[0] << 6 | items[1] << 4 | items[2] << 2 | items[3]]++;
    }
    for (int i = 0; i < 256; i++) {
        orders += seen[i] > 0;
        assert_true(seen[i] == 0 || abs(seen[i] - DRAWS / 24) < 160);   /* five standard deviations */
    }
    assert_int_equal(orders, 24);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers), cmocka_unit_test(test_sequence_is_the_blocks),
        cmocka_unit_test(test_streams_differ), cmocka_unit_test(test_below_is_even),
        cmocka_unit_test(test_below_limits), cmocka_unit_test(test_below_is_unbiased), cmocka_unit_test(test_moments),
        cmocka_unit_test(test_shuffle), cmocka_unit_test(test_shuffle_is_fair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
