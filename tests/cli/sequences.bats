#!/usr/bin/env bats
# Sequences: text as a data set, recurrent networks that learn it, their state carried and stored, text out of them.
load helpers

setup_file() {
    cd "$BATS_FILE_TMPDIR" || return 1
    head -c 4000 "$ROOT/LICENSE" >text
    sed s/SIZE/2/ "$ROOT/tests/cli/sequences.cfg" >guess.cfg
    size=$("$DLCLI" check guess.cfg 2>&1 | sed -n 's/.*has \([0-9]*\) classes.*/\1/p')
    sed "s/SIZE/$size/" "$ROOT/tests/cli/sequences.cfg" >model.cfg
    "$DLCLI" train model.cfg -q -o run
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    cp "$BATS_FILE_TMPDIR/text" "$BATS_FILE_TMPDIR/model.cfg" .
}

model() { echo "$BATS_FILE_TMPDIR/run/best.safetensors"; }

@test "hello is learnt to certainty by every network of the course" {
    for name in rnn lstm deep-rnn bidirectional; do
        (cd "$ROOT" && dlcli train "cfg/course/$name-hello.cfg" -q -o "$BATS_TEST_TMPDIR/$name")
        run --separate-stderr dlcli test "$name/last.safetensors" --data "text:$ROOT/data/course/hello.txt" --json
        holds '.top1 == 1 and .loss < 0.05 and .images == 4'
        holds '(.bits_per_symbol * (2 | log) - .loss | fabs) < 1e-6 and ((.loss | exp) - .perplexity | fabs) < 1e-6'
        [ "$name" = bidirectional ] || [ "$(dlcli generate "$name/last.safetensors" --prompt h --length 4 --seed 3)" = hello ]
    done
    run --separate-stderr dlcli generate bidirectional/last.safetensors --prompt h
    [ "$status" = 2 ]
    says "from its end too"
}

@test "a run stopped anywhere goes on with the state it carried" {
    for k in 1 2 3 4 5 6; do
        "$DLCLI" train model.cfg -q -o run --resume &
        sleep "0.0$((k + 2))"
        kill -KILL $! || true
        wait $! || true   # till it is gone, and its lock on the folder with it
    done
    dlcli train model.cfg -q -o run --resume
    cmp "$BATS_FILE_TMPDIR/run/last.safetensors" run/last.safetensors
    same_metrics "$BATS_FILE_TMPDIR/run/metrics.jsonl" run/metrics.jsonl run run
}

@test "a checkpoint within an epoch holds the carried state" {
    dlcli train model.cfg -q -o run --max-batches 7
    for name in lstm1.h lstm1.c gru1.h; do
        grep -aq "\"state.$name\"" run/last.safetensors
    done
    run ! grep -aq '"state\.' "$(model)"
}

@test "the same bits for any number of threads" {
    dlcli train model.cfg -q -o one --threads 1
    cmp "$BATS_FILE_TMPDIR/run/best.safetensors" one/best.safetensors
}

@test "generate: the seed decides" {
    a=$(dlcli generate "$(model)" --prompt the --length 80 --seed 1)
    b=$(dlcli generate "$(model)" --prompt the --length 80 --seed 1 --threads 1)
    c=$(dlcli generate "$(model)" --prompt the --length 80 --seed 2)
    [ "$a" = "$b" ] && [ "$a" != "$c" ]
    [[ $a == the* ]]
    run --separate-stderr dlcli generate "$(model)" --prompt the --length 80 --seed 1 --json
    [ "$(jq -r .text <<<"$output")" = "$a" ]
    [ "$(jq -r '.text | length' <<<"$output")" = 83 ]
}

@test "generate: temperature 0 and top-k 1 are the likeliest symbol" {
    a=$(dlcli generate "$(model)" --prompt a --length 40 --temperature 0 --seed 1)
    [ "$a" = "$(dlcli generate "$(model)" --prompt a --length 40 --top-k 1 --seed 2)" ]
    [ "$(dlcli generate "$(model)" --prompt a --length 0)" = a ]
}

@test "generate: what comes is written at once, and a reader that goes ends it quietly" {
    # shellcheck disable=SC2016
    [ "$(timeout 20 bash -c '"$0" generate "$1" --prompt a --length 100000000 | head -c 200 | wc -c' "$DLCLI" "$(model)")" = 200 ]
}

@test "generate refuses what can't be" {
    run --separate-stderr dlcli generate "$(model)" --prompt "$(printf 'a\xe2\x82\xac')"
    [ "$status" = 2 ]
    says 'knows no symbol "€"'
    run --separate-stderr dlcli generate "$(model)" --prompt "$(printf 'a\xff')"
    [ "$status" = 2 ]
    says "byte 2 is not UTF-8"
    run --separate-stderr dlcli generate "$SMALL"
    [ "$status" = 2 ]
    run --separate-stderr dlcli generate "$(model)" --temperature -1
    [ "$status" = 2 ]
}

@test "characters beyond ASCII, and bytes" {
    for ((i = 0; i < 30; i++)); do printf 'h\xc3\xa9llo \xe2\x82\xac\n'; done >text
    sed '/valid=/d' model.cfg >m.cfg
    dlcli train m.cfg -q -o chars --set embedding.size=7 --set connected.output=7 --set net.epochs=60
    [ "$(dlcli generate chars/last.safetensors --prompt h --length 6 --temperature 0)" = "héllo €" ]
    dlcli train m.cfg -q -o bytes --set embedding.size=10 --set connected.output=10 --set net.epochs=60 --set data.unit=byte
    [ "$(dlcli generate bytes/last.safetensors --prompt h --length 9 --temperature 0)" = "héllo €" ]
}

@test "texts that can't be used" {
    : >text
    run --separate-stderr dlcli check model.cfg
    [ "$status" = 2 ]
    says "is empty"
    printf 'ab' >text
    run --separate-stderr dlcli check model.cfg --set data.valid=1
    [ "$status" = 2 ]
    printf 'ab\xff' >text
    run --separate-stderr dlcli check model.cfg
    [ "$status" = 2 ]
    says "is not UTF-8; unit=byte"
}

@test "texts with labels: learnt, measured per class, predicted; the vocabulary is in the model" {
    (cd "$ROOT" && dlcli train cfg/course/classify-lines.cfg -q -o "$BATS_TEST_TMPDIR/c" --epochs 6)
    (cd "$ROOT" && run --separate-stderr dlcli test "$BATS_TEST_TMPDIR/c/best.safetensors" --json --fail-under top1=0.75
        holds '.images == 188 and .per_class[0].class == "c" and .per_class[3].images > 20')
    run -0 --separate-stderr dlcli predict --text 'static int count(struct text *t) {' -m c/best.safetensors --json
    holds '.top[0].class == "c" and .input == "static int count(struct text *t) {"'
    printf 'The live line of a terminal.\n\nif [ -z "" ]; then exit 1; fi\tlabel\n' >lines.txt
    run -0 --separate-stderr dlcli predict lines.txt -m c/best.safetensors --json --top 1
    [ "$(jq -r .row <<<"$output" | tr '\n' ' ')" = "0 2 " ]
    [ "$(head -n 1 <<<"$output" | jq -r '.top[0].class')" = english ]
}

@test "texts with tags: one for each word; unknown words by what stands around them" {
    (cd "$ROOT" && dlcli train cfg/course/tag-tokens.cfg -q -o "$BATS_TEST_TMPDIR/t" --epochs 6)
    (cd "$ROOT" && dlcli test "$BATS_TEST_TMPDIR/t/best.safetensors" -q --fail-under top1=0.95)
    run -0 --separate-stderr dlcli predict --text 'return zzz ( qqq ) + vvv . www ;' -m t/best.safetensors
    prints 'zzz/call (/sign qqq/name )/sign'
    prints './sign www/member'
    run -0 --separate-stderr dlcli predict --text 'return 0 ;' -m t/best.safetensors --json
    [ "$(jq -c '[.tags[].symbol]' <<<"$output")" = '["return","0",";"]' ]
    dlcli predict --text 'return 0 ;' -m t/best.safetensors --threads 1 --json >one
    [ "$(cat one)" = "$output" ]
}

@test "texts that can't be predicted; a model that reads none" {
    (cd "$ROOT" && dlcli train cfg/course/tag-tokens.cfg -q -o "$BATS_TEST_TMPDIR/t" --max-batches 1)
    run -2 --separate-stderr dlcli predict --text '  ' -m t/best.safetensors
    says 'the text is empty'
    printf 'a b\nc\n \n' >x.tsv
    run -1 --separate-stderr dlcli predict x.tsv -m t/best.safetensors
    says 'x.tsv:3: the text is empty'
    run -2 --separate-stderr dlcli predict --text abc -m "$(model)"
    says 'the model reads none'
    run -2 --separate-stderr dlcli predict -m t/best.safetensors
    says 'something to predict'
    run -2 --separate-stderr dlcli check model.cfg --set data.unit=word
    says 'source=text reads characters or bytes'
}
