#!/usr/bin/env python3
"""Megabytes of text a second that Hugging Face tokenizers encodes on one thread (CPU time), for the text that bench_tokenizer reads.

usage: tokenizer_hf.py TOKENIZER_DIR TEXT [SECONDS]        (needs: tokenizers)
       tokenizer_hf.py --chats CHATS.jsonl.zst TEXT        writes TEXT: the messages of the chats, a NUL byte between them
       tokenizer_hf.py --train TEXT TOKENIZER_DIR          trains a byte-level BPE of 32,000 tokens with Qwen2's pattern on TEXT
"""
import os
os.environ["RAYON_NUM_THREADS"], os.environ["TOKENIZERS_PARALLELISM"] = "1", "false"
import json, statistics, subprocess, sys, time
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

def read(path):
    with open(path, encoding="utf-8", newline="") as f:
        return f.read().split("\0")

if sys.argv[1] == "--chats":
    lines = subprocess.run(["zstdcat", sys.argv[2]], capture_output=True, check=True).stdout.decode().splitlines()
    with open(sys.argv[3], "w", encoding="utf-8", newline="") as f:
        f.write("\0".join(m["content"].replace("\0", "") for line in lines for m in json.loads(line)["conversation"]))
    sys.exit(0)
if sys.argv[1] == "--train":
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(read(sys.argv[2]), trainers.BpeTrainer(vocab_size=32000, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    os.makedirs(sys.argv[3], exist_ok=True)
    t.save(os.path.join(sys.argv[3], "tokenizer.json"))
    sys.exit(0)

t, texts = Tokenizer.from_file(os.path.join(sys.argv[1], "tokenizer.json")), read(sys.argv[2])
limit = float(sys.argv[3]) if len(sys.argv) > 3 else 3.0
size, seconds, tokens, start = os.path.getsize(sys.argv[2]), [], 0, time.perf_counter()
while len(seconds) < 3 or time.perf_counter() - start < limit:
    before, tokens = time.process_time(), 0
    for text in texts:
        tokens += len(t.encode(text).ids)
    seconds.append(time.process_time() - before)
print(json.dumps({"bytes": size, "tokens": tokens, "passes": len(seconds), "first_mb_s": round(size / 1e6 / seconds[0], 2),
                  "median_mb_s": round(size / 1e6 / statistics.median(seconds), 2), "best_mb_s": round(size / 1e6 / min(seconds), 2)}))
