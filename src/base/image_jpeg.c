/* JPEG (image_formats.h): checks the whole file and hands stb a copy of only what makes the picture.
 *
 * Segments are read here, the entropy-coded data of scans in image_jpeg_scan.c. What is copied: tables, frame,
 * scans, and the two application segments that decide on the colours. Sequential and progressive Huffman JPEGs of 8
 * bits are known, as to stb. */
#include <stdlib.h>
#include <string.h>

#include "base/image_jpeg.h"
#include "base/mem.h"

enum {
    SOF0 = 0xc0, SOF1 = 0xc1, SOF2 = 0xc2, DHT = 0xc4, RST0 = 0xd0, RST7 = 0xd7, SOI = 0xd8, EOI = 0xd9,
    SOS = 0xda, DQT = 0xdb, DRI = 0xdd, APP0 = 0xe0, APP1 = 0xe1, APP14 = 0xee, APP15 = 0xef, COM = 0xfe,
    MOST_SCANS = 500,   /* a real file has around ten; each may walk over all blocks for a few bytes */
};

/* A segment's contents, without marker and length. */
struct segment { int marker; const unsigned char *at; size_t size; };

static int corrupt(const struct jpeg *j, const char *what) {
    return image_refuse(j->file, "corrupt JPEG: %s, before byte %zu", what, j->at);
}

static void copy(struct jpeg *j, const struct segment *s) {
    size_t length = s->size + 2;
    unsigned char *to = j->out + j->out_size;
    to[0] = 0xff;
    to[1] = (unsigned char)s->marker;
    to[2] = (unsigned char)(length >> 8);
    to[3] = (unsigned char)length;
    memcpy(to + 4, s->at, s->size);
    j->out_size += s->size + 4;
}

static int begins(const struct segment *s, const char *text, size_t length) {
    return s->size >= length && memcmp(s->at, text, length) == 0;
}

static int take_application(struct jpeg *j, const struct segment *s) {
    if ((s->marker == APP0 && begins(s, "JFIF", 5)) || (s->marker == APP14 && begins(s, "Adobe", 5))) {
        enum { TRANSFORM = 11, YCC = 1, YCCK = 2 };   /* 0: as they are */
        j->inks |= s->marker == APP14 && s->size > TRANSFORM && s->at[TRANSFORM] <= YCCK && s->at[TRANSFORM] != YCC;
        copy(j, s);
    } else if (s->marker == APP1 && begins(s, "Exif\0", 6) && j->file->orientation == 1) {
        j->file->orientation = image_exif_orientation(s->at + 6, s->size - 6);
    }
    return 0;
}

static int take_quantizers(struct jpeg *j, const struct segment *s) {
    for (size_t at = 0; at < s->size;) {
        size_t wide = s->at[at] >> 4, number = s->at[at] & 15, size = 1 + 64 * (wide + 1);
        if (wide > 1 || number > 3 || size > s->size - at) {
            return corrupt(j, "a quantization table");
        }
        j->quantizers |= 1u << number;
        at += size;
    }
    copy(j, s);
    return 0;
}

static int take_huffman(struct jpeg *j, const struct segment *s) {
    enum { COUNTS = 16, MOST = 255 };   /* stb loses count at the 256th code, which 8-bit pictures don't need */
    for (size_t at = 0; at < s->size;) {
        size_t left = s->size - at, class = s->at[at] >> 4, number = s->at[at] & 15, count = 0;
        for (size_t i = 1; i <= COUNTS && i < left; i++) {
            count += s->at[at + i];
        }
        if (class > 1 || number > 3 || left < 1 + COUNTS || count > MOST || count > left - 1 - COUNTS) {
            return corrupt(j, "a Huffman table");
        }
        const unsigned char *counts = s->at + at + 1;
        if (jpeg_huffman_make(class == 0 ? &j->dc[number] : &j->ac[number], counts, counts + COUNTS, (int)count) != 0) {
            return corrupt(j, "a Huffman table that is no code");
        }
        at += 1 + COUNTS + count;
    }
    copy(j, s);
    return 0;
}

static int take_restart(struct jpeg *j, const struct segment *s) {
    if (s->size != 2) {
        return corrupt(j, "a restart interval");
    }
    j->restart = (int)image_be16(s->at);
    copy(j, s);
    return 0;
}

/* Sampling factors whose ratios are whole numbers, as stb wants them. */
static int sampling_fits(const struct jpeg *j, int across, int down) {
    for (int i = 0; i < j->components; i++) {
        if (across % j->component[i].across != 0 || down % j->component[i].down != 0) {
            return 0;
        }
    }
    return 1;
}

static int blocks_make(struct jpeg *j, int width, int height, int across, int down) {
    size_t total = 0;
    j->mcus_across = (width + 8 * across - 1) / (8 * across);
    j->mcus_down = (height + 8 * down - 1) / (8 * down);
    for (int i = 0; i < j->components; i++) {
        struct jpeg_component *c = &j->component[i];
        c->width = ((width * c->across + across - 1) / across + 7) / 8;
        c->height = ((height * c->down + down - 1) / down + 7) / 8;
        c->stride = j->mcus_across * c->across;
        c->rows = j->mcus_down * c->down;
        total += (size_t)c->width * (size_t)c->height;
    }
    if (total / 8 > j->file->size) {   /* a block has a bit at least; asked before memory is */
        return image_refuse(j->file, "the JPEG is cut off: %zu bytes can't hold %d x %d pixels", j->file->size, width,
                            height);
    }
    for (int i = 0; j->progressive && i < j->components; i++) {
        struct jpeg_component *c = &j->component[i];
        c->known = mem_try((size_t)c->stride * (size_t)c->rows, sizeof *c->known);
        if (c->known == NULL) {
            return image_refuse(j->file, "out of memory for %d x %d pixels", width, height);
        }
    }
    return 0;
}

static int take_frame(struct jpeg *j, const struct segment *s) {
    if (j->components > 0 || s->size < 6 || s->at[0] != 8 || s->size != 6 + 3 * (size_t)s->at[5]) {
        return corrupt(j, s->size > 0 && s->at[0] == 12 ? "12 bits, want 8" : "a frame header");
    }
    int height = (int)image_be16(s->at + 1), width = (int)image_be16(s->at + 3), count = s->at[5], across = 1, down = 1;
    if (count != 1 && count != 3 && count != 4) {
        return image_refuse(j->file, "the JPEG has %d components, want 1, 3 or 4", count);
    }
    if (image_check_size(j->file, (size_t)width, (size_t)height) != 0) {
        return -1;
    }
    j->progressive = s->marker == SOF2;
    j->components = count;
    for (int i = 0; i < count; i++) {
        const unsigned char *at = s->at + 6 + 3 * i;
        struct jpeg_component *c = &j->component[i];
        *c = (struct jpeg_component){.id = at[0], .across = at[1] >> 4, .down = at[1] & 15, .quantizer = at[2]};
        if (c->across < 1 || c->across > 4 || c->down < 1 || c->down > 4 || c->quantizer > 3) {
            return corrupt(j, "a component");
        }
        across = c->across > across ? c->across : across;
        down = c->down > down ? c->down : down;
    }
    if (!sampling_fits(j, across, down)) {
        return image_refuse(j->file, "the JPEG's sampling factors have no whole ratio, which is not supported");
    }
    copy(j, s);
    return blocks_make(j, width, height, across, down);
}

/* The component called `id`, once per scan: `used` has a bit for each that was asked for. */
static struct jpeg_component *component_find(struct jpeg *j, int id, unsigned *used) {
    for (int i = 0; i < j->components; i++) {
        if (j->component[i].id == id) {
            unsigned bit = 1u << i;
            struct jpeg_component *found = *used & bit ? NULL : &j->component[i];
            *used |= bit;
            return found;
        }
    }
    return NULL;
}

static int scan_components(struct jpeg *j, const struct segment *s, struct jpeg_scan *scan) {
    unsigned used = 0;
    for (int i = 0; i < scan->count; i++) {
        const unsigned char *at = s->at + 1 + 2 * i;
        struct jpeg_component *c = component_find(j, at[0], &used);
        int dc = at[1] >> 4, ac = at[1] & 15;
        if (c == NULL || dc > 3 || ac > 3) {
            return corrupt(j, "a scan of what is not there");
        }
        scan->part[i].component = c;
        scan->part[i].dc = &j->dc[dc];
        scan->part[i].ac = &j->ac[ac];
    }
    return 0;
}

/* Progressive: does the scan's part of the coefficients make sense? DC stands alone, AC is of one component. */
static int scan_part_fits(const struct jpeg_scan *scan) {
    int band = scan->first == 0 ? scan->last == 0 : scan->last >= scan->first && scan->last <= 63 && scan->count == 1;
    int precision = scan->high <= 13 && scan->low <= 13 && (scan->high == 0 || scan->high == scan->low + 1);
    return band && precision;
}

/* May this scan come now? A component's DC coefficients come first and once. */
static int scan_order_fits(const struct jpeg *j, const struct jpeg_scan *scan) {
    int whole = scan->first == 0 && scan->high == 0 && scan->low == 0, opens = scan->first == 0 && scan->high == 0;
    if (j->progressive ? !scan_part_fits(scan) : !whole) {
        return 0;
    }
    for (int i = 0; i < scan->count; i++) {
        if (scan->part[i].component->coded == opens) {
            return 0;
        }
    }
    return 1;
}

static int scan_tables_defined(const struct jpeg *j, const struct jpeg_scan *scan) {
    int needs_dc = scan->first == 0 && scan->high == 0, needs_ac = !j->progressive || scan->first > 0;
    for (int i = 0; i < scan->count; i++) {
        int quantized = j->quantizers >> scan->part[i].component->quantizer & 1;
        if (!quantized || (needs_dc && !scan->part[i].dc->defined) || (needs_ac && !scan->part[i].ac->defined)) {
            return 0;
        }
    }
    return 1;
}

static int take_scan(struct jpeg *j, const struct segment *s) {
    struct jpeg_scan scan = {.count = s->size > 0 ? s->at[0] : 0};
    if (scan.count < 1 || scan.count > j->components || s->size != 4 + 2 * (size_t)scan.count ||
        ++j->scans > MOST_SCANS) {
        return corrupt(j, "a scan header");
    }
    if (scan_components(j, s, &scan) != 0) {
        return -1;
    }
    const unsigned char *at = s->at + 1 + 2 * scan.count;
    scan.first = at[0];
    scan.last = at[1];
    scan.high = at[2] >> 4;
    scan.low = at[2] & 15;
    if (!scan_order_fits(j, &scan)) {
        return corrupt(j, "a scan out of order");
    }
    if (!scan_tables_defined(j, &scan)) {
        return corrupt(j, "a scan without its tables");
    }
    for (int i = 0; i < scan.count; i++) {
        scan.part[i].component->coded = 1;
    }
    copy(j, s);
    return jpeg_scan_check(j, &scan);
}

static int take_segment(struct jpeg *j, const struct segment *s) {
    switch (s->marker) {
        case SOF0: case SOF1: case SOF2: return take_frame(j, s);
        case DHT: return take_huffman(j, s);
        case DQT: return take_quantizers(j, s);
        case DRI: return take_restart(j, s);
        case SOS: return take_scan(j, s);
        case COM: return 0;
        default: break;
    }
    if (s->marker >= APP0 && s->marker <= APP15) {
        return take_application(j, s);
    }
    if (s->marker > SOF2 && s->marker < RST0) {
        return image_refuse(j->file, "a JPEG of kind 0x%x (arithmetic, lossless or hierarchical) is not supported",
                            s->marker);
    }
    return image_refuse(j->file, "corrupt JPEG: marker 0x%x before byte %zu", s->marker, j->at);
}

/* The next marker, or -1 with a sentence. Cameras leave padding before some; bytes of 0xff may fill the way too. */
static int marker_next(struct jpeg *j) {
    const unsigned char *bytes = j->file->bytes;
    while (j->at < j->file->size && bytes[j->at] != 0xff) {
        j->at++;
    }
    while (j->at < j->file->size && bytes[j->at] == 0xff) {
        j->at++;
    }
    if (j->at >= j->file->size) {
        return image_refuse(j->file, "the JPEG is cut off: no end marker in its %zu bytes", j->file->size);
    }
    return bytes[j->at++];
}

/* All segments up to the end marker. A restart marker behind a scan's last block ends nothing and is left out. */
static int take_segments(struct jpeg *j) {
    for (;;) {
        struct segment s = {.marker = marker_next(j)};
        if (s.marker < 0 || s.marker == EOI) {
            return s.marker < 0 ? -1 : 0;
        }
        if (s.marker >= RST0 && s.marker <= RST7 && j->scans > 0) {
            continue;
        }
        size_t left = j->file->size - j->at, length = left < 2 ? 2 : image_be16(j->file->bytes + j->at);
        if (length < 2) {
            return corrupt(j, "an empty segment");
        }
        if (length > left) {
            return image_refuse(j->file, "the JPEG is cut off in the segment at byte %zu", j->at);
        }
        s.at = j->file->bytes + j->at + 2;
        s.size = length - 2;
        j->at += length;
        if (take_segment(j, &s) != 0) {
            return -1;
        }
    }
}

static int check(struct jpeg *j) {
    j->at = 2;
    j->out[j->out_size++] = 0xff;
    j->out[j->out_size++] = SOI;
    if (take_segments(j) != 0) {
        return -1;
    }
    j->out[j->out_size++] = 0xff, j->out[j->out_size++] = EOI;
    for (int i = 0; i < j->components; i++) {
        if (!j->component[i].coded) {
            return image_refuse(j->file, "the JPEG is cut off: component %d of %d is missing", i + 1, j->components);
        }
    }
    if (j->components == 4 && !j->inks) {   /* stb would take them for YCbCr and opacity */
        return image_refuse(j->file, "a JPEG of 4 components that Adobe's marker doesn't call CMYK or YCCK is not supported");
    }
    return j->components > 0 ? 0 : image_refuse(j->file, "corrupt JPEG: no picture in it");
}

int image_jpeg_read(struct image_file *file, struct image *out) {
    enum { AHEAD = 8 };
    struct jpeg *j = mem_try(1, sizeof *j);
    int result = -1;
    if (j != NULL) {
        j->file = file;
        j->out = mem_try(file->size + AHEAD, 1);
        j->plain = mem_try(file->size + AHEAD, 1);
    }
    if (j == NULL || j->out == NULL || j->plain == NULL) {
        image_refuse(file, "out of memory");
    } else if (check(j) == 0) {
        result = image_stb_decode(file, j->out, j->out_size, 0, out);
    }
    for (int i = 0; j != NULL && i < j->components; i++) {
        free(j->component[i].known);
    }
    if (j != NULL) {
        free(j->out);
        free(j->plain);
    }
    free(j);
    return result;
}
