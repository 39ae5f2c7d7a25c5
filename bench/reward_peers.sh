#!/bin/bash
# reward_peers.sh [ROWS [ROUNDS]]: a one-output reward model of Qwen3-0.6B's shape with random weights scores ROWS (default 16) chats of 512 tokens: `wildreward score`
# over AutoModelForSequenceClassification of transformers and torch on the same ids, in turn, each batch size of BATCHES (default "1 4 8") tried and the fastest one
# counted; in bf16 and in f32 (PRECISIONS). Beside the ratio of the seconds stands that of the CPU seconds, which counts on a machine that others use, with OMP_NUM_THREADS=1. What `score` takes to start and load, which torch has done before, is found with a text of two letters; `net` ratios are without it. Needs WILDREWARD_PEERS_PYTHON
# (bench/peers/requirements.txt). Prints one line of JSON a precision; $BENCH_OUT/reward-peers.json (default $BUILD/bench-out) keeps them.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/env.sh
BUILD=${BUILD:-build}
rows=${1:-16} rounds=${2:-3}
python=${WILDREWARD_PEERS_PYTHON:-}
[ -n "$python" ] || { echo "reward_peers.sh: skipped: set WILDREWARD_PEERS_PYTHON to a Python with bench/peers/requirements.txt" >&2; exit 0; }
work=$(mktemp -d) || exit 1
peer=
trap '[ -n "$peer" ] && kill "$peer" 2>/dev/null; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
wr=$BUILD/wildreward out=${BENCH_OUT:-$BUILD/bench-out}
mkdir -p "$out" || exit 1
{
    "$wr" synth --out "$work/world" --users 8 --conversations 60 --seed 1 --train-prompts 4 --heldout-prompts 4 &&
        "$wr" prepare "$work/world/chats.jsonl.zst" --out "$work/data" --vocab-size 400 --seed 1 &&
        "$BUILD/bench/bench_model_folder" Q06 1 "$work/model" && cp "$work/data/tokenizer.json" "$work/model"
} >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
# Random words, cut at 512 tokens; a few may become other tokens when read again, which both sides read alike.
for ((i = 0; i < rows; i++)); do
    awk -v i="$i" 'BEGIN { srand(i); for (k = 0; k < 600; k++) t = t (k ? " " : "") sprintf("%c%c%c", 97 + rand() * 26, 97 + rand() * 26, 97 + rand() * 26); print "{\"text\":\"" t "\"}" }'
done | "$wr" tokenize --tokenizer "$work/model" | jq -c '{ids: .ids[:512]}' | "$wr" tokenize --decode --tokenizer "$work/model" | jq -c '{text}' >"$work/texts.jsonl" || exit 1
"$wr" tokenize --tokenizer "$work/model" --in "$work/texts.jsonl" | jq -c '{ids}' >"$work/ids.jsonl" || exit 1
echo "$rows chats of $(jq '.ids | length' "$work/ids.jsonl" | sort -n | sed -n '1p;$p' | paste -sd- | sed 's/-/ to /') tokens" >&2
hardware=$("$wr" doctor --no-probe 2>/dev/null | grep -cE '^features.*(avx512_bf16|amx_bf16)')

echo '{"text":"ab"}' >"$work/short.jsonl"
ours() { # ours PRECISION TEXTS: seconds and CPU seconds
    set -o pipefail
    local TIMEFORMAT='%R %U %S'
    { time "$wr" score --model "$work/model" --precision "$1" --in "$work/$2.jsonl" --out "$work/ours.$2.$1" 2>>"$work/log" || return 1; } 2>&1 | awk '{ print $1, $2 + $3 }'
}
: >"$out/reward-peers.json"
failed=0
for precision in ${PRECISIONS:-bf16 f32}; do
    : >"$work/rounds"
    start=$(ours "$precision" short) || { tail -n 5 "$work/log" >&2; exit 1; }
    for batch in ${BATCHES:-1 4 8}; do
        coproc PEER { exec $python bench/peers/reward_score.py "$work/model" "$work/ids.jsonl" "$precision" "$batch" "$work/theirs.$precision" 2>>"$work/log"; }
        peer=$PEER_PID
        read -r line <&"${PEER[0]}" && [ "$line" = ready ] || { tail -n 5 "$work/log" >&2; exit 1; }
        for ((r = 0; r < rounds; r++)); do
            mine=$(ours "$precision" texts) || { tail -n 5 "$work/log" >&2; exit 1; }
            echo >&"${PEER[1]}"
            read -r theirs <&"${PEER[0]}" || exit 1
            echo "$batch $mine $theirs" >>"$work/rounds"
        done
        eval "exec ${PEER[1]}>&-"
        wait "$peer"
        peer=
    done
    # the batch size of the least median; the ratio of its rounds; how far the scores are apart, over their spread, and whether they order the rows alike
    paste <(jq .score "$work/ours.texts.$precision") "$work/theirs.$precision" >"$work/both"
    jq -nRc --arg precision "$precision" --argjson hardware "$hardware" --argjson start "[${start// /,}]" --rawfile both "$work/both" '
        def median: sort | .[length / 2 | floor];
        ($both | split("\n") | map(select(. != "") | split("\t") | map(tonumber))) as $s
        | ($s | map(.[1]) | max - min) as $spread
        | [inputs | split(" ") | map(tonumber)] | group_by(.[0]) | min_by(map(.[3]) | median) as $best
        | def over(a; b; less): $best | map(.[b] / (.[a] - less)) | median | . * 100 | round / 100;
        {precision: $precision, bf16_in_hardware: ($hardware > 0), batch: $best[0][0], ours_s: ($best | map(.[1]) | median), torch_s: ($best | map(.[3]) | median), start_s: $start[0], ratio: over(1; 3; 0), net_ratio: over(1; 3; $start[0]),
           cpu_ratio: over(2; 4; 0), net_cpu_ratio: over(2; 4; $start[1]), apart: ($s | map(.[0] - .[1] | fabs) | max), spread: $spread,
           same_order: (($s | to_entries | sort_by(.value[0]) | map(.key)) == ($s | to_entries | sort_by(.value[1]) | map(.key)))}' <"$work/rounds" | tee -a "$out/reward-peers.json" || failed=1
done
exit $failed
