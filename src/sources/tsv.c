/* source=tsv: texts with what is to be said of them. A line is a text, a tab, and a label (of a network that answers once),
 * or as many tags as the text has symbols, spaces between them (of one that answers at each step). Texts are of any length
 * up to time_steps; what is longer is cut, and said. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "kernels/kernels.h"
#include "sources/parts.h"
#include "sources/vocabulary.h"

static const size_t MOST_BYTES = (size_t)1 << 31;
enum { MOST_COMPLAINTS = 10, MOST_CLASSES = 1 << 20 };

struct line { char *text, *answer; size_t number; };

/* Sample i's symbols are ids[first[i]..first[i + 1]); its tags lie likewise, its label is tags[i]. */
struct tsv {
    struct line *lines;
    size_t count, room;
    int32_t *ids, *tags;
    size_t *first;
};

static int tagging(const struct source *source) {
    return source->answers > 1;
}

/* ---- lines ---- */

static int complain(const struct source *source, size_t number, const char *what, struct err *err) {
    return err_add(err, STATUS_REFUSED, "%s:%zu: %s", source->path, number, what);
}

/* One line, cut in place. Empty lines are left out. */
static int cut_line(const struct source *source, struct tsv *own, char *line, size_t number, struct err *err) {
    size_t length = strlen(line);
    if (length > 0 && line[length - 1] == '\r') {
        line[--length] = '\0';
    }
    if (length == 0) {
        return 0;
    }
    char *tab = strchr(line, '\t');
    if (tab == NULL) {
        return complain(source, number, "want a text, a tab, and what is to be said of it; there is no tab", err);
    }
    if (strchr(tab + 1, '\t') != NULL) {
        return complain(source, number, "want one tab, found several", err);
    }
    *tab = '\0';
    if (line[strspn(line, " ")] == '\0' || tab[1 + strspn(tab + 1, " ")] == '\0') {
        return complain(source, number, tab[1] == '\0' ? "there is nothing behind the tab" : "the text is empty", err);
    }
    const char *trouble = config_trouble(tab + 1, strlen(tab + 1));
    if (trouble != NULL) {
        return err_add(err, STATUS_REFUSED, "%s:%zu: behind the tab, the line holds %s", source->path, number, trouble);
    }
    own->lines = mem_grow(own->lines, &own->room, own->count, sizeof *own->lines);
    own->lines[own->count++] = (struct line){line, tab + 1, number};
    return 0;
}

static int cut_lines(const struct source *source, struct tsv *own, char *text, struct err *err) {
    int before = err->count;
    size_t number = 1;
    for (char *end; text != NULL && err->count < before + MOST_COMPLAINTS; text = end, number++) {
        end = strchr(text, '\n');
        if (end != NULL) {
            *end++ = '\0';
        }
        cut_line(source, own, text, number, err);
    }
    if (err->count == before && own->count == 0) {
        return err_add(err, STATUS_REFUSED, "%s: is empty", source->path);
    }
    return err->count == before ? 0 : -1;
}

/* ---- classes and vocabulary ---- */

/* Labels as they stand; tags are words. */
static int add_answers(const struct source *source, const struct tsv *own, struct vocabulary_count *all) {
    for (size_t i = 0; i < own->count; i++) {
        if (tagging(source)) {
            vocabulary_add(all, UNIT_WORD, own->lines[i].answer);
        } else {
            all->names = mem_grow(all->names, &all->room, all->count, sizeof *all->names);
            all->names[all->count++] = mem_copy(own->lines[i].answer);
        }
    }
    return 0;
}

/* Without classes= they are the labels, or tags, that occur, in byte order. */
static void name_classes(struct source *source, const struct tsv *own) {
    struct vocabulary_count all = {0};
    size_t kinds;
    if (source->class_names == NULL) {
        add_answers(source, own, &all);
        source->class_names = vocabulary_names(&all, MOST_CLASSES, &source->classes, &kinds);
    }
}

/* The vocabulary is the training text's: that of the model, or of the training part, is there already otherwise. */
static int name_symbols(struct source *source, enum split split, enum unit unit, const struct tsv *own, struct err *err) {
    struct vocabulary_count all = {0};
    size_t kinds;
    if (source->symbols != NULL) {
        return 0;
    }
    if (split != SPLIT_TRAIN) {
        return config_refuse(source->section, "data", "vocabulary", err, "is missing: a model that was trained has it");
    }
    for (size_t i = 0; i < own->count; i++) {
        int bad = vocabulary_add(&all, unit, own->lines[i].text);
        if (bad != 0) {
            names_free(all.names, (int)all.count);
            return complain(source, own->lines[i].number, bad == -1 ? "the text is not UTF-8; unit=byte reads any" :
                            "a word holds a control character, so that no model could list it; unit=char and unit=byte read any", err);
        }
    }
    source->symbols = vocabulary_names(&all, (size_t)source->symbol_room, &source->symbol_count, &kinds);
    if (kinds > (size_t)source->symbol_count) {
        err_warn(err, "%s: has %zu different symbols: the vocabulary is the %d most frequent, as size= of the first layer says",
                 source->path, kinds, source->symbol_count);
    }
    return 0;
}

/* ---- numbers ---- */

static int say_unknown(const struct source *source, size_t number, const char *word, struct err *err) {
    const char *near = names_nearest(source->class_names, source->classes, word);
    return err_add(err, STATUS_REFUSED, "%s:%zu: \"%.100s\" is none of the %d classes%s%s%s", source->path, number, word,
                   source->classes, near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

/* The line's tags, one a symbol; those of symbols that are cut off are checked too. */
static int read_tags(const struct source *source, const struct name_index *classes, const struct line *line, size_t symbols,
                     size_t kept, int32_t *tags, struct err *err) {
    struct text name = {0};
    const char *at = line->answer;
    size_t count = 0;
    int bad = 0;
    for (; !bad && vocabulary_next(UNIT_WORD, &at, &name) == 1; count++) {
        int tag = name_index_find(classes, name.text);
        if (tag < 0) {
            bad = say_unknown(source, line->number, name.text, err);
        } else if (count < kept) {
            tags[count] = tag;
        }
    }
    text_free(&name);
    if (!bad && count != symbols) {
        bad = err_add(err, STATUS_REFUSED, "%s:%zu: want a tag for each of %zu symbols, found %zu", source->path,
                      line->number, symbols, count);
    }
    return bad;
}

/* Numbers of line i behind those of the lines before. *cut counts the texts that are longer than time_steps. */
static int number_line(const struct source *source, struct tsv *own, size_t i, const struct vocabulary *vocabulary,
                       const struct name_index *classes, size_t *cut, struct err *err) {
    const struct line *line = &own->lines[i];
    size_t steps = (size_t)source->steps, first = own->first[i];
    long symbols = vocabulary_read(vocabulary, line->text, own->ids + first, steps);
    if (symbols < 0) {
        return complain(source, line->number, "the text is not UTF-8; unit=byte reads any", err);
    }
    size_t kept = (size_t)symbols < steps ? (size_t)symbols : steps;
    own->first[i + 1] = first + kept;
    *cut += (size_t)symbols > kept;
    if (tagging(source)) {
        return read_tags(source, classes, line, (size_t)symbols, kept, own->tags + first, err);
    }
    own->tags[i] = name_index_find(classes, line->answer);
    return own->tags[i] < 0 ? say_unknown(source, line->number, line->answer, err) : 0;
}

static int number_lines(const struct source *source, struct tsv *own, enum unit unit, struct err *err) {
    struct vocabulary vocabulary = {unit, name_index_make(source->symbols, source->symbol_count)};
    struct name_index classes = name_index_make(source->class_names, source->classes);
    size_t cut = 0;
    int before = err->count;
    for (size_t i = 0; i < own->count && err->count < before + MOST_COMPLAINTS; i++) {
        if (number_line(source, own, i, &vocabulary, &classes, &cut, err) != 0) {
            own->first[i + 1] = own->first[i];
        }
    }
    name_index_free(&classes);
    name_index_free(&vocabulary.index);
    if (err->count == before && cut > 0) {
        err_warn(err, "%s: %zu of %zu texts are longer than time_steps=%d: their ends are cut off", source->path, cut,
                 own->count, source->steps);
    }
    return err->count == before ? 0 : -1;
}

/* ---- opening ---- */

static int check_network(const struct source *source, struct err *err) {
    if (source->want.c * source->want.h * source->want.w != source->steps || source->symbol_room == 0) {
        return err_add(err, STATUS_REFUSED, "%s: texts are one number a step: want inputs=1 in [net], and an [embedding] "
                       "or [onehot] layer first", source->path);
    }
    if (source->answers != source->steps && source->answers != 1) {
        return err_add(err, STATUS_REFUSED, "%s: the network reads %d symbols and answers %d times: want %d (a tag for "
                       "each) or 1 (a label)", source->path, source->steps, source->answers, source->steps);
    }
    return 0;
}

static int number_all(struct source *source, struct tsv *own, size_t size, enum split split, struct err *err) {
    enum unit unit = (enum unit)config_choice(source->section, "unit");
    own->ids = mem_try(size + 1, sizeof *own->ids);      /* a symbol takes a byte at least */
    own->tags = mem_try(size + 1, sizeof *own->tags);
    own->first = mem_try(own->count + 1, sizeof *own->first);
    if (own->ids == NULL || own->tags == NULL || own->first == NULL) {
        return err_add(err, STATUS_FAILED, "%s: out of memory for %zu bytes", source->path, size);
    }
    name_classes(source, own);
    if (name_symbols(source, split, unit, own, err) != 0 || number_lines(source, own, unit, err) != 0) {
        return -1;
    }
    source->count = own->count;
    source->label_count = source->answers;
    return 0;
}

static int tsv_open(struct source *source, enum split split, struct err *err) {
    struct tsv *own = source->own = mem_need(1, sizeof *own);
    unsigned char *bytes = NULL;
    size_t size = 0;
    if (check_network(source, err) != 0 || file_read(source->path, 1, MOST_BYTES, STATUS_REFUSED, &bytes, &size, err) != 0) {
        return -1;
    }
    int result = memchr(bytes, '\0', size) != NULL
                     ? err_add(err, STATUS_REFUSED, "%s: want lines of text, tab, label; found binary data", source->path)
                     : cut_lines(source, own, (char *)bytes + file_mark(bytes, size), err);
    result = result == 0 ? number_all(source, own, size, split, err) : result;
    free(own->lines);
    own->lines = NULL;
    free(bytes);
    return result;
}

/* ---- samples ---- */

static int tsv_label(const struct source *source, size_t index) {
    const struct tsv *own = source->own;
    return own->tags[tagging(source) ? own->first[index] : index];
}

/* Behind the end of the text: padding, without labels. */
static int tsv_read(const struct source *source, size_t index, struct sample *sample, struct err *err) {
    const struct tsv *own = source->own;
    size_t steps = (size_t)source->steps, first = own->first[index], length = own->first[index + 1] - first;
    float *values = mem_try(2 * steps, sizeof *values);
    if (values == NULL) {
        return err_add(err, STATUS_FAILED, "%s: out of memory for a text of %zu symbols", source->path, length);
    }
    int32_t *labels = (int32_t *)(void *)(values + steps);
    for (size_t i = 0; i < steps; i++) {
        values[i] = i < length ? (float)own->ids[first + i] : SYMBOL_PADDING;
        labels[i] = i < length && tagging(source) ? own->tags[first + i] : -1;
    }
    *sample = (struct sample){
        .values = values, .label = tsv_label(source, index), .labels = tagging(source) ? labels : NULL, .owned = values};
    return 0;
}

static void tsv_close(struct source *source) {
    struct tsv *own = source->own;
    if (own != NULL) {
        free(own->lines);
        free(own->ids);
        free(own->tags);
        free(own->first);
    }
    free(own);
    source->own = NULL;
}

const struct source_ops source_tsv = {
    .name = "tsv",
    .things = "texts",
    .help = "A text file with a line for each text: the text, a tab, and its label; or, for a network that answers at each "
            "step, as many tags as the text has symbols, spaces between them. unit= says what a symbol is: a character, a "
            "byte, or a word. Texts may be of any length up to time_steps (longer ones are cut): behind their ends recurrent "
            "layers stand still and nothing is learnt. The vocabulary is the training text's, at most as many symbols as "
            "size= of the first layer says, and is kept in the model; other symbols are zeros.",
    .open = tsv_open,
    .read = tsv_read,
    .label = tsv_label,
    .name_of = source_numbered,
    .close = tsv_close,
    .flags = SOURCE_IN_MEMORY,
};
