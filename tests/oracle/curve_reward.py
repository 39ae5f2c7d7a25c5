"""A reward model's training curve against transformers and torch.optim.AdamW: 200 steps, each over all records.

usage: curve_reward.py [FAMILY]        WILDREWARD: the program (default build/wildreward); exit 1 on a difference

f32: every step's loss within 1e-3 of torch's. bf16: the final loss within 1 % of torch's f32. The saved model is loaded
with transformers (no missing or unexpected tensor), saved by it, and scored by both and by us again.
"""
import json
import os
import random
import shutil
import sys
import tempfile

import torch
from shards import records
from tiny_models import load, make
from training import check, jsonl_tool, padded, run, torch_train, train, worst_difference, write_jsonl

here = os.path.dirname(os.path.abspath(__file__))
STEPS, RATE, CLASSES, RECORDS = 200, 3e-4, 4, 40
WORDS = "the a reply good bad wrong thanks please model answer question short long code data river stone seven and or not 42 7 你好 谢谢".split()


def rows(r):
    def text():
        return " ".join(r.choice(WORDS) for _ in range(r.randrange(1, 9)))
    out = []
    for i in range(RECORDS // 2):  # rated twice, not always alike, so that the loss has a floor
        row = {"query": text(), "response": text(), "history": [{"role": "user", "content": text()}] if i % 3 == 0 else []}
        label = r.randrange(1, CLASSES + 1)
        out += [{**row, "label": label}, {**row, "label": min(CLASSES, label + i % 2)}]
    return out


def main():
    family = sys.argv[1] if len(sys.argv) > 1 else "qwen3"
    torch.set_num_threads(2)
    folder = tempfile.mkdtemp(prefix="wr-curve-")
    good = True
    try:
        model, data = os.path.join(folder, "start"), os.path.join(folder, "data")
        tokenizer = os.path.join(here, "..", "golden", "tokenizer", "digits", "tokenizer.json")
        vocabulary = len(json.load(open(tokenizer))["model"]["vocab"]) + 5
        make({"family": family, "score": CLASSES - 1, "tied": False, "C": 64, "H": 4, "G": 2, "D": 16, "F": 150, "V": vocabulary, "L": 2, "rope": "llama3",
              "stored": "f32", "layout": 5, "positions": 512, "std": 0.08, "seed": 11}, model)
        shutil.copy(tokenizer, model)
        write_jsonl(os.path.join(folder, "rows.jsonl"), rows(random.Random(5)))
        template = os.path.join(folder, "template.txt")
        with open(template, "w") as f:
            f.write("{history}\n{query}\n{response}")
        run("prepare", os.path.join(folder, "rows.jsonl"), "--format", "labelled", "--classes", CLASSES, "--tokenizer", model, "--out", data,
            "--test-instances", 1, "--min-reply-words", 1, "--min-query-words", 1, "--template", template)
        learned = records(data, "reward-train-")
        ids, mask = padded([x["ids"] for x in learned], 0)
        labels = torch.tensor([x["label"] for x in learned])
        target = (labels[:, None] > torch.arange(1, CLASSES)[None]).float()

        def loss_of(m):
            return torch.nn.functional.binary_cross_entropy_with_logits(m(input_ids=ids, attention_mask=mask).logits, target)

        theirs = torch_train(load(model), loss_of, STEPS, RATE)
        print(f"{family}: {len(learned)} records, {int(mask.sum())} tokens a step; torch's loss {theirs[0]:.4f} -> {theirs[-1]:.4f}")
        common = ["--data", data, "--model", model, "--global-batch", len(learned)]
        out = os.path.join(folder, "f32")
        ours = train("reward", out, STEPS, RATE, *common, "--precision", "f32")
        good &= check("f32, worst step", worst_difference(ours, theirs), 1e-3)
        half = train("reward", os.path.join(folder, "bf16"), STEPS, RATE, *common, "--precision", "bf16")
        good &= check("bf16, final loss, relative", abs(half[-1] - theirs[-1]) / theirs[-1], 1e-2)
        good &= round_trip(os.path.join(out, "model"), os.path.join(folder, "back"), tokenizer)
    finally:
        shutil.rmtree(folder)
    sys.exit(0 if good else 1)


def round_trip(saved, back, tokenizer):
    from tokenizers import Tokenizer
    model, tok = load(saved), Tokenizer.from_file(tokenizer)
    texts = [" ".join(WORDS[i:i + 9]) for i in range(12)]
    with torch.no_grad():
        want = torch.cat([model(input_ids=torch.tensor([tok.encode(t).ids])).logits for t in texts])
    model.save_pretrained(back)
    shutil.copy(tokenizer, back)
    good = True
    for directory, who in ((saved, "us"), (back, "transformers")):
        got = jsonl_tool("score", [{"text": t} for t in texts], "--model", directory, "--precision", "f32")
        worst = float((torch.tensor([g["logits"] for g in got]) - want).abs().max() / want.abs().max())
        good &= check(f"scores of the model saved by {who}, relative to the largest", worst, 1e-4)
    return good


if __name__ == "__main__":
    main()
