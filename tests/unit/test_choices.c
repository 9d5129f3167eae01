/* Which way a plan chooses where results would be right either way: those that were measured to be faster. */
#include "layers_fixture.h"

extern const struct conv_kernel conv_nhwc_thin_avx2_f32, conv_nhwc_thin_avx2_bf16;

/* The kernel of the network's first layer; NULL: it has none. */
static const struct conv_kernel *chosen(const char *text, struct plan_options options) {
    struct net net;
    net_describe(&net, text);
    options.threads = 1, options.keep_layer = -1;
    net_plan(&net, &options, options.batch, NULL);
    const struct conv_kernel *kernel = net.plan.ops[net.plan.op_of_node[net.graph.layers[0].last]].kernel;
    net_free(&net);
    return kernel;
}

/* Filters of at most eight channels fill AVX2's vectors and half of AVX-512's, of which the CPU does half as many: one picture takes the former. */
static void thin_filters_take_narrow_vectors(void **state) {
    static const char thin[] = "[net]\nwidth=32\nheight=32\nchannels=3\n[convolutional]\nfilters=6\nsize=5\nactivation=linear\n";
    static const char wide[] = "[net]\nwidth=32\nheight=32\nchannels=3\n[convolutional]\nfilters=9\nsize=5\nactivation=linear\n";
    (void)state;
    if (!cpu_can(ISA_AVX512)) {
        skip();
    }
    for (int isa = ISA_AVX512; isa < ISA_COUNT; isa++) {
        struct plan_options options = {.isa = (enum isa)isa, .dtype = DTYPE_F32, .batch = 1};
        if (cpu_can((enum isa)isa)) {
            assert_ptr_equal(chosen(thin, options), &conv_nhwc_thin_avx2_f32);
            assert_ptr_not_equal(chosen(wide, options), &conv_nhwc_thin_avx2_f32);
            options.dtype = DTYPE_BF16;
            assert_ptr_equal(chosen(thin, options), &conv_nhwc_thin_avx2_bf16);
        }
    }
}

/* The weights of a connected layer are packed for bfloat16's products where they meet many rows, or in inference, where they are packed once. */
static void connected_layers_of_few_rows_train_unpacked(void **state) {
    static const char text[] = "[net]\ninputs=300\n[connected]\noutput=200\nactivation=linear\n[cost]\n";
    int seen = 0;
    (void)state;
    for (int isa = ISA_BF16; isa < ISA_COUNT; isa++) {
        if (cpu_can((enum isa)isa)) {
            seen++;
            assert_null(chosen(text, (struct plan_options){.isa = (enum isa)isa, .dtype = DTYPE_BF16, .batch = 256, .training = 1}));
            assert_non_null(chosen(text, (struct plan_options){.isa = (enum isa)isa, .dtype = DTYPE_BF16, .batch = 257, .training = 1}));
            assert_non_null(chosen(text, (struct plan_options){.isa = (enum isa)isa, .dtype = DTYPE_BF16, .batch = 256}));
        }
    }
    if (seen == 0) {
        skip();
    }
}

/* Counts the ops of the layers before `layer` whose backward runs. */
struct before { int layer, seen; };

static void see_before(void *arg, const struct op *op, int backward, int begin) {
    struct before *before = arg;
    before->seen += backward && begin && op->node->layer < before->layer;
}

/* Gradients of a step in that epoch (malloc'ed), and how many ops before layer 2 had a backward. */
static char *step_of_epoch(struct net *net, uint64_t epoch, const float *input, int *seen) {
    struct before before = {.layer = 2};
    plan_epoch(&net->plan, epoch);
    run_zero(&net->plan, &net->exec);
    run_forward(&net->plan, &net->exec, input);
    run_backward_watched(&net->plan, &net->exec, &(struct run_watch){see_before, &before});
    *seen = before.seen;
    char *gradients = mem_need(net->plan.gradient_bytes, 1);
    memcpy(gradients, net->plan.gradients, net->plan.gradient_bytes);
    return gradients;
}

/* Once a first layer's biases, all that it learns, have had their epochs, nothing is computed for it any more; the others' gradients stay. */
static void what_rests_has_no_backward(void **state) {
    static const char text[] = "[net]\nwidth=6\nheight=6\nchannels=2\n[convolutional]\nname=a\nfilters=4\nsize=3\nfreeze_weights=1\nbias_epochs=2\nactivation=gelu\n"
        "[maxpool]\nsize=2\nstride=2\n[convolutional]\nfilters=3\nsize=2\n[connected]\noutput=2\nactivation=linear\n[softmax]\n";
    struct net net;
    int32_t labels[] = {0, 1, 1};
    float input[3 * 2 * 6 * 6];
    int first, resting, again;
    (void)state;
    for (size_t i = 0; i < sizeof input / sizeof *input; i++) {
        input[i] = (float)(i * 7919 % 97) / 97 - 0.5f;
    }
    net_describe(&net, text);
    net_plan(&net, &(struct plan_options){.isa = ISA_BASE, .dtype = DTYPE_F32, .batch = 3, .training = 1, .threads = 1, .keep_layer = -1}, 3, NULL);
    net.truth.labels = labels;
    plan_init(&net.plan, 1);
    run_pack(&net.plan, &net.exec);
    char *learning = step_of_epoch(&net, 1, input, &first), *rested = step_of_epoch(&net, 2, input, &resting), *back = step_of_epoch(&net, 0, input, &again);
    size_t bias = (size_t)((char *)net_value(&net, "a.bias")->grad - (char *)net.plan.gradients);
    float none[4] = {0};
    assert_true(first > 0 && again == first && resting == 0);
    assert_memory_equal(learning, back, net.plan.gradient_bytes);
    assert_memory_not_equal(learning + bias, none, sizeof none);
    assert_memory_equal(rested + bias, none, sizeof none);
    memcpy(rested + bias, learning + bias, sizeof none);
    assert_memory_equal(rested, learning, net.plan.gradient_bytes);
    free(learning);
    free(rested);
    free(back);
    net_free(&net);
}

static int sets_weight(struct net *net) {
    return net->plan.ops[net->plan.op_of_node[net_value(net, "a.weight")->node->index]].sets_weight;
}

/* The gradients of a step (malloc'ed) whose memory held `stale` everywhere before. */
static char *step_over(struct net *net, int fresh, double stale, const float *input) {
    const struct value *first = net_value(net, "a.weight");
    size_t real = net->plan.target.kernels->dtype == DTYPE_F64 ? sizeof(double) : sizeof(float);
    for (int i = 0; i < net->plan.value_count; i++) {
        const struct value *v = &net->plan.values[i];
        for (size_t j = 0; v->grad != NULL && j < v->slot->count; j++) {
            real == sizeof(double) ? (((double *)v->grad)[j] = stale) : (double)(((float *)v->grad)[j] = (float)stale);
        }
    }
    net->exec.fresh = fresh;
    run_zero(&net->plan, &net->exec);
    double left = real == sizeof(double) ? *(double *)first->grad : (double)*(float *)first->grad;
    assert_true(left == (fresh && sets_weight(net) ? stale : 0));
    run_forward(&net->plan, &net->exec, input);
    run_backward(&net->plan, &net->exec);
    char *gradients = mem_need(net->plan.gradient_bytes, 1);
    memcpy(gradients, net->plan.gradients, net->plan.gradient_bytes);
    return gradients;
}

static int fresh_pass_on(enum isa isa, enum dtype dtype) {
    static const char text[] = "[net]\nwidth=6\nheight=6\nchannels=2\n[convolutional]\nfilters=4\nsize=3\n[convolutional]\nfilters=5\nsize=2\nflip_kernel=1\n"
        "[deconvolutional]\nfilters=3\nsize=2\n[connected]\nname=a\noutput=40\nactivation=tanh\n"
        "[connected]\nname=b\noutput=2\nactivation=linear\n[softmax]\n";
    struct net net;
    int32_t labels[] = {0, 1, 1};
    float input[3 * 2 * 6 * 6];
    for (size_t i = 0; i < sizeof input / sizeof *input; i++) {
        input[i] = (float)(i * 7919 % 97) / 97 - 0.5f;
    }
    net_describe(&net, text);
    net_plan(&net, &(struct plan_options){.isa = isa, .dtype = dtype, .batch = 3, .training = 1, .threads = 1, .keep_layer = -1}, 3, NULL);
    net.truth.labels = labels;
    plan_init(&net.plan, 1);
    run_pack(&net.plan, &net.exec);
    char *added = step_over(&net, 0, 0x1p100, input), *set = step_over(&net, 1, 0x1p100, input);
    assert_memory_equal(added, set, net.plan.gradient_bytes);
    net.exec.fresh = 0;
    run_forward(&net.plan, &net.exec, input);
    run_backward(&net.plan, &net.exec);
    const struct value *b = net_value(&net, "b.weight");
    size_t at = (size_t)((char *)b->grad - (char *)net.plan.gradients);
    for (size_t i = 0; i < b->slot->count && dtype != DTYPE_F64; i++) {   /* the pass that follows adds */
        float once;
        memcpy(&once, set + at + i * sizeof once, sizeof once);
        assert_true(((float *)b->grad)[i] == 2 * once && once != 0);
    }
    int sets = sets_weight(&net);
    free(added);
    free(set);
    net_free(&net);
    return sets;
}

/* An update's first pass sets the gradients of layers' weights, over whatever lies there, and the next adds to them. */
static void a_fresh_pass_sets_gradients(void **state) {
    (void)state;
    int sets = fresh_pass_on(ISA_BASE, DTYPE_F64);
    for (int isa = ISA_BASE; isa < ISA_COUNT; isa++) {
        for (int dtype = DTYPE_F32; cpu_can((enum isa)isa) && dtype <= DTYPE_BF16; dtype += DTYPE_BF16 - DTYPE_F32) {
            sets += fresh_pass_on((enum isa)isa, (enum dtype)dtype);
        }
    }
    assert_true(sets > 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(thin_filters_take_narrow_vectors), cmocka_unit_test(connected_layers_of_few_rows_train_unpacked),
        cmocka_unit_test(what_rests_has_no_backward), cmocka_unit_test(a_fresh_pass_sets_gradients)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
