#!/bin/bash
# train --keep-best and --patience: RUN/best is the model of the best evaluation, also over a resume; a run ends early where nothing gets better, and stays so.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh

small="--data data --new layers=1,hidden=32,heads=4,kv-heads=2,ffn=64,max-positions=512 --global-batch 8 --micro-tokens 1024 --eval-records 40 --seed 2"
{ "$WR" synth --users 20 --conversations 160 --seed 3 --train-prompts 8 --heldout-prompts 8 --out world && "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 400 --seed 1; } >setup.log 2>&1 ||
    { sed 's/^/# /' setup.log; fail "synth, prepare"; done_testing; exit; }
evaluations() { jq -c 'select(.eval_time_s)' "$1/metrics.jsonl"; }
best_step() { evaluations "$1" | jq -s "${2:-min_by}(.$3) | .step"; }
weights() { cmp "$1/best/model.safetensors" "$1/checkpoints/step-$2/model/model.safetensors"; }

# shellcheck disable=SC2086
ok "train reward --keep-best eval_loss, two ranks" wr 2 train reward $small --lr 3e-2 --steps 24 --eval-every 3 --checkpoint-every 3 --keep 100 --keep-best eval_loss --out run
n=$(best_step run min_by eval_loss)
ok "the model kept is that of the least loss (step $n)" weights run "$n"
ok "... not the last one" test "$n" -lt 24
ok "... which is said" says log.txt "run/best: the model after step $n, eval_loss"
ok "... and is a reward model like RUN/model" "$WR" score --model run/best --in <(echo '{"text":"a"}')
# as after a kill behind step 11: what was best until step 6 is in metrics.jsonl, what was better later is done again
cp -r run cut && rm -rf cut/best cut/model cut/checkpoints/step-{9,12,15,18,21,24}
# shellcheck disable=SC2086
ok "the same over a resume" wr 2 train reward $small --lr 3e-2 --steps 24 --eval-every 3 --checkpoint-every 3 --keep 100 --keep-best eval_loss --out cut --resume
ok "... keeps the same model" cmp run/best/model.safetensors cut/best/model.safetensors

# With a rate of 0 nothing ever gets better: the first of equal ones stays.
# shellcheck disable=SC2086
ok "--patience 2 ends the run" wr 1 train lm $small --lr 0 --steps 60 --eval-every 4 --keep-best eval_loss --patience 2 --out early
ok "... behind the third evaluation" eval 'test "$(evaluations early | jq .step | tr "\n" " ")" = "4 8 12 " && says log.txt "the run ends after step 12 of 60"'
ok "... with the first one's model and its own" test -f early/best/model.safetensors -a -f early/model/model.safetensors
cp early/metrics.jsonl metrics.before
# shellcheck disable=SC2086
ok "a resume of it does nothing more" wr 1 train lm $small --lr 0 --steps 60 --eval-every 4 --keep-best eval_loss --patience 2 --out early --resume
ok "... not to its metrics either" cmp metrics.before early/metrics.jsonl
# shellcheck disable=SC2086
ok "with more patience it goes on" wr 1 train lm $small --lr 0 --steps 60 --eval-every 4 --keep-best eval_loss --patience 3 --out early --resume
ok "... to step 16" test "$(evaluations early | tail -n 1 | jq .step)" = 16

# shellcheck disable=SC2086
ok "adapters: RUN/best is an adapter" wr 1 train reward --data data --model run/model --lora-rank 2 --lr 1e-3 --steps 4 --eval-every 2 --eval-records 20 --keep-best eval_spearman --out tuned
ok "... that peft knows" jq -e '.peft_type == "LORA"' tuned/best/adapter_config.json
# shellcheck disable=SC2086
ok "--keep-best without evaluations between steps: exit 2" code 2 wr 1 train lm $small --steps 4 --keep-best eval_loss --out no
# shellcheck disable=SC2086
ok "--patience alone: exit 2" code 2 wr 1 train lm $small --steps 4 --patience 2 --out no2
# shellcheck disable=SC2086
wr 1 train lm $small --lr 1e-3 --steps 4 --eval-every 2 --keep-best eval_mae --out no3
ok "a figure that the evaluations have not is named with those they have" says log.txt '--keep-best eval_mae: evaluations of this run have none; they have: eval_loss'
mkdir -p mine/best mine/checkpoints && touch mine/lock mine/best/notes
# shellcheck disable=SC2086
ok "somebody else's folder of that name stays" code 2 wr 1 train lm $small --steps 4 --out mine
ok "... as it was" test -f mine/best/notes

# --- the card beside a model ---
card() { grep -qxF -- "$2" "$1/model/README.md"; }
ok "a model card says what the model is, and what writes its text" eval 'card run "pipeline_tag: text-classification" && grep -q "Objective .ordinal., 3 outputs.*template.txt" run/model/README.md'
ok "... its last evaluation" card run "| \`eval_loss\` | $(evaluations run | tail -n 1 | grep -o '"eval_loss":[^,]*' | cut -d: -f2) |"
ok "... what it was made from" eval 'card run "| data | \`$(jq -r .wildreward.data_hash run/model/config.json)\` |" && card run "| steps | 24 |"'
ok "... and options that make it again" eval 'sed -n "/^.*yaml\$/,/^.*\`\`\`\$/p" run/model/README.md | sed "1d;\$d" >card.yaml && wr 2 train reward --config card.yaml --out again && cmp run/best/model.safetensors again/best/model.safetensors'
ok "a policy's card says so" eval 'card early "pipeline_tag: text-generation" && card early "# Language model"'
done_testing
