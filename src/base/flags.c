/* Flags by table (flags.h): one table per command drives the parsing here, the checks and the help. */
#include "base/flags.h"
#include "base/number.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A limit of the table as long; the table says double, whose largest values no long holds. */
static long limit(double value) {
    return value >= (double)LONG_MAX ? LONG_MAX : value <= (double)LONG_MIN ? LONG_MIN : (long)value;
}

static int has_range(const struct flag *flag) {
    return flag->min < flag->max;
}

static int is_number(const struct flag *flag) {
    return flag->type == FLAG_INT || flag->type == FLAG_REAL;
}

static const struct flag *find_name(const struct flag *const *tables, const char *name, size_t length) {
    for (; *tables != NULL; tables++) {
        for (const struct flag *flag = *tables; flag->name != NULL; flag++) {
            if (strncmp(flag->name, name, length) == 0 && flag->name[length] == '\0') {
                return flag;
            }
        }
    }
    return NULL;
}

static const struct flag *find_letter(const struct flag *const *tables, char letter) {
    for (; *tables != NULL; tables++) {
        for (const struct flag *flag = *tables; flag->name != NULL; flag++) {
            if (flag->letter == letter) {
                return flag;
            }
        }
    }
    return NULL;
}

/* "1..256", "at least 0", "at most 7", or "" where the table has no range. */
static void add_range(struct text *out, const struct flag *flag) {
    static const double endless = 1e15;
    if (!is_number(flag) || !has_range(flag)) {
        return;
    }
    if (flag->max >= endless && flag->min > -endless) {
        text_add(out, "at least %g", flag->min);
    } else if (flag->min <= -endless && flag->max < endless) {
        text_add(out, "at most %g", flag->max);
    } else if (flag->max < endless) {
        text_add(out, "%.10g..%.10g", flag->min, flag->max);
    }
}

/* Is `value` one of the choices "a|b|c"? */
static int choice_has(const char *choices, const char *value) {
    size_t length = strcspn(value, "|");
    if (value[length] == '|') {
        return 0;
    }
    for (const char *at = choices; at != NULL; at = strchr(at, '|')) {
        at += *at == '|';
        if (length > 0 && strncmp(at, value, length) == 0 && (at[length] == '|' || at[length] == '\0')) {
            return 1;
        }
    }
    return 0;
}

static int value_fits(const struct flag *flag, const char *text) {
    double min = has_range(flag) ? flag->min : -INFINITY, max = has_range(flag) ? flag->max : INFINITY;
    long whole;
    double real;
    switch (flag->type) {
    case FLAG_INT:
        return number_int(text, limit(min), limit(max), &whole) == 0;
    case FLAG_REAL:
        return number_real(text, &real) == 0 && real >= min && real <= max;
    case FLAG_CHOICE:
        return choice_has(flag->argument, text);
    default:
        return 1;
    }
}

static void say_unfit(const struct flag *flag, const char *text, struct err *err) {
    struct text want = {0}, range = {0};
    add_range(&range, flag);
    const char *number = flag->type == FLAG_INT ? "a whole number" : "a number";
    text_add(&want, "%s", is_number(flag) ? number : flag->argument);
    if (range.length > 0) {
        text_add(&want, ", %s", range.text);
    }
    err_add(err, STATUS_REFUSED, "--%s: want %s, found \"%s\"", flag->name, want.text, text);
    text_free(&want);
    text_free(&range);
}

static void keep(struct args *args, const struct flag *flag, const char *text, struct err *err) {
    for (size_t i = 0; i < args->count && !flag->repeats; i++) {
        const struct flag_value *value = &args->values[i];
        if (value->flag == flag && flag->type != FLAG_ON) {
            err_add(err, STATUS_REFUSED, "--%s: given twice, \"%s\" and \"%s\"", flag->name, value->text, text);
            return;
        }
    }
    if (!value_fits(flag, text)) {
        say_unfit(flag, text, err);
        return;
    }
    args->values = mem_grow(args->values, &args->room, args->count, sizeof *args->values);
    args->values[args->count++] = (struct flag_value){flag, text};
}

/* What is parsed, and where we are in it. */
struct line { struct args *args; int argc, at; char **argv; struct err *err; };

/* May the next argument be a value, and not another option? "-" and negative numbers may. */
static int looks_like_value(const char *text) {
    double number;
    return text[0] != '-' || text[1] == '\0' || number_real(text, &number) == 0;
}

/* Keeps `flag` with the value that stands in the next argument. */
static void keep_next(struct line *l, const struct flag *flag) {
    const char *next = l->at < l->argc ? l->argv[l->at] : NULL;
    if (next == NULL) {
        err_add(l->err, STATUS_REFUSED, "--%s: want %s behind it, found nothing", flag->name, flag->argument);
    } else if (!looks_like_value(next)) {
        err_add(l->err, STATUS_REFUSED, "--%s: want %s behind it, found \"%s\" (if that is the value: --%s=%s)",
                flag->name, flag->argument, next, flag->name, next);
    } else {
        l->at++;
        keep(l->args, flag, next, l->err);
    }
}

static void say_unknown(const struct args *args, const char *name, int length, struct err *err) {
    const char **names = NULL;
    size_t count = 0, room = 0;
    for (const struct flag *const *table = args->tables; *table != NULL; table++) {
        for (const struct flag *flag = *table; flag->name != NULL; flag++) {
            names = mem_grow(names, &room, count + 1, sizeof *names);
            names[count++] = flag->name;
        }
    }
    char *word = mem_copy_n(name, (size_t)length);
    const char *nearest = names == NULL ? NULL : err_nearest(word, names);   /* mem_grow left a NULL behind the last */
    const char *hint = nearest == NULL ? "" : "; did you mean --";
    err_add(err, STATUS_REFUSED, "unknown option --%s%s%s", word, hint, nearest == NULL ? "" : nearest);
    free(word);
    free(names);
}

/* "--name", "--name=value". */
static void parse_long(struct line *l, const char *word) {
    size_t length = strcspn(word, "=");
    const struct flag *flag = find_name(l->args->tables, word, length);
    if (flag == NULL) {
        say_unknown(l->args, word, (int)length, l->err);
    } else if (flag->type == FLAG_ON && word[length] == '=') {
        err_add(l->err, STATUS_REFUSED, "--%s: takes no value, found \"%s\"", flag->name, word + length + 1);
    } else if (flag->type == FLAG_ON) {
        keep(l->args, flag, "", l->err);
    } else if (word[length] == '=') {
        keep(l->args, flag, word + length + 1, l->err);
    } else {
        keep_next(l, flag);
    }
}

/* "-q", "-qv", "-n5", "-n 5". */
static void parse_letters(struct line *l, const char *letters) {
    for (; *letters != '\0'; letters++) {
        const struct flag *flag = find_letter(l->args->tables, *letters);
        if (flag == NULL) {
            err_add(l->err, STATUS_REFUSED, "unknown option -%c", *letters);
            return;   /* the rest may be its value */
        }
        if (flag->type != FLAG_ON) {
            if (letters[1] != '\0') {
                keep(l->args, flag, letters + 1, l->err);
            } else {
                keep_next(l, flag);
            }
            return;
        }
        keep(l->args, flag, "", l->err);
    }
}

static void add_operand(struct args *args, const char *word) {
    args->operands = mem_grow(args->operands, &args->operand_room, args->operand_count, sizeof *args->operands);
    args->operands[args->operand_count++] = word;
}

int flags_parse(struct args *args, const struct flag *const *tables, int argc, char **argv, struct err *err) {
    *args = (struct args){.tables = tables};
    struct line l = {.args = args, .argc = argc, .argv = argv, .err = err};
    int before = err->count, ended = 0;
    while (l.at < argc) {
        const char *word = argv[l.at++];
        if (ended || word[0] != '-' || word[1] == '\0') {
            add_operand(args, word);
        } else if (word[1] != '-') {
            parse_letters(&l, word + 1);
        } else if (word[2] != '\0') {
            parse_long(&l, word + 2);
        } else {
            ended = 1;
        }
    }
    return err->count > before ? -1 : 0;
}

void flags_free(struct args *args) {
    free(args->values);
    free(args->operands);
    *args = (struct args){0};
}

/* The last value of a flag, or NULL; a name no table has is our own mistake. */
static const char *last_value(const struct args *args, const char *name) {
    const struct flag *flag = find_name(args->tables, name, strlen(name));
    assert(flag != NULL);
    for (size_t i = args->count; i > 0; i--) {
        if (args->values[i - 1].flag == flag) {
            return args->values[i - 1].text;
        }
    }
    return NULL;
}

int flags_on(const struct args *args, const char *name) {
    return last_value(args, name) != NULL;
}

const char *flags_text(const struct args *args, const char *name) {
    return last_value(args, name);
}

long flags_int(const struct args *args, const char *name, long otherwise) {
    const char *text = last_value(args, name);
    long value = otherwise;
    if (text != NULL) {
        number_int(text, LONG_MIN, LONG_MAX, &value);   /* can't fail: flags_parse looked at it */
    }
    return value;
}

double flags_real(const struct args *args, const char *name, double otherwise) {
    const char *text = last_value(args, name);
    double value = otherwise;
    if (text != NULL) {
        number_real(text, &value);
    }
    return value;
}

const char *flags_many(const struct args *args, const char *name, size_t i) {
    const struct flag *flag = find_name(args->tables, name, strlen(name));
    assert(flag != NULL && flag->repeats);
    for (size_t k = 0; k < args->count; k++) {
        if (args->values[k].flag == flag && i-- == 0) {
            return args->values[k].text;
        }
    }
    return NULL;
}

enum { HELP_COLUMN = 26, HELP_WIDTH = 80 };

/* Appends `words`, broken at spaces, from column `at` on; further lines start at HELP_COLUMN. */
static void add_wrapped(struct text *out, const char *words, size_t at) {
    while (*words != '\0') {
        size_t length = strcspn(words, " ");
        if (at > HELP_COLUMN && at + 1 + length > HELP_WIDTH) {
            text_add(out, "\n%*s", HELP_COLUMN, "");
            at = HELP_COLUMN;
        } else if (at > HELP_COLUMN) {
            text_add_n(out, " ", 1);
            at++;
        }
        text_add_n(out, words, length);
        at += length;
        words += length;
        words += strspn(words, " ");
    }
    text_add_n(out, "\n", 1);
}

static void add_help(struct text *out, const struct flag *flag) {
    size_t start = out->length;
    text_add(out, flag->letter != 0 ? "  -%c, " : "      ", flag->letter);
    text_add(out, flag->argument != NULL ? "--%s %s" : "--%s", flag->name, flag->argument);
    if (out->length - start > HELP_COLUMN - 2) {
        text_add(out, "\n%*s", HELP_COLUMN, "");
    } else {
        text_add(out, "%*s", HELP_COLUMN - (int)(out->length - start), "");
    }
    struct text words = {0}, range = {0};
    add_range(&range, flag);
    text_add(&words, "%s", flag->help);
    if (range.length > 0) {
        text_add(&words, " (%s)", range.text);
    }
    if (flag->repeats) {
        text_add(&words, " (repeatable)");
    }
    add_wrapped(out, words.text, HELP_COLUMN);
    text_free(&words);
    text_free(&range);
}

void flags_help(struct text *out, const struct flag *table) {
    for (; table->name != NULL; table++) {
        add_help(out, table);
    }
}
