"""Training curves of the reward objectives against transformers, coral-pytorch and torch.optim.AdamW: 15 steps from a model that we made, each over all records.

usage: curve_objectives.py        WILDREWARD: the program (default build/wildreward); exit 1 on a difference

Every step's loss within 2e-5 of torch's; the parameters beside score.weight and the scores of the model that comes out; which transformers loads without a missing or
unexpected tensor. Weighted and smoothed losses likewise.
"""
import json
import os
import random
import shutil
import sys
import tempfile

import objectives
import torch
from curve_reward import rows, WORDS
from shards import records
from tiny_models import load, make
from training import check, jsonl_tool, padded, run, torch_train, train, worst_difference, write_jsonl

here = os.path.dirname(os.path.abspath(__file__))
STEPS, RATE, CLASSES = 15, 3e-3, 4


class Headed(torch.nn.Module):
    """What transformers loads, and what stands beside score.weight."""

    def __init__(self, folder):
        super().__init__()
        self.model, self.kind = load(folder), json.load(open(os.path.join(folder, "config.json")))["wildreward"]
        own = self.kind.get("biases") or self.kind.get("threshold_steps")
        self.own = torch.nn.Parameter(torch.tensor(own)) if own else None

    def forward(self, ids, mask):
        z = self.model(input_ids=ids, attention_mask=mask).logits
        if "threshold_steps" in self.kind:
            return z - torch.cumsum(torch.cat([self.own[:1], torch.nn.functional.softplus(self.own[1:])]), 0)
        return z + self.own if self.own is not None else z


def weight_of(learned, how):
    def count(key):
        values = [x[key] for x in learned]
        return [values.count(v) for v in values]
    n = len(learned)
    if how == "inverse":
        return torch.tensor([n / (CLASSES * c) for c in count("label")])
    return torch.tensor([(1 - 0.999) / (1 - 0.999 ** c) for c in count("label")])


def compare(name, folder, common, learned, ids, mask, eps=0.0, how=None):
    title = f"{name}{f', smoothed by {eps}' if eps else ''}{f', {how} weights' if how else ''}"
    start, out = os.path.join(folder, "start-" + title), os.path.join(folder, "run-" + title)
    train("reward", start, 1, 0, "--objective", name, "--model", os.path.join(folder, "lm"), *common)
    theirs, labels = Headed(os.path.join(start, "model")), torch.tensor([x["label"] for x in learned])

    def loss_of(m):
        z, loss = m(ids, mask).double(), getattr(objectives, name)
        if not how:
            return loss(z, labels, CLASSES, eps, 1.0)
        each = torch.stack([loss(z[i:i + 1], labels[i:i + 1], CLASSES, eps, 1.0) for i in range(len(labels))])
        return (weight_of(learned, how) * each).sum() / weight_of(learned, how).sum()

    wanted = torch_train(theirs, loss_of, STEPS, RATE)
    more = ["--label-smoothing", eps] if eps else []
    ours = train("reward", out, STEPS, RATE, "--objective", name, "--model", os.path.join(start, "model"), *common, *more, *(["--class-weights", how] if how else []))
    print(f"{title}: torch's loss {wanted[0]:.4f} -> {wanted[-1]:.4f}")
    good = check("worst step", worst_difference(ours, wanted), 2e-5)
    mine = Headed(os.path.join(out, "model"))
    if mine.own is not None:
        good &= check("parameters beside the head", float((mine.own - theirs.own).detach().abs().max()), 2e-5)
    texts = [" ".join(WORDS[i:i + 9]) for i in range(12)]
    from tokenizers import Tokenizer
    tok = Tokenizer.from_file(os.path.join(out, "model", "tokenizer.json"))
    with torch.no_grad():
        z = torch.cat([mine(torch.tensor([tok.encode(t).ids]), None) for t in texts]).double()
    p = objectives.passes(name, z)
    score = z[:, 0] if p is None else 1 + p.sum(1)
    got = jsonl_tool("score", [{"text": t} for t in texts], "--model", os.path.join(out, "model"))
    good &= check("logits", float((torch.tensor([g["logits"] for g in got]).double() - z).abs().max()), 1e-4)
    return good & check("scores", float((torch.tensor([g["score"] for g in got]).double() - score).abs().max()), 1e-4)


def main():
    torch.set_num_threads(2)
    folder, good = tempfile.mkdtemp(prefix="wr-objectives-"), True
    try:
        model, data = os.path.join(folder, "lm"), os.path.join(folder, "data")
        tokenizer = os.path.join(here, "..", "golden", "tokenizer", "digits", "tokenizer.json")
        vocabulary = len(json.load(open(tokenizer))["model"]["vocab"]) + 5
        make({"family": "llama", "score": 0, "tied": False, "C": 32, "H": 4, "G": 2, "D": 8, "F": 64, "V": vocabulary, "L": 1, "rope": "default", "stored": "f32",
              "layout": 5, "positions": 512, "std": 0.08, "seed": 11}, model)
        shutil.copy(tokenizer, model)
        write_jsonl(os.path.join(folder, "rows.jsonl"), rows(random.Random(5)))
        with open(os.path.join(folder, "template.txt"), "w") as f:
            f.write("{history}\n{query}\n{response}")
        run("prepare", os.path.join(folder, "rows.jsonl"), "--format", "labelled", "--classes", CLASSES, "--tokenizer", model, "--out", data,
            "--test-instances", 1, "--min-reply-words", 1, "--min-query-words", 1, "--template", os.path.join(folder, "template.txt"))
        learned = records(data, "reward-train-")
        ids, mask = padded([x["ids"] for x in learned], 0)
        common = ["--data", data, "--global-batch", len(learned), "--precision", "f32"]
        for name in ("ordinal", "coral", "corn", "thresholds", "classes", "regression"):
            good &= compare(name, folder, common, learned, ids, mask)
        for name, eps, how in (("coral", 0.1, None), ("classes", 0.1, None), ("ordinal", 0, "inverse"), ("classes", 0, "effective")):
            good &= compare(name, folder, common, learned, ids, mask, eps, how)
    finally:
        shutil.rmtree(folder)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
