/* Memory and small containers (mem.h). Blocks whose size a file decides may fail; small ones end the process here. */
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LINE = 64, PAGE = 4096 };
static const size_t HUGE_PAGE = (size_t)2 << 20, HUGE_FROM = (size_t)4 << 20;

int mem_mul(size_t a, size_t b, size_t *product) {
    if (__builtin_mul_overflow(a, b, product)) {
        *product = SIZE_MAX;
        return 1;
    }
    return 0;
}

void *mem_try(size_t count, size_t size) {
    size_t bytes;
    if (mem_mul(count, size, &bytes) || bytes > PTRDIFF_MAX) {
        return NULL;
    }
    return bytes >= PAGE ? mem_aligned(bytes) : calloc(1, bytes > 0 ? bytes : 1);
}

void *mem_aligned(size_t bytes) {
    if (bytes > PTRDIFF_MAX - HUGE_PAGE) {
        return NULL;
    }
    bytes = bytes == 0 ? LINE : (bytes + LINE - 1) / LINE * LINE;
    void *block = NULL;
    if (posix_memalign(&block, bytes >= HUGE_FROM ? HUGE_PAGE : LINE, bytes) != 0) {
        return NULL;
    }
    if (bytes >= HUGE_FROM) {
        (void)madvise(block, bytes, MADV_HUGEPAGE);   /* advice: a kernel without huge pages may decline it */
    }
    return memset(block, 0, bytes);
}

static _Noreturn void out_of_memory(void) {
    static const char sentence[] = "dlcli: out of memory\n";
    ssize_t written = write(STDERR_FILENO, sentence, sizeof sentence - 1);
    (void)written;
    _exit(1);
}

void *mem_need(size_t count, size_t size) {
    void *block = mem_try(count, size);
    if (block == NULL) {
        out_of_memory();
    }
    return block;
}

char *mem_copy_n(const char *text, size_t length) {
    char *copy = mem_need(length + 1, 1);
    if (length > 0) {
        memcpy(copy, text, length);
    }
    return copy;
}

char *mem_copy(const char *text) {
    return mem_copy_n(text, strlen(text));
}

void *mem_grow(void *array, size_t *room, size_t count, size_t size) {
    if (count < *room) {
        return array;
    }
    size_t more = *room < 8 ? 8 : *room, bytes;
    while (more <= count) {
        if (mem_mul(more, 2, &more)) {
            out_of_memory();
        }
    }
    char *grown = mem_mul(more, size, &bytes) || bytes > PTRDIFF_MAX ? NULL : realloc(array, bytes);
    if (grown == NULL) {
        out_of_memory();
    }
    memset(grown + *room * size, 0, (more - *room) * size);
    *room = more;
    return grown;
}

static void text_add_list(struct text *t, const char *format, va_list list) {
    va_list again;
    va_copy(again, list);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0) {
        length = 0;
    }
    t->text = mem_grow(t->text, &t->room, t->length + (size_t)length, 1);
    vsnprintf(t->text + t->length, (size_t)length + 1, format, list);
    t->length += (size_t)length;
}

void text_add(struct text *t, const char *format, ...) {
    va_list list;
    va_start(list, format);
    text_add_list(t, format, list);
    va_end(list);
}

void text_add_n(struct text *t, const char *bytes, size_t count) {
    t->text = mem_grow(t->text, &t->room, t->length + count, 1);
    if (count > 0) {
        memcpy(t->text + t->length, bytes, count);
    }
    t->length += count;
    t->text[t->length] = '\0';
}

void text_free(struct text *t) {
    free(t->text);
    *t = (struct text){0};
}

char *mem_format_list(const char *format, va_list list) {
    struct text t = {0};
    text_add_list(&t, format, list);
    return t.text;
}

char *mem_format(const char *format, ...) {
    va_list list;
    va_start(list, format);
    char *made = mem_format_list(format, list);
    va_end(list);
    return made;
}
