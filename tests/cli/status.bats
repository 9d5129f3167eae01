#!/usr/bin/env bats
# Every exit status of the contract, and the sentence that comes with it.
load helpers

setup_file() { make_model; }

@test "0: done, and nothing on stderr with --quiet" {
    run -0 --separate-stderr dlcli summary -q "$SMALL"
    [ -z "$stderr" ]
    run -0 dlcli --version
    [[ $output == "dlcli "* ]]
    [ "$(dlcli train --version)" = "$output" ]
}

@test "1: some of several inputs can't be read; the others are done" {
    echo nonsense >broken.png
    run -1 --separate-stderr dlcli predict -m "$(model)" broken.png "$PICTURES/cat.png"
    says "broken.png"
    prints "cat.png"
    says "1 of 2 inputs"
}

@test "1: standard output that takes nothing" {
    run -1 --separate-stderr bash -c "'$DLCLI' summary '$SMALL' >/dev/full"
    says "standard output"
}

@test "2: no command, an unknown one, an unknown option, with the nearest" {
    run -2 --separate-stderr dlcli
    says 'want a command: dlcli help lists them'
    run -0 dlcli help
    run -2 --separate-stderr dlcli trian
    says 'did you mean "train"?'
    run -2 --separate-stderr dlcli train "$SMALL" --epohcs 3
    says 'epochs'
    run -2 --separate-stderr dlcli train "$SMALL" --epochs 3x
    says 'epochs'
    run -2 --separate-stderr dlcli train
    says 'want a config'
    run -2 --separate-stderr dlcli train "$SMALL" "$SMALL"
    says 'one too many'
    run -2 --separate-stderr dlcli train "$SMALL" --epochs 1 --max-batches 1
    says 'exclude each other'
}

@test "2: a config, model, data set or only input that isn't there" {
    run -2 --separate-stderr dlcli train missing.cfg
    says 'missing.cfg'
    run -2 --separate-stderr dlcli test missing.safetensors
    says 'missing.safetensors'
    run -2 --separate-stderr dlcli predict -m "$(model)" missing.png
    says 'missing.png'
    run -2 --separate-stderr dlcli predict "$PICTURES/cat.png"
    says 'runs/last/best.safetensors'
    mkdir empty
    run -2 --separate-stderr dlcli predict -m "$(model)" empty
    says 'empty'
    sed -e '/^count=/d' -e 's/^source=.*/source=images\npath=nowhere/' "$SMALL" >images.cfg
    run -2 --separate-stderr dlcli train images.cfg
    says 'nowhere'
}

@test "2: a RUN that can't be written" {
    touch file
    run -2 --separate-stderr dlcli train "$SMALL" -o file/run
    says 'file'
    run -2 --separate-stderr dlcli train "$SMALL" -o file
    says 'file'
    run -2 --separate-stderr dlcli train "$SMALL" -o /proc/run
    says '/proc/run'
    ln -s nowhere link
    run -2 --separate-stderr dlcli train "$SMALL" -o link
    says 'File exists'
}

@test "2: -w for several models, which it would make one" {
    run -2 --separate-stderr dlcli test "$(model)" "$(model)" -w "$(model)"
    says '-w'
    run -2 --separate-stderr dlcli predict -m "$(model)" -m "$SMALL" -w "$(model)" "$PICTURES/cat.png"
    says '-w'
}

@test "2: check of what [net] says of classes and losses, also without [data]" {
    printf '%s\n' '[net]' inputs=2 '[connected]' output=3 activation=linear >values.cfg
    { cat values.cfg; echo '[softmax]'; } >classes.cfg
    run -2 --separate-stderr dlcli check classes.cfg --set net.class_weights=1,2
    says 'class_weights'
    run -0 dlcli check classes.cfg
    run -0 dlcli check values.cfg
}

@test "3: measured below --fail-under" {
    run -3 --separate-stderr dlcli test "$(model)" --fail-under top1=1.5
    says 'top1 is'
    prints 'top-1'
    run -3 dlcli test "$(model)" --fail-under loss=-1
    run -0 dlcli test "$(model)" --fail-under top1=0
    run -2 --separate-stderr dlcli test "$(model)" --fail-under top9=0
    says '--fail-under'
    run -2 dlcli test "$(model)" --fail-under top1=0.5x
}

@test "3: also where nobody reads the result any more" {
    mkfifo pipe
    exec 8<>pipe      # so that the next finds somebody who reads
    exec 9>pipe
    exec 8<&-
    for bound in top1=1.5:3 top1=0:0; do
        status=0
        "$DLCLI" test "$(model)" --fail-under "${bound%:*}" >&9 2>"said-${bound#*:}" || status=$?
        [ "$status" = "${bound#*:}" ]
    done
    exec 9>&-
    grep -q 'top1 is' said-3
    [ ! -s said-0 ]
}

@test "2: --fail-under with a measure that the model doesn't have" {
    sed 's/^\[softmax\]/[cost]/' "$SMALL" >regression.cfg
    run -2 --separate-stderr dlcli test regression.cfg --fail-under top1=0.5
    says 'is a regression'
    run -2 --separate-stderr dlcli test "$(model)" --fail-under rmse=1
    says 'no rmse'
}

@test "4: diverged, with the step and the layer" {
    run -4 --separate-stderr dlcli train "$SMALL" -o run --set net.learning_rate=1000000 --set net.momentum=1 --set net.policy=constant
    says 'step'
    run -4 --separate-stderr dlcli train "$SMALL" -o run --force --set net.learning_rate=1000000 --set net.momentum=1 \
        --set net.policy=constant --set net.on_divergence=rollback --set net.rollback_tries=2
    says 'step'
}

@test "130 and 143: stopped by a signal; a checkpoint was saved" {
    for pair in INT:130 TERM:143; do
        "$DLCLI" train "$SMALL" -q -o "run-$pair" --epochs 100000 &
        pid=$!
        for ((i = 0; i < 100; i++)); do [ -f "run-$pair/last.safetensors" ] && break; sleep 0.1; done
        kill "-${pair%:*}" $pid
        status=0
        wait $pid || status=$?
        [ "$status" = "${pair#*:}" ]
        run -0 dlcli summary "run-$pair/last.safetensors"
    done
}

@test "130 and 143: stopped while a config is waited for, or somebody who writes it" {
    mkfifo pipe
    for pair in INT:130 TERM:143; do
        for writer in none silent; do
            [ $writer = none ] || exec 9<>pipe
            "$DLCLI" summary pipe 2>said &
            pid=$!
            sleep 0.3
            kill "-${pair%:*}" $pid
            status=0
            wait $pid || status=$?
            exec 9>&-
            [ "$status" = "${pair#*:}" ]
            grep -q 'stopped by a signal' said
        done
    done
}

@test "130: predict stopped while it waits for names" {
    mkfifo names
    "$DLCLI" predict -m "$(model)" - <names 2>said &
    pid=$!
    exec 9>names
    sleep 0.5
    kill -INT $pid
    status=0
    wait $pid || status=$?
    exec 9>&-
    [ "$status" = 130 ]
}
