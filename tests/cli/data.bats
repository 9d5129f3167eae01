#!/usr/bin/env bats
# Data sets: the shipped sample, folders, lists; what is missing or broken; the real ones where $DLCLI_DATA holds them.
load helpers

@test "a data set that is missing names the command that gets it" {
    run -2 --separate-stderr dlcli train "$ROOT/cfg/lenet.cfg"
    says 'scripts/get-data cifar10'
    run -2 --separate-stderr dlcli check "$ROOT/cfg/mnist/lenet.cfg"
    says 'scripts/get-data mnist'
    [ ! -e runs/lenet ]
}

@test "\$DLCLI_DATA is where what isn't here is looked for" {
    mkdir -p there/data
    ln -s "$SAMPLE" there/cifar-10-batches-bin
    DLCLI_DATA=$PWD/there run -0 dlcli check "$ROOT/cfg/lenet.cfg" --set data.valid=100
    mv there/cifar-10-batches-bin there/data
    DLCLI_DATA=$PWD/there run -0 dlcli check "$ROOT/cfg/lenet.cfg" --set data.valid=100
}

@test "the shipped sample: 1000 + 250 pictures; LeNet learns from them" {
    run -0 --separate-stderr dlcli check "$ROOT/cfg/lenet.cfg" --set data.path="$SAMPLE" --set data.valid=100
    prints '900'
    prints '250'
    dlcli train "$ROOT/cfg/lenet.cfg" -q -o run --epochs 15 --set data.path="$SAMPLE" --set data.valid=100
    run -0 --separate-stderr dlcli test run/best.safetensors --json --fail-under top1=0.2
    holds '.images == 250 and (.per_class | map(.class) | index("horse") != null)'
    run -0 --separate-stderr dlcli predict --json -m run/best.safetensors "$PICTURES"
    [ "$(wc -l <<<"$output")" = 3 ]
}

@test "valid as a count, a fraction, a path; too many are refused" {
    run -0 --separate-stderr dlcli check "$ROOT/cfg/lenet.cfg" --set data.path="$SAMPLE" --set data.valid=0.25
    prints '750'
    run -0 --separate-stderr dlcli check "$ROOT/cfg/lenet.cfg" --set data.path="$SAMPLE" --set data.valid="$SAMPLE"
    prints '1000'
    run -2 --separate-stderr dlcli check "$ROOT/cfg/lenet.cfg" --set data.path="$SAMPLE" --set data.valid=1000
    says 'valid'
}

make_folder() {
    mkdir -p set/cat set/ship
    for i in 1 2 3 4; do
        cp "$PICTURES/cat.png" "set/cat/$i.png"
        cp "$PICTURES/ship.png" "set/ship/$i.png"
    done
}

FOLDER=(--set net.batch=2 --set 'data.classes=cat,ship' --set 3.output=2 --set data.valid=0.25)

@test "a folder of pictures; a broken one is named, counted and skipped; all of them: an error" {
    make_folder
    dlcli train "$SMALL" -q -o run --epochs 1 "${FOLDER[@]}" --set data.source=images --set data.path=set
    echo nonsense >set/cat/broken.png
    run -0 --separate-stderr dlcli train "$SMALL" -o run --force --epochs 1 "${FOLDER[@]}" --set data.source=images --set data.path=set
    says 'broken.png'
    run -2 --separate-stderr dlcli check "$SMALL" "${FOLDER[@]}" --set data.source=images --set data.path=set
    says 'broken.png'
    for picture in set/*/*.png; do echo nonsense >"$picture"; done
    run --separate-stderr dlcli train "$SMALL" -o other --epochs 1 "${FOLDER[@]}" --set data.source=images --set data.path=set
    [ "$status" = 1 ] || [ "$status" = 2 ]
    [ -n "$stderr" ]
}

@test "a list, with CRLF and blank lines" {
    make_folder
    for i in 1 2 3 4; do printf 'set/cat/%s.png\tcat\r\n\r\nset/ship/%s.png\tship\r\n' $i $i; done >list.txt
    run -0 --separate-stderr dlcli check "$SMALL" "${FOLDER[@]}" --set data.source=list --set data.path=list.txt
    prints '6 samples'
    echo $'set/cat/1.png\tdog' >>list.txt
    run -2 --separate-stderr dlcli check "$SMALL" "${FOLDER[@]}" --set data.source=list --set data.path=list.txt
    says 'list.txt:13'
}

@test "classes that don't fit the network" {
    make_folder
    run -2 --separate-stderr dlcli check "$SMALL" --set data.source=images --set data.path=set
    [ -n "$stderr" ]
}

# ---- with the real data ----

@test "real CIFAR-10: a tenth of an epoch of LeNet is better than chance" {
    need_real_data cifar-10-batches-bin
    DLCLI_DATA=$REAL_DATA dlcli train "$ROOT/cfg/lenet.cfg" -q -o run --max-batches 300
    DLCLI_DATA=$REAL_DATA run -0 --separate-stderr dlcli test run/last.safetensors --json --fail-under top1=0.3
    holds '.images == 10000'
}

@test "real MNIST: half an epoch of LeNet reads digits" {
    need_real_data mnist
    DLCLI_DATA=$REAL_DATA dlcli train "$ROOT/cfg/mnist/lenet.cfg" -q -o run --max-batches 200
    DLCLI_DATA=$REAL_DATA run -0 --separate-stderr dlcli test run/last.safetensors --json --fail-under top1=0.9
    holds '.images == 10000'
}

@test "real pictures: find | dlcli predict --json - | jq" {
    need_real_data cifar-10-images
    dlcli train "$ROOT/cfg/lenet.cfg" -q -o run --max-batches 5 --set data.path="$SAMPLE" --set data.valid=100
    run -0 bash -c "set -o pipefail; find '$REAL_DATA/cifar-10-images/test' -name '*5.png' | '$DLCLI' predict --json -m run/last.safetensors - | jq -r .top[0].class | wc -l"
    [ "$output" = 1000 ]
}

@test "real SqueezeNet: the dog photograph is a dogsled" {
    need_real_data images
    weights=$REAL_DATA/squeezenet1_0.safetensors
    [ -f "$weights" ] || skip "\$DLCLI_DATA holds no squeezenet1_0.safetensors"
    dlcli import -q "$ROOT/cfg/imagenet/squeezenet.cfg" "$weights" model.safetensors --set data.classes="$REAL_DATA/imagenet-synset-order.txt"
    run -0 --separate-stderr dlcli predict --json -m model.safetensors "$REAL_DATA/images/dog.jpg"
    holds '.top[0].class | test("dogsled|dog sled")'
    run -0 --separate-stderr dlcli predict --json -m "$ROOT/cfg/imagenet/squeezenet.cfg" -w "$weights" "$REAL_DATA/images/dog.jpg"
    holds '.top[0].index == 537'
}

# Floats of an .npy of one row of 1000: 4,000 bytes at the end.
floats_of() { tail -c 4000 "$1" | od -An -v -w4 -tf4; }

@test "real SqueezeNet: what it puts out for a 227x227 array is PyTorch's to 1e-5" {
    weights=$REAL_DATA/squeezenet1_0.safetensors
    [ -f "$weights" ] || skip "\$DLCLI_DATA holds no squeezenet1_0.safetensors"
    awk 'BEGIN { print "P3 227 227 255"; for (y = 0; y < 227; y++) for (x = 0; x < 227; x++) print (3*x + 5*y) % 256, (x*y) % 256, (7*x + y*y) % 256 }' >picture.ppm
    dlcli predict -q -m "$ROOT/cfg/imagenet/squeezenet.cfg" -w "$weights" picture.ppm --layer pool10 --output y.npy
    paste <(floats_of y.npy) <(floats_of "$ROOT/tests/fixtures/squeezenet_pool10.npy") |
        awk '{ d = $1 - $2; if (d < 0) d = -d; if (d > most) most = d; if ($2 > top) top = $2 } END { print NR, most / top; exit !(NR == 1000 && top > 1 && most <= 1e-5 * top) }'
}
