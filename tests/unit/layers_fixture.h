/* What the tests of layers share: a network from a config's text, its values as plain arrays, and the cases that
 * PyTorch computed (fixtures/make_layers.py says the file's form). */
#ifndef DLCLI_LAYERS_FIXTURE_H
#define DLCLI_LAYERS_FIXTURE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/threads.h"
#include "layers/layer.h"
#include "run.h"

/* ---- a network ---- */

struct net {
    struct config config;
    struct graph graph;
    struct plan plan;
    struct exec exec;
    struct truth truth;
    double *loss;
};

/* NULL where the text makes a graph, else what is wrong with it (in a static buffer). */
static inline const char *net_refusal(const char *text) {
    static char sentence[1024];
    struct err err = {0};
    struct config config = {0};
    struct graph graph = {0};
    int bad = config_parse(&config, "cfg", text, strlen(text), &err) < 0 || graph_build(&graph, &config, &err) < 0;
    snprintf(sentence, sizeof sentence, "%s", bad ? err.sentences[0] : "");
    graph_free(&graph);
    config_free(&config);
    err_free(&err);
    return bad ? sentence : NULL;
}

static inline void net_describe(struct net *net, const char *text) {
    struct err err = {0};
    *net = (struct net){0};
    int bad = config_parse(&net->config, "cfg", text, strlen(text), &err) < 0 ||
              graph_build(&net->graph, &net->config, &err) < 0;
    if (bad) {
        fail_msg("%s\n%s", err.sentences[0], text);
    }
    err_free(&err);
}

/* Plans it, with parameters at 0; passes are over `batch` samples. */
static inline void net_plan(struct net *net, const struct plan_options *options, int batch, struct threads *threads) {
    struct err err = {0};
    if (plan_make(&net->plan, &net->graph, options, &err) < 0) {
        fail_msg("%s", err.sentences[0]);
    }
    size_t rows = (size_t)options->batch * (size_t)net->graph.input.t;
    net->loss = mem_need(rows, sizeof *net->loss);
    net->exec = (struct exec){
        .kernels = net->plan.target.kernels, .threads = threads, .batch = batch, .training = options->training,
        .seed = 1, .truth = &net->truth, .loss_scale = 1.0 / (batch * net->graph.input.t), .loss = net->loss,
    };
}

static inline void net_unplan(struct net *net) {
    plan_free(&net->plan);
    free(net->loss);
    net->loss = NULL;
}

static inline void net_free(struct net *net) {
    net_unplan(net);
    graph_free(&net->graph);
    config_free(&net->config);
}

/* A network that computes in float32 on the plain kernels, and remembers everything. */
static inline void net_make(struct net *net, const char *text, int batch, int training) {
    net_describe(net, text);
    struct plan_options options = {
        .isa = ISA_BASE, .ref_only = 1, .dtype = DTYPE_F32, .batch = batch, .training = training, .threads = 1,
        .keep_layer = -1, .keep_all = 1,
    };
    net_plan(net, &options, batch, NULL);
}

/* The value called `name`, or NULL. */
static inline struct value *net_value(struct net *net, const char *name) {
    char buffer[256];
    for (int i = 0; i < net->plan.value_count; i++) {
        if (strcmp(value_name(&net->plan, i, buffer, sizeof buffer), name) == 0) {
            return &net->plan.values[i];
        }
    }
    return NULL;
}

static inline void net_set(struct net *net, const char *name, const float *values) {
    struct value *v = net_value(net, name);
    if (v == NULL) {
        fail_msg("there is no value \"%s\"", name);
        return;
    }
    value_set(&net->plan, v, values);
}

/* ---- tensors as samples x C x H x W floats, whatever their layout and type ---- */

static inline size_t tensor_place(const struct tensor *t, int lanes, size_t n, size_t c, size_t at) {
    size_t channels = (size_t)t->shape.c, area = (size_t)t->shape.h * (size_t)t->shape.w, v = (size_t)lanes;
    if (t->layout == LAYOUT_NHWC) {
        return (n * area + at) * channels + c;
    }
    return t->layout == LAYOUT_LANES ? ((n / v * channels + c) * area + at) * v + n % v
                                     : (n * channels + c) * area + at;
}

static inline float elem_at(enum dtype dtype, const void *elems, size_t i) {
    if (dtype == DTYPE_F64) {
        return (float)((const double *)elems)[i];
    }
    if (dtype == DTYPE_F32) {
        return ((const float *)elems)[i];
    }
    uint32_t bits = (uint32_t)((const uint16_t *)elems)[i] << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* `elems` are the tensor's data or grad. malloc'ed. */
static inline float *tensor_floats(const struct net *net, const struct tensor *t, const void *elems) {
    size_t samples = tensor_samples(t, &net->exec), channels = (size_t)t->shape.c,
           area = (size_t)t->shape.h * (size_t)t->shape.w;
    float *to = mem_need(samples * channels * area, sizeof *to);
    for (size_t n = 0, i = 0; n < samples; n++) {
        for (size_t c = 0; c < channels; c++) {
            for (size_t at = 0; at < area; at++, i++) {
                to[i] = elem_at(net->exec.kernels->dtype, elems, tensor_place(t, net->exec.kernels->lanes, n, c, at));
            }
        }
    }
    return to;
}

/* The output tensor of a layer. */
static inline const struct tensor *net_layer(const struct net *net, const char *name) {
    struct err err = {0};
    int layer = graph_find_layer(&net->graph, name, &err);
    assert_true(layer >= 0);
    return plan_layer_output(&net->plan, layer);
}

/* ---- PyTorch's cases ---- */

struct fixture_array { char *name; size_t count; float *data; };
struct fixture { char *name, *config; int batch; struct fixture_array *arrays; size_t count; };
struct fixtures { struct fixture *cases; size_t count; };

static inline uint32_t fixture_u32(FILE *file) {
    unsigned char b[4];
    assert_int_equal(fread(b, 1, 4, file), 4);
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static inline float fixture_f32(FILE *file) {
    uint32_t bits = fixture_u32(file);
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static inline char *fixture_text(FILE *file) {
    size_t length = fixture_u32(file);
    char *text = mem_need(length + 1, 1);
    assert_int_equal(fread(text, 1, length, file), length);
    return text;
}

/* What make_layers.py's draw gives. */
static inline void fixture_draw(uint32_t seed, float *to, size_t count, float scale, float offset) {
    for (size_t i = 0; i < count; i++) {
        uint32_t v = (uint32_t)i + seed * 0x9E3779B9u;
        v = (v ^ v >> 16) * 0x7FEB352Du;
        v = (v ^ v >> 15) * 0x846CA68Bu;
        v ^= v >> 16;
        float unit = (float)(v >> 8) / (float)(1 << 23) - 1;
        volatile float scaled = unit * scale;      /* rounded, as there: no fused multiply-add */
        to[i] = scaled + offset;
    }
}

static inline struct fixture_array fixture_array(FILE *file) {
    struct fixture_array a = {.name = fixture_text(file)};
    uint32_t drawn = fixture_u32(file);
    a.count = fixture_u32(file);
    a.data = mem_need(a.count + 1, sizeof *a.data);
    if (drawn) {
        uint32_t seed = fixture_u32(file);
        float scale = fixture_f32(file), offset = fixture_f32(file);
        fixture_draw(seed, a.data, a.count, scale, offset);
        return a;
    }
    for (size_t i = 0; i < a.count; i++) {
        a.data[i] = fixture_f32(file);
    }
    return a;
}

static inline struct fixtures fixtures_read(void) {
    FILE *file = fopen("tests/fixtures/layers.bin", "rb");
    assert_non_null(file);
    assert_int_equal(fixture_u32(file), 0x58464c44);
    struct fixtures all = {.count = fixture_u32(file)};
    all.cases = mem_need(all.count, sizeof *all.cases);
    for (size_t i = 0; i < all.count; i++) {
        struct fixture *f = &all.cases[i];
        f->name = fixture_text(file);
        f->config = fixture_text(file);
        f->batch = (int)fixture_u32(file);
        f->count = fixture_u32(file);
        f->arrays = mem_need(f->count, sizeof *f->arrays);
        for (size_t j = 0; j < f->count; j++) {
            f->arrays[j] = fixture_array(file);
        }
    }
    fclose(file);
    return all;
}

static inline void fixtures_free(struct fixtures *all) {
    for (size_t i = 0; i < all->count; i++) {
        struct fixture *f = &all->cases[i];
        for (size_t j = 0; j < f->count; j++) {
            free(f->arrays[j].name);
            free(f->arrays[j].data);
        }
        free(f->arrays);
        free(f->name);
        free(f->config);
    }
    free(all->cases);
}

static inline const struct fixture_array *fixture_find(const struct fixture *f, const char *name) {
    for (size_t i = 0; i < f->count; i++) {
        if (strcmp(f->arrays[i].name, name) == 0) {
            return &f->arrays[i];
        }
    }
    return NULL;
}

static inline float *fixture_get(const struct fixture *f, const char *name) {
    const struct fixture_array *a = fixture_find(f, name);
    return a == NULL ? NULL : a->data;
}

#endif
