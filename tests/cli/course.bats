#!/usr/bin/env bats
# The course's worked numbers, tables and given weights, from the configs that ship.
load helpers

setup() {
    work=$BATS_TEST_TMPDIR
    cd "$BATS_TEST_DIRNAME/../.." || return 1
}

@test "scripts/course: every row of the short version as expected" {
    run env DLCLI_DATA="$REAL_DATA" DLCLI="$DLCLI" scripts/course --threads 2
    echo "$output"
    [ "$status" -eq 0 ]
    [ "$(grep -c ' ok$' <<<"$output")" -gt 50 ]
}

@test "scripts/course says which row is not as expected" {
    printf '#!/bin/sh\necho 1 2 3\n' >"$work/liar"
    chmod +x "$work/liar"
    run env DLCLI="$work/liar" scripts/course 'AND, H'
    [ "$status" -eq 1 ]
    [[ $output == *"= 0 0 0 1"*"1 2 3"*FAILED* ]]
}

@test "scripts/course says which data it lacks" {
    [ ! -e data/squeezenet1_0.safetensors ] || skip "data/ holds it"
    run env -u DLCLI_DATA DLCLI="$DLCLI" scripts/course --markdown 'SqueezeNet with'
    [ "$status" -eq 0 ]
    [[ $output == *"| no squeezenet1_0.safetensors here | skipped |"* ]]
}

@test "a wrong count of given weights is refused" {
    run "$DLCLI" check cfg/course/edges-vertical.cfg --set 0.weights=1,2
    [ "$status" -eq 2 ]
    [[ $output == *"want 9 numbers (1x1x3x3), found 2"* ]]
}

@test "missing and non-numeric values are refused with line and column" {
    printf 'a,b,y\n1,2,3\n1,,3\n' > "$work/m.csv"
    run "$DLCLI" check cfg/course/linear-regression.cfg --set "data.path=$work/m.csv"
    [ "$status" -eq 2 ]
    [[ $output == *"m.csv:3: column 1 (b): the value is missing"* ]]
    printf 'a,b,y\n1,x,3\n' > "$work/n.csv"
    run "$DLCLI" check cfg/course/linear-regression.cfg --set "data.path=$work/n.csv"
    [[ $output == *"n.csv:2: column 1 (b): want a finite number, found \"x\""* ]]
    printf 'a,b,y\n1,2\n' > "$work/s.csv"
    run "$DLCLI" check cfg/course/linear-regression.cfg --set "data.path=$work/s.csv"
    [[ $output == *"s.csv:2: want 3 columns"* ]]
}
