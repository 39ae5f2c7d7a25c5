#!/usr/bin/env python3
"""All kinds of code points against every class, property and anchor that the program knows in the patterns of a tokenizer.json, by Hugging Face tokenizers.

usage: regex_codepoints.py [OUT.tsv]        writes the golden file (default tests/golden/tokenizer/codepoints.tsv), one line a pattern: the pattern and a
                                            hash of the spans that it leaves of a text of them. tests/unit/test_regex.c compares. (Half a minute.)
Of every code point (an hour, most of it for whole patterns):  ALL_CODES=1 regex_codepoints.py FILE && ALL_CODES=1 CODEPOINTS=FILE build/tests/unit/test_regex
"""
import os, sys
from tokenizers import Regex, pre_tokenizers
from tokenizer_tables import CATEGORIES, CODES, PROPERTIES, SCRIPTS, spans

# Stretches in which all characters are alike in every table: of these their ends, and one in 61. tokenizer_tables.py asked for every code point.
ALIKE = [(0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xE000, 0xF8FF), (0x17000, 0x187F7), (0x18D00, 0x1B16F), (0x1FC00, 0x2FFFF), (0x30000, 0xE0000), (0xE01F0, 0x10FFFF)]
ENDS = [c + d for c in (0x2A6DF, 0x2A700, 0x2B739, 0x2B740, 0x2B81D, 0x2B820, 0x2CEA1, 0x2CEB0, 0x2EBE0, 0x2EBF0, 0x2EE5D, 0x2F800, 0x2FA1D, 0x3134A, 0x31350, 0x323AF, 0xEFFFF, 0xF0000, 0xFFFFF, 0x100000)
        for d in (-2, -1, 0, 1, 2)]
CODES = [c for c in CODES if c % 61 == 0 or c in ENDS or not any(a + 2 < c < b - 2 for a, b in ALIKE)]
if os.environ.get("ALL_CODES"):
    from tokenizer_tables import CODES
TEXT = "".join(map(chr, CODES))
BYTES = TEXT.encode()
PUBLISHED = [r"[^\r\n\p{L}\p{N}]", r"[^\s\p{L}\p{N}]", r"[\p{L}\p{M}]", r"[^\r\n\p{L}\p{P}\p{S}]", r"[\p{P}\p{S}]", r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]",
             r"[一-龥぀-ゟ゠-ヿ]", r"[^(\s|[.,!?…。，、।۔،])]", r"[\p{Han}\p{Hiragana}\p{Katakana}]", r"[^\S\n]", r"[\w\s]", r"[^\w\s]", r"[-\w]", r"[A-Za-zÀ-ÿ]", r"[\p{L}&&[^\p{Han}]]",
             r"[^\p{Latin}\p{N}]", r"[\r\n/]", r"[^\s\p{L}\p{N}\p{M}]", r"[\s&&[^\n]]", r"[\p{Han}&&\p{Lo}]", r"[\p{^Han}&&\p{L}]"]
FOLDED = [r"[a-z]", r"[A-Z]", r"[^a-z]", r"[^\p{Lu}]", r"[^ß]", r"\p{Lu}", r"\p{Ll}", r"\P{Lu}", r"\w", r"[^\r\n\p{L}\p{N}]", r"[^\W]", "[α-ω]", r"[^α-ω]", "[а-я]", "k", "s", "å", "µ", "ω", "θ", "ǆ", r"\x{1C89}", r"\x{10D50}", r"\x{10400}", r"\x{1E943}",
          r"\x{A64A}", r"\x{13A0}", r"\x{2C2F}", r"\x{10D7}", r"[Ა-Ჺ]", r"[^ა-ჰ]", r"[^\x{A7C0}-\x{A7DC}]", "i", "ı"]
ANCHORS = [r"\b", r"\B", r"^", r"$", r"\Z", r"\z", r"\A", r"\G", r".+", r"(?m).+", r"\R", r"\N+", r"\O+", r"\b\w", r"(?<=\s)\S", r"\s+(?!\S)"]

# Whole patterns of published pre-tokenizers (and of normalizers), over a text that has each character beside a letter, a space, line ends, a digit, an apostrophe,
# itself and punctuation.
SAYS, SAID = "(?i:'s|'t|'re|'ve|'m|'ll|'d)", "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
TAIL = r"|\s*[\r\n]+|\s+(?!\S)|\s+"
CASES = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+%s|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*%s"
LOOKS = r"[^\r\n\p{L}\p{N}]?((?=[%s])([^a-z]))*((?=[%s])([^A-Z]))+%s|[^\r\n\p{L}\p{N}]?((?=[%s])([^a-z]))+((?=[%s])([^A-Z]))*%s"
ASIAN = "".join("%c-%c" % x for x in [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0xF900, 0xFAFF), (0x3040, 0x309F), (0x30A0, 0x30FF), (0xFF65, 0xFF9F), (0x2F00, 0x2FDF), (0xE40, 0xE7F),
                (0xE80, 0xEFF), (0x1780, 0x17FF), (0x1000, 0x109F), (0xAA60, 0xAA7F), (0xA9E0, 0xA9FF), (0xAC00, 0xD7AF), (0x1100, 0x11FF)])
ASCII = r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|"""
WHOLE = [
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)",
    r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s", r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    SAYS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + TAIL, SAID + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + TAIL,
    SAYS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*" + TAIL, SAID + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*" + TAIL,
    SAYS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+" + TAIL, SAYS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*" + TAIL,
    SAYS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*" + TAIL, r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*" + TAIL,
    SAYS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|" + "|".join(r"\s{%d}(?!\S)" % (1 << k) for k in range(9, 1, -1)) + r"|\s{1,2}(?!\S)|\s{1}",
    SAYS + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
    CASES % (SAYS + "?", SAYS + "?") + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + TAIL, CASES % (SAID + "?", SAID + "?") + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + TAIL,
    CASES % ("", "") + r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + TAIL, "[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+",
    r"[\p{Han}]+|" + CASES.replace(r"\p{Ll}\p{Lm}\p{Lo}\p{M}]", r"\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]").replace(r"\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]") % (SAYS + "?", SAYS + "?")
    + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*" + TAIL,
    LOOKS % (r"\p{L}", r"\p{L}", "", r"\p{L}", r"\p{L}", "") + r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + TAIL,
    LOOKS % (r"\p{L}\p{M}", r"\p{L}\p{M}", SAID + "?", r"\p{L}\p{M}", r"\p{L}\p{M}", SAID + "?") + r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*" + TAIL,
    r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", r"\s+$", "[一-龥ࠀ-一가-퟿]+", r"\p{N}+", r"\p{N}", r"\p{N}{1,3}", "[一-龥぀-ゟ゠-ヿ]+", r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
    r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+",
    ASCII + r"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*" + TAIL, ASCII + r"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+|[\r\n]|\s+(?!\S)|\s+",
    "[" + ASIAN + "]+", r"[\p{P}\$\+<=>\^~\|`]+", r"[\p{P}\$\+<=>\^~\|]+", "[0-9][0-9][0-9]", "[0-9]", r"[^\n]+|[\n]+", r"\S+", r"\p{Han}+", r"\w+|[^\w\s]+",
    r" ?[^(\s|[.,!?…。，、।۔،])]+", " ?[^(\\s|.,!?…。，、।۔،)]+", r"\d{1,3}(?=(?:\d{3})*\b)", r"(?=(\d{3})+(?!\d))", r"([\t\n]|    |  )", r"[\p{P}!-/:-@\[-`{-~]",
    r" {2,}", r"\s{2,}|[\n\r\t]", r"\s+", r"\A +| +\z", r"\A▁", r" +▁", r"^▁+$", r"[\s\p{P}]", r".",
]

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
    for a, b in spans(step, TEXT):
        first, last = BYTES[a : a + 4].decode(errors="ignore")[0], BYTES[max(a, b - 4) : b].decode(errors="ignore")[-1]
        for byte in b"%x-%x;" % (ord(first), ord(last)):
            h = (h ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return "%016x" % h

def contexts():
    """A part of the text for 4,096 codes: what looks about a place sees the text's ends too."""
    codes = CODES if os.environ.get("ALL_CODES") else [c for c in CODES if c < 0x3000 or c % 13 == 0]
    for i in range(0, len(codes), 4096):
        yield "".join("a{0} {0}\n{0}1{0}'{0}'s{0}{0}.{0}\r\n".format(chr(c)) for c in codes[i : i + 4096])

def digest_contexts(step, texts):
    """FNV-1a of the pieces' lengths in bytes."""
    h = 0xCBF29CE484222325
    for text in texts:
        for a, b in spans(step, text):
            h = (h ^ (b - a)) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
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
        texts = list(contexts())
        for p in ANCHORS + WHOLE:
            print(p.replace("\n", r"\n"), "context", digest_contexts(pre_tokenizers.Split(Regex(p), "isolated"), texts), sep="\t", file=f, flush=True)

if __name__ == "__main__":
    main()
