"""`wildreward logprobs` and `score` against transformers, on fresh models of random shapes with a tokenizer.

usage: compare_cli.py        WILDREWARD: the program; WILDREWARD_SEED repeats a run; exit 1 on a difference

f32: log-probabilities and logits within 1e-4 of the largest. bf16: RMS distance from transformers' f32 at most 1.5 times
that of transformers' own bf16; the few numbers of score models share their rounding errors, so that theirs may be 4 and the geometric mean of all
models 1.5. Neighbouring lines share prompts, as groups of replies do.
"""
import math
import os
import shutil
import sys
import tempfile

import torch
from tiny_models import FAMILIES, load, make, random_source, random_spec
from tokenizers import Tokenizer
from training import check, jsonl_tool

here = os.path.dirname(os.path.abspath(__file__))
TOKENIZER = os.path.join(here, "..", "golden", "tokenizer", "llama3", "tokenizer.json")
WORDS = ["river", " the", " 3.14", "你好", "😀", "\r\n", " don't", "\t", " naïve", " reply", "{x}", " and", " so on"]


def words(r, most):
    return "".join(r.choice(WORDS) for _ in range(r.randrange(1, most)))


def distance(parts, want):
    return float((torch.cat(parts).double() - torch.cat(want).double()).pow(2).mean().sqrt())


def compare(what, directory, outputs, ours, ratios):
    """outputs(model): list of tensors; ours(precision): the same from the program. Appends to ratios."""
    with torch.no_grad():
        want, half = outputs(load(directory)), outputs(load(directory, torch.bfloat16))
    worst = max(float((a - b).abs().max()) for a, b in zip(ours("f32"), want, strict=True))
    good = check(f"{what}, f32, relative to the largest", worst / max(float(w.abs().max()) for w in want), 1e-4)
    ratios.append(distance(ours("bf16"), want) / distance(half, want))
    return good & check(f"{what}, bf16 over transformers' bf16", ratios[-1], 4 if what == "score" else 1.5)


def compare_logprobs(directory, tok, r, ratios):
    rows = []
    for _ in range(6):
        prompt = words(r, 40)
        rows += [{"prompt": prompt, "response": words(r, 12)} for _ in range(r.randrange(1, 4))]
    parts = [[tok.encode(x[k], add_special_tokens=False).ids for k in ("prompt", "response")] for x in rows]

    def outputs(model):
        out = []
        for p, q in parts:
            z = torch.log_softmax(model(input_ids=torch.tensor([p + q])).logits[0, len(p) - 1:-1].float(), -1)
            out.append(z.gather(1, torch.tensor(q)[:, None])[:, 0])
        return out

    def ours(precision):
        return [torch.tensor(x["token_logprobs"]) for x in jsonl_tool("logprobs", rows, "--model", directory, "--precision", precision)]

    return compare("logprobs", directory, outputs, ours, ratios)


def compare_scores(directory, tok, r, ratios):
    texts = []
    for _ in range(12):
        start = words(r, 40)
        texts += [start + words(r, 12) for _ in range(r.randrange(1, 4))]

    def outputs(model):
        return [model(input_ids=torch.tensor([tok.encode(t).ids])).logits[0].float() for t in texts]

    def ours(precision):
        return [torch.tensor(x["logits"]) for x in jsonl_tool("score", [{"text": t} for t in texts], "--model", directory, "--precision", precision)]

    return compare("score", directory, outputs, ours, ratios)


def main():
    r, good, ratios, tok = random_source(), True, [], Tokenizer.from_file(TOKENIZER)
    torch.set_num_threads(2)
    folder = tempfile.mkdtemp(prefix="wr-cli-")
    try:
        for family in FAMILIES:
            for score in (0, r.randrange(1, 6)):
                directory = os.path.join(folder, f"{family}-{score}")
                spec = {**random_spec(family, score, r, r.randrange(1 << 30)), "V": tok.get_vocab_size() + r.randrange(1, 40), "positions": 512, "pad": None}
                print({k: v for k, v in spec.items() if k not in ("seed", "std", "positions")}, flush=True)
                make(spec, directory)
                shutil.copy(TOKENIZER, directory)
                good &= (compare_scores if score else compare_logprobs)(directory, tok, r, ratios)
        good &= check("geometric mean of the ratios in bf16", math.exp(sum(map(math.log, ratios)) / len(ratios)), 1.5)
    finally:
        shutil.rmtree(folder)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
