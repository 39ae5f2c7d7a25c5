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

# The engine against this machine's products; against torch where $WILDREWARD_PEERS_PYTHON is a Python that has bench/peers/requirements.txt (and against
# torch.compile, which takes minutes to start, where WILDREWARD_BENCH_COMPILE is set); and against OpenVINO where $WILDREWARD_OPENVINO is
# "PYTHON bench/peers/openvino_prefill.py TOKENIZER_DIR".
echo
echo "=== model engine"
peers=()
if [ -n "${WILDREWARD_PEERS_PYTHON:-}" ]; then
    peers+=(--peers "$WILDREWARD_PEERS_PYTHON bench/peers/torch_engine.py")
else
    echo "peers skipped: set WILDREWARD_PEERS_PYTHON to a Python with bench/peers/requirements.txt"
fi
if [ -n "${WILDREWARD_OPENVINO:-}" ]; then peers+=(--openvino "$WILDREWARD_OPENVINO"); fi
"$BUILD/bench/bench_engine" --out "$out/engine.json" ${peers[@]+"${peers[@]}"} || failed=1

echo
echo "=== reward models"
"$BUILD/bench/bench_turns" >"$out/turns.json" || failed=1
"$BUILD/bench/bench_trees" >"$out/trees.json" || failed=1
bench/reward_peers.sh || failed=1

shared=${WILDREWARD_SHARED:-../shared}/data

# Encoding real chats with a 32k byte-level BPE (Qwen2's pattern), one thread each, in turn; both print CPU time.
echo
echo "=== ranks"
bench/scaling.sh || failed=1

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

# Rows of chats, against a parser that does nothing with what it finds.
echo
echo "=== sources"
if [ ! -f "$shared/sharegpt_wildchat.jsonl.zst" ]; then
    echo "skipped: no chats in $shared (set WILDREWARD_SHARED)"
elif "$BUILD/bench/bench_sources" "$shared/sharegpt_wildchat.jsonl.zst" >"$out/sources.json"; then
    jq -r '"rows to conversations over a bare yajl parse, one thread: \(.conversation_over_yajl) x   (\(.conversation_mb_s) against \(.bare_yajl_mb_s) MB/s; from the .zst file \(.sources_read_mb_s); at least 1.5: \(if .conversation_over_yajl >= 1.5 then "met" else "MISSED" end))"' "$out/sources.json"
else
    failed=1
fi

# Parquet with WildChat's whole schema, about 100 MB of text, one thread each, in turn; both print the median CPU time of 5 passes.
echo
echo "=== parquet"
parquet_ratio() {
    local peer=bench/peers/parquet_pyarrow.py python=$WILDREWARD_PEERS_PYTHON file=$out/chats.parquet ours theirs
    [ -f "$file" ] || "$python" $peer --make "$shared/sharegpt_wildchat.jsonl.zst" "$file" || return 1
    for _ in 1 2 3; do
        ours=$("$BUILD/bench/bench_parquet" "$file" 5) || return 1
        theirs=$("$python" $peer "$file" 5) || return 1
        jq -cn --argjson ours "$ours" --argjson theirs "$theirs" '{ours: $ours, pyarrow: $theirs, ratio: ($ours.rows_s / $theirs.rows_s)}'
    done | jq -s '{rounds: ., median: (map(.ratio) | sort | .[length / 2 | floor])}' >"$out/parquet.json" || return 1
    jq -r '"Parquet rows over pyarrow read + to_pylist of the same columns, one thread: \(.median * 10 | round / 10) x   (\(.rounds | map(.ours.rows_s) | max) rows/s, \(.rounds | map(.ours.text_mb_s) | max) MB/s of text, against \(.rounds | map(.pyarrow.rows_s) | max) rows/s; at least 4: \(if .median >= 4 then "met" else "MISSED" end))"' "$out/parquet.json"
}
if [ -z "${WILDREWARD_PEERS_PYTHON:-}" ] || [ ! -f "$shared/sharegpt_wildchat.jsonl.zst" ]; then
    echo "skipped: needs WILDREWARD_PEERS_PYTHON, and chats in $shared (set WILDREWARD_SHARED)"
else
    parquet_ratio || failed=1
fi

echo
echo "=== prepare"
bench/bench_prepare.sh || failed=1

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

# The endpoint annotator against a server that takes 50 ms: 64 requests in flight can be 1,280 a second at most.
echo
echo "=== endpoint annotator"
endpoint_ratio() {
    local pid rc
    "$BUILD/tests/server/openai_server" --latency 50 >"$out/endpoint.port" &
    pid=$!
    for _ in $(seq 100); do
        grep -q port "$out/endpoint.port" && break
        sleep 0.05
    done
    rm -rf "$out/endpoint.answers"
    no_proxy=127.0.0.1 "$BUILD/bench/bench_endpoint" "http://127.0.0.1:$(awk '{ print $2 }' "$out/endpoint.port")/v1" "$out/endpoint.answers" --latency 50 --parallel 64 >"$out/endpoint.json"
    rc=$?
    kill $pid
    wait $pid 2>/dev/null
    rm -rf "$out/endpoint.answers" "$out/endpoint.port"
    return $rc
}
endpoint_ratio || failed=1
exit $failed
