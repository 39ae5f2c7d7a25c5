"""Small random checkpoints of each supported family, made by transformers itself, in either layout of config.json."""
import copy
import json
import os
import random

import torch
import transformers as tf

tf.utils.logging.disable_progress_bar()

FAMILIES = {
    "llama": (tf.LlamaConfig, tf.LlamaForCausalLM, tf.LlamaForSequenceClassification),
    "qwen2": (tf.Qwen2Config, tf.Qwen2ForCausalLM, tf.Qwen2ForSequenceClassification),
    "qwen3": (tf.Qwen3Config, tf.Qwen3ForCausalLM, tf.Qwen3ForSequenceClassification),
    "mistral": (tf.MistralConfig, tf.MistralForCausalLM, tf.MistralForSequenceClassification),
    "phi3": (tf.Phi3Config, tf.Phi3ForCausalLM, tf.Phi3ForSequenceClassification),
    "smollm3": (tf.SmolLM3Config, tf.SmolLM3ForCausalLM, tf.SmolLM3ForSequenceClassification),
    "gemma2": (tf.Gemma2Config, tf.Gemma2ForCausalLM, tf.Gemma2ForSequenceClassification),
    "gemma3_text": (tf.Gemma3TextConfig, tf.Gemma3ForCausalLM, tf.Gemma3TextForSequenceClassification),
    "olmo2": (tf.Olmo2Config, tf.Olmo2ForCausalLM, tf.Olmo2ForSequenceClassification),
}
ROPES = {
    "default": {"rope_type": "default", "rope_theta": 10000.0},
    "linear": {"rope_type": "linear", "rope_theta": 5000.0, "factor": 2.5},
    # Wave lengths below 8, between 8 and 32, and above are three cases: with 6 elements a head and this base there is one of each.
    "llama3": {"rope_type": "llama3", "rope_theta": 100.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 32},
    # Rows of up to `original` tokens and longer ones; a list has a factor for every two elements that are turned.
    "longrope": {"rope_type": "longrope", "rope_theta": 100.0},
}
ROPES_OF = {"phi3": ["default", "longrope"]}


def rope_of(spec):
    rope = dict(ROPES[spec["rope"]])
    if spec["family"] == "phi3":
        rope["partial_rotary_factor"] = spec.get("share", 1.0)
    if spec["rope"] == "longrope":
        pairs = int(spec["D"] * spec.get("share", 1.0)) // 2
        rope["short_factor"] = [round(1 + 0.3 * i, 3) for i in range(pairs)]
        rope["long_factor"] = [round(2 + 1.7 * i, 3) for i in range(pairs)]
        if "attention" in spec:
            rope["attention_factor"] = spec["attention"]
    if spec["family"] == "gemma3_text":
        return {"full_attention": rope, "sliding_attention": {"rope_type": "default", "rope_theta": spec.get("local_theta", 100.0)}}
    return rope


def make(spec, directory):
    """Writes the model that a spec describes. Keys: family, score (number of outputs, or 0), tied, C, H, G, D, F, V, L, rope, stored, shard_bytes,
    layout (4 or 5), pad, positions, std, seed; share, original, attention: of phi3's rope; turned: no_rope_layers; window, and windowed: the layers that
    have it, as transformers' max_window_layers (a number) or a list of true and false; query_scale, attention_cap, final_cap, local_theta: of gemma."""
    config_class, causal, scoring = FAMILIES[spec["family"]]
    torch.manual_seed(spec["seed"])
    extra = {"num_labels": spec["score"]} if spec["score"] else {}
    if spec["family"] == "qwen2":
        assert spec["H"] * spec["D"] == spec["C"], "Qwen2 has no head_dim of its own"
    else:
        extra["head_dim"] = spec["D"]
    extra |= window_fields(spec)
    if "turned" in spec:
        extra["no_rope_layers"] = spec["turned"]
    if spec["rope"] == "longrope":
        extra["original_max_position_embeddings"] = spec.get("original", 32)
    if spec["family"].startswith("gemma"):
        extra |= gemma_fields(spec)
    config = config_class(hidden_size=spec["C"], intermediate_size=spec["F"], num_hidden_layers=spec["L"], num_attention_heads=spec["H"],
                          num_key_value_heads=spec["G"], vocab_size=spec["V"], max_position_embeddings=spec.get("positions", 64),
                          rms_norm_eps=1e-5, initializer_range=spec.get("std", 0.3), attention_dropout=0.0, bos_token_id=1, eos_token_id=2,
                          pad_token_id=spec.get("pad", 0), tie_word_embeddings=spec["tied"], rope_parameters=rope_of(spec), **extra)
    model = (scoring if spec["score"] else causal)(config)
    with torch.no_grad():
        for p in model.parameters():  # norms off 1, biases off 0
            if p.dim() == 1:
                p.add_(0.2 * torch.randn_like(p))
    if spec["stored"] == "bf16":
        model = copy.deepcopy(model).to(torch.bfloat16)
    model.save_pretrained(directory, max_shard_size=spec.get("shard_bytes", "5GB"))
    if spec["layout"] == 4:
        to_layout_4(directory, spec)


def gemma_fields(spec):
    """query_scale, caps (of attention, of the head); a missing one is the class's default, None is none."""
    names = {"query_scale": "query_pre_attn_scalar", "final_cap": "final_logit_softcapping"}
    if spec["family"] == "gemma2":
        names["attention_cap"] = "attn_logit_softcapping"
    return {names[k]: spec[k] for k in names if k in spec}


def window_fields(spec):
    window, windowed = spec.get("window"), spec.get("windowed", 0)
    if spec["family"] in ("mistral", "phi3"):
        return {"sliding_window": window}
    if window is None:
        return {}
    fields = {"sliding_window": window}
    if spec["family"].startswith("qwen") or spec["family"] == "smollm3":
        fields["use_sliding_window"] = True
    if spec["family"].startswith("gemma") and not isinstance(windowed, list):
        pass  # the class's own pattern
    elif isinstance(windowed, list):
        fields["layer_types"] = ["sliding_attention" if w else "full_attention" for w in windowed]
    elif spec["family"] != "smollm3":  # whose windows are then on the layers without rotary embedding
        fields["max_window_layers"] = windowed
    return fields


def to_layout_4(directory, spec):
    """config.json as transformers 4 wrote it."""
    path = os.path.join(directory, "config.json")
    with open(path) as f:
        c = json.load(f)
    c["torch_dtype"] = c.pop("dtype")
    rope = c.pop("rope_parameters")
    if spec["family"] == "gemma3_text":
        c["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        rope = rope["full_attention"]
    c["rope_theta"] = rope.pop("rope_theta")
    c["rope_scaling"] = None
    if "partial_rotary_factor" in rope:
        c["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
    if rope["rope_type"] == "longrope":
        c["rope_scaling"] = {"type": rope["rope_type"], **{k: rope[k] for k in ("short_factor", "long_factor", "attention_factor") if k in rope}}
    elif rope["rope_type"] == "linear" and spec["family"] != "gemma3_text":  # the older spelling of the type's key
        c["rope_scaling"] = {"type": "linear", "factor": rope["factor"]}
    elif rope["rope_type"] != "default":
        c["rope_scaling"] = rope
    if "turned" not in spec:
        c.pop("no_rope_layers", None)
    if spec.get("window") and not isinstance(spec.get("windowed", 0), list):
        c.pop("layer_types", None)
    if spec["family"] == "qwen2" and not spec.get("window"):  # as published: a window that is switched off
        c.pop("layer_types", None)
        c["sliding_window"], c["use_sliding_window"], c["max_window_layers"] = 16, False, spec["L"]
    if spec["C"] == spec["H"] * spec["D"] and spec["family"] not in ("qwen3", "gemma2", "gemma3_text"):  # absent, it means 128 or 256 to these
        c.pop("head_dim", None)
    c["transformers_version"] = "4.51.0"
    with open(path, "w") as f:
        json.dump(c, f, indent=2)


def load(directory, dtype=torch.float32):
    architecture = json.load(open(os.path.join(directory, "config.json")))["architectures"][0]
    model, info = getattr(tf, architecture).from_pretrained(directory, dtype=dtype, attn_implementation="eager", output_loading_info=True)
    if any(info.values()):
        raise SystemExit(f"{directory}: {info}")
    return model.eval()


def random_spec(family, score, r, seed):
    """A shape that nobody chose; r: random.Random."""
    G = r.choice([1, 1, 2, 3])
    H = G * r.choice([1, 2, 3, 4])
    D = r.choice([2, 4, 6, 8, 10, 16, 20])
    C = H * D if family == "qwen2" else r.choice([H * D, H * 2 * r.randrange(1, 6)])
    if C < 8:  # one rounding more or less is then all there is to see in bf16
        C, D = 8 * H, 8 if family == "qwen2" else D
    L = r.randrange(1, 4)
    windows = {}
    if family not in ("llama", "olmo2") and r.random() < 0.6:
        windows = {"window": r.choice([2, 3, 5, r.randrange(2, 100)]), "windowed": r.choice([r.randrange(L), [r.random() < 0.5 for _ in range(L)]])}
    rope, share = r.choice(ROPES_OF.get(family, ["default", "linear", "llama3"])), {}
    if family == "phi3":  # it checks lists of factors against hidden_size / heads, and longrope wants an even number of turned elements
        C = H * D
        share["original"] = r.choice([4, 16, 40])
        share["share"] = r.choice([s for s in (1.0, 0.75, 0.5, 0.3) if int(D * s) >= 2 and (rope != "longrope" or int(D * s) % 2 == 0)])
    if family == "smollm3" and r.random() < 0.7:
        share["turned"] = [r.randrange(2) for _ in range(L)]
    if family.startswith("gemma"):
        C = H * D * r.choice([1, 2])  # a multiple of the heads
        windows |= {k: r.choice(v) for k, v in (("query_scale", [D, 1, 300]), ("attention_cap", [None, 50.0, 0.5]), ("final_cap", [None, 30.0, 2.5]))
                    if r.random() < 0.7}
    return {**windows, **share, "family": family, "score": score, "tied": r.random() < 0.5, "C": C, "H": H, "G": G, "D": D, "F": r.randrange(5, 60), "V": r.randrange(33, 120),
            "L": L, "rope": rope, "stored": r.choice(["f32", "bf16"]),
            "shard_bytes": r.choice(["5GB", r.randrange(4000, 20000)]), "layout": r.choice([4, 5]), "pad": r.choice([0, None]),
            "std": min(0.3, 1.2 / C ** 0.5), "seed": seed}


def random_source():
    """random.Random of WILDREWARD_SEED, or of a seed drawn now; printed either way."""
    seed = int(os.environ.get("WILDREWARD_SEED") or random.SystemRandom().randrange(1 << 30))
    print(f"seed {seed} (WILDREWARD_SEED repeats it)", flush=True)
    return random.Random(seed)
