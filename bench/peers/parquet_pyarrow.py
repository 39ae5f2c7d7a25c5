#!/usr/bin/env python3
"""Rows a second that pyarrow turns into Python rows on one thread (CPU time), for the file and the columns that bench_parquet reads.

usage: parquet_pyarrow.py FILE [PASSES]              (needs: pyarrow)
       parquet_pyarrow.py --make CHATS.jsonl.zst FILE [MB]
                                  writes FILE: those chats again and again with the whole schema of WildChat, as published (snappy), about MB of it
"""
import json, random, statistics, subprocess, sys, time
import pyarrow as pa
import pyarrow.parquet as pq

pa.set_cpu_count(1)
pa.set_io_thread_count(1)
COLUMNS = ["conversation_hash", "model", "timestamp", "language", "toxic", "redacted", "hashed_ip"] + \
          ["conversation.list.element." + name for name in ("content", "role", "turn_identifier")]
HEADER = pa.struct([("accept-language", pa.string()), ("user-agent", pa.string())])
STAMP = pa.timestamp("us", tz="UTC")
MESSAGE = pa.struct([("content", pa.string()), ("country", pa.string()), ("hashed_ip", pa.string()), ("header", HEADER), ("language", pa.string()),
                     ("redacted", pa.bool_()), ("role", pa.string()), ("state", pa.string()), ("timestamp", STAMP), ("toxic", pa.bool_()),
                     ("turn_identifier", pa.int64())])
KINDS = ["harassment", "harassment/threatening", "hate", "hate/threatening", "self-harm", "self-harm/instructions", "self-harm/intent", "sexual",
         "sexual/minors", "violence", "violence/graphic"]
MODERATION = pa.struct([("categories", pa.struct([(k, pa.bool_()) for k in KINDS])), ("category_scores", pa.struct([(k, pa.float64()) for k in KINDS])),
                        ("flagged", pa.bool_())])
TOXIC = ["identity_attack", "insult", "obscene", "severe_toxicity", "sexual_explicit", "threat", "toxicity"]
SCHEMA = pa.schema([("conversation_hash", pa.string()), ("model", pa.string()), ("timestamp", STAMP), ("conversation", pa.list_(MESSAGE)), ("turn", pa.int64()),
                    ("language", pa.string()), ("openai_moderation", pa.list_(MODERATION)),
                    ("detoxify_moderation", pa.list_(pa.struct([(k, pa.float64()) for k in TOXIC]))), ("toxic", pa.bool_()), ("redacted", pa.bool_()),
                    ("state", pa.string()), ("country", pa.string()), ("hashed_ip", pa.string()), ("header", HEADER)])

def make(chats, path, megabytes):
    rng = random.Random(1)
    rows = [json.loads(line) for line in subprocess.run(["zstdcat", chats], capture_output=True, check=True).stdout.decode().splitlines()]
    size, n, group = 0, 0, []
    with pq.ParquetWriter(path, SCHEMA, compression="snappy") as writer:
        while size < megabytes * 1e6:
            row = dict(rows[rng.randrange(len(rows))])
            row["conversation_hash"], row["timestamp"], n = "%032x" % rng.getrandbits(128), 1_680_000_000_000_000 + n * 7_654_321, n + 1
            header = {"accept-language": "en-US,en;q=0.9", "user-agent": "Mozilla/5.0 (%d)" % rng.randrange(500)}
            row["conversation"] = [dict(m, header=header if m["role"] == "user" else None, timestamp=None if m["role"] == "user" else row["timestamp"])
                                   for m in row["conversation"]]
            row["header"], row["hashed_ip"] = header, "%064x" % rng.getrandbits(256)
            row["openai_moderation"] = [{"categories": {k: False for k in KINDS}, "category_scores": {k: rng.random() for k in KINDS}, "flagged": False}
                                        for _ in row["conversation"]]
            row["detoxify_moderation"] = [{k: rng.random() for k in TOXIC} for _ in row["conversation"]]
            size += sum(len(m["content"].encode()) for m in row["conversation"])
            group.append({name: row.get(name) for name in SCHEMA.names})
            if len(group) == 1000 or size >= megabytes * 1e6:
                writer.write_table(pa.Table.from_pylist(group, schema=SCHEMA))
                group = []

if sys.argv[1] == "--make":
    make(sys.argv[2], sys.argv[3], float(sys.argv[4]) if len(sys.argv) > 4 else 100)
    sys.exit(0)

seconds, rows = [], 0
for _ in range(int(sys.argv[2]) if len(sys.argv) > 2 else 5):
    start = time.process_time()
    rows = len(pq.ParquetFile(sys.argv[1]).read(columns=COLUMNS, use_threads=False).to_pylist())
    seconds.append(time.process_time() - start)
print(json.dumps({"rows": rows, "rows_s": round(rows / statistics.median(seconds)), "best_rows_s": round(rows / min(seconds))}))
