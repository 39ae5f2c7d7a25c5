#!/bin/bash
# lint.sh [CPPFLAGS…]: clang-tidy over all C sources, tests and benchmarks (rules and their exceptions: .clang-tidy, tests/.clang-tidy), or cppcheck over
# the program's where clang-tidy is not installed.
# Scripts: shellcheck, or at least `bash -n`, over all scripts. Two jobs at a time, about seven minutes on two idle cores. Exit 1 on any finding.
# LINT_FILES="a.c b.c": only these sources.
set -u
cd "$(dirname "$0")/.." || exit 1
[ $# -gt 0 ] || set -- -I. -D_GNU_SOURCE
bad=0
jobs=${JOBS:-2}
limit=${LINT_LIMIT:-1100}
mapfile -t sources < <(if [ -n "${LINT_FILES:-}" ]; then
        tr -s ' ' '\n' <<<"${LINT_FILES% }"
    else
        sed -n 's/^\([a-z][a-z/]*\) *|.*/\1/p' rooms.txt | while read -r room; do find "$room" -maxdepth 1 -name '*.c'; done | sort
    fi)
# Also read, by the lighter rules of their folders.
mapfile -t tests < <([ -n "${LINT_FILES:-}" ] || find tests/unit tests/mpi tests/support tests/server tests/fuzz bench -name '*.c' -not -path 'bench/simulate/*' | sort) # simulate: needs SimGrid
mapfile -t scripts < <(
    find tests slurm bench findings -name '*.sh' -o -name '*.sbatch' | sort
    echo .ci/run
)

for script in "${scripts[@]}"; do
    bash -n "$script" || bad=1
done
if command -v shellcheck >/dev/null; then
    # 1091: sourced files are checked on their own. 2034: variables that an eval reads. 2086 at "info" is off by severity: word lists are meant.
    shellcheck --severity=warning --shell=bash --exclude=SC1091,SC2034 "${scripts[@]}" || bad=1
    echo "lint: shellcheck read ${#scripts[@]} scripts"
else
    echo "lint: no shellcheck; bash -n read ${#scripts[@]} scripts"
fi

# One hand: .clang-format is the rule for every C file, tests and tools too (`make format` applies it).
if command -v clang-format >/dev/null; then
    mapfile -t formatted < <(if [ -n "${LINT_FILES:-}" ]; then printf '%s\n' "${sources[@]}"; else find . -path './build*' -prune -o -name '*.[ch]' -print | sort; fi)
    clang-format --dry-run -Werror --ferror-limit=1 "${formatted[@]}" || bad=1
    echo "lint: clang-format read ${#formatted[@]} files"
else
    echo "lint: clang-format is not installed (make deps-dev)" >&2
    bad=1
fi

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
if command -v clang-tidy >/dev/null; then
    # No -fopenmp: clang's OpenMP headers may be absent, and the checks do not need it. LINT_FILE_FLAGS: "file flag…;" for files with own ISA flags.
    printf '%s\0' "${sources[@]}" ${tests[@]+"${tests[@]}"} | timeout --kill-after=10 "$limit" xargs -0 -n 1 -P "$jobs" bash -c '
        source=${*: -1}
        own=$(tr ";" "\n" <<<"${LINT_FILE_FLAGS:-}" | sed -n "s|^ *$source ||p")
        # shellcheck disable=SC2086
        [ "$source" = base/status.c ] || own+=" -include tests/lint/prelude.h"
        case $source in base/*) own+=" -DLINT_BASE" ;; esac
        exec clang-tidy --quiet "$source" -- "${@:1:$#-1}" $own' lint -Itests/lint "$@" -std=c17 -Wno-unknown-pragmas -Wno-psabi >"$log" 2>&1
    rc=$?
    # The analyzer's paths are long: V=1 shows them.
    if [ "${V:-0}" = 1 ]; then cat "$log"; else grep -E ': (warning|error|fatal error): |^error' "$log" | sed "s|$PWD/||" | sort -u; fi
    [ $rc = 124 ] && echo "lint: clang-tidy took longer than $limit s"
    [ $rc = 0 ] || bad=1
    echo "lint: clang-tidy read ${#sources[@]} files of the program and ${#tests[@]} of tests and benchmarks"
elif command -v cppcheck >/dev/null; then
    timeout --kill-after=10 "$limit" cppcheck -q -j "$jobs" --std=c11 --enable=warning,portability,performance --inline-suppr \
        --suppress=missingIncludeSystem --error-exitcode=1 -I. -D_GNU_SOURCE "${sources[@]}" || bad=1
    echo "lint: cppcheck read ${#sources[@]} files"
else
    echo "lint: neither clang-tidy nor cppcheck is installed (make deps-dev)" >&2
    bad=1
fi
[ $bad = 0 ] && echo "lint: clean"
exit $bad
