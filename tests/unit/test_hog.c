/* Histograms of oriented gradients: a case by hand, against numpy's in another formulation (fixtures/make_hog.py), and
 * what is refused. */
#include "base/npy.h"
#include "layers_fixture.h"

/* A ramp to the right: every direction is 0 degrees, half way between the last bin and the first; so each of the four cells
 * of the block has two equal numbers. */
static void ramp(void **state) {
    (void)state;
    struct net net;
    float x[4 * 4];
    for (int i = 0; i < 16; i++) {
        x[i] = (float)(i % 4);
    }
    net_make(&net, "[net]\nwidth=4\nheight=4\nchannels=1\n[hog]\ncell=2\nblock=2\nbins=4\n", 1, 0);
    run_forward(&net.plan, &net.exec, x);
    const float *y = net.plan.output->data;
    for (int i = 0; i < 16; i++) {
        double want = i % 4 == 0 || i % 4 == 3 ? 1 / sqrt(8) : 0;
        assert_float_equal(y[i], want, 1e-4);
    }
    net_free(&net);
}

static void read_array(const char *path, struct npy *array) {
    struct err err = {0};
    if (npy_read(path, array, &err) != 0) {
        fail_msg("%s", err.sentences[0]);
    }
}

static void numpy(void **state) {
    (void)state;
    struct npy x, y;
    struct net net;
    read_array("tests/fixtures/hog_x.npy", &x);
    read_array("tests/fixtures/hog_y.npy", &y);
    net_make(&net, "[net]\nwidth=27\nheight=20\nchannels=3\n[hog]\ncell=6\nblock=2\nbins=9\n", 2, 0);
    run_forward(&net.plan, &net.exec, x.data);
    assert_int_equal(shape_count(net.plan.output->shape) * 2, y.count);
    const float *got = net.plan.output->data;
    double worst = 0;
    for (size_t i = 0; i < y.count; i++) {
        worst = fmax(worst, fabs((double)got[i] - y.data[i]));
    }
    print_message("worst error %.2e\n", worst);
    assert_true(worst < 1e-6);
    net_free(&net);
    npy_free(&x);
    npy_free(&y);
}

static void refusals(void **state) {
    (void)state;
    assert_string_equal(net_refusal("[net]\nwidth=8\nheight=8\nchannels=1\n[hog]\ncell=8\nblock=2\n"),
                        "cfg:6: [hog] cell: the input of 8x8 has 1x1 whole cells: too few for a block of 2x2");
    assert_string_equal(net_refusal("[net]\nwidth=8\nheight=8\nchannels=1\n[convolutional]\n[hog]\ncell=4\n[connected]\n"
                                    "[cost]\n"),
                        "cfg:6: [hog]: has no gradient, but \"convolutional1\" before it learns: want freeze=1 there");
    assert_null(net_refusal("[net]\nwidth=8\nheight=8\nchannels=1\n[convolutional]\nfreeze=1\n[hog]\ncell=4\n[connected]\n"
                            "[cost]\n"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(ramp), cmocka_unit_test(numpy), cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
