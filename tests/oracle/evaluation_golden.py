"""Scored rows and what scikit-learn and scipy make of them, into tests/golden/evaluation: NAME.jsonl, NAME.json (by path).

usage: evaluation_golden.py FOLDER
"""
import json, math, os, sys
import numpy as np
import evaluation_cases as cases
import evaluation_reference as reference

RESAMPLES, BINS, SEED = 20, 15, 3
wanted = {
    "plain": dict(n=90, users=20, K=4, prompts=15),
    "ties": dict(n=60, users=9, K=3, ties=True, prompts=6),
    "no_class": dict(n=50, users=7, K=5, probabilities=False, classes=False, lengths=False),
    "never": dict(n=40, users=5, K=4, missing_class=3),
}
folder = sys.argv[1]
os.makedirs(folder, exist_ok=True)
for i, (name, shape) in enumerate(wanted.items()):
    rows = cases.rows(np.random.default_rng(100 + i), **shape)
    with open(os.path.join(folder, name + ".jsonl"), "w") as f:
        f.writelines(json.dumps(r, separators=(",", ":")) + "\n" for r in rows)
    figures = reference.evaluate(rows, SEED, RESAMPLES, BINS)
    with open(os.path.join(folder, name + ".json"), "w") as f:
        lines = (f' {json.dumps(k)}: {json.dumps(None if math.isnan(v) else round(v, 9))}' for k, v in figures.items())
        f.write("{\n" + ",\n".join(lines) + "\n}\n")
