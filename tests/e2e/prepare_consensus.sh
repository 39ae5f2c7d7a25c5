#!/bin/bash
# End to end: two annotators, the lexicon and a (tiny, untrained) local model, and their consensus; filters switched off; the same on two ranks.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/scratch.sh
lines() { zstd -dcf "$1/turns.jsonl.zst"; }

good "$program" synth --users 20 --conversations 120 --train-prompts 5 --heldout-prompts 5 --seed 5 --out "$work/world"
chats=$work/world/chats.jsonl.zst
options=(--min-reply-words 1 --min-query-words 1 --block-kib 32 --seed 7)
good "$program" prepare "$chats" --out "$work/data" "${options[@]}"
good "$program" train lm --data "$work/data" --new "hidden=32,layers=1,heads=2" --out "$work/run" --steps 1 --global-batch 4
both=(--no-tokens --annotator "lexicon,model" --annotator-model "$work/run/model" --annotator-max-length 1200)

ok "two annotators" good "$program" prepare "$chats" --out "$work/a" "${options[@]}" "${both[@]}"
cp "$work/err" "$work/err-a"
ok "every turn has both levels and a weight" eval '[ "$(lines "$work/a" | jq -c "(.levels | keys) == [\"lexicon\", \"model\"] and (.weight > 0 and .weight <= 1)" | sort -u)" = true ]'
ok "the lexicon's levels are those of the lexicon alone" eval '[ "$(lines "$work/a" | jq .levels.lexicon | md5sum)" = "$(lines "$work/data" | jq .level | md5sum)" ]'
ok "how says so" eval 'lines "$work/a" | jq -r .how | grep -qx consensus'
ok "the confusions are in meta.json" eval '[ "$(jq -c "[.consensus.confusion.lexicon, .consensus.confusion.model | length] + (.options.annotators)" "$work/a/meta.json")" = "[5,5,\"lexicon\",\"model\"]" ]'
ok "weights reach the shards" eval '"$program" export --data "$work/a" --out - 2>/dev/null | jq -e "select(.weight < 1)" >/dev/null'
ok "the same on two ranks" eval 'good ranks 2 "$program" prepare "$chats" --out "$work/b" "${options[@]}" "${both[@]}" && diff -r "$work/a" "$work/b" >/dev/null'
usage() { jq -r "select(.annotator == \"model\") | .$2" "$1.answers/usage.jsonl" | tail -n 1; }
ok "what the model was asked is told" eval '[ "$(usage "$work/a" turns)" = "$(lines "$work/a" | wc -l)" ] && grep -q "annotator model: turns" "$work/err-a"'
ok "other filters ask it nothing again" eval 'good "$program" prepare "$chats" --out "$work/g" "${options[@]}" "${both[@]}" --answer-cache "$work/a.answers" --filters-off long_history &&
    [ "$(usage "$work/a" cached)" = "$(usage "$work/a" turns)" ] && [ "$(usage "$work/a" tokens)" = 0 ] && [ "$(lines "$work/g" | jq -c .levels | md5sum)" = "$(lines "$work/a" | jq -c .levels | md5sum)" ]'
ok "refusals and similarity by the model" good "$program" prepare "$chats" --out "$work/c" "${options[@]}" --no-tokens --refusals model --similarity model --annotator-model "$work/run/model" --annotator-max-length 1200
ok "which meta.json tells" eval '[ "$(jq -r .mining.similarity "$work/c/meta.json")" = model ]'

dropped() { lines "$1" | jq -r '.dropped // empty' | sort -u; }
good "$program" prepare "$chats" --out "$work/d" --block-kib 32 --seed 7 --no-tokens
good "$program" prepare "$chats" --out "$work/e" --block-kib 32 --seed 7 --no-tokens --filters-off short_query,short_reply
ok "filters are switched off by name" eval 'dropped "$work/d" | grep -q "^short_" && ! dropped "$work/e" | grep -q "^short_"'
quiet "$program" prepare "$chats" --out "$work/f" --filters-off short_qery
rc=$?
ok "and a wrong name is told the nearest" eval '[ $rc = 2 ] && grep -q short_query "$work/err"'
done_testing
