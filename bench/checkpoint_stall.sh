#!/bin/bash
# checkpoint_stall.sh [ROUNDS [RANKS [OPTIONS…]]]: a reward model with the blocks of SmolLM2-135M (106 M parameters, random weights) is trained for a few steps with
# checkpoints between them (12 bytes a parameter): how long they took to write, for how long the steps stood still, and the whole run's time with --background-save over
# without. ROUNDS (default 3), the two in turn; RANKS (1); OPTIONS are added to both, e.g. --zero 1. Needs 8 GiB of memory and of disk in TMPDIR. Prints one
# line of JSON; $BENCH_OUT/checkpoint-stall.json (default $BUILD/bench-out) keeps it. At most 0.10 of the time of writing is asked.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/env.sh
BUILD=${BUILD:-build}
rounds=${1:-3} n=${2:-1}
shift $(($# < 2 ? $# : 2))
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
wr=$BUILD/wildreward out=${BENCH_OUT:-$BUILD/bench-out}
mkdir -p "$out" || exit 1
{
    "$wr" synth --out "$work/world" --users 8 --conversations 60 --seed 1 --train-prompts 4 --heldout-prompts 4 &&
        "$wr" prepare "$work/world/chats.jsonl.zst" --out "$work/data" --vocab-size 400 --seed 1
} >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
whole() { # whole FLAG OPTIONS…: seconds of a run
    local TIMEFORMAT=%R flag=$1
    shift
    rm -rf "$work/run"
    { time ranks "$n" "$wr" train reward --data "$work/data" --new layers=30,hidden=576,heads=9,kv-heads=3,ffn=1536,tied=1 --out "$work/run" --steps "${STEPS:-9}" --checkpoint-every 3 --global-batch "${BATCH:-32}" \
        --eval-records 8 --no-tensorboard "$flag" "$@" >"$work/log" 2>&1 || { tail -n 5 "$work/log" >&2; return 1; }; } 2>&1
}
: >"$work/rounds"
for ((r = 0; r < rounds; r++)); do
    plain=$(whole --no-background-save "$@") || exit 1
    beside=$(whole --background-save "$@") || exit 1
    read -r wrote stood < <(sed -nE 's/.* checkpoints beside the steps, ([0-9.]+) s of writing; they stood still for ([0-9.]+) s.*/\1 \2/p' "$work/log")
    echo "$wrote $stood $beside $plain" >>"$work/rounds"
done
jq -Rnc --argjson ranks "$n" --arg options "$*" '
    def median: sort | .[length / 2 | floor];
    [inputs | split(" ") | map(tonumber)] |
    {ranks: $ranks, options: $options, write_s: (map(.[0]) | median), stall_s: (map(.[1]) | median), stall_over_write: (map(.[1] / .[0]) | median),
     run_over_run_without: (map(.[2] / .[3]) | median), rounds: length}' "$work/rounds" | tee "$out/checkpoint-stall.json"
