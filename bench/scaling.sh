#!/bin/bash
# scaling.sh [ROUNDS]: what ranks cost each other in training, as ratios of runs that take turns, the median of ROUNDS (default 5): a table, and $BENCH_OUT/scaling.json.
# Random weights of SmolLM2-135M's shape with ten layers (SHAPE, VOCABULARY; the whole: SHAPE=layers=30,hidden=576,heads=9,kv-heads=3,ffn=1536,tied=1 VOCABULARY=49152,
# for which four ranks need 16 GiB), f32, one thread a rank. About 10 minutes on two cores.
#   weak scaling     2 ranks over 1, each with TOKENS tokens a step, over what two products of matrices at once give
#   hidden           of the time that sums over ranks add to a step on 4 hosts (network namespaces, RATE 1gbit), what goes on beside the backward pass. Needs root
#   ranks on hosts   a sum over 2 ranks on each of 2 such hosts, over the same with each rank taken to be on a host of its own: time. Needs root
#   optimizer        AdamW with --zero 1 on 4 ranks over one with all, one rank at a time (hosts do not share memory)
#   memory           the most a rank has had, 2 ranks, --zero 1 over --zero 0, SmolLM2-135M whole; --recompute, 512 tokens
#   same bits        train reward with --same-bits-any-ranks over without, 2 ranks
#   prediction       bench/simulate_ranks against the 4 hosts, then for 16, 64 and 256 hosts. Needs SimGrid (Debian's libsimgrid-dev)
# ONLY="weak hidden …" (of weak hidden hosts optimizer memory same simulate) measures some of them.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/env.sh
. bench/hosts.sh
BUILD=$(realpath "${BUILD:-build}")
out=${BENCH_OUT:-$BUILD/bench-out}
rounds=${1:-5}
whole=layers=30,hidden=576,heads=9,kv-heads=3,ffn=1536,tied=1
shape=${SHAPE:-layers=10,hidden=576,heads=9,kv-heads=3,ffn=1536,tied=1}
vocabulary=${VOCABULARY:-16384}
tokens=${TOKENS:-2048}
rate=${RATE:-1gbit}
host_tokens=${HOST_TOKENS:-16384} # of a step, in the prediction; a multiple of 512
host_speed=${HOST_SPEED:-32}      # a host of the prediction over this machine
parts=${ONLY:-weak hidden hosts optimizer memory same simulate}
export OMP_NUM_THREADS=1
ranks_bench=$BUILD/bench/bench_ranks
mkdir -p "$out" || exit 1
out=$(realpath "$out")
work=$(mktemp -d "${TMPDIR:-/tmp}/wr-scaling.XXXXXX") || exit 1
trap 'hosts_down; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
failed=0
: >"$work/rows"

wanted() { case " $parts " in *" $1 "*) ;; *) return 1 ;; esac; }
# line NAME VALUE BOUND least|most [AIM]: a row of the table and of the JSON.
line() {
    awk -v n="$1" -v v="$2" -v g="$3" -v least="$([ "$4" = least ] && echo 1 || echo 0)" -v aim="${5:-}" 'BEGIN {
        met = least ? v >= g : v <= g
        printf "%-84s %6.3f  at %s %-5s %s%s\n", n, v, least ? "least" : "most ", g, met ? "met" : "MISSED", aim != "" ? "  (aim " aim ")" : "" }'
    jq -cn --arg name "$1" --argjson value "$2" --argjson bound "$3" --arg kind "$4" '{name: $name, value: $value, bound: $bound, kind: $kind}' >>"$work/rows"
}
broken() { # NAME: a part that could not be measured
    echo "$1: FAILED" >&2
    tail -n 5 "$work/err" >&2
    failed=1
}

weak() {
    ranks 2 "$ranks_bench" weak "$shape" "$vocabulary" "$tokens" "$rounds" >"$work/weak" 2>"$work/err" || { broken weak; return; }
    line "2 ranks x 1 thread over 1 x 1 over two products at once ($(jq '.product_alone_over_all * 1000 | round / 1000' "$work/weak"))" "$(jq .ratio "$work/weak")" 0.95 least 0.98
}

hidden() {
    hosts_up 4 "$rate" || { broken "4 hosts"; return; }
    hosts_ranks 4 "$ranks_bench" overlap "$shape" "$vocabulary" "$tokens" "$rounds" >"$work/overlap" 2>"$work/err" &&
        hosts_ranks 4 "$ranks_bench" wire "$shape" "$vocabulary" 128 3 >"$work/wire" 2>"$work/err" || broken hidden
    hosts_down
    [ -s "$work/wire" ] || return
    cp "$work/overlap" "$out/scaling-overlap.json"
    local wire
    for wire in f32 bf16; do
        line "4 hosts at $rate: share of the sum's time hidden, $wire ($(jq -r ".$wire | \"step \\(.alone * 100 | round / 100) s, \\(.behind * 100 | round / 100) behind, \\(.beside * 100 | round / 100) beside\"" "$work/overlap"))" \
            "$(jq ".$wire.hidden" "$work/overlap")" 0.7 least 0.85
    done
}

hosts() {
    hosts_up 2 "$rate" || { broken "2 hosts"; return; }
    each=2 hosts_ranks 2 "$BUILD/bench/bench_hosts" 8000000 "$rounds" >"$work/hosts" 2>"$work/err" || broken hosts
    hosts_down
    [ -s "$work/hosts" ] || return
    line "2 hosts of 2 ranks at $rate: a sum over one without groups, f32 ($(jq -r '.f32 | "\(.hosts.seconds * 1000 | round) over \(.ranks.seconds * 1000 | round) ms, \(.hosts.mb | round) over \(.ranks.mb | round) MB"' "$work/hosts"))" \
        "$(jq .f32.time_ratio "$work/hosts")" 0.7 most 0.5
    line "the same, bf16" "$(jq .bf16.time_ratio "$work/hosts")" 0.85 most 0.75
}

optimizer() {
    ranks 4 "$ranks_bench" optimizer "$shape" "$vocabulary" 128 "$rounds" >"$work/optimizer" 2>"$work/err" || { broken optimizer; return; }
    line "optimizer's time, --zero 1 on 4 ranks over all of it" "$(jq .time "$work/optimizer")" 0.35 most
    line "optimizer's memory, --zero 1 on 4 ranks over all of it" "$(jq .memory "$work/optimizer")" 0.27 most
}

memory() {
    local what
    for what in memory memory-zero; do
        ranks 2 "$ranks_bench" $what "$whole" 49152 512 2 >"$work/$what" 2>"$work/err" || { broken $what; return; }
    done
    line "peak memory a rank, 2 ranks, --zero 1 over --zero 0 ($(jq '.peak_mib | round' "$work/memory-zero") over $(jq '.peak_mib | round' "$work/memory") MiB)" \
        "$(jq -n --argjson a "$(jq .peak_mib "$work/memory-zero")" --argjson b "$(jq .peak_mib "$work/memory")" '$a / $b')" 0.65 most
}

# Seconds of a step of `train reward`, the median of its steps but the first.
step_of() {
    rm -rf "$work/run"
    ranks 2 "$BUILD/wildreward" train reward --data "$work/data" --new "${shape%,tied=1},tied=1" --out "$work/run" --steps 4 --global-batch 64 --checkpoint-every 0 --eval-records 1 \
        --save-precision bf16 "$@" >/dev/null 2>"$work/err" && jq -s '[.[] | select(.step_time_s and .step > 1) | .step_time_s] | sort | .[length / 2 | floor]' "$work/run/metrics.jsonl"
}
same() {
    local i
    "$BUILD/wildreward" synth --out "$work/world" --users 20 --conversations 400 --seed 1 --train-prompts 4 --heldout-prompts 4 >/dev/null 2>"$work/err" &&
        "$BUILD/wildreward" prepare "$work/world/chats.jsonl.zst" --out "$work/data" --vocab-size 2000 --seed 1 >/dev/null 2>"$work/err" || { broken same; return; }
    for ((i = 0; i < rounds; i++)); do
        { step_of && step_of --same-bits-any-ranks; } | paste -sd' ' >>"$work/same"
        [ "$(tail -n 1 "$work/same" | wc -w)" = 2 ] || { broken same; return; }
    done
    line "--same-bits-any-ranks over without, 2 ranks" "$(awk '{ print $2 / $1 }' "$work/same" | sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }')" 1.3 most 1.1
}

# --- prediction -------------------------------------------------------------------------------------------------------
plain() { jq -r '"\(.forward) \(.backward) \(.update)", (.parts[] | "\(.[0]) \(.[1])")' "$1"; }
simulated() { "$BUILD/bench/simulate_ranks" "$@" 2>"$work/err"; }

# How far the prediction is from what the four hosts took, as a factor, the worst of four.
validate() {
    local wire overlap bytes got worst=1 cpu message
    plain "$work/overlap" >"$work/plain"
    cpu=$(jq --argjson cores "$(env -u OMP_NUM_THREADS nproc)" '.cpu_a_float * ([4 / $cores, 1] | max)' "$work/wire") # ranks share cores, in the schedule as well
    message=$(jq '[.a_message, 0] | max' "$work/wire")
    for wire in f32 bf16; do
        bytes=$([ $wire = f32 ] && echo 4 || echo 2)
        for overlap in 0 1; do
            got=$(simulated "$work/plain" hosts=4 gbit="$(awk '{ print $1 * ($1 ~ /mbit/ ? 0.001 : 1) }' <<<"$rate")" pairs=1 bytes="$bytes" overlap=$overlap cpu="$cpu" message="$message") || { broken prediction; return; }
            worst=$(jq --arg wire $wire --argjson overlap $overlap --argjson got "$got" --argjson worst "$worst" \
                '.[$wire][if $overlap == 1 then "beside" else "behind" end] as $was | [$worst, $got / $was, $was / $got] | max' "$work/overlap")
            echo "  $wire $([ $overlap = 1 ] && echo beside || echo behind): $got s predicted, $(jq --arg wire $wire ".[\$wire].$([ $overlap = 1 ] && echo beside || echo behind)" "$work/overlap") s measured"
        done
    done
    line "prediction against the 4 hosts, the worst of four (factor)" "$worst" 1.25 most
}

# A model of LAYERS layers from a step of two of them: SHAPE, VOCABULARY, WIDTH, LAYERS; seconds of HOST_TOKENS tokens.
schedule() {
    env -u OMP_NUM_THREADS "$ranks_bench" schedule "layers=2,$1" 1024 512 1 ${SIMULATE_PRECISION:-} >"$work/two" 2>"$work/err" &&
        jq --argjson V "$2" --argjson C "$3" --argjson L "$4" --argjson more "$((host_tokens / 512))" '
            .parts as $p | ($p[2][1] - $p[1][1]) as $layer | ($p[1][1] + ($L - 1) * $layer) as $last
            | ($p[0][0] + $L * $p[1][0] + $V * $C) as $all
            | {forward: (.forward * $L / 2 * $more), backward: (($last + .backward - $p[2][1]) * $more), update: (.update * $all / .params),
               parts: ([[$p[0][0], $p[0][1] * $more]] + [range($L) | [$p[1][0], ($p[1][1] + . * $layer) * $more]] + [[$V * $C, ($last + $p[3][1] - $p[2][1]) * $more]])}' "$work/two"
}

simulate() {
    local name hosts gbit speed got alone
    command -v cc >/dev/null && echo '#include <simgrid/engine.h>' | cc -E - >/dev/null 2>&1 || { echo "prediction: skipped: SimGrid is not installed (libsimgrid-dev)"; return; }
    cc -std=c17 -D_GNU_SOURCE -O2 -o "$BUILD/bench/simulate_ranks" bench/simulate/simulate_ranks.c -lsimgrid 2>"$work/err" || { broken "simulate_ranks"; return; }
    if [ -s "$work/wire" ]; then validate; else echo "prediction against the 4 hosts: skipped: they were not measured"; fi
    [ -n "${SIMULATE_HOSTS=16 64 256}" ] || return 0
    ranks 2 "$ranks_bench" wire "$shape" "$vocabulary" 128 3 >"$work/local" 2>"$work/err" || { broken wire; return; }
    schedule type=qwen3,hidden=1024,heads=16,kv-heads=8,head-dim=128,ffn=3072,tied=1 151936 1024 28 >"$work/Q06" &&
        schedule hidden=4096,heads=32,kv-heads=8,head-dim=128,ffn=14336 128256 4096 32 >"$work/8B" || { broken schedule; return; }
    echo "predicted step on hosts of which each takes $host_tokens tokens, seconds and efficiency (messages of 64 KiB: --reduce-slice 16384 x hosts, --reduce-depth 4; f32):"
    printf '%-6s %5s %7s %22s %22s\n' model hosts Gbit/s "as this machine" "$host_speed times as fast"
    for name in Q06 8B; do
        plain "$work/$name" >"$work/plain"
        for hosts in $SIMULATE_HOSTS; do
            for gbit in 25 100; do
                printf '%-6s %5s %7s' $name "$hosts" $gbit
                for speed in 1 "$host_speed"; do
                    got=$(simulated "$work/plain" hosts="$hosts" gbit=$gbit latency=1e-5 cores=2 speed="$speed" slice=$((16384 * hosts)) depth=4 \
                        cpu="$(jq .cpu_a_float "$work/local")" message="$(jq '[.a_message, 0] | max' "$work/local")") || { broken "simulation of $name"; return; }
                    alone=$(jq --argjson speed "$speed" '(.forward + .backward + .update) / $speed' "$work/$name")
                    printf ' %14.2f s  %4.2f' "$got" "$(jq -n "$alone / $got")"
                    jq -cn --arg name "$name on $hosts hosts, $gbit Gbit/s, $speed x" --argjson s "$got" --argjson e "$(jq -n "$alone / $got")" '{name: $name, seconds: $s, efficiency: $e}' >>"$work/rows"
                done
                echo
            done
        done
    done
}

if wanted weak; then weak; fi
if wanted hidden; then
    if hosts_possible; then hidden; else echo "4 hosts: skipped: network namespaces need root, ip and tc"; fi
fi
if wanted hosts; then
    if hosts_possible; then hosts; else echo "2 hosts: skipped: network namespaces need root, ip and tc"; fi
fi
if wanted optimizer; then optimizer; fi
if wanted memory; then memory; fi
if wanted same; then same; fi
if wanted simulate; then simulate; fi
jq -s --argjson rounds "$rounds" --arg shape "$shape" '{rounds: $rounds, shape: $shape, rows: .}' "$work/rows" >"$out/scaling.json"
exit $failed
