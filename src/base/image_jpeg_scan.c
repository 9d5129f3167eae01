/* The entropy-coded data of a JPEG's scan: decodes every symbol without making pixels (image_jpeg.h).
 *
 * What stb's decoder can't stand, or takes for a picture although it is none, is refused here: codes that don't
 * exist, data that ends before the last block, runs beyond a block's end, coefficients that overflow, restarts out
 * of order. It costs a third of stb's decoding. */
#include <endian.h>
#include <string.h>

#include "base/image_jpeg.h"

enum { AHEAD = 8 };   /* bytes that a look at the bits may read beyond an interval */

/* The interval being read. `bit` never passes `end` unnoticed: take() says so. */
struct bits { const unsigned char *at; size_t bit, end; };

int jpeg_huffman_make(struct jpeg_huffman *h, const unsigned char counts[16], const unsigned char *symbols, int count) {
    uint32_t code = 0;
    int index = 0;
    *h = (struct jpeg_huffman){.defined = 1};
    memcpy(h->symbols, symbols, (size_t)count);
    for (int length = 1; length <= 16; length++, code <<= 1) {
        h->offset[length] = index - (int32_t)code;
        for (int i = 0; i < counts[length - 1]; i++, index++, code++) {
            if (code >= 1u << length) {
                return -1;
            }
            for (int k = 0; length <= JPEG_FAST_BITS && k < 1 << (JPEG_FAST_BITS - length); k++) {
                h->fast[(code << (JPEG_FAST_BITS - length)) + (uint32_t)k] = (uint16_t)(length << 8 | symbols[index]);
            }
        }
        h->beyond[length] = code << (16 - length);
    }
    return 0;
}

/* The next 32 bits, without taking them; zeros follow the end. */
static uint32_t peek(const struct bits *b) {
    uint64_t word;
    memcpy(&word, b->at + b->bit / 8, sizeof word);
    return (uint32_t)(be64toh(word) << b->bit % 8 >> 32);
}

static int take(struct bits *b, int count) {
    b->bit += (size_t)count;
    return b->bit > b->end ? -1 : 0;
}

/* The next `count` bits (at most 16) as a number, or -1 at the end. */
static int32_t number(struct bits *b, int count) {
    uint32_t word = peek(b);
    return take(b, count) != 0 ? -1 : count == 0 ? 0 : (int32_t)(word >> (32 - count));
}

/* The next symbol, or -1 where there is none. `value`: its low four bits, the length of what follows it, are taken
 * along. */
static inline int symbol(struct bits *b, const struct jpeg_huffman *h, int value) {
    uint32_t next = peek(b) >> 16, fast = h->fast[next >> (16 - JPEG_FAST_BITS)];
    int found = -1, taken = 0;
    if (fast != 0) {
        found = (int)(fast & 255);
        taken = (int)(fast >> 8);
    }
    for (int length = JPEG_FAST_BITS + 1; found < 0 && length <= 16; length++) {
        if (next < h->beyond[length]) {
            found = h->symbols[(int32_t)(next >> (16 - length)) + h->offset[length]];
            taken = length;
        }
    }
    if (found < 0) {
        return -1;
    }
    return take(b, value ? taken + (found & 15) : taken) == 0 ? found : -1;
}

/* A DC coefficient's difference; the sum must stay in 16 bits, also once it is shifted into place. */
static int dc_first(struct bits *b, struct jpeg_component *c, const struct jpeg_huffman *h, int low) {
    int length = symbol(b, h, 0);
    if (length < 0 || length > 15) {
        return -1;
    }
    int32_t value = number(b, length);
    if (value < 0) {
        return -1;
    }
    c->dc += length > 0 && value < 1 << (length - 1) ? value + 1 - (1 << length) : value;
    return c->dc > 32767 >> low || c->dc < -(32767 >> low) ? -1 : 0;
}

/* All of a block, in a sequential JPEG. */
static int block_sequential(struct bits *b, struct jpeg_component *c, const struct jpeg_huffman *dc,
                            const struct jpeg_huffman *ac) {
    if (dc_first(b, c, dc, 0) != 0) {
        return -1;
    }
    for (int k = 1; k < 64;) {
        int s = symbol(b, ac, 1), length = s & 15;
        if (s < 0) {
            return -1;
        }
        if (length == 0 && s != 0xf0) {
            return 0;
        }
        k += s >> 4;
        if (length > 0 && k > 63) {
            return -1;
        }
        k++;
    }
    return 0;
}

/* How many blocks from here on have no more coefficients, this one among them. */
static int32_t end_run(struct bits *b, int length) {
    int32_t more = number(b, length);
    return more < 0 ? -1 : (1 << length) + more;
}

/* A block's AC coefficients, the first time: which of them are not zero goes into `known`. */
static int ac_first(struct bits *b, const struct jpeg_scan *scan, uint64_t *known, int32_t *run) {
    for (int k = scan->first; *run == 0 && k <= scan->last;) {
        int s = symbol(b, scan->part[0].ac, 0), length = s & 15;
        if (s < 0) {
            return -1;
        }
        if (length == 0 && s != 0xf0) {
            if ((*run = end_run(b, s >> 4)) < 0) {
                return -1;
            }
            break;
        }
        k += s >> 4;
        if (length > 0) {
            if (k > scan->last || length + scan->low > 15 || take(b, length) != 0) {
                return -1;
            }
            *known |= (uint64_t)1 << k;
        }
        k++;
    }
    *run -= *run > 0;
    return 0;
}

/* A bit more for the coefficients that are not zero, from `*k` on, up to the `zeros`-th one that is, where `*k` is
 * left. */
static int correct(struct bits *b, const struct jpeg_scan *scan, uint64_t known, int zeros, int *k) {
    for (; *k <= scan->last; ++*k) {
        if (known >> *k & 1) {
            if (take(b, 1) != 0) {
                return -1;
            }
        } else if (zeros-- == 0) {
            break;
        }
    }
    return 0;
}

/* A block's AC coefficients, refined. */
static int ac_refine(struct bits *b, const struct jpeg_scan *scan, uint64_t *known, int32_t *run) {
    int k = scan->first;
    while (*run == 0 && k <= scan->last) {
        int s = symbol(b, scan->part[0].ac, 0), length = s & 15;
        if (s < 0 || length > 1) {
            return -1;
        }
        if (length == 0 && s != 0xf0) {
            if ((*run = end_run(b, s >> 4)) < 0) {
                return -1;
            }
            break;
        }
        if (take(b, length) != 0 || correct(b, scan, *known, s >> 4, &k) != 0) {   /* the sign, then what lies before */
            return -1;
        }
        if (length > 0 && k <= scan->last) {
            *known |= (uint64_t)1 << k;
        }
        k++;
    }
    if (*run > 0) {
        --*run;
        return correct(b, scan, *known, 64, &k);
    }
    return 0;
}

/* A block of the scan's `i`-th component. */
static int block(const struct jpeg *jpeg, const struct jpeg_scan *scan, int i, size_t index, struct bits *b,
                 int32_t *run) {
    struct jpeg_component *c = scan->part[i].component;
    if (!jpeg->progressive) {
        return block_sequential(b, c, scan->part[i].dc, scan->part[i].ac);
    }
    if (scan->first > 0) {
        return scan->high == 0 ? ac_first(b, scan, &c->known[index], run) : ac_refine(b, scan, &c->known[index], run);
    }
    return scan->high == 0 ? dc_first(b, c, scan->part[i].dc, scan->low) : take(b, 1);
}

/* The MCU number `mcu`: a block of a component alone, or a group of blocks of each. */
static int mcu_check(const struct jpeg *jpeg, const struct jpeg_scan *scan, size_t mcu, struct bits *b, int32_t *run) {
    if (scan->count == 1) {
        const struct jpeg_component *c = scan->part[0].component;
        size_t width = (size_t)c->width;
        return block(jpeg, scan, 0, mcu / width * (size_t)c->stride + mcu % width, b, run);
    }
    for (int i = 0; i < scan->count; i++) {   /* only DC, or sequential: which block it is does not matter */
        const struct jpeg_component *c = scan->part[i].component;
        for (int k = 0; k < c->across * c->down; k++) {
            if (block(jpeg, scan, i, 0, b, run) != 0) {
                return -1;
            }
        }
    }
    return 0;
}

/* Copies the data up to the next marker to jpeg->plain, without stuffed zeros; jpeg->at is left at the marker, or
 * the file's end. */
static size_t unstuff(struct jpeg *jpeg) {
    const unsigned char *at = jpeg->file->bytes + jpeg->at, *end = jpeg->file->bytes + jpeg->file->size;
    unsigned char *to = jpeg->plain;
    while (at < end) {
        const unsigned char *mark = memchr(at, 0xff, (size_t)(end - at));
        size_t count = (size_t)((mark == NULL ? end : mark) - at);
        memcpy(to, at, count);
        to += count;
        at += count;
        if (end - at < 2 || at[1] != 0) {
            break;
        }
        *to++ = 0xff;
        at += 2;
    }
    jpeg->at = (size_t)(at - jpeg->file->bytes);
    memset(to, 0, AHEAD);
    return (size_t)(to - jpeg->plain);
}

/* The opposite, for the `count` bytes that blocks are made of. */
static void stuff(struct jpeg *jpeg, size_t count) {
    unsigned char *to = jpeg->out + jpeg->out_size;
    for (size_t i = 0; i < count; i++) {
        *to++ = jpeg->plain[i];
        if (jpeg->plain[i] == 0xff) {
            *to++ = 0;
        }
    }
    jpeg->out_size = (size_t)(to - jpeg->out);
}

/* One interval of `count` MCUs from number `first` on. */
static int interval_check(struct jpeg *jpeg, const struct jpeg_scan *scan, size_t first, size_t count) {
    struct bits b = {jpeg->plain, 0, 8 * unstuff(jpeg)};
    int32_t run = 0;
    for (int i = 0; i < scan->count; i++) {
        scan->part[i].component->dc = 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (mcu_check(jpeg, scan, first + i, &b, &run) != 0) {
            const char *what = b.bit > b.end ? "the JPEG is cut off" : "corrupt JPEG";
            return image_refuse(jpeg->file, "%s: scan %d, block group %zu, before byte %zu", what, jpeg->scans,
                                first + i, jpeg->at);
        }
    }
    stuff(jpeg, (b.bit + 7) / 8);
    return 0;
}

/* The restart marker that ends interval `number`; bytes of 0xff may fill the way to it. */
static int restart_check(struct jpeg *jpeg, size_t interval) {
    const unsigned char *bytes = jpeg->file->bytes;
    while (jpeg->at + 1 < jpeg->file->size && bytes[jpeg->at] == 0xff && bytes[jpeg->at + 1] == 0xff) {
        jpeg->at++;
    }
    unsigned char wanted = (unsigned char)(0xd0 + interval % 8);
    if (jpeg->at + 1 >= jpeg->file->size || bytes[jpeg->at + 1] != wanted) {
        return image_refuse(jpeg->file, "corrupt JPEG: no restart marker %zu at byte %zu", interval % 8, jpeg->at);
    }
    jpeg->at += 2;
    jpeg->out[jpeg->out_size++] = 0xff;
    jpeg->out[jpeg->out_size++] = wanted;
    return 0;
}

int jpeg_scan_check(struct jpeg *jpeg, const struct jpeg_scan *scan) {
    const struct jpeg_component *c = scan->part[0].component;
    size_t alone = (size_t)c->width * (size_t)c->height, together = (size_t)jpeg->mcus_across * (size_t)jpeg->mcus_down;
    size_t total = scan->count == 1 ? alone : together;
    size_t each = jpeg->restart > 0 ? (size_t)jpeg->restart : total;
    for (size_t done = 0; done < total; done += each) {
        if (done > 0 && restart_check(jpeg, done / each - 1) != 0) {
            return -1;
        }
        if (interval_check(jpeg, scan, done, total - done < each ? total - done : each) != 0) {
            return -1;
        }
    }
    return 0;
}
