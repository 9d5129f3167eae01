/* The whole manual at once, for docs/reference.md and man: from the tables that parse. */
#ifndef DLCLI_REFERENCE_H
#define DLCLI_REFERENCE_H

#include "base/err.h"
#include "base/mem.h"

/* Markdown. -1 where an activation or a loss is in a table without a formula here: then this file wants one. */
int reference_markdown(struct text *out, struct err *err);
/* roff for man(1). */
int reference_man(struct text *out, struct err *err);

/* ---- in help.c ---- */
void help_status(struct text *out);
void help_environment(struct text *out);

#endif
