"""Texts and ids that template files and WildFB's rows give, against a restatement in Python of how the published reward models were fed:

  history     a line "role: content\\n" a message, the role as in the row, the last line ended as well; nothing where there is none
  reply       what stands behind the last </think>, stripped
  whole text  stripped; cut at 4,096 tokens on the right, the post-processor's tokens kept

usage: template_reference.py CHATS.jsonl.zst [ROWS]     WildChat rows; WILDREWARD names the program
"""
import json, os, random, subprocess, sys, tempfile
import pyarrow as pa
from tokenizers import Tokenizer, processors
from transformers import PreTrainedTokenizerFast

program, limit = os.environ["WILDREWARD"], 4096
rows_wanted = int(sys.argv[2]) if len(sys.argv) > 2 else 500
seed = int(os.environ.get("WILDREWARD_SEED") or random.randrange(1 << 30))
rng = random.Random(seed)
print(f"seed {seed}")

BEFORE, AFTER_HISTORY, AFTER_QUERY, AFTER_REPLY = (
    "\nBelow are a talk, a question from it, and one answer.\nHow content will its user be, from 1 to 5?\n\n## Talk\n",
    "\n\n## Question\n", "\n\n## Answer\n", "\n\n## Mark\nThe number alone:\n")
HEAD = '---\nhistory_line: "{role}: {content}\\n"\nhistory_empty: ""\nroles: {}\ntruncate: right\nmax_length: 4096\ntrim: true\nstrip_thoughts: true\n---\n'


def render(history, query, response):
    talk = ""
    for message in history:
        talk += f"{message['role']}: {message['content']}\n"
    answer = response.split("</think>")[-1].strip()
    return (BEFORE + talk + AFTER_HISTORY + query + AFTER_QUERY + answer + AFTER_REPLY).strip()


def thoughts(reply, i):
    kind = i % 6
    if kind == 0:
        return f"<think>\nWhat do they want?\n{reply[:80]}\n</think>\n\n{reply}"
    if kind == 1:
        return f"<think>a</think>\n<think>b</think>{reply}\u2003\n"
    if kind == 2:
        return f"</think>{reply}</think "
    return reply if kind < 5 else f"\x1c\u00a0{reply}\n\n"


def conversations(path):
    with pa.input_stream(path, compression="zstd") as stream:
        for line in stream.read().decode().splitlines():
            messages = [{"role": m["role"], "content": m["content"] or ""} for m in json.loads(line)["conversation"]]
            ends = [k for k in range(1, len(messages)) if messages[k]["role"] == "assistant" and messages[k - 1]["role"] == "user"]
            if ends:
                yield messages, ends


def instances(path):
    """History or none, long or short, thoughts or none: all in turn, each of its own conversation."""
    out = []
    for i, (messages, ends) in enumerate(conversations(path)):
        k = [ends[0], ends[-1], rng.choice(ends)][i % 3]
        history, query, reply = messages[:k - 1], messages[k - 1]["content"], messages[k]["content"]
        if i % 11 == 0:
            reply = reply * (1 + 40000 // (len(reply) + 1))
        if i % 13 == 0 and history:
            history = history * (1 + 60000 // (sum(len(m["content"]) for m in history) + 1))
        out.append({"id": f"row {i}", "history": history, "query": query, "response": thoughts(reply, i), "label": 1 + i % 4})
        if len(out) == rows_wanted:
            break
    return out


def run(*arguments):
    subprocess.run([program, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def write(path, rows):
    with open(path, "w") as f:
        for row in rows:
            f.write(json.dumps(row, ensure_ascii=rng.random() < 0.5) + "\n")


def exported(data, *options):
    out = os.path.join(data, "..", "out.jsonl")
    run("export", "--data", data, "--split", "all", *options, "--out", out)
    return {row["id"]: row for row in map(json.loads, open(out))}


def tokenizers_in(folder):
    """(name, path, Tokenizer that cuts): without tokens of its own, with one in front, with one at the end as well."""
    for name, source, template in (("plain", "digits", None), ("front", "llama3", None), ("both", "llama3", "<|im_start|> $A <|im_end|>")):
        tok = Tokenizer.from_file(f"tests/golden/tokenizer/{source}/tokenizer.json")
        if template:
            tok.post_processor = processors.TemplateProcessing(single=template, special_tokens=[(t, tok.token_to_id(t)) for t in ("<|im_start|>", "<|im_end|>")])
        path = os.path.join(folder, name)
        os.makedirs(path)
        tok.save(os.path.join(path, "tokenizer.json"))
        tok.enable_truncation(limit)
        yield name, path, tok


def compare(what, got, want):
    for key, value in want.items():
        if got[key] != value:
            at = next((i for i, (a, b) in enumerate(zip(got[key], value)) if a != b), min(len(got[key]), len(value)))
            sys.exit(f"{what}, {key}: differs at {at} of {len(value)}: {got[key][at:at + 40]!r}, not {value[at:at + 40]!r}")
    print(f"{what}: {len(want)} rows equal")


def check_chat_template(folder, data, rows, texts):
    """What a trained model's folder says to programs that know chat templates alone."""
    model = os.path.join(folder, "model")
    run("train", "reward", "--data", data, "--out", model, "--new", "layers=1,hidden=16,heads=2,ffn=32,max-positions=4096", "--steps", "1", "--global-batch", "2")
    tok = PreTrainedTokenizerFast(tokenizer_file=os.path.join(data, "tokenizer.json"))
    tok.chat_template = open(os.path.join(model, "model", "chat_template.jinja")).read()
    chats = {r["id"]: r["history"] + [{"role": "user", "content": r["query"]}, {"role": "assistant", "content": r["response"]}] for r in rows}
    compare("chat template in jinja2", {i: tok.apply_chat_template(c, tokenize=False) for i, c in chats.items()}, texts)


with tempfile.TemporaryDirectory() as folder:
    data, template, source = (os.path.join(folder, n) for n in ("data", "t.txt", "rows.jsonl"))
    rows = instances(sys.argv[1])
    assert len(rows) == rows_wanted, f"{len(rows)} conversations with a reply"
    texts = {r["id"]: render(r["history"], r["query"], r["response"]) for r in rows}
    with open(template, "w") as f:
        f.write(HEAD + BEFORE + "{history}" + AFTER_HISTORY + "{query}" + AFTER_QUERY + "{response}" + AFTER_REPLY)
    write(source, rows)
    labelled = ("prepare", source, "--format", "labelled", "--template", template, "--test-instances", "0", "--max-length", "10000000", "--overwrite", "--out", data)
    run(*labelled, "--no-tokens")
    compare("texts", {i: r["text"] for i, r in exported(data, "--format", "hf").items()}, texts)
    ready = os.path.join(folder, "wildfb-train.jsonl")
    write(ready, [{"id": r["id"], "text": texts[r["id"]], "label": r["label"], "history": r["history"], "user_feedback": "…",
                   "messages": [{"role": "user", "content": r["query"]}, {"role": "assistant", "content": r["response"]}]} for r in rows])
    for name, path, tok in tokenizers_in(folder):
        tok.encode_special_tokens = True  # slots are plain text
        want = {i: tok.encode(t).ids for i, t in texts.items()}
        long = sum(len(ids) == limit for ids in want.values())
        run(*labelled, "--tokenizer", path)
        compare(f"ids, {name} ({long} cut)", {i: r["ids"] for i, r in exported(data, "--tokens").items()}, want)
        assert 0 < long < len(rows), "texts of both kinds are wanted"
        tok.encode_special_tokens = False  # a ready text is Tokenizer.encode's
        run("prepare", ready, "--format", "wildfb", "--template", template, "--tokenizer", path, "--overwrite", "--out", data)
        compare(f"ids of ready texts, {name}", {i: r["ids"] for i, r in exported(data, "--tokens").items()}, {i: tok.encode(t).ids for i, t in texts.items()})
    run(*labelled, "--tokenizer", path)
    check_chat_template(folder, data, rows, texts)
