/* Methods besides layers and optimizers: RandAugment, mixing, test-time views, calibration, fractional pooling, stochastic depth and soft labels,
 * against Pillow and PyTorch (fixtures/make_methods.py) and cases worked by hand. */
#include <float.h>

#include "layers_fixture.h"

#include "calibrate.h"
#include "formats/format.h"
#include "sources/parts.h"
#include "tta.h"

static struct tensor_file fixture;

static int fixture_open(void **state) {
    struct err err = {0};
    (void)state;
    return format_read("tests/fixtures/methods.safetensors", &fixture, &err);
}

static int fixture_close(void **state) {
    (void)state;
    tensor_file_free(&fixture);
    return 0;
}

static const struct named *find(const char *name) {
    const struct named *tensor = tensor_file_find(&fixture, name);
    if (tensor == NULL) {
        fail_msg("the fixture has no %s", name);
    }
    return tensor;
}

/* max |difference| / max |reference| */
static double error_of(const float *values, const char *name) {
    const struct named *wanted = find(name);
    double most = 0, size = 0;
    for (size_t i = 0; i < wanted->count; i++) {
        most = fmax(most, fabs((double)values[i] - (double)wanted->data[i]));
        size = fmax(size, fabs((double)wanted->data[i]));
    }
    return most / size;
}

/* ---- RandAugment ---- */

static struct image picture(const char *name) {
    const struct named *of = find(name);
    struct image image = {(int)of->dims[1], (int)of->dims[0], (int)of->dims[2], malloc(of->count)};
    for (size_t i = 0; i < of->count; i++) {
        image.pixels[i] = (uint8_t)of->data[i];
    }
    return image;
}

static void changes_like_pillow(void **state) {
    (void)state;
    static const char *const pictures[] = {"picture", "picture.grey"};
    struct err err = {0};
    int bad = 0;
    for (int i = 0; i < 2 * 2 * RANDAUGMENT_CHANGES; i++) {
        int which = i / 4, negative = i / 2 % 2, most = 0;
        char name[64];
        snprintf(name, sizeof name, "%s.change.%d.%s", pictures[i % 2], which, negative ? "minus" : "plus");
        const struct named *wanted = find(name);
        struct image image = picture(pictures[i % 2]);
        assert_int_equal(randaugment_change(&image, which, 9, negative, &err), 0);
        for (size_t k = 0; k < wanted->count; k++) {
            int off = abs((int)image.pixels[k] - (int)wanted->data[k]);
            most = off > most ? off : most;
        }
        if (most > 1) {
            print_message("%s: %d levels off\n", name, most);
            bad = 1;
        }
        image_free(&image);
    }
    assert_false(bad);
}

/* ---- mixing ---- */

enum { SIDE = 6, AREA = SIDE * SIDE, CLASSES = 4, MOST_SAMPLES = 5 };
struct mixing { struct augment augment; struct preprocess p; float input[MOST_SAMPLES * AREA], shares[MOST_SAMPLES * CLASSES]; int32_t labels[MOST_SAMPLES]; struct batch batch; };

/* Sample i is all i + 1, of class i % 4. */
static void mixing_make(struct mixing *m, double mixup, double cutmix, int count) {
    *m = (struct mixing){.augment = {.mixup = mixup, .cutmix = cutmix}, .p = {.channels = 1, .height = SIDE, .width = SIDE}};
    for (int i = 0; i < count; i++) {
        m->labels[i] = i % CLASSES;
        for (int k = 0; k < AREA; k++) {
            m->input[i * AREA + k] = (float)(i + 1);
        }
    }
    m->batch = (struct batch){.count = count, .input = m->input, .labels = m->labels, .shares = m->shares};
}

static void mix_at(struct mixing *m, uint64_t at) {
    mix_batch(&(struct mix){&m->augment, &m->p, 3, 1, at, CLASSES}, &m->batch);
}

/* What the shares say is what the values are made of. */
static void check_mixed(const struct mixing *m, int count) {
    for (int i = 0; i < count; i++) {
        double sum = 0, values = 0, wanted = 0;
        int j = count - 1 - i;
        float mine = m->shares[i * CLASSES + i % CLASSES], other = m->shares[i * CLASSES + j % CLASSES];
        for (int c = 0; c < CLASSES; c++) {
            sum += (double)m->shares[i * CLASSES + c];
        }
        for (int k = 0; k < AREA; k++) {
            values += (double)m->input[i * AREA + k] / AREA;
        }
        wanted = i % CLASSES == j % CLASSES ? values : (double)mine * (i + 1) + (double)other * (j + 1);
        assert_true(fabs(sum - 1) < 1e-6);
        assert_true(fabs(values - wanted) < 1e-5);
        assert_true(mine >= 0.5f - 1e-6f || m->augment.cutmix > 0);
    }
}

static void mixes(void **state) {
    (void)state;
    struct mixing m, again;
    double mean = 0;
    enum { DRAWS = 2000 };
    for (uint64_t at = 0; at < DRAWS; at++) {
        mixing_make(&m, 1, 0, 4);
        mix_at(&m, at);
        check_mixed(&m, 4);
        mean += (double)m.shares[0] / DRAWS;
        mixing_make(&again, 1, 0, 4);
        mix_at(&again, at);
        assert_memory_equal(m.input, again.input, sizeof m.input);
        mixing_make(&m, 0, 1, 4);
        mix_at(&m, at);
        check_mixed(&m, 4);
        mixing_make(&m, 0.2, 1, 4);
        mix_at(&m, at);
        check_mixed(&m, 4);
    }
    assert_true(fabs(mean - 0.75) < 0.01);   /* of Beta(1, 1), the larger part */
}

/* The middle of an odd batch has no other; what has no label is left alone, and so is who would go with it. */
static void mixes_what_can_be(void **state) {
    (void)state;
    struct mixing m;
    mixing_make(&m, 1, 0, 5);
    m.labels[4] = -1;
    mix_at(&m, 7);
    assert_true(m.input[0] == 1 && m.input[4 * AREA] == 5 && m.input[2 * AREA] == 3);
    assert_true(m.shares[0] == 1 && m.shares[2 * CLASSES + 2] == 1 && m.shares[4 * CLASSES] == 0);
    assert_true(m.input[AREA] != 2 && m.input[3 * AREA] != 4);
}

/* Beta(alpha, alpha) has the variance 1 / (4 (2 alpha + 1)). */
static void shares_are_of_beta(void **state) {
    (void)state;
    static const double alphas[] = {0.2, 1, 5};
    enum { DRAWS = 20000 };
    for (int i = 0; i < 3; i++) {
        double variance = 0;
        for (uint64_t at = 0; at < DRAWS; at++) {
            struct mixing m;
            mixing_make(&m, alphas[i], 0, 2);
            mix_at(&m, at);
            variance += ((double)m.shares[0] - 0.5) * ((double)m.shares[0] - 0.5) / DRAWS;
        }
        double wanted = 1 / (4 * (2 * alphas[i] + 1));
        assert_true(fabs(variance / wanted - 1) < 0.05);
    }
}

/* ---- views ---- */

static void views(void **state) {
    (void)state;
    const float picture[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, mirrored[] = {3, 2, 1, 6, 5, 4, 9, 8, 7};
    const float moved[] = {5, 6, 5, 8, 9, 8, 5, 6, 5}, back[] = {5, 4, 5, 2, 1, 2, 5, 4, 5};   /* each its own mirror image */
    const float *const wanted[] = {picture, mirrored, moved, moved, back, back};
    float twice[18], to[18];
    memcpy(twice, picture, sizeof picture);
    memcpy(twice + 9, picture, sizeof picture);
    double sum = 0;
    for (int v = 0; v < tta_views(TTA_MIRROR_TRANSLATE); v++) {
        tta_view(v, (struct shape){1, 2, 3, 3}, 1, twice, to);
        sum += tta_weight(TTA_MIRROR_TRANSLATE, v);
        for (int i = 0; i < 18; i++) {
            if (to[i] != wanted[v][i % 9]) {
                fail_msg("view %d, place %d: want %g, got %g", v, i, (double)wanted[v][i % 9], (double)to[i]);
            }
        }
    }
    assert_true(sum == 1 && tta_weight(TTA_MIRROR, 1) == 0.5 && tta_views(TTA_NONE) == 1);
}

/* Weighted sums of logits by hand, through the probabilities that a network would give for them; one is beyond a float's. */
static void views_averaged(void **state) {
    (void)state;
    static const float logits[6][3] = {{1, 2, 3}, {3, 0, -1}, {0, 1, 0}, {2, 2, 2}, {-1, 4, 0}, {0, 0, -200}};
    static const double weights[6] = {0.25, 0.25, 0.125, 0.125, 0.125, 0.125};
    struct graph classifier = {.gives_probabilities = 1}, scores = {0};
    float sum[3] = {0}, plain[3] = {0}, mirror[3] = {0}, p[6][3];
    double mean[3] = {0}, total = 0;
    for (int v = 0; v < 6; v++) {
        double all = exp((double)logits[v][0]) + exp((double)logits[v][1]) + exp((double)logits[v][2]);
        for (int i = 0; i < 3; i++) {
            p[v][i] = (float)(exp((double)logits[v][i]) / all);
            mean[i] += weights[v] * (p[v][i] > 0 ? (double)logits[v][i] : log((double)FLT_MIN) + log(all));
        }
        tta_add(TTA_MIRROR_TRANSLATE, &classifier, v, p[v], 3, sum);
        tta_add(TTA_MIRROR_TRANSLATE, &scores, v, logits[v], 3, plain);
    }
    tta_finish(TTA_MIRROR_TRANSLATE, &classifier, 1, 3, sum);
    tta_finish(TTA_MIRROR_TRANSLATE, &scores, 1, 3, plain);
    for (int v = 0; v < 2; v++) {
        tta_add(TTA_MIRROR, &classifier, v, p[v], 3, mirror);
    }
    tta_finish(TTA_MIRROR, &classifier, 1, 3, mirror);
    for (int i = 0; i < 3; i++) {
        total += exp(mean[i]);
    }
    for (int i = 0; i < 3; i++) {
        double scored = 0;
        for (int v = 0; v < 6; v++) {
            scored += weights[v] * (double)logits[v][i];
        }
        assert_true(fabs((double)sum[i] - exp(mean[i]) / total) < 1e-6);
        assert_true(fabs((double)plain[i] - scored) < 1e-5);
        assert_true(fabs((double)mirror[i] - ((double)p[0][i] + (double)p[1][i]) / 2) < 1e-7);
    }
}

/* NaN is no probability of next to nothing. */
static void views_of_nan(void **state) {
    (void)state;
    static const float p[] = {NAN, 0.5f, 0.5f};
    struct graph classifier = {.gives_probabilities = 1};
    for (enum tta tta = TTA_MIRROR; tta <= TTA_MIRROR_TRANSLATE; tta++) {
        float sum[3] = {0};
        for (int v = 0; v < tta_views(tta); v++) {
            tta_add(tta, &classifier, v, p, 3, sum);
        }
        tta_finish(tta, &classifier, 1, 3, sum);
        assert_true(isnan(sum[0]));
    }
}

/* ---- calibration ---- */

static void bins(void **state) {
    (void)state;
    struct calibration c = {0};
    assert_true(isnan(calibration_error(&c)));
    calibration_add(&c, 0.9, 1);      /* one bin: (0.866, 0.933] */
    calibration_add(&c, 0.9, 0);
    calibration_add(&c, 0.3, 0);
    calibration_add(&c, 1, 1);
    assert_true(fabs(calibration_error(&c) - (fabs(1 - 1.8) + 0.3 + 0) / 4) < 1e-12);
    assert_int_equal(c.count[13], 2);
    assert_int_equal(c.count[14], 1);
}

/* Answers drawn with the odds of logits / 2.5 are as sure as they are right at that temperature. */
static void temperature(void **state) {
    (void)state;
    enum { ROWS = 20000, SOFT = 16 };
    struct logits logits = {0};
    struct rng rng = rng_make(1, RNG_CHECK, 0);
    for (int row = 0; row < ROWS; row++) {
        double x[3], odds[3], sum = 0, soft = 0, u = rng_uniform(&rng);
        float p[3];
        for (int c = 0; c < 3; c++) {
            x[c] = 6 * rng_normal(&rng);
            sum += odds[c] = exp(x[c] / 2.5);
            soft += exp(x[c] / SOFT);
        }
        for (int c = 0; c < 3; c++) {
            p[c] = (float)(exp(x[c] / SOFT) / soft);
        }
        int label = u < odds[0] / sum ? 0 : u < (odds[0] + odds[1]) / sum ? 1 : 2;
        assert_int_equal(logits_add(&logits, p, 3, SOFT, label), 0);
    }
    double t = logits_temperature(&logits);
    assert_true(fabs(t - 2.5) < 0.1);
    assert_true(logits_loss(&logits, t) < logits_loss(&logits, t * 1.05) && logits_loss(&logits, t) < logits_loss(&logits, t / 1.05));
    logits_free(&logits);
}

/* Answers that are all right want the coldest softmax, those worse than chance the hottest: there is no temperature between; nor of NaN. */
static void no_temperature(void **state) {
    (void)state;
    static const float rows[][2] = {{0.8f, 0.2f}, {0.3f, 0.7f}, {NAN, NAN}};
    static const int32_t labels[][2] = {{0, 1}, {1, 0}, {0, 1}};
    for (int i = 0; i < 3; i++) {
        struct logits logits = {0};
        for (int row = 0; row < 2; row++) {
            assert_int_equal(logits_add(&logits, i == 2 ? rows[2] : rows[row], 2, 1, labels[i][row]), 0);
        }
        assert_true(isnan(logits_temperature(&logits)));
        logits_free(&logits);
    }
}

/* calibration= divides the logits outside training alone. */
static void calibration_key(void **state) {
    (void)state;
    const float x[] = {1, 2, 4};
    for (int training = 0; training < 2; training++) {
        struct net net;
        double t = training ? 1 : 2, sum = exp(1 / t) + exp(2 / t) + exp(4 / t);
        int32_t label = 1;
        net_make(&net, "[net]\ninputs=3\n[softmax]\ncalibration=2\n", 1, training);
        net.truth.labels = &label;
        run_forward(&net.plan, &net.exec, x);
        assert_true(fabs((double)((const float *)net.plan.output->data)[2] - exp(4 / t) / sum) < 1e-6);
        assert_true(fabs(net.loss[0] + log(exp(2 / t) / sum)) < 1e-6);
        net_free(&net);
    }
}

/* ---- soft labels ---- */

static void soft_labels(void **state) {
    (void)state;
    static const char *const ends[] = {"[softmax]\n", "[cost]\ntype=cross_entropy\n"};
    for (int i = 0; i < 2; i++) {
        struct net net;
        char *text = mem_format("[net]\ninputs=4\n[connected]\nname=fc\noutput=4\nbias=0\nactivation=linear\n%s", ends[i]);
        const float one[16] = {[0] = 1, [5] = 1, [10] = 1, [15] = 1};
        int32_t labels[6] = {0, 1, 2, 3, 0, 1};
        net_make(&net, text, 6, 1);
        net_set(&net, "fc.weight", one);
        net.truth = (struct truth){.labels = labels, .values = find("soft.shares")->data, .width = 4, .label_smoothing = 0.1};
        run_pack(&net.plan, &net.exec);
        run_forward(&net.plan, &net.exec, find("soft.x")->data);
        run_zero(&net.plan, &net.exec);
        run_backward(&net.plan, &net.exec);
        float losses[6];
        for (int r = 0; r < 6; r++) {
            losses[r] = (float)net.loss[r];
        }
        assert_true(error_of(losses, "soft.loss") < 1e-5);
        assert_true(error_of(net_layer(&net, "fc")->grad, "soft.dx") < 1e-5);
        net_free(&net);
        free(text);
    }
}

/* ---- fractional pooling ---- */

static const char pool_net[] = "[net]\nchannels=3\nheight=13\nwidth=10\n[fractional_maxpool]\nname=pool\nsize=3\nratio=1.42\n";

static void pools_like_pytorch(void **state) {
    (void)state;
    struct net net;
    net_make(&net, pool_net, 2, 0);
    assert_int_equal(net.graph.nodes[net.graph.output].out.h, 9);
    assert_int_equal(net.graph.nodes[net.graph.output].out.w, 7);
    run_forward(&net.plan, &net.exec, find("pool.x")->data);
    assert_true(error_of(net.plan.output->data, "pool.y") == 0);
    net_free(&net);
}

static void pools_back_like_pytorch(void **state) {
    (void)state;
    enum { ROWS = 9, COLUMNS = 7, PLANES = 2 * 3 };
    const struct kernels *k = kernels_get(ISA_BASE, 1, DTYPE_F32);
    int rows[2 * ROWS], columns[2 * COLUMNS];
    static float y[PLANES * ROWS * COLUMNS], dx[PLANES * 130];
    static uint16_t index[PLANES * ROWS * COLUMNS];
    for (int i = 0; i < 2 * ROWS; i++) {
        rows[i] = i % ROWS == ROWS - 1 ? 10 : (int)((i % ROWS + 0.5) * 10 / 8) - (int)(0.5 * 10 / 8);
    }
    for (int i = 0; i < 2 * COLUMNS; i++) {
        columns[i] = i % COLUMNS == COLUMNS - 1 ? 7 : (int)((i % COLUMNS + 0.5) * 7 / 6) - (int)(0.5 * 7 / 6);
    }
    struct fractional f = {2, 3, 13, 10, ROWS, COLUMNS, 3, rows, columns};
    k->fractional(NULL, &f, find("pool.x")->data, y, index);
    k->fractional_back(NULL, &f, index, find("pool.dy")->data, dx, 0);
    assert_true(error_of(y, "pool.y") == 0);
    assert_true(error_of(dx, "pool.dx") < 1e-6);
    k->fractional_back(NULL, &f, index, find("pool.dy")->data, dx, 1);
    for (int i = 0; i < PLANES * 130; i++) {
        dx[i] /= 2;
    }
    assert_true(error_of(dx, "pool.dx") < 1e-6);
}

/* 5x1 to 3x1 of windows of two: they begin at 0, at 1 or 2, and at 3. A NaN wins. */
static void pools_by_hand(void **state) {
    (void)state;
    struct net net;
    const float x[] = {5, 4, 1, 2, 3, 1, NAN, 7, 0, 9};
    int seen = 0;
    net_make(&net, "[net]\nchannels=1\nheight=5\nwidth=5\n[fractional_maxpool]\nsize=2\nratio=1.6\n", 1, 1);
    float map[25];
    for (int i = 0; i < 25; i++) {
        map[i] = x[i % 5];
    }
    for (net.exec.step = 0; net.exec.step < 50; net.exec.step++) {
        run_forward(&net.plan, &net.exec, map);
        const float *y = net.plan.output->data;
        assert_true(y[0] == 5 && y[2] == 3 && (y[1] == 4 || y[1] == 2));
        seen |= y[1] == 4 ? 1 : 2;
    }
    assert_int_equal(seen, 3);
    for (int i = 0; i < 25; i++) {
        map[i] = x[5 + i % 5];
    }
    run_forward(&net.plan, &net.exec, map);
    assert_true(isnan(((const float *)net.plan.output->data)[0]));
    net_free(&net);
    assert_non_null(strstr(net_refusal("[net]\nchannels=1\nheight=5\nwidth=5\n[fractional_maxpool]\nratio=6\n"), "cfg:6: [fractional_maxpool] ratio"));
    assert_non_null(strstr(net_refusal("[net]\nchannels=1\nheight=5\nwidth=5\n[fractional_maxpool]\nsize=4\n"), "cfg:6: [fractional_maxpool] size"));
}

/* ---- darknet's crop ---- */

/* Of a map that holds its own places: the middle; in training every part, mirrored or not, and each sample its own. */
static void crops(void **state) {
    (void)state;
    enum { H = 5, W = 4, OH = 2, OW = 3, SAMPLES = 2, PARTS = (H - OH + 1) * (W - OW + 1) * 2 };
    struct net net;
    float x[SAMPLES * H * W];
    int seen[PARTS] = {0}, different = 0, parts = 0;
    for (int i = 0; i < SAMPLES * H * W; i++) {
        x[i] = (float)(i % (H * W));
    }
    net_make(&net, "[net]\nchannels=1\nheight=5\nwidth=4\n[crop]\ncrop_height=2\ncrop_width=3\n", 1, 0);
    run_forward(&net.plan, &net.exec, x);
    const float *y = net.plan.output->data;
    for (int i = 0; i < OH * OW; i++) {
        assert_true(y[i] == 2 * (float)((1 + i / OW) * W + i % OW) - 1);
    }
    net_free(&net);
    net_make(&net, "[net]\nchannels=1\nheight=5\nwidth=4\n[crop]\ncrop_height=2\ncrop_width=3\nflip=1\nnoadjust=1\n", SAMPLES, 1);
    for (net.exec.step = 0; net.exec.step < 200; net.exec.step++) {
        int part[SAMPLES];
        run_forward(&net.plan, &net.exec, x);
        y = net.plan.output->data;
        for (int n = 0; n < SAMPLES; n++, y += OH * OW) {
            int mirrored = y[0] > y[1], corner = (int)y[mirrored ? OW - 1 : 0];
            part[n] = (corner / W * (W - OW + 1) + corner % W) * 2 + mirrored;
            assert_in_range(part[n], 0, PARTS - 1);
            seen[part[n]] = 1;
            for (int i = 0; i < OH * OW; i++) {
                int column = i % OW;
                assert_true(y[i] == (float)(corner + i / OW * W + (mirrored ? OW - 1 - column : column)));
            }
        }
        different += part[0] != part[1];
    }
    for (int i = 0; i < PARTS; i++) {
        parts += seen[i];
    }
    assert_int_equal(parts, PARTS);
    assert_true(different > 100);
    net_free(&net);
    assert_non_null(strstr(net_refusal("[net]\nchannels=1\nheight=5\nwidth=5\n[crop]\ncrop_height=6\n"), "cfg:6: [crop] crop_height: 6x1 is no part of"));
}

/* ---- stochastic depth ---- */

static const char depth_net[] = "[net]\ninputs=2\n[connected]\nname=branch\noutput=2\nbias=0\nactivation=linear\n[shortcut]\nfrom=input\nsurvival=0.75\n";

static void blocks_survive(void **state) {
    (void)state;
    const float x[] = {1, -2}, weights[] = {3, 0, 0, 5};
    int survived = 0;
    enum { STEPS = 2000 };
    struct net net;
    net_make(&net, depth_net, 1, 1);
    net_set(&net, "branch.weight", weights);
    run_pack(&net.plan, &net.exec);
    for (net.exec.step = 0; net.exec.step < STEPS; net.exec.step++) {
        run_forward(&net.plan, &net.exec, x);
        const float *y = net.plan.output->data;
        int there = y[0] == 4;
        assert_true(there ? y[1] == -12 : y[0] == 1 && y[1] == -2);
        survived += there;
    }
    assert_true(fabs((double)survived / STEPS - 0.75) < 0.03);
    net_free(&net);
    net_make(&net, depth_net, 1, 0);
    net_set(&net, "branch.weight", weights);
    run_pack(&net.plan, &net.exec);
    run_forward(&net.plan, &net.exec, x);
    assert_true(((const float *)net.plan.output->data)[0] == 3.25f && ((const float *)net.plan.output->data)[1] == -9.5f);
    net_free(&net);
}

/* ---- starting values ---- */

enum { OUTPUTS = 60, INPUTS = 90 };

/* A connected layer's weights, started as `init` says. */
static void start(const char *init, float to[OUTPUTS * INPUTS]) {
    struct net net;
    char *text = mem_format("[net]\ninputs=90\n[connected]\nname=fc\noutput=60\nactivation=linear\n%s\n", init);
    net_make(&net, text, 1, 0);
    plan_init(&net.plan, 5);
    value_get(&net.plan, net_value(&net, "fc.weight"), to);
    net_free(&net);
    free(text);
}

/* deviation: of the distribution; limit: of uniform ones, else 0. */
static void drawn_as(const char *init, double mean, double deviation, double limit) {
    static float w[OUTPUTS * INPUTS];
    double sum = 0, squares = 0, most = 0, n = OUTPUTS * INPUTS;
    start(init, w);
    for (int i = 0; i < OUTPUTS * INPUTS; i++) {
        double d = (double)w[i] - mean;
        sum += d;
        squares += d * d;
        most = fmax(most, fabs(d));
    }
    int fits = fabs(sum / n) < 5 * deviation / sqrt(n) && fabs(sqrt(squares / n) / deviation - 1) < 0.05;
    if (!fits || (limit > 0 && !(most <= limit && most > 0.99 * limit)) || (limit <= 0 && most < 2.5 * deviation)) {
        fail_msg("%s: mean %g, deviation %g, most %g", init, mean + sum / n, sqrt(squares / n), most);
    }
}

static void distributions(void **state) {
    (void)state;
    double both = INPUTS + OUTPUTS;
    drawn_as("init=uniform\ninit_min=-1\ninit_max=3", 1, 2 / sqrt(3), 2);
    drawn_as("init=normal\ninit_mean=-2\ninit_std=0.3", -2, 0.3, 0);
    drawn_as("init=xavier", 0, sqrt(2 / both), sqrt(6 / both));
    drawn_as("init=xavier_normal", 0, sqrt(2 / both), 0);
    drawn_as("init=he", 0, sqrt(2.0 / INPUTS), 0);
    drawn_as("init=he_uniform\ninit_gain=0.5", 0, 0.5 * sqrt(2.0 / INPUTS), 0.5 * sqrt(6.0 / INPUTS));
}

static void orthogonal_and_dirac(void **state) {
    (void)state;
    static float w[OUTPUTS * INPUTS];
    start("init=orthogonal\ninit_gain=2", w);
    for (int a = 0; a < OUTPUTS; a++) {
        for (int b = a; b < OUTPUTS; b++) {
            double dot = 0;
            for (int i = 0; i < INPUTS; i++) {
                dot += (double)w[a * INPUTS + i] * (double)w[b * INPUTS + i];
            }
            assert_true(fabs(dot - (a == b ? 4 : 0)) < 1e-5);
        }
    }
    struct net net;
    float x[2 * 9], kernel[3 * 2 * 9];
    net_make(&net, "[net]\nchannels=2\nheight=3\nwidth=3\n[convolutional]\nname=c\nfilters=3\nsize=3\npadding=1\ninit=dirac\nactivation=linear\n", 1, 0);
    plan_init(&net.plan, 5);
    run_pack(&net.plan, &net.exec);
    fixture_draw(4, x, 18, 1, 0);
    run_forward(&net.plan, &net.exec, x);
    const float *y = net.plan.output->data;
    assert_memory_equal(x, y, sizeof x);
    for (int i = 18; i < 27; i++) {
        assert_true(y[i] == 0);
    }
    value_get(&net.plan, net_value(&net, "c.weight"), kernel);
    assert_true(kernel[4] == 1 && kernel[18 + 9 + 4] == 1);
    net_free(&net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(changes_like_pillow), cmocka_unit_test(mixes), cmocka_unit_test(mixes_what_can_be),
        cmocka_unit_test(shares_are_of_beta), cmocka_unit_test(views), cmocka_unit_test(views_averaged), cmocka_unit_test(bins), cmocka_unit_test(temperature),
        cmocka_unit_test(calibration_key), cmocka_unit_test(no_temperature), cmocka_unit_test(views_of_nan), cmocka_unit_test(soft_labels), cmocka_unit_test(pools_like_pytorch),
        cmocka_unit_test(pools_back_like_pytorch), cmocka_unit_test(pools_by_hand), cmocka_unit_test(crops), cmocka_unit_test(blocks_survive),
        cmocka_unit_test(distributions), cmocka_unit_test(orthogonal_and_dirac),
    };
    return cmocka_run_group_tests_name("methods", tests, fixture_open, fixture_close);
}
