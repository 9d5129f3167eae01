#!/usr/bin/env bats
# The Makefile and the scripts themselves: what they build, run, count and demand, with programs of their own in place of the real ones.
# shellcheck disable=SC2016   # what stands in single quotes is for the programs written here
load helpers

# program PATH LINE...: a shell script.
program() {
    local path=$1
    shift
    mkdir -p "$(dirname "$path")"
    printf '%s\n' '#!/bin/sh' "$@" >"$path"
    chmod +x "$path"
}

# A checkout with scripts/test, one unit test in the builds' folders, and a machine (bin) that has just what building and the test "a" need.
make_checkout() {
    mkdir -p scripts tests/unit tests/cli bin
    cp "$ROOT/scripts/test" "$ROOT/scripts/lib.sh" scripts
    : >tests/unit/test_a.c
    for tool in sh dirname basename mkdir rm nproc sed awk grep cat sort wc xargs timeout tail head date env id true; do ln -s "$(type -P "$tool")" bin; done
    for tool in cc gcc make; do program "bin/$tool" :; done
    program bin/ldconfig 'echo libopenblas.so.0'
}
on_that_machine() { run env -i PATH="$PWD/bin" "$@"; }

@test "scripts/test: what a test leaves out is counted and named" {
    make_checkout
    program build/gcc/tests/test_a "printf '%s\n' 'skipped: this processor has no sse9' '[  SKIPPED ] test_b' '[  PASSED  ] 3 test(s).' \
        '[  SKIPPED ] 1 test(s), listed below:' '[  SKIPPED ] test_b'"
    on_that_machine scripts/test unit
    [ "$status" -eq 0 ]
    prints "skipped: test_a: test_b"
    prints "skipped: test_a: this processor has no sse9"
    prints "test_a: 3 passed, 0 failed, 2 skipped (status 0)"
    prints "s in all, 2 skipped"
    prints "4 passed, 0 failed"
}

@test "scripts/test: a stage builds what it runs, and fails where that can't be built" {
    make_checkout
    program build/gcc/tests/test_a "echo '[  PASSED  ] 1 test(s).'"
    program bin/make 'echo "$*" >>made' 'exit 2'
    on_that_machine scripts/test unit
    [ "$status" -eq 1 ]
    grep -q 'CC=gcc tests$' made
    prints "unit-build: FAILED"
    program bin/bats "echo 1..1; echo ok 1"
    program bin/curl :
    program bin/jq :
    : >tests/cli/a.bats
    on_that_machine scripts/test cli
    [ "$status" -eq 1 ]
    prints "cli-build: FAILED"
    prints "a.bats: 1 tests"
}

@test "scripts/test: a stage demands its own packages and no others" {
    make_checkout
    program build/gcc/tests/test_a "echo '[  PASSED  ] 1 test(s).'"
    on_that_machine scripts/test unit
    [ "$status" -eq 0 ]
    on_that_machine scripts/test cli
    [ "$status" -eq 1 ]
    prints "missing: bats curl jq;"
    on_that_machine scripts/test sanitize
    [ "$status" -eq 1 ]
    prints "missing: libclang-rt-dev clang;"
    on_that_machine scripts/test lint
    [ "$status" -eq 1 ]
    prints "missing: shellcheck;"
}

@test "scripts/test: sanitized programs run without random addresses, where that is allowed" {
    make_checkout
    program bin/clang :
    program build/clang-address+undefined/tests/test_a 'echo "by ${by:-itself}"' "echo '[  PASSED  ] 1 test(s).'"
    program bin/setarch 'shift; export by=setarch; exec "$@"'
    on_that_machine scripts/test sanitize
    [ "$status" -eq 0 ]
    grep -q '^by setarch$' build/logs/sanitize/test_a.log
    program bin/setarch 'exit 1'
    on_that_machine scripts/test sanitize
    [ "$status" -eq 0 ]
    grep -q '^by itself$' build/logs/sanitize/test_a.log
}

@test ".ci/run: tests run with the data that lies beside, and not at all where that can't be unpacked" {
    mkdir -p checkout/.ci
    cp "$ROOT/.ci/run" checkout/.ci
    program checkout/scripts/test 'echo "tested with ${DLCLI_DATA:-nothing}"'
    run checkout/.ci/run
    [ "$status" -eq 0 ]
    prints "tested with nothing"
    program shared/data/prepare 'exit 3'
    run checkout/.ci/run
    [ "$status" -eq 3 ]
    [[ $output != *tested* ]]
    program shared/data/prepare :
    run checkout/.ci/run
    [ "$status" -eq 0 ]
    prints "tested with $PWD/checkout/data"
}

@test "make: dlcli is of the compiler asked for last, and of the Makefile as it is" {
    cp "$ROOT/Makefile" .
    mkdir src
    printf '#include <stdio.h>\nint main(void) {\n    return puts(NAME DLCLI_VERSION) < 0;\n}\n' >src/main.c
    for name in one two; do program "$name" "exec cc -DNAME='\"$name \"' \"\$@\""; done
    build() { env -u MAKEFLAGS make -s KERNELS= LDLIBS= CC="$PWD/$1" && ./dlcli; }
    [[ $(build one) == *"one "* ]]
    [[ $(build two) == *"two "* ]]
    [[ $(build one) == *"one "* ]]
    sed -i 's/^VERSION .*/VERSION := 12.34/' Makefile
    [[ $(build one) == *"one 12.34" ]]
}

@test "make install: from and to a folder with a space" {
    mkdir -p "a checkout/src"
    cp "$ROOT/Makefile" "$DLCLI" "a checkout"
    env -u MAKEFLAGS make -s -C "a checkout" -o dlcli install DESTDIR="$PWD/to here" PREFIX=/usr
    cmp "$DLCLI" "to here/usr/bin/dlcli"
    grep -q '^\.TH' "to here/usr/share/man/man1/dlcli.1"
}

@test "scripts/course: leaves the number of threads to dlcli, unless told" {
    program liar "echo \"\$*\" >>'$PWD/told'" 'exit 1'
    DLCLI=$PWD/liar run "$ROOT/scripts/course" 'LeNet-5 on CIFAR-10, 60 steps'
    grep -q '^train' told
    [ "$(grep -c -e --threads told)" -eq 0 ]
    DLCLI=$PWD/liar run "$ROOT/scripts/course" --threads 3 'LeNet-5 on CIFAR-10, 60 steps'
    grep -q -e '--threads 3 ' told
}

@test "scripts/bench: as many threads as dlcli takes, unless told" {
    command -v python3 >/dev/null || skip "python3 is missing"
    mkdir scripts
    cp "$ROOT/scripts/bench" scripts
    program dlcli 'echo "$*" >>told' "[ \"\$2\" != cfg/lenet.cfg ] || echo '{\"threads\": 7}'" '[ "$1" = bench ]'
    run scripts/bench data
    [ "$status" -eq 1 ]
    grep -q '^train .*--threads 7 ' told
    run scripts/bench data --threads 5
    grep -q '^train .*--threads 5 ' told
}

# A checkout of scripts/bench with what it reads.
make_bench() {
    command -v python3 >/dev/null || skip "python3 is missing"
    mkdir scripts
    cp "$ROOT/scripts/bench" scripts
    ln -s "$ROOT/cfg" "$ROOT/data" .
}

@test "scripts/bench: what needs no PyTorch, of LeNet" {
    make_bench
    ln -s "$DLCLI" dlcli
    run scripts/bench layers --networks lenet
    [ "$status" -eq 0 ]
    prints "| lenet | update, packing, rest |"
    run scripts/bench --precision int8 --networks lenet --modes infer1 --rounds 1
    [ "$status" -eq 0 ]
    prints "lenet"
}

@test "scripts/bench data: each of its trainings begins" {
    make_bench
    program dlcli "[ \"\$1\" != bench ] || exec '$DLCLI' \"\$@\"" \
        "exec '$DLCLI' \"\$@\" --set net.batch=2 --set data.path=data/cifar10-sample --set data.valid=0"
    run scripts/bench data --rounds 1
    [ "$status" -eq 0 ]
    prints "flip and crop"
    prints "RandAugment"
}
