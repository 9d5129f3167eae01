/* Sequences of different lengths in one batch against PyTorch's packed ones (fixtures/make_padded.py): outputs up to each
 * end, loss, gradients of everything; on every element type and instruction set. */
#include "formats/format.h"
#include "layers_fixture.h"

enum { BATCH = 4, STEPS = 6 };

static struct tensor_file file;

static const struct named *find(const char *network, const char *what) {
    char name[128];
    snprintf(name, sizeof name, "%s.%s", network, what);
    const struct named *tensor = tensor_file_find(&file, name);
    if (tensor == NULL) {
        fail_msg("no %s", name);
    }
    return tensor;
}

static double worst(const float *got, const float *want, size_t count) {
    double most = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        most = fmax(most, fabs((double)got[i] - (double)want[i]));
        size = fmax(size, fabs((double)want[i]));
    }
    return size > 0 ? most / size : most;
}

static void set_parameters(struct net *net, const char *network) {
    size_t prefix = strlen(network) + strlen(".param.");
    for (size_t i = 0; i < file.count; i++) {
        const struct named *t = &file.tensors[i];
        if (strncmp(t->name, network, strlen(network)) == 0 && strstr(t->name, ".param.") != NULL) {
            net_set(net, t->name + prefix, t->data);
        }
    }
}

static double worst_gradient(struct net *net, const char *network) {
    double most = 0;
    size_t prefix = strlen(network) + strlen(".grad.");
    for (size_t i = 0; i < file.count; i++) {
        const struct named *t = &file.tensors[i];
        if (strncmp(t->name, network, strlen(network)) == 0 && strstr(t->name, ".grad.") != NULL) {
            struct value v = *net_value(net, t->name + prefix);
            float *got = mem_need(t->count, sizeof *got);
            v.data = v.grad;
            value_get(&net->plan, &v, got);
            most = fmax(most, worst(got, t->data, t->count));
            free(got);
        }
    }
    return most;
}

/* Rows that have a label. */
static double worst_output(const struct net *net, const struct named *want, const int32_t *labels, size_t rows) {
    float *y = tensor_floats(net, net->plan.output, net->plan.output->data);
    size_t classes = want->count / rows;
    double most = 0;
    for (size_t r = 0; r < rows; r++) {
        most = labels[r] < 0 ? most : fmax(most, worst(y + r * classes, want->data + r * classes, classes));
    }
    free(y);
    return most;
}

static void compare(const char *network, const char *text, const struct plan_options *options, double tolerance) {
    struct net net;
    int32_t labels[BATCH * STEPS];
    const struct named *given = find(network, "labels");
    size_t counted = 0;
    double loss = 0;
    net_describe(&net, text);
    net_plan(&net, options, BATCH, NULL);
    set_parameters(&net, network);
    for (size_t i = 0; i < given->count; i++) {
        labels[i] = (int32_t)given->data[i];
        counted += labels[i] >= 0;
    }
    net.truth = (struct truth){.labels = labels, .mean_weight = 1};
    net.exec.loss_scale = 1 / (double)counted;
    run_pack(&net.plan, &net.exec);
    run_forward(&net.plan, &net.exec, find(network, "x")->data);
    for (size_t i = 0; i < given->count; i++) {
        loss += net.loss[i] / (double)counted;
    }
    double output = worst_output(&net, find(network, "y"), labels, given->count);
    run_zero(&net.plan, &net.exec);
    run_backward(&net.plan, &net.exec);
    double gradient = worst_gradient(&net, network);
    print_message("%s: output %.1e, loss %.1e, gradients %.1e\n", network, output,
                  fabs(loss - (double)find(network, "loss")->data[0]), gradient);
    assert_true(output < tolerance && gradient < tolerance);
    assert_float_equal(loss, find(network, "loss")->data[0], tolerance);
    net_free(&net);
}

static void on(struct plan_options options, double tolerance) {
    options.batch = BATCH;
    options.training = 1;
    options.threads = 1;
    options.keep_layer = -1;
    compare("tagger", "[net]\ninputs=1\ntime_steps=6\n[embedding]\nsize=7\noutput=4\n[gru]\nname=r1\noutput=4\n"
            "bidirectional=1\n[lstm]\nname=r2\noutput=3\nbidirectional=1\n[rnn]\nname=r3\noutput=5\n[connected]\noutput=3\n"
            "activation=linear\n[softmax]\n", &options, tolerance);
    compare("classifier", "[net]\ninputs=1\ntime_steps=6\n[embedding]\nsize=7\noutput=4\n[rnn]\nname=r1\noutput=4\n"
            "bidirectional=1\n[gru]\nname=r2\noutput=3\n[lstm]\nname=r3\noutput=5\nbidirectional=1\nsequence=last\n"
            "[connected]\noutput=3\nactivation=linear\n[softmax]\n", &options, tolerance);
}

static void float32(void **state) {
    (void)state;
    for (int isa = 0; isa < ISA_COUNT; isa++) {
        if (cpu_can((enum isa)isa)) {
            on((struct plan_options){.isa = (enum isa)isa, .dtype = DTYPE_F32}, 2e-6);
        }
    }
}

static void float64(void **state) {
    (void)state;
    on((struct plan_options){.isa = ISA_BASE, .ref_only = 1, .dtype = DTYPE_F64}, 3e-7);
}

static void bfloat16(void **state) {
    (void)state;
    on((struct plan_options){.isa = ISA_BASE, .dtype = DTYPE_BF16}, 3e-2);
}

static int open_file(void **state) {
    struct err err = {0};
    (void)state;
    return format_read("tests/fixtures/padded.safetensors", &file, &err);
}

static int close_file(void **state) {
    (void)state;
    tensor_file_free(&file);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(float32), cmocka_unit_test(float64), cmocka_unit_test(bfloat16)};
    return cmocka_run_group_tests(tests, open_file, close_file);
}
