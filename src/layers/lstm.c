/* Long short-term memory (Hochreiter and Schmidhuber, Neural Computation 1997), with the forget gate of Gers et al.
 * (2000). */
#include "layers/recurrent.h"

static int shape(struct node *node, struct err *err) {
    return recurrent_shape(node, CELL_LSTM, 4, err);
}

static const struct key *const tables[] = {keys_recurrent, keys_init, NULL};
const struct layer_ops layer_lstm = {
    .name = "lstm",
    .help = "Long short-term memory (Hochreiter and Schmidhuber 1997; Gers et al. 2000) as PyTorch's nn.LSTM: gates "
            "i, f, g, o of weight_ih x[t] + bias_ih + weight_hh h[t-1] + bias_hh, logistic but for g, which is tanh; "
            "c[t] = f c[t-1] + i g; h[t] = o tanh(c[t]). Parameters start uniform within 1 / sqrt(output), unless "
            "init= says otherwise of the weights.",
    .example = "[lstm]\noutput=128\n",
    .keys = tables,
    .shape = shape,
    .plan = recurrent_plan,
    .pack = recurrent_pack,
    .forward = recurrent_forward,
    .backward = recurrent_backward,
};
