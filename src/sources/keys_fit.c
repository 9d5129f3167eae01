/* Which keys of [data] are of use for which formats (parts.h). A key that would be read by nobody is refused: who gives it believes that it works. */
#include <string.h>

#include "sources/parts.h"

enum { PICTURES = 1, TABLES = 2, TEXTS = 4, LINES = 8, ALL = 15 };

/* varies: only training looks at it, so that data of another format may be tested (--data). Keys that aren't here fit all. */
static const struct fit { const char *key; int kinds, varies; const char *what; } fits[] = {
    {"color", PICTURES, 0, "pictures"},
    {"range", PICTURES, 0, "pictures"},
    {"mean", PICTURES, 0, "pictures: tables have normalize="},
    {"std", PICTURES, 0, "pictures: tables have normalize="},
    {"resize", PICTURES, 0, "pictures"},
    {"flip", PICTURES, 1, "pictures"},
    {"alternate_flip", PICTURES, 1, "pictures"},
    {"crop_padding", PICTURES, 1, "pictures"},
    {"crop_fill", PICTURES, 1, "pictures"},
    {"min_crop", PICTURES, 1, "pictures"},
    {"max_crop", PICTURES, 1, "pictures"},
    {"scale", PICTURES, 1, "pictures"},
    {"aspect", PICTURES, 1, "pictures"},
    {"angle", PICTURES, 1, "pictures"},
    {"hue", PICTURES, 1, "pictures"},
    {"saturation", PICTURES, 1, "pictures"},
    {"exposure", PICTURES, 1, "pictures"},
    {"cutout", PICTURES, 1, "pictures"},
    {"randaugment", PICTURES, 1, "pictures"},
    {"randaugment_magnitude", PICTURES, 1, "pictures"},
    {"noise", PICTURES | TABLES, 1, "pictures and tables: symbols are not more or less than each other"},
    {"features", TABLES, 0, "source=csv"},
    {"header", TABLES, 0, "source=csv"},
    {"delimiter", TABLES, 0, "source=csv"},
    {"normalize", TABLES, 0, "source=csv: pictures have mean= and std="},
    {"normalize_shift", TABLES, 0, "source=csv"},
    {"normalize_scale", TABLES, 0, "source=csv"},
    {"unit", TEXTS | LINES, 0, "source=text and tsv"},
    {"vocabulary", LINES, 0, "source=tsv"},
};

/* Keys that only qualify another. varies: as above. */
static const struct pair { const char *key, *needs; int varies; const char *want; } pairs[] = {
    {"crop_fill", "crop_padding", 1, "crop_padding="},
    {"randaugment_magnitude", "randaugment", 1, "randaugment="},
    {"normalize_shift", "normalize", 0, "normalize=standard or minmax"},
    {"normalize_scale", "normalize_shift", 0, "normalize_shift="},
};

/* Made-up samples stand in for any. */
static int kinds_of(const struct source_ops *ops) {
    return ops == &source_csv ? TABLES : ops == &source_text ? TEXTS : ops == &source_tsv ? LINES : ops == &source_synthetic ? ALL : PICTURES;
}

/* What is given as it would be anyway says nothing untrue. */
static int says_something(const struct section *section, const char *key) {
    for (const struct key *k = keys_data; k->name != NULL; k++) {
        if (strcmp(k->name, key) == 0) {
            return config_given(section, key) && (k->standard == NULL || strcmp(config_text(section, key), k->standard) != 0);
        }
    }
    return 0;
}

/* darknet has these in [net]; its scale= there is the schedule's. */
static int net_has(const struct section *net, const char *key) {
    static const char *const shared[] = {"flip", "min_crop", "max_crop", "aspect", "angle", "hue", "saturation", "exposure"};
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++) {
        if (strcmp(shared[i], key) == 0) {
            return net != NULL && says_something(net, key);
        }
    }
    return 0;
}

int data_keys_fit(const struct section *data, const struct section *net, const struct source_ops *ops, int tests, struct err *err) {
    int kinds = kinds_of(ops), bad = 0;
    for (size_t i = 0; i < sizeof fits / sizeof *fits; i++) {
        const struct fit *fit = &fits[i];
        int here = says_something(data, fit->key);
        if ((fit->kinds & kinds) != 0 || (fit->varies && tests) || (!here && !net_has(net, fit->key))) {
            continue;
        }
        bad = config_refuse(here ? data : net, here ? "data" : "net", fit->key, err, "is of no use with source=%s: it is for %s", ops->name, fit->what);
    }
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const struct pair *pair = &pairs[i];
        if (says_something(data, pair->key) && !says_something(data, pair->needs) && !(pair->varies && tests)) {
            bad = config_refuse(data, "data", pair->key, err, "want %s with it: it is of no use alone", pair->want);
        }
    }
    return bad;
}
