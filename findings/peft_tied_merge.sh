#!/bin/bash
# Merging an adapter on the head of a model whose head is its embedding.
. "$(dirname "$0")/common.sh" model
finding "PEFT 0.21.2, transformers 5.24.0" \
    "merge_and_unload gives the logits of the model with its adapter, but for rounding" \
    "with a tied head the update goes into the shared matrix: the embedding changes too, and other logits come out; untied, they are the same"
run_python <<'P'
import torch
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

for tied in (False, True):
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, tie_word_embeddings=tied))
    model = get_peft_model(model, LoraConfig(target_modules=["lm_head"], r=2, lora_alpha=2, init_lora_weights=False)).eval()
    with torch.no_grad():
        before = model(torch.arange(1, 9)[None]).logits
        after = model.merge_and_unload()(torch.arange(1, 9)[None]).logits
    far = (before - after).abs().max() / before.abs().max()
    print("tied:" if tied else "not tied:", "the same but for rounding" if far < 1e-4 else "other logits" if far > 0.1 else "near")
P
same <<'T'
not tied: the same but for rounding
tied: other logits
T
