/* config: the first room. INI (darknet's dialect) or JSON text becomes one tree of sections and entries in which every value knows its
 * file and line. Nothing here knows what a layer is: the rooms behind check sections against their tables of keys. */
#ifndef DLCLI_CONFIG_H
#define DLCLI_CONFIG_H

#include <stddef.h>
#include "base/err.h"
#include "base/mem.h"

/* A key that a section may hold. Tables of these, ended by name NULL, drive parsing, range checks, `dlcli help` and docs. */
enum key_type {
    KEY_INT, KEY_REAL, KEY_BOOL /* 0 or 1 */, KEY_CHOICE, KEY_TEXT,
    KEY_INTS, KEY_REALS, KEY_TEXTS,      /* comma lists */
    KEY_IGNORED,                         /* darknet's, without use here: one warning */
};
struct key {
    const char *name;
    enum key_type type;
    const char *standard;       /* the default as text; NULL: none (or computed: then help says so) */
    double min, max;            /* of numbers (each, in lists); both 0: any finite number (for ints: of 32 bits) */
    const char *choices;        /* "a|b|c" for KEY_CHOICE; a choice may list synonyms: "logistic=sigmoid|relu" means both name choice 0 */
    const char *aliases;        /* "a|b", or NULL */
    const char *help;           /* one sentence */
};

struct section;
struct entry {
    char *key, *value;          /* value: text as written, outer spaces cut; JSON lists are joined with commas */
    const char *file;           /* borrowed from the config; "--set" for the command line's */
    int line;
    char *said_of;              /* of the command line's: the section as it was named there ("conv1"); else NULL */
    const struct key *is;       /* set by config_check */
};
struct section {
    char *name;                 /* as written; the rooms behind know the aliases */
    const char *file;
    int line, index;            /* index: position in the file, [net] included */
    struct entry *entries; size_t count, room;
    const struct key *const *tables;   /* set by config_check: NULL-terminated list of tables */
};
/* stored: it came with its tensors (a checkpoint's), so that files of starting values are not needed again. */
struct config { char *path; struct section *sections; size_t count, room; int stored; };

enum { CONFIG_MOST_BYTES = 16 << 20, CONFIG_MOST_SECTIONS = 20000, CONFIG_MOST_ITEMS = 10000 /* of a list */ };

/* Reads `path` ("-": stdin). JSON if the first non-space byte is '{', else INI. All errors that can be told apart are added
 * (STATUS_REFUSED); on -1 the tree holds what could be read, so that the caller may look for more. config_free it either way.
 * INI: "[name]" alone on a line; "key = value"; '#' and ';' begin a comment at line start and after a space; CRLF; a key before
 * any section, a line without '=', an empty key or section name, NUL bytes or non-text, a second [net] or [data] are errors.
 * JSON: {"net":{...},"data":{...},"layers":[{"type":"convolutional",...}]} gives the same tree ([net] first); values are
 * numbers (kept as they are written), texts, booleans and flat lists of those. In a layer with a key `type` of its own the
 * section's name is called "layer": {"layer":"cost","type":"mse"}; so no table may have a key "layer". */
int config_read(struct config *config, const char *path, struct err *err);
int config_parse(struct config *config, const char *name, const char *text, size_t length, struct err *err);
void config_free(struct config *config);

/* Applies "section.key=value": section is a section's name (the first such), a layer's name= or the name that it has without ("connected2": the second
 * layer of that type), or its index (0 = first section that is neither [net]/[network] nor [data]). type: the proper name of a section's type
 * ("convolutional" of "conv"), NULL where there is no such type. Replaces or adds the entry (config_check lets it win over
 * a key of the file that has another of its names). [data] is made where it is missing. Unknown section: an error with the nearest. */
typedef const char *config_type(const char *section);
int config_set(struct config *config, const char *assignment, config_type *type, struct err *err);

/* Sets key to value in section (added if missing): how resolved values (mean=auto) get into the stored config. The value is not
 * looked at: it must fit the key's type, without line breaks or " #". */
void config_put(struct section *section, const char *key, const char *value);
/* The same with a list of numbers, of so many significant digits. */
void config_put_reals(struct section *section, const char *key, const double *values, size_t count, int digits);
/* Is the key given, and by the command line? As config_has, of any key. */
int config_is_set(const struct section *section, const char *key);
/* As config_given, but the section need not know the key. */
int config_has(const struct section *section, const char *key);
/* Do two values of a key say the same: the same text or number, item by item in lists? */
int config_same_value(const struct key *key, const char *a, const char *b);
/* The key stands at its default from here on. */
void config_drop(struct section *section, const char *key);

/* Is the tree that the text of this one gives the same, and as sound? -1 with a sentence where values were put into it that no line can hold, or too
 * many of them. Only after config_check. */
int config_keeps(const struct config *config, struct err *err);

/* What keeps these bytes from being a line of text ("a control character", "bytes that are not UTF-8"), or NULL. */
const char *config_trouble(const char *text, size_t length);

/* The text of the tree; parsing it gives the same tree. INI comments are not kept. In JSON, values of checked keys become numbers, lists and booleans by their
 * key's type (texts otherwise, or numbers where the text is one, as in mean=0.5,0.5); reading either form gives the same values. malloc'ed. */
char *config_to_ini(const struct config *config);
char *config_to_json(const struct config *config);

/* Checks every entry of the section against the tables: unknown keys (nearest name), the same key twice (by any of its names; of
 * equal ones the second is dropped with a warning), values whole and in range, none empty.
 * Remembers the tables (borrowed, must outlive) so that the getters below can't fail. `label` is the section's proper type name for messages. */
int config_check(struct section *section, const char *label, const struct key *const *tables, struct err *err);

/* Getters; only after config_check gave 0 for this section. The key's default where it is not given (0 / NULL without default). */
int config_given(const struct section *section, const char *key);
long config_int(const struct section *section, const char *key);
double config_real(const struct section *section, const char *key);
int config_bool(const struct section *section, const char *key);
int config_choice(const struct section *section, const char *key);         /* position in choices; -1 where not given and no default */
const char *config_text(const struct section *section, const char *key);
/* Lists: number of items; item i. */
size_t config_length(const struct section *section, const char *key);
double config_item_real(const struct section *section, const char *key, size_t i);
char *config_item_text(const struct section *section, const char *key, size_t i);   /* malloc'ed, outer spaces cut */

/* "FILE:LINE: [label] key: " + the sentence, for refusals found behind the parser. key NULL: the section's line. Returns -1. */
int config_refuse(const struct section *section, const char *label, const char *key, struct err *err, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* The table as help text: name, type or choices, default, range, meaning; wrapped to 80 columns. */
void config_help(struct text *out, const struct key *table);

#endif
