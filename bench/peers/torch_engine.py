#!/usr/bin/env python3
"""One reward-model training step, or the scoring of a batch, by transformers and torch on CPU, for bench_engine (see bench/peer.h).

usage: torch_engine.py S135|Q06 train-bf16|train-bf16-compile|train-f32|score-bf16|score-f32

8 sequences of 512 tokens, random weights. Prints "ready", then the seconds of one run for every line of input. train-bf16: f32 weights under autocast."""
import os
import sys
import time

import torch
from transformers import LlamaConfig, LlamaModel, Qwen3Config, Qwen3Model

BATCH, LENGTH, LABELS = 8, 512, 3

shape, mode = sys.argv[1:3]
torch.manual_seed(0)
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count())))
if shape == "S135":
    config = LlamaConfig(hidden_size=576, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3, intermediate_size=1536,
                         vocab_size=49152, max_position_embeddings=8192)
    model = LlamaModel(config)
elif shape == "Q06":
    config = Qwen3Config(hidden_size=1024, num_hidden_layers=28, num_attention_heads=16, num_key_value_heads=8, head_dim=128,
                         intermediate_size=3072, vocab_size=151936)
    model = Qwen3Model(config)
else:
    sys.exit(f"torch_engine.py: shape {shape} is neither S135 nor Q06")
model.config._attn_implementation = "sdpa"
model.config.use_cache = False
head = torch.nn.Linear(config.hidden_size, LABELS, bias=False)
train, half = mode.startswith("train"), "bf16" in mode
if half and not train:
    model, head = model.bfloat16(), head.bfloat16()
parameters = list(model.parameters()) + list(head.parameters())
optimizer = torch.optim.AdamW(parameters, lr=1e-5, fused=True) if train else None
if mode.endswith("compile"):
    model = torch.compile(model)
ids = torch.randint(0, config.vocab_size, (BATCH, LENGTH))
targets = torch.randint(0, 2, (BATCH, LABELS)).float()


def score():
    with torch.no_grad():
        head(model(input_ids=ids).last_hidden_state[:, -1])


def step():
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
        hidden = model(input_ids=ids).last_hidden_state[:, -1]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(head(hidden).float(), targets)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


run = step if train else score
run()
print("ready", flush=True)
for _ in sys.stdin:
    start = time.time()
    run()
    print(time.time() - start, flush=True)
