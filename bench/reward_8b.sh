#!/bin/bash
# reward_8b.sh [TEXTS [WORDS]]: what it takes to score with a reward model of WildReward-8B's shape (Llama-3.1-8B, 3 outputs; random weights, 14 GiB on disk) on
# this host: TEXTS texts (default 4) of about WORDS words (default 60) in bf16, peak memory by kind, seconds; and what f32 says. The folder is made under $TMPDIR
# (default /tmp), which must have 16 GiB of room, and removed afterwards. Not part of make bench: it writes and reads all of that.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/env.sh
BUILD=${BUILD:-build}
texts=${1:-4} words=${2:-60}
room=$(df -Pk "${TMPDIR:-/tmp}" | awk 'NR == 2 { print int($4 / 1048576) }')
[ "$room" -ge 16 ] || { echo "reward_8b.sh: ${TMPDIR:-/tmp} has room for $room GiB, and 16 are needed (TMPDIR names another folder)" >&2; exit 1; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
wr=$BUILD/wildreward
{
    "$wr" synth --out "$work/world" --users 8 --conversations 60 --seed 1 --train-prompts 4 --heldout-prompts 4 &&
        "$wr" prepare "$work/world/chats.jsonl.zst" --out "$work/data" --vocab-size 400 --seed 1 &&
        "$BUILD/bench/bench_model_folder" L8 3 "$work/model" && cp "$work/data/tokenizer.json" "$work/model"
} >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
for ((i = 0; i < texts; i++)); do
    awk -v n="$words" -v i="$i" 'BEGIN { srand(i); for (k = 0; k < n; k++) t = t (k ? " " : "") sprintf("%c%c%c", 97 + rand() * 26, 97 + rand() * 26, 97 + rand() * 26); print "{\"text\":\"" t "\"}" }'
done >"$work/texts.jsonl"
tokens=$("$wr" tokenize --tokenizer "$work/model" --in "$work/texts.jsonl" | jq '.ids | length' | paste -sd+ | bc)

# measured COMMAND…: runs it; its most memory of each kind (MiB) and seconds in "$work/peak".
measured() {
    local pid begin=$SECONDS rc
    "$@" &
    pid=$!
    : >"$work/seen"
    while grep -E '^(VmHWM|RssAnon|RssFile):' /proc/$pid/status >>"$work/seen" 2>/dev/null && grep -q VmHWM "$work/seen"; do
        kill -0 $pid 2>/dev/null || break
        sleep 0.1
    done
    wait $pid
    rc=$?
    awk -v s=$((SECONDS - begin)) '{ if ($2 > most[$1]) most[$1] = $2 }
        END { printf "{\"peak_mib\":%d,\"anonymous_mib\":%d,\"file_mib\":%d,\"seconds\":%d}\n", most["VmHWM:"] / 1024, most["RssAnon:"] / 1024, most["RssFile:"] / 1024, s }' "$work/seen" >"$work/peak"
    return $rc
}
sync "$work/model/model.safetensors"
measured "$wr" score --model "$work/model" --precision bf16 --in "$work/texts.jsonl" --out "$work/scores.jsonl" || exit 1
jq -c --argjson texts "$texts" --argjson tokens "$tokens" --argjson host "$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)" \
    '{texts: $texts, tokens: $tokens, host_mib: $host} + .' "$work/peak"
[ "$(jq -s 'map(select(.score and .score > 1 and .score < 4)) | length' "$work/scores.jsonl")" = "$texts" ] || { echo "reward_8b.sh: scores are missing" >&2; exit 1; }
# What cannot fit is told at once.
if [ "$(awk '/^MemTotal/ { print int($2 / 1048576) }' /proc/meminfo)" -lt 28 ]; then
    begin=$(date +%s%N)
    if "$wr" score --model "$work/model" --precision f32 --in "$work/texts.jsonl" >/dev/null; then
        echo "reward_8b.sh: f32 was not refused" >&2
        exit 1
    fi
    echo "f32 was refused after $((($(date +%s%N) - begin) / 1000000)) ms"
fi
