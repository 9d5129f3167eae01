/* The optimizers against PyTorch's over a hundred steps (fixtures/make_optimizers.py), and what decides which parameter
 * gets what. */
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
#include "formats/format.h"
#include "net.h"
#include "optimizers/optimizer.h"

enum { STEPS = 100, EVERY = 10, VALUES = 4, ROOM = 16 };
static const char *const names[VALUES] = {"weight", "bias", "slow", "frozen"};
static const size_t sizes[VALUES] = {12, 5, 7, 3};

/* A plan without a graph: three parameters, and one that is frozen. Gradients lie in one block, each padded, as in a
 * real plan. */
struct bench {
    struct plan plan;
    struct slot slots[VALUES];
    struct value values[VALUES];
    double weights[VALUES * ROOM], gradients[VALUES * ROOM];   /* float in F32 plans */
    struct config config;
    struct optimizer optimizer;
    struct exec exec;
};

static size_t real_size(const struct bench *b) {
    return b->exec.kernels->dtype == DTYPE_F64 ? sizeof(double) : sizeof(float);
}

static void bench_make(struct bench *b, enum dtype dtype, const char *net) {
    struct err err = {0};
    *b = (struct bench){0};
    char *text = mem_format("[net]\nwidth=1\nheight=1\nchannels=1\n%s\n", net);
    assert_int_equal(config_parse(&b->config, "test.cfg", text, strlen(text), &err), 0);
    free(text);
    assert_int_equal(config_check(&b->config.sections[0], "net", net_tables, &err), 0);
    const struct kernels *kernels = kernels_get(ISA_BASE, 1, dtype);
    b->exec = (struct exec){.kernels = kernels, .batch = 1, .training = 1};
    b->plan = (struct plan){.target = {.kernels = kernels, .batch = 1, .training = 1}, .values = b->values,
                            .value_count = VALUES, .gradients = b->gradients, .weights = b->weights};
    size_t real = real_size(b);
    for (size_t i = 0; i < VALUES; i++) {
        b->slots[i] = (struct slot){.suffix = names[i], .count = sizes[i], .ndim = 1, .dims = {(int)sizes[i]},
                                    .decays = i != 1, .rate = i == 2 ? 0.1 : 1, .frozen = i == 3, .decay = -1, .l1 = -1,
                                    .max_norm = i == 0 ? -1 : 0, .unit_blocks = 1, .unit_outer = 1, .units = i == 0 ? 3 : 1};
        b->values[i] = (struct value){.slot = &b->slots[i], .data = (char *)b->weights + i * ROOM * real,
                                      .grad = i == 3 ? NULL : (char *)b->gradients + i * ROOM * real};
    }
    b->plan.gradient_bytes = 3 * ROOM * real;
    assert_int_equal(optimizer_make(&b->optimizer, &b->config.sections[0], &b->plan, &err), 0);
}

static void bench_free(struct bench *b) {
    optimizer_free(&b->optimizer);
    config_free(&b->config);
}

static void put(const struct bench *b, void *to, const float *from, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (real_size(b) == sizeof(double)) {
            ((double *)to)[i] = from[i];
        } else {
            ((float *)to)[i] = from[i];
        }
    }
}

static double get(const struct bench *b, const void *from, size_t i) {
    return real_size(b) == sizeof(double) ? ((const double *)from)[i] : (double)((const float *)from)[i];
}

static struct tensor_file fixture;

static int fixture_read(void **state) {
    struct err err = {0};
    (void)state;
    return format_read("tests/fixtures/optimizers.safetensors", &fixture, &err);
}

static int fixture_free(void **state) {
    (void)state;
    tensor_file_free(&fixture);
    return 0;
}

static const float *find(const char *a, const char *b) {
    char name[64];
    snprintf(name, sizeof name, b != NULL ? "%s.%s" : "%s", a, b);
    const struct named *tensor = tensor_file_find(&fixture, name);
    assert_non_null(tensor);
    return tensor->data;
}

/* max |difference| / max |reference| at the steps the fixture has. */
static double error_at(const struct bench *b, const char *case_name, int row) {
    double difference = 0, reference = 0;
    for (size_t i = 0; i < 3; i++) {
        const float *wanted = find(case_name, names[i]) + (size_t)row * sizes[i];
        for (size_t k = 0; k < sizes[i]; k++) {
            difference = fmax(difference, fabs(get(b, b->values[i].data, k) - (double)wanted[k]));
            reference = fmax(reference, fabs((double)wanted[k]));
        }
    }
    return difference / reference;
}

/* scale: the gradients are handed over too small by it, as from parts of a batch. */
static void follows(const char *case_name, const char *net, enum dtype dtype, double scale) {
    struct bench b;
    bench_make(&b, dtype, net);
    const float *rates = find("rates", NULL);
    for (size_t i = 0; i < 3; i++) {
        put(&b, b.values[i].data, find("start", names[i]), sizes[i]);
    }
    put(&b, b.values[3].data, (const float[]){1, 2, 3}, 3);
    for (int step = 0; step < STEPS; step++) {
        double squares = 0;
        for (size_t i = 0; i < 3; i++) {
            float scaled[ROOM];
            const float *grad = find("grad", names[i]) + (size_t)step * sizes[i];
            for (size_t k = 0; k < sizes[i]; k++) {
                scaled[k] = grad[k] / (float)scale;
                squares += (double)grad[k] * grad[k];
            }
            put(&b, b.values[i].grad, scaled, sizes[i]);
        }
        double norm = optimizer_step(&b.optimizer, &b.exec, (double)rates[step], scale, (uint64_t)step, 0);
        assert_true(fabs(norm - sqrt(squares)) < 1e-6 * norm);
        if ((step + 1) % EVERY == 0) {
            optimizer_swap(&b.optimizer);   /* with ema the averages are wanted */
            double error = error_at(&b, case_name, step / EVERY);
            optimizer_swap(&b.optimizer);
            if (!(error < 1e-6)) {
                fail_msg("%s: error %g at step %d", case_name, error, step + 1);
            }
        }
    }
    assert_true(get(&b, b.values[3].data, 2) == 3);
    bench_free(&b);
}

static const struct { const char *name, *net; } cases[] = {
    {"sgd", "momentum=0\ndecay=0"},
    {"momentum", "decay=0.0005"},
    {"nesterov", "decay=0.0005\nnesterov=1"},
    {"clip", "decay=0.0005\nclip=4.5"},
    {"adam", "optimizer=adam\ndecay=0.01"},
    {"adam", "adam=1\ndecay=0.01"},
    {"adamw", "optimizer=adamw\ndecay=0.1\nb1=0.8\nb2=0.95\neps=1e-6"},
    {"adagrad", "optimizer=adagrad\ndecay=0.01"},
    {"rmsprop", "optimizer=rmsprop\ndecay=0.01"},
    {"rmsprop_momentum", "optimizer=rmsprop\ndecay=0\nrmsprop_alpha=0.9\nrmsprop_momentum=0.8\neps=1e-6"},
    {"adamax", "optimizer=adamax\ndecay=0.01"},
    {"nadam", "optimizer=nadam\ndecay=0.01"},
    {"nadam_other", "optimizer=nadam\ndecay=0\nb1=0.8\nb2=0.95\nmomentum_decay=0.1\neps=1e-6"},
    {"l1", "decay=0\nl1=0.05"},
    {"elastic", "optimizer=adam\ndecay=0.02\nl1=0.05"},
    {"max_norm", "decay=0\nmax_norm=1.5"},
    {"ema", "decay=0\nema=0.95"},
};

static void equal_pytorch(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        follows(cases[i].name, cases[i].net, DTYPE_F32, 1);
        follows(cases[i].name, cases[i].net, DTYPE_F64, 1);
        follows(cases[i].name, cases[i].net, DTYPE_F32, 8);
    }
}

/* What isn't finite leaves everything as it was. */
static void leaves_weights_alone(void **state) {
    (void)state;
    struct bench b;
    bench_make(&b, DTYPE_F32, "");
    const float ones[ROOM] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    for (size_t i = 0; i < VALUES; i++) {
        put(&b, b.values[i].data, ones, sizes[i]);
    }
    put(&b, b.values[0].grad, ones, sizes[0]);
    ((float *)b.values[2].grad)[3] = INFINITY;
    assert_false(isfinite(optimizer_step(&b.optimizer, &b.exec, 0.1, 1, 0, 0)));
    ((float *)b.values[2].grad)[3] = NAN;
    assert_false(isfinite(optimizer_step(&b.optimizer, &b.exec, 0.1, 1, 0, 0)));
    for (size_t i = 0; i < VALUES; i++) {
        assert_memory_equal(b.values[i].data, ones, sizes[i] * sizeof(float));
    }
    ((float *)b.values[2].grad)[3] = 0;
    assert_true(fabs(optimizer_step(&b.optimizer, &b.exec, 0.1, 1, 0, 0) - sqrt(12)) < 1e-12);
    assert_true(get(&b, b.values[0].data, 0) < 1);
    bench_free(&b);
}

static void decays_what_it_should(void **state) {
    (void)state;
    for (int all = 0; all < 2; all++) {
        struct bench b;
        bench_make(&b, DTYPE_F32, all ? "momentum=0\ndecay=0.5\ndecay_all=1" : "momentum=0\ndecay=0.5");
        for (size_t i = 0; i < VALUES; i++) {
            put(&b, b.values[i].data, (const float[]){1}, 1);
        }
        optimizer_step(&b.optimizer, &b.exec, 0.1, 1, 0, 0);
        assert_true(fabs(get(&b, b.values[0].data, 0) - 0.95) < 1e-6);
        assert_true(fabs(get(&b, b.values[1].data, 0) - (all ? 0.95 : 1)) < 1e-6);
        assert_true(fabs(get(&b, b.values[2].data, 0) - 0.995) < 1e-6);
        assert_true(get(&b, b.values[3].data, 0) == 1);
        bench_free(&b);
    }
}

/* A layer's own keys stand in place of [net]'s; biases have neither. */
static void layers_say_their_own(void **state) {
    (void)state;
    struct bench b;
    bench_make(&b, DTYPE_F32, "momentum=0\ndecay=0.5\nl1=0.25\nmax_norm=2");
    b.slots[2].decay = 0;
    b.slots[2].l1 = 1;
    b.slots[2].max_norm = 0;
    for (size_t i = 0; i < VALUES; i++) {
        put(&b, b.values[i].data, (const float[]){-1, 0, 3}, 3);
    }
    optimizer_step(&b.optimizer, &b.exec, 0.1, 1, 0, 0);
    const double decayed = -1 + 0.1 * (0.5 + 0.25), norm_weight = 3 - 0.1 * (1.5 + 0.25);
    double shrink = 2 / sqrt(decayed * decayed + norm_weight * norm_weight);
    assert_true(fabs(get(&b, b.values[0].data, 0) - decayed * shrink) < 1e-6);
    assert_true(get(&b, b.values[0].data, 1) == 0);
    assert_true(fabs(get(&b, b.values[0].data, 2) - norm_weight * shrink) < 1e-6);
    assert_true(get(&b, b.values[1].data, 2) == 3);
    assert_true(fabs(get(&b, b.values[2].data, 0) - (-1 + 0.1 * 0.1)) < 1e-6);
    assert_true(fabs(get(&b, b.values[2].data, 2) - (3 - 0.1 * 0.1)) < 1e-6);
    bench_free(&b);
}

/* A unit's weights need not lie side by side: those of a transposed convolution in groups don't. */
static void norms_are_of_units(void **state) {
    (void)state;
    struct units_of of = {.blocks = 2, .outer = 2, .units = 2, .inner = 1};
    float w[] = {3, 1, 4, 1, 0, 6, 0, 8}, wanted[] = {1.5f, 1, 2, 1, 0, 1.5f, 0, 2};
    kernels_get(ISA_BASE, 1, DTYPE_F32)->max_norm(NULL, &of, 2.5, w);
    for (int i = 0; i < 8; i++) {
        assert_true(fabsf(w[i] - wanted[i]) < 1e-6f);
    }
}

static void refuses_a_contradiction(void **state) {
    (void)state;
    static const char text[] = "[net]\nwidth=1\nheight=1\nchannels=1\noptimizer=sgd\nadam=1\n";
    struct config config;
    struct err err = {0};
    struct plan plan = {0};
    struct optimizer optimizer;
    assert_int_equal(config_parse(&config, "test.cfg", text, strlen(text), &err), 0);
    assert_int_equal(config_check(&config.sections[0], "net", net_tables, &err), 0);
    assert_int_equal(optimizer_make(&optimizer, &config.sections[0], &plan, &err), -1);
    assert_int_equal(err.status, STATUS_REFUSED);
    assert_non_null(strstr(err.sentences[0], "test.cfg:6"));
    err_free(&err);
    config_free(&config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_pytorch),
        cmocka_unit_test(leaves_weights_alone),
        cmocka_unit_test(decays_what_it_should),
        cmocka_unit_test(layers_say_their_own),
        cmocka_unit_test(norms_are_of_units),
        cmocka_unit_test(refuses_a_contradiction),
    };
    return cmocka_run_group_tests_name("optimizer", tests, fixture_read, fixture_free);
}
