/* GIF (image_formats.h): the first frame of an animation, in palette colours; what is transparent shows its
 * palette's colour, as alpha is dropped everywhere. GIF89a is the standard; what PIL does where it leaves a choice
 * is done here. */
#include <stdlib.h>
#include <string.h>

#include "base/image_formats.h"
#include "base/mem.h"

enum { MOST_CODES = 4096, MOST_BITS = 12, HEADER = 13, FRAME_HEADER = 9 };

struct gif {
    struct image_file *file;
    size_t at;
    uint8_t palette[256][3];
    int background;           /* index where no frame is: the transparent one, or the first */
    size_t left, top, width, height;
    int interlaced;
};

/* LZW's dictionary: a code stands for the string of code `prefix` and then `last`. */
struct lzw {
    uint16_t prefix[MOST_CODES], length[MOST_CODES];
    uint8_t first[MOST_CODES], last[MOST_CODES];
    int clear, count, bits, before;   /* before: the last code, or -1 behind a clear */
};

static int cut_off(const struct gif *g) {
    return image_refuse(g->file, "the GIF is cut off at byte %zu", g->file->size);
}

static int has(const struct gif *g, size_t count) {
    return g->file->size - g->at >= count;
}

/* A palette of 2 << (flags & 7) colours, where the flags say that there is one. */
static int take_palette(struct gif *g, int flags) {
    size_t size = 3 * ((size_t)2 << (flags & 7));
    if (!(flags & 0x80)) {
        return 0;
    }
    if (!has(g, size)) {
        return cut_off(g);
    }
    image_palette_grey(g->palette);
    memcpy(g->palette, g->file->bytes + g->at, size);
    g->at += size;
    return 0;
}

/* Goes behind an extension; the graphic control one says which colour is transparent. */
static int take_extension(struct gif *g) {
    enum { GRAPHIC_CONTROL = 0xf9, TRANSPARENT = 1 };
    if (!has(g, 2)) {
        return cut_off(g);
    }
    const unsigned char *at = g->file->bytes + g->at;
    if (at[0] == GRAPHIC_CONTROL && at[1] == 4 && has(g, 6) && (at[2] & TRANSPARENT)) {
        g->background = at[5];
    }
    g->at++;
    while (has(g, 1)) {
        size_t size = g->file->bytes[g->at++];
        if (size == 0) {
            return 0;
        }
        if (!has(g, size)) {
            break;
        }
        g->at += size;
    }
    return cut_off(g);
}

/* Everything up to the first frame's data. */
static int take_blocks(struct gif *g) {
    enum { FRAME = 0x2c, EXTENSION = 0x21, END = 0x3b };
    while (has(g, 1)) {
        int kind = g->file->bytes[g->at++];
        if (kind == FRAME) {
            if (!has(g, FRAME_HEADER)) {
                break;
            }
            const unsigned char *at = g->file->bytes + g->at;
            g->left = image_le16(at);
            g->top = image_le16(at + 2);
            g->width = image_le16(at + 4);
            g->height = image_le16(at + 6);
            g->interlaced = at[8] & 0x40;
            g->at += FRAME_HEADER;
            return take_palette(g, at[8]);
        }
        if (kind == END) {
            return image_refuse(g->file, "the GIF holds no picture");
        }
        if (kind != EXTENSION && kind != 0) {   /* zeros: some writers pad */
            return image_refuse(g->file, "corrupt GIF: no block at byte %zu", g->at - 1);
        }
        if (kind == EXTENSION && take_extension(g) != 0) {
            return -1;
        }
    }
    return cut_off(g);
}

/* Joins the sub-blocks of the frame's data. A file that ends within them is left to the decoder: it may have all it
 * needs. */
static size_t join(struct gif *g, unsigned char *to) {
    size_t size = 0;
    while (has(g, 1)) {
        size_t count = g->file->bytes[g->at++], left = g->file->size - g->at;
        if (count == 0) {
            break;
        }
        count = count < left ? count : left;
        memcpy(to + size, g->file->bytes + g->at, count);
        size += count;
        g->at += count;
    }
    return size;
}

static void lzw_clear(struct lzw *l) {
    l->count = l->clear + 2;
    l->before = -1;
    l->bits = 1;
    while (1 << l->bits < l->count) {
        l->bits++;
    }
}

static struct lzw *lzw_make(int bits) {
    struct lzw *l = mem_try(1, sizeof *l);
    if (l != NULL) {
        l->clear = 1 << bits;
        for (int i = 0; i < l->clear; i++) {
            l->length[i] = 1;
            l->first[i] = l->last[i] = (uint8_t)i;
        }
        lzw_clear(l);
    }
    return l;
}

/* A new entry: the last code's string and the first letter of `code`'s, which may be the entry itself. */
static void lzw_learn(struct lzw *l, int code) {
    if (l->before < 0 || l->count >= MOST_CODES) {
        return;
    }
    int entry = l->count++;
    l->prefix[entry] = (uint16_t)l->before;
    l->length[entry] = (uint16_t)(l->length[l->before] + 1);
    l->first[entry] = l->first[l->before];
    l->last[entry] = l->first[code == entry ? l->before : code];
    l->bits += l->count == 1 << l->bits && l->bits < MOST_BITS;
}

/* Writes `code`'s string from the back; what goes beyond `room` is dropped. Returns how much was written. */
static size_t lzw_put(const struct lzw *l, int code, uint8_t *to, size_t room) {
    size_t length = l->length[code];
    for (size_t i = length; i-- > 0; code = l->prefix[code]) {
        if (i < room) {
            to[i] = l->last[code];
        }
    }
    return length < room ? length : room;
}

/* Unpacks into `count` indices. */
static int unpack(const struct gif *g, struct lzw *l, const unsigned char *data, size_t size, uint8_t *to,
                  size_t count) {
    size_t done = 0, at = 0;
    uint32_t ahead = 0;
    int waiting = 0;
    while (done < count) {
        for (; waiting < l->bits && at < size; waiting += 8) {
            ahead |= (uint32_t)data[at++] << waiting;
        }
        int code = (int)(ahead & ((1u << l->bits) - 1));
        if (waiting < l->bits || code == l->clear + 1) {
            return image_refuse(g->file, "the GIF is cut off: %zu of %zu pixels are missing", count - done, count);
        }
        ahead >>= l->bits;
        waiting -= l->bits;
        if (code == l->clear) {
            lzw_clear(l);
            continue;
        }
        if (code > l->count || (code == l->count && (l->before < 0 || l->count >= MOST_CODES))) {
            return image_refuse(g->file, "corrupt GIF: code %d after %zu pixels", code, done);
        }
        lzw_learn(l, code);
        done += lzw_put(l, code, to + done, count - done);
        l->before = code;
    }
    return 0;
}

/* The frame's indices, row after row as they lie in the file. */
static int unpack_frame(struct gif *g, uint8_t *indices) {
    int bits = has(g, 1) ? g->file->bytes[g->at++] : 0;
    if (bits < 1 || bits > 8) {
        return has(g, 1) ? image_refuse(g->file, "corrupt GIF: %d bits a pixel", bits) : cut_off(g);
    }
    struct lzw *l = lzw_make(bits);
    unsigned char *data = malloc(g->file->size);
    int result = -1;
    if (l == NULL || data == NULL) {
        image_refuse(g->file, "out of memory");
    } else {
        size_t size = join(g, data);
        result = unpack(g, l, data, size, indices, g->width * g->height);
    }
    free(l);
    free(data);
    return result;
}

/* Which row of the picture a frame's row is: interlaced, every eighth, those between, and so on. */
static size_t row_number(const struct gif *g, size_t row) {
    static const uint8_t first[4] = {0, 4, 2, 1}, step[4] = {8, 8, 4, 2};
    for (int pass = 0; g->interlaced && pass < 4; pass++) {
        size_t rows = g->height > first[pass] ? (g->height - first[pass] + step[pass] - 1) / step[pass] : 0;
        if (row < rows) {
            return first[pass] + row * step[pass];
        }
        row -= rows;
    }
    return row;
}

static void paint(const struct gif *g, const uint8_t *indices, struct image *out) {
    size_t width = (size_t)out->width, count = width * (size_t)out->height;
    for (size_t i = 0; i < count; i++) {
        memcpy(out->pixels + 3 * i, g->palette[g->background], 3);
    }
    for (size_t row = 0; row < g->height; row++) {
        uint8_t *to = out->pixels + 3 * ((g->top + row_number(g, row)) * width + g->left);
        for (size_t x = 0; x < g->width; x++) {
            memcpy(to + 3 * x, g->palette[*indices++], 3);
        }
    }
}

int image_gif_read(struct image_file *file, struct image *out) {
    struct gif g = {.file = file, .at = HEADER};
    if (file->size < HEADER) {
        g.at = file->size;
        return cut_off(&g);
    }
    size_t width = image_le16(file->bytes + 6), height = image_le16(file->bytes + 8);
    image_palette_grey(g.palette);
    if (take_palette(&g, file->bytes[10]) != 0 || take_blocks(&g) != 0 ||
        image_check_size(file, g.width, g.height) != 0) {
        return -1;
    }
    width = g.left + g.width > width ? g.left + g.width : width;
    height = g.top + g.height > height ? g.top + g.height : height;
    if (image_check_size(file, width, height) != 0) {
        return -1;
    }
    uint8_t *indices = mem_try(g.width, g.height);
    if (indices == NULL) {
        return image_refuse(file, "out of memory for %zu x %zu pixels", g.width, g.height);
    }
    int result = unpack_frame(&g, indices);
    if (result == 0 && (result = image_make(file, width, height, 3, out)) == 0) {
        paint(&g, indices, out);
    }
    free(indices);
    return result;
}
