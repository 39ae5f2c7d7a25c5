#!/bin/sh
# End to end: the practice world as files, and a report of nothing.
BUILD=${BUILD:-build}
PROGRAM=$BUILD/wildreward
DIR=$(mktemp -d)
trap 'rm -rf "$DIR"' EXIT
n=0
check() { # NAME COMMAND…
    n=$((n + 1))
    name=$1
    shift
    if "$@" >"$DIR/log" 2>&1; then
        echo "ok $n - $name"
    else
        echo "not ok $n - $name"
        sed 's/^/# /' "$DIR/log"
    fi
}
fails_with() { # CODE PATTERN COMMAND…: ends with CODE and one line that matches PATTERN
    code=$1
    pattern=$2
    shift 2
    "$@" >"$DIR/out" 2>"$DIR/err"
    got=$?
    cat "$DIR/err"
    [ "$got" -eq "$code" ] && grep -q -- "$pattern" "$DIR/err"
}
synth() { "$PROGRAM" synth --users 20 --conversations 100 --train-prompts 50 --heldout-prompts 30 "$@"; }
lines() { [ "$(zstd -dcf "$1" | wc -l)" -eq "$2" ]; }
same() {
    for f in chats.jsonl.zst truth.jsonl.zst prompts-train.jsonl prompts-heldout.jsonl summary.json; do
        cmp "$DIR/$1/$f" "$DIR/$2/$f" || return 1
    done
}
differ() { [ -s "$1" ] && [ -s "$2" ] && ! cmp -s "$1" "$2"; }
no_leftovers() { [ "$(ls -A "$DIR/a" | wc -l)" -eq 5 ]; }

echo "TAP version 13"
check "synth writes a world" synth --seed 3 --out "$DIR/a"
check "one row a conversation" lines "$DIR/a/chats.jsonl.zst" 100
check "as many training prompts as asked" lines "$DIR/a/prompts-train.jsonl" 50
check "as many held-out prompts as asked" lines "$DIR/a/prompts-heldout.jsonl" 30
check "no temporary files stay" no_leftovers
check "the same seed again" synth --seed 3 --out "$DIR/b"
check "gives the same bytes" same a b
check "another seed" synth --seed 4 --out "$DIR/c"
check "gives other chats" differ "$DIR/a/chats.jsonl.zst" "$DIR/c/chats.jsonl.zst"
check "no users is a usage error" fails_with 2 users "$PROGRAM" synth --users 0 --out "$DIR/d"
check "no --out is a usage error" fails_with 2 out "$PROGRAM" synth
check "a file in the way of the folder is an error" fails_with 1 summary.json "$PROGRAM" synth --conversations 5 --out "$DIR/a/summary.json"
mkdir "$DIR/run"
check "a report of a run without metrics names it" fails_with 1 "$DIR/run" "$PROGRAM" report "$DIR/run" --out "$DIR/r.html"
echo '{"step":1,"loss":0.5}' >"$DIR/run/metrics.jsonl"
check "a report of a run" "$PROGRAM" report "$DIR/run" --out "$DIR/r.html"
check "holds its curve" grep -q "<polyline" "$DIR/r.html"
echo "1..$n"
