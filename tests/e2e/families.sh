#!/bin/bash
# Families with traits of their own, from --new to DPO: OLMo2 (norms after), SmolLM3 (layers without rotary embedding), Phi-3 (joined matrices, longrope). A
# reply that grows past longrope's original length is sampled on; what each command computes of it agrees with the others.
# shellcheck disable=SC2086  # words of options
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh

spec=layers=4,hidden=32,heads=4,kv-heads=2,ffn=48,max-positions=512
small="--data data --global-batch 8 --micro-tokens 1024 --lr 3e-3 --eval-records 10"
{
    "$WR" synth --users 12 --conversations 100 --seed 3 --train-prompts 8 --heldout-prompts 4 --out world &&
        "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 400 --seed 1
} >setup.log 2>&1 || { sed 's/^/# /' setup.log; fail "synth, prepare"; done_testing; exit; }
dpo="--prompts world/prompts-train.jsonl --n 4 --prompts-per-step 4 --lr 1e-3 --save-replies"

for type in olmo2 smollm3 phi3; do
    ok "$type: train lm" wr 1 train lm $small --new $spec,type=$type --out lm-$type --steps 4
    ok "$type: the model names its family" jq -e --arg type $type '.model_type == $type' lm-$type/model/config.json
    ok "$type: train reward with adapters" wr 1 train reward $small --model lm-$type/model --out rm-$type --steps 2 --lora-rank 2
    ok "$type: dpo on 2 ranks" wr 2 dpo online --model lm-$type/model --reward rm-$type/model $dpo --max-tokens 12 --steps 1 --out dpo-$type
    ok "$type: policy = reference, and the sampler agrees" jq -s -e '.[0] | .h_max_abs <= 5e-5 and .sampler_gap < 1e-4' dpo-$type/metrics.jsonl
done
ok "smollm3: the fourth layer has no rotary embedding" jq -e '.no_rope_layers == [1, 1, 1, 0]' lm-smollm3/model/config.json

# longrope: prompts of fewer than 60 tokens, and replies that make them more
cp -r lm-phi3/model long
jq '.original_max_position_embeddings = 60 | .rope_parameters += {rope_type: "longrope", original_max_position_embeddings: 60, short_factor: [1, 1.5, 2, 3],
    long_factor: [2, 3, 5, 9]} | .rope_scaling = {type: "longrope", short_factor: [1, 1.5, 2, 3], long_factor: [2, 3, 5, 9]}' \
    lm-phi3/model/config.json >long/config.json
printf '%s\n' '{"prompt": "How do I bake bread?"}' '{"prompt": "Name a colour of the sea."}' >prompts.jsonl
ok "longrope: sample" eval 'wr 1 sample --model long --in prompts.jsonl --n 2 --seed 3 --max-tokens 80 >samples.jsonl'
ok "... a reply is the same alone" eval 'tail -1 prompts.jsonl | "$WR" sample --model long --n 1 --temperature 0 --max-tokens 80 2>log.txt | jq -c .samples >one
    "$WR" sample --model long --in prompts.jsonl --n 1 --temperature 0 --max-tokens 80 2>log.txt | tail -1 | jq -c .samples | cmp - one'
ok "... dpo on 2 ranks" wr 2 dpo online --model long --reward rm-phi3/model $dpo --max-tokens 60 --steps 1 --out dpo-long
ok "... policy = reference" jq -s -e '.[0] | .h_max_abs <= 5e-5' dpo-long/metrics.jsonl
ok "... the trained policy keeps its factors" jq -e '.rope_parameters.long_factor == [2, 3, 5, 9] and .original_max_position_embeddings == 60' \
    dpo-long/model/config.json
done_testing
