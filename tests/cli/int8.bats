#!/usr/bin/env bats
# --precision int8: predictions of 8-bit products after a look at training pictures.
load helpers

# Wide enough that its layers are worth 8-bit products, on pictures that are not all alike.
setup_file() {
    cat >"$BATS_FILE_TMPDIR/wide.cfg" <<'END'
[net]
width=16
height=16
channels=3
batch=16
epochs=6
learning_rate=0.02
seed=1
[data]
source=synthetic
count=400
classes=4
mean=0.5
std=0.25
[convolutional]
filters=16
size=3
padding=same
batch_normalize=1
activation=relu
[convolutional]
name=second
filters=32
size=3
stride=2
padding=same
batch_normalize=1
activation=gelu
[convolutional]
filters=32
size=3
padding=same
activation=relu
[avgpool]
size=2
stride=2
[connected]
name=fc
output=16
activation=relu
[connected]
output=4
activation=linear
[softmax]
END
    "$DLCLI" train "$BATS_FILE_TMPDIR/wide.cfg" -q -o "$BATS_FILE_TMPDIR/run" --threads 2
}

wide() { echo "$BATS_FILE_TMPDIR/run/best.safetensors"; }

top1() { dlcli test "$(wide)" --json "$@" | jq .top1; }

@test "8-bit products tell what float32 does" {
    run -0 dlcli bench "$(wide)" --infer --batch 4 --repeat 1 --precision int8 --json
    holds '.precision == "int8" and ([.layers[] | select(.implementation == "int8")] | length) >= 2'
    fp32=$(top1)
    int8=$(top1 --precision int8)
    jq -en "$fp32 > 0.5 and ($fp32 - $int8) <= 0.02"
}

@test "with VNNI a wide 3x3 layer has 16-bit products, Winograd's way, if it has tiles enough" {
    grep -q avx512_vnni /proc/cpuinfo || skip "this processor has no VNNI"
    printf '[net]\nwidth=16\nheight=16\nchannels=48\n[convolutional]\nfilters=48\nsize=3\npadding=same\n[softmax]\n' >layer.cfg
    way() { dlcli bench layer.cfg --infer --repeat 1 --precision int8 --json "$@" | jq -r '.layers[0].implementation'; }
    [ "$(way --batch 3)" = winograd16 ]
    [ "$(way --batch 2)" = int8 ]
    [ "$(DLCLI_ISA=avx2 way --batch 3)" != winograd16 ]
}

@test "with VNNI thin layers have 8-bit products in lanes, where the batch fills them" {
    grep -q avx512_vnni /proc/cpuinfo || skip "this processor has no VNNI"
    ways() { dlcli bench "$ROOT/cfg/lenet.cfg" --infer --repeat 1 --precision int8 --json "$@" | jq -c '[.layers[] | select(.name | test("^(conv|fc)")) | .implementation]'; }
    [ "$(ways --batch 16)" = '["lanes8","lanes8","lanes8","lanes8","lanes8"]' ]
    [ "$(ways --batch 15)" = '["int8","int8","int8","int8","int8"]' ]
}

@test "with AVX2 alone wide 3x3 layers have 16-bit products, thin ones 8-bit ones in lanes if words are full enough and sums long" {
    grep -qw avx2 /proc/cpuinfo || skip "this processor has no AVX2"
    export DLCLI_ISA=avx2
    printf '[net]\nwidth=16\nheight=16\nchannels=64\n[convolutional]\nfilters=64\nsize=3\npadding=same\n[softmax]\n' >layer.cfg
    ways() { dlcli bench "$1" --infer --repeat 1 --precision int8 --json --batch "$2" | jq -c '[.layers[] | select(.name | test("^(conv|fc)")) | .implementation]'; }
    [ "$(ways layer.cfg 3)" = '["winograd16"]' ]
    [ "$(ways layer.cfg 2)" = '["winograd"]' ]
    [ "$(ways "$ROOT/cfg/lenet.cfg" 8)" = '["lanes","lanes8","lanes8","lanes","lanes"]' ]
    [ "$(ways "$ROOT/cfg/lenet.cfg" 7)" = '["nhwc","int8","int8","gemm","gemm"]' ]
}

@test "the same bits for 1, 2 and 7 threads" {
    for threads in 1 2 7; do
        dlcli predict "$PICTURES"/*.png -m "$(wide)" --precision int8 --threads $threads --output "$threads.npy" >"$threads"
    done
    cmp 1.npy 2.npy
    cmp 1.npy 7.npy
    cmp 1 7
}

@test "it is near float32, and not the same" {
    dlcli predict "$PICTURES/cat.png" -m "$(wide)" --json >fp32
    dlcli predict "$PICTURES/cat.png" -m "$(wide)" --json --precision int8 >quantized
    run -1 cmp -s fp32 quantized
    jq -es 'map(.top | map({(.class): .probability}) | add) | . as $of | $of[0] | keys | all($of[0][.] - $of[1][.] | fabs < 0.05)' fp32 quantized
}

@test "it looks at the pictures that the model was trained on, drawn by its own seed" {
    for seed in none 1 2; do
        flags=()
        [ $seed = none ] || flags=(--seed "$seed")
        dlcli predict "$PICTURES/cat.png" -m "$(wide)" --json --precision int8 "${flags[@]}" >"$seed"
    done
    cmp none 1
    run -1 cmp -s none 2
}

@test "what is trained is not of 8 bits" {
    run -2 --separate-stderr dlcli train "$SMALL" -o run --precision int8
    says '--precision int8: want fp32 or bf16'
    [ ! -e run ]
    run -2 --separate-stderr dlcli bench "$SMALL" --train --precision int8
    says '--precision int8: want fp32 or bf16'
}

@test "without its training pictures a model is not calibrated" {
    run -2 --separate-stderr dlcli predict "$PICTURES/cat.png" -m "$(wide)" --precision int8 --set data.source=mnist --set data.path=nowhere
    says 'nowhere'
    says '--precision int8 looks at training pictures first'
}

@test "recurrent layers: near float32, the same bits for any team" {
    for i in {1..60}; do echo "$i bottles of beer on the wall, take one down, $((i * i)) are left"; done >beer.txt
    cat >beer.cfg <<'CFG'
[net]
inputs=1
time_steps=16
batch=8
epochs=12
optimizer=adam
learning_rate=0.01
decay=0
[data]
source=text
path=beer.txt
valid=0.2
[onehot]
size=64
[lstm]
output=40
[gru]
output=24
[connected]
output=64
activation=linear
[softmax]
CFG
    symbols=$(grep -o . beer.txt | sort -u | wc -l)   # and the end of a line
    sed -i "s/=64$/=$((symbols + 1))/" beer.cfg
    dlcli train beer.cfg -q -o run --threads 2
    for threads in 1 2 7; do
        dlcli test run/best.safetensors --split valid --precision int8 --threads $threads --json | jq -c 'del(.seconds, .images_per_second, .symbols_per_second)' >"$threads"
    done
    cmp 1 2
    cmp 1 7
    dlcli test run/best.safetensors --split valid --json >fp32
    jq -es '.[0].top1 > 0.6 and (.[0].top1 - .[1].top1 | fabs) <= 0.02 and (.[0].loss - .[1].loss | fabs) < 0.02' fp32 1
    grep -qw avx2 /proc/cpuinfo || skip 'quantized where the CPU has AVX2: results compared, their difference not'
    run -1 cmp -s <(jq .loss fp32) <(jq .loss 1)
}
