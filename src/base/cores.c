/* Affinity and control-group quotas (cores.h): a container learns from its quota what its affinity does not tell. */
#include "base/cores.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

enum { MOST = 256 };

static int cores_affinity(void) {
    for (int room = 1024; room <= 1 << 20; room *= 2) {   /* the kernel's mask may be wider than cpu_set_t */
        cpu_set_t *set = CPU_ALLOC(room);
        if (set == NULL) {
            break;
        }
        int got = sched_getaffinity(0, CPU_ALLOC_SIZE(room), set);
        int count = got == 0 ? CPU_COUNT_S(CPU_ALLOC_SIZE(room), set) : 0, wider = got != 0 && errno == EINVAL;
        CPU_FREE(set);
        if (!wider) {
            return count > 0 ? count : 1;
        }
    }
    return 1;
}

/* The first `count` numbers of a file; "max" reads as -1. Returns how many there were. */
static int numbers_read(const char *folder, const char *name, double *numbers, int count) {
    char *path = mem_format("%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    free(path);
    if (file == NULL) {
        return 0;
    }
    int read = 0;
    char word[32];
    while (read < count && fscanf(file, "%31s", word) == 1) {
        numbers[read++] = strcmp(word, "max") == 0 ? -1 : strtod(word, NULL);
    }
    fclose(file);
    return read;
}

/* Cores by the quota set in one control group, or INFINITY. */
static double quota_here(const char *folder, int v2) {
    double n[2];
    int read = 0;
    if (v2) {
        read = numbers_read(folder, "cpu.max", n, 2);
    } else {
        read = numbers_read(folder, "cpu.cfs_quota_us", n, 1) + numbers_read(folder, "cpu.cfs_period_us", n + 1, 1);
    }
    return read == 2 && n[0] > 0 && n[1] > 0 ? n[0] / n[1] : INFINITY;
}

/* The least quota of `mount`/`path` and the groups above it, up to the mount itself. */
static double quota_upwards(const char *mount, const char *path, int v2) {
    char *folder = mem_format("%s%s", mount, path);
    size_t top = strlen(mount);
    double least = INFINITY;
    for (;;) {
        least = fmin(least, quota_here(folder, v2));
        char *slash = strrchr(folder + top, '/');
        if (slash == NULL) {
            break;
        }
        *slash = '\0';
    }
    free(folder);
    return least;
}

/* Is `word` one of the comma-separated words of `list`? */
static int list_has(const char *list, const char *word) {
    size_t length = strlen(word);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, length) == 0 && (at[length] == ',' || at[length] == '\0')) {
            return 1;
        }
    }
    return 0;
}

/* Does a line "36 35 0:28 TOP MOUNT rw - cgroup2 cgroup2 rw,..." of /proc/self/mountinfo mount the hierarchy?
 * In a container without a namespace of its own TOP is the group in /proc/self/cgroup, and MOUNT shows that group. */
static int mount_matches(char *line, int v2, const char **top, const char **mount) {
    char *rest = strstr(line, " - "), *save = NULL;
    if (rest == NULL) {
        return 0;
    }
    *rest = '\0';
    const char *fields[5] = {0};
    for (int i = 0; i < 5; i++) {
        fields[i] = strtok_r(i == 0 ? line : NULL, " ", &save);
    }
    const char *type = strtok_r(rest + 3, " \n", &save), *source = strtok_r(NULL, " \n", &save);
    const char *options = strtok_r(NULL, " \n", &save);
    *top = fields[3];
    *mount = fields[4];
    if (fields[4] == NULL || source == NULL || options == NULL) {
        return 0;
    }
    return v2 ? strcmp(type, "cgroup2") == 0 : strcmp(type, "cgroup") == 0 && list_has(options, "cpu");
}

/* The least quota that holds for group `path` of one hierarchy. */
static double quota_of(const char *root, const char *path, int v2) {
    char *name = mem_format("%s/proc/self/mountinfo", root), *line = NULL;
    FILE *file = fopen(name, "re");
    free(name);
    size_t room = 0;
    double least = INFINITY;
    while (file != NULL && getline(&line, &room, file) >= 0) {
        const char *top, *mount;
        if (!mount_matches(line, v2, &top, &mount)) {
            continue;
        }
        size_t cut = strcmp(top, "/") == 0 ? 0 : strlen(top);
        int below = strncmp(path, top, cut) == 0 && (path[cut] == '/' || path[cut] == '\0');
        const char *rest = below ? path + cut : "";
        char *at = mem_format("%s%s", root, mount);
        least = fmin(least, quota_upwards(at, strcmp(rest, "/") == 0 ? "" : rest, v2));
        free(at);
    }
    free(line);
    if (file != NULL) {
        fclose(file);
    }
    return least;
}

/* Lines "0::/user.slice" (v2) and "4:cpu,cpuacct:/docker/..." (v1). */
static double quota_own(const char *root) {
    char *name = mem_format("%s/proc/self/cgroup", root), *line = NULL;
    FILE *file = fopen(name, "re");
    free(name);
    size_t room = 0;
    double least = INFINITY;
    while (file != NULL && getline(&line, &room, file) >= 0) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':'), *path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
        if (path == NULL) {
            continue;
        }
        *path++ = '\0';
        controllers++;
        if (*controllers == '\0' || list_has(controllers, "cpu")) {
            least = fmin(least, quota_of(root, path, *controllers == '\0'));
        }
    }
    free(line);
    if (file != NULL) {
        fclose(file);
    }
    return least;
}

int cores_usable(const char *root) {
    double cores = fmin(fmin(cores_affinity(), ceil(quota_own(root))), MOST);
    return cores < 1 ? 1 : (int)cores;
}
