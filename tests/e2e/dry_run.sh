#!/bin/bash
# train --dry-run and doctor --model: the memory told against the peak of the run itself, on one and two ranks, in f32 and bf16, with shared moments and with the
# buffers of --same-bits-any-ranks; seconds of a step; bad data and a model that does not fit are told, and no folder is made.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh

{ "$WR" synth --users 20 --conversations 160 --seed 3 --train-prompts 8 --heldout-prompts 8 --out world && "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 400 --seed 1; } >setup.log 2>&1 ||
    { sed 's/^/# /' setup.log; fail "synth, prepare"; done_testing; exit; }
# 102 MiB of weights, gradients and moments
shape=layers=6,hidden=320,heads=4,kv-heads=2,ffn=768,max-positions=512
run="--data data --new $shape --global-batch 4 --micro-tokens 512 --eval-records 8 --lr 1e-4 --seed 2"

# near NAME RANKS ARGUMENTS…: what is told is within 10 % of what the run came to.
near() {
    local n=$1 kind=$2 told peak
    shift 2
    rm -rf run
    # shellcheck disable=SC2086
    wr "$n" train "$kind" $run "$@" --out run --dry-run --json --no-probe && told=$(jq -e '.memory_bytes.total / 1048576' out.txt) && [ ! -e run ] || { sed 's/^/# /' log.txt; return 1; }
    # shellcheck disable=SC2086
    wr "$n" train "$kind" $run "$@" --out run && peak=$(sed -n 's/^memory of a rank at its peak: \([0-9]*\) MiB$/\1/p' log.txt)
    echo "# $n ranks, $kind $*: told $told MiB, came to $peak MiB"
    awk -v t="$told" -v p="$peak" 'BEGIN { exit !(p > 0 && t > 0.9 * p && t < 1.1 * p) }'
}
ok "reward, f32: memory told and taken" near 1 reward --steps 1
ok "two ranks, moments shared" near 2 reward --steps 1 --zero 1
ok "two ranks, the buffers of --same-bits-any-ranks" near 2 reward --steps 1 --same-bits-any-ranks
ok "lm, bf16" near 1 lm --steps 1 --precision bf16
ok "with a checkpoint beside the steps" near 1 reward --steps 3 --checkpoint-every 1
ok "lm, activations computed again" near 1 lm --steps 1 --recompute

# shellcheck disable=SC2086
wr 1 train reward $run --steps 1 --out none --dry-run
ok "a table, and the seconds of a step" eval 'grep -q "^  optimizer .*  *[0-9.]*$" out.txt && grep -qE "tokens a second +[1-9]" out.txt && grep -q "^it fits" out.txt'
# shellcheck disable=SC2086
wr 2 train reward $run --steps 1 --out none --dry-run --json
ok "as JSON: parts that make the whole, on two ranks with their sums" jq -e '.memory_bytes as $m | ([$m | to_entries[] | select(.key != "total") | .value] | add) == $m.total and .host.fits and .host.ranks == 2 and .seconds.step > 0 and .seconds.reduce > 0 and .steps_read == 1' out.txt
ok "... and no folder" [ ! -e none ]

# --- what is told instead ---
cp -r data bad
shard=$(echo bad/reward-train-*.wrs)
printf 'x' | dd of="$shard" bs=1 seek=200 conv=notrunc status=none
# shellcheck disable=SC2086
ok "a damaged record" eval 'code 1 wr 1 train reward ${run/--data data/--data bad} --steps 1 --out none --dry-run && says log.txt reward-train'
huge=layers=200,hidden=16384,heads=128,kv-heads=128,ffn=65536,max-positions=512
# shellcheck disable=SC2086
ok "a model that does not fit, and what would" eval 'code 1 wr 1 train reward ${run/$shape/$huge} --steps 1 --out none --dry-run --no-probe && says log.txt "does not fit" "GiB are available" "more memory"'
ok "... with its table" says out.txt optimizer
"$WR" doctor --model layers=24,hidden=2048,heads=16,kv-heads=8,ffn=8192 --ranks 1000 --no-probe --json >out.txt 2>log.txt
ok "doctor: ranks of a host that do not fit" jq -e '(.host.fits | not) and .ranks == 1000 and .memory_bytes.optimizer == 2 * .memory_bytes.gradients' out.txt
"$WR" doctor --model layers=2,hidden=64,heads=4,ffn=128 --ranks 4 --zero 1 --train lm >out.txt 2>log.txt
ok "doctor: a shape, beside the machine" eval 'grep -q "^CPU" out.txt && grep -q "^train lm of layers=2" out.txt && grep -qE "tokens a second +[1-9]" out.txt'
"$WR" doctor --model run/model --no-probe --json >out.txt 2>log.txt
ok "doctor: a folder that is no reward model is given a head" jq -e '.command == "train reward" and .trained == .parameters' out.txt
done_testing
