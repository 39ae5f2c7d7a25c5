"""The figures of evaluate, by scikit-learn, scipy and plain loops over all pairs: what evaluation_live.py and evaluation_golden.py compare with.

Random numbers are the program's own (Philox, keyed), so that every resample is the same and its figures can be compared, not only intervals.
"""
import math
import warnings
import numpy as np
from scipy import optimize, stats
from sklearn import metrics

warnings.simplefilter("ignore")
MASK = (1 << 64) - 1
BOOTSTRAP, FOLD = 7, 12


def mix(x):
    x ^= x >> 30
    x = x * 0xBF58476D1CE4E5B9 & MASK
    x ^= x >> 27
    x = x * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


class Stream:
    def __init__(self, seed, purpose, a, b, c):
        h, g = 0x9E3779B97F4A7C15, 0xD1B54A32D192ED03
        for i, word in enumerate((seed, purpose, a, b, c)):
            h = mix((h + word + 0x9E3779B97F4A7C15) & MASK)
            g = mix(((g ^ word) + 0xD1B54A32D192ED03 * (i + 1)) & MASK)
        self.key, self.upper, self.block, self.words = (h & 0xFFFFFFFF, h >> 32), (g & 0xFFFFFFFF, g >> 32), 0, []

    def u32(self):
        if not self.words:
            c, k = [self.block & 0xFFFFFFFF, self.block >> 32, *self.upper], list(self.key)
            for _ in range(10):
                p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
                c = [(q >> 32) ^ c[1] ^ k[0], q & 0xFFFFFFFF, (p >> 32) ^ c[3] ^ k[1], p & 0xFFFFFFFF]
                k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
            self.words = c[::-1]
            self.block += 1
        return self.words.pop()

    def below(self, n):
        def draw():
            low = self.u32()
            return (low | self.u32() << 32) * n

        product = draw()
        if product & MASK < n:
            least = (1 << 64) % n
            while product & MASK < least:
                product = draw()
        return product >> 64

    def shuffle(self, items):
        for i in range(len(items), 1, -1):
            j = self.below(i)
            items[i - 1], items[j] = items[j], items[i - 1]


def drawn(seed, b, which, n):
    r = Stream(seed, BOOTSTRAP, b, which, 0)
    return [r.below(n) for _ in range(n)]


def interval(values):
    values = [v for v in values if math.isfinite(v)]
    low, high = np.percentile(values, [2.5, 97.5]) if values else (math.nan, math.nan)
    return float(low), float(high), len(values)


def quiet(function, *arguments, **named):
    try:
        return float(function(*arguments, **named))
    except ValueError:
        return math.nan


def class_probabilities(above):
    edges = np.hstack([np.ones((len(above), 1)), above, np.zeros((len(above), 1))])
    p = np.maximum(edges[:, :-1] - edges[:, 1:], 0)
    return p / p.sum(1, keepdims=True)


def ece(p, hit, bins):
    edges = np.array([k / bins for k in range(bins + 1)])
    total = np.histogram(p, edges, weights=p)[0] - np.histogram(p, edges, weights=hit.astype(float))[0]
    return float(np.abs(total).sum() / len(p))


def adaptive_ece(p, hit, bins):
    order = np.argsort(p, kind="stable")
    p, hit, start, total = p[order], hit[order], 0, 0.0
    for b in range(1, bins + 1):
        end = max(start, int(b * len(p) / bins))
        while start < end < len(p) and p[end] == p[end - 1]:
            end += 1
        total += abs(float(np.sum(p[start:end] - hit[start:end])))
        start = end
    return total / len(p)


def pairs(score, label, least=0.0, mask=None):
    """(pairs of different label whose scores differ by least or more, those of them in the labels' order)"""
    d, l = score[:, None] - score[None, :], label[:, None] - label[None, :]
    use = (l > 0) & (np.abs(d) >= least)
    if mask is not None:
        use &= mask
    return int(use.sum()), int((use & (d > 0)).sum())


def partial(x, y, z):
    """Correlation of what is left of the ranks of x and y when those of z are fitted out."""
    x, y, z = (stats.rankdata(v) for v in (x, y, z))
    A = np.column_stack([z, np.ones(len(z))])
    rest = [v - A @ np.linalg.lstsq(A, v, rcond=None)[0] for v in (x, y)]
    if min(np.abs(r).max() for r in rest) < 1e-9:
        return math.nan
    return float(np.corrcoef(*rest)[0, 1])


def correlation(x, y):
    return math.nan if len(set(x)) < 2 or len(set(y)) < 2 else float(stats.spearmanr(x, y).statistic)


class Data:
    def __init__(self, rows):
        self.score = np.array([r["score"] for r in rows], float)
        self.label = np.array([r["label"] for r in rows])
        self.predicted = np.array([r["class"] for r in rows]) if "class" in rows[0] else None
        self.above = np.array([r["above"] for r in rows], float) if "above" in rows[0] else None
        self.length = np.array([r["length"] for r in rows], float) if "length" in rows[0] else None
        names = {}
        self.user = np.array([names.setdefault(r["user"], len(names)) for r in rows])
        names_p = {}
        self.prompt = np.array([names_p.setdefault(r["prompt"], len(names_p)) if "prompt" in r else -1 - i for i, r in enumerate(rows)])
        self.users = len(names)
        most = max(self.label.max(), self.predicted.max() if self.predicted is not None else 0)
        self.K = self.above.shape[1] + 1 if self.above is not None else int(most)

    def figures(self, at, bins):
        """The first figures, those of classes and of thresholds, of the records `at` (with repetitions)."""
        s, y, out = self.score[at], self.label[at], {}
        out["spearman"] = correlation(s, y)
        out["kendall_tau_b"] = quiet(lambda: stats.kendalltau(s, y).statistic)
        total, right = pairs(s, y)
        out["pairwise_accuracy"] = right / total if total else math.nan
        for k in range(1, self.K):
            out[f"by_threshold/{k - 1}/auc"] = quiet(metrics.roc_auc_score, y > k, s) if 0 < (y > k).sum() < len(y) else math.nan
        if self.predicted is not None:
            c, names = self.predicted[at], list(range(1, self.K + 1))
            out["accuracy"] = quiet(metrics.accuracy_score, y, c)
            same = len(set(y) | set(c)) < 2
            out["quadratic_kappa"] = math.nan if same else quiet(metrics.cohen_kappa_score, y, c, labels=names, weights="quadratic")
            found = metrics.precision_recall_fscore_support(y, c, labels=names, zero_division=np.nan)
            for name, values in zip(("precision", "recall", "f1"), found):
                for k, v in enumerate(values):
                    out[f"by_class/{k}/{name}"] = float(v)
        if self.predicted is not None or self.above is not None:
            out["mae"] = quiet(metrics.mean_absolute_error, y, s)
        if self.above is not None:
            out.update(self.told(self.above, at, bins))
        if self.length is not None:
            l = self.length[at]
            out["length_bias/score_length_spearman"] = correlation(s, l)
            out["length_bias/label_length_spearman"] = correlation(y, l)
            out["length_bias/spearman_given_length"] = partial(s, y, l) if len(set(s)) > 1 and len(set(y)) > 1 and len(set(l)) > 1 else math.nan
        return out

    def told(self, above, at, bins):
        y, a, out = self.label[at], above[at], {}
        p = np.clip(class_probabilities(a), np.finfo(float).eps, 1)
        out["log_loss"] = float(-np.log(p[np.arange(len(y)), y - 1]).mean())
        for k in range(1, self.K):
            out[f"by_threshold/{k - 1}/brier"] = quiet(metrics.brier_score_loss, y > k, a[:, k - 1], pos_label=True)
            if not 0 < (y > k).sum() < len(y):
                out[f"by_threshold/{k - 1}/brier"] = float(((a[:, k - 1] - (y > k)) ** 2).mean())
            out[f"by_threshold/{k - 1}/ece"] = ece(a[:, k - 1], y > k, bins)
        for name in ("brier", "ece"):
            out[name] = float(np.mean([out[f"by_threshold/{k}/{name}"] for k in range(self.K - 1)]))
        return out

    def temperature(self, use):
        l = np.clip(np.log(self.above[use]) - np.log1p(-self.above[use]), -36, 36)
        t = self.label[use][:, None] > np.arange(1, self.K)
        if not np.any(np.where(t, l < 0, l > 0)):
            return math.nan
        slope = lambda s: float(np.sum((1 / (1 + np.exp(-s * l)) - t) * l))
        if slope(0) >= 0:
            return math.nan
        high = 1.0
        while slope(high) < 0:
            high *= 2
        return 1 / optimize.brentq(slope, 0, high, xtol=1e-15, rtol=1e-14)

    def platt(self, use, k):
        p, t = self.above[use][:, k - 1], self.label[use] > k
        l = np.clip(np.log(p) - np.log1p(-p), -36, 36)
        target = np.where(t, (t.sum() + 1) / (t.sum() + 2), 1 / ((~t).sum() + 2))

        def gradient(x):
            r = 1 / (1 + np.exp(-(x[0] * l + x[1]))) - target
            return [np.sum(r * l), np.sum(r)]

        def loss(x):
            f = x[0] * l + x[1]
            return float(np.sum(np.logaddexp(0, f) - target * f))

        start = optimize.minimize(loss, [0, 0], jac=gradient, method="BFGS", options={"gtol": 1e-9}).x
        return optimize.root(gradient, start, tol=1e-14).x

    def calibrated(self, seed, bins):
        out, logit = {}, np.clip(np.log(self.above) - np.log1p(-self.above), -36, 36)
        everyone = np.ones(len(self.label), bool)
        out["calibration/temperature/temperature"] = self.temperature(everyone)
        for k in range(1, self.K):
            a, b = self.platt(everyone, k)
            out[f"calibration/platt/slope/{k - 1}"], out[f"calibration/platt/shift/{k - 1}"] = float(a), float(b)
        if self.users < 2:
            return out
        order, half = list(range(self.users)), np.zeros(self.users, int)
        Stream(seed, FOLD, 0, 0, 0).shuffle(order)
        for i, u in enumerate(order):
            half[u] = i >= self.users // 2
        side = half[self.user]
        by_t, by_p = np.full(self.above.shape, math.nan), np.zeros(self.above.shape)
        for s in (0, 1):
            by_t[side == s] = 1 / (1 + np.exp(-logit[side == s] / self.temperature(side != s)))
            for k in range(1, self.K):
                a, b = self.platt(side != s, k)
                by_p[side == s, k - 1] = 1 / (1 + np.exp(-(a * logit[side == s, k - 1] + b)))
        everything = np.arange(len(self.label))
        for name, above in (("temperature", by_t), ("platt", by_p)):
            if np.isnan(above).any():
                continue
            told = self.told(above, everything, bins)
            for figure in ("log_loss", "brier", "ece"):
                out[f"calibration/{name}/{figure}"] = told[figure]
        return out

    def all_pairs(self):
        out = {}
        total = pairs(self.score, self.label)[0]
        if self.predicted is not None or self.above is not None:
            for k in range(21):
                n, right = pairs(self.score, self.label, k / 20)
                out[f"confidence_curve/{k}/pairs"] = n
                out[f"confidence_curve/{k}/coverage"] = n / total if total else math.nan
                out[f"confidence_curve/{k}/accuracy"] = right / n if n else math.nan
        if self.length is not None:
            same = self.prompt[:, None] == self.prompt[None, :]
            for name, mask in (("pairwise_accuracy", None), ("same_prompt", same)):
                n, right = pairs(self.length, self.label, 0, mask)
                out[f"length_bias/length_alone/{name}"] = right / n if n else math.nan
        for name, group in (("prompt", self.prompt), ("user", self.user)):
            same = group[:, None] == group[None, :]
            for part, mask in ((f"same_{name}", same), (f"across_{name}s", ~same)):
                n, right = pairs(self.score, self.label, 0, mask)
                out[f"consistency/{part}/pairs"] = n
                out[f"consistency/{part}/accuracy"] = right / n if n else math.nan
        return out


def evaluate(rows, seed, resamples, bins):
    """Every figure by its path in the file: "by_class/0/f1"; "_low" and "_high" behind those with intervals."""
    d = Data(rows)
    out = d.figures(np.arange(len(rows)), bins)
    records = [np.flatnonzero(d.user == u) for u in range(d.users)]
    samples = []
    for b in range(resamples if d.users > 1 else 0):
        samples.append(d.figures(np.concatenate([records[u] for u in drawn(seed, b, 0, d.users)]), bins))
    for name in list(out):
        low, high, defined = interval([s[name] for s in samples])
        out[name + "_low"], out[name + "_high"] = low, high
        if "/" not in name:
            out["bootstrap/defined/" + name] = defined
    if d.above is not None:
        for k in range(1, d.K):
            out[f"by_threshold/{k - 1}/adaptive_ece"] = adaptive_ece(d.above[:, k - 1], d.label > k, bins)
        out["adaptive_ece"] = float(np.mean([out[f"by_threshold/{k}/adaptive_ece"] for k in range(d.K - 1)]))
        out.update(d.calibrated(seed, bins))
    if d.predicted is not None:
        for y, row in enumerate(metrics.confusion_matrix(d.label, d.predicted, labels=list(range(1, d.K + 1)))):
            for c, n in enumerate(row):
                out[f"confusion/{y}/{c}"] = int(n)
    out.update(d.all_pairs())
    return out


def at(value, path):
    for part in path.split("/"):
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def worst(result, wanted):
    """(largest difference, its path); a figure that only one side has is infinitely far."""
    far, where = 0.0, ""
    for path, want in wanted.items():
        got = at(result, path)
        got = math.nan if got is None else got
        if math.isnan(got) and math.isnan(want):
            continue
        d = abs(got - want) / max(1, abs(want))
        if not d <= far:
            far, where = (d if math.isfinite(d) else math.inf), f"{path}: {got}, wanted {want}"
    return far, where
