#!/bin/bash
# Every allocation of the program may fail: then it ends with one line and exit code 1, never by a signal. Where it can do without, nothing it writes is different.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/env.sh
. tests/training.sh
# The AT-th allocation that the program itself asks for fails (those of libraries do not: they are not ours to mend).
cat >fail.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
static uintptr_t low, high;
static long at, seen;
static int ours(struct dl_phdr_info *i, size_t n, void *x) {
    (void)n, (void)x;
    for (int k = 0; k < i->dlpi_phnum; k++)
        if (i->dlpi_phdr[k].p_type == PT_LOAD && (i->dlpi_phdr[k].p_flags & PF_X)) low = i->dlpi_addr + i->dlpi_phdr[k].p_vaddr, high = low + i->dlpi_phdr[k].p_memsz;
    return 1; /* the first one is the program */
}
__attribute__((constructor)) static void start(void) {
    dl_iterate_phdr(ours, NULL);
    at = getenv("FAIL_AT") ? atol(getenv("FAIL_AT")) : 0;
}
__attribute__((destructor)) static void stop(void) {
    FILE *f = getenv("SEEN") ? fopen(getenv("SEEN"), "w") : NULL;
    if (f) fprintf(f, "%ld\n", seen), fclose(f);
}
static int fails(void *caller) {
    uintptr_t c = (uintptr_t)caller;
    if (c < low || c >= high || __atomic_add_fetch(&seen, 1, __ATOMIC_RELAXED) != at) return 0;
    errno = ENOMEM;
    return 1;
}
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
void *malloc(size_t n) { return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t m) { return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, n); }
void *aligned_alloc(size_t a, size_t n) { return fails(__builtin_return_address(0)) ? NULL : __libc_memalign(a, n); }
C
"$WR" synth --out world --users 8 --conversations 30 --train-prompts 4 --heldout-prompts 4 --seed 3 2>log.txt &&
    "$WR" prepare world/chats.jsonl.zst --out data --vocab-size 300 2>log.txt || {
    tail -n 3 log.txt | sed 's/^/# /'
    fail "something to work on"
    done_testing
    exit 1
}
if ! cc -O1 -shared -fPIC -o fail.so fail.c 2>cc.txt || ! LD_PRELOAD=$PWD/fail.so "$WR" --version >/dev/null 2>&1; then
    skip "failing allocations" "no compiler, or another library must be loaded first"
    done_testing
    exit 0
fi
printf '%s\n' '{"text":"a b c"}' 'no' '{"text":"d"}' >texts.jsonl
# starves NAME COMMAND…: with each of the last allocations failing, and some of the first ones and between.
starves() {
    local name=$1 rc k bad="" all=""
    shift
    rm -rf starved* whole
    SEEN=seen LD_PRELOAD=$PWD/fail.so "$@" >out.txt 2>log.txt </dev/null
    all=$(cat seen)
    mkdir whole && cp -r starved* whole 2>/dev/null
    for k in {1..10} $(for i in {1..8}; do echo $((all * i / 9)); done) $(seq $((all > 24 ? all - 23 : 11)) "$all"); do
        rm -rf starved*
        LD_PRELOAD=$PWD/fail.so FAIL_AT=$k timeout 60 "$@" >out.txt 2>log.txt </dev/null
        rc=$?
        [ $rc -le 1 ] || bad="$bad $k:exit-$rc"
        [ $rc != 0 ] || for f in starved*; do [ ! -e "$f" ] || diff -rq "$f" "whole/$f" >/dev/null || bad="$bad $k:other-result"; done
        [ $rc = 0 ] || grep -q '^wildreward: error: ' log.txt || bad="$bad $k:no-line"
    done
    [ -z "$bad" ] || echo "# $name: $bad"
    ok "$name" [ -z "$bad" ]
}
starves tokenize "$WR" tokenize --tokenizer data --in texts.jsonl --out starved.jsonl
starves synth "$WR" synth --out starved --users 3 --conversations 5 --train-prompts 2 --heldout-prompts 2
starves report "$WR" report data --out starved.html
starves export "$WR" export --data data --out starved.jsonl
starves inspect "$WR" inspect data --verify
done_testing
