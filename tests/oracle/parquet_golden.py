#!/usr/bin/env python3
"""Writes the golden Parquet files and the same rows as JSON: tests/golden/parquet/NAME.parquet, NAME.jsonl.zst.

usage: parquet_golden.py [OUT_DIR]        (needs: pyarrow; another version of it writes other, equally good bytes)
"""
import json, os, random, subprocess, sys
import pyarrow as pa
import pyarrow.parquet as pq
import parquet_common as common

out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden", "parquet")
BASE = dict(rows=7, nulls=0.05, words=5, messages=4, stamp="us", turn="int64", large=False, top_ip=True, message_ip=True, top_header=True, message_header=False,
            required=False, element="element", extra=True, groups=1, page=1 << 20, codec="snappy", version="1.0", text="dictionary", number="dictionary", bool="PLAIN",
            dictionary_limit=1 << 20, crc=False, index=False, statistics=False, flags=True, digits=6, arrow=False)
FILES = {
    "snappy_v1_dictionary": {},
    "zstd_v2_dictionary": dict(codec="zstd", version="2.0", bool="RLE", crc=True),
    "gzip_v1_plain": dict(codec="gzip", text="PLAIN", number="PLAIN", index=True),
    "none_v2_plain": dict(rows=5, codec="none", version="2.0", text="PLAIN", number="PLAIN", stamp="ms", crc=True),
    "delta": dict(version="2.0", extra=False, statistics=True, text="DELTA_BYTE_ARRAY", number="DELTA_BINARY_PACKED", stamp="ns"),
    "delta_length": dict(extra=False, stamp="naive", codec="none", text="DELTA_LENGTH_BYTE_ARRAY", number="BYTE_STREAM_SPLIT", turn="int32"),
    "ten_groups": dict(rows=20, messages=2, words=2, message_ip=False, groups=10, extra=False, stamp="absent", top_header=False, top_ip=False, flags=False, turn="absent"),
    "many_pages": dict(rows=11, top_header=False, page=64, dictionary_limit=100, index=True, extra=False, version="2.0"),
    "many_pages_v1": dict(rows=8, messages=50, nulls=0, message_ip=False, top_ip=False, text="PLAIN", words=2, top_header=False, page=64, dictionary_limit=100, crc=True, extra=False, codec="none"),
    "many_nulls": dict(extra=False, message_header=True, nulls=0.4, rows=14, stamp="int96", turn="double", codec="zstd"),
    "required_large": dict(rows=4, extra=False, required=True, large=True, nulls=0, element="item", turn="uint8"),
    "message_fields_only": dict(message_header=True, top_ip=False, top_header=False, flags=False, stamp="string", element="array_element", rows=11, nulls=0.2),
    "few_columns": dict(top_ip=False, top_header=False, message_ip=False, message_header=False, flags=False, stamp="absent", turn="absent", extra=False),
    "other_types": dict(rows=4, stamp="int", turn="string", extra=False),
    "empty": dict(rows=0, extra=False),
    "long": dict(rows=4, words=1, messages=3, codec="zstd", extra=False, nulls=0, turn="absent", message_ip=False),
}
rng = random.Random(5)
os.makedirs(out, exist_ok=True)


def save(name, rows, o):
    path = os.path.join(out, name)
    common.write(path + ".parquet", rows, o)
    text = "".join(common.as_json(row, o) + "\n" for row in rows)
    subprocess.run(["zstd", "-19", "-q", "-f", "-o", path + ".jsonl.zst"], input=text.encode(), check=True)


for name, fixed in FILES.items():
    o = dict(BASE, **fixed)
    rows = common.rows_of(rng, o)
    if name == "long": # a message of a mebibyte just so, and a byte more; a message too many, and just so
        rows[0]["conversation"] = [{"role": "user", "content": "é" * (1 << 19), "turn_identifier": 1}, {"role": "assistant", "content": "short", "turn_identifier": 2}]
        rows[1]["conversation"] = [{"role": "user", "content": "x" * ((1 << 20) + 1), "turn_identifier": 1}]
        rows[2]["conversation"] = [{"role": "user", "content": "m", "turn_identifier": 0} for i in range(2001)]
        rows[3]["conversation"] = [{"role": "user", "content": "m" if i < 1999 else "last", "turn_identifier": 0} for i in range(2000)]
    save(name, rows, o)

# Schemas of other writers. A struct that is never null has the same levels whether the schema names it or not.
LIST_OF = dict(required=True, nulls=0, extra=False, top_header=False, codec="none", stamp="ms")


def is_named(element, name):
    return element[4][1] == name


def two_level(metadata): # conversation.array, whose repeated group is the message
    _, elements = metadata[2][1]
    i = next(i for i, e in enumerate(elements) if is_named(e, b"list"))
    elements[i][4], elements[i][5] = (8, b"array"), elements[i + 1][5]
    del elements[i + 1]


def bare(metadata): # conversation itself repeated, no list around it
    _, elements = metadata[2][1]
    two_level(metadata)
    i = next(i for i, e in enumerate(elements) if is_named(e, b"array"))
    elements[i][4] = (8, b"conversation")
    del elements[i - 1]


def bag(metadata):
    _, elements = metadata[2][1]
    next(e for e in elements if is_named(e, b"list"))[4] = (8, b"bag")


for name, edit in {"two_level": two_level, "bare_list": bare, "bag": bag}.items():
    o = dict(BASE, **(dict(LIST_OF, element="array_element") if name == "bag" else LIST_OF))
    rows = common.rows_of(rng, o)
    save(name, rows, o)
    common.edit_footer(os.path.join(out, name + ".parquet"), edit)

# Bytes that are no UTF-8 (pyarrow checks them in text columns, not in binary ones; the physical type is the same). A row of JSON has them too.
BAD = [(b"a", b"m", b"user", b"fine"), (b"b\xff", b"m", b"user", b"x"), (b"c", b"\xed\xa0\x80", b"user", b"x"), (b"d", b"m", b"us\xc3", b"x"),
       (b"e", b"m", b"user", b"cut \xe4\xbd"), (b"f", b"m", b"user", b"\xc0\xaf"), (b"g", b"m", b"user", "你好".encode()), (b"h", b"m", b"user", b"long " * 20 + b"\x80")]
binary = pa.table({"conversation_hash": pa.array([r[0] for r in BAD], pa.binary()), "model": pa.array([r[1] for r in BAD], pa.binary()),
                   "conversation": pa.array([[{"role": r[2], "content": r[3]}] for r in BAD], pa.list_(pa.struct([("role", pa.binary()), ("content", pa.binary())])))})
for name, dictionary in {"bad_utf8": False, "bad_utf8_dictionary": True}.items():
    path = os.path.join(out, name)
    pq.write_table(binary, path + ".parquet", use_dictionary=dictionary, store_schema=False, write_statistics=False)
    lines = b"".join(b'{"conversation_hash":"%s","model":"%s","conversation":[{"role":"%s","content":"%s"}]}\n' % r for r in BAD)
    subprocess.run(["zstd", "-19", "-q", "-f", "-o", path + ".jsonl.zst"], input=lines, check=True)

# What is refused by name.
refused = os.path.join(out, "refused")
os.makedirs(refused, exist_ok=True)
o = dict(BASE, rows=1, extra=False, top_header=False, top_ip=False, message_ip=False, flags=False, stamp="absent", turn="absent")
rows = [{"conversation_hash": "a", "model": "m", "timestamp": 0, "language": "English", "toxic": False, "redacted": False, "hashed_ip": "1",
         "conversation": [{"role": "user", "content": "hi " * 40, "turn_identifier": 0}]}]


def refuse(name, edit=None, **fixed):
    path = os.path.join(refused, name + ".parquet")
    common.write(path, rows, dict(o, **fixed))
    if edit:
        common.edit_footer(path, edit)


def each_chunk(change):
    def edit(metadata):
        for group in metadata[4][1][1]:
            for chunk in group[1][1][1]:
                change(chunk)
    return edit


def rename(old, new):
    def edit(metadata):
        next(e for e in metadata[2][1][1] if is_named(e, old))[4] = (8, new)
    return edit


def write_table(table, path):
    pq.write_table(table, path, store_schema=False, write_statistics=False)


refuse("lz4_raw", codec="lz4")
refuse("brotli", codec="brotli")
refuse("lzo", each_chunk(lambda c: c[3][1].__setitem__(4, (5, 3))))
refuse("codec_99", each_chunk(lambda c: c[3][1].__setitem__(4, (5, 99))))
refuse("other_file", each_chunk(lambda c: c.__setitem__(1, (8, b"part-2.parquet"))))
refuse("column_key", each_chunk(lambda c: c.__setitem__(8, (12, {1: (12, {})}))))
refuse("encrypted", lambda m: m.__setitem__(8, (12, {1: (12, {})})))
refuse("no_conversation", rename(b"conversation", b"messages"))
refuse("no_hash", rename(b"conversation_hash", b"hash"))
refuse("no_content", rename(b"content", b"text"))
write_table(pa.table({"conversation_hash": ["a"], "conversation": ["not a list"]}), os.path.join(refused, "no_list.parquet"))
write_table(pa.table({"conversation_hash": [1], "conversation": [[{"role": "user", "content": "x"}]]}), os.path.join(refused, "number_hash.parquet"))
write_table(pa.table({"conversation_hash": ["a"], "conversation": [[{"role": "user", "content": "x"}]], "toxic": [1]}), os.path.join(refused, "number_toxic.parquet"))
write_table(pa.table({"conversation_hash": ["a"], "conversation": [[{"role": "user", "content": "x"}]], "header": [{"a": [1, 2]}]}), os.path.join(refused, "list_header.parquet"))

# Values whose stored number is not what they say, in a call's argument; and one column that goes on behind the last row.
import datetime, decimal  # noqa: E402
for name, value in (("decimal", decimal.Decimal("1.50")), ("date", datetime.date(2024, 2, 29)), ("time", datetime.time(1, 2, 3))):
    write_table(pa.table({"conversation_hash": ["a"], "conversation": [[{"role": "assistant", "content": "x", "tool_calls": [{"n": value}]}]]}), os.path.join(refused, name + "_call.parquet"))
write_table(pa.table({"messages": [[{"role": "user", "content": "x", "tool_calls": [{"n": i}]}] for i in range(2)]}), os.path.join(refused, "more_rows.parquet"))


def one_row_less(metadata):
    metadata[3] = (metadata[3][0], 1)
    group = metadata[4][1][1][0]
    group[3] = (group[3][0], 1)


common.edit_footer(os.path.join(refused, "more_rows.parquet"), one_row_less)

# Logs of other field maps, as their publishers write them: fields/MAP.parquet.
def text(i):
    return ["Hello 你好", "", "A longer reply, with a line\nbreak and a tab\t.", "é🙂", "no"][i % 5]


message = pa.struct([("content", pa.string()), ("role", pa.string())])
lmsys = [{"conversation_id": f"id{i}", "model": "vicuna-13b", "conversation": [{"content": text(i + k), "role": "assistant" if k % 2 else "user"} for k in range(i % 4)],
          "turn": i % 4, "language": "English" if i % 3 else None, "openai_moderation": [{"flagged": False}], "redacted": i % 2 == 0, "tstamp": 1680000000.5 + i}
         for i in range(9)]
schemas = {
    "lmsys": (lmsys, pa.schema([("conversation_id", pa.string()), ("model", pa.string()), ("conversation", pa.list_(message)), ("turn", pa.int64()), ("language", pa.string()),
                                ("openai_moderation", pa.list_(pa.struct([("flagged", pa.bool_())]))), ("redacted", pa.bool_()), ("tstamp", pa.float64())])),
    "sharegpt": ([{"id": f"chat_{i}", "conversations": [{"from": ["human", "gpt", "system", "tool"][(i + k) % 4], "value": text(i + 2 * k)} for k in range(1 + i % 3)]} for i in range(7)],
                 pa.schema([("id", pa.string()), ("conversations", pa.list_(pa.struct([("from", pa.string()), ("value", pa.string())])))])),
}
os.makedirs(os.path.join(out, "fields"), exist_ok=True)
for name, (rows, schema) in schemas.items():
    path = os.path.join(out, "fields", name)
    pq.write_table(pa.Table.from_pylist(rows, schema), path + ".parquet", row_group_size=5)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    subprocess.run(["zstd", "-19", "-q", "-f", "-o", path + ".jsonl.zst"], input=lines.encode(), check=True)

# Rows that tests/e2e/message_rows.sh has as JSON too: rows/WHAT.parquet.
os.makedirs(os.path.join(out, "rows"), exist_ok=True)
messages = [[{"role": "user", "content": f"How do I bake {i} loaves of good bread at home?"}, {"role": "assistant", "content": f"With flour, water, salt and {i} hours of time."},
             {"role": "user", "content": "Thanks, that was great help!"}] for i in (1, 2, 3)]
rated = [{"prompt": f"What is it, number {i}?", "response": f"An answer,\nnumber \"{i}\".", "label": 1 + i % 4, "user": f"u{i}", "id": f"r{i}"} for i in range(1, 21)]
call = [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{\"x\": 1}"}}]
ask, thanks = {"role": "user", "content": "How do I bake a good bread at home?"}, {"role": "user", "content": "Thanks, that was great help!"}
calls = [{"id": "a", "tools": [{"name": "look", "n": 3}], "messages": [ask, {"role": "assistant", "tool_calls": call}, {"role": "tool", "content": "sunny"},
                                                                      {"role": "assistant", "content": "It is sunny.", "reasoning": "hm"}, thanks]},
         {"id": "b", "messages": [ask, {"role": "assistant", "content": "Use flour.", "tool_calls": []}, thanks]},
         {"id": "c", "messages": []}, {"id": "d"}, {"id": "e", "messages": [{"role": "user"}]}]
wildfb = [{"id": i, "history": messages[i % 3][:2] if i % 2 else [], "text": f"talk\n{i}", "messages": messages[i % 3][:2], "user_feedback": "ok", "label": 1 + i % 4} for i in range(8)]
function = pa.struct([("name", pa.string()), ("arguments", pa.string())])
message = pa.struct([("role", pa.string()), ("content", pa.string()), ("reasoning", pa.string()),
                     ("tool_calls", pa.list_(pa.struct([("id", pa.string()), ("type", pa.string()), ("function", function)])))])
calls_schema = pa.schema([("id", pa.string()), ("tools", pa.list_(pa.struct([("name", pa.string()), ("n", pa.int32())]))), ("messages", pa.list_(message))])
parts = [{"messages": [dict(m, content=[{"type": "text", "text": m["content"][:9]}, {"type": "text", "text": m["content"][9:]}]) for m in chat]} for chat in messages]
for name, rows, schema in (("messages", [{"messages": m} for m in messages], None), ("rated", rated, None), ("calls", calls, calls_schema), ("parts", parts, None), ("wildfb-train", wildfb, None),
                           ("wildfb-test", [dict(row, messages=json.dumps(row["messages"])) for row in wildfb], None),
                           ("text", [{"messages": json.dumps(m)} for m in messages], None),
                           ("tools_text", [dict(row, tools=json.dumps(row["tools"]) if "tools" in row else None) for row in calls], calls_schema.set(1, pa.field("tools", pa.string())))):
    table = pa.Table.from_pylist(rows, schema)
    pq.write_table(table, os.path.join(out, "rows", name + ".parquet"), row_group_size=3)
    if name == "calls":
        with open(os.path.join(out, "rows", name + ".jsonl"), "w") as f:
            f.writelines(json.dumps(row) + "\n" for row in table.to_pylist())
