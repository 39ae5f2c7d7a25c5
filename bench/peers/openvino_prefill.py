#!/usr/bin/env python3
"""Prefill of a batch by OpenVINO's continuous batching, for bench_engine (see bench/peer.h): what scoring costs there.

usage: openvino_prefill.py TOKENIZER_DIR S135|Q06 score-bf16|score-f32

8 sequences of 512 tokens, random weights, one token generated for each. Prints "ready", then the seconds of one run for every line of input. Needs an
environment of its own with optimum-intel[openvino] and openvino-genai; TOKENIZER_DIR: any Hugging Face folder with a tokenizer, which the export wants and
nothing here uses."""
import os
import sys
import tempfile
import time

import numpy as np
import openvino as ov
import openvino_genai as genai
import torch
from optimum.exporters.openvino import main_export
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, Qwen3Config, Qwen3ForCausalLM

BATCH, LENGTH = 8, 512

tokenizer, shape, mode = sys.argv[1:4]
torch.manual_seed(0)
if shape == "S135":
    model = LlamaForCausalLM(LlamaConfig(hidden_size=576, num_hidden_layers=30, num_attention_heads=9, num_key_value_heads=3, intermediate_size=1536,
                                         vocab_size=49152, max_position_embeddings=8192, tie_word_embeddings=True))
elif shape == "Q06":
    model = Qwen3ForCausalLM(Qwen3Config(hidden_size=1024, num_hidden_layers=28, num_attention_heads=16, num_key_value_heads=8, head_dim=128,
                                         intermediate_size=3072, vocab_size=151936, tie_word_embeddings=True))
else:
    sys.exit(f"openvino_prefill.py: shape {shape} is neither S135 nor Q06")
vocabulary = model.config.vocab_size

with tempfile.TemporaryDirectory() as folder:
    hf, exported = folder + "/hf", folder + "/ov"
    model.bfloat16().save_pretrained(hf)
    AutoTokenizer.from_pretrained(tokenizer).save_pretrained(hf)
    del model
    sys.stdout.flush()
    answers = os.dup(1)  # the export prints; only times may go to standard output
    os.dup2(2, 1)
    main_export(hf, exported, task="text-generation-with-past", trust_remote_code=False)
    scheduler = genai.SchedulerConfig()
    scheduler.cache_size = 4
    scheduler.max_num_seqs = BATCH
    scheduler.max_num_batched_tokens = BATCH * LENGTH
    scheduler.dynamic_split_fuse = True
    scheduler.enable_prefix_caching = False
    threads = int(os.environ.get("OMP_NUM_THREADS", os.cpu_count()))
    hint = "bf16" if "bf16" in mode else "f32"
    pipeline = genai.ContinuousBatchingPipeline(exported, scheduler, "CPU", {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": threads})
    os.dup2(answers, 1)

generation = genai.GenerationConfig()
generation.max_new_tokens = 1
generation.ignore_eos = True
generation.eos_token_id = 2  # it wants one
generation.stop_token_ids = {2}
generation.do_sample = False
rng = np.random.default_rng(0)


def run():
    prompts = [ov.Tensor(rng.integers(5, vocabulary, (1, LENGTH))) for _ in range(BATCH)]
    start = time.time()
    pipeline.generate(prompts, [generation] * BATCH)
    return time.time() - start


run()
print("ready", flush=True)
for _ in sys.stdin:
    print(run(), flush=True)
