/* The gated recurrent unit (Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", 2014), in cuDNN's
 * and PyTorch's form. */
#include "layers/recurrent.h"

static int shape(struct node *node, struct err *err) {
    return recurrent_shape(node, CELL_GRU, 3, err);
}

static const struct key *const tables[] = {keys_recurrent, keys_init, NULL};
const struct layer_ops layer_gru = {
    .name = "gru",
    .help = "Gated recurrent unit (Cho et al. 2014) as PyTorch's nn.GRU: gates r, z logistic of weight_ih x[t] + "
            "bias_ih + weight_hh h[t-1] + bias_hh; n = tanh(W x[t] + b + r (W' h[t-1] + b')); h[t] = (1 - z) n + z "
            "h[t-1]. Parameters start uniform within 1 / sqrt(output), unless init= says otherwise of the weights.",
    .example = "[gru]\noutput=128\n",
    .keys = tables,
    .shape = shape,
    .plan = recurrent_plan,
    .pack = recurrent_pack,
    .forward = recurrent_forward,
    .backward = recurrent_backward,
};
