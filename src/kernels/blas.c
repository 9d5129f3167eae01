/* OpenBLAS, and the only file that knows it. It is loaded on first use, so that a run which needs no matrix product starts without it, and
 * so that it can be told the core type, which it reads while loading.
 *
 * It never runs threads of its own: our team calls it, one tile a call. The pthread flavour asks OPENBLAS_NUM_THREADS when it is loaded; the
 * OpenMP one asks its runtime in every calling thread, which reads OMP_NUM_THREADS when it is loaded; the serial one has none. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include "kernels/kernels.h"

enum { ROW_MAJOR = 101, AS_IS = 111, TRANSPOSED = 112 };

typedef void sgemm_function(int order, int transpose_a, int transpose_b, int m, int n, int k, float alpha, const float *a, int lda, const float *b, int ldb,
    float beta, float *c, int ldc);

/* Written once, under `once`: a library can be loaded but once, so this is the process's and not some owner's. */
static struct { pthread_once_t once; sgemm_function *sgemm; const char *version; char why[256]; } blas = {.once = PTHREAD_ONCE_INIT};

/* POSIX gives functions as void *, which C can't convert to a pointer to a function. */
union symbol { void *object; sgemm_function *sgemm; char *(*text)(void); void (*number)(int); };

static void set_environment(void) {
    const char *core = cpu_openblas_core();
    if (core != NULL) {
        setenv("OPENBLAS_CORETYPE", core, 0);
    }
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    setenv("OMP_NUM_THREADS", "1", 1);
}

static void load(void) {
    union symbol sgemm, config, threads;
    set_environment();
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        snprintf(blas.why, sizeof blas.why, "%s", dlerror());
        return;
    }
    sgemm.object = dlsym(library, "cblas_sgemm");
    config.object = dlsym(library, "openblas_get_config");
    threads.object = dlsym(library, "openblas_set_num_threads");
    if (sgemm.object == NULL) {
        snprintf(blas.why, sizeof blas.why, "libopenblas.so.0: cblas_sgemm is missing");
        return;
    }
    if (threads.object != NULL) {
        threads.number(1);
    }
    blas.version = config.object == NULL ? "OpenBLAS" : config.text();
    blas.sgemm = sgemm.sgemm;
}

int blas_ready(void) {
    pthread_once(&blas.once, load);
    return blas.sgemm != NULL;
}

int blas_load(struct err *err) {
    return blas_ready() ? 0 : err_add(err, STATUS_FAILED, "OpenBLAS: %s", blas.why);
}

void blas_sgemm(int transpose_a, int transpose_b, int m, int n, int k, const float *a, size_t lda, const float *b, size_t ldb, int add, float *c, size_t ldc) {
    blas.sgemm(ROW_MAJOR, transpose_a ? TRANSPOSED : AS_IS, transpose_b ? TRANSPOSED : AS_IS, m, n, k, 1, a, (int)lda, b, (int)ldb, add ? 1 : 0, c, (int)ldc);
}

const char *blas_version(void) {
    return blas_ready() ? blas.version : NULL;
}
