/* How many cores this process may keep busy: what a team of threads is sized by when nobody says. */
#ifndef DLCLI_CORES_H
#define DLCLI_CORES_H

/* The affinity mask's cores, or the CPU quota of this process's control group and those around it (v2 and v1, rounded up) where that is
 * less; 1..256. The control group is looked up in /proc and /sys below `root` ("" but in tests). */
int cores_usable(const char *root);

#endif
