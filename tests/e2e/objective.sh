#!/bin/bash
# The objective of a reward model: recorded in what train reward writes, read by whatever uses it, taken for the ordinal one where nothing is recorded, and
# refused by name where this version has none of that name.
# shellcheck disable=SC2086  # words of options
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh

spec=layers=1,hidden=16,heads=2,kv-heads=1,ffn=24,max-positions=512
small="--data data --global-batch 8 --micro-tokens 1024"
{
    "$WR" synth --users 12 --conversations 100 --seed 3 --train-prompts 4 --heldout-prompts 4 --out world &&
        "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 400 --seed 1 &&
        wr 1 train lm $small --new $spec --out lm --steps 1 &&
        wr 1 train reward $small --new $spec --out rm --steps 2 --lr 1e-2 &&
        wr 1 train reward $small --model lm/model --out tuned --steps 2 --lora-rank 2 --lr 1e-2
} >setup.log 2>&1 || { sed 's/^/# /' setup.log log.txt; fail "synth, prepare, train"; done_testing; exit; }

recorded() { jq -e --arg name "$2" '(.wildreward.objective // .objective) == $name' "$1" >/dev/null; }
ok "recorded in the model" recorded rm/model/config.json ordinal
ok "... in its checkpoints" recorded rm/checkpoints/step-2/model/config.json ordinal
ok "... in a merged one" recorded tuned/model/config.json ordinal
ok "... and beside an adapter" recorded tuned/adapter/wildreward.json ordinal
ok "a language model records none" eval 'jq -e ".wildreward | has(\"objective\") | not" lm/model/config.json >/dev/null'

# named FOLDER NAME: a copy of rm/model that records NAME (null: nothing, as earlier versions did)
named() {
    rm -rf "$1"
    cp -r rm/model "$1"
    jq --argjson name "$2" 'if $name then .wildreward.objective = $name else del(.wildreward.objective) end' rm/model/config.json >"$1/config.json"
}
named earlier null
named future '"of-the-future"'
named broken 7
named shapeless null
jq '.wildreward = "corn"' rm/model/config.json >shapeless/config.json
echo '{"query":"How do I bake bread?","response":"With flour and water, slowly."}' >rows.jsonl
score() { "$WR" score --model "$1" --in rows.jsonl >"$2" 2>log.txt; }
figures() { "$WR" evaluate --model "$1" --data data --out - 2>log.txt | jq -c 'del(.model)'; }
score rm/model scores
ok "a model that records nothing scores as before" eval 'score earlier again && cmp scores again'
ok "... and is evaluated as before" cmp <(figures rm/model) <(figures earlier)
ok "... and is trained on" wr 1 train reward $small --model earlier --out on --steps 1
ok "... and then records it" recorded on/model/config.json ordinal

refused() { # refused NAME COMMAND…: one line that names the folder and the objective
    local name=$1
    shift
    code 1 "$@" && says log.txt "$name" '"of-the-future"' 'it has: ordinal'
}
ok "an unknown objective: score" refused future wr 1 score --model future --in rows.jsonl
ok "... evaluate" refused future wr 2 evaluate --model future --data data --out f.json
ok "... dpo" refused future wr 2 dpo online --model lm/model --reward future --prompts world/prompts-train.jsonl --steps 1 --out d
ok "... training it on" refused future wr 1 train reward $small --model future --out f --steps 1
ok "... of an adapter" eval 'echo "{\"objective\":\"of-the-future\"}" >tuned/adapter/wildreward.json &&
    refused lm/model wr 1 score --model lm/model --adapter tuned/adapter --in rows.jsonl'
ok "a record that is no name" eval 'code 1 wr 1 score --model broken --in rows.jsonl && says log.txt broken/config.json wildreward.objective'
ok "... nor an object" eval 'code 1 wr 1 score --model shapeless --in rows.jsonl && says log.txt shapeless/config.json "is not an object"'
ok "an unknown --objective" code 2 wr 1 train reward $small --new $spec --out u --steps 1 --objective ordinary
ok "... is told with those there are" says log.txt objective ordinal
done_testing
