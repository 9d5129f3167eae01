/* A folder of a test program's own, in which it runs: a group's setup and teardown. */
#ifndef DLCLI_SCRATCH_FIXTURE_H
#define DLCLI_SCRATCH_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char scratch[64];

static int scratch_make(void **state) {
    (void)state;
    snprintf(scratch, sizeof scratch, "/tmp/dlcli-test-XXXXXX");
    return mkdtemp(scratch) == NULL || chdir(scratch) != 0 ? -1 : 0;
}

static int scratch_remove(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", scratch);
    return chdir("/tmp") != 0 || system(command) != 0 ? -1 : 0;
}

#endif
