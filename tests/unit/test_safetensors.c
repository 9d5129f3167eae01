/* safetensors: what is written is read back, what PyTorch's library wrote too, and nothing malformed gets through. */
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
#include "base/rng.h"
#include "formats/format.h"

static char path[64];

static int path_make(void **state) {
    (void)state;
    snprintf(path, sizeof path, "/tmp/dlcli-test-%ld.safetensors", (long)getpid());
    return 0;
}

static int path_remove(void **state) {
    (void)state;
    unlink(path);
    return 0;
}

/* Without the syncing of file_write, which takes its time. */
static void put_bytes(const void *bytes, size_t size) {
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Writes header and data as a file: the header's true length unless told another. */
static void put(const char *header, uint64_t length, const void *data, size_t size) {
    struct text all = {0};
    unsigned char bytes[8];
    length = length == UINT64_MAX ? strlen(header) : length;
    for (int i = 0; i < 8; i++) {
        bytes[i] = (unsigned char)(length >> 8 * i);
    }
    text_add_n(&all, (const char *)bytes, 8);
    text_add_n(&all, header, strlen(header));
    text_add_n(&all, data, size);
    put_bytes(all.text, all.length);
    text_free(&all);
}

/* Reads the file: NULL for fine, else the sentence (of a refusal; malloc'ed). */
static char *sentence(void) {
    struct tensor_file file = {0};
    struct err err = {0};
    int result = format_safetensors.read(path, &file, &err);
    assert_int_equal(result == 0, err.count == 0);
    assert_true(err.count == 0 || err.status == STATUS_REFUSED);
    char *said = err.count > 0 ? mem_copy(err.sentences[0]) : NULL;
    tensor_file_free(&file);
    err_free(&err);
    return said;
}

static void refuses_bytes(const char *header, uint64_t length, size_t size, const char *part) {
    static const char zeros[64];
    put(header, length, zeros, size);
    char *said = sentence();
    if (said == NULL || strstr(said, part) == NULL) {
        fail_msg("%s: want \"%s\", said %s", header, part, said != NULL ? said : "nothing");
    }
    free(said);
}

static void refuses(const char *header, size_t size, const char *part) {
    refuses_bytes(header, UINT64_MAX, size, part);
}

static void writes_what_it_reads(void **state) {
    (void)state;
    const size_t matrix[] = {2, 3}, none[] = {0};
    const float numbers[] = {1, -2.5f, 3e-20f, 4, 5, -0.0f}, one = 7;
    struct tensor_file file = {0}, read;
    struct err err = {0};
    tensor_file_borrow(&file, "z.weight", 2, matrix, numbers);
    tensor_file_borrow(&file, "a \"quoted\" \xc3\xa9", 0, matrix, &one);
    tensor_file_take(&file, "empty", 1, none, mem_need(1, sizeof(float)));
    tensor_file_put(&file, "format", "pt");
    tensor_file_put(&file, "text", "two\nlines\t\\ \x01");
    assert_int_equal(format_safetensors.write(path, &file, &err), 0);
    assert_int_equal(format_read(path, &read, &err), 0);
    assert_int_equal(read.count, 3);
    assert_string_equal(tensor_file_text(&read, "text"), "two\nlines\t\\ \x01");
    const struct named *z = tensor_file_find(&read, "z.weight"), *a = tensor_file_find(&read, "a \"quoted\" \xc3\xa9");
    assert_non_null(z);
    assert_non_null(a);
    assert_int_equal(z->ndim, 2);
    assert_int_equal(z->dims[1], 3);
    assert_memory_equal(z->data, numbers, sizeof numbers);
    assert_int_equal(a->ndim, 0);
    assert_true(a->data[0] == one);
    assert_int_equal(tensor_file_find(&read, "empty")->count, 0);
    tensor_file_free(&file);
    tensor_file_free(&read);
}

/* The same tensors give the same bytes in whatever order they were added, and the data begins at a multiple of 8. */
static void bytes_have_one_order(void **state) {
    (void)state;
    const size_t dims[] = {3};
    const float x[] = {1, 2, 3}, y[] = {4, 5, 6};
    unsigned char *bytes[2];
    size_t sizes[2];
    struct err err = {0};
    for (int i = 0; i < 2; i++) {
        struct tensor_file file = {0};
        tensor_file_borrow(&file, i == 0 ? "x" : "y", 1, dims, i == 0 ? x : y);
        tensor_file_borrow(&file, i == 0 ? "y" : "x", 1, dims, i == 0 ? y : x);
        assert_int_equal(format_safetensors.write(path, &file, &err), 0);
        assert_int_equal(file_read(path, 0, 1 << 20, STATUS_FAILED, &bytes[i], &sizes[i], &err), 0);
        tensor_file_free(&file);
    }
    assert_int_equal(sizes[0], sizes[1]);
    assert_memory_equal(bytes[0], bytes[1], sizes[0]);
    assert_int_equal(bytes[0][0] % 8, 0);
    free(bytes[0]);
    free(bytes[1]);
}

static void reads_every_type(void **state) {
    (void)state;
    static const struct { const char *dtype; unsigned char bytes[8]; size_t size; float value; } types[] = {
        {"F64", {0, 0, 0, 0, 0, 0, 0xf8, 0xbf}, 8, -1.5f}, {"F32", {0, 0, 0x20, 0x41}, 4, 10},
        {"F16", {0x00, 0xc5}, 2, -5}, {"F16", {0x01, 0x00}, 2, 0x1p-24f}, {"F16", {0xff, 0x7b}, 2, 65504},
        {"BF16", {0x20, 0x41}, 2, 10}, {"I64", {0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, 8, -2},
        {"I32", {3, 0, 0, 0x80}, 4, -2147483648.0f}, {"I16", {0xff, 0xff}, 2, -1}, {"I8", {0x80}, 1, -128},
        {"U8", {0x80}, 1, 128}, {"U16", {0xff, 0xff}, 2, 65535}, {"U32", {0, 0, 0, 0x80}, 4, 2147483648.0f},
        {"U64", {0, 1}, 8, 256}, {"BOOL", {1}, 1, 1},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct tensor_file file;
        struct err err = {0};
        char header[128];
        snprintf(header, sizeof header, "{\"t\":{\"dtype\":\"%s\",\"shape\":[1],\"data_offsets\":[0,%zu]}}",
                 types[i].dtype, types[i].size);
        put(header, UINT64_MAX, types[i].bytes, types[i].size);
        assert_int_equal(format_read(path, &file, &err), 0);
        assert_true(file.tensors[0].data[0] == types[i].value);
        tensor_file_free(&file);
    }
}

static void reads_what_the_library_wrote(void **state) {
    (void)state;
    struct tensor_file file;
    struct err err = {0};
    assert_int_equal(format_read("tests/fixtures/optimizers.safetensors", &file, &err), 0);
    const struct named *grad = tensor_file_find(&file, "grad.weight");
    assert_non_null(grad);
    assert_int_equal(grad->ndim, 2);
    assert_int_equal(grad->dims[0], 100);
    assert_string_equal(tensor_file_text(&file, "made_by"), "make_optimizers.py");
    tensor_file_free(&file);
}

static void refuses_bad_headers(void **state) {
    (void)state;
    refuses("", 0, "not JSON");
    refuses("[]", 0, "no object");
    refuses("{", 0, "not JSON");
    refuses("{}x", 0, "not JSON");
    refuses("{}", 5, "5 bytes belong to no tensor");
    refuses("{\"__metadata__\":{\"a\":1}}", 0, "is not a text");
    refuses("{\"__metadata__\":3}", 0, "no object");
    refuses("{\"__metadata__\":{},\"__metadata__\":{}}", 0, "twice");
    refuses_bytes("{}", 3, 0, "cut off");
    refuses_bytes("{}", UINT64_MAX - 1, 0, "cut off");
    refuses_bytes("{}", 100 * 1000 * 1000 + 1, 0, "cut off");
    refuses_bytes("{}        ", 1, 0, "not JSON");
    put_bytes("abc", 3);
    char *said = sentence();
    assert_non_null(strstr(said, "too few"));
    free(said);
}

#define TENSOR(fields) "{\"t\":{" fields "}}"
static void refuses_bad_tensors(void **state) {
    (void)state;
    refuses("{\"t\":1}", 0, "lacks");
    refuses(TENSOR("\"dtype\":\"F32\",\"shape\":[1]"), 4, "lacks");
    refuses(TENSOR("\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]"), 4, "twice");
    refuses(TENSOR("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1"), 4, "unknown");
    refuses(TENSOR("\"dtype\":\"F31\",\"shape\":[1],\"data_offsets\":[0,4]"), 4, "dtype");
    refuses(TENSOR("\"dtype\":4,\"shape\":[1],\"data_offsets\":[0,4]"), 4, "dtype");
    refuses(TENSOR("\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]"), 4, "shape");
    refuses(TENSOR("\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]"), 4, "shape");
    refuses(TENSOR("\"dtype\":\"F32\",\"shape\":[1e999],\"data_offsets\":[0,4]"), 4, "shape");
    refuses(TENSOR("\"dtype\":\"F32\",\"shape\":[\"1\"],\"data_offsets\":[0,4]"), 4, "shape");
    refuses(TENSOR("\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]"), 4, "shape");
    refuses(TENSOR("\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]"), 4, "shape");
    refuses(TENSOR("\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,4]"), 4, "shape");
    refuses(TENSOR("\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]"), 4, "don't hold");
    refuses(TENSOR("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]"), 4, "data_offsets");
    refuses(TENSOR("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]"), 4, "data_offsets");
    refuses(TENSOR("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]"), 4, "data_offsets");
    refuses(TENSOR("\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]"), 8, "gap");
    refuses("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
            "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "overlaps");
    refuses("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
            "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "twice");
}

/* A good file in bytes. */
static size_t good_make(unsigned char **bytes) {
    const size_t matrix[] = {2, 3}, vector[] = {4};
    const float numbers[] = {1, 2, 3, 4, 5, 6};
    struct tensor_file file = {0};
    struct err err = {0};
    size_t size;
    tensor_file_borrow(&file, "one.weight", 2, matrix, numbers);
    tensor_file_borrow(&file, "one.bias", 1, vector, numbers);
    tensor_file_put(&file, "format", "pt");
    assert_int_equal(format_safetensors.write(path, &file, &err), 0);
    assert_int_equal(file_read(path, 0, 1 << 20, STATUS_FAILED, bytes, &size, &err), 0);
    tensor_file_free(&file);
    return size;
}

/* Every truncation is refused; a flipped byte is refused or read, never a crash (the sanitizers look on). */
static void survives_mutations(void **state) {
    (void)state;
    enum { ROUNDS = 3000 };
    unsigned char *good;
    size_t size = good_make(&good), header = 8 + (size_t)good[0] + ((size_t)good[1] << 8);
    struct rng rng = rng_make(1, RNG_CHECK, 0);
    for (size_t cut = 0; cut < size; cut++) {
        put_bytes(good, cut);
        char *said = sentence();
        assert_non_null(said);
        free(said);
    }
    int refused = 0;
    for (int round = 0; round < ROUNDS; round++) {
        unsigned char *bad = malloc(size);
        memcpy(bad, good, size);
        for (uint64_t flips = 1 + rng_below(&rng, 3); flips > 0; flips--) {
            bad[rng_below(&rng, header)] = (unsigned char)rng_below(&rng, 256);
        }
        put_bytes(bad, size);
        char *said = sentence();
        refused += said != NULL;
        free(said);
        free(bad);
    }
    assert_true(refused > ROUNDS / 2);
    free(good);
}

static void knows_formats_by_content(void **state) {
    (void)state;
    struct err err = {0};
    unsigned char *good;
    size_t size = good_make(&good);
    assert_ptr_equal(format_find(path), &format_safetensors);
    put_bytes("PK\003\004", 4);
    assert_ptr_equal(format_find(path), &format_npz);
    assert_ptr_equal(format_find("nowhere.npz"), &format_npz);
    assert_null(format_find("nowhere.cfg"));
    assert_null(format_find("/dev/null"));
    struct tensor_file file;
    assert_int_equal(format_read("nowhere.cfg", &file, &err), -1);
    assert_int_equal(err.status, STATUS_REFUSED);
    err_free(&err);
    free(good);
    (void)size;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_what_it_reads),     cmocka_unit_test(bytes_have_one_order),
        cmocka_unit_test(reads_every_type),         cmocka_unit_test(reads_what_the_library_wrote),
        cmocka_unit_test(refuses_bad_headers),      cmocka_unit_test(refuses_bad_tensors),
        cmocka_unit_test(survives_mutations),       cmocka_unit_test(knows_formats_by_content),
    };
    return cmocka_run_group_tests_name("safetensors", tests, path_make, path_remove);
}
