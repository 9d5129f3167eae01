/* Every layer's backward against finite differences of its forward, in float64: each input and each parameter of small
 * networks, one at a time. The networks are PyTorch's cases, and those with chance in them, which PyTorch's generator
 * can't repeat. */
#include "layers_fixture.h"

static const double STEP = 1e-5;

static double loss_of(struct net *net, const float *x) {
    run_pack(&net->plan, &net->exec);
    run_forward(&net->plan, &net->exec, x);
    double sum = 0;
    for (size_t i = 0; i < (size_t)net->exec.batch * (size_t)net->graph.input.t; i++) {
        sum += net->loss[i];
    }
    return sum * net->exec.loss_scale;
}

/* max |analytic - numeric| over max |analytic|, of `count` doubles at `at` whose gradient is `grad`; at most 40 of
 * them, evenly spread. */
static double difference(struct net *net, const float *x, double *at, const double *grad, size_t count) {
    double most = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        size = fmax(size, fabs(grad[i]));
    }
    for (size_t i = 0; i < count; i += 1 + count / 40) {
        double kept = at[i];
        at[i] = kept + STEP;
        double above = loss_of(net, x);
        at[i] = kept - STEP;
        double below = loss_of(net, x);
        at[i] = kept;
        most = fmax(most, fabs(grad[i] - (above - below) / (2 * STEP)));
    }
    return size > 0 ? most / size : most;
}

static int failures;

static void check(const char *name, const char *what, double error) {
    if (!(error <= 1e-5)) {
        failures++;
        print_message("%s: %s: error %.2e\n", name, what, error);
    }
}

/* Parameters and, through `pre`, whose weight each input is multiplied by, the inputs: d loss / d weight is the sum of
 * x * dx. */
static void check_net(const char *name, struct net *net, const float *x) {
    char buffer[256];
    loss_of(net, x);
    run_zero(&net->plan, &net->exec);
    run_backward(&net->plan, &net->exec);
    for (int i = 0; i < net->plan.value_count; i++) {
        struct value *v = &net->plan.values[i];
        if (v->grad) {
            check(name, value_name(&net->plan, i, buffer, sizeof buffer),
                  difference(net, x, v->data, v->grad, v->slot->count));
        }
    }
}

static void plan_float64(struct net *net, int batch) {
    struct plan_options options = {
        .isa = ISA_BASE, .ref_only = 1, .dtype = DTYPE_F64, .batch = batch, .training = 1, .threads = 1,
        .keep_layer = -1,
    };
    net_plan(net, &options, batch, NULL);
}

static void check_fixture(const struct fixture *f) {
    struct net net;
    const struct fixture_array *labels = fixture_find(f, "labels");
    int32_t label[64];
    net_describe(&net, f->config);
    plan_float64(&net, f->batch);
    for (size_t i = 0; labels && i < labels->count; i++) {
        label[i] = (int32_t)labels->data[i];
    }
    net.truth = (struct truth){
        .labels = labels ? label : NULL, .values = fixture_get(f, "target"),
        .class_weight = fixture_get(f, "class_weight"),
    };
    for (size_t i = 0; i < f->count; i++) {
        if (strncmp(f->arrays[i].name, "param:", 6) == 0) {
            net_set(&net, f->arrays[i].name + 6, f->arrays[i].data);
        }
    }
    check_net(f->name, &net, fixture_get(f, "x"));
    net_free(&net);
}

static void fixtures(void **state) {
    (void)state;
    struct fixtures all = fixtures_read();
    failures = 0;
    for (size_t i = 0; i < all.count; i++) {
        if (fixture_find(&all.cases[i], "x")->count < 3000) {     /* small ones: a pass for each number */
            check_fixture(&all.cases[i]);
        }
    }
    fixtures_free(&all);
    assert_int_equal(failures, 0);
}

static void chance(void **state) {
    (void)state;
    struct net net;
    float x[6 * 12], goal[6 * 3];
    net_describe(&net, "[net]\ninputs=12\n[connected]\noutput=8\nactivation=tanh\n[dropout]\nprobability=0.4\n["
                       "connected]\noutput=3\nactivation=linear\n"
                       "[dropout]\nprobability=0.2\n[cost]\n");
    plan_float64(&net, 6);
    plan_init(&net.plan, 3);
    fixture_draw(1, x, 6 * 12, 1, 0);
    fixture_draw(2, goal, 6 * 3, 1, 0);
    net.truth = (struct truth){.values = goal, .width = 3};
    failures = 0;
    check_net("dropout", &net, x);
    net_free(&net);
    assert_int_equal(failures, 0);
}

/* A block that is there in one step and not in another; windows that lie elsewhere. */
static void chance_in_the_middle(void **state) {
    (void)state;
    struct net net;
    float x[3 * 49], goal[3 * 2];
    failures = 0;
    for (uint64_t step = 0; step < 4; step++) {
        net_describe(&net, "[net]\nchannels=1\nheight=7\nwidth=7\n[convolutional]\nfilters=2\nsize=3\nactivation=linear\n"
                           "[convolutional]\nfilters=2\nsize=3\npadding=1\nactivation=tanh\n[shortcut]\nfrom=-2\nsurvival=0.5\n"
                           "[crop]\ncrop_height=4\ncrop_width=3\nflip=1\n[fractional_maxpool]\nratio=1.5\n[connected]\noutput=2\nactivation=linear\n[cost]\n");
        plan_float64(&net, 3);
        plan_init(&net.plan, 3);
        fixture_draw(1, x, 3 * 49, 1, 0);
        fixture_draw(2, goal, 3 * 2, 1, 0);
        net.truth = (struct truth){.values = goal, .width = 2};
        net.exec.step = step;
        check_net("depth and pooling", &net, x);
        net_free(&net);
    }
    assert_int_equal(failures, 0);
}

/* A maximum over what a relu gave does the relu's backward too: windows that overlap, and that don't. Where another layer reads the relu as well
 * it does not. */
static void relu_before_maximum(void **state) {
    (void)state;
    struct net net;
    float x[3 * 2 * 81], goal[3 * 2];
    static const char *const behind[] = {"", "[shortcut]\nfrom=-2\n"};
    failures = 0;
    for (int shared = 0; shared < 2; shared++) {
        char text[1024];
        snprintf(text, sizeof text, "[net]\nchannels=2\nheight=9\nwidth=9\n[convolutional]\nfilters=5\nsize=3\npadding=1\nactivation=relu\n"
                 "[maxpool]\nsize=3\nstride=1\npad_each=1\n%s[convolutional]\nfilters=4\nsize=2\nactivation=relu\n"
                 "[maxpool]\nsize=2\nstride=2\npadding=valid\n[connected]\noutput=2\nactivation=linear\n[cost]\n", behind[shared]);
        net_describe(&net, text);
        plan_float64(&net, 3);
        plan_init(&net.plan, 3);
        fixture_draw(1, x, sizeof x / sizeof *x, 1, 0);
        fixture_draw(2, goal, sizeof goal / sizeof *goal, 1, 0);
        net.truth = (struct truth){.values = goal, .width = 2};
        check_net("relu before a maximum", &net, x);
        int handed = 0;
        for (int i = 0; i < net.plan.op_count; i++) {
            handed += net.plan.ops[i].relu_before;
        }
        assert_int_equal(handed, shared ? 1 : 2);
        net_free(&net);
    }
    assert_int_equal(failures, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(relu_before_maximum), cmocka_unit_test(fixtures), cmocka_unit_test(chance), cmocka_unit_test(chance_in_the_middle)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
