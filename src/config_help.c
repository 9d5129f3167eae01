/* Tables of keys as help text: the same tables that parse, so that help can't drift. */
#include <string.h>

#include "config_internal.h"

enum { WIDTH = 80, INDENT = 6 };

/* Words behind what stands in the line of `column` columns already; further lines are indented. Breaks at spaces and
 * behind '|'. */
static void add_wrapped(struct text *out, size_t column, const char *words) {
    size_t space = 0;
    while (*words != '\0') {
        size_t length = strcspn(words, " |");
        length += words[length] == '|';
        if (column + space + length > WIDTH) {
            text_add(out, "\n%*s", INDENT, "");
            column = INDENT;
            space = 0;
        }
        text_add(out, "%*s%.*s", (int)space, "", (int)length, words);
        column += space + length;
        words += length;
        space = *words == ' ';
        words += space;
    }
    text_add(out, "\n");
}

/* "activation: linear|relu|..., default linear; also called act", then the meaning. */
static void add_key(struct text *out, const struct key *key) {
    struct text line = {0};
    text_add(&line, "%s: ", key->name);
    config_add_wanted(&line, key, 0);
    if (key->standard != NULL) {
        text_add(&line, ", default %s", key->standard);
    }
    for (const char *alias = key->aliases; alias != NULL && *alias != '\0';) {
        size_t length = strcspn(alias, "|");
        text_add(&line, "%s%.*s", alias == key->aliases ? "; also called " : ", ", (int)length, alias);
        alias += length + (alias[length] == '|');
    }
    text_add(out, "  ");
    add_wrapped(out, 2, line.text);
    if (key->help != NULL) {
        text_add(out, "%*s", INDENT, "");
        add_wrapped(out, INDENT, key->help);
    }
    text_free(&line);
}

/* "c=a|b" means that a and b are other names of c's choice: said in a line of its own. */
static void add_synonyms(struct text *out, const struct key *key) {
    struct text line = {0};
    for (const char *choice = key->choices; choice != NULL && *choice != '\0';) {
        size_t all = strcspn(choice, "|"), name = strcspn(choice, "|=");
        for (size_t at = name; at < all;) {
            size_t length = strcspn(choice + at + 1, "|=");
            text_add(&line, "%s%.*s = %.*s", line.length > 0 ? ", " : "Also: ", (int)length, choice + at + 1, (int)name,
                     choice);
            at += length + 1;
        }
        choice += all + (choice[all] == '|');
    }
    if (line.length > 0) {
        text_add(out, "%*s", INDENT, "");
        text_add(&line, ".");
        add_wrapped(out, INDENT, line.text);
    }
    text_free(&line);
}

void config_help(struct text *out, const struct key *table) {
    struct text ignored = {0};
    for (const struct key *key = table; key->name != NULL; key++) {
        if (key->type == KEY_IGNORED) {
            text_add(&ignored, "%s%s", ignored.length > 0 ? ", " : "Read and ignored: ", key->name);
        } else {
            add_key(out, key);
            if (key->type == KEY_CHOICE) {
                add_synonyms(out, key);
            }
        }
    }
    if (ignored.length > 0) {
        text_add(&ignored, ".");
        text_add(out, "  ");
        add_wrapped(out, 2, ignored.text);
    }
    text_free(&ignored);
}
