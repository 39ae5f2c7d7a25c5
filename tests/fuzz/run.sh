#!/bin/bash
# run.sh SECONDS: each libFuzzer target of build/fuzz for SECONDS, one after another. The corpus stays in build/fuzz/corpus; an input that crashes
# or hangs a target is kept in build/fuzz/crashes and ends the run with exit code 1. Runs: make fuzz FUZZ_SECONDS=600
set -u
cd "$(dirname "$0")/../.." || exit 1
seconds=${1:-60}
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
    fuzz_safetensors)
        local header='{"w":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[16,20]}}'
        {
            # shellcheck disable=SC2059  # the format is the escape sequence of one byte
            printf "\\x$(printf %x ${#header})\\0\\0\\0\\0\\0\\0\\0"
            printf '%s' "$header"
            head -c 20 /dev/zero
        } >"$corpus/seed1"
        ;;
    fuzz_tokenizer)
        printf '\0Hello world, it'\''s 42 \xe4\xbd\xa0\xe5\xa5\xbd\n\n  end' >"$corpus/seed1"
        printf '\1{"added_tokens":[{"id":0,"content":"<|im_start|>","special":true}],"normalizer":null,"pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"use_regex":true},"post_processor":null,"decoder":{"type":"ByteLevel"},"model":{"type":"BPE","vocab":{"a":1,"b":2,"ab":3},"merges":["a b"]}}' >"$corpus/seed2"
        ;;
    esac
}

for target in build/fuzz/fuzz_*; do
    [ -f "$target" ] && [ -x "$target" ] || continue
    name=$(basename "$target")
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
