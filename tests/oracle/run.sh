#!/bin/sh
# Live comparison with Hugging Face (nothing else in the project needs Python). Shapes are drawn afresh; the seed is printed.
#   WILDREWARD_SEED   repeats the shapes of a run
#   ORACLE_VENV       an environment that has requirements.txt (default: made in $BUILD/oracle-venv)
#   WILDREWARD_REAL   folder with smol/, a pretrained chat model (Hugging Face directory): also compared, in half an hour on two cores
#   WILDREWARD_CHATS  real chats (WildChat JSONL, zstd) for that
#   ORACLE_TEMPLATES  folder of published chat templates, *.jinja: rendered with the pretrained model's tokenizer
#   ORACLE_SAVED      a directory that wildreward saved: also loaded with transformers
set -eu
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
venv=${ORACLE_VENV:-$build/oracle-venv}
if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet -r tests/oracle/requirements.txt
fi
python=$venv/bin/python
here=tests/oracle
export WILDREWARD="${WILDREWARD:-$PWD/$build/wildreward}" PYTHONDONTWRITEBYTECODE=1
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT

echo "== stored golden values"
"$python" $here/make_model_goldens.py "$fresh/stored"
"$python" $here/compare_model.py goldens tests/golden/model "$fresh/stored"

echo "== modules that PEFT adapts"
"$python" $here/lora_targets.py "$fresh/targets.jsonl" >/dev/null
cmp tests/golden/lora/targets.jsonl "$fresh/targets.jsonl"

echo "== models of random shapes: values, gradients, AdamW"
"$python" $here/make_model_goldens.py "$fresh/models" --fresh
${MAKE:-make} --no-print-directory BUILD="$build" "$build/tests/unit/test_model_golden"
WILDREWARD_GOLDENS="$fresh/models" "$build/tests/unit/test_model_golden"

echo "== logprobs and score"
"$python" $here/compare_cli.py

echo "== reward models of others"
"$python" $here/reward_models.py
"$python" $here/reward_trl.py

echo "== greedy replies of every family"
"$python" $here/sample_families.py

echo "== objectives of reward models"
"$python" $here/objectives.py "$fresh/objectives.jsonl" --fresh
${MAKE:-make} --no-print-directory BUILD="$build" "$build/tests/unit/test_objective_golden"
WILDREWARD_OBJECTIVES="$fresh/objectives.jsonl" "$build/tests/unit/test_objective_golden"
"$python" $here/curve_objectives.py

echo "== event files"
"$python" $here/tensorboard_read.py

echo "== training curve"
"$python" $here/curve_reward.py

if [ -n "${ORACLE_SAVED:-}" ]; then "$python" $here/compare_model.py load "$ORACLE_SAVED"; fi

echo "== agreement of annotators"
"$python" $here/agreement_live.py

echo "== published suites"
bench_of_rewards=$build/oracle-rewardbench # its own pins are of other versions of what is there
[ -d "$bench_of_rewards" ] || "$python" -m pip install --quiet --no-deps --target "$bench_of_rewards" rewardbench==0.1.4
PYTHONPATH=$bench_of_rewards "$python" $here/suites.py cases "$fresh/suites.jsonl.zst"
${MAKE:-make} --no-print-directory BUILD="$build" "$build/tests/unit/test_suites"
WILDREWARD_SUITES=$fresh/suites.jsonl.zst "$build/tests/unit/test_suites"
PYTHONPATH=$bench_of_rewards "$python" $here/suites.py live tests/golden/reward/llama-1 tests/golden/tokenizer/llama3/tokenizer.json

echo "== figures of evaluations"
"$python" $here/evaluation_golden.py "$fresh/evaluation"
for f in tests/golden/evaluation/*; do cmp "$f" "$fresh/evaluation/$(basename "$f")"; done
"$python" $here/evaluation_live.py

echo "== exported rows"
"$python" $here/export_rows.py

echo "== template files"
chats=${WILDREWARD_CHATS:-${WILDREWARD_SHARED:-../shared}/data/sharegpt_wildchat.jsonl.zst}
if [ -f "$chats" ]; then
    "$python" $here/template_reference.py "$chats"
else
    echo "skipped: no real chats (set WILDREWARD_CHATS)"
fi

echo "== tokenizers"
for t in tests/golden/tokenizer/*/tokenizer.json; do "$python" $here/tokenizer_random.py "$(dirname "$t")" "$WILDREWARD"; done

echo "== Parquet"
${MAKE:-make} --no-print-directory BUILD="$build" "$build/bench/bench_parquet"
"$python" $here/parquet_live.py "$build/bench/bench_parquet" ${WILDREWARD_SEED:-}

echo "== a pretrained model"
real=${WILDREWARD_REAL:-}
if [ -z "$real" ] || [ ! -f "$real/smol/config.json" ]; then
    echo "skipped: WILDREWARD_REAL does not name a folder with smol/"
else
    "$python" $here/tokenizer_random.py "$real/smol" "$WILDREWARD"
    "$python" $here/chat_live.py "$real/smol"
    "$python" $here/sample_greedy.py "$real/smol"
    if [ -z "${WILDREWARD_CHATS:-}" ]; then
        echo "log-probabilities and fine-tuning skipped: WILDREWARD_CHATS is not set"
    else
        "$python" $here/finetune_real.py "$real/smol" "$WILDREWARD_CHATS"
    fi
fi
