/* What an err says. */
#ifndef DLCLI_SAYS_FIXTURE_H
#define DLCLI_SAYS_FIXTURE_H

#include <stdio.h>
#include <string.h>
#include "base/err.h"

/* Is one of the sentences about `part`? Prints them if not. */
static inline int says(const struct err *err, const char *part) {
    for (int i = 0; i < err->count && i < ERR_MOST; i++) {
        if (strstr(err->sentences[i], part) != NULL) {
            return 1;
        }
    }
    for (int i = 0; i < err->count && i < ERR_MOST; i++) {
        fprintf(stderr, "said: %s\n", err->sentences[i]);
    }
    return 0;
}

static inline int warns(const struct err *err, const char *part) {
    for (int i = 0; i < err->warnings && i < ERR_MOST; i++) {
        if (strstr(err->warned[i], part) != NULL) {
            return 1;
        }
    }
    return 0;
}

#endif
