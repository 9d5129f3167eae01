/* PNG (image_formats.h): checks every chunk and unpacks the pixel data, then has stb undo filters and interlacing.
 *
 * stb gets a PNG written here: the header, a full palette, and the unpacked data in stored blocks. So zlib does the
 * unpacking (faster, and sound on corrupt data), and nothing that was not checked gets through. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/image_formats.h"
#include "base/mem.h"

enum {
    SIGNATURE = 8, FRAME = 12,           /* a chunk's length, type and checksum */
    HEADER = 13, GREY = 0, RGB = 2, PALETTE = 3, ALPHA = 4,
    BLOCK = 65535, BLOCK_FRAME = 5,      /* of a stored block of deflate */
};

struct png {
    struct image_file *file;
    size_t width, height;
    int depth, colour, interlaced, finished;
    unsigned char header[HEADER];
    uint8_t palette[256][3];
    size_t palette_count;
    unsigned char *packed;               /* the IDATs' contents, joined */
    size_t packed_size;
};

struct chunk { char type[5]; const unsigned char *at; size_t size; };

static int chunk_is(const struct chunk *c, const char *type) {
    return strcmp(c->type, type) == 0;
}

/* The chunk at `*at`; moves `*at` behind it. */
static int chunk_next(const struct image_file *file, size_t *at, struct chunk *c) {
    size_t left = file->size - *at;
    const unsigned char *bytes = file->bytes + *at;
    if (left < FRAME || image_be32(bytes) > left - FRAME) {
        return image_refuse(file, "the PNG is cut off at byte %zu", *at);
    }
    c->size = image_be32(bytes);
    c->at = bytes + 8;
    for (int i = 0; i < 4; i++) {
        int letter = bytes[4 + i];
        if (!((letter >= 'A' && letter <= 'Z') || (letter >= 'a' && letter <= 'z'))) {
            return image_refuse(file, "corrupt PNG: no chunk at byte %zu", *at);
        }
        c->type[i] = (char)letter;
    }
    c->type[4] = '\0';
    if (crc32(0, bytes + 4, (uInt)c->size + 4) != image_be32(c->at + c->size)) {
        return image_refuse(file, "corrupt PNG: chunk %s at byte %zu does not match its checksum", c->type, *at);
    }
    *at += FRAME + c->size;
    return 0;
}

/* Which depths a colour type may have. */
static int depth_fits(int depth, int colour) {
    switch (colour) {
        case GREY: return depth == 1 || depth == 2 || depth == 4 || depth == 8 || depth == 16;
        case PALETTE: return depth == 1 || depth == 2 || depth == 4 || depth == 8;
        case RGB: case GREY | ALPHA: case RGB | ALPHA: return depth == 8 || depth == 16;
        default: return 0;
    }
}

static int take_header(struct png *p, const struct chunk *c) {
    if (!chunk_is(c, "IHDR") || c->size != HEADER) {
        return image_refuse(p->file, "corrupt PNG: does not begin with its header");
    }
    memcpy(p->header, c->at, HEADER);
    p->width = image_be32(c->at);
    p->height = image_be32(c->at + 4);
    p->depth = c->at[8];
    p->colour = c->at[9];
    p->interlaced = c->at[12];
    if (!depth_fits(p->depth, p->colour) || c->at[10] != 0 || c->at[11] != 0 || p->interlaced > 1) {
        return image_refuse(p->file, "corrupt PNG: depth %d, colour type %d, compression %d, filter %d, interlacing %d",
                            p->depth, p->colour, c->at[10], c->at[11], p->interlaced);
    }
    return image_check_size(p->file, p->width, p->height);
}

static int take_palette(struct png *p, const struct chunk *c) {
    if (c->size == 0 || c->size % 3 != 0 || c->size > 3 * 256 || p->palette_count > 0 || p->packed_size > 0) {
        return image_refuse(p->file, "corrupt PNG: a palette of %zu bytes", c->size);
    }
    memcpy(p->palette, c->at, c->size);
    p->palette_count = c->size / 3;
    return 0;
}

static int take_data(struct png *p, const struct chunk *c) {
    if (p->packed == NULL) {
        p->packed = malloc(p->file->size);
    }
    if (p->packed == NULL) {
        return image_refuse(p->file, "out of memory");
    }
    memcpy(p->packed + p->packed_size, c->at, c->size);
    p->packed_size += c->size;
    return 0;
}

static int take_chunk(struct png *p, const struct chunk *c) {
    if (chunk_is(c, "IEND")) {
        p->finished = 1;
    } else if (chunk_is(c, "IDAT")) {
        return take_data(p, c);
    } else if (chunk_is(c, "PLTE")) {
        return take_palette(p, c);
    } else if (chunk_is(c, "eXIf")) {
        p->file->orientation = image_exif_orientation(c->at, c->size);
    } else if (c->type[0] < 'a') {   /* upper case: can't be left out */
        return image_refuse(p->file, "PNG chunk %s is not known", c->type);
    }
    return 0;
}

static int take_chunks(struct png *p) {
    struct chunk c;
    size_t at = SIGNATURE;
    if (chunk_next(p->file, &at, &c) != 0 || take_header(p, &c) != 0) {
        return -1;
    }
    while (!p->finished) {
        if (chunk_next(p->file, &at, &c) != 0 || take_chunk(p, &c) != 0) {
            return -1;
        }
    }
    if (p->packed_size == 0 || (p->colour == PALETTE && p->palette_count == 0)) {
        return image_refuse(p->file, "corrupt PNG: no %s", p->packed_size == 0 ? "pixels" : "palette");
    }
    return 0;
}

/* Bytes of a width x height part once unpacked: each row behind a byte that names its filter. */
static size_t rows_size(const struct png *p, size_t width, size_t height) {
    size_t samples = p->colour == PALETTE ? 1 : (p->colour & RGB ? 3u : 1u) + (p->colour & ALPHA ? 1u : 0u);
    return width == 0 ? 0 : height * (1 + (width * samples * (size_t)p->depth + 7) / 8);
}

static size_t unpacked_size(const struct png *p) {
    static const struct { uint8_t x, y, across, down; } passes[7] = {
        {0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2},
    };
    if (!p->interlaced) {
        return rows_size(p, p->width, p->height);
    }
    size_t size = 0;
    for (int i = 0; i < 7; i++) {
        size_t across = passes[i].across, down = passes[i].down;
        size_t width = (p->width + across - 1 - passes[i].x) / across;
        size += rows_size(p, width, (p->height + down - 1 - passes[i].y) / down);
    }
    return size;
}

/* A chunk's frame around `size` bytes that follow `to` + 8. stb looks at no checksum, so it stays zero. Returns
 * where the bytes go. */
static unsigned char *chunk_put(unsigned char *to, const char *type, size_t size) {
    for (int i = 0; i < 4; i++) {
        to[i] = (unsigned char)(size >> (24 - 8 * i));
    }
    memcpy(to + 4, type, 4);
    return to + 8;
}

static int cant_unpack(const struct png *p, const z_stream *z) {
    return image_refuse(p->file, "corrupt PNG: the pixel data: %s", z->msg == NULL ? "can't be unpacked" : z->msg);
}

/* Unpacks the pixel data into stored blocks at `to`. */
static int unpack_blocks(const struct png *p, z_stream *z, unsigned char *to, size_t left) {
    *to++ = 0x78;   /* a zlib stream: deflate, window of 32 KiB; the second byte makes the first two divisible by 31 */
    *to++ = 0x01;
    while (left > 0) {
        unsigned size = left < BLOCK ? (unsigned)left : BLOCK;
        *to++ = left <= BLOCK;   /* the last? */
        for (unsigned i = 0; i < 4; i++) {
            *to++ = (unsigned char)((i < 2 ? size : ~size) >> 8 * (i & 1));
        }
        z->next_out = to;
        z->avail_out = size;
        int result = inflate(z, Z_SYNC_FLUSH);
        if (result < 0 && result != Z_BUF_ERROR) {
            return cant_unpack(p, z);
        }
        if (z->avail_out > 0) {
            return image_refuse(p->file, "the PNG is cut off: %zu bytes of pixels are missing",
                                left - size + z->avail_out);
        }
        to += size;
        left -= size;
    }
    /* The checksum lies behind the last block; what else follows is no pixel. */
    unsigned char beyond;
    z->next_out = &beyond;
    z->avail_out = 1;
    if (inflate(z, Z_SYNC_FLUSH) == Z_DATA_ERROR) {
        return cant_unpack(p, z);
    }
    return 0;
}

/* The PNG that stb gets. */
static int rewrite(const struct png *p, unsigned char *to, size_t unpacked, size_t data) {
    memcpy(to, p->file->bytes, SIGNATURE);
    unsigned char *at = chunk_put(to + SIGNATURE, "IHDR", HEADER);
    memcpy(at, p->header, HEADER);
    at = chunk_put(at + HEADER + 4, "PLTE", sizeof p->palette);
    memcpy(at, p->palette, sizeof p->palette);
    at = chunk_put(at + sizeof p->palette + 4, "IDAT", data);
    z_stream z = {.next_in = p->packed, .avail_in = (uInt)p->packed_size};
    if (inflateInit(&z) != Z_OK) {
        return image_refuse(p->file, "out of memory");
    }
    int result = unpack_blocks(p, &z, at, unpacked);
    inflateEnd(&z);
    chunk_put(at + data + 4, "IEND", 0);
    return result;
}

static int decode(const struct png *p, struct image *out) {
    enum { DENSEST = 1032, MOST = 1 << 30 };   /* what deflate makes of a byte at most; what stb can count */
    size_t unpacked = unpacked_size(p), data = 2 + (unpacked + BLOCK - 1) / BLOCK * BLOCK_FRAME + unpacked;
    size_t size = SIGNATURE + FRAME + HEADER + FRAME + sizeof p->palette + FRAME + data + FRAME;
    if (unpacked / DENSEST > p->packed_size) {
        return image_refuse(p->file, "the PNG is cut off: %zu bytes can't hold %zu x %zu pixels", p->packed_size,
                            p->width, p->height);
    }
    if (unpacked > MOST) {
        return image_refuse(p->file, "%zu x %zu pixels of depth %d are too many", p->width, p->height, p->depth);
    }
    unsigned char *rewritten = mem_try(size, 1);
    if (rewritten == NULL) {
        return image_refuse(p->file, "out of memory for %zu x %zu pixels", p->width, p->height);
    }
    int result = rewrite(p, rewritten, unpacked, data);
    if (result == 0) {
        result = image_stb_decode(p->file, rewritten, size, p->depth == 16, out);
    }
    free(rewritten);
    return result;
}

int image_png_read(struct image_file *file, struct image *out) {
    struct png p = {.file = file};
    image_palette_grey(p.palette);
    int result = take_chunks(&p);
    if (result == 0) {
        result = decode(&p, out);
    }
    free(p.packed);
    return result;
}
