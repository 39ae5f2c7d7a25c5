#!/bin/bash
# evaluate --suite: published suites in every form they come in give one result; scores depend neither on the order of rows nor on ranks, and are those of
# `score`; what is none of the suite's is told and leaves no result.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh
golden=$OLDPWD/tests/golden
cp -r "$golden/reward/llama-1" rm && cp "$golden/tokenizer/llama3/tokenizer.json" rm
cp "$golden"/suites/*.jsonl "$golden"/suites/*.parquet .
measure() { # RANKS SUITE OUT FILE…: with the scores beside
    local n=$1 suite=$2 out=$3
    shift 3
    wr "$n" evaluate --suite "$suite" "$@" --model rm --out "$out.json" --suite-scores "$out.jsonl"
}
said() { grep -qF -- "$1" log.txt || { sed 's/^/# /' log.txt; return 1; }; }
scores() { jq -c 'del(.where)' "$1" | sort; }
shown() { "$@" || { sed 's/^/# /' log.txt; return 1; }; }

for f in rewardbench rewardbench2 rm-bench judgebench rmb pairs ppe-human ppe-gpqa; do
    suite=${f%-human} suite=${suite%-gpqa}
    ok "$f" shown measure 1 "$suite" "out-$f" "$f.jsonl"
    ok "... has the members that were promised" jq -e --arg s "$suite" '.suite == $s and .model == "rm" and (.n | type) == "number" and .overall >= 0 and .overall <= 1.01 and
        (.sections | length) > 0 and (.sections | map(type == "number") | all)' "out-$f.json"
    measure 1 "$suite" parquet "$f.parquet"
    ok "... from Parquet" eval "cmp out-$f.json parquet.json && cmp <(scores out-$f.jsonl) <(scores parquet.jsonl)"
done
ok "rm-bench also easy, normal, hard and domains" jq -e '([.easy, .normal, .hard] | add / 3) - .overall | fabs < 1e-8' out-rm-bench.json
ok "... its domains are its sections" jq -e '.domains == .sections' out-rm-bench.json
ok "ppe leaves what people called a tie aside" jq -e '.n == 4 and .undecided == 2' out-ppe-human.json
measure 1 ppe both ppe-human.jsonl ppe-gpqa.parquet
ok "ppe of two files: human, a benchmark, and the mean of them" jq -e '.sections | keys == ["GPQA", "correctness", "human"]' both.json
ok "... overall" jq -e '((.sections.human + .sections.GPQA) / 2 - .overall) | fabs < 1e-8' both.json

# --- the same rows otherwise -------------------------------------------------------------------------------------------------
jq -s . rm-bench.jsonl >array.json
gzip -c rm-bench.jsonl >rows.jsonl.gz
zstd -qc array.json >array.json.zst
for f in array.json rows.jsonl.gz array.json.zst; do
    measure 1 rm-bench other "$f"
    ok "$f" cmp out-rm-bench.json other.json
done
mkdir -p set/part && head -n 3 rm-bench.jsonl >set/a.jsonl && tail -n +4 rm-bench.jsonl >set/part/b.jsonl
measure 1 rm-bench other set
ok "a folder of files" cmp out-rm-bench.json other.json
shuf --random-source=rm/model.safetensors rewardbench2.jsonl >shuffled.jsonl
measure 1 rewardbench2 other shuffled.jsonl --micro-tokens 64
ok "rows in another order, and batches of another size: the same bits of every score" cmp <(scores out-rewardbench2.jsonl) <(scores other.jsonl)
measure 2 rewardbench2 ranks rewardbench2.jsonl
ok "two ranks" eval 'cmp out-rewardbench2.json ranks.json && cmp out-rewardbench2.jsonl ranks.jsonl'
jq -c '{prompt: .question, response: .response_A}, {prompt: .question, response: .response_B}' judgebench.jsonl >chats.jsonl
"$WR" score --model rm --in chats.jsonl 2>log.txt | jq .score | sort >want.txt
ok "the scores of score" cmp want.txt <(jq '.scores[]' out-judgebench.jsonl | sort)
printf '%s\n' '{"prompt":"one ","chosen":"two","rejected":"three"}' >text.jsonl
measure 1 pairs plain text.jsonl
printf '%s\n' '{"text":"one two"}' '{"text":"one three"}' | "$WR" score --model rm 2>log.txt | jq .score >want.txt
ok "pairs of texts: as they stand" cmp want.txt <(jq ".scores[]" plain.jsonl)
printf '%s\n' '{"chosen":"one","rejected":"two"}' '{"chosen":"one","rejected":"one"}' >equal.jsonl
measure 1 pairs ties equal.jsonl
ok "a pair of equal texts is a tie, which is wrong and told" eval 'jq -e ".ties == 1 and .overall <= 0.5" ties.json && said "1 pairs of two equal texts"'
cp -r rm tools && cat >tools/chat_template.jinja <<'J'
{% if tools %}{{ tools[0].name + '\n' }}{% endif %}{% for m in messages %}{{ '[' + m.role + '] ' + (m.content or '') + (m.reasoning_content or '') + eos_token }}{% endfor %}
J
jq -cn '[{role: "user", content: "count"}] as $p | {prompt: $p, chosen: [{role: "assistant", content: "two", reasoning_content: "three"}], rejected: [{role: "assistant", content: "two"}], tools: [{name: "abacus"}]}' >tools.jsonl
jq -c '{messages: (.prompt + .chosen), tools}, {messages: (.prompt + .rejected), tools}' tools.jsonl >chats.jsonl
"$WR" score --model tools --in chats.jsonl 2>log.txt | jq .score >want.txt
wr 1 evaluate --suite pairs tools.jsonl --model tools --out out.json --suite-scores tools-scores.jsonl
ok "pairs of chats: all that their template sees, as score reads them" eval 'cmp want.txt <(jq ".scores[]" tools-scores.jsonl) && test "$(sort -u want.txt | wc -l)" = 2'
{
    echo prompt,chosen,rejected,domain
    jq -r '[.prompt, (.chosen | tojson), (.rejected | tojson), .domain] | @csv' rm-bench.jsonl
} >rows.csv
measure 1 rm-bench other rows.csv
ok "CSV" cmp out-rm-bench.json other.json

jq -c '.prompt = "p\(input_line_number)"' rm-bench.jsonl >apart.jsonl
measure 1 rm-bench out-apart apart.jsonl
measure 1 rm-bench plain apart.jsonl --resamples 0
ok "intervals by prompt lie beside the figures" jq -e '.overall_low <= .overall and .overall <= .overall_high and (.sections_low | keys) == (.sections | keys) and .bootstrap.prompts == .n and .bootstrap.defined > 0 and (.easy_low | type) == "number"' out-apart.json
ok "... and change none" cmp <(jq -cS . plain.json) <(jq -cS 'with_entries(select(.key | test("_low$|_high$|^bootstrap$") | not))' out-apart.json)
ok "... of one prompt there are none" jq -e '.overall_low == null and .bootstrap.prompts == 1' out-rm-bench.json

ok "report shows it" eval '"$WR" report out-rm-bench.json --out report.html 2>log.txt && grep -q "sections · chat" report.html'

# --- scores that are there ---------------------------------------------------------------------------------------------------
kept() { cat cache/answers-0.jsonl | wc -l; }
measure 2 rewardbench2 first rewardbench2.jsonl --score-cache cache
ok "a cache changes nothing" cmp out-rewardbench2.json first.json
ok "... and keeps the scores" test "$(kept)" -ge 25
all=$(jq '.scores[]' first.jsonl | wc -l)
head -n 10 cache/answers-0.jsonl >half && head -c 40 cache/answers-0.jsonl >>half && mv half cache/answers-0.jsonl # killed while it wrote the eleventh
measure 1 rewardbench2 again rewardbench2.jsonl --score-cache cache
ok "a run that was killed goes on" eval 'cmp out-rewardbench2.jsonl again.jsonl && grep -qE "cache: scores of 1[0-9] of $all texts are there" log.txt'
measure 1 rewardbench2 third rewardbench2.jsonl --score-cache cache
ok "all are there then, bit by bit" eval 'cmp out-rewardbench2.jsonl third.jsonl && said "scores of $all of $all texts are there"'
cp -r rm other-rm && jq '.rms_norm_eps = 1e-6' rm/config.json >other-rm/config.json
wr 1 evaluate --suite rewardbench2 rewardbench2.jsonl --model other-rm --out otherwise.json --score-cache cache
ok "another model, though by one number only, has none" said "scores of 0 of $all texts are there"
wr 1 evaluate --suite rewardbench2 rewardbench2.jsonl --model rm --score-rule ordinal --out otherwise.json --score-cache cache
ok "... nor has another rule" said "scores of 0 of $all texts are there"

# --- what is refused ---------------------------------------------------------------------------------------------------------
refused() { # CODE WORD ARGUMENT…
    local wanted=$1 word=$2
    shift 2
    rm -f bad.json
    code "$wanted" wr 1 evaluate --model rm --out bad.json "$@" && said "$word" && test ! -e bad.json
}
ok "a file of another suite" refused 1 'this is one of --suite judgebench' --suite rewardbench judgebench.jsonl
: >empty.jsonl
ok "an empty file" refused 1 'empty.jsonl: no row in it' --suite ppe empty.jsonl
ok "one of several" refused 1 'empty.jsonl: no row in it' --suite rm-bench rm-bench.jsonl empty.jsonl
ok "a missing file" refused 1 'nowhere.jsonl' --suite rm-bench nowhere.jsonl
{ head -n 2 rmb.jsonl && jq -c 'del(.conversation_input)' rmb.jsonl | head -n 1; } >lacks.jsonl
ok "a missing field" refused 1 'lacks.jsonl:3: field "conversation_input" is missing' --suite rmb lacks.jsonl
jq -c '.chosen |= .[:2]' rm-bench.jsonl >two.jsonl
jq -s '{data: .}' rm-bench.jsonl >wrapped.json
ok "an object around the rows" refused 1 'files of --suite rm-bench are JSON lines' --suite rm-bench wrapped.json
ok "a wrong length" refused 1 'two.jsonl:1: field "chosen" has 2 texts, not 3' --suite rm-bench two.jsonl
head -c 300 rewardbench2.parquet >cut.parquet
ok "a file that is cut short" refused 1 'cut.parquet' --suite rewardbench2 cut.parquet
ok "scores that cannot be written, before anything is scored" refused 1 'nowhere' --suite ppe ppe-human.jsonl --suite-scores nowhere/scores.jsonl
ok "scores in place of the rows" refused 2 'which is read' --suite ppe ppe-human.jsonl --suite-scores ppe-human.jsonl
mkdir -p notes && echo notes >notes/answers-0.jsonl
ok "a score cache where other things are kept" refused 2 'notes/answers-0.jsonl: holds other things' --suite ppe ppe-human.jsonl --score-cache notes
ok "... which stay" eval '[ "$(cat notes/answers-0.jsonl)" = notes ]'
ok "no file" refused 2 'give the suite' --suite ppe
ok "a suite that there is not" refused 2 'suite' --suite rewardbench3 rm-bench.jsonl
ok "a suite and shards" refused 2 'leave --data' --suite ppe ppe-human.jsonl --data set
ok "files without a suite" refused 2 "no argument 'ppe-human.jsonl'" ppe-human.jsonl --data set
ok "a language model" eval "code 2 wr 1 evaluate --suite ppe ppe-human.jsonl --model '$golden/model/llama' --out bad.json && said 'is not a reward model'"

# --- rows that the model cannot read -----------------------------------------------------------------------------------------
jq -c 'if input_line_number == 2 then .chosen = [.chosen[] + (" one two three" * 60)] else . end' rm-bench.jsonl >long.jsonl
ok "a text too long: its row is left out, and the exit code says so" code 1 measure 1 rm-bench longer long.jsonl --max-length 150
ok "... by file and line, with the limit" said 'long.jsonl:2: the chat has'
ok "... the others are measured" jq -e --slurpfile all out-rm-bench.json '.left_out == 1 and .n == $all[0].n - 1' longer.json
ok "nothing left: no result" refused 1 'no row is left' --suite rm-bench rm-bench.jsonl --max-length 2
done_testing
