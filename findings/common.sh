# Sourced first by every findings/NAME.sh, as `. common.sh [ENVIRONMENT]`: packages, time limit, temporary folder, compiling, comparing.
# Exit codes: 0 the behaviour is as described, 1 it changed or could not be looked at, 77 this machine cannot show it.
set -eu
unset PYTHONPATH PYTHONHOME OPENBLAS_CORETYPE
export LC_ALL=C.UTF-8 OMP_NUM_THREADS=1 PYTHONWARNINGS=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1 # containers are root, and small

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HF_HOME=$work/hf

fail() { # a line that says why there is nothing to compare
    echo "FAILED: $*"
    exit 1
}

# The environments that scripts share, and their pins.
packages() {
    case $1 in
    text) echo jinja2==3.1.6 tokenizers==0.23.3 transformers==5.24.0 numpy==2.4.6 ;;
    model) echo torch==2.13.0 transformers==5.24.0 peft==0.21.2 safetensors==0.8.0 numpy==2.4.6 ;;
    data) echo datasets==5.2.0 duckdb==2.0.1 pyarrow==26.0.0 ;;
    statistics) echo scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6 ;;
    *) fail "no environment '$1'" ;;
    esac
}

# install ENVIRONMENT: sets python. It is kept in $FINDINGS_CACHE where that is set. FINDINGS_PIP: more options of pip.
install() {
    local pins home
    pins=$(packages "$1")
    home=${FINDINGS_CACHE:-$work}/$1-$(cksum <<<"$pins" | cut -d' ' -f1)
    python=$home/bin/python
    [ ! -e "$home/complete" ] || return 0
    rm -rf "$home"
    mkdir -p "${home%/*}"
    python3 -m venv "$home" >"$work/log" 2>&1 || fail "python3 -m venv: $(tail -n 1 "$work/log") (Debian: apt-get install python3-venv)"
    # shellcheck disable=SC2086
    timeout 900 "$python" -m pip install --quiet --no-compile ${FINDINGS_PIP:-} $pins >"$work/log" 2>&1 || fail "pip install $pins: $(grep -v WARNING "$work/log" | tail -n 1)"
    : >"$home/complete"
}

# First what is needed is installed, however long that takes; then the script itself begins anew, with its time limited.
if [ -z "${FINDING_LIMITED:-}" ]; then
    child=
    trap '[ -z "$child" ] || kill "$child"; exit 1' INT TERM HUP
    if [ $# -gt 0 ]; then install "$1"; fi
    FINDING_LIMITED=1 FINDING_PYTHON=${python:-} timeout --kill-after=5 170 bash "$0" &
    child=$!
    code=0
    wait $child || code=$?
    exit $code
fi
trap 'exit 1' INT TERM HUP
python=${FINDING_PYTHON:-}
cd "$work"

# finding VERSION EXPECTED SEEN
finding() {
    printf 'version:  %s\nexpected: %s\nseen:     %s\n' "$@"
}

# run_python <<CODE: what it prints lies in ./output.
run_python() {
    "$python" - >output 2>errors || fail "Python ended with code $?: $(tail -n 1 errors)"
}

# compile NAME COMPILER [OPTION…] <<CODE
compile() {
    local name=$1 compiler=$2
    shift 2
    cat >"$name.c"
    "$compiler" -O2 -std=gnu17 "$name.c" -o "$name" "$@" 2>errors || fail "$compiler: $(grep -m 1 error errors || tail -n 1 errors)"
}

# same <<TEXT: ./output must be this text. The end of every script.
same() {
    cat >wanted
    sed 's/^/output:   /' output
    if ! cmp -s wanted output; then
        echo "CHANGED: it was"
        sed 's/^/          /' wanted
        exit 1
    fi
}
