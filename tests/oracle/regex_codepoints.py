#!/usr/bin/env python3
"""All kinds of code points against every class, property and anchor that the program knows in the patterns of a tokenizer.json, by Hugging Face tokenizers.

usage: regex_codepoints.py [OUT.tsv]        writes the golden file (default tests/golden/tokenizer/codepoints.tsv), one line a pattern: the pattern and a
                                            hash of the spans that it leaves of a text of them. tests/unit/test_regex.c compares.
                                            With ALL_CODES=1 in the environment of both, of every code point.
"""
import os, sys
from tokenizers import Regex, pre_tokenizers
from tokenizer_tables import CATEGORIES, CODES, PROPERTIES, SCRIPTS

# Stretches in which all characters are alike in every table: of these their ends, and one in 61. tokenizer_tables.py asked for every code point.
ALIKE = [(0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xE000, 0xF8FF), (0x17000, 0x187F7), (0x18D00, 0x1B16F), (0x1FC00, 0x2FFFF), (0x30000, 0xE0000), (0xE01F0, 0x10FFFF)]
ENDS = [c + d for c in (0x2A6DF, 0x2A700, 0x2B739, 0x2B740, 0x2B81D, 0x2B820, 0x2CEA1, 0x2CEB0, 0x2EBE0, 0x2EBF0, 0x2EE5D, 0x2F800, 0x2FA1D, 0x3134A, 0x31350, 0x323AF, 0xEFFFF, 0xF0000, 0xFFFFF, 0x100000)
        for d in (-2, -1, 0, 1, 2)]
CODES = [c for c in CODES if c % 61 == 0 or c in ENDS or not any(a + 2 < c < b - 2 for a, b in ALIKE)]
if os.environ.get("ALL_CODES"):
    from tokenizer_tables import CODES
TEXT = "".join(map(chr, CODES))
PUBLISHED = [r"[^\r\n\p{L}\p{N}]", r"[^\s\p{L}\p{N}]", r"[\p{L}\p{M}]", r"[^\r\n\p{L}\p{P}\p{S}]", r"[\p{P}\p{S}]", r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]",
             r"[一-龥぀-ゟ゠-ヿ]", r"[^(\s|[.,!?…。，、।۔،])]", r"[\p{Han}\p{Hiragana}\p{Katakana}]", r"[^\S\n]", r"[\w\s]", r"[^\w\s]", r"[-\w]", r"[A-Za-zÀ-ÿ]", r"[\p{L}&&[^\p{Han}]]",
             r"[^\p{Latin}\p{N}]", r"[\r\n/]", r"[^\s\p{L}\p{N}\p{M}]", r"[\s&&[^\n]]", r"[\p{Han}&&\p{Lo}]", r"[\p{^Han}&&\p{L}]"]
FOLDED = [r"[a-z]", r"[A-Z]", r"[^a-z]", r"[^\p{Lu}]", r"[^ß]", r"\p{Lu}", r"\p{Ll}", r"\P{Lu}", r"\w", r"[^\r\n\p{L}\p{N}]", r"[^\W]", "[α-ω]", r"[^α-ω]", "[а-я]", "k", "s", "å", "µ", "ω", "θ", "ǆ", r"\x{1C89}", r"\x{10D50}", r"\x{10400}", r"\x{1E943}",
          r"\x{A64A}", r"\x{13A0}", r"\x{2C2F}", r"\x{10D7}", r"[Ა-Ჺ]", r"[^ა-ჰ]", r"[^\x{A7C0}-\x{A7DC}]", "i", "ı"]
ANCHORS = [r"\b", r"\B", r"^", r"$", r"\Z", r"\z", r"\A", r"\G", r".+", r"(?m).+", r"\R", r"\N+", r"\O+", r"\b\w", r"(?<=\s)\S", r"\s+(?!\S)"]

def patterns():
    names = CATEGORIES + list("LMNPSZC") + ["LC", "Letter", "Uppercase_Letter", "Number", "Punctuation", "Symbol", "Mark", "Separator", "Other", "Any", "Assigned", "ASCII"]
    names += [x for s in SCRIPTS for x in s.split("=")] + [p.replace("Other_", "") for p in PROPERTIES if p != "Other_Math"] + ["White_Space"]
    posix = "Alnum Alpha Blank Cntrl Digit Graph Lower Print Punct Space Upper XDigit Word".split()
    for name in names + posix + ["PosixPunct"]:
        yield r"\p{%s}+" % name
    for name in ["L", "N", "Han", "Lu", "Alpha", "Punct", "Word"]:
        yield from (r"\P{%s}+" % name, r"\p{^%s}+" % name, r"[\p{%s}]+" % name, r"[^\p{%s}]+" % name, r"[\P{%s}]+" % name)
    for name in posix:
        yield from ("[[:%s:]]+" % name.lower(), "[^[:%s:]]+" % name.lower(), "[[:^%s:]]+" % name.lower())
    yield "[[:ascii:]]+"
    for c in "wWdDsShH":
        yield from (r"\%s+" % c, r"[\%s]+" % c, r"[^\%s]+" % c, r"(?i:\%s)+" % c)
    yield from (p + "+" for p in PUBLISHED)
    yield from ("(?i:" + p + ")+" for p in FOLDED)
    yield from ANCHORS

def digest(step):
    """FNV-1a of the pieces' first and last code point."""
    h = 0xCBF29CE484222325
    for _, (a, b) in step.pre_tokenize_str(TEXT):
        for byte in b"%x-%x;" % (CODES[a], CODES[b - 1]):
            h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return "%016x" % h

def main():
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "tokenizer", "codepoints.tsv")
    with open(out, "w", encoding="utf-8") as f:
        for i, p in enumerate(dict.fromkeys(patterns())):
            behavior = "isolated" if p in ANCHORS else "removed"
            print(p, behavior, digest(pre_tokenizers.Split(Regex(p), behavior)), sep="\t", file=f, flush=True)
        steps = {"Punctuation": pre_tokenizers.Punctuation("removed"), "Whitespace": pre_tokenizers.Whitespace(), "WhitespaceSplit": pre_tokenizers.WhitespaceSplit(),
                 "BertPreTokenizer": pre_tokenizers.BertPreTokenizer(), "Digits": pre_tokenizers.Digits(False)}
        for name, step in steps.items():
            print(name, "step", digest(step), sep="\t", file=f)

if __name__ == "__main__":
    main()
