#!/usr/bin/env bats
# predict's flags and files: layers of ensembles, what --output may be, errors that name their input; names of pictures; --json of plot and help.
load helpers

setup_file() { make_model; }

@test "--layer of an ensemble is each model's own layer of that name" {
    printf '%s\n' '[net]' inputs=1 '[connected]' name=a weights=2 biases=0 activation=linear '[connected]' name=b weights=10 biases=0 activation=linear >ab.cfg
    printf '%s\n' '[net]' inputs=1 '[connected]' name=b weights=4 biases=0 activation=linear '[connected]' name=a weights=1 biases=1 activation=linear >ba.cfg
    printf '3\n' >x.csv
    for order in "-m ab.cfg -m ba.cfg" "-m ba.cfg -m ab.cfg"; do
        # shellcheck disable=SC2086   # several words
        run -0 --separate-stderr dlcli predict x.csv $order --layer a --json
        holds '.output == [(3 * 2 + (3 * 4 + 1)) / 2]'
    done
    sed 's/weights=4/output=2/; s/biases=0/bias=1/; s/weights=1$/weights=1,1/' ba.cfg >wide.cfg
    run -2 --separate-stderr dlcli predict x.csv -m ab.cfg -m wide.cfg --layer b
    says 'its layer "b" differs in shape'
}

@test "classes of other names, and scores beside probabilities, are no ensemble; but their layers are" {
    sed 's/^classes=.*/classes=green,red,blue,dark grey/' "$SMALL" >turned.cfg
    sed 's/^\[softmax\]/[cost]\ntype=hinge/' "$SMALL" >hinge.cfg
    for pair in 'turned.cfg:its class 0 is "green", that of ' 'hinge.cfg:hinge.cfg: gives scores, but '; do
        run -2 --separate-stderr dlcli predict -m "$SMALL" -m "${pair%%:*}" "$PICTURES/cat.png"
        says "${pair#*:}"
        run -0 dlcli predict -m "$SMALL" -m "${pair%%:*}" "$PICTURES/cat.png" --layer conv1 --output y.npy
    done
}

@test "each model of an ensemble normalizes a table in its own way" {
    printf 'x,y\n1,2\n2,4\n3,6\n4,8\n5,10\n6,12\n7,14\n8,16\n' >t.csv
    printf '%s\n' '[net]' inputs=1 epochs=1 '[data]' source=csv path=t.csv normalize=standard valid=4 '[connected]' output=1 '[cost]' >t.cfg
    for seed in 1 2; do dlcli train t.cfg -q -o run$seed --seed $seed; done
    printf 'x\n1\n5\n' >x.csv
    one=run1/last.safetensors two=run2/last.safetensors
    for models in "-m $one" "-m $two" "-m $one -m $two"; do
        # shellcheck disable=SC2086   # several words
        dlcli predict x.csv --json $models | jq '.output[0]'
    done >all
    jq -es '((.[0] + .[2]) / 2 - .[4] | fabs < 1e-5) and ((.[1] + .[3]) / 2 - .[5] | fabs < 1e-5) and .[0] != .[2]' all
    # the curve, too: where it begins is the mean, on the axis that the points span
    printf 'x,y\n1,-3\n5,3\n' >points.csv
    for models in "-m $one" "-m $two" "-m $one -m $two"; do
        # shellcheck disable=SC2086   # several words
        run -0 dlcli predict points.csv $models --output fit.svg
        grep -o '<polyline points="[0-9.,]*' fit.svg | tail -n 1 | sed 's/.*,//'
    done >begins
    jq -es '(.[0] + .[1]) / 2 - .[2] | fabs < 0.02' begins
}

@test "--output: a name of another kind, one that can't be written, and --top beside it are refused before work" {
    for name in maps.jpg y.bmp; do
        run -2 --separate-stderr dlcli predict "$PICTURES/cat.png" -m "$(model)" --layer conv1 --output $name
        says 'pictures are .png or .svg, arrays .npy'
        [ ! -e $name ]
    done
    mkdir folder.npy
    for name in nowhere/y.npy nowhere/y.png folder.npy; do
        run -2 --separate-stderr dlcli predict "$PICTURES/cat.png" missing.png -m "$(model)" --output $name
        says "$name"
        run -1 says 'missing.png'
    done
    run -2 --separate-stderr dlcli predict "$PICTURES/cat.png" -m "$(model)" --layer conv1 --top 1 --json
    says '--top and --layer exclude each other'
    run -2 --separate-stderr dlcli predict "$PICTURES/cat.png" -m "$(model)" --output y.npy --top 1
    says '--top and --output exclude each other'
    [ -z "$(find . -name "*y.npy*")" ]
}

@test "--output -: nothing but the array is on stdout" {
    echo nonsense >broken.png
    status=0
    dlcli predict --json "$PICTURES/cat.png" broken.png -m "$(model)" --output - >y.npy 2>said || status=$?
    [ "$status" = 1 ]
    grep -q 'broken.png' said
    run -1 dlcli predict "$PICTURES/cat.png" broken.png -m "$(model)" --output wanted.npy
    cmp y.npy wanted.npy
}

@test "--output .npy keeps no inputs" {
    printf '%s\n' '[net]' width=1024 height=1024 channels=3 '[avgpool]' '[softmax]' >big.cfg   # room for 64 inputs would be 805 MB
    run -0 bash -c "ulimit -v 600000; '$DLCLI' predict '$PICTURES/cat.png' -m big.cfg --threads 1 -q --output y.npy"
    [ "$(stat -c %s y.npy)" = $((128 + 3 * 4)) ]
}

@test "errors of folders name them" {
    path=deep
    for ((i = 0; i < 34; i++)); do path=$path/d; done
    mkdir -p "$path"
    run -2 --separate-stderr dlcli predict -m "$(model)" deep
    says 'deep/d'
    says 'folders are nested too deep'
}

@test "draw: the folder \".\" is no name; classes name the tiles of the layer that gives them alone" {
    cp "$(model)" best.safetensors
    run -0 --separate-stderr dlcli draw ./best.safetensors
    says 'best.svg'
    [ "$(echo .*svg)" = '.*svg' ]
    printf '%s\n' '[net]' width=8 height=8 channels=3 '[data]' classes=airplane,bird '[convolutional]' filters=2 size=3 activation=relu '[avgpool]' '[connected]' output=2 \
        activation=linear '[softmax]' >two.cfg
    run -0 dlcli draw two.cfg --weights convolutional1 -o first.svg
    run -1 grep -q airplane first.svg
    sed '/^\[connected\]/,/^activation=linear/d' two.cfg >maps.cfg
    sed '/^\[convolutional\]/,/^\[avgpool\]/d' two.cfg >linear.cfg
    run -0 dlcli draw maps.cfg --weights convolutional1 -o maps.svg
    run -0 dlcli draw linear.cfg --weights connected1 -o linear.svg
    grep -q airplane maps.svg
    grep -q airplane linear.svg
}

@test "plot --json and help --json are JSON" {
    run -0 --separate-stderr dlcli plot "$BATS_FILE_TMPDIR/run" --json
    [ "$(wc -l <<<"$output")" = 2 ]
    output=$(jq -s . <<<"$output")
    holds '.[0] | .metric == "loss" and .over == "epoch" and .curves[0].curve == "run training" and (.curves[1].points | length == 6 and .[0][0] == 1 and .[0][1] > 0)'
    holds '.[1].metric == "accuracy"'
    run -0 --separate-stderr dlcli plot "$BATS_FILE_TMPDIR/run" --json --metric loss -o a.svg
    holds '.metric == "loss"'
    [ -s a.svg ]
    run -2 --separate-stderr dlcli plot "$BATS_FILE_TMPDIR/run" --json -o -
    says '--json and --output -'
    run -0 --separate-stderr dlcli help softmax --json
    holds '.topic == "softmax" and (.text | startswith("[softmax]"))'
    run -0 --separate-stderr dlcli help --json
    holds '.topic == null'
}

@test "an array's axes are the input's, in that order" {
    model=$(model)
    npy() {   # npy FILE DIMS: zeros
        dims=$2 n=1
        for d in ${dims//,/ }; do n=$((n * d)); done
        { printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': ($dims,), }"; head -c $((4 * n)) /dev/zero; } >"$1"
    }
    for dims in 2,3,12,12 3,12,12 2,432 2,3,144 1,432 432; do
        npy x.npy $dims
        run -0 dlcli predict x.npy -m "$model"
    done
    for dims in 2,12,12,3 12,12,3 3,12,36 12,36 2,431 3; do
        npy x.npy $dims
        run -2 --separate-stderr dlcli predict x.npy -m "$model"
        says "an array of shape (${dims//,/, }) is not rows of the network's input (3x12x12)"
    done
}

@test "--set data.classes renames a model's classes" {
    run -0 dlcli predict "$PICTURES/cat.png" -m "$(model)" --set data.classes=n,e,s,w --json
    [ "$(jq -r '[.top[].class] | sort | join(",")' <<<"$output")" = e,n,s,w ]
    run -2 --separate-stderr dlcli predict "$PICTURES/cat.png" -m "$(model)" --set data.classes=n,e,s
    says '3 classes, but the network has 4 outputs'
}
