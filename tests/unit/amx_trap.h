/* AMX where the processor has none: a handler of SIGILL that carries out the tile instructions which our kernels use, on a thread's own tiles, as Intel's manual
 * describes them. So the very machine code is tested on any x86-64. An instruction that it doesn't know ends the program as ever. */
#ifndef DLCLI_TESTS_AMX_TRAP_H
#define DLCLI_TESTS_AMX_TRAP_H

#include "kernels/kernels.h"

#if defined(__x86_64__) && defined(__linux__)
#include <float.h>
#include <math.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

enum { TRAP_TILES = 8, TRAP_ROWS = 16, TRAP_BYTES = 64 };
struct trap_tiles { int configured; uint8_t rows[TRAP_TILES], data[TRAP_TILES][TRAP_ROWS][TRAP_BYTES]; };

static struct trap_tiles *trap_state(void) {
    static _Thread_local struct trap_tiles state;
    return &state;
}

/* A VEX-encoded instruction of map 0F38: its prefix (0 none, 1 66, 2 F3, 3 F2), operands, and where it reads memory. */
struct trap_instruction { int opcode, prefix, mod, reg, rm, vvvv, length; uintptr_t address, stride; };

static uintptr_t trap_register(const ucontext_t *context, int number) {
    static const int names[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI, REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return (uintptr_t)context->uc_mcontext.gregs[names[number]];
}

/* The memory operand behind the ModRM byte; a stride is what SIB calls the index. x, b: upper bits of index and base. */
static void trap_address(const ucontext_t *context, const uint8_t *code, int x, int b, struct trap_instruction *i) {
    int base = i->rm, none = i->mod == 0 && i->rm == 5, wide = i->mod == 2 || none;
    int32_t far = 0;
    if (i->rm == 4) {
        int sib = code[i->length++], index = (sib >> 3 & 7) | x;
        base = sib & 7;
        i->stride = index == 4 ? 0 : trap_register(context, index) << (sib >> 6);
        none = i->mod == 0 && base == 5;
        wide = i->mod == 2 || none;
    }
    if (wide) {
        memcpy(&far, code + i->length, sizeof far);
        i->length += 4;
    } else if (i->mod == 1) {
        far = (int8_t)code[i->length++];
    }
    uintptr_t from = none ? (i->rm == 5 ? (uintptr_t)code + (uintptr_t)i->length : 0) : trap_register(context, base | b);
    i->address = from + (uintptr_t)(intptr_t)far;
}

/* 1 if it is such an instruction. */
static int trap_decode(const ucontext_t *context, const uint8_t *code, struct trap_instruction *i) {
    if (code[0] != 0xc4 || (code[1] & 0x1f) != 2 || (code[2] & 0x84) != 0) {
        return 0;
    }
    *i = (struct trap_instruction){.opcode = code[3], .prefix = code[2] & 3, .mod = code[4] >> 6, .reg = code[4] >> 3 & 7, .rm = code[4] & 7,
        .vvvv = ~(code[2] >> 3) & 15, .length = 5};
    if (i->mod != 3) {
        trap_address(context, code, (code[1] & 0x40) != 0 ? 0 : 8, (code[1] & 0x20) != 0 ? 0 : 8, i);
    }
    return 1;
}

static float trap_number(const uint8_t *from) {
    uint16_t half;
    memcpy(&half, from, sizeof half);
    uint32_t bits = (uint32_t)half << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return fabsf(f) < FLT_MIN ? 0 : f;
}

static float trap_flushed(float f) {
    return fabsf(f) < FLT_MIN ? copysignf(0, f) : f;
}

/* Sums of the even and of the odd products, which are then added to each other and to what is there. A product is exact in a float. 1 if the tiles fit. */
static int trap_multiply(struct trap_tiles *t, int to, int a, int b) {
    float y[TRAP_ROWS][2][TRAP_ROWS], old[TRAP_ROWS];
    if (t->rows[to] != t->rows[a] || t->rows[b] != TRAP_ROWS) {
        return 0;
    }
    for (int i = 0; i < TRAP_ROWS * 2 * TRAP_ROWS; i++) {
        y[i / 32][i % 2][i / 2 % 16] = trap_number(&t->data[b][i / 32][i % 32 * 2]);
    }
    for (int m = 0; m < t->rows[a]; m++) {
        float sums[2][TRAP_ROWS] = {{0}};
        for (int k = 0; k < 2 * TRAP_ROWS; k++) {
            float x = trap_number(&t->data[a][m][2 * k]);
            for (int n = 0; n < TRAP_ROWS; n++) {
                sums[k % 2][n] = trap_flushed(sums[k % 2][n] + x * y[k / 2][k % 2][n]);
            }
        }
        memcpy(old, t->data[to][m], sizeof old);
        for (int n = 0; n < TRAP_ROWS; n++) {
            old[n] = trap_flushed(trap_flushed(old[n]) + trap_flushed(sums[0][n] + sums[1][n]));
        }
        memcpy(t->data[to][m], old, sizeof old);
    }
    return 1;
}

/* Sums of products of unsigned and signed bytes. 1 if the tiles fit. */
static int trap_multiply_bytes(struct trap_tiles *t, int to, int a, int b) {
    if (t->rows[to] != t->rows[a] || t->rows[b] != TRAP_ROWS) {
        return 0;
    }
    for (int m = 0; m < t->rows[a]; m++) {
        int32_t sums[TRAP_ROWS];
        memcpy(sums, t->data[to][m], sizeof sums);
        for (int n = 0; n < TRAP_ROWS; n++) {
            for (int k = 0; k < TRAP_BYTES; k++) {
                sums[n] += t->data[a][m][k] * (int8_t)t->data[b][k / 4][4 * n + k % 4];
            }
        }
        memcpy(t->data[to][m], sums, sizeof sums);
    }
    return 1;
}

static void trap_move(struct trap_tiles *t, const struct trap_instruction *i, int store) {
    for (uintptr_t row = 0; row < t->rows[i->reg]; row++) {
        void *memory = (void *)(i->address + row * i->stride);
        if (store) {
            memcpy(memory, t->data[i->reg][row], TRAP_BYTES);
        } else {
            memcpy(t->data[i->reg][row], memory, TRAP_BYTES);
        }
    }
}

/* Palette 1 with rows of 64 bytes is what our kernels use; anything else isn't carried out. */
static int trap_configure(struct trap_tiles *t, const uint8_t *config) {
    for (int i = 0; i < TRAP_TILES; i++) {
        t->rows[i] = config[48 + i];
        if (config[0] != 1 || config[16 + 2 * i] != TRAP_BYTES || t->rows[i] < 1 || t->rows[i] > TRAP_ROWS) {
            return 0;
        }
    }
    memset(t->data, 0, sizeof t->data);
    return t->configured = 1;
}

/* 1 if it was carried out. */
static int trap_run(struct trap_tiles *t, const struct trap_instruction *i) {
    enum { CONFIGURE = 0x49, MOVE = 0x4b, MULTIPLY = 0x5c, MULTIPLY_BYTES = 0x5e };
    if (i->opcode == CONFIGURE && i->prefix == 0 && i->mod != 3) {
        return trap_configure(t, (const uint8_t *)i->address);
    }
    if (!t->configured) {
        return 0;
    }
    if (i->opcode == CONFIGURE && i->prefix == 0) {
        t->configured = 0;
    } else if (i->opcode == CONFIGURE && i->prefix == 3 && i->mod == 3) {
        memset(t->data[i->reg], 0, sizeof t->data[0]);
    } else if (i->opcode == MOVE && i->mod != 3 && i->prefix >= 2) {
        trap_move(t, i, i->prefix == 2);
    } else if (i->opcode == MULTIPLY && i->prefix == 2 && i->mod == 3) {
        return trap_multiply(t, i->reg, i->rm, i->vvvv);
    } else if (i->opcode == MULTIPLY_BYTES && i->prefix == 1 && i->mod == 3) {
        return trap_multiply_bytes(t, i->reg, i->rm, i->vvvv);
    } else {
        return 0;
    }
    return 1;
}

/* Those that follow are carried out by the way: a signal takes longer than most of them. */
static void trap_handle(int number, siginfo_t *info, void *arg) {
    ucontext_t *context = arg;
    struct trap_instruction i;
    greg_t *at = &context->uc_mcontext.gregs[REG_RIP], begin = *at;
    (void)info;
    while (trap_decode(context, (const uint8_t *)*at, &i) && trap_run(trap_state(), &i)) {
        *at += i.length;
    }
    if (*at == begin) {
        signal(number, SIG_DFL);
    }
}

/* In each test: cmocka sets a handler of its own before it. Where there is AMX, nothing is done. */
static inline void trap_install(void) {
    struct sigaction action = {.sa_sigaction = trap_handle, .sa_flags = SA_SIGINFO | SA_NODEFER};
    if (!cpu_can(ISA_AMX)) {
        sigaction(SIGILL, &action, NULL);
    }
}
#else
static inline void trap_install(void) {
}
#endif

#endif
