/* Layers computed by hand: small numbers, shapes, what is refused and in which words, which loss counts. */
#include "layers_fixture.h"

static void near(const float *got, const float *want, size_t count, double tolerance) {
    for (size_t i = 0; i < count; i++) {
        if (!(fabs((double)got[i] - (double)want[i]) <= tolerance)) {
            fail_msg("value %zu is %.9g, want %.9g", i, (double)got[i], (double)want[i]);
        }
    }
}

static void pass(struct net *net, const float *x) {
    run_pack(&net->plan, &net->exec);
    run_forward(&net->plan, &net->exec, x);
}

static void expect_output(struct net *net, const float *x, const float *want, size_t count, double tolerance) {
    pass(net, x);
    float *y = tensor_floats(net, net->plan.output, net->plan.output->data);
    assert_int_equal(shape_count(net->plan.output->shape) * (size_t)net->exec.batch, count);
    near(y, want, count, tolerance);
    free(y);
}

/* ---- values ---- */

static void edges(void **state) {
    (void)state;
    struct net net;
    float x[36];
    for (int i = 0; i < 36; i++) {
        x[i] = i % 6 < 3 ? 10 : 0;
    }
    net_make(&net, "[net]\nwidth=6\nheight=6\nchannels=1\n[conv]\nname=a\nsize=3\nbias=0\nactivation=linear\n", 1, 0);
    net_set(&net, "a.weight", (const float[]){1, 0, -1, 1, 0, -1, 1, 0, -1});
    expect_output(&net, x, (const float[]){0, 30, 30, 0, 0, 30, 30, 0, 0, 30, 30, 0, 0, 30, 30, 0}, 16, 0);
    net_free(&net);
}

static void strided(void **state) {
    (void)state;
    struct net net;
    const char *rows = "2374629" "6698743" "3483897" "7836634" "4218346" "3241983" "0139214";
    float x[49];
    for (int i = 0; i < 49; i++) {
        x[i] = (float)(rows[i] - '0');
    }
    net_make(&net,
             "[net]\nwidth=7\nheight=7\nchannels=1\n[convolutional]\nname=a\nsize=3\nstride=2\nactivation=linear\n", 1,
             0);
    net_set(&net, "a.weight", (const float[]){3, 4, 4, 1, 0, 2, -1, 0, 3});
    expect_output(&net, x, (const float[]){91, 100, 88, 69, 91, 117, 44, 72, 74}, 9, 0);
    net_free(&net);
}

static void maximum(void **state) {
    (void)state;
    struct net net;
    const float x[] = {29, 15, 28, 184, 0, 100, 70, 38, 12, 12, 7, 2, 12, 12, 45, 6};
    net_make(&net, "[net]\nwidth=4\nheight=4\nchannels=1\n[maxpool]\nsize=2\nstride=2\npadding=valid\n", 1, 0);
    expect_output(&net, x, (const float[]){100, 184, 12, 45}, 4, 0);
    net_free(&net);
}

static void average(void **state) {
    (void)state;
    struct net net;
    const float x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    net_make(&net, "[net]\nwidth=3\nheight=3\nchannels=1\n[avgpool]\nsize=2\nstride=2\npadding=same\n", 1, 0);
    expect_output(&net, x, (const float[]){3, 4.5f, 7.5f, 9}, 4, 0);
    net_free(&net);
    net_make(&net,
             "[net]\nwidth=3\nheight=3\nchannels=1\n[avgpool]\nsize=2\nstride=2\npad_each=1\ncount_include_pad=1\n", 1,
             0);
    expect_output(&net, x, (const float[]){0.25f, 1.25f, 2.75f, 7}, 4, 0);
    net_free(&net);
}

/* y = 2 a - b + 0.5; the mean of (y - t)^2 over two samples and one output. */
static void connected(void **state) {
    (void)state;
    struct net net;
    const float x[] = {1, 2, 3, -1}, goal[] = {1, 5};
    net_make(&net, "[net]\ninputs=2\n[connected]\nname=a\nactivation=linear\n[cost]\ntype=mse\n", 2, 1);
    net_set(&net, "a.weight", (const float[]){2, -1});
    net_set(&net, "a.bias", (const float[]){0.5f});
    net.truth = (struct truth){.values = goal, .width = 1};
    expect_output(&net, x, (const float[]){0.5f, 7.5f}, 2, 1e-6);
    assert_float_equal(net.loss[0] + net.loss[1], 0.25 + 6.25, 1e-6);
    run_zero(&net.plan, &net.exec);
    run_backward(&net.plan, &net.exec);
    near(net_value(&net, "a.weight")->grad, (const float[]){-0.5f + 7.5f, -1 - 2.5f}, 2, 1e-6);
    near(net_value(&net, "a.bias")->grad, (const float[]){2}, 1, 1e-6);
    net_free(&net);
}

static void softmax(void **state) {
    (void)state;
    struct net net;
    const int32_t labels[] = {0};
    net_make(&net, "[net]\ninputs=3\n[softmax]\n", 1, 1);
    net.truth.labels = labels;
    expect_output(&net, (const float[]){3.2f, 5.1f, -1.7f}, (const float[]){0.13f, 0.87f, 0.00f}, 3, 0.005);
    assert_float_equal(net.loss[0], -log(exp(3.2) / (exp(3.2) + exp(5.1) + exp(-1.7))), 1e-6);
    net_free(&net);
    net_make(&net, "[net]\ninputs=4\n[softmax]\ngroups=2\n", 1, 0);
    expect_output(&net, (const float[]){1, 1, 0, logf(3)}, (const float[]){0.5f, 0.5f, 0.25f, 0.75f}, 4, 1e-6);
    net_free(&net);
}

static void hinge(void **state) {
    (void)state;
    struct net net;
    const int32_t labels[] = {0};
    net_make(&net, "[net]\ninputs=3\n[cost]\ntype=hinge\n", 1, 1);
    assert_int_equal(net.graph.nodes[net.graph.layers[0].last].classes, 3);
    net.truth.labels = labels;
    pass(&net, (const float[]){3.2f, 5.1f, -1.7f});
    assert_float_equal(net.loss[0], 2.9, 1e-6);
    net_free(&net);
}

/* 1 and 3: mean 2, variance 1 (unbiased 2). */
static void batchnorm(void **state) {
    (void)state;
    struct net net;
    float got[1];
    net_make(&net, "[net]\ninputs=1\n[batchnorm]\nname=n\nbn_eps=0\n", 2, 1);
    net_set(&net, "n.gamma", (const float[]){2});
    net_set(&net, "n.beta", (const float[]){10});
    net_set(&net, "n.running_var", (const float[]){1});
    expect_output(&net, (const float[]){1, 3}, (const float[]){8, 12}, 2, 1e-6);
    value_get(&net.plan, net_value(&net, "n.running_mean"), got);
    assert_float_equal(got[0], 0.2, 1e-6);
    value_get(&net.plan, net_value(&net, "n.running_var"), got);
    assert_float_equal(got[0], 1.1, 1e-6);
    net.exec.training = 0;
    const float deviation = sqrtf(1.1f);
    expect_output(&net, (const float[]){1, 3}, (const float[]){10 + 1.6f / deviation, 10 + 5.6f / deviation}, 2, 1e-5);
    net_free(&net);
}

static void lrn(void **state) {
    (void)state;
    struct net net;
    const float six = sqrtf(6), fourteen = sqrtf(14);
    net_make(&net, "[net]\nwidth=1\nheight=1\nchannels=3\n[lrn]\nsize=3\nalpha=1\nbeta=0.5\nkappa=1\n", 1, 0);
    expect_output(&net, (const float[]){1, 2, 3}, (const float[]){1 / six, 2 / sqrtf(15), 3 / fourteen}, 3, 1e-6);
    net_free(&net);
    net_make(
        &net,
        "[net]\nwidth=1\nheight=1\nchannels=3\n[normalization]\nsize=3\nalpha=3\nbeta=0.5\nk=1\nalpha_over_size=1\n", 1,
        0);
    expect_output(&net, (const float[]){1, 2, 3}, (const float[]){1 / six, 2 / sqrtf(15), 3 / fourteen}, 3, 1e-6);
    net_free(&net);
}

static void activations(void **state) {
    (void)state;
    static const struct { const char *name; float want[4];
    } all[] = {
        {"linear", {-2, 0, 0.5f, 3}},
        {"relu", {0, 0, 0.5f, 3}},
        {"leaky", {-0.2f, 0, 0.5f, 3}},
        {"hardtan", {-1, 0, 0.5f, 1}},
        {"abs", {2, 0, 0.5f, 3}},
        {"heaviside", {0, 1, 1, 1}},
        {"sign", {-1, 0, 1, 1}},
        {"sigmoid", {0.11920292f, 0.5f, 0.62245933f, 0.95257413f}},
        {"elu", {-0.86466472f, 0, 0.5f, 3}},
        {"swish", {-0.23840584f, 0, 0.31122967f, 2.85772238f}},
        {"relu6", {0, 0, 0.5f, 3}},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct net net;
        char text[128];
        snprintf(text, sizeof text, "[net]\ninputs=4\n[activation]\nactivation=%s\n", all[i].name);
        net_make(&net, text, 1, 0);
        pass(&net, (const float[]){-2, 0, 0.5f, 3});
        float *y = tensor_floats(&net, net.plan.output, net.plan.output->data);
        for (int j = 0; j < 4; j++) {
            if (j == 1 && strcmp(all[i].name, "heaviside") == 0) {
                continue;       /* what a step says at the step itself is convention */
            }
            near(y + j, all[i].want + j, 1, 1e-6);
        }
        free(y);
        net_free(&net);
    }
}

static void dropout(void **state) {
    (void)state;
    enum { N = 20000 };
    struct net net;
    float *x = mem_need(N, sizeof *x);
    for (int i = 0; i < N; i++) {
        x[i] = 1;
    }
    net_make(&net, "[net]\ninputs=20000\n[dropout]\nprobability=0.25\n", 1, 1);
    pass(&net, x);
    float *first = tensor_floats(&net, net.plan.output, net.plan.output->data);
    int dropped = 0, moved = 0;
    for (int i = 0; i < N; i++) {
        assert_true(first[i] == 0 || fabsf(first[i] - 4.0f / 3) < 1e-6f);
        dropped += first[i] == 0;
    }
    assert_in_range(dropped, N / 4 - 300, N / 4 + 300);       /* five deviations */
    net.exec.step = 1;
    pass(&net, x);
    float *second = tensor_floats(&net, net.plan.output, net.plan.output->data);
    for (int i = 0; i < N; i++) {
        moved += first[i] != second[i];
    }
    assert_in_range(moved, N * 3 / 8 - 400, N * 3 / 8 + 400);
    net.exec.step = 0;
    expect_output(&net, x, first, N, 0);
    net.exec.training = 0;
    expect_output(&net, x, x, N, 0);
    net_free(&net);
    free(first);
    free(second);
    free(x);
}

static void joined(void **state) {
    (void)state;
    struct net net;
    const float x[] = {1, 2, 3, 4};
    net_make(
        &net,
        "[net]\nwidth=1\nheight=1\nchannels=4\n[activation]\nname=a\n[route]\nlayers=a,input\ngroups=2\ngroup_id=1\n",
        1, 0);
    expect_output(&net, x, (const float[]){3, 4, 3, 4}, 4, 0);
    net_free(&net);
    net_make(&net, "[net]\nwidth=2\nheight=2\nchannels=1\n[maxpool]\n[shortcut]\nfrom=input\nalpha=3\nbeta=10\n", 1, 0);
    expect_output(&net, x, (const float[]){22}, 1, 0);          /* 3 * 4 + 10 * the corner that strides hit */
    net_free(&net);
    net_make(&net, "[net]\nwidth=2\nheight=2\nchannels=1\n[maxpool]\nname=a\n[shortcut]\ninput=input\nfrom=a\n", 1, 0);
    expect_output(&net, x, (const float[]){5, 2, 3, 4}, 4, 0);
    net_free(&net);
}

/* ---- shapes and sizes ---- */

static void shapes(void **state) {
    (void)state;
    static const struct { const char *input, *layer, *want; } all[] = {
        {"227x227x3", "[convolutional]\nfilters=96\nsize=11\nstride=4", "96x55x55"},
        {"55x55x96", "[maxpool]\nsize=3\nstride=2\npadding=valid", "96x27x27"},
        {"27x27x96", "[convolutional]\nfilters=256\nsize=5\npadding=2\ngroups=2", "256x27x27"},
        {"28x28x3", "[convolutional]\nfilters=6\nsize=5\npadding=same", "6x28x28"},
        {"28x28x3", "[convolutional]\nfilters=6\nsize=5\npadding=valid", "6x24x24"},
        {"28x28x3", "[convolutional]\nfilters=6\nsize=5\npad=1", "6x28x28"},
        {"29x28x3", "[convolutional]\nfilters=6\nsize=3\nstride=2\npadding=same", "6x14x15"},
        {"28x28x3", "[convolutional]\nfilters=6\nsize=4\npad=1", "6x29x29"},
        {"28x28x3", "[convolutional]\nfilters=6\nsize=3\ndilation=2\npad=1", "6x28x28"},
        {"28x20x3", "[convolutional]\nsize_h=1\nsize_w=7\nstride_x=2", "1x20x11"},
        {"7x7x4", "[maxpool]\nsize=2\nstride=2", "4x4x4"},
        {"7x7x4", "[maxpool]\nsize=2\nstride=2\npadding=valid", "4x3x3"},
        {"7x7x4", "[maxpool]\nsize=3\nstride=2\nceil=1", "4x3x3"},
        {"8x8x4", "[maxpool]\nsize=3\nstride=2\nceil=1", "4x4x4"},
        {"8x8x4", "[maxpool]\nsize=3\nstride=2\npad_each=1", "4x4x4"},
        {"8x8x4", "[maxpool]\nsize=3", "4x8x8"},
        {"8x8x4", "[maxpool]\nstride=2", "4x4x4"},
        {"8x6x4", "[maxpool]", "4"},
        {"8x6x4", "[avgpool]", "4"},
        {"13x13x1000", "[avgpool]", "1000"},
        {"8x6x4", "[connected]\noutput=5", "5"},
        {"8x6x4", "[softmax]", "192"},
        {"8x6x4", "[dropout]", "4x6x8"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct net net;
        char text[256], shape[48];
        int w, h, c;
        assert_int_equal(sscanf(all[i].input, "%dx%dx%d", &w, &h, &c), 3);
        snprintf(text, sizeof text, "[net]\nwidth=%d\nheight=%d\nchannels=%d\n%s\n", w, h, c, all[i].layer);
        net_describe(&net, text);
        assert_string_equal(shape_text(net.graph.nodes[net.graph.layers[0].first].out, shape), all[i].want);
        net_free(&net);
    }
}

static void counts(void **state) {
    (void)state;
    static const struct { const char *text; size_t parameters; double flops;
    } all[] = {
        {"[net]\nwidth=32\nheight=32\nchannels=1\n[conv]\nfilters=6\nsize=5\n", 156, 2.0 * 28 * 28 * 6 * 25},
        {"[net]\nwidth=32\nheight=32\nchannels=3\n[conv]\nfilters=6\nsize=5\n", 456, 2.0 * 28 * 28 * 6 * 75},
        {"[net]\nwidth=9\nheight=9\nchannels=3\n[conv]\nfilters=10\nsize=3\n", 280, 2.0 * 7 * 7 * 10 * 27},
        {"[net]\ninputs=1\n[conn]\noutput=3\nactivation=tanh\n[conn]\n", 10, 12},
        {"[net]\ninputs=784\n[conn]\noutput=300\n[conn]\noutput=100\n[conn]\noutput=10\n", 266610,
         2.0 * (784 * 300 + 300 * 100 + 1000)},
        {"[net]\nwidth=8\nheight=8\nchannels=4\n[conv]\nfilters=6\nsize=3\ngroups=2\nbatch_normalize=1\n",
         6 * 2 * 9 + 12, 2.0 * 36 * 6 * 18},
        {"[net]\nwidth=8\nheight=8\nchannels=4\n[conv]\nfilters=6\nbatch_normalize=1\nbias=1\n", 6 * 4 + 6 + 12,
         2.0 * 64 * 24},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct net net;
        net_describe(&net, all[i].text);
        assert_int_equal(net.graph.parameters, all[i].parameters);
        assert_float_equal(net.graph.flops, all[i].flops, 0.5);
        net_free(&net);
    }
}

static void slots(void **state) {
    (void)state;
    struct net net;
    net_describe(&net, "[net]\nwidth=8\nheight=8\nchannels=4\n[conv]\nfilters=6\nsize=3\nbatch_normalize=1\nfreeze=1\n"
                       "[conn]\noutput=5\nlearning_rate=0.5\n[conv]\ninit=uniform\ninit_min=-1\ninit_max=2\n");
    const struct node *conv = &net.graph.nodes[net.graph.layers[0].first], *norm = conv + 1;
    const struct node *connected_ = &net.graph.nodes[net.graph.layers[1].first],
                      *drawn = &net.graph.nodes[net.graph.layers[2].first];
    assert_string_equal(conv->slots[0].suffix, "weight");
    assert_int_equal(conv->slot_count, 1);
    assert_true(conv->slots[0].frozen && conv->slots[0].decays && norm->slots[0].frozen && !norm->slots[0].decays);
    assert_int_equal(conv->slots[0].init.kind, INIT_HE_NORMAL);
    assert_int_equal(conv->slots[0].fan_in, 36);
    assert_string_equal(norm->slots[3].suffix, "running_var");
    assert_int_equal(norm->slots[3].kind, SLOT_STATE);
    assert_int_equal(connected_->slots[0].init.kind, INIT_GLOROT_UNIFORM);
    assert_float_equal(connected_->slots[1].rate, 0.5, 0);
    assert_false(connected_->slots[1].decays);
    assert_int_equal(drawn->slots[0].init.kind, INIT_UNIFORM);
    assert_float_equal(drawn->slots[0].init.b, 2, 0);
    assert_int_equal(net.graph.trainable, net.graph.parameters - 6 * 36 - 12);
    net_free(&net);
}

/* ---- refusals ---- */

static void refusals(void **state) {
    (void)state;
    static const struct { const char *layers, *want;
    } all[] = {
        {"[maxpool]\nsize=9\npadding=valid\n", "cfg:6: [maxpool] size: the window 9x9 is larger than its input 6x4"},
        {"[maxpool]\nsize=9\npad_each=1\n",
         "cfg:6: [maxpool] size: the window 9x9 is larger than its padded input 8x6"},
        {"[maxpool]\nsize=2\npad_each=2\n",
         "cfg:7: [maxpool] pad_each: want less padding than the window 2x2, got 2x2"},
        {"[maxpool]\nsize=2\npadding=valid\npad_each=1\n", "cfg:8: [maxpool] pad_each: stands beside padding="},
        {"[maxpool]\nsize=2\npadding=half\n",
         "cfg:7: [maxpool] padding: want a number in 0..65535, same or valid, got \"half\""},
        {"[maxpool]\nsize=300\n", "cfg:6: [maxpool] size: want a window of at most 65535 places, got 300x300"},
        {"[avgpool]\nsize=2\npadding=1\n", "cfg:7: [avgpool] padding: "},
        {"[convolutional]\nsize=7\n", "cfg:6: [convolutional] size: the window 7x7 is larger than its input 6x4"},
        {"[convolutional]\nsize=3\ndilation=4\n",
         "cfg:6: [convolutional] size: the window 9x9 is larger than its input 6x4"},
        {"[convolutional]\nsize=3\npadding=3\n",
         "cfg:7: [convolutional] padding: want less padding than the window 3x3, got 3x3"},
        {"[convolutional]\npadding=1.5\n",
         "cfg:6: [convolutional] padding: want a number in 0..65535, same or valid, got \"1.5\""},
        {"[convolutional]\nfilters=4\ngroups=2\n", "cfg:7: [convolutional] groups: "},
        {"[convolutional]\nbinary=1\n", "cfg:6: [convolutional] binary: "},
        {"[lrn]\nsize=4\n", "cfg:6: [lrn] size: want an odd number of channels, got 4"},
        {"[lrn]\nkappa=0\n", "cfg:6: [lrn] kappa: want more than 0"},
        {"[softmax]\ngroups=5\n", "cfg:6: [softmax] groups: 5 parts do not divide the 72 values evenly"},
        {"[softmax]\ntree=x\n", "cfg:6: [softmax] tree: "},
        {"[route]\n", "cfg:5: [route] layers: is missing"},
        {"[route]\nlayers=-1\ninput=0\n", "cfg:7: [route] input: "},
        {"[route]\nlayers=0\n", "cfg:6: [route] layers: \"0\" is this layer or a later one"},
        {"[route]\nlayers=-2\n",
         "cfg:6: [route] layers: -2 reaches before the network's input: there are 0 layers before this one"},
        {"[route]\nlayers=-1\ngroups=2\n", "cfg:7: [route] groups: 2 parts do not divide the 3 channels"},
        {"[route]\nlayers=-1\ngroups=3\ngroup_id=3\n", "cfg:8: [route] group_id: want less than groups=3, got 3"},
        {"[avgpool]\nname=pool\n[route]\nlayers=pool,-2\n",
         "cfg:8: [route] layers: want maps of one height and width, got 3 and 3x6x4"},
        {"[avgpool]\nname=pool\n[route]\nlayers=pol\n",
         "cfg:8: [route] layers: there is no layer \"pol\"; did you mean \"pool\"?"},
        {"[shortcut]\n", "cfg:5: [shortcut] from: is missing"},
        {"[maxpool]\nsize=1\nstride_x=2\n[shortcut]\nfrom=-2\n", "cfg:9: [shortcut] from: want maps of one size"},
        {"[activation]\nactivation=rulu\n", "cfg:6: [activation] activation: "},
        {"[dropout]\nprobability=1\n", "cfg:6: [dropout] probability: "},
        {"[cost]\ninput=nothing\n", "cfg:6: [cost] input: there is no layer \"nothing\""},
        {"[connected]\nname=a\noutput=3\n[softmax]\n[connected]\ninput=a\noutput=9\n[softmax]\n",
         "cfg:8: [softmax]: its loss is of 3 values, but the network's output has 9"},
        {"[connected]\nname=a\noutput=3\n[cost]\ntype=hinge\n[connected]\ninput=a\noutput=9\n[softmax]\n",
         "cfg:8: [cost]: its loss is of 3 values, but the network's output has 9"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char text[256];
        snprintf(text, sizeof text, "[net]\nwidth=4\nheight=6\nchannels=3\n%s", all[i].layers);
        const char *got = net_refusal(text);
        if (!got || strncmp(got, all[i].want, strlen(all[i].want)) != 0) {
            fail_msg("want: %s...\n got: %s\n", all[i].want, got ? got : "(accepted)");
        }
    }
}

/* ---- losses ---- */

static int loses(const struct net *net, const char *name) {
    struct err err = {0};
    int layer = graph_find_layer(&net->graph, name, &err);
    assert_true(layer >= 0);
    return layer_has_loss(&net->graph.nodes[net->graph.layers[layer].first]);
}

static void which_loss(void **state) {
    (void)state;
    struct net net;
    net_describe(&net, "[net]\ninputs=4\n[softmax]\n[cost]\n");
    assert_true(loses(&net, "softmax1") && !loses(&net, "cost1"));
    assert_int_equal(net.graph.classes, 4);
    assert_int_equal(net.graph.output, net.graph.layers[0].last);
    net_free(&net);
    net_describe(&net, "[net]\ninputs=4\n[softmax]\nnoloss=1\n[cost]\n");
    assert_true(!loses(&net, "softmax1") && loses(&net, "cost1"));
    net_free(&net);
    net_describe(&net, "[net]\ninputs=4\n[softmax]\n[connected]\n[cost]\n");
    assert_true(!loses(&net, "softmax1") && loses(&net, "cost1"));
    assert_int_equal(net.graph.classes, 0);
    net_free(&net);
    net_describe(&net, "[net]\ninputs=4\n[connected]\nname=trunk\noutput=4\n[softmax]\nloss_weight=0.3\n[connected]"
                       "\ninput=trunk\noutput=4\n[softmax]\n");
    assert_true(loses(&net, "softmax1") && loses(&net, "softmax2"));
    net_free(&net);
}

/* Two classifiers on one trunk: the loss is the weighted sum, and both send gradients back. */
static void auxiliary(void **state) {
    (void)state;
    struct net net;
    const int32_t labels[] = {1, 0};
    const float x[] = {1, 0, 0, 1}, zero[4] = {0};
    net_make(
        &net,
        "[net]\ninputs=2\n[connected]\nname=trunk\noutput=2\nactivation=linear\nbias=0\n[softmax]\nloss_weight=0.5\n"
        "[softmax]\ninput=trunk\n",
        2, 1);
    net.truth.labels = labels;
    net_set(&net, "trunk.weight", zero);
    pass(&net, x);
    assert_float_equal(net.loss[0], 1.5 * log(2), 1e-6);
    run_zero(&net.plan, &net.exec);
    run_backward(&net.plan, &net.exec);
    /* (0.5 + 1) * (p - target) * x / batch */
    near(net_value(&net, "trunk.weight")->grad, (const float[]){0.375f, -0.375f, -0.375f, 0.375f}, 4, 1e-6);
    net_free(&net);
}

/* ---- every layer says what it is ---- */

static void examples(void **state) {
    (void)state;
    for (size_t i = 0; layer_list[i]; i++) {
        const struct layer_ops *ops = layer_list[i];
        char text[512];
        int symbols = ops == &layer_embedding || ops == &layer_onehot;
        assert_non_null(ops->help);
        snprintf(text, sizeof text, "[net]\n%s\n[activation]\n[activation]\n[activation]\n[activation]\n%s",
                 symbols ? "inputs=1" : "width=16\nheight=16\nchannels=3", ops->example);
        const char *refused = net_refusal(text);
        if (refused) {
            fail_msg("%s: %s", ops->name, refused);
        }
        assert_ptr_equal(layer_find(ops->name), ops);
    }
    assert_ptr_equal(layer_find("conv"), &layer_convolutional);
    assert_ptr_equal(layer_find("normalization"), &layer_lrn);
    assert_null(layer_find("con"));
    assert_null(layer_find(""));
    assert_null(layer_find("input"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges),       cmocka_unit_test(strided),    cmocka_unit_test(maximum),
        cmocka_unit_test(average),     cmocka_unit_test(connected),  cmocka_unit_test(softmax),
        cmocka_unit_test(hinge),       cmocka_unit_test(batchnorm),  cmocka_unit_test(lrn),
        cmocka_unit_test(activations), cmocka_unit_test(dropout),    cmocka_unit_test(joined),
        cmocka_unit_test(shapes),      cmocka_unit_test(counts),     cmocka_unit_test(slots),
        cmocka_unit_test(refusals),    cmocka_unit_test(which_loss), cmocka_unit_test(auxiliary),
        cmocka_unit_test(examples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
