/* Any text as a data set for models that say the next symbol. The text is cut into as many streams as a pass has
 * samples; a sample is a window of one stream, its labels the symbols that follow each of its own, and sample i +
 * streams goes on where sample i ends: read in order, each place of a batch reads one stream from end to end. The last
 * `valid` of the training text is the validation text.
 *
 * The alphabet is the training text's; a symbol it lacks counts nothing as a label and is all zeros as an input. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "sources/parts.h"
#include "sources/symbols.h"

static const size_t MOST_BYTES = (size_t)1 << 31;
enum { MOST_SYMBOLS = 1 << 20 };

/* ids[first..first + count) are this split's. */
struct text_source {
    int32_t *ids;
    size_t first, count, windows, stride;
};

static int32_t *ids_of(const struct text_source *own) {
    return own->ids + own->first;
}

/* ---- reading ---- */

/* UTF-8's mark is no symbol; of bytes each is. */
static int decode(const struct source *source, enum unit unit, const unsigned char *bytes, size_t size, uint32_t *codes,
                  size_t *count, struct err *err) {
    size_t taken;
    for (size_t at = unit == UNIT_BYTE ? 0 : file_mark(bytes, size); at < size; at += taken) {
        taken = symbol_read(unit, bytes + at, size - at, &codes[*count]);
        if (taken == 0) {
            return err_add(err, STATUS_REFUSED, "%s: byte %zu (0x%02x) is not UTF-8; unit=byte reads any file",
                           source->path, at + 1, (unsigned)bytes[at]);
        }
        ++*count;
    }
    return *count == 0 ? err_add(err, STATUS_REFUSED, "%s: is empty", source->path) : 0;
}

/* Which part of the text is this split's. */
static int take_part(const struct source *source, enum split split, size_t all, struct text_source *own,
                     struct err *err) {
    double valid = source->whole || split == SPLIT_TEST ? 0 : source->valid;
    size_t held = (size_t)(valid < 1 ? valid * (double)all + 0.5 : valid);
    if (valid > 0 && (held == 0 || held >= all)) {
        return config_refuse(source->section, "data", "valid", err,
                             "%zu of the text's %zu symbols would be for validation", held, all);
    }
    own->first = split == SPLIT_VALID && held > 0 ? all - held : 0;
    own->count = split == SPLIT_VALID && held > 0 ? held : all - held;
    return 0;
}

static void name_symbols(struct source *source, const struct alphabet *a) {
    char name[SYMBOL_MOST_NAME];
    source->classes = a->count;
    source->class_names = mem_need((size_t)a->count, sizeof *source->class_names);
    for (int i = 0; i < a->count; i++) {
        source->class_names[i] = mem_copy(symbol_name(a->unit, a->codes[i], name));
    }
}

/* Symbols named already (a model's, or the training part's) are the alphabet; a stored alphabet of the digits alone is
 * a mere count. */
static int make_alphabet(struct source *source, enum split split, enum unit unit, const uint32_t *codes, size_t count,
                         struct alphabet *a, struct err *err) {
    static const uint32_t digits[] = {'0', '1', '2', '3', '4', '5', '6', '7', '8', '9'};
    if (source->class_names != NULL) {
        int bad = alphabet_of_names(a, unit, source->class_names, source->classes);
        return bad < 0 ? 0
                       : config_refuse(source->section, "data", "classes", err,
                                       "\"%s\" is no symbol of a text: want a character, \\n, \\s (space) or \\x00",
                                       source->class_names[bad]);
    }
    int numbers = split != SPLIT_TRAIN && source->classes > 0 && source->classes <= 10;
    alphabet_of_text(a, unit, numbers ? digits : codes, numbers ? (size_t)source->classes : count);
    if (a->count < 2 || a->count > MOST_SYMBOLS) {
        return err_add(err, STATUS_REFUSED, "%s: want a text of 2..%d different symbols, found %d", source->path,
                       MOST_SYMBOLS, a->count);
    }
    name_symbols(source, a);
    return 0;
}

/* How windows and streams lie. */
static int lay_out(struct source *source, enum split split, struct text_source *own, struct err *err) {
    size_t steps = (size_t)source->steps, windows = own->count > 0 ? (own->count - 1) / steps : 0;
    if (source->answers != source->steps && source->answers != 1) {
        return err_add(err, STATUS_REFUSED, "%s: the network reads %d symbols and answers %d times: want %d or 1",
                       source->path, source->steps, source->answers, source->steps);
    }
    if (source->want.c * source->want.h * source->want.w != source->steps) {
        return err_add(
            err, STATUS_REFUSED,
            "%s: a text gives one number a step: want inputs=1 in [net], and an [embedding] or [onehot] layer first",
            source->path);
    }
    if (windows == 0) {
        return err_add(err, STATUS_REFUSED, "%s: the %s part has %zu symbol%s: a window of time_steps=%d takes %zu",
                       source->path, split_name(split), own->count, own->count == 1 ? "" : "s", source->steps,
                       steps + 1);
    }
    source->streams = (size_t)source->streams < windows ? source->streams : (int)windows;
    own->stride = (own->count - 1) / (size_t)source->streams;
    own->windows = own->stride / steps;
    source->count = own->windows * (size_t)source->streams;
    source->label_count = source->answers;
    return 0;
}

static int number_symbols(struct source *source, enum split split, const uint32_t *codes, size_t count,
                          struct err *err) {
    struct text_source *own = source->own;
    struct alphabet alphabet = {0};
    enum unit unit = (enum unit)config_choice(source->section, "unit");
    int result = take_part(source, split, count, own, err);
    result = result == 0 ? make_alphabet(source, split, unit, codes + own->first, own->count, &alphabet, err) : result;
    for (size_t i = 0; i < count && result == 0; i++) {
        own->ids[i] = alphabet_find(&alphabet, codes[i]);
    }
    alphabet_free(&alphabet);
    return result == 0 ? lay_out(source, split, own, err) : result;
}

static int text_open(struct source *source, enum split split, struct err *err) {
    struct text_source *own = source->own = mem_need(1, sizeof *own);
    unsigned char *bytes = NULL;
    size_t size = 0, count = 0;
    if (config_choice(source->section, "unit") == UNIT_WORD) {
        return config_refuse(source->section, "data", "unit", err, "source=text reads characters or bytes: want char or byte");
    }
    if (file_read(source->path, 1, MOST_BYTES, STATUS_REFUSED, &bytes, &size, err) != 0) {
        return -1;
    }
    uint32_t *codes = mem_try(size + 1, sizeof *codes);
    own->ids = mem_try(size + 1, sizeof *own->ids);
    int result = codes == NULL || own->ids == NULL
                     ? err_add(err, STATUS_FAILED, "%s: out of memory for %zu bytes", source->path, size)
                     : decode(source, (enum unit)config_choice(source->section, "unit"), bytes, size, codes, &count, err);
    result = result == 0 ? number_symbols(source, split, codes, count, err) : result;
    free(codes);
    free(bytes);
    return result;
}

/* ---- samples ---- */

/* Where the sample's window begins. */
static const int32_t *window_of(const struct source *source, size_t index) {
    const struct text_source *own = source->own;
    size_t streams = (size_t)source->streams;
    return ids_of(own) + index % streams * own->stride + index / streams * (size_t)source->steps;
}

static int text_label(const struct source *source, size_t index) {
    return window_of(source, index)[source->steps];
}

static int text_read(const struct source *source, size_t index, struct sample *sample, struct err *err) {
    const int32_t *ids = window_of(source, index);
    size_t steps = (size_t)source->steps;
    float *values = mem_try(steps, sizeof *values);
    if (values == NULL) {
        return err_add(err, STATUS_FAILED, "%s: out of memory for a window of %zu symbols", source->path, steps);
    }
    for (size_t i = 0; i < steps; i++) {
        values[i] = (float)ids[i];
    }
    *sample = (struct sample){
        .values = values, .label = ids[steps], .labels = source->answers == 1 ? ids + steps : ids + 1, .owned = values};
    return 0;
}

static void text_close(struct source *source) {
    struct text_source *own = source->own;
    if (own != NULL) {
        free(own->ids);
    }
    free(own);
    source->own = NULL;
}

const struct source_ops source_text = {
    .name = "text",
    .help = "Any text file, to learn to say the next symbol: characters of UTF-8 or bytes (unit=). Samples are "
            "windows of time_steps symbols, labels the symbols that follow; the batch reads so many streams of the "
            "text side by side, in order. valid=N or a fraction takes the end of the text.",
    .open = text_open,
    .read = text_read,
    .label = text_label,
    .name_of = source_numbered,
    .close = text_close,
    .flags = SOURCE_IN_MEMORY | SOURCE_STREAMS,
};
