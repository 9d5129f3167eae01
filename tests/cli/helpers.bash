# What the command line's tests share. Each test runs in an empty folder of its own, without the environment's settings.
# shellcheck shell=bash disable=SC2034   # the tests read these

bats_require_minimum_version 1.5.0

ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
DLCLI=$(realpath "${DLCLI:-$ROOT/dlcli}")
SMALL=$ROOT/tests/cli/small.cfg
PICTURES=$ROOT/data/pictures
SAMPLE=$ROOT/data/cifar10-sample
export REAL_DATA=${REAL_DATA:-${DLCLI_DATA:-}}   # bats reads this file twice, the second time without DLCLI_DATA
unset DLCLI_DATA DLCLI_MODEL DLCLI_ISA NO_COLOR
export LC_ALL=C

setup() { cd "$BATS_TEST_TMPDIR" || return 1; }

dlcli() { "$DLCLI" "$@"; }

# The small network, trained once for a file of tests: its setup_file calls this.
make_model() { "$DLCLI" train "$SMALL" -q -o "$BATS_FILE_TMPDIR/run" --threads 2; }
model() { echo "$BATS_FILE_TMPDIR/run/best.safetensors"; }

need_real_data() { [ -d "$REAL_DATA/$1" ] || skip "\$DLCLI_DATA holds no $1"; }

# Does $stderr hold the text? Says what there was where not.
says() {
    # shellcheck disable=SC2154   # bats' run sets it
    grep -qF -- "$1" <<<"$stderr" || { printf 'want "%s" in: %s\n' "$1" "$stderr"; return 1; }
}
prints() {
    # shellcheck disable=SC2154
    grep -qF -- "$1" <<<"$output" || { printf 'want "%s" in: %s\n' "$1" "$output"; return 1; }
}
# Is $output JSON of which this expression of jq is true?
holds() { jq -e "$1" <<<"$output" >/dev/null || { printf 'not %s: %s\n' "$1" "$output"; return 1; }; }

# Do two runs' metrics tell the same, but for times?
same_metrics() {
    diff <(jq -cS 'select(.event != "start") | del(.seconds, .images_per_second)' "$1" | sed "s,$3,,g") \
         <(jq -cS 'select(.event != "start") | del(.seconds, .images_per_second)' "$2" | sed "s,$4,,g")
}
