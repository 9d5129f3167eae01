/* Numbers in texts (number.h), the same whatever the locale. */
#include "base/number.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int number_int(const char *text, long min, long max, long *value) {
    char *end;
    errno = 0;
    if (!isdigit((unsigned char)text[*text == '-' || *text == '+'])) {
        return -1;
    }
    long n = strtol(text, &end, 10);
    if (*end != '\0' || errno != 0 || n < min || n > max) {
        return -1;
    }
    *value = n;
    return 0;
}

int number_real(const char *text, double *value) {
    char *end;
    if (*text == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0') {   /* no "inf", "nan", "0x10", no spaces */
        return -1;
    }
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    double n = strtod_l(text, &end, plain);
    freelocale(plain);
    if (*end != '\0' || !isfinite(n)) {
        return -1;
    }
    *value = n;
    return 0;
}
