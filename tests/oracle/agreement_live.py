"""wildreward agree against scikit-learn's cohen_kappa_score and the krippendorff package: random levels of 2 to 6 annotators, some missing.

usage: agreement_live.py [CASES]     WILDREWARD names the program, WILDREWARD_SEED repeats a run
"""
import json, os, random, subprocess, sys, tempfile, warnings
import numpy as np
import krippendorff
from sklearn.metrics import cohen_kappa_score

program = os.environ["WILDREWARD"]
cases = int(sys.argv[1]) if len(sys.argv) > 1 else 200
seed = int(os.environ.get("WILDREWARD_SEED", random.randrange(1 << 30)))
print(f"seed {seed}, {cases} cases")
rng = np.random.default_rng(seed)
warnings.simplefilter("ignore")


def draw():
    annotators, turns = int(rng.integers(2, 7)), int(rng.integers(3, 400))
    share = rng.dirichlet(np.full(5, rng.choice([0.3, 1, 5])))
    truth = rng.choice(5, size=turns, p=share) + 1
    levels = np.zeros((annotators, turns), int)
    for a in range(annotators):
        right = rng.uniform(0.2, 1)
        levels[a] = np.where(rng.uniform(size=turns) < right, truth, rng.integers(1, 6, turns))
        levels[a][rng.uniform(size=turns) < rng.choice([0, 0.1, 0.5])] = 0
    return levels


def alpha(levels, metric):
    data = np.where(levels == 0, np.nan, levels.astype(float))
    try:
        return krippendorff.alpha(reliability_data=data, level_of_measurement=metric)
    except ValueError:  # a single value, or nothing to compare
        return np.nan


def near(got, want, what):
    got = np.nan if got is None else got
    if not (np.isfinite(got) or np.isfinite(want)):
        return
    assert abs(got - want) <= 1e-9, f"{what}: {got} is not {want}"


def compare(levels, classes, pair, overall, way):
    of = np.array([0, 1, 1, 2, 3, 3]) if classes == 3 else np.arange(6)
    levels = of[levels]
    names = list(range(1, classes + 1))
    kappas = []
    for entry, (a, b) in pair:
        both = (levels[a] > 0) & (levels[b] > 0)
        x, y = levels[a][both], levels[b][both]
        figures = entry[way]
        near(figures["agreement"], np.mean(x == y) if len(x) else np.nan, "agreement")
        for key, weights in (("kappa", None), ("kappa_linear", "linear"), ("kappa_quadratic", "quadratic")):
            want = cohen_kappa_score(x, y, labels=names, weights=weights) if len(x) else np.nan
            if len(set(x) | set(y)) < 2:
                want = np.nan
            near(figures[key], want, key)
        if figures["kappa"] is not None:
            kappas.append(figures["kappa"])
        for metric in ("nominal", "ordinal", "interval"):
            near(figures["alpha_" + metric], alpha(levels[[a, b]], metric), "alpha " + metric)
    for metric in ("nominal", "ordinal", "interval"):
        near(overall["alpha_" + metric], alpha(levels, metric), "alpha of all, " + metric)
    near(overall["kappa"], np.mean(kappas) if kappas else np.nan, "mean kappa")


checked = 0
with tempfile.TemporaryDirectory() as folder:
    for case in range(cases):
        levels = draw()
        n = len(levels)
        path = os.path.join(folder, "turns.jsonl")
        with open(path, "w") as f:
            for t in range(levels.shape[1]):
                row = {f"a{i}": (int(levels[i, t]) or None) for i in range(n)}
                f.write(json.dumps({"conversation_hash": f"c{t % 50}", "turn_identifier": t, "user": f"u{t % 7}", "levels": row}) + "\n")
        done = subprocess.run([program, "agree", path, "--resamples", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode != 0:
            assert not levels.any(), done.stderr.decode()
            continue
        result = json.loads(done.stdout)
        pairs = [(e, (int(e["a"][1:]), int(e["b"][1:]))) for e in result["pairs"]]
        assert len(pairs) == n * (n - 1) // 2
        for classes, way in ((5, "5-way"), (3, "3-way")):
            try:
                compare(levels, classes, pairs, result[way], way)
            except AssertionError as e:
                sys.exit(f"case {case} of seed {seed}, {way}: {e}")
        checked += 1
print(f"{checked} cases agree with scikit-learn and krippendorff to 1e-9")
