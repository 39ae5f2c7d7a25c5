"""Greedy replies of `wildreward sample` against transformers' own search with its caches, on fresh models of random shapes of every family: windows, layers
without rotary embedding, replies that grow past longrope's original length.

usage: sample_families.py        WILDREWARD: the program; WILDREWARD_SEED repeats a run; exit 1 on a difference

In f32: the same tokens, and log-probabilities within 1e-4. Where two logits are less than 1e-4 apart either token may be the largest one's; what follows is
then another text and not compared.
"""
import os
import shutil
import sys
import tempfile

import torch
from compare_cli import TOKENIZER, words
from tiny_models import FAMILIES, load, make, random_source, random_spec
from tokenizers import Tokenizer
from training import check, jsonl_tool

TOKENS, PROMPTS, LONG = 30, 3, ["phi3", "phi3"]  # LONG: once more, with longrope


def compare(directory, tok, r):
    model, texts = load(directory), [words(r, r.choice([2, 6, 30])) for _ in range(PROMPTS)]
    rows = jsonl_tool("sample", [{"prompt": t} for t in texts], "--model", directory, "--temperature", 0, "--max-tokens", TOKENS)
    bad, same, worst = 0, 0, 0.0
    for text, row in zip(texts, rows, strict=True):
        ids, mine = torch.tensor([tok.encode(text).ids]), row["samples"][0]["ids"]
        with torch.no_grad():
            found = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=TOKENS, pad_token_id=0, eos_token_id=2,
                                   output_logits=True, return_dict_in_generate=True)
        theirs, logits = found.sequences[0, ids.shape[1]:].tolist(), torch.cat(found.logits).double()
        at = next((k for k, (a, b) in enumerate(zip(mine, theirs)) if a != b), None)
        if at is None:
            same += 1
            total = float(logits.log_softmax(-1)[range(len(mine)), mine].sum())
            worst = max(worst, abs(total - row["samples"][0]["logprob"]) / max(1.0, abs(total)))
            bad += len(mine) != len(theirs)
        elif float(logits[at].max() - logits[at][mine[at]]) > 1e-4:
            print(f"  another token at {at} after {ids.shape[1]}: less likely by {float(logits[at].max() - logits[at][mine[at]]):.1e}")
            bad += 1
    return check(f"  {same} of {PROMPTS} replies the same, {bad} another; log-probability, relative", worst, 1e-4) and not bad


def main():
    r, good, tok = random_source(), True, Tokenizer.from_file(TOKENIZER)
    torch.set_num_threads(2)
    folder = tempfile.mkdtemp(prefix="wr-sample-")
    try:
        for i, family in enumerate([*FAMILIES, *LONG]):
            directory = os.path.join(folder, str(i))
            spec = {**random_spec(family, 0, r, r.randrange(1 << 30)), "V": tok.get_vocab_size() + r.randrange(1, 40), "positions": 512, "pad": None}
            if i >= len(FAMILIES):
                spec |= {"rope": "longrope", "share": 1.0, "original": r.choice([8, 20, 40])}
            print({k: v for k, v in spec.items() if k not in ("seed", "std", "positions")}, flush=True)
            make(spec, directory)
            shutil.copy(TOKENIZER, directory)
            good &= compare(directory, tok, r)
    finally:
        shutil.rmtree(folder)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
