#!/usr/bin/env python3
"""Tokenizer files of many kinds - every pre-tokenizer, patterns, normalisers, decoders, added tokens, model options - and what Hugging Face tokenizers
make of a few texts with them.

usage: tokenizer_variants.py [OUT.jsonl]                 writes the golden file (default tests/golden/tokenizer/variants.jsonl)
       tokenizer_variants.py --live WILDREWARD [SEED]    compares the program with the package on these and on random texts; exit 1 on a difference
"""
import json, os, random, subprocess, sys, tempfile
from tokenizers import Tokenizer, pre_tokenizers

ALPHABET = sorted(pre_tokenizers.ByteLevel.alphabet())
MERGES = [["a", "b"], ["1", "2"], ["12", "3"], ["Ġ", "ab"], ["!", "!"], ["t", "h"], ["th", "e"], ["Ġ", "the"]]
MODEL = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
         "ignore_merges": False, "vocab": {**{c: i for i, c in enumerate(ALPHABET)}, **{a + b: 256 + i for i, (a, b) in enumerate(MERGES)}}, "merges": MERGES}
TEXTS = ["", "ab ab!!?  the theab", "12345 ab123ab 1２３٤½", "a.b,c  d…“x” 你好，世界。「再见」カー", "x²3 １２ ab", "\n\n12!\r\n a\n", "don't you'RE I'ſ naïve cafe\u0301 नमस्ते", "A🅰B🄰\u200d 😀👨‍👩‍👧", "\u180e\u00a0\u3000\u0085x\u2028", "__init__(a_b) == $3.50 + 7%",
         "Ünïcödé ÀÉ ǅ ⅷ ⓐ \U00010d4a\U00010d70 \u1c89", "a-b_c d—e f", "xxabxxbaxx", "  \t ab", "𝟘𝟙 \U0001d7d8 ①② \U00011de0", "한글。「글」 عربي، ١٢؟", "<a> <b><ab> <a>x", "▁a▁▁b ▁"]
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}

def split(pattern, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}

def seq(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}

def token(id, content, **flags):
    return {"id": id, "content": content, **{"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": False, **flags}}

PATTERNS = [r"\p{Han}+|\p{Hiragana}+", r"\w+", r"[\w-]+", r"[^\w\s]+", r" ?[^(\s|[.,!?…])]+", r"[a-z&&[^aeiou]]+", r"[\u4e00-\u9fa5]+", r"[^\s&&\S]+", r"\d{1,3}(?=(?:\d{3})*\b)",
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|\s?\p{L}+|\s?\p{N}+|\s?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", r"^b|a$", r"(?m).+", r".+", r"\Aa|b\z|\n\Z", r"a{,2}", r"a{2}?b", r"\h+", r"\R", r"\p{Letter}+|\p{^L}", r"\b", r"\B",
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+", r"[一-龥぀-ゟ゠-ヿ]+", r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            r"(?i)k|s?x", r"(?x) a b # comment", r"(?<=a)b|(?<!a)b", r"(?>x+)a|\G ", r"[[:alpha:]]+|[[:punct:]]", r"[^[:space:][:punct:]]+", r"x*", r"\x61\u0062|\x{4F60}", r"(a|b(?i)x|y)+", r"a++b|[]x]|[x\]-_]", r"\p{Alpha}+|\p{Punct}", r"\P{Word}+", r"(?i:[^a-z])+", r"a|", r"(?:ab){1,2}+", r"\N\O"]
REFUSED = [r"(a)\1", r"\X", r"(?~ab)", r"\p{Script=Han}", r"(?i)straße", r"(?i:[ß-ÿ])", r"a**", r"[\w-x]", r"\p{ID_Start}", r"(?i)ss", r"a\Kb", r"(?<n>a)\k<n>", r"(?W)a", r"\xE4", r"(?", r"[a", r"a)", r"\C-a", r"(*FAIL)", r"\pL", r"(?<=a+)b"]

def variants():
    for i, pattern in enumerate(PATTERNS):
        for behavior, invert in (("Isolated", False), ("Removed", i % 2 == 1)) if i else [(b, v) for b in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous") for v in (False, True)]:
            yield f"Split {pattern} {behavior}", {"pre_tokenizer": seq(split(pattern, behavior, invert), BYTES)}
    for b in ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"):
        yield "Punctuation", {"pre_tokenizer": seq({"type": "Punctuation", "behavior": b}, BYTES)}
        for v in (False, True):
            yield "String", {"pre_tokenizer": seq(split("ab", b, v, "String"), BYTES)}
            yield "empty matches", {"pre_tokenizer": seq(split("x*", b, v), BYTES)}
    yield "empty string", {"pre_tokenizer": seq(split("", "Isolated", False, "String"), BYTES)}
    for d in (False, True):
        yield "Digits", {"pre_tokenizer": seq({"type": "Digits", "individual_digits": d}, BYTES)}
    for step in ({"type": "Whitespace"}, {"type": "WhitespaceSplit"}, {"type": "BertPreTokenizer"}, {"type": "CharDelimiterSplit", "delimiter": "b"}, {"type": "FixedLength", "length": 3}):
        yield step["type"], {"pre_tokenizer": seq(step, BYTES)}
        yield step["type"] + " alone", {"pre_tokenizer": step, "decoder": None}
    late = {**BYTES, "use_regex": True}
    yield "behind ByteLevel", {"pre_tokenizer": seq({"type": "Punctuation", "behavior": "Contiguous"}, late, {"type": "Digits", "individual_digits": False}, split("[0-9][0-9][0-9]"))}
    yield "ByteLevel twice", {"pre_tokenizer": seq(BYTES, BYTES)}
    yield "ByteLevel, prefix, Split", {"pre_tokenizer": seq({**late, "add_prefix_space": True}, split("Ġ", "MergedWithNext", False, "String"))}
    yield "ByteLevel, Whitespace", {"pre_tokenizer": seq(late, {"type": "Whitespace"}), "model": {**MODEL, "ignore_merges": True}}
    yield "ByteLevel, Punctuation", {"pre_tokenizer": seq(BYTES, {"type": "Punctuation", "behavior": "Isolated"})}
    yield "truncation", {"truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}, "padding": {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0, "pad_type_id": 0, "pad_token": "!"}}
    for n in ({"type": "Replace", "pattern": {"Regex": r"\s+|\d"}, "content": " "}, {"type": "Replace", "pattern": {"String": "ab"}, "content": ""}, {"type": "Strip", "strip_left": True, "strip_right": True},
              {"type": "Strip", "strip_left": False, "strip_right": True}, {"type": "NFKC"}, {"type": "NFD"}, {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Prepend", "prepend": "x"}, {"type": "Strip", "strip_left": True, "strip_right": False}]}):
        yield "normalizer " + json.dumps(n), {"normalizer": n, "added_tokens": [token(264, "<a>"), token(265, "<b>", normalized=True)]}
    yield "decoder null", {"decoder": None}
    yield "added: gap", {"added_tokens": [token(264, "<a>", special=True), token(300, "<b>"), token(290, "<ab>")]}
    yield "added: out of order", {"added_tokens": [token(266, "<a>", special=True), token(264, "<b>"), token(265, "<ab>")]}
    yield "added: in the vocabulary", {"added_tokens": [token(264, "ab", special=True), token(265, "the", normalized=True), token(266, "<b>")]}
    yield "added: twice", {"added_tokens": [token(264, "<a>", rstrip=True), token(265, "<a>", rstrip=True), token(266, "<b>", special=True), token(267, "<ab>"), token(267, "<b>", special=True)]}
    yield "added: low ids", {"added_tokens": [token(0, "<a>"), token(1, "<b>", special=True)]}
    yield "added: vocabulary with a hole", {"model": {**MODEL, "vocab": {k: v + (v > 260) for k, v in MODEL["vocab"].items()}}, "added_tokens": [token(265, "<a>"), token(266, "<b>"), token(400, "<ab>", special=True)]}
    yield "added: flags", {"added_tokens": [token(264, "<a>", lstrip=True, rstrip=True), token(265, "ab", single_word=True), token(266, "<", normalized=True)]}
    yield "merges as strings", {"model": {**MODEL, "merges": [" ".join(m) for m in MERGES]}}
    yield "unknown", {"pre_tokenizer": None, "decoder": None, "model": {**MODEL, "unk_token": "!", "fuse_unk": True}}
    yield "unknown one by one", {"pre_tokenizer": None, "decoder": None, "model": {**MODEL, "unk_token": "!", "fuse_unk": False}}
    yield "dropout 0", {"model": {**MODEL, "dropout": 0.0}}

def refused():
    for pattern in REFUSED:
        yield "pre_tokenizer", {"pre_tokenizer": split(pattern)}
    yield "UnicodeScripts", {"pre_tokenizer": {"type": "UnicodeScripts"}}
    for n in ("Lowercase", "StripAccents", "Nmt", "Precompiled", "BertNormalizer", "ByteLevel"):
        yield n, {"normalizer": {"type": n, "precompiled_charsmap": ""}}
    for d in ("WordPiece", "BPEDecoder", "CTC"):
        yield d, {"decoder": {"type": d}}
    for flag in ("special", "lstrip", "rstrip", "single_word", "normalized"):
        yield "added_tokens", {"added_tokens": [token(264, "<a>"), token(265, "<a>", **{flag: True})]}
    for o, v in (("dropout", 0.5), ("continuing_subword_prefix", "##"), ("end_of_word_suffix", "</w>")):
        yield o, {"model": {**MODEL, o: v}}

def document(members):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": BYTES, "post_processor": None, "decoder": BYTES, "model": MODEL, **members}

def rows(members, texts):
    t = Tokenizer.from_str(json.dumps(document(members)))
    t.no_truncation()
    t.no_padding()
    return [(x, t.encode(x).ids, t) for x in texts]

def live(program, seed):
    r, bad, n = random.Random(seed), 0, 0
    pieces = [p for x in TEXTS for p in (x, x[:3], x[-2:])] + ["a", "b", " ", "\n", "x", "1", "ss", "'s", "ß", "K"]
    with tempfile.TemporaryDirectory() as d:
        for name, members in variants():
            texts = TEXTS + ["".join(r.choice(pieces) if r.random() < .8 else chr(r.choice([r.randrange(1, 0x3000), r.randrange(0x3000, 0xD800), r.randrange(0xE000, 0x20000)])) for _ in range(r.randrange(1, 9))) for _ in range(int(os.environ.get("ORACLE_STRINGS", "60")))]
            want = rows(members, texts)
            json.dump(document(members), open(os.path.join(d, "tokenizer.json"), "w"))
            def tool(lines, *more):
                o = subprocess.run([program, "tokenize", "--tokenizer", d, *more], input="".join(json.dumps(x) + "\n" for x in lines), capture_output=True, text=True)
                return [json.loads(x) for x in o.stdout.split("\n") if x] or [{"error": o.stderr}] * len(lines)
            for (text, ids, t), got in zip(want, tool([{"text": x} for x in texts]), strict=True):
                n += 1
                if got.get("ids") != ids:
                    bad += 1
                    print(name, ascii(text), "ours", got.get("ids", got), "theirs", ids)
            for (text, ids, t), got in zip(want, tool([{"ids": i + [5000]} for _, i, _ in want], "--decode"), strict=True):
                if got.get("text") != t.decode(ids, skip_special_tokens=False):
                    bad += 1
                    print(name, "decoding", ids, "ours", got, "theirs", ascii(t.decode(ids, skip_special_tokens=False)))
    print(f"seed {seed}: {n} texts, {bad} differences")
    return bad

def write(path):
    with open(path, "w", encoding="utf-8") as f:
        def put(row):
            f.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
        put({"base": document({})})
        for name, members in variants():
            put({"name": name, "members": {k: json.dumps(v, ensure_ascii=False) for k, v in members.items()},
                 "rows": [[text, ids, t.decode(ids, skip_special_tokens=False)] for text, ids, t in rows(members, TEXTS)]})
        for word, members in refused():
            put({"name": word, "members": {k: json.dumps(v, ensure_ascii=False) for k, v in members.items()}, "refused": word})

if __name__ == "__main__":
    if sys.argv[1:2] == ["--live"]:
        sys.exit(bool(live(sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(1 << 30))))
    write(sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "tokenizer", "variants.jsonl"))
