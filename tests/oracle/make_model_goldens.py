"""Golden values of tiny models, made with Hugging Face transformers and torch in float32.

usage: make_model_goldens.py OUT_DIR
Writes OUT_DIR/lm (LlamaForCausalLM, tied) and OUT_DIR/score (LlamaForSequenceClassification), each a model directory with
golden.safetensors beside it: ids, offsets, [labels], logits, [logprobs], loss, grad.NAME and adamw.NAME (the parameter after
three AdamW steps on the same batch).
"""
import os
import sys

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification

LENGTHS = [9, 5, 7, 1]
LABELS = [1, 4, 2, 3]


def config(**extra):
    return LlamaConfig(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
                       vocab_size=40, max_position_embeddings=64, rms_norm_eps=1e-5, initializer_range=0.3, attention_dropout=0.0,
                       bos_token_id=1, eos_token_id=2, pad_token_id=0, attn_implementation="eager", **extra)


def spread_norms(model):
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.dim() == 1:
                p.add_(0.2 * torch.randn_like(p))


def sequences():
    g = torch.Generator().manual_seed(5)
    return [torch.randint(3, 40, (n,), generator=g) for n in LENGTHS]


def lm_outputs(model, seqs):
    logits = [model(input_ids=s[None]).logits[0] for s in seqs]
    logp = [torch.log_softmax(z[:-1], -1).gather(1, s[1:, None])[:, 0] for z, s in zip(logits, seqs)]
    logp = torch.cat(logp)
    return torch.cat(logits), logp, -logp.mean()


def score_outputs(model, seqs):
    logits = torch.cat([model(input_ids=s[None]).logits for s in seqs])  # pooled at the last token
    y = torch.tensor(LABELS)
    target = (y[:, None] > torch.arange(1, logits.shape[1] + 1)[None]).float()
    return logits, None, torch.nn.functional.binary_cross_entropy_with_logits(logits, target)


def write(model, outputs, directory):
    seqs = sequences()
    model.eval()
    spread_norms(model)
    model.save_pretrained(directory)
    golden = {"ids": torch.cat(seqs), "offsets": torch.tensor([sum(LENGTHS[:i]) for i in range(len(LENGTHS) + 1)])}
    logits, logp, loss = outputs(model, seqs)
    golden["logits"], golden["loss"] = logits.detach().clone(), loss.detach().reshape(1)
    if logp is not None:
        golden["logprobs"] = logp.detach()
    else:
        golden["labels"] = torch.tensor(LABELS)
    named = list(model.named_parameters())
    optimizer = torch.optim.AdamW([{"params": [p for _, p in named if p.dim() > 1], "weight_decay": 0.01},
                                   {"params": [p for _, p in named if p.dim() == 1], "weight_decay": 0.0}],
                                  lr=1e-2, betas=(0.9, 0.999), eps=1e-8)
    for step in range(3):
        optimizer.zero_grad()
        outputs(model, seqs)[2].backward()
        if step == 0:
            for name, p in named:
                golden["grad." + name] = p.grad.detach().clone()
        optimizer.step()
    for name, p in named:
        golden["adamw." + name] = p.detach().clone()
    save_file({k: v.contiguous() for k, v in golden.items()}, os.path.join(directory, "golden.safetensors"))


def main():
    out = sys.argv[1]
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    torch.manual_seed(1)
    write(LlamaForCausalLM(config(tie_word_embeddings=True)), lm_outputs, os.path.join(out, "lm"))
    torch.manual_seed(2)
    write(LlamaForSequenceClassification(config(tie_word_embeddings=False, num_labels=3)), score_outputs, os.path.join(out, "score"))


if __name__ == "__main__":
    main()
