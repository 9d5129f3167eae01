/* net: the table of [net]'s keys, and the settings read from it that more than one room needs. */
#ifndef DLCLI_NET_H
#define DLCLI_NET_H

#include "config.h"

extern const struct key keys_net[];
extern const struct key *const net_tables[];     /* {keys_net, NULL} */

/* batch / subdivisions: samples a pass. */
int net_mini_batch(const struct section *net);

#endif
