#!/usr/bin/env bats
# In a shell: pipes, names on stdin, readers that go away, and a stderr on which nothing moves.
load helpers

setup_file() {
    make_model
    # large enough to fill a pipe
    "$DLCLI" train "$ROOT/cfg/lenet.cfg" -q -o "$BATS_FILE_TMPDIR/lenet" --max-batches 1 --set data.path="$SAMPLE" --set data.valid=10
    mkdir "$BATS_FILE_TMPDIR/many"
    for i in {1..300}; do ln -s "$PICTURES/cat.png" "$BATS_FILE_TMPDIR/many/$i.png"; done
}

@test "find | dlcli predict --json - | jq" {
    run -0 bash -c "set -o pipefail; find '$BATS_FILE_TMPDIR/many' -name '*.png' | '$DLCLI' predict --json -m '$(model)' - | jq -r .top[0].class | wc -l"
    [ "$output" = 300 ]
}

@test "names in the order given, CRLF and empty lines welcome, the last without an end" {
    printf '%s/cat.png\r\n\n%s/ship.png' "$PICTURES" "$PICTURES" >names
    run -0 --separate-stderr bash -c "'$DLCLI' predict --json -m '$(model)' - <names | jq -r .input"
    [ "$output" = "$PICTURES/cat.png"$'\n'"$PICTURES/ship.png" ]
}

@test "-0: names with newlines" {
    name=$'two\nlines .png'
    cp "$PICTURES/cat.png" "$name"
    run -0 --separate-stderr bash -c "find . -name '*.png' -print0 | '$DLCLI' predict --json -0 -m '$(model)' -"
    holds '.input == "./two\nlines .png"'
}

@test "names that end in NUL without -0 are refused, none is dropped" {
    printf '%s\0%s\0' "$PICTURES/cat.png" "$PICTURES/ship.png" >names
    run -2 --separate-stderr dlcli predict --json -m "$(model)" - <names
    says '-0'
    [ -z "$output" ]
    printf '%s\n%s\0' "$PICTURES/cat.png" "$PICTURES/ship.png" >names
    run -1 --separate-stderr dlcli predict --json -m "$(model)" - <names
    holds '.input | endswith("cat.png")'
}

@test "names are answered as they come, not at the end" {
    mkfifo names
    "$DLCLI" predict --json -m "$(model)" - <names >answers &
    pid=$!
    exec 9>names
    echo "$PICTURES/cat.png" >&9
    for ((i = 0; i < 100; i++)); do [ -s answers ] && break; sleep 0.1; done
    [ -s answers ]
    exec 9>&-
    wait $pid
}

@test "a reader that goes away ends a command quietly" {
    run -0 --separate-stderr bash -c "set -o pipefail; '$DLCLI' predict --json -m '$(model)' --batch 1 '$BATS_FILE_TMPDIR/many' | head -n 1"
    [ -z "$stderr" ]
    [ "$(wc -l <<<"$output")" = 1 ]
    run -0 --separate-stderr bash -c "set -o pipefail; '$DLCLI' help data | head -c 1"
    [ -z "$stderr" ]
    run -0 --separate-stderr bash -c "set -o pipefail; '$DLCLI' import -q '$ROOT/cfg/lenet.cfg' '$BATS_FILE_TMPDIR/lenet/last.safetensors' - | head -c 1 | wc -c"
    [ -z "$stderr" ]
    run -0 --separate-stderr bash -c "'$DLCLI' train '$SMALL' -q --json -o run --epochs 3 | head -n 1 >/dev/null; exit \${PIPESTATUS[0]}"
    [ -z "$stderr" ]
}

@test "a config on stdin" {
    run -0 --separate-stderr bash -c "'$DLCLI' summary --json - <'$SMALL'"
    holds '.parameters == 1042'
}

@test "a folder: all pictures in it, folders too, hidden files not" {
    mkdir -p photos/inner
    cp "$PICTURES/cat.png" photos/inner/a.png
    cp "$PICTURES/cat.png" photos/b.png
    cp "$PICTURES/cat.png" photos/.hidden.png
    run -0 --separate-stderr bash -c "'$DLCLI' predict --json -m '$(model)' photos | jq -r .input"
    [ "$output" = $'photos/b.png\nphotos/inner/a.png' ]
}

@test "a folder that leads back to itself is gone through once" {
    mkdir -p photos/inner
    cp "$PICTURES/cat.png" photos/inner/a.png
    ln -s . photos/self
    ln -s .. photos/inner/up
    run -0 --separate-stderr bash -c "'$DLCLI' predict --json -m '$(model)' photos | jq -r .input"
    [ "$output" = photos/inner/a.png ]
}

@test "a NaN is said" {
    printf '%s\n' '[net]' inputs=2 '[connected]' output=3 activation=linear '[softmax]' >classes.cfg
    {
        printf '\x93NUMPY\x01\x00\x40\x00%-63s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }"
        printf '\x00\x00\xc0\x7f\x00\x00\x80\x3f'
    } >x.npy
    run -0 --separate-stderr dlcli predict --json -m classes.cfg x.npy
    holds '.top | map(.index) == [0, 1, 2] and all(.[]; .probability == null)'
    run -0 --separate-stderr dlcli predict -m classes.cfg x.npy
    prints ' nan%'
}

@test "a stream that is closed is not the next file that is opened" {
    for closed in '2>&-' '>&- 2>&-' '<&- >&- 2>&-'; do
        bash -c "'$DLCLI' train '$SMALL' -o run --force --epochs 1 $closed"
        jq -e .event run/metrics.jsonl
        [ ! -s run/.lock ]
    done
    run -1 --separate-stderr bash -c "'$DLCLI' train '$SMALL' -q --json -o run --force --epochs 1 >&-"
    says 'standard output'
    run -1 --separate-stderr bash -c "'$DLCLI' summary '$SMALL' >&-"
    says 'standard output'
    run -1 --separate-stderr bash -c "'$DLCLI' predict -m '$(model)' - <&-"
    says 'standard input'
}

@test "options follow arguments, -- ends them" {
    cp "$PICTURES/cat.png" ./--top
    run -0 --separate-stderr dlcli predict --json -m "$(model)" -- --top
    holds '.input == "--top"'
    run -0 --separate-stderr dlcli predict "$PICTURES/cat.png" --json -m "$(model)"
    holds '.top'
}

@test "nothing moves and nothing is coloured where stderr is a file" {
    {
        dlcli train "$SMALL" -o run
        dlcli test run/best.safetensors
        dlcli predict -m run/best.safetensors "$BATS_FILE_TMPDIR/many"
        dlcli check "$SMALL"
    } >out 2>said
    run -1 grep -c $'[\r\033\b]' out said
}

@test "nothing is printed twice" {
    dlcli train "$SMALL" -o run >out 2>said
    [ -s said ]
    [ -z "$(sort said | uniq -d)" ]
    run -2 dlcli train "$SMALL" -o other --set conv1.stide=2
    [ "$(wc -l <<<"$output")" = 1 ]
    run -1 dlcli predict -m run/best.safetensors missing.png "$PICTURES/cat.png"
    [ "$(grep -c missing.png <<<"$output")" = 1 ]
    run -2 dlcli predict -m run/best.safetensors missing.png
    [ "$(wc -l <<<"$output")" = 1 ]
}

# A terminal made by script(1); what it shows goes to the file `shown`.
on_terminal() { script -qec "$1" shown >/dev/null </dev/null; }

@test "on a terminal: a live line; none with NO_COLOR, TERM=dumb or --quiet" {
    command -v script >/dev/null || skip "script(1) is not here"
    TERM=xterm on_terminal "'$DLCLI' train '$SMALL' -o run"
    grep -q $'\033' shown
    NO_COLOR=1 TERM=xterm on_terminal "'$DLCLI' train '$SMALL' -o run --force"
    run -1 grep -c $'\033' shown
    TERM=dumb on_terminal "'$DLCLI' train '$SMALL' -o run --force"
    run -1 grep -c $'\033' shown
    TERM=xterm on_terminal "'$DLCLI' train '$SMALL' -o run --force --quiet"
    run -1 grep -c $'\033' shown
}

@test "--quiet says nothing but warnings and errors" {
    run -0 --separate-stderr dlcli train "$SMALL" -q -o run
    [ -z "$stderr" ]
    [ -z "$output" ]
}
