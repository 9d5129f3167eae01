/* .npz archives (npy.h): a ZIP whose members are .npy files, as numpy.savez and savez_compressed write them.
 *
 * The central directory at the end says what there is; the numbers in it are checked against the file, and every
 * member's length and checksum against its contents. APPNOTE.TXT 6.3 is the format. */
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/npy.h"

enum { END = 22, END64 = 56, LOCATOR64 = 20, ENTRY = 46, LOCAL = 30, STORED = 0, DEFLATED = 8 };

struct zip {
    const char *path;
    const unsigned char *bytes;
    size_t size;
    uint64_t at, entries;                 /* of the central directory: the next entry, and how many are left */
    uint64_t unclaimed;                   /* bytes of the file that no member has had yet */
    struct err *err;
};

struct member {
    const char *name;                     /* not ended by NUL */
    size_t name_length;
    unsigned method;
    uint32_t sum;
    uint64_t packed, size, local;         /* bytes in the file, unpacked, and where its local header is */
    const unsigned char *data;
};

/* Little-endian, of 2, 4 or 8 bytes. */
static uint64_t number(const unsigned char *at, int count) {
    uint64_t value = 0;
    while (count-- > 0) {
        value = value << 8 | at[count];
    }
    return value;
}

static int broken(const struct zip *z, const char *what) {
    return err_add(z->err, STATUS_REFUSED, "%s: broken .npz: %s", z->path, what);
}

/* Is the signature "PK" `a` `b` at `at`, with `count` bytes from there on? */
static int is_record(const struct zip *z, uint64_t at, size_t count, unsigned char a, unsigned char b) {
    const unsigned char signature[4] = {'P', 'K', a, b};
    return at <= z->size && z->size - at >= count && memcmp(z->bytes + at, signature, 4) == 0;
}

/* Where the directory is, in an archive with 64-bit numbers: their record lies before the end record, which lies at
 * `end`. */
static int find_directory64(struct zip *z, size_t end) {
    if (end < LOCATOR64 || !is_record(z, end - LOCATOR64, LOCATOR64, 6, 7)) {
        return broken(z, "no directory");
    }
    uint64_t at = number(z->bytes + end - LOCATOR64 + 8, 8);
    if (!is_record(z, at, END64, 6, 6)) {
        return broken(z, "no directory");
    }
    z->entries = number(z->bytes + at + 32, 8);
    z->at = number(z->bytes + at + 48, 8);
    return 0;
}

/* The end record is last, but for a comment of up to 65535 bytes. */
static int find_directory(struct zip *z) {
    if (z->size < END || !(is_record(z, 0, 4, 3, 4) || is_record(z, 0, 4, 5, 6))) {
        return err_add(z->err, STATUS_REFUSED, "%s: not an .npz file", z->path);
    }
    size_t least = z->size - END > 65535 ? z->size - END - 65535 : 0;
    for (size_t at = z->size - END; ; at--) {
        if (is_record(z, at, END, 5, 6) && number(z->bytes + at + 20, 2) == z->size - END - at) {
            z->entries = number(z->bytes + at + 10, 2);
            z->at = number(z->bytes + at + 16, 4);
            return z->entries == 0xffff || z->at == 0xffffffff ? find_directory64(z, at) : 0;
        }
        if (at == least) {
            return broken(z, "cut off: no end record");
        }
    }
}

/* Numbers that don't fit 32 bits stand in an extra field, in this order. */
static int take_extra64(const struct zip *z, const unsigned char *extra, size_t left, struct member *m) {
    uint64_t *wanted[3] = {&m->size, &m->packed, &m->local};
    while (left >= 4) {
        size_t size = number(extra + 2, 2);
        if (size > left - 4) {
            break;
        }
        if (number(extra, 2) == 1) {
            for (size_t i = 0, at = 4; i < 3; i++) {
                if (*wanted[i] == 0xffffffff && at + 8 <= size + 4) {
                    *wanted[i] = number(extra + at, 8);
                    at += 8;
                }
            }
            return 0;
        }
        extra += size + 4;
        left -= size + 4;
    }
    return broken(z, "a member without its size");
}

/* The local header repeats the name and has extras of its own; the data follow. */
static int find_data(struct zip *z, struct member *m) {
    if (!is_record(z, m->local, LOCAL, 3, 4)) {
        return broken(z, "a member that is not there");
    }
    const unsigned char *local = z->bytes + m->local;
    uint64_t left = z->size - m->local - LOCAL, skip = number(local + 26, 2) + number(local + 28, 2);
    if (skip > left || m->packed > left - skip) {
        return broken(z, "a member beyond the end");
    }
    m->data = local + LOCAL + skip;
    uint64_t whole = LOCAL + skip + m->packed;
    if (whole > z->unclaimed) {   /* a thousand entries of the same bytes would unpack to a thousand times what a file can hold */
        return broken(z, "members that overlap");
    }
    z->unclaimed -= whole;
    return 0;
}

/* The next entry of the directory. */
static int member_next(struct zip *z, struct member *m) {
    enum { ENCRYPTED = 1 };
    if (!is_record(z, z->at, ENTRY, 1, 2)) {
        return broken(z, "a damaged directory");
    }
    const unsigned char *entry = z->bytes + z->at;
    uint64_t name = number(entry + 28, 2), extra = number(entry + 30, 2), comment = number(entry + 32, 2);
    uint64_t left = z->size - z->at - ENTRY;
    if (name + extra + comment > left) {
        return broken(z, "a damaged directory");
    }
    m->name = (const char *)entry + ENTRY;
    m->name_length = name;
    m->method = (unsigned)number(entry + 10, 2);
    m->sum = (uint32_t)number(entry + 16, 4);
    m->packed = number(entry + 20, 4);
    m->size = number(entry + 24, 4);
    m->local = number(entry + 42, 4);
    z->at += ENTRY + name + extra + comment;
    z->entries--;
    if (number(entry + 8, 2) & ENCRYPTED) {
        return broken(z, "an encrypted member");
    }
    if (memchr(m->name, '\0', m->name_length) != NULL) {
        return broken(z, "a NUL in a member's name");
    }
    if ((m->packed == 0xffffffff || m->size == 0xffffffff || m->local == 0xffffffff) &&
        take_extra64(z, entry + ENTRY + name, extra, m) != 0) {
        return -1;
    }
    return find_data(z, m);
}

/* Unpacks into exactly `m->size` bytes; zlib counts in unsigned, so in parts. */
static int inflate_member(const struct member *m, unsigned char *to) {
    z_stream s = {.next_in = (unsigned char *)m->data};
    uint64_t in = m->packed, out = m->size;
    unsigned char beyond;                          /* the end of a stream is only seen with room for more */
    if (inflateInit2(&s, -15) != Z_OK) {           /* the largest window, and no header around */
        return -1;
    }
    s.next_out = to;
    int result = Z_OK;
    while (result == Z_OK) {
        uInt in_part = in < UINT_MAX ? (uInt)in : UINT_MAX, out_part = out < UINT_MAX ? (uInt)out : UINT_MAX;
        if (out == 0) {
            s.next_out = &beyond;
        }
        s.avail_in = in_part;
        s.avail_out = out == 0 ? 1 : out_part;
        result = inflate(&s, Z_NO_FLUSH);
        in -= in_part - s.avail_in;
        out -= out == 0 ? 0 : out_part - s.avail_out;
        if (s.next_out == &beyond + 1) {
            result = Z_DATA_ERROR;                 /* more than announced */
        }
    }
    inflateEnd(&s);
    return result == Z_STREAM_END && in == 0 && out == 0 ? 0 : -1;
}

/* The member's contents, malloc'ed, or NULL with a sentence. */
static unsigned char *member_unpack(const struct zip *z, const struct member *m, const char *name) {
    enum { DENSEST = 1032 };                       /* what deflate makes of a byte at most */
    if (m->method != STORED && m->method != DEFLATED) {
        err_add(z->err, STATUS_REFUSED, "%s: %s: compression %u is not known; want none or deflate", z->path, name,
                m->method);
        return NULL;
    }
    if (m->method == STORED ? m->size != m->packed : m->size / DENSEST > m->packed) {
        err_add(z->err, STATUS_REFUSED, "%s: %s: broken: %llu bytes can't hold %llu", z->path, name,
                (unsigned long long)m->packed, (unsigned long long)m->size);
        return NULL;
    }
    unsigned char *bytes = malloc(m->size + 1);
    if (bytes == NULL) {
        err_add(z->err, STATUS_FAILED, "%s: %s: out of memory for %llu bytes", z->path, name,
                (unsigned long long)m->size);
        return NULL;
    }
    int result = 0;
    if (m->method == STORED) {
        memcpy(bytes, m->data, m->size);
    } else {
        result = inflate_member(m, bytes);
    }
    if (result != 0 || crc32_z(0, bytes, m->size) != m->sum) {
        err_add(z->err, STATUS_REFUSED, "%s: %s: damaged: %s", z->path, name,
                result != 0 ? "can't be unpacked" : "wrong checksum");
        free(bytes);
        return NULL;
    }
    return bytes;
}

/* The member's name without .npy, malloc'ed; NULL with a warning if it is no array. */
static char *array_name(const struct zip *z, const struct member *m) {
    static const char suffix[] = ".npy";
    size_t length = m->name_length, cut = sizeof suffix - 1;
    if (length <= cut || memcmp(m->name + length - cut, suffix, cut) != 0) {
        err_warn(z->err, "%s: \"%.*s\" is not called .npy and is left out", z->path, (int)length, m->name);
        return NULL;
    }
    return mem_copy_n(m->name, length - cut);
}

static int member_array(const struct zip *z, const struct member *m, const char *name, struct npy *array) {
    unsigned char *bytes = member_unpack(z, m, name);
    if (bytes == NULL) {
        return -1;
    }
    char *place = mem_format("%s: %s", z->path, name);
    int result = npy_parse(place, bytes, m->size, array, z->err);
    free(place);
    free(bytes);
    return result;
}

int npz_parse(const char *path, const unsigned char *bytes, size_t size, npz_each *each, void *arg, struct err *err) {
    struct zip z = {.path = path, .bytes = bytes, .size = size, .unclaimed = size, .err = err};
    int result = find_directory(&z);
    while (result == 0 && z.entries > 0) {
        struct member m;
        struct npy array = {0};
        result = member_next(&z, &m);
        char *name = result == 0 ? array_name(&z, &m) : NULL;
        if (name != NULL && (result = member_array(&z, &m, name, &array)) == 0) {
            result = each(arg, name, &array, err);
            npy_free(&array);
        }
        free(name);
    }
    return result;
}

int npz_read(const char *path, npz_each *each, void *arg, struct err *err) {
    static const size_t MOST = (size_t)1 << 36;
    unsigned char *bytes;
    size_t size;
    if (file_read(path, 0, MOST, STATUS_REFUSED, &bytes, &size, err) != 0) {
        return -1;
    }
    int result = npz_parse(path, bytes, size, each, arg, err);
    free(bytes);
    return result;
}
