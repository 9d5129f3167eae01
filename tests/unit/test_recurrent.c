/* Recurrent layers besides what PyTorch says of them (test_layers_torch.c): a step by hand, and states that are
 * carried: two windows read one after the other are one of twice the length. */
#include "layers_fixture.h"

/* h1 = tanh(0.5 * 2 + 0.1 + 0.2) and h2 = tanh(0.5 * -1 + 0.1 - 0.3 * h1 + 0.2) */
static void by_hand(void **state) {
    (void)state;
    struct net net;
    const float x[] = {2, -1}, weight_ih[] = {0.5f}, weight_hh[] = {-0.3f}, bias_ih[] = {0.1f}, bias_hh[] = {0.2f};
    net_make(&net, "[net]\ninputs=1\ntime_steps=2\n[rnn]\noutput=1\n", 1, 0);
    net_set(&net, "rnn1.weight_ih", weight_ih);
    net_set(&net, "rnn1.weight_hh", weight_hh);
    net_set(&net, "rnn1.bias_ih", bias_ih);
    net_set(&net, "rnn1.bias_hh", bias_hh);
    run_pack(&net.plan, &net.exec);
    run_forward(&net.plan, &net.exec, x);
    const float *y = net.plan.output->data;
    double h1 = tanh(1.3), h2 = tanh(-0.2 - 0.3 * h1);
    assert_float_equal(y[0], h1, 1e-6);
    assert_float_equal(y[1], h2, 1e-6);
    net_free(&net);
}

enum { BATCH = 2, INPUTS = 3, STEPS = 4, HIDDEN = 5 };

static void draw_values(struct net *net) {
    for (int i = 0; i < net->plan.value_count; i++) {
        const struct value *v = &net->plan.values[i];
        float *values = mem_need(v->slot->count, sizeof *values);
        fixture_draw(7 + (uint32_t)i, values, v->slot->count, 0.6f, 0);
        value_set(&net->plan, v, values);
        free(values);
    }
    run_pack(&net->plan, &net->exec);
}

/* Outputs of `passes` windows of steps / passes each, read in order. */
static void read_windows(const char *layer, int passes, const float *x, float *y) {
    struct net net;
    char text[256];
    int steps = 2 * STEPS / passes;
    snprintf(text, sizeof text, "[net]\ninputs=%d\ntime_steps=%d\nbatch=%d\n[%s]\noutput=%d\n[lstm]\noutput=%d\n",
             INPUTS, steps, BATCH, layer, HIDDEN, HIDDEN);
    net_make(&net, text, BATCH, 0);
    draw_values(&net);
    net.exec.carry = 1;
    for (int turn = 0; turn < 2; turn++) { /* the second time after plan_forget: the same again */
        plan_forget(&net.plan);
        for (int p = 0; p < passes; p++) {
            size_t rows = (size_t)steps * BATCH;
            run_forward(&net.plan, &net.exec, x + (size_t)p * rows * INPUTS);
            memcpy(y + (size_t)p * rows * HIDDEN, net.plan.output->data, rows * HIDDEN * sizeof *y);
        }
    }
    net_free(&net);
}

static void carried(void **state) {
    (void)state;
    static const char *const layers[] = {"rnn", "lstm", "gru"};
    float x[2 * STEPS * BATCH * INPUTS], whole[2 * STEPS * BATCH * HIDDEN], parts[2 * STEPS * BATCH * HIDDEN];
    fixture_draw(3, x, sizeof x / sizeof *x, 1, 0);
    for (int i = 0; i < 3; i++) {
        read_windows(layers[i], 1, x, whole);
        for (int passes = 2; passes <= 2 * STEPS; passes *= 2) {
            read_windows(layers[i], passes, x, parts);
            for (size_t j = 0; j < sizeof whole / sizeof *whole; j++) {
                assert_float_equal(whole[j], parts[j], 1e-6);
            }
        }
    }
}

/* Without exec.carry each pass begins at zero. */
static void not_carried(void **state) {
    (void)state;
    struct net net;
    const float x[] = {1, 2, 3};
    float first[2];
    net_make(&net, "[net]\ninputs=3\n[gru]\noutput=2\n", 1, 0);
    draw_values(&net);
    run_forward(&net.plan, &net.exec, x);
    memcpy(first, net.plan.output->data, sizeof first);
    run_forward(&net.plan, &net.exec, x);
    assert_memory_equal(first, net.plan.output->data, sizeof first);
    net_free(&net);
}

/* To infer, long windows are taken some steps at a time; a plan for training takes them whole. */
static void in_parts(void **state) {
    (void)state;
    static const char *const layers[] = {"[gru]\n", "[lstm]\nbidirectional=1\n", "[gru]\nbidirectional=1\nsequence=last\n",
                                         "[rnn]\nsequence=last\n"};
    enum { LONG = 200, ROWS = 3 };
    float *x = mem_need(LONG * ROWS * INPUTS, sizeof *x);
    fixture_draw(3, x, LONG * ROWS * INPUTS, 1, 0);
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        char text[256];
        struct net whole, parts;
        snprintf(text, sizeof text, "[net]\ninputs=%d\ntime_steps=%d\nbatch=%d\n%soutput=%d\n", INPUTS, LONG, ROWS,
                 layers[i], HIDDEN);
        net_make(&whole, text, ROWS, 1);
        net_make(&parts, text, ROWS, 0);
        draw_values(&whole);
        draw_values(&parts);
        run_forward(&whole.plan, &whole.exec, x);
        run_forward(&parts.plan, &parts.exec, x);
        const float *want = whole.plan.output->data, *got = parts.plan.output->data;
        for (size_t j = 0; j < tensor_elems(whole.plan.output, &whole.exec); j++) {
            assert_float_equal(got[j], want[j], 1e-6);
        }
        net_free(&whole);
        net_free(&parts);
    }
    free(x);
}

static void names(void **state) {
    (void)state;
    struct net net;
    struct carried s;
    net_make(
        &net,
        "[net]\ninputs=3\ntime_steps=2\n[lstm]\nname=a\noutput=2\n[gru]\noutput=4\n[lstm]\nbidirectional=1\noutput=2\n",
        3, 1);
    assert_int_equal(plan_carried(&net.plan, 0, &s), 3);
    assert_string_equal(s.name, "state.a.h");
    assert_int_equal(s.rows, 3);
    assert_int_equal(s.width, 2);
    plan_carried(&net.plan, 1, &s);
    assert_string_equal(s.name, "state.a.c");
    plan_carried(&net.plan, 2, &s);
    assert_string_equal(s.name, "state.gru1.h");
    assert_int_equal(s.width, 4);
    assert_non_null(net_value(&net, "lstm2.weight_hh_reverse"));
    net_free(&net);
}

/* Symbols that there are none of are zeros, and no derivative goes anywhere. */
static void symbols(void **state) {
    (void)state;
    struct net net;
    const float x[] = {-1, 2, 3, NAN, 1e30f, 0};
    const float want[] = {0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0};
    net_make(&net, "[net]\ninputs=1\ntime_steps=6\n[onehot]\nsize=3\n", 1, 0);
    run_forward(&net.plan, &net.exec, x);
    assert_memory_equal(net.plan.output->data, want, sizeof want);
    net_free(&net);
    net_make(&net, "[net]\ninputs=1\ntime_steps=6\n[embedding]\nsize=3\noutput=2\n[cost]\n", 1, 1);
    draw_values(&net);
    float target[12] = {0};
    net.truth = (struct truth){.values = target, .width = 2};
    run_forward(&net.plan, &net.exec, x);
    run_zero(&net.plan, &net.exec);
    run_backward(&net.plan, &net.exec);
    const float *grad = net_value(&net, "embedding1.weight")->grad, *y = net.plan.output->data;
    assert_float_equal(grad[0], y[10] / 6, 1e-6);
    assert_float_equal(grad[2], 0, 0);
    assert_float_equal(grad[4], y[2] / 6, 1e-6);
    net_free(&net);
}

enum { KINDS = 6, SYMBOL_STEPS = 4, MOST = 30 };

/* A pass forward and back of `text`, which begins after [net]; nothing is kept that isn't needed. */
static void learn(struct net *net, int inputs, const char *text, int batch, const float *x, const float *target) {
    char whole[512];
    struct plan_options options = {.isa = ISA_BASE, .dtype = DTYPE_F32, .batch = batch, .training = 1, .threads = 1,
                                   .keep_layer = -1};
    snprintf(whole, sizeof whole, "[net]\ninputs=%d\ntime_steps=%d\n%s[cost]\n", inputs, SYMBOL_STEPS, text);
    net_describe(net, whole);
    net_plan(net, &options, batch, NULL);
    draw_values(net);
    net->truth = (struct truth){.values = target, .width = shape_step(net->plan.output->shape)};
    run_forward(&net->plan, &net->exec, x);
    run_zero(&net->plan, &net->exec);
    run_backward(&net->plan, &net->exec);
}

/* Rows of weights that symbols name are what one-hot vectors multiplied are, and so are their gradients. */
static void check_one_hot(const char *layer, int batch) {
    float ids[MOST * SYMBOL_STEPS], vectors[MOST * SYMBOL_STEPS * KINDS] = {0}, target[MOST * SYMBOL_STEPS * HIDDEN * 2] = {0};
    char text[256];
    struct net by_ids, by_vectors;
    for (int i = 0; i < batch * SYMBOL_STEPS; i++) {
        int id = i * 5 % (KINDS + 2) - 1; /* -1, KINDS: none */
        ids[i] = (float)id;
        if (id >= 0 && id < KINDS) {
            vectors[i * KINDS + id] = 1;
        }
    }
    snprintf(text, sizeof text, "[onehot]\nsize=%d\n%soutput=%d\n", KINDS, layer, HIDDEN);
    learn(&by_ids, 1, text, batch, ids, target);
    learn(&by_vectors, KINDS, strstr(text, layer), batch, vectors, target);
    assert_true(by_ids.plan.ops[by_ids.plan.op_of_node[1]].skip);
    const float *got = by_ids.plan.output->data, *want = by_vectors.plan.output->data;
    for (size_t i = 0; i < tensor_elems(by_ids.plan.output, &by_ids.exec); i++) {
        assert_float_equal(got[i], want[i], 1e-6);
    }
    assert_int_equal(by_ids.plan.value_count, by_vectors.plan.value_count);
    for (int v = 0; v < by_ids.plan.value_count; v++) {
        const float *a = by_ids.plan.values[v].grad, *b = by_vectors.plan.values[v].grad;
        for (size_t i = 0; i < by_ids.plan.values[v].slot->count; i++) {
            assert_float_equal(a[i], b[i], 1e-6);
        }
    }
    net_free(&by_ids);
    net_free(&by_vectors);
}

static void one_hot(void **state) {
    (void)state;
    static const char *const layers[] = {"[rnn]\n", "[lstm]\nbidirectional=1\n", "[gru]\n", "[gru]\nbidirectional=1\n"};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        check_one_hot(layers[i], 3);
        check_one_hot(layers[i], MOST);
    }
}

static void refusals(void **state) {
    (void)state;
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"[net]\ninputs=1\n[onehot]\n", "how many symbols"},
        {"[net]\ninputs=1\n[embedding]\noutput=3\n", "how many symbols"},
        {"[net]\ninputs=2\n[onehot]\nsize=3\n", "one number a step"},
        {"[net]\ninputs=2\ncarry_state=1\ntime_steps=2\n[lstm]\nbidirectional=1\n", "from its end too"},
        {"[net]\ninputs=2\ncarry_state=1\ntime_steps=2\n[lstm]\nsequence=last\n", "an answer at each step"},
        {"[net]\ninputs=2\ncarry_state=1\ntime_steps=2\n[connected]\n", "want a recurrent layer"},
        {"[net]\ninputs=2\ncarry_state=1\ntime_steps=2\nbatch=4\nsubdivisions=2\n[lstm]\n", "state of one another"},
        {"[net]\ninputs=2\n[rnn]\nactivation=gelu\n", "activation"},
        {"[net]\ninputs=65536\n[lstm]\noutput=1048576\n", "too large"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *why = net_refusal(bad[i].text);
        if (why == NULL || strstr(why, bad[i].why) == NULL) {
            fail_msg("%s: want \"%s\", said \"%s\"", bad[i].text, bad[i].why, why == NULL ? "nothing" : why);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand), cmocka_unit_test(carried), cmocka_unit_test(not_carried), cmocka_unit_test(in_parts),
        cmocka_unit_test(names),   cmocka_unit_test(symbols), cmocka_unit_test(one_hot),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
