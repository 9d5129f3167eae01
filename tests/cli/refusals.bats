#!/usr/bin/env bats
# What would be accepted and have no effect, or another than was asked for: it is refused, and `check` says what `train` would.
load helpers

# Does `check` refuse what the words describe, with this sentence, and `train` too?
refused() {
    local sentence=$1
    shift
    for command in check train; do
        run -2 --separate-stderr dlcli $command "$@"
        says "$sentence"
    done
}

table() {
    printf 'a,b,y\n1,5,1\n2,7,2\n3,1,3\n4,9,4\n' >t.csv
    printf '%s\n' '[net]' inputs=2 batch=4 epochs=2 learning_rate=0.01 '[data]' source=csv path=t.csv "$@" '[conn]' output=1 activation=linear '[cost]' >t.cfg
}

@test "check refuses what train would of [net]" {
    refused 'net.decoupled: want optimizer=sgd' "$SMALL" --set net.decoupled=1 --set net.optimizer=adam
    refused 'net.adam: 1 contradicts optimizer=sgd' "$SMALL" --set net.adam=1 --set net.optimizer=sgd
    sed 's/^epochs=6/max_batches=0/' "$SMALL" >endless.cfg
    refused 'net.lookahead_power: needs a length' endless.cfg --set net.lookahead=2 --set net.lookahead_power=1 --set net.policy=constant
    sed 's/^\[softmax\]/[cost]\ntype=hinge/' "$SMALL" >hinge.cfg
    refused 'net.label_smoothing: the hinge loss' hinge.cfg --set net.label_smoothing=0.1
}

@test "keys of [data] that the format has no use for" {
    table
    for set in flip=1 crop_padding=2 cutout=3 angle=5 hue=0.1 scale=1.2 color=bgr resize=stretch randaugment=1 mean=0.5 vocabulary=a,b unit=byte; do
        refused "data.${set%%=*}: is of no use with source=csv" t.cfg --set "data.$set"
    done
    refused 'net.flip: is of no use with source=csv' t.cfg --set net.flip=1
    for set in normalize=standard features=1,2 header=1 'delimiter=;'; do
        refused "data.${set%%=*}: is of no use with source=cifar10" "$ROOT/cfg/lenet.cfg" --set "data.path=$SAMPLE" --set "data.$set"
    done
    printf 'abcabcabcabcabcabcabcabcabcabc\n' >letters.txt
    printf '%s\n' '[net]' inputs=1 time_steps=4 batch=2 max_batches=2 '[data]' source=text path=letters.txt '[onehot]' size=4 '[rnn]' output=4 \
        '[connected]' output=4 '[softmax]' >text.cfg
    for set in noise=0.1 mean=auto cutout=2 normalize=minmax; do
        refused "data.${set%%=*}: is of no use with source=text" text.cfg --set "data.$set"
    done
    run -0 dlcli check t.cfg --set data.flip=0 --set data.cutout=0   # as it is anyway
}

@test "keys of [data] that say more of another, alone" {
    table
    refused 'data.normalize_shift: want normalize=standard or minmax with it' t.cfg --set data.normalize_shift=1,2 --set data.normalize_scale=1,2
    refused 'data.normalize_scale: want normalize_shift= with it' t.cfg --set data.normalize=minmax --set data.normalize_scale=1,2
    refused 'data.normalize_scale: want numbers other than 0, which features are divided by; that of feature 1 is 0' t.cfg \
        --set data.normalize=minmax --set data.normalize_shift=1,2 --set data.normalize_scale=1,0
    refused 'data.randaugment_magnitude: want randaugment= with it' "$SMALL" --set data.randaugment_magnitude=3
    refused 'data.crop_fill: want crop_padding= with it' "$SMALL" --set data.crop_padding=0 --set data.crop_fill=reflect
    printf 'abcabcabcabc\n' >letters.txt
    printf '%s\n' '[net]' inputs=1 time_steps=4 batch=2 max_batches=2 '[data]' source=text path=letters.txt '[onehot]' size=4 '[rnn]' output=4 \
        '[connected]' output=4 '[softmax]' >text.cfg
    refused 'data.vocabulary: is of no use with source=text' text.cfg --set data.vocabulary=a,b
    # what a model keeps is no such key, whatever it is tested on
    dlcli train t.cfg -q -o run --set data.normalize=standard
    run -0 dlcli test run/last.safetensors --data csv:t.csv
    dlcli train "$SMALL" -q -o made --max-batches 1 --set data.crop_padding=1 --set data.crop_fill=reflect
    mkdir -p pictures/red
    cp "$ROOT/tests/fixtures/images/rgb.png" pictures/red/
    run -0 dlcli test made/last.safetensors --data images:pictures
}

@test "csv: columns go by their names, in predict, test and the other splits" {
    table epochs=2
    sed -i '/^epochs=2$/d; s/^batch=4/batch=4\nepochs=300/' t.cfg
    dlcli train t.cfg -q -o run
    printf 'b,a\n9,1\n9,2\n' >turned.csv
    printf 'a,b\n1,9\n2,9\n' >straight.csv
    dlcli predict turned.csv -m run/last.safetensors --output turned.npy
    dlcli predict straight.csv -m run/last.safetensors --output straight.npy
    cmp turned.npy straight.npy
    printf 'y,a,b\n1,1,5\n2,2,7\n3,3,1\n4,4,9\n' >first.csv
    dlcli test run/last.safetensors --data csv:t.csv --json | jq .loss >straight
    dlcli test run/last.safetensors --data csv:first.csv --json | jq .loss >turned
    cmp straight turned
    printf 'b,c\n9,1\n' >other.csv
    run -2 --separate-stderr dlcli predict other.csv -m run/last.safetensors
    says 'has no column "a"'
    printf '1,9\n' >bare.csv
    run -0 dlcli predict bare.csv -m run/last.safetensors
    refused 'first.csv: column 0 is "y", but "a" in t.csv' t.cfg --set data.valid=first.csv
    run -0 dlcli check t.cfg --set data.valid=first.csv --set data.features=a,b --set data.target=y
}

@test "--tta is refused where the answer is a picture" {
    printf '%s\n' '[net]' width=8 height=8 channels=1 batch=4 max_batches=2 '[data]' source=synthetic target=input '[conn]' output=64 '[cost]' >flat.cfg
    dlcli train flat.cfg -q -o flat
    run -2 --separate-stderr dlcli test flat/last.safetensors --tta mirror
    says 'answers with pictures'
}

@test "losses of other steps or widths than the output's" {
    printf '%s\n' '[net]' inputs=1 time_steps=8 batch=4 '[embedding]' size=9 output=4 '[lstm]' output=4 sparsity=0.1 '[lstm]' output=4 sequence=last \
        '[connected]' output=3 '[softmax]' >steps.cfg
    run -2 --separate-stderr dlcli check steps.cfg
    says '[lstm] sparsity: its loss is of 8 steps a sample, but the network answers at 1'
}

@test "sparsity behind the loss, and a window's keys without a window" {
    run -2 --separate-stderr dlcli check "$SMALL" --set softmax.sparsity=0.1
    says 'sparsity: the penalty is of a layer before the loss'
    printf '%s\n' '[net]' width=8 height=8 channels=1 batch=4 '[avgpool]' ceil=1 '[connected]' output=2 '[softmax]' >pool.cfg
    run -2 --separate-stderr dlcli summary pool.cfg
    says 'ceil: is of no use here: want size= with it'
    for set in ceil=1 padding=1 pad_each=1; do
        printf '%s\n' '[net]' width=8 height=8 channels=1 batch=4 '[maxpool]' "$set" '[connected]' output=2 '[softmax]' >max.cfg
        run -2 --separate-stderr dlcli summary max.cfg
        says "${set%=*}: is of no use here: want size= with it"
    done
}

@test "keys about learning in layers that have nothing of the kind" {
    for set in learning_rate=0.5 decay=0.1 l1=0.1 max_norm=3 freeze_weights=1 bias_epochs=2; do
        refused "${set%=*}: is of no use here" "$SMALL" --set "maxpool1.$set"
    done
    refused 'bias_epochs: is of no use here: the layer has no biases' "$SMALL" --set connected1.bias=0 --set connected1.bias_epochs=2
    sed 's/^\[softmax\]/[batchnorm]\n[softmax]/' "$SMALL" >norm.cfg
    refused 'decay: is of no use here: the layer has no weights that decay' norm.cfg --set batchnorm1.decay=0.1
    run -0 dlcli check norm.cfg --set batchnorm1.decay=0.1 --set net.decay_all=1
    run -0 dlcli check "$SMALL" --set maxpool1.learning_rate=1 --set maxpool1.decay=0   # as it is anyway
}

@test "keys of init= that its kind doesn't read" {
    refused 'init_std: is of no use here: it is for init=normal' "$SMALL" --set conv1.init_std=0.02
    refused 'init_min: is of no use here: it is for init=uniform' "$SMALL" --set conv1.init=normal --set conv1.init_min=-3
    refused 'init_gain: is of no use here' "$SMALL" --set conv1.init=uniform --set conv1.init_gain=2
    printf '%s\n' '[net]' inputs=3 time_steps=2 batch=2 '[lstm]' name=cells output=4 sequence=last '[connected]' output=2 '[softmax]' >cells.cfg
    run -2 --separate-stderr dlcli check cells.cfg --set cells.init_gain=0.001
    says 'init_gain: is of no use here'
    run -0 dlcli check cells.cfg --set cells.init=pytorch --set cells.init_gain=0.001
}

@test "a key twice: the same list or number in other words is the same; darknet's keys that mean others here name them" {
    sed 's/^momentum=0.9/&\nmomentum=0.90\nsteps=1,2\nsteps=1 , 2/' "$SMALL" >twice.cfg
    run -0 --separate-stderr dlcli check twice.cfg
    says 'the same value in line'
    sed 's/^momentum=0.9/&\nmomentum=0.91/' "$SMALL" >other.cfg
    refused 'given twice' other.cfg
    run -0 dlcli check "$SMALL" --set net.mixup=0 --set net.cutmix=0 --set net.ema_alpha=0
    run -2 dlcli check "$SMALL" --set net.mixup=1
}

@test "moments that never move" {
    for key in b1 b2; do refused "net.$key: want a number below 1" "$SMALL" --set net.optimizer=adam --set net.$key=1; done
}

@test "a validation text of more streams than a pass of the training text has" {
    printf 'abcabcabcabcabcabcabcabcabcabcabcabcabc\n' >letters.txt
    for _ in {1..20}; do cat letters.txt; done >valid.txt
    printf '%s\n' '[net]' inputs=1 time_steps=8 batch=16 epochs=2 '[data]' source=text path=letters.txt valid=valid.txt '[onehot]' size=4 '[rnn]' output=4 \
        '[connected]' output=4 '[softmax]' >text.cfg
    refused 'net.batch: the training text has windows for 4 streams only, but the validation would be read in 16' text.cfg --set net.batch=16
    run -0 dlcli train text.cfg -q -o run --set net.batch=4
}

@test "whitening says how weights begin, and its other keys are for it alone" {
    refused 'whitening_eps: is of no use here: it is for whitening=1' "$SMALL" --set conv1.whitening_eps=0.1
    refused 'init: contradicts whitening=1' "$ROOT/cfg/airbench94.cfg" --set "data.path=$SAMPLE" --set whiten.init=he
}

@test "summary: every time step of a convolution counts" {
    for t in 1 3; do
        printf '%s\n' '[net]' width=6 height=6 channels=2 time_steps=$t batch=1 '[convolutional]' filters=4 size=3 pad=1 '[avgpool]' '[connected]' output=2 '[softmax]' >t.cfg
        dlcli summary t.cfg --json | jq '.layers[0].flops' >flops$t
    done
    [ "$(cat flops1)" = 5184 ] && [ "$(cat flops3)" = 15552 ]
}

@test "plot: a legend of many runs makes the picture taller, not the curves smaller" {
    for i in {1..30}; do
        mkdir -p "experiment-number-$i"
        printf '{"event":"epoch","epoch":%d,"step":%d,"train_loss":1,"valid_loss":2,"train_top1":0.5,"valid_top1":0.4,"learning_rate":0.1}\n' 1 1 2 2 >"experiment-number-$i/metrics.jsonl"
    done
    dlcli plot experiment-number-1 --output one.svg
    dlcli plot experiment-number-* --output many.svg
    height() { grep -o 'height="[0-9.]*"' "$1" | head -1 | tr -dc 0-9.; }
    awk -v one="$(height one.svg)" -v many="$(height many.svg)" 'BEGIN { exit !(many > one + 150) }'
    run -1 grep -q 'height="-' many.svg
}

@test "a layer's name can't be longer than what a tensor's name holds" {
    name=$(printf 'y%.0s' {1..201})
    run -2 --separate-stderr dlcli summary "$SMALL" --set "conv1.name=$name"
    says 'want a name of at most 200 bytes, got 201'
    run -0 dlcli summary "$SMALL" --set "conv1.name=${name:1}"
}

@test "a run too short for lookahead's first move keeps what it learned" {
    dlcli train "$SMALL" -q -o with --max-batches 2 --set net.lookahead=3
    dlcli train "$SMALL" -q -o without --max-batches 2
    for run in with without; do dlcli predict "$PICTURES/ship.png" -m $run/last.safetensors --json >$run.json; done
    cmp with.json without.json
}

@test "a partial batch does not blow up what stands for its missing samples" {
    { printf '%s\n' '[net]' width=1 height=1 channels=16 batch=8 epochs=3 seed=1 '[data]' source=synthetic count=9 classes=3
      for _ in {1..21}; do printf '%s\n' '[convolutional]' filters=16 size=1 batch_normalize=1 activation=linear; done
      printf '%s\n' '[connected]' output=3 '[softmax]'; } >deep.cfg
    run -0 dlcli train deep.cfg -q -o deep
}

@test "data of another number of targets or classes than the network's outputs" {
    table
    sed -i 's/output=1/output=3/' t.cfg
    refused 'the samples have 1 target values, but the network has 3 outputs' t.cfg
    run -2 --separate-stderr dlcli test t.cfg --data csv:t.csv
    says 'the samples have 1 target values, but the network has 3 outputs'
    sed 's/^\[softmax\]/[connected]\noutput=3\n[cost]\ntype=sse/' "$SMALL" >sse.cfg
    refused 'the data has 4 classes, but the network has 3 outputs' sse.cfg
    dlcli train sse.cfg -q -o sse --set connected2.output=4 --epochs 1
    run -3 --separate-stderr dlcli test sse/last.safetensors --json --fail-under rmse=1000   # labels have no distance from an output
    holds '.rmse == null'
}

@test "calibrating a softmax whose loss is a [cost]; the run goes on afterwards" {
    sed 's/^\[softmax\]/[softmax]\nnoloss=1\n[cost]\ntype=mse/' "$SMALL" >mse.cfg
    dlcli train mse.cfg -q -o run --epochs 4
    before=$(dlcli test run/last.safetensors --split valid --json | jq .calibration_error)
    dlcli test run/last.safetensors --split valid --calibrate -q
    run -0 dlcli test run/last.safetensors --split valid --json
    holds ".calibration_error <= $before + 0.01"
    run -0 dlcli train mse.cfg -q -o run --epochs 4 --resume   # is compared with the checkpoint's config, finished or not
}

@test "train_top1 counts the answers that have a label, with class weights too" {
    printf 'a b c d\tN V N V\na b\tN V\na\tN\n' >tags.tsv
    printf '%s\n' '[net]' inputs=1 time_steps=6 batch=3 epochs=1 '[data]' source=tsv path=tags.tsv unit=word '[onehot]' size=5 '[rnn]' output=4 \
        '[connected]' output=2 '[softmax]' >tags.cfg
    for weights in 1,1 2,2; do
        dlcli train tags.cfg --json -q -o "w$weights" --set net.class_weights=$weights | jq 'select(.event == "epoch") | .train_top1' >"$weights"
    done
    dlcli train tags.cfg --json -q -o plain | jq 'select(.event == "epoch") | .train_top1' >plain.top1
    cmp plain.top1 1,1
    cmp plain.top1 2,2
}
