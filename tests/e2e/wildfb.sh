#!/bin/bash
# End to end: WildFB's rows (texts that are rendered already) keep text, label and published split whatever form they come in; nothing writes another text of
# them later; a reward model is trained on them and scores what it learned.
. tests/rows.sh
mkdir in
# Eight ways to ask, four labels; `text` is what the template below makes of the messages.
row() { # NUMBER
    jq -cn --argjson i "$1" '{id: "chat\($i):2", user_feedback: "ok \($i)", label: (1 + $i % 4),
        history: (if $i % 2 == 0 then [] else [{role: "user", content: "Hi \($i)"}, {role: "assistant", content: "Hello"}] end),
        messages: [{role: "user", content: "What is \($i % 8)?"}, {role: "assistant", content: "It is number \($i), as far as one can say. "}]}
        | .text = ("Judge.\n" + (if .history == [] then "nothing" else ([.history[] | "\(.role): \(.content)\n"] | add) end) + "\nAsked: \(.messages[0].content)\nSaid: \(.messages[1].content)" | rtrimstr(" "))'
}
for i in $(seq 40); do row "$i"; done >in/train.jsonl
for i in $(seq 41 48); do row "$i"; done >in/test.jsonl
cat >t.txt <<'EOT'
---
history_line: "{role}: {content}\n"
history_empty: nothing
roles: {}
truncate: right
max_length: 64
trim: true
---
Judge.
{history}
Asked: {query}
Said: {response}
EOT
good() { run "$@" && test $rc = 0; }
says() { test $rc = "$1" && grep -qF -- "$2" err; } # CODE TEXT
wildfb() { rm -rf o && run prepare "$@" --format wildfb --out o; }
texts() { "$program" export --data o --split "$1" --format hf --out - 2>/dev/null | jq -cS '[.id, .text, .label + 1]'; }
wanted() { jq -cS '[.id, .text, .label]' "$@"; }

wildfb in/train.jsonl in/test.jsonl --no-tokens --template t.txt
ok "train and test are as the files' names say" eval 'test $rc = 0 && texts train | cmp - <(wanted in/train.jsonl) && texts test | cmp - <(wanted in/test.jsonl)'
ok "... and the template is known to be the texts' own" grep -q 'as the template has them *48' err
ok "the records have query, reply and history as well" test "$("$program" export --data o --split test --out - 2>/dev/null | jq -c '[.query, .response, (.history | length), (.text | length > 20)]' | head -n 1)" = '["What is 1?","It is number 41, as far as one can say. ",2,true]'
good inspect o --verify
ok "... and are whole: every row is a user of its own" test $rc = 0
sed 's/Judge/Rate/' t.txt >other.txt
wildfb in/train.jsonl in/test.jsonl --no-tokens --template other.txt
ok "another template is told, and changes no text" eval 'grep -q "other than the template.s *48" err && texts train | cmp - <(wanted in/train.jsonl)'

# --- the split ---
cat in/train.jsonl in/test.jsonl >all.jsonl
jq -r .id in/test.jsonl >ids.txt
{ jq -c '{id}' in/test.jsonl | head -n 4 && jq -c '{id, split: "test"}' in/test.jsonl | tail -n 4 && jq -c '{id, split: "train"}' in/train.jsonl; } >ids.jsonl
jq -cs '{train: [], test: map(.id)}' in/test.jsonl >ids.json
sed 's/$/\r/' ids.txt >crlf.txt
for ids in ids.txt crlf.txt ids.jsonl ids.json in/test.jsonl; do
    wildfb all.jsonl --no-tokens --split-file $ids
    ok "--split-file $ids" eval 'test $rc = 0 && texts train | cmp - <(wanted in/train.jsonl) && texts test | cmp - <(wanted in/test.jsonl)'
done
wildfb all.jsonl --no-tokens
ok "a name that says nothing is refused with the cure" says 2 "all.jsonl: its name has neither 'train' nor 'test'"
cp all.jsonl latest.jsonl
wildfb latest.jsonl --no-tokens
ok "... also one that only looks so" says 2 "latest.jsonl: its name has neither"
mv latest.jsonl test-train.jsonl
wildfb test-train.jsonl --no-tokens
ok "... or says both" says 2 "test-train.jsonl: its name has both"
echo nobody >none.txt
wildfb all.jsonl --no-tokens --split-file none.txt
ok "ids of no row" says 1 'none.txt: none of its 1 ids'
echo nobody >>ids.txt
wildfb all.jsonl --no-tokens --split-file ids.txt
ok "... and some such" eval 'says 0 "ids.txt: 1 of its 9 ids of test rows are in no row"'
echo '{"test":["a",{}]}' >dev.jsonl
wildfb all.jsonl --no-tokens --split-file dev.jsonl
ok "an id that is none" says 1 'dev.jsonl:1: an id is neither a text nor a number'
echo '{"id":"chat41:2","split":"dev"}' >dev.jsonl
wildfb all.jsonl --no-tokens --split-file dev.jsonl
ok "a side that there is not" says 1 'dev.jsonl:1: "split" is "dev"; it must be "train" or "test"'
printf '%s\n' '{"id":"chat41:2"}' '{"id":"chat41:2","split":"train"}' >both.jsonl
wildfb all.jsonl --no-tokens --split-file both.jsonl
ok "an id on both sides" says 1 'both.jsonl:2: the id chat41:2 is of the other side in a line above'
jq -c 'if .id == "chat3:2" then del(.id) else . end' all.jsonl >nameless.jsonl
wildfb nameless.jsonl --no-tokens --split-file ids.jsonl
ok "a row without an id, whose side is then not known, is bad" says 1 'nameless.jsonl:3, field id (missing, and --split-file goes by it)'
wildfb in --no-tokens --test-instances 5
ok "--test-instances is refused" says 2 '--test-instances does not go with --format wildfb'
rm -rf o && run prepare in --format labelled --no-tokens --split-file ids.txt --out o
ok "--split-file elsewhere, too" says 2 '--split-file goes with --format wildfb only'

# --- forms ---
mkdir forms
jq -cs . in/train.jsonl >forms/train.json
zstd -q in/test.jsonl -o forms/test.jsonl.zst
wildfb forms --no-tokens
ok "a JSON array and zstd" eval 'test $rc = 0 && texts train | cmp - <(wanted in/train.jsonl) && texts test | cmp - <(wanted in/test.jsonl)'
jq -c 'del(.id, .messages, .history)' in/train.jsonl | gzip >train.jsonl.gz
wildfb "$repository"/tests/golden/parquet/rows/wildfb-*.parquet --no-tokens
chats() { "$program" export --data o --split all --out - 2>/dev/null | jq -c '[(.history | length), .query[:4], .response[:4]]' | sort | uniq -c | tr -s ' ' | tr '\n' '|'; }
ok "Parquet, messages as lists or as text" eval 'test $rc = 0 && test "$(texts train | jq -r .[1] | tr "\n" " ")" = "talk 0 talk 1 talk 2 talk 3 talk 4 talk 5 talk 6 talk 7 " && cmp <(texts train) <(texts test)'
ok "... which are the records' own" test "$(chats)" = ' 8 [0,"How ","With"]| 8 [2,"How ","With"]|'
wildfb train.jsonl.gz --no-tokens
ok "rows of text and label alone" eval 'test $rc = 0 && test "$(texts train | jq -c .[1:] | cmp - <(jq -c "[.text, .label]" in/train.jsonl) && texts train | jq -r .[0] | head -n 2 | tr "\n" " ")" = "row:1 row:2 "'

run export --data o --format trl --out trl.jsonl
ok "without messages there is no pair of prompt and completion" says 1 'record 0: a ready-made text without messages, which --format trl needs'

# --- bad rows ---
while IFS='|' read -r text wanted; do
    { row 1 && echo "$text" && row 2; } >train-bad.jsonl
    wildfb train-bad.jsonl --no-tokens
    ok "named: $wanted" eval 'says 1 "first: train-bad.jsonl:2, field $wanted" && test "$(texts train | wc -l)" = 2'
done <<'EOT'
{"label":1}|text (missing)
{"label":1,"text":["x"]}|text (no text)
{"label":1,"text":""}|text (empty)
{"text":"x"}|label (missing)
{"text":"x","label":"1"}|label (no integer)
{"text":"x","label":0}|label (below 1)
{"text":"x","label":5}|label (above --classes)
{"text":"x","label":1,"id":{}}|id (no text or number
{"text":"x","label":1,"messages":"x"}|messages is not a list of {role, content}
{"text":"x","label":1,"messages":[{"role":"user"}]}|messages[0]: no "content"
EOT
echo '{"response":"x","label":2}' >train-none.jsonl
wildfb train-none.jsonl --no-tokens
ok "rows of another kind: what is needed is said" says 1 'rows need "text" and an integer "label" from 1 to 4'

# --- tokens: cut by the template's rule ---
jq -c '.text += " and so on, and on, and on, without an end that anybody could see from here" * 3' in/test.jsonl >test-long.jsonl
wildfb in/train.jsonl test-long.jsonl --template t.txt --vocab-size 300
ids() { "$program" export --data "$1" --split test --tokens --out - 2>/dev/null | jq -c .ids; }
jq -c '{text}' test-long.jsonl | "$program" tokenize --tokenizer o 2>/dev/null | jq -c '.ids[:64]' >first.jsonl
ok "right: the first tokens of the whole text" eval 'test $rc = 0 && ids o | cmp - first.jsonl && grep -q "texts cut on the right *8" err'
mv o p
wildfb in/train.jsonl test-long.jsonl --template t.txt --tokenizer p --max-length 20
ok "the smaller of two limits counts" test "$(ids o | jq length | sort -u)" = 20
wildfb in/train.jsonl test-long.jsonl --vocab-size 300 --max-length 64
ok "no template: a text that is too long is dropped, and counted" eval 'test $rc = 0 && test "$(texts test | wc -l)" = 0 && grep -q "too_long *8" err'

# --- a reward model of them ---
small=(--new "layers=1,hidden=16,heads=2,ffn=32,max-positions=256" --steps 4 --global-batch 8 --eval-every 4)
wildfb in --template t.txt --vocab-size 300
good train reward --data o --out run "${small[@]}"
ok "train reward" test $rc = 0
good evaluate --model run/model --data o --out e.json
ok "evaluate on the published test side" eval 'test $rc = 0 && jq -e ".n == 8 or .instances == 8 or .records == 8" e.json'
"$program" score --model run/model --in in/test.jsonl --out by-text.jsonl 2>/dev/null
jq -c '{history, query: .messages[0].content, response: .messages[1].content}' in/test.jsonl | "$program" score --model run/model --out by-template.jsonl 2>/dev/null
ok "the text and what the template makes of the messages score alike" eval 'cmp <(jq -c .score by-text.jsonl) <(jq -c .score by-template.jsonl) && test "$(jq -s length by-text.jsonl)" = 8'
jq -c '.text += " and on" * 200' in/test.jsonl >long-text.jsonl
jq -c '.text += " and on" * 100' in/test.jsonl >shorter.jsonl
run score --model run/model --in long-text.jsonl
cp out long.out
run score --model run/model --in shorter.jsonl
ok "a ready text that is too long is cut as in training" eval 'test $rc = 0 && cmp <(jq -c .score out) <(jq -c .score long.out) && test "$(jq -s length out)" = 8'
wildfb in --vocab-size 300
good train reward --data o --out bare "${small[@]}"
ok "without a template the model records none, nor that of chats" eval 'test $rc = 0 && grep -q "trained on ready-made texts" bare/model/chat_template.jinja && test ! -e bare/model/template.txt && test ! -e o/template.txt'
run score --model bare/model --in in/test.jsonl
ok "... scores texts" test "$rc $(wc -l <out)" = '0 8'
run score --model bare/model --in long-text.jsonl
ok "... which are errors where they are too long" eval 'test $rc = 1 && jq -e ".error | test(\"the limit is 256\")" out >/dev/null'
echo '{"query":"q","response":"r"}' >pair.jsonl
run score --model bare/model --in pair.jsonl
ok "... and asks for a template where there is none" says 2 'records no template'
run train reward --data o --template t.txt --out again "${small[@]}"
ok "... which train does not take either" says 1 't.txt: is a template, but the shards of o hold ready-made texts without one'
done_testing
