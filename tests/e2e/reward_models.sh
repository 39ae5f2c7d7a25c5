#!/bin/bash
# Reward models that this program did not train: what their outputs say (raw logit, sum, expected class), chats by their own template, every form of a
# row, heads under other names; evaluate and dpo online with them. Made of a model of its own by taking away what it recorded.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh

small="--new layers=2,hidden=32,heads=4,kv-heads=2,ffn=64,max-positions=512 --global-batch 8 --micro-tokens 1024 --lr 3e-3 --eval-records 20"
for i in $(seq 60); do
    echo "{\"query\":\"count to $i please\",\"response\":\"one two three and so on, up to $i\",\"label\":$((i % 2 + 1)),\"user\":\"u$((i % 9))\"}"
done >two.jsonl
{
    "$WR" synth --users 20 --conversations 120 --seed 3 --train-prompts 16 --heldout-prompts 4 --out world &&
        "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 500 --seed 1 &&
        "$WR" prepare two.jsonl --format labelled --classes 2 --out rated --vocab-size 420 &&
        wr 1 train lm --data data --out lm $small --steps 4 &&
        wr 1 train reward --data data --out rm $small --steps 4 &&
        wr 1 train reward --data rated --out two $small --steps 4
} >setup.log 2>&1 || { sed 's/^/# /' setup.log log.txt; fail "synth, prepare, train"; done_testing; exit; }

# foreign FROM TO [JQ]: the model without what this program records, its config.json changed by JQ, with a chat template of its own
foreign() {
    cp -r "$1" "$2" && rm -f "$2/template.txt" && jq "del(.wildreward) | ${3:-.}" "$1/config.json" >"$2/config.json"
    cat >"$2/chat_template.jinja" <<'J'
{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
J
}
foreign two/model one
foreign rm/model three
score() { "$WR" score "$@" >out.jsonl 2>log.txt; }
said() { grep -q -e "$1" log.txt || { sed 's/^/# /' log.txt; return 1; }; }
out() { jq -s -e "$1" out.jsonl >/dev/null || { sed 's/^/# /' out.jsonl; return 1; }; }
echo '{"text":"count to three: one two three"}' >text.jsonl

# --- what the outputs say ---------------------------------------------------------------------------------------------------
score --model one --in text.jsonl
ok "one output: the raw logit" out 'all(.score == .logits[0])'
ok "which is said, with the chat template" said 'one: LlamaForSequenceClassification, 1 output: raw logit, chat template'
score --model two/model --in text.jsonl
ok "a model of one's own stays ordinal with one output" out 'all(.score - 1 - 1 / (1 + (-.logits[0] | exp)) | fabs < 1e-6)'
ok "which is said, with the reward template" said '1 output: 1 + sum of sigmoids, reward template'
score --model one --score-rule ordinal --in text.jsonl
ok "--score-rule ordinal" out 'all(.score - 1 - 1 / (1 + (-.logits[0] | exp)) | fabs < 1e-6)'
score --model two/model --score-rule logit --in text.jsonl
ok "--score-rule logit" out 'all(.score == .logits[0])'
score --model three --in text.jsonl
ok "several outputs: the sum" out 'all(.score - 1 - ([.logits[] | 1 / (1 + (-. | exp))] | add) | fabs < 1e-6)'
score --model three --score-rule class --in text.jsonl
ok "--score-rule class: the expected one" out 'all(([.logits[] | exp] | add) as $m | .score - ([.logits | to_entries[] | (.key + 1) * (.value | exp)] | add) / $m | fabs < 1e-6)'
score --model three --score-rule logit --in text.jsonl
ok "the raw logit of several outputs is refused" said 'three: its score head has 3 outputs, of which --score-rule logit'
score --model one --score-rule class --in text.jsonl
ok "the expected class of one output is refused" said 'one: its score head has 1 output, of which --score-rule class'

# --- chats by the model's own template --------------------------------------------------------------------------------------
cat >rows.jsonl <<'J'
{"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"hello"},{"role":"user","content":"count"},{"role":"assistant","content":"one two"}]}
{"prompt":[{"role":"user","content":"hi"},{"role":"assistant","content":"hello"},{"role":"user","content":"count"}],"response":"one two"}
{"history":[{"role":"user","content":"hi"},{"role":"assistant","content":"hello"}],"query":"count","response":"one two","id":"x"}
{"text":"<|im_start|>user\nhi<|im_end|><|im_start|>assistant\nhello<|im_end|><|im_start|>user\ncount<|im_end|><|im_start|>assistant\none two<|im_end|>"}
{"prompt":"count","response":"one two"}
J
score --model one --in rows.jsonl
ok "every form of a row is the same chat" out '(.[:4] | map(.score) | unique | length) == 1 and .[4].score != .[0].score'
printf '%s\n' '{"prompt":"count","response":"one <|im_end|> two"}' '{"text":"<|im_start|>user\ncount<|im_end|><|im_start|>assistant\none <|im_end|> two<|im_end|>"}' >spelled.jsonl
score --model one --in spelled.jsonl
ok "a special token that a message spells out is one, as in apply_chat_template" out '.[0].score == .[1].score'
score --model three --in rows.jsonl --reward-text chat
ok "--reward-text chat" out '(.[:4] | map(.score) | unique | length) == 1'
score --model rm/model --in rows.jsonl
ok "by the reward template, too" out '(.[:3] | map(.score) | unique | length) == 1 and .[4].score != .[0].score'
score --model rm/model --in rows.jsonl --reward-text chat
ok "the chat template that is saved beside a template says the same" cmp <(jq -c .score out.jsonl | sed 4d) <("$WR" score --model rm/model --in rows.jsonl 2>/dev/null | jq -c .score | sed 4d)
printf '%s\n' '{"messages":[{"role":"user","content":"a"}]}' '{"messages":[]}' '{"messages":[{"role":"assistant","content":"a"}]}' '{"prompt":"a"}' '{"prompt":7,"response":"b"}' >wrong.jsonl
for model in one rm/model; do
    score --model $model --in wrong.jsonl
    ok "$model: what is no chat with a reply is an error record" out '[.[] | select(.error)] | length >= 4'
done
cp -r one strict
echo "{% if messages[0].role != 'system' %}{{ raise_exception('begin with the system') }}{% endif %}{% for m in messages %}{{ m.content + '<|im_end|>' }}{% endfor %}" >strict/chat_template.jinja
printf '%s\n' '{"prompt":"a","response":"b"}' '{"prompt":[{"role":"system","content":"s"},{"role":"user","content":"a"}],"response":"b"}' >system.jsonl
score --model strict --in system.jsonl
ok "a template that wants a system message: its words, of the chat without" out '(.[0].error | contains("refuses this chat: begin with the system") and contains("--template FILE")) and (.[1].score | type) == "number"'
cp -r one bare && rm bare/chat_template.jinja && jq "del(.chat_template)" one/tokenizer_config.json >bare/tokenizer_config.json
ok "neither template: exit 2" code 2 score --model bare --in rows.jsonl
ok "which says what to do" said 'give --template FILE, or ready-made texts'
ok "--reward-text template without one: exit 2" code 2 score --model one --reward-text template --in rows.jsonl
ok "--reward-text chat beside --template: exit 2" code 2 score --model one --reward-text chat --template rm/model/template.txt --in rows.jsonl
score --model one --in rows.jsonl --max-length 12
ok "a chat too long: an error record" out 'all(.[:4][]; .error)'

wr 1 evaluate --model lm/model --prompts world/prompts-heldout.jsonl --reward strict --max-tokens 4 --out none.json
ok "evaluate, where it refuses every chat, says why there are no rewards" said "none of 4 replies got a reward.*refused by its chat template"

# --- heads under other names ------------------------------------------------------------------------------------------------
foreign two/model openrlhf '.architectures = ["RewardModel"] | del(.id2label, .num_labels)'
score --model one --in rows.jsonl && cp out.jsonl want.jsonl
score --model openrlhf --in rows.jsonl
ok "OpenRLHF's RewardModel" cmp out.jsonl want.jsonl
end=$(jq '.added_tokens[] | select(.content == "<|im_end|>") | .id' one/tokenizer.json)
foreign two/model ends '.architectures = ["RewardModel"] | .pad_token_id = '"$end"' | .value_head_prefix = "score"'
score --model ends --in rows.jsonl
ok "... reads the last token, also where that is the padding's" cmp out.jsonl want.jsonl
foreign two/model hugging ".pad_token_id = $end"
score --model hugging --in rows.jsonl
ok "where transformers' class reads the one before" out '.[0].score != '"$(jq -s '.[0].score' want.jsonl)"
foreign two/model prefix '.architectures = ["RewardModel"] | .value_head_prefix = "reward"'
ok "a head under a name of one's own is refused" code 1 score --model prefix --in rows.jsonl
ok "by the field, with the cure" said 'value_head_prefix.*rename the tensor "reward.weight" to "score.weight"'
# with_tensor FROM TO NAME: the safetensors file with one tensor more, of one element
with_tensor() {
    local size data header
    size=$(od -An -tu8 -N8 "$1" | tr -d ' ') data=$(($(stat -c %s "$1") - 8 - size))
    header=$(tail -c +9 "$1" | head -c "$size" | jq -c --arg name "$3" --argjson at $data '.[$name] = {dtype: "F32", shape: [1], data_offsets: [$at, $at + 4]}')
    { printf "%016x\n" ${#header} | fold -w 2 | tac | while read -r byte; do printf "%b" "\\x$byte"; done; printf %s "$header"; tail -c $data "$1"; printf "\0\0\200\077"; } >"$2"
}
cp -r one biased && with_tensor one/model.safetensors biased/model.safetensors score.bias
ok "a bias that transformers' head has not is refused" code 1 score --model biased --in rows.jsonl
ok "by the tensor" said 'unexpected tensor "score.bias"'
foreign two/model normal '.architectures = ["RewardModel"] | .normalize_reward = true'
ok "one that is normalised is refused" code 1 score --model normal --in rows.jsonl
ok "by the field" said normalize_reward
cp -r one pickle && mv pickle/model.safetensors pickle/pytorch_model.bin
ok "a pickle is refused" code 1 score --model pickle --in rows.jsonl
ok "with the cure" said 'pytorch_model.bin is a pickle.*save_pretrained'
foreign two/model wide '.id2label = {"0": "a", "1": "b", "2": "c"}'
ok "a head of another size than config.json says is refused" code 1 score --model wide --in rows.jsonl
ok "by the tensor" said 'score.weight'

# --- what transformers scores them (tests/oracle/reward_models.py golden) --------------------------------------------------
golden=$OLDPWD/tests/golden
for dir in "$golden"/reward/*/; do
    name=$(basename "$dir")
    mkdir -p golden && cp -r "$dir" "golden/$name" && cp "$golden/tokenizer/llama3/tokenizer.json" "golden/$name"
    for rows in "golden/$name"/*.jsonl; do
        kind=$(basename "$rows" .jsonl)
        template=golden/$name/${kind%.*}-rules.txt
        [ -f "$template" ] || template=
        score --model "golden/$name" --max-length 160 --score-rule "${kind#*.}" --in "$rows" ${template:+--template "$template"}
        ok "$name, $kind: the scores of transformers" jq -n -e --slurpfile a out.jsonl --slurpfile b "$rows" '($a | length) == ($b | length) and ([range($a | length) |
            if $b[.].want == null then ($a[.].error | type) == "string" else ($a[.].score - $b[.].want | fabs) <= 1e-5 * ([1, ($b[.].want | fabs)] | max) end] | all)'
    done
done

# --- evaluate, dpo ----------------------------------------------------------------------------------------------------------
for n in 1 2; do wr $n evaluate --model one --data data --split train --limit 40 --out eval-$n.json; done
ok "evaluate on records by their texts, but two too long: figures of order, no loss" jq -e '.records == 38 and .score_rule == "logit" and .loss == null and .accuracy == null and (.spearman | type) == "number"' eval-1.json
ok "the same on two ranks" cmp eval-1.json eval-2.json
wr 1 evaluate --model three --template rm/model/template.txt --data data --split train --limit 40 --out eval-3.json
ok "several outputs that fit the classes: loss and accuracy" jq -e '.records == 40 and (.loss | type) == "number" and (.accuracy | type) == "number"' eval-3.json
dpo="dpo online --model lm/model --reward one --prompts world/prompts-train.jsonl --n 3 --prompts-per-step 4 --max-tokens 12 --save-replies --steps 2 --out"
# shellcheck disable=SC2086
ok "dpo online, rewards by a model with another tokenizer" wr 2 $dpo run
replies() { zstd -dcq run/replies/step-*.jsonl.zst; }
jq -c '{prompt: .messages} // {prompt: .prompt}' world/prompts-train.jsonl >prompts.jsonl
replies | jq -c --slurpfile p prompts.jsonl '{prompt: $p[.prompt].prompt, response: .text}' >replies.jsonl
score --model one --in replies.jsonl
ok "rewards are what score says" jq -n -e --slurpfile a out.jsonl --slurpfile b <(replies) '($a | length) == 24 and ([range($a | length) | ($a[.].score - $b[.].reward) | fabs] | max) < 1e-5'
# a template with a head, to the end: a reply's thoughts and its blanks at the ends are not read
{ printf -- '---\nroles: {user: U, assistant: A}\ntrim: true\nstrip_thoughts: true\ntruncate: right\nmax_length: 90\n---\n' && cat rm/model/template.txt; } >head.txt
wr 1 prepare two.jsonl --format labelled --classes 2 --template head.txt --out headed --vocab-size 420
# shellcheck disable=SC2086
wr 1 train reward --data headed --out hd $small --steps 2
# shellcheck disable=SC2086
ok "dpo online, rewards by a template with a head" wr 2 ${dpo/--reward one/--reward hd/model} headrun
zstd -dcq headrun/replies/step-*.jsonl.zst >headed.jsonl
jq -c --slurpfile p prompts.jsonl '{prompt: $p[.prompt].prompt, response: .text}' headed.jsonl >replies.jsonl
score --model hd/model --in replies.jsonl
ok "... are what score says" jq -n -e --slurpfile a out.jsonl --slurpfile b headed.jsonl '($a | length) == 24 and ([range($a | length) | ($a[.].score - $b[.].reward) | fabs] | max) < 1e-5'
# shellcheck disable=SC2086
ok "a rule that the outputs do not allow ends dpo" code 1 wr 2 $dpo refused --score-rule class
ok "... and one rank says so for all" test "$(grep -c 'of which --score-rule class' log.txt)" = 1

# --- export as such a model reads -------------------------------------------------------------------------------------------
"$WR" export --data rated --split train --out - 2>/dev/null | jq -c '{history, query, response}' >chats.jsonl
score --model one --in chats.jsonl && cp out.jsonl want.jsonl
"$WR" export --data rated --split train --format hf --chat-model one --out - 2>log.txt | jq -c '{text}' >texts.jsonl
score --model one --in texts.jsonl
ok "texts by its chat template score as the chats do" jq -n -e --slurpfile a out.jsonl --slurpfile b want.jsonl '($a | length) > 40 and ($a | map(.score)) == ($b | map(.score))'
ok "... and hold its marks" jq -s -e 'all(.text | startswith("<|im_start|>user\ncount to "))' texts.jsonl
ok "a model without a chat template" code 1 "$WR" export --data rated --format hf --chat-model bare --out -
ok "--chat-model goes with hf alone: exit 2" code 2 "$WR" export --data rated --format trl --chat-model one --out -
ok "a reward model is no annotator" code 1 "$WR" prepare world/chats.jsonl.zst --annotator model --annotator-model one --out no
done_testing
