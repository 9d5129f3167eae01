/* What the tests of checkpoints and training share: a scratch folder, a small network with everything that a checkpoint
 * must keep. */
#ifndef DLCLI_TRAIN_FIXTURE_H
#define DLCLI_TRAIN_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "says_fixture.h"
#include "scratch_fixture.h"
#include "train.h"

/* Batch normalization, dropout, a frozen layer, momentum, augmentation. 44 training samples in batches of 8: 5 and a
 * smaller one. */
static const char small_net[] =
    "[net]\nwidth=8\nheight=8\nchannels=3\nbatch=8\nepochs=3\nlearning_rate=0.05\npolicy=cosine\nseed=3\nlog_steps=1\n"
    "checkpoint_steps=2\ncheckpoint_minutes=0\n";
static const char small_data[] =
    "[data]\nsource=synthetic\ncount=60\nvalid=16\nclasses=a,b,c\nflip=1\ncrop_padding=1\nmean=auto\n";
static const char small_layers[] =
    "[convolutional]\nname=conv1\nfilters=4\nsize=3\npadding=1\nbatch_normalize=1\nactivation=relu\n"
    "[convolutional]\nname=fixed\nfilters=5\nsize=1\nfreeze=1\nactivation=linear\n"
    "[maxpool]\nsize=2\nstride=2\npadding=valid\n[dropout]\nprobability=0.2\n"
    "[connected]\nname=fc\noutput=3\nactivation=linear\n[softmax]\n";

/* Without the syncing of file_write, which takes its time. */
static inline void put_bytes(const char *path, const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static inline void put_text(const char *path, const char *text) {
    put_bytes(path, text, strlen(text));
}

/* The small network with more keys for [net] and [data]. */
static inline void put_config(const char *path, const char *net, const char *data, const char *layers) {
    char *text = mem_format("%s%s\n%s%s\n%s", small_net, net, small_data, data, layers);
    put_text(path, text);
    free(text);
}

static inline unsigned char *get_file(const char *path, size_t *size) {
    unsigned char *bytes = NULL;
    struct err err = {0};
    if (file_read(path, 0, 1 << 26, STATUS_FAILED, &bytes, size, &err) != 0) {
        fail_msg("%s", err.sentences[0]);
    }
    return bytes;
}

static inline void same_files(const char *a, const char *b) {
    size_t sizes[2];
    unsigned char *bytes[2] = {get_file(a, &sizes[0]), get_file(b, &sizes[1])};
    if (sizes[0] != sizes[1] || memcmp(bytes[0], bytes[1], sizes[0]) != 0) {
        fail_msg("%s and %s differ", a, b);
    }
    free(bytes[0]);
    free(bytes[1]);
}

static inline struct plan_options plan_for(int training) {
    return (struct plan_options){.isa = ISA_BASE, .dtype = DTYPE_F32, .batch = 8, .training = training, .threads = 1,
                                 .keep_layer = -1};
}

#endif
