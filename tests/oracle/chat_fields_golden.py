"""Writes tests/golden/tokenizer/chat_fields.jsonl: what transformers' apply_chat_template makes of chats whose messages hold more than a role and a text, and
what its assistant mask holds. A row: template, chat (messages and variables), text; with "marked" (the same template with generation blocks) also learned:
the texts of the mask's runs. Run from the project's root."""
import json
import os
from transformers import PreTrainedTokenizerFast

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "tokenizer", "")
tok = PreTrainedTokenizerFast(tokenizer_file=ROOT + "digits/tokenizer.json")

def u(c, **k): return {"role": "user", "content": c, **k}
def a(c, **k): return {"role": "assistant", "content": c, **k}
def t(c, **k): return {"role": "tool", "content": c, **k}
CALL = [{"id": "1", "type": "function", "function": {"name": "weather", "arguments": {"city": "Bern \u00e9", "days": 3, "x": 1.0, "b": None, "a": [1, 2.50, True, "q\""]}}}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]
DUMP = "{% for m in messages %}{{ m | tojson }}\n{% endfor %}"
FIELDS = "{% for m in messages %}[{{ m.role }}{% for k in ['content', 'name', 'tool_call_id', 'reasoning', 'thinking', 'reasoning_content', 'mood'] %} {{ k }}={{ m[k] if k in m else '-' }}{% endfor %}]{% endfor %}"
ROWS = "{{ tools | tojson }} {{ documents | tojson }} {{ enable_thinking is defined }} {{ level }} {% for m in messages %}{{ m.content }}{% endfor %}"
PARTS = "{% for m in messages %}{{ m.role }}:{% if m.content is string %}{{ m.content }}{% else %}{% for p in m.content %}{{ '<image>' if p.type == 'image' else p.text ~ ';' }}{% endfor %}{% endif %}\n{% endfor %}"
chats = [
    (DUMP, {"messages": [u("Hi", name="Bob"), a(None, tool_calls=CALL), t("sunny", tool_call_id="1"), a("It is.", reasoning="r")]}),
    (DUMP, {"messages": [{"content": "order", "role": "user", "z": 1, "a": 2}, a("x", name=None, refusal=None, tool_calls=[])]}),
    (DUMP, {"messages": [u("q"), a("A", reasoning_content="", thinking="t"), a("A", thinking=None, reasoning="r"), a("A", thinking="t", reasoning="r"), a("A", reasoning_content="c", thinking="t")]}),
    (FIELDS, {"messages": [u("q", name="n", mood="m"), a("A", reasoning="r"), t("x", tool_call_id="7", name="f"), a(None, thinking="t"), a("A", reasoning_content="c")]}),
    (ROWS, {"messages": [u("q")], "tools": TOOLS, "documents": [{"title": "T", "text": "D"}], "chat_template_kwargs": {"enable_thinking": False, "level": 2}}),
    (ROWS, {"messages": [u("q")], "level": "high"}),
    (PARTS, {"messages": [u([{"type": "text", "text": "a"}, {"type": "image", "url": "x"}, {"type": "text", "text": "b"}]), a([{"type": "text", "text": "c"}]), u("d")]}),
]
THINK = "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}GEN{{ '<think>\n' ~ (m.reasoning_content or '') ~ '\n</think>\n\n' ~ m.content }}{% for c in m.tool_calls or [] %}\n<tool_call>\n{{ c.function | tojson }}\n</tool_call>{% endfor %}<|im_end|>END{{ '\n' }}{% else %}{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
SPACED = "{% for m in messages %}{% if m.role == 'assistant' %}GEN{{ ' ' ~ m.content ~ ' <|im_end|>' }}END{% else %}{{ '[' ~ m.role ~ '] ' ~ m.content ~ ' [/]' }}{% endif %}{% endfor %}"
INSIDE = "{% for m in messages %}{{ m.role }}: {% if m.role == 'assistant' %}GEN{{ m.content }}END, said{% else %}{{ m.content }}{% endif %}\n{% endfor %}"
# The tool's name, again, is not the assistant's; nothing but the next role ends a turn; a prompt that is not there as a whole; a text that ends otherwise without it;
# several tokens behind a reply.
CALLS = "{% for c in m.tool_calls or [] %}<call>{{ c.function.name }}{% for k, v in c.function.arguments.items() %}<k>{{ k }}</k><v>{{ v | tojson }}</v>{% endfor %}</call>{% endfor %}"
AGAIN = "{% for m in messages %}<|im_start|>{% if m.role == 'assistant' %}assistantGEN{{ ' to=' ~ m.tool_calls[0].function.name ~ ' {}<|endoftext|>' if m.tool_calls else '\n' ~ m.content ~ '<|im_end|>' }}END{% elif m.role == 'tool' %}functions.{{ messages[loop.index0 - 1].tool_calls[0].function.name }}: {{ m.content }}<|im_end|>{% else %}{{ m.role }}\n{{ m.content }}<|im_end|>{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant{% endif %}"
UNTIL = "{% for m in messages %}[{{ m.role }}]\n{% if m.role == 'assistant' %}GEN{{ m.content }}" + CALLS + "END{% else %}{{ m.content }}{% endif %}{% endfor %}{% if add_generation_prompt %}[assistant]\n{% endif %}"
PROMPT = "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}THINKGEN" + CALLS + "{{ m.content }}<|im_end|>END{{ '\n' }}{% else %}{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
CLOSED = "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}GEN{{ m.content }}<|im_end|>END{{ '\n' }}{% else %}{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}{{ '<|im_start|>assistant\n' if add_generation_prompt else '<|endoftext|>' }}"
SEVERAL = "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}GEN{{ m.content }}<|endoftext|><|im_end|>END{% else %}{{ m.content }}<|im_end|>{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
ask = {"messages": [u("w?"), a("", tool_calls=CALL), t("sunny"), a("It is."), u("k"), a("Bye")]}
two = {"messages": [u("Tell me."), a("Deep."), u("Thanks!"), a("Gladly.")]}
learned = [
    (THINK, two), (THINK, {"messages": [u("w?"), a("See.", reasoning_content="hm", tool_calls=CALL), t("sunny"), a("", reasoning="x"), u("k"), a("")]}),
    (SPACED, two), (SPACED, {"messages": [{"role": "system", "content": "S"}, u("x"), a("two words")]}), (INSIDE, two),
    (AGAIN, ask), (UNTIL, ask), (UNTIL, {"messages": ask["messages"][:2]}), (PROMPT.replace("THINK", ""), ask), (PROMPT.replace("THINK", "<think>"), ask),
    (CLOSED, {"messages": [u("Hi"), a(""), u("Hm"), a("Yes")]}), (SEVERAL, two),
]
def text(template, chat):
    more = {k: v for k, v in chat.items() if k not in ("messages", "chat_template_kwargs")} | chat.get("chat_template_kwargs", {})
    return tok.apply_chat_template(chat["messages"], chat_template=template, tokenize=False, **more)
with open(ROOT + "chat_fields.jsonl", "w") as out:
    for template, chat in chats:
        out.write(json.dumps({"template": template, "chat": chat, "text": text(template, chat)}) + "\n")
    for template, chat in learned:
        plain, marked = template.replace("GEN", "").replace("END", ""), template.replace("GEN", "{% generation %}").replace("END", "{% endgeneration %}")
        assert text(plain, chat) == text(marked, chat)
        got = tok.apply_chat_template(chat["messages"], chat_template=marked, return_dict=True, return_assistant_tokens_mask=True)
        runs, before = [], 0
        for i, m in zip(got["input_ids"], got["assistant_masks"]):
            if m and not before: runs.append([])
            if m: runs[-1].append(i)
            before = m
        row = {"template": marked, "chat": chat, "text": text(marked, chat), "ids": got["input_ids"], "learned": [tok.decode(r) for r in runs]}
        out.write(json.dumps(row) + "\n")
        if template is not INSIDE: out.write(json.dumps({**row, "template": plain}) + "\n")
