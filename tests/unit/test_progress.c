/* What goes to stderr: on a (pseudo) terminal, in a file, with NO_COLOR, TERM=dumb and --quiet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/progress.h"

/* Stderr replaced by a pseudo terminal of `columns`, or (0 columns) by a pipe. */
struct stage { int before, reader; };

static void stage_open(struct stage *s, unsigned short columns) {
    int writer;
    if (columns == 0) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        s->reader = ends[0];
        writer = ends[1];
    } else {
        s->reader = posix_openpt(O_RDWR | O_NOCTTY);
        assert_true(s->reader >= 0 && grantpt(s->reader) == 0 && unlockpt(s->reader) == 0);
        writer = open(ptsname(s->reader), O_RDWR | O_NOCTTY);
        assert_true(writer >= 0);
        struct termios raw;
        tcgetattr(writer, &raw);
        cfmakeraw(&raw);   /* else the line discipline would turn \n into \r\n */
        tcsetattr(writer, TCSANOW, &raw);
        struct winsize size = {.ws_row = 24, .ws_col = columns};
        assert_int_equal(ioctl(writer, TIOCSWINSZ, &size), 0);
    }
    s->before = dup(STDERR_FILENO);
    dup2(writer, STDERR_FILENO);
    close(writer);
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
}

/* What has been said since; stderr is as before again. */
static const char *stage_close(struct stage *s, char said[4096]) {
    static const char end[] = "<END>";   /* a terminal hands on late, and drops what was not read when it closes */
    size_t length = 0;
    assert_int_equal(write(STDERR_FILENO, end, sizeof end - 1), sizeof end - 1);
    char *found = NULL;
    while (found == NULL) {
        struct pollfd ready = {.fd = s->reader, .events = POLLIN};
        assert_int_equal(poll(&ready, 1, 10000), 1);
        ssize_t got = read(s->reader, said + length, 4095 - length);
        assert_true(got > 0);
        length += (size_t)got;
        said[length] = '\0';
        found = strstr(said, end);
    }
    *found = '\0';
    dup2(s->before, STDERR_FILENO);
    close(s->before);
    close(s->reader);
    return said;
}

static void test_terminal(void **state) {
    (void)state;
    struct stage s;
    struct progress p;
    char said[4096];
    stage_open(&s, 80);
    progress_init(&p, 0);
    progress_line(&p, 1, "step %d", 1);
    progress_line(&p, 1, "step %d", 2);
    progress_say(&p, "epoch %d", 1);
    progress_say(&p, "plain");
    progress_line(&p, 1, "step 3");
    progress_end(&p);
    progress_end(&p);
    stage_close(&s, said);
    assert_true(p.live && p.colour);
    assert_string_equal(said, "\rstep 1\033[K\rstep 2\033[K\r\033[Kepoch 1\nplain\n\rstep 3\033[K\r\033[K");
}

static void test_not_too_often(void **state) {
    (void)state;
    struct stage s;
    struct progress p;
    char said[4096];
    stage_open(&s, 80);
    progress_init(&p, 0);
    double start = progress_now();
    for (int i = 0; i < 100; i++) {
        progress_line(&p, 0, "%d", i);
    }
    double taken = progress_now() - start;
    progress_line(&p, 1, "now");
    stage_close(&s, said);
    int lines = 0;
    for (const char *at = said; (at = strchr(at, '\r')) != NULL; at++) {
        lines++;
    }
    assert_true(lines <= 2 + (int)(taken / 0.1));
    assert_int_equal(strncmp(said, "\r0\033[K", 5), 0);
    assert_non_null(strstr(said, "\rnow"));
}

static void test_cut_to_width(void **state) {
    (void)state;
    struct stage s;
    struct progress p;
    char said[4096];
    stage_open(&s, 8);
    progress_init(&p, 0);
    progress_line(&p, 1, "0123456");
    progress_line(&p, 1, "0123456789");
    progress_line(&p, 1, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x95 xyz\xc3\xa9 cut");   /* eight characters and more */
    stage_close(&s, said);
    assert_string_equal(said, "\r0123456\033[K\r0123456\033[K\r\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x95 xyz\033[K");
}

/* A file name with escape sequences in it moves nothing. */
static void test_control_characters(void **state) {
    (void)state;
    struct stage s;
    struct progress p;
    char said[4096];
    stage_open(&s, 80);
    progress_init(&p, 0);
    progress_line(&p, 1, "a\033[2J\nb");
    progress_say(&p, "c\033]0;x\007\td\ne");
    stage_close(&s, said);
    assert_string_equal(said, "\ra?[2J?b\033[K\r\033[Kc?]0;x?\td\ne\n");
}

static void test_file(void **state) {
    (void)state;
    struct stage s;
    struct progress p;
    char said[4096];
    stage_open(&s, 0);
    progress_init(&p, 0);
    progress_line(&p, 1, "step");
    progress_say(&p, "epoch");
    progress_end(&p);
    stage_close(&s, said);
    assert_false(p.live || p.colour);
    assert_string_equal(said, "epoch\n");
}

/* A terminal that must be left alone. */
static void check_plain(const char *name, const char *value, int quiet, const char *want) {
    struct stage s;
    struct progress p;
    char said[4096];
    stage_open(&s, 80);
    if (value == NULL) {
        unsetenv(name);
    } else {
        setenv(name, value, 1);
    }
    progress_init(&p, quiet);
    progress_line(&p, 1, "step");
    progress_say(&p, "epoch");
    progress_end(&p);
    stage_close(&s, said);
    assert_string_equal(said, want);
}

static void test_plain_terminals(void **state) {
    (void)state;
    check_plain("NO_COLOR", "1", 0, "epoch\n");
    check_plain("TERM", "dumb", 0, "epoch\n");
    check_plain("TERM", NULL, 0, "epoch\n");
    check_plain("TERM", "xterm", 1, "");
    check_plain("NO_COLOR", "", 0, "\rstep\033[K\r\033[Kepoch\n");   /* empty counts as unset */
}

static void test_warnings(void **state) {
    (void)state;
    struct stage s;
    struct progress p;
    struct err err = {0};
    char said[4096];
    err_warn(&err, "key \"angle\" does nothing");
    err_warn(&err, "b");
    stage_open(&s, 80);
    progress_init(&p, 1);   /* quiet does not silence them */
    progress_warn(&p, &err);
    progress_warn(&p, &err);
    stage_close(&s, said);
    assert_string_equal(said, "dlcli: warning: key \"angle\" does nothing\ndlcli: warning: b\n");
    assert_int_equal(err.warnings, 0);
    for (int i = 0; i < ERR_MOST + 3; i++) {
        err_warn(&err, "%d", i);
    }
    stage_open(&s, 0);
    progress_init(&p, 0);
    progress_warn(&p, &err);
    stage_close(&s, said);
    assert_non_null(strstr(said, "dlcli: warning: 39\ndlcli: warning: and 3 more\n"));
    err_free(&err);
}

static void test_duration(void **state) {
    (void)state;
    static const struct { double seconds; const char *text; } known[] = {
        {0, "0 s"}, {12.4, "12 s"}, {59.4, "59 s"}, {59.6, "1:00"}, {245, "4:05"}, {3599.6, "1:00:00"},
        {3723, "1:02:03"}, {360000, "100:00:00"}, {-1, "0 s"}, {NAN, "0 s"}, {INFINITY, "277777:46:40"},
    };
    char buffer[24];
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        assert_string_equal(progress_duration(known[i].seconds, buffer), known[i].text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_terminal), cmocka_unit_test(test_not_too_often), cmocka_unit_test(test_cut_to_width),
        cmocka_unit_test(test_control_characters), cmocka_unit_test(test_file), cmocka_unit_test(test_plain_terminals),
        cmocka_unit_test(test_warnings), cmocka_unit_test(test_duration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
