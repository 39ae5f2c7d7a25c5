#!/bin/bash
# The embedding of the end token where it is also the padding token, as in many published models.
. "$(dirname "$0")/common.sh" model
finding "transformers 5.24.0, torch 2.13.0" \
    "pad_token_id says what fills up a batch; a token that stands in a text and counts in the loss is learned" \
    "it is the embedding's padding_idx: that row never has a gradient, even without a mask, so an end token that is also the padding token keeps its embedding for ever"
run_python <<'P'
import torch
from transformers import LlamaConfig, LlamaForCausalLM

for pad in (None, 2):
    torch.manual_seed(0)
    model = LlamaForCausalLM(LlamaConfig(vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, eos_token_id=2, pad_token_id=pad))
    text = torch.tensor([[1, 5, 2, 6, 7]])  # a chat with an end token in its middle
    model(text, labels=text).loss.backward()
    gradient = model.model.embed_tokens.weight.grad
    print("pad_token_id", pad, "- ids with a gradient:", *[i for i in range(32) if gradient[i].abs().max() > 0])
P
same <<'T'
pad_token_id None - ids with a gradient: 1 2 5 6
pad_token_id 2 - ids with a gradient: 1 5 6
T
