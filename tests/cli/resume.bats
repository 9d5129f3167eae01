#!/usr/bin/env bats
# Nothing is lost: whatever ends a run, --resume gives the bits of the run that was never stopped.
load helpers

setup_file() {
    "$DLCLI" train "$SMALL" -q -o "$BATS_FILE_TMPDIR/whole" --epochs 40
}

whole() { echo "$BATS_FILE_TMPDIR/whole"; }

resumed() { dlcli train "$SMALL" -q -o run --epochs 40 --resume; }

# Is run what it would have been?
is_whole() {
    cmp "$(whole)/last.safetensors" run/last.safetensors
    cmp "$(whole)/best.safetensors" run/best.safetensors
    same_metrics "$(whole)/metrics.jsonl" run/metrics.jsonl "$(whole)" run
}

# Sends a signal after a number of milliseconds; the status is left in $status.
stopped_after() {
    "$DLCLI" train "$SMALL" -q -o run --epochs 40 --resume 2>>said &
    pid=$!
    sleep "$(printf '0.%03d' "$2")"
    kill "-$1" $pid 2>/dev/null || true
    status=0
    wait $pid || status=$?
}

@test "SIGKILL at random moments" {
    RANDOM=7
    kills=20
    [ -z "${DLCLI_TEST_QUICK:-}" ] || kills=5
    for ((k = 0; k < kills; k++)); do
        stopped_after KILL $((20 + RANDOM % 160))
        [ "$status" = 137 ] || [ "$status" = 0 ]
    done
    resumed
    is_whole
    [ ! -s said ]
}

@test "Ctrl-C and SIGTERM at random moments" {
    RANDOM=11
    for signal in INT TERM INT TERM; do
        stopped_after $signal $((100 + RANDOM % 200))
        [ "$status" = 130 ] || [ "$status" = 143 ] || [ "$status" = 0 ]
    done
    resumed
    is_whole
}

@test "a finished run gets the names that a killed process didn't give" {
    dlcli train "$SMALL" -q -o run --epochs 2 --set data.valid=0
    cp -r run before
    rm run/best.safetensors
    dlcli train "$SMALL" -q -o run --epochs 2 --set data.valid=0 --resume
    diff -r before run
    dlcli train "$SMALL" -q -o older --epochs 1 --set data.valid=0
    rm run/best.safetensors
    cp older/best.safetensors run
    dlcli train "$SMALL" -q -o run --epochs 2 --set data.valid=0 --resume
    diff -r before run
}

@test "what a killed process left lying about does no harm" {
    stopped_after KILL 300
    head -c 1000 /dev/urandom >run/.last.safetensors.part-0
    printf '{"event":"step","st' >>run/metrics.jsonl
    resumed
    is_whole
    [ -z "$(find run -name '*.part*')" ]
}

@test "a default that is named is the same run, another value is not" {
    dlcli train "$SMALL" -q -o named --epochs 1 --set net.optimizer=adagrad
    run -0 dlcli train "$SMALL" -q -o named --epochs 1 --set net.optimizer=adagrad --set net.eps=1e-10 --resume
    run -2 --separate-stderr dlcli train "$SMALL" -q -o named --epochs 1 --set net.optimizer=adagrad --set net.eps=1e-8 --resume
    says '[net] eps is 1e-10 in the run and 1e-8 now'
    dlcli train "$SMALL" -q -o given --epochs 1 --set net.optimizer=adam --set net.eps=1e-8
    run -0 dlcli train "$SMALL" -q -o given --epochs 1 --set net.optimizer=adam --resume
}

@test "a damaged checkpoint is refused, not resumed from" {
    stopped_after TERM 400
    cp run/last.safetensors good
    truncate -s -5 run/last.safetensors
    run -2 --separate-stderr dlcli train "$SMALL" -o run --epochs 40 --resume
    says 'last.safetensors'
    cp good run/last.safetensors
    resumed
    is_whole
}

@test "best and kept epochs without last: --resume leaves them alone; an epoch's copy by that name goes on" {
    dlcli train "$SMALL" -q -o whole --epochs 3 --keep 2
    cp -r whole run
    rm run/last.safetensors
    cp -r run before
    run -2 --separate-stderr dlcli train "$SMALL" -q -o run --epochs 3 --resume
    says 'holds best.safetensors but no last.safetensors'
    diff -r before run
    cp run/epoch-0002.safetensors run/last.safetensors
    dlcli train "$SMALL" -q -o run --epochs 3 --keep 2 --resume
    cmp run/last.safetensors whole/last.safetensors
}

@test "a calibration is of the weights that it was measured of: training on leaves it behind" {
    dlcli train "$SMALL" -q -o whole --epochs 6 --keep 6
    mkdir run
    cp whole/epoch-0003.safetensors run/last.safetensors
    dlcli test run/last.safetensors --calibrate -q
    run -1 cmp -s whole/epoch-0003.safetensors run/last.safetensors
    dlcli train run/last.safetensors -q -o on --max-batches 3
    run -1 grep -q calibration on/config.cfg
    dlcli train "$SMALL" -q -o run --epochs 6 --resume
    cmp whole/last.safetensors run/last.safetensors
}

# A disk of a few pages where we may mount one, else a limit on the size of files.
@test "a full disk ends a run with a sentence and loses nothing" {
    stopped_after TERM 400
    mkdir disk
    if mount -t tmpfs -o size=160k tmpfs disk 2>/dev/null; then
        cp -r run/. disk
        head -c 1M /dev/zero >disk/filler 2>/dev/null || true
        cp disk/last.safetensors before
        status=0
        "$DLCLI" train "$SMALL" -q -o disk --epochs 40 --resume 2>said || status=$?
        cp -r disk/. run
        umount disk
        rm -f run/filler
    else
        cp run/last.safetensors before
        status=0
        (ulimit -f 8; "$DLCLI" train "$SMALL" -q -o run --epochs 40 --resume) 2>said || status=$?
    fi
    [ "$status" = 1 ]
    grep -qE 'No space left|File too large' said
    cmp before run/last.safetensors
    resumed
    is_whole
}

@test "a full disk and predict --output" {
    run -1 --separate-stderr bash -c "ulimit -f 1; '$DLCLI' predict -m '$(whole)/last.safetensors' --layer conv1 -o y.npy '$PICTURES/cat.png'"
    says 'y.npy'
    [ -z "$(find . -name '*y.npy*')" ]
}
