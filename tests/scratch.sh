# Sourced after tests/env.sh by the end-to-end tests: the program, a folder of their own that goes with them, and what they ask of commands.
# shellcheck shell=bash
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
program=$BUILD/wildreward
work=$(mktemp -d "${TMPDIR:-/tmp}/wr-test.XXXXXX") || exit 1
finish() { rm -rf "$work"; } # a test that leaves more behind defines its own
trap 'finish' EXIT
trap 'exit 130' INT TERM

# needs NAME TOOL…: the test is skipped where a tool is not there.
needs() {
    local name=$1 tool
    shift
    for tool in "$@"; do
        command -v "$tool" >/dev/null && continue
        echo "1..1"
        echo "ok 1 - $name # SKIP $tool is not installed"
        exit 0
    done
}
# What a command says goes to $work/out and $work/err; `shown` and what stands on it tell of it where the command fails.
quiet() { "$@" >"$work/out" 2>"$work/err"; }
shown() { "$@" || { sed 's/^/# /' "$work/err"; return 1; }; }
good() { shown quiet "$@"; }
exits() { # CODE COMMAND…
    local want=$1 got
    shift
    quiet "$@"
    got=$?
    [ $got = "$want" ] || { echo "# exit code $got"; sed 's/^/# /' "$work/err"; return 1; }
}
# check NAME COMMAND…: `ok`, and all that a failed command printed.
logged() { "$@" >"$work/log" 2>&1 || { sed 's/^/# /' "$work/log"; return 1; }; }
check() {
    local name=$1
    shift
    ok "$name" logged "$@"
}
