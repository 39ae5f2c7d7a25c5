"""LoRA adapters both ways: those that PEFT writes in the program, those that the program writes in PEFT.

usage: lora_peft.py        WILDREWARD: the program; WILDREWARD_SEED repeats a run; exit 1 on a difference

PEFT's, on fresh models of random shapes of every family: `logprobs --adapter` and `score --adapter` against PeftModel, and what `merge` wrote against it
in transformers. Ours, trained for a few steps: PeftModel.from_pretrained against `logprobs --adapter` and against the run's merged model. All in f32,
within 1e-4 of the largest number.
"""
import json
import os
import shutil
import sys
import tempfile

import torch
from compare_cli import TOKENIZER, words
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from tiny_models import FAMILIES, load, make, random_source, random_spec
from tokenizers import Tokenizer
from training import check, jsonl_tool, program, run
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

TARGETS = ["all-linear", ["q_proj", "v_proj"], ["down_proj"], ["self_attn.o_proj", "gate_proj", "up_proj"], ["k_proj", "model.layers.0.self_attn.q_proj"],
           ["q_proj", "lm_head", "c_attn"], r".*\.(q|up)_proj"]

FUSED = ["all-linear", ["qkv_proj"], ["down_proj", "gate_up_proj"], ["self_attn.o_proj", "q_proj"], ["qkv_proj", "lm_head"], r".*\.(qkv|gate_up)_proj"]


def relative(ours, theirs):
    return max(float((a - b).abs().max()) for a, b in zip(ours, theirs, strict=True)) / max(float(b.abs().max()) for b in theirs)


def write_adapter(model, score, r, directory):
    """Random adapters on `model` by PEFT, saved; the model that carries them."""
    rank = r.randrange(1, 9)
    config = LoraConfig(task_type="SEQ_CLS" if score else "CAUSAL_LM", r=rank, lora_alpha=r.choice([rank, 2 * rank, 7]), target_modules=r.choice(FUSED if model.config.model_type == "phi3" else TARGETS),
                        lora_dropout=r.choice([0.0, 0.1]), use_rslora=r.random() < 0.3)
    adapted = get_peft_model(model, config).eval()
    with torch.no_grad():
        for name, p in adapted.named_parameters():
            if "lora_B" in name:
                p.normal_(0, 0.5 / rank)
            elif "score.modules_to_save" in name:
                p.normal_(0, 0.3)
    adapted.save_pretrained(directory)
    print(f"  rank {rank}, alpha {config.lora_alpha}, {'rslora, ' if config.use_rslora else ''}{config.target_modules}", flush=True)
    return adapted


def token_logprobs(model, pairs):
    out = []
    for p, q in pairs:
        z = torch.log_softmax(model(input_ids=torch.tensor([p + q])).logits[0, len(p) - 1:-1].float(), -1)
        out.append(z.gather(1, torch.tensor(q)[:, None])[:, 0])
    return out


def our_logprobs(pairs, *options):
    return [torch.tensor(x["token_logprobs"]) for x in jsonl_tool("logprobs", [{"prompt_ids": p, "response_ids": q} for p, q in pairs], *options)]


def from_peft(family, score, tok, r, folder):
    base, adapter, merged = (os.path.join(folder, f"{family}-{score}{x}") for x in ("", "-adapter", "-merged"))
    spec = {**random_spec(family, score, r, r.randrange(1 << 30)), "V": tok.get_vocab_size() + r.randrange(1, 40), "positions": 512, "pad": None}
    make(spec, base)
    shutil.copy(TOKENIZER, base)
    print({k: v for k, v in spec.items() if k not in ("seed", "std", "positions")}, flush=True)
    texts = [words(r, 40) + " end" for _ in range(6)]
    ids = [tok.encode(t).ids for t in texts]
    pairs = [(i[:1 + len(i) // 2], i[1 + len(i) // 2:]) for i in ids]

    def outputs(model):
        with torch.no_grad():
            return [model(input_ids=torch.tensor([i])).logits[0].float() for i in ids] if score else token_logprobs(model, pairs)

    plain = outputs(load(base))
    adapted = outputs(write_adapter(load(base), score, r, adapter))
    if relative(plain, adapted) < 1e-2:
        raise SystemExit("the adapter changes too little to prove anything")
    if score:
        ours = [torch.tensor(x["logits"]) for x in jsonl_tool("score", [{"text": t} for t in texts], "--model", base, "--adapter", adapter)]
    else:
        ours = our_logprobs(pairs, "--model", base, "--adapter", adapter)
    good = check("  PEFT's adapter on our model", relative(ours, adapted), 1e-4)
    run("merge", "--model", base, "--adapter", adapter, "--out", merged)
    return check("  PEFT's adapter, merged by us, in transformers", relative(outputs(load(merged)), adapted), 1e-4) and good


def to_peft(folder, tok, r):
    good = True
    os.chdir(folder)
    run("synth", "--users", 20, "--conversations", 150, "--seed", 3, "--train-prompts", 8, "--heldout-prompts", 8, "--out", "world")
    shape = "layers=2,hidden=32,heads=4,kv-heads=2,ffn=64,max-positions=512"
    for family in FAMILIES:
        run("prepare", "world/chats.jsonl.zst", "--out", f"data-{family}", "--vocab-size", 400, "--seed", 1)
        run("train", "lm", "--data", f"data-{family}", "--new", f"{shape},type={family}", "--out", f"base-{family}", "--steps", 3, "--global-batch", 8)
        base = f"base-{family}/model"
        vocabulary = json.load(open(f"{base}/config.json"))["vocab_size"]
        for kind, auto in (("lm", AutoModelForCausalLM), ("reward", AutoModelForSequenceClassification)):
            out = f"{kind}-{family}"
            targets = ["all-linear", "qkv_proj", "gate_up_proj,o_proj"] if family == "phi3" else ["all-linear", "q_proj,v_proj", "up_proj,down_proj,o_proj"]
            run("train", kind, "--data", f"data-{family}", "--model", base, "--out", out, "--steps", 20, "--global-batch", 8, "--lr", 0.02, "--lora-rank",
                r.randrange(1, 9), "--lora-alpha", r.choice([4, 7.5, 16]), "--lora-targets", r.choice(targets))
            merged = load(f"{out}/model")
            more = {"num_labels": merged.config.num_labels} if kind == "reward" else {}
            carrier = PeftModel.from_pretrained(auto.from_pretrained(base, **more), f"{out}/adapter").eval()
            stored, used = load_file(f"{out}/adapter/adapter_model.safetensors"), dict(carrier.named_parameters())
            for name, value in stored.items():  # nothing was left out or initialised anew
                key = name.replace("_A.weight", "_A.default.weight").replace("_B.weight", "_B.default.weight").replace(
                    "score.weight", "score.modules_to_save.default.weight")
                if not torch.equal(used[key], value):
                    raise SystemExit(f"{out}/adapter: PEFT has another {key}")
            rows = [[r.randrange(vocabulary) for _ in range(r.randrange(2, 60))] for _ in range(8)]
            with torch.no_grad():
                theirs, ours = ([m(input_ids=torch.tensor([i])).logits[0].float() for i in rows] for m in (carrier, merged))
                good &= check(f"our adapter in PEFT, {kind}, {family}: as the merged model", relative(ours, theirs), 1e-4)
                if kind == "lm":
                    pairs = [(i[:1], i[1:]) for i in rows]
                    got = our_logprobs(pairs, "--model", base, "--adapter", f"{out}/adapter")
                    good &= check(f"our adapter in PEFT, {kind}, {family}: as --adapter", relative(got, token_logprobs(carrier, pairs)), 1e-4)
    return good


def main():
    r, good, tok = random_source(), True, Tokenizer.from_file(TOKENIZER)
    torch.set_num_threads(2)
    os.environ["WILDREWARD"] = os.path.abspath(program())  # the working folder changes
    folder = tempfile.mkdtemp(prefix="wr-peft-")
    try:
        for family in FAMILIES:
            for score in (0, r.randrange(1, 6)):
                good &= from_peft(family, score, tok, r, folder)
        good &= to_peft(folder, tok, r)
    finally:
        shutil.rmtree(folder)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
