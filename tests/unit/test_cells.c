/* Recurrent cells over all steps: every table against float64's (which finite differences and PyTorch check in
 * test_layers_*.c), the AVX-512 shapes in AVX2 code too ("emulated": see the Makefile); the same bits from any team. */
#include "amx_trap.h"
#include "kernels_fixture.h"

extern const struct cell_kernels cell_kernels_emulated_f32, cell_kernels_emulated_bf16, cell_kernels_emulatedrounded_bf16, cell_kernels_trappedrounded_bf16,
    cell_kernels_emulatedquantized_f32, cell_kernels_emulatedquantized_bf16, cell_kernels_quantizedavx2_f32, cell_kernels_quantizedavx512_f32;

struct shape_case {
    size_t batch, hidden, steps, inputs;
    int reverse, last, ends;
};

/* Batches on both sides of what is cut by samples, tails of every size, units that fill no panel, and more of them (of
 * inputs and units) than one pass over the first-level cache takes. */
static const struct shape_case cases[] = {
    {1, 5, 3, 4, 0, 0, 0},   {1, 70, 4, 9, 1, 0, 0},  {2, 64, 2, 17, 0, 1, 0},  {7, 33, 3, 1, 0, 0, 1},
    {13, 96, 3, 5, 1, 1, 1}, {24, 16, 5, 300, 0, 0, 0}, {53, 40, 3, 7, 1, 0, 1}, {64, 31, 2, 65, 0, 1, 1},
};

/* A problem in one element type; every array is filled from the same random numbers. */
struct problem {
    struct cells c;
    void *packed, *arrays[24];
    size_t count, gates_n, state_n, out_n;
};

static void *array(struct problem *p, const struct kernels *k, int elems, size_t n, double scale, uint64_t stream) {
    size_t size = elems ? dtype_size(k->dtype) : real_size(k);
    struct rng rng = rng_make(11, RNG_CHECK, stream);
    void *to = p->arrays[p->count++] = mem_aligned((n + 1) * size);
    for (size_t i = 0; i < n; i++) {
        double x = (double)(float)((2 * rng_uniform(&rng) - 1) * scale);
        if (elems) {
            uint32_t bits;
            float f = (float)x;
            memcpy(&bits, &f, sizeof bits);
            bits &= 0xffff0000u; /* what bfloat16 holds */
            memcpy(&f, &bits, sizeof f);
            elem_set(k, to, i, (double)f);
        } else {
            real_set(k, to, i, x);
        }
    }
    return to;
}

static const size_t gates_of[] = {[CELL_TANH] = 1, [CELL_RELU] = 1, [CELL_LSTM] = 4, [CELL_GRU] = 3};

/* gates = the products with the inputs, sums in double. */
static void multiply_inputs(const struct kernels *k, const struct problem *p, const void *weight) {
    size_t n = gates_of[p->c.kind] * p->c.hidden, inputs = p->c.inputs;
    for (size_t i = 0; i < p->gates_n; i++) {
        double sum = 0;
        for (size_t j = 0; j < inputs; j++) {
            double x = p->c.ids == NULL ? real_get(k, p->c.x, i / n * inputs + j) : (double)j == (double)p->c.ids[i / n];
            sum += x * real_get(k, weight, i % n * inputs + j);
        }
        real_set(k, p->c.gates, i, sum);
    }
}

/* Runs forward, with the inputs of `x_or_ids` taken as `input` says; the caller frees by problem_free. */
static struct problem solve(const struct kernels *k, struct threads *team, enum cell_kind kind, enum cell_input input,
                            const struct shape_case *s, const float *symbols, const float *ids) {
    size_t state = s->batch * s->hidden, gates = gates_of[kind] * s->hidden, stride = s->hidden + 3;
    struct problem p = {.gates_n = s->steps * s->batch * gates, .state_n = (s->steps + 1) * state};
    p.out_n = s->steps * s->batch * stride;
    p.c = (struct cells){.kind = kind, .input = input, .batch = s->batch, .hidden = s->hidden, .inputs = s->inputs,
                         .steps = s->steps, .reverse = s->reverse, .last = s->last, .ids = ids, .states = s->steps + 1};
    p.c.gates = array(&p, k, 0, p.gates_n, 1, 1);
    p.c.bias_ih = array(&p, k, 0, gates, 0.5, 2);
    p.c.bias_hh = array(&p, k, 0, gates, 0.5, 3);
    p.c.h = array(&p, k, 0, p.state_n, 0.5, 4);
    p.c.c = kind == CELL_LSTM ? array(&p, k, 0, p.state_n, 0.5, 5) : NULL;
    p.c.extra = kind == CELL_GRU ? array(&p, k, 0, p.state_n, 0, 6) : NULL;
    p.c.out = array(&p, k, 1, p.out_n, 1, 7);
    p.c.dout = array(&p, k, 1, p.out_n, 1, 8);
    p.c.dh = array(&p, k, 0, state, 1, 9);
    p.c.dc = array(&p, k, 0, state, 1, 10);
    p.c.x = array(&p, k, 0, s->steps * s->batch * s->inputs, 1, 13);
    p.c.out_stride = stride;
    p.c.out_step = s->batch * stride;
    p.c.symbols = s->ends ? symbols : NULL;
    struct cell_weights w = {.kind = kind, .input = input, .hidden = s->hidden, .inputs = s->inputs, .training = 1};
    w.hh = array(&p, k, 0, gates * s->hidden, 1 / sqrt((double)s->hidden), 12);
    w.ih = array(&p, k, 0, gates * s->inputs, 1 / sqrt((double)s->inputs), 14);
    p.packed = p.arrays[p.count++] = mem_aligned(k->cells->packed(&w));
    p.c.packed = p.packed;
    k->cells->pack(team, &w, p.packed);
    if (input == CELL_INPUT_READY) {
        multiply_inputs(k, &p, w.ih);
    }
    k->cells->forward(team, &p.c);
    return p;
}

/* The state that was there first, and the one that steps end with, of `n` bytes. */
static char *state_at(const struct cells *c, void *states, int at_end, size_t n) {
    size_t number = c->first + (at_end != c->reverse ? c->steps : 0);
    return (char *)states + number % c->states * n;
}

/* To infer, neither gates nor extra are there, and two states are enough: the same outputs and the same last state. */
static void check_inference(const struct kernels *k, struct threads *team, const struct problem *p) {
    struct cells c = p->c;
    size_t state = p->c.batch * p->c.hidden * real_size(k), elem = dtype_size(k->dtype), row = p->c.out_stride * elem;
    void *given[] = {p->c.h, p->c.c}, **own[] = {&c.h, &c.c};
    c.first = 3;
    c.states = 2;
    c.gates = c.extra = c.dh = c.dc = NULL;
    c.out = mem_aligned(p->out_n * elem);
    for (int i = 0; i < 2 && given[i] != NULL; i++) {
        *own[i] = mem_aligned(2 * state);
        memcpy(state_at(&c, *own[i], 0, state), state_at(&p->c, given[i], 0, state), state);
    }
    k->cells->forward(team, &c);
    for (size_t r = 0; r < c.batch * (c.last ? 1 : c.steps); r++) {
        assert_memory_equal((char *)c.out + r * row, (char *)p->c.out + r * row, c.hidden * elem);
    }
    for (int i = 0; i < 2 && given[i] != NULL; i++) {
        assert_memory_equal(state_at(&c, *own[i], 1, state), state_at(&p->c, given[i], 1, state), state);
        free(*own[i]);
    }
    free(c.out);
}

static void problem_free(struct problem *p) {
    for (size_t i = 0; i < p->count; i++) {
        free(p->arrays[i]);
    }
}

typedef double getter(const struct kernels *k, const void *p, size_t i);

static void check_equal(const struct kernels *k, const struct kernels *exact, const void *got, const void *want, size_t n,
                    int elems, const char *what) {
    getter *get = elems ? elem_get : real_get;
    double worst = 0, largest = 1e-3, most = k->bf16_products ? 2e-2 : elems && k->dtype == DTYPE_BF16 ? 5e-3 : 1e-5;
    for (size_t i = 0; i < n && got != NULL; i++) {
        double difference = fabs(get(k, got, i) - get(exact, want, i));
        worst = difference > worst || isnan(difference) ? difference : worst;
        largest = fmax(largest, fabs(get(exact, want, i)));
    }
    if (!(worst <= most * largest)) {
        fail_msg("%s %s: off by %g of %g", k->isa, what, worst, largest);
    }
}

static void take_over(const struct kernels *k, const void *from, const struct kernels *exact, void *to, size_t n) {
    for (size_t i = 0; i < n && to != NULL; i++) {
        real_set(exact, to, i, real_get(k, from, i));
    }
}

/* Rounded products may take a relu to its other side: the way back begins with the same values, so that it is itself compared. */
static void same_values(const struct kernels *k, const struct problem *from, const struct kernels *exact, struct problem *to) {
    take_over(k, from->c.gates, exact, to->c.gates, to->gates_n);
    take_over(k, from->c.extra, exact, to->c.extra, to->state_n - to->c.batch * to->c.hidden);
    take_over(k, from->c.h, exact, to->c.h, to->state_n);
    take_over(k, from->c.c, exact, to->c.c, to->state_n);
}

/* The same problem by a table and in float64, and what both were given. */
struct pair {
    struct problem got, want;
    float symbols[64 * 5], ids[64 * 5];
};

typedef void case_work(const struct kernels *k, struct bench *b, enum cell_kind kind, enum cell_input input, const struct shape_case *s);

static void solve_both(struct pair *p, const struct kernels *k, struct bench *b, enum cell_kind kind, enum cell_input input, const struct shape_case *s) {
    const struct kernels *exact = kernels_get(ISA_BASE, 0, DTYPE_F64);
    for (size_t i = 0; i < s->batch * s->steps; i++) {
        p->symbols[i] = i / s->batch > i % s->batch % (s->steps + 1) ? SYMBOL_PADDING : 1; /* some end early */
        p->ids[i] = (float)((i * 7) % (s->inputs + 2)) - 1; /* -1, inputs: none */
    }
    const float *given = input == CELL_INPUT_IDS ? p->ids : NULL;
    p->got = solve(k, b->team, kind, input, s, p->symbols, given);
    p->want = solve(exact, NULL, kind, CELL_INPUT_READY, s, p->symbols, given);
    check_equal(k, exact, p->got.c.out, p->want.c.out, p->got.out_n, 1, "out");
    check_equal(k, exact, p->got.c.h, p->want.c.h, p->got.state_n, 0, "h");
    check_equal(k, exact, p->got.c.c, p->want.c.c, p->got.state_n, 0, "c");
    bench_seen(b, p->got.c.h, p->got.state_n * real_size(k));
    if (input != CELL_INPUT_READY) {
        check_inference(k, b->team, &p->got);
    }
}

static void pair_free(struct pair *p) {
    problem_free(&p->got);
    problem_free(&p->want);
}

static void check_forward(const struct kernels *k, struct bench *b, enum cell_kind kind, enum cell_input input, const struct shape_case *s) {
    struct pair p;
    solve_both(&p, k, b, kind, input, s);
    pair_free(&p);
}

static void check_both_ways(const struct kernels *k, struct bench *b, enum cell_kind kind, enum cell_input input, const struct shape_case *s) {
    const struct kernels *exact = kernels_get(ISA_BASE, 0, DTYPE_F64);
    struct pair p;
    solve_both(&p, k, b, kind, input, s);
    if (k->bf16_products) {
        same_values(k, &p.got, exact, &p.want);
    }
    k->cells->back(b->team, &p.got.c);
    exact->cells->back(NULL, &p.want.c);
    check_equal(k, exact, p.got.c.gates, p.want.c.gates, p.got.gates_n, 0, "gradients of gates");
    check_equal(k, exact, p.got.c.extra, p.want.c.extra, p.got.state_n - s->batch * s->hidden, 0, "gradient of the third gate");
    check_equal(k, exact, p.got.c.dh, p.want.c.dh, s->batch * s->hidden, 0, "what passes by");
    bench_seen(b, p.got.c.gates, p.got.gates_n * real_size(k));
    pair_free(&p);
}

static void each_case(const struct kernels *k, struct bench *b, case_work *work) {
    for (int kind = CELL_TANH; kind <= CELL_GRU; kind++) {
        for (int input = CELL_INPUT_READY; input <= CELL_INPUT_IDS; input++) {
            for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                work(k, b, (enum cell_kind)kind, (enum cell_input)input, &cases[i]);
            }
        }
    }
}

static void check(struct bench *b) {
    each_case(b->k, b, check_both_ways);
}

/* 8-bit products, forward alone: rows and weights are off by half a 127th of their largest, sums by less. */
static void check_int8(struct bench *b) {
    struct kernels k = *b->k;
    k.bf16_products = 1;                /* as far off, at most */
    each_case(&k, b, check_forward);
}

/* n numbers as they are multiplied: round(x / scale), scale the 127th of the largest, or (narrow) of the largest sum of two neighbours, which is returned. */
static double quantized(const float *x, size_t n, int narrow, double *to) {
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        most = fmax(most, fabs((double)x[i]));
        most = narrow && i % 2 == 1 ? fmax(most, fabs((double)(x[i] + x[i - 1]))) : most;
    }
    for (size_t i = 0; i < n; i++) {
        to[i] = most > 0 ? nearbyint((double)x[i] * 127 / most) : 0;
    }
    return most / 127;
}

/* One step of relu units from a state of 0, against the sums of whole numbers, more of them than are quantized at a time; one row of zeros. A number whose
 * quotient lies on the edge between two of 127ths may go to the other: 0.0024. */
static void check_int8_sums(struct bench *b) {
    int narrow = strstr(b->k->isa, "vnni") == NULL;      /* two products' sums fit into 16 bits */
    enum { BATCH = 3, HIDDEN = 37, INPUTS = 1100 };
    struct cell_weights w = {.kind = CELL_RELU, .input = CELL_INPUT_X, .hidden = HIDDEN, .inputs = INPUTS};
    struct problem p = {.count = 0};
    float *x = array(&p, b->k, 0, BATCH * INPUTS, 3, 31), *ih = array(&p, b->k, 0, HIDDEN * INPUTS, 0.1, 32), *h = array(&p, b->k, 0, 2 * BATCH * HIDDEN, 0, 33);
    float *bias = array(&p, b->k, 0, HIDDEN, 1, 34), *none = array(&p, b->k, 0, HIDDEN, 0, 35);
    void *out = array(&p, b->k, 1, BATCH * HIDDEN, 0, 36);
    double row[INPUTS], unit[INPUTS];
    memset(x + INPUTS, 0, INPUTS * sizeof *x);
    w.ih = ih, w.hh = array(&p, b->k, 0, HIDDEN * HIDDEN, 1, 37);
    void *packed = p.arrays[p.count++] = mem_aligned(b->k->cells->packed(&w));
    b->k->cells->pack(b->team, &w, packed);
    struct cells c = {.kind = CELL_RELU, .input = CELL_INPUT_X, .batch = BATCH, .hidden = HIDDEN, .inputs = INPUTS, .steps = 1, .packed = packed, .x = x, .bias_ih = bias,
                      .bias_hh = none, .h = h, .states = 2, .out = out, .out_stride = HIDDEN};
    b->k->cells->forward(b->team, &c);
    for (size_t i = 0; i < BATCH * HIDDEN; i++) {
        double scale = quantized(x + i / HIDDEN * INPUTS, INPUTS, 0, row) * quantized(ih + i % HIDDEN * INPUTS, INPUTS, narrow, unit), sum = 0;
        for (size_t k = 0; k < INPUTS; k++) {
            sum += row[k] * unit[k];
        }
        double want = fmax(0, sum * scale + (double)bias[i % HIDDEN]);
        assert_float_equal(elem_get(b->k, out, i), want, 6e-3 + (b->k->dtype == DTYPE_BF16 ? want / 256 : 0));
    }
    bench_seen(b, out, BATCH * HIDDEN * dtype_size(b->k->dtype));
    problem_free(&p);
}

static void int8(void **state) {
    (void)state;
    if (!cpu_can(ISA_AVX2)) {
        skip();
    }
    const struct kernels tables[] = {
        {.isa = "vnni in C", .dtype = DTYPE_F32, .cells = &cell_kernels_emulatedquantized_f32},
        {.isa = "vnni in C", .dtype = DTYPE_BF16, .cells = &cell_kernels_emulatedquantized_bf16},
        {.isa = "avx2", .dtype = DTYPE_F32, .cells = &cell_kernels_quantizedavx2_f32},
        {.isa = "avx512", .dtype = DTYPE_F32, .cells = cpu_can(ISA_AVX512) ? &cell_kernels_quantizedavx512_f32 : NULL},
        {.isa = "vnni", .dtype = DTYPE_F32, .cells = cpu_has_vnni() ? kernels_int8_cells(ISA_AVX512, 0, DTYPE_F32) : NULL},
        {.isa = "vnni", .dtype = DTYPE_BF16, .cells = cpu_has_vnni() ? kernels_int8_cells(ISA_BF16, 0, DTYPE_BF16) : NULL},
    };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        if (tables[i].cells == NULL) {
            print_message("skipped: this processor has no %s\n", tables[i].isa);
        } else {
            bench_table(&tables[i], check_int8);
            bench_table(&tables[i], check_int8_sums);
        }
    }
}

/* Against sums written out; ids that are none go nowhere. */
static void check_one_hot_sums(struct bench *b) {
    enum { ROWS = 37, COLUMNS = 150, STRIDE = 153, KINDS = 11 };
    struct problem p = {.count = 0};
    const void *x = array(&p, b->k, 0, ROWS * STRIDE, 1, 15);
    void *to = array(&p, b->k, 0, COLUMNS * KINDS, 1, 16), *was = array(&p, b->k, 0, COLUMNS * KINDS, 1, 16);
    float ids[ROWS];
    for (int i = 0; i < ROWS; i++) {
        ids[i] = (float)(i * 5 % (KINDS + 2)) - 1;
    }
    b->k->one_hot_sums(b->team, ROWS, COLUMNS, STRIDE, x, ids, KINDS, to);
    for (size_t i = 0; i < COLUMNS * KINDS; i++) {
        double want = real_get(b->k, was, i);
        for (size_t r = 0; r < ROWS; r++) {
            want += (size_t)(ids[r] + 1) == i % KINDS + 1 ? real_get(b->k, x, r * STRIDE + i / KINDS) : 0;
        }
        assert_float_equal(real_get(b->k, to, i), want, 1e-5);
    }
    bench_seen(b, to, COLUMNS * KINDS * real_size(b->k));
    problem_free(&p);
}

static void one_hot_sums(void **state) {
    (void)state;
    bench_all(check_one_hot_sums);
}

static void tables(void **state) {
    (void)state;
    bench_all(check);
}

static void emulated(void **state) {
    (void)state;
    if (!cpu_can(ISA_AVX2)) {
        skip();
    }
#define EMULATED(name, type, set, products) {.isa = name, .dtype = type, .bf16_products = products, .cells = &cell_kernels_##set}
    static const struct kernels all[] = {EMULATED("emulated", DTYPE_F32, emulated_f32, 0),
                                         EMULATED("emulated", DTYPE_BF16, emulated_bf16, 0),
                                         EMULATED("emulated products of bfloat16", DTYPE_BF16, emulatedrounded_bf16, 1),
                                         EMULATED("tiles beside avx2", DTYPE_BF16, trappedrounded_bf16, 1)};
    trap_install();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        bench_table(&all[i], check);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(tables), cmocka_unit_test(emulated), cmocka_unit_test(int8), cmocka_unit_test(one_hot_sums)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
