#!/bin/bash
# The endpoint annotator against a server that behaves badly in every way: answers stay right, failures are counted, nothing is asked twice, and the key
# is nowhere to be read.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/scratch.sh
needs endpoint jq zstd
server=$BUILD/tests/server/openai_server driver=$BUILD/tests/server/annotate_turns
key=sk-f1ne/Secret+Key-0123456789
server_pid=
stop_server() {
    [ -n "$server_pid" ] && kill "$server_pid" 2>/dev/null && wait "$server_pid" 2>/dev/null
    server_pid=
}
finish() {
    stop_server
    rm -rf "$work"
}

# serve [OPTION | FAULT=P]…: a fresh server with a fresh log; sets $url.
serve() {
    stop_server
    : >"$work/log"
    : >"$work/port"
    "$server" --log "$work/log" --seed 5 "$@" >"$work/port" 2>>"$work/server.err" &
    server_pid=$!
    for _ in $(seq 100); do
        grep -q port "$work/port" && break
        sleep 0.05
    done
    url=http://127.0.0.1:$(awk '{ print $2 }' "$work/port")/v1
}
# annotate NAME [OPTION…]: output in $work/out/NAME, messages in $work/err/NAME, cache in $work/cache/NAME; sets rc.
annotate() {
    local name=$1
    shift
    local which=(--annotator endpoint)
    [[ " $* " == *" --annotator "* ]] && which=()
    timeout --kill-after=5 60 "$driver" "$work/chats.jsonl" "${which[@]}" --endpoint "$url" --endpoint-model m --endpoint-backoff 0.02 \
        --answer-cache "$work/cache/$name" "$@" >"$work/out/$name" 2>"$work/err/$name" </dev/null
    rc=$?
}
count() { # count NAME FIELD: of the counts line
    grep '^{"seconds"' "$work/err/$1" | jq ".endpoint.$2"
}
said() { grep -qiE -- "$2" "$work/err/$1" && [ "$(grep -c 'error: ' "$work/err/$1")" = 1 ]; }
# Lines of the server's log with an answer that was no failure.
asked_twice() { jq -rs '[.[] | select(.fault == "none") | .key] | group_by(.) | map(select(length > 1)) | length' "$work/log"; }
explain() {
    echo "# exit code $rc; messages:"
    tail -n 4 "$work/err/$1" | cut -c1-300 | sed 's/^/#   /'
}
# check NAME 'what' CONDITION…
check() {
    local name=$1 what=$2
    shift 2
    if "$@"; then pass "$what"; else
        explain "$name"
        fail "$what"
    fi
}
same() { cmp -s "$work/out/$1" "$work/out/$2"; }

mkdir -p "$work/out" "$work/err" "$work/cache"
"$program" synth --out "$work/world" --users 40 --conversations 160 --seed 3 >/dev/null 2>&1 || exit 1
zstd -q -dc "$work/world/chats.jsonl.zst" >"$work/chats.jsonl"
export WILDREWARD_API_KEY=$key no_proxy=127.0.0.1,localhost

# --- the good case, and each failure against it --------------------------------------------------------------------------
serve --key $key --latency 5
annotate good --refusals lexicon
n=$(wc -l <"$work/out/good")
check good "all follow-ups get a level from a good server" test $rc = 0 -a "$n" -gt 200 -a "$(jq -s 'map(select(.levels.endpoint >= 1)) | length' "$work/out/good")" = "$n"
check good "equal questions are asked once" test "$(asked_twice)" = 0
distinct=$(wc -l <"$work/log")
check good "the tokens are counted" test "$(count good prompt_tokens)" -gt "$n" -a "$(count good completion_tokens)" = $((4 * distinct))
asked=$(wc -l <"$work/log")
annotate good
check good "a second run asks nothing and says the same" test $rc = 0 -a "$(wc -l <"$work/log")" = "$asked" -a "$(count good cached)" = "$n"
annotate parallel1 --endpoint-parallel 1
check parallel1 "one request at a time gives the same" same good parallel1

for fault in 500=0.3 503=0.3 cut=0.3 garbage=0.3 html=0.3 wrong=0.3 trickle=0.02 echo=0.2; do
    serve --key $key "$fault"
    annotate "$fault" --endpoint-retries 12
    check "$fault" "retried until it is right: $fault" same good "$fault"
    [ "${fault%=*}" = trickle ] || check "$fault" "… and the retries are counted" test "$(count "$fault" retries)" -gt 20 -a "$(count "$fault" failed)" = 0
done

serve --key $key 429=0.01 --retry-after 1
annotate 429
check 429 "429: waits for Retry-After and goes on" same good 429
check 429 "… as long as the server says" test "$(grep -o '"seconds":[0-9]*' "$work/err/429" | cut -d: -f2)" -ge 1

serve --key $key --rate 150 --retry-after 1
annotate limited --endpoint-retries 1
check limited "a server that allows 150 requests a second gets no more, and no label is lost" test $rc = 0 -a "$(count limited failed)" = 0
check limited "… the same labels" same good limited
check limited "… though many were turned away" test "$(count limited retries)" -gt 20
serve --key $key 429=1 --retry-after 0
annotate quota --endpoint-retries 2
check quota "a server that turns everything away ends the run" said quota 'requests in a row failed.*HTTP 429: too many requests'

serve --key $key slow=0.01
annotate slow --endpoint-timeout 0.5
check slow "a try has a time limit" same good slow
check slow "… of the length asked for" test "$(grep -o '"seconds":[0-9]*' "$work/err/slow" | cut -d: -f2)" -lt 5

serve --key $key nolabel=0.2 null=0.1 range=0.1
annotate nolabel
bad=$(jq -rs '[.[] | select(.fault != "none")] | length' "$work/log")
check nolabel "an answer without a usable [[n]] is no label, and counted" \
    test $rc = 0 -a "$bad" -gt 20 -a "$(count nolabel no_label)" -ge "$bad" -a "$(jq -s 'map(select(.levels.endpoint == 0)) | length' "$work/out/nolabel")" = "$(count nolabel no_label)"
asked=$(wc -l <"$work/log")
annotate nolabel
check nolabel "… and kept: it is not asked again" test "$(wc -l <"$work/log")" = "$asked"

serve --key $key unicode=1
annotate unicode
check unicode "unicode around the answer does no harm" same good unicode

serve --key $key huge=0.6 toolong=0.1
annotate huge
bad=$(jq -rs '[.[] | select(.fault != "none")] | length' "$work/log")
check huge "too large a response, or a question too long for the model: no label, counted, not tried again" test $rc = 0 -a "$bad" -gt 20 -a "$(count huge failed)" = "$bad" -a "$(count huge retries)" = 0
serve --key $key
annotate huge
check huge "… and asked again by the next run, alone" test "$(wc -l <"$work/log")" = "$bad"
check huge "… which completes the labels" same good huge

# --- what ends a run ---------------------------------------------------------------------------------------------------------
serve --key $key 404=1
annotate 404
check 404 "a model that does not exist ends the run at once, with the server's words" test $rc = 1
check 404 "… in one line" said 404 'HTTP 404: the model does not exist'
serve --key other-key-9876543210
annotate 401
check 401 "a wrong key ends the run, and the variable is named" said 401 'HTTP 401: unknown key.*WILDREWARD_API_KEY'
serve --key $key redirect=1
annotate redirect
check redirect "a redirect is not followed" said redirect 'HTTP 307.*redirects are not followed'
serve --key $key 500=1
annotate down --endpoint-retries 1
check down "a server that only fails ends the run" said down 'requests in a row failed.*HTTP 500'
check down "… early" test "$(wc -l <"$work/log")" -lt 300
stop_server
annotate refused --endpoint-retries 1
check refused "so does one that is not there" said refused '(connect|refused).*'

# --- prepare with a server that is down throughout -------------------------------------------------------------------------------
prepare_with() { # NAME [OPTION…]
    timeout --kill-after=5 60 "$program" prepare "$work/chats.jsonl" --annotator endpoint --endpoint "$url" --endpoint-model m --endpoint-backoff 0.02 \
        --endpoint-retries 1 --no-tokens --languages all --out "$work/prepared" "${@:2}" >"$work/out/$1" 2>"$work/err/$1" </dev/null
    rc=$?
}
serve --key $key 500=1
prepare_with prepare_down
check prepare_down "prepare: a server that is down throughout is a failure" test $rc = 1
check prepare_down "… said in one line" said prepare_down 'HTTP 500'
check prepare_down "… and no result has its final name" test ! -e "$work/prepared"
serve --key $key
prepare_with prepare_up
check prepare_up "… the same command goes on once the server is there" test $rc = 0 -a -f "$work/prepared/meta.json" -a ! -e "$work/prepared.partial"
check prepare_up "… with all labels" test "$(zstd -dc "$work/prepared/turns.jsonl.zst" | jq -s 'map(select(.level >= 1)) | length')" -gt 150
stop_server

# --- usage ---------------------------------------------------------------------------------------------------------------------
usage() { # usage NAME PATTERN OPTION…
    local name=$1 pattern=$2
    shift 2
    timeout 20 "$driver" "$work/chats.jsonl" --answer-cache "$work/cache/usage" "$@" >"$work/out/$name" 2>"$work/err/$name"
    rc=$?
    check "$name" "usage: $name" test $rc = 2
    check "$name" "… one line that says what to do" said "$name" "$pattern"
}
usage "no URL" '--endpoint URL' --annotator endpoint
usage "no model" '--endpoint-model' --annotator endpoint --endpoint http://127.0.0.1:1/v1
usage "key in the URL" 'environment' --annotator endpoint --endpoint http://user:sk-secret@host/v1 --endpoint-model m
ok "… which is not repeated" test "$(grep -c sk-secret "$work/err/key in the URL")" = 0
usage "no URL at all" 'http://127' --annotator endpoint --endpoint ftp://host/v1 --endpoint-model m
usage "unknown annotator" "did you mean lexicon" --annotator lexicom
usage "key variable not set" 'WR_NO_SUCH_KEY' --annotator endpoint --endpoint http://127.0.0.1:1/v1 --endpoint-model m --endpoint-key-env WR_NO_SUCH_KEY
usage "extra is no object" 'endpoint-extra' --annotator endpoint --endpoint http://127.0.0.1:1/v1 --endpoint-model m --endpoint-extra '[1]'
usage "prompts folder without prompts" 'annotate.txt' --annotator endpoint --endpoint http://127.0.0.1:1/v1 --endpoint-model m --prompts "$work/world"

# --- kill -9, stop signals, ranks ------------------------------------------------------------------------------------------------
serve --key $key --latency 40
for more in 40 60 50; do
    from=$(wc -l <"$work/log")
    # No `timeout` in between: the signal is for the program itself.
    "$driver" "$work/chats.jsonl" --annotator endpoint --endpoint "$url" --endpoint-model m --endpoint-parallel 8 --answer-cache "$work/cache/killed" \
        >/dev/null 2>>"$work/err/killed" </dev/null &
    victim=$!
    for _ in $(seq 400); do # until the server has been asked that many questions more
        [ "$(wc -l <"$work/log")" -ge $((from + more)) ] && break
        sleep 0.05
    done
    kill -KILL $victim 2>/dev/null
    wait $victim 2>/dev/null
    cat "$work/cache/killed"/*.jsonl 2>/dev/null | jq -rR 'fromjson? | .key' | sort >"$work/finished"
    [ -s "$work/finished" ] && killed_early=1
    # Nothing that is finished now may be in what is asked from here on.
    sleep 0.1
    at=$(wc -l <"$work/log")
    cp "$work/finished" "$work/finished.$more"
    echo "$at" >"$work/at.$more"
done
annotate killed
twice=0
for more in 40 60 50; do
    again=$(tail -n +$(($(cat "$work/at.$more") + 1)) "$work/log" | jq -r .key | sort | comm -12 - "$work/finished.$more" | wc -l)
    twice=$((twice + again))
done
check killed "kill -9 in the middle, three times, then resume: the same levels" test $rc = 0 -a "${killed_early:-0}" = 1
check killed "… equal to those of an undisturbed run" same good killed
check killed "… and no finished question was asked again" test $twice = 0
check killed "… of which there were some" test "$(wc -l <"$work/finished.50")" -gt 20 -a "$(wc -l <"$work/finished.50")" -lt "$distinct"

printf '{"key":"0123456789abcdef0123456789abcdef","answer":"[[' >>"$work/cache/killed/answers-0.jsonl"
annotate killed
check killed "a torn last record is cut off" test $rc = 0 -a "$(count killed requests)" = 0
ok "… from the file" bash -c "! grep -q 0123456789abcdef0123456789abcdef '$work/cache/killed/answers-0.jsonl'"

for signal in TERM USR1 INT; do
    serve --key $key --latency 3000
    # A shell starts background jobs with SIGINT ignored; the program installs its own handler.
    "$driver" "$work/chats.jsonl" --annotator endpoint --endpoint "$url" --endpoint-model m --answer-cache "$work/cache/stop-$signal" >"$work/out/stop" 2>"$work/err/stop" </dev/null &
    victim=$!
    sleep 1
    begin=$(date +%s%N)
    kill -$signal $victim
    wait $victim
    rc=$?
    took=$((($(date +%s%N) - begin) / 1000000))
    check stop "SIG$signal ends a wait for the server with 75 within a second (took $took ms)" test $rc = 75 -a $took -lt 1000
done

serve --key $key
ranks 3 "$driver" "$work/chats.jsonl" --annotator endpoint --endpoint "$url" --endpoint-model m --answer-cache "$work/cache/ranks" >"$work/out/ranks3" 2>"$work/err/ranks3" </dev/null
ok "three ranks write three files" test "$(find "$work/cache/ranks" -name 'answers-[012].jsonl' | wc -l)" = 3
asked=$(wc -l <"$work/log")
annotate ranks
check ranks "one rank reads them all" test $rc = 0 -a "$(wc -l <"$work/log")" = "$asked"
check ranks "… with the same result" same good ranks

# --- refusals and embeddings --------------------------------------------------------------------------------------------------------
serve --key $key cut=0.1 wrong=0.1
annotate all --annotator lexicon,endpoint --refusals endpoint --similarity endpoint --endpoint-embedding-model e --endpoint-retries 12
check all "levels, refusals and similarity by one endpoint" test $rc = 0 -a "$(jq -s 'map(select(.cosine != null and .cosine >= -1 and .cosine <= 1)) | length' "$work/out/all")" = "$n"
check all "… beside the lexicon" test "$(jq -s 'map(select(.levels.lexicon >= 1 and .levels.endpoint >= 1)) | length' "$work/out/all")" = "$n"
check all "… some refusals of each kind" test "$(jq -r .refusal "$work/out/all" | sort -u | wc -l)" = 3
texts=$(jq -rs '[.[] | select(.fault != "cut" and .fault != "wrong" and .inputs) | .inputs[]] | length' "$work/log")
check all "… each text embedded once" test "$texts" = "$(jq -rs '[.[] | .inputs // [] | .[]] | unique | length' "$work/log")"
cp "$work/out/all" "$work/out/all-first"
serve --key $key 401=1
annotate all --annotator lexicon,endpoint --refusals endpoint --similarity endpoint --endpoint-embedding-model e
check all "… and all of it is in the cache" same all-first all
serve --key $key toolong=0.3
annotate embed1 --annotator lexicon --similarity endpoint --endpoint-embedding-model e
check embed1 "a refused batch of texts is taken apart, and what fails alone has no similarity" test $rc = 0 -a "$(count embed1 no_similarity)" -gt 0 -a "$(count embed1 no_similarity)" -lt "$n"
serve --key $key unpooled=1
annotate unpooled --annotator lexicon --similarity endpoint --endpoint-embedding-model e
check unpooled "embeddings of tokens end the run with advice" said unpooled 'pooling'

# --- prepare ------------------------------------------------------------------------------------------------------------------------
# prepare NAME RANKS CACHE: the folder is $work/out/NAME.
prepare() {
    ranks "$2" "$program" prepare "$work/chats.jsonl" --no-tokens --block-kib 16 --annotator endpoint --refusals endpoint --similarity endpoint \
        --endpoint "$url" --endpoint-model m --endpoint-embedding-model e --endpoint-backoff 0.02 --endpoint-retries 12 --endpoint-price-in 2 \
        --answer-cache "$work/cache/$3" --out "$work/out/$1" >"$work/err/$1" 2>&1 </dev/null
    rc=$?
}
serve --key $key --latency 5 cut=0.05 429=0.05
prepare p1 1 p &
pid=$!
for _ in $(seq 600); do # until it has some answers, then no longer
    [ "$(cat "$work/cache/p"/answers-*.jsonl 2>/dev/null | wc -l)" -ge 40 ] && break
    sleep 0.05
done
pkill -KILL -P $pid
wait $pid 2>/dev/null
before=$(cat "$work/cache/p"/answers-*.jsonl | wc -l)
prepare p1 1 p
check p1 "prepare goes on after a kill" test $rc = 0 -a "$before" -ge 40
check p1 "… and asks nothing twice that was answered" test "$(jq -rs '[.[] | select(.fault == "none" and (.inputs | not)) | .key] | group_by(.) | map(select(length > 1)) | length' "$work/log")" -le 64
told() { jq -r ".$1" "$work/cache/p/usage.jsonl" | tail -n 1; }
check p1 "… and what was asked and paid is told" test "$(told requests)" -gt 0 -a "$(told 'cost > 0')" = true
serve --key $key 401=1
for r in 2 3; do
    prepare p$r $r p
    check p$r "the same answers give the same shards on $r ranks" eval "[ $rc = 0 ] && diff -r '$work/out/p1' '$work/out/p$r'"
done

mkdir -p "$work/prompts"
printf 'Grade {followup} after {reply}: [[1]] to [[5]].\n' >"$work/prompts/annotate.txt"
serve --key $key
annotate prompts --prompts "$work/prompts" --endpoint-extra '{"top_p":0.5}'
check prompts "own prompts are other questions, with another fingerprint" \
    test $rc = 0 -a "$(count prompts fingerprint)" != "$(count good fingerprint)"

# --- TLS ---------------------------------------------------------------------------------------------------------------------------
if command -v openssl >/dev/null && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 \
    -keyout "$work/tls.key" -out "$work/tls.pem" 2>/dev/null && serve --key $key --tls "$work/tls.pem" "$work/tls.key" && grep -q port "$work/port"; then
    url=${url/http:/https:}
    annotate tls
    check tls "a certificate that nobody vouches for is refused" test $rc = 1
    check tls "… in one line, at the first request" said tls 'certificate'
    annotate tls --endpoint-ca "$work/tls.pem"
    check tls "--endpoint-ca trusts it" same good tls
    url=${url/127.0.0.1/localhost}
    annotate tls2 --endpoint-ca "$work/tls.pem"
    check tls2 "… but not for another host name" test $rc = 1
else
    skip "TLS" "openssl is not installed"
fi

# --- the key ---------------------------------------------------------------------------------------------------------------------
serve --key $key spelled=1
annotate spelled --endpoint-retries 0
check spelled "an error that spells the key out in other letters ends the run" said spelled 'HTTP 500: .*\*\*\*'
spellings=$(printf %s "$key" | od -An -v -tx1 | tr -d ' \n')
ok "… without the key" bash -c "! sed 's/&#\([0-9]*\);/\1/g' '$work/err/spelled' | grep -qiE '0123456789|u0031u0032|%31%32|4950|$spellings'"
ok "… and without what a terminal would obey" bash -c "! LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80\xae' '$work/err/spelled'"
ok "… which is written out instead" grep -qF '\x1b[31m\x9b2J\u202e' "$work/err/spelled"
serve --key $key usage=1
annotate usage
check usage "nonsense token counts: the labels are the same" same good usage
check usage "… and the counts are only counted" test "$(count usage prompt_tokens)" = 0 -a "$(count usage completion_tokens)" = 0 -a "$(count usage odd_usage)" -gt 0
serve --key $key leak=1
annotate leak
check leak "an answer that repeats the key is kept without it" same good leak
export WILDREWARD_API_KEY="two words"
annotate space
check space "a key that cannot be sent is refused, unseen" said space 'WILDREWARD_API_KEY'
ok "… unseen" bash -c "! grep -q 'two words' '$work/err/space'"
ok "the key is in no output, cache or message" bash -c "! grep -rqF -e '$key' -e 'f1ne\\/Secret' '$work/out' '$work/err' '$work/cache'"
ok "… though the server has seen it" grep -q '"fault":"leak"' "$work/log"

done_testing
