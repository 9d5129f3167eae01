/* What the files of config share among themselves (config.c, config_words.c, config_ini.c, config_json.c,
 * config_json_scan.c, config_json_write.c, config_set.c, config_check.c, config_say.c, config_get.c, config_help.c);
 * everyone else reads config.h. */
#ifndef DLCLI_CONFIG_INTERNAL_H
#define DLCLI_CONFIG_INTERNAL_H

#include "config.h"

enum {
    CONFIG_MOST_ENTRIES = 256, /* keys of one section: keeps the search for twins short, whatever the file holds */
    CONFIG_MOST_ERRORS = 1000, /* after so many a file is no config, and reading on helps nobody */
    CONFIG_MOST_NAME = 200,    /* bytes of a key or a section's name */
    CONFIG_SHOWN = 88,         /* bytes of a buffer for config_shown */
};
extern const char config_line_file[]; /* "--set": the file of what the command line says */

/* ---- config.c: the tree ---- */

/* Appends a section or an entry (texts are copied). NULL or -1 with a sentence where there are too many, where the name
 * can't be one, or where the value can't be written back as INI. */
struct section *config_add_section(struct config *config, const char *name, size_t length, int line, struct err *err);
int config_add_entry(struct section *section, const char *key, size_t key_length, const char *value,
                     size_t value_length, int line, struct err *err);
/* As --set does: replaces or adds the entry, which says from then on that it is the command line's, and how the section was named there. */
int config_override(struct section *section, const char *said_of, const char *key, const char *value, struct err *err);
struct section *config_append_section(struct config *config, const char *name, size_t length, const char *file,
                                      int line);
/* The entry whose key is written so, aliases apart, or NULL. */
struct entry *config_find_written(const struct section *section, const char *key);
void config_drop_entry(struct section *section, size_t i);
int config_is_net(const struct section *section); /* [net] or [network] */
int config_is_data(const struct section *section);

/* ---- config_ini.c, config_json.c: text to tree; text ends in NUL and holds no other ---- */

int config_parse_ini(struct config *config, const char *text, size_t length, struct err *err);
int config_parse_json(struct config *config, const char *text, size_t length, struct err *err);

/* ---- config_words.c: pieces of text ---- */

/* Cuts spaces and tabs off both ends. */
void config_trim(const char **text, size_t *length);
/* Where a comment begins in a line ('#' or ';' at its start or after a space), at `from` or later, or length. */
size_t config_comment(const char *line, size_t from, size_t length);
/* The most bytes of text, up to `most`, that end with a whole character. */
size_t config_cut(const char *text, size_t length, size_t most);
/* Question marks for control characters, so that a message can't move a terminal's cursor. */
void config_no_controls(char *text);
/* `text` in quotes, cut where it is long, for messages. Returns buffer. */
const char *config_shown(char buffer[CONFIG_SHOWN], const char *text, size_t length);
/* Item i of a comma list with its outer spaces cut, or NULL past the end. An empty text has no items. */
const char *config_item(const char *list, size_t i, size_t *length);
/* Which of "a|b=c|d" the word is: 0, 1, 1, 2; or -1. */
int config_among(const char *list, const char *word);
/* The name in "a|b=c|d" nearest to the word, as err_nearest; malloc'ed. */
char *config_nearest_among(const char *list, const char *word);
/* "a|b=c|d" without the synonyms: "a|b|d". */
void config_add_choices(struct text *out, const char *list);

/* ---- config_json_scan.c: JSON known to be well formed, ended by NUL ---- */

struct scan {
    const char *at;
    int line;
};
void json_scan_over(struct scan *scan, const char *marks); /* steps over any of the marks */
/* Steps over a string. Returns 1 if it holds an escaped NUL, at which cJSON's string ends too early. */
int json_scan_string(struct scan *scan);
void json_scan_value(struct scan *scan); /* the value that begins here, however deep */

/* ---- config_json_write.c ---- */

/* Length of the JSON number at `text`, by JSON's grammar, or 0. */
size_t config_json_number(const char *text);

/* ---- config_check.c ---- */

/* The key of that name or alias, or NULL. */
const struct key *config_find_key(const struct key *const *tables, const char *name);
/* The entry of a key by any of its names, or NULL. */
struct entry *config_find_entry(const struct section *section, const char *key);
/* ---- config_say.c ---- */

/* "FILE:LINE: [label] key: ", or "--set label.key: "; without key: "FILE:LINE: [label]: ". malloc'ed. */
char *config_where(const char *file, int line, const char *label, const char *key);
/* The same of an entry; one of the command line's names the section as it was named there, not by the label. */
char *config_where_entry(const struct entry *entry, const char *label);
/* The range of a key's numbers. Returns 0 where it has none of its own. */
int config_range(const struct key *key, double *min, double *max);
/* What a value of the key must be: "1..64", "a comma list of numbers". `in_full` spells out ends that are nearly none.
 */
void config_add_wanted(struct text *out, const struct key *key, int in_full);

#endif
