#!/bin/bash
# A model folder whose config.json says that the head is the embedding, and whose weights hold another head.
. "$(dirname "$0")/common.sh" model
finding "transformers 5.24.0" \
    "with tie_word_embeddings: true the head is the embedding (as in transformers 4), or the contradiction is an error" \
    "the stored head is used and the model is not tied, while its config goes on saying that it is; a stored head of equal values is tied"
run_python <<'P'
import torch
from safetensors.torch import load_file, save_file
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

logging.disable_progress_bar()
LlamaForCausalLM(LlamaConfig(vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, tie_word_embeddings=True)).save_pretrained(".")
weights = load_file("model.safetensors")
for what in ("equal", "other"):
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone() if what == "equal" else torch.ones(32, 16)
    save_file(weights, "model.safetensors", metadata={"format": "pt"})
    model = LlamaForCausalLM.from_pretrained(".")
    print(what, "values: one matrix", model.lm_head.weight is model.model.embed_tokens.weight, "- the stored head",
          torch.equal(model.lm_head.weight, weights["lm_head.weight"]), "- config says tied", model.config.tie_word_embeddings)
P
same <<'T'
equal values: one matrix True - the stored head True - config says tied True
other values: one matrix False - the stored head True - config says tied True
T
