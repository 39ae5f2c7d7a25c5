#!/bin/sh
# Live comparison with Hugging Face (nothing else in the project needs Python).
#   ORACLE_VENV   an environment that has requirements.txt (default: made in $BUILD/oracle-venv)
#   ORACLE_MODEL  a Llama directory: also compare tokens, log-probabilities and greedy replies with it
#   ORACLE_SAVED  a directory that wildreward saved: also load it with transformers
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
venv=${ORACLE_VENV:-$build/oracle-venv}
if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet -r tests/oracle/requirements.txt
fi
python=$venv/bin/python
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"$python" tests/oracle/make_model_goldens.py "$fresh" 2>/dev/null
"$python" tests/oracle/compare_model.py goldens tests/golden/model "$fresh"
if [ -n "${ORACLE_SAVED:-}" ]; then "$python" tests/oracle/compare_model.py load "$ORACLE_SAVED"; fi
if [ -n "${ORACLE_MODEL:-}" ]; then
    "$python" tests/oracle/tokenizer_random.py "$ORACLE_MODEL" "$build/wildreward" 1
    "$python" tests/oracle/sample_greedy.py "$ORACLE_MODEL" "$build/wildreward"
fi
