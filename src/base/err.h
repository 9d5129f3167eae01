/* Errors as sentences: every function that can fail takes a `struct err *` last, returns 0 or -1, and says why in it.
 *
 * Nothing in here prints. `main` prints what was collected and turns the status into the exit status (CLI.md). */
#ifndef DLCLI_ERR_H
#define DLCLI_ERR_H

#include <stddef.h>

/* Exit statuses; the numbers are the contract of the command line. */
enum status {
    STATUS_OK = 0,
    STATUS_FAILED = 1,        /* failed while working: I/O, memory, some of several inputs */
    STATUS_REFUSED = 2,       /* found before work began: usage, config, data set, model file */
    STATUS_BELOW = 3,         /* measured below --fail-under */
    STATUS_DIVERGED = 4,      /* training diverged after the policy gave up */
    STATUS_INTERRUPTED = 130, /* SIGINT; a checkpoint was saved */
    STATUS_TERMINATED = 143,  /* SIGTERM; a checkpoint was saved */
};

/* What went wrong so far. Start from `{0}`; err_free() empties it. Sentences beyond ERR_MOST are counted, not kept. */
enum { ERR_MOST = 40 };
struct err {
    enum status status;      /* of the first sentence */
    int count;               /* sentences added, kept or not */
    char *sentences[ERR_MOST];
    int reader_gone;         /* a pipe that nobody reads any more (`| head`): main ends quietly */
    int warnings;
    char *warned[ERR_MOST];  /* sentences that change nothing: an ignored key, a skipped picture */
};

/* Adds a sentence (no newline, no full stop needed, "file:line: what, wanted, found" where there is a file). Returns -1. */
int err_add(struct err *err, enum status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Adds a sentence about a system call on `path`: "PATH: DOING: strerror(errno)"; EPIPE sets reader_gone. Returns -1. */
int err_errno(struct err *err, enum status status, const char *path, const char *doing);

/* Adds a warning; the same sentence twice is kept once. */
void err_warn(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Moves all sentences and warnings of `from` behind those of `to`; `from` is empty afterwards. Returns -1 if from had errors, else 0. */
int err_move(struct err *to, struct err *from);

void err_free(struct err *err);

/* The name of `names` (NULL-terminated) nearest to `word` by edit distance, or NULL where none is near (distance > 1 + length / 3). */
const char *err_nearest(const char *word, const char *const *names);

#endif
