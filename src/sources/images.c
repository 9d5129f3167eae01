/* A folder per class: PATH/cat/1.png, or PATH/train/cat/1.png and PATH/test/cat/2.jpg. Classes are the folders' names
 * in byte order; every file in them that isn't hidden is a picture, whatever its suffix. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "sources/parts.h"

enum { DEEPEST = 16 };

static int not_hidden(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static int by_bytes(const void *a, const void *b) {
    const struct dirent *const *x = a, *const *y = b;
    return strcmp((*x)->d_name, (*y)->d_name);
}

/* The folder's entries in byte order, whatever the locale. Returns how many, or -1. */
static int list_folder(const char *path, struct dirent ***entries, struct err *err) {
    int count = scandir(path, entries, not_hidden, NULL);
    if (count < 0) {
        return err_errno(err, STATUS_REFUSED, path, "can't be listed");
    }
    if (count > 0) {
        qsort(*entries, (size_t)count, sizeof **entries, by_bytes);
    }
    return count;
}

static void entries_free(struct dirent **entries, int count) {
    for (int i = 0; i < count; i++) {
        free(entries[i]);
    }
    free(entries);
}

static char *join(const char *folder, const char *name) {
    return mem_format("%s/%s", folder, name);
}

/* The names of the folders in `root`, which are the classes. */
static int read_classes(const char *root, char ***names, int *count, struct err *err) {
    struct dirent **entries;
    int found = list_folder(root, &entries, err), result = found < 0 ? -1 : 0;
    *names = mem_need((size_t)(found > 0 ? found : 1), sizeof **names);
    *count = 0;
    for (int i = 0; i < found; i++) {
        const char *name = entries[i]->d_name;
        char *path = join(root, name);
        if (file_is_folder(path)) {
            const char *trouble = config_trouble(name, strlen(name));
            (*names)[(*count)++] = mem_copy(name);
            if (trouble != NULL) {
                result = err_add(err, STATUS_REFUSED, "%s: the folder's name, which is a class's, holds %s", path, trouble);
            }
        }
        free(path);
    }
    if (found >= 0) {
        entries_free(entries, found);
    }
    if (result == 0 && *count == 0) {
        result = err_add(err, STATUS_REFUSED, "%s: want a folder for each class, found none", root);
    }
    return result;
}

/* Adds the files below ROOT/FOLDER. */
static int add_files(struct pictures *pictures, const char *folder, int label, int depth, struct err *err) {
    struct dirent **entries;
    char *path = join(pictures->folder, folder);
    int count = list_folder(path, &entries, err), result = count < 0 ? -1 : 0;
    for (int i = 0; i < count && result == 0; i++) {
        char *name = join(folder, entries[i]->d_name), *full = join(pictures->folder, name);
        struct stat st;
        if (stat(full, &st) != 0 ||
            S_ISREG(st.st_mode)) { /* one that can't be looked at is found out, and named, when it is read */
            pictures_add(pictures, name, label);
        } else if (S_ISDIR(st.st_mode) && depth < DEEPEST) {
            result = add_files(pictures, name, label, depth + 1, err);
        } else if (S_ISDIR(st.st_mode)) {
            result = err_add(err, STATUS_REFUSED, "%s: folders within folders, deeper than %d", full, DEEPEST);
        }
        free(name);
        free(full);
    }
    if (count >= 0) {
        entries_free(entries, count);
    }
    free(path);
    return result;
}

/* Every folder of the root under the number that its name has among the classes. */
static int add_folders(struct source *source, struct err *err) {
    struct pictures *own = source->own;
    char **folders;
    int count, result = read_classes(own->folder, &folders, &count, err);
    struct name_index index = name_index_make(source->class_names, source->classes);
    for (int i = 0; i < count && result == 0; i++) {
        int label = name_index_find(&index, folders[i]);
        const char *near = label < 0 ? names_nearest(source->class_names, source->classes, folders[i]) : NULL;
        if (label < 0) {
            result =
                err_add(err, STATUS_REFUSED, "%s/%s: no class of that name%s%s%s", own->folder, folders[i],
                        near != NULL ? "; did you mean \"" : "", near != NULL ? near : "", near != NULL ? "\"?" : "");
        } else {
            result = add_files(own, folders[i], label, 0, err);
        }
    }
    name_index_free(&index);
    names_free(folders, count);
    source->count = own->count;
    if (result == 0 && own->count == 0) {
        result = err_add(err, STATUS_REFUSED, "%s: no pictures in its %d folders", own->folder, count);
    }
    return result;
}

static int images_open(struct source *source, enum split split, struct err *err) {
    struct pictures *own = mem_need(1, sizeof *own);
    char *train = join(source->path, "train"), *test = join(source->path, "test");
    int parts = file_is_folder(train) && file_is_folder(test), result = 0;
    source->own = own;
    own->folder = mem_copy(!parts ? source->path : split == SPLIT_TEST ? test : train);
    if (!file_is_folder(own->folder)) {
        result = err_add(err, STATUS_REFUSED, "%s: want a folder that has a folder of pictures for each class",
                         source->path);
    } else if (source->class_names == NULL) { /* the training part names the classes; the test part may lack one */
        result = read_classes(parts ? train : own->folder, &source->class_names, &source->classes, err);
    }
    if (result == 0 && (parts || source->whole || split != SPLIT_TEST)) {
        result = add_folders(source, err);
    }
    free(train);
    free(test);
    return result;
}

const struct source_ops source_images = {
    .name = "images",
    .help =
        "A folder of pictures for each class; the folders' names are the classes. Where path holds train/ and test/, "
        "those are the "
        "splits. Formats are told by content.",
    .open = images_open,
    .read = pictures_read,
    .label = pictures_label,
    .name_of = pictures_name,
    .close = pictures_close,
    .flags = SOURCE_HAS_TEST,
};
