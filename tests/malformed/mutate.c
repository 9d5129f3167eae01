/* Makes malformed files out of a good one: the same ones every time.
 *
 *     mutate MODE SEED PREFIX SUFFIX COUNT      writes PREFIX0SUFFIX, PREFIX1SUFFIX, ...
 *
 * MODE   bytes     bits flipped, ends cut off, ranges zeroed, doubled, dropped, lengths set to the largest there are
 *        text      numbers replaced by what no number should be, words misspelt, lines dropped, doubled and swapped
 *        header    `text` on the header of a safetensors file, whose length is set right again
 *        values    NaN, infinities and nonsense among the numbers behind such a header, never in the header
 *        cut       ends cut off alone */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 24, ROOM = 1 << 17 };

struct bytes { unsigned char *at; size_t size; };   /* with ROOM bytes to spare behind size */

/* splitmix64: a mutation is a function of its number. */
static uint64_t draw(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
}

static size_t below(uint64_t *state, size_t n) { return n == 0 ? 0 : (size_t)(draw(state) % n); }

static void fail(const char *what, const char *path) {
    fprintf(stderr, "mutate: %s: %s: %s\n", path, what, strerror(errno));
    exit(1);
}

static struct bytes read_all(const char *path) {
    struct bytes b = {calloc(1, MOST_BYTES + ROOM), 0};
    FILE *file = fopen(path, "rb");
    if (file == NULL || b.at == NULL) {
        fail("read", path);
    }
    b.size = fread(b.at, 1, MOST_BYTES, file);
    if (ferror(file)) {
        fail("read", path);
    }
    fclose(file);
    return b;
}

static void write_all(const char *path, const unsigned char *at, size_t size) {
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(at, 1, size, file) != size || fclose(file) != 0) {
        fail("write", path);
    }
}

/* Replaces `old` bytes at `place` by `size` others. */
static void splice(struct bytes *b, size_t place, size_t old, const void *with, size_t size) {
    if (size > old && size - old > ROOM / 2) {
        size = old;
    }
    memmove(b->at + place + size, b->at + place + old, b->size - place - old);
    memcpy(b->at + place, with, size);
    b->size = b->size - old + size;
}

/* ---- bytes ---- */

/* Places near the beginning are headers: half of all mutations go there. */
static size_t some_place(const struct bytes *b, uint64_t *state) {
    size_t head = b->size < 96 ? b->size : 96;
    return below(state, draw(state) & 1 ? head : b->size);
}

static void fill(struct bytes *b, size_t place, size_t count, int value) {
    if (place + count > b->size) {
        count = b->size - place;
    }
    memset(b->at + place, value, count);
}

/* Lengths and offsets at their limits, of either byte order. */
static void put_length(struct bytes *b, uint64_t *state) {
    static const unsigned char limits[][8] = {
        {255, 255, 255, 255, 255, 255, 255, 255}, {255, 255, 255, 127, 0, 0, 0, 0}, {127, 255, 255, 255, 0, 0, 0, 0},
        {0, 0, 0, 128, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0, 0, 128}, {0, 0, 0, 0, 1, 0, 0, 0}, {255, 255, 255, 255, 255, 255, 255, 127}};
    size_t count = (size_t)1 << (1 + below(state, 3)), place = some_place(b, state);
    const unsigned char *limit = limits[below(state, sizeof limits / sizeof *limits)];
    for (size_t i = 0; i < count && place + i < b->size; i++) {
        b->at[place + i] = limit[i];
    }
}

static void change_bytes(struct bytes *b, uint64_t *state, size_t number) {
    unsigned char noise[64];
    size_t place = some_place(b, state), count = 1 + below(state, 64);
    for (size_t i = 0; i < sizeof noise; i++) {
        noise[i] = (unsigned char)draw(state);
    }
    switch (number % 9) {
    case 0: b->size = below(state, b->size); break;
    case 1: b->at[place] ^= (unsigned char)(1u << below(state, 8)); break;
    case 2: put_length(b, state); break;
    case 3: fill(b, place, count, 0); break;
    case 4: fill(b, place, count, 255); break;
    case 5: splice(b, place, 0, noise, count); break;
    case 6: splice(b, place, b->size - place < count ? b->size - place : count, noise, 0); break;
    case 7: splice(b, b->size, 0, noise, count); break;
    default: memcpy(b->at + place, noise, b->size - place < count ? b->size - place : count);
    }
}

/* ---- text ---- */

static const char *const numbers[] = {"-1", "0", "", "1e999", "nan", "inf", "-0.5", "2147483648", "4294967296", "18446744073709551616", "1,,2",
    "6x", "0x10", "1e-400", "99999999999999999999999999999999999999999999", "65536", "3.5", "[1]", "\"a\"", "null", "--", "1 2", "\xff\xfe", ","};

/* Where the n-th run of digits is, counted around; 0 where there is none. */
static int find_number(const struct bytes *b, size_t n, size_t *place, size_t *size) {
    size_t count = 0;
    for (int pass = 0; pass < 2; pass++) {
        size_t seen = 0;
        for (size_t i = 0; i < b->size; i++) {
            if (!isdigit(b->at[i]) || (i > 0 && isdigit(b->at[i - 1]))) {
                continue;
            }
            if (pass == 1 && seen == n % count) {
                *place = i;
                for (*size = 1; i + *size < b->size && (isdigit(b->at[i + *size]) || b->at[i + *size] == '.');) {
                    ++*size;
                }
                return 1;
            }
            seen++;
        }
        if ((count = seen) == 0) {
            return 0;
        }
    }
    return 0;
}

/* The line that holds `place`, with its end. */
static size_t line_at(const struct bytes *b, size_t *place) {
    size_t end = *place;
    while (*place > 0 && b->at[*place - 1] != '\n') {
        --*place;
    }
    while (end < b->size && b->at[end] != '\n') {
        end++;
    }
    return end - *place + (end < b->size);
}

static void repeat(struct bytes *b, size_t place, char what, size_t count) {
    unsigned char *many = malloc(count);
    if (many == NULL) {
        fail("memory", "repeat");
    }
    memset(many, what, count);
    splice(b, place, 0, many, count);
    free(many);
}

static void change_line(struct bytes *b, uint64_t *state, size_t number) {
    size_t place = below(state, b->size), size = line_at(b, &place);
    unsigned char *copy = malloc(size + 1);
    if (copy == NULL) {
        fail("memory", "line");
    }
    memcpy(copy, b->at + place, size);
    if (number % 3 == 0) {
        splice(b, place, size, copy, 0);
    } else {
        size_t other = number % 3 == 1 ? place : below(state, b->size);
        line_at(b, &other);
        splice(b, other, 0, copy, size);
    }
    free(copy);
}

static void change_text(struct bytes *b, uint64_t *state, size_t number) {
    static const char junk[] = "[]{}=,:;#\"\\ \n\r\t\0\x80\xff";
    size_t place = below(state, b->size), size;
    switch (number % 8) {
    case 0:
    case 1:
    case 2:
        if (find_number(b, draw(state) >> 8, &place, &size)) {
            const char *with = numbers[below(state, sizeof numbers / sizeof *numbers)];
            splice(b, place, size, with, strlen(with));
        }
        break;
    case 3: b->at[place] = (unsigned char)junk[below(state, sizeof junk - 1)]; break;
    case 4: b->at[place] ^= 1; break;
    case 5: change_line(b, state, number / 8); break;
    case 6: number % 16 < 8 ? repeat(b, place, "[{=a1,"[below(state, 6)], 1 + below(state, 40000)) : (void)(b->size = place); break;
    default: splice(b, place, 0, junk + below(state, sizeof junk - 1), 1);
    }
}

/* ---- safetensors ---- */

static size_t header_size(const struct bytes *b) {
    uint64_t size = 0;
    for (size_t i = 8; i-- > 0;) {
        size = size << 8 | b->at[i];
    }
    if (b->size < 8 || size > b->size - 8) {
        fprintf(stderr, "mutate: the seed is no safetensors file\n");
        exit(1);
    }
    return (size_t)size;
}

static void change_header(struct bytes *b, uint64_t *state, size_t number) {
    size_t size = header_size(b);
    struct bytes header = {calloc(1, size + ROOM), size};
    if (header.at == NULL) {
        fail("memory", "header");
    }
    memcpy(header.at, b->at + 8, size);
    change_text(&header, state, number);
    splice(b, 8, size, header.at, header.size);
    for (size_t i = 0; i < 8; i++) {
        b->at[i] = (unsigned char)((uint64_t)header.size >> 8 * i);
    }
    free(header.at);
}

static void change_values(struct bytes *b, uint64_t *state, size_t number) {
    static const unsigned char odd[][4] = {{0, 0, 192, 127}, {0, 0, 128, 127}, {0, 0, 128, 255}, {1, 0, 128, 127}};
    size_t data = 8 + header_size(b), count = (b->size - data) / 4;
    if (count > 0) {
        memcpy(b->at + data + 4 * below(state, count), odd[number % 4], 4);
    }
}

static void change_cut(struct bytes *b, uint64_t *state, size_t number) {
    b->size = number < 4 ? number * 4 : below(state, b->size);
}

static const struct mode { const char *name; void (*change)(struct bytes *b, uint64_t *state, size_t number); } modes[] = {
    {"bytes", change_bytes}, {"text", change_text}, {"header", change_header}, {"values", change_values}, {"cut", change_cut}};

int main(int argc, char **argv) {
    const struct mode *mode = NULL;
    for (size_t i = 0; argc == 6 && i < sizeof modes / sizeof *modes; i++) {
        mode = strcmp(modes[i].name, argv[1]) == 0 ? &modes[i] : mode;
    }
    if (mode == NULL) {
        fprintf(stderr, "want mutate bytes|text|header|values|cut SEED PREFIX SUFFIX COUNT\n");
        return 2;
    }
    long count = strtol(argv[5], NULL, 10);
    for (long i = 0; i < count; i++) {
        char path[4096];
        uint64_t state = (uint64_t)i * 1000003 + 17;
        struct bytes good = read_all(argv[2]), bad = read_all(argv[2]);
        size_t number = (size_t)i;
        do {   /* one that changes nothing is none: another kind is tried */
            bad.size = good.size;
            memcpy(bad.at, good.at, good.size);
            mode->change(&bad, &state, number++);
        } while (bad.size == good.size && memcmp(bad.at, good.at, good.size) == 0);
        snprintf(path, sizeof path, "%s%ld%s", argv[3], i, argv[4]);
        write_all(path, bad.at, bad.size);
        free(good.at);
        free(bad.at);
    }
    return 0;
}
