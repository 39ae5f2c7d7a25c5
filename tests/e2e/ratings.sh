#!/bin/bash
# End to end: rated replies as CSV are those of JSON lines, however a program quotes them; what is no CSV is counted by place and reason, or refused by name.
. tests/rows.sh
golden=$repository/tests/golden/model/llama
prepare() {
    rm -rf o && rc=0
    "$program" prepare "$@" --format labelled --no-tokens --test-instances 0 --out o >out 2>err || rc=$?
}
ratings() { "$program" export --data o --kind reward --split all --out - 2>/dev/null | jq -cS '[.label, .query, .response, .history, .user, .id]' | sort; }
says() { test $rc = "$1" && grep -qF "$2" err; } # CODE TEXT

for i in $(seq 12); do
    echo "{\"id\":\"r$i\",\"user\":\"u$((i % 5))\",\"query\":\"What, in \\\"short\\\", is $i?\",\"response\":\"é line 1\\nline 2, \\\"$i\\\"\\r\\nend;\\t.\",\"label\":$((1 + i % 4)),\"history\":[{\"role\":\"user\",\"content\":\"Hi, \\\"you\\\"\"},{\"role\":\"assistant\",\"content\":\"Hello\\n$i\"}]}"
done >rows.jsonl
prepare rows.jsonl
ratings >want
# jq quotes texts alone, as R does with numbers; the others are Python's csv (what needs it, CRLF) and pandas' QUOTE_ALL with its index.
header='"id","user","query","response","label","history"'
jq -r '[.id, .user, .query, .response, .label, (.history | tojson)] | @csv' rows.jsonl | { echo "$header" && cat; } >jq.csv
jq -j 'def q: if test("[,\"\r\n]") then "\"" + gsub("\""; "\"\"") + "\"" else . end;
    [(.history | tojson | q), (.label | tostring), (.response | q), .id, (.query | q), .user] | join(",") + "\r\n"' rows.jsonl | { printf 'history,label,response,id,prompt,user\r\n' && cat; } >python.csv
jq -j 'def q: "\"" + (tostring | gsub("\""; "\"\"")) + "\"";
    ["7", .user, .id, "x,\ny", "\(.label).0", .query, .response, (.history | tojson)] | map(q) | join(",") + "\n"' rows.jsonl | { printf '\xef\xbb\xbf"","user","id","more","label","query","response","history"\n' && cat; } >pandas.csv
gzip -c jq.csv >packed.csv.gz
mkdir many && head -c 0 /dev/null >many/notes.txt
jq -r 'select(.id < "r3") | [.id, .user, .query, .response, .label, (.history | tojson)] | @csv' rows.jsonl | { echo "$header" && cat; } >many/a.csv
jq -c 'select(.id >= "r3")' rows.jsonl >many/b.jsonl
tar -cf many.tar -C many a.csv b.jsonl
for form in jq.csv python.csv pandas.csv packed.csv.gz many many.tar; do
    prepare $form
    ratings >got
    ok "the rows of $form are those of JSON lines" eval 'test $rc = 0 && test "$(wc -l <want)" = 12 && cmp want got'
done
prepare - <python.csv
ratings >got
ok "... and without a name, by the header" eval 'test $rc = 0 && cmp want got'
cp jq.csv ratings.txt
prepare ratings.txt
ratings >got
ok "... under another name, too" eval 'test $rc = 0 && cmp want got'

printf 'response,label,user,history\n\n"two\nlines",3,,\n   \nno label,,u,\nfew,2\nzero,0,u,\nword,good,u,\n\xff,1,u,\n"a\nb",1,u,"[{""role"":""user""}]"\nlast,2.0,u,[]' >bad.csv
prepare bad.csv
ok "bad rows are counted, and the others read" eval 'test $rc = 1 && test "$("$program" export --data o --kind reward --split all --out - 2>/dev/null | jq -c .label | sort | tr -d "\n")" = 23'
ok "... by the line where the row begins, and field" says 1 'skipped; first: bad.csv:6, field label (missing)'
ok "... fields that are too few" says 1 'first: bad.csv:7, 2 fields, the header has 4'
ok "... bytes that are no text" says 1 'first: bad.csv:10'
while IFS='|' read -r text wanted; do
    printf "response,label,user,history\nfine,1,,\n$text\n" >one.csv
    prepare one.csv
    ok "named: $wanted" says 1 "first: one.csv:3, $wanted"
done <<'EOT'
a,0,,|field label (below 1)
a,good,,|field label (no integer)
a,2.5,,|field label (no integer)
a,,,|field label (missing)
,2,,|field response (missing)
a,2,,x|field history is not a list of {role, content}
a,2,,"[{""role"":""user""}]"|field history[0]: no "content"
a,2,,,|5 fields, the header has 4
a\0,2,,|a NUL byte
EOT
for row in '{"response":"a"}|response|label (missing)' '{"response":"a","label":"3"}|label|label (no integer)' '{"response":"a","label":1001}|label|label (above 1000)' \
    '{"label":1}|response|response (missing)' '{"response":["a"],"label":1}|response|response (no text)' '{"response":"a","label":1,"user":7}|user|user (no text' '{"response":"a","label":1,"prompt":[]}|prompt|prompt (no text'; do
    { echo '{"response":"fine","label":1}' && echo "${row%%|*}"; } >one.jsonl
    prepare one.jsonl
    ok "a JSON row's wrong field is named: ${row##*|}" says 1 "first: one.jsonl:2, field ${row##*|}"
done
prepare rows.jsonl --classes 3
ok "... a label above --classes" says 1 'field label (above --classes)'

# --- rows that bring their text ready made ---
texts() { "$program" export --data o --split all --format hf --out - 2>/dev/null | jq -cS '[.text, .label + 1, .user]' | sort; }
for i in $(seq 6); do echo "{\"text\":\"Q: $i?\\nA: \\\"$i\\\", so\",\"label\":$((1 + i % 3)),\"user\":\"u$i\"}"; done >texts.jsonl
jq -cS '[.text, .label, .user]' texts.jsonl | sort >want
jq -r '[.text, .label, .user] | @csv' texts.jsonl | { echo text,label,user && cat; } >texts.csv
cp texts.csv texts.txt
for form in texts.jsonl texts.csv texts.txt; do
    prepare $form
    ok "ready-made texts of $form stay as they are" eval 'test $rc = 0 && texts | cmp - want'
    ok "... and no template is recorded" eval '! jq -e ".template // .template_hash // empty | strings | select(. != \"\")" o/meta.json >/dev/null'
done
{ head -n 3 texts.jsonl && head -n 3 rows.jsonl; } >mixed.jsonl
prepare mixed.jsonl
ok "beside rows that the template writes, which is recorded then" eval 'test $rc = 0 && test "$(texts | wc -l)" = 6 && texts | grep -cF "\"Q: " | grep -qx 3 && jq -e ".template_hash | length > 0" o/meta.json'
printf '{"text":"as it is","response":"r","query":"q","label":1}\n{"response":"r","label":2}\n' >both.jsonl
prepare both.jsonl
ok "a text counts before a response, and it is told that the template writes another" eval 'test $rc = 0 && texts | grep -qF "[\"as it is\",1," && grep -q "other than the template.s *1" err'
for row in '{"text":["a"],"label":1}|text (no text)' '{"text":"","label":1}|text (empty)' '{"text":null,"label":1}|response (missing)'; do
    { echo '{"response":"fine","label":1}' && echo "${row%%|*}"; } >one.jsonl
    prepare one.jsonl
    ok "a wrong one is named: ${row##*|}" says 1 "first: one.jsonl:2, field ${row##*|}"
done

refused() { # NAME WANTED TEXT
    printf "$3" >"$1"
    prepare "$1"
    ok "refused: $2" says 1 "$1$2"
}
refused none.csv ': no row that names its columns' ''
refused lacks.csv ':1: the header has no column "label"; it has: query, response' 'query,response\na,b\n'
refused semicolons.csv ':1: the header has no column "response" or "text"; it has: response;label' 'response;label\na;1\n'
refused semicolons.txt ': its columns are not told apart by commas' 'response;label\na;1\n'
refused tabs.tsv ': its columns are not told apart by commas' 'response\tlabel\na\t1\n'
refused twice.csv ':1: the header names the column "label" twice' 'response,label,label\na,1,2\n'
refused quote.csv ':3: in the row that begins here a quote neither begins nor ends a field' 'response,label\na,1\na "b" c,1\n'
refused cut.csv ':3: the row that begins here ends within quotes' 'response,label\na,1\n"a\nb,1\n'
refused joined.csv ':3: a second header' 'response,label\na,1\nlabel,response\n1,b\n'
refused mixed.csv ':3: the row that begins here ends with a carriage return alone' 'response,label\r\na,1\r\na,2\rb,1\r\n'
printf 'response,label\ra,1\rb,2\r' >returns.csv
prepare returns.csv
ok "rows that all end with carriage returns are read" test "$rc $(ratings | wc -l)" = '0 2'
rm -rf o && rc=0
"$program" prepare jq.csv --no-tokens --out o >out 2>err || rc=$?
ok "CSV as chats is refused with the cure" says 1 'jq.csv: CSV has no lists'

rm -rf d && "$program" dpo online --model "$golden" --reward "$golden" --prompts jq.csv --out d --steps 1 >out 2>err && rc=0 || rc=$?
ok "... and as prompts" says 1 'jq.csv: prompts are not read from CSV'
done_testing
