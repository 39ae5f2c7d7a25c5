#!/bin/bash
# --zero 1: each rank keeps its share of the optimizer's state; the bits of --zero 0 on any number of ranks, and checkpoints of either go on as the other.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh

spec=layers=2,hidden=32,heads=4,kv-heads=2,ffn=64,max-positions=512
small="--data data --new $spec --global-batch 8 --micro-tokens 512 --lr 3e-3 --eval-records 20 --checkpoint-every 3"
{
    "$WR" synth --users 20 --conversations 150 --seed 3 --train-prompts 20 --heldout-prompts 4 --out world &&
        "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 500 --seed 1
} >setup.log 2>&1 || { sed 's/^/# /' setup.log; fail "synth, prepare"; done_testing; exit; }

# stopped_at STEP RANKS ARGUMENTS…: a run that gets SIGUSR1 once it has a checkpoint of STEP, and stops with its newest steps saved.
stopped_at() {
    local step=$1 n=$2 pid
    shift 2
    rm -f pid.*
    wr "$n" "$@" &
    pid=$!
    for _ in $(seq 1000); do [ -d "${*: -1}/checkpoints/step-$step" ] && break || sleep 0.02; done
    kill -USR1 "$(cat pid.0)" 2>/dev/null
    wait $pid
}

# shellcheck disable=SC2086
{
    for n in 1 2 3; do
        wr $n train reward $small --steps 6 --out all-$n
        ok "--zero 1 on $n rank(s)" wr $n train reward $small --steps 6 --zero 1 --out shared-$n
        ok "--zero 1 on $n rank(s): the bits of --zero 0" same_run all-$n shared-$n
    done
    ok "one file of moments with --zero 0" [ "$(ls all-3/checkpoints/step-6/optimizer* | wc -l)" = 1 ]
    ok "several with --zero 1" [ "$(ls shared-3/checkpoints/step-6/optimizer* | wc -l)" -gt 3 ]
    wr 2 train reward --data data --model all-1/model --lora-rank 2 --steps 3 --global-batch 8 --lr 1e-3 --out adapters
    wr 2 train reward --data data --model all-1/model --lora-rank 2 --steps 3 --global-batch 8 --lr 1e-3 --zero 1 --out adapters-shared
    ok "adapters: --zero 1 has the bits of --zero 0" same_run adapters adapters-shared

    wr 2 train lm $small --steps 3 --out lm
    dpo="dpo online --model lm/model --reward all-1/model --n 3 --prompts-per-step 4 --max-tokens 12 --lr 1e-3 --prompts world/prompts-train.jsonl --steps 3"
    wr 2 $dpo --out dpo
    wr 2 $dpo --zero 1 --overlap off --out dpo-shared
    ok "dpo online: --zero 1 has the bits of --zero 0" same_run dpo dpo-shared

    ok "--autotune-comm on 2 ranks" wr 2 train reward $small --steps 6 --autotune-comm --zero 1 --out tuned
    ok "--autotune-comm: its choice is told" says log.txt "gradient sums: slices of" "the fastest"
    ok "--autotune-comm: the bits without it" same_run all-2 tuned
    wr 2 train reward $small --steps 6 --autotune-comm --out tuned --resume
    ok "--autotune-comm --resume: the choice of the run" says log.txt "gradient sums: slices of" "as tuned/comm.json has it"
    echo '{"ranks":2}' >tuned/comm.json
    ok "--autotune-comm: a file that is none of its is named" code 1 wr 2 train reward $small --steps 6 --autotune-comm --out tuned --resume
    ok "--autotune-comm: what to do about it" says log.txt "tuned/comm.json" "remove it"

    long="train reward $small --same-bits-any-ranks --steps 40"
    wr 2 $long --out whole
    stopped_at 3 3 $long --zero 1 --out from-3
    ok "three ranks' moments, gone on with by one" wr 1 $long --out from-3 --resume
    ok "three ranks' moments, gone on with by one: the uninterrupted bits" same_run whole from-3
    stopped_at 3 1 $long --out from-1
    ok "one rank's moments, gone on with by two in shares" wr 2 $long --zero 1 --out from-1 --resume
    ok "one rank's moments, gone on with by two in shares: the uninterrupted bits" same_run whole from-1
    stopped_at 3 2 $long --zero 1 --out from-2
    ok "two ranks' moments, gone on with by three in shares" wr 3 $long --zero 1 --out from-2 --resume
    ok "two ranks' moments, gone on with by three in shares: the uninterrupted bits" same_run whole from-2
    printf X | dd of="$(ls shared-3/checkpoints/step-6/optimizer-* | tail -1)" bs=1 seek=200 conv=notrunc status=none
    ok "a damaged share is refused" code 1 wr 2 train reward $small --steps 6 --zero 1 --out shared-3 --resume
    ok "a damaged share is named" says log.txt optimizer-0 damaged
}
done_testing
