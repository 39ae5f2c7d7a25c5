#!/bin/bash
# End to end: chats of OpenAI's kind without a field map or an id, and rated replies in every form that they are kept in.
. tests/rows.sh
golden=$repository/tests/golden/parquet/rows
prepare() {
    rm -rf o && rc=0
    "$program" prepare "$@" --no-tokens --languages all --test-instances 0 --out o >out 2>err || rc=$?
}
ids() { "$program" export --data o --kind chats --split all --out - 2>/dev/null | jq -r '.conversation_hash // .id' | sort; }
chats() { "$program" export --data o --kind chats --split all --out - 2>/dev/null | jq -cS '[(.conversation // .messages)[] | {role, content}]' | sort; }
ratings() { "$program" export --data o --kind reward --split all --out - 2>/dev/null | jq -cS '[.id, .["label"], .query, .response, .user]' | sort; }

for i in 1 2 3; do
    echo "{\"messages\":[{\"role\":\"user\",\"content\":\"How do I bake $i loaves of good bread at home?\"},{\"role\":\"assistant\",\"content\":\"With flour, water, salt and $i hours of time.\"},{\"role\":\"user\",\"content\":\"Thanks, that was great help!\"}]}"
done >chats.jsonl
prepare chats.jsonl
ok "rows of messages need no field map and no id" test "$rc $(ids | uniq | wc -l)" = "0 3"
chats >without
prepare chats.jsonl --fields openai
chats >with
ok "... and say the same under the map of their name" eval 'test $rc = 0 && cmp with without && test -s with'
{ cat chats.jsonl; echo '{"messages":7}'; } >bad.jsonl
prepare bad.jsonl
ok "... a bad one among them is counted" eval 'test $rc = 1 && grep -q "bad.jsonl:4" err'
while IFS='|' read -r row field; do
    echo "$row" >one.jsonl
    prepare one.jsonl
    ok "... and its field is named: $field" grep -qF "first: one.jsonl:1, field $field" err
done <<'EOT'
{"messages":7}|conversation (or messages)
{"messages":[{"role":"user","content":"a"},{"role":"assistant"}]}|messages[1].content
{"conversation_hash":"z","conversation":[{"role":"user","content":4}]}|conversation[0].content
{"conversation":[{"role":"user","content":"a"}]}|conversation_hash
EOT
prepare "$golden/messages.parquet"
chats >parquet
ok "Parquet of messages without an id" eval 'test $rc = 0 && cmp with parquet && test "$(ids | uniq | wc -l)" = 3'
for form in text parts; do
    prepare "$golden/$form.parquet"
    chats >parquet
    ok "... with messages as JSON text, contents in parts: $form" eval 'test $rc = 0 && cmp with parquet'
done
cat >t.jinja <<'T'
{{ tools | tojson if tools }}{% for m in messages %}<|im_start|>{{ m.role }}
{% if m.reasoning %}<think>{{ m.reasoning }}</think>{% endif %}{{ m.content or '' }}{% for c in m.tool_calls or [] %}<call>{{ c.function | tojson }}{% endfor %}<|im_end|>
{% endfor %}
T
cp "$golden/calls.jsonl" "$golden/calls.parquet" . && cp "$golden/tools_text.parquet" calls.text
for form in jsonl parquet text; do
    rm -rf o
    "$program" prepare calls.$form --tokenizer "$golden/../../tokenizer/digits" --chat-template t.jinja --languages all --test-instances 0 --out o >out 2>err
    "$program" export --data o --kind chats --split all --tokens --out got.$form >log 2>&1
    grep -E '(field missing.*|no messages|good) +[0-9]+( |$)' err | sed 's/ *skipped.*//' >faults.$form
done
ok "calls, reasoning and tools in columns reach the template as those of JSON do" eval 'cmp got.jsonl got.parquet && test "$(jq -c .ids <got.jsonl | wc -l)" = 2 && cmp faults.jsonl faults.parquet && test "$(wc -l <faults.jsonl)" = 3'
"$program" tokenize --decode --tokenizer "$golden/../../tokenizer/digits" <got.parquet 2>/dev/null | jq -r .text >text
ok "... and so do tools as JSON text" cmp got.jsonl got.text
ok "... the field that is missing is named" grep -q 'row group 1, row 0, field messages' err
ok "... and are seen by it" eval 'grep -qF "<call>{\"name\": \"look\"" text && grep -qF "<think>hm</think>" text && grep -qF "\"n\": 3" text'

for i in $(seq 20); do
    echo "{\"prompt\":\"What is it, number $i?\",\"response\":\"An answer,\\nnumber \\\"$i\\\".\",\"label\":$((1 + i % 4)),\"user\":\"u$i\",\"id\":\"r$i\"}"
done >rated.jsonl
jq -s . <rated.jsonl >rated.json
prepare rated.jsonl --format labelled
ratings >lines
ok "ratings: prompt is the query" eval 'test $rc = 0 && test "$(grep -c "What is it, number" lines)" = 20'
prepare rated.json --format labelled
ratings >array
ok "ratings as a JSON array are those of the lines" eval 'test $rc = 0 && cmp lines array'
prepare "$golden/rated.parquet" --format labelled
ratings >parquet
ok "ratings in Parquet are those of the lines" eval 'test $rc = 0 && cmp lines parquet'
done_testing
