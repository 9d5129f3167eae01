/* Checkpoints: what is written comes back to the bit; what was altered, cut or made for another network is refused. */
#include <math.h>

#include "base/rng.h"
#include "train_fixture.h"

/* A model with a plan, an optimizer whose state isn't zero, and a state of training. */
struct bench { struct model model; struct optimizer optimizer; struct progress_state state; struct err err; };

static void bench_make(struct bench *b, const char *layers, uint64_t seed) {
    struct model_options options = {0};
    struct plan_options plan = plan_for(1);
    *b = (struct bench){0};
    put_config("net.cfg", "", "", layers);
    assert_int_equal(model_open(&b->model, "net.cfg", &options, &b->err), 0);
    assert_int_equal(model_plan(&b->model, &plan, seed, &b->err), 0);
    assert_int_equal(optimizer_make(&b->optimizer, b->model.graph.net, &b->model.plan, &b->err), 0);
    struct rng rng = rng_make(seed, RNG_CHECK, 0);
    for (int i = 0; i < b->model.plan.value_count; i++) {
        float *m = b->optimizer.state[0][i];
        for (size_t k = 0; m != NULL && k < b->model.plan.values[i].slot->count; k++) {
            m[k] = (float)rng_normal(&rng);
        }
    }
    b->state = (struct progress_state){
        .step = 12345678901234, .epoch = 3, .position = 17, .seed = 4294967295, .best = NAN, .best_step = 9,
        .plateau_factor = 0.1, .plateau_bad = 1, .patience_bad = 2, .epoch_loss = 1.0 / 3, .epoch_weight = 17.25,
        .epoch_correct = 5, .epoch_seen = 17, .epoch_answers = 16, .loss = 1e-300, .rate_factor = 0.125, .tries = 3,
        .isa = "avx2", .precision = "fp32", .blas = "OpenBLAS \"0.3.21\"",
    };
}

static void bench_free(struct bench *b) {
    optimizer_free(&b->optimizer);
    model_close(&b->model);
    err_free(&b->err);
}

static void write_to(struct bench *b, const char *path) {
    const struct model *m = &b->model;
    assert_int_equal(checkpoint_write(path, &m->config, m->classes, m->class_count, &m->plan, &b->optimizer, &b->state,
                                      &b->err), 0);
}

static void values_equal(const struct bench *a, const struct bench *b) {
    for (int i = 0; i < a->model.plan.value_count; i++) {
        size_t bytes = a->model.plan.values[i].slot->count * sizeof(float);
        assert_memory_equal(a->model.plan.values[i].data, b->model.plan.values[i].data, bytes);
        assert_int_equal(a->optimizer.state[0][i] == NULL, b->optimizer.state[0][i] == NULL);
        if (a->optimizer.state[0][i] != NULL) {
            assert_memory_equal(a->optimizer.state[0][i], b->optimizer.state[0][i], bytes);
        }
    }
}

static void everything_comes_back(void **state) {
    (void)state;
    struct bench a, b;
    struct tensor_file file;
    bench_make(&a, small_layers, 1);
    bench_make(&b, small_layers, 2);
    write_to(&a, "a.safetensors");
    assert_int_equal(format_read("a.safetensors", &file, &b.err), 0);
    assert_int_equal(checkpoint_verify(&file, "a.safetensors", &b.err), 0);
    assert_int_equal(checkpoint_fill(&b.model.plan, &file, "a.safetensors", 0, &b.err), 0);
    assert_int_equal(checkpoint_resume(&b.optimizer, &b.state, &file, "a.safetensors", &b.err), 0);
    values_equal(&a, &b);
    char *before = progress_state_text(&a.state), *after = progress_state_text(&b.state);
    assert_string_equal(before, after);
    assert_true(b.state.epoch_loss == 1.0 / 3 && isnan(b.state.best) && b.state.step == 12345678901234);
    assert_string_equal(b.state.blas, a.state.blas);
    free(before);
    free(after);
    write_to(&b, "b.safetensors");
    same_files("a.safetensors", "b.safetensors");
    assert_null(tensor_file_find(&file, "optimizer.momentum.fixed.weight"));
    assert_non_null(tensor_file_find(&file, "optimizer.momentum.conv1.gamma"));
    assert_non_null(tensor_file_find(&file, "conv1.running_var"));
    assert_string_equal(tensor_file_text(&file, "format"), "pt");
    tensor_file_free(&file);
    bench_free(&a);
    bench_free(&b);
}

static void a_model_opens_without_its_config(void **state) {
    (void)state;
    struct bench a;
    struct model model;
    struct model_options options = {0};
    struct plan_options plan = plan_for(0);
    bench_make(&a, small_layers, 1);
    write_to(&a, "a.safetensors");
    unlink("net.cfg");
    assert_int_equal(model_open(&model, "a.safetensors", &options, &a.err), 0);
    assert_int_equal(model.class_count, 3);
    assert_string_equal(model.classes[2], "c");
    assert_int_equal(model_plan(&model, &plan, 0, &a.err), 0);
    for (int i = 0; i < model.plan.value_count; i++) {
        const struct value *mine = &model.plan.values[i];
        assert_memory_equal(mine->data, a.model.plan.values[i].data, mine->slot->count * sizeof(float));
    }
    model_close(&model);
    bench_free(&a);
}

static int opens(const char *path, struct err *err) {
    struct model model;
    struct model_options options = {0};
    int result = model_open(&model, path, &options, err);
    model_close(&model);
    return result == 0;
}

/* No byte may change unseen, none may be missing. */
static void altered_files_are_refused(void **state) {
    (void)state;
    struct bench a;
    size_t size;
    bench_make(&a, small_layers, 1);
    write_to(&a, "a.safetensors");
    unsigned char *bytes = get_file("a.safetensors", &size);
    struct rng rng = rng_make(1, RNG_CHECK, 1);
    for (int round = 0; round < 400; round++) {
        struct err err = {0};
        size_t at = rng_below(&rng, size);
        unsigned char was = bytes[at];
        bytes[at] ^= (unsigned char)(1 << rng_below(&rng, 8));
        put_bytes("bad.safetensors", bytes, size);
        bytes[at] = was;
        if (opens("bad.safetensors", &err)) {
            fail_msg("byte %zu of %zu was altered unseen", at, size);
        }
        assert_int_equal(err.status, STATUS_REFUSED);
        err_free(&err);
        size_t cut = rng_below(&rng, size);
        put_bytes("bad.safetensors", bytes, cut);
        assert_false(opens("bad.safetensors", &err));
        assert_int_equal(err.status, STATUS_REFUSED);
        err_free(&err);
    }
    free(bytes);
    bench_free(&a);
}

/* The file with one change, filled into the network of `b`. */
static int fill(struct bench *b, struct tensor_file *file, int partial) {
    err_free(&b->err);
    int result = checkpoint_fill(&b->model.plan, file, "x.safetensors", partial, &b->err);
    tensor_file_free(file);
    return result;
}

static struct named *named(struct tensor_file *file, const char *name) {
    for (size_t i = 0; i < file->count; i++) {
        if (strcmp(file->tensors[i].name, name) == 0) {
            return &file->tensors[i];
        }
    }
    fail_msg("no %s", name);
    return NULL;
}

static void other_networks_are_refused(void **state) {
    (void)state;
    struct bench a;
    struct tensor_file file;
    bench_make(&a, small_layers, 1);
    write_to(&a, "a.safetensors");
    assert_int_equal(format_read("a.safetensors", &file, &a.err), 0);
    strcpy(named(&file, "fc.bias")->name, "fc.bia");
    assert_int_equal(fill(&a, &file, 0), -1);
    assert_true(says(&a.err, "\"fc.bias\" is missing") && says(&a.err, "no tensor \"fc.bia\""));
    assert_int_equal(format_read("a.safetensors", &file, &a.err), 0);
    named(&file, "conv1.weight")->dims[1] = 1;
    assert_int_equal(fill(&a, &file, 0), -1);
    assert_true(says(&a.err, "\"conv1.weight\" is (4, 1, 3, 3) where the network has (4, 3, 3, 3)"));
    assert_int_equal(format_read("a.safetensors", &file, &a.err), 0);
    named(&file, "conv1.weight")->dims[1] = 1;
    assert_int_equal(fill(&a, &file, 1), 0);
    assert_int_equal(a.err.warnings, 1);
    assert_int_equal(format_read("a.safetensors", &file, &a.err), 0);
    named(&file, "fc.weight")->data[5] = NAN;
    assert_int_equal(fill(&a, &file, 1), -1);
    assert_true(says(&a.err, "not finite"));
    file = (struct tensor_file){0};
    assert_int_equal(fill(&a, &file, 1), -1);
    assert_true(says(&a.err, "none of its tensors"));
    bench_free(&a);
}

static void bare_models_can_not_go_on(void **state) {
    (void)state;
    struct bench a;
    struct tensor_file file;
    bench_make(&a, small_layers, 1);
    const struct model *m = &a.model;
    assert_int_equal(checkpoint_write("bare.safetensors", &m->config, NULL, 0, &m->plan, NULL, NULL, &a.err), 0);
    assert_int_equal(format_read("bare.safetensors", &file, &a.err), 0);
    assert_int_equal(checkpoint_verify(&file, "bare.safetensors", &a.err), 0);
    assert_null(tensor_file_text(&file, "dlcli.training"));
    assert_int_equal(checkpoint_resume(&a.optimizer, &a.state, &file, "bare.safetensors", &a.err), -1);
    assert_int_equal(a.err.status, STATUS_REFUSED);
    tensor_file_free(&file);
    bench_free(&a);
}

static void odd_names_survive(void **state) {
    (void)state;
    struct bench a;
    char *const classes[] = {(char *)"a,b \"quoted\"", (char *)"caf\xe9", (char *)"\xf0\x9f\x90\xb6"};
    bench_make(&a, small_layers, 1);
    const struct model *m = &a.model;
    assert_int_equal(checkpoint_write("odd.safetensors", &m->config, classes, 3, &m->plan, NULL, NULL, &a.err), 0);
    struct model model;
    struct model_options options = {0};
    assert_int_equal(model_open(&model, "odd.safetensors", &options, &a.err), 0);
    assert_string_equal(model.classes[0], classes[0]);
    assert_string_equal(model.classes[1], "caf\xc3\xa9");   /* a byte that is no UTF-8 comes back as a character */
    assert_string_equal(model.classes[2], classes[2]);
    model_close(&model);
    bench_free(&a);
}

static void states_that_make_no_sense_are_refused(void **state) {
    (void)state;
    struct progress_state good = {.best = 0.5, .plateau_factor = 1}, read;
    struct err err = {0};
    char *text = progress_state_text(&good);
    static const char *const bad[][2] = {
        {"\"step\":0", "\"step\":-1"}, {"\"step\":0", "\"step\":1.5"}, {"\"step\":0", "\"step\":1e300"},
        {"\"step\":0", "\"step\":\"0\""}, {"\"step\":0", "\"stop\":0"}, {"\"best\":0.5", "\"best\":1e999"},
        {"\"isa\":\"\"", "\"isa\":\"a name that is far too long for it\""}, {"\"isa\":\"\"", "\"isa\":3"}, {"{", "["},
    };
    assert_int_equal(progress_state_read(&read, text, "x", &err), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *at = strstr(text, bad[i][0]);
        assert_non_null(at);
        char *altered = mem_format("%.*s%s%s", (int)(at - text), text, bad[i][1], at + strlen(bad[i][0]));
        assert_int_equal(progress_state_read(&read, altered, "x", &err), -1);
        assert_int_equal(err.status, STATUS_REFUSED);
        err_free(&err);
        free(altered);
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_comes_back),      cmocka_unit_test(a_model_opens_without_its_config),
        cmocka_unit_test(altered_files_are_refused),  cmocka_unit_test(other_networks_are_refused),
        cmocka_unit_test(bare_models_can_not_go_on),  cmocka_unit_test(odd_names_survive),
        cmocka_unit_test(states_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, scratch_make, scratch_remove);
}
