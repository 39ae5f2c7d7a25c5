#!/bin/bash
# run.sh: measured speed of this machine (make bench). JSON under $BENCH_OUT (default $BUILD/bench): bench.json, and bench-ranks.json on 2 ranks;
# the model engine (engine.json);
# then the feedback annotator against hand-labelled turns, where $WILDREWARD_SHARED/data (default ../shared/data) has them.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/env.sh
BUILD=${BUILD:-build}
out=${BENCH_OUT:-$BUILD/bench-out}
mkdir -p "$out" || exit 1
failed=0

echo "=== one process"
"$BUILD/wildreward" bench --out "$out/bench.json" "$@" || failed=1
echo
echo "=== two ranks"
ranks 2 "$BUILD/wildreward" bench --out "$out/bench-ranks.json" "$@" || failed=1

# The engine against this machine's products, and against torch where $WILDREWARD_PEERS_PYTHON is a Python that has bench/peers/requirements.txt.
echo
echo "=== model engine"
peers=()
if [ -n "${WILDREWARD_PEERS_PYTHON:-}" ]; then
    peers=(--peers "$WILDREWARD_PEERS_PYTHON bench/peers/torch_engine.py")
else
    echo "peers skipped: set WILDREWARD_PEERS_PYTHON to a Python with bench/peers/requirements.txt"
fi
"$BUILD/bench/bench_engine" --out "$out/engine.json" ${peers[@]+"${peers[@]}"} || failed=1

shared=${WILDREWARD_SHARED:-../shared}/data

# Encoding real chats with a 32k byte-level BPE (Qwen2's pattern), one thread each, in turn; both print CPU time.
echo
echo "=== tokenizer"
tokenizer_ratio() {
    local python=$WILDREWARD_PEERS_PYTHON hf=bench/peers/tokenizer_hf.py text=$out/chats.txt vocabulary=$out/tokenizer-32k ours theirs
    [ -f "$text" ] || "$python" $hf --chats "$shared/sharegpt_wildchat.jsonl.zst" "$text" || return 1
    [ -f "$vocabulary/tokenizer.json" ] || "$python" $hf --train "$text" "$vocabulary" || return 1
    for _ in 1 2 3 4 5; do
        ours=$("$BUILD/bench/bench_tokenizer" "$vocabulary" "$text" 1 | jq .median_mb_s) || return 1
        theirs=$("$python" $hf "$vocabulary" "$text" 1 | jq .median_mb_s) || return 1
        jq -cn --argjson ours "$ours" --argjson theirs "$theirs" '{ours_mb_s: $ours, hf_mb_s: $theirs, ratio: ($ours / $theirs)}'
    done | jq -s '{rounds: ., median: (map(.ratio) | sort | .[length / 2 | floor])}' >"$out/tokenizer.json" || return 1
    jq -r '"tokenizer encode over Hugging Face tokenizers, one thread: \(.median * 10 | round / 10) x   (\(.rounds | map(.ours_mb_s) | max) against \(.rounds | map(.hf_mb_s) | max) MB/s; at least 4: \(if .median >= 4 then "met" else "MISSED" end))"' "$out/tokenizer.json"
}
if [ -z "${WILDREWARD_PEERS_PYTHON:-}" ] || [ ! -f "$shared/sharegpt_wildchat.jsonl.zst" ]; then
    echo "skipped: needs WILDREWARD_PEERS_PYTHON, and chats in $shared (set WILDREWARD_SHARED)"
else
    tokenizer_ratio || failed=1
fi

echo
echo "=== annotator"
if [ ! -x "$BUILD/bench/bench_annotator" ]; then
    echo "skipped: $BUILD/bench/bench_annotator is not built"
elif [ ! -f "$shared/sharegpt_wildchat.jsonl.zst" ] || [ ! -f "$shared/feedback_labels.jsonl" ]; then
    echo "skipped: no labelled turns in $shared (set WILDREWARD_SHARED)"
else
    "$BUILD/bench/bench_annotator" "$shared/sharegpt_wildchat.jsonl.zst" "$shared/feedback_labels.jsonl" || failed=1
    "$BUILD/bench/bench_annotate_speed" "$shared/sharegpt_wildchat.jsonl.zst" || failed=1
fi
exit $failed
