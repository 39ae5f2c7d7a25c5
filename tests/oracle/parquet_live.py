#!/usr/bin/env python3
"""Parquet files written by pyarrow in every supported combination, with random rows: bench_parquet --dump must print what pyarrow reads from them.

usage: parquet_live.py BENCH_PARQUET [SEED [FILES]]       (needs: pyarrow)
"""
import itertools, json, os, random, subprocess, sys, tempfile
import pyarrow as pa
import pyarrow.parquet as pq
import parquet_common as common

program, seed = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 30)
files = int(sys.argv[3]) if len(sys.argv) > 3 else 400


def expected(row, o, with_header):
    """The rules of docs/data.md, from the row as pyarrow gives it."""
    messages = row["conversation"]
    if messages is None or not row["conversation_hash"]:
        return {"fault": "field missing or of a wrong type"}
    if not messages:
        return {"fault": "no messages"}
    for m in messages:
        if m is None or not m["role"] or m["content"] is None:
            return {"fault": "field missing or of a wrong type"}
        if len(m["content"].encode()) > 1 << 20:
            return {"fault": "a message over 1 MiB"}
    ip = row.get("hashed_ip") or next((m["hashed_ip"] for m in messages if m.get("hashed_ip")), None)
    user = ip or "conversation:" + row["conversation_hash"]
    head = row["header"] if "header" in row else messages[0].get("header")
    stamp = row.get("timestamp")
    if o["stamp"] in common.DIGITS and isinstance(stamp, int):
        stamp = common.rfc3339(stamp * 10 ** (9 - common.DIGITS[o["stamp"]]), common.DIGITS[o["stamp"]])
    elif isinstance(stamp, int):
        stamp = common.bare_number(stamp)
    turn = lambda m, i: int(m["turn_identifier"]) if isinstance(m.get("turn_identifier"), (int, float)) else i
    return {"id": row["conversation_hash"], "user": (user, None if head is None or not with_header else head), "language": row["language"] or "", "model": row["model"] or "",
            "timestamp": stamp if isinstance(stamp, str) else "", "toxic": bool(row.get("toxic")), "redacted": bool(row.get("redacted")),
            "messages": [[m["role"], turn(m, i), m["content"]] for i, m in enumerate(messages)]}


def read(path):
    """Rows as pyarrow has them, times as numbers: Python has no nanoseconds."""
    table = pq.read_table(path)
    for i, field in enumerate(table.schema):
        if field.name == "timestamp" and str(field.type).startswith("timestamp"):
            table = table.set_column(i, field.name, table.column(i).cast("int64"))
    return table.to_pylist()


def check(path, source, o, users):
    global refused
    try:
        rows = read(path)
    except (pa.ArrowInvalid, OSError): # it does not read each file that it wrote: then what was written
        refused += 1
        rows = [json.loads(common.as_json(row, o)) for row in source]
    for with_header in (False, True):
        run = subprocess.run([program, "--dump", path] + ["--header"] * with_header, capture_output=True)
        if run.returncode != 0:
            return run.stderr.decode()
        lines = run.stdout.decode().split("\n")[:-1]
        if len(lines) != len(rows):
            return "%d rows, and %d by pyarrow" % (len(lines), len(rows))
        for i, (line, row) in enumerate(zip(lines, rows)):
            got, want = json.loads(line), expected(row, o, with_header)
            if "user" in want and "user" in got:
                # The hash itself is checked by the golden files; here: equal headers, equal users, and the other way round.
                name, head = want["user"]
                key, want["user"] = json.dumps(head), got["user"]
                if got["user"].partition("+")[0] != name or ("+" in got["user"]) != (head is not None) or users.setdefault(got["user"].partition("+")[2], key) != key:
                    return "row %d: user %s for %s" % (i, got["user"], (name, head))
            if got != want:
                return "row %d:\n  got  %s\n  want %s" % (i, json.dumps(got)[:600], json.dumps(want)[:600])
    return None


rng, bad, n, refused, users = random.Random(seed), 0, 0, 0, {}
# Every codec x page version x encoding, then chance.
product = list(itertools.product(common.COMPRESSIONS, ["1.0", "2.0"], common.TEXT_ENCODINGS, common.NUMBER_ENCODINGS))
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "x.parquet")
    for k in range(max(files, len(product))):
        fixed = dict(zip(("codec", "version", "text", "number"), product[k]), rows=60) if k < len(product) else {}
        o = common.options(rng, **fixed)
        if k % 100 == 99:
            o["words"], o["rows"] = 400000, 12 # strings of over a mebibyte
        rows = common.rows_of(rng, o)
        common.write(path, rows, o)
        n += 1
        fault = check(path, rows, o, users)
        if fault:
            bad += 1
            print("seed %d, file %d, %s:\n  %s" % (seed, k, o, fault))
            if bad == 5:
                break
print("parquet: %d files of random rows, %d unlike pyarrow's; %d that pyarrow could not read itself (seed %d)" % (n, bad, refused, seed))
sys.exit(bad > 0)
