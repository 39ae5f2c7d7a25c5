#!/usr/bin/env python3
"""Published chat templates: `wildreward tokenize` renders random chats as transformers does, or refuses the template by name.

usage: chat_live.py MODEL_DIR [CHATS]        WILDREWARD: the program; WILDREWARD_SEED repeats a run; exit 1 on a difference
MODEL_DIR            a tokenizer whose ids are compared too (its special tokens stand in the chats now and then)
ORACLE_TEMPLATES     a folder of *.jinja files; the model's own template is always tried
CHATS                random chats to each template (default 500): system or not, several turns, with and without generation prompt, no tools

A template is listed as equal, or as refused with the words of the refusal. Chats that transformers refuses (raise_exception) must be refused too.
"""
import glob, json, os, random, subprocess, sys, tempfile
from transformers import AutoTokenizer

program = os.environ.get("WILDREWARD", "build/wildreward")
directory, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 500
seed = int(os.environ.get("WILDREWARD_SEED", random.randrange(1 << 30)))
print(f"seed {seed} (WILDREWARD_SEED repeats it)")
tokenizer = AutoTokenizer.from_pretrained(directory)
WORDS = ["hello", "Wie geht's?", "你好，世界", "  two  spaces ", "\n\n", "{{ x }}", "{% if %}", "'quotes\" \\ ", "```c\nint x;\n```", "🌧️", "\ttab", "end\r\n", "a" * 40,
         "</think>", "<think>why</think> so", "/no_think", "[INST]", "1,000", "é", "\u00a0nbsp\u00a0", "\u3000", "<tool_call>"]
MUST = ("Qwen2.5", "Qwen-Qwen3", "Llama-3.1", "Llama-3.2", "Llama-3.3", "SmolLM3", "Nemo")


def text(r):
    return "".join(r.choice(WORDS) + r.choice(["", " ", "\n"]) for _ in range(r.randrange(0 if r.random() < 0.05 else 1, 8)))


def chat(r):
    messages = [{"role": "system", "content": text(r)}] if r.random() < 0.4 else []
    for i in range(r.randrange(1, 8)):
        messages.append({"role": "assistant" if i % 2 else "user", "content": text(r)})
    if r.random() < 0.03:  # out of order
        r.shuffle(messages)
    return messages


def ours(rows, *options):
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    out = subprocess.run([program, "tokenize", "--tokenizer", directory, *options], input=lines, capture_output=True, text=True)
    return [json.loads(line) for line in out.stdout.split("\n") if line]


def theirs(row, template):
    try:
        return tokenizer.apply_chat_template(row["messages"], chat_template=template, add_generation_prompt=row["add_generation_prompt"], tokenize=False)
    except Exception as e:  # raise_exception, or what transformers itself cannot do with the chat
        return e


def compare(name, template, options):
    r = random.Random(f"{seed} {name}")
    rows = [{"messages": chat(r), "add_generation_prompt": r.random() < 0.5} for _ in range(count)]
    got = ours(rows, *options)
    equal = refused = 0
    for row, mine in zip(rows, got, strict=True):
        want = theirs(row, template)
        if isinstance(want, Exception):
            if "error" not in mine:
                return f"DIFFERENT: {str(want)[:80]!r} was not refused: {mine['rendered'][:80]!r}"
            refused += 1
        elif "error" in mine:
            return f"REFUSED: {mine['error'][:200]}"
        elif mine["rendered"] != want:
            at = next((i for i, (a, b) in enumerate(zip(mine["rendered"], want)) if a != b), min(len(want), len(mine["rendered"])))
            return f"DIFFERENT: at {at}: {mine['rendered'][max(0, at - 20):at + 40]!r}, transformers {want[max(0, at - 20):at + 40]!r}"
        else:
            equal += 1
            plain = not any(s in m["content"] for m in row["messages"] for s in tokenizer.all_special_tokens)
            if plain and mine["ids"] != tokenizer(want, add_special_tokens=False).input_ids:
                return f"DIFFERENT ids: {want[:80]!r}"
    return f"{equal} equal, {refused} refused by both"


bad = 0
templates = [("the model's own", None)] + [(os.path.basename(f)[:-6], f) for f in sorted(glob.glob(os.path.join(os.environ.get("ORACLE_TEMPLATES", "/nonexistent"), "*.jinja")))]
if len(templates) == 1:
    print("published templates skipped: ORACLE_TEMPLATES names no folder of *.jinja files")
tally = {"equal": 0, "refused": 0, "different": 0}
for name, path in templates:
    outcome = compare(name, open(path).read() if path else None, ("--chat-template", path) if path else ())
    print(f"{name}: {outcome}")
    tally["different" if outcome.startswith("DIFFERENT") else "refused" if outcome.startswith("REFUSED") else "equal"] += 1
    bad += outcome.startswith("DIFFERENT") or (outcome.startswith("REFUSED") and (path is None or any(m in name for m in MUST)))
print(", ".join(f"{v} {k}" for k, v in tally.items()))
sys.exit(1 if bad else 0)
