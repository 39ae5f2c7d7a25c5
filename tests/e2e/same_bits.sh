#!/bin/bash
# --same-bits-any-ranks: one model and one metrics file on 1 to 4 ranks, with 1 and 2 threads, resumed on others; --overlap changes no bit, --reduce-dtype does
# and stays close.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh

quiet() { "$@" >/dev/null; }
spec=layers=2,hidden=32,heads=4,kv-heads=2,ffn=64,max-positions=512
small="--new $spec --global-batch 12 --micro-tokens 512 --lr 3e-3 --eval-records 40 --steps 8 --eval-every 4"
{
    "$WR" synth --users 20 --conversations 200 --seed 3 --train-prompts 20 --heldout-prompts 4 --out world &&
        "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 500 --seed 1 --shard-records 64
} >setup.log 2>&1 || { sed 's/^/# /' setup.log; fail "synth, prepare"; done_testing; exit; }

# shellcheck disable=SC2086
for task in reward lm; do
    for n in 1 2 3 4; do
        ok "train $task on $n rank(s)" wr $n train $task --data data --out $task-$n $small --same-bits-any-ranks
        [ $n = 1 ] || ok "train $task: the bits of 1 rank on $n" same_run $task-1 $task-$n
    done
    wr 2 train $task --data data --out $task-off $small --same-bits-any-ranks --overlap off --reduce-slice 999 --reduce-depth 4
    ok "train $task: without overlap, other slices, the same bits" same_run $task-1 $task-off
    OMP_NUM_THREADS=2 wr 1 train $task --data data --out $task-threads $small --same-bits-any-ranks
    ok "train $task: the same bits with 2 threads" same_run $task-1 $task-threads
done

# Weights make the terms of a step no whole numbers, and thresholds are trained beside the tensors.
weighted="$small --objective thresholds --user-weights sqrt --class-weights effective --same-bits-any-ranks"
# shellcheck disable=SC2086
for n in 1 3; do wr $n train reward --data data --out weighted-$n $weighted; done
ok "train reward with weights and thresholds: the bits of 1 rank on 3" same_run weighted-1 weighted-3

# shellcheck disable=SC2086
{
    wr 3 train reward --data data --out plain $small
    wr 3 train reward --data data --out plain-off $small --overlap off --reduce-slice 1000
    ok "without the option: --overlap changes no bit" same_run plain plain-off
    wr 1 train reward --data data --out plain-1 $small
    ok "the option's losses are those without it, to rounding" close_run plain-1 reward-1 8
    wr 3 train reward --data data --out half $small --reduce-dtype bf16
    wr 3 train reward --data data --out half-off $small --reduce-dtype bf16 --overlap off --reduce-slice 1000
    ok "--reduce-dtype bf16: the same bits with and without overlap" same_run half half-off
    ok "--reduce-dtype bf16: other bits" code 1 cmp -s plain/model/model.safetensors half/model/model.safetensors
    ok "how long sums took is told" quiet jq -s -e 'map(select(.loss)) | all(.reduce_s > 0 and .reduce_wait_s >= 0)' plain/metrics.jsonl

    resumed="$small --checkpoint-every 3 --same-bits-any-ranks --out resumed"
    wr 2 train reward --data data $resumed --steps 8 &
    pid=$!
    for _ in $(seq 600); do [ -d resumed/checkpoints/step-3 ] && break || sleep 0.02; done
    kill -USR1 "$(cat pid.0)" 2>/dev/null
    wait $pid
    ok "resumed on other ranks, with other threads" env OMP_NUM_THREADS=2 bash -c '"$@"' _ "$WR" train reward --data data $resumed --resume 2>log.txt
    ok "resumed on other ranks: the bits of the uninterrupted run" same_run reward-1 resumed
    ok "resumed on other ranks: no warning of other bits" code 1 grep -q "not to the bit" log.txt
    ok "fewer parts than ranks are refused" code 2 wr 3 train reward --data data --out bad $small --same-bits-any-ranks --same-bits-parts 2
    ok "fewer parts than ranks: one line says so" says log.txt same-bits-parts
}

dpo="dpo online --model lm-1/model --reward reward-1/model --n 3 --prompts-per-step 4 --max-tokens 12 --lr 1e-3 --prompts world/prompts-train.jsonl"
# shellcheck disable=SC2086
for n in 1 2 3; do
    wr $n $dpo --steps 2 --out dpo-$n --same-bits-any-ranks
    ok "dpo online: the bits of 1 rank on $n" same_run dpo-1 dpo-$n
done
done_testing
