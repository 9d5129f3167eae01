/* Memory and small containers. An allocation that fails for a size computed from a file is an error sentence
 * (mem_try); a small one that fails ends in NULL-free code by way of mem_need, which main turns into exit 1. */
#ifndef DLCLI_MEM_H
#define DLCLI_MEM_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* count * size zeroed bytes, 64-byte aligned where large, or NULL on overflow or want of memory. Free with free(). */
void *mem_try(size_t count, size_t size);

/* As mem_try for small things (names, tables): never returns NULL; out of memory writes one sentence to stderr and ends the process with
 * status 1 (the one exit besides main's: there is nothing left to do). */
void *mem_need(size_t count, size_t size);
char *mem_copy(const char *text);                 /* mem_need'ed copy of a string */
char *mem_copy_n(const char *text, size_t length);
char *mem_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *mem_format_list(const char *format, va_list list) __attribute__((format(printf, 1, 0)));

/* 64-byte aligned, zeroed; bytes is rounded up to 64. NULL on want of memory. Free with free(). Large blocks ask for huge pages. */
void *mem_aligned(size_t bytes);

/* Grows `array` of `*room` elements so that index `count` fits; returns the (possibly moved) array. Never NULL. */
void *mem_grow(void *array, size_t *room, size_t count, size_t size);

/* A growing text. Start from {0}. `text` is always NUL-terminated once something was added. */
struct text { char *text; size_t length, room; };
void text_add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_add_n(struct text *t, const char *bytes, size_t count);
void text_free(struct text *t);

/* a * b in size_t; returns 1 and SIZE_MAX in *product on overflow, else 0. */
int mem_mul(size_t a, size_t b, size_t *product);

#endif
