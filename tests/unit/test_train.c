/* Training from end to end on a small network: stopped and killed at every step it gives the bits of the run that
 * wasn't; and all that a RUN, a policy and an option promise. */
#include <errno.h>
#include <math.h>
#include <sys/wait.h>

#include "base/json.h"
#include "run_folder.h"
#include "train_fixture.h"

/* ---- running ---- */

/* Counts the step lines that come out, and does something at one of them. */
struct spy { int steps, at, kill; volatile sig_atomic_t stop; };

static ssize_t spy_write(void *arg, const char *bytes, size_t size) {
    struct spy *spy = arg;
    static const char step[] = "{\"event\":\"step\"";
    if (size >= sizeof step && memcmp(bytes, step, sizeof step - 1) == 0 && ++spy->steps == spy->at) {
        if (spy->kill) {
            _exit(9);
        }
        spy->stop = SIGINT;
    }
    return (ssize_t)size;
}

struct result { int status; struct err err; struct train_result train; };

/* Trains net.cfg; options as given but for what every test has. NULL: no spy. */
static struct result train_with(struct train_options options, struct spy *spy, const char *const *sets,
                                size_t set_count) {
    struct result r = {0};
    struct model model;
    struct model_options model_options = {.weights = options.weights, .partial = options.partial, .sets = sets,
                                          .set_count = set_count};
    struct progress progress;
    struct threads *threads = threads_make(2, &r.err);
    progress_init(&progress, 1);
    options.epochs = options.epochs == 0 ? -1 : options.epochs;
    options.max_batches = options.max_batches == 0 ? -1 : options.max_batches;
    if (spy != NULL) {
        cookie_io_functions_t io = {.write = spy_write};
        options.events = fopencookie(spy, "w", io);
        options.stop = &spy->stop;
    }
    int bad = model_open(&model, "net.cfg", &model_options, &r.err) != 0 ||
              train_run(&model, &options, threads, &progress, &r.train, &r.err) != 0;
    r.status = !bad ? 0 : r.err.status;
    assert_int_equal(bad, r.err.count > 0);
    model_close(&model);
    threads_free(threads);
    if (spy != NULL) {
        fclose(options.events);
    }
    return r;
}

/* Trains, and frees what was said; gives the status. */
static int train(struct train_options options, struct spy *spy) {
    struct result r = train_with(options, spy, NULL, 0);
    for (int i = 0; r.status == STATUS_REFUSED && i < r.err.count; i++) {
        fprintf(stderr, "said: %s\n", r.err.sentences[i]);
    }
    err_free(&r.err);
    return r.status;
}

static void refused(struct train_options options, const char *part) {
    struct result r = train_with(options, NULL, NULL, 0);
    assert_int_equal(r.status, STATUS_REFUSED);
    assert_true(says(&r.err, part));
    err_free(&r.err);
}

static void clean(void) {
    assert_int_equal(system("rm -rf runs run run2 whole net.cfg"), 0);
}

/* ---- metrics ---- */

struct metrics { cJSON *lines[256]; int count; };

static struct metrics metrics_read(const char *path) {
    struct metrics m = {0};
    size_t size;
    struct err err = {0};
    char *bytes = (char *)get_file(path, &size), *rest = bytes, *line;
    while ((line = strtok_r(rest, "\n", &rest)) != NULL) {
        assert_true(m.count < 256);
        m.lines[m.count] = json_parse(path, line, strlen(line), &err);
        assert_non_null(m.lines[m.count++]);
    }
    free(bytes);
    return m;
}

static void metrics_free(struct metrics *m) {
    for (int i = 0; i < m->count; i++) {
        cJSON_Delete(m->lines[i]);
    }
}

static const char *event(const struct metrics *m, int i) {
    return cJSON_GetObjectItem(m->lines[i], "event")->valuestring;
}

static double number(const struct metrics *m, int i, const char *key) {
    const cJSON *value = cJSON_GetObjectItem(m->lines[i], key);
    assert_non_null(value);
    return cJSON_IsNull(value) ? (double)NAN : value->valuedouble;
}

/* The last line of that kind. */
static int last_of(const struct metrics *m, const char *kind) {
    for (int i = m->count - 1; i >= 0; i--) {
        if (strcmp(event(m, i), kind) == 0) {
            return i;
        }
    }
    fail_msg("no %s", kind);
    return -1;
}

/* The same lines but for times, threads and paths. */
static void same_metrics(const char *a, const char *b) {
    static const char *const ignored[] = {"seconds", "images_per_second", "threads", "best", "last"};
    struct metrics x = metrics_read(a), y = metrics_read(b);
    assert_int_equal(x.count, y.count);
    for (int i = 0; i < x.count; i++) {
        for (size_t k = 0; k < sizeof ignored / sizeof *ignored; k++) {
            cJSON_DeleteItemFromObject(x.lines[i], ignored[k]);
            cJSON_DeleteItemFromObject(y.lines[i], ignored[k]);
        }
        char *s = cJSON_PrintUnformatted(x.lines[i]), *t = cJSON_PrintUnformatted(y.lines[i]);
        assert_string_equal(s, t);
        free(s);
        free(t);
    }
    metrics_free(&x);
    metrics_free(&y);
}

/* ---- tests ---- */

enum { TRAINED = 44, STEPS_PER_EPOCH = 6, ALL_STEPS = 18 };

static void a_run_leaves_what_it_promises(void **state) {
    (void)state;
    clean();
    put_config("net.cfg", "", "", small_layers);
    struct result r = train_with((struct train_options){.run = NULL}, NULL, NULL, 0);
    assert_int_equal(r.status, 0);
    assert_string_equal(r.train.best, "runs/net/best.safetensors");
    assert_true(r.train.best_valid_top1 >= 0 && r.train.best_valid_top1 <= 1);
    struct metrics m = metrics_read("runs/net/metrics.jsonl");
    assert_int_equal(m.count, 1 + ALL_STEPS + 3 + 1);
    assert_string_equal(event(&m, 0), "start");
    assert_true(number(&m, 0, "train_images") == TRAINED && number(&m, 0, "valid_images") == 16);
    assert_string_equal(event(&m, 1), "step");
    assert_true(number(&m, 1, "step") == 1 && number(&m, 1, "epoch") == 1 && number(&m, 1, "learning_rate") == 0.05);
    assert_string_equal(event(&m, 7), "epoch");
    assert_true(number(&m, 7, "step") == STEPS_PER_EPOCH && number(&m, 7, "epoch") == 1);
    double sum = 0;   /* the epoch's loss is the mean over its samples: 5 batches of 8 and one of 4 */
    for (int i = 1; i <= STEPS_PER_EPOCH; i++) {
        sum += number(&m, i, "loss") * (i < STEPS_PER_EPOCH ? 8 : 4);
    }
    assert_true(fabs(number(&m, 7, "train_loss") - sum / TRAINED) < 1e-7);
    double correct = number(&m, 7, "train_top1") * TRAINED;
    assert_true(fabs(correct - round(correct)) < 1e-6);
    assert_string_equal(event(&m, m.count - 1), "done");
    assert_true(fabs(number(&m, m.count - 1, "best_valid_top1") - r.train.best_valid_top1) < 1e-8);
    metrics_free(&m);
    char target[64] = "";
    assert_int_equal(readlink("runs/last", target, sizeof target - 1), 3);
    assert_string_equal(target, "net");
    assert_true(file_exists("runs/last/best.safetensors") && file_exists("runs/net/config.cfg"));
    err_free(&r.err);
}

/* Stopped after every step and resumed: the same files as in one go. */
static void resumes(const char *net, const char *data) {
    clean();
    put_config("net.cfg", net, data, small_layers);
    assert_int_equal(train((struct train_options){.run = "whole", .keep = 2}, NULL), 0);
    int rounds = 0;
    for (int status = -1; status != 0; rounds++) {
        struct spy spy = {.at = 1};
        status = train((struct train_options){.run = "run", .resume = 1, .keep = 2}, &spy);
        assert_true(status == 0 || status == STATUS_INTERRUPTED);
    }
    assert_int_equal(rounds, ALL_STEPS + 1);
    static const char *const files[] = {"last", "best", "epoch-0002", "epoch-0003"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char a[64], b[64];
        snprintf(a, sizeof a, "whole/%s.safetensors", files[i]);
        snprintf(b, sizeof b, "run/%s.safetensors", files[i]);
        same_files(a, b);
    }
    assert_false(file_exists("run/epoch-0001.safetensors"));
    same_metrics("whole/metrics.jsonl", "run/metrics.jsonl");
}

static void a_resume_gives_the_same_bits(void **state) {
    (void)state;
    resumes("", "");
    resumes("ema=0.8\noptimizer=nadam", "mixup=0.4\ncutmix=1\nrandaugment=2");
}

static void a_kill_loses_nothing(void **state) {
    (void)state;
    clean();
    put_config("net.cfg", "", "", small_layers);
    assert_int_equal(train((struct train_options){.run = "whole"}, NULL), 0);
    for (int at = 1; at <= ALL_STEPS; at++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            struct spy spy = {.at = at, .kill = 1};
            train((struct train_options){.run = "run", .resume = 1}, &spy);
            _exit(0);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 9);
        assert_int_equal(train((struct train_options){.run = "run", .resume = 1}, NULL), 0);
        same_files("whole/last.safetensors", "run/last.safetensors");
        same_files("whole/best.safetensors", "run/best.safetensors");
        same_metrics("whole/metrics.jsonl", "run/metrics.jsonl");
        assert_int_equal(system("rm -rf run"), 0);
    }
}

static void a_finished_run_stays_as_it_is(void **state) {
    (void)state;
    clean();
    put_config("net.cfg", "", "", small_layers);
    assert_int_equal(train((struct train_options){.run = "run", .epochs = 1.5, .seed = 8, .has_seed = 1}, NULL), 0);
    assert_int_equal(system("cp -r run whole"), 0);
    /* --epochs and --seed need not be said again; saying others is another run */
    assert_int_equal(train((struct train_options){.run = "run", .resume = 1}, NULL), 0);
    assert_int_equal(system("diff -r run whole"), 0);
    refused((struct train_options){.run = "run", .resume = 1, .epochs = 2}, "epochs");
    refused((struct train_options){.run = "run", .resume = 1, .seed = 9, .has_seed = 1}, "seed");
    refused((struct train_options){.run = "run", .resume = 1, .precision = DTYPE_BF16}, "precision");
    refused((struct train_options){.run = "run"}, "--force");
    put_config("net.cfg", "momentum=0.5", "", small_layers);
    refused((struct train_options){.run = "run", .resume = 1}, "momentum");
    put_config("net.cfg", "momentum=0.90", "", small_layers);   /* the default, said another way */
    assert_int_equal(train((struct train_options){.run = "run", .resume = 1}, NULL), 0);
    assert_int_equal(system("diff -r run whole"), 0);
}

static void force_starts_afresh(void **state) {
    (void)state;
    clean();
    put_config("net.cfg", "", "", small_layers);
    assert_int_equal(train((struct train_options){.run = "run", .epochs = 2, .keep = 5}, NULL), 0);
    struct spy spy = {.at = 1};
    assert_int_equal(train((struct train_options){.run = "run", .force = 1, .epochs = 1}, &spy), STATUS_INTERRUPTED);
    assert_false(file_exists("run/epoch-0002.safetensors") || file_exists("run/best.safetensors"));
    struct metrics m = metrics_read("run/metrics.jsonl");
    assert_int_equal(m.count, 2);
    metrics_free(&m);
}

static void one_process_writes_a_run(void **state) {
    (void)state;
    clean();
    struct run_folder held;
    struct err err = {0};
    put_config("net.cfg", "", "", small_layers);
    assert_int_equal(run_folder_open(&held, "run", &err), 0);
    refused((struct train_options){.run = "run", .resume = 1}, "another dlcli");
    run_folder_close(&held, 0);
    assert_false(file_exists("run"));   /* nothing came of it */
    put_text("file", "");
    refused((struct train_options){.run = "file"}, "file");
    refused((struct train_options){.run = "file/run"}, "file");
    refused((struct train_options){.run = ""}, "folder");
}

/* Of classes that are called by their numbers an older run kept the count alone. */
static void a_run_that_counted_its_classes_goes_on(void **state) {
    (void)state;
    struct err err = {0};
    clean();
    char *text = mem_format("%s[data]\nsource=synthetic\ncount=60\n%s", small_net, small_layers);
    put_text("net.cfg", text);
    free(text);
    assert_int_equal(train((struct train_options){.run = "run"}, &(struct spy){.at = 2}), STATUS_INTERRUPTED);
    assert_int_equal(checkpoint_put("run/last.safetensors", 1, "classes", "4", &err), 0);
    refused((struct train_options){.run = "run", .resume = 1}, "classes is 4 in the run and 0,1,2 now");
    assert_int_equal(checkpoint_put("run/last.safetensors", 1, "classes", "3", &err), 0);
    assert_int_equal(train((struct train_options){.run = "run", .resume = 1}, NULL), 0);
}

/* What is refused leaves no folder behind. */
static void refusals_come_before_work(void **state) {
    (void)state;
    clean();
    static const struct { const char *net, *data, *part; } cases[] = {
        {"max_batches=4", "", "max_batches"}, {"class_weights=1,2", "", "class_weights"},
        {"patience=3", "valid=0", "patience"}, {"policy=plateau", "valid=0", "plateau"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = mem_format("[net]\nwidth=8\nheight=8\nchannels=3\nbatch=8\nepochs=3\n%s\n"
                                "[data]\nsource=synthetic\ncount=60\nclasses=a,b,c\n%s\n%s", cases[i].net,
                                cases[i].data, small_layers);
        put_text("net.cfg", text);
        free(text);
        refused((struct train_options){.run = "run"}, cases[i].part);
        assert_false(file_exists("run") || file_exists("runs"));
    }
    put_config("net.cfg", "", "", "[connected]\noutput=3\nactivation=linear\n");
    refused((struct train_options){.run = "run"}, "loss");
    put_config("net.cfg", "", "", "[connected]\noutput=3\nfreeze=1\nactivation=linear\n[softmax]\n");
    refused((struct train_options){.run = "run"}, "nothing is to be trained");
    put_text("net.cfg", "[net]\nwidth=8\nheight=8\nchannels=3\n[data]\nsource=synthetic\n"
                        "[connected]\noutput=3\n[softmax]\n");
    refused((struct train_options){.run = "run"}, "how long");
}

/* ---- arithmetic ---- */

static const char plain_layers[] = "[connected]\nname=a\noutput=7\nactivation=tanh\n"
                                   "[connected]\nname=b\noutput=3\nactivation=linear\n[softmax]\n";

/* max |difference| / max |value| over the tensors of two checkpoints, optimizer and all. */
static double distance(const char *a, const char *b) {
    struct tensor_file x, y;
    struct err err = {0};
    double difference = 0, most = 0;
    assert_int_equal(format_read(a, &x, &err), 0);
    assert_int_equal(format_read(b, &y, &err), 0);
    assert_int_equal(x.count, y.count);
    for (size_t i = 0; i < x.count; i++) {
        const struct named *other = tensor_file_find(&y, x.tensors[i].name);
        assert_non_null(other);
        for (size_t k = 0; k < x.tensors[i].count; k++) {
            difference = fmax(difference, fabs((double)x.tensors[i].data[k] - (double)other->data[k]));
            most = fmax(most, fabs((double)x.tensors[i].data[k]));
        }
    }
    tensor_file_free(&x);
    tensor_file_free(&y);
    return difference / most;
}

/* The parts of a batch give what the whole batch gives, a smaller last batch and class weights included. */
static void parts_equal_the_batch(void **state) {
    (void)state;
    static const char *const nets[] = {"", "l1=0.01\nmax_norm=1\nema=0.7", "class_weights=1,4,0.5", "label_smoothing=0.1\nclip=0.5", "optimizer=adam"};
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++) {
        char *parts = mem_format("%s\nsubdivisions=4", nets[i]);
        clean();
        put_config("net.cfg", nets[i], "", plain_layers);
        assert_int_equal(train((struct train_options){.run = "run"}, NULL), 0);
        put_config("net.cfg", parts, "", plain_layers);
        assert_int_equal(train((struct train_options){.run = "run2"}, NULL), 0);
        double found = distance("run/last.safetensors", "run2/last.safetensors");
        if (!(found < 2e-5)) {
            fail_msg("%s: %g", nets[i], found);
        }
        free(parts);
    }
}

static void a_rate_that_is_too_large_diverges(void **state) {
    (void)state;
    clean();
    put_config("net.cfg", "", "", small_layers);
    const char *const sets[] = {"net.learning_rate=1e6", "net.policy=constant", "net.decay=1e6",
                                "net.checkpoint_steps=0"};
    struct result r = train_with((struct train_options){.run = "run"}, NULL, sets, 4);
    assert_int_equal(r.status, STATUS_DIVERGED);
    assert_true(says(&r.err, "diverged at step ") && says(&r.err, "of layer \""));
    assert_true(says(&r.err, "the loss before it was"));
    err_free(&r.err);
    const char *const back[] = {sets[0], sets[1], sets[2], sets[3], "net.on_divergence=rollback",
                                "net.rollback_tries=2"};
    r = train_with((struct train_options){.run = "run", .force = 1}, NULL, back, 6);
    assert_int_equal(r.status, STATUS_DIVERGED);
    assert_true(says(&r.err, "gone back 2 times"));
    err_free(&r.err);
}

/* Half the rate, and half again, until it goes: then the run ends well, and its lines are those of one run. */
static void a_rollback_saves_the_run(void **state) {
    (void)state;
    clean();
    put_config("net.cfg", "", "", plain_layers);
    /* weights grow by a hundred times the rate at each step: six of them must not lead beyond 3e38 */
    const char *const sets[] = {"net.momentum=0", "net.policy=constant", "net.on_divergence=rollback",
                                "net.rollback_tries=9", "net.learning_rate=1e6", "net.decay=100",
                                "net.checkpoint_steps=0"};
    struct result r = train_with((struct train_options){.run = "run", .max_batches = 6}, NULL, sets, 7);
    assert_int_equal(r.status, 0);
    struct metrics m = metrics_read("run/metrics.jsonl");
    assert_int_equal(m.count, 1 + STEPS_PER_EPOCH + 1 + 1);
    double rate = number(&m, last_of(&m, "epoch"), "learning_rate");
    assert_true(rate > 5e3 && rate < 5e4);
    metrics_free(&m);
    err_free(&r.err);
}

/* It goes back to what the steps said to keep, not to where somebody stopped it. */
static void a_rollback_is_the_same_run_however_it_was_stopped(void **state) {
    (void)state;
    clean();
    put_config("net.cfg", "", "", plain_layers);
    const char *const sets[] = {"net.momentum=0", "net.policy=constant", "net.on_divergence=rollback", "net.rollback_tries=9", "net.learning_rate=1e6",
                                "net.decay=100", "net.checkpoint_steps=0"};
    const struct { struct train_options options; int stop, status; } parts[] = {
        {{.run = "run", .max_batches = 6}, 0, 0}, {{.run = "run2", .max_batches = 6}, 2, STATUS_INTERRUPTED}, {{.run = "run2", .max_batches = 6, .resume = 1}, 0, 0},
    };
    for (int i = 0; i < 3; i++) {
        struct spy spy = {.at = parts[i].stop};
        struct result r = train_with(parts[i].options, &spy, sets, 7);
        assert_int_equal(r.status, parts[i].status);
        assert_int_equal(file_exists("run2/rollback.safetensors"), parts[i].stop > 0);
        err_free(&r.err);
    }
    assert_int_equal(system("cmp run/last.safetensors run2/last.safetensors"), 0);
}

static void patience_ends_early(void **state) {
    (void)state;
    clean();
    /* a rate of nothing: no validation is better than the first */
    put_config("net.cfg", "patience=2", "", plain_layers);
    const char *const sets[] = {"net.learning_rate=0", "net.epochs=9"};
    struct result r = train_with((struct train_options){.run = "run"}, NULL, sets, 2);
    assert_int_equal(r.status, 0);
    struct metrics m = metrics_read("run/metrics.jsonl");
    assert_true(number(&m, last_of(&m, "epoch"), "epoch") == 3);
    metrics_free(&m);
    err_free(&r.err);
}

static void plateau_lowers_the_rate(void **state) {
    (void)state;
    clean();
    put_config("net.cfg", "plateau_patience=1\nplateau_factor=0.5\nlearning_rate_min=1e-30", "", plain_layers);
    const char *const sets[] = {"net.learning_rate=1e-20", "net.epochs=6", "net.policy=plateau"};
    struct result r = train_with((struct train_options){.run = "run"}, NULL, sets, 3);
    assert_int_equal(r.status, 0);
    struct metrics m = metrics_read("run/metrics.jsonl");
    int epoch = 0;
    /* the first is best, two more are not: from the fourth on half; two more: a quarter from the sixth on */
    static const double wanted[] = {1e-20, 1e-20, 1e-20, 5e-21, 5e-21, 2.5e-21};
    for (int i = 0; i < m.count; i++) {
        if (strcmp(event(&m, i), "epoch") == 0) {
            assert_true(fabs(number(&m, i, "learning_rate") / wanted[epoch++] - 1) < 1e-7);
        }
    }
    assert_int_equal(epoch, 6);
    metrics_free(&m);
    err_free(&r.err);
}

static void without_validation_best_is_last(void **state) {
    (void)state;
    clean();
    char *text = mem_format("%s[data]\nsource=synthetic\ncount=44\nclasses=a,b,c\n%s", small_net, small_layers);
    put_text("net.cfg", text);
    free(text);
    assert_int_equal(train((struct train_options){.run = "run", .max_batches = 9}, NULL), 0);
    same_files("run/last.safetensors", "run/best.safetensors");
    struct metrics m = metrics_read("run/metrics.jsonl");
    int epoch = last_of(&m, "epoch");
    assert_true(isnan(number(&m, epoch, "valid_top1")) && isnan(number(&m, m.count - 1, "best_valid_top1")));
    assert_true(number(&m, epoch, "step") == 9 && number(&m, epoch, "epoch") == 2);
    metrics_free(&m);
}

static void weights_start_a_run(void **state) {
    (void)state;
    clean();
    put_config("net.cfg", "", "", small_layers);
    assert_int_equal(train((struct train_options){.run = "run"}, NULL), 0);
    const char *const sets[] = {"net.learning_rate=0"};
    struct train_options from = {.run = "run2", .weights = "run/last.safetensors", .max_batches = 1};
    struct result r = train_with(from, NULL, sets, 1);
    assert_int_equal(r.status, 0);
    struct tensor_file a, b;
    assert_int_equal(format_read("run/last.safetensors", &a, &r.err), 0);
    assert_int_equal(format_read("run2/last.safetensors", &b, &r.err), 0);
    const struct named *x = tensor_file_find(&a, "fc.weight"), *y = tensor_file_find(&b, "fc.weight");
    assert_memory_equal(x->data, y->data, x->count * sizeof *x->data);
    tensor_file_free(&a);
    tensor_file_free(&b);
    err_free(&r.err);
}

/* What is frozen stays as it began, what isn't doesn't; of best.safetensors, with ema, there is only the average. */
static void frozen_layers_stay(void **state) {
    (void)state;
    clean();
    put_config("net.cfg", "ema=0.5", "", small_layers);
    assert_int_equal(train((struct train_options){.run = "run", .max_batches = 1}, NULL), 0);
    assert_int_equal(train((struct train_options){.run = "run2", .epochs = 2}, NULL), 0);
    struct err err = {0};
    struct tensor_file a, b, best;
    assert_int_equal(format_read("run/last.safetensors", &a, &err), 0);
    assert_int_equal(format_read("run2/last.safetensors", &b, &err), 0);
    assert_int_equal(format_read("run2/best.safetensors", &best, &err), 0);
    const struct named *x = tensor_file_find(&a, "fixed.weight"), *y = tensor_file_find(&b, "fixed.weight");
    assert_memory_equal(x->data, y->data, x->count * sizeof *x->data);
    x = tensor_file_find(&a, "conv1.weight");
    y = tensor_file_find(&b, "conv1.weight");
    assert_memory_not_equal(x->data, y->data, x->count * sizeof *x->data);
    const struct named *raw = tensor_file_find(&b, "optimizer.raw.conv1.weight");
    assert_non_null(raw);
    assert_memory_not_equal(raw->data, y->data, y->count * sizeof *y->data);
    assert_null(tensor_file_find(&best, "optimizer.raw.conv1.weight"));
    assert_null(tensor_file_find(&b, "optimizer.raw.fixed.weight"));
    tensor_file_free(&a);
    tensor_file_free(&b);
    tensor_file_free(&best);
}

/* ---- measuring ---- */

static void an_ensemble_is_measured(void **state) {
    (void)state;
    clean();
    struct model models[2], *list[] = {&models[0], &models[1]};
    struct model_options options = {0};
    struct plan_options plan = plan_for(0);
    struct data data;
    struct measure one, two, both;
    struct err err = {0};
    struct progress progress;
    progress_init(&progress, 1);
    put_config("net.cfg", "", "", plain_layers);
    for (uint64_t i = 0; i < 2; i++) {
        assert_int_equal(model_open(&models[i], "net.cfg", &options, &err), 0);
        assert_int_equal(model_plan(&models[i], &plan, i, &err), 0);
    }
    assert_int_equal(data_open(&data, &models[0].graph, 1 << SPLIT_TRAIN | 1 << SPLIT_VALID, NULL, 3, &err), 0);
    assert_int_equal(measure_run(list, 1, &data, SPLIT_TRAIN, NULL, &progress, &one, &err), 0);
    assert_int_equal(measure_run(list + 1, 1, &data, SPLIT_TRAIN, NULL, &progress, &two, &err), 0);
    assert_int_equal(measure_run(list, 2, &data, SPLIT_TRAIN, NULL, &progress, &both, &err), 0);
    assert_int_equal(one.images, TRAINED);
    assert_int_equal(both.images, TRAINED);
    assert_true(one.top5 == 1 && one.classes == 3);
    uint64_t cells = 0, diagonal = 0;
    for (int i = 0; i < 9; i++) {
        cells += both.confusion[i];
        diagonal += i % 4 == 0 ? both.confusion[i] : 0;
    }
    assert_int_equal(cells, TRAINED);
    assert_true(fabs(both.top1 - (double)diagonal / TRAINED) < 1e-12);
    assert_true(both.loss < (one.loss + two.loss) / 2);   /* -log is convex */
    measure_free(&one);
    measure_free(&two);
    measure_free(&both);
    data_close(&data);
    model_close(&models[0]);
    model_close(&models[1]);
}

/* A source of numbers: sample i is (i, -i) with targets (2 i + 1, 3). */
static int numbers_read(const struct source *source, size_t index, struct sample *sample, struct err *err) {
    float *numbers = mem_need(4, sizeof *numbers), i = (float)index;
    (void)source;
    (void)err;
    numbers[0] = i;
    numbers[1] = -i;
    numbers[2] = 2 * i + 1;
    numbers[3] = 3;
    *sample = (struct sample){.channels = 2, .height = 1, .width = 1, .values = numbers, .targets = numbers + 2,
                              .target_count = 2, .label = -1, .owned = numbers};
    return 0;
}

static void a_regression_is_measured(void **state) {
    (void)state;
    enum { SAMPLES = 11 };
    static const struct source_ops ops = {.name = "numbers", .read = numbers_read, .flags = SOURCE_IN_MEMORY};
    uint32_t items[SAMPLES];
    struct source source = {.ops = &ops, .count = SAMPLES, .channels = 2, .height = 1, .width = 1, .target_count = 2};
    struct data data = {.sources = {source}, .preprocess = {.channels = 2, .height = 1, .width = 1, .range = 1,
                                                            .std = {1, 1}}};
    struct model model, *list[] = {&model};
    struct model_options options = {0};
    struct plan_options plan = plan_for(0);
    struct measure m;
    struct err err = {0};
    struct progress progress;
    progress_init(&progress, 1);
    clean();
    put_text("net.cfg", "[net]\ninputs=2\n[connected]\noutput=2\nactivation=linear\n[cost]\ntype=mse\n");
    assert_int_equal(model_open(&model, "net.cfg", &options, &err), 0);
    assert_int_equal(model_plan(&model, &plan, 0, &err), 0);
    const float weight[] = {2, 0, 0, 0}, bias[] = {0, 2};   /* says (2 i, 2): wrong by one each time */
    value_set(&model.plan, &model.plan.values[0], weight);
    value_set(&model.plan, &model.plan.values[1], bias);
    struct exec exec = model_exec(&model, NULL);
    run_pack(&model.plan, &exec);
    for (uint32_t i = 0; i < SAMPLES; i++) {
        items[i] = i;
    }
    data.sets[SPLIT_TRAIN] = (struct dataset){.source = &source, .items = items, .count = SAMPLES};
    assert_int_equal(measure_run(list, 1, &data, SPLIT_TRAIN, NULL, &progress, &m, &err), 0);
    assert_true(m.regression && m.images == SAMPLES && isnan(m.top1));
    assert_true(fabs(m.loss - 1) < 1e-6 && fabs(m.rmse - 1) < 1e-6);
    /* squared errors: 2 * 11; squared distances: of 2 i + 1 from 11, 4 * 110; of 3 none */
    assert_true(fabs(m.r2 - (1 - 22.0 / 440)) < 1e-6);
    measure_free(&m);
    model_close(&model);
}

/* The look at training pictures before 8-bit products. */
static void a_signal_ends_quantizing(void **state) {
    (void)state;
    clean();
    struct model model;
    struct model_options options = {0};
    struct plan_options plan = plan_for(0);
    struct err err = {0};
    volatile sig_atomic_t stop = 1;
    plan.quantize = QUANTIZE_BY_DATA;
    plan.stop = &stop;
    put_config("net.cfg", "", "", small_layers);
    assert_int_equal(model_open(&model, "net.cfg", &options, &err), 0);
    assert_int_equal(model_plan(&model, &plan, 0, &err), -1);
    assert_int_equal(err.status, STATUS_INTERRUPTED);
    err_free(&err);
    model_close(&model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_run_leaves_what_it_promises),   cmocka_unit_test(a_resume_gives_the_same_bits),
        cmocka_unit_test(a_kill_loses_nothing),            cmocka_unit_test(a_finished_run_stays_as_it_is),
        cmocka_unit_test(force_starts_afresh),             cmocka_unit_test(one_process_writes_a_run),
        cmocka_unit_test(refusals_come_before_work),       cmocka_unit_test(parts_equal_the_batch),
        cmocka_unit_test(a_rate_that_is_too_large_diverges), cmocka_unit_test(a_rollback_saves_the_run),
        cmocka_unit_test(a_rollback_is_the_same_run_however_it_was_stopped),
        cmocka_unit_test(frozen_layers_stay),              cmocka_unit_test(a_run_that_counted_its_classes_goes_on),
        cmocka_unit_test(patience_ends_early),             cmocka_unit_test(plateau_lowers_the_rate),
        cmocka_unit_test(without_validation_best_is_last), cmocka_unit_test(weights_start_a_run),
        cmocka_unit_test(an_ensemble_is_measured),         cmocka_unit_test(a_regression_is_measured),
        cmocka_unit_test(a_signal_ends_quantizing),
    };
    return cmocka_run_group_tests_name("train", tests, scratch_make, scratch_remove);
}
