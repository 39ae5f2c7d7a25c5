# Sourced by the end-to-end tests of rows and templates: a folder of their own to work in, the program by `run`, and checks that show a failed command's
# words.
# shellcheck shell=bash
repository=$PWD
. tests/env.sh
. tests/scratch.sh
cd "$work" || exit 1
ok() { # NAME COMMAND…
    local name=$1
    shift
    if logged "$@"; then
        pass "$name"
    else
        sed 's/^/# /' err 2>/dev/null
        fail "$name"
    fi
}
run() { rc=0; "$program" "$@" >out 2>err || rc=$?; }
echo "TAP version 13"
