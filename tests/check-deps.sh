#!/bin/bash
# check-deps.sh [BUILD]: holds the tree against rooms.txt, which says for every folder of C sources what it may use. Two levels: what files include, and
# what the objects of BUILD (default: build) call, told by their undefined symbols: a declaration copied by hand, or a header that lies below what it
# declares, escapes the first and not the second. Also: <mpi.h> only in mpi/, a BLAS is called in the matrix products, the doctor and the benchmark
# only, the process ends only in cli/main.c and mpi/, no files call each other in a circle, nobody's function is left, no two source files share a name
# or differ by one letter, no file has above 400 lines and no function above 80, and every file that prose or a comment names is there.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:-build}
rooms=$(sed -n 's/^\([a-z][a-z/]*\) *|.*/\1/p' rooms.txt)

# Files of one room that call each other, and may: each pair is one algorithm in two files, or a list of formats and its members.
pairs="
base/options base/options_yaml              values from YAML are assigned as those of the command line
base/options base/options_resume
text/tokenizer/tokenizer_class text/tokenizer/tokenizer_named    a tokenizer may name another beside it
text/chat/jinja_* text/chat/jinja_*         an interpreter: expressions hold statements' values and the other way round
"

bad=0
complain() {
    echo "$*" >&2
    bad=$((bad + 1))
}

# A room stands below all that it may use: with that, no circle of rooms can be allowed.
order=$(awk -F'|' '/^[a-z]/ { gsub(/ /, "", $1); n = split($2, use, " "); for (i = 1; i <= n; i++) {
        name = use[i]; found = 0
        for (room in seen) if (room == name || (name ~ /\/\*$/ && index(room "/", substr(name, 1, length(name) - 1)) == 1)) found = 1
        if (!found) print $1 " may use " name ", which does not stand above it" }
        seen[$1] = 1 }' rooms.txt)
while IFS= read -r line; do [ -z "$line" ] || complain "rooms.txt: $line"; done <<<"$order"

# --- includes ---------------------------------------------------------------------------------------------------------
mapfile -t files < <(for room in $rooms; do find "$room" -maxdepth 1 -name '*.[ch]'; done | sort)
for stray in $(git ls-files '*.c' '*.h' 2>/dev/null | grep -vE '^(tests|bench)/'); do
    case " ${files[*]} " in *" $stray "*) ;; *) complain "$stray: its folder is no room of rooms.txt" ;; esac
done

# Prints each breach of `uses`: lines "FILE LINE ROOM TARGET-ROOM what".
allowed='
    function trim(s) { gsub(/^ +| +$/, "", s); return s }
    NR == FNR {
        if ($0 !~ /^[a-z]/) next
        split($0, column, "|")
        room = trim(column[1]); may[room] = trim(column[2]); place[room] = NR
        next
    }
    function permits(from, to,   n, i, name) {
        n = split(may[from], name, " ")
        for (i = 1; i <= n; i++)
            if (name[i] == to || (name[i] ~ /\/\*$/ && place[to] < place[from] && index(to "/", substr(name[i], 1, length(name[i]) - 1)) == 1)) return 1
        return 0
    }'
breaches=$(grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "${files[@]}" | sed -E 's/^([^:]*):([0-9]*):[^"]*"([^"]*)".*/\1 \2 \3/' |
    awk "$allowed"'
    {
        from = $1; sub(/\/[^\/]*$/, "", from)
        if ($3 !~ /\//) { print $1 ":" $2 ": \"" $3 "\" has no folder: write \"folder/" $3 "\""; next }
        to = $3; sub(/\/[^\/]*$/, "", to)
        if (to != from && index(from, to "/") != 1 && !permits(from, to))
            print $1 ":" $2 ": " from "/ may not include " to "/ (rooms.txt: " may[from] ")"
    }' rooms.txt -)
while IFS= read -r line; do [ -z "$line" ] || complain "$line"; done <<<"$breaches"

# --- calls ------------------------------------------------------------------------------------------------------------
objects=0 seen=
mapfile -t list < <(for file in "${files[@]}"; do [[ $file != *.c ]] || { [ ! -f "$build/${file%.c}.o" ] || echo "$build/${file%.c}.o"; }; done
    find "$build/rules" -name '*.o' 2>/dev/null)
if [ ${#list[@]} -gt 0 ]; then
    objects=${#list[@]}
    breaches=$(nm -A -P -g "${list[@]}" | sed "s|^$build/||; s|^rules/|data/rules/|; s|\.o: | |" | PAIRS=$pairs awk "$allowed"'
        $3 == "U" { caller[++n] = $1; symbol[n] = $2; next }
        $3 ~ /^[A-TV-Z]$/ { home[$2] = $1 }
        # Is this call one of a pair that the list above names?
        function named(key,   i, side, n, line, word, one, two) {
            split(key, side, SUBSEP)
            n = split(ENVIRON["PAIRS"], line, "\n")
            for (i = 1; i <= n; i++) {
                if (split(line[i], word, " ") < 2) continue
                one = "^" word[1] "$"; two = "^" word[2] "$"
                gsub(/\*/, ".*", one); gsub(/\*/, ".*", two)
                if ((side[1] ~ one && side[2] ~ two) || (side[2] ~ one && side[1] ~ two)) return 1
            }
            return 0
        }
        function room_of(file) { sub(/\/[^\/]*$/, "", file); return file }
        END {
            for (i = 1; i <= n; i++) {
                a = caller[i]; b = home[symbol[i]]
                if (b == "" || a == b) continue
                from = room_of(a); to = room_of(b)
                if (from == to) calls[a, b] = symbol[i]
                else {
                    if (!permits(from, to)) print a ".c calls " symbol[i] " of " b ".c: " from "/ may not use " to "/ (rooms.txt: " may[from] ")"
                }
            }
            for (key in calls) {
                split(key, side, SUBSEP)
                if (side[1] < side[2] && (side[2] SUBSEP side[1]) in calls)
                    print "pair " side[1] " " side[2] " " calls[key] " " calls[side[2], side[1]]
            }
            # Circles of three and more: what is left when files that call nobody left are taken away, again and again.
            for (key in calls) if (!named(key)) { split(key, side, SUBSEP); edge[key] = 1; left[side[1]] = left[side[2]] = 1 }
            do {
                gone = 0
                for (file in left) busy[file] = 0
                for (key in edge) {
                    split(key, side, SUBSEP)
                    if (side[1] in left && side[2] in left) busy[side[1]] = 1
                }
                for (file in busy) if (file in left && !busy[file]) { delete left[file]; gone = 1 }
            } while (gone)
            circle = ""
            for (file in left) for (other in left) if ((file, other) in edge) circle = circle " " file ".c->" other ".c (" calls[file, other] ")"
            if (circle != "") print "files call each other in a circle, or lead to one:" circle
        }' rooms.txt - | sort)
    while read -r line; do
        [ -n "$line" ] || continue
        if [[ $line != "pair "* ]]; then
            complain "$line"
            continue
        fi
        read -r _ a b there back <<<"$line"
        known=0
        while read -r one two _; do
            # shellcheck disable=SC2053
            if [ -n "$one" ] && [[ $a == $one && $b == $two ]]; then known=1 seen+=" $one $two;"; fi
        done <<<"$pairs"
        [ $known = 1 ] || complain "$a.c and $b.c call each other ($there; $back): one of them should be below"
    done <<<"$breaches"
    while read -r one two _; do
        [[ -z $one || $seen == *" $one $two;"* ]] || complain "$one.c and $two.c do not call each other any more: take the pair out of $0"
    done <<<"$pairs"
    # A function that no other object calls and no test or benchmark names is private to its file, or nobody's.
    idle=$(comm -23 <(nm -A -P -g "${list[@]}" | awk '$3 == "T" { sub(/.*\//, "", $1); print $2, $1 }' | sort) \
        <(nm -A -P -g "${list[@]}" | awk '$3 == "T" { home[$2] = $1 } $3 == "U" { called[$2] = 1 }
            END { for (s in called) if (s in home) { f = home[s]; sub(/.*\//, "", f); print s, f } }' | sort))
    named=$(grep -rhowF -f <(cut -d' ' -f1 <<<"$idle") --include='*.[ch]' tests bench | sort -u)
    while read -r name file; do
        case $name in main | next_token_*) continue ;; esac # next_token_…: what a sampling step of a file of its own would call
        [ -z "$name" ] || grep -qxF "$name" <<<"$named" || complain "${file%.o:}.c: nobody else calls $name: make it static, or take it out"
    done <<<"$idle"
else
    echo "check-deps: no objects in $build/: only includes are checked (make all builds them)" >&2
fi

# --- other rules ------------------------------------------------------------------------------------------------------
for file in "${files[@]}"; do
    case $file in
    mpi/*) ;;
    *)
        if grep -nE '#[[:space:]]*include[[:space:]]*<mpi\.h>' "$file" /dev/null >&2; then
            complain "$file: only mpi/ may include <mpi.h>"
        fi
        ;;
    esac
    case $file in
    model/kernels/matmul*.c | cli/cmd_doctor.c | cli/bench_cases.c) ;;
    *)
        if grep -nE '\b(cblas_[a-z]+|[sd]gemm_) *\(' "$file" /dev/null >&2; then
            complain "$file: products go through model/kernels/matmul.h (only the doctor and the benchmark measure a BLAS)"
        fi
        ;;
    esac
    case $file in
    mpi/* | cli/main.c) ;;
    *)
        if grep -nE '(^|[^_[:alnum:]"])(_?exit|abort|quick_exit) *\(' "$file" /dev/null | grep -vE ':[[:space:]]*(\*|/\*|//)' >&2; then
            complain "$file: only cli/main.c and mpi/ may end the process"
        fi
        ;;
    esac
done

mapfile -t around < <(find tests bench slurm findings -path tests/golden -prune -o \( -name '*.[ch]' -o -name '*.sh' -o -name '*.py' -o -name '*.sbatch' \) -print | sort)
while read -r lines file; do
    case $file in
    text/tokenizer/unicode_data*.c | total) ;; # tables that tests/oracle/tokenizer_tables.py writes
    *) [ "$lines" -le 400 ] || complain "$file: $lines lines; 400 at most, split it by job" ;;
    esac
done < <(wc -l "${files[@]}" "${around[@]}")
mapfile -t sources < <(printf '%s\n' "${files[@]}" "${around[@]}" | grep '\.[ch]$')

# A function ends where a brace stands alone at the line's beginning: clang-format sees to that.
long=$(awk 'FNR == 1 { from = 0 }
    /^[a-zA-Z}].*\) \{$/ || (/^ .*\) \{$/ && signature) { from = FNR; name = signature ? signature : $0 }
    { signature = /^[a-zA-Z].*[(,]$/ ? $0 : /^ .*,$/ ? signature : "" }
    /^}/ { if (from && FNR - from >= 80) print FILENAME ":" from ": " FNR - from + 1 " lines in " name "; "; from = 0 }' "${sources[@]}")
[ -z "$long" ] || complain "functions above 80 lines: $long"

# x.c beside x.h is one name; the same stem in two folders is two.
same=$(printf '%s\n' "${sources[@]}" | awk -F/ '
    { if (seen[$NF] != "") print seen[$NF] " and " $0; seen[$NF] = $0 }')
[ -z "$same" ] || complain "two files of one name: $same"
near=$(printf '%s\n' "${files[@]##*/}" | sed 's/\.[ch]$//' | sort -u | awk '{ name[$0] = 1 } END { for (n in name) if ((n "s") in name) print n " and " n "s" }')
[ -z "$near" ] || complain "names that one letter tells apart: $near"

# A file that is named, in prose or in a comment, is there (NAME stands for one to be written).
tops=$(sed 's|/.*||' <<<"$rooms" | sort -u | paste -sd '|')
while IFS=: read -r where line name; do
    [ -e "$name" ] || complain "$where:$line: $name is not there"
done < <(grep -rnoE "\\b($tops|tests|bench|slurm|docs)(/[a-z_0-9-]+)+\.(c|h|sh|sbatch|md|inc)\\b" README.md CONTRIBUTING.md docs findings/README.md tests/*.sh Makefile \
    "${files[@]}" 2>/dev/null | grep -v 'data/prompts/.*\.inc')

if [ $bad -gt 0 ]; then
    echo "check-deps: $bad rule(s) broken" >&2
    exit 1
fi
echo "check-deps: ${#files[@]} files and $objects objects follow the rules of rooms.txt"
