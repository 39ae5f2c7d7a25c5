#!/bin/bash
# dpo online: identical replies and the same loss on 1 to 4 ranks at step 1; the same bits twice, after kill -9 and after a stop signal; the metrics it
# promises; evaluate --prompts; inputs that do not belong together.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh

first_replies() { zstd -dcq "$1/replies/step-000001.jsonl.zst"; }
same_first_step() {
    cmp <(first_replies "$1") <(first_replies "$2") &&
        jq -n -e --slurpfile a "$1/metrics.jsonl" --slurpfile b "$2/metrics.jsonl" \
            '($a[0].loss - $b[0].loss | fabs) <= 1e-5 * $a[0].loss and ($a[0].grad_norm - $b[0].grad_norm | fabs) <= 1e-4 * $a[0].grad_norm' >/dev/null
}

spec=layers=2,hidden=32,heads=4,kv-heads=2,ffn=64,max-positions=512
small="--new $spec --global-batch 8 --micro-tokens 1024 --lr 3e-3 --eval-records 20"
{
    "$WR" synth --users 30 --conversations 300 --seed 3 --train-prompts 60 --heldout-prompts 20 --out world &&
        "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 500 --seed 1 &&
        wr 2 train lm --data data --out lm $small --steps 30 &&
        wr 2 train reward --data data --out rm $small --steps 20
} >setup.log 2>&1 || { sed 's/^/# /' setup.log log.txt; fail "synth, prepare, train"; done_testing; exit; }
dpo="dpo online --model lm/model --reward rm/model --n 4 --prompts-per-step 8 --max-tokens 20 --lr 1e-3 --save-replies"
train="$dpo --prompts world/prompts-train.jsonl"

for n in 1 2 3 4; do
    # shellcheck disable=SC2086
    ok "dpo on $n rank(s)" wr $n $train --steps 3 --out ranks-$n
    [ $n = 1 ] || ok "step 1 on $n ranks: the same replies, loss and gradient as on 1" same_first_step ranks-1 ranks-$n
done
# shellcheck disable=SC2086
wr 2 $train --steps 3 --out again
ok "twice the same bits" same_run ranks-2 again
# shellcheck disable=SC2086
wr 3 $train --steps 3 --out slice --reduce-slice 777 --group 3
ok "another slice of the reduction and other tasks: the same bits" same_run ranks-3 slice
# shellcheck disable=SC2086
wr 2 $train --steps 3 --out seed --seed 1
ok "another seed: other replies" code 1 cmp -s <(first_replies ranks-2) <(first_replies seed)

ok "step 1: policy = reference" jq -s -e '.[0] | .h_max_abs <= 5e-5 and (.loss - 0.693147 | fabs) < 1e-5' ranks-2/metrics.jsonl
ok "sampler and trainer agree on log-probabilities" jq -s -e 'all(.sampler_gap < 1e-4)' ranks-2/metrics.jsonl
ok "every metric is there" jq -s -e 'length == 3 and all(has("step") and has("loss") and has("lr") and has("grad_norm") and has("reward_mean") and has("reward_std")
    and has("reward_margin") and has("accuracy") and has("kl") and has("reply_tokens") and has("reward_length_corr") and has("ties") and has("true_quality")
    and has("sample_time_s") and has("train_time_s") and has("reduce_time_s") and has("step_time_s") and has("coordinator_cpu_s")
    and .replies == 32 and .pairs + .ties + .low_margin + .too_few + .skipped_prompts == 8)' ranks-2/metrics.jsonl
ok "rewards are those of the reward model's score" jq -s -e 'all(.reward_mean > 1 and .reward_mean < 4 and (.pairs == 0 or .reward_margin > 0))' ranks-2/metrics.jsonl
ok "the policy moved" code 1 cmp -s lm/model/model.safetensors ranks-2/model/model.safetensors
# shellcheck disable=SC2086
ok "prompts of a prepared folder" wr 2 $dpo --prompts data --steps 1 --out from-data

# --- interruptions ---------------------------------------------------------------------------------------------------------
steps=14
# shellcheck disable=SC2086
wr 2 $train --steps $steps --checkpoint-every 5 --out whole
# stopped SIGNAL LINES RUN: a run that gets SIGNAL on rank 1 once it has written LINES lines; leaves its exit code in $stopped.
stopped() {
    local run=$3 pid
    rm -rf pid.*
    # shellcheck disable=SC2086
    wr 2 $train --steps $steps --checkpoint-every 3 --out "$run" &
    pid=$!
    for _ in $(seq 1500); do
        [ -f "$run/metrics.jsonl" ] && [ "$(wc -l <"$run/metrics.jsonl")" -ge "$2" ] && break
        sleep 0.01
    done
    kill -"$1" "$(cat pid.1)"
    wait $pid
    stopped=$?
}
unfinished() { [ "$stopped" != 0 ] && [ "$(wc -l <"$1/metrics.jsonl")" -lt $steps ] && [ ! -e "$1/model" ]; }
stopped KILL 5 killed
ok "kill -9 of a rank ends the run" unfinished killed
# shellcheck disable=SC2086
ok "resume after kill -9" wr 2 $train --steps $steps --checkpoint-every 3 --out killed --resume
ok "resume after kill -9: the same bits" same_run whole killed
stopped USR1 4 signalled
ok "SIGUSR1: exit 75" [ "$stopped" = 75 ]
ok "SIGUSR1: says how to go on" says log.txt --resume
# shellcheck disable=SC2086
ok "resume after SIGUSR1" wr 2 $train --steps $steps --checkpoint-every 3 --out signalled --resume
ok "resume after SIGUSR1: the same bits" same_run whole signalled
# shellcheck disable=SC2086
ok "resume with another seed is refused" code 1 wr 2 $train --steps $steps --out killed --resume --seed 9

# --- one check of how replies are sampled ------------------------------------------------------------------------------------------
echo '{"prompt":"x"}' >one.jsonl
for command in "sample --in one.jsonl --out o.jsonl" "evaluate --prompts one.jsonl --out o.json" "dpo online --reward rm/model --prompts one.jsonl --steps 1 --out o"; do
    # shellcheck disable=SC2086
    ok "--top-p 0 in ${command%% --*}" code 2 wr 1 $command --model lm/model --top-p 0
    ok "… in the same words" says log.txt "--top-p 0: must be above 0 and at most 1"
done
ok "dpo without chance makes no pairs: refused" code 2 wr 1 dpo online --model lm/model --reward rm/model --prompts one.jsonl --steps 1 --out o --temperature 0
ok "… by name" says log.txt "--temperature 0"

# --- chats too long for the limit: sample and the rollout leave out the same messages ---------------------------------------------
said() { printf '{"role":"%s","content":"%s"}' "$1" "$2"; }
long="what is the weather like in this place today?" word=hi
{
    echo "{\"messages\":[$(said system rule),$(said user "$long"),$(said assistant "$long"),$(said tool $word),$(said assistant $word),$(said user $word)]}"
    echo "{\"messages\":[$(said user "$long"),$(said assistant $word),$(said user $word),$(said assistant "$long"),$(said tool $word)]}"
    echo "{\"prompt\":[$(said user "$long"),$(said user $word),$(said assistant $word),$(said user $word)]}"
} >chats.jsonl
for limit in 24 40 60 70 90; do
    wr 1 sample --model lm/model --in chats.jsonl --max-length $limit --max-tokens 6 --top-k 1 --out sampled.jsonl
    rm -rf rolled
    wr 1 dpo online --model lm/model --reward rm/model --prompts chats.jsonl --max-prompt-tokens $limit --max-tokens 6 --top-k 1 --n 2 --prompts-per-step 3 \
        --steps 1 --save-replies --out rolled
    ok "chats cut to $limit tokens: the same replies, as probable, of sample and dpo" cmp \
        <(jq -c 'if .samples then (.samples[0] | {ids, logprob}) else "too long" end' sampled.jsonl) \
        <(for i in 0 1 2; do first_replies rolled | jq -sc "[.[] | select(.prompt == $i)] | if length > 0 then (.[0] | {ids, logprob}) else \"too long\" end"; done)
done

# --- evaluate --prompts -------------------------------------------------------------------------------------------------------
evaluate="evaluate --model whole/model --prompts world/prompts-heldout.jsonl --reward rm/model --n 2 --max-tokens 20 --seed 5"
# shellcheck disable=SC2086
wr 1 $evaluate --out eval-1.json
ok "evaluate a policy" jq -e '.kind == "policy" and .prompts == 20 and .replies == 40 and .true_quality_low <= .true_quality and .true_quality <= .true_quality_high
    and .reward_low <= .reward and .reward <= .reward_high and ([.by_kind[].replies] | add) == 40 and (.examples | length) == 12' eval-1.json
# shellcheck disable=SC2086
wr 3 $evaluate --out eval-3.json
ok "evaluate a policy: 3 ranks, the same bytes" cmp eval-1.json eval-3.json

# --- inputs that do not fit -----------------------------------------------------------------------------------------------------
echo '{"messages":[{"role":"user","content":"hi"}]}' >bad.jsonl
echo '{"messages":[{"role":"user","content":7}]}' >>bad.jsonl
# shellcheck disable=SC2086
ok "a bad prompt is refused" code 1 wr 2 $dpo --prompts bad.jsonl --steps 1 --out bad
ok "a bad prompt: file and line are named" says log.txt bad.jsonl "line 2" content
: >empty.jsonl
# shellcheck disable=SC2086
ok "no prompts are refused" code 1 wr 2 $dpo --prompts empty.jsonl --steps 1 --out bad
ok "a language model is no reward model" code 1 wr 2 dpo online --model lm/model --reward lm/model --prompts world/prompts-train.jsonl --steps 1 --out bad
ok "a reward model is no policy" code 1 wr 2 dpo online --model rm/model --reward rm/model --prompts world/prompts-train.jsonl --steps 1 --out bad
# shellcheck disable=SC2086
ok "replies longer than the model can be" code 2 wr 2 ${train/tokens 20/tokens 600} --steps 1 --out bad
ok "nothing was written for any of them" [ ! -e bad ]
done_testing
