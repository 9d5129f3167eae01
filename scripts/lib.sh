# What the scripts share: commands that are shown before they run, and packages installed only where they are missing.
# Sourced by quickstart and test, never run.
# shellcheck shell=sh

# Shows the command, then runs it.
shown() {
    printf '$ %s\n' "$*"
    "$@"
}

# What is there is found by trying it, not by asking a package manager: it may have come by another way.
has_tool() { command -v "$1" >/dev/null 2>&1; }
has_header() { printf '#include <%s>\n' "$1" | cc -E -x c - >/dev/null 2>&1; }
has_sanitizer() { echo 'int main(void) { return 0; }' | "$1" -fsanitize=address,undefined -x c -o /dev/null - 2>/dev/null; }
has_library() { PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null | grep -q "$1"; }

# Lines of "tool|header|library|sanitizer NAME PACKAGE" on stdin; prints the packages of what is not there.
missing_packages() {
    while read -r kind name package; do
        [ -z "$kind" ] || "has_$kind" "$name" || printf '%s ' "$package"
    done
}

needs_to_build() {
    cat <<EOF
tool cc gcc
tool gcc gcc
tool make make
header stdio.h libc6-dev
header cjson/cJSON.h libcjson-dev
header stb/stb_image.h libstb-dev
header zlib.h zlib1g-dev
library libopenblas.so libopenblas-dev
EOF
}

# What a stage of scripts/test needs.
needs_to_test() {
    [ "$1" = lint ] || needs_to_build
    case $1 in
    gcc | unit | sanitize | thread) echo 'header cmocka.h libcmocka-dev' ;;
    cli) printf 'tool %s\n' 'bats bats' 'curl curl' 'jq jq' ;;
    lint) echo 'tool shellcheck shellcheck' ;;
    esac
    case $1 in sanitize | malformed) printf '%s\n' 'tool clang clang' 'sanitizer clang libclang-rt-dev' ;; esac
}

needs_to_cross_compile() {
    cat <<EOF
tool aarch64-linux-gnu-gcc gcc-aarch64-linux-gnu
tool aarch64-linux-gnu-gcc libc6-dev-arm64-cross
EOF
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then shown "$@"
    else shown sudo "$@"
    fi
}

# Installs the packages named, if any.
install_packages() {
    [ $# -gt 0 ] || return 0
    if ! has_tool apt-get; then
        echo "missing: $*; there is no apt-get here, so please install them another way" >&2
        return 1
    fi
    if [ "$(id -u)" -ne 0 ] && ! has_tool sudo; then
        echo "missing: $*; run as root: apt-get install $*" >&2
        return 1
    fi
    as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

# The full CIFAR-10's folder, where dlcli looks for it too; fails where there is none.
find_cifar10() {
    for folder in data "${DLCLI_DATA:-data}" "${DLCLI_DATA:-data}/data"; do
        for suffix in '' .gz; do
            if [ -f "$folder/cifar-10-batches-bin/data_batch_5.bin$suffix" ]; then
                echo "$folder/cifar-10-batches-bin"
                return 0
            fi
        done
    done
    return 1
}
