"""Golden values of tiny models, made with Hugging Face transformers and torch.

usage: make_model_goldens.py OUT_DIR            the models of tests/golden/model
       make_model_goldens.py OUT_DIR --fresh    others, of random shapes (WILDREWARD_SEED)

Each model directory gets golden.safetensors, all of it from transformers in f32 on the stored weights:
  ids, offsets        the sequences, laid end to end
  labels              score models: 1 … K
  logits, logit_rows  outputs at these rows of ids
  pooled              score models: what transformers gives for each sequence
  logprobs            causal models: of each next token, sequence after sequence
  loss, grad.NAME     mean negative log-probability, or the ordinal loss
  adamw.NAME          the parameter after three AdamW steps on the same batch
  bf16                two numbers: RMS distance of transformers' own bf16 logits from the f32 ones; |gradient in bf16 - gradient| / |gradient|
                      over all parameters together
"""
import os
import sys

import torch
from safetensors.torch import save_file
from tiny_models import FAMILIES, load, make, random_source, random_spec

# A large epsilon: with the usual 1e-8 a gradient that is nothing but rounding (of a key's bias, say) moves its parameter by a whole step.
OPTIMIZER = {"lr": 1e-2, "betas": (0.9, 0.999), "eps": 1e-4}
DECAY = 0.01
SHORT = [9, 5, 1, 7, 1]


def spec(family, score, tied, C, H, G, D, F, V, L, **more):
    return {"family": family, "score": score, "tied": tied, "C": C, "H": H, "G": G, "D": D, "F": F, "V": V, "L": L, "rope": "default", "stored": "f32",
            "layout": 5, "seed": 1, "lengths": SHORT, **more}


STORED = {
    "llama": spec("llama", 0, True, 12, 6, 2, 2, 18, 41, 2),
    "llama3-one-kv-head": spec("llama", 0, False, 12, 3, 1, 6, 20, 35, 1, rope="llama3", stored="bf16", layout=4),
    "linear-mha-sharded": spec("llama", 0, False, 8, 2, 2, 4, 17, 37, 1, rope="linear", layout=4, shard_bytes=2000),
    "qwen2-sharded": spec("qwen2", 0, True, 8, 2, 1, 4, 12, 43, 2, stored="bf16", layout=4, shard_bytes=1000, pad=None),
    "qwen3-head-dim": spec("qwen3", 0, False, 10, 4, 2, 6, 16, 33, 1),
    "mistral": spec("mistral", 0, False, 8, 4, 2, 6, 14, 33, 1, stored="bf16"),
    "llama-score": spec("llama", 3, False, 8, 4, 2, 2, 14, 40, 2, rope="llama3"),
    "qwen2-score": spec("qwen2", 4, True, 12, 3, 1, 4, 20, 39, 1, stored="bf16"),
    "qwen3-score-tied": spec("qwen3", 3, True, 10, 3, 3, 4, 14, 37, 1, layout=4, pad=None),
    "mistral-score": spec("mistral", 1, False, 12, 2, 1, 6, 20, 33, 1, layout=4),
    "mistral-window": spec("mistral", 0, False, 8, 4, 2, 6, 14, 33, 2, window=3),
    "qwen2-window": spec("qwen2", 0, True, 8, 2, 1, 4, 12, 43, 3, stored="bf16", layout=4, window=4, windowed=1, lengths=[9, 5, 1, 7]),
    "qwen3-window-score": spec("qwen3", 3, False, 10, 4, 2, 6, 16, 33, 3, window=2, windowed=[True, False, True]),
    "olmo2": spec("olmo2", 0, False, 10, 4, 2, 4, 14, 33, 2, stored="bf16", layout=4, pad=None),
    "olmo2-score": spec("olmo2", 3, False, 8, 2, 1, 6, 16, 33, 1),
    "smollm3": spec("smollm3", 0, True, 8, 2, 1, 4, 12, 35, 4, stored="bf16", layout=4, pad=None),
    "smollm3-window": spec("smollm3", 0, False, 8, 2, 1, 4, 12, 33, 3, turned=[0, 1, 0], window=3),
    "smollm3-score": spec("smollm3", 3, False, 8, 2, 2, 6, 14, 37, 2, turned=[1, 0], window=4, windowed=[True, False]),
    "phi3-window": spec("phi3", 0, False, 12, 3, 1, 4, 14, 35, 1, window=4),
    "phi3": spec("phi3", 0, False, 12, 3, 1, 4, 14, 35, 2, stored="bf16", layout=4),
    "phi3-partial-tied": spec("phi3", 0, True, 16, 2, 2, 8, 12, 33, 1, rope="longrope", share=0.75),
    "phi3-score": spec("phi3", 3, False, 12, 2, 1, 6, 16, 33, 2, rope="longrope", layout=4),
    "phi3-long": spec("phi3", 0, False, 16, 2, 1, 8, 12, 33, 2, rope="longrope", share=0.75, original=6),
    "phi3-long-score": spec("phi3", 3, True, 12, 2, 1, 6, 14, 35, 1, rope="longrope", original=5, attention=1.3, stored="bf16", layout=4),
    "gemma2": spec("gemma2", 0, True, 12, 4, 2, 6, 14, 33, 3, window=3, query_scale=5, attention_cap=0.8, final_cap=1.5),
    "gemma2-score": spec("gemma2", 3, True, 12, 2, 1, 4, 14, 35, 2, window=4, query_scale=8, stored="bf16", layout=4),
    "gemma3": spec("gemma3_text", 0, True, 12, 4, 2, 6, 14, 33, 3, window=3, windowed=[True, True, False], query_scale=6, rope="linear", layout=4),
    "gemma3-untied": spec("gemma3_text", 0, False, 12, 2, 1, 6, 14, 33, 7, window=5, query_scale=4, final_cap=2.0, stored="bf16", layout=4, seed=2),
    "gemma3-score": spec("gemma3_text", 3, True, 12, 4, 2, 6, 14, 37, 2, window=2, windowed=[True, False], query_scale=6, final_cap=0.1),
    "llama-long": spec("llama", 0, True, 8, 2, 1, 6, 12, 19, 1, rope="llama3", positions=2048, lengths=[1500, 1, 70]),
}


def sequences(s):
    g = torch.Generator().manual_seed(s["seed"] + 5)
    seqs = [torch.randint(3, s["V"], (n,), generator=g) for n in s["lengths"]]
    labels = torch.randint(1, s["score"] + 2, (len(seqs),), generator=g)
    if s["score"] and s.get("pad", 0) is not None:  # pooling must step over padding that is part of a sequence
        max(seqs, key=len)[-2:] = s.get("pad", 0)
    return seqs, labels


def pool_row(s, seq):
    pad = s.get("pad", 0)
    real = [i for i, t in enumerate(seq.tolist()) if t != pad]
    return real[-1] if real else 0


def run(model, s, seqs, labels):
    """Logits at every token, what transformers pools (score models), log-probabilities (causal ones) and the loss."""
    if s["score"]:
        hidden = [model.model(input_ids=q[None]).last_hidden_state[0] for q in seqs]
        logits = torch.cat([model.score(h) for h in hidden])
        pooled = torch.cat([model(input_ids=q[None]).logits for q in seqs])
        target = (labels[:, None] > torch.arange(1, pooled.shape[1] + 1)[None]).float()
        return logits, pooled, None, torch.nn.functional.binary_cross_entropy_with_logits(pooled.float(), target)
    logits = [model(input_ids=q[None]).logits[0] for q in seqs]
    logp = torch.cat([torch.log_softmax(z[:-1].float(), -1).gather(1, q[1:, None])[:, 0] for z, q in zip(logits, seqs)])
    return torch.cat(logits), None, logp, -logp.mean()


def gradients(model, s, seqs, labels):
    model.zero_grad()
    run(model, s, seqs, labels)[3].backward()
    return {name: p.grad.detach().clone() for name, p in model.named_parameters()}


def check_padding(model, s, seqs, pooled, logits):
    """Sequences padded into one batch are what each of them is alone (so that packing has one meaning)."""
    longest, at = max(map(len, seqs)), 0
    pad = s.get("pad", 0)
    ids, mask = torch.full((len(seqs), longest), pad or 0), torch.zeros(len(seqs), longest, dtype=torch.long)
    for i, q in enumerate(seqs):
        ids[i, :len(q)], mask[i, :len(q)] = q, 1
    if s["score"] and pad is None:
        return  # transformers refuses such a batch
    if s["rope"] == "longrope" and min(map(len, seqs)) <= s.get("original", 32) < longest:
        return  # the longest sequence of a batch decides there by which factors all are turned
    with torch.no_grad():
        out = model(input_ids=ids, attention_mask=mask).logits
    for i, q in enumerate(seqs):
        want = pooled[i] if s["score"] else logits[at:at + len(q)]
        got = out[i] if s["score"] else out[i, :len(q)]
        at += len(q)
        if not float((got - want).abs().max()) <= 1e-4 * float(logits.abs().max()):
            raise SystemExit(f"a padded batch differs from single sequences, {s}")


def rms(x):
    return float(x.double().pow(2).mean().sqrt())


def write(s, directory):
    make(s, directory)
    seqs, labels = sequences(s)
    model = load(directory)
    with torch.no_grad():
        logits, pooled, logp, loss = run(model, s, seqs, labels)
    check_padding(model, s, seqs, pooled, logits)
    if pooled is not None:
        rows = [sum(s["lengths"][:i]) + pool_row(s, q) for i, q in enumerate(seqs)]
        assert torch.equal(logits[rows], pooled) or float((logits[rows] - pooled).abs().max()) < 1e-5
    grads = gradients(model, s, seqs, labels)
    half = load(directory, torch.bfloat16)
    with torch.no_grad():
        distance = rms(run(half, s, seqs, labels)[0].float() - logits)
    half_grads = gradients(half, s, seqs, labels)
    error = sum(float((half_grads[n].double() - g).pow(2).sum()) for n, g in grads.items())
    size = sum(float(g.double().pow(2).sum()) for g in grads.values())
    step = 50 if len(logits) > 200 else 1
    out = {"ids": torch.cat(seqs), "offsets": torch.tensor([sum(s["lengths"][:i]) for i in range(len(seqs) + 1)]),
           "logit_rows": torch.arange(0, len(logits), step), "logits": logits[::step], "loss": loss.reshape(1),
           "bf16": torch.tensor([distance, (error / size) ** 0.5])}
    if s["score"]:
        out |= {"labels": labels, "pooled": pooled}
    else:
        out["logprobs"] = logp
    named = list(model.named_parameters())
    optimizer = torch.optim.AdamW([{"params": [p for _, p in named if p.dim() > 1], "weight_decay": DECAY},
                                   {"params": [p for _, p in named if p.dim() == 1], "weight_decay": 0.0}], **OPTIMIZER)
    for _ in range(3):
        gradients(model, s, seqs, labels)
        optimizer.step()
    for name, p in named:
        out["grad." + name], out["adamw." + name] = grads[name], p.detach().clone()
    save_file({k: v.contiguous() for k, v in out.items()}, os.path.join(directory, "golden.safetensors"))


def main():
    out = sys.argv[1]
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    specs = STORED
    if "--fresh" in sys.argv[2:]:
        r, specs = random_source(), {}
        for family in FAMILIES:
            for score in (0, 0, r.randrange(1, 6)):
                lengths = [1, r.randrange(2, 40), 1, r.randrange(1, 90), r.randrange(1, 20)]
                specs[f"{family}-{len(specs)}"] = {**random_spec(family, score, r, r.randrange(1 << 30)), "lengths": lengths, "positions": 128}
        for name, s in specs.items():
            print(name, {k: v for k, v in s.items() if k not in ("seed", "std", "positions")})
    for name, s in specs.items():
        write(s, os.path.join(out, name))


if __name__ == "__main__":
    main()
