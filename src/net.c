/* The keys of [net]: the network's input, and how it is trained. darknet's names and defaults where it has them. */
#include "net.h"

const struct key keys_net[] = {
    /* the input */
    {"width", KEY_INT, NULL, 1, 65536, NULL, "w", "Width of the input."},
    {"height", KEY_INT, NULL, 1, 65536, NULL, "h", "Height of the input."},
    {"channels", KEY_INT, NULL, 1, 65536, NULL, "c", "Channels of the input: 3 for colour, 1 for grey."},
    {"inputs", KEY_INT, NULL, 1, 2147483647, NULL, NULL, "Length of a flat input vector, in place of width, height and channels."},
    {"time_steps", KEY_INT, "1", 1, 1000000, NULL, NULL, "Steps of a sequence that one sample holds."},
    {"carry_state", KEY_BOOL, NULL, 0, 0, NULL, NULL,
     "1: recurrent layers go on from the state that the window of text before left (truncated backpropagation through "
     "time). Default: 1 with source=text where every step has an answer, no layer is bidirectional and subdivisions is "
     "1."},
    /* the batch */
    {"batch", KEY_INT, "1", 1, 1048576, NULL, NULL, "Samples in an update; as many as there are, or more: full-batch gradient descent."},
    {"subdivisions", KEY_INT, "1", 1, 1048576, NULL, NULL, "Parts that a batch is computed in, to save memory; gradients are added up."},
    {"seed", KEY_INT, "0", 0, 4294967295.0, NULL, NULL, "Where all chance starts: the same seed gives the same bits."},
    /* the length */
    {"epochs", KEY_REAL, NULL, 0.0001, 1000000, NULL, "max_epochs",
     "Passes over the training data. A fraction ends the last one early, at the next whole step."},
    {"max_batches", KEY_INT, NULL, 0, 2147483647, NULL, NULL, "Updates, in place of epochs."},
    /* the rule */
    {"optimizer", KEY_CHOICE, "sgd", 0, 0, "sgd|adam|adamw|perceptron|adagrad|rmsprop|adamax|nadam", NULL, "Update rule."},
    {"adam", KEY_BOOL, "0", 0, 0, NULL, NULL, "darknet's switch: 1 means optimizer=adam."},
    {"learning_rate", KEY_REAL, "0.001", 0, 1e6, NULL, NULL, "Rate at the policy's height."},
    {"momentum", KEY_REAL, "0.9", 0, 1, NULL, NULL, "Momentum of sgd."},
    {"nesterov", KEY_BOOL, "0", 0, 0, NULL, NULL, "Nesterov's form of the momentum."},
    {"decay", KEY_REAL, "0.0001", 0, 1e6, NULL, "weight_decay", "Weight decay (L2; decoupled in adamw)."},
    {"l1", KEY_REAL, "0", 0, 1e6, NULL, NULL,
     "L1 penalty: so much times the sum of the weights' absolute values is added to the loss; with decay this is the elastic net."},
    {"decoupled", KEY_BOOL, "0", 0, 0, NULL, NULL,
     "optimizer=sgd: learning_rate and decay are what 1024 samples change, whatever batch and momentum are: both are "
     "multiplied by batch / 1024 and divided by 1 / (1 - momentum), with nesterov by 1 more; and a tensor with a rate of "
     "its own decays as the others do (Jordan, \"94% on CIFAR-10 in 3.29 Seconds on a Single GPU\", 2024)."},
    {"bn_bias_rate", KEY_REAL, "1", 0, 1e6, NULL, NULL, "Multiplies the learning rate of batch norms' biases (beta)."},
    {"lookahead", KEY_INT, "0", 0, 1000000, NULL, NULL,
     "Every so many updates the weights and running statistics move back to a slow average of themselves, which moves "
     "towards them, and a run of its whole length (patience= may end it sooner) ends on the average (Zhang et al., \"Lookahead Optimizer\", 2019); 0: never."},
    {"lookahead_keep", KEY_REAL, "0.5", 0, 1, NULL, NULL, "lookahead: share of the average that such a move keeps."},
    {"lookahead_power", KEY_REAL, "0", 0, 1000, NULL, NULL,
     "lookahead: that share is multiplied by (step / length) ^ lookahead_power, so that it grows over the run; 0: it doesn't."},
    {"decay_all", KEY_BOOL, "0", 0, 0, NULL, NULL, "Decay (and l1) of biases and batch-norm parameters too."},
    {"max_norm", KEY_REAL, "0", 0, 1e6, NULL, NULL,
     "After each update the weights of every output unit or filter are scaled down to this norm where theirs is larger (Srivastava et "
     "al. 2014: 3 or 4); 0: any."},
    {"b1", KEY_REAL, "0.9", 0, 1, NULL, "B1|beta1", "adam, adamw, adamax, nadam: decay of the first moment."},
    {"b2", KEY_REAL, "0.999", 0, 1, NULL, "B2|beta2", "adam, adamw, nadam: decay of the second moment; adamax: of the greatest gradient."},
    {"rmsprop_alpha", KEY_REAL, "0.99", 0, 1, NULL, NULL, "rmsprop: decay of the mean of squares."},
    {"rmsprop_momentum", KEY_REAL, "0", 0, 1, NULL, NULL, "rmsprop: momentum of the scaled gradients."},
    {"momentum_decay", KEY_REAL, "0.004", 0, 1, NULL, NULL, "nadam: how fast the momentum rises to b1."},
    {"eps", KEY_REAL, NULL, 0, 1, NULL, NULL, "Added to the denominator (default: 1e-8; of adagrad 1e-10)."},
    {"ema", KEY_REAL, "0", 0, 0.9999999, NULL, NULL,
     "Exponential moving average of the weights: after each update average = ema * average + (1 - ema) * weight, and the average is what is "
     "validated and saved (0.999 for some thousand updates); 0: off."},
    {"clip", KEY_REAL, "0", 0, 1e30, NULL, "clip_norm", "Gradients of a larger norm are scaled down to this one; 0: never."},
    /* the schedule */
    {"policy", KEY_CHOICE, "constant", 0, 0, "constant|step|steps|exp|poly|sigmoid=sig|random|cosine|onecycle=one-cycle|plateau|sgdr|triangle", NULL,
     "How the learning rate changes over the steps."},
    {"burn_in", KEY_INT, "0", 0, 2147483647, NULL, NULL, "Steps at the start with rate * (step / burn_in) ^ power (darknet)."},
    {"warmup", KEY_REAL, "0", 0, 1e9, NULL, NULL, "Linear rise from 0 at the start: steps, or below 1 a fraction of the whole length."},
    {"power", KEY_REAL, "4", 0, 1000, NULL, NULL, "Exponent of burn_in and policy=poly."},
    {"step", KEY_INT, "1", 1, 2147483647, NULL, NULL, "policy=step: steps between reductions."},
    {"scale", KEY_REAL, "1", 0, 1000, NULL, NULL, "policy=step: factor."},
    {"steps", KEY_REALS, NULL, 0, 2147483647, NULL, NULL, "policy=steps: where the rate changes; below 1 fractions of the whole length."},
    {"scales", KEY_REALS, NULL, 0, 1000, NULL, NULL, "policy=steps: the factor at each of `steps`."},
    {"gamma", KEY_REAL, "1", 0, 1000, NULL, NULL, "policy=exp and sigmoid: factor a step."},
    {"learning_rate_min", KEY_REAL, "0", 0, 1e6, NULL, NULL, "policy=cosine, onecycle, plateau, sgdr: the lowest rate."},
    {"peak", KEY_REAL, "0.3", 0, 1, NULL, NULL, "policy=onecycle, triangle: where the rate is highest, as a fraction of the length."},
    {"start_factor", KEY_REAL, "0.04", 0, 1, NULL, NULL, "policy=onecycle, triangle: first rate over the highest."},
    {"end_factor", KEY_REAL, "0", 0, 1, NULL, NULL, "policy=onecycle, triangle: last rate over the highest."},
    {"anneal", KEY_CHOICE, "cosine", 0, 0, "cosine|linear", NULL, "policy=onecycle: the form of both slopes."},
    {"plateau_factor", KEY_REAL, "0.1", 0, 1, NULL, NULL, "policy=plateau: factor when validation stopped improving."},
    {"plateau_patience", KEY_INT, "10", 0, 1000000, NULL, NULL, "policy=plateau: epochs without improvement before that."},
    {"sgdr_cycle", KEY_INT, NULL, 1, 2147483647, NULL, NULL, "policy=sgdr: steps of the first cycle (default: the whole length)."},
    {"sgdr_mult", KEY_REAL, "2", 1, 1000, NULL, NULL, "policy=sgdr: each cycle is this much longer than the one before."},
    /* the loss */
    {"label_smoothing", KEY_REAL, "0", 0, 1, NULL, "label_smooth_eps", "Share of the target that is spread over all classes."},
    {"class_weights", KEY_REALS, NULL, 0, 1e6, NULL, NULL, "Weight of each class in the loss."},
    /* stopping and saving */
    {"patience", KEY_INT, "0", 0, 1000000, NULL, NULL, "Stop after this many epochs without a better validation; 0: never."},
    {"on_divergence", KEY_CHOICE, "stop", 0, 0, "stop|rollback", NULL,
     "What to do when the loss is not finite: stop, or go back to the last checkpoint of an epoch's end or of checkpoint_steps, with half the rate."},
    {"rollback_tries", KEY_INT, "3", 1, 1000, NULL, NULL, "on_divergence=rollback: how often before giving up."},
    {"checkpoint_steps", KEY_INT, "0", 0, 2147483647, NULL, NULL, "Also save `last` after so many steps; 0: only after epochs."},
    {"checkpoint_minutes", KEY_REAL, "10", 0, 1e6, NULL, NULL, "Also save `last` after so many minutes; 0: only after epochs."},
    {"checkpoint_epochs", KEY_INT, "1", 1, 1000000, NULL, NULL, "Save `last` after every so many epochs, and at the end."},
    {"log_steps", KEY_INT, "100", 1, 2147483647, NULL, NULL, "Steps between `step` events in metrics.jsonl."},
    /* darknet's augmentation keys: [data]'s, in darknet's units */
    {"angle", KEY_REAL, NULL, 0, 360, NULL, NULL, "As in [data]."},
    {"hue", KEY_REAL, NULL, 0, 1, NULL, NULL, "As in [data]."},
    {"saturation", KEY_REAL, NULL, 0, 100, NULL, NULL, "As in [data]."},
    {"exposure", KEY_REAL, NULL, 0, 100, NULL, NULL, "As in [data]."},
    {"aspect", KEY_REAL, NULL, 0, 100, NULL, NULL, "As in [data]."},
    {"min_crop", KEY_INT, NULL, 0, 65536, NULL, NULL, "As in [data]."},
    {"max_crop", KEY_INT, NULL, 0, 65536, NULL, NULL, "As in [data]."},
    {"flip", KEY_BOOL, NULL, 0, 0, NULL, NULL, "As in [data]."},
    /* darknet's, not offered: only 0 means here what it means there */
    {"contrastive", KEY_CHOICE, "0", 0, 0, "0", NULL, "Contrastive learning is not offered."},
    {"unsupervised", KEY_CHOICE, "0", 0, 0, "0", NULL, "Contrastive learning without labels is not offered."},
    {"adversarial_lr", KEY_CHOICE, "0", 0, 0, "0", NULL, "Adversarial training is not offered."},
    {"mixup", KEY_CHOICE, "0", 0, 0, "0", NULL, "See mixup= in [data]."},
    {"cutmix", KEY_CHOICE, "0", 0, 0, "0", NULL, "See cutmix= in [data]."},
    {"ema_alpha", KEY_CHOICE, "0", 0, 0, "0", NULL, "See ema=."},
    {"gaussian_noise", KEY_CHOICE, "0", 0, 0, "0", NULL, "darknet's noise is not offered; see noise= in [data]."},
    /* darknet's, without use here */
    {"max_ratio", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"min_ratio", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"center", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"random", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"notruth", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"track", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"mosaic", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"blur", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"letter_box", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"dynamic_minibatch", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"try_fix_nan", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {"loss_scale", KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
    {NULL, KEY_IGNORED, NULL, 0, 0, NULL, NULL, NULL},
};

const struct key *const net_tables[] = {keys_net, NULL};

int net_mini_batch(const struct section *net) {
    long batch = config_int(net, "batch"), parts = config_int(net, "subdivisions");
    return (int)(batch / parts < 1 ? 1 : batch / parts);
}
