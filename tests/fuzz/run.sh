#!/bin/bash
# run.sh SECONDS [TARGET…]: each libFuzzer target of build/fuzz, or those named, for SECONDS, one after another. The corpus stays in build/fuzz/corpus; an input that crashes
# or hangs a target is kept in build/fuzz/crashes and ends the run with exit code 1. Runs: make fuzz FUZZ_SECONDS=600
set -u
cd "$(dirname "$0")/../.." || exit 1
seconds=${1:-60}
wanted=" ${*:2} "
failed=0 passed=0
export ASAN_OPTIONS=${ASAN_OPTIONS:-allocator_may_return_null=1} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}

# A first corpus: small valid inputs, from which mutation gets further than from nothing.
seed() {
    local corpus=$1
    case $2 in
    fuzz_json)
        printf '{"a":[1,-2.5e3,"x\\u00e9\\ud83d\\ude00",true,null,{"b":{}}]}' >"$corpus/seed1"
        printf '[[[[[]]]],""]' >"$corpus/seed2"
        ;;
    fuzz_wildchat) # first byte: which log
        printf '0{"conversation_hash":"c\\u0061","hashed_ip":"ip","header":{"accept-language":"en","n":1},"language":"English","model":"m","timestamp":1680998573000,"toxic":false,"redacted":true,"conversation":[{"role":"user","content":"line\\n\\"quoted\\" \xe4\xbd\xa0\xe5\xa5\xbd and some more text to pass sixty-four bytes","turn_identifier":7,"hashed_ip":"x"},{"role":"assistant","content":"\\ud83d\\ude00 \\ud800"}],"turn":1}' >"$corpus/seed1"
        printf '1{"conversation_id":12,"model":"v","conversation":[{"content":"a","role":"user"}],"redacted":false,"openai_moderation":[{"x":[1e-5,null,true]}]}' >"$corpus/seed2"
        printf '2{"conversations":[{"from":"human","value":"h"},{"from":"gpt","value":"g\\\\"}]}' >"$corpus/seed3"
        ;;
    fuzz_suite)
        for rows in tests/golden/suites/*.jsonl; do head -n 1 "$rows" >"$corpus/$(basename "$rows")"; done
        ;;
    fuzz_evaluation) # first byte: rows of --scored, two evaluations, one
        printf '0{"id":"a","user":"u","label":1,"score":1.25,"class":1,"above":[0.2,0.05],"length":7,"prompt":"p"}\n{"id":"b","user":"v","label":3,"score":2.5,"class":3,"above":[0.9,0.6],"length":9,"prompt":"p"}\n{"id":"c","user":"u","label":2,"score":1.5,"class":2,"above":[0.4,0.1],"length":3}\n' >"$corpus/seed1"
        local one='"mae":0.5,"per_record":{"id":["a","b","c"],"user":[0,1,0],"label":[1,2,3],"score":[1.5,2,2.5],"class":[1,2,2],"log_loss":[0.1,0.2,1.5]}}'
        printf '1{"model":"m",%s\0{"model":"n",%s' "$one" "$one" >"$corpus/seed2"
        printf '2{"model":"m",%s' "$one" >"$corpus/seed3"
        ;;
    fuzz_reward_record)
        printf '{"objective":"coral","biases":[1.02,0.66,0.31]}' >"$corpus/seed1"
        printf '{"objective":"thresholds","threshold_steps":[-1.03,0.52,0.6],"thresholds":[-1.03,-0.04,1]}' >"$corpus/seed2"
        printf '{"objective":"regression","settings":{"huber-delta":2},"biases":[2.61]}' >"$corpus/seed3"
        printf '{"objective":"corn"}' >"$corpus/seed4"
        printf '{"objective":"classes","data_hash":"0"}' >"$corpus/seed5"
        printf '{"objective":"bt","settings":{"center-rewards":0.01}}' >"$corpus/seed6"
        ;;
    fuzz_score_cache) # first byte: whether sums are made right
        printf '1"score":1.25\n"score":null\n' >"$corpus/seed1"
        printf '0{"key":"0123456789abcdef0123456789abcdef","score":1,"sum":"0123456789abcdef"}\n' >"$corpus/seed2"
        ;;
    fuzz_pairs) # first byte: who writes chats
        printf '0{"prompt":"1 ","chosen":"2","rejected":"3","margin":0.5}\n{"chosen":"","rejected":"3"}\n{"chosen":"4","rejected":"5","grade":2}' >"$corpus/seed1"
        printf '1[{"prompt":[{"role":"user","content":"1"}],"chosen":[{"role":"assistant","content":"2"}],"rejected":[{"role":"assistant","content":"3"}]}]' >"$corpus/seed2"
        printf '0{"prompt":"1","chosen":[{"role":"user","content":"1"},{"role":"assistant","content":"2"}],"rejected":[{"role":"user","content":"1"},{"role":"assistant","content":""}]}' >"$corpus/seed3"
        printf '0chosen,rejected,margin\n1,2,0.5\n3,4,\n' >"$corpus/seed4"
        { printf 0 && cat tests/golden/suites/pairs.parquet; } >"$corpus/seed5"
        ;;
    fuzz_safetensors)
        local header='{"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[16,20]}}'
        {
            # shellcheck disable=SC2059  # the format is the escape sequence of one byte
            printf "\\x$(printf %x ${#header})\\0\\0\\0\\0\\0\\0\\0"
            printf '%s' "$header"
            head -c 20 /dev/zero
        } >"$corpus/seed1"
        ;;
    fuzz_template) # first byte: which chat
        printf '0H:{history}|Q:{query}|R:{response}' >"$corpus/seed1"
        printf '1---\nhistory_line: "{role}: {content}\\n"\nhistory_empty: "none yet"\nroles: {user: User, tool: ""}\ntruncate: right\nmax_length: 4096\ntrim: true\nstrip_thoughts: true\n---\n a {history} b\n{query}\n{response}\n' >"$corpus/seed2"
        printf "4---\nhistory_line: '<{content}>{role}'\nroles:\n  system: \\'s\ntrim: no\ntruncate: oldest\n---\n{query}{history}{response}" >"$corpus/seed3"
        ;;
    fuzz_tokenizer)
        local around='"post_processor":null,"truncation":null,"padding":null'
        printf '{"added_tokens":[{"id":0,"content":"<|im_start|>","special":true}],"normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},%s,"decoder":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":{"a":1,"b":2,"ab":3},"merges":["a b"]}}' "$around" >"$corpus/seed1"
        printf '{"added_tokens":[{"id":0,"content":"<s>","special":true,"lstrip":true,"rstrip":true,"single_word":true,"normalized":true}],"normalizer":{"type":"Sequence","normalizers":[{"type":"NFKC"},{"type":"Prepend","prepend":"_"},{"type":"Replace","pattern":{"String":" "},"content":"_"}]},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Metaspace","replacement":"_","prepend_scheme":"first","split":true},{"type":"Digits","individual_digits":true},{"type":"Split","pattern":{"Regex":"\\\\s+|\\\\p{N}"},"behavior":"MergedWithNext","invert":false}]},%s,"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"_"},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":1}]},"model":{"type":"BPE","unk_token":"<u>","fuse_unk":true,"byte_fallback":true,"ignore_merges":true,"vocab":{"<u>":1,"<0x0A>":2,"a":3,"b":4,"ab":5},"merges":[["a","b"]]}}' "$around" >"$corpus/seed2"
        # One pattern a file: what the parser of patterns takes or names, and each step of its own.
        local k=2 pattern step
        for pattern in '[a-z&&[^aeiou]]+|[^[:^alpha:]\\p{Han}]' '(?i:k|[^\\u00e0-\\x{ff}])|(?x) a b # c' '\\p{^Letter}{,3}?|[^\\S\\n]{2}+|\\h++' '(?m).|^\\b.\\B$|\\A\\G\\Z\\z|\\R\\N\\O' \
            '(?<=\\s)\\S|(?<!a)b(?=c)(?!d)(?>e*)(?<n>f)(?#g)' '[]x-]|[-\\w\\]]|[\\x61-\\u0063]|\\012|x*|' '[\\p{Lu}\\p{Lt}\\p{M}]*[\\p{Ll}&&\\p{Latin}&&[^\\P{L}]]+(?i:\u0027s)?'; do
            k=$((k + 1))
            printf '{"added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"%s"},"behavior":"Contiguous","invert":true},{"type":"ByteLevel","add_prefix_space":false,"use_regex":false}]},%s,"decoder":null,"model":{"type":"BPE","vocab":{"a":1,"b":2,"ab":3},"merges":["a b"]}}' "$pattern" "$around" >"$corpus/seed$k"
        done
        for step in '"Punctuation","behavior":"Contiguous"' '"Whitespace"' '"WhitespaceSplit"' '"BertPreTokenizer"' '"CharDelimiterSplit","delimiter":"b"' '"FixedLength","length":3' '"Split","behavior":"Removed","invert":false,"pattern":{"String":"ab"}'; do
            k=$((k + 1))
            printf '{"added_tokens":[{"id":9,"content":"<a>"},{"id":7,"content":"<b>","normalized":true},{"id":9,"content":"<a>"}],"normalizer":{"type":"Sequence","normalizers":[{"type":"Replace","pattern":{"Regex":"\\\\s{2,}|\\\\d+?"},"content":" "},{"type":"Strip","strip_left":true,"strip_right":true}]},"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"ByteLevel","add_prefix_space":true,"use_regex":true},{"type":%s}]},%s,"decoder":null,"model":{"type":"BPE","vocab":{"a":1,"b":2,"ab":3},"merges":["a b"]}}' "$step" "$around" >"$corpus/seed$k"
        done
        ;;
    fuzz_jinja)
        printf '%s' "{% set ns = namespace(x=1) %}{% for m in messages[1:] if m.role == 'user' %}{{ loop.index ~ m.content|trim }}{% else %}n{% endfor %}{% macro f(a, b=2) %}{{ a }}{% endmacro %}{{ f(b=1, a='x'.split(',', 1)[0]) }}" >"$corpus/seed1"
        printf '%s' "{%- if not tools is defined and 'a' in messages[0]['content'] -%} {{- {'a': [1, none]} | tojson(indent=2) }} {%- elif x is not string %}{{ raise_exception('no') }}{% endif %}{# c #}{{ 'a' if true else 'b' }}{{ -7 // 2 * 3 % 2 }}" >"$corpus/seed2"
        printf '%s' "{% for i in range(3) %}{% break %}{% endfor %}{% set x %}b{% endset %}{% filter upper %}q{% endfilter %}{{ messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|join(', ')|replace('a', 'b')|indent(2) }}" >"$corpus/seed3"
        printf 'user: "<u>{content}{eos}"\nassistant: "{content}"\ngeneration: "<a>"\nsystem: "{content}"\ndefault_system: "x"' >"$corpus/seed4"
        ;;
    fuzz_tokenizer_encode) # first byte: 2 x tokenizer + 1 for ids, + 64 for added tokens
        printf '\0Hello world, it'\''s 42 \xe4\xbd\xa0\xe5\xa5\xbd\n\n  end' >"$corpus/seed1"
        printf '\102Hello e\xcc\x81 <a> <ab>  w the' >"$corpus/seed2"
        printf '\4the the  \xc3\xa9 \n aaaa' >"$corpus/seed3"
        printf '\5\6\1\303\0\251\0\12\0\6\1' >"$corpus/seed4"
        printf '\6Hello W\303\226RLD it\303\251 \344\275\240\343\201\202 \302\265\342\204\252 x\302\262  \n 12' >"$corpus/seed5"
        ;;
    fuzz_instream)
        local lines=$corpus/seed-lines
        printf '{"a":1}\n{"b":"\xc3\xa9"}\r\n\n{}' >"$lines"
        gzip -c "$lines" >"$corpus/seed-gz"
        cat "$corpus/seed-gz" "$corpus/seed-gz" >"$corpus/seed-two-gz"
        gzip -c "$corpus/seed-gz" >"$corpus/seed-gz-gz"
        zstd -qf "$lines" -o "$corpus/seed-zst"
        bzip2 -c "$lines" >"$corpus/seed-bz2" 2>/dev/null
        xz -c "$lines" >"$corpus/seed-xz" 2>/dev/null
        xz --format=lzma -c "$lines" >"$corpus/seed-lzma" 2>/dev/null
        lz4 -c "$lines" >"$corpus/seed-lz4" 2>/dev/null
        tar -C "$corpus" -cf "$corpus/seed-tar" seed-lines seed-gz
        gzip -c "$corpus/seed-tar" >"$corpus/seed-tgz"
        (cd "$corpus" && { zip -q seed.zip seed-lines seed-tar; find seed-lines | cpio -o -H newc >seed-newc; find seed-lines | cpio -o -H odc >seed-odc; } 2>/dev/null)
        ;;
    fuzz_parquet) # first byte: options
        local file
        for file in tests/golden/parquet/*.parquet tests/golden/parquet/refused/*.parquet; do
            { printf '\1' && cat "$file"; } >"$corpus/seed-$(basename "$file")"
        done
        for file in tests/golden/parquet/rows/*.parquet; do # of messages, and as JSON
            { printf '\170' && cat "$file"; } >"$corpus/seed-$(basename "$file")"
        done
        ;;
    fuzz_csv) # first byte: how it arrives
        printf '\1response,label,user,history\na,1,,\n"b ""q"", \xc3\xa9",2.0,u,"[{""role"":""user"",""content"":""x""}]"\r\n\n"two\nlines",3,,\n' >"$corpus/seed1"
        printf '\2\xef\xbb\xbflabel,response\r\n1,a\r\n2,"b\r\nc"\r\n' >"$corpus/seed2"
        printf '\3response,label,id\r1,2,3\r4,5,6' >"$corpus/seed3"
        printf '\3response;label\n1;2\n' >"$corpus/seed4"
        ;;
    esac
}

for target in build/fuzz/fuzz_*; do
    [ -f "$target" ] && [ -x "$target" ] || continue
    name=$(basename "$target")
    [ "$wanted" = "  " ] || [[ $wanted == *" $name "* ]] || continue
    corpus=build/fuzz/corpus/$name
    mkdir -p "$corpus" build/fuzz/crashes
    seed "$corpus" "$name"
    echo "=== $name, $seconds s"
    if timeout --kill-after=10 $((seconds + 60)) "$target" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -max_len=20000 \
        -print_final_stats=1 -artifact_prefix="build/fuzz/crashes/$name-" "$corpus" >"build/fuzz/$name.log" 2>&1 </dev/null; then
        grep -E 'number_of_executed_units|new_units_added' "build/fuzz/$name.log" | sed 's/^stat::/    /'
        passed=$((passed + 1))
    else
        tail -n 40 "build/fuzz/$name.log"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed = 0 ] && [ $passed -gt 0 ]
