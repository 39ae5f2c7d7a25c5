#!/usr/bin/env python3
"""Scores of a one-output reward model by transformers and torch on CPU, for bench/reward_peers.sh (see bench/peer.h).

usage: reward_score.py MODEL ROWS f32|bf16 BATCH [SCORES]

ROWS: JSON lines with "ids". Loads, scores once (SCORES: those scores, a line each), prints "ready", then for every line of input scores all rows and prints the seconds and the CPU seconds."""
import json
import os
import sys
import time

import torch
from transformers import AutoModelForSequenceClassification

folder, rows, precision, batch = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))
texts = [json.loads(line)["ids"] for line in open(rows)]
model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
model.config.use_cache = False
model.config.pad_token_id = model.config.pad_token_id or 0
model.eval()


def run():
    scores = []
    with torch.inference_mode():
        for at in range(0, len(texts), batch):
            part = texts[at : at + batch]
            longest = max(map(len, part))
            ids = torch.tensor([t + [0] * (longest - len(t)) for t in part])
            mask = torch.tensor([[1] * len(t) + [0] * (longest - len(t)) for t in part])
            hidden = model.model(input_ids=ids, attention_mask=mask).last_hidden_state
            last = hidden[torch.arange(len(part)), mask.sum(1) - 1]  # the last token of each, whatever its id
            scores += model.score(last)[:, 0].float().tolist()
    return scores


scores = run()
if len(sys.argv) > 5:
    with open(sys.argv[5], "w") as f:
        f.writelines(f"{s:.9g}\n" for s in scores)
print("ready", flush=True)
for _ in sys.stdin:
    start, cpu = time.time(), time.process_time()
    run()
    print(time.time() - start, time.process_time() - cpu, flush=True)
