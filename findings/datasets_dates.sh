#!/bin/bash
# Chats whose texts look like dates, read from JSON lines by datasets.
. "$(dirname "$0")/common.sh" data
finding "datasets 5.2.0 (pyarrow 26.0.0)" \
    "a JSON string is read as a string" \
    "where all strings of a field are dates they become timestamps, in the contents of messages too; one other text in the file, and they are strings again"
run_python <<'P'
import json
import datasets

datasets.disable_progress_bars()
def read(*contents):
    with open("chats.jsonl", "w") as f:
        for content in contents:
            f.write(json.dumps({"messages": [{"role": "user", "content": content}]}) + "\n")
    rows = datasets.load_dataset("json", data_files="chats.jsonl", split="train", cache_dir="cache")
    print(*contents, "=>", *[repr(row["messages"][0]["content"]) for row in rows])

read("2024-05-01", "2024-06-30")
read("2024-05-01", "1 May 2024")
read("2024-05-01 12:30:00")
P
same <<'T'
2024-05-01 2024-06-30 => datetime.datetime(2024, 5, 1, 0, 0) datetime.datetime(2024, 6, 30, 0, 0)
2024-05-01 1 May 2024 => '2024-05-01' '1 May 2024'
2024-05-01 12:30:00 => datetime.datetime(2024, 5, 1, 12, 30)
T
