#!/usr/bin/env bats
# What test and bench measure: ensembles of unlike networks, answers that are no numbers, calibration without an answer, validation samples, signals.
load helpers

setup_file() {
    make_model
    "$DLCLI" train "$SMALL" -q -o "$BATS_FILE_TMPDIR/other" --seed 8 --epochs 1
}
other() { echo "$BATS_FILE_TMPDIR/other/best.safetensors"; }

near() { awk -v a="$1" -v b="$2" 'BEGIN { d = a - b; exit !(d < 1e-5 && -d < 1e-5) }' || { echo "$1 is not $2"; return 1; }; }
loss_of() { jq -r .loss <<<"$output"; }

# Pictures of one colour each, and networks without parameters whose answer is the colour, whatever their size.
colours() {
    mkdir -p set/red set/green set/blue
    printf 'P3 1 1 255 200 60 20\n' >set/red/a.ppm
    printf 'P3 1 1 255 30 90 120\n' >set/green/a.ppm
    printf 'P3 1 1 255 80 80 90\n' >set/blue/a.ppm
    printf '%s\n' '[avgpool]' '[softmax]' >ends
    data=('[data]' source=images path=set test=set 'classes=red,green,blue')
    { printf '%s\n' '[net]' width=4 height=4 channels=3 batch=3 "${data[@]}"; cat ends; } >small.cfg
    { printf '%s\n' '[net]' width=96 height=80 channels=3 batch=3 "${data[@]}"; cat ends; } >big.cfg
    { printf '%s\n' '[net]' width=96 height=80 channels=3 batch=3; cat ends; } >bare.cfg
}

table() {   # FILE X... : rows of x and y = 2 x
    local file=$1
    shift
    { echo x,y; for x; do echo "$x,$((2 * x))"; done; } >"$file"
}
line() { printf '%s\n' '[net]' inputs=1 '[data]' source=csv path=t.csv test=t.csv '[connected]' weights=2 "biases=$1" activation=linear '[cost]'; }

@test "an ensemble of networks whose inputs differ in size, with views and without" {
    colours
    for tta in none mirror mirror-translate; do
        run -0 dlcli test small.cfg --json --tta $tta
        wanted=$(loss_of)
        for others in big.cfg bare.cfg "big.cfg bare.cfg"; do
            # shellcheck disable=SC2086   # several names
            run -0 dlcli test small.cfg $others --json --tta $tta
            near "$(loss_of)" "$wanted"
        done
    done
    sed 's/^path=.*/&\nmean=auto/' big.cfg >auto.cfg
    run -0 dlcli test small.cfg --json
    wanted=$(loss_of)
    run -0 dlcli test small.cfg auto.cfg --json
    near "$(loss_of)" "$wanted"
}

@test "an ensemble of a network of pictures and one that reads their rows as steps" {
    colours
    printf '%s\n' '[net]' inputs=12 time_steps=4 batch=3 '[data]' source=images path=set test=set classes=red,green,blue '[rnn]' output=3 sequence=last '[softmax]' >steps.cfg
    for file in red/a green/a blue/a; do
        for cfg in small steps; do dlcli predict -q --json -m $cfg.cfg set/$file.ppm | jq -c '[.top | sort_by(.index)[].probability]'; done
    done >each
    for models in small steps "small steps" "steps small"; do
        # shellcheck disable=SC2046,SC2086   # several names
        run -0 --separate-stderr dlcli test $(printf '%s.cfg ' $models) --json
        near "$(loss_of)" "$(jq -s --arg m "$models" '[range(3) as $i | [if $m == "steps" then empty else .[2 * $i][$i] end, if $m == "small" then empty else .[2 * $i + 1][$i] end]
            | -(add / length | log)] | add / 3' each)"
    done
}

@test "tables that two models normalize each in its own way are refused" {
    table t.csv 1 2 3 4 5 6 7 8
    { line 0 | sed 's/^\[connected\]/normalize=standard\nvalid=4\n&/; s/^inputs=1/&\nepochs=1/'; } >t.cfg
    for seed in 1 2; do dlcli train t.cfg -q -o run$seed --seed $seed; done
    run -2 --separate-stderr dlcli test run1/last.safetensors run2/last.safetensors
    says 'has another [data] normalize_shift than run1/last.safetensors'
    run -0 dlcli test run1/last.safetensors run1/last.safetensors
}

@test "classes of other names, and scores beside probabilities, are no ensemble" {
    colours
    sed 's/^classes=.*/classes=blue,green,red/' small.cfg >turned.cfg
    sed 's/^\[softmax\]/[cost]\ntype=hinge/' small.cfg >hinge.cfg
    for pair in 'turned.cfg:turned.cfg: its class 0 is "blue", that of small.cfg "red"' 'hinge.cfg:hinge.cfg: gives scores, but small.cfg probabilities'; do
        run -2 --separate-stderr dlcli test small.cfg "${pair%%:*}"
        says "${pair#*:}"
    done
}

@test "a regression ensemble's loss is that of its averaged outputs" {
    table t.csv 1 2 3
    line 1 >above.cfg
    line -1 >below.cfg
    run -0 dlcli test above.cfg --json
    holds '.loss == 1 and .rmse == 1'
    for precision in fp32 bf16; do
        run -0 --separate-stderr dlcli test above.cfg below.cfg --json --precision $precision
        holds '.loss == 0 and .rmse == 0 and .r2 == 1'
    done
    sed 's/^\[cost\]/&\ntype=l1/' above.cfg >l1.cfg
    run -0 dlcli test l1.cfg below.cfg --json
    holds '.loss == 0'
}

@test "a model that answers NaN has no loss, alone and in an ensemble, and says no class" {
    printf '10,0\n20,1\n' >t.csv
    printf '%s\n' '[net]' inputs=1 '[data]' source=csv path=t.csv test=t.csv '[connected]' output=2 weights=3e38,3e38 biases=0,0 activation=linear '[softmax]' >nan.cfg
    for models in nan.cfg "nan.cfg nan.cfg"; do
        # shellcheck disable=SC2086   # several names
        run -3 --separate-stderr dlcli test $models --json --fail-under loss=100
        holds '.images == 2 and .loss == null and .top1 == 0 and .top5 == 0 and .ece == null and .confusion == [[0, 0], [0, 0]]'
    done
}

@test "test --calibrate where no temperature is best: the model stays as it is" {
    printf '%s\n' 1,0 2,0 3,0 4,0 -1,1 -2,1 -3,1 -4,1 >t.csv
    sed 's/0$/x/; s/1$/0/; s/x$/1/' t.csv >wrong.csv
    printf '%s\n' '[net]' inputs=1 batch=8 epochs=30 learning_rate=0.5 '[data]' source=csv path=t.csv valid=t.csv classes=2 '[connected]' output=2 \
        activation=linear '[softmax]' >t.cfg
    dlcli train t.cfg -q -o run
    cp run/last.safetensors m.safetensors
    for data in t.csv wrong.csv; do
        run -1 --separate-stderr dlcli test m.safetensors --calibrate --set data.valid=$data
        says 'no temperature'
        cmp m.safetensors run/last.safetensors
    done
    run -2 --separate-stderr dlcli test m.safetensors --calibrate --set softmax1.calibration=1e-7
    says 'calibration'
    run -2 --separate-stderr dlcli test "$(model)" --calibrate --tta mirror
    says '--calibrate and --tta exclude each other'
}

@test "what --calibrate comes to must be what the model's config takes" {
    cp "$(model)" m.safetensors
    temperature=$(dlcli test m.safetensors --calibrate --json | jq .temperature)
    cp "$(model)" m.safetensors
    ends=(softmax1.calibration=0.000001 softmax1.temperature=1000000)   # together 1; and the fit goes beyond
    jq -en "$temperature < 1" || ends=(softmax1.calibration=1000000 softmax1.temperature=0.000001)
    run -2 --separate-stderr dlcli test m.safetensors --calibrate --set "${ends[0]}" --set "${ends[1]}"
    says 'calibration: want 1e-06..1000000, got'
    cmp m.safetensors "$(model)"
}

@test "models that drew other validation samples, and --seed, are refused but for the test split" {
    for split in valid train; do
        run -2 --separate-stderr dlcli test "$(model)" "$(other)" --split $split
        says 'with valid=24 and seed=8'
        run -2 --separate-stderr dlcli test "$(model)" --split $split --seed 9
        says '--seed'
        run -0 dlcli test "$(model)" --split $split --seed 3
    done
    run -0 dlcli test "$(model)" "$(other)"
    run -2 --separate-stderr dlcli test "$(model)" --calibrate --seed 9
    says '--seed'
}

@test "test --confusion: refused of a regression; what was measured is said where the picture can't be written" {
    table t.csv 1 2 3
    line 1 >above.cfg
    run -2 --separate-stderr dlcli test above.cfg --confusion c.png
    says 'regression'
    [ -z "$output" ]
    run -2 --separate-stderr dlcli test "$(model)" --confusion nowhere/c.png
    says 'nowhere/c.png'
    [ -z "$output" ]
    ln -s /dev/full c.svg
    run -1 --separate-stderr dlcli test "$(model)" --json --confusion c.svg --fail-under top1=1.5
    says '/dev/full'
    says 'top1 is'
    holds '.images == 24'
}

@test "bench --data: as many answers as labels, and the samples that were run" {
    for ((i = 0; i < 4; i++)); do echo 1,2,3,4,5,6,7,8,9,10,$((i % 2)); done >t.csv
    printf '%s\n' '[net]' inputs=2 time_steps=5 batch=4 '[rnn]' output=3 '[connected]' output=2 '[softmax]' >steps.cfg
    run -2 --separate-stderr dlcli bench steps.cfg --train --data csv:t.csv --repeat 1
    says 'the network answers 5 times a sample, the data 1'
    colours
    for mode in train infer; do
        run -0 dlcli bench small.cfg "--$mode" --data images:set --batch 64 --repeat 2 --json
        holds '.batch == 64 and (.images_per_second * .seconds_per_step - 3 | fabs < 1e-3)'
    done
}

# Starts dlcli, sends the signal and says how it ended.
ended() {
    local signal=$1 pid status=0
    shift
    "$DLCLI" "$@" >said 2>&1 &
    pid=$!
    sleep 0.4
    kill "-$signal" $pid
    wait $pid || status=$?
    echo $status
}

@test "a signal ends test and check --gradients" {
    [ "$(ended INT test "$(model)" --set data.count=20000000 --threads 1)" = 130 ]
    [ "$(ended TERM test "$(model)" --set data.count=20000000 --threads 1)" = 143 ]
    [ "$(ended TERM check "$ROOT/cfg/imagenet/googlenet.cfg" --gradients --threads 1)" = 143 ]
}
