/* What the tests of config share: tables, looks at results. */
#ifndef CONFIG_FIXTURE_H
#define CONFIG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "config.h"

static const struct key common[] = {
    {"name", KEY_TEXT, NULL, 0, 0, NULL, NULL, "The layer's name."},
    {"learning_rate", KEY_REAL, "1", 0, 1e30, NULL, NULL, "Multiplier."},
    {"truth", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {0},
};
static const struct key own[] = {
    {"filters", KEY_INT, "1", 1, 65536, NULL, "n|maps", "Number of filters."},
    {"stride", KEY_INT, "1", 1, 64, NULL, NULL, "Step of the window."},
    {"batch", KEY_INT, NULL, 1, 2147483647.0, NULL, NULL, "Samples in an update."},
    {"seed", KEY_INT, "0", 0, 4294967295.0, NULL, NULL, "Any."},
    {"offset", KEY_INT, "-3", 0, 0, NULL, NULL, "Any whole number."},
    {"momentum", KEY_REAL, ".9", 0, 1, NULL, NULL, "Momentum."},
    {"decay", KEY_REAL, NULL, 0, 0, NULL, "weight_decay", "Decay."},
    {"flip", KEY_BOOL, "1", 0, 0, NULL, NULL, "Flip."},
    {"type", KEY_CHOICE, NULL, 0, 0, "mse=sse|l1=L1|bce", NULL, "Loss."},
    {"activation", KEY_CHOICE, "logistic", 0, 0, "linear|logistic=sigmoid|relu|leaky", NULL,
     "What the output goes through, in a sentence that is too long for one line of eighty columns."},
    {"path", KEY_TEXT, NULL, 0, 0, NULL, NULL, "Path."},
    {"layers", KEY_INTS, NULL, 0, 0, NULL, NULL, "Indices."},
    {"steps", KEY_REALS, "1,2.5", 0, 1e9, NULL, NULL, "Steps."},
    {"classes", KEY_TEXTS, NULL, 0, 0, NULL, NULL, "Names."},
    {"xnor", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {0},
};
static const struct key *const tables[] = {own, common, NULL};

static inline int parse(struct config *config, const char *text, struct err *err) {
    return config_parse(config, "x.cfg", text, strlen(text), err);
}

static inline int check_all(struct config *config, struct err *err) {
    int status = 0;
    for (size_t i = 0; i < config->count; i++) {
        status |= config_check(&config->sections[i], config->sections[i].name, tables, err);
    }
    return status;
}

/* Parses and checks what must be right. */
static inline void good(struct config *config, const char *text) {
    struct err err = {0};
    int status = parse(config, text, &err) | check_all(config, &err);
    if (status != 0) {
        fail_msg("%s", err.sentences[0]);
    }
    assert_int_equal(err.count, 0);
    assert_int_equal(err.warnings, 0);
    err_free(&err);
}

/* Parses and checks `text`: these sentences and no others must come, in this order; NULL at the end. */
static inline void bad(const char *text, const char *const *sentences) {
    struct config config;
    struct err err = {0};
    int status = parse(&config, text, &err) | check_all(&config, &err);
    assert_int_equal(status, -1);
    assert_int_equal(err.status, STATUS_REFUSED);
    for (int i = 0; i < err.count || sentences[i] != NULL; i++) {
        assert_string_equal(i < err.count ? err.sentences[i] : "(no further sentence)",
                            sentences[i] != NULL ? sentences[i] : "(no further sentence wanted)");
    }
    err_free(&err);
    config_free(&config);
}
#define BAD(text, ...) bad(text, (const char *const[]){__VA_ARGS__, NULL})

static inline void same_tree(const struct config *a, const struct config *b) {
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        const struct section *s = &a->sections[i], *t = &b->sections[i];
        assert_string_equal(s->name, t->name);
        assert_int_equal(s->count, t->count);
        assert_int_equal(s->index, t->index);
        for (size_t j = 0; j < s->count; j++) {
            assert_string_equal(s->entries[j].key, t->entries[j].key);
            assert_string_equal(s->entries[j].value, t->entries[j].value);
        }
    }
}

#endif
