#!/usr/bin/env bats
# What a trained model keeps of its data: names of classes, columns and words. It means the same when the model is opened
# again; what could not be kept is refused before the first batch.
load helpers

# refused SENTENCE CFG: by check and by train, and no RUN is left.
refused() {
    for command in check 'train -o run -q'; do
        # shellcheck disable=SC2086
        run -2 --separate-stderr dlcli $command "$2"
        says "$1"
    done
    [ ! -e run ]
}

# table OUTPUTS [KEY...]: t.cfg learns the classes of t.csv, which has two features.
table() {
    local outputs=$1
    shift
    printf '%s\n' '[net]' inputs=2 batch=4 max_batches=2 '[data]' source=csv path=t.csv "$@" '[connected]' "output=$outputs" activation=linear '[softmax]' >t.cfg
}

# values [KEY...]: the same for a column of numbers.
values() {
    table 1 "$@"
    sed -i 's/^\[softmax\]/[cost]/' t.cfg
}

# Texts of t.tsv, of three classes.
texts() {
    printf '%s\n' '[net]' inputs=1 time_steps=3 batch=3 max_batches=2 '[data]' source=tsv path=t.tsv "$@" '[onehot]' size=9 '[rnn]' output=3 sequence=last \
        '[connected]' output=3 activation=linear '[softmax]' >t.cfg
}

picture() { mkdir -p "$1" && printf 'P5 4 4 255\n................' >"$1/p.pgm"; }

# Folders of pictures in all/, of as many classes.
folders() {
    printf '%s\n' '[net]' width=4 height=4 channels=1 batch=3 max_batches=2 '[data]' source=images path=all \
        '[connected]' "output=$1" activation=linear '[softmax]' >t.cfg
}

@test "labels that no line of a config can hold are refused" {
    table 2
    printf 'a,b,y\n1,2,x\n1,2,"two\nlines"\n' >t.csv
    refused "t.csv:3: column 2: the class's name holds a control character" t.cfg
    printf 'a,b,y\n1,2,x\n1,2,caf\xe9\n' >t.csv
    refused "t.csv:3: column 2: the class's name holds bytes that are not UTF-8" t.cfg
    texts
    printf 'ab\tx\nabc\ty\nb\tz\x7f\n' >t.tsv
    refused 't.tsv:3: behind the tab, the line holds a control character' t.cfg
    texts unit=word
    printf 'a b\tx\na\xe9\ty\nb\tz\n' >t.tsv
    refused 't.tsv:2: the text is not UTF-8' t.cfg
    printf 'a b\tx\na\x01\ty\nb\tz\n' >t.tsv
    refused 't.tsv:2: a word holds a control character' t.cfg
    folders 2
    picture all/ant
    picture $'all/b\xe9e'
    refused "the folder's name, which is a class's, holds bytes that are not UTF-8" t.cfg
    printf 'all/ant/p.pgm\tant\nall/ant/p.pgm\tb\x7f\n' >t.txt
    sed 's/^source=.*/source=list/; s/^path=.*/path=t.txt/' t.cfg >list.cfg
    refused 't.txt:2: the label holds a control character' list.cfg
    printf 'ant\nb\xe9e\n' >names
    sed 's/^path=.*/path=all\nclasses=names/' t.cfg >names.cfg
    refused 'names:2: the name holds bytes that are not UTF-8' names.cfg
}

@test "more columns than a config can list are refused" {
    for i in $(seq 10002); do printf 'c%d,' "$i"; done | sed 's/,$/\n/' >t.csv
    for i in $(seq 10002); do printf '1,'; done | sed 's/,$/\n/' >>t.csv
    values
    sed -i 's/^inputs=.*/inputs=10001/' t.cfg
    refused 't.csv: has 10001 columns of features: want at most 10000' t.cfg
}

@test "names with outer spaces, commas and backslashes mean the same in the model" {
    table 3
    printf 'a,b,y\n1,2,"b "\n3,4," x, y"\n5,6,"\tt\\"\n' >t.csv
    dlcli train t.cfg -q -o run
    run -0 dlcli test run/last.safetensors --data csv:t.csv --json
    holds '[.per_class[].class] == ["\tt\\", " x, y", "b "] and .images == 3'
    dlcli train t.cfg -q -o run --resume
    run -0 dlcli check run/config.cfg
    folders 2
    picture all/a
    picture 'all/b '
    dlcli train t.cfg -q -o folders
    run -0 dlcli test folders/last.safetensors --data images:all --json
    holds '[.per_class[].class] == ["a", "b "]'
}

@test "a target called input is that column, not the network's input" {
    values
    sed -i 's/^inputs=.*/inputs=1/' t.cfg   # as many as the outputs
    printf 'a,input\n1,100\n3,100\n' >t.csv
    dlcli train t.cfg -q -o run --set net.learning_rate=0
    run -0 dlcli test run/last.safetensors --data csv:t.csv --json
    holds '.rmse > 50'
}

@test "columns whose names no list can hold go by their numbers" {
    values header=1
    printf '" a",b,y\n1,2,3\n3,4,5\n' >t.csv
    dlcli train t.cfg -q -o run
    run -0 dlcli test run/last.safetensors --data csv:t.csv
    printf '" a",0,y\n1,2,3\n3,4,5\n' >t.csv
    run -2 --separate-stderr dlcli train t.cfg -q -o other
    says 't.csv: its columns are called by numbers, and names that a list can'"'"'t hold'
}

@test "classes called by numbers are not those of other data in their order" {
    texts
    printf 'ab\t0\nb\t1\na\t2\n' >t.tsv
    dlcli train t.cfg -q -o texts
    printf 'ab\t1\nb\t2\na\t3\n' >other.tsv
    run -2 --separate-stderr dlcli test texts/last.safetensors --data tsv:other.tsv
    says 'other.tsv:3: "3" is none of the 3 classes'
    printf 'ab\t1\nb\t2\n' >less.tsv
    run -0 dlcli test texts/last.safetensors --data tsv:less.tsv
    folders 3
    for i in 0 1 2; do picture all/$i; picture other/$((i + 1)); done
    picture less/2
    dlcli train t.cfg -q -o folders
    run -2 --separate-stderr dlcli test folders/last.safetensors --data images:other
    says 'other/3: no class of that name'
    run -2 --separate-stderr dlcli test folders/last.safetensors --set data.test=other
    says 'other/3: no class of that name'
    run -0 dlcli test folders/last.safetensors --data images:less
    run -0 dlcli train t.cfg -q -o folders --resume
}

@test "csv: classes= may be a count where the labels are texts" {
    table 3 classes=3
    printf 'a,b,y\n1,2,ant\n1,2,bee\n4,5,cat\n' >t.csv
    dlcli train t.cfg -q -o run
    printf 'a,b,y\n1,2,cat\n' >less.csv
    run -0 dlcli test run/last.safetensors --data csv:less.csv --json
    holds '.per_class[2].class == "cat" and .per_class[2].images == 1'
    printf 'a,b,y\n1,2,ant\n1,2,bee\n' >t.csv
    run -2 --separate-stderr dlcli check t.cfg
    says 'has 2 classes, but the network'"'"'s outputs are 3'
    printf 'a,b,y\n1,2,0\n1,2,1\n' >t.csv   # numbers, of which the data may lack some
    dlcli train t.cfg -q -o numbers
    printf 'a,b,y\n1,2,ant\n1,2,bee\n4,5,cat\n' >t.csv
    run -2 --separate-stderr dlcli test numbers/last.safetensors --data csv:t.csv
    says 't.csv:2: column 2: want one of the classes, found "ant"'
}
