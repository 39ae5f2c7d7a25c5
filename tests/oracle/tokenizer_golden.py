#!/usr/bin/env python3
"""Writes the golden tokenizers and their expected ids: tests/golden/tokenizer/NAME/{tokenizer.json,cases.jsonl}.

usage: tokenizer_golden.py [OUT_DIR [NAME…]]        (needs: tokenizers; trains on the project's own headers, so rerunning after they change
                                                     gives other, equally good files)
"""
import glob, json, os, random, sys
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(root, "tests", "golden", "tokenizer")
QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = QWEN2.replace(r"|\p{N}| ?", r"|\p{N}{1,3}| ?")
CHINESE = ["你好，世界。今天天气很好。", "请用中文写一首短诗。", "谢谢你，这个答案很好。", "不对，请再试一次。"] * 20
corpus = [open(f, encoding="utf-8").read() for f in sorted(glob.glob(os.path.join(root, "*", "*.h")))[:24]] + CHINESE
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

def byte_level(regex):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=regex)

# SentencePiece layouts: sentence = Llama 2's (normaliser), metaspace = Mistral's (pre-tokenizer), unknown = byte tokens for one half of the
# bytes only, so that unknown and byte tokens mix.
SENTENCE = {"sentence": 600, "metaspace": 600, "unknown": 500}
FIRST = ["<unk>", "<s>", "</s>"]

def build_sentence(name):
    t = Tokenizer(models.BPE(unk_token="<unk>"))
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    t.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=SENTENCE[name] - 256, special_tokens=FIRST, show_progress=False, limit_alphabet=80))
    trained = json.loads(t.to_str())["model"]
    step = 2 if name == "unknown" else 1
    tokens = FIRST + [f"<0x{b:02X}>" for b in range(0, 256, step)] + [k for k in sorted(trained["vocab"], key=trained["vocab"].get) if k not in FIRST]
    t = Tokenizer(models.BPE({k: i for i, k in enumerate(tokens)}, [tuple(m) for m in trained["merges"]], unk_token="<unk>", byte_fallback=True,
                             fuse_unk=name == "sentence"))
    if name == "sentence":
        t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    else:
        t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first" if name == "metaspace" else "always", split=name == "unknown")
    if name == "unknown":
        t.decoder = decoders.Metaspace()
    else:
        t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in FIRST])
    t.add_tokens([AddedToken("<tool>", normalized=True), AddedToken("<mask>", lstrip=True, rstrip=True, normalized=False)])
    t.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)])
    return t

def build(name):
    if name in SENTENCE:
        return build_sentence(name)
    t = Tokenizer(models.BPE(ignore_merges=name == "llama3"))
    split = {"llama3": LLAMA3, "qwen2": QWEN2}.get(name)
    if split:
        t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(split), "isolated"), byte_level(False)])
    elif name == "digits":
        t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), byte_level(True)])
    else:
        t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True)
    if name == "qwen2":
        t.normalizer = normalizers.NFC()
    t.decoder = decoders.ByteLevel()
    t.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=600, special_tokens=SPECIAL, show_progress=False,
                                                      initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    if name == "llama3":
        t.post_processor = processors.Sequence([t.post_processor, processors.TemplateProcessing(
            single="<|im_start|> $A", pair="<|im_start|> $A $B", special_tokens=[("<|im_start|>", 1)])])
    if name == "gpt2":
        t.add_tokens([AddedToken("<mask>", lstrip=True, special=True), AddedToken("[tail]", rstrip=True), AddedToken("word", single_word=True),
                      AddedToken("<ma"), AddedToken("é!", normalized=True)])
    if name == "qwen2":
        t.add_tokens([AddedToken("Cafe\u0301", normalized=True), AddedToken("<tool>", normalized=False)])
    return t

PIECES = ["hello world", "The token_ids of a text", "don't you're I'LL we'Ve", "ſ 'ſ", "12345 3.14 ٣٤٥ ½²Ⅷ", "你好，世界", "😀👨‍👩‍👧", "\r\n", "\n\n\n", "\t\t x",
          "   three", "naïve cafe\u0301 Café", "한국어", "e\u0301!", "é!", "\u00a0\u3000\u180e", "\x00\x01", "<|im_end|>", "<|im_start|>user\n",
          "<mask>", "  <mask> ", "[tail]  x", "word", "words word.", "<ma", "<tool>", "x" * 60, "▁a▁ ▁▁b", "<0x0A>\n<s>", "</s> x", "http://a.b/c?d=1&e=2", "{}[]()!!", "…—", " ", ""]

for name in sys.argv[2:] or ("digits", "gpt2", "llama3", "qwen2", *SENTENCE):
    t, random_ = build(name), random.Random(7)
    folder = os.path.join(out, name)
    os.makedirs(folder, exist_ok=True)
    t.save(os.path.join(folder, "tokenizer.json"), pretty=False)
    texts = PIECES + ["".join(random_.choice(PIECES) + random_.choice(["", " ", "\n"]) for _ in range(random_.randrange(2, 6))) for _ in range(40)]
    with open(os.path.join(folder, "cases.jsonl"), "w", encoding="utf-8") as f:
        for text in texts:
            ids = t.encode(text).ids
            cut = ids[len(ids) // 3:] if len(ids) > 4 else ids
            f.write(json.dumps({"text": text, "ids": ids, "bare": t.encode(text, add_special_tokens=False).ids, "some": cut,
                                "some_text": t.decode(cut, skip_special_tokens=False), "some_bare": t.decode(cut, skip_special_tokens=True)},
                               ensure_ascii=False) + "\n")
