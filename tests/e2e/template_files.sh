#!/bin/bash
# End to end: the head of a template file counts wherever a template is used, and a wrong one is one line everywhere.
. tests/rows.sh
good() { run "$@" && test $rc = 0; }
says() { test $rc = "$1" && test "$(grep -c error: err)" = 1 && grep -qF -- "$2" err; } # CODE TEXT
good synth --users 40 --conversations 300 --seed 5 --train-prompts 8 --heldout-prompts 8 --out world || sed 's/^/# /' err
cat >t.txt <<'EOT'
---
history_line: "{role}: {content}\n"
history_empty: ""
roles: {user: Person}
truncate: right
max_length: 96
trim: true
strip_thoughts: true
---

Judge.
{history}
Asked: {query}
Said: {response}

Mark:
EOT
short=(--min-reply-words 1 --min-query-words 1 --vocab-size 300)
good prepare world/chats.jsonl.zst "${short[@]}" --template t.txt --out data
ok "chats: texts that are longer than the template's limit are cut on the right" grep -qE 'texts cut on the right +[1-9]' err
"$program" export --data data --format hf --out hf.jsonl 2>/dev/null
"$program" export --data data --tokens --out ids.jsonl 2>/dev/null
"$program" tokenize --tokenizer data --in hf.jsonl 2>/dev/null >whole.jsonl
ok "... as the whole text's first tokens" eval 'test -s ids.jsonl && cmp <(jq -c .ids ids.jsonl) <(jq -c ".ids[:96]" whole.jsonl) && test "$(jq "select(.ids | length > 96) | 1" whole.jsonl | wc -l)" -gt 3'
jq -j '"Judge.\n" + ([.history[] | (if .role == "user" then "Person" else .role end) + ": " + .content + "\n"] | add // "") + "\nAsked: " + .query + "\nSaid: " + .response + "\n\nMark:\u0000"' ids.jsonl >want
ok "... and the text is what the head says" cmp want <(jq -j '.text + "\u0000"' hf.jsonl)

good train reward --data data --out run --new layers=1,hidden=16,heads=2,ffn=32,max-positions=128 --steps 4 --global-batch 8
ok "a model records the whole file" eval 'test $rc = 0 && cmp run/model/template.txt t.txt && grep -q "whole.strip()" run/model/chat_template.jinja'
head -n 30 ids.jsonl | jq -c '{history, query, response}' >rows.jsonl
jq -c '.response = "<think>\nhm\n</think>\n\n" + .response + " \n"' rows.jsonl >thoughts.jsonl
head -n 30 hf.jsonl | jq -c '{text}' >texts.jsonl
for of in rows thoughts texts; do "$program" score --model run/model --in $of.jsonl 2>/dev/null | jq -c .score >$of.scores; done
ok "score: rows, their texts, and replies with thoughts" eval 'test "$(grep -c . rows.scores)" = 30 && cmp rows.scores texts.scores && cmp rows.scores thoughts.scores'
good train lm --data data --out lm --new layers=1,hidden=16,heads=2,ffn=32,max-positions=256 --steps 1 --global-batch 4
good evaluate --model run/model --data data --out e.json
ok "evaluate takes the shards" test $rc = 0
sed 's/true/false/' t.txt >other.txt
cp -r run/model bare && rm bare/template.txt
run score --model run/model --template other.txt --in rows.jsonl
ok "another head is another template" says 1 'other.txt: template hash'
printf 'Caf\xe9 {history} {query} {response}' >latin1.txt
run score --model bare --template latin1.txt --in rows.jsonl
ok "a template that is not UTF-8 is refused" says 1 'latin1.txt: byte 4 is not UTF-8'
run train reward --data data --template other.txt --out run2 --new layers=1,hidden=16 --steps 1
ok "... for train, too" says 1 'other.txt: its template (hash'

sed 's/^trim: true/trims: true/' t.txt >bad.txt
wrong="bad.txt: line 7: unknown key 'trims'; did you mean 'trim'?"
run prepare world/chats.jsonl.zst "${short[@]}" --template bad.txt --out o
ok "prepare names file, line, key and cure" says 1 "$wrong"
run score --model bare --template bad.txt --in rows.jsonl
ok "... score" says 1 "$wrong"
run train reward --data data --template bad.txt --out run3 --new layers=1,hidden=16 --steps 1
ok "... train" says 1 "$wrong"
run evaluate --model bare --template bad.txt --data data --out e.json
ok "... evaluate" says 1 "$wrong"
run dpo online --model lm/model --reward bare --template bad.txt --prompts data --out d --steps 1
ok "... dpo" says 1 "$wrong"
cp bad.txt run/model/template.txt
run score --model run/model --in rows.jsonl
ok "... and a model's own" says 1 'run/model/template.txt: line 7: unknown key'
done_testing
