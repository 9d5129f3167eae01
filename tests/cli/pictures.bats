#!/usr/bin/env bats
# Pictures: curves, networks, weights, feature maps, confusion, comparisons; and the reference written from the tables.
load helpers

setup_file() { make_model; }

run_folder() { echo "$BATS_FILE_TMPDIR/run"; }
is_png() { [ "$(head -c 8 "$1" | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ]; }
is_svg() { head -c 5 "$1" | grep -q '<svg ' && tail -n 1 "$1" | grep -qx '</svg>'; }
epoch() { echo '{"event":"epoch","epoch":'"$1"',"step":'"$2"',"train_loss":'"$3"',"train_top1":null,"valid_loss":null,"valid_top1":null}'; }

@test "plot: PNG and SVG, with the runs' names, loss and accuracy" {
    run -0 dlcli plot "$(run_folder)" -o a.png
    is_png a.png
    run -0 dlcli plot "$(run_folder)" -o a.svg
    is_svg a.svg
    for words in 'run training' 'run validation' '>Loss<' '>Accuracy<' '>epoch<'; do grep -q "$words" a.svg; done
}

@test "plot --metric draws only that; several runs on one axis" {
    cp -r "$(run_folder)" other
    run -0 dlcli plot "$(run_folder)" other --metric accuracy -o a.svg
    grep -q '>other validation<' a.svg
    grep -q '>run validation<' a.svg
    run -1 grep -q '>Loss<' a.svg
}

@test "plot in a terminal: as wide as said, letters without colour" {
    COLUMNS=60 run -0 dlcli plot "$(run_folder)"
    prints 'a run training'
    [ "$(wc -L <<<"$output")" -le 60 ]
    [[ $output != *$'\033'* ]]
}

@test "plot: a line that is no JSON, a wrong type, epochs that do not rise, nothing at all" {
    mkdir r
    { epoch 1 5 2.0; echo '{"event":'; epoch 2 9 '"x"'; epoch 1 12 1.5; } >r/metrics.jsonl
    run -2 --separate-stderr dlcli plot r
    says 'r/metrics.jsonl:2: this is no JSON object'
    says 'r/metrics.jsonl:3: train_loss: want a number or null'
    says 'r/metrics.jsonl:4: epoch: want numbers that rise'
    : >r/metrics.jsonl
    run -2 --separate-stderr dlcli plot r
    says 'nothing to plot yet'
    run -2 --separate-stderr dlcli plot nowhere
    says 'nowhere'
}

@test "plot: a last line without its end is left out; a regression has no accuracy" {
    mkdir r
    { epoch 1 5 2.0; epoch 2 9 1.0; printf '{"event":"ep'; } >r/metrics.jsonl
    run -0 --separate-stderr dlcli plot r
    says 'r/metrics.jsonl:3: the last line is not complete'
    [[ $output != *Accuracy* ]]
    run -2 --separate-stderr dlcli plot r --metric accuracy
    says 'no accuracy'
}

@test "a picture's name must end in .png or .svg; a folder that isn't there is said" {
    run -2 --separate-stderr dlcli plot "$(run_folder)" -o a.gif
    says 'want a picture'
    run -1 --separate-stderr dlcli plot "$(run_folder)" -o nowhere/a.png
    says 'nowhere/a.png'
    run -1 --separate-stderr dlcli draw "$SMALL" -o nowhere/a.svg
    says 'nowhere/a.svg'
}

@test "draw: a box for each layer with its shape and parameters; by default NAME.svg" {
    run -0 --separate-stderr dlcli draw "$SMALL"
    is_svg small.svg
    for words in '>conv1<' '>maxpool1<' '>6x10x10<\|>6x12x12<' '>softmax1<' '1,042 parameters'; do grep -q "$words" small.svg; done
    run -0 dlcli draw "$SMALL" -o net.png
    is_png net.png
    run -0 dlcli draw "$SMALL" -o -
    prints '</svg>'
}

@test "draw: branches lie side by side, and no two boxes overlap" {
    run -0 dlcli draw "$ROOT/cfg/imagenet/googlenet.cfg" -o g.svg
    grep -o '<rect x="[0-9.]*" y="[0-9.]*" width="[0-9.]*" height="44"' g.svg | tr -dc '0-9. \n' >boxes
    [ "$(wc -l <boxes)" -gt 60 ]
    awk '{ x[NR] = $1; y[NR] = $2; w[NR] = $3
           for (i = 1; i < NR; i++) if (y[i] == $2) { same++; if (x[i] < $1 + $3 && $1 < x[i] + w[i]) bad++ } }
         END { exit !(same > 40 && !bad) }' boxes
}

@test "draw --weights: filters in colour, a matrix, a layer without weights, a layer that is not there" {
    run -0 dlcli draw "$(model)" --weights conv1 -o w.png
    is_png w.png
    run -0 dlcli draw "$(model)" --weights connected1 -o w.svg
    is_svg w.svg
    run -2 --separate-stderr dlcli draw "$(model)" --weights maxpool1 -o x.png
    says 'has no weights'
    run -2 --separate-stderr dlcli draw "$(model)" --weights conv7 -o x.png
    says 'conv7'
    [ ! -e x.png ]
}

@test "predict --layer --output maps.png; a layer that is not there" {
    run -0 dlcli predict "$PICTURES/cat.png" -m "$(model)" --layer conv1 -o maps.png
    is_png maps.png
    run -0 dlcli predict "$PICTURES/cat.png" "$PICTURES/ship.png" -m "$(model)" --layer conv1 -o maps.svg
    is_svg maps.svg
    [ "$(grep -c '<g ' maps.svg)" = 12 ]
    run -2 dlcli predict "$PICTURES/cat.png" -m "$(model)" --layer conv7 -o x.png
    [ ! -e x.png ]
}

@test "predict --output of an autoencoder: reconstructions below what was given" {
    cat >a.cfg <<END
[net]
width=28
height=28
channels=1
[connected]
output=784
activation=linear
init=zero
[cost]
END
    run -0 dlcli predict "$ROOT/data/course/digits" -m a.cfg --output grid.svg
    is_svg grid.svg
    grep -q 'given; below: what a gives back' grid.svg
    [ "$(grep -c '<g ' grid.svg)" = 20 ]
    run -0 dlcli predict "$ROOT/data/course/digits/7.png" -m a.cfg --output grid.png
    is_png grid.png
}

@test "predict --output of a regression of one variable: the table's points and the curve" {
    printf '[net]\ninputs=1\n[data]\nsource=csv\n[connected]\nweights=2\nbiases=1\nactivation=linear\n[cost]\n' >line.cfg
    printf 'hours,price\n0,1.5\n1,2.5\n4,9\n' >t.csv
    run -0 dlcli predict t.csv -m line.cfg --output fit.svg
    is_svg fit.svg
    for words in '>line: 2 parameters<' '>3 points of t.csv<' '>line<' '>hours<' '>price<'; do grep -q "$words" fit.svg; done
    printf '0\n1\n' >x.csv
    run -0 dlcli predict x.csv -m line.cfg --output fit.png
    is_png fit.png
    run -0 --separate-stderr dlcli predict x.csv -m line.cfg --output fit.png --json
    [ "$output" = '{"input":"x.csv","output":"fit.png"}' ]
    printf 'hours,price\n0,1\n1,?\n' >t.csv
    run -2 --separate-stderr dlcli predict t.csv -m line.cfg --output no.png
    says 't.csv:3: column 1 (price): want a finite number, found "?"'
    [ ! -e no.png ]
}

@test "test --confusion: names and counts" {
    run -0 --separate-stderr dlcli test "$(model)" --json --confusion c.svg
    is_svg c.svg
    grep -q '>dark grey<' c.svg
    grep -q ">$(jq '.confusion[0][0]' <<<"$output")<" c.svg
    run -0 dlcli test "$(model)" --confusion c.png
    is_png c.png
    run -2 --separate-stderr dlcli test "$(model)" --confusion c.txt
    says '--confusion'
}

@test "summary --plot: accuracy where all checkpoints know it, else parameters" {
    run -0 dlcli summary "$(model)" "$(run_folder)/last.safetensors" --plot s.svg
    grep -q 'best validation accuracy' s.svg
    run -0 dlcli summary "$(model)" "$SMALL" --plot s.svg
    run -1 grep -q 'best validation accuracy' s.svg
    grep -q '>small<' s.svg
    run -0 dlcli summary "$SMALL" --plot s.png
    is_png s.png
}

@test "docs/reference.md is what the tables say (scripts/reference renews it)" {
    dlcli help reference >reference.md
    diff "$ROOT/docs/reference.md" reference.md
}

@test "dlcli help man is a manual page: every command and section, and no warning of roff" {
    dlcli help man >dlcli.1
    for words in 'SS dlcli train' 'SS dlcli draw' 'SS \[convolutional\]' 'SH EXIT STATUS'; do grep -q "$words" dlcli.1; done
    command -v groff >/dev/null || skip "no groff"
    run -0 groff -man -Tutf8 -wall -z dlcli.1
    [ -z "$output" ]
}
