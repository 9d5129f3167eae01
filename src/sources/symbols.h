/* Symbols of a text: its bytes or its characters, numbered by an alphabet. Symbols are told apart by code: the byte, or
 * the character's Unicode number. Their names, which models keep as class names, are printable: "a", "\n", "\s" (a
 * space), "\x07". */
#ifndef DLCLI_SYMBOLS_OF_TEXT_H
#define DLCLI_SYMBOLS_OF_TEXT_H

#include <stddef.h>
#include <stdint.h>

enum unit { UNIT_CHAR, UNIT_BYTE, UNIT_WORD }; /* in the order of [data] unit; words have names, but no codes */
enum { SYMBOL_MOST_NAME = 16 };

/* The code at text[0..size), size > 0: returns the bytes it takes, or 0 where they are no UTF-8. */
size_t symbol_read(enum unit unit, const unsigned char *text, size_t size, uint32_t *code);
/* And back: writes up to 4 bytes, returns how many. */
size_t symbol_write(enum unit unit, uint32_t code, char bytes[4]);
const char *symbol_name(enum unit unit, uint32_t code, char buffer[SYMBOL_MOST_NAME]);
/* -1 where it is no symbol's name. */
int symbol_of_name(enum unit unit, const char *name, uint32_t *code);

/* codes[i] is the code of symbol i; order: places sorted by code. */
struct alphabet {
    enum unit unit;
    int count;
    uint32_t *codes;
    int *order;
};
/* Of the codes that occur, sorted. NULL-free: alphabet_free. */
void alphabet_of_text(struct alphabet *a, enum unit unit, const uint32_t *codes, size_t count);
/* Of names; returns the place of the first that is no symbol's name, else -1. */
int alphabet_of_names(struct alphabet *a, enum unit unit, char *const *names, int count);
int alphabet_find(const struct alphabet *a, uint32_t code); /* -1: not in it */
void alphabet_free(struct alphabet *a);

#endif
