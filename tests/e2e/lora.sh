#!/bin/bash
# LoRA: train lm and train reward with adapters (rank counts, the same bits after kill -9), dpo online with the policy as its own reference, --adapter and merge,
# --recompute, --precision, --save-precision, --check-weights, and what is refused.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh

quiet() { "$@" >/dev/null; }
same_adapters() { cmp "$1/adapter/adapter_model.safetensors" "$2/adapter/adapter_model.safetensors" && same_run "$1" "$2"; }
# The loss falls; of a language model, whose embeddings stay as they are, that on the test records below the base model's.
falls() { jq -s -e 'map(select(.loss) | .loss) | .[0] > .[-1] * 1.02' "$1/metrics.jsonl" >/dev/null; }
improves() { jq -n -e --slurpfile a "$1/metrics.jsonl" --slurpfile b "$2/metrics.jsonl" '$a[-1].eval_loss > $b[-1].eval_loss + 0.05' >/dev/null; }
near() { # near FILE FILE FIELD TOLERANCE: the same number in each line
    paste <(jq -r "$3" "$1") <(jq -r "$3" "$2") | awk -v t="$4" '{ d = $1 - $2; if (d < 0) d = -d; if (NF != 2 || !(d <= t)) bad = NR } END { exit NR < 3 || bad }'
}
differs() { ! near "$@"; }

base="--new layers=2,hidden=32,heads=4,kv-heads=2,ffn=64,max-positions=512 --global-batch 8 --lr 3e-3 --eval-records 20"
{
    "$WR" synth --users 30 --conversations 300 --seed 3 --train-prompts 30 --heldout-prompts 10 --out world &&
        "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 500 --seed 1 &&
        wr 1 train lm --data data --out lm $base --steps 20
} >setup.log 2>&1 || { sed 's/^/# /' setup.log log.txt; fail "synth, prepare, train"; done_testing; exit; }
lora="--model lm/model --data data --global-batch 8 --micro-tokens 1024 --lr 1e-2 --eval-records 20 --lora-rank 4"

# --- training --------------------------------------------------------------------------------------------------------
for task in lm reward; do
    # shellcheck disable=SC2086
    ok "train $task with adapters" wr 1 train $task $lora --out $task-1 --steps 30
    # shellcheck disable=SC2086
    ok "train $task with adapters on 3 ranks" wr 3 train $task $lora --out $task-3 --steps 30
    ok "train $task: losses on 3 ranks as on 1" close_run $task-1 $task-3
done
ok "train reward: the loss falls" falls reward-1
ok "train lm: better than the base model" improves lm lm-1
ok "it says what is trained" says log.txt "in adapters of rank 4"
ok "PEFT's files" quiet jq -e '.peft_type == "LORA" and .r == 4 and .lora_alpha == 16 and .task_type == "SEQ_CLS" and .base_model_name_or_path == "lm/model"' \
    reward-1/adapter/adapter_config.json
ok "PEFT's files of a language model" quiet jq -e '.task_type == "CAUSAL_LM" and (.target_modules | length) == 7' lm-1/adapter/adapter_config.json
# shellcheck disable=SC2086
ok "recomputation" wr 1 train lm $lora --out lm-recompute --steps 30 --recompute
ok "recomputation: the same bits" same_adapters lm-1 lm-recompute

# shellcheck disable=SC2086
wr 2 train reward $lora --out whole --steps 60 --checkpoint-every 10
rm -f pid.*
# shellcheck disable=SC2086
wr 2 train reward $lora --out killed --steps 60 --checkpoint-every 10 &
pid=$!
for _ in $(seq 600); do
    [ -f killed/metrics.jsonl ] && [ "$(wc -l <killed/metrics.jsonl)" -ge 15 ] && break
    sleep 0.02
done
kill -KILL "$(cat pid.1)"
wait $pid
unfinished() { [ ! -e killed/model ] && [ ! -e killed/adapter ]; }
ok "kill -9 of a rank ends the run" unfinished
checkpoint=$(find killed/checkpoints -name 'step-*' | head -1)
small() { [ -e "$1/adapter/adapter_model.safetensors" ] && [ ! -e "$1/model" ]; }
ok "a checkpoint holds the adapters, not the model" small "$checkpoint"
# shellcheck disable=SC2086
ok "resume with another rank of the adapters is refused" code 1 wr 2 train reward ${lora/rank 4/rank 8} --out killed --steps 60 --checkpoint-every 10 --resume
# shellcheck disable=SC2086
ok "resume without adapters is refused" code 1 wr 2 train reward ${lora/rank 4/rank 0} --out killed --steps 60 --checkpoint-every 10 --resume
# shellcheck disable=SC2086
ok "resume after kill -9" wr 2 train reward $lora --out killed --steps 60 --checkpoint-every 10 --resume
ok "resume after kill -9: the same bits" same_adapters whole killed

# --- using and merging ------------------------------------------------------------------------------------------------
cat >replies.jsonl <<'J'
{"text":"one two three"}
{"history":[],"query":"count to 3","response":"one two three"}
{"query":"what is it?","response":"it is a long and a helpful answer"}
{"text":"the last line"}
J
"$WR" score --model reward-1/model --in replies.jsonl --out merged.jsonl 2>log.txt
ok "score --adapter, with the template and the head of the adapter" "$WR" score --model lm/model --adapter reward-1/adapter --in replies.jsonl --out adapted.jsonl 2>log.txt
ok "score --adapter: as merged" near merged.jsonl adapted.jsonl .score 1e-4
ok "merge" "$WR" merge --model lm/model --adapter reward-1/adapter --out by-hand 2>log.txt
ok "merge: as the run's own" cmp by-hand/model.safetensors reward-1/model/model.safetensors
ok "merge: the template too" cmp by-hand/template.txt reward-1/model/template.txt
ok "merge: an existing folder is refused" code 2 "$WR" merge --model lm/model --adapter reward-1/adapter --out by-hand 2>log.txt
cat >pairs.jsonl <<'J'
{"prompt":"Please count to three","response":" one two three"}
{"prompt":"What is this?","response":" an answer"}
{"prompt":"a","response":"b"}
J
"$WR" logprobs --model lm/model --in pairs.jsonl --out plain.jsonl 2>log.txt
"$WR" logprobs --model lm-1/model --in pairs.jsonl --out merged.jsonl 2>log.txt
ok "logprobs --adapter" "$WR" logprobs --model lm/model --adapter lm-1/adapter --in pairs.jsonl --out adapted.jsonl 2>log.txt
ok "logprobs --adapter: as merged" near merged.jsonl adapted.jsonl .logprob 1e-3
ok "logprobs --adapter: not as without" differs plain.jsonl adapted.jsonl .logprob 1e-3
"$WR" sample --model lm-1/model --temperature 0 --max-tokens 20 --in <(jq -c '{prompt}' pairs.jsonl) --out merged.jsonl 2>log.txt
"$WR" sample --model lm/model --adapter lm-1/adapter --temperature 0 --max-tokens 20 --in <(jq -c '{prompt}' pairs.jsonl) --out adapted.jsonl 2>log.txt
ok "sample --adapter: greedy replies as merged" cmp <(jq -c '[.samples[].ids]' merged.jsonl) <(jq -c '[.samples[].ids]' adapted.jsonl)
for task in lm reward; do
    wr 1 evaluate --model $task-1/model --data data --out merged.json
    ok "evaluate --adapter: $task" wr 2 evaluate --model lm/model --adapter $task-1/adapter --data data --out adapted.json
    ok "evaluate --adapter: $task, as merged" near <(jq -c '.loss,.loss,.loss' merged.json) <(jq -c '.loss,.loss,.loss' adapted.json) . 1e-5
done
# shellcheck disable=SC2086
ok "--no-lora-merge" wr 1 train lm $lora --out unmerged --steps 2 --no-lora-merge
alone() { [ -e "$1/adapter/adapter_config.json" ] && [ ! -e "$1/model" ]; }
ok "--no-lora-merge: the adapter alone" alone unmerged
# shellcheck disable=SC2086
ok "--save-precision bf16" wr 1 train lm $lora --out half --steps 30 --save-precision bf16
smaller() { [ $(($(stat -c %s "$1") * 19)) -lt $(($(stat -c %s "$2") * 10)) ]; }
ok "--save-precision bf16: half the bytes" smaller half/model/model.safetensors lm-1/model/model.safetensors
ok "--save-precision bf16: the adapter stays exact" cmp half/adapter/adapter_model.safetensors lm-1/adapter/adapter_model.safetensors

# --- dpo --------------------------------------------------------------------------------------------------------------
dpo="dpo online --model lm/model --reward reward-1/model --prompts world/prompts-train.jsonl --n 4 --prompts-per-step 8 --max-tokens 20 --lr 1e-2 --lora-rank 4"
# shellcheck disable=SC2086
ok "dpo online with adapters" wr 2 $dpo --steps 4 --out dpo
ok "dpo online: the policy equals its reference at first, and moves away" quiet jq -s -e '(.[0].loss - 0.693147 | fabs) < 1e-4 and .[3].loss != .[0].loss' dpo/metrics.jsonl
# shellcheck disable=SC2086
wr 2 $dpo --steps 2 --out dpo-part
# shellcheck disable=SC2086
ok "dpo online: resume" wr 2 $dpo --steps 4 --out dpo-part --resume
ok "dpo online: resume, the same bits" same_adapters dpo dpo-part

# --- precision --------------------------------------------------------------------------------------------------------
# shellcheck disable=SC2086
ok "--precision auto" wr 2 train lm $lora --out auto --steps 30 --precision auto
ok "--precision auto: says what and why" says log.txt "precision" "auto:"
if "$WR" logprobs --model lm/model --precision bf16 --in pairs.jsonl --out half.jsonl 2>log.txt; then
    ok "bf16: near f32" near plain.jsonl half.jsonl .logprob 0.2
    "$WR" logprobs --model lm/model --adapter lm-1/adapter --in pairs.jsonl --out adapted.jsonl 2>log.txt
    ok "bf16: --adapter" "$WR" logprobs --model lm/model --adapter lm-1/adapter --precision bf16 --in pairs.jsonl --out half.jsonl 2>log.txt
    ok "bf16: --adapter, near f32" near adapted.jsonl half.jsonl .logprob 0.2
    # shellcheck disable=SC2086
    ok "bf16: train with adapters" wr 2 train lm $lora --out half-run --steps 30 --precision bf16 --checkpoint-every 10
    ok "bf16: better than the base model" improves lm half-run
    # shellcheck disable=SC2086
    ok "bf16: resume in f32 is refused" code 1 wr 2 train lm $lora --out half-run --steps 30 --precision f32 --checkpoint-every 10 --resume
    # shellcheck disable=SC2086
    ok "bf16: dpo with adapters" wr 2 $dpo --steps 2 --out dpo-half --precision bf16
else
    ok "bf16: refused on this CPU" says log.txt bf16
    skip "bf16: training" "the CPU has none"
fi

# --- evaluate with an adapter on the model -------------------------------------------------------------------------------
wr 1 evaluate --model lm/model --adapter reward-1/adapter --data data --resamples 0 --out adapted.json
wr 1 evaluate --model reward-1/model --data data --resamples 0 --out merged.json
ok "evaluate --adapter: who the adapter was trained on, as of the merged model" quiet jq -n -e --slurpfile a adapted.json --slurpfile m merged.json '$a[0].new_users.users == $m[0].new_users.users and $a[0].new_users.users > 0 and (($a[0].accuracy - $m[0].accuracy) | fabs) < 1e-6'
cp -r reward-1/adapter nameless && jq -c 'del(.data_hash)' reward-1/adapter/wildreward.json >nameless/wildreward.json
wr 1 evaluate --model lm/model --adapter nameless --data data --resamples 0 --out nameless.json
ok "... where it does not record that, why" quiet jq -e '(has("new_users") | not) and (.missing.own_users | startswith("the adapter"))' nameless.json
printf '%s\n' '{"prompt":"a ","chosen":"b c","rejected":"d"}' '{"prompt":"e ","chosen":"f","rejected":"g h"}' >suite.jsonl
wr 2 evaluate --suite pairs suite.jsonl --model lm/model --adapter reward-1/adapter --out suite-adapted.json --suite-scores scores-adapted.jsonl
wr 1 evaluate --suite pairs suite.jsonl --model reward-1/model --out suite-merged.json --suite-scores scores-merged.jsonl
ok "evaluate --suite --adapter: the scores of the merged model" quiet jq -n -e --slurpfile a scores-adapted.jsonl --slurpfile m scores-merged.jsonl '[[$a[].scores[]], [$m[].scores[]]] | transpose | length == 4 and all(((.[0] - .[1]) | fabs) < 1e-5)'
ok "... and the adapter's name" quiet jq -e '.adapter == "reward-1/adapter" and .n == 2' suite-adapted.json

# --- what is refused --------------------------------------------------------------------------------------------------
# shellcheck disable=SC2086
ok "adapters on a new model" code 2 wr 1 train lm --data data $base --out bad --steps 2 --lora-rank 4
ok "--lora-alpha alone" code 2 wr 1 train lm --data data --model lm/model --out bad --steps 2 --lora-alpha 8
# shellcheck disable=SC2086
ok "a target that is no linear layer" code 2 wr 2 train lm $lora --out bad --steps 2 --lora-targets q_proj,lm_head
ok "a target that is no linear layer is named" says log.txt lm_head
cp -r lm-1/adapter dora && jq '.use_dora = true' lm-1/adapter/adapter_config.json >dora/adapter_config.json
ok "DoRA" code 1 "$WR" logprobs --model lm/model --adapter dora --in pairs.jsonl --out bad.jsonl 2>log.txt
ok "DoRA is named" says log.txt dora/adapter_config.json use_dora
ok "an adapter of another model" code 1 "$WR" logprobs --model lm/model --adapter reward-1/adapter --in pairs.jsonl --out bad.jsonl 2>log.txt
ok "an adapter of another model: one line says so" says log.txt score.weight
cp -r lm/model damaged
# The last four bytes are a weight; 0x7fc00000 is a NaN.
printf '\000\000\300\177' | dd of=damaged/model.safetensors bs=1 seek=$(($(stat -c %s damaged/model.safetensors) - 4)) conv=notrunc status=none
ok "--check-weights finds a NaN" code 1 "$WR" logprobs --model damaged --check-weights --in pairs.jsonl --out bad.jsonl 2>log.txt
ok "--check-weights names file and tensor" says log.txt damaged/model.safetensors weight
ok "training --check-weights" code 1 wr 2 train lm --data data --model damaged --check-weights --out bad --steps 2 --lora-rank 2
# shellcheck disable=SC2086
ok "a NaN below the adapters ends training" code 1 wr 2 train lm ${lora/lm\/model/damaged} --out nan --steps 2
ok "a NaN below the adapters: step, rank and tensor are named" says log.txt "step 1" "rank" "model.norm.weight"
done_testing
