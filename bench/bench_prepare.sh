#!/bin/bash
# bench_prepare.sh: speed and memory of prepare against a bare JSON parse, the bare tokenizer and plain Python; a table, and $BENCH_OUT/prepare.json.
# Ratios come from runs that take turns, the median of $ROUNDS (default 5). One core: CPU seconds, user and system together. 2 ranks over 1: wall seconds.
# Input: the real chats of $WILDREWARD_SHARED/data (default ../shared/data), $COPIES times (default 40) with other ids and first messages, so that no
# row is a duplicate; ranks share $RANK_COPIES times (default 160), so that starting them is a small part. Output goes to memory where /dev/shm is writable: what is measured is the program, not a disk.
#   MEMORY_GB=N   also: peak memory of a rank on N GB of chats made on the fly and piped in (default 0: not measured)
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/env.sh
BUILD=${BUILD:-build}
out=${BENCH_OUT:-$BUILD/bench-out}
chats=${WILDREWARD_SHARED:-../shared}/data/sharegpt_wildchat.jsonl.zst
program=$BUILD/wildreward
rounds=${ROUNDS:-5}
copies=${COPIES:-40}
rank_copies=${RANK_COPIES:-160}
if [ ! -f "$chats" ]; then
    echo "skipped: no chats in ${WILDREWARD_SHARED:-../shared}/data (set WILDREWARD_SHARED)"
    exit 0
fi
mkdir -p "$out" || exit 1
work=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")") || exit 1
trap 'rm -rf "$work"' EXIT

# many N: the chats N times, each time other conversations.
many() {
    local k
    zstd -dcq "$chats" >"$work/once.jsonl"
    for k in $(seq "$1"); do sed "s/\"conversation_hash\": *\"/&$k-/; s/\"content\": *\"/&$k /" "$work/once.jsonl"; done
}
# In eight files, as large sets come: a compressed file cannot be entered in its middle, so of one file every rank would unpack all.
eight_files() { # COPIES FOLDER
    mkdir "$2"
    many "$1" | split -n r/8 --additional-suffix=.jsonl --filter='zstd -q -3 -T1 -o "$FILE.zst"' - "$2/"
}
eight_files "$copies" "$work/chats"
bytes=$(zstd -dcq "$work"/chats/*.zst | wc -c)
now() { date +%s.%N; }
# cpu COMMAND…: its CPU seconds. wall COMMAND…: its wall seconds.
cpu() {
    local t
    t=$({ TIMEFORMAT='%U %S'; time "$@" >/dev/null 2>"$work/err"; } 2>&1) || { cat "$work/err" >&2; return 1; }
    awk '{ print $1 + $2 }' <<<"$t"
}
wall() {
    local begin
    begin=$(now)
    "$@" >/dev/null 2>"$work/err" || { cat "$work/err" >&2; return 1; }
    awk -v a="$begin" -v b="$(now)" 'BEGIN { print b - a }'
}
median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.4g", a / b }'; }
prepare() { rm -rf "$work/o" "$work/o.partial"; OMP_NUM_THREADS=1 "$program" prepare "$work/chats" --out "$work/o" "$@"; }
prepare_on() { rm -rf "$work/o" "$work/o.partial"; OMP_NUM_THREADS=1 ranks "$1" "$program" prepare "$work/many" --no-tokens --out "$work/o"; }
# What the machine itself gives: two runs of one process at once, which share nothing but caches, memory and cores.
twice() {
    local i pids=()
    for i in 1 2; do
        rm -rf "$work/o$i" "$work/o$i.partial"
        OMP_NUM_THREADS=1 "$program" prepare "$work/many" --no-tokens --out "$work/o$i" &
        pids+=($!)
    done
    wait "${pids[0]}" && wait "${pids[1]}"
}

prepare --no-tokens >/dev/null 2>&1 # the first one finds cold caches
# The text that gets tokens: of chats, and of instances with their history, which is tokenized again.
{
    "$program" export --data "$work/o" --kind chats --split all --out - | jq -j '.messages[].content + "\u0000"'
    "$program" export --data "$work/o" --kind reward --split all --out - | jq -j '(.history[].content + "\n"), .query, "\n", .response, "\u0000"'
} >"$work/text" 2>/dev/null
text_mb=$(awk -v b="$(wc -c <"$work/text")" 'BEGIN { print b / 1e6 }')
tokenizer=$work/tokenizer
OMP_NUM_THREADS=1 "$program" prepare "$chats" --out "$tokenizer" --vocab-size 4096 >/dev/null 2>&1
for _ in $(seq "$rounds"); do
    "$BUILD/bench/bench_sources" "$work/chats/aa.jsonl.zst" 5 | jq .bare_yajl_mb_s >>"$work/yajl"
    cpu prepare --no-tokens --no-chats >>"$work/instances"
    cpu prepare --no-tokens >>"$work/all"
    "$BUILD/bench/bench_tokenizer" "$tokenizer" "$work/text" 1 | jq .median_mb_s >>"$work/bare_tokens"
    cpu prepare --tokenizer "$tokenizer" >>"$work/tokens"
    [ -n "${WILDREWARD_PEERS_PYTHON:-}" ] && "$WILDREWARD_PEERS_PYTHON" bench/peers/prepare_plain.py data/rules "$chats" "$work/plain.zst" | jq .mb_s >>"$work/plain"
done
rm -rf "$work/chats" "$work/text"
eight_files "$rank_copies" "$work/many"
rank_bytes=$(zstd -dcq "$work"/many/*.zst | wc -c)
for _ in $(seq "$rounds"); do
    wall prepare_on 1 >>"$work/one"
    wall prepare_on 2 >>"$work/two"
    wall twice >>"$work/twice"
done
rm -rf "$work/o" "$work/o1" "$work/o2"
mb() { awk -v b="$bytes" -v s="$1" 'BEGIN { print b / 1e6 / s }'; }
yajl=$(median <"$work/yajl")
instances=$(mb "$(median <"$work/instances")")
all=$(mb "$(median <"$work/all")")
bare=$(median <"$work/bare_tokens")
tokens=$(awk -v b="$text_mb" -v s="$(median <"$work/tokens")" 'BEGIN { print b / s }')
one=$(median <"$work/one")
two=$(median <"$work/two")
twice=$(awk -v a="$one" -v b="$(median <"$work/twice")" 'BEGIN { print 2 * a / b }')
plain=$([ -f "$work/plain" ] && median <"$work/plain" || echo null)

line() { # NAME VALUE GOAL
    awk -v n="$1" -v v="$2" -v g="$3" 'BEGIN { printf "%-74s %8.3g  at least %-5s %s\n", n, v, g, (v >= g ? "met" : "MISSED") }'
}
echo "prepare on $(awk -v b="$bytes" 'BEGIN { printf "%.0f", b / 1e6 }') MB of chats, one core"
line "instances (--no-tokens --no-chats) over a bare yajl parse, $(printf '%.0f' "$instances") / $(printf '%.0f' "$yajl") MB/s" "$(ratio "$instances" "$yajl")" 0.3
line "with chats (--no-tokens) over a bare yajl parse, $(printf '%.0f' "$all") MB/s" "$(ratio "$all" "$yajl")" 0
line "2 ranks over 1 (--no-tokens, $(awk -v b="$rank_bytes" 'BEGIN { printf "%.0f", b / 1e6 }') MB)" "$(ratio "$one" "$two")" 1.8
line "  what two separate runs at once give on this machine" "$twice" 0
[ "$plain" = null ] && echo "plain Python skipped: set WILDREWARD_PEERS_PYTHON to a Python with bench/peers/requirements.txt" ||
    line "instances over plain Python ($(printf '%.1f' "$plain") MB/s)" "$(ratio "$instances" "$plain")" 3
line "with tokens over the bare tokenizer, $(printf '%.1f' "$tokens") / $(printf '%.1f' "$bare") MB/s of tokenized text" "$(ratio "$tokens" "$bare")" 0.8

peak=null
if [ "${MEMORY_GB:-0}" != 0 ]; then
    need=$(awk -v g="$MEMORY_GB" -v b="$(wc -c <"$work/once.jsonl")" 'BEGIN { print int(g * 1e9 / b) + 1 }')
    for part in 4 1; do # a quarter, then all: flat but for the tables of conversations and users
        rm -rf "$work/o" "$out/memory" "$out/memory.partial"
        many $((need / part)) | OMP_NUM_THREADS=1 "$program" prepare - --no-tokens --no-chats --out "$out/memory" >/dev/null 2>"$work/err" &
        pid=$!
        peak=0
        while kill -0 $pid 2>/dev/null; do
            now_kb=$(awk '/VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null)
            [ "${now_kb:-0}" -gt "$peak" ] && peak=$now_kb
            sleep 0.2
        done
        wait $pid || { cat "$work/err" >&2; exit 1; }
        echo "peak memory of a rank on $(awk -v g="$MEMORY_GB" -v p="$part" 'BEGIN { print g / p }') GB: $((peak >> 10)) MiB (at most 1024)"
    done
    rm -rf "$out/memory"
fi

jq -n --argjson bytes "$bytes" --argjson yajl "$yajl" --argjson instances "$instances" --argjson all "$all" --argjson tokens "$tokens" --argjson bare "$bare" \
    --argjson one "$one" --argjson two "$two" --argjson plain "$plain" --argjson peak "$peak" --argjson twice "$twice" \
    '{bytes: $bytes, bare_yajl_mb_s: $yajl, instances_mb_s: $instances, no_tokens_mb_s: $all, tokenized_mb_s: $tokens, bare_tokenizer_mb_s: $bare,
      one_rank_s: $one, two_ranks_s: $two, plain_python_mb_s: $plain, peak_kib: $peak,
      instances_over_yajl: ($instances / $yajl), tokens_over_bare: ($tokens / $bare), two_over_one: ($one / $two), two_runs_at_once: $twice}' >"$out/prepare.json"
