/* Arrays of NumPy (npy.h): predict's inputs and outputs, and the members of .npz (npz.c).
 *
 * A file is a magic number, the length of a header, the header (a Python dictionary in text) and the numbers. */
#include "base/npy.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

enum { MAGIC = 6, ALIGNMENT = 64 };
static const char magic[] = "\x93NUMPY";

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "float32 is written as it lies in memory, as '<f4'");

/* A header being read. */
struct header {
    const char *name;                 /* of the file, for sentences */
    const char *at, *end;
    struct err *err;
    char kind;                        /* f, i, u or b, and its bytes */
    size_t item;
    int swapped;                      /* most significant byte first */
    int has_descr, has_order, has_shape;
};

static int header_refuse(const struct header *h, const char *what) {
    return err_add(h->err, STATUS_REFUSED, "%s: corrupt .npy header: %s", h->name, what);
}

static void skip_space(struct header *h) {
    while (h->at < h->end && (*h->at == ' ' || *h->at == '\n' || *h->at == '\t')) {
        h->at++;
    }
}

/* Goes behind `c`, and white space before it, if it comes next. */
static int accept(struct header *h, char c) {
    skip_space(h);
    if (h->at == h->end || *h->at != c) {
        return 0;
    }
    h->at++;
    return 1;
}

/* Goes behind `word` if it comes next. */
static int accept_word(struct header *h, const char *word) {
    size_t length = strlen(word);
    skip_space(h);
    if ((size_t)(h->end - h->at) < length || memcmp(h->at, word, length) != 0) {
        return 0;
    }
    h->at += length;
    return 1;
}

/* A string in quotes; it has no escapes, as neither keys nor types need any. */
static int take_string(struct header *h, char text[24]) {
    char quote = accept(h, '\'') ? '\'' : accept(h, '"') ? '"' : '\0';
    const char *end = quote == '\0' ? NULL : memchr(h->at, quote, (size_t)(h->end - h->at));
    if (end == NULL || end - h->at > 23) {
        return header_refuse(h, "no string where one is wanted");
    }
    size_t length = (size_t)(end - h->at);
    memcpy(text, h->at, length);
    text[length] = '\0';
    h->at = end + 1;
    return strlen(text) == length ? 0 : header_refuse(h, "a NUL in a string");
}

/* '<f4' and the like: byte order, kind, size. */
static int take_type(struct header *h) {
    static const char *const known[] = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1", NULL};
    char text[24];
    skip_space(h);
    if (h->at < h->end && *h->at == '[') {
        return err_add(h->err, STATUS_REFUSED, "%s: a structured array; want an array of plain numbers", h->name);
    }
    if (take_string(h, text) != 0) {
        return -1;
    }
    const char *type = text + (text[0] != '\0' && strchr("<>=|", text[0]) != NULL);
    for (int i = 0; known[i] != NULL; i++) {
        if (strcmp(type, known[i]) == 0) {
            h->kind = type[0];
            h->item = (size_t)(type[1] - '0');
            h->swapped = text[0] == '>';
            return 0;
        }
    }
    return err_add(h->err, STATUS_REFUSED, "%s: type \"%s\" can't be read; want float16/32/64, (u)int8..64 or bool",
                   h->name, text);
}

static int take_order(struct header *h) {
    if (accept_word(h, "True")) {
        return err_add(h->err, STATUS_REFUSED, "%s: in Fortran's order; save it by way of numpy.ascontiguousarray",
                       h->name);
    }
    return accept_word(h, "False") ? 0 : header_refuse(h, "fortran_order is neither True nor False");
}

static int take_dimension(struct header *h, struct npy *out) {
    size_t value = 0;
    const char *first = h->at;
    for (; h->at < h->end && *h->at >= '0' && *h->at <= '9'; h->at++) {
        if (mem_mul(value, 10, &value) || value > SIZE_MAX - 9) {
            return header_refuse(h, "a dimension that is too large");
        }
        value += (size_t)(*h->at - '0');
    }
    if (h->at == first) {
        return header_refuse(h, "a shape that is no list of numbers");
    }
    if (out->ndim == NPY_MOST_DIMS) {
        return err_add(h->err, STATUS_REFUSED, "%s: more than %d dimensions", h->name, NPY_MOST_DIMS);
    }
    out->dims[out->ndim++] = value;
    return 0;
}

/* (), (3,), (3, 4) or (3, 4,). */
static int take_shape(struct header *h, struct npy *out) {
    if (!accept(h, '(')) {
        return header_refuse(h, "a shape that is no list of numbers");
    }
    while (!accept(h, ')')) {
        if (take_dimension(h, out) != 0) {
            return -1;
        }
        if (!accept(h, ',') && (h->at == h->end || *h->at != ')')) {
            return header_refuse(h, "a shape that is no list of numbers");
        }
    }
    return 0;
}

static int take_entry(struct header *h, struct npy *out) {
    char key[24];
    if (take_string(h, key) != 0) {
        return -1;
    }
    if (!accept(h, ':')) {
        return header_refuse(h, "no colon behind a key");
    }
    if (strcmp(key, "descr") == 0 && !h->has_descr++) {
        return take_type(h);
    }
    if (strcmp(key, "fortran_order") == 0 && !h->has_order++) {
        return take_order(h);
    }
    if (strcmp(key, "shape") == 0 && !h->has_shape++) {
        return take_shape(h, out);
    }
    return err_add(h->err, STATUS_REFUSED, "%s: corrupt .npy header: the key \"%s\"", h->name, key);
}

static int take_header(struct header *h, struct npy *out) {
    if (!accept(h, '{')) {
        return header_refuse(h, "no dictionary");
    }
    while (!accept(h, '}')) {
        if (take_entry(h, out) != 0) {
            return -1;
        }
        skip_space(h);
        if (!accept(h, ',') && (h->at == h->end || *h->at != '}')) {
            return header_refuse(h, "no end of the dictionary");
        }
    }
    skip_space(h);
    if (h->at != h->end) {
        return header_refuse(h, "junk behind the dictionary");
    }
    return h->has_descr && h->has_order && h->has_shape ? 0 : header_refuse(h, "want descr, fortran_order and shape");
}

/* IEEE's half: 1 sign, 5 exponent, 10 fraction bits. Every one is a float32. */
static float from_half(uint64_t bits) {
    int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
    float size;
    if (exponent == 31) {
        size = fraction == 0 ? INFINITY : NAN;
    } else {
        size = exponent == 0 ? ldexpf((float)fraction, -24) : ldexpf((float)(fraction + 1024), exponent - 25);
    }
    return bits >> 15 & 1 ? -size : size;
}

static float from_float(uint64_t bits, size_t item) {
    uint32_t low = (uint32_t)bits;
    float single;
    double wide;
    if (item == 2) {
        return from_half(bits);
    }
    memcpy(&single, &low, sizeof single);
    memcpy(&wide, &bits, sizeof wide);
    return item == 4 ? single : (float)wide;
}

/* Two's complement of `item` bytes. */
static float from_signed(uint64_t bits, size_t item) {
    uint64_t sign = (uint64_t)1 << (8 * item - 1);
    return bits & sign ? -(float)((~bits & (sign - 1)) + 1) : (float)bits;
}

static void take_numbers(const struct header *h, const unsigned char *from, struct npy *out) {
    for (size_t i = 0; i < out->count; i++, from += h->item) {
        uint64_t bits = 0;
        for (size_t k = 0; k < h->item; k++) {
            bits |= (uint64_t)from[h->swapped ? h->item - 1 - k : k] << (8 * k);
        }
        switch (h->kind) {
            case 'f': out->data[i] = from_float(bits, h->item); break;
            case 'i': out->data[i] = from_signed(bits, h->item); break;
            case 'b': out->data[i] = bits != 0; break;
            default: out->data[i] = (float)bits; break;
        }
    }
}

/* Do the numbers that the shape speaks of fill the file to its end? */
static int check_size(const struct header *h, size_t left, struct npy *out) {
    size_t bytes;
    out->count = 1;
    int overflow = 0;
    for (int i = 0; i < out->ndim; i++) {
        overflow |= mem_mul(out->count, out->dims[i], &out->count);
    }
    if (overflow || mem_mul(out->count, h->item, &bytes)) {
        return err_add(h->err, STATUS_REFUSED, "%s: the shape has more numbers than memory has bytes", h->name);
    }
    if (bytes != left) {
        return err_add(h->err, STATUS_REFUSED, "%s: %s: want %zu bytes of numbers, found %zu", h->name,
                       left < bytes ? "cut off" : "junk behind the array", bytes, left);
    }
    return 0;
}

/* Finds the header's text, and where the numbers begin. */
static int find_header(struct header *h, const unsigned char *bytes, size_t size, size_t *numbers) {
    int version = size > MAGIC ? bytes[MAGIC] : 0;
    size_t before = version == 1 ? MAGIC + 4 : MAGIC + 6, length = 0;
    if (size < MAGIC || memcmp(bytes, magic, MAGIC) != 0) {
        return err_add(h->err, STATUS_REFUSED, "%s: not an .npy file", h->name);
    }
    if (size > MAGIC && (version < 1 || version > 3)) {
        return err_add(h->err, STATUS_REFUSED, "%s: .npy format %d is not known; want 1, 2 or 3", h->name, version);
    }
    if (size >= before) {
        for (size_t i = before; i > MAGIC + 2; i--) {
            length = length << 8 | bytes[i - 1];
        }
    }
    if (size < before || length > size - before) {
        return err_add(h->err, STATUS_REFUSED, "%s: cut off in its header", h->name);
    }
    h->at = (const char *)bytes + before;
    h->end = h->at + length;
    *numbers = before + length;
    return 0;
}

int npy_parse(const char *name, const unsigned char *bytes, size_t size, struct npy *out, struct err *err) {
    struct header h = {.name = name, .err = err};
    struct npy array = {0};
    size_t numbers = 0;
    *out = array;
    if (find_header(&h, bytes, size, &numbers) != 0 || take_header(&h, &array) != 0 ||
        check_size(&h, size - numbers, &array) != 0) {
        return -1;
    }
    array.data = mem_try(array.count, sizeof *array.data);
    if (array.data == NULL) {
        return err_add(err, STATUS_FAILED, "%s: out of memory for %zu numbers", name, array.count);
    }
    take_numbers(&h, bytes + numbers, &array);
    *out = array;
    return 0;
}

int npy_read(const char *path, struct npy *out, struct err *err) {
    static const size_t MOST = (size_t)1 << 36;
    unsigned char *bytes;
    size_t size;
    *out = (struct npy){0};
    if (file_read(path, 0, MOST, STATUS_REFUSED, &bytes, &size, err) != 0) {
        return -1;
    }
    int result = npy_parse(strcmp(path, "-") == 0 ? "standard input" : path, bytes, size, out, err);
    free(bytes);
    return result;
}

void npy_free(struct npy *n) {
    free(n->data);
    *n = (struct npy){0};
}

int npy_header(struct file_writer *w, int ndim, const size_t *dims, struct err *err) {
    struct text t = {0};
    text_add_n(&t, magic, MAGIC);
    text_add_n(&t, "\1\0\0\0", 4);   /* format 1.0, and room for the length */
    text_add(&t, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    for (int i = 0; i < ndim; i++) {
        text_add(&t, i == 0 ? "%zu" : ", %zu", dims[i]);
    }
    text_add(&t, ndim == 1 ? ",), }" : "), }");
    while ((t.length + 1) % ALIGNMENT != 0) {
        text_add_n(&t, " ", 1);
    }
    text_add_n(&t, "\n", 1);
    size_t length = t.length - MAGIC - 4;
    t.text[MAGIC + 2] = (char)(length & 255);
    t.text[MAGIC + 3] = (char)(length >> 8);
    int result = file_put(w, t.text, t.length, err);
    text_free(&t);
    return result;
}

int npy_write(const char *path, const float *data, int ndim, const size_t *dims, struct err *err) {
    struct file_writer w;
    size_t count = 1;
    for (int i = 0; i < ndim; i++) {
        count *= dims[i];
    }
    if (file_begin(&w, path, err) != 0) {
        return -1;
    }
    if (npy_header(&w, ndim, dims, err) != 0 || file_put(&w, data, count * sizeof *data, err) != 0) {
        file_abandon(&w);
        return -1;
    }
    return file_commit(&w, err);
}
