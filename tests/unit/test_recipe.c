/* The keys of the airbench94 recipe: a small network trained by all of them at once against PyTorch
 * (fixtures/make_recipe.py), and each of them by itself. */
#include <math.h>

#include "base/eigen.h"
#include "layers/layer.h"
#include "train_fixture.h"

enum { PICTURES = 16, VALUES = 3 * 8 * 8, STEPS = 12 };

static const char recipe_net[] =
    "[net]\nwidth=8\nheight=8\nchannels=3\nbatch=16\nmax_batches=12\nlog_steps=1\ncheckpoint_minutes=0\ndecoupled=1\n"
    "learning_rate=11.5\nmomentum=0.85\nnesterov=1\ndecay=0.0153\ndecay_all=1\nbn_bias_rate=64\npolicy=triangle\n"
    "start_factor=0.2\npeak=0.23\nend_factor=0.07\nlabel_smoothing=0.2\nlookahead=5\nlookahead_keep=0.7737809375\n"
    "lookahead_power=3\n[data]\nsource=csv\npath=data.csv\nclasses=4\n";
static const char recipe_layers[] =
    "[convolutional]\nname=whiten\nfilters=24\nsize=2\npadding=valid\nwhitening=1\nfreeze_weights=1\nbias_epochs=3\n"
    "activation=gelu\n"
    "[convolutional]\nname=conv1\nfilters=32\nsize=3\npadding=same\nbias=0\nactivation=linear\n"
    "[maxpool]\nsize=2\nstride=2\npadding=valid\n"
    "[batchnorm]\nname=norm1\nbn_momentum=0.4\nbn_eps=1e-12\nbn_scale=0\nactivation=gelu\n"
    "[convolutional]\nname=conv2\nfilters=32\nsize=3\npadding=same\nbias=0\nactivation=linear\n"
    "[batchnorm]\nname=norm2\nbn_momentum=0.4\nbn_eps=1e-12\nbn_scale=0\nactivation=gelu\n"
    "[maxpool]\nsize=3\nstride=3\npadding=valid\n"
    "[connected]\nname=fc\noutput=4\nbias=0\nactivation=linear\n[softmax]\ntemperature=9\n";

static char fixture_path[4200];
static struct tensor_file fixture;

static int fixture_read(void **state) {
    struct err err = {0};
    char folder[4096];
    if (getcwd(folder, sizeof folder) == NULL) {
        return -1;
    }
    snprintf(fixture_path, sizeof fixture_path, "%s/tests/fixtures/recipe.safetensors", folder);
    return format_read(fixture_path, &fixture, &err) != 0 ? -1 : scratch_make(state);
}

static int fixture_free(void **state) {
    tensor_file_free(&fixture);
    return scratch_remove(state);
}

static const float *find(const char *name) {
    const struct named *tensor = tensor_file_find(&fixture, name);
    if (tensor == NULL) {
        fail_msg("the fixture has no %s", name);
    }
    return tensor->data;
}

/* The fixture's pictures as a table, the label last. */
static void put_pictures(void) {
    FILE *file = fopen("data.csv", "w");
    const float *x = find("x"), *y = find("y");
    assert_non_null(file);
    for (int i = 0; i < PICTURES; i++) {
        for (int v = 0; v < VALUES; v++) {
            fprintf(file, "%.9g,", (double)x[i * VALUES + v]);
        }
        fprintf(file, "%d\n", (int)y[i]);
    }
    assert_int_equal(fclose(file), 0);
}

struct outcome { int status; struct err err; };

/* Stops a run at its first step line. */
static ssize_t stop_at_step(void *stop, const char *bytes, size_t size) {
    static const char step[] = "{\"event\":\"step\"";
    if (size >= sizeof step && memcmp(bytes, step, sizeof step - 1) == 0) {
        *(volatile sig_atomic_t *)stop = SIGINT;
    }
    return (ssize_t)size;
}

/* stop: set at the first step; NULL: train to the end. */
static struct outcome train_by(int team, const char *config, struct train_options options, volatile sig_atomic_t *stop) {
    struct outcome o = {0};
    struct model model;
    struct model_options open = {.weights = options.weights, .partial = options.partial};
    struct progress progress;
    struct train_result result;
    struct threads *threads = threads_make(team, &o.err);
    put_text("net.cfg", config);
    progress_init(&progress, 1);
    options.epochs = options.max_batches = -1;
    options.stop = stop;
    if (stop != NULL) {
        cookie_io_functions_t io = {.write = stop_at_step};
        options.events = fopencookie((void *)(uintptr_t)stop, "w", io);
    }
    int bad = model_open(&model, "net.cfg", &open, &o.err) != 0 ||
              train_run(&model, &options, threads, &progress, &result, &o.err) != 0;
    o.status = bad ? (int)o.err.status : 0;
    model_close(&model);
    threads_free(threads);
    if (stop != NULL) {
        fclose(options.events);
    }
    return o;
}

static struct outcome train(const char *config, struct train_options options, volatile sig_atomic_t *stop) {
    return train_by(2, config, options, stop);
}

static void trains(const char *config, struct train_options options) {
    struct outcome o = train(config, options, NULL);
    if (o.status != 0) {
        fail_msg("%s", o.err.sentences[0]);
    }
    err_free(&o.err);
}

static void refused(const char *config, const char *part) {
    struct outcome o = train(config, (struct train_options){.run = "refused", .force = 1}, NULL);
    assert_int_equal(o.status, STATUS_REFUSED);
    assert_true(says(&o.err, part));
    err_free(&o.err);
}

static struct tensor_file read_run(const char *path) {
    struct tensor_file file = {0};
    struct err err = {0};
    if (format_read(path, &file, &err) != 0) {
        fail_msg("%s", err.sentences[0]);
    }
    return file;
}

static const struct named *tensor_of(const struct tensor_file *file, const char *name) {
    const struct named *tensor = tensor_file_find(file, name);
    if (tensor == NULL) {
        fail_msg("no tensor %s", name);
    }
    return tensor;
}

static char *recipe(void) { return mem_format("%s%s", recipe_net, recipe_layers); }

/* ---- all at once ---- */

static void equal_tensors(const struct tensor_file *got, const char *wanted_name, const char *name, double most) {
    const struct named *tensor = tensor_of(got, name);
    const float *wanted = find(wanted_name);
    double difference = 0, reference = 0;
    for (size_t i = 0; i < tensor->count; i++) {
        difference = fmax(difference, fabs((double)tensor->data[i] - (double)wanted[i]));
        reference = fmax(reference, fabs((double)wanted[i]));
    }
    if (!(difference <= most * reference)) {
        fail_msg("%s: error %g", name, difference / reference);
    }
}

static void follows_pytorch(void **state) {
    (void)state;
    put_pictures();
    char *config = recipe();
    trains(config, (struct train_options){.run = "run", .weights = fixture_path, .partial = 1, .isa = ISA_BASE});
    struct tensor_file got = read_run("run/last.safetensors");
    equal_tensors(&got, "want.whiten.weight", "whiten.weight", 1e-5);   /* measured, not taken from the file */
    int compared = 0;
    for (size_t i = 0; i < fixture.count; i++) {
        const char *name = fixture.tensors[i].name;
        if (strncmp(name, "want.", 5) == 0) {
            equal_tensors(&got, name, name + 5, 1e-4);
            compared++;
        }
    }
    assert_int_equal(compared, 13);
    tensor_file_free(&got);
    free(config);
}

/* Pictures of 100 and a little, which bfloat16 would round away: what a batch norm behind the whitening sees of them is what it sees in float32, with
 * kernels of so few filters that lanes take them and with more. */
static void check_whitening(int size, enum isa isa) {
    FILE *file = fopen("data.csv", "w");
    assert_non_null(file);
    for (int i = 0; i < PICTURES; i++) {
        for (int v = 0; v < VALUES; v++) {
            fprintf(file, "%.9g,", 100 + 0.125 * sin(i * VALUES + v));
        }
        fprintf(file, "%d\n", i % 4);
    }
    assert_int_equal(fclose(file), 0);
    char *config = mem_format("[net]\nwidth=8\nheight=8\nchannels=3\nbatch=16\nmax_batches=1\n[data]\nsource=csv\npath=data.csv\nclasses=4\n"
                              "[convolutional]\nfilters=%d\nsize=%d\npadding=valid\nwhitening=1\nfreeze_weights=1\nbias=0\nactivation=linear\n"
                              "[batchnorm]\nname=norm\nbn_momentum=1\n[connected]\noutput=4\nactivation=linear\n[softmax]\n", 6 * size * size, size);
    trains(config, (struct train_options){.run = "exact", .isa = ISA_BASE, .force = 1});
    trains(config, (struct train_options){.run = "rounded", .isa = isa, .precision = DTYPE_BF16, .force = 1});
    free(config);
    struct tensor_file exact = read_run("exact/last.safetensors"), rounded = read_run("rounded/last.safetensors");
    const struct named *want = tensor_of(&exact, "norm.running_var"), *got = tensor_of(&rounded, "norm.running_var");
    int compared = 0;
    for (size_t i = 0; i < want->count; i++) {
        if (want->data[i] < 0.01f) {
            continue;      /* the pictures' mean, which hardly varies */
        }
        if (!(fabsf(got->data[i] - want->data[i]) <= 0.01f * want->data[i])) {
            fail_msg("channel %zu varies by %g, not %g", i, (double)got->data[i], (double)want->data[i]);
        }
        compared++;
    }
    assert_int_equal(compared, 4);      /* a sine has two dimensions, and each is there negated too */
    tensor_file_free(&exact);
    tensor_file_free(&rounded);
}

static void whitening_is_not_rounded(void **state) {
    (void)state;
    for (enum isa isa = ISA_BASE; isa < ISA_COUNT; isa++) {
        for (int size = 2; size <= 3 && cpu_can(isa); size++) {
            check_whitening(size, isa);
        }
    }
}

/* Stopped after every step, and gone on with: the same bits as in one go, Lookahead's average among them. */
static void a_resume_gives_the_same_bits(void **state) {
    (void)state;
    put_pictures();
    char *config = recipe();
    trains(config, (struct train_options){.run = "whole"});
    int rounds = 0;
    for (int status = -1; status != 0; rounds++) {
        volatile sig_atomic_t stop = 0;
        struct outcome o = train(config, (struct train_options){.run = "part", .resume = 1}, &stop);
        status = o.status;
        assert_true(status == 0 || status == STATUS_INTERRUPTED);
        err_free(&o.err);
    }
    assert_int_equal(rounds, STEPS + 1);
    same_files("whole/last.safetensors", "part/last.safetensors");
    struct tensor_file got = read_run("whole/last.safetensors");
    tensor_of(&got, "optimizer.lookahead.norm1.running_var");
    assert_null(tensor_file_find(&got, "optimizer.lookahead.whiten.weight"));   /* nothing changes it */
    tensor_file_free(&got);
    free(config);
}

static void any_number_of_threads(void **state) {
    (void)state;
    static const int teams[] = {1, 7};
    enum isa isa = cpu_can(ISA_AVX2) ? ISA_AVX2 : ISA_BASE;
    put_pictures();
    char *config = recipe();
    trains(config, (struct train_options){.run = "whole", .force = 1, .isa = isa});
    for (int i = 0; i < 2; i++) {
        struct outcome o = train_by(teams[i], config, (struct train_options){.run = "other", .force = 1, .isa = isa}, NULL);
        assert_int_equal(o.status, 0);
        err_free(&o.err);
        same_files("whole/last.safetensors", "other/last.safetensors");
    }
    free(config);
}

/* ---- one by one ---- */

/* Rows of an orthonormal basis, turned into a matrix with given eigenvalues, and found again. */
static void eigenvectors(void **state) {
    (void)state;
    enum { N = 3 };
    const double basis[N][N] = {{2. / 3, -1. / 3, 2. / 3}, {2. / 3, 2. / 3, -1. / 3}, {-1. / 3, 2. / 3, 2. / 3}};
    const double known[N] = {5, 0.25, -2};
    double a[N * N] = {0}, values[N], vectors[N * N];
    for (int k = 0; k < N; k++) {
        for (int i = 0; i < N * N; i++) {
            a[i] += known[k] * basis[k][i / N] * basis[k][i % N];
        }
    }
    eigen_symmetric(a, N, values, vectors);
    for (int i = 0; i < N * N; i++) {
        assert_true(fabs(values[i / N] - known[i / N]) < 1e-14);
        assert_true(fabs(vectors[i] - basis[i / N][i % N]) < 1e-14);
    }
    double single[1] = {-3}, value, vector;
    eigen_symmetric(single, 1, &value, &vector);
    assert_true(value == -3 && vector == 1);
}

static struct graph graph_of(struct config *config, const char *net, const char *layers) {
    struct graph graph;
    struct err err = {0};
    char *text = mem_format("[net]\nwidth=8\nheight=8\nchannels=3\nmax_batches=1\n%s\n%s", net, layers);
    assert_int_equal(config_parse(config, "net.cfg", text, strlen(text), &err), 0);
    if (graph_build(&graph, config, &err) != 0) {
        fail_msg("%s", err.sentences[0]);
    }
    free(text);
    return graph;
}

static void starts(void **state) {
    (void)state;
    struct config config;
    struct plan plan;
    struct err err = {0};
    struct graph graph = graph_of(&config, "", "[convolutional]\nfilters=5\nsize=3\nbias=0\ninit=pytorch\ninit_dirac=1\n");
    struct plan_options options = plan_for(0);
    assert_int_equal(plan_make(&plan, &graph, &options, &err), 0);
    plan_init(&plan, 3);
    const float *w = plan.values[0].data;
    const double limit = 1 / sqrt(27);
    double largest = 0;
    for (int i = 0; i < 5 * 27; i++) {
        if (i < 3 * 27) {   /* filter f hands channel f on: its plane's middle */
            assert_true(w[i] == (i % 27 == i / 27 * 9 + 4));
        } else {
            largest = fmax(largest, fabs((double)w[i]));
        }
    }
    assert_true(largest < limit && largest > 0.9 * limit);
    plan_free(&plan);
    graph_free(&graph);
    config_free(&config);
}

static const struct slot *slot_of(const struct graph *graph, const char *name) {
    char buffer[256];
    for (int i = 0; i < graph->node_count; i++) {
        for (int j = 0; j < graph->nodes[i].slot_count; j++) {
            const struct slot *slot = &graph->nodes[i].slots[j];
            if (strcmp(graph_slot_name(graph, &graph->nodes[i], slot, buffer, sizeof buffer), name) == 0) {
                return slot;
            }
        }
    }
    fail_msg("no slot %s", name);
    return NULL;
}

static void what_rests_and_what_runs(void **state) {
    (void)state;
    struct config config;
    struct graph graph = graph_of(&config, "bn_bias_rate=64",
        "[convolutional]\nname=a\nfilters=2\nfreeze_weights=1\nbias_epochs=3\n"
        "[convolutional]\nname=b\nfilters=2\nbatch_normalize=1\nbn_scale=0\nlearning_rate=0.5\n");
    assert_true(slot_of(&graph, "a.weight")->frozen && slot_of(&graph, "a.weight")->epochs == 0);
    assert_true(!slot_of(&graph, "a.bias")->frozen && slot_of(&graph, "a.bias")->epochs == 3);
    assert_true(!slot_of(&graph, "b.weight")->frozen && slot_of(&graph, "b.weight")->rate == 0.5);
    assert_true(slot_of(&graph, "b.gamma")->frozen);
    assert_true(!slot_of(&graph, "b.beta")->frozen && slot_of(&graph, "b.beta")->rate == 32);
    assert_int_equal(graph.trainable, 2 + 4 + 2);
    graph_free(&graph);
    config_free(&config);
}

/* Of 44 training samples in batches of 8: an epoch of 6, or, with drop_last, of 5. */
static void epochs_that_end_early(void **state) {
    (void)state;
    static const struct { const char *epochs, *data; const char *step; } cases[] = {
        {"2.5", "", "\"step\":15,"}, {"2.5", "drop_last=1", "\"step\":13,"}, {"0.1", "", "\"step\":1,"}, {"2", "drop_last=1", "\"step\":10,"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *net = mem_copy(small_net), *at = strstr(net, "epochs=3\n");
        memmove(at, at + 9, strlen(at + 9) + 1);
        char *config = mem_format("%sepochs=%s\n%s%s\n%s", net, cases[i].epochs, small_data, cases[i].data, small_layers);
        trains(config, (struct train_options){.run = "run", .force = 1});
        struct tensor_file got = read_run("run/last.safetensors");
        const char *training = tensor_file_text(&got, "dlcli.training");
        if (strstr(training, cases[i].step) == NULL) {
            fail_msg("epochs=%s %s: %s", cases[i].epochs, cases[i].data, training);
        }
        tensor_file_free(&got);
        free(config);
        free(net);
    }
}

static void refusals(void **state) {
    (void)state;
    put_pictures();
    static const struct { const char *net, *data, *layer, *part; } cases[] = {
        {"max_batches=2\noptimizer=adam\ndecoupled=1", "", "", "[net] decoupled: want optimizer=sgd"},
        {"max_batches=2\nmomentum=1\ndecoupled=1", "", "", "decoupled: want"},
        {"max_batches=0\npolicy=triangle", "", "", "needs a length"},
        {"lookahead=5\nlookahead_power=1\nmax_batches=0", "", "", "lookahead_power: needs a length"},
        {"max_batches=2\nbatch=6\nsubdivisions=3", "drop_last=1\nvalid=11", "", "drop_last: the training samples don't fill"},
        {"max_batches=2", "alternate_flip=1", "", "[data] alternate_flip: want flip=1"},
        {"max_batches=2", "crop_padding=8\ncrop_fill=reflect", "", "crop_padding: want less than the picture's 8"},
        {"max_batches=2", "", "[convolutional]\nfilters=20\nsize=2\nwhitening=1\n", "filters: want 24 with whitening=1"},
        {"max_batches=2", "", "[convolutional]\nfilters=3\n[convolutional]\nfilters=24\nsize=2\nwhitening=1\n",
         "whitening: want the layer that reads the network's input"},
        {"max_batches=2", "", "[convolutional]\nfilters=24\nsize=2\ndilation=2\nwhitening=1\n", "without groups, dilation"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *config = mem_format("[net]\nwidth=8\nheight=8\nchannels=3\n%s\n[data]\nsource=csv\npath=data.csv\n%s\n"
            "%s[connected]\noutput=4\nactivation=linear\n[softmax]\n", cases[i].net, cases[i].data, cases[i].layer);
        refused(config, cases[i].part);
        free(config);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_pytorch), cmocka_unit_test(whitening_is_not_rounded), cmocka_unit_test(a_resume_gives_the_same_bits),
        cmocka_unit_test(any_number_of_threads), cmocka_unit_test(eigenvectors),
        cmocka_unit_test(starts), cmocka_unit_test(what_rests_and_what_runs), cmocka_unit_test(epochs_that_end_early),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, fixture_read, fixture_free);
}
