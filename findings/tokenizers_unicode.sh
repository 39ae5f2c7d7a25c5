#!/bin/bash
# One tokenizers library, asked about characters of three versions of Unicode.
. "$(dirname "$0")/common.sh" text
finding "tokenizers 0.23.3" \
    "a library knows one version of Unicode" \
    "three: the step Digits knows Unicode 17, regular expressions know 16 (\\p{N} misses a digit of 17), and NFC leaves apart what was joined in Unicode 13"
run_python <<'P'
from tokenizers import Regex, normalizers, pre_tokenizers

def alone(step, character):
    return len(step.pre_tokenize_str("a" + character + "a")) == 3

def regex(pattern):
    return pre_tokenizers.Split(Regex(pattern), "isolated")

print("letter of Unicode 16 (U+A7DA) is \\p{Lu}:", alone(regex(r"\p{Lu}"), "\uA7DA"))
print("digit of Unicode 17 (U+11DE1) is \\p{N}:", alone(regex(r"\p{N}"), "\U00011DE1"))
print("digit of Unicode 17 (U+11DE1) is cut off by Digits:", alone(pre_tokenizers.Digits(True), "\U00011DE1"))
for since, pair in (("1.1", "e\u0301"), ("13", "\U00011935\U00011930")):
    print("pair that is one character since Unicode " + since + " after NFC:", len(normalizers.NFC().normalize_str(pair)))
P
same <<'T'
letter of Unicode 16 (U+A7DA) is \p{Lu}: True
digit of Unicode 17 (U+11DE1) is \p{N}: False
digit of Unicode 17 (U+11DE1) is cut off by Digits: True
pair that is one character since Unicode 1.1 after NFC: 1
pair that is one character since Unicode 13 after NFC: 2
T
