#!/usr/bin/env bats
# Methods beside the layers: averaged weights, mixing, the learning-rate range test, test-time views, calibration, ensembles.
load helpers

setup_file() {
    make_model
    "$DLCLI" train "$SMALL" -q -o "$BATS_FILE_TMPDIR/other" --seed 8 --epochs 2
    "$DLCLI" train "$SMALL" -q -o "$BATS_FILE_TMPDIR/third" --seed 9 --epochs 3
}
other() { echo "$BATS_FILE_TMPDIR/other/best.safetensors"; }
third() { echo "$BATS_FILE_TMPDIR/third/best.safetensors"; }

near() { awk -v a="$1" -v b="$2" -v most="${3:-1e-6}" 'BEGIN { d = a - b; exit !(d < most && -d < most) }' || { echo "$1 is not $2"; return 1; }; }
loss_of() { jq -r .loss <<<"$output"; }
# The probability of class 2 of the only line.
blue_of() { jq -r '.top[] | select(.index == 2) | .probability'; }

@test "ema: what is validated and saved is the average; the same bits for any number of threads" {
    all=(--set net.ema=0.8 --set net.optimizer=nadam --set data.mixup=0.4 --set data.cutmix=1 --set data.randaugment=2 --epochs 3)
    for n in 1 2 7; do dlcli train "$SMALL" -q -o "run$n" --threads $n "${all[@]}"; done
    for n in 2 7; do
        cmp run1/last.safetensors "run$n/last.safetensors"
        same_metrics run1/metrics.jsonl "run$n/metrics.jsonl" run1 "run$n"
    done
    run -0 dlcli test --json --split valid run1/last.safetensors
    near "$(loss_of)" "$(jq -r 'select(.event == "epoch" and .epoch == 3) | .valid_loss' run1/metrics.jsonl)"
    dlcli train "$SMALL" -q -o plain "${all[@]}" --set net.ema=0
    run -1 cmp -s run1/best.safetensors plain/best.safetensors
}

@test "mixing is refused where labels can't be shared" {
    for end in '[cost]\ntype=hinge' '[softmax]\nnoloss=1\n[cost]\ntype=mse'; do
        { sed -n '1,/^\[softmax\]/p' "$SMALL" | sed '$d'; printf '%b\n' "$end"; } >net.cfg
        for key in mixup cutmix; do
            run -2 --separate-stderr dlcli train net.cfg --set data.$key=1
            says "data.$key: want a classifier"
        done
    done
    run -2 --separate-stderr dlcli train "$SMALL" --set data.mixup=1 --set net.class_weights=1,1,2,1
    says 'net.class_weights'
    run -2 --separate-stderr dlcli train "$SMALL" --set data.mixup=-1
    says 'data.mixup'
    run -2 --separate-stderr dlcli train "$SMALL" --set data.randaugment=15
    says 'data.randaugment'
}

@test "regularization keys: out of range, of one layer" {
    for set in net.l1=-1 net.max_norm=-1 net.ema=1 conv1.max_norm=x conv1.l1=-2 net.momentum_decay=2 net.rmsprop_alpha=1.5; do
        run -2 --separate-stderr dlcli train "$SMALL" --set $set
        key=${set%%=*}
        says "${key#*.}"
        says 'want'
    done
    dlcli train "$SMALL" -q -o a --epochs 1
    dlcli train "$SMALL" -q -o b --epochs 1 --set conv1.max_norm=0.5
    run -1 cmp -s a/last.safetensors b/last.safetensors
}

@test "train --find-rate: a rate, the points, a picture; nothing else in RUN is touched" {
    run -0 --separate-stderr dlcli train "$SMALL" -q -o run --find-rate --json --max-batches 60 --threads 2
    output=$(jq -s . <<<"$output")
    holds '.[-1] | .event == "find_rate" and .suggested_rate > 1e-4 and .suggested_rate < .lowest_loss_rate and .run == "run"'
    holds '.[0] | .event == "rate" and .step == 1 and .learning_rate == 1e-6 and .loss > 0 and .smoothed_loss == .loss'
    holds '[.[] | select(.event == "rate") | .learning_rate] | . == sort and length > 30'
    cmp <(jq -cs . run/find-rate.jsonl) <(jq -c . <<<"$output")
    [ "$(head -c 4 run/find-rate.png | tail -c 3)" = PNG ]
    [ "$(cd run && echo *)" = "find-rate.jsonl find-rate.png" ]
    dlcli train "$SMALL" -q -o run --epochs 1
    cp run/last.safetensors before
    run -0 dlcli train "$SMALL" -q -o run --find-rate --rate-min 0.001 --rate-max 0.1 --max-batches 20
    prints 'suggested learning_rate'
    cmp run/last.safetensors before
}

@test "train --find-rate: the same for any number of threads; flags that make no sense are refused" {
    for n in 1 7; do dlcli train "$SMALL" -q -o "run$n" --find-rate --max-batches 12 --threads $n; done
    cmp <(sed 's/"run":.*//' run1/find-rate.jsonl) <(sed 's/"run":.*//' run7/find-rate.jsonl)
    for flags in --resume --force "--epochs 2" "--keep 1" "--rate-min 1 --rate-max 0.1"; do
        # shellcheck disable=SC2086   # an option and its value
        run -2 --separate-stderr dlcli train "$SMALL" -o bad --find-rate $flags
        says '--'
    done
    run -2 --separate-stderr dlcli train "$SMALL" -o bad --rate-min 0.1
    says '--find-rate'
    run -2 --separate-stderr dlcli train "$SMALL" -o bad --find-rate --rate-max -1
    says '--rate-max'
    [ ! -e bad ]
}

@test "an ensemble's probabilities are the means of its models', and its loss theirs" {
    mkdir -p set/red set/green set/blue
    cp "$PICTURES/cat.png" set/red
    cp "$PICTURES/ship.png" set/blue
    models=("$(model)" "$(other)" "$(third)")
    all=(-m "${models[0]}" -m "${models[1]}" -m "${models[2]}")
    loss=0
    for picture in red/cat:0 blue/ship:2; do
        file=set/${picture%:*}.png label=${picture#*:}
        for m in "${models[@]}"; do dlcli predict --json -m "$m" "$file" | jq -c '[.top | sort_by(.index)[].probability]'; done >each
        wanted=$(jq -cs 'transpose | map(add / 3)' each)
        found=$(dlcli predict --json "${all[@]}" "$file" | jq -c '[.top | sort_by(.index)[].probability]')
        jq -en --argjson a "$wanted" --argjson b "$found" '[$a, $b] | transpose | all((.[0] - .[1]) | fabs < 1e-6)'
        loss=$(jq -n --argjson a "$wanted" --argjson l "$loss" "\$l - (\$a[$label] | log) / 2")
    done
    run -0 dlcli test --json "${models[@]}" --data images:set
    near "$(loss_of)" "$loss" 1e-5
    holds '.images == 2'
}

# A picture of the network's size as text, and its mirror image.
picture() {
    awk 'BEGIN { print "P3 12 12 255"; for (y = 0; y < 12; y++) for (x = 0; x < 12; x++) { c = '"$1"' ? 11 - x : x; print (20 * c) % 256, (7 * c * y + 30) % 256, 255 - 15 * c } }'
}

@test "--tta mirror is the mean of a picture and its mirror image" {
    picture 0 >a.ppm
    picture 1 >b.ppm
    for file in a b; do dlcli predict --json -m "$(model)" $file.ppm | blue_of; done >each
    near "$(dlcli predict --json -m "$(model)" a.ppm --tta mirror | blue_of)" "$(jq -s 'add / 2' each)"
    near "$(dlcli predict --json -m "$(model)" a.ppm --tta none | blue_of)" "$(head -n 1 each)"
    moved=$(dlcli predict --json -m "$(model)" a.ppm --tta mirror-translate | blue_of)
    run near "$moved" "$(jq -s 'add / 2' each)" 1e-7
    [ "$status" -ne 0 ]
    mkdir -p set/red set/blue
    cp a.ppm set/blue
    run -0 dlcli test --json "$(model)" --data images:set --tta mirror-translate
    near "$(loss_of)" "$(jq -n "$moved | -log")" 1e-5
    run -0 dlcli test --json "$(model)" "$(other)" --tta mirror
}

@test "--tta: other words, layers and networks without pictures are refused" {
    run -2 --separate-stderr dlcli test "$(model)" --tta flip
    says 'mirror'
    run -2 --separate-stderr dlcli predict "$PICTURES/cat.png" -m "$(model)" --tta mirror --layer conv1
    says '--layer'
    run -2 --separate-stderr dlcli predict 1.csv -m "$ROOT/cfg/course/and-given.cfg" --tta mirror
    says 'no pictures'
}

@test "test --calibrate: less loss, the same classes, written into the model" {
    cp "$(model)" m.safetensors
    run -0 dlcli test --json m.safetensors --split valid
    before=$(loss_of) top1=$(jq .top1 <<<"$output")
    run -0 dlcli test --json m.safetensors --calibrate
    holds '.split == "valid" and .temperature > 0 and .calibration == .temperature and .ece >= 0 and .ece_before >= 0 and .loss <= .loss_before'
    near "$(jq .loss_before <<<"$output")" "$before" 1e-6
    [ "$(jq .top1 <<<"$output")" = "$top1" ]
    after=$(loss_of)
    run -0 dlcli test --json m.safetensors --split valid
    near "$(loss_of)" "$after" 1e-5
    run -0 dlcli test --json m.safetensors --calibrate
    holds '(.temperature - 1 | fabs) < 1e-3'
    dlcli predict --json "$PICTURES/cat.png" -m m.safetensors >calibrated
    dlcli predict --json "$PICTURES/cat.png" -m "$(model)" >plain
    [ "$(jq -c '[.top[].class]' calibrated)" = "$(jq -c '[.top[].class]' plain)" ]
    [ "$(jq -c '.top[0].probability' calibrated)" != "$(jq -c '.top[0].probability' plain)" ]
    run -0 dlcli test m.safetensors
    prints 'calibration error'
}

@test "test --calibrate is refused where it can't be" {
    cp "$(model)" m.safetensors
    run -2 --separate-stderr dlcli test m.safetensors "$(other)" --calibrate
    says 'one model'
    run -2 --separate-stderr dlcli test m.safetensors --calibrate --split test
    says 'test split'
    run -2 --separate-stderr dlcli test "$SMALL" --calibrate
    says 'no checkpoint'
    cmp m.safetensors "$(model)"
}

@test "scores that are no probabilities are not called so" {
    { sed -n '1,/^\[softmax\]/p' "$SMALL" | sed '$d'; printf '[cost]\ntype=hinge\n'; } >hinge.cfg
    dlcli train hinge.cfg -q -o run --epochs 1
    run -0 dlcli predict "$PICTURES/cat.png" -m run/last.safetensors
    [[ $output != *%* ]]
    run -0 dlcli predict --json "$PICTURES/cat.png" -m run/last.safetensors
    holds '.top | length == 4 and all(.probability == null) and .[0].score > .[3].score'
    run -0 dlcli test --json run/last.safetensors
    holds '.ece == null and .top1 >= 0'
    run -2 --separate-stderr dlcli test run/last.safetensors --calibrate
    says 'softmax'
}

@test "a batch of all training samples or more is full-batch gradient descent" {
    dlcli train "$SMALL" -q -o whole --max-batches 4 --set net.batch=72
    dlcli train "$SMALL" -q -o more --max-batches 4 --set net.batch=200
    same_metrics whole/metrics.jsonl more/metrics.jsonl whole more
    [ "$(jq -c 'select(.event == "epoch")' whole/metrics.jsonl | wc -l)" = 4 ]
}

# A network of one layer for tables: class a where the first number is the larger one.
rows() {
    printf '%s\n' x,y,class '1,2,b' '3,1,a' '0,5,b' '7,2,a' '4,9,b' '6,6,a' '2,8,b' '9,3,a' '5,7,b' >rows.csv
    printf '%s\n' '[net]' inputs=2 momentum=0 decay=0 log_steps=1 "$@" '[data]' source=csv path=rows.csv '[connected]' name=h output=4 activation=tanh \
        '[connected]' output=2 '[softmax]' >rows.cfg
}

# The answers of RUN's model to the table, as a file.
answers() {
    printf 'x,y\n1,2\n8,3\n' >ask.csv
    dlcli predict ask.csv -m "$1/last.safetensors" --json >"$1.json"
}

@test "ema averages the weights that lookahead leaves" {
    rows batch=8 learning_rate=0.1 max_batches=7 lookahead=2 lookahead_keep=0.9
    dlcli train rows.cfg -q -o plain
    dlcli train rows.cfg -q -o averaged --set net.ema=1e-12   # an average of the newest weights alone
    answers plain
    answers averaged
    cmp plain.json averaged.json
}

@test "sparsity's share of the loss is the same whatever the classes weigh" {
    rows batch=8 learning_rate=0.1 max_batches=1
    for weights in 1,1 10,10; do
        dlcli train rows.cfg -q -o "w$weights" --set h.sparsity=0.5 --set net.class_weights=$weights --json | jq 'select(.event == "epoch" or .event == "step") | .loss // .train_loss' >"$weights"
        answers "w$weights"
    done
    cmp 1,1 10,10
    cmp w1,1.json w10,10.json
}

@test "sparsity: rows without an answer have no penalty; branches that no loss reads can have none" {
    printf 'a\tN\na\tN\n' >short.tsv
    printf 'a a a a\tN N N N\na a a a\tN N N N\n' >long.tsv
    printf '%s\n' '[net]' inputs=1 time_steps=4 batch=2 momentum=0 decay=0 learning_rate=1 max_batches=1 log_steps=1 '[data]' source=tsv unit=word classes=N,V vocabulary=a path=long.tsv \
        '[embedding]' size=2 output=3 freeze=1 '[connected]' name=c output=4 activation=linear sparsity=1 '[connected]' output=2 init=zero '[softmax]' >tags.cfg
    for kind in short long; do
        dlcli train tags.cfg -q -o $kind --set data.path=$kind.tsv
        jq 'select(.event == "epoch").train_loss' $kind/metrics.jsonl >$kind.loss
    done
    cmp short.loss long.loss
    run -2 --separate-stderr dlcli check tags.cfg --set net.class_weights=1,2 --set net.subdivisions=2
    says 'sparsity: want [net] subdivisions=1 beside class_weights'
    sed 's/^\[connected\]\r*$/&/; s/^output=2$/&\ninput=embedding1/' tags.cfg >branch.cfg
    run -2 --separate-stderr dlcli check branch.cfg
    says 'sparsity: no loss reads this layer'
}

@test "what the optimizer keeps diverges too, before a checkpoint that can't be read" {
    printf 'x,y\n1e12,3e12\n-2e12,1e12\n3e12,-1e12\n1e12,2e12\n' >huge.csv
    printf '%s\n' '[net]' inputs=1 batch=4 epochs=3 optimizer=adam '[data]' source=csv path=huge.csv '[connected]' output=1 activation=linear '[cost]' type=mse >huge.cfg
    run -4 --separate-stderr dlcli train huge.cfg -q -o run
    says "the optimizer's exp_avg_sq of weight of layer \"connected1\""
    [ ! -e run/last.safetensors ]
}

@test "a batch norm learns nothing from a single value" {
    rows batch=8 learning_rate=0
    sed -i 's/^name=h/&\nbatch_normalize=1/' rows.cfg
    dlcli train rows.cfg -q -o first --max-batches 1    # a whole batch of eight
    dlcli train rows.cfg -q -o both --max-batches 2     # and the ninth sample
    answers first
    answers both
    cmp first.json both.json
    run -2 --separate-stderr dlcli check rows.cfg --set net.subdivisions=8 --set net.epochs=1
    says 'wants more than one value a channel'
    run -0 dlcli check rows.cfg --set net.subdivisions=8 --set net.epochs=1 --set h.freeze=1
}

@test "onecycle: learning_rate_min is the floor of both slopes" {
    rows epochs=3 batch=2 policy=onecycle learning_rate=0.1 learning_rate_min=0.05
    dlcli train rows.cfg -q -o run
    [ "$(jq -s 'map(select(.event == "step") | .learning_rate) | min == 0.05 and .[0] == 0.05' run/metrics.jsonl)" = true ]
}

@test "upsample copies, in bf16 too" {
    printf '%s\n' '[net]' width=5 height=5 channels=3 '[upsample]' stride=3 >up.cfg
    dlcli predict "$PICTURES/ship.png" -m up.cfg --precision bf16 --output up.npy
    dlcli predict "$PICTURES/ship.png" -m up.cfg --precision fp32 --set upsample1.stride=1 --output one.npy
    dlcli predict "$PICTURES/ship.png" -m up.cfg --precision bf16 --set upsample1.stride=1 --output rounded.npy
    run -1 cmp -s one.npy rounded.npy
    # every value of the small map nine times
    values() { tail -c "+$((129))" "$1" | od -An -v -tx4 -w4 | sort | uniq -c | awk '{ print $1 / n, $2 }' "n=$2"; }
    values rounded.npy 1 >small
    values up.npy 9 >large
    cmp small large
}

@test "summary counts what the optimizer keeps" {
    train_bytes() { dlcli summary "$ROOT/cfg/lenet.cfg" --json "$@" | jq .memory.train_bytes; }
    sgd=$(train_bytes) adam=$(train_bytes --set net.optimizer=adam --set net.momentum=0.9) ema=$(train_bytes --set net.ema=0.9) ahead=$(train_bytes --set net.lookahead=5)
    [ $((adam - sgd)) = $((4 * 62006)) ] && [ $((ema - sgd)) = $((4 * 62006)) ] && [ $((ahead - sgd)) = $((4 * 62006)) ]
}

@test "darknet's crop: its keys, training, and the same bits for any number of threads" {
    { printf '%s\n' '[net]' batch=8 subdivisions=2 height=16 width=16 channels=3 learning_rate=0.01 max_batches=4 '[data]' source=synthetic count=40 classes=2 \
          '[crop]' flip=1 exposure=1 saturation=1 angle=7 crop_height=12 crop_width=10 '[convolutional]' filters=8 size=3 stride=1 pad=1 activation=relu \
          '[maxpool]' size=2 stride=2 '[connected]' output=2 activation=linear '[softmax]' groups=1; } >crop.cfg
    run -0 --separate-stderr dlcli summary crop.cfg --json
    says '[crop] angle'
    [ "$(jq -c '.layers[0].output' <<<"$output")" = '[3,12,10]' ]
    for n in 1 2; do dlcli train crop.cfg -q -o run$n --threads $n; done
    cmp run1/last.safetensors run2/last.safetensors
    dlcli train crop.cfg -q -o bf16 --precision bf16
    run -0 dlcli check crop.cfg --gradients
    run -0 dlcli predict "$PICTURES/cat.png" -m run1/best.safetensors
}

@test "a whitening layer sees the pictures unrounded in bfloat16: its faintest channel is as in float32" {
    cat >white.cfg <<EOF
[net]
width=32
height=32
channels=3
batch=32
max_batches=1
[data]
source=cifar10
path=$SAMPLE
mean=0.4914,0.4822,0.4465
std=0.247,0.2435,0.2616
[convolutional]
name=white
filters=24
size=2
whitening=1
freeze_weights=1
activation=linear
[connected]
output=10
activation=linear
[softmax]
EOF
    dlcli train white.cfg -q -o run
    for precision in fp32 bf16; do
        dlcli predict --json --layer white --precision $precision -m run/last.safetensors "$PICTURES/cat.png" | jq '.output[11 * 961:12 * 961]' >values.$precision
    done
    jq -es '. as [$a, $b] | def squares: map(. * .) | add; ([range(961) | $a[.] - $b[.]] | squares) < 1e-4 * ($a | squares)' values.fp32 values.bf16
}
