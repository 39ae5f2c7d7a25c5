#!/usr/bin/env python3
"""Greedy chat replies and log-probabilities of `wildreward sample` / `logprobs` against transformers in f32.

usage: sample_greedy.py MODEL_DIR [WILDREWARD]        exit 1 when a token or a log-probability differs
"""
import json, subprocess, sys
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

directory, program = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "build/wildreward"
QUESTIONS = ["What is the capital of France?", "Write a haiku about the sea.", "Explain photosynthesis to a child.",
             "What is 17 times 23?", "List three fruits that are red.", "Translate 'good morning' into Spanish.",
             "Who wrote Hamlet?", "Give me a recipe for pancakes.", "Why is the sky blue?", "用中文写一句问候。"]
TOKENS = 40
tokenizer = AutoTokenizer.from_pretrained(directory)
model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).eval()
chats = [[{"role": "user", "content": q}] for q in QUESTIONS]

def tool(name, rows, *options):
    text = "".join(json.dumps(r) + "\n" for r in rows)
    out = subprocess.run([program, name, "--model", directory, *options], input=text, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]

ours = tool("sample", [{"messages": c} for c in chats], "--temperature", "0", "--max-tokens", str(TOKENS))
bad, pairs = 0, []
for chat, row in zip(chats, ours):
    prompt = tokenizer(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True), add_special_tokens=False,
                       return_tensors="pt").input_ids
    with torch.no_grad():
        theirs = model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=TOKENS)[0, prompt.shape[1]:].tolist()
    mine = row["samples"][0]["ids"]
    if mine != theirs:
        bad += 1
        print("tokens differ:", chat[0]["content"], mine, theirs, sep="\n  ")
    with torch.no_grad():
        logits = model(torch.tensor([prompt[0].tolist() + mine])).logits[0].double().log_softmax(-1)
    each = [logits[prompt.shape[1] - 1 + i, t].item() for i, t in enumerate(mine)]
    pairs.append((prompt[0].tolist(), mine, each, row["samples"][0]["logprob"]))

records = tool("logprobs", [{"prompt_ids": p, "response_ids": r} for p, r, _, _ in pairs])
worst_token = max(abs(a - b) for (_, _, each, _), row in zip(pairs, records) for a, b in zip(each, row["token_logprobs"]))
worst_sum = max(abs(sum(each) - s) for _, _, each, s in pairs)
print(f"{len(chats)} chats, {bad} with other tokens; largest difference of a token's log-probability {worst_token:.2e}, of a sampled reply's sum {worst_sum:.2e}")
sys.exit(1 if bad or not worst_token < 1e-3 or not worst_sum < 1e-2 else 0)
