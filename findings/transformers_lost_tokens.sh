#!/bin/bash
# A special token of tokenizer.json that added_tokens_decoder of tokenizer_config.json does not list.
. "$(dirname "$0")/common.sh" text
finding "transformers 5.24.0" \
    "a token of tokenizer.json is a token, whatever the older tokenizer_config.json repeats of it" \
    "under the names of some classes (GPT2Tokenizer, Qwen2Tokenizer) the token is gone, and with it, here, its text; under PreTrainedTokenizerFast it is there"
run_python <<'P'
import json
from transformers import AutoTokenizer

flags = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
json.dump({"version": "1.0", "truncation": None, "padding": None, "normalizer": None, "post_processor": None,
           "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}, "decoder": None,
           "added_tokens": [dict(flags, id=2, content="<x>"), dict(flags, id=3, content="<y>")],
           "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}}, open("tokenizer.json", "w"))
for name in ("PreTrainedTokenizerFast", "GPT2Tokenizer", "Qwen2Tokenizer"):
    json.dump({"tokenizer_class": name, "added_tokens_decoder": {"2": dict(flags, content="<x>")}}, open("tokenizer_config.json", "w"))
    print(name + ":", *AutoTokenizer.from_pretrained(".")("a<x><y>").tokens())
P
same <<'T'
PreTrainedTokenizerFast: a <x> <y>
GPT2Tokenizer: a <x>
Qwen2Tokenizer: a <x>
T
