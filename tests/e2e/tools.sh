#!/bin/sh
# End to end: the JSONL tools tokenize, logprobs and sample, on a golden tokenizer and on a small language model made on the spot.
BUILD=${BUILD:-build}
PROGRAM=$BUILD/wildreward
GOLDEN=tests/golden/tokenizer
DIR=$(mktemp -d)
trap 'rm -rf "$DIR"' EXIT
n=0
check() { # NAME COMMAND…
    n=$((n + 1))
    name=$1
    shift
    if "$@" >"$DIR/log" 2>&1; then
        echo "ok $n - $name"
    else
        echo "not ok $n - $name"
        sed 's/^/# /' "$DIR/log"
    fi
}
exits() { # CODE COMMAND…
    code=$1
    shift
    "$@" >"$DIR/out" 2>"$DIR/err"
    got=$?
    cat "$DIR/err"
    [ "$got" -eq "$code" ]
}

# --- what the program sets for its libraries: barriers of threads that spin long stall wherever another process wants the core
spins() { # SETTING WANTED
    env -u OMP_WAIT_POLICY -u GOMP_SPINCOUNT $1 OMP_DISPLAY_ENV=verbose "$PROGRAM" inspect /nowhere 2>&1 | grep GOMP_SPINCOUNT | tail -n 1 | grep -q "'$2'"
}
check 'threads spin a bounded time' spins '' 10000
check 'GOMP_SPINCOUNT is the user'\''s where set' spins GOMP_SPINCOUNT=77 77
# ... which takes a second start: commands that only tell do without, and without libraries that few commands need
starts() { # COUNT WORD…
    local want=$1
    shift
    [ "$(env -u OMP_WAIT_POLICY -u GOMP_SPINCOUNT WILDREWARD_KEEP_CORETYPE=1 OMP_DISPLAY_ENV=true "$PROGRAM" "$@" 2>&1 | grep -c 'DISPLAY ENVIRONMENT BEGIN')" = "$want" ]
}
for words in --version --help help 'train lm --help' 'dpo --help' 'prepare x -h'; do check "$words starts once" starts 1 $words; done
check 'a command that computes starts anew' starts 2 inspect /nowhere
check 'words behind -- are no request for help' starts 2 inspect -- --help
no_curl() { ! ldd "$PROGRAM" | grep -q libcurl; }
check 'libcurl is not loaded at the start' no_curl

# --- tokenize
golden() { # NAME FIELD OPTION…: ids of every golden text
    which=$1
    field=$2
    shift 2
    jq -c '{text}' "$GOLDEN/$which/cases.jsonl" | "$PROGRAM" tokenize --tokenizer "$GOLDEN/$which" "$@" | jq -c .ids >"$DIR/got" &&
        jq -c ".$field" "$GOLDEN/$which/cases.jsonl" | cmp - "$DIR/got"
}
decoded() { # NAME FIELD OPTION…
    which=$1
    field=$2
    shift 2
    jq -c '{ids: .some}' "$GOLDEN/$which/cases.jsonl" | "$PROGRAM" tokenize --decode --tokenizer "$GOLDEN/$which/tokenizer.json" "$@" | jq -c .text >"$DIR/got" &&
        jq -c ".$field" "$GOLDEN/$which/cases.jsonl" | cmp - "$DIR/got"
}
bad_lines() {
    printf '%s\n' '{"text":"a","n":1.50,"ids":"old"}' 'oops' '{"x":1}' '{"text":5}' '["text"]' '{"text":"b"}' >"$DIR/in"
    exits 1 "$PROGRAM" tokenize --tokenizer $GOLDEN/digits --in "$DIR/in" --out "$DIR/tokens.jsonl" || return 1
    [ "$(jq -c '.error == null' "$DIR/tokens.jsonl" | tr '\n' ' ')" = "true false false false false true " ] &&
        [ "$(jq -c .line "$DIR/tokens.jsonl" | tr '\n' ' ')" = "null 2 3 4 5 null " ] && head -1 "$DIR/tokens.jsonl" | grep -q '"n":1.50,"ids":\['
}
bad_ids() { # an id without a token has no text, as in Hugging Face's library; what can be no id is an error
    printf '%s\n' '{"ids":[600]}' '{"ids":[65,151935,4294967295,65]}' '{"ids":[-1]}' '{"ids":[4294967296]}' '{"ids":[1.5]}' '{"ids":[65,65]}' |
        exits 1 "$PROGRAM" tokenize --decode --tokenizer $GOLDEN/digits &&
        [ "$(jq -c '.error == null' "$DIR/out" | tr '\n' ' ')" = "true true false false false true " ] &&
        jq -e -s '.[0].text == "" and .[1].text == .[5].text and .[1].text != "" and (.[2].error | contains("token id -1"))' "$DIR/out"
}
no_output_left() {
    exits 1 "$PROGRAM" tokenize --tokenizer "$DIR/none" --out "$DIR/never.jsonl" </dev/null && [ ! -e "$DIR/never.jsonl" ]
}

# --- a small model
make_model() {
    "$PROGRAM" synth --users 20 --conversations 60 --train-prompts 5 --heldout-prompts 5 --seed 2 --out "$DIR/world" &&
        "$PROGRAM" prepare "$DIR/world/chats.jsonl.zst" --out "$DIR/data" --vocab-size 400 &&
        "$PROGRAM" train lm --data "$DIR/data" --new layers=1,hidden=32,heads=2,kv-heads=1,ffn=48,max-positions=256 --out "$DIR/run" --steps 2 --global-batch 4
}
sample() { "$PROGRAM" sample --model "$DIR/run/model" --max-tokens 12 "$@"; }
chat() { printf '{"messages":[{"role":"user","content":"%s"}]}\n' "$1"; }
prompts() {
    chat "What is 2 + 2?"
    echo '{"prompt":"The sea"}'
    chat "Name three colours."
}
same_replies() {
    prompts | sample --n 3 --seed 5 >"$DIR/a" && prompts | sample --n 3 --seed 5 >"$DIR/b" && cmp "$DIR/a" "$DIR/b" || return 1
    prompts | sample --n 3 --seed 6 >"$DIR/b" && ! cmp -s "$DIR/a" "$DIR/b" || return 1
    prompts | sample --n 2 --seed 5 | jq -c .samples >"$DIR/b" && jq -c '.samples[:2]' "$DIR/a" | cmp - "$DIR/b"
}
fields() {
    jq -e -s 'all(.[]; (.samples | length) == 3 and all(.samples[]; (.text | type) == "string" and (.ids | length) >= 1 and (.ids | length) <= 12
        and .logprob < 0 and (.finish == "stop" or (.finish == "length" and (.ids | length) == 12))))' "$DIR/a"
}
agree() { # sample's logprob = logprobs of its ids
    echo '{"prompt":"The sea"}' | sample --n 4 --top-k 3 --temperature 0.7 >"$DIR/s" &&
        echo '{"text":"The sea"}' | "$PROGRAM" tokenize --tokenizer "$DIR/run/model" >"$DIR/p" &&
        jq -c --slurpfile p "$DIR/p" '.samples[] | {prompt_ids: $p[0].ids, response_ids: .ids, want: .logprob}' "$DIR/s" |
        "$PROGRAM" logprobs --model "$DIR/run/model" >"$DIR/l" && jq -e -s 'length == 4 and all(.[]; (.logprob - .want) | fabs < 1e-4)' "$DIR/l"
}
logprob_edges() {
    printf '%s\n' '{"prompt":"","response":"x"}' '{"prompt":"x","response":""}' '{"prompt":"x","response":"y"}' '{"prompt_ids":[1]}' '{"prompt_ids":[1],"response_ids":[99999]}' |
        exits 1 "$PROGRAM" logprobs --model "$DIR/run/model" &&
        [ "$(jq -c '[.error == null, .logprob == 0, .token_logprobs == []]' "$DIR/out" | tr '\n' ' ')" = \
            "[false,false,false] [true,true,true] [true,false,false] [false,false,false] [false,false,false] " ]
}
too_long() { # history goes, a prompt that cannot shrink is an error record
    jq -n -c '{messages: ([range(200)] | map({role: (if . % 2 == 0 then "user" else "assistant" end), content: "message \(.)"}) + [{role: "user", content: "end"}])}' >"$DIR/in"
    jq -n -c '{prompt: ("long " * 400)}' >>"$DIR/in"
    jq -n -c '{messages: [{role: "user", content: ("long " * 400)}]}' >>"$DIR/in"
    exits 1 sample --in "$DIR/in" && [ "$(jq -c '.error == null' "$DIR/out" | tr '\n' ' ')" = "true false false " ]
}
messages_checked() {
    printf '%s\n' '{"messages":[]}' '{"messages":[{"role":"user"}]}' '{"messages":[{"role":"robot","content":"x"}]}' '{"messages":"x"}' '{}' '{"prompt":""}' \
        '{"messages":[{"role":"user","content":"x"},{"role":"assistant","content":"y"}]}' '{"prompt":[{"role":"user","content":"x"}]}' |
        exits 1 sample && [ "$(jq -c '.error == null' "$DIR/out" | tr '\n' ' ')" = "false false true false false false false true " ] # the template writes any role; a reply is not replied to
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
check "empty input gives empty output" exits 0 "$PROGRAM" tokenize --tokenizer $GOLDEN/digits --in /dev/null
check "a missing tokenizer leaves no output" no_output_left
check "skip-special without decode is a usage error" exits 2 "$PROGRAM" tokenize --tokenizer $GOLDEN/digits --skip-special
check "top-p 0 is a usage error" exits 2 "$PROGRAM" sample --model . --top-p 0
check "a small model is trained" make_model
check "same seed same replies, whatever n" same_replies
check "sample's fields" fields
check "sample and logprobs agree" agree
check "logprobs: empty prompt, empty response, bad ids" logprob_edges
check "sample: history makes room, long prompts are error records" too_long
check "sample: bad messages are error records" messages_checked
echo "1..$n"
