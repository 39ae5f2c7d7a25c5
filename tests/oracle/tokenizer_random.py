#!/usr/bin/env python3
"""Thousands of strings through `wildreward tokenize` and Hugging Face tokenizers: ids and decoded texts must be the same.

usage: tokenizer_random.py TOKENIZER_DIR [WILDREWARD] [SEED] [CHATS.jsonl.zst]        exit 1 on a difference
ORACLE_STRINGS: how many (default 20,000)
"""
import json, os, random, subprocess, sys
from tokenizers import Tokenizer

directory = sys.argv[1]
program = sys.argv[2] if len(sys.argv) > 2 else "build/wildreward"
seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 30)
tok = Tokenizer.from_file(os.path.join(directory, "tokenizer.json"))
R = random.Random(seed)
POOL = ["你好，世界", "emoji 😀👨‍👩‍👧‍👦", "\r\n", "\t\t", "\x00\x01\x1f", "12345", "٣٤٥", "½²Ⅷ", "naïve", "e\u0301", "\u00a0", "\u180e", "\u200b\u200d", "한국어", "ﬁ", "'s",
        "'ll", "'S", " ", "  ", "   ", "\n", "。", "I'm", "x" * 40, "http://a.b/c?d=1", "\u2028", "\u3000", "ÀÉ", "İı", "__init__", "(){}[]", "…", "\ufeff",
        "\U0001d7d8", "𠮷", "a\u0308", "Å", "①", "\u0e33", "हिन्दी", "\u0378", "▁", " ▁ ", "<0x0A>", "'ſ", "\u0344\u0345\u0334", "가\u11a8", "\u1100\u1161\u11a8", "\U00011930\U00011935"] + [t.content for t in tok.get_added_tokens_decoder().values()]

def character():
    """Of every plane; half of them from where texts are, so that words form; marks in runs are made by text()."""
    kind = R.random()
    if kind < .5:
        return chr(R.choice([R.randrange(32, 127), R.randrange(128, 0x2FFF), R.randrange(0x4E00, 0x9FFF), R.randrange(0x1F300, 0x1F6FF)]))
    if kind < .6:
        return chr(R.choice([R.randrange(0x300, 0x370), R.randrange(0x1DC0, 0x1E00), R.randrange(0x900, 0xE00)]))
    while True:
        code = R.randrange(R.choice([0x80, 0x3000, 0x10000, 0x20000, 0x34000, 0x110000]))
        if not 0xD800 <= code < 0xE000:
            return chr(code)

def text():
    kind = R.random()
    if kind < .02:
        return R.choice(["x", " ", "\n", "ab", "é", "你", "7", "=", "\u0301\u0327", "\r\n"]) * R.randrange(1, 400)
    return "".join(R.choice(POOL) + R.choice(["", " ", "", "\n"]) if R.random() < .7 else "".join(character() for _ in range(R.randrange(1, 8)))
                   for _ in range(R.randrange(1, 20)))

texts = [text() for _ in range(int(os.environ.get("ORACLE_STRINGS", "20000")))]
texts += ["", "a" * 3000, " " * 5000 + "x", "\n" * 3000, "".join(R.choice("abcdefghij") for _ in range(20000))]
if len(sys.argv) > 4:
    lines = subprocess.run(["zstdcat", sys.argv[4]], capture_output=True, check=True).stdout.decode().splitlines()
    messages = [m["content"] for line in lines for m in json.loads(line)["conversation"]]
    texts += R.sample(messages, min(2000, len(messages)))

def tool(rows, *options):
    text = "".join(json.dumps(r) + "\n" for r in rows)
    out = subprocess.run([program, "tokenize", "--tokenizer", directory, *options], input=text, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.split("\n") if line]

bad = 0
for special, options in ((True, []), (False, ["--no-special"])):
    for text, row in zip(texts, tool([{"text": t} for t in texts], *options), strict=True):
        if row["ids"] != tok.encode(text, add_special_tokens=special).ids:
            bad += 1
            print("ids differ:", repr(text[:200])) if bad < 5 else None
some = []
for text in texts:
    ids = tok.encode(text).ids
    some.append([i for i in ids if R.random() < .8] + [R.randrange(tok.get_vocab_size()) for _ in range(3)])
for skip, options in ((False, ["--decode"]), (True, ["--decode", "--skip-special"])):
    for ids, row in zip(some, tool([{"ids": i} for i in some], *options), strict=True):
        if row["text"] != tok.decode(ids, skip_special_tokens=skip):
            bad += 1
            print("text differs:", ids[:50]) if bad < 5 else None
print(f"{directory}: seed {seed}, {len(texts)} strings, {bad} differences")
sys.exit(1 if bad else 0)
