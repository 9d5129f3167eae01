/* NumPy's arrays: every type, hostile headers, archives stored and deflated, 64-bit and damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/npy.h"

/* A file in the making: .npy of format `version`, its header's text, then `size` bytes of numbers. */
static struct text npy_make(int version, const char *header, const void *numbers, size_t size) {
    struct text t = {0};
    size_t length = strlen(header);
    char lead[12] = {'\x93', 'N', 'U', 'M', 'P', 'Y', (char)version, 0, (char)length, (char)(length >> 8), 0, 0};
    text_add_n(&t, lead, version == 1 ? 10 : 12);
    text_add_n(&t, header, length);
    text_add_n(&t, numbers, size);
    return t;
}

static int parse(const struct text *t, struct npy *out, struct err *err) {
    unsigned char *copy = malloc(t->length + (t->length == 0));   /* a sanitizer sees a read beyond its end */
    assert_non_null(copy);
    memcpy(copy, t->text, t->length);
    int result = npy_parse("it", copy, t->length, out, err);
    free(copy);
    return result;
}

static void check_sentence(struct err *err, const char *part) {
    assert_int_equal(err->count, 1);
    assert_int_equal(err->status, STATUS_REFUSED);
    if (strncmp(err->sentences[0], "it", 2) != 0 || strstr(err->sentences[0], part) == NULL) {
        fail_msg("\"%s\" says nothing of \"%s\"", err->sentences[0], part);
    }
    err_free(err);
}

static void check_refused(struct text t, const char *part) {
    struct err err = {0};
    struct npy array;
    assert_int_equal(parse(&t, &array, &err), -1);
    assert_null(array.data);
    check_sentence(&err, part);
    text_free(&t);
}

/* A vector of `type` out of `size` bytes reads as `want`. */
static void check_type(const char *type, const void *bytes, size_t size, const float *want, size_t count) {
    char *header = mem_format("{'descr': '%s', 'fortran_order': False, 'shape': (%zu,), }\n", type, count);
    struct text t = npy_make(1, header, bytes, size);
    struct err err = {0};
    struct npy array;
    if (parse(&t, &array, &err) != 0) {
        fail_msg("%s: %s", type, err.sentences[0]);
    }
    assert_int_equal(array.ndim, 1);
    assert_int_equal(array.dims[0], count);
    assert_int_equal(array.count, count);
    for (size_t i = 0; i < count; i++) {
        if (!(array.data[i] == want[i] || (isnan(array.data[i]) && isnan(want[i])))) {
            fail_msg("%s: number %zu is %.9g, want %.9g", type, i, (double)array.data[i], (double)want[i]);
        }
        assert_int_equal(signbit(array.data[i]) != 0, signbit(want[i]) != 0);
    }
    npy_free(&array);
    text_free(&t);
    free(header);
}

static void test_integers(void **state) {
    (void)state;
    check_type("|b1", "\0\1\2", 3, (const float[]){0, 1, 1}, 3);
    check_type("|u1", "\0\x7f\xff", 3, (const float[]){0, 127, 255}, 3);
    check_type("|i1", "\0\x7f\xff\x80", 4, (const float[]){0, 127, -1, -128}, 4);
    check_type("<u2", "\1\2\xff\xff", 4, (const float[]){513, 65535}, 2);
    check_type("<i2", "\1\2\xff\xff\0\x80", 6, (const float[]){513, -1, -32768}, 3);
    check_type(">i2", "\1\2\xff\xff\x80\0", 6, (const float[]){258, -1, -32768}, 3);
    check_type("<i4", "\0\0\0\x80\xfe\xff\xff\xff", 8, (const float[]){-2147483648.0f, -2}, 2);
    check_type(">u4", "\0\1\0\0\xff\0\0\0", 8, (const float[]){65536, 4278190080.0f}, 2);
    check_type("<i8", "\0\0\0\0\0\0\0\x80\xff\xff\xff\xff\xff\xff\xff\xff", 16, (const float[]){-0x1p63f, -1}, 2);
    check_type("<u8", "\0\0\0\0\0\0\0\x80\3\0\0\0\0\0\0\0", 16, (const float[]){0x1p63f, 3}, 2);
    check_type("=i2", "\1\0", 2, (const float[]){1}, 1);
}

static void test_reals(void **state) {
    static const float reals[] = {1.5f, -0.0f, INFINITY, 1e-42f}, swapped[] = {1, -2};
    static const double wide[] = {0.1, -1e300, 1e-300, 16777217};
    (void)state;
    check_type("<f4", reals, sizeof reals, reals, 4);
    check_type("<f4", "\0\0\xc0\x7f", 4, (const float[]){NAN}, 1);
    check_type(">f4", "\x3f\x80\0\0\xc0\0\0\0", 8, swapped, 2);
    check_type("<f8", wide, sizeof wide, (const float[]){0.1f, -INFINITY, 0, 16777216}, 4);
    /* one, the largest, the smallest subnormal, the largest subnormal, minus zero, infinities, NaN */
    check_type("<f2", "\0\x3c\xff\x7b\1\0\xff\3\0\x80\0\x7c\0\xfc\0\x7e", 16,
               (const float[]){1, 65504, 0x1p-24f, 0x3ffp-24f, -0.0f, INFINITY, -INFINITY, NAN}, 8);
    check_type(">f2", "\x3c\0\xc0\0", 4, (const float[]){1, -2}, 2);
}

/* What Python, old and new, may write. */
static void test_headers(void **state) {
    static const struct { int version; const char *header; int ndim; size_t dims[NPY_MOST_DIMS]; } cases[] = {
        {1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }          \n", 2, {2, 3}},
        {2, "{'descr': '|u1', 'fortran_order': False, 'shape': (6,), }\n", 1, {6}},
        {3, "{'descr': '|u1', 'fortran_order': False, 'shape': (6, 1, 1), }\n", 3, {6, 1, 1}},
        {1, "{\"shape\":(1,6),\"descr\":\"u1\",\"fortran_order\":False}", 2, {1, 6}},
        {1, " { 'descr' : '|u1' , 'fortran_order' : False , 'shape' : ( 3 , 2 , ) , } ", 2, {3, 2}},
        {1, "{'descr': '|u1', 'fortran_order': False, 'shape': (1,1,1,1,1,1,2,3)}", 8, {1, 1, 1, 1, 1, 1, 2, 3}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct text t = npy_make(cases[i].version, cases[i].header, "\1\2\3\4\5\6", 6);
        struct err err = {0};
        struct npy array;
        if (parse(&t, &array, &err) != 0) {
            fail_msg("%s: %s", cases[i].header, err.sentences[0]);
        }
        assert_int_equal(array.ndim, cases[i].ndim);
        assert_memory_equal(array.dims, cases[i].dims, sizeof array.dims);
        assert_true(array.count == 6 && array.data[0] == 1 && array.data[5] == 6);
        npy_free(&array);
        text_free(&t);
    }
}

static void test_scalar_and_empty(void **state) {
    (void)state;
    struct err err = {0};
    struct npy array;
    struct text t = npy_make(1, "{'descr': '|u1', 'fortran_order': False, 'shape': (), }", "\7", 1);
    assert_int_equal(parse(&t, &array, &err), 0);
    assert_true(array.ndim == 0 && array.count == 1 && array.data[0] == 7);
    npy_free(&array);
    text_free(&t);
    t = npy_make(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 5), }", "", 0);
    assert_int_equal(parse(&t, &array, &err), 0);
    assert_true(array.ndim == 2 && array.dims[1] == 5 && array.count == 0 && array.data != NULL);
    npy_free(&array);
    text_free(&t);
}

static void test_hostile_headers(void **state) {
    static const struct { const char *header, *part; } cases[] = {
        {"{'descr': '|u1', 'fortran_order': True, 'shape': (2, 3), }", "Fortran"},
        {"{'descr': '|u1', 'fortran_order': Fals, 'shape': (6,), }", "fortran_order"},
        {"{'descr': '<c8', 'fortran_order': False, 'shape': (6,), }", "<c8"},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (6,), }", "|O"},
        {"{'descr': 'f', 'fortran_order': False, 'shape': (6,), }", "\"f\""},
        {"{'descr': '', 'fortran_order': False, 'shape': (6,), }", "type"},
        {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (6,), }", "structured"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }", "junk behind"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (7,), }", "cut off"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (6,), }", "cut off"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (-6,), }", "shape"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (6.0,), }", "shape"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (,), }", "shape"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': 6, }", "shape"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (6,", "shape"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999999,), }", "too large"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", "more numbers"},
        {"{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904,), }", "more numbers"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,2,3), }", "dimensions"},
        {"{'descr': '|u1', 'shape': (6,), }", "want descr"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (6,), 'more': 1}", "more"},
        {"{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (6,)}", "descr"},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (6,), } x", "junk"},
        {"{'descr': '|u1' 'fortran_order': False, 'shape': (6,), }", "end of the dictionary"},
        {"{'descr' '|u1'}", "colon"},
        {"{'descr': '|u1\", 'x'}", "type"},
        {"{'descr': '|u1, 'f': x}", "type"},
        {"{'a name that is far too long to be a key': 1}", "string"},
        {"{'descr': '|u1'", "end of the dictionary"},
        {"{'", "string"}, {"{", "string"}, {"", "dictionary"}, {"[]", "dictionary"}, {"{}", "want descr"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        check_refused(npy_make(1, cases[i].header, "\1\2\3\4\5\6", 6), cases[i].part);
    }
    check_refused(npy_make(4, "{'descr': '|u1', 'fortran_order': False, 'shape': (6,)}", "123456", 6), "format 4");
    check_refused(npy_make(0, "{'descr': '|u1', 'fortran_order': False, 'shape': (6,)}", "123456", 6), "format 0");
}

/* Every length below the whole is refused. */
static void test_cut_off(void **state) {
    (void)state;
    struct text t = npy_make(2, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }\n", "12345678", 8);
    size_t whole = t.length;
    for (t.length = 0; t.length < whole; t.length++) {
        struct err err = {0};
        struct npy array;
        assert_int_equal(parse(&t, &array, &err), -1);
        check_sentence(&err, t.length < 6 ? "not an .npy" : "cut off");
    }
    text_free(&t);
}

/* Runs `test` with the path of a file that is removed afterwards. */
static void with_path(void (*test)(const char *path)) {
    char path[] = "/tmp/dlcli-npy-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    test(path);
    unlink(path);
}

static void write_and_read(const char *path) {
    static const size_t dims[] = {2, 3};
    static const float numbers[] = {0, -1.5f, 1e30f, 1e-40f, INFINITY, 7};
    for (int ndim = 0; ndim <= 2; ndim++) {
        struct err err = {0};
        struct npy array;
        unsigned char *bytes;
        size_t size, count = ndim == 0 ? 1 : ndim == 1 ? 2 : 6;
        assert_int_equal(npy_write(path, numbers, ndim, dims, &err), 0);
        assert_int_equal(npy_read(path, &array, &err), 0);
        assert_int_equal(array.ndim, ndim);
        assert_int_equal(array.count, count);
        assert_memory_equal(array.data, numbers, count * sizeof *numbers);
        npy_free(&array);
        assert_int_equal(file_read(path, 0, 1000, STATUS_FAILED, &bytes, &size, &err), 0);
        assert_int_equal((size - count * sizeof *numbers) % 64, 0);   /* NumPy wants the numbers aligned */
        assert_int_equal(bytes[size - count * sizeof *numbers - 1], '\n');
        free(bytes);
    }
}

static void test_write(void **state) {
    static const size_t dims[] = {1};
    struct err err = {0};
    (void)state;
    with_path(write_and_read);
    assert_int_equal(npy_write("/none/of/it.npy", (const float[]){1}, 1, dims, &err), -1);
    assert_int_equal(err.count, 1);
    err_free(&err);
    struct npy array;
    assert_int_equal(npy_read("/none/of/it.npy", &array, &err), -1);
    assert_int_equal(err.status, STATUS_REFUSED);
    assert_null(array.data);
    err_free(&err);
}

/* Bytes as NumPy 2 writes numpy.arange(3, dtype='<f4'). */
static void test_numpys_bytes(void **state) {
    static const char lead[] = "\x93NUMPY\1\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }";
    (void)state;
    char bytes[140];
    memset(bytes, ' ', 128);
    memcpy(bytes, lead, sizeof lead - 1);
    bytes[127] = '\n';
    memcpy(bytes + 128, (const float[]){0, 1, 2}, 12);
    struct npy array;
    struct err err = {0};
    assert_int_equal(npy_parse("it", (unsigned char *)bytes, sizeof bytes, &array, &err), 0);
    assert_memory_equal(array.data, bytes + 128, 12);
    npy_free(&array);
}

/* An archive in the making. */
struct zip { struct text file, directory; int entries; };

static void put(struct text *t, uint64_t value, int count) {
    for (int i = 0; i < count; i++) {
        char byte = (char)(i < 8 ? value >> 8 * i : 0);
        text_add_n(t, &byte, 1);
    }
}

/* One member's fields; those of a test's choice are altered before they are written. */
struct entry { unsigned flags, method; uint32_t sum; uint64_t packed, size, local; int wide; };

static struct text pack(const struct text *content, int method) {
    struct text packed = {0};
    uLong room = compressBound((uLong)content->length) + 100;
    unsigned char *to = mem_need(room, 1);
    z_stream s = {.next_in = (unsigned char *)content->text, .avail_in = (uInt)content->length, .next_out = to};
    s.avail_out = (uInt)room;
    assert_int_equal(deflateInit2(&s, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&s, Z_FINISH), Z_STREAM_END);
    text_add_n(&packed, method == 8 ? (char *)to : content->text, method == 8 ? s.total_out : content->length);
    deflateEnd(&s);
    free(to);
    return packed;
}

static struct entry entry_make(const struct zip *z, const struct text *content, const struct text *packed, int method) {
    uLong sum = crc32(0, (unsigned char *)content->text, (uInt)content->length);
    return (struct entry){0, (unsigned)method, (uint32_t)sum, packed->length, content->length, z->file.length, 0};
}

static void zip_add_entry(struct zip *z, const char *name, const struct text *packed, struct entry e) {
    put(&z->file, 0x04034b50, 4);
    put(&z->file, 20, 2);
    put(&z->file, 0, 20);
    put(&z->file, strlen(name), 2);
    put(&z->file, 4, 2);        /* an extra field that only the local header has */
    text_add(&z->file, "%s", name);
    put(&z->file, 0xabcd, 4);
    text_add_n(&z->file, packed->text, packed->length);
    put(&z->directory, 0x02014b50, 4);
    put(&z->directory, 20, 4);
    put(&z->directory, e.flags, 2);
    put(&z->directory, e.method, 2);
    put(&z->directory, 0, 4);
    put(&z->directory, e.sum, 4);
    put(&z->directory, e.wide ? 0xffffffff : e.packed, 4);
    put(&z->directory, e.wide ? 0xffffffff : e.size, 4);
    put(&z->directory, strlen(name), 2);
    put(&z->directory, e.wide ? 32 : 0, 2);
    put(&z->directory, 0, 10);
    put(&z->directory, e.wide ? 0xffffffff : e.local, 4);
    text_add(&z->directory, "%s", name);
    if (e.wide) {
        put(&z->directory, 0x7777, 2);   /* another field first */
        put(&z->directory, 0, 2);
        put(&z->directory, 1, 2);
        put(&z->directory, 24, 2);
        put(&z->directory, e.size, 8);
        put(&z->directory, e.packed, 8);
        put(&z->directory, e.local, 8);
    }
    z->entries++;
}

static void zip_add(struct zip *z, const char *name, const struct text *content, int method, int wide) {
    struct text packed = pack(content, method);
    struct entry e = entry_make(z, content, &packed, method);
    e.wide = wide;
    zip_add_entry(z, name, &packed, e);
    text_free(&packed);
}

/* The archive's bytes; `z` is empty afterwards. */
static struct text zip_end(struct zip *z, int wide, const char *comment) {
    struct text t = z->file;
    uint64_t at = t.length, size = z->directory.length, entries = (uint64_t)z->entries;
    text_add_n(&t, z->directory.text == NULL ? "" : z->directory.text, size);
    if (wide) {
        uint64_t record = t.length;
        put(&t, 0x06064b50, 4);
        put(&t, 44, 8);
        put(&t, 45, 4);
        put(&t, 0, 8);
        put(&t, entries, 8);
        put(&t, entries, 8);
        put(&t, size, 8);
        put(&t, at, 8);
        put(&t, 0x07064b50, 4);
        put(&t, 0, 4);
        put(&t, record, 8);
        put(&t, 1, 4);
    }
    put(&t, 0x06054b50, 4);
    put(&t, 0, 4);
    put(&t, wide ? 0xffff : entries, 2);
    put(&t, wide ? 0xffff : entries, 2);
    put(&t, wide ? 0xffffffff : size, 4);
    put(&t, wide ? 0xffffffff : at, 4);
    put(&t, strlen(comment), 2);
    text_add(&t, "%s", comment);
    text_free(&z->directory);
    *z = (struct zip){0};
    return t;
}

/* What `each` was called with. */
struct seen { struct text names; float sum; int calls, stop_at, strange; };   /* strange: not made by sample() */

static int see(void *arg, const char *name, struct npy *array, struct err *err) {
    struct seen *s = arg;
    (void)err;
    text_add(&s->names, "%s;", name);
    float sum = 0;
    for (size_t i = 0; i < array->count; i++) {
        sum += array->data[i];
    }
    s->sum += sum;
    s->strange += (array->count != 3 && array->count != 1000) || sum != (float)array->count;
    if (s->calls == 0) {        /* kept: freed here */
        free(array->data);
        array->data = NULL;
    }
    return ++s->calls == s->stop_at ? 42 : 0;
}

static int zip_parse(const struct text *t, struct seen *s, struct err *err) {
    unsigned char *copy = malloc(t->length + (t->length == 0));
    assert_non_null(copy);
    memcpy(copy, t->text, t->length);
    int result = npz_parse("it", copy, t->length, see, s, err);
    free(copy);
    return result;
}

static struct text vector(size_t count) {
    unsigned char ones[2000];
    memset(ones, 1, sizeof ones);
    char *header = mem_format("{'descr': '|u1', 'fortran_order': False, 'shape': (%zu,), }\n", count);
    struct text t = npy_make(1, header, ones, count);
    free(header);
    return t;
}

/* Two arrays, stored and deflated, and a member that is none. */
static struct text sample(int wide, const char *comment) {
    struct zip z = {0};
    struct text one = vector(3), two = vector(1000), none = {0};
    text_add(&none, "hello");
    zip_add(&z, "conv1.weight.npy", &one, 0, wide);
    zip_add(&z, "read.me", &none, 0, 0);
    zip_add(&z, "b.npy", &two, 8, wide);
    text_free(&one);
    text_free(&two);
    text_free(&none);
    return zip_end(&z, wide, comment);
}

static void test_archive(void **state) {
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct text t = sample(kind & 1, kind & 2 ? "a comment with PK\5\6 in it" : "");
        struct seen s = {0};
        struct err err = {0};
        int result = zip_parse(&t, &s, &err);
        if (result != 0) {
            fail_msg("kind %d: %s", kind, err.sentences[0]);
        }
        assert_string_equal(s.names.text, "conv1.weight;b;");
        assert_true(s.sum == 1003);
        assert_int_equal(err.count, 0);
        assert_int_equal(err.warnings, 1);
        err_free(&err);
        text_free(&s.names);
        text_free(&t);
    }
}

static void test_archive_stops(void **state) {
    (void)state;
    struct text t = sample(0, "");
    struct seen s = {.stop_at = 1};
    struct err err = {0};
    assert_int_equal(zip_parse(&t, &s, &err), 42);
    assert_int_equal(s.calls, 1);
    text_free(&s.names);
    text_free(&t);
}

static void test_empty_archive(void **state) {
    struct zip z = {0};
    struct text t = zip_end(&z, 0, "");
    struct seen s = {0};
    struct err err = {0};
    (void)state;
    assert_int_equal(zip_parse(&t, &s, &err), 0);
    assert_int_equal(s.calls, 0);
    text_free(&t);
}

/* A single array whose directory entry lies. */
static void check_lie(struct entry change, const char *part) {
    struct zip z = {0};
    struct text content = vector(1000), packed = pack(&content, 8);
    struct entry e = entry_make(&z, &content, &packed, 8);
    e.flags |= change.flags;
    e.method ^= change.method;
    e.sum ^= change.sum;
    e.packed += change.packed;
    e.size += change.size;
    e.local += change.local;
    e.wide = change.wide;
    zip_add_entry(&z, "x.npy", &packed, e);
    struct text t = zip_end(&z, 0, "");
    struct seen s = {0};
    struct err err = {0};
    int result = zip_parse(&t, &s, &err);
    if (part == NULL) {
        assert_int_equal(result, 0);
    } else {
        assert_int_equal(result, -1);
        assert_int_equal(s.calls, 0);
        check_sentence(&err, part);
    }
    text_free(&t);
    text_free(&s.names);
    text_free(&content);
    text_free(&packed);
}

static void test_lying_archives(void **state) {
    (void)state;
    check_lie((struct entry){0}, NULL);
    check_lie((struct entry){.wide = 1}, NULL);
    check_lie((struct entry){.flags = 1}, "encrypted");
    check_lie((struct entry){.method = 4}, "compression 12");
    check_lie((struct entry){.method = 8}, "can't hold");
    check_lie((struct entry){.sum = 1}, "checksum");
    check_lie((struct entry){.packed = (uint64_t)-1}, "unpacked");
    check_lie((struct entry){.packed = 1}, "unpacked");
    check_lie((struct entry){.packed = 100000}, "beyond the end");
    check_lie((struct entry){.size = 1}, "unpacked");
    check_lie((struct entry){.size = (uint64_t)-1}, "unpacked");
    check_lie((struct entry){.size = 1 << 30}, "can't hold");
    check_lie((struct entry){.size = (uint64_t)1 << 62, .wide = 1}, "can't hold");
    check_lie((struct entry){.packed = (uint64_t)-1000, .wide = 1}, "beyond the end");
    check_lie((struct entry){.local = 1}, "not there");
    check_lie((struct entry){.local = (uint64_t)-1, .wide = 1}, "not there");
    check_lie((struct entry){.local = 1 << 20}, "not there");
}

/* Many entries of the same bytes: each would be unpacked. */
static void test_overlapping_members(void **state) {
    struct zip z = {0};
    struct text content = vector(1000), packed = pack(&content, 8);
    struct entry e = entry_make(&z, &content, &packed, 8);
    struct seen s = {0};
    struct err err = {0};
    (void)state;
    zip_add_entry(&z, "x.npy", &packed, e);
    struct text one = {0};
    text_add_n(&one, z.directory.text, z.directory.length);
    for (z.entries = 1; z.entries < 10; z.entries++) {
        text_add_n(&z.directory, one.text, one.length);
    }
    struct text t = zip_end(&z, 0, "");
    assert_int_equal(zip_parse(&t, &s, &err), -1);
    check_sentence(&err, "overlap");
    text_free(&t);
    text_free(&s.names);
    text_free(&one);
    text_free(&content);
    text_free(&packed);
}

/* Cut anywhere, and every byte altered: a sentence, or arrays as they were (names and unread fields may differ). */
static void test_damaged_archives(void **state) {
    struct text t = sample(0, ""), wide = sample(1, "");
    struct text *both[] = {&t, &wide};
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        size_t whole = both[kind]->length;
        for (both[kind]->length = 0; both[kind]->length < whole; both[kind]->length++) {
            struct seen s = {0};
            struct err err = {0};
            assert_int_equal(zip_parse(both[kind], &s, &err), -1);
            assert_int_equal(s.calls, 0);
            check_sentence(&err, ".npz");
        }
        for (size_t i = 0; i < whole * 2; i++) {
            char *byte = &both[kind]->text[i / 2], kept = *byte;
            struct seen s = {0};
            struct err err = {0};
            *byte = (char)(*byte ^ (i % 2 == 0 ? 0x01 : 0xff));
            int result = zip_parse(both[kind], &s, &err);
            assert_int_equal(err.count, result == 0 ? 0 : 1);
            assert_int_equal(s.strange, 0);
            *byte = kept;
            err_free(&err);
            text_free(&s.names);
        }
    }
    text_free(&t);
    text_free(&wide);
}

static void read_archive(const char *path) {
    struct text t = sample(0, "");
    struct seen s = {0};
    struct err err = {0};
    assert_int_equal(file_write(path, t.text, t.length, &err), 0);
    assert_int_equal(npz_read(path, see, &s, &err), 0);
    assert_true(s.sum == 1003);
    err_free(&err);
    assert_int_equal(file_write(path, "hello", 5, &err), 0);
    assert_int_equal(npz_read(path, see, &s, &err), -1);
    assert_int_equal(err.status, STATUS_REFUSED);
    err_free(&err);
    text_free(&s.names);
    text_free(&t);
}

static void test_read_archive(void **state) {
    (void)state;
    with_path(read_archive);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers), cmocka_unit_test(test_reals), cmocka_unit_test(test_headers),
        cmocka_unit_test(test_scalar_and_empty), cmocka_unit_test(test_hostile_headers), cmocka_unit_test(test_cut_off),
        cmocka_unit_test(test_write), cmocka_unit_test(test_numpys_bytes), cmocka_unit_test(test_archive),
        cmocka_unit_test(test_archive_stops), cmocka_unit_test(test_empty_archive),
        cmocka_unit_test(test_lying_archives), cmocka_unit_test(test_overlapping_members), cmocka_unit_test(test_damaged_archives),
        cmocka_unit_test(test_read_archive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
