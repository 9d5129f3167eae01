/* Learning rates (optimizer.h). With b the update's number from 1, as darknet counts and metrics.jsonl says, t = b - 1,
 * T the length:
 *     constant    rate
 *     step        rate * scale ^ floor(b / step)                  darknet
 *     steps       rate * the scales whose steps b has reached     darknet
 *     exp         rate * gamma ^ b                                darknet
 *     poly        rate * (1 - b / T) ^ power                      darknet
 *     sigmoid     rate / (1 + e ^ (gamma * (b - step)))           darknet
 *     random      rate * U ^ power, U uniform                     darknet
 *     sgdr        cosine in cycles, each longer than the last     AlexeyAB; Loshchilov, Hutter, "SGDR", 2017
 *     cosine      from rate to learning_rate_min                  PyTorch's CosineAnnealingLR with T_max = T
 *     onecycle    up to the peak and down, from and to learning_rate_min at least   OneCycleLR; Smith, Topin, "Super-Convergence", 2018
 *     triangle    straight up from rate * start_factor to rate at floor(peak * T), straight down towards rate * end_factor
 *                 at T
 *     plateau     rate; the trainer multiplies its own factor
 * burn_in (darknet's) replaces the first ones by rate * (b / burn_in) ^ power; warmup multiplies whatever there is by
 * b / warmup. */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "optimizers/optimizer.h"

/* In the order of the choices of [net] policy. */
enum policy { CONSTANT, STEP, STEPS, EXP, POLY, SIGMOID, RANDOM, COSINE, ONECYCLE, PLATEAU, SGDR, TRIANGLE };
enum anneal { ANNEAL_COSINE, ANNEAL_LINEAR };

static const double PI = 3.14159265358979323846;

struct schedule {
    enum policy policy;
    double rate, least, length, burn_in, warmup, power, step, scale, gamma;
    double peak, start, end;                 /* onecycle, triangle */
    enum anneal anneal;
    double cycle, longer;                    /* sgdr */
    double *steps, *scales; size_t count;    /* steps */
    uint64_t seed;
};

static double mix_cosine(double from, double to, double share) {
    return to + (from - to) / 2 * (1 + cos(PI * share));
}

static double mix(const struct schedule *s, double from, double to, double share) {
    return s->anneal == ANNEAL_LINEAR ? from + (to - from) * share : mix_cosine(from, to, share);
}

/* PyTorch's arithmetic: the first slope ends at peak * T - 1, the second at T - 1. */
static double rate_onecycle(const struct schedule *s, double t) {
    double top = s->peak * s->length - 1, last = s->length - 1;
    double high = s->rate, low = fmax(s->rate * s->end, s->least);
    t = fmin(t, last);
    if (t <= top) {
        return mix(s, fmax(s->rate * s->start, s->least), high, top > 0 ? t / top : 1);
    }
    return mix(s, high, low, last > top ? (t - top) / (last - top) : 1);
}

static double rate_triangle(const struct schedule *s, double t) {
    double top = floor(s->peak * s->length);
    t = fmin(t, s->length);
    double share = t < top ? s->start + (1 - s->start) * t / top
                           : 1 + (s->end - 1) * (s->length > top ? (t - top) / (s->length - top) : 1);
    return s->rate * share;
}

static double rate_sgdr(const struct schedule *s, double b) {
    double start = 0, cycle = s->cycle;
    while (start + cycle < b) {
        double next = floor(cycle * s->longer);
        if (next == cycle) {   /* equal cycles from here on: no need to walk through all of them */
            start += cycle * (ceil((b - start) / cycle) - 1);
            break;
        }
        start += cycle;
        cycle = next;
    }
    return mix_cosine(s->rate, s->least, (b - start) / cycle);
}

static double rate_steps(const struct schedule *s, double b) {
    double rate = s->rate;
    for (size_t i = 0; i < s->count && b >= s->steps[i]; i++) {
        rate *= s->scales[i];
    }
    return rate;
}

static double rate_random(const struct schedule *s, uint64_t step) {
    struct rng rng = rng_make(s->seed, RNG_RATE, step);
    return s->rate * pow(rng_uniform(&rng), s->power);
}

static double rate_policy(const struct schedule *s, uint64_t step) {
    double t = (double)step, b = t + 1;
    switch (s->policy) {
    case CONSTANT:
    case PLATEAU: break;
    case STEP: return s->rate * pow(s->scale, floor(b / s->step));
    case STEPS: return rate_steps(s, b);
    case EXP: return s->rate * pow(s->gamma, b);
    case POLY: return s->rate * pow(fmax(0, 1 - b / s->length), s->power);
    case SIGMOID: return s->rate / (1 + exp(s->gamma * (b - s->step)));
    case RANDOM: return rate_random(s, step);
    case COSINE: return mix_cosine(s->rate, s->least, fmin(1, t / s->length));
    case ONECYCLE: return rate_onecycle(s, t);
    case SGDR: return rate_sgdr(s, b);
    case TRIANGLE: return rate_triangle(s, t);
    }
    return s->rate;
}

double schedule_rate(const struct schedule *s, uint64_t step) {
    double b = (double)step + 1;
    double rate = b < s->burn_in ? s->rate * pow(b / s->burn_in, s->power) : rate_policy(s, step);
    return b < s->warmup ? rate * (b / s->warmup) : rate;
}

int schedule_is_plateau(const struct schedule *s) {
    return s->policy == PLATEAU;
}

/* ---- what [net] says ---- */

/* A number of steps, or below 1 a fraction of the whole length. */
static double to_steps(double value, double length) {
    return value < 1 ? round(value * length) : value;
}

static int steps_read(struct schedule *s, const struct section *net, struct err *err) {
    s->count = config_length(net, "steps");
    if (s->count == 0 || config_length(net, "scales") != s->count) {
        return config_refuse(net, "net", "scales", err, "policy=steps wants as many scales as steps: %zu and %zu",
                             config_length(net, "scales"), s->count);
    }
    s->steps = mem_need(s->count, sizeof *s->steps);
    s->scales = mem_need(s->count, sizeof *s->scales);
    for (size_t i = 0; i < s->count; i++) {
        double step = config_item_real(net, "steps", i);
        if (step < 1 && s->length == 0) {
            return config_refuse(net, "net", "steps", err, "%g is a fraction of the length, but there is no end", step);
        }
        s->steps[i] = to_steps(step, s->length);
        s->scales[i] = config_item_real(net, "scales", i);
        if (i > 0 && s->steps[i] < s->steps[i - 1]) {
            return config_refuse(net, "net", "steps", err, "want rising numbers: %g comes after %g", s->steps[i],
                                 s->steps[i - 1]);
        }
    }
    return 0;
}

static int length_check(const struct schedule *s, const struct section *net, struct err *err) {
    int whole = s->policy == POLY || s->policy == COSINE || s->policy == ONECYCLE || s->policy == TRIANGLE ||
                (s->policy == SGDR && !config_given(net, "sgdr_cycle"));
    if (s->length == 0 && whole) {
        return config_refuse(net, "net", "policy", err, "needs a length: give epochs or max_batches");
    }
    double warmup = config_real(net, "warmup");
    if (s->length == 0 && warmup > 0 && warmup < 1) {
        return config_refuse(net, "net", "warmup", err, "%g is a fraction of the length, but there is no end", warmup);
    }
    int floored = s->policy == COSINE || s->policy == ONECYCLE || s->policy == PLATEAU || s->policy == SGDR;
    if (floored && s->least > s->rate) {
        return config_refuse(net, "net", "learning_rate_min", err, "want at most learning_rate, which is %g, got %g",
                             s->rate, s->least);
    }
    return 0;
}

static void values_read(struct schedule *s, const struct section *net) {
    s->policy = (enum policy)config_choice(net, "policy");
    s->anneal = (enum anneal)config_choice(net, "anneal");
    s->rate = config_real(net, "learning_rate");
    s->least = config_real(net, "learning_rate_min");
    s->burn_in = (double)config_int(net, "burn_in");
    s->warmup = to_steps(config_real(net, "warmup"), s->length);
    s->power = config_real(net, "power");
    s->step = (double)config_int(net, "step");
    s->scale = config_real(net, "scale");
    s->gamma = config_real(net, "gamma");
    s->peak = config_real(net, "peak");
    s->start = config_real(net, "start_factor");
    s->end = config_real(net, "end_factor");
    s->cycle = config_given(net, "sgdr_cycle") ? (double)config_int(net, "sgdr_cycle") : s->length;
    s->longer = config_real(net, "sgdr_mult");
}

struct schedule *schedule_make(const struct section *net, uint64_t total_steps, uint64_t seed, struct err *err) {
    struct schedule *s = mem_need(1, sizeof *s);
    s->length = (double)total_steps;
    s->seed = seed;
    values_read(s, net);
    if (length_check(s, net, err) != 0 || (s->policy == STEPS && steps_read(s, net, err) != 0)) {
        schedule_free(s);
        return NULL;
    }
    return s;
}

void schedule_free(struct schedule *s) {
    if (s != NULL) {
        free(s->steps);
        free(s->scales);
        free(s);
    }
}
