/* Checkpoints of a run (trainer.h). What metrics.jsonl says of steps that a checkpoint holds is on the disk first. */
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "trainer.h"

/* A resumed run keeps the text of its config as it was: another order of keys would be other bytes. */
static int write_to(struct trainer *t, const char *path, const struct optimizer *optimizer, struct err *err) {
    const struct model *m = t->model;
    const struct config *config = t->resumed ? &t->stored.config : &m->config;
    optimizer_swap(&t->optimizer);
    int result = checkpoint_write(path, config, m->classes, m->class_count, &m->plan, optimizer, &t->state, err);
    optimizer_swap(&t->optimizer);
    return result;
}

/* A second name for a checkpoint just written, or a second copy where the file system can't do that. */
static int also(struct trainer *t, const char *written, const char *name, struct err *err) {
    int result = run_folder_also(&t->folder, written, name, err);
    if (result == 1) {
        char *path = mem_format("%s/%s", t->folder.path, name);
        result = write_to(t, path, &t->optimizer, err);
        free(path);
    }
    return result;
}

int save_last(struct trainer *t, struct err *err) {
    if (events_sync(&t->events, err) != 0 || write_to(t, t->folder.last, &t->optimizer, err) != 0) {
        return -1;
    }
    t->clock.saved = progress_now();
    return trainer_validates(t) ? 0 : also(t, t->folder.last, "best.safetensors", err);
}

/* rollback first: a process killed between the two resumes before it, and comes by here again. */
int save_due(struct trainer *t, struct err *err) {
    int rolls_back = config_choice(t->model->graph.net, "on_divergence") == 1 && !t->state.finished;
    if (rolls_back && (events_sync(&t->events, err) != 0 || write_to(t, t->folder.rollback, &t->optimizer, err) != 0)) {
        return -1;
    }
    int result = save_last(t, err);
    if (t->state.finished && result == 0) {
        unlink(t->folder.rollback);
    }
    return result;
}

/* The steps that the checkpoint at `path` holds, or -1. */
static double steps_of(const char *path) {
    struct tensor_file file = {0};
    struct progress_state state = {0};
    struct err ignored = {0};
    const char *training = format_read(path, &file, &ignored) == 0 ? tensor_file_text(&file, "dlcli.training") : NULL;
    double steps = training != NULL && progress_state_read(&state, training, path, &ignored) == 0 ? (double)state.step : -1;
    tensor_file_free(&file);
    err_free(&ignored);
    return steps;
}

int save_mend(struct trainer *t, struct err *err) {
    int stale = !trainer_validates(t) && steps_of(t->folder.best) != (double)t->state.step;
    return stale && also(t, t->folder.last, "best.safetensors", err) != 0 ? -1 : 0;
}

int save_best(struct trainer *t, struct err *err) {
    return write_to(t, t->folder.best, NULL, err);
}

int save_keep(struct trainer *t, struct err *err) {
    uint64_t keep = (uint64_t)t->options->keep, epoch = t->state.epoch;
    char name[40];
    if (keep == 0 || epoch == 0) {
        return 0;
    }
    if (also(t, t->folder.last, run_folder_epoch(epoch, name), err) != 0) {
        return -1;
    }
    if (epoch > keep) {
        run_folder_prune(&t->folder, epoch - keep);
    }
    return 0;
}
