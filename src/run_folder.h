/* run_folder: the rules of a RUN folder. One process writes it at a time; a checkpoint in it is never overwritten
 * unasked; runs/last points at the newest. */
#ifndef DLCLI_RUN_FOLDER_H
#define DLCLI_RUN_FOLDER_H

#include <stdint.h>
#include "base/err.h"

struct run_folder {
    char *path, *last, *best, *rollback, *metrics, *config;
    int lock;          /* the open lock file, or -1 */
    int made;          /* the folder is ours, made just now: gone again where nothing came of it */
};

/* The folder of a config that isn't told another: "runs/lenet" for "cfg/lenet.cfg". malloc'ed. */
char *run_folder_name(const char *config_path);

/* Makes the folder, takes its lock, sees whether it can be written: what can't is STATUS_REFUSED. run_folder_close
 * either way. */
int run_folder_open(struct run_folder *f, const char *path, struct err *err);
/* used 0: nothing was begun, so that a folder made for it goes again. */
void run_folder_close(struct run_folder *f, int used);
/* Refuses to write the file `path` ("-": stdout) where a process trains into its folder, which would lose one of the two's work. */
int run_folder_guard(const char *path, struct err *err);
/* The file name of a checkpoint in it: last, else best, else an epoch's; NULL where it holds none. */
const char *run_folder_checkpoint(const struct run_folder *f, char buffer[40]);
/* Is `path` ("-": stdin) the same file as RUN/config.cfg? */
int run_folder_is_config(const struct run_folder *f, const char *path);
/* Removes what an earlier run left: checkpoints first. */
int run_folder_clear(const struct run_folder *f, struct err *err);
/* runs/last -> this folder; a warning where that can't be. */
void run_folder_point(const struct run_folder *f, struct err *err);
/* Gives the checkpoint at `path` the name `name` too, in place of what had it. 1 where the file system has no hard links. */
int run_folder_also(const struct run_folder *f, const char *path, const char *name, struct err *err);
/* "epoch-0007.safetensors" of epoch 7; and removes those of epochs up to `most`. */
const char *run_folder_epoch(uint64_t epoch, char buffer[40]);
void run_folder_prune(const struct run_folder *f, uint64_t most);

#endif
