"""Losses, gradients, classes and probabilities of the reward objectives, by coral-pytorch and torch's autograd: cases for tests/unit/test_objective_golden.c.

usage: objectives.py OUT.jsonl [--fresh]        --fresh: drawn anew (WILDREWARD_SEED repeats a run); without it the cases of tests/golden/objectives

CORAL and CORN are coral_pytorch.losses' own; smoothed targets, thresholds and the rest are written with torch's functions. Everything in double, of logits that f32
holds. A case of a head beside score.weight has `s`, the parameters `own`, and their gradient.
"""
import json
import os
import random
import sys

import torch
import torch.nn.functional as F
from coral_pytorch.dataset import corn_label_from_logits, levels_from_labelbatch, proba_to_label
from coral_pytorch.layers import CoralLayer
from coral_pytorch.losses import coral_loss, corn_loss


def smooth(t, eps):
    return t * (1 - eps) + eps / 2


def levels(y, K):
    return levels_from_labelbatch(y - 1, K).double()


def ordinal(z, y, K, eps, delta):
    return F.binary_cross_entropy_with_logits(z, smooth(levels(y, K), eps))


def coral(z, y, K, eps, delta):
    return coral_loss(z, smooth(levels(y, K), eps))


def corn(z, y, K, eps, delta):
    if eps == 0:
        return corn_loss(z, y - 1, K)
    rows = [(z[y > k, k], (y[y > k] > k + 1).double()) for k in range(K - 1)]
    return sum(F.binary_cross_entropy_with_logits(a, smooth(t, eps), reduction="sum") for a, t in rows) / sum(len(t) for _, t in rows)


def thresholds(z, y, K, eps, delta):
    t = smooth(levels(y, K), eps)
    return -(t * F.logsigmoid(z) + (1 - t) * F.logsigmoid(-z)).sum(1).mean()


def classes(z, y, K, eps, delta):
    return F.cross_entropy(z, y - 1, label_smoothing=eps)


def regression(z, y, K, eps, delta):
    return F.huber_loss(z[:, 0], y.double(), delta=delta)


def passes(name, z):
    """P(y > k), or None."""
    if name == "corn":
        return torch.cumprod(torch.sigmoid(z), 1)
    if name == "classes":
        return 1 - torch.cumsum(torch.softmax(z, 1), 1)[:, :-1]
    return None if name == "regression" else torch.sigmoid(z)


def predicted(name, z, p, K):
    if name == "corn":
        return corn_label_from_logits(z.float()) + 1
    if name == "classes":
        return z.argmax(1) + 1
    return z[:, 0].round().clamp(1, K).long() if name == "regression" else proba_to_label(p) + 1


def head(name, r, K):
    """s, own parameters, logits of both."""
    g = torch.Generator().manual_seed(r.randrange(1 << 30))
    s = torch.randn(6, generator=g).double().requires_grad_()
    if name == "coral":
        own = CoralLayer(1, K).coral_bias.detach().double()
        assert torch.equal(own.float(), torch.arange(K - 1, 0, -1).float() / (K - 1))
    elif name == "thresholds":
        own = torch.cat([torch.tensor([1 - K / 2]), torch.full((K - 2,), 0.5413248538970947)]).double()
    else:
        own = torch.tensor([(K + 1) / 2]).double()
    start = own.float().tolist()
    own = (own + 0.3 * torch.randn(len(own), generator=g)).float().double().requires_grad_()
    if name == "thresholds":
        theta = torch.cumsum(torch.cat([own[:1], F.softplus(own[1:])]), 0)
        return start, s, own, s[:, None] - theta[None]
    return start, s, own, s[:, None] + own[None]


def case(name, r, K, eps):
    loss = globals()[name]
    n, delta = 6, r.choice([0.5, 1.0, 2.0]) if name == "regression" else 1.0
    y = torch.tensor([r.randrange(1, K + 1) for _ in range(n)])
    outputs = {"classes": K, "regression": 1}.get(name, K - 1)
    z = torch.tensor([[r.gauss(0, 2) + (y[i].item() if name == "regression" else 0) for _ in range(outputs)] for i in range(n)]).float().double()
    if r.random() < 0.2:
        z = (z * 20).float().double()
    z.requires_grad_()
    value = loss(z, y, K, eps, delta)
    value.backward()
    p = passes(name, z.detach())
    row = {"objective": name, "classes": K, "smoothing": eps, "delta": delta, "labels": y.tolist(), "logits": z.flatten().tolist(), "loss": [value.item()],
           "grad": z.grad.flatten().tolist(), "class": predicted(name, z.detach(), p, K).tolist()}
    row["score"] = (z.detach()[:, 0] if p is None else 1 + p.sum(1)).tolist()
    if p is not None:
        row["passes"] = p.flatten().tolist()
        row["violates"] = (p[:, 1:] > p[:, :-1]).any(1).tolist()
    if name == "classes":
        q = torch.softmax(z.detach(), 1)
        level = torch.arange(1, K + 1).double()
        row["spread"] = ((q * (level[None] - (q * level).sum(1, keepdim=True)) ** 2).sum(1)).sqrt().tolist()
    if name in ("coral", "thresholds", "regression"):
        start, s, own, logits = head(name, r, K)
        loss(logits, y, K, eps, delta).backward()
        row["head"] = {"start": start, "s": s.tolist(), "own": own.tolist(), "logits": logits.flatten().tolist(), "ds": s.grad.tolist(), "down": own.grad.tolist()}
    return row


def pairs(r, eps, center, margins):
    """TRL's RewardTrainer (1.16.0, compute_loss), with conservative targets besides: rows 2i and 2i + 1 are the chosen and the rejected reply's."""
    z = torch.tensor([r.gauss(0, 2) for _ in range(6)]).float().double().requires_grad_()
    m = torch.tensor([r.choice([0.0, 0.5, 1.0, 3.0]) if margins else 0.0 for _ in range(3)]).double()
    chosen, rejected = z[::2], z[1::2]
    d = chosen - rejected - m
    value = ((1 - eps) * -F.logsigmoid(d) + eps * -F.logsigmoid(-d)).mean() + center * torch.mean((chosen + rejected) ** 2)
    value.backward()
    return {"objective": "bt", "classes": 2, "smoothing": eps, "center": center, "labels": [2, 1] * 3, "logits": z.tolist(), "margins": m.tolist(),
            "loss": [value.item()], "grad": z.grad.tolist()}


def main():
    fresh = "--fresh" in sys.argv
    seed = int(os.environ.get("WILDREWARD_SEED") or random.randrange(1 << 30)) if fresh else 3
    print(f"seed {seed}")
    r, count = random.Random(seed), 0
    with open(sys.argv[1], "w") as f:
        for name in ("ordinal", "coral", "corn", "thresholds", "classes", "regression"):
            for K in (2, 4, r.randrange(3, 9)) + ((32, r.randrange(9, 33)) if fresh else ()):
                for eps in (0.0,) if name == "regression" else (0.0, 0.1):
                    f.write(json.dumps(case(name, r, K, eps)) + "\n")
                    count += 1
        for eps, center, margins in ((0, 0, False), (0, 0, True), (0, 0.01, True), (0.1, 0.5, True)):
            f.write(json.dumps(pairs(r, eps, center, margins)) + "\n")
            count += 1
    print(f"{count} cases")


if __name__ == "__main__":
    main()
