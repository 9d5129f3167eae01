/* Command-line flags as tables: they drive parsing, checks and help. */
#ifndef DLCLI_FLAGS_H
#define DLCLI_FLAGS_H

#include "base/err.h"
#include "base/mem.h"

enum flag_type { FLAG_ON, FLAG_TEXT, FLAG_INT, FLAG_REAL, FLAG_CHOICE };
struct flag {
    const char *name;      /* "top": --top */
    char letter;           /* 'm' for -m, or 0 */
    enum flag_type type;
    const char *argument;  /* "N", "MODEL"; for FLAG_CHOICE the choices "a|b|c"; NULL for FLAG_ON */
    double min, max;       /* for numbers; min >= max: any */
    int repeats;           /* may be given several times: read with flags_many; else twice is an error, but for FLAG_ON */
    const char *help;      /* one sentence */
};

struct flag_value { const struct flag *flag; const char *text; };
struct args {
    const struct flag *const *tables;   /* NULL-terminated list of tables, each ended by name NULL */
    struct flag_value *values; size_t count, room;
    const char **operands; size_t operand_count, operand_room;   /* in order; borrowed from argv */
};

/* Parses argv[0..argc-1] (without program and command). Options may follow arguments; `--name=value`, `--name value`, `-n value`, `-nvalue`,
 * grouped letters; `--` ends options; `-` is an operand. A separate value may be "-" or a negative number, not another option. Unknown
 * names: an error with the nearest one. All errors are STATUS_REFUSED, as many as there are. flags_free afterwards, also on failure. */
int flags_parse(struct args *args, const struct flag *const *tables, int argc, char **argv, struct err *err);
void flags_free(struct args *args);

/* The last value given. flags_text NULL, flags_int/real `otherwise` when not given. The name must be in a table (asserted). */
int flags_on(const struct args *args, const char *name);
const char *flags_text(const struct args *args, const char *name);
long flags_int(const struct args *args, const char *name, long otherwise);
double flags_real(const struct args *args, const char *name, double otherwise);
/* The i-th value of a repeatable flag, or NULL when there are no more. */
const char *flags_many(const struct args *args, const char *name, size_t i);

/* The table as help text, wrapped to 80 columns. */
void flags_help(struct text *out, const struct flag *table);

#endif
