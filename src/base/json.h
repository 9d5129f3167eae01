/* Writing JSON a line at a time: numbers ignore the locale, keep 7 digits or more, and are null when not finite; text that is not
 * UTF-8 is escaped byte by byte as \u00XX. Reading is cJSON's (json_parse refuses depth, trailing junk). */
#ifndef DLCLI_JSON_H
#define DLCLI_JSON_H

#include <cjson/cJSON.h>
#include "base/err.h"
#include "base/mem.h"

/* A writer appends to `out`, placing commas itself. Key NULL inside arrays and at the top. */
struct json { struct text out; int comma; };
void json_open(struct json *j, const char *key, char bracket);    /* '{' or '[' */
void json_close(struct json *j, char bracket);                    /* '}' or ']' */
void json_text(struct json *j, const char *key, const char *value);   /* NULL value: null */
void json_text_n(struct json *j, const char *key, const char *value, size_t length);   /* may hold NULs; one more stands behind it */
void json_real(struct json *j, const char *key, double value);    /* 9 significant digits */
void json_exact(struct json *j, const char *key, double value);  /* 17 digits: reading gives the same double */
void json_int(struct json *j, const char *key, long long value);
void json_bool(struct json *j, const char *key, int value);
void json_raw(struct json *j, const char *key, const char *json); /* already JSON */

/* Parses exactly one value (no junk behind it). NULL with "NAME:LINE: ..." (STATUS_REFUSED) on error. Free with cJSON_Delete. cJSON keeps its
 * last error in a global, so: one thread at a time. It accepts what JSON doesn't quite (01, 1e999 as infinity): check numbers. */
cJSON *json_parse(const char *name, const char *text, size_t length, struct err *err);

#endif
