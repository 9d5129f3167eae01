#!/usr/bin/env bats
# RUN folders: what training leaves, refuses and resumes; the same bits for any number of threads.
load helpers

@test "RUN holds what the contract says; runs/last points at the newest" {
    dlcli train "$SMALL" -q --epochs 1
    for file in last.safetensors best.safetensors metrics.jsonl config.cfg; do [ -s "runs/small/$file" ]; done
    [ "$(realpath runs/last)" = "$(realpath runs/small)" ]
    dlcli train "$SMALL" -q --epochs 1 -o runs/other
    [ "$(realpath runs/last)" = "$(realpath runs/other)" ]
    run -0 dlcli predict "$PICTURES/cat.png"
    prints '%'
}

@test "it learns" {
    dlcli train "$SMALL" -q -o run --epochs 20
    run -0 dlcli test run/best.safetensors --fail-under top1=0.8
}

@test "config.cfg has every --set, and a model carries its config" {
    dlcli train "$SMALL" -q -o run --epochs 1 --set conv1.filters=7
    grep -q '^filters *= *7' run/config.cfg
    [ "$(dlcli summary --json run/config.cfg | jq .parameters)" = "$(dlcli summary --json run/last.safetensors | jq .parameters)" ]
}

@test "a RUN that holds a checkpoint is refused, unless --force or --resume" {
    dlcli train "$SMALL" -q -o run --epochs 1
    cp -r run before
    run -2 --separate-stderr dlcli train "$SMALL" -o run --epochs 1
    says '--resume'
    says '--force'
    diff -r run before
    dlcli train "$SMALL" -q -o run --epochs 1 --force --seed 9
    run -1 cmp -s run/last.safetensors before/last.safetensors
}

@test "a RUN that holds other checkpoints than the last is refused too, and says that none can go on" {
    dlcli train "$SMALL" -q -o run --epochs 2 --keep 1
    rm run/last.safetensors
    run -2 --separate-stderr dlcli train "$SMALL" -o run --epochs 1
    says 'holds best.safetensors but no last.safetensors'
    rm run/best.safetensors
    run -2 --separate-stderr dlcli train "$SMALL" -o run --epochs 1
    says 'holds epoch-0002.safetensors but no last.safetensors'
    [ -s run/epoch-0002.safetensors ]
}

@test "a config is not replaced by the one that its own training writes, unless --force" {
    mkdir mine
    { echo '# by hand'; cat "$SMALL"; } >mine/config.cfg
    cp mine/config.cfg before
    run -2 --separate-stderr dlcli train mine/config.cfg -o mine
    says 'mine/config.cfg'
    run -2 --separate-stderr dlcli train - -o mine <mine/config.cfg
    cmp mine/config.cfg before
    dlcli train mine/config.cfg -q -o mine --epochs 1 --force
}

@test "--resume of a finished run: status 0, nothing changed" {
    dlcli train "$SMALL" -q -o run --epochs 2
    cp -r run before
    run -0 dlcli train "$SMALL" -o run --epochs 2 --resume
    diff -r run before
}

@test "--resume where there is nothing starts afresh" {
    dlcli train "$SMALL" -q -o a --epochs 1 --resume
    dlcli train "$SMALL" -q -o b --epochs 1
    cmp a/last.safetensors b/last.safetensors
}

@test "--resume refuses what would change the run" {
    dlcli train "$SMALL" -q -o run --epochs 1
    cp -r run before
    for change in "--seed 4" "--set net.batch=4" "--set conv1.filters=8" "--set net.learning_rate=0.5"; do
        # shellcheck disable=SC2086   # an option and its value
        run -2 --separate-stderr dlcli train "$SMALL" -o run --epochs 1 --resume $change
        [ -n "$stderr" ]
    done
    diff -r run before
}

@test "two processes never write one RUN" {
    "$DLCLI" train "$SMALL" -q -o run --epochs 100000 &
    pid=$!
    for ((i = 0; i < 100; i++)); do [ -f run/last.safetensors ] && break; sleep 0.1; done
    for options in "" --force --resume; do
        # shellcheck disable=SC2086   # none is no argument
        run -2 --separate-stderr dlcli train "$SMALL" -o run --epochs 100000 $options
        says 'run'
    done
    kill -TERM $pid
    status=0
    wait $pid || status=$?
    [ "$status" = 143 ]
}

@test "the same bits for 1, 2 and 7 threads" {
    for n in 1 2 7; do dlcli train "$SMALL" -q -o "run$n" --epochs 2 --threads $n; done
    for n in 2 7; do
        cmp run1/last.safetensors "run$n/last.safetensors"
        same_metrics run1/metrics.jsonl "run$n/metrics.jsonl" run1 "run$n"
    done
}

@test "the same bits for 1, 2 and 7 threads: LeNet on the sample" {
    for n in 1 2 7; do
        dlcli train "$ROOT/cfg/lenet.cfg" -q -o "run$n" --max-batches 12 --threads $n --set data.path="$SAMPLE" --set data.valid=100
    done
    cmp run1/last.safetensors run2/last.safetensors
    cmp run1/last.safetensors run7/last.safetensors
}

@test "another seed gives other bits, the same the same" {
    dlcli train "$SMALL" -q -o a --epochs 1 --seed 5
    dlcli train "$SMALL" -q -o b --epochs 1 --seed 5
    dlcli train "$SMALL" -q -o c --epochs 1 --seed 6
    cmp a/last.safetensors b/last.safetensors
    run -1 cmp -s a/last.safetensors c/last.safetensors
}

# Without dropout: which cells it drops follows from how a layer lies in memory, which differs between instruction sets.
@test "DLCLI_ISA: what this CPU has trains alike; what it lacks or is unknown is refused" {
    alike=(--epochs 1 --set 2.probability=0)
    dlcli train "$SMALL" -q -o best "${alike[@]}"
    wanted=$(jq -r 'select(.event == "epoch") | .train_loss' best/metrics.jsonl | head -n 1)
    for isa in ref avx2 avx512 bf16 amx; do
        run --separate-stderr env DLCLI_ISA=$isa "$DLCLI" train "$SMALL" -q -o "run-$isa" "${alike[@]}"
        if [ "$status" -ne 0 ]; then
            [ "$status" -eq 2 ]
            says "$isa"
            run -1 grep -q "$isa" /proc/cpuinfo
            continue
        fi
        found=$(jq -r 'select(.event == "epoch") | .train_loss' "run-$isa/metrics.jsonl" | head -n 1)
        awk -v a="$wanted" -v b="$found" 'BEGIN { exit !((a - b) ^ 2 < 1e-6) }'
    done
    DLCLI_ISA=mmx run -2 --separate-stderr dlcli train "$SMALL" -o bad
    says 'mmx'
}

@test "a resume on another instruction set says so" {
    grep -q avx2 /proc/cpuinfo || skip "this CPU has one instruction set"
    "$DLCLI" train "$SMALL" -q -o long --epochs 5000 &
    pid=$!
    for ((i = 0; i < 100; i++)); do [ -f long/last.safetensors ] && break; sleep 0.1; done
    kill -TERM $pid
    wait $pid || true
    DLCLI_ISA=ref "$DLCLI" train "$SMALL" -o long --epochs 5000 --resume 2>said &
    pid=$!
    for ((i = 0; i < 100; i++)); do grep -q ref said && break; sleep 0.1; done
    kill -TERM $pid
    wait $pid || true
    grep -i ref said
}

@test "-w starts from weights; --partial takes those that fit and names the others" {
    dlcli train "$SMALL" -q -o first --epochs 1
    dlcli train "$SMALL" -q -o second --epochs 1 -w first/last.safetensors
    run -2 --separate-stderr dlcli train "$SMALL" -o third --epochs 1 -w first/last.safetensors --set conv1.filters=7
    says 'conv1.weight'
    run -0 --separate-stderr dlcli train "$SMALL" -o third --epochs 1 -w first/last.safetensors --partial --set conv1.filters=7
    says 'conv1.weight'
    run -2 --separate-stderr dlcli train "$SMALL" -o fourth --partial
    says '-w'
}

@test "--epochs takes a fraction: 1.5 of 9 steps are 14" {
    dlcli train "$SMALL" -q -o run --epochs 1.5
    [ "$(jq -s 'map(select(.event == "step")) | length' run/metrics.jsonl)" = 14 ]
    run -0 dlcli train "$SMALL" -q -o run --resume   # told once, it holds
    run -2 --separate-stderr dlcli train "$SMALL" -q -o run --resume --epochs 2
    says 'epochs is 1.5 in the run and 2 now'
    run -2 dlcli train "$SMALL" -o other --epochs 0
}

@test "--keep N keeps the checkpoints of the last epochs" {
    dlcli train "$SMALL" -q -o run --epochs 5 --keep 2
    [ "$(cd run && echo epoch-*)" = "epoch-0004.safetensors epoch-0005.safetensors" ]
}

@test "nobody writes into a RUN that is being trained into" {
    dlcli train "$SMALL" -q -o run --epochs 1
    exec 7<run/.lock
    flock 7
    cp run/last.safetensors before
    run -2 --separate-stderr dlcli import "$SMALL" before run/last.safetensors
    says 'another dlcli is training into this folder'
    run -2 --separate-stderr dlcli test run/last.safetensors --calibrate
    says 'another dlcli is training into this folder'
    cmp before run/last.safetensors
    exec 7<&-
    run -0 dlcli import "$SMALL" before run/again.safetensors --json
    [ "$output" = '{"model":"run/again.safetensors","parameters":1042}' ]
}

@test "import makes a model that predicts as config and weights do" {
    dlcli train "$SMALL" -q -o run --epochs 1
    dlcli import -q "$SMALL" run/last.safetensors model.safetensors
    cmp <(dlcli predict --json -m model.safetensors "$PICTURES/cat.png") <(dlcli predict --json -m "$SMALL" -w run/last.safetensors "$PICTURES/cat.png")
}

@test "--precision bf16 trains too, and says where products are not the processor's own" {
    DLCLI_ISA=base run -0 --separate-stderr dlcli train "$SMALL" -q -o base --epochs 1 --precision bf16
    says '--precision bf16 is emulated'
    run -0 --separate-stderr dlcli train "$SMALL" -q -o run --epochs 2 --precision bf16 --json
    grep -q avx512_bf16 /proc/cpuinfo || says '--precision bf16 is emulated'
    output=$(jq -s . <<<"$output")
    holds '.[0].precision == "bf16" and (.[-1].event == "done")'
}
