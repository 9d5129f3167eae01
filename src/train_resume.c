/* What a resume has to know (trainer.h): the checkpoint that RUN holds, and whether what is asked for now is the same
 * run. The stored config is complete: it is compared with the command's, once that is complete too, key by key. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "trainer.h"

enum { DEFAULT_ROOM = 32 };   /* a number's characters */

int stored_read(struct stored *s, const char *path, struct err *err) {
    *s = (struct stored){0};
    if (format_read(path, &s->file, err) != 0 || checkpoint_verify(&s->file, path, err) != 0) {
        return -1;
    }
    const char *config = tensor_file_text(&s->file, "dlcli.config");
    const char *training = tensor_file_text(&s->file, "dlcli.training");
    if (config == NULL || training == NULL) {
        return err_add(err, STATUS_REFUSED, "%s: says nothing of a training that could go on", path);
    }
    struct err ignored = {0};   /* warnings of the config: said of the command's already */
    int bad = config_parse(&s->config, path, config, strlen(config), &ignored) != 0 ||
              (s->config.stored = 1, graph_build(&s->graph, &s->config, &ignored)) != 0;
    ignored.warnings = bad ? ignored.warnings : 0;
    if (bad) {
        return err_move(err, &ignored);
    }
    return progress_state_read(&s->state, training, path, err);
}

void stored_free(struct stored *s) {
    graph_free(&s->graph);
    config_free(&s->config);
    tensor_file_free(&s->file);
    *s = (struct stored){0};
}

static const char *key_of(const struct entry *entry) {
    return entry->is != NULL ? entry->is->name : entry->key;
}

static const struct entry *entry_find(const struct section *section, const char *key) {
    for (size_t i = 0; i < section->count; i++) {
        if (strcmp(key_of(&section->entries[i]), key) == 0) {
            return &section->entries[i];
        }
    }
    return NULL;
}

const char *stored_value(const struct stored *s, const struct section *section, const char *key) {
    for (size_t i = 0; section != NULL && i < s->config.count; i++) {
        const struct entry *entry = entry_find(&s->config.sections[i], key);
        if (strcmp(s->config.sections[i].name, section->name) == 0 && entry != NULL) {
            return entry->value;
        }
    }
    return NULL;
}

static int same_value(const struct entry *entry, const char *value) {
    return entry->is != NULL ? config_same_value(entry->is, entry->value, value) : strcmp(entry->value, value) == 0;
}

/* Runs of before kept a count alone of classes that are called by their numbers. */
static int counts_classes(const struct entry *stored, const char *now) {
    long count, number;
    if (strcmp(key_of(stored), "classes") != 0 || number_int(stored->value, 1, LONG_MAX, &count) != 0) {
        return 0;
    }
    for (long i = 0; i < count; i++, now += *now == ',') {
        char *name = mem_copy_n(now, strcspn(now, ","));
        int same = number_int(name, i, i, &number) == 0;
        now += strlen(name);
        free(name);
        if (!same) {
            return 0;
        }
    }
    return *now == '\0';
}

static const char *shown(const char *value) {
    return value != NULL ? value : "nothing";
}

/* What a section does where it doesn't give that key; NULL: nothing. [net]'s eps (no other section has a key of that name) depends on the
 * optimizer. */
static const char *default_in(const struct section *section, const struct entry *entry, char room[DEFAULT_ROOM]) {
    if (strcmp(key_of(entry), "eps") == 0) {
        snprintf(room, DEFAULT_ROOM, "%.17g", optimizer_eps(section));
        return room;
    }
    return entry->is != NULL ? entry->is->standard : NULL;
}

/* Does every key of `a` mean the same in `b`? One that isn't there stands at its default. */
static int section_same(const struct section *a, const struct section *b, int a_is_stored, struct err *err) {
    int bad = 0;
    for (size_t i = 0; i < a->count; i++) {
        const struct entry *mine = &a->entries[i], *other = entry_find(b, key_of(mine));
        if (mine->is != NULL && (mine->is->type == KEY_IGNORED || strcmp(mine->is->name, "calibration") == 0)) {
            continue;   /* a calibration, which training has no use for, may have been written into the checkpoint since */
        }
        if (other != NULL && !a_is_stored) {
            continue;   /* was looked at from the other side */
        }
        char room[DEFAULT_ROOM];
        const char *value = other != NULL ? other->value : default_in(b, mine, room);
        if (value == NULL || (!same_value(mine, value) && !(a_is_stored && counts_classes(mine, value)))) {
            bad = err_add(err, STATUS_REFUSED, "--resume: [%s] %s is %s in the run and %s now: that is another run; "
                          "repeat the options that it was begun with", a->name, key_of(mine),
                          a_is_stored ? mine->value : shown(value), a_is_stored ? shown(value) : mine->value);
        }
    }
    return bad;
}

static int config_same(const struct config *stored, const struct config *now, struct err *err) {
    int bad = stored->count != now->count;
    for (size_t i = 0; !bad && i < now->count; i++) {
        bad = strcmp(stored->sections[i].name, now->sections[i].name) != 0;
    }
    if (bad) {
        return err_add(err, STATUS_REFUSED, "--resume: the run has other sections than %s: it is another network",
                       now->path);
    }
    for (size_t i = 0; i < now->count; i++) {
        bad |= section_same(&stored->sections[i], &now->sections[i], 1, err);
        bad |= section_same(&now->sections[i], &stored->sections[i], 0, err);
    }
    return bad;
}

int stored_compare(const struct stored *s, const struct trainer *t, struct err *err) {
    int bad = config_same(&s->config, &t->model->config, err);
    if (strcmp(s->state.precision, t->state.precision) != 0) {
        bad = err_add(err, STATUS_REFUSED, "--resume: the run is --precision %s, not %s", s->state.precision,
                      t->state.precision);
    }
    if (s->state.position > t->length.samples) {
        bad = err_add(err, STATUS_REFUSED, "--resume: the run had more training samples than the %llu there are now",
                      (unsigned long long)t->length.samples);
    }
    if (strcmp(s->state.isa, t->state.isa) != 0) {
        err_warn(err, "the run was begun with the instruction set %s and goes on with %s: not the same bits",
                 s->state.isa, t->state.isa);
    }
    if (strcmp(s->state.blas, t->state.blas) != 0) {
        err_warn(err, "the run was begun with \"%s\" and goes on with \"%s\": not the same bits", s->state.blas,
                 t->state.blas);
    }
    if (t->options->weights != NULL) {
        err_warn(err, "%s is not read: the run goes on from its own checkpoint", t->options->weights);
    }
    return bad;
}
