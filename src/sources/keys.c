/* The keys of [data]: where the samples come from, how the splits are made, how pictures become numbers, how training
 * varies them. */
#include "sources/source.h"

const struct key keys_data[] = {
    /* where from */
    {"source", KEY_CHOICE, NULL, 0, 0, "cifar10|cifar100|mnist|images|list|synthetic|text|csv|tsv", NULL, "Format of the data set."},
    {"path", KEY_TEXT, NULL, 0, 0, NULL, "train",
     "Folder or file of the training data, and of the test data where the format has both."},
    {"test", KEY_TEXT, NULL, 0, 0, NULL, NULL, "Folder or file of the test data."},
    {"valid", KEY_TEXT, NULL, 0, 0, NULL, NULL,
     "Validation data: a path; or so many samples of the training data, below 1 that fraction of them, drawn by the "
     "seed; of a text, so many symbols at its end."},
    {"classes", KEY_TEXT, NULL, 0, 0, NULL, "names",
     "Classes: how many, a comma list of names, or a file of names, one a line."},
    {"unit", KEY_CHOICE, "char", 0, 0, "char|byte|word", NULL,
     "source=text and tsv: what a symbol is: a UTF-8 character, or a byte; tsv: or a word (what stands between spaces)."},
    {"vocabulary", KEY_TEXT, NULL, 0, 0, NULL, NULL,
     "source=tsv: the names of the symbols, a comma list: written into the model by training."},
    {"count", KEY_INT, "1000", 1, 2147483647, NULL, NULL,
     "source=synthetic: how many training samples; a quarter as many for tests."},
    /* tables */
    {"target", KEY_TEXTS, NULL, 0, 0, NULL, NULL,
     "input: the network is to give back what it is given (autoencoders; any source). source=csv: the columns to predict, "
     "by name or number from 0 (negative: from the end); default: the last."},
    {"features", KEY_TEXTS, NULL, 0, 0, NULL, NULL,
     "source=csv: the columns that the network is given; default: all but the target."},
    {"header", KEY_CHOICE, "auto", 0, 0, "auto|0|1", NULL,
     "source=csv: whether the first row holds the columns' names; auto: if none of its cells is a number."},
    {"delimiter", KEY_TEXT, ",", 0, 0, NULL, NULL,
     "source=csv: what stands between cells: one character, or comma, semicolon, tab, space."},
    {"normalize", KEY_CHOICE, "none", 0, 0, "none|standard|minmax", NULL,
     "source=csv: features as they are; with mean 0 and deviation 1; or from 0 to 1; as measured over the training rows."},
    {"normalize_shift", KEY_REALS, NULL, 0, 0, NULL, NULL,
     "What normalize= subtracts from each feature: written into the model by training."},
    {"normalize_scale", KEY_REALS, NULL, 0, 0, NULL, NULL, "What normalize= divides each feature by then, likewise."},
    {"drop_last", KEY_BOOL, "0", 0, 0, NULL, NULL,
     "1: the last samples of a training epoch's order are left out where they fill no batch."},
    /* from pictures to numbers */
    {"color", KEY_CHOICE, NULL, 0, 0, "rgb|bgr|grey=gray", "colour",
     "Order of the channels (default: rgb, or grey for one channel)."},
    {"range", KEY_CHOICE, "1", 0, 0, "1|255", NULL, "Values are 0..range before mean and std."},
    {"mean", KEY_TEXTS, "0", 0, 0, NULL, NULL,
     "Subtracted from values: one number, one per channel, or auto: measured over the training split."},
    {"std", KEY_TEXTS, "1", 0, 0, NULL, NULL, "What values are divided by then: one number, one per channel, or auto."},
    {"resize", KEY_CHOICE, "crop", 0, 0, "stretch|crop|letterbox", NULL,
     "How a picture of another size gets the network's: each side by itself; by the shorter side, and the middle of the "
     "longer; or by the longer side, on grey."},
    /* variation in training */
    {"flip", KEY_BOOL, "0", 0, 0, NULL, NULL, "Mirror every other picture, left to right."},
    {"alternate_flip", KEY_BOOL, "0", 0, 0, NULL, NULL,
     "flip=1: chance says of each picture in the first epoch only; from then on it is mirrored in every other epoch, so "
     "that two epochs show both sides of all (Jordan 2024)."},
    {"crop_padding", KEY_INT, "0", 0, 65536, NULL, NULL,
     "Move pictures by up to so many pixels each way; what comes in behind is crop_fill's."},
    {"crop_fill", KEY_CHOICE, "zero", 0, 0, "zero|reflect", NULL,
     "crop_padding: zero pixels, or the picture mirrored at its outer pixels, which aren't repeated."},
    {"min_crop", KEY_INT, "0", 0, 65536, NULL, NULL,
     "Resize the shorter side to min_crop..max_crop at random and cut the network's size out of that; 0: don't. "
     "Default with "
     "max_crop: the network's width."},
    {"max_crop", KEY_INT, "0", 0, 65536, NULL, NULL,
     "The other end of that range. Default with min_crop: twice the network's width."},
    {"scale", KEY_REALS, NULL, 0.01, 100, NULL, NULL,
     "Zoom by a factor between two numbers; one number x means between 1/x and x."},
    {"aspect", KEY_REAL, "1", 0, 100, NULL, NULL, "Change the proportions by a factor of 1..aspect or its inverse."},
    {"angle", KEY_REAL, "0", 0, 360, NULL, NULL, "Rotate by up to so many degrees either way."},
    {"hue", KEY_REAL, "0", 0, 1, NULL, NULL, "Turn colours by up to that fraction of the circle either way."},
    {"saturation", KEY_REAL, "1", 0, 100, NULL, NULL,
     "Change the saturation by a factor of 1..saturation or its inverse."},
    {"exposure", KEY_REAL, "1", 0, 100, NULL, NULL, "Change the brightness by a factor of 1..exposure or its inverse."},
    {"noise", KEY_REAL, "0", 0, 1e6, NULL, NULL,
     "Add Gaussian noise of that deviation to the network's input, not to what target=input asks back (denoising)."},
    {"cutout", KEY_INT, "0", 0, 65536, NULL, NULL, "Set a square of so many pixels a side to 0, behind mean and std."},
    {"randaugment", KEY_INT, "0", 0, 14, NULL, NULL,
     "RandAugment (Cubuk et al. 2020): so many of 14 changes of place, colour and levels, drawn for each picture; usual: 2."},
    {"randaugment_magnitude", KEY_INT, "9", 0, 30, NULL, NULL, "How strong these are."},
    {"mixup", KEY_REAL, "0", 0, 1000, NULL, NULL,
     "Mix each picture and its label with another's (Zhang et al. 2018), the share drawn from Beta(mixup, mixup); usual: 0.2."},
    {"cutmix", KEY_REAL, "0", 0, 1000, NULL, NULL,
     "Put a box of another picture into each, and so much of its label (Yun et al. 2019), the area drawn from Beta(cutmix, cutmix); usual: 1. "
     "With mixup too, each batch has one of them."},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

const struct key *const data_tables[] = {keys_data, NULL};
