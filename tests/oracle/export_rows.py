"""Rows of wildreward export and pairs as pyarrow's JSON reader (which datasets.load_dataset("json") is built on) takes them.

usage: export_rows.py     WILDREWARD names the program
"""
import os, subprocess, tempfile
import pyarrow as pa
import pyarrow.json

program = os.environ["WILDREWARD"]


def run(*arguments):
    subprocess.run([program, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kind(t):
    """list<struct<role: string, content: string>> and so on, whatever the nullability."""
    if pa.types.is_list(t):
        return [kind(t.value_type)]
    if pa.types.is_struct(t):
        return {f.name: kind(f.type) for f in t}
    return str(t)


messages = [{"role": "string", "content": "string"}]
shapes = {
    ("export", "--format", "trl"): {"prompt": messages, "completion": messages, "label": "bool"},
    ("export", "--format", "hf"): {"text": "string", "label": "int64", "id": "string", "user": "string"},
    ("export", "--kind", "chats", "--format", "trl"): {"messages": messages},
    ("export", "--tokens"): {"id": "string", "turn": "int64", "label": "int64", "history": messages, "query": "string", "response": "string", "ids": ["int64"]},
    ("pairs", "--format", "trl"): {"prompt": messages, "chosen": messages, "rejected": messages},
    ("pairs",): {"user": "string", "query": "string", "history": messages, "chosen": "string", "rejected": "string", "chosen_label": "int64"},
}
with tempfile.TemporaryDirectory() as folder:
    chats, data, out = (os.path.join(folder, n) for n in ("world/chats.jsonl.zst", "data", "out.jsonl"))
    run("synth", "--users", "40", "--conversations", "600", "--train-prompts", "10", "--heldout-prompts", "10", "--seed", "5", "--out", os.path.join(folder, "world"))
    run("prepare", chats, "--out", data, "--min-reply-words", "1", "--min-query-words", "1")
    for (command, *options), want in shapes.items():
        run(command, "--data", data, "--split", "all", *options, "--out", out)
        table = pyarrow.json.read_json(out)
        got = {f.name: kind(f.type) for f in table.schema}
        for name, shape in want.items():
            assert got.get(name) == shape, f"{command} {options}: {name} is {got.get(name)}, not {shape}"
        assert table.num_rows == sum(1 for _ in open(out)) > 0, f"{command} {options}: rows are missing"
        print(f"{' '.join([command, *options])}: {table.num_rows} rows, {', '.join(got)}")
