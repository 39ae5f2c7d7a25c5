#!/bin/bash
# train lm, train reward, evaluate: the same losses on 1 to 4 ranks, the same bits twice, after kill -9 and after a stop signal; ranks without files; inputs that
# do not belong together.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh

spec=layers=2,hidden=32,heads=4,kv-heads=2,ffn=64,max-positions=512
small="--new $spec --global-batch 8 --micro-tokens 1024 --lr 3e-3 --eval-records 40"

"$WR" synth --users 30 --conversations 400 --seed 3 --train-prompts 8 --heldout-prompts 8 --out world >/dev/null 2>synth.log || cat synth.log
if ! "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 600 --seed 1 --shard-records 64 >/dev/null 2>prepare.log; then
    sed 's/^/# /' prepare.log
    fail "prepare"
    done_testing
    exit
fi
"$WR" prepare world/chats.jsonl.zst --out data-other --vocab-size 500 --seed 1 >/dev/null 2>&1

for task in reward lm; do
    for n in 1 2 3 4; do
        # shellcheck disable=SC2086
        ok "train $task on $n rank(s)" wr $n train $task --data data --out $task-$n $small --steps 50 --eval-every 25 --checkpoint-every 20
        [ $n = 1 ] || ok "train $task: losses on $n ranks as on 1" close_run $task-1 $task-$n 50
    done
    # shellcheck disable=SC2086
    wr 2 train $task --data data --out $task-again $small --steps 50 --eval-every 25 --checkpoint-every 20
    ok "train $task: twice the same bits" same_run $task-2 $task-again
done
quiet() { "$@" >/dev/null; }
falls() { jq -s -e 'map(select(.loss) | .loss) | .[0] > 1.1 * .[-1]' "$1/metrics.jsonl" >/dev/null; }
ok "train lm: the loss falls" falls lm-1

# Slices and eval frequency touch no bit of the model.
# shellcheck disable=SC2086
wr 3 train reward --data data --out reward-slice $small --steps 50 --eval-every 25 --checkpoint-every 0 --reduce-slice 1000
ok "train reward: another slice of the reduction, the same bits" same_run reward-3 reward-slice

# --- interruptions ---------------------------------------------------------------------------------------------------------
steps=120
# shellcheck disable=SC2086
wr 2 train reward --data data --out whole $small --steps $steps --eval-every 50 --checkpoint-every 20
# stopped SIGNAL LINES: a run that gets SIGNAL on rank 1 once it has written LINES lines; leaves its exit code in $stopped.
stopped() {
    local run=$3 pid
    rm -rf pid.*
    # shellcheck disable=SC2086
    wr 2 train reward --data data --out "$run" $small --steps $steps --eval-every 50 --checkpoint-every 20 &
    pid=$!
    for _ in $(seq 600); do
        [ -f "$run/metrics.jsonl" ] && [ "$(wc -l <"$run/metrics.jsonl")" -ge "$2" ] && break
        sleep 0.02
    done
    kill -"$1" "$(cat pid.1)"
    wait $pid
    stopped=$?
    lines=$(wc -l <"$run/metrics.jsonl")
}
stopped KILL 45 killed
unfinished() { [ "$stopped" != 0 ] && [ "$lines" -lt $steps ] && [ ! -e "$1/model" ]; }
ok "kill -9 of a rank ends the run" unfinished killed
resume="--steps $steps --eval-every 50 --checkpoint-every 20 --resume"
# shellcheck disable=SC2086
ok "resume after kill -9" wr 2 train reward --data data --out killed $small $resume
ok "resume after kill -9: the same bits" same_run whole killed
stopped USR1 30 signalled
ok "SIGUSR1: exit 75" [ "$stopped" = 75 ]
ok "SIGUSR1: says how to go on" says log.txt --resume
# shellcheck disable=SC2086
ok "resume after SIGUSR1" wr 2 train reward --data data --out signalled $small $resume
ok "resume after SIGUSR1: the same bits" same_run whole signalled
# shellcheck disable=SC2086
ok "a finished run, resumed, stays" wr 2 train reward --data data --out signalled $small $resume
ok "a finished run, resumed: the same bits" same_run whole signalled
# shellcheck disable=SC2086
ok "a run directory in use is refused without --resume" code 2 wr 1 train reward --data data --out whole $small --steps $steps
# shellcheck disable=SC2086
ok "resume with another learning rate is refused" code 1 wr 1 train reward --data data --out whole ${small/lr 3e-3/lr 1e-2} $resume
ok "resume with another learning rate: one line" says log.txt whole options

# --- a rank that cannot read the files ----------------------------------------------------------------------------------------
for lost in 1 2; do
    # shellcheck disable=SC2086
    LOST_RANK=$lost ok "rank $lost without files" wr 3 train reward --data data --out "$work/lost-$lost" $small --steps 50 --eval-every 25 --checkpoint-every 20
    ok "rank $lost without files: said" says log.txt "other ranks read"
    ok "rank $lost without files: the same bits" same_run reward-3 lost-$lost
done
LOST_RANK=1 ok "rank 1 without files: lm" wr 3 train lm --data data --out "$work/lost-lm" $small --steps 50 --eval-every 25 --checkpoint-every 20
ok "rank 1 without files: lm, the same bits" same_run lm-3 lost-lm

from="--model $work/lm-1/model --global-batch 8 --steps 4 --lr 1e-3"
# shellcheck disable=SC2086
wr 2 train reward --data data --out from-2 $from
# shellcheck disable=SC2086
LOST_RANK=0 ok "rank 0 without files, from a model" wr 2 train reward --data data --out "$work/lost-0" $from
ok "rank 0 without files, from a model: the same bits" same_run from-2 lost-0

# --- evaluate ----------------------------------------------------------------------------------------------------------------
wr 1 evaluate --model reward-1/model --data data --truth world/truth.jsonl.zst --out eval-1.json
ok "evaluate a reward model" quiet jq -e '.kind == "reward" and .records > 0 and .accuracy >= 0 and (.mean_score_by_label | length) == 4 and
    .truth.replies > 100 and .truth.spearman_low <= .truth.spearman and .truth.spearman <= .truth.spearman_high' eval-1.json
wr 3 evaluate --model reward-1/model --data data --truth world/truth.jsonl.zst --out eval-3.json
ok "evaluate: 3 ranks, the same bytes" cmp eval-1.json eval-3.json
wr 2 evaluate --model lm-1/model --data data --out eval-lm.json
ok "evaluate a language model" quiet jq -e '.kind == "lm" and .tokens > 0 and .loss > 0' eval-lm.json

# --- inputs that do not fit ----------------------------------------------------------------------------------------------------
ok "a model of another vocabulary is refused" code 1 wr 2 train reward --data data-other --model reward-1/model --out bad --steps 5
ok "a model of another vocabulary: one line says so" says log.txt data-other tokenizer reward-1/model
ok "a model of another vocabulary: nothing is left behind" [ ! -e bad ]
ok "a causal model becomes a reward model" wr 1 train reward --data data --model lm-1/model --out from-lm --steps 2 --global-batch 4
ok "its configuration says so" quiet jq -e '.architectures == ["LlamaForSequenceClassification"]' from-lm/model/config.json
ok "no folder of data" code 1 wr 2 train lm --data nowhere --new $spec --out bad --steps 5
ok "neither --model nor --new" code 2 wr 1 train lm --data data --out bad --steps 5
cp -r data damaged
for f in damaged/reward-train-*.wrs; do printf 'X' | dd of="$f" bs=1 seek=$(($(stat -c %s "$f") / 3)) conv=notrunc status=none; done
# shellcheck disable=SC2086
ok "damaged shards are refused" code 1 wr 2 train reward --data damaged --out bad $small --steps 50
ok "damaged shards are named" says log.txt damaged/reward-train-
echo "{{{{" >template.txt
ok "a template that is not the shards' is refused" code 1 wr 1 train reward --data data --template template.txt --new $spec --out bad --steps 5
# shellcheck disable=SC2086
ok "a loss that is not finite ends the run" code 1 wr 2 train reward --data data --out nan --new $spec --global-batch 8 --lr 100 --grad-clip 0 \
    --lr-schedule constant --warmup-ratio 0 --steps 50 --eps 1e-30 --weight-decay 10 --checkpoint-every 1
ok "a loss that is not finite: step and rank are named" says log.txt "step " "rank "
done_testing
