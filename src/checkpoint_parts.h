/* What writing and reading of checkpoints share (checkpoint.h): how tensors that belong to training alone are called. */
#ifndef DLCLI_CHECKPOINT_PARTS_H
#define DLCLI_CHECKPOINT_PARTS_H

enum { NAME = 1024 };   /* of a tensor; layer names come from configs and are cut far below */
/* Of the optimizer's state; with [net] ema of the weights that the updates go on from; of what recurrent layers carry. */
#define CHECKPOINT_OPTIMIZER "optimizer."
#define CHECKPOINT_RAW CHECKPOINT_OPTIMIZER "raw."
#define CHECKPOINT_CARRIED "state."

#endif
