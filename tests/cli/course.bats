#!/usr/bin/env bats
# The course's worked numbers, tables and given weights, from the configs that ship.
load helpers

setup() {
    work=$BATS_TEST_TMPDIR
    cd "$BATS_TEST_DIRNAME/../.." || return 1
}

@test "edges of the lecture's 6x6: 0 30 30 0 in every row; turned kernel: the sign turns" {
    for _ in 1 2 3 4 5 6; do echo 10,10,10,0,0,0; done | tr '\n' ',' | sed 's/,$/\n/' > "$work/x.csv"
    run "$DLCLI" predict "$work/x.csv" -m cfg/course/edges-vertical.cfg --set net.width=6 --set net.height=6
    [ "$status" -eq 0 ]
    [[ $output == *": 0 30 30 0 0 30 30 0 0 30 30 0 0 30 30 0" ]]
    run "$DLCLI" predict "$work/x.csv" -m cfg/course/edges-vertical.cfg --set net.width=6 --set net.height=6 --set 0.flip_kernel=1
    [[ $output == *": 0 -30 -30 0 0 -30 -30 0 0 -30 -30 0 0 -30 -30 0" ]]
}

@test "7x7 at stride 2: 91 100 88 / 69 91 117 / 44 72 74" {
    printf '2374629669874334838977836634421834632419830139214\n' | sed 's/./&,/g; s/,$//' > "$work/x.csv"
    run "$DLCLI" predict "$work/x.csv" -m cfg/course/edges-vertical.cfg --set net.width=7 --set net.height=7 \
        --set 0.stride=2 --set 0.weights=3,4,4,1,0,2,-1,0,3
    [ "$status" -eq 0 ]
    [[ $output == *": 91 100 88 69 91 117 44 72 74" ]]
}

@test "a wrong count of given weights is refused" {
    run "$DLCLI" check cfg/course/edges-vertical.cfg --set 0.weights=1,2
    [ "$status" -eq 2 ]
    [[ $output == *"want 9 numbers (1x1x3x3), found 2"* ]]
}

@test "AND with given weights needs no training" {
    run "$DLCLI" predict cfg/course/data/and.csv -m cfg/course/and-given.cfg
    [ "$status" -eq 0 ]
    [ "$(printf '%s\n' "$output" | sed 's/.*: //' | tr '\n' ' ')" = "0 0 0 1 " ]
}

@test "logic gates by the perceptron's rule" {
    for gate in and or not nand nor; do
        "$DLCLI" train cfg/course/perceptron-$gate.cfg -q -o "$work/$gate"
        "$DLCLI" test "$work/$gate/last.safetensors" --split train -q --fail-under loss=0
    done
}

@test "XOR by a multilayer perceptron; linear regression at the noise" {
    "$DLCLI" train cfg/course/xor.cfg -q -o "$work/xor"
    "$DLCLI" test "$work/xor/last.safetensors" --split train -q --fail-under rmse=0.05
    "$DLCLI" train cfg/course/linear-regression.cfg -q -o "$work/lr"
    "$DLCLI" test "$work/lr/last.safetensors" --split train -q --fail-under rmse=0.088
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
