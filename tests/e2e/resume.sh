#!/bin/bash
# What --resume compares: values of options, by name; contents of data, prompts and models wherever they lie; what a checkpoint itself keeps, not what somebody
# wrote over the run's config.yaml. What is not given comes from the run. Runs of earlier builds (tests/golden/runs), whose checkpoints kept a hash alone, go on.
set -u
cd "$(dirname "$0")/../.." || exit 1
golden=$PWD/tests/golden/runs/hash-only.tar.zst
. tests/env.sh
. tests/training.sh

spec=layers=1,hidden=16,heads=2,kv-heads=1,ffn=24,max-positions=512
{
    "$WR" synth --users 12 --conversations 60 --seed 3 --train-prompts 12 --heldout-prompts 4 --out world &&
        "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 300 --seed 1
} >setup.log 2>&1 || { sed 's/^/# /' setup.log; fail "synth, prepare"; done_testing; exit; }
constant="--lr-schedule constant --warmup-ratio 0"
reward="train reward --data data --new $spec --global-batch 4 --seed 2 --lr 1e-3"

# --- a run may grow where its rate allows it ----------------------------------------------------------------------------------------
# shellcheck disable=SC2086
{
    ok "four steps" wr 1 $reward $constant --steps 4 --out whole
    ok "two steps" wr 1 $reward $constant --steps 2 --out run
    ok "what is not given comes from the run, and it may grow" wr 1 train reward --resume --out run --steps 4
    ok "… to the same bits" same_run whole run
    ok "fewer steps than are done are refused" code 2 wr 1 train reward --resume --out run --steps 3
    ok "… with both numbers" says log.txt run "4 steps" "--steps 3"
    ok "… and nothing is changed" grep -qx "steps: 4" run/config.yaml
    ok "a run with a falling rate" wr 1 $reward --steps 2 --out falling
    ok "… may not grow" code 1 wr 1 train reward --resume --out falling --steps 4
    ok "… and says why" says log.txt falling "--steps 2, now 4" "constant rate"
}

# --- options ----------------------------------------------------------------------------------------------------------------------
ok "other values are refused" code 1 wr 2 train reward --resume --out run --lr 0.002 --seed 3 --beta1 0.9
ok "… each by name, with both" says log.txt "run" "--lr 0.001, now 0.002" "--seed 2, now 3"
ok "… and no other" test "$(grep -c -e --beta1 log.txt)" = 0
ok "another spelling is the same value" wr 1 train reward --resume --out run --lr 0.001
ok "what touches no step may change" wr 1 train reward --resume --out run --keep 5 --checkpoint-every 7 --precision f32
cp -r run edited && sed -i 's/^lr: .*/lr: 0.5/' edited/config.yaml
ok "an edited config.yaml is not what the run was begun with" code 1 wr 1 train reward --resume --out edited
ok "… and the checkpoint knows better" says log.txt edited "--lr 0.001, now 0.5"
sed -i 's/^lr: .*/lrr: 0.5/' edited/config.yaml
ok "an option that there is not is named" code 2 wr 1 train reward --resume --out edited
ok "… with file and line" says log.txt edited/config.yaml: "'lrr'"
rm edited/config.yaml
ok "a run without its config.yaml goes on when all is given" eval "wr 1 $reward $constant --steps 4 --out edited --resume"
ok "config.yaml says where and when" grep -qE '^# wildreward .*[0-9]{4}-[0-9]{2}-[0-9]{2}T' run/config.yaml
ok "… and is a run file" wr 1 train reward --config run/config.yaml --no-resume --out again
ok "… of the same run" same_run whole again

# --- contents ---------------------------------------------------------------------------------------------------------------------
ok "a language model" wr 1 train lm --data data --new $spec --global-batch 4 --steps 1 --out lm
dpo="dpo online --model lm/model --reward run/model --prompts world/prompts-train.jsonl --n 2 --prompts-per-step 2 --max-tokens 6"
# shellcheck disable=SC2086
{
    ok "dpo: three steps" wr 1 $dpo --steps 3 --out dpo-whole
    ok "dpo: one step" wr 1 $dpo --steps 1 --out dpo
}
mkdir moved && cp -r lm/model moved/policy && cp -r run/model moved/reward && cp world/prompts-train.jsonl moved/prompts.jsonl && cp -r data moved/data
ok "dpo: moved folders" wr 1 dpo online --resume --out dpo --steps 3 --model moved/policy --reward moved/reward --prompts moved/prompts.jsonl
ok "… the same bits" same_run dpo-whole dpo
ok "dpo: other prompts are refused" code 1 wr 1 dpo online --resume --out dpo --steps 4 --prompts world/prompts-heldout.jsonl
ok "… by option" says log.txt dpo "--prompts or --reward"
ok "dpo: another policy is refused" code 1 wr 1 dpo online --resume --out dpo --steps 4 --model dpo/model
ok "… by option" says log.txt dpo "another model than --model"
ok "train: moved data" wr 1 train reward --resume --out run --data moved/data
ok "dpo: another beta is refused" code 1 wr 1 dpo online --resume --out dpo --beta 0.2
ok "… with both values" says log.txt "--beta 0.1, now 0.2"

# --- runs whose checkpoints kept a hash alone ------------------------------------------------------------------------------------------------------------
mkdir old && tar -xf "$golden" -C old && cd old || exit 1
cp ../rank.sh .
ok "hash only, dpo online: goes on" wr 1 dpo online --resume --out dpo --steps 3
ok "hash only, train reward: goes on" wr 1 train reward --resume --out reward --steps 4
ok "… after its second step" says log.txt "after step 2"
ok "… and once more" wr 1 train reward --resume --out reward --steps 6
ok "hash only, train lm: stays" wr 1 train lm --resume --out lm
ok "hash only: another rate is refused by name" code 1 wr 1 train lm --resume --out lm --lr 0.5
ok "… with both values" says log.txt "--lr 0.001, now 0.5"
sed -i 's/^lr: .*/lr: 0.5/' lm/config.yaml
ok "hash only: an edited config.yaml is refused" code 1 wr 1 train lm --resume --out lm
ok "… by name" says log.txt lm/config.yaml "not what the run was begun with"
done_testing
