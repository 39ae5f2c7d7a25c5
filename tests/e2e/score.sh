#!/bin/bash
# score: both kinds of input, order, pass-through, error records, templates, batches.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/scratch.sh
wr=$program
cd "$work" || exit 1
export OMP_NUM_THREADS=1

# A small reward model of rated replies.
for i in $(seq 60); do
    echo "{\"query\":\"count to $i please\",\"response\":\"one two three and so on, up to $i\",\"label\":$((i % 4 + 1)),\"user\":\"u$((i % 9))\"}"
done >rated.jsonl
if ! "$wr" prepare rated.jsonl --format labelled --classes 4 --out data --vocab-size 400 >/dev/null 2>log.txt ||
    ! "$wr" train reward --data data --new layers=2,hidden=32,heads=4,kv-heads=2,ffn=64,max-positions=256 --out run --steps 3 --global-batch 8 --lr 3e-3 \
        >/dev/null 2>>log.txt; then
    sed 's/^/# /' log.txt
    fail "a small reward model"
    done_testing
    exit
fi
model=run/model
cat >in.jsonl <<'J'
{"id":1,"text":"one two three","keep":[1.50,{"a":null}]}
{"history":[],"query":"count to 3","response":"one two three"}
{"query":"count to 3","response":"one two three","score":"old"}
{"history":[{"role":"user","content":"hi"},{"role":"assistant","content":"hello"}],"query":"count to 3","response":"<|im_end|> one"}
not json
{"text":7}
{"text":""}
{"query":"no response"}
{"history":[{"role":"user"}],"query":"a","response":"b"}
{"text":"the last line"}
J
"$wr" score --model $model --in in.jsonl --out out.jsonl 2>log.txt
rc=$?
ok "bad lines: exit 1 after the others" [ $rc = 1 ]
ok "one line for each line" [ "$(wc -l <out.jsonl)" = 10 ]
line() { sed -n "$1p" out.jsonl | jq -e "$2" >/dev/null; }
ok "text: score and 3 logits" line 1 '(.score | type) == "number" and (.logits | length) == 3'
ok "fields pass through as they were" grep -q '"keep":\[1.50,{"a":null}\]' out.jsonl
ok "score = 1 + sum of sigmoids" line 1 '(.score - 1 - ([.logits[] | 1 / (1 + (-. | exp))] | add)) | . < 1e-6 and . > -1e-6'
ok "an existing score is replaced" line 3 '(.score | type) == "number"'
ok "no history is an empty history" [ "$(sed -n 2p out.jsonl | jq .score)" = "$(sed -n 3p out.jsonl | jq .score)" ]
ok "a history counts" line 4 '(.score | type) == "number"'
for n in 5 6 7 8 9; do ok "bad line $n: an error record in its place" line $n "(.error | type) == \"string\" and .line == $n"; done
ok "the line after them" line 10 '.text == "the last line" and (.score | type) == "number"'
"$wr" score --model $model --in in.jsonl --out one.jsonl --batch-tokens 1 2>/dev/null
ok "batches change nothing" cmp out.jsonl one.jsonl
"$wr" score --model $model <in.jsonl >stream.jsonl 2>/dev/null
ok "standard input and output" cmp out.jsonl stream.jsonl

long=$(printf 'word %.0s' $(seq 400))
printf '{"text":"%s"}\n{"history":[{"role":"user","content":"%s"}],"query":"count","response":"one two"}\n{"query":"a","response":"%s"}\n' "$long" "$long" "$long" >long.jsonl
"$wr" score --model $model --in long.jsonl --out out.jsonl 2>/dev/null
ok "a text too long: an error record" line 1 '.error | type == "string"'
ok "a long history: its oldest messages go" line 2 '(.score | type) == "number"'
ok "a reply too long: an error record" line 3 '.error | type == "string"'
"$wr" score --model $model --in in.jsonl --out out.jsonl --max-length 2 2>/dev/null
ok "--max-length" line 1 '.error | type == "string"'

# Without a recorded template.
cp -r $model bare
rm bare/template.txt bare/chat_template.jinja
jq 'del(.chat_template)' bare/tokenizer_config.json >c.json && mv c.json bare/tokenizer_config.json
jq 'del(.wildreward)' bare/config.json >c.json && mv c.json bare/config.json
head -1 in.jsonl | "$wr" score --model bare >out.jsonl 2>log.txt
ok "text needs no template" line 1 '(.score | type) == "number"'
sed -n 2p in.jsonl | "$wr" score --model bare >out.jsonl 2>log.txt
rc=$?
ok "query and response need one: usage error" [ $rc = 2 ]
ok "which says --template" grep -q -e --template log.txt
sed -n 2p in.jsonl | "$wr" score --model bare --template $model/template.txt >out.jsonl 2>log.txt
sed -n 2p in.jsonl | "$wr" score --model $model >want.jsonl 2>log.txt
ok "--template gives it" cmp out.jsonl want.jsonl
printf '{history} {query} -> {response}' >other.txt
sed -n 2p in.jsonl | "$wr" score --model $model --template other.txt >out.jsonl 2>log.txt
rc=$?
ok "another template than the recorded one is refused" [ $rc = 1 ]
ok "an empty input" "$wr" score --model $model --in /dev/null --out empty.jsonl
"$wr" score --model nowhere --in in.jsonl --out out2.jsonl >/dev/null 2>log.txt
rc=$?
ok "no model: exit 1" [ $rc = 1 ]
ok "no model: no output" [ ! -e out2.jsonl ]
done_testing
