/* csv: tables of numbers as text, for training (csv.c) and for predict. */
#ifndef DLCLI_CSV_H
#define DLCLI_CSV_H

#include "base/err.h"
#include "sources/source.h"

/* The cells of a file: rows x columns texts, outer spaces and quotes cut. Every row has as many as the first. */
struct csv {
    char *path;
    char *text;             /* what cells point into */
    char **cells;
    size_t rows, columns;
    size_t *lines;          /* of each row, from 1 */
    char **names;           /* of the columns, in `text`; NULL without a header */
};
/* Reads the file as delimiter= and header= of [data] say. A row of another length, an open quote, no rows: refused with the
 * line. csv_free it either way. */
int csv_read(struct csv *csv, const char *path, const struct section *data, struct err *err);
void csv_free(struct csv *csv);

/* Cell (row, column) as a number; what is missing or no finite number is refused with line and column. */
int csv_number(const struct csv *csv, size_t row, size_t column, float *to, struct err *err);

/* Which columns are meant, in order. Freed with free(). */
struct csv_columns { size_t *features, *targets; size_t feature_count, target_count; };
/* By target= and features= of [data]: names, or numbers from 0 (negative: from the end). No target= means the last column,
 * target=input none; no features= all that are no targets. */
int csv_choose(const struct csv *csv, const struct section *data, struct csv_columns *columns, struct err *err);
/* For tables without targets too: the columns that features= names; where it has numbers, or the file no header, and just `count` columns, all of
 * them; without features= it must have just `count`. */
int csv_features(const struct csv *csv, const struct section *data, size_t count, size_t *features, struct err *err);
void csv_columns_free(struct csv_columns *columns);

/* normalize= as numbers: value = (cell - shift) / scale, one of each per feature. Both NULL: none. 1 where [data] wants it
 * but the numbers are to be measured yet. */
struct csv_affine { double *shift, *scale; size_t count; };
int csv_affine_read(struct csv_affine *affine, const struct section *data, size_t count, struct err *err);
void csv_affine_free(struct csv_affine *affine);
void csv_affine_apply(const struct csv_affine *affine, float *values);

/* Does [data] want the rows of the training set measured? */
int csv_measures(const struct section *data);
/* Measures the set's features (a csv source's) as normalize= says. */
int csv_measure(const struct dataset *set, struct csv_affine *affine, struct err *err);
/* Applies it to all rows of the source, once. */
void csv_normalize(struct source *source, const struct csv_affine *affine);
/* Tables of one [data] whose columns go by place have to have the same names there. */
int csv_agree(const struct source *first, const struct source *other, struct err *err);
/* Writes features=, target=, and the numbers of normalize=, into [data]. -1 with a sentence where that would mean other columns. */
int csv_put(const struct csv *csv, const struct csv_columns *columns, const struct csv_affine *affine, struct section *section, struct err *err);
/* The same of a csv source. */
int csv_resolve(const struct source *source, const struct csv_affine *affine, struct section *section, struct err *err);

#endif
