"""evaluate --scored and --compare against scikit-learn and scipy: random rows, every figure, every resample, to 1e-6.

usage: evaluation_live.py [CASES]     WILDREWARD names the program, WILDREWARD_SEED repeats a run
"""
import json, math, os, random, subprocess, sys, tempfile
import numpy as np
from scipy import stats
import evaluation_cases as cases
import evaluation_reference as reference

program = os.environ["WILDREWARD"]
n_cases = int(sys.argv[1]) if len(sys.argv) > 1 else 40
seed = int(os.environ.get("WILDREWARD_SEED", random.randrange(1 << 30)))
rng = np.random.default_rng(seed)
print(f"seed {seed}, {n_cases} cases")
RESAMPLES, TOLERANCE = 15, 1e-6


def run(folder, rows, *options, name="rows"):
    path, out = os.path.join(folder, name + ".jsonl"), os.path.join(folder, name + ".json")
    with open(path, "w") as f:
        f.writelines(json.dumps(r) + "\n" for r in rows)
    subprocess.run([program, "evaluate", "--scored", path, "--out", out, *map(str, options)], check=True, stderr=subprocess.DEVNULL)
    with open(out) as f:
        return json.load(f), out


def check(case, result, wanted):
    far, where = reference.worst(result, wanted)
    if far > TOLERANCE:
        sys.exit(f"case {case} of seed {seed}: {where}")


def compare(case, folder, rows):
    """A second model on the same records: differences in the same resamples, McNemar's test by the binomial one."""
    other = [dict(r, score=r["score"] + 0.3 * float(rng.normal()), **{"class": max(1, min(4, r["class"] + int(rng.integers(-1, 2))))}) for r in rows]
    seed_b, resamples = int(rng.integers(1, 1000)), 30
    (_, a), (_, b) = run(folder, rows, "--resamples", 0, name="a"), run(folder, other, "--resamples", 0, name="b")
    out = os.path.join(folder, "c.json")
    subprocess.run([program, "evaluate", "--compare", a, b, "--out", out, "--resamples", str(resamples), "--seed", str(seed_b)], check=True, stderr=subprocess.DEVNULL)
    with open(out) as f:
        pair = json.load(f)["pairs"][0]
    first, second = reference.Data(rows), reference.Data(other)
    owner = first.user
    # the program takes records in the order of their ids' hashes, and numbers users as they then come
    with open(a) as f:
        ids = json.load(f)["per_record"]["id"]
    order, number = sorted(range(len(ids)), key=lambda i: ids[i]), {}
    renumbered = np.zeros(len(ids), int)
    for i in order:
        renumbered[i] = number.setdefault(int(owner[i]), len(number))
    records = [np.flatnonzero(renumbered == u) for u in range(len(number))]
    samples = []
    for k in range(resamples):
        at = np.concatenate([records[u] for u in reference.drawn(seed_b, k, 0, len(number))])
        x, y = first.figures(at, 15), second.figures(at, 15)
        samples.append({name: x[name] - y[name] for name in x if name in y})
    whole = np.arange(len(rows))
    x, y = first.figures(whole, 15), second.figures(whole, 15)
    for name in ("accuracy", "mae", "spearman", "kendall_tau_b", "quadratic_kappa", "pairwise_accuracy", "log_loss"):
        if math.isnan(x[name] - y[name]):
            continue
        d = [s[name] for s in samples if math.isfinite(s[name])]
        low, high, _ = reference.interval(d)
        p = min(1, 2 * (min(sum(v <= 0 for v in d), sum(v >= 0 for v in d)) + 1) / (len(d) + 1))
        check(f"{case}, {name}", pair[name], {"difference": x[name] - y[name], "low": low, "high": high, **({} if name == "log_loss" else {"p": p})})
    r, s = first.predicted == first.label, second.predicted == second.label
    b_only, c_only = int((r & ~s).sum()), int((s & ~r).sum())
    p = stats.binomtest(b_only, b_only + c_only, 0.5).pvalue if b_only + c_only else 1.0
    check(f"{case}, McNemar", pair["mcnemar"], {"only_first_right": b_only, "only_second_right": c_only, "p": float(p)})


def intervals_like_scipy(folder):
    """scipy's own percentile bootstrap, with its own random numbers: the same interval up to the error of 4000 resamples."""
    rows = cases.rows(rng, 1200, 300, 4)
    d = reference.Data(rows)
    records = [np.flatnonzero(d.user == u) for u in range(d.users)]
    result, _ = run(folder, rows, "--resamples", 4000)

    def accuracy(users):
        at = np.concatenate([records[u] for u in users])
        return float((d.predicted[at] == d.label[at]).mean())

    want = stats.bootstrap((np.arange(d.users),), accuracy, vectorized=False, method="percentile", n_resamples=4000, rng=rng).confidence_interval
    width = want.high - want.low
    for got, ours in ((result["accuracy_low"], want.low), (result["accuracy_high"], want.high)):
        assert abs(got - ours) < 0.12 * width, (got, ours, width)


with tempfile.TemporaryDirectory() as folder:
    for case in range(n_cases):
        shape = cases.shape(rng)
        rows = cases.rows(rng, **shape)
        bins, seed_b = int(rng.choice([2, 10, 15])), int(rng.integers(0, 1000))
        result, _ = run(folder, rows, "--resamples", RESAMPLES, "--bins", bins, "--seed", seed_b)
        check(f"{case} ({shape})", result, reference.evaluate(rows, seed_b, RESAMPLES, bins))
    for case in range(max(1, n_cases // 4)):
        compare(case, folder, cases.rows(rng, int(rng.integers(20, 150)), 12, 4, ties=bool(case % 2)))
    intervals_like_scipy(folder)
print(f"{n_cases} cases agree with scikit-learn and scipy to {TOLERANCE}")
