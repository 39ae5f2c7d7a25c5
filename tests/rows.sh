# Sourced by the end-to-end tests of rows and templates: the program, a folder of their own to work in, and TAP that shows a failed command's words.
# shellcheck shell=bash
repository=$PWD
program=$(realpath "${BUILD:-build}")/wildreward
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
n=0
ok() { # NAME COMMAND…
    n=$((n + 1)) name=$1
    shift
    if "$@" >log 2>&1; then echo "ok $n - $name"; else echo "not ok $n - $name" && sed 's/^/# /' log err; fi
}
run() { rc=0; "$program" "$@" >out 2>err || rc=$?; }
echo "TAP version 13"
