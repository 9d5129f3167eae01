/* vocabulary: the symbols that texts are cut into for source=tsv (characters, bytes or words), each with a number and a
 * printable name, which the model keeps. */
#ifndef DLCLI_VOCABULARY_H
#define DLCLI_VOCABULARY_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "sources/parts.h"
#include "sources/symbols.h"

/* The next symbol of *text, which moves behind it: its name. 1; 0 at the end; -1 where the text is no UTF-8. Words are
 * what stands between spaces. */
int vocabulary_next(enum unit unit, const char **text, struct text *name);

/* Names with their places; both borrowed from whoever made them. */
struct vocabulary { enum unit unit; struct name_index index; };
/* Numbers of the text's symbols, at most `most`; those that the vocabulary lacks are -1. Returns how many symbols the text
 * has in all; -1 where it is no UTF-8. */
long vocabulary_read(const struct vocabulary *vocabulary, const char *text, int32_t *ids, size_t most);

/* Counts symbols, to make a vocabulary of them. */
struct vocabulary_count { char **names; size_t count, room; };
/* -1 where the text is no UTF-8; -2 where a word holds a control character: a config can't. */
int vocabulary_add(struct vocabulary_count *all, enum unit unit, const char *text);
/* The `most` most frequent of them, in the order of their names; *kinds: how many there were. The counts are freed. The
 * names are the caller's (names_free). */
char **vocabulary_names(struct vocabulary_count *all, size_t most, int *count, size_t *kinds);

#endif
