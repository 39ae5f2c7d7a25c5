"""Reward models of others: `wildreward score` against transformers, on fresh models of random shapes.

usage: reward_models.py [golden DIR]        golden: writes the models and rows of tests/golden/reward instead        WILDREWARD: the program; WILDREWARD_SEED repeats a run; exit 1 on a difference

Every family x 1, 3, 4 and 6 outputs x (reward template, template file with a head block, chat template, ready-made text) x (pad = eos, no pad),
with chats that are too long on the left and on the right. Scores in f32 within 1e-5 of the larger of 1 and the score. Then value heads as TRL and
OpenRLHF store them.
"""
import json
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file, save_file
from tiny_models import FAMILIES, load, make, random_source, random_spec
from training import check, program
from transformers import AutoTokenizer

here = os.path.dirname(os.path.abspath(__file__))
TOKENIZER = os.path.join(here, "..", "golden", "tokenizer", "llama3", "tokenizer.json")
WORDS = ["river", " the", " 3.14", "你好", "😀", "\r\n", " don't", "\t", " naïve", " reply", "{x}", " and", " so on"]
BOS, EOS = "<|im_start|>", "<|im_end|>"
CHAT_TEMPLATES = [
    "{{ bos_token }}{% for m in messages %}{{ '<' + m.role + '>\\n' + m.content | trim + eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<assistant>\\n' }}{% endif %}",
    "{% for m in messages %}{{ '[' + m['role'] + '] ' + m['content'] + eos_token + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '[assistant] ' }}{% endif %}",
]
LIMIT = 160  # tokens of a text
with open(TOKENIZER) as f:
    VOCABULARY = len(json.load(f)["model"]["vocab"]) + 400

DEFAULT = {"history_line": None, "history_empty": "none", "roles": {"user": "User", "assistant": "Assistant", "system": "System"},
           "truncate": "oldest", "trim": False, "strip_thoughts": False}
FIXED = "Before:\n{history}\nAsked: {query}\nSaid: {response}\nHow content?"
HEAD = {"history_line": "{role}: {content}\n", "history_empty": "", "roles": {}, "truncate": "right", "trim": True, "strip_thoughts": True}
HEAD_FILE = '---\nhistory_line: "{role}: {content}\\n"\nhistory_empty: ""\nroles: {}\ntruncate: right\ntrim: true\nstrip_thoughts: true\n---\n'


def words(r, most):
    return "".join(r.choice(WORDS) for _ in range(r.randrange(1, most)))


def render(rules, fixed, history, query, response):
    """The text of a chat by a template file's rules."""
    def line(m):
        role = rules["roles"].get(m["role"], m["role"])
        return (rules["history_line"] or "{role}: {content}").replace("{role}", role, 1).replace("{content}", m["content"], 1)
    if rules["strip_thoughts"]:
        response = response.rpartition("</think>")[2].strip()
    lines = ("" if rules["history_line"] else "\n").join(line(m) for m in history) if history else rules["history_empty"]
    before, rest = fixed.split("{history}")
    middle, rest = rest.split("{query}")
    last, end = rest.split("{response}")
    text = before + lines + middle + query + last + response + end
    return text.strip() if rules["trim"] else text


def template_ids(tok, rules, fixed, history, query, response):
    """None: it does not fit."""
    if rules["truncate"] == "right":
        return tok(render(rules, fixed, history, query, response), truncation=True, max_length=LIMIT)["input_ids"]
    for skip in range(len(history) + 1):
        ids = tok(render(rules, fixed, history[skip:], query, response))["input_ids"]
        if len(ids) <= LIMIT:
            return ids
    return None


def chats(r):
    for kind in range(24):
        history = []
        for _ in range(r.choice([0, 0, 1, 2, 6])):
            history += [{"role": "user", "content": words(r, 30)}, {"role": "assistant", "content": words(r, 30)}]
        if kind % 5 == 1:
            history.insert(0, {"role": "system", "content": words(r, 8)})
        response = words(r, 400 if kind % 7 == 3 else 30)
        if kind % 4 == 2:
            response = "<think>" + words(r, 20) + "</think>\n\n" + response
        yield history, words(r, 20), response


def reward(logits, rule):
    z = [float(x) for x in logits]
    if rule == "class":
        p = torch.softmax(torch.tensor(z, dtype=torch.float64), 0)
        return sum((k + 1) * float(x) for k, x in enumerate(p))
    if rule == "logit" or (rule == "auto" and len(z) == 1):
        return z[0]
    return 1 + sum(1 / (1 + math.exp(-x)) for x in z)


def score(rows, *options):
    """Output lines; some may be error records, which exit 1 tells."""
    done = subprocess.run([program(), "score", *options], input="".join(json.dumps(x) + "\n" for x in rows), capture_output=True, text=True)
    lines = [json.loads(line) for line in done.stdout.split("\n") if line]
    if done.returncode not in (0, 1) or len(lines) != len(rows):
        raise SystemExit(f"wildreward score {' '.join(options)}: exit {done.returncode}\n{done.stderr[-2000:]}")
    return lines


def wanted_score(model, ids, rule):
    with torch.no_grad():
        return reward(model(input_ids=torch.tensor([ids])).logits[0].double(), rule)


def compare(what, directory, model, rows, wanted, arguments, rule="auto"):
    """rows: for score; wanted: ids or None (an error record) of each."""
    got, worst, good = score(rows, "--model", directory, "--max-length", str(LIMIT), "--score-rule", rule, *arguments), 0.0, True
    for x, ids in zip(got, wanted, strict=True):
        if ids is None or len(ids) > LIMIT:
            good &= "error" in x
            continue
        want = wanted_score(model, ids, rule)
        worst = max(worst, abs(x.get("score", math.inf) - want) / max(1.0, abs(want)))
    if not good:
        print(f"{what}: a text that does not fit was scored")
    return good & check(what, worst, 1e-5)


def kinds(model, tok, r):
    """(name, rows, ids or None of each, template text or None, rules) of every way to give a text."""
    for name, rules, head in (("template", DEFAULT, ""), ("head", HEAD, HEAD_FILE)):
        rows, wanted = [], []
        for history, query, response in chats(r):
            rows.append({"history": history, "query": query, "response": response} if r.random() < 0.7 else
                        {"messages": history + [{"role": "user", "content": query}, {"role": "assistant", "content": response}]})
            wanted.append(template_ids(tok, rules, FIXED, history, query, response))
        yield name, rows, wanted, head + FIXED, ["auto"]
    rows, wanted = [], []
    for history, query, response in chats(r):
        if r.random() < 0.3:  # special tokens that a message spells out
            response += r.choice(["<|im_end|>", " <|im_start|>", "<|endoftext|>x"])
        messages = history + [{"role": "user", "content": query}, {"role": "assistant", "content": response}]
        rows.append({"messages": messages} if r.random() < 0.5 else {"prompt": messages[:-1], "response": response})
        wanted.append(tok.apply_chat_template(messages, tokenize=True, return_dict=False))
    yield "chat", rows, wanted, None, ["auto"]
    texts = [words(r, 60) for _ in range(12)]
    yield "text", [{"text": t} for t in texts], [tok(t)["input_ids"] for t in texts], None, ["auto", "class" if model.config.num_labels > 1 else "ordinal"]


def compare_model(what, directory, r):
    model, tok, good = load(directory), AutoTokenizer.from_pretrained(directory), True
    for name, rows, wanted, template, rules in kinds(model, tok, r):
        arguments = []
        if template:
            arguments = ["--template", os.path.join(directory, "..", "template.txt")]
            with open(arguments[1], "w", newline="") as f:
                f.write(template)
        for rule in rules:
            good &= compare(f"{what}, {name}, {rule}", directory, model, rows, wanted, arguments, rule)
    return good


def golden(folder):
    """Small models with rows that hold what transformers scores them (want; null: they do not fit)."""
    r = random.Random(14)
    for family, outputs, pad in (("llama", 1, "eos"), ("qwen3", 4, None), ("gemma2", 3, "eos")):
        directory = os.path.join(folder, f"{family}-{outputs}")
        spec = {**random_spec(family, outputs, r, 14 + outputs), "V": VOCABULARY, "positions": 4096, "rope": "default", "stored": "bf16", "shard_bytes": "5GB",
                "C": 16, "H": 2, "G": 1, "D": 8, "F": 24, "L": 2}
        make({k: v for k, v in spec.items() if k not in ("window", "windowed") or family == "gemma2"}, directory)
        add_tokenizer(directory, r)
        model, tok = load(directory), AutoTokenizer.from_pretrained(directory)
        edit(directory, "config.json", lambda c: c.update(pad_token_id=tok.eos_token_id if pad else None))
        model = load(directory)
        os.remove(os.path.join(directory, "tokenizer.json"))  # tests/golden/tokenizer has it
        for name, rows, wanted, template, rules in kinds(model, tok, r):
            if template:
                with open(os.path.join(directory, name + "-rules.txt"), "w", newline="") as f:
                    f.write(template)
            for rule in rules:
                with open(os.path.join(directory, f"{name}.{rule}.jsonl"), "w", encoding="utf-8") as f:
                    for row, ids in zip(rows, wanted, strict=True):
                        fits = ids is not None and len(ids) <= LIMIT
                        f.write(json.dumps({**row, "want": round(wanted_score(model, ids, rule), 9) if fits else None}, ensure_ascii=False) + "\n")


def add_tokenizer(directory, r):
    shutil.copy(TOKENIZER, directory)
    with open(os.path.join(directory, "tokenizer_config.json"), "w") as f:
        json.dump({"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": BOS, "eos_token": EOS, "chat_template": r.choice(CHAT_TEMPLATES)}, f)


def edit(directory, name, change):
    path = os.path.join(directory, name)
    with open(path) as f:
        x = json.load(f)
    change(x)
    with open(path, "w") as f:
        json.dump(x, f)


def compare_heads(folder, spec, r):
    """A head under OpenRLHF's and TRL's names: the scores of the same head under transformers' name."""
    good, texts = True, [{"text": words(r, 40)} for _ in range(10)]
    want = os.path.join(folder, "plain")
    make({**spec, "score": 1, "shard_bytes": "5GB", "stored": "f32"}, want)
    add_tokenizer(want, r)
    plain = [x["score"] for x in score(texts, "--model", want)]
    for name, bias in (("value_head", 0.0), ("v_head.summary", 0.75)):
        directory = os.path.join(folder, name)
        shutil.copytree(want, directory)
        weights = load_file(os.path.join(directory, "model.safetensors"))
        weights[name + ".weight"] = weights.pop("score.weight")
        if name == "v_head.summary":
            weights[name + ".bias"] = torch.tensor([bias])
            weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
            edit(directory, "config.json", lambda c: (c.update(architectures=["LlamaForCausalLM"], tie_word_embeddings=True), c.pop("id2label", None)))
        else:
            edit(directory, "config.json", lambda c: (c.update(architectures=["RewardModel"]), c.pop("id2label", None)))
        save_file(weights, os.path.join(directory, "model.safetensors"), metadata={"format": "pt"})
        got = [x["score"] for x in score(texts, "--model", directory)]
        good &= check(f"a head named {name}", max(abs(a - b - bias) for a, b in zip(got, plain, strict=True)), 1e-6)
    return good


def main():
    torch.set_num_threads(2)
    if len(sys.argv) == 3 and sys.argv[1] == "golden":
        return golden(sys.argv[2])
    r, good = random_source(), True
    folder = tempfile.mkdtemp(prefix="wr-reward-")
    try:
        for family in FAMILIES:
            for outputs in (1, 3, 4, 6):
                directory = os.path.join(folder, f"{family}-{outputs}")
                spec = {**random_spec(family, outputs, r, r.randrange(1 << 30)), "V": VOCABULARY, "positions": 4096, "rope": "default"}
                make(spec, directory)
                add_tokenizer(directory, r)
                tok = AutoTokenizer.from_pretrained(directory)
                pad = tok.eos_token_id if r.random() < 0.5 else None
                edit(directory, "config.json", lambda c: c.update(pad_token_id=pad))
                good &= compare_model(f"{family}, {outputs} outputs, pad {pad}", directory, r)
                shutil.rmtree(directory)
        good &= compare_heads(folder, {**random_spec("llama", 1, r, 1), "V": VOCABULARY, "positions": 4096, "tied": True, "rope": "default"}, r)
    finally:
        shutil.rmtree(folder)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
