"""Which modules PEFT adapts for an adapter_config.json, with rank and scale: writes tests/golden/lora/targets.jsonl for tests/unit/test_lora_plan.c.

usage: lora_targets.py OUT.jsonl

One line a case: {"head": "lm" or "score", "tied": …, "config": {…}, "modules": {name: [rank, scale]}, "saved": [names]}, or "error": true where PEFT makes
none. PEFT 0.21.2 on a Llama of 2 layers, or what "type" names.
"""
import json
import sys
import tempfile
import warnings

from peft import LoraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification, Phi3Config, Phi3ForCausalLM

CASES = [
    {"target_modules": ["q_proj", "v_proj"]},
    {"target_modules": ["q_proj", "query_key_value", "out_proj", "c_attn"]},
    {"target_modules": ["query_key_value"]},
    {"target_modules": ["proj"]},
    {"target_modules": ["self_attn.q_proj", "model.layers.1.mlp.up_proj"]},
    {"target_modules": ["all-linear"]},
    {"target_modules": "all-linear"},
    {"target_modules": "All-Linear"},
    {"target_modules": ["q_proj", "norm"]},
    {"target_modules": ["layers.0"]},
    {"target_modules": ["lm_head"]},
    {"target_modules": ["q_proj", "lm_head"]},
    {"target_modules": ["embed_tokens"]},
    {"target_modules": ["model.embed_tokens", "lm_head", "k_proj"], "use_rslora": True},
    {"target_modules": r".*\.1\.(self_attn|mlp)\.(q_proj|up_proj)"},
    {"target_modules": r".*\.(q|v)_proj"},
    {"target_modules": r"model\.layers\.\d+\.self_attn\.[qk]_proj"},
    {"target_modules": r".*layers\.(?:0|1)\..*(?<!gate)_proj$"},
    {"target_modules": r"(?!.*lm_head).*(_proj)"},
    {"target_modules": r".*(q_proj|lm_head)"},
    {"target_modules": r"q_proj"},
    {"target_modules": r"(?:.*?(?:self_attn|attention).*?(?:q_proj|k_proj).*?).*?"},
    {"target_modules": r".*\.\w{6}"},
    {"target_modules": ["q_proj", "v_proj"], "layers_to_transform": [1]},
    {"target_modules": ["q_proj", "lm_head"], "layers_to_transform": 0},
    {"target_modules": ["q_proj"], "layers_to_transform": []},
    {"target_modules": ["q_proj"], "layers_to_transform": [5]},
    {"target_modules": ["q_proj"], "layers_to_transform": [1], "layers_pattern": "layers"},
    {"target_modules": ["q_proj"], "layers_to_transform": [1], "layers_pattern": ["h", "layers"]},
    {"target_modules": ["q_proj"], "layers_to_transform": [1], "layers_pattern": "h"},
    {"target_modules": ["model.layers.0.self_attn.q_proj", "v_proj"], "layers_to_transform": [1]},
    {"target_modules": ["q_proj", "v_proj"], "exclude_modules": ["model.layers.0.self_attn.q_proj"]},
    {"target_modules": ["q_proj", "v_proj", "lm_head"], "exclude_modules": ["v_proj", "lm_head"]},
    {"target_modules": ["q_proj", "v_proj"], "exclude_modules": r".*layers\.0.*"},
    {"target_modules": ["q_proj"], "exclude_modules": ["q_proj"]},
    {"target_modules": "all-linear", "exclude_modules": ["mlp.up_proj", "self_attn"]},
    {"target_modules": ["q_proj", "v_proj", "lm_head"], "rank_pattern": {"q_proj": 3, r"layers\.1\.self_attn\.v_proj": 1, "lm_head": 5},
     "alpha_pattern": {"v_proj": 9, "lm_head": 1}},
    {"target_modules": ["q_proj", "v_proj"], "rank_pattern": {"proj": 9, "q_proj": 1, "self_attn.q_proj": 7}, "alpha_pattern": {r"layers\.0\..*": 3},
     "use_rslora": True},
    {"target_modules": ["q_proj"], "rank_pattern": {"^model.layers.0.self_attn.q_proj": 4, r".*1.*": 6}},
    {"target_modules": ["q_proj"], "modules_to_save": ["lm_head", "embed_tokens"]},
    {"target_modules": ["q_proj", "lm_head"], "modules_to_save": ["lm_head"]},
    {"target_modules": ["q_proj"], "modules_to_save": ["wte"]},
    {"target_modules": ["q_proj"], "modules_to_save": ["score"]},
    {"target_modules": ["q_proj"], "fan_in_fan_out": True},
]
SCORES = [
    {"target_modules": ["q_proj", "score"]},
    {"target_modules": "all-linear"},
    {"target_modules": ["q_proj", "lm_head"]},
    {"target_modules": ["lm_head"]},
    {"target_modules": r".*(q_proj|score)", "modules_to_save": ["classifier", "score"]},
]

FUSED = [
    {"target_modules": "all-linear"},
    {"target_modules": ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"], "rank_pattern": {"qkv_proj": 5}, "alpha_pattern": {"gate_up_proj": 3}},
    {"target_modules": ["q_proj", "v_proj"]},
    {"target_modules": ["q_proj", "up_proj", "down_proj"]},
    {"target_modules": r".*\.(gate_up|q)_proj"},
    {"target_modules": r".*(q|up)_proj"},
    {"target_modules": r".*_proj", "exclude_modules": ["qkv_proj"], "layers_to_transform": None},
    {"target_modules": ["qkv_proj"], "layers_to_transform": [1]},
    {"target_modules": ["qkv_proj", "resid_attn_dropout"]},
    {"target_modules": ["qkv_proj", "activation_fn"]},
    {"target_modules": ["qkv_proj", "act_fn"]},
    {"target_modules": ["gate_up_proj", "lm_head"], "modules_to_save": ["embed_tokens", "wte"]},
]


def adapted(config, score, tied, fused):
    shape = dict(vocab_size=20, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2, pad_token_id=None)
    kind = Phi3ForCausalLM if fused else LlamaForSequenceClassification if score else LlamaForCausalLM
    model = kind((Phi3Config if fused else LlamaConfig)(**shape, tie_word_embeddings=tied))
    try:
        with tempfile.TemporaryDirectory() as d:  # the config goes through the file, as a reader of adapters meets it
            with open(f"{d}/adapter_config.json", "w") as f:
                json.dump(config, f)
            peft = get_peft_model(model, LoraConfig.from_pretrained(d))
    except Exception as e:
        return {"error": True}, type(e).__name__
    modules, saved = {}, []
    for name, module in peft.base_model.model.named_modules():
        if hasattr(module, "lora_A"):
            rank, scale = module.r["default"], module.scaling["default"]
            modules[name] = [rank, scale]
        if type(module).__name__ == "ModulesToSaveWrapper":
            saved.append(name)
    return {"modules": modules, "saved": saved}, "ok"


def main():
    warnings.simplefilter("ignore")
    with open(sys.argv[1], "w") as out:
        for score, fused, cases in ((False, False, CASES), (True, False, SCORES), (False, True, FUSED)):
            for i, case in enumerate(cases):
                config = {"peft_type": "LORA", "task_type": "SEQ_CLS" if score else "CAUSAL_LM", "r": 2, "lora_alpha": 4, **case}
                tied = i % 2 == 1
                result, how = adapted(config, score, tied, fused)
                print(f"{how}: {case}")
                out.write(json.dumps({"head": "score" if score else "lm", **({"type": "phi3"} if fused else {}), "tied": tied, "config": config, **result}) + "\n")


main()
