#!/usr/bin/env python3
"""Published vocabularies: ids of `wildreward tokenize` and of Hugging Face tokenizers must be the same on every message of the chats and on
the published cases, and so must the texts decoded from them.

usage: tokenizer_real.py [WILDREWARD]        exit 1 on a difference; says what it skips
ORACLE_VOCABULARIES  a folder with gpt2/ llama3/ qwen2/ llama2/ (each a tokenizer.json)
ORACLE_MODEL         a model directory with a tokenizer.json, e.g. SmolLM2
ORACLE_CHATS         chats, one JSON object with "conversation": [{"content"}] a line, zstd
ORACLE_SDIST         the llama-cpp-python source package (.tar.gz), which carries the published cases (ggml-vocab-*.gguf.inp and .out)
"""
import json, os, subprocess, sys, tarfile
from tokenizers import Tokenizer

program = sys.argv[1] if len(sys.argv) > 1 else "build/wildreward"
PUBLISHED = {"gpt2": "gpt-2", "llama3": "llama-bpe", "qwen2": "qwen2", "llama2": "llama-spm"}

def there(name):
    path = os.environ.get(name, "")
    if not path or not os.path.exists(path):
        print(f"skipped: {name} names nothing that exists")
        return None
    return path

def cases(sdist, kind):
    """(text, ids) as published."""
    with tarfile.open(sdist) as t:
        names = {os.path.basename(n): n for n in t.getnames() if f"ggml-vocab-{PUBLISHED[kind]}.gguf." in n}
        inp, out = (t.extractfile(names[f"ggml-vocab-{PUBLISHED[kind]}.gguf.{e}"]).read().decode() for e in ("inp", "out"))
    texts = inp.split("\n__ggml_vocab_test__\n")
    return texts, [list(map(int, line.split())) for line in out.split("\n")[:len(texts)]]

def tool(directory, rows, *options):
    text = "".join(json.dumps(r) + "\n" for r in rows)
    out = subprocess.run([program, "tokenize", "--tokenizer", directory, *options], input=text, capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.split("\n") if line]

def compare(kind, directory, messages, sdist):
    tok, bad, n = Tokenizer.from_file(os.path.join(directory, "tokenizer.json")), 0, 0
    published = cases(sdist, kind) if sdist and kind in PUBLISHED else ([], [])
    texts = messages + published[0]
    ours = [r["ids"] for r in tool(directory, [{"text": t} for t in texts])]
    theirs = [tok.encode(t).ids for t in texts]
    for text, a, b in zip(texts, ours, theirs, strict=True):
        n, bad = n + len(b), bad + (a != b)
        if a != b:
            print(f"{kind}: ids differ: {text[:120]!r}")
    bare = [r["ids"] for r in tool(directory, [{"text": t} for t in published[0]], "--no-special")]
    bad += sum(a != b for a, b in zip(bare, published[1], strict=True))
    back = [r["text"] for r in tool(directory, [{"ids": i} for i in theirs], "--decode")]
    wrong = sum(a != tok.decode(i, skip_special_tokens=False) for a, i in zip(back, theirs, strict=True))
    print(f"{kind}: {len(messages)} messages, {len(published[0])} published cases, {n} tokens: {bad} with other ids, {wrong} with another text")
    return bad + wrong

vocabularies, model, chats, sdist = map(there, ("ORACLE_VOCABULARIES", "ORACLE_MODEL", "ORACLE_CHATS", "ORACLE_SDIST"))
messages = []
if chats:
    lines = subprocess.run(["zstdcat", chats], capture_output=True, check=True).stdout.decode().split("\n")
    messages = [m["content"] for line in lines if line for m in json.loads(line)["conversation"]]
found = [(k, os.path.join(vocabularies, k)) for k in PUBLISHED if os.path.exists(os.path.join(vocabularies, k, "tokenizer.json"))] if vocabularies else []
found += [(os.path.basename(os.path.normpath(model)), model)] if model else []
sys.exit(1 if sum(compare(k, d, messages, sdist) for k, d in found) else 0)
