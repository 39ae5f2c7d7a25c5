#!/bin/bash
# End to end: what chat rows hold beside texts, rows that are bad, and an annotator that is not there.
. tests/rows.sh
golden=$repository/tests/golden/tokenizer
prepare() { rm -rf "$1"; run prepare "${@:2}" --languages all --test-instances 0 --out "$1"; }

printf 'messages: messages\nid: id\n' >map.yaml
ask='{"role":"user","content":"How do I bake a good bread at home?"}'
thanks='{"role":"user","content":"Thanks, that was great help!"}'
call='"tool_calls":[{"id":"1","type":"function","function":{"name":"look","arguments":{"x":1.0,"b":null}}}]'
{
    echo "{\"id\":\"parts\",\"score\":NaN,\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"How do I \"},{\"type\":\"text\",\"text\":\"bake bread at home?\"}]},{\"role\":\"assistant\",\"content\":\"Use flour and water.\"},$thanks]}"
    echo "{\"id\":\"tools\",\"tools\":[{\"name\":\"look\"}],\"messages\":[$ask,{\"role\":\"assistant\",\"content\":null,$call},{\"role\":\"tool\",\"content\":\"sunny\"},{\"role\":\"assistant\",\"content\":\"It is sunny.\",\"reasoning\":\"hm\"},$thanks]}"
} >good.jsonl
cat >t.jinja <<'T'
{{ tools | tojson if tools }}{% for m in messages %}<|im_start|>{{ m.role }}
{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content or '' }}{% for c in m.tool_calls or [] %}<call>{{ c.function | tojson }}{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}
T
prepare o good.jsonl --fields map.yaml --tokenizer "$golden/digits" --chat-template t.jinja
ok "parts, calls without a content and NaN that nobody reads are good" test $rc = 0
ok "... two follow-ups" test "$(zstdcat o/turns.jsonl.zst | wc -l)" = 2
"$program" export --data o --kind chats --split all --tokens --out - 2>/dev/null | jq -c 'select(.id == "tools" or .conversation_hash == "tools") | {ids}' >chat.jsonl
"$program" tokenize --decode --tokenizer "$golden/digits" <chat.jsonl 2>/dev/null | jq -r .text >text
ok "the template sees tools, calls and reasoning" eval 'grep -qF "[{\"name\": \"look\"}]" text && grep -qF "<call>{\"name\": \"look\", \"arguments\": {\"x\": 1.0, \"b\": null}}<|im_end|>" text && grep -qF "<think>hm</think>It is sunny.<|im_end|>" text'

{ cat good.jsonl; echo '{"id":"x","messages":7}'; echo '{"id":NaN,"messages":[]}'; } >mixed.jsonl
prepare o mixed.jsonl --fields map.yaml --no-tokens
ok "bad rows: the others are done, and exit 1" eval 'test $rc = 1 && test -f o/meta.json && ! test -e o.partial'
ok "... the line names how many and the first" grep -q 'without 2 of 4 rows.*mixed.jsonl:3' err
prepare o mixed.jsonl --fields map.yaml --no-tokens --skip-bad
ok "--skip-bad: exit 0, counted all the same" eval 'test $rc = 0 && grep -q "NaN or Infinity where" err'
printf '{"id":"i","messages":[%s,{"role":"assistant","content":[{"type":"image_url"}]},%s]}\n' "$ask" "$thanks" >image.jsonl
cat good.jsonl image.jsonl >with-image.jsonl
prepare o with-image.jsonl --fields map.yaml --no-tokens
ok "parts that are no text are counted by name" eval 'test $rc = 1 && grep -q "parts that are no text *1" err'
echo "{% if messages[0].content is string and 'bake a' in messages[0].content %}{{ raise_exception('not this one') }}{% endif %}$(cat t.jinja)" >picky.jinja
prepare o good.jsonl --fields map.yaml --tokenizer "$golden/digits" --chat-template picky.jinja
ok "a chat that the template refuses is that chat's fault" eval 'test $rc = 1 && grep -q "1 chats, which the chat template refuses; the first: tools: .*not this one" err && test -f o/meta.json'

printf '%s\n' '{"messages":[{"role":"user","content":"x"}],"level":3,"tools":[{"a":1}]}' '{"messages":[{"role":"user","content":"x"}],"tools":"no"}' >rows.jsonl
echo '{{ level }}{{ (tools or []) | tojson }}{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}' >v.jinja
run tokenize --tokenizer "$golden/digits" --chat-template v.jinja --in rows.jsonl
ok "tokenize: a row's variables" eval 'test "$(jq -r .rendered out | head -1)" = "3[{\"a\": 1}]x<|im_end|>" && jq -r .error out | grep -q "tools.*should hold JSON"'
done_testing
