#!/bin/bash
# Classes of characters in a regular expression of tokenizer.json, bare and in brackets.
. "$(dirname "$0")/common.sh" text
finding "tokenizers 0.23.3 (Oniguruma)" \
    "\\w and [\\w] match the same characters; so do [[:punct:]] and \\p{Punct}" \
    "\\w holds six characters that [\\w] does not, all in Latin-1; [[:punct:]] holds symbols as \$ + < = > too, \\p{Punct} does not"
run_python <<'P'
from tokenizers import Regex, pre_tokenizers

characters = [chr(c) for c in range(0x20, 0x3020)]

def holds(pattern, c):  # where it matches, it is cut off
    return len(pre_tokenizers.Split(Regex(pattern), "isolated").pre_tokenize_str("\t" + c + "\t")) == 3

for bare, bracketed in ((r"\w", r"[\w]"), (r"\p{Punct}", "[[:punct:]]")):
    for one, other in ((bare, bracketed), (bracketed, bare)):
        more = [c for c in characters if holds(one, c) and not holds(other, c)]
        print("%s but not %s, below U+3020: %d" % (one, other, len(more)), *more[:9])
P
same <<'T'
\w but not [\w], below U+3020: 6 ² ³ ¹ ¼ ½ ¾
[\w] but not \w, below U+3020: 0
\p{Punct} but not [[:punct:]], below U+3020: 0
[[:punct:]] but not \p{Punct}, below U+3020: 3114 $ + < = > ^ ` | ~
T
