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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(thin_filters_take_narrow_vectors), cmocka_unit_test(connected_layers_of_few_rows_train_unpacked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
