#!/bin/bash
# layers_to_transform of an adapter whose modules are named in full.
. "$(dirname "$0")/common.sh" model
finding "PEFT 0.21.2" \
    "layers_to_transform=[1] puts adapters on layer 1 alone" \
    "it limits names that are matched by their end; modules named in full get adapters in all layers, without a word; a name that is no module is passed over beside one that is"
run_python <<'P'
from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

def adapted(**options):
    model = LlamaForCausalLM(LlamaConfig(vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2))
    model = get_peft_model(model, LoraConfig(**options))
    return sorted(name.split("model.model.")[1].split(".lora_A")[0] for name, _ in model.named_parameters() if ".lora_A" in name)

full = ["model.layers.%d.self_attn.q_proj" % layer for layer in (0, 1)]
print("q_proj:", *adapted(target_modules=["q_proj"], layers_to_transform=[1]))
print("both in full:", *adapted(target_modules=full, layers_to_transform=[1]))
print("q_proj and no_such:", *adapted(target_modules=["q_proj", "no_such"], layers_to_transform=[1]))
P
same <<'T'
q_proj: model.layers.1.self_attn.q_proj
both in full: model.layers.0.self_attn.q_proj model.layers.1.self_attn.q_proj
q_proj and no_such: model.layers.1.self_attn.q_proj
T
