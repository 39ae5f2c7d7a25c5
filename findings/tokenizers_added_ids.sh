#!/bin/bash
# Added tokens of a tokenizer.json whose ids leave a gap, or are not in order.
. "$(dirname "$0")/common.sh" text
finding "tokenizers 0.23.3" \
    "an entry of added_tokens has the id that stands in it" \
    "entries are numbered on behind the vocabulary in the order in which they stand; their ids do not count, and nothing is said"
run_python <<'P'
import json
from tokenizers import Tokenizer

def ids(*added):
    flags = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
    text = json.dumps({"version": "1.0", "truncation": None, "padding": None, "normalizer": None, "pre_tokenizer": None,
                       "post_processor": None, "decoder": None,
                       "added_tokens": [dict(flags, id=i, content=content) for i, content in added],
                       "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}})
    try:
        vocabulary = Tokenizer.from_str(text).get_vocab()
    except Exception as e:
        return str(e)
    return ", ".join("%s is %d" % (content, vocabulary[content]) for _, content in added)

print("<x> 2, <y> 3:", ids((2, "<x>"), (3, "<y>")))
print("<x> 5, <y> 9:", ids((5, "<x>"), (9, "<y>")))
print("<x> 3, <y> 2:", ids((3, "<x>"), (2, "<y>")))
P
same <<'T'
<x> 2, <y> 3: <x> is 2, <y> is 3
<x> 5, <y> 9: <x> is 2, <y> is 3
<x> 3, <y> 2: <x> is 2, <y> is 3
T
