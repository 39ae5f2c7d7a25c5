#!/bin/bash
# End to end: which chat template of a folder counts, what is none, and that named ones go along with a result.
. tests/rows.sh
golden=$repository/tests/golden/tokenizer

mkdir bad named
cp "$golden/digits/tokenizer.json" bad/
echo '{"messages":[{"role":"user","content":"x"}]}' >chat.jsonl
for bytes in 'a\377{{ messages[0].content }}<|im_end|>' '{{ "\355\240\200" ~ messages[0].content }}<|im_end|>' '{# \303 #}{{ messages[0].content }}<|im_end|>' \
    '{{ messages[0].content }}<|im_end|>\364\220\200\200'; do
    # shellcheck disable=SC2059  # the format is the bytes
    printf "$bytes" | tee bad/chat_template.jinja >t.jinja
    run tokenize --tokenizer bad --in chat.jsonl
    ok "a folder's template that is not UTF-8: exit 1 and one line" eval 'test $rc = 1 && test "$(wc -l <err)" = 1 && grep -q "bad/chat_template.jinja.*not UTF-8" err'
    run tokenize --tokenizer "$golden/digits" --chat-template t.jinja --in chat.jsonl
    ok "... and a file's" eval 'test $rc = 1 && test "$(wc -l <err)" = 1 && grep -q "t.jinja.*not UTF-8" err'
done

cp "$golden/digits/tokenizer.json" named/
mkdir named/additional_chat_templates
echo '{"eos_token":"<|im_end|>"}' >named/tokenizer_config.json
echo '{% for m in messages %}<|im_start|>{{ m.role }} {{ m.content }}<|im_end|>{% endfor %}' >named/chat_template.jinja
echo '{% for t in tools %}{{ t.function.name }};{% endfor %}{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}' >named/additional_chat_templates/tool_use.jinja
echo 'for something else' >named/additional_chat_templates/rag.jinja
{
    cat chat.jsonl
    echo '{"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"look"}}]}'
    echo '{"messages":[{"role":"user","content":"x"}],"tools":[]}'
    echo '{"messages":[{"role":"user","content":"x"}],"tools":null}'
} >rows.jsonl
run tokenize --tokenizer named --in rows.jsonl
ok "tool_use counts where a row has tools, even none in a list" test "$(jq -r .rendered out | tr '\n' '|')" = "<|im_start|>user x<|im_end|>|look;x<|im_end|>|x<|im_end|>|<|im_start|>user x<|im_end|>|"
run tokenize --tokenizer named --chat-template named/additional_chat_templates/tool_use.jinja --in rows.jsonl
ok "a template for chats with tools alone is taken; others are errors of their rows" eval 'test $rc = 1 && test "$(jq -r ".rendered // \"-\"" out | tr "\n" "|")" = "-|look;x<|im_end|>|x<|im_end|>|-|"'

ask='{"role":"user","content":"How do I bake a good bread at home?"}'
thanks='{"role":"user","content":"Thanks, that was great help!"}'
printf 'messages: messages\nid: id\n' >map.yaml
echo "{\"id\":\"a\",\"messages\":[$ask,{\"role\":\"assistant\",\"content\":\"Use flour.\"},$thanks]}" >in.jsonl
run prepare in.jsonl --fields map.yaml --languages all --test-instances 0 --tokenizer named --out o
ok "a result holds all templates of its tokenizer" eval 'test $rc = 0 && cmp o/chat_template.jinja named/chat_template.jinja && diff -r o/additional_chat_templates named/additional_chat_templates'
run inspect o --verify
ok "... that are verified as it is" test $rc = 0
echo >>o/additional_chat_templates/rag.jinja
run inspect o --verify
ok "... and missed when they change" eval 'test $rc = 1 && grep -q "rag.jinja: changed" err'
cp named/additional_chat_templates/rag.jinja o/additional_chat_templates/
run tokenize --tokenizer o --in rows.jsonl
ok "... and renders as it does" test "$(jq -r .rendered out | sed -n 2p)" = "look;x<|im_end|>"
echo mine >o/additional_chat_templates/mine.jinja
run prepare in.jsonl --fields map.yaml --languages all --test-instances 1 --tokenizer named --overwrite --out o
ok "--overwrite: a file that prepare did not write stays" eval 'test $rc = 2 && grep -q "additional_chat_templates/mine.jinja" err && test -e o/additional_chat_templates/mine.jinja'
rm o/additional_chat_templates/mine.jinja
run prepare in.jsonl --fields map.yaml --languages all --test-instances 0 --tokenizer named --overwrite --out o
ok "... without it, it is written again" eval 'test $rc = 0 && test -e o/additional_chat_templates/rag.jinja'
run prepare in.jsonl --fields map.yaml --languages all --test-instances 0 --tokenizer named --chat-template named/chat_template.jinja --out p
ok "a template that was given is the only one" eval 'test $rc = 0 && cmp p/chat_template.jinja named/chat_template.jinja && ! test -e p/additional_chat_templates'
done_testing
