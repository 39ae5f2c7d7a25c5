"""Random scored rows of many shapes, for evaluation_live.py and evaluation_golden.py."""
import numpy as np


def rows(rng, n, users, K, ties=False, probabilities=True, classes=True, prompts=0, lengths=True, missing_class=0):
    """missing_class: a label that never occurs."""
    owner = rng.integers(0, users, n)
    taste = rng.normal(0, 0.7, users)
    label = np.clip(np.round(rng.normal((K + 1) / 2, K / 4, n)), 1, K).astype(int)
    if missing_class:
        label[label == missing_class] = 1 if missing_class > 1 else 2
    length = np.round(np.exp(rng.normal(4, 1, n) + 0.2 * label))
    signal = label - (K + 1) / 2 + rng.normal(0, 1.2, n) + taste[owner] + 0.1 * np.log(length)
    out = []
    for i in range(n):
        z = 1.5 * (signal[i] - (np.arange(1, K) - K / 2)) + rng.normal(0, 0.3, K - 1)
        above = 1 / (1 + np.exp(-z))
        if ties:
            above = np.round(above, 1)
        score = 1 + float(above.sum())
        row = {"id": f"r{i}", "user": f"u{owner[i]}", "label": int(label[i]), "score": float(f"{score:.9g}")}
        if classes:
            row["class"] = int(1 + (above > 0.5).sum())
        if probabilities:
            row["above"] = [float(f"{p:.9g}") for p in above]
        if lengths:
            row["length"] = float(length[i])
        if prompts and rng.uniform() < 0.9:
            row["prompt"] = int(rng.integers(0, prompts))
        out.append(row)
    return out


def shape(rng):
    K = int(rng.choice([2, 3, 4, 4, 5, 9]))
    probabilities = bool(rng.uniform() < 0.8)
    return dict(
        n=int(rng.integers(8, 220)),
        users=int(rng.choice([2, 3, 12, 60])),
        K=K,
        ties=bool(rng.uniform() < 0.4),
        probabilities=probabilities,
        classes=probabilities or bool(rng.uniform() < 0.5),
        prompts=int(rng.choice([0, 3, 30])),
        lengths=bool(rng.uniform() < 0.8),
        missing_class=int(rng.choice([0, 0, 0, 1, K])),
    )
