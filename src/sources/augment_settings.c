/* What [data], and darknet's keys of [net], say of augmentation (source.h, augment.c). */
#include <math.h>

#include "sources/parts.h"

/* The section that holds the key: [data] before darknet's [net]; NULL where neither does. */
static const struct section *holder(const struct section *data, const struct section *net, const char *key) {
    return config_given(data, key) ? data : net != NULL && config_given(net, key) ? net : NULL;
}

static double read_real(const struct section *data, const struct section *net, const char *key, double off) {
    const struct section *section = holder(data, net, key);
    double value = section == NULL ? off : config_real(section, key);
    return value == 0 ? off : value;
}

static int read_int(const struct section *data, const struct section *net, const char *key) {
    const struct section *section = holder(data, net, key);
    return section == NULL ? 0 : (int)config_int(section, key);
}

/* "scale=1.2": a factor of 1..1.2 or its inverse; "scale=0.8,1.2": from the one to the other. */
static int read_scale(struct augment *augment, const struct section *data, struct err *err) {
    size_t count = config_given(data, "scale") ? config_length(data, "scale") : 0;
    augment->scale_min = augment->scale_max = 1;
    if (count > 2) {
        return config_refuse(data, "data", "scale", err, "want one number or two, found %zu", count);
    }
    if (count > 0) {
        double first = config_item_real(data, "scale", 0),
               second = count == 2 ? config_item_real(data, "scale", 1) : 1 / first;
        augment->scale_min = fmin(first, second);
        augment->scale_max = fmax(first, second);
    }
    return 0;
}

/* darknet: a crop of the network's size out of a picture whose shorter side is min_crop..max_crop; one of the two
 * implies the other. */
static int read_crop(struct augment *augment, const struct section *data, const struct section *net,
                     const struct preprocess *p, struct err *err) {
    int min = read_int(data, net, "min_crop"), max = read_int(data, net, "max_crop");
    if (min == 0 && max == 0) {
        return 0;
    }
    augment->min_crop = min > 0 ? min : p->width;
    augment->max_crop = max > 0 ? max : 2 * p->width;
    if (augment->min_crop > augment->max_crop) {
        const struct section *section = holder(data, net, min > 0 ? "min_crop" : "max_crop");
        return config_refuse(section, section == data ? "data" : "net", min > 0 ? "min_crop" : "max_crop", err,
                             "min_crop, %d, is larger than max_crop, %d", augment->min_crop, augment->max_crop);
    }
    return 0;
}

/* What the two keys that only qualify others need. */
static int check_qualifiers(const struct augment *a, const struct section *data, const struct preprocess *p,
                            struct err *err) {
    int least = p->width < p->height ? p->width : p->height, result = 0;
    if (a->alternate && !a->flip) {
        result = config_refuse(data, "data", "alternate_flip", err, "want flip=1 with it");
    }
    if (a->reflect && a->crop_padding >= least) {
        result = config_refuse(data, "data", "crop_padding", err,
                               "want less than the picture's %d pixels with crop_fill=reflect, got %d", least,
                               a->crop_padding);
    }
    return result;
}

int augment_warps(const struct augment *a) {
    return a->min_crop > 0 || a->scale_min != 1 || a->scale_max != 1 || a->aspect != 1 || a->angle != 0;
}

int augment_tints(const struct augment *a) {
    return a->hue != 0 || a->saturation != 1 || a->exposure != 1;
}

int augment_redraws(const struct augment *a) {
    return augment_warps(a) || augment_tints(a) || a->randaugment > 0;
}

int augment_read(struct augment *augment, const struct section *data, const struct section *net,
                 const struct preprocess *p, struct err *err) {
    *augment = (struct augment){
        .flip = read_int(data, net, "flip"),
        .alternate = config_bool(data, "alternate_flip"),
        .crop_padding = (int)config_int(data, "crop_padding"),
        .reflect = config_choice(data, "crop_fill") == 1,
        .cutout = (int)config_int(data, "cutout"),
        .aspect = read_real(data, net, "aspect", 1),
        .angle = read_real(data, net, "angle", 0),
        .hue = read_real(data, net, "hue", 0),
        .saturation = read_real(data, net, "saturation", 1),
        .noise = config_real(data, "noise"),
        .randaugment = (int)config_int(data, "randaugment"),
        .magnitude = (int)config_int(data, "randaugment_magnitude"),
        .mixup = config_real(data, "mixup"),
        .cutmix = config_real(data, "cutmix"),
        .exposure = read_real(data, net, "exposure", 1),
    };
    int result = read_scale(augment, data, err);
    result = read_crop(augment, data, net, p, err) == 0 ? result : -1;
    result = check_qualifiers(augment, data, p, err) == 0 ? result : -1;
    if (augment_redraws(augment) && p->channels != 1 && p->channels != 3) {
        result = config_refuse(data, "data", NULL, err,
                               "crop sizes, scale, aspect, angle, colours and randaugment change pictures of 1 or 3 "
                               "channels; the network's input has %d",
                               p->channels);
    }
    augment->on = augment->noise > 0 || augment->flip || augment->crop_padding > 0 || augment->cutout > 0 || augment_redraws(augment) ||
                  augment->mixup > 0 || augment->cutmix > 0;
    return result;
}
