#!/bin/bash
# End to end: the JSONL tools tokenize, logprobs and sample, on a golden tokenizer and on a small language model made on the spot.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/scratch.sh
GOLDEN=tests/golden/tokenizer

# --- what the program sets for its libraries: barriers of threads that spin long stall wherever another process wants the core
spins() { # SETTING WANTED
    env -u OMP_WAIT_POLICY -u GOMP_SPINCOUNT $1 OMP_DISPLAY_ENV=verbose "$program" inspect /nowhere 2>&1 | grep GOMP_SPINCOUNT | tail -n 1 | grep -q "'$2'"
}
check 'threads spin a bounded time' spins '' 10000
check 'GOMP_SPINCOUNT is the user'\''s where set' spins GOMP_SPINCOUNT=77 77
# ... which takes a second start: commands that only tell do without, and without libraries that few commands need
starts() { # COUNT WORD…
    local want=$1
    shift
    [ "$(env -u OMP_WAIT_POLICY -u GOMP_SPINCOUNT WILDREWARD_KEEP_CORETYPE=1 OMP_DISPLAY_ENV=true "$program" "$@" 2>&1 | grep -c 'DISPLAY ENVIRONMENT BEGIN')" = "$want" ]
}
for words in --version --help help 'train lm --help' 'dpo --help' 'prepare x -h'; do check "$words starts once" starts 1 $words; done
check 'a command that computes starts anew' starts 2 inspect /nowhere
check 'words behind -- are no request for help' starts 2 inspect -- --help
light() { ! ldd "$program" | grep -E 'lib(curl|dnnl|openblas|archive)'; }
check 'libraries that few commands need are not loaded at the start' light

# --- tokenize
golden() { # NAME FIELD OPTION…: ids of every golden text
    which=$1
    field=$2
    shift 2
    jq -c '{text}' "$GOLDEN/$which/cases.jsonl" | "$program" tokenize --tokenizer "$GOLDEN/$which" "$@" | jq -c .ids >"$work/got" &&
        jq -c ".$field" "$GOLDEN/$which/cases.jsonl" | cmp - "$work/got"
}
decoded() { # NAME FIELD OPTION…
    which=$1
    field=$2
    shift 2
    jq -c '{ids: .some}' "$GOLDEN/$which/cases.jsonl" | "$program" tokenize --decode --tokenizer "$GOLDEN/$which/tokenizer.json" "$@" | jq -c .text >"$work/got" &&
        jq -c ".$field" "$GOLDEN/$which/cases.jsonl" | cmp - "$work/got"
}
bad_lines() {
    printf '%s\n' '{"text":"a","n":1.50,"ids":"old"}' 'oops' '{"x":1}' '{"text":5}' '["text"]' '{"text":"b"}' >"$work/in"
    exits 1 "$program" tokenize --tokenizer $GOLDEN/digits --in "$work/in" --out "$work/tokens.jsonl" || return 1
    [ "$(jq -c '.error == null' "$work/tokens.jsonl" | tr '\n' ' ')" = "true false false false false true " ] &&
        [ "$(jq -c .line "$work/tokens.jsonl" | tr '\n' ' ')" = "null 2 3 4 5 null " ] && head -1 "$work/tokens.jsonl" | grep -q '"n":1.50,"ids":\['
}
bad_ids() { # an id without a token has no text, as in Hugging Face's library; what can be no id is an error
    printf '%s\n' '{"ids":[600]}' '{"ids":[65,151935,4294967295,65]}' '{"ids":[-1]}' '{"ids":[4294967296]}' '{"ids":[1.5]}' '{"ids":[65,65]}' |
        exits 1 "$program" tokenize --decode --tokenizer $GOLDEN/digits &&
        [ "$(jq -c '.error == null' "$work/out" | tr '\n' ' ')" = "true true false false false true " ] &&
        jq -e -s '.[0].text == "" and .[1].text == .[5].text and .[1].text != "" and (.[2].error | contains("token id -1"))' "$work/out"
}
no_output_left() {
    exits 1 "$program" tokenize --tokenizer "$work/none" --out "$work/never.jsonl" </dev/null && [ ! -e "$work/never.jsonl" ]
}

# --- a small model
make_model() {
    "$program" synth --users 20 --conversations 60 --train-prompts 5 --heldout-prompts 5 --seed 2 --out "$work/world" &&
        "$program" prepare "$work/world/chats.jsonl.zst" --out "$work/data" --vocab-size 400 &&
        "$program" train lm --data "$work/data" --new layers=1,hidden=32,heads=2,kv-heads=1,ffn=48,max-positions=256 --out "$work/run" --steps 2 --global-batch 4
}
sample() { "$program" sample --model "$work/run/model" --max-tokens 12 "$@"; }
chat() { printf '{"messages":[{"role":"user","content":"%s"}]}\n' "$1"; }
prompts() {
    chat "What is 2 + 2?"
    echo '{"prompt":"The sea"}'
    chat "Name three colours."
}
same_replies() {
    prompts | sample --n 3 --seed 5 >"$work/a" && prompts | sample --n 3 --seed 5 >"$work/b" && cmp "$work/a" "$work/b" || return 1
    prompts | sample --n 3 --seed 6 >"$work/b" && ! cmp -s "$work/a" "$work/b" || return 1
    prompts | sample --n 2 --seed 5 | jq -c .samples >"$work/b" && jq -c '.samples[:2]' "$work/a" | cmp - "$work/b"
}
fields() {
    jq -e -s 'all(.[]; (.samples | length) == 3 and all(.samples[]; (.text | type) == "string" and (.ids | length) >= 1 and (.ids | length) <= 12
        and .logprob < 0 and (.finish == "stop" or (.finish == "length" and (.ids | length) == 12))))' "$work/a"
}
agree() { # sample's logprob = logprobs of its ids
    echo '{"prompt":"The sea"}' | sample --n 4 --top-k 3 --temperature 0.7 >"$work/s" &&
        echo '{"text":"The sea"}' | "$program" tokenize --tokenizer "$work/run/model" >"$work/p" &&
        jq -c --slurpfile p "$work/p" '.samples[] | {prompt_ids: $p[0].ids, response_ids: .ids, want: .logprob}' "$work/s" |
        "$program" logprobs --model "$work/run/model" >"$work/l" && jq -e -s 'length == 4 and all(.[]; (.logprob - .want) | fabs < 1e-4)' "$work/l"
}
logprob_edges() {
    printf '%s\n' '{"prompt":"","response":"x"}' '{"prompt":"x","response":""}' '{"prompt":"x","response":"y"}' '{"prompt_ids":[1]}' '{"prompt_ids":[1],"response_ids":[99999]}' |
        exits 1 "$program" logprobs --model "$work/run/model" &&
        [ "$(jq -c '[.error == null, .logprob == 0, .token_logprobs == []]' "$work/out" | tr '\n' ' ')" = \
            "[false,false,false] [true,true,true] [true,false,false] [false,false,false] [false,false,false] " ]
}
too_long() { # history goes, a prompt that cannot shrink is an error record
    jq -n -c '{messages: ([range(200)] | map({role: (if . % 2 == 0 then "user" else "assistant" end), content: "message \(.)"}) + [{role: "user", content: "end"}])}' >"$work/in"
    jq -n -c '{prompt: ("long " * 400)}' >>"$work/in"
    jq -n -c '{messages: [{role: "user", content: ("long " * 400)}]}' >>"$work/in"
    exits 1 sample --in "$work/in" && [ "$(jq -c '.error == null' "$work/out" | tr '\n' ' ')" = "true false false " ]
}
messages_checked() {
    printf '%s\n' '{"messages":[]}' '{"messages":[{"role":"user"}]}' '{"messages":[{"role":"robot","content":"x"}]}' '{"messages":"x"}' '{}' '{"prompt":""}' \
        '{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"}]}' '{"prompt":[{"role":"user","content":"x"}]}' |
        exits 1 sample && [ "$(jq -c '.error == null' "$work/out" | tr '\n' ' ')" = "false false true false false false false true " ] # the template writes any role; a reply is not replied to
}

echo "TAP version 13"
for t in digits gpt2 llama3 qwen2; do
    check "tokenize: golden ids, $t" golden $t ids
    check "tokenize --no-special: golden ids, $t" golden $t bare --no-special
    check "tokenize --decode: golden texts, $t" decoded $t some_text
    check "tokenize --decode --skip-special: golden texts, $t" decoded $t some_bare --skip-special
done
check "bad lines become error records in their place" bad_lines
check "bad ids become error records" bad_ids
check "empty input gives empty output" exits 0 "$program" tokenize --tokenizer $GOLDEN/digits --in /dev/null
check "a missing tokenizer leaves no output" no_output_left
check "skip-special without decode is a usage error" exits 2 "$program" tokenize --tokenizer $GOLDEN/digits --skip-special
check "top-p 0 is a usage error" exits 2 "$program" sample --model . --top-p 0
check "a small model is trained" make_model
check "same seed same replies, whatever n" same_replies
check "sample's fields" fields
check "sample and logprobs agree" agree
check "logprobs: empty prompt, empty response, bad ids" logprob_edges
check "sample: history makes room, long prompts are error records" too_long
check "sample: bad messages are error records" messages_checked
done_testing
