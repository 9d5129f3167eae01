/* One live line on a terminal, nothing moving elsewhere; and the log beside it. Everything a command says to stderr goes through here,
 * so that a sentence never lands in the middle of a live line. */
#ifndef DLCLI_PROGRESS_H
#define DLCLI_PROGRESS_H

#include <pthread.h>
#include "base/err.h"

struct progress {
    int quiet, live, colour, drawn;   /* live: stderr is a terminal, TERM isn't dumb, NO_COLOR unset, not quiet */
    double last;                      /* seconds of the last redraw */
    pthread_mutex_t lock;
};
void progress_init(struct progress *p, int quiet);
void progress_end(struct progress *p);                       /* clears the live line */
/* Redraws the live line (at most 10 times a second unless `now`); cut to the terminal's width. No-op when not live. */
void progress_line(struct progress *p, int now, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A full line on stderr (above the live line); silent when quiet. */
void progress_say(struct progress *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "dlcli: SENTENCE" on stderr, whatever quiet says: an error that the command survives, or main's last words. */
void progress_error(struct progress *p, const char *sentence);
/* "dlcli: warning: ..." for each warning in err, which loses them. Not silenced by quiet. */
void progress_warn(struct progress *p, struct err *err);
/* "1:02:03", "4:05", "12 s". */
const char *progress_duration(double seconds, char buffer[24]);
double progress_now(void);                                   /* monotonic seconds */

#endif
