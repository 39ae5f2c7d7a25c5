#!/usr/bin/env python3
"""Writes tests/golden/tokenizer/chat_cases.jsonl: ChatML templates in several spellings, chats, and what transformers makes of them.

usage: chat_golden.py        (needs: transformers; uses the golden tokenizer "digits")
"""
import json, os
from transformers import PreTrainedTokenizerFast

here = os.path.dirname(os.path.abspath(__file__))
golden = os.path.join(here, "..", "golden", "tokenizer")
tok = PreTrainedTokenizerFast(tokenizer_file=os.path.join(golden, "digits", "tokenizer.json"))
LOOP = "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
TAIL = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
FIRST = "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nSYSTEM<|im_end|>\n' }}{% endif %}"
TEMPLATES = {
    "plain": "{% for message in messages %}" + LOOP + TAIL,
    "default": FIRST.replace("SYSTEM", "You are a helpful AI assistant.") + LOOP + TAIL,
    "escapes": (FIRST.replace("SYSTEM", "It\\'s \"quoted\".") + LOOP + TAIL).replace("\n", "\\n"),
    "spaced": """{%- if not add_generation_prompt is defined -%}
{% set add_generation_prompt = false %}
{%- endif -%}
{# a comment #}
{%- for message in messages -%}
    {{ "<|im_start|>" ~ message.role + "\\n" + message.content }}{{ "<|im_end|>\\n" }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{ "<|im_start|>assistant\\n" }}
{%- endif -%}
""",
    "head": "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}{% endif %}{% for message in messages %}" + LOOP + TAIL,
    "tools": """{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- for tool in tools %}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "{\\"name\\": <function-name>}<|im_end|>\\n" }}
{%- else %}
    {%- if messages[0]['role'] == 'system' %}
        {{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>system\\nYou can use tools.<|im_end|>\\n' }}
    {%- endif %}
{%- endif %}
{%- for message in messages %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) or (message.role == "assistant" and not message.tool_calls) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {{- '<|im_start|>' + message.role }}
        {%- for call in message.tool_calls %}
            {{- call.name }}
        {%- endfor %}
    {%- elif message.role == "tool" %}
        {{- message.content }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
""",
}
def chat(*pairs):
    return [{"role": r, "content": c} for r, c in pairs]

CHATS = [chat(("user", "What is 2 + 2?")), chat(("system", "Be brief."), ("user", "你好"), ("assistant", "你好！"), ("user", "  spaces \n")),
         chat(("user", "a\n\nb"), ("assistant", "\n\nc"), ("system", "late"), ("user", "é\r\n"))]
with open(os.path.join(golden, "chat_cases.jsonl"), "w", encoding="utf-8") as f:
    for name, template in TEMPLATES.items():
        for messages in CHATS:
            for generation in (False, True):
                text = tok.apply_chat_template(messages, chat_template=template, tokenize=False, add_generation_prompt=generation)
                f.write(json.dumps({"name": name, "template": template, "messages": messages, "generation": generation, "text": text,
                                    "ids": tok(text, add_special_tokens=False).input_ids}, ensure_ascii=False) + "\n")
