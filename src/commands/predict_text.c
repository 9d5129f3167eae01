/* predict's texts: --text, and the lines of .txt and .tsv files, as symbols of the model's vocabulary (source=tsv). */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "commands/predict.h"

static const size_t MOST_BYTES = (size_t)1 << 30;

int reader_open(struct reader *r, const struct model *model) {
    const struct section *data = model->graph.data;
    if (data == NULL || !config_given(data, "vocabulary") || shape_step(model->graph.input) != 1) {
        return 0;
    }
    names_parse(config_text(data, "vocabulary"), &r->names, &r->count);
    r->vocabulary = (struct vocabulary){(enum unit)config_choice(data, "unit"), name_index_make(r->names, r->count)};
    return 1;
}

void reader_close(struct reader *r) {
    if (r->names != NULL) {
        name_index_free(&r->vocabulary.index);
        names_free(r->names, r->count);
    }
}

/* The member's input `place`: symbols, then padding. Returns how many symbols the text has, -1 where it is no UTF-8. */
static long fill_input(const struct member *m, int place, const char *text) {
    size_t steps = (size_t)m->model.graph.input.t;
    float *to = m->input + (size_t)place * steps;
    int32_t *ids = mem_need(steps, sizeof *ids);
    long count = vocabulary_read(&m->reader.vocabulary, text, ids, steps);
    for (size_t i = 0; i < steps; i++) {
        to[i] = count > 0 && i < (size_t)count ? (float)ids[i] : SYMBOL_PADDING;
    }
    free(ids);
    return count;
}

static const char *find_fault(const struct batcher *b, const char *text) {
    for (int m = 0; m < b->member_count; m++) {
        const struct member *member = &b->members[m];
        if (member->reader.names == NULL) {
            return "is a text, but the model reads none: it was not trained on source=tsv";
        }
        long count = fill_input(member, b->count, text);
        if (count <= 0) {
            return count < 0 ? "the text is not UTF-8" : "the text is empty";
        }
    }
    return NULL;
}

int batcher_add_text(struct batcher *b, const char *name, long row, const char *text, struct err *err) {
    const char *fault = find_fault(b, text);
    if (fault != NULL) {
        char *why = row < 0 ? mem_format("\"%s\": %s", name, fault) : mem_format("%s:%ld: %s", name, row + 1, fault);
        int bad = batcher_add_error(b, name, why, err);
        free(why);
        return bad;
    }
    return batcher_add_place(b, (struct place){mem_copy(name), row, NULL, mem_copy(text)}, err);
}

int feed_text(struct batcher *b, const char *path, struct err *why, struct err *err) {
    unsigned char *bytes;
    size_t size;
    if (file_read(path, 1, MOST_BYTES, STATUS_FAILED, &bytes, &size, why) != 0) {
        return 0;
    }
    int bad = 0;
    if (memchr(bytes, '\0', size) != NULL) {
        err_add(why, STATUS_FAILED, "%s: want lines of text; found binary data", path);
    }
    char *line = why->count > 0 ? NULL : (char *)bytes + file_mark(bytes, size);
    for (long row = 0; line != NULL && !bad; row++) {
        char *end = strchr(line, '\n'), *next = end != NULL ? end + 1 : NULL;
        line[strcspn(line, "\t\r\n")] = '\0';      /* of a .tsv the text alone */
        bad = *line != '\0' ? batcher_add_text(b, path, row, line, err) : 0;
        line = next;
    }
    free(bytes);
    return bad;
}

int says_tags(const struct batcher *b, const struct place *place) {
    const struct graph *g = &b->members[0].model.graph;
    return place->text != NULL && b->members[0].layer < 0 && g->classes > 0 && g->nodes[g->output].out.t == g->input.t && g->input.t > 1;
}

int tags_next(struct tags *tags, struct text *symbol, size_t *best) {
    if (tags->left == 0 || vocabulary_next(tags->unit, &tags->text, symbol) != 1) {
        return 0;
    }
    *best = 0;
    for (size_t c = 1; c < tags->classes; c++) {
        *best = tags->values[c] > tags->values[*best] ? c : *best;
    }
    tags->probability = tags->values[*best];
    tags->values += tags->classes;
    tags->left--;
    return 1;
}

struct tags tags_begin(const struct batcher *b, const struct place *place, const float *values) {
    const struct member *m = &b->members[0];
    return (struct tags){.text = place->text, .unit = m->reader.vocabulary.unit, .values = values,
                         .classes = (size_t)m->model.graph.classes, .left = (size_t)m->model.graph.input.t};
}
