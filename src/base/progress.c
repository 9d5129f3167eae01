/* What a command says on stderr while it works (progress.h): one live line on a terminal, plain lines elsewhere. */
#include "base/progress.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

static const double REDRAW_SECONDS = 0.1;
static const char CLEAR[] = "\r\033[K";

void progress_init(struct progress *p, int quiet) {
    const char *term = getenv("TERM"), *plain = getenv("NO_COLOR");
    int smart = isatty(STDERR_FILENO) && term != NULL && strcmp(term, "dumb") != 0 && (plain == NULL || *plain == '\0');
    *p = (struct progress){.quiet = quiet, .live = smart && !quiet, .colour = smart, .last = -INFINITY};
    pthread_mutex_init(&p->lock, NULL);
}

/* All in one go, so that lines of two processes don't mix. What stderr doesn't take is lost: where would one say so? */
static void put(const struct text *t) {
    fwrite(t->text, 1, t->length, stderr);
    fflush(stderr);
}

static void clear_line(struct progress *p, struct text *out) {
    if (p->drawn) {
        text_add(out, "%s", CLEAR);
    }
    p->drawn = 0;
}

void progress_end(struct progress *p) {
    struct text out = {0};
    pthread_mutex_lock(&p->lock);   /* not destroyed: sentences may still follow the last line */
    clear_line(p, &out);
    if (out.length > 0) {
        put(&out);
    }
    pthread_mutex_unlock(&p->lock);
    text_free(&out);
}

static int terminal_width(void) {
    struct winsize size = {0};
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

/* Names of files may hold control characters; none of them gets to the terminal. */
static void make_harmless(struct text *t, const char *allowed) {
    for (size_t i = 0; i < t->length; i++) {
        unsigned char c = (unsigned char)t->text[i];
        if ((c < 0x20 && strchr(allowed, c) == NULL) || c == 0x7f) {
            t->text[i] = '?';
        }
    }
}

/* Cuts a line to `width` characters; bytes that continue a UTF-8 character count nothing. */
static void cut(struct text *t, int width) {
    for (size_t i = 0; i < t->length; i++) {
        if (((unsigned char)t->text[i] & 0xc0) != 0x80 && width-- == 0) {
            t->length = i;
            t->text[i] = '\0';
        }
    }
}

static void add_list(struct text *t, const char *format, va_list list) {
    char *made = mem_format_list(format, list);
    text_add_n(t, made, strlen(made));
    free(made);
}

void progress_line(struct progress *p, int now, const char *format, ...) {
    if (!p->live) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    double time = progress_now();
    if (now || time - p->last >= REDRAW_SECONDS) {
        struct text line = {0}, out = {0};
        va_list list;
        va_start(list, format);
        add_list(&line, format, list);
        va_end(list);
        make_harmless(&line, "");
        cut(&line, terminal_width() - 1);   /* the last column stays free: some terminals wrap once it is filled */
        text_add(&out, "\r%s\033[K", line.text);
        put(&out);
        text_free(&line);
        text_free(&out);
        p->drawn = 1;
        p->last = time;
    }
    pthread_mutex_unlock(&p->lock);
}

/* Takes `line` over. */
static void say(struct progress *p, char *line) {
    struct text out = {0};
    pthread_mutex_lock(&p->lock);
    clear_line(p, &out);
    struct text said = {.text = line, .length = strlen(line)};
    make_harmless(&said, "\n\t");
    text_add(&out, "%s\n", said.text);
    put(&out);
    pthread_mutex_unlock(&p->lock);
    text_free(&said);
    text_free(&out);
}

void progress_say(struct progress *p, const char *format, ...) {
    if (p->quiet) {
        return;
    }
    va_list list;
    va_start(list, format);
    say(p, mem_format_list(format, list));
    va_end(list);
}

void progress_error(struct progress *p, const char *sentence) {
    say(p, mem_format("dlcli: %s", sentence));
}

void progress_warn(struct progress *p, struct err *err) {
    for (int i = 0; i < err->warnings && i < ERR_MOST; i++) {
        say(p, mem_format("dlcli: warning: %s", err->warned[i]));
        free(err->warned[i]);
        err->warned[i] = NULL;
    }
    if (err->warnings > ERR_MOST) {
        say(p, mem_format("dlcli: warning: and %d more", err->warnings - ERR_MOST));
    }
    err->warnings = 0;
}

const char *progress_duration(double seconds, char buffer[24]) {
    static const double most = 1e9;
    if (!(seconds >= 0)) {
        seconds = 0;   /* an estimate before there is anything to estimate from may be NaN */
    }
    long whole = lround(fmin(seconds, most));
    if (whole < 60) {
        snprintf(buffer, 24, "%ld s", whole);
    } else if (whole < 3600) {
        snprintf(buffer, 24, "%ld:%02ld", whole / 60, whole % 60);
    } else {
        snprintf(buffer, 24, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    }
    return buffer;
}

double progress_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}
