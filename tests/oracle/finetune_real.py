"""A pretrained chat model in f32 against transformers and PEFT: log-probabilities of real replies, fine-tuning of all weights, LoRA.

usage: finetune_real.py MODEL_DIR CHATS.jsonl.zst [logprobs|full|lora …]        default: all three; WILDREWARD: the program; exit 1 on a difference

logprobs: 50 replies, every token within 1e-3; in bf16 at most 1.5 times as far, RMS, as transformers' own bf16
full, lora: 50 steps over a few chats cut to 64 tokens, every loss within 1e-3; LoRA starts from the adapter that we wrote before the first step,
loaded by PEFT, and the adapter after the last step gives the same log-probabilities in PEFT, in us, and merged
"""
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

import torch
from shards import records
from tiny_models import load
from training import check, jsonl_tool, padded, run, torch_train, train, worst_difference, write_jsonl
from transformers import AutoTokenizer

STEPS, LENGTH, CHATS, REPLIES = 50, 64, 4, 50


def conversations(path):
    data = subprocess.run(["zstd", "-dcq", path], capture_output=True, check=True).stdout.decode()
    return [json.loads(line) for line in data.split("\n") if line]


def response_logprobs(model, prompt, response):
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt + response])).logits[0, len(prompt) - 1:-1].double()
    return torch.log_softmax(logits, -1).gather(1, torch.tensor(response)[:, None])[:, 0]


def reply_pairs(tokenizer, chats, n, limit=100):
    """(prompt ids, response ids) of first turns."""
    out = []
    for chat in chats:
        turns = chat["conversation"]
        if len(turns) < 2 or turns[1]["role"] != "assistant" or not turns[1]["content"]:
            continue
        text = tokenizer.apply_chat_template([{"role": "user", "content": turns[0]["content"]}], tokenize=False, add_generation_prompt=True)
        prompt = tokenizer(text, add_special_tokens=False).input_ids
        response = tokenizer(turns[1]["content"], add_special_tokens=False).input_ids
        if len(prompt) < limit:
            out.append((prompt, response[:limit - len(prompt) + 20]))
        if len(out) == n:
            return out
    raise SystemExit(f"only {len(out)} replies of the wanted length")


def rms(parts):
    return float(torch.cat(parts).pow(2).mean().sqrt())


def compare_logprobs(directory, chats):
    pairs = reply_pairs(AutoTokenizer.from_pretrained(directory), chats, REPLIES)
    rows = [{"prompt_ids": p, "response_ids": r} for p, r in pairs]

    def ours(precision):
        got = jsonl_tool("logprobs", rows, "--model", directory, "--precision", precision)
        return [torch.tensor(g["token_logprobs"], dtype=torch.double) for g in got]

    model = load(directory)
    want = [response_logprobs(model, p, r) for p, r in pairs]
    good = check(f"log-probabilities of {sum(map(len, want))} tokens, f32", max(float((a - b).abs().max()) for a, b in zip(ours("f32"), want)), 1e-3)
    half = load(directory, torch.bfloat16)
    theirs = rms([response_logprobs(half, p, r) - w for (p, r), w in zip(pairs, want)])
    return good & check(f"bf16 (transformers' own: {theirs:.3f}), ratio", rms([a - b for a, b in zip(ours("bf16"), want)]) / theirs, 1.5)


def chat_loss(learned):
    """Mean over the assistant's tokens, of chats cut to LENGTH."""
    ids, mask = padded([x["ids"][:LENGTH] for x in learned], 0)
    wanted = torch.zeros_like(mask, dtype=torch.bool)
    for i, x in enumerate(learned):
        for start, end in zip(x["spans"][::2], x["spans"][1::2]):
            wanted[i, max(start, 1):min(end, LENGTH)] = True

    def loss_of(model):
        logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1]
        logp = torch.log_softmax(logits, -1).gather(2, ids[:, 1:, None])[..., 0]
        return -logp[wanted[:, 1:]].mean()

    return loss_of, int(wanted.sum())


def prepare(directory, chats, folder):
    short = [c for c in chats if len(c["conversation"]) > 1 and 20 < sum(len(m["content"]) for m in c["conversation"][:2]) < 300][:CHATS]
    write_jsonl(os.path.join(folder, "chats.jsonl"), short)
    data = os.path.join(folder, "data")
    run("prepare", os.path.join(folder, "chats.jsonl"), "--tokenizer", directory, "--out", data, "--test-instances", 0)
    for path in glob.glob(os.path.join(data, "*-test-*.wrs")):
        os.remove(path)  # all chats are learned from; an empty test side cannot be evaluated
    learned = records(data, "chats-train-")
    print(f"{len(learned)} chats")
    return data, learned


def main():
    directory, source, parts = sys.argv[1], sys.argv[2], sys.argv[3:] or ["logprobs", "full", "lora"]
    torch.set_num_threads(2)
    chats, good = conversations(source), True
    if "logprobs" in parts:
        good &= compare_logprobs(directory, chats)
    folder = tempfile.mkdtemp(prefix="wr-real-")
    try:
        if "full" in parts or "lora" in parts:
            data, learned = prepare(directory, chats, folder)
            loss_of, targets = chat_loss(learned)
            common = ["--data", data, "--model", directory, "--global-batch", len(learned), "--max-length", LENGTH, "--precision", "f32"]
        if "full" in parts:
            ours = train("lm", os.path.join(folder, "full"), STEPS, 1e-5, *common)
            theirs = torch_train(load(directory), loss_of, STEPS, 1e-5)
            print(f"all weights: {targets} targets a step; torch's loss {theirs[0]:.4f} -> {theirs[-1]:.4f}")
            good &= check(f"all weights, worst of {STEPS} steps", worst_difference(ours, theirs), 1e-3)
            shutil.rmtree(os.path.join(folder, "full"))
        if "lora" in parts:
            good &= compare_lora(directory, folder, common, loss_of, chats)
    finally:
        shutil.rmtree(folder)
    sys.exit(0 if good else 1)


def compare_lora(directory, folder, common, loss_of, chats):
    from peft import PeftModel
    options = [*common, "--lora-rank", 8, "--lora-alpha", 16]
    start, out = os.path.join(folder, "start"), os.path.join(folder, "lora")
    train("lm", start, 1, 1e-30, *options)  # moves nothing: the adapter it saves is the initial one of any run with this seed
    ours = train("lm", out, STEPS, 1e-3, *options)
    peft = PeftModel.from_pretrained(load(directory), os.path.join(start, "adapter"), is_trainable=True).eval()
    theirs = torch_train(peft, loss_of, STEPS, 1e-3)
    print(f"LoRA: {sum(p.numel() for p in peft.parameters() if p.requires_grad)} values; PEFT's loss {theirs[0]:.4f} -> {theirs[-1]:.4f}")
    good = check(f"LoRA, worst of {STEPS} steps", worst_difference(ours, theirs), 1e-3)
    pairs = reply_pairs(AutoTokenizer.from_pretrained(directory), chats, 8)
    rows = [{"prompt_ids": p, "response_ids": r} for p, r in pairs]
    trained = PeftModel.from_pretrained(load(directory), os.path.join(out, "adapter")).eval()
    want = torch.cat([response_logprobs(trained, p, r) for p, r in pairs])
    merged = load(os.path.join(out, "model"))
    got = torch.cat([response_logprobs(merged, p, r) for p, r in pairs])
    good &= check("merged model in transformers against the adapter in PEFT, log-probabilities", float((got - want).abs().max()), 1e-3)
    for what, options in (("adapter", ["--model", directory, "--adapter", os.path.join(out, "adapter")]), ("merged model", ["--model", os.path.join(out, "model")])):
        got = torch.cat([torch.tensor(g["token_logprobs"]) for g in jsonl_tool("logprobs", rows, *options, "--precision", "f32")])
        good &= check(f"our log-probabilities with the {what} against PEFT", float((got - want).abs().max()), 1e-3)
    return good


if __name__ == "__main__":
    main()
