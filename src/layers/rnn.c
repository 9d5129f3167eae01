/* The simple recurrent layer (Elman, "Finding Structure in Time", 1990). */
#include "layers/recurrent.h"

static const struct key keys[] = {
    {"activation", KEY_CHOICE, "tanh", 0, 0, "tanh|relu", NULL, "The function of the cell."},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

static int shape(struct node *node, struct err *err) {
    return recurrent_shape(node, config_choice(node->section, "activation") == 1 ? CELL_RELU : CELL_TANH, 1, err);
}

static const struct key *const tables[] = {keys_recurrent, keys, keys_init, NULL};
const struct layer_ops layer_rnn = {
    .name = "rnn",
    .help = "Recurrent layer without gates: h[t] = tanh(weight_ih x[t] + bias_ih + weight_hh h[t-1] + bias_hh), or relu "
            "in place of tanh (Elman 1990), as PyTorch's nn.RNN. Parameters start uniform within 1 / sqrt(output), "
            "unless init= says otherwise of the weights.",
    .example = "[rnn]\noutput=128\n",
    .keys = tables,
    .shape = shape,
    .plan = recurrent_plan,
    .pack = recurrent_pack,
    .forward = recurrent_forward,
    .backward = recurrent_backward,
};
