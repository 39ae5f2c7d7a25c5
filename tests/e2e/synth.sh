#!/bin/bash
# End to end: the practice world as files, and a report of nothing.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/scratch.sh
fails_with() { # CODE PATTERN COMMAND…: ends with CODE and one line that matches PATTERN
    code=$1
    pattern=$2
    shift 2
    "$@" >"$work/out" 2>"$work/err"
    got=$?
    cat "$work/err"
    [ "$got" -eq "$code" ] && grep -q -- "$pattern" "$work/err"
}
synth() { "$program" synth --users 20 --conversations 100 --train-prompts 50 --heldout-prompts 30 "$@"; }
lines() { [ "$(zstd -dcf "$1" | wc -l)" -eq "$2" ]; }
same() {
    for f in chats.jsonl.zst truth.jsonl.zst prompts-train.jsonl prompts-heldout.jsonl summary.json; do
        cmp "$work/$1/$f" "$work/$2/$f" || return 1
    done
}
differ() { [ -s "$1" ] && [ -s "$2" ] && ! cmp -s "$1" "$2"; }
no_leftovers() { [ "$(ls -A "$work/a" | wc -l)" -eq 5 ]; }

echo "TAP version 13"
check "synth writes a world" synth --seed 3 --out "$work/a"
check "one row a conversation" lines "$work/a/chats.jsonl.zst" 100
check "as many training prompts as asked" lines "$work/a/prompts-train.jsonl" 50
check "as many held-out prompts as asked" lines "$work/a/prompts-heldout.jsonl" 30
check "no temporary files stay" no_leftovers
check "the same seed again" synth --seed 3 --out "$work/b"
check "gives the same bytes" same a b
check "another seed" synth --seed 4 --out "$work/c"
check "gives other chats" differ "$work/a/chats.jsonl.zst" "$work/c/chats.jsonl.zst"
check "no users is a usage error" fails_with 2 users "$program" synth --users 0 --out "$work/d"
check "no --out is a usage error" fails_with 2 out "$program" synth
check "a file in the way of the folder is an error" fails_with 1 summary.json "$program" synth --conversations 5 --out "$work/a/summary.json"
mkdir "$work/run"
check "a report of a run without metrics names it" fails_with 1 "$work/run" "$program" report "$work/run" --out "$work/r.html"
echo '{"step":1,"loss":0.5}' >"$work/run/metrics.jsonl"
check "a report of a run" "$program" report "$work/run" --out "$work/r.html"
check "holds its curve" grep -q "<polyline" "$work/r.html"
done_testing
