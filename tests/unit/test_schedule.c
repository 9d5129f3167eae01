/* Learning rates against closed forms, darknet's, and PyTorch's (fixtures/make_optimizers.py). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "formats/format.h"
#include "net.h"
#include "optimizers/optimizer.h"

struct bench { struct config config; struct schedule *schedule; struct err err; };

static void bench_make(struct bench *b, const char *net, uint64_t total) {
    *b = (struct bench){0};
    char *text = mem_format("[net]\nwidth=1\nheight=1\nchannels=1\n%s\n", net);
    assert_int_equal(config_parse(&b->config, "test.cfg", text, strlen(text), &b->err), 0);
    free(text);
    assert_int_equal(config_check(&b->config.sections[0], "net", net_tables, &b->err), 0);
    b->schedule = schedule_make(&b->config.sections[0], total, 5, &b->err);
}

static void bench_free(struct bench *b) {
    schedule_free(b->schedule);
    config_free(&b->config);
    err_free(&b->err);
}

/* The rate of the update with darknet's number b (from 1). */
static void rate_is(const char *net, uint64_t total, uint64_t b, double wanted) {
    struct bench bench;
    bench_make(&bench, net, total);
    assert_non_null(bench.schedule);
    double rate = schedule_rate(bench.schedule, b - 1);
    if (!(fabs(rate - wanted) <= 1e-12 * (1 + fabs(wanted)))) {
        fail_msg("%s: at %d want %.15g, got %.15g", net, (int)b, wanted, rate);
    }
    bench_free(&bench);
}

static void darknets_policies(void **state) {
    (void)state;
    rate_is("learning_rate=0.3", 0, 1000, 0.3);
    static const char step[] = "learning_rate=0.3\npolicy=step\nstep=10\nscale=0.5";
    rate_is(step, 0, 9, 0.3);
    rate_is(step, 0, 10, 0.15);
    rate_is(step, 0, 35, 0.0375);
    static const char steps[] = "learning_rate=0.3\npolicy=steps\nsteps=10,20\nscales=.1,.5";
    rate_is(steps, 0, 9, 0.3);
    rate_is(steps, 0, 10, 0.03);
    rate_is(steps, 0, 20, 0.015);
    rate_is("learning_rate=0.3\npolicy=steps\nsteps=.5,0.75\nscales=.1,.1", 40, 19, 0.3);
    rate_is("learning_rate=0.3\npolicy=steps\nsteps=.5,0.75\nscales=.1,.1", 40, 20, 0.03);
    rate_is("learning_rate=0.3\npolicy=steps\nsteps=.5,0.75\nscales=.1,.1", 40, 30, 0.003);
    rate_is("learning_rate=0.3\npolicy=exp\ngamma=0.9", 0, 7, 0.3 * pow(0.9, 7));
    rate_is("learning_rate=0.3\npolicy=poly", 50, 20, 0.3 * pow(1 - 20.0 / 50, 4));
    rate_is("learning_rate=0.3\npolicy=poly\npower=2", 50, 50, 0);
    rate_is("learning_rate=0.3\npolicy=sigmoid\ngamma=0.1\nstep=100", 0, 90, 0.3 / (1 + exp(0.1 * (90 - 100))));
    rate_is("learning_rate=0.3\npolicy=sig\ngamma=0.1\nstep=100", 0, 100, 0.15);
}

static void sgdr_restarts(void **state) {
    (void)state;
    const double pi = acos(-1.0);
    static const char net[] = "learning_rate=0.4\npolicy=sgdr\nsgdr_cycle=10\nsgdr_mult=2\nlearning_rate_min=0.1";
    rate_is(net, 0, 5, 0.1 + 0.15 * (1 + cos(pi * 5 / 10)));
    rate_is(net, 0, 10, 0.1);
    rate_is(net, 0, 11, 0.1 + 0.15 * (1 + cos(pi * 1 / 20)));
    rate_is(net, 0, 30, 0.1);
    rate_is(net, 0, 31, 0.1 + 0.15 * (1 + cos(pi * 1 / 40)));
    static const char even[] = "learning_rate=0.4\npolicy=sgdr\nsgdr_cycle=10\nsgdr_mult=1";
    rate_is(even, 0, 10, 0);
    rate_is(even, 0, 1000005, 0.2 * (1 + cos(pi * 5 / 10)));
    rate_is("learning_rate=0.4\npolicy=sgdr\nsgdr_cycle=1\nsgdr_mult=1.5", 0, 2000000000, 0);
}

/* airbench's: 0.2 at the first step, 1 at floor(0.23 * 100), towards 0.07 at 100. */
static void triangle(void **state) {
    (void)state;
    static const char net[] = "learning_rate=2\npolicy=triangle\nstart_factor=0.2\npeak=0.235\nend_factor=0.07";
    rate_is(net, 100, 1, 0.4);
    rate_is(net, 100, 13, 2 * (0.2 + 0.8 * 12 / 23));
    rate_is(net, 100, 24, 2);
    rate_is(net, 100, 100, 2 * (1 - 0.93 * 76 / 77));
    rate_is("learning_rate=2\npolicy=triangle\npeak=0", 4, 1, 2);
    rate_is("learning_rate=2\npolicy=triangle\npeak=1\nstart_factor=0", 4, 4, 1.5);
}

static void warm_ups(void **state) {
    (void)state;
    rate_is("learning_rate=0.3\nburn_in=100\npower=2", 0, 50, 0.3 * 0.25);
    rate_is("learning_rate=0.3\nburn_in=100", 0, 99, 0.3 * pow(0.99, 4));
    rate_is("learning_rate=0.3\nburn_in=100", 0, 100, 0.3);
    rate_is("learning_rate=0.3\nwarmup=100", 0, 25, 0.3 * 0.25);
    rate_is("learning_rate=0.3\nwarmup=100", 0, 100, 0.3);
    rate_is("learning_rate=0.3\nwarmup=.1", 400, 10, 0.3 * 0.25);
    rate_is("learning_rate=0.3\npolicy=exp\ngamma=0.9\nwarmup=10", 0, 5, 0.3 * pow(0.9, 5) * 0.5);
}

static void random_repeats(void **state) {
    (void)state;
    struct bench a, b;
    bench_make(&a, "learning_rate=0.3\npolicy=random\npower=1", 0);
    bench_make(&b, "learning_rate=0.3\npolicy=random\npower=1", 0);
    double sum = 0, before = -1;
    for (uint64_t step = 0; step < 1000; step++) {
        double rate = schedule_rate(a.schedule, step);
        assert_true(rate >= 0 && rate < 0.3 && rate != before);
        assert_true(rate == schedule_rate(b.schedule, step));
        sum += rate;
        before = rate;
    }
    assert_true(fabs(sum / 1000 - 0.15) < 0.01);
    bench_free(&a);
    bench_free(&b);
}

static void equal_pytorch(void **state) {
    (void)state;
    static const struct { const char *name, *net; } cases[] = {
        {"schedule.cosine", "policy=cosine\nlearning_rate_min=0.01"},
        {"schedule.onecycle_cos", "policy=onecycle\nend_factor=0.001"},
        {"schedule.onecycle_linear", "policy=one-cycle\nend_factor=0.001\nanneal=linear"},
    };
    struct tensor_file fixture;
    struct err err = {0};
    assert_int_equal(format_read("tests/fixtures/optimizers.safetensors", &fixture, &err), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bench b;
        char *net = mem_format("learning_rate=0.5\n%s", cases[i].net);
        const struct named *wanted = tensor_file_find(&fixture, cases[i].name);
        bench_make(&b, net, wanted->count);
        for (size_t step = 0; step < wanted->count; step++) {
            double rate = schedule_rate(b.schedule, step);
            if (!(fabs(rate - (double)wanted->data[step]) < 1e-7)) {
                fail_msg("%s: at %zu want %g, got %g", cases[i].name, step, (double)wanted->data[step], rate);
            }
        }
        free(net);
        bench_free(&b);
    }
    tensor_file_free(&fixture);
}

/* Every policy gives finite rates of the right size at any length, the shortest too. */
static void stays_in_bounds(void **state) {
    (void)state;
    static const char *const nets[] = {
        "policy=onecycle", "policy=onecycle\npeak=0", "policy=onecycle\npeak=1", "policy=onecycle\nanneal=linear",
        "policy=cosine", "policy=poly", "policy=sgdr", "policy=sgdr\nsgdr_mult=1", "policy=plateau", "warmup=.5",
    };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        for (uint64_t total = 1; total < 12; total++) {
            struct bench b;
            bench_make(&b, nets[i], total);
            assert_non_null(b.schedule);
            for (uint64_t step = 0; step < total + 3; step++) {
                double rate = schedule_rate(b.schedule, step);
                assert_true(rate >= 0 && rate <= 0.001 * (1 + 1e-12));
            }
            bench_free(&b);
        }
    }
}

static void refuses(const char *net, uint64_t total, const char *part) {
    struct bench b;
    bench_make(&b, net, total);
    assert_null(b.schedule);
    assert_int_equal(b.err.status, STATUS_REFUSED);
    assert_non_null(strstr(b.err.sentences[0], part));
    bench_free(&b);
}

static void refuses_what_makes_no_sense(void **state) {
    (void)state;
    refuses("policy=steps", 9, "scales");
    refuses("policy=steps\nsteps=1,2\nscales=.1", 9, "scales");
    refuses("policy=steps\nsteps=2,1\nscales=.1,.1", 9, "rising");
    refuses("policy=steps\nsteps=.5\nscales=.1", 0, "no end");
    refuses("policy=poly", 0, "length");
    refuses("policy=cosine", 0, "length");
    refuses("policy=onecycle", 0, "length");
    refuses("policy=sgdr", 0, "length");
    refuses("warmup=.5", 0, "no end");
    refuses("policy=cosine\nlearning_rate_min=1", 9, "learning_rate_min");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(darknets_policies), cmocka_unit_test(sgdr_restarts),   cmocka_unit_test(triangle),
        cmocka_unit_test(warm_ups),
        cmocka_unit_test(random_repeats),    cmocka_unit_test(equal_pytorch),   cmocka_unit_test(stays_in_bounds),
        cmocka_unit_test(refuses_what_makes_no_sense),
    };
    return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
