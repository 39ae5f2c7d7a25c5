# Sourced after tests/env.sh by the end-to-end tests of training: a folder of their own to work in, the program on several ranks, and what they ask of logs
# and runs.
# shellcheck shell=bash
. tests/scratch.sh
export WR=$program
cd "$work" || exit 1
export OMP_NUM_THREADS=1 # equal on every rank count, and cores are few

# Each rank leaves its process id in pid.RANK; LOST_RANK starts in a folder where the relative paths lead nowhere.
cat >rank.sh <<'SH'
r=${OMPI_COMM_WORLD_RANK:-0}
echo $$ >"pid.$r"
[ "${LOST_RANK:-none}" = "$r" ] && { mkdir -p lost && cd lost; }
exec "$WR" "$@"
SH
wr() { # wr RANKS ARGUMENTS…: log in log.txt
    local n=$1
    shift
    ranks "$n" bash rank.sh "$@" >out.txt 2>log.txt
}
code() { # code WANTED COMMAND…
    local wanted=$1 rc
    shift
    "$@"
    rc=$?
    [ $rc = "$wanted" ] || { echo "# exit $rc, wanted $wanted"; return 1; }
}
says() { # says FILE WORD…: one line of the log holds all words
    local lines word
    lines=$(cat "$1")
    shift
    for word in "$@"; do lines=$(grep -F -- "$word" <<<"$lines") || return 1; done
}
# Every metric but the times, keys sorted.
metrics() { jq -cS 'with_entries(select(.key | endswith("_s") | not))' "$1/metrics.jsonl"; }
same_run() { cmp "$1/model/model.safetensors" "$2/model/model.safetensors" && cmp <(metrics "$1") <(metrics "$2"); }
# close_run RUN RUN [STEPS]: losses within 1e-5, relative, over at least so many steps.
close_run() {
    paste <(jq -r 'select(.loss) | .loss' "$1/metrics.jsonl") <(jq -r 'select(.loss) | .loss' "$2/metrics.jsonl") | awk -v least="${3:-5}" '
        { d = $1 - $2; if (d < 0) d = -d; if (NF != 2 || !(d <= 1e-5 * $1)) bad = NR; n++ }
        END { if (n < least || bad) { print "# steps " n ", differs at step " bad + 0; exit 1 } }'
}
