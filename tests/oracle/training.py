"""What the training comparisons share: running `wildreward train`, and the same steps in torch."""
import json
import os
import subprocess

import torch


def program():
    return os.environ.get("WILDREWARD", os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "build", "wildreward"))


def run(*arguments, **more):
    done = subprocess.run([program(), *map(str, arguments)], capture_output=True, text=True, **more)
    if done.returncode:
        raise SystemExit(f"wildreward {' '.join(map(str, arguments))}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def jsonl_tool(name, rows, *options):
    out = run(name, *options, input="".join(json.dumps(r) + "\n" for r in rows))
    return [json.loads(line) for line in out.split("\n") if line]


def write_jsonl(path, rows):
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in rows)


def train(kind, out, steps, lr, *options):
    """Losses of a run at a constant rate, step by step (each before its update)."""
    run("train", kind, "--out", out, "--steps", steps, "--lr", lr, "--lr-schedule", "constant", "--warmup-ratio", 0, "--weight-decay", 0.01,
        "--grad-clip", 1.0, "--checkpoint-every", 0, "--seed", 3, *options)
    rows = [json.loads(line) for line in open(os.path.join(out, "metrics.jsonl"))]
    return [r["loss"] for r in rows if "loss" in r]


def torch_train(model, loss_of, steps, lr):
    """The same in torch: AdamW, decay on matrices, gradients clipped to norm 1."""
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW([{"params": [p for p in trained if p.dim() > 1], "weight_decay": 0.01},
                                   {"params": [p for p in trained if p.dim() == 1], "weight_decay": 0.0}], lr=lr, betas=(0.9, 0.999), eps=1e-8)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(model)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        losses.append(loss.item())
    return losses


def padded(sequences, pad):
    longest = max(map(len, sequences))
    ids, mask = torch.full((len(sequences), longest), pad), torch.zeros(len(sequences), longest, dtype=torch.long)
    for i, s in enumerate(sequences):
        ids[i, :len(s)], mask[i, :len(s)] = torch.tensor(s), 1
    return ids, mask


def check(what, worst, limit):
    verdict = "ok" if worst <= limit else "TOO FAR"
    print(f"{what}: {worst:.2e} (limit {limit:g}) {verdict}", flush=True)
    return worst <= limit


def worst_difference(ours, theirs):
    if len(ours) != len(theirs):
        raise SystemExit(f"{len(ours)} losses, wanted {len(theirs)}")
    return max(abs(a - b) for a, b in zip(ours, theirs))
