#!/usr/bin/env bats
# --json: every command's shape, as the contract gives it.
load helpers

setup_file() { make_model; }

@test "train: start, step, epoch, done; the same lines as metrics.jsonl" {
    run -0 --separate-stderr dlcli train "$SMALL" -o run --json --epochs 2
    diff <(jq -c 'del(.seconds)' <<<"$output") <(jq -c 'del(.seconds)' run/metrics.jsonl)
    output=$(jq -s . <<<"$output")
    holds '.[0].event == "start" and (.[0] | has("config") and .parameters > 0 and .seed == 3 and .threads > 0 and .precision == "fp32"
           and .train_images == 72 and .valid_images == 24)'
    holds '[.[] | select(.event == "step")] | length == 18 and (.[0] | .step == 1 and .epoch != null and .loss > 0 and .learning_rate >= 0
           and has("images_per_second"))'
    holds '[.[] | select(.event == "epoch")] | length == 2 and (.[1] | .step == 18 and .train_loss > 0 and .train_top1 <= 1 and .valid_loss > 0
           and .valid_top1 <= 1 and has("learning_rate") and has("images_per_second") and has("seconds"))'
    holds '.[-1].event == "done" and (.[-1] | .best == "run/best.safetensors" and .last == "run/last.safetensors" and .best_valid_top1 <= 1
           and has("seconds"))'
}

@test "test" {
    run -0 --separate-stderr dlcli test "$(model)" --json
    holds '.split == "test" and .images == 24 and .loss > 0 and .top1 <= 1 and .top5 == 1 and .images_per_second > 0'
    holds '(.confusion | length == 4 and all(length == 4)) and ([.confusion[][]] | add) == 24'
    holds '.per_class | length == 4 and (.[3] | .class == "dark grey" and .images == 6 and has("precision") and has("recall") and has("f1"))'
    run -0 --separate-stderr dlcli test "$(model)" --json --split valid
    holds '.split == "valid" and .images == 24'
    run -0 --separate-stderr dlcli test "$(model)" "$(model)" --json --split train
    holds '.split == "train" and .images == 72'
}

@test "test: top1 is the confusion's diagonal" {
    run -0 --separate-stderr dlcli test "$(model)" --json
    # shellcheck disable=SC2016   # jq's variable
    holds '. as $t | ([range(4) | $t.confusion[.][.]] | add) / $t.images - $t.top1 | fabs < 1e-6'
}

@test "predict: pictures" {
    run -0 --separate-stderr dlcli predict --json -m "$(model)" "$PICTURES/cat.png" "$PICTURES/ship.png"
    [ "$(wc -l <<<"$output")" = 2 ]
    output=$(jq -s . <<<"$output")
    holds '.[0].input | endswith("cat.png")'
    holds 'all(.top | length == 4 and ([.[].probability] | add - 1 | fabs < 1e-5) and (. == sort_by(-.probability))
           and all(has("class") and has("index")))'
    run -0 --separate-stderr dlcli predict --json -m "$(model)" --top 1 "$PICTURES/cat.png"
    holds '.top | length == 1'
}

@test "predict: what can't be read" {
    echo nonsense >broken.png
    run -1 --separate-stderr dlcli predict --json -m "$(model)" "$PICTURES/cat.png" broken.png
    output=$(jq -s . <<<"$output")
    holds '.[1].input == "broken.png" and (.[1].error | length > 0) and (.[1] | has("top") | not)'
}

@test "predict: the output of a layer, as JSON and as .npy, which is fed back" {
    run -0 --separate-stderr dlcli predict --json -m "$(model)" --layer conv1 "$PICTURES/cat.png"
    holds '.output | length == 6 * 12 * 12'
    run -0 dlcli predict -m "$(model)" --layer conv1 -o y.npy "$PICTURES/cat.png" "$PICTURES/ship.png"
    [ "$(stat -c %s y.npy)" -eq $((128 + 2 * 6 * 12 * 12 * 4)) ]
    run -2 --separate-stderr dlcli predict -m "$(model)" y.npy
    says 'y.npy'
    run -2 --separate-stderr dlcli predict -m "$(model)" --layer conv2 "$PICTURES/cat.png"
    says 'conv1'
}

@test "predict --output: where each input stands in the file; draw: the file" {
    echo nonsense >broken.png
    run -1 --separate-stderr dlcli predict --json -m "$(model)" --layer conv1 -o y.npy "$PICTURES/cat.png" broken.png "$PICTURES/ship.png"
    output=$(jq -s . <<<"$output")
    holds 'length == 3 and .[0].output == "y.npy" and .[0].index == 0 and (.[1] | has("error") and (has("index") | not))'
    holds '(.[2].input | endswith("ship.png")) and .[2].index == 1'
    run -0 --separate-stderr dlcli draw --json "$SMALL" -o net.svg
    holds '. == {"output": "net.svg"}'
    [ -s net.svg ]
    run -2 dlcli draw --json "$SMALL" -o -
}

@test "predict: rows of an array" {
    printf '[net]\nwidth=12\nheight=12\nchannels=3\n[activation]\nactivation=linear\n' >same.cfg
    dlcli predict -q -m same.cfg -o x.npy "$PICTURES/cat.png" "$PICTURES/ship.png"
    run -0 --separate-stderr dlcli predict --json -m same.cfg x.npy
    [ "$(wc -l <<<"$output")" = 2 ]
    output=$(tail -n 1 <<<"$output")
    holds '.input == "x.npy" and .row == 1 and (.output | length == 432)'
    dlcli predict -q -m same.cfg -o y.npy x.npy
    cmp x.npy y.npy
}

@test "summary, and of several" {
    run -0 --separate-stderr dlcli summary --json "$SMALL"
    holds '.layers | length == 5 and .[0].name == "conv1" and .[0].type == "convolutional" and .[0].output == [6, 12, 12] and .[0].parameters == 174
           and .[0].flops > 0 and [.[].index] == [0, 1, 2, 3, 4]'
    holds '.parameters == 1042 and .trainable == 1042 and .flops > 0 and .memory.train_bytes > 0 and .memory.infer_bytes > 0'
    dlcli summary --json "$ROOT/cfg/lenet.cfg" | jq -e '.memory | .train_bytes > 4 * .infer_bytes' >/dev/null
    run -0 --separate-stderr dlcli summary --json "$SMALL" "$(model)"
    output=$(jq -s . <<<"$output")
    holds 'length == 2 and .[0].parameters == .[1].parameters'
    run -0 --separate-stderr dlcli summary --json "$SMALL" --set conv1.freeze=1
    holds '.parameters == 1042 and .trainable == 868'
}

@test "check, and its gradients" {
    run -0 --separate-stderr dlcli check --json "$SMALL"
    holds '.ok and .layers == 5 and .parameters == 1042'
    run -0 --separate-stderr dlcli check --json --gradients "$SMALL"
    output=$(jq -s . <<<"$output")
    holds 'length == 5 and all(.ok) and .[0].error < 1e-5 and .[0].name == "conv1"'
}

@test "bench" {
    run -0 --separate-stderr dlcli bench --json --train --batch 4 --repeat 2 --threads 2 "$SMALL"
    holds '.mode == "train" and .batch == 4 and .precision == "fp32" and .threads == 2 and (.isa | length > 0)'
    holds '.images_per_second > 0 and .seconds_per_step > 0 and .flops_per_second > 0 and .peak_flops_per_second > 0 and .peak_bytes_per_second > 0 and .peak_memory_bytes > 0'
    holds '.layers | length == 5 and (.[0] | .name == "conv1" and has("implementation") and .forward_seconds > 0 and .backward_seconds > 0
           and .flops_per_second > 0 and .flops > 0 and .bytes > 0)'
    run -0 --separate-stderr dlcli bench --json --repeat 2 "$(model)"
    holds '.mode == "infer"'
}

@test "numbers ignore the locale, and what is not finite is null" {
    LC_ALL=de_DE.UTF-8 run -0 --separate-stderr dlcli test "$(model)" --json
    holds '.top1 <= 1'
    # a class that is nowhere has no recall
    mkdir -p set/red set/green
    cp "$PICTURES/cat.png" set/red
    cp "$PICTURES/ship.png" set/green
    run -0 --separate-stderr dlcli test "$(model)" --json --data images:set
    holds '.images == 2 and .per_class[3].recall == null'
}

@test "names that are not UTF-8 are escaped" {
    cp "$PICTURES/cat.png" $'caf\xe9 "x".png'
    run -0 --separate-stderr dlcli predict --json -m "$(model)" $'caf\xe9 "x".png'
    iconv -f UTF-8 -t UTF-8 <<<"$output" >/dev/null
    holds '.input | startswith("caf")'
}
