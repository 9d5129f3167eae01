/* Numbers in texts: what flags, configs and files of numbers are read with. */
#ifndef DLCLI_NUMBER_H
#define DLCLI_NUMBER_H

/* A whole number or real in full (no junk, finite, in range). Returns 0, or -1 (nothing said). */
int number_int(const char *text, long min, long max, long *value);
int number_real(const char *text, double *value);

#endif
