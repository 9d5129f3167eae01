/* What the two halves of the JPEG check share: image_jpeg.c reads the segments, image_jpeg_scan.c the entropy-coded
 * data between them.
 *
 * The terms are those of ITU-T T.81, the standard. */
#ifndef DLCLI_IMAGE_JPEG_H
#define DLCLI_IMAGE_JPEG_H

#include "base/image_formats.h"

enum { JPEG_FAST_BITS = 10 };

/* A Huffman table: codes of up to JPEG_FAST_BITS bits are looked up, longer ones found by comparing. */
struct jpeg_huffman {
    int defined;
    uint16_t fast[1 << JPEG_FAST_BITS];   /* length << 8 | symbol; 0: a longer code, or none */
    uint32_t beyond[17];                  /* by length: the first 16 bits that are no code so long or shorter */
    int32_t offset[17];                   /* by length: from a code to its index among the symbols */
    uint8_t symbols[256];
};

struct jpeg_component {
    int id, across, down, quantizer;      /* across, down: sampling factors */
    int width, height;                    /* in blocks, as a scan of this component alone has them */
    int stride, rows;                     /* in blocks, rounded up to whole MCUs */
    int coded;                            /* a scan gave its DC coefficients */
    int32_t dc;                           /* the last block's, from which the next one's differs */
    uint64_t *known;                      /* progressive: by block, which coefficients are not zero */
};

struct jpeg {
    struct image_file *file;
    size_t at;                            /* how far `file` is read */
    int progressive, components, scans;   /* components 0: no frame header yet */
    int inks;                             /* Adobe's segment says that four components are inks: CMYK, or YCCK */
    int mcus_across, mcus_down, restart;  /* restart: MCUs in an interval, or 0 */
    unsigned quantizers;                  /* bit i: table i is defined */
    struct jpeg_component component[4];
    struct jpeg_huffman dc[4], ac[4];
    unsigned char *out;                   /* what stb gets: only what was checked; not longer than the file */
    size_t out_size;
    unsigned char *plain;                 /* an interval's data without stuffing, with room to look ahead */
};

/* A scan's header. */
struct jpeg_scan {
    int count;
    struct { struct jpeg_component *component; const struct jpeg_huffman *dc, *ac; } part[4];
    int first, last, high, low;           /* spectral selection and successive approximation */
};

/* Builds a table from the numbers of codes by length (1..16) and the symbols. Returns -1 (nothing said) if there
 * can't be such a code. */
int jpeg_huffman_make(struct jpeg_huffman *h, const unsigned char counts[16], const unsigned char *symbols, int count);

/* Checks the scan's entropy-coded data at jpeg->at and copies it to jpeg->out, each interval cut behind its last
 * block. */
int jpeg_scan_check(struct jpeg *jpeg, const struct jpeg_scan *scan);

#endif
