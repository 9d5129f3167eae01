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
