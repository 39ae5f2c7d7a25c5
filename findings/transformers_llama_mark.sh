#!/bin/bash
# One tokenizer.json of the Llama 2 kind, read by tokenizers and by transformers.
. "$(dirname "$0")/common.sh" text
finding "transformers 5.24.0, tokenizers 0.23.3" \
    "AutoTokenizer gives the ids of the tokenizer.json that it loads" \
    "where tokenizer_config.json names LlamaTokenizer, that class builds steps of its own: the mark of a space comes before the text's beginning alone, not again behind a special token, and a leading space is no token"
run_python <<'P'
import json
from tokenizers import Tokenizer
from transformers import AutoTokenizer

special = ["<unk>", "<s>", "</s>"]
pieces = special + ["<0x%02X>" % i for i in range(256)] + ["\u2581", "a", "b", "\u2581a", "\u2581b"]
flags = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
json.dump({"version": "1.0", "truncation": None, "padding": None, "pre_tokenizer": None, "post_processor": None, "decoder": None,
           "added_tokens": [dict(flags, id=i, content=content) for i, content in enumerate(special)],
           "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u2581"},
                                                              {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
           "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True,
                     "vocab": {piece: i for i, piece in enumerate(pieces)}, "merges": ["\u2581 a", "\u2581 b"]}},
          open("tokenizer.json", "w"))
json.dump({"tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}, open("tokenizer_config.json", "w"))
plain, chosen = Tokenizer.from_file("tokenizer.json"), AutoTokenizer.from_pretrained(".")
for text in ("a b", "a</s>b", " a"):
    print("'%s', the file:" % text, *plain.encode(text, add_special_tokens=False).tokens)
    print("'%s', AutoTokenizer:" % text, *chosen.convert_ids_to_tokens(chosen(text, add_special_tokens=False).input_ids))
P
same <<'T'
'a b', the file: ▁a ▁b
'a b', AutoTokenizer: ▁a ▁b
'a</s>b', the file: ▁a </s> ▁b
'a</s>b', AutoTokenizer: ▁a </s> b
' a', the file: ▁ ▁a
' a', AutoTokenizer: ▁a
T
