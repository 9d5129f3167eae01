/* Letters as strokes (font.h). A glyph is strokes of points, a point two digits of base 36: x from the left, y from the
 * descender's foot; the baseline is y 4, the small letters' top 11 (b), the capitals' 14 (e). A stroke that begins with
 * ~ is a curve through its points. */
#include <math.h>
#include <string.h>

#include "views/font.h"

struct glyph { unsigned letter; int width; const char *strokes; };

static const struct glyph glyphs[] = {
    {' ', 2, ""},
    {'!', 0, "0e07 0404"},
    {'"', 3, "0e0b 3e3b"},
    {'#', 7, "2e14 6e54 0b7b 0777"},
    {'$', 6, "~6c5d3e1d0b1a39586755341506 3f33"},
    {'%', 8, "7e14 ~2e0c2a4c2e ~6846648668"},
    {'&', 7, "~742a1c3e5c4a1806244478"},
    {'\'', 0, "0e0b"},
    {'(', 2, "~2f0b0723"},
    {')', 2, "~0f2b2703"},
    {'*', 4, "2d29 0c4a 4c0a"},
    {'+', 6, "3b35 0868"},
    {',', 1, "151302"},
    {'-', 4, "0848"},
    {'.', 0, "0404"},
    {'/', 4, "4f03"},
    {'0', 6, "~3e1d0b07153455676b5d3e"},
    {'1', 6, "1c4e44"},
    {'2', 6, "~0b1d3e5d6b5904 0464"},
    {'3', 6, "~0c1d3e5d6b5a39 ~39586755341506"},
    {'4', 6, "444e0767"},
    {'5', 6, "5e1e09 ~092a4a686655341506"},
    {'6', 6, "~5d3e1c080715345567593a1907"},
    {'7', 6, "0e6e24"},
    {'8', 6, "~3e1d1a395a5d3e ~391806153455665839"},
    {'9', 6, "~1534566a6b5d3e1d0b1938596b"},
    {':', 0, "0404 0a0a"},
    {';', 1, "151302 1a1a"},
    {'<', 6, "6c0864"},
    {'=', 6, "0a6a 0666"},
    {'>', 6, "0c6804"},
    {'?', 5, "~0b1d3e5d5b3937 3434"},
    {'@', 9, "~855324082c5d8c988676686a ~695a39375668"},
    {'A', 8, "044e84 1777"},
    {'B', 6, "3404040e3e ~3e5d5a39 3909 ~3958675534"},
    {'C', 7, "~7c6d4e2d0b0725446576"},
    {'D', 7, "3404040e3e ~3e5d7b775534"},
    {'E', 6, "6e0e0464 0959"},
    {'F', 6, "6e0e04 0959"},
    {'G', 7, "~7c6d4e2d0b0725446576 767949"},
    {'H', 7, "0e04 7e74 0979"},
    {'I', 0, "0e04"},
    {'J', 5, "5e57 ~5745241507"},
    {'K', 7, "0e04 7e08 2a74"},
    {'L', 5, "0e0454"},
    {'M', 8, "040e468e84"},
    {'N', 7, "040e747e"},
    {'O', 8, "~4e2d0b07254465878b6d4e"},
    {'P', 6, "040e3e ~3e5d6b5938 3808"},
    {'Q', 8, "~4e2d0b07254465878b6d4e 5783"},
    {'R', 6, "040e3e ~3e5d6b5938 3808 3864"},
    {'S', 6, "~6c5d3e1d0b1a39586755341506"},
    {'T', 6, "0e6e 3e34"},
    {'U', 6, "0e07 ~0715345567 676e"},
    {'V', 8, "0e448e"},
    {'W', 10, "0e245d84ae"},
    {'X', 7, "0e74 7e04"},
    {'Y', 8, "0e48 8e48 4844"},
    {'Z', 7, "0e7e0474"},
    {'[', 2, "2f0f0323"},
    {'\\', 4, "0f43"},
    {']', 2, "0f2f2303"},
    {'^', 6, "0a3e6a"},
    {'_', 6, "0262"},
    {'`', 2, "0e2c"},
    {'a', 5, "5b54 ~593b1a0807153456"},
    {'b', 5, "0e04 ~092b4a5857452406"},
    {'c', 5, "~5a3b1a0807153455"},
    {'d', 5, "5e54 ~593b1a0807153456"},
    {'e', 5, "0858 ~584a3b1a0807153455"},
    {'f', 4, "~4e2d1b 1b14 0b3b"},
    {'g', 5, "5b53 ~53412001 ~593b1a0807153456"},
    {'h', 5, "0e04 ~092b4a58 5854"},
    {'i', 0, "0b04 0e0e"},
    {'j', 2, "2b22 ~221000 2e2e"},
    {'k', 5, "0e04 5b07 2954"},
    {'l', 0, "0e04"},
    {'m', 8, "0b04 ~092b49 4944 ~496b89 8984"},
    {'n', 5, "0b04 ~092b4a58 5854"},
    {'o', 6, "~3b1a080715345567685a3b"},
    {'p', 5, "0b00 ~092b4a5857452406"},
    {'q', 5, "5b50 ~593b1a0807153456"},
    {'r', 3, "0b04 ~081a3b"},
    {'s', 5, "~5a3b1a09284756452405"},
    {'t', 4, "1d16 ~162444 0b4b"},
    {'u', 5, "0b07 ~07153456 5b54"},
    {'v', 6, "0b346b"},
    {'w', 8, "0b244a648b"},
    {'x', 5, "0b54 5b04"},
    {'y', 6, "0b34 6b2000"},
    {'z', 5, "0b5b0454"},
    {'{', 3, "3f2e2a09282433"},
    {'|', 0, "0f03"},
    {'}', 3, "0f1e1a39181403"},
    {'~', 6, "~0819385768"},
    {0xB7, 0, "0808"},
    {0xD7, 5, "0b56 5b06"},
    {0x2026, 6, "0404 3434 6464"},
};
static const struct glyph unknown = {0xFFFD, 5, "040e5e5404"};

enum { BASELINE = 4, PIECES = 5, MOST_POINTS = 16 };   /* PIECES: of a curve, from point to point */
static const double UNIT = 0.072, SPACING = 2.35;       /* a capital is 0.72 of the size high */

unsigned font_next(const char **text) {
    const unsigned char *at = (const unsigned char *)*text;
    if (at[0] < 0x80) {
        *text += at[0] != 0;
        return at[0];
    }
    int more = at[0] >= 0xF0 && at[0] < 0xF5 ? 3 : at[0] >= 0xE0 ? 2 : at[0] >= 0xC2 ? 1 : 0;
    unsigned letter = at[0] & (0x3Fu >> more);
    for (int i = 1; i <= more; i++) {
        if ((at[i] & 0xC0) != 0x80 || at[0] >= 0xF5) {
            more = 0;
        } else {
            letter = letter << 6 | (at[i] & 0x3Fu);
        }
    }
    static const unsigned least[] = {0, 0x80, 0x800, 0x10000};
    int sound = more > 0 && letter >= least[more] && letter <= 0x10FFFF && (letter < 0xD800 || letter > 0xDFFF);
    *text += sound ? more + 1 : 1;
    return sound ? letter : 0xFFFD;
}

static const struct glyph *find(unsigned letter) {
    for (size_t i = 0; i < sizeof glyphs / sizeof *glyphs; i++) {
        if (glyphs[i].letter == letter) {
            return &glyphs[i];
        }
    }
    return &unknown;
}

double font_advance(unsigned letter) {
    return UNIT * (find(letter)->width + SPACING);
}

double font_width(const char *text) {
    double width = 0;
    for (unsigned letter; (letter = font_next(&text)) != 0;) {
        width += font_advance(letter);
    }
    return width;
}

static double digit(char c) {
    return c >= 'a' ? c - 'a' + 10 : c - '0';
}

/* Catmull and Rom's curve between b and c. */
static double curve(double a, double b, double c, double d, double t) {
    return b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

static size_t add_stroke(double (*p)[2], int n, int smooth, struct font_segment *to) {
    size_t count = 0;
    int pieces = smooth ? PIECES : 1, closed = n > 2 && p[0][0] == p[n - 1][0] && p[0][1] == p[n - 1][1];
    for (int i = 0; i + 1 < n; i++) {
        const double *a = p[i > 0 ? i - 1 : closed ? n - 2 : 0], *b = p[i], *c = p[i + 1];
        const double *d = p[i + 2 < n ? i + 2 : closed ? 1 : n - 1];
        for (int k = 0; k < pieces; k++) {
            double t = (double)k / pieces, u = (double)(k + 1) / pieces;
            to[count++] = (struct font_segment){
                smooth ? curve(a[0], b[0], c[0], d[0], t) : b[0], smooth ? curve(a[1], b[1], c[1], d[1], t) : b[1],
                smooth ? curve(a[0], b[0], c[0], d[0], u) : c[0], smooth ? curve(a[1], b[1], c[1], d[1], u) : c[1]};
        }
    }
    return count;
}

size_t font_segments(unsigned letter, struct font_segment *to) {
    const char *at = find(letter)->strokes;
    size_t count = 0;
    while (*at != '\0') {
        double points[MOST_POINTS][2];
        int n = 0, smooth = *at == '~';
        for (at += smooth; *at != '\0' && *at != ' ' && n < MOST_POINTS; at += 2, n++) {
            points[n][0] = UNIT * (digit(at[0]) + SPACING / 2);
            points[n][1] = UNIT * (digit(at[1]) - BASELINE);
        }
        at += *at == ' ';
        count += add_stroke(points, n, smooth, to + count);
    }
    return count;
}
