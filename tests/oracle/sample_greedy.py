"""Greedy chat replies of `wildreward sample` against transformers in f32: 200 tokens to each of 20 prompts.

usage: sample_greedy.py MODEL_DIR        WILDREWARD: the program; exit 1 when a token or a log-probability differs

Every token must be the most likely one to transformers after the tokens before it, which is what its own greedy search would have chosen; two replies are
made by that search, too.
"""
import sys

import torch
from tiny_models import load
from training import check, jsonl_tool
from transformers import AutoTokenizer

QUESTIONS = ["What is the capital of France?", "Write a haiku about the sea.", "Explain photosynthesis to a child.", "What is 17 times 23?",
             "List three fruits that are red.", "Translate 'good morning' into Spanish.", "Who wrote Hamlet?", "Give me a recipe for pancakes.",
             "Why is the sky blue?", "用中文写一句问候。", "How do I sort a list in Python?", "Tell me a story about a dragon.", "What's the weather like? 🌧",
             "Summarise the rules of chess.", "Name five rivers of Africa.", "Write an email to my landlord about a broken heater.",
             "What is a prime number?", "Compare cats and dogs.", "Écris un court poème sur l'hiver.", "How far is the moon?"]
TOKENS, SEARCHED = 200, 2
directory = sys.argv[1]
torch.set_num_threads(2)
tokenizer, model = AutoTokenizer.from_pretrained(directory), load(directory)
rows = jsonl_tool("sample", [{"messages": [{"role": "user", "content": q}]} for q in QUESTIONS], "--model", directory, "--temperature", 0,
                  "--max-tokens", TOKENS, "--precision", "f32")
bad, worst, total = 0, 0.0, 0
for i, (question, row) in enumerate(zip(QUESTIONS, rows, strict=True)):
    text = tokenizer.apply_chat_template([{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True)
    prompt = tokenizer(text, add_special_tokens=False).input_ids
    mine = row["samples"][0]["ids"]
    total += len(mine)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([prompt + mine])).logits[0, len(prompt) - 1:-1].double()
        best = logits.argmax(-1).tolist()
        if i < SEARCHED:
            ids = torch.tensor([prompt])
            best = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=TOKENS)[0, len(prompt):].tolist()
    worst = max(worst, abs(float(logits.log_softmax(-1)[range(len(mine)), mine].sum()) - row["samples"][0]["logprob"]))
    if best != mine:
        bad += 1
        at = next((k for k, (a, b) in enumerate(zip(best, mine)) if a != b), min(len(best), len(mine)))
        margin = logits[at].topk(2).values if at < len(logits) else torch.zeros(2)
        print(f"{question!r}: another token at {at}; transformers' best two are {float(margin[0] - margin[1]):.1e} apart")
print(f"{len(QUESTIONS)} prompts, {total} tokens, {bad} replies with another token")
good = check("sum of a reply's log-probabilities", worst, 1e-2)
sys.exit(0 if good and not bad else 1)
