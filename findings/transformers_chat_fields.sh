#!/bin/bash
# What a chat template sees of the fields of a message.
. "$(dirname "$0")/common.sh" text
finding "transformers 5.24.0" \
    "a message reaches the template as it was given" \
    "fields that are null are gone; the first of reasoning_content, thinking and reasoning is there under reasoning_content too, and under thinking, never under reasoning"
run_python <<'P'
import os
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE(vocab={"a": 0}, merges=[])))
template = "{% for m in messages %}{% for k in m|sort %}{{ k }}={{ m[k] }};{% endfor %}{% endfor %}"
for message in ({"content": None, "name": None}, {"reasoning": "R"}, {"reasoning_content": "C"}, {"thinking": "T", "reasoning": "R"}, {"reasoning_content": "", "thinking": "T"}):
    print(message, "=>", tokenizer.apply_chat_template([dict(message, role="user")], chat_template=template, tokenize=False))
P
same <<'T'
{'content': None, 'name': None} => role=user;
{'reasoning': 'R'} => reasoning=R;reasoning_content=R;role=user;thinking=R;
{'reasoning_content': 'C'} => reasoning_content=C;role=user;thinking=C;
{'thinking': 'T', 'reasoning': 'R'} => reasoning=R;reasoning_content=T;role=user;thinking=T;
{'reasoning_content': '', 'thinking': 'T'} => reasoning_content=;role=user;thinking=T;
T
